"""Group O, groups: what subtracting a group's mean (O4) and dividing by its standard deviation (O5) do to the expected update.

One prompt with success probability x. u and v are a component of E[score | correct] and of E[score | wrong]; scores have mean
zero, so v = -x u/(1 - x), and the gradient of the success probability is x u (B9).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import sympy as sp
from sympy import And, Eq, Symbol

from dstheory.claims import (
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
    Claim,
    Step,
    at_least,
    counterexample,
    decide,
    example,
    identity,
)

x, u, G, K, mean, slope = sp.symbols("x u G K E grad")
v = Symbol("v")
SCORES = {v: -x * u / (1 - x), slope: x * u}
PROMPT = {"x": UNIT, "u": REAL}
SIZES = (2, 3, 4)


def enumerated(size: int, credit: object) -> sp.Expr:
    """The expected update by all 2^G outcomes of a group: mean over responses of credit x score (u if right, v if wrong)."""
    total = []
    for outcome in product((0, 1), repeat=size):
        chance = sp.Mul(*[x if right else 1 - x for right in outcome])
        scores = [u if right else v for right in outcome]
        total += [chance * credit(outcome, i) * scores[i] / size for i in range(size)]  # type: ignore[operator]
    return sp.Add(*total)


def binomial_mean(size: int, value: object) -> sp.Expr:
    """E[value(K)] for K successes in a group of that size."""
    return sp.Add(
        *[sp.binomial(size, k) * x**k * (1 - x) ** (size - k) * value(k) for k in range(size + 1)]  # type: ignore[operator]
    )


# --- O4 ---------------------------------------------------------------------------------------------------------------


def centring() -> Iterator[Step]:
    """O4: by moments for any group, then outcome by outcome for small ones."""
    own, average, score = sp.symbols("E_RS E_R E_S")
    moments = {score: 0}
    yield identity(
        "Responses are independent, and a score has mean E[S] = 0: another response's reward, as credit, gives E[R] E[S] = 0. So "
        "the reward minus the mean of the G - 1 others gives E[R S], the gradient, exactly;",
        own - (G - 1) * average * score / (G - 1),
        own,
        where={"G": at_least(2), "E_RS E_R": REAL},
        using=moments,
    )
    yield identity(
        "the reward minus the mean of all G, its own included, keeps (G - 1)/G of it. Rewards may be any numbers.",
        own - (own + (G - 1) * average * score) / G,
        (G - 1) / G * own,
        where={"G": at_least(2), "E_RS E_R": REAL},
        using=moments,
    )
    for size in SIZES:
        others = enumerated(size, lambda o, i: o[i] - sp.Rational(sum(o) - o[i], len(o) - 1))
        own_too = enumerated(size, lambda o, i: o[i] - sp.Rational(sum(o), len(o)))
        names = sp.symbols("U_others U_all")
        yield identity(
            f"Outcome by outcome, G = {size}: RLOO gives the gradient, centring gives {size - 1}/{size} of it.",
            names,
            [slope, sp.Rational(size - 1, size) * slope],
            where=PROMPT,
            using={**SCORES, **dict(zip(names, (others, own_too), strict=True))},
        )


O4 = Claim(
    id="O4",
    group="O",
    title="RLOO's expected update is the gradient; centring by the whole group's mean keeps (G-1)/G of it",
    statement="""With the mean of the other responses as baseline the expected update is grad J for every group size G >= 2.
        With the mean of the whole group it is (G-1)/G grad J; divided by a constant L_max (Dr. GRPO), (G-1)/G grad J / L_max.
        Neither changes the direction, nor the split between the stages.""",
    latex=r"\mathrm{E}[(R-\bar R_{-i})S]=\nabla J,\qquad \mathrm{E}[(R-\bar R)S]=\tfrac{G-1}{G}\nabla J",
    level="gradient",
    scope="any chain, any rewards, any G >= 2",
    source="arXiv 2402.14740 (RLOO), 2503.20783 (Dr. GRPO)",
    domain={},
    proof=centring,
    related=["O6", "B8"],
)


# --- O5 ---------------------------------------------------------------------------------------------------------------

HALF, RARE = sp.Rational(1, 2), sp.Rational(1, 20)


def weight(size: int, success: sp.Expr) -> sp.Expr:
    """w_G at a success probability: sqrt((G-1)/G) E[sqrt(K(G-K))]/(G p(1-p))."""
    root = binomial_mean(size, lambda k: sp.sqrt(k * (size - k))).subs(x, success)
    return sp.sqrt(sp.Rational(size - 1, size)) * root / (size * success * (1 - success))


def std_weights() -> Iterator[Step]:
    """O5: the formula, its numbers, and its limit between two bounds."""
    f, root, w, _variance, update = sp.symbols("f_K E_root w s2 U")
    yield identity(
        "The sample variance (ddof 1) of a group with K successes is K(G - K)/(G(G - 1)).",
        (K * (1 - K / G) ** 2 + (G - K) * (K / G) ** 2) / (G - 1),
        K * (G - K) / (G * (G - 1)),
        where={"G": at_least(2), "K": NONNEGATIVE},
    )
    yield identity(
        "Given K, the mean over the group of f_K (R - K/G) x score is f_K K(G - K)/(G^2 x(1-x)) times the gradient, one number "
        "for both stages.",
        (K * f * (1 - K / G) * u + (G - K) * f * (-K / G) * v) / G,
        f * K * (G - K) / (G**2 * x * (1 - x)) * slope,
        where={**PROMPT, "K": NONNEGATIVE, "G": at_least(2), "f_K": REAL},
        using=SCORES,
    )
    yield identity(
        "With f_K = 1/std, and 0 for groups that all agree, the square of that number is (G-1)/G K(G-K)/(G x(1-x))^2: w_G = "
        "sqrt((G-1)/G) E[sqrt(K(G-K))]/(G x(1-x)).",
        (f * K * (G - K) / (G**2 * x * (1 - x))) ** 2,
        (G - 1) / G * K * (G - K) / (G * x * (1 - x)) ** 2,
        given=[K < G],
        where={**PROMPT, "K": POSITIVE, "G": at_least(2)},
        using={f: 1 / sp.sqrt(K * (G - K) / (G * (G - 1)))},
    )
    yield identity(
        "Outcome by outcome for G = 4.",
        update,
        w * slope,
        where=PROMPT,
        using={**SCORES, update: enumerated(4, _standardised), w: weight(4, x)},
    )
    close = [(Symbol("w_half"), Fraction(174, 100)), (Symbol("w_rare"), Fraction(231, 100))]
    yield example(
        "G = 8: 1.74 at x = 1/2 and 2.31 at x = 1/20, each within 0.005.",
        And(*[sp.Abs(name - sp.Rational(value)) < sp.Rational(1, 200) for name, value in close]),
        at={},
        using={close[0][0]: weight(8, HALF), close[1][0]: weight(8, RARE)},
    )
    yield from limit_of_the_weight(root, w)


def _standardised(outcome: tuple[int, ...], i: int) -> sp.Expr:
    size, right = len(outcome), sum(outcome)
    if right in (0, size):
        return sp.S.Zero
    return (outcome[i] - sp.Rational(right, size)) / sp.sqrt(sp.Rational(right * (size - right), size * (size - 1)))


def limit_of_the_weight(root: sp.Symbol, w: sp.Symbol) -> Iterator[Step]:
    """O5: two bounds on E[sqrt z], z = K(G-K)/G^2, that meet as G grows."""
    r, m, _second = sp.symbols("r m E_z2")
    y = x * (1 - x)
    for size in (3, 5):
        yield identity(
            f"The moments of K(G-K) are polynomials in x(1-x): E = G(G-1) y, E of the square = (G)_4 y^2 + (G)_3 y + (G)_2 y, "
            f"(G)_n = G(G-1)...; here G = {size}.",
            sp.symbols("E_1 E_2"),
            [size * (size - 1) * y, sp.ff(size, 4) * y**2 + sp.ff(size, 3) * y + sp.ff(size, 2) * y],
            where={"x": UNIT},
            using=dict(
                zip(
                    sp.symbols("E_1 E_2"),
                    [binomial_mean(size, lambda k, n=size, e=e: (k * (n - k)) ** e) for e in (1, 2)],
                    strict=True,
                )
            ),
        )
    yield decide(
        "With z = m r^2 and m = E[z] = (G-1)/G x(1-x): (3 r^2 - r^4)/2 <= r <= (1 + r^2)/2, hence sqrt(m) (3 - E[z^2]/m^2)/2 <= "
        "E[sqrt z] <= sqrt(m).",
        And((3 * r**2 - r**4) / 2 <= r, r <= (1 + r**2) / 2),
        where={"r": NONNEGATIVE},
    )
    n = Symbol("G")
    falling = [sp.Mul(*[n - j for j in range(k)]) for k in range(5)]
    spread = (falling[4] * x * (1 - x) + falling[3] + falling[2]) / (falling[2] * n * (n - 1) * x * (1 - x))
    yield identity(
        "E[z^2]/m^2 - 1 has the numerator linear in G over G(G-1): it tends to 0,",
        spread - 1,
        (n - 1 - (4 * n - 6) * x * (1 - x)) / (n * (n - 1) * x * (1 - x)),
        where={"G": at_least(2), "x": UNIT},
    )
    yield identity(
        "so w_G, which is sqrt((G-1)/G) E[sqrt z]/(x(1-x)), is at most (G-1)/G/sqrt(x(1-x)) and tends to 1/sqrt(x(1-x)).",
        (sp.sqrt((n - 1) / n) * sp.sqrt(m) / (x * (1 - x))) ** 2,
        ((n - 1) / n) ** 2 / (x * (1 - x)),
        where={"G": at_least(2), "x": UNIT},
        using={m: (n - 1) / n * x * (1 - x)},
    )


O5 = Claim(
    id="O5",
    group="O",
    title="Dividing by the group's std weighs a prompt by w_G, 1/sqrt(x(1-x)) in the limit",
    statement="""With 0/1 rewards, success probability x, groups of G and the sample standard deviation (ddof 1), groups that all
        agree skipped, the expected update is w_G grad x with w_G = sqrt((G-1)/G) E[sqrt(K(G-K))]/(G x(1-x)), K ~ Bin(G, x); it
        lies below (G-1)/G/sqrt(x(1-x)) and tends to 1/sqrt(x(1-x)). G = 8 gives 1.74 at x = 1/2 and 2.31 at x = 1/20.""",
    latex=r"w_G=\sqrt{\tfrac{G-1}{G}}\,\frac{\mathrm{E}\sqrt{K(G-K)}}{G\,x(1-x)}\longrightarrow\frac{1}{\sqrt{x(1-x)}}",
    level="gradient",
    scope="any chain, any policy class, any G >= 2",
    source="arXiv 2402.03300 (the rule); derived here",
    domain={},
    proof=std_weights,
    related=["O5-loose", "O5-small", "O5-options", "B8"],
)

O5_LOOSE = Claim(
    id="O5-loose",
    group="O",
    title="Dividing by the group's std weighs prompts by 1/sqrt(x(1-x))",
    statement="The weight that the group's standard deviation gives to a prompt is 1/sqrt(x(1-x)) at any group size.",
    level="gradient",
    scope="groups of four, sample standard deviation",
    domain={"x": UNIT},
    proof=[
        decide(
            "The squares of both weights agree.",
            Eq(Symbol("w") ** 2, 1 / (x * (1 - x))),
            using={"w": weight(4, x)},
        )
    ],
    recorded="fails",
    witness={"x": "1/2"},
    related=["O5", "O5-small"],
)


def small_groups() -> Iterator[Step]:
    """O5-small: K(G-K) has one value besides 0 for G = 2 and 3."""
    w = Symbol("w")
    for size, value in ((2, sp.sqrt(sp.Rational(1, 2))), (3, 2 / sp.sqrt(3))):
        yield identity(
            f"G = {size}: the weight is {sp.sstr(value)} for every prompt.",
            w,
            value,
            where={"x": UNIT},
            using={w: weight(size, x)},
        )
    yield counterexample(
        "From G = 4 on it depends on the prompt: x = 1/2 and x = 1/4 differ.",
        Eq(w, Symbol("w_quarter")),
        at={},
        using={w: weight(4, HALF), Symbol("w_quarter"): weight(4, sp.Rational(1, 4))},
    )


O5_SMALL = Claim(
    id="O5-small",
    group="O",
    title="In groups of two and three the std weighs all prompts alike",
    statement="""With 0/1 rewards the weight w_G is 1/sqrt(2) for G = 2 and 2/sqrt(3) for G = 3, whatever the prompt's success
        probability; from G = 4 on it depends on it.""",
    latex=r"w_2=\tfrac{1}{\sqrt2},\quad w_3=\tfrac{2}{\sqrt3}",
    level="gradient",
    scope="any chain with 0/1 rewards, all success probabilities in (0, 1)",
    domain={},
    proof=small_groups,
    recorded="holds under condition",
    related=["O5", "O5-loose"],
)


def conventions() -> Iterator[Step]:
    """O5-options: ddof, epsilon, groups without variance, groups of one."""
    s, eps = sp.symbols("s epsilon")
    yield identity(
        "The population std (ddof 0) is sqrt((G-1)/G) times the sample std, so its weight is sqrt(G/(G-1)) times w_G:",
        (K * (1 - K / G) ** 2 + (G - K) * (K / G) ** 2) / G,
        (G - 1) / G * s**2,
        where={"G": at_least(2), "K": NONNEGATIVE},
        using={s: sp.sqrt(K * (G - K) / (G * (G - 1)))},
    )
    yield decide(
        "epsilon in std + epsilon lowers the weight of every prompt, and keeps it finite,",
        And(1 / (s + eps) < 1 / s, 1 / (s + eps) < 1 / eps),
        where={"s epsilon": POSITIVE},
    )
    yield identity(
        "groups that all agree have centred rewards zero: they count nothing at any epsilon > 0, and are 0/0 without one,",
        [(1 - 1) / eps * u, (0 - 0) / eps * v],
        [Symbol("none"), Symbol("none")],
        where={**PROMPT, "epsilon": POSITIVE},
        using={**SCORES, Symbol("none"): 0},
    )
    yield decide(
        "and with any epsilon the largest credit, that of the single success in a group, stays below sqrt(G):",
        (G - 1) / G / s < sp.sqrt(G),
        given=[Eq(s**2 * G, 1)],
        where={"s": POSITIVE, "G": at_least(2)},
    )
    yield identity(
        "A group of one has the reward itself as mean: its credit is 0, with its std (ddof 1) it would be 0/0.",
        Symbol("R") - Symbol("R_mean"),
        0,
        where={"R": REAL},
        using={Symbol("R_mean"): Symbol("R")},
    )


O5_OPTIONS = Claim(
    id="O5-options",
    group="O",
    title="What ddof, epsilon and groups without variance do to the std weight",
    statement="""The population std multiplies w_G by sqrt(G/(G-1)); epsilon > 0 lowers every weight; groups that all agree, and
        groups of one, contribute nothing; the credit of a single success in a group is below sqrt(G).""",
    latex=r"s_0=\sqrt{\tfrac{G-1}{G}}\,s_1",
    level="gradient",
    scope="0/1 rewards, any G >= 2",
    domain={},
    proof=conventions,
    related=["O5"],
)

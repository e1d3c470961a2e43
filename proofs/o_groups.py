"""Group O, groups: what subtracting a group's mean (O4) and dividing by its standard deviation (O5) do to the expected update.

One prompt with success probability x. u and v are a component of E[score | correct] and of E[score | wrong]; scores have mean
zero, so v = -x u/(1 - x), and the gradient of the success probability is x u (B9).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Or, Symbol

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
    yield identity(
        "Responses are independent: another response's reward, as credit, gives `E[R] E[S] = 0`. So the reward minus the mean of "
        "the `G - 1` others gives `E[R S]`, the gradient, and the reward minus the mean of all `G`, its own included, keeps `(G "
        "- 1)/G` of it. Rewards may be any numbers.",
        [own - (G - 1) * average * score / (G - 1), own - (own + (G - 1) * average * score) / G],
        [own, (G - 1) / G * own],
        where={"G": at_least(2), "E_RS E_R": REAL},
        using={score: 0},
    )
    for size in SIZES:
        others = enumerated(size, lambda o, i: o[i] - sp.Rational(sum(o) - o[i], len(o) - 1))
        own_too = enumerated(size, lambda o, i: o[i] - sp.Rational(sum(o), len(o)))
        names = sp.symbols("U_others U_all")
        yield identity(
            f"Outcome by outcome, `G = {size}`: RLOO gives the gradient, centring gives `{size - 1}/{size}` of it.",
            names,
            [slope, sp.Rational(size - 1, size) * slope],
            where=PROMPT,
            using={**SCORES, **dict(zip(names, (others, own_too), strict=True))},
        )


O4 = Claim(
    id="O4",
    group="O",
    title="RLOO's expected update is the gradient; centring by the whole group's mean keeps `(G-1)/G` of it",
    statement="""With the mean of the other responses as baseline the expected update is `grad J` for every group size `G
        >= 2`. With the mean of the whole group it is `(G-1)/G grad J`; divided by a constant `L_max` (Dr. GRPO), `(G-1)/G
        grad J / L_max`. Neither changes the direction, nor the split between the stages.""",
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
    f, w, update = sp.symbols("f_K w U")
    yield identity(
        "The sample variance (ddof 1) of a group with `K` successes is `K(G - K)/(G(G - 1))`.",
        (K * (1 - K / G) ** 2 + (G - K) * (K / G) ** 2) / (G - 1),
        K * (G - K) / (G * (G - 1)),
        where={"G": at_least(2), "K": NONNEGATIVE},
    )
    yield identity(
        "Given `K`, the mean over the group of `f_K (R - K/G)` times score is `f_K K(G - K)/(G^2 x(1-x))` times the gradient, "
        "one number for both stages.",
        (K * f * (1 - K / G) * u + (G - K) * f * (-K / G) * v) / G,
        f * K * (G - K) / (G**2 * x * (1 - x)) * slope,
        where={**PROMPT, "K": NONNEGATIVE, "G": at_least(2), "f_K": REAL},
        using=SCORES,
    )
    wrong = Symbol("F")
    yield decide(
        "With `f_K = 1`/std, and 0 for groups that all agree, the square of that number is `(G-1)/G K(G-K)/(G x(1-x))^2`: `w_G = "
        "sqrt((G-1)/G) E[sqrt(K(G-K))]/(G x(1-x))`. Here `F = G - K`, and both are at least 1.",
        Implies(
            Eq(f**2 * K * wrong, G * (G - 1)),
            Eq((f * K * wrong / (G**2 * x * (1 - x))) ** 2, (G - 1) / G * K * wrong / (G * x * (1 - x)) ** 2),
        ),
        where={"x": UNIT, "K F": at_least(1), "f_K": POSITIVE},
        using={G: K + wrong},
    )
    yield identity(
        "Outcome by outcome for `G = 4`.",
        update,
        w * slope,
        where=PROMPT,
        using={**SCORES, update: enumerated(4, _standardised), w: weight(4, x)},
    )
    close = [(Symbol("w_half"), Fraction(174, 100)), (Symbol("w_rare"), Fraction(231, 100))]
    yield example(
        "`G = 8`: 1.74 at `x = 1/2` and 2.31 at `x = 1/20`, each within 0.005.",
        And(*[sp.Abs(name - sp.Rational(value)) < sp.Rational(1, 200) for name, value in close]),
        at={},
        using={close[0][0]: weight(8, HALF), close[1][0]: weight(8, RARE)},
    )
    yield from moments_of_a_group()
    yield from limit_of_the_weight()


def _standardised(outcome: tuple[int, ...], i: int) -> sp.Expr:
    size, right = len(outcome), sum(outcome)
    if right in (0, size):
        return sp.S.Zero
    return (outcome[i] - sp.Rational(right, size)) / sp.sqrt(sp.Rational(right * (size - right), size * (size - 1)))


def falling(n: sp.Expr, k: int) -> sp.Expr:
    """n (n-1) ... (n-k+1)."""
    return sp.Mul(*[n - j for j in range(k)])


def moments_of_a_group() -> Iterator[Step]:
    """O5: E[K^j] for j up to 4 by induction over the group, hence the first two moments of K(G-K), for every G."""
    stirling = ((1,), (1, 1), (1, 3, 1), (1, 7, 6, 1))

    def moment(j: int, n: sp.Expr) -> sp.Expr:
        return sp.Add(*[c * falling(n, k) * x**k for k, c in enumerate(stirling[j - 1], 1)]) if j else sp.S.One

    names = [sp.S.One, *sp.symbols("M_1:5")]
    known = {names[j]: moment(j, G) for j in range(1, 5)}
    more = [sp.Add(*[sp.binomial(j, i) * names[i] for i in range(j + 1)]) for j in range(5)]
    yield identity(
        "Let `M_j = E[K^j]`, and claim `M_j = sum_k S(j, k) G(G-1)`...`(G-k+1) x^k` for `j <= 4`, with `S = 1`; 1, 1; 1, 3, 1; "
        "1, 7, 6, 1. It is right for `G = 1`, where all four are `x`. One response more is right with chance `x`, and then `K` "
        "is `K + 1`: if the formulas hold for `G` they hold for `G + 1`.",
        [*[moment(j, sp.S.One) for j in range(1, 5)], *[x * more[j] + (1 - x) * names[j] for j in range(1, 5)]],
        [*[x] * 4, *[moment(j, G + 1) for j in range(1, 5)]],
        where={"x": UNIT, "G": at_least(1)},
        using=known,
    )
    y = x * (1 - x)
    yield identity(
        "So `K(G-K)` has the mean `G(G-1) y`, `y = x(1-x)`, and its square the mean `(G)_4 y^2 + (G)_3 y + (G)_2 y`, `(G)_k = "
        "G(G-1)`...",
        [G * names[1] - names[2], G**2 * names[2] - 2 * G * names[3] + names[4]],
        [falling(G, 2) * y, falling(G, 4) * y**2 + (falling(G, 3) + falling(G, 2)) * y],
        where={"x": UNIT, "G": at_least(2)},
        using=known,
    )


def limit_of_the_weight() -> Iterator[Step]:
    """O5: two bounds on E[r], r^2 = K(G-K)/E[K(G-K)], that meet as G grows."""
    r, square, root, share, eps, none = sp.symbols("r E_r4 E_r W epsilon none")
    y = x * (1 - x)
    yield identity(
        "Let `r = sqrt(K(G-K)/E[K(G-K)])`, so `E[r^2] = 1`. Then `w_G sqrt(x(1-x)) = (1 - 1/G) E[r]`: here squared, term "
        "by term.",
        ((G - 1) / G * K * (G - K) / (G * y) ** 2) * y,
        ((1 - 1 / G) * r) ** 2,
        given=[K <= G],
        where={"x": UNIT, "K": NONNEGATIVE, "G": at_least(2)},
        using={r: sp.sqrt(K * (G - K) / (G * (G - 1) * y))},
    )
    yield decide(
        "`r` lies between `(3 r^2 - r^4)/2` and `(1 + r^2)/2`, the latter less `1/2` where `r = 0`, that is, where all responses "
        "agree: so `(3 - E[r^4])/2 <= E[r] <= 1 - none/2`, `none = x^G + (1-x)^G`.",
        And((3 * r**2 - r**4) / 2 <= r, r <= (1 + r**2) / 2, Implies(Eq(r, 0), r <= (1 + r**2) / 2 - HALF)),
        where={"r": NONNEGATIVE},
    )
    yield decide(
        "As `none > 0`, `w_G` is strictly below `(1 - 1/G)/sqrt(x(1-x))`.",
        (1 - 1 / G) * (1 - none / 2) < 1 - 1 / G,
        where={"x": UNIT, "G": at_least(2)},
        using={none: x**G + (1 - x) ** G},
    )
    yield decide(
        "By the moments `E[r^4] - 1 = (G - 1 - (4 G - 6) y)/(G(G-1) y)`, at most `1/(G y)`.",
        square - 1 <= 1 / (G * y),
        where={"G": at_least(2), "x": UNIT},
        using={square: (falling(G, 4) * y**2 + (falling(G, 3) + falling(G, 2)) * y) / (falling(G, 2) * y) ** 2},
    )
    yield decide(
        "So `W = w_G sqrt(x(1-x))` is above `1 - epsilon` as soon as `G >= (1 + 1/(2y))/epsilon`: the limit is 1.",
        Implies(
            And(share >= (1 - 1 / G) * root, root >= (3 - square) / 2, square - 1 <= 1 / (G * y), G * eps >= 1 + 1 / (2 * y)),
            share >= 1 - eps,
        ),
        where={"G": at_least(2), "x": UNIT, "epsilon": POSITIVE, "W E_r E_r4": POSITIVE},
    )


O5 = Claim(
    id="O5",
    group="O",
    title="Dividing by the group's std weighs a prompt by `w_G`, `1/sqrt(x(1-x))` in the limit",
    statement="""With `0/1` rewards, success probability `x`, groups of `G` and the sample standard deviation (ddof 1), groups
        that all agree contributing nothing and no length dividing, the expected update is `w_G grad x` with `w_G = sqrt((G-1)/G)
        E[sqrt(K(G-K))]/(G x(1-x))`, `K` ~ Bin(`G`, `x`); it lies strictly below `(1 - 1/G)/sqrt(x(1-x))` and above `(1 -
        epsilon)/sqrt(x(1-x))` as soon as `G >= (1 + 1/(2x(1-x)))/epsilon`, so that it tends to `1/sqrt(x(1-x))`. `G = 8` gives
        1.74 at `x = 1/2` and 2.31 at `x = 1/20`.""",
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
    title="Dividing by the group's std weighs prompts by `1/sqrt(x(1-x))`",
    statement="The weight that the group's standard deviation gives to a prompt is `1/sqrt(x(1-x))` at any group size.",
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
    yield identity(
        "`G = 2`: the weight is `1/sqrt(2)` for every prompt; `G = 3`: `2/sqrt(3)`.",
        sp.symbols("w_2 w_3"),
        [sp.sqrt(sp.Rational(1, 2)), 2 / sp.sqrt(3)],
        where={"x": UNIT},
        using={"w_2": weight(2, x), "w_3": weight(3, x)},
    )
    yield decide(
        "`x^K (1-x)^(G-K)` of all `K` are linearly independent, and `x(1-x)` is their sum with coefficients proportional to "
        "`binom(G, K) K(G-K)`: so the weight is the same for all `x` only if `sqrt(K(G-K))` is `K(G-K)` times one number, that "
        "is, if all `K(G-K)` but 0 are equal. From `G = 4` on those of `K = 1` and `K = 2` are not.",
        G - 1 < 2 * (G - 2),
        where={"G": at_least(4)},
    )
    yield counterexample(
        "For instance `x = 1/2` and `x = 1/4` differ at `G = 4`.",
        Eq(w, Symbol("w_quarter")),
        at={},
        using={w: weight(4, HALF), Symbol("w_quarter"): weight(4, sp.Rational(1, 4))},
    )


O5_SMALL = Claim(
    id="O5-small",
    group="O",
    title="In groups of two and three the std weighs all prompts alike",
    statement="""With `0/1` rewards the weight `w_G` is `1/sqrt(2)` for `G = 2` and `2/sqrt(3)` for `G = 3`, whatever the
        prompt's success probability; from `G = 4` on it depends on it.""",
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
    right = x * G
    yield identity(
        "The population std (ddof 0) is `sqrt((G-1)/G)` times the sample std, so its weight is `sqrt(G/(G-1))` times `w_G`; `x "
        "G` of the group are right:",
        (right * (1 - x) ** 2 + (G - right) * x**2) / G,
        (G - 1) / G * s**2,
        where={"G": at_least(2), "x": UNIT},
        using={s: sp.sqrt(right * (G - right) / (G * (G - 1)))},
    )
    yield decide(
        "`epsilon` in std + `epsilon` lowers the weight of every prompt, and keeps it finite,",
        And(1 / (s + eps) < 1 / s, 1 / (s + eps) < 1 / eps),
        where={"s epsilon": POSITIVE},
    )
    yield decide(
        "A group adds `f_K K(G - K)` to the update (O5), `f_K = 1/(s + epsilon)`: nothing exactly if all its responses agree, as "
        "those of a group of one do. (Without `epsilon` that would be `0/0`.)",
        Equivalent(Eq(K * (G - K) / (s + eps), 0), Or(Eq(K, 0), Eq(K, G))),
        where={"G": at_least(1), "K s": NONNEGATIVE, "epsilon": POSITIVE},
    )
    yield decide(
        "With any `epsilon` the largest credit, that of the single success in a group, stays below `sqrt(G)`:",
        (G - 1) / G / s < sp.sqrt(G),
        given=[Eq(s**2 * G, 1)],
        where={"s": POSITIVE, "G": at_least(2)},
    )


O5_OPTIONS = Claim(
    id="O5-options",
    group="O",
    title="What ddof, `epsilon` and groups without variance do to the std weight",
    statement="""The population std multiplies `w_G` by `sqrt(G/(G-1))`; `epsilon > 0` lowers every weight; groups that
        all agree, and groups of one, contribute nothing; the credit of a single success in a group is below `sqrt(G)`.""",
    latex=r"s_0=\sqrt{\tfrac{G-1}{G}}\,s_1",
    level="gradient",
    scope="0/1 rewards, any G >= 2",
    domain={},
    proof=conventions,
    related=["O5"],
)

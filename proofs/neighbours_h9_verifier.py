"""H9, an imperfect verifier (Argos, arXiv 2512.03438): what its two error rates do to a gradient.

r_0 is the rate at which a correct answer is rejected, r_1 at which a wrong one is accepted; x is the success probability of a
prompt, z = r_1 + (1 - r_0 - r_1) x the probability that the verifier pays.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Equivalent, Implies, Ne, Or, Symbol

from dstheory.claims import CLOSED_UNIT, NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, Step, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, reward
from dstheory.symbolic.policy import differentiate, general_policy, minimal_policy
from dstheory.symbolic.updates import score, trajectories

SOURCE = "arXiv 2512.03438 (rewards from an imperfect verifier)"
x, y, u, r_0, r_1 = sp.symbols("x y u r_0 r_1")
update, slope = sp.symbols("U grad")
p, a, b = map(symbol, ["p", "a", "b"])
RATES = {"r_0 r_1": CLOSED_UNIT}
PAID = r_1 + (1 - r_0 - r_1) * x


def scaled_gradient() -> Iterator[Step]:
    """H9: two lines for any chain, then all trajectories of a small one."""
    yield identity(
        "`u` and `v = -x u/(1-x)` are a component of `E[score | correct]` and `E[score | wrong]` (B9). Paid with chance `1 - "
        "r_0` when right and `r_1` when wrong, the mean update is (`1 - r_0 - r_1`) times the gradient `x u`.",
        update,
        (1 - r_0 - r_1) * slope,
        where={"x": UNIT, "u": REAL, **RATES},
        using={update: x * (1 - r_0) * u + (1 - x) * r_1 * (-x * u / (1 - x)), slope: x * u},
    )
    policy = minimal_policy()
    chain = SymbolicChain(policy, 2)
    accuracy = chain.accuracy((True, False))
    paid = []
    for logit in policy.logits:
        terms = []
        for t in trajectories(chain):
            own = sp.Add(*[sum(score(policy, logit, k, *step)) for k, step in enumerate(t.steps)])
            terms.append(t.probability * own * (1 - r_0 if t.steps[-1][0] == 0 else r_1))
        paid.append(sp.Add(*terms))
    yield identity(
        "By enumeration, two turns of the minimal chain: the same factor for the logits of sampling and of decisions.",
        paid,
        [(1 - r_0 - r_1) * differentiate(accuracy, logit) for logit in policy.logits],
        where={"p a b": UNIT, **RATES},
    )
    yield decide(
        "The factor is positive, zero or negative as `r_0 + r_1` is below, at or above 1: a verifier worse than chance teaches "
        "errors.",
        And(Implies(r_0 + r_1 < 1, 1 - r_0 - r_1 > 0), Implies(r_0 + r_1 > 1, 1 - r_0 - r_1 < 0)),
        where=RATES,
    )


H9 = Claim(
    id="H9",
    group="neighbours",
    title="A verifier whose errors are drawn anew, at rates `r_0`, `r_1`, scales the gradient by `1 - r_0 - r_1`",
    statement="""Rewards from a verifier that rejects right answers at rate `r_0` and accepts wrong ones at rate `r_1`, its errors
        drawn anew for each response, independently of which right or wrong answer it gave, have the expected gradient `(1 - r_0 -
        r_1) grad Acc`, at both stages. It vanishes at `r_0 + r_1 = 1` and points the other way beyond.""",
    latex=r"\nabla\mathrm{E}[\tilde R]=(1-r_0-r_1)\,\nabla\mathrm{Acc}",
    level="gradient",
    scope="errors of draws (those of answers: H9-answers); any chain; enumeration for two turns of the minimal chain",
    source=SOURCE,
    domain={},
    proof=scaled_gradient,
    related=["H9-answers", "H9-loose", "H9-std", "H9-decision", "B9"],
)


# --- errors that belong to answers ------------------------------------------------------------------------------------

ACCEPTED = f_1, f_2, f_3 = sp.symbols("f_1:4")
SHARES = sp.symbols("pi_1 pi_2")
THREE = {"pi_1 pi_2 sigma_1 sigma_2 sigma_3": UNIT}


def gradients_of_three(correct: tuple[bool, ...]) -> tuple[list[sp.Expr], list[sp.Expr], sp.Expr]:
    """Three answers, no cap: slopes of what is paid and of Acc in z_1, z_2 (sampling), t_1, t_2 (decisions); and Acc."""
    policy = general_policy(3)
    chain = SymbolicChain(policy)
    accuracy, paid = chain.accuracy(correct), chain.value(reward(ACCEPTED, (0, 0, 0)))
    logits = [policy.logit(name) for name in ("z_1", "z_2", "t_1", "t_2")]
    return [differentiate(paid, i) for i in logits], [differentiate(accuracy, i) for i in logits], accuracy


def one_turn_of_three() -> dict[sp.Symbol, sp.Expr]:
    """The slopes h_1, h_2 of what is paid and g_1, g_2 of P(correct) in the logits of answers 1 and 2, one turn."""
    policy = general_policy(3)
    chain = SymbolicChain(policy, 1)
    totals = {"h": chain.value(reward(ACCEPTED, (0, 0, 0))), "g": chain.accuracy((True, True, False))}
    return {Symbol(f"{name}_{i}"): differentiate(total, policy.logit(f"z_{i}")) for name, total in totals.items() for i in (1, 2)}


def errors_of_answers() -> Iterator[Step]:
    """H9-answers: two right answers, or two wrong ones, that the verifier accepts at rates of their own."""
    h, g = sp.symbols("h_1:5"), sp.symbols("g_1:5")
    Acc = Symbol("Acc")
    for right, others in ((1, "right"), (0, "wrong")):
        paid, clean, accuracy = gradients_of_three((right == 1, right == 1, right == 0))
        gap = right - Acc
        yield identity(
            f"Answers 1 and 2 are {others}, 3 is not; answer `i` is accepted at rate `f_i`, 0 and 1 included. Slopes `h` of what "
            "is paid and `g` of `Acc`, in the logits of answers 1 and 2 and of stopping at them: `h_1 g_2 - h_2 g_1 = g_1 g_2 "
            f"(f_1 - f_2)/({right} - Acc)`, the same for `h_3`, `h_4`.",
            [h[0] * g[1] - h[1] * g[0], h[2] * g[3] - h[3] * g[2]],
            [g[0] * g[1] * (f_1 - f_2) / gap, g[2] * g[3] * (f_1 - f_2) / gap],
            using={**dict(zip((*h, *g), [*paid, *clean], strict=True)), Acc: accuracy},
        )
        yield decide(
            f"The slopes `g` are not zero: {others} answers pay {'more' if right else 'less'} than the mean.",
            And(*[slope > 0 if right else slope < 0 for slope in g]),
            using=dict(zip(g, clean, strict=True)),
        )
    product, gap = sp.symbols("g_1g_2 gap")
    yield decide(
        "So the two gradients are parallel only if `f_1 = f_2`, at either stage (gap is the size of `1 - Acc` or of `0 - Acc`).",
        Implies(And(Ne(product, 0), Eq(product * (f_1 - f_2) / gap, 0)), Eq(f_1, f_2)),
        where={"g_1g_2": REAL, "gap": UNIT},
    )


H9_ANSWERS = Claim(
    id="H9-answers",
    group="neighbours",
    title="Verifier errors that differ between right answers, or between wrong ones, turn the gradient, at both stages",
    statement="""If a verifier accepts answer `i` at a rate `f_i` of its own, so that errors come back with the answer,
        the expected gradient has the direction of `grad Acc`, or the opposite one, only if it accepts all right answers
        at one rate and all wrong ones at one rate. That holds in the logits of sampling and in those of decisions.""",
    latex=r"h_1g_2-h_2g_1=\frac{g_1g_2\,(f_1-f_2)}{c-\mathrm{Acc}},\quad c=c_1=c_2",
    level="gradient",
    scope="tabular policies on three answers, two of them right or two wrong; no cap, no discount",
    source=f"{SOURCE}; derived here",
    domain={**THREE, "f_1 f_2 f_3": CLOSED_UNIT},
    assumptions=[sp.Add(*SHARES) < 1],
    proof=errors_of_answers,
    related=["H9", "H9-answers-loose"],
)

H9_ANSWERS_LOOSE = Claim(
    id="H9-answers-loose",
    group="neighbours",
    title="A verifier that accepts right answers more often than wrong ones keeps the direction of the gradient",
    statement="""If a verifier accepts each right answer more often than each wrong one, the gradient of what it pays is a
        multiple of `grad Acc`.""",
    level="gradient",
    scope="one turn, three answers of which two are right; the logits of the two right answers",
    source=f"{SOURCE}; a loose reading",
    domain={"pi_1 pi_2": UNIT, "f_1 f_2 f_3": CLOSED_UNIT},
    assumptions=[sp.Add(*SHARES) < 1, f_1 > f_3, f_2 > f_3],
    proof=lambda: [
        decide(
            "The slopes in the logits of answers 1 and 2 stand in one ratio.",
            Eq(Symbol("h_1") * Symbol("g_2"), Symbol("h_2") * Symbol("g_1")),
            using=one_turn_of_three(),
        )
    ],
    recorded="fails",
    witness={"pi_1": "1/2", "pi_2": "1/3", "f_1": "1", "f_2": "1/2", "f_3": "0"},
    related=["H9-answers"],
)


def prompts_under_std() -> Iterator[Step]:
    """H9-std: the weight of a prompt, its bound, and what it is without errors."""
    w, clean = sp.symbols("w w_clean")
    weights = {w: (1 - r_0 - r_1) ** 2 / (PAID * (1 - PAID)), clean: 1 / (x * (1 - x))}
    yield identity(
        "Scaled by the standard deviation of what is paid, in large groups, the gradient gets `(1 - r_0 - r_1)/sqrt(z(1-z))`: "
        "`h = 2` arcsin `sqrt z` (B8).",
        sp.diff(2 * sp.asin(sp.sqrt(PAID)), x) ** 2 * PAID * (1 - PAID),
        (1 - r_0 - r_1) ** 2,
    )
    yield identity(
        "Against a perfect verifier, `x(1-x)`: `z(1-z)` exceeds `(1 - r_0 - r_1)^2 x(1-x)` by this,",
        PAID * (1 - PAID) - (1 - r_0 - r_1) ** 2 * x * (1 - x),
        r_0 * r_1 + (1 - r_0 - r_1) * (r_0 * x + r_1 * (1 - x)),
    )
    yield decide(
        "so the square `w` of the weight is below that of a perfect verifier, `1/(x(1-x))`, as soon as one error rate is not "
        "zero.",
        And(w <= clean, Implies(Or(r_0 > 0, r_1 > 0), w < clean)),
        using=weights,
    )
    yield decide(
        "It is bounded: as `x` goes to 0 the weight of a perfect verifier grows without limit; with `r_1 > 0` and `x <= 1/2` it "
        "is at most `sqrt(2(1 - r_0 - r_1)/r_1)`.",
        Implies(And(r_1 > 0, x <= sp.Rational(1, 2)), w * r_1 <= 2 * (1 - r_0 - r_1)),
        using={w: weights[w]},
    )


H9_STD = Claim(
    id="H9-std",
    group="neighbours",
    title="With group-std scaling verifier errors reweigh prompts: if wrong answers pass, the weight of hard ones is bounded",
    statement="""Scaled by the standard deviation of the rewards paid, large groups, a prompt weighs `(1 - r_0 -
        r_1)/sqrt(z(1-z))`, less than the `1/sqrt(x(1-x))` of a perfect verifier as soon as `r_0` or `r_1` is positive. On
        hard prompts (`x <= 1/2`) it is at most `sqrt(2(1 - r_0 - r_1)/r_1)`, if `r_1 > 0`.""",
    latex=r"w(x)=\frac{1-r_0-r_1}{\sqrt{z(1-z)}},\qquad z=r_1+(1-r_0-r_1)x",
    level="gradient",
    scope="any chain; errors of draws; groups large enough that the standard deviation is its limit; r_0 + r_1 < 1",
    source=f"{SOURCE}; arXiv 2402.03300 (the scaling); derived here",
    domain={"x": UNIT, **RATES},
    assumptions=[r_0 + r_1 < 1],
    proof=prompts_under_std,
    related=["H9", "O5", "B8"],
)


H9_LOOSE = Claim(
    id="H9-loose",
    group="neighbours",
    title="An imperfect verifier only slows training down",
    statement="""Errors of the verifier change the length of the update and not its direction: with group-std scaling too, the
        weights of two prompts keep their ratio.""",
    level="gradient",
    scope="two prompts with success probabilities x and y, large groups, r_0 + r_1 < 1",
    source=f"{SOURCE}; a loose reading",
    domain={"x y": UNIT, "r_0 r_1": UNIT},
    assumptions=[r_0 + r_1 < 1],
    proof=[
        decide(
            "Squares of the weights (H9-std), with errors and without, would stand in one ratio.",
            Eq(PAID.subs(x, y) * (1 - PAID.subs(x, y)) * x * (1 - x), PAID * (1 - PAID) * y * (1 - y)),
        )
    ],
    recorded="fails",
    witness={"x": "1/2", "y": "1/3", "r_0": "1/2", "r_1": "1/3"},
    related=["H9", "H9-std"],
)


def a_decision_is_a_verifier() -> Iterator[Step]:
    """H9-decision: the same number as the reason why resampling helps."""
    q, gain = sp.symbols("q gain")
    again = p * (1 - a) + (1 - p) * b
    yield identity(
        "A policy that stops when such a verifier accepts has `a = 1 - r_0`, `b = 1 - r_1`. What resampling adds (A3) is",
        gain,
        p * (1 - p) * (1 - r_0 - r_1) / (1 - q),
        where={"p a b": UNIT},
        using={gain: p * a / (1 - again) - p, r_0: 1 - a, r_1: 1 - b, q: again},
    )
    yield decide(
        "positive exactly where the gradient of H9 has the right sign.",
        Equivalent(gain > 0, r_0 + r_1 < 1),
        where={"p": UNIT, "r_0 r_1": UNIT},
        using={
            gain: p * (1 - p) * (1 - r_0 - r_1) / (p * (1 - r_0) + (1 - p) * r_1),
        },
    )


H9_DECISION = Claim(
    id="H9-decision",
    group="neighbours",
    title="The same `1 - r_0 - r_1` says whether a verifier's rewards teach and whether its verdicts help as decisions",
    statement="""A verifier with rates `r_0`, `r_1` that makes the decisions gives `a = 1 - r_0`, `b = 1 - r_1`, and
        resampling changes accuracy by `p(1-p)(1 - r_0 - r_1)/(1 - q)`: it helps exactly where its rewards point the right
        way (H9, A3).""",
    latex=r"\mathrm{Acc}-p=\frac{p(1-p)(1-r_0-r_1)}{1-q}",
    level="chain",
    scope="all real parameters of the minimal chain, no cap",
    source=f"{SOURCE}; derived here",
    domain={},
    proof=a_decision_is_a_verifier,
    related=["H9", "A3"],
)


def majorities() -> Iterator[Step]:
    """H9-majority: from n = 2m + 1 votes to n + 2, for the error rate and for its slope; then the sign."""
    r, s, c, d, m, central, change, slope = sp.symbols("r s c d m B change slope")
    votes = {c: central * (2 * m + 1) / (m + 1), d: central * (2 * m + 1)}
    where = {"r": UNIT, "m": NONNEGATIVE, "B": POSITIVE}
    yield identity(
        "From `n = 2m + 1` to `n + 2` votes only majorities by one vote can turn. With `c = binom(n, m) r^m (1-r)^m` there are "
        "`m` wrong votes with chance `c(1-r)`, and two more wrong ones turn them; `m + 1` wrong ones with chance `c r`, and two "
        "right ones turn those. The chance `f` of a wrong majority grows by",
        c * (1 - r) * r**2 - c * r * (1 - r) ** 2,
        c * r * (1 - r) * (2 * r - 1),
        where={"r c": UNIT},
    )
    yield decide(
        "So more voters err less often exactly if one of them errs less often than a coin.",
        And(Equivalent(r < sp.Rational(1, 2), change < 0), Equivalent(r > sp.Rational(1, 2), change > 0)),
        where={"r c": UNIT},
        using={change: c * r * (1 - r) * (2 * r - 1)},
    )
    yield identity(
        "The slope of `f` in `r` is `d (r(1-r))^m` with `d = (2m + 1) binom(2m, m)`: 1 for one vote, `m = 0`, and if it is so "
        "for `n` it is so for `n + 2`. Here `B = binom(2m, m)`, `c = binom(2m + 1, m)`, and the next `B` is `B (2m + 1)(2m + "
        "2)/(m + 1)^2`.",
        d * (r * (1 - r)) ** m + sp.diff(c * (r * (1 - r)) ** (m + 1) * (2 * r - 1), r),
        (2 * m + 3) * central * (2 * m + 1) * (2 * m + 2) / (m + 1) ** 2 * (r * (1 - r)) ** (m + 1),
        where=where,
        using=votes,
    )
    yield decide(
        "It is positive: `f` rises with `r`. The factor of the gradient is `f(s) - f(r_0)` with `s = 1 - r_1`, as `f(1 - r) = 1 "
        "- f(r)`, so it has the sign of `s - r_0 = 1 - r_0 - r_1`, for any odd number of votes.",
        slope > 0,
        where=where,
        using={slope: central * (2 * m + 1) * (r * (1 - r)) ** m},
    )

    def three(rate: sp.Expr) -> sp.Expr:
        return rate**2 * (3 - 2 * rate)

    yield identity(
        "Three votes in full: `f(r) = 3r^2(1-r) + r^3 = r^2(3 - 2r)`, and the factor is the one given.",
        [3 * r**2 * (1 - r) + r**3, three(s) - three(r_0)],
        [three(r), (s - r_0) * (3 * (s + r_0) - 2 * (s**2 + s * r_0 + r_0**2))],
        where={"r s r_0": UNIT},
    )


H9_MAJORITY = Claim(
    id="H9-majority",
    group="neighbours",
    title="A majority of verifiers keeps the sign of the gradient; it helps surely if both error rates are below `1/2`",
    statement="""The majority of `n = 2m + 1` independent verifiers has the factor `f(1 - r_1) - f(r_0)`, `f` the chance
        that more than half of `n` draws of that rate are wrong, which rises with the rate: the factor has the sign of `1
        - r_0 - r_1`. For `n = 3`, `f(r) = r^2(3 - 2r)`. From `n` to `n + 2` votes an error rate falls exactly if it is
        below `1/2`.""",
    latex=r"n=3:\ 1-f(r_0)-f(r_1)=(1-r_0-r_1)\bigl(3(s+r_0)-2(s^2+sr_0+r_0^2)\bigr),\quad s=1-r_1",
    level="gradient",
    scope="any odd number of verifiers; error rates in (0, 1); errors are drawn independently given whether the answer is right",
    source=f"{SOURCE}; derived here",
    domain={},
    proof=majorities,
    related=["H9", "H9-majority-loose"],
)

H9_MAJORITY_LOOSE = Claim(
    id="H9-majority-loose",
    group="neighbours",
    title="A majority of verifiers that are better than chance is a better verifier",
    statement="If `r_0 + r_1 < 1`, the majority of three such verifiers scales the gradient by no less than one of them does.",
    level="gradient",
    scope="three verifiers with independent errors",
    source=f"{SOURCE}; a loose reading",
    domain={"r_0 r_1": UNIT},
    assumptions=[r_0 + r_1 < 1],
    proof=[
        decide(
            "Factors with three and with one.",
            1 - r_0**2 * (3 - 2 * r_0) - r_1**2 * (3 - 2 * r_1) >= 1 - r_0 - r_1,
        )
    ],
    recorded="fails",
    witness={"r_0": "3/4", "r_1": "1/6"},
    related=["H9-majority"],
    notes="One rate above `1/2`, here that of rejecting right answers, grows with the number of voters.",
)

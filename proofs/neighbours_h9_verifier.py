"""H9, an imperfect verifier (Argos, arXiv 2512.03438): what its two error rates do to a gradient.

r_0 is the rate at which a correct answer is rejected, r_1 at which a wrong one is accepted; x is the success probability of a
prompt, z = r_1 + (1 - r_0 - r_1) x the probability that the verifier pays.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Eq, Implies

from dstheory.claims import CLOSED_UNIT, REAL, UNIT, Claim, Step, decide, identity
from dstheory.symbolic.chain import Chain
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.symbols import symbol
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
        "u and v = -x u/(1-x) are a component of E[score | correct] and E[score | wrong] (B9). Paid with chance 1 - r_0 when "
        "right and r_1 when wrong, the mean update is (1 - r_0 - r_1) times the gradient x u.",
        update,
        (1 - r_0 - r_1) * slope,
        where={"x": UNIT, "u": REAL, **RATES},
        using={update: x * (1 - r_0) * u + (1 - x) * r_1 * (-x * u / (1 - x)), slope: x * u},
    )
    policy = minimal_policy()
    chain = Chain(policy, 2)
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
        "The factor is positive, zero or negative as r_0 + r_1 is below, at or above 1: a verifier worse than chance teaches "
        "errors.",
        And(Implies(r_0 + r_1 < 1, 1 - r_0 - r_1 > 0), Implies(r_0 + r_1 > 1, 1 - r_0 - r_1 < 0)),
        where=RATES,
    )


H9 = Claim(
    id="H9",
    group="neighbours",
    title="A verifier with error rates r_0, r_1 scales the gradient by 1 - r_0 - r_1 and keeps its direction",
    statement="""Rewards from a verifier that rejects right answers at rate r_0 and accepts wrong ones at rate r_1, independently
        of everything else, have the expected gradient (1 - r_0 - r_1) grad Acc, at both stages. It vanishes at r_0 + r_1 = 1 and
        points the other way beyond.""",
    latex=r"\nabla\mathrm{E}[\tilde R]=(1-r_0-r_1)\,\nabla\mathrm{Acc}",
    level="gradient",
    scope="any chain and policy class; enumeration for two turns of the minimal chain",
    source=SOURCE,
    domain={},
    proof=scaled_gradient,
    related=["H9-loose", "H9-std", "H9-decision", "B9"],
)


def prompts_under_std() -> Iterator[Step]:
    """H9-std: the weight of a prompt, its bound, and what it is without errors."""
    w, clean = sp.symbols("w w_clean")
    given = [r_0 + r_1 < 1]
    yield identity(
        "Scaled by the standard deviation of what is paid, in large groups, the gradient gets (1 - r_0 - r_1)/sqrt(z(1-z)): "
        "h = 2 arcsin sqrt z (B8).",
        sp.diff(2 * sp.asin(sp.sqrt(PAID)), x) ** 2 * PAID * (1 - PAID),
        (1 - r_0 - r_1) ** 2,
        where={"x": UNIT, "r_0 r_1": UNIT},
        given=given,
    )
    yield decide(
        "Its square w is below that of a perfect verifier, 1/(x(1-x)), unless there are no errors,",
        And(w <= clean, Implies(And(r_0 > 0, r_1 > 0), w < clean)),
        where={"x": UNIT, **RATES},
        given=given,
        using={w: (1 - r_0 - r_1) ** 2 / (PAID * (1 - PAID)), clean: 1 / (x * (1 - x))},
    )
    yield decide(
        "and bounded: as x goes to 0 the weight of a perfect verifier grows without limit; with r_1 > 0 and x <= 1/2 it is at "
        "most sqrt(2(1 - r_0 - r_1)/r_1).",
        w <= 2 * (1 - r_0 - r_1) / r_1,
        where={"x": UNIT, "r_0 r_1": UNIT},
        given=[r_0 + r_1 < 1, x <= sp.Rational(1, 2)],
        using={w: (1 - r_0 - r_1) ** 2 / (PAID * (1 - PAID))},
    )


H9_STD = Claim(
    id="H9-std",
    group="neighbours",
    title="With group-std scaling verifier errors reweigh prompts: hard ones lose their extra weight",
    statement="""Scaled by the standard deviation of the rewards paid, large groups, a prompt weighs (1 - r_0 -
        r_1)/sqrt(z(1-z)), less than the 1/sqrt(x(1-x)) of a perfect verifier. On hard prompts (x <= 1/2) it is at most
        sqrt(2(1 - r_0 - r_1)/r_1).""",
    latex=r"w(x)=\frac{1-r_0-r_1}{\sqrt{z(1-z)}},\qquad z=r_1+(1-r_0-r_1)x",
    level="gradient",
    scope="any chain; groups large enough that the standard deviation is its limit; r_0 + r_1 < 1",
    source=f"{SOURCE}; arXiv 2402.03300 (the scaling); derived here",
    domain={},
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
    """H9-decision: the same number as the reason why reflection helps."""
    q, gain = sp.symbols("q gain")
    again = p * (1 - a) + (1 - p) * b
    yield identity(
        "A policy that stops when such a verifier accepts has a = 1 - r_0, b = 1 - r_1. What reflection adds (A3) is",
        gain,
        p * (1 - p) * (1 - r_0 - r_1) / (1 - q),
        where={"p a b": UNIT},
        using={gain: p * a / (1 - again) - p, r_0: 1 - a, r_1: 1 - b, q: again},
    )
    yield decide(
        "positive exactly where the gradient of H9 has the right sign.",
        sp.Equivalent(gain > 0, r_0 + r_1 < 1),
        where={"p": UNIT, "r_0 r_1": UNIT},
        using={
            gain: p * (1 - p) * (1 - r_0 - r_1) / (p * (1 - r_0) + (1 - p) * r_1),
        },
    )


H9_DECISION = Claim(
    id="H9-decision",
    group="neighbours",
    title="The same 1 - r_0 - r_1 says whether a verifier's rewards teach and whether its verdicts help as decisions",
    statement="""A verifier with rates r_0, r_1 that makes the decisions gives a = 1 - r_0, b = 1 - r_1, and reflection changes
        accuracy by p(1-p)(1 - r_0 - r_1)/(1 - q): it helps exactly where its rewards point the right way (H9, A3).""",
    latex=r"\mathrm{Acc}-p=\frac{p(1-p)(1-r_0-r_1)}{1-q}",
    level="chain",
    scope="all real parameters of the minimal chain, no cap",
    source=f"{SOURCE}; derived here",
    domain={},
    proof=a_decision_is_a_verifier,
    related=["H9", "A3"],
)


def majorities() -> Iterator[Step]:
    """H9-majority: three votes in full, then the step from n to n + 2 votes."""
    r, s, c, change = sp.symbols("r s c change")

    def three(rate: sp.Expr) -> sp.Expr:
        return rate**2 * (3 - 2 * rate)

    yield identity(
        "The majority of three errs with chance f(r) = 3r^2(1-r) + r^3 = r^2(3 - 2r), and f(1 - r) = 1 - f(r).",
        [3 * r**2 * (1 - r) + r**3, three(1 - r)],
        [three(r), 1 - three(r)],
        where={"r": UNIT},
    )
    yield identity(
        "With s = 1 - r_1 its factor is f(s) - f(r_0), a multiple of s - r_0 = 1 - r_0 - r_1:",
        three(s) - three(r_0),
        (s - r_0) * (3 * (s + r_0) - 2 * (s**2 + s * r_0 + r_0**2)),
        where={"s r_0": UNIT},
    )
    yield decide(
        "and the multiplier is positive, so the sign stays.",
        3 * (s + r_0) - 2 * (s**2 + s * r_0 + r_0**2) > 0,
        where={"s r_0": UNIT},
    )
    yield identity(
        "From n = 2m + 1 to n + 2 votes only majorities by one vote can turn. With c = binom(n, m) r^m (1-r)^m there are m wrong "
        "votes with chance c(1-r), and two more wrong ones turn them; m + 1 wrong ones with chance c r, and two right ones turn "
        "those.",
        change,
        c * r * (1 - r) * (2 * r - 1),
        where={"r c": UNIT},
        using={change: c * (1 - r) * r**2 - c * r * (1 - r) ** 2},
    )
    yield decide(
        "So more voters err less often exactly if one of them errs less often than a coin.",
        And(Implies(r < sp.Rational(1, 2), change < 0), Implies(r > sp.Rational(1, 2), change > 0)),
        where={"r c": UNIT},
        using={change: c * r * (1 - r) * (2 * r - 1)},
    )


H9_MAJORITY = Claim(
    id="H9-majority",
    group="neighbours",
    title="A majority of verifiers keeps the sign of the gradient; it helps surely if both error rates are below 1/2",
    statement="""The majority of three independent verifiers has the factor f(1 - r_1) - f(r_0), f(r) = r^2(3 - 2r), of the
        sign of 1 - r_0 - r_1. From n to n + 2 votes an error rate falls exactly if it is below 1/2.""",
    latex=r"1-f(r_0)-f(r_1)=(1-r_0-r_1)\bigl(3(s+r_0)-2(s^2+sr_0+r_0^2)\bigr),\quad s=1-r_1",
    level="gradient",
    scope="three verifiers for the sign, any odd number for the error rate; errors independent given the answer",
    source=f"{SOURCE}; derived here",
    domain={},
    proof=majorities,
    related=["H9", "H9-majority-loose"],
)

H9_MAJORITY_LOOSE = Claim(
    id="H9-majority-loose",
    group="neighbours",
    title="A majority of verifiers that are better than chance is a better verifier",
    statement="If r_0 + r_1 < 1, the majority of three such verifiers scales the gradient by no less than one of them does.",
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
    notes="One rate above 1/2, here that of rejecting right answers, grows with the number of voters.",
)

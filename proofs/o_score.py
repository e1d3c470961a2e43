"""Group O, SCoRe: two attempts, a shaped reward for the second, credited to the sum of both or to each attempt (O13).

r1, r2 in {0, 1} say whether the first and the second attempt are correct. The shaped return is r1 + r2 + alpha (r2 - r1). On the
chain of two turns an attempt is kept (stop) or made again (resample), so r2 = r1 after a stop.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Equivalent, Implies, Symbol

from dstheory.claims import NONNEGATIVE, UNIT, Claim, Step, at_least, between, counterexample, decide, identity
from dstheory.symbolic.chain import Chain, Payoff
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.symbols import symbol
from dstheory.symbolic.updates import score, trajectories

alpha = symbol("alpha")
p, a, b, second = map(symbol, ["p_t0", "a_t0", "b_t0", "p_t1"])
r1, r2, gain, g_s = sp.symbols("r1 r2 gain g_s")
CORRECT = between(0, 1, "[]")
POLICY = minimal_policy(turns=2)
CHAIN = Chain(POLICY, 2)
FIRST = POLICY.logit("theta_s_t0")
WHERE = {"p_t0 a_t0 b_t0 p_t1": UNIT, "alpha": NONNEGATIVE}


def attempts(steps: tuple[tuple[int, str | None], ...]) -> tuple[int, int]:
    """(r1, r2) of a trajectory: the first answer is right, the submitted one is right."""
    return int(steps[0][0] == 0), int(steps[-1][0] == 0)


def update(coefficient: object) -> sp.Expr:
    """The expected update of the first attempt's logit, trajectory by trajectory."""
    total = []
    for t in trajectories(CHAIN):
        on_answer, _ = score(POLICY, FIRST, 0, *t.steps[0])
        total.append(t.probability * coefficient(*attempts(t.steps)) * on_answer)  # type: ignore[operator]
    return sp.Add(*total)


def shaped_value() -> sp.Expr:
    """E[(1 - alpha) r1 + (1 + alpha) r2] from the chain's Bellman equations: what stop, resample and submission pay."""
    zero = (sp.S.Zero, sp.S.Zero)
    first = Payoff(zero, ((1 - alpha) + (1 + alpha), sp.S.Zero), (1 - alpha, sp.S.Zero))
    last = Payoff(zero, (1 + alpha, sp.S.Zero), zero)
    return CHAIN.value((first, last))


# --- O13 --------------------------------------------------------------------------------------------------------------


def summed() -> Iterator[Step]:
    """O13: the coefficient, the expected update, and where it turns round."""
    yield identity(
        "The shaped return, collected: (1 - alpha) r1 + (1 + alpha) r2. In return form every token of both attempts gets it.",
        r1 + r2 + alpha * (r2 - r1),
        (1 - alpha) * r1 + (1 + alpha) * r2,
        where={"r1 r2": CORRECT},
    )
    yield identity(
        "On the chain of two turns, summed over its trajectories, the first attempt's update is the derivative of the "
        "expected shaped return (Bellman): p(1-p) times 1 - alpha + (1 + alpha) x gain, gain the chance of a right submission "
        "after a right first answer minus that after a wrong one, a + (1 - a - b) p'.",
        [g_s, Symbol("slope")],
        [p * (1 - p) * (1 - alpha + (1 + alpha) * gain)] * 2,
        using={
            g_s: update(lambda one, two: (1 - alpha) * one + (1 + alpha) * two),
            "slope": differentiate(shaped_value(), FIRST),
            gain: a + (1 - a - b) * second,
        },
    )
    yield decide(
        "So the first attempt is pushed down exactly where (1 + alpha) gain < alpha - 1.",
        Equivalent(p * (1 - p) * (1 - alpha + (1 + alpha) * gain) < 0, (1 + alpha) * gain < alpha - 1),
        where={"gain": between(-1, 1)},
    )
    yield decide(
        "If the second attempt is as good after a wrong first answer as after a right one (gain 0), that is alpha > 1; and a "
        "gain below 9/11 is not enough at alpha = 10.",
        And(Implies(alpha > 1, 1 - alpha < 0), Implies(gain < sp.Rational(9, 11), (1 + 10) * gain < 10 - 1)),
        where={"gain": between(-1, 1)},
    )
    yield decide(
        "For alpha <= 1 it takes a negative gain, second attempts that spoil right answers, to push it down.",
        Implies(And(alpha <= 1, gain >= 0), 1 - alpha + (1 + alpha) * gain >= 0),
        where={"gain": between(-1, 1)},
    )
    yield counterexample(
        "The condition is needed: alpha = 10, stop on a right answer with probability 1/2, always half right otherwise.",
        g_s >= 0,
        at={"p_t0": "1/2", "a_t0": "1/2", "b_t0": "1/2", "p_t1": "1/2", "alpha": 10},
        using={g_s: update(lambda one, two: (1 - alpha) * one + (1 + alpha) * two)},
    )


O13 = Claim(
    id="O13",
    group="O",
    title="SCoRe with summed credit gives the first attempt (1-alpha) r1 + (1+alpha) r2: being wrong first can pay",
    statement="""Differentiating the summed shaped return gives first-attempt tokens the coefficient (1 - alpha) r1 + (1 +
        alpha) r2. On the two-turn chain the first attempt is pushed up unless (1 + alpha) gain < alpha - 1, where gain =
        P(right submission | right first) - P(right submission | wrong first) = a + (1 - a - b) p'; at alpha = 10 a gain below
        9/11 is enough to push it down, at alpha <= 1 only a negative one. It is a case of B6-region.""",
    latex=r"c=(1-\alpha)r_1+(1+\alpha)r_2,\qquad \partial_{\theta_s}<0\iff(1+\alpha)\,\mathrm{gain}<\alpha-1",
    level="gradient",
    scope="all real parameters of the turn-indexed minimal chain of two turns, alpha >= 0",
    source="arXiv 2409.12917 (the shaped reward); derived here",
    domain=WHERE,
    proof=summed,
    recorded="holds under condition",
    related=["O13-loose", "O13-attempt", "B6-region"],
)

O13_LOOSE = Claim(
    id="O13-loose",
    group="O",
    title="SCoRe's bonus for progress never makes the first attempt worse",
    statement="""With the summed shaped return r1 + r2 + alpha (r2 - r1), alpha > 1, and second attempts that never spoil a right
        answer (a = 1), the first attempt is pushed up.""",
    level="gradient",
    scope="the two-turn chain, a = 1, second attempts right with probability p' whatever the first was",
    domain={"p_t0 b_t0 p_t1": UNIT, "alpha": at_least(1)},
    proof=lambda: [
        decide(
            "The update on theta_s of the first attempt is not negative.",
            g_s >= 0,
            using={g_s: update(lambda one, two: (1 - alpha) * one + (1 + alpha) * two).subs(a, 1)},
        )
    ],
    recorded="fails",
    witness={"p_t0": "1/2", "b_t0": "2/3", "p_t1": "2/3", "alpha": "4"},

    related=["O13", "O13-attempt"],
)


def per_attempt() -> Iterator[Step]:
    """O13-attempt: each attempt credited with its own reward; the bonus becomes a baseline."""
    yield identity(
        "Credit r1 for the first attempt's tokens: its update is p(1-p), whatever alpha and whatever comes after.",
        g_s,
        p * (1 - p),
        using={g_s: update(lambda one, _: sp.Integer(one))},
    )
    logit = POLICY.logit("theta_s_t1")
    parts: dict[str, list[sp.Expr]] = {"bonus": [], "gain": []}
    for t in trajectories(CHAIN):
        if len(t.steps) < 2:
            continue
        on_answer, _ = score(POLICY, logit, 1, *t.steps[1])
        one, two = attempts(t.steps)
        parts["bonus"].append(t.probability * (-alpha * one) * on_answer)
        parts["gain"].append(t.probability * (1 + alpha) * two * on_answer)
    reach = p * (1 - a) + (1 - p) * b
    yield identity(
        "The second attempt gets r2 + alpha (r2 - r1). Its part -alpha r1 is known before the attempt: a baseline, of "
        "expected update zero; what remains is (1 + alpha) r2.",
        [Symbol("bonus"), Symbol("rest")],
        [0, (1 + alpha) * reach * second * (1 - second)],
        using={"bonus": sp.Add(*parts["bonus"]), "rest": sp.Add(*parts["gain"])},
    )
    yield decide(
        "Both are positive: no attempt is ever pushed down, and alpha only scales the second one's step.",
        And(p * (1 - p) > 0, (1 + alpha) * reach * second * (1 - second) > 0),
    )


O13_ATTEMPT = Claim(
    id="O13-attempt",
    group="O",
    title="With credit per attempt SCoRe never pushes the first attempt down, and its bonus is a baseline",
    statement="""If first-attempt tokens are credited with r1 and second-attempt tokens with r2 + alpha (r2 - r1), both
        expected updates are positive on the whole open cube at every alpha >= 0. The term -alpha r1 has expected update zero;
        the bonus scales the second attempt's update by 1 + alpha.""",
    latex=r"g_{1}=p(1-p),\qquad g_{2}\propto(1+\alpha)\,p'(1-p')",
    level="gradient",
    scope="all real parameters of the turn-indexed minimal chain of two turns, alpha >= 0",
    source="arXiv 2409.12917 (the shaped reward); derived here",
    domain=WHERE,
    proof=per_attempt,
    related=["O13", "O13-loose", "B6"],
)

"""Group O, SCoRe: two attempts, a shaped reward for the second, credited to the sum of both or to each attempt (O13).

r1, r2 in {0, 1} say whether the first and the second attempt are correct. The shaped return is r1 + r2 + alpha (r2 - r1). On the
chain of two turns an attempt is kept (stop) or made again (resample), so r2 = r1 after a stop. The objectives ``score-summed``
and ``score-per-attempt`` are these rules: their updates are the right-hand sides of what is enumerated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy as sp
from sympy import And, Equivalent, Implies, Symbol

from dstheory.claims import NONNEGATIVE, UNIT, Claim, Step, at_least, between, counterexample, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import Payoff, SymbolicChain
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import expected_update, score, trajectories

alpha = symbol("alpha")
p, a, b, second = map(symbol, ["p_t0", "a_t0", "b_t0", "p_t1"])
r1, r2, gain, g_s = sp.symbols("r1 r2 gain g_s")
CORRECT = between(0, 1, "[]")
POLICY = minimal_policy(turns=2)
CHAIN = SymbolicChain(POLICY, 2)
FIRST = POLICY.logit("theta_s_t0")
TWO_TURNS = setting(turns=2, turn_indexed=True)
WHERE = {"p_t0 a_t0 b_t0 p_t1": UNIT, "alpha": NONNEGATIVE}


def attempts(steps: tuple[tuple[int, str | None], ...]) -> tuple[int, int]:
    """(r1, r2) of a trajectory: the first answer is right, the submitted one is right."""
    return int(steps[0][0] == 0), int(steps[-1][0] == 0)


def update(coefficient: Callable[[int, int], sp.Expr], name: str = "theta_s_t0", turn: int = 0) -> sp.Expr:
    """The expected update of a logit of one turn, trajectory by trajectory: coefficient(r1, r2) times the score."""
    total, logit = [], POLICY.logit(name)
    for t in trajectories(CHAIN):
        if turn < len(t.steps):
            on_answer, on_decision = score(POLICY, logit, turn, *t.steps[turn])
            total.append(t.probability * coefficient(*attempts(t.steps)) * (on_answer + on_decision))
    return sp.Add(*total)


def of_objective(name: str, logit: str) -> sp.Expr:
    """The expected update of the registered objective, from the symbolic engine."""
    return expected_update(TWO_TURNS, lookup(name))[symbol(logit)]


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
        "The shaped return, collected: `(1 - alpha) r1 + (1 + alpha) r2`. In return form every token of both attempts gets it.",
        r1 + r2 + alpha * (r2 - r1),
        (1 - alpha) * r1 + (1 + alpha) * r2,
        where={"r1 r2": CORRECT},
    )
    yield identity(
        "On the chain of two turns, summed over its trajectories, the first attempt's update is the derivative of the "
        "expected shaped return (Bellman), and the update of the objective score-summed: `p(1-p)` times `1 - alpha + (1 + alpha) "
        "x` gain, gain the chance of a right submission after a right first answer minus that after a wrong one, "
        "`a + (1 - a - b) p'`.",
        [g_s, Symbol("slope"), Symbol("objective")],
        [p * (1 - p) * (1 - alpha + (1 + alpha) * gain)] * 3,
        using={
            "objective": of_objective("score-summed", "theta_s_t0"),
            g_s: update(lambda one, two: (1 - alpha) * one + (1 + alpha) * two),
            "slope": differentiate(shaped_value(), FIRST),
            gain: a + (1 - a - b) * second,
        },
    )
    yield decide(
        "So the first attempt is pushed down exactly where `(1 + alpha) gain < alpha - 1`.",
        Equivalent(p * (1 - p) * (1 - alpha + (1 + alpha) * gain) < 0, (1 + alpha) * gain < alpha - 1),
        where={"gain": between(-1, 1)},
    )
    yield decide(
        "If the second attempt is as good after a wrong first answer as after a right one (gain 0), that is `alpha > 1`; and a "
        "gain below `9/11` does not hold it up at `alpha = 10`.",
        And(Implies(alpha > 1, 1 - alpha < 0), Implies(gain < sp.Rational(9, 11), (1 + 10) * gain < 10 - 1)),
        where={"gain": between(-1, 1)},
    )
    yield decide(
        "For `alpha <= 1` it takes a negative gain, second attempts that spoil right answers, to push it down.",
        Implies(And(alpha <= 1, gain >= 0), 1 - alpha + (1 + alpha) * gain >= 0),
        where={"gain": between(-1, 1)},
    )
    yield counterexample(
        "The condition is needed: `alpha = 10`, stop on a right answer with probability `1/2`, always half right otherwise.",
        g_s >= 0,
        at={"p_t0": "1/2", "a_t0": "1/2", "b_t0": "1/2", "p_t1": "1/2", "alpha": 10},
        using={g_s: update(lambda one, two: (1 - alpha) * one + (1 + alpha) * two)},
    )


O13 = Claim(
    id="O13",
    group="O",
    title="SCoRe with summed credit gives the first attempt `(1-alpha) r1 + (1+alpha) r2`: being wrong first can pay",
    statement="""Differentiating the summed shaped return gives first-attempt tokens the coefficient `(1 - alpha) r1 + (1 + alpha)
        r2`. On the two-turn chain the first attempt is pushed down exactly if `(1 + alpha) gain < alpha - 1`, where `gain =
        P(right submission | right first) - P(right submission | wrong first) = a + (1 - a - b) p'`; at `alpha = 10` a gain below
        `9/11` is enough to push it down, at `alpha <= 1` only a negative one. It is a case of B6-region.""",
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
    statement="""With the summed shaped return `r1 + r2 + alpha (r2 - r1)`, `alpha > 1`, and second attempts that never
        spoil a right answer (`a = 1`), the first attempt is pushed up.""",
    level="gradient",
    scope="the two-turn chain, a = 1, second attempts right with probability p' whatever the first was",
    domain={"p_t0 b_t0 p_t1": UNIT, "alpha": at_least(1)},
    proof=lambda: [
        decide(
            "The update on `theta_s` of the first attempt is not negative.",
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
    reach = p * (1 - a) + (1 - p) * b
    yield identity(
        "Credit `r1` for the first answer's tokens: its update is `p(1-p)`, whatever `alpha` and whatever comes after; so is "
        "that of the objective score-per-attempt.",
        [g_s, Symbol("objective")],
        [p * (1 - p)] * 2,
        using={g_s: update(lambda one, _: sp.Integer(one)), "objective": of_objective("score-per-attempt", "theta_s_t0")},
    )
    after = {
        "theta_s_t1": (1, (1 + alpha) * reach * second * (1 - second)),
        "theta_C_t0": (0, (1 + alpha) * p * a * (1 - a) * (1 - second)),
        "theta_W_t0": (0, (1 + alpha) * (1 - p) * b * (1 - b) * second),
    }
    for logit, (turn, expected) in after.items():
        words = {
            "theta_s_t1": "The second answer gets `r2 + alpha (r2 - r1)`.",
            "theta_C_t0": "So does the decision to keep a right first answer (`r2 = r1`).",
            "theta_W_t0": "So does the decision to replace a wrong one.",
        }[logit]
        yield identity(
            f"{words} Its part `-alpha r1` is known before it is drawn: a baseline, of expected update zero; what remains is "
            "`(1 + alpha) r2`, and that is the update of the objective.",
            [Symbol("bonus"), Symbol("rest"), Symbol("objective")],
            [0, expected, expected],
            using={
                "bonus": update(lambda one, _: -alpha * one, logit, turn),
                "rest": update(lambda _, two: (1 + alpha) * two, logit, turn),
                "objective": of_objective("score-per-attempt", logit),
            },
        )
    yield decide(
        "All are positive: no attempt is ever pushed down, keeping a right answer and replacing a wrong one are pushed up, and "
        "`alpha` only scales the step of what comes after the first answer.",
        And(p * (1 - p) > 0, *(expected > 0 for _, expected in after.values())),
    )


O13_ATTEMPT = Claim(
    id="O13-attempt",
    group="O",
    title="With credit per attempt SCoRe never pushes the first attempt down, and its bonus is a baseline",
    statement="""If the first answer's tokens are credited with `r1`, and the decision to keep or replace it and the
        second answer's tokens with `r2 + alpha (r2 - r1)`, `r2 = r1` if it is kept, the expected updates of both answers,
        of keeping a right answer and of replacing a wrong one are positive on the whole open cube at every `alpha >= 0`.
        The term `-alpha r1` has expected update zero; the bonus scales the updates of the second attempt by `1 + alpha`.""",
    latex=r"g_{1}=p(1-p),\qquad g_{2}\propto(1+\alpha)\,p'(1-p')",
    level="gradient",
    scope="all real parameters of the turn-indexed minimal chain of two turns, alpha >= 0",
    source="arXiv 2409.12917 (the shaped reward); derived here",
    domain=WHERE,
    proof=per_attempt,
    related=["O13", "O13-loose", "B6"],
)

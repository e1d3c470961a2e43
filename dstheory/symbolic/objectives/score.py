"""SCoRe's shaped reward for two attempts, the first answer and the submitted one, in two readings: summed, or per attempt.

A policy that stops at its first answer keeps it: its second attempt is the first one again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import RESAMPLE, STOP, UNDISCOUNTED, Discount, Payoffs
from dstheory.symbolic.notation import Inline, Verbatim
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn
from dstheory.symbolic.objectives.statistics import correct_payoff, success_rate
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting
from dstheory.symbolic.updates import PAST, Update, expected_update, score

__all__ = ["SCoRePerAttempt", "SCoReSummed"]

Steps = tuple[tuple[int, str | None], ...]

FIRST, IS_FIRST, SEEN = (sp.Symbol(name, real=True) for name in ("r_first", "i_first", "seen"))
ATTEMPTS = (
    ("r1", Verbatim("1 if the first answer is correct, else 0", r"1\text{ if the first answer is correct, else }0")),
    ("r2", Verbatim("1 if the submitted answer is correct, else 0", r"1\text{ if the submitted answer is correct, else }0")),
)


def right(answer: int) -> sp.Expr:
    """Return r of an answer: 1 for the first one, which is the correct one."""
    return sp.Integer(answer == 0)


class _SecondAttempt(Objective):
    """c = (1 + alpha) r2: what both readings pay for the submitted answer."""

    outcome = True
    name = "score-second-attempt"
    title = "the second attempt's part"

    def payoff(self, s: Setting) -> Payoffs:
        """Return 1 for submitting a correct answer."""
        return correct_payoff(s)

    def rate(self, s: Setting) -> Discount:
        """Return no discount."""
        return UNDISCOUNTED

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return its pay, twice."""
        c = (1 + symbol("alpha")) * turn.total
        return c, c

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return its expectation."""
        return (1 + symbol("alpha")) * success_rate(s)


def first_attempt(s: Setting) -> Update:
    """Return the update of r1 at the first answer's tokens."""
    return {
        logit.symbol: sp.Add(
            *[x * right(i) * score(s.policy, logit, 0, i, None)[0] for i, x in enumerate(s.policy.sample_at(0))]
        )
        for logit in s.policy.logits
    }


class SCoReSummed(_SecondAttempt):
    """c_s = c_d = (1 - alpha) r1 + (1 + alpha) r2 (claim O13)."""

    name = "score-summed"
    title = "SCoRe, two attempts, summed shaped return"
    source = "arXiv 2409.12917; claim O13"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the expected shaped return (1 - alpha) r1 + (1 + alpha) r2",)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule."""
        total = Verbatim("(1 - alpha) r1 + (1 + alpha) r2", r"(1-\alpha)\,r_1+(1+\alpha)\,r_2")
        return ("c_s(k)", total), ("c_d(k)", total), *ATTEMPTS

    def of_trajectory(self, s: Setting, steps: Steps, turn: int) -> dict[sp.Symbol, sp.Expr]:
        """Return the first attempt's r."""
        return {FIRST: right(steps[0][0])}

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return what both attempts pay."""
        second, _ = super().coefficients(s, turn)
        c = second + (1 - symbol("alpha")) * FIRST
        return c, c

    def update(self, s: Setting) -> Update:
        """Return the update of what the second attempt pays, and of r1: a baseline everywhere but at the first answer."""
        found, first = expected_update(s, _SecondAttempt()), first_attempt(s)
        return {name: value + (1 - symbol("alpha")) * first[name] for name, value in found.items()}

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return the expected shaped return."""
        second = super().scalar(s, frozen)
        assert second is not None
        return second + (1 - symbol("alpha")) * s.policy.sample_at(0)[0]


class SCoRePerAttempt(_SecondAttempt):
    """The first answer gets r1, every token after it r2 + alpha (r2 - r1) (claim O13-attempt)."""

    name = "score-per-attempt"
    title = "SCoRe, two attempts, credit per attempt"
    source = "arXiv 2409.12917; claim O13-attempt"
    scalar_words: ClassVar[tuple[Inline, ...]] = ()

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule."""
        own = Verbatim("r1 at the first turn, later c_d(k)", r"r_1\text{ at the first turn, later }c_d(k)")
        second = Verbatim("r2 + alpha (r2 - r1)", r"r_2+\alpha\,(r_2-r_1)")
        return ("c_s(k)", own), ("c_d(k)", second), *ATTEMPTS

    def payoff(self, s: Setting) -> Payoffs:
        """Return 1 for submitting a correct answer, and a mark for each answer, by which the first turn is known."""
        paid = correct_payoff(s)
        return replace(paid, sample=(SEEN,) * len(paid.sample))

    def of_trajectory(self, s: Setting, steps: Steps, turn: int) -> dict[sp.Symbol, sp.Expr]:
        """Return the first attempt's r."""
        return {FIRST: right(steps[0][0])}

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return what the answer's attempt pays, and what the second does; i_first is 1 at a generic turn that is the first."""
        alpha, at_first = symbol("alpha"), turn.past == 0
        r1, r2 = right(turn.answer) if at_first else FIRST, (turn.here[1] + turn.future).subs(SEEN, 0)
        later = r2 + alpha * (r2 - r1)
        if turn.past == PAST:
            return IS_FIRST * r1 + (1 - IS_FIRST) * later, later
        return (r1 if at_first else later), later

    def update(self, s: Setting) -> Update:
        """Return the update: r1 at the first answer, (1 + alpha) r2 after it, where r1 is a baseline."""
        chain, update = s.chain, {name: [value] for name, value in first_attempt(s).items()}
        values = chain.solve(correct_payoff(s), UNDISCOUNTED).value
        for turn in range(chain.turns or 1):
            visits = chain.visits() if chain.turns is None else chain.reach(turn)
            later = visits - sp.Integer(turn == 0)
            for i, x in enumerate(s.policy.sample_at(turn)):
                stop, ahead = s.policy.stop_at(turn)[i], values[0] if chain.turns is None else (*values, sp.S.Zero)[turn + 1]
                worth = right(i) if chain.last(turn) else stop * right(i) + (1 - stop) * ahead
                for logit in s.policy.logits:
                    on_answer, on_stop = score(s.policy, logit, turn, i, STOP)
                    _, on_resample = score(s.policy, logit, turn, i, RESAMPLE)
                    terms = [x * later * worth * on_answer]
                    if not chain.last(turn):
                        terms.append(visits * x * (stop * right(i) * on_stop + (1 - stop) * ahead * on_resample))
                    update[logit.symbol] += [(1 + symbol("alpha")) * term for term in terms]
        return {name: sp.Add(*terms) for name, terms in update.items()}

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return None: what the first answer does to the second attempt is not credited."""
        return None

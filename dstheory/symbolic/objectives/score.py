"""SCoRe's shaped reward, progress between attempts, in its two readings: summed over attempts, or credited per attempt."""

from __future__ import annotations

from typing import ClassVar

import sympy as sp

from dstheory.symbolic.chain import RESAMPLE, UNDISCOUNTED, Payoff, Payoffs
from dstheory.symbolic.notation import Inline, Verbatim
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting
from dstheory.symbolic.symbols import symbol
from dstheory.symbolic.updates import Update, expected_update, score

__all__ = ["SCoRePerAttempt", "SCoReSummed"]

Steps = tuple[tuple[int, str | None], ...]

FIRST, BEFORE, NEXT = (sp.Symbol(name, real=True) for name in ("r_first", "r_before", "r_next"))
ATTEMPT = Verbatim("1 if the answer of turn k is correct, else 0", r"1\text{ if the answer of turn $k$ is correct, else }0")


def right(s: Setting, answer: int) -> sp.Expr:
    """Return r of an answer: 1 for the first one, which is the correct one."""
    return sp.Integer(answer == 0)


class _Telescoped(Objective):
    """c = sum of r_k + alpha r_last: the shaped return without the part of the first attempt."""

    name = "score-telescoped"
    title = "sum of attempts and a bonus for the last"

    def payoff(self, s: Setting) -> Payoffs:
        """Return 1 for each correct answer, alpha more when it is submitted."""
        alpha, n = symbol("alpha"), len(s.chain.answers)
        c = tuple(right(s, i) for i in range(n))
        bonus = tuple(alpha * x for x in c)
        return Payoff(c, bonus, (sp.S.Zero,) * n, bonus)

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the total, twice."""
        return turn.total, turn.total

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return its expectation."""
        return s.chain.value(self.payoff(s), UNDISCOUNTED)


class SCoReSummed(_Telescoped):
    """c_s = c_d = sum of r_k + alpha (r_last - r_first): with two attempts (1-alpha) r_first + (1+alpha) r_last (claim O13)."""

    name = "score-summed"
    title = "SCoRe, summed shaped return"
    source = "arXiv 2409.12917; claim O13"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the expected sum over attempts of r_k + alpha (r_k - r_(k-1))",)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: the telescoped sum."""
        total = Verbatim("sum_k r(k) + alpha (r_last - r_first)", r"\sum_k r(k)+\alpha\,(r_{last}-r_{first})")
        return ("c_s(k)", total), ("c_d(k)", total), ("r(k)", ATTEMPT)

    def of_trajectory(self, s: Setting, steps: Steps, turn: int) -> dict[sp.Symbol, sp.Expr]:
        """Return the first attempt's r."""
        return {FIRST: right(s, steps[0][0])}

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the total minus alpha times the first attempt's r."""
        c = turn.total - symbol("alpha") * FIRST
        return c, c

    def update(self, s: Setting) -> Update:
        """Return the update of the telescoped sum, and what the first attempt costs: a baseline everywhere but at its answer."""
        found = expected_update(s, _Telescoped())
        for logit in s.policy.logits:
            costs = [
                x * right(s, i) * score(s.policy, logit, 0, i, None)[0] for i, x in enumerate(s.policy.sample_at(0))
            ]
            found[logit.symbol] -= symbol("alpha") * sp.Add(*costs)
        return found

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return the expected shaped return."""
        telescoped = super().scalar(s, frozen)
        assert telescoped is not None
        return telescoped - symbol("alpha") * s.policy.sample_at(0)[0]


class SCoRePerAttempt(Objective):
    """An answer gets r_k + alpha (r_k - r_(k-1)) of its own attempt, a decision that of the attempt that it opens (claim O13)."""

    name = "score-per-attempt"
    title = "SCoRe, credit per attempt"
    source = "arXiv 2409.12917; claim O13-attempt"
    scalar_words: ClassVar[tuple[Inline, ...]] = ()

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule."""
        own = Verbatim(
            "r(k) + alpha (r(k) - r(k-1)), at the first turn r(0)", r"r(k)+\alpha\,(r(k)-r(k-1)),\ \text{first turn }r(0)"
        )
        opened = Verbatim("c_s(k+1) if it resamples, else 0", r"c_s(k+1)\text{ if it resamples, else }0")
        return ("c_s(k)", own), ("c_d(k)", opened), ("r(k)", ATTEMPT)

    def payoff(self, s: Setting) -> Payoffs:
        """Return 1 for each answer, so that a turn's past is its number."""
        n = len(s.chain.answers)
        zero = (sp.S.Zero,) * n
        return Payoff((sp.S.One,) * n, zero, zero)

    def of_trajectory(self, s: Setting, steps: Steps, turn: int) -> dict[sp.Symbol, sp.Expr]:
        """Return r of the attempts before and after."""
        near = {BEFORE: turn - 1, NEXT: turn + 1}
        return {name: right(s, steps[k][0]) for name, k in near.items() if 0 <= k < len(steps)}

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the payments of the answer's attempt and of the one that its decision opens."""
        alpha, r = symbol("alpha"), right(s, turn.answer)
        own = r if turn.past == 0 else r + alpha * (r - BEFORE)
        return own, (NEXT + alpha * (NEXT - r) if turn.decision == RESAMPLE else sp.S.Zero)

    def update(self, s: Setting) -> Update:
        """Return the expectation: r_(k-1) is a baseline of the answer, r_(k+1) enters by its mean."""
        alpha, chain = symbol("alpha"), s.chain
        update: dict[sp.Symbol, list[sp.Expr]] = {logit.symbol: [] for logit in s.policy.logits}
        for turn in range(chain.turns or 1):
            visits = chain.visits() if chain.turns is None else chain.reach(turn)
            first = sp.Integer(turn == 0)
            paid = first + (1 + alpha) * (visits - first)
            for i, x in enumerate(s.policy.sample_at(turn)):
                for logit in s.policy.logits:
                    on_answer, _ = score(s.policy, logit, turn, i, None)
                    update[logit.symbol].append(x * paid * right(s, i) * on_answer)
                    if chain.last(turn):
                        continue
                    _, on_resample = score(s.policy, logit, turn, i, RESAMPLE)
                    again = s.policy.sample_at(turn if chain.turns is None else turn + 1)[0]
                    opened = (1 + alpha) * again - alpha * right(s, i)
                    update[logit.symbol].append(visits * x * (1 - s.policy.stop_at(turn)[i]) * opened * on_resample)
        return {name: sp.Add(*terms) for name, terms in update.items()}

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return None: what an answer does to later attempts is not credited."""
        return None

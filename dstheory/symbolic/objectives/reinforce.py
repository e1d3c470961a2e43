"""REINFORCE in return form: the return of the whole trajectory credits every action."""

from __future__ import annotations

from typing import ClassVar

import sympy as sp

from dstheory.symbolic.chain import Discount, Payoffs
from dstheory.symbolic.notation import Inline, Verbatim, of
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["Reinforce"]


class Reinforce(Objective):
    """c_s = c_d = G(tau), the discounted return; ascends J = V (Williams 1992; arXiv 2601.01580, surrogate reward)."""

    name = "reinforce"
    title = "REINFORCE, return form"
    source = "Williams 1992; arXiv 2601.01580, surrogate rewards"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the expected discounted return",)
    scalar_formula: ClassVar[tuple[Inline, Inline] | None] = (Verbatim("J", "J"), Verbatim("V", "V"))

    def payoff(self, s: Setting) -> Payoffs:
        """Return the reward table."""
        return s.reward

    def rate(self, s: Setting) -> Discount:
        """Return the discount of rewards."""
        return s.rate

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: both coefficients are the return."""
        power = {True: ("k", "k"), False: ("(2*k+1)", "2k+1")}[s.rate.within == 1]
        total = Verbatim(
            f"sum over k of gamma^{power[0]} r_k, r_k the reward of turn k's decision",
            rf"\sum_k \gamma^{{{power[1]}}} r_k,\quad r_k\text{{ the reward of turn $k$'s decision}}",
        )
        return ("c_s(k)", of("G", "tau")), ("c_d(k)", of("G", "tau")), (of("G", "tau"), total)

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the return of the whole trajectory, twice."""
        return turn.total, turn.total

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return V."""
        return s.chain.value(s.reward, s.rate)

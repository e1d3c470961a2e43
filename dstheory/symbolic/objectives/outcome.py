"""Rules that credit a whole response with its outcome: R minus a baseline, times a weight, over a number of tokens."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import UNDISCOUNTED, Discount, Payoffs
from dstheory.symbolic.notation import Inline, Verbatim, of
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn
from dstheory.symbolic.objectives.statistics import correct_payoff, success_rate
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["OUTCOME", "OutcomeRule"]

OUTCOME = Verbatim("1 if the submitted answer is correct, else 0", r"1\text{ if the submitted answer is correct, else }0")


class OutcomeRule(Objective):
    """c_s = c_d = w (R - b)/Z with R = 1 if the submitted answer is correct; w, b and Z do not depend on the response.

    Rewards are not discounted and the chain's own reward table plays no part, as in training on verifiable answers.
    """

    outcome = True
    held = "the statistics of the batch"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the probability that the submitted answer is correct, times a constant",)
    baseline: ClassVar[str | None] = "Rbar"
    """The name of the baseline among the statistics; None for none."""

    @abstractmethod
    def weight(self, s: Setting) -> sp.Expr:
        """Return w/Z, in numbers, symbols of the model and statistics."""

    def payoff(self, s: Setting) -> Payoffs:
        """Return the payoff of the outcome."""
        return correct_payoff(s)

    def rate(self, s: Setting) -> Discount:
        """Return no discount."""
        return UNDISCOUNTED

    def scale(self, s: Setting) -> sp.Expr | None:
        """Return the weight, which formulas keep in front."""
        return self.weight(s)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule."""
        credit = self.weight(s) * (of("R", "tau") - (symbol(self.baseline) if self.baseline else 0))
        return ("c_s(k)", credit), ("c_d(k)", credit), (of("R", "tau"), OUTCOME)

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the credit of the response, twice."""
        credit = self.weight(s) * (turn.total - (symbol(self.baseline) if self.baseline else 0))
        return credit, credit

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return the success rate times the weight; statistics are symbols, and stay as they are."""
        return self.weight(s) * success_rate(s)

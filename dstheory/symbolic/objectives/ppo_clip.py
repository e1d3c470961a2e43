"""PPO on the policy: each stage credited with its advantage, over the tokens of the batch."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import UNDISCOUNTED, Discount, Payoffs
from dstheory.symbolic.notation import Inline, Verbatim, of
from dstheory.symbolic.objectives.advantage import Advantage
from dstheory.symbolic.objectives.base import Coefficients, Statistic, Turn
from dstheory.symbolic.objectives.outcome import OUTCOME
from dstheory.symbolic.objectives.statistics import correct_payoff, mean_length, success_rate
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["PPOClip"]


class PPOClip(Advantage):
    """c_s = A_s/E[L], c_d = A_d/E[L] with an exact critic; on the policy no ratio is clipped (arXiv 1707.06347)."""

    name = "ppo-clip"
    title = "PPO on the policy, exact critic, mean over the batch's tokens"
    source = "arXiv 1707.06347, 1506.02438"
    outcome = True
    frozen = True
    held = "the mean length"
    scalar_words = ("the probability that the submitted answer is correct, over the mean length",)
    scalar_formula = None

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return the mean length."""
        return (mean_length(s),)

    def scale(self, s: Setting) -> sp.Expr | None:
        """Return 1/E[L]."""
        return 1 / symbol("Lbar")

    def payoff(self, s: Setting) -> Payoffs:
        """Return the payoff of the outcome."""
        return correct_payoff(s)

    def rate(self, s: Setting) -> Discount:
        """Return no discount."""
        return UNDISCOUNTED

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: advantages of the outcome, over the mean length."""
        tokens = symbol("Lbar")
        values = Verbatim("those of R, 1 if the submitted answer is correct", r"\text{those of }R:\ " + OUTCOME.latex)
        return (
            ("c_s(k)", (of("Q_s", "y") - of("V")) / tokens),
            ("c_d(k)", (of("Q_d", "d", "y") - of("V_d", "y")) / tokens),
            (Verbatim("values", r"\text{values}"), values),
        )

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the advantages over the mean length."""
        c_s, c_d = super().coefficients(replace(s, reward=correct_payoff(s), rate=UNDISCOUNTED), turn)
        return c_s / symbol("Lbar"), c_d / symbol("Lbar")

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return the success rate over the mean length, held fixed."""
        return success_rate(s) / symbol("Lbar")

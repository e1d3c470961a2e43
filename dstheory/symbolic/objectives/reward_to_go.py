"""REINFORCE in reward-to-go form: each action is credited with what follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from dstheory.symbolic.notation import Inline, Verbatim, of, rule_discount
from dstheory.symbolic.objectives.base import Coefficients, Turn
from dstheory.symbolic.objectives.reinforce import Reinforce
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["RewardToGo"]


@dataclass(frozen=True)
class RewardToGo(Reinforce):
    """c_s = gamma^t G_t at the answer, c_d = gamma^t' G_t' at the decision: each discounted to its own time.

    Attributes:
        outer_discount: keep the factors gamma^t. Training code often drops them (``outer_discount=False``); then the update is
            no gradient of the discounted value, and with a discount per stage c_s/c_d = gamma.
    """

    outer_discount: bool = True

    name = "reward-to-go"
    title = "REINFORCE, reward-to-go form"
    source = "Williams 1992; Sutton et al. 2000"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the expected discounted return",)
    scalar_formula: ClassVar[tuple[Inline, Inline] | None] = (Verbatim("J", "J"), Verbatim("V", "V"))

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: the returns to go at the times of the answer and of the decision."""
        scale = rule_discount(s) if self.outer_discount else sp.S.One
        within = s.rate.within if self.outer_discount else sp.S.One
        reward = Verbatim(
            "r_k + gamma G_s(k+1), r_k the reward of turn k's decision",
            r"r_k + \gamma\, G_s(k+1),\quad r_k\text{ the reward of turn $k$'s decision}",
        )
        return (
            ("c_s(k)", scale * of("G_s", "k")),
            ("c_d(k)", scale * within * of("G_d", "k")),
            (of("G_s", "k"), s.rate.within * of("G_d", "k")),
            (of("G_d", "k"), reward),
        )

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the returns to go of the answer and of the decision, discounted to the start unless that is dropped."""
        if not self.outer_discount:
            return turn.to_go, turn.to_go_decision
        return turn.scale * turn.to_go, turn.scale * turn.rate.within * turn.to_go_decision

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return V, or None when the outer factor is dropped and there is something to drop."""
        if not self.outer_discount and s.rate.per_turn != 1:
            return None
        return super().scalar(s, frozen)

"""Forward KL from a reference: k3 as a loss on the policy's states, or likelihood of the reference's trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational.symbols import symbol
from dstheory.symbolic.notation import Inline, of, rule_weights
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn, log_ratio
from dstheory.symbolic.objectives.payoffs import log_probability_payoff, rule_on_probabilities
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["ForwardKL"]


@dataclass(frozen=True)
class ForwardKL(Objective):
    """c = -beta w (1 - ref/pi) on the policy's own trajectories, or c = beta w on the reference's.

    Attributes:
        states: "policy" is the k3 loss: per-state forward KL, visited states frozen. "reference" is the forward KL of whole
            trajectories drawn from the reference, a scalar of the policy.
    """

    states: str = "policy"

    name = "forward-kl"
    title = "Forward KL from a reference (k3 as a loss)"
    frozen = True
    source = "arXiv 2601.01580, KL penalty; k3 after Schulman 2020"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("minus beta times the weighted forward KL at the visited states",)

    def __post_init__(self) -> None:
        if self.states not in ("policy", "reference"):
            raise ChainError(f"forward-kl visits the states of the 'policy' or of the 'reference', got {self.states!r}")

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: the slope of the k3 estimator, or the weights."""
        w_s, w_d = rule_weights(s)
        return (
            ("c_s(k)", w_s * self.slope(of("pi_s", "y"), of("ref_s", "y"))),
            ("c_d(k)", w_d * self.slope(of("pi_d", "d", "y"), of("ref_d", "d", "y"))),
        )

    def slope(self, x: sp.Expr, ref: sp.Expr) -> sp.Expr:
        """Return the coefficient of an action of probability x, but for its stage's weight."""
        beta = symbol("beta")
        return beta if self.states == "reference" else -beta * (1 - ref / x)

    def measure(self, s: Setting) -> Policy:
        """Return whose trajectories are used."""
        return s.policy if self.states == "policy" else s.reference

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the slope of the k3 estimator, or the weights."""
        return rule_on_probabilities(s, turn, self.slope)

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return -beta times the weighted forward KL at the visited states.

        None on the policy's states if answers differ in weight: k3's constant part 1 no longer averages out.
        """
        beta = symbol("beta")
        if self.states == "reference":
            return -beta * s.following(s.reference).value(log_probability_payoff(s, lambda x, ref: log_ratio(ref, x)))
        if s.weights.per_answer:
            return None
        return -beta * s.frozen_value(frozen, log_probability_payoff(s, lambda x, ref: ref / x * log_ratio(ref, x)))

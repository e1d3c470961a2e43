"""Reverse KL to a reference, direct term: the penalty's slope at each visited state, the states taken as given."""

from __future__ import annotations

from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.notation import Inline, of, rule_weights
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn, log_ratio
from dstheory.symbolic.objectives.payoffs import log_probability_payoff, rule_on_probabilities
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["KLDirect"]


class KLDirect(Objective):
    """c_s = -beta w_s log(pi_s/ref_s), c_d = -beta w_d log(pi_d/ref_d): the k2 estimator used as a loss (arXiv 2601.01580)."""

    name = "kl-direct"
    title = "Reverse KL to a reference, direct term"
    frozen = True
    source = "arXiv 2601.01580, KL penalty; the k2 estimator as a loss"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("minus beta times the weighted reverse KL at the visited states",)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: -beta times the weighted log-ratio of each action."""
        w_s, w_d = rule_weights(s)
        return (
            ("c_s(k)", w_s * self.slope(of("pi_s", "y"), of("ref_s", "y"))),
            ("c_d(k)", w_d * self.slope(of("pi_d", "d", "y"), of("ref_d", "d", "y"))),
        )

    @staticmethod
    def slope(x: sp.Expr, ref: sp.Expr) -> sp.Expr:
        """Return the coefficient of an action of probability x, but for its stage's weight."""
        return -symbol("beta") * log_ratio(x, ref)

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return -beta times the weighted log-ratios of this turn's answer and decision."""
        return rule_on_probabilities(s, turn, self.slope)

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return -beta sum over frozen visits of w KL(pi || ref); None if answers differ in weight.

        With a weight that varies from answer to answer, grad sum_y pi w log(pi/ref) has the further term sum_y w grad pi,
        which the direct rule leaves out: it is then no gradient of the weighted divergence, frozen or not.
        """
        if s.weights.per_answer:
            return None
        return -symbol("beta") * s.frozen_value(frozen, log_probability_payoff(s, log_ratio))

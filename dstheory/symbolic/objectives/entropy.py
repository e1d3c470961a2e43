"""Entropy bonus at the visited states."""

from __future__ import annotations

from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.notation import Inline, Verbatim, of, rule_weights
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn, decision_probability
from dstheory.symbolic.objectives.payoffs import log_probability_payoff
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["Entropy"]


class Entropy(Objective):
    """c = -alpha w (log pi + H), H the entropy of the state's distribution: the states are frozen (Mnih et al. 2016)."""

    name = "entropy"
    title = "Entropy bonus"
    frozen = True
    source = "Williams and Peng 1991; Mnih et al. 2016"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("alpha times the weighted entropy at the visited states",)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: minus the centred log-probability."""
        alpha, (w_s, w_d) = symbol("alpha"), rule_weights(s)
        own = Verbatim("the entropy of the answers", r"\text{the entropy of the answers}")
        at_y = Verbatim("the entropy of the decision at y_k", r"\text{the entropy of the decision at $y_k$}")
        return (
            ("c_s(k)", -alpha * w_s * (sp.log(of("pi_s", "y")) + of("H_s"))),
            ("c_d(k)", -alpha * w_d * (sp.log(of("pi_d", "d", "y")) + of("H_d", "y"))),
            (of("H_s"), own),
            (of("H_d", "y"), at_y),
        )

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return -alpha w (log pi + H) at the answer and at the decision of a turn."""
        alpha, i = symbol("alpha"), turn.answer
        row, stop = s.policy.sample_at(turn.index), s.policy.stop_at(turn.index)[i]
        c_s = -alpha * s.weights.sample[i] * (sp.log(row[i]) + entropy(row))
        if turn.decision is None:
            return c_s, sp.S.Zero
        taken = decision_probability(s.policy, turn.index, i, turn.decision)
        return c_s, -alpha * s.weights.decide[i] * (sp.log(taken) + entropy((stop, 1 - stop)))

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return alpha times the weighted entropy over frozen visits; None if answers differ in weight."""
        if s.weights.per_answer:
            return None
        return symbol("alpha") * s.frozen_value(frozen, log_probability_payoff(s, lambda x, ref: -sp.log(x)))


def entropy(row: tuple[sp.Expr, ...]) -> sp.Expr:
    """Return the entropy of a distribution.

    >>> entropy((sp.Rational(1, 2), sp.Rational(1, 2)))
    log(2)
    """
    return -sp.Add(*[x * sp.log(x) for x in row])

"""Reverse KL to a reference, full gradient, in return form: the penalty's total along the trajectory credits every action."""

from __future__ import annotations

from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import Payoffs
from dstheory.symbolic.notation import Inline, Verbatim, of, rule_weights, sum_over_turns
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn, log_ratio
from dstheory.symbolic.objectives.payoffs import log_probability_payoff
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["KL"]


class KL(Objective):
    """c_s = c_d = -beta L(tau), L the sum of all weighted log-ratios of the trajectory; ascends J = -beta E[L].

    Differentiating J also moves L itself, by sum_k w_s grad log pi_s + w_d grad log pi_d. The mean of that term is zero for the
    decisions, whose weight is known before they are drawn, and for the answers exactly when they all weigh the same. Otherwise
    the sampling coefficient is -beta (L + w_s(y_k) - E w_s), and the full gradient is not balanced.
    """

    name = "kl"
    title = "Reverse KL to a reference, full gradient, return form"
    source = "derived here; REINFORCE with the penalty as reward"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("minus beta times the weighted reverse KL of whole trajectories",)
    scalar_formula: ClassVar[tuple[Inline, Inline] | None] = (
        Verbatim("J", "J"),
        Verbatim("-beta E_mu[L]", r"-\beta\,\mathrm{E}_{\mu}[L]"),
    )

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: -beta times the trajectory's weighted log-ratio."""
        beta, total, (w_s, w_d) = symbol("beta"), of("L", "tau"), rule_weights(s)
        log_s, log_d = sp.log(of("pi_s", "y") / of("ref_s", "y")), sp.log(of("pi_d", "d", "y") / of("ref_d", "d", "y"))
        along = (total, sum_over_turns(w_s * log_s + w_d * log_d))
        if not s.weights.per_answer:
            return ("c_s(k)", -beta * total), ("c_d(k)", -beta * total), along
        mean = Verbatim("the mean of that weight over the answers", r"\text{the mean of that weight over the answers}")
        return ("c_s(k)", -beta * (total + w_s - symbol("wbar"))), ("c_d(k)", -beta * total), along, (symbol("wbar"), mean)

    def payoff(self, s: Setting) -> Payoffs:
        """Return the weighted log-ratios."""
        return log_probability_payoff(s, log_ratio)

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return -beta L, and at the answer the derivative of L itself, centred: zero if all answers weigh the same."""
        weights = s.weights.sample
        own = weights[turn.answer] - sp.Add(*[x * w for x, w in zip(s.policy.sample_at(turn.index), weights, strict=True)])
        centred = own if s.weights.per_answer else sp.S.Zero
        return -symbol("beta") * (turn.total + centred), -symbol("beta") * turn.total

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return -beta times the expected total log-ratio."""
        return -symbol("beta") * s.chain.value(self.payoff(s))

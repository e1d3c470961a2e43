"""Payoffs made of probabilities: weighted log-likelihoods and log-ratios, one entry per answer and decision."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from dstheory.symbolic.chain import Payoff, Payoffs
from dstheory.symbolic.objectives.base import Coefficients, Turn, decision_probability
from dstheory.symbolic.setting import Setting

__all__ = ["log_probability_payoff", "rule_on_probabilities"]

Function = Callable[[sp.Expr, sp.Expr], sp.Expr]


def log_probability_payoff(s: Setting, f: Function) -> Payoffs:
    """Return the payoff w_s f(pi_s, ref_s) at each answer and w_d f(pi_d, ref_d) at each decision.

    A forced submission is no decision of the policy and contributes nothing.

    Args:
        s: the setting.
        f: a function of a probability under the learner and the same under the reference.

    >>> from dstheory.symbolic.setting import setting
    >>> log_probability_payoff(setting(), lambda x, ref: sp.log(x))[0].stop
    (w_d*log(a), w_d*log(1 - b))
    """
    w_s, w_d = s.weights.sample, s.weights.decide
    rows = []
    for turn in range(len(s.policy.sample)):
        answers = zip(w_s, s.policy.sample_at(turn), s.reference.sample_at(turn), strict=True)
        decisions = list(zip(w_d, s.policy.stop_at(turn), s.reference.stop_at(turn), strict=True))
        rows.append(
            Payoff(
                tuple(w * f(x, ref) for w, x, ref in answers),
                tuple(w * f(x, ref) for w, x, ref in decisions),
                tuple(w * f(1 - x, 1 - ref) for w, x, ref in decisions),
                (sp.S.Zero,) * len(w_s),
            )
        )
    return tuple(rows)


def rule_on_probabilities(s: Setting, turn: Turn, f: Function) -> Coefficients:
    """Return the coefficients w_s f(pi_s, ref_s), w_d f(pi_d, ref_d) at the answer and the decision of a turn."""
    i = turn.answer
    c_s = s.weights.sample[i] * f(s.policy.sample_at(turn.index)[i], s.reference.sample_at(turn.index)[i])
    if turn.decision is None:
        return c_s, sp.S.Zero
    x, ref = (decision_probability(policy, turn.index, i, turn.decision) for policy in (s.policy, s.reference))
    return c_s, s.weights.decide[i] * f(x, ref)

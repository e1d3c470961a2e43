"""Supervised fine-tuning on demonstrations of an expert chain."""

from __future__ import annotations

from typing import ClassVar

import sympy as sp

from dstheory.symbolic.notation import Inline, Verbatim, rule_weights
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn
from dstheory.symbolic.objectives.payoffs import log_probability_payoff
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting

__all__ = ["SFT"]


class SFT(Objective):
    """c_s = w_s, c_d = w_d on demonstrations; ascends their weighted log-likelihood (arXiv 2601.01580, SFT)."""

    name = "sft"
    title = "Supervised fine-tuning on demonstrations"
    source = "arXiv 2601.01580, SFT"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the weighted log-likelihood of the demonstrations",)
    scalar_formula: ClassVar[tuple[Inline, Inline] | None] = (
        Verbatim("J", "J"),
        Verbatim(
            "E_mu[ sum_k w_s log pi_s(y_k) + w_d log pi_d(d_k | y_k) ]",
            r"\mathrm{E}_{\mu}\Bigl[\,\sum_k w_s\log\pi_s(y_k) + w_d\log\pi_d(d_k\mid y_k)\Bigr]",
        ),
    )

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule: the stage weights."""
        w_s, w_d = rule_weights(s)
        return ("c_s(k)", w_s), ("c_d(k)", w_d)

    def measure(self, s: Setting) -> Policy:
        """Return the expert."""
        return s.expert

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return the stage weights."""
        return s.weights.sample[turn.answer], s.weights.decide[turn.answer]

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return the expected weighted log-likelihood of a demonstration."""
        return s.following(s.expert).value(log_probability_payoff(s, lambda x, _: sp.log(x)))

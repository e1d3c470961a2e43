"""Objectives that divide by the tokens of each response: GRPO as published, without std, GSPO on the policy, SFT's sequence mean.

1/L makes a coefficient depend on all of its response, so the expectation is not found turn by turn: see
:mod:`dstheory.symbolic.response_means`.
"""

from __future__ import annotations

from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import UNDISCOUNTED
from dstheory.symbolic.notation import Inline, Verbatim
from dstheory.symbolic.objectives.base import Coefficients, Objective, Statistic, Turn
from dstheory.symbolic.objectives.outcome import OutcomeRule
from dstheory.symbolic.objectives.statistics import GROUP, centred_weight, correct_payoff, mean_reward, success_rate
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.response_means import (
    likelihood_over_length,
    mean_over_length,
    turn_length,
    update_over_length,
)
from dstheory.symbolic.setting import Setting

__all__ = ["GRPO", "GSPO", "GRPONoStd", "SFTSequenceMean"]

TOKENS = Verbatim("the tokens of the response", r"\text{the tokens of the response}")


class GRPONoStd(OutcomeRule):
    """c_s = c_d = w_G (R - Rbar)/L once averaged over the group, w_G = (G-1)/G (claim O6)."""

    frozen = True
    name = "grpo-no-std"
    title = "GRPO without std: mean over each response's tokens"
    source = "arXiv 2402.03300; claim O6"
    std: ClassVar[bool] = False
    scalar_words: ClassVar[tuple[Inline, ...]] = ("w_G (E[R/L] - Rbar E[1/L])",)

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return the mean reward and the weight of the prompt."""
        return mean_reward(s), centred_weight("w_G", std=self.std, size=GROUP)

    def weight(self, s: Setting) -> sp.Expr:
        """Return w_G over the response's own tokens."""
        return symbol("w_G") / symbol("L")

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule."""
        return (*super().definition(s), (symbol("L"), TOKENS))

    def update(self, s: Setting) -> dict[sp.Symbol, sp.Expr] | None:
        """Return E[credit/L x score], turn by turn without a cap, trajectory by trajectory with one."""
        mean = success_rate(s)
        return update_over_length(s, s.policy, lambda y: symbol("w_G") * (sp.Integer(y == 0) - mean))

    def same_update(self, s: Setting) -> Objective | None:
        """Return the rule without 1/L, times E[1/L], which has the same expected update if there is no cap (claim B7)."""
        return _Rescaled() if s.chain.turns is None else None

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return w_G (E[R/L] - Rbar E[1/L]), w_G and Rbar held fixed."""
        mean = s.following(frozen).value(correct_payoff(s), UNDISCOUNTED)
        return mean_over_length(s, s.policy, lambda y: symbol("w_G") * (sp.Integer(y == 0) - mean))


class GRPO(GRPONoStd):
    """The same with the standard deviation of the group, as published, without its KL term (row k3-loss)."""

    name = "grpo"
    title = "GRPO as published, without KL: group std, mean over each response's tokens"
    source = "arXiv 2402.03300; claims O5, O6"
    std: ClassVar[bool] = True


class GSPO(GRPO):
    """On the policy the ratio of a response is 1 and GSPO is the same rule."""

    name = "gspo"
    title = "GSPO on the policy: group std, mean over each response's tokens"
    source = "arXiv 2507.18071; claim O1"


class _Rescaled(OutcomeRule):
    """c = w_G H (R - Rbar)/(tokens of a turn), H = E[1/K]."""

    name = "rescaled"
    title = "an outcome rule, rescaled"

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return the mean reward."""
        return (mean_reward(s),)

    def names(self, s: Setting) -> dict[sp.Symbol, sp.Expr]:
        """Return H in terms of the resample probability."""
        q = symbol("q")
        return {symbol("H"): -(1 - q) * sp.log(1 - q) / q}

    def weight(self, s: Setting) -> sp.Expr:
        """Return w_G H over the tokens of a turn."""
        return symbol("w_G") * symbol("H") / turn_length(s)


class SFTSequenceMean(Objective):
    """c_s = c_d = 1/L on demonstrations: each demonstration's mean over its tokens, averaged over demonstrations."""

    name = "sft-sequence-mean"
    title = "SFT, mean over each demonstration's tokens"
    source = "claim O1-sft"
    scalar_words: ClassVar[tuple[Inline, ...]] = ("the log-likelihood of a demonstration over its tokens, on average",)

    def definition(self, s: Setting) -> tuple[tuple[Inline, Inline], ...]:
        """Return the rule."""
        return ("c_s(k)", 1 / symbol("L")), ("c_d(k)", 1 / symbol("L")), (symbol("L"), TOKENS)

    def measure(self, s: Setting) -> Policy:
        """Return the expert."""
        return s.expert

    def coefficients(self, s: Setting, turn: Turn) -> Coefficients:
        """Return 1/L, twice."""
        return 1 / symbol("L"), 1 / symbol("L")

    def update(self, s: Setting) -> dict[sp.Symbol, sp.Expr] | None:
        """Return E_D[score/L]."""
        return update_over_length(s, s.expert, lambda _: sp.S.One)

    def scalar(self, s: Setting, frozen: Policy) -> sp.Expr | None:
        """Return E_D[log pi(response)/L]."""
        return likelihood_over_length(s, s.expert)

"""Objectives that compare the responses of a prompt, on the policy: RLOO, Dr. GRPO, DAPO, CISPO, NFT, filtered SFT, REINFORCE++.

Averaged over the rest of its group, a centred credit is w (R - Rbar) with one number w (claim O5), and over a large batch a token
mean divides by E[L] (claim O7). Both are statistics: symbols here, numbers where the gradient is evaluated.
"""

from __future__ import annotations

from typing import ClassVar

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.notation import Inline
from dstheory.symbolic.objectives.base import Statistic
from dstheory.symbolic.objectives.outcome import OutcomeRule
from dstheory.symbolic.objectives.statistics import (
    GROUP,
    centred_weight,
    mean_length,
    mean_reward,
    success_length,
    token_spread,
)
from dstheory.symbolic.setting import Setting

__all__ = ["CISPO", "DAPO", "NFT", "RFT", "RLOO", "DAPOBatch", "DrGRPO", "ReinforceBaseline", "ReinforcePlusPlus"]

SUCCESS: tuple[Inline, ...] = ("the probability that the submitted answer is correct",)


class ReinforceBaseline(OutcomeRule):
    """c = R - Rbar: REINFORCE with the mean reward of its prompt as baseline."""

    name = "reinforce-baseline"
    title = "REINFORCE with a baseline of the prompt"
    source = "Williams 1992"
    scalar_words: ClassVar[tuple[Inline, ...]] = SUCCESS

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return the baseline."""
        return (mean_reward(s),)

    def weight(self, s: Setting) -> sp.Expr:
        """Return 1."""
        return sp.S.One


class RLOO(ReinforceBaseline):
    """c = R - Rbar once averaged over the others, whose mean reward is the baseline: the same expectation at any group size."""

    name = "rloo"
    title = "RLOO: R minus the mean of the others, summed over tokens"
    source = "arXiv 2402.14740; claim O4"


class DrGRPO(OutcomeRule):
    """c = (G-1)/G (R - Rbar)/L_max once averaged over the group."""

    name = "dr-grpo"
    title = "Dr. GRPO: R minus the group's mean, over a constant length"
    source = "arXiv 2503.20783; claim O4"

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return the mean reward."""
        return (mean_reward(s),)

    def weight(self, s: Setting) -> sp.Expr:
        """Return (G-1)/G over the constant."""
        return sp.Rational(GROUP - 1, GROUP) / symbol("L_max")


class _TokenMean(OutcomeRule):
    """c = w_G (R - Rbar)/E[L]: group std and a token mean over a large batch."""

    frozen = True
    group: ClassVar[int | None] = GROUP
    ddof: ClassVar[int] = 1

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return mean reward, weight of the prompt and mean length."""
        return mean_reward(s), centred_weight("w_G", std=True, size=self.group, ddof=self.ddof), mean_length(s)

    def weight(self, s: Setting) -> sp.Expr:
        """Return w_G/E[L]."""
        return symbol("w_G") / symbol("Lbar")


class DAPO(_TokenMean):
    """DAPO as published divides by the tokens of the group: in large groups by E[L]; small ones have no closed form.

    Its dynamic sampling divides by the probability of a mixed group, which is 1 in that limit.
    """

    name = "dapo"
    title = "DAPO as published: group std, mean over the group's tokens; limit of large groups, all of them mixed"
    source = "arXiv 2503.14476; claims O5, O7-groups"
    group: ClassVar[int | None] = None


class DAPOBatch(_TokenMean):
    """Group std, divided by the tokens of a large batch: the token mean of training libraries."""

    name = "dapo-batch"
    title = "group std, mean over the batch's tokens"
    source = "arXiv 2503.14476; claims O5, O7"


class CISPO(DAPO):
    """On the policy all ratios are 1, and CISPO divides by the tokens of the group, as DAPO does."""

    name = "cispo"
    title = "CISPO on the policy: group std, mean over the group's tokens; limit of large groups"
    source = "arXiv 2506.13585; claim O1"


class NFT(_TokenMean):
    """On the policy NFT's weights of hits and misses are the population-std form."""

    name = "nft"
    title = "NFT on the policy: hits and misses by implied likelihoods, mean over the batch's tokens"
    source = "arXiv 2505.18116; claim O3"
    ddof: ClassVar[int] = 0


class RFT(OutcomeRule):
    """c = R/E[R L]: imitation of one's own correct responses, token mean over what is kept."""

    frozen = True
    name = "rft"
    title = "filtered fine-tuning on one's own correct responses, token mean"
    source = "arXiv 2203.14465, 2308.01825, 2312.06585; claim C6"
    baseline: ClassVar[str | None] = None

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return the tokens that are kept, per response."""
        return (success_length(s),)

    def weight(self, s: Setting) -> sp.Expr:
        """Return 1/E[R L]."""
        return 1 / symbol("RLbar")


class ReinforcePlusPlus(OutcomeRule):
    """c = (R - m)/(s_tok E[L]), whitened over the tokens of a large batch, without KL in the reward."""

    frozen = True
    name = "reinforce-pp"
    title = "REINFORCE++ without KL: whitened over the batch's tokens"
    source = "arXiv 2501.03262; claim O8"
    baseline: ClassVar[str | None] = "m_tok"

    def statistics(self, s: Setting) -> tuple[Statistic, ...]:
        """Return mean length, tokens of successes, and the mean and spread of R over tokens."""
        mean = Statistic(symbol("m_tok"), symbol("RLbar") / symbol("Lbar"), "mean of R over the tokens of the batch", True)
        return mean_length(s), success_length(s), mean, token_spread(s)

    def weight(self, s: Setting) -> sp.Expr:
        """Return 1/(s_tok E[L])."""
        return 1 / (symbol("s_tok") * symbol("Lbar"))

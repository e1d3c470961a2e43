r"""GRPO and its variants with averages over each response, or over a constant length.

Source: arXiv 2402.03300 (GRPO), 2503.20783 (Dr. GRPO); the expectations are derived here: with 1/L_i and without std
:math:`\frac{G-1}{G} (\nabla E[R/L] - E[R] \nabla E[1/L])`, with a constant length :math:`\frac{G-1}{G} \nabla J / L_{max}`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats
from dstheory.objectives.baselines import mean_reward
from dstheory.objectives.group import GroupMeanObjective
from dstheory.objectives.parts.normaliser import ConstantLength, Normaliser, PerToken
from dstheory.objectives.registry import register

__all__ = ["GRPO", "DrGRPO", "GRPONoStd"]


@register
@dataclass(frozen=True, eq=False)
class GRPO(GroupMeanObjective):
    """GRPO as published: group mean and standard deviation, tokens averaged within each response, then responses.

    Resampling makes a response longer, so its credit shrinks: short correct and long wrong responses are favoured.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=16), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> g = GRPO(group_size=8).gradient(s)
    >>> bool(g.sample[0, 0, 0] > 0)
    True
    """

    normaliser = PerToken()
    name = "grpo"


@register
@dataclass(frozen=True, eq=False)
class GRPONoStd(GroupMeanObjective):
    """GRPO without the standard deviation: group mean only, tokens averaged within each response.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=16), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> two, many = (GRPONoStd(group_size=g).gradient(s).sample for g in (2, float("inf")))
    >>> bool(abs(two - many / 2).max() < 1e-15)  # the factor (G - 1)/G
    True
    """

    std: bool = False

    normaliser = PerToken()
    name = "grpo-no-std"


@register
@dataclass(frozen=True, eq=False)
class DrGRPO(GroupMeanObjective):
    """Dr. GRPO: group mean only, divided by a constant number of tokens. Its expectation is (G - 1)/G grad E[R] / Lmax.

    Args:
        max_tokens: Lmax, the constant.
        std: False as published; TRL's ``dr_grpo`` keeps the standard deviation unless told otherwise.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> DrGRPO(max_tokens=1, group_size=2).gradient(s).decide.round(12).tolist()  # half of REINFORCE's
    [[[0.0625, -0.0625]]]
    """

    std: bool = False
    max_tokens: float = 1024

    name = "dr-grpo"

    @property
    def normaliser(self) -> Normaliser:
        """The constant."""
        return ConstantLength(self.max_tokens)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normaliser  # checks the constant  # noqa: B018

    def value(self, solution: Solution) -> Floats | None:
        """Return (G - 1)/G E[R]/Lmax, (*runs,), or None off policy, with std, with a penalty or with dynamic sampling."""
        if self.std or self.sampler is not None or np.any(self.beta) or self.dynamic_sampling:
            return None
        return (1.0 - 1.0 / self.group_size) / self.max_tokens * mean_reward(solution, self.outcome_of(solution))

r"""CISPO: the ratio itself is clipped and detached, so that no token is ever dropped.

Its paper divides by the tokens of the group; TRL by those of the batch.

Source: arXiv 2506.13585.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.group import GroupMeanObjective
from dstheory.objectives.parts.batch import truncate_weight
from dstheory.objectives.parts.groups import effective_credit
from dstheory.objectives.parts.normaliser import BatchTokens, GroupTokens, Normaliser
from dstheory.objectives.parts.outcome import Outcome
from dstheory.objectives.registry import register
from dstheory.objectives.responses import Term
from dstheory.objectives.weights import token_ratios

__all__ = ["CISPO"]


@register
@dataclass(frozen=True, eq=False)
class CISPO(GroupMeanObjective):
    """CISPO: group mean and standard deviation times the clipped, detached ratio of each token, over the tokens of the group.

    Args:
        over: divided by the tokens of the ``"group"``, as published, or of the ``"batch"``, as in TRL.

    >>> from dstheory import Policy, Trajectories, TwoStageMDP, solve
    >>> here, old = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.125, a=0.5, b=0.5)
    >>> s = solve(TwoStageMDP.minimal(sample_length=2), here)
    >>> c_s, c_d = CISPO(sampler=old, clip_high=0.5).coefficients(s, Trajectories.record([(0, [(0, "stop")])]))
    >>> round(float(c_s[0] / c_d[0]), 12)  # the answer's tokens have ratio 2, clipped to 1.5; the decision's is 1
    1.5
    """

    clip_low: float = inf
    over: Literal["group", "batch"] = "group"

    plain_on_policy = True
    name = "cispo"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.over not in ("group", "batch"):
            raise ChainError(f"over is {self.over!r}: must be 'group' (as published) or 'batch' (as in TRL)")

    @property
    def normaliser(self) -> Normaliser:
        """The tokens of the group, or of the batch."""
        return GroupTokens() if self.over == "group" else BatchTokens()

    def reward_terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return the credit times the clipped ratio."""
        credit = effective_credit(self.credit, self.normaliser, self.grouping, under, outcome)
        if self.sampler is None:
            return (Term(credit),)
        ratio = token_ratios(solution.policy, self.sampler, solution)
        return (Term(credit, ratio.map(lambda rho: self.weight_of_ratio(rho, np.ones(())))),)

    def weight_of_ratio(self, ratio: Floats, sign: Floats) -> Floats:
        """Return the clipped ratio, whatever the sign."""
        return truncate_weight(ratio, low=self.clip_low, high=self.clip_high)

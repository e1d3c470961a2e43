r"""DAPO: token means over a group, as published, or over the batch, as libraries compute it; clipped asymmetrically, no KL.

As published, groups without variance are drawn again (dynamic sampling), which divides the expected update by the probability
that a group is mixed. Libraries keep such groups unless asked. The paper's punishment of overlong responses is a reward, and not
part of these rows.

Source: arXiv 2503.14476; the batch form is TRL's default loss and verl's. Derived here: over a large batch the token mean divides
by E[L], one constant, and does not tilt the gradient; over a group it reweights prompts by about 1/E[L given x].
"""

from __future__ import annotations

from dataclasses import dataclass

from dstheory.objectives.group import GroupMeanObjective
from dstheory.objectives.parts.normaliser import BatchTokens, GroupTokens
from dstheory.objectives.registry import register

__all__ = ["DAPO", "DAPOBatch"]


@register
@dataclass(frozen=True, eq=False)
class DAPO(GroupMeanObjective):
    """DAPO as published: group mean and standard deviation, divided by the tokens of the group, all groups mixed.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 40]]), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> small, large = (DAPO(group_size=g).gradient(s).sample[0, 0, 0] for g in (64, float("inf")))
    >>> bool(abs(small / large - 1) < 0.05)
    True
    >>> kept, redrawn = (DAPO(group_size=2, dynamic_sampling=d).gradient(s).sample[0, 0, 0] for d in (False, True))
    >>> round(float(kept / redrawn), 9), round(float(2 * s.accuracy[0] * (1 - s.accuracy[0])), 9)  # P(a group of two is mixed)
    (0.48, 0.48)
    """

    clip_high: float = 0.28
    dynamic_sampling: bool = True

    normaliser = GroupTokens()
    name = "dapo"


@register
@dataclass(frozen=True, eq=False)
class DAPOBatch(GroupMeanObjective):
    """Group mean and standard deviation, divided by the tokens of the whole batch: the token mean of training libraries.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 40]]), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> small, large = (DAPOBatch(group_size=8, prompts=n).gradient(s).sample[0, 0, 0] for n in (64, float("inf")))
    >>> bool(abs(small / large - 1) < 0.01)
    True
    """

    clip_high: float = 0.28

    normaliser = BatchTokens()
    name = "dapo-batch"

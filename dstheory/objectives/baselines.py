r"""REINFORCE with a baseline of its prompt, and RLOO, whose baseline is the mean of the other responses. Both ascend E[R].

Source: Williams (1992); RLOO arXiv 2402.14740; the length-weighted baseline :math:`E[L R]/E[L]` is OPO's, arXiv 2505.23585.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.group import GroupObjective
from dstheory.objectives.parts.credit import LeaveOneOut, Minus, Raw
from dstheory.objectives.parts.groups import mean_of_lengths_and_rewards
from dstheory.objectives.parts.normaliser import PerResponse
from dstheory.objectives.parts.outcome import Outcome
from dstheory.objectives.parts.tilted import Nodes, moments
from dstheory.objectives.registry import register
from dstheory.objectives.responses import Term

__all__ = ["RLOO", "ReinforceBaseline", "mean_reward"]


class _MeanReward(GroupObjective):
    """What they share: on policy and without a penalty the gradient is that of the mean reward."""

    normaliser = PerResponse()

    def value(self, solution: Solution) -> Floats | None:
        """Return E[R], (*runs,), on policy and without a penalty; else None."""
        return None if self.sampler is not None or np.any(self.beta) else mean_reward(solution, self.outcome_of(solution))


def mean_reward(solution: Solution, outcome: Outcome) -> Floats:
    """Return E[R] over prompts, (*runs,)."""
    _, paid = moments(solution, outcome.reward, np.zeros(1))
    low, high = outcome.values or (0.0, 1.0)
    return np.asarray(((low + (high - low) * paid[0]) * solution.mdp.prompt_weight).sum(axis=-1))


@register
@dataclass(frozen=True, eq=False)
class RLOO(_MeanReward):
    """RLOO: each response against the mean of the other ones. Its expectation is the gradient of the mean reward, at any G >= 2.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> difference = RLOO(group_size=4).gradient(s).decide - Reinforce().gradient(s).decide
    >>> bool(abs(difference).max() < 1e-15)
    True
    """

    credit = LeaveOneOut()
    name = "rloo"


@register
@dataclass(frozen=True, eq=False)
class ReinforceBaseline(_MeanReward):
    """REINFORCE with a baseline that depends on the prompt only; the baseline leaves the expectation alone.

    Args:
        baseline: a number, ``"mean"`` (of the prompt's rewards) or ``"opo"`` (their mean weighted by length).

    >>> from dstheory import Policy, Trajectories, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> c_s, _ = ReinforceBaseline().coefficients(s, Trajectories.record([(0, [(0, "stop")])]))
    >>> c_s.tolist()  # right, where half of the responses are
    [0.5]
    """

    group_size: float = 1
    baseline: float | Literal["mean", "opo"] = "mean"

    credit = Raw()
    plain_on_policy = True
    name = "reinforce-baseline"

    def __post_init__(self) -> None:
        if self.baseline not in ("mean", "opo"):
            if isinstance(self.baseline, str):
                raise ChainError(f"baseline is {self.baseline!r}: must be a number, 'mean' or 'opo'")
            Minus(self.baseline)
        if self.sampler is not None:
            raise ChainError("reinforce-baseline has no ratio to clip: leave sampler out, or use ppo-clip")
        super().__post_init__()

    def reward_terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return R - b."""
        low, high = outcome.values or (0.0, 1.0)
        _, paid = moments(under, outcome.reward, np.zeros(1))
        if self.baseline == "mean":
            b = low + (high - low) * paid
        elif self.baseline == "opo":
            b = low + (high - low) * mean_of_lengths_and_rewards(under, outcome) / under.expected_tokens
        else:
            b = np.full_like(paid, self.baseline)
        return (Term(Nodes(np.zeros(1), low - b, np.full_like(b, high - low))),)

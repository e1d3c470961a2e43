r"""Filtered fine-tuning: imitate one's own correct responses (RFT, STaR, RAFT, ReST-EM, filtered EM).

The credit is 1[R = 1], the normaliser one of supervised fine-tuning taken over what is kept. In large batches a kept response
gets :math:`1/E[R L]` per token (token mean), :math:`1/E[R]` (sequence sum) or :math:`1/(E[R] L_i)` (sequence mean). At the
sampling policy itself the first two are :math:`\nabla E[R]` times a constant; further updates on the same data are off policy, as
imitation always is.

Source: STaR arXiv 2203.14465; RFT 2308.01825; RAFT 2304.06767; ReST-EM 2312.06585; the limits are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.errors import ChainError
from dstheory.objectives.base import Measure
from dstheory.objectives.parts.exponentials import reciprocal
from dstheory.objectives.parts.groups import mean_of_lengths_and_rewards, range_of_lengths
from dstheory.objectives.parts.outcome import Outcome, reward_of
from dstheory.objectives.parts.tilted import Nodes, moments
from dstheory.objectives.registry import register
from dstheory.objectives.responses import ResponseObjective, Term

__all__ = ["RFT"]

_NORMALISERS = ("token-mean", "sequence-sum", "sequence-mean")


@register
@dataclass(frozen=True, eq=False)
class RFT(ResponseObjective):
    """Filtered fine-tuning on the correct responses of a sampling policy, in large batches.

    Args:
        sampler: whose responses are filtered; None for the policy itself.
        normaliser: ``"token-mean"``, ``"sequence-sum"`` or ``"sequence-mean"`` over what is kept.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> g = RFT(normaliser="sequence-sum").gradient(s)
    >>> (g.decide / Reinforce().gradient(s).decide * s.accuracy).round(12).tolist()  # grad log E[R]
    [[[1.0, 1.0]]]
    """

    sampler: Policy | None = None
    normaliser: Literal["token-mean", "sequence-sum", "sequence-mean"] = "token-mean"

    name = "rft"

    def __post_init__(self) -> None:
        if self.normaliser not in _NORMALISERS:
            raise ChainError(f"normaliser is {self.normaliser!r}: must be one of {', '.join(_NORMALISERS)}")

    @property
    def measure(self) -> Measure:
        """The policy, or the sampler."""
        return "policy" if self.sampler is None else "sampler"

    def generated(self, solution: Solution) -> Solution:
        """Return the chain under the sampler, or under the policy."""
        return solution if self.sampler is None else solve(solution.mdp, self.sampler)

    def outcome_of(self, under: Solution) -> Outcome:
        """Return correctness."""
        return reward_of(under, "correct")

    def terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return 1[R = 1] over the mean of what is kept; where nothing is ever kept, nothing is learned."""
        _, paid = moments(under, outcome.reward, np.zeros(1))
        rho = under.mdp.prompt_weight
        kept = (paid * rho).sum(axis=-1, keepdims=True)
        if self.normaliser == "token-mean":
            kept = (mean_of_lengths_and_rewards(under, outcome) * rho).sum(axis=-1, keepdims=True)
        slope = np.broadcast_to(np.divide(1.0, kept, out=np.zeros_like(kept), where=kept > 0), paid.shape)
        t = np.zeros(1)
        if self.normaliser == "sequence-mean":
            t, w = reciprocal(*range_of_lengths(under))
            slope = w.reshape(len(w), *(1,) * (slope.ndim - 1)) * slope
        return (Term(Nodes(t, np.zeros_like(slope), slope)),)

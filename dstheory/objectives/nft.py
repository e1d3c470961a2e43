r"""NFT: learn from one's failures as well, by a likelihood of what failures imply about the policy.

With :math:`\hat r` the share of hits in the group, :math:`\omega = \sqrt{(1 - \hat r)/\hat r}` and rho the ratio of a token to
the sampler, hits get the coefficient :math:`\omega` and misses

.. math:: -\omega\, \frac{\hat r \rho / (1 - \hat r)}{\max\{(1 - \hat r \rho)/(1 - \hat r),\ \epsilon\}},

over the tokens of the batch; groups all right or all wrong are left out. At the sampler itself this is the population-std form of
the group-relative credit. Off policy misses are weighted by their ratio, hits are not.

Source: arXiv 2505.18116; the expectation over groups is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.group import GroupObjective
from dstheory.objectives.parts.credit import SignedMatch
from dstheory.objectives.parts.groups import binomial, effective_credit, mean_tokens, positive
from dstheory.objectives.parts.normaliser import BatchTokens
from dstheory.objectives.parts.outcome import Outcome
from dstheory.objectives.parts.tilted import Nodes, moments
from dstheory.objectives.registry import register
from dstheory.objectives.responses import Term
from dstheory.objectives.weights import token_ratios

__all__ = ["NFT"]


@register
@dataclass(frozen=True, eq=False)
class NFT(GroupObjective):
    """NFT over the tokens of the batch.

    Args:
        floor: epsilon > 0, below which the likelihood ratio of a miss does not fall (off policy only).

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import DAPOBatch
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=16), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> difference = NFT().gradient(s).sample - DAPOBatch(ddof=0).gradient(s).sample
    >>> bool(abs(difference).max() < 1e-15)
    True
    """

    floor: float = 1.0

    credit = SignedMatch()
    plain_on_policy = True
    normaliser = BatchTokens()
    name = "nft"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (np.isfinite(self.floor) and self.floor > 0):
            raise ChainError(f"floor is {self.floor}: must be finite and > 0, the least likelihood ratio of a miss")
        if self.outcome != "correct":
            raise ChainError(f"nft: outcome is {self.outcome!r}: must be 'correct', hits and misses")
        if self.sampler is not None and self.prompts != inf:
            raise ChainError("nft: off policy the closed form is that of large batches: use prompts=inf, or sampled_gradient")

    def reward_terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return hits, and misses times their weight averaged over the group."""
        if self.sampler is None:
            return super().reward_terms(solution, under, outcome)
        hits = effective_credit(self.credit, self.normaliser, self.grouping, under, outcome, positive)
        ratio = token_ratios(solution.policy, self.sampler, solution)
        _, hit = moments(under, outcome.reward, np.zeros(1))
        size = int(self.group_size) if self.group_size != inf else 0
        chances = binomial(size - 1, hit[0]) if size else np.ones((*hit[0].shape, 1))
        shares = np.arange(size) / size if size else hit[0][..., None]  # of a group that has at least this one miss
        misses = ratio.map(lambda rho: self._miss(rho, chances, np.broadcast_to(shares, chances.shape)))
        once = np.broadcast_to(1.0 / mean_tokens(under)[None, ..., None], hit.shape)
        return Term(hits), Term(Nodes(np.zeros(1), once, -once), misses)

    def _miss(self, rho: Floats, chances: Floats, shares: Floats) -> Floats:
        """Return the coefficient of a miss, (*runs, T', X, Y), averaged over the shares of hits in its group."""
        total = np.zeros(())
        for i in range(chances.shape[-1]):
            r, chance = shares[..., None, :, None, i], chances[..., None, :, None, i]
            with np.errstate(divide="ignore", invalid="ignore"):
                odds = r / (1.0 - r)
                each = -rho * np.sqrt(odds) / np.maximum((1.0 - r * rho) / (1.0 - r), self.floor)
            total = total + chance * np.where((r > 0) & (r < 1), each, 0.0)
        return np.asarray(total)

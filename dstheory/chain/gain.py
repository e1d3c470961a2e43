r"""Whose gain is it: an accuracy difference between two policies, split exactly between sampling and decision.

Shapley value of a game with two players. With :math:`Acc(s, d)` the accuracy of one policy's sampling under another's decisions,

.. math::
    \phi_d = \tfrac12 [Acc(s_0, d_1) - Acc(s_0, d_0)] + \tfrac12 [Acc(s_1, d_1) - Acc(s_1, d_0)], \qquad
    \phi_s + \phi_d = Acc(s_1, d_1) - Acc(s_0, d_0).

Source: Shapley (1953); its use for claim 5 of arXiv 2601.01580 is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.errors import ChainError

# A gain below this is the rounding of two accuracies, and has no parts.
_NO_GAIN = 1e-12


@dataclass(frozen=True, eq=False)
class GainSplit:
    """An accuracy gain and its two parts, (*runs,) each; ``sample + decide == gain`` up to rounding."""

    before: Floats
    after: Floats
    sample: Floats
    decide: Floats

    @classmethod
    def of_corners(cls, *, s0d0: Floats, s0d1: Floats, s1d0: Floats, s1d1: Floats) -> GainSplit:
        """Return the split from the four accuracies Acc(sampling of 0 or 1, decisions of 0 or 1).

        >>> split = GainSplit.of_corners(s0d0=np.array(0.5), s0d1=np.array(0.7), s1d0=np.array(0.6), s1d1=np.array(0.9))
        >>> float(split.sample.round(3)), float(split.decide.round(3))
        (0.15, 0.25)
        """
        decide = 0.5 * ((s0d1 - s0d0) + (s1d1 - s1d0))
        sample = 0.5 * ((s1d0 - s0d0) + (s1d1 - s0d1))
        return cls(s0d0, s1d1, sample, decide)

    @property
    def gain(self) -> Floats:
        """Accuracy after minus accuracy before."""
        return self.after - self.before

    @property
    def decision_share(self) -> Floats:
        """Share of the gain due to decisions; may leave [0, 1] when the parts have opposite signs; NaN where there is no gain."""
        real = np.abs(self.gain) > _NO_GAIN
        return np.asarray(np.divide(self.decide, self.gain, out=np.full(np.shape(self.gain), np.nan), where=real))


def split_gain(mdp: TwoStageMDP, before: Policy, after: Policy) -> GainSplit:
    """Split the accuracy gain between two policies of one chain (undiscounted accuracies, averaged over prompts).

    Raises:
        ChainError: a policy does not fit the chain, or the run axes of the two do not fit together.

    >>> from dstheory import Policy, TwoStageMDP
    >>> start, end = Policy.minimal(p=0.55, a=0.8, b=0.3), Policy.minimal(p=0.5613, a=0.9645, b=0.9993)
    >>> float(split_gain(TwoStageMDP.minimal(), start, end).decision_share.round(3))
    0.987
    """
    for policy, what in ((before, "policy before"), (after, "policy after")):
        policy.check_fits(mdp, what)
    try:
        np.broadcast_shapes(before.runs, after.runs)
    except ValueError as error:
        raise ChainError(f"the policy before has runs {before.runs}, the one after {after.runs}: they do not fit") from error

    def accuracy(sampling: Policy, decision: Policy) -> Floats:
        z, u = np.broadcast_arrays(sampling.sample_logits, decision.stop_logits)
        return solve(mdp, Policy(z, u)).mean_accuracy

    return GainSplit.of_corners(
        s0d0=accuracy(before, before),
        s0d1=accuracy(before, after),
        s1d0=accuracy(after, before),
        s1d1=accuracy(after, after),
    )

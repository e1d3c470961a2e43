r"""Supervised fine-tuning: maximum likelihood on demonstrations, each stage weighted by its length.

.. math:: J = E_{\tau \sim D} \Big[ \sum_k w_s(y_k) \log \pi_s(y_k \mid x) + w_d \log \pi_d(d_k \mid x, y_k) \Big].

Source: arXiv 2601.01580, section 4.2; closed forms derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.base import CoefficientMass, Measure, Objective, Reduction, check_runs, stage_weights
from dstheory.objectives.demonstrations import Demonstrations
from dstheory.objectives.registry import register

__all__ = ["SFT", "log_likelihood", "step_weights"]


def step_weights(
    solution: Solution, trajectories: Trajectories, length_weight: ArrayLike, reduction: Reduction
) -> tuple[Floats, Floats]:
    """Return w_s and w_d of every step, (m,) each; w_d is 0 where no decision was drawn.

    Raises:
        ChainError: the weights differ between runs.
    """
    weights = stage_weights(solution.mdp, length_weight, reduction)
    if any(w.ndim > 3 for w in weights):
        raise ChainError("the stage weights differ between runs, but coefficients on trajectories are those of one run: pick one")
    w_s, w_d = (np.broadcast_to(w, (1, *solution.mdp.shape))[0] for w in weights)
    at = trajectories.step_prompt, trajectories.answer
    return w_s[at], np.where(trajectories.decided, w_d[at], 0.0)


def log_likelihood(visits: CoefficientMass, weights: tuple[Floats, Floats], policy: Policy) -> Floats:
    """Return sum of visits x weight x log-probability, (*runs,); what is never visited counts nothing, not NaN.

    >>> v = CoefficientMass(*(np.full((1, 1, 2), n) for n in (1.0, 0.5, 0.5)))
    >>> float(log_likelihood(v, (np.ones(1), np.ones(1)), Policy.minimal(p=0.5, a=0.5, b=0.5)).round(6))
    -2.772589
    """
    w_s, w_d = weights
    total: Floats = np.zeros(())
    for mass, log_p in (
        (visits.sample * w_s, policy.log_sample),
        (visits.stop * w_d, policy.log_stop),
        (visits.resample * w_d, policy.log_resample),
    ):
        met = mass != 0
        with np.errstate(invalid="ignore"):
            total = total + np.where(met, mass * np.where(met, log_p, 0.0), 0.0).sum(axis=(-3, -2, -1))
    return total


@register
@dataclass(frozen=True, eq=False)
class SFT(Objective):
    """Maximum likelihood on demonstrations with stage weights.

    Args:
        demonstrations: an expert chain or recorded trajectories.
        length_weight: lambda in [0, 1].
        reduction: ``"sum"`` or ``"mean"``.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ExpertChain
    >>> sft = SFT(ExpertChain(Policy.minimal(p=0.75, a=0.75, b=0.75)))
    >>> g = sft.gradient(solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5)))
    >>> round(float(g.sample[0, 0, 0]), 12)  # n_E (p_E - p) with n_E = 1.6 expected turns
    0.4
    """

    demonstrations: Demonstrations
    length_weight: ArrayLike = 0.0
    reduction: Reduction = "sum"

    name = "sft"

    @property
    def measure(self) -> Measure:
        """Demonstrations."""
        return "demonstrations"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the stage weights."""
        return step_weights(solution, trajectories, self.length_weight, self.reduction)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the demonstrations' visits times the stage weights."""
        w_s, w_d = stage_weights(solution.mdp, self.length_weight, self.reduction)
        v = self.demonstrations.visits(solution.mdp)
        check_runs(solution, demonstrations=v.sample.shape[:-3], length_weight=np.shape(self.length_weight))
        return CoefficientMass(v.sample * w_s, v.stop * w_d, v.resample * w_d)

    def value(self, solution: Solution) -> Floats:
        """Return the weighted log-likelihood per episode, (*runs,); -inf if a demonstrated action has probability zero."""
        weights = stage_weights(solution.mdp, self.length_weight, self.reduction)
        return log_likelihood(self.demonstrations.visits(solution.mdp), weights, solution.policy)

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        """Return where the demonstrations come from."""
        return self.demonstrations.trajectories(solution)

r"""Entropy bonus at the visited states, states frozen: what training code adds to its loss.

:math:`c_s = -\alpha w_s (\log \pi_s + H_s)`, :math:`c_d = -\alpha w_d (\log \pi_d + H_d)`, with H the entropy of that state's
distribution, a baseline that makes the coefficient average to zero when all answers of a prompt weigh the same. In a sum with a
reward both are divided as the reward is; alone, by the number of responses.

Source: standard practice since Williams and Peng (1991); stage weights as in arXiv 2601.01580.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, float_array, reject
from dstheory.objectives.base import (
    CoefficientMass,
    Objective,
    Reduction,
    check_runs,
    one_number,
    over_runs,
    stage_weights,
)
from dstheory.objectives.parts.groups import Grouping, effective_credit
from dstheory.objectives.parts.normaliser import Normaliser, PerResponse
from dstheory.objectives.parts.outcome import Outcome, reward_of
from dstheory.objectives.parts.tilted import Nodes, response_mass
from dstheory.objectives.registry import register
from dstheory.objectives.responses import response_lengths
from dstheory.objectives.sft import step_weights
from dstheory.objectives.weights import TokenWeight

__all__ = ["EntropyBonus"]


def _surprise(policy: Policy) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return log-probabilities with 0 for impossible actions, and the entropies of both stages (..., X) and (..., X, Y)."""

    def finite(log_p: Floats) -> Floats:
        return np.where(log_p == -np.inf, 0.0, log_p)

    log_s, log_stop, log_res = finite(policy.log_sample), finite(policy.log_stop), finite(policy.log_resample)
    h_s = -(policy.sample_prob * log_s).sum(axis=-1)
    h_d = -(policy.stop_prob * log_stop + policy.resample_prob * log_res)
    return log_s, log_stop, log_res, h_s, h_d


@register
@dataclass(frozen=True, eq=False)
class EntropyBonus(Objective):
    """Entropy bonus with stage weights.

    Args:
        alpha: strength >= 0, a number or an array over runs.
        length_weight: lambda in [0, 1].
        reduction: ``"sum"`` or ``"mean"``.
        inherited: the normaliser and the sizes of the reward in the same sum; sums set it.

    >>> from dstheory import TwoStageMDP, solve
    >>> g = EntropyBonus(alpha=1.0).gradient(solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.9, b=0.5)))
    >>> g.sample.tolist(), bool(g.decide[0, 0, 0] < 0)  # the even choice stays, the confident one is softened
    ([[[0.0, 0.0]]], True)
    """

    alpha: ArrayLike = 0.01
    length_weight: ArrayLike = 0.0
    reduction: Reduction = "sum"
    inherited: tuple[Normaliser, Grouping] | None = None

    name = "entropy"

    def __post_init__(self) -> None:
        alpha = float_array(self.alpha, "alpha")
        reject(~((alpha >= 0) & np.isfinite(alpha)), alpha, "alpha", "must be finite and >= 0", "use 0 for none", axes=())

    def inheriting(self, normaliser: tuple[Normaliser, Grouping] | None) -> Self:
        """Return the bonus divided as the reward in its sum is."""
        return replace(self, inherited=normaliser)

    def _credit(self, solution: Solution) -> tuple[Nodes, Outcome]:
        """Return 1 over the normaliser for each response, averaged over the others."""
        outcome = reward_of(solution, "correct")
        normaliser, grouping = self.inherited or (PerResponse(), Grouping())
        return effective_credit(None, normaliser, grouping, solution, outcome), outcome

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return minus alpha times the centred, weighted log-probability of each action."""
        t = trajectories
        w_s, w_d = step_weights(solution, t, self.length_weight, self.reduction)
        log_s, log_d = t.log_prob(solution.policy)
        *_, h_s, h_d = _surprise(solution.policy)
        k, x, y = t.policy_index(solution.policy)
        nodes, outcome = self._credit(solution)
        each = nodes.at(t.prompt, outcome.reward.total(solution, t), response_lengths(solution, t))[t.episode]
        strength = -one_number(self.alpha, "alpha") * each
        return strength * w_s * (log_s + h_s[k, x]), strength * w_d * (log_d + h_d[k, x, y])

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of the centred log-probabilities, over the normaliser."""
        check_runs(solution, alpha=np.shape(self.alpha), length_weight=np.shape(self.length_weight))
        w_s, w_d = stage_weights(solution.mdp, self.length_weight, self.reduction)
        log_s, log_stop, log_res, h_s, h_d = _surprise(solution.policy)
        alpha = over_runs(self.alpha, 3)
        surprise = TokenWeight(
            -alpha * w_s * (log_s + h_s[..., None]), -alpha * w_d * (log_stop + h_d), -alpha * w_d * (log_res + h_d)
        )
        nodes, outcome = self._credit(solution)
        return surprise.of(response_mass(solution, outcome.reward, nodes))

r"""The third engine: the gradient estimated from trajectories, coefficient times score, the way training code does it.

On an enumeration of all trajectories, weighted by their probabilities, the result is exact; on a sample it is unbiased and comes
with standard errors. It shares nothing with the closed forms but the objective's rule.

Source: derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, Ints
from dstheory.objectives.base import Objective, StageGradient

__all__ = ["Estimate", "average_scores", "estimate_gradient"]


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimated gradient with the standard error of each entry (meaningless for an enumeration, which is exact)."""

    gradient: StageGradient
    standard_error: StageGradient


def estimate_gradient(objective: Objective, solution: Solution, trajectories: Trajectories) -> Estimate:
    """Return sum over trajectories of weight x sum_k (c_s grad log pi_s + c_d grad log pi_d), with standard errors.

    Args:
        objective: any objective; its rule is used, not its closed form.
        solution: the chain under one policy (no run axes).
        trajectories: drawn from (or enumerating) the objective's measure.

    Raises:
        ChainError: trajectories that do not exist in the chain.
    """
    t = trajectories
    t.check_fits(solution.mdp)
    return average_scores(solution, t, *objective.coefficients(solution, t), unit=t.episode, weight=t.weight)


def average_scores(solution: Solution, t: Trajectories, c_s: Floats, c_d: Floats, *, unit: Ints, weight: Floats) -> Estimate:
    """Return the weighted mean over units of the sum of coefficient x score in each, with standard errors.

    Args:
        solution: the chain under one policy, whose scores these are.
        t: trajectories.
        c_s, c_d: (m,) coefficients of the answer and of the decision of every step.
        unit: (m,) what is independent of what: the trajectory, or the batch, that each step belongs to.
        weight: (units,) of each.
    """
    policy = solution.policy
    k, x, y = t.policy_index(policy)
    prob = policy.sample_prob[k, x]  # (m, Y)
    score_s = -prob
    score_s[np.arange(len(y)), y] += 1.0
    score_d = np.where(t.stop, policy.resample_prob[k, x, y], -policy.stop_prob[k, x, y])

    def accumulate(per_step_index: tuple[Ints, ...], per_step: Floats) -> tuple[Floats, Floats]:
        """Sum per unit first, then over units: mean and standard error of each logit's entry."""
        flat = np.ravel_multi_index(per_step_index, policy.shape)
        keys, where = np.unique(unit.repeat(flat.size // len(y)) * np.prod(policy.shape) + flat.ravel(), return_inverse=True)
        per_unit = np.bincount(where, weights=per_step.ravel(), minlength=len(keys))
        entry, share = keys % np.prod(policy.shape), weight[keys // np.prod(policy.shape)]
        size = int(np.prod(policy.shape))
        mean = np.bincount(entry, weights=share * per_unit, minlength=size)
        second = np.bincount(entry, weights=share * per_unit**2, minlength=size)
        error = np.sqrt(np.maximum(second - mean**2, 0.0) / max(1, len(weight) - 1))
        return np.asarray(mean, dtype=np.float64).reshape(policy.shape), error.reshape(policy.shape)

    every_answer = np.broadcast_to(np.arange(policy.shape[2]), prob.shape)
    index_s = (np.broadcast_to(k[:, None], prob.shape), np.broadcast_to(x[:, None], prob.shape), every_answer)
    mean_s, error_s = accumulate(index_s, c_s[:, None] * score_s)
    mean_d, error_d = accumulate((k, x, y), c_d * score_d)
    return Estimate(StageGradient(mean_s, mean_d), StageGradient(error_s, error_d))

r"""REINFORCE++: the return to go, with the KL penalty inside the reward, whitened over all tokens of the batch.

.. math:: c_t = \frac{G_t - m}{s \sum L}, \qquad G_t = R - \beta \sum_{stages\ from\ t\ on} \log \frac{\pi}{ref},

with m and s the mean and the standard deviation of :math:`G_t` over the *tokens* of the batch. In large batches m, s and the
mean length are constants, so the expectation is the gradient of :math:`E[R] - \beta KL` divided by s E[L]: whitening sets the
step size. Finite batches couple all their tokens and are not computed here.

Every token of a stage carries the return to go of its stage; that is exact for the direction (log-ratios of a stage's own earlier
tokens have mean zero against the later ones' scores) and a convention for the number s alone.

Source: arXiv 2501.03262; the limit is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.bellman import Values
from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, compact, numbers_only, reject
from dstheory.objectives.base import Objective
from dstheory.objectives.expectation.denominators import mean_tokens
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.rewards import reward_of
from dstheory.objectives.fused import LEFT, MOST_TURNS, few_prompts, few_rows, one_pass
from dstheory.objectives.mass import (
    CoefficientMass,
    StageGradient,
    check_penalty,
    check_runs,
    contrast_mass,
    one_number,
    over_runs,
)
from dstheory.objectives.parts import BatchTokens, Normaliser
from dstheory.objectives.registry import register
from dstheory.objectives.weights import log_ratios

_LEAST_VARIANCE = 1e-100
_ROUNDED = 1e-12  # penalties that are no larger may be the rounding of none
_ENOUGH = 1e-4  # share of the mean square that the variance has where a compiled loop keeps its digits
_SAME = 1e-14  # returns that differ by less, relative to their penalties, are the same


@register
@dataclass(frozen=True, eq=False)
class ReinforcePlusPlus(Objective):
    """REINFORCE++ in large batches, with R = 1 if the submitted answer is correct.

    Args:
        reference: of the KL penalty in the reward; None for no penalty.
        beta: its strength >= 0.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> (ReinforcePlusPlus().gradient(s).decide / Reinforce().gradient(s).decide).round(12).tolist()  # 1/(s E[L]) = 1/(4/2)
    [[[0.5, 0.5]]]
    """

    reference: Policy | None = None
    beta: ArrayLike = 0.0

    name = "reinforce-pp"

    def __post_init__(self) -> None:
        numbers_only(self)
        check_penalty(self.name, self.beta, self.reference)

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        """Return the tokens of a large batch."""
        return BatchTokens(), Grouping()

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the whitened return to go of each stage, over E[L]."""
        t, mdp = trajectories, solution.mdp
        answer, stop, resample = (np.broadcast_to(p, solution.unrolled.stop.shape) for p in self._penalties(solution))
        k, x, y = t.index(by_turn=solution.capped)
        after = np.where(t.stop, stop[k, x, y] + mdp.correct[x, y], resample[k, x, y])
        to_go = t.to_go(answer[k, x, y] + after)
        centre, scale = (one_number(v, "whitening") for v in self._whitening(solution))
        return scale * (to_go - centre), np.where(t.decided, scale * (to_go - answer[k, x, y] - centre), 0.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of the expected returns to go, whitened."""
        _, scale = self._whitening(solution)
        return self._of_returns(solution).scaled(scale)

    def _of_returns(self, solution: Solution) -> CoefficientMass:
        """Return the mass of the expected returns to go, not scaled."""
        answer, stop, resample = self._penalties(solution)
        mass = contrast_mass(solution, solution.finite_visits, reward_of(solution, "correct").reward.contrast(solution))
        if self.reference is not None:  # apart from the reward, beside which a small penalty would lose its digits
            penalty = solution.contrast_of(answer + stop, answer + resample)  # an answer's own is paid with its decision
            mass = mass + contrast_mass(solution, solution.finite_visits, penalty)
        return mass

    def _in_one_pass(self, solution: Solution) -> StageGradient | None:
        """Return the gradient, unless too little spread is left by rounding."""
        from dstheory.kernels.parallel import scale_rows
        from dstheory.kernels.whitened import whitened_gradient

        mdp, shift = solution.mdp, 0.0
        tables = compact(mdp.correct), (compact(mdp.sample_length), compact(mdp.decision_length))
        while True:
            found = one_pass(whitened_gradient, solution, self.reference, self.beta, *tables, shift=shift)
            if found is None or not found.turns.max() <= MOST_TURNS:
                return None
            tokens = float(found.tokens.sum())
            beyond, second = float(found.first.sum()) / tokens, float(found.second.sum()) / tokens
            if not (np.isfinite(beyond) and np.isfinite(second)):
                return None  # the readable path names what is wrong
            if shift or not (shift := float(np.round(beyond))):  # as in _whitening: near the mean little cancels
                break
        variance = second - beyond**2
        if variance < _ENOUGH * max(1.0, second):
            return None
        if (rows := np.flatnonzero(found.left < LEFT)).size:
            few, weight = few_prompts(solution, rows)
            own = self if self.reference is None else self.with_reference(few_rows(self.reference, rows))
            again = own._of_returns(few).gradient(few.policy)
            found.sample[rows], found.decide[rows] = again.sample[0] * weight, again.decide[0] * weight
        scale_rows((found.sample, found.decide), 1.0 / (np.sqrt(variance) * tokens))
        return StageGradient(found.sample[None], found.decide[None])

    def _penalties(self, solution: Solution) -> tuple[Floats, Floats, Floats]:
        """Return -beta log(pi/ref) of answers, of stop and of resample, broadcastable to (*runs, T', X, Y)."""
        if self.reference is None:
            zero = np.zeros((1, 1, 1))
            return zero, zero, zero
        self.reference.check_fits(solution.mdp, "reference")
        check_runs(solution, reference=self.reference.runs, beta=np.shape(self.beta))
        beta, decided = over_runs(self.beta, 3), solution.unrolled.decided
        up, up_stop, up_res = log_ratios(solution.policy, self.reference, solution)
        return -beta * up, -beta * up_stop * decided, -beta * up_res * decided

    def _whitening(self, solution: Solution) -> tuple[Floats, Floats]:
        """Return the mean of the returns to go over tokens, and 1/(their standard deviation x E[L]), (*runs,) each."""
        answer, stop, resample = self._penalties(solution)
        right = solution.mdp.correct
        with np.errstate(over="ignore", invalid="ignore"):
            mean, _ = self._moments_over_tokens(solution, answer, stop + right, resample)
        # A number that every response gets leaves the variance alone: near the mean little cancels in a difference of squares.
        # A whole number leaves rewards of 0 and 1 exact.
        near = over_runs(np.round(mean), 3)
        with np.errstate(over="ignore", invalid="ignore"):
            beyond, second = self._moments_over_tokens(solution, answer, stop + (right - near), resample)
            variance = second - beyond**2
        reject(~np.isfinite(variance), variance, "variance of the returns to go", "must be finite",
               "the reference is too far away, or beta too large", axes=())  # fmt: skip
        # Below the rounding of the penalties there is no spread to divide by, or none that is known.
        largest = max(float(np.abs(table).max()) for table in (answer, stop, resample))
        known = np.sqrt(np.maximum(variance, 0.0)) > _SAME * largest
        none = False
        if not known.all() and largest <= _ROUNDED:  # if returns may differ, be it ever so rarely, there is a spread
            ends = solution.may_end
            none = np.ptp(np.broadcast_to(right, ends.shape)[ends]) == 0.0
        spread = np.where(known, variance, np.inf if none else 0.0)
        rule = f"must be at least {_LEAST_VARIANCE:g} where they differ"
        reject(spread < _LEAST_VARIANCE, spread, "variance of the returns to go", rule,
               "whitening divides by its root; use rloo, which does not", axes=())  # fmt: skip
        return mean, 1.0 / (np.sqrt(spread) * mean_tokens(solution))

    @staticmethod
    def _moments_over_tokens(solution: Solution, answer: Floats, stop: Floats, resample: Floats) -> tuple[Floats, Floats]:
        """Return the mean and the mean square of the returns to go over tokens, (*runs,) each, for any payments."""
        mdp, pol, v = solution.mdp, solution.unrolled, solution.values_of(answer + stop, answer + resample)
        met = (solution.finite_visits * mdp.prompt_weight)[..., None] * pol.sample
        l_s, l_d = mdp.sample_length[..., None, :, :], mdp.decision_length[..., None, :, :] * pol.decided

        def over_tokens(of_answer: Floats, of_stop: Floats, of_resample: Floats) -> Floats:
            each = l_s * of_answer + l_d * (pol.stop * of_stop + pol.resample * of_resample)
            return np.asarray((met * each).sum(axis=(-3, -2, -1)) / mean_tokens(solution))

        first = over_tokens(v.q_sample, v.q_stop - answer, v.q_resample - answer)
        return first, over_tokens(*_second_moments(solution, answer, stop, resample, v))


def _second_moments(
    solution: Solution, answer: Floats, stop: Floats, resample: Floats, v: Values
) -> tuple[Floats, Floats, Floats]:
    """Return E[G^2] from an answer, from its stop and from its resample on, (*runs, T', X, Y), for undiscounted payments."""
    pol = solution.unrolled
    value = np.concatenate([v.value[..., 1:, :], np.zeros_like(v.value[..., :1, :])], axis=-2) if solution.capped else v.value
    ahead = value[..., None]
    by_stop = np.broadcast_to(stop**2, v.q_stop.shape)
    # E[(r + G')^2] = r^2 + 2 r E[G'] + E[G'^2], and likewise for the answer's own payment a in front of all.
    known = resample**2 + 2.0 * resample * ahead
    first = pol.stop * stop + pol.resample * (resample + ahead)
    fixed = answer**2 + 2.0 * answer * first + pol.stop * by_stop + pol.resample * known
    per_turn, again = (pol.sample * fixed).sum(axis=-1), (pol.sample * pol.resample).sum(axis=-1)
    if not solution.capped:
        later = per_turn / (pol.sample * pol.stop).sum(axis=-1)
    else:
        later = np.zeros(np.broadcast_shapes(per_turn.shape, again.shape))
        for k in reversed(range(later.shape[-2] - 1)):
            later[..., k, :] = per_turn[..., k + 1, :] + again[..., k + 1, :] * later[..., k + 1, :]
    by_resample = known + later[..., None]
    by_answer = answer**2 + 2.0 * answer * first + pol.stop * by_stop + pol.resample * by_resample
    return by_answer, by_stop, by_resample

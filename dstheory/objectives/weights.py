r"""Token weights: factors that depend on the action alone, on top of what a response's credit gives to all of its tokens.

Ratios of whole answers are turned into ratios of their tokens by the *even* model: each of the l tokens of an answer has the
geometric mean of its probabilities, so that :math:`\rho_{token} = (\pi/\mu)^{1/l}`, and an equal share of the answer's score. An
answer's l tokens, each weighted by w, then weigh as much as the answer weighted by w.

Source: derived here; clipping arXiv 1707.06347, asymmetric arXiv 2503.14476, truncation arXiv 2506.13585.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.objectives.base import CoefficientMass
from dstheory.objectives.kl import log_ratios

__all__ = ["TokenWeight", "token_probabilities", "token_ratios"]


@dataclass(frozen=True, eq=False)
class TokenWeight:
    """A weight of every answer, of stop and of resample, broadcastable to (*runs, T', X, Y)."""

    sample: Floats
    stop: Floats
    resample: Floats

    def map(self, function: Callable[[Floats], Floats]) -> TokenWeight:
        """Return the weights with a function applied to each."""
        return TokenWeight(function(self.sample), function(self.stop), function(self.resample))

    def of_steps(self, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        """Return the weight of the answer and of the decision of every step, (m,) each."""
        shape = (solution.mdp.max_turns or 1, *solution.mdp.shape)
        at = (t.turn if solution.capped else np.zeros_like(t.turn)), t.step_prompt, t.answer
        answer, stop, resample = (np.broadcast_to(w, shape)[at] for w in (self.sample, self.stop, self.resample))
        return answer, np.where(t.stop, stop, resample)

    def of(self, mass: CoefficientMass) -> CoefficientMass:
        """Return a mass with every action's share weighted."""
        return CoefficientMass(mass.sample * self.sample, mass.stop * self.stop, mass.resample * self.resample)


def token_ratios(policy: Policy, sampler: Policy, solution: Solution) -> TokenWeight:
    """Return the ratio of each token, policy over sampler, under the even model: (pi/mu)^(1/l); 0 where the policy never goes.

    Raises:
        InfiniteDivergenceError: the sampler rules out what the policy does, at a state that the policy meets.

    >>> from dstheory import TwoStageMDP, solve
    >>> here, there = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.125, a=0.5, b=0.5)
    >>> s = solve(TwoStageMDP.minimal(sample_length=2), here)
    >>> token_ratios(here, there, s).sample.round(6).tolist()  # 4^(1/2) for the correct answer
    [[[2.0, 0.755929]]]
    """
    sampler.check_fits(solution.mdp, "behaviour policy")
    up = log_ratios(policy, sampler, solution, called="behaviour policy")
    return _even(solution, policy, TokenWeight(*up))


def token_probabilities(solution: Solution) -> TokenWeight:
    """Return the probability of each token under the even model, pi^(1/l).

    >>> from dstheory import TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(sample_length=2), Policy.minimal(p=0.25, a=0.5, b=0.5))
    >>> token_probabilities(s).sample.round(6).tolist()
    [[[0.5, 0.866025]]]
    """
    policy = solution.policy
    return _even(solution, policy, TokenWeight(policy.log_sample, policy.log_stop, policy.log_resample))


def _even(solution: Solution, policy: Policy, logs: TokenWeight) -> TokenWeight:
    l_s, l_d = (length[..., None, :, :] for length in (solution.mdp.sample_length, solution.mdp.decision_length))

    def each(log: Floats, own: Floats, length: Floats) -> Floats:
        return np.where(own == -np.inf, 0.0, np.exp(log / length))

    return TokenWeight(
        each(logs.sample, policy.log_sample, l_s),
        each(logs.stop, policy.log_stop, l_d),
        each(logs.resample, policy.log_resample, l_d),
    )

r"""An answer-conditioned proposal: the policy given that it will succeed, which is again a policy of the chain.

With :math:`Q` the success probabilities from each state and action on,

.. math::
    \pi_s^+(y) = \pi_s(y) \frac{Q_s(y)}{V}, \qquad \pi_d^+(stop \mid y) = \pi_d(stop \mid y) \frac{Q_d(y, stop)}{Q_s(y)} .

Its trajectories are those of the policy that end correctly, in their proportions: imitating them is an exact EM step, and SFT on
them has the gradient :math:`\nabla \log Acc` (Fisher's identity).

Source: arXiv 2512.20169 (proposals conditioned on the answer); the form for the chain, a Doob transform, is derived here.
"""

from __future__ import annotations

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.checks import reject

__all__ = ["posterior_policy"]


def posterior_policy(solution: Solution) -> Policy:
    """Return the policy conditioned on a correct submission.

    At answers from which no success is possible it stops: it never gives them.

    Raises:
        ChainError: a prompt that is never answered correctly.

    Example:
        >>> from dstheory import TwoStageMDP, solve
        >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
        >>> plus = posterior_policy(s)
        >>> plus.sample_prob.round(6).tolist(), plus.stop_prob.round(6).tolist()
        ([[[0.75, 0.25]]], [[[0.666667, 0.0]]])
    """
    paid = solve(solution.mdp.replace(resample_cost=0.0, gamma=1.0), solution.policy)
    never = paid.value <= 0.0
    reject(never, paid.value, "success probability", "must be positive", "leave out prompts that are never answered correctly",
           axes=("prompt",), prompts=solution.mdp.prompts)  # fmt: skip
    pol, v = paid.unrolled, paid.values
    hope = v.q_sample > 0.0
    alive = (v.value > 0.0)[..., None]  # later turns of a capped chain may be hopeless and are then never reached
    sample = np.where(alive, pol.sample * v.q_sample / np.where(alive, v.value[..., None], 1.0), pol.sample)
    stopped = np.where(pol.decided > 0, pol.stop * v.q_stop, v.q_stop)
    stop = np.where(hope, stopped / np.where(hope, v.q_sample, 1.0), 1.0)
    total = sample.sum(axis=-1, keepdims=True)  # 1 up to rounding
    return Policy.from_probabilities(sample / total, np.clip(stop, 0.0, 1.0))

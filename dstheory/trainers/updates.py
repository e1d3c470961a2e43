r"""The k-th update on one batch of responses: where the policy then stands, after exact steps, and whose the responses are.

The steps before it are the expected ones, of plain gradient ascent. The k-th update's own expectation is then exact for responses
that the earlier steps have not seen, another mini-batch of the same rollouts: what is left out, since the policy really stands a
little beside, is of second order in the step. On the very same responses it is of first order,
:math:`\eta\, \mathrm{Cov}(\nabla \hat g, \hat g)` of one batch, since the policy has learnt from what it is now graded on. Both
vanish as batches grow.

Source: derived here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dstheory.chain.exact import solve
from dstheory.checks import whole_number
from dstheory.errors import ChainError
from dstheory.trainers.training import Training
from dstheory.trainers.translation import objective_of

if TYPE_CHECKING:
    from dstheory.trainers.explanation import StartingPoint

__all__ = ["later_update"]

_MOST = 10_000  # steps, of some milliseconds each


def later_update(training: Training, place: StartingPoint, number: int, lr: float) -> StartingPoint:
    """Return where the update of that number on one batch is made: the policy after the steps before it, the start as sampler.

    Args:
        training: whose updates they are.
        place: where the first one is made.
        number: 1 for the first update, at most 10,000.
        lr: size > 0 of each step, which is this times the expected gradient.

    Raises:
        ChainError: a training without responses of its own, one that is not modelled off the policy, or a step that is too large.

    >>> from dstheory import Policy, TwoStageMDP
    >>> from dstheory.trainers.explanation import StartingPoint
    >>> start = Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> place = later_update(Training(), StartingPoint(TwoStageMDP.minimal(gamma=1.0), start, start, start), 2, lr=1.0)
    >>> bool(solve(place.mdp, place.policy).accuracy[0] > solve(place.mdp, start).accuracy[0]), place.sampler is start
    (True, True)
    """
    if whole_number(number, "update", low=1) > _MOST:
        raise ChainError(f"update is {number:,}: must be at most {_MOST:,}, steps that are taken one by one")
    if not (np.isfinite(lr) and lr > 0):
        raise ChainError(f"lr is {lr}: must be finite and > 0, the size of a step")
    if training.method != "policy-gradient":
        raise ChainError(f"{training.method} has no batch of the policy's own responses that later updates could reuse")
    start = place.policy
    for made in range(1, number):
        objective = objective_of(
            training, solve(place.mdp, place.policy), reference=place.reference, expert=place.expert, sampler=place.sampler
        )
        step = objective.gradient(solve(place.mdp, place.policy)).parameters(place.policy)
        moved = tuple(old + lr * new for old, new in zip(place.policy.parameters, step, strict=True))
        if not all(np.isfinite(block).all() for block in moved):
            raise ChainError(f"lr is {lr:g}: step {made} leaves the finite numbers; use smaller steps")
        place = replace(place, policy=place.policy.with_parameters(moved), sampler=start)
    return place

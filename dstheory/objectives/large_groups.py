"""Group objectives on large tables: the gradient on the policy's own responses, penalty included, in one compiled pass.

Taken where :mod:`dstheory.kernels.grouped` knows all there is: finite groups, rewards of 0 and 1, the policy's own responses, a
k3 penalty or none; and of k2 and k3 penalties by themselves. What is near the edges of floating point is left to the readable
path; both are tested against each other.
"""

from __future__ import annotations

from dataclasses import replace
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, compact
from dstheory.objectives.expectation.denominators import denominator
from dstheory.objectives.expectation.exponential import RARE, Tilted
from dstheory.objectives.expectation.grouping import Grouping, kept_share, mixed_probability
from dstheory.objectives.expectation.groups import credits_given
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.fused import one_pass
from dstheory.objectives.mass import StageGradient
from dstheory.objectives.parts import Credit, LeaveOneOut, Normaliser, Raw

if TYPE_CHECKING:
    from dstheory.kernels.grouped import GroupedGradient

_LARGEST_GROUP = 201
_FAR = 600.0  # logarithm of a ratio
_LEAST = 1e-15  # chance of a mixed group, by which rare actions are divided


def in_one_pass(
    solution: Solution,
    outcome: ResponseReward,
    credit: Credit,
    normaliser: Normaliser,
    grouping: Grouping,
    reference: Policy | None,
    beta: ArrayLike,
) -> StageGradient | None:
    """Return the gradient, or None where the pass has nothing to say: the readable path then names what is wrong, if anything.

    Args:
        solution: of a large table (:func:`dstheory.objectives.fused.applies`).
        outcome: correctness.
        credit, normaliser, grouping: what the objective is made of.
        reference, beta: of a k3 penalty with the same normaliser; None for no penalty.
    """
    if grouping.group_size > _LARGEST_GROUP:
        return None
    compared = grouping
    if type(credit) is Raw:  # less the reward of one other: the same expectation, of terms that cancel nothing
        credit, compared = LeaveOneOut(), replace(grouping, group_size=2)
    t, weights, tilts = denominator(normaliser, grouping, solution, outcome)
    kinds: list[Credit | None] = [credit] if reference is None else [credit, None]
    credits = _by_count(kinds, compared)
    found = _pass(solution, credits, t, grouping.scale * weights.reshape(len(t)), tilts, reference, beta)
    if found is None:
        return None
    if grouping.mixed:
        chance = mixed_probability(solution, grouping, _chances(found), outcome)
        if chance < _LEAST:
            return None
        from dstheory.kernels.parallel import scale_rows

        scale_rows((found.sample, found.decide), float(1.0 / kept_share(normaliser, grouping, chance)[0]))
    return StageGradient(found.sample[None], found.decide[None])


def gradient_of_accuracy(solution: Solution) -> tuple[Tilted, StageGradient] | None:
    """Return the chances of both rewards, (1, X) each, and grad E[R] for R = 1 if the submitted answer is correct.

    None where stopping is rare.
    """
    found = _pass(solution, _by_count([LeaveOneOut()], Grouping(2)), np.zeros(1), np.ones(1), False)
    return None if found is None else (_chances(found), StageGradient(found.sample[None], found.decide[None]))


def gradient_of_penalty(
    solution: Solution, reference: Policy, beta: ArrayLike, constant: Floats, *, by_log: bool
) -> StageGradient | None:
    """Return the gradient of a k3 penalty alone, or of a k2 penalty; None near the edges.

    Args:
        solution: of a large table (:func:`dstheory.objectives.fused.applies`).
        reference, beta: of the penalty.
        constant: (X,) what all actions of a prompt's responses are multiplied by.
        by_log: k2, by minus the log-ratio of each action, instead of k3.
    """
    nothing_and_once = np.array([[0.0], [0.0], [1.0], [1.0]])
    found = _pass(solution, nothing_and_once, np.zeros(1), np.ones(1), False, reference, beta, by_log=by_log, constant=constant)
    return None if found is None else StageGradient(found.sample[None], found.decide[None])


def _by_count(kinds: list[Credit | None], grouping: Grouping) -> Floats:
    """Return the credits of a failure and of a success by the successes among the others, times the number of ways."""
    others = int(grouping.group_size) - 1
    k, ways = np.arange(others + 1.0), np.array([float(comb(others, i)) for i in range(others + 1)])
    return np.asarray(ways * [row for kind in kinds for row in credits_given(k, kind, grouping, (0.0, 1.0))])


def _pass(
    solution: Solution, credits: Floats, t: Floats, weights: Floats, tilts: bool, reference: Policy | None = None,
    beta: ArrayLike = 0.0, *, by_log: bool = False, constant: float | Floats = 1.0,
) -> GroupedGradient | None:  # fmt: skip
    """Return what the compiled pass finds of a credit, and of a penalty; None near the edges of floating point."""
    from dstheory.kernels.grouped import grouped_gradient

    mdp = solution.mdp
    tables = compact(mdp.correct), compact(mdp.sample_length) + compact(mdp.decision_length)
    found = one_pass(
        grouped_gradient, solution, reference, beta, *tables, t=t, weights=weights, tilts=tilts, credits=credits,
        by_log=by_log, constant=constant,
    )  # fmt: skip
    return found if found is not None and found.stop.min() > RARE and found.farthest.max() <= _FAR else None


def _chances(found: GroupedGradient) -> Tilted:
    return Tilted(np.zeros((1, len(found.right))), found.right[None], found.wrong[None])

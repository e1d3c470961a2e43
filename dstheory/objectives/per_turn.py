r"""A baseline per turn: the mean reward of those members of a group that reach a turn, for the tokens of that turn.

Given that a response reaches turn k, the others do with probability :math:`r_k`, so that :math:`n_k - 1 \sim Bin(G - 1, r_k)` and

.. math:: E[c_{ik} \mid R_i] = w_k (R_i - E[R \mid k \text{ reached}]), \qquad
    w_k = E[1 - 1/n_k] = 1 - \frac{1 - (1 - r_k)^G}{G\, r_k}.

The mean is known before the turn is drawn and drops out of the expectation; the weight does not: turns that few responses reach
count less. In groups without end all weights are 1. One over a constant, or over responses, is what it may be divided by.

Source: derived here.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.mass import CoefficientMass, contrast_mass
from dstheory.objectives.parts import ConstantLength, PerResponse

_MOST_TURNS = 100_000
_LEFT_OUT = 1e-17  # of the expected number of turns


def check_per_turn(objective: Any, others: list[str]) -> None:
    """Raise ChainError unless it is the plain mean of rewards, on the policy, under a normaliser without tokens.

    Args:
        objective: a group objective.
        others: settings beside it that are not at their defaults.
    """
    o = objective
    rest = [name for name in others if name != "baseline_per"]
    wrong = (
        ["std"] if not o.credit.linear else ["a sampler"] if o.sampler is not None else ["beta"] if np.any(o.beta)
        else ["dynamic_sampling"] if o.dynamic_sampling else rest
    )  # fmt: skip
    if not isinstance(o.normaliser, PerResponse | ConstantLength):
        wrong = [f"the normaliser {o.normaliser.words!r}"]
    if wrong:
        raise ChainError(
            f"{o.name}: baseline_per='turn' is computed without std, on the policy, divided by responses or a constant, and not "
            f"with {wrong[0]}"
        )


def turn_weights(reached: Floats, size: float) -> Floats:
    """Return E[1 - 1/n], n - 1 ~ Bin(G - 1, r), for turns that others reach with probability r.

    >>> turn_weights(np.array([1.0, 0.5]), 2).tolist()
    [0.5, 0.25]
    """
    if size == inf:
        return np.ones_like(reached)
    with np.errstate(divide="ignore"):
        someone = -np.expm1(size * np.log1p(-np.minimum(reached, 1.0)))
    return np.asarray(1.0 - np.divide(someone, size * reached, out=np.ones_like(reached), where=reached > 0))


def _factor(objective: Any) -> float:
    tokens = objective.normaliser.tokens if isinstance(objective.normaliser, ConstantLength) else 1.0
    return float(objective.grouping.scale / tokens)


def per_turn_mass(objective: Any, solution: Solution) -> CoefficientMass:
    """Return the mass, up to a number that actions share: visits of each turn times its weight, and the contrast of the reward.

    Raises:
        ChainError: rewards that are not paid at the end, or finite groups without a cap, and more than a hundred thousand turns.
    """
    outcome, visits = _paid_at_the_end(objective, solution), solution.finite_visits
    if solution.capped or objective.group_size == inf:
        weighted = visits * turn_weights(visits, objective.group_size)
    else:  # turn k is reached with probability q^k
        again = (solution.unrolled.sample * solution.unrolled.resample).sum(axis=-1)
        weighted, reached, k = np.zeros_like(visits), np.ones_like(visits), 0
        while (reached * visits > _LEFT_OUT * visits).any() and again.any():
            weighted, reached, k = weighted + reached * turn_weights(reached, objective.group_size), reached * again, k + 1
            if k > _MOST_TURNS:
                raise ChainError(f"baseline_per='turn': responses of more than {_MOST_TURNS:,} turns; set max_turns")
        weighted = weighted if again.any() else turn_weights(reached, objective.group_size)
    low, high = outcome.values or (0.0, 1.0)
    return contrast_mass(solution, weighted, outcome.reward.contrast(solution)).scaled((high - low) * _factor(objective))


def _paid_at_the_end(objective: Any, solution: Solution) -> ResponseReward:
    outcome: ResponseReward = objective.outcome_of(solution)
    if outcome.values is None and outcome.levels is None:
        raise ChainError("baseline_per='turn' needs rewards of at most 16 values, paid at the end, without discount or noise")
    return outcome


def per_turn_coefficients(objective: Any, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
    """Return w_k (R - E[R given that turn k is reached]) of every step, over the normaliser."""
    outcome = _paid_at_the_end(objective, solution)
    low, high = outcome.values or (0.0, 1.0)
    paid, mean = outcome.reward.total(solution, t), outcome.reward.values(solution).value
    visits = solution.finite_visits
    if solution.capped:
        reached, of_turn = visits[t.turn, t.step_prompt], mean[t.turn, t.step_prompt]
    else:
        again = (solution.unrolled.sample * solution.unrolled.resample).sum(axis=-1)
        reached, of_turn = again[0, t.step_prompt] ** t.turn, mean[0, t.step_prompt]
    c = (high - low) * (paid[t.episode] - of_turn) * turn_weights(reached, objective.group_size) * _factor(objective)
    return c, np.where(t.decided, c, 0.0)

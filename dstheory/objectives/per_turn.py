r"""A baseline per turn: the mean reward of those members of a group that reach a turn, for the tokens of that turn.

Given that a response reaches turn k, the others do with probability :math:`r_k`, so that :math:`n_k - 1 \sim Bin(G - 1, r_k)` and

.. math:: E[c_{ik} \mid R_i] = w_k (R_i - E[R \mid k \text{ reached}]), \qquad
    w_k = E[1 - 1/n_k] = 1 - \frac{1 - (1 - r_k)^G}{G\, r_k}.

The mean is known before the turn is drawn and drops out of the expectation; the weight does not: turns that few responses reach
count less. In groups without end all weights are 1. One over a constant, or over responses, is what it may be divided by.

Source: derived here.
"""

from __future__ import annotations

from math import comb, inf
from typing import Any

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError, OneRunError
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.mass import CoefficientMass, contrast_mass
from dstheory.objectives.parts import ConstantLength, PerResponse

_FEW = 40  # members of a group
_LONG = 0.2  # -log q, above which turns are added up one by one
_LEFT_OUT = 1e-20  # a chance
_MOST_TERMS = 20


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

    >>> turn_weights(np.array([1.0, 0.5, 1e-200]), 2).tolist()
    [0.5, 0.25, 5e-201]
    """
    if size == inf:
        return np.ones_like(reached)
    rare = size * reached < 1.0
    r = np.where(rare, 1.0, np.minimum(reached, 1.0))
    with np.errstate(divide="ignore"):
        often = 1.0 + np.expm1(size * np.log1p(-r)) / (size * r)
    # Of turns that are hardly reached that is 1 - 1 + ..., so the rest is summed: (G - 1) r/2 - (G - 1)(G - 2) r^2/6 + ...
    r = np.where(rare, reached, 0.0)
    term = total = 0.5 * (size - 1.0) * r
    for j in range(2, _MOST_TERMS):
        term = term * ((j - size) / (j + 1.0) * r)
        total = total + term
    return np.asarray(np.where(rare, total, often))


def weighted_visits(visits: Floats, size: float) -> Floats:
    r"""Return the sum of :math:`q^k E[1 - 1/n_k]` over all turns k of a chain without a cap; it reaches turn k with :math:`q^k`.

    With M the turns of the longest of G responses it is :math:`1/(1 - q) - E[M]/G`. Of n responses,

    .. math:: E[M_n] = \frac{1}{1 - q^n} \Big( 1 + \sum_{i=1}^{n-1} \binom{n}{i} q^i (1 - q)^{n-i} E[M_i] \Big),

    i of them going on after the first turn. Of many long ones it is :math:`H_G/s + 1/2` with :math:`s = -\log q`, by the formula
    of Euler and Maclaurin, whose further terms are below :math:`e^{-\pi^2/s}`.

    Args:
        visits: 1/(1 - q), the expected number of turns.
        size: G, finite.

    >>> weighted_visits(np.array([1.0, 2.0, 1e12]), 2).tolist()  # 1/(1 - q^2)/2
    [0.5, 0.6666666666666667, 250000000000.125]
    """
    n = int(size)
    with np.errstate(divide="ignore"):
        log_q = np.log1p(-1.0 / np.maximum(visits, 1.0))  # rounding may leave less than one visit
    if n <= _FEW:
        longest = [np.zeros_like(visits)]
        for m in range(1, n + 1):
            more = (float(comb(m, i)) * np.exp(i * log_q) * visits ** (i - m) * longest[i] for i in range(1, m))
            longest.append(sum(more, start=np.ones_like(visits)) / -np.expm1(m * log_q))
        return visits - longest[n] / size
    long = -log_q < _LONG
    found = np.where(long, visits - ((1.0 / np.arange(1.0, n + 1.0)).sum() / -log_q + 0.5) / size, 0.0)
    reached = np.where(long, 0.0, 1.0)
    while (reached > _LEFT_OUT).any():
        found, reached = found + reached * turn_weights(reached, size), reached * np.exp(log_q)
    return found


def _factor(objective: Any) -> float:
    tokens = objective.normaliser.tokens if isinstance(objective.normaliser, ConstantLength) else 1.0
    return float(objective.grouping.scale / tokens)


def per_turn_mass(objective: Any, solution: Solution) -> CoefficientMass:
    """Return the mass, up to a number that actions share: visits of each turn times its weight, and the contrast of the reward.

    Raises:
        ChainError: rewards that are not paid at the end.
    """
    outcome, visits = _paid_at_the_end(objective, solution), solution.finite_visits
    by_turn = solution.capped or objective.group_size == inf  # without a cap, a group without end weighs all turns by 1
    weighted = visits * turn_weights(visits, objective.group_size) if by_turn else weighted_visits(visits, objective.group_size)
    low, high = outcome.values or (0.0, 1.0)
    return contrast_mass(solution, weighted, outcome.reward.contrast(solution)).scaled((high - low) * _factor(objective))


def _paid_at_the_end(objective: Any, solution: Solution) -> ResponseReward:
    outcome: ResponseReward = objective.outcome_of(solution)
    if outcome.values is None and outcome.levels is None:
        raise (OneRunError if solution.mdp.runs else ChainError)(
            "baseline_per='turn' needs rewards of at most 16 values, paid at the end, without discount or noise"
        )
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

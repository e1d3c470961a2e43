r"""Duels of trajectories: what comparisons without rewards say about a decision, and how many of them it takes.

Two trajectories with 0/1 outcomes are shown; the better one is preferred with probability link(1) > 1/2, a tie by a coin. If the
trajectories succeed with probabilities :math:`P_1, P_2`, the first is preferred with :math:`1/2 + k(P_1 - P_2)`,
:math:`k = link(1) - 1/2` (claim H6). How often the majority of n duels errs is computed by logarithms
(:mod:`~dstheory.extensions.binomial`): exact for a thousand duels, where it is far below the smallest float.

Source: arXiv 2406.07455 (BSAD: backward identification of the best decision from duels); exact values derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.checks import Floats, probability, reject
from dstheory.extensions.binomial import log_majority_error
from dstheory.extensions.success import rewarding_success


def duel_win(first: ArrayLike, second: ArrayLike, *, link: ArrayLike = 1.0) -> Floats:
    """Return the probability that the first of two trajectories is preferred.

    Args:
        first, second: success probabilities of the two.
        link: probability that the better of two outcomes is preferred, in (1/2, 1].

    Raises:
        ChainError: a probability outside [0, 1], or a link outside (1/2, 1].

    Example:
        >>> float(duel_win(0.75, 0.25, link=0.75))
        0.625
    """
    p1 = probability(first, "first", "it is a success probability")
    p2 = probability(second, "second", "it is a success probability")
    prefer = probability(link, "link", "it is the probability that the better outcome is preferred")
    reject(prefer <= 0.5, prefer, "link", "must exceed 1/2", "a link of 1/2 prefers nothing", axes=())
    return np.asarray(0.5 + (prefer - 0.5) * (p1 - p2))


@dataclass(frozen=True, eq=False)
class Duels:
    """What duels between two actions find.

    Attributes:
        win: probability that the first action is preferred in one duel.
        log_error: log-probability that the majority prefers the worse action; NaN where both are equally good.
    """

    win: Floats
    log_error: Floats


def decision_duels(solution: Solution, n: int, *, link: float = 1.0) -> Duels:
    """Return what n duels between stop and resample find at every state, (*runs, T', X, Y), the policy going on afterwards.

    Outcomes are the correctness of what is submitted at last, whatever the chain pays.

    Example:
        >>> from dstheory import Policy, TwoStageMDP, solve
        >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.75))
        >>> decision_duels(s, 101).win.round(6).tolist()  # V = 2/3: stop wins at the right answer, resample at the wrong one
        [[[0.666667, 0.166667]]]
    """
    v = rewarding_success(solution).values
    return _duels(v.q_stop, v.q_resample, n, link)


def answer_duels(solution: Solution, n: int, *, link: float = 1.0) -> Duels:
    """Return what n duels between every two answers find, (*runs, T', X, Y, Y), the policy deciding and going on afterwards.

    In padding, and of an answer against itself, win is not to be used.

    Example:
        >>> from dstheory import Policy, TwoStageMDP, solve
        >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.75))
        >>> answer_duels(s, 1).win[0, 0].round(6).tolist()  # a(1-b)/(1-q) = 1/3 apart
        [[0.5, 0.666667], [0.333333, 0.5]]
    """
    q = rewarding_success(solution).values.q_sample
    return _duels(q[..., :, None], q[..., None, :], n, link)


def _duels(first: Floats, second: Floats, n: int, link: float) -> Duels:
    win = duel_win(np.clip(first, 0.0, 1.0), np.clip(second, 0.0, 1.0), link=link)
    worse = np.minimum(win, 1.0 - win)
    return Duels(win, np.where(worse < 0.5, log_majority_error(worse, n), np.nan))

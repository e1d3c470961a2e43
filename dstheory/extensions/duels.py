r"""Duels of trajectories: what comparisons without rewards say about a decision, and how many of them it takes.

Two trajectories with 0/1 outcomes are shown; the better one is preferred with probability link(1) > 1/2, a tie by a coin. If
the trajectories succeed with probabilities :math:`P_1, P_2`, the first is preferred with :math:`1/2 + k(P_1 - P_2)`, :math:`k =
link(1) - 1/2` (claim H6). How often the majority of n duels errs is computed by logarithms: exact for a thousand duels, where
it is far below the smallest float. The majority of n, each of which errs with probability r, errs with

.. math:: P(\text{more than } n/2 \text{ err}) + \tfrac12 P(n/2 \text{ err}).

Source: arXiv 2406.07455 (BSAD: backward identification of the best decision from duels); exact values derived here; binomial
laws, textbook (Feller 1968, chapter VI).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, logsumexp, xlog1py, xlogy

from dstheory.chain.exact import Solution
from dstheory.checks import Floats, probability, reject, whole_number
from dstheory.extensions.success import rewarding_success


def log_binomial(n: int, p: ArrayLike) -> Floats:
    """Return (..., n + 1) log P(k of n) for k = 0, ..., n, at each success probability p.

    Example:
        >>> np.exp(log_binomial(2, 0.5)).round(12).tolist()
        [0.25, 0.5, 0.25]
        >>> float(log_binomial(1000, 1e-3)[1000].round(3))  # a probability of 1e-3000
        -6907.755
    """
    n = whole_number(n, "n", low=1)
    p, k = np.asarray(p, dtype=np.float64)[..., None], np.arange(n + 1)
    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(choose + xlogy(k, p) + xlog1py(n - k, -p))


def log_majority_error(rate: ArrayLike, n: int) -> Floats:
    """Return log P(the majority of n errs) if each errs with this rate; a tie is decided by a coin.

    Raises:
        ChainError: a rate outside [0, 1], or n no whole number >= 1.

    Example:
        >>> float(log_majority_error(1e-3, 1000).round(1))
        -2765.6
    """
    r = probability(rate, "rate", "it is the probability that one of them errs")
    n = whole_number(n, "n", low=1)
    logs = log_binomial(n, r)[..., n // 2 + n % 2 :]
    if n % 2 == 0:
        logs = logs + np.where(np.arange(logs.shape[-1]) == 0, np.log(0.5), 0.0)
    return np.minimum(logsumexp(logs, axis=-1), 0.0)  # a sum of probabilities: above 1 by rounding only


def majority_error(rate: ArrayLike, n: int) -> Floats:
    """Return P(the majority of n errs), 0 where it is below the smallest float.

    Example:
        >>> float(majority_error(0.25, 3).round(12))
        0.15625
    """
    return np.exp(log_majority_error(rate, n))


def duel_win(first: ArrayLike, second: ArrayLike, *, link: ArrayLike = 1.0) -> Floats:
    """Return the probability that the first of two trajectories is preferred.

    Args:
        first: success probability of one.
        second: success probability of the other.
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

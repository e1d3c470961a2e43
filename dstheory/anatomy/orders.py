r"""Sums of independent whole numbers of known distributions: exact p-values of tests that condition on what is not tested.

Each unit (a record, or the records of one problem) has a statistic whose distribution is known once its numbers of right and
wrong answers are given, whatever its chance of a right answer is:

- :func:`rank_sum`: the sum of the ranks of c right ones among m answers whose orders are all equally likely. The number of such
  sets with a given sum is a coefficient of the Gaussian binomial, built up rank by rank;
- :func:`changes`: how often the outcome changes from one answer to the next, in such an order. With j groups of right ones and
  j - 1 or j + 1 groups of wrong ones between them there are :math:`\binom{c-1}{j-1}` times :math:`\binom{m-c-1}{\cdot}` orders,
  with j of each twice as many;
- :func:`overlap`: of n records c are right before and d after: how many are both, if the two are independent (hypergeometric).

The distribution of the sum over all units is a convolution; beyond :data:`_MOST` values it is taken for normal, with the means
and variances of these distributions, which have closed forms. The p-value is twice the smaller tail, the observed value in it, so
a true hypothesis is rejected at most as often as the level says where the distribution is worked out.

Source: Mann and Whitney (1947), Wald and Wolfowitz (1940), Fisher (1935); conditioning as in Mantel and Haenszel (1959).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import comb, erfc, sqrt

import numpy as np

from dstheory.checks import Floats

_MOST = 1 << 12  # values of a sum up to which its distribution is worked out
LONGEST = 64  # answers of a record that are looked at: any stretch of an order that is equally likely is so too


@lru_cache(maxsize=4096)
def rank_sum(m: int, c: int) -> tuple[float, ...]:
    """Return the probabilities of the sums of c ranks among 1, ..., m, from the smallest, c(c+1)/2, on.

    >>> rank_sum(3, 1)
    (0.3333333333333333, 0.3333333333333333, 0.3333333333333333)
    """
    c = min(c, m - c)  # the ranks of the others exceed their smallest sum as often by as much
    ways = np.zeros((c + 1, c * (m - c) + 1))  # ways[k, s]: sets of k of the ranks so far whose sum exceeds the smallest by s
    ways[0, 0] = 1.0
    for rank in range(1, m + 1):
        for k in range(min(c, rank), 0, -1):
            ways[k, rank - k :] += ways[k - 1, : ways.shape[1] - (rank - k)]
    return tuple((ways[c] / comb(m, c)).tolist())


@lru_cache(maxsize=4096)
def changes(m: int, c: int) -> tuple[float, ...]:
    """Return the probabilities of 0, 1, 2, ... changes in an order of c right and m - c wrong answers, 0 < c < m.

    >>> changes(3, 1)  # right-wrong-wrong, wrong-right-wrong, wrong-wrong-right
    (0.0, 0.6666666666666666, 0.3333333333333333)
    """
    d, total = m - c, comb(m, c)
    ways = [0] * (2 * min(c, d) + 1)
    for one in range(1, c + 1):
        for other in (one - 1, one, one + 1):  # groups of right and of wrong answers take turns
            if 1 <= other <= d and one + other - 1 < len(ways):
                ways[one + other - 1] += (2 if one == other else 1) * comb(c - 1, one - 1) * comb(d - 1, other - 1)
    return tuple(way / total for way in ways)


@lru_cache(maxsize=4096)
def overlap(n: int, c: int, d: int) -> tuple[float, ...]:
    """Return the probabilities of max(0, c + d - n), ..., min(c, d) records that are right before and after.

    >>> [round(x, 12) for x in overlap(4, 2, 2)]
    [0.166666666667, 0.666666666667, 0.166666666667]
    """
    from scipy.special import gammaln

    k = np.arange(max(0, c + d - n), min(c, d) + 1)
    logs = -(gammaln(k + 1) + gammaln(c - k + 1) + gammaln(d - k + 1) + gammaln(n - c - d + k + 1))
    weights = np.exp(logs - logs.max())
    return tuple((weights / weights.sum()).tolist())


def _ranks(m: int, c: int) -> tuple[int, float, float]:
    return c * (m - c), c * (m - c) / 2, c * (m - c) * (m + 1) / 12


def _turns(m: int, c: int) -> tuple[int, float, float]:
    product = 2 * c * (m - c)
    return 2 * min(c, m - c), product / m, product * (product - m) / (m * m * (m - 1))


def _both(n: int, c: int, d: int) -> tuple[int, float, float]:
    low = max(0, c + d - n)
    return min(c, d) - low, c * d / n - low, c * d * (n - c) * (n - d) / (n * n * max(n - 1, 1))


_MOMENTS: dict[Callable[..., tuple[float, ...]], Callable[..., tuple[int, float, float]]] = {
    rank_sum: _ranks, changes: _turns, overlap: _both
}  # fmt: skip
"""Of each distribution its largest value, mean and variance, counted from the smallest value on."""


@dataclass(frozen=True)
class Sum:
    """A sum of independent statistics, compared with its distribution.

    Attributes:
        z: the sum less its mean, over its standard deviation; 0 where nothing can vary.
        lower, upper: probabilities of a sum at most, and at least, as large as the observed one.
        exact: whether they are exact, not those of a normal distribution.
        informative: number of units whose statistic can vary.
    """

    z: float
    lower: float
    upper: float
    exact: bool
    informative: int

    @property
    def p_value(self) -> float:
        """Twice the smaller tail, at most 1."""
        return min(1.0, 2 * min(self.lower, self.upper))


def sum_of(observed: float, kinds: Counter[tuple[int, ...]], pmf: Callable[..., tuple[float, ...]], *, exact: bool = True) -> Sum:
    """Compare a sum with its distribution.

    Args:
        observed: the sum, each unit's statistic counted from its smallest value on.
        kinds: arguments of ``pmf`` -> number of units of that kind.
        pmf: probabilities of a unit's statistic, from its smallest value on.
        exact: whether units are independent; else the normal distribution serves at any size.

    >>> found = sum_of(5, Counter({(2, 1): 6}), rank_sum)  # 5 of 6 pairs of one right and one wrong answer got better
    >>> round(found.p_value, 5), round(found.z, 3)  # 2 (6 + 1)/64
    (0.21875, 1.633)
    """
    mean = variance = 0.0
    span = units = 0
    for arguments, times in kinds.items():
        largest, centre, spread = _MOMENTS[pmf](*arguments)
        span, mean, variance = span + times * largest, mean + times * centre, variance + times * spread
        units += times if spread > 0 else 0
    if variance <= 0:
        return Sum(0.0, 1.0, 1.0, exact, 0)
    z = (observed - mean) / sqrt(variance)
    if not exact or span >= _MOST:
        return Sum(z, 0.5 * erfc(-z / sqrt(2)), 0.5 * erfc(z / sqrt(2)), False, units)
    all_of_it = np.ones(1)
    for arguments, times in kinds.items():
        all_of_it = np.convolve(all_of_it, _power(np.array(pmf(*arguments)), times))
    k = round(observed)
    return Sum(z, float(min(1.0, all_of_it[: k + 1].sum())), float(min(1.0, all_of_it[k:].sum())), True, units)


def _power(chances: Floats, times: int) -> Floats:
    """Return the distribution of the sum of so many units of one kind."""
    out, base = np.ones(1), chances
    while times:
        if times & 1:
            out = np.convolve(out, base)
        times >>= 1
        if times:
            base = np.convolve(base, base)
    return out

r"""Confidence intervals of a binomial rate, and of sums, differences and ratios of two rates.

With s successes in n trials, :math:`\hat r = s/n` and z the normal quantile of the level:

- **Wilson**: all r with :math:`|\hat r - r| \le z \sqrt{r(1-r)/n}`, that is
  :math:`[\hat r + z^2/2n \pm z\sqrt{\hat r(1-\hat r)/n + z^2/4n^2}] / (1 + z^2/n)`. Mean coverage close to the level, also for
  n = 10; it may fall below the level close to 0 and 1.
- **Clopper-Pearson**: all r that neither one-sided exact test rejects; coverage at least the level for every r, and for small n
  well above it.
- **Jeffreys**: quantiles of Beta(s + 1/2, n - s + 1/2), with 0 and 1 as ends where s = 0 or s = n.

n need not be whole: an *effective* number of trials takes account of correlation within a problem.

**Two rates** (MOVER): the interval of :math:`r_1 + r_2` is recovered from those of its parts,
:math:`\hat r_1 + \hat r_2 - \sqrt{(\hat r_1 - l_1)^2 + (\hat r_2 - l_2)^2 + 2\rho(\hat r_1 - l_1)(\hat r_2 - l_2)}` and
correspondingly above, with :math:`\rho` their correlation. It keeps the asymmetry of the parts close to 0 and 1, where the delta
method has none and a bootstrap does not move at all. For a ratio the same is done with logarithms.

Source: Wilson (1927); Clopper and Pearson (1934); Brown, Cai, DasGupta (2001) for the comparison; Newcombe (1998), Zou and Donner
(2008) for MOVER. Which one is used where was chosen by coverage measured in ``tests/anatomy``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats
from dstheory.errors import RecordError

__all__ = ["check_level", "clopper_pearson", "jeffreys", "normal_quantile", "ratio_interval", "sum_interval", "wilson"]

Ends = tuple[Floats, Floats]


def check_level(level: float) -> float:
    """Return the level; raise RecordError unless it lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise RecordError(f"level is {level!r}: must lie between 0 and 1; 0.95 is usual")
    return float(level)


def normal_quantile(level: float) -> float:
    """Return z such that a standard normal variable lies within z of 0 with that probability.

    >>> round(normal_quantile(0.95), 4)
    1.96
    """
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + check_level(level) / 2)


def wilson(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95, quantile: ArrayLike | None = None) -> Ends:
    """Return the ends of Wilson's interval, elementwise; [0, 1] where there are no trials.

    Args:
        successes, trials: any shapes that broadcast; need not be whole.
        quantile: used instead of the normal one, say of Student's t.

    >>> [round(float(x), 4) for x in wilson(0, 10)]
    [0.0, 0.2775]
    """
    z2 = np.square(normal_quantile(level) if quantile is None else np.asarray(quantile, dtype=float))
    s, n = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(trials, dtype=float))
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = s / n
        middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At s = 0 and s = n the end is 0 or 1 exactly; rounding would leave 1e-17 beside it.
    low = np.where(n > 0, np.where(s <= 0, 0.0, np.clip(middle - half, 0.0, 1.0)), 0.0)
    high = np.where(n > 0, np.where(s >= n, 1.0, np.clip(middle + half, 0.0, 1.0)), 1.0)
    return low, high


def clopper_pearson(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Ends:
    """Return the ends of the Clopper-Pearson interval, elementwise; [0, 1] where there are no trials.

    >>> [round(float(x), 4) for x in clopper_pearson(0, 10)]
    [0.0, 0.3085]
    """
    return _beta_ends(successes, trials, check_level(level), low_shape=(0.0, 1.0), high_shape=(1.0, 0.0))


def jeffreys(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> Ends:
    """Return the ends of the Jeffreys interval, elementwise; [0, 1] where there are no trials.

    >>> [round(float(x), 4) for x in jeffreys(0, 10)]
    [0.0, 0.2172]
    """
    return _beta_ends(successes, trials, check_level(level), low_shape=(0.5, 0.5), high_shape=(0.5, 0.5))


def _beta_ends(
    successes: ArrayLike, trials: ArrayLike, level: float, *, low_shape: tuple[float, float], high_shape: tuple[float, float]
) -> Ends:
    from scipy.special import betaincinv

    s, n = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(trials, dtype=float))
    tail = (1 - level) / 2
    low, high = np.zeros(s.shape), np.ones(s.shape)
    some, more = (n > 0) & (s > 0), (n > 0) & (s < n)
    low[some] = betaincinv(s[some] + low_shape[0], n[some] - s[some] + low_shape[1], tail)
    high[more] = betaincinv(s[more] + high_shape[0], n[more] - s[more] + high_shape[1], 1 - tail)
    return low, high


def sum_interval(rates: tuple[float, float], first: tuple[float, float], second: tuple[float, float], correlation: float = 0.0
                 ) -> tuple[float, float]:  # fmt: skip
    """Return the interval of the sum of two rates, recovered from the intervals of both.

    >>> [round(x, 3) for x in sum_interval((0.8, 0.3), (0.7, 0.9), (0.2, 0.4))]
    [0.959, 1.241]
    """
    below = _hypot(rates[0] - first[0], rates[1] - second[0], correlation)
    above = _hypot(first[1] - rates[0], second[1] - rates[1], correlation)
    total = rates[0] + rates[1]
    return max(first[0] + second[0], total - below), min(first[1] + second[1], total + above)


def ratio_interval(rates: tuple[float, float], first: tuple[float, float], second: tuple[float, float], correlation: float = 0.0
                   ) -> tuple[float, float]:  # fmt: skip
    """Return the interval of the first rate over the second, recovered on the scale of logarithms.

    Where a rate is 0 its logarithm has no finite point estimate, and the interval reaches to 0 or to infinity; its other end
    then pairs the two intervals at their ends, which is conservative.

    >>> [round(x, 2) for x in ratio_interval((0.8, 0.2), (0.7, 0.9), (0.1, 0.3))]
    [2.61, 8.08]
    >>> ratio_interval((0.8, 0.0), (0.7, 0.9), (0.0, 0.1))[1]
    inf
    """
    (top, bottom), (l1, u1), (l2, u2) = rates, first, second
    if top <= 0.0 or bottom <= 0.0:
        return (l1 / u2 if bottom <= 0.0 < top else 0.0), (u1 / l2 if l2 > 0 else np.inf)
    logs = np.log([top, bottom, u1, u2])
    low1, low2 = (float(np.log(x)) if x > 0 else -np.inf for x in (l1, l2))
    below = _hypot(logs[0] - low1, logs[3] - logs[1], -correlation)
    above = _hypot(logs[2] - logs[0], logs[1] - low2, -correlation)
    return float(np.exp(logs[0] - logs[1] - below)), float(np.exp(logs[0] - logs[1] + above))


def _hypot(x: float, y: float, correlation: float) -> float:
    if np.isinf(x) or np.isinf(y):
        return np.inf
    return float(np.sqrt(max(x * x + y * y + 2 * correlation * x * y, 0.0)))

r"""Means over seeds with t-intervals, and the share of a gain with an interval that allows for its denominator.

Seeds are the unit: a method's result is an average over initial policies, problems and draws, all of which a seed changes. The
share of decisions in a mean gain is a ratio of two means over seeds; its interval is the jackknife's, and there is none where
the gain itself is not told from 0.

Source: Student (1908); jackknife for ratios, Quenouille (1956), Tukey (1958).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Mean", "mean_over_seeds", "ratio_over_seeds"]


@dataclass(frozen=True)
class Mean:
    """A mean over seeds and its 95 % interval; with one seed the interval is the whole line."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 3) -> str:
        """Return the mean and its interval.

        >>> Mean(0.5, 0.4, 0.6).text(2), Mean(float("nan"), float("nan"), float("nan")).text()
        ('0.50 [0.40, 0.60]', '-')
        """
        if np.isnan(self.value):
            return "-"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is positive."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is negative."""
        return self.high < 0


def mean_over_seeds(values: ArrayLike) -> Mean:
    """Return the mean with its t-interval.

    >>> mean_over_seeds([1.0, 2.0, 3.0]).text(2)  # 2 +- 4.303 / sqrt(3)
    '2.00 [-0.48, 4.48]'
    """
    x = np.asarray(values, dtype=np.float64)
    return _interval(float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 else np.inf, len(x))


def ratio_over_seeds(parts: ArrayLike, wholes: ArrayLike) -> Mean:
    """Return mean(parts)/mean(wholes) with a jackknife interval; NaN if the interval of the whole contains 0.

    >>> ratio_over_seeds([2.0, 2.6, 2.9], [4.0, 5.0, 6.0]).text(2)
    '0.50 [0.45, 0.55]'
    """
    part, whole = np.asarray(parts, dtype=np.float64), np.asarray(wholes, dtype=np.float64)
    n, overall = len(part), mean_over_seeds(whole)
    if not (overall.above_zero or overall.below_zero):
        return Mean(np.nan, np.nan, np.nan)
    ratio = part.sum() / whole.sum()
    without = (part.sum() - part) / (whole.sum() - whole)
    pseudo = n * ratio - (n - 1) * without
    return _interval(float(ratio), float(pseudo.std(ddof=1) / np.sqrt(n)), n)


def _interval(value: float, error: float, n: int) -> Mean:
    if not np.isfinite(error):
        return Mean(value, -np.inf, np.inf)
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.975)) * error
    return Mean(value, value - half, value + half)

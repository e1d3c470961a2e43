"""Binomial probabilities by their logarithms: exact where the probabilities themselves would underflow.

Source: textbook (Feller 1968, chapter VI).
"""

from __future__ import annotations

from functools import cache
from math import lgamma

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, float_array, reject, whole_number

__all__ = ["log_binomial", "log_sum", "probability"]


def probability(value: ArrayLike, what: str, remedy: str) -> Floats:
    """Return an array of probabilities.

    Raises:
        ChainError: an entry outside [0, 1].
    """
    array = float_array(value, what)
    reject(~((array >= 0) & (array <= 1)), array, what, "must lie in [0, 1]", remedy, axes=())
    return array


def log_binomial(n: int, p: ArrayLike) -> Floats:
    """Return (..., n + 1) log P(k of n) for k = 0, ..., n, at each success probability p.

    Example:
        >>> np.exp(log_binomial(2, 0.5)).round(12).tolist()
        [0.25, 0.5, 0.25]
        >>> float(log_binomial(1000, 1e-3)[1000].round(3))  # a probability of 1e-3000
        -6907.755
    """
    n = whole_number(n, "n", low=1)
    p = np.asarray(p, dtype=np.float64)[..., None]
    k = np.arange(n + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # 0 log 0 counts as 0: no success among none
        hit = np.where(k > 0, k * np.log(p), 0.0)
        miss = np.where(k < n, (n - k) * np.log1p(-p), 0.0)
    return np.asarray(_log_choose(n) + hit + miss)


@cache
def _log_choose(n: int) -> Floats:
    logs = np.array([lgamma(k + 1) for k in range(n + 1)])
    return np.asarray(logs[n] - logs - logs[::-1])


def log_sum(logs: Floats) -> Floats:
    """Return the logarithm of the sum over the last axis; -inf for a sum of zeros.

    Example:
        >>> float(log_sum(np.array([-1000.0, -1000.0])).round(6))
        -999.306853
    """
    top = logs.max(axis=-1, keepdims=True, initial=-np.inf)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(logs - safe).sum(axis=-1)) + safe[..., 0])

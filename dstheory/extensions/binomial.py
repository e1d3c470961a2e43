r"""Binomial probabilities and majorities by their logarithms: exact where the probabilities themselves would underflow.

The majority of n, each of which errs with probability r, errs with

.. math:: P(\text{more than } n/2 \text{ err}) + \tfrac12 P(n/2 \text{ err}).

Source: textbook (Feller 1968, chapter VI).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, logsumexp, xlog1py, xlogy

from dstheory.checks import Floats, probability, whole_number


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

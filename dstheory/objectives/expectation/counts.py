r"""Expectations over the number of successes among the others of a group, K ~ Bin(n, p), with a stated error.

Up to two hundred others all counts are summed. Beyond, the sum runs over the counts that matter, a window of :math:`O(\sqrt n)`
around the mode. Probabilities there are products of the ratios

.. math:: \frac{P(K = k + 1)}{P(K = k)} = \frac{n - k}{k + 1} \cdot \frac{p}{1 - p},

outwards from the mode, divided by their sum. p and 1 - p are given one by one, so that neither is a difference: digits are kept
where success or failure is as rare as 1e-300.

**Error.** From a count s at or above the mode the ratios fall, :math:`r_{s+i} \le \frac{s+1}{s+1+i} (1 - \frac{i}{n-s})`. So the
probability has fallen by :math:`e^{-T}` within

.. math:: \min\Big\{2 + \tfrac{T}{3} + \sqrt{\tfrac{T^2}{9} + 2 T (s + 1)},\; 2 + \sqrt{2 T (n - s)}\Big\}

steps (the first is Bernstein's inequality), and in the same way below the mode. With T = 100, s at least 1 above and at most
n - 1 below (a count at the edge may have no credit, be it all the probability there is), what is left out of a sum of terms of
one sign is below :math:`n \kappa e^{-100}` of it, where :math:`\kappa` is the ratio of the largest to the smallest credit that is
not 0: at most :math:`n^2` for the credits of the package, so 1e-19 at n = 1e8. A product of w ratios has a rounding error below
:math:`4 w \cdot 2^{-53}`: 1e-11 for groups of a million, 1e-10 for groups of a hundred million.

Source: Bernstein's inequality; the rest is derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np

from dstheory.checks import Floats
from dstheory.errors import ChainError

LARGEST_GROUP = 100_000_000
"""Groups may not be larger: the error is stated up to here."""

_ALL = 200
_DROP = 100.0  # T
_AT_ONCE = 1 << 17  # counts in one table
_MOST_COUNTS = 300_000_000  # about ten seconds


def mean_over_counts(
    n: int, success: Floats, failure: Floats, of_count: Callable[[Floats], tuple[Floats, ...]]
) -> tuple[Floats, ...]:
    """Return E[f(K)] of each of some functions f, K ~ Bin(n, p), for every p.

    Args:
        n: how many others, 0 <= n <= 1e8.
        success, failure: p and 1 - p, arrays of one shape, each with all its digits.
        of_count: takes counts (rows, width), returns the value of each function at each.

    Raises:
        ChainError: there are so many p, and so many others, that the sums would take minutes.

    >>> half = np.array([0.5, 0.25])
    >>> mean, = mean_over_counts(1_000_000, half, 1.0 - half, lambda k: (k,))
    >>> mean.round(6).tolist()
    [500000.0, 250000.0]
    """
    p, q = success.ravel(), failure.ravel()
    if n <= _ALL:
        found = _all_counts(n, p, q, of_count)
        return tuple(column.reshape(success.shape) for column in found)
    mode, up, down = _window(n, p, q)
    total = float((up + down + 1.0).sum())
    if total > _MOST_COUNTS:
        raise ChainError(
            f"group_size is {n + 1:,}: {len(p):,} sums over {total / len(p):,.0f} counts each are more than {_MOST_COUNTS:,}; "
            "use smaller groups, fewer prompts, or group_size=inf for the limit"
        )
    parts = [_sums(n, p[rows], q[rows], mode[rows], up[rows], down[rows], of_count) for rows in _blocks(up + down + 1.0)]
    return tuple(np.concatenate(column).reshape(success.shape) for column in zip(*parts, strict=True))


def _all_counts(n: int, p: Floats, q: Floats, of_count: Callable[[Floats], tuple[Floats, ...]]) -> Floats:
    """Return the means, (functions, rows), from all n + 1 counts."""
    k = np.arange(n + 1.0)
    values = np.stack([f[0] for f in of_count(k[None])], axis=-1)
    coefficient = np.array([float(comb(n, i)) for i in range(n + 1)])
    out, each = np.empty((len(p), values.shape[1])), max(1, _AT_ONCE // (n + 1))
    for begin in range(0, len(p), each):
        rows = slice(begin, begin + each)
        # Powers by multiplication: a power that underflows belongs to a count that does not matter beside its neighbours.
        powers, others = (np.repeat(x[rows, None], n + 1, axis=1) for x in (p, q))
        powers[:, 0] = others[:, 0] = 1.0
        np.cumprod(powers, axis=1, out=powers)
        np.cumprod(others, axis=1, out=others)
        out[rows] = (powers * others[:, ::-1] * coefficient) @ values
    return out.T


def windows(n: int, success: Floats, failure: Floats) -> tuple[Floats, Floats]:
    """Return the counts that matter and their probabilities, (*shape, width) each, as tables.

    Rows are padded with probability 0. For sums whose terms depend on more than the count; the window grows like sqrt(n).

    >>> k, chance = windows(2, np.array(0.25), np.array(0.75))
    >>> [float(chance[k == i].sum()) for i in range(3)]
    [0.5625, 0.375, 0.0625]
    """
    p, q = success.ravel(), failure.ravel()
    mode, up, down = _window(n, p, q)
    sides = _sides(n, p, q, mode, up, down)
    k, chance = (np.concatenate(column, axis=1) for column in zip(*sides, strict=True))
    shape = (*success.shape, k.shape[1])
    return k.reshape(shape), (chance / chance.sum(axis=1, keepdims=True)).reshape(shape)


def _window(n: int, p: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the mode, and how many counts above and below it matter, (rows,) each."""
    mode = np.clip(np.floor((n + 1.0) * p), 0.0, n)
    above, below = np.clip(mode, min(1, n), n), np.clip(mode, 0, max(0, n - 1))
    up = np.minimum(n, above + _steps(above, n - above)) - mode
    down = mode - np.maximum(0.0, below - _steps(n - below, below))
    return mode, np.where(p > 0, up, 0.0), np.where(q > 0, down, 0.0)


def _steps(here: Floats, room: Floats) -> Floats:
    """Return how many steps away from the mode the probability has fallen by exp(-T): the bound of the module's page."""
    bernstein = _DROP / 3.0 + np.sqrt(_DROP**2 / 9.0 + 2.0 * _DROP * (here + 1.0))
    return np.ceil(2.0 + np.minimum(bernstein, np.sqrt(2.0 * _DROP * room)))


def _blocks(width: Floats) -> list[slice]:
    """Return runs of rows whose tables, as wide as the widest of them, have at most _AT_ONCE entries, or one row each."""
    each = max(1, _AT_ONCE // max(1, int(width.max(initial=1.0))))
    return [slice(i, i + each) for i in range(0, len(width), each)]


def _sides(n: int, p: Floats, q: Floats, mode: Floats, up: Floats, down: Floats) -> list[tuple[Floats, Floats]]:
    """Return counts and unnormalised probabilities from the mode upwards, and below the mode; (rows, width) each."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        odds = np.where((mode < n) & (q > 0), p / q, 0.0)[:, None]
        against = np.where((mode > 0) & (p > 0), q / p, 0.0)[:, None]
    start = mode[:, None]
    rising = start + np.arange(int(up.max()) + 1.0)
    falling = start - np.arange(int(down.max()) + 1.0)
    ones = np.ones_like(start)
    with np.errstate(under="ignore"):
        above = np.hstack([ones, np.clip(n - rising[:, :-1], 0.0, None) / (rising[:, :-1] + 1.0) * odds])
        below = np.hstack([ones, np.clip(falling[:, :-1], 0.0, None) / (n - falling[:, :-1] + 1.0) * against])
        for chance in above, below:
            np.cumprod(chance, axis=1, out=chance)
    return [(np.minimum(rising, n), above), (np.maximum(falling, 0.0)[:, 1:], below[:, 1:])]


def _sums(
    n: int, p: Floats, q: Floats, mode: Floats, up: Floats, down: Floats, of_count: Callable[[Floats], tuple[Floats, ...]]
) -> list[Floats]:
    sides = _sides(n, p, q, mode, up, down)
    weight = sum((chance.sum(axis=1) for _, chance in sides), np.zeros(()))
    parts = [[(chance * f).sum(axis=1) for f in of_count(k)] for k, chance in sides]
    return [(above + below) / weight for above, below in zip(*parts, strict=True)]

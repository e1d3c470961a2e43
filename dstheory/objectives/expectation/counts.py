r"""Expectations over the rewards of the others of a group, with a stated error: of successes, K ~ Bin(n, p), and of more values.

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
not 0: at most :math:`n^2` for the credits of the package, so 1e-19 at n = 1e8. (The counts 0 and n are always summed: beside
others that are all alike, a credit over their deviation is one over epsilon, which may be any number.) A product of w ratios has
a rounding error below :math:`4 w \cdot 2^{-53}`: 1e-11 for groups of a million, 1e-10 for groups of a hundred million.

**Several values.** Where the rewards of a group take several, and are divided by their standard deviation, an integral takes the
place of the sum over counts. With the sum of squares about the mean, :math:`Q = \sum r^2 - (\sum r)^2 / G`, and
:math:`a = \epsilon \sqrt{G - d}`, where d is ddof, the credit of response i is

.. math:: \frac{r_i - \bar r}{\sqrt{Q/(G - d)} + \epsilon} = \frac{\sqrt{G - d}}{G} \sum_{j \ne i} \frac{r_i - r_j}{\sqrt Q + a}.

Few counts (at most 3,000 ways to fill a group) are summed one by one. Otherwise the denominator is a mixture of exponentials, and
each of these one of Gaussians, over which the members of the group are independent:

.. math::
    \frac{1}{\sqrt Q + a} = \int_0^\infty k_a(t)\, e^{-tQ} \, dt, \quad
    k_a(t) = \frac{1}{\sqrt{\pi t}} - a\, \mathrm{erfcx}(a \sqrt t) > 0, \quad
    e^{-tQ} = \int \frac{e^{-z^2/2}}{\sqrt{2 \pi}} \prod_i e^{-t d_i^2 + z \sqrt{2t/G}\, d_i} \, dz,

d the rewards less a number that is free, here their mean.

**Error.** Both integrals are taken by the trapezoidal rule, in log t with step h = 0.3 and in z with step 0.75. For every group
alike, whatever its Q, the relative errors are at most :math:`2 |\Gamma(1 + 2 \pi i/h)|` < 2e-13 (:math:`k_a` is a mixture of
exponentials of t, and the bound is that of each) and :math:`2 e^{-2 \pi^2 / 0.75^2}` < 2e-15. The ranges end where the
remainder is below 1e-14 of every group; from below, t stops where what is left, at most its integrand here times
:math:`2 \sqrt{t_{max}/\pi}`, is below 1e-15 of what was found. So the error of a mean credit is below 1e-12 of the mean of
:math:`\sum_j |r_i - r_j| / (\sqrt Q + a)`, the same without signs, and rounding stays below 1e-11 of it for groups of a million.
Where some rewards are nearly the same beside their range it may be more, since exponents cancel: 7e-11 was measured, for rewards
0, 2e-5 and 1 in groups of 79.

Source: Bernstein's inequality; the Laplace transform of :math:`k_a` is in Abramowitz and Stegun (1964), 29.3; the rest is derived
here.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb, factorial, prod

import numpy as np

from dstheory.checks import Floats, readonly
from dstheory.errors import ChainError
from dstheory.objectives.expectation.compositions import compositions, ways
from dstheory.objectives.rounding import kept

LARGEST_GROUP = 100_000_000
"""Groups may not be larger: the error is stated up to here."""

_ALL = 200
_DROP = 100.0  # T
_AT_ONCE = 1 << 17  # numbers in one table
_MOST_COUNTS = 300_000_000  # about ten seconds
_MOST_WAYS = 3_000
_STEP_T, _STEP_Z = 0.3, 0.75
_MOST_WORK = 500_000_000  # numbers in all, about five seconds


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
    total, widest = float((up + down + 1.0).sum()), int((up + down).max(initial=0.0)) + 1
    if total > _MOST_COUNTS:
        raise ChainError(
            f"group_size is {n + 1:,}: {len(p):,} sums over {total / len(p):,.0f} counts each are more than {_MOST_COUNTS:,}; "
            "use smaller groups, fewer prompts, or group_size=inf for the limit"
        )
    parts, each = [], max(1, _AT_ONCE // widest)
    for begin in range(0, len(p), each):
        k, chance = windows(n, p[begin : begin + each], q[begin : begin + each])
        parts.append([(chance * f).sum(axis=1) for f in of_count(k)])
    edges, at_edges = _beyond(n, p, q, mode, up, down), of_count(np.array([[0.0, float(n)]]))
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return tuple((column + edges @ f[0]).reshape(success.shape) for column, f in zip(columns, at_edges, strict=True))


def _beyond(n: int, p: Floats, q: Floats, mode: Floats, up: Floats, down: Floats) -> Floats:
    """Return the probabilities of the counts 0 and n where the window does not reach them, (rows, 2)."""
    of, rest = np.stack([q, p], axis=1), np.stack([p, q], axis=1)
    with np.errstate(divide="ignore", under="ignore"):
        chance = np.exp(n * np.where(rest < 0.5, np.log1p(-np.minimum(rest, 0.5)), np.log(of)))
    return np.where(np.stack([mode > down, mode + up < n], axis=1), chance, 0.0)


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
        for side in above, below:
            np.cumprod(side, axis=1, out=side)
    k, chance = np.hstack([np.minimum(rising, n), np.maximum(falling, 0.0)[:, 1:]]), np.hstack([above, below[:, 1:]])
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


def mean_credits(levels: tuple[float, ...], shares: Floats, *, size: int, ddof: int, epsilon: float) -> Floats:
    """Return the mean credit (R - mean)/(std + epsilon) of a response of each reward, (V, rows), over the rest of its group.

    Args:
        levels: the V rewards, ascending.
        shares: (V, rows) chance of each among the others; columns add up to 1.
        size: G >= 2.
        ddof: 1 for the standard deviation of a sample, 0 for that of a population.
        epsilon: added to it, >= 0.

    Raises:
        ChainError: rewards so near to each other, in groups so large, that the sums would take minutes.

    >>> mean_credits((0.0, 0.5, 1.0), np.array([[0.25], [0.5], [0.25]]), size=3, ddof=0, epsilon=0.0).ravel().round(6).tolist()
    [-1.013293, 0.0, 1.013293]
    """
    if ways(len(levels), size - 1) <= _MOST_WAYS:
        counts, coefficient, credit = _every_group(levels, size, ddof, epsilon)
        _check_work(counts.size * shares.shape[1], levels, shares, size)
        out, each = np.empty(shares.shape), max(1, _AT_ONCE // counts.size)
        for begin in range(0, shares.shape[1], each):
            rows = slice(begin, begin + each)
            with np.errstate(under="ignore"):
                chance = coefficient[:, None] * np.prod(shares[None, :, rows] ** counts[..., None], axis=1)
            out[:, rows] = credit.T @ chance
        return out
    unit = max(map(abs, levels))  # a deviation takes it out
    return _by_quadrature(np.array(levels) / unit, shares, size, ddof, min(epsilon / unit, 1e200))


@kept
def _every_group(levels: tuple[float, ...], size: int, ddof: int, epsilon: float) -> tuple[Floats, Floats, Floats]:
    """Return counts of the others (ways, V), how often each comes up, and the credit of a response of each reward (ways, V)."""
    r, counts = np.array(levels), compositions(size - 1, len(levels))
    coefficient = np.array([float(factorial(size - 1) // prod(factorial(int(k)) for k in row)) for row in counts])
    gaps = r[:, None] - r
    credit = np.zeros(counts.shape)
    for i in range(len(r)):
        group = counts + np.eye(len(r))[i]
        centred = group @ gaps.T / size  # (ways, V): of each reward, less the mean
        there, same = np.where(group > 0, centred, 0.0), (group == size).any(axis=1)
        top = np.where(same, 1.0, np.abs(there).max(axis=1))  # squares of rewards of 1e-160 are 0
        deviation = top * np.sqrt((group * (there / top[:, None]) ** 2).sum(axis=1) / (size - ddof))
        below = np.where(same, 1.0, deviation + epsilon)
        credit[:, i] = np.where(same, 0.0, centred[:, i] / below)
    return counts, readonly(coefficient), readonly(credit)


def _by_quadrature(r: Floats, shares: Floats, size: int, ddof: int, epsilon: float) -> Floats:
    a = epsilon * np.sqrt(size - ddof)
    most, least = size * np.ptp(r) ** 2 / 4.0, np.diff(r).min() ** 2 * (size - 1.0) / size
    if least < 1e-280 or a > 1e140:
        _check_work(_MOST_WORK + 1, r, shares, size)
    first = int(np.floor(2.0 * np.log(1e-14 / (np.sqrt(most) + a)) / _STEP_T))
    last = int(np.ceil(np.log(35.0 / least) / _STEP_T))
    left = 2.0 * np.sqrt(np.exp(_STEP_T * last) / np.pi)
    scale = np.sqrt(size - ddof) * (size - 1.0) / size
    total, signless = np.zeros(shares.shape), np.zeros(shares.shape)
    active = np.arange(shares.shape[1])
    work = (last - first) * 25 * shares.size * (1 + len(r))  # at the least
    for step in range(first, last + 1):
        _check_work(work, r, shares, size)
        t = np.exp(_STEP_T * step)
        found, bound, done = _at_node(r, shares[:, active], size, t)
        work += done
        weight = _STEP_T * t * _kernel(t, a)
        total[:, active] += weight * found
        signless[:, active] += weight * bound
        going = (bound * left > 1e-15 * signless[:, active]).any(axis=0)
        active = active[going]
        if not len(active):
            break
    return np.asarray(scale * total)


def _check_work(work: int, r: Floats | tuple[float, ...], shares: Floats, size: int) -> None:
    if work > _MOST_WORK:
        raise ChainError(
            f"group_size is {size:,}: {shares.shape[1]:,} sums over {len(r)} rewards at least {np.diff(r).min():.2g} apart "
            f"need more than {_MOST_WORK:,} terms; use smaller groups, fewer prompts, or group_size=inf for the limit"
        )


def _kernel(t: float, a: float) -> float:
    """Return k_a(t); where its terms cancel, by the asymptotic series of erfcx."""
    x = a * np.sqrt(t)
    if x < 12.0:
        from scipy.special import erfcx

        return float((1.0 - np.sqrt(np.pi) * x * erfcx(x)) / np.sqrt(np.pi * t))
    terms = np.cumprod([-(2.0 * k - 1.0) / (2.0 * x * x) for k in range(1, 16)])
    return float(-terms.sum() / np.sqrt(np.pi * t))


def _at_node(r: Floats, shares: Floats, size: int, t: float) -> tuple[Floats, Floats, int]:
    """Return E[sum_j w_j (r_i - r_j) exp(-t Q)], the same of |r_i - r_j|, (V, rows) each, and how many numbers it took."""
    from scipy.special import logsumexp

    mean = (shares * r[:, None]).sum(axis=0)
    d = r[:, None] - mean
    reach = float(np.sqrt(2.0 * t * size) * np.abs(d).max()) + 9.0
    half = int(np.ceil(reach / _STEP_Z))
    gaps = r[:, None] - r
    signed, signless = np.zeros(shares.shape), np.zeros(shares.shape)
    each = max(1, _AT_ONCE // shares.size)
    with np.errstate(divide="ignore", under="ignore"):
        log_shares = np.log(shares)
    for begin in range(-half, half + 1, each):
        z = _STEP_Z * np.arange(begin, min(begin + each, half + 1))
        log_member = -t * (d * d)[..., None] + np.sqrt(2.0 * t / size) * d[..., None] * z
        small = np.abs(log_member).max(axis=0) < 0.5
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            near = np.log1p((shares[..., None] * np.expm1(np.where(small, log_member, 0.0))).sum(axis=0))
            others = near if small.all() else np.where(small, near, logsumexp(log_shares[..., None] + log_member, axis=0))
            # one factor of the pair at a time, so that neither over- nor underflows alone
            rest = -0.5 * z * z + (size - 2.0) * others + log_member
            pairs = log_shares[..., None] + log_member
            for i in range(len(r)):
                each_pair = np.exp(rest[i] + pairs).sum(axis=-1)
                signed[i] += gaps[i] @ each_pair
                signless[i] += np.abs(gaps[i]) @ each_pair
    factor = _STEP_Z / np.sqrt(2.0 * np.pi)
    return factor * signed, factor * signless, (2 * half + 1) * shares.size * (1 + len(r))

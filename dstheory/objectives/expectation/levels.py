r"""Groups whose rewards take several values, divided by their standard deviation: an integral in place of the sum over counts.

With the sum of squares about the mean, :math:`Q = \sum r^2 - (\sum r)^2 / G`, and :math:`a = \epsilon \sqrt{G - d}`, where d is
ddof, the credit of response i is

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

Source: derived here; the Laplace transform of :math:`k_a` is in Abramowitz and Stegun (1964), 29.3.
"""

from __future__ import annotations

from math import factorial, prod

import numpy as np

from dstheory.checks import Floats, readonly
from dstheory.errors import ChainError
from dstheory.objectives.expectation.compositions import compositions, ways
from dstheory.objectives.rounding import kept

_MOST_WAYS = 3_000
_STEP_T, _STEP_Z = 0.3, 0.75
_AT_ONCE = 1 << 17  # numbers in one table
_MOST_WORK = 500_000_000  # numbers in all, about five seconds


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
    return _by_quadrature(np.array(levels), shares, size, ddof, epsilon)


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
        deviation = np.sqrt((group * centred**2).sum(axis=1) / (size - ddof))
        same = (group == size).any(axis=1)
        below = np.where(same, 1.0, deviation + epsilon)
        credit[:, i] = np.where(same, 0.0, centred[:, i] / below)
    return counts, readonly(coefficient), readonly(credit)


def _by_quadrature(r: Floats, shares: Floats, size: int, ddof: int, epsilon: float) -> Floats:
    a = epsilon * np.sqrt(size - ddof)
    most, least = size * np.ptp(r) ** 2 / 4.0, np.diff(r).min() ** 2 * (size - 1.0) / size
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

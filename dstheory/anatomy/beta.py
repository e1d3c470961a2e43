r"""A rate that differs between problems: Beta-distributed, with the homogeneous rate and the all-or-nothing rate as its limits.

A mean m and a correlation :math:`\rho \in [0, 1]` between two trials of one problem stand for Beta(m s, (1-m) s) with
:math:`s = (1-\rho)/\rho`. :math:`\rho = 0` is one rate for all problems, :math:`\rho = 1` a rate that is 1 on a share m of the
problems and 0 on the others.

**Likelihood.** Stopping depends on the data, but the likelihood of a *sequence* of trials does not depend on the stopping rule: a
problem with c successes in n trials contributes :math:`E[p^c (1-p)^{n-c}]`, which for a Beta distribution is a ratio of products,

.. math::
    \frac{\prod_{i<c} (m(1-\rho) + i\rho) \prod_{i<n-c} ((1-m)(1-\rho) + i\rho)}{\prod_{i<n} (1 - \rho + i\rho)} .

So the log-likelihood of all problems needs only how many of them have more than i successes, failures and trials
(:class:`Tails`): it costs as much as the longest problem has trials, however many problems there are, and it is as smooth at
:math:`\rho = 0` as elsewhere, where formulas with the Gamma function lose all digits.

**Fit.** The likelihood is maximised over the closed square: Newton's method with exact derivatives from two starts, compared
with both limits, which have closed forms: :math:`\rho = 0`, where the best m is the share of successes among trials, and, if no
problem has both successes and failures, :math:`\rho = 1`, where it is the share of problems with successes. A
**pseudo-observation** (:meth:`Tails.with_pseudo`) adds half a problem with one success and one failure. It keeps every fit off
m = 0 and 1 and off :math:`\rho = 1`, so that no held-out problem has probability zero.

**Test of homogeneity.** On the boundary :math:`\rho = 0` twice the log-likelihood ratio is, with many problems, half a chi-square
with one degree of freedom and half a point mass at 0, so its p-value is half the usual one.

**Expectations** over problems are Gauss-Jacobi sums; for a polynomial of degree 2n - 1 in p, such as the accuracy with a cap
T < 2n, n nodes are exact.

Source: Skellam (1948) for the Beta-binomial; Griffiths (1973) for its likelihood by tails; Self and Liang (1987) for the test on
a boundary; Bertsekas (1982) for Newton's method within bounds; Golub and Welsch (1969) for the nodes. Derivatives: derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import erfc, sqrt

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, Ints, readonly
from dstheory.errors import RecordError

NODES = 96  # exact for polynomials of degrees up to 191: for caps of as many
_FEW_NODES = 24  # up to which NumPy solves for them without threads
_NEGLIGIBLE = 1e-12  # a correlation whose effect on a mean over problems is below rounding; parameters of 1e12 would lose digits
_SIGN = np.array([[1.0], [1.0], [-1.0]])  # of successes, failures and trials in the log-likelihood
_STEPS, _HALVINGS = 200, 40  # at most; some ten steps are enough
_PRECISION = 1e-16  # of the log-likelihood
_EDGE = 1e-9  # distance from 0 and 1 at which the search stops; the limits themselves are compared by their closed forms


@dataclass(frozen=True, eq=False)
class Tails:
    """How many problems have more than i successes, failures and trials, for i = 0, 1, ...; weights need not be whole.

    Attributes:
        counts: (3, L) successes, failures and trials; L is the largest number of trials.

    >>> Tails.of(successes=[0, 2], trials=[3, 2], times=[10, 1]).counts.tolist()
    [[1.0, 1.0, 0.0], [10.0, 10.0, 10.0], [11.0, 11.0, 10.0]]
    """

    counts: Floats

    @classmethod
    def of(cls, successes: ArrayLike, trials: ArrayLike, times: ArrayLike | None = None) -> Tails:
        """Return the tails of problems with these successes and trials, each counted ``times``.

        Raises:
            RecordError: a problem has more successes than trials, or a negative number of them.
        """
        c, n = np.asarray(successes, dtype=np.int64), np.asarray(trials, dtype=np.int64)
        if c.shape != n.shape or (c < 0).any() or (c > n).any():
            raise RecordError("successes must be whole numbers from 0 to the trials of the same problem")
        weights = np.ones(len(n)) if times is None else np.asarray(times, dtype=float)
        exactly = np.array([np.bincount(k, weights, minlength=int(n.max(initial=0)) + 1) for k in (c, n - c, n)])
        return cls(exactly[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:])

    def with_pseudo(self, weight: float = 0.5) -> Tails:
        """Return the tails with ``weight`` problems more that have one success and one failure each.

        >>> Tails.of([2], [2]).with_pseudo().counts.tolist()
        [[1.5, 1.0], [0.5, 0.0], [1.5, 1.5]]
        """
        longest = self.counts.shape[1]
        more = np.zeros((3, max(longest, 2)))
        more[:, :longest] = self.counts
        more[:, 0] += weight
        more[2, 1] += weight
        return Tails(more)

    @property
    def mixed(self) -> float:
        """Number of problems with both successes and failures."""
        return float((_SIGN * self.counts[:, :1]).sum())

    @property
    def mean(self) -> float:
        """Successes per trial; the tails of a problem add up to its count."""
        return float(self.counts[0].sum() / self.counts[2].sum())


@dataclass(frozen=True)
class BetaRate:
    """A rate with mean ``mean`` over problems and correlation ``rho`` within a problem.

    Raises:
        RecordError: mean or rho lies outside [0, 1].

    >>> BetaRate(0.25, 0.2).shape
    (1.0, 3.0)
    >>> nodes, weights = BetaRate(0.25, 0.2).nodes()
    >>> round(float(nodes**2 @ weights), 12)  # Beta(1, 3): 1 * 2 / (4 * 5)
    0.1
    """

    mean: float
    rho: float = 0.0

    def __post_init__(self) -> None:
        for value, what in ((self.mean, "mean"), (self.rho, "rho")):
            if not 0 <= value <= 1:
                raise RecordError(f"{what} is {value!r}: must lie in [0, 1]")

    @property
    def homogeneous(self) -> bool:
        """Whether all problems have one rate."""
        return self.rho == 0 or self.mean in (0.0, 1.0)

    @property
    def shape(self) -> tuple[float, float]:
        """The two parameters of the Beta distribution; infinite if homogeneous."""
        s = np.inf if self.rho == 0 else (1 - self.rho) / self.rho
        return self.mean * s, (1 - self.mean) * s

    def log_likelihood(self, tails: Tails) -> float:
        """Return the log-probability of the sequences of trials of all problems; -inf if the rate rules them out."""
        if self.rho == 1 and tails.mixed > 0:
            return -np.inf
        factors = _factors(self.mean, self.rho, tails.counts.shape[1])
        if self.rho == 1:  # the factors 1 - rho of the first trials cancel as far as no problem is mixed
            factors[:, :1] = np.array([[self.mean], [1 - self.mean], [1.0]])
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(tails.counts != 0, _SIGN * tails.counts * np.log(factors), 0.0)
        return float(sum(terms.sum(axis=1)))

    def sequences(self, successes: Ints, trials: Ints) -> Floats:
        """Return the log-probability of the sequence of trials of each problem; -inf where the rate rules it out.

        >>> BetaRate(0.25, 0.2).sequences(np.array([1, 2]), np.array([1, 2])).round(4).tolist()  # log 1/4, log 1/10
        [-1.3863, -2.3026]
        """
        with np.errstate(divide="ignore"):
            if self.rho == 1:
                always, never = np.log([self.mean, 1 - self.mean])
                pure = np.where(successes == trials, always, np.where(successes == 0, never, -np.inf))
                return np.asarray(np.where(trials == 0, 0.0, pure))
            logs = np.log(_factors(self.mean, self.rho, int(trials.max(initial=0)))).cumsum(axis=1)
        first, second, rest = np.concatenate([np.zeros((3, 1)), logs], axis=1)
        return np.asarray(first[successes] + second[trials - successes] - rest[trials])

    def nodes(self, n: int = NODES) -> tuple[Floats, Floats]:
        """Return (nodes, weights) such that sum(weights * f(nodes)) is the mean of f over problems.

        One node if homogeneous, two (0 and 1) if rho = 1.
        """
        if self.homogeneous or self.rho < _NEGLIGIBLE:
            return np.array([self.mean]), np.ones(1)
        if self.rho == 1:
            return np.array([0.0, 1.0]), np.array([1 - self.mean, self.mean])
        return _gauss_jacobi(*self.shape, n)


def _factors(mean: float, rho: float, longest: int) -> Floats:
    """(3, L) the factors of the likelihood, of the successes, failures and trials that there may be."""
    return np.array([[mean], [1 - mean], [1.0]]) * (1 - rho) + np.arange(longest) * rho


@lru_cache(maxsize=64)
def _gauss_jacobi(first: float, second: float, n: int) -> tuple[Floats, Floats]:
    """Nodes in (0, 1) and weights, of total 1, for the density of Beta(first, second).

    By the eigenvectors of the Jacobi matrix: its entries stay of order 1 for any parameters, while the closed forms of the
    weights overflow from parameters of a few hundred on.
    """
    # Jacobi polynomials on [-1, 1] with weight (1-t)^u (1+t)^v, and x = (1 + t)/2.
    u, v = second - 1, first - 1
    k = np.arange(1, n, dtype=float)
    s = 2 * k + u + v
    diagonal = np.empty(n)
    diagonal[0] = (v - u) / (u + v + 2)
    diagonal[1:] = (v * v - u * u) / (s * (s + 2))
    square = np.empty(n - 1)
    square[0] = 4 * (1 + u) * (1 + v) / ((2 + u + v) ** 2 * (3 + u + v))  # the general form is 0/0 here for u + v = -1
    k, s = k[1:], s[1:]
    square[1:] = 4 * k * (k + u) * (k + v) * (k + u + v) / (s * s * (s + 1) * (s - 1))
    if n <= _FEW_NODES:
        t, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(np.sqrt(square), -1))  # it looks at the lower half only
    else:
        from scipy.linalg import eigh_tridiagonal  # takes longer to import than a few nodes take without it

        t, vectors = eigh_tridiagonal(diagonal, np.sqrt(square))
    return readonly(np.clip((1 + t) / 2, 0.0, 1.0)), readonly(vectors[0] ** 2)


# ---------------------------------------------------------------------- maximum likelihood


@dataclass(frozen=True)
class BetaFit:
    """A fitted rate.

    Attributes:
        rate: the estimate; None if there are no trials.
        log_likelihood, log_likelihood_homogeneous: the maximum, and the maximum under one rate for all problems.
    """

    rate: BetaRate | None
    log_likelihood: float
    log_likelihood_homogeneous: float

    @property
    def p_value(self) -> float:
        """Probability, of many problems, of such a ratio of likelihoods if all have one rate; 1 where the fit is homogeneous."""
        ratio = 2 * (self.log_likelihood - self.log_likelihood_homogeneous)
        return 0.5 * erfc(sqrt(ratio / 2)) if ratio > 0 else 1.0


def fit_beta_rate(tails: Tails) -> BetaFit:
    """Fit mean and rho to the sequences of trials of problems.

    >>> fit = fit_beta_rate(Tails.of(successes=[0, 1, 4, 5, 0, 3], trials=[5, 5, 5, 5, 4, 6]))
    >>> round(fit.rate.mean, 3), round(fit.rate.rho, 3), round(fit.p_value, 4)
    (0.418, 0.489, 0.0022)
    """
    if not tails.counts[2].any():
        return BetaFit(None, 0.0, 0.0)
    best = BetaRate(tails.mean)
    base = value = best.log_likelihood(tails)
    if best.mean in (0.0, 1.0):
        return BetaFit(best, base, base)
    polar = BetaRate(float(tails.counts[0, 0] / tails.counts[2, 0]), 1.0)
    if polar.log_likelihood(tails) > value:
        best, value = polar, polar.log_likelihood(tails)
    for start in (0.05, 0.5) if tails.counts.shape[1] > 1 else ():
        inner = _search(tails, tails.mean, start)
        found = inner.log_likelihood(tails)
        # Strictly better by more than rounding: else the limit, which says the same with one parameter less.
        if found > value + 1e-9 * (1 + abs(value)):
            best, value = inner, found
    return BetaFit(best, value, base)


def derivatives(tails: Tails, mean: float, rho: float) -> tuple[float, Floats, Floats]:
    """Return the log-likelihood, its gradient (2,) and its Hessian (2, 2) in mean and rho, in the open square."""
    i = np.arange(tails.counts.shape[1])
    factors, counts = _factors(mean, rho, len(i)), _SIGN * tails.counts
    value = float(sum((counts * np.log(factors)).sum(axis=1)))
    # Each factor is linear in mean and linear in rho: its derivatives by one, by the other, and by both.
    by_mean, by_rho = np.array([[1 - rho], [rho - 1], [0.0]]), np.array([i - mean, i - (1 - mean), i - 1.0])
    by_both = np.array([[-1.0], [1.0], [0.0]])
    first, second = counts / factors, counts / factors**2
    gradient = np.array([(first * by_mean).sum(), (first * by_rho).sum()])
    mixed = (first * by_both - second * by_mean * by_rho).sum()
    return value, gradient, np.array([[-(second * by_mean**2).sum(), mixed], [mixed, -(second * by_rho**2).sum()]])


def _search(tails: Tails, mean: float, rho: float) -> BetaRate:
    """Climb from a point: Newton's method, projected on the square within its edges (Bertsekas, 1982)."""
    point = np.array([mean, rho]).clip(_EDGE, 1 - _EDGE)
    value, gradient, hessian = derivatives(tails, *point.tolist())
    for _ in range(_STEPS):
        free = ((point > _EDGE) | (gradient > 0)) & ((point < 1 - _EDGE) | (gradient < 0))
        newton, scaled = _directions(np.where(free, gradient, 0.0), hessian, bool(free.all()))
        if gradient @ newton <= _PRECISION * (1 + abs(value)):  # what is left to gain is rounding: one more step, and there
            point = (point + newton).clip(_EDGE, 1 - _EDGE)
            break
        for direction, size in ((d, 0.5**k) for d in (newton, scaled) for k in range(_HALVINGS)):
            there = (point + size * direction).clip(_EDGE, 1 - _EDGE)
            gain = gradient @ (there - point)
            found = derivatives(tails, *there.tolist())
            if gain > 0 and found[0] >= value + 1e-4 * gain:
                point, (value, gradient, hessian) = there, found
                break
        else:
            break  # no step gains anything
    return BetaRate(*point.tolist())


def _directions(gradient: Floats, hessian: Floats, both: bool) -> tuple[Floats, Floats]:
    """Return two ways up: Newton's where the function is concave, and the gradient, each part over its curvature."""
    scaled = gradient / np.maximum(np.abs(np.diag(hessian)), 1e-300)
    (a, c), (_, b) = -hessian
    determinant = a * b - c * c
    if not both or a <= 0 or determinant <= 0:
        return scaled, scaled
    x, y = gradient
    return np.array([b * x - c * y, a * y - c * x]) / determinant, scaled

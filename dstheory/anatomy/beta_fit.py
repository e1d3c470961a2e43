r"""Fitting a rate that differs between problems, by maximum likelihood, with its limits taken seriously.

The log-likelihood :math:`\ell(m, \rho)` of :mod:`dstheory.anatomy.beta_rate` is maximised over the closed square: truncated
Newton with the exact gradient from two starts, compared with both limits, which have closed forms: :math:`\rho = 0`, where the
best m is the share of successes among trials, and, if no problem has both successes and failures, :math:`\rho = 1`, where it is
the share of problems with successes.

**Test of homogeneity.** On the boundary :math:`\rho = 0` twice the log-likelihood ratio is half a chi-square with one degree of
freedom and half a point mass at 0, so its p-value is half the usual one.

**Standard errors** come from the observed information in (m, rho); where rho is at a limit, from that of m alone.

A **pseudo-observation** (:func:`with_pseudo`) adds half a problem with one success and one failure. It keeps every fit inside, so
that no held-out problem has probability zero, and counts as little as a prior can.

Source: Griffiths (1973); Self and Liang (1987) for the test on a boundary. Gradients are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.anatomy.beta_rate import BetaRate, Tails
from dstheory.checks import Floats

__all__ = ["BetaFit", "fit_beta_rate", "log_likelihood_derivatives", "with_pseudo"]

_EDGE = 1e-9  # distance from 0 and 1 at which the search stops; the limits themselves are compared by their closed forms


@dataclass(frozen=True)
class BetaFit:
    """A fitted rate.

    Attributes:
        rate: the estimate; None if and only if ``reason`` says why there is none.
        log_likelihood, log_likelihood_homogeneous: the maximum, and the maximum under one rate for all problems.
        mean_error, rho_error: standard errors; None where the estimate is at a limit, which has none.
        limit: "", "homogeneous" (rho = 0), "all or nothing" (rho = 1) or "one outcome" (no success, or no failure, at all).
        reason: why nothing could be fitted.
    """

    rate: BetaRate | None
    log_likelihood: float
    log_likelihood_homogeneous: float
    mean_error: float | None
    rho_error: float | None
    limit: str
    reason: str = ""

    @property
    def ratio(self) -> float:
        """Twice the log-likelihood ratio against one rate for all problems, at least 0."""
        return max(0.0, 2 * (self.log_likelihood - self.log_likelihood_homogeneous))

    @property
    def p_value(self) -> float:
        """Probability of a ratio this large if all problems have one rate; 1 where the fit is homogeneous."""
        from math import erfc, sqrt

        return 0.5 * erfc(sqrt(self.ratio / 2)) if self.ratio > 0 else 1.0


def with_pseudo(tails: Tails, weight: float = 0.5) -> Tails:
    """Return the tails with ``weight`` problems more that have one success and one failure each.

    >>> with_pseudo(Tails.of([2], [2])).failures.tolist()
    [0.5, 0.0]
    """
    longest = max(len(tails.trials), 2)

    def more(counts: Floats, ones: int) -> Floats:
        out = np.zeros(longest)
        out[: len(counts)] = counts
        out[:ones] += weight
        return out

    return Tails(more(tails.successes, 1), more(tails.failures, 1), more(tails.trials, 2))


def log_likelihood_derivatives(tails: Tails, mean: float, rho: float) -> tuple[Floats, Floats]:
    """Return the gradient (2,) and the Hessian (2, 2) of the log-likelihood with respect to mean and rho, in the open square."""
    i = np.arange(len(tails.trials), dtype=float)
    up, down = 1 / (mean * (1 - rho) + i * rho), 1 / ((1 - mean) * (1 - rho) + i * rho)
    rest = (i - 1) / (1 - rho + i * rho)
    first, second = tails.successes * up, tails.failures * down
    # Derivatives of the logarithms' arguments: (1 - rho, i - m) for a success, (-(1 - rho), i - 1 + m) for a failure.
    one, other = i - mean, i - (1 - mean)
    gradient = np.array([
        (1 - rho) * (first.sum() - second.sum()),
        (first * one).sum() + (second * other).sum() - (tails.trials * rest).sum(),
    ])  # fmt: skip
    by_mean = -((1 - rho) ** 2) * ((first * up).sum() + (second * down).sum())
    mixed = second.sum() - first.sum() - (1 - rho) * ((first * up * one).sum() - (second * down * other).sum())
    by_rho = (tails.trials * rest**2).sum() - (first * up * one**2).sum() - (second * down * other**2).sum()
    return gradient, np.array([[by_mean, mixed], [mixed, by_rho]])


def fit_beta_rate(tails: Tails) -> BetaFit:
    """Fit mean and rho to the sequences of trials of problems.

    >>> fit = fit_beta_rate(Tails.of(successes=[0, 1, 4, 5, 0, 3], trials=[5, 5, 5, 5, 4, 6]))
    >>> round(fit.rate.mean, 3), round(fit.rate.rho, 3), fit.limit
    (0.418, 0.489, '')
    >>> fit_beta_rate(Tails.of([1, 1], [2, 2])).limit
    'homogeneous'
    """
    if not len(tails.trials) or tails.trials[0] <= 0:
        return BetaFit(None, 0.0, 0.0, None, None, "", "there are no trials")
    pooled = BetaRate(tails.mean)
    base = pooled.log_likelihood(tails)
    if pooled.mean in (0.0, 1.0):
        return BetaFit(pooled, base, base, None, None, "one outcome")
    best, value = pooled, base
    if tails.mixed <= 0:
        polar = BetaRate(float(tails.successes[0] / tails.trials[0]), 1.0)
        if polar.log_likelihood(tails) > value:
            best, value = polar, polar.log_likelihood(tails)
    if len(tails.trials) > 1:
        for start in (0.05, 0.5):
            inner = _search(tails, pooled.mean, start)
            found = inner.log_likelihood(tails)
            # Strictly better by more than rounding: else the limit, which says the same with one parameter less.
            if found > value + 1e-9 * (1 + abs(value)):
                best, value = inner, found
    errors = _errors(tails, best)
    limit = {0.0: "homogeneous", 1.0: "all or nothing"}.get(best.rho, "")
    return BetaFit(best, value, base, *errors, limit)


def _search(tails: Tails, mean: float, rho: float) -> BetaRate:
    from scipy.optimize import minimize

    def objective(point: Floats) -> tuple[float, Floats]:
        m, r = (float(x) for x in point)
        return -BetaRate(m, r).log_likelihood(tails), -log_likelihood_derivatives(tails, m, r)[0]

    bounds = [(_EDGE, 1 - _EDGE)] * 2
    # Not L-BFGS-B: its linear algebra goes through threaded BLAS, which on two variables costs some 40 times as much.
    result = minimize(objective, [mean, rho], jac=True, method="TNC", bounds=bounds,
                      options={"ftol": 1e-15, "xtol": 1e-12, "gtol": 1e-9, "maxfun": 1000})  # fmt: skip
    return BetaRate(*(float(x) for x in result.x))


def _errors(tails: Tails, rate: BetaRate) -> tuple[float | None, float | None]:
    """Standard errors from the observed information."""
    if not 0 < rate.mean < 1:
        return None, None
    if rate.rho in (0.0, 1.0) or rate.rho < 2 * _EDGE:
        units = tails.trials.sum() if rate.rho == 0 else tails.trials[0]
        return float(np.sqrt(rate.mean * (1 - rate.mean) / units)), None
    (a, b), (_, c) = -log_likelihood_derivatives(tails, rate.mean, rate.rho)[1]
    product = a * c - b * b
    if a <= 0 or product <= 0:
        return None, None
    return float(np.sqrt(c / product)), float(np.sqrt(a / product))

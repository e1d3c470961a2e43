r"""What a log says about decisions that its model did not take: the mean over problems of any function of p, without bias.

An episode of at most M answers has c correct ones among n with probability

.. math:: P(c, n \mid p) = k(c, n)\, p^c (1-p)^{n-c},

k being the total chance of the decisions on all orders of the answers that end there. Hard problems give more answers, so that no
mean over answers is a mean over problems. But a *score* r(c, n) with

.. math:: \sum_{c, n} P(c, n \mid p)\, r(c, n) = h(p) \quad \text{for every } p

has the mean h(p_x) on every problem, and its mean over problems estimates E[h(p_x)] whatever the distribution of p_x is: each
problem counts once, and nothing is assumed of how problems differ. With h the accuracy under other decisions this reweights
episodes by how likely those decisions would have made them, in the way that needs the least variance.

Where decisions rarely go on, such a score has a large variance. So the score minimises the squared error of the equation above
plus a multiple of its variance. The multiple is chosen for the shortest interval that allows for the largest error over all p,
the *bias* that no distribution of p_x can exceed: half its width is the quantile of :math:`|N(bias, error^2)|`.

Source: derived here; intervals that allow for a worst-case bias, Donoho (1994), Armstrong and Kolesar (2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike

from dstheory.anatomy.rates import Estimate, normal_quantile, student_quantile
from dstheory.checks import Floats, Ints, readonly
from dstheory.texts import counted

MOST_ANSWERS = 24  # of an episode that a score looks at; how far a polynomial of this degree is from h counts as bias
GRID = 0.5 - 0.5 * np.cos(np.pi * np.arange(201) / 200)
"""Values of p at which functions of p are given. Between these Chebyshev points the error of a score, a polynomial of degree 24
at most, exceeds its largest value at them by less than 2 %."""
_RIDGES: Floats = 10.0 ** np.arange(-12.0, 3.0)


@lru_cache
def _polynomials(degree: int) -> Floats:
    """(p, degree + 1) an orthonormal basis, on the grid, of the polynomials of a degree."""
    return readonly(np.linalg.qr(np.polynomial.chebyshev.chebvander(2 * GRID - 1, degree))[0])


@lru_cache
def outcomes(longest: int) -> tuple[Ints, Ints]:
    """Return (n, c) of all outcomes of an episode of at most ``longest`` answers.

    >>> [x.tolist() for x in outcomes(2)]
    [[1, 1, 2, 2, 2], [0, 1, 0, 1, 2]]
    """
    n = np.repeat(np.arange(1, longest + 1), np.arange(2, longest + 2))
    return readonly(n), readonly(np.concatenate([np.arange(k + 1) for k in range(1, longest + 1)]))


def outcome_chances(longest: int, a: float, b: float, p: Floats | None = None) -> Floats:
    """Return (p, outcomes) the chance of each outcome, on the grid or for these values of p.

    >>> outcome_chances(2, 0.9, 0.7, np.array([0.5])).round(4).tolist()
    [[0.15, 0.45, 0.175, 0.2, 0.025]]
    """
    n, c = outcomes(longest)
    wrong, last = n - c, n == longest  # no decision counts after the last answer
    ends_right, ends_wrong = _orders(longest)
    ends_right = ends_right * (1 - a) ** np.maximum(c - 1, 0) * b**wrong * np.where(last, 1.0, a)
    ends_wrong = ends_wrong * (1 - a) ** c * b ** np.maximum(wrong - 1, 0) * np.where(last, 1.0, 1 - b)
    answers = _answer_chances(longest) if p is None else p[:, None] ** c * (1 - p[:, None]) ** wrong
    return np.asarray((ends_right + ends_wrong) * answers)


@lru_cache
def _orders(longest: int) -> tuple[Floats, Floats]:
    """(outcomes,) the number of orders of the answers that end with a right one, and with a wrong one."""
    from scipy.special import comb

    n, c = outcomes(longest)
    return readonly(comb(n - 1, c - 1)), readonly(comb(n - 1, c))


@lru_cache
def _answer_chances(longest: int) -> Floats:
    n, c = outcomes(longest)
    return readonly(GRID[:, None] ** c * (1 - GRID[:, None]) ** (n - c))


@dataclass(frozen=True, eq=False)
class Score:
    """A score of the outcomes of an episode.

    Attributes:
        values: (outcomes,) r.
        bias: largest error of its mean over all p.
        ridge: (1,) what was chosen in the least squares.
    """

    values: Floats
    bias: float
    ridge: Floats


@dataclass(frozen=True, eq=False)
class Design:
    """Episodes that scores are made for.

    Attributes:
        longest: M.
        a, b: of the model whose episodes they are.

    >>> design = Design(2, 0.9, 0.7)
    >>> score = design.fit(GRID**2, episodes=10**9, level=0.95)
    >>> score.bias < 1e-6, (outcome_chances(2, 0.9, 0.7, np.array([0.3])) @ score.values).round(5).tolist()
    (True, [0.09])
    """

    longest: int
    a: float
    b: float

    @cached_property
    def chances(self) -> Floats:
        """(p, outcomes) on the grid."""
        return outcome_chances(self.longest, self.a, self.b)

    @cached_property
    def weight(self) -> Floats:
        """(outcomes,) how probable an outcome is taken to be where variance is concerned: as if p were spread over all of [0, 1].

        Not as often as it was seen: a score that is fitted to the outcomes of its own log looks more exact than it is.
        """
        return np.asarray(self.chances.mean(axis=0))

    @cached_property
    def _parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Root of the weights, and the singular value decomposition of the chances over it: polynomials of degree M in p."""
        root = np.sqrt(np.where(self.weight > 0, self.weight, np.inf))  # what cannot happen has no say
        basis = _polynomials(self.longest)
        left, singular, right = np.linalg.svd(basis.T @ (self.chances / root), full_matrices=False)
        return root, basis @ left, singular, right

    def solve(self, h: Floats, ridge: Floats, centre: float) -> Floats:
        """Return (ridges, outcomes) values r that minimise mean((chances r - h)^2) + ridge sum(weight (r - centre)^2)."""
        root, left, singular, right = self._parts
        rest = left.T @ (h - centre * self.chances.sum(axis=1))
        return np.asarray(centre + (singular / (singular**2 + ridge[:, None] * len(h)) * rest) @ right / root)

    def fit(self, h: Floats, *, episodes: int, level: float) -> Score:
        """Choose a score for a function of p on the grid, for the shortest interval of this level from so many episodes."""
        if not h.any():
            return Score(np.zeros(len(self.weight)), 0.0, _RIDGES[-3:-2])
        centre = float(h.mean())
        for _ in range(2):  # the best centre is the mean of the score, which takes a first score to know
            values = self.solve(h, _RIDGES, centre)
            bias = np.abs(values @ self.chances.T - h).max(axis=1)
            error = np.sqrt((values - (values @ self.weight)[:, None]) ** 2 @ self.weight / episodes)
            best = int(np.argmin(half_width(error, bias, level)))
            centre = float(self.weight @ values[best])
        return Score(values[best], float(bias[best]), _RIDGES[best : best + 1])

    def change(self, score: Score, seen: Floats, h: Floats, chances: Floats) -> float:
        """Return how a score's mean over the outcomes seen (shares) changes with small changes of h and of the chances.

        With chances r = h and G the distribution of p, the mean changes by the mean of dh - d(chances) r over G, which is
        estimated as the mean of any function of p is.
        """
        moved = h - chances @ score.values
        return float(seen @ self.solve(moved, score.ridge, float(moved.mean()))[0])


def allowing_for_bias(value: float, error: float, bias: float, *, level: float, units: int) -> Estimate:
    """Return an estimate with the interval that covers at its level whatever the bias is, up to ``bias``.

    Args:
        value, error, bias: the estimate, its standard error, the largest absolute bias.
        level: coverage.
        units: number of problems behind the standard error, for Student's quantile.

    >>> [allowing_for_bias(0.0, 1.0, bias, level=0.95, units=10**9).text(2) for bias in (0.0, 5.0)]
    ['0.00 [-1.96, 1.96]', '0.00 [-6.64, 6.64]']
    """
    student = student_quantile(max(units - 1, 1), level) / normal_quantile(level)
    half = float(half_width(error * student, bias, level))
    text = f"normal, {counted(units, 'problem')}" + (f", bias of at most {bias:.2g} allowed for" if bias > 0 else "")
    return Estimate(value, value - half, value + half, level, text)


def half_width(error: ArrayLike, bias: ArrayLike, level: float) -> Floats:
    r"""Return the quantile of :math:`|N(bias, error^2)|`, elementwise.

    >>> half_width([1.0, 0.0], [0.0, 0.2], 0.95).round(3).tolist()
    [1.96, 0.2]
    """
    from scipy.special import ndtr

    error, bias = np.asarray(error, dtype=float), np.asarray(bias, dtype=float)
    t = np.divide(bias, error, out=np.zeros(error.shape), where=error > 0)
    x = t + normal_quantile(level)
    for _ in range(100):  # Newton, from above; the error after a step is of the order of its square
        density = np.exp(-0.5 * (x - t) ** 2) + np.exp(-0.5 * (x + t) ** 2)
        step = (ndtr(x - t) - ndtr(-x - t) - level) * np.sqrt(2 * np.pi) / density
        x = np.maximum(x - step, 0.0)
        if (np.abs(step) <= 1e-9 * x).all():
            break
    return np.asarray(np.where(error > 0, x * error, bias))

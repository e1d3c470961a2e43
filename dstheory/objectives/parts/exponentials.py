r"""One over a length as a sum of exponentials: how averages over tokens become exact.

.. math:: \frac1L = \int_0^\infty e^{-tL} \, dt = \int_{-\infty}^\infty e^{u - L e^u} \, du
    \approx \sum_j w_j e^{-t_j L}, \qquad L_{min} \le L \le L_{max}.

An exponential of a length factors over the turns of a response and over the members of a group, so the expectation of anything
over :math:`L`, or over a sum of lengths, is a short sum of expectations that have closed forms (a chain discounted by
:math:`e^{-t l}` for every l tokens). The trapezoidal rule in u with step h has relative error
:math:`2 |\Gamma(1 + 2 \pi i / h)| \approx 4 \pi h^{-1/2} e^{-\pi^2/h}`, for every L alike: below 2e-13 for h = 0.3. What lies
to the left of :math:`1/L_{max}` is gathered into a Gauss rule of six nodes, what lies right of :math:`37/L_{min}` is below 1e-16.

Source: exponential sums for 1/x after Braess and Hackbusch (2005); the use for normalisers is derived here.
"""

from __future__ import annotations

import functools

import numpy as np

from dstheory.checks import Floats, readonly

__all__ = ["reciprocal"]

_STEP = 0.3
_TAIL_NODES = 6


@functools.lru_cache(maxsize=64)
def reciprocal(shortest: float, longest: float) -> tuple[Floats, Floats]:
    """Return nodes t and weights w, (J,) each, with sum of w exp(-t L) = 1/L to 1e-12 relative for all L in between.

    Args:
        shortest, longest: the range of L, 0 < shortest <= longest.

    >>> t, w = reciprocal(2.0, 1000.0)
    >>> len(t), [round(float((w * np.exp(-t * L)).sum() * L), 12) for L in (2.0, 33.3, 1000.0)]
    (41, [1.0, 1.0, 1.0])
    """
    first = int(np.floor(np.log(1.0 / longest) / _STEP))
    last = int(np.ceil(np.log(37.0 / shortest) / _STEP))
    t = np.exp(_STEP * np.arange(first, last + 1))
    tail_t, tail_w = _gauss_tail()
    scale = np.exp(_STEP * first)
    return readonly(np.concatenate([scale * tail_t, t])), readonly(np.concatenate([scale * tail_w, _STEP * t]))


@functools.cache
def _gauss_tail() -> tuple[Floats, Floats]:
    """Return the Gauss rule of the left tail, the points exp(-h), exp(-2h), ... with weights h times themselves.

    Lanczos on the diagonal matrix of the points; its tridiagonal matrix has the nodes as eigenvalues (Golub and Welsch 1969).
    """
    points = np.exp(-_STEP * np.arange(1, 140))  # beyond, the weights sum to less than 1e-18
    weights = _STEP * points
    total = weights.sum()
    basis = [np.sqrt(weights / total)]
    diagonal, off = [], []
    for _ in range(_TAIL_NODES):
        here = basis[-1]
        diagonal.append(float(here @ (points * here)))
        rest = points * here
        for vector in (*basis, *basis):  # twice is enough to stay orthogonal
            rest = rest - vector * (vector @ rest)
        off.append(float(np.linalg.norm(rest)))
        basis.append(rest / off[-1])
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off[:-1], 1) + np.diag(off[:-1], -1))
    return readonly(nodes), readonly(total * vectors[0] ** 2)

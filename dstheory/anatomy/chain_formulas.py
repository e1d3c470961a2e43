r"""What a chain with known p, a, b does: accuracy, number of attempts, chance of a stop, for any cap.

With q = p(1-a) + (1-p)b the chance that an attempt is followed by another, and at most T attempts:

.. math::
    P(\text{attempt } k+1 \text{ takes place}) = q^k, \qquad E[K] = \frac{1 - q^T}{1 - q}, \qquad
    Acc_{\text{submit}} = p a \frac{1 - q^{T-1}}{1 - q} + q^{T-1} p, \qquad
    Acc_{\text{wrong}} = p a \frac{1 - q^T}{1 - q} .

*submit*: at the cap no decision is drawn, the last answer is submitted. *wrong*: the decision is drawn there too, and an episode
without a stop counts as wrong. Without a cap both are p a/(1-q). A chain that never stops (q = 1) without a cap submits nothing:
its accuracy is 0 and its number of attempts infinite.

These are claim G1; A3 to A5 say what follows from them.

Source: arXiv 2601.01580, section 3; the capped forms are derived here (claims A2-cap, G1).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, whole_number
from dstheory.errors import RecordError

Unstopped = Literal["submit", "wrong"]
"""What becomes of an episode that does not stop before its cap."""


def _check_unstopped(unstopped: str) -> None:
    if unstopped not in ("submit", "wrong"):
        raise RecordError(f"unstopped is {unstopped!r}: must be 'submit' (the last answer counts) or 'wrong'")


def resampling(p: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return q, the chance that an attempt is followed by another.

    >>> round(float(resampling(0.4, 0.9, 0.7)), 3)
    0.46
    """
    p, a, b = (np.asarray(x, dtype=float) for x in (p, a, b))
    return np.asarray(p * (1 - a) + (1 - p) * b)


def ending(p: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Return 1 - q, the chance that an attempt is the last: p a + (1-p)(1-b), which keeps the digits that 1 - q loses near q = 1.

    >>> float(ending(0.5, 1e-20, 1.0))
    5e-21
    """
    p, a, b = (np.asarray(x, dtype=float) for x in (p, a, b))
    return np.asarray(p * a + (1 - p) * (1 - b))


def geometric_sum(rest: ArrayLike, terms: int | None) -> Floats:
    """Return 1 + q + ... + q^(terms-1) of q = 1 - ``rest``, exactly ``terms`` at q = 1; for None the whole series, 1/``rest``.

    >>> geometric_sum([0.5, 0.0], 3).tolist(), geometric_sum([0.5, 0.0], None).tolist()
    ([1.75, 3.0], [2.0, inf])
    """
    rest = np.asarray(rest, dtype=float)
    if terms == 0:
        return np.zeros(rest.shape)  # the form below is 0 times log 0 at q = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        if terms is None:
            return np.asarray(1 / rest)
        return np.asarray(np.where(rest > 0, -np.expm1(terms * np.log1p(-rest)) / rest, float(terms)))


def accuracy(p: ArrayLike, a: ArrayLike, b: ArrayLike, cap: int = 0, *, unstopped: Unstopped = "submit") -> Floats:
    """Return the accuracy of submitted answers, elementwise.

    Args:
        p, a, b: probabilities; shapes that broadcast.
        cap: T; 0 for none.
        unstopped: "submit" or "wrong".

    >>> [round(float(accuracy(0.4, 0.9, 0.7, T)), 4) for T in (1, 2, 3, 0)]
    [0.4, 0.544, 0.6102, 0.6667]
    >>> round(float(accuracy(0.4, 0.9, 0.7, 3, unstopped="wrong")), 4)
    0.6018
    """
    _check_unstopped(unstopped)
    limit = whole_number(cap, "cap", low=0, otherwise="; 0 is none")
    p, a, stop = np.asarray(p, dtype=float), np.asarray(a, dtype=float), ending(p, a, b)
    stop_right = p * a
    if limit == 0:
        return np.asarray(np.divide(stop_right, stop, out=np.zeros(stop.shape), where=stop > 0))
    if unstopped == "wrong":
        return np.asarray(stop_right * geometric_sum(stop, limit))
    return np.asarray(stop_right * geometric_sum(stop, limit - 1) + resampling(p, a, b) ** (limit - 1) * p)


def stopping(p: ArrayLike, a: ArrayLike, b: ArrayLike, cap: int = 0, *, unstopped: Unstopped = "submit") -> Floats:
    """Return the chance that an episode ends by a stop of the model's own: 1 - q^(T-1), or 1 - q^T where it may stop at the cap.

    >>> round(float(stopping(0.4, 0.9, 0.7, 3)), 4), float(stopping(0.4, 0.9, 0.7))
    (0.7884, 1.0)
    """
    _check_unstopped(unstopped)
    stop = ending(p, a, b)
    if cap == 0:
        return np.asarray(np.where(stop > 0, 1.0, 0.0))
    return np.asarray(stop * geometric_sum(stop, cap - (unstopped == "submit")))


def attempts(p: ArrayLike, a: ArrayLike, b: ArrayLike, cap: int = 0) -> Floats:
    """Return the expected number of attempts, (1 - q^T)/(1 - q).

    >>> round(float(attempts(0.4, 0.9, 0.7, 3)), 4)
    1.6716
    """
    return geometric_sum(ending(p, a, b), whole_number(cap, "cap", low=0, otherwise="; 0 is none") or None)


def reaching(p: ArrayLike, a: ArrayLike, b: ArrayLike, rounds: int) -> Floats:
    """Return (rounds, ...) the chance that round k = 0, 1, ... takes place: q^k.

    >>> reaching(0.5, 1.0, 1.0, 3).tolist()
    [1.0, 0.5, 0.25]
    """
    q = resampling(p, a, b)
    return np.asarray(q ** np.arange(rounds).reshape(-1, *([1] * q.ndim)))

r"""Row by row over whole tables: small tables in NumPy, large ones through a compiled loop that reads each byte once.

Both functions take two tables of rows (X, ..., S), a coefficient per row and a weight per prompt, and return two numbers per row
and the gradient, which is written only on request. The two ways agree to rounding; which one is taken depends on the size alone.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dstheory.checks import Floats
from dstheory.tokens.rows import COMPILED_FROM, Rows, chi_square, expected_log, log_ratio, over_rows

__all__ = ["imitation", "imitation_numpy", "penalty", "penalty_numpy"]

Result = tuple[Floats, Floats, Floats | None]


def penalty(rows: Rows, reference: Rows, coefficient: Floats, rho: Floats, *, keep: bool) -> Result:
    """Return KL and variance of the log-ratio of every row, and rho x coefficient x p x (log-ratio - KL) or None.

    Args:
        rows, reference: (X, ..., S).
        coefficient: (X, ...); rows with coefficient 0 are skipped, and all their results are 0.
        rho: (X,) weight of each prompt in the gradient.
        keep: whether to return the gradient.
    """
    if rows.size < COMPILED_FROM:
        return penalty_numpy(rows, reference, coefficient, rho, keep=keep)
    from dstheory.tokens.kernels import penalty_rows

    return _compiled(penalty_rows, rows, reference, coefficient, rho, keep)


def imitation(rows: Rows, expert: Rows, coefficient: Floats, rho: Floats, *, keep: bool) -> Result:
    """Return sum E log p and chi2(E || p) of every row, and rho x coefficient x (E - p) or None; arguments as above."""
    if rows.size < COMPILED_FROM:
        return imitation_numpy(rows, expert, coefficient, rho, keep=keep)
    from dstheory.tokens.kernels import imitation_rows

    return _compiled(imitation_rows, rows, expert, coefficient, rho, keep)


def penalty_numpy(rows: Rows, reference: Rows, coefficient: Floats, rho: Floats, *, keep: bool) -> Result:
    """The same as :func:`penalty`, in NumPy: what a reader reads."""
    used = coefficient != 0.0
    excess, divergence = log_ratio(rows, reference)
    excess = np.where(used[..., None], excess, 0.0)
    pushed = rows.prob * excess
    variance = (pushed * excess).sum(axis=-1)
    return np.where(used, divergence, 0.0), variance, _factor(coefficient, rho)[..., None] * pushed if keep else None


def imitation_numpy(rows: Rows, expert: Rows, coefficient: Floats, rho: Floats, *, keep: bool) -> Result:
    """The same as :func:`imitation`, in NumPy."""
    used = coefficient != 0.0
    gradient = _factor(coefficient, rho)[..., None] * (expert.prob - rows.prob) if keep else None
    return np.where(used, expected_log(expert, rows), 0.0), np.where(used, chi_square(rows, expert), 0.0), gradient


def _factor(coefficient: Floats, rho: Floats) -> Floats:
    return coefficient * rho.reshape(-1, *(1,) * (coefficient.ndim - 1))


def _compiled(kernel: Callable[..., Any], rows: Rows, other: Rows, coefficient: Floats, rho: Floats, keep: bool) -> Result:
    """Run a kernel over blocks of rows, on all processors."""
    shape, width = rows.shape[:-1], rows.shape[-1]
    factor = _factor(coefficient, rho)
    # The loops skip rows with factor 0. Prompts of weight zero have no gradient, but numbers of their own all the same.
    inputs = [table.reshape(-1, width) if table.ndim == len(rows.shape) else table.ravel() for table in (
        rows.logits, rows.top, rows.total, other.logits, other.top, other.total,
        np.where((factor == 0.0) & (coefficient != 0.0), 1.0, factor),
    )]  # fmt: skip
    count = len(inputs[0])
    first, second = np.empty(count), np.empty(count)
    gradient = np.empty((count, width)) if keep else None

    def work(start: int, stop: int) -> None:
        part = slice(start, stop)
        kernel(*(table[part] for table in inputs), None if gradient is None else gradient[part], first[part], second[part])

    over_rows(work, count, width)
    if gradient is not None:
        gradient = gradient.reshape(rows.shape)
        if not rho.all():
            gradient[rho == 0.0] = 0.0
    return first.reshape(shape), second.reshape(shape), gradient

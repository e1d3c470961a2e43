"""Inputs in the one layout that the kernels are compiled for: contiguous float64 that the kernel may only read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FloatArray", "as_input", "as_table"]

FloatArray = NDArray[np.float64]


def as_input(values: ArrayLike, dtype: type[np.generic] = np.float64) -> NDArray[Any]:
    """Return a read-only contiguous view of `values`, copied only if dtype or layout differ.

    numba compiles again for every mixture of writable and read-only arguments; here all inputs are read-only.
    """
    view = np.require(values, dtype=dtype, requirements=["C", "A"]).view()
    view.flags.writeable = False
    return view


def as_table(values: ArrayLike, rows: int, columns: int, name: str) -> FloatArray:
    """Return a read-only table of shape (rows or 1, columns or 1); raise ValueError for any other shape."""
    table = as_input(values)
    if table.ndim == 0:
        table = table.reshape(1, 1)
    if table.ndim != 2 or table.shape[0] not in (1, rows) or table.shape[1] not in (1, columns):
        raise ValueError(
            f"{name} has shape {table.shape}: it must be a number or a table of {rows} or 1 rows and {columns} or 1 columns"
        )
    return table

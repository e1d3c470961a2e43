"""How a compiled loop is called: inputs in the one layout it is compiled for, memory for results, blocks of rows for all threads.

The loops hold no interpreter lock. Results do not depend on the number of threads: a block writes its own rows only.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

T = TypeVar("T")
FloatArray = NDArray[np.float64]

_BLOCKS_PER_THREAD = 8  # so that lopsided blocks even out
_SMALLEST = 1 << 22  # bytes; smaller results are served quickly by the allocator
_KEPT = 128_000_000  # bytes of results in total, whether in use or not
_SCALED = 1 << 15  # numbers of a table that are multiplied at least, to be worth a thread
_limit = 1 << 30
_lock = threading.Lock()
_buffers: list[FloatArray] = []


def limit_threads(most: int) -> None:
    """Use at most this many threads in this process from now on: its share of the processors where several processes work."""
    global _limit
    _limit = most


def available_threads() -> int:
    """Return the number of processors that this process may use, or :func:`limit_threads`, if that is less."""
    if hasattr(os, "sched_getaffinity"):
        return min(_limit, len(os.sched_getaffinity(0)))
    return min(_limit, os.cpu_count() or 1)


def blocks(rows: int, smallest: int, largest: int, threads: int) -> list[tuple[int, int]]:
    """Cut range(rows) into contiguous blocks of `smallest` to `largest` rows each (the last may be shorter)."""
    size = max(min(max(-(-rows // (threads * _BLOCKS_PER_THREAD)), smallest), largest), 1)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def run_blocks(work: Callable[[int, int], T], pieces: list[tuple[int, int]], threads: int) -> list[T]:
    """Call work(start, stop) for every piece and return the results in order; an interrupt drops what has not begun."""
    if threads == 1 or len(pieces) <= 1:
        return [work(start, stop) for start, stop in pieces]
    with ThreadPoolExecutor(max_workers=min(threads, len(pieces))) as pool:
        futures = [pool.submit(work, start, stop) for start, stop in pieces]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def over_rows(work: Callable[[int, int], T], rows: int, smallest: int, largest: int, threads: int | None = None) -> list[T]:
    """Call work(start, stop) on blocks of `smallest` to `largest` rows, on all available processors unless `threads` is given."""
    workers = available_threads() if threads is None else threads
    return run_blocks(work, blocks(rows, smallest, largest, workers), workers)


def scale_rows(tables: tuple[FloatArray, ...], factor: float) -> None:
    """Multiply (X, Y) tables by a number, in place."""

    def work(start: int, stop: int) -> None:
        for table in tables:
            table[start:stop] *= factor

    rows, width = tables[0].shape
    over_rows(work, rows, max(1, _SCALED // width), max(1, 8 * _SCALED // width))


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


def rows_of(table: FloatArray, rows: slice, width: int) -> FloatArray:
    """Return the rows of a table of shape (X or 1, Y or 1) as (block or 1, Y); only a column is copied, a block of it."""
    part = table[rows] if table.shape[0] > 1 else table
    return part if part.shape[1] == width else as_input(np.repeat(part, width, axis=1))


def _unused(buffers: list[FloatArray], size: int) -> FloatArray | None:
    """Return the first buffer of this size that is referred to by nothing but the list, or None."""
    for buffer in buffers:
        if buffer.size == size and sys.getrefcount(buffer) <= _REFERENCES_IF_UNUSED:
            return buffer
    return None


def _references_if_unused() -> int:
    """Return what getrefcount says inside a loop like the one above of an array that only a list holds."""
    for buffer in [np.empty(1)]:
        return sys.getrefcount(buffer)
    raise AssertionError


_REFERENCES_IF_UNUSED = _references_if_unused()
# Without the interpreter's lock a count says nothing about other threads.
_EXACT_COUNTS = getattr(sys, "_is_gil_enabled", lambda: True)()


def empty(shape: tuple[int, int]) -> FloatArray:
    """Return an uninitialised float64 array for a result, in memory that was used before if there is some.

    A fresh array of 50 MB costs as much as a third of the arithmetic that fills it: the operating system hands out its pages one
    by one, cleared. A result in use is never touched: every view of it holds a reference to the buffer it lies in, and a buffer
    is free only if this module's own reference is the last one.

    Example:
        >>> first = empty((1000, 1000))
        >>> address = first.ctypes.data
        >>> empty((1000, 1000)).ctypes.data == address
        False
        >>> del first
        >>> empty((1000, 1000)).ctypes.data == address
        True
    """
    size = shape[0] * shape[1]
    if not _SMALLEST <= 8 * size <= _KEPT or not _EXACT_COUNTS:
        return np.empty(shape)
    with _lock:
        buffer = _unused(_buffers, size)
        if buffer is None:
            buffer = np.empty(size)
            _buffers.append(buffer)
            while sum(kept.nbytes for kept in _buffers) > _KEPT:
                del _buffers[0]  # the oldest; if in use, it lives on with its owner
        return buffer.reshape(shape)

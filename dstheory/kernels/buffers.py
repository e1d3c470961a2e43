"""Memory for large results, kept for the next call.

A fresh array of 50 MB costs as much as a third of the arithmetic that fills it: the operating system hands out its pages one
by one, cleared. So the memory of a result that nobody refers to any more is used again, up to a fixed amount in total. A
result in use is never touched: every view of it holds a reference to the buffer it lies in, and a buffer is free only if
this module's own reference is the last one.
"""

from __future__ import annotations

import sys
import threading

import numpy as np

from dstheory.kernels.arrays import FloatArray

__all__ = ["empty"]

_SMALLEST = 1 << 22  # bytes; smaller arrays are served quickly by the allocator
_KEPT = 128_000_000  # bytes in total, whether in use or not

_lock = threading.Lock()
_buffers: list[FloatArray] = []


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
    """Return an uninitialised float64 array, in memory that was used before if there is some.

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

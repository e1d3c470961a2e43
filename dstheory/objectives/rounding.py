"""The direction in which this thread rounds: to the nearest number as a rule, all down or all up to see what rounding does.

The directions are set by the C library; where it cannot be asked, there is none but the nearest.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

# C's codes of the directions differ between processors and systems: those of x86, of ARM and of Windows are tried.
_CODES = (0x400, 0x800, 0x400000, 0x800000, 0x100, 0x200)
_MOST_KEPT = 64
_LAST = np.finfo(np.float64).eps
_MOST_CHANGED = 4  # digits of an entry's last place, up or down
_CODES_OF_CHANGES = (2 * _MOST_CHANGED + 1) ** 2  # of the changes in both directions
_BESIDE = 32  # shares no factor with their number
_thread = threading.local()


@functools.cache
def _library() -> tuple[Callable[[int], int], int, tuple[int, ...]]:
    """Return C's function, its code for the nearest number, and its codes for down and for up, if there are both."""
    try:
        library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
        turn, nearest = library.fesetround, int(library.fegetround())
    except (OSError, AttributeError):
        return (lambda code: 1), 0, ()
    one, little, found = np.ones(1), np.full(1, 1e-20), {}
    for code in _CODES:
        try:
            if turn(code) == 0:
                found[bool(one - little < one), bool(one + little > one)] = code
        finally:
            turn(nearest)
    down, up = found.get((True, False)), found.get((False, True))
    return turn, nearest, () if down is None or up is None else (down, up)


def directions() -> tuple[int, ...]:
    """Return what :func:`rounded` takes for down and for up; nothing where directions cannot be set."""
    return _library()[2]


@functools.cache
def shows_underflow() -> bool:
    """Return whether exponentials too small for numbers are 0 rounded down and more rounded up: not of every library."""
    if not directions():
        return False
    with rounded(directions()[1]):
        return bool((np.exp(np.linspace(-800.0, -750.0, 99)) > 0).all())


@contextmanager
def rounded(direction: int) -> Iterator[None]:
    """Round every operation of this thread in one direction.

    >>> third = np.array(1.0) / np.array(3.0)
    >>> for direction in directions():
    ...     with rounded(direction):
    ...         assert abs(np.array(1.0) / np.array(3.0) - third) < 1e-16
    """
    turn, nearest, _ = _library()
    _thread.direction = direction
    try:
        turn(direction)
        yield
    finally:
        turn(nearest)
        _thread.direction = None


def directed() -> bool:
    """Return whether this thread rounds in one direction now: what it computes is not to be kept."""
    return getattr(_thread, "direction", None) is not None


def unlike(table: NDArray[np.float64], number: int = 0) -> NDArray[np.float64]:
    """Return a table, in a direction with the last digits of its entries changed unlike, in each direction otherwise.

    Terms that cancel to the last digit may be rounded alike in all directions: what was lost of them would stay unseen. Any two
    entries of a table, of 81 at most, change by other digits in one direction at least, and so do those at one place of tables of
    one size; in larger tables one pair in 81 does not. Digits that are up or down at random are alike in every fourth.

    Args:
        table: of such terms.
        number: of the table, where several are added up.
    """
    if not directed():
        return table
    codes = np.random.default_rng(table.size).choice(_CODES_OF_CHANGES, size=table.shape, replace=table.size > _CODES_OF_CHANGES)
    both = np.divmod((codes + _BESIDE * number) % _CODES_OF_CHANGES, 2 * _MOST_CHANGED + 1)
    change = both[directions().index(_thread.direction)] - _MOST_CHANGED
    return np.asarray(table * (1.0 + change * _LAST))


def rounding_of(size: NDArray[np.float64], *, answers: bool = False, minus: bool = False) -> NDArray[np.float64]:
    """Return, in a direction, by what sums are moved to show what the rounding of their terms may add.

    Terms that cancel may be rounded alike in all directions. However many they are, what was lost of them is seen where each sum
    is moved by four last places of the sizes of its terms: up, or down with ``minus``, so that the difference of two sums
    moves by both. Those of the answers of a row, which are compared with their mean, move alike in one direction, and by turns
    up and down in the other.

    Args:
        size: the sum of the absolute values of the terms of each sum.
        answers: whether the last axis is such a row.
        minus: whether the sums move down.
    """
    change = (-1.0 if minus else 1.0) * _MOST_CHANGED * _LAST * size
    if answers and _thread.direction == directions()[0]:
        change[..., 1::2] *= -1.0
    return np.asarray(change)


def kept(function: Callable[..., T]) -> Callable[..., T]:
    """Return a function of hashable arguments that keeps its results, those of ordinary rounding alone."""
    results: dict[tuple[Any, ...], T] = {}

    @functools.wraps(function)
    def of(*args: Any) -> T:
        if args in results:
            return results[args]
        found = function(*args)
        if not directed():
            if len(results) >= _MOST_KEPT:
                results.clear()
            results[args] = found
        return found

    return of

"""Checks that name the place: which prompt, which answer, which value, which rule, what to do."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dstheory.errors import ChainError

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]

_AXES = ("prompt", "answer")
_SHOWN = 3  # the first few offenders are named, the rest counted


class Immutable:
    """Base of objects whose attributes are set once, by :meth:`_set` in the constructor: a copy is the object itself."""

    _instead: ClassVar[str]  # what to do instead of setting {name}

    def _set(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {self._instead.format(name=name)}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def readonly(array: NDArray[Any]) -> NDArray[Any]:
    """Return a fresh array, which nobody else holds, with writing refused."""
    array.flags.writeable = False
    return array


class _Sealed:
    """What holds the memory of an array that :func:`sealed` returned."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.__array_interface__ = array.__array_interface__


def sealed(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that :func:`frozen` keeps without a copy, although its memory is another library's: nobody else has it.

    >>> import pyarrow as pa
    >>> given = sealed(pa.array([1.0, 2.0]).to_numpy())
    >>> frozen(given) is given
    True
    """
    return readonly(np.asarray(_Sealed(readonly(array))))


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that nobody can change: itself if its memory refuses writes already, a copy if somebody may write to it.

    The copy of a table that repeats one number along an axis takes memory for that number only.

    >>> given = np.zeros(2)
    >>> kept = frozen(given)
    >>> given[0] = 7.0
    >>> kept.tolist(), frozen(kept) is kept
    ([0.0, 0.0], True)
    """
    holder: object = array
    while isinstance(holder, np.ndarray) and not holder.flags.writeable:
        holder = holder.base
    if holder is None or isinstance(holder, _Sealed):
        return array
    own = readonly(np.array(compact(array), order="C"))
    return np.broadcast_to(own, array.shape) if own.shape != array.shape else own


def compact(table: NDArray[Any]) -> NDArray[Any]:
    """Return a (..., X, Y) table without the axes along which it repeats one number: they cost no bytes to read.

    >>> compact(np.broadcast_to(np.arange(3.0), (2, 3))).shape
    (1, 3)
    """
    return table[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in table.strides)]


def float_array(value: ArrayLike, what: str, *, empty: bool = False) -> Floats:
    """Convert to float64; raise ChainError if the entries are not numbers, or there are none and it may not be ``empty``."""
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biufO" or not (array.size or empty) or (array.dtype.kind == "O" and None in array):
            raise TypeError(f"{array.size} entries of type {array.dtype}")  # NumPy would take None for NaN
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise ChainError(
            f"{what}: {reprlib.repr(value)} is not an array of numbers; give a number or a rectangular array"
        ) from error


def probability(value: ArrayLike, what: str, remedy: str) -> Floats:
    """Return an array of probabilities, or of other numbers between 0 and 1.

    Raises:
        ChainError: an entry outside [0, 1].
    """
    array = float_array(value, what)
    reject(~((array >= 0) & (array <= 1)), array, what, "must lie in [0, 1]", remedy, axes=())
    return array


def is_whole(values: NDArray[Any]) -> Bools:
    """Return which numbers are whole; NaN is not, nor does it warn in whatever form a file holds it.

    Example:
        >>> is_whole(np.array([2.0, 2.5, np.nan])).tolist()
        [True, False, False]
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(values == np.floor(values))


def whole_number(value: Any, what: str, *, low: int, otherwise: str = "") -> int:
    """Return an int; raise ChainError unless the value is a whole number >= ``low``.

    >>> whole_number(2.5, "steps", low=0)
    Traceback (most recent call last):
        ...
    dstheory.errors.ChainError: steps is 2.5: must be a whole number >= 0
    """
    try:
        number = int(value)
        exact = bool(number == value) and not isinstance(value, (bool, np.bool_))
    except (TypeError, ValueError, OverflowError):
        number, exact = 0, False
    if not exact or number < low:
        raise ChainError(f"{what} is {reprlib.repr(value)}: must be a whole number >= {low}{otherwise}")
    return number


def numbers_only(record: Any) -> None:
    """Raise ChainError for a setting that has a number as its default and is given as something else.

    Python counts with True as with 1, so that a switch in the place of a number would go unseen: among several numbers, too.

    >>> from dstheory.objectives import NFT
    >>> NFT(floor=True)
    Traceback (most recent call last):
        ...
    dstheory.errors.ChainError: floor is True: must be a number, not of type bool; give 1.0 for the default
    """
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, tuple) and any(isinstance(part, (bool, np.bool_)) for part in value):
            raise ChainError(f"{field.name} is {reprlib.repr(value)}: must hold numbers, not of type bool; give 1.0 or 0.0")
        number = isinstance(field.default, (int, float)) and not isinstance(field.default, bool)
        if number and not _holds_numbers(value):
            integer = isinstance(value, int) and not isinstance(value, bool)
            rule = "at most 1.8e308 in size" if integer else f"a number, not of type {type(value).__name__}"
            raise ChainError(f"{field.name} is {reprlib.repr(value)}: must be {rule}; give {field.default} for the default")


def _holds_numbers(value: Any) -> bool:
    with suppress(ChainError):
        float_array(value, "")
        return np.asarray(value).dtype.kind != "b"
    return False


def reject(
    bad: NDArray[np.bool_] | np.bool_,
    values: ArrayLike,
    what: str,
    rule: str,
    remedy: str,
    *,
    axes: Sequence[str] = _AXES,
    prompts: Sequence[str] | None = None,
) -> None:
    """Raise ChainError naming the first offending entries of ``values`` where ``bad`` is true; do nothing if none is.

    The last ``len(axes)`` axes of ``bad`` carry those names; axes before them are runs. A prompt is named by
    ``prompts`` when given.

    >>> reject(np.array([[False, True]]), [[0.2, -0.5]], "reward", "must be >= 0", "use a cost", axes=("prompt", "answer"))
    Traceback (most recent call last):
        ...
    dstheory.errors.ChainError: reward at prompt 0, answer 1 is -0.5: must be >= 0; use a cost
    """
    bad = np.asarray(bad)
    if not bad.any():
        return
    values = np.broadcast_to(np.asarray(values), bad.shape)
    total = int(np.count_nonzero(bad))
    places = []
    for flat in np.flatnonzero(bad)[:_SHOWN]:
        index = np.unravel_index(flat, bad.shape)
        extra = len(index) - len(axes)
        names = [f"run {tuple(int(i) for i in index[:extra])}"] if extra > 0 else []
        for axis, i in zip(axes[max(0, -extra) :], index[max(0, extra) :], strict=True):
            label = prompts[int(i)] if axis == "prompt" and prompts is not None and i < len(prompts) else int(i)
            names.append(f"{axis} {label!r}" if isinstance(label, str) else f"{axis} {label}")
        places.append((", ".join(names), np.asarray(values[index]).item()))
    where = "; ".join(f"{place} is {value!r}" if place else f"is {value!r}" for place, value in places)
    more = f" (and {total - len(places)} more)" if total > len(places) else ""
    joint = " at " if places[0][0] else " "
    raise ChainError(f"{what}{joint}{where}{more}: {rule}; {remedy}")

"""Whether a JSON text has a key twice in one object, seen by counting: msgspec drops such a key without a word.

A text has no more keys than colons, and no fewer than the objects that were made of it. Where the two numbers are equal, nothing
was dropped; where they are not, closer bounds than colons are tried. The objects of a log are mostly alike, so that their keys
need not be counted one by one: a :class:`Shape` says how many keys a value has that msgspec decoded by the shape's type. What
counting does not settle is written again: a key that was dropped takes its two quotation marks with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, repeat
from operator import itemgetter
from types import NoneType
from typing import Any, NotRequired, TypedDict

import msgspec
import numpy as np

_ENCODER = msgspec.json.Encoder()
_HOLDERS = {dict, list}
_MOST_NAMES = 64  # of objects at one place: where there are more, keys are data
_MOST_SEARCHED = 8  # keys under which some of the objects at one place hold others
_DEEPEST = 16  # levels of a shape


def keys_of(values: Sequence[Any]) -> int:
    """Return how many keys values have, those of objects within them too.

    Example:
        >>> keys_of([{"a": {"b": 1}}, [{"a": None}], 7])
        3
    """
    total = 0
    while values:
        objects = [value for value in values if type(value) is dict]
        total += sum(map(len, objects))
        within = chain(chain.from_iterable(map(dict.values, objects)), *(value for value in values if type(value) is list))
        values = [value for value in within if type(value) in _HOLDERS]
    return total


class Shape:
    """What the values at one place of a text look like. This one: they hold no keys, or are of several kinds.

    Attributes:
        each: how many keys every value has that was decoded by the type, those within it too; None if they differ.
    """

    each: int | None = 0

    def type(self) -> Any:
        """Return what msgspec is to decode there."""
        return Any

    def keys(self, values: Sequence[Any]) -> int:
        """Return how many keys values have that were decoded by the type, or fewer: those under ``Any`` are not counted."""
        return 0


class _Lists(Shape):
    def __init__(self, entry: Shape) -> None:
        self.entry, self.each = entry, None

    def type(self) -> Any:
        return list[self.entry.type()]  # type: ignore[misc]

    def keys(self, values: Sequence[Any]) -> int:
        if self.entry.each is not None:
            return self.entry.each * sum(map(len, values))
        return self.entry.keys(list(chain.from_iterable(values)))


class _Objects(Shape):
    """Objects: ``parts`` holds the shapes of what is under their keys, ``always`` the keys that all of them have."""

    def __init__(self, parts: dict[str, Shape], always: set[str]) -> None:
        self.parts, self.always = parts, always
        self.holders = {name: shape for name, shape in parts.items() if shape.each != 0}
        self.same = len(always) == len(parts)
        within = [shape.each for shape in parts.values()]
        self.each = len(parts) + sum(filter(None, within)) if self.same and None not in within else None

    def type(self) -> Any:
        types = {name: shape.type() for name, shape in self.parts.items()}
        return TypedDict("Object", {name: one if name in self.always else NotRequired[one] for name, one in types.items()})  # type: ignore[operator]

    def keys(self, values: Sequence[Any]) -> int:
        if self.each is not None:
            return self.each * len(values)
        total = len(self.parts) * len(values) if self.same else sum(map(len, values))
        for name, shape in self.holders.items():
            if name in self.always:
                total += shape.keys(list(map(itemgetter(name), values)))
            else:
                total += shape.keys(list(filter(None, map(dict.get, values, repeat(name)))))
        return total


class _Tables(Shape):
    """Objects whose keys are data: all their values are of one shape."""

    def __init__(self, part: Shape) -> None:
        self.part, self.each = part, None

    def type(self) -> Any:
        return dict[str, self.part.type()]  # type: ignore[misc]

    def keys(self, values: Sequence[Any]) -> int:
        within = [] if self.part.each == 0 else list(chain.from_iterable(map(dict.values, values)))
        return sum(map(len, values)) + self.part.keys(within)


class _Perhaps(Shape):
    """Values of a shape, some of which are null."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.each = shape, None

    def type(self) -> Any:
        return self.shape.type() | None

    def keys(self, values: Sequence[Any]) -> int:
        return self.shape.keys(list(filter(None, values)))


def shape_of(values: Sequence[Any], depth: int = 0) -> Shape:
    """Return what values at one place look like."""
    kinds = set(map(type, values))
    if NoneType in kinds and len(kinds) > 1:
        shape = shape_of([value for value in values if value is not None], depth)
        return shape if shape.each == 0 else _Perhaps(shape)
    if depth == _DEEPEST or kinds not in ({dict}, {list}):
        return Shape()
    if kinds == {list}:
        entry = shape_of(list(chain.from_iterable(values)), depth + 1)
        return Shape() if entry.each == 0 else _Lists(entry)
    names = list(dict.fromkeys(chain.from_iterable(values)))
    if len(names) <= _MOST_NAMES:
        parts = {name: shape_of([one[name] for one in values if name in one], depth + 1) for name in names}
        always = set(names).intersection(*values)
        if sum(shape.each != 0 for name, shape in parts.items() if name not in always) <= _MOST_SEARCHED:
            return _Objects(parts, always)
    return _Tables(shape_of(list(chain.from_iterable(map(dict.values, values))), depth + 1))


# ---------------------------------------------------------------------- how many keys a text has at most


def _colons(data: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == 0x3A))


def _colons_after_marks(data: bytes) -> int:
    """Return how many colons follow a quotation mark, a blank, or what else is no larger: a key is followed by one of these."""
    total = 0
    for start in (0, 1):  # two bytes at a time, the second of which is the larger half of a number
        pairs = np.frombuffer(data, dtype="<u2", count=(len(data) - start) // 2, offset=start)
        total += int(np.count_nonzero(pairs - np.uint16(0x3A00) <= 0x22))
    return total


def _colons_of_keys(data: bytes) -> int:
    """Return how many colons follow a blank or a quotation mark, but for marks after a single backslash, which end nothing."""
    codes = np.frombuffer(data, dtype=np.uint8)
    colons = np.flatnonzero(codes == 0x3A)
    before = codes[colons - 1]
    marks = before == 0x22
    escaped = marks & (codes[colons - 2] == 0x5C) & (codes[colons - 3] != 0x5C)
    return int(np.count_nonzero((marks | (before <= 0x20)) & ~escaped))


_BOUNDS: tuple[Callable[[bytes], int], ...] = (_colons, _colons_after_marks, _colons_of_keys)  # ever closer, and slower


class KeyCheck:
    """Compares the keys of texts with those of their values; begins with the bound that settled the text before."""

    def __init__(self) -> None:
        self._first = 0

    def settled(self, data: bytes, kept: int) -> bool:
        """Return whether a text is seen to have no more than ``kept`` keys, the number of those in the objects made of it."""
        for i in range(self._first, len(_BOUNDS)):
            if _BOUNDS[i](data) == kept:
                self._first = i
                return True
        return False


def none_dropped(data: bytes, values: list[Any]) -> bool:
    """Return whether no key of a text was dropped, by the quotation marks of its values written again.

    Raises:
        msgspec.MsgspecError, UnicodeError: they cannot be written.
    """
    written = np.frombuffer(_ENCODER.encode_lines(values), dtype=np.uint8)
    marks = np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == 0x22)
    return b"\\u0022" not in data and bool(marks == np.count_nonzero(written == 0x22))

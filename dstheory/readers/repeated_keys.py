"""Whether a JSON text has a key twice in one object, seen by counting: msgspec drops such a key without a word.

A key was dropped if the objects made of a text have fewer keys than the text has colons outside its strings. It takes long to
find what is outside, so bounds are tried first: how many colons there are that may follow a key, ever more closely. Nor are the
keys of objects counted one by one, because those of a log are mostly alike: a :class:`Shape` says how many keys a value has
that msgspec decoded by the shape's type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any, NotRequired, TypedDict

import numpy as np

from dstheory.checks import Bools

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

    def keys(self, values: Iterable[Any]) -> int:
        """Return how many keys values have that were decoded by the type, or fewer: those under ``Any`` are not counted."""
        return 0


class _Lists(Shape):
    def __init__(self, entry: Shape) -> None:
        self.entry, self.each = entry, None

    def type(self) -> Any:
        return list[self.entry.type()]  # type: ignore[misc]

    def keys(self, values: Iterable[Any]) -> int:
        if self.entry.each is not None:
            return self.entry.each * sum(map(len, values))
        return self.entry.keys(chain.from_iterable(values))


class _Objects(Shape):
    """Objects: ``parts`` holds the shapes of what is under their keys, ``always`` the keys that all of them have."""

    def __init__(self, parts: dict[str, Shape], always: set[str]) -> None:
        self.parts, self.always = parts, always
        self.holders = {name: shape for name, shape in parts.items() if shape.each != 0}
        self.known = parts.keys() <= always | self.holders.keys()  # what is looked for anyway says how many keys they have
        within = [shape.each for shape in parts.values()]
        self.each = len(parts) + sum(filter(None, within)) if len(always) == len(parts) and None not in within else None

    def type(self) -> Any:
        types = {name: shape.type() for name, shape in self.parts.items()}
        return TypedDict("Object", {name: one if name in self.always else NotRequired[one] for name, one in types.items()})  # type: ignore[operator]

    def keys(self, values: Iterable[Any]) -> int:
        values = list(values)
        if self.each is not None:
            return self.each * len(values)
        total = len(self.always) * len(values) if self.known else sum(map(len, values))
        for name, shape in self.holders.items():
            if name in self.always:
                total += shape.keys(map(itemgetter(name), values))
            else:
                some = [value[name] for value in values if name in value]
                total += len(some) * self.known + shape.keys(some)
        return total


class _Tables(Shape):
    """Objects whose keys are data: all their values are of one shape."""

    def __init__(self, part: Shape) -> None:
        self.part, self.each = part, None

    def type(self) -> Any:
        return dict[str, self.part.type()]  # type: ignore[misc]

    def keys(self, values: Iterable[Any]) -> int:
        if self.part.each == 0:
            return sum(map(len, values))
        values = list(values)
        return sum(map(len, values)) + self.part.keys(chain.from_iterable(map(dict.values, values)))


class _Perhaps(Shape):
    """Values of a shape, some of which are null."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.each = shape, None

    def type(self) -> Any:
        return self.shape.type() | None

    def keys(self, values: Iterable[Any]) -> int:
        return self.shape.keys(filter(None, values))


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
    if len(names) <= _MOST_NAMES and all(map(str.isascii, names)):  # msgspec may take an empty key for a name that is not ASCII
        parts = {name: shape_of([one[name] for one in values if name in one], depth + 1) for name in names}
        always = set(names).intersection(*values)
        if sum(shape.each != 0 for name, shape in parts.items() if name not in always) <= _MOST_SEARCHED:
            return _Objects(parts, always)
    return _Tables(shape_of(list(chain.from_iterable(map(dict.values, values))), depth + 1))


# ---------------------------------------------------------------------- how many keys a text has

_COLON, _MARK, _BACKSLASH = b':"\\'
_PART = 2**18  # bytes looked at together
_DEEP = 4  # backslashes in a row that are told apart: one before the quotation marks of JSON in a string, three in one within it


def _most_keys(data: bytes, closely: int, memory: Bools) -> int:
    """Return a number of keys that a text of valid JSON does not exceed: its colons that may follow a key.

    Between a key and its colon there is nothing but blanks, and no quotation mark with an odd number of backslashes before it
    ends a key: a backslash stands in a string only.

    Args:
        data: the text.
        closely: 0 looks at what stands before a colon, 1 at backslashes before that too, 2 also at what stands before a blank.
        memory: to work in; to ask the system for more, again and again, takes longer than what is done in it.
    """
    text, total = np.frombuffer(data, np.uint8), 0
    for start in range(0, len(text), _PART):
        before = min(start, _DEEP)  # bytes that the part before has counted
        codes = text[start - before : start + _PART + 1]
        last = codes[:-1]  # of the characters of a key with its blanks
        ends, other, third = memory[:, : len(last)]
        np.equal(codes[1:], _COLON, out=ends)
        ends &= np.less_equal(last, _MARK, out=other)  # a quotation mark, or what is smaller, such as a blank
        if closely == 2:
            np.equal(last, _MARK, out=third)
            third[1:] |= other[:-1]
            ends &= third
        ends[:before] = False
        total += int(np.count_nonzero(ends))
        if closely:
            backslash = np.equal(last, _BACKSLASH, out=other)
            for i in range(1, _DEEP + 1):  # the ends with one backslash before them are none, those with two are, ...
                after = ends[i:]
                after &= backslash[: len(after)]
                found = int(np.count_nonzero(after))
                if not found:
                    break
                total += found if i % 2 == 0 else -found
    return total


def _memory_for(data: bytes) -> Bools:
    return np.empty((3, min(len(data), _PART + _DEEP)), bool)


def _keys_in(data: bytes) -> int:
    r"""Return how many keys a text of valid JSON has: its colons outside strings.

    Example:
        >>> _keys_in(rb'{"a": ": ", "\\\\": "\": ", "b" : [{"a": 1, "a": 2}]}')
        5
    """
    total, marks_before, start = 0, 0, 0
    while start < len(data):
        end = len(data)
        if end - start > _PART:  # a part ends with a quotation mark, so that no backslash stands before the next
            end = data.rfind(b'"', start, start + _PART) + 1 or data.find(b'"', start + _PART) + 1 or end
        codes = np.frombuffer(data, np.uint8, count=end - start, offset=start)
        marks = codes == _MARK
        backslashes = np.flatnonzero(codes == _BACKSLASH)
        if len(backslashes):
            begins = np.diff(backslashes, prepend=-2) != 1  # a run of backslashes, every other one of which escapes
            escaping = (backslashes - np.maximum.accumulate(np.where(begins, backslashes, 0))) % 2 == 0
            marks[backslashes[escaping] + 1] = False
        found = np.flatnonzero(marks | (codes == _COLON))
        is_mark = marks[found]
        marks_so_far = marks_before + np.cumsum(is_mark)
        total += int(np.count_nonzero((marks_so_far % 2 == 0) & ~is_mark))
        marks_before += int(np.count_nonzero(is_mark))
        start = end
    return total


class KeyCheck:
    """Compares the keys of texts with those of their values; begins with the bound that settled the text before."""

    def __init__(self) -> None:
        self._closely, self._memory = 0, _memory_for(b"")

    def none_dropped(self, data: bytes, kept: int) -> bool:
        """Return whether a text of valid JSON has no more keys than the objects that were made of it, which have ``kept``."""
        if self._memory.shape[1] < min(len(data), _PART + _DEEP):
            self._memory = _memory_for(data)
        for closely in range(self._closely, 3):
            self._closely = closely
            if _most_keys(data, closely, self._memory) == kept:
                return True
        return _keys_in(data) == kept

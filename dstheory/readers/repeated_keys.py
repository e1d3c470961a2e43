"""Whether a JSON text has a key twice in one object, seen by counting: msgspec drops such a key without a word.

A key was dropped if the values made of a text hold fewer strings than the text has, keys counted as strings: half its quotation
marks, without those that a backslash escapes. The strings of values are not counted one by one, because the records of a log are
mostly alike: a :class:`Shape` says how many strings a value holds that msgspec decoded by the shape's type.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any, NotRequired, TypedDict

import numpy as np

_within = chain.from_iterable
_MOST_NAMES = 64  # of objects at one place: where there are more, keys are data
_MOST_SEARCHED = 8  # keys that only some of the objects at one place have
_DEEPEST = 16  # levels of a shape


def strings_of(values: Sequence[Any]) -> int:
    """Return how many strings values hold, at any depth, the keys of objects included.

    Example:
        >>> strings_of([{"a": {"b": 1}}, [{"a": "b"}], "c", 7])
        5
    """
    total = 0
    while values:
        kinds = list(map(type, values))
        total += kinds.count(str)
        within = list[Any]()
        if dict in kinds:
            objects = [value for value in values if type(value) is dict]
            total += sum(map(len, objects))
            within += _within(map(dict.values, objects))
        if list in kinds:
            within += _within(value for value in values if type(value) is list)
        values = within
    return total



class Shape:
    """What the values at one place of a text look like. This one: they hold no strings, or are of several kinds.

    Attributes:
        each: how many strings every value holds that was decoded by the type; None if they differ.
    """

    each: int | None = 0

    def type(self) -> Any:
        """Return what msgspec is to decode there."""
        return Any

    def strings(self, values: Sequence[Any]) -> int:
        """Return how many strings values hold that were decoded by the type, or fewer: under ``Any`` not all are counted."""
        return self._differing(values) if self.each is None else self.each * len(values)

    def _differing(self, values: Sequence[Any]) -> int:
        raise NotImplementedError


class _Text(Shape):
    each = 1

    def type(self) -> Any:
        return str


class _Mixed(Shape):
    """Values of several kinds, some of which are strings."""

    each = None

    def _differing(self, values: Sequence[Any]) -> int:
        return list(map(type, values)).count(str)


class _Lists(Shape):
    each = None

    def __init__(self, entry: Shape) -> None:
        self.entry = entry

    def type(self) -> Any:
        return list[self.entry.type()]  # type: ignore[misc]

    def _differing(self, values: Sequence[Any]) -> int:
        if self.entry.each is not None:
            return self.entry.each * sum(map(len, values))
        return self.entry.strings(list(_within(values)))


class _Objects(Shape):
    """Objects: ``parts`` holds the shapes of what is under their keys, ``always`` the keys that all of them have."""

    def __init__(self, parts: dict[str, Shape], always: set[str]) -> None:
        self.parts, self.always = parts, always
        self.least = sum(1 + (parts[name].each or 0) for name in always)
        self.differing = [name for name in always if parts[name].each is None]
        self.each = self.least if len(always) == len(parts) and not self.differing else None

    def type(self) -> Any:
        types = {name: shape.type() for name, shape in self.parts.items()}
        return TypedDict("Object", {name: one if name in self.always else NotRequired[one] for name, one in types.items()})  # type: ignore[operator]

    def _differing(self, values: Sequence[Any]) -> int:
        total = self.least * len(values)
        for name in self.differing:
            total += self.parts[name].strings(list(map(itemgetter(name), values)))
        for name in self.parts.keys() - self.always:
            some = [value[name] for value in values if name in value]
            total += len(some) + self.parts[name].strings(some)
        return total


class _Tables(Shape):
    """Objects whose keys are data: all their values are of one shape."""

    each = None

    def __init__(self, part: Shape) -> None:
        self.part = part

    def type(self) -> Any:
        return dict[str, self.part.type()]  # type: ignore[misc]

    def _differing(self, values: Sequence[Any]) -> int:
        keys = sum(map(len, values))
        if self.part.each is not None:
            return keys * (1 + self.part.each)
        return keys + self.part.strings(list(_within(map(dict.values, values))))


class _Perhaps(Shape):
    """Values of a shape, some of which are null."""

    each = None

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def type(self) -> Any:
        return self.shape.type() | None

    def _differing(self, values: Sequence[Any]) -> int:
        return self.shape.strings([value for value in values if value is not None])


def shape_of(values: Sequence[Any], depth: int = 0) -> Shape:
    """Return what values at one place look like."""
    kinds = set(map(type, values))
    if NoneType in kinds and len(kinds) > 1:
        shape = shape_of([value for value in values if value is not None], depth)
        return shape if shape.type() is Any else _Perhaps(shape)
    if kinds == {str}:
        return _Text()
    if depth == _DEEPEST or kinds not in ({dict}, {list}):
        return _Mixed() if str in kinds else Shape()
    if kinds == {list}:
        entry = shape_of(list(_within(values)), depth + 1)
        return Shape() if entry.each == 0 else _Lists(entry)
    names = list(dict.fromkeys(_within(values)))
    always = set(names).intersection(*values)
    ascii_alone = all(map(str.isascii, names))  # msgspec may take an empty key for a name that is not
    if ascii_alone and len(names) <= min(_MOST_NAMES, len(always) + _MOST_SEARCHED):
        return _Objects({name: shape_of([one[name] for one in values if name in one], depth + 1) for name in names}, always)
    return _Tables(shape_of(list(_within(map(dict.values, values))), depth + 1))


# ---------------------------------------------------------------------- how many strings a text has

_MARK, _BACKSLASH = b'"\\'
_PART = 2**17  # bytes looked at together
_DEEP = 4  # backslashes in a row that are told apart: one before the quotation marks of JSON in a string, three in one within it


def strings_in(text: bytes) -> int:
    r"""Return how many strings a text of valid JSON has, keys included.

    A quotation mark is escaped if an odd number of backslashes stands before it: of the marks those with one before them are
    none that begins or ends a string, those with two are, ...

    Example:
        >>> strings_in(rb'{"a": ": ", "\\\\": "\": ", "b" : [{"a": 1, "a": 2}]}')
        7
    """
    marks = 0
    for start in range(0, len(text), _PART):
        before = min(start, _DEEP)  # bytes that the part before has counted
        codes = np.frombuffer(text, np.uint8, min(_PART, len(text) - start) + before, start - before)
        found, backslash = codes == _MARK, codes == _BACKSLASH
        found[:before] = False
        marks += (count := int(np.count_nonzero(found)))
        for i in range(1, _DEEP + 1):
            if not count:
                break
            found = found[1:]
            found &= backslash[: len(found)]
            count = int(np.count_nonzero(found))
            marks += count if i % 2 == 0 else -count
        if count:  # ever more of them
            return strings_in(text.replace(rb"\\", b""))
    return marks // 2

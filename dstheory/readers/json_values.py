"""Strict JSON and TOML. JSON: no NaN, no infinity, no key twice in one object; what is wrong is said with its line and column.

msgspec decodes at the speed of C and refuses all of that but repeated keys, which it drops: these are found by counting. A key
was dropped if the values made of a text hold fewer strings than the text has, keys counted as strings: half its quotation marks,
without those that a backslash escapes. The strings of values are not counted one by one, because the records of a log are mostly
alike: a :class:`Shape` says how many strings a value holds that msgspec decoded by the shape's type. Whatever msgspec refuses, or
whatever lacks a key, is read again by Python's own reader, which knows where and why. So there is one answer, whichever of the
two gives it and however many lines are read at once.

TOML: what the standard library's parser cannot do in time is refused before, and all it refuses by one exception.
"""

from __future__ import annotations

import gc
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

import msgspec
import numpy as np

from dstheory.readers.streams import Block, not_utf8
from dstheory.texts import shown

_DECODER = msgspec.json.Decoder()
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, ValueError)
_SEEN = 10_000  # lines of a file from which it is learnt what they look like
_TRIES = 8  # blocks of lines that look otherwise, until lines are decoded whatever they look like
_OPENS, _CLOSES, _BLANKS = b"{[,:", b"}],:", b" \t\r\n"  # of two tokens within a value, the first opens or the second closes
_OPENS_OR_BLANK, _CLOSES_OR_BLANK = (np.isin(np.arange(256), list(some + _BLANKS)) for some in (_OPENS, _CLOSES))  # by code
_STRING_OR_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|(-?\bInfinity\b|\bNaN\b)')


class NotJSON(Exception):
    """Why a text is not strict JSON.

    Attributes:
        reason: ``"utf8"``, ``"syntax"``, ``"constant"``, ``"repeated"`` or ``"size"`` (nested too deeply, or endless digits).
        what: what was found, in words.
        line, column: where, from 1; None where it is not known.
        cut: whether the text just ends too early.
    """

    def __init__(self, reason: str, what: str, line: int | None = None, column: int | None = None, cut: bool = False) -> None:
        super().__init__(what)
        self.reason, self.what, self.line, self.column, self.cut = reason, what, line, column, cut


def decode(text: bytes | str) -> Any:
    """Return the one value of a JSON text.

    Args:
        text: the text; bytes must be UTF-8.

    Raises:
        NotJSON: it is not strict JSON.

    Example:
        >>> decode(b'{"id": 1, "id": 2}')
        Traceback (most recent call last):
            ...
        dstheory.readers.json_values.NotJSON: the key 'id' is given twice in one object
    """
    try:
        value = _DECODER.decode(text)
        data = text if isinstance(text, bytes) else text.encode()
        if strings_in(data, kept := strings_of([value])) == kept:
            return value
    except _REFUSED:
        pass
    if isinstance(text, bytes):
        problem = not_utf8(text)
        if problem:
            raise NotJSON("utf8", problem)
        text = text.decode()
    try:
        with uncollected():
            return json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        what = error.msg[:1].lower() + error.msg[1:]
        raise NotJSON("syntax", what, error.lineno, error.colno, cut) from error
    except NotJSON as error:
        found = next((m for m in _STRING_OR_CONSTANT.finditer(text) if m[1]), None) if error.reason == "constant" else None
        if found:
            before = text[: found.start()]
            error.line, error.column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise
    except RecursionError as error:
        raise NotJSON("size", "brackets are nested too deeply") from error
    except ValueError as error:
        raise NotJSON("size", str(error).splitlines()[0][:80]) from error


class LineDecoder:
    """Decodes lines of one file, many at once; what those before looked like makes it fast."""

    def __init__(self) -> None:
        self._seen, self._shape = list[Any](), Shape()
        self._typed: msgspec.json.Decoder[Any] | None = None
        self._alike, self._unlike = 0, 0  # blocks

    def decode(self, data: bytes) -> list[Any] | None:
        """Return the values of many lines; None if one of them is not strict JSON, which :func:`decode` then explains."""
        with uncollected(), suppress(*_REFUSED):
            tries = self._unlike <= _TRIES + self._alike // 8
            values = self._by_shape(data) if tries else None
            if values is None:
                values = _DECODER.decode_lines(data)
                if tries:
                    self._learn(values)
                if strings_in(data, kept := strings_of(values)) != kept:
                    return None
            return values
        return None

    def _by_shape(self, data: bytes) -> list[Any] | None:
        """Return the values of lines that look like those before; None if they do not, or have a key twice."""
        if self._typed is not None:
            with suppress(msgspec.ValidationError):
                values: list[Any] = self._typed.decode_lines(data)
                if strings_in(data, kept := self._shape.strings(values)) == kept:
                    self._alike += 1
                    return values
        return None

    def _learn(self, values: list[Any]) -> None:
        self._unlike += 1
        if len(self._seen) < _SEEN:
            self._seen += values[:_SEEN]
            self._shape = shape_of(self._seen)
            self._typed = msgspec.json.Decoder(self._shape.type) if self._shape.type is not Any else None


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the search for garbage.

    Among a million new objects, none of them garbage, it takes most of the time; deep in brackets it has no room.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def records(block: Block, decoder: LineDecoder, *, several: bool = False) -> tuple[Sequence[int], list[Any]]:
    """Return the lines that are not blank and their values; the value of a line that is not JSON is a :class:`NotJSON`.

    Args:
        block: lines of a file.
        decoder: that of the file.
        several: whether a line may hold several values, each a record of its own.
    """
    values = decoder.decode(block.data)
    if values is not None and len(values) == len(block.line_ends) + (not block.data.endswith(b"\n")) and _no_value_goes_on(block):
        return range(block.first_line, block.first_line + len(values)), values  # one to each line
    lines = block.lines()
    if values is not None and len(values) == len(lines) and all(_whole(line.strip()) for _, line in lines):
        return [number for number, _ in lines], values
    numbers: list[int] = []
    values = []
    for number, line in lines:
        found = LineDecoder().decode(line) if several else None
        try:
            values += [decode(line)] if found is None else found
        except NotJSON as error:
            values.append(error)
        numbers += [number] * (len(values) - len(numbers))
    return numbers, values


def _whole(line: bytes) -> bool:
    """Return whether a line of valid JSON neither begins nor ends within a value; it is not blank."""
    return line[:1] not in _CLOSES and line[-1:] not in _OPENS


def _no_value_goes_on(block: Block) -> bool:
    """Return whether no value of valid JSON goes on in the next line; False, too, where a blank begins or ends a line."""
    if block.data[:1] in _BLANKS:
        return False
    codes, ends = np.frombuffer(block.data, dtype=np.uint8), block.line_ends
    last, first = codes[ends - 1], codes[ends[ends < len(codes) - 1] + 1]
    last = np.where(last == 0x0D, codes[ends - 2], last)
    return not (_OPENS_OR_BLANK[last].any() or _CLOSES_OR_BLANK[first].any())


def sentence(error: NotJSON, source: str, line: int | None = None) -> str:
    """Return what is wrong with a chain file, the place, the rule and the remedy.

    Args:
        error: what was found.
        source: how messages call the file.
        line: the line, if the file has one value per line.

    Example:
        >>> sentence(NotJSON("syntax", "expecting value", 2, 7), "a.json")
        'a.json: line 2, column 7 is not valid JSON (expecting value): correct that place'
    """
    at = f": line {line}" if line else ""
    if error.reason == "utf8":
        return f"{source}{at} {error.what}"
    if error.reason == "size":
        long = "has a number of thousands of digits or brackets nested by the thousand: it is not a chain; give another file"
        return f"{source}{at} {long}"
    if error.reason == "syntax":
        remedy = "the text ends too early; it was cut off, write it again" if error.cut else "correct that place"
        what = re.sub(r" (starting )?at$", "", error.what)
        return f"{source}: line {line or error.line}, column {error.column} is not valid JSON ({what}): {remedy}"
    if line:
        at += " is not valid JSON"
    elif error.line:
        at = f": line {error.line}, column {error.column}"
    return f"{source}{at}: {error.what}; {'write a finite number' if error.reason == 'constant' else 'remove one of them'}"


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise NotJSON("repeated", f"the key {shown(name)} is given twice in one object")
            seen.add(name)
    return record


def _no_constant(name: str) -> Any:
    raise NotJSON("constant", f"{name} is not a JSON number")


# ---------------------------------------------------------------------- how many strings values and texts have


_within = chain.from_iterable
_MOST_NAMES = 64  # of objects at one place: where there are more, keys are data
_MOST_SEARCHED = 8  # keys that only some of the objects at one place have
_DEEPEST_SHAPE = 16  # levels


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


class Shape(NamedTuple):
    """What the values at one place of a text look like.

    Attributes:
        type: what msgspec is to decode there.
        each: how many strings every value holds that was decoded by the type (or more, under ``Any``); None if they differ.
        differing: counts the strings of values, where they differ.
    """

    type: Any = Any
    each: int | None = 0
    differing: Callable[[Sequence[Any]], int] = strings_of

    def strings(self, values: Sequence[Any]) -> int:
        """Return how many strings values hold that were decoded by the type, or fewer: where there were none, none is counted."""
        return self.differing(values) if self.each is None else self.each * len(values)


def shape_of(values: Sequence[Any], depth: int = 0) -> Shape:
    """Return what values at one place look like.

    Example:
        >>> shape_of([{"a": "x", "b": [1]}, {"a": "y", "b": [2, 3]}]).each
        3
    """
    kinds = set(map(type, values))
    if NoneType in kinds and len(kinds) > 1:
        shape = shape_of([value for value in values if value is not None], depth)
        if shape.type is Any:
            return shape
        return Shape(shape.type | None, None, lambda some: shape.strings([value for value in some if value is not None]))
    if kinds == {str}:
        return Shape(str, 1)
    if not kinds & {str, dict, list}:
        return Shape()
    if depth == _DEEPEST_SHAPE or kinds not in ({dict}, {list}):
        return Shape(Any, None)
    if kinds == {list}:
        entry = shape_of(list(_within(values)), depth + 1)
        if entry.each is None:
            return Shape(list[entry.type], None, lambda lists: entry.differing(list(_within(lists))))  # type: ignore[name-defined]
        each = entry.each
        return Shape(list[entry.type], None, lambda lists: each * sum(map(len, lists))) if each else Shape()  # type: ignore[name-defined]
    names = list(dict.fromkeys(_within(values)))
    always = set(names).intersection(*values)
    ascii_alone = all(map(str.isascii, names))  # msgspec may take an empty key for a name that is not
    if ascii_alone and len(names) <= min(_MOST_NAMES, len(always) + _MOST_SEARCHED):
        return _of_objects({name: shape_of([one[name] for one in values if name in one], depth + 1) for name in names}, always)
    held = shape_of(list(_within(map(dict.values, values))), depth + 1)  # keys are data
    return Shape(dict[str, held.type], None, lambda objects: (  # type: ignore[name-defined]
        sum(map(len, objects)) + held.strings(list(_within(map(dict.values, objects))))))  # fmt: skip


def _of_objects(parts: dict[str, Shape], always: set[str]) -> Shape:
    """Return the shape of objects, given those of what is under their keys, and the keys that all of them have."""
    least = sum(1 + (parts[name].each or 0) for name in always)
    differing, some = [name for name in always if parts[name].each is None], parts.keys() - always

    def strings(objects: Sequence[Any]) -> int:
        total = least * len(objects)
        for name in differing:
            total += parts[name].differing(list(map(itemgetter(name), objects)))
        for name in some:
            held = [one[name] for one in objects if name in one]
            total += len(held) + parts[name].strings(held)
        return total

    types = {name: part.type if name in always else NotRequired[part.type] for name, part in parts.items()}
    return Shape(TypedDict("Object", types), None if differing or some else least, strings)  # type: ignore[operator]


_MARK, _BACKSLASH = b'"\\'
_PART = 2**18  # bytes looked at together
_DEEP = 4  # backslashes in a row that are told apart: one before the quotation marks of JSON in a string, three in one within it


def strings_in(text: bytes, least: int = -1) -> int:
    r"""Return how many strings a text of valid JSON has, keys included.

    A quotation mark is escaped if an odd number of backslashes stands before it: of the marks those with one before them are
    none that begins or ends a string, those with two are, ...

    Args:
        text: the text.
        least: how many strings it is known to have; if it has two marks for each of these, none is escaped and there are no more.

    Example:
        >>> strings_in(rb'{"a": ": ", "\\\\": "\": ", "b" : [{"a": 1, "a": 2}]}')
        7
    """
    codes = np.frombuffer(text, np.uint8)
    marks = sum(int(np.count_nonzero(codes[at : at + _PART] == _MARK)) for at in range(0, len(codes), _PART))
    if marks == 2 * least:
        return least
    for start in range(0, len(codes), _PART):
        part = codes[max(start - _DEEP, 0) : start + _PART]
        found, backslash = part == _MARK, part == _BACKSLASH
        found[: min(start, _DEEP)] = False  # which the part before has counted
        for i in range(1, _DEEP + 1):
            found[i:] &= backslash[:-i]
            found[:i] = False
            if not (count := int(np.count_nonzero(found))):
                break
            marks += count if i % 2 == 0 else -count
        if count:  # ever more of them
            return strings_in(text.replace(rb"\\", b""))
    return marks // 2


# ---------------------------------------------------------------------- TOML


_DEEPEST = 100  # parts of a dotted key; the parser's time grows with the square of them
_TEXTS_AND_COMMENTS = re.compile(
    r'"""(?:\\.|[^\\])*?"""|' + r"'''.*?'''|" + r'"(?:\\.|[^"\\\n])*+"|' + r"'[^'\n]*+'|#[^\n]*+", re.DOTALL
)
_KEYS = re.compile(r"[^\n,=\[\]{}]+")


class NotTOML(Exception):
    """Why a text is not TOML.

    Attributes:
        reason: ``"syntax"``, ``"digits"`` (of a number) or ``"depth"`` (of brackets, or of a key).
    """

    def __init__(self, reason: Literal["syntax", "digits", "depth"], what: str) -> None:
        super().__init__(what)
        self.reason = reason


def decode_toml(text: str) -> dict[str, Any]:
    """Return the table that a TOML text describes.

    Raises:
        NotTOML: it is not TOML, or nested more deeply than anything that is read here.

    Example:
        >>> decode_toml("a.b = 1")
        {'a': {'b': 1}}
    """
    plain = _TEXTS_AND_COMMENTS.sub("", text)
    if any(keys.count(".") > _DEEPEST for keys in _KEYS.findall(plain)):
        raise NotTOML("depth", f"a key has more than {_DEEPEST} parts")
    try:
        with uncollected():
            return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotTOML("syntax", str(error)) from error
    except RecursionError as error:
        raise NotTOML("depth", "brackets are nested by the thousand") from error
    except ValueError as error:
        raise NotTOML("digits", "a number has thousands of digits") from error

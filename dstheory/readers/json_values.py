"""Strict JSON and TOML. JSON: no NaN, no infinity, no key twice in one object; what is wrong is said with its line and column.

msgspec decodes at the speed of C and refuses all of that but repeated keys, which it drops. It is therefore counted how many
keys the text can have at most, and how many the decoded objects have at least. Where that does not settle it, it is counted how
many quotation marks the text has and how many the value has when it is written again: a key that was dropped takes its two marks
with it. Whatever msgspec refuses, or whatever lacks a key, is read again by Python's own reader, which knows where
and why. So there is one answer, whichever of the two gives it and however many lines are read at once.

TOML: what the standard library's parser cannot do in time is refused before, and all it refuses by one exception.
"""

from __future__ import annotations

import gc
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from dstheory.readers.messages import shown
from dstheory.readers.streams import Block, not_utf8

_DECODER, _ENCODER = msgspec.json.Decoder(), msgspec.json.Encoder()
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, ValueError)
_FEW = 8  # values that are looked at for where objects lie in the others
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
        if keys_differ(text if isinstance(text, bytes) else text.encode(), [value]):
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


def decode_lines(data: bytes) -> list[Any] | None:
    """Return the values of many lines; None if one of them is not strict JSON, which :func:`decode` then explains."""
    values = loose_lines(data)
    try:
        return values if values is not None and keys_differ(data, values) else None
    except _REFUSED:
        return None


def keys_differ(data: bytes, values: list[Any]) -> bool:
    """Return whether no object of these lines has a key twice; ``values`` is what :func:`loose_lines` made of them."""
    codes = np.frombuffer(data, dtype=np.uint8)
    colons = codes == 0x3A
    kept = _keys(values)
    if kept == np.count_nonzero(colons) or kept == _most_keys(codes, np.flatnonzero(colons)):
        return True
    written = np.frombuffer(_ENCODER.encode_lines(values), dtype=np.uint8)
    return b"\\u0022" not in data and np.count_nonzero(codes == 0x22) == np.count_nonzero(written == 0x22)


def _keys(values: list[Any]) -> int:
    """Return how many keys those objects have that lie where objects of the first few values do: no more than all have."""
    total, places = 0, [values]
    while places:
        place = places.pop()
        kinds = set(map(type, place))
        if type(None) in kinds:
            kinds.remove(type(None))
            place = [value for value in place if value is not None]
        if kinds == {list}:
            places.append(list(chain.from_iterable(place)))
        elif kinds == {dict}:
            total += sum(map(len, place))
            names = {name for one in place[:_FEW] for name, value in one.items() if _holds(value)}
            places += [_under(name, place) for name in names] if len(names) <= _FEW else []
    return total


def _under(name: str, place: list[dict[str, Any]]) -> list[Any]:
    try:
        return list(map(itemgetter(name), place))
    except KeyError:
        return [one[name] for one in place if name in one]


def _holds(value: Any) -> bool:
    return type(value) is dict or (type(value) is list and value != [] and type(value[0]) in (dict, list))


def _most_keys(codes: NDArray[np.uint8], colons: NDArray[np.intp]) -> int:
    """Return a number that the keys of a JSON text, in objects of any depth, do not exceed.

    A key ends with a quotation mark, and a colon follows, perhaps after blanks. A mark after a single backslash ends nothing.
    """
    before = codes[colons - 1]
    marks = before == 0x22
    escaped = marks & (codes[colons - 2] == 0x5C) & (codes[colons - 3] != 0x5C)
    return int(np.count_nonzero((marks | (before <= 0x20)) & ~escaped))


def loose_lines(data: bytes) -> list[Any] | None:
    """Return the values of many lines without a look at repeated keys: see :func:`keys_differ`."""
    with uncollected():
        try:
            values: list[Any] = _DECODER.decode_lines(data)
            return values
        except _REFUSED:
            return None


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


def records(block: Block, *, several: bool = False) -> tuple[Sequence[int], list[Any]]:
    """Return the lines that are not blank and their values; the value of a line that is not JSON is a :class:`NotJSON`.

    Args:
        block: lines of a file.
        several: whether a line may hold several values, each a record of its own.
    """
    values = decode_lines(block.data)
    if values is not None and len(values) == block.data.count(b"\n") + (not block.data.endswith(b"\n")):  # one to each line
        return range(block.first_line, block.first_line + len(values)), values
    lines = block.lines()
    if values is not None and len(values) == len(lines):
        return [number for number, _ in lines], values
    numbers: list[int] = []
    values = []
    for number, line in lines:
        found = decode_lines(line) if several else None
        try:
            values += [decode(line)] if found is None else found
        except NotJSON as error:
            values.append(error)
        numbers += [number] * (len(values) - len(numbers))
    return numbers, values


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
        long = "has a number of thousands of digits or brackets nested by the thousand: it is no chain; give another file"
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

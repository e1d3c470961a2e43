"""Text files opened, decoded and taken apart strictly, with the line of every part. Python loops: never used on a good table."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from dstheory.errors import FileFormatError
from dstheory.readers.rows import shown

__all__ = ["BrokenLine", "check_utf8", "csv_records", "is_unicode", "jsonl_records", "open_bytes", "read_text", "strict_json"]

_STRING_OR_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|(-?\bInfinity\b|\bNaN\b)')

_NOT_A_CHAIN = "has a number of thousands of digits or brackets nested by the thousand: it is no chain; give another file"


class _Refused(ValueError):
    """Something JSON parsers let pass."""


class BrokenLine(Exception):
    """The rest of a sentence about a line that is not JSON."""


def is_unicode(text: str) -> bool:
    """Return whether a text can be written at all: JSON escapes may hold half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, through gzip if its name says so."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def check_utf8(path: Path, source: str) -> None:
    """Raise FileFormatError naming the first line that is not UTF-8."""
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise FileFormatError(
                    f"{source}: line {number} is not UTF-8 (byte {line[error.start]:#04x} in column {error.start + 1}): "
                    "save the file as UTF-8"
                ) from error


def read_text(path: Path, source: str) -> str:
    """Return the whole text of a small file; a byte order mark is dropped.

    Raises:
        FileFormatError: not UTF-8, or empty.
    """
    check_utf8(path, source)
    text = path.read_text(encoding="utf-8-sig")
    if not text.strip():
        raise FileFormatError(f"{source} is empty: needs a chain with at least one prompt and one answer")
    return text


def csv_records(path: Path, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which it begins, cells) of every record that is not a blank line, the header first."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=strict)
            begins = 1
            for cells in reader:
                if cells:
                    yield begins, cells
                begins = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)


def jsonl_records(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line, value) of every JSON value of a file with one (or more) per line.

    Raises:
        BrokenLine: a line is not strict JSON.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n") as text:
        for number, line in enumerate(text, start=1):
            end, at = len(line.rstrip()), len(line) - len(line.lstrip())
            while at < end:
                try:
                    value, at = decoder.raw_decode(line, at)
                except json.JSONDecodeError as error:
                    raise BrokenLine(f"line {number}, column {error.pos + 1} {_break(error)}") from error
                except _Refused as error:
                    raise BrokenLine(f"line {number} is not valid JSON: {error}") from error
                except (ValueError, RecursionError) as error:
                    raise BrokenLine(f"line {number} {_NOT_A_CHAIN}") from error
                yield number, value
                at += len(line[at:]) - len(line[at:].lstrip())


def strict_json(text: str, source: str) -> Any:
    """Parse JSON without NaN, infinity and repeated keys.

    Raises:
        FileFormatError: line and column of the break.
    """
    try:
        return json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{source}: line {error.lineno}, column {error.colno} {_break(error)}") from error
    except _Refused as error:
        place = ""
        constant = next((match for match in _STRING_OR_CONSTANT.finditer(text) if match.group(1)), None)
        if constant:
            before = text[: constant.start()]
            place = f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}: "
        raise FileFormatError(f"{source}: {place}{error}") from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{source} {_NOT_A_CHAIN}") from error


def _break(error: json.JSONDecodeError) -> str:
    ends = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
    remedy = "the text ends too early; it was cut off, write it again" if ends else "correct that place"
    what = re.sub(r" (starting )?at$", "", error.msg)
    return f"is not valid JSON ({what[:1].lower()}{what[1:]}): {remedy}"


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for i, name in enumerate(names) if name in names[:i])
        raise _Refused(f"the key {shown(again)} is given twice in one object; remove one of them")
    return record


def _no_constant(name: str) -> Any:
    raise _Refused(f"{name} is not a JSON number; write a finite number")

"""Why a table could not be read, and what its rows are called. Looked for only when something is wrong, so it may be slow."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dstheory.errors import FileFormatError
from dstheory.readers.rows import first_of, shown
from dstheory.readers.schema import BY_NAME, FALSE_WORDS, NUMBER, TRUE_WORDS, nearest
from dstheory.readers.text import BrokenLine, check_utf8, csv_records, is_unicode, jsonl_records

__all__ = ["csv_header", "explain_csv", "explain_jsonl", "lines_of"]


def csv_header(path: Path, source: str) -> list[str]:
    """Return the column names of a CSV file, each known and given once.

    Raises:
        FileFormatError: the file is empty, or a column is unknown, unnamed or repeated.
    """
    try:
        names = next((cells for _, cells in csv_records(path)), None)
    except UnicodeDecodeError:
        check_utf8(path, source)
        raise
    if names is None:
        raise FileFormatError(f"{source} is empty: needs a header with prompt, answer, correct, and one row per answer")
    for position, name in enumerate(names, start=1):
        if name not in BY_NAME:
            if len(names) == 1 and any(mark in name for mark in ";\t|"):
                hint = "the cells of a row are separated by commas"
            elif not name.strip():
                hint = "the first line must name every column; if it is a row index, write the table without it"
            else:
                hint = nearest(name, BY_NAME)
            raise FileFormatError(f"{source}: line 1 has the unknown column {shown(name)} (number {position}): {hint}")
        if names.index(name) != position - 1:
            raise FileFormatError(f"{source}: line 1 has the column {name} twice: remove one of them")
    return names


def explain_csv(path: Path, source: str, reason: str) -> NoReturn:
    """Raise FileFormatError saying what makes a CSV file unreadable; ``reason`` is the reader's own word, the last resort."""
    check_utf8(path, source)
    found: dict[tuple[str, str], list[str]] = {}  # (what, rule) -> what breaks it, in the order of the file
    records = csv_records(path, strict=True)
    line, header = next(records)
    try:
        for line, cells in records:
            if len(cells) != len(header):
                rule = f"must have one cell for each of the {len(header)} columns; put cells that hold a comma into quotes"
                found.setdefault(("", rule), []).append(f"line {line} has {len(cells)} cells")
                continue
            for name, cell in zip(header, cells, strict=True):
                broken = _cell_rule(name, cell)
                if broken:
                    found.setdefault((f"{name} is ", broken), []).append(f"{shown(cell)} at line {line}")
    except csv.Error as error:
        raise FileFormatError(
            f"{source}: the record after line {line} is broken ({error}): close its quotes and double the quotes inside a cell; "
            "if the file is cut off, write it again"
        ) from error
    _refuse(source, found, reason)


def _cell_rule(name: str, cell: str) -> str | None:
    kind = BY_NAME[name].kind
    if kind == "flag" and cell and cell not in TRUE_WORDS + FALSE_WORDS:
        return "must be 0 or 1, or true or false; mark each answer right or wrong"
    if kind == "number" and cell and not NUMBER.fullmatch(cell):
        return "must be a number, with a point before the decimals; correct it"
    return None


def explain_jsonl(path: Path, source: str, reason: str) -> NoReturn:
    """Raise FileFormatError saying what makes a JSON lines file unreadable."""
    check_utf8(path, source)
    found: dict[tuple[str, str], list[str]] = {}
    styles: dict[bool, int] = {}  # whether correct is a boolean -> first line where it is or is not
    try:
        for line, record in jsonl_records(path):
            if not isinstance(record, dict):
                rule = 'must be an object such as {"prompt": "a", "answer": "1", "correct": true}'
                found.setdefault(("", rule), []).append(f"line {line} holds {_brief(record)}")
                continue
            for name, value in record.items():
                if name not in BY_NAME:
                    raise FileFormatError(f"{source}: line {line} has the unknown column {shown(name)}: {nearest(name, BY_NAME)}")
                broken = _value_rule(name, value)
                if broken:
                    found.setdefault((f"{name} is ", broken), []).append(f"{_brief(value)} at line {line}")
            if record.get("correct") is not None:
                styles.setdefault(isinstance(record["correct"], bool), line)
    except BrokenLine as error:
        raise FileFormatError(f"{source}: {error}") from error
    if not found and len(styles) > 1:
        raise FileFormatError(
            f"{source}: correct is a number at line {styles[False]} but true or false at line {styles[True]}: "
            "must be of the same kind in all lines; use one of them"
        )
    _refuse(source, found, reason)


def _brief(value: Any) -> str:
    return shown(value) if isinstance(value, (str, int, float)) or value is None else f"a {type(value).__name__}"


def _value_rule(name: str, value: Any) -> str | None:
    if value is None:
        return None  # a missing value has its own message
    kind = BY_NAME[name].kind
    if isinstance(value, str) and not is_unicode(value):
        return "must be valid Unicode, not half of a surrogate pair; correct its \\u escapes"
    if isinstance(value, float) and not math.isfinite(value):
        return "must fit a double; write a smaller number"
    if kind == "text" and not isinstance(value, str):
        return "must be text; put it into quotes"
    if kind == "flag" and not isinstance(value, (bool, int, float)):
        return "must be true or false, or 1 or 0, without quotes"
    if kind == "number" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return "must be a number, without quotes"
    return None


def _refuse(source: str, found: dict[tuple[str, str], list[str]], reason: str) -> NoReturn:
    if found:
        (what, rule), places = next(iter(found.items()))
        raise FileFormatError(f"{source}: {what}{first_of(places)}: {rule}")
    raise FileFormatError(
        f"{source} cannot be read as a table ({reason.splitlines()[0].rstrip('.')}): correct it or write it again"
    )


def lines_of(records: Iterator[tuple[int, Any]], rows: Sequence[int]) -> list[str]:
    """Return "line n" for each of these rows (counted from 0) of a table whose records come with their lines."""
    wanted, last = set(rows), max(rows)
    found: dict[int, str] = {}
    try:
        for row, (line, _) in enumerate(records):
            if row in wanted:
                found[row] = f"line {line}"
            if row == last:
                break
    except (BrokenLine, csv.Error):
        found.clear()  # a layout that only the fast reader understands: the number of the row is still right
    return [found.get(row, f"row {row} (counted from 0)") for row in rows]

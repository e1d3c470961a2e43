"""JSON lines of records with marked attempts: in bulk where a block is good, record by record where it is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dstheory.anatomy.records.columns import Layout, read_columns
from dstheory.anatomy.records.fields import FieldNames
from dstheory.anatomy.records.gather import Gatherer, collect
from dstheory.anatomy.records.reading import Place, Reading
from dstheory.anatomy.records.rules import Fault, parse_record
from dstheory.anatomy.records.streams import Block, CutOff, line_blocks

__all__ = ["Progress", "json_lines", "read_jsonl", "strict_value"]

Progress = Callable[[int, int], None]  # records so far, bytes of the current file read so far


def strict_value(line: bytes) -> Any:
    """Return the JSON value of one line.

    Raises:
        Fault: it is not UTF-8, or not strict JSON (NaN, infinity and repeated keys are refused).

    >>> strict_value(b'{"id": 1, "id": 2}')
    Traceback (most recent call last):
        ...
    dstheory.anatomy.records.rules.Fault: is not JSON: the key 'id' is given twice in one object
    """
    try:
        return json.loads(line.decode("utf-8"), object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise Fault(
            "not-utf8", "", f"is not UTF-8 (byte {byte:#04x} in column {error.start + 1}): save the file as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise Fault("not-json", "", f"is not JSON ({what}, column {error.pos + 1}): write one object per line") from error
    except RecursionError as error:
        raise Fault("not-json", "", "is not JSON: brackets are nested too deeply") from error
    except ValueError as error:
        raise Fault("not-json", "", f"is not JSON: {str(error).splitlines()[0][:80]}") from error


def json_lines(path: Path, file: str, reading: Reading, progress: Progress | None = None) -> Iterator[tuple[int, Any]]:
    """Yield (line number, value) of every line that is JSON; others are counted in ``reading``.

    Raises:
        RecordError: in strict mode, the first line that is not.
        FileFormatError: the file cannot be read.
    """
    try:
        for block in line_blocks(path):
            for number, line in _lines(block):
                try:
                    yield number, strict_value(line)
                except Fault as fault:
                    reading.fault(Place(file, number), fault)
            if progress is not None:
                progress(reading.records, block.done)
    except CutOff as error:
        reading.fault(Place(file, 0, "file"), Fault("cut-off", "", f"{error}: write it again"))


def read_jsonl(
    path: Path, file: str, names: FieldNames, gatherer: Gatherer, progress: Progress | None = None, *, bulk: bool = True
) -> None:
    """Read a file of records with marked attempts into a gatherer.

    Args:
        path: the file, plain or packed.
        file: how the user wrote it.
        names: its field names.
        gatherer: where records go; its account counts those that are unusable.
        progress: called after each block.
        bulk: whether good blocks may be read in bulk; the result is the same.

    Raises:
        RecordError: in strict mode the first unusable record; or many records, all of them unusable.
        FileFormatError: the file cannot be read.
    """
    reading = gatherer.reading
    layout: Layout | None = None
    try:
        for block in line_blocks(path):
            if layout is None and bulk:
                layout = _layout(block, names)
            if layout is None or not _in_bulk(block, layout, file, gatherer):
                _one_by_one(_lines(block), names, file, gatherer)
            gatherer.give_up_if_hopeless(file)
            if progress is not None:
                progress(reading.records, block.done)
    except CutOff as error:
        reading.fault(Place(file, 0, "file"), Fault("cut-off", "", f"{error}: write it again"))


def _in_bulk(block: Block, layout: Layout, file: str, gatherer: Gatherer) -> bool:
    """Read a block by columns; return False, having done nothing, if it has to be read record by record."""
    count = block.data.count(b"\n") + (not block.data.endswith(b"\n"))
    numbers: Any = None
    found = read_columns(block.data, count, layout)
    if found is None and (b"\n\n" in block.data or b"\n\r\n" in block.data or block.data[:1] in b"\r\n"):
        # Blank lines: count again without them.
        numbers = np.array([number for number, _ in _lines(block)], dtype=np.int64)
        found = read_columns(block.data, len(numbers), layout)
    if found is None:
        return False
    batch, good = found
    batch.numbers = np.arange(len(good)) + block.first_line if numbers is None else numbers
    if good.all():
        gatherer.add(batch, file)
        return True
    # What is wrong with the others is said by the reader of single records, in the order of the file.
    lines = dict(_lines(block))
    others = [int(n) for n in batch.numbers[~good]]
    if gatherer.reading.strict:
        gatherer.add(batch.keep(good & (batch.numbers < others[0])), file)
    else:
        gatherer.add(batch.keep(good), file)
    _one_by_one([(n, lines[n]) for n in others], layout.names, file, gatherer)
    return True


def _one_by_one(lines: Iterable[tuple[int, bytes]], names: FieldNames, file: str, gatherer: Gatherer) -> None:
    collect(lines, lambda line: parse_record(strict_value(line), names), file, gatherer)


def _layout(block: Block, names: FieldNames) -> Layout | None:
    """Return the layout that the first good record shows, if one of the first thousand is good."""
    for _, line in islice(_lines(block), 1000):
        try:
            record = strict_value(line)
            parse_record(record, names)
        except Fault:
            continue
        return Layout.of(record, names)
    return None


def _lines(block: Block) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of the lines that are not blank."""
    for number, line in enumerate(block.data.split(b"\n"), start=block.first_line):
        if line.strip():
            yield number, line


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"the key {again!r} is given twice in one object")
    return record


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")

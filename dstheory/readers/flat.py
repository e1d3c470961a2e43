"""Chain tables, one row per (prompt, answer): CSV, Parquet and JSON lines; columns stay arrays all the way.

A table may have millions of rows: what is good is never looped over in Python cell by cell. Why a table could not be read, and on
which line, is looked for only when something is wrong, so that may be slow.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from dstheory.checks import Bools, Ints, sealed
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.chain_table import BY_NAME, COLUMNS, FALSE_WORDS, NUMBER, TRUE_WORDS, ChainTable, Column, check_columns
from dstheory.readers.json_values import LineDecoder, NotJSON, records, sentence
from dstheory.readers.streams import CutOff, check_utf8, csv_records, line_blocks, opened
from dstheory.readers.tables import ArrowTable, csv_header, in_words, read_csv, read_parquet
from dstheory.texts import NAMED, brief, csv_text, first_of, is_unicode, nearest, shown, text_of_csv

_CHUNK = 100_000  # rows turned into JSON text at a time
_SETTINGS = [column for column in COLUMNS if column.per == "chain"]


def read_flat(path: Path, kind: str, source: str) -> ChainTable:
    """Read a table.

    Args:
        path: the file.
        kind: its format: csv, jsonl or parquet.
        source: how messages call it.

    Raises:
        FileFormatError: the file is not such a table; the place and the rule.
    """
    try:
        table = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}[kind](path, source)
    except (OSError, EOFError, zlib.error, CutOff) as error:
        if path.suffix.lower() != ".gz" or getattr(error, "errno", None) is not None:
            raise  # the operating system's own trouble
        raise FileFormatError(f"{source} is not complete gzip data ({error}): write or copy it again") from error
    except pa.ArrowException as error:
        raise FileFormatError(f"{source} cannot be read as {kind} ({str(error).splitlines()[0]}): write it again") from error
    return _chain_table(table, source)


# ---------------------------------------------------------------------- one reader per format


def _read_csv(path: Path, source: str) -> ArrowTable:
    names = csv_header(path, source)
    if not names:
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
    check_columns(names, source)
    types = {"text": pa.large_string(), "flag": pa.bool_(), "number": pa.float64()}
    try:
        table = read_csv(
            path,
            column_types={name: types[BY_NAME[name].kind] for name in names},
            null_values=[""],  # only an empty cell is missing: a prompt may be called "NA"
            strings_can_be_null=False,
            true_values=TRUE_WORDS,
            false_values=FALSE_WORDS,
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        check_utf8(path, source)
        _explain(_broken_cells(path, source), source, str(error))
    if not len(table.columns["prompt"]):
        raise FileFormatError(f"{source} has a header but no rows: needs one row per prompt and answer")
    for name in ("prompt", "answer"):
        if pc.any(pc.starts_with(table.columns[name], "'")).as_py():
            table.columns[name] = text_of_csv(table.columns[name])
    return table


def _read_jsonl(path: Path, source: str) -> ArrowTable:
    try:
        decoder = LineDecoder()
        tables = [_columns(decoder.decode(block.data)) for block in line_blocks(path, table=True)]
        table = pa.concat_tables(tables, promote_options="default") if tables else pa.table({})
    except (_Odd, pa.ArrowInvalid, OverflowError, UnicodeDecodeError) as error:
        check_utf8(path, source)
        _explain(_broken_values(path, source), source, str(error))
    if not len(table):
        raise FileFormatError(f"{source} is empty: needs one object per line, with prompt, answer and correct")
    columns = {name: table[name] for name in table.column_names if table[name].null_count < len(table)}
    check_columns(columns, source)
    return ArrowTable(columns, list(columns), rows=lambda: (line for line, _ in _values(path)))


class _Odd(Exception):
    """Something in a block of JSON lines that no good table has."""


def _columns(values: list[Any] | None) -> Any:
    """Return the Arrow table of the objects of a block; a key that an object does not have is null."""
    if values is None or not set(map(type, values)) <= {dict}:
        raise _Odd("a line is not an object")
    columns = {}
    for name in set().union(*values):
        if name not in BY_NAME:
            raise _Odd(f"the column {shown(name)} is unknown")
        try:
            cells = list(map(itemgetter(name), values))
        except KeyError:
            cells = [value.get(name) for value in values]
        kinds = set(map(type, cells))
        given = cells if type(None) not in kinds else [cell for cell in cells if cell is not None]
        kinds.discard(type(None))
        kind = BY_NAME[name].kind
        if kind == "text" and kinds <= {str}:
            columns[name] = pa.array(cells, pa.large_string())
        elif kind == "flag" and kinds == {bool}:
            columns[name] = pa.array(cells, pa.bool_())
        elif kind != "text" and kinds <= {int, float}:
            mask = None if given is cells else np.array([cell is None for cell in cells])
            columns[name] = pa.array(np.array(cells, dtype=np.float64), mask=mask)
        else:
            raise _Odd(f"{name} is of the wrong kind")
    return pa.table(columns)


def _values(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line, value) of a file of JSON lines."""
    decoder = LineDecoder()
    for block in line_blocks(path):
        for line, value in zip(*records(block, decoder, several=True), strict=True):
            if isinstance(value, NotJSON):
                raise ValueError(str(value)) from value
            yield line, value


def _read_parquet(path: Path, source: str) -> ArrowTable:
    with opened(path) as file:
        empty = not file.read(1)
    if empty:
        raise FileFormatError(f"{source} is empty: needs a Parquet table with the columns prompt, answer, correct")
    names = read_parquet(path, wanted=()).present
    for name in names:
        if name not in BY_NAME:
            raise FileFormatError(f"{source} has the unknown column {shown(name)}: {nearest(name, BY_NAME)}")
    if len(set(names)) < len(names):
        raise FileFormatError(f"{source} has two columns of the same name: {', '.join(names)}; remove one of them")
    check_columns(names, source)
    table = read_parquet(path)
    if not len(table.columns["prompt"]):
        raise FileFormatError(f"{source} has columns but no rows: needs one row per prompt and answer")
    return table


# ---------------------------------------------------------------------- what is wrong with a table


def _explain(broken: Iterator[tuple[str, str, str]], source: str, reason: str) -> NoReturn:
    """Raise FileFormatError about the first rule that is broken, naming the first few places where it is.

    Args:
        broken: (what, rule, value and place), in the order of the file.
        source: how messages call the file.
        reason: the reader's own word, the last resort.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for what, rule, place in broken:
        found.setdefault((what, rule), []).append(place)
    if found:
        (what, rule), places = next(iter(found.items()))
        raise FileFormatError(f"{source}: {what}{first_of(places)}: {rule}")
    raise FileFormatError(
        f"{source} cannot be read as a table ({reason.splitlines()[0].rstrip('.')}): correct it or write it again"
    )


def _broken_cells(path: Path, source: str) -> Iterator[tuple[str, str, str]]:
    rows, line = csv_records(path, strict=True), 0
    try:
        line, header = next(rows)
        for line, cells in rows:
            if len(cells) != len(header):
                rule = f"must have one cell for each of the {len(header)} columns; put cells that hold a comma into quotes"
                yield "", rule, f"line {line} has {len(cells)} cells"
                continue
            for name, cell in zip(header, cells, strict=True):
                kind = BY_NAME[name].kind
                if kind == "flag" and cell and cell not in TRUE_WORDS + FALSE_WORDS:
                    rule = "must be 0 or 1, or true or false; mark each answer right or wrong"
                    yield f"{name} is ", rule, f"{shown(cell)} at line {line}"
                elif kind == "number" and cell and not NUMBER.fullmatch(cell):
                    rule = "must be a number, with a point before the decimals; correct it"
                    yield f"{name} is ", rule, f"{shown(cell)} at line {line}"
    except csv.Error as error:
        where = f"the record after line {line}" if line else "line 1"
        raise FileFormatError(
            f"{source}: {where} is broken ({error}): close its quotes and double the quotes inside a cell; "
            "if the file is cut off, write it again"
        ) from error


def _broken_values(path: Path, source: str) -> Iterator[tuple[str, str, str]]:
    styles: dict[bool, int] = {}  # whether correct is a boolean -> first line where it is or is not
    decoder = LineDecoder()
    for block in line_blocks(path):
        for line, record in zip(*records(block, decoder, several=True), strict=True):
            if isinstance(record, NotJSON):
                raise FileFormatError(sentence(record, source, line))
            if not isinstance(record, dict):
                rule = 'must be an object such as {"prompt": "a", "answer": "1", "correct": true}'
                yield "", rule, f"line {line} holds {brief(record)}"
                continue
            for name, value in record.items():
                if name not in BY_NAME:
                    raise FileFormatError(f"{source}: line {line} has the unknown column {shown(name)}: {nearest(name, BY_NAME)}")
                rule = _value_rule(BY_NAME[name].kind, value)
                if rule:
                    yield f"{name} is ", rule, f"{brief(value)} at line {line}"
            if record.get("correct") is not None:
                styles.setdefault(isinstance(record["correct"], bool), line)
    if len(styles) > 1:
        place = f"a number at line {styles[False]} but true or false at line {styles[True]}"
        yield "correct is ", "must be of the same kind in all lines; use one of them", place


def _value_rule(kind: str, value: Any) -> str:
    """Return the rule that a value breaks; "" if it is good, or missing, which has its own message."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is None:
        return ""
    if isinstance(value, str) and not is_unicode(value):
        return "must be valid Unicode, not half of a surrogate pair; correct its \\u escapes"
    if number and not math.isfinite(value if abs(value) < 2**1023 else math.inf):
        return "must fit a double; write a smaller number"
    if kind == "text" and not isinstance(value, str):
        return "must be text; put it into quotes"
    if kind == "flag" and not isinstance(value, (bool, int, float)):
        return "must be true or false, or 1 or 0, without quotes"
    if kind == "number" and not number:
        return "must be a number, without quotes"
    return ""


# ---------------------------------------------------------------------- columns to a chain


def _chain_table(table: ArrowTable, source: str) -> ChainTable:
    coded: dict[str, tuple[Ints, Any]] = {}
    rows = ChainTable(source, (), np.zeros(0, np.int64), np.zeros(0, np.int64), [], {}, where=table.places)
    for name, column in table.columns.items():
        if column.null_count:
            _refuse_holes(rows, name, pc.is_null(column).to_numpy(zero_copy_only=False))
        if BY_NAME[name].kind == "text":
            coded[name] = _encode(in_words(column), name, source)
            continue
        if not _is_number(column.type, BY_NAME[name]):
            rows.refuse(f"column {name} has the type {_kind(column)}: must hold numbers; convert it")
        doubles = column if pa.types.is_float64(column.type) else column.cast(pa.float64(), safe=False)
        rows.numbers[name] = sealed(doubles.to_numpy())  # nobody has what was read from a file just now
        if pa.types.is_float32(column.type) or pa.types.is_float16(column.type):
            rows.precision[name] = np.dtype(column.type.to_pandas_dtype())
    rows.prompt, names = coded["prompt"]
    rows.answer, rows.answer_names = coded["answer"]
    rows.prompts = tuple(names.to_pylist())
    if "" in rows.prompts:
        _refuse_holes(rows, "prompt", rows.prompt == rows.prompts.index(""))
    _take_settings(rows, coded)
    return rows


def _refuse_holes(rows: ChainTable, name: str, empty: Bools) -> NoReturn:
    at = np.flatnonzero(empty)
    places = first_of(rows.where(at[:NAMED].tolist()), len(at))
    remedy = "fill it in" if BY_NAME[name].required else "fill it in, or leave the column out"
    rows.refuse(f"{name} is missing at {places}: must be given in every row; {remedy}")


def _encode(column: Any, name: str, source: str) -> tuple[Ints, Any]:
    """Return codes in order of first appearance, and what they stand for."""
    kind = _kind(column)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        raise FileFormatError(f"{source}: column {name} has the type {kind}: must be text; convert it")
    if pa.types.is_dictionary(column.type):
        return _codes_of_dictionary(column)
    encoded = column.cast(pa.large_string()).dictionary_encode()
    chunks = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    # The dictionaries of the chunks grow from one to the next; the last one has all names.
    return np.concatenate(chunks).astype(np.int64), encoded.chunk(encoded.num_chunks - 1).dictionary


def _kind(column: Any) -> Any:
    """Return the type of a column's values."""
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def _codes_of_dictionary(column: Any) -> tuple[Ints, Any]:
    """Return the same of a column of dictionaries, which may hold texts twice, in any order, or that no row has."""
    column = column.unify_dictionaries()
    names = column.chunk(0).dictionary.cast(pa.large_string()).dictionary_encode()
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks])
    if len(names.dictionary) == len(names) and _appear_in_order(codes, len(names)):
        return codes, names.dictionary  # as a writer makes them that meets texts row by row
    codes = names.indices.to_numpy(zero_copy_only=False).astype(np.int64)[codes]
    first = np.full(len(names.dictionary), len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several assignments to one place the last one stays
    order = np.argsort(first)[: np.count_nonzero(first < len(codes))]
    place = np.empty(len(first), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[codes], names.dictionary.take(pa.array(order))


def _appear_in_order(codes: Ints, many: int) -> bool:
    """Return whether all of 0, 1, ..., many - 1 appear, each for the first time after those before it."""
    until = codes[: np.argmax(codes == many - 1) + 1]
    latest = until if (until[1:] >= until[:-1]).all() else np.maximum.accumulate(until)
    return bool(latest[0] == 0 and latest[-1] == many - 1 and (latest[1:] - latest[:-1] <= 1).all())


def _is_number(kind: Any, column: Column) -> bool:
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(numeric or (pa.types.is_boolean(kind) and column.kind == "flag"))


def _take_settings(rows: ChainTable, coded: dict[str, tuple[Ints, Any]]) -> None:
    """Move what holds for the whole chain from its columns, which must be constant, to the settings."""
    values: Any
    for name in (column.name for column in _SETTINGS):
        if name in coded:
            values, words = coded[name][0], coded[name][1].to_pylist()
            unknown = [code for code, word in enumerate(words) if word not in ("turn", "stage")]
            if unknown:
                written = np.array(words, dtype=object)[values]
                rows.complain(name, np.isin(values, unknown), written, "must be turn or stage", "use one of the two words")
        elif name in rows.numbers:
            values, words = rows.numbers.pop(name), None
            rule = BY_NAME[name].rule
            if not rule.holds(values):
                rows.complain(name, ~rule.allows(values), values, rule.text, BY_NAME[name].remedy)
        else:
            continue
        differs = np.flatnonzero(values != values[0])
        found = [words[int(value)] if words else float(value) for value in values[[0, *differs[:1]]]]
        if len(differs):
            here, there = rows.where([int(differs[0]), 0])
            rows.refuse(
                f"{name} is {shown(found[1])} at {here} but {shown(found[0])} at {there}: "
                "it belongs to the whole chain and must be the same in all rows; correct it"
            )
        rows.settings[name] = int(found[0]) if name == "max_turns" else found[0]


# ---------------------------------------------------------------------- a chain to a file


def write_flat(rows: ChainTable, kind: str, path: Path, *, compressed: bool) -> None:
    """Write a table.

    Args:
        rows: the rows.
        kind: the format: csv, jsonl or parquet.
        path: the file.
        compressed: whether it is packed with gzip.

    Raises:
        DSTheoryError: the format cannot hold the rows (turn-indexed policies; infinite logits in JSON lines).
    """
    for name, values in rows.numbers.items():
        if values.ndim > 1:
            raise DSTheoryError(
                f"{rows.source}: {name} is indexed by {len(values)} turns, but a table has one row per prompt and answer: "
                "write .json or .toml"
            )
        if kind == "jsonl" and not np.isfinite(values).all():
            raise DSTheoryError(
                f"{rows.source}: {name} holds infinite values, which JSON lines cannot: write .csv, .parquet or .toml"
            )
    prompts, answers = (pa.array(names, pa.large_string()) for names in (rows.prompts, rows.answer_names))
    if kind == "csv":
        prompts, answers = csv_text(prompts), csv_text(answers)
    columns: dict[str, Any] = {
        "prompt": prompts.take(pa.array(rows.prompt)),
        "answer": answers.take(pa.array(rows.answer)),
        "correct": pa.array(rows.numbers["correct"].astype(np.int8)),
        **{name: pa.array(values) for name, values in rows.numbers.items() if name != "correct"},
    }
    for column in _SETTINGS:
        if column.name in rows.settings:
            value = rows.settings[column.name]
            wide = isinstance(value, int) and value >= 2**63  # a cap as it came from a double; Arrow's whole numbers end before
            columns[column.name] = pa.repeat(pa.scalar(float(value) if wide else value), len(rows))
    table = pa.table({column.name: columns[column.name] for column in COLUMNS if column.name in columns})
    if kind == "parquet":
        with path.open("wb") as file:
            parquet.write_table(table, file, write_page_checksum=True)
        return
    with path.open("wb") as file, pa.output_stream(file, compression="gzip" if compressed else None) as stream:
        if kind == "csv":
            arrow_csv.write_csv(table, stream)
        else:
            encode, names = msgspec.json.Encoder().encode_lines, table.column_names
            for start in range(0, len(rows), _CHUNK):
                cells = zip(*(column.to_numpy().tolist() for column in table.slice(start, _CHUNK).columns), strict=True)
                stream.write(encode([dict(zip(names, row, strict=False)) for row in cells]))

"""Chain tables, one row per (prompt, answer): CSV, Parquet and JSON lines through Arrow; columns stay arrays all the way.

A table may have millions of rows: nothing here loops over them in Python. What a row is called in a message is worked out only
when there is something to say about it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from dstheory.checks import Bools, Ints
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.build import check_columns
from dstheory.readers.explain import csv_header, explain_csv, explain_jsonl, lines_of
from dstheory.readers.rows import NAMED, Rows, first_of, shown
from dstheory.readers.schema import BY_NAME, COLUMNS, FALSE_WORDS, TRUE_WORDS, Column, nearest
from dstheory.readers.text import csv_records, jsonl_records, open_bytes

__all__ = ["read_table", "write_table"]

_BLOCK = 1 << 24  # bytes parsed at a time; also the longest row
_CHUNK = 100_000  # rows turned into JSON text at a time
_SETTINGS = [column for column in COLUMNS if column.per == "chain"]


def read_table(path: Path, kind: str, source: str) -> Rows:
    """Read a table of format ``kind`` (csv, jsonl, parquet).

    Raises:
        FileFormatError: the file is not such a table; the place and the rule.
    """
    import pyarrow

    try:
        table = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}[kind](path, source)
    except (OSError, EOFError, zlib.error) as error:
        if path.suffix.lower() != ".gz" or getattr(error, "errno", None) is not None:
            raise  # the operating system's own trouble
        raise FileFormatError(f"{source} is not complete gzip data ({error}): write or copy it again") from error
    except pyarrow.ArrowException as error:
        raise FileFormatError(f"{source} cannot be read as {kind} ({str(error).splitlines()[0]}): write it again") from error
    return _rows(table, kind, path, source)


# ---------------------------------------------------------------------- one reader per format


def _read_csv(path: Path, source: str) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    names = csv_header(path, source)
    _check_names(names, source)
    types = {"text": pa.large_string(), "flag": pa.bool_(), "number": pa.float64()}
    try:
        with pa.input_stream(str(path)) as stream:
            table = csv.read_csv(
                stream,
                read_options=csv.ReadOptions(block_size=_BLOCK),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types={name: types[BY_NAME[name].kind] for name in names},
                    null_values=[""],  # only an empty cell is missing: a prompt may be called "NA"
                    strings_can_be_null=False,
                    true_values=TRUE_WORDS,
                    false_values=FALSE_WORDS,
                ),
            )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        explain_csv(path, source, str(error))
    if table.num_rows == 0:
        raise FileFormatError(f"{source} has a header but no rows: needs one row per prompt and answer")
    return table


def _read_jsonl(path: Path, source: str) -> Any:
    import pyarrow as pa
    from pyarrow import json as arrow_json

    likely = _first_keys(path)
    if likely is None:
        raise FileFormatError(f"{source} is empty: needs one object per line, with prompt, answer and correct")
    # Types are stated, so that no text is taken for a date; but every column stated costs time, so only for those likely to come.
    types = {"text": pa.large_string(), "number": pa.float64()}
    schema = pa.schema(
        [(column.name, types[column.kind]) for column in COLUMNS if column.kind in types and column.name in likely]
    )
    try:
        with pa.input_stream(str(path)) as stream:
            table = arrow_json.read_json(
                stream,
                read_options=arrow_json.ReadOptions(block_size=_BLOCK),
                parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
            )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        explain_jsonl(path, source, str(error))
    if any(name not in BY_NAME for name in table.column_names):
        explain_jsonl(path, source, "a column is unknown")
    given = [name for name in table.column_names if table.column(name).null_count < table.num_rows]
    _check_names(given, source)
    for name in given:
        if BY_NAME[name].kind != "text" and not _is_number(table.column(name).type, BY_NAME[name]):
            explain_jsonl(path, source, f"{name} holds no numbers")
    return table.select(given)


def _first_keys(path: Path) -> set[str] | None:
    """Return the required columns and those of the first object; None if there is nothing in the file."""
    with open_bytes(path) as file:
        first = next((line for line in file if line.strip()), None)
    if first is None:
        return None
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        record = {}  # the reader will say what is wrong with it
    return {column.name for column in COLUMNS if column.required} | set(record if isinstance(record, dict) else ())


def _read_parquet(path: Path, source: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    if path.stat().st_size == 0:
        raise FileFormatError(f"{source} is empty: needs a Parquet table with the columns prompt, answer, correct")
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for name in names:
                if name not in BY_NAME:
                    raise FileFormatError(f"{source} has the unknown column {shown(name)}: {nearest(name, BY_NAME)}")
            if len(set(names)) < len(names):
                raise FileFormatError(f"{source} has two columns of the same name: {', '.join(names)}; remove one of them")
            _check_names(names, source)
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise FileFormatError(
            f"{source} is not a complete Parquet file ({str(error).splitlines()[0].split('. ')[0]}): "
            "it was cut off, or is of another format; write it again"
        ) from error
    if table.num_rows == 0:
        raise FileFormatError(f"{source} has columns but no rows: needs one row per prompt and answer")
    return table


def _check_names(names: Sequence[str], source: str) -> None:
    problem = check_columns(set(names))
    if problem:
        raise FileFormatError(f"{source}: {problem}")


# ---------------------------------------------------------------------- Arrow to rows


def _rows(table: Any, kind: str, path: Path, source: str) -> Rows:
    import pyarrow as pa
    import pyarrow.compute as pc

    def where(rows: Sequence[int]) -> list[str]:
        if kind == "csv":
            records = csv_records(path)
            next(records)  # the header
            return lines_of(records, rows)
        if kind == "jsonl":
            return lines_of(jsonl_records(path), rows)
        return [f"row {row} (counted from 0)" for row in rows]

    coded: dict[str, tuple[Ints, Any]] = {}
    rows = Rows(source, (), np.zeros(0, np.int64), np.zeros(0, np.int64), [], {}, where=where)
    for name in table.column_names:
        column = table.column(name)
        if column.null_count:
            _refuse_holes(rows, name, pc.is_null(column).to_numpy(zero_copy_only=False))
        if BY_NAME[name].kind == "text":
            coded[name] = _encode(column, name, source)
        else:
            rows.numbers[name] = _numbers(column, name, source)
            if pa.types.is_float32(column.type) or pa.types.is_float16(column.type):
                rows.precision[name] = np.dtype(column.type.to_pandas_dtype())
            if kind == "jsonl" and not np.isfinite(rows.numbers[name]).all():
                explain_jsonl(path, source, f"{name} is not finite")  # the fast reader lets NaN pass, which is not JSON
    rows.prompt, names = coded["prompt"]
    rows.answer, rows.answer_names = coded["answer"]
    rows.prompts = tuple(names.to_pylist())
    if "" in rows.prompts:
        _refuse_holes(rows, "prompt", rows.prompt == rows.prompts.index(""))
    _take_settings(rows, coded)
    return rows


def _refuse_holes(rows: Rows, name: str, empty: Bools) -> NoReturn:
    at = np.flatnonzero(empty)
    places = first_of(rows.where(at[:NAMED].tolist()), len(at))
    remedy = "fill it in" if BY_NAME[name].required else "fill it in, or leave the column out"
    rows.refuse(f"{name} is missing at {places}: must be given in every row; {remedy}")


def _encode(column: Any, name: str, source: str) -> tuple[Ints, Any]:
    """Return codes in order of first appearance, and what they stand for."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_integer(column.type)):
        raise FileFormatError(f"{source}: column {name} has the type {column.type}: must be text; convert it")
    encoded = column.cast(pa.large_string()).dictionary_encode()
    chunks = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    # The dictionaries of the chunks grow from one to the next; the last one has all names.
    return np.concatenate(chunks).astype(np.int64), encoded.chunk(encoded.num_chunks - 1).dictionary


def _is_number(kind: Any, column: Column) -> bool:
    import pyarrow as pa

    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(numeric or (pa.types.is_boolean(kind) and column.kind == "flag"))


def _numbers(column: Any, name: str, source: str) -> Any:
    import pyarrow as pa

    if not _is_number(column.type, BY_NAME[name]):
        raise FileFormatError(f"{source}: column {name} has the type {column.type}: must hold numbers; convert it")
    return column.cast(pa.float64(), safe=False).to_numpy()


def _take_settings(rows: Rows, coded: dict[str, tuple[Ints, Any]]) -> None:
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


# ---------------------------------------------------------------------- rows to a file


def write_table(rows: Rows, kind: str, path: Path, *, compressed: bool) -> None:
    """Write rows as a table of format ``kind`` to ``path``.

    Raises:
        DSTheoryError: the format cannot hold the rows (turn-indexed policies; infinite logits in JSON lines).
    """
    import pyarrow as pa

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
    prompts = pa.DictionaryArray.from_arrays(pa.array(rows.prompt), pa.array(rows.prompts, pa.large_string()))
    columns: dict[str, Any] = {
        "prompt": prompts.cast(pa.large_string()),
        "answer": pa.array(rows.answer_names, pa.large_string()).take(pa.array(rows.answer)),
        "correct": pa.array(rows.numbers["correct"].astype(np.int8)),
        **{name: pa.array(values) for name, values in rows.numbers.items() if name != "correct"},
    }
    for column in _SETTINGS:
        if column.name in rows.settings:
            columns[column.name] = pa.repeat(pa.scalar(rows.settings[column.name]), len(rows))
    table = pa.table({column.name: columns[column.name] for column in COLUMNS if column.name in columns})
    if kind == "parquet":
        from pyarrow import parquet

        parquet.write_table(table, path)
        return
    with pa.output_stream(str(path), compression="gzip" if compressed else None) as stream:
        if kind == "csv":
            from pyarrow import csv

            csv.write_csv(table, stream)
        else:
            for start in range(0, len(rows), _CHUNK):
                stream.write(_json_lines(table.slice(start, _CHUNK)))


def _json_lines(table: Any) -> Any:
    """Return the buffer of one JSON object per row, put together column by column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces: list[Any] = []
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_large_string(column.type) or pa.types.is_string(column.type):
            encoded = column.dictionary_encode()
            quoted = pa.array(
                [json.dumps(value, ensure_ascii=False) for value in encoded.dictionary.to_pylist()], pa.large_string()
            )
            column = quoted.take(encoded.indices)
        pieces += [f'{", " if pieces else "{"}"{name}": ', column.cast(pa.large_string())]
    scalars = [pa.scalar(piece, pa.large_string()) if isinstance(piece, str) else piece for piece in [*pieces, "}\n"]]
    lines = pc.binary_join_element_wise(*scalars, pa.scalar("", pa.large_string()))
    # An array of texts keeps them one after the other in one buffer: just what the file shall hold.
    _, offsets, data = lines.buffers()
    return data.slice(0, int(np.frombuffer(offsets, np.int64)[len(lines)]))

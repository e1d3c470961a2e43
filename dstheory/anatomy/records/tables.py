"""Tables with one row per attempt: pandas data frames, CSV, TSV and Parquet files.

Columns: ``id``, ``correct``, ``decision`` (may be left out, or empty after the last attempt), and if there are any ``problem``,
``task``, ``difficulty``, ``model``, ``cap``, and ``round``, the order of an attempt within its record (default: the order of the
rows). The rows of one record need not be neighbours; a record is one id of one model.
"""

from __future__ import annotations

import csv as csv_module
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstheory.anatomy.records.attempt_rows import read_rows
from dstheory.anatomy.records.fields import FieldNames
from dstheory.anatomy.records.gather import Gatherer
from dstheory.anatomy.records.streams import CutOff, line_blocks, open_log, starts_with
from dstheory.errors import FileFormatError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_frame", "read_table_file"]

_NO_VALUE = ["", "NA", "NaN", "nan", "null", "None"]


def read_table_file(path: Path, file: str, names: FieldNames, gatherer: Gatherer) -> None:
    """Read a CSV, TSV or Parquet file, packed or not, into a gatherer.

    Raises:
        RecordError: a column is missing; or, in strict mode, the first unusable record.
        FileFormatError: the file cannot be read as a table.
    """
    import pyarrow as pa

    parquet = starts_with(path)[:4] == b"PAR1"
    try:
        table, present = _read_parquet(path, names) if parquet else _read_text(path, names)
    except (pa.ArrowException, OSError, EOFError) as error:
        with suppress(CutOff):
            _name_the_line(path, file)
        raise FileFormatError(f"{file} cannot be read as a table ({str(error).splitlines()[0][:120]}): correct it") from error
    columns = {name: table[name] for name in table.column_names if name in _wanted(names)}
    # In a text file the header is line 1.
    read_rows(columns, present, file, names, gatherer, first=0 if parquet else 2, kind="row" if parquet else "line")


def read_frame(frame: pd.DataFrame, file: str, names: FieldNames, gatherer: Gatherer) -> None:
    """Read a data frame with one row per attempt into a gatherer.

    Raises:
        RecordError: a column is missing; or, in strict mode, the first unusable record.
    """
    import pyarrow as pa

    columns = {}
    for name in _wanted(names) & set(frame.columns):
        try:
            columns[name] = pa.chunked_array([pa.array(frame[name], from_pandas=True)])
        except (pa.ArrowException, TypeError, ValueError):  # a column of mixed types
            texts = [None if value is None or value != value else str(value) for value in frame[name]]
            columns[name] = pa.chunked_array([pa.array(texts, pa.string())])
    read_rows(columns, [str(name) for name in frame.columns], file, names, gatherer, first=0, kind="row")


def _name_the_line(path: Path, file: str) -> None:
    """Raise FileFormatError if a line of a text file is not UTF-8; the parser does not say which."""
    if starts_with(path)[:4] == b"PAR1":
        return
    for block in line_blocks(path):
        for number, line in enumerate(block.data.split(b"\n"), start=block.first_line):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                place = f"line {number} is not UTF-8 (byte {line[error.start]:#04x} in column {error.start + 1})"
                raise FileFormatError(f"{file}: {place}: save the file as UTF-8") from error


def _wanted(names: FieldNames) -> set[str]:
    return {names.id, names.problem, names.cap, names.correct, names.decision, names.round, *names.labels.values()}


def _read_parquet(path: Path, names: FieldNames) -> tuple[Any, list[str]]:
    """Return the columns that matter of a Parquet file, and the names of all."""
    import pyarrow.parquet as parquet

    present = list(parquet.read_schema(path).names)
    wanted = [name for name in present if name in _wanted(names)]
    return parquet.read_table(path, columns=wanted, read_dictionary=[names.id, names.problem]), present


def _read_text(path: Path, names: FieldNames) -> tuple[Any, list[str]]:
    """Return the columns that matter of a CSV or TSV file, and the names of all."""
    import pyarrow as pa
    import pyarrow.csv as csv

    delimiter = "\t" if ".tsv" in path.name.lower() else ","
    present = _header(path, delimiter)
    wanted = [name for name in present if name in _wanted(names)]
    twice = [name for name in wanted if wanted.count(name) > 1]
    if twice:
        raise FileFormatError(f"{path} has the column {twice[0]!r} twice: remove one of them")
    # Identifiers stay as written ("007"), each text once; of other columns Arrow finds the types.
    texts = {name: pa.dictionary(pa.int32(), pa.string()) for name in (names.id, names.problem)}
    stream, _ = open_log(path)
    with stream:
        table = csv.read_csv(
            stream,
            parse_options=csv.ParseOptions(delimiter=delimiter),
            convert_options=csv.ConvertOptions(
                strings_can_be_null=True, null_values=_NO_VALUE, column_types=texts, include_columns=wanted or present
            ),
        )
    return table, present


def _header(path: Path, delimiter: str) -> list[str]:
    first = starts_with(path).split(b"\n", 1)[0].removeprefix(b"\xef\xbb\xbf")
    return next(csv_module.reader([first.decode("utf-8", "replace").rstrip("\r")], delimiter=delimiter), [])

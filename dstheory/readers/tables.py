"""Tables as columns and as records: CSV, TSV, Parquet and data frames through Arrow, with the line of every row."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from dstheory.checks import Ints
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.documents import HEAD, Documents, numbered
from dstheory.readers.records import Records, compact, text_or_none
from dstheory.readers.streams import (
    LARGEST_TABLE,
    MOST_CELLS,
    RAISE,
    CutOff,
    check_utf8,
    csv_records,
    limit,
    open_unpacked,
    opened,
    size_text,
)
from dstheory.texts import shown

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 8192  # turned into records at once
_BLOCK = 1 << 24  # bytes parsed at a time; also the longest row
_LONGEST_HEADER = 1 << 20
NO_VALUE = ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
            "NULL", "NaN", "None", "n/a", "nan", "null")  # fmt: skip
"""What an empty cell of a log may hold: the words of pandas."""


@dataclass(eq=False)
class ArrowTable:
    """Columns of equal length, and where their rows stand.

    Attributes:
        columns: Arrow arrays by name; of a file only those asked for.
        present: the names of all columns of the file.
        rows: yields the line of every row, for a file that has lines.
    """

    columns: dict[str, Any]
    present: list[str]
    rows: Callable[[], Iterator[int]] | None = field(default=None, repr=False)

    @property
    def unit(self) -> str:
        """What rows are counted in: ``"line"`` (from 1) or ``"row"`` (from 0)."""
        return "row" if self.rows is None else "line"

    @cached_property
    def numbers(self) -> Ints:
        """(n,) the line or row of each row; found by reading the file once more."""
        n = len(next(iter(self.columns.values())))
        found = range(n) if self.rows is None else self.rows()
        return np.fromiter(found, dtype=np.int64, count=n)

    def places(self, rows: Sequence[int]) -> list[str]:
        """Return the places of some rows in words."""
        try:
            return [f"line {self.numbers[row]}" if self.rows else f"row {row} (counted from 0)" for row in rows]
        except ValueError:  # a layout that only the fast reader understands: the number of the row is still right
            return [f"row {row} (counted from 0)" for row in rows]


@contextmanager
def explained(path: Path, *, text: bool) -> Iterator[None]:
    """Say what is wrong where a table cannot be read.

    Args:
        path: the table.
        text: whether it must be UTF-8.

    Raises:
        FileFormatError: in place of what Arrow raises.
    """
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeError, KeyError) as error:
        with suppress(OSError, EOFError, CutOff):
            if text:
                check_utf8(path, str(path))
        why = str(error).splitlines()[0][:120]
        raise FileFormatError(f"{path} cannot be read as a table ({why}): correct it") from error


def read_csv(path: Path, *, delimiter: str = ",", **options: Any) -> ArrowTable:
    """Read a CSV or TSV file; cells may hold line ends.

    Args:
        path: the file, plain or packed.
        delimiter: what separates cells.
        options: of :class:`pyarrow.csv.ConvertOptions`: which columns, of which types, what counts as empty.

    Raises:
        pyarrow.ArrowException, OSError, UnicodeDecodeError: the file is not such a table.
        FileFormatError: it is too large.
    """
    stream, _ = open_unpacked(path, table=True, utf8=True)
    with stream:
        table = arrow_csv.read_csv(
            stream,
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, delimiter=delimiter),
            convert_options=arrow_csv.ConvertOptions(**options),
        )

    def lines() -> Iterator[int]:
        try:
            records = csv_records(path, delimiter=delimiter)
            next(records)  # the header
            yield from (line for line, _ in records)
        except csv.Error as error:
            raise ValueError(str(error)) from error

    return ArrowTable(dict(zip(table.column_names, table.columns, strict=True)), table.column_names, lines)


def csv_header(path: Path, source: str, delimiter: str = ",") -> list[str]:
    """Return the column names of a CSV file; none if it is empty.

    Raises:
        FileFormatError: it is not UTF-8, or has no lines.
    """
    stream, _ = open_unpacked(path)
    with stream:
        start = bytes(stream.read(_LONGEST_HEADER))
    if len(start) == _LONGEST_HEADER and b"\n" not in start and b"\r" not in start:
        raise FileFormatError(f"{source}: line 1 is longer than {_LONGEST_HEADER >> 20} MB: it must name the columns")
    try:
        return next((cells for _, cells in csv_records(path, delimiter=delimiter)), [])
    except UnicodeDecodeError:
        check_utf8(path, source)
        raise
    except csv.Error as error:
        raise FileFormatError(f"{source}: line 1 is not a list of columns ({error}): close its quotes") from error


def delimiter_of(path: Path) -> str:
    """Return what separates the cells of a table: a tab if its name says so; else a tab or semicolon if its header has no comma.

    Raises:
        FileFormatError: as :func:`csv_header`.
    """
    if ".tsv" in path.name.lower():
        return "\t"
    header = csv_header(path, str(path))
    return next((sign for sign in "\t;" if len(header) == 1 and sign in header[0]), ",")


def in_words(column: Any) -> Any:
    """Return a column of a log with what JSON has, also within lists and objects: dates, times and bytes as texts.

    Decimals, and numbers of single precision, are the doubles of their shortest digits: 0.1 is 0.1, not 0.10000000149011612.
    Bytes that are not text stay bytes.
    """
    if pa.types.is_dictionary(column.type) and column.type.value_type not in (pa.string(), pa.large_string()):
        column = column.cast(column.type.value_type)
    digits, doubles = (_in_json(column.type, number) for number in (pa.string(), pa.float64()))
    if doubles == column.type:
        return column
    try:
        return column.cast(digits).cast(doubles)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # those who need the column say what is wrong
        return column


def _in_json(kind: Any, number: Any) -> Any:
    """Return the type that values have in JSON; ``number`` is that of what is a number only by its digits."""
    within = partial(_in_json, number=number)
    if pa.types.is_float32(kind) or (pa.types.is_decimal(kind) and kind.scale > 0):
        return number
    if pa.types.is_decimal(kind):
        return pa.string() if kind.precision > 18 else pa.int64()  # a whole number may name something
    if pa.types.is_struct(kind):
        return pa.struct([one.with_type(within(one.type)) for one in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        entry = kind.value_field.with_type(within(kind.value_type))
        return pa.list_(entry) if pa.types.is_list(kind) else pa.large_list(entry)
    if pa.types.is_temporal(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.string()
    return kind


def asked_of(present: Sequence[str], wanted: Collection[str], path: str | Path) -> list[str]:
    """Return the columns of a file that matter.

    Raises:
        FileFormatError: one of them is there twice.
    """
    asked = [name for name in present if name in wanted]
    if len(set(asked)) < len(asked):
        twice, _ = Counter(asked).most_common(1)[0]
        raise FileFormatError(f"{path} has the column {shown(twice)} twice: remove one of them")
    return asked


def read_parquet(path: Path, wanted: Collection[str] | None = None) -> ArrowTable:
    """Read a Parquet file.

    Args:
        path: the file.
        wanted: the columns to read; default all.

    Raises:
        FileFormatError: the file is not such a table, or too large.
        OSError: it cannot be opened.
    """
    with open_parquet(path, wanted) as (file, asked):
        present = list(file.schema_arrow.names)
        table = file.read(columns=asked)
        table.validate(full=True)  # Arrow itself does not look whether texts are UTF-8, and indices those of a text
    return ArrowTable(dict(zip(table.column_names, table.columns, strict=True)), present)


@contextmanager
def open_parquet(path: Path, wanted: Collection[str] | None = None) -> Iterator[tuple[Any, list[str]]]:
    """Open a Parquet file whose size was checked; yields it and the columns to read, with texts as dictionaries.

    Args:
        path: the file.
        wanted: the columns to read; default all.

    Raises:
        FileFormatError: the file is not such a table, also where that shows while it is read; it is too large; or one of the
            columns is there twice.
        OSError: it cannot be opened.
    """
    with opened(path) as stream:  # opened here: Arrow takes no name that is not UTF-8
        try:
            schema = parquet.read_schema(stream)
            asked = list(schema.names) if wanted is None else asked_of(schema.names, wanted, path)
            # As dictionaries: a long text that is repeated a million times is there once.
            kinds = (pa.string(), pa.large_string())
            texts = [each.name for each in schema if each.name in asked and each.type in kinds]
            file = parquet.ParquetFile(stream, read_dictionary=texts, page_checksum_verification=True)
            _check_size(file.metadata, asked, path)
            yield file, asked
        except (DSTheoryError, GeneratorExit):
            raise
        except Exception as error:  # which one Arrow raises depends on where the damage is: UnicodeDecodeError, KeyError, ...
            why = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0][:120]
            raise FileFormatError(
                f"{path} is not a complete Parquet file ({why}): it was cut off, or is of another format; write it again"
            ) from error


def _check_size(metadata: Any, asked: Collection[str], path: Path) -> None:
    """Refuse a Parquet file of more than memory holds before any of it is read: few bytes may have any number of rows."""
    cells = metadata.num_rows * len(asked)
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows:  # Arrow would read so many rows without a word
        raise ValueError("its parts do not have as many rows as the whole")
    size = sum(group.total_byte_size for group in groups)
    if size > limit(LARGEST_TABLE):  # else no column is looked at: a damaged description of one ends the process
        size = sum(group.column(i).total_uncompressed_size for group in groups for i in range(group.num_columns)
                   if group.column(i).path_in_schema.split(".")[0] in asked)  # fmt: skip
    most = limit(MOST_CELLS)
    if cells > most:
        raise FileFormatError(
            f"{path} has {metadata.num_rows:,} rows of {len(asked)} columns: a table may have {most:,} cells; give it in parts, "
            f"{RAISE}"
        )
    if size > limit(LARGEST_TABLE):
        raise FileFormatError(f"{path} is larger than {size_text(limit(LARGEST_TABLE))} unpacked: give it in parts, {RAISE}")


def from_frame(frame: pd.DataFrame, wanted: Collection[str]) -> ArrowTable:
    """Return columns of a data frame.

    Raises:
        FileFormatError: one of them is there twice.
    """
    columns = {name: column_of(frame[name]) for name in asked_of(list(frame.columns), wanted, "the data frame")}
    return ArrowTable(columns, [str(name) for name in frame.columns])


def column_of(cells: list[Any] | pd.Series[Any]) -> Any:
    """Return cells as a column; if they are of several kinds, as texts: equal numbers are equal texts, as in JSON."""
    try:
        column = in_words(pa.array(cells, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # of several kinds, or a number beyond 64 bits
        given = cells if isinstance(cells, list) else cells.astype(object).where(cells.notna(), None)
        column = pa.array(list(map(_text, given)), pa.string())
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _text(cell: Any) -> str | None:
    if cell is None or (isinstance(cell, str) and not cell):
        return None
    plain = cell if isinstance(cell, (str, int, float, list, dict)) else str(cell)
    return text_or_none(plain) or compact(plain)


# ---------------------------------------------------------------------- tables as records


def parquet_rows(path: Path) -> Documents:
    """Look into a Parquet file, whose rows are records.

    Raises:
        FileFormatError: it is not such a table, or too large.
    """
    with open_parquet(path) as (file, _):
        first = next(file.iter_batches(batch_size=HEAD), None)
        head = [] if first is None else rows_of(first)

    def parts(columns: Sequence[str], names: Collection[str]) -> Iterator[Records]:
        with open_parquet(path, columns) as (file, asked):
            yield from numbered(map(rows_of, file.iter_batches(batch_size=_ROWS, columns=asked)))

    return Documents(head, parts, "row", table=True)


def rows_of(batch: Any) -> list[Any]:
    """Return rows as Python has them; Arrow itself does not look whether texts are UTF-8, and indices those of a text."""
    batch.validate(full=True)
    names = batch.schema.names
    if not names or len(set(names)) < len(names):
        rows: list[Any] = batch.to_pylist()
        return rows
    return [dict(zip(names, cells, strict=True)) for cells in zip(*map(_cells, batch.columns), strict=True)]


def _cells(column: Any) -> list[Any]:
    """Return a column as Python has it; cells that share a text share it here too."""
    column = in_words(column)
    if not pa.types.is_dictionary(column.type):
        cells: list[Any] = column.to_pylist()
        return cells
    used = column.indices.unique().drop_null()  # the dictionary is that of many more rows
    texts = dict(zip(used.to_pylist(), column.dictionary.take(used).to_pylist(), strict=True))
    return list(map(texts.get, column.indices.to_pylist()))


def csv_rows(path: Path) -> Documents:
    """Look into a CSV or TSV file, whose rows are records.

    Raises:
        FileFormatError: it is not such a table, or too large.
    """
    with explained(path, text=True):
        delimiter = delimiter_of(path)
        present = csv_header(path, str(path), delimiter)
        rows = islice(csv_records(path, delimiter=delimiter), 1, HEAD + 1)
        head = [{name: _cell(cell) for name, cell in zip(present, cells, strict=False)} for _, cells in rows]

    def parts(columns: Sequence[str], names: Collection[str]) -> Iterator[Records]:
        start, asked, texts = 0, asked_of(present, columns, path), dict.fromkeys(names, pa.string())
        with explained(path, text=True):
            table = read_csv(path, delimiter=delimiter, strings_can_be_null=True, null_values=NO_VALUE, include_columns=asked,
                             column_types=texts)  # fmt: skip
        for batch in pa.table(table.columns).to_batches(max_chunksize=_ROWS):
            yield _Lines(table, start, batch.num_rows), batch.to_pylist()
            start += batch.num_rows

    return Documents(head, parts, "line", table=True)


@dataclass(frozen=True)
class _Lines(Sequence[int]):
    """Where rows of a CSV file stand; the file is read once more when somebody asks, that is, when something is wrong."""

    table: ArrowTable
    start: int
    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, i: Any) -> Any:
        """Return the line of a row, or those of some."""
        return self.table.numbers[self.start : self.start + self.rows][i].tolist()


def _cell(text: str) -> Any:
    """Return what a cell of a CSV file holds, as Arrow would find it; what begins with a 0 as no number does is a name."""
    if text in NO_VALUE:
        return None
    if text[:1] == "0" and text[1:2].isdigit():
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text

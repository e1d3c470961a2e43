"""The records of a file, whatever holds them: JSON lines, one JSON document, a zip file of documents, or a table."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, overload

from dstheory.errors import FileFormatError
from dstheory.readers.json_values import LineDecoder, NotJSON, decode, records, sentence
from dstheory.readers.paths import Place
from dstheory.readers.reading import Progress, Reading
from dstheory.readers.records import Fault, Records
from dstheory.readers.streams import (
    LARGEST_BROKEN,
    LARGEST_DOCUMENT,
    LONGEST_LINE,
    MOST_PACKED,
    PACKED_WELL,
    RAISE,
    Block,
    CutOff,
    csv_records,
    first_bytes,
    limit,
    line_blocks,
    open_unpacked,
    opened,
    size_text,
)
from dstheory.readers.tables import ArrowTable, asked_of, csv_header, explained, open_parquet, read_csv

_MARK = b"\xef\xbb\xbf"  # a byte order mark
_HEAD = 20  # records by which a file is recognised
_ROWS = 8192  # of a table, at once
_MEMBERS = ("samples/", "")  # folders of a zip file in which records are looked for
TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Documents:
    """The records of a file.

    Attributes:
        head: the first few; of a table with texts for cells.
        parts: yields all of them; of a table only the columns asked for.
        unit: what their numbers count.
        table: whether it is a table.
    """

    head: Sequence[Any]
    parts: Callable[[Sequence[str]], Iterator[Records]]
    unit: str = "line"
    table: bool = False

    def within(self, list_of_records: str) -> Documents:
        """Return the records that stand in a list of each document; a document without one is a record itself."""
        place = Place.of(list_of_records.removesuffix("[]"))

        def inner(documents: Sequence[Any]) -> list[Any]:
            found = [place.get(document) if isinstance(document, dict) else None for document in documents]
            return list(
                chain.from_iterable(one if isinstance(one, list) else [doc] for one, doc in zip(found, documents, strict=True))
            )

        def parts(columns: Sequence[str]) -> Iterator[Records]:
            start = 0
            for _, documents in self.parts(columns):
                found = inner(documents)
                yield range(start, start + len(found)), found
                start += len(found)

        head = inner(self.head)[:_HEAD]
        return self if len(head) == len(self.head) and all(a is b for a, b in zip(head, self.head, strict=True)) else Documents(
            head, parts, "record"
        )  # fmt: skip


def open_documents(path: Path, file: str, reading: Reading, progress: Progress | None = None) -> Documents:
    """Look into a file.

    Args:
        path: the file, plain or packed.
        file: how messages call it.
        reading: told if the file is cut off.
        progress: called after each block of lines.

    Raises:
        FileFormatError: it cannot be read, or holds nothing.
    """
    if _is_zip(path):
        return _zipped(path)
    head = first_bytes(path)
    if head[:4] == b"PAR1":
        return _parquet(path)
    if is_table(path, head):
        return _csv(path)
    if not head.strip():
        raise FileFormatError(f"{path} is empty: needs at least one record")
    whole = _document(path, head)
    if whole is not None:
        values = whole if isinstance(whole, list) else [whole]
        return Documents(values[:_HEAD], lambda columns: iter([(range(len(values)), values)]), "record")
    return Documents(_first_lines(path, head), lambda columns: json_lines(path, file, reading, progress))


def is_table(path: Path, head: bytes) -> bool:
    """Return whether a file is a table, by its first bytes or its name."""
    name = path.name.lower()
    for packing in (".gz", ".zst", ".bz2"):
        name = name.removesuffix(packing)
    return head[:4] == b"PAR1" or name.endswith(TABLES)


def json_lines(path: Path, file: str, reading: Reading, progress: Progress | None = None) -> Iterator[Records]:
    """Yield the line numbers and values of the lines that are not blank; of one that is not JSON, the Fault.

    Args:
        path: the file, plain or packed.
        file: how messages call it.
        reading: told if the file is cut off.
        progress: called after each block.

    Raises:
        FileFormatError: the file cannot be read.
    """
    decoder = LineDecoder()
    try:
        for block in line_blocks(path):
            yield part_of(block, decoder)
            if progress is not None:
                progress(reading.records, block.done)
    except CutOff as error:
        reading.fault(file, Fault("cut-off", "", f"{error}: write it again"))


def part_of(block: Block, decoder: LineDecoder) -> Records:
    """Return the line numbers and values of the lines that are not blank; of one that is not JSON, the Fault."""
    numbers, values = records(block, decoder)
    if NotJSON in set(map(type, values)):
        values = [_fault(value) if isinstance(value, NotJSON) else value for value in values]
    return numbers, values


def _fault(error: NotJSON) -> Fault:
    if error.reason == "utf8":
        return Fault("not-utf8", "", error.what)
    if error.reason == "syntax":
        return Fault("not-json", "", f"is not JSON ({error.what}, column {error.column}): write one object per line")
    return Fault("not-json", "", f"is not JSON: {error.what}")


def _first_lines(path: Path, head: bytes) -> list[Any]:
    """Return the values of the first lines that are JSON."""
    found = []
    lines = head.removeprefix(_MARK).split(b"\n")
    whole = lines if len(head) < 65536 else lines[:-1]
    if not whole:  # one line longer than what was looked at
        whole = [_first_line(path)]
    for line in whole[: 5 * _HEAD]:
        with suppress(NotJSON):
            if line.strip():
                found.append(decode(line))
        if len(found) == _HEAD:
            break
    return found


def _first_line(path: Path) -> bytes:
    stream, _ = open_unpacked(path)
    pieces: list[bytes] = []
    with stream, suppress(OSError, EOFError, ValueError):
        while (data := bytes(stream.read(1 << 20))) and sum(map(len, pieces)) < limit(LONGEST_LINE):
            end = data.find(b"\n")
            pieces.append(data if end < 0 else data[:end])
            if end >= 0:
                break
    return b"".join(pieces).removeprefix(_MARK)


def _document(path: Path, head: bytes) -> Any:
    """Return the one value that a file holds, an array or an object over several lines; None if it has a value on each line."""
    start = head.removeprefix(_MARK).lstrip()
    if start[:1] not in (b"[", b"{"):
        return None
    array = start[:1] == b"["
    if not array:
        line = start.split(b"\n", 1)[0] if b"\n" in start else _first_line(path)
        with suppress(NotJSON):
            decode(line)
            return None
    largest = limit(LARGEST_DOCUMENT if array else LARGEST_BROKEN)
    stream, _ = open_unpacked(path, table=True)
    pieces, size = [], 0
    with stream:
        try:
            while (data := stream.read(1 << 20)) and size <= largest:
                pieces.append(data)
                size += len(data)
        except FileFormatError:
            if array:
                raise
            return None
        except (OSError, EOFError, ValueError):
            return None  # the reader of lines says where it is cut off
    if size > largest:
        if array:
            raise FileFormatError(
                f"{path} is one JSON array of more than {size_text(largest)}: write it as JSON lines, a record on each, {RAISE}"
            )
        return None
    data = b"".join(pieces)
    try:
        value = decode(data.removeprefix(_MARK))
    except NotJSON as error:
        if array and not any(_is_object(line) for line in data.split(b"\n", 50)[:50]):
            raise FileFormatError(sentence(error, str(path))) from error
        return None
    return value if isinstance(value, (dict, list)) else None


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(decode(line), dict)
    except NotJSON:
        return False


# ---------------------------------------------------------------------- zip files


def _is_zip(path: Path) -> bool:
    try:
        with opened(path) as raw:
            return raw.read(4) == b"PK\x03\x04"
    except OSError:
        return False


def _zipped(path: Path) -> Documents:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".json")]
            size, most = sum(info.file_size for info in members), limit(MOST_PACKED) * path.stat().st_size
            if size > max(limit(PACKED_WELL), most):
                raise FileFormatError(f"{path} is {size_text(size)} unpacked: no log packs so well; unpack it, {RAISE}")
            folder = next(f for f in _MEMBERS if not f or any(info.filename.startswith(f) for info in members))
            members = sorted((i for i in members if i.filename.startswith(folder)), key=lambda i: (len(i.filename), i.filename))
            large = next((info for info in members if info.file_size > limit(LARGEST_BROKEN)), None)
            if not members or large is not None:
                why = f"its member {large.filename} is too large" if large is not None else "there is no JSON file in it"
                raise FileFormatError(f"{path} is a zip file that is no log ({why}): unpack it, and give what is in it")
            head = [_member(archive, info, path) for info in members[:_HEAD]]
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise FileFormatError(f"{path} cannot be unpacked ({error}): write or copy it again") from error

    def parts(columns: Sequence[str]) -> Iterator[Records]:
        with zipfile.ZipFile(path) as archive:
            rest, start = iter(members), 0
            while some := list(islice(rest, 100)):
                yield range(start, start + len(some)), [_member(archive, info, path) for info in some]
                start += len(some)

    return Documents(head, parts, "record")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Any:
    try:
        return decode(archive.read(info))
    except NotJSON as error:
        raise FileFormatError(sentence(error, f"{path}: {info.filename}")) from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise FileFormatError(f"{path}: {info.filename} cannot be unpacked ({error}): write or copy it again") from error


# ---------------------------------------------------------------------- tables as records


def _parquet(path: Path) -> Documents:
    with open_parquet(path) as (file, _):
        first = next(file.iter_batches(batch_size=_HEAD), None)
        head = [] if first is None else _rows_of(first)

    def parts(columns: Sequence[str]) -> Iterator[Records]:
        start = 0
        with open_parquet(path, columns) as (file, asked):
            for batch in file.iter_batches(batch_size=_ROWS, columns=asked):
                some = _rows_of(batch)
                yield range(start, start + len(some)), some
                start += len(some)

    return Documents(head, parts, "row", table=True)


def _rows_of(batch: Any) -> list[Any]:
    """Return rows as Python has them; Arrow itself does not look whether texts are UTF-8, and indices those of a text."""
    batch.validate(full=True)
    names = batch.schema.names
    if not names or len(set(names)) < len(names):
        rows: list[Any] = batch.to_pylist()
        return rows
    return [dict(zip(names, cells, strict=True)) for cells in zip(*map(_cells, batch.columns), strict=True)]


def _cells(column: Any) -> list[Any]:
    """Return a column as Python has it; cells that share a text share it here too."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        cells: list[Any] = column.to_pylist()
        return cells
    used = column.indices.unique().drop_null()  # the dictionary is that of many more rows
    texts = dict(zip(used.to_pylist(), column.dictionary.take(used).to_pylist(), strict=True))
    return list(map(texts.get, column.indices.to_pylist()))


def _csv(path: Path) -> Documents:
    delimiter = "\t" if ".tsv" in path.name.lower() else ","
    with explained(path, text=True):
        present = csv_header(path, str(path), delimiter)
        rows = islice(csv_records(path, delimiter=delimiter), 1, _HEAD + 1)
        head = [{name: _cell(cell) for name, cell in zip(present, cells, strict=False)} for _, cells in rows]

    def parts(columns: Sequence[str]) -> Iterator[Records]:
        import pyarrow as pa

        start, asked = 0, asked_of(present, columns, path)
        with explained(path, text=True):
            table = read_csv(path, delimiter=delimiter, strings_can_be_null=True, include_columns=asked)
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

    @overload
    def __getitem__(self, i: int) -> int: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[int]: ...
    def __getitem__(self, i: int | slice) -> int | Sequence[int]:
        """Return the line of a row."""
        found = self.table.numbers[self.start : self.start + self.rows]
        return found[i].tolist() if isinstance(i, slice) else int(found[i])


def _cell(text: str) -> Any:
    """Return what a cell of a CSV file holds, as Arrow would find it."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text or None

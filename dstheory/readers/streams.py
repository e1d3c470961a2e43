"""Files as bytes: unpacked by what they are and not by their names, in blocks of whole lines, and strictly UTF-8."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from dstheory.errors import FileFormatError

BLOCK = 2**17  # what is made of so many bytes stays near the processor
LONGEST_LINE = 64 * 2**20
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
_OTHERS = {
    b"\xfd7zXZ": "an xz file: unpack it, or pack it as gzip or zstd",
    b"PK\x03\x04": "a zip file: unpack it",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"\x89HDF": "an HDF5 file: write the log as JSON lines, CSV or Parquet",
}


class CutOff(Exception):
    """Packed data that end too early or are damaged; what came before was delivered."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file.

    Attributes:
        data: the bytes, the last line perhaps without its line end.
        first_line: number of the first of them, from 1.
        done: bytes of the file on disk that were read so far.
    """

    data: bytes
    first_line: int
    done: int

    def lines(self) -> list[tuple[int, bytes]]:
        """Return (number, line) of the lines that are not blank."""
        return [found for found in enumerate(self.data.split(b"\n"), start=self.first_line) if found[1].strip()]


def open_unpacked(path: Path) -> tuple[IO[bytes], Callable[[], int]]:
    """Open a file, through gzip, zstd or bzip2 if its first bytes say so.

    Returns:
        The stream, and a function that says how many bytes on disk were read.
    """
    raw = path.open("rb")
    head = raw.read(8)
    raw.seek(0)
    for magic, codec in _MAGIC.items():
        if head.startswith(magic):
            import pyarrow as pa

            return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), codec), raw.tell
    if path.suffix.lower() == ".gz" and head:
        raw.close()
        raise FileFormatError(f"{path} is not complete gzip data (Not a gzipped file ({head[:2]!r})): write or copy it again")
    return raw, raw.tell


def first_bytes(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked.

    Raises:
        FileFormatError: it cannot be read, or is of a kind that neither a log nor a table is.
    """
    try:
        if path.is_dir():
            raise FileFormatError(f"{path} is a directory: name the files in it")
        with path.open("rb") as raw:
            head = raw.read(8)
        for magic, what in _OTHERS.items():
            if head.startswith(magic):
                raise FileFormatError(f"{path} is {what}")
        stream, _ = open_unpacked(path)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror or error}; check the name, and that you may") from error
    with stream:
        try:
            return bytes(stream.read(65536))
        except (OSError, EOFError, ValueError) as error:
            raise FileFormatError(f"{path} cannot be unpacked ({str(error).splitlines()[0]}): write it again") from error


def line_blocks(path: Path, *, block: int | None = None, longest: int | None = None) -> Iterator[Block]:
    """Yield a file in blocks that end at line ends; a byte order mark is dropped.

    Args:
        path: the file, plain or packed.
        block: bytes read at a time; default :data:`BLOCK`.
        longest: bytes that a line may have; default :data:`LONGEST_LINE`.

    Raises:
        FileFormatError: a line is longer than ``longest`` bytes.
        CutOff: packed data end too early, after all that could be unpacked was yielded.
    """
    longest = longest or LONGEST_LINE
    stream, position = open_unpacked(path)
    with stream:
        rest: list[bytes] = []  # of a line whose end is yet to come
        line, length, begun = 1, 0, False
        while True:
            try:
                data = bytes(stream.read(block or BLOCK))
            except (OSError, EOFError, ValueError) as error:
                raise CutOff(f"the packed data end too early or are damaged after line {line - 1}") from error
            if not begun:
                data, begun = data.removeprefix(b"\xef\xbb\xbf"), True
            end = data.rfind(b"\n") + 1
            if end or not data:
                whole, rest, length = b"".join([*rest, data[:end]]), [data[end:]], len(data) - end
                if whole:
                    yield Block(whole, line, position())
                line += whole.count(b"\n")
            else:
                rest.append(data)
                length += len(data)
            if length > longest:
                raise FileFormatError(
                    f"{path}: line {line} is longer than {longest // 2**20} MB: give a log with one record per line"
                )
            if not data:
                return


def _buffered(path: Path) -> io.BufferedReader:
    stream, _ = open_unpacked(path)
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(Any, stream))


def not_utf8(line: bytes) -> str | None:
    """Return what is wrong with a line that is not UTF-8, as the rest of a sentence; None if it is."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is not UTF-8 (byte {line[error.start]:#04x} in column {error.start + 1}): save the file as UTF-8"
    return None


def check_utf8(path: Path, source: str) -> None:
    """Refuse a file with a line that is not UTF-8.

    Raises:
        FileFormatError: names the first such line.
    """
    with _buffered(path) as stream:
        for number, line in enumerate(stream, start=1):
            problem = not_utf8(line)
            if problem:
                raise FileFormatError(f"{source}: line {number} {problem}")


def csv_records(path: Path, *, delimiter: str = ",", strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which it begins, cells) of every record that is not a blank line, the header first.

    Args:
        path: the file, plain or packed.
        delimiter: what separates cells.
        strict: whether csv.Error is raised for a quote in the wrong place.
    """
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with io.TextIOWrapper(_buffered(path), encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=strict, delimiter=delimiter)
            begins = 1
            for cells in reader:
                if cells:
                    yield begins, cells
                begins = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)

"""Files as bytes: unpacked by what they are and not by their names, in blocks of whole lines, and strictly UTF-8.

Only regular files are read; nothing is ever waited for, or read without an end.

What would take memory without bound is refused before it is allocated. Every limit is a constant here. The environment variable
``DSTHEORY_LIMITS`` multiplies all of them: ``DSTHEORY_LIMITS=4 dstheory simulate --mdp large.csv`` reads files four times as
large. Logs of JSON lines may be of any length; they are read in blocks.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import IO, cast

import numpy as np

from dstheory.checks import Ints
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.texts import shown

VARIABLE = "DSTHEORY_LIMITS"
_MB = 2**20
LONGEST_LINE = 64 * _MB  # of a text file
LARGEST_WHOLE = 64 * _MB  # of a file that is read as a whole: a chain in JSON or TOML, a configuration, a manifest
LARGEST_DOCUMENT = 1024 * _MB  # of a log that is one JSON array
LARGEST_BROKEN = 256 * _MB  # of a log that is one JSON object, or may as well be lines the first of which is broken
LARGEST_TABLE = 4096 * _MB  # of a table, unpacked: its columns are in memory all at once
MOST_CELLS = 2**28  # rows times columns of a Parquet table, which may need few bytes on disk however many rows it has
MOST_PACKED = 200  # times that a table may be larger than it is packed; what is small enough may be packed however well
PACKED_WELL = 64 * _MB

RAISE = f"or, if it is meant to be so large, raise the limits of reading: {VARIABLE}=2 in the environment doubles them"


def limit(constant: int) -> int:
    """Return a limit as the user's environment sets it.

    Raises:
        DSTheoryError: the variable is not a number >= 1.

    Example:
        >>> limit(LONGEST_LINE) == LONGEST_LINE
        True
    """
    given = os.environ.get(VARIABLE, "1")
    try:
        times = float(given)
    except ValueError:
        times = math.nan
    if not 1 <= times < math.inf:
        raise DSTheoryError(f"the environment variable {VARIABLE} is {given[:40]!r}: must be a finite number >= 1, such as 4")
    return int(constant * times)


def size_text(size: int) -> str:
    """Return a number of bytes for people.

    Example:
        >>> size_text(LONGEST_LINE)
        '64 MB'
    """
    return f"{size // _MB:,} MB" if size >= _MB else f"{size:,} bytes"


BLOCK = 2**18  # what is made of so many bytes stays near the processor
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
_OTHERS = {
    b"\xfd7zXZ": "an xz file: unpack it, or pack it as gzip or zstd",
    b"PK\x03\x04": "a zip file: unpack it",
    b"version https://git-lfs.github.com/spec/": "a pointer of Git LFS: get the file itself with git lfs pull",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"\x89HDF": "an HDF5 file: write the log as JSON lines, CSV or Parquet",
}


_SPECIAL = {
    stat.S_IFIFO: "a pipe: write what comes out of it to a file",
    stat.S_IFSOCK: "a socket: give a file",
    stat.S_IFCHR: "a device: give a file",
    stat.S_IFBLK: "a device: give a file",
}


class CutOff(Exception):
    """Packed data that end too early or are damaged; what came before was delivered."""


@dataclass(frozen=True)
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

    @cached_property
    def line_ends(self) -> Ints:
        """Where its lines end, as indices of bytes."""
        return np.flatnonzero(np.frombuffer(self.data, dtype=np.uint8) == 0x0A)

    def lines(self) -> list[tuple[int, bytes]]:
        """Return (number, line) of the lines that are not blank."""
        return [found for found in enumerate(self.data.split(b"\n"), start=self.first_line) if found[1].strip()]


def check_name(path: str) -> None:
    """Refuse a path that no file can have: of the character with code 0 the system only says ValueError.

    Raises:
        FileFormatError: it holds one.
    """
    if "\0" in path:
        raise FileFormatError(f"{shown(path)} holds the character with code 0, which no name of a file may: correct the name")


def opened(path: Path) -> io.BufferedReader:
    """Open a regular file for reading.

    Raises:
        FileFormatError: it is a directory, a pipe, a socket or a device, or no name of a file.
        OSError: it cannot be opened.
    """
    check_name(str(path))
    try:
        # A pipe would be waited for until somebody writes into it.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    except IsADirectoryError as error:
        raise FileFormatError(f"{path} is a directory: name the files in it") from error
    kind = stat.S_IFMT(os.fstat(file.fileno()).st_mode)
    if kind != stat.S_IFREG:
        file.close()
        raise FileFormatError(f"{path} is {_SPECIAL.get(kind, 'no regular file: give one')}")
    return file


def read_whole(path: Path, otherwise: str = "give another file") -> bytes:
    """Return the bytes of a file that is to be small.

    Args:
        path: the file.
        otherwise: what to do where it is not, as the end of a sentence.

    Raises:
        FileFormatError: it is larger than :data:`LARGEST_WHOLE`, or no regular file.
        OSError: it cannot be read.
    """
    largest = limit(LARGEST_WHOLE)
    with opened(path) as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise FileFormatError(f"{path} is larger than {size_text(largest)}: {otherwise}, {RAISE}")
    return data


class _Bounded(io.RawIOBase):
    """The bytes of a table: an error ends them where they are too many, packed as no table is, or must be UTF-8 but are not."""

    def __init__(self, stream: IO[bytes], packed: Callable[[], int] | None, path: Path, utf8: bool) -> None:
        self._stream, self._packed, self._path = stream, packed, path
        self._largest, self._most, self._well = limit(LARGEST_TABLE), limit(MOST_PACKED), limit(PACKED_WELL)
        self._size = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")() if utf8 else None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = bytes(self._stream.read(size))
        if self._decoder is not None:
            for start in range(0, len(data), BLOCK):  # texts of this size cost no memory anew: a tenth of the time
                self._decoder.decode(data[start : start + BLOCK])
            if not data:
                self._decoder.decode(data, final=True)
        self._size += len(data)
        if self._size > self._largest:
            raise FileFormatError(f"{self._path} is larger than {size_text(self._largest)}: give it in parts, {RAISE}")
        if self._packed is not None and self._size > max(self._well, self._most * self._packed()):
            raise FileFormatError(
                f"{self._path} is more than {self._most} times as large unpacked: no table packs so well; unpack it, {RAISE}"
            )
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


def last_line_ends(path: Path) -> bool:
    """Return whether a text file ends with a line end, or is empty or packed, where what is cut off is found as it is unpacked.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = Path(file.name).write_text("id,correct\\n1,tru")
    ...     last_line_ends(Path(file.name))
    False
    """
    with opened(path) as file:
        first = file.read(4)
        if not first or first.startswith(tuple(_MAGIC)):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) in b"\r\n"


def open_unpacked(path: Path, *, table: bool = False, utf8: bool = False) -> tuple[IO[bytes], Callable[[], int]]:
    """Open a file, through gzip, zstd or bzip2 if its first bytes say so.

    Args:
        path: the file.
        table: whether all of it will be in memory, so that its size is bounded.
        utf8: of a table, whether it must be UTF-8, also where nobody looks.

    Returns:
        The stream, and a function that says how many bytes on disk were read.

    Raises:
        FileFormatError: it is not a regular file; or, from reading the stream of a table, it is too large.
        UnicodeDecodeError: from reading the stream of a table, it is not UTF-8.
    """
    raw = opened(path)
    head = raw.read(8)
    raw.seek(0)
    for magic, codec in _MAGIC.items():
        if head.startswith(magic):
            import pyarrow as pa

            stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), codec)
            return cast("IO[bytes]", _Bounded(stream, raw.tell, path, utf8)) if table else stream, raw.tell
    if path.suffix.lower() == ".gz" and head:
        raw.close()
        raise FileFormatError(f"{path} is not complete gzip data (Not a gzipped file ({head[:2]!r})): write or copy it again")
    return cast("IO[bytes]", _Bounded(raw, None, path, utf8)) if table else raw, raw.tell


def first_bytes(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked.

    Raises:
        FileFormatError: it cannot be read, or is of a kind that neither a log nor a table is.
    """
    try:
        with opened(path) as raw:
            head = raw.read(max(map(len, _OTHERS)))
        for magic, what in _OTHERS.items():
            if head.startswith(magic):
                raise FileFormatError(f"{path} is {what}")
        stream, _ = open_unpacked(path)
    except OSError as error:
        raise FileFormatError(
            f"{path} cannot be read: {error.strerror or error}; check the name and that you may read it"
        ) from error
    with stream:
        try:
            return bytes(stream.read(65536))
        except (OSError, EOFError, ValueError) as error:
            raise FileFormatError(f"{path} cannot be unpacked ({str(error).splitlines()[0]}): write it again") from error


def line_blocks(path: Path, *, table: bool = False) -> Iterator[Block]:
    """Yield a file in blocks that end at line ends; a byte order mark is dropped.

    Args:
        path: the file, plain or packed.
        table: whether all of it will be in memory.

    Raises:
        FileFormatError: a line is longer than :data:`LONGEST_LINE`, or a table too large.
        CutOff: packed data end too early, after all that could be unpacked was yielded.
    """
    longest = limit(LONGEST_LINE)
    stream, position = open_unpacked(path, table=table)
    with stream:
        rest: list[bytes] = []  # of a line whose end is yet to come
        line, length, begun = 1, 0, False
        while True:
            try:
                data = bytes(stream.read(BLOCK))
            except (FileFormatError, UnicodeDecodeError):
                raise
            except (OSError, EOFError, ValueError) as error:
                raise CutOff(f"the packed data end too early or are damaged after line {line - 1}") from error
            if not begun:
                data, begun = data.removeprefix(b"\xef\xbb\xbf"), True
            end = data.rfind(b"\n") + 1
            if end or not data:
                whole, rest, length = b"".join([*rest, data[:end]]), [data[end:]], len(data) - end
                if whole:
                    lines = Block(whole, line, position())
                    yield lines
                    line += len(lines.line_ends)
            else:
                rest.append(data)
                length += len(data)
            if length > longest:
                raise FileFormatError(
                    f"{path}: line {line} is longer than {size_text(longest)}: write one record per line, {RAISE}"
                )
            if not data:
                return


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
    for block in line_blocks(path):
        try:
            block.data.decode("utf-8")
        except UnicodeDecodeError:
            for number, line in block.lines():
                problem = not_utf8(line)
                if problem:
                    raise FileFormatError(f"{source}: line {number} {problem}") from None


def csv_records(path: Path, *, delimiter: str = ",", strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which it begins, cells) of every record that is not a blank line, the header first.

    Args:
        path: the file, plain or packed.
        delimiter: what separates cells.
        strict: whether csv.Error is raised for a quote in the wrong place.
    """
    before = csv.field_size_limit(limit(LONGEST_LINE))
    try:
        texts = (io.StringIO(block.data.decode("utf-8"), newline="") for block in line_blocks(path))  # line ends of any kind
        reader = csv.reader(chain.from_iterable(texts), strict=strict, delimiter=delimiter)
        begins = 1
        for cells in reader:
            if cells:
                yield begins, cells
            begins = reader.line_num + 1
    finally:
        csv.field_size_limit(before)

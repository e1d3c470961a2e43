"""Files of any size, in blocks of whole lines; gzip, zstd and bzip2 are recognised by their first bytes, not by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dstheory.errors import FileFormatError

__all__ = ["BLOCK", "LONGEST_LINE", "Block", "CutOff", "line_blocks", "open_log", "starts_with"]

BLOCK = 16 * 2**20
LONGEST_LINE = 64 * 2**20
_PIECE = 2**17

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
_OTHERS = {
    b"\xfd7zXZ": "an xz file: unpack it, or pack it as gzip or zstd",
    b"PK\x03\x04": "a zip file: unpack it",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"\x89HDF": "an HDF5 file: write the log as JSON lines, CSV or Parquet",
}


class CutOff(Exception):
    """Compressed data that end too early or are damaged; what came before was delivered."""


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


def starts_with(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked.

    Raises:
        FileFormatError: it cannot be read, or is of a kind that no log is.
    """
    stream, _ = open_log(path)
    with stream:
        try:
            return bytes(stream.read(65536))
        except (OSError, EOFError, ValueError) as error:
            raise FileFormatError(f"{path} cannot be unpacked ({str(error).splitlines()[0]}): write it again") from error


def open_log(path: Path) -> tuple[IO[bytes], Callable[[], int]]:
    """Open a file, unpacking it if need be.

    Returns:
        the stream, and a function that says how many bytes on disk were read.

    Raises:
        FileFormatError: it does not exist, cannot be read, or is of a kind that no log is.
    """
    try:
        if path.is_dir():
            raise FileFormatError(f"{path} is a directory: name the files in it")
        raw = path.open("rb")
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror or error}; check the name, and that you may") from error
    head = raw.read(8)
    raw.seek(0)
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raw.close()
            raise FileFormatError(f"{path} is {what}")
    for magic, codec in _MAGIC.items():
        if head.startswith(magic):
            import pyarrow as pa

            return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), codec), raw.tell
    return raw, raw.tell


def line_blocks(path: Path, *, block: int = BLOCK, longest: int = LONGEST_LINE) -> Iterator[Block]:
    """Yield a file in blocks that end at line ends; a byte order mark is dropped.

    Raises:
        FileFormatError: it cannot be opened, or a line is longer than ``longest`` bytes.
        CutOff: packed data end too early, after all that could be unpacked was yielded.
    """
    stream, position = open_log(path)
    broken: Exception | None = None
    with stream:
        rest, line = b"", 1
        while broken is None:
            data, broken = _read(stream, block)
            if not data:
                break
            if line == 1 and not rest:
                data = data.removeprefix(b"\xef\xbb\xbf")
            end = data.rfind(b"\n") + 1
            if not end:
                rest += data
                if len(rest) > longest and broken is None:
                    raise FileFormatError(
                        f"{path}: line {line} is longer than {longest // 2**20} MB: give a log with one record per line"
                    )
                continue
            whole = rest + data[:end]
            rest = data[end:]
            yield Block(whole, line, _told(position))
            line += whole.count(b"\n")
        if rest and broken is None:
            yield Block(rest, line, _told(position))
        if broken is not None:
            raise CutOff(f"the packed data end too early or are damaged after line {line - 1}") from broken


def _read(stream: IO[bytes], size: int) -> tuple[bytes, Exception | None]:
    """Return up to ``size`` bytes, and the error that ended them; in small pieces, so that little is lost before an error."""
    pieces: list[bytes] = []
    left = size
    while left > 0:
        try:
            piece = bytes(stream.read(min(left, _PIECE)))
        except (OSError, EOFError, ValueError) as error:
            return b"".join(pieces), error
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces), None


def _told(position: Callable[[], Any]) -> int:
    return int(position())

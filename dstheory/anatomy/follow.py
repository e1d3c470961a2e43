"""A log that grows, read as it grows: what is new is read once, and the episodes so far are there at every renewal.

Files of JSON lines are read on from where they ended. Their first records decide how they are read, as always; until there are
:data:`~dstheory.readers.documents.HEAD` of them, those few are made sense of again. Other files (tables, documents, packed ones,
rows of episodes that may go on, and lines whose later records say that the first were something else) are read when they appear
and read again when they change, and so is everything when a file was replaced. Directories and patterns are looked at again each
time, since trainers write a file for each step.

Of a file of lines that grows only what is new is read, in whole lines; one that is replaced or cut short is begun again. What
was read before is not read again, so a file that is replaced is told from one that grew by three things: the file on disk is
another one (its device and number), it is shorter than what was read, or the bytes at the beginning or just before the end of
what was read are others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from dstheory.anatomy.building import EpisodesBuilder, Log
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.batches import RecordBatch
from dstheory.readers.documents import HEAD, Documents
from dstheory.readers.json_values import LineDecoder, NotJSON, decode
from dstheory.readers.layouts import Request
from dstheory.readers.log_files import Opened, expand, glob_like, is_table, part_of
from dstheory.readers.reading import Reading
from dstheory.readers.records import FieldNames, Records
from dstheory.readers.streams import LONGEST_LINE, RAISE, Block, first_bytes, limit, opened, size_text
from dstheory.readers.transcripts import TextSettings
from dstheory.readers.turns import telling

_SIGN = 64  # bytes at either end by which a file is known again
_MARK = b"\xef\xbb\xbf"  # a byte order mark


@dataclass
class Tail:
    """How far a file of lines was read.

    Attributes:
        path: the file; it need not be there yet.
        offset: bytes that were read.
        line: number of the next line, from 1.
        at_once: bytes read at a time.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log")
    ...     tail = Tail(file)
    ...     print(tail.is_another(), [block.data for block in tail.new_lines()])
    ...     _ = file.write_bytes(b"1\\n2\\n3")
    ...     print(tail.is_another(), [block.data for block in tail.new_lines()])
    ...     _ = file.write_bytes(b"1\\n2\\n34\\n")
    ...     print(tail.is_another(), [(block.first_line, block.data) for block in tail.new_lines()])
    False []
    False [b'1\\n2\\n']
    False [(3, b'34\\n')]
    """

    path: Path
    offset: int = 0
    line: int = 1
    at_once: int = 1 << 22
    _file: tuple[int, int] | None = None
    _first: bytes = b""
    _last: bytes = b""

    def is_another(self) -> bool:
        """Return whether the file is another one than what was read, was cut short, or is gone; not before something was read."""
        if not self.offset:
            return False
        try:
            found = os.stat(self.path)
            if (found.st_dev, found.st_ino) != self._file or found.st_size < self.offset:
                return True
            with opened(self.path) as file:
                first = file.read(len(self._first))
                file.seek(self.offset - len(self._last))
                return first != self._first or file.read(len(self._last)) != self._last
        except FileNotFoundError:
            return True

    def new_lines(self) -> Iterator[Block]:
        """Yield the whole lines that were written since, in blocks; nothing where the file is not there.

        Raises:
            FileFormatError: a line is too long, or it is no regular file.
            OSError: it cannot be read.
        """
        try:
            file = opened(self.path)
        except FileNotFoundError:
            return
        longest = limit(LONGEST_LINE)
        with file:
            found = os.fstat(file.fileno())
            self._file = found.st_dev, found.st_ino
            file.seek(self.offset)
            rest = b""
            while data := file.read(self.at_once):
                rest += data
                end = rest.rfind(b"\n") + 1
                if not end:
                    if len(rest) > longest:
                        rule = "write one record per line"
                        raise FileFormatError(
                            f"{self.path}: line {self.line} is longer than {size_text(longest)}: {rule}, {RAISE}"
                        )
                    continue
                whole, rest = rest[:end], rest[end:]
                block = Block(whole if self.offset else whole.removeprefix(_MARK), self.line, self.offset + end)
                self._first = (self._first + whole)[:_SIGN] if len(self._first) < _SIGN else self._first
                self._last = (self._last + whole)[-_SIGN:]
                self.offset, self.line = self.offset + end, self.line + len(block.line_ends)
                yield block


_BINARY = (b"PAR1", b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh")


@dataclass
class _Lines:
    """A file of JSON lines.

    Attributes:
        tail: how far it was read.
        opened: how it is read, once that is decided.
        head: its lines as long as that is not.
        decoder: of its lines.
    """

    tail: Tail
    opened: Opened | None = None
    head: bytes = b""
    decoder: LineDecoder = field(default_factory=LineDecoder)


@dataclass
class Follower:
    """Logs that are being written.

    Attributes:
        paths: files, directories and patterns; they need not be there yet.
        request, texts, cap, strict: how they are read, as of :func:`~dstheory.anatomy.read_log`.
        bytes_read: how much was read so far.
        reading: the account of what was read so far.

    >>> import tempfile
    >>> record = '{"id": %d, "attempts": [{"correct": true, "decision": "stop"}]}' + chr(10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.jsonl")
    ...     log = Follower([file])
    ...     print(log.renew())
    ...     _ = file.write_text(record % 1 + record % 2)
    ...     print(log.renew().episodes)
    ...     print(log.renew())  # nothing new
    None
    Episodes(2 episodes, 2 attempts, 2 problems, 2 capped)
    None
    """

    paths: Sequence[str | os.PathLike[str]]
    request: Request = field(default_factory=Request)
    texts: TextSettings = field(default_factory=TextSettings)
    cap: int | None = None
    strict: bool = False
    bytes_read: int = 0
    reading: Reading = field(init=False)

    def __post_init__(self) -> None:
        self._mixed: set[str] = set()  # files of lines that are read as a whole
        self._begin()
        self.texts.check_all(self._builder.names)
        if self.texts.no_answer is None:  # the next line may have one
            self.texts = self.texts._replace(no_answer="wrong")

    def _begin(self) -> None:
        names = FieldNames.renamed(self.request.fields, tuple(self.request.labels))
        # There may be a second file at any time, with other problems of the same names.
        self._builder = EpisodesBuilder(names, Reading([], self.strict, questions={}), self.cap)
        self._lines: dict[str, _Lines] = {}
        self._whole: dict[str, tuple[int, ...]] = {}
        self._failed: dict[str, tuple[int, ...]] = {}
        self.reading = self._builder.reading

    def renew(self) -> Log | None:
        """Read what is new; return all episodes so far, None if nothing changed or no record is usable yet.

        Raises:
            DSTheoryError: what is there cannot be read as a log.
        """
        files = [file for path in self.paths for file in _files(path)]
        if self._replaced(files):
            self._begin()
            changed = True
        else:
            changed = False
        for file in files:
            changed |= self._read(file)
            if file in self._mixed and file in self._lines:  # what was read of it was taken for something else
                self._begin()
                return self.renew()
        if not changed:
            return None
        log = self._with_heads()
        self.reading = log.reading
        return log.so_far() if log.reading.usable else None

    def _replaced(self, files: Sequence[str]) -> bool:
        """Return whether something that was read is no longer what it was."""
        known = {*self._lines, *self._whole}
        return (
            not known <= set(files)
            or any(one.tail.is_another() for one in self._lines.values())
            or any(_identity(file) != seen for file, seen in self._whole.items())
        )

    def _read(self, file: str) -> bool:
        """Read what is new in a file; return whether there was something."""
        if file not in self._whole and file not in self._lines:
            if _identity(file) is None or not os.path.getsize(file):
                return False
            if file in self._mixed or _read_whole(file):
                return self._read_whole(file)
            self._lines[file] = _Lines(Tail(Path(file)))
        if file in self._whole:
            return False
        lines, changed = self._lines[file], False
        for block in lines.tail.new_lines():
            self.bytes_read += len(block.data)
            changed = True
            if lines.opened is not None:
                part = part_of(block, lines.decoder)
                if self._says_otherwise(lines.opened, part):
                    self._mixed.add(file)
                    return True
                self._add(self._builder, lines.opened, part)
                continue
            lines.head += block.data
            head = _values(lines.head)
            if len(head) < HEAD:
                continue
            opened = self._opened(file, head)
            if opened.layout.reader == "table":  # rows of one episode need not be neighbours
                del self._lines[file]
                return self._read_whole(file)
            part = part_of(Block(lines.head, 1, 0), lines.decoder)
            if self._says_otherwise(opened, part):
                self._mixed.add(file)
                return True
            lines.opened, lines.head = opened, b""
            self._add(self._builder, opened, part)
        return changed

    def _read_whole(self, file: str) -> bool:
        seen, before = _identity(file), deepcopy(self._builder.reading)
        try:
            opened = Opened.of(file, self.request, self._builder.reading)
            batches = list(opened.batches(self._builder.reading, self.texts))
        except FileFormatError:
            self._builder.reading = before
            if seen is None or self._failed.get(file) == seen:  # else it may be half written
                raise
            self._failed[file] = seen
            return False
        self.bytes_read += os.path.getsize(file)
        self._take(self._builder, opened, batches)
        assert seen is not None
        self._whole[file] = seen
        return True

    def _with_heads(self) -> EpisodesBuilder:
        """Return what was read, with the few lines of files of which it is not decided how they are read."""
        waiting = {file: one for file, one in self._lines.items() if one.head}
        if not waiting:
            return self._builder
        builder = self._builder.copied()
        for file, one in waiting.items():
            self._add(builder, self._opened(file, _values(one.head)), part_of(Block(one.head, 1, 0), one.decoder))
        return builder

    def _opened(self, file: str, head: list[object]) -> Opened:
        return Opened.found(file, self.request, Documents(head, lambda columns, names: iter(())))

    def _says_otherwise(self, opened: Opened, part: Records) -> bool:
        """Return whether records show that those of their file are to be read otherwise than its first ones show."""
        head = opened.documents.head
        if opened.layout.reader != "records" or opened.layout.turns is not None:
            return False
        more = telling([((), head), part], opened.layout.names)
        return bool(more) and self._opened(opened.file, [*head, *more]).layout != opened.layout

    def _add(self, builder: EpisodesBuilder, opened: Opened, part: Records) -> None:
        now = opened._replace(documents=Documents([], lambda columns, names: iter([part])))
        self._take(builder, now, list(now.batches(builder.reading, self.texts)))

    def _take(self, builder: EpisodesBuilder, opened: Opened, batches: list[RecordBatch]) -> None:
        if opened.file not in builder.reading.files:
            builder.reading.files.append(opened.file)
            opened.tell(self.request, builder.reading)
        builder.add(opened.file, batches)


def _files(path: str | os.PathLike[str]) -> list[str]:
    """Return the files that a path means now."""
    text = os.fspath(path)
    if os.path.isdir(text) or glob_like(text):
        try:
            return expand([text])
        except DSTheoryError:
            return []  # nothing there yet
    return [text] if os.path.exists(text) else []


def _identity(file: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _read_whole(file: str) -> bool:
    """Return whether a file is no plain file of lines."""
    head = first_bytes(Path(file)).lstrip()
    with open(file, "rb") as raw:
        packed = raw.read(4).startswith(_BINARY)
    return packed or file.lower().endswith(".json") or head.startswith(b"[") or is_table(Path(file), head)


def _values(lines: bytes) -> list[object]:
    """Return the values of the first lines that are JSON."""
    found: list[object] = []
    for line in lines.split(b"\n"):
        if line.strip():
            try:
                found.append(decode(line))
            except NotJSON:
                continue
        if len(found) == HEAD:
            break
    return found

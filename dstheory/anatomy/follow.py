"""A log that grows, read as it grows: what is new is read once, and the episodes so far are there at every renewal.

Files of JSON lines are read on from where they ended. Their first records decide how they are read, as always; until there are
:data:`~dstheory.readers.documents.HEAD` of them, those few are made sense of again. Other files (tables, documents, packed ones,
rows of episodes that may go on, and lines whose later records say that the first were something else) are read when they appear
and read again when they change. Directories and patterns are looked at again each time, since trainers write a file for each
step. Each file has its own records and its own account; they are put together, in the order of the files, when they are shown.

Of a file of lines that grows only what is new is read, in whole lines; one that is replaced or cut short is begun again. What
was read before is not read again, so a file that is replaced is told from one that grew by three things: the file on disk is
another one (its device and number), it is shorter than what was read, or the bytes at the beginning or just before the end of
what was read are others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dstheory.anatomy.building import EpisodesBuilder, Log
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.documents import HEAD, Documents
from dstheory.readers.json_values import LineDecoder
from dstheory.readers.layouts import Request
from dstheory.readers.log_files import Opened, expand, first_values, glob_like, is_table, part_of
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
            FileFormatError: a line is too long, or it is not a regular file.
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


class _OfOneFile(Reading):
    """An account of one file; whether records are usable at all is asked of all files together."""

    def is_hopeless(self, other: Reading | None = None) -> bool:
        return False


@dataclass
class _Followed:
    """A file, as far as it was read.

    Attributes:
        builder: its records.
        tail: how far its lines were read.
        opened: how these are read, once that is decided.
        head: them as long as it is not.
        decoder: of them.
        seen: which file it was, where it is read as a whole.
    """

    builder: EpisodesBuilder
    tail: Tail
    opened: Opened | None = None
    head: bytes = b""
    decoder: LineDecoder = field(default_factory=LineDecoder)
    seen: tuple[int, ...] | None = None

    def is_another(self) -> bool:
        """Return whether it is no longer what was read."""
        return self.tail.is_another() if self.seen is None else _identity(self.tail.path) != self.seen


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
        self._failed: dict[str, tuple[int, ...]] = {}
        self._files: dict[str, _Followed] = {}
        self._names = FieldNames.renamed(self.request.fields, tuple(self.request.labels))
        self.reading = Reading([], self.strict)
        self.texts.check_all(self._names)
        if self.texts.no_answer is None:  # the next line may have one
            self.texts = self.texts._replace(no_answer="wrong")

    def renew(self) -> Log | None:
        """Read what is new; return all episodes so far, None if nothing changed or no record is usable yet.

        Raises:
            DSTheoryError: what is there cannot be read as a log.
        """
        files = list(dict.fromkeys(file for path in self.paths for file in _files(path)))
        left = {file: one for file, one in self._files.items() if file in files and not one.is_another()}
        changed, self._files = len(left) < len(self._files), left
        for file in files:
            changed |= self._read(file)
        if not changed:
            return None
        builders = [(file, self._files[file].builder) for file in files if file in self._files]
        read = [(file, one) for file, one in builders if one.reading.files]
        # Of one file alone nobody asks whether problems of its names are those of another.
        account = Reading([file for file, _ in read], self.strict, questions={} if len(read) > 1 else None)
        together = EpisodesBuilder(self._names, account, self.cap)
        for file, one in read:
            together.add_read(file, one.whole(), one.reading)
        self.reading = together.reading
        return together.log() if self.reading.usable else None

    def _builder(self) -> EpisodesBuilder:
        return EpisodesBuilder(self._names, _OfOneFile([], self.strict, questions={}), self.cap)

    def _read(self, file: str) -> bool:
        """Read what is new in a file; return whether there was something."""
        if file not in self._files:
            if _identity(file) is None or not os.path.getsize(file):
                return False
            if file in self._mixed or _is_whole(file):
                return self._read_whole(file, lines=file in self._mixed)
            self._files[file] = _Followed(self._builder(), Tail(Path(file)))
        one, changed = self._files[file], False
        for block in one.tail.new_lines() if one.seen is None else ():
            self.bytes_read += len(block.data)
            changed, decided = True, one.opened
            if decided is None:
                one.head += block.data
                head, block = first_values(one.head), Block(one.head, 1, 0)
                if len(head) < HEAD:
                    continue
                decided = self._opened(file, head)
                if decided.layout.reader == "table":  # rows of one episode need not be neighbours
                    return self._read_whole(file, lines=True)
                one.builder = self._builder()
            part = part_of(block, one.decoder)
            if self._says_otherwise(decided, part):  # what was read of it was taken for something else
                self._mixed.add(file)
                return self._read_whole(file, lines=True)
            self._add(one.builder, decided, part)
            one.opened, one.head = decided, b""
        if changed and one.opened is None:
            one.builder = self._builder()
            self._add(one.builder, self._opened(file, first_values(one.head)), part_of(Block(one.head, 1, 0), one.decoder))
        return changed

    def _read_whole(self, file: str, *, lines: bool) -> bool:
        self._files.pop(file, None)
        one = _Followed(self._builder(), Tail(Path(file)), seen=_identity(file))
        try:
            opened = Opened.of(file, self.request, one.builder.reading)
            if lines:  # the last one may not be finished
                whole = (part_of(block, one.decoder) for block in one.tail.new_lines())
                opened = opened._replace(documents=replace(opened.documents, parts=lambda columns, names: whole))
            self._take(one.builder, opened)
        except FileFormatError:
            if one.seen is None or self._failed.get(file) == one.seen:  # else it may be half written
                raise
            self._failed[file] = one.seen
            return False
        self.bytes_read += os.path.getsize(file)
        self._files[file] = one
        return True

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
        self._take(builder, opened._replace(documents=Documents([], lambda columns, names: iter([part]))))

    def _take(self, builder: EpisodesBuilder, opened: Opened) -> None:
        batches = list(opened.batches(builder.reading, self.texts))
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


def _identity(file: str | Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _is_whole(file: str) -> bool:
    """Return whether a file is not a plain file of lines."""
    head = first_bytes(Path(file)).lstrip()
    with open(file, "rb") as raw:
        packed = raw.read(4).startswith(_BINARY)
    return packed or file.lower().endswith(".json") or head.startswith(b"[") or is_table(Path(file), head)

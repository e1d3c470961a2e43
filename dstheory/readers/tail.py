"""A file of lines that grows: only what is new is read, in whole lines; one that is replaced or cut short is begun again.

What was read before is not read again, so a file that is replaced is told from one that grew by three things: the file on disk
is another one (its device and number), it is shorter than what was read, or the bytes at the beginning or just before the end of
what was read are others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dstheory.errors import FileFormatError
from dstheory.readers.limits import LONGEST_LINE, RAISE, limit, size_text
from dstheory.readers.streams import Block, opened

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
                self.offset, self.line = self.offset + end, self.line + whole.count(b"\n")
                yield block

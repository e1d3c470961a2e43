"""The files of a log: read here one after the other, or side by side by processes or the workers of a Dask cluster.

A worker reads a whole file and sends back what is kept of it: an array of whole numbers for each column, in the smallest type
that holds them, the names of its problems and labels, and its account. (Tests, folds and bootstraps need every episode, so totals
would not do.) They are put together here in the order of the files, as if they had been read here, so that nothing depends on
who read them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from dstheory.anatomy.building import EpisodesBuilder
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.json_values import uncollected
from dstheory.readers.layouts import Request
from dstheory.readers.log_files import Alike, TextSettings, opened_log
from dstheory.readers.reading import Progress, Reading, RecordBatch
from dstheory.readers.records import FieldNames
from dstheory.workers import check_workers, computed

_ONE = Lock()  # threads of a process would only wait for each other, and share settings of Python's reader of CSV


@dataclass(frozen=True)
class LogSettings:
    """How every file is read.

    Attributes:
        request, texts: what the user says about records and texts.
        names: field names that the user gave.
        cap: largest number of attempts, for records that do not say theirs.
        strict: stop at the first unusable record.
        folder: what paths are relative to.
    """

    request: Request
    texts: TextSettings
    names: FieldNames
    cap: int | None
    strict: bool
    folder: str = ""

    def for_workers(self) -> LogSettings:
        """Return the same settings for processes that may stand in another directory."""
        format, checker = self.request.format, self.texts.checker
        if format and os.path.exists(format):
            format = os.path.abspath(format)
        if isinstance(checker, str) and ".py" in checker:
            checker = os.path.abspath(checker)
        request, texts = replace(self.request, format=format), self.texts._replace(checker=checker)
        return replace(self, request=request, texts=texts, folder=os.getcwd())


class _Read(NamedTuple):
    """One file, read by a worker.

    Attributes:
        how: as what it was recognised; "" if it could not be opened.
        batch: its usable records.
        reading: the account of it.
        error: why it could not be read to its end.
    """

    how: str
    batch: RecordBatch | None
    reading: Reading
    error: DSTheoryError | None = None


def read_files(
    files: Sequence[str],
    given: Sequence[str | os.PathLike[str]],
    settings: LogSettings,
    builder: EpisodesBuilder,
    progress: Progress | None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
) -> None:
    """Read files into a builder.

    Args:
        files: the files.
        given: what the user named; a file that is not in it came from a directory or a pattern.
        settings: how each is read.
        builder: where the records go.
        progress: called after each block of lines and each file.
        workers: processes.
        scheduler: address of a Dask scheduler.

    Raises:
        RecordError, FileFormatError: the first thing that is wrong, in the order of the files.
        DSTheoryError: a worker died, or the scheduler cannot be reached.
    """
    check_workers(workers, scheduler)
    named = {os.fspath(path) for path in given}
    alike, done = Alike(), 0

    if len(files) > 1:
        builder.reading.questions = {}

    def read_here(file: str) -> None:
        told = None if progress is None else lambda records, read: progress(records, done + read)
        opened = opened_log(Path(file), file, file in named, settings.request, builder.reading, told)
        if file not in named:
            alike.check(file, opened.how)
        with uncollected():
            builder.add(file, opened.batches(builder.reading, settings.texts))

    with ExitStack() as stack:
        found: Iterable[_Read | None] = repeat(None, len(files))
        if scheduler is not None or (workers > 1 and len(files) > 1):
            parts, names = {i: (file, file in named) for i, file in enumerate(files)}, dict(enumerate(files))
            done_there = computed(_read, settings.for_workers(), parts, workers=workers, scheduler=scheduler, names=names)
            found = _in_order(stack.enter_context(closing(done_there)))
        for file, read in zip(files, found, strict=True):
            if read is None or builder.reading.is_hopeless(read.reading):  # of many unusable records the files before decide
                read_here(file)
            else:
                if read.how and file not in named:
                    alike.check(file, read.how)
                if read.error is not None:
                    raise read.error
                builder.add_read(file, read.batch, read.reading)
            done += os.path.getsize(file)
            if progress is not None:
                progress(builder.reading.records, done)


def _in_order(found: Iterable[tuple[int, _Read]]) -> Iterator[_Read]:
    waiting: dict[int, _Read] = {}
    following = 0
    for number, read in found:
        waiting[number] = read
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _read(settings: LogSettings, part: tuple[str, bool]) -> _Read:
    """Read one file in a worker; what is wrong with it is returned, since the files before it come first."""
    file, named = part
    path, reading = Path(settings.folder, file), Reading([file], settings.strict)
    reading.questions = {}
    builder, how = EpisodesBuilder(settings.names, reading, settings.cap), ""
    with _ONE:
        try:
            if not path.exists():
                raise FileFormatError(
                    f"{file} is not there for a worker on {socket.gethostname()}: workers read files under the same paths; put "
                    f"it where all of them see it as {path}"
                )
            opened = opened_log(path, file, named, settings.request, reading)
            how = opened.how
            with uncollected():
                builder.add(file, opened.batches(reading, settings.texts))
        except DSTheoryError as error:
            error.args = (str(error).replace(str(path), file),)
            return _Read(how, None, reading, error)
        except OSError as error:
            why = error.strerror or type(error).__name__
            return _Read(how, None, reading, FileFormatError(f"{file} cannot be read by a worker: {why}"))
        return _Read(how, builder.whole(), reading)

"""Reading a log of rollouts, whatever form it has: one call for files, one for data frames, one for records in memory.

The files of a log are read here one after the other, or side by side by processes or the workers of a Dask cluster.

A worker reads a whole file and sends back what is kept of it: an array of whole numbers for each column, in the smallest type
that holds them, the names of its problems and labels, and its account. (Tests and folds need every episode, so totals would not
do.) They are put together here in the order of the files, as if they had been read here, so that nothing depends on
who read them.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from dstheory.anatomy.building import EpisodesBuilder
from dstheory.anatomy.building import Log as Log
from dstheory.errors import DSTheoryError, FileFormatError, RecordError
from dstheory.readers.answers import Checker
from dstheory.readers.batches import RecordBatch
from dstheory.readers.documents import HEAD, Documents
from dstheory.readers.json_values import uncollected
from dstheory.readers.layouts import Request
from dstheory.readers.log_files import Alike, Opened, expand, opened_log, with_answers
from dstheory.readers.reading import Progress
from dstheory.readers.reading import Reading as Reading
from dstheory.readers.records import DECIDED_BY, FieldNames, Records
from dstheory.readers.transcripts import NoAnswer, Segmenter, TextSettings, text_batches
from dstheory.readers.turns import decided, telling
from dstheory.workers import check_workers, computed

if TYPE_CHECKING:
    import pandas as pd

_ONE = Lock()  # threads of a process would only wait for each other, and share settings of Python's reader of CSV


@dataclass(frozen=True)
class _Settings:
    """How every file is read, as of :func:`read`, and the folder that its path is relative to."""

    request: Request
    texts: TextSettings
    cap: int | None
    strict: bool
    folder: str = ""

    @property
    def names(self) -> FieldNames:
        return FieldNames.renamed(self.request.fields, tuple(self.request.labels))

    def for_workers(self) -> _Settings:
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


def read(
    paths: Sequence[str | os.PathLike[str]],
    request: Request,
    texts: TextSettings,
    cap: int | None = None,
    strict: bool = False,
    *,
    progress: Progress | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> Log:
    """Read logs as :func:`read_log` does; what is said about records and texts is checked already."""
    if texts.checker is not None:
        request = replace(request, checker=texts.checker if isinstance(texts.checker, str) else "a function")
    files, settings = expand(paths), _Settings(request, texts, cap, strict)
    texts.check_all(settings.names)
    builder = EpisodesBuilder(settings.names, Reading(files, strict, questions={} if len(files) > 1 else None), cap)
    check_workers(workers, scheduler)
    named = {os.fspath(path) for path in paths}  # others came from a directory or a pattern
    alike, done = Alike(), 0

    def read_here(file: str) -> None:
        told = None if progress is None else lambda records, read: progress(records, done + read)
        opened = opened_log(Path(file), file, file in named, request, builder.reading, told)
        if file not in named:
            alike.check(file, opened.how)
        with uncollected():
            builder.add(file, opened.batches(builder.reading, texts))

    with ExitStack() as stack:
        found: Iterable[_Read | None] = repeat(None, len(files))
        if scheduler is not None or (workers > 1 and len(files) > 1):
            parts, labels = {i: (file, file in named) for i, file in enumerate(files)}, dict(enumerate(files))
            done_there = computed(_read, settings.for_workers(), parts, workers=workers, scheduler=scheduler, names=labels)
            found = _in_order(stack.enter_context(closing(done_there)))
        for file, one in zip(files, found, strict=True):
            if one is None or builder.reading.is_hopeless(one.reading):  # of many unusable records the files before decide
                read_here(file)
            else:
                if one.how and file not in named:
                    alike.check(file, one.how)
                if one.error is not None:
                    raise one.error
                builder.add_read(file, one.batch, one.reading)
            done += os.path.getsize(file)
            if progress is not None:
                progress(builder.reading.records, done)
    if request.gold is not None:
        request.gold.tell(builder.reading)
    return builder.log()


def _in_order(found: Iterable[tuple[int, _Read]]) -> Iterator[_Read]:
    waiting: dict[int, _Read] = {}
    following = 0
    for number, read in found:
        waiting[number] = read
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _read(settings: _Settings, part: tuple[str, bool]) -> _Read:
    """Read one file in a worker; what is wrong with it is returned, since the files before it come first."""
    file, named = part
    path, reading = Path(settings.folder, file), Reading([file], settings.strict, questions={})
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


def record_schema() -> dict[str, Any]:
    """Return the JSON Schema of a record: what validates, and keeps the three rules that its description names, is read.

    Example:
        >>> record_schema()["required"]
        ['id', 'attempts']
    """
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    return loaded


def read_log(
    *paths: str | os.PathLike[str],
    reader: str = "auto",
    format: str | None = None,
    fields: Mapping[str, str] | None = None,
    correct: str | Sequence[str] = (),
    decision: str | Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    turns: str | Sequence[str] = (),
    decided_by: str | None = None,
    gold: str | os.PathLike[str] | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    checker: str | Checker | None = None,
    segment: str | Segmenter | None = None,
    pattern: str | None = None,
    markers: Sequence[str] | None = None,
    no_answer: NoAnswer = None,
    progress: Progress | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> Log:
    """Read rollout logs.

    Args:
        paths: files of JSON lines or JSON, CSV, TSV, Parquet, or zip files of JSON (.eval), plain or packed (gzip, zstd, bzip2);
            directories and patterns (``logs/*.jsonl``) mean the logs in them. Read one after the other.
        reader: ``"rollouts"`` (one attempt each), ``"records"`` (marked attempts), ``"table"`` (one row per attempt),
            ``"conversation"``, ``"transcript"``, or ``"auto"``: what the file's first records show.
        format: name of a format, or a TOML file that describes one (``docs/log_formats.md``); default: recognised by its keys.
        fields: what -> place in the log, where they differ (``{"cap": "max_attempts", "gold": "extra.gold"}``).
        correct: which values mean right (``"C=true,I=false"``, ``"score>=1"``).
        decision: what decisions are called (``"continue=resample,stop=stop"``).
        where: place -> value; records that hold another are passed over.
        turns: places of what says whether the answers given in turn are right (``"baseline_score,comparison_score"``,
            ``"steps[].correct"``): a record is then a chain of answers between which nobody decided.
        gold: a file of right answers, where the logs do not hold them: JSON lines, JSON, CSV, TSV or Parquet, joined by an id, or
            by the text of the prompt; ``fields={"gold": KEY}`` names the answer in it.
        decided_by: who decided whether to go on: ``"model"``, ``"verifier"``, ``"oracle"``, ``"environment"`` or ``"nobody"``;
            default: what the log shows.
        labels: further keys to keep as categorical fields.
        cap: the largest number of attempts, for records that do not say theirs.
        strict: stop at the first unusable record; otherwise they are left out, counted and listed.
        checker: for texts: ``"countdown"`` or ``"24"`` (games, exactly; each number once), ``"final-answer"`` (against the
            record's ``gold``), ``"FILE.py:NAME"``, or a function ``(answer, record) -> bool | None``.
        segment: for texts: ``"expressions"``, ``"tags"``, ``"markers"``, ``"pattern"``, or a :class:`Segmenter`; default
            expressions for games and tags otherwise; for conversations, every message of the assistant is one attempt.
        pattern: of the segmentation by a pattern: a regular expression.
        markers: of the segmentation by markers: the words.
        no_answer: for texts: what those are in which no answer is found, ``"wrong"`` (the default, unless that are all of them,
            which is refused) or ``"omit"``, which leaves them out.
        progress: called with (records so far, bytes of the files so far).
        workers: processes that read files side by side.
        scheduler: address of a Dask scheduler whose workers read the files, each a whole one, under the same paths as here; sent
            back are arrays of small whole numbers and the names in the file. The result is the same.

    Returns:
        The episodes, and an account of what was read.

    Raises:
        RecordError: strict, and a record is unusable; no record is usable; or the settings do not fit together.
        FileFormatError: a file cannot be read.
        DSTheoryError: a worker died, or the scheduler cannot be reached.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "log.jsonl")
        ...     _ = file.write_text('{"id": 1, "cap": 4, "attempts": [{"correct": true, "decision": "stop"}]}\\n{"id": 2}\\n')
        ...     log = read_log(file)
        >>> log.episodes, log.reading.faults
        (Episodes(1 episodes, 1 attempts, 1 problems, 0 capped), {'no-attempts': 1})
    """
    request = Request.of(reader, format, fields, correct, decision, where, labels, turns, decided_by)
    texts = TextSettings(checker, segment, pattern, markers, no_answer)
    request = with_answers(request, gold)
    return read(paths, request, texts, cap, strict, progress=progress, workers=workers, scheduler=scheduler)


def from_frame(
    frame: pd.DataFrame,
    *,
    fields: Mapping[str, str] | None = None,
    decision: str | Sequence[str] = (),
    decided_by: str | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    name: str = "data frame",
) -> Log:
    """Read a data frame with one row per attempt; its columns are those of :mod:`dstheory.readers.attempt_rows`.

    Args:
        frame: the rows.
        fields, decided_by, labels, cap, strict: as of :func:`read_log`.
        decision: what decisions are called, as of :func:`read_log`. A column of true and false needs it, since nothing else says
            which of them goes on: ``fields={"decision": "said_wait"}, decision="true=resample,false=stop"``.
        name: how messages call it, and its label in the field ``log``.

    Raises:
        RecordError: a column is missing, no record is usable, or (strict) one is not.

    Example:
        >>> import pandas as pd
        >>> rows = {"id": ["a", "a", "b"], "correct": [False, True, True], "decision": ["resample", "stop", "stop"]}
        >>> from_frame(pd.DataFrame(rows)).episodes
        Episodes(2 episodes, 3 attempts, 2 problems, 0 capped)
    """
    from dstheory.readers.attempt_rows import batch_of, wanted_columns
    from dstheory.readers.tables import from_frame as table_of

    request = Request.of("table", fields=fields, decision=decision, labels=labels, decided_by=decided_by)
    names, who = FieldNames.renamed(fields or {}, tuple(labels)).with_labels(DECIDED_BY), request.decided_by
    builder = EpisodesBuilder(names, Reading([name], strict), cap)
    table = table_of(frame, wanted_columns(names))
    batch = batch_of(table, name, names, builder.reading, request.decisions, decided_by=who)
    builder.add(name, decided(filter(None, [batch]), who))
    return builder.log()


def from_records(
    records: Iterable[Mapping[str, Any]],
    *,
    reader: str = "records",
    fields: Mapping[str, str] | None = None,
    decided_by: str | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    checker: str | Checker | None = None,
    segment: str | Segmenter | None = None,
    pattern: str | None = None,
    markers: Sequence[str] | None = None,
    no_answer: NoAnswer = None,
    name: str = "records",
) -> Log:
    """Read records that are in memory already: with marked attempts, conversations or transcripts.

    Args:
        records: dictionaries as they would stand in a file of JSON lines.
        reader: ``"records"``, ``"conversation"`` or ``"transcript"``.
        fields, decided_by, labels, cap, strict, checker, segment, pattern, markers, no_answer: as of :func:`read_log`.
        name: how messages call them, and their label in the field ``log``.

    Raises:
        RecordError: no record is usable, or (strict) one is not.

    Example:
        >>> chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
        >>> record = {"id": 1, "cap": 2, "messages": chat, "gold": 4}
        >>> from_records([record], reader="conversation", checker="final-answer").episodes
        Episodes(1 episodes, 1 attempts, 1 problems, 0 capped)
    """
    if reader not in ("records", "conversation", "transcript"):
        raise RecordError(f"records in memory have no reader {reader!r}: there are records, conversation, transcript")
    request = Request.of(reader, fields=fields, labels=labels, decided_by=decided_by)
    names, texts = FieldNames.renamed(request.fields, tuple(labels)), TextSettings(checker, segment, pattern, markers, no_answer)
    builder = EpisodesBuilder(names.with_labels(DECIDED_BY), Reading([name], strict), cap)
    if reader != "records":
        check = texts.reader(reader, builder.names, name)
        builder.add(name, decided(text_batches(_parts(records), name, check, builder.reading, unit="record"), request.decided_by))
        return builder.log()
    rest = iter(records)
    first = list(islice(rest, HEAD))
    seen = list(first)  # all up to where all is shown that decides how records are read, whatever their order

    def parts(columns: Sequence[str], naming: Collection[str]) -> Iterator[Records]:
        every = chain(seen, rest)
        return _parts(every if opened.layout.as_it_is else map(deepcopy, every))  # which are changed

    more = telling(chain([((), first)], _noted(rest, seen)), names)
    opened = Opened.found(name, request, Documents([*first, *more], parts, "record"))
    own = replace(opened.layout, numbered=False, names=replace(opened.layout.names, id=names.id))
    opened = opened._replace(layout=own)  # there are no lines to name records by
    opened.tell(request, builder.reading)
    builder.add(name, opened.batches(builder.reading, texts))
    return builder.log()


def _noted(records: Iterable[Any], seen: list[Any]) -> Iterator[Records]:
    """Yield records one at a time, and keep those that were asked for."""
    for record in records:
        seen.append(record)
        yield (), [record]


def _parts(records: Iterable[Any]) -> Iterator[Records]:
    """Yield records that may not all be in memory at once, some at a time, numbered from 0."""
    rest, start = iter(records), 0
    while rows := list(islice(rest, 1000)):
        yield range(start, start + len(rows)), rows
        start += len(rows)

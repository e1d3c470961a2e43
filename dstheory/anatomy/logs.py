"""Reading a log of rollouts, whatever form it has: one call for files, one for data frames, one for records in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, Labels
from dstheory.checks import Bools, Ints, whole_number
from dstheory.errors import FileFormatError, RecordError
from dstheory.readers.answers import Checker, Game, compare_final, load_checker
from dstheory.readers.attempt_rows import batch_of, read_attempts, wanted_columns
from dstheory.readers.json_values import NotJSON, decode, uncollected
from dstheory.readers.reading import Part, Progress, Reading, RecordBatch, batches, json_lines
from dstheory.readers.records import Fault, FieldNames
from dstheory.readers.streams import first_bytes
from dstheory.readers.tables import from_frame as table_of
from dstheory.readers.transcripts import MARKERS, Segmenter, TextReader, segmenter, text_batches

if TYPE_CHECKING:
    import pandas as pd

READERS = ("auto", "records", "table", "conversation", "transcript")
CHECKERS = ("countdown", "24", "final-answer")
_TABLES = (".csv", ".tsv", ".parquet")
_PACKED = (".gz", ".zst", ".bz2")
_ALWAYS = ("task", "model", "log")  # columns that every table of episodes has


class Log(NamedTuple):
    """Episodes, and an account of how they were read."""

    episodes: Episodes
    reading: Reading


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
    fields: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    checker: str | Checker | None = None,
    segment: str | Segmenter | None = None,
    pattern: str | None = None,
    markers: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Log:
    """Read rollout logs.

    Args:
        paths: files of JSON lines, CSV, TSV or Parquet, plain or packed (gzip, zstd, bzip2); read one after the other.
        reader: ``"records"`` (marked attempts), ``"table"`` (one row per attempt), ``"conversation"``, ``"transcript"``, or
            ``"auto"``: what the file's name and its first record show.
        fields: what -> key in the log, where they differ (``{"cap": "max_attempts", "problem": "numbers"}``).
        labels: further keys to keep as categorical fields.
        cap: the largest number of attempts, for records that do not say theirs.
        strict: stop at the first unusable record; otherwise they are left out, counted and listed.
        checker: for texts: ``"countdown"`` or ``"24"`` (games, exactly; each number once), ``"final-answer"`` (against the
            record's ``gold``), ``"FILE.py:NAME"``, or a function ``(answer, record) -> bool | None``.
        segment: for texts: ``"expressions"``, ``"tags"``, ``"markers"``, ``"pattern"``, or a :class:`Segmenter`; default
            expressions for games and tags otherwise; for conversations, every message of the assistant is one attempt.
        pattern: of the segmentation by a pattern: a regular expression.
        markers: of the segmentation by markers: the words.
        progress: called with (records so far, bytes of the current file so far).

    Returns:
        The episodes, and an account of what was read.

    Raises:
        RecordError: strict, and a record is unusable; no record is usable; or the settings do not fit together.
        FileFormatError: a file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "log.jsonl")
        ...     _ = file.write_text('{"id": 1, "attempts": [{"correct": true, "decision": "stop"}]}\\n{"id": 2}\\n')
        ...     log = read_log(file)
        >>> log.episodes, log.reading.faults
        (Episodes(1 episodes, 1 attempts, 1 problems, 0 capped), {'no-attempts': 1})
    """
    if not paths:
        raise RecordError("no log was given: name at least one file")
    names = FieldNames.renamed(fields or {}, tuple(labels))
    text_reader = _text_readers(names, checker, segment, pattern, markers)
    if reader not in READERS:
        raise RecordError(f"there is no reader {reader!r}: there are {', '.join(READERS)}")
    shown = [os.fspath(path) for path in paths]
    real = [os.path.realpath(path) for path in paths]
    for i, path in enumerate(real):
        if path in real[:i]:
            raise RecordError(f"{shown[i]} is given twice: every record would count twice")
    builder = _EpisodesBuilder(names, Reading(list(shown), strict), cap)
    for file in shown:
        kind = _kind(Path(file), names) if reader == "auto" else reader
        first_bytes(Path(file))  # refuses what is no log at all
        if kind == "table":
            builder.add(file, filter(None, [batch_of(read_attempts(Path(file), names), file, names, builder.reading)]))
        else:
            parts = json_lines(Path(file), file, builder.reading, progress)
            with uncollected():
                builder.add(file, _batches(kind, parts, file, names, builder.reading, text_reader))
    return builder.log()


def from_frame(
    frame: pd.DataFrame,
    *,
    fields: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    name: str = "data frame",
) -> Log:
    """Read a data frame with one row per attempt; its columns are those of :mod:`dstheory.readers.attempt_rows`.

    Args:
        frame: the rows.
        fields, labels, cap, strict: as of :func:`read_log`.
        name: how messages call it, and its label in the field ``log``.

    Raises:
        RecordError: a column is missing, no record is usable, or (strict) one is not.

    Example:
        >>> import pandas as pd
        >>> rows = {"id": ["a", "a", "b"], "correct": [False, True, True], "decision": ["resample", "stop", "stop"]}
        >>> from_frame(pd.DataFrame(rows)).episodes
        Episodes(2 episodes, 3 attempts, 2 problems, 0 capped)
    """
    names = FieldNames.renamed(fields or {}, tuple(labels))
    builder = _EpisodesBuilder(names, Reading([name], strict), cap)
    builder.add(name, filter(None, [batch_of(table_of(frame, wanted_columns(names)), name, names, builder.reading)]))
    return builder.log()


def from_records(
    records: Iterable[Mapping[str, Any]],
    *,
    reader: str = "records",
    fields: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    checker: str | Checker | None = None,
    segment: str | Segmenter | None = None,
    pattern: str | None = None,
    markers: Sequence[str] | None = None,
    name: str = "records",
) -> Log:
    """Read records that are in memory already: with marked attempts, conversations or transcripts.

    Args:
        records: dictionaries as they would stand in a file of JSON lines.
        reader: ``"records"``, ``"conversation"`` or ``"transcript"``.
        fields, labels, cap, strict, checker, segment, pattern, markers: as of :func:`read_log`.
        name: how messages call them, and their label in the field ``log``.

    Raises:
        RecordError: no record is usable, or (strict) one is not.

    Example:
        >>> chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
        >>> from_records([{"id": 1, "messages": chat, "gold": 4}], reader="conversation", checker="final-answer").episodes
        Episodes(1 episodes, 1 attempts, 1 problems, 0 capped)
    """
    names = FieldNames.renamed(fields or {}, tuple(labels))
    builder = _EpisodesBuilder(names, Reading([name], strict), cap)
    text_reader = _text_readers(names, checker, segment, pattern, markers) if reader != "records" else None
    if reader not in ("records", "conversation", "transcript"):
        raise RecordError(f"records in memory have no reader {reader!r}: there are records, conversation, transcript")
    builder.add(name, _batches(reader, _parts(records), name, names, builder.reading, text_reader, unit="record"))
    return builder.log()


# ---------------------------------------------------------------------- what the settings mean


def _parts(records: Iterable[Any]) -> Iterator[Part]:
    """Yield records that may not all be in memory at once, some at a time, numbered from 0."""
    rest, start = iter(records), 0
    while rows := list(islice(rest, 1000)):
        yield range(start, start + len(rows)), rows
        start += len(rows)


def _batches(
    kind: str,
    parts: Iterable[Part],
    file: str,
    names: FieldNames,
    reading: Reading,
    text_reader: Callable[[str], TextReader] | None,
    unit: str = "line",
) -> Iterator[RecordBatch]:
    """Return the usable ones among records of a kind, in columns."""
    if text_reader is None or kind == "records":
        return batches(parts, file, names, reading, unit=unit)
    return text_batches(parts, file, text_reader(kind), reading, unit=unit)


def _text_readers(
    names: FieldNames,
    checker: str | Checker | None,
    segment: str | Segmenter | None,
    pattern: str | None,
    markers: Sequence[str] | None,
) -> Callable[[str], TextReader]:
    """Return what makes the reader of a kind of text, where a file needs one; the settings are checked at once."""
    check = _checker(checker, names)
    game = check if isinstance(check, Game) else None
    if segment is None and (pattern is not None or markers is not None):
        segment = "pattern" if pattern is not None else "markers"
    if isinstance(segment, str):
        segment = segmenter(segment, pattern=pattern, game=game, markers=MARKERS if markers is None else markers)
    finder = segment

    def make(kind: str) -> TextReader:
        if check is None:
            known = ", ".join(CHECKERS)
            raise RecordError(f"a {kind} does not say which answers are correct: choose a checker, {known} or FILE.py:FUNCTION")
        if kind == "conversation":
            return TextReader("conversation", check, finder, names)
        return TextReader("transcript", check, finder or segmenter("tags" if game is None else "expressions", game=game), names)

    return make


def _checker(checker: str | Checker | None, names: FieldNames) -> Checker | None:
    if checker is None or callable(checker):
        return checker
    if checker == "countdown":
        return Game(names)
    if checker == "24":
        return Game(names, default_target=24)
    if checker == "final-answer":
        return compare_final(names)
    if checker.endswith(".py") or ":" in checker:
        return load_checker(checker)
    raise RecordError(f"there is no checker {checker!r}: there are {', '.join(CHECKERS)}, or FILE.py:FUNCTION")


def _kind(path: Path, names: FieldNames) -> str:
    """Return the reader that a file needs."""
    head = first_bytes(path)
    name = path.name.lower()
    for packing in _PACKED:
        name = name.removesuffix(packing)
    if head[:4] == b"PAR1" or name.endswith(_TABLES):
        return "table"
    if not head.strip():
        raise FileFormatError(f"{path} is empty: needs at least one record")
    for line in head.split(b"\n")[:20]:
        try:
            record = decode(line)
        except NotJSON:
            continue
        if isinstance(record, dict):
            found = {"records": names.attempts, "conversation": names.messages, "transcript": names.transcript}
            for kind, key in found.items():
                if key in record:
                    return kind
    return "records"


# ---------------------------------------------------------------------- from batches to episodes


class _EpisodesBuilder:
    """Puts batches of records together, refuses repeated ids, and makes the table at the end."""

    def __init__(self, names: FieldNames, reading: Reading, cap: int | None) -> None:
        self.names = names
        self.reading = reading
        self.cap = None if cap is None else whole_number(cap, "cap", low=1, otherwise=", or None for none")
        self.seen: dict[tuple[str, str], set[str]] = {}  # (log, model) -> ids
        self.problem_codes: dict[str, int] = {}
        self.problems: list[Ints] = []
        self.tables: dict[str, dict[str, int]] = {name: {} for name in (*names.labels, "log")}
        self.columns: dict[str, list[Ints]] = {name: [] for name in self.tables}
        self.batches: list[RecordBatch] = []

    def add(self, file: str, found: Iterable[RecordBatch]) -> None:
        """Add the usable records of one file."""
        for batch in found:
            self._add(batch, file)
            self.reading.give_up_if_hopeless(file)

    def _add(self, batch: RecordBatch, file: str) -> None:
        if self.cap is not None:  # of records that do not say theirs
            batch.caps = np.where(batch.caps == 0, self.cap, batch.caps)
            over = batch.lengths > batch.caps
            for i in np.flatnonzero(over).tolist():
                detail = f"has {batch.lengths[i]} entries: must be at most the cap, {batch.caps[i]}"
                self.reading.fault(batch.place(i, file), Fault("over-cap", self.names.attempts, detail))
            if over.any():
                batch = batch.keep(~over)
        fresh = self._fresh(batch, file)
        if not fresh.all():
            batch = batch.keep(fresh)
        n = len(batch.ids)
        self.reading.records += n
        self.reading.segmented[batch.way] = self.reading.segmented.get(batch.way, 0) + n
        table = self.problem_codes
        self.problems.append(np.fromiter((table.setdefault(p, len(table)) for p in batch.problems), dtype=np.int64, count=n))
        for name, (codes, names) in {**batch.labels, "log": (np.zeros(n, dtype=np.int32), (file,))}.items():
            known = self.tables[name]
            # The last entry is where code -1 points: a record without this field.
            merged = np.array([*(known.setdefault(text, len(known)) for text in names), -1], dtype=np.int32)
            self.columns[name].append(merged[codes])
        batch.ids = batch.problems = ()  # kept in the tables by now
        self.batches.append(batch)

    def _fresh(self, batch: RecordBatch, file: str) -> Bools:
        """Return which records have an id that no earlier record of their model has."""
        codes, models = batch.labels["model"]
        fresh = np.ones(len(batch.ids), dtype=bool)
        for code in np.unique(codes).tolist():
            model = models[code] if code >= 0 else NOT_GIVEN
            seen = self.seen.setdefault((file, model), set())
            mine = np.flatnonzero(codes == code).tolist()
            ids = batch.ids if len(mine) == len(codes) else [batch.ids[i] for i in mine]
            new = set(ids)
            if len(new) == len(ids) and seen.isdisjoint(new):
                seen |= new
                continue
            for i, name in zip(mine, ids, strict=True):
                if name in seen:
                    fresh[i] = False
                    whose = f" of model {model}" if len(models) > 1 else ""
                    detail = f"is {name!r}, as in an earlier record{whose}: give every record its own id"
                    self.reading.fault(batch.place(i, file), Fault("duplicate", self.names.id, detail))
                seen.add(name)
        return fresh

    def log(self) -> Log:
        """Return everything.

        Raises:
            RecordError: not one record was usable.
        """
        if not self.reading.usable:
            files = ", ".join(self.reading.files) or "the log"
            raise RecordError(f"{files} has no usable record ({self.reading.reasons or 'there are none'})")

        def joined(what: str) -> Any:
            return np.concatenate([getattr(batch, what) for batch in self.batches])

        lengths, caps, ended = joined("lengths"), joined("caps"), joined("stopped")
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        stopped = np.zeros(offsets[-1], dtype=bool)
        stopped[offsets[1:] - 1] = ended
        at_cap = (caps > 0) & (lengths == caps)
        self.reading.unfinished = int(np.count_nonzero(~ended & ~at_cap & (caps > 0)))
        fields = {}
        for name, columns in self.columns.items():
            codes, table = np.concatenate(columns), self.tables[name]
            if (codes < 0).any():
                if not table and name not in _ALWAYS:
                    continue  # no record has it
                codes = np.where(codes < 0, table.setdefault(NOT_GIVEN, len(table)), codes).astype(np.int32)
            fields[name] = Labels(codes, tuple(table))
        episodes = Episodes(
            offsets=offsets,
            correct=joined("correct"),
            stopped=stopped,
            capped=at_cap | ~ended,
            problem=np.concatenate(self.problems),
            problem_ids=tuple(self.problem_codes),
            cap=caps,
            fields=fields,
        )
        return Log(episodes, self.reading)

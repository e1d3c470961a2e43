"""Reading a log of rollouts, whatever form it has: one call for files, one for data frames, one for records in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, Labels
from dstheory.checks import Bools, Ints, whole_number
from dstheory.errors import RecordError
from dstheory.readers.answers import Checker
from dstheory.readers.attempt_rows import batch_of, wanted_columns
from dstheory.readers.json_values import uncollected
from dstheory.readers.layouts import Request, assumed_words
from dstheory.readers.log_files import TextSettings, expand, open_all
from dstheory.readers.reading import Part, Progress, Reading, RecordBatch, batches
from dstheory.readers.records import NOBODY, Fault, FieldNames
from dstheory.readers.tables import from_frame as table_of
from dstheory.readers.transcripts import NoAnswer, Segmenter, text_batches
from dstheory.readers.turns import FIXED_NOTE, decided, filled, without_decisions
from dstheory.readers.words import assumption, decision_word

if TYPE_CHECKING:
    import pandas as pd

_ONE_BY_ONE = ("marked", "messages")  # ways of finding attempts in which each was asked for by itself
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
    format: str | None = None,
    fields: Mapping[str, str] | None = None,
    correct: str | Sequence[str] = (),
    decision: str | Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    turns: str | Sequence[str] = (),
    decided_by: str | None = None,
    labels: Sequence[str] = (),
    cap: int | None = None,
    strict: bool = False,
    checker: str | Checker | None = None,
    segment: str | Segmenter | None = None,
    pattern: str | None = None,
    markers: Sequence[str] | None = None,
    no_answer: NoAnswer = None,
    progress: Progress | None = None,
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

    Returns:
        The episodes, and an account of what was read.

    Raises:
        RecordError: strict, and a record is unusable; no record is usable; or the settings do not fit together.
        FileFormatError: a file cannot be read.

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
    files = expand(paths)
    builder = EpisodesBuilder(FieldNames.renamed(request.fields, tuple(labels)), Reading(files, strict), cap)
    texts = TextSettings(checker, segment, pattern, markers, no_answer)
    texts.check_all(builder.names)
    for file, opened in open_all(files, paths, request, builder.reading, progress):
        with uncollected():
            builder.add(file, opened.batches(builder.reading, texts))
    return builder.log()


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
    request = Request.of("table", fields=fields, decision=decision, labels=labels, decided_by=decided_by)
    names, who = FieldNames.renamed(fields or {}, tuple(labels)), request.decided_by
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
    who = Request.of(fields=fields, labels=labels, decided_by=decided_by).decided_by
    names = FieldNames.renamed(fields or {}, tuple(labels))
    builder = EpisodesBuilder(names, Reading([name], strict), cap)
    if reader not in ("records", "conversation", "transcript"):
        raise RecordError(f"records in memory have no reader {reader!r}: there are records, conversation, transcript")
    if reader == "records":
        rest = iter(records)
        head = list(islice(rest, 20))
        if not who and without_decisions(head, names):
            who = NOBODY
            builder.reading.note(FIXED_NOTE)
        parts = _parts(chain(head, rest))
        words = assumed_words(head, names)
        if words:
            builder.reading.read_as[f"one episode per record; {assumption(words)}"] = 1
            parts = _worded(parts, names, words)
        if who == NOBODY:
            parts = filled(parts, names)
        builder.add(name, decided(batches(parts, name, names, builder.reading, unit="record"), who))
    else:
        texts = TextSettings(checker, segment, pattern, markers, no_answer).reader(reader, names, name)
        builder.add(name, decided(text_batches(_parts(records), name, texts, builder.reading, unit="record"), who))
    return builder.log()


def _worded(parts: Iterable[Part], names: FieldNames, words: Mapping[str, str]) -> Iterator[Part]:
    """Yield copies of records with their decisions in this package's words."""
    key = names.decision
    for numbers, rows in parts:
        out: list[Any] = []
        for row in rows:
            steps = row.get(names.attempts) if isinstance(row, Mapping) else None
            if isinstance(steps, list):
                row = {**row, names.attempts: [_translated(step, key, words) for step in steps]}
            out.append(row)
        yield numbers, out


def _translated(step: Any, key: str, words: Mapping[str, str]) -> Any:
    return {**step, key: decision_word(step.get(key), words)} if isinstance(step, Mapping) else step


def _parts(records: Iterable[Any]) -> Iterator[Part]:
    """Yield records that may not all be in memory at once, some at a time, numbered from 0."""
    rest, start = iter(records), 0
    while rows := list(islice(rest, 1000)):
        yield range(start, start + len(rows)), rows
        start += len(rows)


def _bounds(episodes: Episodes, left_out: int, more: int) -> str:
    """Return between what p, a and b lie whatever the records hold that were left out; "" if none were.

    Args:
        episodes: the others.
        left_out: records that were left out for what happened in them.
        more: their attempts; there may have been a decision after each.
    """
    if not left_out:
        return ""
    counts = episodes.counts()
    pairs = [("p", counts.correct, counts.attempts)]
    if counts.decided_correct + counts.decided_wrong or more > left_out:
        pairs += [("a", counts.stop_correct, counts.decided_correct), ("b", counts.resample_wrong, counts.decided_wrong)]
    said = [f"{name} between {int(s) / (int(n) + more):.3f} and {(int(s) + more) / (int(n) + more):.3f}" for name, s, n in pairs]
    return f"of all records {', '.join(said)}, whatever the {left_out:,} hold that were left out for what happened in them"


# ---------------------------------------------------------------------- from batches to episodes


class EpisodesBuilder:
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
                fault = Fault("over-cap", self.names.attempts, detail, attempts=int(batch.lengths[i]))
                self.reading.fault(batch.place(i, file), fault)
            if over.any():
                batch = batch.keep(~over)
        fresh = self._fresh(batch, file)
        if not fresh.all():
            batch = batch.keep(fresh)
        n = len(batch.lengths)
        self.reading.records += n
        self.reading.segmented[batch.way] = self.reading.segmented.get(batch.way, 0) + n
        table = self.problem_codes
        codes, names = batch.problems
        index = np.fromiter((table.setdefault(name, len(table)) for name in names), dtype=np.int64, count=len(names))
        self.problems.append(index[codes])
        labels = {**batch.labels, "log": (np.broadcast_to(np.int32(0), n), (file,))}
        for name in dict.fromkeys((*self.tables, *labels)):  # files of several formats need not have the same fields
            if name not in self.tables:
                before = sum(len(each.lengths) for each in self.batches)
                self.tables[name], self.columns[name] = {}, [np.full(before, -1, dtype=np.int32)]
            codes, names = labels.get(name, (np.full(n, -1, dtype=np.int32), ()))
            known = self.tables[name]
            # The last entry is where code -1 points: a record without this field.
            merged = np.array([*(known.setdefault(text, len(known)) for text in names), -1], dtype=np.int32)
            one = (len(names) < 2 and not codes.any()) or not names  # all records alike take no memory
            self.columns[name].append(np.broadcast_to(merged[0], n) if one and n else merged[codes])
        batch.ids, batch.problems = (), (self.problems[-1][:0], ())  # kept in the tables by now
        self.batches.append(batch)

    def _fresh(self, batch: RecordBatch, file: str) -> Bools:
        """Return which records have an id that no earlier record of their model has."""
        codes, models = batch.labels["model"]
        fresh = np.ones(len(batch.lengths), dtype=bool)
        if batch.ids is None:
            return fresh
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

    def copied(self) -> EpisodesBuilder:
        """Return a builder with the same records, to which more can be added without adding them here."""
        other = EpisodesBuilder(self.names, deepcopy(self.reading), self.cap)
        other.seen = {key: set(ids) for key, ids in self.seen.items()}
        other.problem_codes, other.problems, other.batches = dict(self.problem_codes), list(self.problems), list(self.batches)
        other.tables = {name: dict(table) for name, table in self.tables.items()}
        other.columns = {name: list(codes) for name, codes in self.columns.items()}
        return other

    def so_far(self) -> Log:
        """Return everything so far; more may be added.

        Raises:
            RecordError: not one record was usable.
        """
        seen, self.seen = self.seen, {}  # which the copy does not need
        try:
            other = self.copied()
        finally:
            self.seen = seen
        return other.log()

    def log(self) -> Log:
        """Return everything; nothing can be added afterwards.

        Raises:
            RecordError: not one record was usable.
        """
        if not self.reading.usable:
            files = ", ".join(self.reading.files) or "the log"
            raise RecordError(f"{files} has no usable record ({self.reading.reasons or 'there are none'})")

        def joined(what: str) -> Any:
            return np.concatenate([getattr(batch, what) for batch in self.batches])

        lengths, caps, ended = joined("lengths"), joined("caps"), joined("stopped")
        fields = {}
        for name in list(self.columns):
            codes, table = np.concatenate(self.columns.pop(name)), self.tables[name]
            if (codes < 0).any():
                if not table and name not in _ALWAYS:
                    continue  # no record has it
                codes = np.where(codes < 0, table.setdefault(NOT_GIVEN, len(table)), codes).astype(np.int32)
            fields[name] = Labels.constant(next(iter(table)), len(codes)) if len(table) == 1 else Labels(codes, tuple(table))
        caps = self._caps(lengths, caps, fields)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        stopped = np.zeros(offsets[-1], dtype=bool)
        stopped[offsets[1:] - 1] = ended
        at_cap = (caps > 0) & (lengths == caps)
        unseen = np.concatenate([np.zeros(len(b.lengths), dtype=bool) if b.unseen is None else b.unseen for b in self.batches])
        unseen &= ~at_cap
        self.reading.unseen = int(np.count_nonzero(unseen))
        self.reading.unfinished = int(np.count_nonzero(~ended & ~at_cap & ~unseen & (caps > 0)))
        episodes = Episodes(
            offsets=offsets,
            correct=joined("correct"),
            stopped=stopped,
            capped=at_cap | ~ended,
            problem=np.concatenate(self.problems),
            problem_ids=tuple(self.problem_codes),
            cap=caps,
            fields=fields,
            unseen=unseen,
        )
        self.reading.bounds = _bounds(episodes, self.reading.depends_on_outcome, self.reading.attempts_left_out)
        return Log(episodes, self.reading)

    def _caps(self, lengths: Ints, caps: Ints, fields: Mapping[str, Labels]) -> Ints:
        """Return the caps, 1 for the records of a model and file in which nobody tried again and no cap says that one could."""
        log, model = fields["log"], fields["model"]
        part = log.codes.astype(np.int64) * len(model.names) + model.codes
        could = np.bincount(part, weights=(lengths > 1) | (caps > 1)) > 0
        # Within a text one can always try again; and of episodes that are left out nobody knows how long they were.
        asked = np.repeat([batch.way in _ONE_BY_ONE for batch in self.batches], [len(batch.lengths) for batch in self.batches])
        alone = ~could[part] & (caps == 0) & asked
        if not alone.any() or self.reading.depends_on_outcome:
            return caps
        self.reading.note(
            "no record has a second attempt or a cap above 1, so nobody could try again: there is p, but neither a nor b; if the "
            "model could have, say how often with --cap"
        )
        return np.where(alone, 1, caps)

"""Gathering records into :class:`~dstheory.anatomy.episodes.Episodes`, block after block, whatever reader they come from.

Kept are two bytes per attempt and some tens of bytes per record, plus its id: a log whose texts are larger than memory fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, Labels
from dstheory.anatomy.records.fields import FieldNames
from dstheory.anatomy.records.reading import Log, Place, Reading
from dstheory.anatomy.records.rules import Fault, Parsed
from dstheory.checks import Bools, Ints
from dstheory.errors import RecordError

__all__ = ["Batch", "Gatherer", "collect"]

_AT_A_TIME = 2000  # records parsed one by one that are put into columns together

_ALWAYS = ("task", "model", "log")  # columns that every table of episodes has
_GIVE_UP_AFTER = 10_000  # records, all of them unusable: somebody gave the wrong file


@dataclass(eq=False)
class Batch:
    """Usable records in columns.

    Attributes:
        ids: (n,) texts.
        problems: (n,) texts, or None where each record is its own problem.
        lengths: (n,) number of attempts.
        correct: all attempts, one after the other.
        stopped: (n,) whether the last attempt was followed by a stop.
        caps: (n,) 0 for none.
        labels: name -> (codes, names); code -1 where a record does not have the field.
        numbers: (n,) line or row of each record, for messages.
    """

    ids: Sequence[str]
    problems: Sequence[str] | None
    lengths: Ints
    correct: Bools
    stopped: Bools
    caps: Ints
    labels: Mapping[str, tuple[Ints, Sequence[str]]]
    numbers: Ints

    @classmethod
    def of(cls, records: Sequence[Parsed], numbers: Sequence[int], names: FieldNames) -> Batch:
        """Return records that were parsed one by one, as columns."""
        labels = {}
        for i, name in enumerate(names.labels):
            table: dict[str, int] = {}
            codes = [-1 if r.labels[i] is None else table.setdefault(r.labels[i] or "", len(table)) for r in records]
            labels[name] = (np.array(codes, dtype=np.int32), tuple(table))
        return cls(
            ids=[r.id for r in records],
            problems=[r.problem for r in records],
            lengths=np.array([len(r.correct) for r in records], dtype=np.int64),
            correct=np.array([c for r in records for c in r.correct], dtype=bool),
            stopped=np.array([r.stopped for r in records], dtype=bool),
            caps=np.array([r.cap for r in records], dtype=np.int64),
            labels=labels,
            numbers=np.array(numbers, dtype=np.int64),
        )

    def keep(self, mask: Bools) -> Batch:
        """Return the records where ``mask`` is true."""
        index = np.flatnonzero(mask).tolist()
        return Batch(
            ids=[self.ids[i] for i in index],
            problems=None if self.problems is None else [self.problems[i] for i in index],
            lengths=self.lengths[mask],
            correct=self.correct[np.repeat(mask, self.lengths)],
            stopped=self.stopped[mask],
            caps=self.caps[mask],
            labels={name: (codes[mask], table) for name, (codes, table) in self.labels.items()},
            numbers=self.numbers[mask],
        )


class Gatherer:
    """Collects batches, refuses repeated ids, and makes the table at the end."""

    def __init__(self, names: FieldNames, reading: Reading, *, cap: int | None = None) -> None:
        self.names = names
        self.reading = reading
        self._cap = cap  # of records that do not say theirs
        self._seen: dict[tuple[str, str], set[str]] = {}  # (log, model) -> ids
        self._problem_codes: dict[str, int] = {}
        self._tables: dict[str, dict[str, int]] = {name: {} for name in (*names.labels, "log")}
        self._columns: dict[str, list[Ints]] = {name: [] for name in (*names.labels, "log")}
        self._problems: list[Ints] = []
        self._lengths: list[Ints] = []
        self._correct: list[Bools] = []
        self._stopped: list[Bools] = []
        self._caps: list[Ints] = []

    def add(self, batch: Batch, file: str, *, way: str = "marked", kind: str = "line") -> None:
        """Add usable records of one file.

        Args:
            batch: the records.
            file: as the user wrote it.
            way: how the attempts were found.
            kind: what ``batch.numbers`` counts.
        """
        if self._cap is not None:
            batch.caps = np.where(batch.caps == 0, self._cap, batch.caps)
            over = batch.lengths > batch.caps
            for i in np.flatnonzero(over):
                detail = f"has {int(batch.lengths[i])} entries: must be at most the cap, {int(batch.caps[i])}"
                self.reading.fault(Place(file, int(batch.numbers[i]), kind), Fault("over-cap", self.names.attempts, detail))
            if over.any():
                batch = batch.keep(~over)
        batch = self._without_duplicates(batch, file, kind)
        n = len(batch.ids)
        self.reading.records += n
        self.reading.segmented[way] = self.reading.segmented.get(way, 0) + n
        problems = batch.ids if batch.problems is None else batch.problems
        table = self._problem_codes
        self._problems.append(np.fromiter((table.setdefault(p, len(table)) for p in problems), dtype=np.int64, count=n))
        for name, (codes, names) in {**batch.labels, "log": (np.zeros(n, dtype=np.int32), (file,))}.items():
            known = self._tables[name]
            # The last entry is where code -1 points: a record without this field.
            merged = np.array([*(known.setdefault(text, len(known)) for text in names), -1], dtype=np.int32)
            self._columns[name].append(merged[codes])
        self._lengths.append(batch.lengths)
        self._correct.append(batch.correct)
        self._stopped.append(batch.stopped)
        self._caps.append(batch.caps)

    def give_up_if_hopeless(self, file: str) -> None:
        """Raise RecordError if many records were read and not one was usable."""
        if self.reading.records >= _GIVE_UP_AFTER and not self.reading.usable:
            listed = "; ".join(examples[0] for examples in self.reading.examples.values())
            raise RecordError(
                f"{file}: none of the first {self.reading.records:,} records is usable ({listed}): give a log of rollouts, "
                "name its fields with --field, or choose another --reader"
            )

    def log(self) -> Log:
        """Return everything gathered.

        Raises:
            RecordError: not one record was usable.
        """
        if not self.reading.usable:
            listed = "; ".join(examples[0] for examples in self.reading.examples.values()) or "there are none"
            raise RecordError(f"{', '.join(self.reading.files) or 'the log'} has no usable record ({listed})")
        lengths, caps = np.concatenate(self._lengths), np.concatenate(self._caps)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        ended = np.concatenate(self._stopped)
        stopped = np.zeros(offsets[-1], dtype=bool)
        stopped[offsets[1:] - 1] = ended
        at_cap = (caps > 0) & (lengths == caps)
        self.reading.unfinished = int(np.count_nonzero(~ended & ~at_cap & (caps > 0)))
        episodes = Episodes(
            offsets=offsets,
            correct=np.concatenate(self._correct),
            stopped=stopped,
            capped=at_cap | ~ended,
            problem=np.concatenate(self._problems),
            problem_ids=tuple(self._problem_codes),
            cap=caps,
            fields=self._fields(),
        )
        return Log(episodes, self.reading)

    # ------------------------------------------------------------------ parts

    def _fields(self) -> dict[str, Labels]:
        fields = {}
        for name, columns in self._columns.items():
            codes, table = np.concatenate(columns), self._tables[name]
            if (codes < 0).any():
                if not table and name not in _ALWAYS:
                    continue  # no record has it
                codes = np.where(codes < 0, table.setdefault(NOT_GIVEN, len(table)), codes).astype(np.int32)
            fields[name] = Labels(codes, tuple(table))
        return fields

    def _without_duplicates(self, batch: Batch, file: str, kind: str) -> Batch:
        codes, models = batch.labels["model"]
        keep = np.ones(len(batch.ids), dtype=bool)
        for code in np.unique(codes):
            model = models[code] if code >= 0 else NOT_GIVEN
            seen = self._seen.setdefault((file, model), set())
            mine = np.flatnonzero(codes == code)
            ids = batch.ids if len(mine) == len(codes) else [batch.ids[i] for i in mine.tolist()]
            fresh = set(ids)
            if len(fresh) == len(ids) and seen.isdisjoint(fresh):
                seen |= fresh
                continue
            for i, name in zip(mine, ids, strict=True):
                if name in seen:
                    keep[i] = False
                    whose = f" of model {model}" if len(models) > 1 else ""
                    detail = f"is {name!r}, as in an earlier record{whose}: give every record its own id"
                    self.reading.fault(Place(file, int(batch.numbers[i]), kind), Fault("duplicate", self.names.id, detail))
                seen.add(name)
        return batch if keep.all() else batch.keep(keep)


def collect(
    records: Iterable[tuple[int, Any]],
    parse: Callable[[Any], Parsed],
    file: str,
    gatherer: Gatherer,
    *,
    way: str = "marked",
    kind: str = "line",
) -> None:
    """Read records one by one into a gatherer, in the order of the file.

    Args:
        records: (number, record).
        parse: checks one; raises Fault.
        file, way, kind: as of :meth:`Gatherer.add`.

    Raises:
        RecordError: in strict mode the first unusable record; or many records, all of them unusable.
    """
    parsed: list[Parsed] = []
    numbers: list[int] = []

    def deliver() -> None:
        if parsed:
            gatherer.add(Batch.of(parsed, numbers, gatherer.names), file, way=way, kind=kind)
            parsed.clear()
            numbers.clear()
        gatherer.give_up_if_hopeless(file)

    for number, record in records:
        try:
            parsed.append(parse(record))
            numbers.append(number)
        except Fault as fault:
            if gatherer.reading.strict:
                deliver()  # first what came before it: an earlier record may repeat an id
            gatherer.reading.fault(Place(file, number, kind), fault)
        if len(numbers) >= _AT_A_TIME or gatherer.reading.unusable >= _GIVE_UP_AFTER > gatherer.reading.usable:
            deliver()
    deliver()

"""From batches of records to a table of episodes: names become codes, and repeated ids are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, Labels
from dstheory.checks import Bools, Ints, whole_number
from dstheory.errors import RecordError
from dstheory.readers.batches import RecordBatch
from dstheory.readers.reading import Reading
from dstheory.readers.records import DECIDED_BY, NOBODY, Fault, FieldNames
from dstheory.texts import counted

_ONE_BY_ONE = ("marked", "messages")  # ways of finding attempts in which each was asked for by itself
_ALWAYS = ("task", "model", "log")  # columns that every table of episodes has


class Log(NamedTuple):
    """The episodes of a log, and how they were read.

    >>> from dstheory.anatomy import from_records
    >>> log = from_records([{"id": 1, "cap": 4, "attempts": [{"correct": True, "decision": "stop"}]}])
    >>> len(log.episodes), log.reading.records
    (1, 1)
    """

    episodes: Episodes
    reading: Reading


class EpisodesBuilder:
    """Puts batches of records together, refuses repeated ids, and makes the table at the end."""

    def __init__(self, names: FieldNames, reading: Reading, cap: int | None) -> None:
        self.names = names
        self.reading = reading
        self.cap = None if cap is None else whole_number(cap, "cap", low=1, otherwise=", or None for none")
        self.seen: dict[tuple[str, str], set[str]] = {}  # (log, model) -> ids
        self.problem_codes: dict[str, int] = {}
        self.asked: dict[str, dict[str, int]] = {}  # name of a problem -> what it asks -> code
        self.apart = 0  # problems that share a name with one in another file
        self.first: list[str] = []  # the file in which each problem was met first
        self.alike: set[int] = set()  # problems of several files that do not all show what they ask
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
        self._put(batch, file)

    def add_read(self, file: str, batch: RecordBatch | None, reading: Reading) -> None:
        """Add one file that was read elsewhere, by a builder of its own: its :meth:`whole`, and its account."""
        self.reading.add(reading)
        if batch is not None:
            self._put(batch, file)
        self.reading.give_up_if_hopeless(file)

    def whole(self) -> RecordBatch | None:
        """Return the records of one file as one batch, in the smallest whole numbers that hold them; None if there are none."""
        if not self.batches:
            return None
        return RecordBatch(
            ids=None,
            problems=(_small(np.concatenate(self.problems)), tuple(self.problem_codes)),
            lengths=_small(self._joined("lengths", np.int64)),
            correct=self._joined("correct", np.bool_),
            stopped=self._joined("stopped", np.bool_),
            caps=_small(self._joined("caps", np.int64)),
            labels={
                name: (_small(np.concatenate(codes)), tuple(self.tables[name]))
                for name, codes in self.columns.items()
                if name != "log"
            },
            numbers=np.zeros(0, dtype=np.int64),  # nothing can be wrong with them from here on
            way=self.batches[0].way,
            unseen=self._unseen() if any(batch.unseen is not None for batch in self.batches) else None,
        )

    def _unseen(self) -> Bools:
        return np.concatenate([np.zeros(len(b.lengths), dtype=bool) if b.unseen is None else b.unseen for b in self.batches])

    def _joined(self, what: str, kind: type[np.generic]) -> Any:
        return np.concatenate([getattr(batch, what) for batch in self.batches], dtype=kind)

    def _put(self, batch: RecordBatch, file: str) -> None:
        n = len(batch.lengths)
        table = self.problem_codes
        codes, names = batch.problems
        if self.reading.questions is not None:
            questions = self.reading.questions.get(file, {})
            found: Iterable[int] = (self._code(name, questions.get(name), file) for name in names)
        else:
            table |= zip([name for name in dict.fromkeys(names) if name not in table], count(len(table)))
            found = map(table.__getitem__, names)
        index = np.fromiter(found, dtype=np.int64, count=len(names))
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

    def _code(self, name: str, question: str | None, file: str) -> int:
        """Return the code of a problem: one of the same name in another file is the same, unless it asks something else."""
        table = self.problem_codes
        if question is None:
            return self._of(table.setdefault(name, len(table)), file)
        asked = self.asked.setdefault(name, {})
        if question not in asked:
            self.apart += bool(asked)
            asked[question] = self._of(table.setdefault(f"{name} ({file})" if asked else name, len(table)), file)
        return asked[question]

    def _of(self, code: int, file: str) -> int:
        """Return the code; write down where the problem was met first, or that nobody saw whether it is the same one."""
        if code == len(self.first):
            self.first.append(file)
        elif self.first[code] != file:
            self.alike.add(code)
        return code

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

    def log(self) -> Log:
        """Return everything; nothing can be added afterwards.

        Raises:
            RecordError: not one record was usable.
        """
        if not self.reading.usable:
            files = ", ".join(self.reading.files) or "the log"
            raise RecordError(f"{files} has no usable record ({self.reading.reasons or 'there are none'})")

        lengths, caps, ended = (
            self._joined(what, kind) for what, kind in (("lengths", np.int64), ("caps", np.int64), ("stopped", np.bool_))
        )
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
        unseen = self._unseen() & ~at_cap
        self.reading.unseen = int(np.count_nonzero(unseen))
        self.reading.unfinished = int(np.count_nonzero(~ended & ~at_cap & ~unseen & (caps > 0)))
        episodes = Episodes(
            offsets=offsets,
            correct=self._joined("correct", np.bool_),
            stopped=stopped,
            capped=at_cap | ~ended,
            problem=np.concatenate(self.problems),
            problem_ids=tuple(self.problem_codes),
            cap=caps,
            fields=fields,
            unseen=unseen,
        )
        if self.apart:
            self.reading.note(
                f"problems that have the name of one in another file and ask something else ({self.apart:,}) count as "
                "different problems; --field problem=KEY names problems otherwise",
                "",
            )
        if self.alike and self.names.problem == FieldNames().problem:
            self.reading.note(
                f"problems that have the name of one in another file ({len(self.alike):,}) count as the same, though not "
                "both files show what they ask; if they differ, give the files one at a time",
                "",
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
        reading = self.reading
        single = reading.depends_on_outcome == reading.attempts_left_out == reading.faults.get("correct", 0)
        if not alone.any() or not single:
            return caps
        self.reading.note(
            "no record has a second attempt or a cap above 1, so nobody could resample: there is p, but neither a nor b; if the "
            "model could have, say how often with --cap",
            "",
        )
        return np.where(alone, 1, caps)


def _bounds(episodes: Episodes, left_out: int, more: int) -> str:
    """Return between what p, a and b lie whatever the records hold that were left out; "" if none were.

    Args:
        episodes: the others.
        left_out: records that were left out because of what happened in them.
        more: their attempts; there may have been a decision after each.
    """
    if not left_out:
        return ""
    counts = episodes.counts()
    pairs = [("p", counts.correct, counts.attempts)]
    who = episodes.fields.get(DECIDED_BY)
    fixed = who is not None and set(who.names) == {NOBODY}  # then nobody decided in those left out either
    if not fixed and (counts.decided_correct + counts.decided_wrong or more > left_out):
        pairs += [("a", counts.stop_correct, counts.decided_correct), ("b", counts.resample_wrong, counts.decided_wrong)]
    said = [f"{name} between {int(s) / (int(n) + more):.3f} and {(int(s) + more) / (int(n) + more):.3f}" for name, s, n in pairs]
    others = counted(left_out, "record")
    return f"of all records {', '.join(said)}, whatever the {others} left out because of what happened there may hold"


def _small(values: Ints) -> Ints:
    """Return whole numbers in the smallest type that holds them."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    return values.astype(np.result_type(np.min_scalar_type(low), np.min_scalar_type(high)))

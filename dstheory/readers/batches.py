"""The records of a log checked and put into columns, many at once; one by one where a rule is broken, to say which.

The rules are those of ``schema.json`` and three that a JSON Schema cannot say: every decision but the last is "resample" (nothing
comes after a stop), there are no more attempts than the cap, and no two records of one model in one file share an id (which the
table of episodes sees to).

Kept are two bytes per attempt and some tens of bytes per record, plus its id: a log whose texts are larger than memory fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, repeat
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dstheory.checks import Bools, Ints
from dstheory.readers.reading import Reading
from dstheory.readers.records import ENDS, VERDICTS, Fault, FieldNames, Records, compact, label_text, which_decision
from dstheory.texts import brief, is_unicode, shown

if TYPE_CHECKING:
    from dstheory.readers.tables import ArrowTable

_FEW = 16  # records are checked one by one, where one of them is unusable


class Record(NamedTuple):
    """A usable record.

    Attributes:
        id, problem: as text.
        cap: 0 for none.
        correct: of each attempt.
        stopped: whether the last attempt was followed by a stop.
        labels: text of each categorical field, None where the record does not have it.
        unseen: whether there may have been a decision after the last attempt that the log does not show.
    """

    id: str
    problem: str
    cap: int
    correct: list[bool]
    stopped: bool
    labels: tuple[str | None, ...]
    unseen: bool = False


@dataclass(eq=False)
class RecordBatch:
    """Usable records in columns.

    Attributes:
        ids: (n,) texts; None where the log has none, so that no record can be another again.
        problems: codes (n,), and the text of each code.
        lengths: (n,) number of attempts.
        correct: all attempts, one after the other.
        stopped: (n,) whether the last attempt was followed by a stop.
        caps: (n,) 0 for none.
        labels: name -> (codes, names); code -1 where a record does not have the field.
        numbers: (n,) line of each record, for messages; of a table, its first row.
        unit: what ``numbers`` counts.
        way: how the attempts were found.
        table: whose rows they are, if there is one.
        unseen: (n,) whether there may have been a decision after the last attempt that the log does not show; None for nowhere.
    """

    ids: Sequence[str] | None
    problems: tuple[Ints, Sequence[str]]
    lengths: Ints
    correct: Bools
    stopped: Bools
    caps: Ints
    labels: Mapping[str, tuple[Ints, Sequence[str]]]
    numbers: Ints
    unit: str = "line"
    way: str = "marked"
    table: ArrowTable | None = None
    unseen: Bools | None = None

    def place(self, i: int, file: str) -> str:
        """Return where a record is."""
        return f"{file}: {self.unit} {self.numbers[i] if self.table is None else self.table.numbers[self.numbers[i]]}"

    @classmethod
    def of(cls, records: Sequence[Record], numbers: Sequence[int], names: FieldNames, unit: str, way: str) -> RecordBatch:
        """Return records that were parsed one by one, as columns."""
        ids, problems, caps, correct, stopped, labels, unseen = zip(*records, strict=True)
        return cls(
            ids=ids,
            problems=(np.arange(len(problems)), problems),
            lengths=np.array(list(map(len, correct)), dtype=np.int64),
            correct=np.array(list(chain.from_iterable(correct)), dtype=bool),
            stopped=np.array(stopped, dtype=bool),
            caps=np.array(caps, dtype=np.int64),
            labels={name: coded(texts) for name, texts in zip(names.labels, zip(*labels, strict=True), strict=True)},
            numbers=np.array(numbers, dtype=np.int64),
            unit=unit,
            way=way,
            unseen=np.array(unseen, dtype=bool) if any(unseen) else None,
        )

    def keep(self, mask: Bools) -> RecordBatch:
        """Return the records where ``mask`` (n,) is true."""
        index = np.flatnonzero(mask).tolist()
        codes, names = self.problems
        return replace(
            self,
            ids=None if self.ids is None else [self.ids[i] for i in index],
            problems=(np.arange(len(index)), [names[code] for code in codes[mask].tolist()]),  # no name that nobody has
            lengths=self.lengths[mask],
            correct=self.correct[np.repeat(mask, self.lengths)],
            stopped=self.stopped[mask],
            caps=self.caps[mask],
            labels={name: (codes[mask], table) for name, (codes, table) in self.labels.items()},
            numbers=self.numbers[mask],
            unseen=None if self.unseen is None else self.unseen[mask],
        )


def batches(
    parts: Iterable[Records],
    file: str,
    names: FieldNames,
    reading: Reading,
    *,
    parse: Callable[[Any], Record] | None = None,
    way: str = "marked",
    unit: str = "line",
) -> Iterator[RecordBatch]:
    """Check records in the order of the file, and yield the usable ones in columns.

    Args:
        parts: the records.
        file: how messages call the file.
        names: the log's field names.
        reading: counts the unusable ones.
        parse: makes a record, or raises Fault; default: records with marked attempts, many of them checked at once.
        way: how the attempts are found.
        unit: what the numbers count.

    Raises:
        RecordError: in strict mode the first unusable record; or many records, all of them unusable.
    """
    one = parse or partial(parse_record, names=names)
    for numbers, rows in parts:
        waiting = [(0, len(rows))]  # stretches that are checked at once if they are all good, else by halves, few one by one
        while waiting:
            start, end = waiting.pop()
            batch = in_columns(numbers[start:end], rows[start:end], names, unit) if parse is None else None
            if batch is not None:
                yield batch
                continue
            if parse is None and end - start > _FEW:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
                continue
            usable: dict[int, Record] = {}
            for number, record in zip(numbers[start:end], rows[start:end], strict=True):
                try:
                    if isinstance(record, Fault):
                        raise record
                    usable[number] = one(record)
                except Fault as fault:
                    if parse is None and isinstance(record, dict) and isinstance(steps := record.get(names.attempts), list):
                        fault.attempts = max(len(steps), 1)
                    if reading.strict and usable:  # first what came before it: an earlier record may repeat an id
                        yield RecordBatch.of(list(usable.values()), list(usable), names, unit, way)
                    reading.fault(f"{file}: {unit} {number}", fault)
            if usable:
                yield RecordBatch.of(list(usable.values()), list(usable), names, unit, way)
            reading.give_up_if_hopeless(file)
        rows = ()  # what comes next goes where these were, which the processor has at hand: half the time


def in_columns(numbers: Sequence[int], rows: Sequence[Any], names: FieldNames, unit: str = "line") -> RecordBatch | None:
    """Return records with marked attempts in columns; None if one of them is unusable, or odd in some other way.

    The rules are those of :func:`parse_record`, which says what is wrong.
    """
    try:
        attempts = list(map(itemgetter(names.attempts), rows))
        lengths = np.fromiter(map(len, attempts), dtype=np.int64, count=len(rows))
        steps = list(chain.from_iterable(attempts))
        if set(map(type, rows)) | set(map(type, steps)) != {dict} or set(map(type, attempts)) != {list} or not lengths.all():
            return None
        correct, decisions = cells_of(steps, names.correct), cells_of(steps, names.decision)
        ends = list(map(decisions.__getitem__, (np.cumsum(lengths) - 1).tolist()))
        going_on = decisions.count("resample") - ends.count("resample")
        if not VERDICTS.issuperset(correct) or going_on < len(steps) - len(rows) or not ENDS.issuperset(ends):
            return None
        cells = cells_of(rows, names.cap)
        if not set(map(type, cells)) <= {int, NoneType}:
            return None
        table = {cap: parse_cap({names.cap: cap}, names) for cap in set(cells)}
        caps = np.fromiter(map(table.__getitem__, cells), dtype=np.int64, count=len(rows))
        if ((caps > 0) & (lengths > caps)).any():
            return None
        ids = texts_of(cells_of(rows, names.id))
        problems = cells_of(rows, names.problem)
        if not set(map(type, problems)) <= {str}:
            problems = [name if cell is None else compact(cell) if type(cell) is list else cell
                        for name, cell in zip(ids, problems, strict=True)]  # fmt: skip
        problems = texts_of(problems)
        given = set(chain.from_iterable(rows))
        none = np.broadcast_to(np.int32(-1), len(rows)), ()
        labels = {name: coded(cells_of(rows, key)) if key in given else none for name, key in names.labels.items()}
    except (KeyError, TypeError, AttributeError, ValueError, Fault):
        return None
    return RecordBatch(
        ids=ids,
        problems=(np.arange(len(problems)), problems),
        lengths=lengths,
        correct=np.array(correct, dtype=bool),
        stopped=np.array([end == "stop" for end in ends], dtype=bool),
        caps=caps,
        labels=labels,
        numbers=np.array(numbers, dtype=np.int64),
        unit=unit,
    )


def cells_of(rows: Sequence[dict[str, Any]], key: str) -> list[Any]:
    """Return what each row has under a key, None where it has nothing."""
    try:
        return list(map(itemgetter(key), rows))
    except KeyError:
        return list(map(dict.get, rows, repeat(key)))


def texts_of(cells: list[Any]) -> list[str]:
    """Return labels as texts.

    Raises:
        ValueError: one of them is not a label.
    """
    if set(map(type, cells)) != {str} or "" in cells or not is_unicode("".join(cells)):
        return [label_text(cell) for cell in cells]
    return cells


def coded(cells: Sequence[Any]) -> tuple[Ints, tuple[str, ...]]:
    """Return a code for each cell, -1 where there is none, and the text of each code.

    Raises:
        ValueError: one of them is not a label.
    """
    table = dict.fromkeys(cells)
    if len(table) == 1 and None in table:
        return np.broadcast_to(np.int32(-1), len(cells)), ()
    if len(set(map(type, cells)) - {NoneType}) > 1:  # 1, 1.0 and True are one key of a dictionary, but not one text
        cells = [None if cell is None else label_text(cell) for cell in cells]
        table = dict.fromkeys(cells)
    table.pop(None, None)
    texts = tuple(texts_of(list(table))) if table else ()
    codes: dict[Any, int] = {cell: code for code, cell in enumerate(table)}
    codes[None] = -1
    return np.fromiter(map(codes.__getitem__, cells), dtype=np.int32, count=len(cells)), texts


# ---------------------------------------------------------------------- one record


def parse_record(record: Any, names: FieldNames) -> Record:
    """Check a record with marked attempts.

    Raises:
        Fault: the first rule that it breaks.

    Example:
        >>> attempts = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
        >>> parse_record({"id": 7, "cap": 4, "attempts": attempts}, FieldNames())
        Record(id='7', problem='7', cap=4, correct=[False, True], stopped=True, labels=(None, None, None), unseen=False)
    """
    name, problem, labels = parse_head(record, names)
    cap = parse_cap(record, names)
    correct, stopped = _attempts(record, names)
    if cap and len(correct) > cap:
        raise Fault("over-cap", names.attempts, f"has {len(correct)} entries: must be at most the cap, {cap}")
    return Record(name, problem, cap, correct, stopped, labels)


def parse_head(record: Any, names: FieldNames) -> tuple[str, str, tuple[str | None, ...]]:
    """Return id, problem and labels of a record of any kind.

    Raises:
        Fault: it is not an object, or one of them is unusable.
    """
    if not isinstance(record, dict):
        raise Fault("not-a-record", "", f"holds {brief(record)}: must be an object with an id and attempts")
    name = _label(record, names.id, "id")
    if name is None:
        raise Fault("id", names.id, "is missing: must name the record; give every record its own")
    problem = record.get(names.problem)
    if isinstance(problem, list):  # for example the numbers of a game
        problem = compact(problem)
    else:
        problem = _label(record, names.problem, "label")
    labels = tuple([_label(record, key, "label") for key in names.labels.values()])
    return name, name if problem is None else problem, labels


def parse_cap(record: Mapping[str, Any], names: FieldNames) -> int:
    """Return the cap of a record, 0 for none.

    Raises:
        Fault: it is not a whole number >= 1.
    """
    cap = record.get(names.cap)
    if cap is None:
        return 0
    whole = isinstance(cap, int) or (isinstance(cap, float) and cap.is_integer())
    if isinstance(cap, bool) or not whole or not 1 <= cap < 2**62:
        raise Fault("cap", names.cap, f"is {brief(cap)}: must be a whole number >= 1, or null for none")
    return int(cap)


def _attempts(record: Mapping[str, Any], names: FieldNames) -> tuple[list[bool], bool]:
    """Return the correctness of each attempt, and whether the last was followed by a stop."""
    attempts = record.get(names.attempts)
    if not isinstance(attempts, list) or not attempts:
        what = "is missing" if attempts is None else "is empty" if isinstance(attempts, list) else f"is {brief(attempts)}"
        raise Fault("no-attempts", names.attempts, f"{what}: must be a list with at least one attempt")
    try:
        correct = [attempt[names.correct] for attempt in attempts]
        decisions = [attempt.get(names.decision) for attempt in attempts]
        last = decisions.pop()
        if VERDICTS.issuperset(correct) and decisions.count("resample") == len(decisions) and last in ENDS:
            return list(map(bool, correct)), last == "stop"
    except (KeyError, TypeError, AttributeError):
        pass
    raise _attempt_fault(attempts, names)


def _attempt_fault(attempts: list[Any], names: FieldNames) -> Fault:
    """Return the first rule that one of these attempts breaks."""
    last = len(attempts) - 1
    for k, attempt in enumerate(attempts):
        place = f"{names.attempts}[{k}]"
        if not isinstance(attempt, dict):
            return Fault("attempt", place, f"is {brief(attempt)}: must be an object with correct and decision")
        verdict, decision = attempt.get(names.correct), attempt.get(names.decision)
        if not isinstance(verdict, (int, float, np.generic)) or verdict not in (True, False):
            return Fault("correct", f"{place}.{names.correct}", f"is {brief(verdict)}: must be true or false (or 1 or 0)")
        if not isinstance(decision, (str, NoneType)) or decision not in ENDS:
            rule = "must be stop or resample (or submit at the cap)" + which_decision(decision)
            return Fault("decision", f"{place}.{names.decision}", f"is {brief(decision)}: {rule}")
        if k < last and decision is None:
            return Fault("decision", f"{place}.{names.decision}", "is missing: only the last attempt may have none")
        if k < last and decision != "resample":
            rule = "only the last attempt may end the record"
            return Fault("after-stop", f"{place}.{names.decision}", f"is {shown(decision)} but {last - k} more follow: {rule}")
    raise AssertionError("every rule is kept")


def _label(record: Mapping[str, Any], key: str, reason: str) -> str | None:
    value = record.get(key)
    try:
        return None if value is None else label_text(value)
    except ValueError as error:
        raise Fault(reason, key, f"is {brief(value)}: {error}") from error

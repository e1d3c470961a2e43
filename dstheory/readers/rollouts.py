"""Records that are one attempt each, many at once: most logs of trainers and of evaluation harnesses are of this kind.

Nobody could try again, so each is an episode with a cap of one. A record may also hold lists with one entry for each rollout of
its problem. There are no ids; the rollouts of one problem are grouped by what names the problem, be it its whole prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

import numpy as np

from dstheory.checks import Bools, Ints
from dstheory.errors import RecordError
from dstheory.readers.answers import Checker, answer_text, checked
from dstheory.readers.batches import RecordBatch, cells_of, coded
from dstheory.readers.layouts import Layout
from dstheory.readers.paths import Place
from dstheory.readers.reading import Reading
from dstheory.readers.records import LONGEST_NAME, VERDICTS, Fault, Records, compact, problem_name, text_or_none
from dstheory.texts import brief, is_unicode, shown

_PROMPTS = 64  # shortened names that are remembered


def rollout_batches(
    parts: Iterable[Records],
    file: str,
    layout: Layout,
    reading: Reading,
    *,
    checker: Checker | None = None,
    omit: bool = False,
    unit: str = "line",
) -> Iterator[RecordBatch]:
    """Yield rollouts in columns.

    Args:
        parts: the records.
        file: how messages call their file.
        layout: where their parts stand, and which values are right.
        reading: counts the unusable ones.
        checker: says what is correct, where the records do not.
        omit: leave out records without an answer, which are wrong ones otherwise.
        unit: what the numbers count.

    Raises:
        RecordError: two places that say what is correct disagree; in strict mode, the first unusable record; or many records, all
            of them unusable.
    """
    reader = _Rollouts(file, layout, reading, checker, omit, unit)
    said, right = reading.verdicts.get(file, (0, 0))
    for numbers, rows in parts:
        batch = reader.batch(numbers, rows)
        if batch is not None:
            said, right = said + len(batch.correct), right + int(np.count_nonzero(batch.correct))
            yield batch
        reading.give_up_if_hopeless(file)
    if layout.verdicts.compare:
        reading.verdicts[file] = said, right
        always = f"{layout.names.correct} is {'always' if right else 'never'}{layout.verdicts.rule}"
        note = f"{always}: look at its values, and at --correct" if said > 1 and right in (0, said) else ""
        reading.note(note, file, about="verdicts")


@dataclass
class _Rollouts:
    """How the rollouts of a file are read; see :func:`rollout_batches`."""

    file: str
    layout: Layout
    reading: Reading
    checker: Checker | None
    omit: bool
    unit: str
    # Shortened names of the last prompts are remembered: those of a problem follow each other.
    shortened: Callable[[str], str] = field(default_factory=lambda: lru_cache(_PROMPTS)(problem_name))

    def place(self, number: int) -> str:
        return f"{self.file}: {self.unit} {number}"

    def batch(self, numbers: Sequence[int], rows: Sequence[Any]) -> RecordBatch | None:
        """Return the usable ones among some records, in columns."""
        numbers, rows = self._objects(numbers, rows)
        names = self.layout.names
        at = Place.of(names.correct)
        cells = _cells(rows, at) if self.checker is None else [self._checked(row) for row in rows]
        codes, problems = self._problems(_cells(rows, Place.of(names.problem)), numbers)
        labels = {name: (_cells(rows, place), place) for name, place in ((n, Place.of(key)) for n, key in names.labels.items())}
        others = {other: _cells(rows, Place.of(other)) for other in self.layout.same}
        if at.spreads:  # a list of rollouts in each record
            cells, counts = self._lists(cells, numbers)
            self._note_lengths(counts, {place.text: column for column, place in labels.values() if place.spreads})
            numbers, codes = _repeated(numbers, counts), np.repeat(codes, counts)
            labels = {name: (_spread(column, counts, place), place) for name, (column, place) in labels.items()}
        right, good = _verdicts(cells, self.layout)
        for other, column in others.items():
            self._compare(right, good, column, other, numbers)
        for i in np.flatnonzero(~good).tolist():
            place = self.place(numbers[i])
            self.reading.fault(place, cells[i] if isinstance(cells[i], Fault) else _fault(cells[i], names.correct, place))
        n = len(cells)
        if not n:
            return None
        batch = RecordBatch(
            ids=None,
            problems=(codes, problems),
            lengths=np.broadcast_to(np.int64(1), n),  # which takes no memory
            correct=right,
            stopped=np.broadcast_to(np.bool_(False), n),
            caps=np.broadcast_to(np.int64(1), n),
            labels={name: _coded(column) for name, (column, _) in labels.items()},
            numbers=np.broadcast_to(np.int64(0), n),  # nothing can be wrong with them from here on
            unit=self.unit,
        )
        return batch if good.all() else batch.keep(good)

    def _objects(self, numbers: Sequence[int], rows: Sequence[Any]) -> tuple[Sequence[int], Sequence[dict[str, Any]]]:
        """Return the records that are objects; the others are counted as unusable."""
        if not set(map(type, rows)) - {dict}:
            return numbers, rows
        for number, row in zip(numbers, rows, strict=True):
            if not isinstance(row, dict):
                fault = row if isinstance(row, Fault) else Fault("not-a-record", "", "is not an object: must hold one rollout")
                self.reading.fault(self.place(number), fault)
        good = [i for i, row in enumerate(rows) if isinstance(row, dict)]
        return [numbers[i] for i in good], [rows[i] for i in good]

    def _lists(self, cells: list[Any], numbers: Sequence[int]) -> tuple[list[Any], list[int]]:
        """Return the entries of all lists, and the length of each; one that is empty or none is unusable."""
        lists = [cell if isinstance(cell, list) else [] for cell in cells]
        for number, entries in zip(numbers, lists, strict=True):
            if not entries:
                rule = "is missing or empty: must be a list with an entry for each rollout"
                self.reading.fault(self.place(number), Fault("no-attempts", self.layout.names.correct, rule))
        return list(chain.from_iterable(lists)), list(map(len, lists))

    def _note_lengths(self, counts: Sequence[int], beside: Mapping[str, list[Any]]) -> None:
        """Say where a list has no entry for each rollout."""
        for key, column in beside.items():
            if any(isinstance(cell, list) and len(cell) != n for cell, n in zip(column, counts, strict=True) if n):
                correct = self.layout.names.correct
                self.reading.note(f"where {key} and {correct} differ in length, what {key} holds counts as not given", self.file)

    def _checked(self, row: dict[str, Any]) -> Any:
        """Return what the checker says about the answer of a record, or why it cannot say anything."""
        key = self.layout.names.answer
        answer = Place.of(key).get(row)
        assert self.checker is not None
        if isinstance(answer, (list, dict)):
            kind = "an object" if isinstance(answer, dict) else f"a list: name one of its entries, {key}[0]"
            return Fault("no-candidate", key, f"is {kind}")
        answer = answer_text(answer)
        given = bool(answer.strip())
        try:
            verdict = checked(self.checker, answer, row, key) if given else None
        except Fault as fault:
            return fault
        if verdict is None:
            if self.omit:
                why = "is not an attempt, says the checker" if given else "is missing or empty"
                return Fault("no-candidate", key, f"{why}: there is no answer")
            self.reading.unanswered += 1
            return False
        self.reading.checked.add(answer, verdict)
        return verdict

    def _compare(self, right: Bools, good: Bools, cells: list[Any], other: str, numbers: Sequence[int]) -> None:
        """Refuse two places that say different things about one rollout."""
        if len(cells) != len(right):
            return
        theirs, say = _verdicts(cells, self.layout)
        differ = np.flatnonzero(good & say & (theirs != right))
        if len(differ):
            i, one = int(differ[0]), self.layout.names.correct
            raise RecordError(
                f"{self.place(numbers[i])}: {one} says {'right' if right[i] else 'wrong'} and {other} says "
                f"{'right' if theirs[i] else 'wrong'}: choose which to believe, --field correct={one} or --field correct={other}"
            )

    def _problems(self, values: list[Any], numbers: Sequence[int]) -> tuple[Ints, list[str]]:
        """Return codes of the problems' names, and the names; a record that names no problem is one of its own."""
        if not set(map(type, values)) <= {str}:
            values = [self._problem(value) for value in values]
        names = {value: self._problem(value) for value in dict.fromkeys(values)}
        if None in names.values():
            texts = [names[value] or self.place(numbers[i]) for i, value in enumerate(values)]
            return np.arange(len(texts)), texts
        places = {value: code for code, value in enumerate(names)}
        return np.fromiter(map(places.__getitem__, values), dtype=np.int64, count=len(values)), list(names.values())  # type: ignore[arg-type]

    def _problem(self, value: Any) -> str | None:
        """Return the name of a problem, None where there is none."""
        if value is None or value == "":
            return None
        if isinstance(value, (list, dict)):
            value = compact(value)
        if isinstance(value, (int, float)):
            return text_or_none(value)
        if not isinstance(value, str):  # bytes, for example, which only a Parquet file has
            what = f"{self.file}: {self.layout.names.problem} holds {type(value).__name__}"
            raise RecordError(f"{what}, and names problems: must be text, a number or a list; convert it")
        return value if len(value) <= LONGEST_NAME and is_unicode(value) else self.shortened(value)


def _cells(rows: Sequence[dict[str, Any]], place: Place) -> list[Any]:
    """Return what each record has at a place, None where it has nothing."""
    if place.plain:
        return cells_of(rows, place.text)
    return [place.get(row) for row in rows]


def _verdicts(cells: list[Any], layout: Layout) -> tuple[Bools, Bools]:
    """Return which cells say right, and which say anything."""
    verdicts = layout.verdicts
    try:
        if not verdicts.compare and not verdicts.words and VERDICTS.issuperset(cells):
            return np.array(cells, dtype=bool), np.ones(len(cells), dtype=bool)
    except TypeError:
        pass
    found = [verdicts(cell) if not isinstance(cell, (Fault, list, dict)) else None for cell in cells]
    return np.array([bool(one) for one in found], dtype=bool), np.array([one is not None for one in found], dtype=bool)


def _fault(value: Any, key: str, place: str) -> Fault:
    if value is None or value != value:
        return Fault("correct", key, "is missing: must say right or wrong")
    if isinstance(value, (int, float)):
        raise RecordError(
            f"{key} is {shown(value)} in {place}, neither right nor wrong: say which values are right, --correct '{key}>=NUMBER'"
        )
    return Fault("correct", key, f"is {brief(value)}: must be true or false (or 1 or 0); --correct says what other values mean")


def _coded(cells: list[Any]) -> tuple[Ints, tuple[str, ...]]:
    """Return labels as codes and texts; what is not a label counts as not given."""
    try:
        return coded(cells)
    except (ValueError, TypeError):
        return coded([text_or_none(cell) for cell in cells])


def _repeated(values: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    return list(chain.from_iterable(map(repeat, values, counts)))


def _spread(cells: list[Any], counts: Sequence[int], place: Place) -> list[Any]:
    """Return a cell for each rollout: its own, if its record's cell is a list with one for each; none otherwise."""
    if not place.spreads:
        return _repeated(cells, counts)
    fits = [isinstance(cell, list) and len(cell) == n for cell, n in zip(cells, counts, strict=True)]
    return list(chain.from_iterable(cell if fit else [None] * n for cell, n, fit in zip(cells, counts, fits, strict=True)))

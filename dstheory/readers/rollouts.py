"""Records that are one attempt each, many at once: most logs of trainers and of evaluation harnesses are of this kind.

Nobody could try again, so each is an episode with a cap of one. A record may also hold lists with one entry for each rollout of
its problem. There are no ids; the rollouts of one problem are grouped by what names the problem, be it its whole prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain, repeat
from typing import Any

import numpy as np

from dstheory.errors import RecordError
from dstheory.readers.answers import Checker
from dstheory.readers.layouts import Layout
from dstheory.readers.messages import shown
from dstheory.readers.paths import Place
from dstheory.readers.reading import Part, Reading, RecordBatch, coded
from dstheory.readers.records import VERDICTS, Fault, label_text

_LONGEST_NAME = 80  # characters of a problem's name; of a longer prompt the beginning is kept, and a digest


def rollout_batches(
    parts: Iterable[Part], file: str, layout: Layout, reading: Reading, *, checker: Checker | None = None, unit: str = "line"
) -> Iterator[RecordBatch]:
    """Yield rollouts in columns.

    Args:
        parts: the records.
        file: how messages call their file.
        layout: where their parts stand, and which values are right.
        reading: counts the unusable ones.
        checker: says what is correct, where the records do not.
        unit: what the numbers count.

    Raises:
        RecordError: two places that say what is correct disagree; in strict mode, the first unusable record; or many records, all
            of them unusable.
    """
    said = 0  # records that say right or wrong
    right = 0
    names: dict[Any, str] = {}  # the last prompts, shortened: those of one problem mostly follow each other
    for numbers, rows in parts:
        if set(map(type, rows)) - {dict}:
            good = [i for i, row in enumerate(rows) if isinstance(row, dict)]
            for number, row in zip(numbers, rows, strict=True):
                if not isinstance(row, dict):
                    fault = row if isinstance(row, Fault) else Fault("not-a-record", "", "is no object: must hold one rollout")
                    reading.fault(f"{file}: {unit} {number}", fault)
            numbers, rows = [numbers[i] for i in good], [rows[i] for i in good]
        if rows:
            for batch in _batch(numbers, rows, file, layout, reading, checker, unit, names):
                said, right = said + len(batch.correct), right + int(np.count_nonzero(batch.correct))
                yield batch
        reading.give_up_if_hopeless(file)


    if layout.verdicts.compare and said > 1 and right in (0, said):
        how = "always" if right else "never"
        reading.note(f"{layout.names.correct} is {how}{layout.verdicts.rule}: look at its values, and at --correct")


def _batch(
    numbers: Sequence[int],
    rows: Sequence[dict[str, Any]],
    file: str,
    layout: Layout,
    reading: Reading,
    checker: Checker | None,
    unit: str,
    known: dict[Any, str],
) -> Iterator[RecordBatch]:
    names = layout.names
    at = Place.of(names.correct)
    if checker is not None:
        cells = [_checked(row, layout, checker) for row in rows]
    else:
        cells = _cells(rows, at)
    counts = None
    if at.spreads:
        lists = [cell if isinstance(cell, list) else [] for cell in cells]
        for number, entries in zip(numbers, lists, strict=True):
            if not entries:
                reading.fault(
                    f"{file}: {unit} {number}", Fault("no-attempts", names.correct, "is missing or empty: must be a list")
                )
        counts, cells = list(map(len, lists)), list(chain.from_iterable(lists))
    right, good = _verdicts(cells, layout)
    places = numbers if counts is None else _repeated(numbers, counts)
    for other in layout.same if checker is None else ():
        _compare(right, good, _cells(rows, Place.of(other)), layout, other, file, unit, places)
    values = _cells(rows, Place.of(names.problem))
    problems = [_problem(value, known) or f"{file}: {unit} {numbers[i]}" for i, value in enumerate(values)]
    labels = {}
    for name, key in names.labels.items():
        label = Place.of(key)
        texts = _cells(rows, label)
        if counts is not None:
            texts = _spread(texts, counts, label)
        try:
            labels[name] = coded(texts)
        except (ValueError, TypeError):
            labels[name] = coded([_label(text) for text in texts])
    for i in np.flatnonzero(~good).tolist():
        place = f"{file}: {unit} {places[i]}"
        reading.fault(place, cells[i] if isinstance(cells[i], Fault) else _fault(cells[i], names.correct, place))
    n = len(cells)
    batch = RecordBatch(
        ids=None,
        problems=problems if counts is None else _repeated(problems, counts),
        lengths=np.broadcast_to(np.int64(1), n),  # which takes no memory
        correct=right,
        stopped=np.broadcast_to(np.bool_(False), n),
        caps=np.broadcast_to(np.int64(1), n),
        labels=labels,
        numbers=np.broadcast_to(np.int64(0), n),  # nothing can be wrong with them from here on
        unit=unit,
    )
    if n:
        yield batch if good.all() else batch.keep(good)


def _cells(rows: Sequence[dict[str, Any]], place: Place) -> list[Any]:
    if place.plain:
        return [row.get(place.text) for row in rows]
    return [place.get(row) for row in rows]


def _verdicts(cells: list[Any], layout: Layout) -> tuple[Any, Any]:
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
    what = shown(value) if isinstance(value, (str, int, float)) else "a list" if isinstance(value, list) else "an object"
    return Fault("correct", key, f"is {what}: must be true or false (or 1 or 0); --correct says what other values mean")


def _compare(
    right: Any, good: Any, cells: list[Any], layout: Layout, other: str, file: str, unit: str, places: Sequence[int]
) -> None:
    if len(cells) != len(right):
        return
    theirs, say = _verdicts(cells, layout)
    differ = np.flatnonzero(good & say & (theirs != right))
    if len(differ):
        i, one = int(differ[0]), layout.names.correct
        raise RecordError(
            f"{file}: {unit} {places[i]}: {one} says {'right' if right[i] else 'wrong'} and {other} says "
            f"{'right' if theirs[i] else 'wrong'}: choose which to believe, --field correct={one} or --field correct={other}"
        )


def _problem(value: Any, known: dict[Any, str]) -> str | None:
    """Return the name of a problem: the value itself, a long prompt shortened."""
    if value is None or value == "":
        return None
    if isinstance(value, (list, dict)):
        value = json.dumps(value, separators=(",", ":"), default=str)
    if not isinstance(value, str):
        try:
            return label_text(value)
        except ValueError:  # NaN, which a column of numbers has where there is none
            return None
    if len(value) <= _LONGEST_NAME:
        return value
    name = known.get(value)
    if name is None:
        if len(known) > 64:
            known.clear()
        digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        name = known[value] = f"{value[: _LONGEST_NAME - 30]}... {digest}".encode("utf-8", "replace").decode()
    return name


def _label(value: Any) -> str | None:
    try:
        return None if value is None else label_text(value)
    except ValueError:
        return None


def _checked(row: dict[str, Any], layout: Layout, checker: Checker) -> Any:
    """Return what the checker says about the answer of a record, or why it cannot say anything."""
    key = layout.names.answer
    answer = Place.of(key).get(row)
    if not isinstance(answer, str) or not answer.strip():
        return False  # no answer is no right one
    try:
        verdict = checker(answer, row)
    except Fault as fault:
        return fault
    except Exception as error:
        return Fault("checker", key, f"makes the checker fail ({type(error).__name__}: {str(error)[:80]})")
    return bool(verdict)


def _repeated(values: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    return list(chain.from_iterable(map(repeat, values, counts)))


def _spread(cells: list[Any], counts: Sequence[int], place: Place) -> list[Any]:
    """Return a cell for each rollout: its own, if the cells are lists of the same lengths."""
    if place.spreads and all(isinstance(cell, list) and len(cell) == n for cell, n in zip(cells, counts, strict=True)):
        return list(chain.from_iterable(cells))
    return _repeated([None if place.spreads else cell for cell in cells], counts)

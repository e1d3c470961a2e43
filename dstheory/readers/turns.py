"""Answers given in turn with no decision of the model's between them: drafts and final answers, or fixed numbers of turns.

Such a record says which answers are right, and nothing about stopping. It is read like a record with marked attempts whose
decisions are all missing, and marked: nobody decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dstheory.readers.answers import Checker, answer_text, checked
from dstheory.readers.batches import RecordBatch
from dstheory.readers.paths import Place, getter
from dstheory.readers.reading import Reading
from dstheory.readers.records import DECIDED_BY, NOBODY, Fault, FieldNames, Records, Verdicts, kind_of_word

_MOST_KNOWN = 1000  # values for decisions that are remembered: a log has a handful
FIXED_NOTE = (
    "no record says what was decided after an answer, so it is taken that nobody decided: there is neither a nor b; what "
    "follows right and wrong answers is measured. If the model decided, give --decided-by model"
)


@dataclass
class Turns:
    """Where the answers of a record stand that were given in turn.

    Attributes:
        places: of what says whether each is right, or (with a checker) of the answers; a place in a list has several.
        final: what says whether the last one is right, where a checker says it of the others.
    """

    places: tuple[str, ...]
    final: str = ""
    disagreed: int = field(default=0, compare=False)
    compared: int = field(default=0, compare=False)

    def attempts(self, row: Mapping[str, Any], key: str, verdicts: Verdicts, checker: Checker | None) -> list[dict[str, Any]]:
        """Return the attempts of a record, each with what says whether it is right.

        Raises:
            Fault: the checker has nothing to check against, or fails.
        """
        values: list[tuple[str, Any]] = []
        for place in map(Place.of, self.places):
            found = place.get(row)
            values += [(place.text, one) for one in (found if place.spreads and isinstance(found, list) else [found])]
        if checker is None:
            return [{key: value if (verdict := verdicts(value)) is None else verdict} for _, value in values]
        last = verdicts(Place.of(self.final).get(row)) if self.final else None
        said: list[bool | None] = []
        for i, (at, value) in enumerate(values, start=1):
            try:
                said.append(_checked(checker, value, row, at))
            except Fault as fault:
                if fault.reason != "unclear" or last is None or i < len(values):
                    fault.attempts = len(values)
                    raise
                said.append(None)  # the log says it
        if last is not None and said:
            if said[-1] is not None:
                self.compared, self.disagreed = self.compared + 1, self.disagreed + (said[-1] != last)
            said[-1] = last
        return [{key: verdict} for verdict in said]

    def note(self, reading: Reading, file: str) -> None:
        """Say where checker and log disagree about last answers."""
        if self.disagreed:
            reading.note(
                f"of {self.compared:,} last answers the checker and {self.final} disagree about {self.disagreed:,}: last answers "
                f"count by {self.final} and those before by the checker, so what looks revised may be a difference of the two",
                file,
                about="disagreement",
            )


def _checked(checker: Checker, answer: Any, row: Mapping[str, Any], place: str) -> bool:
    text = answer_text(answer)
    return bool(text.strip() and checked(checker, text, row, place))  # no answer is no right one


def without_decisions(records: Iterable[Any], names: FieldNames) -> bool:
    """Return whether some of these records have several attempts, and none says what was decided after any of them.

    >>> without_decisions([{"attempts": [{"correct": True}, {"correct": False}]}], FieldNames())
    True
    """
    several, within, decision = False, Place.of(names.attempts), Place.of(names.decision)
    for record in records:
        attempts = within.get(record)
        for attempt in attempts if isinstance(attempts, list) else ():
            if not isinstance(attempt, dict) or decision.get(attempt) is not None:
                return False
        several |= isinstance(attempts, list) and len(attempts) > 1
    return several


def telling(parts: Iterable[Records], names: FieldNames) -> list[Any]:
    """Return the records that show what none before them does of what decides how all are read, whatever their order.

    That is: several attempts, a decision, a word for one. Nothing after a "resample" and a "stop" decides any more: there are
    decisions, in this package's own words.

    >>> rows = [{"attempts": [{"correct": True, "decision": word}]} for word in ("stop", "stop", "continue")]
    >>> [row["attempts"][0]["decision"] for row in telling([(range(3), rows)], FieldNames())]
    ['stop', 'continue']
    """
    within, decision = getter(names.attempts), getter(names.decision)
    seen: set[str] = set()
    known: set[Any] = {None}  # values of which it is known what they show; most records show nothing else
    out = []
    for _, rows in parts:
        for row in rows:
            attempts = within(row)
            if not isinstance(attempts, list):
                continue
            values = list(map(decision, attempts))
            with suppress(TypeError):  # a value that is a list or an object
                if known.issuperset(values) and (len(values) < 2 or "(several)" in seen):
                    continue
            words = {kind_of_word(found) for found in values if found is not None}
            if new := (words | ({"(several)"} if len(attempts) > 1 else set())) - seen:
                seen |= new
                out.append(row)
            if len(known) < _MOST_KNOWN:
                known |= {value for value in values if isinstance(value, (str, int, float))}
            if seen.issuperset(("resample", "stop")):
                return out
    return out


def fill_decisions(row: Any, names: FieldNames, who: str) -> None:
    """Write down that a record without decisions went on to its last attempt.

    Where nobody decided, that was the last there could be; else whoever decided stopped there, if it was not at the cap.

    Args:
        row: the record, which is changed.
        names: where its parts stand.
        who: who decided, if the record does not say it.
    """
    attempts = row.get(names.attempts) if isinstance(row, dict) else None
    if not isinstance(attempts, list) or len(attempts) < 2:
        return
    if not all(isinstance(attempt, dict) and attempt.get(names.decision) is None for attempt in attempts):
        return
    for attempt in attempts[:-1]:
        attempt[names.decision] = "resample"
    if (row.get(names.decided_by) or who) != NOBODY:
        if row.get(names.cap) != len(attempts):
            attempts[-1][names.decision] = "stop"
    elif row.get(names.cap) is None:
        row[names.cap] = len(attempts)


def decided(batches: Iterable[RecordBatch], who: str) -> Iterator[RecordBatch]:
    """Yield batches with a label that says who decided; records that say it themselves keep their own."""
    for batch in batches:
        codes, texts = batch.labels.get(DECIDED_BY, (np.broadcast_to(np.int32(-1), len(batch.lengths)), ()))
        if who and (codes < 0).any():
            texts = (*texts, *({who} - set(texts)))
            batch.labels = {**batch.labels, DECIDED_BY: (np.where(codes < 0, np.int32(texts.index(who)), codes), texts)}
        yield batch

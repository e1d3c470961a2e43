"""Rows of attempts put together to records, and every rule checked over all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dstheory.anatomy.records.cells import (
    NONE,
    RESAMPLE,
    STOP,
    UNKNOWN,
    cap_values,
    cell_text,
    codes_of,
    decision_codes,
    row_order,
    verdicts,
)
from dstheory.anatomy.records.fields import FieldNames
from dstheory.anatomy.records.gather import Batch, Gatherer
from dstheory.anatomy.records.reading import Place
from dstheory.anatomy.records.rules import Fault
from dstheory.checks import Bools, Ints
from dstheory.errors import RecordError
from dstheory.readers.messages import nearest

__all__ = ["read_rows"]


def read_rows(
    columns: dict[str, Any],
    present: Sequence[str],
    file: str,
    names: FieldNames,
    gatherer: Gatherer,
    *,
    first: int,
    kind: str,
) -> None:
    """Read a table with one row per attempt into a gatherer.

    Args:
        columns: the columns that matter, Arrow arrays by name.
        present: names of all columns of the table, for messages.
        file: how messages call the table.
        names: which column holds what.
        gatherer: where records go.
        first: number of the first row.
        kind: what rows are called in messages.

    Raises:
        RecordError: a column is missing or there twice; or, in strict mode, the first unusable record.
    """
    for what, needed in (("id", names.id), ("correct", names.correct)):
        if needed not in columns:
            hint = nearest(needed, present)
            if not hint.startswith("did you mean"):
                hint = f"it has {', '.join(present[:8])}; if one of them is it, say so with --field {what}=NAME"
            rule = "needs one row per attempt with id, correct and decision"
            raise RecordError(f"{file} has no column {needed!r}: {rule}; {hint}")
    if len(columns[names.id]):
        table = _Table(columns, names)
        table.check()
        if names.decision not in columns:
            gatherer.reading.note(
                f"{file} has no column {names.decision!r}: a record's last attempt is taken for a stop unless it is at the cap"
            )
        for row, fault in sorted(table.faults.values(), key=lambda found: found[0]):
            gatherer.reading.fault(Place(file, row + first, kind), fault)
        batch = table.batch(first)
        gatherer.add(batch if table.good.all() else batch.keep(table.good), file, kind=kind)


class _Table:
    """Rows sorted by record and round: n records, m rows.

    ``order`` (m,) is where each sorted row was, ``record`` (m,) its record, ``head`` (n,) the first row of a record as given.
    """

    def __init__(self, columns: dict[str, Any], names: FieldNames) -> None:
        self.columns, self.names = columns, names
        heads = {"id": names.id, "problem": names.problem, **names.labels}
        self.heads = {what: key for what, key in heads.items() if key in columns}
        self.codes = {what: codes_of(columns[key]) for what, key in self.heads.items()}
        record, self.head = self._records()
        self.order = row_order(record, columns.get(names.round))
        self.record = record[self.order]
        self.lengths: Ints = np.bincount(self.record)
        self.last = np.cumsum(self.lengths) - 1
        self.is_last = np.zeros(len(record), dtype=bool)
        self.is_last[self.last] = True
        correct, sound = verdicts(columns[names.correct])
        self.correct, self.sound = correct[self.order], sound[self.order]
        caps, caps_good = cap_values(columns.get(names.cap), len(record))
        self.caps, self.caps_good = caps[self.head], caps_good[self.head]
        if names.decision in columns:
            self.decisions = decision_codes(columns[names.decision], len(record))[self.order]
        else:  # what follows says it
            self.decisions = np.where(self.is_last, STOP, RESAMPLE)
        self.faults: dict[int, tuple[int, Fault]] = {}  # record -> row as given, and what is wrong there

    @property
    def good(self) -> Bools:
        good = np.ones(len(self.head), dtype=bool)
        good[list(self.faults)] = False
        return good

    def _records(self) -> tuple[Ints, Ints]:
        """Return the record of each row, numbered in the order of their first rows, and those first rows."""
        ids, _ = self.codes["id"]
        models = self.codes["model"][0] if "model" in self.codes else np.full(len(ids), -1)
        # A row without an id is a record of its own, and unusable.
        key = np.where(ids >= 0, (ids + 1) * (models.max() + 2) + models + 1, -1 - np.arange(len(ids)))
        _, first, record = np.unique(key, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return rank[record], np.sort(first)

    def check(self) -> None:
        """Find the first rule that each record breaks."""
        names, columns, lengths, caps = self.names, self.columns, self.lengths, self.caps

        def cell(key: str, row: int) -> str:
            return cell_text(columns[key], int(self.order[row]))

        no_id = self.codes["id"][0][self.head] < 0
        self._records_at(no_id, lambda i: Fault("id", names.id, "is missing: must name the record"))
        self._rows_at(~self.sound, "correct", names.correct, lambda r: (
            f"is {cell(names.correct, r)}: must be true or false (or 1 or 0)"))  # fmt: skip
        self._rows_at(self.decisions == UNKNOWN, "decision", names.decision, lambda r: (
            f"is {cell(names.decision, r)}: must be stop or resample (or submit at the cap)"))  # fmt: skip
        self._rows_at(~self.is_last & (self.decisions == NONE), "decision", names.decision, lambda r: (
            "is missing: only the last attempt may have none"))  # fmt: skip
        self._rows_at(~self.is_last & (self.decisions != RESAMPLE), "after-stop", names.decision, lambda r: (
            f"is {cell(names.decision, r)} but more rows follow: only the last attempt may end the record"))  # fmt: skip
        for what, key in self.heads.items():
            codes = self.codes[what][0]
            other = codes[self.order] != codes[self.head][self.record]
            self._rows_at(other, "varies", key, lambda r, key=key: (
                f"is {cell(key, r)}, unlike in the record's first row: must be the same in all its rows"))  # type: ignore[misc] # fmt: skip
        self._records_at(~self.caps_good, lambda i: Fault(
            "cap", names.cap, f"is {cell_text(columns[names.cap], int(self.head[i]))}: must be a whole number >= 1, or empty for "
            "none"))  # fmt: skip
        self._records_at((caps > 0) & (lengths > caps), lambda i: Fault(
            "over-cap", names.attempts, f"has {int(lengths[i])} entries: must be at most the cap, {int(caps[i])}"))  # fmt: skip

    def _records_at(self, bad: Bools, fault: Callable[[int], Fault]) -> None:
        for i in np.flatnonzero(bad).tolist():
            if i not in self.faults:
                self.faults[i] = int(self.head[i]), fault(i)

    def _rows_at(self, bad: Bools, reason: str, field: str, say: Callable[[int], str]) -> None:
        for row in np.flatnonzero(bad).tolist():
            i = int(self.record[row])
            if i not in self.faults:
                self.faults[i] = int(self.order[row]), Fault(reason, field, say(row))

    def batch(self, first: int) -> Batch:
        """Return all records, the unusable ones too."""
        codes, n = self.codes, len(self.head)

        def texts(what: str) -> list[str]:
            column, words = codes[what]
            return [words[c] if c >= 0 else "" for c in column[self.head].tolist()]

        ids = texts("id")
        missing = np.full(n, -1, dtype=np.int32)
        return Batch(
            ids=ids,
            problems=[p or i for p, i in zip(texts("problem"), ids, strict=True)] if "problem" in codes else None,
            lengths=self.lengths,
            correct=self.correct,
            stopped=self.decisions[self.last] == STOP,
            caps=self.caps,
            labels={
                name: (codes[name][0][self.head].astype(np.int32), codes[name][1]) if name in codes else (missing, ())
                for name in self.names.labels
            },
            numbers=self.head + first,
        )

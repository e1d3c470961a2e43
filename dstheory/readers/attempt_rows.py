"""Tables with one row per attempt put together to records, and every rule checked over all rows at once.

Columns: ``id``, ``correct``, ``decision`` (may be left out, or empty after the last attempt), and if there are any ``problem``,
``task``, ``difficulty``, ``model``, ``decided_by``, ``cap``, and ``round``, the order of an attempt within its record (default:
the order of the rows). The rows of one record need not be neighbours; a record is one id of one model. Where several rows have
one id, a column of decisions, rounds or caps must be there: without one nothing says that they are attempts of one episode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dstheory.checks import Bools, Floats, Ints
from dstheory.errors import RecordError
from dstheory.readers.batches import RecordBatch, texts_of
from dstheory.readers.reading import Reading
from dstheory.readers.records import (
    NOBODY,
    Fault,
    FieldNames,
    Records,
    Verdicts,
    assumed_decisions,
    assumption,
    compact,
    decision_word,
    text_or_none,
    which_decision,
)
from dstheory.readers.streams import check_utf8, first_bytes
from dstheory.readers.tables import (
    NO_VALUE,
    ArrowTable,
    asked_of,
    column_of,
    csv_header,
    delimiter_of,
    explained,
    in_words,
    read_csv,
    read_parquet,
    rows_of,
)
from dstheory.readers.turns import FIXED_NOTE, decided
from dstheory.texts import brief, nearest, printable, shown

RESAMPLE, STOP, SUBMIT, NONE, UNKNOWN = 0, 1, 2, 3, -1
_DECISIONS = {"resample": RESAMPLE, "stop": STOP, "submit": SUBMIT}


def wanted_columns(names: FieldNames) -> set[str]:
    """Return the names of the columns that matter."""
    return {names.id, names.problem, names.cap, names.correct, names.decision, names.round, *names.labels.values()}


def read_attempts(path: Path, names: FieldNames, question: str = "") -> ArrowTable:
    """Read the columns that matter of a CSV, TSV or Parquet file, packed or not.

    Args:
        path: the file.
        names: the log's field names.
        question: the column that shows what is asked, if there is one.

    Raises:
        FileFormatError: the file cannot be read as a table.
    """
    wanted = wanted_columns(names) | {question}
    parquet = first_bytes(path)[:4] == b"PAR1"
    with explained(path, text=not parquet):
        if parquet:
            table = read_parquet(path, wanted)
            table.columns = {name: in_words(column) for name, column in table.columns.items()}
            return table
        delimiter = delimiter_of(path)
        present = csv_header(path, str(path), delimiter)
        asked = asked_of(present, wanted, path)
        # Identifiers and labels stay as written ("007"), each text once; of other columns Arrow finds the types.
        written = (names.id, names.problem, *names.labels.values(), question)
        texts = dict.fromkeys(written, pa.dictionary(pa.int32(), pa.string()))
        table = read_csv(path, delimiter=delimiter, strings_can_be_null=True, null_values=NO_VALUE, column_types=texts,
                         include_columns=asked or present)  # fmt: skip
        if any(pa.types.is_binary(column.type) for column in table.columns.values()):
            check_utf8(path, str(path))
        table.present = present
    return table


def asked_in(table: ArrowTable, names: FieldNames, question: str, *, alone: bool) -> Records:
    """Return the rows in which a problem first asks something, with the columns that name it and show what it asks.

    Args:
        table: the rows.
        names: which column holds what.
        question: the column that shows what is asked.
        alone: whether an id is no name of a problem.
    """
    named = table.columns.get(names.problem)
    by_id = not alone and (named is None or named.null_count > 0)
    naming = (names.problem, names.id) if by_id else (names.problem,)
    held = {name: table.columns[name] for name in (*naming, question) if name in table.columns}
    together = np.zeros(len(table.columns[question]), dtype=np.int64)
    for column in held.values():
        if pa.types.is_nested(column.type) or isinstance(column.type, pa.BaseExtensionType):
            column = pa.chunked_array([pa.array(list(map(compact, column.to_pylist())), pa.string())])
        codes, _ = _codes(column)
        _, together = np.unique(together * (codes.max(initial=0) + 2) + codes + 1, return_inverse=True)
    rows = np.sort(np.unique(together, return_index=True)[1])
    return rows.tolist(), [row for batch in pa.table(held).take(pa.array(rows)).to_batches() for row in rows_of(batch)]


def table_of_rows(parts: Iterable[Records], names: FieldNames, unit: str, file: str, reading: Reading) -> ArrowTable:
    """Return records that are one attempt each as a table.

    Args:
        parts: the records.
        names: which key holds what.
        unit: what their numbers count.
        file: how messages call the file.
        reading: counts the records that are not objects.
    """
    numbers: list[int] = []
    present: dict[str, None] = {}
    cells: dict[str, list[Any]] = {name: [] for name in wanted_columns(names)}
    for places, rows in parts:
        for number, row in zip(places, rows, strict=True):
            if not isinstance(row, dict):
                fault = row if isinstance(row, Fault) else Fault("not-a-record", "", "is not an object: must hold one attempt")
                reading.fault(f"{file}: {unit} {number}", fault)
                continue
            numbers.append(number)
            present |= dict.fromkeys(row)
            for name, column in cells.items():
                column.append(row.get(name))
    columns = {name: column_of(column) for name, column in cells.items() if name in present}
    rows_at = None if unit == "row" else lambda: iter(numbers)
    return ArrowTable(columns, list(present), rows_at)


def batch_of(
    table: ArrowTable,
    file: str,
    names: FieldNames,
    reading: Reading,
    decisions: Mapping[str, str] | None = None,
    *,
    decided_by: str = "",
) -> RecordBatch | None:
    """Return the usable records of a table, in the order of their first rows; None if it has no rows.

    Args:
        table: the rows.
        file: how messages call it.
        names: which column holds what.
        reading: counts the unusable ones.
        decisions: what decisions are called, where they are called otherwise.
        decided_by: who decided whether to go on, if that is known. Without it and without a column of decisions, nobody is taken
            to have decided where all records have the same number of attempts, two or more.

    Raises:
        RecordError: a column is missing; or, in strict mode, the first unusable record.
    """
    given = wanted_columns(names) & set(table.columns)
    columns = {name: _plain(table.columns[name], name, file, name == names.problem) for name in given}
    for what, needed in (("id", names.id), ("correct", names.correct)):
        if needed not in columns:
            hint = nearest(needed, table.present)
            if hint.startswith("did you mean"):
                hint += f" Say so with --field {what}=NAME"
            else:
                known = (column if len(column) <= 40 else shown(column) for column in table.present[:8])
                hint = f"it has {', '.join(known)}; if one of them is it, say so with --field {what}=NAME"
            rule = "needs one row per attempt with id, correct and decision"
            raise RecordError(f"{file} has no column {needed!r}: {rule}; {hint}")
    if not len(columns[names.id]):
        return None
    if not decisions and names.decision in columns:
        decisions = assumed_decisions(columns[names.decision].unique().to_pylist())
        if decisions:
            sentence = printable(f"one attempt of an episode per row; {assumption(decisions)}")
            reading.read_as[sentence] = reading.read_as.get(sentence, 0) + 1
    rows = _AttemptRows(columns, names, file, decisions or {}, decided_by)
    if len(rows.head) < len(columns[names.id]) and not {names.decision, names.round, names.cap} & set(columns):
        i = int(np.argmax(rows.lengths > 1))
        same = shown(rows.codes["id"][1][rows.codes["id"][0][rows.head[i]]])
        raise RecordError(
            f"{file}: {rows.lengths[i]} rows have the {names.id} {same}, and nothing says that they are attempts of one episode: "
            f"if they are rollouts of one problem, read them with --reader rollouts --field problem={names.id}; if they are "
            "successive attempts, name the column of decisions or of rounds, --field decision=NAME or --field round=NAME"
        )
    rows.check()
    if rows.undecided:
        if not decided_by:
            reading.note(FIXED_NOTE, file)
    elif names.decision not in columns:
        reading.note(
            f"there is no column {names.decision!r}: a record's last attempt counts as a stop unless it is at the cap", file
        )
    for record, (row, fault) in sorted(rows.faults.items(), key=lambda found: found[1][0]):
        fault.attempts = int(rows.lengths[record])
        reading.fault(f"{file}: {table.unit} {table.numbers[row]}", fault)
    batch = rows.batch()
    batch.unit, batch.table = table.unit, table
    batch = batch if not rows.faults else batch.keep(rows.good)
    return next(decided([batch], NOBODY if rows.undecided else ""))


class _AttemptRows:
    """Rows sorted by record and round: n records, m rows.

    ``order`` (m,) is where each sorted row was, ``record`` (m,) its record, ``head`` (n,) the first row of a record as given.
    """

    def __init__(
        self, columns: dict[str, Any], names: FieldNames, file: str, decisions: Mapping[str, str], decided_by: str
    ) -> None:
        self.columns, self.names = columns, names
        heads = {"id": names.id, "problem": names.problem, **names.labels}
        self.heads = {what: key for what, key in heads.items() if key in columns}
        self.codes = {what: _codes(columns[key]) for what, key in self.heads.items()}
        record, self.head = self._records()
        turn = _turns(columns.get(names.round), file)
        self.order = np.argsort(record, kind="stable") if turn is None else np.lexsort((np.arange(len(record)), turn, record))
        self.turn = None if turn is None else turn[self.order]
        self.record = record[self.order]
        self.lengths: Ints = np.bincount(self.record)
        self.last = np.cumsum(self.lengths) - 1
        self.is_last = np.zeros(len(record), dtype=bool)
        self.is_last[self.last] = True
        correct, sound = _verdicts(columns[names.correct])
        self.correct, self.sound = correct[self.order], sound[self.order]
        self.caps, self.caps_good = _caps(columns.get(names.cap), self.head)
        self.undecided = False
        if names.decision in columns:
            codes, texts = _codes(columns[names.decision])
            self.decisions = np.array([*(_DECISIONS.get(decision_word(text, decisions), UNKNOWN) for text in texts), NONE])[
                codes
            ][self.order]
        else:  # what follows says it
            same = len(self.lengths) > 1 and self.lengths.min() == self.lengths.max() > 1
            self.undecided = decided_by == NOBODY or (same and not decided_by)
            self.decisions = np.where(self.is_last, NONE if self.undecided else STOP, RESAMPLE)
            if self.undecided:
                self.caps = np.where(self.caps > 0, self.caps, self.lengths)
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
        names, lengths, caps = self.names, self.lengths, self.caps

        def raw(key: str, row: int) -> Any:
            return self.columns[key][int(self.order[row])].as_py()

        def cell(key: str, row: int) -> str:
            value = raw(key, row)
            return "empty" if value is None else brief(value) if isinstance(value, (str, int, float)) else repr(value)

        go_on, key = ~self.is_last, names.decision
        no_id = (self.codes["id"][0][self.head] < 0)[self.record]
        self._rows_at(no_id, "id", names.id, lambda r: "is missing: must name the record")
        self._rows_at(~self.sound, "correct", names.correct, lambda r: (
            f"is {cell(names.correct, r)}: must be true or false (or 1 or 0)"))  # fmt: skip
        self._rows_at(self.decisions == UNKNOWN, "decision", key, lambda r: (
            f"is {cell(key, r)}: must be stop or resample (or submit at the cap){which_decision(raw(key, r))}"))  # fmt: skip
        self._rows_at(go_on & (self.decisions == NONE), "decision", key, lambda r: (
            "is missing: only the last attempt may have none"))  # fmt: skip
        self._rows_at(go_on & (self.decisions != RESAMPLE), "after-stop", key, lambda r: (
            f"is {cell(key, r)} but more rows follow: only the last attempt may end the record"))  # fmt: skip
        for what, head in self.heads.items():
            codes = self.codes[what][0]
            other = codes[self.order] != codes[self.head][self.record]
            self._rows_at(other, "varies", head, lambda r, head=head: (
                f"is {cell(head, r)}, unlike in the record's first row: must be the same in all its rows"))  # type: ignore[misc] # fmt: skip
        first = np.isin(self.order, self.head)  # of each record, the row that was given first
        self._rows_at(first & ~self.caps_good[self.record], "cap", names.cap, lambda r: (
            f"is {cell(names.cap, r)}: must be a whole number >= 1, or empty for none"))  # fmt: skip
        if self.turn is not None:
            again = np.zeros(len(self.record), dtype=bool)
            again[1:] = (self.turn[1:] == self.turn[:-1]) & (self.record[1:] == self.record[:-1])
            self._rows_at(again, "round", names.round, lambda r: (
                f"is {cell(names.round, r)} in two rows of one record: must count its attempts; rollouts of one problem are no "
                f"attempts of one episode (--reader rollouts --field problem={names.id})"))  # fmt: skip
        over = ((caps > 0) & (lengths > caps))[self.record]
        self._rows_at(first & over, "over-cap", names.attempts, lambda r: (
            f"has {lengths[self.record[r]]} entries: must be at most the cap, {caps[self.record[r]]}"))  # fmt: skip

    def _rows_at(self, bad: Bools, reason: str, field: str, say: Callable[[int], str]) -> None:
        for row in np.flatnonzero(bad).tolist():
            i = int(self.record[row])
            if i not in self.faults:
                self.faults[i] = int(self.order[row]), Fault(reason, field, say(row))

    def batch(self) -> RecordBatch:
        """Return all records, the unusable ones too."""
        codes, n = self.codes, len(self.head)

        def texts(what: str) -> list[str]:
            table = [*codes[what][1], ""]
            return [table[code] for code in codes[what][0][self.head].tolist()]

        ids = texts("id")
        problems = [p or i for p, i in zip(texts("problem"), ids, strict=True)] if "problem" in codes else ids
        missing = np.full(n, -1, dtype=np.int32)
        return RecordBatch(
            ids=ids,
            problems=(np.arange(n), problems),
            lengths=self.lengths,
            correct=self.correct,
            stopped=self.decisions[self.last] == STOP,
            caps=self.caps,
            labels={
                name: (codes[name][0][self.head].astype(np.int32), codes[name][1]) if name in codes else (missing, ())
                for name in self.names.labels
            },
            numbers=self.head,
        )


# ---------------------------------------------------------------------- what cells mean


def _plain(column: Any, name: str, file: str, lists: bool) -> Any:
    """Return a column whose cells are plain values; with ``lists``, those of a game's numbers become text."""
    kind = column.type
    if lists and (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        texts = [None if value is None else compact(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    of_a_library = isinstance(kind, pa.BaseExtensionType)  # such as pandas' intervals
    if of_a_library or pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise RecordError(f"{file}: column {name!r} has the type {kind}: must hold text, numbers, or true and false")
    return column


def _codes(column: Any) -> tuple[Ints, list[str]]:
    """Return (n,) codes, -1 for empty cells and those that are not label, and the text of each code."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = encoded.unify_dictionaries().combine_chunks()
    encoded = encoded.chunk(0) if hasattr(encoded, "chunk") else encoded
    codes = np.asarray(encoded.indices.fill_null(-1), dtype=np.int64)
    values = encoded.dictionary.to_pylist()
    try:
        texts = texts_of(values)
    except ValueError:
        texts = [text_or_none(value) or "" for value in values]
    empty = np.array([not text for text in texts] + [True])
    return np.where(empty[codes], -1, codes), texts


def _turns(rounds: Any, file: str) -> Floats | None:
    """Return (m,) the rounds as numbers, infinity for none."""
    if rounds is None:
        return None
    try:
        return np.asarray(rounds.cast(pa.float64()).fill_null(np.inf), dtype=np.float64)
    except pa.ArrowException as error:
        raise RecordError(
            f"{file}: the column of rounds cannot be read as numbers ({str(error).splitlines()[0][:80]}): number them"
        ) from error


def _verdicts(column: Any) -> tuple[Bools, Bools]:
    """Return correctness and which cells have one."""
    codes, texts = _codes(column)
    said = [*map(Verdicts(), texts), None]
    return np.array([bool(one) for one in said])[codes], np.array([one is not None for one in said])[codes]


def _caps(column: Any, head: Ints) -> tuple[Ints, Bools]:
    """Return (n,) caps of records, 0 for none, and which of them are a whole number >= 1 or empty."""
    if column is None:
        return np.zeros(len(head), dtype=np.int64), np.ones(len(head), dtype=bool)
    codes, texts = _codes(column)
    values = [int(text) if text.isascii() and text.isdigit() and 1 <= len(text) <= 18 else 0 for text in texts]
    table = np.array([*values, 0], dtype=np.int64)
    good = np.array([*(value >= 1 for value in values), True])
    return table[codes[head]], good[codes[head]]

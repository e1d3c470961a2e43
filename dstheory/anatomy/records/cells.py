"""Cells of a table's columns as codes: what each text or number of a cell means for a record."""

from __future__ import annotations

from typing import Any

import numpy as np

from dstheory.anatomy.records.rules import label_text
from dstheory.checks import Bools, Ints
from dstheory.errors import RecordError
from dstheory.readers.messages import shown

__all__ = [
    "NONE",
    "RESAMPLE",
    "STOP",
    "UNKNOWN",
    "cap_values",
    "cell_text",
    "codes_of",
    "decision_codes",
    "row_order",
    "verdicts",
]

RESAMPLE, STOP, SUBMIT, NONE, UNKNOWN = 0, 1, 2, 3, -1
_DECISIONS = {"resample": RESAMPLE, "stop": STOP, "submit": SUBMIT}
_TRUE = ("true", "True", "TRUE", "1", "1.0", "yes")
_FALSE = ("false", "False", "FALSE", "0", "0.0", "no")


def codes_of(column: Any) -> tuple[Ints, list[str]]:
    """Return (n,) codes, -1 for empty cells and those that are no label, and the text of each code."""
    encoded = (column if _is_dictionary(column) else column.dictionary_encode()).unify_dictionaries().combine_chunks()
    encoded = encoded.chunk(0) if hasattr(encoded, "chunk") else encoded
    codes = np.asarray(encoded.indices.fill_null(-1), dtype=np.int64)
    texts = []
    for value in encoded.dictionary.to_pylist():
        try:
            texts.append(label_text(value) if not isinstance(value, str) else value)
        except ValueError:
            texts.append("")
    empty = np.array([not text for text in texts] + [True])
    return np.where(empty[codes], -1, codes), texts


def _is_dictionary(column: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_dictionary(column.type))


def row_order(record: Ints, rounds: Any) -> Ints:
    """Return the rows sorted by record, then by round."""
    if rounds is None:
        return np.argsort(record, kind="stable")
    import pyarrow as pa

    try:
        turn = np.asarray(rounds.cast(pa.float64()).fill_null(np.inf), dtype=np.float64)
    except pa.ArrowException as error:
        raise RecordError(
            f"the column of rounds cannot be read as numbers ({str(error).splitlines()[0][:80]}): number them"
        ) from error
    return np.lexsort((np.arange(len(record)), turn, record))


def verdicts(column: Any) -> tuple[Bools, Bools]:
    """Return correctness and which cells have one."""
    import pyarrow as pa

    null = np.asarray(column.is_null(), dtype=bool)
    if pa.types.is_boolean(column.type):
        return np.asarray(column.fill_null(False), dtype=bool), ~null
    codes, texts = codes_of(column)
    true = np.array([text in _TRUE for text in texts] + [False])
    false = np.array([text in _FALSE for text in texts] + [False])
    return true[codes], (true | false)[codes] & ~null


def decision_codes(column: Any, rows: int) -> Ints:
    """Return (n,) decisions; NONE for empty cells, UNKNOWN for words that are no decision."""
    if column is None:
        return np.full(rows, NONE)
    codes, texts = codes_of(column)
    return np.array([*(_DECISIONS.get(text, UNKNOWN) for text in texts), NONE])[codes]


def cap_values(column: Any, rows: int) -> tuple[Ints, Bools]:
    """Return (n,) caps, 0 for none, and which cells are a whole number >= 1 or empty."""
    if column is None:
        return np.zeros(rows, dtype=np.int64), np.ones(rows, dtype=bool)
    codes, texts = codes_of(column)
    values = [int(text) if text.isascii() and text.isdigit() and 1 <= len(text) <= 18 else 0 for text in texts]
    table = np.array([*values, 0], dtype=np.int64)
    good = np.array([*(value >= 1 for value in values), True])
    return table[codes], good[codes]


def cell_text(column: Any, row: int) -> str:
    """Return a cell as a message shows it."""
    value = column[int(row)].as_py()
    return "empty" if value is None else shown(value) if isinstance(value, (str, int, float)) else repr(value)

"""A block of records read in bulk: Arrow parses the JSON, NumPy checks all rules at once.

The types of a file's fields are taken from its first good record. Whatever does not fit (a line that is no JSON, another type,
half a record) is left to the reader of single records, which knows what to say about it; so is a block that Arrow refuses.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dstheory.anatomy.records.fields import FieldNames
from dstheory.anatomy.records.gather import Batch
from dstheory.anatomy.records.rules import label_text
from dstheory.checks import Bools, Ints

__all__ = ["Layout", "read_columns"]

_RESAMPLE, _STOP, _SUBMIT, _NONE, _UNKNOWN = 0, 1, 2, 3, -1
_DECISIONS = {"resample": _RESAMPLE, "stop": _STOP, "submit": _SUBMIT}


@dataclass(frozen=True, eq=False)
class Layout:
    """The Arrow types of a file's fields, and its field names.

    Attributes:
        schema: of the fields that matter; others are skipped while parsing.
        names: what they are called.
    """

    schema: Any
    names: FieldNames

    @classmethod
    def of(cls, record: dict[str, Any], names: FieldNames) -> Layout | None:
        """Return the layout of a file whose first good record is this; None if it is none that can be read in bulk."""
        import pyarrow as pa

        types = {}
        for key in dict.fromkeys((names.id, names.problem, *names.labels.values())):
            found = _label_type(record.get(key))
            if found is None and record.get(key) is not None:
                return None
            if found is not None:
                types[key] = found
        first = record[names.attempts][0]
        verdict = pa.bool_() if isinstance(first[names.correct], bool) else pa.float64()
        attempt = pa.struct([(names.correct, verdict), (names.decision, pa.string())])
        fields = [*types.items(), (names.cap, pa.int64()), (names.attempts, pa.list_(attempt))]
        if len({name for name, _ in fields}) < len(fields):
            return None
        return cls(pa.schema(fields), names)


def _label_type(value: Any) -> Any:
    import pyarrow as pa

    if isinstance(value, list) and value and all(isinstance(v, int) and not isinstance(v, bool) for v in value):
        return pa.list_(pa.int64())
    return {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}.get(type(value))


def read_columns(data: bytes, rows: int, layout: Layout) -> tuple[Batch, Bools] | None:
    """Read records in bulk.

    Args:
        data: whole lines.
        rows: how many of them are not blank.
        layout: the types to expect.

    Returns:
        all rows as a batch (numbers are those of the rows, from 0) and a mask of the good ones; the columns of others are not to
        be used. None if the block has to be read record by record.
    """
    import pyarrow as pa
    import pyarrow.json as paj

    try:
        str(data, "utf-8")  # Arrow does not look at fields that it skips
        table = paj.read_json(
            io.BytesIO(data),
            read_options=paj.ReadOptions(block_size=2**20),
            parse_options=paj.ParseOptions(explicit_schema=layout.schema, unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowException, UnicodeDecodeError, OverflowError):
        return None
    if len(table) != rows:  # two records on a line, or one on two
        return None
    names = layout.names
    ids, known = _texts(table[names.id])
    good = known & np.array([bool(name) for name in ids], dtype=bool)

    nested = table[names.attempts].combine_chunks()
    nested = nested.chunk(0) if isinstance(nested, pa.ChunkedArray) else nested
    offsets = np.asarray(nested.offsets, dtype=np.int64)
    lengths, start = np.diff(offsets), int(offsets[0])
    good &= (lengths > 0) & ~_nulls(nested)
    attempts = nested.values.slice(start, int(offsets[-1]) - start)
    offsets = offsets - start
    verdicts, decisions = attempts.flatten()
    correct, sound = _verdicts(verdicts)
    codes = _decision_codes(decisions)

    row_of = np.repeat(np.arange(len(lengths)), lengths)
    last = np.zeros(len(codes), dtype=bool)
    last[offsets[1:][lengths > 0] - 1] = True
    broken = ~sound | (codes == _UNKNOWN) | (~last & (codes != _RESAMPLE))
    good[row_of[broken]] = False
    stopped = np.zeros(len(lengths), dtype=bool)
    stopped[lengths > 0] = codes[offsets[1:][lengths > 0] - 1] == _STOP

    caps = table[names.cap]
    cap = np.asarray(caps.fill_null(0), dtype=np.int64)
    good &= np.asarray(caps.is_null()) | ((cap >= 1) & (lengths <= cap) & (cap < 2**62))

    problems = None
    if names.problem in table.column_names and names.problem != names.id:
        named, given = _texts(table[names.problem])
        problems = [text if there else ids[i] for i, (text, there) in enumerate(zip(named, given, strict=True))]
        good &= ~given | np.array([bool(text) for text in named], dtype=bool)
    labels = {}
    for name, key in names.labels.items():
        labels[name] = _label_codes(table[key]) if key in table.column_names else (np.full(rows, -1, np.int32), ())
        good &= ~np.isin(labels[name][0], [i for i, text in enumerate(labels[name][1]) if not text])
    batch = Batch(ids, problems, lengths, correct, stopped, cap, labels, np.arange(rows))
    return batch, good


def _nulls(array: Any) -> Bools:
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False), dtype=bool)


def _text(value: Any) -> str:
    """Return a label's text; "" for what is no label, which no record may have."""
    try:
        return str(value).replace(" ", "") if isinstance(value, list) else label_text(value)
    except ValueError:
        return ""


def _texts(column: Any) -> tuple[list[str], Bools]:
    """Return texts (of nulls: empty) and which rows are not null."""
    import pyarrow as pa

    present = ~np.asarray(column.is_null(), dtype=bool)
    if pa.types.is_string(column.type):
        return column.fill_null("").to_pylist(), present
    if pa.types.is_integer(column.type):
        return column.cast(pa.string()).fill_null("").to_pylist(), present
    return [_text(value) if value is not None else "" for value in column.to_pylist()], present


def _label_codes(column: Any) -> tuple[Ints, Sequence[str]]:
    import pyarrow as pa

    if pa.types.is_list(column.type):
        texts, present = _texts(column)
        column = pa.chunked_array([pa.array([t if p else None for t, p in zip(texts, present, strict=True)], pa.string())])
    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    codes = np.asarray(encoded.indices.fill_null(-1), dtype=np.int32)
    return codes, [_text(value) for value in encoded.dictionary.to_pylist()]


def _verdicts(column: Any) -> tuple[Bools, Bools]:
    """Return correctness and which entries have one."""
    import pyarrow as pa

    sound = ~_nulls(column)
    if pa.types.is_boolean(column.type):
        return np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool), sound
    values = np.asarray(column.fill_null(-1.0))
    return values == 1.0, sound & ((values == 0.0) | (values == 1.0))


def _decision_codes(column: Any) -> Ints:
    encoded = column.dictionary_encode()
    meaning = np.array([*(_DECISIONS.get(word, _UNKNOWN) for word in encoded.dictionary.to_pylist()), _NONE], dtype=np.int8)
    return meaning[np.asarray(encoded.indices.fill_null(len(meaning) - 1), dtype=np.int64)]

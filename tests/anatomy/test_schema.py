"""What validates is what is read: the shipped JSON Schema, the reader of single records and the bulk reader agree."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory.anatomy import record_schema
from dstheory.anatomy.records.columns import Layout, read_columns
from dstheory.anatomy.records.fields import FieldNames
from dstheory.anatomy.records.rules import Fault, parse_record

SCHEMA = record_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
NAMES = FieldNames()

GOOD = {
    "id": "r1", "problem": "p1", "task": "t", "difficulty": 3, "model": "m", "cap": 3,
    "attempts": [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}],
}  # fmt: skip

LABEL = st.one_of(st.text("ab", max_size=2), st.integers(-3, 3), st.sampled_from([0.5, True]))
ANYTHING = st.sampled_from([None, [], {}, [1, 2], {"x": 1}, 1.5, 0, -1, 2, True, "", "word", "true"])
DECISION = st.sampled_from(["stop", "resample", "submit", None])
ATTEMPT = st.fixed_dictionaries({"correct": st.sampled_from([True, False, 0, 1])}, optional={"decision": DECISION})
RECORD = st.fixed_dictionaries(
    {"id": LABEL, "attempts": st.lists(ATTEMPT, min_size=1, max_size=3)},
    optional={"problem": LABEL, "task": LABEL, "difficulty": LABEL, "model": LABEL, "cap": st.integers(1, 3), "note": ANYTHING},
)


def beyond_the_schema(record: dict[str, Any]) -> bool:
    """Return whether a record that validates keeps the two rules within a record that a schema cannot say."""
    attempts = record["attempts"]
    goes_on = all(attempt.get("decision") == "resample" for attempt in attempts[:-1])
    return goes_on and (record.get("cap") is None or len(attempts) <= record["cap"])


def reads(record: Any) -> bool:
    try:
        parse_record(record, NAMES)
    except Fault:
        return False
    return True


@st.composite
def broken(draw: st.DrawFn) -> Any:
    """Return a record in which at most two places were replaced by something else or removed."""
    record = copy.deepcopy(draw(RECORD))
    for _ in range(draw(st.integers(0, 2))):
        if not isinstance(record, dict):
            break
        where: Any = record
        attempts = record.get("attempts")
        if isinstance(attempts, list) and attempts and isinstance(attempts[-1], dict) and draw(st.booleans()):
            where = draw(st.sampled_from([attempts[0], attempts[-1]]))
        if not isinstance(where, dict) or not where:
            continue
        key = draw(st.sampled_from(sorted(where)))
        if draw(st.booleans()):
            where[key] = draw(ANYTHING)
        else:
            del where[key]
    return draw(st.sampled_from([record] * 9 + [[record], "text", 3]))


@given(broken())
def test_what_validates_is_read(record: Any) -> None:
    valid = VALIDATOR.is_valid(record)
    assert reads(record) == (valid and beyond_the_schema(record)), record


@given(st.lists(broken(), min_size=1, max_size=4))
def test_bulk_and_single_readers_agree(records: list[Any]) -> None:
    """Whatever the bulk reader calls good is read alike; whatever it calls bad, or leaves, is for the other one to judge."""
    layout = Layout.of(GOOD, NAMES)
    data = b"\n".join(json.dumps(record).encode() for record in records)
    found = read_columns(data, len(records), layout)
    if found is None:
        return
    batch, good = found
    starts = [0, *batch.lengths.cumsum().tolist()]
    for i, record in enumerate(records):
        assert bool(good[i]) == reads(record), record
        if good[i]:
            parsed = parse_record(record, NAMES)
            problem = batch.ids[i] if batch.problems is None else batch.problems[i]
            labels = tuple(names[codes[i]] if codes[i] >= 0 else None for codes, names in batch.labels.values())
            correct = batch.correct[starts[i] : starts[i + 1]].tolist()
            assert (batch.ids[i], problem, int(batch.caps[i]), correct) == (parsed.id, parsed.problem, parsed.cap, parsed.correct)
            assert (bool(batch.stopped[i]), labels) == (parsed.stopped, parsed.labels)


def test_the_bulk_reader_is_not_idle() -> None:
    records = [GOOD, {**GOOD, "id": "r2", "cap": 1}, {**GOOD, "id": "r3", "cap": None}, {**GOOD, "id": ""}]
    batch, good = read_columns("\n".join(map(json.dumps, records)).encode(), 4, Layout.of(GOOD, NAMES))
    assert good.tolist() == [True, False, True, False]
    assert batch.correct.tolist() == [False, True] * 4


def test_the_schema_is_valid_and_ships_with_the_package() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    import dstheory.anatomy

    assert Path(dstheory.anatomy.__file__).with_name("schema.json").is_file()


@pytest.mark.parametrize("key", ["id", "problem", "task", "difficulty", "model", "cap", "attempts"])
def test_every_field_of_the_schema_is_one_of_the_reader(key: str) -> None:
    assert getattr(NAMES, key) == key
    assert SCHEMA["properties"][key]["description"]

"""What validates is what is read: the shipped JSON Schema, the reader of single records and the bulk reader agree."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory.anatomy import record_schema
from dstheory.readers.batches import in_columns, parse_record
from dstheory.readers.records import Fault, FieldNames

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
def test_records_checked_at_once_are_those_checked_one_by_one(records: list[Any]) -> None:
    """What is read in columns is good and read alike; all else is left to the reader of single records."""
    batch = in_columns(range(len(records)), records, NAMES)
    if batch is None:
        return
    starts = [0, *batch.lengths.cumsum().tolist()]
    for i, record in enumerate(records):
        parsed = parse_record(record, NAMES)
        labels = tuple(names[codes[i]] if codes[i] >= 0 else None for codes, names in batch.labels.values())
        correct = batch.correct[starts[i] : starts[i + 1]].tolist()
        codes, problems = batch.problems
        assert (batch.ids[i], problems[codes[i]], int(batch.caps[i]), correct) == parsed[:4]
        assert (bool(batch.stopped[i]), labels, False) == parsed[4:]


@given(broken())
def test_every_good_record_is_read_in_columns(record: Any) -> None:
    assert (in_columns([0], [record], NAMES) is not None) == reads(record)


def test_the_schema_is_valid_and_ships_with_the_package() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    import dstheory.anatomy

    assert Path(dstheory.anatomy.__file__).with_name("schema.json").is_file()


@pytest.mark.parametrize("key", ["id", "problem", "task", "difficulty", "model", "cap", "attempts"])
def test_every_field_of_the_schema_is_one_of_the_reader(key: str) -> None:
    assert getattr(NAMES, key) == key
    assert SCHEMA["properties"][key]["description"]

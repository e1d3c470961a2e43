"""Hostile files, each once the cause of a wrong answer or a crash: one reader, one answer, whatever stands before or after."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory.anatomy import Episodes, read_log
from dstheory.errors import FileFormatError, RecordError
from dstheory.readers import read_chain
from dstheory.readers.json_values import NotJSON, decode, decode_lines
from dstheory.readers.records import FieldNames, parse_record

STEPS = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
DEEP = "[" * 20_000 + "]" * 20_000


def record(**head: Any) -> str:
    return json.dumps({**head, "attempts": STEPS})


def log(path: Path, *lines: str) -> Any:
    path.write_text("\n".join(lines) + "\n")
    return read_log(path)


def labels(episodes: Episodes, name: str) -> list[str]:
    column = episodes.column(name)
    return [column.names[code] for code in column.codes]


# ---------------------------------------------------------------------- fields and labels


@pytest.mark.parametrize("first", [0, 7, 19])
def test_fields_are_the_union_over_all_records_in_any_order(tmp_path: Path, first: int) -> None:
    """A record without task, problem and model, wherever it stands, takes none of them from the others."""
    lines = [record(id=i, task=f"t{i % 2}", problem=f"p{i % 5}", model="m") for i in range(19)]
    lines.insert(first, record(id="bare"))
    found = log(tmp_path / "a.jsonl", *lines).episodes
    assert found.n_problems == 6
    tasks = [f"t{i % 2}" for i in range(19)]
    assert labels(found, "task") == [*tasks[:first], "(not given)", *tasks[first:]]
    assert set(labels(found, "model")) == {"m", "(not given)"}


def test_labels_are_the_same_however_many_records_are_read_at_once(tmp_path: Path) -> None:
    """Numbers of several types, lists with nulls, large numbers: as the reader of single records has it."""
    heads = [
        {"difficulty": 0.5, "problem": [1, None, 2]},
        {"difficulty": 100_000_000_000_000_001, "problem": "p"},
        {"difficulty": 1, "problem": True},
        {"difficulty": 1.0, "problem": 1},
        {"difficulty": True, "problem": None},
        {"difficulty": "1", "problem": [True, 1, 1.0]},
    ]
    found = log(tmp_path / "a.jsonl", *(record(id=i, **head) for i, head in enumerate(heads))).episodes
    single = [parse_record({"id": i, **head, "attempts": STEPS}, FieldNames()) for i, head in enumerate(heads)]
    assert labels(found, "difficulty") == [each.labels[1] for each in single]
    assert [found.problem_ids[code] for code in found.problem] == [each.problem for each in single]


def test_repeated_keys_and_nan_are_refused_wherever_they_stand(tmp_path: Path) -> None:
    good, end = record(id=1), record(id=9)
    odd = [
        record(id=2)[:-1] + ', "note": NaN}',
        record(id=3)[:-1] + ', "note": {"a": 1, "a": 2}}',
        record(id=4)[:-1] + ', "\\u0069d": 5}',  # "id" once more, in other letters
        record(id=6)[:-1] + ', "a": "\\u0022", "b": 1, "b": 2}',
    ]
    found = log(tmp_path / "a.jsonl", good, "", *odd, "", '{"id": 7}', end)
    assert found.reading.faults == {"not-json": 4, "no-attempts": 1}
    assert [text.split(": ", 1)[1][:7] for text in found.reading.examples["not-json"]] == ["line 3:", "line 4:", "line 5:"]
    assert "line 8: attempts is missing" in found.reading.examples["no-attempts"][0]
    assert found.episodes.problem_ids == ("1", "9")


def test_lines_of_a_table_count_blank_lines_and_line_ends_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,correct,note\na,1,"x\ny"\n\nb,maybe,z\n')
    (example,) = read_log(path).reading.examples["correct"]
    assert example.startswith(f"{path}: line 5: correct is 'maybe': must be true or false (or 1 or 0)")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_strict_json_gives_what_was_written(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        found = decode(text)
        assert found == value
        assert json.dumps(found) == json.dumps(value)
    line = json.dumps(value).encode()
    assert decode_lines(line + b"\n\n" + line) == [value, value]


@given(st.lists(st.tuples(st.sampled_from("abé"), VALUES), min_size=1, max_size=4), st.booleans())
def test_a_repeated_key_is_never_dropped(pairs: list[tuple[str, Any]], ascii_only: bool) -> None:
    text = "{" + ", ".join(f"{json.dumps(key, ensure_ascii=ascii_only)}: {json.dumps(value)}" for key, value in pairs) + "}"
    if len({key for key, _ in pairs}) == len(pairs):
        assert decode(text.encode()) == dict(pairs)
    else:
        assert decode_lines(text.encode()) is None
        with pytest.raises(NotJSON, match="is given twice in one object"):
            decode(text.encode())


# ---------------------------------------------------------------------- what crashed


@pytest.mark.parametrize("lines", [("null", record(id=1)), (record(id=1), "null"), ("null", record(id=1), "null")])
def test_null_on_a_line_of_its_own(tmp_path: Path, lines: tuple[str, ...]) -> None:
    found = log(tmp_path / "a.jsonl", *lines)
    assert (len(found.episodes), found.reading.faults) == (1, {"not-a-record": len(lines) - 1})


def test_a_file_that_is_null(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"null")
    with pytest.raises(RecordError, match="line 1: holds null: must be an object"):
        read_log(path)
    with pytest.raises(FileFormatError, match="line 1 holds None: must be an object"):
        read_chain(path)


def test_brackets_nested_by_the_thousand(tmp_path: Path) -> None:
    found = log(tmp_path / "a.jsonl", record(id=1), f'{{"id": 2, "note": {DEEP}}}', record(id=3))
    assert (len(found.episodes), found.reading.faults) == (2, {"not-json": 1})
    path = tmp_path / "chain.jsonl"
    path.write_text(f'{{"prompt": "a", "answer": "1", "correct": 1}}\n{DEEP}\n')
    with pytest.raises(FileFormatError, match="line 2 has a number of thousands of digits or brackets nested by the thousand"):
        read_chain(path)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,correct,task\na,1,café\nb,0,x\n".encode("latin-1"))
    with pytest.raises(FileFormatError, match=r"line 2 is not UTF-8 \(byte 0xe9 in column 8\): save the file as UTF-8"):
        read_log(path)
    path = tmp_path / "chain.jsonl"
    path.write_bytes(b'{"prompt": "caf\xe9", "answer": "1", "correct": 1}\n')
    with pytest.raises(FileFormatError, match="line 1 is not UTF-8"):
        read_chain(path)


def test_carriage_returns_in_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\r,correct\na,1\n")
    with pytest.raises(FileFormatError, match="cannot be read as a table"):
        read_log(path)
    path.write_bytes(b"id,correct\ra,1\rb,0\r")
    assert read_log(path).episodes.correct.tolist() == [True, False]


@pytest.mark.parametrize("column", ["id", "correct", "decision", "task", "cap"])
@pytest.mark.parametrize("cells", [[[1], [2]], [{"a": 1}, {"a": 2}]])
def test_nested_columns_of_a_parquet_log(tmp_path: Path, column: str, cells: list[Any]) -> None:
    plain = {"id": ["a", "b"], "correct": [1, 0], "decision": ["stop", "stop"], "task": ["t", "t"], "cap": [2, 2]}
    pq.write_table(pa.table({**plain, column: cells}), tmp_path / "a.parquet")
    with pytest.raises(RecordError, match=f"column '{column}' has the type .*: must hold text, numbers, or true and false"):
        read_log(tmp_path / "a.parquet")


def test_parquet_with_a_changed_byte_is_read_or_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["a"], "answer": ["1"], "correct": [1]}), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for place in range(len(whole) - 300, len(whole), 3):
        changed = bytearray(whole)
        changed[place] ^= 0x80
        (tmp_path / "a.parquet").write_bytes(changed)
        with contextlib.suppress(FileFormatError):
            read_chain(tmp_path / "a.parquet")


def test_quoted_cells_that_look_like_rows(tmp_path: Path) -> None:
    """More than the parser takes at a time."""
    path = tmp_path / "a.csv"
    path.write_text("id,correct,decision,text\n" + "".join(f'{i},1,stop,"x\nz{i},0,stop,y"\n' for i in range(60_000)))
    found = read_log(path)
    assert (len(found.episodes), bool(found.episodes.correct.all()), found.reading.faults) == (60_000, True, {})


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no endless file")
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".toml"])
def test_a_file_without_an_end(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dstheory.readers import nested, streams

    monkeypatch.setattr(nested, "_LARGEST", 1 << 20)
    monkeypatch.setattr(streams, "LONGEST_LINE", 1 << 20)
    (tmp_path / f"a{suffix}").symlink_to("/dev/zero")
    with pytest.raises(FileFormatError, match=r"longer than 1 MB|larger than 1 MB"):
        read_chain(tmp_path / f"a{suffix}")

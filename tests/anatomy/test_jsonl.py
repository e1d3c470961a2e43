"""Logs with something wrong in them: every reason is counted with file, line and field; strict mode stops at the first."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dstheory.anatomy import NOT_GIVEN, from_records, read_log
from dstheory.errors import FileFormatError, RecordError
from dstheory.readers import batches, reading, streams

STEPS = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
GOOD = [json.dumps({"id": f"g{i}", "attempts": STEPS}) for i in range(3)]


def written(tmp_path: Path, *lines: str | bytes, name: str = "log.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines) + b"\n")
    return path


def attempts(*steps: str, head: str = '"id": "x", ') -> str:
    return "{" + head + '"attempts": [' + ", ".join(steps) + "]}"


RIGHT, WRONG = '{"correct": true, "decision": "resample"}', '{"correct": false, "decision": "resample"}'
STOP = '{"correct": true, "decision": "stop"}'

BAD = [
    ("{", "not-json", "is not JSON (expecting property name enclosed in double quotes, column 2): write one object per line"),
    ('{"id": 1, "id": 2}', "not-json", "is not JSON: the key 'id' is given twice in one object"),
    ('{"id": NaN}', "not-json", "is not JSON: NaN is not a JSON number"),
    ("[" * 100_000, "not-json", "is not JSON: brackets are nested too deeply"),
    (b'{"id": "caf\xe9"}', "not-utf8", "is not UTF-8 (byte 0xe9 in column 12): save the file as UTF-8"),
    ("[1, 2]", "not-a-record", "holds a list: must be an object with an id and attempts"),
    (attempts(STOP, head=""), "id", "id is missing: must name the record; give every record its own"),
    ('{"id": {}, "attempts": []}', "id", "id is an object: must be a text that is not empty, or a finite number"),
    ('{"id": 1, "task": [1]}', "label", "task is a list: must be a text that is not empty, or a finite number"),
    ('{"id": "x"}', "no-attempts", "attempts is missing: must be a list with at least one attempt"),
    ('{"id": "x", "attempts": []}', "no-attempts", "attempts is empty: must be a list with at least one attempt"),
    ('{"id": "x", "attempts": "two"}', "no-attempts", "attempts is 'two': must be a list with at least one attempt"),
    (attempts("true"), "attempt", "attempts[0] is true: must be an object with correct and decision"),
    (attempts('{"decision": "stop"}'), "correct", "attempts[0].correct is null: must be true or false (or 1 or 0)"),
    (attempts(WRONG, '{"correct": "yes"}'), "correct", "attempts[1].correct is 'yes': must be true or false (or 1 or 0)"),
    (attempts('{"correct": 0.5}'), "correct", "attempts[0].correct is 0.5: must be true or false (or 1 or 0)"),
    (attempts('{"correct": 1, "decision": "halt"}'), "decision",
     "attempts[0].decision is 'halt': must be stop or resample (or submit at the cap)"),
    (attempts('{"correct": 1}', STOP), "decision", "attempts[0].decision is missing: only the last attempt may have none"),
    (attempts(STOP, RIGHT, STOP), "after-stop",
     "attempts[0].decision is 'stop' but 2 more follow: only the last attempt may end the record"),
    (attempts(STOP, head='"id": "x", "cap": 0, '), "cap", "cap is 0: must be a whole number >= 1, or null for none"),
    (attempts(STOP, head='"id": "x", "cap": true, '), "cap",
     "cap is true: must be a whole number >= 1, or null for none"),
    (attempts(RIGHT, STOP, head='"id": "x", "cap": 1, '), "over-cap",
     "attempts has 2 entries: must be at most the cap, 1"),
    (GOOD[0], "duplicate", "id is 'g0', as in an earlier record: give every record its own id"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "reason", "message"), BAD)
def test_each_reason_with_its_place(tmp_path, line, reason: str, message: str) -> None:
    path = written(tmp_path, GOOD[0], "", GOOD[1], line, GOOD[2])
    log = read_log(path)
    assert log.reading.faults == {reason: 1}
    assert log.reading.examples == {reason: [f"{path}: line 4: {message}"]}
    assert (log.reading.records, log.reading.usable, len(log.episodes)) == (4, 3, 3)
    assert log.episodes.problem_ids == ("g0", "g1", "g2")
    with pytest.raises(RecordError) as caught:
        read_log(path, strict=True)
    assert str(caught.value) == f"{path}: line 4: {message}"


@pytest.mark.parametrize("at_once", [True, False])
def test_all_reasons_at_once(tmp_path, at_once: bool, monkeypatch) -> None:
    if not at_once:
        monkeypatch.setattr(batches, "in_columns", lambda *args: None)
    path = written(tmp_path, *GOOD[:2], *(line for line, *_ in BAD), GOOD[2])
    log = read_log(path)
    assert len(log.episodes) == 3
    counted: dict[str, int] = {}
    for _, reason, _ in BAD:
        counted[reason] = counted.get(reason, 0) + 1
    assert log.reading.faults == counted
    assert log.reading.share_unusable == len(BAD) / (len(BAD) + 3)
    for (_, reason, message), number in zip(BAD, range(3, 3 + len(BAD)), strict=True):
        named = log.reading.examples[reason]
        assert f"{path}: line {number}: {message}" in named or len(named) == 3


def test_strict_stops_at_the_first_whatever_it_is(tmp_path) -> None:
    """Also where the bulk reader sees a bad record and, further up, a repeated id."""
    path = written(tmp_path, GOOD[0], GOOD[1], GOOD[0], '{"id": "x", "attempts": []}')
    with pytest.raises(RecordError, match=r"line 3: id is 'g0', as in an earlier record"):
        read_log(path, strict=True)
    path = written(tmp_path, GOOD[0], '{"id": "x", "attempts": []}', GOOD[0])
    with pytest.raises(RecordError, match=r"line 2: attempts is empty"):
        read_log(path, strict=True)


@pytest.mark.parametrize("packed", ["plain", "gzip", "zstd", "bz2"])
def test_packed_files_whatever_their_name(tmp_path, packed: str) -> None:
    data = ("\n".join(GOOD) + "\n").encode()
    path = tmp_path / "log.jsonl"
    if packed == "plain":
        path.write_bytes(data)
    else:
        with pa.CompressedOutputStream(str(path), packed) as out:
            out.write(data)
    assert read_log(path).episodes.correct.tolist() == [False, True] * 3


def test_concatenated_gzip_members(tmp_path) -> None:
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(b"".join(gzip.compress(line.encode() + b"\n") for line in GOOD))
    assert len(read_log(path).episodes) == 3


def test_a_packed_file_that_is_cut_off_gives_what_it_has(tmp_path, monkeypatch) -> None:
    lines = [GOOD[0].replace("g0", f"r{np.random.default_rng(i).integers(2**60)}") for i in range(4000)]
    whole = gzip.compress("\n".join(lines).encode())
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(streams, "BLOCK", 4096)
    log = read_log(path)
    assert 1000 < len(log.episodes) < 3000
    assert log.reading.faults["cut-off"] == 1
    assert log.reading.examples["cut-off"][0].startswith(f"{path}: the packed data end too early or are damaged after line ")
    with pytest.raises(RecordError, match=r"damaged after line \d+: write it again"):
        read_log(path, strict=True)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"\xfd7zXZ\x00", "is an xz file: unpack it, or pack it as gzip or zstd"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS: get the file itself with git lfs pull"),
        (b"PK\x03\x04", "cannot be unpacked (File is not a zip file): write or copy it again"),
        ("{}".encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path, head: bytes, message: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(head)
    with pytest.raises(FileFormatError) as caught:
        read_log(path)
    assert str(caught.value) == f"{path} {message}"


def test_byte_order_mark_and_windows_lines(tmp_path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([GOOD[0], "", *GOOD[1:]]).encode())
    assert len(read_log(path).episodes) == 3


def test_one_endless_line_is_refused_soon(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(streams, "BLOCK", 1000)
    monkeypatch.setattr(streams, "LONGEST_LINE", 100_000)
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n" + b"x" * 300_000)
    with pytest.raises(FileFormatError, match=r"line 2 is longer than 100,000 bytes: write one record per line"):
        list(streams.line_blocks(path))


def test_the_wrong_file_is_given_up_early(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reading, "_GIVE_UP_AFTER", 50)
    path = written(tmp_path, *(f'{{"id": {i}, "attempts": "novel"}}' for i in range(100_000)))
    seen = []
    with pytest.raises(RecordError, match=r"none of the first [\d,]+ records is usable .*line 1: attempts is 'novel'") as caught:
        read_log(path, progress=lambda records, done: seen.append(records))
    assert "give a log of rollouts, name its fields with --field, or choose another --reader" in str(caught.value)
    assert max(seen, default=0) < 100_000


def test_no_usable_record(tmp_path) -> None:
    path = written(tmp_path, "{}")
    with pytest.raises(RecordError, match=r"is in no known format: its records have no keys"):
        read_log(path)
    path.write_bytes(b"")
    with pytest.raises(FileFormatError, match="is empty: needs at least one record"):
        read_log(path)
    with pytest.raises(FileFormatError, match="cannot be read: No such file"):
        read_log(tmp_path / "none.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileFormatError, match=r"is a directory in which no file ends in \.jsonl"):
        read_log(tmp_path / "empty")
    with pytest.raises(RecordError, match="is given twice: every record would count twice; name it once"):
        read_log(path, tmp_path / "." / "log.jsonl")


def test_field_names_labels_and_caps(tmp_path) -> None:
    record = {
        "name": 1, "numbers": [3, 3, 8, 8], "max_attempts": 2, "llm": "m", "temperature": 0.7,
        "steps": [{"ok": 0, "then": "resample"}, {"ok": 1, "then": "stop"}],
    }  # fmt: skip
    other = {**record, "name": 2, "temperature": 1, "max_attempts": None}
    without = {k: v for k, v in record.items() if k != "temperature"} | {"name": 3}
    path = written(tmp_path, *map(json.dumps, (record, other, without)))
    fields = {"id": "name", "problem": "numbers", "cap": "max_attempts", "model": "llm", "attempts": "steps", "correct": "ok",
              "decision": "then"}  # fmt: skip
    log = read_log(path, fields=fields, labels=["temperature"]).episodes
    assert log.problem_ids == ("[3,3,8,8]",)
    assert log.cap.tolist() == [2, 0, 2]
    assert log.capped.tolist() == [True, False, True]
    assert log.column("temperature").names == ("0.7", "1", NOT_GIVEN)
    assert log.column("model").names == ("m",)
    assert log.column("task").names == (NOT_GIVEN,)
    assert log.column("log").names == (str(path),)
    capped = read_log(path, fields=fields, cap=2)
    assert capped.episodes.capped.all()
    with pytest.raises(RecordError, match=r"line 2: steps has 2 entries: must be at most the cap, 1"):
        read_log(
            written(tmp_path, json.dumps(record | {"max_attempts": 2}), json.dumps(other)), fields=fields, cap=1, strict=True
        )
    with pytest.raises(RecordError, match=r"^a record has no part 'attemps': did you mean attempts\?$"):
        read_log(path, fields={"attemps": "steps"})


def test_the_same_id_in_two_files_or_models_is_two_records(tmp_path) -> None:
    a, b = written(tmp_path, GOOD[0], name="a.jsonl"), written(tmp_path, GOOD[0], name="b.jsonl")
    both = read_log(a, b).episodes
    assert (len(both), both.n_problems) == (2, 1)
    models = [json.dumps({**json.loads(GOOD[0]), "model": m}) for m in ("m", "n", "m")]
    log = read_log(written(tmp_path, *models))
    assert len(log.episodes) == 2
    assert log.reading.examples["duplicate"][0].endswith(
        "line 3: id is 'g0', as in an earlier record of model m: give every record its own id"
    )


def test_blocks_are_one_file(tmp_path, monkeypatch) -> None:
    """Small blocks, blank lines, a bad record in the middle: the same episodes as in one block."""
    rng = np.random.default_rng(5)
    lines = []
    for i in range(400):
        n = int(rng.integers(1, 6))
        steps = [{"correct": bool(rng.integers(2)), "decision": "resample" if k < n - 1 else "stop"} for k in range(n)]
        lines.append(json.dumps({"id": i, "task": f"t{i % 3}", "problem": f"p{i % 7}", "attempts": steps}))
        lines += [""] * int(rng.integers(0, 2))
    lines[100] = '{"id": "bad"}'
    path = written(tmp_path, *lines)
    whole = read_log(path)
    monkeypatch.setattr(streams, "BLOCK", 700)
    small = read_log(path)
    for name in ("offsets", "correct", "stopped", "capped", "problem", "cap"):
        np.testing.assert_array_equal(getattr(whole.episodes, name), getattr(small.episodes, name))
    np.testing.assert_array_equal(whole.episodes.column("task").codes, small.episodes.column("task").codes)
    assert whole.reading.to_dict() == small.reading.to_dict()
    assert whole.reading.examples["no-attempts"] == [
        f"{path}: line 101: attempts is missing: must be a list with at least one attempt"
    ]


def test_good_records_are_not_looped_over(tmp_path) -> None:
    """A few Python calls for a block of lines, not one for each record."""
    lines = [GOOD[0].replace("g0", f"r{i}") for i in range(20_000)]
    path, calls = written(tmp_path, *lines), [0]

    def profile(frame: object, event: str, argument: object) -> None:
        calls[0] += event == "call"

    sys.setprofile(profile)
    try:
        found = read_log(path)
    finally:
        sys.setprofile(None)
    assert len(found.episodes) == len(lines)
    assert calls[0] < len(lines) * 2


def test_records_are_taken_from_an_iterator_some_at_a_time() -> None:
    """The numbers of records go on from one part to the next, and faults come in order."""
    good = json.loads(GOOD[0])
    records = ({**good, "id": f"r{i}"} if i % 1500 else {"id": f"r{i}"} for i in range(4000))
    found = from_records(records)
    assert len(found.episodes) == 3997
    assert found.reading.examples["no-attempts"] == [
        f"records: record {i}: attempts is missing: must be a list with at least one attempt" for i in (0, 1500, 3000)
    ]

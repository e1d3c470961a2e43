"""Tables with one row per attempt: the same episodes as from records, and every bad row named."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dstheory.anatomy import Episodes, from_frame, from_records, read_log
from dstheory.errors import FileFormatError, RecordError


def some_records(n: int = 60) -> list[dict]:
    rng = np.random.default_rng(11)
    out = []
    for i in range(n):
        length, cap = int(rng.integers(1, 6)), [None, 5][i % 2]
        last = ["stop", "submit", None][int(rng.integers(3))]
        steps = [{"correct": bool(rng.integers(2)), "decision": "resample" if k < length - 1 else last} for k in range(length)]
        out.append(
            {
                "id": f"{i:03}",
                "problem": f"p{i % 9}",
                "task": ["easy", "hard"][i % 2],
                "model": "m",
                "cap": cap,
                "attempts": steps,
            }
        )
    return out


def as_frame(records: list[dict]) -> pd.DataFrame:
    rows = [{**{k: v for k, v in r.items() if k != "attempts"}, "round": k, **step}
            for r in records for k, step in enumerate(r["attempts"])]  # fmt: skip
    return pd.DataFrame(rows)


def assert_same(one: Episodes, two: Episodes) -> None:
    for name in ("offsets", "correct", "stopped", "capped", "problem", "cap"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert one.problem_ids == two.problem_ids
    assert one.column("task").codes.tolist() == two.column("task").codes.tolist()


def test_every_form_gives_the_same_episodes(tmp_path) -> None:
    records = some_records()
    want = from_records(records).episodes
    frame = as_frame(records)
    assert_same(from_frame(frame).episodes, want)
    assert_same(from_frame(frame.astype({"task": "category", "correct": int})).episodes, want)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv.gz", index=False, sep="\t")
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    for name in ("a.csv", "a.tsv.gz", "a.parquet", "a.jsonl"):
        assert_same(read_log(tmp_path / name).episodes, want)


def test_rows_in_any_order_are_put_together_by_round() -> None:
    records = some_records()
    shuffled = as_frame(records).sample(frac=1.0, random_state=3)
    want = from_records(records).episodes
    got = from_frame(shuffled).episodes
    assert sorted(got.attempts.tolist()) == sorted(want.attempts.tolist())
    assert got.counts().correct == want.counts().correct
    by_problem = dict(zip(got.problem_ids, got.counts("problem", "round").correct.tolist(), strict=True))
    for name, row in zip(want.problem_ids, want.counts("problem", "round").correct.tolist(), strict=True):
        assert by_problem[name] == row


def test_without_decisions_the_last_attempt_is_the_stop() -> None:
    frame = pd.DataFrame({"id": ["a", "a", "b"], "correct": [0, 1, 1], "cap": [2, 2, 3]})
    log = from_frame(frame)
    assert log.episodes.stopped.tolist() == [False, True, True]
    assert log.episodes.capped.tolist() == [True, False]
    assert log.reading.notes == [
        "there is no column 'decision': a record's last attempt counts as a stop unless it is at the cap"
    ]


BASE = {"id": "x", "correct": True, "decision": "stop", "task": "t", "cap": 2, "model": "m"}


@pytest.mark.parametrize(
    ("rows", "reason", "message"),
    [
        ([{"correct": "maybe"}], "correct", "row 1: correct is 'maybe': must be true or false (or 1 or 0)"),
        ([{"correct": None}], "correct", "row 1: correct is empty: must be true or false (or 1 or 0)"),
        ([{"correct": 2}], "correct", "row 1: correct is '2': must be true or false (or 1 or 0)"),
        ([{"decision": "halt"}], "decision", "row 1: decision is 'halt': must be stop or resample (or submit at the cap)"),
        ([{"decision": None}, {}], "decision", "row 1: decision is missing: only the last attempt may have none"),
        ([{}, {}], "after-stop", "row 1: decision is 'stop' but more rows follow: only the last attempt may end the record"),
        ([{"decision": "resample"}, {"task": "u"}], "varies",
         "row 2: task is 'u', unlike in the record's first row: must be the same in all its rows"),
        ([{"cap": 1.5}], "cap", "row 1: cap is 1.5: must be a whole number >= 1, or empty for none"),
        ([{"cap": 0}], "cap", "row 1: cap is 0: must be a whole number >= 1, or empty for none"),
        ([{"decision": "resample"}, {"decision": "resample"}, {}], "over-cap",
         "row 1: attempts has 3 entries: must be at most the cap, 2"),
        ([{"id": None}], "id", "row 1: id is missing: must name the record"),
    ],
)  # fmt: skip
def test_bad_rows_are_named(rows: list[dict], reason: str, message: str) -> None:
    good = {**BASE, "id": "good"}
    frame = pd.DataFrame([good, *({**BASE, **row} for row in rows), {**BASE, "id": "fine"}])
    log = from_frame(frame)
    assert log.reading.faults == {reason: 1}
    assert log.reading.examples == {reason: [f"data frame: {message}"]}
    assert log.episodes.problem_ids == ("good", "fine")
    with pytest.raises(RecordError) as caught:
        from_frame(frame, strict=True)
    assert str(caught.value) == f"data frame: {message}"


def test_missing_columns_are_named() -> None:
    with pytest.raises(RecordError) as caught:
        from_frame(pd.DataFrame({"id": [1], "corect": [True]}))
    assert str(caught.value) == (
        "data frame has no column 'correct': needs one row per attempt with id, correct and decision; did you mean corect? "
        "Say so with --field correct=NAME"
    )
    with pytest.raises(RecordError, match="it has who, correct; if one of them is it, say so with --field id=NAME"):
        from_frame(pd.DataFrame({"who": [1], "correct": [True]}))
    with pytest.raises(RecordError, match="no usable record"):
        from_frame(pd.DataFrame({"id": [], "correct": []}))


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,correct\na,1\nb,1,2\n")
    with pytest.raises(FileFormatError, match=r"cannot be read as a table \(CSV parse error: .*Expected 2 columns, got 3"):
        read_log(path)
    path.write_bytes("id,correct\né,1\n".encode("latin-1"))
    with pytest.raises(FileFormatError, match=r"line 2 is not UTF-8 \(byte 0xe9 in column 1\): save the file as UTF-8"):
        read_log(path)
    path.write_text("id,correct,correct\na,1,0\n")
    with pytest.raises(FileFormatError, match="has the column 'correct' twice: remove one of them"):
        read_log(path)
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 no parquet at all")
    with pytest.raises(FileFormatError, match="is not a complete Parquet file"):
        read_log(path)
    whole = io.BytesIO()
    with gzip.open(whole, "wt") as out:
        out.write("id,correct\n" + "a,1\n" * 50000)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(whole.getvalue()[:-20])
    with pytest.raises(FileFormatError, match="cannot be"):
        read_log(path)


def test_ids_stay_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,correct,"a note, quoted",decision\n007,1,"two\nlines",stop\n7,0,,stop\n')
    assert read_log(path).episodes.problem_ids == ("007", "7")
    whole = tmp_path / "a.parquet"
    pd.DataFrame({"id": [7, 7], "correct": [False, True], "decision": ["resample", "stop"]}).to_parquet(whole)
    assert read_log(whole).episodes.problem_ids == ("7",)


@pytest.mark.parametrize("header", ["id,attempt,correct,decision", "problem,rollout,correct,decision"])
def test_labels_of_a_csv_log_stay_as_they_are_written(header: str, tmp_path) -> None:
    """Version 1.10 is another model than 1.1, also where an option names the label."""
    path = tmp_path / "log.csv"
    rows = [("007", "1.10", "1e3"), ("7", "1.1", "1000"), ("007", "1.10", "1e3"), ("7", "1.1", "True")]
    lines = [f"{i},1,{i % 2},stop,{','.join(labels)}" for i, labels in enumerate(rows)]
    path.write_text("\n".join([f"{header},task,model,mark", *lines, ""]))
    episodes = read_log(path, labels=["mark"]).episodes
    assert {name: list(episodes.by(name)) for name in ("task", "model", "mark")} == {
        "task": ["007", "7"], "model": ["1.10", "1.1"], "mark": ["1e3", "1000", "True"]
    }  # fmt: skip

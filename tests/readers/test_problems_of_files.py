"""Ids begin anew in every file of some harnesses: problems of one name are one problem unless they ask different things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from profiles import in_turn

from dstheory.anatomy import read_log, survey
from dstheory.errors import RecordError


def _inspect(path: Path, questions: list[Any], value: str = "C") -> Path:
    samples = [{"id": i, "epoch": e, "input": question, "target": "4", "scores": {"match": {"value": value}}}
               for i, question in enumerate(questions, start=1) for e in (1, 2)]  # fmt: skip
    path.write_text(json.dumps({"samples": samples}), encoding="utf-8")
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_ids_of_files_about_different_tasks_are_different_problems(tmp_path: Path, workers: int) -> None:
    _inspect(tmp_path / "a.json", ["2 + 2?", "1 + 3?", "both"])
    _inspect(tmp_path / "b.json", ["Capital of France?", "Capital of Spain?", "both"])
    log = read_log(tmp_path, workers=workers)
    assert (len(log.episodes), log.episodes.n_problems) == (12, 5)
    assert log.episodes.problem_ids == ("1", "2", "3", f"1 ({tmp_path / 'b.json'})", f"2 ({tmp_path / 'b.json'})")
    (note,) = [note for note in log.reading.notes if "another file" in note]
    assert note.startswith("problems that have the name of one in another file and ask something else (2)")


def test_the_same_problems_in_two_files_stay_the_same(tmp_path: Path) -> None:
    """As before and after training: the comparison pairs problems."""
    chat = [{"role": "system", "content": "Think."}, {"role": "user", "content": "2 + 2?"}]
    before = _inspect(tmp_path / "a.json", ["2  + 2?", "1 + 3?"], "I")
    after = _inspect(tmp_path / "b.json", [chat, "1 + 3?"])
    log = read_log(before, after)
    assert log.episodes.n_problems == 2
    assert not [note for note in log.reading.notes if "another file" in note]
    assert survey(log, compared=(str(before), str(after))).first_answers is not None


def test_a_name_that_the_user_gave_decides(tmp_path: Path) -> None:
    paths = [_inspect(tmp_path / f"{name}.json", [name]) for name in "ab"]
    assert read_log(*paths).episodes.n_problems == 2
    assert read_log(*paths, fields={"problem": "id"}).episodes.n_problems == 1


@pytest.mark.parametrize(("one", "other", "problems"), [
    ({"task": "easy"}, {"task": "hard"}, 2), ({"task": "easy"}, {"task": "easy"}, 1), ({}, {}, 1), ({}, {"prompt": "x"}, 1),
    ({"numbers": [1, 2]}, {"numbers": [2, 1]}, 2), ({"target": 3}, {"target": 4}, 2), ({"prompt": ""}, {"prompt": "x"}, 1),
])  # fmt: skip
def test_records_of_two_files(tmp_path: Path, one: dict[str, Any], other: dict[str, Any], problems: int) -> None:
    steps = [{"correct": True, "decision": "stop"}]
    for name, more in (("a", one), ("b", other)):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": 1, "attempts": steps, **more}), encoding="utf-8")
    assert read_log(tmp_path).episodes.n_problems == problems


def test_within_a_file_the_name_decides(tmp_path: Path) -> None:
    """The order of choices may be shuffled from epoch to epoch."""
    rows = [{"id": i, "problem": "p", "prompt": str(i), "attempts": [{"correct": True, "decision": "stop"}]} for i in range(3)]
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert read_log(tmp_path).episodes.n_problems == 1


def test_files_of_several_formats_in_one_directory_are_refused_in_one_sentence(tmp_path: Path) -> None:
    _inspect(tmp_path / "a.json", ["2 + 2?"])
    (tmp_path / "b.jsonl").write_text(json.dumps({"task_id": "t", "completion": "", "passed": True}), encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        read_log(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'a.json'} was recognised as Inspect samples, and {tmp_path / 'b.jsonl'} as HumanEval results: name the "
        "files that belong together, or the format of all, --format NAME"
    )


@pytest.mark.parametrize(("shown", "workers"), in_turn(["neither", "the first", "the second", "both"], [1, 2], 1))
def test_it_is_said_where_nobody_can_see_whether_problems_are_the_same(tmp_path: Path, shown: str, workers: int) -> None:
    for file in ("a", "b"):
        more = {"question": "?"} if shown == "both" or ((shown == "the first") == (file == "a") and shown != "neither") else {}
        rows = [json.dumps({"id": i, "attempts": [{"correct": True, "decision": "stop"}], **more}) for i in range(3)]
        (tmp_path / f"{file}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    log = read_log(tmp_path, workers=workers)
    assert log.episodes.n_problems == 3
    found = [note for note in log.reading.notes if "another file" in note]
    assert len(found) == (shown != "both")
    if found:
        assert found[0].startswith("problems that have the name of one in another file (3) count as the same")


def test_ids_that_records_of_two_names_have_are_numbers_of_samples(tmp_path: Path) -> None:
    """Sample 1 of one problem and sample 1 of another were samples of one problem."""
    samples = [{"id": i, "passed": i > 0, "n": 1} for i in range(2)]
    path = tmp_path / "log.json"
    right = [{**one, "passed": True} for one in samples]
    path.write_text(json.dumps({"date": "today", "eval": {"q1": samples, "q2": right}}), encoding="utf-8")
    log = read_log(path)
    assert log.episodes.problem_ids == ("q1", "q2")
    assert [log.episodes.correct[log.episodes.problem == i].tolist() for i in (0, 1)] == [[False, True], [True, True]]


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
@pytest.mark.parametrize("asked", ["question", "task", "target"])
def test_rows_of_attempts_show_what_they_ask_in_every_format(tmp_path: Path, kind: str, asked: str) -> None:
    """In CSV and Parquet eight problems were four, and a note said that the files do not show what they ask."""
    for name, first in (("a", 0), ("b", 4), ("c", 4)):
        rows = [{"id": i // 2, "round": i % 2, "correct": i % 2 == 1, "decision": ["resample", "stop"][i % 2],
                 asked: (first + i // 2) / 2} for i in range(8)]  # fmt: skip
        path, table = tmp_path / f"{name}.{kind}", pd.DataFrame(rows)
        if kind == "csv":
            table.to_csv(path, index=False)
        elif kind == "parquet":
            table.to_parquet(path)
        else:
            table.to_json(path, orient="records", lines=kind == "jsonl")
    a, b, c = (tmp_path / f"{name}.{kind}" for name in "abc")
    apart, same = read_log(a, b), read_log(b, c)
    assert (apart.episodes.n_problems, same.episodes.n_problems) == (8, 4)
    assert [note[:71] for note in apart.reading.notes] == [
        "problems that have the name of one in another file and ask something el"
    ]
    assert not same.reading.notes


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("nested", [False, True])
def test_it_is_said_where_records_of_one_name_in_a_file_ask_different_things(tmp_path: Path, kind: str, nested: bool) -> None:
    """Two runs of six problems each in one file, numbered from 0 in both, were six problems without a word."""
    rows = [{"problem_id": i % 6, "question": f"Q{i % 12}", "correct": i % 12 < 6} for i in range(48)]
    if nested:
        rows = [{"id": i, "problem": row["problem_id"], "question": row["question"], "round": 0, "decision": "stop",
                 "correct": row["correct"]} for i, row in enumerate(rows)]  # fmt: skip
    path, table = tmp_path / f"log.{kind}", pd.DataFrame(rows)
    if kind == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True)
    said, told = read_log(path), read_log(path, fields={"problem": "question"})
    assert (said.episodes.n_problems, told.episodes.n_problems) == (6, 12)
    (note,) = [note for note in said.reading.notes if "name the same problem" in note]
    assert "differ in question" in note
    assert note.endswith("--field problem=question tells them apart")
    assert not [note for note in told.reading.notes if "name the same problem" in note]

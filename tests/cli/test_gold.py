"""Right answers in another file: joined by an id or a prompt, and whoever has none is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dstheory.anatomy import read_log
from dstheory.errors import RecordError
from dstheory.readers.grading import grader_name

TEXTS = [
    {"id": 0, "text": "It is $$\\boxed{4}$$"},
    {"id": 1, "text": "$$\\boxed{5}$$ Wait, $$\\boxed{7}$$"},
    {"id": 2, "text": "$$\\boxed{1/2}$$ Wait, $$\\boxed{5}$$</s>"},
]
ANSWERS = {0: "4", 1: "7", 2: "0.5"}


def _lines(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def _gold(folder: Path, form: str, key: str = "id") -> Path:
    rows = [{key: name, "answer": value} for name, value in ANSWERS.items()]
    path = folder / f"gold.{form}"
    if form == "jsonl":
        return _lines(path, rows)
    if form == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif form == "map.json":
        path.write_text(json.dumps({str(name): value for name, value in ANSWERS.items()}, indent=1), encoding="utf-8")
    elif form == "csv":
        path.write_text(f"{key},answer\n" + "".join(f"{row[key]},{row['answer']}\n" for row in rows), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("form", ["jsonl", "json", "map.json", "csv", "parquet"])
def test_answers_are_joined_by_id_whatever_the_file(tmp_path: Path, form: str) -> None:
    log = read_log(_lines(tmp_path / "log.jsonl", TEXTS), gold=_gold(tmp_path, form))
    assert log.episodes.correct.tolist() == [True, False, True, True, False]
    assert log.episodes.ended_by_stop.all()
    (sentence,) = log.reading.read_as
    source = tmp_path / f"gold.{form}"
    assert sentence == f"one text per record, answers checked by {grader_name()}, right answers from {source} by id"
    assert log.reading.faults == {}


def test_ids_may_have_other_names(tmp_path: Path) -> None:
    log = read_log(_lines(tmp_path / "log.jsonl", TEXTS), gold=_gold(tmp_path, "csv", "problem_id"))
    assert log.episodes.correct.sum() == 3


def test_several_samples_of_a_problem_and_joining_by_the_prompt(tmp_path: Path) -> None:
    rows = [{"prompt": f"What is  {i // 3} + 1?\n", "pred": str(i // 3 + i % 3)} for i in range(12)]
    solved = [{"question": f"What is {i} + 1?", "solution": f"It is \\boxed{{{i + 1}}}."} for i in range(4)]
    gold = _lines(tmp_path / "gold.jsonl", solved)
    log = read_log(_lines(tmp_path / "log.jsonl", rows), gold=gold)
    assert (log.episodes.correct.tolist(), log.episodes.n_problems) == ([False, True, False] * 4, 4)


def test_conversations_and_fields_of_other_names(tmp_path: Path) -> None:
    said = [[{"role": "user", "content": "?"}, {"role": "assistant", "content": f"It is {i}."}] for i in range(3)]
    chats = [{"id": i, "messages": messages} for i, messages in enumerate(said)]
    gold = _lines(tmp_path / "gold.jsonl", [{"id": i, "key": i} for i in range(3)])
    assert read_log(_lines(tmp_path / "a.jsonl", chats), gold=gold).episodes.correct.all()
    rows = [{"idx": i, "mine": str(i)} for i in range(3)]
    log = read_log(_lines(tmp_path / "b.jsonl", rows), gold=gold, fields={"answer": "mine", "gold": "key"})
    assert log.episodes.correct.all()


def test_who_has_no_answer_is_counted(dstheory, tmp_path: Path) -> None:
    path = _lines(tmp_path / "log.jsonl", [*TEXTS, {"id": 9, "text": "4"}, {"text": "4"}])
    gold = _lines(tmp_path / "gold.jsonl", [{"id": i, "gold": v} for i, v in [*ANSWERS.items(), (77, "1"), (78, "1")]])
    log = read_log(path, gold=gold)
    assert log.reading.faults == {"no-gold": 2}
    assert log.reading.examples["no-gold"][0] == f"{path}: line 4: id is 9: {gold} has no answer for it"
    assert f"answers in {gold} to no record of the log: 2 of 5" in log.reading.notes
    ran = dstheory("anatomy", path, "--gold", gold, "--out", tmp_path / "out")
    assert ran.code == 1
    assert "2 of 5 records were unusable (40 %), more than --max-unusable 0.05" in ran.err
    assert "2 no right answer in the file of answers; first:" in ran.out
    assert dstheory("anatomy", "inspect", path, "--gold", gold).code == 0


@pytest.mark.parametrize(("rows", "why"), [
    ([{"id": 0, "gold": "4"}, {"id": 0, "gold": "5"}, {"id": 1, "gold": "7"}],
     "several different answers to 1 of 2 values of id, first '0': each must have one"),
    ([{"id": "a", "gold": "4"}],
     "no record of {log} finds its answer in {gold}: they are joined by an id (id, problem_id, example_id, ..."),
    ([{"id": 0, "gold": "4"}, {"id": 1}],
     "no gold in 1 of 2 records: name the key of the answer with --field gold=KEY; there are id"),
    ([{"id": 0, "one": "4", "two": "5"}], "no answer in 1 of 1 record: name the key of the answer with --field gold=KEY"),
    ([3], "must hold one object (or row) for each answer"),
])  # fmt: skip
def test_files_of_answers_that_do_not_do(tmp_path: Path, rows: list[Any], why: str) -> None:
    log, gold = _lines(tmp_path / "log.jsonl", TEXTS), _lines(tmp_path / "gold.jsonl", rows)
    with pytest.raises(RecordError) as caught:
        read_log(log, gold=gold)
    assert why.format(log=log, gold=gold) in str(caught.value)


def test_the_same_answer_twice_is_one_answer(tmp_path: Path) -> None:
    gold = _lines(tmp_path / "gold.jsonl", [{"id": i, "gold": v} for i, v in ANSWERS.items()] * 2)
    assert read_log(_lines(tmp_path / "log.jsonl", TEXTS), gold=gold).reading.faults == {}


def test_a_log_without_any_text_is_refused(tmp_path: Path) -> None:
    path = _lines(tmp_path / "log.jsonl", [{"id": 0, "seconds": 3}])
    with pytest.raises(RecordError, match="no text or answer is found that they would be compared with: name it, --field"):
        read_log(path, gold=_gold(tmp_path, "csv"))


def test_a_followed_log_has_its_answers_in_it(dstheory, tmp_path: Path) -> None:
    ran = dstheory("anatomy", _lines(tmp_path / "log.jsonl", TEXTS), "--gold", _gold(tmp_path, "csv"), "--follow")
    assert (ran.code, "leave out --gold" in ran.err) == (2, True)


def test_several_files_read_side_by_side_share_the_answers(tmp_path: Path) -> None:
    paths = [_lines(tmp_path / f"log{i}.jsonl", [record]) for i, record in enumerate(TEXTS[:2])]
    logs = [read_log(*paths, gold=_gold(tmp_path, "csv"), workers=workers) for workers in (1, 2)]
    for log in logs:
        assert log.episodes.correct.tolist() == [True, False, True]
        assert f"answers in {tmp_path / 'gold.csv'} to no record of the log: 1 of 3" in log.reading.notes

"""Every format of logs is recognised by its keys and gives the numbers that were written into it; wrong options are refused."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dstheory.anatomy import from_frame, from_records, read_log
from dstheory.errors import DSTheoryError, FileFormatError, RecordError
from dstheory.readers import batches
from dstheory.readers.answers import Game
from dstheory.readers.formats import Format, formats, recognise
from dstheory.readers.records import Verdicts, decision_word
from dstheory.readers.rollouts import _Rollouts

ROOT = Path(__file__).resolve().parents[2]


def _lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def _parquet(**columns: Any) -> bytes:
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held)
    return held.getvalue()


def _zip(**members: Any) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("header.json", json.dumps({"status": "success"}))
        for name, value in members.items():
            archive.writestr(f"samples/{name}.json", json.dumps(value))
    return held.getvalue()


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _sample(i: int, epoch: int, value: Any) -> dict[str, Any]:
    scores = {} if value is None else {"match": {"value": value, "answer": "4"}}
    output = {"model": "m", "choices": [{"message": {"role": "assistant", "content": "4"}}]}
    return {"id": i, "epoch": epoch, "target": " 4" if i == 1 else "5", "scores": scores, "output": output}


# name of the format -> name of the file, what is in it, right answers, attempts, problems
CASES: dict[str, tuple[str, bytes, int, int, int]] = {
    "lm-eval": ("a.jsonl", _lines(*(
        {"doc_id": i // 2, "resps": [["4"]], "filtered_resps": ["4"], "filter": "none", "exact_match": float(i > 1)}
        for i in range(5)
    )), 3, 5, 3),
    "verifiers": ("a.jsonl", _lines(*(
        {"example_id": i // 3, "completion": _said("x"), "reward": 1.2 * (i > 0), "correct_answer_reward_func": float(i > 0)}
        for i in range(4)
    )), 3, 4, 2),
    "inspect": ("a.eval", _zip(x1=_sample(1, 1, "C"), x2=_sample(1, 2, "I"), x3=_sample(2, 1, "N")), 1, 3, 2),
    "inspect-unscored": ("a.json", json.dumps({"samples": [_sample(i, 1, None) for i in (1, 2)]}, indent=1).encode(), 1, 2, 2),
    "sample-lists": ("a.jsonl", _lines(
        {"idx": 0, "gt": "4", "pred": ["4", "4", "5"], "score": [True, True, False]},
        {"idx": 1, "gt": "4", "pred": ["4"], "score": [True]},
    ), 3, 4, 2),
    "tree-of-thought": ("a.json", json.dumps([
        {"idx": 7, "ys": ["a", "b", "c"], "infos": [{"r": 0}, {"r": 1}, {"r": 0}]}, {"idx": 8, "ys": ["d"], "infos": [{"r": 0}]}
    ]).encode(), 1, 4, 2),
    "answers": ("a.jsonl", _lines(
        {"answer": "\\boxed{\\frac{\\sqrt{3}}{3}}", "gold": "3"}, {"answer": "The answer is (B)", "gold": "B"},
        {"answer": 4, "gold": 4}, {"answer": "", "gold": "4"},
    ), 2, 4, 4),
    "human-eval": ("a.jsonl", _lines(*({"task_id": f"t/{i}", "completion": "", "passed": i != 1} for i in range(4))), 3, 4, 4),
    "generations": ("a.jsonl", _lines(
        {"id": 1, "prompt": "p", "raw_generation": "<think>", "correct": False, "truncated": True},
        {"id": 2, "prompt": "p", "raw_generation": "<answer>4</answer>", "correct": True, "truncated": False},
        {"id": 3, "prompt": "q", "raw_generation": "no", "correct": False, "truncated": False},
    ), 1, 3, 2),
    "prompts": ("a.parquet", _parquet(
        step=[1, 1, 1, 2], prompt=["x", "x", "y", "y"], completion=["a"] * 4, format_reward=[1.0, 1.0, 1.0, 1.0],
        accuracy_reward=[1.0, 0.0, 0.0, 0.0], advantage=[0.7, -0.7, 0.0, 0.0],
    ), 1, 4, 2),
    "prompt-messages": ("a.parquet", _parquet(
        step=[1, 1, 1], prompt=[[{"role": "user", "content": "q"}]] * 3, completion=[_said("a")] * 3, my_reward=[1.0, 1.0, 0.0],
    ), 2, 3, 1),
    "verl": ("a.jsonl", _lines(*(
        {"input": "p", "output": "x", "gts": "4", "score": 1.0 if i else -1.0, "acc": bool(i), "step": 3} for i in range(3)
    )), 2, 3, 1),
    "openrlhf": ("a.jsonl", _lines(*({"input": f"p{i}", "output": "x", "reward": i % 2} for i in range(5))), 2, 5, 5),
    "turns": ("a.jsonl", _lines(
        {"problem_id": "p", "turns": [
            {"is_correct": False, "evaluator_signal": "continue"}, {"is_correct": True, "evaluator_signal": "stop"}]},
        {"problem_id": "q", "turns": [{"is_correct": True, "evaluator_signal": "stop"}]},
    ), 2, 3, 2),
    "turn-signals": ("a.jsonl", _lines(
        {"id": 1, "problem": "p", "turns": [
            {"is_correct": False, "signal": "continue"}, {"is_correct": False, "signal": "stop"}]},
        {"id": 2, "problem": "p", "turns": [{"is_correct": True, "signal": "stop"}]},
    ), 1, 3, 1),
    "turn-rows": ("a.csv", b'problem_id,turn,accuracy,text\np,1,0,"a\nb"\np,2,0,x\np,3,1,x\nq,1,1,x\n', 2, 4, 2),
    "draft-final": ("a.jsonl", _lines(*(
        {"example_id": i, "score": i > 1, "extra": {"gold": "7", "intermediate_steps": [{"draft": "7"}, {"draft": "6"}]}}
        for i in range(3)
    )), 4, 6, 3),
    "baseline-comparison": ("a.csv", b"question,baseline_score,comparison_score\nx,0,1\nx,1,1\ny,0,0\n", 3, 6, 2),
    "turns-only": ("a.jsonl", _lines(*(
        {"problem_id": i // 2, "turns": [{"is_correct": i > 0}, {"is_correct": False}, {"is_correct": True}]} for i in range(3)
    )), 5, 9, 2),
    "transcripts": ("a.jsonl", _lines(
        {"id": 1, "gold": "4", "transcript": "It is 5. Wait, it is 4"},
        {"id": 2, "gold": "4", "transcript": "It is 4"}), 2, 3, 2),
    "countdown-transcripts": ("a.jsonl", _lines(
        {"id": 1, "numbers": [2, 3, 4], "target": 24, "transcript": "2 + 3 + 4. No: 2 * 3 * 4"}), 1, 2, 1),
    "reflexion": ("a.jsonl", _lines(*(
        {"task_id": f"t/{i}", "prompt": "p", "is_solved": i > 1, "reflections": ["no"] * i, "solution": ""} for i in range(5)
    )), 3, 5, 5),
    "tau-bench": ("a.json", json.dumps([
        {"task_id": i // 3, "trial": i % 3, "reward": float(i == 1), "traj": _said("x"), "info": {"reward_info": {"reward": 9}}}
        for i in range(5)
    ]).encode(), 1, 5, 2),
    "evalplus": ("a.json", json.dumps({"date": "x", "eval": {
        f"t/{i}": [{"task_id": f"t/{i}", "solution": "", "base_status": said} for said in ("pass", "fail", "pass")[: i + 1]]
        for i in range(3)}}).encode(), 4, 6, 3),
    "evalscope": ("a.jsonl", _lines(*(
        {"index": i, "target": "4", "messages": _said("4"),
         "sample_score": {"group_id": i // 2, "score": {"value": {"acc": float(i < 2)}, "extracted_prediction": "4"}}}
        for i in range(5)
    )), 2, 5, 3),
    "livecodebench": ("a.json", json.dumps([
        {"question_id": f"{i}", "difficulty": "easy", "code_list": ["x"] * i, "graded_list": [True] * i, "pass@1": 1.0}
        for i in (1, 2)] + [{"question_id": "3", "code_list": ["x"], "graded_list": [False], "pass@1": 0.0}]).encode(), 3, 4, 3),
    "distilled": ("a.jsonl", _lines(*(
        {"problem": "p", "uuid": name, "answer": "4", "generations": ["a", "b"], "correctness_math_verify": [True, name == "x"],
         "correctness_count": 2, "is_reasoning_complete": [True, False]} for name in ("x", "y")
    )), 3, 4, 2),
    "bigcodebench": ("a.json", json.dumps({"date": "x", "eval": {
        f"t/{i}": [{"task_id": f"t/{i}", "solution": "", "status": said} for said in ("pass", "timeout", "fail")[: i + 1]]
        for i in range(3)}}).encode(), 3, 6, 3),
    "nemo-gym": ("a.jsonl", _lines(*(
        {"_ng_task_index": i // 2, "responses_create_params": {"input": _said("q")}, "response": {"output": []},
         "reward": float(i == 1)} for i in range(5)
    )), 1, 5, 3),
    "prompt-responses": ("a.jsonl", _lines(*(
        {"prompt": f"p{i // 2}", "response": "x", "reward": float(i == 1), "format_reward": 1, "label": "4"} for i in range(5)
    )), 1, 5, 3),
    "reasoning-gym": ("a.json", json.dumps({"name": "gcd", "category": "c", "config": {"size": 2}, "results": [
        {"question": name, "expected_answer": "4", "best_score": 1.0, "mean_score": 0.5,
         "completions": [{"model_answer": "4", "score": 1.0}, {"model_answer": None, "score": float(name == "x")}]}
        for name in "xy"]}).encode(), 3, 4, 2),
    "graded": ("a.csv", b"question,correct,model\nx,1,m\nx,0,m\ny,0,m\n", 1, 3, 2),
}  # fmt: skip


def test_every_format_has_a_case() -> None:
    assert set(CASES) == {format.name for format in formats()}


@pytest.mark.parametrize("name", CASES)
def test_formats_are_read_without_options(tmp_path: Path, name: str) -> None:
    file, content, right, attempts, problems = CASES[name]
    path = tmp_path / file
    path.write_bytes(content)
    log = read_log(path)
    assert (int(log.episodes.correct.sum()), len(log.episodes.correct), log.episodes.n_problems) == (right, attempts, problems)
    (sentence,) = log.reading.read_as
    title = next(format.title for format in formats() if format.name == name)
    assert sentence.startswith(f"{title}: ")
    assert f"read as {sentence}" in log.reading.lines()
    assert read_log(path, format=name).episodes.correct.tolist() == log.episodes.correct.tolist()
    assert log.reading.unusable == 0


@pytest.mark.parametrize("key", ["correct", "is_correct", "is_right", "correctness", "symbolic_correct", "is_solved",
                                 "is_success", "solved", "pass", "passed", "resolved"])  # fmt: skip
def test_what_says_whether_an_answer_is_right_has_several_names(tmp_path: Path, key: str) -> None:
    rows = [{"question": "x" if i < 3 else "y", key: i in (0, 1, 4), "success": True} for i in range(5)]
    log = read_log(_written(tmp_path, *rows))
    assert (log.episodes.correct.tolist(), log.episodes.n_problems) == ([True, True, False, False, True], 2)


def test_a_list_of_verdicts_is_a_rollout_each_where_that_is_said(tmp_path: Path) -> None:
    """The remedy was one for numbers."""
    path = _written(tmp_path, *({"problem": name, "is_correct": [True, False]} for name in "xy"))
    with pytest.raises(RecordError, match=r"is_correct is \[.*\], neither right nor wrong: if each of its entries is"):
        read_log(path)
    log = read_log(path, fields={"correct": "is_correct[]"})
    assert (log.episodes.correct.tolist(), log.episodes.n_problems) == ([True, False, True, False], 2)


def test_rollouts_of_nemo_gym_without_a_number_are_of_the_problem_that_they_were_asked(tmp_path: Path) -> None:
    asked = [{"input": _said(f"q{i // 2}")} for i in range(5)]
    rows = [{"responses_create_params": one, "response": {}, "reward": float(i == 1)} for i, one in enumerate(asked)]
    log = read_log(_written(tmp_path, *rows))
    assert (int(log.episodes.correct.sum()), log.episodes.n_problems) == (1, 3)


def test_older_samples_of_lm_evaluation_harness_have_no_filter(tmp_path: Path) -> None:
    rows = [{"doc_id": i, "resps": [["4"]], "filtered_resps": ["4"], "exact_match": float(i == 2)} for i in range(4)]
    log = read_log(_written(tmp_path, *rows))
    assert log.episodes.correct.tolist() == [False, False, True, False]


def test_samples_of_a_tree_of_thought_log_may_be_graded_in_one_list(tmp_path: Path) -> None:
    rows = [{"idx": 7, "ys": ["a", "b", "c"], "accs": [False, True, True]}, {"idx": 8, "ys": ["d"], "accs": [False]}]
    log = read_log(_written(tmp_path, rows, name="a.json"))
    assert (log.episodes.correct.tolist(), log.episodes.n_problems) == ([False, True, True, False], 2)


@pytest.mark.parametrize("right", ["correct", "Right", "yes", "passed", "PASS"])
def test_words_of_graders_are_understood(tmp_path: Path, right: str) -> None:
    wrong = {"correct": "incorrect", "Right": "Wrong", "yes": "no", "passed": "failed", "PASS": "FAIL"}[right]
    path = _written(tmp_path, *({"question": i, "verdict": right if i == 1 else wrong} for i in range(4)))
    assert read_log(path, fields={"correct": "verdict"}).episodes.correct.tolist() == [False, True, False, False]
    assert read_log(path, correct=f"{right}=false,{wrong}=true", fields={"correct": "verdict"}).episodes.correct.sum() == 3
    table = tmp_path / "a.csv"
    table.write_text(f"id,correct,decision\na,{wrong},resample\na,{right},stop\nb,{wrong},stop\n")
    assert read_log(table).episodes.correct.tolist() == [False, True, False]


# ---------------------------------------------------------------------- what was read wrong without a word


@pytest.mark.parametrize("options", [{}, {"decided_by": "model"}])
def test_a_cap_by_another_name_is_no_stop(tmp_path: Path, options: dict[str, str]) -> None:
    """Two records ended wrong at the third of three turns, where nothing could be decided; one stopped, wrong, at the second."""
    path = tmp_path / "a.csv"
    ends = {"a": "000", "b": "000", "c": "00", "d": "01", "e": "1"}
    rows = [f"{name},{turn},3,{said}" for name, all_said in ends.items() for turn, said in enumerate(all_said)]
    path.write_text("\n".join(["problem_id,turn,max_turns,accuracy", *rows, ""]))
    log = read_log(path, **options)
    counts = log.episodes.counts()
    assert (counts.decided_correct.item(), counts.decided_wrong.item()) == (2, 7)
    assert "the most attempts from max_turns" in next(iter(log.reading.read_as))
    own = [{"id": i, "max_attempts": 2, "attempts": [{"correct": 0, "decision": "resample"}, {"correct": i, "decision": None}]}
           for i in range(2)]  # fmt: skip
    assert read_log(_written(tmp_path, *own)).reading.unusable == 0


def test_records_in_a_list_of_a_document_are_records(tmp_path: Path) -> None:
    """They were taken for samples of one problem: the interval of p for a hundred problems, and a pass@k, were those of one."""
    results = [{"qid": f"q{i // 2}", "ok": i % 3 == 0, "turns": [{"good": 0}, {"good": i % 2}]} for i in range(8)]
    document = {"summary": {"n": 8}, "tags": ["a"], "results": results}
    for text in (json.dumps(document, indent=1), json.dumps(document)):
        path = tmp_path / "a.json"
        path.write_text(text)
        for place in ("results[].ok", "ok"):
            log = read_log(path, fields={"correct": place})
            assert (int(log.episodes.correct.sum()), len(log.episodes), log.episodes.n_problems) == (3, 8, 4)
            (sentence,) = log.reading.read_as
            assert "problems from qid, records from results[]" in sentence
        both = read_log(path, fields={"correct": "good", "attempts": "results[].turns"}, decided_by="model")
        assert (both.episodes.attempts.tolist(), int(both.episodes.correct.sum())) == ([2] * 8, 4)
        where = read_log(path, fields={"correct": "results[].ok"}, where={"results[].qid": "q1"})
        assert where.episodes.problem_ids == ("q1",)
    two = {**document, "tasks": [{"id": 1, "ok": True}]}
    path.write_text(json.dumps(two))
    assert read_log(path, fields={"correct": "results[].ok"}).episodes.n_problems == 4
    with pytest.raises(RecordError, match=r"is in no known format: its records have .*results\[\].qid"):
        read_log(path)
    one = {"question": "2 + 2?", "tries": [{"ok": True}, {"ok": False}]}
    path.write_text(json.dumps(one))
    assert read_log(path, fields={"correct": "tries[].ok"}).episodes.n_problems == 1


def test_records_in_an_object_by_their_names_are_records(tmp_path: Path) -> None:
    grades = {f"q{i}": {"ok": i % 3 == 0, "cost": 1} for i in range(7)}
    path = tmp_path / "a.json"
    for document, where in (({"model": {"name": "m"}, "by_id": grades}, "by_id{}"), (grades, "{}")):
        path.write_text(json.dumps(document))
        log = read_log(path, fields={"correct": "ok"})
        assert (log.episodes.correct.tolist(), log.episodes.problem_ids) == ([i % 3 == 0 for i in range(7)], tuple(grades))
        assert next(iter(log.reading.read_as)).endswith(f"problems from id, records from {where}")
    path.write_text(json.dumps({"before": {"ok": 1, "n": 3}, "after": {"ok": 0, "n": 4}}))
    assert read_log(path, fields={"correct": "before.ok"}).episodes.correct.tolist() == [True]
    both = [{"task_id": "t", "solution": "", "base_status": "pass", "plus_status": said} for said in ("pass", "fail")]
    path.write_text(json.dumps({"eval": {"t": both, "u": both}}))
    with pytest.raises(RecordError, match="plus_status says wrong and base_status says right: choose which to believe"):
        read_log(path)
    assert read_log(path, fields={"correct": "plus_status"}).episodes.correct.tolist() == [True, False, True, False]


def test_a_list_of_names_is_no_name_of_a_problem(tmp_path: Path) -> None:
    path = _written(tmp_path, {"a": [{"q": 1, "ok": 1}, {"q": 2, "ok": 0}]}, {"a": [{"q": 3, "ok": 1}]})
    with pytest.raises(RecordError, match=r"a\[\].q is a list of names: what names the problem must be one value in each record"):
        read_log(path, fields={"correct": "a[].ok", "problem": "a[].q"})


@pytest.mark.parametrize("key", ["task_id", "problem_id", "question", "id"])
def test_rollouts_of_one_problem_are_not_problems_of_their_own(tmp_path: Path, key: str) -> None:
    rows = [{key: f"t{i // 4}", "reward": float(i % 4 == 0)} for i in range(8)]
    log = read_log(_written(tmp_path, *rows), fields={"correct": "reward"})
    assert log.episodes.n_problems == 2
    assert next(iter(log.reading.read_as)).endswith(f"correctness from reward, problems from {key}")
    assert read_log(_written(tmp_path, *rows), fields={"correct": "reward", "id": key}).episodes.n_problems == 2


def test_rows_that_may_be_attempts_in_turn_are_said_to_be_read_by_themselves(tmp_path: Path) -> None:
    rows = [{"question_id": f"q{i}", "attempt": k + 1, "is_correct": k == i} for i in range(3) for k in range(i + 1)]
    path = _written(tmp_path, *rows)
    (note,) = read_log(path).reading.notes
    assert "say --reader table --field id=question_id --field round=attempt" in note
    fields = {"id": "question_id", "round": "attempt", "correct": "is_correct"}
    assert read_log(path, reader="table", fields=fields).episodes.attempts.tolist() == [1, 2, 3]
    always = [{**row, "attempt": 1} for row in rows]
    assert not read_log(_written(tmp_path, *always)).reading.notes


def test_answers_in_other_words_are_checked(tmp_path: Path) -> None:
    rows = [{"q": i, "truth": "1/2", "said": said} for i, said in enumerate(["0.5", "2", "\\frac12", "12"])]
    path, fields = _written(tmp_path, *rows), {"answer": "said", "gold": "truth", "problem": "q"}
    assert read_log(path, fields=fields, checker="final-answer").episodes.correct.tolist() == [True, False, True, False]
    lists = _written(tmp_path, *({"q": i, "truth": "4", "said": ["4"]} for i in range(3)))
    with pytest.raises(RecordError, match=r"said is a list: name one of its entries, said\[0\]"):
        read_log(lists, fields=fields, checker="final-answer")
    assert read_log(lists, fields={**fields, "answer": "said[0]"}, checker="final-answer").episodes.correct.all()


# ---------------------------------------------------------------------- one shot


def test_one_shot_logs_have_no_decisions(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(CASES["human-eval"][1])
    counts = read_log(path).episodes.counts()
    assert (counts.decided_correct.item(), counts.decided_wrong.item()) == (0, 0)


# ---------------------------------------------------------------------- declarations


def _written(tmp_path: Path, *records: Any, name: str = "a.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(_lines(*records))
    return path


def test_places_words_and_thresholds(tmp_path: Path) -> None:
    deep = _written(tmp_path, *({"q": {"name": "x"}, "out": [{"grade": g}]} for g in "CIIC"))
    log = read_log(deep, fields={"correct": "out[0].grade", "problem": "q.name"}, correct="C=true,I=false")
    assert (log.episodes.correct.tolist(), log.episodes.n_problems) == ([True, False, False, True], 1)
    rewards = _written(tmp_path, *({"q": i, "r": r} for i, r in enumerate([0.2, 1, 1.3])))
    assert read_log(rewards, correct="r>=1").episodes.correct.tolist() == [False, True, True]
    lists = _written(tmp_path, {"q": "x", "s": [0, 1, 1]}, {"q": "y", "s": [1]})
    log = read_log(lists, fields={"correct": "s[]", "problem": "q"})
    assert (log.episodes.correct.tolist(), log.episodes.problem.tolist()) == ([False, True, True, True], [0, 0, 0, 1])


def test_attempts_deep_in_a_record_with_other_words(tmp_path: Path) -> None:
    steps = [{"ok": "no", "then": "continue"}, {"ok": "yes", "then": "done"}]
    path = _written(tmp_path, {"run": {"key": 3, "steps": steps}}, {"run": {"key": 4, "steps": steps[1:]}})
    fields = {"id": "run.key", "attempts": "run.steps", "correct": "ok", "decision": "then"}
    log = read_log(path, fields=fields, correct="yes=true,no=false", decision="continue=resample,done=stop")
    assert (log.episodes.correct.tolist(), log.episodes.stopped.tolist()) == ([False, True, True], [False, True, True])


def test_a_name_in_a_table_stays_as_it_is_written(tmp_path: Path) -> None:
    """007 is not 7, and chapter 1.10 not 1.1, also where rows are rollouts, in other words, or joined with right answers."""
    file, gold = tmp_path / "log.csv", tmp_path / "gold.csv"
    file.write_text("problem,correct\n007,1\n7,0\n07,0\n1.10,1\n1.1,1\n")
    assert read_log(file).episodes.n_problems == 5
    file.write_text("id,correct,decision\n07,0,go\n07,1,end\n7,1,end\n")
    assert read_log(file, decision="go=resample,end=stop").episodes.n_problems == 2
    file.write_text("id,text\n007,It is 4.\n7,It is 5.\n008,It is 6.\n")
    for rows in ("id,answer\n007,4\n7,5\n008,7\n", "id,answer\n008,7\n7,5\n007,4\n"):
        gold.write_text(rows)
        assert read_log(file, gold=gold).episodes.correct.tolist() == [True, True, False]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize(("cells", "asked", "found"), [
    (["007", "7", "07"], "007", [0]),
    (["007", "7", "07"], "7", [1]),
    (["1.10", "1.1", "1.100"], "1.10", [0]),
    (["1e3", "1000", "1000.0"], "1e3", [0]),
    (["1e3", "1000", "1000.0"], "1000", [1]),
    (["True", "False", "TRUE"], "True", [0, 2]),
    (["True", "False", "TRUE"], "true", [0, 2]),
    (["", "a", "NA"], "a", [1]),
    (["2026-01-01", "2026-01-02", "2026-01-01"], "2026-01-01", [0, 2]),
])  # fmt: skip
def test_cells_that_choose_records_are_compared_as_they_are_written(
    tmp_path: Path, suffix: str, cells: list[str], asked: str, found: list[int]
) -> None:
    file, comma = tmp_path / f"log.{suffix}", "," if suffix == "csv" else "\t"
    for head, after in (("problem,correct,split", ["1"] * 3), ("id,decision,correct,split", ["stop,1"] * 3)):
        rows = [f"p{i},{more},{cell}" for i, (cell, more) in enumerate(zip(cells, after, strict=True))]
        file.write_text("\n".join([head, *rows, ""]).replace(",", comma))
        for reader in ("auto", "rollouts") if head.startswith("problem") else ("auto",):
            assert read_log(file, reader=reader, where={"split": asked}).episodes.problem_ids == tuple(f"p{i}" for i in found)
        with pytest.raises(RecordError, match="no record has split=b: there are split="):
            read_log(file, where={"split": "b"})


def test_a_column_that_chooses_and_is_read_for_its_values_is_still_read(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("problem,correct\na,1\nb,0\nc,1\n")
    assert read_log(file, where={"correct": "1"}).episodes.problem_ids == ("a", "c")
    file.write_text("id,correct,decision,cap\na,0,go,2\na,1,end,2\nb,1,end,3\n")
    assert read_log(file, decision="go=resample,end=stop", where={"cap": "2"}).episodes.attempts.tolist() == [2]


EMPTY = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>", "n/a", "#N/A", "-nan"]


@pytest.mark.parametrize("word", [*EMPTY, "none", "NONE", "Null", "-", "0", "x"])
def test_a_cell_is_empty_however_a_table_is_read(tmp_path: Path, word: str) -> None:
    """The words are those of pandas, by which most such tables are written."""
    file = tmp_path / "log.csv"
    empty = bool(pd.read_csv(io.StringIO(f'a,b\n1,"{word}"\n'))["b"].isna().all())
    for decision, rule in (("stop", ()), ("end", "end=stop")):  # the table itself, and its rows in other words
        file.write_text(f"id,problem,task,correct,decision\nq,{word},{word},1,{decision}\nr,x,y,0,{decision}\n")
        episodes = read_log(file, decision=rule).episodes
        assert episodes.problem_ids == (("q", "x") if empty else tuple(dict.fromkeys([word, "x"])))
        assert episodes.column("task").names == (("y", "(not given)") if empty else (word, "y"))
    file.write_text(f"problem,correct,split\na,1,{word}\nb,0,some\n")
    with pytest.raises(RecordError, match=re.escape(f"there are split={'(nothing)' if empty else word}, split=some")):
        read_log(file, reader="rollouts", where={"split": "other"})


def test_lines_are_a_table(tmp_path: Path) -> None:
    cells = [("a", 0, "resample"), ("a", 1, "stop"), ("b", 1, "stop")]
    rows = [dict(zip(("id", "correct", "decision"), row, strict=True)) for row in cells]
    for path in (_written(tmp_path, *rows), _written(tmp_path, rows, name="a.json")):
        for reader in ("auto", "table"):
            log = read_log(path, reader=reader)
            assert (log.episodes.attempts.tolist(), log.episodes.correct.tolist()) == ([2, 1], [False, True, True])


def test_records_without_ids_are_named_by_their_places(tmp_path: Path) -> None:
    one = {"problem": "x", "attempts": [{"correct": True, "decision": "stop"}]}
    log = read_log(_written(tmp_path, one, one, {**one, "problem": "y"}))
    assert (len(log.episodes), log.episodes.n_problems) == (3, 2)
    again = {**one, "id": 5}
    assert read_log(_written(tmp_path, again, again), fields={"problem": "id"}).episodes.n_problems == 1


def test_where_chooses_and_several_filters_are_refused(tmp_path: Path) -> None:
    one = {"doc_id": 0, "resps": [["4"]], "filter": "strict-match", "exact_match": 0.0}
    path = _written(tmp_path, one, {**one, "filter": "flexible-extract", "exact_match": 1.0})
    with pytest.raises(RecordError, match=r"filter is 'flexible-extract' in some .*choose with --where filter=strict-match"):
        read_log(path)
    assert read_log(path, where={"filter": "flexible-extract"}).episodes.correct.tolist() == [True]
    with pytest.raises(RecordError, match="no record has filter=none: there are filter=strict-match, filter=flexible-extract"):
        read_log(path, where={"filter": "none"})


def test_places_that_say_different_things_are_refused(tmp_path: Path) -> None:
    path = _written(tmp_path, {"prompt": "p", "completion": "c", "acc": 1, "score": 1.0},
                    {"prompt": "p", "completion": "c", "acc": 1, "score": 0.0})  # fmt: skip
    with pytest.raises(RecordError, match=r"line 2: acc says right and score says wrong: choose .* --field correct=acc"):
        read_log(path)
    assert read_log(path, fields={"correct": "score"}).episodes.correct.tolist() == [True, False]
    both = _written(tmp_path, {"prompt": "p", "completion": "c", "math_reward": 1.0, "code_reward": 0.0})
    with pytest.raises(RecordError, match="math_reward and code_reward could each say which attempts are correct"):
        read_log(both)


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        ({"prompt": "p", "completion": "c", "my_score": 1}, "nothing in it says which attempts are correct: .*my_score"),
        ({"prompt": "p", "completion": "c", "score": 0.7}, r"score is 0.7, neither right nor wrong: .*--correct 'score>=NUMBER'"),
        ({"text": "p", "extra": {"gold": 4}}, r"is in no known format: its records have text, extra.gold"),
    ],
)
def test_what_is_not_clear_is_refused_with_the_keys(tmp_path: Path, record: dict[str, Any], rule: str) -> None:
    with pytest.raises(RecordError, match=rule):
        read_log(_written(tmp_path, record))


@pytest.mark.parametrize("record", [{"task_id": 1, "trial": 0, "traj": [{"role": "user"}]}, {"problem": "q"}, {"key": "q"}])
def test_the_value_that_is_no_verdict_is_named(tmp_path: Path, record: dict[str, Any]) -> None:
    """A reward of 0 was called neither right nor wrong, where another was 0.5."""
    key = "reward" if "trial" in record else "correct"
    path = _written(tmp_path, *({**record, key: value} for value in (0, 1, 0.5)))
    with pytest.raises(RecordError, match=f"{key} is 0.5, neither right nor wrong"):
        read_log(path)


def test_a_reward_that_is_none_further_down_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path, *({"input": "p", "output": "c", "reward": 0.5 * (i == 30)} for i in range(40)))
    with pytest.raises(RecordError, match=r"reward is 0.5 in .*line 31, neither right nor wrong"):
        read_log(path)


def test_rollouts_are_no_attempts_of_one_episode(tmp_path: Path) -> None:
    path = _written(tmp_path, *({"prompt": "p", "completion": "c", "correct": i % 2} for i in range(6)))
    with pytest.raises(RecordError, match=r"6 rows have the prompt 'p', and nothing says that they are attempts of one episode"):
        read_log(path, reader="table", fields={"id": "prompt"})
    numbered = _written(tmp_path, *({"prompt": "p", "turn": 1 + i % 2, "correct": 0} for i in range(6)))
    with pytest.raises(RecordError, match="turn is 1 in two rows of one record"):
        read_log(numbered, reader="table", fields={"id": "prompt", "round": "turn"})


def test_a_field_that_no_record_has_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path, {"id": 1, "correct": 1, "grade": "C"})
    with pytest.raises(RecordError, match=r"no record has grad, named as its correct: they have id, correct, grade"):
        read_log(path, fields={"correct": "grad"})
    with pytest.raises(RecordError, match=r"its records have no doc_id; they have id, correct, grade"):
        read_log(path, format="lm-eval")


@pytest.mark.parametrize("rule", ["C", "C=maybe", "__import__('os')", ">=", "score>=x"])
def test_rules_are_read_and_not_evaluated(tmp_path: Path, rule: str) -> None:
    with pytest.raises(RecordError, match="is not a rule: write WORD=true, WORD=false, or KEY>=NUMBER"):
        read_log(tmp_path, correct=rule)


@pytest.mark.parametrize("rule", ["score>=1,acc>=1", "C=true,score>=1", "score>=1,score>=1"])
def test_of_two_rules_none_is_passed_over(tmp_path: Path, rule: str) -> None:
    with pytest.raises(RecordError, match="are two rules: give words, or one KEY>=NUMBER alone"):
        read_log(tmp_path, correct=rule)
    with pytest.raises(RecordError, match="correctness is to be read from acc and from score: leave one of them out"):
        read_log(tmp_path, correct="score>=1", fields={"correct": "acc"})


# ---------------------------------------------------------------------- many files


def test_directories_and_patterns(tmp_path: Path) -> None:
    for i in range(3):
        _written(tmp_path, {"input": "p", "output": "o", "reward": 1}, name=f"{i}.jsonl")
    (tmp_path / "notes.txt").write_text("no log")
    assert len(read_log(tmp_path).episodes) == 3
    assert len(read_log(str(tmp_path / "[01].jsonl")).episodes) == 2
    assert read_log(tmp_path).reading.lines()[0].endswith("(3 files)")
    with pytest.raises(FileFormatError, match="matches no file"):
        read_log(str(tmp_path / "*.csv"))
    _written(tmp_path, {"task_id": "t", "completion": "c", "passed": True}, name="3.jsonl")
    with pytest.raises(
        RecordError, match=r"0.jsonl was recognised as OpenRLHF samples, and .*3.jsonl as HumanEval results: name"
    ):
        read_log(tmp_path)
    (tmp_path / "3.jsonl").write_text('{"results": {"task": 0.5}}')
    with pytest.raises(RecordError, match=r"3.jsonl is in no known format: .* \(found in a directory or by a pattern"):
        read_log(tmp_path)
    _written(tmp_path, {"task_id": "t", "completion": "c", "passed": True}, name="3.jsonl")
    both = read_log(tmp_path / "0.jsonl", tmp_path / "3.jsonl")  # named one by one, they are meant
    assert len(both.episodes) == 2


def test_a_note_of_many_files_is_made_once(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"{i}.csv").write_text("id,round,correct\na,1,0\na,2,1\n")
    of_files, of_problems = read_log(tmp_path).reading.notes
    assert of_files.endswith("(5 files)")
    assert of_problems.startswith("problems that have the name of one in another file (1)")


def test_prompts_and_labels_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long log: what many rows share is named once in a block of lines, not once a row."""
    asked: list[Any] = []
    monkeypatch.setattr(batches, "label_text", lambda value: asked.append(value) or str(value))
    named = _Rollouts._problem
    monkeypatch.setattr(_Rollouts, "_problem", lambda self, value: asked.append(value) or named(self, value))
    rows = [{"prompt": f"{i // 100} + 1?", "completion": "2", "correct": True, "step": i // 500} for i in range(1000)]
    (file := tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    log = read_log(file).episodes
    assert (log.n_problems, log.fields["step"].names) == (10, ("0", "1"))
    assert len(asked) <= 20


def test_progress_counts_the_bytes_of_all_files(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.jsonl").write_text('{"prompt": "x", "completion": "y", "correct": true}\n' * 2 ** (2 - i))
    told: list[tuple[int, int]] = []
    read_log(tmp_path, progress=lambda records, done: told.append((records, done)))
    assert told[-1] == (7, sum(file.stat().st_size for file in tmp_path.iterdir()))
    assert [done for _, done in told] == sorted(done for _, done in told)


def test_broken_zip_files(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    path.write_bytes(_zip())
    with pytest.raises(RecordError, match="its records have status"):
        read_log(path)
    for content in (b"PK\x03\x04", b"PK\x03\x04" + bytes(100), _zip(a={"id": 1})[:-30]):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="cannot be unpacked"):
            read_log(path)


# ---------------------------------------------------------------------- formats of one's own

MINE = """
name = "mine"
title = "my harness"
keys = ["question", "verdict"]

[fields]
problem = ["question"]
correct = ["verdict"]

[correct]
good = true
bad = false
"""


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package, about = tmp_path / "my_log_formats", tmp_path / "my_log_formats-1.0.dist-info"
    package.mkdir()
    about.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.toml").write_text(MINE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-log-formats\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[dstheory.log_formats]\nmine = my_log_formats\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    formats.cache_clear()
    yield
    formats.cache_clear()


@pytest.mark.usefixtures("own_package")
def test_an_installed_package_adds_a_format(tmp_path: Path) -> None:
    path = _written(tmp_path, *({"question": "x", "verdict": v} for v in ("good", "bad", "bad")))
    log = read_log(path)
    assert log.episodes.correct.tolist() == [True, False, False]
    assert list(log.reading.read_as) == ["my harness: one attempt per record, correctness from verdict"]


def test_a_file_is_a_format(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE)
    path = _written(tmp_path, {"question": "x", "verdict": "good"})
    assert read_log(path, format=str(tmp_path / "mine.toml")).episodes.correct.tolist() == [True]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("name = ", "is not TOML"),
        ('name = "x"', "title is missing"),
        ('colour = "red"\n' + MINE, "a format has no 'colour'"),
        (MINE.replace("good = true", 'good = "true"'), r"\[correct\] must say true or false for every word"),
        (MINE + '[decision]\ngo = "on"\n', r"\[decision\] must say resample, stop, submit"),
        (MINE.replace('"verdict"]\n\n', '"verdict["]\n\n'), "is not a place in a record"),
        ('reader = "novel"\n' + MINE, "reader is 'novel': must be one of"),
        ("keys = [4]\n" + MINE.replace("keys", "without"), r"keys is \[4\]: must be a list of texts"),
    ],
)
def test_a_file_that_is_no_format(text: str, rule: str) -> None:
    with pytest.raises(FileFormatError, match=rule):
        Format.parse(text, "mine.toml")


def test_the_page_shows_a_format_that_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "log_formats.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    (record,) = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    format = Format.parse(block, "log_formats.md")
    assert format.matches(json.loads(record))
    (tmp_path / "mine.toml").write_text(block)
    (tmp_path / "a.jsonl").write_text(record)
    assert read_log(tmp_path / "a.jsonl", format=str(tmp_path / "mine.toml")).episodes.correct.tolist() == [True]
    assert recognise([{"nothing": 1}]) is None


def test_a_threshold_that_divides_nothing_is_pointed_out(tmp_path: Path) -> None:
    path = _written(tmp_path, *({"prompt": "p", "completion": "c", "score": i / 10} for i in range(9)))
    (note,) = read_log(path, correct="score>=2").reading.notes
    assert note == "score is never >= 2: look at its values, and at --correct"
    assert read_log(path, correct="score>=0.5").reading.notes == []


@pytest.mark.parametrize(("reader", "part"), [("records", "attempts"), ("rollouts", "correct"), ("conversation", "messages")])
def test_a_reader_says_what_it_misses(tmp_path: Path, reader: str, part: str) -> None:
    path = _written(tmp_path, {"id": 1, "outcome": {"grade": 1}})
    with pytest.raises(
        RecordError, match=f"no record has {part}, which the reader {reader} needs: they have id, outcome.grade; name"
    ):
        read_log(path, reader=reader, checker="final-answer")


def test_a_list_that_does_not_fit_loses_the_labels_of_its_own_record_only(tmp_path: Path) -> None:
    good = {"idx": 0, "gt": "4", "pred": ["4", "5"], "score": [True, False]}
    bad = {"idx": 1, "gt": "4", "pred": ["4"], "score": [1, 0]}
    for records in ([good, bad], [bad, good]):
        log = read_log(_written(tmp_path, *records))
        answers = log.episodes.fields["answer"]
        found = [answers.names[code] for code in answers.codes]
        assert sorted(found) == ["(not given)", "(not given)", "4", "5"]
        assert log.reading.notes == ["where pred[] and score[] differ in length, what pred[] holds counts as not given"]


@pytest.mark.parametrize("at", [3, 60])
def test_a_verdict_that_is_no_number_is_missing_wherever_it_stands(tmp_path: Path, at: int) -> None:
    """Among the first twenty rows it was neither right nor wrong, and the log was refused."""
    said = [float(i % 3 == 0) for i in range(100)]
    said[at] = float("nan")
    pq.write_table(pa.table({"problem": [i % 10 for i in range(100)], "correct": said}), tmp_path / "rows.parquet")
    lists = {"idx": range(50), "gt": ["4"] * 50, "pred": [["4", "5"]] * 50, "score": [said[i : i + 2] for i in range(0, 100, 2)]}
    pq.write_table(pa.table(lists), tmp_path / "lists.parquet")
    for name in ("rows", "lists"):
        log = read_log(tmp_path / f"{name}.parquet")
        assert (log.reading.faults, log.episodes.correct.sum(), len(log.episodes)) == ({"correct": 1}, 33, 99)


def test_a_cap_of_separate_answers_is_said_not_to_be_used(tmp_path: Path) -> None:
    rows = [{"id": i // 2, "problem": i // 4, "cap": 2, "correct": i % 3 == 0} for i in range(24)]
    log = read_log(_written(tmp_path, *rows))
    assert len(log.episodes) == 24
    assert log.reading.notes == [
        "cap is not used, since every row is read as a separate answer: if rows of one id are attempts of one episode, say "
        "--reader table"
    ]
    assert len(read_log(_written(tmp_path, *rows), reader="table").episodes) == 12
    assert not read_log(_written(tmp_path, *({**row, "cap": 1} for row in rows))).reading.notes


@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan")])
def test_numbers_beyond_all_others_are_no_verdicts(value: float) -> None:
    assert Verdicts.parse(["C=true"])(value) is None
    assert Verdicts.parse(["nan=false"])(value) is (False if value != value else None)
    assert Verdicts.parse(["score>=1"])(value) is (None if value != value or abs(value) == float("inf") else value > 0)


def test_a_long_value_does_not_make_a_long_message(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"prompt,completion,accuracy\na,b,{'[' * 2000}\n")
    with pytest.raises(RecordError, match="for example --correct 'WORD=true'") as raised:
        read_log(tmp_path / "a.csv")
    assert len(str(raised.value)) < 300 + len(str(tmp_path))


def _fails(answer: str, record: Any) -> bool:
    raise KeyError(answer)


ANSWERS = {
    "one a record": ({"id": 1, "problem": "a", "gold": "4", "answer": "3"}, "answer"),
    "in turn": (
        {"id": 1, "score": 1.0, "extra": {"gold": "4", "intermediate_steps": [{"draft": "3"}, {"draft": "4"}]}},
        "extra.intermediate_steps[].draft",
    ),
}
SAYINGS = {
    "fails": (_fails, "makes the checker fail (KeyError: '3')"),
    "half right": (lambda answer, record: 0.5, "gets '0.5' from the checker: must be True, False, or None for no attempt"),
    "many": (lambda answer, record: np.ones(2), "makes the checker fail (ValueError: The truth value of an array"),
}


@pytest.mark.parametrize(("record", "place"), ANSWERS.values(), ids=list(ANSWERS))
@pytest.mark.parametrize(("checker", "message"), SAYINGS.values(), ids=list(SAYINGS))
def test_a_checker_that_fails_or_says_anything_else_is_refused(
    tmp_path: Path, record: dict[str, Any], place: str, checker: Any, message: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(_lines(record))
    with pytest.raises(RecordError, match=re.escape(f"line 1: {place} {message}")):
        read_log(path, checker=checker, strict=True)


def test_what_a_checker_calls_no_attempt_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(_lines(*({**ANSWERS["one a record"][0], "answer": answer} for answer in ("3", "4", "", "x"))))

    def check(answer: str, record: Any) -> bool | None:
        return None if answer == "x" else answer == record["gold"]

    counted = read_log(path, checker=check)
    assert (counted.reading.unanswered, counted.episodes.correct.tolist()) == (2, [False, True, False, False])
    omitted = read_log(path, checker=check, no_answer="omit")
    assert omitted.episodes.correct.tolist() == [False, True]
    assert [example.split(": answer ")[1] for example in omitted.reading.examples["no-candidate"]] == [
        "is missing or empty: there is no answer", "is not an attempt, says the checker: there is no answer",
    ]  # fmt: skip


def test_a_checkers_file_may_hold_what_a_script_may(tmp_path: Path) -> None:
    """Dataclasses look for their module by its name, and neighbours are found beside it."""
    (tmp_path / "a_neighbour_of_checks.py").write_text("WANTED = '3'\n")
    (tmp_path / "checks.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nimport a_neighbour_of_checks\n\n"
        "@dataclass\nclass Rule:\n    wanted: str = a_neighbour_of_checks.WANTED\n\n"
        "def right(answer, record):\n    return answer == Rule().wanted\n"
    )
    path, before = tmp_path / "a.jsonl", list(sys.path)
    path.write_bytes(_lines(ANSWERS["one a record"][0]))
    assert read_log(path, checker=f"{tmp_path / 'checks.py'}:right").episodes.correct.tolist() == [True]
    assert sys.path == before


MIXED = {
    "empty": [1, "a", None], "wholes": [3.0, "a", 3], "booleans": [True, "a", False], "lists": [1, "a", [1, 2]],
    "huge": [2**70, "a", 1], "no text": ["", 1, "a"], "half a pair": ["\ud800", 1, "a"],
}  # fmt: skip


@pytest.mark.parametrize("cells", MIXED.values(), ids=list(MIXED))
def test_a_frames_cells_of_several_kinds_are_those_of_json_lines(tmp_path: Path, cells: list[Any]) -> None:
    rows = [{"id": f"i{i}", "problem": cell, "correct": True, "decision": "stop"} for i, cell in enumerate(cells)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(_lines(*rows))
    frame = pd.DataFrame(rows, dtype=object)
    in_lines, in_frame = read_log(path, reader="table"), from_frame(frame)
    assert in_frame.episodes.problem_ids == in_lines.episodes.problem_ids
    frame["problem"] = [pd.NA if cell is None else cell for cell in cells]
    assert from_frame(frame).episodes.problem_ids == in_frame.episodes.problem_ids


def test_what_only_a_program_can_give_is_refused_by_a_sentence() -> None:
    rows = {"id": [1, 2], "correct": [True, False], "decision": ["stop", "stop"]}
    twice = pd.DataFrame([[1, 2, True]], columns=["id", "id", "correct"])
    for frame, message in (
        (twice, "the data frame has the column 'id' twice: remove one of them"),
        (pd.DataFrame(rows).assign(problem=pd.interval_range(0, 2)), "column 'problem' has the type extension<pandas.interval"),
    ):
        with pytest.raises(DSTheoryError, match=re.escape(message)):
            from_frame(frame)
    good = {"correct": np.True_, "decision": "resample"}
    for attempts, message in (
        ([good, {"correct": np.ones(2)}], "attempts[1].correct is a ndarray: must be true or false (or 1 or 0)"),
        ([good, {"correct": pd.NA}], "attempts[1].correct is a NAType: must be true or false (or 1 or 0)"),
        (np.array([good]), "attempts is a ndarray: must be a list with at least one attempt"),
    ):
        with pytest.raises(RecordError, match=re.escape(message)):
            from_records([{"id": 1, "attempts": attempts}], strict=True)


@pytest.mark.parametrize(("answer", "gold", "right"), [
    (1234567.0, "1234567", True), (1234567.0, "1234570", False), (12345.678, "12345.678", True), (-7654321, "-7654321", True),
    (0.5, "1/2", True), (4.0, "4", True), (1e6, "1000000", True),
])  # fmt: skip
def test_numbers_that_are_answers_in_turn_are_compared_with_all_of_their_digits(
    tmp_path: Path, answer: float, gold: str, right: bool
) -> None:
    """Six of them were: 1234567 was not itself, but 1234570."""
    steps = [{"draft": answer}, {"draft": "none"}]
    path = tmp_path / "a.jsonl"
    path.write_bytes(_lines({"id": 1, "score": 1.0, "extra": {"gold": gold, "intermediate_steps": steps}}))
    assert read_log(path).episodes.correct.tolist() == [right, True]


@pytest.mark.parametrize(("answer", "gold", "right"), [
    (0.01, "0.01", True), (685.445, "685.445", True), (0.01, "0.02", False), (2.0**-13, "0.0001220703125", True),
])  # fmt: skip
def test_answers_in_turn_in_a_column_of_single_precision_have_its_digits(
    tmp_path: Path, answer: float, gold: str, right: bool
) -> None:
    """With all digits that a double has, 0.01 was 0.009999999776482582, and wrong."""
    steps = pa.array([[{"draft": answer}, {"draft": 0.0}]], pa.list_(pa.struct([("draft", pa.float32())])))
    extra = pa.StructArray.from_arrays([pa.array([gold]), steps], ["gold", "intermediate_steps"])
    pq.write_table(pa.table({"id": [1], "score": [1.0], "extra": extra}), tmp_path / "a.parquet")
    assert read_log(tmp_path / "a.parquet").episodes.correct.tolist() == [right, True]


def test_large_numbers_are_words_with_all_of_their_digits() -> None:
    """In a table 1000000 was the word 1000000; in JSON it was 1e+06."""
    for number in (1000000, 1000000.0, 123456789):
        assert Verdicts.parse([f"{number:.0f}=true"])(number) is True
        assert decision_word(number, {f"{number:.0f}": "stop"}) == "stop"
    assert Verdicts.parse(["1000001=true"])(1000002) is None
    assert Verdicts.parse(["score>=1234567.5"]).rule == " >= 1234567.5"


def test_numbers_of_numpy_are_the_labels_names_and_numbers_that_python_has() -> None:
    """One half of NumPy's was the label and the problem np.float64(0.5), another than one half of Python's."""
    half, steps = (np.float64(0.5), 0.5), [(False, "resample"), (True, "stop")]
    attempts = [{"correct": correct, "decision": decision} for correct, decision in steps]
    found = from_records([{"id": i, "problem": one, "cap": 2, "task": one, "attempts": attempts} for i, one in enumerate(half)])
    assert found.episodes.fields["task"].names == ("0.5",)
    assert found.episodes.problem_ids == ("0.5",)
    assert Game()("0.5 + 2", {"numbers": [np.float64(0.5), 2], "target": np.float64(2.5)})

"""Logs that are written while training: whole records or none, one file per rank, and nothing twice after resuming."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from dstheory.anatomy import read_log, record_schema
from dstheory.anatomy.callback import RolloutLog, recorded
from dstheory.errors import RecordError

ROOT = Path(__file__).resolve().parents[2]


def accuracy(prompts: list[Any], completions: list[Any], gold: list[str], **_: Any) -> list[float | None]:
    return [None if right == "?" else float(said == right) for said, right in zip(completions, gold, strict=True)]


def given(step: int, answers: str, gold: str, **more: Any) -> dict[str, Any]:
    prompts = [f"question {i // 2}" for i in range(len(answers))]
    state = SimpleNamespace(global_step=step)
    return {"prompts": prompts, "completions": list(answers), "gold": list(gold), "trainer_state": state, **more}


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_wrapped_reward_function_does_as_it_did_and_is_written_down(tmp_path: Path) -> None:
    log = RolloutLog(tmp_path, model="m", rank=3)
    reward = recorded(accuracy, log, labels=["gold"])
    assert reward.__name__ == "accuracy"
    assert reward(**given(0, "abcd", "ab?x")) == [1.0, 1.0, None, 0.0]
    assert reward(**given(1, "ab", "xb")) == [0.0, 1.0]
    found = records(tmp_path / "rollouts-00003.jsonl")
    assert [record["id"] for record in found] == ["3-0", "3-1", "3-2", "3-3", "3-4"]
    assert found[2] == {
        "id": "3-2", "problem": "question 1", "model": "m", "cap": 1, "step": 0, "reward": 0.0, "gold": "x",
        "attempts": [{"correct": False, "decision": None}],
    }  # fmt: skip
    for record in found:
        jsonschema.validate(record, record_schema())
    episodes = read_log(tmp_path).episodes
    assert (int(episodes.correct.sum()), len(episodes), episodes.n_problems) == (3, 5, 2)
    assert episodes.fields["step"].names == ("0", "1")
    assert not any(name.split(".")[0] in ("trl", "torch", "transformers") for name in sys.modules)


def test_async_functions_objects_and_thresholds(tmp_path: Path) -> None:
    class Judge:
        def __call__(self, completions: list[str], **_: Any) -> list[float]:
            return [len(said) / 4 for said in completions]

    async def later(completions: list[str], **_: Any) -> list[float]:
        await asyncio.sleep(0)
        return [2.0 * (said == "a") - 1 for said in completions]

    log = RolloutLog(tmp_path, rank=0)
    wrapped = recorded(Judge(), log, correct=0.5)
    assert wrapped.__name__ == "Judge"
    wrapped(prompts=["x"] * 3, completions=["a", "ab", "abcd"])
    asyncio.run(recorded(later, log, correct=lambda reward: reward > 0)(prompts=["y"] * 2, completions=["a", "b"]))
    assert [record["attempts"][0]["correct"] for record in records(log.path)] == [False, True, True, True, False]


def test_attempts_within_a_response(tmp_path: Path) -> None:
    """A model that says WAIT and tries again within its response."""

    def attempts(text: str, row: dict[str, Any]) -> list[tuple[bool, str | None]]:
        said = text.split(" WAIT ")
        return [(one == row["gold"], "resample" if i + 1 < len(said) else "stop") for i, one in enumerate(said)]

    log = RolloutLog(tmp_path, rank=0)
    reward = recorded(lambda completions, **_: [1.0] * len(completions), log, attempts=attempts, cap=5)
    talk = [{"role": "assistant", "content": "7 WAIT 4"}]
    reward(prompts=["2+2", "3+3"], completions=[talk, "6"], gold=["4", "6"])
    (row,) = [read_log(tmp_path).episodes.counts()]
    assert (row.resample_wrong.item(), row.stop_correct.item(), row.attempts.item()) == (1, 2, 3)


def test_half_a_line_of_a_killed_process_is_cut_off(tmp_path: Path) -> None:
    first = RolloutLog(tmp_path, rank=0)
    first.add("x", [(True, None)], cap=1, step=0)
    first.close()
    with first.path.open("a") as file:
        file.write('{"id": "0-1", "probl')
    with RolloutLog(tmp_path, rank=0) as again:
        again.add("y", [(False, None)], cap=1, step=1)
    assert [(record["id"], record["problem"]) for record in records(first.path)] == [("0-0", "x"), ("0-1", "y")]


def test_resuming_from_a_checkpoint_counts_no_step_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in range(3):  # one more than there will be
        with RolloutLog(tmp_path, rank=rank) as log:
            for step in range(4):
                log.add(f"before {rank}", [(True, None)], cap=1, step=step)
    for rank in range(2):
        with RolloutLog(tmp_path, rank=rank) as log:
            with pytest.warns(UserWarning, match="2 records from step 2 on, of a run that was given up, moved to"):
                log.add(f"after {rank}", [(False, None)], cap=1, step=2)
            log.add(f"after {rank}", [(False, None)], cap=1, step=2)
            log.add(f"after {rank}", [(False, None)], cap=1, step=3)
            log.close()  # in the same run: nothing is given up
            log.add(f"after {rank}", [(False, None)], cap=1, step=3)
    for rank in range(3):
        path = tmp_path / f"rollouts-0000{rank}.jsonl"
        kept = [(record["problem"], record["step"]) for record in records(path)]
        after = [(f"after {rank}", step) for step in (2, 2, 3, 3)] if rank < 2 else []
        assert kept == [(f"before {rank}", 0), (f"before {rank}", 1), *after]
        assert [record["step"] for record in records(Path(f"{path}.abandoned"))] == [2, 3]
        assert len({record["id"] for record in records(path)}) == len(kept)
    assert len(read_log(tmp_path).episodes) == 14  # what was given up is not read


def test_evaluations_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    class Trainer:
        model = SimpleNamespace(training=False)

        def log_metric(self) -> None: ...

    log = RolloutLog(tmp_path, rank=0)
    told = given(5, "ab", "ab", log_metric=Trainer().log_metric)
    recorded(accuracy, log)(**told)
    assert not log.path.exists()
    recorded(accuracy, log, evaluation=True)(**told)
    assert [record["split"] for record in records(log.path)] == ["eval", "eval"]


def test_what_cannot_be_written_is_said_and_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RolloutLog(tmp_path, rank=0)
    with pytest.warns(UserWarning, match="the dataset has no column 'level': it has prompts, completions, gold"):
        assert recorded(accuracy, log, labels=["level"])(**given(0, "ab", "ab")) == [1.0, 1.0]
    with pytest.warns(UserWarning, match="rollouts were not written .* ZeroDivisionError"):
        recorded(accuracy, log, attempts=lambda text, row: [(bool(1 / 0), None)])(**given(0, "ab", "ab"))
    reward = recorded(accuracy, log)
    reward(**given(0, "ab", "ab"))
    size, write = log.path.stat().st_size, os.write

    def full(file: int, data: bytes) -> int:
        if len(data) > 20:
            return write(file, data[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", lambda file, data: full(file, data))
    with pytest.warns(UserWarning, match="No space left on device: no more rollouts are written to this log"):
        reward(**given(1, "ab", "ab"))
    monkeypatch.undo()
    assert reward(**given(2, "ab", "ab")) == [1.0, 1.0]
    assert log.path.stat().st_size == size  # nothing of the record that did not fit


def test_two_processes_do_not_write_to_one_file(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with RolloutLog(tmp_path, rank=0) as log:
        log.add("x", [(True, None)], cap=1)
        code = f"from dstheory.anatomy.callback import RolloutLog; RolloutLog({str(tmp_path)!r}).add('y', [(True, None)])"
        other = {name: value for name, value in os.environ.items() if name != "RANK"}
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                             env={**other, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert "another process is writing to it (ranks must differ): no more rollouts are written to this log" in ran.stderr
    assert [record["problem"] for record in records(log.path)] == ["x"]


@pytest.mark.parametrize(("record", "why"), [
    ({"attempts": []}, "has no attempts"),
    ({"attempts": [(0.5, None)]}, "attempt 0 of x is 0.5, None: must be true or false"),
    ({"attempts": [(True, "stop"), (True, "stop")]}, "attempt 0 of x is followed by another after 'stop'"),
    ({"attempts": [(True, None)] * 2, "cap": 1}, "has 2 attempts and the cap 1"),
])  # fmt: skip
def test_records_that_no_reader_would_take(tmp_path: Path, record: dict[str, Any], why: str) -> None:
    log = RolloutLog(tmp_path, rank=0)
    with pytest.raises(RecordError, match=why):
        log.add_all([{"problem": "good", "attempts": [(True, None)]}, {"problem": "x", **record}])
    assert not log.path.exists()


def test_ranks_and_long_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "12")
    with RolloutLog(tmp_path) as log:
        log.add("why? " * 100, [(True, None)], cap=1)
        log.add("why? " * 100, [(False, None)], cap=1)
    assert log.path.name == "rollouts-00012.jsonl"
    assert len(records(log.path)[0]["problem"]) < 90
    assert read_log(tmp_path).episodes.n_problems == 1
    with pytest.raises(RecordError, match="rank is '-1': must be a whole number, 0 for the first process"):
        RolloutLog(tmp_path, rank=-1)

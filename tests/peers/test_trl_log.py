"""The log that is written while TRL's own GRPOTrainer trains: every rollout once, p as TRL counts it, also after resuming."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from peers.test_trl import needs_trl

from dstheory.anatomy import measure, read_log
from dstheory.anatomy.callback import RolloutLog, recorded

STEPS = 4


def reward_a(completions: list[str], **_: Any) -> list[float]:
    """Right if the response holds the letter a."""
    return [float("a" in text) for text in completions]


def train(where: Path, log: RolloutLog, steps: int, *, resume: bool = False) -> Any:
    from datasets import Dataset
    from peers.trl_models import COMMON, model, tokenizer
    from trl import GRPOConfig, GRPOTrainer

    settings = {
        **COMMON, "output_dir": str(where), "seed": 3, "num_generations": 4, "max_completion_length": 9, "max_steps": steps,
        "save_strategy": "steps", "save_steps": 2, "logging_strategy": "steps", "logging_steps": 1,
    }  # fmt: skip
    prompts = Dataset.from_dict({"prompt": ["c d", "e f", "a b c", "d e"], "task": ["x", "x", "y", "y"]})
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        trainer = GRPOTrainer(
            model=model(3), reward_funcs=recorded(reward_a, log, labels=["task"]), args=GRPOConfig(**settings),
            train_dataset=prompts, processing_class=tokenizer(),
        )  # fmt: skip
        trainer.train(resume_from_checkpoint=resume)
    return trainer


def rows(log: RolloutLog) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]


@needs_trl
@pytest.mark.filterwarnings("ignore")
def test_every_rollout_is_written_once_and_p_is_what_trl_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    log = RolloutLog(tmp_path / "logs", model="tiny", rank=0)
    trainer = train(tmp_path / "trained", log, STEPS)
    log.close()
    found = rows(log)
    assert [row["step"] for row in found] == [step for step in range(STEPS) for _ in range(8)]
    said = [entry["rewards/reward_a/mean"] for entry in trainer.state.log_history if "rewards/reward_a/mean" in entry]
    episodes = read_log(tmp_path / "logs").episodes
    measured = {row.labels[0]: row.p.value for row in measure(episodes, "step")}
    assert [measured[str(step)] for step in range(STEPS)] == pytest.approx(said)
    assert len({row["id"] for row in found}) == 8 * STEPS
    assert {row["task"] for row in found} == {"x", "y"}

    again = RolloutLog(tmp_path / "logs", model="tiny", rank=0)  # from the checkpoint of step 2, as if killed in step 3
    (tmp_path / "trained" / "checkpoint-4").rename(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="16 records from step 2 on, of a run that was given up, moved to"):
        train(tmp_path / "trained", again, STEPS + 1, resume=True)
    after = rows(again)
    assert [row["step"] for row in after] == [step for step in range(STEPS + 1) for _ in range(8)]
    assert after[:16] == found[:16]
    assert len({row["id"] for row in after}) == len(after)

"""The page on writing logs is true: its Python is Python, and what can run here runs and writes what is read."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dstheory.anatomy import read_log

PAGE = (Path(__file__).parents[1] / "docs" / "write_logs.md").read_text(encoding="utf-8")
BLOCKS = {
    part.split("\n")[0]: part.split("```python\n")[1].split("```")[0] for part in PAGE.split("\n## ")[1:] if "```python" in part
}


def test_every_trainer_has_its_part() -> None:
    assert re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE) == ["TRL", "verl", "OpenRLHF", "Plain PyTorch"]
    for name, block in BLOCKS.items():
        compile(block, name, "exec")


def test_trl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}

    class GRPOTrainer:
        def __init__(self, **settings: Any) -> None:
            made.update(settings)

        def train(self, **_: Any) -> None:
            columns = {"prompts": ["a", "b"], "completions": ["1", "2"], "question_id": [7, 8], "task": ["x", "y"]}
            made["reward_funcs"][0](**columns)

    exec(BLOCKS["TRL"], {
        "GRPOTrainer": GRPOTrainer, "dataset": [], "format_reward": None, "accuracy_reward": lambda **columns: [0.0, 1.0]
    })  # fmt: skip
    episodes = read_log("logs").episodes
    assert (episodes.problem_ids, episodes.correct.tolist()) == (("7", "8"), [False, True])


def test_openrlhf_and_plain_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(tensor=lambda values, dtype: values, float=float))
    space: dict[str, Any] = {}
    exec(BLOCKS["OpenRLHF"], space)
    assert space["reward_func"](["2+2=4", "2+2=5"], ["2+2=", "2+2="], ["4", "4"])["rewards"] == [True, False]
    space["log"].close()
    episodes = read_log("logs").episodes
    assert (episodes.n_problems, episodes.correct.tolist()) == (1, [True, False])
    space["log"].path.unlink()
    exec(BLOCKS["Plain PyTorch"], {"batches": [("q", [True, False]), ("r", [True, True])]})
    log = read_log("logs")
    assert (len(log.episodes), log.episodes.fields["step"].names, log.reading.unusable) == (6, ("0", "1"), 0)

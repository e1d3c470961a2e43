"""docs/anatomy.md says what is true: its code runs, its options exist, its numbers are those that the experiments give."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

import pytest

from dstheory.anatomy import record_schema
from dstheory.anatomy.logs import CHECKERS, READERS
from dstheory.anatomy.transcripts.segment import SEGMENTERS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "anatomy.md").read_text(encoding="utf-8")
# Rollouts that nobody here wrote, kept beside the repository and not in it.
ROLLOUTS = Path(os.environ.get("DSTHEORY_ROLLOUTS", ROOT.parent / "shared" / "data"))


def test_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(block, "anatomy.md", "exec"), {})
    assert capsys.readouterr().out.startswith("2 records read, 2 used\n('easy',) 0.333")


def test_options_and_choices_exist() -> None:
    options: set[str] = set()
    for name in ("report", "generate", "export_chain", "schema"):
        command = importlib.import_module(f"dstheory.cli.anatomy.{name}").command
        options |= {flag for parameter in command.params for flag in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - {"--data", "--mdp"}
    assert len(named) > 10
    assert named <= options, named - options
    for words in (CHECKERS, SEGMENTERS):
        assert all(f"`{word}`" in PAGE for word in words)
    assert {"conversation", "transcript", "table"} <= set(READERS)
    keys = set(record_schema()["properties"])
    table = PAGE.split("| key | needed | meaning |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if "|" in row))) == keys


def test_files_named_exist() -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


@pytest.mark.parametrize("name", ["self-verification", "countdown-transcripts"])
def test_numbers_on_real_logs_are_those_of_the_experiments(name: str, tmp_path: Path) -> None:
    from dstheory.experiments import find_experiments, run_experiments

    block = PAGE.split(f"<!-- caption: {name} -->\n```\n")[1].split("\n```")[0]
    file = {"self-verification": "game24_selfverify.jsonl", "countdown-transcripts": "countdown_transcripts.jsonl"}[name]
    if not (ROLLOUTS / file).is_file():
        pytest.skip(f"the recorded episodes are not there: {file} belongs into shared/data beside the repository")
    (outcome,) = run_experiments(find_experiments([name]), tmp_path / "out", jobs=1, data=ROLLOUTS)
    assert outcome.status == "done", outcome.reason
    assert [line for line in outcome.caption.splitlines() if not line.startswith("Note: ")] == block.splitlines()

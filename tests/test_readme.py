"""The README says what is true: its code runs, its claim ids exist with the verdict that it states, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dstheory import Policy, TwoStageMDP, split_gain, train
from dstheory.cli.main import COMMANDS
from dstheory.dynamics import SGD
from dstheory.objectives import Reinforce

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLAIM_FILE = (ROOT / "examples" / "my_claim.py").read_text(encoding="utf-8")


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_no_placeholder_is_left() -> None:
    assert not re.findall(r"^[A-Z_]{6,}$", README, flags=re.MULTILINE)


@pytest.mark.parametrize("block", [b for b in python_blocks() if "Claim(" not in b])
def test_code_runs(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})


def test_the_claim_shown_is_the_example_file() -> None:
    (shown,) = [b for b in python_blocks() if "Claim(" in b]
    assert shown.strip() == CLAIM_FILE.strip()


def test_commands_named_exist() -> None:
    prose = re.sub(r"```python\n.*?```", "", README, flags=re.DOTALL)
    named = set(re.findall(r"(?<!import )dstheory ([a-z]+)(?= |`|$|\n)", prose))
    assert named
    assert named <= set(COMMANDS)


def recorded() -> dict[str, str]:
    """Return the recorded verdict of every claim, read from the proof files' text: importing them costs seconds."""
    out: dict[str, str] = {}
    for path in sorted((ROOT / "proofs").glob("*.py")):
        for body in path.read_text(encoding="utf-8").split("Claim(")[1:]:
            name = re.search(r'id="([^"]+)"', body)
            if name:
                out[name[1]] = body
    return out


def test_claim_ids_in_the_table_exist() -> None:
    table = README.split("## The source's five claims")[1].split("\n## ")[0]
    named = set(re.findall(r"\b([A-H]\d+(?:-[a-z]+)?)\b", table))
    assert len(named) > 15
    assert named <= set(recorded())


def test_the_answer_on_arithmetic_is_the_experiments_own() -> None:
    shown = re.findall(r"<!-- (docs/\S+\.txt) -->\n(.*?)<!-- end -->", README, flags=re.DOTALL)
    assert [name for name, _ in shown] == ["docs/arithmetic/caption.txt"]
    for name, text in shown:
        assert text.strip() == (ROOT / name).read_text(encoding="utf-8").strip(), f"paste {name}"


def test_the_share_of_decisions_under_reward_alone_after_so_many_steps() -> None:
    mdp, start = TwoStageMDP.minimal(gamma=0.95), Policy.minimal(p=0.55, a=0.8, b=0.3)
    claimed = re.findall(r"(0\.\d{3})(?: of the gain)? after (\d[\d,]*\d)", README.replace("\n", " "))
    assert [steps for _, steps in claimed] == ["200", "2,000", "20,000", "200,000"]
    for share, steps in claimed:
        trained = train(mdp, start, Reinforce(), steps=int(steps.replace(",", "")), optimizer=SGD(lr=0.05), log_every=10**6)
        assert f"{float(split_gain(mdp, start, trained.policy).decision_share):.3f}" == share


def test_the_number_of_claims() -> None:
    assert f"`dstheory verify`, {len(recorded())} claims;" in README


def test_files_and_figures_named_exist() -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", README):
        assert (ROOT / target).exists(), target

"""The README and the pages it sends readers to say what is true: code runs, claim ids, commands, files and numbers exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dstheory import Policy, TwoStageMDP, enumerate_trajectories, solve, split_gain, train
from dstheory.cli.main import COMMANDS
from dstheory.dynamics import SGD
from dstheory.objectives import SFT, ExpertChain, K2Loss, Reinforce, ReverseKL

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = ("source_claims.md", "library.md", "your_claim.md", "speed.md")
PAGES = {"README.md": README} | {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in NAMES}
SOURCE = PAGES["source_claims.md"]
CLAIM_FILE = (ROOT / "examples" / "my_claim.py").read_text(encoding="utf-8")


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGES[page], flags=re.DOTALL)


def test_a_newcomer_can_read_the_readme_to_the_end() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_no_placeholder_is_left(page: str) -> None:
    assert not re.findall(r"^[A-Z_]{6,}$", PAGES[page], flags=re.MULTILINE)


@pytest.mark.parametrize("block", python_blocks("library.md"))
def test_code_runs(block: str) -> None:
    exec(compile(block, "library.md", "exec"), {})


def test_the_claim_and_the_objective_shown_are_the_example_files() -> None:
    (shown,) = python_blocks("your_claim.md")
    assert shown.strip() == CLAIM_FILE.strip()
    page = (ROOT / "docs" / "your_objective.md").read_text(encoding="utf-8")
    first = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0]
    assert first.strip() == (ROOT / "examples" / "my_objective.py").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("page", PAGES)
def test_commands_named_exist(page: str) -> None:
    prose = re.sub(r"```python\n.*?```", "", PAGES[page], flags=re.DOTALL)
    named = set(re.findall(r"(?<!import )dstheory ([a-z]+)(?= |`|$|\n)", prose))
    assert named <= set(COMMANDS)
    assert named or page == "library.md"


def test_the_prompt_by_hand_is_computed() -> None:
    p, a, b = 0.55, 0.8, 0.3
    right, wrong = p * a, (1 - p) * (1 - b)
    share = f"= {right / (right + wrong):.3f} of all episodes"
    for text in (f"p a = {right:.3f}", f"(1-p)(1-b) = {wrong:.3f}", share, f"here {a / (1 - b):.2f}"):
        assert text in README.replace("\n", " ")
    accuracy = solve(TwoStageMDP.minimal(gamma=1), Policy.minimal(p=p, a=a, b=b)).accuracy.item()
    assert f"submitted right with {accuracy:.3f}" in README


def recorded() -> dict[str, str]:
    """Return the recorded verdict of every claim, read from the proof files' text: importing them costs seconds."""
    out: dict[str, str] = {}
    for path in sorted((ROOT / "proofs").glob("*.py")):
        for body in path.read_text(encoding="utf-8").split("Claim(")[1:]:
            name = re.search(r'id="([^"]+)"', body)
            if name:
                out[name[1]] = body
    return out


@pytest.mark.parametrize("page", ["README.md", "source_claims.md"])
def test_claim_ids_exist_and_loose_readings_are_refuted(page: str) -> None:
    claims, named = recorded(), set(re.findall(r"\b([A-HO]\d+(?:-[a-z]+)?)\b", PAGES[page]))
    assert len(named) > 10
    assert named <= set(claims)
    assert all('recorded="fails"' in claims[name] for name in named if name.endswith("-loose"))
    if page == "README.md":
        assert not any('recorded="fails"' in claims[name] for name in named if not name.endswith("-loose"))
        kernel = json.loads((ROOT / "dstheory" / "coq" / "confirmed.json").read_text(encoding="utf-8"))["claims"]
        methods = [kernel[name]["method"] for name in named]  # tests/coq compare them with the claims
        assert sorted(set(methods)) == ["kernel", "kernel, with Coq's machine integers"]
        assert methods.count("kernel, with Coq's machine integers") == 2


def test_the_coefficients_worked_by_hand_are_those_of_the_objectives() -> None:
    """A right answer and the stop at it, in the one trajectory that is no more than that."""
    rows = re.findall(r"^\| (reward 1|KL in|SFT,)(.*?)\| (.*?) \| (.*?) \| (yes|no) ", SOURCE, flags=re.MULTILINE)
    assert len(rows) == 5
    here, reference = (Policy.minimal(p=p, a=a, b=0.3) for p, a in ((0.55, 0.8), (0.5, 0.7)))
    mdp = TwoStageMDP.minimal(gamma=1.0, max_turns=2, sample_length=64.0)
    expert = ExpertChain(Policy.minimal(p=0.9, a=0.95, b=0.9))
    made = [Reinforce(), K2Loss(reference, beta=1.0), ReverseKL(reference, beta=1.0, length_weight=0.0),
            SFT(expert, length_weight=0.0), SFT(expert, length_weight=0.5)]  # fmt: skip
    solution = solve(mdp, here)
    for (_, _, answer, decision, balanced), objective in zip(rows, made, strict=True):
        drawn = enumerate_trajectories(mdp, objective.behaviour(solution))
        (at,) = [i for i, (turns, right) in enumerate(zip(drawn.turns, drawn.answer[drawn.offsets[:-1]], strict=True))
                 if turns == 1 and right == 0]  # fmt: skip
        step = drawn.offsets[at]
        found = [float(side[step]) for side in objective.coefficients(solution, drawn)]
        shown = [float(re.search(r"-?[\d.]+$", cell)[0]) for cell in (answer, decision)]
        assert found == pytest.approx(shown, abs=5e-4)
        assert (abs(found[0] - found[1]) < 1e-12) == (balanced == "yes")


def test_the_last_line_of_verify_is_that_of_the_recorded_verdicts() -> None:
    bodies = recorded().values()
    fail, conditional = (sum(f'recorded="{word}"' in body for body in bodies) for word in ("fails", "holds under condition"))
    counts = f"{len(bodies) - fail - conditional} hold, {conditional} hold under a condition, {fail} are refuted"
    assert f"`all {len(bodies)} verdicts as recorded: {counts}.`" in README


def test_the_answer_on_arithmetic_is_the_experiments_own() -> None:
    shown = re.findall(r"<!-- (docs/\S+\.txt) -->\n(.*?)<!-- end -->", SOURCE, flags=re.DOTALL)
    assert [name for name, _ in shown] == ["docs/arithmetic/caption.txt"]
    for name, text in shown:
        assert text.strip() == (ROOT / name).read_text(encoding="utf-8").strip(), f"paste {name}"


def test_the_share_of_decisions_under_reward_alone_after_so_many_steps() -> None:
    mdp, start = TwoStageMDP.minimal(gamma=0.95), Policy.minimal(p=0.55, a=0.8, b=0.3)
    claimed = re.findall(r"(0\.\d{3})(?: of the gain)? after (\d[\d,]*\d)", SOURCE.replace("\n", " "))
    assert [steps for _, steps in claimed] == ["200", "2,000", "20,000", "200,000"]
    for share, steps in claimed:
        trained = train(mdp, start, Reinforce(), steps=int(steps.replace(",", "")), optimizer=SGD(lr=0.05), log_every=10**6)
        assert f"{float(split_gain(mdp, start, trained.policy).decision_share):.3f}" == share


def test_the_number_of_claims() -> None:
    assert f"`dstheory verify`, {len(recorded())} claims;" in PAGES["speed.md"]


@pytest.mark.parametrize("page", PAGES)
def test_files_and_figures_named_exist(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", PAGES[page]):
        assert (folder / target).exists(), target

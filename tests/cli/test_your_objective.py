"""docs/your_objective.md says what works: its blocks are run as a reader would run them, in a package of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dstheory.errors import DSTheoryError
from dstheory.objectives import Reinforce, check, load_module, lookup
from dstheory.objectives.registry import GROUP, load_installed

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "your_objective.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = [line for line in PAGE.splitlines() if line.startswith("dstheory ")]


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def test_the_page_does_what_it_says(dstheory, own_objectives, tmp_path: Path) -> None:
    (tmp_path / "my_objective.py").write_text(BLOCKS[0], encoding="utf-8")
    lines = [line for line in BLOCKS[0].split("@register")[1].splitlines() if line.strip()]
    assert len(lines) <= 32, "a class of about thirty lines"
    ran = run("\n".join(BLOCKS[1:]), tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "accuracy minus a price per attempt" in ran.stdout.lower()
    assert len(COMMANDS) == 3
    for command in COMMANDS:
        done = dstheory(*command.split()[1:])
        assert done.code == 0, done.err
        assert "priced-attempts" in done.out
    assert (tmp_path / "priced" / "run.json").exists()


def test_an_installed_package_announces_its_objectives(tmp_path: Path) -> None:
    """A distribution by its metadata alone, as an installer leaves it."""
    (tmp_path / "theirs.py").write_text(BLOCKS[0].replace("priced-attempts", "theirs"), encoding="utf-8")
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\ntheirs = theirs\n", encoding="utf-8")
    ran = run("from dstheory.objectives import lookup; print(lookup('theirs').title)", tmp_path)
    assert ran.stdout.strip() == "accuracy minus a price per attempt", ran.stderr
    (tmp_path / "theirs.py").write_text("1 / 0\n", encoding="utf-8")
    broken = run("from dstheory.objectives import lookup; lookup('theirs')", tmp_path)
    assert "the objectives of the package entry 'theirs' do not import: division by zero" in broken.stderr


def test_files_that_are_no_modules_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DSTheoryError, match=r"nowhere\.py is not a Python file: give the file in which your objective"):
        load_module(tmp_path / "nowhere.py")
    broken = tmp_path / "broken.py"
    broken.write_text("raise KeyError('x')\n", encoding="utf-8")
    for _ in range(2):  # a file that failed is tried again
        with pytest.raises(DSTheoryError, match=r"broken\.py does not import: KeyError: 'x'"):
            load_module(broken)
    assert load_installed() == ()


def test_loading_a_module_registers_once(own_objectives, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BLOCKS[0].replace("priced-attempts", "mine"), encoding="utf-8")
    load_module(file)
    load_module(file)
    assert lookup("mine").__name__ == "PricedAttempts"


class _Wrong(Reinforce):
    name = "wrong"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mass": lambda self, s: None},
         r"wrong, chain 0, tabular policy, 3 turns: mass\(\) returned NoneType: the gradient is missing"),
        ({"mass": lambda self, s: Reinforce().mass(s).scaled(1.001)},
         r"mass\(\) and the sum over every trajectory of coefficients\(\) disagree at sample, \(turn, prompt, answer\) = "),
        ({"mass": lambda self, s: Reinforce().mass(s).scaled(np.nan)},
         r"gradient of wrong at the sampling logits \(turn 0, prompt 0\) is nan: must be finite"),
        ({"value": lambda self, s: 2.0 * s.mean_value}, r"the slope of value\(\) is"),
        ({"mass": lambda self, s: Reinforce().mass(s).scaled(2.0 if s.mdp.max_turns is None else 1.0)},
         "no cap: the closed form and its limit of late caps disagree"),
    ],
)  # fmt: skip
def test_wrong_objectives_are_found_out(change: dict, message: str) -> None:
    wrong = type("Wrong", (_Wrong,), change)
    with pytest.raises(DSTheoryError, match=message):
        check(wrong(), chains=2)


def test_nothing_checked_is_a_failure() -> None:
    from dstheory import Trajectories
    from dstheory.objectives import SFT, Recorded

    with pytest.raises(DSTheoryError, match="chains is 0: must be >= 1, checks without a case prove nothing"):
        check(Reinforce(), chains=0)
    shown = Recorded(Trajectories.record([(0, [(0, "stop")])]))
    with pytest.raises(DSTheoryError, match="no case for the check by sampling: it proves nothing"):
        check(SFT(shown), chains=1)

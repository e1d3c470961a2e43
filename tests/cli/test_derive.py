"""`dstheory derive`: formats, numbers, files, and one clear sentence for everything that is wrong with the input."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest
from symbolic.families import SHOWN, derived

from dstheory.symbolic.objectives import REGISTRY

NUMBERS = "p=0.55,a=0.8,b=0.3,gamma=0.95"


def test_text_by_default(dstheory) -> None:
    ran = dstheory("derive", "reinforce")
    assert ran.code == 0
    assert "dJ/dtheta_s = N*p*(1 - p)*(Q_C - Q_W)" in ran.out
    assert "The coefficients are balanced: c_s = c_d on every turn of every trajectory." in ran.out
    assert ran.err == ""


@pytest.mark.parametrize("spelling", ["KL_Direct", "kl-direct", " KL-DIRECT "])
def test_names_are_read_kindly(dstheory, spelling: str) -> None:
    assert dstheory("derive", spelling, "--json").result["objective"] == "kl-direct"


@pytest.fixture(autouse=True)
def derive_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A derivation that one test asked for is there for the next; what is tested here are the options and the formats."""
    monkeypatch.setattr("dstheory.symbolic.derive", derived)


def test_json_by_flag_and_by_format_are_the_same(dstheory) -> None:
    assert dstheory("derive", "kl-direct", "--json").out == dstheory("derive", "kl-direct", "--format", "json").out


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in SHOWN else pytest.mark.slow) for name in REGISTRY])
def test_json_is_all_there_is_on_stdout(dstheory, name: str) -> None:
    data = dstheory("derive", name, "--json").result
    assert data["objective"] == name
    assert set(data["gradient"]) == {"theta_s", "theta_C", "theta_W"}
    assert {"objective", "title", "definitions", "gradient", "attribution", "assumptions", "steps"} <= set(data)


def test_other_formats(dstheory) -> None:
    latex = dstheory("derive", "sft", "--format", "latex").out
    assert r"\frac{\partial J}{\partial \theta_{s}} &= n_{E} \, w_{s} \, \left(p_{E} - p\right)" in latex
    assert "documentclass" not in latex
    assert "documentclass" in dstheory("derive", "sft", "--format", "latex", "--standalone").out
    mathml = dstheory("derive", "sft", "--format", "mathml").out
    assert ElementTree.fromstring(mathml).tag.endswith("article")
    assert "\\u" not in mathml  # an invisible sign of multiplication is written as XML writes it, which no terminal shows
    namespace: dict = {}
    exec(dstheory("derive", "reinforce", "--format", "python").out, namespace)
    exact = namespace["gradient"](p=Fraction(11, 20), a=Fraction(4, 5), b=Fraction(3, 10), gamma=Fraction(19, 20))
    assert exact["theta_s"] == Fraction(2080, 8649)


def test_numbers(dstheory) -> None:
    data = dstheory("derive", "reinforce", "--numeric", NUMBERS, "--json").result
    assert data["evaluation"]["gradient"]["theta_s"] == {"value": 2080 / 8649, "exact": "2080/8649"}
    assert data["evaluation"]["at"]["p"] == "11/20"
    assert "2080/8649" in dstheory("derive", "reinforce", "--numeric", NUMBERS).out


def test_lengths_from_the_start(dstheory) -> None:
    data = dstheory("derive", "sft", "--length-weight", "1/2", "--answer-length", 64, "--decision-length", 1, "--json").result
    assert data["attribution"]["ratios"][0]["text"] == "8"
    balanced = dstheory("derive", "sft", "--length-weight", 0, "--json").result
    assert balanced["attribution"]["verdict"] == "balanced"


def test_chain_options(dstheory) -> None:
    dropped = dstheory("derive", "reward-to-go", "--discount-per", "stage", "--no-outer-discount", "--json").result
    assert dropped["attribution"]["verdict"] == "balanced up to the discount between the stages"
    assert dropped["attribution"]["ratios"][0]["text"] == "gamma"
    assert dropped["scalar"] == "no"
    three = dstheory("derive", "entropy", "--answers", 3, "--turns", 2, "--json").result
    assert set(three["gradient"]) == {"z_1", "z_2", "z_3", "t_1", "t_2", "t_3"}
    indexed = dstheory("derive", "sft", "--max-turns", 2, "--turn-indexed", "--json").result
    assert indexed["gradient"]["theta_C_t1"]["text"] == "0"
    assert "kappa" in dstheory("derive", "reinforce", "--rewards", "priced").out
    reference = dstheory("derive", "forward-kl", "--states", "reference", "--json").result
    assert reference["scalar"] == "yes"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["rienforce"], 2, "there is no objective 'rienforce': did you mean reinforce or reinforce-pp?"),
        (["xyz"], 2, "known: reinforce, reward-to-go"),
        ([], 2, "Missing argument 'OBJECTIVE'"),
        (["sft", "--format", "pdf"], 2, "'pdf' is not one of"),
        (["sft", "--turns", "0"], 2, "0 is not in the range x>=1"),
        (["sft", "--answers", "1"], 2, "1 is not in the range x>=2"),
        (["sft", "--json", "--format", "text"], 2, "contradict each other"),
        (["sft", "--standalone"], 2, "--standalone is for --format latex"),
        (["sft", "--format", "python", "--numeric", "p=0.5"], 2, "does nothing for --format python"),
        (["sft", "--overwrite"], 2, "name the file"),
        (["sft", "--no-outer-discount"], 2, "is for reward-to-go"),
        (["sft", "--states", "reference"], 2, "is for forward-kl"),
        (["sft", "--per-answer-lengths", "--answer-length", "5"], 2, "leave out --per-answer-lengths"),
        (["sft", "--turn-indexed"], 1, "needs a cap on turns"),
        (["sft", "--length-weight", "1.5"], 2, "lambda = 1.5: must be between 0 and 1"),
        (["sft", "--answer-length", "0"], 2, "l_s = 0: must be at least 1"),
        (["sft", "--decision-length", "one"], 2, "l_d = 'one': is not a number"),
        (["reinforce", "--numeric", "p=2"], 2, "p = 2: must be strictly between 0 and 1"),
        (["reinforce", "--numeric", "p=nan"], 2, "p = 'nan': is not a number"),
        (["reinforce", "--numeric", "p=0.5"], 2, "no value for a, b, gamma"),
        (["reinforce", "--numeric", "p:0.5"], 2, "not of the form name=number"),
        (["reinforce", "--numeric", "pp=0.5"], 2, "did you mean p?"),
        (["reinforce", "--numeric", "p=__import__('os').system('true')"], 2, "is not a number"),
        (["reinforce", "--turns", "40"], 1, "takes at most 16"),
    ],
)
def test_bad_input_gives_one_sentence(dstheory, arguments: list[str], code: int, message: str) -> None:
    ran = dstheory("derive", *arguments)
    assert ran.code == code
    assert message in ran.err
    assert ran.out == ""


def test_output_is_written_whole_or_not_at_all(dstheory, tmp_path: Path) -> None:
    target = tmp_path / "kl.tex"
    ran = dstheory("derive", "kl-direct", "--format", "latex", "--standalone", "--output", target)
    assert ran.code == 0
    assert ran.out == ""
    written = target.read_text(encoding="utf-8")
    assert written == dstheory("derive", "kl-direct", "--format", "latex", "--standalone").out
    refused = dstheory("derive", "sft", "--output", target)
    assert refused.code == 1
    assert "exists already" in refused.err
    assert target.read_text(encoding="utf-8") == written
    assert dstheory("derive", "sft", "--output", target, "--overwrite").code == 0
    assert target.read_text(encoding="utf-8") == dstheory("derive", "sft").out
    assert dstheory("derive", "sft", "--output", tmp_path / "absent" / "x.txt").code == 1
    assert dstheory("derive", "sft", "--numeric", "p=2", "--output", tmp_path / "never.txt").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kl.tex"]


def test_a_cold_process_prints_the_same_and_loads_no_more_than_it_needs(dstheory) -> None:
    """How fast the command starts is decided by what it imports: SymPy, and nothing of the numeric engine."""
    code = (
        "import sys; from dstheory.cli.main import main; sys.argv = ['dstheory', 'derive', 'grpo']\n"
        "try: main()\n"
        "finally: print(*sorted({'numpy', 'scipy', 'numba', 'xarray', 'pyarrow', 'z3', 'matplotlib'} & set(sys.modules)), "
        "*sorted(m for m in sys.modules if m.startswith('dstheory.')), file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONHASHSEED": "4242", "COLUMNS": "1000"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert run.stdout == dstheory("derive", "grpo").out
    assert run.stdout.startswith(REGISTRY["grpo"].title)
    rooms = {name.split(".")[1] if "." in name else name for name in run.stderr.split()}
    own = "_version about cli errors interrupts rational references symbolic texts typeset user_files"
    assert rooms == set(own.split())


def test_help_shows_examples_without_loading_sympy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from dstheory.cli.derive import command; "
        "r = CliRunner().invoke(command, ['--help']); assert 'dstheory derive reinforce' in r.output, r.output; "
        "assert not {'sympy', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""`dstheory verify` as a user meets it: exit codes, formats, selection, messages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from math import log
from pathlib import Path
from xml.etree import ElementTree

import pytest
from answers import result_of
from claims.claim_files import FILES, warm_workers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, scope="module")
def workers_stay_warm():
    with warm_workers():
        yield


@pytest.fixture
def claim_file(tmp_path):
    def write(name: str) -> Path:
        (tmp_path / name).write_text(FILES[name])
        return tmp_path / name

    return write


def test_a_table_and_a_summary(dstheory):
    result = dstheory("verify", "A3", "A3-loose")
    assert result.code == 0
    assert "Resampling helps exactly when a + b > 1" in result.out
    first, accuracy = Fraction(1, 2), Fraction(1, 4) / (Fraction(1, 4) + Fraction(1, 2) * Fraction(2, 3))
    assert accuracy < first
    assert f"witness: p = 1/2, a = 1/2, b = 1/3, where {accuracy} >= {first} is false" in " ".join(result.out.split())
    assert "all 2 verdicts as recorded: 1 holds, 1 is refuted." in result.out
    assert "\n1 verdict as recorded: 1 holds." in dstheory("verify", "A3").out
    assert result.err == ""


def test_method_and_scope_for_which_there_is_no_room_stand_below_the_statement(dstheory, monkeypatch):
    for width, method, scope in ((60, True, True), (80, True, True), (105, True, False), (120, False, False)):
        monkeypatch.setenv("COLUMNS", str(width))
        out = " ".join(dstheory("verify", "A3", "A3-loose").out.split())
        assert out.count("; scope: all p, a, b in (0, 1)") == 2 * scope
        assert out.count("all p, a, b in (0, 1)") == 2
        assert out.count("by decision (z3)") == out.count("by exact evaluation") == method
        assert "Left out" not in out  # how long it took is no loss


@pytest.mark.parametrize("form", [(), ("--plain",), ("--format", "markdown"), ("--format", "latex"), ("--show", "good")])
def test_what_is_assumed_stands_beside_every_verdict(dstheory, claim_file, form):
    """The row said that a claim holds for all p and a, and it holds where a > p."""
    said = dstheory("verify", claim_file("assuming.py"), *form).out
    assert re.search(r"all \$?p, a (in|\\in) \(0, 1\)\$?; assuming \$?a > p|assuming  a > p", said)


def test_conditions_of_steps_are_named_in_a_row_and_printed_by_show(dstheory):
    row = " ".join(dstheory("verify", "B6-share", "--plain").out.split())
    assert "gamma in (0, 1]; steps 2, 6 and 7 under conditions that --show prints" in row
    whole = " ".join(dstheory("verify", "--show", "B6-share").out.split())
    assert "step 6 where F_00 < F_11; step 7 where" in whole
    assert "under conditions that" not in whole


def test_what_balance_is_stands_below_claims_on_coefficients(dstheory):
    said = " ".join(dstheory("verify", "C1").out.split())
    by_hand = [f"log({x}/{r}) = {log(x / r):.3f}" for x, r in ((0.55, 0.5), (0.8, 0.7))]
    assert f"a right answer {by_hand[0]} and the stop at it {by_hand[1]}, where p and a are 0.55 and 0.8" in said
    assert "balanced:" not in dstheory("verify", "A3").out


def test_a_deliberately_false_recorded_verdict_exits_3(dstheory, tmp_path):
    proofs = tmp_path / "proofs"
    proofs.mkdir()
    original = (ROOT / "proofs" / "a2_reflection.py").read_text()
    recorded = 'recorded="fails",\n    witness={"p": "1/2", "a": "1/2", "b": "1/3"},'
    assert original.count(recorded) == 1
    (proofs / "a2_reflection.py").write_text(original.replace(recorded, 'recorded="holds",'))
    result = dstheory("verify", proofs)
    assert result.code == 3
    assert "fails (recorded: holds)" in " ".join(result.out.split())
    assert re.search(r"\n1 of \d+ verdicts NOT as recorded: ", result.out)


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("fine.py", 0, "as recorded: "),
        ("false.py", 3, "fails at the witness: 1/2 > 1/2 is false (p = 1/2, a = 1/2)"),
        ("not_false.py", 3, "holds (recorded: fails)"),
        ("undecided.py", 4, "undecided (recorded: holds)"),
        ("crash.py", 1, "RuntimeError: boom"),
        ("syntax.py", 1, "does not import: SyntaxError"),
        ("empty.py", 1, "defines no claim"),
    ],
)
def test_exit_codes_of_a_users_file(dstheory, claim_file, name, code, message):
    result = dstheory("verify", claim_file(name), "--workers", 1)
    assert result.code == code
    assert message in " ".join(result.out.split())


def test_usage_errors_exit_2(dstheory):
    unknown = dstheory("verify", "B1-lose")
    assert unknown.code == 2
    assert "Did you mean B1-loose" in unknown.err
    assert dstheory("verify", "--format", "yaml").code == 2
    assert dstheory("verify", "--workers", 0).code == 2
    assert dstheory("verify", "--seed", -1).code == 2
    assert dstheory("verify", "A3", "--group", "B").code == 2
    assert dstheory("verify", "--list", "--format", "junit").code == 2


def test_a_missing_file_exits_1(dstheory):
    result = dstheory("verify", "nowhere.py")
    assert result.code == 1
    assert "there is no file nowhere.py" in result.err


@pytest.mark.parametrize("attack", ["__import__('os').system('touch owned')", "A3; touch owned", "lambda: 0"])
def test_strings_on_the_command_line_are_names_and_nothing_else(dstheory, tmp_path, attack):
    assert dstheory("verify", attack).code == 2
    assert not (tmp_path / "owned").exists()


def test_json_is_all_there_is_on_stdout(dstheory):
    result = dstheory("verify", "A3", "B3-loose", "--json", "--seed", 7, "--examples", 10)
    document = result.result
    assert (document["exit_code"], document["seed"]) == (0, 7)
    holds, fails = document["claims"]
    assert (holds["id"], holds["verdict"]["outcome"], holds["as_recorded"]) == ("A3", "holds", True)
    assert fails["verdict"]["witness"] == {"p": "1/2", "a": "1/2", "b": "1/2", "gamma": "1/2"}
    assert set(holds["verdict"]) >= {"status", "method", "scope", "assumptions", "witness", "residual", "seed", "time"}
    assert all(step["words"] and step["formula"] for step in holds["verdict"]["steps"])


def test_junit(dstheory, claim_file):
    result = dstheory("verify", claim_file("false.py"), claim_file("syntax.py"), "--format", "junit")
    suite = ElementTree.fromstring(result.out)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [[child.tag for child in case] for case in suite.iter("testcase")] == [[], ["failure"], ["error"]]


@pytest.mark.parametrize("words", [("--show",), ("A3", "--show"), ("--show", "--list"), ("--show", "")])
def test_show_without_an_id_says_where_the_ids_are(dstheory, words):
    result = dstheory("verify", *words)
    assert result.code == 2
    assert "--show needs the id of a claim, such as --show A3; dstheory verify --list shows all of them" in result.err


def test_show_prints_the_whole_claim(dstheory):
    result = dstheory("verify", "--show", "A3")
    assert result.code == 0
    parts = ("where", "Acc = a*p/(1 - q)", "Proof", "1. ", "-> proved by identity", "-> decided by decision", "Verdict   holds")
    assert all(part in result.out for part in parts)


def test_list_checks_nothing(dstheory):
    result = dstheory("verify", "--list", "--group", "A")
    assert result.code == 0
    assert "A3-loose" in result.out
    assert "B1" not in result.out
    listed = dstheory("verify", "--list", "--json").result["claims"]
    assert all("verdict" not in info and "path" not in info for info in listed)


def test_markdown(dstheory):
    table = dstheory("verify", "A3", "--format", "markdown").out
    assert table.startswith("| id | statement |")
    assert "| A3 | Resampling helps exactly when a + b > 1 | holds |" in table


def test_the_example_file_runs_from_any_directory(tmp_path):
    """The file that the README shows, through the installed command, in a directory without anything."""
    run = subprocess.run(
        [sys.executable, "-m", "dstheory.cli.main", "verify", str(ROOT / "examples" / "my_claim.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "perfect-stop" in run.stdout
    lines = (ROOT / "examples" / "my_claim.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 20


OWN_OBJECTIVE = '''
"""An objective of the user's own: the reward, with the sampling stage counted twice."""
from dataclasses import replace
import sympy as sp
from dstheory.claims import UNIT, Claim, counterexample, identity
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import expected_update

PLAIN = lookup("reinforce")
DOUBLED = replace(PLAIN, name="doubled", coefficients=lambda s, turn: (2 * turn.total, turn.total))  # c_s = 2 G, c_d = G

def proof():
    s = setting()
    once, twice = (expected_update(s, rule) for rule in (PLAIN, DOUBLED))
    theta_s, theta_C, theta_W = twice
    yield identity("Sampling moves twice as fast.", twice[theta_s], 2 * sp.factor(once[theta_s]))
    half = dict.fromkeys(("p", "a", "b", "gamma"), "1/2")
    yield counterexample("Decisions do not.", sp.Eq(twice[theta_C], 2 * once[theta_C]), at=half)

doubled = Claim(id="doubled", statement="Doubling c_s doubles g_s only.", domain={"p a b gamma": UNIT}, proof=proof)
'''


def test_a_claim_about_an_objective_of_the_users_own(dstheory, tmp_path):
    (tmp_path / "own.py").write_text(OWN_OBJECTIVE)
    result = dstheory("verify", tmp_path / "own.py", "--json")
    (claim,) = result.result["claims"]
    assert [step["status"] for step in claim["verdict"]["steps"]] == ["proved", "proved"], claim["verdict"]
    assert result.code == 0


def test_the_layout_of_the_wheel(tmp_path):
    """In a wheel the proofs lie inside the package; verify finds them there, from any directory."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "dstheory", site / "dstheory", ignore=skip)
    shutil.copytree(ROOT / "proofs", site / "dstheory" / "proofs", ignore=skip)
    shutil.copy(ROOT / "REFERENCES.bib", site / "dstheory")
    run = subprocess.run(
        [sys.executable, "-P", "-m", "dstheory.cli.main", "verify", "A3", "--json"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert [claim["id"] for claim in result_of(run.stdout)["claims"]] == ["A3"]


def test_modules_in_the_working_directory_do_not_shadow_the_workers_own(tmp_path):
    (tmp_path / "sympy.py").write_text("raise RuntimeError('shadowed')")
    (tmp_path / "random.py").write_text("raise RuntimeError('shadowed')")
    code = "from dstheory.claims.runner import verify; print(verify('A3', workers=1).exit_code)"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == "0", run.stderr

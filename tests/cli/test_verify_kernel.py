"""`dstheory verify --kernel`: what Coq says of a user's claims, and what is said when it refuses or cannot be asked.

A script stands in for Coq's compiler here; what Coq itself says is tested in tests/coq (slow profile).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from claims.claim_files import warm_workers

CLAIMS = """
from hypothesis import strategies as st
from sympy import symbols
from dstheory.claims import UNIT, Claim, decide, search

p, a = symbols("p a")
CLAIMS = [
    Claim(id="small", statement="p a < p.", domain={"p a": UNIT}, proof=[decide("It is.", p * a < p)]),
    Claim(id="other", statement="p < 1.", domain={"p": UNIT}, proof=[decide("Yes.", p < 1)]),
    Claim(id="mixed", statement="p < 2.", domain={"p": UNIT}, recorded="not refuted",
          proof=[decide("Yes.", p < 2), search("Tried.", lambda n: n >= 0, n=st.integers(0, 9))]),
]
"""
COQC = """#!{python}
import pathlib, re, sys
path = pathlib.Path(sys.argv[-1])
text = path.read_text()
if "Print Assumptions" in text:
    for place in re.findall(r"Print Assumptions together(\\d+)", text):
        print(f"GROUP {{place}}.", "{axioms}", sep="\\n")
for number, line in enumerate(text.splitlines(), 1):
    if line.startswith("Theorem {refused} "):
        sys.stderr.write(f'File "./{{path}}", line {{number + 4}}, characters 0-7:\\nError: No applicable tactic.\\n')
        sys.exit(1)
"""


@pytest.fixture(autouse=True, scope="module")
def workers_stay_warm():
    with warm_workers():
        yield


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(CLAIMS)
    return path


def coqc(tmp_path: Path, refused: str = "nothing", axioms: str = "Closed under the global context") -> str:
    path = tmp_path / "coqc"
    path.write_text(COQC.format(python=sys.executable, refused=refused, axioms=axioms))
    path.chmod(0o755)
    return str(path)


def test_what_is_confirmed_and_what_cannot_be_exported(dstheory, claims, tmp_path):
    result = dstheory("verify", claims, "--kernel", "--coqc", coqc(tmp_path), "--format", "markdown")
    assert result.code == 0
    assert result.out.count("decision (z3), kernel") == 2
    assert "Coq confirms 2 of 3 claims, refuses 0; not exported whole, or not confirmed over real numbers: 1." in result.err
    assert (
        "mixed: not checked by the kernel: step 2 (search) is not exported: a search over examples proves nothing" in result.err
    )


def test_a_proof_that_is_refused_is_told_with_its_place(dstheory, claims, tmp_path):
    result = dstheory("verify", claims, "--kernel", "--coqc", coqc(tmp_path, refused="small_step1"), "--format", "markdown")
    assert result.code == 3
    assert "decision (z3), not confirmed by the kernel" in result.out
    place = r"small: not confirmed by the kernel: small_step1, line "
    assert place in result.err
    assert "of claims_user.v: Error: No applicable tactic." in result.err
    assert "Coq confirms 1 of 3 claims, refuses 1" in result.err


def test_an_axiom_beyond_the_documented_ones_is_refused(dstheory, claims, tmp_path):
    compiler = coqc(tmp_path, axioms="Axioms:\\nmagic : False")
    result = dstheory("verify", claims, "--kernel", "--coqc", compiler, "--format", "markdown")
    assert result.code == 3
    assert "small: not confirmed by the kernel: it assumes magic" in result.err


def test_an_export_says_step_by_step_what_is_missing(dstheory, claims, tmp_path):
    result = dstheory("verify", claims, "--export", "coq", tmp_path / "theorems")
    assert result.code == 0
    assert "2 of 3 claims exported whole" in result.out
    assert "mixed: step 2 (search) is not exported: a search over examples proves nothing" in result.out


def test_a_directory_that_coq_has_checked_is_exported_to_again(dstheory, claims, tmp_path):
    out = tmp_path / "theorems"
    assert dstheory("verify", claims, "--export", "coq", out).code == 0
    for name in ("prelude.vo", "prelude.glob", ".prelude.aux", "kernel/Sums.vo", "kernel/.Sums.aux"):
        (out / name).touch()
    assert dstheory("verify", claims, "--export", "coq", out, "--overwrite").code == 0
    assert not (out / "prelude.vo").exists()
    (out / "mine.vo").touch()
    result = dstheory("verify", claims, "--export", "coq", out, "--overwrite")
    assert result.code == 1
    assert "holds mine.vo, not written by dstheory: move it elsewhere, or give another directory" in result.err


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals of POSIX")
@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
def test_an_interrupt_ends_coq_too_and_leaves_nothing(claims, tmp_path, group):
    compiler, temporary, told = tmp_path / "coqc", tmp_path / "tmp", tmp_path / "pids"
    temporary.mkdir()
    compiler.write_text(f'#!/bin/sh\ncase "$*" in *claims_*) echo $$ >> {told}; exec sleep 60;; esac\n')
    compiler.chmod(0o755)
    command = [sys.executable, "-m", "dstheory.cli.main", "verify", str(claims), "--kernel", "--coqc", str(compiler)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while not (told.exists() and told.read_text()) and process.poll() is None:
            time.sleep(0.05)
        (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
    assert process.returncode == 130
    assert not list(temporary.glob("dstheory-coq-*"))
    for pid in told.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_without_coq_the_packages_are_named(dstheory, claims):
    result = dstheory("verify", claims, "--kernel", "--coqc", "no-such-coqc")
    assert result.code == 1
    assert "install the Debian packages coq libcoq-interval" in result.err

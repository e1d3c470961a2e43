"""What is made of Coq's answers, without Coq: a program in its place says what Coq would say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st
from sympy import symbols

from dstheory.claims import COUNT, UNIT, Claim, decide, search
from dstheory.coq.check import KernelAnswer, check
from dstheory.coq.export import AXIOMS, export
from dstheory.errors import DSTheoryError

IN_PLACE_OF_COQ = f"""#!{sys.executable}
import re, sys
name = sys.argv[-1]
text = open(name).read()
for wrong in re.finditer("Theorem (refused|whole)_step1", text):
    line = text[: wrong.start()].count(chr(10)) + 1
    sys.exit(f'File "./{{name}}", line {{line}}, characters 0-4:' + chr(10) + "Error: Tactic failure.")
if "broken" in text:
    sys.exit("Fatal error")
for place, group in re.findall(r"Definition together(\\d+) := \\(I, (.*)\\)", text):
    names = group.split(", ")
    said = [{AXIOMS[0]!r} + " : forall"]
    said += ["PrimInt63.add : int"] * ("machine" in names) + ["cheat : False", "  -> True"] * ("assumes" in names)
    if "silent" not in names:
        print("GROUP " + place + ".", "Closed under the global context" if names == ["closed"] else "Axioms:", sep=chr(10))
        print(*(said if names != ["closed"] else []), sep=chr(10))
    if "stopped" in names:
        sys.exit("Killed")
"""
p, n = symbols("p n")
STEP = decide("Small.", p < 1)
NAMES = ("good", "refused", "machine", "assumes", "silent", "closed")


@pytest.fixture
def coqc(tmp_path: Path) -> str:
    path = tmp_path / "coqc"
    path.write_text(IN_PLACE_OF_COQ)
    path.chmod(0o755)
    return str(path)


def test_what_coq_answers_is_what_is_said_of_each_claim(coqc: str, tmp_path: Path) -> None:
    claims = [Claim(id=name, statement="S.", domain={p: UNIT}, proof=[STEP]) for name in NAMES]
    claims.append(Claim(id="whole", statement="S.", domain={n: COUNT}, proof=[decide("Large.", n > 0)]))
    tried = search("Tried.", lambda k: k >= 0, k=st.integers(0, 9))
    claims.append(Claim(id="partly", statement="S.", domain={p: UNIT}, proof=[STEP, tried]))
    claims.append(Claim(id="nothing", statement="S.", proof=[tried]))
    folder = tmp_path / "out"
    folder.mkdir()
    parts = export(claims, folder)
    before = (folder / "claims_user.v").read_text()
    found = {answer.claim: answer for answer in check(parts, folder, coqc, workers=1)}
    assert list(found) == [claim.id for claim in claims]
    assert found["good"] == KernelAnswer("good", confirmed=True)
    assert found["closed"] == KernelAnswer("closed", confirmed=True)
    assert found["machine"] == KernelAnswer("machine", confirmed=True, message="with Coq's machine integers")
    assert found["assumes"] == KernelAnswer("assumes", confirmed=False, message="it assumes cheat", refused=True)
    for name, refused, message in (
        ("refused", True, "refused_step1, line "),
        ("silent", True, "Coq did not say what it rests on"),
        ("whole", False, "it is about integers, and Coq did not accept it for all real numbers: whole_step1, line "),
        ("partly", False, "step 2 (search) is not exported: a search over examples proves nothing"),
        ("nothing", False, "step 1 (search) is not exported"),
    ):
        assert (found[name].confirmed, found[name].refused) == (False, refused), name
        assert found[name].message.startswith(message)
    assert "Error: Tactic failure." in found["refused"].message
    assert (folder / "claims_user.v").read_text() == before


def test_an_error_that_belongs_to_no_claim_refuses_all_of_the_file(coqc: str, tmp_path: Path) -> None:
    parts = export([Claim(id="good", statement="S.", domain={p: UNIT}, proof=[STEP])], tmp_path)
    file = tmp_path / "claims_user.v"
    file.write_text(f"broken\n{file.read_text()}")
    assert check(parts, tmp_path, coqc) == [KernelAnswer("good", confirmed=False, message="Fatal error", refused=True)]


def test_an_answer_of_which_the_end_is_missing_confirms_nothing(coqc: str, tmp_path: Path) -> None:
    parts = export([Claim(id="stopped", statement="S.", domain={p: UNIT}, proof=[STEP])], tmp_path)
    why = "Coq did not say what it rests on: Killed"
    assert check(parts, tmp_path, coqc) == [KernelAnswer("stopped", confirmed=False, message=why, refused=True)]


def test_tactics_that_do_not_compile_are_an_error(coqc: str, tmp_path: Path) -> None:
    parts = export([Claim(id="good", statement="S.", domain={p: UNIT}, proof=[STEP])], tmp_path)
    (tmp_path / "interval.v").write_text("broken")
    with pytest.raises(DSTheoryError, match=r"interval\.v does not compile"):
        check(parts, tmp_path, coqc)

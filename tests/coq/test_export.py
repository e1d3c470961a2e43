"""What is exported; and, in the slow profile and with Coq (Debian: coq libcoq-interval), what Coq says of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from sympy import Eq, log, symbols

from dstheory.claims import REAL, UNIT, Claim, Domain, decide, early, example, identity, search
from dstheory.claims.sources import bundled_files, load_claims
from dstheory.coq import check as checking
from dstheory.coq.export import AXIOMS, ExportedClaim, export, part_of
from dstheory.coq.theorems import Theorem

needs_coq = pytest.mark.skipif(shutil.which("coqc") is None, reason="no coqc: install the Debian packages coq libcoq-interval")
p, a, b, V = symbols("p a b V")

CHANGES = {
    "sign": (">", "<"),
    "term": ("- p", "+ p"),
    "domain": ("0 < p < 1", "0 < p < 2"),
    "exponent": ("a * p / (1", "a ^ 2 * p / (1"),
    "negation": (" ->\n  a * p", " ->\n  ~ a * p"),
    "inside": ("1 - a", "1 + a"),
}


def claims(*names: str) -> list[Claim]:
    stems = {"A3": "a2_reflection", "A3-loose": "a2_reflection"}
    files = {path.stem: path for path in bundled_files()}
    return [load_claims(files[stems[name]])[name] for name in names]


def small(formula: object = None, **more: object) -> Claim:
    step = decide("It helps.", p * a / (1 - p * (1 - a) - (1 - p) * b) > p if formula is None else formula)
    return Claim(id="small", statement="Reflection helps.", domain={"p a b": UNIT}, proof=[step], assumptions=[a + b > 1], **more)


def test_a_directory_says_what_is_in_it(tmp_path: Path) -> None:
    parts = export(claims("A3", "A3-loose"), tmp_path)
    assert all(part.whole for part in parts)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["Makefile", "_CoqProject", "claims_A.v", "interval.v", "kernel", "manifest.json", "prelude.v"]
    text = (tmp_path / "claims_A.v").read_text()
    assert "Theorem A3 :" in text
    assert "Theorem A3_loose :" in text
    assert "exists p a b : R," in text
    assert "Admitted" not in text
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["axioms"] == list(AXIOMS)
    assert [entry["theorem"] for entry in manifest["claims"]] == ["A3", "A3_loose"]
    assert all(len(entry["statement_sha256"]) == 64 for entry in manifest["claims"])


def test_another_statement_has_another_fingerprint(tmp_path: Path) -> None:
    def statement(formula: object) -> str:
        export([small(formula)], tmp_path)
        return str(json.loads((tmp_path / "manifest.json").read_text())["claims"][0]["statement_sha256"])

    variants = [p * a > p * b, p * a >= p * b, p * a > p * b**2, p * a > -p * b]
    assert len({statement(formula) for formula in variants}) == len(variants)


def test_names_that_would_be_one_in_coq_are_told_apart(tmp_path: Path) -> None:
    ids = ("a.b", "a-b", "c-step1", "c")
    made = [Claim(id=name, statement="p < 1.", domain={"p": UNIT}, proof=[decide("Yes.", p < 1)]) for name in ids]
    parts = export([*made, replace(made[1], group="x.y"), replace(made[2], group="x-y")], tmp_path)
    assert [part.whole for part in parts] == [True, False, True, False, True, True]
    assert parts[1].missing == {"the claim": "another claim has a theorem a_b in claims_user.v; give this one another id"}
    text = (tmp_path / "claims_user.v").read_text() + (tmp_path / "claims_x_y.v").read_text()
    assert re.findall(r"^Theorem (\w+) :", text, re.MULTILINE) == [item.name for part in parts for item in part.theorems]


def test_what_has_no_counterpart_is_said_step_by_step() -> None:
    from hypothesis import strategies as st

    steps = [identity("Fine.", p * a, a * p), search("Tried.", lambda n: n >= 0, n=st.integers(0, 9))]
    part = part_of(Claim(id="mixed", statement="Both.", domain={"p a": UNIT}, proof=steps))
    assert [item.name for item in part.theorems] == ["mixed_step1"]
    assert not part.whole
    assert part.missing == {"step 2 (search)": "a search over examples proves nothing"}


def test_what_the_checker_cannot_settle_and_a_point_that_is_no_integer_are_said() -> None:
    outside, half = (
        decide("Everywhere.", log(b) + 1 > log(b)),
        example("Some whole number is a half.", Eq(2 * a, 3), at={a: "3/2"}),
    )
    domain = {a: Domain(integer=True), b: REAL}
    part = part_of(Claim(id="two", statement="S.", domain=domain, proof=[outside, half]))
    assert not part.theorems
    assert part.missing == {
        "step 1 (decision)": "b in log(b) could not be shown to be positive on the whole domain",
        "step 2 (example)": "a = 3/2 lies outside (-oo, oo) integer",
    }


def test_a_comment_of_a_claim_cannot_end_its_comment(tmp_path: Path) -> None:
    claim = Claim(id="x", statement='Odd *) Admitted. (* words "here".', domain={"p": UNIT}, proof=[decide("Yes.", p < 1)])
    text = part_of(claim).text()
    assert text.count("(*") == text.count("*)") == len([line for line in text.splitlines() if "(*" in line])
    assert '"' not in text


@needs_coq
@pytest.mark.slow
class TestWithCoq:
    def said(self, parts: list[ExportedClaim], directory: Path) -> list[checking.KernelAnswer]:
        return checking.check(parts, directory, checking.find_coqc())

    def test_claims_and_witnesses_are_confirmed(self, tmp_path: Path) -> None:
        parts = export([*claims("A3", "A3-loose"), small(group="own")], tmp_path)
        assert [answer.confirmed for answer in self.said(parts, tmp_path)] == [True] * 3
        made = subprocess.run(["make", "-C", tmp_path], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr

    @pytest.mark.parametrize(("right", "wrong"), list(CHANGES.values()), ids=list(CHANGES))
    def test_a_false_statement_is_refused(self, tmp_path: Path, right: str, wrong: str) -> None:
        (part,) = export([small()], tmp_path)
        changed = [Theorem(t.name, t.words, t.statement.replace(right, wrong), t.proof) for t in part.theorems]
        assert changed != list(part.theorems)
        broken = ExportedClaim(part.claim, tuple(changed), {}, whole=True)
        path = tmp_path / "claims_user.v"
        path.write_text(path.read_text().replace(part.text(), broken.text()))
        (answer,) = self.said([broken], tmp_path)
        assert (answer.confirmed, answer.refused) == (False, True)

    def test_one_refusal_leaves_the_others(self, tmp_path: Path) -> None:
        other = Claim(id="other", statement="p < 1.", domain={"p": UNIT}, proof=[decide("Yes.", p < 1)])
        parts = export([small(), other], tmp_path)
        step, whole = parts[0].theorems
        broken = ExportedClaim(parts[0].claim, (Theorem(step.name, step.words, step.statement, "lra."), whole), {}, whole=True)
        path = tmp_path / "claims_user.v"
        path.write_text(path.read_text().replace(parts[0].text(), broken.text()))
        first, second = self.said([broken, parts[1]], tmp_path)
        assert (first.confirmed, first.refused, second.confirmed) == (False, True, True)
        assert "line " in first.message

    def test_what_rests_on_more_than_the_real_numbers_is_refused(self, tmp_path: Path) -> None:
        (part,) = export([small()], tmp_path)
        path = tmp_path / "claims_user.v"
        path.write_text(path.read_text().replace(part.theorems[0].proof + "\nQed.", "Admitted."))
        (answer,) = self.said([part], tmp_path)
        assert (answer.confirmed, answer.refused) == (False, True)
        assert "it assumes small_step1" in answer.message


def test_definitions_keep_their_names() -> None:
    with early.watched(""):
        claim = Claim(
            id="named",
            statement="The Bellman equation.",
            domain={"p a b": UNIT},
            definitions={V: p * a / (1 - p * (1 - a) - (1 - p) * b)},
            proof=[identity("So it is.", V, p * a + (p * (1 - a) + (1 - p) * b) * V)],
        )
    (step, whole) = part_of(claim).theorems
    assert "forall V : R, V = " in step.statement
    assert step.statement.strip() in whole.statement
    assert Eq(V, V)


@pytest.mark.parametrize("name", ["B3", "O5"])
def test_claims_with_exponentials_in_denominators_are_exported(tmp_path, name: str) -> None:
    (claim,) = [claim for path in bundled_files() for claim in load_claims(path).values() if claim.id == name]
    (part,) = export([claim], tmp_path)
    assert part.theorems

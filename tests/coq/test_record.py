"""The record of what Coq said is about the claims as they stand, and the page on trust says what the record says."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from all_claims import all_claims
from sympy import symbols

from dstheory.claims import CLOSED_UNIT, UNIT, Claim, counterexample, decide, early, enclose, example
from dstheory.coq.export import statement_hash
from dstheory.coq.record import confirmed, coverage, recorded
from dstheory.coq.theorems import scripts_by_hand

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def claims() -> list[Claim]:
    return list(all_claims().values())


def test_every_entry_is_about_a_claim_as_it_stands(claims: list[Claim]) -> None:
    stale = {claim.id for claim in claims if claim.id in recorded()["claims"] and confirmed(claim) is None}
    assert not stale, "python docs/fill_kernel.py asks Coq again"
    assert set(recorded()["claims"]) <= {claim.id for claim in claims}


def test_the_page_on_trust_has_the_figures_of_the_record(claims: list[Claim]) -> None:
    spec = importlib.util.spec_from_file_location("fill_kernel", ROOT / "docs" / "fill_kernel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    assert module.filled(page, coverage(recorded(), claims)) == page


def test_a_claim_that_has_changed_is_not_said_to_be_confirmed(claims: list[Claim]) -> None:
    first, other = claims[:2]
    with early.watched(""):
        renamed = replace(other, id=first.id, statement=first.statement)
    assert confirmed(renamed) is None


X, Y = symbols("x y")
STEP = decide("Small.", X < 1, where={Y: UNIT})
POINT = example("Somewhere.", X < 1, at={"x": "1/2"})
BOX = enclose("In.", X < 1, {X: ("1/3", "1/2")})
PLAIN = Claim(id="c", statement="S.", domain={X: UNIT}, proof=[STEP])
CHANGES: list[dict[str, Any]] = [
    {"domain": {X: CLOSED_UNIT}},
    {"domain": {X: replace(CLOSED_UNIT, integer=True)}},
    {"assumptions": [X > 0]},
    {"definitions": {"z": X}},
    {"definitions": {"z": X**2}},
    {"proof": [replace(STEP, formula=X <= 1)]},
    {"proof": [replace(STEP, where={Y: CLOSED_UNIT})]},
    {"proof": [replace(STEP, given=[X > 0])]},
    {"proof": [replace(STEP, using={"z": X})]},
    {"proof": [STEP, STEP]},
    {"proof": [STEP, replace(STEP, lemma=True)]},
    {"proof": [POINT]},
    {"proof": [replace(POINT, at={"x": "1/3"})]},
    {"proof": [counterexample("Not.", X < 1, at={"x": "1/2"})]},
    {"proof": [BOX]},
    {"proof": [replace(BOX, box={X: ("1/4", "1/2")})]},
    {"recorded": "fails"},
    {"recorded": "fails", "witness": {X: "1/2"}},
]


def test_whatever_a_theorem_says_is_in_the_hash_and_words_are_not() -> None:
    with early.watched(""):
        hashes = [statement_hash(replace(PLAIN, **change)) for change in ({}, *CHANGES)]
    assert [hashes.index(value) for value in hashes] == list(range(len(hashes)))
    worded = replace(PLAIN, statement="Other.", domain={"x": UNIT}, proof=[replace(STEP, words="Little.")], notes="New.")
    assert statement_hash(worded) == statement_hash(PLAIN)


def test_scripts_by_hand_assume_nothing() -> None:
    words = " ".join(scripts_by_hand().values()).split()
    assert not {"admit", "admit.", "Admitted.", "Abort.", "Axiom", "Parameter", "Hypothesis"} & set(words)

"""The record of what Coq said is about the claims as they stand, and the page on trust says what the record says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from all_claims import all_claims

from dstheory.claims import Claim
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
    renamed = Claim(id=first.id, statement=first.statement, domain=other.domain, proof=other.proof, definitions=other.definitions)
    assert confirmed(renamed) is None


def test_scripts_by_hand_assume_nothing() -> None:
    words = " ".join(scripts_by_hand().values()).split()
    assert not {"admit", "admit.", "Admitted.", "Abort.", "Axiom", "Parameter", "Hypothesis"} & set(words)

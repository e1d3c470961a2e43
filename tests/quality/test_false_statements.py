"""The checker refutes plausible false statements, each with its smallest witness."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
import sympy as sp

from dstheory.claims import Claim, Outcome, Status, check, decide

if TYPE_CHECKING:
    from quality.statements_ab import FalseStatement

GROUPS = ("ab", "cd", "e", "g", "h", "o")


def statements(group: str) -> list[FalseStatement]:
    """Load a group where it is tested: its gradients are derived then, which would take every process seconds as it starts."""
    return import_module(f"quality.statements_{group}").STATEMENTS


def test_there_are_at_least_forty_and_names_differ() -> None:
    names = [statement.name for group in GROUPS for statement in statements(group)]
    assert len(names) >= 40
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("group", GROUPS)
def test_false_statements_are_refuted_with_their_smallest_witness(group: str, subtests: pytest.Subtests) -> None:
    for statement in statements(group):
        with subtests.test(statement.name):
            claim = Claim(
                id="false", statement=statement.name, domain=statement.domain, proof=[decide("So it is said.", statement.formula)]
            )
            verdict = check(claim)
            assert verdict.status is Status.REFUTED, verdict.message
            assert verdict.outcome is Outcome.FAILS
            assert verdict.method == "exact evaluation, smallest witness"
            assert dict(verdict.witness or {}) == statement.point


@pytest.mark.parametrize("group", GROUPS)
def test_pinned_witnesses_refute_by_plain_substitution(group: str, subtests: pytest.Subtests) -> None:
    """What the checker says, checked without the checker: SymPy substitutes the numbers."""
    for statement in statements(group):
        with subtests.test(statement.name):
            numbers = {name: Fraction(value) for name, value in statement.point.items()}
            substitution = {symbol: sp.Rational(numbers[symbol.name]) for symbol in statement.formula.free_symbols}
            assert statement.formula.xreplace(substitution) == sp.false

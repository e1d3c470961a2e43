"""The checker refutes plausible false statements, each with its smallest witness."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp
from quality.statements_ab import STATEMENTS as STATEMENTS_AB
from quality.statements_ab import FalseStatement
from quality.statements_cd import STATEMENTS as STATEMENTS_CD
from quality.statements_e import STATEMENTS as STATEMENTS_E
from quality.statements_g import STATEMENTS as STATEMENTS_G
from quality.statements_h import STATEMENTS as STATEMENTS_H
from quality.statements_o import STATEMENTS as STATEMENTS_O

from dstheory.claims import Claim, Outcome, Status, check, decide

STATEMENTS = [*STATEMENTS_AB, *STATEMENTS_CD, *STATEMENTS_E, *STATEMENTS_G, *STATEMENTS_H, *STATEMENTS_O]


def test_there_are_at_least_forty_and_names_differ():
    assert len(STATEMENTS) >= 40
    assert len({statement.name for statement in STATEMENTS}) == len(STATEMENTS)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name.replace(" ", "-"))
def test_false_statement_is_refuted_with_its_smallest_witness(statement: FalseStatement):
    claim = Claim(
        id="false", statement=statement.name, domain=statement.domain, proof=[decide("So it is said.", statement.formula)]
    )
    verdict = check(claim)
    assert verdict.status is Status.REFUTED, verdict.message
    assert verdict.outcome is Outcome.FAILS
    assert verdict.method == "exact evaluation, smallest witness"
    assert dict(verdict.witness or {}) == statement.point


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name.replace(" ", "-"))
def test_the_pinned_witness_refutes_by_plain_substitution(statement: FalseStatement):
    """What the checker says, checked without the checker: SymPy substitutes the numbers."""
    numbers = {name: Fraction(value) for name, value in statement.point.items()}
    substitution = {symbol: sp.Rational(numbers[symbol.name]) for symbol in statement.formula.free_symbols}
    assert statement.formula.xreplace(substitution) == sp.false

"""Domains, heights, and what a claim may write about its symbols."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dstheory.claims import CLOSED_UNIT, COUNT, DISCOUNT, NONNEGATIVE, POSITIVE, REAL, UNIT, ClaimError, Domain, at_least, between
from dstheory.claims.domains import expand_domain, height
from dstheory.claims.formulas import plain, plain_definitions, plain_formula
from dstheory.errors import DomainError

p, q, r = sp.symbols("p q r")


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (UNIT, ["1/2", "1/1000"], ["0", "1", "-1", "2"]),
        (CLOSED_UNIT, ["0", "1", "1/2"], ["-1/2", "3/2"]),
        (DISCOUNT, ["0", "999/1000"], ["1"]),
        (POSITIVE, ["1/9", "100"], ["0", "-1"]),
        (COUNT, ["1", "7"], ["0", "3/2", "-2"]),
        (at_least(1), ["1", "3/2"], ["1/2"]),
        (between(0, 1, "(]"), ["1", "1/3"], ["0"]),
        (REAL, ["-5", "0"], []),
    ],
)
def test_membership_respects_the_boundary(domain, inside, outside):
    assert all(domain.contains(Fraction(value)) for value in inside)
    assert not any(domain.contains(Fraction(value)) for value in outside)


def test_membership_of_algebraic_numbers():
    assert UNIT.contains(sp.sqrt(2) - 1)
    assert not UNIT.contains(sp.sqrt(2))
    assert not COUNT.contains(sp.sqrt(2))


@given(st.fractions(min_value=-9, max_value=9, max_denominator=9))
def test_every_rational_is_listed_at_its_height_exactly_once(value):
    size = height(value)
    assert REAL.values_of_height(size).count(value) == 1
    assert all(value not in REAL.values_of_height(other) for other in range(1, size))


def test_values_come_smallest_magnitude_first_and_stay_inside():
    assert UNIT.values_of_height(1) == ()
    assert UNIT.values_of_height(5) == (Fraction(1, 5), Fraction(2, 5), Fraction(3, 5), Fraction(4, 5))
    assert REAL.values_of_height(1) == (0, 1, -1)


def test_an_empty_domain_cannot_be_written():
    with pytest.raises(ClaimError, match="empty"):
        between(1, 0)
    with pytest.raises(ClaimError, match="empty"):
        Domain(Fraction(1), Fraction(1))


def test_bad_ends_and_bad_domains():
    with pytest.raises(DomainError, match=r"'\(\)'"):
        between(0, 1, "[[")
    with pytest.raises(DomainError, match="must be a Domain"):
        expand_domain({"p": (0, 1)})  # type: ignore[dict-item]
    with pytest.raises(DomainError, match="two domains"):
        expand_domain({"p q": UNIT, "q": REAL})


@pytest.mark.parametrize(
    ("assumption", "domain", "fine"),
    [
        ({"positive": True}, UNIT, True),
        ({"positive": True}, CLOSED_UNIT, False),
        ({"nonnegative": True}, CLOSED_UNIT, True),
        ({"positive": True}, REAL, False),
        ({"real": True}, REAL, True),
        ({"nonzero": True}, UNIT, True),
        ({"integer": True}, POSITIVE, False),
        ({"integer": True, "positive": True}, COUNT, True),
        ({"even": True}, COUNT, False),
        ({"zero": False}, CLOSED_UNIT, False),
        ({"negative": True}, between(-1, 0), True),
    ],
)
def test_sympy_may_assume_only_what_the_domain_promises(assumption, domain, fine):
    symbol = sp.Symbol("s", **assumption)
    if fine:
        assert plain(symbol + 1, {"s": domain}, {}) == sp.Symbol("s") + 1
    else:
        with pytest.raises(DomainError, match="domain"):
            plain(symbol + 1, {"s": domain}, {})


def test_symbols_are_matched_by_name():
    positive = sp.Symbol("p", positive=True)
    assert plain(positive - p, {"p": UNIT}, {}) == 0


def test_definitions_may_use_one_another_but_not_shadow():
    assert plain_definitions({q: 1 - p, r: q**2}, {"p": UNIT}) == {"q": 1 - p, "r": (1 - p) ** 2}
    with pytest.raises(DomainError, match="both a domain and a definition"):
        plain_definitions({p: sp.Integer(1)}, {"p": UNIT})
    assert plain_definitions({r: q**2, q: 1 - p}, {"p": UNIT}) == {"q": 1 - p, "r": (1 - p) ** 2}
    with pytest.raises(DomainError, match="q, r cannot be resolved: their definitions use one another in a circle"):
        plain_definitions({q: r + 1, r: q}, {"p": UNIT})


@pytest.mark.parametrize("formula", [True, sp.true, sp.Eq(p, p)])
def test_a_formula_that_python_or_sympy_already_decided_is_refused(formula):
    with pytest.raises(ClaimError, match="nothing would be checked"):
        plain_formula(formula, {"p": UNIT}, {})


def test_expressions_strings_and_floats_are_no_formulas():
    with pytest.raises(ClaimError, match="not a formula"):
        plain_formula(p + 1, {"p": UNIT}, {})
    with pytest.raises(ClaimError, match="not a formula"):
        plain_formula("p < 1", {"p": UNIT}, {})
    with pytest.raises(ClaimError, match="float"):
        plain_formula(p < 0.5, {"p": UNIT}, {})


def test_relations_between_numbers_are_not_settled_by_floating_point():
    formula = plain_formula(q > r, {}, {"q": sp.sqrt(2), "r": sp.Rational(7, 5)})
    assert formula.is_Relational


def test_a_half_line_is_not_written_as_all_numbers():
    assert (REAL.latex(), NONNEGATIVE.latex(), POSITIVE.latex()) == (r"\mathbb{R}", r"[0, \infty)", r"(0, \infty)")
    assert Domain(upper=Fraction(3), upper_open=False).latex() == r"(-\infty, 3]"
    assert COUNT.latex() == r"[1, \infty) \cap \mathbb{Z}"

"""A certificate is a sum that equals its polynomial, of terms none of which is negative on the domain."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import sympy

from dstheory.claims.domains import CLOSED_UNIT, NONNEGATIVE, UNIT, Domain, at_least
from dstheory.coq.certificates import Certificate, certificate, ends
from dstheory.coq.handelman import Atom, combination

p, a, b, g, x = sympy.symbols("p a b gamma x")
DOMAIN = {"p": UNIT, "a": UNIT, "b": UNIT, "gamma": CLOSED_UNIT, "x": at_least(2), "y": NONNEGATIVE}
POSITIVE = [
    1 - (p * (1 - a) + (1 - p) * b),
    1 - g * (p * (1 - a) + (1 - p) * b),
    1 + g * b**2 - 2 * b * g,
    x**2 - x - 1,
    3 * p**2 - 3 * p + 1,
    p * a + x * b,
]
NOT_POSITIVE = [p - a, 1 - 2 * p, x - 3, (2 * p - 1) ** 2]


def value(found: Certificate) -> sympy.Expr:
    parse = {"p": p, "a": a, "b": b, "gamma": g, "x": x}
    return sympy.sympify(found.text(found.weak).replace("^", "**"), locals=parse)


@pytest.mark.parametrize("polynomial", POSITIVE, ids=str)
def test_the_sum_is_the_polynomial(polynomial: sympy.Expr) -> None:
    found = certificate(sympy.expand(polynomial), DOMAIN)
    assert found is not None
    assert sympy.expand(value(found) - polynomial) == 0
    assert all(coefficient > 0 for coefficient, _ in found.terms)
    factors = {base for _, powers in found.terms for base, _ in powers}
    assert factors <= {side.text for name, own in DOMAIN.items() for side in ends(name, own) if side}


@pytest.mark.parametrize("polynomial", NOT_POSITIVE, ids=str)
def test_nothing_is_certified_that_is_not_positive(polynomial: sympy.Expr) -> None:
    found = certificate(sympy.expand(polynomial), DOMAIN)
    assert found is None or found.text() is None


def test_a_sum_that_may_vanish_at_an_end_has_no_positive_term_first() -> None:
    found = certificate(g * p, DOMAIN)
    assert found is not None
    assert found.text() is None
    assert found.text(["gamma"]) is not None


def test_a_symbol_of_one_value_has_no_certificate() -> None:
    assert certificate(p * b + p, {**DOMAIN, "p": Domain(Fraction(1), Fraction(1), False, False)}) is None


ATOMS = [Atom("p", p, strict=True), Atom("a", a, strict=True), Atom("(1 - a - p)", 1 - a - p, strict=True)]


def parsed(text: str) -> sympy.Expr:
    return sympy.sympify(text.replace("^", "**"), locals={"p": p, "a": a, "b": b})


def test_with_assumptions() -> None:
    found = combination(1 - p**2 - a, ATOMS)
    assert found is not None
    assert sympy.expand(parsed(found.over) * (1 - p**2 - a) - parsed(found.positive)) == 0
    assert combination(p - a, ATOMS) is None


def test_what_is_zero_may_be_added() -> None:
    polynomial = p**2 + a * b - a
    found = combination(polynomial, [Atom("p", p, strict=True)], [("(b - 1)", b - 1)])
    assert found is not None
    assert sympy.expand(parsed(found.over) * polynomial - parsed(found.positive) - parsed(found.zero)) == 0


def test_a_contradiction_is_a_positive_sum_that_is_zero() -> None:
    found = combination(sympy.Integer(0), [Atom("p", p, strict=True), Atom("(- p)", -p, strict=False)])
    assert found is not None
    assert sympy.expand(parsed(found.positive)) == 0
    assert combination(sympy.Integer(0), ATOMS) is None


def test_a_factor_may_be_divided_by() -> None:
    atoms = [Atom("a", a, strict=True), Atom("(a * b)", a * b, strict=False)]
    assert combination(b, atoms, strict=False) is None
    found = combination(b, atoms, strict=False, multiplied=True)
    assert found is not None
    assert sympy.expand(parsed(found.over) * b - parsed(found.positive)) == 0


def test_domains_of_every_kind_have_their_distances() -> None:
    for low, high in itertools.product((None, Fraction(-1, 2), Fraction(0)), (None, Fraction(3), Fraction(7, 2))):
        sides = ends("p", Domain(low, high))
        assert [side is None for side in sides] == [low is None, high is None]


def test_what_may_be_zero_makes_nothing_positive():
    """The last look at an exact solution: its sum must begin with a product that is positive, if the polynomial is to be."""
    atoms = [Atom("p", p, strict=False)]
    assert combination(p, atoms, strict=False) is not None
    assert combination(p, atoms) is None


def test_what_has_a_symbol_without_a_domain_has_no_certificate() -> None:
    """A symbol stands for an exponential; B3 and O5 could not be exported."""
    assert certificate(sympy.Symbol("p") * sympy.Symbol("exp(z)"), DOMAIN) is None

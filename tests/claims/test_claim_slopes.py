"""Inequalities that touch their bound to second order: decided by the signs of derivatives, and nothing that is false is."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
import sympy as sp

from dstheory.claims import COUNT, REAL, UNIT, Claim, check, decide
from dstheory.claims.domains import POSITIVE, Domain
from dstheory.claims.premises import Premises
from dstheory.claims.slopes import by_slopes
from dstheory.claims.solver import Answer

p, q, r, x, y, n = sp.symbols("p q r x y n")
kl = p * sp.log(p / q) + (1 - p) * sp.log((1 - p) / (1 - q))
HALF = sp.Rational(1, 2)


def verdict(formula, domain, **fields):
    return check(Claim(id="c", statement="S.", domain=domain, proof=[decide("", formula, **fields)]))


def k3(ratio):
    return ratio - 1 - sp.log(ratio)


# Each: true formula, domain, premises, and formulas a little beyond it.
KNOWN = {
    "Pinsker": (
        kl >= 2 * (p - q) ** 2, {"p q": UNIT}, [], [kl >= sp.Rational(20001, 10000) * (p - q) ** 2, kl > 2 * (p - q) ** 2],
    ),
    "Hoeffding": (
        sp.log(1 - p + p * sp.exp(x)) <= p * x + x**2 / 8, {"p": UNIT, "x": REAL}, [],
        [sp.log(1 - p + p * sp.exp(x)) <= p * x + x**2 * sp.Rational(12499, 100000)],
    ),
    "estimators k2 and k3, ratios below 1": (
        k3(r) <= sp.log(r) ** 2 / 2, {"r": UNIT}, [], [k3(r) <= sp.log(r) ** 2 * Fraction(499, 1000)],
    ),
    "estimators k2 and k3, ratios above 1": (
        k3(r) >= sp.log(r) ** 2 / 2, {"r": Domain(1, None)}, [], [k3(r) >= sp.log(r) ** 2 * Fraction(501, 1000)],
    ),
    "slope of a logit": (
        sp.log(p / (1 - p)) - sp.log(q / (1 - q)) >= 4 * (p - q), {"p q": UNIT}, [p > q],
        [sp.log(p / (1 - p)) - sp.log(q / (1 - q)) >= Fraction(4001, 1000) * (p - q)],
    ),
    "softplus": (
        sp.log(1 + sp.exp(x)) <= sp.log(2) + x / 2 + x**2 / 8, {"x": REAL}, [],
        [sp.log(1 + sp.exp(x)) < sp.log(2) + x / 2 + x**2 / 8],
    ),
    "tanh": ((sp.exp(x) - sp.exp(-x)) / (sp.exp(x) + sp.exp(-x)) <= x, {"x": POSITIVE}, [], []),
    "Padé": (sp.log(1 + x) > 2 * x / (2 + x), {"x": POSITIVE}, [], [sp.log(1 + x) > 2 * x / (2 + x) + x**3 / 11]),
    "logarithmic mean": (x - y <= (sp.log(x) - sp.log(y)) * (x + y) / 2, {"x y": POSITIVE}, [x > y], []),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_what_touches_to_second_order_is_decided_and_nothing_beyond_it(name):
    formula, domain, given, beyond = KNOWN[name]
    found = verdict(formula, domain, given=given)
    assert found.outcome == ("holds under condition" if given else "holds"), found.message
    assert "derivative" in found.message
    for wrong in beyond:
        assert not verdict(wrong, domain, given=given).outcome.startswith("holds")


def test_what_an_implication_supposes_is_a_premise_of_its_conclusion():
    logit = sp.log(p / (1 - p)) - sp.log(q / (1 - q))
    for conclusion, outcome in ((logit >= 4 * (p - q), "holds"), (logit <= 4 * (p - q), "fails")):
        assert verdict(sp.Implies(sp.And(p > q, q > HALF), conclusion), {"p q": UNIT}).outcome == outcome


def test_logarithms_are_compared_where_their_difference_is_divided_by():
    formula = 1 / (sp.log(x) - sp.log(y)) > 0
    assert verdict(formula, {"x y": POSITIVE}, given=[x > y]).outcome == "holds under condition"
    assert "has no value" in verdict(formula, {"x y": POSITIVE}, given=[x >= y]).message


def shown(formula, domain, assumptions=()):
    return by_slopes(Premises(domain, assumptions, deadline=time.process_time() + 20), formula)


NOT_SHOWN = {
    "a pole on the way": (-1 / x >= 1, {"x": Domain(-1, 1)}, [sp.Ne(x, 0)]),
    "a jump where it begins": (sp.exp(-1 / x) >= HALF, {"x": Domain(0, 1)}, []),
    "a dip between two premises": (sp.exp(x) * (x - 1) ** 2 >= 1, {"x": Domain(-2, 2)}, [x**2 > 1]),
    "it is 0 where it begins": (sp.exp(x) > 1 + x + x**2 / 2, {"x": Domain(0, 1, lower_open=False)}, []),
    "it falls on the left": (sp.exp(x) >= 1 + x + x**2 / 2, {"x": REAL}, []),
    "it is negative where it begins": (sp.exp(x) >= sp.Rational(11, 10) + x + x**2 / 2, {"x": POSITIVE}, []),
    "the other symbol lies elsewhere": (1 / (p - 1) >= 0, {"p": UNIT, "q": Domain(1, 2)}, []),
    "the other symbol's range is wider": (sp.log(p) >= q - 1 + sp.log(q), {"p": Domain(HALF, 1), "q": UNIT}, [p > HALF]),
    "integers": (sp.exp(n) >= 1 + n + n**2 / 2 + sp.exp(1) - sp.Rational(5, 2), {"n": COUNT}, []),
    "it stays 0 where a factor is 0": (
        y * (sp.exp(x) - 1 - x - x**2 / 2) > 0, {"x": POSITIVE, "y": Domain(0, 1, lower_open=False, upper_open=False)}, [],
    ),
    "a root of what may be 0 all the way": (
        sp.exp(x) + (x * y) ** sp.Rational(3, 2) >= 1 + x + x**2 / 2,
        {"x": POSITIVE, "y": Domain(0, 9, lower_open=False, integer=True)}, [],
    ),
    "no inequality": (sp.Or(x > 1, sp.exp(x) > 1 + x + x**2 / 2), {"x": POSITIVE}, []),
    "an equation": (sp.Eq(sp.exp(x), 1 + x + x**2 / 2), {"x": POSITIVE}, []),
    "Max": (sp.Max(sp.exp(x), 2) >= 1 + x + x**2 / 2, {"x": POSITIVE}, []),
}


@pytest.mark.parametrize("name", NOT_SHOWN)
def test_a_point_and_a_slope_show_nothing_where_one_of_them_does_not_count(name):
    assert shown(*NOT_SHOWN[name]) is None


def test_an_answer_unknown_shows_no_slope(monkeypatch):
    unknown = Answer("unknown", reason="incomplete")
    monkeypatch.setattr(Premises, "ask", lambda self, *args, **options: unknown)
    assert shown(sp.exp(x) >= 1 + x + x**2 / 2, {"x": REAL}) is None
    assert shown(sp.exp(x) >= 1 + x + x**2 / 2, {"x": POSITIVE}) is None


def test_what_is_strict_is_shown_where_the_point_itself_is_left_out():
    assert shown(sp.exp(x) > 1 + x + x**2 / 2, {"x": POSITIVE}) is not None
    assert shown(sp.exp(x) >= 1 + x + x**2 / 2, {"x": Domain(0, 1, lower_open=False)}) is not None
    assert shown(k3(r) > sp.log(r) ** 2 / 2, {"r": REAL}, [r > 1]) is not None

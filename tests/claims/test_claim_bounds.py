"""What is known of roots that reach 0 and of logarithms of exponentials: true claims hold, false ones next to them fail."""

from __future__ import annotations

import pytest
import sympy as sp

from dstheory.claims import CLOSED_UNIT, NONNEGATIVE, POSITIVE, REAL, UNIT, Claim, check, decide, enclose
from dstheory.claims.premises import Premises

x, y = sp.symbols("x y")
half, third = sp.Rational(1, 2), sp.Rational(1, 3)
soft = sp.log(1 + sp.exp(x))
near = 1 - sp.Rational(1, 10**6)

TRUE = {
    "softplus is above": (REAL, soft > x),
    "softplus is above both": (REAL, soft >= sp.Max(0, x)),
    "softplus is below": (REAL, soft <= sp.Max(0, x) + sp.log(2)),
    "log-sum-exp is above both": (REAL, sp.log(sp.exp(x) + sp.exp(y)) >= sp.Max(x, y)),
    "means": (NONNEGATIVE, sp.sqrt(x * y) <= (x + y) / 2),
    "means of roots": (NONNEGATIVE, sp.sqrt(x) * sp.sqrt(y) <= (x + y) / 2),
    "a tangent": (CLOSED_UNIT, sp.sqrt(x) <= (1 + x) / 2),
    "roots of sums": (NONNEGATIVE, sp.sqrt(x + y) <= sp.sqrt(x) + sp.sqrt(y)),
    "powers": (CLOSED_UNIT, x ** sp.Rational(3, 2) <= sp.sqrt(x)),
    "a root of what reaches 0 at one end": (CLOSED_UNIT, sp.sqrt(1 - x**2) <= 1 - x**2 / 2),
    "a logarithm of a root": (CLOSED_UNIT, sp.log(1 + sp.sqrt(x)) <= sp.sqrt(x)),
}


def checked(domain, formula):
    domains = {symbol.name: domain for symbol in formula.free_symbols}
    return check(Claim(id="c", statement="S.", domain=domains, proof=[decide("", formula)]))


@pytest.mark.parametrize("what", TRUE)
def test_true_claims_are_decided(what):
    assert checked(*TRUE[what]).outcome == "holds"


FALSE = {
    "softplus at some place": (REAL, soft > x + sp.Rational(1, 10**3)),
    "softplus at 0": (REAL, soft <= sp.Max(0, x) + sp.log(2) * near),
    "strictly, at 0": (REAL, soft < sp.Max(0, x) + sp.log(2)),
    "a tangent, strictly": (CLOSED_UNIT, sp.sqrt(x) < (1 + x) / 2),
    "a tangent, lower": (CLOSED_UNIT, sp.sqrt(x) <= (near + x) / 2),
    "roots of sums, strictly": (NONNEGATIVE, sp.sqrt(x + y) < sp.sqrt(x) + sp.sqrt(y)),
    "a root is not positive at 0": (CLOSED_UNIT, sp.sqrt(x) + x**third > 0),
    # 0 where only an exact solver comes: no point that is tried shows it
    "a root is 0 at a cube root of 2": (NONNEGATIVE, sp.sqrt(y + (x**3 - 2) ** 2) > 0),
    "a root is 0 at a root without radicals": (NONNEGATIVE, sp.sqrt((x**5 - x - 1) ** 2 + y) > 0),
    "a third root of a distance": (NONNEGATIVE, (y + sp.Abs(x**3 - 2)) ** third > 0),
    "a distance": (NONNEGATIVE, sp.Abs(x**5 - x - 1) + y > 0),
}


@pytest.mark.parametrize("what", FALSE)
def test_false_claims_next_to_them_do_not_hold(what):
    assert checked(*FALSE[what]).outcome in ("fails", "undecided")
    assert checked(*FALSE[what]).witness is not None or "at some place" in what or "at 0" in what


@pytest.mark.parametrize("base", [x - sp.Rational(1, 10**6), x**2 - x, x - y])
def test_a_root_of_what_may_be_negative_has_no_value(base):
    verdict = checked(CLOSED_UNIT, sp.sqrt(base) >= 0)
    assert verdict.outcome == "error"
    assert "has no value where" in verdict.message


@pytest.mark.parametrize("formula", [sp.log(1 + sp.log(x)) <= sp.log(x), sp.sqrt(sp.log(x)) >= 0, (1 + sp.log(x)) ** third < x])
def test_a_logarithm_may_be_negative_and_then_has_no_logarithm_or_root(formula):
    assert "has no value where" in checked(POSITIVE, formula).message


@pytest.mark.parametrize(
    "formula",
    [
        sp.Or(x >= 0, sp.log(x - half) > -1, evaluate=False),
        sp.Implies(x < 0, sp.sqrt(x - half) > 0, evaluate=False),
        sp.Or(sp.exp(x) > half, 1 / (x - half) > 0, evaluate=False),
        sp.Or(x >= 0, sp.log(x - 2) > -1, evaluate=False),
    ],
)
def test_what_intervals_need_not_look_at_must_have_a_value_all_the_same(formula):
    step = enclose("One part alone settles it.", formula, {x: ("1/10", "9/10")})
    verdict = check(Claim(id="c", statement="S.", domain={x: UNIT}, proof=[step]))
    assert verdict.outcome == "error"
    assert "has no value where" in verdict.message


def test_a_root_knows_no_more_than_that_its_base_is_not_negative():
    """What is under a root is shown not to be negative; the root does not make it so."""
    premises = Premises({"x": REAL, "y": NONNEGATIVE}, deadline=float("inf"))
    assert (premises.never_negative(x**2 - 2 * x + 1), premises.never_negative(x), premises.never_negative(y * x**2)) == (
        True, False, True,
    )  # fmt: skip
    root = premises.abstraction.rational(sp.sqrt(y))
    assert premises.abstraction.ranges[root.name] == NONNEGATIVE
    assert premises.sign_of(root) is None
    assert premises.sign_of(1 + root) == 1
    exponential = premises.abstraction.rational(sp.exp(x))
    assert premises.abstraction.ranges[exponential.name] == POSITIVE
    assert (premises.sign_of(exponential), premises.sign_of(exponential - 1)) == (1, None)

"""Claims that are short to write and too large to compute: each gets an answer, in the process of whoever asks, and soon."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp

from dstheory.claims import UNIT, Claim, ClaimError, between, check, decide, derivative, enclose, example, identity
from dstheory.claims.evaluation import enclose_value, precision, sign_at, to_interval
from dstheory.claims.replacing import replaced
from dstheory.claims.size import parts_of, ratio
from dstheory.claims.witnesses import find_witness
from dstheory.errors import DomainError, NotSettledError

x, y, z, k, n = sp.symbols("x y z k n")
BIG = 10**8
LONG = sp.Rational(3**3000, 2**4000)
MANY = sp.symbols("v:70")


def checked(step, **fields):
    return check(Claim(id="c", statement="S.", domain={"x y z": UNIT}, proof=[step], **fields), time_limit=5)


UNDECIDED = {
    "a power": decide("", x**BIG < 1),
    "a power that no memory holds": decide("", x ** (10**100) < 1),
    "a power of a sum": decide("", (1 + x) ** BIG > 1),
    "a power below a fraction": decide("", 1 / (1 + x) ** BIG < 1),
    "two powers below fractions": decide("", 1 / (x**BIG + y) + 1 / (y**BIG + x) > 0),
    "a power of many terms": decide("", (x + y + z + 1) ** 200 > 0),
    "an identity": identity("", (1 + x) ** BIG * (1 + y), (1 + x) ** BIG + y * (1 + x) ** BIG),
    "a number to a symbol": decide("", 2 ** (BIG * x) > 1),
    "an exponential": decide("", sp.exp(BIG * x) > 1),
    "an exponent that is a power": decide("", sp.exp((1 + x) ** BIG) > 1),
    "a root": decide("", x ** sp.Rational(1, BIG) < 1),
    "the logarithm of a power": decide("", sp.log(1 + x**BIG) > 0),
    "a power of an absolute value": decide("", sp.Abs(x - y) ** BIG < 1),
    "a premise": decide("", x < y, given=[x**BIG < y**BIG]),
    "a product": decide("", sp.Mul(*[1 + x / j for j in range(1, 400)]) > 0),
    "digits": decide("", sp.Mul(*[x + sp.Integer(7) ** 900 + j for j in range(9)]) > 0),
}


@pytest.mark.parametrize("what", UNDECIDED)
def test_what_is_too_large_is_undecided_and_says_what(what):
    verdict = checked(UNDECIDED[what])
    assert verdict.outcome == "undecided", verdict.message
    assert "too large" in verdict.message
    assert len(verdict.message) < 300


REFUSED = {
    "a sum within sums": (
        lambda: decide("", sp.Sum(x**k * y**n, (k, 1, 900), (n, 1, 900)) > 0), "parts once it is written out, of 50,000 at most",
    ),
    "a sum in an identity": (lambda: identity("", sp.Sum(x**k, (k, 1, 10**9)), y), "runs over 1000000000 terms"),
    "an order of derivatives": (lambda: identity("", sp.Derivative(sp.exp(2 * x), (x, BIG)), 0), "at most 50 derivatives"),
    "a number": (lambda: decide("", x < LONG), "a formula has a number of about 1,4"),
    "a number once it is read": (lambda: decide("", (4 * x) ** 4000 > 0), "a formula has a number of about 2,4"),
    "a number that Python does not write": (lambda: decide("", (4 * x) ** 40000 > 0), "more digits than Python writes"),
    "what is nested": (lambda: decide("", _nested(400)), "nested deeper than Python follows"),
}  # fmt: skip


def _nested(depth):
    formula = x > 0
    for _ in range(depth):
        formula = sp.Not(formula, evaluate=False)
    return formula


@pytest.mark.parametrize("what", REFUSED)
def test_what_nobody_reads_is_refused_with_what_to_write(what):
    step, said = REFUSED[what]
    verdict = checked(step())
    assert verdict.outcome == "error"
    assert said in verdict.message
    assert "crash" not in verdict.method


def test_a_claim_with_premises_that_are_too_deep_or_too_long_is_refused_where_it_is_made():
    with pytest.raises(ClaimError, match="nested deeper than Python follows"):
        checked(decide("", x > 0), assumptions=[_nested(600)])
    with pytest.raises(ClaimError, match="a number of about 1,4"):
        checked(decide("", x > 0), assumptions=[x < LONG])
    with pytest.raises(DomainError, match="an end point of a domain has a number of about 1,4"):
        between(0, Fraction(3**3000, 2**4000))
    with pytest.raises(ClaimError, match="the coordinate x has a number of about 1,4"):
        example("", x < 1, at={x: Fraction(2**4000, 3**3000)})


HOLDS = {
    "the logarithm of a number whose factors nobody knows": decide("", x * sp.log((10**60 + 7) * (10**61 + 453)) >= 0),
    "a power on a box": enclose("", (1 + x) ** BIG > y + z, {x: ("1/10", 1), y: (0, 1), z: (0, 1)}),
    "a large degree": decide("", x**200 + y + z >= 0),
    "exponentials of exponentials": enclose(
        "", sp.exp(sp.exp(sp.exp(sp.exp(x + 3)))) > y + z, {x: (0, 1), y: (0, 1), z: (0, 1)}
    ),
}


@pytest.mark.parametrize("what", HOLDS)
def test_what_looks_large_and_is_not_is_decided(what):
    closed = dict.fromkeys((x, y, z), between(0, 1, "[]"))
    verdict = check(Claim(id="c", statement="S.", domain=closed, proof=[HOLDS[what]]))
    assert verdict.status in ("decided", "enclosed"), verdict.message


def test_claims_have_more_symbols_than_numpy_has_axes():
    domain = {s.name: UNIT for s in MANY}
    assert find_witness(sp.Add(*MANY) > 35, [], {s.name: UNIT for s in MANY}).point == dict.fromkeys(domain, Fraction(1, 2))
    verdict = check(Claim(id="c", statement="S.", domain=domain, proof=[decide("", sp.Add(*MANY) > 0)]))
    assert verdict.outcome == "holds", verdict.message


def test_the_order_of_points_is_that_of_their_size():
    first = find_witness(sp.Or(x + 2 * y < 1, y > x), [], {"x": UNIT, "y": UNIT})
    assert first.point == {"x": Fraction(1, 2), "y": Fraction(1, 2)}
    second = find_witness(sp.Or(x < y, sp.Eq(x, y)), [], {"x": UNIT, "y": UNIT})
    assert (second.point, second.smallest) == ({"x": Fraction(1, 2), "y": Fraction(1, 3)}, True)


@pytest.mark.parametrize("sign", [1, -1])
def test_exponentials_beyond_all_numbers_are_enclosed(sign):
    value = enclose_value(sp.exp(sign * 10**7 * x), {"x": to_interval(Fraction(0), Fraction(1))})
    assert value.a <= 1 <= value.b
    with precision(64):
        far = enclose_value(sp.exp(sign * 10**7 * x), {"x": to_interval(Fraction(1))})
        near = enclose_value(sp.exp(sign * 10**5 * x), {"x": to_interval(Fraction(1))})
    assert (far.a > near.b and far.b == float("inf")) if sign > 0 else (far.a == 0 and far.b < near.a)
    assert sign_at(sp.exp(sign * 10**7 * x) - 1, {"x": Fraction(1)}) == sign


def test_a_value_that_would_fill_the_memory_is_not_known():
    assert sign_at((1 + x) ** (2 * BIG) - ((1 + x) ** 2 - 0 * y) ** BIG, {"x": Fraction(1, 2)}) in (0, None)
    assert sign_at(x ** (y * BIG) - x ** (z * BIG), {"x": Fraction(1, 2), "y": Fraction(1, 3), "z": Fraction(1, 3)}) is None


@pytest.mark.parametrize(
    ("expression", "meanings"),
    [
        (10**n, {n: sp.Integer(10) ** 10}),
        (x**BIG, {x: sp.Rational(3, 2)}),
        (x**BIG, {x: 3 * y}),
        (x ** (y**n), {x: sp.Integer(2), y: sp.Integer(9), n: sp.Integer(99)}),
        ((x * y**BIG) ** 2, {y: sp.Rational(1, 2)}),
    ],
)
def test_a_number_that_would_fill_the_memory_is_not_formed(expression, meanings):
    with pytest.raises(ClaimError, match="it is a number of more than 30,000 digits"):
        replaced(expression, meanings)


def test_large_powers_without_a_number_are_formed():
    assert replaced(x**BIG, {x: y}) == y**BIG
    assert replaced(x**BIG, {x: 1 + 2 * y}) == (1 + 2 * y) ** BIG
    assert replaced(derivative(x, n), {x: y, n: z}) == derivative(y, z)
    assert replaced(x**3 + y, {x: sp.CRootOf(x**5 - x - 1, 0)}).free_symbols == {y}
    assert replaced(x**2 + y, {x: y, y: x}) == y**2 + x
    assert replaced(x**n, {x: sp.Integer(2), n: sp.Rational(1, 10**50)}) == 2 ** sp.Rational(1, 10**50)


def test_what_is_measured_is_no_less_than_what_comes_out():
    """Every claim of the package stays far below the bounds; here they are just passed."""
    assert len(ratio((x + y + z) ** 40).numerator) == 861
    assert ratio(x**300).numerator.degree() == 300
    with pytest.raises(NotSettledError, match="up to 301 degrees"):
        ratio(x**150 * y**151)
    with pytest.raises(NotSettledError, match="it has 5,151 terms"):
        ratio((x + y + z) ** 100)


def test_a_long_polynomial_is_its_own_factor():
    square = ratio((x + y + z + 1) ** 10).numerator
    assert [power for _, power in parts_of(square)[1]] == [10]
    square = ratio((x + y + z + 1) ** 20).numerator
    assert parts_of(square) == (1, [(square, 1)])
    assert parts_of(square - square) == (0, [])

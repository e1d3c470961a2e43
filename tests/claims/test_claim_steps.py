"""What each kind of step concludes, and that nothing which was not shown is called proved."""

from __future__ import annotations

import builtins
import decimal
import itertools
import re
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy import QQ, And, Eq, Equivalent, Implies, Ne, Or
from sympy.polys.rings import ring

from dstheory.claims import (
    CLOSED_UNIT,
    COUNT,
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
    Claim,
    ClaimError,
    Outcome,
    Status,
    at_least,
    check,
    counterexample,
    decide,
    early,
    enclose,
    example,
    identity,
    search,
)
from dstheory.claims.evaluation import to_interval
from dstheory.claims.formulas import explained, with_sides
from dstheory.claims.premises import Premises
from dstheory.claims.solver import OUT_OF_TIME, Answer, PolynomialRelation, ask
from dstheory.claims.steps.enclosure import _mean_value_form, _relation_holds
from dstheory.claims.witnesses import find_witness, is_witness, simplify_witness
from dstheory.errors import NotSettledError

p, a, b, x, y, n = sp.symbols("p a b x y n")


def verdict(*proof, domain=None, **fields):
    options = {key: fields.pop(key) for key in ("seed", "examples", "time_limit") if key in fields}
    claim = Claim(id="t", statement="A statement.", domain=domain or {"p a b": UNIT}, proof=list(proof), **fields)
    return check(claim, **options)


# --- identity ---------------------------------------------------------------------------------------------------------


def test_an_identity_is_proved_with_zero_residual():
    result = verdict(identity("Binomial.", (p + a) ** 2, p**2 + 2 * p * a + a**2))
    assert (result.status, result.steps[0].residual) == (Status.PROVED, "0")


def test_a_wrong_identity_has_a_residual_and_a_witness():
    result = verdict(identity("Sign.", (p - a) ** 2, p**2 - a**2))
    assert result.status is Status.REFUTED
    assert result.witness == {"p": "1/2", "a": "1/3"}
    assert result.residual == "-2*p*a + 2*a**2" or "a**2" in result.residual


def test_several_equations_name_the_one_that_fails():
    result = verdict(identity("Two.", [p + a, p * a], [a + p, p + a]))
    assert result.status is Status.REFUTED
    assert "equation 2 of 2" in result.message


@pytest.mark.parametrize("difference", [sp.sqrt(p) - p, p ** sp.Rational(3, 2) - 2 * sp.sqrt(p), p ** sp.Rational(2, 3) - p])
def test_the_residual_of_roots_is_the_difference_itself(difference):
    result = verdict(identity("Roots.", difference + a, a), domain={"p a": UNIT})
    assert result.status is Status.REFUTED
    assert sp.expand(sp.sympify(result.residual) - difference) == 0


def test_equal_under_an_assumption_only_is_a_decision():
    result = verdict(identity("On the diagonal.", p * a, p**2, given=[Eq(p, a)]))
    assert result.status is Status.DECIDED
    assert "under the assumptions" in result.message


def test_an_equation_that_needs_bounds_on_a_logarithm_is_said_to_rest_on_them():
    by_bounds = identity("", sp.log(p), 0, given=[Eq(p, 1)])
    without = identity("", sp.Max(p, 1), p, given=[p >= 1])
    methods = [check(Claim(id="c", statement="S.", domain={p: POSITIVE}, proof=[step])).method for step in (by_bounds, without)]
    assert methods == ["decision (z3, with elementary bounds on log and exp)", "decision (z3)"]


def test_roots_exponentials_and_logarithms_cancel_exactly():
    proof = [
        identity("Root.", sp.sqrt(p * a) * sp.sqrt(p), p * sp.sqrt(a)),
        identity("Log.", sp.log(p / a) + sp.log(a**2), sp.log(p) + sp.log(a)),
        identity("Integer log.", sp.log(6 * p), sp.log(2) + sp.log(3) + sp.log(p)),
        identity("Power.", (p / a) ** b, p**b / a**b),
        identity("Exponential.", sp.exp(2 * p - a) * sp.exp(a), sp.exp(p) ** 2),
    ]
    assert verdict(*proof).status is Status.PROVED


def test_an_identity_whose_sides_are_one_object_says_so():
    result = verdict(identity("Nothing to do.", p - p + a, a))
    assert (result.steps[0].status, result.steps[0].method) == (Status.PROVED, "by definition")
    assert result.outcome is Outcome.DEFINITION
    assert "SymPy made one expression of both sides as it read them" in result.message


def test_a_claim_is_named_by_a_step_that_says_more_than_its_definitions():
    defined, shown = identity("Nothing to do.", p - p + a, a), identity("Square.", (p + a) ** 2, p**2 + 2 * p * a + a**2)
    assert verdict(defined, shown).method == verdict(shown, defined).method == "identity"
    assert verdict(defined, decide("Product.", p * a < p, where={"p a": UNIT})).status is Status.DECIDED


@pytest.mark.parametrize(
    ("left", "right"), [(sp.log(p - a) + p, sp.log(p - a) + a), (sp.sqrt(p - a) ** 3, 0), ((p - a) ** b, b)]
)
def test_logarithms_and_real_powers_need_a_positive_argument_on_the_whole_domain(left, right):
    result = verdict(identity("Undefined somewhere.", left, right))
    assert result.status is Status.ERROR
    assert "has no value where -a + p is" in result.message
    assert "for instance at a = " in result.message
    assert verdict(identity("Defined.", left, right, given=[p > a])).status is Status.REFUTED


def test_a_denominator_that_vanishes_in_the_domain_is_an_error_with_a_place():
    result = verdict(identity("Cancelled.", (p**2 - a**2) / (p - a) * b, (p + a) * b))
    assert result.status is Status.ERROR
    assert "1/(-a + p) has no value where -a + p is zero, for instance at a = 1/2, p = 1/2" in result.message


# --- decide -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "domain"),
    [
        (p * a < p, {"p a": UNIT}),
        (p**2 + a**2 >= 2 * p * a, {"p a": REAL}),
        (Or(p > a, 2 * p <= a + p, evaluate=False), {"p a": REAL}),
        (Implies(And(p > a, a > b), p > b), {"p a b": REAL}),
        (Equivalent(p > 1 / p, p > 1), {"p": POSITIVE}),
        (Eq((p - a) ** 2, 0) | (p < a) | (p > a), {"p a": REAL}),
        (Ne(p**2 + 1, 0), {"p": REAL}),
        (sp.Abs(p - a) <= sp.Abs(p - b) + sp.Abs(b - a), {"p a b": REAL}),
        (sp.Max(p, a) >= (p + a) / 2, {"p a": REAL}),
        (n**2 >= n, {"n": COUNT}),
        (sp.log(p) <= p - 1, {"p": POSITIVE}),
        (p * sp.log(p / a) + (1 - p) * sp.log((1 - p) / (1 - a)) >= 0, {"p a": UNIT}),
        ((x / y) ** p > 1, {"x y": at_least(1), "p": POSITIVE}),
        (sp.exp(p) > 1 + p, {"p": POSITIVE}),
        (sp.sqrt(p * a) <= (p + a) / 2, {"p a": POSITIVE}),
    ],
)
def test_true_formulas_are_decided(formula, domain):
    given = [x > y] if "x" in str(domain) else []
    result = verdict(decide("True.", formula, given=given), domain=domain)
    assert result.status is Status.DECIDED, result.message


@pytest.mark.parametrize(
    ("formula", "domain", "witness"),
    [
        (p * a < a * p * p, {"p a": UNIT}, {"p": "1/2", "a": "1/2"}),
        (p**2 >= p, {"p": NONNEGATIVE}, {"p": "1/2"}),
        (p > 0, {"p": CLOSED_UNIT}, {"p": "0"}),
        (p < 1, {"p": CLOSED_UNIT}, {"p": "1"}),
        (n**2 > n, {"n": COUNT}, {"n": "1"}),
        (sp.log(p) < p - 1, {"p": POSITIVE}, {"p": "1"}),
        (Ne(p**2, 2), {"p": POSITIVE}, {"p": "sqrt(2)"}),
        (And(Ne(2 * p, 1), p > 0), {"p": UNIT}, {"p": "1/2"}),
        (p * (1000 * p - 1) * (1000 * p - 2) >= 0, {"p": POSITIVE}, None),
    ],
)
def test_false_formulas_have_a_witness_that_holds_up(formula, domain, witness):
    result = verdict(decide("False.", formula), domain=domain)
    assert result.status is Status.REFUTED, result.message
    if witness is None:  # between 1/1000 and 2/1000: found by the solver, then made rounder
        point = {"p": Fraction(result.witness["p"])}
        assert is_witness(point, formula, [], {"p": POSITIVE})
    else:
        assert result.witness == witness


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize(
    "left",
    [1 + p, -1 - p, 2 - 1 / (1 + p), (1 + p) * (p - 2) ** 3, (p - 3) ** 2, (1 + p) ** 2 - p * (p + 2) - 1],
    ids=str,
)
def test_a_relation_whose_sign_is_known_is_taken_for_what_it_is(left, operator):
    """No search finds where the other part fails, so that the solver decides."""
    relation = sp.Rel(left, 0, operator)
    holds = bool(relation.subs(p, sp.Rational(1, 2)))
    result = verdict(decide("Either.", Or(relation, Ne(p**2, sp.Rational(1, 2)))), domain={"p": UNIT})
    assert result.status is (Status.DECIDED if holds else Status.REFUTED)


@pytest.mark.parametrize("formula", [Ne(2 * n, 3), (n - 1) * (2 * n - 3) >= 0, n**2 >= 2 * n - 1, 3 * n * (n - 2) > -3 - n])
def test_an_integer_claim_that_fails_only_between_the_integers_is_decided_over_the_integers(formula):
    assert verdict(decide("No integer.", formula), domain={"n": COUNT}).status is Status.DECIDED


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (sp.log((p + a) / 2) >= (sp.log(p) + sp.log(a)) / 2, sp.log((p + a) / 2) > (sp.log(p) + sp.log(a)) / 2),
        (p * sp.log(p) + (1 - p) * sp.log(1 - p) >= -sp.log(2), p * sp.log(p) + (1 - p) * sp.log(1 - p) > -sp.log(2)),
        (Implies(p > a, sp.exp(p) > sp.exp(a)), Implies(p >= a, sp.exp(p) > sp.exp(a))),
        (1 - (1 - p) ** n >= p, 1 - (1 - p) ** n > p),
    ],
    ids=["Jensen", "entropy", "increasing", "pass at n"],
)
def test_logarithms_and_exponentials_of_several_arguments_are_compared(true, false):
    domain = {"p a": UNIT, "n": COUNT}
    assert verdict(decide("Compared.", true), domain=domain).status is Status.DECIDED
    assert verdict(decide("Not where they are equal.", false), domain=domain).status is not Status.DECIDED


def test_a_formula_beyond_the_bounds_on_exp_is_undecided_not_decided():
    series = sum(p**k / sp.factorial(k) for k in range(6))
    result = verdict(decide("Sixth order.", sp.exp(p) >= series), domain={"p": UNIT})
    assert result.status is Status.UNDECIDED
    assert "bounds" in result.message


polynomials = st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=4).map(
    lambda terms: sp.Add(*[c * x**i * y**j for c, i, j in terms])
)


@given(polynomials, polynomials, st.sampled_from(["<", "<=", ">", ">=", "=="]))
def test_decide_agrees_with_a_dense_grid(left, right, operator):
    """Decided means no counterexample on a grid; refuted means that the witness is one."""
    relation = sp.Rel(left, right, operator)
    if relation in (sp.true, sp.false):
        return
    result = verdict(decide("Random.", relation), domain={"x y": CLOSED_UNIT}, time_limit=5)
    domain = {"x": CLOSED_UNIT, "y": CLOSED_UNIT}
    if result.status is Status.DECIDED:
        grid = [Fraction(k, 6) for k in range(7)]
        assert not any(is_witness({"x": u, "y": v}, relation, [], domain) for u in grid for v in grid)
    elif result.status is Status.REFUTED:
        values = list(result.witness.values())
        if all("/" in value or value.lstrip("-").isdigit() for value in values):
            assert is_witness({k: Fraction(v) for k, v in result.witness.items()}, relation, [], domain)
    else:
        assert result.status is Status.UNDECIDED


def test_the_smallest_witness_is_the_first_of_all_smaller_points():
    domain = {"x": UNIT, "y": UNIT}
    formula = 5 * x + 7 * y > 4
    found = find_witness(formula, [], domain)
    assert found is not None
    assert found.smallest
    key = lambda point: (max(v.denominator for v in point), sum(v.denominator for v in point))  # noqa: E731
    candidates = [Fraction(k, d) for d in range(2, 9) for k in range(1, d)]
    best = min((u, v) for u in candidates for v in candidates if not 5 * u + 7 * v > 4 for _ in [0])
    all_failing = [(u, v) for u in candidates for v in candidates if not 5 * u + 7 * v > 4]
    assert key(tuple(found.point.values())) == min(map(key, all_failing))
    assert best in all_failing


@pytest.mark.parametrize(
    ("formula", "domain", "point"),
    [
        (x / 3 >= 1, POSITIVE, 1),  # a fraction is not its inverse
        (-((x - 1) ** 2) < 0, REAL, 1),  # it fails where both sides are equal
        (Ne(10**12 * x * (x + 1), sp.Rational(4 * 10**12, 9)), UNIT, Fraction(1, 3)),  # nor are they in floating point
    ],
)
def test_a_search_looks_where_floating_point_cannot_tell(formula, domain, point):
    found = find_witness(formula, [], {"x": domain})
    assert (found.point, found.smallest) == ({"x": point}, True)


def test_an_irrational_witness_becomes_a_fraction_however_near_that_must_be():
    formula = Or(x < sp.Rational(14142135623, 10**10), x > sp.Rational(14142135624, 10**10))
    found = simplify_witness({"x": sp.sqrt(2)}, formula, [], {"x": POSITIVE}).point["x"]
    assert isinstance(found, Fraction)
    assert is_witness({"x": found}, formula, [], {"x": POSITIVE})


# --- assumptions ------------------------------------------------------------------------------------------------------


CONTRADICTORY = [[p > a, a > p], [p + a > 2], [Eq(p**2, -1)], [p * p < 0], [(p + 1) ** 2 > p**2 + 2 * p + 1]]


@pytest.mark.parametrize("assumptions", CONTRADICTORY)
def test_contradictory_assumptions_are_an_error_whatever_is_claimed(assumptions):
    for step in (decide("Anything.", p > 7), identity("Anything.", p, a)):
        result = verdict(step, assumptions=assumptions)
        assert result.status is Status.ERROR
        assert "contradict" in result.message


def test_contradictory_assumptions_of_one_step_are_an_error():
    result = verdict(decide("Anything.", p > 7, given=[p > a, a > p]))
    assert result.status is Status.ERROR
    assert "contradict" in result.message


@pytest.mark.parametrize(
    ("assumption", "formula", "status"),
    [
        (sp.Max(x, y) <= 1, x + y <= 2, Status.DECIDED),
        (sp.Max(x, y) <= 1, x + y < 2, Status.REFUTED),
        (sp.Min(x, y) >= 1, x * y >= 1, Status.DECIDED),
        (sp.Min(x, y) >= 1, x * y > 1, Status.REFUTED),
        (sp.Abs(x) <= sp.Min(y, 1), x**2 <= 1, Status.DECIDED),
        (sp.Max(x, y) < sp.Min(x, y), x > 7, Status.ERROR),
        (x / (p - 2) >= 1, x <= p - 2, Status.DECIDED),
        (x / (p - 2) >= 1, x < p - 2, Status.REFUTED),
    ],
)
def test_assumptions_may_have_a_maximum_a_minimum_or_a_negative_denominator(assumption, formula, status):
    result = verdict(decide("Under it.", formula), domain={"x y": REAL, "p": UNIT}, assumptions=[assumption])
    assert result.status is status


def test_a_sign_that_was_found_on_one_range_is_not_that_on_another():
    cases = [(UNIT, [], -1), (at_least(2), [], 1), (REAL, [], None), (REAL, [x > 2], 1), (REAL, [x**2 < 2], -1)]
    for domain, assumptions, sign in cases:
        assert Premises({"x": domain}, assumptions, deadline=time.process_time() + 5).sign_of(x**2 - 2) == sign


def test_assumptions_that_only_irrational_points_satisfy_are_not_vacuous():
    result = verdict(decide("Root two.", x > 1, given=[Eq(x**2, 2)]), domain={"x": POSITIVE})
    assert result.status is Status.DECIDED


def test_a_symbol_without_domain_is_an_error_that_names_it():
    result = verdict(decide("Free.", sp.Symbol("kappa") > 0))
    assert result.status is Status.ERROR
    assert "kappa" in result.message


# --- points, enclosure, search ----------------------------------------------------------------------------------------


def test_examples_and_counterexamples_are_exact():
    good = [
        example("There is one.", Eq(p + a, sp.Rational(5, 6)), at={p: "1/2", a: "1/3"}),
        counterexample("Not always.", p > a, at={"p": "1/3", "a": "1/2"}),
        example("With a logarithm.", sp.log(p) < -sp.Rational(1, 2), at={p: "1/2"}),
    ]
    assert verdict(*good).status is Status.PROVED


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (example("x", p > a, at={p: "1/3", a: "1/2"}), "is none"),
        (counterexample("x", p < a, at={p: "1/3", a: "1/2"}), "is none"),
        (example("x", p > a, at={p: "1/3"}), "no value for a"),
        (example("x", p < 2, at={p: 1}), "outside its domain"),
        (example("x", p < a, at={p: "1/3", a: "1/2"}, given=[p > a]), "does not satisfy the assumption"),
        (example("x", p < 1, at={p: "1/3", "zeta": 1}), "zeta"),
    ],
)
def test_points_that_prove_nothing_are_errors(step, message):
    result = verdict(step)
    assert result.status is Status.ERROR
    assert message in result.message


@pytest.mark.parametrize("value", [0.5, "half", "1/0", None])
def test_coordinates_are_exact_numbers(value):
    with pytest.raises(ClaimError, match=r"float|rational number"):
        example("x", p < 1, at={p: value})


def test_an_enclosure_covers_its_box():
    formula = sp.log(1 + p) <= p - p**2 / 2 + p**3 / 3
    result = verdict(enclose("Third order.", formula, {p: ("1/10", "9/10")}))
    assert result.status is Status.ENCLOSED


@pytest.mark.parametrize("formula", [Equivalent(p > -1, sp.log(p) < 1), sp.Xor(sp.log(p) > 0, p < 2), Implies(p > 2, p > 3)])
def test_an_enclosure_understands_every_connective(formula):
    assert verdict(enclose("Everywhere.", formula, {p: ("1/10", "9/10")})).status is Status.ENCLOSED
    assert verdict(enclose("Nowhere.", sp.Not(formula), {p: ("1/10", "9/10")})).status is Status.REFUTED


@pytest.mark.parametrize("ends", [(-1, -1), (-1, 0), (-1, 1), (0, 0), (0, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("relation", [sp.Lt, sp.Le, sp.Gt, sp.Ge, sp.Eq, sp.Ne], ids=lambda relation: relation.rel_op)
def test_an_interval_settles_a_relation_only_if_all_its_numbers_do(relation, ends):
    truths = {bool(relation(value, 0)) for value in (ends[0], sp.Rational(sum(ends), 2), ends[1])}
    settled = _relation_holds(relation(x, 0).rel_op, to_interval(*map(Fraction, ends)))
    assert settled is (truths.pop() if len(truths) == 1 else None)


def test_an_enclosure_settles_where_its_formula_has_a_value_too():
    """No point is found at which exp(x) is 2."""
    formula = Or(x < 2, sp.log((sp.exp(x) - 2) ** 2) > 0)
    assert verdict(enclose("Zero.", formula, {x: (0, 1)}, boxes=60), domain={x: CLOSED_UNIT}).status is Status.UNDECIDED
    assert verdict(enclose("Not.", formula, {x: (1, 2)}, boxes=60), domain={x: at_least(1)}).status is Status.ENCLOSED


@pytest.mark.parametrize("expression", [x**2, x * (1 - x) * y, sp.exp(x) - y * x, sp.log(1 + x) / (2 - y), sp.sqrt(1 + x) * x**y])
def test_the_mean_value_form_contains_the_value_at_every_point_of_the_box(expression):
    ends = [Fraction(1, 10), Fraction(9, 10)]
    enclosure = _mean_value_form(expression, {"x": to_interval(*ends), "y": to_interval(*ends)})
    at = [Fraction(k, 10) for k in range(1, 10)]
    values = [sp.N(expression.subs({x: sp.Rational(u), y: sp.Rational(v)}), 30) for u in at for v in at]
    assert enclosure.a <= min(values)
    assert max(values) <= enclosure.b


@pytest.mark.parametrize(
    "formula", [p < 1, p > 0, Ne(p, 1), sp.exp(p) > 1, sp.log(1 + p) > 0, p**2 < p, sp.log(1 + p) < sp.log(2), sp.sqrt(p) > 0]
)
def test_an_enclosure_is_about_the_ends_of_its_box(formula):
    strict = verdict(enclose("Strict.", formula, {p: (0, 1)}, boxes=40), domain={p: CLOSED_UNIT})
    assert strict.status is Status.REFUTED
    assert strict.witness["p"] in ("0", "1")


@pytest.mark.parametrize(("formula", "corner"), [(p * a < 1, "11"), (p + a > 0, "00"), (p - a < 1, "10"), (a - p < 1, "01")])
def test_an_enclosure_tries_each_corner_of_its_box_that_the_premises_leave(formula, corner):
    ends = {p: (0, 1), a: (0, 1)}
    result = verdict(enclose("Strict.", formula, ends, boxes=40), domain={"p a": CLOSED_UNIT})
    assert result.witness == dict(zip("pa", corner, strict=True))
    without = enclose("Strict.", formula, ends, boxes=40, given=[Ne(p + 2 * a, sp.Integer(corner[0]) + 2 * int(corner[1]))])
    assert verdict(without, domain={"p a": CLOSED_UNIT}).status is Status.UNDECIDED


@pytest.mark.parametrize("formula", [x * (1 - x) <= sp.Rational(2505, 10**4), (x - y) * (x + y) <= sp.Rational(101, 100)])
def test_slopes_and_halves_of_the_widest_side_settle_a_formula_on_few_boxes(formula):
    """Without slopes it takes 179 and 85 boxes; where the same side is halved time after time no number is enough."""
    step = enclose("Few.", formula, dict.fromkeys(formula.free_symbols, (0, 1)), boxes=60)
    assert verdict(step, domain={"x y": CLOSED_UNIT}).status is Status.ENCLOSED


def test_an_enclosure_refutes_with_an_exact_witness():
    result = verdict(enclose("Wrong.", sp.log(p) > -1, {p: ("1/10", "9/10")}))
    assert result.status is Status.REFUTED
    assert sp.log(sp.Rational(result.witness["p"])) < -1


def test_an_enclosure_that_cannot_be_settled_is_undecided():
    result = verdict(enclose("Touches.", sp.log(p) <= 2 * p - 1 + sp.log(sp.Rational(1, 2)), {p: ("1/4", "3/4")}, boxes=50))
    assert result.status is Status.UNDECIDED
    assert "50 boxes" in result.message


@pytest.mark.parametrize(
    ("box", "message"), [({p: (0, "1/2")}, "outside its domain"), ({x: (0, 1)}, "no domain"), ({a: ("1/3", "1/2")}, "bound p")]
)
def test_a_box_lies_in_the_domain_and_bounds_every_symbol(box, message):
    result = verdict(enclose("Box.", sp.log(p) < 0, box))
    assert result.status is Status.ERROR
    assert message in result.message


def test_a_search_says_not_refuted_and_counts():
    result = verdict(search("Squares.", lambda n: n * n >= n, n=st.integers(0, 99)), domain={}, examples=37, seed=5)
    assert (result.status, result.outcome) == (Status.SEARCHED, Outcome.NOT_REFUTED)
    assert "37 examples, seed 5" in result.message


def test_a_search_shrinks_its_counterexample():
    result = verdict(search("Wrong.", lambda n: n < 42, n=st.integers(0, 10**6)), domain={})
    assert (result.status, result.witness) == (Status.REFUTED, {"n": "42"})


def test_an_assertion_in_a_search_counts_as_no_any_other_exception_as_a_crash():
    def asserts(n):
        assert n < 42

    assert verdict(search("Asserts.", asserts, n=st.integers(0, 99)), domain={}).status is Status.REFUTED
    crash = verdict(search("Crashes.", lambda n: 1 // (n - n), n=st.integers(0, 99)), domain={})
    assert (crash.status, crash.method) == (Status.ERROR, "crash")
    assert "ZeroDivisionError" in crash.message


# --- combination ------------------------------------------------------------------------------------------------------

PROVED = identity("Proved.", (p + a) ** 2, p**2 + 2 * p * a + a**2)
DECIDED = decide("Decided.", p * a < p)
ENCLOSED = enclose("Enclosed.", sp.log(p) < 0, {p: ("1/10", "9/10")})
SEARCHED = search("Searched.", lambda n: True, n=st.integers())
REFUTED = decide("Refuted.", p > a)


@pytest.mark.parametrize(
    ("steps", "status", "message"),
    [
        ([PROVED, PROVED], Status.PROVED, ""),
        ([PROVED, DECIDED], Status.DECIDED, "step 2"),
        ([ENCLOSED, DECIDED], Status.ENCLOSED, "step 1"),
        ([PROVED, SEARCHED, DECIDED], Status.SEARCHED, "step 2"),
        ([SEARCHED, REFUTED], Status.REFUTED, "step 2"),
        ([REFUTED, decide("Ill posed.", sp.Symbol("zeta") > 0)], Status.ERROR, "step 2"),
    ],
)
def test_a_claim_is_as_strong_as_its_weakest_step(steps, status, message):
    result = verdict(*steps)
    assert result.status is status
    assert message in result.message


def test_a_false_lemma_breaks_the_proof_without_refuting_the_claim():
    result = verdict(decide("Lemma.", p > a, lemma=True), DECIDED)
    assert result.status is Status.UNDECIDED
    assert "lemma is false" in result.message


def test_holds_under_condition_needs_a_point_that_shows_the_condition_is_needed():
    conditional = {"assumptions": [p > a], "recorded": "holds under condition"}
    without = verdict(decide("Then.", p**2 > a**2), **conditional)
    assert without.status is Status.ERROR
    assert "condition is needed" in without.message
    needed = counterexample("Needed.", p**2 > a**2, at={p: "1/3", a: "1/2"})
    claim = Claim(
        id="t",
        statement="x",
        domain={"p a": UNIT},
        proof=[decide("Then.", p**2 > a**2, given=[p > a]), needed],
        recorded="holds under condition",
    )
    assert check(claim).outcome is Outcome.CONDITIONAL


def test_a_verdict_says_what_is_false_at_the_witness_and_counts_its_time():
    start = time.monotonic()
    result = verdict(DECIDED, REFUTED)
    assert result.message.endswith(": 1/2 > 1/2 is false")
    assert 0 <= sum(step.time for step in result.steps) <= result.time <= time.monotonic() - start


def test_a_recorded_witness_is_verified_exactly_and_shown():
    result = verdict(REFUTED, recorded="fails", witness={"p": "1/4", "a": "3/4"})
    assert (result.status, result.witness) == (Status.REFUTED, {"p": "1/4", "a": "3/4"})
    assert "a search found p = 1/2, a = 1/2" in result.message
    wrong = verdict(REFUTED, recorded="fails", witness={"p": "3/4", "a": "1/4"})
    assert wrong.status is Status.ERROR
    assert "does not refute" in wrong.message
    partial = verdict(REFUTED, recorded="fails", witness={"p": "3/4"})
    assert "no value for a" in partial.message


# --- the solver's limits ----------------------------------------------------------------------------------------------


def test_the_solver_is_not_asked_for_signs_that_a_point_disproves(monkeypatch):
    asked = []
    monkeypatch.setattr("dstheory.claims.premises._KNOWN_SIGNS", {})
    monkeypatch.setattr("dstheory.claims.premises.ask", lambda trees, **kwargs: asked.append(trees) or ask(trees, **kwargs))
    premises = Premises({"p": UNIT, "a": UNIT}, [a > p], deadline=time.process_time() + 5)
    unknown = Premises({}, [], deadline=time.process_time() + 5)
    assert premises.sign_of(p + a - 1) is None
    assert unknown.sign_of(p * a - 1) is None
    assert not asked
    assert (premises.sign_of(a - p), premises.sign_of(p - a), premises.sign_of(p * p - a - 1)) == (1, -1, -1)
    assert len(asked) == 2  # one question for each factor, and none for a factor with the other sign


def test_unknown_from_the_solver_is_undecided(monkeypatch):
    monkeypatch.setattr("dstheory.claims.premises.ask", lambda *args, **kwargs: Answer("unknown", reason="incomplete"))
    result = verdict(DECIDED)
    assert (result.status, result.outcome) == (Status.UNDECIDED, Outcome.UNDECIDED)
    assert "unknown: incomplete" in result.message


def test_unknown_from_the_solver_rules_out_no_point_without_a_value(monkeypatch):
    """The identity is exact; whether x**2 - 2 vanishes is what only the solver could say."""
    cancelled = identity("Cancelled.", (x**3 - 2 * x) / (x**2 - 2), x)
    holding = identity("Cancelled.", (x**3 + 2 * x) / (x**2 + x + 2), x - (x**2 / (x**2 + x + 2)))
    assert verdict(cancelled, domain={"x": POSITIVE}).status is Status.ERROR
    assert verdict(holding, domain={"x": REAL}).status is Status.PROVED
    monkeypatch.setattr("dstheory.claims.premises.ask", lambda *args, **kwargs: Answer("unknown", reason="incomplete"))
    monkeypatch.setattr("dstheory.claims.premises._KNOWN_SIGNS", {})
    for step, domain in ((cancelled, POSITIVE), (holding, REAL)):
        result = verdict(step, domain={"x": domain})
        assert result.status is Status.UNDECIDED
        assert "has no value where" in result.message
    assert verdict(identity("On the diagonal.", p * a, p**2, given=[Eq(p, a)])).status is Status.UNDECIDED
    premises = Premises({"x": POSITIVE}, [], deadline=time.process_time() + 5)
    assert not premises.never_negative(x)
    assert premises.sign_of(x**2 + 1) is None
    with pytest.raises(NotSettledError, match="incomplete"):
        premises.point(Eq(x**2, 2))


def test_once_its_time_is_over_nothing_is_asked():
    late = Premises({"x": POSITIVE}, [], deadline=time.process_time() - 1).ask([x < 0])
    assert (late.status, late.reason) == ("unknown", OUT_OF_TIME)


def test_a_sat_answer_that_exact_arithmetic_does_not_confirm_is_undecided(monkeypatch):
    lie = Answer("sat", point={"p": Fraction(1, 2), "a": Fraction(1, 2)})
    monkeypatch.setattr("dstheory.claims.premises.ask", lambda *args, **kwargs: lie)
    result = verdict(DECIDED)
    assert result.status is Status.UNDECIDED
    assert "could not be confirmed" in result.message


def test_without_z3_nothing_is_decided_and_the_message_says_so(monkeypatch):
    original = builtins.__import__

    def no_z3(name, *args, **kwargs):
        if name == "z3":
            raise ImportError("No module named 'z3'")
        return original(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "z3", raising=False)
    monkeypatch.setattr(builtins, "__import__", no_z3)
    result = verdict(DECIDED)
    assert result.status is Status.UNDECIDED
    assert "pip install z3-solver" in result.message
    assert verdict(REFUTED).status is Status.REFUTED  # a witness needs no solver


@pytest.mark.parametrize("where", ["check", "model"])
def test_an_interruption_that_the_solver_answers_with_an_exception_is_running_out_of_time(monkeypatch, where):
    import z3

    def canceled(self):
        end = time.process_time() + 0.5
        while time.process_time() < end:  # until the watcher has interrupted
            pass
        raise z3.Z3Exception(b"canceled")

    relation = PolynomialRelation(((ring("x", QQ)[1], 1),), ">")
    monkeypatch.setattr(z3.Solver, where, canceled)
    answer = ask([relation], seconds=0.1)
    assert (answer.status, answer.reason) == ("unknown", OUT_OF_TIME)
    monkeypatch.setattr(z3.Solver, where, lambda self: (_ for _ in ()).throw(z3.Z3Exception(b"out of memory")))
    with pytest.raises(z3.Z3Exception, match="out of memory"):  # a fault of the solver stays one
        ask([relation], seconds=60.0)


def test_time_runs_out_into_undecided():
    sums = sum((sp.Symbol(f"u_{i}") * p - sp.Symbol(f"u_{i + 1}") * a**i) ** 2 for i in range(6))
    hard = decide("Hard.", sums * (1 + (x - y**3 * b) ** 2) + 1 > x * y * p * a * b / (1 + (x * y * p * a * b) ** 2) * 2 - 1)
    domain = {"x y p a b": REAL, " ".join(f"u_{i}" for i in range(7)): REAL}
    result = verdict(hard, domain=domain, time_limit=0.3)
    assert result.status is Status.UNDECIDED
    assert "time limit" in result.message


def test_the_same_seed_gives_the_same_verdict():
    def once():
        result = verdict(REFUTED, SEARCHED, DECIDED, seed=3)
        return result.status, result.witness, [(step.status, step.detail) for step in result.steps]

    assert once() == once()


# --- the claim itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": "two words"}, "short name"),
        ({"statement": " "}, "states nothing"),
        ({"statement": b"p"}, "statement is a text, statement"),
        ({"notes": ["p"]}, "notes is a text, notes"),
        ({"level": "gradiant"}, "did you mean 'gradient'"),
        ({"recorded": "true"}, "recorded verdict"),
        ({"proof": []}, "no proof steps"),
        ({"proof": [p > a]}, "step 1"),
        ({"proof": [decide("x", p > a, lemma=True)]}, "every step is a lemma"),
        ({"witness": {"p": "1/2"}}, "only what fails"),
        ({"domain": {"p": 3}}, "must be a Domain"),
        ({"assumptions": [sp.Symbol("zeta") > 0]}, "zeta"),
    ],
)
def test_a_claim_that_is_not_well_posed_is_refused_where_it_is_written(fields, message):
    good = {"id": "t", "statement": "x", "domain": {"p a b": UNIT}, "proof": [DECIDED]}
    with pytest.raises(ClaimError, match=message):
        Claim(**{**good, **fields})


def test_a_crash_in_a_proof_function_is_a_crash_with_its_place():
    def proof():
        yield DECIDED
        raise KeyError("lost")

    result = check(Claim(id="t", statement="x", domain={"p a b": UNIT}, proof=proof))
    assert (result.status, result.method) == (Status.ERROR, "crash")
    assert "KeyError" in result.message
    assert "test_claim_steps.py" in result.message


SUM = sp.Sum(n, (n, 1, 1))
EXTREMES = {
    "a sum": (False, lambda: decide("S.", sp.Max(x, sp.Min(1, SUM)) >= x)),
    "a product": (False, lambda: decide("S.", sp.Min(x, sp.Max(-1, 1 / sp.Product(sp.log(n), (n, 1, 3)))) <= x)),
    "a term without a value": (False, lambda: decide("S.", sp.Min(x, sp.Max(-1, sp.Sum(1 / (n - 2), (n, 1, 3)))) <= x)),
    "a definition": (True, lambda: decide("S.", sp.Min(x, sp.Max(-1, 1 / a)) <= x, using={a: x - x})),
    "a premise": (True, lambda: decide("S.", x > 0, given=[sp.Min(x, sp.Max(-1, sp.sqrt(a))) > 0], using={a: x - x - 1})),
}


@pytest.mark.parametrize(("as_checked", "step"), EXTREMES.values(), ids=list(EXTREMES))
def test_a_maximum_of_what_sympy_cannot_compare_is_not_well_posed(as_checked, step):
    with early.watched(""):
        claim = Claim(id="t", statement="S.", domain={"x": REAL}, proof=lambda: [step()])
    found = check(claim)
    assert (found.status, found.method) == (Status.ERROR, "not well posed")
    assert re.search("SymPy cannot compare .* of Max or Min", found.message)
    assert ("(test_claim_steps.py, line " in found.message) is not as_checked


@pytest.mark.parametrize("part", ["domain", "definitions", "witness", "where", "using"])
def test_what_maps_symbols_is_a_mapping(part: str) -> None:
    """A condition where a domain belongs, say: one sentence where it is written, and no crash when it is checked."""
    p = sp.Symbol("p")
    of_step = {part: p > sp.Rational(1, 2)} if part in ("where", "using") else {}
    of_claim = {} if of_step else {part: [p]}
    with pytest.raises(ClaimError, match=rf"{part}( of a step)? maps symbols.*; it is "):
        step = decide("w", p > 0, **of_step)
        Claim(**{"id": "x", "statement": "s", "domain": {p: UNIT}, "proof": [step], "recorded": "fails", **of_claim})


def test_large_coefficients_whose_multiplicities_flint_does_not_say() -> None:
    """A square that is zero at one odd number: cases that leave it out do not cover it, and a decision finds it."""
    p, at = sp.Symbol("p"), sp.Rational(7919, 104729)
    square = (p - at) ** 2 * (p - at - sp.Rational(1, 10**15)) ** 2
    steps = [decide("a", square > 0, given=[p < at]), decide("b", square >= 0)]
    assert check(Claim(id="x", statement="s", domain={p: UNIT}, proof=steps)).status is not Status.ERROR
    assert check(Claim(id="x", statement="s", domain={p: UNIT}, proof=[decide("w", square > 0)])).status is Status.REFUTED


@pytest.mark.parametrize(("name", "value", "domain"), [("p", "3/2", UNIT), ("p", 1, UNIT), ("n", "3/2", COUNT)])
def test_a_recorded_witness_outside_the_domain_refutes_nothing(name, value, domain):
    """The formula fails there, and at points of the domain too; the recorded point is none of them."""
    x = sp.Symbol(name)
    wrong = decide("Never near 1.", Or(x < sp.Rational(3, 4), x > 2))
    result = verdict(wrong, domain={x: domain}, recorded="fails", witness={name: value})
    assert result.status is Status.ERROR
    assert f"the recorded witness {name} = {value} does not refute the formula" in result.message


@pytest.mark.parametrize(
    "formula",
    [x < sp.Rational(5, 8), x <= sp.Rational(5, 8), x > sp.Rational(3, 8), x >= sp.Rational(3, 8), Eq(x, x**2), Ne(x, 0)],
)
def test_an_enclosure_sees_where_its_box_is_too_large(formula):
    """Each is true on a part of the box, and false at an end or at points of the inside."""
    result = verdict(enclose("On the box.", formula, {x: (0, 1)}), domain={x: CLOSED_UNIT})
    assert result.status is Status.REFUTED


def test_an_enclosure_leaves_out_only_what_a_premise_excludes():
    """The premise is true on a half of the box: that half is still looked at."""
    below, above = sp.Rational(1, 2), sp.Rational(3, 4)
    wrong = enclose("Beyond the premise.", x > above, {x: (0, 1)}, given=[x >= below])
    right = enclose("Within it.", x > sp.Rational(1, 3), {x: (0, 1)}, given=[x >= below])
    assert verdict(wrong, domain={x: CLOSED_UNIT}).status is Status.REFUTED
    assert verdict(right, domain={x: CLOSED_UNIT}).status is Status.ENCLOSED


@pytest.mark.parametrize(
    "value", [True, np.True_, sp.true, 0.5, np.float32(0.5), sp.Float(0.5), sp.pi, "x", "nan", "1/0", float("inf"), 1j, None, [1]]
)
@pytest.mark.parametrize("step", [example, counterexample, enclose])
def test_a_coordinate_is_an_exact_rational_number(step, value):
    """A truth value is no 1 and a float no fraction, whoever makes them."""
    where = {p: (0, value)} if step is enclose else {p: value}
    with pytest.raises(ClaimError, match=r"the coordinate p = .* is no exact rational number"):
        step("At a point.", p > 0, where)
    with pytest.raises(ClaimError, match="the coordinate p = "):
        Claim(id="t", statement="S.", domain={p: UNIT}, proof=[REFUTED], recorded="fails", witness={p: value})


@pytest.mark.parametrize("value", [1, np.int64(1), Fraction(1), sp.Integer(1), decimal.Decimal("1.0"), "1", "2/2", "1.0"])
def test_whole_numbers_and_fractions_of_every_kind_are_coordinates(value):
    assert example("At a point.", p > 0, {p: value}).at == {"p": Fraction(1)}


CONSTANTS = {
    "pi": (sp.pi, "3.14159265358979323846", "3.14159265358979323847"),
    "e": (sp.E, "2.71828182845904523536", "2.71828182845904523537"),
    "the logarithm of 2": (sp.log(2), "0.69314718055994530941", "0.69314718055994530942"),
    "1/e": (sp.exp(-1), "0.36787944117144232159", "0.36787944117144232160"),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_an_irrational_number_lies_between_the_decimals_that_are_known_of_it(name):
    """Against published digits: what is true by 1e-11 is decided, and nothing that is false by less than any tolerance holds."""
    number, low, high = CONSTANTS[name]
    below, above, near = sp.Rational(low), sp.Rational(high), sp.Rational(1, 10**11)
    assert verdict(decide("Less.", p * number < p * (above + near)), domain={p: UNIT}).outcome is Outcome.HOLDS
    assert verdict(decide("More.", p * number > p * (below - near)), domain={p: UNIT}).outcome is Outcome.HOLDS
    assert verdict(decide("Barely more.", p * number > p * above), domain={p: UNIT}).outcome is Outcome.FAILS
    assert verdict(decide("Barely less.", p * number < p * below), domain={p: UNIT}).outcome is Outcome.FAILS
    assert verdict(identity("Equal.", p * number, p * above), domain={p: UNIT}).outcome is Outcome.FAILS


def test_a_constant_of_which_nothing_is_known_is_refused():
    assert "EulerGamma is not understood" in verdict(decide("Less.", p * sp.EulerGamma < 1)).message


def test_an_error_of_a_claim_is_its_own_even_where_sympy_compared_on_the_way():
    """What SymPy asks while it compares, an operand's own sign say, may say what is wrong better than any other word."""

    class Odd(sp.Symbol):
        @property
        def is_extended_real(self) -> bool:
            raise ClaimError("mine")

    with pytest.raises(ClaimError) as raised:
        sp.Max(Odd("odd"), 1)
    assert explained(raised.value) is raised.value


@pytest.mark.parametrize("number", [2, 3, 4])
def test_an_equivalence_is_true_where_all_of_its_parts_agree_and_nowhere_else(number: int) -> None:
    parts = sp.symbols(f"x:{number}")
    written = with_sides(Equivalent(*(part > 0 for part in parts)), lambda side: side)
    for signs in itertools.product((-1, 1), repeat=number):
        assert bool(written.subs(dict(zip(parts, signs, strict=True)))) == (len(set(signs)) == 1)

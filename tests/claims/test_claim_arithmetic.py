"""Exact evaluation, polynomials, intervals and abstraction, each against an independent computation."""

from __future__ import annotations

import decimal
import itertools
import random
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
from all_claims import all_claims
from hypothesis import assume, given
from hypothesis import strategies as st

from dstheory.claims import REAL, UNIT, Claim, Status, check, decide, formulas
from dstheory.claims.abstraction import Abstraction
from dstheory.claims.evaluation import (
    enclose_value,
    evaluate,
    possible,
    precision,
    sign_at,
    sign_of_interval,
    to_interval,
    truth_at,
)
from dstheory.claims.formulas import derivative, latex, latex_named, text, with_names
from dstheory.errors import ClaimError, UndefinedError
from dstheory.rational import as_ratio, factors_of, terms_of

x, y, z = SYMBOLS = sp.symbols("x y z")
fractions = st.fractions(min_value=-3, max_value=3, max_denominator=7)
positive = st.fractions(min_value=Fraction(1, 20), max_value=4, max_denominator=20)

leaves = st.one_of(st.sampled_from(SYMBOLS), st.fractions(-3, 3, max_denominator=5).map(lambda f: sp.Rational(f)))
rational = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inner, st.integers(-2, 3)).map(lambda pair: sp.Pow(pair[0], pair[1], evaluate=False)),
    ),
    max_leaves=8,
)


@given(rational, fractions, fractions, fractions)
def test_fraction_evaluation_agrees_with_substitution(expression, u, v, w):
    point = {"x": u, "y": v, "z": w}
    by_sympy = expression.subs({s: sp.Rational(point[s.name]) for s in SYMBOLS}, simultaneous=True).doit()
    try:
        value = evaluate(expression, point)
    except UndefinedError:
        assert not by_sympy.is_finite or by_sympy.is_Rational  # SymPy may cancel what Fractions see as 1/0
        return
    assume(by_sympy.is_finite)
    assert sp.Rational(value) == by_sympy


@given(st.lists(rational, min_size=2, max_size=2))
def test_a_printer_that_has_printed_other_formulas_prints_as_a_new_one(expressions):
    for expression in (*expressions, expressions[0] + expressions[1], sp.Eq(*expressions, evaluate=False)):
        for kept, printer in ((text, type(formulas._TEXT)), (latex, type(formulas._LATEX))):
            assert kept(expression) == printer().doprint(expression)


def test_a_power_of_one_below_the_line_is_printed() -> None:
    """SymPy prints it as a fraction of itself, without end."""
    one, again = sp.Pow(-1, -2, evaluate=False), sp.Pow(sp.Pow(1, 2, evaluate=False), -2, evaluate=False)
    shown = [latex(e) for e in (one, again, sp.Mul(x, one, evaluate=False), sp.Pow(x, -2), sp.Pow(1, -1, evaluate=False))]
    power = r"\left(-1\right)^{-2}"
    assert shown == [power, r"\left(1^{2}\right)^{-2}", f"x {power}", r"\frac{1}{x^{2}}", "1^{-1}"]
    step = decide("1 is below 2.", sp.Lt(one, 2 + x**2, evaluate=False))
    assert check(Claim(id="x", statement="1 is below 2.", domain={x: REAL}, proof=[step])).status is Status.DECIDED


@given(rational, fractions, fractions, fractions)
def test_a_ratio_of_polynomials_has_the_value_of_its_expression(expression, u, v, w):
    point = {"x": u, "y": v, "z": w}
    try:
        ratio = as_ratio(expression)
        value = evaluate(expression, point)
    except UndefinedError:
        return
    top, bottom = (evaluate(part.as_expr(), point) for part in ratio)
    assume(bottom != 0)
    assert top / bottom == value


@given(rational)
def test_factors_multiply_back_up_to_a_positive_constant(expression):
    try:
        polynomial = as_ratio(expression).numerator
    except UndefinedError:
        return
    sign, factors = factors_of(polynomial)
    if sign == 0:
        assert polynomial == 0
        return
    product = sp.Mul(*[factor.as_expr() ** power for factor, power in factors])
    quotient = sp.cancel(polynomial.as_expr() / product)
    assert quotient.is_Rational
    assert sp.sign(quotient) == sign


def test_terms_list_a_polynomial():
    polynomial = as_ratio(3 * x**2 * y - sp.Rational(1, 2)).numerator
    assert sorted(terms_of(polynomial)) == [(Fraction(-1, 2), []), (Fraction(3), [("x", 2), ("y", 1)])]


def test_what_is_not_rational_is_refused():
    with pytest.raises(ClaimError, match="not a rational function"):
        as_ratio(sp.sqrt(x))
    with pytest.raises(UndefinedError, match="identically zero"):
        as_ratio(1 / (x - x * sp.Integer(1) + 0 * y + sp.Add(y, -y, evaluate=False)))


def test_signs_of_irrational_values():
    third = {"x": Fraction(1, 3)}
    assert sign_at(sp.log(x) + 1, third) == -1
    assert sign_at(sp.exp(x) - 1 - x, third) == 1
    assert sign_at(sp.sqrt(x) - x, third) == 1
    zero = sp.log(1 / x) - sp.log(x) - 2 * sp.log(3)
    assert sign_at(zero, third) == 0
    assert sign_at(zero + sp.Rational(1, 10**400), third) is None  # too small for intervals, and not zero
    assert sign_at(sp.sqrt(3 + 6 * x * sp.sqrt(2)) - 1 - sp.sqrt(2), third) is None  # zero, by roots of sums
    assert sign_at(sp.log(-x) - sp.log(-2 * x) + sp.log(2), third) is None  # 0 of complex logarithms only
    assert sign_at(x * sp.log(x) - x * sp.log(x / 2) - sp.log(2) / 3 + sp.exp(x) ** 3 - sp.E, third) == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_an_algebraic_number_next_to_0_has_its_sign(sign):
    """sqrt(n^2 + 1) - n is about 1/(2n): of 300 digits of each part nothing is left but the last."""
    n = sp.Integer(10) ** 150
    assert sign_at(sign * (sp.sqrt(x**2 - 1 + n**2) - n), {"x": sp.sqrt(2)}) == sign


@pytest.mark.parametrize(
    ("formula", "domain"),
    [
        (z * sp.log(x) + (1 - z) * sp.log(y) < sp.log(z * x + (1 - z) * y), {"x y z": UNIT}),  # equal where x = y
        (-x * sp.log(x) - (1 - x) * sp.log(1 - x) < sp.log(2), {"x": UNIT}),  # equal at 1/2
        (sp.exp((x + y) / 2) < (sp.exp(x) + sp.exp(y)) / 2, {"x y": REAL}),
        (sp.Ne(sp.log(2 * x), sp.log(2) + sp.log(y)), {"x y": UNIT}),
    ],
)
def test_what_is_strict_but_for_an_equality_of_logarithms_is_refuted_there(formula, domain):
    result = check(Claim(id="strict", statement="Strict everywhere.", domain=domain, proof=[decide("Strict.", formula)]))
    assert result.status is Status.REFUTED
    at = {name: Fraction(value) for name, value in result.witness.items()}
    assert truth_at(formula, at) is False
    assert abs(sp.N((formula.lhs - formula.rhs).subs(at), 60)) < sp.Float("1e-50", 60)


def test_signs_at_algebraic_points_are_exact():
    root = {"x": sp.sqrt(2)}
    assert sign_at(x**2 - 2, root) == 0
    assert sign_at(x, {"x": (1 - sp.sqrt(5)) / 2}) == -1  # of x^2 - x - 1, whose coefficients are all of one size
    assert sign_at(x - sp.Rational(14142135623730950488, 10**19), root) == 1
    below = sp.Rational(sp.integer_nthroot(2 * 10**400, 2)[0], 10**200)
    assert (sign_at(x - below, root), sign_at(x - below - sp.Rational(1, 10**200), root)) == (1, -1)
    cubic = {"x": sp.CRootOf(x**3 - x - 1, 0), "y": Fraction(1, 2)}
    assert sign_at(x**3 - x - 2 * y, cubic) == 0
    assert sign_at(x - y, cubic) == 1


def test_truth_of_connectives_and_what_is_unknown():
    half = {"x": Fraction(1, 2)}
    unknown = sp.Eq(sp.sqrt(3 + 4 * x * sp.sqrt(2)) - 1 - sp.sqrt(2), 0, evaluate=False)  # true at 1/2, by roots of sums
    assert truth_at(sp.And(x > 0, unknown), half) is None
    assert truth_at(sp.And(x > 1, unknown, evaluate=False), half) is False
    assert truth_at(sp.Or(x > 0, unknown, evaluate=False), half) is True
    assert truth_at(sp.Implies(x > 1, unknown, evaluate=False), half) is True
    assert truth_at(sp.Equivalent(x > 0, x < 1), half) is True
    assert truth_at(sp.Xor(x > 0, x < 1), half) is False
    assert truth_at(sp.Not(sp.And(x > 0, x > 1)), half) is True


@pytest.mark.parametrize("connective", [sp.And, sp.Or, sp.Not, sp.Implies, sp.Equivalent, sp.Xor, sp.ITE], ids=str)
def test_what_may_be_true_is_what_some_completion_makes_true(connective):
    """Against SymPy's own connectives, at every way to settle what is not known; by truth values and by arrays of them."""
    parts = [sp.Gt(sp.Symbol(f"s_{k}"), 0) for k in range({sp.Not: 1, sp.Implies: 2}.get(connective, 3))]
    formula = connective(*parts, evaluate=False)
    kinds = list(itertools.product([(True,), (False,), (True, False)], repeat=len(parts)))
    expected = []
    for known in kinds:
        ends = {bool(connective(*map(sp.sympify, values))) for values in itertools.product(*known)}
        expected.append((True in ends, False in ends))
        settled = dict(zip(parts, known, strict=True))
        assert possible(formula, lambda part, of=settled: (True in of[part], False in of[part])) == expected[-1]
    columns = {part: np.array([[True in known[k], False in known[k]] for known in kinds]).T for k, part in enumerate(parts)}
    assert np.transpose(possible(formula, lambda part: tuple(columns[part]))).tolist() == list(map(list, expected))


transcendental = st.recursive(
    st.one_of(st.sampled_from(SYMBOLS), st.fractions(-2, 2, max_denominator=3).map(lambda f: sp.Rational(f))),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        inner.map(sp.exp),
        inner.map(lambda e: sp.log(1 + e**2)),
        inner.map(lambda e: sp.sqrt(1 + e**2)),
        inner.map(sp.Abs),
        st.tuples(inner, inner).map(lambda pair: sp.Max(*pair)),
    ),
    max_leaves=5,
)


@given(transcendental, st.lists(fractions, min_size=6, max_size=6))
def test_an_enclosure_contains_the_value_at_points_of_the_box(expression, ends):
    box = {s.name: to_interval(*sorted(ends[2 * k : 2 * k + 2])) for k, s in enumerate(SYMBOLS)}
    try:
        enclosure = enclose_value(expression, box)
    except ClaimError:  # a function that SymPy rewrote into one without an interval extension
        return
    except OverflowError:
        return
    rng = random.Random(0)
    for _ in range(3):
        point = {}
        for k, s in enumerate(SYMBOLS):
            low, high = sorted(ends[2 * k : 2 * k + 2])
            point[s] = sp.Rational(low + (high - low) * Fraction(rng.randrange(8), 7))
        value = mpmath.mpf(sp.N(expression.subs(point, simultaneous=True), 30))
        slack = mpmath.mpf(10) ** -20 * (1 + abs(value))
        assert enclosure.a - slack <= value <= enclosure.b + slack


@pytest.mark.parametrize("bits", [53, 64, 256])
@pytest.mark.parametrize("function", ["exp", "log"])
def test_ends_that_are_hard_to_round_are_rounded_outwards(function, bits):
    """Against decimal arithmetic, which rounds exp and ln correctly: near 0 and 1 they come close to numbers of few digits."""
    start = 0 if function == "exp" else 1
    with decimal.localcontext(prec=600), precision(bits):
        for shift, multiple in itertools.product(range(10, bits, 3), (-5, -3, -1, 1, 3, 5, 7)):
            at = start + Fraction(multiple, 2**shift)
            exact = decimal.Decimal(at.numerator) / at.denominator
            value = Fraction(exact.exp() if function == "exp" else exact.ln())
            enclosure = enclose_value(getattr(sp, function)(x), {"x": to_interval(at)})
            low, high = (Fraction(int(man)) * Fraction(2) ** int(exp) for man, exp in map(_parts, (enclosure.a, enclosure.b)))
            assert low < value < high, at
            assert high - low < 16 * abs(value) / 2**bits, at
            theirs = getattr(mpmath.iv, function)(to_interval(at))  # its upper end is wrong at some of these numbers
            assert enclosure.a < theirs.a, at
            assert theirs.b < enclosure.b, at


def _parts(end):
    """An end of an interval, as an integer with its sign and the power of two that it is multiplied by."""
    sign, man, exp, _ = end._mpi_[0]
    return (-man if sign else man), exp


def test_exp_at_0_and_log_at_1_are_exact():
    unit = {"x": to_interval(Fraction(0), Fraction(1))}
    assert enclose_value(sp.exp(x), unit).a == 1
    assert enclose_value(sp.log(1 + x), unit).a == 0


def test_intervals_tell_signs_only_when_sure():
    box = {"x": to_interval(Fraction(-1), Fraction(1))}
    assert sign_of_interval(enclose_value(x, box)) is None
    assert [sign_of_interval(to_interval(*map(Fraction, ends))) for ends in ((-1, 0), (0, 0), (0, 1))] == [None, 0, None]
    assert sign_of_interval(enclose_value(x**2 + 1, box)) == 1
    with pytest.raises(UndefinedError, match="bounded away"):
        enclose_value(1 / x, box)
    with pytest.raises(UndefinedError, match="logarithm"):
        enclose_value(sp.log(x), box)
    with pytest.raises(ClaimError, match="interval extension"):
        enclose_value(sp.gamma(x), box)
    for end in ([0, 1], [-1, 0], [0, 0]):
        with pytest.raises(UndefinedError, match="bounded away"):
            enclose_value(1 / x, {"x": to_interval(*map(Fraction, end))})
        with pytest.raises(UndefinedError, match="logarithm"):
            enclose_value(sp.log(x), {"x": to_interval(*map(Fraction, end))})


FORMS = [
    lambda u, v: sp.log(u / v),
    lambda u, v: u * sp.log(u / v) + v * sp.log(v),
    lambda u, v: (u / v) ** sp.sqrt(v),
    lambda u, v: u**v,
    lambda u, v: sp.exp(u - v) + sp.exp(-2 * u),
    lambda u, v: sp.sqrt(u * v) - sp.sqrt(u) * sp.Abs(u - v),
    lambda u, v: sp.Max(u, v) * sp.Min(u, 1),
    lambda u, v: sp.log(6 * u) + sp.log(u**2 * v),
    lambda u, v: u ** sp.Rational(3, 2) / v ** sp.Rational(1, 3),
    lambda u, v: sp.log(u + v) + sp.log(2 * u) - sp.exp(u) * sp.exp(v - u * v),
]


@given(st.sampled_from(FORMS), positive, positive)
def test_abstraction_keeps_the_value_and_states_only_facts(form, u, v):
    """At the true values of the unknowns the rewritten expression has its old value, and every stated fact is true."""
    expression = form(x, y)
    point = {x: sp.Rational(u), y: sp.Rational(v)}
    abstraction = Abstraction(lambda factor: 1 if factor in (x, y) or factor.could_extract_minus_sign() is False else None)
    rational_form = abstraction.rational(expression)
    abstraction.compare()

    numbers = {}
    for name, meaning in abstraction.meaning.items():  # in order of creation: later unknowns mention earlier ones
        numbers[sp.Symbol(name)] = sp.N(meaning.xreplace({**point, **numbers}), 40)

    def true_value(term):
        return sp.N(term.xreplace({**point, **numbers}), 40)

    assert abs(true_value(rational_form) - true_value(expression)) < sp.Float(10) ** -25
    for fact in abstraction.facts:
        assert holds_nearly(fact, true_value), fact


@pytest.mark.parametrize(("function", "at"), [(sp.log, 1), (sp.exp, 0)])
def test_facts_are_true_where_a_function_meets_its_bound(function, at):
    abstraction = Abstraction(lambda factor: 1)
    unknown = abstraction.rational(function(x))
    assert unknown.is_Symbol
    there = [fact.subs({x: at, unknown: function(at)}) for fact in abstraction.facts]
    assert len(there) > 2
    assert set(there) == {sp.true}


@pytest.mark.parametrize("meaning", [sp.pi, sp.E, sp.log(2), sp.exp(10), sp.exp(25)], ids=str)
def test_a_number_lies_strictly_between_its_bounds_however_large_it_is(meaning):
    """From 9007 on, a multiple of 1e-12 has more than 53 bits."""
    abstraction = Abstraction(lambda factor: 1)
    abstraction._number(meaning)
    low, high = sorted(fact.rhs for fact in abstraction.facts)
    assert low < high <= low + sp.Rational(1, 10**12)
    assert low < sp.N(meaning, 60) < high


def holds_nearly(fact, value):
    """Truth in high precision, equalities and boundaries up to 1e-25."""
    if isinstance(fact, sp.Or):
        return any(holds_nearly(arg, value) for arg in fact.args)
    if isinstance(fact, sp.And):
        return all(holds_nearly(arg, value) for arg in fact.args)
    gap = value(fact.lhs - fact.rhs)
    tiny = sp.Float(10) ** -25
    return {
        "==": abs(gap) < tiny,
        "<": gap < tiny,
        "<=": gap < tiny,
        ">": gap > -tiny,
        ">=": gap > -tiny,
        "!=": True,
    }[fact.rel_op]


def test_names_of_recurring_parts_put_back_give_every_long_formula_of_the_claims():
    long = 0
    for claim in all_claims().values():
        for formula in (formula for step in claim.steps() for formula in step.formulas):
            size = len(latex(formula))
            if size <= 1500 or formula.has(derivative):
                continue
            long += 1
            short, parts = with_names(formula)
            assert len(latex_named(formula)) < 0.6 * size, claim.id
            old, new = ([side for x in each.atoms(sp.core.relational.Relational) for side in x.args] for each in (formula, short))
            at = {symbol: mpmath.mpf(k) / 97 for k, symbol in enumerate(sorted(formula.free_symbols, key=str), start=2)}
            with mpmath.workdps(40):
                for name, part in parts:
                    (at[name],) = sp.lambdify(list(at), [part], "mpmath", cse=True)(*at.values())
                values = [sorted(sp.lambdify(list(at), sides, "mpmath", cse=True)(*at.values())) for sides in (old, new)]
                assert all(mpmath.almosteq(a, b, 1e-25, 1e-25) for a, b in zip(*values, strict=True)), claim.id
    assert long > 20

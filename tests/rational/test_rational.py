"""The exact zero test: what it decides, what it refuses, and that a wrong identity does not pass."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dstheory.rational import (
    NotRationalFunctionError,
    as_ratio,
    combine_logs,
    factored,
    factors_of,
    is_zero,
    normal_form,
    polynomials,
    rational_form,
)
from dstheory.rational.symbols import symbol

p, a, b, g = (symbol(x) for x in ("p", "a", "b", "gamma"))
lam, l_s, l_d = (symbol(x) for x in ("lambda", "l_s", "l_d"))
x, y, z = sp.symbols("x y z", real=True)


@pytest.mark.parametrize(
    "expr",
    [
        (p + a) ** 3 - p**3 - 3 * p**2 * a - 3 * p * a**2 - a**3,
        1 / (1 - p) - p / (1 - p) - 1,
        (1 - p**3) / (1 - p) - 1 - p - p**2,
        sp.log(p * a / (1 - p)) - sp.log(p) - sp.log(a) + sp.log(1 - p),
        sp.log(p**2 - p**3) - 2 * sp.log(p) - sp.log(1 - p),
        sp.log(12) - 2 * sp.log(2) - sp.log(3),
        sp.log((1 - p) / 2) - sp.log(1 - p) + sp.log(2),
        l_s**lam * l_d**lam / l_s ** (2 * lam) - l_d**lam / l_s**lam,
        sp.log(l_s**lam) - lam * sp.log(l_s),
        sp.log(p * l_s**lam / l_d ** (2 * lam)) - sp.log(p) - lam * sp.log(l_s) + 2 * lam * sp.log(l_d),
        sp.log(p * sp.exp(x) + sp.exp(x)) - x - sp.log(1 + p),
        sp.log(2 * p - 2 * p**2 + a * p - a * p**2) - sp.log(p) - sp.log(1 - p) - sp.log(2 + a),
        (sp.sqrt(l_s) + 1) * (sp.sqrt(l_s) - 1) - l_s + 1,
        (l_s ** sp.Rational(1, 3) - l_s ** sp.Rational(1, 2)) ** 2
        - l_s ** sp.Rational(2, 3)
        + 2 * l_s ** sp.Rational(5, 6)
        - l_s,
        sp.sqrt(l_s) ** 3 - l_s * sp.sqrt(l_s),
        sp.sqrt(l_s) * sp.sqrt(l_s) - l_s,
        1 / (1 + sp.exp(-x)) - sp.exp(x) / (1 + sp.exp(x)),
        sp.log(sp.exp(x) / (1 + sp.exp(x))) - x + sp.log(1 + sp.exp(x)),
        64**lam - 2 ** (6 * lam),
        sp.diff(1 / (1 + sp.exp(-x)), x) - sp.exp(x) / (1 + sp.exp(x)) ** 2,
    ],
)
def test_identities_are_recognised(expr: sp.Expr) -> None:
    assert is_zero(expr)
    assert not is_zero(expr + sp.Rational(1, 10**9))
    assert not is_zero(expr + p / 10**6)


@pytest.mark.parametrize(
    "expr",
    [
        sp.log(p) - (p - 1),
        sp.log(p) + sp.log(1 - p),
        sp.log(p) ** 2 - sp.log(p**2),
        sp.log(2) - sp.log(3),
        l_s**lam - l_d**lam,
        l_s**lam - l_s,
        sp.exp(x) - 1 - x,
        p * sp.log(p) - a * sp.log(a),
    ],
)
def test_what_only_looks_alike_is_not_zero(expr: sp.Expr) -> None:
    assert not is_zero(expr)


_leaf = st.sampled_from([p, a, b, sp.Integer(1), sp.Integer(-2), sp.Rational(3, 7)])
_tree = st.recursive(_leaf, lambda t: st.tuples(st.sampled_from("+*-"), t, t).map(
    lambda c: {"+": c[1] + c[2], "*": c[1] * c[2], "-": c[1] - c[2]}[c[0]]), max_leaves=7)  # fmt: skip
_AT = {p: Fraction(3, 11), a: Fraction(5, 7), b: Fraction(2, 9)}


def _at(expr: sp.Expr) -> Fraction:
    """Evaluate with Python's own fractions, node by node."""
    if expr.is_Rational:
        return Fraction(int(expr.p), int(expr.q))
    if expr.is_Symbol:
        return _AT[expr]
    parts = [_at(arg) for arg in expr.args]
    if expr.is_Add:
        return sum(parts, Fraction(0))
    if expr.is_Mul:
        product = Fraction(1)
        for part in parts:
            product *= part
        return product
    return parts[0] ** int(expr.exp)


@given(_tree, _tree)
def test_normal_forms_keep_the_value(top: sp.Expr, bottom: sp.Expr) -> None:
    if is_zero(bottom):
        return
    try:
        value = _at(top) / _at(bottom)
    except ZeroDivisionError:  # a common factor that vanishes at this point
        return
    assert _at(normal_form(top / bottom)) == value
    assert _at(factored(top / bottom)) == value
    assert is_zero(normal_form(top / bottom) - top / bottom)
    assert not is_zero(top / bottom - value - Fraction(1, 3)) or value + Fraction(1, 3) != value


def test_a_nonzero_value_is_never_called_zero() -> None:
    for k in range(1, 40):
        expr = (p + a) ** k - sp.expand((p + a) ** k) + p**k / 10**k
        assert not is_zero(expr)


UNDECIDABLE = [
    sp.Abs(x),
    sp.Piecewise((p, a > p), (1, True)),
    p * 0.5,
    sp.sqrt(1 - p),
    sp.sqrt(2) * p,
    sp.sin(x),
    sp.log(p - 1),
    sp.sqrt(l_s) + sp.log(l_s - 1),
]


@pytest.mark.parametrize("expr", UNDECIDABLE)
def test_what_it_cannot_decide_it_refuses(expr: sp.Expr) -> None:
    with pytest.raises(NotRationalFunctionError):
        is_zero(expr)


def test_an_identically_zero_denominator_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        is_zero(1 / ((p + a) ** 2 - p**2 - 2 * a * p - a**2))


def test_symbols_of_one_name_and_two_kinds_are_refused() -> None:
    with pytest.raises(NotRationalFunctionError, match="both named p"):
        is_zero(p - sp.Symbol("p"))


def test_written_back_logarithms_have_positive_arguments() -> None:
    form = factored((sp.log(p) - sp.log(1 - p)) * (1 - p))
    assert {log.args[0] for log in form.atoms(sp.log)} == {p, 1 - p}
    assert is_zero(sp.log(l_s - 1) - sp.log((l_s - 1) / 2) - sp.log(2))
    assert {log.args[0] for log in normal_form(sp.log(a + b - 1)).atoms(sp.log)} == {a + b - 1}


def test_the_sign_goes_where_a_reader_expects_it() -> None:
    p_e = symbol("p_E")
    assert factored(p_e * g - p * g) == g * (p_e - p)
    assert factored(p - p**2) == p * (1 - p)
    assert factored(-p) == -p


@pytest.mark.parametrize("power", [1, 2, 3])
def test_a_denominator_turned_round_keeps_the_sign(power: int) -> None:
    for denominator in (a * p + b * p - b - p, p - 1, p + a - 2):
        form = (1 - g - p) / denominator**power
        assert is_zero(factored(form) - form)


def test_numbers_of_terms() -> None:
    assert rational_form((p**2 - a**2) / (p - a)).terms == 2
    assert rational_form(p / p).fraction() == (1, 1)


_part = st.tuples(st.sampled_from([-2, -1, 1, 3]), st.sampled_from([p, 1 - p, a, symbol("p_ref")]))


@given(st.lists(_part, min_size=1, max_size=6))
def test_combining_logarithms_is_an_identity(parts: list[tuple[int, sp.Expr]]) -> None:
    expr = sp.Add(*[c * symbol("w_s") * sp.log(argument) for c, argument in parts])
    assert is_zero(combine_logs(expr) - expr)


@given(_tree, _tree)
def test_answers_do_not_depend_on_which_library_factors(top: sp.Expr, bottom: sp.Expr) -> None:
    pytest.importorskip("flint")
    if is_zero(bottom):
        return
    expr = (top**2 * (p - a) + sp.log(p - p**2) - b) / bottom
    with_flint = str(factored(expr)), factors_of(as_ratio(top**2 * a / bottom).numerator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polynomials, "flint", None)
        assert with_flint == (str(factored(expr)), factors_of(as_ratio(top**2 * a / bottom).numerator))


@pytest.mark.parametrize("name", ["log[p]", "root[p]", "power lambda of[p]"])
def test_a_symbol_that_is_called_as_a_generator_is_another(name: str) -> None:
    """Each of these was taken for the function: what users call their symbols is theirs."""
    p, power = sp.Symbol("p", positive=True), sp.Symbol("lambda", positive=True)
    of_p = {"log[p]": sp.log(p), "root[p]": sp.sqrt(p), "power lambda of[p]": p**power}[name]
    assert not is_zero(sp.Symbol(name) - of_p)
    assert is_zero(sp.Symbol(name) * of_p - of_p * sp.Symbol(name) + of_p**2 - of_p * of_p)
    assert normal_form(sp.Symbol(name) / of_p).subs({p: 4, power: 2, sp.Symbol(name): 3}) == 3 / of_p.subs({p: 4, power: 2})

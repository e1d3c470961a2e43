"""The value of a formula: exact at a point, which makes it the referee of every witness, and rigorous on a box.

At a point: rational functions use `fractions.Fraction`. Points with algebraic coordinates (roots that a solver found) are
decided in the number field they generate. Formulas with exp and log are decided by interval arithmetic of up to 1,024 bits, which
settles strict inequalities unless the two sides agree in some 300 digits; those are left open. An equality is never guessed: it
has to follow exactly, as log 4 = 2 log 2.

On a box: every operation rounds outwards (``mpmath.iv``), and rational constants are enclosed rather than rounded, so that the
value of the expression at every point of the box lies in the interval returned. Nothing here is a numeric spot check.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache, partial, reduce
from typing import Any, NoReturn

import mpmath
import sympy
from sympy.logic.boolalg import ITE, And, BooleanFalse, BooleanTrue, Equivalent, Implies, Not, Or, Xor

from dstheory.claims.replacing import replaced
from dstheory.errors import ClaimError, UndefinedError
from dstheory.rational import NotRationalFunctionError, is_zero

try:
    from gmpy2 import mpq as _Rational  # the same numbers, faster, where it is installed
except ImportError:
    _Rational = Fraction

iv = mpmath.iv
Point = Mapping[str, Any]
"""Symbol name -> Fraction, or a SymPy algebraic number."""

_BITS = (64, 256, 1024)
_MOST_BITS = 10**6
"""Rationals longer than this are left to interval arithmetic."""
_LARGEST = 10**6
"""Exponents are followed up to here: exp of exp of exp of 10 would fill the memory."""


class NotRationalError(Exception):
    """The value is not a rational number that the Fraction evaluator can reach."""


def evaluate(expression: Any, point: Point) -> Fraction:
    """The exact rational value of a rational function at a rational point.

    Raises:
        UndefinedError: Where a denominator vanishes.

    Example:
        >>> x, y = sympy.symbols("x y")
        >>> evaluate(x / (1 - y) + 1, {"x": Fraction(1, 2), "y": Fraction(1, 3)})
        Fraction(7, 4)
    """
    value = _function(expression)(_numbers(point))
    return Fraction(int(value.numerator), int(value.denominator))


def _numbers(point: Point) -> dict[str, Any]:
    """The coordinates as the rationals that are computed with; None for those that are none."""
    return {
        name: _Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else None
        for name, value in point.items()
    }


@lru_cache(maxsize=1 << 14)
def _function(expression: Any) -> Callable[[dict[str, Any]], Any]:
    """The expression as a function of the coordinates: what kind each of its parts is, is asked once and not at every point."""
    if expression.is_Symbol:
        return partial(_coordinate, expression.name)
    if expression.is_Rational:
        number = _Rational(int(expression.p), int(expression.q))
        return lambda numbers: number
    parts = [_function(arg) for arg in expression.args]
    if expression.is_Pow and expression.args[0] is not sympy.E:
        base, exponent = parts
        return lambda numbers: _power(base(numbers), exponent(numbers), expression)
    operation: Callable[..., Any] = _ON_RATIONALS.get(expression.func, _not_rational)
    return lambda numbers: operation(*[part(numbers) for part in parts])


def _coordinate(name: str, numbers: dict[str, Any]) -> Any:
    return numbers[name] if numbers[name] is not None else _not_rational()


def _not_rational(*values: Any) -> NoReturn:
    raise NotRationalError


_ON_RATIONALS: dict[Any, Callable[..., Any]] = {
    sympy.Add: lambda *values: sum(values, _Rational(0)),
    sympy.Mul: lambda *values: math.prod(values, start=_Rational(1)),
    sympy.exp: lambda value: _Rational(1) if value == 0 else _not_rational(),
    sympy.log: lambda value: _Rational(0) if value == 1 else _not_rational(),
    sympy.Abs: abs,
    sympy.Max: max,
    sympy.Min: min,
}


def _power(base: Any, exponent: Any, expression: Any) -> Any:
    """A power of rationals where it is rational: whole exponents, and roots of perfect powers."""
    if base == 0 and exponent < 0:
        raise UndefinedError(f"the denominator of {expression} is zero")
    if base < 0 and exponent.denominator != 1:
        raise UndefinedError(f"{expression} is a root of a negative number")
    if exponent.denominator == 1 and abs(exponent.numerator) == 1:
        return base if exponent > 0 else 1 / base
    size = max(abs(base.numerator), base.denominator).bit_length()
    if size * abs(exponent.numerator) > _MOST_BITS or exponent.denominator > _MOST_BITS:
        raise NotRationalError
    roots = [sympy.integer_nthroot(int(part), int(exponent.denominator)) for part in (abs(base.numerator), base.denominator)]
    if not all(whole for _, whole in roots):
        raise NotRationalError
    (top, _), (bottom, _) = roots
    return _Rational(int(top) * (-1 if base < 0 else 1), int(bottom)) ** int(exponent.numerator)


def sign_at(expression: Any, point: Point) -> int | None:
    """The sign (-1, 0, 1) of an expression at a point, proved exactly; None if it cannot be told.

    >>> x = sympy.Symbol("x")
    >>> third = {"x": Fraction(1, 3)}
    >>> sign_at(sympy.log(x) + 1, third), sign_at(sympy.log(x) + sympy.log(1 + 2 * x) - sympy.log(5 * x**2), third)
    (-1, 0)
    """
    try:
        value: Fraction = _function(expression)(_numbers(point))
    except NotRationalError:
        return _sign_of_irrational(expression, point)
    return int(value > 0) - int(value < 0)


def truth_at(formula: Any, point: Point) -> bool | None:
    """Whether a formula (relations joined by and, or, not, implies, iff) is true at a point; None if it cannot be told.

    >>> x = sympy.Symbol("x")
    >>> truth_at(sympy.Or(x > 1, sympy.Eq(x, sympy.Rational(1, 2))), {"x": Fraction(1, 2)})
    True
    """
    return connected(formula, lambda relation: _relation_at(relation, point))


def connected(formula: Any, relation: Callable[[Any], bool | None]) -> bool | None:
    """The truth of a formula from that of its relations, each true, false or not known."""

    def pair(part: Any) -> tuple[bool, bool]:
        truth = relation(part)
        return truth is not False, truth is not True

    true, false = possible(formula, pair)
    return None if true and false else bool(true)


_EVERY, _SOME = (partial(reduce, join) for join in (operator.and_, operator.or_))
_CONNECTIVES: dict[Any, Callable[[Any, Any], tuple[Any, Any]]] = {
    And: lambda t, f: (_EVERY(t), _SOME(f)),
    Or: lambda t, f: (_SOME(t), _EVERY(f)),
    Not: lambda t, f: (f[0], t[0]),
    Implies: lambda t, f: (f[0] | t[1], t[0] & f[1]),
    Equivalent: lambda t, f: (_EVERY(t) | _EVERY(f), _SOME(t) & _SOME(f)),
    Xor: lambda t, f: reduce(lambda x, y: (x[0] & y[1] | x[1] & y[0], x[0] & y[0] | x[1] & y[1]), zip(t, f, strict=True)),
    ITE: lambda t, f: (t[0] & t[1] | f[0] & t[2], t[0] & f[1] | f[0] & f[2]),
}
"""What may be true and what may be false of a formula, by that of its parts (Kleene's three-valued logic)."""


def possible(formula: Any, relation: Callable[[Any], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Whether a formula may be true and whether it may be false, from the same of its relations: truth values, or arrays of them.

    >>> x = sympy.Symbol("x")
    >>> possible(sympy.Or(x > 1, x < 0), lambda part: (True, True) if part.rel_op == ">" else (False, True))
    (True, True)
    """
    if isinstance(formula, BooleanTrue | BooleanFalse):
        return bool(formula), not formula
    if formula.is_Relational:
        return relation(formula)
    if formula.func not in _CONNECTIVES:
        raise ClaimError(f"{formula} is not a formula: join relations (Eq, <, <=, ...) by And, Or, Not, Implies, Equivalent")
    true, false = zip(*(possible(arg, relation) for arg in formula.args), strict=True)
    return _CONNECTIVES[formula.func](true, false)


_MEETS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}


def _relation_at(formula: Any, point: Point) -> bool | None:
    sign = sign_at(_difference(formula), point)
    return None if sign is None else _MEETS[formula.rel_op](sign, 0)


@lru_cache(maxsize=1024)
def _difference(relation: Any) -> Any:
    return relation.lhs - relation.rhs


def _sign_of_irrational(expression: Any, point: Point) -> int | None:
    algebraic = {name: value for name, value in point.items() if not isinstance(value, Fraction)}
    if algebraic:
        return _sign_in_number_field(expression, point)
    for bits in _BITS:
        with precision(bits):
            try:
                box = {name: to_interval(value) for name, value in point.items()}
                sign, defined = sign_of_interval(enclose_value(expression, box)), True
            except UndefinedError:
                sign, defined = None, False
        if sign is not None:
            return sign
    return 0 if defined and _vanishes(expression, point) else None


def _vanishes(expression: Any, point: Point) -> bool:
    """Whether a value is 0 whatever the logarithms of primes and the exponentials in it are."""
    try:
        return is_zero(_at(expression, point))
    except (NotRationalFunctionError, ZeroDivisionError, ClaimError):
        return False


def _sign_in_number_field(expression: Any, point: Point) -> int | None:
    """Sign of a rational function of algebraic numbers: zero is decided by the minimal polynomial, the rest numerically."""
    variable = sympy.Dummy("x")
    try:
        value = _at(expression, point)
        minimal = sympy.minimal_polynomial(value, variable)
    except (NotImplementedError, sympy.polys.polyerrors.NotAlgebraic, ZeroDivisionError, ClaimError):
        return None
    if minimal == variable:
        return 0
    # A non-zero algebraic number is at least as large as Cauchy's root bound of its minimal polynomial allows.
    coefficients = [abs(Fraction(int(c.p), int(c.q))) for c in sympy.Poly(minimal, variable).all_coeffs()]
    bound = coefficients[-1] / (coefficients[-1] + max(coefficients[:-1]))
    digits = len(str(bound.denominator)) + 15
    number = sympy.N(value, digits)
    return 1 if number > 0 else -1


def _at(expression: Any, point: Point) -> Any:
    return replaced(expression, {sympy.Symbol(name): as_sympy(value) for name, value in point.items()})


def as_sympy(coordinate: Any) -> Any:
    """A coordinate of a point as a number of SymPy's."""
    return sympy.Rational(coordinate.numerator, coordinate.denominator) if isinstance(coordinate, Fraction) else coordinate


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Work with end points of this many bits inside the block."""
    before = iv.prec
    iv.prec = bits
    try:
        yield
    finally:
        iv.prec = before


def to_interval(lower: Fraction, upper: Fraction | None = None) -> Any:
    """The smallest interval with machine end points that contains [lower, upper]; one number if ``upper`` is omitted."""
    low = iv.mpf(lower.numerator) / iv.mpf(lower.denominator)
    if upper is None:
        return low
    high = iv.mpf(upper.numerator) / iv.mpf(upper.denominator)
    return iv.mpf([low.a, high.b])


def enclose_value(expression: Any, box: Mapping[str, Any]) -> Any:
    """An interval that contains the value of ``expression`` at every point of ``box`` (symbol name -> interval).

    Raises:
        UndefinedError: If a denominator's interval contains zero, or a logarithm's is not positive: the box must be divided
            further.
        ClaimError: If the expression uses a function that has no interval extension here.

    Example:
        >>> x = sympy.Symbol("x")
        >>> value = enclose_value(x * (1 - x), {"x": to_interval(Fraction(1, 4), Fraction(1, 2))})
        >>> bool(value.a > 0 and value.b < 1)
        True
    """
    if expression.is_Symbol:
        return box[expression.name]
    if expression.is_Rational:
        return to_interval(Fraction(int(expression.p), int(expression.q)))
    if expression is sympy.E:
        return _exp_on(iv.mpf(1))
    if expression is sympy.pi:
        return iv.pi
    if expression.is_Pow:
        return _power_on(expression, box)
    if isinstance(expression, sympy.log):
        return _log_on(enclose_value(expression.args[0], box), expression)
    if expression.func not in _ON_INTERVALS:
        raise ClaimError(f"{expression.func.__name__} has no interval extension here; rewrite it with +, *, powers, exp, log")
    return _ON_INTERVALS[expression.func](*[enclose_value(arg, box) for arg in expression.args])


def sign_of_interval(value: Any) -> int | None:
    """+1 or -1 if the whole interval has that sign, 0 if it is exactly {0}, None if it cannot be told."""
    if value.a > 0:
        return 1
    if value.b < 0:
        return -1
    return 0 if value.a == 0 and value.b == 0 else None


def _power_on(expression: Any, box: Mapping[str, Any]) -> Any:
    base, exponent = expression.args
    if exponent.is_Integer:
        value = enclose_value(base, box)
        power = int(exponent)
        if power < 0 and bool(value.a <= 0) and bool(value.b >= 0):
            raise UndefinedError(f"the denominator {base} is not bounded away from zero")
        return value**power
    value = enclose_value(exponent, box)
    return _exp_on(value if base is sympy.E else value * _log_on(enclose_value(base, box), base))


def _exp_on(value: Any) -> Any:
    """exp of an interval; beyond the largest exponents all that is said is that it is larger, or smaller, than at these."""
    near = iv.mpf([min(max(end, -_LARGEST), _LARGEST) for end in (value.a, value.b)])
    found = _outwards(iv.exp(near), near, 0)
    return iv.mpf([0 if value.a < -_LARGEST else found.a, "inf" if value.b > _LARGEST else found.b])


_ON_INTERVALS: dict[Any, Callable[..., Any]] = {
    sympy.Add: lambda *values: reduce(operator.add, values),
    sympy.Mul: lambda *values: reduce(operator.mul, values),
    sympy.exp: _exp_on,
    sympy.Abs: abs,
    sympy.Max: lambda *values: iv.mpf([max(value.a for value in values), max(value.b for value in values)]),
    sympy.Min: lambda *values: iv.mpf([min(value.a for value in values), min(value.b for value in values)]),
}


def _log_on(value: Any, expression: Any) -> Any:
    if not bool(value.a > 0):
        raise UndefinedError(f"the argument of the logarithm in {expression} is not bounded away from zero")
    return _outwards(iv.log(value), value, 1)


def _outwards(found: Any, value: Any, exact: int) -> Any:
    """exp or log of ``value`` as mpmath found it, a unit in the last place wider on each side.

    Where an end is hard to round, mpmath rounds it the wrong way, by less than a thousandth of a unit: exp(2^-22) would be one
    rational number. At ``exact`` (0 for exp, 1 for log) the function is rational, and stays so.
    """
    wider = found * _unit_wide(iv.prec)
    return iv.mpf([found.a if value.a == exact else wider.a, found.b if value.b == exact else wider.b])


@lru_cache(maxsize=len(_BITS) + 1)
def _unit_wide(bits: int) -> Any:
    """An interval around 1 by which to multiply: a unit in the last place of a number of so many bits, or more, on each side."""
    with precision(bits + 2):
        unit = iv.mpf(2) ** (1 - bits)
        return iv.mpf([1 - unit.b, 1 + unit.b])

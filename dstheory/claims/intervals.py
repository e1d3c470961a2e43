"""Rigorous interval arithmetic on SymPy expressions.

Every operation rounds outwards (``mpmath.iv``), and rational constants are enclosed rather than rounded, so that the value of
the expression at every point of a box lies in the interval returned. Nothing here is a numeric spot check.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import mpmath
import sympy

from dstheory.claims.errors import ClaimError, UndefinedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["enclose_value", "precision", "sign_of_interval", "to_interval"]

iv = mpmath.iv


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

    Raises
    ------
    UndefinedError
        If a denominator's interval contains zero, or a logarithm's is not positive: the box must be divided further.
    ClaimError
        If the expression uses a function that has no interval extension here.

    Example
    -------
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
        return iv.exp(iv.mpf(1))
    if expression is sympy.pi:
        return iv.pi
    args = expression.args
    if expression.is_Add or expression.is_Mul:
        out = enclose_value(args[0], box)
        for arg in args[1:]:
            value = enclose_value(arg, box)
            out = out + value if expression.is_Add else out * value
        return out
    if expression.is_Pow:
        return _power(expression, box)
    if isinstance(expression, sympy.exp):
        return iv.exp(enclose_value(args[0], box))
    if isinstance(expression, sympy.log):
        return _log(enclose_value(args[0], box), expression)
    if isinstance(expression, sympy.Abs):
        return abs(enclose_value(args[0], box))
    if isinstance(expression, sympy.Max | sympy.Min):
        values = [enclose_value(arg, box) for arg in args]
        pick = max if isinstance(expression, sympy.Max) else min
        return iv.mpf([pick(value.a for value in values), pick(value.b for value in values)])
    raise ClaimError(f"{expression.func.__name__} has no interval extension here; rewrite it with +, *, powers, exp, log")


def sign_of_interval(value: Any) -> int | None:
    """+1 or -1 if the whole interval has that sign, 0 if it is exactly {0}, None if it cannot be told."""
    if value.a > 0:
        return 1
    if value.b < 0:
        return -1
    return 0 if value.a == 0 and value.b == 0 else None


def _power(expression: Any, box: Mapping[str, Any]) -> Any:
    base, exponent = expression.args
    if exponent.is_Integer:
        value = enclose_value(base, box)
        power = int(exponent)
        if power < 0 and bool(value.a <= 0) and bool(value.b >= 0):
            raise UndefinedError(f"the denominator {base} is not bounded away from zero")
        return value**power
    if base is sympy.E:
        return iv.exp(enclose_value(exponent, box))
    return iv.exp(enclose_value(exponent, box) * _log(enclose_value(base, box), base))


def _log(value: Any, expression: Any) -> Any:
    if not bool(value.a > 0):
        raise UndefinedError(f"the argument of the logarithm in {expression} is not bounded away from zero")
    return iv.log(value)

"""Rational functions as pairs of polynomials with rational coefficients: the arithmetic in which identities are decided.

No heuristics: sums and products are computed in a sparse polynomial ring over the rationals, and two rational functions are
equal if and only if the numerator of their difference is the zero polynomial.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import sympy
from sympy import QQ
from sympy.polys.rings import ring

from dstheory.claims.errors import ClaimError, UndefinedError

__all__ = ["Ratio", "as_ratio", "factors_of", "terms_of"]

# Beyond this many terms, factoring into irreducibles is not worth its price: square-free parts are taken instead.
_FACTOR_LIMIT = 400


class Ratio(NamedTuple):
    """A rational function numerator / denominator, both elements of one polynomial ring."""

    numerator: Any
    denominator: Any


def as_ratio(expression: Any) -> Ratio:
    """Write a rational expression as a ratio of polynomials, without cancelling common factors.

    Raises
    ------
    UndefinedError
        If a denominator is identically zero.
    ClaimError
        If the expression is not a rational function of its symbols.

    Example
    -------
    >>> x, y = sympy.symbols("x y")
    >>> as_ratio(1 / (1 - x) - x * y).numerator
    x**2*y - x*y + 1
    """
    symbols = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
    if not symbols:
        symbols = [sympy.Symbol("x")]
    polynomials, *generators = ring(symbols, QQ)
    lookup = dict(zip((symbol.name for symbol in symbols), generators, strict=True))
    numerator, denominator = _pair(expression, lookup, polynomials)
    return Ratio(numerator, denominator)


def _pair(expression: Any, lookup: dict[str, Any], polynomials: Any) -> tuple[Any, Any]:
    one = polynomials.one
    if expression.is_Symbol:
        return lookup[expression.name], one
    if expression.is_Rational:
        return polynomials.ground_new(QQ(int(expression.p), int(expression.q))), one
    args = expression.args
    if expression.is_Add:
        top, bottom = _pair(args[0], lookup, polynomials)
        for arg in args[1:]:
            top, bottom = _add(top, bottom, *_pair(arg, lookup, polynomials))
        return top, bottom
    if expression.is_Mul:
        top, bottom = one, one
        for arg in args:
            more_top, more_bottom = _pair(arg, lookup, polynomials)
            top, bottom = top * more_top, bottom * more_bottom
        return _cancel(top, bottom)
    if expression.is_Pow and args[1].is_Integer:
        top, bottom = _pair(args[0], lookup, polynomials)
        power = int(args[1])
        if power == 0:
            return one, one
        if power > 0:
            return top**power, bottom**power
        if top == 0:
            raise UndefinedError(f"the denominator {args[0]} is identically zero")
        return bottom**-power, top**-power
    raise ClaimError(f"{expression} is not a rational function")


def _add(top: Any, bottom: Any, more_top: Any, more_bottom: Any) -> tuple[Any, Any]:
    """Add two ratios over their least common denominator, which keeps repeated denominators from piling up."""
    if bottom == more_bottom:
        return top + more_top, bottom
    if more_bottom == 1:
        return top + more_top * bottom, bottom
    if bottom == 1:
        return top * more_bottom + more_top, more_bottom
    common, left, right = bottom.cofactors(more_bottom)
    return top * right + more_top * left, common * left * right


def _cancel(top: Any, bottom: Any) -> tuple[Any, Any]:
    if bottom == 1 or top == 0:
        return top, bottom.ring.one if top == 0 else bottom
    _, top, bottom = top.cofactors(bottom)
    return top, bottom


def factors_of(polynomial: Any) -> tuple[int, list[tuple[Any, int]]]:
    """The sign of the constant factor, and the non-constant factors with their multiplicities, in a stable order.

    Irreducible factors for polynomials of moderate size, square-free ones beyond that. The zero polynomial has sign 0.

    >>> x, y = sympy.symbols("x y")
    >>> factors_of(as_ratio(x**2 * y - x**2).numerator)
    (1, [(x, 2), (y - 1, 1)])
    """
    if polynomial == 0:
        return 0, []
    monomial = polynomial.ring.one
    rest = polynomial
    out: list[tuple[Any, int]] = []
    for index, generator in enumerate(polynomial.ring.gens):
        power = min(exponents[index] for exponents in polynomial)
        if power:
            out.append((generator, power))
            monomial *= generator**power
    if out:
        rest = rest.exquo(monomial)
    constant, parts = rest.factor_list() if len(rest) <= _FACTOR_LIMIT else rest.sqf_list()
    out += [(part, int(power)) for part, power in parts]
    return (1 if constant > 0 else -1), sorted(out, key=lambda item: (len(item[0]), str(item[0])))


def terms_of(polynomial: Any) -> Iterator[tuple[Fraction, list[tuple[str, int]]]]:
    """The terms as (coefficient, [(symbol name, exponent), ...])."""
    names = [str(symbol) for symbol in polynomial.ring.symbols]
    for exponents, coefficient in polynomial.terms():
        powers = [(name, int(power)) for name, power in zip(names, exponents, strict=True) if power]
        yield Fraction(int(coefficient.numerator), int(coefficient.denominator)), powers

"""Fractions of integer polynomials: their arithmetic, their lowest terms, their irreducible factors.

SymPy's own field of fractions takes a greatest common divisor after every addition, which dominates the time of a zero test and
is not needed for it: a fraction is zero when its numerator is. Here a denominator is a product of powers of the polynomials that
occurred as denominators, so that equal ones meet without a division, and common divisors are removed once, at the end, on demand.

Factoring is FLINT's where python-flint is installed and SymPy's where it is not; a polynomial has one factorisation, and its
factors are listed in one order, so that nothing that is computed or printed depends on which of them did it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sympy import QQ, ZZ
from sympy.polys.orderings import lex
from sympy.polys.rings import PolyRing

from dstheory.errors import DSTheoryError

try:
    import flint
except ImportError:  # python-flint is optional
    flint = None

# Beyond this many terms, factoring into irreducibles is not worth its price: square-free parts are taken instead.
_FACTOR_LIMIT = 400


class NotRationalFunctionError(DSTheoryError):
    """An expression is no rational function of symbols, logarithms and powers, so the exact zero test does not apply."""


@dataclass(frozen=True)
class PolynomialFraction:
    """numerator / (scale x product of base**exponent): integer polynomials, scale a positive integer."""

    numerator: Any
    scale: int
    bases: dict[Any, int]

    def __bool__(self) -> bool:
        return bool(self.numerator)


class FractionField:
    """Arithmetic of fractions over the given generators, which are told apart by their names.

    >>> import sympy as sp
    >>> x, y = sp.symbols("x y")
    >>> bool(FractionField([x, y]).evaluate(1 / x + 1 / y - (x + y) / (x * y)))
    False
    """

    def __init__(self, generators: list[Any]) -> None:
        self.ring = PolyRing(generators, ZZ, lex)
        self._index = {symbol.name: generator for symbol, generator in zip(generators, self.ring.gens, strict=True)}
        self._powers: dict[tuple[Any, int], Any] = {}
        self._seen: dict[Any, PolynomialFraction] = {}

    def evaluate(self, expr: Any) -> PolynomialFraction:
        """Return the fraction that an expression in the generators is.

        Args:
            expr: sums, products and integer powers of generators and rational numbers.

        Raises:
            NotRationalFunctionError: the expression holds something else.
            ZeroDivisionError: a denominator is identically zero.
        """
        if expr not in self._seen:
            self._seen[expr] = self._evaluate(expr)
        return self._seen[expr]

    def _evaluate(self, expr: Any) -> PolynomialFraction:
        if expr.is_Symbol:
            return PolynomialFraction(self._index[expr.name], 1, {})
        if expr.is_Rational:
            return PolynomialFraction(self.ring(int(expr.p)), int(expr.q), {})
        if expr.is_Add:
            return self._add([self.evaluate(arg) for arg in expr.args])
        if expr.is_Mul:
            return self._multiply([self.evaluate(arg) for arg in expr.args])
        if expr.is_Pow and expr.exp.is_Integer:
            base = self.evaluate(expr.base)
            if expr.exp < 0 and not base:
                raise ZeroDivisionError(f"the denominator {expr.base} is identically zero")
            return self._power(base, int(expr.exp))
        raise NotRationalFunctionError(f"{expr} is not a rational function")

    def _add(self, terms: list[PolynomialFraction]) -> PolynomialFraction:
        """Return the sum, over the least common multiple of the factored denominators."""
        scale, bases = 1, dict[Any, int]()
        for term in terms:
            scale = math.lcm(scale, int(term.scale))
            for base, exponent in term.bases.items():
                bases[base] = max(bases.get(base, 0), exponent)
        # terms that need the same factors are added before they are multiplied
        by_missing: dict[tuple[tuple[Any, int], ...], Any] = {}
        for term in terms:
            missing = tuple(
                (base, bases[base] - term.bases.get(base, 0)) for base in bases if bases[base] > term.bases.get(base, 0)
            )
            by_missing[missing] = by_missing.get(missing, self.ring.zero) + term.numerator * (scale // term.scale)
        total = self.ring.zero
        for missing, numerator in by_missing.items():
            total += self._times(numerator, missing)
        return PolynomialFraction(total, scale, bases) if total else PolynomialFraction(total, 1, {})

    def _multiply(self, factors: list[PolynomialFraction]) -> PolynomialFraction:
        numerator, scale, bases = self.ring.one, 1, dict[Any, int]()
        for factor in factors:
            scale *= factor.scale
            for base, exponent in factor.bases.items():
                bases[base] = bases.get(base, 0) + exponent
        for factor in factors:
            if bases.get(factor.numerator, 0):  # a numerator that is one of the denominators cancels without a division
                bases[factor.numerator] -= 1
            else:
                numerator *= factor.numerator
        return PolynomialFraction(numerator, scale, {base: e for base, e in bases.items() if e})

    def _power(self, base: PolynomialFraction, exponent: int) -> PolynomialFraction:
        if exponent == 0:
            return PolynomialFraction(self.ring.one, 1, {})
        if exponent > 0:
            return PolynomialFraction(
                base.numerator**exponent, base.scale**exponent, {b: e * exponent for b, e in base.bases.items()}
            )
        n = -exponent
        content, primitive = base.numerator.primitive()
        if primitive.LC < 0:
            content, primitive = -content, -primitive
        numerator = self._times(self.ring(base.scale**n), tuple((b, e * n) for b, e in base.bases.items()))
        sign = -1 if content < 0 and n % 2 else 1
        return PolynomialFraction(numerator * sign, int(abs(content)) ** n, self._split(primitive, n))

    def _split(self, polynomial: Any, exponent: int) -> dict[Any, int]:
        if len(polynomial) == 1 and polynomial.LC == 1:  # a monomial: its generators one by one
            ((monomial, _),) = polynomial.terms()
            return {gen: e * exponent for gen, e in zip(self.ring.gens, monomial, strict=True) if e}
        return {polynomial: exponent} if polynomial != 1 else {}

    def _times(self, numerator: Any, factors: tuple[tuple[Any, int], ...]) -> Any:
        for base, exponent in factors:
            if (base, exponent) not in self._powers:
                self._powers[base, exponent] = base**exponent
            numerator = numerator * self._powers[base, exponent]
        return numerator

    def reduced(self, fraction: PolynomialFraction) -> PolynomialFraction:
        """Divide the numerator by the denominator's factors as often as they divide it."""
        numerator, bases = fraction.numerator, dict[Any, int]()
        for base, exponent in fraction.bases.items():
            left = exponent
            while left:
                quotient, remainder = numerator.div(base)
                if remainder:
                    break
                numerator, left = quotient, left - 1
            if left:
                bases[base] = left
        return PolynomialFraction(numerator, fraction.scale, bases)

    def lowest_terms(self, fraction: PolynomialFraction) -> tuple[Any, Any]:
        """Return numerator and denominator as coprime polynomials over the rationals."""
        reduced = self.reduced(fraction)
        numerator, denominator = reduced.numerator.cancel(self._times(self.ring(reduced.scale), tuple(reduced.bases.items())))
        rationals = self.ring.clone(domain=QQ)
        return numerator.set_ring(rationals), denominator.set_ring(rationals)


def irreducible_factors(polynomial: Any) -> tuple[int, list[tuple[Any, int]]]:
    """Return the content of a polynomial with integer coefficients, and its irreducible factors with their multiplicities.

    The leading coefficient of a factor is positive; the factors stand in the order in which SymPy lists them.

    >>> import sympy as sp
    >>> ring = FractionField(list(sp.symbols("x y"))).ring
    >>> x, y = ring.gens
    >>> irreducible_factors(2 * x * y**2 - 2 * x**3)
    (-2, [(x, 1), (x - y, 1), (x + y, 1)])
    """
    if flint is None:
        content, factors = polynomial.factor_list()
        return int(content), factors
    ring = polynomial.ring
    context = flint.fmpz_mpoly_ctx.get([f"x{i}" for i in range(ring.ngens)], "lex")
    content, found = context.from_dict({monomial: int(c) for monomial, c in polynomial.items()}).factor()
    content, factors = int(content), []
    for factor, power in found:
        ours = ring.from_dict({tuple(map(int, exponents)): ring.domain(int(c)) for exponents, c in factor.to_dict().items()})
        if ours.LC < 0:
            ours, content = -ours, content * (-1) ** int(power)
        factors.append((ours, int(power)))
    return content, sorted(factors, key=_in_the_order_of_sympy)


def _in_the_order_of_sympy(item: tuple[Any, int]) -> tuple[int, int, Any]:
    dense = item[0].to_dense()
    return len(dense), item[1], dense


def factors_of(polynomial: Any) -> tuple[int, list[tuple[Any, int]]]:
    """Return the sign of the constant factor, and the non-constant factors with their multiplicities, in a stable order.

    Irreducible factors for polynomials of moderate size, square-free ones beyond that. The zero polynomial has sign 0.

    >>> import sympy as sp
    >>> from dstheory.rational import as_ratio
    >>> x, y = sp.symbols("x y")
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
    if len(rest) > _FACTOR_LIMIT:
        constant, parts = rest.sqf_list()
    else:
        constant, found = irreducible_factors(rest.clear_denoms()[1].set_ring(rest.ring.clone(domain=ZZ)))
        parts = [(part.set_ring(rest.ring), power) for part, power in found]
    out += [(part, int(power)) for part, power in parts]
    return (1 if constant > 0 else -1), sorted(out, key=lambda item: (len(item[0]), str(item[0])))


def terms_of(polynomial: Any) -> Iterator[tuple[Fraction, list[tuple[str, int]]]]:
    """Yield the terms of a polynomial over the rationals as (coefficient, [(symbol name, exponent), ...])."""
    names = [str(symbol) for symbol in polynomial.ring.symbols]
    for exponents, coefficient in polynomial.terms():
        powers = [(name, int(power)) for name, power in zip(names, exponents, strict=True) if power]
        yield Fraction(int(coefficient.numerator), int(coefficient.denominator)), powers

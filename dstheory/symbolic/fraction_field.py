"""Fractions of integer polynomials whose denominators stay factored.

SymPy's own field of fractions takes a greatest common divisor after every addition, which dominates the time of a zero test and
is not needed for it: a fraction is zero when its numerator is. Here a denominator is a product of powers of the polynomials that
occurred as denominators, so that equal ones meet without a division, and common divisors are removed once, at the end, on demand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sympy import QQ, ZZ
from sympy.polys.orderings import lex
from sympy.polys.rings import PolyRing

__all__ = ["FractionField", "PolynomialFraction"]


@dataclass(frozen=True)
class PolynomialFraction:
    """numerator / (scale x product of base**exponent): integer polynomials, scale a positive integer."""

    numerator: Any
    scale: int
    bases: dict[Any, int]

    def __bool__(self) -> bool:
        return bool(self.numerator)


class FractionField:
    """Arithmetic of fractions over the given generators.

    >>> import sympy as sp
    >>> x, y = sp.symbols("x y")
    >>> field = FractionField([x, y])
    >>> one = field.number(1, 1)
    >>> u, v = field.generator(x), field.generator(y)
    >>> bool(field.add([field.power(u, -1), field.power(v, -1),
    ...     field.multiply([field.number(-1, 1), field.add([u, v]), field.power(field.multiply([u, v]), -1)])]))
    False
    """

    def __init__(self, generators: list[Any]) -> None:
        self.ring = PolyRing(generators, ZZ, lex)
        self._index = dict(zip(generators, self.ring.gens, strict=True))
        self._powers: dict[tuple[Any, int], Any] = {}

    def number(self, p: int, q: int) -> PolynomialFraction:
        """Return p/q."""
        return PolynomialFraction(self.ring(p), q, {})

    def generator(self, name: Any) -> PolynomialFraction:
        """Return a generator."""
        return PolynomialFraction(self._index[name], 1, {})

    def add(self, terms: list[PolynomialFraction]) -> PolynomialFraction:
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

    def multiply(self, factors: list[PolynomialFraction]) -> PolynomialFraction:
        """Return the product."""
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

    def power(self, base: PolynomialFraction, exponent: int) -> PolynomialFraction:
        """Return an integer power.

        Raises:
            ZeroDivisionError: for a negative power of zero.
        """
        if exponent >= 0:
            return PolynomialFraction(
                base.numerator**exponent, base.scale**exponent, {b: e * exponent for b, e in base.bases.items()}
            )
        if not base.numerator:
            raise ZeroDivisionError("a denominator is identically zero")
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

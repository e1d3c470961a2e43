"""How large a polynomial may become: beyond that it is not begun.

``x**(10**8) < 1`` is short to write, but as a polynomial it is more than any solver can read: it would end the process of whoever
asks, or run without end. So before a sum, a product or a power of polynomials is formed, its degree, its terms and its digits are
bounded by those of its parts. What is too large is said, and left undecided.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sympy

from dstheory.claims.formulas import short
from dstheory.errors import NotSettledError
from dstheory.rational import NotRationalFunctionError, Ratio, as_ratio, factors_of
from dstheory.rational.polynomials import FractionField, PolynomialFraction

_WORDS = ("degrees", "exponents in its terms", "binary digits in a number")
MOST_DEGREE = 300
_MOST = (MOST_DEGREE, 3_000_000, 10_000)
_MOST_FACTORED = 400
"""Terms of a polynomial that is factored."""
_MOST_SOLVED = 5000
"""Terms of what the solver reads."""
_BEYOND = 10**12
"""Where counting ends."""


def ratio(expression: Any) -> Ratio:
    """The expression, rational in its symbols, as a ratio of polynomials.

    Raises:
        NotSettledError: If they would be too large.

    Example:
        >>> x = sympy.Symbol("x")
        >>> ratio(1 / (1 - x) + 1).numerator
        x - 2
        >>> require_small((1 - x) ** 300)
    """
    require_small(expression)
    found = as_ratio(expression)
    if (terms := max(map(len, found))) > _MOST_SOLVED:
        raise NotSettledError(f"{short(expression)} is too large: it has {terms:,} terms, and at most {_MOST_SOLVED:,} are read")
    return found


def require_small(expression: Any) -> None:
    """Refuse to form polynomials that would be too large.

    Raises:
        NotSettledError: If they would be.
    """
    if (large := _too_large(expression)) is not None:
        raise NotSettledError(large)


@lru_cache(maxsize=4096)
def _too_large(expression: Any) -> str | None:
    """What is too large in an expression that is rational in its symbols; None if nothing is."""
    field = _Field(sorted(expression.free_symbols, key=lambda symbol: symbol.name) or [sympy.Symbol("x")])
    try:
        field.evaluate(expression)
    except _TooLargeError as error:
        return str(error)
    except (NotRationalFunctionError, ZeroDivisionError):
        pass  # that is said by who reads it
    return None


def parts_of(polynomial: Any) -> tuple[int, list[tuple[Any, int]]]:
    """Sign and factors, as `factors_of`; a long polynomial is its own only factor: to factor it may take without end."""
    return factors_of(polynomial) if len(polynomial) <= _MOST_FACTORED else (1, [(polynomial, 1)])


class _TooLargeError(Exception):
    """A part of an expression would become too large."""


class _Size(NamedTuple):
    """Bounds of a polynomial: its degree, its terms, and the binary digits of its coefficients."""

    degree: int
    terms: int
    bits: int


class _Field(FractionField):
    """Fractions of polynomials, each measured before it is formed."""

    _formed = 0
    """Exponents of all terms of all polynomials so far."""

    def _evaluate(self, expr: Any) -> PolynomialFraction:
        if expr.is_Add or expr.is_Mul or (expr.is_Pow and expr.exp.is_Integer):
            parts = [self.evaluate(arg) for arg in expr.args]
            for size in _sum(parts) if expr.is_Add else _product(parts) if expr.is_Mul else _power(parts[0], int(expr.exp)):
                terms = min(size.terms, _choices(size.degree + self.ring.ngens, size.degree))
                self._formed += terms * self.ring.ngens
                found = size._replace(terms=self._formed)
                for word, much, most in zip(_WORDS, found, _MOST, strict=True):
                    if much > most:
                        said = f"{much:,}" if much < _BEYOND else "more than 10^12"
                        raise _TooLargeError(
                            f"{short(expr)} is too large: as a polynomial it has up to {said} {word}, and at most {most:,} are "
                            "computed with; use smaller powers, or a symbol with its own domain for what recurs"
                        )
        return super()._evaluate(expr)


def _sum(parts: Sequence[PolynomialFraction]) -> Iterator[_Size]:
    """Of the denominator that fractions share, and of their sum's numerator."""
    scale = math.lcm(*(int(part.scale) for part in parts))
    below: dict[Any, int] = {}
    for part in parts:
        for base, count in part.bases.items():
            below[base] = max(below.get(base, 0), count)
    yield _times(below.items(), scale.bit_length())
    grown = []
    for part in parts:
        missing = [(base, count - part.bases.get(base, 0)) for base, count in below.items()]
        grown.append(_times([(part.numerator, 1), *missing], (scale // int(part.scale)).bit_length()))
    bits = max(size.bits for size in grown) + len(grown).bit_length()
    yield _Size(max(size.degree for size in grown), sum(size.terms for size in grown), bits)


def _product(parts: Sequence[PolynomialFraction]) -> Iterator[_Size]:
    """Of a product's numerator and denominator."""
    yield _times([(part.numerator, 1) for part in parts], 0)
    yield _times([item for part in parts for item in part.bases.items()], sum(int(part.scale).bit_length() for part in parts))


def _power(base: PolynomialFraction, exponent: int) -> Iterator[_Size]:
    """Of a power's numerator and denominator, or the other way round."""
    count = abs(exponent)
    yield _times([(base.numerator, count)], 0)
    yield _times([(below, n * count) for below, n in base.bases.items()], count * (int(base.scale).bit_length() - 1))


def _times(factors: Iterable[tuple[Any, int]], bits: int) -> _Size:
    """Of a product of powers of polynomials, and of a number of so many digits."""
    degree, terms = 0, 1
    for polynomial, count in factors:
        if count:
            size = _size(polynomial)
            degree += size.degree * count
            terms = min(_BEYOND, terms * _choices(count + size.terms - 1, count))
            bits += count * (size.bits + size.terms.bit_length() - 2) + 1
    return _Size(degree, terms, bits)


@lru_cache(maxsize=4096)
def _size(polynomial: Any) -> _Size:
    bits = max((int(number).bit_length() for number in polynomial.values()), default=1)
    return _Size(max(map(sum, polynomial), default=0), max(1, len(polynomial)), bits)


def _choices(things: int, chosen: int) -> int:
    """The binomial coefficient, as far as it matters."""
    chosen = min(chosen, things - chosen)
    return _BEYOND if chosen > 40 else min(_BEYOND, math.comb(things, chosen))

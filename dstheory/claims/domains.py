"""Where the symbols of a claim range: real intervals, optionally restricted to the integers.

A probability is a real number in (0, 1), not a logit, so that most statements about the chain are about rational functions on a
box (those about divergences have logarithms, those about length weights powers). The domain of a symbol is part of the claim's
statement: it is printed with it, handed to the solver, and respected by every witness.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

import sympy

from dstheory.errors import DomainError

Number = int | Fraction
_MOST_DIGITS = 1000


def require_short(number: Any, where: str) -> None:
    """Refuse a rational number that is too long to be shown, or to be meant.

    Raises:
        DomainError: If it is.
    """
    digits = math.ceil(max(int(number.numerator).bit_length(), int(number.denominator).bit_length()) * math.log10(2))
    if digits > _MOST_DIGITS:
        raise DomainError(f"{where} has a number of about {digits:,} digits; write one of at most {_MOST_DIGITS:,}")


def _end_point(value: Any) -> Fraction | None:
    """An end point as a fraction; floats are refused, since they are not what they look like."""
    if value is None:
        return value
    if isinstance(value, int | Fraction | sympy.Rational) and not isinstance(value, bool):
        require_short(value, "an end point of a domain")
        return value if type(value) is Fraction else Fraction(int(value.numerator), int(value.denominator))
    raise DomainError(
        f"an end point of a domain is {value!r}; write an integer or a Fraction such as Fraction(1, 3), or None for no bound"
    )


@dataclass(frozen=True)
class Domain:
    """An interval of the real line (or of the integers) in which a symbol ranges.

    Args:
        lower, upper: End points as exact fractions; ``None`` means unbounded on that side.
        lower_open, upper_open: Whether an end point is excluded. Boundaries matter: many statements about probabilities hold on
            (0, 1) only.
        integer: Restrict to the integers of the interval. The solver reasons over all reals of the interval first, which proves
            more than is asked, and over the integers where the reals are not enough; a counterexample must be an integer.

    Example:
        >>> UNIT.contains(Fraction(1, 2)), UNIT.contains(Fraction(1)), str(UNIT)
        (True, False, '(0, 1)')
    """

    lower: Fraction | None = None
    upper: Fraction | None = None
    lower_open: bool = True
    upper_open: bool = True
    integer: bool = False

    def __post_init__(self) -> None:
        for side in ("lower", "upper"):
            object.__setattr__(self, side, _end_point(getattr(self, side)))
        low, high = self.lower, self.upper
        if low is None or high is None:
            return
        if low > high or (low == high and (self.lower_open or self.upper_open)):
            raise DomainError(f"the domain {self} is empty: its lower end must lie below its upper end")
        if self.integer:
            first = math.floor(low) + 1 if self.lower_open else math.ceil(low)
            if not self._contains_fraction(Fraction(first)):
                raise DomainError(f"the domain {self} is empty: no integer lies in it")

    def contains(self, value: Any) -> bool:
        """Whether an exact number (integer, Fraction or SymPy number) lies in the domain."""
        if isinstance(value, Fraction):
            return self._contains_fraction(value)
        number = sympy.sympify(value)
        return all(map(bool, self.relations(number))) and bool(not self.integer or number.is_integer)

    def _contains_fraction(self, value: Fraction) -> bool:
        low, high, (n, d) = self.lower, self.upper, value.as_integer_ratio()
        above = -1 if low is None else low.numerator * d - n * low.denominator  # in integers, since it is asked very often
        below = -1 if high is None else n * high.denominator - high.numerator * d
        inside = (above < 0 or (above == 0 and not self.lower_open)) and (below < 0 or (below == 0 and not self.upper_open))
        return inside and (not self.integer or d == 1)

    def relations(self, symbol: Any) -> list[Any]:
        """The inequalities that say that ``symbol`` lies in the (real) interval."""
        out: list[Any] = []
        if self.lower is not None:
            low = sympy.Rational(self.lower)
            out.append(sympy.Gt(symbol, low) if self.lower_open else sympy.Ge(symbol, low))
        if self.upper is not None:
            high = sympy.Rational(self.upper)
            out.append(sympy.Lt(symbol, high) if self.upper_open else sympy.Le(symbol, high))
        return out

    @cache  # noqa: B019 - domains are few, small and immutable
    def values_of_height(self, size: int) -> tuple[Fraction, ...]:
        """The rationals n/d of the domain, with max(|n|, d) equal to ``size``, smallest magnitude first."""
        values = (value for value in _rationals_of_height(size) if self.contains(value))
        return tuple(sorted(values, key=lambda value: (abs(value), value < 0)))

    def implies(self, assumption: str) -> bool:
        """Whether every member has a property of SymPy's assumption system, such as ``positive``."""
        low, high = self.lower, self.upper
        positive = low is not None and (low > 0 or (low == 0 and self.lower_open))
        negative = high is not None and (high < 0 or (high == 0 and self.upper_open))
        return {
            "real": True,
            "positive": positive,
            "negative": negative,
            "nonnegative": low is not None and low >= 0,
            "nonpositive": high is not None and high <= 0,
            "nonzero": positive or negative,
            "zero": low == 0 == high,
            "integer": self.integer,
            "rational": self.integer,
        }.get(assumption, False)

    def __str__(self) -> str:
        return self._between("oo") + (" integer" if self.integer else "")

    def latex(self) -> str:
        """The domain as LaTeX, without the membership sign."""
        if self.lower is None and self.upper is None:
            return r"\mathbb{Z}" if self.integer else r"\mathbb{R}"
        return self._between(r"\infty") + (r" \cap \mathbb{Z}" if self.integer else "")

    def _between(self, infinity: str) -> str:
        left = f"(-{infinity}" if self.lower is None else f"{'(' if self.lower_open else '['}{self.lower}"
        right = f"{infinity})" if self.upper is None else f"{self.upper}{')' if self.upper_open else ']'}"
        return f"{left}, {right}"


UNIT = Domain(Fraction(0), Fraction(1))
"""A probability that is neither 0 nor 1: the open unit interval, where softmax and logistic policies live."""
CLOSED_UNIT = Domain(Fraction(0), Fraction(1), lower_open=False, upper_open=False)
"""A probability, the boundary included."""
DISCOUNT = Domain(Fraction(0), Fraction(1), lower_open=False)
"""A discount factor below 1."""
REAL = Domain()
"""Any real number."""
POSITIVE = Domain(Fraction(0))
"""A positive real number."""
NONNEGATIVE = Domain(Fraction(0), lower_open=False)
"""A real number that is at least zero."""
COUNT = Domain(Fraction(1), lower_open=False, integer=True)
"""A positive integer: a number of turns, answers or tokens."""


def at_least(bound: Number, *, integer: bool = False) -> Domain:
    """All reals (or integers) from ``bound`` on, the bound included.

    >>> str(at_least(1))
    '[1, oo)'
    """
    return Domain(_end_point(bound), lower_open=False, integer=integer)


def between(lower: Number, upper: Number, ends: str = "()") -> Domain:
    """The interval between two exact numbers; ``ends`` says which ends belong to it: ``()``, ``[]``, ``(]`` or ``[)``.

    >>> str(between(0, Fraction(1, 2), "(]"))
    '(0, 1/2]'
    """
    if ends not in ("()", "[]", "(]", "[)"):
        raise DomainError(f"the ends of an interval are written '()', '[]', '(]' or '[)', not {ends!r}")
    return Domain(_end_point(lower), _end_point(upper), lower_open=ends[0] == "(", upper_open=ends[1] == ")")


def excess_assumptions(symbol: Any, promised: Mapping[str, bool]) -> list[str]:
    """What SymPy was told about a symbol that does not follow from being real and from what is promised.

    >>> excess_assumptions(sympy.Symbol("x", positive=True), {"nonnegative": True})[:2]
    ['extended_nonzero', 'extended_positive']
    """
    follows = sympy.Symbol("x", real=True, **promised).assumptions0
    told = {word: value for word, value in symbol.assumptions0.items() if follows.get(word) is not value}
    return sorted(word if value else f"not {word}" for word, value in told.items() if value is not None)


@lru_cache(maxsize=4096)
def check_assumptions(symbol: Any, domain: Domain) -> None:
    """Refuse a symbol that SymPy was told more about than its domain promises.

    Raises:
        DomainError: If it was.
    """
    words = ("positive", "negative", "nonnegative", "nonpositive", "nonzero", "zero", "integer")
    excess = excess_assumptions(symbol, {word: True for word in words if domain.implies(word)})
    if excess:
        plain_words = [word for word in excess if "extended" not in word] or excess
        raise DomainError(
            f"SymPy was told that {symbol.name} is {' and '.join(plain_words)}, which its domain {domain} does not promise; "
            f"use a plain symbol, or a narrower domain"
        )


def name_of(key: Any) -> str:
    """The name of a symbol that is given as a symbol or by its name."""
    return key.name if isinstance(key, sympy.Symbol) else str(key)


def expand_domain(declared: Mapping[Any, Domain]) -> dict[str, Domain]:
    """Spell out ``{"p a b": UNIT}`` as one entry per symbol name, in the order declared.

    Keys are names separated by blanks, or SymPy symbols.

    >>> list(expand_domain({"p a": UNIT, sympy.Symbol("x"): REAL}))
    ['p', 'a', 'x']
    """
    out: dict[str, Domain] = {}
    for key, domain in declared.items():
        names = [key.name] if isinstance(key, sympy.Symbol) else str(key).replace(",", " ").split()
        if type(domain) is not Domain:  # one of a subclass may contain what it does not say
            raise DomainError(f"the domain of {key!s} is {domain!r}; it must be a Domain such as UNIT or REAL")
        if isinstance(key, sympy.Symbol):
            check_assumptions(key, domain)
        for name in names:
            if name in out:
                raise DomainError(f"the symbol {name} is given two domains; declare it once")
            out[name] = domain
    return out


def grouped(domain: Mapping[str, Domain]) -> list[tuple[list[str], Domain]]:
    """Neighbouring symbols with the same domain together, for showing: ``p, a, b in (0, 1)``.

    >>> [(names, str(item)) for names, item in grouped({"p": UNIT, "a": UNIT, "x": REAL})]
    [(['p', 'a'], '(0, 1)'), (['x'], '(-oo, oo)')]
    """
    return [([name for name, _ in own], item) for item, own in groupby(domain.items(), key=lambda pair: pair[1])]


def height(value: Fraction) -> int:
    """The size of a rational number n/d in lowest terms: max(|n|, d)."""
    return max(abs(value.numerator), value.denominator)


def _rationals_of_height(size: int) -> Iterator[Fraction]:
    if size == 1:
        yield from (Fraction(0), Fraction(1), Fraction(-1))
        return
    for other in range(1, size):
        if math.gcd(other, size) == 1:
            for value in (Fraction(other, size), Fraction(size, other)):
                yield value
                yield -value

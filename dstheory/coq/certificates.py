"""Why a polynomial is positive: written as a sum of products of what is known to be positive.

For a symbol between two numbers these are its distances from both ends (Bernstein's basis), for a symbol with one bound its
distance from that. A polynomial whose coefficients there are all nonnegative is positive where one of the terms is. Coefficients
are exact; what Coq is given is the sum itself, which it compares with the polynomial.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.polys.rings import ring

from dstheory.claims.domains import Domain
from dstheory.coq.handelman import Atom, product
from dstheory.coq.terms import identifier, term

_RAISED = 4  # how often the degree is raised before giving up
_LARGEST = 4000  # terms


@dataclass(frozen=True)
class Certificate:
    """A sum that equals a polynomial: coefficients and powers of distances from ends, and which of these may be zero."""

    terms: tuple[tuple[Any, tuple[tuple[str, int], ...]], ...]
    weak: frozenset[str]
    """Distances that are zero at an end that belongs to the domain."""

    def text(self, strict: Collection[str] = ()) -> str | None:
        """Return the sum as a term of Coq, one that is positive first; None if none is.

        Args:
            strict: Distances that may be zero, but are not here.
        """
        left = self.weak - set(strict)
        first = next((item for item in self.terms if not left & {base for base, _ in item[1]}), None)
        if first is None:
            return None
        return " + ".join(product(*item) for item in (first, *(item for item in self.terms if item is not first)))


def ends(name: str, domain: Domain) -> tuple[Atom | None, Atom | None]:
    """Return the distances of a symbol from its ends, which are positive where the end is not reached."""
    x = sympy.Symbol(name)
    low = high = None
    if domain.lower is not None:
        value = x - sympy.Rational(domain.lower)
        low = Atom(identifier(name) if domain.lower == 0 else f"({term(value)})", value, domain.lower_open)
    if domain.upper is not None:
        value = sympy.Rational(domain.upper) - x
        high = Atom(f"({term(value)})", value, domain.upper_open)
    return low, high


def certificate(polynomial: Any, domain: Mapping[str, Domain]) -> Certificate | None:
    """Return a sum that shows that a polynomial is positive, up to where distances vanish; None if none is found.

    Args:
        polynomial: An expression; with other symbols than those of the domain, such as one for an exponential, there is none.
        domain: Where they range.
    """
    names = sorted(symbol.name for symbol in polynomial.free_symbols)
    if any(name not in domain or domain[name].lower in (None, domain[name].upper) for name in names):
        return None
    poly = sympy.Poly(polynomial, *[sympy.Symbol(name) for name in names])
    for raised in range(_RAISED + 1 if any(domain[name].upper is not None for name in names) else 1):
        found = _in_distances(poly, names, domain, raised)
        if len(found.terms) > _LARGEST:
            return None
        if all(coefficient > 0 for coefficient, _ in found.terms):
            return found
    return None


def _in_distances(poly: Any, names: list[str], domain: Mapping[str, Domain], raised: int) -> Certificate:
    """The polynomial in the distances of its symbols from their ends.

    A symbol between two numbers is a sum of its two distances, and so is 1: each term is multiplied by this 1 until all have one
    degree in them.
    """
    sides = [side for name in names for side in ends(name, domain[name]) if side is not None]
    space, *gens = ring([f"x{place}" for place in range(len(sides))], sympy.QQ)
    distances, written = iter(gens), []
    for name in names:
        low, high = (
            None if end is None else sympy.QQ(*end.as_integer_ratio()) for end in (domain[name].lower, domain[name].upper)
        )
        above = next(distances)
        one = space.one if high is None else (above + next(distances)).quo_ground(high - low)
        written.append((above + low * one, one, poly.degree(sympy.Symbol(name)) + raised))
    total = space.zero
    for powers, coefficient in poly.terms():
        part = space(coefficient)
        for power, (symbol, one, degree) in zip(powers, written, strict=True):
            part *= symbol**power * one ** (degree - power)
        total += part
    terms = tuple(
        (sympy.QQ.to_sympy(value), tuple((side.text, power) for side, power in zip(sides, powers, strict=True) if power))
        for powers, value in total.terms()
    )
    return Certificate(terms, frozenset(side.text for side in sides if not side.strict))

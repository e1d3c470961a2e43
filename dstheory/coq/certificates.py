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
        polynomial: An expression in symbols of the domain.
        domain: Where they range.
    """
    names = sorted(symbol.name for symbol in polynomial.free_symbols)
    if any(domain[name].lower is None for name in names):
        return None
    poly = sympy.Poly(polynomial, *[sympy.Symbol(name) for name in names])
    replaced, gens = _in_distances(poly, names, domain)
    both = [name for name in names if domain[name].upper is not None]
    for raised in range(_RAISED + 1 if both else 1):
        lifted = replaced
        for name in both:  # the sum of the distances is the width, which is divided by again below
            lifted = lifted * sympy.Poly(sympy.Symbol(f"{name}_low") + sympy.Symbol(f"{name}_high"), *gens) ** raised
        if len(lifted.terms()) > _LARGEST:
            return None
        if all(coefficient > 0 for _, coefficient in lifted.terms()):
            return _written(lifted, gens, names, domain, raised)
    return None


def _in_distances(poly: Any, names: list[str], domain: Mapping[str, Domain]) -> tuple[Any, list[Any]]:
    """The polynomial, homogeneous in the two distances of each symbol between two numbers, in the distance of the others."""
    gens: list[Any] = []
    for name in names:
        gens.append(sympy.Symbol(f"{name}_low"))
        if domain[name].upper is not None:
            gens.append(sympy.Symbol(f"{name}_high"))
    total = sympy.Poly(0, *gens, domain="QQ")
    degrees = [poly.degree(sympy.Symbol(name)) for name in names]
    cache: dict[tuple[str, int], Any] = {}
    for powers, coefficient in poly.terms():
        part = sympy.Poly(coefficient, *gens, domain="QQ")
        for name, power, degree in zip(names, powers, degrees, strict=True):
            key = (name, power)
            if key not in cache:
                own, low = domain[name], sympy.Rational(domain[name].lower)
                s = sympy.Symbol(f"{name}_low")
                if own.upper is None:
                    cache[key] = sympy.Poly((s + low) ** power, *gens, domain="QQ")
                else:
                    t, high = sympy.Symbol(f"{name}_high"), sympy.Rational(own.upper)
                    width = high - low
                    x = (high * s + low * t) / width
                    one = (s + t) / width
                    cache[key] = sympy.Poly(x**power * one ** (degree - power), *gens, domain="QQ")
            part = part * cache[key]
        total = total + part
    return total, gens


def _written(poly: Any, gens: list[Any], names: list[str], domain: Mapping[str, Domain], raised: int) -> Certificate:
    shown: dict[Any, Atom] = {}
    scale = sympy.Integer(1)
    for name in names:
        low, high = ends(name, domain[name])
        assert low is not None
        shown[sympy.Symbol(f"{name}_low")] = low
        if high is not None:
            shown[sympy.Symbol(f"{name}_high")] = high
            scale *= (sympy.Rational(domain[name].upper) - sympy.Rational(domain[name].lower)) ** raised
    terms = tuple(
        (coefficient / scale, tuple((shown[gen].text, power) for gen, power in zip(gens, powers, strict=True) if power))
        for powers, coefficient in poly.terms()
    )
    return Certificate(terms, frozenset(end.text for end in shown.values() if not end.strict))

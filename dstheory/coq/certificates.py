"""Why a polynomial is positive: written as a sum of products of what is known to be positive.

For a symbol between two numbers these are its distances from both ends (Bernstein's basis), for a symbol with one bound its
distance from that; where assumptions are needed, a linear program chooses products of all of them (Handelman). A polynomial whose
coefficients there are all nonnegative is positive where one of the terms is. Coefficients are exact; what Coq is given is the sum
itself, which it compares with the polynomial.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from dstheory.claims.domains import Domain
from dstheory.coq.terms import identifier, number, term

_RAISED = 4  # how often the degree is raised before giving up
_LARGEST = 4000  # terms
_MOST_PRODUCTS = 2000


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
        return " + ".join(_product(*item) for item in (first, *(item for item in self.terms if item is not first)))


def _product(coefficient: Any, powers: tuple[tuple[str, int], ...]) -> str:
    parts = [f"({number(coefficient)})" if coefficient.q != 1 else number(coefficient)]
    parts += [base if power == 1 else f"{base} ^ {power}" for base, power in powers]
    return " * ".join(parts)


def ends(name: str, domain: Domain) -> tuple[tuple[str, bool] | None, tuple[str, bool] | None]:
    """Return the distances of a symbol from its ends as terms, and whether they are never zero."""
    x = sympy.Symbol(name)
    low = high = None
    if domain.lower is not None:
        shown = identifier(name) if domain.lower == 0 else f"({term(x - sympy.Rational(domain.lower))})"
        low = (shown, domain.lower_open)
    if domain.upper is not None:
        high = (f"({term(sympy.Rational(domain.upper) - x)})", domain.upper_open)
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
    for raised in range(_RAISED + 1):
        lifted = replaced
        for name in both:
            s, t = (sympy.Symbol(f"{name}_low"), sympy.Symbol(f"{name}_high"))
            lifted = lifted * sympy.Poly((s + t), *gens) ** raised
            # s + t is the width, which is divided by again below
        if len(lifted.terms()) > _LARGEST:
            return None
        if all(coefficient > 0 for _, coefficient in lifted.terms()):
            return _written(lifted, gens, names, domain, raised)
        if not both:
            return None
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
    shown: dict[Any, tuple[str, bool]] = {}
    scale = sympy.Integer(1)
    for name in names:
        low, high = ends(name, domain[name])
        assert low is not None
        shown[sympy.Symbol(f"{name}_low")] = low
        if high is not None:
            shown[sympy.Symbol(f"{name}_high")] = high
            scale *= (sympy.Rational(domain[name].upper) - sympy.Rational(domain[name].lower)) ** raised
    terms = tuple(
        (coefficient / scale, tuple((shown[gen][0], power) for gen, power in zip(gens, powers, strict=True) if power))
        for powers, coefficient in poly.terms()
    )
    return Certificate(terms, frozenset(text for text, strict in shown.values() if not strict))


def handelman(polynomial: Any, atoms: Sequence[tuple[str, Any, bool]]) -> str | None:
    """Return a polynomial as a sum of products of atoms, a positive one first; None if none is found.

    A linear program finds which products are needed, exact arithmetic their coefficients.

    Args:
        polynomial: An expression.
        atoms: Terms of Coq with what they are, and whether they are positive or only nonnegative.
    """
    near = _reached(polynomial, atoms)
    symbols = sorted({s for _, value, _ in near for s in value.free_symbols} | polynomial.free_symbols, key=str)
    if not near or not symbols:
        return None
    target = sympy.Poly(polynomial, *symbols)
    polys = [sympy.Poly(value, *symbols) for _, value, _ in near]
    for degree in range(target.total_degree(), target.total_degree() + 3):
        products = _products(polys, degree, symbols)
        if products is None:
            return None
        found = _combination(target, products, [strict for _, _, strict in near])
        if found is not None:
            shown = [
                _product(value, tuple((near[k][0], power) for k, power in enumerate(powers) if power)) for powers, value in found
            ]
            return " + ".join(shown)
    return None


def _reached(polynomial: Any, atoms: Sequence[tuple[str, Any, bool]]) -> list[tuple[str, Any, bool]]:
    """The atoms in symbols that the polynomial has, or that another one of them brings in."""
    symbols, found = set(polynomial.free_symbols), []
    for atom in sorted(atoms, key=lambda item: -len(item[1].free_symbols)):
        if atom[1].free_symbols & symbols:
            symbols |= atom[1].free_symbols
            found.append(atom)
    return found


def _products(polys: list[Any], degree: int, symbols: list[Any]) -> list[tuple[tuple[int, ...], Any]] | None:
    """All products of atoms up to a degree, with their powers; None if they are too many."""
    found = [((0,) * len(polys), sympy.Poly(1, *symbols))]
    for k, poly in enumerate(polys):
        size = max(1, poly.total_degree())
        longer = []
        for powers, product in found:
            left = degree - sum(power * max(1, other.total_degree()) for power, other in zip(powers, polys, strict=True))
            for power in range(1, left // size + 1):
                product = product * poly
                longer.append(((*powers[:k], power, *powers[k + 1 :]), product))
        found += longer
        if len(found) > _MOST_PRODUCTS:
            return None
    return found


def _combination(
    target: Any, products: list[tuple[tuple[int, ...], Any]], strict: list[bool]
) -> list[tuple[tuple[int, ...], Any]] | None:
    """Nonnegative coefficients with which the products add up to the target, exactly; a positive product first."""
    from scipy.optimize import linprog

    monomials = sorted({m for _, poly in products for m in poly.monoms()} | set(target.monoms()))
    rows = {monomial: k for k, monomial in enumerate(monomials)}
    matrix = np.zeros((len(monomials), len(products)))
    for j, (_, poly) in enumerate(products):
        for monomial, value in poly.terms():
            matrix[rows[monomial], j] = float(value)
    right = np.zeros(len(monomials))
    for monomial, value in target.terms():
        right[rows[monomial]] = float(value)
    positive = [all(strict[k] for k, power in enumerate(powers) if power) for powers, _ in products]
    solved = linprog(
        -np.array(positive, dtype=float), A_eq=matrix, b_eq=right, bounds=(0, float(np.abs(right).max()) * 1e3), method="highs"
    )
    if not solved.success or solved.x is None:
        return None
    support = [j for j in range(len(products)) if solved.x[j] > 1e-9]
    system = sympy.zeros(len(monomials), len(support))
    for column, j in enumerate(support):
        for monomial, value in products[j][1].terms():
            system[rows[monomial], column] = value
    exact = _solved(system, [target.coeff_monomial(monomial) for monomial in monomials])
    if exact is None or any(value < 0 for value in exact):
        return None
    found = [(products[j][0], value, positive[j]) for j, value in zip(support, exact, strict=True) if value > 0]
    found.sort(key=lambda item: not item[2])
    if not found or not found[0][2]:
        return None
    return [(powers, value) for powers, value, _ in found]


def _solved(system: Any, right: list[Any]) -> list[Any] | None:
    from sympy.polys.matrices import DomainMatrix

    augmented = DomainMatrix.from_Matrix(system.row_join(sympy.Matrix(right))).to_field()
    reduced, pivots = augmented.rref()
    columns = system.shape[1]
    if columns in pivots:
        return None
    values = [sympy.Integer(0)] * columns
    dense = reduced.to_Matrix()
    for row, pivot in enumerate(pivots):
        values[pivot] = dense[row, columns]
    return values

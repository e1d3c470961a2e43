"""Why a polynomial is positive where others are: a combination of their products, found by linear programming (Handelman).

A linear program in floating-point numbers says which products are needed; their coefficients are then solved for exactly. What
Coq is given is the equation between the polynomial, times a sum that is positive, and the combination; it expands both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement, ring

from dstheory.coq.terms import Known, number, term

_MOST_PRODUCTS = 1500
_MOST_SOLVED = 150  # products with coefficients that are solved for exactly
_RAISED = 2  # degrees above that of the polynomial
_SMALL = 1e-9  # a coefficient of the linear program that is taken for zero

Factors = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Atom:
    """A term of Coq with what it is: positive, or, if not strict, nonnegative."""

    text: str
    value: Any
    strict: bool


@dataclass(frozen=True)
class Combination:
    """The terms of ``over * polynomial = positive + zero``: the first two are positive, or the second nonnegative."""

    over: str
    positive: str
    zero: str


@dataclass(frozen=True)
class _Column:
    """One unknown of the linear program: the coefficient of a product, on one of the three sides."""

    side: str
    factors: Factors
    poly: PolyElement
    strict: bool = True


def combination(
    polynomial: Any,
    atoms: Sequence[Atom],
    zeros: Sequence[tuple[str, Any]] = (),
    *,
    strict: bool = True,
    multiplied: bool = False,
    known: Known = MappingProxyType({}),
) -> Combination | None:
    """Return a polynomial as a combination of products of atoms; None if none is found.

    Args:
        polynomial: An expression.
        atoms: What is known to be positive or nonnegative.
        zeros: Terms that are zero, with what they are.
        strict: Whether the combination is to be positive, not only nonnegative; a positive product is then its first.
        multiplied: Whether the polynomial may be multiplied by positive products.
        known: See `dstheory.coq.terms.term`.
    """
    near = _reached(polynomial, atoms, zeros)
    values = [polynomial, *(atom.value for atom in near), *(value for _, value in zeros)]
    symbols = sorted({symbol for value in values for symbol in value.free_symbols}, key=str)
    if not symbols:
        return None
    space = ring(symbols, sympy.QQ)[0]
    target, *polys = (space.from_expr(sympy.expand(value)) for value in values)
    positive = [(atom, poly) for atom, poly in zip(near, polys, strict=False) if _degree(poly)]
    equal = [(text, poly) for (text, _), poly in zip(zeros, polys[len(near) :], strict=True)]
    monomials = [(Atom(term(symbol, known), symbol, strict=False), gen) for symbol, gen in zip(symbols, space.gens, strict=True)]
    size = max(1, _degree(target))
    for degree in range(size, size + _RAISED + 1):
        products = list(islice(_products(space.one, positive, degree), _MOST_PRODUCTS + 1))
        if len(products) > _MOST_PRODUCTS:
            return None
        columns = [_Column("sum", *item) for item in products]
        for factors, poly, sure in products:
            if not factors or (multiplied and sure and _degree(poly) + size <= degree):
                columns.append(_Column("over", factors, -poly * target))
        for text, zero in equal:
            for factors, monomial, _ in _products(space.one, monomials, degree - _degree(zero)):
                columns.append(_Column("zero", ((text, 1), *factors), zero * monomial))
        found = _solved(columns, "over" if target else "sum", strict=strict)
        if found is not None:
            return found
    return None


def _reached(polynomial: Any, atoms: Sequence[Atom], zeros: Sequence[tuple[str, Any]]) -> list[Atom]:
    """The atoms in symbols that the polynomial has, or that another of them brings in; each value once, if possible strict."""
    symbols = {symbol for value in (polynomial, *(value for _, value in zeros)) for symbol in value.free_symbols}
    left = list({sympy.expand(atom.value): atom for atom in sorted(atoms, key=lambda atom: atom.strict)}.values())
    found: list[Atom] = []
    while reached := [atom for atom in left if not symbols or atom.value.free_symbols & symbols]:
        left = [atom for atom in left if atom not in reached]
        found += reached
        symbols |= {symbol for atom in reached for symbol in atom.value.free_symbols}
    return found


def _degree(poly: PolyElement) -> int:
    return max((sum(monomial) for monomial in poly.itermonoms()), default=0)


def _products(
    one: PolyElement, atoms: Sequence[tuple[Atom, PolyElement]], degree: int
) -> Iterator[tuple[Factors, PolyElement, bool]]:
    """All products of atoms up to a degree, with their factors, and whether they are positive."""
    if degree < 0:
        return
    if not atoms:
        yield (), one, True
        return
    (atom, poly), *others = atoms
    power, raised = 0, one
    while power * _degree(poly) <= degree:
        for factors, product_, strict in _products(one, others, degree - power * _degree(poly)):
            own = ((atom.text, power),) if power else ()
            yield (*own, *factors), raised * product_, strict and (atom.strict or not power)
        power, raised = power + 1, raised * poly


def _solved(columns: Sequence[_Column], side: str, *, strict: bool) -> Combination | None:
    """Coefficients for which the columns add up to zero, and those of the positive ones on a side to one, exactly."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    rows: dict[Any, int] = {None: 0}
    entries = [(0, place, 1.0) for place, column in enumerate(columns) if column.side == side and column.strict]
    for place, column in enumerate(columns):
        entries += [(rows.setdefault(monomial, len(rows)), place, float(value)) for monomial, value in column.poly.iterterms()]
    i, j, values = np.array(entries, dtype=float).T
    shape = (len(rows), len(columns))
    right = np.zeros(len(rows))
    right[0] = 1
    found = linprog(
        np.array([-1.0 if strict and column.side == "sum" and column.strict else 0.0 for column in columns]),
        A_eq=coo_matrix((values, (i.astype(int), j.astype(int))), shape=shape).toarray(),
        b_eq=right,
        bounds=[(None, None) if column.side == "zero" else (0, 1e4) for column in columns],
        method="highs",
        options={"time_limit": 5.0},
    )
    if not found.success or found.x is None:
        return None
    return _exactly([column for column, value in zip(columns, found.x, strict=True) if abs(value) > _SMALL], side, strict=strict)


def _exactly(columns: Sequence[_Column], side: str, *, strict: bool) -> Combination | None:
    if not 0 < len(columns) <= _MOST_SOLVED:
        return None
    monomials = dict.fromkeys(monomial for column in columns for monomial in column.poly.itermonoms())
    system = [[*(column.poly.get(monomial, sympy.QQ(0)) for column in columns), sympy.QQ(0)] for monomial in monomials]
    system.append([*(sympy.QQ(int(column.side == side and column.strict)) for column in columns), sympy.QQ(1)])
    reduced, pivots = DomainMatrix(system, (len(system), len(columns) + 1), sympy.QQ).rref()
    if len(columns) in pivots:
        return None
    rows = reduced.to_Matrix()
    exact = [(columns[pivot], rows[row, len(columns)]) for row, pivot in enumerate(pivots) if rows[row, len(columns)] != 0]
    if any(value < 0 for column, value in exact if column.side != "zero"):
        return None
    exact.sort(key=lambda item: not item[0].strict)
    parts = {name: [item for item in exact if item[0].side == name] for name in ("over", "sum", "zero")}
    if strict and not (parts["sum"] and parts["sum"][0][0].strict):
        return None
    over, positive, zero = (" + ".join(product(value, column.factors) for column, value in part) for part in parts.values())
    return Combination(over or "1", positive or "0", zero or "0")


def product(coefficient: Any, factors: Factors) -> str:
    """Return a number times powers of terms, as a term."""
    first = f"({number(coefficient)})" if coefficient.q != 1 and coefficient > 0 else number(coefficient)
    return " * ".join([first, *(base if power == 1 else f"{base} ^ {power}" for base, power in factors)])

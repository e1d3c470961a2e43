"""The smallest counterexample: the point at which a formula fails that is easiest to check by hand.

The size of a rational n/d is its height max(|n|, d). A point is smaller than another if its greatest height is less, then if
the sum of its heights is less, then by the order of its coordinates. Points are tried in that order, all of one greatest
height before any of the next, as long as the number of points allows; floating point only chooses which points are worth an
exact look, and every witness returned has been checked exactly.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.core.relational import Relational

from dstheory.claims.domains import Domain, height
from dstheory.claims.evaluation import as_sympy, possible, truth_at
from dstheory.errors import UndefinedError

Bools = NDArray[np.bool_]

FIRST = 400
"""Points per height where the solver is asked next and would say as much."""
QUICK = 20_000
"""Points per height for a first look, before the solver is asked."""
THOROUGH = 200_000
"""Points per height once a counterexample is known to exist."""
_EXACT_LOOKS = {FIRST: 10, QUICK: 150, THOROUGH: 3000}
_RANDOM_POINTS = 20_000
_RANDOM_HEIGHT = 16
_GREATEST_HEIGHT = 60
_ROUNDING = 1e-9
_BLOCK = 4096


@dataclass(frozen=True)
class Witness:
    """A point at which the premises hold and the formula does not.

    ``smallest`` says whether every smaller point of the domain has been ruled out.
    """

    point: dict[str, Any]
    smallest: bool

    def as_text(self) -> dict[str, str]:
        """The coordinates as strings such as ``1/2``."""
        return {name: str(value) for name, value in self.point.items()}


def is_witness(point: Mapping[str, Any], formula: Any, premises: Sequence[Any], domain: Mapping[str, Domain]) -> bool:
    """Whether, by exact arithmetic, the point lies in the domain, satisfies the premises and falsifies the formula.

    >>> from dstheory.claims.domains import UNIT
    >>> p = sympy.Symbol("p")
    >>> is_witness({"p": Fraction(1, 2)}, p > sympy.Rational(1, 2), [], {"p": UNIT})
    True
    """
    if any(name in domain and not domain[name].contains(value) for name, value in point.items()):
        return False
    try:
        return all(truth_at(premise, point) is True for premise in premises) and truth_at(formula, point) is False
    except UndefinedError:
        return False


def find_witness(
    formula: Any, premises: Sequence[Any], domain: Mapping[str, Domain], *, seed: int = 0, points: int = THOROUGH
) -> Witness | None:
    """Search for the smallest rational point that satisfies the premises and falsifies the formula.

    Heights are exhausted one after the other while there are at most ``points`` points up to that height; a thorough search
    then tries random points of moderate height. Returns None if no point was found, which proves nothing.
    """
    used = {str(symbol) for item in (formula, *premises) for symbol in item.free_symbols}
    own = {name: item for name, item in domain.items() if name in used}
    search = _Search(formula, list(premises), own, looks=_EXACT_LOOKS[points])
    for size in itertools.count(1):
        grid = search.grid(size, points)
        if grid is None:
            break
        found = search.first(grid)
        if found is not None:
            return Witness(found, smallest=search.exhaustive)
    if points < THOROUGH:
        return None
    search.looks = _EXACT_LOOKS[points]
    found = search.first(search.random(np.random.default_rng(seed)))
    return None if found is None else simplify_witness(found, formula, premises, domain)


def simplify_witness(
    point: Mapping[str, Any], formula: Any, premises: Sequence[Any], domain: Mapping[str, Domain]
) -> Witness:
    """Make a witness rounder, one coordinate at a time, as long as it stays a witness by exact arithmetic."""
    current = dict(point)
    changed = True
    while changed:
        changed = False
        for name in current:
            if name not in domain:
                continue
            for value in _simple_values(domain[name], current[name]):
                trial = {**current, name: value}
                if is_witness(trial, formula, premises, domain):
                    current, changed = trial, True
                    break
    return Witness(current, smallest=False)


def _simple_values(domain: Domain, value: Any) -> Iterator[Fraction]:
    """Rationals smaller in height than ``value``, the smallest first; approximations of it if it is irrational."""
    limit = height(value) if isinstance(value, Fraction) else 10**9
    for size in range(1, min(limit, 13)):
        yield from domain.values_of_height(size)
    number = as_sympy(value)
    for denominator in (16, 64, 1000, 10**6):
        near = Fraction(str(sympy.N(number, 30))).limit_denominator(denominator)
        if height(near) < limit and domain.contains(near):
            yield near


class _Rationals(NamedTuple):
    """The values of a domain up to some height, in order of height."""

    exact: list[Fraction]
    floats: NDArray[np.float64]
    heights: NDArray[np.intp]


@dataclass(frozen=True)
class _Points:
    """Points as indices into one table per coordinate."""

    tables: list[_Rationals]
    index: NDArray[np.intp]

    def exact(self, column: int) -> list[Fraction]:
        """The exact coordinates of one point."""
        return [table.exact[i] for table, i in zip(self.tables, self.index[:, column], strict=True)]


@lru_cache(maxsize=512)
def _table(domain: Domain, size: int) -> _Rationals:
    new = list(domain.values_of_height(size))
    floats, heights = np.array([float(value) for value in new]), np.full(len(new), size, dtype=np.intp)
    if size == 1:
        return _Rationals(new, floats, heights)
    smaller = _table(domain, size - 1)
    return _Rationals(
        smaller.exact + new, np.concatenate([smaller.floats, floats]), np.concatenate([smaller.heights, heights])
    )


def _grid(domains: tuple[Domain, ...], size: int) -> _Points:
    """All points of the domains whose greatest height is exactly ``size``, smallest sum of heights first."""
    if not domains:
        return _Points([], np.empty((0, 1), dtype=np.intp))
    tables = [_table(domain, size) for domain in domains]
    lengths = [len(table.exact) for table in tables]
    rest, rows = np.arange(math.prod(lengths)), []
    for length in reversed(lengths):  # by hand: NumPy's own takes at most 32 or 64 symbols
        rest, row = np.divmod(rest, length)
        rows.append(row)
    index = np.array(rows[::-1], dtype=np.intp)
    heights = np.stack([table.heights[i] for table, i in zip(tables, index, strict=True)])
    keep = np.flatnonzero(heights.max(axis=0, initial=0) == size)
    return _Points(tables, index[:, keep[np.argsort(heights[:, keep].sum(axis=0), kind="stable")]])


_small_grid = lru_cache(maxsize=64)(_grid)
"""Searches over the same domains follow one another: small grids are kept."""


class _Search:
    """Points in order of size, screened in floating point, confirmed exactly."""

    def __init__(self, formula: Any, premises: list[Any], domain: dict[str, Domain], *, looks: int) -> None:
        self._formula = formula
        self._premises = premises
        self._domain = domain
        self._names = list(domain)
        self._screen_premises = [_compile(item, self._names) for item in premises]
        self._screen_formula = _compile(formula, self._names)
        self.looks = looks  # that are still allowed
        self.exhaustive = True

    def grid(self, size: int, limit: int) -> _Points | None:
        """All points whose greatest height is exactly ``size``, smallest sum of heights first; None if too many."""
        if size > _GREATEST_HEIGHT or (not self._names and size > 1):
            return None
        domains = tuple(self._domain.values())
        count = math.prod(len(_table(domain, size).exact) for domain in domains)
        if count > limit:
            return None
        return _small_grid(domains, size) if count <= QUICK else _grid(domains, size)

    def random(self, rng: np.random.Generator) -> _Points:
        """Random points of moderate height, for regions that no round point of few digits meets."""
        tables = [_table(self._domain[name], _RANDOM_HEIGHT) for name in self._names]
        count = _RANDOM_POINTS if all(table.exact for table in tables) else 0
        index = [rng.integers(max(1, len(table.exact)), size=count) for table in tables]
        return _Points(tables, np.stack(index) if index else np.empty((0, 0), dtype=np.intp))

    def first(self, points: _Points) -> dict[str, Fraction] | None:
        """The first of the points that is a witness by exact arithmetic."""
        for column in self._screen(points):
            if self.looks == 0:
                self.exhaustive = False
                break
            self.looks -= 1
            point = dict(zip(self._names, points.exact(column), strict=True))
            if is_witness(point, self._formula, self._premises, self._domain):
                return point
        return None

    def _screen(self, points: _Points) -> Iterator[int]:
        """The points at which floating point cannot exclude a witness, in blocks that stay in the processor's cache."""
        for start in range(0, points.index.shape[1], _BLOCK):
            index = points.index[:, start : start + _BLOCK]
            count = index.shape[1]
            columns = [table.floats[i] for table, i in zip(points.tables, index, strict=True)]
            keep = np.ones(count, dtype=bool)
            for screen in self._screen_premises:
                keep &= screen(columns, count)[0]
            for column in np.flatnonzero(keep & self._screen_formula(columns, count)[1]):
                yield start + int(column)


def _compile(formula: Any, names: list[str]) -> Any:
    """A function of columns that returns (may be true, may be false), both arrays of booleans."""
    screens = {relation: _compile_relation(relation, names) for relation in formula.atoms(Relational)}
    return lambda columns, n: possible(formula, lambda relation: screens[relation](columns, n))


def _compile_relation(relation: Any, names: list[str]) -> Any:
    terms = sympy.Add.make_args(relation.lhs - relation.rhs)
    operator = relation.rel_op if relation.rel_op in ("==", "!=") else relation.rel_op[0]  # within rounding < is as good as <=

    def screen(columns: list[NDArray[np.float64]], n: int) -> tuple[Bools, Bools]:
        with np.errstate(all="ignore"):
            try:
                known: dict[Any, Any] = {sympy.Symbol(name): column for name, column in zip(names, columns, strict=True)}
                parts = [np.asarray(_floats(term, known), dtype=float) for term in terms]
                value, scale = (np.broadcast_to(item, (n,)) for item in (sum(parts), sum(map(np.abs, parts))))
            except (OverflowError, ZeroDivisionError):  # beyond floating point: every point gets an exact look
                value = scale = np.full(n, np.nan)
            slack = _ROUNDING * np.maximum(scale, 1e-300)
            unsure = ~np.isfinite(value) | ~np.isfinite(scale)
            below, above, equal = value < slack, value > -slack, np.abs(value) <= slack
        always = np.ones(n, dtype=bool)
        true, false = {"<": (below, above), ">": (above, below), "==": (equal, always), "!=": (always, equal)}[operator]
        return true | unsure, false | unsure

    return screen


_NUMERIC: dict[Any, Callable[..., Any]] = {
    sympy.Add: lambda *values: functools.reduce(operator.add, values),
    sympy.Mul: lambda *values: functools.reduce(operator.mul, values),
    sympy.Pow: operator.pow,
    sympy.exp: np.exp,
    sympy.log: np.log,
    sympy.Abs: np.abs,
    sympy.Max: lambda *values: functools.reduce(np.maximum, values),
    sympy.Min: lambda *values: functools.reduce(np.minimum, values),
}


def _floats(expression: Any, known: dict[Any, Any]) -> Any:
    """The value in floating point, one or one per point; each part is computed once. NaN for what is not understood here."""
    if expression not in known:
        if expression.is_Rational:
            value = np.float64(int(expression.p) / int(expression.q))
        elif expression.is_NumberSymbol:
            value = np.float64(expression)
        elif expression.func in _NUMERIC:
            value = _NUMERIC[expression.func](*[_floats(arg, known) for arg in expression.args])
        else:
            value = np.float64(np.nan)
        known[expression] = value
    return known[expression]

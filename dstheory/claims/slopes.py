"""Inequalities by derivatives: what is not negative at a point, and does not fall on the way from there, is not negative.

Pinsker's inequality touches its bound to second order, where no elementary bound of a logarithm is near enough. So to show that
f >= 0, a point c is sought, an end of the range of some x, another symbol of the same range, 0 or 1, such that f(c) >= 0, while
f' >= 0 to the right of c and f' <= 0 to the left (mean value theorem). Each of these is asked of the solver, and shown by its own
derivatives where that does not settle it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy
from sympy.logic.boolalg import Implies, Not

from dstheory.claims.definedness import conditions
from dstheory.claims.formulas import conjuncts, derivative, text
from dstheory.claims.premises import Premises
from dstheory.claims.witnesses import FIRST, find_witness
from dstheory.errors import ClaimError, NotSettledError

_DEEPEST = 3
"""Derivatives of derivatives that are looked at."""
_SHARE, _MOST_SECONDS = 0.5, 5.0
"""Of the time that is left."""
_SMOOTH = (sympy.Symbol, sympy.Number, sympy.NumberSymbol, sympy.Add, sympy.Mul, sympy.Pow, sympy.exp, sympy.log)


def by_slopes(premises: Premises, formula: Any) -> str | None:
    """How an inequality follows from the signs of derivatives, in words; None if that was not found.

    Args:
        premises: Where both sides have a value.
        formula: A (plain) formula.

    Example:
        >>> from dstheory.claims.domains import UNIT
        >>> p, q = sympy.symbols("p q")
        >>> premises = Premises({"p": UNIT, "q": UNIT}, [p > q], deadline=time.process_time() + 5)
        >>> by_slopes(premises, sympy.log(p / (1 - p)) - sympy.log(q / (1 - q)) >= 4 * (p - q))
        'the difference of the sides is least at p = q, by the sign of its derivative in p'
    """
    while isinstance(formula, Implies):
        condition, formula = formula.args
        premises = premises.assuming([*premises.assumptions, *conjuncts(condition)])
    if getattr(formula, "rel_op", None) not in (">", ">=", "<", "<="):
        return None
    above, below = (formula.lhs, formula.rhs) if formula.rel_op[0] == ">" else (formula.rhs, formula.lhs)
    now = time.process_time()
    hurried = Premises(
        premises.domain,
        premises.assumptions,
        deadline=now + min(_SHARE * (premises.deadline - now), _MOST_SECONDS),
        seed=premises.seed,
    )
    try:
        found = _least_at(above - below, hurried, _DEEPEST, strict="=" not in formula.rel_op)
    except NotSettledError:
        return None
    if found is None:
        return None
    x, point = found
    return f"the difference of the sides is least at {x} = {text(point)}, by the sign of its derivative in {x}"


def _never_below_zero(expression: Any, premises: Premises, depth: int, *, strict: bool) -> bool:
    """Whether an expression is shown to be at least 0, or above 0 if ``strict``, wherever the premises hold."""
    if expression.is_Rational:
        return bool(expression > 0 or (expression == 0 and not strict))
    claimed = (sympy.Gt if strict else sympy.Ge)(expression, 0, evaluate=False)
    if find_witness(claimed, premises.assumptions, premises.domain, points=FIRST) is not None:
        return False
    if premises.ask([Not(claimed, evaluate=False)], located=False).status == "unsat":
        return True
    return _least_at(expression, premises, depth, strict=strict) is not None


def _least_at(expression: Any, premises: Premises, depth: int, *, strict: bool) -> tuple[Any, Any] | None:
    """A symbol and a point of its range at which an expression is least and not negative; None if none is found."""
    if depth == 0 or not all(isinstance(node, _SMOOTH) for node in sympy.preorder_traversal(expression)):
        return None
    for name in sorted({s.name for node in expression.atoms(sympy.exp, sympy.log, sympy.Pow) for s in node.free_symbols}):
        for point in _points(name, premises):
            if _grows_from(expression, sympy.Symbol(name), point, premises, depth, strict=strict):
                return sympy.Symbol(name), point
    return None


def _points(name: str, premises: Premises) -> Iterator[Any]:
    """Where something may be least: at ends, on the diagonal, and where logarithms and exponents are 0."""
    span = premises.domain.get(name)
    if span is None or span.integer or (span.lower is not None and span.lower == span.upper):
        return
    yield from (sympy.Symbol(other) for other, domain in premises.domain.items() if other != name and domain == span)
    ends = [end for end in (span.lower, span.upper) if end is not None]
    yield from map(sympy.Rational, dict.fromkeys([*ends, *(Fraction(k) for k in (0, 1) if span.contains(Fraction(k)))]))


def _grows_from(f: Any, x: Any, point: Any, premises: Premises, depth: int, *, strict: bool) -> bool:
    """Whether f is not negative at x = point and does not fall as x moves away from it, within its range."""
    span = premises.domain[x.name]
    ends = [end is not None and sympy.Rational(end) == point for end in (span.lower, span.upper)]
    closed = replace(span, lower_open=span.lower_open and not ends[0], upper_open=span.upper_open and not ends[1])
    # On the way from the point to x only what is assumed of the other symbols is known.
    others = [item for item in premises.assumptions if x not in item.free_symbols]
    slope = f.diff(x)
    apart = strict and premises.ask([sympy.Eq(x, point, evaluate=False)], located=False).status == "unsat"
    for beyond, reaches, rise in ((sympy.Gt, sympy.Ge, slope), (sympy.Lt, sympy.Le, -slope)):
        if premises.ask([beyond(x, point, evaluate=False)], located=False).status == "unsat":
            continue  # nothing lies on this side
        way = premises.assuming([*others, reaches(x, point, evaluate=False)], {x.name: closed})
        inside = premises.assuming([*others, beyond(x, point, evaluate=False)])
        if not (_is_defined(f, way) and _is_defined(derivative(f, x), inside)):
            return False
        if not _never_below_zero(rise, inside, depth - 1, strict=apart):
            return False
    return _never_below_zero(f.xreplace({x: point}), premises.assuming(others), depth - 1, strict=strict and not apart)


def _is_defined(expression: Any, premises: Premises) -> bool:
    """Whether an expression has a value wherever the premises hold, and is continuous there; a derivative also that it is one."""
    try:
        for condition in conditions(expression, lambda part: part):
            premises.require(condition)
    except (ClaimError, NotSettledError):
        return False
    return True

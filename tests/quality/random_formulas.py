"""Random formulas, each as a claim for the engine and as a Python function that shares no code with it.

Every division is a definition of its own, so that SymPy cannot cancel it before the engine sees it; the Python function divides
where the formula does, and raises where it has no value.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import sympy as sp

from dstheory.claims import CLOSED_UNIT, COUNT, POSITIVE, REAL, UNIT, Claim, Domain, decide, early, identity

Point = dict[str, Any]
Value = Callable[[Point], Any]
DOMAINS = [UNIT, CLOSED_UNIT, POSITIVE, REAL, COUNT]
RELATIONS: list[tuple[Any, Callable[[Any, Any], bool]]] = [
    (sp.Lt, operator.lt),
    (sp.Le, operator.le),
    (sp.Gt, operator.gt),
    (sp.Ge, operator.ge),
    (sp.Eq, operator.eq),
    (sp.Ne, operator.ne),
]


@dataclass(frozen=True)
class Formula:
    """A claim, and the truth of its formula at a point, computed elsewhere."""

    claim: Claim
    truth: Callable[[Point], bool]
    domain: dict[str, Domain]
    exact: bool


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.definitions: dict[Any, Any] = {}
        self.exact = True
        self.names = ["x", "y"][: rng.choice([1, 1, 2])]

    def expression(self, depth: int) -> tuple[Any, Value]:
        """An expression and its value at a point."""
        rng = self.rng
        if depth == 0 or rng.random() < 0.15:
            if rng.random() < 0.75:
                name = rng.choice(self.names)
                return sp.Symbol(name), lambda point: point[name]
            number = Fraction(rng.randint(-3, 3), rng.randint(1, 3))
            return sp.Rational(number.numerator, number.denominator), lambda point: number
        kind = rng.choices(["+", "-", "*", "/", "square", "log", "exp", "abs"], [5, 5, 6, 4, 3, 0.7, 0.7, 0.7])[0]
        left, left_value = self.expression(depth - 1)
        if kind in "+-*":
            right, right_value = self.expression(depth - 1)
            join = {"+": operator.add, "-": operator.sub, "*": operator.mul}[kind]
            return join(left, right), lambda point: _joined(join, left_value(point), right_value(point))
        if kind == "square":
            return left**2, lambda point: left_value(point) ** 2
        if kind == "abs":
            return sp.Abs(left), lambda point: abs(left_value(point))
        if kind == "/":
            return self.defined(1 / left if left != 0 else sp.zoo, lambda point: 1 / left_value(point))
        self.exact = False
        if kind == "exp":
            return self.defined(sp.exp(left), lambda point: mpmath.exp(_real(left_value(point))))
        return self.defined(sp.log(left) if left != 0 else sp.zoo, lambda point: _log(_real(left_value(point))))

    def defined(self, expression: Any, value: Value) -> tuple[Any, Value]:
        name = sp.Symbol(f"V_{len(self.definitions)}")
        self.definitions[name] = expression
        return name, value


def _joined(join: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return join(one, other)
    return join(_real(one), _real(other))


def _real(value: Any) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def _log(value: Any) -> Any:
    if value <= 0:
        raise ZeroDivisionError
    return mpmath.log(value)


def make(seed: int) -> Formula | None:
    """The formula of a seed; None if SymPy settles it, or the claim is refused, before a step could be checked."""
    rng = random.Random(seed)
    maker = _Maker(rng)
    left, left_value = maker.expression(rng.choice([1, 2, 2, 3]))
    right, right_value = maker.expression(rng.choice([0, 1, 2]))
    if rng.random() < 0.25:  # true far more often than two sides drawn apart
        right, right_value = sp.expand(left.xreplace(maker.definitions)) if not maker.definitions else left, left_value
    domain = {name: rng.choice(DOMAINS) for name in maker.names}
    relation, holds = rng.choice(RELATIONS)

    def truth(point: Point) -> bool:
        one, other = left_value(point), right_value(point)
        if maker.exact:
            return bool(holds(one, other))
        gap = _real(one) - _real(other)
        if abs(gap) < mpmath.mpf(10) ** -40 * (1 + abs(_real(one))):
            gap = mpmath.mpf(0)
        return bool(holds(gap, 0))

    formula = relation(left, right, evaluate=False)
    if not formula.free_symbols:
        return None
    step = identity("", left, right) if relation is sp.Eq and rng.random() < 0.5 else decide("", formula)
    with early.watched(""):
        claim = Claim(id=f"r{seed}", statement=str(formula), domain=domain, definitions=maker.definitions, proof=[step])
    return Formula(claim, truth, domain, maker.exact)

"""z3's nonlinear real arithmetic, asked one question: is there a point where all of these formulas hold?

The solver is a witness-finder and an exhaustiveness prover, never the referee: what it calls satisfiable is re-checked by exact
arithmetic elsewhere, and what it cannot decide is reported as such.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import sympy
from sympy.logic.boolalg import And, BooleanFalse, BooleanTrue, Equivalent, Implies, Not, Or, Xor

from dstheory.claims.errors import ClaimError
from dstheory.claims.polynomials import terms_of

__all__ = ["Answer", "Operator", "PolynomialRelation", "SolverMissingError", "ask"]


Operator = Literal["==", "!=", "<", "<=", ">", ">="]


class SolverMissingError(ClaimError):
    """z3 is not installed, so nothing that needs it can be decided."""


@dataclass(frozen=True)
class PolynomialRelation:
    """``product of factors OP 0`` with the factors as polynomials, already stripped of those whose sign is known."""

    factors: tuple[tuple[Any, int], ...]
    operator: Operator


@dataclass(frozen=True)
class Answer:
    """What the solver said: ``sat`` with a point, ``unsat``, or ``unknown`` with its reason."""

    status: Literal["sat", "unsat", "unknown"]
    point: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


def ask(formulas: Sequence[Any], *, milliseconds: int, seed: int = 0) -> Answer:
    """Look for a point at which all formulas hold.

    Parameters
    ----------
    formulas
        SymPy connectives over `PolynomialRelation` leaves, as (connective, children) trees from `tree`.
    milliseconds
        Time limit; when it is reached the answer is ``unknown``.
    seed
        The solver's random seed: the same question gets the same answer.

    Raises
    ------
    SolverMissingError
        If z3 cannot be imported.
    """
    try:
        import z3
    except ImportError as error:
        raise SolverMissingError(
            "z3 is not installed, so inequalities cannot be decided; install it with: pip install z3-solver"
        ) from error
    if milliseconds <= 0:
        return Answer("unknown", reason="no time left")
    context = z3.Context()
    translate = _Translator(z3, context)
    solver = z3.SolverFor("QF_NRA", ctx=context)
    solver.set("timeout", milliseconds)
    solver.set("random_seed", seed % 2**30)
    for formula in formulas:
        solver.add(translate.formula(formula))
    result = solver.check()
    if result == z3.unsat:
        return Answer("unsat")
    if result == z3.sat:
        model = solver.model()
        point = {
            name: _number(z3, model.eval(variable, model_completion=True)) for name, variable in translate.variables.items()
        }
        return Answer("sat", point={name: value for name, value in point.items() if value is not None})
    return Answer("unknown", reason=solver.reason_unknown())


class _Translator:
    """From formulas over polynomial relations to z3 terms of one context."""

    def __init__(self, z3: Any, context: Any) -> None:
        self._z3 = z3
        self._context = context
        self.variables: dict[str, Any] = {}

    def formula(self, formula: Any) -> Any:
        z3 = self._z3
        if isinstance(formula, PolynomialRelation):
            return self._relation(formula)
        if isinstance(formula, bool):
            return z3.BoolVal(formula, self._context)
        head, children = formula
        if head in (BooleanTrue, BooleanFalse):
            return z3.BoolVal(head is BooleanTrue, self._context)
        terms = [self.formula(child) for child in children]
        if head is Not:
            return z3.Not(terms[0])
        if head is And:
            return z3.And(*terms)
        if head is Or:
            return z3.Or(*terms)
        if head is Implies:
            return z3.Implies(terms[0], terms[1])
        if head is Equivalent:
            return z3.And(*[left == right for left, right in itertools.pairwise(terms)])
        if head is Xor:
            out = terms[0]
            for term in terms[1:]:
                out = z3.Xor(out, term)
            return out
        raise ClaimError(f"the connective {head.__name__} is not understood; use And, Or, Not, Implies, Equivalent, Xor")

    def _relation(self, relation: PolynomialRelation) -> Any:
        """Split ``f^2 g > 0`` into ``f != 0 and g > 0`` and so on: even powers never reach the solver."""
        z3 = self._z3
        odd = [self._polynomial(factor) for factor, power in relation.factors if power % 2]
        even = [self._polynomial(factor) for factor, power in relation.factors if not power % 2]
        operator = relation.operator
        if operator == "==":
            return z3.Or(*[term == 0 for term in odd + even])
        if operator == "!=":
            return z3.And(*[term != 0 for term in odd + even])
        product = odd[0] if odd else z3.RealVal(1, self._context)
        for term in odd[1:]:
            product = product * term
        table = {"<": product < 0, "<=": product <= 0, ">": product > 0, ">=": product >= 0}
        if operator in ("<", ">"):
            return z3.And(table[operator], *[term != 0 for term in even])
        return z3.Or(table[operator], *[term == 0 for term in even])

    def _polynomial(self, polynomial: Any) -> Any:
        z3 = self._z3
        total = None
        for coefficient, powers in terms_of(polynomial):
            term = None if coefficient == 1 and powers else z3.RealVal(str(coefficient), self._context)
            for name, power in powers:
                if name not in self.variables:
                    self.variables[name] = z3.Real(name, self._context)
                for _ in range(power):
                    term = self.variables[name] if term is None else term * self.variables[name]
            total = term if total is None else total + term
        return z3.RealVal(0, self._context) if total is None else total


def _number(z3: Any, value: Any) -> Any:
    """A z3 number as a Fraction, or as a SymPy algebraic number; None if it is neither."""
    if z3.is_rational_value(value):
        return Fraction(value.numerator_as_long(), value.denominator_as_long())
    if z3.is_algebraic_value(value):
        coefficients = [Fraction(item.numerator_as_long(), item.denominator_as_long()) for item in value.poly()]
        variable = sympy.Symbol("x")
        polynomial = sum(
            (sympy.Rational(c.numerator, c.denominator) * variable**power for power, c in enumerate(coefficients)),
            sympy.Integer(0),
        )
        return sympy.real_roots(polynomial)[value.index() - 1]
    return None

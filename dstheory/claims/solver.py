"""z3's nonlinear real arithmetic, asked one question: is there a point where all of these formulas hold?

The solver is a witness-finder and an exhaustiveness prover, never the referee: what it calls satisfiable is re-checked by exact
arithmetic elsewhere, and what it cannot decide is reported as such.
"""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import sympy
from sympy.logic.boolalg import And, Equivalent, Implies, Not, Or, Xor

from dstheory.errors import ClaimError
from dstheory.rational import terms_of

OUT_OF_TIME = "time limit"
_POLL_SECONDS = 0.02

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


_SHARED: list[_Translator] = []
"""The context in which most questions are settled, with what it holds; none before the first question."""
_MOST_TERMS = 20_000
"""Relations that are kept as z3's terms before a new context is begun."""
_QUICK_SHARE = 0.25
"""The part of its time that a question gets there."""


def ask(
    formulas: Sequence[Any], *, seconds: float, seed: int = 0, integers: Collection[str] = (), located: bool = True
) -> Answer:
    """Look for a point at which all formulas hold.

    The reals are asked first. If they have a point at which one of ``integers`` is not an integer, the question is asked again
    over the integers: no real point proves more than is needed, and one real point proves nothing.

    Which point the solver finds, and whether it is done in time, may depend on what its context was asked before; that there is
    no point may not. So a question is asked first in a context that all of them share, and only where a point is wanted, or
    nothing was found out, in one of its own, which costs some milliseconds.

    Args:
        formulas: SymPy connectives over `PolynomialRelation` leaves, as (connective, children) trees from `tree`.
        seconds: Limit on the processor time of this process; when it is reached the answer is ``unknown``, with `OUT_OF_TIME`
            as its reason. It does not depend on what else the machine does.
        seed: The solver's random seed: the same question gets the same answer.
        integers: Names of the symbols that range over integers.
        located: Whether a point is wanted, and not only whether there is one.

    Raises:
        SolverMissingError: If z3 cannot be imported.
    """
    z3 = _z3()
    start = time.process_time()
    deadline = start + seconds
    answer = _in_common(z3, formulas, start + _QUICK_SHARE * seconds, seed)
    if answer.status == "unsat" or (answer.status == "sat" and not located and not integers):
        return answer
    answer = _answer(z3, formulas, (), deadline, seed)
    fractional = [
        name
        for name in sorted(integers)
        if name in answer.point and not (isinstance(answer.point[name], Fraction) and answer.point[name].denominator == 1)
    ]
    if answer.status != "sat" or not fractional:
        return answer
    over_integers = _answer(z3, formulas, integers, deadline, seed)
    if over_integers.status == "unknown":
        where = ", ".join(f"{name} = {answer.point[name]}" for name in fractional)
        reason = f"over the reals there is a point ({where}); over the integers there was no answer: {over_integers.reason}"
        return Answer("unknown", reason=reason)
    return over_integers


def _in_common(z3: Any, formulas: Sequence[Any], deadline: float, seed: int) -> Answer:
    """The answer without a point, from the context that all questions share."""
    if not _SHARED or len(_SHARED[0].terms) > _MOST_TERMS:
        _SHARED[:] = [_Translator(z3, z3.Context())]
    answer = _answer(z3, formulas, (), deadline, seed, shared=_SHARED[0])
    if answer.reason == OUT_OF_TIME:
        _SHARED.clear()  # it was interrupted, perhaps a moment after its answer
    return answer


def _z3() -> Any:
    try:
        import z3
    except ImportError as error:
        raise SolverMissingError(
            "z3 is not installed, so inequalities cannot be decided; install it with: pip install z3-solver"
        ) from error
    return z3


def _answer(
    z3: Any,
    formulas: Sequence[Any],
    integers: Collection[str],
    deadline: float,
    seed: int,
    *,
    shared: _Translator | None = None,
) -> Answer:
    """One question to the solver, the named variables over the integers, all others over the reals.

    It is asked in the shared context, without a point in the answer; by default in a new one, so that the answer depends on
    nothing that was asked before.
    """
    if time.process_time() >= deadline:
        return Answer("unknown", reason=OUT_OF_TIME)
    translate = shared or _Translator(z3, z3.Context(), integers)
    context = translate.context
    solver = z3.Solver(ctx=context) if integers else z3.SolverFor("QF_NRA", ctx=context)
    solver.set("random_seed", seed % 2**30)
    for formula in formulas:
        solver.add(translate.formula(formula))
    with _interrupted_at(context, deadline) as late:
        try:
            result = solver.check()
            model = solver.model() if shared is None and result == z3.sat else None
            point = {} if model is None else {
                name: _number(z3, model.eval(variable, model_completion=True)) for name, variable in translate.variables.items()
            }
        except z3.Z3Exception:
            if not late.is_set():
                raise
            result = z3.unknown  # an interruption ends the search with "unknown", or with an exception wherever it finds it
    if result == z3.unknown:
        return Answer("unknown", reason=OUT_OF_TIME if late.is_set() else solver.reason_unknown())
    if result == z3.unsat:
        return Answer("unsat")
    return Answer("sat", point={name: value for name, value in point.items() if value is not None})


@contextmanager
def _interrupted_at(context: Any, deadline: float) -> Iterator[threading.Event]:
    """Interrupt the solver once the process has used its time; the event yielded says whether that happened.

    The solver's own limit counts time on the wall, in which a busy machine may do next to nothing.
    """
    done, late = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(_POLL_SECONDS):
            if time.process_time() >= deadline:
                late.set()
                context.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield late
    finally:
        done.set()
        watcher.join()


class _Translator:
    """From formulas over polynomial relations to z3 terms of one context."""

    def __init__(self, z3: Any, context: Any, integers: Collection[str] = ()) -> None:
        self._z3 = z3
        self.context = context
        self._integers = integers
        self.variables: dict[str, Any] = {}
        self.terms: dict[PolynomialRelation, Any] = {}
        self._connectives = {
            Not: z3.Not,
            And: z3.And,
            Or: z3.Or,
            Implies: z3.Implies,
            Equivalent: lambda *terms: z3.And(*[left == right for left, right in itertools.pairwise(terms)]),
            Xor: lambda *terms: functools.reduce(z3.Xor, terms),
        }

    def formula(self, formula: Any) -> Any:
        if isinstance(formula, PolynomialRelation):
            if formula not in self.terms:
                self.terms[formula] = self._relation(formula)
            return self.terms[formula]
        if isinstance(formula, bool):
            return self._z3.BoolVal(formula, self.context)
        head, children = formula
        if head not in self._connectives:
            raise ClaimError(f"the connective {head.__name__} is not understood; use And, Or, Not, Implies, Equivalent, Xor")
        return self._connectives[head](*map(self.formula, children))

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
        product = odd[0] if odd else z3.RealVal(1, self.context)
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
            term = None if coefficient == 1 and powers else z3.RealVal(str(coefficient), self.context)
            for name, power in powers:
                if name not in self.variables:
                    whole = name in self._integers
                    self.variables[name] = (
                        z3.ToReal(z3.Int(name, self.context)) if whole else z3.Real(name, self.context)
                    )
                for _ in range(power):
                    term = self.variables[name] if term is None else term * self.variables[name]
            total = term if total is None else total + term
        return z3.RealVal(0, self.context) if total is None else total


def _number(z3: Any, value: Any) -> Any:
    """A z3 number as a Fraction, or as a SymPy algebraic number; None if it is neither."""
    if z3.is_rational_value(value):
        return Fraction(value.numerator_as_long(), value.denominator_as_long())
    if z3.is_algebraic_value(value):
        coefficients = [sympy.Rational(item.numerator_as_long(), item.denominator_as_long()) for item in value.poly()]
        return sympy.real_roots(sympy.Poly(coefficients[::-1], sympy.Symbol("x")))[value.index() - 1]
    return None

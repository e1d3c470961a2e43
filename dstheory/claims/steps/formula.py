"""Steps about formulas that exact arithmetic and the solver settle: `identity`, `decide`, `example`, `counterexample`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import sympy
from sympy.logic.boolalg import And, Equivalent, Implies, Not, Or

from dstheory.claims.evaluation import truth_at
from dstheory.claims.formulas import as_expression
from dstheory.claims.slopes import by_slopes
from dstheory.claims.solver import Answer
from dstheory.claims.steps.base import ClaimContext, FormulaStep, Step, StepContext, parse_point
from dstheory.claims.verdicts import BY_DEFINITION, Finding, Status
from dstheory.claims.witnesses import QUICK, find_witness, is_witness, simplify_witness
from dstheory.errors import ClaimError, UndefinedError

_SHOWN = 200
_ONE_EXPRESSION = "both sides are one expression once definitions are substituted"
_READ_AS_ONE = "SymPy made one expression of both sides as it read them, so that nothing was left to check"


@dataclass(frozen=True)
class Identity(Step):
    """A step that says ``left = right`` for all values of the symbols, decided by exact rational-function arithmetic.

    Args:
        words: What the step says, for the reader.
        left, right: SymPy expressions, or sequences (or matrices) of equal length for several equations at once.
        given, where, using, lemma: See `Step`.

    Example:
        >>> from dstheory.claims import UNIT, Claim, check
        >>> p, a, b = sympy.symbols("p a b")
        >>> step = identity("The resample probability.", p * (1 - a) + (1 - p) * b, b + p * (1 - a - b))
        >>> check(Claim(id="x", statement="...", domain={"p a b": UNIT}, proof=[step])).status.value
        'proved'
    """

    left: Any
    right: Any
    kind: ClassVar[str] = "identity"

    def __post_init__(self) -> None:
        super().__post_init__()
        left, right = self.left, self.right
        if isinstance(left, sympy.MatrixBase) and isinstance(right, sympy.MatrixBase) and left.shape != right.shape:
            raise ClaimError(f"identity compares matrices of one shape, got {left.shape} and {right.shape}")
        sides = _sequence(left), _sequence(right)
        if len(sides[0]) != len(sides[1]) or not sides[0]:
            raise ClaimError(f"identity needs as many left sides as right sides, got {len(sides[0])} and {len(sides[1])}")
        object.__setattr__(self, "left", sides[0])
        object.__setattr__(self, "right", sides[1])

    @cached_property
    def formulas(self) -> tuple[Any, ...]:
        """The equations, unevaluated."""
        return tuple(sympy.Eq(a, b, evaluate=False) for a, b in zip(self.left, self.right, strict=True))

    def run(self, context: ClaimContext) -> Finding:
        """Compare the two sides in the polynomial ring; look for a witness only if they differ."""
        here = StepContext(context, self)
        here.require_well_posed(*self.left, *self.right)
        decided: Finding | None = None
        for number, (left, right) in enumerate(zip(self.left, self.right, strict=True), start=1):
            a, b = here.expression(left), here.expression(right)
            residual = here.premises.residual(a - b)
            if residual != 0:
                which = f" in equation {number} of {len(self.left)}" if len(self.left) > 1 else ""
                decided = self._differs(here, sympy.Eq(a, b, evaluate=False), residual, which)
                if decided.status is not Status.DECIDED:
                    return decided
        if decided is not None:
            return decided
        if all(_same_sides(equation, here) for equation in self.formulas):
            read = all(equation.lhs == equation.rhs for equation in self.formulas)
            return Finding(Status.PROVED, BY_DEFINITION, _READ_AS_ONE if read else _ONE_EXPRESSION, residual="0")
        return Finding(Status.PROVED, "identity", residual="0")

    def _differs(self, here: StepContext, equation: Any, residual: Any, which: str) -> Finding:
        text = str(residual)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(residual)} terms)"
        witness = find_witness(equation, here.assumptions, here.domain, seed=here.context.seed)
        if witness is not None:
            found = here.refuted(equation, witness, "identity", residual=shown)
            return Finding(found.status, found.method, f"{found.detail}{which}", found.witness, found.residual)
        negation = sympy.Ne(equation.lhs, equation.rhs, evaluate=False)
        answer = here.premises.ask([negation])
        if answer.status == "unsat":
            return Finding(Status.DECIDED, _by_solver(here), "equal under the assumptions, though not identically")
        why = f": {answer.reason}" if answer.reason else ""
        return Finding(
            Status.UNDECIDED, "identity", f"the difference is not zero{which}, but no witness was found{why}", None, shown
        )


@dataclass(frozen=True)
class Decision(FormulaStep):
    """A step that says that a formula holds throughout the domain: its negation has no point, by nonlinear real arithmetic.

    Args:
        words: What the step says, for the reader.
        formula: Relations between rational functions, joined by And, Or, Not, Implies, Equivalent. exp, log, real powers, Abs,
            Max, Min, pi and e are understood through elementary bounds, and inequalities also through the signs of derivatives;
            that may leave a formula undecided but never makes it wrong.
        given, where, using, lemma: See `Step`.

    Example:
        >>> from dstheory.claims import UNIT, Claim, check
        >>> p, a = sympy.symbols("p a")
        >>> verdict = check(Claim(id="x", statement="...", domain={"p a": UNIT}, proof=[decide("Wrong.", p * a < p * p)]))
        >>> verdict.status.value, verdict.witness
        ('refuted', {'p': '1/2', 'a': '1/2'})
    """

    kind: ClassVar[str] = "decision"

    def run(self, context: ClaimContext) -> Finding:
        """Look for a small counterexample, then ask the solver, then check what it says."""
        here = StepContext(context, self)
        formula = here.formula(self.formula)
        here.require_well_posed(self.formula)
        for condition in _conditions_of(formula):
            here.require_point(condition)
        witness = find_witness(formula, here.assumptions, here.domain, seed=context.seed, points=QUICK)
        if witness is not None:
            return here.refuted(formula, witness, "exact evaluation")
        if _same_sides(self.formula, here):
            return Finding(Status.PROVED, BY_DEFINITION, _ONE_EXPRESSION)
        return self._decided(here, formula)

    def _decided(self, here: StepContext, formula: Any) -> Finding:
        for part in _parts(formula):
            answer = here.premises.ask([Not(part, evaluate=False)])
            if answer.status != "unsat":
                return self._not_unsat(here, formula, answer)
        return Finding(Status.DECIDED, _by_solver(here))

    def _not_unsat(self, here: StepContext, formula: Any, answer: Answer) -> Finding:
        """The solver did not prove the formula: find a witness that exact arithmetic confirms, or say that there is none."""
        witness = find_witness(formula, here.assumptions, here.domain, seed=here.context.seed)
        if witness is None and answer.status == "sat":
            names = {s.name for item in (formula, *here.assumptions) for s in item.free_symbols}
            point = {name: value for name, value in answer.point.items() if name in names}
            if set(point) == names:
                rounder = simplify_witness(point, formula, here.assumptions, here.domain)
                if is_witness(rounder.point, formula, here.assumptions, here.domain):
                    witness = rounder
        if witness is not None:
            return here.refuted(formula, witness, "decision (z3), exact evaluation")
        if answer.status == "sat":
            if here.premises.abstraction.compare():
                return self._decided(here, formula)
            if (found := _by_slopes(here, formula)) is not None:
                return found
            why = (
                "it lies at numbers that exact arithmetic could not settle"
                if here.premises.abstraction.complete
                else "it lies where only bounds on a function are known; smaller steps, or enclose(...) on a box, may settle it"
            )
            said = f"the solver's counterexample could not be confirmed by exact evaluation: {why}"
            return Finding(Status.UNDECIDED, "decision (z3)", said)
        return Finding(Status.UNDECIDED, "decision (z3)", f"the solver answered unknown: {answer.reason}")


@dataclass(frozen=True)
class PointStep(FormulaStep):
    """A formula has the stated truth value at one point of the domain, at which the assumptions hold."""

    at: Mapping[Any, Any]
    kind: ClassVar[str] = "example"
    expected: ClassVar[bool]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "at", parse_point(self.at))

    def run(self, context: ClaimContext) -> Finding:
        """Evaluate the formula and the assumptions at the point."""
        here = StepContext(context, self)
        formula = here.formula(self.formula)
        conditions = here.conditions(*self.using.values(), *self.given, self.formula)
        kind = "example" if self.expected else "counterexample"
        point = dict(self.at)
        needed = {s.name for item in (formula, *here.assumptions) for s in item.free_symbols}
        needed |= {s.name for condition in conditions for s in condition.expression.free_symbols}
        if missing := sorted(needed - set(point)):
            raise ClaimError(f"the {kind} gives no value for {', '.join(missing)}")
        for name, value in point.items():
            if name not in here.domain:
                raise ClaimError(f"the {kind} gives a value for {name}, which has no domain")
            if not here.domain[name].contains(value):
                raise ClaimError(f"the {kind} has {name} = {value}, outside its domain {here.domain[name]}")
        for condition in conditions:
            if truth_at(condition.formula, point) is not True:
                raise UndefinedError(f"the {kind} lies where there is no value: {condition.broken}, as it is there")
        for premise in here.assumptions:
            if truth_at(premise, point) is not True:
                raise ClaimError(f"the {kind} does not satisfy the assumption {premise}")
        truth = truth_at(formula, point)
        shown = {name: str(value) for name, value in point.items()}
        if truth is None:
            return Finding(Status.UNDECIDED, kind, "exact evaluation could not settle the formula at the point", shown)
        if truth is self.expected:
            return Finding(Status.PROVED, kind, f"the formula is {str(truth).lower()} there", shown)
        raise ClaimError(f"the stated {kind} is none: at that point the formula is {str(truth).lower()}")


class Example(PointStep):
    """A step that says that a formula is true at a point: proves "there is".

    Example:
        >>> from dstheory.claims import UNIT, Claim, check
        >>> p = sympy.Symbol("p")
        >>> step = example("Some p works.", p * p < p / 2, at={p: "1/3"})
        >>> check(Claim(id="x", statement="...", domain={p: UNIT}, proof=[step])).status.value
        'proved'
    """

    expected = True


class Counterexample(PointStep):
    """A step that says that a formula is false at a point: proves "not always", for instance that a condition is needed.

    Example:
        >>> import sympy
        >>> from dstheory import check
        >>> from dstheory.claims import UNIT, Claim
        >>> p = sympy.Symbol("p")
        >>> step = counterexample("p = 1/3 is not above 1/2.", p > sympy.S.Half, at={p: "1/3"})
        >>> check(Claim(id="x", statement="p need not exceed 1/2.", domain={p: UNIT}, proof=[step])).status.value
        'proved'
    """

    expected = False


identity = Identity
decide = Decision
example = Example
counterexample = Counterexample


def _sequence(side: Any) -> tuple[Any, ...]:
    if isinstance(side, sympy.MatrixBase):
        side = list(side)
    items = side if isinstance(side, list | tuple) else (side,)
    return tuple(map(as_expression, items))


def _by_solver(here: StepContext) -> str:
    """How the solver decided: for rational functions alone, or with what is known of others."""
    return f"decision (z3{'' if here.premises.abstraction.complete else ', with elementary bounds on log and exp'})"


def _by_slopes(here: StepContext, formula: Any) -> Finding | None:
    """A formula decided part by part, by the signs of derivatives where the solver does not settle one; None otherwise."""
    how = []
    for part in _parts(formula):
        if here.premises.ask([Not(part, evaluate=False)], located=False).status != "unsat":
            if (found := by_slopes(here.premises, part)) is None:
                return None
            how.append(found)
    return Finding(Status.DECIDED, f"{_by_solver(here)}, with signs of derivatives", "; ".join(how))


def _same_sides(formula: Any, here: StepContext) -> bool:
    """Whether a formula, as written, only says that expressions equal themselves."""
    if isinstance(formula, And):
        return all(_same_sides(arg, here) for arg in formula.args)
    return isinstance(formula, sympy.Eq) and here.substituted(formula.lhs) == here.substituted(formula.rhs)


def _conditions_of(formula: Any) -> list[Any]:
    """The conditions of a formula's implications: one that no point satisfies would make its implication say nothing."""
    if isinstance(formula, And | Or):
        return [condition for arg in formula.args for condition in _conditions_of(arg)]
    if isinstance(formula, Equivalent):
        return [Or(*formula.args, evaluate=False)]
    if isinstance(formula, Implies):
        condition, conclusion = formula.args
        return [condition, *[And(condition, inner, evaluate=False) for inner in _conditions_of(conclusion)]]
    return []


def _parts(formula: Any) -> list[Any]:
    """Formulas that together say the same, each easier to decide."""
    if isinstance(formula, And):
        return [part for arg in formula.args for part in _parts(arg)]
    if isinstance(formula, Equivalent) and len(formula.args) == 2:
        left, right = formula.args
        return [Implies(left, right, evaluate=False), Implies(right, left, evaluate=False)]
    if isinstance(formula, Implies):
        condition, conclusion = formula.args
        if isinstance(conclusion, And):
            return [Implies(condition, part, evaluate=False) for part in conclusion.args]
    return [formula]

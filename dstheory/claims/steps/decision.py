"""Decisions: a formula holds at every point of the domain that satisfies the assumptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import sympy
from sympy.logic.boolalg import And, Equivalent, Implies, Not, Or

from dstheory.claims.domains import Domain
from dstheory.claims.solver import Answer
from dstheory.claims.steps.base import Bench, Desk, Step
from dstheory.claims.verdicts import BY_DEFINITION, Finding, Status
from dstheory.claims.witnesses import QUICK, Witness, find_witness, is_witness, simplify_witness

__all__ = ["Decision", "decide"]


@dataclass(frozen=True, kw_only=True)
class Decision(Step):
    """A formula that holds at every point: its negation is unsatisfiable."""

    formula: Any
    kind: ClassVar[str] = "decision"

    @cached_property
    def formulas(self) -> tuple[Any, ...]:
        """The formula."""
        return (self.formula,)

    def run(self, bench: Bench) -> Finding:
        """Look for a small counterexample, then ask the solver, then check what it says."""
        desk = Desk(bench, self)
        formula = desk.formula(self.formula)
        desk.require_well_posed(self.formula)
        for condition in _conditions_of(formula):
            desk.require_point(condition)
        witness = find_witness(formula, desk.premises, desk.domain, seed=bench.seed, points=QUICK)
        if witness is not None:
            return desk.refuted(formula, witness, "exact evaluation")
        if _same_sides(self.formula, desk):
            why = "both sides are one expression once definitions are substituted"
            return Finding(Status.PROVED, BY_DEFINITION, why)
        for part in _parts(formula):
            answer = desk.setting.ask([Not(part, evaluate=False)])
            if answer.status != "unsat":
                return self._not_unsat(desk, formula, answer)
        facts = "" if desk.setting.abstraction.complete else ", with elementary bounds on log and exp"
        return Finding(Status.DECIDED, f"decision (z3{facts})")

    def _not_unsat(self, desk: Desk, formula: Any, answer: Answer) -> Finding:
        """The solver did not prove the formula: find a witness that exact arithmetic confirms, or say that there is none."""
        witness = find_witness(formula, desk.premises, desk.domain, seed=desk.bench.seed)
        if witness is None and answer.status == "sat":
            names = {str(s) for item in (formula, *desk.premises) for s in item.free_symbols}
            point = {name: value for name, value in answer.point.items() if name in names}
            if set(point) == names:
                if is_witness(point, formula, desk.premises, desk.domain):
                    witness = simplify_witness(point, formula, desk.premises, desk.domain)
                else:
                    rounded = simplify_witness(point, formula, desk.premises, desk.domain)
                    if is_witness(rounded.point, formula, desk.premises, desk.domain):
                        witness = Witness(rounded.point, smallest=False)
        if witness is not None:
            return desk.refuted(formula, witness, "decision (z3), exact evaluation")
        if answer.status == "sat":
            why = (
                "it lies at numbers that exact arithmetic could not settle"
                if desk.setting.abstraction.complete
                else "it lies where only bounds on a function are known"
            )
            found = f"the solver's counterexample could not be confirmed by exact evaluation: {why}"
            return Finding(Status.UNDECIDED, "decision (z3)", found)
        return Finding(Status.UNDECIDED, "decision (z3)", f"the solver answered unknown: {answer.reason}")


def decide(
    words: str,
    formula: Any,
    *,
    given: Sequence[Any] = (),
    where: Mapping[Any, Domain] | None = None,
    using: Mapping[Any, Any] | None = None,
    lemma: bool = False,
) -> Step:
    """A step that says that a formula holds throughout the domain, decided by nonlinear real arithmetic.

    Parameters
    ----------
    words
        What the step says, for the reader.
    formula
        Relations between rational functions, joined by And, Or, Not, Implies, Equivalent. exp, log, real powers, Abs, Max and
        Min are understood through elementary bounds, which may leave a formula undecided but never make it wrong.
    given, where, using, lemma
        See `Step`.

    Example
    -------
    >>> from dstheory.claims import UNIT, Claim, check
    >>> p, a = sympy.symbols("p a")
    >>> verdict = check(Claim(id="x", statement="...", domain={"p a": UNIT}, proof=[decide("Wrong.", p * a < p * p)]))
    >>> verdict.status.value, verdict.witness
    ('refuted', {'p': '1/2', 'a': '1/2'})
    """
    return Decision(words=words, formula=formula, given=given, where=where or {}, using=using or {}, lemma=lemma)


def _same_sides(formula: Any, desk: Desk) -> bool:
    """Whether a formula, as written, only says that expressions equal themselves."""
    if isinstance(formula, And):
        return all(_same_sides(arg, desk) for arg in formula.args)
    return isinstance(formula, sympy.Eq) and desk.substituted(formula.lhs) == desk.substituted(formula.rhs)


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
    if formula in (sympy.true, sympy.false):
        return [formula]
    return [formula]

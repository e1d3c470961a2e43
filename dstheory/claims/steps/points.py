"""Single points: a formula is true, or false, at a stated point of the domain. Exact arithmetic, no solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

from dstheory.claims.domains import Domain
from dstheory.claims.errors import ClaimError, UndefinedError
from dstheory.claims.exact import truth_at
from dstheory.claims.steps.base import Bench, Desk, Step, parse_point
from dstheory.claims.verdicts import Finding, Status

__all__ = ["PointStep", "counterexample", "example"]


@dataclass(frozen=True, kw_only=True)
class PointStep(Step):
    """A formula has the stated truth value at one point, at which the assumptions hold."""

    formula: Any
    at: Mapping[str, Fraction]
    expected: bool
    kind: ClassVar[str] = "example"

    @cached_property
    def formulas(self) -> tuple[Any, ...]:
        """The formula."""
        return (self.formula,)

    def run(self, bench: Bench) -> Finding:
        """Evaluate the formula and the assumptions at the point."""
        desk = Desk(bench, self)
        formula = desk.formula(self.formula)
        conditions = desk.conditions(*self.using.values(), *self.given, self.formula)
        kind = "example" if self.expected else "counterexample"
        point = dict(self.at)
        needed = {str(s) for item in (formula, *desk.premises) for s in item.free_symbols}
        needed |= {str(s) for condition in conditions for s in condition.expression.free_symbols}
        if missing := sorted(needed - set(point)):
            raise ClaimError(f"the {kind} gives no value for {', '.join(missing)}")
        for name, value in point.items():
            if name not in desk.domain:
                raise ClaimError(f"the {kind} gives a value for {name}, which has no domain")
            if not desk.domain[name].contains(value):
                raise ClaimError(f"the {kind} has {name} = {value}, outside its domain {desk.domain[name]}")
        for condition in conditions:
            if truth_at(condition.formula, point) is not True:
                raise UndefinedError(f"the {kind} lies where there is no value: {condition.broken}, as it is there")
        for premise in desk.premises:
            if truth_at(premise, point) is not True:
                raise ClaimError(f"the {kind} does not satisfy the assumption {premise}")
        truth = truth_at(formula, point)
        shown = {name: str(value) for name, value in point.items()}
        if truth is None:
            return Finding(Status.UNDECIDED, kind, "exact evaluation could not settle the formula at the point", shown)
        if truth is self.expected:
            return Finding(Status.PROVED, kind, f"the formula is {str(truth).lower()} there", shown)
        raise ClaimError(f"the stated {kind} is none: at that point the formula is {str(truth).lower()}")


def example(
    words: str,
    formula: Any,
    at: Mapping[Any, Any],
    *,
    given: Sequence[Any] = (),
    where: Mapping[Any, Domain] | None = None,
    using: Mapping[Any, Any] | None = None,
    lemma: bool = False,
) -> Step:
    """A step that says that a formula is true at a point: proves "there is".

    >>> from dstheory.claims import UNIT, Claim, check
    >>> import sympy
    >>> p = sympy.Symbol("p")
    >>> step = example("Some p works.", p * p < p / 2, at={p: "1/3"})
    >>> check(Claim(id="x", statement="...", domain={p: UNIT}, proof=[step])).status.value
    'proved'
    """
    return PointStep(
        words=words,
        formula=formula,
        at=parse_point(at),
        expected=True,
        given=given,
        where=where or {},
        using=using or {},
        lemma=lemma,
    )


def counterexample(
    words: str,
    formula: Any,
    at: Mapping[Any, Any],
    *,
    given: Sequence[Any] = (),
    where: Mapping[Any, Domain] | None = None,
    using: Mapping[Any, Any] | None = None,
    lemma: bool = False,
) -> Step:
    """A step that says that a formula is false at a point: proves "not always", for instance that a condition is needed."""
    return PointStep(
        words=words,
        formula=formula,
        at=parse_point(at),
        expected=False,
        given=given,
        where=where or {},
        using=using or {},
        lemma=lemma,
    )

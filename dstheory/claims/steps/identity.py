"""Identities: left - right is the zero rational function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import sympy

from dstheory.claims.domains import Domain
from dstheory.claims.errors import ClaimError
from dstheory.claims.steps.base import Bench, Desk, Step
from dstheory.claims.verdicts import BY_DEFINITION, Finding, Status
from dstheory.claims.witnesses import find_witness

__all__ = ["Identity", "identity"]

_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Identity(Step):
    """``left = right`` for all values of the symbols (several equations if both are sequences)."""

    left: tuple[Any, ...]
    right: tuple[Any, ...]
    kind: ClassVar[str] = "identity"

    @cached_property
    def formulas(self) -> tuple[Any, ...]:
        """The equations, unevaluated."""
        return tuple(sympy.Eq(a, b, evaluate=False) for a, b in zip(self.left, self.right, strict=True))

    def run(self, bench: Bench) -> Finding:
        """Compare the two sides in the polynomial ring; look for a witness only if they differ."""
        desk = Desk(bench, self)
        desk.require_well_posed(*self.left, *self.right)
        decided: Finding | None = None
        for number, (left, right) in enumerate(zip(self.left, self.right, strict=True), start=1):
            a, b = desk.expression(left), desk.expression(right)
            residual = desk.setting.residual(a - b)
            if residual != 0:
                which = f" in equation {number} of {len(self.left)}" if len(self.left) > 1 else ""
                decided = self._differs(desk, sympy.Eq(a, b, evaluate=False), residual, which)
                if decided.status is not Status.DECIDED:
                    return decided
        if decided is not None:
            return decided
        if all(desk.substituted(left) == desk.substituted(right) for left, right in zip(self.left, self.right, strict=True)):
            why = "both sides are one expression once definitions are substituted"
            return Finding(Status.PROVED, BY_DEFINITION, why, residual="0")
        return Finding(Status.PROVED, "identity", residual="0")

    def _differs(self, desk: Desk, equation: Any, residual: Any, which: str) -> Finding:
        text = str(residual)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(residual)} terms)"
        witness = find_witness(equation, desk.premises, desk.domain, seed=desk.bench.seed)
        if witness is not None:
            found = desk.refuted(equation, witness, "identity", residual=shown)
            return Finding(found.status, found.method, f"{found.detail}{which}", found.witness, found.residual)
        negation = sympy.Ne(equation.lhs, equation.rhs, evaluate=False)
        answer = desk.setting.ask([negation])
        if answer.status == "unsat":
            return Finding(Status.DECIDED, "decision (z3)", "equal under the assumptions, though not identically")
        why = f": {answer.reason}" if answer.reason else ""
        return Finding(
            Status.UNDECIDED, "identity", f"the difference is not zero{which}, but no witness was found{why}", None, shown
        )


def identity(
    words: str,
    left: Any,
    right: Any,
    *,
    given: Sequence[Any] = (),
    where: Mapping[Any, Domain] | None = None,
    using: Mapping[Any, Any] | None = None,
    lemma: bool = False,
) -> Step:
    """A step that says ``left = right``, decided by exact rational-function arithmetic.

    Parameters
    ----------
    words
        What the step says, for the reader.
    left, right
        SymPy expressions, or sequences (or matrices) of equal length for several equations at once.
    given, where, using, lemma
        See `Step`.

    Example
    -------
    >>> from dstheory.claims import UNIT, Claim, check
    >>> p, a, b = sympy.symbols("p a b")
    >>> step = identity("The resample probability.", p * (1 - a) + (1 - p) * b, b + p * (1 - a - b))
    >>> check(Claim(id="x", statement="...", domain={"p a b": UNIT}, proof=[step])).status.value
    'proved'
    """
    if isinstance(left, sympy.MatrixBase) and isinstance(right, sympy.MatrixBase) and left.shape != right.shape:
        raise ClaimError(f"identity compares matrices of one shape, got {left.shape} and {right.shape}")
    sides = _sequence(left), _sequence(right)
    if len(sides[0]) != len(sides[1]) or not sides[0]:
        raise ClaimError(f"identity needs as many left sides as right sides, got {len(sides[0])} and {len(sides[1])}")
    return Identity(
        words=words, left=sides[0], right=sides[1], given=given, where=where or {}, using=using or {}, lemma=lemma
    )


def _sequence(side: Any) -> tuple[Any, ...]:
    if isinstance(side, sympy.MatrixBase):
        side = list(side)
    items = side if isinstance(side, list | tuple) else (side,)
    return tuple(sympy.sympify(item) for item in items)

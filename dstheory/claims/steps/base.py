"""What every step has: words, a formula, local assumptions, and a place to be checked in."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

import sympy

from dstheory.claims.domains import Domain, expand_domain
from dstheory.claims.errors import ClaimError
from dstheory.claims.formulas import conjuncts, plain, plain_definitions, plain_formula
from dstheory.claims.setting import Setting
from dstheory.claims.solver import SolverMissingError
from dstheory.claims.verdicts import Finding, Status
from dstheory.claims.witnesses import QUICK, Witness, find_witness, is_witness

__all__ = ["Bench", "Desk", "Step", "parse_point"]


@dataclass(frozen=True)
class Bench:
    """What a claim gives to all of its steps: where symbols range, what is assumed, how long and how hard to try."""

    domain: Mapping[str, Domain]
    definitions: Mapping[str, Any] = field(default_factory=dict)
    assumptions: Sequence[Any] = ()
    deadline: float = field(default_factory=lambda: time.monotonic() + 15.0)
    seed: int = 0
    examples: int = 100
    recorded_witness: Mapping[str, Fraction] | None = None


class Desk:
    """The bench of one step: the claim's domain, definitions and assumptions together with the step's own."""

    def __init__(self, bench: Bench, step: Step) -> None:
        own = expand_domain(step.where)
        clash = [name for name in own if name in bench.domain and bench.domain[name] != own[name]]
        if clash:
            raise ClaimError(f"the step gives {clash[0]} another domain than the claim does")
        self.bench = bench
        self.domain = {**bench.domain, **own}
        self.definitions = {**bench.definitions, **plain_definitions(step.using, self.domain, bench.definitions)}
        self.premises = [part for item in bench.assumptions for part in conjuncts(item)]
        self.premises += [part for item in step.given for part in conjuncts(self.formula(item))]
        self.setting = Setting(self.domain, self.premises, deadline=bench.deadline, seed=bench.seed)

    def formula(self, formula: Any) -> Any:
        """A formula in plain symbols, with definitions substituted."""
        return plain_formula(formula, self.domain, self.definitions)

    def expression(self, expression: Any) -> Any:
        """An expression in plain symbols, with definitions substituted."""
        return plain(expression, self.domain, self.definitions)

    def require_defined(self, formulas: Sequence[Any]) -> None:
        """Check that the formulas and the premises have a value at every point of the setting."""
        for formula in (*self.premises, *formulas):
            for relation in sorted(formula.atoms(sympy.core.relational.Relational), key=sympy.default_sort_key):
                self.setting.require_defined(relation.lhs)
                self.setting.require_defined(relation.rhs)

    def vacuity(self) -> Finding | None:
        """None if domain and assumptions have a point; otherwise why the step says nothing."""
        if not self.premises:
            return None  # a box that is not empty; empty domains cannot be constructed
        if find_witness(sympy.false, self.premises, self.domain, points=QUICK) is not None:
            return None
        answer = self.setting.satisfiable()
        if answer.status == "sat":
            return None
        if answer.status == "unsat":
            listed = ", ".join(str(item) for item in self.premises)
            return Finding(
                Status.ERROR,
                "vacuity",
                f"the assumptions contradict each other ({listed}): no point satisfies them, so anything would follow",
            )
        return Finding(Status.UNDECIDED, "vacuity", f"could not tell whether the assumptions can hold: {answer.reason}")

    def refuted(self, formula: Any, witness: Witness, method: str, residual: str | None = None) -> Finding:
        """A refutation: by the witness that the claim records, if it records one, and otherwise by the one found."""
        recorded = self.bench.recorded_witness
        kind = "smallest witness" if witness.smallest else "witness"
        shown = witness.as_text()
        note = ""
        if recorded is not None:
            needed = {str(symbol) for item in (formula, *self.premises) for symbol in item.free_symbols}
            if missing := sorted(needed - set(recorded)):
                return Finding(Status.ERROR, method, f"the recorded witness gives no value for {', '.join(missing)}")
            if not is_witness(recorded, formula, self.premises, self.domain):
                given = ", ".join(f"{name} = {value}" for name, value in recorded.items())
                return Finding(Status.ERROR, method, f"the recorded witness {given} does not refute the formula")
            if {name: recorded[name] for name in witness.point} != witness.point:
                note = "; a search found " + ", ".join(f"{name} = {value}" for name, value in shown.items())
            shown = {name: str(value) for name, value in recorded.items()}
        return Finding(Status.REFUTED, f"{method}, {kind}", "fails at the witness" + note, shown, residual)


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """One step of a proof.

    Attributes
    ----------
    words
        What the step says and why, in a sentence.
    given
        Assumptions of this step alone.
    where
        Domains of symbols that occur in this step alone.
    using
        Definitions of this step alone: symbol -> expression, substituted before the check and shown by name.
    lemma
        Whether the step is an auxiliary one. A statement is refuted by any of its own steps, but a false lemma only breaks
        the proof: the claim is then undecided.
    """

    words: str
    given: Sequence[Any] = ()
    where: Mapping[Any, Domain] = field(default_factory=dict)
    using: Mapping[Any, Any] = field(default_factory=dict)
    lemma: bool = False

    kind: ClassVar[str] = ""

    def check(self, bench: Bench) -> Finding:
        """Check the step by machine.

        Raises ``ClaimError`` if the step is not well posed.
        """
        try:
            return self.run(bench)
        except SolverMissingError as missing:
            return Finding(Status.UNDECIDED, self.kind, str(missing))

    @abstractmethod
    def run(self, bench: Bench) -> Finding:
        """Do the work of `check`."""

    @cached_property
    @abstractmethod
    def formulas(self) -> tuple[Any, ...]:
        """The formulas that the step asserts, by the names the author gave: what is shown."""


def parse_point(at: Mapping[Any, Any]) -> dict[str, Fraction]:
    """A point given as {symbol or name: number or "1/2"}; floats are refused, since they are not what they look like.

    >>> parse_point({"p": "1/2", "gamma": 1})
    {'p': Fraction(1, 2), 'gamma': Fraction(1, 1)}
    """
    out: dict[str, Fraction] = {}
    for key, value in at.items():
        name = key.name if isinstance(key, sympy.Symbol) else str(key)
        if isinstance(value, float):
            raise ClaimError(f'the coordinate {name} = {value!r} is a float; write it exactly, for instance "1/3"')
        try:
            number = value if isinstance(value, sympy.Rational) else Fraction(value)
            out[name] = Fraction(int(number.numerator), int(number.denominator))
        except (TypeError, ValueError, ZeroDivisionError, AttributeError):
            raise ClaimError(f'the coordinate {name} = {value!r} is not a rational number such as "1/3"') from None
    return out

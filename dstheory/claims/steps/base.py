"""What every step has: words, formulas, assumptions of its own; and the context in which it is checked."""

from __future__ import annotations

import reprlib
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import Any, ClassVar

import sympy
from sympy.core.relational import Relational

from dstheory.claims.definedness import Condition, conditions
from dstheory.claims.domains import Domain, expand_domain, name_of, require_short
from dstheory.claims.evaluation import NotRationalError, evaluate
from dstheory.claims.formulas import conjuncts, names_in, plain, plain_definitions, plain_formula, substituted
from dstheory.claims.premises import Premises
from dstheory.claims.solver import SolverMissingError
from dstheory.claims.verdicts import Finding, Status
from dstheory.claims.witnesses import Witness, is_witness
from dstheory.errors import ClaimError, DomainError, NotSettledError

_SHORT = 12  # characters of a number that a reader follows


@dataclass(frozen=True)
class ClaimContext:
    """What a claim gives to all of its steps: where symbols range, what is assumed, how long and how hard to try."""

    domain: Mapping[str, Domain]
    definitions: Mapping[str, Any] = field(default_factory=dict)
    assumptions: Sequence[Any] = ()
    deadline: float = field(default_factory=lambda: time.process_time() + 15.0)
    seed: int = 0
    examples: int = 100
    file: str = ""
    """The module of the file that the claim is in, if it is watched."""
    recorded_witness: Mapping[str, Fraction] | None = None
    has_point: dict[Any, bool] = field(default_factory=dict)
    """Premises and box -> whether they have a point: asked once for all steps that share them."""
    expressions: dict[Any, Any] = field(default_factory=dict)
    """Expression -> the plain one, for the steps that have no symbols of their own."""


class StepContext:
    """The context of one step: the claim's domain, definitions and assumptions together with the step's own."""

    def __init__(self, context: ClaimContext, step: Step) -> None:
        own = expand_domain(step.where)
        for name, domain in own.items():
            if name in context.domain and context.domain[name] != domain:
                raise ClaimError(f"the step gives {name} the domain {domain}, the claim {context.domain[name]}; use one of them")
            if name in context.definitions:
                raise ClaimError(f"the step gives {name} a domain, but the claim defines it; a symbol is either free or defined")
        self.context = context
        self.domain = {**context.domain, **own}
        self.definitions = {**context.definitions, **plain_definitions(step.using, self.domain, context.definitions)}
        self.step = step
        self._plain: dict[Any, Any] = {} if step.where or step.using else context.expressions
        self.assumptions = [part for item in context.assumptions for part in conjuncts(item)]
        self.assumptions += [part for item in step.given for part in conjuncts(self.formula(item))]
        self.premises = self.within({})

    def within(self, box: Mapping[str, Domain], *more: Any) -> Premises:
        """The step's premises, some symbols restricted to a box, with further premises."""
        context = self.context
        return Premises({**self.domain, **box}, [*self.assumptions, *more], deadline=context.deadline, seed=context.seed)

    def formula(self, formula: Any) -> Any:
        """A formula in plain symbols, with definitions substituted."""
        return plain_formula(formula, self.domain, self.definitions)

    def expression(self, expression: Any) -> Any:
        """An expression in plain symbols, with definitions substituted and derivatives taken."""
        expression = sympy.sympify(expression)
        if expression not in self._plain:
            self._plain[expression] = plain(expression, self.domain, self.definitions)
        return self._plain[expression]

    def substituted(self, expression: Any) -> Any:
        """An expression in plain symbols, with definitions substituted and derivatives still held."""
        return substituted(expression, self.domain, self.definitions)

    def require_well_posed(self, *items: Any, box: Mapping[str, Domain] | None = None) -> None:
        """Check that premises, definitions and ``items``, as written, have a value throughout, and premises a point.

        Raises:
            ClaimError: With a point at which something has no value, or with premises that contradict each other or the domain.
            NotSettledError: If it could not be told.
        """
        premises = self.within(box) if box else self.premises
        self._require_definitions(premises)
        self._require_premises(premises)
        self.require_point(box=box)
        for condition in self.conditions(*items):
            premises.require(condition)

    def conditions(self, *items: Any) -> list[Condition]:
        """The conditions under which formulas or expressions, as written, have a value."""
        return [condition for item in items for condition in conditions(sympy.sympify(item), self.expression, self.definitions)]

    def _require_definitions(self, premises: Premises) -> None:
        """Each of the step's definitions must have a value, for all that premises say that do not themselves need it to have one.

        A premise about V = 1/x, such as V != 5, would otherwise show that x is not zero.
        """
        names = {name_of(key): key for key in self.step.using}
        total = [item for item in self.step.given if not self.conditions(item)]
        settled: set[str] = set()
        for name, key in names.items():
            usable = [self.formula(item) for item in total if names_in(self.step.using, [item]) & set(names) <= settled]
            known = premises.assuming([*self.context.assumptions, *usable])
            parts = [self.step.using[key], *([key] if isinstance(key, sympy.Symbol) else [])]
            for condition in self.conditions(*parts):
                known.require(condition)
            settled.add(name)

    def _require_premises(self, premises: Premises) -> None:
        """Each of the step's premises must have a value where the claim's hold, those without conditions, and those before it."""
        partial = [(item, self.conditions(item)) for item in self.step.given]
        known = list(self.context.assumptions) + [self.formula(item) for item, needed in partial if not needed]
        for item, needed in partial:
            for condition in needed:
                premises.assuming(known).require(condition)
            if needed:
                known.append(self.formula(item))

    def require_point(self, *more: Any, box: Mapping[str, Domain] | None = None) -> None:
        """Check that the premises, and ``more``, have a point in the domain: from a contradiction anything would follow.

        Raises:
            ClaimError: If they have none.
            NotSettledError: If it could not be told.
        """
        box = box or {}
        premises = (*self.assumptions, *more)
        if not premises:
            return  # a box that is not empty; empty domains cannot be constructed
        key = (premises, tuple(sorted({**self.domain, **box}.items(), key=lambda item: item[0])))
        if key not in self.context.has_point:
            try:
                self.context.has_point[key] = self.within(box, *more).point() is not None
            except NotSettledError as error:
                why = f"could not tell whether the assumptions can hold ({_listed(premises)}): {error}"
                raise NotSettledError(why) from error
        if not self.context.has_point[key]:
            within = ", ".join(f"{name} in {domain}" for name, domain in {**self.domain, **box}.items())
            raise ClaimError(
                f"the assumptions contradict each other or the domain ({_listed(premises)}; {within}): no point satisfies them, "
                "so anything would follow"
            )

    def refuted(self, formula: Any, witness: Witness, method: str, residual: str | None = None) -> Finding:
        """A refutation: by the witness that the claim records, if it records one, and otherwise by the one found."""
        recorded = self.context.recorded_witness
        kind = "smallest witness" if witness.smallest else "witness"
        shown = witness.as_text()
        point: Mapping[str, Any] = witness.point
        note = ""
        if recorded is not None:
            needed = {str(symbol) for item in (formula, *self.assumptions) for symbol in item.free_symbols}
            if missing := sorted(needed - set(recorded)):
                return Finding(Status.ERROR, method, f"the recorded witness gives no value for {', '.join(missing)}")
            if not is_witness(recorded, formula, self.assumptions, self.domain):
                given = ", ".join(f"{name} = {value}" for name, value in recorded.items())
                return Finding(Status.ERROR, method, f"the recorded witness {given} does not refute the formula")
            if {name: recorded[name] for name in witness.point} != witness.point:
                note = "; a search found " + ", ".join(f"{name} = {value}" for name, value in shown.items())
            shown, point = {name: str(value) for name, value in recorded.items()}, recorded
        return Finding(
            Status.REFUTED, f"{method}, {kind}", f"fails at the witness{_sides(formula, point)}{note}", shown, residual
        )


def _sides(formula: Any, point: Mapping[str, Any]) -> str:
    """What a relation says at a point, as ": 3/7 >= 1/2 is false", if both sides are rational numbers of a few digits there."""
    if not isinstance(formula, Relational):
        return ""
    try:
        left, right = evaluate(formula.lhs, point), evaluate(formula.rhs, point)
    except NotRationalError:
        return ""
    if max(part.bit_length() for side in (left, right) for part in side.as_integer_ratio()) > 4 * _SHORT:
        return ""  # longer still, and Python may refuse to write it
    if max(len(str(left)), len(str(right))) > _SHORT:
        return ""
    return f": {left} {'=' if formula.rel_op == '==' else formula.rel_op} {right} is false"


@dataclass(frozen=True)
class Step(ABC):
    """One step of a proof.

    Attributes:
        words: What the step says and why, in a sentence; backticks mark formulas in it.
        given: Assumptions of this step alone.
        where: Domains of symbols that occur in this step alone.
        using: Definitions of this step alone: symbol -> expression, substituted before the check and shown by name.
        lemma: Whether the step is an auxiliary one. A statement is refuted by any of its own steps, but a false lemma only
            breaks the proof: the claim is then undecided.

    Example:
        >>> from dstheory.claims import decide
        >>> p = sympy.Symbol("p")
        >>> step = decide("A square is not negative.", p**2 >= 0, lemma=True)
        >>> isinstance(step, Step), step.words, step.lemma
        (True, 'A square is not negative.', True)
    """

    words: str
    given: Sequence[Any] = field(default=(), kw_only=True)
    where: Mapping[Any, Domain] = field(default_factory=dict, kw_only=True)
    using: Mapping[Any, Any] = field(default_factory=dict, kw_only=True)
    lemma: bool = field(default=False, kw_only=True)

    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not isinstance(self.words, str):
            raise ClaimError(f"a step begins with what it says, as a text, not with {reprlib.repr(self.words)}")
        if not isinstance(self.given, list | tuple):
            raise ClaimError(f"the premises of a step are a list, given=[...], not {self.given!r}")
        for name, example in (
            ("where", "domains, where={x: UNIT}; conditions belong in given=[...]"),
            ("using", "expressions, using={x: p * a}"),
        ):
            if not isinstance(getattr(self, name), Mapping):
                raise ClaimError(f"{name} of a step maps symbols to {example}; it is {reprlib.repr(getattr(self, name))}")

    @property
    def formulas(self) -> tuple[Any, ...]:
        """The formulas that the step asserts, by the names the author gave: what is shown."""
        return ()

    def check(self, context: ClaimContext) -> Finding:
        """Check the step by machine.

        Raises:
            ClaimError: If the step is not well posed.
        """
        try:
            return self.run(context)
        except (SolverMissingError, NotSettledError) as error:
            return Finding(Status.UNDECIDED, self.kind, str(error))

    @abstractmethod
    def run(self, context: ClaimContext) -> Finding:
        """Do the work of `check`."""


@dataclass(frozen=True)
class FormulaStep(Step):
    """A step about one formula."""

    formula: Any

    @property
    def formulas(self) -> tuple[Any, ...]:
        """The formula."""
        return (self.formula,)


def _listed(premises: Sequence[Any]) -> str:
    return ", ".join(str(item) for item in premises)


def parse_point(at: Mapping[Any, Any]) -> dict[str, Fraction]:
    """A point given as {symbol or name: number or "1/2"}; truth values and floats are refused: they are not what they look like.

    >>> parse_point({"p": "1/2", "gamma": 1})
    {'p': Fraction(1, 2), 'gamma': Fraction(1, 1)}
    """
    out: dict[str, Fraction] = {}
    for key, value in at.items():
        name = name_of(key)
        try:
            if isinstance(value, bool) or not isinstance(value, Rational | Decimal | str):
                raise TypeError
            out[name] = Fraction(value)
            require_short(out[name], f"the coordinate {name}")
        except DomainError:
            raise
        except (TypeError, ValueError, OverflowError, ZeroDivisionError):
            raise ClaimError(
                f"the coordinate {name} = {reprlib.repr(value)} is no exact rational number; "
                'write a whole number, a fraction, or a text such as "1/3"'
            ) from None
    return out

"""What a check is asked and what it returns: how hard to try; a finding per step; the verdict, that of the weakest step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from dstheory.tables import MOST_ROWS, Table, Tabulated

TIME_LIMIT = 15.0
"""Seconds of processor time per claim, unless the caller says otherwise."""
LONGEST_TIME_LIMIT = 86_400.0
"""The largest that a caller may say: a day."""
EXAMPLES = 100
"""Examples per search."""
SEED = 0
"""Seed of the solver and of searches."""
BY_DEFINITION = "by definition"
"""The method of an identity whose two sides are one expression once definitions are substituted."""


class Status(StrEnum):
    """How a step or a claim came out, the strongest evidence first.

    Example:
        >>> Status.DECIDED.strength < Status.SEARCHED.strength, str(Status.SEARCHED)
        (True, 'not refuted')
    """

    PROVED = "proved"
    """By exact arithmetic: an identity of rational functions, or a point evaluated exactly."""
    DECIDED = "decided"
    """By a decision procedure: the negation is unsatisfiable over the reals."""
    ENCLOSED = "enclosed"
    """By rigorous interval arithmetic over a stated box."""
    SEARCHED = "not refuted"
    """No counterexample among the examples tried. Not a proof."""
    UNDECIDED = "undecided"
    """The method gave no answer, or ran out of time."""
    REFUTED = "refuted"
    """By a witness, checked by exact arithmetic outside the solver."""
    ERROR = "error"
    """The claim could not be checked: it crashed, or it is not well posed."""

    @property
    def strength(self) -> int:
        """0 for the strongest evidence, growing as it gets weaker."""
        return list(Status).index(self)


class Outcome(StrEnum):
    """What a status says about the statement; "error", "undecided" and "true by definition" cannot be recorded.

    Example:
        >>> Outcome("holds under condition").name
        'CONDITIONAL'
    """

    HOLDS = "holds"
    CONDITIONAL = "holds under condition"
    EXAMPLE = "holds at an example"
    DEFINITION = "true by definition"
    FAILS = "fails"
    NOT_REFUTED = "not refuted"
    UNDECIDED = "undecided"
    ERROR = "error"


class Reach(StrEnum):
    """How far the steps of a claim that came out true reach."""

    ALL = "all"
    """At least one step of the statement quantifies over its symbols."""
    PART = "part"
    """Every step of the statement assumes more than the claim does, and no formula is checked at all points; or none of them says
    anything about one of the claim's symbols."""
    EXAMPLE = "example"
    """Only single points were evaluated."""
    DEFINITION = "definition"
    """Only definitions were compared with themselves."""


@dataclass(frozen=True)
class Finding:
    """The result of one machine check, before it is attached to its step."""

    status: Status
    method: str
    detail: str = ""
    witness: Mapping[str, str] | None = None
    residual: str | None = None


@dataclass(frozen=True)
class StepReport:
    """A step of a proof with its result: what a reader sees.

    Example:
        >>> import sympy
        >>> from dstheory import check
        >>> from dstheory.claims import UNIT, Claim, decide
        >>> p = sympy.Symbol("p")
        >>> (step,) = check(Claim(id="x", statement="p < 1.", domain={p: UNIT}, proof=[decide("p is below 1.", p < 1)])).steps
        >>> step.number, step.words, str(step.status), step.lemma
        (1, 'p is below 1.', 'decided', False)
    """

    number: int
    words: str
    words_latex: str
    kind: str
    formula: tuple[str, ...]
    latex: tuple[str, ...]
    context: str
    context_latex: str
    lemma: bool
    status: Status
    method: str
    detail: str
    witness: Mapping[str, str] | None
    residual: str | None
    time: float

    @property
    def holding(self) -> list[str]:
        """What holds for this step alone, as formulas of LaTeX."""
        return self.context_latex[1:-1].split("$, $") if self.context_latex else []

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StepReport:
        """A step report from plain data."""
        sequences = {key: tuple(data[key]) for key in ("formula", "latex")}
        return cls(**{**data, **sequences, "status": Status(data["status"])})


def with_assumptions(scope: str, assumptions: Sequence[str]) -> str:
    """Return how far a claim reaches together with what it assumes: less than its domain, where it assumes anything.

    >>> with_assumptions("all p, b in (0, 1)", ["b > p"])
    'all p, b in (0, 1); assuming b > p'
    """
    return "; ".join(filter(None, (scope, f"assuming {', '.join(assumptions)}" if assumptions else "")))


@dataclass(frozen=True, repr=False)
class Verdict(Tabulated):
    """The answer to one claim.

    Attributes:
        claim: The claim's id.
        status, method: The status of the weakest step, and how that step was checked.
        scope, assumptions: How far the statement reaches and what it assumes, as the claim states them.
        witness: For a refuted claim: the point at which it fails.
        residual: For a refuted identity: the numerator of left - right that is not zero.
        seed, time: Seed of solver and searches; seconds.
        message: Why, where the status alone does not say it.
        steps: The reports of the steps that ran.
        reach: Whether the steps quantify, or are points or definitions only.

    Example:
        >>> import sympy
        >>> from dstheory import check
        >>> from dstheory.claims import UNIT, Claim, decide
        >>> p = sympy.Symbol("p")
        >>> step = decide("Always.", p * (1 - p) <= sympy.Rational(1, 4))
        >>> verdict = check(Claim(id="x", statement="p (1 - p) is at most 1/4.", domain={p: UNIT}, proof=[step]))
        >>> str(verdict.outcome), str(verdict.status), verdict.method
        ('holds', 'decided', 'decision (z3)')
    """

    claim: str
    status: Status
    method: str
    scope: str = ""
    assumptions: tuple[str, ...] = ()
    witness: Mapping[str, str] | None = None
    residual: str | None = None
    seed: int = 0
    time: float = 0.0
    message: str = ""
    conditional: bool = False
    reach: Reach = Reach.ALL
    steps: tuple[StepReport, ...] = field(default=())

    @property
    def outcome(self) -> Outcome:
        """What the status says about the statement."""
        if self.status in (Status.PROVED, Status.DECIDED, Status.ENCLOSED):
            whole = Outcome.CONDITIONAL if self.conditional else Outcome.HOLDS
            return {
                Reach.PART: Outcome.CONDITIONAL,
                Reach.EXAMPLE: Outcome.EXAMPLE,
                Reach.DEFINITION: Outcome.DEFINITION,
            }.get(self.reach, whole)
        return {
            Status.SEARCHED: Outcome.NOT_REFUTED,
            Status.UNDECIDED: Outcome.UNDECIDED,
            Status.REFUTED: Outcome.FAILS,
        }.get(self.status, Outcome.ERROR)

    def table(self) -> Table:
        """Return the verdict, why where the status does not say it, and how each step that ran came out."""
        rows = [(str(step.number), step.words, step.status.value, step.method) for step in self.steps]
        formulas = [formula for step in self.steps for formula in step.latex][:MOST_ROWS]
        at = ", ".join(f"{name} = {value}" for name, value in (self.witness or {}).items())
        how = f" ({self.status.value})" if self.status.value != self.outcome.value else ""
        why = f" at {at}" if at else f": {self.message}" if self.message else ""
        scope = with_assumptions(self.scope and f"scope: {self.scope}", self.assumptions)
        title = "; ".join(filter(None, (f"{self.claim}: {self.outcome.value}{how}{why}", scope)))
        return Table(title, ("step", "statement", "status", "method"), rows, formulas)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "outcome": self.outcome.value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Verdict:
        """The inverse of `as_dict`."""
        fields = {key: value for key, value in data.items() if key != "outcome"}
        fields["status"] = Status(fields["status"])
        fields["reach"] = Reach(fields["reach"])
        fields["assumptions"] = tuple(fields["assumptions"])
        fields["steps"] = tuple(StepReport.from_dict(step) for step in fields["steps"])
        return cls(**fields)


def combine(steps: Sequence[StepReport]) -> StepReport:
    """The step that determines the verdict of a claim.

    An error outweighs everything, since an ill-posed claim has no truth value; then a refutation of a step that is part of the
    statement; otherwise the weakest evidence. The first such step is named, if possible one that is not true by definition.
    """
    for decisive in (Status.ERROR, Status.REFUTED):
        for step in steps:
            if step.status is decisive:
                return step
    return max(steps, key=lambda step: (step.status.strength, step.method != BY_DEFINITION))

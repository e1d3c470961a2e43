"""What a claim is: a statement with its domain and assumptions, its level, its proof, and its recorded verdict."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar

import sympy

from dstheory.claims import early
from dstheory.claims.domains import Domain, expand_domain, name_of
from dstheory.claims.formulas import (
    TOO_DEEP,
    as_expression,
    domain_latex,
    domain_text,
    latex,
    plain_definitions,
    plain_formula,
    text,
)
from dstheory.claims.steps.base import Step, parse_point
from dstheory.claims.verdicts import Outcome
from dstheory.errors import ClaimError
from dstheory.references import cited
from dstheory.tables import Table, Tabulated
from dstheory.typeset import unmarked, words_latex

LEVELS = {
    "coefficient": "what multiplies grad log pi, on one trajectory and turn",
    "gradient": "the exact gradient of each stage, which SGD follows",
    "fisher": "stage energies `g^T F^+ g`, which do not depend on the parametrisation",
    "chain": "the model itself: values, accuracy, turns",
    "optimum": "where an objective is maximal",
}

_RECORDABLE = (Outcome.HOLDS, Outcome.CONDITIONAL, Outcome.EXAMPLE, Outcome.FAILS, Outcome.NOT_REFUTED)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

T = TypeVar("T")
Proof = Sequence[Step] | Callable[[], Iterable[Step]]


@dataclass(frozen=True, kw_only=True, repr=False)
class Claim(Tabulated):
    r"""A statement with everything that is needed to check it.

    Args:
        id: Short name, such as ``A3``; letters, digits, dots and hyphens.
        statement: The statement in words, precise enough to be wrong. In it, in the title, the notes and the words of steps
            backticks mark formulas, which are set as mathematics where that can be shown.
        proof: The steps, or a function of no arguments that returns or yields them (called only when the claim is checked).
        domain: Where the symbols range: ``{"p a b": UNIT, "gamma": DISCOUNT}``. A symbol without a domain is an error.
        definitions: Names for expressions, substituted before every check and shown by name: ``{V: p * a / (1 - gamma * q)}``.
            In a file of claims only: elsewhere write ``V = p * a / (1 - gamma * q)`` in Python.
        assumptions: Formulas taken to hold. If no point of the domain satisfies them, the claim is an error rather than true.
        title, latex, group, level, scope, source, related, notes: For readers: a short title, the statement in LaTeX, the group
            it is listed in, one of `LEVELS`, how far the evidence reaches, where the statement comes from, ids of claims that
            sharpen or loosen this one, remarks.
        recorded: The verdict that a check is expected to reproduce: ``holds``, ``holds under condition``, ``holds at an
            example``, ``fails`` or ``not refuted``.
        witness: For a claim that fails: the recorded point at which it does; the check verifies it exactly.

    Raises:
        ClaimError: If a field breaks its rule; the message names it.

    Example:
        >>> import sympy
        >>> from dstheory.claims import UNIT, check, identity
        >>> p, a, b = sympy.symbols("p a b")
        >>> q = p * (1 - a) + (1 - p) * b
        >>> gain = identity("The gain factors.", p * a / (1 - q) - p, p * (1 - p) * (a + b - 1) / (1 - q))
        >>> check(Claim(id="A3", statement="Resampling helps iff a + b > 1.", domain={"p a b": UNIT}, proof=[gain])).status.value
        'proved'
    """

    id: str
    statement: str
    proof: Proof
    domain: Mapping[Any, Domain] = field(default_factory=dict)
    definitions: Mapping[Any, Any] = field(default_factory=dict)
    assumptions: Sequence[Any] = ()
    title: str = ""
    latex: str = ""
    group: str = ""
    level: str = "chain"
    scope: str = ""
    source: str = "derived here"
    related: Sequence[str] = ()
    notes: str = ""
    recorded: str = Outcome.HOLDS.value
    witness: Mapping[Any, Any] | None = None
    _file: str | None = field(init=False, repr=False, compare=False, default_factory=early.watched_file)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not _ID.fullmatch(self.id):
            raise ClaimError(f"the id {self.id!r} is not a short name; use letters, digits, dots and hyphens, such as 'A3'")
        for name in ("statement", "title", "latex", "group", "scope", "source", "notes"):
            if not isinstance(getattr(self, name), str):
                raise ClaimError(f'claim {self.id}: {name} is a text, {name}="..."; it is {reprlib.repr(getattr(self, name))}')
        if not self.statement.strip():
            raise ClaimError(f"claim {self.id} states nothing: its statement is empty")
        if self.level not in LEVELS:
            raise ClaimError(self._unknown("level", self.level, list(LEVELS)))
        if self.recorded not in [str(outcome) for outcome in _RECORDABLE]:
            raise ClaimError(self._unknown("recorded verdict", self.recorded, [str(outcome) for outcome in _RECORDABLE]))
        if self.witness is not None and self.recorded != Outcome.FAILS:
            raise ClaimError(f"claim {self.id} records a witness but also that it {self.recorded}; only what fails has one")
        if not isinstance(self.assumptions, list | tuple):
            raise ClaimError(f"claim {self.id}: the assumptions are a list, assumptions=[...], not {self.assumptions!r}")
        maps = {
            "domain": (self.domain, "{p: UNIT}"),
            "definitions": (self.definitions, "{x: p * a}"),
            "witness": (self.witness or {}, "{p: '1/2'}"),
        }
        for name, (given, example) in maps.items():
            if not isinstance(given, Mapping):
                raise ClaimError(f"claim {self.id}: {name} maps symbols, {name}={example}; it is {reprlib.repr(given)}")
        if not callable(self.proof):
            _check_steps(self.id, list(self.proof))
        for part in (self.domain_by_name, self.plain_definitions, self.plain_assumptions, self.recorded_witness):
            del part  # evaluated here so that a claim that is not well posed is refused where it is written

    @cached_property
    def domain_by_name(self) -> dict[str, Domain]:
        """Symbol name -> domain."""
        return self._located(lambda: expand_domain(self.domain))

    @cached_property
    def plain_definitions(self) -> dict[str, Any]:
        """Defined name -> expression in the symbols of the domain."""
        return self._located(lambda: plain_definitions(self.definitions, self.domain_by_name))

    @cached_property
    def plain_assumptions(self) -> list[Any]:
        """The assumptions in the symbols of the domain."""
        return self._located(
            lambda: [plain_formula(item, self.domain_by_name, self.plain_definitions) for item in self.assumptions]
        )

    @cached_property
    def recorded_witness(self) -> dict[str, Fraction] | None:
        """The recorded witness, exactly."""
        witness = self.witness
        return None if witness is None else self._located(lambda: parse_point(witness))

    @property
    def conditional(self) -> bool:
        """Whether the claim is recorded to hold under a condition that its proof shows to be needed."""
        return self.recorded == Outcome.CONDITIONAL

    def steps(self) -> list[Step]:
        """The steps of the proof, built now if the proof is a function.

        Raises:
            ClaimError: If they are no steps, or SymPy evaluated something on a symbol that is defined, or may have.
        """
        with early.watched(self._file if self._file and callable(self.proof) else ""):
            steps = list(self.proof()) if callable(self.proof) else list(self.proof)
        _check_steps(self.id, steps)
        domains = [self.domain_by_name, *(expand_domain(step.where) for step in steps), self._indices(steps)]
        defined = [key for definitions in (self.definitions, *(step.using for step in steps)) for key in definitions]
        early.refuse(self.id, self._file, self._meanings(steps), domains, defined)
        return steps

    def _indices(self, steps: Sequence[Step]) -> dict[str, Domain]:
        """The indices of sums and products, which are integers."""
        items = [item for step in steps for item in (*step.formulas, *step.given, *step.using.values())]
        items += [*self.assumptions, *self.definitions.values()]
        sums = [node for item in items if isinstance(item, sympy.Basic) for node in item.atoms(sympy.Sum, sympy.Product)]
        return {index.name: Domain(integer=True) for node in sums for index in node.bound_symbols}

    def _meanings(self, steps: Sequence[Step]) -> dict[str, set[str]]:
        """The names that claim and steps define -> the names in their expressions, those behind other definitions included."""
        found: dict[str, set[str]] = {}
        for definitions in (self.definitions, *(step.using for step in steps)):
            for key, value in definitions.items():
                found.setdefault(name_of(key), set()).update(symbol.name for symbol in as_expression(value).free_symbols)
        for _ in found:
            for names in found.values():
                names.update(*(found[name] for name in names & found.keys()))
        return found

    def table(self) -> Table:
        """Return what is claimed, how far, and the verdict that is recorded."""
        said = {"statement": unmarked(self.statement), "level": self.level, "scope": self.scope, "recorded": str(self.recorded),
                "source": self.source}  # fmt: skip
        title = unmarked(self._short)
        rows = [(name, text) for name, text in said.items() if text]
        return Table(f"{self.id}: {title}", ("part", "text"), rows, (self.latex,) if self.latex else ())

    @property
    def reaches(self) -> str:
        """How far the statement reaches: what the claim says of it, or its domain in words."""
        domain = self.domain_by_name
        return self.scope or ("all " + "; ".join(domain_text(domain)) if domain else "")

    def describe(self) -> dict[str, Any]:
        """What a reader or a report needs to know about the claim, as plain data."""
        domain = self.domain_by_name
        return {
            "id": self.id,
            "title": unmarked(self._short),
            "title_latex": words_latex(self._short),
            "statement": unmarked(self.statement),
            "statement_latex": words_latex(self.statement),
            "latex": self.latex,
            "group": self.group,
            "level": self.level,
            "scope": self.reaches,
            "source": self.source,
            "references": cited(self.source),
            "related": list(self.related),
            "notes": unmarked(self.notes),
            "notes_latex": words_latex(self.notes),
            "recorded": str(self.recorded),
            "witness": None if self.recorded_witness is None else {k: str(v) for k, v in self.recorded_witness.items()},
            "domain": domain_text(domain),
            "domain_latex": domain_latex(domain),
            "assumptions": [text(item) for item in self.assumptions],
            "assumptions_latex": [latex(item) for item in self.assumptions],
            "definitions": [f"{text(key)} = {text(value)}" for key, value in self.definitions.items()],
            "definitions_latex": [f"{latex(key)} = {latex(value)}" for key, value in self.definitions.items()],
        }

    @property
    def _short(self) -> str:
        """The title, or the first sentence of the statement."""
        return self.title or " ".join(self.statement.split()).split(". ")[0].rstrip(".")

    def _unknown(self, what: str, value: str, known: list[str]) -> str:
        near = get_close_matches(str(value), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        return f"claim {self.id} has the {what} {value!r}, which does not exist; {hint}"

    def _located(self, build: Callable[[], T]) -> T:
        try:
            return build()
        except ClaimError as error:
            raise type(error)(f"claim {self.id}: {error}") from error
        except RecursionError as error:
            raise ClaimError(f"claim {self.id}: {TOO_DEEP}") from error


def _check_steps(claim: str, steps: Sequence[Any]) -> None:
    if not steps:
        raise ClaimError(f"claim {claim} has no proof steps, so nothing would be checked")
    for number, step in enumerate(steps, start=1):
        if not type(step).__module__.startswith("dstheory.claims.steps."):
            raise ClaimError(
                f"claim {claim}: step {number} of the proof is {step!r}; "
                "use identity, decide, enclose, search, example or counterexample"
            )
    if all(step.lemma for step in steps):
        raise ClaimError(f"claim {claim}: every step is a lemma; at least one step must be the statement itself")

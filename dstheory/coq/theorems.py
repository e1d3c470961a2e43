"""A step of a proof as a theorem of Coq: what it says, and a script that proves it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import sympy
from sympy.logic.boolalg import Not

from dstheory.claims.formulas import derivative
from dstheory.claims.steps.base import ClaimContext, Step, StepContext
from dstheory.claims.steps.enclosure import Enclosure, Search
from dstheory.claims.steps.formula import Counterexample, PointStep
from dstheory.coq.relations import Relations, relations
from dstheory.coq.signs import Laws, Signs
from dstheory.coq.terms import NotExportedError, first_of, identifier, number, proposition, require_distinct, term
from dstheory.coq.unknowns import Unknowns, has_transcendents


@dataclass(frozen=True)
class Theorem:
    """A statement in Coq and a script that proves it."""

    name: str
    words: str
    statement: str
    proof: str
    by_hand: bool = False
    """Whether a person wrote the script."""

    def text(self) -> str:
        """Return the theorem as it stands in a file."""
        note = "(* The script is written by hand. *)\n" if self.by_hand else ""
        return f"{note}Theorem {self.name} :\n{self.statement}.\nProof.\n{self.proof}\nQed.\n"


def fingerprint(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def theorem(step: Step, context: ClaimContext, name: str) -> Theorem:
    """Return a step as a theorem.

    Raises:
        NotExportedError: The step has no counterpart; the message says why.
    """
    if isinstance(step, Search):
        raise NotExportedError("a search over examples proves nothing")
    here = StepContext(context, step)
    if isinstance(step, PointStep):
        return at_a_point(step, here, name)
    if isinstance(step, Enclosure):
        return enclosed(step, here, name)
    return _Script(step, here, name).theorem()


class _Script:
    """What is said before and while a formula is proved."""

    def __init__(self, step: Step, here: StepContext, name: str) -> None:
        self.step, self.here, self.name = step, here, name
        self.shown, self.definitions = as_written(step, here)
        plain = [*map(here.formula, self.shown), *here.assumptions, *(value for _, value in self.definitions)]
        used = {s.name for item in (*plain, *self.shown) for s in item.free_symbols}
        self.names = [symbol for symbol in here.domain if symbol in used]
        require_distinct([*self.names, *(symbol for symbol, _ in self.definitions)])
        heads, intros = hypotheses(self.names, here, self.definitions)
        goal = "\n  /\\ ".join(map(proposition, self.shown))
        self.statement = "\n".join([*heads, f"  {goal}"])
        self.lines = [f"intros {' '.join(intros)}." if intros else "idtac."]
        self.unknowns = Unknowns(here.premises, self.lines)
        self.signs = Signs(here, self.names, self.unknowns)
        self.laws = Laws(self.signs)
        self.relations = Relations(self.signs, defined=bool(self.definitions))

    def theorem(self) -> Theorem:
        if (proof := scripts_by_hand().get(fingerprint(self.statement))) is not None:
            return Theorem(self.name, self.step.words, self.statement, proof, by_hand=True)
        for formula in (*self.here.assumptions, *self.shown):
            self.laws.say(formula)
        for _, value in self.definitions:
            self.signs.denominators(value)
        scripts = [self._branch(formula) for formula in self.shown]
        self.lines += [f"split. {{ {' '.join(script)} }}" for script in scripts[:-1]]
        self.lines += scripts[-1]
        return Theorem(self.name, self.step.words, self.statement, "\n".join(self.lines))

    def _branch(self, formula: Any) -> list[str]:
        """The script of one formula, as written; what it needs to know is put before."""
        if isinstance(formula, sympy.Eq):
            plain = self.here.formula(formula)
            if not self.here.premises.residual(plain.lhs - plain.rhs):
                self.signs.denominators(formula.lhs)
                self.signs.denominators(formula.rhs)
                laws = " ".join(self.unknowns.root_laws())
                return [f"subst; {first_of('equal', f'field [{laws}]; repeat split; nonzero')}." if laws else "subst; equal."]
        items = [*self.here.assumptions, formula]
        found = dict.fromkeys(part for item in items for part in relations(item))
        rewrites = [self.relations.rewriting(relation) for relation in found]
        told, self.laws.told = self.laws.told, []
        reasons = self.relations.reasons(formula)
        return [*rewrites, "subst.", *told, f"settle_by ltac:({first_of(*reasons)})." if reasons else "settle."]


@cache
def scripts_by_hand() -> dict[str, str]:
    """Return the scripts that people wrote, by the fingerprint of the statement that each proves."""
    data = tomllib.loads((Path(__file__).parent / "by_hand.toml").read_text(encoding="utf-8"))
    return {entry["statement"]: entry["proof"].strip() for entry in data["script"]}


def as_written(step: Step, here: StepContext) -> tuple[list[Any], list[tuple[str, Any]]]:
    """Return the formulas with the author's names, and what the names stand for; without names where derivatives were taken."""
    written = [sympy.sympify(formula) for formula in step.formulas]
    values = [here.definitions[s.name] for item in written for s in item.free_symbols if s.name in here.definitions]
    if any(has_transcendents(item) for item in (*written, *values)) or any(
        item.has(derivative, sympy.Derivative, sympy.Sum, sympy.Product) for item in written
    ):
        return [here.formula(item) for item in written], []
    used = {s.name for item in written for s in item.free_symbols}
    return written, [(name, value) for name, value in here.definitions.items() if name in used]


def hypotheses(names: Sequence[str], here: StepContext, definitions: Sequence[tuple[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the lines before the goal, and the names under which they are introduced."""
    said = [text for name in names if (text := range_of(name, here.domain[name]))]
    said += [f"({proposition(item)})" for item in here.assumptions]
    heads = [f"  forall {' '.join(map(identifier, names))} : R,"] if names else []
    heads += [f"  {text} ->" for text in said]
    intros = [*map(identifier, names), *(f"H{count}" for count in range(1, len(said) + 1))]
    for count, (name, value) in enumerate(definitions, len(said) + 1):
        heads.append(f"  forall {identifier(name)} : R, {identifier(name)} = {term(value)} ->")
        intros += [identifier(name), f"H{count}"]
    return heads, intros


def range_of(name: str, domain: Any) -> str:
    """Return where a symbol ranges as a proposition; nothing if it is everywhere."""
    low = "" if domain.lower is None else f"{number(sympy.Rational(domain.lower))} {'<' if domain.lower_open else '<='} "
    high = "" if domain.upper is None else f" {'<' if domain.upper_open else '<='} {number(sympy.Rational(domain.upper))}"
    return f"{low}{identifier(name)}{high}" if low or high else ""


def at_a_point(step: PointStep, here: StepContext, name: str) -> Theorem:
    """Return an example, or a counterexample, as a theorem."""
    formula = here.formula(step.formulas[0])
    if isinstance(step, Counterexample):
        formula = Not(formula, evaluate=False)
    return point_theorem(formula, step.at, here, name, step.words)


def point_theorem(formula: Any, at: Mapping[str, Fraction], here: StepContext, name: str, words: str) -> Theorem:
    """Return the theorem that there is a point of the domain, this one, at which the assumptions hold and a formula does."""
    items = (formula, *here.assumptions)
    needed = {s.name for item in items for s in item.free_symbols}
    used = [symbol for symbol in here.domain if symbol in needed]
    require_distinct(used)
    if outside := next((symbol for symbol in used if symbol in at and not here.domain[symbol].contains(at[symbol])), None):
        raise NotExportedError(f"{outside} = {at[outside]} lies outside {here.domain[outside]}")  # the theorem is about all reals
    parts = [text for symbol in used if (text := range_of(symbol, here.domain[symbol]))]
    parts += [f"({proposition(item)})" for item in (*here.assumptions, formula)]
    goal = "\n  /\\ ".join(parts)
    point = {sympy.Symbol(symbol): sympy.Rational(value) for symbol, value in at.items()}
    lines = []
    for relation in dict.fromkeys(part for item in items for part in relations(item)):
        for side in (relation.lhs, relation.rhs):
            value = side.xreplace(point)
            if side.free_symbols and not side.is_Symbol and value.is_Rational:
                lines.append(f"try replace ({term(side)}) with ({number(value)}) by (subst; equal).")
    lines.append(
        "subst; by_numbers." if any(map(has_transcendents, items)) else "subst; repeat split; first [ lra | intuition lra ]."
    )
    if not used:
        return Theorem(name, words, f"  {goal}", "\n".join(lines))
    names = [identifier(symbol) for symbol in used]
    values = [number(sympy.Rational(at[symbol])) for symbol in used]
    equations = " -> ".join(f"{x} = {v}" for x, v in zip(names, values, strict=True))
    intros = " ".join([*names, *(f"E{k}" for k in range(len(names)))])
    proof = [
        f"assert (goal : forall {' '.join(names)} : R, {equations} ->\n  {goal}).",
        "{ " + "\n  ".join([f"intros {intros}.", *lines]) + " }",
        f"exists {', '.join(f'({value})' for value in values)}; apply goal; reflexivity.",
    ]
    return Theorem(name, words, f"  exists {' '.join(names)} : R,\n  {goal}", "\n".join(proof))


def enclosed(step: Enclosure, here: StepContext, name: str) -> Theorem:
    """Return a formula on a box as a theorem, by interval arithmetic inside Coq."""
    formula = here.formula(step.formulas[0])
    if here.assumptions:
        raise NotExportedError("an enclosure with assumptions")
    names = list(step.lower)
    heads = [f"  forall {' '.join(map(identifier, names))} : R,"]
    for symbol in names:
        low, high = (number(sympy.Rational(end[symbol])) for end in (step.lower, step.upper))
        heads.append(f"  {low} <= {identifier(symbol)} <= {high} ->")
    statement = "\n".join([*heads, f"  {proposition(formula)}"])
    bisected = ", ".join(f"i_bisect {identifier(symbol)}" for symbol in names)
    intros = " ".join([*map(identifier, names), *(f"H{k}" for k in range(len(names)))])
    proof = f"intros {intros}.\nrepeat split; interval with ({bisected}, i_depth 40, i_prec 60)."
    return Theorem(name, step.words, statement, proof)

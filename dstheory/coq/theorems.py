"""A step of a proof as a theorem of Coq, with a script that proves it."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import sympy

from dstheory.claims.steps.base import ClaimContext, Step, StepContext
from dstheory.claims.steps.enclosure import Enclosure, Search
from dstheory.claims.steps.formula import PointStep
from dstheory.coq.logarithms import Laws
from dstheory.coq.points import at_a_point, enclosed
from dstheory.coq.relations import Relations, relations
from dstheory.coq.signs import Signs
from dstheory.coq.statements import Theorem, as_written, fingerprint, hypotheses
from dstheory.coq.tactics import first_of, introduced
from dstheory.coq.terms import NotExportedError, proposition, require_distinct
from dstheory.coq.unknowns import Unknowns


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
        self.lines = [f"{introduced(intros)}."]
        self.unknowns = Unknowns(here.premises, self.lines)
        self.signs = Signs(here, self.names, self.unknowns, self.lines)
        self.laws = Laws(self.signs, self.lines)
        self.relations = Relations(self.signs, self.lines, defined=bool(self.definitions))

    def theorem(self) -> Theorem:
        words = " ".join(self.step.words.split())
        if (proof := scripts_by_hand().get(fingerprint(self.statement))) is not None:
            return Theorem(self.name, words, self.statement, proof, by_hand=True)
        for formula in (*self.here.assumptions, *self.shown):
            self.laws.say(formula)
        for _, value in self.definitions:
            self.signs.denominators(value)
        scripts = [self._branch(formula) for formula in self.shown]
        self.lines += [f"split. {{ {' '.join(script)} }}" for script in scripts[:-1]]
        self.lines += scripts[-1]
        return Theorem(self.name, words, self.statement, "\n".join(self.lines))

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

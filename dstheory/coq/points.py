"""What holds at a point, or on a box, by computation: examples, counterexamples, witnesses, enclosures."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy
from sympy.logic.boolalg import Not

from dstheory.claims.steps.base import StepContext
from dstheory.claims.steps.enclosure import Enclosure
from dstheory.claims.steps.formula import Counterexample, PointStep
from dstheory.coq.relations import relations
from dstheory.coq.statements import Theorem, range_of
from dstheory.coq.terms import NotExportedError, identifier, number, proposition, require_distinct, term
from dstheory.coq.unknowns import has_transcendents


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
        return Theorem(name, " ".join(words.split()), f"  {goal}", "\n".join(lines))
    names = [identifier(symbol) for symbol in used]
    values = [number(sympy.Rational(at[symbol])) for symbol in used]
    equations = " -> ".join(f"{x} = {v}" for x, v in zip(names, values, strict=True))
    intros = " ".join([*names, *(f"E{k}" for k in range(len(names)))])
    proof = [
        f"assert (goal : forall {' '.join(names)} : R, {equations} ->\n  {goal}).",
        "{ " + "\n  ".join([f"intros {intros}.", *lines]) + " }",
        f"exists {', '.join(f'({value})' for value in values)}; apply goal; reflexivity.",
    ]
    return Theorem(name, " ".join(words.split()), f"  exists {' '.join(names)} : R,\n  {goal}", "\n".join(proof))


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
    return Theorem(name, " ".join(step.words.split()), statement, proof)

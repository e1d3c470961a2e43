"""Statements in Coq: symbols with their ranges, assumptions and definitions before what is said of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from dstheory.claims.formulas import derivative
from dstheory.claims.steps.base import Step, StepContext
from dstheory.coq.terms import identifier, number, proposition, term
from dstheory.coq.unknowns import has_transcendents


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
    heads: list[str] = []
    intros: list[str] = []
    if names:
        heads.append(f"  forall {' '.join(map(identifier, names))} : R,")
        intros += map(identifier, names)
    count = 0
    for name in names:
        text = range_of(name, here.domain[name])
        if text:
            heads.append(f"  {text} ->")
            count += 1
            intros.append(f"H{count}")
    for item in here.assumptions:
        count += 1
        heads.append(f"  ({proposition(item)}) ->")
        intros.append(f"H{count}")
    for name, value in definitions:
        count += 1
        heads.append(f"  forall {identifier(name)} : R, {identifier(name)} = {term(value)} ->")
        intros += [identifier(name), f"H{count}"]
    return heads, intros


def range_of(name: str, domain: Any) -> str:
    """Return where a symbol ranges as a proposition; nothing if it is everywhere."""
    x = identifier(name)
    low = None if domain.lower is None else number(sympy.Rational(domain.lower))
    high = None if domain.upper is None else number(sympy.Rational(domain.upper))
    left, right = "<" if domain.lower_open else "<=", "<" if domain.upper_open else "<="
    if low is not None and high is not None:
        return f"{low} {left} {x} {right} {high}"
    if low is not None:
        return f"{low} {left} {x}"
    return f"{x} {right} {high}" if high is not None else ""

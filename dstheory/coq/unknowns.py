"""Logarithms, exponentials, roots and extremes in formulas: the terms of Coq that stand for them, and what is known of each."""

from __future__ import annotations

from typing import Any

import sympy

from dstheory.claims.domains import NONNEGATIVE
from dstheory.claims.premises import Premises
from dstheory.coq.terms import NotExportedError, asserted, posed, term


class Unknowns:
    """What the checker's unknowns are as terms of Coq.

    Args:
        premises: Those of the step, whose abstraction makes formulas rational.
        lines: The script, to which is added what is known of each unknown.
    """

    def __init__(self, premises: Premises, lines: list[str]) -> None:
        self.abstraction = premises.abstraction
        self.lines = lines
        self.known: dict[Any, str] = {}
        self._roots: list[tuple[str, int, str]] = []
        self._laws = 0

    def term(self, expression: Any) -> str:
        """Return an expression as a term, unknowns as what they stand for."""
        return term(expression, self.known)

    def rational(self, expression: Any) -> Any:
        """Return an expression with unknowns in place of what is not rational, each of them with a term."""
        found = self.abstraction.rational(expression)
        for name, meaning in self.abstraction.meaning.items():
            symbol = sympy.Symbol(name)
            if meaning.is_Pow and self.abstraction.ranges.get(name) == NONNEGATIVE:
                raise NotExportedError("a root of what may be 0, which Coq's powers do not have")
            if symbol not in self.known:
                self.known[symbol] = self._told(meaning)
        return found

    def is_positive(self, symbol: Any) -> bool:
        """Whether a symbol stands for an exponential or a root."""
        meaning = self.abstraction.meaning.get(symbol.name)
        return isinstance(meaning, sympy.exp) or bool(meaning is not None and meaning.is_Pow)

    def _told(self, meaning: Any) -> str:
        if isinstance(meaning, sympy.log):
            inside = self.term(meaning.args[0])
            self.lines.append(f"try {posed('ln_facts', f'({inside})', 'ltac:(positive)')}")
            return f"(ln ({inside}))"
        if isinstance(meaning, sympy.exp):
            inside = self.term(meaning.args[0])
            self.lines.append(posed("exp_facts", f"({inside})"))
            return f"(exp ({inside}))"
        if isinstance(meaning, sympy.Pow):
            inside, exponent = (self.term(arg) for arg in meaning.args)
            self._roots.append((f"Rpower ({inside}) ({exponent})", int(1 / meaning.exp), inside))
            return f"(Rpower ({inside}) ({exponent}))"
        if isinstance(meaning, sympy.Abs):
            shown = self.term(meaning)
            self.lines.append(posed("abs_facts", f"({self.term(meaning.args[0])})"))
            return shown
        if isinstance(meaning, sympy.Max | sympy.Min) and len(meaning.args) == 2:
            lemma = "max_facts" if isinstance(meaning, sympy.Max) else "min_facts"
            first, other = sorted(meaning.args, key=sympy.default_sort_key)
            self.lines.append(posed(lemma, f"({self.term(first)})", f"({self.term(other)})"))
            return self.term(meaning)
        raise NotExportedError(f"the function {type(meaning).__name__}")

    def root_laws(self) -> list[str]:
        """Say of every root that its power is what it is the root of; the names of these laws."""
        names = [f"R{place}" for place in range(len(self._roots))]
        for name, (root, degree, inside) in list(zip(names, self._roots, strict=True))[self._laws :]:
            law = posed("root_power", f"({inside})", str(degree), "ltac:(positive)", "ltac:(repeat constructor)", name="law")
            proof = f"{law[:-1]}; replace (INR {degree}) with {degree} in law by (simpl; ring); exact law"
            self.lines.append(asserted(f"{root} ^ {degree} = {inside}", proof, name))
        self._laws = len(names)
        return names


def is_transcendent(node: Any) -> bool:
    """Whether a node is a logarithm, an exponential, or a power that is not an integer one."""
    return isinstance(node, sympy.log | sympy.exp) or (isinstance(node, sympy.Pow) and not node.exp.is_Integer)


def has_transcendents(formula: Any) -> bool:
    """Whether a formula holds logarithms, exponentials or powers that are not integer ones."""
    return any(is_transcendent(node) for node in sympy.preorder_traversal(formula))

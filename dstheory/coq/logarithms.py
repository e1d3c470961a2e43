"""Logarithms, exponentials and powers as they are written, by those of irreducible arguments."""

from __future__ import annotations

from typing import Any

import sympy

from dstheory.coq.signs import Product, Signs, positive
from dstheory.coq.tactics import asserted, posed, replaced
from dstheory.coq.terms import term
from dstheory.coq.unknowns import is_transcendent


class Laws:
    """Says what logarithms and exponentials of formulas are in terms of the checker's unknowns.

    Args:
        signs: What is known to be positive.
        lines: The script.
    """

    def __init__(self, signs: Signs, lines: list[str]) -> None:
        self.signs, self.unknowns, self.lines = signs, signs.unknowns, lines
        self.told: list[str] = []
        """What is said after definitions are put in."""
        self._equations = 0

    def say(self, node: Any) -> None:
        """Say the laws of what a formula holds, inner parts first."""
        for arg in node.args:
            self.say(arg)
        power = isinstance(node, sympy.Pow) and not node.exp.is_Integer and node.base is not sympy.E
        if not (power or is_transcendent(node)) or node in self.unknowns.known:
            return
        if power:
            self.say(sympy.log(node.base, evaluate=False))
        written = self.unknowns.term(node)
        result = self.unknowns.rational(node)
        if isinstance(node, sympy.log):
            script = self._logarithm(node)
        else:
            if isinstance(node, sympy.exp):
                self.lines.append(posed("exp_facts", f"({self.unknowns.term(node.args[0])})"))
            script = "apply ln_inv; [ positive | positive | logs ]"
        shown = term(result, self.unknowns.known)
        if shown != written:
            self._equations += 1
            name = f"W{self._equations}"
            self.lines += [asserted(f"{written} = {shown}", script, name), f"try rewrite {name} in *."]
        self.unknowns.known[node] = f"({shown})"

    def _logarithm(self, node: Any) -> str:
        argument = self.unknowns.term(node.args[0])
        product = self.signs.product(self.unknowns.rational(node.args[0]), primes=True)
        self.lines.append(asserted(positive(argument), f"{replaced(argument, product.text)}; positive" if product else "lra"))
        self.lines.append(posed("ln_facts", f"({argument})", "ltac:(assumption)"))
        if product is None:
            return "reflexivity"
        if product.below:
            self._ratio(product)
        return f"{replaced(argument, product.text)}; logs"

    def _ratio(self, product: Product) -> None:
        name = f"F{len(self.told)}"
        fact = posed("ln_ratio", f"({product.above})", f"({product.below})", *["ltac:(positive)"] * 2, name=name)
        self.told.append(f"{fact[:-1]}; repeat rewrite ?ln_mult, ?ln_power in {name} by positive; simpl INR in {name}.")

"""How one formula is written: text, LaTeX, MathML. What is added stands before what is subtracted; logits and names in full."""

from __future__ import annotations

import re
from html.entities import html5
from typing import Any
from unicodedata import lookup

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.mathml import MathMLPresentationPrinter
from sympy.printing.str import StrPrinter

from dstheory.rational.symbols import GREEK, latex_name


def ordered_terms(terms: list[sp.Expr]) -> list[sp.Expr]:
    """Sort the terms of a sum: positive ones first, a number before the rest, otherwise in the order that SymPy gives.

    >>> x, y = sp.symbols("x y")
    >>> ordered_terms([-x, y, sp.S.One])
    [1, y, -x]
    """
    return sorted(terms, key=lambda term: (bool(term.could_extract_minus_sign()), not term.is_number))


class _TextPrinter(StrPrinter):
    def _as_ordered_terms(self, expr: sp.Expr, order: Any = None) -> list[sp.Expr]:
        return ordered_terms(super()._as_ordered_terms(expr, order))

    def _print_Function(self, expr: sp.Expr) -> str:
        if not isinstance(expr, AppliedUndef):
            return str(super()._print_Function(expr))
        name, arguments = expr.func.__name__, [self._print(arg) for arg in expr.args]
        return f"sum_k [ {arguments[0]} ]" if name == "sum_k" else f"{name}({' | '.join(arguments)})"


class _LatexPrinter(LatexPrinter):
    def _as_ordered_terms(self, expr: sp.Expr, order: Any = None) -> list[sp.Expr]:
        return ordered_terms(super()._as_ordered_terms(expr, order))

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        return latex_name(expr.name)

    def _print_Function(self, expr: sp.Expr, exp: str | None = None) -> str:
        if not isinstance(expr, AppliedUndef):
            return str(super()._print_Function(expr, exp))
        name, arguments = expr.func.__name__, [self._print(arg) for arg in expr.args]
        if name == "sum_k":
            return rf"\sum_k \Bigl[ {arguments[0]} \Bigr]"
        separated = r" \mid ".join(arguments)
        return f"{latex_name(name)}({separated})"


class _MathMLPrinter(MathMLPresentationPrinter):
    def _as_ordered_terms(self, expr: sp.Expr, order: Any = None) -> list[sp.Expr]:
        return ordered_terms(super()._as_ordered_terms(expr, order))

    def _print_Symbol(self, sym: sp.Symbol, style: str = "plain") -> Any:
        """Write base, subscripts and the turn as a superscript, as in LaTeX."""
        base, *parts = sym.name.split("_")
        turns = [part[1:] for part in parts if part[0] == "t" and part[1:].isdigit()]
        lower = [part for part in parts if not (part[0] == "t" and part[1:].isdigit())]
        kind = "msubsup" if turns and lower else "msup" if turns else "msub" if lower else ""
        letter = self._identifier(_LETTERS.get(base, base))
        if not kind:
            return letter
        node = self.dom.createElement(kind)
        node.appendChild(letter)
        if lower:
            node.appendChild(self._identifier(",".join(lower)))
        if turns:
            node.appendChild(self._identifier(f"({turns[0]})"))
        return node

    def _print_Function(self, e: sp.Expr) -> Any:
        if not isinstance(e, AppliedUndef):
            return super()._print_Function(e)
        row = self.dom.createElement("mrow")
        summed = e.func.__name__ == "sum_k"
        row.appendChild(self._print_Symbol(sp.Symbol("\N{N-ARY SUMMATION}_k" if summed else e.func.__name__)))
        for i, part in enumerate(e.args):
            row.appendChild(self._operator(("[" if summed else "(") if i == 0 else "|"))
            row.appendChild(self._print(part))
        row.appendChild(self._operator("]" if summed else ")"))
        return row

    def _identifier(self, letters: str) -> Any:
        node = self.dom.createElement("mi")
        node.appendChild(self.dom.createTextNode(letters))
        return node

    def _operator(self, sign: str) -> Any:
        node = self.dom.createElement("mo")
        node.appendChild(self.dom.createTextNode(sign))
        return node


# Unicode spells one of them differently
_LETTERS = {name: lookup(f"GREEK SMALL LETTER {'LAMDA' if name == 'lambda' else name.upper()}") for name in sorted(GREEK)}


def formula_text(expr: sp.Basic) -> str:
    """Write a formula on one line.

    >>> p = sp.Symbol("p", positive=True)
    >>> formula_text(1 - p * sp.Symbol("gamma"))
    '1 - gamma*p'
    """
    return str(_TextPrinter().doprint(expr))


def formula_latex(expr: sp.Basic) -> str:
    r"""Write a formula as LaTeX.

    >>> formula_latex(sp.Symbol("p_ref", positive=True) * sp.Symbol("theta_s"))
    'p_{\\mathrm{ref}} \\theta_{s}'
    """
    return str(_LatexPrinter({"ln_notation": False, "mul_symbol": None}).doprint(expr))


def formula_mathml(expr: sp.Basic) -> str:
    """Write a formula as presentation MathML, without the enclosing ``math`` element.

    >>> formula_mathml(sp.Symbol("p_ref"))
    '<msub><mi>p</mi><mi>ref</mi></msub>'
    """
    printer = _MathMLPrinter({})
    return re.sub(r"&([A-Za-z]+);", _character, str(printer._print(expr).toxml()))


def _character(entity: re.Match[str]) -> str:
    """Replace a named entity that only HTML defines by its character; XML's own five stay."""
    return entity[0] if entity[1] in ("lt", "gt", "amp", "quot", "apos") else html5[f"{entity[1]};"]

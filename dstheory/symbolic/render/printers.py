"""How one formula is written, as text and as LaTeX: what is added stands before what is subtracted; logits and names in full."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.printer import Printer
from sympy.printing.str import StrPrinter

from dstheory.rational.symbols import latex_name


def ordered_terms(terms: list[sp.Expr]) -> list[sp.Expr]:
    """Sort the terms of a sum: positive ones first, a number before the rest, otherwise in the order that SymPy gives.

    >>> x, y = sp.symbols("x y")
    >>> ordered_terms([-x, y, sp.S.One])
    [1, y, -x]
    """
    return sorted(terms, key=lambda term: (bool(term.could_extract_minus_sign()), not term.is_number))


class Ordered(Printer):
    """A printer of SymPy's that writes the terms of a sum in this order."""

    def _as_ordered_terms(self, expr: sp.Expr, order: Any = None) -> list[sp.Expr]:
        return ordered_terms(super()._as_ordered_terms(expr, order))


class _TextPrinter(Ordered, StrPrinter):
    def _print_Function(self, expr: sp.Expr) -> str:
        if not isinstance(expr, AppliedUndef):
            return str(super()._print_Function(expr))
        name, arguments = expr.func.__name__, [self._print(arg) for arg in expr.args]
        return f"sum_k [ {arguments[0]} ]" if name == "sum_k" else f"{name}({' | '.join(arguments)})"


class _LatexPrinter(Ordered, LatexPrinter):
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
    'p_{\\mathrm{ref}} \\, \\theta_{s}'
    """
    return str(_LatexPrinter({"ln_notation": False, "mul_symbol": r" \, "}).doprint(expr))

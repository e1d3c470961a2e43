"""How formulas are shown: as one line of text, and as LaTeX. What is shown is what was checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from dstheory.claims.domains import Domain, grouped
from dstheory.rational.symbols import latex_name

_DERIVATIVE = re.compile(r"d(\w+)/d(\w+)")
_PLAIN = re.compile(r"[A-Za-z]\w*")


def _ordered(expr: Any) -> list[Any]:
    """The terms of a sum as a reader writes them: what is added before what is subtracted, numbers taken off last."""
    return sorted(expr.args, key=lambda term: (term.could_extract_minus_sign(), bool(term.is_Number and term.is_negative)))


class _Text(StrPrinter):  # type: ignore[misc]
    """SymPy's one-line notation, with relations and connectives as a reader writes them."""

    def _print_Add(self, expr: Any, order: Any = None) -> str:
        return str(super()._print_Add(sympy.Add(*_ordered(expr), evaluate=False), order="none"))

    def _print_Relational(self, expr: Any) -> str:
        operator = {"==": "="}.get(expr.rel_op, expr.rel_op)
        return f"{self._print(expr.lhs)} {operator} {self._print(expr.rhs)}"

    def _join(self, expr: Any, word: str) -> str:
        return word.join(self._grouped(arg) for arg in sorted(expr.args, key=sympy.default_sort_key))

    def _grouped(self, arg: Any) -> str:
        shown = self._print(arg)
        return shown if arg.is_Relational or arg.is_Symbol else f"({shown})"

    def _print_And(self, expr: Any) -> str:
        return self._join(expr, " and ")

    def _print_Or(self, expr: Any) -> str:
        return self._join(expr, " or ")

    def _print_Not(self, expr: Any) -> str:
        return f"not {self._grouped(expr.args[0])}"

    def _print_Implies(self, expr: Any) -> str:
        return f"{self._grouped(expr.args[0])}  implies  {self._grouped(expr.args[1])}"

    def _print_Equivalent(self, expr: Any) -> str:
        return self._join(expr, "  if and only if  ")


class _Latex(LatexPrinter):  # type: ignore[misc]
    """LaTeX with the package's spelling of symbols, and d_X/d_Y as a partial derivative."""

    def _print_Add(self, expr: Any, order: Any = None) -> str:
        return str(super()._print_Add(sympy.Add(*_ordered(expr), evaluate=False), order="none"))

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        return _symbol(expr.name)


def text(expression: Any) -> str:
    """One line of text.

    >>> p, q = sympy.symbols("p q")
    >>> text(sympy.Implies(p < q, sympy.Ne(q, 0)))
    'p < q  implies  q != 0'
    """
    return str(_Text({"order": "none"}).doprint(expression))


def latex(expression: Any) -> str:
    r"""LaTeX without delimiters.

    >>> latex(sympy.Symbol("dV/dtheta_s")), latex(sympy.Symbol("p_ref"))
    ('\\frac{\\partial V}{\\partial \\theta_{s}}', 'p_{\\mathrm{ref}}')
    """
    return str(_Latex({"order": "none"}).doprint(expression))


def domain_text(domain: Mapping[str, Domain]) -> list[str]:
    """Phrases such as ``p, a, b in (0, 1)``."""
    return [f"{', '.join(names)} in {item}" for names, item in grouped(domain)]


def domain_latex(domain: Mapping[str, Domain]) -> list[str]:
    """The same in LaTeX."""
    return [rf"{', '.join(map(_symbol, names))} \in {item.latex()}" for names, item in grouped(domain)]


def _symbol(name: str) -> str:
    if match := _DERIVATIVE.fullmatch(name):
        return rf"\frac{{\partial {latex_name(match[1])}}}{{\partial {latex_name(match[2])}}}"
    return latex_name(name) if _PLAIN.fullmatch(name) else name

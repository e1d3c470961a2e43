"""A derivation as Python: one self-contained function of numbers that needs nothing but the standard library."""

from __future__ import annotations

import keyword

import sympy as sp
from sympy.printing.pycode import PythonCodePrinter

from dstheory.symbolic.derivation import Derivation
from dstheory.symbolic.render.printers import ordered_terms

__all__ = ["python_name", "render"]


class _Printer(PythonCodePrinter):
    def _as_ordered_terms(self, expr: sp.Expr, order: object = None) -> list[sp.Expr]:
        return ordered_terms(super()._as_ordered_terms(expr, order))

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return python_name(expr.name)


def python_name(name: str) -> str:
    """Return a symbol's name as a Python identifier: keywords get an underscore.

    >>> python_name("lambda"), python_name("p_ref")
    ('lambda_', 'p_ref')
    """
    return name + "_" if keyword.iskeyword(name) else name


def render(derivation: Derivation) -> str:
    """Return a module with one function, ``gradient``, of keyword arguments; it returns logit -> number.

    With fractions as arguments the result is exact wherever the formula is rational.

    >>> from dstheory.symbolic import derive
    >>> namespace = {}
    >>> exec(render(derive("sft")), namespace)
    >>> half = dict.fromkeys(["p", "a", "b", "p_E", "a_E", "b_E"], 0.5)
    >>> namespace["gradient"](**half, l_s=4, l_d=1, lambda_=1)["theta_s"]
    0.0
    """
    printer = _Printer({"fully_qualified_modules": False})
    body = []
    used = {x for expr in (*derivation.gradient.values(), *derivation.definitions.values()) for x in expr.free_symbols}
    for w, meaning in derivation.setting.weights.meaning:
        if w in used:
            body.append(f"{python_name(w.name)} = {_code(printer, meaning)}")
    body += [f"{python_name(name.name)} = {_code(printer, expr)}" for name, expr in derivation.definitions.items()]
    parts = [f'"{logit.name}": {_code(printer, expr)},' for logit, expr in derivation.gradient.items()]
    names = ", ".join(python_name(name) for name in derivation.symbols)
    what = "gradient of J" if derivation.scalar == "yes" else "expected update"
    lines = [
        f'"""{derivation.title}: gradient with respect to the logits.',
        "",
        f"{derivation.subtitle[0].upper()}{derivation.subtitle[1:]}.",
        '"""',
        "",
    ]
    formulas = (*derivation.gradient.values(), *derivation.definitions.values())
    needed = [name for name in ("log", "sqrt") if any(f"{name}(" in _code(printer, expr) for expr in formulas)]
    if needed:
        lines += [f"from math import {', '.join(needed)}", ""]
    lines += [
        "",
        f"def gradient(*, {names}):" if names else "def gradient():",
        f'    """Return the {what} at these numbers, by logit."""',
        *[f"    {line}" for line in body],
        "    return {",
        *[f"        {part}" for part in parts],
        "    }",
    ]
    return "\n".join(lines) + "\n"


def _code(printer: _Printer, expr: sp.Expr) -> str:
    return str(printer.doprint(expr))

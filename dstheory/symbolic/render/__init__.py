"""A derivation as text, LaTeX, MathML, Python or JSON: one function that knows derivations, which know nothing of it."""

from __future__ import annotations

import json
import keyword
import textwrap
from typing import Any

import sympy as sp
from sympy.printing.pycode import PythonCodePrinter

from dstheory.errors import ChainError
from dstheory.references import bibtex
from dstheory.symbolic.attribution import Imbalance
from dstheory.symbolic.derivation import DerivedGradient, Display, Evaluation, FormulaTable, Item, Words
from dstheory.symbolic.render import latex, mathml
from dstheory.symbolic.render.printers import Ordered, formula_latex, formula_text
from dstheory.symbolic.rule import Inline, Verbatim
from dstheory.typeset import unmarked

WIDTH = 100
"""Columns of text, where nobody says how many there are."""


def render(
    derivation: DerivedGradient, style: str, *, standalone: bool = False, explain: bool = False, width: int = WIDTH
) -> str:
    r"""Return a derivation in a format; the same derivation is written the same way every time.

    Args:
        derivation: what to write.
        style: "text" (formulas in the notation of SymPy and Python), "latex" (a fragment that needs amsmath),
            "mathml" (an XHTML ``article`` with presentation MathML), "python" (a module with one function ``gradient`` that needs
            nothing but the standard library), "json" (all of it, formulas as text and as LaTeX; keys and order are stable),
            "bibtex" (the works that it rests on, and this package) or "notebook" (quantities and gradient for MathJax).
        standalone: with "latex", a document that compiles by itself.
        explain: also say how the result was checked and which claims are about it; "json" always does.
        width: columns of "text".

    Returns:
        Text that ends with a newline, but for "notebook".

    Raises:
        KeyError: another format.

    >>> from dstheory.symbolic import derive
    >>> print(render(derive("sft"), "text").splitlines()[0])
    Supervised fine-tuning
    >>> render(derive("sft"), "latex").splitlines()[0]
    '% Needs \\usepackage{amsmath}; the works cited are those of --format bibtex.'
    >>> render(derive("sft"), "mathml").splitlines()[0]
    '<article xmlns="http://www.w3.org/1999/xhtml">'
    """
    if style == "latex":
        return latex.document(derivation, standalone=standalone, explain=explain)
    return {
        "text": lambda d: _text(d, explain, width),
        "mathml": lambda d: mathml.article(d, explain),
        "bibtex": lambda d: bibtex(latex.works(d)),
        "python": _python,
        "json": lambda d: json.dumps(as_data(d), indent=2) + "\n",
        "notebook": latex.notebook,
    }[style](derivation)


def _text(derivation: DerivedGradient, explain: bool, width: int) -> str:
    lines = [derivation.title, "=" * len(derivation.title), *_wrap(derivation.heading, "", width), ""]
    for number, step in enumerate(derivation.steps, start=1):
        lines += [f"{number}. {step.title}", ""]
        for item in step.shown(explain):
            lines += [*_lines(item, width), ""]
    lines += ["Assumptions", ""]
    for assumption in derivation.assumptions:
        lines += _wrap("- " + _sentence(assumption), "  ", width)
    return "\n".join(lines).rstrip() + "\n"


def _inline(part: Inline) -> str:
    if isinstance(part, Verbatim):
        return part.text
    return formula_text(part) if isinstance(part, sp.Basic) else part


def _sentence(parts: tuple[Inline, ...]) -> str:
    return "".join(_inline(part) for part in parts)


def _lines(item: Item, width: int) -> list[str]:
    if isinstance(item, Words):
        return _wrap(_sentence(item.parts), "", width)
    if isinstance(item, FormulaTable):
        return _table(item, width)
    left = f"    {_inline(item.left)} = "
    note = f"    ({unmarked(item.note)})" if item.note else ""
    lines = _wrap(left + _inline(item.right[0]) + note, " " * len(left), width, first=True)
    for right in item.right[1:]:
        lines += _wrap(" " * (len(left) - 2) + "= " + _inline(right), " " * len(left), width, first=True)
    return lines


def _table(item: FormulaTable, width: int) -> list[str]:
    rows = [[_inline(cell) for cell in row] for row in (item.head, *item.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    if 4 + sum(widths) + 3 * (len(widths) - 1) <= width:
        return ["    " + "   ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]
    # too wide side by side: the two long columns go below the two short ones
    lines = []
    for row in rows[1:]:
        lines.append(f"    answer {row[0]}, {row[1]}:")
        for name, cell in zip(rows[0][2:], row[2:], strict=True):
            lines += _wrap(f"        {name} = {cell}", " " * 12, width, first=True)
    return lines


def _wrap(line: str, indent: str, width: int, *, first: bool = False) -> list[str]:
    """Wrap at spaces; the first line keeps its own leading spaces."""
    lead = line[: len(line) - len(line.lstrip())] if first else ""
    return textwrap.wrap(
        line.strip(), width, initial_indent=lead, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


class _PythonPrinter(Ordered, PythonCodePrinter):
    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return python_name(expr.name)

    def _print_Sum(self, expr: sp.Expr) -> str:
        return str(super()._print_Sum(expr)).replace("builtins.", "")

    def _print_binomial(self, expr: sp.Expr) -> str:
        return f"comb({', '.join(map(self._print, expr.args))})"


def python_name(name: str) -> str:
    """Return a symbol's name as a Python identifier: keywords get an underscore.

    >>> python_name("lambda"), python_name("p_ref")
    ('lambda_', 'p_ref')
    """
    return name + "_" if keyword.iskeyword(name) else name


def _python(derivation: DerivedGradient) -> str:
    """Return a module whose function is exact on fractions wherever the formula is rational."""
    code = _PythonPrinter({"fully_qualified_modules": False}).doprint
    formulas = (*derivation.gradient.values(), *derivation.definitions.values())
    if any(expr.has(sp.Integral) for expr in formulas):
        raise ChainError(
            f"{derivation.name}: with 1/L, no cap and a length per answer the gradient holds integrals that have no closed form, "
            "and the standard library integrates nothing: take --numeric, or cap the turns"
        )
    used = {x for expr in formulas for x in expr.free_symbols}
    weights = {w: meaning for w, meaning in derivation.setting.weights.meaning if w in used}
    names = ", ".join(python_name(name) for name in derivation.symbols)
    what = "gradient of J" if derivation.scalar == "yes" else "expected update"
    needed = [name for name in ("comb", "log", "sqrt") if any(f"{name}(" in code(expr) for expr in formulas)]
    lines = [
        f'"""{derivation.title}: gradient with respect to the logits.',
        "",
        derivation.heading,
        "",
        "Assumptions:",
        *(line for a in derivation.assumptions for line in _wrap(f"- {_sentence(a)}", "  ", width=100)),
        '"""',
        "",
        *([f"from math import {', '.join(needed)}", ""] if needed else []),
        "",
        f"def gradient(*, {names}):" if names else "def gradient():",
        f'    """Return the {what} at these numbers, by logit."""',
        *[f"    {python_name(x.name)} = {code(expr)}" for x, expr in (weights | derivation.definitions).items()],
        "    return {",
        *[f'        "{logit.name}": {code(expr)},' for logit, expr in derivation.gradient.items()],
        "    }",
    ]
    return "\n".join(lines) + "\n"


def _formula(expr: sp.Basic) -> dict[str, str]:
    return {"text": formula_text(expr), "latex": formula_latex(expr)}


def _formulas(table: dict[sp.Symbol, sp.Expr] | dict[sp.Symbol, sp.Expr | None]) -> dict[str, dict[str, str] | None]:
    return {name.name: None if expr is None else _formula(expr) for name, expr in table.items()}


def as_data(derivation: DerivedGradient) -> dict[str, Any]:
    """Return everything that a derivation says as plain data, for other programs; keys and order are stable.

    >>> from dstheory.symbolic import derive
    >>> at = {"p": "1/2", "a": "1/2", "b": "1/2", "gamma": 1}
    >>> as_data(derive("reinforce").at(at))["evaluation"]["gradient"]["theta_s"]
    {'value': 0.25, 'exact': '1/4'}
    """
    verdict = derivation.verdict
    return {
        "objective": derivation.name,
        "title": derivation.title,
        "setting": derivation.subtitle,
        "symbols": list(derivation.symbols),
        "scalar": derivation.scalar,
        "definitions": _formulas(derivation.definitions),
        "weights": _formulas(dict(derivation.setting.weights.meaning)),
        "gradient": _formulas(derivation.gradient),
        "expanded": _formulas(derivation.expanded),
        "attribution": {
            "level": "coefficients",
            "verdict": verdict.verdict,
            "of": verdict.of,
            "ratios": [_formula(r) for r in verdict.ratios],
            "weight_ratios": [_formula(r) for r in verdict.weight_ratios],
            "witness": None if verdict.witness is None else _imbalance(verdict.witness),
        },
        "checks": list(derivation.checks),
        "assumptions": [_sentence(assumption) for assumption in derivation.assumptions],
        **({"evaluation": _evaluation(derivation.evaluation)} if derivation.evaluation else {}),
        "steps": [{"title": step.title, "items": [_item_data(item) for item in step.items]} for step in derivation.steps],
    }


def _evaluation(result: Evaluation) -> dict[str, Any]:
    """Return a gradient at numbers: values in double precision, and exactly where they are fractions."""
    floats, fractions = result.floats(), result.fractions()
    return {
        "at": {name: str(value) for name, value in result.at},
        "gradient": {
            name: {"value": floats[name], "exact": None if fractions[name] is None else str(fractions[name])}
            for name, _ in result.exact
        },
    }


def _imbalance(found: Imbalance) -> dict[str, Any]:
    return {
        "trajectory": [list(step) for step in found.steps],
        "turn": found.turn,
        "c_s": _formula(found.c_s),
        "c_d": _formula(found.c_d),
        "at": {x.name: str(value) for x, value in found.numbers},
        "values": [formula_text(value) for value in found.at_numbers()],
    }


def _item_data(item: Item) -> dict[str, Any]:
    if isinstance(item, Words):
        return {"words": _sentence(item.parts), "latex": "".join(latex.inline(part) for part in item.parts)}
    if isinstance(item, FormulaTable):
        return {"head": [_inline(cell) for cell in item.head], "rows": [[_inline(cell) for cell in row] for row in item.rows]}
    assert isinstance(item, Display)
    return {"left": _inline(item.left), "right": [_inline(part) for part in item.right], "note": unmarked(item.note)}

"""A derivation as XHTML with presentation MathML: well-formed, and shown by browsers as it is."""

from __future__ import annotations

import re
from html.entities import html5
from typing import Any
from unicodedata import lookup

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.mathml import MathMLPresentationPrinter

from dstheory.rational.symbols import GREEK
from dstheory.symbolic.derivation import DerivedGradient, Display, FormulaTable, Item, Words
from dstheory.symbolic.render.printers import Ordered
from dstheory.symbolic.rule import Inline, Verbatim
from dstheory.texts import html_text
from dstheory.typeset import unmarked

NAMESPACE = 'xmlns="http://www.w3.org/1998/Math/MathML"'


class _MathMLPrinter(Ordered, MathMLPresentationPrinter):
    def _print_Symbol(self, sym: sp.Symbol, style: str = "plain") -> Any:
        """Write base, subscripts and the turn as a superscript, as in LaTeX."""
        base, *parts = sym.name.split("_")
        turns = [part[1:] for part in parts if part[0] == "t" and part[1:].isdigit()]
        lower = [part for part in parts if not (part[0] == "t" and part[1:].isdigit())]
        kind = "msubsup" if turns and lower else "msup" if turns else "msub" if lower else ""
        letter = self._element("mi", _LETTERS.get(base, base))
        if not kind:
            return letter
        node = self.dom.createElement(kind)
        node.appendChild(letter)
        if lower:
            node.appendChild(self._element("mi", ",".join(lower)))
        if turns:
            node.appendChild(self._element("mi", f"({turns[0]})"))
        return node

    def _print_Function(self, e: sp.Expr) -> Any:
        if not isinstance(e, AppliedUndef):
            return super()._print_Function(e)
        row = self.dom.createElement("mrow")
        summed = e.func.__name__ == "sum_k"
        row.appendChild(self._print_Symbol(sp.Symbol("\N{N-ARY SUMMATION}_k" if summed else e.func.__name__)))
        for i, part in enumerate(e.args):
            row.appendChild(self._element("mo", ("[" if summed else "(") if i == 0 else "|"))
            row.appendChild(self._print(part))
        row.appendChild(self._element("mo", "]" if summed else ")"))
        return row

    def _element(self, kind: str, text: str) -> Any:
        node = self.dom.createElement(kind)
        node.appendChild(self.dom.createTextNode(text))
        return node


# Unicode spells one of them differently
_LETTERS = {name: lookup(f"GREEK SMALL LETTER {'LAMDA' if name == 'lambda' else name.upper()}") for name in sorted(GREEK)}


def formula_mathml(expr: sp.Basic) -> str:
    """Write a formula as presentation MathML, without the enclosing ``math`` element.

    >>> formula_mathml(sp.Symbol("p_ref"))
    '<msub><mi>p</mi><mi>ref</mi></msub>'
    """
    printer = _MathMLPrinter({})
    shown = re.sub(r"&([A-Za-z]+);", _character, str(printer._print(expr).toxml()))
    return shown.replace("\N{INVISIBLE TIMES}", "&#x2062;")  # what is invisible is kept from terminals, which would garble it


def _character(entity: re.Match[str]) -> str:
    """Replace a named entity that only HTML defines by its character; XML's own five stay."""
    return entity[0] if entity[1] in ("lt", "gt", "amp", "quot", "apos") else html5[f"{entity[1]};"]


def article(derivation: DerivedGradient, explain: bool = False) -> str:
    """Return one ``article`` element."""
    lines = [
        '<article xmlns="http://www.w3.org/1999/xhtml">',
        f"<h1>{html_text(derivation.title)}</h1>",
        f"<p>{html_text(derivation.heading)}</p>",
    ]
    for number, step in enumerate(derivation.steps, start=1):
        lines += ["<section>", f"<h2>{number}. {html_text(step.title)}</h2>", *map(_item, step.shown(explain)), "</section>"]
    lines += ["<section>", "<h2>Assumptions</h2>", "<ul>"]
    lines += ["<li>" + "".join(_inline(part) for part in assumption) + "</li>" for assumption in derivation.assumptions]
    return "\n".join([*lines, "</ul>", "</section>", "</article>"]) + "\n"


def _inline(part: Inline) -> str:
    return html_text(part) if isinstance(part, str) else f"<math {NAMESPACE}>{_math(part)}</math>"


def _math(part: Inline) -> str:
    if isinstance(part, Verbatim):
        return f"<mtext>{html_text(part.text)}</mtext>"
    return formula_mathml(part) if isinstance(part, sp.Basic) else f"<mtext>{html_text(part)}</mtext>"


def _item(item: Item) -> str:
    if isinstance(item, Words):
        return "<p>" + "".join(_inline(part) for part in item.parts) + "</p>"
    if isinstance(item, FormulaTable):
        rows = ["".join(f"<td>{_inline(cell)}</td>" for cell in row) for row in item.rows]
        head = "".join(f"<th>{_inline(cell)}</th>" for cell in item.head)
        return "<table>" + "".join(f"<tr>{row}</tr>" for row in [head, *rows]) + "</table>"
    return _display(item)


def _display(item: Display) -> str:
    left = f"<mtd>{_math(item.left)}</mtd>"
    rows = []
    for i, right in enumerate(item.right):
        note = f"<mtd><mtext>({html_text(unmarked(item.note))})</mtext></mtd>" if item.note and i == len(item.right) - 1 else ""
        rows.append(f"<mtr>{left if i == 0 else '<mtd></mtd>'}<mtd><mo>=</mo></mtd><mtd>{_math(right)}</mtd>{note}</mtr>")
    table = f'<mtable displaystyle="true" columnalign="right center left left">{"".join(rows)}</mtable>'
    return f'<math {NAMESPACE} display="block">{table}</math>'

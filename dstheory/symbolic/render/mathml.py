"""A derivation as XHTML with presentation MathML: well-formed, and shown by browsers as it is."""

from __future__ import annotations

from xml.sax.saxutils import escape

import sympy as sp

from dstheory.symbolic.derivation import DerivedGradient
from dstheory.symbolic.document import Display, Item, Table, Words
from dstheory.symbolic.render.printers import formula_mathml
from dstheory.symbolic.rule import Inline, Verbatim

NAMESPACE = 'xmlns="http://www.w3.org/1998/Math/MathML"'


def article(derivation: DerivedGradient) -> str:
    """Return one ``article`` element."""
    lines = [
        '<article xmlns="http://www.w3.org/1999/xhtml">',
        f"<h1>{escape(derivation.title)}</h1>",
        f"<p>{escape(derivation.heading)}</p>",
    ]
    for number, step in enumerate(derivation.steps, start=1):
        lines += ["<section>", f"<h2>{number}. {escape(step.title)}</h2>", *[_item(item) for item in step.items], "</section>"]
    lines += ["<section>", "<h2>Assumptions</h2>", "<ul>"]
    lines += ["<li>" + "".join(_inline(part) for part in assumption) + "</li>" for assumption in derivation.assumptions]
    return "\n".join([*lines, "</ul>", "</section>", "</article>"]) + "\n"


def _inline(part: Inline) -> str:
    return escape(part) if isinstance(part, str) else f"<math {NAMESPACE}>{_math(part)}</math>"


def _math(part: Inline) -> str:
    if isinstance(part, Verbatim):
        return f"<mtext>{escape(part.text)}</mtext>"
    return formula_mathml(part) if isinstance(part, sp.Basic) else f"<mtext>{escape(part)}</mtext>"


def _item(item: Item) -> str:
    if isinstance(item, Words):
        return "<p>" + "".join(_inline(part) for part in item.parts) + "</p>"
    if isinstance(item, Table):
        rows = ["".join(f"<td>{_inline(cell)}</td>" for cell in row) for row in item.rows]
        head = "".join(f"<th>{_inline(cell)}</th>" for cell in item.head)
        return "<table>" + "".join(f"<tr>{row}</tr>" for row in [head, *rows]) + "</table>"
    return _display(item)


def _display(item: Display) -> str:
    left = f"<mtd>{_math(item.left)}</mtd>"
    rows = []
    for i, right in enumerate(item.right):
        note = f"<mtd><mtext>({escape(item.note)})</mtext></mtd>" if item.note and i == len(item.right) - 1 else ""
        rows.append(f"<mtr>{left if i == 0 else '<mtd></mtd>'}<mtd><mo>=</mo></mtd><mtd>{_math(right)}</mtd>{note}</mtr>")
    table = f'<mtable displaystyle="true" columnalign="right center left left">{"".join(rows)}</mtable>'
    return f'<math {NAMESPACE} display="block">{table}</math>'

"""A derivation as plain text, wrapped to 100 columns, formulas in the notation of SymPy and Python."""

from __future__ import annotations

import textwrap

import sympy as sp

from dstheory.symbolic.derivation import Derivation, Display, Item, Table, Words
from dstheory.symbolic.notation import Inline, Verbatim
from dstheory.symbolic.render.printers import text

__all__ = ["render"]

WIDTH = 100


def render(derivation: Derivation) -> str:
    """Return the derivation as text that ends with a newline.

    >>> from dstheory.symbolic import derive
    >>> print(render(derive("sft")).splitlines()[0])
    Supervised fine-tuning on demonstrations
    """
    lines = [
        derivation.title,
        "=" * len(derivation.title),
        *_wrap(derivation.subtitle[0].upper() + derivation.subtitle[1:] + ".", ""),
        "",
    ]
    for number, step in enumerate(derivation.steps, start=1):
        lines += [f"{number}. {step.title}", ""]
        for item in step.items:
            lines += [*_item(item), ""]
    lines += ["Assumptions", ""]
    for assumption in derivation.assumptions:
        lines += _wrap("- " + "".join(inline(part) for part in assumption), "  ")
    return "\n".join(lines).rstrip() + "\n"


def inline(part: Inline) -> str:
    """Return a piece of a sentence as text."""
    if isinstance(part, Verbatim):
        return part.text
    return text(part) if isinstance(part, sp.Basic) else part


def _item(item: Item) -> list[str]:
    if isinstance(item, Words):
        return _wrap("".join(inline(part) for part in item.parts), "")
    if isinstance(item, Table):
        return _table(item)
    return _display(item)


def _display(item: Display) -> list[str]:
    left = f"    {inline(item.left)} = "
    lines = _wrap(left + inline(item.right[0]) + (f"    ({item.note})" if item.note else ""), " " * len(left), first=True)
    for right in item.right[1:]:
        lines += _wrap(" " * (len(left) - 2) + "= " + inline(right), " " * len(left), first=True)
    return lines


def _table(item: Table) -> list[str]:
    rows = [[inline(cell) for cell in row] for row in (item.head, *item.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    if 4 + sum(widths) + 3 * (len(widths) - 1) <= WIDTH:
        return ["    " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    # too wide side by side: the two long columns go below the two short ones
    lines = []
    for row in rows[1:]:
        lines.append(f"    answer {row[0]}, {row[1]}:")
        for name, cell in zip(rows[0][2:], row[2:], strict=True):
            lines += _wrap(f"        {name} = {cell}", " " * 12, first=True)
    return lines


def _wrap(line: str, indent: str, *, first: bool = False) -> list[str]:
    """Wrap at spaces; the first line keeps its own leading spaces."""
    lead = line[: len(line) - len(line.lstrip())] if first else ""
    return textwrap.wrap(
        line.strip(), WIDTH, initial_indent=lead, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )

r"""A derivation as LaTeX: a fragment for a paper that loads amsmath, or a document that compiles by itself."""

from __future__ import annotations

import re

import sympy as sp

from dstheory.references import bibliography, cite, cited
from dstheory.symbolic.derivation import Derivation, Display, Item, Table, Words
from dstheory.symbolic.notation import Inline, Verbatim
from dstheory.symbolic.render.linebreaks import broken, visual_width
from dstheory.symbolic.render.printers import latex

__all__ = ["notebook", "render"]

_MODEL = "arXiv 2601.01580"

WIDTH = 61.0
"""Width of a displayed line, in digits of an 11 point article; the left side counts."""

PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[a4paper,margin=25mm]{geometry}
\usepackage{amsmath}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.6ex plus 0.2ex}
\allowdisplaybreaks
\begin{document}
"""


def render(derivation: Derivation, *, standalone: bool = False) -> str:
    r"""Return the derivation as LaTeX that ends with a newline.

    Args:
        derivation: what to write.
        standalone: with a preamble, so that ``pdflatex`` compiles it as it is.

    >>> from dstheory.symbolic import derive
    >>> render(derive("sft")).splitlines()[0]
    '% Needs \\usepackage{amsmath}.'
    """
    head = escape(derivation.title)
    keys = works(derivation) if standalone else []  # a fragment leaves citing to the paper that takes it
    body = [
        rf"\section*{{\raggedright {head}}}",
        rf"\emph{{{escape(derivation.subtitle[0].upper() + derivation.subtitle[1:])}.}}{cite(keys)}",
        "",
    ]
    for number, step in enumerate(derivation.steps, start=1):
        body += [rf"\subsection*{{{number}. {escape(step.title)}}}", *_items(step.items), ""]
    body += [r"\subsection*{Assumptions}", r"\begin{itemize}"]
    body += [r"\item " + _sentence(assumption) for assumption in derivation.assumptions]
    body.append(r"\end{itemize}")
    if standalone:
        return PREAMBLE + "\n".join(body) + "\n" + bibliography(keys) + "\\end{document}\n"
    return "% Needs \\usepackage{amsmath}.\n" + "\n".join(body) + "\n"


def works(derivation: Derivation) -> list[str]:
    """Return the keys of the works that a derivation rests on: that of the model, and those that its sentences name."""
    said = [part for step in derivation.steps for item in step.items if isinstance(item, Words) for part in item.parts]
    return cited(" ".join([_MODEL, *(part for part in said if isinstance(part, str))]))


def notebook(derivation: Derivation) -> str:
    """Return the named quantities and the gradient as one display that MathJax shows."""
    last = [
        item
        for step in derivation.steps
        if step.title in ("Quantities", "The gradient")
        for item in step.items
        if isinstance(item, Display)
    ]
    rows = [row for item in last for row in _rows(Display(item.left, item.right))]
    return "$$\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}$$"


def inline(part: Inline) -> str:
    """Return a piece of a sentence as LaTeX, mathematics between dollars."""
    if isinstance(part, Verbatim):
        return f"${part.latex}$"
    return f"${latex(part)}$" if isinstance(part, sp.Basic) else escape(part)


def escape(words: str) -> str:
    r"""Return words with LaTeX's special characters made ordinary.

    >>> escape("p_E & 5%")
    'p\\_E \\& 5\\%'
    """
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[\\~^&%$#_{}|<>]", lambda m: special.get(m[0], f"\\{m[0]}" if m[0] in "&%$#_{}" else f"${m[0]}$"), words)


def _sentence(parts: tuple[Inline, ...]) -> str:
    return "".join(inline(part) for part in parts)


def _items(items: tuple[Item, ...]) -> list[str]:
    """Return the lines of a step; displays that follow each other share one alignment."""
    lines: list[str] = []
    rows: list[str] = []
    for item, following in zip(items, [*items[1:], None], strict=True):
        if isinstance(item, Display):
            rows += _rows(item)
            continue
        lines += [*_align(rows), _sentence(item.parts) if isinstance(item, Words) else _table(item)]
        rows = []
        if isinstance(item, Words) and isinstance(following, Words):
            lines.append("")  # a new paragraph; before a display that would be a gap
    return lines + _align(rows)


def _align(rows: list[str]) -> list[str]:
    return (
        [r"\begin{align*}", *[row + (r" \\" if i < len(rows) - 1 else "") for i, row in enumerate(rows)], r"\end{align*}"]
        if rows
        else []
    )


def _rows(item: Display) -> list[str]:
    left = _math(item.left)
    room = WIDTH - visual_width(left) - 3
    rows = []
    for i, right in enumerate(item.right):
        lines = broken(right, room) if isinstance(right, sp.Expr) else [_math(right)]
        rows.append(f"{left if i == 0 else ''} &= {lines[0]}")
        rows += [rf" &\quad {line}" for line in lines[1:]]
    if item.note:
        note = rf"\text{{({escape(item.note)})}}"
        roomy = visual_width(rows[-1]) + 0.9 * len(item.note) < WIDTH
        if roomy:
            rows[-1] += rf"\qquad {note}"
        else:
            rows.append(rf" &\quad {note}")
    return rows


def _math(part: Inline) -> str:
    if isinstance(part, Verbatim):
        return part.latex
    return latex(part) if isinstance(part, sp.Basic) else rf"\text{{{escape(part)}}}"


def _table(item: Table) -> str:
    """Return a table: side by side if it fits, else one display per row."""
    cells = [[_math(cell) for cell in row] for row in (item.head, *item.rows)]
    widths = [max(visual_width(row[i]) for row in cells) for i in range(len(cells[0]))]
    if sum(widths) + 3 * len(widths) <= WIDTH + 8:
        body = [" & ".join(row) + r" \\" for row in cells]
        return "\n".join(
            [r"\[", rf"\begin{{array}}{{{'l' * len(widths)}}}", body[0] + r" \hline", *body[1:], r"\end{array}", r"\]"]
        )
    parts = []
    for row in item.rows:
        parts += ["", rf"Answer {_sentence(row[:1])}, {_sentence(row[1:2])}:"]
        parts += _align([r for name, cell in zip(item.head[2:], row[2:], strict=True) for r in _rows(Display(name, (cell,)))])
    return "\n".join(parts)

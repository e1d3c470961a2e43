r"""A derivation as LaTeX: a fragment for a paper that loads amsmath, or a document that compiles by itself."""

from __future__ import annotations

import sympy as sp

from dstheory.references import bibliography, cite, cited, load_references
from dstheory.symbolic.derivation import DerivedGradient, Display, FormulaTable, Item, Words
from dstheory.symbolic.render.lines import broken, visual_width
from dstheory.symbolic.render.printers import formula_latex
from dstheory.symbolic.rule import Inline, Verbatim
from dstheory.texts import latex_text
from dstheory.typeset import between, words_latex

_MODEL = "arXiv 2601.01580"

STRETCH = r"\renewcommand{\arraystretch}{1.9}"
"""Keeps fractions and their brackets apart in the rows of a table."""

WIDTH = 75.0
"""Width of a displayed line, in digits of an 11 point article; the left side counts."""

PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[a4paper,margin=25mm]{geometry}
\usepackage{amsmath}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.6ex plus 0.2ex}
\setlength{\emergencystretch}{3em}
\allowdisplaybreaks
\begin{document}
"""


def document(derivation: DerivedGradient, *, standalone: bool = False, explain: bool = False) -> str:
    """Return the derivation as LaTeX that ends with a newline.

    Args:
        derivation: what to write.
        standalone: with a preamble, so that ``pdflatex`` compiles it as it is.
        explain: whether asides are said too.
    """
    keys = works(derivation)
    body = [
        rf"\section*{{\raggedright {latex_text(derivation.title)}}}",
        rf"\emph{{{latex_text(derivation.heading)}}}{cite(keys)}",
        "",
    ]
    for number, step in enumerate(derivation.steps, start=1):
        body += [rf"\subsection*{{{number}. {latex_text(step.title)}}}", *_items(step.shown(explain)), ""]
    body += [r"\subsection*{Assumptions}", r"\begin{itemize}"]
    body += [r"\item " + _sentence(assumption) for assumption in derivation.assumptions]
    body.append(r"\end{itemize}")
    if standalone:
        return PREAMBLE + "\n".join(body) + "\n" + bibliography(keys) + "\\end{document}\n"
    return "% Needs \\usepackage{amsmath}; the works cited are those of --format bibtex.\n" + "\n".join(body) + "\n"


def works(derivation: DerivedGradient) -> list[str]:
    """Return the keys of the works that a derivation rests on: that of the model, and those that its sentences name."""
    said = [part for step in derivation.steps for item in step.items if isinstance(item, Words) for part in item.parts]
    keys = cited(" ".join([_MODEL, *(part for part in said if isinstance(part, str))]))
    return [key for key in load_references() if key in keys]  # as the reference list has them, so that numbers stand in order


def notebook(derivation: DerivedGradient) -> str:
    """Return the named quantities and the gradient as one display that MathJax shows."""
    last = [step.items for step in derivation.steps if step.title in ("Quantities", "The gradient")]
    shown = [item for items in last for item in items if isinstance(item, Display)]
    rows = [row for item in shown for row in _rows(Display(item.left, item.right))]
    return "$$\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}$$"


def inline(part: Inline) -> str:
    """Return a piece of a sentence as LaTeX, mathematics between dollars."""
    if isinstance(part, Verbatim):
        return f"${part.latex}$"
    return f"${formula_latex(part)}$" if isinstance(part, sp.Basic) else latex_text(part)


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
    ends = [*(_row_end(row) for row in rows[:-1]), ""]
    return [r"\begin{align*}", *map(str.__add__, rows, ends), r"\end{align*}"] if rows else []


def _row_end(row: str) -> str:
    """Return the end of a row; fractions of rows that follow each other are kept apart."""
    return r" \\[0.8ex]" if r"\frac" in row else r" \\"


def _rows(item: Display) -> list[str]:
    left = _math(item.left)
    room = WIDTH - visual_width(left) - 3
    rows = []
    for i, right in enumerate(item.right):
        lines = broken(_math(right), room) if isinstance(right, sp.Basic) else [_math(right)]
        rows.append(f"{left if i == 0 else ''} &= {lines[0]}")
        rows += [rf" &\quad {line}" for line in lines[1:]]
    if item.note:
        note = rf"\text{{({between(words_latex(item.note), latex_text)})}}"
        roomy = visual_width(rows[-1]) + 0.9 * len(item.note) + 6 < WIDTH
        if roomy:
            rows[-1] += rf"\qquad {note}"
        else:
            rows.append(rf" &\quad {note}")
    return rows


def _math(part: Inline) -> str:
    if isinstance(part, Verbatim):
        return part.latex
    return formula_latex(part) if isinstance(part, sp.Basic) else rf"\text{{{latex_text(part)}}}"


def _table(item: FormulaTable) -> str:
    """Return a table: side by side if it fits, else one display per row."""
    cells = [[_math(cell) for cell in row] for row in (item.head, *item.rows)]
    widths = [max(visual_width(row[i]) for row in cells) for i in range(len(cells[0]))]
    if sum(widths) + 3 * len(widths) <= WIDTH:
        rows = [" & ".join(row) for row in cells]
        body = [rf"{row} \\" for row in rows]
        stretch = [STRETCH] if any(r"\frac" in row for row in rows) else []
        head = [r"\[", *stretch, rf"\begin{{array}}{{{'l' * len(widths)}}}", body[0] + r" \hline\rule{0pt}{3ex}"]
        return "\n".join([*head, *body[1:], r"\end{array}", r"\]"])
    parts = []
    for row in item.rows:
        parts += ["", rf"Answer {_sentence(row[:1])}, {_sentence(row[1:2])}:"]
        parts += _align([r for name, cell in zip(item.head[2:], row[2:], strict=True) for r in _rows(Display(name, (cell,)))])
    return "\n".join(parts)

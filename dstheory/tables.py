"""Small tables by which results show themselves, as text and as HTML; and how a table of any width is fitted into a terminal.

A table that is too wide (:func:`fitted`) keeps all its cells. In this order, until it fits: headings of numbers are broken at
spaces; so are cells with words, those of the first column last; gaps get narrower; columns that are still too many continue in a
second block below, which repeats the first column. Numbers are never broken, as long as one of them fits at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, chop_cells

from dstheory.errors import DSTheoryError
from dstheory.texts import html_text, printable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


MOST_ROWS = 20
"""Rows that a chain or a policy shows; :meth:`Tabulated.to_dataframe` has them all."""


@dataclass(frozen=True)
class Table:
    """A title, a heading per column, and rows of cells.

    >>> print(Table("Rates", ("model", "p"), [("a", "0.5"), ("long name", "1")]).text())
    Rates
    model      p
    a          0.5
    long name  1
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    formulas: Sequence[str] = ()
    """LaTeX, shown above the rows where mathematics is typeset: in HTML."""

    @classmethod
    def of(cls, title: str, columns: Mapping[str, Sequence[Any]], formulas: Sequence[str] = ()) -> Table:
        """Return a table of the first rows of columns of numbers and words; the title says so if there are more."""
        rows = list(zip(*(list(column)[:MOST_ROWS] for column in columns.values()), strict=True))
        whole = len(next(iter(columns.values())))
        if whole > len(rows):
            title = f"{title}: the first {len(rows)} of {whole:,} rows"
        shown = [[f"{x:.3g}" if isinstance(x, float) else str(x) for x in row] for row in rows]
        return cls(title, tuple(columns), shown, formulas)

    def text(self) -> str:
        """Return lines with aligned columns."""
        table = [[printable(cell) for cell in row] for row in (self.head, *self.rows)]
        widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]  # some letters are two columns wide
        lines = (
            "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)) for row in table
        )
        return "\n".join([printable(self.title), *(line.rstrip() for line in lines)])

    def html(self) -> str:
        """Return the formulas, which notebooks typeset, and a table element; what the cells say is escaped."""

        def words(text: str) -> str:
            return html_text(text).replace("$", "<span>$</span>")  # alone in an element, a dollar begins no formula in a notebook

        body = "".join("<tr>" + "".join(f"<td>{words(cell)}</td>" for cell in cells) + "</tr>" for cells in self.rows)
        head = "<tr>" + "".join(f'<th scope="col">{words(cell)}</th>' for cell in self.head) + "</tr>"
        formulas = "".join(f"<p>$\\displaystyle {html_text(formula)}$</p>" for formula in self.formulas)
        caption = f'<caption style="text-align: left">{words(self.title)}</caption>'
        return f"{formulas}<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"


RATES = (r"p = P(\text{correct}),\quad a = P(\text{stop}\mid\text{correct}),\quad b = P(\text{resample}\mid\text{wrong})",)
"""What the three probabilities mean, as a formula above a table."""


class Tabulated:
    """Shows itself by its method ``table``; a dataclass says ``repr=False`` to leave its representation to this class."""

    def table(self) -> Table:
        """Return what is shown."""
        raise NotImplementedError

    def columns(self) -> dict[str, Any]:
        """Return the columns of :meth:`to_dataframe`: by default those of the table, as texts."""
        shown = self.table()
        return dict(zip(shown.head, map(list, zip(*shown.rows, strict=True)), strict=True))

    def to_dataframe(self) -> pd.DataFrame:
        """Return the numbers as a DataFrame of pandas.

        Raises:
            DSTheoryError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise DSTheoryError("to_dataframe needs pandas, which is not installed: pip install pandas") from error
        return pd.DataFrame(self.columns())

    def __repr__(self) -> str:
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()


class Drawn(Tabulated):
    """What also has a picture, made by the room of figures; that room stands above this one and is found when it is asked for."""

    def plot(self, **options: Any) -> Figure:
        """Return the picture as a Figure of matplotlib, which a notebook shows.

        Args:
            options: ``title``, over the whole figure.
        """
        found: Figure = import_module("dstheory.plots.results").picture(self, **options)
        vars(found)["_repr_png_"] = partial(_png, found)  # by themselves, notebooks show figures only once pyplot is loaded
        return found


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=150)
    return file.getvalue()


def short(values: Any) -> str:
    """Return a number with three digits, or the range of several.

    >>> short(0.58333), short([0.25, 0.5]), short([1, 1])
    ('0.583', '0.25 to 0.5', '1')
    """
    import numpy as np

    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return "-"
    low, high = (f"{bound:.3g}" for bound in (array.min(), array.max()))
    return low if low == high else f"{low} to {high}"


# ---------------------------------------------------------------------- tables that fit

_GAPS = (3, 2)  # blanks between columns: usual, and where space is short
_MARGIN = 2
_WORD = 24  # longest word that is not broken, and width down to which words are shrunk if one of them is that long


def fitted(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1, width: int = 80, rule: str = "-"
) -> list[list[str]]:
    """Return a table as blocks of lines of at most ``width`` characters, without blanks at their ends.

    Args:
        head: headings.
        rows: cells.
        words: how many of the first columns are words, set left; the others are numbers, set right.
        width: of the longest line, at least 20.
        rule: a character for the line below the headings.

    >>> rows = [["easy", "0.7 [0.6, 0.8]", "0.9 [0.8, 1.0]", "12"], ["hard", "0.2 [0.1, 0.3]", "0.8 [0.7, 0.9]", "7"]]
    >>> for block in fitted(["task", "p", "a", "n"], rows, width=40):
    ...     print("\\n".join(block))
      task                p                a
     ---------------------------------------
      easy   0.7 [0.6, 0.8]   0.9 [0.8, 1.0]
      hard   0.2 [0.1, 0.3]   0.8 [0.7, 0.9]
      task    n
     -----------
      easy   12
      hard    7
    """
    columns = [[printable(cell) for cell in column] for column in zip(head, *rows, strict=True)]
    blocks, first = [], columns[0]
    while columns:
        taken = len(columns)
        while taken > 1 and _widths(columns[:taken], words, width) is None:
            taken -= 1
        if taken == 1 and columns[0] is first and len(columns) > 1:
            taken = 2  # a label and one column, whatever their widths
        blocks.append(_block(columns[:taken], words, width, rule))
        columns, words = columns[taken:], max(1, words - taken + 1)
        columns = [first, *columns] if columns else []
    return blocks


def _widths(columns: Sequence[Sequence[str]], words: int, width: int) -> tuple[list[int], int] | None:
    """Return the widths of columns and the gap between them; None if they do not fit."""
    natural = [max(map(cell_len, column)) for column in columns]
    least = [_least(column, i < words) for i, column in enumerate(columns)]
    least[0] = max(least[0], min(natural[0], _WORD))  # what a row is about stands on one line
    whole = [max([size, *(cell_len(word) for cell in column for word in cell.split())]) if i < words else size
             for i, (column, size) in enumerate(zip(columns, least, strict=True))]  # fmt: skip
    for gap in _GAPS:
        room = width - _MARGIN - gap * (len(columns) - 1)
        if sum(natural) <= room:
            return natural, gap
        found = [natural[i] if i < words else least[i] for i in range(len(columns))]  # headings of numbers first
        while sum(found) > room:
            # Long words are broken only where no column can be made narrower between words.
            wide = next((wide for ends in (whole, least) if (wide := [i for i, x in enumerate(ends) if found[i] > x])), [])
            if not wide:
                break
            widest = max(wide, key=found.__getitem__)
            found[widest] -= 1
        if sum(found) <= room:
            return found, gap
    return None


def _least(column: Sequence[str], of_words: bool) -> int:
    """Return the width down to which a column may be shrunk."""
    head, *cells = column
    parts = [word for cell in ([head, *cells] if of_words else [head]) for word in cell.split()]
    longest = min(_WORD, max(map(cell_len, parts), default=1))
    return longest if of_words else max([longest, *(min(cell_len(cell), _WORD + _MARGIN) for cell in cells)])


def _block(columns: Sequence[Sequence[str]], words: int, width: int, rule: str) -> list[str]:
    found = _widths(columns, words, width)
    gap = _GAPS[-1] if found is None else found[1]
    each = (width - _MARGIN - gap * (len(columns) - 1)) // len(columns)
    widths = [each] * len(columns) if found is None else found[0]
    broken = [[_broken(cell, size) for cell in column] for column, size in zip(columns, widths, strict=True)]
    out: list[str] = []
    for i, row in enumerate(zip(*broken, strict=True)):
        height = max(map(len, row))
        for k in range(height):
            at = [k - (height - len(cell)) if i == 0 else k for cell in row]  # headings stand at the bottom
            parts = [cell[j] if 0 <= j < len(cell) else "" for cell, j in zip(row, at, strict=True)]
            texts = (
                part + " " * (size - cell_len(part)) if n < words else " " * (size - cell_len(part)) + part
                for n, (part, size) in enumerate(zip(parts, widths, strict=True))
            )
            out.append((" " * _MARGIN + (" " * gap).join(texts)).rstrip())
        if i == 0:
            out.append(" " + rule * min(width - 1, sum(widths) + gap * (len(widths) - 1) + _MARGIN))
    return out


def _broken(cell: str, width: int) -> list[str]:
    """Break a cell at spaces, and words that are longer than a line anywhere."""
    if cell_len(cell) <= width:
        return [cell]
    lines = [""]
    for word in cell.split():
        for part in [word] if cell_len(word) <= width else chop_cells(word, width):
            joined = f"{lines[-1]} {part}" if lines[-1] else part
            if cell_len(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(part)
    return lines

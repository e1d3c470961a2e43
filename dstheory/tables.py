"""Small tables by which results show themselves: as text where they are printed, as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dstheory.texts import html_text, printable


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

    def text(self) -> str:
        """Return lines with aligned columns."""
        table = [[printable(cell) for cell in row] for row in (self.head, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
        return "\n".join([printable(self.title), *(line.rstrip() for line in lines)])

    def html(self) -> str:
        """Return a table element; what the cells say is escaped."""

        def row(cells: Sequence[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html_text(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(row(cells, "td") for cells in self.rows)
        head = row(self.head, "th")
        return f"<table><caption>{html_text(self.title)}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"


class _HasTable(Protocol):
    def table(self) -> Table:
        """Return what is shown."""


class Tabulated:
    """Shows itself by its method ``table``; a dataclass says ``repr=False`` to leave its representation to this class."""

    def __repr__(self: _HasTable) -> str:
        return self.table().text()

    def _repr_html_(self: _HasTable) -> str:
        return self.table().html()


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

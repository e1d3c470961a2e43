"""Figures made of panels: all in one file for a paper, or one by one for a page that is also read on a telephone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dstheory.plots.style import COLUMN, RC, in_column
from dstheory.texts import figure_text

_WIDTH = 3.6  # inches: 346 pixels of a browser, so that text of 8.5 points is 11 pixels high on a telephone
_PAGE: Any = {**RC, "legend.fontsize": 8.5}


@dataclass(frozen=True)
class Panel:
    """A part of a figure.

    Attributes:
        title: above it.
        says: its numbers in words, for those who do not see it.
        draw: draws into axes; what has a label gets into the legend of the figure.
        height: of the axes, in inches.
    """

    title: str
    says: str
    draw: Callable[[Axes], None]
    height: float = 2.3


def panel_figure(panel: Panel) -> Figure:
    """Return a figure of one panel, narrow enough for a telephone, with its legend below."""
    with matplotlib.rc_context(_PAGE):
        figure = Figure(figsize=(_WIDTH, panel.height), layout="constrained")
        axes = figure.subplots()
        panel.draw(axes)
        handles, labels = _joined([axes])
        if len(labels) > 1:
            columns = 3 if max(map(len, labels)) < 14 else 1
            figure.set_figheight(panel.height + 0.1 + 0.19 * -(-len(labels) // columns))
            figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def grid_figure(rows: Sequence[Sequence[Panel]], *, title: str = "") -> Figure:
    """Return a figure of rows of panels with titles and one legend for all.

    Args:
        rows: the rows; those without panels are left out.
        title: over the whole figure.
    """
    rows = [row for row in rows if row]
    rows = [[panel] for row in rows for panel in row] if in_column() else rows
    most = max(map(len, rows))
    with matplotlib.rc_context(RC):
        width = COLUMN if in_column() else max(3.8 if most == 1 else 7.2, 2.4 * most)
        figure = Figure(figsize=(width, 0.6 + sum(max(panel.height for panel in row) for row in rows)), layout="constrained")
        columns = lcm(*map(len, rows))
        grid = figure.add_gridspec(len(rows), columns)
        drawn = []
        for i, row in enumerate(rows):
            each = columns // len(row)
            for j, panel in enumerate(row):
                axes = figure.add_subplot(grid[i, j * each : (j + 1) * each])
                panel.draw(axes)
                axes.set_title(figure_text(panel.title))
                drawn.append(axes)
        handles, labels = _joined(drawn)
        if labels:
            longest = max(map(len, labels))
            columns = max(1, min(4, int(width / (0.4 + 0.055 * longest))))
            figure.set_figheight(figure.get_figheight() + 0.17 * (-(-len(labels) // columns) - 1))
            figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        if title:
            figure.suptitle(figure_text(title), fontsize=10)
    return figure


def _joined(panels: Sequence[Axes]) -> tuple[list[Artist], list[str]]:
    """Return handles and labels of several panels, each label once."""
    found: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)

"""The figure of `dstheory attribute --all`: where each objective's energy goes, and where its gradient points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dstheory.checks import Floats
from dstheory.plots.style import PALETTE, RC, STAGES, figure_size, in_column, tidy
from dstheory.texts import figure_text

if TYPE_CHECKING:
    from dstheory.comparison import ObjectiveRow


def comparison_figure(rows: Sequence[ObjectiveRow], *, longer: float, title: str = "") -> Figure:
    """Draw, objective by objective, the decision's share of the energy (now, and with longer answers) and the tilt.

    Args:
        rows: as made by :func:`dstheory.comparison.compare_objectives`, in the order to draw them.
        longer: the factor on the length of answers, for the legend.
        title: over the whole figure.
    """
    with matplotlib.rc_context(RC):
        height = 1.5 + 0.2 * len(rows)
        figure = Figure(figsize=figure_size(7.2, 2 * height if in_column() else height), layout="constrained")
        left, right = figure.subplots(*((2, 1) if in_column() else (1, 2)), sharey=True)
        heights = _heights(rows)
        _shares(left, rows, heights, longer)
        _tilts(right, rows, heights)
        left.set_yticks(heights, [figure_text(row.name) for row in rows])
        left.set_ylim(heights.max() + 1.0, heights.min() - 1.0)
        for axes in (left, right):
            for label, row in zip(axes.get_yticklabels(), rows, strict=False):  # the right panel has none in the text's width
                label.set_style("normal" if row.balanced else "italic")
                label.set_weight("bold" if row.balanced else "normal")
            for above, below, one, two in zip(heights[:-1], heights[1:], rows[:-1], rows[1:], strict=True):
                if one.family != two.family:
                    axes.axhline((above + below) / 2, color="0.7", linewidth=0.6)
        handles = [h for axes in (left, right) for h in axes.get_legend_handles_labels()[0]]
        figure.legend(handles=handles, loc="outside lower center", ncols=1 if in_column() else 3, frameon=False)
        name = f"{figure_text(title)}: " if title else ""
        between = "\n" if in_column() else " "
        figure.suptitle(f"{name}bold: one coefficient for both stages;{between}italic: two, or not compared", fontsize=9)
    return figure


def _heights(rows: Sequence[ObjectiveRow]) -> Floats:
    """Return the height of each row; families stand apart."""
    gaps = [0.0] + [1.0 if one.family == two.family else 1.7 for one, two in itertools.pairwise(rows)]
    return np.cumsum(gaps)


def _shares(axes: Axes, rows: Sequence[ObjectiveRow], heights: Floats, longer: float) -> None:
    now, then = (np.array([getattr(row, name) for row in rows]) for name in ("energy_share", "energy_share_longer"))
    axes.hlines(heights, now, then, color="0.6", linewidth=1.2)
    axes.plot(then, heights, "o", color="0.35", markersize=9, markerfacecolor="none", zorder=2,
              label=f"energy share, answers {longer:g} x as long")  # fmt: skip
    axes.plot(now, heights, "o", color=STAGES["decide"]["color"], markeredgecolor="0.2", markersize=4.5, zorder=3,
              label="decision's share of the energy")  # fmt: skip
    axes.set_xlim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    for height, row in zip(heights, rows, strict=True):
        if np.isnan(row.energy_share) and np.isnan(row.energy_share_longer):
            axes.text(0.02, height, figure_text(row.note, longest=40), va="center", fontsize=7, color="0.35")
    axes.set_xlabel("decision's share of the energy" if in_column() else "decision's share of the Fisher energy")
    tidy(axes)


def _tilts(axes: Axes, rows: Sequence[ObjectiveRow], heights: Floats) -> None:
    for name, marker, colour, size, order, label in (
        ("both", "x", PALETTE[6], 4.5, 4, "tilt, both stages"),
        ("decide", "^", STAGES["decide"]["color"], 5.0, 3, "tilt, decisions"),
        ("sample", "s", STAGES["sample"]["color"], 8.5, 2, "tilt, sampling"),
    ):
        angles = np.array([getattr(row.tilt, name) for row in rows])
        hollow = "none" if name == "sample" else colour
        axes.plot(angles, heights, marker, color=colour, zorder=order, markerfacecolor=hollow, markersize=size, label=label)
    axes.axvspan(90, 189, color="0.93", zorder=0)
    axes.set_xlim(-9, 189)
    axes.set_xticks([0, 45, 90, 135, 180])
    axes.set_xlabel("angle to accuracy's gradient (°)" if in_column() else "angle to the accuracy's gradient (degrees)")
    axes.tick_params(labelleft=in_column())
    tidy(axes)

"""The figure of `dstheory simulate`: what each objective does to sampling, to decisions and to accuracy, and whose gain it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dstheory.plots.style import (
    DASHES,
    PALETTE,
    RATES,
    RC,
    STAGES,
    by_decades,
    curve,
    figure_size,
    in_column,
    in_lines,
    legend_lines,
    mark,
    tidy,
    unplaced,
)
from dstheory.texts import figure_text

if TYPE_CHECKING:
    from dstheory.chain.exact import GainSplit
    from dstheory.dynamics.conditions import Comparison


HATCH = STAGES["decide"]["hatch"]
_DECADES = 15
"""Energies that are smaller than the largest by more have no place beside it."""


def simulation_figure(comparison: Comparison, *, title: str = "") -> Figure:
    """Draw p, a, b and accuracy over training, the stage energies at the start, and the split of each gain.

    Args:
        comparison: from :func:`dstheory.dynamics.compare`; with runs the median is drawn and the middle 80 % shaded.
        title: over the whole figure.

    Example:
        >>> from dstheory import Policy, Reinforce, TwoStageMDP
        >>> from dstheory.dynamics import compare
        >>> start = Policy.minimal(p=0.55, a=0.8, b=0.3)
        >>> figure = simulation_figure(compare(TwoStageMDP.minimal(), start, {"reward": Reinforce()}, steps=2))
        >>> [axes.get_title() for axes in figure.axes[3:]]
        ['final accuracy', 'Fisher energy at the start', 'accuracy gain, by stage']
    """
    names = list(comparison.results)
    with matplotlib.rc_context(RC):
        narrow = in_column()
        height = 5.38 if narrow else 3.72  # of the panels together
        figure = Figure(figsize=figure_size(7.2, height))
        grid = figure.subplots(*((3, 2) if narrow else (2, 3))).reshape(-1)
        for axes, variable, label in (
            *((grid[i], name, label) for i, (name, label) in enumerate(RATES.items())),
            (grid[3], "accuracy", "final accuracy"),
        ):
            _curves(axes, comparison, variable)
            axes.set_title(label, y=1.0)
            axes.set_xlabel("training step")
        _one_scale(grid[:4])
        handles, labels = grid[0].get_legend_handles_labels()
        _energies(grid[4], comparison, names)
        _gains(grid[5], comparison.gains, names)
        for axes in grid.flat:  # placed here, as titles are: matplotlib would measure all labels of ticks to find these places
            axes.xaxis.set_label_coords(0.5, -0.19 if narrow else -0.16)
            axes.yaxis.set_label_coords(-0.16, 0.5)
        labels, columns, lines = legend_lines(labels, figure.get_figwidth(), most=2 if narrow else 4)
        figure.legend(handles, labels, loc="lower center", ncols=columns, frameon=False, borderaxespad=0.3)
        if any(np.ndim(result.log["p"]) > 1 for result in comparison.results.values()):
            title = f"{title} (median; shaded: middle 80 % of the runs)".lstrip()
        title = in_lines(figure_text(title, longest=200), figure.get_figwidth()) if title else ""
        # What a layout engine finds by drawing everything once more: inches for titles, labels, and the legend's lines.
        above = 0.24 + (0.1 + 0.145 * (title.count("\n") + 1) if title else 0.0)
        below = 0.54 + 0.19 * lines
        whole = above + height + below
        figure.set_figheight(whole)
        if title:
            figure.suptitle(title, fontsize=9, y=1 - 0.07 / whole)
        left, right, beside, apart = (0.15, 0.96, 0.42, 0.5) if narrow else (0.066, 0.973, 0.3, 0.44)
        figure.subplots_adjust(left=left, right=right, top=1 - above / whole, bottom=below / whole, wspace=beside, hspace=apart)
    return figure


def _curves(axes: Axes, comparison: Comparison, variable: str) -> None:
    for i, (name, result) in enumerate(comparison.results.items()):
        look = {"color": PALETTE[i % len(PALETTE)], "linestyle": DASHES[i % len(DASHES)]}
        curve(axes, result.log["step"], result.log[variable], label=f"{i + 1}: {figure_text(name)}", **look)
    axes.margins(x=0)
    axes.set_xlim(0, max(int(result.log["step"][-1]) for result in comparison.results.values()) or 1)  # also without a curve
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))  # there is no step 0.2
    tidy(axes)


def _one_scale(panels: Iterable[Axes]) -> None:
    """Give probabilities that are compared one scale; a panel without curves has all, and says why."""
    drawn = {axes: np.concatenate([np.asarray(line.get_ydata()) for line in axes.get_lines()]) for axes in panels}
    shown = np.concatenate(list(drawn.values()))
    for axes, data in drawn.items():
        some = np.isfinite(data).any()
        axes.set_ylim(*(max(0.0, np.nanmin(shown) - 0.03), min(1.01, np.nanmax(shown) + 0.03)) if some else (0.0, 1.01))
        if not some:
            axes.text(0.5, 0.5, "no such decision", transform=axes.transAxes, ha="center", va="center", fontsize=8, color="0.4")


def _energies(axes: Axes, comparison: Comparison, names: list[str]) -> None:
    """Stage energies at the start on a logarithmic scale: their distance is the imbalance; 0 has no place there."""
    logs = (result.log["energy"][0, ..., -1, :] for result in comparison.results.values())  # of the total, which comes last
    energy = np.array([np.median(log, axis=tuple(range(log.ndim - 1))) for log in logs])
    known = np.log10(energy[np.isfinite(energy) & (energy > 0)])
    highest = float(known.max()) if known.size else -2.5
    # No axis has room for hundreds of decades: energies of rounding size beside others are written at the edge, as 0 is.
    there = np.isfinite(energy) & (energy >= 10.0 ** (highest - _DECADES))
    floor = float(np.log10(energy[there]).min() if there.any() else highest) - 0.5
    for i, (pair, inside) in enumerate(zip(energy, there, strict=True)):
        colour = PALETTE[i % len(PALETTE)]
        axes.plot(np.full(inside.sum(), i), np.log10(pair[inside]), color=colour, linewidth=1.2, alpha=0.6)
        # The dot is smaller than the diamond and above it, so both are seen where they are equal.
        for x, place, (look, face, size) in zip(pair, inside, (("o", colour, 3.5), ("D", "white", 7)), strict=True):
            if place:
                axes.plot(i, np.log10(x), marker=look, color=colour, markerfacecolor=face, markersize=size,
                          zorder=2 if look == "D" else 3)  # fmt: skip
        beside = min(9.0, 60 / len(names)) if inside.any() else 0.0
        axes.annotate(unplaced(pair, inside), (i, 0.0), xycoords=("data", "axes fraction"), xytext=(beside, 3),
                      textcoords="offset points", rotation=90, ha="center", va="bottom", fontsize=6)  # fmt: skip
    high = highest + (0.7 if in_column() else 0.3) * (highest - floor)  # room for the legend above
    low = min(floor - 0.2, np.floor(high) - 1.0)  # two powers of ten at least, to read a scale from
    axes.set_ylim(low, high)
    mark(axes, by_decades(axes.yaxis, low, high), size=2, width=0.6)
    _by_objective(axes, names)
    axes.set_title("energy at start" if in_column() else "Fisher energy at the start", y=1.0)
    axes.plot([], [], "o", color="0.3", markersize=3.5, label="sampling")
    axes.plot([], [], "D", color="0.3", markersize=7, markerfacecolor="white", label="decisions")
    axes.legend(loc="upper left", frameon=False, ncols=1 if in_column() else 2, handletextpad=0.2, columnspacing=0.9)
    tidy(axes)


def _by_objective(axes: Axes, names: list[str]) -> None:
    every = -(-len(names) // (6 if in_column() else 14))
    axes.set_xticks(range(0, len(names), every), [str(i + 1) for i in range(0, len(names), every)])
    axes.set_xlabel("objective")
    axes.set_xlim(-0.6, len(names) - 0.4)


def _gains(axes: Axes, gains: dict[str, GainSplit], names: list[str]) -> None:
    """Accuracy gain of each condition, stacked by stage; a stage that cost accuracy goes below zero."""
    for i, name in enumerate(names):
        colour = PALETTE[i % len(PALETTE)]
        sample, decide = (float(np.median(part)) for part in (gains[name].sample, gains[name].decide))
        base = sample if sample * decide > 0 else 0.0
        axes.bar(i, sample, color=colour, width=0.62)
        axes.bar(i, decide, bottom=base, color="white", edgecolor=colour, hatch=HATCH, width=0.62, linewidth=1.0)
    axes.bar(0, 0, color="0.4", label="sampling")
    axes.bar(0, 0, color="white", edgecolor="0.4", hatch=HATCH, label="decisions")
    axes.axhline(0, color="0.2", linewidth=0.8)
    _by_objective(axes, names)
    axes.set_title("gain, by stage" if in_column() else "accuracy gain, by stage", y=1.0)
    axes.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter("{x:g}")  # a power of ten that all have in common would stand in the title
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + (0.6 if in_column() else 0.3) * (high - low))  # room for the legend above the bars
    axes.legend(loc="upper right", frameon=False, ncols=1 if in_column() else 2, handletextpad=0.4, columnspacing=0.9)
    tidy(axes)

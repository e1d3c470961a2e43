"""The figure of `dstheory simulate`: what each objective does to sampling, to decisions and to accuracy, and whose gain it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dstheory.chain.gain import GainSplit
from dstheory.plots.style import DASHES, PALETTE, RC, tidy

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["simulation_figure"]


def simulation_figure(history: xr.Dataset, gains: dict[str, GainSplit], *, title: str = "") -> Figure:
    """Draw p, a, b and accuracy over training, the stage energies at the start, and the split of each gain.

    Args:
        history: dims condition, step (, run), as made by :func:`dstheory.dynamics.compare`; with runs the median is drawn and
            the middle 80 % shaded.
        gains: the split of each condition's gain.
        title: over the whole figure.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(7.2, 4.9), layout="constrained")
        grid = figure.subplots(2, 3)
        names = [str(n) for n in history.condition.values]
        for axes, variable, label in (
            (grid[0, 0], "p", "$p$ = P(correct)"),
            (grid[0, 1], "a", "$a$ = P(stop | correct)"),
            (grid[0, 2], "b", "$b$ = P(resample | wrong)"),
            (grid[1, 0], "accuracy", "final accuracy"),
        ):
            _curves(axes, history, variable, names)
            axes.set_title(label)
            axes.set_xlabel("step")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        _energies(grid[1, 1], history, names)
        _gains(grid[1, 2], gains, names)
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(names)), frameon=False)
        if title:
            figure.suptitle(title, fontsize=10)
    return figure


def _curves(axes: Axes, history: xr.Dataset, variable: str, names: list[str]) -> None:
    runs = [d for d in history[variable].dims if str(d).startswith("run")]
    for i, name in enumerate(names):
        data = history[variable].sel(condition=name)
        line = data.median(dim=runs) if runs else data
        style = {"color": PALETTE[i % len(PALETTE)], "linestyle": DASHES[i % len(DASHES)]}
        axes.plot(history.step, line, label=name, **style)
        if runs:
            low, high = data.quantile(0.1, dim=runs), data.quantile(0.9, dim=runs)
            axes.fill_between(history.step, low, high, color=style["color"], alpha=0.15, linewidth=0)
    values = history[variable].values
    bottom = max(0.0, float(np.nanmin(values)) - 0.03)
    axes.set_ylim(bottom, min(1.01, float(np.nanmax(values)) + 0.03))
    axes.margins(x=0)
    tidy(axes)


def _energies(axes: Axes, history: xr.Dataset, names: list[str]) -> None:
    """Stage energies at the start on a logarithmic scale: their distance is the imbalance."""
    energy = history.energy.sel(component="total").isel(step=0)
    runs = [d for d in energy.dims if str(d).startswith("run")]
    if runs:
        energy = energy.median(dim=runs)
    finite = energy.values[np.isfinite(energy.values) & (energy.values > 0)]
    # Energies of rounding size beside others share the bottom line: no axis has room for hundreds of decades.
    floor = max(float(finite.min()), 1e-15 * float(finite.max())) / 3 if finite.size else 1e-3
    for i, name in enumerate(names):
        colour = PALETTE[i % len(PALETTE)]
        sample, decide = (float(energy.sel(condition=name, stage=s)) for s in ("sample", "decide"))
        axes.plot([i, i], [max(sample, floor), max(decide, floor)], color=colour, linewidth=1.2, alpha=0.6)
        axes.plot(i, max(sample, floor), marker="o", color=colour, markersize=6)
        axes.plot(i, max(decide, floor), marker="D", color=colour, markerfacecolor="white", markersize=6)
    axes.set_yscale("log")
    axes.set_ylim(floor / 1.6, None)
    axes.set_xticks([])
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_title("Fisher energy at the start")
    axes.plot([], [], "o", color="0.3", label="sampling")
    axes.plot([], [], "D", color="0.3", markerfacecolor="white", label="decision")
    axes.legend(loc="best", frameon=False, handletextpad=0.2)
    tidy(axes)


def _gains(axes: Axes, gains: dict[str, GainSplit], names: list[str]) -> None:
    """Accuracy gain of each condition, stacked by stage; a stage that cost accuracy goes below zero."""
    for i, name in enumerate(names):
        colour = PALETTE[i % len(PALETTE)]
        sample, decide = (float(np.median(part)) for part in (gains[name].sample, gains[name].decide))
        base = sample if sample * decide > 0 else 0.0
        axes.bar(i, sample, color=colour, width=0.62)
        axes.bar(i, decide, bottom=base, color="white", edgecolor=colour, hatch="////", width=0.62, linewidth=1.0)
    axes.bar(0, 0, color="0.4", label="sampling")
    axes.bar(0, 0, color="white", edgecolor="0.4", hatch="////", label="decision")
    axes.axhline(0, color="0.2", linewidth=0.8)
    axes.set_xticks([])
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_title("accuracy gain, by stage")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.3 * (high - low))  # room for the legend above the bars
    axes.legend(loc="upper right", frameon=False, ncols=2, handletextpad=0.4, columnspacing=0.9)
    tidy(axes)

"""What length weight costs the decision, one mechanism per panel: later, never, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from dstheory.plots.style import DASHES, PALETTE, RC, tidy

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["mechanisms_figure"]


def mechanisms_figure(data: xr.Dataset, titles: Sequence[str], *, budget: int, expert: float) -> Figure:
    """Draw b over training on a logarithmic axis, one panel per mechanism, one curve per length weight.

    A mechanism that slows decisions shifts a curve to the right; one that moves the optimum ends it on another level.

    Args:
        data: dims mechanism, step, length_weight, with ``b``, and ``end``, its value in the end (see
            ``sims/length_weight_mechanisms.py``).
        titles: one per mechanism.
        budget: the step at which training is looked at, marked in every panel.
        expert: the demonstrator's b, marked in every panel.
    """
    with matplotlib.rc_context(RC):
        rows = -(-len(titles) // 4)
        figure = Figure(figsize=(7.2, 2.0 * rows + 0.6), layout="constrained")
        grid = figure.subplots(rows, 4, sharex=True, sharey=True, squeeze=False)
        for i, (axes, title) in enumerate(zip(grid.flat, titles, strict=False)):
            _panel(axes, data.isel(mechanism=i), budget, expert)
            axes.set_title(f"({chr(ord('a') + i)}) {title}", loc="left")
        for axes in grid.flat[len(titles) :]:
            axes.set_axis_off()
        for axes in grid[-1]:
            axes.set_xlabel("step")
        for axes in grid[:, 0]:
            axes.set_ylabel("$b$ = P(resample | wrong)")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def _panel(axes: Axes, data: xr.Dataset, budget: int, expert: float) -> None:
    late = data.where(data.step > 0, drop=True)
    for i, weight in enumerate(data.length_weight.values):
        label = rf"$\lambda$ = {weight:g}"
        axes.plot(late.step, late.b.isel(length_weight=i), color=PALETTE[i], linestyle=DASHES[i], label=label)
    axes.axhline(expert, color="0.35", linewidth=0.8, linestyle=(0, (1, 2)), label="demonstrator")
    axes.axvline(budget, color="0.35", linewidth=0.8, label=f"step {budget}")
    axes.set_xscale("log")
    axes.set_xlim(1, float(data.step[-1]))
    axes.set_ylim(0.0, 1.0)
    axes.xaxis.set_major_locator(LogLocator(numticks=9))
    now, finally_ = (float(part[0] - part[-1]) + 0.0 for part in (data.b.sel(step=budget), data.end))
    high = float(late.b.isel(step=-1).max()) < 0.6  # where the curves leave room
    axes.text(0.97, 0.86 if high else 0.06, f"lost: {now:.2f}\nin the end: {abs(finally_):.2f}", transform=axes.transAxes,
              ha="right", va="top" if high else "bottom", fontsize=7.5,
              bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0})  # fmt: skip
    tidy(axes)

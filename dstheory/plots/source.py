"""The source's simulation, redrawn: what a reward does to sampling depends on what is rewarded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure

from dstheory.plots.style import DASHES, PALETTE, RC, tidy

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["source_figure"]


def source_figure(data: xr.Dataset) -> Figure:
    """Draw, for each kind of reward (rows): probabilities, the reward's gradient on each logit, and accuracy.

    Args:
        data: dims reward, step, logit, with p, a, b, accuracy and reward_gradient (see ``sims/source_figure.py``).
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        grid = figure.subplots(len(data.reward), 3, sharex=True, squeeze=False)
        names = {"p": "$p$ = P(correct)", "a": "$a$ = P(stop | correct)", "b": "$b$ = P(resample | wrong)"}
        for i, kind in enumerate(data.reward.values):
            row = data.sel(reward=kind)
            chances, slopes, accuracy = grid[i]
            for j, (name, label) in enumerate(names.items()):
                chances.plot(data.step, row[name], color=PALETTE[j], linestyle=DASHES[j], label=label)
            for j, (logit, label) in enumerate(
                zip(data.logit.values, (r"$\theta_s$", r"$\theta_C$", r"$\theta_W$"), strict=True)
            ):
                slopes.plot(data.step, row.reward_gradient.sel(logit=logit), color=PALETTE[j], linestyle=DASHES[j], label=label)
            accuracy.plot(data.step, row.accuracy, color=PALETTE[6])
            slopes.axhline(0.0, color="0.3", linewidth=0.8)
            chances.set_ylabel(str(kind))
            chances.set_ylim(0.4, 1.02)
            accuracy.set_ylim(0.75, 1.01)
            slopes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
            for axes in grid[i]:
                axes.margins(x=0)
                tidy(axes)
        for axes, title in zip(grid[0], ("probabilities", "gradient of the reward", "final accuracy"), strict=True):
            axes.set_title(title)
        for axes in grid[-1]:
            axes.set_xlabel("step")
        handles = [*grid[0, 0].get_legend_handles_labels()[0], *grid[0, 1].get_legend_handles_labels()[0]]
        labels = [*grid[0, 0].get_legend_handles_labels()[1], *grid[0, 1].get_legend_handles_labels()[1]]
        merged = [f"{label}, {logit}" for label, logit in zip(labels[:3], labels[3:], strict=True)]
        figure.legend(handles[:3], merged, loc="outside lower center", ncols=3, frameon=False)
    return figure

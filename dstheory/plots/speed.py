"""How long a decision takes to learn, against the length weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from dstheory.plots.style import DASHES, PALETTE, RC, tidy

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["decision_speed_figure"]

_MARKERS = "os^D"


def decision_speed_figure(data: xr.Dataset) -> Figure:
    """Draw the number of steps that a decision takes, one panel per reduction, one curve per optimiser.

    Args:
        data: ``steps`` with dims reduction, optimizer, length_weight; NaN where the decision did not get there.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(7.2, 2.9), layout="constrained")
        panels = figure.subplots(1, len(data.reduction), sharey=True, squeeze=False)[0]
        for axes, reduction, letter in zip(panels, data.reduction.values, "abcd", strict=False):
            for i, name in enumerate(data.optimizer.values):
                steps = data.steps.sel(reduction=reduction, optimizer=name)
                axes.plot(
                    data.length_weight, steps, color=PALETTE[i], linestyle=DASHES[i],
                    marker=_MARKERS[i], markevery=(i, 4), markersize=4.5, label=str(name),
                    markerfacecolor=PALETTE[i] if i % 2 else "white",
                )  # fmt: skip
            axes.set_yscale("log")
            axes.yaxis.set_minor_locator(LogLocator(subs=[]))
            axes.set_xlabel(r"length weight $\lambda$")
            axes.set_title(f"({letter}) {reduction}", loc="left")
            tidy(axes)
        panels[0].set_ylabel(data.steps.attrs.get("long_name", "steps"))
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure

"""Stage energy against the length of answers: rewards are intensive, log-likelihoods extensive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from numpy.typing import ArrayLike

from dstheory.plots.style import DASHES, PALETTE, RC, tidy

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["energy_figure", "fitted_slope"]

_MARKERS = "osD^"
_STAGES = {"sample": "sampling stage", "decide": "decision stage"}


def fitted_slope(length: ArrayLike, energy: ArrayLike) -> float:
    r"""Return the least-squares slope of log energy against log length: k where the energy grows like :math:`L^k`.

    Raises:
        ValueError: fewer than two lengths, or a number that has no logarithm.

    >>> round(fitted_slope([1, 2, 4, 8], [3.0, 12.0, 48.0, 192.0]), 12)
    2.0
    """
    x, y = np.asarray(length, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    if x.size < 2 or not (x > 0).all() or not ((y > 0) & np.isfinite(y)).all():
        raise ValueError(f"a slope needs two or more lengths and positive, finite energies; got {x.size} lengths, energies {y}")
    x, y = np.log(x), np.log(y)
    return float(((x - x.mean()) * (y - y.mean())).sum() / np.square(x - x.mean()).sum())


def energy_figure(data: xr.Dataset, *, fit_from: float = 1.0) -> Figure:
    """Draw both stages' energies against the number of tokens of an answer, with fitted slopes in the legends.

    Args:
        data: ``energy`` with dims objective, stage (``sample``, ``decide``), length.
        fit_from: slopes are fitted over lengths of at least this.

    Raises:
        ValueError: an energy that is zero, negative or infinite: it has no place on a logarithmic axis.
    """
    with matplotlib.rc_context(RC):
        # The width of one column: type is at the size at which it will be read.
        figure = Figure(figsize=(3.5, 4.9), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, stage, letter in zip(panels, _STAGES, "ab", strict=True):
            _curves(axes, data.energy.sel(stage=stage), fit_from)
            axes.set_title(f"({letter}) {_STAGES[stage]}", loc="left")
            axes.set_ylabel(rf"Fisher energy $e_{stage[0]}$")
        panels[-1].set_xlabel("tokens per answer $L$")
    return figure


def _curves(axes: Axes, energy: xr.DataArray, fit_from: float) -> None:
    length = energy.length.values
    fitted = length >= fit_from
    for i, name in enumerate(energy.objective.values):
        values = energy.sel(objective=name).values
        slope = fitted_slope(length[fitted], values[fitted])
        axes.plot(
            length, values, color=PALETTE[i], linestyle=DASHES[i], marker=_MARKERS[i], markersize=3.6, markeredgewidth=0.9,
            markerfacecolor="white" if i % 2 else PALETTE[i], label=f"{name}: {abs(slope) if abs(slope) < 5e-3 else slope:.2f}",
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(length[:: max(1, len(length) // 5)])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(LogLocator(subs=[]))
    # Curves start together at the left and fan out to the right: the legend has the room above their start.
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.3)
    over = f", fitted over $L \\geq {fit_from:g}$" if fit_from > length.min() else ""
    legend = axes.legend(
        loc="upper left", frameon=False, title=f"slope{over}", handlelength=2.6, borderaxespad=0.2, labelspacing=0.3
    )
    legend.get_title().set_fontsize(8)
    legend._legend_box.align = "left"  # type: ignore[attr-defined]
    tidy(axes)

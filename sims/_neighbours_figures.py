"""Figures of the related works: drifting confidence, early rejection, majorities of verifiers, accuracy round by round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator

from dstheory.plots.style import DASHES, MARKERS, PALETTE, RC, legend_below, row_figure, tidy

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


def confidence_figure(data: xr.Dataset) -> Figure:
    """Draw the mean stated confidence during training, with and without division by the group's standard deviation.

    Args:
        data: ``confidence`` with dims chance, scaled, step.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(2, 2.5)
        titles = ("(a) reward as it is", "(b) divided by the group's std")
        for axes, scaled, title in zip(panels, (False, True), titles, strict=True):
            tidy(axes)
            for i, q in enumerate(data.chance.values):
                line = data.confidence.sel(chance=q, scaled=scaled)
                axes.plot(data.step, line, color=PALETTE[i], linestyle=DASHES[i % len(DASHES)], label=f"$q={q:g}$")
                axes.plot(data.step[-1], q, "o", color=PALETTE[i], markerfacecolor="white", clip_on=False)
            axes.plot([], [], "o", color="0.3", markerfacecolor="white", label="calibrated")
            axes.set_title(title, loc="left")
            axes.set_xlabel("time of the natural-gradient flow")
            axes.set_ylim(0, 1)
            axes.set_ylabel("mean stated confidence")
            axes.label_outer()
        legend_below(figure, title="chance of yes")
    return figure


def rejection_figure(data: xr.Dataset) -> Figure:
    """Draw the probability that partial scores mislead, exactly and by the bounds.

    Args:
        data: ``log_not_ahead``, ``log_behind``, ``log_bound``, ``log_plain_bound`` (natural logarithms) with dims better, tau.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(len(data.better), 2.5)
        lines = (
            ("log_plain_bound", r"$e^{-\tau(p_1-p_2)^2/2}$"),
            ("log_bound", r"$M^\tau$, best exponential bound"),
            ("log_not_ahead", "not ahead, exact"),
            ("log_behind", "behind, exact"),
        )
        for axes, p, letter in zip(panels, data.better.values, "abcd", strict=False):
            tidy(axes)
            for i, (name, label) in enumerate(lines):
                axes.plot(data.tau, np.exp(data[name].sel(better=p)), color=PALETTE[i], linestyle=DASHES[i], label=label)
            axes.set_title(f"({letter}) $p_1={p:g},\\ p_2={1 - p:.2g}$", loc="left")
            axes.set_xlabel(r"tokens seen $\tau$")
            axes.set_yscale("log")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set_ylabel("probability")
            axes.label_outer()
        legend_below(figure)
    return figure


def majority_figure(data: xr.Dataset) -> Figure:
    """Draw the gradient factor of a majority of verifiers against their number.

    Args:
        data: ``factor`` with dims verifier, n; the coordinate ``verifier`` holds texts.
    """
    with matplotlib.rc_context(RC):
        figure, (axes,) = row_figure(1, 2.6, width=4.4)
        tidy(axes)
        axes.axhline(0.0, color="black", linewidth=0.8)
        for i, name in enumerate(data.verifier.values):
            axes.plot(
                data.n, data.factor.sel(verifier=name), color=PALETTE[i], linestyle=DASHES[i % len(DASHES)], marker=MARKERS[i],
                markersize=3.5, markevery=max(1, len(data.n) // 8), label=str(name),
            )  # fmt: skip
        axes.set_xscale("log")
        counts = data.n.values[np.unique(np.searchsorted(data.n.values, np.geomspace(data.n[0], data.n[-1], 6)))]
        axes.set_xticks(counts, [f"{n:,}" for n in counts])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(-1.05, 1.05)
        axes.set_xlabel("number of verifiers $n$ (odd)")
        axes.set_ylabel("gradient factor $1-r_0-r_1$")
        legend_below(figure, title="$r_0,\\ r_1$ of one")
    return figure


def curves_figure(data: xr.Dataset) -> Figure:
    """Draw realised and predicted accuracy by round, one panel per log.

    Args:
        data: ``realised`` with its interval, ``low`` to ``high``, with dims log, round (NaN beyond a log's rounds); ``predicted``
            with dims log, predictor, round.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(len(data.log), 2.5)
        for axes, log, letter in zip(panels, data.log.values, "abcdef", strict=False):
            tidy(axes)
            part = data.sel(log=log)
            interval = [part.realised - part.low, part.high - part.realised]
            axes.errorbar(part["round"], part.realised, yerr=interval, fmt="o", color="black", markersize=3.5,
                          linewidth=1.0, label="realised", zorder=3)  # fmt: skip
            for i, name in enumerate(data.predictor.values):
                axes.plot(part["round"], part.predicted.sel(predictor=name), color=PALETTE[i], linestyle=DASHES[i % len(DASHES)],
                          label=str(name))  # fmt: skip
            axes.set_title(f"({letter}) {log}", loc="left")
            axes.set_xlabel("round $t$")
            axes.set_ylabel("accuracy if submitted then")
            axes.label_outer()
        legend_below(figure, most=3)
    return figure

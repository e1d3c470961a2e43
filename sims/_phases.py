"""Phase diagrams: whose gain it is, where reflection helps, and where a reward makes it pay to be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from dstheory.plots.style import DASHES, PALETTE, RC, in_column, row_figure

if TYPE_CHECKING:
    import xarray as xr

# Perceptually even, and the same to eyes that confuse red and green; the diverging one goes from brown over white to blue-green.
_SEQUENTIAL, _DIVERGING = "cividis", "BrBG"
_STROKE = [withStroke(linewidth=1.8, foreground="white")]


def decision_share_figure(data: xr.Dataset) -> Figure:
    """Draw the decisions' share of the accuracy gain over length and strength of the penalty, one panel per reference.

    Args:
        data: ``share`` and ``gain`` with dims reference, beta, weighted_length.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(len(data.reference), 3.3, column=2.3)
        for axes, name, letter in zip(panels, data.reference.values, "abcd", strict=False):
            part = data.sel(reference=name)
            axes.set_xscale("log", base=2)  # before the contours, whose labels are placed on the scale that they find
            axes.set_yscale("log")
            shade = _field(axes, part.share, vmin=0.0, vmax=1.0, cmap=_SEQUENTIAL)
            levels = [0.25, 0.5, 0.75, 0.9, 0.99]
            _lines(axes, part.share, levels, colors="white", fmt="%g", at=_crossings(part.share, levels))
            _lines(axes, part.gain, [0.1], colors="black", fmt="gain %g", at=_apart(part.gain, 0.1, part.share),
                   linestyles=[DASHES[1]], linewidths=1.6)  # fmt: skip
            axes.set_xlim(float(part.weighted_length[0]), float(part.weighted_length[-1]))
            axes.set_ylim(float(part.beta[0]), float(part.beta[-1]))
            axes.set_title(f"({letter}) {name}", loc="left")
            axes.set_xlabel(r"weighted length $w_s=l_s^\lambda$")
            axes.set_ylabel(r"strength of the penalty $\beta$")
            axes.label_outer()
        figure.colorbar(shade, ax=panels, label="decisions' share of the accuracy gain", pad=0.01)
    return figure


def reflection_gain_figure(data: xr.Dataset) -> Figure:
    """Draw what reflection adds to the accuracy over both decision probabilities, one panel per P(correct).

    Args:
        data: ``gain`` with dims p, b, a.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(len(data.p), 2.55, column=2.2)
        for axes, p, letter in zip(panels, data.p.values, "abcd", strict=False):
            part = data.gain.sel(p=p)
            shade = _field(axes, part, norm=_signed_roots(1.0), cmap=_DIVERGING)
            levels = [gain for gain in (-0.4, -0.2, -0.1, 0.05, 0.1, 0.2, 0.4) if 0 < p + gain < 1 and (gain != 0.05 or p > 0.8)]
            _unit_square(axes)
            _lines(axes, part, levels, colors="0.25", fmt="%+g", at=[_on_odds_line(float(p), gain) for gain in levels])
            axes.plot([0, 1], [1, 0], color="black", linewidth=1.6)
            axes.plot(1, 0, marker="o", markersize=6, markerfacecolor="white", markeredgecolor="black", clip_on=False, zorder=5)
            axes.annotate("$a+b=1$", (0.5, 0.5), rotation=-45, rotation_mode="anchor", ha="center", va="bottom",
                          xytext=(1.5, 1.5), textcoords="offset points", fontsize=8, path_effects=_STROKE)  # fmt: skip
            axes.set_title(f"({letter}) $p={p:g}$", loc="left")
        figure.colorbar(shade, ax=panels, label="Acc $-$ $p$, square-root scale", pad=0.01, shrink=0.88,
                        ticks=[-1, -0.5, -0.1, 0, 0.1, 0.5, 1])  # fmt: skip
    return figure


def sabotage_figure(data: xr.Dataset, *, gamma: float) -> Figure:
    """Draw where a reward pushes P(correct) down: the gradient with its zero line, and the boundaries for many settings.

    Args:
        data: ``slope`` with dims b, a; ``boundary`` (b as a function of a, here edge) with dims gamma, edge; ``threshold`` (the
            bonus at which the gradient vanishes) with dims b, a.
        gamma: the discount of ``slope`` and ``threshold``, named in their titles.
    """
    with matplotlib.rc_context(RC):
        figure, (first, second, third) = row_figure(3, 3.45, column=2.2)
        for axes in figure.axes:
            _unit_square(axes)
        top = float(np.abs(data.slope).max())
        shade = _field(first, data.slope, norm=_signed_roots(top), cmap=_DIVERGING)
        near = data.boundary.sel(gamma=gamma)
        first.plot(near.edge, near, color="black", linewidth=1.6)
        _say(first, 0.4, 0.8, "being wrong pays:\n$p$ is pushed down")
        _say(first, 0.6, 0.2, "being right pays:\n$p$ is pushed up")
        first.set_title(rf"(a) gradient, $\gamma={gamma:g}$", loc="left")
        ticks = [tick for tick in (-2, -0.5, 0, 0.5, 2) if abs(tick) <= top]
        bar = figure.colorbar(shade, ax=[first, second, third], location="right" if in_column() else "bottom", shrink=0.32,
                              anchor=(0.0, 1.0), aspect=18, pad=0.03, ticks=ticks)  # fmt: skip
        bar.set_label(r"(a) $\partial V/\partial\theta_s$, square-root scale")

        for i, g in enumerate(data.gamma.values):
            line = data.boundary.sel(gamma=g)
            second.plot(line.edge, line, color=PALETTE[i], linestyle=DASHES[i % len(DASHES)], label=rf"$\gamma={g:g}$")
        second.set_title("(b) boundary of the region", loc="left")
        second.legend(loc="upper left", framealpha=0.9, edgecolor="none", handlelength=2.4, borderaxespad=0.2)

        bonus = [0.2, 0.5, 1.0, 2.0, 5.0]
        places = [(0.6, 0.6 / (eta * (1 - gamma * 0.4) + gamma * 0.6)) for eta in bonus]  # on each line, at a = 0.6
        _lines(third, data.threshold, bonus, colors=[PALETTE[0]], fmt=r"$\eta=%g$", at=places, linewidths=1.6)
        third.set_title(rf"(c) bonus $\eta$ needed, $\gamma={gamma:g}$", loc="left")
        for axes in (second, third):
            axes.grid(visible=True, alpha=0.25, linewidth=0.6)
    return figure


def _signed_roots(top: float) -> FuncNorm:
    """Return a scale by signed square roots, for what spans orders of magnitude and whose sign is what matters."""
    return FuncNorm((lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda x: np.sign(x) * x**2), vmin=-top, vmax=top)


def _crossings(share: xr.DataArray, levels: list[float]) -> list[tuple[float, float]]:
    """Return where each level is last crossed at a strong penalty: there the lines stand apart."""
    row = share.interp(beta=4.5)
    found = []
    for level in levels:
        below = np.flatnonzero(row.values[:-1] < level)
        if below.size:
            part = row[below[-1] : below[-1] + 2]
            found.append((float(np.interp(level, part, part.weighted_length)), float(row.beta)))
    return found


def _apart(table: xr.DataArray, level: float, other: xr.DataArray) -> list[tuple[float, float]]:
    """Return where a level is crossed, going up, and another table changes least: there its lines are far away."""
    columns = table.weighted_length.values
    slope = np.hypot(*np.gradient(other.values))
    inner = range(len(columns) // 4, len(columns) - len(columns) // 4)
    found = [(slope[:, i][row[-1]], i, row[-1]) for i in inner if (row := np.flatnonzero(table.values[:, i] > level)).size]
    return [(float(columns[i]), float(table.beta[j])) for _, i, j in sorted(found)[:1]]


def _on_odds_line(p: float, gain: float) -> tuple[float, float]:
    """Return a point (a, b) at which reflection gains this much: a/(1-b) multiplies the odds."""
    factor = (p + gain) / (1 - p - gain) * (1 - p) / p
    return (0.6, 1 - 0.6 / factor) if gain > 0 else (0.7 * factor, 0.3)


def _field(axes: Axes, table: xr.DataArray, **style: Any) -> Any:
    """Shade a table (rows upwards); its pixels are stored as an image in vector formats."""
    rows, columns = table.dims
    return axes.pcolormesh(table[columns], table[rows], table, shading="nearest", rasterized=True, **style)


def _lines(
    axes: Axes,
    table: xr.DataArray,
    levels: list[float],
    *,
    colors: Any,
    fmt: str,
    at: list[tuple[float, float]] | None = None,
    linewidths: float = 0.9,
    linestyles: Any = None,
) -> None:
    """Draw level lines with their values on them, near the points ``at`` or where there is room."""
    rows, columns = table.dims
    lines = axes.contour(
        table[columns], table[rows], table, levels=levels, colors=colors, linewidths=linewidths, linestyles=linestyles
    )
    dark = colors == "white"
    if colors in ("white", "black"):  # on any shade
        lines.set_path_effects([withStroke(linewidth=linewidths + 0.7, foreground="0.25" if dark else "white")])
    for label in axes.clabel(lines, fmt=fmt, fontsize=7.5, inline_spacing=3, manual=at if at else False):
        label.set_color("white" if dark else "black")
        label.set_path_effects([withStroke(linewidth=1.6, foreground="0.2" if dark else "white")])


def _say(axes: Axes, x: float, y: float, text: str) -> None:
    axes.text(x, y, text, ha="center", va="center", fontsize=8, path_effects=_STROKE)


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, ["0", "", "0.5", "", "1"])
    axes.set_yticks(ticks, ["0", "", "0.5", "", "1"])
    axes.set_xlabel("$a$ = P(stop | correct)")
    axes.set_ylabel("$b$ = P(resample | wrong)")
    axes.label_outer()

"""Pictures of single results: what their method ``plot`` returns, and what their commands draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dstheory.anatomy.surveys import Survey
from dstheory.attribution import Attribution
from dstheory.chain.exact import solve
from dstheory.checks import Floats
from dstheory.dynamics.soft_optimum import Optimum
from dstheory.dynamics.training import TrainResult
from dstheory.errors import DSTheoryError
from dstheory.plots.anatomy import anatomy_figure
from dstheory.plots.style import DASHES, MARKERS, PALETTE, RATES, STAGES, by_decades, curve, framed, tidy
from dstheory.readers.arrays import LabelledArrays
from dstheory.texts import figure_text

_TICKS = {"p": "p\ncorrect", "a": "a\nstop |\ncorrect", "b": "b\nresample |\nwrong", "accuracy": "final\naccuracy"}


@singledispatch
def picture(result: Any, *, title: str = "") -> Figure:
    """Return the picture of a result.

    Args:
        result: a training result, an attribution, a survey or an optimum.
        title: over the whole figure.

    Raises:
        DSTheoryError: there is no picture of such a result.
    """
    raise DSTheoryError(
        f"there is no picture of a {type(result).__name__}: there is one of training, attributions, surveys and optima"
    )


@picture.register
def _(result: Survey, *, title: str = "") -> Figure:
    return anatomy_figure(result, title=title)


@picture.register
def _(result: Attribution, *, title: str = "") -> Figure:
    return attribution_figure({result.objective: result}, title=title)


@picture.register
def _(result: Optimum, *, title: str = "") -> Figure:
    rates = solve(result.mdp, result.policy).rates()
    return rates_figure({"optimum": {name: float(np.median(rates[name])) for name in (*RATES, "accuracy")}}, title=title)


@picture.register
def _(result: TrainResult, *, title: str = "") -> Figure:
    # p, a, b and the accuracy over the steps.
    with framed(3.6, 2.6, title=title) as figure:
        axes = figure.subplots()
        step = result.log["step"]
        for i, (name, label) in enumerate({**RATES, "accuracy": "final accuracy"}.items()):
            curve(axes, step, result.log[name], color=PALETTE[i], linestyle=DASHES[i], label=label, marker=MARKERS[i],
                  markersize=4, markevery=max(1, len(step) // 8))  # fmt: skip
        axes.set_xlabel("training step")
        axes.set_ylabel("probability")
        axes.set_ylim(-0.04, 1.05)
        axes.margins(x=0.01)
        tidy(axes)
    return figure


def attribution_figure(found: Mapping[str, Attribution], *, title: str = "") -> Figure:
    """Draw, objective by objective, the two parts of the gradient's norm and of the Fisher energy, on one logarithmic scale."""
    with framed(7.2 if len(found) > 2 else 5.0, 2.2 + 0.12 * len(found), title=title) as figure:
        panels = figure.subplots(1, 2)
        for axes, level, unit in zip(panels, ("gradient", "energy"), ("norm of the gradient", "Fisher energy"), strict=True):
            parts = [getattr(one, level) for one in found.values()]
            _pairs(axes, [(float(np.median(part.sample)), float(np.median(part.decide))) for part in parts], list(found))
            axes.set_xlabel(unit)
            axes.tick_params(axis="x", labelsize=7)  # five decades beside each other in half a column
        panels[1].tick_params(labelleft=False)
    return figure


def _pairs(axes: Axes, pairs: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Draw two points per row on a logarithmic axis; what has no place there, 0 or no finite number, is written at the edge."""
    values = np.array(pairs, dtype=np.float64)
    known = values[np.isfinite(values) & (values > 0)]
    rows = np.arange(len(pairs))
    for j, (stage, marker) in enumerate((("sample", "o"), ("decide", "D"))):
        look = STAGES[stage]
        there = np.isfinite(values[:, j]) & (values[:, j] > 0)
        axes.plot(np.log10(values[there, j]), rows[there], marker, color=look["color"], markeredgecolor="0.2", markersize=6.5,
                  markerfacecolor=look["color"] if stage == "sample" else "white", label=look["label"])  # fmt: skip
    for row, pair in enumerate(values):
        words = [f"{STAGES[stage]['label']}: {x:g}" for stage, x in zip(STAGES, pair, strict=True) if not 0 < x < np.inf]
        text = f"both: {pair[0]:g}" if len(words) == 2 and f"{pair[0]:g}" == f"{pair[1]:g}" else "\n".join(words)
        axes.annotate(text, (0.0, row), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
                      fontsize=7, va="center")  # fmt: skip
    if known.size:
        low, high = float(np.floor(np.log10(known.min()) - 0.2)), float(np.ceil(np.log10(known.max()) + 0.2))
        axes.set_xlim(low, high)
        axes.set_xticks(by_decades(axes.xaxis, low, high), minor=True)
    axes.set_yticks(rows, [figure_text(name, longest=40) for name in names])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    tidy(axes)


def rates_figure(found: Mapping[str, Mapping[str, float]], *, title: str = "") -> Figure:
    """Draw p, a and b, and what else is named, of several policies side by side; categories are not joined.

    Args:
        found: policy -> name -> number between 0 and 1.
        title: over the figure.
    """
    names = list(next(iter(found.values())))
    with framed(max(3.6, 0.3 * len(names)), 2.6, title=title) as figure:
        axes = figure.subplots()
        for j, (policy, values) in enumerate(found.items()):
            at = np.arange(len(names)) + 0.22 * (j - (len(found) - 1) / 2)
            axes.plot(at, list(values.values()), MARKERS[j], color=PALETTE[j], markersize=4.5 if len(names) > 6 else 6.5,
                      markerfacecolor="white" if j else PALETTE[j],
                      label=figure_text(policy) if len(found) > 1 else None)  # fmt: skip
        upright = len(names) > 6
        axes.set_xticks(range(len(names)), [_TICKS.get(name, figure_text(name)) for name in names], rotation=90 * upright)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylabel("probability")
        axes.set_ylim(-0.04, 1.05)
        tidy(axes)
    return figure


def sweep_figure(data: LabelledArrays, *, title: str = "") -> Figure:
    """Draw p, a, b and accuracy over the longest axis; others are taken at their medians, the middle 80 % shaded over numbers."""
    dims = [name for name in data.variables["status"][0] if name != "step"]
    sizes = [np.size(data[name]) for name in dims]
    along = int(np.argmax(sizes))
    name, where = dims[along], np.asarray(data[dims[along]])
    numbers = where.dtype.kind in "fiu"
    finite = where[np.isfinite(where)] if numbers else where
    with framed(3.6, 2.8, title=title) as figure:
        axes = figure.subplots()
        x: Floats = where.astype(float) if numbers else np.arange(len(where), dtype=float)
        for i, (rate, label) in enumerate({**RATES, "accuracy": "final accuracy"}.items()):
            table = np.moveaxis(_at_the_end(data, rate, dims), along, 0).reshape(len(where), -1)
            some = np.isfinite(table).any(axis=1)
            middle = np.full(len(where), np.nan)
            middle[some] = np.nanmedian(table[some], axis=1)
            axes.plot(x, middle, color=PALETTE[i], marker=MARKERS[i], markersize=4.5, label=label,
                      linestyle=DASHES[i] if numbers else "none")  # fmt: skip
            if table.shape[1] > 1 and numbers and some.any():
                low, high = np.nanquantile(table[some], [0.1, 0.9], axis=1)
                axes.fill_between(x[some], low, high, color=PALETTE[i], alpha=0.15, linewidth=0)
        if numbers and finite.size > 2 and finite.min() > 0 and finite.max() / finite.min() > 30:
            axes.set_xscale("log")
        if not numbers:
            axes.set_xticks(x, [figure_text(str(label), longest=20) for label in where], rotation=20, ha="right")
        rest = sum(size > 1 for size in sizes) - 1
        more = "\nmedians over the others" if rest > 0 else ""
        more += ";\nshaded: the middle 80 %" if more and numbers else ""
        more += "\n(none has no place here)" if finite.size < where.size else ""  # it is inf: no cap, no bound, never
        axes.set_xlabel(figure_text(name.replace("_", " ")) + more)
        axes.set_ylabel("probability")
        axes.set_ylim(-0.04, 1.05)
        tidy(axes)
    return figure


def _at_the_end(data: LabelledArrays, name: str, dims: Sequence[str]) -> Floats:
    after = f"{name}_after"
    table = np.asarray(data[after if after in data.variables else name], dtype=np.float64)
    return table if table.ndim == len(dims) else table[..., -1]

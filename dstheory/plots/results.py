"""Pictures of single results: what their method ``plot`` returns, and what their commands draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dstheory.anatomy.surveys import Survey
from dstheory.attribution import Attribution
from dstheory.chain.exact import solve
from dstheory.checks import Floats
from dstheory.dynamics.conditions import Comparison
from dstheory.dynamics.soft_optimum import Optimum
from dstheory.dynamics.training import TrainResult
from dstheory.errors import DSTheoryError
from dstheory.plots.anatomy import anatomy_figure
from dstheory.plots.simulation import simulation_figure
from dstheory.plots.style import (
    DASHES,
    MARKERS,
    PALETTE,
    RATES,
    STAGES,
    beside,
    by_decades,
    curve,
    entitle,
    framed,
    in_column,
    in_lines,
    marker,
    tidy,
    unplaced,
)
from dstheory.readers.arrays import LabelledArrays
from dstheory.texts import figure_text

if TYPE_CHECKING:
    from xarray import Dataset

_TICKS = {"p": "p\ncorrect", "a": "a\nstop |\ncorrect", "b": "b\nresample |\nwrong", "accuracy": "final\naccuracy"}


@singledispatch
def picture(result: Any, *, title: str = "") -> Figure:
    """Return the picture of a result.

    Args:
        result: a training result, a comparison of several, an attribution, a survey or an optimum.
        title: over the whole figure.

    Raises:
        DSTheoryError: there is no picture of such a result.
    """
    raise DSTheoryError(
        f"there is no picture of a {type(result).__name__}: "
        "there is one of training, comparisons, attributions, surveys and optima"
    )


@picture.register
def _(result: Survey, *, title: str = "") -> Figure:
    return anatomy_figure(result, title=title)


@picture.register
def _(result: Comparison, *, title: str = "") -> Figure:
    return simulation_figure(result, title=title)


@picture.register
def _(result: Attribution, *, title: str = "") -> Figure:
    return attribution_figure({result.objective: result}, title=title + _of_several(np.size(result.gradient.sample)))


@picture.register
def _(result: Optimum, *, title: str = "") -> Figure:
    rates = solve(result.mdp, result.policy).rates()
    found = {name: float(np.median(rates[name])) for name in (*RATES, "accuracy")}
    return rates_figure({"optimum": found}, title=title + _of_several(np.size(rates["p"])))


def _of_several(runs: int) -> str:
    return f" (median of {runs} runs)" if runs > 1 else ""


@picture.register
def _(result: TrainResult, *, title: str = "") -> Figure:
    # p, a, b and the accuracy over the steps.
    shaded = " (median; shaded: middle 80 % of the runs)" if np.ndim(result.log["p"]) > 1 else ""
    with framed(3.6, 2.6, title=title + shaded) as figure:
        axes = figure.subplots()
        step = result.log["step"]
        for i, (name, label) in enumerate({**RATES, "accuracy": "final accuracy"}.items()):
            curve(axes, step, result.log[name], color=PALETTE[i], linestyle=DASHES[i], label=label, marker=MARKERS[i],
                  markersize=4, markevery=max(1, len(step) // 8))  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))  # there is no step 0.2
        axes.set_xlabel("training step")
        axes.set_ylabel("probability")
        axes.set_ylim(-0.04, 1.05)
        axes.margins(x=0.01)
        tidy(axes)
    return figure


def attribution_figure(found: Mapping[str, Attribution], *, title: str = "") -> Figure:
    """Draw, objective by objective, the two parts of the gradient's norm and of the Fisher energy, on one logarithmic scale.

    Args:
        found: attributions by the names of their objectives.
        title: over the whole figure.

    Example:
        >>> from dstheory import SFT, Policy, Reinforce, TwoStageMDP, attribute, solve
        >>> start = Policy.minimal(p=0.55, a=0.8, b=0.3)
        >>> figure = attribution_figure({"reinforce": attribute(Reinforce(), solve(TwoStageMDP.minimal(), start))})
        >>> [axes.get_xlabel() for axes in figure.axes]
        ['norm of the gradient', 'Fisher energy']
    """
    height = 2.2 + 0.12 * len(found)
    with framed(7.2 if len(found) > 2 else 5.0, 2 * height if in_column() else height, title=title) as figure:
        panels = figure.subplots(*beside(2))
        for axes, level, unit in zip(panels, ("gradient", "energy"), ("norm of the gradient", "Fisher energy"), strict=True):
            parts = [getattr(one, level) for one in found.values()]
            _pairs(axes, [(float(np.median(part.sample)), float(np.median(part.decide))) for part in parts], list(found))
            axes.set_xlabel(unit)
            axes.tick_params(axis="x", labelsize=7)  # five decades beside each other in half a column
        panels[1].tick_params(labelleft=in_column())
    return figure


def _pairs(axes: Axes, pairs: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Draw two points per row on a logarithmic axis; what has no place there, 0 or no finite number, is written at the edge."""
    values = np.array(pairs, dtype=np.float64)
    inside = np.isfinite(values) & (values > 0)
    known, rows = values[inside], np.arange(len(pairs))
    # The dot is smaller than the diamond and above it, so both are seen where they are equal.
    for j, (stage, shape, size) in enumerate((("sample", "o", 4.0), ("decide", "D", 7.5))):
        look, there = STAGES[stage], inside[:, j]
        axes.plot(np.log10(values[there, j]), rows[there], shape, color=look["color"], markeredgecolor="0.2", markersize=size,
                  markerfacecolor=look["color"] if stage == "sample" else "white", label=look["label"], zorder=3 - j)  # fmt: skip
    low, high = -1.0, 0.0
    if known.size:
        low, high = float(np.floor(np.log10(known.min()) - 0.2)), float(np.ceil(np.log10(known.max()) + 0.2))
        axes.set_xlim(low, high)
        axes.set_xticks(by_decades(axes.xaxis, low, high), minor=True)
    for row, (pair, there) in enumerate(zip(values, inside, strict=True)):
        right = bool(there.any()) and np.log10(pair[there]).max() < (low + high) / 2  # away from the other point of the row
        axes.annotate(unplaced(pair, there), (float(right), row), xycoords=("axes fraction", "data"), textcoords="offset points",
                      xytext=(-3 if right else 3, 0), ha="right" if right else "left", fontsize=7, va="center")  # fmt: skip
    axes.set_yticks(rows, [figure_text(name, longest=24 if in_column() else 40) for name in names])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    tidy(axes)


def rates_figure(found: Mapping[str, Mapping[str, float]], *, title: str = "") -> Figure:
    """Draw p, a and b, and what else is named, of several policies side by side; categories are not joined.

    Args:
        found: policy -> name -> number between 0 and 1.
        title: over the figure.

    Example:
        >>> figure = rates_figure({"before": {"p": 0.5, "a": 0.8}, "after": {"p": 0.6, "a": 0.7}})
        >>> [line.get_ydata().tolist() for line in figure.axes[0].get_lines()]
        [[0.5, 0.8], [0.6, 0.7]]
    """
    names = list(next(iter(found.values())))
    with framed(max(3.6, 0.3 * len(names)), 2.6, title=title) as figure:
        axes = figure.subplots()
        for j, (policy, values) in enumerate(found.items()):
            at = np.arange(len(names)) + min(0.22, 0.8 / len(found)) * (j - (len(found) - 1) / 2)
            colour = PALETTE[j % len(PALETTE)]
            axes.plot(at, list(values.values()), marker(j), color=colour, markersize=4.5 if len(names) > 6 else 6.5,
                      markerfacecolor="white" if j else colour,
                      label=figure_text(policy) if len(found) > 1 else None)  # fmt: skip
            for x in at[~np.isfinite(list(values.values()))]:  # nothing is decided, so no decision has a probability
                axes.text(x, 0.02, "none", color=colour, rotation=90, ha="center", va="bottom", fontsize=7)
        upright = len(names) > 6
        axes.set_xticks(range(len(names)), [_TICKS.get(name, figure_text(name)) for name in names], rotation=90 * upright)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylabel("probability")
        axes.set_ylim(-0.04, 1.05)
        tidy(axes)
    return figure


def sweep_figure(data: LabelledArrays | Dataset, *, title: str = "") -> Figure:
    """Draw p, a, b, accuracy and the decisions' share of the gain over the longest axis of numbers.

    Each combination of words (objective, optimizer, ...) has a panel. Other numbers are taken at their medians, the middle 80 %
    shaded. Without an axis of numbers, the longest of words is drawn over.

    Args:
        data: what :func:`dstheory.sweep` returns, or a file of `dstheory sweep`.
        title: over the figure.

    Example:
        >>> rates = {name: (("beta",), np.array([0.6, 0.5]), {}) for name in ("p", "a", "b", "accuracy", "status")}
        >>> figure = sweep_figure(LabelledArrays(rates, {"beta": (("beta",), np.array([0.1, 0.2]), {})}, {}))
        >>> figure.axes[0].get_xlabel(), figure.axes[0].get_lines()[0].get_xdata().tolist()
        ('beta', [0.1, 0.2])
    """
    over = data.variables["status"][0] if isinstance(data, LabelledArrays) else data.variables["status"].dims
    values = {name: np.asarray(data[name]) for name in map(str, over) if name != "step"}
    dims, several = list(values), [name for name, one in values.items() if len(one) > 1]
    counted = [name for name in several if values[name].dtype.kind in "fiu"]
    name = max(
        [name for name in counted if name not in ("run", "seed")] or counted or several or dims, key=lambda n: len(values[n])
    )
    split = [dim for dim in several if dim not in (name, *counted)]
    where, numbers = values[name], values[name].dtype.kind in "fiu"
    shown = {rate: label for rate, label in {**RATES, **_OUTCOMES}.items() if {rate, f"{rate}_after"} & set(data.variables)}
    tables = {  # (*split, where, others)
        rate: np.moveaxis(_at_the_end(data, rate, dims), [dims.index(dim) for dim in (*split, name)], range(len(split) + 1))
        for rate in shown
    }
    places = list(np.ndindex(*(len(values[dim]) for dim in split)))
    others = [figure_text(dim.replace("_", " ")) for dim in several if dim not in (name, *split)]
    named = " and ".join(others) if len(others) < 3 else f"{len(others)} other parameters"
    notes = [f"medians over {named}{';' * numbers}"] * bool(others) + ["shaded: the middle 80 %"] * bool(others and numbers)
    notes += ["(none has no place here)"] * (numbers and not np.isfinite(where).all())  # it is inf: no cap, no bound, never
    notes += [f"(the first {_MOST_PANELS} of {len(places):,} combinations)"] * (len(places) > _MOST_PANELS)
    places = places[:_MOST_PANELS]
    columns = 1 if in_column() else 2 if len(places) == 4 else min(3, len(places))
    rows = -(-len(places) // columns)
    with framed((3.6, 5.4, 7.2)[columns - 1], 0.8 + 2.0 * rows) as figure:
        panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        drawn, empty = panels[: len(places)], panels[len(places) :]
        for axes, place in zip(drawn, places, strict=True):
            for i, (rate, label) in enumerate(shown.items()):
                _swept(axes, where, tables[rate][place].reshape(len(where), -1), i, label)
            words = figure_text(", ".join(str(values[dim][i]) for dim, i in zip(split, place, strict=True)), longest=80)
            axes.set_title(in_lines(words, figure.get_figwidth() / columns - 0.6))
        for axes in empty:
            axes.remove()
        heights = np.concatenate([line.get_ydata() for axes in drawn for line in axes.get_lines()]).astype(float)
        notes += ["(gaps: no value there)"] * bool(np.isnan(heights).any())
        notes += ["(shares below 0 or above 1 are cut off)"] * bool((np.abs(heights - 0.5) > 0.55).any())
        for axes in drawn[-columns:]:
            axes.tick_params(labelbottom=True)  # also above an empty place
            axes.set_xlabel("\n".join([figure_text(name.replace("_", " ")), *(notes if len(places) == 1 else ())]))
        unit = "probability, or share" if "decision_share" in shown else "probability"
        for axes in drawn[::columns]:
            axes.set_ylabel(unit)
        said = " ".join(notes if len(places) > 1 else ())
        entitle(figure, figure_text(", ".join(filter(None, (title, said))), longest=200))
    return figure


_OUTCOMES = {"accuracy": "final accuracy", "decision_share": "decisions' share of the gain"}
_MOST_PANELS = 24  # of a sweep: more have no room on a page


def _swept(axes: Axes, where: np.ndarray, table: Floats, i: int, label: str) -> None:
    """Draw the i-th variable of a sweep, (where, others), into a panel."""
    numbers = where.dtype.kind in "fiu"
    x: Floats = where.astype(float) if numbers else np.arange(len(where), dtype=float)
    some = np.isfinite(table).any(axis=1)
    middle = np.full(len(where), np.nan)
    middle[some] = np.nanmedian(table[some], axis=1)
    axes.plot(x, middle, color=PALETTE[i], marker=MARKERS[i], markersize=6.5 - i, label=label,  # equal points are seen
              linestyle=DASHES[i % len(DASHES)] if numbers else "none")  # fmt: skip
    if table.shape[1] > 1 and numbers and some.any():
        band = np.full((2, len(where)), np.nan)  # with gaps where the line has them
        band[:, some] = np.nanquantile(table[some], [0.1, 0.9], axis=1)
        axes.fill_between(x, *band, color=PALETTE[i], alpha=0.15, linewidth=0)
    finite = where[np.isfinite(where)] if numbers else where
    if numbers and finite.size > 2 and finite.min() > 0 and finite.max() / finite.min() > 30:
        axes.set_xscale("log")
    if not numbers:
        upright = len(where) > 6  # slanted ones would lie on each other
        ticks, labels = x[:: -(-len(x) // 20)], where[:: -(-len(x) // 20)]
        axes.set_xticks(ticks, [figure_text(str(label), longest=24) for label in labels], rotation=90 if upright else 20,
                        ha="center" if upright else "right")  # fmt: skip
    elif len(where) == 1:
        axes.set_xticks(x, [f"{where[0]:g}"])
    axes.set_ylim(-0.04, 1.05)
    tidy(axes)


def _at_the_end(data: LabelledArrays | Dataset, name: str, dims: Sequence[str]) -> Floats:
    after = f"{name}_after"
    table = np.asarray(data[after if after in data.variables else name], dtype=np.float64)
    return table if table.ndim == len(dims) else table[..., -1]

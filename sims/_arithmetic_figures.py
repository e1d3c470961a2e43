"""The anatomy of learned multiplication over the sizes, and the split of the gain: figures for claim 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from dstheory.plots.style import MARKERS, PALETTE, RC, STAGES, entitle, legend_below, row_figure, tidy

from ._arithmetic_hypotheses import rate_over_seeds

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RATES = {"p": "$p$ = P(correct)", "a": "$a$ = P(stop | correct)", "b": "$b$ = P(resample | wrong)"}

_NAMES = {
    "start": "the start", "sft-mistakes": "SFT, mistakes", "sft-first": "SFT, right first", "sft-masked-0.5": "SFT, masked",
    "sft-first-then-reward": "SFT, then reward",
}  # fmt: skip


def anatomy_figure(data: xr.Dataset, condition: str, *, trained: int, title: str) -> Figure:
    """Draw p, a, b and accuracy of one condition over the sizes, at its start and at its end.

    Args:
        data: of :func:`._arithmetic_runs.collect`, with ``realised`` (model, seed, size).
        condition: which.
        trained: the first so many sizes were trained on; they are shaded.
        title: above the figure.
    """
    sizes = np.arange(data.sizes["size"])
    with matplotlib.rc_context(RC):
        figure, (rates, accuracy) = row_figure(2, 2.7)
        for j, (name, label) in enumerate(_RATES.items()):
            look: dict[str, Any] = {"color": PALETTE[j], "marker": MARKERS[j], "linestyle": "none"}
            _points(rates, sizes + 0.2 * (j - 1), data[name].sel(condition=condition), label=label, **look)
            start = data[name].sel(condition="start").mean("seed")
            rates.plot(sizes + 0.2 * (j - 1), start, markersize=3.5, markerfacecolor="white", **look)
        start = data.accuracy.sel(condition="start").mean("seed")
        accuracy.plot(sizes, start, "_", color="0.3", markersize=6, label="at the start")
        accuracy.plot(
            sizes, data.predicted.sel(condition=condition).mean("seed"), "x", color="0.5", markersize=6,
            label="predicted from $p, a, b$",
        )  # fmt: skip
        measured = data.realised.sel(model=condition)
        low, high = _extent(measured)
        middle = measured.mean("seed").values
        accuracy.errorbar(
            sizes, middle, yerr=[middle - low, high - middle], fmt="o", markersize=3, color="0.1", linewidth=0.9,
            label="realised (rollouts)",
        )  # fmt: skip
        for axes, words in ((rates, "both stages (hollow: at the start)"), (accuracy, "accuracy of the submitted answer")):
            axes.axvspan(-0.5, trained - 0.5, color="0.92", zorder=0, linewidth=0, label="sizes trained on")
            axes.set_title(words)
            axes.set_xticks(sizes, data["size"].values, rotation=90, fontsize=7)
            axes.set_ylim(-0.02, 1.02)
            axes.set_xlim(-0.5, len(sizes) - 0.5)
            axes.set_ylabel("probability")
            axes.set_xlabel("digits of the factors, by length of the answer")
            axes.label_outer()
            tidy(axes)
        legend_below(figure, most=3)
        runs = data.sizes["seed"]
        entitle(figure, title + (f": means and 95 % intervals over {runs} runs" if runs > 1 else ""))
    return figure


def split_figure(data: xr.Dataset, comparisons: list[str]) -> Figure:
    """Draw the two parts of each gain, per part of the sizes, with every seed as a dot.

    Args:
        data: of :func:`._arithmetic_runs.collect`.
        comparisons: which, from top to bottom.
    """
    with matplotlib.rc_context(RC):
        figure, grid = row_figure(data.sizes["part"], 0.6 + 0.38 * len(comparisons))
        rows = np.arange(len(comparisons))[::-1]
        for axes, part in zip(grid, data.part.values, strict=True):
            at = data.sel(part=part, comparison=comparisons)
            for k, (name, look) in enumerate(STAGES.items()):
                means, height = at[name].mean("seed").values, 0.36
                y = rows + (0.19 if k == 0 else -0.19)
                axes.barh(y, means, height=height, color=look["color"], hatch=look["hatch"], edgecolor="0.2", linewidth=0.8,
                          label=f"by {look['label']}")  # fmt: skip
                for seed in at.seed.values:
                    axes.plot(at[name].sel(seed=seed), y, ".", color="black", markersize=2, alpha=0.6, label="one seed each")
            axes.plot(at.gain.mean("seed"), rows, "d", color="black", markersize=4, label="both together")
            axes.axvline(0.0, color="0.3", linewidth=0.8)
            axes.set_title(str(part))
            axes.set_xlabel("gain in accuracy")
            pairs = (name.split(" over ") for name in comparisons)
            axes.set_yticks(rows, [f"{_NAMES.get(after, after)}\nover {_NAMES.get(before, before)}" for after, before in pairs],
                            fontsize=7.5)  # fmt: skip
            axes.label_outer()
            tidy(axes)
        figure.get_layout_engine().set(rect=(0.025, 0.0, 0.975, 1.0))  # type: ignore[union-attr,call-arg]  # long labels on the left
        legend_below(figure, most=3)
    return figure


def _extent(values: xr.DataArray) -> tuple[Any, Any]:
    """Return the 95 % interval of rates over seeds, elementwise; the values themselves if there is one seed."""
    table = values.transpose("seed", ...).values
    if len(table) < 2:
        return table[0], table[0]
    means = [rate_over_seeds(column) for column in table.T]
    return np.array([m.low for m in means]), np.array([m.high for m in means])


def _points(axes: Axes, x: Any, values: xr.DataArray, **style: Any) -> None:
    """Points with intervals over seeds; sizes are categories, and are not joined."""
    low, high = _extent(values)
    middle = values.mean("seed").values
    axes.errorbar(x, middle, yerr=np.maximum([middle - low, high - middle], 0.0), markersize=3.5, elinewidth=0.9, **style)

"""The figure of `dstheory signal`: how many responses a batch needs, by the size of its groups, and how many groups are dead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from dstheory.plots.style import DASHES, MARKERS, PALETTE, RC, figure_size, in_column, tidy
from dstheory.texts import figure_text

if TYPE_CHECKING:
    from dstheory.noise import Signal


def signal_figure(found: Mapping[str, Sequence[Signal]], *, title: str = "") -> Figure:
    """Draw, objective by objective, the responses for a signal-to-noise ratio of 1, stage by stage, and the share of dead groups.

    The ratio is taken to grow like the root of the number of responses, from the batch that was computed.

    Args:
        found: signals of one objective, group size by group size; those of single responses are drawn as a level.
        title: over the whole figure.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=figure_size(7.2, 7.0 if in_column() else 3.0), layout="constrained")
        panels = figure.subplots(*((3, 1) if in_column() else (1, 3)))
        for i, (name, several) in enumerate(found.items()):
            sizes = np.array([one.group_size for one in several])
            look = {"color": PALETTE[i % len(PALETTE)], "linestyle": DASHES[i // len(PALETTE) % len(DASHES)]}
            label = figure_text(name)
            for axes, stage in zip(panels, ("sample", "decide"), strict=False):
                ratios = np.array([getattr(one, stage).ratio for one in several])
                drawn = np.array([one.prompts * one.group_size for one in several])
                needed = np.divide(drawn, ratios**2, out=np.full(len(ratios), np.nan), where=(ratios > 0) & np.isfinite(ratios))
                if sizes.max() == 1:
                    axes.axhline(needed[0], label=label, **look)
                else:
                    axes.plot(sizes, needed, marker=MARKERS[i % len(MARKERS)], markersize=3.5, clip_on=False, label=label, **look)
            if sizes.max() > 1:
                panels[2].plot(sizes, [one.dead for one in several], marker=MARKERS[i % len(MARKERS)], markersize=3.5, **look)
        for axes, what in zip(
            panels, ("sampling", "decisions", "dead groups"), strict=True
        ):
            axes.set_title(what)
            axes.set_ylabel("share of groups" if axes is panels[2] else "responses for a ratio of 1")
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")  # counts, not powers
            axes.set_xlabel("responses per prompt")
            tidy(axes)
        for axes in panels[:2]:
            if any((np.asarray(line.get_ydata(), dtype=np.float64) > 0).any() for line in axes.get_lines()):
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter("{x:g}")
                axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))  # 0.2, not 2 x 10 to the power of -1
                axes.yaxis.set_minor_formatter(NullFormatter())
        limits = [axes.get_ylim() for axes in panels[:2]]
        for axes in panels[:2]:  # one scale, as the two are compared
            axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        panels[2].set_ylim(-0.03, 1.03)
        figure.legend(handles=panels[0].get_legend_handles_labels()[0], loc="outside lower center",
                      ncols=2 if in_column() else 4, frameon=False)
        if title:
            figure.suptitle(figure_text(title), fontsize=9)
    return figure

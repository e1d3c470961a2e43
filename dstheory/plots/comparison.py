"""Figures that compare objectives: where energy goes and gradients point, and how many responses a batch needs.

They are those of `dstheory attribute --all` and `dstheory signal`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dstheory.checks import Floats
from dstheory.plots.style import DASHES, PALETTE, STAGES, beside, by_counts, entitle, framed, in_column, mark, marker, tidy
from dstheory.texts import figure_text

if TYPE_CHECKING:
    from dstheory.comparison import ObjectiveRow
    from dstheory.noise import Signal


def comparison_figure(rows: Sequence[ObjectiveRow], *, longer: float, title: str = "") -> Figure:
    """Draw, objective by objective, the decision's share of the energy (now, and with longer answers) and the angles.

    An angle is that between the objective's gradient and the accuracy's: of both stages together, and of each.

    Args:
        rows: as made by :func:`dstheory.comparison.compare_objectives`, in the order to draw them.
        longer: the factor on the length of answers, for the legend.
        title: over the whole figure.

    Example:
        >>> from dstheory import Policy, Reinforce, TwoStageMDP
        >>> from dstheory.comparison import compare_objectives
        >>> mdp, policy = TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.55, a=0.8, b=0.3)
        >>> rows = compare_objectives(mdp, policy, {"reinforce": lambda mdp: Reinforce()})
        >>> [text.get_text() for text in comparison_figure(rows, longer=8).axes[0].texts]
        ['reinforce']
    """
    height = 1.2 + 0.2 * len(rows)
    with framed(7.2, 2 * height if in_column() else height) as figure:
        name = f"{figure_text(title)}. " if title else ""
        entitle(figure, f"{name}Bold: one coefficient for both stages; italic: two, or not compared")
        left, right = figure.subplots(*beside(2))
        apart = [1.0 if one.family == two.family else 1.7 for one, two in itertools.pairwise(rows)]
        heights = np.cumsum([0.0, *apart])
        _shares(left, rows, heights, longer)
        _angles(right, rows, heights)
        for axes in (left, right):
            _lines(axes, rows, heights, named=axes is left or in_column())
    return figure


def _lines(axes: Axes, rows: Sequence[ObjectiveRow], heights: Floats, *, named: bool) -> None:
    """Give a panel a line per objective, with its name if ``named``, and stronger ones between families."""
    across = axes.get_yaxis_transform()
    axes.set_ylim(heights.max() + 1.0, heights.min() - 1.0)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.hlines(heights, 0, 1, transform=across, color="#b0b0b0", alpha=0.25, linewidth=0.6, zorder=0.5)
    mark(axes, heights)
    longest = 18 if in_column() else 28
    for height, row in zip(heights, rows, strict=True) if named else ():  # as texts: a tick is five artists
        axes.text(-0.035, height, figure_text(row.name, longest=longest), transform=across, ha="right", va="center_baseline",
                  fontstyle="normal" if row.balanced else "italic", fontweight="bold" if row.balanced else "normal")  # fmt: skip
    between = [(one + two) / 2 for one, two, above, below in zip(heights, heights[1:], rows, rows[1:], strict=False)
               if above.family != below.family]  # fmt: skip
    axes.hlines(between, 0, 1, transform=across, color="0.7", linewidth=0.6)


def _shares(axes: Axes, rows: Sequence[ObjectiveRow], heights: Floats, longer: float) -> None:
    now, then = (np.array([getattr(row, name) for row in rows]) for name in ("energy_share", "energy_share_longer"))
    axes.hlines(heights, now, then, color="0.6", linewidth=1.2)
    axes.plot(then, heights, "o", color="0.35", markersize=9, markerfacecolor="none", zorder=2,
              label=f"share, answers {longer:g} times as long")  # fmt: skip
    axes.plot(now, heights, "o", color=STAGES["decide"]["color"], markeredgecolor="0.2", markersize=4.5, zorder=3,
              label="decision's share of the energy")  # fmt: skip
    axes.set_xlim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    for height, row in zip(heights, rows, strict=True):
        if np.isnan(row.energy_share) and np.isnan(row.energy_share_longer):
            _note(axes, row, height)
    axes.set_xlabel("decision's share\nof the Fisher energy")
    tidy(axes)


def _note(axes: Axes, row: ObjectiveRow, height: float) -> None:
    text = figure_text(row.note, longest=40)
    axes.text(0.04, height, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7, color="0.35")


def _angles(axes: Axes, rows: Sequence[ObjectiveRow], heights: Floats) -> None:
    for name, look, colour, size, order, label in (
        ("both", "x", PALETTE[6], 4.5, 4, "angle, both stages"),
        ("decide", "^", STAGES["decide"]["color"], 5.0, 3, "angle, decisions"),
        ("sample", "s", STAGES["sample"]["color"], 8.5, 2, "angle, sampling"),
    ):
        angles = np.array([getattr(row.tilt, name) for row in rows])
        hollow = "none" if name == "sample" else colour
        axes.plot(angles, heights, look, color=colour, zorder=order, markerfacecolor=hollow, markersize=size,
                  label=label if np.isfinite(angles).any() else None)  # fmt: skip
    for height, row in zip(heights, rows, strict=True) if in_column() else ():  # beside the shares they say it already
        if np.isnan(row.tilt.both):
            _note(axes, row, height)
    axes.axvspan(90, 189, color="0.93", zorder=0, label="beyond 90°: against accuracy")
    axes.set_xlim(-9, 189)
    axes.set_xticks([0, 45, 90, 135, 180])
    axes.set_xlabel("angle to the accuracy's\ngradient (degrees)")
    tidy(axes)


def signal_figure(found: Mapping[str, Sequence[Signal]], *, title: str = "") -> Figure:
    """Draw, objective by objective, the responses for a signal-to-noise ratio of 1, stage by stage, and the share of dead groups.

    They are the groups that the signals name, times their size.

    Args:
        found: signals of one objective, group size by group size; those of single responses are drawn as a level.
        title: over the whole figure.

    Example:
        >>> from dstheory import GRPO, Policy, TwoStageMDP, solve
        >>> from dstheory.noise import signal
        >>> solution = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3))
        >>> figure = signal_figure({"grpo": [signal(GRPO(group_size=size), solution, prompts=4) for size in (2, 4)]})
        >>> [axes.get_title() for axes in figure.axes]
        ['sampling', 'decisions', 'dead groups']
    """
    with framed(7.2, 7.0 if in_column() else 3.0, title=title) as figure:
        panels = figure.subplots(*beside(3))
        for i, (name, several) in enumerate(found.items()):
            sizes = np.array([one.group_size for one in several])
            look = {"color": PALETTE[i % len(PALETTE)], "linestyle": DASHES[i % len(DASHES)]}
            label, points = figure_text(name) + _unseen(several), {"marker": marker(i), "markersize": 3.5}
            apart = 2 ** (min(0.12, 0.6 / len(found)) * (i - (len(found) - 1) / 2))  # else equal numbers would hide each other
            for axes, stage in zip(panels, ("sample", "decide"), strict=False):
                groups = np.array([getattr(one, stage).groups for one in several])
                needed = np.where((groups > _NO_NOISE) & np.isfinite(groups), groups * sizes, np.nan)
                if sizes.max() == 1:
                    axes.axhline(needed[0], label=label, **look)
                else:
                    axes.plot(sizes * apart, needed, clip_on=False, label=label, **points, **look)
            if sizes.max() > 1:
                panels[2].plot(sizes * apart, [one.dead for one in several], **points, **look)
        for axes, what in zip(panels, ("sampling", "decisions", "dead groups"), strict=True):
            axes.set_title(what)
            axes.set_ylabel("share of groups" if axes is panels[2] else "responses for signal = noise")
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")  # counts, not powers
            axes.set_xlabel("responses per prompt")
            tidy(axes)
        data = [np.concatenate([np.zeros(0), *(np.ravel(line.get_ydata()) for line in axes.get_lines())]) for axes in panels]
        needs = np.concatenate(data[:2])
        for axes in panels[:2] if np.isfinite(needs).any() else ():  # one scale, as the two are compared
            axes.set_yscale("log")
            axes.set_ylim(by_counts(axes.yaxis, np.nanmin(needs) / 1.3, np.nanmax(needs) * 1.3))
        panels[2].set_ylim(-0.03, 1.03)
        for axes, values, why in zip(panels, data, ("no signal", "no signal", "no groups"), strict=True):
            if not np.isfinite(values).any():
                axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", fontsize=8, color="0.4")
    return figure


_NO_NOISE = 1e-10
"""Groups for a ratio of 1 that are fewer are the rounding of 0: the update of every batch is its expectation."""


def _unseen(several: Sequence[Signal]) -> str:
    """Return what a logarithmic axis does not show: stages without signal or without noise, and at which sizes of a group."""
    said = []
    for stage, look in STAGES.items():
        for what, found in (
            ("never", [one.group_size for one in several if not getattr(one, stage).groups < np.inf]),
            ("0", [one.group_size for one in several if getattr(one, stage).groups <= _NO_NOISE]),
        ):
            where = "" if len(found) == len(several) else f" at {', '.join(map(str, found))}"
            said += [f"{look['label']} {what}{where}"] if found else []
    return f" ({'; '.join(said)})" if said else ""

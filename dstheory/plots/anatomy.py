"""The figure of `dstheory anatomy`: p, a, b as lines over tasks; realised and predicted accuracy as bars; whose gain it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dstheory.anatomy.surveys import TOTAL
from dstheory.plots.style import DASHES, PALETTE, RC, tidy
from dstheory.texts import figure_text

if TYPE_CHECKING:
    from dstheory.anatomy.difference import Difference
    from dstheory.anatomy.one_shot import OneShot
    from dstheory.anatomy.rates import Estimate
    from dstheory.anatomy.revisions import Revisions
    from dstheory.anatomy.surveys import Group, MeanSplit, Survey

_RATES = {"p": "$p$ = P(correct)", "a": "$a$ = P(stop | correct)", "b": "$b$ = P(resample | wrong)"}
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_BARS = (
    ("", "realised", "0.75", ""),
    ("pooled", "predicted, pooled", PALETTE[0], ""),
    ("heterogeneous", "predicted, heterogeneous", PALETTE[1], "////"),
)  # of accuracy: kind of chain, label, colour, hatch


def anatomy_figure(found: Survey, *, title: str = "") -> Figure:
    """Draw what a log says.

    With one group: p, a, b over the labels in one panel, accuracies in another, or what k samples of a problem give where nobody
    could try again, or right answers turn by turn where nobody decided. With several groups: a panel for each of p, a, b with a
    line per group, and the accuracies of each; with a comparison also the split of the gain.

    Args:
        found: of :func:`dstheory.anatomy.survey`.
        title: over the whole figure.
    """
    labels = list(dict.fromkeys(label for group in found.groups for label in group.parts))
    labels = [*labels, TOTAL] if len(labels) > 1 else labels
    with matplotlib.rc_context(RC):
        if len(found.groups) == 1:
            figure = Figure(figsize=(7.2, 3.0), layout="constrained")
            lines, bars = figure.subplots(1, 2)
            shot, revised = found.groups[0].one_shot, found.groups[0].revisions
            decided = shot is None and bool(found.groups[0].rounds)
            rates = _RATES if decided else {"p": _RATES["p"]}
            values = [[_rate(found.groups[0], label, name) for label in labels] for name in rates]
            _lines(lines, values, list(rates.values()), labels, found.by)
            lines.set_title("sampling and decisions" if decided else "sampling")
            if shot is None and not decided and revised is not None:
                _in_turn(bars, revised)
                bars.set_title("right answers turn by turn")
            elif shot is None:
                _accuracies(bars, found.groups[0], labels, found.by)
                bars.set_title("final accuracy")
            else:
                _samples(bars, shot)
                bars.set_title("k samples of a problem")
            figure.legend(*_joined(lines, bars), loc="outside lower center", ncols=3, frameon=False)
        else:
            figure = _several(found, labels)
        if title:
            figure.suptitle(figure_text(title), fontsize=10)
    return figure


def _several(found: Survey, labels: list[str]) -> Figure:
    groups = found.groups
    last = len(groups) + (1 if found.comparison is not None else 0)
    figure = Figure(figsize=(7.2 if last <= 3 else 2.4 * last, 5.2), layout="constrained")
    grid = figure.add_gridspec(2, 3 * last)  # three panels above, one per group (and the gain) below
    rates = [figure.add_subplot(grid[0, i * last : (i + 1) * last]) for i in range(3)]
    for axes, (name, text) in zip(rates, _RATES.items(), strict=True):
        values = [[_rate(group, label, name) for label in labels] for group in groups]
        _lines(axes, values, [figure_text(group.name) for group in groups], labels, found.by)
        axes.set_title(text)
    below: Axes | None = None
    for j, group in enumerate(groups):
        axes = figure.add_subplot(grid[1, 3 * j : 3 * (j + 1)], sharey=below)
        _accuracies(axes, group, labels, found.by)
        axes.set_title(f"final accuracy: {figure_text(group.name)}")
        below = below or axes
    assert below is not None
    if found.comparison is not None:
        axes = figure.add_subplot(grid[1, 3 * len(groups) :])
        parts: dict[str, Difference | MeanSplit] = {**found.comparison_parts}
        if found.comparison_mean is not None and len(labels) > 1:
            parts["(mean)"] = found.comparison_mean
        _gain(axes, parts or {TOTAL: found.comparison}, found.by)
        axes.set_title(f"gain of {figure_text(groups[1].name)} over {figure_text(groups[0].name)}")
    figure.legend(*_joined(rates[0], below), loc="outside lower center", ncols=4, frameon=False)
    return figure


def rounds_figure(found: Survey, *, title: str = "") -> Figure:
    """Draw the share of correct answers per round, among the episodes that reach it, realised and as each chain predicts it.

    Args:
        found: of :func:`dstheory.anatomy.survey`.
        title: over the whole figure.
    """
    with matplotlib.rc_context(RC):
        groups = [group for group in found.groups if group.held_out is not None]
        figure = Figure(figsize=(max(5.2, 3.6 * len(groups)), 2.9), layout="constrained")
        panels = figure.subplots(1, max(1, len(groups)), squeeze=False, sharey=True)[0]
        for axes, group in zip(panels, groups, strict=False):
            assert group.held_out is not None
            rows = [row for row in group.held_out.calibration if row.what.startswith("correct in round")]
            x = np.arange(1, len(rows) + 1)
            _errorbar(axes, x, [row.realised for row in rows], color="0.25", marker="o", linestyle="none", label="realised")
            for (kind, label, colour, _), dash in zip(_BARS[1:], DASHES, strict=False):
                if rows and kind in rows[0].predicted:
                    axes.plot(x, [row.predicted[kind] for row in rows], color=colour, linestyle=dash, label=label)
            axes.set_xlabel("round")
            axes.set_xticks(x if len(x) <= 12 else x[::2])
            axes.set_ylim(0, None)
            axes.set_title(figure_text(group.name) or "share correct, of those that reach the round")
            tidy(axes)
        panels[0].set_ylabel("share of correct answers")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        if title:
            figure.suptitle(figure_text(title), fontsize=10)
    return figure


# ---------------------------------------------------------------------- panels


def _lines(axes: Axes, curves: list[list[Estimate | None]], names: list[str], labels: Sequence[str], by: str) -> None:
    """Lines over labels, a little apart; the total, which stands at the end, is not joined to them."""
    for j, (values, name) in enumerate(zip(curves, names, strict=True)):
        x = np.arange(len(values)) + (0.16 * (j / (len(curves) - 1) - 0.5) if len(curves) > 1 else 0.0)
        look = {"color": PALETTE[j % len(PALETTE)], "marker": _MARKERS[j % len(_MARKERS)], "markersize": 4.5}
        body = len(values) - 1 if len(values) > 1 else 1
        _errorbar(axes, x[:body], values[:body], linestyle=DASHES[j % len(DASHES)], label=name, **look)
        if len(values) > body:
            _errorbar(axes, x[body:], values[body:], linestyle="none", markerfacecolor="white", **look)
    _over(axes, labels, by)


def _accuracies(axes: Axes, group: Group, labels: Sequence[str], by: str) -> None:
    """Bars per label: realised, and predicted for problems that were not used in the fit."""
    for j, (kind, text, colour, hatch) in enumerate(_BARS):
        x, heights, below, above = [], [], [], []
        for i, label in enumerate(labels):
            answers, held = group.answers_of(label), group.held_out_of(label)
            realised = answers.realised["accuracy"] if answers is not None and not kind else None
            predicted = held.calibration[0].predicted.get(kind) if held is not None else None
            value = predicted if realised is None else realised.value
            if value is not None:
                x.append(i + 0.27 * (j - 1))
                heights.append(value)
                below.append(0.0 if realised is None else max(value - realised.low, 0.0))
                above.append(0.0 if realised is None else max(realised.high - value, 0.0))
        face = "white" if hatch else colour
        axes.bar(x, heights, width=0.25, color=face, edgecolor=colour, hatch=hatch, linewidth=0.8, label=text)
        if any(below) or any(above):
            axes.errorbar(x, heights, yerr=[below, above], fmt="none", ecolor="0.15", elinewidth=0.9, capsize=2)
    _over(axes, labels, by)


def _samples(axes: Axes, shot: OneShot) -> None:
    """What k samples of a problem give, over k."""
    curves: dict[str, list[Estimate | None]] = {
        "pass@k": [row.passed for row in shot.sizes],
        "majority@k": [row.majority for row in shot.sizes],
        "dead groups": [row.dead for row in shot.sizes],
    }
    for j, (name, values) in enumerate(curves.items(), start=1):
        if any(value is not None and value.value is not None for value in values):
            x = np.arange(len(values)) + 0.05 * (j - 2)
            _errorbar(axes, x, values, color=PALETTE[j], marker=_MARKERS[j], markersize=4.5, linestyle=DASHES[j], label=name)
    _over(axes, [str(row.k) for row in shot.sizes], "k")


def _in_turn(axes: Axes, revised: Revisions) -> None:
    """Right answers turn by turn, realised and as both readings have them."""
    x = np.arange(len(revised.turns))
    _errorbar(axes, x, [turn.right for turn in revised.turns], color="0.25", marker="o", markersize=4.5, linestyle="none",
              label="realised")  # fmt: skip
    for j, (kind, text) in enumerate((("afresh", "if drawn afresh"), ("markov", "if Markov"))):
        values = [getattr(turn, kind) for turn in revised.turns]
        if None not in values:
            axes.plot(x, values, color=PALETTE[j], linestyle=DASHES[j], label=text)
    _over(axes, [str(turn.turn) for turn in revised.turns], "turn")


def _gain(axes: Axes, parts: Mapping[str, Difference | MeanSplit], by: str) -> None:
    """The two parts of the gain side by side, with intervals; they add up to the gain, which is marked."""
    for j, (name, text) in enumerate((("sample", "sampling"), ("decide", "decisions"))):
        values = [getattr(part, name) for part in parts.values()]
        x = np.arange(len(values)) + 0.2 * (2 * j - 1)
        look = {"color": "0.35"} if j == 0 else {"color": "white", "edgecolor": "0.35", "hatch": "////", "linewidth": 0.8}
        axes.bar(x, [v.value or 0.0 for v in values], width=0.38, label=text, **look)
        _errorbar(axes, x, values, color="0.1", linestyle="none", marker="")
    axes.plot(np.arange(len(parts)), [part.gain.value or 0.0 for part in parts.values()], marker="_", markersize=14,
              markeredgewidth=2.0, color=PALETTE[1], linestyle="none", label="gain")  # fmt: skip
    axes.axhline(0, color="0.2", linewidth=0.8)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.28 * (high - low))
    axes.legend(loc="upper center", ncols=3, frameon=False, handlelength=1.1, handletextpad=0.3, columnspacing=0.7,
                borderaxespad=0.1, markerscale=0.6)  # fmt: skip
    _over(axes, list(parts), by, unit=False)


# ---------------------------------------------------------------------- parts of panels


def _rate(group: Group, label: str, name: str) -> Estimate | None:
    answers = group.answers_of(label)
    return None if answers is None else getattr(answers.rates, name)


def _errorbar(axes: Axes, x: Sequence[float] | np.ndarray, values: Sequence[Estimate | None], **look: object) -> None:
    """Points with intervals; what cannot be estimated is left out, as a gap in the line."""
    y = np.array([np.nan if v is None or v.value is None else v.value for v in values], dtype=float)
    low = np.array([0.0 if v is None or v.value is None else v.value - v.low for v in values])
    high = np.array([0.0 if v is None or v.value is None else v.high - v.value for v in values])
    axes.errorbar(x, y, yerr=np.maximum([low, high], 0.0), elinewidth=0.9, capsize=2, **look)  # type: ignore[arg-type]


def _over(axes: Axes, labels: Sequence[str], by: str, *, unit: bool = True) -> None:
    """Name the labels on the horizontal axis; many or long ones are slanted and thinned."""
    labels = [figure_text(label, longest=14) for label in labels]
    count, longest = len(labels), max(map(len, labels))
    step = max(1, -(-count // 14))
    ticks = list(range(0, count, step))
    slanted = count > 4 and longest * len(ticks) > 24
    axes.set_xticks(ticks, [labels[i] for i in ticks], rotation=35 if slanted else 0, ha="right" if slanted else "center")
    axes.set_xlim(-0.6, count - 0.4)
    axes.set_xlabel(figure_text(by))
    if unit:
        axes.set_ylim(0, 1.03)
    tidy(axes)


def _joined(*panels: Axes) -> tuple[list[Artist], list[str]]:
    """Return handles and labels of several panels, each label once."""
    pairs = [pair for axes in panels for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    found = {label: handle for handle, label in reversed(pairs)}
    found = {label: found[label] for _, label in pairs}
    return list(found.values()), list(found)

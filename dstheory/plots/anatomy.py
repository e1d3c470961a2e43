"""The figures of `dstheory anatomy`: p, a, b; realised and predicted accuracy; whose gain it is; k samples of a problem.

Models have colours. What is realised and what is predicted is grey, told apart by hatches; so are the two parts of a gain, in
colours that no model has. Labels are no quantities, so their points are not joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.cells import cell_len

from dstheory.anatomy.surveys import TOTAL
from dstheory.plots.style import DASHES, MARKERS, PALETTE, RATES, STAGES, Panel, grid_figure, marker, tidy
from dstheory.texts import cut, figure_text, printable

if TYPE_CHECKING:
    from dstheory.anatomy.difference import Difference, FirstAnswers
    from dstheory.anatomy.one_shot import OneShot
    from dstheory.anatomy.rates import Estimate
    from dstheory.anatomy.revisions import Revisions
    from dstheory.anatomy.surveys import Group, MeanSplit, Survey


class _Curve(NamedTuple):
    """Numbers that belong together: how a figure and how a sentence calls them."""

    label: str
    words: str
    values: Sequence[Estimate | None]

    @classmethod
    def of_rate(cls, name: str, values: Sequence[Estimate | None]) -> _Curve:
        words = RATES[name]
        return cls(words.replace(name, f"${name}$", 1), words, values)


_PREDICTED = {
    "pooled": "predicted: one p (pooled)",
    "heterogeneous": "predicted: p varies (heterogeneous)",
}
_HATCHES = {"pooled": "....", "heterogeneous": "////"}
_READINGS = {"afresh": "if drawn afresh", "markov": "if Markov"}
_PLACES = {"pass@k": 0, "majority@k": 1, "dead groups": 2, "p = P(correct)": 3}
"""Which colour, marker and dash a line over k or over steps has: the same, whatever else is drawn."""
_MOST_POINTS = 24  # of steps; more are thinned
_MOST_IN_PART = 30  # points that a part of the page's width has room for, with their error bars


def anatomy_figure(found: Survey, *, title: str = "") -> Figure:
    """Draw what a log says.

    With one group: p, a, b over the labels in one panel, accuracies in another, or what k samples of a problem give where nobody
    could resample, or right answers turn by turn where nobody decided. With several groups: a panel for each of p, a, b with a
    marker per group, and the accuracies of each; with a comparison also the split of the gain.

    Args:
        found: of :func:`dstheory.anatomy.survey`.
        title: over the whole figure.

    Example:
        >>> from dstheory.anatomy import generate_log, survey
        >>> from dstheory.anatomy.generate import Cell
        >>> figure = anatomy_figure(survey(generate_log(4, cells=[Cell("tuned", "easy", 0.7, 0.9, 0.5)])))
        >>> [axes.get_title() for axes in figure.axes]
        ['sampling and decisions', 'final accuracy']
    """
    rates, rest = _rate_panels(found), _other_panels(found)
    title = _with_level(title, found)
    return grid_figure([rates, rest] if len(found.groups) > 1 else [[*rates, *rest]], title=title)


def rounds_figure(found: Survey, *, title: str = "") -> Figure:
    """Draw the share of correct answers per round, among the episodes that reach it, realised and as each chain predicts it.

    Args:
        found: of :func:`dstheory.anatomy.survey`.
        title: over the whole figure.

    Example:
        >>> from dstheory.anatomy import generate_log, survey
        >>> [axes.get_title() for axes in rounds_figure(survey(generate_log(12))).axes]
        ['correct answers per round: base', 'correct answers per round: tuned']
    """
    panels = _round_panels(found) or [Panel("too few problems to keep some out of the fit", "", lambda axes: axes.set_axis_off())]
    return grid_figure([panels], title=_with_level(title, found))


def _with_level(title: str, found: Survey) -> str:
    """Add to a title what its bars are that have ends."""
    return f"{title} ({error_bars(found)})".lstrip()


def error_bars(found: Survey) -> str:
    """Return in words what the intervals of figures are."""
    return f"error bars: {100 * found.level:g} % intervals"


def anatomy_panels(found: Survey) -> list[Panel]:
    """Return all panels of both figures, one by one.

    Example:
        >>> from dstheory.anatomy import generate_log, survey
        >>> [panel.title for panel in anatomy_panels(survey(generate_log(4)))[:4]]
        ['p = P(correct)', 'a = P(stop | correct)', 'b = P(resample | wrong)', 'final accuracy: base']
    """
    return [*_rate_panels(found), *_other_panels(found), *_round_panels(found)]


def roc_panel(found: Survey) -> Panel:
    """Draw a = P(accept | right) against 1 - b = P(accept | wrong) over all thresholds, a line per group.

    A group whose samples are all right or all wrong has no curve.

    Args:
        found: of :func:`dstheory.anatomy.survey`, with scores.

    Example:
        >>> from dstheory.anatomy import Episodes, survey
        >>> samples = [(str(i % 4), [(i % 3 > 0, None)]) for i in range(20)]
        >>> fields = {"task": ["t"] * 20, "score": [str(i / 20) for i in range(20)]}
        >>> roc_panel(survey(Episodes.record(samples, cap=1, fields=fields), decision_score="score")).title
        'the score as a decision'
    """
    rules = [(group.name, group.one_shot.scores) for group in found.groups if group.one_shot is not None]
    curves = [(f"{name}: " if name else "", rule) for name, rule in rules if rule is not None and rule.curve]

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, label="a score that says nothing")
        for i, (name, rule) in enumerate(curves):
            x, y = zip(*rule.curve, strict=True)
            look = {"color": PALETTE[i % len(PALETTE)], "linestyle": DASHES[i % len(DASHES)]}
            axes.plot(x, y, label=f"{figure_text(name)}area {rule.area.text(2)}", **look)
        axes.set_xlabel("$1 - b$ = P(accept | wrong)")
        axes.set_ylabel("$a$ = P(accept | right)")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        tidy(axes)

    title = "the score as a decision"
    said = "; ".join(f"{name}area {rule.area.text()}, within problems {rule.area_within.text()}" for name, rule in curves)
    return Panel(title, f"ROC curve of {title}: {said or 'none, with all samples right or all wrong'}.", draw, height=3.4)


def _rate_panels(found: Survey) -> list[Panel]:
    groups, labels = found.groups, _labels(found)
    decided = any(group.rounds for group in groups)
    names = list(RATES) if decided else ["p"]
    if len(groups) > 1:
        panels = []
        for name in names:
            curves = [_Curve(figure_text(group.name), group.name, _rates(group, labels, name)) for group in groups]
            panels.append(_points(RATES[name], curves, labels, found.by))
        return panels
    if not decided and len(labels) == 1 and _other_panels(found):
        return []  # one number, which the other panels show too
    curves = [_Curve.of_rate(name, _rates(groups[0], labels, name)) for name in names]
    return [_points("sampling and decisions" if decided else "sampling", curves, labels, found.by)]


def _other_panels(found: Survey) -> list[Panel]:
    groups, labels = found.groups, _labels(found)
    out = []
    for group in groups:
        of = f": {group.name}" if group.name else ""
        if group.rounds:
            out.append(_accuracies(f"final accuracy{of}", group, labels, found.by))
        elif group.revisions is not None:
            out.append(_turns(f"right answers turn by turn{of}", group.revisions))
        elif group.one_shot is not None:
            if group.one_shot.largest > 1 and len(group.one_shot.sizes) > 1:
                out.append(_samples(f"k samples of a problem{of}", group.one_shot))
            if len(group.one_shot.steps) > 1:
                out.append(_steps(f"by step{of}", group.one_shot))
    if found.compared is not None:
        title = "gain of {1} over {0}".format(*map(cut, found.compared))
        if found.comparison is not None:
            parts: dict[str, Difference | MeanSplit] = {**found.comparison_parts}
            if found.comparison_mean is not None and len(labels) > 1:
                parts["(mean)"] = found.comparison_mean
            out.append(_gain(title, parts or {TOTAL: found.comparison}, found.by))
        elif found.first_answers is not None:
            firsts = {**found.first_answers_parts, **({TOTAL: found.first_answers} if len(labels) > 1 else {})}
            out.append(_first_answers(title, firsts, found.by))
    return out


def _round_panels(found: Survey) -> list[Panel]:
    """Return the panels of rounds; none of a group with too few problems to keep some out of the fit."""
    return [_rounds(group) for group in found.groups if group.held_out is not None]


# ---------------------------------------------------------------------- panels


def _points(title: str, curves: Sequence[_Curve], labels: Sequence[str], by: str) -> Panel:
    """Points over labels, side by side; that of all labels together is hollow."""
    wide = len(labels) * len(curves) > _MOST_IN_PART

    def draw(axes: Axes) -> None:
        for j, (label, _, values) in enumerate(curves):
            x = np.arange(len(values)) + (0.36 * (j / (len(curves) - 1) - 0.5) if len(curves) > 1 else 0.0)
            look = {"color": PALETTE[j % len(PALETTE)], "marker": marker(j), "markersize": 4.5,
                    "linestyle": "none"}  # fmt: skip
            body = len(values) - 1 if len(values) > 1 else 1
            _errorbar(axes, x[:body], values[:body], label=label, **look)
            if len(values) > body:
                _errorbar(axes, x[body:], values[body:], markerfacecolor="white", **look)
            for at in x[np.isnan(_values(values))] if not wide else ():  # an empty place would say nothing
                axes.text(at, 0.0, "none", color=look["color"], rotation=90, ha="center", va="bottom", fontsize=6)
        axes.set_ylabel("probability")
        _over(axes, labels, by)
        axes.set_ylim(*_WHOLE)

    said = "; ".join(f"{curve.words}: {_said(labels, curve.values)}" for curve in curves)
    return Panel(title, f"{title}, over {by}. {said}.", draw, wide=wide)


def _accuracies(title: str, group: Group, labels: Sequence[str], by: str) -> Panel:
    """Bars per label: realised, and predicted for problems that were not used in the fit."""
    realised = [None if (answers := group.answers_of(label)) is None else answers.realised["accuracy"] for label in labels]
    held = [group.held_out_of(label) for label in labels]
    predicted = {kind: [None if one is None else one.calibration[0].predicted.get(kind) for one in held] for kind in _PREDICTED}

    def draw(axes: Axes) -> None:
        x = np.arange(len(labels))
        axes.bar(x - 0.27, _values(realised), width=0.25, color="0.75", edgecolor="0.35", linewidth=0.8,
                 label="realised")  # fmt: skip
        _errorbar(axes, x - 0.27, realised, color="0.15", linestyle="none")
        for j, (kind, text) in enumerate(_PREDICTED.items()):
            there = [(i + 0.27 * j, value) for i, value in enumerate(predicted[kind]) if value is not None]
            if there:
                axes.bar([i for i, _ in there], [value for _, value in there], width=0.25, color="white", edgecolor="0.35",
                         hatch=_HATCHES[kind], linewidth=0.8, label=text)  # fmt: skip
        axes.set_ylabel("share of episodes")
        axes.set_ylim(0, 1.03)
        _over(axes, labels, by)

    said = [f"realised: {_said(labels, realised)}"]
    for kind, text in _PREDICTED.items():
        numbers = [f"{label} {value:.3f}" for label, value in zip(labels, predicted[kind], strict=True) if value is not None]
        said += [f"{text}: {_listed(numbers)}"] if numbers else []
    return Panel(title, f"{title}, over {by}. {'; '.join(said)}.", draw, wide=len(labels) * 3 > _MOST_IN_PART)


def _samples(title: str, shot: OneShot) -> Panel:
    """What k samples of a problem give, over k."""
    curves = [
        _Curve("pass@k", "pass@k", [row.passed for row in shot.sizes]),
        _Curve("majority@k", "majority@k", [row.majority for row in shot.sizes]),
        _Curve("dead groups", "dead groups", [row.dead for row in shot.sizes]),
    ]
    known = [curve for curve in curves if any(one is not None and one.value is not None for one in curve.values)]
    return _lines(title, known, [str(row.k) for row in shot.sizes], "k")


def _steps(title: str, shot: OneShot) -> Panel:
    every = -(-len(shot.steps) // _MOST_POINTS)
    steps = shot.steps[::every]
    curves = [
        _Curve.of_rate("p", [step.p for step in steps]),
        _Curve("dead groups", "dead groups", [step.dead for step in steps]),
    ]
    return _lines(title, curves, [step.step for step in steps], "step")


def _lines(title: str, curves: Sequence[_Curve], ticks: Sequence[str], by: str) -> Panel:
    """Lines over something that has an order, a little apart."""

    def draw(axes: Axes) -> None:
        for j, (label, words, values) in enumerate(curves):
            x = np.arange(len(values)) + 0.05 * (j - (len(curves) - 1) / 2)
            i = _PLACES[words]
            look = {"color": PALETTE[i], "marker": MARKERS[i], "markersize": 4.5, "linestyle": DASHES[i]}
            _errorbar(axes, x, values, label=label, **look)
        axes.set_ylabel("probability")
        _over(axes, ticks, by)
        axes.set_ylim(*_WHOLE)

    said = "; ".join(f"{curve.words}: {_said([f'{by} = {tick}' for tick in ticks], curve.values)}" for curve in curves)
    return Panel(title, f"{title}. {said}.", draw)


def _turns(title: str, revised: Revisions) -> Panel:
    """Right answers turn by turn, realised and as both readings have them."""
    turns = revised.turns
    right = [turn.right for turn in turns]
    readings = [(text, [getattr(turn, kind) for turn in turns]) for kind, text in _READINGS.items()]
    readings = [(text, values) for text, values in readings if None not in values]

    def draw(axes: Axes) -> None:
        x = np.arange(len(turns))
        _errorbar(axes, x, right, color="0.25", marker="o", markersize=4.5, linestyle="none", label="realised")
        for (text, values), colour, dash in zip(readings, ("0.55", "black"), DASHES[:2], strict=False):
            axes.plot(x, values, color=colour, linestyle=dash, label=text, **_alone(values))
        axes.set_ylabel("share of correct answers")
        _over(axes, [str(turn.turn) for turn in turns], "turn")
        axes.set_ylim(*_WHOLE)

    said = [f"realised: {_said([f'turn {turn.turn}' for turn in turns], right)}"]
    said += [f"{text}: {_listed(f'{value:.3f}' for value in values)}" for text, values in readings]
    return Panel(title, f"{title}. {'; '.join(said)}.", draw)


def _gain(title: str, parts: Mapping[str, Difference | MeanSplit], by: str) -> Panel:
    """The two parts of the gain side by side, with intervals; they add up to the gain, which is marked."""
    labels = list(parts)
    values = {name: [getattr(part, name) for part in parts.values()] for name in ("gain", "sample", "decide")}

    def draw(axes: Axes) -> None:
        x = np.arange(len(labels))
        for j, (name, look) in enumerate(STAGES.items()):
            at = x + 0.2 * (2 * j - 1)
            axes.bar(at, _values(values[name]), width=0.38, edgecolor="0.2", linewidth=0.8, **look)
            _errorbar(axes, at, values[name], color="0.1", linestyle="none")
        axes.plot(x, _values(values["gain"]), marker="_", markersize=16, markeredgewidth=2.2, color="black",
                  linestyle="none", label="gain, both together")  # fmt: skip
        axes.axhline(0, color="0.2", linewidth=0.8)
        axes.set_ylabel("change of accuracy")
        _over(axes, labels, by)

    names = {"gain": "gain", "sample": "by sampling", "decide": "by decisions"}
    said = "; ".join(f"{text}: {_said(labels, values[name])}" for name, text in names.items())
    return Panel(title, f"{title}, over {by}. {said}.", draw, wide=len(labels) * 3 > _MOST_IN_PART)


def _first_answers(title: str, parts: Mapping[str, FirstAnswers], by: str) -> Panel:
    labels, gains = list(parts), [part.gain for part in parts.values()]

    def draw(axes: Axes) -> None:
        _errorbar(axes, np.arange(len(labels)), gains, color="0.2", marker="o", markersize=4.5, linestyle="none")
        axes.axhline(0, color="0.2", linewidth=0.8)
        _over(axes, labels, by)
        axes.set_ylabel("difference of first answers")

    return Panel(title, f"{title}, in first answers, over {by}: {_said(labels, gains)}.", draw)


def _rounds(group: Group) -> Panel:
    assert group.held_out is not None
    rows = [row for row in group.held_out.calibration if row.what.startswith("correct in round")]
    kinds = [kind for kind in _PREDICTED if rows and kind in rows[0].predicted]
    reach = [row.realised.trials or 0 for row in rows]

    def draw(axes: Axes) -> None:
        x = np.arange(1, len(rows) + 1)
        _errorbar(axes, x, [row.realised for row in rows], color="0.25", marker="o", markersize=4.5, linestyle="none",
                  label="realised")  # fmt: skip
        for kind, colour, dash in zip(kinds, ("0.55", "black"), DASHES[:2], strict=False):
            predicted = [row.predicted[kind] for row in rows]
            axes.plot(x, predicted, color=colour, linestyle=dash, label=_PREDICTED[kind], **_alone(predicted))
        axes.set_xticks(x, [f"{i}\n{_count(n)}" for i, n in enumerate(reach, start=1)])
        axes.set_xlabel("round; below it,\nhow many episodes reach it")
        axes.set_ylabel("share of correct answers")
        axes.set_ylim(*_WHOLE)
        tidy(axes)

    title = "correct answers per round" + (f": {group.name}" if group.name else "")
    said = [f"realised: {_said([f'round {i + 1} (n={n:,})' for i, n in enumerate(reach)], [row.realised for row in rows])}"]
    said += [f"{_PREDICTED[kind]}: {_listed(f'{row.predicted[kind]:.3f}' for row in rows)}" for kind in kinds]
    return Panel(title, f"{title}, of those that reach the round. {'; '.join(said)}.", draw, height=2.5)


# ---------------------------------------------------------------------- parts of panels


def _labels(found: Survey) -> list[str]:
    labels = list(dict.fromkeys(label for group in found.groups for label in group.parts))
    return [*labels, TOTAL] if len(labels) > 1 else labels


def _rates(group: Group, labels: Sequence[str], name: str) -> list[Estimate | None]:
    return [None if (answers := group.answers_of(label)) is None else getattr(answers.rates, name) for label in labels]


_WHOLE = (-0.03, 1.03)
"""One scale for all probabilities, and room for points at 0 and 1."""


def _alone(values: Sequence[float]) -> dict[str, Any]:
    """Return the marker of a line that has one point, which no line would show."""
    return {"marker": "_", "markersize": 16, "markeredgewidth": 1.6} if len(values) == 1 else {}


def _values(estimates: Sequence[Estimate | None]) -> list[float]:
    """Return the heights of bars; what cannot be estimated has none, which is not the height 0."""
    return [np.nan if one is None or one.value is None else one.value for one in estimates]


def _said(labels: Sequence[str], values: Sequence[Estimate | None]) -> str:
    pairs = zip(labels, values, strict=True)
    return _listed(f"{label} {value.text() if value is not None else 'absent'}" for label, value in pairs)


def _listed(texts: Iterable[str]) -> str:
    texts = list(texts)
    more = f" and {len(texts) - _MOST_POINTS} more, see the table" if len(texts) > _MOST_POINTS else ""
    return ", ".join(texts[:_MOST_POINTS]) + more


def _count(n: int) -> str:
    return f"{n:,}" if n < 10_000 else f"{n / 1e3:.0f}k" if n < 1e6 else f"{n / 1e6:.1f}M"


def _errorbar(axes: Axes, x: Sequence[float] | np.ndarray, values: Sequence[Estimate | None], **look: Any) -> None:
    """Points with intervals; what cannot be estimated is left out, as a gap in the line."""
    y = np.array(_values(values))
    low = np.array([0.0 if v is None or v.value is None else v.value - v.low for v in values])
    high = np.array([0.0 if v is None or v.value is None else v.high - v.value for v in values])
    axes.errorbar(x, y, yerr=np.maximum([low, high], 0.0), elinewidth=0.9, capsize=2, **look)


def _over(axes: Axes, labels: Sequence[str], by: str) -> None:
    """Name the labels on the horizontal axis; many or long ones are slanted and thinned, the last one kept: it may be of all."""
    widths = [0.065 * min(14, cell_len(printable(label))) for label in labels]  # inches, about
    labels = [figure_text(label, longest=14) for label in labels]
    count = len(labels)
    step = max(1, -(-count // 14))
    ticks = list(range(count - 1, -1, -step))[::-1]
    place, figure = axes.get_subplotspec(), axes.get_figure()
    assert place is not None
    assert isinstance(figure, Figure)
    apart = (figure.get_figwidth() * len(place.colspan) / place.get_gridspec().ncols - 0.6) / (count + 0.2) * step
    slanted = any((widths[i] + widths[j]) / 2 + 0.05 > apart for i, j in pairwise(ticks))
    axes.set_xticks(ticks, [labels[i] for i in ticks], rotation=35 if slanted else 0, ha="right" if slanted else "center")
    axes.set_xlim(-0.6, count - 0.4)
    axes.set_xlabel(figure_text(by))
    tidy(axes)

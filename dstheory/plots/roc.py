"""The ROC curve of a score that is taken as the decision to accept an answer or to try again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dstheory.plots.panels import Panel, grid_figure
from dstheory.plots.style import DASHES, PALETTE, tidy
from dstheory.texts import figure_text

if TYPE_CHECKING:
    from dstheory.anatomy.surveys import Survey


def roc_panel(found: Survey) -> Panel:
    """Draw a = P(accept | right) against 1 - b = P(accept | wrong) over all thresholds, a line per group.

    A group whose samples are all right or all wrong has no curve.

    Args:
        found: of :func:`dstheory.anatomy.survey`, with scores.
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


def roc_figure(found: Survey, *, title: str = "") -> Figure:
    """Draw the panel of :func:`roc_panel` alone, with a title.

    Args:
        found: of :func:`dstheory.anatomy.survey`, with scores.
        title: over the figure.
    """
    return grid_figure([[roc_panel(found)]], title=title)

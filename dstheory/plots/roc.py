"""The ROC curve of a score that is taken as the decision to accept an answer or to try again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure

from dstheory.plots.style import DASHES, PALETTE, RC, tidy
from dstheory.texts import figure_text

if TYPE_CHECKING:
    from dstheory.anatomy.surveys import Survey


def roc_figure(found: Survey, *, title: str = "") -> Figure:
    """Draw a = P(accept | right) against 1 - b = P(accept | wrong) over all thresholds, a line per group.

    A group whose samples are all right or all wrong has no curve.

    Args:
        found: of :func:`dstheory.anatomy.survey`, with scores.
        title: over the figure.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(3.8, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, label="no information")
        for i, group in enumerate(found.groups):
            rule = None if group.one_shot is None else group.one_shot.scores
            if rule is None or not rule.curve:
                continue
            x, y = zip(*rule.curve, strict=True)
            name = f"{figure_text(group.name)}: " if group.name else ""
            look = {"color": PALETTE[i % len(PALETTE)], "linestyle": DASHES[i % len(DASHES)]}
            axes.plot(x, y, label=f"{name}area {rule.area.text(2)}", **look)
        axes.set_xlabel("$1 - b$ = P(accept | wrong)")
        axes.set_ylabel("$a$ = P(accept | right)")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.legend(loc="lower right", frameon=False)
        tidy(axes)
        if title:
            figure.suptitle(figure_text(title), fontsize=10)
    return figure

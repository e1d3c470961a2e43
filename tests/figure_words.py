"""What is wrong with the words of a figure: cut by its edge, or lying on each other."""

from __future__ import annotations

from itertools import combinations

import matplotlib
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from dstheory.plots.style import RC


def word_faults(figure: Figure) -> list[str]:
    """Return a sentence for each text that the edge of the figure cuts, and for each two that overlap."""
    with matplotlib.rc_context(RC):  # ticks are made while drawing
        figure.draw_without_rendering()
    # Ticks beyond the ends of an axis are made and never drawn.
    hidden = {id(label) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in _beyond(axis)}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip() and id(text) not in hidden]
    written = [(text, text.get_window_extent()) for text in texts]
    edge = figure.bbox
    faults = [
        f"{text.get_text()!r} is cut"
        for text, box in written
        if box.x0 < edge.x0 - 1 or box.x1 > edge.x1 + 1 or box.y0 < edge.y0 - 1 or box.y1 > edge.y1 + 1
    ]
    for (one, a), (two, b) in combinations(written, 2):
        if one.get_rotation() % 90 == two.get_rotation() % 90 == 0 and a.overlaps(b):  # boxes of slanted texts are too large
            faults.append(f"{one.get_text()!r} and {two.get_text()!r} overlap")
    return faults


def _beyond(axis: Axis) -> list[Text]:
    low, high = sorted(axis.get_view_interval())
    return [
        label
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if not (label.get_visible() and low <= tick.get_loc() <= high) or not tick.get_visible()
    ]

"""Writing figures: PNG and SVG, reproducible bytes."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from dstheory.plots.style import RC


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` and ``stem.svg``; no date is written, so that the same figure gives the same bytes.

    Returns:
        The paths written.
    """
    paths = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    with matplotlib.rc_context(RC):
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()  # lay out once, for both files
            figure.set_layout_engine(None)  # with one, or the placeholder "none", every file would be laid out again
        figure.savefig(paths[0], dpi=200)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths

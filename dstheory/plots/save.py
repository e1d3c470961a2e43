"""Writing figures: PNG and SVG, reproducible bytes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
    with matplotlib.rc_context(RC), one_warning_of_glyphs():
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()  # lay out once, for both files
            figure.set_layout_engine(None)  # with one, or the placeholder "none", every file would be laid out again
        figure.savefig(paths[0], dpi=200)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


@contextmanager
def one_warning_of_glyphs() -> Iterator[None]:
    """Say in one sentence which characters the font does not have, instead of one for each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    missing: dict[str, None] = {}
    for warning in caught:
        found = re.match(r"Glyph (\d+) ", str(warning.message))
        if found:
            missing[chr(int(found[1]))] = None
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if missing:
        some = "".join(list(missing)[:10]) + ("..." if len(missing) > 10 else "")
        warnings.warn(f"the font of the figures does not have {some}: boxes stand in their place", UserWarning, stacklevel=3)

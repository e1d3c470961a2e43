"""Writing figures: PNG, SVG and PDF, reproducible bytes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from dstheory.plots.style import RC, figure_formats

_SAVED: dict[str, dict[str, Any]] = {
    ".png": {"dpi": 200},
    ".svg": {"metadata": {"Date": None}},
    ".pdf": {"metadata": {"CreationDate": None}},
}


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a file per format, by default ``stem.png`` and ``stem.svg``; without a date, so the same figure gives the same bytes.

    Returns:
        The paths written.
    """
    paths = [stem.with_suffix(f".{kind}") for kind in figure_formats()]
    with matplotlib.rc_context(RC), one_warning_of_glyphs():
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)  # once, for all files; with an engine every file would be laid out again
            figure.set_layout_engine(None)
        for path in paths:
            figure.savefig(path, **_SAVED[path.suffix])
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

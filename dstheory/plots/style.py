"""One look for all figures: colours that survive colour blindness and grey print, sizes for a paper's page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from matplotlib.axes import Axes

# Okabe and Ito (2008): distinguishable with every common form of colour blindness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
RATES = {"p": "p = P(correct)", "a": "a = P(stop | correct)", "b": "b = P(resample | wrong)"}
STAGES: dict[str, dict[str, Any]] = {
    "sample": {"label": "sampling", "color": PALETTE[5], "hatch": None},
    "decide": {"label": "decisions", "color": PALETTE[4], "hatch": "\\\\\\\\"},
}
"""The two stages: the same colours and the same hatch in every figure."""
DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (3, 1.2, 1, 1.2)), (0, (1, 1)))

RC: Any = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "pdf.fonttype": 42,  # letters that a journal's checks can read
    "svg.hashsalt": "dstheory",  # the same figure gives the same bytes
    "mathtext.fontset": "cm",
    "text.usetex": False,  # whatever the user's settings: labels are texts of others and no TeX
}


COLUMN = 3.4
"""Inches of a column of a paper of two columns."""

_width: ContextVar[str] = ContextVar("width", default="text")


_formats: ContextVar[tuple[str, ...]] = ContextVar("formats", default=("png", "svg"))


@contextmanager
def drawn_for(width: str, formats: tuple[str, ...]) -> Iterator[None]:
    """Draw figures for a "column" of a paper, or for its "text", and write them in these formats.

    Args:
        width: "column" or "text".
        formats: of "png", "svg" and "pdf"; none for png and svg.
    """
    tokens = _width.set(width), _formats.set(formats or _formats.get())
    try:
        yield
    finally:
        _width.reset(tokens[0])
        _formats.reset(tokens[1])


def figure_formats() -> tuple[str, ...]:
    """Return the formats that figures are written in."""
    return _formats.get()


def in_column() -> bool:
    """Whether figures are drawn for one column: panels then stand below each other."""
    return _width.get() == "column"


def figure_size(width: float, height: float) -> tuple[float, float]:
    """Return the size of a figure: as wide as it is drawn for the text, at most a column for a column."""
    return (min(width, COLUMN), height) if in_column() else (width, height)


def tidy(axes: Axes) -> None:
    """Remove what carries no data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)

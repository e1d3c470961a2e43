"""One look for all figures, their panels and their files.

Colours survive colour blindness and grey print; sizes are those of a paper's page; the same figure gives the same bytes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.markers import TICKLEFT
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from dstheory.checks import Floats
from dstheory.texts import figure_text

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
    "text.hinting": "no_hinting",  # letters of 200 dots per inch need not be fitted to dots, which takes a tenth of the time
    "svg.hashsalt": "dstheory",  # the same figure gives the same bytes
    "mathtext.fontset": "cm",
    "text.usetex": False,  # whatever the user's settings: labels are texts of others and no TeX
    "savefig.bbox": None,  # nor is anything cut off
    "savefig.transparent": False,
}
_PAGE_WIDTH = 3.6  # inches: 346 pixels of a browser, so that text of 8.5 points is 11 pixels high on a telephone
_PAGE: Any = {**RC, "legend.fontsize": 8.5}
_SAVED: dict[str, dict[str, Any]] = {
    ".png": {"dpi": 200, "pil_kwargs": {"compress_level": 3}},
    ".svg": {"metadata": {"Date": None}},
    ".pdf": {"metadata": {"CreationDate": None}},
}

COLUMN, TEXT = 3.4, 7.2
"""Inches of a column of a paper of two columns, and of its text."""

_width: ContextVar[str] = ContextVar("width", default="text")
_formats: ContextVar[tuple[str, ...]] = ContextVar("formats", default=("png", "svg"))


@contextmanager
def drawn_for(width: str, formats: tuple[str, ...]) -> Iterator[None]:
    """Draw figures for a "column" of a paper, or for its "text", and write them in these formats.

    Args:
        width: "column" or "text".
        formats: of "png", "svg" and "pdf"; none for png and svg.

    Example:
        >>> from dstheory.plots import rates_figure
        >>> with drawn_for("column", ("pdf",)):
        ...     float(rates_figure({"start": {"p": 0.5, "a": 0.8}}).get_figwidth())
        3.4
    """
    tokens = _width.set(width), _formats.set(formats or _formats.get())
    try:
        yield
    finally:
        _width.reset(tokens[0])
        _formats.reset(tokens[1])


def in_column() -> bool:
    """Whether figures are drawn for one column: panels then stand below each other."""
    return _width.get() == "column"


def figure_size(width: float, height: float) -> tuple[float, float]:
    """Return the size of a figure: as wide as it is drawn for the text, at most a column for a column."""
    return (min(width, COLUMN), height) if in_column() else (width, height)


def beside(panels: int) -> tuple[int, int]:
    """Return rows and columns of panels: beside each other in the text, below each other in a column."""
    return (panels, 1) if in_column() else (1, panels)


@contextmanager
def framed(width: float, height: float, *, title: str = "") -> Iterator[Figure]:
    """Yield an empty figure in the look of all; what is drawn with a label gets into a legend below it, and the title above.

    Args:
        width: for the text, in inches; a column is as wide as it is.
        height: in inches, without the legend.
        title: over the whole figure.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=figure_size(width, height), layout="constrained")
        yield figure
        legend_below(figure)
        entitle(figure, figure_text(title))


def row_figure(panels: int, height: float, *, width: float = TEXT, column: float | None = None) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels that share both scales, and the panels, see :func:`beside`; for :func:`legend_below`.

    Args:
        panels: how many.
        height: in the text, in inches.
        width: in the text.
        column: height of each panel in a column; default that in the text.
    """
    size = (COLUMN, panels * (column or height)) if in_column() else (width, height)
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(*beside(panels), sharex=True, sharey=True, squeeze=False).flat)


def legend_below(figure: Figure, *, title: str = "", most: int = 4) -> None:
    """Put what has a label into one legend below the panels, each label once, and make the figure as much higher.

    Args:
        figure: with its panels drawn.
        title: of the legend.
        most: entries beside each other at most.
    """
    found = _labelled(figure.axes)
    if not found:
        return
    labels, columns, lines = legend_lines(list(found), figure.get_figwidth(), most=most)
    figure.set_figheight(figure.get_figheight() + 0.17 * (lines + bool(title)))
    figure.legend(list(found.values()), labels, loc="outside lower center", ncols=columns, frameon=False, title=title or None)


def legend_lines(labels: Sequence[str], width: float, *, most: int = 4) -> tuple[list[str], int, int]:
    """Break the labels of a legend that is so many inches wide, and return them, its columns and its lines."""
    labels = [in_lines(label, width - 0.5) if "$" not in label.replace(r"\$", "") else label for label in labels]
    for columns in range(min(most, len(labels)), 0, -1):
        stacks = [list(stack) for stack in np.array_split(labels, columns)]
        if sum(0.56 + 0.06 * max(map(_letters, stack)) for stack in stacks) - 0.22 <= width:
            break
    return labels, columns, max(sum(1 + label.count("\n") for label in stack) for stack in stacks)


def _letters(label: str) -> int:
    """Return the letters of the longest line, without what only sets mathematics."""
    return max(len(re.sub(r"\\[a-zA-Z]+|[${}_^\\]", "", line)) for line in label.split("\n"))


def _labelled(panels: Sequence[Axes]) -> dict[str, Artist]:
    found: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found


def entitle(figure: Figure, title: str) -> None:
    """Put a title over a figure, in as many lines as it needs there."""
    if title:
        figure.suptitle(in_lines(title, figure.get_figwidth()), fontsize=9)


_DOLLAR = "\ue000"  # of Unicode's private use


def in_lines(title: str, width: float) -> str:
    """Break a title into as few lines as have room in so many inches, and these at about the same length."""
    most = int(width / 0.073)  # letters
    title = title.replace(r"\$", _DOLLAR)  # which must not be broken
    lines = wrap(title, most) if len(title) > most else [title]
    for letters in range(1, most) if len(lines) > 1 else ():
        even = wrap(title, letters, break_long_words=False)
        if len(even) == len(lines) and max(map(len, even)) <= most:
            lines = even
            break
    return "\n".join(lines).replace(_DOLLAR, r"\$")


def curve(axes: Axes, step: ArrayLike, data: ArrayLike, **look: Any) -> None:
    """Draw numbers over the steps of training; of several runs the median, and the middle 80 % shaded.

    Args:
        axes: where.
        step: (steps,).
        data: (steps, *runs).
        look: of the line, with a ``color``.
    """
    data = np.asarray(data)
    runs = tuple(range(1, data.ndim))
    axes.plot(step, np.median(data, axis=runs) if runs else data, **look)
    if runs:
        low, high = np.quantile(data, [0.1, 0.9], axis=runs)
        axes.fill_between(step, low, high, color=look["color"], alpha=0.15, linewidth=0)


def marker(i: int) -> str:
    """Return the marker of the i-th thing: with its colour, which are as many, it is that of no other of the first 49."""
    return MARKERS[(i + i // len(PALETTE)) % len(MARKERS)]


def tidy(axes: Axes) -> None:
    """Remove what carries no data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def mark(axes: Axes, heights: ArrayLike, *, size: float = 3.5, width: float = 0.8) -> None:
    """Put tick marks beside the vertical axis, as one artist: matplotlib's own ticks are five each, and take most of its time.

    Args:
        axes: where.
        heights: of the marks, in data.
        size: in points; default that of major ticks.
        width: likewise.
    """
    heights = np.asarray(heights)
    axes.plot(np.zeros_like(heights), heights, linestyle="none", marker=TICKLEFT, markersize=size, markeredgewidth=width,
              color="black", clip_on=False, transform=axes.get_yaxis_transform())  # fmt: skip


def unplaced(pair: ArrayLike, inside: ArrayLike) -> str:
    """Return in words what of the two stages has no place on a logarithmic scale, such as 0: one line each, or one for both."""
    words = [f"{x:.2g}" for x in np.asarray(pair)]
    absent = [not there for there in np.asarray(inside)]
    if all(absent) and words[0] == words[1]:
        return f"both: {words[0]}"
    return "\n".join(f"{STAGES[stage]['label']}: {x}" for stage, x, out in zip(STAGES, words, absent, strict=True) if out)


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")  # without the cost of TeX


def by_decades(axis: Axis, low: float, high: float) -> Floats:
    """Label an axis of decimal logarithms by powers of ten; matplotlib's own logarithmic axis fails where numbers end.

    Args:
        axis: of a panel.
        low: its lower limit, a logarithm.
        high: its upper limit.

    Returns:
        Where twice, three times, ... a power of ten are, for smaller ticks; none where the axis is long.
    """
    axis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    axis.set_major_formatter(lambda exponent, _: "10" + str(round(exponent)).translate(_RAISED))
    if high - low > 10:
        return np.zeros(0)
    between: Floats = np.add.outer(np.arange(np.floor(low), high), np.log10(np.arange(2, 10))).ravel()
    return np.asarray(between[(low <= between) & (between <= high)])


def by_counts(axis: Axis, low: float, high: float) -> tuple[float, float]:
    """Label a logarithmic axis by 1, 2, 5, 10, ..., or by powers of ten where it is long, and return its limits: wide enough."""
    wider = max(1.0, (10 * low / high) ** 0.5)  # at least two labels
    low, high = low / wider, high * wider
    leaders, apart = ((1, 2, 5), 1) if high / low < 1000 else ((1,), -(-int(np.log10(high / low)) // 7))
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1, apart)
    ticks = {leader * 10.0**exponent: (leader, exponent) for exponent in exponents for leader in leaders}
    shown = {x: parts for x, parts in ticks.items() if low <= x <= high}
    axis.set_major_locator(FixedLocator(list(shown)))
    axis.set_major_formatter(FixedFormatter([_count(*parts) for parts in shown.values()]))
    axis.set_minor_locator(NullLocator())
    return low, high


def _count(leader: int, exponent: int) -> str:
    if -3 <= exponent <= 4:
        return f"{leader * 10.0**exponent:,.10g}"
    return ("" if leader == 1 else f"{leader} x ") + "10" + str(exponent).translate(_RAISED)


# -------- panels


@dataclass(frozen=True)
class Panel:
    """A part of a figure.

    Attributes:
        title: above it.
        says: its numbers in words, for those who do not see it.
        draw: draws into axes; what has a label gets into the legend of the figure.
        height: of the axes, in inches.
        wide: whether it has so many points that it needs the width of a page.
    """

    title: str
    says: str
    draw: Callable[[Axes], None]
    height: float = 2.3
    wide: bool = False


def panel_figure(panel: Panel) -> Figure:
    """Return a figure of one panel, narrow enough for a telephone unless it is wide, with its legend below."""
    with matplotlib.rc_context(_PAGE):
        figure = Figure(figsize=(_PAGE_WIDTH * (1 + panel.wide), panel.height), layout="constrained")
        axes = figure.subplots()
        panel.draw(axes)
        if len(_labelled([axes])) > 1:
            legend_below(figure)
    return figure


_MOST_BESIDE = 3  # panels of a row: with more, their words have no room


def grid_figure(rows: Sequence[Sequence[Panel]], *, title: str = "") -> Figure:
    """Return a figure of rows of panels with titles and one legend for all.

    Args:
        rows: the rows; those without panels are left out, a row of more than three is broken into rows of three, and a wide panel
            has a row of its own.
        title: over the whole figure.

    Example:
        >>> panel = Panel("a line", "from 0 to 1", lambda axes: axes.plot([0, 1], [0, 1]))
        >>> len(grid_figure([[panel, panel], [panel]], title="three lines").axes)
        3
    """
    rows = [part for row in rows for part in (*([one] for one in row if one.wide), [one for one in row if not one.wide])]
    most = 1 if in_column() else _MOST_BESIDE
    parts = [(min(most, len(row)), row[i : i + most]) for row in rows for i in range(0, len(row), most)]
    with matplotlib.rc_context(RC):
        alone = max(beside for beside, _ in parts) == 1
        width = COLUMN if in_column() else 3.8 if alone and not any(panel.wide for row in rows for panel in row) else TEXT
        titles = [
            [in_lines(figure_text(panel.title, longest=120), width / beside - 0.6) for panel in row] for beside, row in parts
        ]
        lines = sum(max(title.count("\n") for title in row) for row in titles)  # beyond the first ones
        height = 0.4 + sum(max(panel.height for panel in row) for _, row in parts) + 0.15 * lines
        figure = Figure(figsize=(width, height), layout="constrained")
        columns = lcm(*(beside for beside, _ in parts))
        grid = figure.add_gridspec(len(parts), columns)
        for i, (beside, row) in enumerate(parts):
            each = columns // beside
            for j, panel in enumerate(row):
                axes = figure.add_subplot(grid[i, j * each : (j + 1) * each])
                panel.draw(axes)
                axes.set_title(titles[i][j])
        legend_below(figure)
        entitle(figure, figure_text(title))
    return figure


# -------- files


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a file per format, by default ``stem.png`` and ``stem.svg``; without a date, so the same figure gives the same bytes.

    Args:
        figure: any figure of matplotlib; its layout is computed once and kept.
        stem: the path without its suffix.

    Returns:
        The paths written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, drawn_for("text", ("svg",)):
        ...     [path.name for path in save_figure(Figure(figsize=(1, 1)), Path(folder, "empty"))]
        ['empty.svg']
    """
    paths = [stem.with_suffix(f".{kind}") for kind in _formats.get()]
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
        warnings.warn(f"the font of the figures does not have {some}: boxes replace them", UserWarning, stacklevel=3)

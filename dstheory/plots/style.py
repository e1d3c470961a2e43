"""One look for all figures: colours that survive colour blindness and grey print, sizes for a paper's page."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

# Okabe and Ito (2008): distinguishable with every common form of colour blindness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (3, 1.2, 1, 1.2)), (0, (1, 1)))

RC: Any = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "dstheory",  # the same figure gives the same bytes
    "mathtext.fontset": "cm",
    "text.usetex": False,  # whatever the user's settings: labels are texts of others and no TeX
}


def tidy(axes: Axes) -> None:
    """Remove what carries no data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)

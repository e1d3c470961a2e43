"""Where reflection helps: the accuracy that it adds to one sample, over both decision probabilities.

Every point is the exact final accuracy of the minimal chain without discount, minus p, the accuracy of its first sample.

What it shows, and why. The gain is p(1-p)(a+b-1)/(1-q): reflection helps exactly above the line a + b = 1, where the
decision, read as a diagnostic test, has a likelihood ratio a/(1-b) above 1 (claims A3, A5; A3-loose says that it always
helps). The line is the same for every p; how much is won or lost is not. It grows towards the upper right, in each of a and b
(A4). The open circle is the echo chamber, a = 1 and b = 0: every answer is accepted, and reflection changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dstheory import Policy, TwoStageMDP, solve

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

NAME = "reflection-gain"
CLAIMS = ("A3", "A3-loose", "A4", "A5")

CORRECT = (0.2, 0.55, 0.9)


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> tuple[xr.Dataset, dict[str, Figure]]:
    """Solve the chain at every pair of decision probabilities and draw what reflection adds."""
    import xarray as xr

    from ._phases import reflection_gain_figure

    cells = 40 if quick else 200
    inside = (np.arange(cells) + 0.5) / cells
    p, b, a = np.meshgrid(CORRECT, inside, inside, indexing="ij")
    accuracy = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=p, a=a, b=b)).mean_accuracy
    if progress is not None:
        progress(1, 1)
    data = xr.Dataset({"gain": (("p", "b", "a"), accuracy - p)}, coords={"p": list(CORRECT), "b": inside, "a": inside})
    return data, {NAME: reflection_gain_figure(data)}

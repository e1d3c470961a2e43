"""The source's simulation, redrawn: what a reward does to sampling depends on what is rewarded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from dstheory.plots.style import DASHES, PALETTE, RC, tidy

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["source_figure"]

_LOGITS = {"theta_s": r"$\theta_s$", "theta_C": r"$\theta_C$", "theta_W": r"$\theta_W$"}
_CHANCES = {"p": "$p$ = P(correct)", "a": "$a$ = P(stop | correct)", "b": "$b$ = P(resample | wrong)"}


def source_figure(data: xr.Dataset) -> Figure:
    """Draw six panels for each kind of reward: the gradients of reward and penalty on each logit, and its probability.

    Args:
        data: dims reward, step, logit, with p, a, b, reward_gradient and penalty_gradient (see ``sims/source_figure.py``).
    """
    with matplotlib.rc_context(RC):
        kinds = [str(kind) for kind in data.reward.values]
        figure = Figure(figsize=(7.2, 3.75 * len(kinds) + 0.3), layout="constrained")
        blocks = figure.subfigures(len(kinds), 1, squeeze=False, hspace=0.04)[:, 0]
        for i, (kind, block) in enumerate(zip(kinds, blocks, strict=True)):
            block.suptitle(f"({chr(ord('A') + i)}) {kind}", fontsize=10, x=0.01, ha="left")
            _six_panels(block, data.sel(reward=kind))
        axes = blocks[0].axes[0]
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _six_panels(block: SubFigure, data: xr.Dataset) -> None:
    grid = block.subplots(2, 3, sharex=True)
    for j, ((logit, symbol), (name, label)) in enumerate(zip(_LOGITS.items(), _CHANCES.items(), strict=True)):
        above, below = grid[0, j], grid[1, j]
        above.axhline(0.0, color="0.3", linewidth=0.8)
        for k, (variable, title) in enumerate(
            (("reward_gradient", "gradient of the reward"), ("penalty_gradient", "of the KL penalty"))
        ):
            colour = PALETTE[k]
            above.plot(data.step, data[variable].sel(logit=logit), color=colour, linestyle=DASHES[k], linewidth=1.3, label=title)
        below.plot(data.step, data[name], color=PALETTE[2])
        above.set_title(f"gradient on {symbol}")
        below.set_title(label)
        below.set_ylim(0.45, 1.02)
        below.set_xlabel("step")
        below.xaxis.set_major_locator(MaxNLocator(2))
        above.yaxis.set_major_locator(MaxNLocator(5))
        for axes in (above, below):
            axes.margins(x=0)
            tidy(axes)

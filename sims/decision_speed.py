"""How long a decision takes to reach 0.9, against the length weight: SGD, clipped SGD, Adam.

Supervised fine-tuning of the minimal chain on demonstrations that cover mistakes, by exact gradients; answers have 64 tokens,
decisions one, so that sampling weighs 64^lambda times as much. The decision is P(resample | wrong), from 0.3 towards the
demonstrator's 0.95. Its own logit shares no parameter with sampling.

What it shows, and why. The optimum does not move (claim C5), the speed does (C5-moves). (a) Stage sum. The decision's own
gradient does not change, but one step size serves both stages. SGD needs a step that sampling survives; it falls like 1/w_s
from where sampling becomes the stiffer stage, and the decision waits. Clipping lets the step be long and shortens it to the
threshold whenever the gradient is larger (F1). That is soon over where sampling arrives. Where the step is too long for it,
above w_s p(1-p) turns = 2 (lambda = 0.7), sampling jumps about its optimum for ever, the clip stays busy and the decision
pays, by an amount that depends on the jumps. (b) The stage mean divides both weights by their sum: nothing is stiff, nothing is
clipped, both curves of SGD are one, and the decision is diluted (C2). Adam scales each coordinate by its own gradients and
does not see the weights (F2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from dstheory import Policy, TwoStageMDP, solve
from dstheory.dynamics import SGD, Adam, Optimizer, train
from dstheory.experiments import Findings
from dstheory.objectives import SFT, ExpertChain
from dstheory.plots.style import DASHES, PALETTE, RC, legend_below, row_figure, tidy

from ._mechanisms import arrival

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from dstheory.checks import Floats

NAME = "decision-speed"
CLAIMS = ("C2", "C5", "C5-moves", "F1", "F2")

START, EXPERT, TARGET = (0.55, 0.8, 0.3), (0.9, 0.95, 0.95), 0.9
STEP, ADAM_STEP, THRESHOLD = 1.0, 0.05, 1.0
REDUCTIONS = {"sum": "stage sum", "mean": "stage mean"}


def optimizers(weight_sample: Floats, turns: float) -> Iterator[tuple[str, Optimizer, float | None]]:
    """Return name, optimiser and threshold of clipping; sampling's stiffness is at most w_s x (expert's turns)/4."""
    stable = np.minimum(STEP, 4.0 / (weight_sample * turns))
    yield "SGD, step as long as sampling allows", SGD(lr=stable), None
    yield f"SGD, step {STEP:g}, clipped at norm {THRESHOLD:g}", SGD(lr=STEP), THRESHOLD
    yield "Adam", Adam(lr=ADAM_STEP), None


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> Findings:
    """Train with every optimiser, all length weights side by side, and draw how long each takes."""
    import xarray as xr

    length = 4.0 if quick else 64.0
    length_weight = np.linspace(0, 1, 3 if quick else 41)
    mdp = TwoStageMDP.minimal(sample_length=length)
    start, expert = (Policy.minimal(p=p, a=a, b=b) for p, a, b in (START, EXPERT))
    turns = float(solve(mdp, expert).mean_turns)
    table: dict[str, list[Floats]] = {}
    for reduction, title in REDUCTIONS.items():
        weight = length**length_weight
        objective = SFT(ExpertChain(expert), length_weight=length_weight, reduction=reduction)  # type: ignore[arg-type]
        share = weight if reduction == "sum" else weight / (1 + weight)
        for name, optimizer, threshold in optimizers(share, turns):
            # Without dilution the decision takes some 140 steps of length 1; the stage mean divides by 1 + w_s.
            budget = 200 if name == "Adam" else int(150 * (1 + length))
            every = max(1, budget // 1000)
            history = train(
                mdp, start, objective, steps=budget, optimizer=optimizer, clip_norm=threshold, log_every=every
            ).history  # fmt: skip
            table.setdefault(title, []).append(arrival(history.step.values, history.b.values, TARGET))
            if progress is not None:
                progress(sum(map(len, table.values())), 6)
    names = [name for name, *_ in optimizers(np.ones(1), turns)]
    data = xr.Dataset(
        {"steps": (("reduction", "optimizer", "length_weight"), np.array(list(table.values())),
                   {"long_name": f"steps until $b$ = {TARGET:g}"})},
        coords={"reduction": list(table), "optimizer": names, "length_weight": length_weight},
        attrs={"answer_length": length, "target": TARGET},
    )  # fmt: skip
    rows: list[dict[str, Any]] = [
        {"reduction": title, "optimizer": name}
        | {f"lambda = {at:g}": float(data.steps.sel(reduction=title, optimizer=name, length_weight=at)) for at in (0, 0.5, 1)}
        for title in table
        for name in names
    ]
    return Findings(data, {NAME: decision_speed_figure(data)}, {"steps": rows})


_MARKERS = "os^D"


def decision_speed_figure(data: xr.Dataset) -> Figure:
    """Draw the number of steps that a decision takes, one panel per reduction, one curve per optimiser.

    Args:
        data: ``steps`` with dims reduction, optimizer, length_weight; NaN where the decision did not get there.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(len(data.reduction), 2.6, column=2.0)
        for axes, reduction, letter in zip(panels, data.reduction.values, "abcd", strict=False):
            for i, name in enumerate(data.optimizer.values):
                steps = data.steps.sel(reduction=reduction, optimizer=name)
                axes.plot(
                    data.length_weight, steps, color=PALETTE[i], linestyle=DASHES[i],
                    marker=_MARKERS[i], markevery=(i, 4), markersize=4.5, label=str(name), clip_on=False,
                    markerfacecolor=PALETTE[i] if i % 2 else "white",
                )  # fmt: skip
            axes.set_yscale("log")
            axes.set_xlabel(r"length weight $\lambda$")
            axes.set_ylabel(data.steps.attrs.get("long_name", "steps"))
            axes.set_title(f"({letter}) {reduction}", loc="left")
            axes.label_outer()
            tidy(axes)
        low, high = np.log10([np.nanmin(data.steps), np.nanmax(data.steps)])
        # whole decades, whose ends are labelled, and no line on the edge
        panels[0].set_ylim(10 ** np.floor(low - 0.1), 10 ** np.ceil(high))
        legend_below(figure, most=3)
    return figure

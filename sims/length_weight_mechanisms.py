"""Four ways in which length weight costs a decision, and two optimisers that undo or keep it, each alone.

The source's claim 4 says that length-weighting leaves the decision under-optimised. With demonstrations that cover mistakes the
optimum of tabular SFT does not move with the length weight at all (C5), so whatever it costs must come from somewhere else. Here
is one start, one demonstrator, and one change at a time: finite training under the stage mean (C2, C5-time), clipping of the
global norm with exact and with sampled gradients (F1, F1-delay), a shared trunk without room for both stages (F4, C5-moves), and
demonstrations that are right first time (C3). Finite training is then repeated with Adam (F2) and the natural gradient (F3).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from dstheory import Policy, TwoStageMDP, solve
from dstheory.dynamics import TrainResult
from dstheory.experiments import Findings
from dstheory.plots.style import DASHES, PALETTE, RC, figure_size, in_column, legend_below, tidy

from ._mechanisms import Mechanism, arrival, length_weight_mechanisms, settle

if TYPE_CHECKING:
    import xarray as xr

NAME = "length-weight-mechanisms"
CLAIMS = ("C5", "C5-moves", "C5-time", "C2", "C3", "F1", "F1-delay", "F2", "F3", "F4")

START = (0.55, 0.8, 0.3)
EXPERT = (0.75, 0.9, 0.95)
LENGTH, GAMMA = 32.0, 0.95
TARGET = 0.9
NOTHING = 0.005  # less of b than this is not spoken of
BEARS_ON = {
    "control": "C5",
    "finite training": "C2, C5-time",
    "clipping": "F1, F1-delay",
    "clipping, sampled": "F1, F1-delay",
    "shared trunk": "F4, C5-moves",
    "missing coverage": "C3",
    "finite training, Adam": "F2",
    "finite training, natural": "F3",
}


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> Findings:
    """Train all, with three length weights each."""
    import xarray as xr

    weights = np.array([0.0, 0.5, 1.0])
    steps, budget = (600, 250) if quick else (10_000, 500)
    marks = [*map(int, np.unique(np.geomspace(1, steps, 60 if quick else 300).round())), budget]
    mdp, start = TwoStageMDP.minimal(gamma=GAMMA, sample_length=LENGTH), Policy.minimal(p=START[0], a=START[1], b=START[2])
    mechanisms = length_weight_mechanisms(mdp, start, expert=EXPERT, length_weight=weights)
    histories, ends = [], []
    for i, mechanism in enumerate(mechanisms.values()):
        report = None if progress is None else lambda done, i=i: progress(i * steps + done, len(mechanisms) * steps)
        result = mechanism.run(mdp, steps=steps, log_at=marks, progress=report)
        histories.append(result.history[["p", "a", "b", "accuracy"]].rename(run="length_weight"))
        ends.append(_end(mdp, mechanism, result, steps=2_000 if quick else 20_000))
    names = xr.DataArray(list(mechanisms), dims="mechanism", name="mechanism")
    data = xr.concat(histories, dim=names).assign_coords(length_weight=weights)
    data["right_decisions"] = START[0] * data.a + (1 - START[0]) * data.b
    data["right_decisions"].attrs["long_name"] = "share of right decisions on the answers of the start"
    data["end"] = (("mechanism", "length_weight"), np.stack(ends), {"long_name": "b after long training"})
    reached = [arrival(data.step.values, b, TARGET) for b in data.b.transpose("mechanism", "step", "length_weight").values]
    data["steps_to_target"] = (("mechanism", "length_weight"), np.array(reached), {"long_name": f"steps until b = {TARGET}"})
    data.attrs |= {"seed": 0, "budget": budget, "steps": steps}
    rows = [_row(data.sel(mechanism=name), budget) for name in mechanisms]
    titles = [name.replace("finite training, ", "as (b), ") for name in mechanisms]
    figure = mechanisms_figure(data, titles, budget=budget, expert=EXPERT[2])
    return Findings(data, {NAME: figure}, {"costs": rows}, _caption(data, rows, budget))


def _end(mdp: TwoStageMDP, mechanism: Mechanism, result: TrainResult, *, steps: int) -> np.ndarray:
    """Return b in the end: at the optimum of the objective, or, where gradients are sampled, on average over the second half."""
    if mechanism.objective_at is not None:
        b = result.history.b
        return np.asarray(b.sel(step=slice(int(b.step[-1]) // 2, None)).mean("step"))
    return np.asarray(solve(mdp, settle(mdp, mechanism, result.policy, steps=steps)).b)


def _row(one: xr.Dataset, budget: int) -> dict[str, Any]:
    """Return a mechanism's costs: what length weight 1 loses against 0 after the budget, and in the end."""
    name = str(one.mechanism.values)
    at = one.sel(step=budget)

    def lost(values: xr.DataArray) -> float:
        return round(float(values[0] - values[-1]), 4) + 0.0

    def steps(value: xr.DataArray) -> int | None:
        return None if np.isnan(value) else round(float(value))

    return {
        "mechanism": name,
        "claims": BEARS_ON[name],
        "b λ=0": round(float(at.b[0]), 4),
        "b λ=1": round(float(at.b[-1]), 4),
        "lost": lost(at.b),
        "decisions": lost(at.right_decisions),
        "accuracy": lost(at.accuracy),
        "steps λ=0": steps(one.steps_to_target[0]),
        "steps λ=1": steps(one.steps_to_target[-1]),
        "end λ=0": round(float(one.end[0]), 4),
        "end λ=1": round(float(one.end[-1]), 4),
        "lost at end": lost(one.end),
    }


def _caption(data: xr.Dataset, rows: list[dict[str, Any]], budget: int) -> str:
    cost = {row["mechanism"]: row for row in rows}

    def lost(name: str) -> str:
        return f"{cost[name]['lost']:.3f}"

    def times(name: str) -> str:
        first, last = (data.steps_to_target.sel(mechanism=name, length_weight=w).item() for w in (0.0, 1.0))
        return "is not reached at weight 1" if np.isnan(last) else f"takes {last / first:.1f} times the steps"

    off = float(np.abs(data.end.sel(mechanism="control") - EXPERT[2]).max())
    p = data.p.isel(step=-1).sel(mechanism="clipping, sampled", length_weight=1.0).item()
    biased = f"It also biases sampling: p ends at {p:.2f}, the demonstrator's is {EXPERT[0]:g}."
    biased = biased if abs(p - EXPERT[0]) > 0.01 else ""
    at_end = {name: row["lost at end"] for name, row in cost.items()}
    still = [f"{at_end[name]:.3f} ({name})" for name in cost if abs(at_end[name]) > NOTHING]
    paragraphs = [
        f"""What length weight costs a decision that is learned by imitation: b = P(resample | wrong) over training, one mechanism
        per panel. Start p, a, b = {START}; demonstrator {EXPERT} (dotted); answers of {LENGTH:g} tokens, decisions of 1.
        The numbers in a panel say how much less b is at length weight 1 than at 0: at step {budget} (grey line), which is
        called lost here, and after long training.""",
        f"""(a) Control (C5): tabular, summed weights, exact gradients. The curves coincide, since no decision's gradient contains
        w_s, and the optimum is the demonstrator at every length weight (largest distance of b after long training:
        {off:.0e}).""",
        f"""(b) Finite training (C2, C5-time): under the stage mean the decision's clock is slower than at weight 0 by
        (w_s + w_d)/(2 w_d) = {(LENGTH + 1) / 2:g}. Lost {lost("finite training")}, {at_end["finite training"]:.3f} after long
        training; b = {TARGET} {times("finite training")}.""",
        f"""(c, d) Clipping at norm 1 (F1, F1-delay): each clipped step of the decision is divided by the norm of both stages.
        With exact gradients that is over once sampling has arrived: lost {lost("clipping")}. With gradients from 8
        demonstrations the noise of the sampling stage keeps the clip busy: lost {lost("clipping, sampled")}; b = {TARGET}
        {times("clipping, sampled")}. {biased}""",
        f"""(e) Shared trunk (F4, C5-moves): one parameter gives an answer more often and accepts it more often. The optimum
        itself moves: lost {lost("shared trunk")}, after long training {cost["shared trunk"]["lost at end"]:.3f}. At weight 1
        training makes the decision worse than it was at the start, {START[2]:g}; what it gains is sampling.""",
        f"""(f) Missing coverage (C3): demonstrations that are right first time leave b at {START[2]:g} at every length weight.
        What is missing, {EXPERT[2] - START[2]:.2f}, is missing at weight 0 too: it is no cost of the weight.""",
        f"""(g, h) Finite training again, with Adam (F2): the weights are gone, lost {lost("finite training, Adam")}. With the
        natural gradient (F3) the decision's step does not depend on w_s, but it keeps its own weight w_d/(w_s + w_d): lost
        {lost("finite training, natural")}; b = {TARGET} {times("finite training, natural")}.""",
        f"""After long training weight 1 costs the decision {", ".join(still) or "nothing"}. Missing coverage costs it the same at
        every weight; what is not named here costs time.""",
        f"""Table: b at step {budget}; what weight 1 loses there in b, in right decisions on the answers of the start, and in
        final accuracy (negative: gained, by sampling); steps to b = {TARGET}, interpolated between those logged, some 3 % apart
        (- if never); b after long training and what is lost then.""",
    ]
    return "\n\n".join(textwrap.fill(" ".join(paragraph.split()), 110, break_on_hyphens=False) for paragraph in paragraphs)


def mechanisms_figure(data: xr.Dataset, titles: Sequence[str], *, budget: int, expert: float) -> Figure:
    """Draw b over training on a logarithmic axis, one panel per mechanism, one curve per length weight.

    A mechanism that slows decisions shifts a curve to the right; one that moves the optimum ends it on another level.

    Args:
        data: dims mechanism, step, length_weight, with ``b``, and ``end``, its value in the end (see
            ``sims/length_weight_mechanisms.py``).
        titles: one per mechanism.
        budget: the step at which training is looked at, marked in every panel.
        expert: the demonstrator's b, marked in every panel.
    """
    with matplotlib.rc_context(RC):
        columns = 2 if in_column() else 4
        rows = -(-len(titles) // columns)
        figure = Figure(figsize=figure_size(7.2, (1.75 if in_column() else 2.0) * rows + 0.4), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for i, (axes, title) in enumerate(zip(grid.flat, titles, strict=False)):
            _panel(axes, data.isel(mechanism=i), budget, expert)
            axes.set_title(f"({chr(ord('a') + i)}) {title}", loc="left")
        for axes in grid.flat[len(titles) :]:
            axes.set_axis_off()
        for axes in grid[-1]:
            axes.set_xlabel("step")
        for axes in grid[:, 0]:
            axes.set_ylabel("$b$ = P(resample | wrong)")
        legend_below(figure, most=5)
    return figure


def _panel(axes: Axes, data: xr.Dataset, budget: int, expert: float) -> None:
    late = data.where(data.step > 0, drop=True)
    for i, weight in enumerate(data.length_weight.values):
        label = rf"$\lambda$ = {weight:g}"
        axes.plot(late.step, late.b.isel(length_weight=i), color=PALETTE[i], linestyle=DASHES[i], label=label)
    axes.axhline(expert, color="0.35", linewidth=0.8, linestyle=(0, (1, 2)), label="demonstrator")
    axes.axvline(budget, color="0.35", linewidth=0.8, label=f"step {budget}")
    axes.set_xscale("log")
    axes.set_xlim(1, float(data.step[-1]))
    axes.set_ylim(0.0, 1.0)
    axes.xaxis.set_major_locator(LogLocator(numticks=9))
    now, finally_ = (round(float(part[0] - part[-1]), 2) + 0.0 for part in (data.b.sel(step=budget), data.end))
    said = f"$b(\\lambda{{=}}0) - b(\\lambda{{=}}1)$\nstep {budget}: {now:.2f}\nafter long training: {finally_:.2f}"
    high = float(late.b.isel(step=-1).max()) < 0.6  # where the curves leave room
    axes.text(0.97, 0.86 if high else 0.02, said, transform=axes.transAxes,
              ha="right", va="top" if high else "bottom", fontsize=6.5,
              bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0})  # fmt: skip
    tidy(axes)

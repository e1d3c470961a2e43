"""The source's own simulation, twice: with a reward for the final answer, and with a reward for each decision.

The source (arXiv 2601.01580) starts at theta_s, theta_C, theta_W = 0.2, 1.5, 1.0 and trains 10,000 steps with a KL penalty to a
reference that moves along. In its figure the reward's gradient on theta_s is negative and P(correct) falls from 0.55 to about
0.50, while both decision probabilities rise to about 0.98.

A reward for the final answer cannot do that (claim B6): its gradient on theta_s is positive at every policy, so P(correct) rises
and the penalty can only slow it. A reward for right decisions can: here +1 for stopping at a correct answer and +1 for resampling
a wrong one. Once wrong answers are noticed reliably, being wrong and noticing it pays more than being right at once: the policy
is in the sabotage region (B6-region), and the reward's gradient on theta_s is negative.

The source does not print gamma, beta, length, length weight, learning rate or how often the reference moves. They are fitted
here, by hand, so that the second run ends where the source's does. The ends are therefore no evidence; the signs of the gradient
are, and the table shows what depends on the fit and what does not.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from dstheory import Policy, TwoStageMDP, solve
from dstheory.dynamics import SGD, train
from dstheory.experiments import Findings
from dstheory.objectives import Reinforce, ReverseKLDirect
from dstheory.plots.style import DASHES, PALETTE, RC, figure_size, in_column, legend_below, tidy

if TYPE_CHECKING:
    import xarray as xr

NAME = "source-figure"
CLAIMS = ("B6", "B6-loose", "B6-region")

START = (0.2, 1.5, 1.0)
REWARDS = {
    "final answer rewarded": {"stop_correct": 1.0, "resample_correct": 0.0, "stop_wrong": 0.0, "resample_wrong": 0.0},
    "right decisions rewarded": {"stop_correct": 1.0, "resample_correct": 0.0, "stop_wrong": 0.0, "resample_wrong": 1.0},
}
# Fitted by hand, see above.
FITTED = {
    "gamma": 0.1,
    "beta": 0.5,
    "answer length": 16.0,
    "length weight": 0.5,
    "learning rate": 0.01,
    "reference moves every": 1000,
}
# One change at a time, to see what depends on the fit.
CHANGES: tuple[dict[str, float], ...] = (
    {},
    {"gamma": 0.5},
    {"gamma": 0.9},
    {"beta": 0.0},
    {"beta": 2.0},
    {"length weight": 0.0},
    {"length weight": 1.0},
    {"learning rate": 0.05},
    {"reference moves every": 100},
)


def run(*, quick: bool, progress: Callable[[int, int], None] | None = None) -> Findings:
    """Train with both rewards, draw six panels of each, and repeat the runs with other settings."""
    import xarray as xr

    steps, changed = (200, CHANGES[:3]) if quick else (10_000, CHANGES)
    total = len(REWARDS) * len(changed)
    done = 0

    def trained(reward: str, changes: dict[str, float], logged: int) -> xr.Dataset:
        nonlocal done
        history = _train(reward, FITTED | changes, steps, logged)
        done += 1
        if progress is not None:
            progress(done, total)
        return history

    kinds = xr.DataArray(list(REWARDS), dims="reward", name="reward")
    data = xr.concat([trained(r, {}, 50 if quick else 200) for r in REWARDS], dim=kinds, coords="minimal", compat="override")
    others = [xr.concat([trained(r, changes, 5 if quick else 40) for r in REWARDS], dim=kinds) for changes in changed[1:]]
    unchanged = data.sel(step=others[0].step)  # at the steps at which the others are logged
    rows = [_row(changes, other) for changes, other in zip(changed, [unchanged, *others], strict=True)]
    data.attrs |= {f"fitted {name}": value for name, value in FITTED.items()}
    return Findings(data, {NAME: source_figure(data)}, {"settings": rows}, _caption(data, rows, steps))


def _train(reward: str, settings: dict[str, float], steps: int, logged: int) -> xr.Dataset:
    """Train one start by one reward; the history has both gradients at every logged step, (step, logit) each."""
    moves = max(1, round(settings["reference moves every"] * steps / 10_000))
    mdp = TwoStageMDP.minimal(gamma=settings["gamma"], reward=REWARDS[reward], sample_length=settings["answer length"])
    start = Policy.minimal(theta=START)
    weights: dict[str, Any] = {"beta": settings["beta"], "length_weight": settings["length weight"]}
    history = train(
        mdp,
        start,
        Reinforce() + ReverseKLDirect(start, **weights),
        steps=steps,
        optimizer=SGD(lr=settings["learning rate"]),
        reference_every=moves,
        log_at=sorted({*range(0, steps, max(1, steps // logged)), *range(0, steps, moves)}),
    ).history[["p", "a", "b", "accuracy"]]
    p, a, b = (history[k].values for k in "pab")
    at = Policy.minimal(p=p, a=a, b=b)
    # The reference of a step is the policy at the last step at which it moved; all of those are logged.
    moved = np.searchsorted(history.step.values, history.step.values // moves * moves)
    reference = Policy.minimal(p=p[moved], a=a[moved], b=b[moved])
    solution = solve(mdp, at)
    for name, term in (("reward", Reinforce()), ("penalty", ReverseKLDirect(reference, **weights))):
        (gradient,) = term.gradient(solution).parameters(at)
        history[f"{name}_gradient"] = (("step", "logit"), gradient)
    return history.assign_coords(logit=["theta_s", "theta_C", "theta_W"])


def _row(changes: dict[str, float], data: xr.Dataset) -> dict[str, Any]:
    """Return what both rewards do to sampling under other settings."""
    answer, decisions = (data.sel(reward=name) for name in REWARDS)
    end = decisions.isel(step=-1)
    return {
        "changed": ", ".join(f"{name} {value:g}" for name, value in changes.items()) or "nothing",
        "answer: lowest gradient": float(answer.reward_gradient.sel(logit="theta_s").min()),
        "answer: p": round(float(answer.p[-1]), 3),
        "decisions: last gradient": float(end.reward_gradient.sel(logit="theta_s")),
        "decisions: p": round(float(end.p), 3),
        "decisions: a": round(float(end.a), 3),
        "decisions: b": round(float(end.b), 3),
    }


def _caption(data: xr.Dataset, rows: list[dict[str, Any]], steps: int) -> str:
    answer, decisions = (data.sel(reward=name) for name in REWARDS)
    first, last = decisions.isel(step=0), decisions.isel(step=-1)
    up = np.flatnonzero((decisions.reward_gradient.sel(logit="theta_s") >= 0).values)
    turn = decisions.step.values[up[-1] + 1 if up.size else 0 :]  # negative from there to the end
    always = min(row["answer: lowest gradient"] for row in rows)
    negative = sum(row["decisions: last gradient"] < 0 for row in rows)
    falls = [row["decisions: p"] for row in rows if row["decisions: p"] < float(first.p)]
    stuck = [row["changed"] for row in rows if row["decisions: a"] < 0.05]
    endless = f"At {stuck[0]} noticing mistakes pays so well that the policy no longer stops." if stuck else ""
    lowest = float(answer.reward_gradient.sel(logit="theta_s").min())
    pays = (
        f"From step {turn[0]} on the gradient on theta_s is negative: it pays to be wrong and notice it."
        if turn.size
        else "In so few steps the gradient on theta_s has not turned negative yet."
    )
    robust = "So the signs do not depend on the fit." if always > 0 and negative == len(rows) else ""
    fall = f"it falls in {len(falls)} runs, to between {min(falls):.2f} and {max(falls):.2f}" if falls else "it falls in none"
    settings = ", ".join(f"{name} {value:g}" for name, value in FITTED.items())
    paragraphs = [
        f"""The source's simulation from theta_s, theta_C, theta_W = {START} over {steps:,} steps, with a length-weighted KL
        penalty to a reference that moves along: six panels for each reward, the gradients of reward and penalty on each logit
        above, the probability of each below. Which panels the source draws is not known here; these hold what is reported of
        them.""",
        f"""(A) Final answer rewarded (claim B6). The reward's gradient on theta_s is positive throughout (at least
        {lowest:.1e}): P(correct) rises from {float(answer.p[0]):.3f} to {float(answer.p[-1]):.3f}, in steps, since the penalty
        holds it until the reference moves. No setting can turn that sign; the source's figure does not come from this reward.""",
        f"""(B) Right decisions rewarded: +1 for stopping at a correct answer, +1 for resampling a wrong one (B6-region).
        {pays} P(correct) goes from {float(first.p):.3f} to {float(last.p):.3f}, P(stop | correct) from {float(first.a):.3f} to
        {float(last.a):.3f}, P(resample | wrong) from {float(first.b):.3f} to {float(last.b):.3f}. The source reports 0.55 to
        about 0.50, and about 0.98 for both decisions.""",
        f"""Fitted: {settings}. The source prints none of these; they were chosen by hand so that (B) ends where its figure does,
        six settings for three numbers, so that the ends prove nothing. With one setting changed at a time (table), the gradient
        of (A) on theta_s is never below {always:.1e}, and that of (B) is negative at the end of {negative} of {len(rows)} runs.
        {robust} How far P(correct) falls does depend on it: {fall}. {endless}""",
    ]
    return "\n\n".join(textwrap.fill(" ".join(paragraph.split()), 110, break_on_hyphens=False) for paragraph in paragraphs)


_LOGITS = {"theta_s": r"$\theta_s$", "theta_C": r"$\theta_C$", "theta_W": r"$\theta_W$"}
_CHANCES = {"p": "$p$ = P(correct)", "a": "$a$ = P(stop | correct)", "b": "$b$ = P(resample | wrong)"}


def source_figure(data: xr.Dataset) -> Figure:
    """Draw six panels for each kind of reward: the gradients of reward and penalty on each logit, and its probability.

    Args:
        data: dims reward, step, logit, with p, a, b, reward_gradient and penalty_gradient (see ``sims/source_figure.py``).
    """
    with matplotlib.rc_context(RC):
        kinds = [str(kind) for kind in data.reward.values]
        figure = Figure(figsize=figure_size(7.2, (4.2 if in_column() else 3.75) * len(kinds)), layout="constrained")
        blocks = figure.subfigures(len(kinds), 1, squeeze=False, hspace=0.04)[:, 0]
        for i, (kind, block) in enumerate(zip(kinds, blocks, strict=True)):
            block.suptitle(f"({chr(ord('A') + i)}) {kind}", fontsize=10, x=0.01, ha="left")
            _six_panels(block, data.sel(reward=kind))
        legend_below(figure)
    return figure


def _six_panels(block: SubFigure, data: xr.Dataset) -> None:
    narrow = in_column()
    grid = block.subplots(*((3, 2) if narrow else (2, 3)), sharex=True, sharey="col" if narrow else "row")
    pairs = grid if narrow else grid.T
    for (above, below), (logit, symbol), (name, label) in zip(pairs, _LOGITS.items(), _CHANCES.items(), strict=True):
        above.axhline(0.0, color="0.75", linewidth=0.8)  # lighter than the dashes that often lie on it
        for k, (variable, title) in enumerate(
            (("reward_gradient", "gradient of the reward"), ("penalty_gradient", "of the KL penalty"))
        ):
            colour = PALETTE[k]
            above.plot(data.step, data[variable].sel(logit=logit), color=colour, linestyle=DASHES[k], linewidth=1.3, label=title)
        below.plot(data.step, data[name], color=PALETTE[2])
        above.set_title(f"gradient on {symbol}")
        below.set_title(label, **({"loc": "right", "fontsize": 8} if narrow else {}))
        below.set_ylim(0.45, 1.02)
        below.xaxis.set_major_locator(MaxNLocator(2))
        for axes in (above, below):
            axes.margins(x=0)
            axes.tick_params(axis="y", labelsize=7.5)
            tidy(axes)
    for axes in grid[-1]:
        axes.set_xlabel("step")
    grid[0, 0].set_yscale("symlog", linthresh=0.01)  # the gradients differ by orders of magnitude, and their signs matter
    grid[0, 0].set_ylim(-1.0, 1.0)
    grid[0, 0].set_yticks([-1, -0.1, -0.01, 0, 0.01, 0.1, 1])
    pairs[1 if narrow else 0][0].set_ylabel("gradient\n(linear below 0.01)")
    if not narrow:  # there the titles say it
        grid[1, 0].set_ylabel("probability")

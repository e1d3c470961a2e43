"""What the experiments on related works share: tables of works and claims, accuracy curves as a Dataset and in words, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator

from dstheory import Policy, TwoStageMDP, attribute, solve
from dstheory.plots.style import DASHES, MARKERS, PALETTE, RC, legend_below, row_figure, tidy

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from dstheory.objectives import Objective

    from ._curves import Curves

P, A, B = 0.35, 0.8, 0.6

WORKS = {
    "H1": ("2512.20169", "raises p, a, b; hard prompts count more", "the same factor as sampling"),
    "H2": ("2512.18730", "temperature beta w_s around the reference", "temperature beta w_d around the reference"),
    "H3": ("2508.11800", "where the confidence is what is sampled: to an extreme if scaled (q not 1/2), to q if not",
           "where a verdict on a noisy check is stated: the same"),
    "H4": ("2508.01969", "none: p stays", "helps: a, b tend to 1 with the tokens seen; a + b > 1 once the bound is below 1/2"),
    "H5": ("2504.07527", "learns the demonstrated answers", "none at wrong answers; a search may then end at a wrong stop"),
    "H6": ("2406.07455", "helps while b < 1: right answers win, found after the decisions",
           "helps: stop at right and resample at wrong answers win, found first"),
    "H7": ("2510.13694", "factor 1 - eps (n_C - n_W); reversed if right answers lie further out by 1/eps", "the same factor"),
    "H8": ("2601.10306", "none on looking for evidence where a guess is as accurate; a reward for evidence repairs it",
           "accuracy as usual; nothing about evidence"),
    "H9": ("2512.03438", "factor 1 - r0 - r1; reversed if r0 + r1 > 1", "the same factor; as decisions: helps iff r0 + r1 < 1"),
}  # fmt: skip
"""Per work its arXiv number, and its effect on sampling and on decisions, as its claims have it."""


def updates() -> dict[str, tuple[Objective, TwoStageMDP, Policy]]:
    """Return, for each work that updates a policy, an objective, its chain and its policy."""
    from dstheory.extensions import FirstSuccess, confidence_chain, evidence_chain, evidence_policy, noisy_verifier, pessimistic
    from dstheory.objectives import SFT, ExpertChain, Reinforce, ReverseKL

    m0, policy = TwoStageMDP.minimal(gamma=1.0, sample_length=16), Policy.minimal(p=P, a=A, b=B)
    right_first_time = ExpertChain(Policy.from_probabilities([[1.0, 0.0]], [[0.95, 0.5]]))
    one = confidence_chain([0.5, 0.9])
    yes = TwoStageMDP(correct=one.correct, reward_stop=one.reward_stop[0], gamma=1.0, max_turns=1)
    return {
        "H1": (FirstSuccess(samples=4), m0, policy),
        "H2": (Reinforce() + ReverseKL(Policy.minimal(p=0.5, a=0.5, b=0.5), beta=0.1, length_weight=0.0), m0, policy),
        "H3": (Reinforce(), yes, Policy.from_probabilities([[0.5, 0.5]], [[1.0, 1.0]])),
        "H5": (SFT(right_first_time, length_weight=1.0), m0, policy),
        "H7": (Reinforce(), pessimistic(m0, [[[1.0], [2.0]]], [[1.0]], 0.2), policy),
        "H8": (Reinforce(), evidence_chain(), evidence_policy(e=0.5, p_e=0.45, p_g=0.25, a=A, b=B)),
        "H9": (Reinforce(), noisy_verifier(m0, false_reject=0.2, false_accept=0.3), policy),
    }


def works(found_claims: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per work: its main claim, attribution at the three levels, and its effect on both stages.

    Args:
        found_claims: the rows of :func:`claims`.
    """
    made, rows = updates(), []
    statements = {row["claim"]: row["statement"] for row in found_claims}
    for name, (number, sampling, decisions) in WORKS.items():
        row: dict[str, Any] = {"arXiv": number, "claim": name, "statement": statements[name], "coefficients": "no update",
                               "gradient: decisions": None, "Fisher: decisions": None}  # fmt: skip
        if name in made:
            objective, mdp, policy = made[name]
            found = attribute(objective, solve(mdp, policy))
            assert found.coefficient is not None
            row["coefficients"] = "balanced" if found.coefficient.balanced else "unbalanced"
            if mdp.max_turns == 1:
                row["coefficients"] = "one stage: an answer"
            row["gradient: decisions"] = float(found.gradient.decision_share)
            row["Fisher: decisions"] = float(found.energy.decision_share)
        rows.append(row | {"effect on sampling": sampling, "effect on decisions": decisions})
    return rows


def claims() -> list[dict[str, Any]]:
    """Return one row per claim, with the verdict that it gets now."""
    from dstheory.claims import verify
    from dstheory.claims.reports import point_text, verdict_text

    numbers = {name: number for name, (number, *_) in WORKS.items()}
    rows = []
    for entry in verify(groups=["neighbours"], workers=1).entries:
        info, point = entry.info, point_text(entry)
        derived = "; ".join(part for part in info["source"].split("; ")[1:] if "derived here" in part)
        rows.append(
            {
                "arXiv": numbers[info["id"].partition("-")[0]],
                "claim": info["id"],
                "statement": info["title"],
                "verdict": verdict_text(entry) + (f" at {point}" if point else ""),
                "method": entry.verdict.method,
                "derived here": derived or ("the refutation" if "loose" in info["id"] else "the proof"),
            }
        )
    return rows


def dataset(curves: Mapping[str, Curves]) -> xr.Dataset:
    """Return accuracy by round of several logs, NaN beyond the rounds of each."""
    import xarray as xr

    rounds = max(len(found.realised) for found in curves.values())
    names = list(next(iter(curves.values())).predicted)

    def padded(values: Any) -> Any:
        return np.pad(values, (0, rounds - len(values)), constant_values=np.nan)

    return xr.Dataset(
        {
            "realised": (("log", "round"), [padded(found.realised) for found in curves.values()]),
            "low": (("log", "round"), [padded(found.low) for found in curves.values()]),
            "high": (("log", "round"), [padded(found.high) for found in curves.values()]),
            "predicted": (
                ("log", "predictor", "round"),
                [[padded(found.predicted[name]) for name in names] for found in curves.values()],
            ),
        },
        coords={"log": list(curves), "predictor": names, "round": np.arange(rounds)},
    )


def errors(curves: Mapping[str, Curves]) -> list[dict[str, Any]]:
    """Return one row per log and predictor: its error in accuracy, and how much worse it scores than the first one."""
    return [
        {"log": log, "predictor": name, "rms error": error, "score less first": found.worse.get(name, (0.0, 0.0))[0],
         "its standard error": found.worse.get(name, (0.0, 0.0))[1]}
        for log, found in curves.items()
        for name, error in found.error.items()
    ]  # fmt: skip


def sentence(found: Curves) -> str:
    """Return the errors of a log's predictions, for a caption."""
    errors = ", ".join(f"{error:.4f} ({name})" for name, error in found.error.items())
    best = min(found.error, key=lambda name: found.error[name])
    return f"root mean square error of the predicted accuracy {errors}; nearest: {best}."


def confidence_figure(data: xr.Dataset) -> Figure:
    """Draw the mean stated confidence during training, with and without division by the group's standard deviation.

    Args:
        data: ``confidence`` with dims chance, scaled, step.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(2, 2.5)
        titles = ("(a) reward as it is", "(b) divided by the group's std")
        for axes, scaled, title in zip(panels, (False, True), titles, strict=True):
            tidy(axes)
            for i, q in enumerate(data.chance.values):
                line = data.confidence.sel(chance=q, scaled=scaled)
                axes.plot(data.step, line, color=PALETTE[i], linestyle=DASHES[i % len(DASHES)], label=f"$q={q:g}$")
                axes.plot(data.step[-1], q, "o", color=PALETTE[i], markerfacecolor="white", clip_on=False)
            axes.plot([], [], "o", color="0.3", markerfacecolor="white", label="calibrated")
            axes.set_title(title, loc="left")
            axes.set_xlabel("time of the natural-gradient flow")
            axes.set_ylim(0, 1)
            axes.set_ylabel("mean stated confidence")
            axes.label_outer()
        legend_below(figure, title="chance of yes")
    return figure


def rejection_figure(data: xr.Dataset) -> Figure:
    """Draw the probability that partial scores mislead, exactly and by the bounds.

    Args:
        data: ``log_not_ahead``, ``log_behind``, ``log_bound``, ``log_plain_bound`` (natural logarithms) with dims better, tau.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(len(data.better), 2.5)
        lines = (
            ("log_plain_bound", r"$e^{-\tau(p_1-p_2)^2/2}$"),
            ("log_bound", r"$M^\tau$, best exponential bound"),
            ("log_not_ahead", "not ahead, exact"),
            ("log_behind", "behind, exact"),
        )
        for axes, p, letter in zip(panels, data.better.values, "abcd", strict=False):
            tidy(axes)
            for i, (name, label) in enumerate(lines):
                axes.plot(data.tau, np.exp(data[name].sel(better=p)), color=PALETTE[i], linestyle=DASHES[i], label=label)
            axes.set_title(f"({letter}) $p_1={p:g},\\ p_2={1 - p:.2g}$", loc="left")
            axes.set_xlabel(r"tokens seen $\tau$")
            axes.set_yscale("log")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set_ylabel("probability")
            axes.label_outer()
        legend_below(figure)
    return figure


def majority_figure(data: xr.Dataset) -> Figure:
    """Draw the gradient factor of a majority of verifiers against their number.

    Args:
        data: ``factor`` with dims verifier, n; the coordinate ``verifier`` holds texts.
    """
    with matplotlib.rc_context(RC):
        figure, (axes,) = row_figure(1, 2.6, width=4.4)
        tidy(axes)
        axes.axhline(0.0, color="black", linewidth=0.8)
        for i, name in enumerate(data.verifier.values):
            axes.plot(
                data.n, data.factor.sel(verifier=name), color=PALETTE[i], linestyle=DASHES[i % len(DASHES)], marker=MARKERS[i],
                markersize=3.5, markevery=max(1, len(data.n) // 8), label=str(name),
            )  # fmt: skip
        axes.set_xscale("log")
        counts = data.n.values[np.unique(np.searchsorted(data.n.values, np.geomspace(data.n[0], data.n[-1], 6)))]
        axes.set_xticks(counts, [f"{n:,}" for n in counts])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(-1.05, 1.05)
        axes.set_xlabel("number of verifiers $n$ (odd)")
        axes.set_ylabel("gradient factor $1-r_0-r_1$")
        legend_below(figure, title="$r_0,\\ r_1$ of one")
    return figure


def curves_figure(data: xr.Dataset) -> Figure:
    """Draw realised and predicted accuracy by round, one panel per log.

    Args:
        data: ``realised`` with its interval, ``low`` to ``high``, with dims log, round (NaN beyond a log's rounds); ``predicted``
            with dims log, predictor, round.
    """
    with matplotlib.rc_context(RC):
        figure, panels = row_figure(len(data.log), 2.5)
        for axes, log, letter in zip(panels, data.log.values, "abcdef", strict=False):
            tidy(axes)
            part = data.sel(log=log)
            interval = [part.realised - part.low, part.high - part.realised]
            axes.errorbar(part["round"], part.realised, yerr=interval, fmt="o", color="black", markersize=3.5,
                          linewidth=1.0, label="realised, 95 % interval", zorder=3)  # fmt: skip
            for i, name in enumerate(data.predictor.values):
                axes.plot(part["round"], part.predicted.sel(predictor=name), color=PALETTE[i], linestyle=DASHES[i % len(DASHES)],
                          label=str(name))  # fmt: skip
            axes.set_title(f"({letter}) {log}", loc="left")
            axes.set_xlabel("round $t$")
            axes.set_ylabel("accuracy if submitted then")
            axes.label_outer()
        legend_below(figure, most=3)
    return figure

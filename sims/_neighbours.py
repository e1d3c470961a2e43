"""What the experiments on related works share: the tables of works and claims, and accuracy curves as a Dataset and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dstheory import Policy, TwoStageMDP, attribute, solve

if TYPE_CHECKING:
    import xarray as xr

    from dstheory.objectives import Objective

    from ._curves import Curves

P, A, B = 0.35, 0.8, 0.6

WORKS = {
    "H1": ("2512.20169", "raises p, a, b; hard prompts count more", "the same factor as sampling"),
    "H2": ("2512.18730", "temperature beta w_s around the reference", "temperature beta w_d around the reference"),
    "H3": ("2508.11800", "where the confidence is what is sampled: to an extreme if scaled, to q if not",
           "where a verdict on a noisy check is stated: the same"),
    "H4": ("2508.01969", "none: p stays", "helps: a, b grow with the tokens seen; a + b > 1 once the bound is below 1/2"),
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
    """Return one row per work: its main claim, attribution at the three levels, and its effect on each stage.

    Args:
        found_claims: the rows of :func:`claims`.
    """
    made, rows = updates(), []
    main = {row["claim"]: row for row in found_claims}
    for name, (number, sampling, decisions) in WORKS.items():
        said = {key: main[name][key] for key in ("statement", "verdict", "method", "derived here")}
        row: dict[str, Any] = {"arXiv": number, "claim": name, **said, "coefficients": "no update", "gradient: decisions": None,
                               "Fisher: decisions": None}  # fmt: skip
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

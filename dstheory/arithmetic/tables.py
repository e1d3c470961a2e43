"""The experiment in rows and words: what the page and `dstheory reproduce arithmetic` show.

Source: as :mod:`dstheory.arithmetic.comparison`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dstheory.arithmetic.hypotheses import IN, OUT, Outcome, gain_of, share_of
from dstheory.arithmetic.statistics import mean_over_seeds

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["answer_in_words", "condition_rows", "gain_rows", "hypothesis_rows", "size_rows"]


def condition_rows(data: xr.Dataset) -> list[dict[str, Any]]:
    """Return one row per condition: tokens, and means over seeds of P(first answer correct), a, b and accuracy."""
    rows = []
    for condition in data.condition.values.tolist():
        here = data.sel(condition=condition)
        row: dict[str, Any] = {
            "condition": condition,
            "episodes": int(here.episodes.mean()),
            "million tokens": round(float(here.tokens.mean()) / 1e6, 2),
        }
        for part, short in ((IN, "trained"), (OUT, "larger")):
            for name in ("first", "a", "b", "accuracy"):
                row[f"{name} {short}"] = round(float(here[f"part_{name}"].sel(part=part).mean()), 4)
        rows.append(row)
    return rows


def size_rows(data: xr.Dataset) -> list[dict[str, Any]]:
    """Return one row per size and rolled-out condition: p, a, b, accuracy exact, predicted and realised, with intervals."""
    rows = []
    for condition in data.model.values.tolist():
        for size, tokens in zip(data["size"].values.tolist(), data.tokens_per_answer.values.tolist(), strict=True):
            here = data.sel(condition=condition, model=condition, size=size)
            means = {name: mean_over_seeds(here[name].values) for name in ("p", "a", "b", "accuracy", "predicted", "realised")}
            shown = {name: mean.text() if name != "predicted" else f"{mean.value:.3f}" for name, mean in means.items()}
            rows.append({"condition": condition, "size": size, "l_s": int(tokens), **shown})
    return rows


def gain_rows(data: xr.Dataset) -> list[dict[str, Any]]:
    """Return one row per comparison and part: the gain, its two parts and the share of decisions, with intervals over seeds."""
    return [
        {
            "after over before": comparison,
            "sizes": part.split()[0],
            "gain": gain_of(data, comparison, part).text(),
            "by sampling": gain_of(data, comparison, part, "sample").text(),
            "by decisions": gain_of(data, comparison, part, "decide").text(),
            "share of decisions": share_of(data, comparison, part).text(2),
        }
        for comparison in data.comparison.values.tolist()
        for part in (IN, OUT)
    ]


def hypothesis_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return one row per hypothesis."""
    return [{"hypothesis": f"{o.number}. {o.name}", "outcome": o.outcome, "measured": o.measured} for o in outcomes]


def answer_in_words(data: xr.Dataset) -> str:
    """Return the answer to claim 5 in this model: two sentences with numbers."""

    def accuracy(condition: str) -> float:
        return float(data.part_accuracy.sel(condition=condition, part=OUT).mean())

    pairs = {name: f"reward over {name}" for name in ("sft-mistakes", "sft-first")}
    gain = {name: gain_of(data, pair, OUT) for name, pair in pairs.items()}
    parts = {name: [gain_of(data, pair, OUT, part) for part in ("sample", "decide")] for name, pair in pairs.items()}
    share = share_of(data, pairs["sft-mistakes"], OUT)
    seeds = data.sizes["seed"]
    sampling, deciding = parts["sft-first"]
    gap = mean_over_seeds(
        np.asarray(data.part_first.sel(condition="reward", part=OUT) - data.part_first.sel(condition="sft-first", part=OUT))
    )
    return (
        f"On the fifteen larger sizes reward ends at accuracy {accuracy('reward'):.3f}, SFT on demonstrations with mistakes at "
        f"{accuracy('sft-mistakes'):.3f}: a gain of {gain['sft-mistakes'].text()}, of which decisions are {share.text(2)} "
        f"({seeds} seeds, 95 % intervals). Against SFT on demonstrations that are right first time (accuracy "
        f"{accuracy('sft-first'):.3f}) the gain is {gain['sft-first'].text()}, {deciding.text()} by decisions and "
        f"{sampling.text()} by sampling: reward's first answers are right more often by {gap.text()}."
    )

"""What the runs of the experiment say, in one Dataset: p, a, b and accuracy per size and per part, and the split of every gain.

Source: as :mod:`dstheory.arithmetic.comparison`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dstheory.arithmetic.comparison import PARTS, Ended, Plan, parts_of, start_of
from dstheory.arithmetic.evaluation import as_episodes
from dstheory.arithmetic.problems import LARGER_SIZES, TRAINED_SIZES, Size
from dstheory.arithmetic.process import schedule
from dstheory.arithmetic.rollouts import roll_out
from dstheory.checks import Ints

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FIGURES", "PAIRS", "ROLLED_OUT", "SIZES", "collect", "realised"]

FIGURES = ("p", "a", "b", "first", "accuracy", "attempts", "predicted")
SIZES: tuple[Size, ...] = tuple(sorted(TRAINED_SIZES, key=lambda s: s[0] * s[1])) + tuple(
    sorted(LARGER_SIZES, key=lambda s: (s[0] * s[1], s))
)
"""All sizes, those trained on first, each group by length of the answer."""
PAIRS = (
    ("reward", "sft-mistakes"),
    ("reward", "sft-masked-0.5"),
    ("reward", "sft-first"),
    ("sft-mistakes-then-reward", "reward"),
    ("sft-mistakes-then-reward", "sft-mistakes"),
    ("sft-first-then-reward", "reward"),
    ("sft-first-then-reward", "sft-first"),
    ("long-reward", "long-sft-mistakes"),
    ("long-reward", "long-sft-first"),
    # Added after the results were seen, to name mechanisms: the same runs, other differences.
    ("sft-masked-0.5", "sft-first"),
    ("sft-masked-0.5", "sft-mistakes"),
    ("sgd-sft-stages", "sgd-sft-tokens"),
    ("trunk-reward", "trunk-sft-first"),
    ("kl-0.1", "sft-first"),
)
"""Comparisons beside those of every condition with its start: (after, before)."""
ROLLED_OUT = ("reward", "sft-mistakes", "sft-first")
"""Conditions whose realised accuracy is measured on rollouts as well."""


def collect(plan: Plan, found: Mapping[tuple[str, int], Ended]) -> xr.Dataset:
    """Return everything that was measured.

    Args:
        plan: what was run.
        found: of :func:`~dstheory.arithmetic.comparison.run_conditions`.

    Returns:
        dims condition (``start`` first), seed, size, part, comparison, stage:

        - ``p a b first accuracy attempts predicted`` (condition, seed, size), and with ``part_`` in front (condition, seed,
          part): exact; ``pooled_predicted``, ``pooled_accuracy`` (condition, seed): all sizes together;
        - ``gain sample decide`` (comparison, seed, part): an accuracy gain and its Shapley parts, comparison "AFTER over BEFORE";
        - ``episodes tokens`` (condition, seed): sampled or shown in training; ``norms`` (condition, seed, stage): of the first
          gradient.
    """
    import xarray as xr

    problems = plan.problems
    of_size, parts = dict(problems.by_size()), parts_of(problems)
    runs = {("start", seed): start_of(plan, seed) for seed in plan.seeds} | dict(found)
    conditions = ["start", *plan.conditions]
    shape = (len(conditions), len(plan.seeds))
    by_size = {name: np.zeros((*shape, len(SIZES))) for name in FIGURES}
    by_part = {name: np.zeros((*shape, len(PARTS))) for name in FIGURES}
    overall = {name: np.zeros(shape) for name in ("predicted", "accuracy")}
    for i, condition in enumerate(conditions):
        for j, seed in enumerate(plan.seeds):
            achieved = runs[condition, seed].outcomes
            groups = [(by_size, k, of_size[size]) for k, size in enumerate(SIZES)]
            groups += [(by_part, k, which) for k, which in enumerate(parts.values())]
            for table, k, which in groups:
                pooled = achieved.pooled(which)
                for name in FIGURES:
                    table[name][i, j, k] = getattr(pooled, name)
            for name in overall:
                overall[name][i, j] = getattr(achieved.pooled(), name)
    pairs = [(condition, "start") for condition in plan.conditions]
    pairs += [pair for pair in PAIRS if set(pair) <= set(plan.conditions)]
    splits = np.array(
        [[[_split(runs, pair, seed, which) for which in parts.values()] for seed in plan.seeds] for pair in pairs]
    )
    counters = {name: [[getattr(runs[c, s], name) for s in plan.seeds] for c in conditions] for name in ("episodes", "tokens")}
    data: dict[str, object] = {name: (("condition", "seed", "size"), table) for name, table in by_size.items()}
    data |= {f"part_{name}": (("condition", "seed", "part"), table) for name, table in by_part.items()}
    data |= {f"pooled_{name}": (("condition", "seed"), table) for name, table in overall.items()}
    data |= {name: (("comparison", "seed", "part"), splits[..., k]) for k, name in enumerate(("gain", "sample", "decide"))}
    data |= {name: (("condition", "seed"), table) for name, table in counters.items()}
    data["norms"] = (("condition", "seed", "stage"), [[runs[c, s].norms for s in plan.seeds] for c in conditions])
    data["tokens_per_answer"] = (("size",), [schedule(size).tokens for size in SIZES])
    coordinates = {
        "condition": conditions,
        "seed": list(plan.seeds),
        "size": [f"{n}x{m}" for n, m in SIZES],
        "part": list(PARTS),
        "comparison": [f"{after} over {before}" for after, before in pairs],
        "stage": ["sample", "decide"],
    }
    return xr.Dataset(data, coords=coordinates, attrs={"seed": plan.seeds[0], "per_size": plan.per_size})


def realised(plan: Plan, found: Mapping[tuple[str, int], Ended], *, episodes: int) -> xr.Dataset:
    """Return the accuracy of rollouts, (model, seed, size), with ``episodes`` episodes on each held-out problem."""
    import xarray as xr

    models = [condition for condition in ROLLED_OUT if condition in plan.conditions]
    problems = plan.problems
    repeated = problems[np.repeat(np.arange(len(problems)), episodes)]
    of_size = dict(repeated.by_size())
    table = np.zeros((len(models), len(plan.seeds), len(SIZES)))
    for i, model in enumerate(models):
        for j, seed in enumerate(plan.seeds):
            ended = found[model, seed]
            log = as_episodes(roll_out(ended.policy, repeated, cap=ended.settings.cap, rng=seed))
            table[i, j] = [log.final_correct[of_size[size]].mean() for size in SIZES]
    coordinates = {"model": models, "seed": list(plan.seeds), "size": [f"{n}x{m}" for n, m in SIZES]}
    return xr.Dataset({"realised": (("model", "seed", "size"), table)}, coords=coordinates)


def _split(runs: Mapping[tuple[str, int], Ended], pair: tuple[str, str], seed: int, which: Ints) -> list[float]:
    after, before = pair
    split = runs[after, seed].gain_over(runs[before, seed], which)
    return [split.gain, split.sample, split.decide]

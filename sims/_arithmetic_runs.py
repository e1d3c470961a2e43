r"""The experiment on claim 5: methods that start alike, what each ends with on held-out problems, and whose gain it is.

A *condition* is a name for settings (:data:`CONDITIONS`). Every condition is trained once per seed; of each run the exact law
of its answers to the same held-out problems is kept, with its final parameters. From these follow p, a, b and accuracy per
size, and the Shapley split between any two runs of a seed, without another rollout.

Source: claim 5 of arXiv 2601.01580; conditions and hypotheses are written down in ``docs/arithmetic.md``.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dstheory.arithmetic.evaluation import as_episodes, held_out_problems, train_and_evaluate
from dstheory.arithmetic.exact import Achieved, AnswerLaw, achieved, answer_law, shapley_split
from dstheory.arithmetic.policy import ArithmeticPolicy
from dstheory.arithmetic.rollouts import roll_out
from dstheory.arithmetic.task import ALL_SIZES, LARGER_SIZES, TRAINED_SIZES, Problems, Size, schedule
from dstheory.arithmetic.training import Settings, initial_policy
from dstheory.checks import Ints
from dstheory.workers import computed

if TYPE_CHECKING:
    import xarray as xr

CONDITIONS: Mapping[str, Mapping[str, Any]] = {
    "reward": {},
    "sft-mistakes": {"method": "sft"},
    "sft-first": {"method": "sft", "coverage": 0.0},
    "sft-mistakes-then-reward": {"method": "sft-then-reward"},
    "sft-first-then-reward": {"method": "sft-then-reward", "coverage": 0.0},
    # Coverage of mistakes (C3), and whether their tokens are imitated.
    "sft-coverage-0.1": {"method": "sft", "coverage": 0.1},
    "sft-coverage-1": {"method": "sft", "coverage": 1.0},
    "sft-masked-0.1": {"method": "sft", "coverage": 0.1, "mask": True},
    "sft-masked-0.5": {"method": "sft", "coverage": 0.5, "mask": True},
    "sft-masked-1": {"method": "sft", "coverage": 1.0, "mask": True},
    # Other surrogates of the same reward (B7, B8).
    "grpo": {"credit": "group-std", "normaliser": "own-tokens", "beta": 0.04},
    "dr-grpo": {"credit": "group-mean", "normaliser": "constant"},
    "dapo": {"credit": "group-std", "normaliser": "batch-tokens"},
    "filtered": {"credit": "filtered"},
    # KL to the start (group E); "stages" counts stages instead of tokens.
    "kl-0.01": {"beta": 0.01},
    "kl-0.1": {"beta": 0.1},
    "kl-1": {"beta": 1.0},
    "kl-1-stages": {"beta": 1.0, "length_weight": 0.0},
    "kl-0.01-in-reward": {"beta": 0.01, "penalty": "k1-reward"},
    # Length weight of SFT (C2, C5) with Adam and with SGD (F2).
    "sft-stages": {"method": "sft", "length_weight": 0.0},
    "sgd-sft-tokens": {"method": "sft", "optimizer": "sgd", "lr": 10.0},
    "sgd-sft-stages": {"method": "sft", "optimizer": "sgd", "lr": 10.0, "length_weight": 0.0},
    # A shared trunk (F4).
    "trunk-reward": {"trunk": 0.5},
    "trunk-sft-mistakes": {"method": "sft", "trunk": 0.5},
    "trunk-sft-first": {"method": "sft", "coverage": 0.0, "trunk": 0.5},
    # Four times as long.
    "long-reward": {"updates": 400},
    "long-sft-mistakes": {"method": "sft", "updates": 400},
    "long-sft-first": {"method": "sft", "coverage": 0.0, "updates": 400},
}
PARTS = {"trained sizes": TRAINED_SIZES, "larger sizes": LARGER_SIZES}


@dataclass(frozen=True)
class Plan:
    """How much is run.

    Attributes:
        seeds: of the runs.
        conditions: names of them.
        per_size: held-out problems of each size.
        shrink: settings that replace those of every condition, for small versions.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    conditions: tuple[str, ...] = tuple(CONDITIONS)
    per_size: int = 40
    shrink: tuple[tuple[str, Any], ...] = ()

    def settings(self, condition: str, seed: int) -> Settings:
        """Return the settings of one run."""
        return replace(Settings(seed=seed, **CONDITIONS[condition]), **dict(self.shrink))

    @property
    def problems(self) -> Problems:
        """Held-out problems, the same for all runs."""
        return held_out_problems(ALL_SIZES, self.per_size)


@dataclass(frozen=True, eq=False)
class Ended:
    """What is kept of one run: its settings, last parameters, the law of its answers, and counters.

    Attributes:
        settings: of the run.
        policy: at its end.
        law: of its answers to the held-out problems.
        episodes, tokens: sampled or shown in training.
        norms: (2,) norms of the first gradient: sampling parameters, decision parameters.
    """

    settings: Settings
    policy: ArithmeticPolicy
    law: AnswerLaw
    episodes: int
    tokens: int
    norms: tuple[float, float]

    @property
    def achieved(self) -> Achieved:
        """p, a, b, accuracy of every held-out problem."""
        return achieved(self.law, self.policy, cap=self.settings.cap)

    def gain_over(self, before: Ended, which: Ints) -> list[float]:
        """Return this run's gain over another on some of the held-out problems, and its parts by sampling and by decisions."""
        split = shapley_split((before.law, before.policy), (self.law, self.policy), cap=self.settings.cap, which=which)
        return [float(split.gain), float(split.sample), float(split.decide)]


def start_of(plan: Plan, seed: int) -> Ended:
    """Return where all runs of a seed start."""
    settings = replace(Settings(seed=seed), **dict(plan.shrink))
    policy = initial_policy(settings)
    return Ended(settings, policy, answer_law(policy, plan.problems), 0, 0, (0.0, 0.0))


def parts_of(problems: Problems) -> dict[str, Ints]:
    """Return the held-out problems of the trained and of the larger sizes."""
    of_size = dict(problems.by_size())
    return {name: np.concatenate([of_size[size] for size in sizes]) for name, sizes in PARTS.items()}


def run_conditions(
    plan: Plan, *, jobs: int | None = None, progress: Callable[[int, int], None] | None = None
) -> dict[tuple[str, int], Ended]:
    """Train every condition from every seed.

    Args:
        plan: what to run.
        jobs: processes; default one per processor, and one if this is itself a process among several.
        progress: called with (runs done, runs).

    Returns:
        (condition, seed) -> what it ended with. It does not depend on ``jobs``.

    Example:
        >>> small = Plan(seeds=(0,), conditions=("sft-first",), per_size=1, shrink=(("updates", 1), ("problems", 2)))
        >>> {key: ended.episodes for key, ended in run_conditions(small, jobs=1).items()}
        {('sft-first', 0): 16}
    """
    tasks = [(condition, seed) for condition in plan.conditions for seed in plan.seeds]
    if jobs is None:
        jobs = 1 if multiprocessing.parent_process() is not None else os.cpu_count() or 1
    found: dict[tuple[str, int], Ended] = {}
    problems = plan.problems
    settings = [plan.settings(*task) for task in tasks]
    # The long ones first, so that no process is left alone with one at the end.
    order = sorted(range(len(tasks)), key=lambda i: -settings[i].updates)
    for i, content in computed(train_and_evaluate, plan.per_size, {i: settings[i] for i in order}, workers=jobs):
        blocks, right, wrong, episodes, tokens, norms = content
        policy = initial_policy(settings[i]).with_blocks(blocks)
        found[tasks[i]] = Ended(settings[i], policy, AnswerLaw(problems, right, wrong), episodes, tokens, norms)
        if progress is not None:
            progress(len(found), len(tasks))
    return {task: found[task] for task in tasks}


# ---------------------------------------------------------------------- what they say, in one Dataset

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
        found: of :func:`run_conditions`.

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
            found_here = runs[condition, seed].achieved
            groups = [(by_size, k, of_size[size]) for k, size in enumerate(SIZES)]
            groups += [(by_part, k, which) for k, which in enumerate(parts.values())]
            for table, k, which in groups:
                pooled = found_here.pooled(which)
                for name in FIGURES:
                    table[name][i, j, k] = getattr(pooled, name)
            for name in overall:
                overall[name][i, j] = getattr(found_here.pooled(), name)
    pairs = [(condition, "start") for condition in plan.conditions]
    pairs += [pair for pair in PAIRS if set(pair) <= set(plan.conditions)]
    splits = np.array([
        [[runs[after, seed].gain_over(runs[before, seed], which) for which in parts.values()] for seed in plan.seeds]
        for after, before in pairs
    ])  # fmt: skip
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

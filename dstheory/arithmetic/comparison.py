r"""The experiment on claim 5: methods that start alike, what each ends with on held-out problems, and whose gain it is.

A *condition* is a name for settings (:data:`CONDITIONS`). Every condition is trained once per seed; of each run the exact law
of its answers to the same held-out problems is kept, with its final parameters. From these follow p, a, b and accuracy per
size, and the Shapley split between any two runs of a seed, without another rollout.

Source: claim 5 of arXiv 2601.01580; conditions and hypotheses are written down in ``docs/arithmetic.md``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dstheory.arithmetic.evaluation import held_out_problems
from dstheory.arithmetic.exact import AnswerLaw, answer_law
from dstheory.arithmetic.outcomes import Outcomes, Split, outcomes, shapley_split
from dstheory.arithmetic.policy import ArithmeticPolicy
from dstheory.arithmetic.problems import ALL_SIZES, LARGER_SIZES, TRAINED_SIZES, Problems
from dstheory.arithmetic.settings import Settings
from dstheory.arithmetic.training import Run, initial_policy, train
from dstheory.checks import Floats, Ints

__all__ = ["CONDITIONS", "PARTS", "Ended", "Plan", "parts_of", "run_conditions", "start_of"]

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
    def outcomes(self) -> Outcomes:
        """p, a, b, accuracy of every held-out problem."""
        return outcomes(self.law, self.policy, cap=self.settings.cap)

    def gain_over(self, before: Ended, which: Ints) -> Split:
        """Return the split of this run's gain over another, on some of the held-out problems."""
        return shapley_split((before.law, before.policy), (self.law, self.policy), cap=self.settings.cap, which=which)


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

    >>> small = Plan(seeds=(0,), conditions=("sft-first",), per_size=1, shrink=(("updates", 1), ("problems", 2)))
    >>> {key: ended.episodes for key, ended in run_conditions(small, jobs=1).items()}
    {('sft-first', 0): 16}
    """
    tasks = [(condition, seed) for condition in plan.conditions for seed in plan.seeds]
    if jobs is None:
        jobs = 1 if multiprocessing.parent_process() is not None else os.cpu_count() or 1
    found: dict[tuple[str, int], Ended] = {}
    problems = plan.problems
    for condition, seed, content in _trained(plan, tasks, min(jobs, len(tasks))):
        blocks, right, wrong, episodes, tokens, norms = content
        settings = plan.settings(condition, seed)
        policy = initial_policy(settings).with_blocks(blocks)
        found[condition, seed] = Ended(settings, policy, AnswerLaw(problems, right, wrong), episodes, tokens, norms)
        if progress is not None:
            progress(len(found), len(tasks))
    return {task: found[task] for task in tasks}


_Content = tuple[tuple[Floats, ...], Floats, Floats, int, int, tuple[float, float]]


def _trained(plan: Plan, tasks: Sequence[tuple[str, int]], jobs: int) -> Iterator[tuple[str, int, _Content]]:
    if jobs <= 1:
        for condition, seed in tasks:
            yield condition, seed, _train_one(plan, condition, seed)
        return
    spawn = multiprocessing.get_context("spawn")
    # Whoever interrupts means this process: the others end what they are at, a few seconds, and print nothing.
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        try:
            # The long ones first, so that no process is left alone with one at the end.
            order = sorted(tasks, key=lambda task: -plan.settings(*task).updates)
            futures = {pool.submit(_train_one, plan, *task): task for task in order}
            for future in as_completed(futures):
                yield *futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _train_one(plan: Plan, condition: str, seed: int) -> _Content:
    run: Run = train(plan.settings(condition, seed))
    law = answer_law(run.policy, plan.problems)
    log = run.log
    norms = (log["gradient_sample"][0], log["gradient_decide"][0])
    return run.policy.blocks, law.right, law.wrong, run.episodes, run.tokens, norms

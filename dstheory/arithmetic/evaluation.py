r"""Evaluation on held-out problems: exact p, a, b and accuracy per size, and rollouts in the schema that `dstheory anatomy`
reads.

The exact figures are expectations over the attempts of the very problems that are rolled out, so the two differ by chance only;
the table shows both, and a Wilson interval for the rollouts.

Source: arXiv 2601.01580, section 6 (anatomy over the sizes).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dstheory.anatomy.episodes import Episodes, Labels
from dstheory.anatomy.rates import Estimate, ProblemCounts, row, wilson
from dstheory.arithmetic.exact import answer_law
from dstheory.arithmetic.outcomes import Pooled, outcomes
from dstheory.arithmetic.policy import ArithmeticPolicy
from dstheory.arithmetic.problems import ALL_SIZES, Problems, Size, draw_problems
from dstheory.arithmetic.process import schedule
from dstheory.arithmetic.rollouts import Rollouts, roll_out
from dstheory.arithmetic.settings import Settings
from dstheory.arithmetic.training import train
from dstheory.checks import Floats

__all__ = ["EVALUATION_SEED", "SizeReport", "as_episodes", "evaluate", "held_out_problems", "records", "report_row"]

EVALUATION_SEED = 20_260_101
"""Held-out problems are the same for all policies, whatever they were trained with."""


@dataclass(frozen=True)
class SizeReport:
    """One size: exact pooled figures (None where a check's law is not known), and the rollouts of the same problems."""

    size: Size
    exact: Pooled | None
    rollouts: Episodes


def held_out_problems(sizes: Sequence[Size], per_size: int) -> Problems:
    """Return the evaluation problems of these sizes: always the same ones."""
    return Problems.of(
        [
            pair
            for n, m in sizes
            for rng in [np.random.default_rng([EVALUATION_SEED, n, m])]
            for drawn in [draw_problems([(n, m)], per_size, part="evaluation", rng=rng)]
            for pair in zip(drawn.x.tolist(), drawn.y.tolist(), strict=True)
        ]
    )


def evaluate(
    policy: ArithmeticPolicy,
    *,
    sizes: Sequence[Size] = ALL_SIZES,
    per_size: int = 40,
    episodes: int = 10,
    cap: int = 4,
    rng: np.random.Generator | int = 0,
    exact: bool = True,
) -> tuple[list[SizeReport], Rollouts]:
    """Evaluate a policy on held-out problems.

    Args:
        policy: whose.
        sizes, per_size: how many problems of which sizes.
        episodes: per problem.
        cap: T.
        rng: a numpy Generator, or a seed for one.
        exact: also compute the exact figures; with False any checks will do.

    Raises:
        ArithmeticTaskError: no sizes, a size out of range, a cap below 1, or a check whose law is not known exactly.

    >>> from dstheory.arithmetic import start_policy
    >>> (report,), rollouts = evaluate(start_policy(rng=0), sizes=[(4, 4)], per_size=5, episodes=100)
    >>> abs(report.exact.accuracy - rollouts.correct.mean()) < 0.1
    np.True_
    """
    problems = held_out_problems(sizes, per_size)
    law = outcomes(answer_law(policy, problems), policy, cap=cap) if exact else None
    rollouts = roll_out(policy, problems[np.repeat(np.arange(len(problems)), episodes)], cap=cap, rng=rng)
    everything = as_episodes(rollouts)
    of_size = dict(problems.by_size())
    reports = []
    for size in sizes:
        own = np.isin(everything.problem, of_size[size])
        reports.append(SizeReport(size, None if law is None else law.pooled(of_size[size]), everything.select(own)))
    return reports, rollouts


def train_and_evaluate(
    per_size: int, settings: Settings
) -> tuple[tuple[Floats, ...], Floats, Floats, int, int, tuple[float, float]]:
    """Train one policy and compute the law of its answers to held-out problems of all sizes; made for worker processes.

    Args:
        per_size: held-out problems of each size.
        settings: of the run.

    Returns:
        The policy's blocks, ``right`` and ``wrong`` of its :class:`~dstheory.arithmetic.exact.AnswerLaw`, episodes, tokens, and
        the norms of the first gradient's two parts.
    """
    run = train(settings)
    law = answer_law(run.policy, held_out_problems(ALL_SIZES, per_size))
    norms = (run.log["gradient_sample"][0], run.log["gradient_decide"][0])
    return run.policy.blocks, law.right, law.wrong, run.episodes, run.tokens, norms


def as_episodes(rollouts: Rollouts, *, model: str = "policy") -> Episodes:
    """Return the rollouts as :mod:`dstheory.anatomy` holds them; tasks are sizes."""
    offsets, correct, stopped = rollouts.columns
    names: dict[str, int] = {}
    problem = np.array([names.setdefault(name, len(names)) for name in rollouts.problems.names])
    n = len(rollouts)
    return Episodes(
        offsets=offsets,
        correct=correct,
        stopped=stopped,
        capped=rollouts.turns == rollouts.cap,
        problem=problem,
        problem_ids=tuple(names),
        cap=np.full(n, rollouts.cap),
        fields={"task": Labels.of(f"{a}x{b}" for a, b in rollouts.problems.size.tolist()), "model": Labels.constant(model, n)},
    )


def records(rollouts: Rollouts, *, model: str) -> Iterator[str]:
    """Yield one line of JSON per episode, in the schema of rollout logs."""
    offsets, correct, stopped = rollouts.columns
    trial: dict[str, int] = {}
    sizes = [f"{n}x{m}" for n, m in rollouts.problems.size.tolist()]
    for i, (name, size) in enumerate(zip(rollouts.problems.names, sizes, strict=True)):
        trial[name] = trial.get(name, 0) + 1
        attempts = []
        for at in range(offsets[i], offsets[i + 1]):
            last = at == offsets[i + 1] - 1
            decision = "stop" if stopped[at] else "submit" if last else "resample"
            attempts.append({"correct": bool(correct[at]), "decision": decision})
        yield json.dumps(
            {
                "id": f"{name}#{trial[name]}", "problem": name, "task": size, "model": model, "cap": rollouts.cap,
                "attempts": attempts,
            }
        )  # fmt: skip


def report_row(report: SizeReport) -> dict[str, Any]:
    """Return one line of the table: exact figures, and the rollouts' with intervals, under the same names."""
    rates, exact = row(ProblemCounts.of(report.rollouts)), report.exact
    right = report.rollouts.final_correct
    low, high = wilson(right.sum(), len(right))
    accuracy = Estimate(float(right.mean()), float(low), float(high), 0.95, "Wilson", int(right.sum()), len(right))
    named = {"p": rates.p, "a": rates.a, "b": rates.b, "accuracy": accuracy}
    out: dict[str, Any] = {"size": f"{report.size[0]}x{report.size[1]}", "tokens": schedule(report.size).tokens}
    for name, estimate in named.items():
        out[name] = {"exact": None if exact is None else getattr(exact, name), "rollouts": estimate.text(2)}
    out["predicted"] = "-" if exact is None else f"{exact.predicted:.3f}"
    out["attempts"] = f"{np.diff(report.rollouts.offsets).mean():.2f}"
    return out

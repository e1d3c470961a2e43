"""Evaluation on held-out problems: exact figures per size, rollouts as `dstheory anatomy` reads them, one episode in words.

The exact figures are expectations over the attempts of the very problems that are rolled out, so the two differ by chance only;
the table shows both, and a Wilson interval for the rollouts.

An episode in words shows every token as it is written, with its probability, and what the checker saw before each decision. The
written form is computed here from the digits that were written, not from the errors that the rest of this room adds up; the
tests hold the two against each other.

Source: arXiv 2601.01580, section 6 (anatomy over the sizes).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dstheory.anatomy.episodes import Episodes, Labels
from dstheory.anatomy.rates import ProblemCounts, rate, row
from dstheory.arithmetic.exact import PooledRates, achieved, answer_law
from dstheory.arithmetic.policy import ArithmeticPolicy, length_index
from dstheory.arithmetic.rollouts import Attempts, Rollouts, roll_out
from dstheory.arithmetic.task import ALL_SIZES, SLIPS, Problems, Size, draw_problems, schedule
from dstheory.arithmetic.training import Settings, train
from dstheory.checks import Floats, whole_number

EVALUATION_SEED = 20_260_101
"""Held-out problems are the same for all policies, whatever they were trained with."""


@dataclass(frozen=True)
class SizeReport:
    """One size: exact pooled figures (None where a check's law is not known), and the rollouts of the same problems."""

    size: Size
    exact: PooledRates | None
    rollouts: Episodes


def held_out_problems(sizes: Sequence[Size], per_size: int) -> Problems:
    """Return the evaluation problems of these sizes: always the same ones.

    Example:
        >>> held_out_problems([(4, 4)], 2).names
        ('4x4:6758x4927', '4x4:4753x8455')
    """
    seeded = ((size, np.random.default_rng([EVALUATION_SEED, *size])) for size in sizes)
    drawn = [draw_problems([size], per_size, part="evaluation", rng=rng) for size, rng in seeded]
    return Problems.of([pair for some in drawn for pair in zip(some.x.tolist(), some.y.tolist(), strict=True)])


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
        sizes: of the problems.
        per_size: problems of each size.
        episodes: per problem.
        cap: T.
        rng: a numpy Generator, or a seed for one.
        exact: also compute the exact figures; with False any checks will do.

    Raises:
        ArithmeticTaskError: no sizes, a size out of range, a cap below 1, or a check whose law is not known exactly.
        ChainError: no problems or no episodes.

    Example:
        >>> from dstheory.arithmetic import start_policy
        >>> (report,), rollouts = evaluate(start_policy(rng=0), sizes=[(4, 4)], per_size=5, episodes=100)
        >>> abs(report.exact.accuracy - rollouts.correct.mean()) < 0.1
        np.True_
    """
    problems, episodes = held_out_problems(sizes, per_size), whole_number(episodes, "episodes", low=1)
    law = achieved(answer_law(policy, problems), policy, cap=cap) if exact else None
    rollouts = roll_out(policy, problems[np.repeat(np.arange(len(problems)), episodes)], cap=cap, rng=rng)
    drawn, of_size = as_episodes(rollouts).by("task"), dict(problems.by_size())
    exactly = {size: None if law is None else law.pooled(of_size[size]) for size in sizes}
    return [SizeReport((n, m), exactly[n, m], drawn[f"{n}x{m}"]) for n, m in sizes], rollouts


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
    """Return the rollouts as :mod:`dstheory.anatomy` holds them; tasks are sizes.

    Example:
        >>> from dstheory.arithmetic import draw_problems, roll_out, start_policy
        >>> rollouts = roll_out(start_policy(rng=0), draw_problems([(4, 4)], 3, part="train", rng=0), cap=4, rng=0)
        >>> as_episodes(rollouts)
        Episodes(3 episodes, 8 attempts, 3 problems, 1 capped)
    """
    offsets, correct, stopped = rollouts.columns
    problems, n = Labels.of(rollouts.problems.names), len(rollouts)
    return Episodes(
        offsets=offsets,
        correct=correct,
        stopped=stopped,
        capped=rollouts.turns == rollouts.cap,
        problem=problems.codes,
        problem_ids=problems.names,
        cap=np.full(n, rollouts.cap),
        fields={"task": Labels.of(f"{a}x{b}" for a, b in rollouts.problems.size.tolist()), "model": Labels.constant(model, n)},
    )


def report_row(report: SizeReport) -> dict[str, Any]:
    """Return one line of the table: exact figures, and the rollouts' with intervals, under the same names.

    Example:
        >>> from dstheory.arithmetic import start_policy
        >>> (report,), _ = evaluate(start_policy(rng=0), sizes=[(4, 4)], per_size=5, episodes=100)
        >>> row = report_row(report)
        >>> row["size"], round(row["p"]["exact"], 3), row["p"]["rollouts"]
        ('4x4', 0.52, '0.51 [0.27, 0.75]*')
    """
    table, exact = ProblemCounts.of(report.rollouts), report.exact
    rates = row(table)
    accuracy = rate(table, "final_correct", "episodes", interval="binomial")  # the exact one is of the same problems
    named = {"p": rates.p, "a": rates.a, "b": rates.b, "accuracy": accuracy}
    out: dict[str, Any] = {"size": f"{report.size[0]}x{report.size[1]}", "tokens": schedule(report.size).tokens}
    for name, estimate in named.items():
        out[name] = {"exact": None if exact is None else getattr(exact, name), "rollouts": estimate.text(2)}
    out["predicted"] = "-" if exact is None else f"{exact.predicted:.3f}"
    out["attempts"] = f"{np.diff(report.rollouts.offsets).mean():.2f}"
    return out


def read_attempt(policy: ArithmeticPolicy, rollouts: Rollouts, part: Attempts, at: int) -> Iterator[str]:
    """Yield the lines of attempt ``at`` of a part of the rollouts."""
    episode = int(part.episode[at])
    problem = rollouts.problems[np.array([episode])]
    (n, m), x, y = problem.size[0].tolist(), problem.x_digits[0].tolist(), problem.y_digits[0].tolist()
    steps = schedule((n, m))
    outcomes = part.outcomes[at].reshape(-1, 3).tolist()
    chances = policy.token_prob[part.rows[at], part.outcomes[at]].reshape(-1, 3).tolist()
    total, answer = 0, 0
    for k in range(n + m - 1):
        yield f"  column {k}, carry {total}" if total else f"  column {k}"
        for s in np.flatnonzero(steps.column == k).tolist():
            i, j = int(steps.i[s]), int(steps.j[s])
            (tens, units, slip), chance = outcomes[s], chances[s]
            total += 10 * tens + units + SLIPS[slip]
            faults = ["" if 10 * tens + units == x[i] * y[j] else f"{x[i]} x {y[j]} is {x[i] * y[j]}"]
            faults.append(f"slip {SLIPS[slip]:+d}" if slip else "")
            note = "; ".join(filter(None, faults))
            yield (
                f"    {x[i]} x {y[j]} = {tens} ({chance[0]:.4f}) {units} ({chance[1]:.4f})   total {total} ({chance[2]:.4f})"
                + (f"   <- {note}" if note else "")
            )
        digit, total = total % 10, total // 10
        answer += digit * 10**k
        yield f"    digit {digit}"
    answer += total * 10 ** (n + m - 1)
    right, log_prob = int(problem.product[0]), float(policy.token_log_prob[part.rows[at], part.outcomes[at]].sum())
    verdict = "correct" if answer == right else f"wrong by {answer - right:+d}"
    yield f"  answer {answer}, {verdict}, probability of these tokens {np.exp(log_prob):.3g}"
    if part.decided:
        pattern = int(part.pattern[at])
        stop = float(policy.stop_prob[pattern, length_index(np.array(n + m))])
        seen = ", ".join(f"{name} {'fail' if pattern >> bit & 1 else 'pass'}" for bit, name in enumerate(rollouts.checks))
        word, chance_of_it = ("stop", stop) if part.stopped[at] else ("resample", 1 - stop)
        yield f"  {seen or 'no checks'}: {word} ({chance_of_it:.4f})"
    else:
        yield "  submitted: no attempt is left"


def read_episode(policy: ArithmeticPolicy, rollouts: Rollouts, episode: int) -> Iterator[str]:
    """Yield the lines of one episode.

    Example:
        >>> from dstheory.arithmetic import draw_problems, roll_out, start_policy
        >>> policy = start_policy(rng=0)
        >>> rollouts = roll_out(policy, draw_problems([(4, 4)], 3, part="train", rng=0), cap=4, rng=0)
        >>> for line in list(read_episode(policy, rollouts, 0))[:4]:
        ...     print(line)
        8655 x 6732 = 58265460
        attempt 1: 48 tokens
          column 0
            5 x 2 = 1 (0.9944) 0 (0.9989)   total 10 (0.9991)
    """
    problem = rollouts.problems[np.array([episode])]
    yield f"{int(problem.x[0])} x {int(problem.y[0])} = {int(problem.product[0])}"
    for part in rollouts.parts:
        for at in np.flatnonzero(part.episode == episode).tolist():
            yield f"attempt {part.turn + 1}: {3 * len(schedule(tuple(problem.size[0].tolist())))} tokens"
            yield from read_attempt(policy, rollouts, part, at)

"""One episode to read: every token as it is written, with its probability, and what the checker saw before each decision.

The written form is computed here from the digits that were written, not from the errors that the rest of this room adds up; the
tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dstheory.arithmetic.policy import ArithmeticPolicy, length_index
from dstheory.arithmetic.process import SLIPS, schedule
from dstheory.arithmetic.rollouts import Attempts, Rollouts

__all__ = ["Written", "read_attempt", "read_episode"]


@dataclass(frozen=True)
class Written:
    """One attempt as it was written.

    Attributes:
        answer: the number submitted to the check.
        right: the right answer.
        columns: per column, its lines of text.
        log_prob: log-probability of all tokens together.
        decision: text of the decision, with its probability; empty at the cap.
    """

    answer: int
    right: int
    columns: tuple[tuple[str, ...], ...]
    log_prob: float
    decision: str


def read_attempt(policy: ArithmeticPolicy, rollouts: Rollouts, part: Attempts, at: int) -> Written:
    """Write out attempt ``at`` of a part of the rollouts."""
    episode = int(part.episode[at])
    problem = rollouts.problems[np.array([episode])]
    (n, m), x, y = problem.size[0].tolist(), problem.x_digits[0].tolist(), problem.y_digits[0].tolist()
    steps = schedule((n, m))
    outcomes = part.outcomes[at].reshape(-1, 3).tolist()
    chances = policy.token_prob[part.rows[at], part.outcomes[at]].reshape(-1, 3).tolist()
    total, answer = 0, 0
    columns = []
    for k in range(n + m - 1):
        lines = [f"column {k}, carry {total}"] if total else [f"column {k}"]
        for s in np.flatnonzero(steps.column == k).tolist():
            i, j = int(steps.i[s]), int(steps.j[s])
            (tens, units, slip), chance = outcomes[s], chances[s]
            total += 10 * tens + units + SLIPS[slip]
            faults = ["" if 10 * tens + units == x[i] * y[j] else f"{x[i]} x {y[j]} is {x[i] * y[j]}"]
            faults.append(f"slip {SLIPS[slip]:+d}" if slip else "")
            note = "; ".join(filter(None, faults))
            lines.append(
                f"  {x[i]} x {y[j]} = {tens} ({chance[0]:.4f}) {units} ({chance[1]:.4f})   total {total} ({chance[2]:.4f})"
                + (f"   <- {note}" if note else "")
            )
        digit, total = total % 10, total // 10
        answer += digit * 10**k
        lines.append(f"  digit {digit}")
        columns.append(tuple(lines))
    answer += total * 10 ** (n + m - 1)
    decision = ""
    if part.decided:
        pattern = int(part.pattern[at])
        stop = float(policy.stop_prob[pattern, length_index(np.array(n + m))])
        seen = ", ".join(
            f"{name} {'fail' if pattern >> bit & 1 else 'pass'}" for bit, name in enumerate(rollouts.checks)
        )
        word, chance_of_it = ("stop", stop) if part.stopped[at] else ("resample", 1 - stop)
        decision = f"{seen or 'no checks'}: {word} ({chance_of_it:.4f})"
    log_prob = float(policy.token_log_prob[part.rows[at], part.outcomes[at]].sum())
    return Written(answer, int(problem.product[0]), tuple(columns), log_prob, decision)


def read_episode(policy: ArithmeticPolicy, rollouts: Rollouts, episode: int) -> Iterator[str]:
    """Yield the lines of one episode."""
    problem = rollouts.problems[np.array([episode])]
    yield f"{int(problem.x[0])} x {int(problem.y[0])} = {int(problem.product[0])}"
    for part in rollouts.parts:
        for at in np.flatnonzero(part.episode == episode).tolist():
            written = read_attempt(policy, rollouts, part, at)
            yield f"attempt {part.turn + 1}: {3 * len(schedule(tuple(problem.size[0].tolist())))} tokens"
            for column in written.columns:
                yield from (f"  {line}" for line in column)
            verdict = "correct" if written.answer == written.right else f"wrong by {written.answer - written.right:+d}"
            yield f"  answer {written.answer}, {verdict}, probability of these tokens {np.exp(written.log_prob):.3g}"
            yield f"  {written.decision}" if written.decision else "  submitted: no attempt is left"

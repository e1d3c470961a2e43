"""Simulated logs with known p, a and b: to try the commands on, and to check that what is promised of intervals is true.

A problem has a chance p_x of a correct answer, drawn from Beta(p c, (1 - p) c) with concentration c, or p for all without one.
Each attempt is correct with probability p_x; after a correct answer the model stops with probability a, after a wrong one it
resamples with probability b. At the cap no decision is drawn.

Source: arXiv 2601.01580, section 3 (the chain); problem-specific p as in claim G4, derived here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dstheory.anatomy.episodes import Episodes, Labels
from dstheory.checks import Bools, Floats, Ints, whole_number
from dstheory.errors import RecordError

__all__ = ["resimulate", "simulate_log"]

_MOST_ROUNDS = 10_000  # of an episode without a cap; a chain that goes on for longer practically never stops


def simulate_log(
    problems: int,
    *,
    p: float,
    a: float,
    b: float,
    cap: int = 0,
    episodes_per_problem: int = 1,
    concentration: float | None = None,
    rng: np.random.Generator | int = 0,
    task: str = "simulated",
    model: str = "chain",
    name: str = "problem",
) -> Episodes:
    """Return a log of a chain.

    Args:
        problems: how many; ids are ``name-0``, ``name-1``, ...
        p, a, b: mean P(correct) over problems, P(stop | correct), P(resample | wrong).
        cap: largest number of attempts; 0 for none.
        episodes_per_problem: trials of each problem.
        concentration: c above, > 0; None for one p.
        rng: generator or seed.
        task, model: labels of all episodes.

    Raises:
        RecordError: a number out of range, or a chain that practically never stops and has no cap.

    >>> simulate_log(200, p=0.4, a=0.9, b=0.7, cap=8, concentration=2.0)
    Episodes(200 episodes, 399 attempts, 200 problems, 4 capped)
    """
    n_problems = whole_number(problems, "problems", low=1)
    trials = whole_number(episodes_per_problem, "episodes_per_problem", low=1)
    limit = whole_number(cap, "cap", low=0, otherwise="; 0 is none")
    for value, what in ((p, "p"), (a, "a"), (b, "b")):
        if not 0 <= value <= 1:
            raise RecordError(f"{what} is {value!r}: must be a probability")
    generator = np.random.default_rng(rng)
    if concentration is None or p in (0, 1):
        chance = np.full(n_problems, float(p))
    elif concentration > 0:
        chance = generator.beta(p * concentration, (1 - p) * concentration, n_problems)
    else:
        raise RecordError(f"concentration is {concentration!r}: must be > 0; leave it out for one p")
    problem = np.repeat(np.arange(n_problems), trials)
    ids = [f"{name}-{i}" for i in range(n_problems)]
    fields = {"task": Labels.constant(task, len(problem)), "model": Labels.constant(model, len(problem))}
    return _log(problem, ids, np.full(len(problem), limit), chance[problem], a, b, generator, fields)


def resimulate(episodes: Episodes, copies: int, *, p: float, a: float, b: float, rng: np.random.Generator) -> Episodes:
    """Return ``copies`` logs of a homogeneous chain with the problems, trials per problem and caps of a log, as one table.

    Problem i of copy j has index j n + i, with n the number of problem ids.
    """
    n = len(episodes.problem_ids)
    problem = (np.arange(copies)[:, None] * n + episodes.problem).ravel()
    chance = np.full(len(problem), float(p))
    return _log(problem, range(copies * n), np.tile(episodes.cap, copies), chance, a, b, rng, {})


def _log(
    problem: Ints,
    ids: Sequence[str] | range,
    cap: Ints,
    chance: Floats,
    a: float,
    b: float,
    rng: np.random.Generator,
    fields: dict[str, Labels],
) -> Episodes:
    episode, correct, stopped = _walk(chance, a, b, cap, rng)
    n = len(problem)
    ended = np.zeros(n, dtype=bool)
    ended[episode[stopped]] = True
    return Episodes(
        offsets=np.concatenate([[0], np.cumsum(np.bincount(episode, minlength=n))]),
        correct=correct,
        stopped=stopped,
        capped=~ended,
        problem=problem,
        problem_ids=ids,  # type: ignore[arg-type]  # a range of numbers names as well as strings do
        cap=cap,
        fields=fields,
    )


def _walk(chance: Floats, a: float, b: float, cap: Ints, rng: np.random.Generator) -> tuple[Ints, Bools, Bools]:
    """Return episode, correct and stopped of every attempt, ordered by episode and round."""
    going = np.arange(len(chance))
    parts = []
    for k in range(max(int(cap.max(initial=0)), _MOST_ROUNDS)):
        right = rng.random(len(going)) < chance[going]
        stop = rng.random(len(going)) < np.where(right, a, 1 - b)
        at_cap = cap[going] == k + 1
        stop &= ~at_cap  # no decision is drawn there: the answer is submitted
        parts.append((going, right, stop))
        going = going[~stop & ~at_cap]
        if not len(going):
            break
    else:
        raise RecordError(f"{len(going)} episodes did not stop within {_MOST_ROUNDS} attempts: give a cap")
    episode, correct, stopped = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(episode, kind="stable")
    return episode[order], correct[order], stopped[order]

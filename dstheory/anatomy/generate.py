"""Simulated logs with known p, a and b: to try the commands on, and to check that what is promised of intervals is true.

A problem has a chance p_x of a correct answer, drawn from Beta(p c, (1 - p) c) with concentration c, or p for all without one.
Each attempt is correct with probability p_x; after a correct answer the model stops with probability a, after a wrong one it
resamples with probability b. At the cap no decision is drawn.

The bundled synthetic log is made, not shipped: the same seed gives the same log. Its second model samples a little better and
decides much better than the first, so that a comparison has something to find; both get worse at answers from task to task.

In the forms that trainers and evaluation harnesses write (:func:`made_log`), a problem x has a level :math:`u_x`, drawn from a
normal distribution with standard deviation 1.5. An answer is right with chance :math:`p_x = 1/(1 + e^{-u_x - s})`, where the
shift s is what training adds, or one model has over another.

Source: arXiv 2601.01580, section 3 (the chain); problem-specific p as in claim G4, derived here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dstheory.anatomy.episodes import Episodes, Labels
from dstheory.chain.policy import sigmoid
from dstheory.checks import Bools, Floats, Ints, whole_number
from dstheory.errors import RecordError, UnknownNameError
from dstheory.readers.atomic import atomic_path

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
        RecordError: a rate or the concentration out of range, or a chain that practically never stops and has no cap.
        ChainError: another number out of range.

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
    caps = np.full(len(problem), limit)
    offsets, correct, stopped = attempts(caps, chance[problem], a, b, generator)
    return Episodes(
        offsets=offsets,
        correct=correct,
        stopped=stopped,
        capped=~stopped[offsets[1:] - 1],
        problem=problem,
        problem_ids=ids,
        cap=caps,
        fields=fields,
    )


def attempts(cap: Ints, chance: Floats | float, a: float, b: float, rng: np.random.Generator) -> tuple[Ints, Bools, Bools]:
    """Let every episode go on round by round, each with its cap and its chance of a correct answer.

    Args:
        cap: (N,) the largest number of attempts; 0 for none.
        chance: (N,) of a correct answer, or one for all.
        a, b: P(stop | correct), P(resample | wrong).
        rng: generator.

    Returns:
        (N + 1,) where the attempts of each episode begin and end; (M,) whether each was correct, and whether the model stopped.

    Raises:
        RecordError: an episode without a cap goes on and on.
    """
    n = len(cap)
    going, length, rounds = np.arange(n), np.zeros(n, dtype=np.int64), []
    for k in range(max(int(cap.max(initial=0)), _MOST_ROUNDS)):
        right, luck, at_cap = rng.random(len(going)) < chance, rng.random(len(going)), cap == k + 1
        stop = np.where(right, luck < a, luck < 1 - b) & ~at_cap  # no decision is drawn there: the answer is submitted
        rounds.append((going, right, stop))
        length[going] = k + 1
        on = np.flatnonzero(~(stop | at_cap))
        going, cap, chance = going[on], cap[on], chance[on] if isinstance(chance, np.ndarray) else chance
        if not len(going):
            break
    else:
        raise RecordError(f"{len(going)} episodes did not stop within {_MOST_ROUNDS} attempts: give a cap")
    offsets = np.concatenate([[0], np.cumsum(length)])
    correct, stopped = np.empty((2, offsets[-1]), dtype=bool)
    for k, (episode, right, stop) in enumerate(rounds):
        at = offsets[episode] + k
        correct[at], stopped[at] = right, stop
    return offsets, correct, stopped


# ---------------------------------------------------------------------- the bundled log


@dataclass(frozen=True)
class Cell:
    """One model on one task, with its true p, a and b.

    >>> Cell("base", "easy", 0.8, 0.9, 0.5).p
    0.8
    """

    model: str
    task: str
    p: float
    a: float
    b: float


BUNDLED = (
    Cell("base", "easy", 0.70, 0.85, 0.45),
    Cell("base", "medium", 0.45, 0.80, 0.40),
    Cell("base", "hard", 0.20, 0.75, 0.40),
    Cell("tuned", "easy", 0.75, 0.95, 0.85),
    Cell("tuned", "medium", 0.50, 0.92, 0.85),
    Cell("tuned", "hard", 0.22, 0.90, 0.80),
)


def parse_cell(text: str) -> Cell:
    """Return the cell that ``MODEL,TASK,P,A,B`` describes.

    Raises:
        RecordError: there are not five parts, or three of them are not probabilities.

    >>> parse_cell("base,easy,0.8,0.9,0.5")
    Cell(model='base', task='easy', p=0.8, a=0.9, b=0.5)
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        model, task, p, a, b = parts
        numbers = float(p), float(a), float(b)
    except ValueError as error:
        raise RecordError(f"{text!r} is not a cell: write MODEL,TASK,P,A,B, for example base,easy,0.8,0.9,0.5") from error
    if not model or not task or not all(0 <= number <= 1 for number in numbers):
        raise RecordError(f"{text!r} is not a cell: needs names of model and task, and three probabilities")
    return Cell(model, task, *numbers)


def generate_log(
    problems: int = 400,
    *,
    cells: Sequence[Cell] = BUNDLED,
    cap: int = 8,
    concentration: float | None = 4.0,
    episodes_per_problem: int = 1,
    seed: int = 0,
) -> Episodes:
    """Return the synthetic log.

    Args:
        problems: of each task; every model works on all of them.
        cells: models and tasks, with their p, a and b.
        cap: largest number of attempts, 0 for none.
        concentration: of p over the problems of a cell, Beta(p c, (1 - p) c); None for problems that are all alike.
        episodes_per_problem: trials of each problem by each model.
        seed: of everything.

    Raises:
        RecordError: a rate or the concentration out of range, no cells, or the same cell twice.
        ChainError: another number out of range.

    >>> log = generate_log(50)
    >>> log, log.column("task").names
    (Episodes(300 episodes, 525 attempts, 150 problems, 6 capped), ('easy', 'medium', 'hard'))
    """
    if not cells:
        raise RecordError("there are no cells: give at least one model on one task")
    if len({(cell.model, cell.task) for cell in cells}) < len(cells):
        raise RecordError("the same model and task are given twice: every cell has one p, a and b")
    streams = np.random.default_rng(whole_number(seed, "seed", low=0)).spawn(len(cells))
    return Episodes.concatenate(
        [
            simulate_log(
                problems, p=cell.p, a=cell.a, b=cell.b, cap=cap, concentration=concentration,
                episodes_per_problem=episodes_per_problem, rng=rng, task=cell.task, model=cell.model, name=cell.task,
            )
            for cell, rng in zip(cells, streams, strict=True)
        ]
    )  # fmt: skip


_SPREAD = 1.5
_GAIN = 0.25  # of the shift, per step of training
_PER_STEP = 16  # problems in a batch


def made_log(form: str, problems: int = 400, *, samples: int = 8, shift: float = 0.0, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the records of a log.

    Args:
        form: "trainer": rows as verl writes them, ``samples`` of a prompt in its step, 16 prompts a step; "lm-eval": samples of
            lm-evaluation-harness, one answer to each document under two filters, of which the strict one misses a tenth of the
            right answers; "inspect": samples of Inspect, ``samples`` epochs; "turns": two answers of a self-correction study,
            the second of which is right with the same chance again in half of the cases and repeats the first in the others.
        problems: how many.
        samples: of a problem, where the form has several.
        shift: s above; the level of the first step of a trainer.
        seed: of everything. The same problems have the same levels whatever the shift.

    Raises:
        UnknownNameError: there is no such form.

    >>> sorted(next(made_log("lm-eval", 1)))
    ['doc', 'doc_id', 'exact_match', 'filter', 'filtered_resps', 'resps', 'target']
    >>> sum(row["acc"] for row in made_log("trainer", 64, samples=4)) > 100
    True
    """
    if form not in FORMS:
        raise UnknownNameError(f"there is no form {form!r}: there are {', '.join(FORMS)}")
    levels = np.random.default_rng(seed)
    draws = np.random.default_rng([seed, int(abs(shift) * 1e6), int(shift < 0)])  # another model draws answers of its own
    u = levels.normal(0.0, _SPREAD, whole_number(problems, "problems", low=1)) + shift
    yield from FORMS[form](u, whole_number(samples, "samples", low=1), draws)


def write_made_log(
    path: Path, form: str, problems: int = 400, *, samples: int = 8, shift: float = 0.0, seed: int = 0, overwrite: bool = False
) -> int:
    """Write the records of :func:`made_log` as JSON lines; the file appears when all of it is written.

    Args:
        path: the file.
        form, problems, samples, shift, seed: of :func:`made_log`.
        overwrite: whether a file of that name may be replaced.

    Returns:
        The number of records.

    Raises:
        DSTheoryError: the file exists, or cannot be written.
    """
    count = 0
    with atomic_path(path, overwrite=overwrite) as temporary, temporary.open("w", encoding="utf-8") as file:
        for record in made_log(form, problems, samples=samples, shift=shift, seed=seed):
            file.write(json.dumps(record) + "\n")
            count += 1
    return count


def _trainer(u: Floats, samples: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    steps = np.arange(len(u)) // _PER_STEP
    for i, (p, step) in enumerate(zip(sigmoid(u + _GAIN * steps).tolist(), steps.tolist(), strict=True)):
        for right in (rng.random(samples) < p).tolist():
            answer = f"The answer is {i + 2 * (not right)}."
            yield {"input": f"What is {i} + 0?", "output": answer, "score": float(right), "acc": int(right), "step": step + 1}


def _lm_eval(u: Floats, samples: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for i, (right, found) in enumerate(zip(rng.random(len(u)) < sigmoid(u), rng.random(len(u)) < 0.9, strict=True)):
        said = str(i + 2 * (not right))
        common = {"doc_id": i, "doc": {"question": f"What is {i} + 0?"}, "target": str(i), "resps": [[f"It is {said}."]]}
        for name, shown in (("strict-match", bool(found)), ("flexible-extract", True)):
            got = said if shown else "[invalid]"
            yield {**common, "filter": name, "filtered_resps": [got], "exact_match": float(got == str(i))}


def _inspect(u: Floats, samples: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for i, p in enumerate(sigmoid(u).tolist()):
        for epoch, right in enumerate((rng.random(samples) < p).tolist(), start=1):
            answer = str(i + (0 if right else 1 + epoch % 2))
            score = {"value": "C" if right else "I", "answer": answer}
            yield {"id": i, "epoch": epoch, "input": f"What is {i} + 0?", "target": str(i), "scores": {"match": score}}


def _turns(u: Floats, samples: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for i, p in enumerate(sigmoid(u).tolist()):
        for _ in range(samples):
            first, again, repeats = rng.random() < p, rng.random() < p, rng.random() < 0.5
            turns = [{"is_correct": bool(first)}, {"is_correct": bool(first if repeats else again)}]
            yield {"problem_id": f"q{i}", "turns": turns}


FORMS: dict[str, Callable[[Floats, int, np.random.Generator], Iterator[dict[str, Any]]]] = {
    "trainer": _trainer,
    "lm-eval": _lm_eval,
    "inspect": _inspect,
    "turns": _turns,
}

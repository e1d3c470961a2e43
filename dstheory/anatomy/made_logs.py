"""Simulated logs in the forms that trainers and evaluation harnesses write, with known chances: to try the commands on.

A problem x has a level :math:`u_x`, drawn from a normal distribution with standard deviation 1.5. An answer is right with
chance :math:`p_x = 1/(1 + e^{-u_x - s})`, where the shift s is what training adds, or one model has over another.

Source: derived here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dstheory.checks import Floats, whole_number
from dstheory.errors import UnknownNameError
from dstheory.readers.atomic import atomic_path

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


def _chance(u: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-u)))


def _trainer(u: Floats, samples: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for i, level in enumerate(u.tolist()):
        step = i // _PER_STEP
        for right in (rng.random(samples) < _chance(level + _GAIN * step)).tolist():
            answer = f"The answer is {i + 2 * (not right)}."
            yield {"input": f"What is {i} + 0?", "output": answer, "score": float(right), "acc": int(right), "step": step + 1}


def _lm_eval(u: Floats, samples: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for i, (right, found) in enumerate(zip(rng.random(len(u)) < _chance(u), rng.random(len(u)) < 0.9, strict=True)):
        said = str(i + 2 * (not right))
        common = {"doc_id": i, "doc": {"question": f"What is {i} + 0?"}, "target": str(i), "resps": [[f"It is {said}."]]}
        for name, shown in (("strict-match", bool(found)), ("flexible-extract", True)):
            got = said if shown else "[invalid]"
            yield {**common, "filter": name, "filtered_resps": [got], "exact_match": float(got == str(i))}


def _inspect(u: Floats, samples: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for i, p in enumerate(_chance(u).tolist()):
        for epoch, right in enumerate((rng.random(samples) < p).tolist(), start=1):
            answer = str(i + (0 if right else 1 + epoch % 2))
            score = {"value": "C" if right else "I", "answer": answer}
            yield {"id": i, "epoch": epoch, "input": f"What is {i} + 0?", "target": str(i), "scores": {"match": score}}


def _turns(u: Floats, samples: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for i, p in enumerate(_chance(u).tolist()):
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

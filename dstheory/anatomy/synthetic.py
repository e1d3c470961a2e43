"""The bundled synthetic log: two models on three tasks, with p, a and b that are known, and problems that differ.

It is made, not shipped: the same seed gives the same log. The second model samples a little better and decides much better than
the first, so that a comparison has something to find; both get worse at answers from task to task.

Source: derived here; the numbers are round and chosen to show every part of a report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.simulate import simulate_log
from dstheory.errors import RecordError

__all__ = ["BUNDLED", "Cell", "generate_log", "parse_cell"]


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
        RecordError: there are not five parts, or three of them are no probabilities.

    >>> parse_cell("base,easy,0.8,0.9,0.5")
    Cell(model='base', task='easy', p=0.8, a=0.9, b=0.5)
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        model, task, p, a, b = parts
        numbers = float(p), float(a), float(b)
    except ValueError as error:
        raise RecordError(f"{text!r} is no cell: write MODEL,TASK,P,A,B, for example base,easy,0.8,0.9,0.5") from error
    if not model or not task or not all(0 <= number <= 1 for number in numbers):
        raise RecordError(f"{text!r} is no cell: needs names of model and task, and three probabilities")
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
        RecordError: a number out of range, no cells, or the same cell twice.

    >>> log = generate_log(50)
    >>> log, log.column("task").names
    (Episodes(300 episodes, 525 attempts, 150 problems, 6 capped), ('easy', 'medium', 'hard'))
    """
    if not cells:
        raise RecordError("there are no cells: give at least one model on one task")
    if len({(cell.model, cell.task) for cell in cells}) < len(cells):
        raise RecordError("the same model and task are given twice: every cell has one p, a and b")
    streams = np.random.default_rng(seed).spawn(len(cells))
    return Episodes.concatenate(
        [
            simulate_log(
                problems, p=cell.p, a=cell.a, b=cell.b, cap=cap, concentration=concentration,
                episodes_per_problem=episodes_per_problem, rng=rng, task=cell.task, model=cell.model, name=cell.task,
            )
            for cell, rng in zip(cells, streams, strict=True)
        ]
    )  # fmt: skip

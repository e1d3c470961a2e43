"""Gradient ascent on the minimal chain for many settings at once, every step exact (formulas: :mod:`dstheory.kernels.step`).

Plain Python takes the steps where loading the compiled loop of :mod:`dstheory.kernels.training_loop` would take longer than
all of them together.

Source: derived here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from dstheory.kernels.parallel import FloatArray, as_input, over_rows
from dstheory.kernels.step import LANES, minimal_step

_plain_step = minimal_step(math.exp, max, lambda a, b: math.log1p((a - b) / (1.0 + b)))


def _ascend_plainly(theta: FloatArray, settings: FloatArray, rates: FloatArray) -> FloatArray:
    """Return the logits after all steps, run by run; NaN from where a chain's visits are infinite."""
    moved = np.full(theta.shape, np.nan)
    for run, (logits, setting) in enumerate(zip(theta.tolist(), settings.tolist(), strict=True)):
        try:
            for rate in rates.tolist():
                logits = _plain_step(*logits, rate, *setting)
        except (ZeroDivisionError, OverflowError, ValueError):
            continue
        moved[run] = logits
    return moved


def train_minimal(
    theta: ArrayLike,
    steps: int,
    *,
    learning_rate: ArrayLike,
    schedule: ArrayLike | None = None,
    rewards: ArrayLike = (1.0, 0.0, 0.0, 0.0),
    gamma_within: ArrayLike = 1.0,
    gamma_between: ArrayLike = 1.0,
    beta: ArrayLike = 0.0,
    reference: ArrayLike = (0.0, 0.0, 0.0),
    sample_weight: ArrayLike = 1.0,
    decision_weight: ArrayLike = 1.0,
    demonstrations: ArrayLike = 0.0,
    threads: int | None = None,
    compiled: bool = True,
) -> FloatArray:
    """Return the logits of B settings after `steps` steps of exact-gradient ascent (formulas: `dstheory.kernels.step`).

    Every argument with B in its shape broadcasts, so that a number or one row serves all settings.

    Args:
        theta: (B, 3) start: theta_s, theta_C, theta_W.
        steps: number of steps.
        learning_rate: (B,) step sizes.
        schedule: (steps,) factors that multiply them from step to step; all 1 by default.
        rewards: (B, 4) R(stop|C), R(resample|C), R(stop|W), R(resample|W). Scale them to weigh the reward.
        gamma_within, gamma_between: (B,) discount between an answer and its decision, and between turns.
        beta, reference: (B,) weight of the direct reverse KL, and (B, 3) logits of its reference.
        sample_weight, decision_weight: (B, 2) stage weights of the KL at the correct and at the wrong answer.
        demonstrations: (B, 6) weighted expected counts of imitation: C, W, stop|C, resample|C, stop|W, resample|W.
        threads: number of threads; all available processors by default. The result does not depend on it.
        compiled: whether the compiled loop takes the steps, or plain Python (equal to rounding).

    Returns:
        (B, 3) logits. A setting whose chain stops stopping (gamma = 1 or beta > 0, and a = 1 - b = 0 to machine precision)
        has infinite visits: its row is not finite, and the caller decides what that means.

    Raises:
        ValueError: steps is negative or shapes do not fit together.

    Example:
        Terminal reward raises all three logits; the odds of a right answer grow with them:

        >>> import numpy as np
        >>> end = train_minimal([[0.2, 1.5, 1.0]], 1000, learning_rate=0.1, gamma_between=0.95)
        >>> bool((end > [[0.2, 1.5, 1.0]]).all())
        True
    """
    start = np.array(theta, dtype=np.float64, ndmin=2)
    if start.ndim != 2 or start.shape[1] != 3:
        raise ValueError(f"theta has shape {start.shape}: it must be (B, 3)")
    if steps < 0:
        raise ValueError(f"steps is {steps}: it must not be negative")
    runs = start.shape[0]
    factors = np.ones(steps) if schedule is None else schedule
    rates = as_input(np.broadcast_to(np.asarray(factors, dtype=np.float64), (steps,)))

    def wide(values: ArrayLike, fields: int = 1) -> FloatArray:
        table = np.asarray(values, dtype=np.float64)
        return np.broadcast_to(table[..., None] if fields == 1 else table, (runs, fields))

    ref, w, v = wide(reference, 3), wide(sample_weight, 2), wide(decision_weight, 2)
    rows = np.column_stack([
        wide(rewards, 4), wide(gamma_within), wide(gamma_between), wide(beta), ref[:, 0], np.exp(-np.abs(ref[:, 0])), w[:, 0],
        w[:, 0] - w[:, 1], v[:, 0], ref[:, 1], v[:, 1], ref[:, 2], wide(learning_rate), wide(demonstrations, 6),
    ])  # fmt: skip
    if not compiled:
        return _ascend_plainly(start, rows, rates)
    from dstheory.kernels.training_loop import ascend

    settings = as_input(_in_lanes(rows))
    lanes = _in_lanes(start)

    def work(first: int, last: int) -> None:
        ascend(first, last, lanes, settings, rates)

    over_rows(work, len(lanes), 1, len(lanes), threads)
    return np.ascontiguousarray(lanes.reshape(-1, 3, LANES).transpose(0, 2, 1).reshape(-1, 3)[:runs])


def _in_lanes(rows: FloatArray) -> FloatArray:
    """Return (B, k) rows as (blocks, k lanes); the last block is filled up with copies of the last row."""
    runs, k = rows.shape
    count = -(-runs // LANES)
    padded = rows[np.minimum(np.arange(count * LANES), runs - 1)]
    return np.ascontiguousarray(padded.reshape(count, LANES, k).transpose(0, 2, 1)).reshape(count, k * LANES)

r"""Gradient ascent on the minimal chain for many settings at once, every step exact.

One setting is three logits theta = (theta_s, theta_C, theta_W) and the numbers of its problem; p = sigmoid(theta_s) is the
probability of a correct answer, a = sigmoid(theta_C) of stopping on it, b = sigmoid(theta_W) of resampling a wrong one. With
discount g_w within and g_b between turns, g = g_w g_b::

    stop = p a + (1-p)(1-b),   M = 1/stop,   N = 1/((1-g) + g stop)
    r_C = a R(stop|C) + (1-a) R(resample|C),   r_W = (1-b) R(stop|W) + b R(resample|W)
    V = g_w N (p r_C + (1-p) r_W)

    reward         dV/dtheta_s = N p(1-p) [g_w (r_C - r_W) + g V ((1-a) - b)]
                   dV/dtheta_C = N g_w p a(1-a) [R(stop|C) - R(resample|C) - g_b V]
                   dV/dtheta_W = N g_w (1-p) b(1-b) [R(resample|W) + g_b V - R(stop|W)]
    direct KL      theta_s: -beta M p(1-p) [w_C (theta_s - ref_s) + (w_C - w_W) log((1-p)/(1-p_ref))]
                   theta_C: -beta M p a(1-a) v_C (theta_C - ref_C),   theta_W likewise with (1-p), b, v_W
    imitation      theta_s: n_C (1-p) - n_W p,   theta_C: n_SC (1-a) - n_RC a,   theta_W: n_RW (1-b) - n_SW b

w_C, w_W weigh the sampling stage, v_C, v_W the decision; the n are weighted expected counts of the demonstrations. A step is
theta += rate x gradient. The step is written once, in :func:`minimal_step`: plain Python takes it where loading the compiled loop
of :mod:`dstheory.kernels.training_loop` would take longer than all steps together.

References: arXiv 2601.01580 for the chain; gradients derived here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.kernels.arrays import FloatArray, as_input
from dstheory.kernels.parallel import available_threads, blocks, run_blocks

__all__ = ["LANES", "minimal_step", "train_minimal"]

LANES = 64  # settings per block: enough to hide the latency of a step, few enough that a block stays in the first-level cache


def minimal_step(
    exp_nonpositive: Callable[..., Any],
    larger: Callable[..., Any],
    log1p_ratio: Callable[..., Any],
    inlined: Callable[..., Any] = lambda function: function,
) -> Callable[..., Any]:
    """Return the function that takes one step of one setting.

    Args:
        exp_nonpositive, larger, log1p_ratio: as in :mod:`dstheory.kernels.fastmath`.
        inlined: what decorates the function, to compile it.
    """

    @inlined
    def sigmoid(x):  # type: ignore[no-untyped-def]
        # sigmoid(x), sigmoid(-x) and e^-|x|; both probabilities to full relative accuracy.
        t = exp_nonpositive(-abs(x))
        likely = 1.0 / (1.0 + t)
        rare = t * likely
        return (rare if x < 0.0 else likely), (likely if x < 0.0 else rare), t

    @inlined
    def step(  # type: ignore[no-untyped-def]
        x, y, z, rate, discounted_visits, stop_c, resample_c, stop_w, resample_w, within, between, beta, ref_s, t_ref, w_c,
        w_rest, v_c, ref_c, v_w, ref_w, own_rate, n_c, n_w, n_sc, n_rc, n_sw, n_rw,
    ):  # fmt: skip
        p, p_, t = sigmoid(x)
        a, a_, _ = sigmoid(y)
        b, b_, _ = sigmoid(z)
        p_stop = p * a + p_ * b_
        discount = within * between
        n = 1.0 / ((1.0 - discount) + discount * p_stop)
        r_c, r_w = a * stop_c + a_ * resample_c, b_ * stop_w + b * resample_w
        v = within * (p * r_c + p_ * r_w) * n
        by_s = n * (within * (r_c - r_w) + discount * v * (a_ - b))
        by_c = n * within * (stop_c - resample_c - between * v)
        by_w = n * within * (resample_w + between * v - stop_w)

        visits = n if discounted_visits else 1.0 / p_stop
        visits = beta * visits if beta != 0.0 else 0.0  # without a penalty M may be infinite
        wrong_ratio = (larger(ref_s, 0.0) - larger(x, 0.0)) + log1p_ratio(t_ref, t)
        by_s -= visits * (w_c * (x - ref_s) + w_rest * wrong_ratio)
        by_c -= visits * (v_c * (y - ref_c))
        by_w -= visits * (v_w * (z - ref_w))

        size = rate * own_rate
        return (
            x + size * ((p * p_) * by_s + (n_c * p_ - n_w * p)),
            y + size * ((p * a * a_) * by_c + (n_sc * a_ - n_rc * a)),
            z + size * ((p_ * b * b_) * by_w + (n_rw * b_ - n_sw * b)),
        )

    return step


_plain_step = minimal_step(math.exp, max, lambda a, b: math.log1p((a - b) / (1.0 + b)))


def _ascend_plainly(theta: FloatArray, settings: FloatArray, rates: FloatArray, discounted_visits: bool) -> FloatArray:
    """Return the logits after all steps, run by run; NaN from where a chain's visits are infinite."""
    moved = np.full(theta.shape, np.nan)
    for run, (logits, setting) in enumerate(zip(theta.tolist(), settings.tolist(), strict=True)):
        try:
            for rate in rates.tolist():
                logits = _plain_step(*logits, rate, discounted_visits, *setting)
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
    discounted_visits: bool = False,
    threads: int | None = None,
    compiled: bool = True,
) -> FloatArray:
    """Return the logits of B settings after `steps` steps of exact-gradient ascent (formulas in the module's docstring).

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
        discounted_visits: weigh the KL by discounted visits N instead of visits M.
        threads: number of threads; all available processors by default. The result does not depend on it.
        compiled: whether the compiled loop takes the steps, or plain Python (equal to rounding).

    Returns:
        (B, 3) logits. A setting whose chain stops stopping (gamma = 1 or beta > 0, and a = 1 - b = 0 to machine precision)
        has infinite visits: its row is not finite, and the caller decides what that means.

    Raises:
        ValueError: steps is negative or shapes do not fit together.

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
    ref = np.broadcast_to(np.asarray(reference, dtype=np.float64), (runs, 3))
    w = np.broadcast_to(np.asarray(sample_weight, dtype=np.float64), (runs, 2))
    v = np.broadcast_to(np.asarray(decision_weight, dtype=np.float64), (runs, 2))
    columns = [
        np.broadcast_to(np.asarray(rewards, dtype=np.float64), (runs, 4)),
        np.broadcast_to(gamma_within, runs),
        np.broadcast_to(gamma_between, runs),
        np.broadcast_to(beta, runs),
        ref[:, 0],
        np.exp(-np.abs(ref[:, 0])),
        w[:, 0],
        w[:, 0] - w[:, 1],
        v[:, 0],
        ref[:, 1],
        v[:, 1],
        ref[:, 2],
        np.broadcast_to(learning_rate, runs),
        np.broadcast_to(np.asarray(demonstrations, dtype=np.float64), (runs, 6)),
    ]
    rows = np.column_stack(columns)
    if not compiled:
        return _ascend_plainly(start, rows, rates, bool(discounted_visits))
    from dstheory.kernels.training_loop import ascend

    settings = as_input(_in_lanes(rows))
    lanes = _in_lanes(start)

    def work(first: int, last: int) -> None:
        ascend(first, last, lanes, settings, rates, bool(discounted_visits))

    workers = available_threads() if threads is None else threads
    run_blocks(work, blocks(lanes.shape[0], 1, lanes.shape[0], workers), workers)
    return np.ascontiguousarray(lanes.reshape(-1, 3, LANES).transpose(0, 2, 1).reshape(-1, 3)[:runs])


def _in_lanes(rows: FloatArray) -> FloatArray:
    """Return (B, k) rows as (blocks, k lanes); the last block is filled up with copies of the last row."""
    runs, k = rows.shape
    count = -(-runs // LANES)
    padded = rows[np.minimum(np.arange(count * LANES), runs - 1)]
    return np.ascontiguousarray(padded.reshape(count, LANES, k).transpose(0, 2, 1)).reshape(count, k * LANES)

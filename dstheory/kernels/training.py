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
theta += rate x gradient. Settings are laid out in lanes, so that one instruction advances four of them or more.

References: arXiv 2601.01580 for the chain; gradients derived here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.kernels.arrays import FloatArray, as_input
from dstheory.kernels.fastmath import exp_nonpositive, larger, log1p_ratio
from dstheory.kernels.jit import inlined, kernel
from dstheory.kernels.parallel import available_threads, blocks, run_blocks

__all__ = ["train_minimal"]

_LANES = 64  # settings per block: enough to hide the latency of a step, few enough that a block stays in the first-level cache


@inlined()
def _sigmoid(x):  # type: ignore[no-untyped-def]
    """Return sigmoid(x), sigmoid(-x) and e^-|x|; both probabilities to full relative accuracy."""
    t = exp_nonpositive(-abs(x))
    likely = 1.0 / (1.0 + t)
    rare = t * likely
    return (rare if x < 0.0 else likely), (likely if x < 0.0 else rare), t


@kernel
def _ascend(start, stop, theta, settings, rates, discounted_visits):  # type: ignore[no-untyped-def]
    """Advance the blocks start..stop by len(rates) steps. Rows are flat, so that one address serves all fields of a block:
    theta has shape (blocks, 3 lanes), settings (blocks, 22 lanes)."""
    for block in range(start, stop):
        state, setting = theta[block], settings[block]
        for step in range(rates.size):
            rate = rates[step]
            for i in range(_LANES):
                x, y, z = state[i], state[_LANES + i], state[2 * _LANES + i]
                p, p_, t = _sigmoid(x)
                a, a_, _ = _sigmoid(y)
                b, b_, _ = _sigmoid(z)
                p_stop = p * a + p_ * b_
                stop_c, resample_c, stop_w, resample_w = (
                    setting[i],
                    setting[_LANES + i],
                    setting[2 * _LANES + i],
                    setting[3 * _LANES + i],
                )
                within, between = setting[4 * _LANES + i], setting[5 * _LANES + i]
                discount = within * between
                n = 1.0 / ((1.0 - discount) + discount * p_stop)
                r_c, r_w = a * stop_c + a_ * resample_c, b_ * stop_w + b * resample_w
                v = within * (p * r_c + p_ * r_w) * n
                by_s = n * (within * (r_c - r_w) + discount * v * (a_ - b))
                by_c = n * within * (stop_c - resample_c - between * v)
                by_w = n * within * (resample_w + between * v - stop_w)

                beta = setting[6 * _LANES + i]
                visits = n if discounted_visits else 1.0 / p_stop
                visits = beta * visits if beta != 0.0 else 0.0  # without a penalty M may be infinite
                ref_s, t_ref = setting[7 * _LANES + i], setting[8 * _LANES + i]
                wrong_ratio = (larger(ref_s, 0.0) - larger(x, 0.0)) + log1p_ratio(t_ref, t)
                by_s -= visits * (setting[9 * _LANES + i] * (x - ref_s) + setting[10 * _LANES + i] * wrong_ratio)
                by_c -= visits * (setting[11 * _LANES + i] * (y - setting[12 * _LANES + i]))
                by_w -= visits * (setting[13 * _LANES + i] * (z - setting[14 * _LANES + i]))

                step_size = rate * setting[15 * _LANES + i]
                state[i] = x + step_size * ((p * p_) * by_s + (setting[16 * _LANES + i] * p_ - setting[17 * _LANES + i] * p))
                state[_LANES + i] = y + step_size * (
                    (p * a * a_) * by_c + (setting[18 * _LANES + i] * a_ - setting[19 * _LANES + i] * a)
                )
                state[2 * _LANES + i] = z + step_size * (
                    (p_ * b * b_) * by_w + (setting[21 * _LANES + i] * b_ - setting[20 * _LANES + i] * b)
                )


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
) -> FloatArray:
    """Return the logits of B settings after `steps` steps of exact-gradient ascent (formulas in the module's docstring).

    Every argument with B in its shape broadcasts, so that a number or one row serves all settings.

    Parameters
    ----------
    theta
        (B, 3) start: theta_s, theta_C, theta_W.
    steps
        Number of steps.
    learning_rate, schedule
        (B,) step sizes, and (steps,) factors that multiply them from step to step (all 1 by default).
    rewards
        (B, 4): R(stop|C), R(resample|C), R(stop|W), R(resample|W). Scale them to weigh the reward.
    gamma_within, gamma_between
        (B,) discount between an answer and its decision, and between turns.
    beta, reference
        (B,) weight of the direct reverse KL, and (B, 3) logits of its reference.
    sample_weight, decision_weight
        (B, 2) stage weights of the KL at the correct and at the wrong answer.
    demonstrations
        (B, 6) weighted expected counts of imitation: C, W, stop|C, resample|C, stop|W, resample|W.
    discounted_visits
        Weigh the KL by discounted visits N instead of visits M.
    threads
        Number of threads; all available processors by default. The result does not depend on it.

    Returns
    -------
    FloatArray
        (B, 3) logits. A setting whose chain stops stopping (gamma = 1 or beta > 0, and a = 1 - b = 0 to machine precision)
        has infinite visits: its row is not finite, and the caller decides what that means.

    Raises
    ------
    ValueError
        If steps is negative or shapes do not fit together.

    Examples
    --------
    Terminal reward raises all three logits; the odds of a right answer grow with them.

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
    settings = as_input(_in_lanes(np.column_stack(columns)))
    lanes = _in_lanes(start)

    def work(first: int, last: int) -> None:
        _ascend(first, last, lanes, settings, rates, bool(discounted_visits))

    workers = available_threads() if threads is None else threads
    run_blocks(work, blocks(lanes.shape[0], 1, lanes.shape[0], workers), workers)
    return np.ascontiguousarray(lanes.reshape(-1, 3, _LANES).transpose(0, 2, 1).reshape(-1, 3)[:runs])


def _in_lanes(rows: FloatArray) -> FloatArray:
    """Return (B, k) rows as (blocks, k lanes); the last block is filled up with copies of the last row."""
    runs, k = rows.shape
    count = -(-runs // _LANES)
    padded = rows[np.minimum(np.arange(count * _LANES), runs - 1)]
    return np.ascontiguousarray(padded.reshape(count, _LANES, k).transpose(0, 2, 1)).reshape(count, k * _LANES)

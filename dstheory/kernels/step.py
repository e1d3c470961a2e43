r"""One step of gradient ascent on the minimal chain, exact: the formulas of :mod:`dstheory.kernels.training`.

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
theta += rate x gradient.
The step is written once, for plain Python and for the compiled loop.

References: arXiv 2601.01580 for the chain; gradients derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LANES = 64  # settings per block: enough to hide the latency of a step, few enough that a block stays in the first-level cache


def minimal_step(
    exp_nonpositive: Callable[..., Any],
    larger: Callable[..., Any],
    log1p_ratio: Callable[..., Any],
    inlined: Callable[..., Any] = lambda function: function,
) -> Callable[..., Any]:
    """Return the function that takes one step of one setting.

    Args:
        exp_nonpositive, larger, log1p_ratio: as in :mod:`dstheory.kernels.jit`.
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
        x, y, z, rate, stop_c, resample_c, stop_w, resample_w, within, between, beta, ref_s, t_ref, w_c,
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

        visits = beta * (1.0 / p_stop) if beta != 0.0 else 0.0  # without a penalty M may be infinite
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

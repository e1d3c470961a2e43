r"""Gradient of an undiscounted reward with a penalty inside it, and the moments of its returns over tokens, in one pass.

The chain is that of :mod:`dstheory.kernels.gradient`, undiscounted. An answer pays a, stopping F and resampling r::

    a(y) = -beta log(pi/ref),   F(y) = R(y) - c - beta log(s/s_ref),   r(y) = -beta log(u/u_ref)
    stop = sum pi s,   M = 1/stop,   paid = sum pi (a + s F + u r),   V = M paid

with c a number that shifts all returns alike. Log-ratios are constants to the gradient::

    grad_z = M pi [(a + s F + u r - paid) + V (stop - s)],   grad_l = M pi s u (F - r - V)

From an answer, from a stop and from a resample on, returns have the means a + s F + u (r + V), F, r + V and, W being the mean
square from the next answer on, the mean squares::

    of a stop        F^2
    of a resample    r^2 + 2 r V + W
    of an answer     a^2 + 2 a (s F + u (r + V)) + s F^2 + u (r^2 + 2 r V + W)
    W = M sum pi [a^2 + 2 a (s F + u r) + s F^2 + u r^2 + 2 u (a + r) V]

The moments are their sums over answers and decisions, each weighted by its tokens.

Beside the reference a penalty's gradient is a difference of larger terms. Their size is added up as well: it says of how many of
its digits a row can be sure.

Source: derived here; :mod:`dstheory.objectives.reinforce_pp` has the same in NumPy, which the tests compare with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dstheory.kernels.jit import accumulate, decision, exp_nonpositive, highest, kernel, larger, log1p_ratio
from dstheory.kernels.parallel import FloatArray, as_input, as_table, empty, over_rows, rows_of

_SMALLEST, _LARGEST = 1 << 15, 1 << 18  # (prompt, answer) pairs of a block


@dataclass(frozen=True, slots=True)
class WhitenedGradient:
    """The gradient, (X, Y) each, before it is divided by anything, and what it is divided by, per prompt, prompt weight included.

    Attributes:
        sample, decide: the gradient with respect to the sampling logits and to the logits of stop; 0 in padding.
        tokens, first, second: (X,) expected tokens, and the sums over them of the shifted returns to go and of their squares.
        turns: (X,) expected turns, without the prompt's weight.
        left: (X,) the largest entry of a row of the gradient over the largest sum of the sizes of terms that an entry is made of,
            of the row for which that is less.
    """

    sample: FloatArray
    decide: FloatArray
    tokens: FloatArray
    first: FloatArray
    second: FloatArray
    turns: FloatArray
    left: FloatArray


@kernel
def _whitened_rows(  # type: ignore[no-untyped-def]
    z, l, z_ref, l_ref, correct, l_s, l_d, rho, n_answers, beta, shift, first, grad_z, grad_l, summary,
):  # fmt: skip
    """Fill the gradient of a block of prompts, whose numbers begin at `first` of `summary`; no reference: z_ref is None."""
    width = z.shape[1]
    scratch = np.empty((9, width))
    mass, stops, resamples, log_ratio = scratch[0], scratch[1], scratch[2], scratch[3]
    answers, ends, goes_on = scratch[4], scratch[5], scratch[6]
    of_answers, of_decisions = scratch[7], scratch[8]  # sizes of terms
    for x in range(n_answers.size):
        n, record = n_answers[x], first + x
        i_r = x if correct.shape[0] > 1 else 0
        i_s, i_d = x if l_s.shape[0] > 1 else 0, x if l_d.shape[0] > 1 else 0
        z_max = highest(z, x, n)
        total, total_ref, log_partition_ratio = 0.0, 0.0, 0.0
        if z_ref is None:
            for y in range(n):
                mass[y] = exp_nonpositive(z[x, y] - z_max)
                total = accumulate(total, mass[y])
        else:
            z_ref_max = highest(z_ref, x, n)
            for y in range(n):
                shifted, shifted_ref = z[x, y] - z_max, z_ref[x, y] - z_ref_max
                e = exp_nonpositive(shifted)
                mass[y], log_ratio[y] = e, shifted - shifted_ref
                of_answers[y] = -shifted - shifted_ref
                total = accumulate(total, e)
                total_ref = accumulate(total_ref, exp_nonpositive(shifted_ref))
            log_partition_ratio = math.log(total / total_ref)
        scale = 1.0 / total

        for y in range(n):
            stops[y], resamples[y], _, t = decision(l[x, y])
            mass[y] *= scale
            if z_ref is None:
                answers[y], ends[y], goes_on[y] = 0.0, correct[i_r, y] - shift, 0.0
                of_answers[y], of_decisions[y] = 0.0, abs(ends[y])
            else:
                # log s = -max(-l, 0) - log(1 + t), and log u likewise: the second part is shared.
                softer = log1p_ratio(t, exp_nonpositive(-abs(l_ref[x, y])))
                by_stop = larger(-l_ref[x, y], 0.0) - larger(-l[x, y], 0.0) - softer
                by_resample = larger(l_ref[x, y], 0.0) - larger(l[x, y], 0.0) - softer
                by_stop = by_stop if stops[y] > 0.0 else 0.0  # what is never done is never paid for
                by_resample = by_resample if resamples[y] > 0.0 else 0.0
                by_answer = log_ratio[y] - log_partition_ratio if mass[y] > 0.0 else 0.0
                answers[y], ends[y], goes_on[y] = (
                    -beta * by_answer,
                    (correct[i_r, y] - shift) - beta * by_stop,
                    -beta * by_resample,
                )
                of_answers[y] = beta * (of_answers[y] + abs(log_partition_ratio))
                of_decisions[y] = abs(correct[i_r, y] - shift) + beta * (abs(l[x, y]) + abs(l_ref[x, y]))
        p_stop, paid, fixed, ahead, tokens, size = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for y in range(n):
            pi, s, u, a, f, r = mass[y], stops[y], resamples[y], answers[y], ends[y], goes_on[y]
            direct = s * f + u * r
            p_stop = accumulate(p_stop, pi * s)
            paid = accumulate(paid, pi * (a + direct))
            fixed = accumulate(fixed, pi * (a * (a + 2.0 * direct) + s * f * f + u * r * r))
            ahead = accumulate(ahead, pi * u * (a + r))
            tokens = accumulate(tokens, pi * (l_s[i_s, y] + l_d[i_d, y]))
            size = accumulate(size, pi * (of_answers[y] + of_decisions[y]))

        turns = 1.0 / p_stop
        value = paid * turns
        later = (fixed + 2.0 * value * ahead) * turns
        by = rho[x] * turns
        mean, square, size = 0.0, 0.0, size * turns
        largest_z, largest_l, size_z, size_l = 0.0, 0.0, 0.0, 0.0
        for y in range(n):
            pi, s, u, a, f, r = mass[y], stops[y], resamples[y], answers[y], ends[y], goes_on[y]
            direct = s * f + u * r
            after = direct + u * value
            squares = s * f * f + u * (r * (r + 2.0 * value) + later)
            mean = accumulate(mean, pi * (l_s[i_s, y] * (a + after) + l_d[i_d, y] * after))
            square = accumulate(square, pi * (l_s[i_s, y] * (a * (a + 2.0 * after) + squares) + l_d[i_d, y] * squares))
            grad_z[x, y] = (pi * by) * ((a + direct - paid) + value * (p_stop - s))
            grad_l[x, y] = (pi * s * by) * (u * (f - r - value))
        for y in range(n):
            pi, s, u = mass[y], stops[y], resamples[y]
            largest_z, largest_l = larger(abs(grad_z[x, y]), largest_z), larger(abs(grad_l[x, y]), largest_l)
            size_z = larger(pi * by * (of_answers[y] + of_decisions[y] + (p_stop + s) * size), size_z)
            size_l = larger((pi * s * by) * (u * (of_decisions[y] + size)), size_l)
        left = largest_l / size_l if size_l > 0.0 else 1.0
        if n == 1:
            grad_z[x, 0] = 0.0  # exactly
        elif size_z > 0.0:
            left = min(left, largest_z / size_z)
        for y in range(n, width):
            grad_z[x, y] = 0.0
            grad_l[x, y] = 0.0
        summary[0, record], summary[1, record], summary[2, record], summary[3, record] = (
            by * tokens,
            by * mean,
            by * square,
            turns,
        )
        summary[4, record] = left


def whitened_gradient(
    logits: tuple[FloatArray, FloatArray],
    reference: tuple[FloatArray, FloatArray] | None,
    correct: FloatArray,
    lengths: tuple[FloatArray, FloatArray],
    *,
    beta: float,
    shift: float,
    prompt_weight: FloatArray,
    n_answers: NDArray[np.integer[Any]],
) -> WhitenedGradient:
    """Return the gradient and the moments (see the module); numbers that are not finite say that a prompt has none.

    Args:
        logits: (X, Y) logits of the answers and of stop.
        reference: those of the penalty's reference, or None for no penalty.
        correct: what a submitted answer is paid; a table that broadcasts to (X, Y).
        lengths: tokens of the answers and of the decisions, likewise.
        beta: strength of the penalty.
        shift: c.
        prompt_weight, n_answers: (X,) of each prompt.
    """
    z, l = map(as_input, logits)
    z_ref, l_ref = (None, None) if reference is None else map(as_input, reference)
    prompts, width = z.shape
    named = {"correct": correct, "sample lengths": lengths[0], "decision lengths": lengths[1]}
    tables = [as_table(table, prompts, width, name) for name, table in named.items()]
    rho, answers = as_input(prompt_weight), as_input(n_answers, np.int64)
    sample, decide, summary = empty(z.shape), empty(z.shape), np.empty((5, prompts))

    def work(start: int, stop: int) -> None:
        rows = slice(start, stop)
        _whitened_rows(
            z[rows], l[rows], None if z_ref is None else z_ref[rows], None if l_ref is None else l_ref[rows],
            *(rows_of(table, rows, width) for table in tables), rho[rows], answers[rows], float(beta), float(shift), start,
            sample[rows], decide[rows], summary,
        )  # fmt: skip

    over_rows(work, prompts, _SMALLEST // width, max(1, _LARGEST // width))
    return WhitenedGradient(sample, decide, *summary)

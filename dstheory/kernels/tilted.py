r"""Moments and mass of an effective credit that depends on a response's length, one pass over the table.

The chain is stationary, uncapped and tabular; a response has L tokens and R = 1 if its last answer is correct. The credit is a
sum of exponentials, f(R, L) = sum over j of (a_j + b_j R + d_j (1 - R)) exp(-t_j L), with coefficients of the prompt. For each
node, with m(y) = pi(y) exp(-t (l_s(y) + l_d(y))), s and u the chances of stop and of resample::

    ends = sum_y m s,   paid = sum_y m s c,   rest = sum_y (pi - m) + ends      # 1 - P(resample), tilted
    missed = sum_y m s (1 - c)
    U = ends / rest,    Z = paid / rest,    M = missed / rest      # E[exp(-tL)], E[R exp(-tL)], E[(1 - R) exp(-tL)]
    stop(y)     += rho m s (a + b c + d (1 - c)) / rest
    resample(y) += rho m u (a U + b Z + d M) / rest

Nodes come in threes, and where a three is exactly twice the one before it, as those of 1/L are, its exponentials are the squares
of that one's: five times at most after a computed one, which makes 32 of its error, 4 units in 10^15. What multiplies a node's
exponentials is the same for all answers, so that a sum over nodes is left for each answer, and pi, s and c enter it once.

c may be any reward of stopping; resampling pays nothing. `objectives/expectation/exponential.py` is the
same in NumPy, for any chain.

References: derived here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dstheory.kernels.jit import accumulate, exp_nonpositive, kernel
from dstheory.kernels.parallel import FloatArray, as_input, as_table, empty, over_rows, rows_of

_SERIAL_PAIRS = 4_096
_BLOCK_PAIRS = 65_536


@kernel
def _tilted_rows(  # type: ignore[no-untyped-def]
    pi, stop, resample, tokens, paid_stop, t, n_nodes, doubles, constant, slope, otherwise, rho, n_answers, first, moments,
    out_stop, out_resample,
):  # fmt: skip
    """Fill the moments or, with coefficients, the mass of a block of prompts; its columns of (J, X) arrays begin at `first`.

    What is None is not asked for, and the compiler leaves out its arithmetic: `moments` of a mass, `constant` of moments, `slope`
    and `otherwise` of a credit that does not depend on the reward, for which `paid_stop` is None, too.
    """
    width = pi.shape[1]
    of_answers, decays, sums = np.empty((3, width)), np.empty((3, width)), np.empty((4, width))
    ends, right, wrong = of_answers[0], of_answers[1], of_answers[2]
    d_0, d_1, d_2 = decays[0], decays[1], decays[2]
    ended, short, gain, loss, each = np.empty(3), np.empty(3), np.zeros(3), np.zeros(3), np.empty((4, 3))
    for x in range(n_answers.size):
        n, column, i_t = n_answers[x], first + x, x if tokens.shape[0] > 1 else 0
        for y in range(n):
            ends[y] = pi[x, y] * stop[x, y]
        if paid_stop is not None:
            i_c = x if paid_stop.shape[0] > 1 else 0
            for y in range(n):
                right[y], wrong[y] = ends[y] * paid_stop[i_c, y], ends[y] * (1.0 - paid_stop[i_c, y])
        sums[:] = 0.0
        for i in range(t.size // 3):
            for k in range(3):
                node, decay = t[3 * i + k], decays[k]
                if doubles[i]:
                    for y in range(n):
                        decay[y] *= decay[y]
                elif node == 0.0:
                    decay[:] = 1.0
                else:
                    for y in range(n):
                        decay[y] = exp_nonpositive(-node * tokens[i_t, y])
            of_0, of_1, of_2, but_0, but_1, but_2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for y in range(n):
                p, e = pi[x, y], ends[y]
                of_0, but_0 = accumulate(of_0, e * d_0[y]), accumulate(but_0, p - p * d_0[y])
                of_1, but_1 = accumulate(of_1, e * d_1[y]), accumulate(but_1, p - p * d_1[y])
                of_2, but_2 = accumulate(of_2, e * d_2[y]), accumulate(but_2, p - p * d_2[y])
            ended[0], ended[1], ended[2], short[0], short[1], short[2] = of_0, of_1, of_2, but_0, but_1, but_2
            if paid_stop is not None:
                of_0, of_1, of_2, but_0, but_1, but_2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                for y in range(n):
                    of_0, but_0 = accumulate(of_0, right[y] * d_0[y]), accumulate(but_0, wrong[y] * d_0[y])
                    of_1, but_1 = accumulate(of_1, right[y] * d_1[y]), accumulate(but_1, wrong[y] * d_1[y])
                    of_2, but_2 = accumulate(of_2, right[y] * d_2[y]), accumulate(but_2, wrong[y] * d_2[y])
                gain[0], gain[1], gain[2], loss[0], loss[1], loss[2] = of_0, of_1, of_2, but_0, but_1, but_2
            each[:] = 0.0
            for k in range(min(3, n_nodes - 3 * i)):
                j, rest = 3 * i + k, short[k] + ended[k]
                if moments is not None:
                    moments[0, j, column] = ended[k] / rest
                    moments[1, j, column] = gain[k] / rest
                    moments[2, j, column] = loss[k] / rest
                if constant is not None:
                    visits, goes_on = rho[x] / rest, constant[j, column] * ended[k]
                    each[0, k] = visits * constant[j, column]
                    if slope is not None:
                        goes_on += slope[j, column] * gain[k] + otherwise[j, column] * loss[k]
                        each[2, k], each[3, k] = visits * slope[j, column], visits * otherwise[j, column]
                    each[1, k] = visits * goes_on / rest
            if constant is not None:
                for k in range(2 if slope is not None else 1):
                    f_0, f_1, f_2, total = each[2 * k, 0], each[2 * k, 1], each[2 * k, 2], sums[2 * k]
                    g_0, g_1, g_2, other = each[2 * k + 1, 0], each[2 * k + 1, 1], each[2 * k + 1, 2], sums[2 * k + 1]
                    for y in range(n):
                        total[y] += d_0[y] * f_0 + d_1[y] * f_1 + d_2[y] * f_2
                        other[y] += d_0[y] * g_0 + d_1[y] * g_1 + d_2[y] * g_2
        if constant is not None:
            for y in range(n):
                out_stop[x, y] = ends[y] * sums[0, y]
                out_resample[x, y] = pi[x, y] * resample[x, y] * sums[1, y]
            if slope is not None:
                for y in range(n):
                    out_stop[x, y] += right[y] * sums[2, y] + wrong[y] * sums[3, y]
            for y in range(n, width):
                out_stop[x, y] = 0.0
                out_resample[x, y] = 0.0


def tilted_moments(
    sample_prob: FloatArray,
    stop_prob: FloatArray,
    tokens: FloatArray,
    paid_stop: FloatArray,
    *,
    t: FloatArray,
    n_answers: NDArray[np.integer],
    threads: int | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return E[exp(-tL)], E[R exp(-tL)] and E[(1 - R) exp(-tL)] of each node and prompt, (J, X) each.

    Arguments are those of :func:`tilted_mass`.

    Example:
        >>> half, zero, two = np.full((1, 2), 0.5), np.zeros(1), np.array([2])
        >>> found = tilted_moments(half, half, np.ones((1, 1)), np.array([[1.0, 0.0]]), t=zero, n_answers=two)
        >>> [table.tolist() for table in found]
        [[[1.0]], [[0.5]], [[0.5]]]
    """
    moments, _, _ = _run(sample_prob, stop_prob, None, tokens, paid_stop, t, None, None, None, None, n_answers, threads)
    return moments[0], moments[1], moments[2]


def tilted_mass(
    sample_prob: FloatArray,
    stop_prob: FloatArray,
    resample_prob: FloatArray,
    tokens: FloatArray,
    paid_stop: FloatArray,
    *,
    t: FloatArray,
    constant: FloatArray,
    slope: FloatArray | None = None,
    otherwise: FloatArray | None = None,
    prompt_weight: FloatArray,
    n_answers: NDArray[np.integer],
    threads: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the expected coefficient of stop and of resample at every answer, (X, Y) each; that of the answer is their sum.

    Args:
        sample_prob, stop_prob: (X, Y) probabilities of the answers and of stop. Columns from n_answers[x] on are never read.
        resample_prob: (X, Y) those of resample; as 1 - P(stop) a rare one would have few digits.
        tokens: tokens of an answer and its decision; a table that broadcasts to (X, Y).
        paid_stop: what stopping pays; a table that broadcasts to (X, Y). Never read without slope and otherwise.
        t: (J,) exponents >= 0.
        constant, slope, otherwise: (J, X) coefficients a, b, d of each node and prompt; those not given are 0.
        prompt_weight, n_answers: (X,) weights, and numbers of answers.
        threads: number of threads; all available processors by default. The result does not depend on it.

    Example:
        >>> half, zero, one, two = np.full((1, 2), 0.5), np.zeros((1, 1)), np.ones((1, 1)), np.array([2])
        >>> right, credit = np.array([[1.0, 0.0]]), {"t": zero[0], "constant": zero, "slope": one}
        >>> stop, _ = tilted_mass(half, half, half, one, right, **credit, prompt_weight=one[0], n_answers=two)
        >>> stop.tolist()  # half of the responses stop at the correct answer
        [[0.5, 0.0]]
    """
    b, d = slope, otherwise
    if b is not None or d is not None:
        b, d = (np.zeros_like(constant) if table is None else table for table in (b, d))
    rest = tokens, paid_stop, t, constant, b, d, prompt_weight, n_answers, threads
    _, stop, resample = _run(sample_prob, stop_prob, resample_prob, *rest)
    return stop, resample


def _run(
    sample_prob: FloatArray, stop_prob: FloatArray, resample_prob: FloatArray | None, tokens: FloatArray, paid_stop: FloatArray,
    t: FloatArray, constant: FloatArray | None, slope: FloatArray | None, otherwise: FloatArray | None,
    prompt_weight: FloatArray | None, n_answers: NDArray[np.integer], threads: int | None,
) -> tuple[FloatArray, FloatArray, FloatArray]:  # fmt: skip
    pi, s, u = (as_input(table) for table in (sample_prob, stop_prob, stop_prob if resample_prob is None else resample_prob))
    prompts, width = pi.shape
    lengths, payment = as_table(tokens, prompts, width, "tokens"), as_table(paid_stop, prompts, width, "paid_stop")
    a, b, d = (None if table is None else as_input(table) for table in (constant, slope, otherwise))
    nodes = as_input(np.pad(t, (0, -len(t) % 3), mode="edge"))
    doubles, at = np.zeros(len(nodes) // 3, dtype=np.bool_), nodes.reshape(-1, 3)
    doubles[1:] = (at[1:] == 2.0 * at[:-1]).all(axis=1) & (np.arange(1, len(at)) % 6 != 0)
    squared: NDArray[np.bool_] = as_input(doubles, np.bool_)
    rho = as_input(np.ones(prompts) if prompt_weight is None else prompt_weight)
    answers: NDArray[np.int64] = as_input(n_answers, np.int64)
    moments = np.empty((3, len(t) if a is None else 0, prompts))
    out_stop, out_resample = (empty(pi.shape if a is not None else (1, 1)) for _ in range(2))

    def work(start: int, stop: int) -> None:
        rows = slice(start, stop)
        paid = rows_of(payment, rows, width) if a is None or b is not None else None
        _tilted_rows(
            pi[rows], s[rows], u[rows], rows_of(lengths, rows, width), paid, nodes, len(t), squared, a, b, d, rho[rows],
            answers[rows], start, moments if a is None else None,
            out_stop[rows] if a is not None else out_stop, out_resample[rows] if a is not None else out_resample,
        )  # fmt: skip

    over_rows(work, prompts, max(1, _SERIAL_PAIRS // width), max(1, _BLOCK_PAIRS // width), threads)
    return moments, out_stop, out_resample

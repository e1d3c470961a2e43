r"""Moments and mass of an effective credit that depends on a response's length, one pass over the table.

The chain is stationary, uncapped and tabular; a response has L tokens and R = 1 if its last answer is correct. The credit is a
sum of exponentials, f(R, L) = sum over j of (a_j + b_j R + d_j (1 - R)) exp(-t_j L), with coefficients of the prompt. For each
node, with m(y) = pi(y) exp(-t (l_s(y) + l_d(y)))::

    ends = sum_y m s,   paid = sum_y m s c,   rest = sum_y (pi - m) + ends      # 1 - P(resample), tilted
    missed = sum_y m s (1 - c)
    U = ends / rest,    Z = paid / rest,    M = missed / rest      # E[exp(-tL)], E[R exp(-tL)], E[(1 - R) exp(-tL)]
    stop(y)     += rho m s (a + b c + d (1 - c)) / rest
    resample(y) += rho m (1 - s) (a U + b Z + d M) / rest

Where a node is exactly twice the one three before it, as those of 1/L are, its exponentials are the squares of that one's: five
times at most after a computed one, which makes 32 of its error, 4 units in 10^15.

c may be any reward of stopping; resampling pays nothing. `objectives/expectation/exponential.py` is the
same in NumPy, for any chain.

References: derived here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dstheory.kernels.jit import accumulate, exp_nonpositive, kernel
from dstheory.kernels.parallel import FloatArray, as_input, as_table, empty, over_rows

_SERIAL_PAIRS = 4_096
_BLOCK_PAIRS = 65_536


@kernel
def _tilted_rows(  # type: ignore[no-untyped-def]
    pi, stop, tokens, paid_stop, t, constant, slope, otherwise, rho, n_answers, first, plain, paid, missed, out_stop, out_resample
):
    """Fill the moments, and with coefficients the mass, of a block of prompts; its columns of (J, X) arrays begin at `first`.

    With constant None there is no mass to fill, and the compiler leaves out its arithmetic.
    """
    width = pi.shape[1]
    decays, ends, right, wrong = np.empty((3, width)), np.empty(width), np.empty(width), np.empty(width)
    by_stop, by_resample = np.empty(width), np.empty(width)
    for x in range(n_answers.size):
        n, column = n_answers[x], first + x
        for y in range(n):
            ends[y] = pi[x, y] * stop[x, y]
            right[y], wrong[y] = ends[y] * paid_stop[x, y], ends[y] * (1.0 - paid_stop[x, y])
            by_stop[y], by_resample[y] = 0.0, 0.0
        for j in range(t.size):
            decay, ended, gain, loss, short = decays[j % 3], 0.0, 0.0, 0.0, 0.0
            if j >= 3 and j // 3 % 6 and t[j] == 2.0 * t[j - 3]:
                for y in range(n):
                    decay[y] *= decay[y]
            else:
                for y in range(n):
                    decay[y] = exp_nonpositive(-t[j] * tokens[x, y])
            for y in range(n):
                ended = accumulate(ended, ends[y] * decay[y])
                gain = accumulate(gain, right[y] * decay[y])
                loss = accumulate(loss, wrong[y] * decay[y])
                short = accumulate(short, pi[x, y] - pi[x, y] * decay[y])
            rest = short + ended
            plain[j, column] = ended / rest
            paid[j, column] = gain / rest
            missed[j, column] = loss / rest
            if constant is not None:
                a, b, d = constant[j, column], slope[j, column], otherwise[j, column]
                visits = rho[x] / rest
                always, success, failure = visits * a, visits * b, visits * d
                again = visits * (a * ended + b * gain + d * loss) / rest
                for y in range(n):
                    by_stop[y] += decay[y] * (always * ends[y] + success * right[y] + failure * wrong[y])
                    by_resample[y] += again * decay[y]
        if constant is not None:
            for y in range(n):
                out_stop[x, y] = by_stop[y]
                out_resample[x, y] = pi[x, y] * (1.0 - stop[x, y]) * by_resample[y]
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
    return _run(sample_prob, stop_prob, tokens, paid_stop, t, None, None, None, None, n_answers, threads)[0]


def tilted_mass(
    sample_prob: FloatArray,
    stop_prob: FloatArray,
    tokens: FloatArray,
    paid_stop: FloatArray,
    *,
    t: FloatArray,
    constant: FloatArray,
    slope: FloatArray,
    otherwise: FloatArray | None = None,
    prompt_weight: FloatArray,
    n_answers: NDArray[np.integer],
    threads: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the expected coefficient of stop and of resample at every answer, (X, Y) each; that of the answer is their sum.

    Args:
        sample_prob, stop_prob: (X, Y) probabilities of the answers and of stop. Columns from n_answers[x] on are never read.
        tokens: tokens of an answer and its decision; a table that broadcasts to (X, Y).
        paid_stop: what stopping pays; a table that broadcasts to (X, Y).
        t: (J,) exponents >= 0.
        constant, slope, otherwise: (J, X) coefficients a, b, d of each node and prompt; without the last, d = 0.
        prompt_weight, n_answers: (X,) weights, and numbers of answers.
        threads: number of threads; all available processors by default. The result does not depend on it.

    Example:
        >>> half, zero, one, two = np.full((1, 2), 0.5), np.zeros((1, 1)), np.ones((1, 1)), np.array([2])
        >>> right, rho = np.array([[1.0, 0.0]]), one[0]
        >>> stop, _ = tilted_mass(half, half, one, right, t=zero[0], constant=zero, slope=one, prompt_weight=rho, n_answers=two)
        >>> stop.tolist()  # half of the responses stop at the correct answer
        [[0.5, 0.0]]
    """
    d = np.zeros_like(slope) if otherwise is None else otherwise
    return _run(sample_prob, stop_prob, tokens, paid_stop, t, constant, slope, d, prompt_weight, n_answers, threads)[1]


def _run(
    sample_prob: FloatArray, stop_prob: FloatArray, tokens: FloatArray, paid_stop: FloatArray, t: FloatArray,
    constant: FloatArray | None, slope: FloatArray | None, otherwise: FloatArray | None, prompt_weight: FloatArray | None,
    n_answers: NDArray[np.integer], threads: int | None,
) -> tuple[tuple[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:  # fmt: skip
    pi, s = as_input(sample_prob), as_input(stop_prob)
    prompts, width = pi.shape
    lengths, payment = as_table(tokens, prompts, width, "tokens"), as_table(paid_stop, prompts, width, "paid_stop")
    nodes, rho = as_input(t), as_input(np.ones(prompts) if prompt_weight is None else prompt_weight)
    a, b, d = (None if table is None else as_input(table) for table in (constant, slope, otherwise))
    answers: NDArray[np.int64] = as_input(n_answers, np.int64)
    plain, paid, missed = (np.empty((nodes.size, prompts)) for _ in range(3))
    out_stop, out_resample = (empty(pi.shape if a is not None else (1, 1)) for _ in range(2))

    def work(start: int, stop: int) -> None:
        rows = slice(start, stop)

        def part(table: FloatArray) -> FloatArray:
            return as_input(np.broadcast_to(table[rows] if table.shape[0] > 1 else table, (stop - start, width)))

        _tilted_rows(
            pi[rows], s[rows], part(lengths), part(payment), nodes, a, b, d, rho[rows], answers[rows], start, plain, paid,
            missed, out_stop[rows] if a is not None else out_stop, out_resample[rows] if a is not None else out_resample,
        )  # fmt: skip

    over_rows(work, prompts, max(1, _SERIAL_PAIRS // width), max(1, _BLOCK_PAIRS // width), threads)
    return (plain, paid, missed), (out_stop, out_resample)

r"""Moments and mass of an effective credit that depends on a response's length, one pass over the table.

The chain is stationary, uncapped and tabular; a response has L tokens and R = 1 if its last answer is correct. The credit is a
sum of exponentials, f(R, L) = sum over j of (a_j + b_j R) exp(-t_j L), with coefficients of the prompt. For each node, with
m(y) = pi(y) exp(-t (l_s(y) + l_d(y)))::

    ends = sum_y m s,   paid = sum_y m s c,   rest = sum_y (pi - m) + ends      # 1 - P(resample), tilted
    U = ends / rest,    Z = paid / rest                                          # E[exp(-tL)], E[R exp(-tL)]
    stop(y)     += rho m s (a + b c) / rest
    resample(y) += rho m (1 - s) (a U + b Z) / rest

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
def _tilted_rows(pi, stop, tokens, paid_stop, t, constant, slope, rho, n_answers, first, plain, paid, out_stop, out_resample):  # type: ignore[no-untyped-def]
    """Fill the moments, and with coefficients the mass, of a block of prompts; its columns of (J, X) arrays begin at `first`.

    With constant None there is no mass to fill, and the compiler leaves out its arithmetic.
    """
    width = pi.shape[1]
    scratch = np.empty((3, width))
    m, stopped, resampled = scratch[0], scratch[1], scratch[2]
    for x in range(n_answers.size):
        n, column = n_answers[x], first + x
        for y in range(n):
            stopped[y] = 0.0
            resampled[y] = 0.0
        for j in range(t.size):
            ends, gain, short = 0.0, 0.0, 0.0
            for y in range(n):
                m[y] = pi[x, y] * exp_nonpositive(-t[j] * tokens[x, y])
            for y in range(n):
                e = m[y] * stop[x, y]
                ends = accumulate(ends, e)
                gain = accumulate(gain, e * paid_stop[x, y])
                short = accumulate(short, pi[x, y] - m[y])
            rest = short + ends
            plain[j, column] = ends / rest
            paid[j, column] = gain / rest
            if constant is not None:
                a, b = constant[j, column], slope[j, column]
                visits = rho[x] / rest
                again = visits * (a * ends + b * gain) / rest
                for y in range(n):
                    stopped[y] += visits * m[y] * (a + b * paid_stop[x, y])
                    resampled[y] += again * m[y]
        if constant is not None:
            for y in range(n):
                out_stop[x, y] = stopped[y] * stop[x, y]
                out_resample[x, y] = resampled[y] * (1.0 - stop[x, y])
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
) -> tuple[FloatArray, FloatArray]:
    """Return E[exp(-tL)] and E[R exp(-tL)] of each node and prompt, (J, X) each; arguments as in :func:`tilted_mass`.

    Example:
        >>> half, zero, two = np.full((1, 2), 0.5), np.zeros(1), np.array([2])
        >>> plain, paid = tilted_moments(half, half, np.ones((1, 1)), np.array([[1.0, 0.0]]), t=zero, n_answers=two)
        >>> plain.tolist(), paid.tolist()
        ([[1.0]], [[0.5]])
    """
    return _run(sample_prob, stop_prob, tokens, paid_stop, t, None, None, None, n_answers, threads)[:2]


def tilted_mass(
    sample_prob: FloatArray,
    stop_prob: FloatArray,
    tokens: FloatArray,
    paid_stop: FloatArray,
    *,
    t: FloatArray,
    constant: FloatArray,
    slope: FloatArray,
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
        constant, slope: (J, X) coefficients of each node and prompt.
        prompt_weight, n_answers: (X,) weights, and numbers of answers.
        threads: number of threads; all available processors by default. The result does not depend on it.

    Example:
        >>> half, zero, one, two = np.full((1, 2), 0.5), np.zeros((1, 1)), np.ones((1, 1)), np.array([2])
        >>> right, rho = np.array([[1.0, 0.0]]), one[0]
        >>> stop, _ = tilted_mass(half, half, one, right, t=zero[0], constant=zero, slope=one, prompt_weight=rho, n_answers=two)
        >>> stop.tolist()  # half of the responses stop at the correct answer
        [[0.5, 0.0]]
    """
    return _run(sample_prob, stop_prob, tokens, paid_stop, t, constant, slope, prompt_weight, n_answers, threads)[2:]


def _run(
    sample_prob: FloatArray, stop_prob: FloatArray, tokens: FloatArray, paid_stop: FloatArray, t: FloatArray,
    constant: FloatArray | None, slope: FloatArray | None, prompt_weight: FloatArray | None, n_answers: NDArray[np.integer],
    threads: int | None,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:  # fmt: skip
    pi, s = as_input(sample_prob), as_input(stop_prob)
    prompts, width = pi.shape
    lengths, payment = as_table(tokens, prompts, width, "tokens"), as_table(paid_stop, prompts, width, "paid_stop")
    nodes, rho = as_input(t), as_input(np.ones(prompts) if prompt_weight is None else prompt_weight)
    a, b = (None if table is None else as_input(table) for table in (constant, slope))
    answers: NDArray[np.int64] = as_input(n_answers, np.int64)
    plain, paid = np.empty((nodes.size, prompts)), np.empty((nodes.size, prompts))
    out_stop, out_resample = (empty(pi.shape if a is not None else (1, 1)) for _ in range(2))

    def work(start: int, stop: int) -> None:
        rows = slice(start, stop)

        def part(table: FloatArray) -> FloatArray:
            return as_input(np.broadcast_to(table[rows] if table.shape[0] > 1 else table, (stop - start, width)))

        _tilted_rows(
            pi[rows], s[rows], part(lengths), part(payment), nodes, a, b, rho[rows], answers[rows], start, plain, paid,
            out_stop[rows] if a is not None else out_stop, out_resample[rows] if a is not None else out_resample,
        )  # fmt: skip

    over_rows(work, prompts, max(1, _SERIAL_PAIRS // width), max(1, _BLOCK_PAIRS // width), threads)
    return plain, paid, out_stop, out_resample

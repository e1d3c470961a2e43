r"""The gradient of a reward that groups of responses are compared by, with a k3 penalty, in one pass over the table.

The chain, the nodes and their moments are those of :mod:`dstheory.kernels.tilted`, the responses the policy's own. At a node, a
success has the chance P = paid/rest and a failure Q = missed/rest, tokens weighted by exp(-tL); of the n others of a group k are
successes, so that a failure's credit is on average sum over k of f_k P^k Q^(n-k), f_k being the credit times the number of ways,
and a success's likewise. Where lengths of the others do not count, P and Q are those at t = 0.

With d = exp(-t (l_s(y) + l_d(y))) and credits B of a success, D of a failure, all tokens of a response get, up to rho pi(y)::

    stop        s S,   S = sum over nodes of w d (c B + (1 - c) D) / rest
    resample    u R,   R = sum over nodes of w d (B paid + D missed) / rest^2

The penalty has the same with credits of its own, times ref/pi - 1 of each action. With e = exp(l - l_ref) that is, of stop,
-u (e - 1)/(s + u e), and of resample s (e - 1)/(s + u e); of answers (h - mean h)/(1 + mean h), h = exp(z_ref - z) - 1, with any
number added to z. With the logarithm of ref/pi instead, less its mean, that is -u (l - l_ref), s (l - l_ref) and d - mean d,
d = z_ref - z. Masses are turned into a gradient as in :mod:`dstheory.objectives.mass`.

Source: derived here; :mod:`dstheory.objectives.group_base` has the same in NumPy, which the tests compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dstheory.kernels.jit import accumulate, decision, exp_and_expm1, exp_nonpositive, highest, inlined, kernel, larger
from dstheory.kernels.parallel import FloatArray, as_input, as_table, empty, over_rows, rows_of

_SMALLEST, _LARGEST = 1 << 13, 1 << 16  # (prompt, answer) pairs of a block
_LAST = 40.0  # nodes t beyond this over the fewest tokens do not count, as in the sum of exponentials for 1/L itself


@dataclass(frozen=True, slots=True)
class GroupedGradient:
    """The gradient, (X, Y) each, and what the prompts are like, (X,) each, without their weights.

    Attributes:
        sample, decide: with respect to the sampling logits and to the logits of stop; 0 in padding.
        right, wrong: chance of a success and of a failure.
        stop: chance that a turn is the last.
        farthest: the largest logarithm of a ratio to the reference; infinite where an action is impossible.
    """

    sample: FloatArray
    decide: FloatArray
    right: FloatArray
    wrong: FloatArray
    stop: FloatArray
    farthest: FloatArray


@inlined()
def needed(t, shortest):  # type: ignore[no-untyped-def]
    """Return how many threes of nodes count where nothing has fewer tokens: what the others of 1/L leave out is below 1e-17."""
    found = 1
    while 3 * found < t.size and t[3 * found] * shortest <= _LAST:
        found += 1
    return found


@kernel
def _grouped_rows(  # type: ignore[no-untyped-def]
    z, l, z_ref, l_ref, correct, tokens, rho, n_answers, t, doubles, weights, tilts, credits_, beta, by_log, first, grad_z,
    grad_l, summary,
):  # fmt: skip
    """Fill the gradient of a block of prompts, whose numbers begin at `first` of `summary`; no reference: z_ref is None.

    Nodes come in threes, answers in blocks of 64, a number that the compiler knows: it then sees that tables do not overlap.
    """
    width, others, blocks = z.shape[1], credits_.shape[1] - 1, (z.shape[1] + 63) // 64
    scratch, of_nodes = np.empty((7, width)), np.empty((6, t.size))
    pi, stops, resamples, excess, apart, right, wrong = (
        scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5], scratch[6],
    )  # fmt: skip
    gain, loss, rest, p, q, power = of_nodes[0], of_nodes[1], of_nodes[2], of_nodes[3], of_nodes[4], of_nodes[5]
    decays, roots, sums = np.empty(blocks * t.size * 64), np.empty(192), np.empty(blocks * 384)
    f, goes_on = np.empty((credits_.shape[0], t.size)), np.empty((credits_.shape[0] // 2, t.size))
    for x in range(n_answers.size):
        n, record = n_answers[x], first + x
        i_c = x if correct.shape[0] > 1 else 0
        i_t = x if tokens.shape[0] > 1 else 0
        top, farthest, total = highest(z, x, n), 0.0, 0.0
        for y in range(n):
            pi[y] = exp_nonpositive(z[x, y] - top)
            total = accumulate(total, pi[y])
        scale, best = 1.0 / total, 0
        for y in range(n):
            if z[x, y] == top:
                best = y
                break
        at_right, at_wrong = 0.0, 0.0
        for y in range(n):
            s, resamples[y], _, _ = decision(l[x, y])
            pi[y] *= scale
            stops[y] = s
            right[y], wrong[y] = pi[y] * s * correct[i_c, y], pi[y] * s * (1.0 - correct[i_c, y])
            at_right = accumulate(at_right, right[y])
            at_wrong = accumulate(at_wrong, wrong[y])
        at_stop = at_right + at_wrong
        if z_ref is not None:
            shift, mean, sum_e = z_ref[x, best] - z[x, best], 0.0, 0.0
            if by_log:
                sum_e = 1.0
                for y in range(n):
                    away, aside = (z_ref[x, y] - z[x, y]) - shift, l[x, y] - l_ref[x, y]
                    farthest = larger(larger(abs(away), abs(aside)), farthest)
                    excess[y], apart[y] = away, aside
                    mean = accumulate(mean, pi[y] * away)
            else:
                for y in range(n):
                    away, aside = (z_ref[x, y] - z[x, y]) - shift, l[x, y] - l_ref[x, y]
                    farthest = larger(larger(abs(away), abs(aside)), farthest)
                    e, h = exp_and_expm1(away)
                    excess[y] = h
                    mean = accumulate(mean, pi[y] * h)
                    sum_e = accumulate(sum_e, pi[y] * e)
                    e, h = exp_and_expm1(aside)
                    apart[y] = h / (stops[y] + resamples[y] * e)
            for y in range(n):
                excess[y] = (excess[y] - mean) / sum_e
                farthest = larger(0.0 if pi[y] * stops[y] * resamples[y] > 0.0 else np.inf, farthest)

        shortest = np.inf
        for y in range(n):
            shortest = min(shortest, tokens[i_t, y])
        threes = needed(t, shortest * (others + 1) if tilts else shortest)
        nodes = 3 * threes
        gain[:], loss[:], rest[:] = 0.0, 0.0, 0.0
        for block in range((n + 63) // 64):
            start = 64 * block
            m = min(64, n - start)
            pi_, right_, wrong_, tokens_ = pi[start:], right[start:], wrong[start:], tokens[i_t, start:]
            for i in range(threes):
                at = 192 * (block * threes + i)
                decay = decays[at : at + 192]
                before = decays[at - 192 : at] if doubles[i] else roots
                if not doubles[i]:
                    for k in range(3):
                        node, of = 0.5 * t[3 * i + k], roots[64 * k : 64 * k + 64]
                        for y in range(m):
                            of[y] = exp_nonpositive(-node * tokens_[y])
                gain_0, gain_1, gain_2, loss_0, loss_1, loss_2, short_0, short_1, short_2 = (0.0,) * 9
                for y in range(m):
                    b_0, b_1, b_2 = before[y], before[64 + y], before[128 + y]
                    d_0, d_1, d_2 = b_0 * b_0, b_1 * b_1, b_2 * b_2
                    decay[y], decay[64 + y], decay[128 + y] = d_0, d_1, d_2
                    gain_0 = accumulate(gain_0, right_[y] * d_0)
                    gain_1 = accumulate(gain_1, right_[y] * d_1)
                    gain_2 = accumulate(gain_2, right_[y] * d_2)
                    loss_0 = accumulate(loss_0, wrong_[y] * d_0)
                    loss_1 = accumulate(loss_1, wrong_[y] * d_1)
                    loss_2 = accumulate(loss_2, wrong_[y] * d_2)
                    short_0 = accumulate(short_0, pi_[y] - pi_[y] * d_0)
                    short_1 = accumulate(short_1, pi_[y] - pi_[y] * d_1)
                    short_2 = accumulate(short_2, pi_[y] - pi_[y] * d_2)
                j = 3 * i
                gain[j], gain[j + 1], gain[j + 2] = gain[j] + gain_0, gain[j + 1] + gain_1, gain[j + 2] + gain_2
                loss[j], loss[j + 1], loss[j + 2] = loss[j] + loss_0, loss[j + 1] + loss_1, loss[j + 2] + loss_2
                rest[j], rest[j + 1], rest[j + 2] = rest[j] + short_0, rest[j + 1] + short_1, rest[j + 2] + short_2
        for j in range(nodes):
            rest[j] += gain[j] + loss[j]
            p[j] = gain[j] / rest[j] if tilts else at_right / at_stop
            q[j], power[j] = loss[j] / rest[j] if tilts else at_wrong / at_stop, 1.0
        asked = nodes if tilts else 1  # what does not depend on the node is computed once
        for i in range(credits_.shape[0]):
            for j in range(asked):
                f[i, j] = credits_[i, others]
        for k in range(others - 1, -1, -1):
            for j in range(asked):
                power[j] *= q[j]
            for i in range(credits_.shape[0]):
                of, ways = f[i], credits_[i, k]
                for j in range(asked):
                    of[j] = of[j] * p[j] + ways * power[j]
        for i in range(credits_.shape[0]):
            for j in range(asked, nodes):
                f[i, j] = f[i, 0]
        for i in range(goes_on.shape[0]):
            failure, success, ahead = f[2 * i], f[2 * i + 1], goes_on[i]
            for j in range(nodes):
                each = rho[x] * weights[j] / rest[j]
                failure[j], success[j] = failure[j] * each, success[j] * each
                ahead[j] = (success[j] * gain[j] + failure[j] * loss[j]) / rest[j]

        total = 0.0
        for block in range((n + 63) // 64):
            start = 64 * block
            m = min(64, n - start)
            total_of = sums[384 * block : 384 * block + 384]
            total_of[:] = 0.0
            for i in range(threes):
                at, j = 192 * (block * threes + i), 3 * i
                decay = decays[at : at + 192]
                for k in range(goes_on.shape[0]):
                    of = total_of[192 * k : 192 * k + 192]
                    b_0, b_1, b_2 = f[2 * k + 1, j], f[2 * k + 1, j + 1], f[2 * k + 1, j + 2]
                    c_0, c_1, c_2 = f[2 * k, j], f[2 * k, j + 1], f[2 * k, j + 2]
                    r_0, r_1, r_2 = goes_on[k, j], goes_on[k, j + 1], goes_on[k, j + 2]
                    for y in range(m):
                        d_0, d_1, d_2 = decay[y], decay[64 + y], decay[128 + y]
                        of[y] += d_0 * b_0 + d_1 * b_1 + d_2 * b_2
                        of[64 + y] += d_0 * c_0 + d_1 * c_1 + d_2 * c_2
                        of[128 + y] += d_0 * r_0 + d_1 * r_1 + d_2 * r_2
            for y in range(m):
                at = start + y
                c, s, u = correct[i_c, at], stops[at], resamples[at]
                stop, resample = c * total_of[y] + (1.0 - c) * total_of[64 + y], total_of[128 + y]
                mass, decide = s * stop + u * resample, stop - resample
                if z_ref is not None:
                    stop, resample = c * total_of[192 + y] + (1.0 - c) * total_of[256 + y], total_of[320 + y]
                    mass += beta * excess[at] * (s * stop + u * resample)
                    decide -= beta * apart[at] * (u * stop + s * resample)
                grad_z[x, at], grad_l[x, at] = pi[at] * mass, pi[at] * s * u * decide
                total = accumulate(total, pi[at] * mass)
        but_best = 0.0
        for y in range(n):
            grad_z[x, y] -= pi[y] * total
            but_best = accumulate(but_best, grad_z[x, y])
        grad_z[x, best] -= but_best  # a row sums to 0: of the likeliest answer 1 - pi may leave no digit
        for y in range(n, width):
            grad_z[x, y], grad_l[x, y] = 0.0, 0.0
        summary[0, record], summary[1, record] = at_right / at_stop, at_wrong / at_stop
        summary[2, record], summary[3, record] = at_stop, farthest


def grouped_gradient(
    logits: tuple[FloatArray, FloatArray],
    reference: tuple[FloatArray, FloatArray] | None,
    correct: FloatArray,
    tokens: FloatArray,
    *,
    t: FloatArray,
    weights: FloatArray,
    tilts: bool,
    credits: FloatArray,
    beta: float,
    by_log: bool = False,
    prompt_weight: FloatArray,
    n_answers: NDArray[np.integer[Any]],
) -> GroupedGradient:
    """Return the gradient (see the module); numbers that are not finite say that a prompt has none.

    Args:
        logits: (X, Y) logits of the answers and of stop.
        reference: those of the penalty's reference, or None for no penalty.
        correct: what a submitted answer is paid, 0 or 1; a table that broadcasts to (X, Y).
        tokens: of an answer and its decision, likewise.
        t, weights: (J,) nodes, and what each weighs.
        tilts: whether the tokens of the others count.
        credits: (2 or 4, G) of a failure and of a success, given 0, 1, ... successes among the others, times the number of ways;
            and the same for the penalty.
        beta: strength of the penalty.
        by_log: whether it is by log(ref/pi) instead of ref/pi - 1; its two credits must then be 1.
        prompt_weight, n_answers: (X,) of each prompt.

    Example:
        >>> zero, one, two = np.zeros((1, 2)), np.ones((1, 1)), np.array([2])
        >>> found = grouped_gradient((zero, zero), None, np.array([[1.0, 0.0]]), one, t=np.zeros(1), weights=np.ones(1),
        ...     tilts=False, credits=np.array([[0.0, -1.0], [1.0, 0.0]]), beta=0.0, prompt_weight=one[0], n_answers=two)
        >>> found.decide.tolist()  # reward less that of one other
        [[0.125, -0.125]]
    """
    z, l = map(as_input, logits)
    z_ref, l_ref = (None, None) if reference is None else map(as_input, reference)
    prompts, width = z.shape
    paid, lengths = as_table(correct, prompts, width, "correct"), as_table(tokens, prompts, width, "tokens")
    threes = -(-len(t) // 3)
    more = 3 * threes - len(t)  # nodes that weigh nothing
    nodes, each = as_input(np.pad(t, (0, more), mode="edge")), as_input(np.pad(weights, (0, more)))
    # Exponentials of nodes twice as large are squares, four times at most of computed roots.
    doubles, at = np.zeros(threes, dtype=np.bool_), nodes.reshape(threes, 3)
    doubles[1:] = (at[1:] == 2.0 * at[:-1]).all(axis=1) & (np.arange(1, threes) % 4 != 0)
    squared: NDArray[np.bool_] = as_input(doubles, np.bool_)
    ways = as_input(credits)
    rho, answers = as_input(prompt_weight), as_input(n_answers, np.int64)
    sample, decide, summary = empty(z.shape), empty(z.shape), np.empty((4, prompts))

    def work(start: int, stop: int) -> None:
        rows = slice(start, stop)
        _grouped_rows(
            z[rows], l[rows], None if z_ref is None else z_ref[rows], None if l_ref is None else l_ref[rows],
            rows_of(paid, rows, width), rows_of(lengths, rows, width), rho[rows], answers[rows], nodes, squared, each,
            tilts, ways, float(beta), bool(by_log), start, sample[rows], decide[rows], summary,
        )  # fmt: skip

    over_rows(work, prompts, max(1, _SMALLEST // width), max(1, _LARGEST // width))
    return GroupedGradient(sample, decide, *summary)

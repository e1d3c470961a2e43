r"""Value and exact gradient of reward + direct reverse KL, one pass over the table.

The chain is stationary, uncapped and tabular. For a prompt with answer probabilities pi = softmax(z) and stop
probabilities s = sigmoid(l), discount g_w between an answer and its decision and g_b between turns::

    stop = sum_y pi_y s_y                        probability that a turn is the last one
    N    = 1 / ((1 - g_w g_b) + g_w g_b stop)    expected discounted number of turns; nothing cancels near g = 1
    M    = 1 / stop                              expected number of turns
    V    = g_w N sum_y pi_y (s_y R_stop + (1 - s_y) R_res)
    Q(y) = g_w (s_y R_stop + (1 - s_y) (R_res + g_b V))

    dV/dz_y = N pi_y (Q(y) - V)
    dV/dl_y = N g_w pi_y s_y (1 - s_y) (R_stop - R_res - g_b V)

With r_y = s_y R_stop + (1 - s_y) R_res, the Bellman equation turns the first difference into a form in which two large
values no longer cancel when nearly every turn is followed by another one::

    Q(y) - V = g_w (r_y - sum_y' pi_y' r_y') + g_w g_b V (stop - s_y)

The penalty's direct term treats visits as constants and gives each log-probability the coefficient
-beta w log(pi/ref) of its own stage; with c_y = -beta w_s(y) log(pi_y/ref_y) and visits M::

    M pi_y (c_y - sum_y' pi_y' c_y')                       with respect to z_y
    -beta M pi_y s_y (1 - s_y) w_d(y) (l_y - l_ref(y))     with respect to l_y

Both are a probability times a score, A_y for z_y (without pi_y) and C_y for l_y (without pi_y s_y (1 - s_y)). What they come to
by the Fisher information of their stage, M pi_y and M pi_y s_y (1 - s_y), needs no division by a rare probability::

    sum_y pi_y A_y^2 / M    and    sum_y pi_y s_y (1 - s_y) C_y^2 / M

Of an answer likelier than all others dV/dz is minus the sum of theirs, as its own difference may have no digit left. The sizes
of the terms that entries are differences of, added up, say how much rounding may have left of a row.

The sums that a row needs come out of one loop over its answers, the gradient out of a second one that finds the row in
the first-level cache. Nothing of the size of the table is allocated beside the results. Logits of any size are legal:
probabilities underflow to 0 and their gradients with them; infinite ones (probabilities of exactly 0 or 1) likewise.
`benchmarks/reference.py` has the same function in NumPy, which the tests compare with.

References: arXiv 2601.01580 for the chain; gradients derived here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dstheory.kernels.jit import accumulate, decision, exp_nonpositive, highest, kernel, larger, log1p_ratio
from dstheory.kernels.parallel import FloatArray, as_input, as_table, empty, over_rows, rows_of

_SERIAL_PAIRS = 65_536  # below this, starting threads costs more than the second one saves
_BLOCK_PAIRS = 262_144  # a column that must be repeated into a table is repeated for one block at a time

PROPER: Final = 0
IMPROPER: Final = 1
INFINITE_DIVERGENCE: Final = 2

_NEAR = 1e-3  # logarithms of ratios up to which four terms of their exponentials are enough
_DOUBTFUL = 1e-3  # of a bound on the terms of a row, below which they are added up one by one


@dataclass(frozen=True, slots=True)
class RewardKLGradient:
    """Value and gradient of reward - beta x direct reverse KL, per prompt (X prompts, Y answers).

    Attributes:
        sample, decide: (X, Y) gradient with respect to the sampling logits and to the logits of stop, prompt weight included;
            0 in padding.
        value: (X,) discounted value V of the reward alone.
        turns, discounted_turns: (X,) expected number of turns M (inf if the chain never stops) and its discounted version N.
        stop_reward: (X,) undiscounted expected reward paid at stop, M sum pi s R_stop: the accuracy, when that reward is 0/1.
        divergence: (X,) visits x sum pi (w_s log(pi/ref) + w_d KL(d || d_ref)), without beta and prompt weight; 0 without a
            penalty. The objective is sum_x prompt_weight (value - beta divergence).
        status: (X,) PROPER, IMPROPER (the visits that the gradient needs are infinite) or INFINITE_DIVERGENCE (the policy has
            mass where the reference has none). Rows that are not PROPER hold no usable numbers.
        left: (X,) the entries of a row of the gradient over the terms of the reward that they are differences of, both added up,
            for the stage at which that is less; 1 where it is no small number. Units of rounding over this are a row's relative
            error. None from other code.
        sums: None unless asked for; else (4, X): a row's Fisher energy of sampling and of decisions by its prompt's share of all
            visits, and the squares of its gradient summed up, likewise. They may leave the range of numbers where the gradient
            does not.
    """

    sample: NDArray[np.float64]
    decide: NDArray[np.float64]
    value: NDArray[np.float64]
    turns: NDArray[np.float64]
    discounted_turns: NDArray[np.float64]
    stop_reward: NDArray[np.float64]
    divergence: NDArray[np.float64]
    status: NDArray[np.int8]
    left: NDArray[np.float64] | None = None
    sums: NDArray[np.float64] | None = None


@kernel
def _gradient_rows(  # type: ignore[no-untyped-def]
    z, l, z_ref, l_ref, r_stop, r_resample, w_s, w_d, rho, n_answers,
    gamma_within, gamma_between, beta, first, grad_z, grad_l, summary, status, sums,
):  # fmt: skip
    """Fill the gradient of a block of prompts, whose per-prompt results begin at `first` of `summary`, `status` and `sums`.

    Rewards and stage weights have a row per prompt or one row for all. Without a penalty, z_ref is None, and
    the compiler leaves out its arithmetic; likewise that of sums.

    The loops are short on purpose: each keeps few streams open, and few enough numbers for the processor's registers.
    """
    width = z.shape[1]
    scratch = np.empty((6, width))
    mass, stops, resamples, rarer, tail, log_ratio = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]
    discount = gamma_within * gamma_between
    for x in range(n_answers.size):
        n, record = n_answers[x], first + x
        i_stop = x if r_stop.shape[0] > 1 else 0
        i_res = x if r_resample.shape[0] > 1 else 0

        # Sampling stage. Sums are weighted by e^(z - max z), to be divided by their total below.
        z_max = highest(z, x, n)
        total, total_ref, total_weight, total_ratio = 0.0, 0.0, 0.0, 0.0
        if z_ref is None:
            for y in range(n):
                mass[y] = exp_nonpositive(z[x, y] - z_max)
                total = accumulate(total, mass[y])
        else:
            i_s = x if w_s.shape[0] > 1 else 0
            i_d = x if w_d.shape[0] > 1 else 0
            z_ref_max = highest(z_ref, x, n)
            for y in range(n):
                e, e_ref = exp_nonpositive(z[x, y] - z_max), exp_nonpositive(z_ref[x, y] - z_ref_max)
                # Of logits that are nearly alike the difference is exact; of their distances from the largest it is not.
                ratio = (z[x, y] - z_ref[x, y]) - (z_max - z_ref_max) if e > 0.0 else 0.0
                mass[y] = e
                log_ratio[y] = ratio
                total = accumulate(total, e)
                total_ref = accumulate(total_ref, e_ref)
                total_weight = accumulate(total_weight, e * w_s[i_s, y])
                total_ratio = accumulate(total_ratio, e * w_s[i_s, y] * ratio)

        # Decision stage; both probabilities keep their relative accuracy, however rare.
        total_stop, total_accepted, total_payoff, total_size, total_decision = 0.0, 0.0, 0.0, 0.0, 0.0
        for y in range(n):
            s, u, rarer[y], tail[y] = decision(l[x, y])
            stops[y], resamples[y] = s, u
            stopped = mass[y] * s
            total_stop = accumulate(total_stop, stopped)
            accept, retry = r_stop[i_stop, y], r_resample[i_res, y]
            total_accepted = accumulate(total_accepted, stopped * accept)
            total_payoff = accumulate(total_payoff, mass[y] * (s * accept + u * retry))
            total_size = accumulate(total_size, mass[y] * (s * abs(accept) + u * abs(retry)))
        if z_ref is not None:
            for y in range(n):
                # KL of the two decisions, told from the side of the rarer one (logit -|l|): no large terms that cancel.
                m_ref = l_ref[x, y] if l[x, y] < 0.0 else -l_ref[x, y]
                t_ref = exp_nonpositive(-abs(m_ref))
                rare_part = rarer[y] * (-abs(l[x, y]) - m_ref)
                rare_part = rare_part if rarer[y] > 0.0 else 0.0
                divergence = rare_part + (larger(m_ref, 0.0) + log1p_ratio(t_ref, tail[y]))
                total_decision = accumulate(total_decision, mass[y] * w_d[i_d, y] * divergence)

        scale = 1.0 / total
        p_stop = total_stop * scale
        payoff = total_payoff * scale
        turns = 1.0 / p_stop
        discounted_turns = 1.0 / ((1.0 - discount) + discount * p_stop)
        value = gamma_within * payoff * discounted_turns
        summary[0, record] = value
        summary[1, record] = turns
        summary[2, record] = discounted_turns
        summary[3, record] = total_accepted / total_stop if total_stop > 0.0 else 0.0
        summary[4, record] = 0.0
        status[record] = PROPER if discounted_turns < np.inf else IMPROPER

        # Visits multiply a probability before they meet a value: the product of the two stays in range, however rare a stop.
        by_reward = rho[x] * discounted_turns
        continued, repeated = gamma_between * value, discount * value
        if z_ref is not None:
            by_penalty = rho[x] * turns * beta
            log_partition_ratio = math.log(total / total_ref)
            if total_ratio != 0.0 and abs(log_partition_ratio) < _NEAR:
                # Of policies that are alike, one over the ratio of partition functions is 1 + sum pi (e^-ratio - 1).
                furthest, apart = 0.0, 0.0
                for y in range(n):
                    r = log_ratio[y]
                    furthest = larger(abs(r), furthest)
                    apart = accumulate(apart, mass[y] * (r * (r * (r * (r / 24.0 - 1.0 / 6.0) + 0.5) - 1.0)))
                if furthest < _NEAR:
                    log_partition_ratio = -math.log1p(apart * scale)
            mean_ratio = (total_ratio - log_partition_ratio * total_weight) * scale
            summary[4, record] = turns * (mean_ratio + total_decision * scale)
            if not turns < np.inf:
                status[record] = IMPROPER
            elif not abs(summary[4, record]) < np.inf:
                status[record] = INFINITE_DIVERGENCE
        rows_z, rows_l = 0.0, 0.0
        energy_z, energy_l, square_z, square_l = 0.0, 0.0, 0.0, 0.0
        for y in range(n):
            s, u, pi = stops[y], resamples[y], mass[y] * scale
            accept, retry = r_stop[i_stop, y], r_resample[i_res, y]
            advantage = gamma_within * ((s * accept + u * retry) - payoff) + repeated * (p_stop - s)
            margin = gamma_within * (accept - retry - continued)
            by_z, by_l = (pi * by_reward) * advantage, (pi * s * by_reward) * (u * margin)
            rows_z, rows_l = accumulate(rows_z, abs(by_z)), accumulate(rows_l, abs(by_l))
            if z_ref is not None:
                excess = w_s[i_s, y] * (log_ratio[y] - log_partition_ratio) - mean_ratio
                drift = w_d[i_d, y] * (l[x, y] - l_ref[x, y])
                drift = drift if rarer[y] > 0.0 else 0.0
                by_z -= (pi * by_penalty) * excess
                by_l -= (pi * s * by_penalty) * (u * drift)
            grad_z[x, y], grad_l[x, y] = by_z, by_l
            if sums is not None:
                score_z, score_l = by_reward * advantage, by_reward * margin
                if z_ref is not None:
                    score_z -= by_penalty * excess
                    score_l -= by_penalty * drift
                energy_z = accumulate(energy_z, pi * (score_z * score_z))
                energy_l = accumulate(energy_l, (pi * s * u) * (score_l * score_l))
                square_z = accumulate(square_z, by_z * by_z)
                square_l = accumulate(square_l, by_l * by_l)
        # A value is as large as the payoffs it is made of; neither stage's terms are larger than this, all added up.
        of_payoff = total_size * scale
        of_value, unit = discount * of_payoff * discounted_turns, by_reward * gamma_within
        left, most = 1.0, 2.0 * unit * (of_payoff + of_value * p_stop)
        if scale > 0.5 or rows_z < _DOUBTFUL * most or rows_l < _DOUBTFUL * most:
            others, rows_z, rows_l, size_z, size_l = 0.0, 0.0, 0.0, 0.0, 0.0
            for y in range(n):
                s, pi, paid = stops[y], mass[y] * scale, abs(r_stop[i_stop, y]) + abs(r_resample[i_res, y])
                size_l = accumulate(size_l, (pi * s * resamples[y]) * (paid + of_value))
                rows_l = accumulate(rows_l, abs(grad_l[x, y]))
                if pi <= 0.5:  # not of an answer that is likelier than all others
                    others, rows_z = accumulate(others, grad_z[x, y]), accumulate(rows_z, abs(grad_z[x, y]))
                    size_z = accumulate(size_z, pi * (paid + of_payoff + of_value * (p_stop + s)))
            for y in range(n):
                if mass[y] * scale > 0.5:
                    grad_z[x, y] = -others
            left_z = rows_z / (unit * size_z) if unit * size_z > 0.0 else 1.0
            left_l = rows_l / (unit * size_l) if unit * size_l > 0.0 else 1.0
            left = min(left_z, left_l)
        summary[5, record] = left
        if sums is not None:
            occupancy = rho[x] * turns
            sums[0, record] = energy_z / occupancy if energy_z != 0.0 else 0.0
            sums[1, record] = energy_l / occupancy if energy_l != 0.0 else 0.0
            sums[2, record], sums[3, record] = square_z, square_l
        for y in range(n, width):
            grad_z[x, y] = 0.0
            grad_l[x, y] = 0.0


def reward_kl_gradient(
    sample_logits: ArrayLike,
    stop_logits: ArrayLike,
    reward_stop: ArrayLike,
    reward_resample: ArrayLike,
    *,
    ref_sample_logits: ArrayLike | None = None,
    ref_stop_logits: ArrayLike | None = None,
    beta: float = 0.0,
    sample_weight: ArrayLike = 1.0,
    decision_weight: ArrayLike = 1.0,
    prompt_weight: ArrayLike | None = None,
    n_answers: ArrayLike | None = None,
    gamma_within: float = 1.0,
    gamma_between: float = 1.0,
    out: tuple[FloatArray, FloatArray] | None = None,
    sums: bool = False,
    threads: int | None = None,
) -> RewardKLGradient:
    r"""Return value and exact gradient of sum_x rho(x) (V(x) - beta KL(x)), the KL's direct term (see the module).

    Args:
        sample_logits, stop_logits: (X, Y) logits of the answers and of stop. Columns from n_answers[x] on are padding and are
            never read.
        reward_stop, reward_resample: mean rewards; a number or a table that broadcasts to (X, Y). Nothing is materialised.
        ref_sample_logits, ref_stop_logits: (X, Y) logits of the penalty's reference.
        beta: weight of the penalty; with 0 the reference is not looked at.
        sample_weight, decision_weight: stage weights w_s and w_d of the penalty; a number or a table that broadcasts to (X, Y).
        prompt_weight: (X,) weights rho; 1/X each by default.
        n_answers: (X,) number of answers of each prompt; Y by default.
        gamma_within, gamma_between: discount between an answer and its decision, and between turns.
        out: two (X, Y) float64 arrays to be filled with the gradient, instead of new ones.
        sums: whether Fisher energies and squares are added up, too.
        threads: number of threads; all available processors by default. The result does not depend on it.

    Returns:
        Gradients, per-prompt values and a status per prompt: the caller decides what an improper prompt means.

    Raises:
        ValueError: shapes do not fit together, or beta is not 0 and there is no reference.

    Example:
        >>> import numpy as np
        >>> p, a, b = 0.55, 0.8, 0.3  # P(correct), P(stop | correct), P(resample | wrong)
        >>> logit = lambda x: np.log(x / (1 - x))
        >>> result = reward_kl_gradient([[logit(p), 0.0]], [[logit(a), -logit(b)]], [[1.0, 0.0]], 0.0)
        >>> float(result.value[0].round(6)), round(p * a / (1 - (p * (1 - a) + (1 - p) * b)), 6)
        (0.582781, 0.582781)
    """
    z = as_input(sample_logits)
    if z.ndim != 2:
        raise ValueError(f"sample_logits has shape {z.shape}: it must be a table of prompts by answers")
    prompts, width = z.shape
    l = _same_shape(stop_logits, z, "stop_logits")
    if (ref_sample_logits is None) != (ref_stop_logits is None):
        raise ValueError("a reference needs both ref_sample_logits and ref_stop_logits")
    if ref_sample_logits is None and beta != 0.0:
        raise ValueError(f"beta is {beta}: a penalty needs a reference policy")
    z_ref, l_ref = None, None
    if ref_sample_logits is not None and ref_stop_logits is not None and beta != 0.0:
        z_ref = _same_shape(ref_sample_logits, z, "ref_sample_logits")
        l_ref = _same_shape(ref_stop_logits, z, "ref_stop_logits")
    named = {"reward_stop": reward_stop, "reward_resample": reward_resample, "sample_weight": sample_weight,
             "decision_weight": decision_weight}  # fmt: skip
    tables = [as_table(table, prompts, width, name) for name, table in named.items()]
    rho = as_input(np.full(prompts, 1.0 / max(prompts, 1)) if prompt_weight is None else prompt_weight)
    answers: NDArray[np.int64] = as_input(np.full(prompts, width) if n_answers is None else n_answers, np.int64)
    if rho.shape != (prompts,) or answers.shape != (prompts,):
        raise ValueError(f"prompt_weight {rho.shape} and n_answers {answers.shape} must have one entry per prompt ({prompts})")
    if prompts and not (answers.min() >= 1 and answers.max() <= width):
        raise ValueError(f"n_answers must lie between 1 and the width of the table ({width})")
    grad_sample, grad_stop = (empty(z.shape), empty(z.shape)) if out is None else out
    for result in (grad_sample, grad_stop):
        if result.shape != z.shape or result.dtype != z.dtype or not result.flags.carray:
            raise ValueError(f"out must be two contiguous, writable float64 arrays of shape {z.shape}")
    summary = np.empty((6, prompts))
    status = np.empty(prompts, dtype=np.int8)
    added = np.empty((4, prompts)) if sums else None

    def work(start: int, stop: int) -> None:
        rows = slice(start, stop)
        _gradient_rows(
            z[rows], l[rows],
            None if z_ref is None else z_ref[rows], None if l_ref is None else l_ref[rows],
            *(rows_of(table, rows, width) for table in tables), rho[rows], answers[rows],
            float(gamma_within), float(gamma_between), float(beta),
            start, grad_sample[rows], grad_stop[rows], summary, status, added,
        )  # fmt: skip

    over_rows(work, prompts, _SERIAL_PAIRS // (2 * width), _BLOCK_PAIRS // width, 1 if z.size <= _SERIAL_PAIRS else threads)
    value, turns, discounted_turns, stop_reward, divergence, left = summary
    return RewardKLGradient(
        grad_sample, grad_stop, value, turns, discounted_turns, stop_reward, divergence, status, left, added
    )  # fmt: skip


def _same_shape(values: ArrayLike, model: FloatArray, name: str) -> FloatArray:
    """Return `values` as a kernel input of the shape of `model`; raise ValueError if it has another."""
    array = as_input(values)
    if array.shape != model.shape:
        raise ValueError(f"{name} has shape {array.shape} and sample_logits {model.shape}: they must agree")
    return array

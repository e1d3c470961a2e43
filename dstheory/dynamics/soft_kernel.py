"""`soft_bellman.solve_columns`, compiled: row by row instead of column by column, for tables of millions of answers.

The same equations, start, steps, bracket and rounding as there, and what this file is tested against; read that one first.
What a row needs stays in the first-level cache from its first step to its last. Rows that do not converge here are left to
`soft_bellman.solve_columns`: those in which rounding matters, where f falls slowly or n needs more digits than one number has,
and those without an optimum, which for answers of unequal weight takes an equation of its own to tell.
"""

from __future__ import annotations

import math

import numpy as np

from dstheory.dynamics.soft_bellman import ACCURACY, NEVER, SETTLED, SMALL, STEEP
from dstheory.kernels.jit import accumulate, exp_nonpositive, inlined, kernel, larger, log1p_unit


@inlined()
def _expm1_small(x: float) -> float:
    """Return e^x - 1 for |x| <= 1/16, by Taylor's series up to the tenth power."""
    tail = 1.0 + x * (1.0 / 7.0) * (1.0 + x * (1.0 / 8.0) * (1.0 + x * (1.0 / 9.0) * (1.0 + x * (1.0 / 10.0))))
    tail = 1.0 + x * (1.0 / 4.0) * (1.0 + x * (1.0 / 5.0) * (1.0 + x * (1.0 / 6.0) * tail))
    return x * (1.0 + x * (1.0 / 2.0) * (1.0 + x * (1.0 / 3.0) * tail))


@kernel
def _refer(z, l, decided, log_ref, ref, logit, log_s, log_u, s, u):  # type: ignore[no-untyped-def]
    """Fill the reference's (log-)probabilities; where nothing is decided, stopping is certain."""
    top, total = -np.inf, 0.0
    for y in range(z.size):
        top = larger(z[y], top)
    for y in range(z.size):
        total = accumulate(total, exp_nonpositive(z[y] - top))
    log_total = math.log(total)
    for y in range(z.size):
        log_ref[y] = (z[y] - top) - log_total
        ref[y] = exp_nonpositive(log_ref[y])
        logit[y] = l[y] if decided else np.inf
        tail = exp_nonpositive(-abs(logit[y]))
        soft, likely = log1p_unit(tail), 1.0 / (1.0 + tail)
        log_s[y] = larger(min(logit[y], 0.0) - soft, NEVER)
        log_u[y] = larger(min(-logit[y], 0.0) - soft, NEVER)
        s[y] = likely if logit[y] >= 0.0 else tail * likely
        u[y] = tail * likely if logit[y] >= 0.0 else likely


@kernel
def _heat(temperatures, log_ref, ref, tau, excess):  # type: ignore[no-untyped-def]
    """Fill temperatures and their excess over the mean; return the mean, the spread, and whether there are several."""
    low, high, mean, spread = np.inf, -np.inf, 0.0, 0.0
    for y in range(tau.size):
        if log_ref[y] > -np.inf:
            low, high = min(temperatures[y], low), max(temperatures[y], high)
            mean += ref[y] * temperatures[y]
    mean = min(max(mean, low), high)
    for y in range(tau.size):
        tau[y] = temperatures[y] if log_ref[y] > -np.inf else mean
        excess[y] = tau[y] - mean
        spread += ref[y] * abs(excess[y])
    return mean, spread, low < high


@kernel
def _decide(v, turn, reference, advantage, stop):  # type: ignore[no-untyped-def]
    """Fill the soft advantages and the optimal P(stop)."""
    gw, gb, rest, after, accept, retry, tau_d = turn
    logits, log_s, log_u, s, u = reference
    for y in range(advantage.size):
        again = retry[y] + after
        to_stop, to_resample = gw * accept[y] - v, gw * again - rest * v
        shift = (accept[y] - again - gb * v) / tau_d[y]
        logit, size, tau = logits[y] + shift, abs(shift), gw * tau_d[y]
        rarer = exp_nonpositive(-abs(logit))
        far = larger(to_stop + tau * log_s[y], to_resample + tau * log_u[y]) + tau * log1p_unit(rarer)
        worse = u[y] if shift >= 0.0 else s[y]
        lost = -worse * _expm1_small(-min(size, SMALL))
        near = larger(to_stop, to_resample) - tau * log1p_unit(lost / (1.0 - lost))
        advantage[y] = near if size < SMALL else far
        likely = 1.0 / (1.0 + rarer)
        stop[y] = likely if logit >= 0.0 else rarer * likely


@kernel
def _normalise(log_ref, ref, ratio, weight):  # type: ignore[no-untyped-def]
    """Fill the normalised weights ref e^ratio and return the logarithm of their total."""
    top, total, surplus = -np.inf, 0.0, 0.0
    for y in range(ratio.size):
        top = larger(log_ref[y] + ratio[y], top)
    for y in range(ratio.size):
        weight[y] = exp_nonpositive(log_ref[y] + ratio[y] - top)
        total = accumulate(total, weight[y])
    scale, log_total = 1.0 / total, top + math.log(total)
    for y in range(ratio.size):
        weight[y] *= scale
    if abs(log_total) >= SMALL:
        return log_total
    total = math.exp(log_total)
    for y in range(ratio.size):
        inner = min(max(ratio[y], -SMALL), SMALL)
        gain = ref[y] * _expm1_small(inner) if inner == ratio[y] else total * weight[y] - ref[y]
        surplus = accumulate(surplus, gain)
    return math.log1p(surplus)


@kernel
def _measure(n, rest, uneven, mean, tau, excess, log_ref, ref, advantage, stop, ratio, weight):  # type: ignore[no-untyped-def]
    """Fill ratios and weights; return payoff, upper, slope and move of `soft_bellman.Point`, and the logarithm of the total."""
    if not uneven:
        for y in range(tau.size):
            ratio[y] = advantage[y] / mean
        log_total = _normalise(log_ref, ref, ratio, weight)
        stopping = 0.0
        for y in range(tau.size):
            stopping = accumulate(stopping, weight[y] * stop[y])
        return mean * log_total, mean * log_total, rest + (1.0 - rest) * stopping, 0.0, log_total
    for y in range(tau.size):
        ratio[y] = (advantage[y] - excess[y] - n) / tau[y]
    log_total = _normalise(log_ref, ref, ratio, weight)
    slope, spent, cold, fall = 0.0, 0.0, 0.0, 0.0
    for y in range(tau.size):
        stay, chill = rest + (1.0 - rest) * stop[y], weight[y] / tau[y]
        slope = accumulate(slope, weight[y] * stay)
        spent = accumulate(spent, weight[y] * excess[y])
        cold = accumulate(cold, chill)
        fall = accumulate(fall, chill * stay)
    payoff = n + spent + log_total * (spent + mean)
    upper = n + spent * math.exp(log_total) + mean * math.expm1(log_total)
    move = (log_total - max(payoff / slope, 0.0) * fall) / cold
    return payoff, upper, slope, move, log_total


@kernel
def _without_choice(stopping, turn, reference, heat, log_ref, ref, advantage, stop, ratio, weight):  # type: ignore[no-untyped-def]
    """Return what always stopping (or resampling) earns under a good sampling policy, -inf if impossible, and the multiplier."""
    gw, _, _, after, accept, retry, tau_d = turn
    _, log_s, log_u, _, _ = reference
    uneven, mean, tau, excess = heat
    n = -np.inf
    for y in range(tau.size):
        reward = accept[y] + tau_d[y] * log_s[y] if stopping else retry[y] + after + tau_d[y] * log_u[y]
        advantage[y], stop[y] = gw * reward, 1.0
        n = max(advantage[y] - excess[y] + tau[y] * log_ref[y], n)
    n = n if uneven else 0.0
    payoff = _measure(n, 1.0, uneven, mean, tau, excess, log_ref, ref, advantage, stop, ratio, weight)[0]
    return (payoff if payoff > 1e-8 * NEVER else -np.inf), n


@kernel
def solve_rows(  # type: ignore[no-untyped-def]
    z, l, r_stop, r_resample, tau_sample, tau_decide, gammas, afters, decided, most,
    value, error, iterations, converged, log_sample, stop_logit,
):  # fmt: skip
    """Solve a turn's rows, as `soft_bellman.solve_columns` does; inputs have a row (a number) for each, or one for all.

    ``gammas`` holds gamma_within, gamma_between and 1 - their product; ``afters`` is what resampling is worth beyond its reward
    and the row's own V. The last six arguments are filled.
    """
    rows, width = log_sample.shape
    scratch = np.zeros((13, width))
    log_ref, ref, logit, log_s, log_u, s, u = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5], scratch[6]
    tau, excess, advantage, stop, ratio, weight = scratch[7], scratch[8], scratch[9], scratch[10], scratch[11], scratch[12]
    for row in range(rows):
        i_z, i_g = row if z.shape[0] > 1 else 0, row if gammas.shape[0] > 1 else 0
        i_l, i_a = row if l.shape[0] > 1 else 0, row if afters.size > 1 else 0
        i_stop, i_resample = row if r_stop.shape[0] > 1 else 0, row if r_resample.shape[0] > 1 else 0
        i_s, i_d = row if tau_sample.shape[0] > 1 else 0, row if tau_decide.shape[0] > 1 else 0
        _refer(z[i_z], l[i_l], decided, log_ref, ref, logit, log_s, log_u, s, u)
        mean, spread, uneven = _heat(tau_sample[i_s], log_ref, ref, tau, excess)
        gw, gb, rest = gammas[i_g, 0], gammas[i_g, 1], gammas[i_g, 2]
        accept, retry, after = r_stop[i_stop], r_resample[i_resample], afters[i_a]
        turn, reference = (gw, gb, rest, after, accept, retry, tau_decide[i_d]), (logit, log_s, log_u, s, u)
        heat, scale = (uneven, mean, tau, excess), 0.0
        for y in range(width):
            scale = max(abs(accept[y]), abs(retry[y] + after), scale)
        scale = scale * (gw if gw > 0.0 else 1.0) + spread

        v, n = _without_choice(True, turn, reference, heat, log_ref, ref, advantage, stop, ratio, weight)
        if decided:
            again, n_again = _without_choice(False, turn, reference, heat, log_ref, ref, advantage, stop, ratio, weight)
            forever = again / rest if rest > 0.0 else (np.inf if again >= 0.0 else -np.inf)
            n = n - v if v >= forever else n_again - rest * forever
            v = max(v, forever)
        else:
            n -= v

        steps, settled, slope = 0, False, 1.0
        if math.isfinite(v):
            while steps < most and not settled and slope >= STEEP:  # f falls more and more slowly as V rises
                _decide(v, turn, reference, advantage, stop)
                payoff, _, slope, move, log_total = _measure(
                    n, rest, uneven, mean, tau, excess, log_ref, ref, advantage, stop, ratio, weight
                )
                step, enough = payoff / slope, SETTLED * ACCURACY * (abs(v) + scale)
                if abs(move) > enough:  # while n is off, the tangent's zero may fall short of the lower bound that V already is
                    step = max(step, 0.0)
                settled = abs(step) <= enough and abs(move) <= enough
                v, n, steps = v + step, n + move, steps + 1
        finite = math.isfinite(v)
        at = v if finite else 0.0
        _decide(at, turn, reference, advantage, stop)
        payoff, _, slope, _, log_total = _measure(
            n, rest, uneven, mean, tau, excess, log_ref, ref, advantage, stop, ratio, weight
        )
        width_v = ACCURACY * (abs(at) + scale)
        for y in range(width):
            shift = (accept[y] - (retry[y] + after) - gb * at) / tau_decide[i_d, y]
            stop_logit[row, y] = l[i_l, y] + (shift if finite and decided else 0.0)
            log_sample[row, y] = log_ref[y] + (ratio[y] - log_total if finite else 0.0)
        _decide(at + width_v, turn, reference, advantage, stop)
        above = _measure(n, rest, uneven, mean, tau, excess, log_ref, ref, advantage, stop, ratio, weight)[1]
        enclosed = above <= 0.0 and payoff + slope * width_v >= 0.0
        value[row], error[row], iterations[row] = v, width_v if finite else np.inf, steps
        converged[row] = finite and settled and enclosed and slope >= STEEP

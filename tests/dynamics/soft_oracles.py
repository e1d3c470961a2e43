"""Two independent ways to the optimum of reward + KL: a scalar written out term by term, and 60 digits of bisection."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np

from dstheory import Policy, TwoStageMDP


def penalised_return(mdp: TwoStageMDP, policy: Policy, reference: Policy, beta: float, w_s, w_d) -> float:
    """Add up discounted reward minus equally discounted penalty, turn by turn, over all prompts; weights are (X, Y) tables."""
    discount = float(mdp.gamma_within) * float(mdp.gamma_between)
    total = 0.0
    for x in range(mdp.shape[0]):
        reached, k = 1.0, 0
        turn = _turn(mdp, policy, reference, beta, w_s, w_d, x, 0)
        while reached > 1e-18 and (mdp.max_turns is None or k < mdp.max_turns):
            if mdp.max_turns is not None:
                turn = _turn(mdp, policy, reference, beta, w_s, w_d, x, k)
            total += float(mdp.prompt_weight[x]) * reached * turn[0]
            reached, k = reached * discount * turn[1], k + 1
    return total


def _turn(mdp: TwoStageMDP, policy: Policy, reference: Policy, beta: float, w_s, w_d, x: int, k: int) -> tuple[float, float]:
    """Return what one turn is worth at its beginning, and the probability of another one."""
    gw = float(mdp.gamma_within)

    def at(table: np.ndarray, y: int) -> float:
        return float(table[min(k, len(table) - 1), x, y])

    worth, again = 0.0, 0.0
    for y in range(int(mdp.n_answers[x])):
        pi = at(policy.sample_prob, y)
        if pi == 0.0:
            continue
        here = -beta * w_s[x, y] * math.log(pi / at(reference.sample_prob, y))
        if mdp.max_turns is not None and k == mdp.max_turns - 1:
            here += gw * mdp.reward_stop[x, y]
        else:
            for name, reward in (("stop_prob", mdp.reward_stop), ("resample_prob", mdp.reward_resample)):
                chance = at(getattr(policy, name), y)
                if chance > 0.0:
                    cost = beta * w_d[x, y] * math.log(chance / at(getattr(reference, name), y))
                    here += gw * chance * (reward[x, y] - cost)
            again += pi * at(policy.resample_prob, y)
        worth += pi * here
    return worth, again


def exact_value(ref, stop_logit, r_stop, r_res, tau_s, tau_d, gamma_within, gamma_between, *, digits: int = 60) -> mp.mpf:
    """Return V of one prompt of an uncapped chain by nested bisection; ``ref`` are weights, normalised here."""
    with mp.workdps(digits):
        ref = [mp.mpf(float(p)) for p in ref]
        ref = [p / mp.fsum(ref) for p in ref]
        gw, gb = mp.mpf(float(gamma_within)), mp.mpf(float(gamma_between))
        table = [tuple(mp.mpf(float(v)) for v in row) for row in zip(stop_logit, r_stop, r_res, tau_s, tau_d, strict=True)]

        def excess(v):
            """F(v) - v."""
            q = []
            for logit, rs, rr, _, td in table:
                s = 1 / (1 + mp.exp(-logit))
                best = max(rs, rr + gb * v)
                q.append(gw * (best + td * mp.log(s * mp.exp((rs - best) / td) + (1 - s) * mp.exp((rr + gb * v - best) / td))))
            tau = [row[3] for row in table]
            if len(set(tau)) == 1:
                top = max(q)
                return top + tau[0] * mp.log(mp.fsum(p * mp.exp((a - top) / tau[0]) for p, a in zip(ref, q, strict=True))) - v

            def mass(mu):
                return mp.fsum(p * mp.exp((a - mu) / t - 1) for p, a, t in zip(ref, q, tau, strict=True))

            low = max(a + t * (mp.log(p) - 1) for p, a, t in zip(ref, q, tau, strict=True))
            high = max(a + t * (mp.log(len(ref) * p) - 1) for p, a, t in zip(ref, q, tau, strict=True))
            mu = _bisect(lambda m: mass(m) - 1, low, high, digits)
            return mu + mp.fsum(t * p * mp.exp((a - mu) / t - 1) for p, a, t in zip(ref, q, tau, strict=True)) - v

        low, high = mp.mpf(-1), mp.mpf(1)
        while excess(low) < 0:
            low *= 4
        while excess(high) > 0:
            high *= 4
        return _bisect(excess, low, high, digits)


def _bisect(falling, low, high, digits: int) -> mp.mpf:
    """Return the root of a decreasing function; Illinois' false position with the bracket kept."""
    f_low, f_high = falling(low), falling(high)
    side = 0
    for _ in range(20 * digits):
        if f_low == 0 or f_high == 0 or high - low <= mp.mpf(10) ** (8 - digits) * (1 + abs(low) + abs(high)):
            break
        middle = (low * f_high - high * f_low) / (f_high - f_low)
        if not low < middle < high:
            middle = (low + high) / 2
        f = falling(middle)
        if f > 0:
            low, f_low = middle, f
            f_high = f_high / 2 if side == 1 else f_high
            side = 1
        else:
            high, f_high = middle, f
            f_low = f_low / 2 if side == -1 else f_low
            side = -1
    return low if f_low == 0 else high if f_high == 0 else (low + high) / 2

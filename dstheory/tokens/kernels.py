r"""The compiled loops of token policies, one pass over the bytes each: over rows of logits, and along Markov tokens.

Row by row, with p = softmax(z) = e^(z - top)/total and q that of the other table::

    top = max z,   total = sum e^(z - top)
    penalty     KL = sum p log(p/q),  Var = sum p (log(p/q) - KL)^2,   gradient = factor p (log(p/q) - KL)
    imitation   cross = sum q log p,  chi2 = sum (q - p)^2 / p,        gradient = factor (q - p)

and, for rows whose token must be a given symbol, the probability to hit it and the advantages that follow from that.

A table's largest entries are found once, when it is validated. A row's own total comes out of the pass that needs it, which takes
its exponentials anyway; the other table's totals are computed once and kept. So a pass takes one exponential per entry. Rows with
factor 0 are skipped: their results and their gradient are 0. Symbols that a policy rules out (logit -inf, or so low
that the probability underflows) count nothing where the policy itself weighs them, and make a divergence infinite elsewhere.
A sweep back along Markov tokens reads each transition row once: its products with the values that follow, the advantages of its
symbols, its gradient and its energy all come out while the row is in the first-level cache.

The same in NumPy stands where each loop is called. Where a gradient is None, the compiler leaves out the lines that fill it.

Source: derived here.
"""

from __future__ import annotations

import math

import numpy as np

from dstheory.kernels.jit import accumulate, exp_nonpositive, inlined, kernel, larger


@inlined()
def _exponentials(z, row, high, mass):  # type: ignore[no-untyped-def]
    """Fill e^(z - high) of a row and return their sum: the same bits from whichever loop it is called."""
    total = 0.0
    for v in range(mass.size):
        mass[v] = exp_nonpositive(z[row, v] - high)
        total = accumulate(total, mass[v])
    return total


@kernel
def top_rows(z, top):  # type: ignore[no-untyped-def]
    """Fill the largest logit of every row; a NaN or a +inf shows in it."""
    rows, width = z.shape
    for row in range(rows):
        highest = -np.inf
        for v in range(width):
            highest = larger(z[row, v], highest)
        top[row] = highest


@kernel
def total_rows(z, top, total):  # type: ignore[no-untyped-def]
    """Fill the sum of e^(z - top) of every row."""
    rows, width = z.shape
    mass = np.empty(width)
    for row in range(rows):
        total[row] = _exponentials(z, row, top[row], mass)


@kernel
def penalty_rows(z, top, z_ref, top_ref, total_ref, factor, gradient, divergence, variance):  # type: ignore[no-untyped-def]
    """Fill divergence and variance of every row, and the gradient unless it is None."""
    rows, width = z.shape
    scratch = np.empty((2, width))
    mass, ratio = scratch[0], scratch[1]
    for row in range(rows):
        if factor[row] == 0.0:
            divergence[row], variance[row] = 0.0, 0.0
            if gradient is not None:
                gradient[row, :] = 0.0
            continue
        high, high_ref, mean = top[row], top_ref[row], 0.0
        total = _exponentials(z, row, high, mass)
        for v in range(width):
            r = (z[row, v] - z_ref[row, v]) - (high - high_ref)  # exact where the two nearly agree
            r = r if mass[v] > 0.0 else 0.0
            ratio[v] = r
            mean = accumulate(mean, mass[v] * r)
        scale = 1.0 / total
        mean *= scale  # of the ratios of e^(z - top): the normalisers cancel in differences
        divergence[row] = mean - math.log(total / total_ref[row])
        push = factor[row] * scale
        spread = 0.0
        for v in range(width):
            excess = ratio[v] - mean if mass[v] > 0.0 else 0.0
            weighed = mass[v] * excess
            spread = accumulate(spread, weighed * excess)
            if gradient is not None:
                gradient[row, v] = push * weighed
        variance[row] = spread * scale


@kernel
def imitation_rows(z, top, z_expert, top_expert, total_expert, factor, gradient, cross, chi_square):  # type: ignore[no-untyped-def]
    """Fill cross term and chi-square of every row, and the gradient unless it is None."""
    rows, width = z.shape
    scratch = np.empty((2, width))
    mass, shown = scratch[0], scratch[1]
    for row in range(rows):
        if factor[row] == 0.0:
            cross[row], chi_square[row] = 0.0, 0.0
            if gradient is not None:
                gradient[row, :] = 0.0
            continue
        high, high_expert = top[row], top_expert[row]
        total = _exponentials(z, row, high, mass)
        scale, scale_expert = 1.0 / total, 1.0 / total_expert[row]
        mean, spread = 0.0, 0.0
        for v in range(width):
            mass[v] *= scale
        for v in range(width):
            s = exp_nonpositive(z_expert[row, v] - high_expert) * scale_expert
            term = s * (z[row, v] - high)
            mean = accumulate(mean, term if s > 0.0 else 0.0)
            shown[v] = s
        for v in range(width):
            gap = shown[v] - mass[v]
            below = mass[v] if gap != 0.0 else 1.0  # a choice of divisors vectorises, one of quotients does not
            spread = accumulate(spread, gap * (gap / below))  # the square may be too small a number
            if gradient is not None:
                gradient[row, v] = factor[row] * gap
        cross[row] = mean - math.log(total)
        chi_square[row] = spread


@kernel
def hit_rows(z, top, at, target, hit, miss):  # type: ignore[no-untyped-def]
    """Fill the probability of one symbol of each listed row, and of all others."""
    width = z.shape[1]
    mass = np.empty(width)
    for n in range(at.size):
        total, rest = _exponentials(z, at[n], top[at[n]], mass), 0.0
        for v in range(width):
            rest = accumulate(rest, 0.0 if v == target[n] else mass[v])
        hit[n], miss[n] = mass[target[n]] / total, rest / total


@kernel
def required_rows(  # type: ignore[no-untyped-def]
    z, top, z_ref, top_ref, gradient, at, target, hit, miss, gap, coefficient, rho, energy,
):  # fmt: skip
    """Write gradient (unless None) and energy of listed rows: gap (1{v = target} - hit) + coefficient (log(p/q) - KL)."""
    width = z.shape[1]
    scratch = np.empty((3, width))
    advantage, mass, ratio = scratch[0], scratch[1], scratch[2]
    for n in range(at.size):
        row, c = at[n], coefficient[n]
        high = top[row]
        total = _exponentials(z, row, high, mass)
        scale = 1.0 / total
        for v in range(width):
            advantage[v] = -hit[n] * gap[n]
        advantage[target[n]] = miss[n] * gap[n]
        if c != 0.0:
            mean = 0.0
            for v in range(width):
                r = (z[row, v] - z_ref[row, v]) - (high - top_ref[row])
                ratio[v] = r if mass[v] > 0.0 else 0.0
                mean = accumulate(mean, mass[v] * ratio[v])
            mean *= scale
            for v in range(width):
                advantage[v] += c * (ratio[v] - mean)
        spread = 0.0
        for v in range(width):
            p = mass[v] * scale
            a = advantage[v] if p > 0.0 else 0.0
            pushed = p * a
            spread = accumulate(spread, pushed * a)
            if gradient is not None:
                gradient[row, v] = rho[n] * pushed
        energy[n] = spread


@kernel
def forward_sweep(table, prob, slot, lengths, alpha):  # type: ignore[no-untyped-def]
    """Fill alpha[:, 1:] from alpha[:, 0]: probability of (state, symbol) at every position, frozen at an answer's end."""
    prompts, length, states, symbols = alpha.shape
    here = np.empty(symbols)
    for x in range(prompts):
        for i in range(1, length):
            if i >= lengths[x]:
                alpha[x, i] = alpha[x, i - 1]
                continue
            alpha[x, i] = 0.0
            move = slot[x, i]
            for a in range(states):
                here[:] = 0.0
                for u in range(symbols):
                    weight = alpha[x, i - 1, a, u]
                    if weight != 0.0:
                        for v in range(symbols):
                            here[v] += weight * prob[x, i - 1, u, v]
                for v in range(symbols):
                    to = a if move < 0 else table[move, a, v]
                    alpha[x, i, to, v] += here[v]


@kernel
def backward_sweep(  # type: ignore[no-untyped-def]
    table, prob, z, z_ref, means, divergence, coefficient, alpha, leaf, slot, first_idle, rho, gradient, energy, beta,
):  # fmt: skip
    """Fill gradient (unless None) and energy of positions L-1..1, and beta, the values that follow the first token.

    Without a penalty z is None; with its direct term only, leaf is None. From position first_idle[x] on nothing
    depends on the token, and its gradient is exactly zero.
    """
    prompts, length, states, symbols = alpha.shape
    after, back, total = np.empty((states, symbols)), np.empty((states, symbols)), np.empty(symbols)
    for x in range(prompts):
        if leaf is not None:
            for a in range(states):
                back[a, :] = leaf[x, a]
        for i in range(length - 1, 0, -1):
            energy[x, i] = 0.0
            if i >= first_idle[x]:
                if gradient is not None:
                    gradient[x, i - 1] = 0.0
                continue
            if leaf is not None:
                move = slot[x, i]
                for a in range(states):
                    for v in range(symbols):
                        after[a, v] = back[a if move < 0 else table[move, a, v], v]
            for u in range(symbols):
                reach, centre = 0.0, 0.0
                total[:] = 0.0
                for a in range(states):
                    weight = alpha[x, i - 1, a, u]
                    reach += weight
                    if leaf is not None:
                        mean = 0.0
                        for v in range(symbols):
                            mean = accumulate(mean, prob[x, i - 1, u, v] * after[a, v])
                        centre += weight * mean
                        if z is not None:
                            mean += coefficient[x, i] * divergence[x, i - 1, u]
                        back[a, u] = mean
                        for v in range(symbols):
                            total[v] += weight * after[a, v]
                if z is not None:
                    scale = coefficient[x, i] * reach
                    if scale != 0.0:
                        between = means[x, i - 1, u]
                        for v in range(symbols):
                            excess = (z[x, i - 1, u, v] - z_ref[x, i - 1, u, v]) - between
                            total[v] += scale * excess if prob[x, i - 1, u, v] > 0.0 else 0.0
                shared = 0.0
                for v in range(symbols):
                    advantage = total[v] - centre
                    pushed = prob[x, i - 1, u, v] * advantage
                    shared = accumulate(shared, pushed * advantage)
                    if gradient is not None:
                        gradient[x, i - 1, u, v] = rho[x] * pushed
                if reach > 0.0:
                    energy[x, i] += shared / reach
        if leaf is not None:
            beta[x] = back


@kernel
def mean_rows(prob, z, z_ref, out):  # type: ignore[no-untyped-def]
    """Fill sum p (z - z_ref) of every row, the mean difference of its logits; 0 where p is."""
    rows, width = prob.shape
    for row in range(rows):
        total = 0.0
        for v in range(width):
            apart = z[row, v] - z_ref[row, v]
            total = accumulate(total, prob[row, v] * apart if prob[row, v] > 0.0 else 0.0)
        out[row] = total

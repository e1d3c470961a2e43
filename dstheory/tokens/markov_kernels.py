r"""The two sweeps of a Markov token policy as compiled loops, prompt by prompt; `sweeps` holds the same in NumPy.

A sweep back reads each transition row once: its products with the values that follow, the advantages of its symbols, its
gradient and its energy all come out while the row is in the first-level cache.

Source: derived here.
"""

from __future__ import annotations

import numpy as np

from dstheory.kernels.fastmath import accumulate
from dstheory.kernels.jit import kernel

__all__ = ["backward_sweep", "forward_sweep", "table_rows"]


@kernel
def forward_sweep(prob, slot, table, lengths, alpha):  # type: ignore[no-untyped-def]
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
    prob, log_prob, log_reference, divergence, coefficient, alpha, leaf, slot, table, first_idle, rho, gradient, energy, beta,
):  # fmt: skip
    """Fill gradient (unless None) and energy of positions L-1..1, and beta, the values that follow the first token.

    Without a penalty log_prob is None; with its direct term only, leaf is None. From position first_idle[x] on nothing
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
                        if log_prob is not None:
                            mean += coefficient[x, i] * divergence[x, i - 1, u]
                        back[a, u] = mean
                        for v in range(symbols):
                            total[v] += weight * after[a, v]
                if log_prob is not None:
                    scale = coefficient[x, i] * reach
                    if scale != 0.0:
                        kl = divergence[x, i - 1, u]
                        for v in range(symbols):
                            excess = log_prob[x, i - 1, u, v] - log_reference[x, i - 1, u, v] - kl
                            total[v] += scale * excess if prob[x, i - 1, u, v] > 0.0 else 0.0
                shared = 0.0
                if gradient is None:
                    for v in range(symbols):
                        advantage = total[v] - centre
                        shared = accumulate(shared, prob[x, i - 1, u, v] * advantage * advantage)
                else:
                    for v in range(symbols):
                        advantage = total[v] - centre
                        pushed = prob[x, i - 1, u, v] * advantage
                        shared = accumulate(shared, pushed * advantage)
                        gradient[x, i - 1, u, v] = rho[x] * pushed
                if reach > 0.0:
                    energy[x, i] += shared / reach
        if leaf is not None:
            beta[x] = back


@kernel
def table_rows(prob, log_prob, other, out):  # type: ignore[no-untyped-def]
    """Fill sum p (log p - other) of every row: a divergence if `other` is a logarithm; 0 where p is."""
    rows, width = prob.shape
    for row in range(rows):
        total = 0.0
        for v in range(width):
            ratio = log_prob[row, v] - other[row, v]
            total = accumulate(total, prob[row, v] * ratio if prob[row, v] > 0.0 else 0.0)
        out[row] = total

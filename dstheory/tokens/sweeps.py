r"""The forward and the backward sweep of a Markov token policy: large tables through compiled loops, small ones in NumPy.

The tables are those of one policy: transition probabilities (X, L-1, S, S) and ``alpha`` (X, L, A, S). NumPy goes position by
position over blocks of prompts, with one batched matrix product per position for alpha, one for the values that follow, and one
for the outer products that are the advantages.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dstheory.checks import Floats, Ints
from dstheory.tokens.rows import COMPILED_FROM, Rows

__all__ = ["Moves", "Sweep", "backward", "backward_numpy", "forward", "forward_numpy"]

_BLOCK = 1 << 17  # transition probabilities of a block of prompts at one position: 1 MiB


@dataclass(frozen=True, eq=False)
class Moves:
    """How tokens move the verdict's state.

    Attributes:
        slot: (X, L) index of the token's move in ``table``; -1 where the token is padding.
        table: (n, A, S) state that each symbol leads to.
        lengths: (X,) tokens of an answer.
    """

    slot: Ints
    table: Ints
    lengths: Ints

    def at(self, block: slice, position: int) -> Ints | None:
        """Return the moves of a block of prompts at a position, (x, A, S), or None if it is padding for all of them."""
        slot = self.slot[block, position]
        if (slot < 0).all():
            return None
        stay = np.arange(self.table.shape[1])[:, None]
        return np.where((slot < 0)[:, None, None], stay, self.table[slot])


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a backward sweep is to credit.

    Attributes:
        leaf: (X, A) value of an answer by the verdict's last state, or None for the direct term of a penalty.
        reference: rows of a penalty's reference, or None without a penalty.
        divergence: (X, L-1, S) KL of every transition row; 0 where the row is never met.
        coefficient: (X, L) of the penalty.
        first_idle: (X,) position from which on nothing depends on a token.
    """

    leaf: Floats | None
    reference: Rows | None
    divergence: Floats
    coefficient: Floats
    first_idle: Ints


def forward(prob: Floats, moves: Moves, alpha: Floats) -> None:
    """Fill alpha[:, 1:] from alpha[:, 0]."""
    if prob.size < COMPILED_FROM:
        forward_numpy(prob, moves, alpha)
        return
    from dstheory.tokens.markov_kernels import forward_sweep

    def work(start: int, stop: int) -> None:
        part = slice(start, stop)
        forward_sweep(prob[part], moves.slot[part], moves.table, moves.lengths[part], alpha[part])

    _over_prompts(work, prob)


def forward_numpy(prob: Floats, moves: Moves, alpha: Floats) -> None:
    """The same as :func:`forward`, in NumPy."""
    for block in _blocks(prob):
        for i in range(1, alpha.shape[1]):
            here = send(alpha[block, i - 1] @ prob[block, i - 1], moves.at(block, i))
            drawn = (moves.lengths[block] > i)[:, None, None]
            alpha[block, i] = np.where(drawn, here, alpha[block, i - 1])


def backward(
    rows: Rows, moves: Moves, alpha: Floats, sweep: Sweep, rho: Floats, gradient: Floats | None, energy: Floats
) -> Floats:
    """Fill the gradient (unless None) and the energy of positions 1 and later.

    Returns:
        (X, A, S) the value of what follows the first token; meaningless without a leaf.
    """
    if rows.size < COMPILED_FROM:
        return backward_numpy(rows, moves, alpha, sweep, rho, gradient, energy)
    from dstheory.tokens.markov_kernels import backward_sweep

    beta = np.empty((alpha.shape[0], *alpha.shape[2:]))
    tables = (None, None) if sweep.reference is None else (rows.log_prob, sweep.reference.log_prob)

    def work(start: int, stop: int) -> None:
        part = slice(start, stop)
        backward_sweep(
            rows.prob[part], *(None if t is None else t[part] for t in tables), sweep.divergence[part], sweep.coefficient[part],
            alpha[part], None if sweep.leaf is None else sweep.leaf[part], moves.slot[part], moves.table, sweep.first_idle[part],
            rho[part], None if gradient is None else gradient[part], energy[part], beta[part],
        )  # fmt: skip

    _over_prompts(work, rows.prob)
    return beta


def backward_numpy(
    rows: Rows, moves: Moves, alpha: Floats, sweep: Sweep, rho: Floats, gradient: Floats | None, energy: Floats
) -> Floats:
    """The same as :func:`backward`, in NumPy."""
    beta = np.empty((alpha.shape[0], *alpha.shape[2:]))
    for block in _blocks(rows.prob):
        if sweep.leaf is not None:
            beta[block] = sweep.leaf[block][..., None]
        for i in range(alpha.shape[1] - 1, 0, -1):
            matters = i < sweep.first_idle[block]
            total, back = _advantages(rows, moves, alpha, sweep, block, i, beta[block])
            total = np.where(matters[:, None, None], total, 0.0)
            pushed = rows.prob[block, i - 1] * total
            reach = alpha[block, i - 1].sum(axis=1)
            shared = np.einsum("xuv,xuv->xu", pushed, total)
            energy[block, i] = np.divide(shared, reach, out=np.zeros_like(reach), where=reach > 0.0).sum(axis=1)
            if gradient is not None:
                gradient[block, i - 1] = rho[block, None, None] * pushed
            beta[block] = np.where(matters[:, None, None], back, beta[block])
    return beta


def _advantages(
    rows: Rows, moves: Moves, alpha: Floats, sweep: Sweep, block: slice, i: int, beta: Floats
) -> tuple[Floats, Floats]:
    """Return sum_a alpha(a, u) A(a, u, v), (x, S, S), and the value that follows the token before, (x, A, S)."""
    prob, before = rows.prob[block, i - 1], alpha[block, i - 1]
    total, back = np.zeros(prob.shape), beta
    if sweep.leaf is not None:
        after = look_up(beta, moves.at(block, i))
        back = (prob @ after.swapaxes(1, 2)).swapaxes(1, 2)
        total = before.swapaxes(1, 2) @ after - (before * back).sum(axis=1)[..., None]
    if sweep.reference is not None:
        c, kl = sweep.coefficient[block, i, None], sweep.divergence[block, i - 1]
        scale = c * before.sum(axis=1)
        counts = (prob > 0.0) & (scale != 0.0)[..., None]
        with np.errstate(invalid="ignore"):
            excess = rows.log_prob[block, i - 1] - sweep.reference.log_prob[block, i - 1] - kl[..., None]
            total = total + np.where(counts, scale[..., None] * np.where(counts, excess, 0.0), 0.0)
        back = back + (c * kl)[:, None]
    return total, back


def send(alpha: Floats, table: Ints | None) -> Floats:
    """Send the mass of (state, symbol) to (next state, symbol)."""
    if table is None:
        return alpha
    prompts, states, symbols = alpha.shape
    to = (np.arange(prompts)[:, None, None] * states + table) * symbols + np.arange(symbols)
    moved: Floats = np.bincount(to.ravel(), weights=alpha.ravel(), minlength=alpha.size)  # type: ignore[assignment]
    return moved.reshape(alpha.shape)


def look_up(beta: Floats, table: Ints | None) -> Floats:
    """Return beta(next state, v) for every state and symbol: the reverse of `send`."""
    return beta if table is None else np.take_along_axis(beta, table, axis=1)


def _blocks(prob: Floats) -> list[slice]:
    """Blocks of prompts whose rows at one position fit the cache."""
    step = max(1, _BLOCK // max(1, prob.shape[-1] ** 2))
    return [slice(start, min(start + step, len(prob))) for start in range(0, len(prob), step)]


def _over_prompts(work: Callable[[int, int], None], prob: Floats) -> None:
    from dstheory.kernels.parallel import available_threads, blocks, run_blocks

    threads = available_threads()
    run_blocks(work, blocks(len(prob), 1, len(prob), threads), threads)

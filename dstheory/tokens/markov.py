r"""Markov token policies: each token depends on its position and on the token before it.

With the verdict's state a (one of A, two for a conjunction), the pair (previous token u, a) is all that the rest of the answer
depends on. Forward, :math:`\alpha_i(a, v)` is the probability that token i is v and leaves the verdict in state a; backward,
:math:`\beta_i(a, v)` is the expected value of what follows. Both cost one product with the transition matrix per position.
The rows of u are shared by all prefixes that end in u, so the advantage of (u, v) is the average over a:

.. math::
    G(u, v) = \sum_a \alpha_{i-1}(a, u) \big[\beta_i(a', v) - \beta_{i-1}(a, u)\big], \qquad
    g(u, v) = P(u, v)\, G(u, v), \qquad e_i = \sum_u \frac{1}{\alpha_{i-1}(u)} \sum_v P(u, v)\, G(u, v)^2,

a' the state after v. The outer products that make up G are the third batched matrix product of a pass. Large tables go through
compiled loops, prompt by prompt; small ones are worked on in NumPy, position by position.

Source: derived here; the passes are those of hidden Markov models (Baum et al., 1970) with the verdict as the observed part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, Ints
from dstheory.errors import ChainError
from dstheory.tokens.model import TokenChain
from dstheory.tokens.rows import Categorical, centred_ratio, over_blocks
from dstheory.tokens.samplers import FullTree, TokenGradient, TokenPass, TokenPenalty, TokenSampler

_AXES = ("prompt", "position", "previous symbol")


class Markov(TokenSampler):
    """A first token, then transition rows per position.

    Make one with :meth:`from_logits` or :meth:`from_probabilities`: ``initial`` (X, S) and ``transition`` (X, L-1, S, S), where
    ``transition[x, i - 1, u]`` is the row of token i after symbol u. Rows beyond the end of a prompt's answers are ignored.

    Example:
        >>> Markov.from_probabilities([[0.5, 0.5]], [[[[0.25, 0.75], [1.0, 0.0]]]]).size
        (1, 2, 2)
    """

    kind = "Markov"
    places = 0, slice(1, None)

    def __init__(self, initial: Categorical, transition: Categorical) -> None:
        prompts, symbols = initial.shape
        if transition.shape[0] != prompts or transition.shape[2:] != (symbols, symbols):
            raise ChainError(
                f"transition has shape {transition.shape}: needs (prompts, positions - 1, symbols, symbols) = "
                f"({prompts}, L - 1, {symbols}, {symbols})"
            )
        self.blocks = (initial, transition)

    @classmethod
    def from_logits(cls, initial: ArrayLike, transition: ArrayLike) -> Markov:
        """Return the policy with these logits.

        Raises:
            ChainError: a table of the wrong shape, a NaN, or a row without a possible symbol.
        """
        return cls(Categorical.from_logits(initial, axes=("prompt",)), Categorical.from_logits(transition, axes=_AXES))

    @classmethod
    def from_probabilities(cls, initial: ArrayLike, transition: ArrayLike) -> Markov:
        """Return the policy with these probabilities.

        Raises:
            ChainError: a table of the wrong shape, an entry outside [0, 1], or a row that does not sum to 1.
        """
        first = Categorical.from_probabilities(initial, axes=("prompt",))
        return cls(first, Categorical.from_probabilities(transition, axes=_AXES))

    @property
    def size(self) -> tuple[int, int, int]:
        """(X, L, S)."""
        prompts, steps, symbols, _ = self.blocks[1].shape
        return prompts, steps + 1, symbols

    def as_tree(self) -> FullTree:
        """Return the same distribution with a row for every prefix: the tabular policy that this one restricts.

        Example:
            >>> Markov.from_probabilities([[0.5, 0.5]], [[[[0.25, 0.75], [1.0, 0.0]]]]).as_tree().blocks[1].prob.tolist()
            [[[0.25, 0.75], [1.0, 0.0]]]
        """
        initial, transition = self.blocks
        _, length, symbols = self.size
        levels = [initial.take(slice(None), None)]
        for i in range(1, length):
            ends_in = np.arange(symbols**i) % symbols
            levels.append(transition.take(slice(None), i - 1, ends_in))
        return FullTree(levels)

    def as_markov(self) -> Markov:
        """Return itself."""
        return self

    def start(self, chain: TokenChain) -> MarkovPass:
        """Return a forward pass."""
        return MarkovPass(chain, self)


class MarkovPass(TokenPass):
    """The forward pass.

    Attributes:
        alpha: (X, L, A, S) probability that a token is v and the verdict's state after it is a; frozen at an answer's end.
    """

    def __init__(self, chain: TokenChain, sampler: Markov) -> None:
        sampler.check_fits(chain)
        self.chain, self.sampler = chain, sampler
        (initial, transition), (prompts, length, symbols) = sampler.blocks, sampler.size
        self.alpha = alpha = np.zeros((prompts, length, chain.verdict.states, symbols))
        alpha[:, 0, 0] = initial.prob
        alpha[:, 0] = _send(alpha[:, 0], chain.verdict.table_at(0, symbols))
        if transition.large:
            from dstheory.tokens.kernels import forward_sweep

            slot, table = self._slots()
            over_blocks(forward_sweep, (table,), (transition.prob, slot, chain.lengths, alpha), transition.prob[0].size)
        else:
            for i in range(1, length):
                here = _send(alpha[:, i - 1] @ transition.prob[:, i - 1], chain.verdict.table_at(i, symbols))
                alpha[:, i] = np.where(chain.inside[:, i, None, None], here, alpha[:, i - 1])
        self.classes = chain.verdict.gather(alpha[:, -1].sum(axis=-1))
        # A transition row is met where the token before it is u.
        self.reach = np.ones(prompts), alpha[:, :-1].sum(axis=2)

    def _slots(self) -> tuple[Ints, Ints]:
        """Return the index of each token's move in a table, (X, L) and -1 for padding; and the table, (n, A, S)."""
        who, which, where = self.chain.verdict.relevant()
        slot = np.full(self.alpha.shape[:2], -1)
        slot[who, where] = np.arange(len(who))
        return slot, self.chain.verdict.steps(who, which)

    def credit(self, terminal: Floats | None, penalty: TokenPenalty | None = None, *, keep: bool = True) -> TokenGradient:
        """Return gradient and energy: one sweep from the last token to the first."""
        chain, (initial, transition) = self.chain, self.sampler.blocks
        rho, energy = chain.prompt_weight, np.zeros((chain.n_prompts, chain.max_length))
        gradient = np.empty(transition.shape) if keep else None
        leaf = None if terminal is None else chain.verdict.spread(terminal)
        # After the last relevant token nothing depends on a token, unless tokens cost something themselves.
        idle = chain.lengths if penalty is not None else chain.verdict.positions.max(axis=1, initial=-1) + 1
        sweep = self._sweep_compiled if transition.large else self._sweep
        beta = sweep(leaf, penalty, idle, gradient, energy)

        # The row of the first token, which has no token before it and state 0.
        p, advantage = initial.prob, np.zeros(initial.shape)
        if terminal is not None:
            after = _look_up(beta, chain.verdict.table_at(0, chain.symbols))[:, 0]
            advantage = np.where((idle > 0)[:, None], after - (p * after).sum(axis=1, keepdims=True), 0.0)
        if penalty is not None:
            advantage = advantage + penalty.coefficient[:, :1] * centred_ratio(initial, penalty.reference[0])
        energy[:, 0] = (p * advantage**2).sum(axis=1)
        return TokenGradient(None if gradient is None else (rho[:, None] * p * advantage, gradient), energy)

    def _sweep(
        self, leaf: Floats | None, penalty: TokenPenalty | None, idle: Ints, gradient: Floats | None, energy: Floats
    ) -> Floats:
        """Fill the gradient (unless None) and the energy of positions 1 and later.

        Args:
            leaf: (X, A) value of an answer by the verdict's last state, or None for the direct term of a penalty.
            penalty: on every token, or None.
            idle: (X,) position from which on nothing depends on a token.
            gradient, energy: filled in place.

        Returns:
            (X, A, S) the value of what follows the first token; meaningless without a leaf.
        """
        chain, rows, rho = self.chain, self.sampler.blocks[1], self.chain.prompt_weight
        beta = np.zeros((len(idle), *self.alpha.shape[2:]))
        if leaf is not None:
            beta[:] = leaf[..., None]
        excess = None if penalty is None else centred_ratio(rows, penalty.reference[1])
        for i in range(chain.max_length - 1, 0, -1):
            prob, before, matters = rows.prob[:, i - 1], self.alpha[:, i - 1], (i < idle)[:, None, None]
            reach = before.sum(axis=1)
            # sum_a alpha(a, u) A(a, u, v), (X, S, S), and the value that follows the token before, (X, A, S).
            total, back = np.zeros(prob.shape), beta
            if leaf is not None:
                after = _look_up(beta, chain.verdict.table_at(i, chain.symbols))
                back = (prob @ after.swapaxes(1, 2)).swapaxes(1, 2)
                total = before.swapaxes(1, 2) @ after - (before * back).sum(axis=1)[..., None]
            if penalty is not None and excess is not None:
                c, kl = penalty.coefficient[:, i, None], penalty.divergence[1][:, i - 1]
                total = total + (c * reach)[..., None] * excess[:, i - 1]
                back = back + (c * kl)[:, None]
            total = np.where(matters, total, 0.0)
            pushed = prob * total
            shared = np.einsum("xuv,xuv->xu", pushed, total)
            energy[:, i] = np.divide(shared, reach, out=np.zeros_like(reach), where=reach > 0.0).sum(axis=1)
            if gradient is not None:
                gradient[:, i - 1] = rho[:, None, None] * pushed
            beta = np.where(matters, back, beta)
        return beta

    def _sweep_compiled(
        self, leaf: Floats | None, penalty: TokenPenalty | None, idle: Ints, gradient: Floats | None, energy: Floats
    ) -> Floats:
        from dstheory.tokens.kernels import backward_sweep

        rows, (slot, table) = self.sampler.blocks[1], self._slots()
        beta = np.empty((len(idle), *self.alpha.shape[2:]))
        cost = (None,) * 5 if penalty is None else (
            rows.logits, penalty.reference[1].logits, penalty.means[1], penalty.divergence[1], penalty.coefficient
        )  # fmt: skip
        tables = rows.prob, *cost, self.alpha, leaf, slot, idle, self.chain.prompt_weight, gradient, energy, beta
        over_blocks(backward_sweep, (table,), tables, rows.prob[0].size)
        return beta


def _send(alpha: Floats, table: Ints | None) -> Floats:
    """Send the mass of (state, symbol) to (next state, symbol)."""
    if table is None:
        return alpha
    prompts, states, symbols = alpha.shape
    to = (np.arange(prompts)[:, None, None] * states + table) * symbols + np.arange(symbols)
    moved: Floats = np.bincount(to.ravel(), weights=alpha.ravel(), minlength=alpha.size)  # type: ignore[assignment]
    return moved.reshape(alpha.shape)


def _look_up(beta: Floats, table: Ints | None) -> Floats:
    """Return beta(next state, v) for every state and symbol: the reverse of `_send`."""
    return beta if table is None else np.take_along_axis(beta, table, axis=1)

r"""Markov token policies: each token depends on its position and on the token before it.

With the verdict's state a (one of A, two for a conjunction), the pair (previous token u, a) is all that the rest of the answer
depends on. Forward, :math:`\alpha_i(a, v)` is the probability that token i is v and leaves the verdict in state a; backward,
:math:`\beta_i(a, v)` is the expected value of what follows. Both cost one product with the transition matrix per position.
The rows of u are shared by all prefixes that end in u, so the advantage of (u, v) is the average over a:

.. math::
    G(u, v) = \sum_a \alpha_{i-1}(a, u) \big[\beta_i(a', v) - \beta_{i-1}(a, u)\big], \qquad
    g(u, v) = P(u, v)\, G(u, v), \qquad e_i = \sum_u \frac{1}{\alpha_{i-1}(u)} \sum_v P(u, v)\, G(u, v)^2,

a' the state after v. The outer products that make up G are the third batched matrix product of a pass.

Source: derived here; the passes are those of hidden Markov models (Baum et al., 1970) with the verdict as the observed part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.tokens import rowwise
from dstheory.tokens.full_tree import FullTree
from dstheory.tokens.model import TokenChain
from dstheory.tokens.passes import Credit, Penalty, TokenPass, TokenSampler, imitation_energy, met_sum, same_kind
from dstheory.tokens.rows import Rows, log_ratio, refuse_infinite, row_divergence
from dstheory.tokens.sweeps import Moves, Sweep, backward, forward, look_up, send

__all__ = ["Markov"]

_AXES = ("prompt", "position", "previous symbol")


class Markov(TokenSampler):
    """A first token, then transition rows per position.

    Make one with :meth:`from_logits` or :meth:`from_probabilities`: ``initial`` (X, S) and ``transition`` (X, L-1, S, S), where
    ``transition[x, i - 1, u]`` is the row of token i after symbol u. Rows beyond the end of a prompt's answers are ignored.

    >>> m = Markov.from_probabilities([[0.5, 0.5]], [[[[0.25, 0.75], [1.0, 0.0]]]])
    >>> m.size
    (1, 2, 2)
    """

    kind = "Markov"

    def __init__(self, initial: Rows, transition: Rows) -> None:
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
        return cls(Rows.from_logits(initial, axes=("prompt",)), Rows.from_logits(transition, axes=_AXES))

    @classmethod
    def from_probabilities(cls, initial: ArrayLike, transition: ArrayLike) -> Markov:
        """Return the policy with these probabilities.

        Raises:
            ChainError: a table of the wrong shape, an entry outside [0, 1], or a row that does not sum to 1.
        """
        return cls(Rows.from_probabilities(initial, axes=("prompt",)), Rows.from_probabilities(transition, axes=_AXES))

    @property
    def size(self) -> tuple[int, int, int]:
        """(X, L, S)."""
        prompts, steps, symbols, _ = self.blocks[1].shape
        return prompts, steps + 1, symbols

    def as_tree(self) -> FullTree:
        """Return the same distribution with a row for every prefix: the tabular policy that this one restricts.

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
        initial, transition = sampler.blocks
        prompts, length, symbols = sampler.size
        who, which, where = chain.verdict.relevant()
        slot = np.full((prompts, length), -1)
        slot[who, where] = np.arange(len(who))
        self.moves = Moves(slot, chain.verdict.steps(who, which), chain.lengths)
        self.alpha = np.zeros((prompts, length, chain.verdict.states, symbols))
        self.alpha[:, 0, 0] = initial.prob
        self.alpha[:, 0] = send(self.alpha[:, 0], self.moves.at(slice(None), 0))
        forward(transition.prob, self.moves, self.alpha)
        self.classes = chain.verdict.gather(self.alpha[:, -1].sum(axis=-1))

    @property
    def reach(self) -> Floats:
        """(X, L-1, S) probability of each transition row: that the token before it is u."""
        return np.asarray(self.alpha[:, :-1].sum(axis=2))

    def penalty(self, reference: TokenSampler, coefficient: Floats, *, keep: bool) -> Penalty:
        """Return the penalty; see :meth:`TokenPass.penalty`."""
        same_kind(self.sampler, reference, "reference")
        reach, met = self.reach, coefficient[:, 1:, None] != 0.0
        met = met & (reach > 0.0)
        first = row_divergence(self.sampler.blocks[0], reference.blocks[0])
        rest = row_divergence(self.sampler.blocks[1], reference.blocks[1])
        refuse_infinite(first, coefficient[:, 0] != 0.0, "position 0")
        refuse_infinite(rest, met, "a later position")
        first, rest = np.where(coefficient[:, 0] != 0.0, first, 0.0), np.where(met, rest, 0.0)
        expected = coefficient[:, 0] * first + (coefficient[:, 1:, None] * reach * rest).sum(axis=(1, 2))
        return Penalty(expected, (first, rest), None, reference.blocks, coefficient)

    def credit(self, terminal: Floats | None, penalty: Penalty | None = None, *, keep: bool = True) -> Credit:
        """Return gradient and energy: one sweep from the last token to the first."""
        chain, (initial, transition) = self.chain, self.sampler.blocks
        energy = np.zeros((chain.n_prompts, chain.max_length))
        rho = chain.prompt_weight
        # After the last relevant token nothing depends on a token, unless tokens cost something themselves.
        idle = chain.lengths if penalty is not None else chain.verdict.positions.max(axis=1, initial=-1) + 1
        sweep = Sweep(
            None if terminal is None else chain.verdict.spread(terminal),
            None if penalty is None else penalty.reference[1],
            np.zeros((chain.n_prompts, 0, 0)) if penalty is None else penalty.divergence[1],
            np.zeros(energy.shape) if penalty is None else penalty.coefficient,
            idle,
        )
        gradient = np.empty(transition.shape) if keep else None
        beta = backward(transition, self.moves, self.alpha, sweep, rho, gradient, energy)

        # The row of the first token, which has no token before it and state 0.
        p, advantage = initial.prob, np.zeros(initial.shape)
        if terminal is not None:
            after = look_up(beta, self.moves.at(slice(None), 0))[:, 0]
            advantage = np.where((idle > 0)[:, None], after - (p * after).sum(axis=1, keepdims=True), 0.0)
        if penalty is not None:
            advantage = advantage + penalty.coefficient[:, :1] * log_ratio(initial, penalty.reference[0])[0]
        energy[:, 0] = (p * advantage**2).sum(axis=1)
        return Credit(None if gradient is None else (rho[:, None] * p * advantage, gradient), energy)

    def imitate(self, expert: TokenPass, coefficient: Floats, *, keep: bool) -> tuple[Credit, Floats]:
        """Return gradient, energy and expected log-likelihood on the expert's answers."""
        assert isinstance(expert, MarkovPass)
        rho, met = self.chain.prompt_weight, expert.reach
        energy, gradient = np.zeros(coefficient.shape), []
        (initial, transition), (e_initial, e_transition) = self.sampler.blocks, expert.sampler.blocks
        cross, chi2, pushed = rowwise.imitation(initial, e_initial, coefficient[:, 0], rho, keep=keep)
        energy[:, 0] = imitation_energy(coefficient[:, 0], np.ones(1), np.ones(1), chi2)
        expected = met_sum(cross[:, None], coefficient[:, :1])
        gradient.append(pushed)
        rest = coefficient[:, 1:, None]
        cross, chi2, pushed = rowwise.imitation(transition, e_transition, rest * met, rho, keep=keep)
        energy[:, 1:] = imitation_energy(rest, self.reach, met, chi2).sum(axis=2)
        expected = expected + met_sum(cross, rest * met).sum(axis=1)
        gradient.append(pushed)
        return Credit(tuple(g for g in gradient if g is not None) if keep else None, energy), expected

r"""Prefix-conditional tabular token policies: a row of its own for every prefix. Exact for any policy; S^L leaves.

Level i holds the rows of the :math:`S^i` prefixes of i tokens, numbered in base S (first token most significant). The forward
pass multiplies down the tree, the backward pass averages up. Any distribution over answers is such a policy.

Source: derived here; this is the reference that the policies for long answers are tested against.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Bools, Floats, Ints
from dstheory.errors import ChainError
from dstheory.tokens.model import TokenChain
from dstheory.tokens.passes import (
    Credit,
    Penalty,
    TokenPass,
    TokenSampler,
    imitation_energy,
    met_sum,
    same_kind,
)
from dstheory.tokens.rows import Rows, chi_square, expected_log, log_ratio, refuse_infinite, row_divergence

__all__ = ["FullTree"]

_AXES = ("prompt", "prefix")


class FullTree(TokenSampler):
    """One row for every prefix.

    Make one with :meth:`from_logits` or :meth:`from_probabilities`: one table (X, S^i, S) per level i = 0..L-1. Rows of prefixes
    beyond the end of a prompt's answers are ignored.

    >>> tree = FullTree.from_probabilities([[[[0.5, 0.5]]], [[[0.25, 0.75], [1.0, 0.0]]]])
    >>> tree.size
    (1, 2, 2)
    """

    kind = "a full tree"

    def __init__(self, levels: Sequence[Rows]) -> None:
        if not levels:
            raise ChainError("a tree of tokens has no level: an answer has at least one token")
        prompts, _, symbols = levels[0].shape
        for i, rows in enumerate(levels):
            if rows.shape != (prompts, symbols**i, symbols):
                raise ChainError(
                    f"level {i} of the tree has shape {rows.shape}: needs (prompts, prefixes, symbols) = "
                    f"({prompts}, {symbols}^{i} = {symbols**i}, {symbols})"
                )
        self.blocks = tuple(levels)

    @classmethod
    def from_logits(cls, levels: Sequence[ArrayLike]) -> FullTree:
        """Return the tree with these logits, one table (X, S^i, S) per level.

        Raises:
            ChainError: a table of the wrong shape, a NaN, or a row without a possible symbol.
        """
        return cls([Rows.from_logits(level, axes=_AXES) for level in levels])

    @classmethod
    def from_probabilities(cls, levels: Sequence[ArrayLike]) -> FullTree:
        """Return the tree with these probabilities, one table (X, S^i, S) per level.

        Raises:
            ChainError: a table of the wrong shape, an entry outside [0, 1], or a row that does not sum to 1.
        """
        return cls([Rows.from_probabilities(level, axes=_AXES) for level in levels])

    @property
    def size(self) -> tuple[int, int, int]:
        """(X, L, S)."""
        prompts, _, symbols = self.blocks[0].shape
        return prompts, len(self.blocks), symbols

    def as_tree(self) -> FullTree:
        """Return itself."""
        return self

    def start(self, chain: TokenChain) -> TreePass:
        """Return a forward pass."""
        return TreePass(chain, self)


class TreePass(TokenPass):
    """Probability and automaton state of every prefix.

    Attributes:
        reach: per level i = 0..L, (X, S^i) probability of each prefix (0 beyond an answer's end).
        states: per level, (X, S^i) state of the verdict after the prefix.
    """

    def __init__(self, chain: TokenChain, sampler: FullTree) -> None:
        sampler.check_fits(chain)
        self.chain, self.sampler = chain, sampler
        prompts, symbols = chain.n_prompts, chain.symbols
        reach: list[Floats] = [np.ones((prompts, 1))]
        states: list[Ints] = [np.zeros((prompts, 1), dtype=np.int64)]
        self.classes = np.zeros((prompts, chain.verdict.classes))
        for i, rows in enumerate(sampler.blocks):
            here = np.where(self._drawn(i)[:, None], reach[i], 0.0)
            reach[i] = here
            reach.append((here[..., None] * rows.prob).reshape(prompts, -1))
            table = chain.verdict.table_at(i, symbols)
            if table is None:
                states.append(np.repeat(states[i], symbols, axis=1))
            else:
                states.append(table[np.arange(prompts)[:, None], states[i]].reshape(prompts, -1))
            ends = chain.lengths == i + 1
            if ends.any():
                leaf = np.take_along_axis(chain.verdict.final, states[-1], axis=1)
                for m in range(chain.verdict.classes):
                    total = np.where(leaf == m, reach[-1], 0.0).sum(axis=1)
                    self.classes[ends, m] = total[ends]
        self.reach, self.states = reach, states

    def _drawn(self, i: int) -> Bools:
        """(X,) whether a prompt's answers have a token at position i."""
        return self.chain.inside[:, i]

    def penalty(self, reference: TokenSampler, coefficient: Floats, *, keep: bool) -> Penalty:
        """Return the penalty; see :meth:`TokenPass.penalty`."""
        same_kind(self.sampler, reference, "reference")
        expected, divergence = np.zeros(self.chain.n_prompts), []
        for i, (rows, ref) in enumerate(zip(self.sampler.blocks, reference.blocks, strict=True)):
            c = coefficient[:, i, None]
            kl = row_divergence(rows, ref)
            met = (self.reach[i] > 0.0) & (c != 0.0)
            refuse_infinite(kl, met, f"position {i}")
            divergence.append(np.where(met, kl, 0.0))
            expected += (c * self.reach[i] * divergence[-1]).sum(axis=1)
        return Penalty(expected, tuple(divergence), None, reference.blocks, coefficient)

    def credit(self, terminal: Floats | None, penalty: Penalty | None = None, *, keep: bool = True) -> Credit:
        """Return gradient and energy: one sweep from the leaves to the root."""
        chain, blocks = self.chain, self.sampler.blocks
        rho = chain.prompt_weight[:, None, None]
        energy = np.zeros((chain.n_prompts, chain.max_length))
        gradient: list[Floats] = []
        last = chain.verdict.positions.max(axis=1, initial=-1)
        leaf = None if terminal is None else chain.verdict.spread(terminal)
        ahead: Floats = np.zeros_like(self.reach[-1])
        for i in reversed(range(chain.max_length)):
            rows = blocks[i]
            advantage = np.zeros(rows.shape)
            if leaf is not None:
                ends = (chain.lengths == i + 1)[:, None]
                ahead = np.where(ends, np.take_along_axis(leaf, self.states[i + 1], axis=1), ahead)
                after = ahead.reshape(rows.shape)
                here = np.einsum("xhv,xhv->xh", rows.prob, after)
                # After the last relevant token nothing depends on the token: exactly zero, not zero up to rounding.
                matters = self._drawn(i) if penalty is not None else last >= i
                advantage = np.where(matters[:, None, None], after - here[..., None], 0.0)
                ahead = here
            if penalty is not None:
                c = penalty.coefficient[:, i, None]
                advantage = advantage + c[..., None] * log_ratio(rows, penalty.reference[i])[0]
                ahead = ahead + c * penalty.divergence[i] if leaf is not None else ahead
            pushed = self.reach[i][..., None] * rows.prob * advantage
            energy[:, i] = (pushed * advantage).sum(axis=(1, 2))
            if keep:
                gradient.append(rho * pushed)
        return Credit(tuple(gradient[::-1]) if keep else None, energy)

    def imitate(self, expert: TokenPass, coefficient: Floats, *, keep: bool) -> tuple[Credit, Floats]:
        """Return gradient, energy and expected log-likelihood on the expert's answers."""
        assert isinstance(expert, TreePass)
        rho = self.chain.prompt_weight[:, None, None]
        energy, expected = np.zeros(coefficient.shape), np.zeros(len(coefficient))
        gradient: list[Floats] = []
        for i, (rows, shown) in enumerate(zip(self.sampler.blocks, expert.sampler.blocks, strict=True)):
            c, met = coefficient[:, i, None], expert.reach[i]
            energy[:, i] = imitation_energy(c, self.reach[i], met, chi_square(rows, shown)).sum(axis=1)
            expected += met_sum(expected_log(shown, rows), c * met)
            if keep:
                gradient.append(rho * (c * met)[..., None] * (shown.prob - rows.prob))
        return Credit(tuple(gradient) if keep else None, energy), expected

r"""What a token policy must be able to do: one forward pass over its tokens, and one backward pass per objective.

For a prefix h of probability P(h) with next-token probabilities :math:`\pi(v \mid h)`, every on-policy objective gives each
token an advantage A(h, v) with mean zero under :math:`\pi(\cdot \mid h)`; the gradient with respect to the logits of h and
the energy are

.. math:: g(h, v) = P(h)\,\pi(v \mid h)\,A(h, v), \qquad e = \sum_h P(h) \sum_v \pi(v \mid h)\,A(h, v)^2

per turn. Two things make up A: what the answer leads to, and what the token itself costs:

* **terminal**: a value T(m) for every class m of answers, the same for all tokens of the answer; its part of A is
  :math:`E[T \mid h, v] - E[T \mid h]`;
* **penalty**: c(i) log(pi/ref) for the token at position i; its own part of A is the centred log-ratio, and, when the penalty is
  differentiated in full, later tokens' divergences are part of what h and v lead to.

A policy that does not see the whole prefix shares parameters between prefixes: its A is the average over the prefixes that share
them, which is why its energy can only be lower.

The most general policy stands here as well, :class:`FullTree`: the reference that those for long answers are tested against.

Source: derived here; the policy-gradient theorem with tokens as actions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, Ints
from dstheory.errors import ChainError
from dstheory.texts import counted
from dstheory.tokens.model import TokenChain
from dstheory.tokens.rows import Categorical, centred_ratio, imitation, refuse_infinite, row_divergence


@dataclass(frozen=True, eq=False)
class TokenGradient:
    """What one objective does to the tokens.

    Attributes:
        gradient: with respect to the logits, one array per block of the policy, prompt distribution included; None if not asked.
        energy: (X, L) energy of each position, for one visit and one prompt.
    """

    gradient: tuple[Floats, ...] | None
    energy: Floats


@dataclass(frozen=True, eq=False)
class TokenPenalty:
    """A penalty c(i) log(pi/ref) on every token, prepared by a pass.

    Attributes:
        expected: (X,) its expected sum over an answer.
        divergence: KL of every row, one array per block of the policy; 0 where a row is never met.
        local: gradient and energy of the tokens' own part, where the pass has them at once; else None.
        reference: the rows that the log-ratio refers to.
        coefficient: (X, L) c.
        means: mean difference of the logits of every row, where compiled loops ask for it.
    """

    expected: Floats
    divergence: tuple[Floats, ...]
    local: TokenGradient | None
    reference: tuple[Categorical, ...]
    coefficient: Floats
    means: tuple[Floats | None, ...] = ()


class TokenSampler(ABC):
    """How answers are sampled token by token: a few blocks of rows, whose logits are the parameters.

    Attributes:
        kind: what it is, for messages.
        blocks: the rows.
        places: the positions of each block, as an index of a position axis.
    """

    kind: ClassVar[str]
    places: tuple[int | slice, ...]
    blocks: tuple[Categorical, ...]

    @property
    @abstractmethod
    def size(self) -> tuple[int, int, int]:
        """(X, L, S): prompts, positions, symbols."""

    @abstractmethod
    def start(self, chain: TokenChain) -> TokenPass:
        """Return a forward pass over the tokens of a chain."""

    @abstractmethod
    def as_tree(self) -> FullTree:
        """Return the same distribution with a row for every prefix: the tabular policy that this one restricts."""

    def check_fits(self, chain: TokenChain, what: str = "policy") -> None:
        """Raise ChainError unless prompts, positions and symbols are those of the chain."""
        wanted = (chain.n_prompts, chain.max_length, chain.symbols)
        if self.size != wanted:
            raise ChainError(
                f"the {what} has {_sized(self.size)} but the chain has {wanted[0]} x {wanted[1]} of {wanted[2]}"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_sized(self.size, 'up to ')})"


def _sized(size: tuple[int, int, int], most: str = "") -> str:
    """Return a sampler's prompts, positions and symbols in words."""
    prompts, length, symbols = size
    return f"{counted(prompts, 'prompt')} x {most}{counted(length, 'token')} of {counted(symbols, 'symbol')}"


class TokenPass(ABC):
    """A forward pass: the class probabilities of answers, and what the backward passes need.

    Attributes:
        classes: (X, M) probability of each class of answers.
        reach: probability that each row is met, (X, ...) per block of the sampler.
    """

    chain: TokenChain
    sampler: TokenSampler
    classes: Floats
    reach: Sequence[Floats]

    @abstractmethod
    def credit(self, terminal: Floats | None, penalty: TokenPenalty | None = None, *, keep: bool = True) -> TokenGradient:
        """Return gradient and energy of values T(m) of classes, (X, M), and of a penalty.

        Without a terminal only the tokens' own part of the penalty counts: its direct term.
        """

    def penalty(self, reference: TokenSampler, coefficient: Floats, *, keep: bool) -> TokenPenalty:
        """Return the penalty c(i) log(pi/ref).

        Args:
            reference: a sampler of the same kind.
            coefficient: (X, L) c, zero beyond an answer's end.
            keep: whether the gradient will be wanted.

        Raises:
            InfiniteDivergenceError: the reference rules out a token that the policy draws.
        """
        same_kind(self.sampler, reference, "reference")
        expected, divergence, means = np.zeros(self.chain.n_prompts), [], []
        for place, rows, ref, reach in zip(self.sampler.places, self.sampler.blocks, reference.blocks, self.reach, strict=True):
            c = _beside(coefficient[:, place], reach)
            each, mean = row_divergence(rows, ref)
            means.append(mean)
            divergence.append(np.where((reach > 0.0) & (c != 0.0), each, 0.0))
            refuse_infinite(divergence[-1], place)
            expected += _per_prompt(c * reach * divergence[-1])
        return TokenPenalty(expected, tuple(divergence), None, reference.blocks, coefficient, tuple(means))

    def imitate(self, expert: TokenPass, coefficient: Floats, *, keep: bool) -> tuple[TokenGradient, Floats]:
        """Return gradient and energy of c(i) log pi on an expert's answers, and its expectation (X,), -inf where ruled out.

        A row that the policy meets d and the expert d_E times per answer has energy (c d_E)^2/d chi2: 0 where there is nothing to
        imitate, inf where the policy never goes.
        """
        energy, expected, gradient = np.zeros(coefficient.shape), np.zeros(len(coefficient)), []
        both = zip(self.sampler.places, self.sampler.blocks, expert.sampler.blocks, self.reach, expert.reach, strict=True)
        for place, rows, shown, reach, met in both:
            weight = _beside(coefficient[:, place], reach) * met
            # All three are 0 in rows of weight 0: what is never met counts nothing, even -inf.
            cross, chi2, pushed = imitation(rows, shown, weight, self.chain.prompt_weight, keep=keep)
            with np.errstate(divide="ignore", invalid="ignore"):
                spent = np.square(weight)
                spent /= reach  # in place, as below: tables of all positions, whose memory costs more than the arithmetic
                spent *= chi2
            spent[chi2 == 0.0] = 0.0
            contexts = tuple(range(coefficient[:, place].ndim, spent.ndim))
            energy[:, place] = spent.sum(axis=contexts) if contexts else spent
            cross *= weight
            expected += _per_prompt(cross)
            gradient.append(pushed)
        return TokenGradient(tuple(g for g in gradient if g is not None) if keep else None, energy), expected


def same_kind(own: TokenSampler, other: TokenSampler, what: str) -> None:
    """Raise ChainError unless two samplers have the same kind of rows."""
    if type(own) is not type(other):
        raise ChainError(
            f"the policy is {own.kind} but the {what} is {other.kind}: rows can only be compared within one kind; "
            "convert with as_markov() or as_tree()"
        )


def _beside(coefficient: Floats, reach: Floats) -> Floats:
    """Return the coefficient of each position with axes of length 1 for the contexts of a block's rows."""
    return coefficient.reshape(coefficient.shape + (1,) * (reach.ndim - coefficient.ndim))


def _per_prompt(per_row: Floats) -> Floats:
    return np.asarray(per_row.reshape(len(per_row), -1).sum(axis=1))


class FullTree(TokenSampler):
    """A row of its own for every prefix: exact for any policy; S^L leaves.

    Level i holds the rows of the :math:`S^i` prefixes of i tokens, numbered in base S (first token most significant). The forward
    pass multiplies down the tree, the backward pass averages up. Any distribution over answers is such a policy.

    Make one with :meth:`from_logits` or :meth:`from_probabilities`: one table (X, S^i, S) per level i = 0..L-1. Rows of prefixes
    beyond the end of a prompt's answers are ignored.

    Example:
        >>> tree = FullTree.from_probabilities([[[[0.5, 0.5]]], [[[0.25, 0.75], [1.0, 0.0]]]])
        >>> tree.size
        (1, 2, 2)
    """

    kind = "a full tree"

    def __init__(self, levels: Sequence[Categorical]) -> None:
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
        self.places = tuple(range(len(levels)))

    @classmethod
    def from_logits(cls, levels: Sequence[ArrayLike]) -> FullTree:
        """Return the tree with these logits, one table (X, S^i, S) per level.

        Raises:
            ChainError: a table of the wrong shape, a NaN, or a row without a possible symbol.
        """
        return cls([Categorical.from_logits(level, axes=("prompt", "prefix")) for level in levels])

    @classmethod
    def from_probabilities(cls, levels: Sequence[ArrayLike]) -> FullTree:
        """Return the tree with these probabilities, one table (X, S^i, S) per level.

        Raises:
            ChainError: a table of the wrong shape, an entry outside [0, 1], or a row that does not sum to 1.
        """
        return cls([Categorical.from_probabilities(level, axes=("prompt", "prefix")) for level in levels])

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
        reach: per level i = 0..L-1, (X, S^i) probability of each prefix (0 beyond an answer's end).
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
            reach[i] = np.where(chain.inside[:, i, None], reach[i], 0.0)
            reach.append((reach[i][..., None] * rows.prob).reshape(prompts, -1))
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
        self.reach, self.states = reach[:-1], states

    def credit(self, terminal: Floats | None, penalty: TokenPenalty | None = None, *, keep: bool = True) -> TokenGradient:
        """Return gradient and energy: one sweep from the leaves to the root."""
        chain, blocks = self.chain, self.sampler.blocks
        rho = chain.prompt_weight[:, None, None]
        energy = np.zeros((chain.n_prompts, chain.max_length))
        gradient: list[Floats] = []
        last = chain.verdict.positions.max(axis=1, initial=-1)
        leaf = None if terminal is None else chain.verdict.spread(terminal)
        ahead: Floats = np.zeros(self.states[-1].shape)
        for i in reversed(range(chain.max_length)):
            rows = blocks[i]
            advantage = np.zeros(rows.shape)
            if leaf is not None:
                ends = (chain.lengths == i + 1)[:, None]
                ahead = np.where(ends, np.take_along_axis(leaf, self.states[i + 1], axis=1), ahead)
                after = ahead.reshape(rows.shape)
                here = np.einsum("xhv,xhv->xh", rows.prob, after)
                # After the last relevant token nothing depends on the token: exactly zero, not zero up to rounding.
                matters = chain.inside[:, i] if penalty is not None else last >= i
                advantage = np.where(matters[:, None, None], after - here[..., None], 0.0)
                ahead = here
            if penalty is not None:
                c = penalty.coefficient[:, i, None]
                advantage = advantage + c[..., None] * centred_ratio(rows, penalty.reference[i])
                ahead = ahead + c * penalty.divergence[i] if leaf is not None else ahead
            pushed = self.reach[i][..., None] * rows.prob * advantage
            energy[:, i] = (pushed * advantage).sum(axis=(1, 2))
            if keep:
                gradient.append(rho * pushed)
        return TokenGradient(tuple(gradient[::-1]) if keep else None, energy)

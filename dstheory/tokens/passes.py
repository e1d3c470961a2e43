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

Source: derived here; the policy-gradient theorem with tokens as actions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.tokens.model import TokenChain
from dstheory.tokens.rows import Rows

__all__ = [
    "Credit",
    "Penalty",
    "TokenPass",
    "TokenSampler",
    "imitation_energy",
    "met_sum",
    "same_kind",
]


@dataclass(frozen=True, eq=False)
class Credit:
    """What one objective does to the tokens.

    Attributes:
        gradient: with respect to the logits, one array per block of the policy, prompt distribution included; None if not asked.
        energy: (X, L) energy of each position, for one visit and one prompt.
    """

    gradient: tuple[Floats, ...] | None
    energy: Floats


@dataclass(frozen=True, eq=False)
class Penalty:
    """A penalty c(i) log(pi/ref) on every token, prepared by a pass.

    Attributes:
        expected: (X,) its expected sum over an answer.
        divergence: KL of every row, one array per block of the policy; 0 where a row is never met.
        local: gradient and energy of the tokens' own part, where the pass has them at once; else None.
        reference: the rows that the log-ratio refers to.
        coefficient: (X, L) c.
    """

    expected: Floats
    divergence: tuple[Floats, ...]
    local: Credit | None
    reference: tuple[Rows, ...]
    coefficient: Floats


class TokenSampler(ABC):
    """How answers are sampled token by token: a few blocks of rows, whose logits are the parameters.

    Attributes:
        kind: what it is, for messages.
        blocks: the rows.
    """

    kind: ClassVar[str]
    blocks: tuple[Rows, ...]

    @property
    @abstractmethod
    def size(self) -> tuple[int, int, int]:
        """(X, L, S): prompts, positions, symbols."""

    @abstractmethod
    def start(self, chain: TokenChain) -> TokenPass:
        """Return a forward pass over the tokens of a chain."""

    def check_fits(self, chain: TokenChain, what: str = "policy") -> None:
        """Raise ChainError unless prompts, positions and symbols are those of the chain."""
        wanted = (chain.n_prompts, chain.max_length, chain.symbols)
        if self.size != wanted:
            raise ChainError(
                f"the {what} has {self.size[0]} prompts x {self.size[1]} tokens of {self.size[2]} symbols but the chain has "
                f"{wanted[0]} x {wanted[1]} of {wanted[2]}"
            )

    def __repr__(self) -> str:
        x, length, symbols = self.size
        return f"{type(self).__name__}({x} prompts x up to {length} tokens of {symbols} symbols)"


class TokenPass(ABC):
    """A forward pass: the class probabilities of answers, and what the backward passes need.

    Attributes:
        classes: (X, M) probability of each class of answers.
    """

    chain: TokenChain
    classes: Floats

    @abstractmethod
    def penalty(self, reference: TokenSampler, coefficient: Floats, *, keep: bool) -> Penalty:
        """Return the penalty c(i) log(pi/ref).

        Args:
            reference: a sampler of the same kind.
            coefficient: (X, L) c, zero beyond an answer's end.
            keep: whether the gradient will be wanted.

        Raises:
            InfiniteDivergenceError: the reference rules out a token that the policy draws.
        """

    @abstractmethod
    def credit(self, terminal: Floats | None, penalty: Penalty | None = None, *, keep: bool = True) -> Credit:
        """Return gradient and energy of values T(m) of classes, (X, M), and of a penalty.

        Without a terminal only the tokens' own part of the penalty counts: its direct term.
        """

    @abstractmethod
    def imitate(self, expert: TokenPass, coefficient: Floats, *, keep: bool) -> tuple[Credit, Floats]:
        """Return gradient and energy of c(i) log pi on an expert's answers, and its expectation (X,), -inf where ruled out."""


def same_kind(own: TokenSampler, other: TokenSampler, what: str) -> None:
    """Raise ChainError unless two samplers have the same kind of rows."""
    if type(own) is not type(other):
        raise ChainError(
            f"the policy is {own.kind} but the {what} is {other.kind}: rows can only be compared within one kind; "
            "convert with as_markov() or as_tree()"
        )


def imitation_energy(coefficient: Floats, reach: Floats, expert_reach: Floats, divergence: Floats) -> Floats:
    """Return (c d_E)^2/d x chi2 of every row: 0 where there is nothing to imitate, inf where the policy never goes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = np.square(coefficient * expert_reach) / reach * divergence
    return np.asarray(np.where((coefficient == 0.0) | (expert_reach == 0.0) | (divergence == 0.0), 0.0, energy))


def met_sum(per_row: Floats, met: Floats) -> Floats:
    """Return the sum over the last axis of rows times how often they are met: what is never met counts nothing, even -inf."""
    return np.asarray((np.where(met == 0.0, 0.0, per_row) * met).sum(axis=-1))

r"""Position-wise factored token policies: tokens are independent, each with a row of its own. The policy for long answers.

For independent tokens everything separates. Occupancies are 1 at every position; a terminal value is felt by relevant tokens
only; a penalty's energy is the sum over positions of :math:`c_i^2 Var(\log \pi_i/ref_i)`, an imitation's the sum of
:math:`c_i^2 \chi^2_i`. So one pass over the table does it, and a reward does not even look at the padding.

Source: derived here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats
from dstheory.tokens import rowwise
from dstheory.tokens.full_tree import FullTree
from dstheory.tokens.independent import read
from dstheory.tokens.markov import Markov
from dstheory.tokens.model import TokenChain
from dstheory.tokens.passes import Credit, Penalty, TokenPass, TokenSampler, met_sum, same_kind
from dstheory.tokens.rows import Rows, refuse_infinite

__all__ = ["Factored"]

_AXES = ("prompt", "position")


class Factored(TokenSampler):
    """One row per position.

    Make one with :meth:`from_logits` or :meth:`from_probabilities`: a table (X, L, S). Rows beyond the end of a prompt's answers
    are ignored.

    >>> Factored.from_probabilities([[[0.5, 0.5], [0.25, 0.75]]]).size
    (1, 2, 2)
    """

    kind = "factored"

    def __init__(self, rows: Rows) -> None:
        self.blocks = (rows,)

    @classmethod
    def from_logits(cls, logits: ArrayLike) -> Factored:
        """Return the policy with these logits.

        Raises:
            ChainError: a table of the wrong shape, a NaN, or a row without a possible symbol.
        """
        return cls(Rows.from_logits(logits, axes=_AXES))

    @classmethod
    def from_probabilities(cls, prob: ArrayLike) -> Factored:
        """Return the policy with these probabilities.

        Raises:
            ChainError: a table of the wrong shape, an entry outside [0, 1], or a row that does not sum to 1.
        """
        return cls(Rows.from_probabilities(prob, axes=_AXES))

    @property
    def size(self) -> tuple[int, int, int]:
        """(X, L, S)."""
        prompts, length, symbols = self.blocks[0].shape
        return prompts, length, symbols

    def as_markov(self) -> Markov:
        """Return the same distribution with a row for every previous token."""
        rows, (_, length, symbols) = self.blocks[0], self.size
        positions = np.repeat(np.arange(1, length), symbols).reshape(length - 1, symbols)
        return Markov(rows.take(slice(None), 0), rows.take(slice(None), positions))

    def as_tree(self) -> FullTree:
        """Return the same distribution with a row for every prefix: the tabular policy that this one restricts."""
        return self.as_markov().as_tree()

    def start(self, chain: TokenChain) -> FactoredPass:
        """Return a forward pass."""
        return FactoredPass(chain, self)


class FactoredPass(TokenPass):
    """The forward pass: relevant tokens only."""

    def __init__(self, chain: TokenChain, sampler: Factored) -> None:
        sampler.check_fits(chain)
        self.chain, self.sampler = chain, sampler
        self.reading = read(chain.verdict, sampler.blocks[0])
        self.classes = self.reading.classes

    def penalty(self, reference: TokenSampler, coefficient: Floats, *, keep: bool) -> Penalty:
        """Return the penalty; see :meth:`TokenPass.penalty`."""
        same_kind(self.sampler, reference, "reference")
        rho = self.chain.prompt_weight
        kl, variance, gradient = rowwise.penalty(self.sampler.blocks[0], reference.blocks[0], coefficient, rho, keep=keep)
        refuse_infinite(kl, coefficient != 0.0, "some position")
        local = Credit(None if gradient is None else (gradient,), coefficient**2 * variance)
        return Penalty((coefficient * kl).sum(axis=1), (kl,), local, reference.blocks, coefficient)

    def credit(self, terminal: Floats | None, penalty: Penalty | None = None, *, keep: bool = True) -> Credit:
        """Return gradient and energy; the terminal value changes the rows of relevant tokens only, in the penalty's own table."""
        local = None if penalty is None else penalty.local
        shape = self.sampler.blocks[0].shape
        energy = np.zeros(shape[:2]) if local is None else local.energy.copy()
        gradient = None if local is None or local.gradient is None else local.gradient[0]
        if gradient is None and keep:
            gradient = np.zeros(shape)
        if terminal is not None:
            self.reading.credit(terminal, penalty, self.chain.prompt_weight, gradient, energy)
        return Credit(None if gradient is None or not keep else (gradient,), energy)

    def imitate(self, expert: TokenPass, coefficient: Floats, *, keep: bool) -> tuple[Credit, Floats]:
        """Return gradient, energy and expected log-likelihood on the expert's answers."""
        assert isinstance(expert, FactoredPass)
        rho = self.chain.prompt_weight
        cross, chi2, gradient = rowwise.imitation(self.sampler.blocks[0], expert.sampler.blocks[0], coefficient, rho, keep=keep)
        with np.errstate(invalid="ignore"):
            energy = np.where(coefficient == 0.0, 0.0, coefficient**2 * chi2)
        return Credit(None if gradient is None else (gradient,), energy), met_sum(cross, coefficient)

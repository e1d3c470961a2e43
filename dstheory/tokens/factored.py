r"""Position-wise factored token policies: tokens are independent, each with a row of its own. The policy for long answers.

For independent tokens everything separates. Occupancies are 1 at every position; a terminal value is felt by relevant tokens
only; a penalty's energy is the sum over positions of :math:`c_i^2 Var(\log \pi_i/ref_i)`, an imitation's the sum of
:math:`c_i^2 \chi^2_i`. So one pass over the table does it, and a reward does not even look at the padding.

The verdict's state after r relevant tokens is a Markov chain: forward, :math:`\alpha_r(a)` is its distribution; backward,
:math:`\beta_r(a)` the expected terminal value. A symbol v of relevant token r is worth
:math:`\sum_a \alpha_r(a)\, \beta_{r+1}(a \to v)`. For a conjunction both passes are running products of hit probabilities:

.. math:: A_r(v) = (1\{v = target_r\} - h_r)\, gap_r, \qquad gap_r = \prod_{r' \neq r} h_{r'}\, (T(correct) - T(wrong)),

computed from the products before and after r, never by dividing by h_r.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, Ints
from dstheory.tokens.markov import Markov
from dstheory.tokens.model import Automaton, Conjunction, TokenChain
from dstheory.tokens.rows import Categorical, centred_ratio, over_blocks, penalty, refuse_infinite
from dstheory.tokens.samplers import FullTree, TokenGradient, TokenPass, TokenPenalty, TokenSampler, same_kind

_BLOCK = 1 << 20  # relevant entries that are looked at together


class Factored(TokenSampler):
    """One row per position.

    Make one with :meth:`from_logits` or :meth:`from_probabilities`: a table (X, L, S). Rows beyond the end of a prompt's answers
    are ignored.

    Example:
        >>> Factored.from_probabilities([[[0.5, 0.5], [0.25, 0.75]]]).size
        (1, 2, 2)
    """

    kind = "factored"
    places = (slice(None),)

    def __init__(self, rows: Categorical) -> None:
        self.blocks = (rows,)

    @classmethod
    def from_logits(cls, logits: ArrayLike) -> Factored:
        """Return the policy with these logits.

        Raises:
            ChainError: a table of the wrong shape, a NaN, or a row without a possible symbol.
        """
        return cls(Categorical.from_logits(logits, axes=("prompt", "position")))

    @classmethod
    def from_probabilities(cls, prob: ArrayLike) -> Factored:
        """Return the policy with these probabilities.

        Raises:
            ChainError: a table of the wrong shape, an entry outside [0, 1], or a row that does not sum to 1.
        """
        return cls(Categorical.from_probabilities(prob, axes=("prompt", "position")))

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
        verdict, rows = chain.verdict, sampler.blocks[0]
        self.reading: ConjunctionReading | AutomatonReading = (
            ConjunctionReading(verdict, rows) if isinstance(verdict, Conjunction) else AutomatonReading(verdict, rows)
        )
        self.classes = self.reading.classes
        self.reach = (np.ones(rows.shape[:2]),)

    def penalty(self, reference: TokenSampler, coefficient: Floats, *, keep: bool) -> TokenPenalty:
        """Return the penalty with the gradient and the energy of its own part, which come out of the same loop."""
        same_kind(self.sampler, reference, "reference")
        rho = self.chain.prompt_weight
        kl, variance, gradient = penalty(self.sampler.blocks[0], reference.blocks[0], coefficient, rho, keep=keep)
        refuse_infinite(kl, slice(None))
        local = TokenGradient(None if gradient is None else (gradient,), coefficient**2 * variance)
        return TokenPenalty((coefficient * kl).sum(axis=1), (kl,), local, reference.blocks, coefficient)

    def credit(self, terminal: Floats | None, penalty: TokenPenalty | None = None, *, keep: bool = True) -> TokenGradient:
        """Return gradient and energy; the terminal value changes the rows of relevant tokens only, in the penalty's own table."""
        local = None if penalty is None else penalty.local
        shape = self.sampler.blocks[0].shape
        energy = np.zeros(shape[:2]) if local is None else local.energy.copy()
        gradient = None if local is None or local.gradient is None else local.gradient[0]
        if gradient is None and keep:
            gradient = np.zeros(shape)
        if terminal is not None:
            self.reading.credit(terminal, penalty, self.chain.prompt_weight, gradient, energy)
        return TokenGradient(None if gradient is None or not keep else (gradient,), energy)


class ConjunctionReading:
    """Running products of the probabilities to hit the required symbols."""

    def __init__(self, verdict: Conjunction, rows: Categorical) -> None:
        self.rows = rows
        self.prompts, self.which, self.positions = verdict.relevant()
        self.targets = verdict.targets[self.prompts, self.which]
        self.hit, self.miss = self._hits()
        hits, misses = np.ones(verdict.positions.shape), np.zeros(verdict.positions.shape)
        hits[self.prompts, self.which], misses[self.prompts, self.which] = self.hit, self.miss
        one = np.ones((len(hits), 1))
        self.before = np.cumprod(np.concatenate([one, hits], axis=1), axis=1)
        self.after = np.cumprod(np.concatenate([one, hits[:, ::-1]], axis=1), axis=1)[:, ::-1]
        # P(wrong): the first miss is at r. A sum of non-negative terms, where 1 - P(correct) would cancel.
        self.classes = np.stack([self.before[:, -1], (self.before[:, :-1] * misses).sum(axis=1)], axis=1)

    def _hits(self) -> tuple[Floats, Floats]:
        """Return the probability of each target, and of all other symbols: not as one minus the first, which may cancel."""
        if not self.rows.large:
            prob = self.rows.take(self.prompts, self.positions).prob
            other = np.arange(prob.shape[1]) != self.targets[:, None]
            return prob[np.arange(len(prob)), self.targets], np.where(other, prob, 0.0).sum(axis=1)
        from dstheory.tokens.kernels import hit_rows

        hit, miss = np.empty(len(self.prompts)), np.empty(len(self.prompts))
        over_blocks(hit_rows, self.rows.flat_logits(), (self._at(), self.targets, hit, miss), self.rows.shape[2])
        return hit, miss

    def _at(self) -> Ints:
        """Return the index of each relevant token's row in the flat table."""
        return self.prompts * self.rows.shape[1] + self.positions

    def credit(
        self, terminal: Floats, penalty: TokenPenalty | None, rho: Floats, gradient: Floats | None, energy: Floats
    ) -> None:
        """Overwrite gradient (X, L, S) and energy (X, L) at the relevant tokens, a penalty's own part included.

        The closed form above; a row's own miss probability keeps its mean at zero where a hit is nearly certain.

        Args:
            terminal: (X, M) values of classes.
            penalty: on every token, or None.
            rho: (X,) weight of each prompt in the gradient.
            gradient, energy: filled in place; no gradient is written if it is None.
        """
        x, i = self.prompts, self.positions
        others = (self.before[:, :-1] * self.after[:, 1:])[x, self.which]
        gap = (terminal[:, 0] - terminal[:, 1])[x] * others
        if not self.rows.large:
            rows = self.rows.take(x, i)
            advantage = np.repeat((-self.hit * gap)[:, None], rows.shape[1], axis=1)
            advantage[np.arange(len(x)), self.targets] = self.miss * gap
            _write(rows, (x, i), advantage, penalty, rho, gradient, energy)
            return
        from dstheory.tokens.kernels import required_rows

        own, coefficient = self.rows.flat_logits(), np.zeros(len(x))
        reference = own  # stands in where there is no penalty: it is not looked at
        if penalty is not None:
            reference, coefficient = penalty.reference[0].flat_logits(), penalty.coefficient[x, i]
        spread, width = np.empty(len(x)), self.rows.shape[2]
        shared = *own, *reference, None if gradient is None else gradient.reshape(-1, width)
        each = self._at(), self.targets, self.hit, self.miss, gap, coefficient, rho[x], spread
        over_blocks(required_rows, shared, each, width)
        energy[x, i] = spread


class AutomatonReading:
    """The general case: forward and backward over the relevant tokens, in blocks of prompts."""

    def __init__(self, verdict: Automaton, rows: Categorical) -> None:
        self.verdict, self.rows = verdict, rows
        self.classes = np.concatenate([verdict.gather(self._forward(who, part.prob)[1], who) for who, _, part in self._blocks()])

    def _blocks(self) -> Iterator[tuple[Ints, Ints, Categorical]]:
        """Blocks of prompts with the positions and the rows of their relevant tokens, (x, R) and (x, R, S)."""
        positions = self.verdict.positions
        step = max(1, _BLOCK // max(1, positions.shape[1] * self.rows.shape[2]))
        for start in range(0, len(positions), step):
            who = np.arange(start, min(start + step, len(positions)))
            yield who, positions[who], self.rows.take(who[:, None], positions[who])

    def _forward(self, who: Ints, prob: Floats) -> tuple[list[Floats], Floats]:
        """Return the distribution of the state before every relevant token, and after the last."""
        alpha = np.zeros((len(who), self.verdict.states))
        alpha[:, 0] = 1.0
        before = []
        for r in range(prob.shape[1]):
            before.append(alpha)
            to = np.arange(len(who))[:, None, None] * self.verdict.states + self.verdict.steps(who, np.full(len(who), r))
            mass = alpha[..., None] * prob[:, r, None, :]
            moved: Floats = np.bincount(to.ravel(), weights=mass.ravel(), minlength=alpha.size)  # type: ignore[assignment]
            alpha = moved.reshape(alpha.shape)
        return before, alpha

    def credit(
        self, terminal: Floats, penalty: TokenPenalty | None, rho: Floats, gradient: Floats | None, energy: Floats
    ) -> None:
        """Do the same as for a conjunction, backwards over the relevant tokens."""
        leaf = self.verdict.spread(terminal)
        for who, positions, rows in self._blocks():
            before, _ = self._forward(who, rows.prob)
            beta = leaf[who]
            advantage = np.zeros(rows.shape)
            for r in reversed(range(rows.shape[1])):
                p, moves = rows.prob[:, r], self.verdict.steps(who, np.full(len(who), r))
                after = np.take_along_axis(beta[:, :, None], moves, axis=1)  # (x, A, S)
                worth = np.einsum("xa,xav->xv", before[r], after)
                advantage[:, r] = worth - (p * worth).sum(axis=1, keepdims=True)
                beta = np.einsum("xv,xav->xa", p, after)
            _write(rows, (who[:, None], positions), advantage, penalty, rho, gradient, energy)


def _write(
    rows: Categorical, at: tuple[Ints, Ints], advantage: Floats, penalty: TokenPenalty | None, rho: Floats,
    gradient: Floats | None, energy: Floats,
) -> None:  # fmt: skip
    """Write what rows with these advantages, and a penalty's own part, give at some prompts and positions."""
    if penalty is not None:
        advantage = advantage + penalty.coefficient[at][..., None] * centred_ratio(rows, penalty.reference[0].take(*at))
    energy[at] = (rows.prob * advantage**2).sum(axis=-1)
    if gradient is not None:
        gradient[at] = rho[at[0]][..., None] * rows.prob * advantage

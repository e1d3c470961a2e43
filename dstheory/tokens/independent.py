r"""Reading a verdict off independent tokens: class probabilities, and what each relevant token adds to a value of classes.

With independent tokens the automaton's state after r relevant tokens is a Markov chain: forward, :math:`\alpha_r(a)` is its
distribution; backward, :math:`\beta_r(a)` the expected terminal value. A symbol v of relevant token r is worth
:math:`\sum_a \alpha_r(a)\, \beta_{r+1}(a \to v)`. For a conjunction both passes are running products of hit probabilities:

.. math:: A_r(v) = (1\{v = target_r\} - h_r)\, gap_r, \qquad gap_r = \prod_{r' \neq r} h_{r'}\, (T(correct) - T(wrong)),

computed from the products before and after r, never by dividing by h_r.

Source: derived here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from dstheory.checks import Floats, Ints
from dstheory.tokens.passes import Penalty
from dstheory.tokens.rows import COMPILED_FROM, Rows, log_ratio, over_rows
from dstheory.tokens.verdict import Conjunction, Verdict

__all__ = ["AutomatonReading", "ConjunctionReading", "IndependentReading", "read"]

_BLOCK = 1 << 20  # relevant entries that are looked at together


class IndependentReading(ABC):
    """A verdict read off rows of independent tokens.

    Attributes:
        classes: (X, M) probability of each class.
    """

    classes: Floats

    @abstractmethod
    def credit(self, terminal: Floats, penalty: Penalty | None, rho: Floats, gradient: Floats | None, energy: Floats) -> None:
        """Overwrite gradient (X, L, S) and energy (X, L) at the relevant tokens, a penalty's own part included.

        Args:
            terminal: (X, M) values of classes.
            penalty: on every token, or None.
            rho: (X,) weight of each prompt in the gradient.
            gradient, energy: filled in place; no gradient is written if it is None.
        """


def read(verdict: Verdict, rows: Rows) -> IndependentReading:
    """Read a verdict off the rows (X, L, S) of independent tokens."""
    if isinstance(verdict, Conjunction):
        return ConjunctionReading(verdict, rows)
    return AutomatonReading(verdict, rows)


class ConjunctionReading(IndependentReading):
    """Running products of the probabilities to hit the required symbols."""

    def __init__(self, verdict: Conjunction, rows: Rows) -> None:
        self.rows = rows
        self.prompts, self.which, self.positions = verdict.relevant()
        self.targets = verdict.targets[self.prompts, self.which]
        self.hit, miss = _hits(rows, self.prompts, self.positions, self.targets)
        hits, misses = np.ones(verdict.positions.shape), np.zeros(verdict.positions.shape)
        hits[self.prompts, self.which], misses[self.prompts, self.which] = self.hit, miss
        one = np.ones((len(hits), 1))
        self.before = np.cumprod(np.concatenate([one, hits], axis=1), axis=1)
        self.after = np.cumprod(np.concatenate([one, hits[:, ::-1]], axis=1), axis=1)[:, ::-1]
        # P(wrong): the first miss is at r. A sum of non-negative terms, where 1 - P(correct) would cancel.
        self.classes = np.stack([self.before[:, -1], (self.before[:, :-1] * misses).sum(axis=1)], axis=1)
        self.miss = miss

    def credit(self, terminal: Floats, penalty: Penalty | None, rho: Floats, gradient: Floats | None, energy: Floats) -> None:
        """Write the closed form above; a row's own miss probability keeps its mean at zero where a hit is nearly certain."""
        x, i = self.prompts, self.positions
        others = (self.before[:, :-1] * self.after[:, 1:])[x, self.which]
        gap = (terminal[:, 0] - terminal[:, 1])[x] * others
        coefficient = np.zeros(len(x)) if penalty is None else penalty.coefficient[x, i]
        if self.rows.size >= COMPILED_FROM:
            from dstheory.tokens.kernels import required_rows

            spread = np.empty(len(x))
            tables = _normalised(self.rows)
            others_tables = tables if penalty is None else _normalised(penalty.reference[0])
            divergence = np.zeros(len(x)) if penalty is None else penalty.divergence[0][x, i]
            at, width = x * self.rows.shape[1] + i, self.rows.shape[2]
            flat = None if gradient is None else gradient.reshape(-1, width)

            def work(start: int, stop: int) -> None:
                part = slice(start, stop)
                required_rows(
                    *tables, *others_tables, at[part], self.targets[part], self.hit[part], self.miss[part], gap[part],
                    coefficient[part], divergence[part], rho[x[part]], flat, spread[part],
                )  # fmt: skip

            over_rows(work, len(x), width)
            energy[x, i] = spread
            return
        rows = self.rows.take(x, i)
        advantage = np.repeat((-self.hit * gap)[:, None], rows.shape[1], axis=1)
        advantage[np.arange(len(x)), self.targets] = self.miss * gap
        if penalty is not None:
            advantage = advantage + coefficient[:, None] * log_ratio(rows, penalty.reference[0].take(x, i))[0]
        energy[x, i] = (rows.prob * advantage**2).sum(axis=1)
        if gradient is not None:
            gradient[x, i] = rho[x, None] * rows.prob * advantage


class AutomatonReading(IndependentReading):
    """The general case: forward and backward over the relevant tokens, in blocks of prompts."""

    def __init__(self, verdict: Verdict, rows: Rows) -> None:
        self.verdict, self.rows = verdict, rows
        self.classes = np.concatenate([verdict.gather(self._forward(who, part.prob)[1], who) for who, _, part in self._blocks()])

    def _blocks(self) -> Iterator[tuple[Ints, Ints, Rows]]:
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

    def credit(self, terminal: Floats, penalty: Penalty | None, rho: Floats, gradient: Floats | None, energy: Floats) -> None:
        """Write the advantages, backwards over the relevant tokens."""
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
            at = who[:, None], positions
            if penalty is not None:
                excess, _ = log_ratio(rows, penalty.reference[0].take(*at))
                advantage = advantage + penalty.coefficient[at][..., None] * excess
            energy[at] = (rows.prob * advantage**2).sum(axis=-1)
            if gradient is not None:
                gradient[at] = rho[who, None, None] * rows.prob * advantage


def _hits(rows: Rows, prompts: Ints, positions: Ints, targets: Ints) -> tuple[Floats, Floats]:
    """Return the probability of each target, and of all other symbols: not as one minus the first, which may cancel."""
    if rows.size < COMPILED_FROM:
        prob = rows.take(prompts, positions).prob
        other = np.arange(prob.shape[1]) != targets[:, None]
        return prob[np.arange(len(prob)), targets], np.where(other, prob, 0.0).sum(axis=1)
    from dstheory.tokens.kernels import hit_rows

    tables, at = _normalised(rows), prompts * rows.shape[1] + positions
    hit, miss = np.empty(len(at)), np.empty(len(at))

    def work(start: int, stop: int) -> None:
        part = slice(start, stop)
        hit_rows(*tables, at[part], targets[part], hit[part], miss[part])

    over_rows(work, len(at), rows.shape[2])
    return hit, miss


def _normalised(rows: Rows) -> tuple[Floats, Floats, Floats]:
    return rows.logits.reshape(-1, rows.shape[-1]), rows.top.ravel(), rows.total.ravel()

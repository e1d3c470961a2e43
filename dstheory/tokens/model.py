r"""The two-stage chain whose answers are sequences of tokens.

A prompt x asks for an answer of L(x) tokens over an alphabet of S symbols. Sampling an answer is L draws, each given the prefix;
one decision follows, stop or resample, as in :class:`~dstheory.TwoStageMDP`. Correctness is a function of a known subset of
the tokens, and **the decision sees the answer only through its class**: correct or wrong by default, or the whole pattern of the
relevant tokens. That is an assumption about the decision stage, not about rewards, and it is what keeps the model exact at any
length: seen from the decision, the chain is a :class:`TwoStageMDP` whose "answers" are the classes.

Which answers are correct is read off the relevant tokens by an automaton:

* :class:`Conjunction`: correct iff every relevant token is the required symbol. Two states, however many tokens are relevant.
* :class:`PatternTable`: any function of the relevant tokens, given as a table; prefixes with the same future share a state.

The undiscounted occupancy of a prefix h is (visits of the turn) x P(h); scores of tokens are martingale differences, so Fisher
blocks of different prefixes are orthogonal and the sampling stage's energy is a sum over token positions.

Source: the chain is that of arXiv 2601.01580, section 3; the token level is derived here.
"""

from __future__ import annotations

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.mdp import TwoStageMDP
from dstheory.checks import Bools, Floats, Immutable, Ints, float_array, is_whole, readonly, reject, whole_number
from dstheory.errors import ChainError
from dstheory.texts import counted

CORRECT, WRONG = 0, 1  # class indices when the decision sees correctness; the order of the minimal chain
_MOST_PATTERNS = 1_000_000
_LONGEST = 1_000_000_000  # tokens of an answer


class Automaton(ABC):
    """A verdict: an automaton that reads the relevant tokens in order and says which class an answer falls into.

    It starts in state 0, each relevant token moves it, and the state after the last one gives the *class*: all that the decision
    stage sees of an answer, correct (0) or wrong (1) by default. Other tokens are *padding*: they leave the state alone.

    Attributes:
        positions: (X, R) relevant positions of each prompt, increasing; -1 where a prompt has fewer than R.
        states: A, the number of states of the automaton.
        classes: M, the number of classes of answers.
        final: (X, A) class of an answer by the state that its last relevant token led to.
        correct: (X, M) 1 where a class is correct.
    """

    positions: Ints
    states: int
    classes: int
    final: Ints
    correct: Floats

    @abstractmethod
    def steps(self, prompts: Ints, which: Ints) -> Ints:
        """Return the states that the symbols of the given relevant tokens lead to, (n, A, S).

        Args:
            prompts, which: (n,) prompts, and index into ``positions`` of one relevant token of each.
        """

    def relevant(self) -> tuple[Ints, Ints, Ints]:
        """Return prompt, index into ``positions`` and position of every relevant token, (n,) each."""
        prompts, which = np.nonzero(self.positions >= 0)
        return prompts, which, self.positions[prompts, which]

    def table_at(self, position: int, symbols: int) -> Ints | None:
        """Return the move of every prompt at a position, (X, A, S), or None if it is padding for all of them."""
        prompts, which = np.nonzero(self.positions == position)
        if not len(prompts):
            return None
        stay = np.arange(self.states)[:, None]
        table = np.broadcast_to(stay, (len(self.positions), self.states, symbols)).copy()
        table[prompts] = self.steps(prompts, which)
        return table

    def spread(self, per_class: Floats) -> Floats:
        """Return a quantity of classes (X, M) by final state, (X, A)."""
        return np.take_along_axis(per_class, self.final, axis=1)

    def gather(self, per_state: Floats, prompts: Ints | slice = slice(None)) -> Floats:
        """Return the sum over final states (x, A) of each class, (x, M), for some prompts."""
        out = np.zeros((per_state.shape[0], self.classes))
        final = self.final[prompts]
        for state in range(self.states):
            np.add.at(out, (np.arange(len(out)), final[:, state]), per_state[:, state])
        return out


class Conjunction(Automaton):
    """Correct iff every relevant token is the required symbol; state 0 says "so far", state 1 "no longer".

    Args:
        required: one mapping position -> symbol per prompt.
        lengths: (X,) tokens of an answer.
        symbols: size of the alphabet.

    Raises:
        ChainError: a position outside the answer, or a symbol outside the alphabet.

    Example:
        >>> verdict = Conjunction([{0: 2, 3: 1}], lengths=np.array([4]), symbols=3)
        >>> verdict.positions.tolist(), verdict.steps(np.array([0]), np.array([0]))[0].tolist()
        ([[0, 3]], [[1, 1, 0], [1, 1, 1]])
    """

    states = 2
    classes = 2

    def __init__(self, required: Sequence[Mapping[int, int]], *, lengths: Ints, symbols: int) -> None:
        ordered = [
            sorted((whole_number(i, "relevant position", low=0), whole_number(v, "required symbol", low=0)) for i, v in r.items())
            for r in required
        ]
        width = max((len(r) for r in ordered), default=0)
        pairs = np.full((len(ordered), width, 2), -1, dtype=object)  # whole numbers of any size, until they are checked
        for x, row in enumerate(ordered):
            pairs[x, : len(row)] = np.array(row, dtype=object).reshape(len(row), 2)
        positions, targets = pairs[..., 0], pairs[..., 1]
        _check_positions(positions >= lengths[:, None], positions)
        reject(targets >= symbols, targets, "required symbol", f"must lie in the alphabet 0..{symbols - 1}",
               "symbols are numbered from 0", axes=("prompt", "relevant token"))  # fmt: skip
        self.positions, self.targets = readonly(positions.astype(np.int64)), readonly(targets.astype(np.int64))
        self.symbols = symbols
        self.final = readonly(np.tile(np.array([CORRECT, WRONG]), (len(ordered), 1)))
        self.correct = readonly(np.tile(np.array([1.0, 0.0]), (len(ordered), 1)))

    def steps(self, prompts: Ints, which: Ints) -> Ints:
        """Return the moves: stay in 0 on the required symbol, else go to 1 and stay there."""
        moves = np.ones((len(prompts), 2, self.symbols), dtype=np.int64)
        moves[np.arange(len(prompts)), 0, self.targets[prompts, which]] = 0
        return moves


class PatternTable(Automaton):
    """Any 0/1 function of the relevant tokens, given as a table with one axis per relevant token.

    Args:
        positions: (R,) or (X, R) relevant positions, increasing, the same number for every prompt.
        table: (S, ..., S) with R axes, or (X, S, ..., S); 1 where the pattern makes the answer correct.
        lengths: (X,) tokens of an answer.
        symbols: S.
        by_pattern: the decision sees the whole pattern (a class each) instead of correctness alone.

    Raises:
        ChainError: positions that are unsorted or outside the answer, or a table of the wrong shape or not of 0 and 1.

    Example:
        >>> parity = PatternTable([0, 1], [[0, 1], [1, 0]], lengths=np.array([2]), symbols=2)
        >>> parity.states, parity.classes, parity.final.tolist()  # two prefixes, two classes
        (2, 2, [[0, 1]])
    """

    def __init__(self, positions: ArrayLike, table: ArrayLike, *, lengths: Ints, symbols: int, by_pattern: bool = False) -> None:
        places = float_array(positions, "positions", empty=True)
        prompts = len(lengths)
        if places.ndim not in (1, 2) or (places.ndim == 2 and places.shape[0] != prompts):
            raise ChainError(f"positions has shape {places.shape}: needs (relevant tokens,) or ({prompts}, relevant tokens)")
        whole = is_whole(places) & (np.abs(places) < _LONGEST)
        reject(~whole, places, "relevant position", f"must be a whole number below {_LONGEST:,}", "positions count from 0",
               axes=("prompt", "relevant token")[2 - places.ndim :])  # fmt: skip
        where = np.broadcast_to(places, (prompts, places.shape[-1])).astype(np.int64)
        _check_positions((where < 0) | (where >= lengths[:, None]), where)
        reject(np.diff(where, axis=1) <= 0, where[:, 1:], "relevant position", "must be larger than the one before it",
               "sort the positions and name each once", axes=("prompt", "relevant token"))  # fmt: skip
        relevant = where.shape[1]
        if relevant * math.log(symbols) > math.log(_MOST_PATTERNS):
            raise ChainError(
                f"the table would have {symbols}^{relevant} patterns: at most {_MOST_PATTERNS:,} are supported; "
                "use a conjunction, or fewer relevant tokens"
            )
        values = float_array(table, "table", empty=True)
        shape = (symbols,) * relevant
        if values.shape not in (shape, (prompts, *shape)):
            raise ChainError(f"table has shape {values.shape}: needs one axis of {symbols} symbols per relevant token, {shape}")
        shared = values.shape == shape
        flat = values.reshape(1 if shared else prompts, -1)
        reject((flat != 0) & (flat != 1), flat, "table", "must be 0 or 1", "mark each pattern right or wrong",
               axes=("prompt", "pattern"))  # fmt: skip
        self.positions = readonly(where)
        self.symbols = symbols
        self.classes = flat.shape[1] if by_pattern else 2
        labels = np.broadcast_to(np.arange(flat.shape[1]), flat.shape) if by_pattern else np.where(flat == 1, CORRECT, WRONG)
        layers = [_automaton(row, relevant, symbols) for row in labels]
        # One size for all prompts: automata with fewer states keep rows that are never reached.
        self.states = max(max(len(final), *(len(s) for s in steps), 1) for steps, final in layers)
        self._moves = np.zeros((len(layers), relevant, self.states, symbols), dtype=np.int64)
        final = np.zeros((len(layers), self.states), dtype=np.int64)
        for x, (steps, classes) in enumerate(layers):
            final[x, : len(classes)] = classes
            for r, step in enumerate(steps):
                self._moves[x, r, : len(step)] = step
        self.final = readonly(np.broadcast_to(final, (prompts, self.states)))
        correct = flat if by_pattern else np.array([[1.0, 0.0]])
        self.correct = readonly(np.broadcast_to(correct, (prompts, self.classes)))

    def steps(self, prompts: Ints, which: Ints) -> Ints:
        """Return the moves of the automaton."""
        return np.asarray(self._moves[prompts if len(self._moves) > 1 else np.zeros_like(prompts), which])


def _automaton(labels: Ints, relevant: int, symbols: int) -> tuple[list[Ints], Ints]:
    """Return the moves of each layer, (states, S) each, and the class of each last state: the smallest such automaton.

    From the last token backwards, two prefixes are the same state iff every next symbol leads them to the same state.
    """
    classes, ids = np.unique(labels, return_inverse=True)
    steps: list[Ints] = []
    for _ in range(relevant):
        moves, ids = np.unique(ids.reshape(-1, symbols), axis=0, return_inverse=True)
        ids = ids.reshape(-1)
        steps.append(moves)
    # What is left is one prefix, the empty one, in one state: number 0.
    return steps[::-1], classes


def _check_positions(outside: Bools, positions: Ints) -> None:
    reject(outside, positions, "relevant position", "must lie inside the answer",
           "positions count from 0 up to the answer's length minus 1", axes=("prompt", "relevant token"))  # fmt: skip


class TokenChain(Immutable):
    """A two-stage chain with answers of L tokens: immutable, validated as a whole.

    Args:
        lengths: L(x) >= 1, a number or (X,).
        symbols: S, size of the alphabet; symbols are 0..S-1.
        required: position -> symbol: the answer is correct iff it has these symbols there. One mapping for all prompts, or one
            per prompt.
        positions, table: instead of ``required``: relevant positions, and a 0/1 table over their patterns
            (see :class:`PatternTable`).
        by_pattern: with ``table``: the decision sees the whole pattern of the relevant tokens (S^R classes) instead of
            correctness.
        prompts: names of the prompts, used in messages.
        settings: ``reward``, ``resample_cost``, ``reward_stop``, ``reward_resample`` (tables over classes), ``decision_length``,
            ``prompt_weight``, ``gamma``, ``discount_per``, ``max_turns`` of :class:`TwoStageMDP`.

    Attributes:
        lengths: (X,) L(x).
        inside: (X, L) true where a position belongs to the answer, L the largest length.
        verdict: the automaton that reads correctness off the relevant tokens.
        classes: the chain as the decision stage sees it, answers lumped into classes (0 correct, 1 wrong by default).

    Raises:
        ChainError: names the prompt and position at fault, the value and the rule.

    Example:
        >>> chain = TokenChain(lengths=[3, 5], symbols=4, required=[{0: 2}, {1: 0, 4: 3}], gamma=0.9)
        >>> chain.n_prompts, chain.max_length, chain.classes.correct.tolist()
        (2, 5, [[1.0, 0.0], [1.0, 0.0]])
    """

    def __init__(
        self,
        *,
        lengths: ArrayLike,
        symbols: int,
        required: Mapping[int, int] | Sequence[Mapping[int, int]] | None = None,
        positions: ArrayLike | None = None,
        table: ArrayLike | None = None,
        by_pattern: bool = False,
        prompts: Sequence[str] | None = None,
        **settings: Any,
    ) -> None:
        if (required is None) == (table is None) or (table is None) != (positions is None):
            raise ChainError("give either required=, or positions= and table=: correctness needs exactly one definition")
        size = float_array(lengths, "lengths", empty=True)
        if size.ndim > 1 or size.size == 0:
            raise ChainError(f"lengths has shape {size.shape}: needs one length for all prompts, or one per prompt")
        n = size.shape[0] if size.ndim else 1
        each: list[Any] = [required] * n
        if required is not None and not isinstance(required, Mapping):
            each = list(required) if isinstance(required, Iterable) else each
            if not all(isinstance(one, Mapping) for one in each):
                raise ChainError(f"required is {reprlib.repr(required)}: must map positions to symbols, for each prompt")
            if size.ndim and len(each) != n:
                raise ChainError(f"required names {len(each)} prompts but lengths has {n}: give one mapping per prompt")
            n = len(each)
            if n == 0:
                raise ChainError("required is empty: a chain needs at least one prompt")
        whole = (size >= 1) & (size <= _LONGEST) & is_whole(size)
        rule = f"must be a whole number from 1 to {_LONGEST:,}"
        reject(~whole, size, "answer length", rule, "an answer has at least one token",
               axes=("prompt",)[1 - size.ndim :], prompts=prompts)  # fmt: skip
        self._set(lengths=readonly(np.broadcast_to(size, (n,)).astype(np.int64)))
        self._set(symbols=whole_number(symbols, "symbols", low=1, otherwise=", the size of the alphabet"))
        self._set(inside=readonly(np.arange(self.max_length) < self.lengths[:, None]))
        if required is not None:
            if by_pattern:
                raise ChainError("by_pattern needs positions= and table=: a conjunction is seen as correct or wrong")
            self._set(verdict=Conjunction(each, lengths=self.lengths, symbols=self.symbols))
        else:
            assert positions is not None
            assert table is not None
            verdict = PatternTable(positions, table, lengths=self.lengths, symbols=self.symbols, by_pattern=by_pattern)
            self._set(verdict=verdict)
        refused = {"correct", "n_answers", "sample_length"} & set(settings)
        if refused:
            raise ChainError(f"{', '.join(sorted(refused))} cannot be set: it follows from lengths and from what is correct")
        classes = TwoStageMDP(
            correct=self.verdict.correct, sample_length=self.lengths[:, None].astype(np.float64), prompts=prompts, **settings
        )
        if classes.runs:
            raise ChainError(f"the settings have run axes {classes.runs}: a token chain is one chain, loop over settings")
        self._set(classes=classes)

    _instead = "make a new one to change {name}"
    lengths: Ints
    symbols: int
    inside: Bools
    verdict: Automaton
    classes: TwoStageMDP

    @property
    def n_prompts(self) -> int:
        """X, the number of prompts."""
        return len(self.lengths)

    @property
    def max_length(self) -> int:
        """L, the largest number of tokens of an answer."""
        return int(self.lengths.max())

    @property
    def prompt_weight(self) -> Floats:
        """(X,) the prompt distribution rho."""
        return self.classes.prompt_weight

    def token_weight(self, weight: ArrayLike) -> Floats:
        """Return token weights as (X, L), zero beyond an answer's end.

        Args:
            weight: a number, or an array that broadcasts to (X, L); finite and >= 0.

        Raises:
            ChainError: another shape, or a weight that is negative or not finite.
        """
        table = float_array(weight, "token_weight")
        shape = (self.n_prompts, self.max_length)
        try:
            table = np.broadcast_to(table, shape)
        except ValueError as error:
            raise ChainError(f"token_weight has shape {table.shape}: must broadcast to (prompts, positions) = {shape}") from error
        reject(self.inside & ~((table >= 0) & np.isfinite(table)), table, "token_weight", "must be finite and >= 0",
               "1 counts every token once", axes=("prompt", "position"), prompts=self.classes.prompts)  # fmt: skip
        return np.where(self.inside, table, 0.0)

    def __repr__(self) -> str:
        low, high = int(self.lengths.min()), self.max_length
        span = counted(high, "token") if low == high else f"{low} to {counted(high, 'token')}"
        of = f"{counted(self.symbols, 'symbol')}, {counted(self.verdict.classes, 'class', 'classes')}"
        return f"TokenChain({counted(self.n_prompts, 'prompt')} x {span} of {of})"

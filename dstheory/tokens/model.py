r"""The two-stage chain whose answers are sequences of tokens.

A prompt x asks for an answer of L(x) tokens over an alphabet of S symbols. Sampling an answer is L draws, each given the prefix;
one decision follows, stop or resample, as in :class:`~dstheory.TwoStageMDP`. Correctness is a function of a known subset of
the tokens, and **the decision sees the answer only through its class**: correct or wrong by default, or the whole pattern of the
relevant tokens. That is an assumption about the decision stage, not about rewards, and it is what keeps the model exact at any
length: seen from the decision, the chain is a :class:`TwoStageMDP` whose "answers" are the classes.

The undiscounted occupancy of a prefix h is (visits of the turn) x P(h); scores of tokens are martingale differences, so Fisher
blocks of different prefixes are orthogonal and the sampling stage's energy is a sum over token positions.

Source: the chain is that of arXiv 2601.01580, section 3; the token level is derived here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.mdp import TwoStageMDP
from dstheory.checks import Bools, Floats, Ints, float_array, readonly, reject, whole_number
from dstheory.errors import ChainError
from dstheory.tokens.verdict import Conjunction, PatternTable, Verdict

__all__ = ["TokenChain"]


class TokenChain:
    """A two-stage chain with answers of L tokens: immutable, validated as a whole.

    Args:
        lengths: L(x) >= 1, a number or (X,).
        symbols: S, size of the alphabet; symbols are 0..S-1.
        required: position -> symbol: the answer is correct iff it has these symbols there. One mapping for all prompts, or one
            per prompt.
        positions, table: instead of ``required``: relevant positions, and a 0/1 table over their patterns
            (see :class:`dstheory.tokens.verdict.PatternTable`).
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

    Source: derived here.

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
        size = float_array(lengths, "lengths")
        if size.ndim > 1 or size.size == 0:
            raise ChainError(f"lengths has shape {size.shape}: needs one length for all prompts, or one per prompt")
        n = size.shape[0] if size.ndim else 1
        if required is not None and not isinstance(required, Mapping):
            if size.ndim and len(required) != n:
                raise ChainError(f"required names {len(required)} prompts but lengths has {n}: give one mapping per prompt")
            n = len(required)
            if n == 0:
                raise ChainError("required is empty: a chain needs at least one prompt")
        whole = (size >= 1) & (size == np.floor(size)) & np.isfinite(size)
        reject(~whole, size, "answer length", "must be a whole number >= 1", "an answer has at least one token",
               axes=("prompt",)[1 - size.ndim :], prompts=prompts)  # fmt: skip
        self._set("lengths", readonly(np.broadcast_to(size, (n,)).astype(np.int64)))
        self._set("symbols", whole_number(symbols, "symbols", low=1, otherwise=", the size of the alphabet"))
        self._set("inside", readonly(np.arange(self.max_length) < self.lengths[:, None]))
        if required is not None:
            if by_pattern:
                raise ChainError("by_pattern needs positions= and table=: a conjunction is seen as correct or wrong")
            each = [required] * n if isinstance(required, Mapping) else list(required)
            self._set("verdict", Conjunction(each, lengths=self.lengths, symbols=self.symbols))
        else:
            assert positions is not None
            assert table is not None
            self._set(
                "verdict",
                PatternTable(positions, table, lengths=self.lengths, symbols=self.symbols, by_pattern=by_pattern),
            )
        refused = {"correct", "n_answers", "sample_length"} & set(settings)
        if refused:
            raise ChainError(f"{', '.join(sorted(refused))} cannot be set: it follows from lengths and from what is correct")
        classes = TwoStageMDP(
            correct=self.verdict.correct, sample_length=self.lengths[:, None].astype(np.float64), prompts=prompts, **settings
        )
        if classes.runs:
            raise ChainError(f"the settings have run axes {classes.runs}: a token chain is one chain, loop over settings")
        self._set("classes", classes)

    lengths: Ints
    symbols: int
    inside: Bools
    verdict: Verdict
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
        span = f"{high}" if low == high else f"{low} to {high}"
        return f"TokenChain({self.n_prompts} prompts x {span} tokens of {self.symbols} symbols, {self.verdict.classes} classes)"

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"TokenChain is immutable: make a new one to change {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"TokenChain is immutable: {name} cannot be deleted")

    def _set(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

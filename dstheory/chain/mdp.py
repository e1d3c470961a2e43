r"""The two-stage Markov decision process of the decision-sampling hypothesis, tabular and exact.

A prompt :math:`x \sim \rho`. At turn :math:`k = 0, 1, 2, \dots`:

* **sample**: an answer :math:`y_k \sim \pi_s(\cdot \mid x)` among the answers :math:`Y(x)` of that prompt;
* **decide**: :math:`d_k \sim \pi_d(\cdot \mid x, y_k)` in {stop, resample}; *stop* pays :math:`R_{stop}(x, y_k)` and
  ends the episode, *resample* pays :math:`R_{res}(x, y_k)` and goes to turn :math:`k + 1`.

With a cap of :math:`T` turns no decision is drawn at turn :math:`T - 1`: the answer is submitted and pays :math:`R_{stop}`.

Arrays are indexed ``[*runs, prompt, answer]``. Prompts may have unequal numbers of answers: rows are padded on the right, a
padding entry has probability zero and never counts. Leading axes of rewards, lengths and discount are *runs*: many
settings of one chain, computed side by side.

Source: arXiv 2601.01580, section 3 (the two-stage MDP); padding and runs are conventions of this package.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import (
    Bools,
    Floats,
    Immutable,
    Ints,
    compact,
    float_array,
    frozen,
    is_whole,
    probability,
    readonly,
    reject,
    whole_number,
)
from dstheory.errors import ChainError
from dstheory.tables import Table, Tabulated
from dstheory.texts import counted

DiscountPer = Literal["turn", "stage"]
FourRewards = Mapping[str, ArrayLike]

_FOUR = ("stop_correct", "resample_correct", "stop_wrong", "resample_wrong")
_LARGEST = 1e150  # of rewards, their variances, and lengths
_FIELDS = (
    "correct", "n_answers", "reward_stop", "reward_resample", "reward_stop_variance", "reward_resample_variance",
    "sample_length", "decision_length", "prompt_weight", "gamma", "discount_per", "max_turns", "prompts",
)  # fmt: skip


def pad_rows(rows: Sequence[Sequence[float]], fill: float = 0.0) -> tuple[Floats, Ints]:
    """Pad ragged rows on the right to a rectangle.

    Args:
        rows: one sequence of numbers per prompt, of any lengths.
        fill: the number written into the padding.

    Returns:
        ``(table, n_answers)`` of shapes (X, Y) and (X,), Y the longest row.

    >>> pad_rows([[1, 0], [0, 0, 1]])
    (array([[1., 0., 0.], [0., 0., 1.]]), array([2, 3]))
    """
    counts = np.array([len(row) for row in rows], dtype=np.int64)
    table = np.full((len(rows), int(counts.max(initial=0))), fill, dtype=np.float64)
    inside = np.arange(table.shape[1]) < counts[:, None]
    table[inside] = np.fromiter((v for row in rows for v in row), dtype=np.float64, count=int(counts.sum()))
    return table, counts


class TwoStageMDP(Immutable, Tabulated):
    """A tabular two-stage chain: immutable, and validated as a whole when it is made.

    Args:
        correct: c(x, y) in {0, 1}; an (X, Y) array, or one row per prompt with rows of unequal lengths.
        n_answers: (X,) answers per prompt, when ``correct`` is an array whose rows are padded; default all of them.
        reward: the four-number shorthand, a mapping with the keys ``stop_correct, resample_correct, stop_wrong,
            resample_wrong``; default terminal accuracy, (1, -kappa, 0, -kappa). Each number may be an array over runs.
        resample_cost: kappa >= 0, the price of one resample in the default reward.
        reward_stop, reward_resample: full tables (*runs, X, Y) or ragged rows, instead of ``reward``.
        reward_stop_variance, reward_resample_variance: variances of stochastic rewards, >= 0; default 0 (deterministic).
        sample_length: l_s(x, y) >= 1, tokens of an answer.
        decision_length: l_d >= 1, tokens of a decision.
        prompt_weight: (X,) non-negative, not all zero; normalised to the prompt distribution rho.
        gamma: discount in [0, 1], a number or an array over runs.
        discount_per: ``"turn"`` (gamma once per turn) or ``"stage"`` (gamma also between an answer and its decision).
        max_turns: cap T >= 1 on the number of turns, or None for no cap.
        prompts: names of the prompts, used in messages and tables.

    Raises:
        ChainError: names the prompt and answer at fault, the value and the rule.

    Source: arXiv 2601.01580, section 3.

    >>> mdp = TwoStageMDP(correct=[[1, 0], [0, 1, 1]], prompt_weight=[3, 1], gamma=0.9)
    >>> mdp.shape, mdp.n_answers.tolist(), mdp.prompt_weight.tolist()
    ((2, 3), [2, 3], [0.75, 0.25])
    """

    def __init__(
        self,
        *,
        correct: ArrayLike | Sequence[Sequence[float]],
        n_answers: ArrayLike | None = None,
        reward: FourRewards | None = None,
        resample_cost: ArrayLike = 0.0,
        reward_stop: ArrayLike | None = None,
        reward_resample: ArrayLike | None = None,
        reward_stop_variance: ArrayLike = 0.0,
        reward_resample_variance: ArrayLike = 0.0,
        sample_length: ArrayLike = 1.0,
        decision_length: ArrayLike = 1.0,
        prompt_weight: ArrayLike | None = None,
        gamma: ArrayLike = 0.95,
        discount_per: DiscountPer = "turn",
        max_turns: int | None = None,
        prompts: Sequence[str] | None = None,
    ) -> None:
        table, counts = rows_or_array(correct, "correct")
        if table.ndim != 2 or table.size == 0:
            raise ChainError(
                f"correct has shape {table.shape}: needs at least one prompt and one answer as an array (prompts, answers)"
            )
        rows = counts
        if n_answers is not None:
            float_array(n_answers, "n_answers")
            counts = np.asarray(n_answers)
        elif counts is None:
            counts = np.full(table.shape[0], table.shape[1], dtype=np.int64)
        if counts.shape != table.shape[:1]:
            raise ChainError(f"n_answers has shape {counts.shape}: needs one count per prompt, {table.shape[:1]}")
        prompts = None if prompts is None else tuple(map(str, prompts))
        if prompts is not None and len(prompts) != table.shape[0]:
            raise ChainError(f"prompts names {counted(len(prompts), 'prompt')} but the chain has {table.shape[0]}")
        reject(
            ~((counts >= 1) & (counts <= table.shape[1]) & is_whole(counts)), counts, "n_answers",
            f"must be a whole number between 1 and {table.shape[1]}", "give every prompt at least one answer",
            axes=("prompt",), prompts=prompts,
        )  # fmt: skip
        counts = counts.astype(np.int64)
        if rows is not None:
            reject(counts != rows, counts, "n_answers", "must be the length of the prompt's row of correct",
                   "leave n_answers out", axes=("prompt",), prompts=prompts)  # fmt: skip
        inside = readonly(np.arange(table.shape[1]) < counts[:, None])
        self._set(prompts=prompts, n_answers=readonly(counts), inside=inside)
        if not ((table == 0) | (table == 1)).all():
            reject(inside & (table != 0) & (table != 1), table, "correct", "must be 0 or 1", "mark each answer right or wrong",
                   prompts=prompts)  # fmt: skip
        self._set(correct=frozen(table) if inside.all() else readonly(np.where(inside, table, 0.0)))

        self._set_rewards(reward, resample_cost, reward_stop, reward_resample)
        self._set(
            reward_stop_variance=self._table(reward_stop_variance, "reward_stop_variance", low=0.0),
            reward_resample_variance=self._table(reward_resample_variance, "reward_resample_variance", low=0.0),
            sample_length=self._table(sample_length, "sample_length", low=1.0, fill=1.0),
            decision_length=self._table(decision_length, "decision_length", low=1.0, fill=1.0),
        )

        weight = float_array(np.ones(len(counts)) if prompt_weight is None else prompt_weight, "prompt_weight")
        if weight.shape != counts.shape:
            raise ChainError(f"prompt_weight has shape {weight.shape}: needs one weight per prompt, {counts.shape}")
        reject(~(np.isfinite(weight) & (weight >= 0)), weight, "prompt_weight", "must be finite and >= 0",
               "give prompts that never occur the weight 0", axes=("prompt",), prompts=prompts)  # fmt: skip
        if not weight.any():
            raise ChainError("prompt_weight is zero for every prompt: at least one must be positive")
        with np.errstate(over="ignore"):
            total = weight.sum()
        if not abs(total - 1.0) <= 4.0 * np.finfo(np.float64).eps:  # what is normalised stays as it is, digit by digit
            # Dividing by the largest first keeps the sum finite for weights near the largest float.
            weight = weight / weight.max()
            weight = readonly(weight / weight.sum())
        self._set(prompt_weight=frozen(weight))

        self._set(gamma=frozen(probability(gamma, "gamma", "1 means no discount")))
        if discount_per not in ("turn", "stage"):
            raise ChainError(f"discount_per is {discount_per!r}: must be 'turn' or 'stage'")
        cap = None if max_turns is None else whole_number(max_turns, "max_turns", low=1, otherwise=", or None for no cap")
        self._set(discount_per=discount_per, max_turns=cap, runs=self._run_shape())

    _instead = "use mdp.replace({name}=...)"
    correct: Floats
    n_answers: Ints
    inside: Bools  # (X, Y) true where an entry is a real answer, false in the padding
    reward_stop: Floats
    reward_resample: Floats
    reward_stop_variance: Floats
    reward_resample_variance: Floats
    sample_length: Floats
    decision_length: Floats
    prompt_weight: Floats
    gamma: Floats
    discount_per: DiscountPer
    max_turns: int | None
    prompts: tuple[str, ...] | None
    runs: tuple[int, ...]

    # ------------------------------------------------------------------ making one

    @classmethod
    def minimal(cls, **settings: Any) -> TwoStageMDP:
        r"""Return M0, the minimal chain: one prompt, one correct answer (index 0) and one wrong answer (index 1).

        Args:
            settings: any argument of :class:`TwoStageMDP` except ``correct``.

        Source: derived here; the smallest chain in which every claim of arXiv 2601.01580 has content.

        >>> TwoStageMDP.minimal(gamma=0.9).reward_stop.tolist()
        [[1.0, 0.0]]
        """
        return cls(correct=[[1, 0]], **settings)

    def replace(self, **changes: Any) -> TwoStageMDP:
        """Return a chain that differs in the named arguments; ``reward=`` and ``resample_cost=`` drop both tables first.

        Raises:
            ChainError: ``correct`` is changed and rewards are not: the tables were made for the old answers.

        >>> TwoStageMDP.minimal().replace(gamma=1.0, max_turns=3).max_turns
        3
        """
        fields = self._fields()
        if "reward" in changes or "resample_cost" in changes:
            del fields["reward_stop"], fields["reward_resample"]
        elif "correct" in changes and not {"reward_stop", "reward_resample"} <= set(changes):
            raise ChainError(
                "replace(correct=...) leaves the rewards of the old answers: give reward=, resample_cost= or both tables too"
            )
        if "correct" in changes:
            del fields["n_answers"]
        return TwoStageMDP(**(fields | changes))

    # ------------------------------------------------------------------ reading it

    @property
    def shape(self) -> tuple[int, int]:
        """(X, Y): the number of prompts and the largest number of answers."""
        return self.correct.shape[0], self.correct.shape[1]

    @property
    def gamma_within(self) -> Floats:
        """(*runs,) discount between an answer and its decision: 1 per turn, gamma per stage."""
        return self.gamma if self.discount_per == "stage" else np.ones_like(self.gamma)

    @property
    def gamma_between(self) -> Floats:
        """(*runs,) discount between a decision and the next answer: gamma."""
        return self.gamma

    @property
    def n_pairs(self) -> int:
        """The number of (prompt, answer) pairs, without padding."""
        return int(self.n_answers.sum())

    def prompt_name(self, index: int) -> str:
        """Return how messages call a prompt."""
        return f"prompt {self.prompts[index]!r}" if self.prompts is not None else f"prompt {index}"

    def __repr__(self) -> str:
        x, y = self.shape
        cap = "no cap" if self.max_turns is None else f"at most {counted(self.max_turns, 'turn')}"
        gamma = f"{float(self.gamma):g}" if self.gamma.ndim == 0 else f"{self.gamma.shape} values"
        return f"TwoStageMDP({counted(x, 'prompt')} x up to {counted(y, 'answer')}, gamma {gamma} per {self.discount_per}, {cap})"

    def table(self) -> Table:
        """Return what each answer of each prompt pays."""
        formula = r"y_k\sim\pi_s(\cdot\mid x),\quad d_k\sim\pi_d(\cdot\mid x,y_k)\in\{\text{stop},\text{resample}\},\quad"
        gamma = rf"\gamma={float(self.gamma):g}" if self.gamma.ndim == 0 else r"\gamma\text{ varies}"
        return Table.of(repr(self) + (": of the first run" if self.runs else ""), self.columns(), (formula + gamma,))

    def columns(self) -> dict[str, Any]:
        """Return each prompt and answer in a row; of tables with run axes the first run."""
        x, y = np.nonzero(self.inside)

        def each(table: Any) -> list[float]:
            whole = np.broadcast_to(table, (*np.shape(table)[:-2], *self.shape)) if np.ndim(table) else np.full(self.shape, table)
            return [float(v) + 0.0 for v in whole.reshape(-1, *self.shape)[0][x, y]]

        return {
            "prompt": [self.prompts[i] if self.prompts is not None else str(i) for i in x],
            "answer": y.tolist(),
            "correct": [bool(v) for v in self.correct[x, y]],
            "reward_stop": each(self.reward_stop),
            "reward_resample": each(self.reward_resample),
            "sample_length": each(self.sample_length),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # Rebuilt by the constructor, so that what comes out of a pickle is checked and refuses writes as well.
        return partial(TwoStageMDP, **self._fields()), ()

    def _fields(self) -> dict[str, Any]:
        """Return the constructor's arguments; a table that repeats one number is given as that number."""
        fields = {name: getattr(self, name) for name in _FIELDS}
        return {k: compact(v) if np.ndim(v) >= 2 and k != "correct" else v for k, v in fields.items()}

    # ------------------------------------------------------------------ parts of the constructor

    def _set_rewards(self, four: FourRewards | None, cost: ArrayLike, stop: ArrayLike | None, resample: ArrayLike | None) -> None:
        price = float_array(cost, "resample_cost")
        reject(~(np.isfinite(price) & (price >= 0)), price, "resample_cost", "must be finite and >= 0",
               "a bonus for resampling is set with reward=", axes=())  # fmt: skip
        if four is not None:
            if stop is not None or resample is not None:
                raise ChainError("reward= and reward_stop=/reward_resample= were both given: use one of them")
            if price.any():
                raise ChainError("reward= and resample_cost= were both given: put the cost into reward")
            if not isinstance(four, Mapping) or set(four) != set(_FOUR):
                raise ChainError(f"reward is {reprlib.repr(four)}: must be a mapping with the keys {', '.join(_FOUR)}")
            sc, rc, sw, rw = (float_array(four[key], f"reward[{key}]")[..., None, None] for key in _FOUR)
        else:
            sc, rc, sw, rw = np.ones((1, 1)), -price[..., None, None], np.zeros((1, 1)), -price[..., None, None]
            if resample is not None and price.any():
                raise ChainError("reward_resample= and resample_cost= were both given: put the cost into the table")
        c = self.correct
        if stop is None:
            # For terminal accuracy the table is c itself; no second copy of it is kept.
            stop = c if four is None else np.where(c == 1, sc, sw)
        if resample is None:
            resample = np.broadcast_to(rc, rc.shape[:-2] + c.shape) if four is None else np.where(c == 1, rc, rw)
        self._set(reward_stop=self._table(stop, "reward_stop"), reward_resample=self._table(resample, "reward_resample"))

    def _table(self, value: Any, what: str, *, low: float = -np.inf, fill: float = 0.0) -> Floats:
        """Broadcast to (*runs, X, Y), check the entries that are real answers, neutralise the padding."""
        table, counts = rows_or_array(value, what)
        if counts is not None and len(counts) != len(self.n_answers):
            raise ChainError(f"{what} has {counted(len(counts), 'row')}: needs one per prompt, {len(self.n_answers)}")
        if counts is not None and not np.array_equal(counts, self.n_answers):
            at = int(np.flatnonzero(counts != self.n_answers)[0])
            raise ChainError(
                f"{what} has {counted(int(counts[at]), 'entry', 'entries')} at {self.prompt_name(at)}: needs one per answer, "
                f"{int(self.n_answers[at])}"
            )
        try:
            shape = np.broadcast_shapes(table.shape, self.shape)
        except ValueError:
            shape = ()
        if shape[-2:] != self.shape:
            raise ChainError(
                f"{what} has shape {table.shape}: its last two axes must broadcast to (prompts, answers) = {self.shape}"
            )
        table = np.broadcast_to(frozen(table), shape)
        inside, entries = self.inside, compact(table)
        # The least and the largest see a NaN as well, and need no mask of the table's size.
        if not (max(low, -_LARGEST) <= entries.min() and entries.max() <= _LARGEST):
            rule = "must be finite" if low == -np.inf else f"must be finite and >= {low:g}"
            reject(inside & ~(np.isfinite(table) & (table >= low)), table, what, rule, "correct that entry", prompts=self.prompts)
            reject(inside & (np.abs(table) > _LARGEST), table, what, f"must lie within +-{_LARGEST:g}",
                   "squares and sums over turns must stay numbers; choose another unit", prompts=self.prompts)  # fmt: skip
        if not (inside.all() or (inside | (table == fill)).all()):
            return readonly(np.where(inside, table, fill))
        return table

    def _run_shape(self) -> tuple[int, ...]:
        parts = {name: getattr(self, name).shape[:-2] for name in
                 ("reward_stop", "reward_resample", "reward_stop_variance", "reward_resample_variance",
                  "sample_length", "decision_length")} | {"gamma": self.gamma.shape}  # fmt: skip
        try:
            return np.broadcast_shapes(*parts.values())
        except ValueError as error:
            shapes = ", ".join(f"{k} {v}" for k, v in parts.items() if v)
            raise ChainError(f"the run axes of the chain's arrays do not fit together: {shapes}") from error


def rows_or_array(value: Any, what: str) -> tuple[Floats, Ints | None]:
    """Return a float table and, if the rows came with unequal lengths, their lengths."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(row, (list, tuple, np.ndarray)) for row in value):
        lengths = {len(row) for row in value}
        if len(lengths) > 1 and not any(isinstance(v, (list, tuple, np.ndarray)) for row in value for v in row):
            try:
                return pad_rows(value)
            except (TypeError, ValueError) as error:
                raise ChainError(f"{what}: every row must hold numbers") from error
    return float_array(value, what, empty=True), None

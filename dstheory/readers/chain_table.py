"""The common form of all chain files: one row per (prompt, answer), columns as arrays.

Readers make it, writers take it, and :func:`build` checks every rule over all rows at once and makes the chain.

The columns stand in one place: what each one means, which values it may hold, what to do about the others. The same names are
the columns of a table (one row per prompt and answer) and the keys of a prompt in a JSON or TOML file. Reader, writer, messages
and ``examples/README.md`` all follow this list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NoReturn

import numpy as np

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import _ROW_TOLERANCE, Policy, _rounding
from dstheory.checks import Bools, Floats, Ints, is_whole
from dstheory.errors import ChainError, FileFormatError
from dstheory.texts import NAMED, first_of, shown

FORMAT = "dstheory-chain/1"  # the marker of a nested file; the number changes when an old reader would misunderstand a file
TRUE_WORDS = ["1", "true", "True", "TRUE", "1.0"]  # of a flag in a CSV cell
FALSE_WORDS = ["0", "false", "False", "FALSE", "0.0"]
NUMBER = re.compile(r"\s*[+-]?((\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|nan|inf(inity)?)\s*", re.IGNORECASE)  # of a number
FOUR_REWARDS = ("stop_correct", "resample_correct", "stop_wrong", "resample_wrong")


_MOST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class ValueRule:
    """Which numbers are allowed, in a form that can be applied and in a form that can be read.

    Attributes:
        text: the rule in words.
        low, high: the interval of the numbers allowed.
        among: which numbers are allowed, where that is not an interval.
    """

    text: str
    low: float = -_MOST
    high: float = _MOST
    among: Callable[[Floats], Bools] | None = None

    def allows(self, values: Floats) -> Bools:
        """Return which values are allowed; NaN is in no interval."""
        return (values >= self.low) & (values <= self.high) if self.among is None else self.among(values)

    def holds(self, values: Floats) -> bool:
        """Return whether all values are allowed; what is in order takes two passes and no masks."""
        if self.among is not None or values.size == 0:
            return bool(self.allows(values).all())
        return bool(values.min() >= self.low and values.max() <= self.high)


_FINITE = ValueRule("must be finite")
_NOT_NEGATIVE = ValueRule("must be finite and >= 0", low=0.0)
_LENGTH = ValueRule("must be finite and >= 1", low=1.0)
_UNIT = ValueRule("must lie in [0, 1]", low=0.0, high=1.0)
_FLAG = ValueRule("must be 0 or 1", among=lambda v: (v == 0.0) | (v == 1.0))
_BELOW_INF = ValueRule("must be a number below +inf", low=-np.inf)
_NOT_NAN = ValueRule("must be a number", low=-np.inf, high=np.inf)
_WHOLE = ValueRule("must be a whole number >= 1", among=lambda v: (v >= 1.0) & (v < np.inf) & is_whole(v))
_ANY = ValueRule("must be text")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its name in every format.
        per: ``"answer"``, or ``"prompt"`` / ``"chain"`` when all rows of a prompt / of the file must hold the same value.
        rule: the values allowed.
        meaning: one line for the reader of the documentation.
        remedy: what to do about a value that is not allowed.
        kind: ``"text"``, ``"flag"`` (0 or 1, true or false) or ``"number"``.
        required: whether a file without it is refused.
    """

    name: str
    per: Literal["answer", "prompt", "chain"]
    rule: ValueRule
    meaning: str
    remedy: str = "correct that value"
    kind: Literal["text", "flag", "number"] = "number"
    required: bool = False


def _policy_columns(prefix: str, whose: str) -> tuple[Column, ...]:
    return (
        Column(f"{prefix}sample_probability", "answer", _UNIT, f"{whose} P(answer given prompt); sums to 1 over a prompt"),
        Column(f"{prefix}sample_logit", "answer", _BELOW_INF, f"{whose} sampling logit instead; normalised when it is read"),
        Column(f"{prefix}stop_probability", "answer", _UNIT, f"{whose} P(stop given prompt and answer)"),
        Column(f"{prefix}stop_logit", "answer", _NOT_NAN, f"{whose} logit of stop instead"),
    )


COLUMNS: tuple[Column, ...] = (
    Column("prompt", "prompt", _ANY, "name of the prompt", kind="text", required=True),
    Column("answer", "answer", _ANY, "name of the answer, unique within its prompt", kind="text", required=True),
    Column("correct", "answer", _FLAG, "whether the answer is correct", "mark each answer right (1) or wrong (0)", "flag", True),
    Column("prompt_weight", "prompt", _NOT_NEGATIVE, "how often the prompt occurs, in any unit; default equal",
           "give prompts that never occur the weight 0"),
    Column("sample_length", "answer", _LENGTH, "tokens of the answer; default 1"),
    Column("decision_length", "answer", _LENGTH, "tokens of the decision; default 1"),
    Column("reward_stop", "answer", _FINITE, "mean reward of stopping there; default 1 if correct, else 0"),
    Column("reward_resample", "answer", _FINITE, "mean reward of resampling there; default 0"),
    Column("cost", "answer", _NOT_NEGATIVE, "price of resampling there, -reward_resample",
           "a bonus for resampling is written as reward_resample"),
    Column("reward_stop_variance", "answer", _NOT_NEGATIVE, "variance of the reward of stopping; default 0"),
    Column("reward_resample_variance", "answer", _NOT_NEGATIVE, "variance of the reward of resampling; default 0"),
    *_policy_columns("", "initial policy:"),
    *_policy_columns("reference_", "reference policy:"),
    Column("gamma", "chain", _UNIT, "discount; default 0.95", "1 means no discount"),
    Column("discount_per", "chain", _ANY, "whether gamma applies once per turn or once per stage; default turn", kind="text"),
    Column("max_turns", "chain", _WHOLE, "cap on the number of turns; default no cap", "leave it out for no cap"),
)  # fmt: skip

BY_NAME = {column.name: column for column in COLUMNS}
POLICIES = {"initial": "", "reference": "reference_"}  # whose policy -> prefix of its columns
EXCLUSIVE = (
    ("cost", "reward_resample"),
    *((f"{prefix}{stage}_probability", f"{prefix}{stage}_logit") for prefix in POLICIES.values() for stage in ("sample", "stop")),
)


def check_columns(names: Collection[str], source: str) -> None:
    """Refuse a set of known column names that makes no chain.

    Args:
        names: the columns that are given.
        source: how messages call the file.

    Raises:
        FileFormatError: a required one is missing, two say the same, or a policy is incomplete.
    """
    missing = [column.name for column in COLUMNS if column.required and column.name not in names]
    if missing:
        raise FileFormatError(
            f"{source}: there is no column {' and no column '.join(missing)}: every row needs prompt, answer and correct; add it"
        )
    for one, other in EXCLUSIVE:
        if one in names and other in names:
            raise FileFormatError(f"{source}: {one} and {other} are both given: they say the same; keep one of them")
    for whose, prefix in POLICIES.items():
        given = {
            stage: next((name for kind in ("probability", "logit") if (name := f"{prefix}{stage}_{kind}") in names), None)
            for stage in ("sample", "stop")
        }
        for stage, other in (("sample", "stop"), ("stop", "sample")):
            if given[stage] and not given[other]:
                raise FileFormatError(
                    f"{source}: {given[stage]} is given without {prefix}{other}_probability: the {whose} policy needs both; "
                    f"add it (or {prefix}{other}_logit), or leave both out"
                )


# A rectangle may hold this many times more padding than rows, and this many entries in any case.
_MOST_PADDING = 64
_ALWAYS_FITS = 10_000_000


@dataclass(eq=False)
class ChainTable:
    """n rows of a chain file.

    Attributes:
        source: the file, as the user wrote it.
        prompts: names of the prompts in order of first appearance.
        prompt: (n,) which prompt each row belongs to.
        answer: (n,) code of each row's answer.
        answer_names: what the codes stand for; a list, or an Arrow array (not turned into Python strings unless needed).
        numbers: column -> (n,) values, or (turns, n) for a turn-indexed policy.
        precision: column -> type of its numbers in the file, where that is less than a double.
        settings: what holds for the whole chain: gamma, discount_per, max_turns, reward.
        where: row numbers -> how messages call them. May be slow: it is only used when something is wrong.
    """

    source: str
    prompts: tuple[str, ...]
    prompt: Ints
    answer: Ints
    answer_names: Any
    numbers: dict[str, Floats]
    settings: dict[str, Any] = field(default_factory=dict)
    precision: dict[str, np.dtype[Any]] = field(default_factory=dict)
    where: Callable[[Sequence[int]], list[str]] = lambda rows: [f"row {i}" for i in rows]

    def __len__(self) -> int:
        return len(self.prompt)

    @cached_property
    def changes(self) -> Ints:
        """Rows whose prompt is not that of the row before."""
        return np.flatnonzero(self.prompt[1:] != self.prompt[:-1]) + 1

    @cached_property
    def counts(self) -> Ints:
        """(X,) answers per prompt."""
        if self.order is None and len(self.changes) == len(self.prompts) - 1:
            return np.diff(self.changes, prepend=0, append=len(self))
        return np.bincount(self.prompt, minlength=len(self.prompts)).astype(np.int64)

    @cached_property
    def order(self) -> Ints | None:
        """(n,) rows sorted by prompt, first row first; None if they are sorted already."""
        if bool((self.prompt[self.changes] > self.prompt[self.changes - 1]).all()):
            return None
        return np.argsort(self.prompt, kind="stable").astype(np.int64)

    @cached_property
    def first(self) -> Ints:
        """(X,) first row of each prompt."""
        starts = np.cumsum(self.counts) - self.counts
        return starts if self.order is None else self.order[starts]

    @cached_property
    def inside(self) -> Bools:
        """(X, Y) which entries of the padded table are real."""
        return np.asarray(np.arange(int(self.counts.max())) < self.counts[:, None])

    def table(self, values: Floats, fill: float = 0.0) -> Floats:
        """Lay a column out as a padded table, (..., X, Y)."""
        ordered = values if self.order is None else values[..., self.order]
        shape = (*values.shape[:-1], *self.inside.shape)
        if self.inside.all():
            return ordered.reshape(shape)
        table = np.full(shape, fill)
        table[..., self.inside] = ordered
        return table

    def answer_name(self, row: int) -> str:
        """Return the name of one row's answer."""
        return str(self.answer_names[int(self.answer[row])])

    def complain(self, what: str, bad: Bools, values: Any, rule: str, remedy: str) -> NoReturn:
        """Raise FileFormatError naming the first rows where ``bad`` (n,) or (turns, n) is true, and counting the rest."""
        flat = np.flatnonzero(bad)
        at = [np.unravel_index(int(i), bad.shape) for i in flat[:NAMED]]
        places = self.where([int(index[-1]) for index in at])
        turns = [f", turn {index[0]}" if bad.ndim == 2 else "" for index in at]
        found = [f"{shown(values[i])} at {place}{turn}" for i, place, turn in zip(at, places, turns, strict=True)]
        self.refuse(f"{what} is {first_of(found, len(flat))}: {rule}; {remedy}")

    def refuse(self, sentence: str) -> NoReturn:
        """Raise FileFormatError about this file."""
        raise FileFormatError(f"{self.source}: {sentence}")


def build(rows: ChainTable) -> tuple[TwoStageMDP, dict[str, Policy | None]]:
    """Check the rows and make the chain and its policies.

    Raises:
        FileFormatError: the first rule that is broken: the place, the value, the rule, the remedy.
    """
    _check_values(rows)
    _check_repetitions(rows)
    _check_padding(rows)
    weight = _prompt_weight(rows)
    for prefix in POLICIES.values():
        _check_sums(rows, prefix)
    tables: dict[str, Any] = {
        name: rows.table(rows.numbers[name], fill)
        for name, fill in (
            ("correct", 0.0), ("reward_stop", 0.0), ("reward_resample", 0.0), ("reward_stop_variance", 0.0),
            ("reward_resample_variance", 0.0), ("sample_length", 1.0), ("decision_length", 1.0),
        )
        if name in rows.numbers
    }  # fmt: skip
    if "cost" in rows.numbers:
        tables["reward_resample"] = rows.table(-rows.numbers["cost"])
    try:
        mdp = TwoStageMDP(**tables, n_answers=rows.counts, prompt_weight=weight, prompts=rows.prompts, **rows.settings)
        policies = {whose: _policy(rows, prefix) for whose, prefix in POLICIES.items()}
    except ChainError as error:
        rows.refuse(str(error))
    return mdp, policies


def _check_values(rows: ChainTable) -> None:
    for name, values in rows.numbers.items():
        column = BY_NAME[name]
        if not column.rule.holds(values):
            rows.complain(name, ~column.rule.allows(values), values, column.rule.text, column.remedy)
    for name in ("gamma", "max_turns"):
        if name in rows.settings and not BY_NAME[name].rule.allows(np.array([float(rows.settings[name])]))[0]:
            column = BY_NAME[name]
            rows.refuse(f"{name} is {shown(float(rows.settings[name]))}: {column.rule.text}; {column.remedy}")


def _check_repetitions(rows: ChainTable) -> None:
    """Refuse a second row of the same prompt and answer."""
    if len(rows) < 2:
        return
    if rows.order is None:
        climbs = rows.answer[1:] > rows.answer[:-1]
        climbs[rows.changes - 1] = True
        if climbs.all():
            return  # in order, as most tables are: sorting takes longer than all else
    key = rows.prompt.astype(np.int64) * (int(rows.answer.max()) + 1) + rows.answer
    ascending = np.sort(key)
    if bool((ascending[1:] != ascending[:-1]).all()):
        return
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(rows), dtype=bool)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    first = int(np.flatnonzero(again)[0])
    original = int(np.flatnonzero(key == key[first])[0])
    here, there = rows.where([first, original])
    more = f" (and {int(again.sum()) - 1} more rows like it)" if again.sum() > 1 else ""
    prompt, answer = rows.prompts[int(rows.prompt[first])], rows.answer_name(first)
    rows.refuse(
        f"prompt {shown(prompt)}, answer {shown(answer)} at {here} was given at {there} before{more}: "
        "an answer may occur once per prompt; merge the rows or rename one"
    )


def _check_padding(rows: ChainTable) -> None:
    """Refuse a table whose padded form would be out of all proportion to it."""
    prompts, widest = len(rows.prompts), int(rows.counts.max())
    if prompts * widest > max(_ALWAYS_FITS, _MOST_PADDING * len(rows)):
        name = rows.prompts[int(rows.counts.argmax())]
        rows.refuse(
            f"prompt {shown(name)} has {widest:,} answers but the {prompts:,} prompts have {len(rows) / prompts:.1f} on average: "
            f"a rectangle of {prompts * widest:,} entries would be needed; put prompts of such different size into separate files"
        )


def _prompt_weight(rows: ChainTable) -> Floats | None:
    """Return (X,) weights, which must be the same in all rows of a prompt."""
    if "prompt_weight" not in rows.numbers:
        return None
    values = rows.numbers["prompt_weight"]
    own = values[rows.first]
    differs = values != own[rows.prompt]
    if bool(differs.any()):
        at = int(np.flatnonzero(differs)[0])
        x = int(rows.prompt[at])
        here, there = rows.where([at, int(rows.first[x])])
        one, other = shown(float(values[at])), shown(float(own[x]))
        rows.refuse(
            f"prompt_weight of prompt {shown(rows.prompts[x])} is {one} at {here} but {other} at {there}: "
            "must be the same in all rows of a prompt; correct one of them"
        )
    if not own.any():
        rows.refuse("prompt_weight is 0 for every prompt: at least one must be positive; leave the column out for equal weights")
    return own


def _row_sums(values: Floats, rows: ChainTable) -> Floats:
    if rows.order is None:
        return np.asarray(np.add.reduceat(np.atleast_2d(values), rows.first, axis=-1))
    return np.stack([np.bincount(rows.prompt, weights=row, minlength=len(rows.prompts)) for row in np.atleast_2d(values)])


def _refuse_prompts(rows: ChainTable, bad: Bools, sentence: str, values: Floats, rule: str) -> None:
    """Name the first prompts where ``bad`` (turns, X) is true and count the rest."""
    if not bad.any():
        return
    turns, prompts = np.nonzero(bad)
    found = []
    for turn, x in list(zip(turns.tolist(), prompts.tolist(), strict=True))[:NAMED]:
        place = rows.where([int(rows.first[x])])[0]
        at_turn = f" at turn {turn}" if len(bad) > 1 else ""
        found.append(f"{sentence} prompt {shown(rows.prompts[x])} (from {place}){at_turn} is {shown(float(values[turn, x]))}")
    rows.refuse(f"{first_of(found, len(turns))}: {rule}")


def _check_sums(rows: ChainTable, prefix: str) -> None:
    """The sampling probabilities of a prompt must sum to 1; of sampling logits at least one must be finite."""
    name = f"{prefix}sample_probability"
    if name in rows.numbers:
        total = _row_sums(rows.numbers[name], rows)
        # The same rule as Policy.from_probabilities: numbers of lower precision miss their sum by their own rounding.
        tolerance = max(_ROW_TOLERANCE, _rounding(np.empty(0, rows.precision.get(name, np.float64))))
        bad = np.abs(total - 1.0) > tolerance
        _refuse_prompts(
            rows, bad, f"the sum of {name} over", total,
            f"must be 1 to within {tolerance:g}; divide by the sum, or give {prefix}sample_logit, which is normalised",
        )  # fmt: skip
    name = f"{prefix}sample_logit"
    if name in rows.numbers and not np.isfinite(rows.numbers[name]).all():
        possible = _row_sums(np.isfinite(rows.numbers[name]).astype(float), rows)
        _refuse_prompts(
            rows, possible == 0, f"the number of finite {name} of", possible, "must be at least 1; rule out fewer answers"
        )


def _policy(rows: ChainTable, prefix: str) -> Policy | None:
    """Return the tabular policy of the columns with this prefix."""
    numbers = rows.numbers
    if not any(f"{prefix}sample_{kind}" in numbers for kind in ("probability", "logit")):
        return None
    with np.errstate(divide="ignore"):
        if f"{prefix}sample_logit" in numbers:
            sample = numbers[f"{prefix}sample_logit"]
        else:
            sample = np.log(numbers[f"{prefix}sample_probability"])
        if f"{prefix}stop_logit" in numbers:
            stop = numbers[f"{prefix}stop_logit"]
        else:
            p = numbers[f"{prefix}stop_probability"]
            stop = np.log(p) - np.log1p(-p)
    turns = max(len(values) if values.ndim == 2 else 1 for values in (sample, stop))
    z, u = rows.table(sample, -np.inf), rows.table(stop)
    shape = (turns, *rows.inside.shape)
    return Policy.tabular(np.broadcast_to(z, shape), np.broadcast_to(u, shape))

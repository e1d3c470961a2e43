"""The common form of all chain files: one row per (prompt, answer), columns as arrays. Readers make it, writers take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Bools, Floats, Ints
from dstheory.errors import ChainError, DSTheoryError, FileFormatError
from dstheory.readers.schema import POLICIES

__all__ = ["NAMED", "Rows", "first_of", "rows_of", "shown"]

NAMED = 3  # the first few offenders are named, the rest counted


@dataclass(eq=False)
class Rows:
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
    def counts(self) -> Ints:
        """(X,) answers per prompt."""
        return np.bincount(self.prompt, minlength=len(self.prompts)).astype(np.int64)

    @cached_property
    def order(self) -> Ints | None:
        """(n,) rows sorted by prompt, first row first; None if they are sorted already."""
        if bool((self.prompt[1:] >= self.prompt[:-1]).all()):
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

    def complain(self, what: str, bad: Bools, values: Any, rule: str, remedy: str) -> None:
        """Raise FileFormatError naming the first rows where ``bad`` (n,) or (turns, n) is true, and counting the rest."""
        if not bad.any():
            return
        flat = np.flatnonzero(bad)
        at = [np.unravel_index(int(i), bad.shape) for i in flat[:NAMED]]
        places = self.where([int(index[-1]) for index in at])
        turns = [f", turn {index[0]}" if bad.ndim == 2 else "" for index in at]
        found = [f"{shown(values[i])} at {place}{turn}" for i, place, turn in zip(at, places, turns, strict=True)]
        self.refuse(f"{what} is {first_of(found, len(flat))}: {rule}; {remedy}")

    def refuse(self, sentence: str) -> NoReturn:
        """Raise FileFormatError about this file."""
        raise FileFormatError(f"{self.source}: {sentence}")


def first_of(found: Sequence[str], total: int | None = None) -> str:
    """Return the first few of what was found, and how many more there are.

    >>> first_of(["a", "b", "c", "d", "e"])
    'a, b, c (and 2 more)'
    """
    more = (len(found) if total is None else total) - min(len(found), NAMED)
    return ", ".join(found[:NAMED]) + (f" (and {more} more)" if more else "")


def shown(value: Any) -> str:
    """Return a value as a message shows it: long texts are cut, and a number that is whole has no decimals.

    >>> shown(-0.2), shown(1.0), shown("x" * 100)
    ('-0.2', '1', "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'")
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return repr(value if len(value) <= 43 else value[:40] + "...")
    return f"{value:.12g}" if isinstance(value, float) else repr(value)


def rows_of(
    source: str,
    mdp: TwoStageMDP,
    policies: dict[str, Policy | None],
    answers: Sequence[Sequence[str]] | None,
) -> Rows:
    """Return the rows of a chain and its policies; columns that only repeat the defaults are left out.

    Args:
        source: the file, for messages.
        mdp: one chain (no run axes).
        policies: ``"initial"`` and ``"reference"`` -> policy or None.
        answers: one sequence of names per prompt; default "0", "1", ...

    Raises:
        ChainError: the chain or a policy has run axes, does not fit, or names do not fit.
    """
    if mdp.runs:
        raise ChainError(f"a file holds one chain, but this one has runs {mdp.runs}: pick one run")
    prompts = mdp.prompts if mdp.prompts is not None else tuple(str(i) for i in range(mdp.shape[0]))
    if answers is None:
        widest = [str(i) for i in range(mdp.shape[1])]
        answers = [widest[:n] for n in mdp.n_answers]
    _check_names(prompts, answers, mdp)
    inside = mdp.inside
    numbers: dict[str, Floats] = {"correct": mdp.correct[inside]}
    if (mdp.prompt_weight != mdp.prompt_weight[0]).any():
        numbers["prompt_weight"] = np.repeat(mdp.prompt_weight, mdp.n_answers)
    for name, default in (
        ("sample_length", 1.0), ("decision_length", 1.0), ("reward_stop", numbers["correct"]), ("reward_resample", 0.0),
        ("reward_stop_variance", 0.0), ("reward_resample_variance", 0.0),
    ):  # fmt: skip
        values = getattr(mdp, name)[inside]
        if (values != default).any():
            numbers[name] = values
    for whose, policy in policies.items():
        if policy is None:
            continue
        if policy.runs:
            raise ChainError(f"a file holds one {whose} policy, but this one has runs {policy.runs}: pick one run")
        policy.check_fits(mdp, f"{whose} policy")
        for name, table in _policy_columns(policy, inside):
            numbers[POLICIES[whose] + name] = table[0] if len(table) == 1 else table
    settings: dict[str, Any] = {"gamma": float(mdp.gamma)}
    if mdp.discount_per != "turn":
        settings["discount_per"] = mdp.discount_per
    if mdp.max_turns is not None:
        settings["max_turns"] = mdp.max_turns
    names = [str(name) for row in answers for name in row]
    return Rows(
        source,
        prompts,
        np.repeat(np.arange(len(prompts)), mdp.n_answers),
        np.arange(len(names)),
        names,
        numbers,
        settings,
    )


def _check_names(prompts: Sequence[str], answers: Sequence[Sequence[str]], mdp: TwoStageMDP) -> None:
    if len(set(prompts)) < len(prompts) or "" in prompts:
        raise ChainError("in a file the names of the prompts tell them apart: they must differ and not be empty")
    lengths = [len(row) for row in answers]
    if lengths != mdp.n_answers.tolist():
        raise ChainError(
            f"answers names {sum(lengths)} answers of {len(lengths)} prompts: needs one name per answer of the chain"
        )
    for name, row in zip(prompts, answers, strict=True):
        if len(set(map(str, row))) < len(row):
            raise ChainError(f"the answers of prompt {shown(name)} have the same name twice: they must differ")
    try:
        for name in (*prompts, *(str(answer) for row in answers for answer in row)):
            name.encode()
    except UnicodeEncodeError as error:
        raise DSTheoryError(f"the name {name!r} is not valid Unicode and cannot be written: rename it") from error


def _policy_columns(policy: Policy, inside: Bools) -> list[tuple[str, Floats]]:
    """Return its two columns, each as probabilities if these carry it to rounding, otherwise as logits.

    A probability keeps its relative accuracy down to the smallest float, but one close to 1 loses the accuracy of its complement.
    """
    z, p = policy.sample_logits[..., inside], policy.sample_prob[..., inside]
    as_probability = bool(((p > np.finfo(float).tiny) | (z == -np.inf)).all())
    sample = ("sample_probability", p) if as_probability else ("sample_logit", z)
    u, stop = policy.stop_logits[..., inside], policy.stop_prob[..., inside]
    with np.errstate(divide="ignore", invalid="ignore"):
        back = np.log(stop) - np.log1p(-stop)
        as_probability = bool(((back == u) | (np.abs(back - u) <= 1e-12 * np.maximum(1.0, np.abs(u)))).all())
    return [sample, ("stop_probability", stop) if as_probability else ("stop_logit", u)]

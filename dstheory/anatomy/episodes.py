r"""Episodes of a real model, in columns: what every reader produces and every estimate starts from.

An episode is one run of a model on one problem: it answers, looks at its answer, and stops or tries again. Of each attempt two
bits are kept, *was it correct* and *did the model stop after it*; the text is not. All attempts of all episodes lie one after the
other (as in :class:`~dstheory.chain.trajectories.Trajectories`), so a million episodes with ten attempts each take some 60 MB.

**Censoring.** The last decision of an episode is the model's own only if the model could also have decided otherwise and the log
would show it. At the cap it could not: whoever says "resample" there is cut off, so a log holds the stops but not the resamples,
and counting one without the other would bias a = P(stop | correct) upwards and b = P(resample | wrong) downwards. Such an episode
is *capped*: its last answer counts for p, its last decision counts for neither a nor b. So is an episode that ends without a stop
for any other reason (a token budget, a log that was cut off).

**Who decides.** The field ``decided_by`` says it where the log does: the model, a verifier, an oracle, the environment, or
nobody, where the number of attempts was fixed; then no decision counts for a or b.

**Problem and episode.** Several episodes may be about the same problem (trials, or several models). Everything that must not see
a problem twice, such as a split into fit and test, works on problems.

Source: the two-stage process of arXiv 2601.01580, section 3, as it shows in a log; the censoring rule is derived here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dstheory.checks import Bools, Ints, frozen
from dstheory.errors import RecordError
from dstheory.readers.records import DECIDED_BY, NOBODY

NOT_GIVEN = "(not given)"  # the label of episodes whose record does not have a field
_PIECE = 1 << 17  # attempts counted at once: they stay in the cache
_PER_ATTEMPT, _PER_EPISODE = ("correct", "stopped"), ("capped", "problem", "cap", "unseen")


@dataclass(frozen=True, eq=False)
class Counts:
    """Whole numbers per cell, arrays of one shape: all that the likelihood of the minimal chain, a product of binomials, needs.

    Attributes:
        attempts: answers given, n.
        correct: of these, correct ones, n_C.
        decided_correct: decisions of the model's own after a correct answer, m_C.
        stop_correct: of these, stops, s_C.
        decided_wrong: decisions of the model's own after a wrong answer, m_W.
        resample_wrong: of these, resamples, r_W.

    >>> from dstheory.anatomy import generate_log
    >>> counts = generate_log(60).counts("model")
    >>> counts.attempts.tolist(), counts.correct.tolist()
    ([258, 381], [97, 146])
    """

    attempts: Ints
    correct: Ints
    decided_correct: Ints
    stop_correct: Ints
    decided_wrong: Ints
    resample_wrong: Ints


@dataclass(frozen=True, eq=False)
class Labels:
    """A categorical column: ``names[codes[i]]`` is the label of episode i.

    Attributes:
        codes: (N,) indices into ``names``.
        names: the labels, each once, in the order in which tables and figures show them.

    >>> Labels.of(["easy", "hard", "easy"]).codes.tolist()
    [0, 1, 0]
    """

    codes: Ints
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: Iterable[str]) -> Labels:
        """Return the column of these labels, names in order of appearance."""
        seen: dict[str, int] = {}
        codes = np.fromiter((seen.setdefault(v, len(seen)) for v in values), dtype=np.int32)
        return cls(codes, tuple(seen))

    @classmethod
    def constant(cls, name: str, n: int) -> Labels:
        """Return a column that gives all n episodes one label; it takes no memory per episode."""
        return cls(np.broadcast_to(np.int32(0), n), (name,))

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def present(self) -> tuple[str, ...]:
        """The labels that occur, in the order of ``names``."""
        return tuple(self.names[i] for i in np.flatnonzero(np.bincount(self.codes)).tolist())

    def code(self, name: str, what: str) -> int:
        """Return the code of a label.

        Raises:
            RecordError: there is none of that name; the message lists those that there are.
        """
        if name in self.names:
            return self.names.index(name)
        raise RecordError(f"no record has the {what} {name!r}: there are {few(self.names)}")


def few(names: Sequence[str]) -> str:
    """Return the first twelve of several names, as messages show them."""
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") or "none"


def in_order(names: Sequence[str]) -> list[str]:
    """Return labels as tables show them: by their numbers if all have some ("4x4" before "10x10"), else as they came.

    >>> in_order(["10x10", "4x4", "5x4"]), in_order(["hard", "easy"])
    (['4x4', '5x4', '10x10'], ['hard', 'easy'])
    """
    numbers = {name: [float(n) for n in re.findall(r"\d+(?:\.\d+)?", name)] for name in names}
    if not all(numbers.values()):
        return list(names)
    return sorted(names, key=lambda name: (numbers[name], name))


class HoldsEpisodes(Protocol):
    """What has episodes: a log as it was read, with an account of the reading."""

    @property
    def episodes(self) -> Episodes:
        """The episodes."""
        ...


def episodes_of(log: Episodes | HoldsEpisodes, *, some: bool = False) -> Episodes:
    """Return the episodes of a log as it was read; episodes stay what they are.

    Raises:
        RecordError: it is neither; or, where there must be some, there are no episodes.

    >>> log = Episodes.record([("x", [(True, "stop")])])
    >>> episodes_of(log) is log
    True
    """
    found = log if isinstance(log, Episodes) else getattr(log, "episodes", None)
    if not isinstance(found, Episodes):
        raise RecordError(
            f"a {type(log).__name__} is not a log of episodes: read it with dstheory.anatomy.from_frame (a data frame), "
            "from_records (records in memory) or read_log (files)"
        )
    if some and not len(found):
        raise RecordError("there are no episodes: give at least one")
    return found


@dataclass(frozen=True, eq=False)
class Episodes:
    """N episodes with M attempts in total; immutable, and validated as a whole when made.

    Attributes:
        offsets: (N + 1,) where the attempts of each episode begin and end; every episode has at least one.
        correct: (M,) whether each attempt was correct.
        stopped: (M,) whether the model stopped after it; true at most for the last attempt of an episode.
        capped: (N,) whether the last decision is censored: the episode reached its cap, or ended without a stop.
        problem: (N,) index of the problem that each episode is about.
        problem_ids: names of the problems; a selection keeps the whole table, so that indices stay comparable.
        cap: (N,) the largest number of attempts allowed; 0 for none.
        fields: categorical columns such as ``task``, ``model``, ``log``.
        unseen: (N,) whether there may have been a decision after the last attempt that the log does not show, as in a text that
            does not say whether it is complete; default nowhere. Such episodes are capped too, but at no cap.

    Raises:
        RecordError: names the first episode that breaks a rule, the value and the rule.

    >>> log = Episodes.record([("x", [(False, "resample"), (True, "stop")]), ("y", [(False, "resample"), (False, None)])], cap=2)
    >>> log
    Episodes(2 episodes, 4 attempts, 2 problems, 2 capped)
    >>> log.final_correct.tolist(), log.decided.tolist()
    ([True, False], [True, False, True, False])
    >>> log.counts().resample_wrong.item(), log.counts().decided_wrong.item()
    (2, 2)
    """

    offsets: Ints
    correct: Bools
    stopped: Bools
    capped: Bools
    problem: Ints
    problem_ids: Sequence[str]
    cap: Ints
    fields: Mapping[str, Labels] = field(default_factory=dict)
    unseen: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        if not len(self.unseen):
            object.__setattr__(self, "unseen", np.broadcast_to(np.False_, len(self.capped)))  # which takes no memory
        for name in ("offsets", *_PER_ATTEMPT, *_PER_EPISODE):
            array, whole = np.asarray(getattr(self, name)), name in ("offsets", "problem", "cap")
            if array.ndim != 1 or (array.size and array.dtype.kind not in ("iu" if whole else "b")):
                what = "whole numbers" if whole else "booleans"
                raise RecordError(f"{name} is an array of {array.dtype} with {array.ndim} dimensions: must be one row of {what}")
            object.__setattr__(self, name, frozen(array.astype(np.int64 if whole else np.bool_, copy=False)))
        object.__setattr__(self, "problem_ids", tuple(self.problem_ids))
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        self._check()

    # ------------------------------------------------------------------ making one

    @classmethod
    def record(
        cls,
        episodes: Iterable[tuple[str, Sequence[tuple[bool, str | None]]]],
        *,
        cap: int | ArrayLike = 0,
        fields: Mapping[str, Sequence[str]] | None = None,
    ) -> Episodes:
        """Return episodes written down by hand: ``(problem, [(correct, decision), ...])``, decisions "stop", "resample" or None.

        Args:
            episodes: as above; None is a decision that was not drawn (a submission at the cap).
            cap: the largest number of attempts allowed, one for all or (N,); 0 for none.
            fields: labels per episode.

        Raises:
            RecordError: an unknown decision, or what the class refuses.
        """
        listed = [(str(name), list(steps)) for name, steps in episodes]
        flat = [step for _, steps in listed for step in steps]
        unknown = [d for _, d in flat if d not in ("stop", "resample", None)]
        if unknown:
            raise RecordError(f"decision {unknown[0]!r} is unknown: must be 'stop', 'resample' or None")
        lengths = np.array([len(steps) for _, steps in listed], dtype=np.int64)
        problems = Labels.of(name for name, _ in listed)
        caps = np.broadcast_to(np.asarray(cap), lengths.shape)
        open_ended = np.array([not steps or steps[-1][1] != "stop" for _, steps in listed], dtype=bool)
        return cls(
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            correct=np.array([c for c, _ in flat], dtype=bool),
            stopped=np.array([d == "stop" for _, d in flat], dtype=bool),
            capped=open_ended | ((caps > 0) & (lengths == caps)),
            problem=problems.codes,
            problem_ids=problems.names,
            cap=caps,
            fields={name: Labels.of(values) for name, values in (fields or {}).items()},
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Episodes]) -> Episodes:
        """Return all episodes of several tables; problems and labels of the same name are the same.

        A field that a part does not have gets the label ``(not given)`` there.

        Raises:
            RecordError: there are no parts.
        """
        if not parts:
            raise RecordError("there are no episodes to put together: give at least one table")
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(int(part.offsets[-1]) for part in parts)])
        problem, ids = _merged([(part.problem, part.problem_ids) for part in parts])
        fields = {}
        for name in dict.fromkeys(name for part in parts for name in part.fields):
            columns = [part.fields.get(name) or Labels.constant(NOT_GIVEN, len(part)) for part in parts]
            fields[name] = Labels(*_merged([(column.codes, column.names) for column in columns], np.int32))
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_PER_ATTEMPT, *_PER_EPISODE)}
        return cls(
            offsets=np.concatenate([[0], *(part.offsets[1:] + start for part, start in zip(parts, starts[:-1], strict=True))]),
            problem_ids=ids,
            fields=fields,
            **{**joined, "problem": problem},
        )

    def with_field(self, name: str, labels: Labels) -> Episodes:
        """Return the same episodes with one more (or another) categorical column."""
        return replace(self, fields={**self.fields, name: labels})

    # ------------------------------------------------------------------ reading it

    def __len__(self) -> int:
        return len(self.capped)

    def __repr__(self) -> str:
        return (
            f"Episodes({len(self):,} episodes, {len(self.correct):,} attempts, {self.n_problems:,} problems, "
            f"{int(self.capped.sum())} capped)"
        )

    @property
    def n_problems(self) -> int:
        """Number of different problems that occur (a selection may have fewer than names)."""
        return int(np.count_nonzero(np.bincount(self.problem, minlength=len(self.problem_ids))))

    @cached_property
    def attempts(self) -> Ints:
        """(N,) number of attempts of each episode."""
        return np.diff(self.offsets)

    @cached_property
    def episode(self) -> Ints:
        """(M,) episode that each attempt belongs to."""
        return np.repeat(np.arange(len(self)), self.attempts)

    @cached_property
    def round(self) -> Ints:
        """(M,) round of each attempt within its episode, from 0."""
        return np.arange(len(self.correct)) - np.repeat(self.offsets[:-1], self.attempts)

    @property
    def last(self) -> Ints:
        """(N,) index of the last attempt of each episode."""
        return self.offsets[1:] - 1

    @cached_property
    def decided(self) -> Bools:
        """(M,) whether there was a decision after an attempt that is not censored."""
        own = np.ones(len(self.correct), dtype=bool)
        own[self.last[self.capped]] = False
        undecided = self.undecided
        if undecided.any():
            own &= np.repeat(~undecided, self.attempts)
        return own

    @property
    def undecided(self) -> Bools:
        """(N,) whether nobody decided: the number of attempts was fixed, so there are no decisions to count."""
        column = self.fields.get(DECIDED_BY)
        if column is None or NOBODY not in column.names:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(column.codes == column.names.index(NOBODY))

    @property
    def deciders(self) -> tuple[str, ...]:
        """Who decides, where the log says it: labels of the field ``decided_by`` that occur."""
        column = self.fields.get(DECIDED_BY)
        return () if column is None else column.present

    @property
    def one_shot(self) -> bool:
        """Whether nobody could resample: a cap of one everywhere."""
        return bool(len(self) and (self.cap == 1).all())

    @property
    def final_correct(self) -> Bools:
        """(N,) whether the last attempt, the one submitted, was correct."""
        return np.asarray(self.correct[self.last])

    @property
    def ended_by_stop(self) -> Bools:
        """(N,) whether the episode ended by a stop (at the cap too, if the log says so)."""
        return np.asarray(self.stopped[self.last])

    def select(self, mask: ArrayLike) -> Episodes:
        """Return the episodes where ``mask`` (N,) is true, or those of these indices (repeats are allowed: a resample)."""
        chosen = np.asarray(mask)
        index = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.int64)
        lengths = self.attempts[index]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(self.offsets[:-1][index] - offsets[:-1], lengths) + np.arange(offsets[-1])
        chosen_of = {name: getattr(self, name)[rows] for name in _PER_ATTEMPT}
        chosen_of |= {name: getattr(self, name)[index] for name in _PER_EPISODE}
        fields = {name: Labels(column.codes[index], column.names) for name, column in self.fields.items()}
        return replace(self, offsets=offsets, fields=fields, **chosen_of)

    def by(self, name: str) -> dict[str, Episodes]:
        """Return the episodes of each label of a field, in the order of its names; labels without episodes are left out.

        Raises:
            RecordError: there is no such field.
        """
        column = self.column(name)
        present = column.present
        if len(present) == 1:
            return {present[0]: self}
        return {label: self.select(column.codes == column.names.index(label)) for label in present}

    def column(self, name: str) -> Labels:
        """Return a categorical column.

        Raises:
            RecordError: there is no such field; the message lists those that there are.
        """
        if name not in self.fields:
            raise RecordError(f"no record has the field {name!r}: there are {', '.join(self.fields) or 'none'}")
        return self.fields[name]

    def counts(self, *axes: str) -> Counts:
        """Count attempts and decisions in cells.

        Args:
            axes: what to cross, each "problem", "episode", "round" or the name of a field; nothing for one total.

        Returns:
            integer arrays of one shape, an axis per name in the order given.

        >>> log = Episodes.record([("x", [(False, "resample"), (True, "stop")]), ("y", [(True, "stop")])])
        >>> log.counts("round").correct.tolist(), log.counts("problem", "round").attempts.tolist()
        ([1, 1], [[1, 1], [1, 0]])
        """
        cell: Any = None
        shape: list[int] = []
        for axis in axes:
            if axis == "episode":
                codes, size = self.episode, len(self)
            elif axis == "round":
                codes, size = self.round, int(self.attempts.max(initial=0))
            else:
                column = Labels(self.problem, tuple(self.problem_ids)) if axis == "problem" else self.column(axis)
                codes, size = np.repeat(column.codes, self.attempts), len(column.names)
            cell = codes if cell is None else cell * size + codes
            shape.append(size)
        # Kinds of attempts: wrong 0, correct 3, plus censored 0, resample 1, stop 2.
        kind = 3 * self.correct.view(np.int8) + (self.stopped.view(np.int8) + np.int8(1)) * self.decided.view(np.int8)
        table = np.zeros(6 * math.prod(shape), dtype=np.int64)
        step = _PIECE if len(table) < _PIECE else max(1, len(kind))
        for start in range(0, len(kind), step):
            piece = kind[start : start + step]
            index = piece if cell is None else cell[start : start + step] * 6 + piece
            table += np.bincount(index, minlength=len(table))
        wrong, right = np.moveaxis(table.reshape(*shape, 2, 3), (-2, -1), (0, 1))
        return Counts(
            attempts=wrong.sum(axis=0) + right.sum(axis=0),
            correct=right.sum(axis=0),
            decided_correct=right[1] + right[2],
            stop_correct=right[2].copy(),
            decided_wrong=wrong[1] + wrong[2],
            resample_wrong=wrong[1].copy(),
        )

    # ------------------------------------------------------------------ validation

    def _check(self) -> None:
        n, m = len(self.capped), len(self.correct)
        if len(self.offsets) != n + 1 or self.offsets[0] != 0 or self.offsets[-1] != m:
            raise RecordError(f"offsets has {len(self.offsets)} entries for {n} episodes: must be {n + 1}, from 0 to {m}")
        for name, size in (*((name, m) for name in _PER_ATTEMPT), *((name, n) for name in _PER_EPISODE)):
            if len(getattr(self, name)) != size:
                raise RecordError(f"{name} has {len(getattr(self, name))} entries: needs {size}")
        self._refuse(np.diff(self.offsets) < 1, np.diff(self.offsets), "attempts", "must be at least one")
        inner = self.stopped.copy()
        inner[self.offsets[1:] - 1] = False
        if inner.any():
            i = int(np.searchsorted(self.offsets, np.flatnonzero(inner)[0], side="right")) - 1
            raise RecordError(f"episode {i} goes on after a stop: only its last attempt may stop")
        open_end = ~self.stopped[self.offsets[1:] - 1] & ~self.capped
        self._refuse(open_end, self.capped, "capped", "must be true for an episode that ends without a stop")
        self._refuse(self.unseen & ~self.capped, self.unseen, "unseen", "must be false for an episode that is not capped")
        over = (self.cap != 0) & (np.diff(self.offsets) > self.cap)
        self._refuse(over | (self.cap < 0), self.cap, "cap", "must be 0 (none) or at least the number of attempts")
        self._refuse((self.problem < 0) | (self.problem >= len(self.problem_ids)), self.problem, "problem",
                     f"must be an index of the {len(self.problem_ids)} problem ids")  # fmt: skip
        for name, column in self.fields.items():
            if len(column) != n:
                raise RecordError(f"field {name} has {len(column)} entries: needs {n}")
            self._refuse((column.codes < 0) | (column.codes >= len(column.names)), column.codes, f"code of {name}",
                         f"must be an index of its {len(column.names)} names")  # fmt: skip

    def _refuse(self, bad: NDArray[np.bool_], values: NDArray[Any], what: str, rule: str) -> None:
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise RecordError(f"episode {i} has the {what} {values[i].item()!r}: {rule}")


def _merged(
    columns: Sequence[tuple[Ints, Sequence[str]]], dtype: type[np.integer[Any]] = np.int64
) -> tuple[Ints, tuple[str, ...]]:
    """Return the codes of several columns one after the other, and their common names."""
    seen: dict[str, int] = {}
    codes = []
    for column, names in columns:
        table = np.fromiter((seen.setdefault(name, len(seen)) for name in names), dtype=dtype, count=len(names))
        codes.append(table[column])
    return np.concatenate(codes), tuple(seen)

r"""One row per problem: all that the estimates need, small enough to resample a million problems a thousand times.

Attempts of one problem may be correlated, so whatever measures uncertainty has to treat problems as its units. A problem's row
holds sums over its episodes (attempts, correct ones, decisions of both kinds, final answers). Two facts make this fast:

- Rows are small whole numbers, so many problems have the same one. The ledger keeps *distinct rows with multiplicities*: drawing
  P problems with replacement is a multinomial draw of new multiplicities, the same in distribution, over hundreds of rows
  instead of a million.
- Where rows are too many for that, problems are put together at random into blocks of (nearly) equal size, and blocks are drawn.
  A block is a sum of independent problems, so the variance of every total is estimated without bias; with 5,000 blocks its
  standard error is 2 %.

Source: the bootstrap over clusters, Davison and Hinkley (1997), section 3.8; compression and blocks are derived here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dstheory.anatomy.counts import Counts
from dstheory.anatomy.episodes import Episodes
from dstheory.checks import Floats, Ints

__all__ = ["COLUMNS", "Ledger", "cells", "rounds"]

COLUMNS = (
    "episodes", "attempts", "correct", "decided_correct", "stop_correct", "decided_wrong", "resample_wrong",
    "final_correct", "stopped", "stopped_correct", "first_correct",
)  # fmt: skip
"""Of each problem: episodes, attempts, correct ones; decisions after a correct answer and stops among them; after a wrong one and
resamples among them; episodes whose last answer is correct, that stopped before their cap, that stopped (at it too) on a correct
answer; episodes whose first answer is correct."""

_MOST_ROWS = 20_000  # beyond this many distinct rows, blocks are drawn
_BLOCKS = 5_000
_CHUNK = 1 << 22  # numbers held at once while resampling: 32 MB


@dataclass(frozen=True, eq=False)
class Ledger:
    """Distinct rows of sums per problem, and how many problems have each.

    Attributes:
        rows: (G, 11) distinct rows, columns as in `COLUMNS`.
        times: (G,) number of problems with that row.

    >>> log = Episodes.record([("x", [(False, "resample"), (True, "stop")]), ("y", [(True, "stop")]), ("z", [(True, "stop")])])
    >>> ledger = Ledger.of(log)
    >>> ledger.times.tolist(), int(ledger.total("attempts")), ledger.problems
    ([2, 1], 4, 3)
    """

    rows: Ints
    times: Ints

    @classmethod
    def of(cls, episodes: Episodes) -> Ledger:
        """Return the ledger of all episodes."""
        return _by_problem(_episode_rows(episodes), episodes.problem)

    @property
    def problems(self) -> int:
        """Number of problems."""
        return int(self.times.sum())

    def column(self, name: str) -> Ints:
        """(G,) one column of the rows."""
        return np.asarray(self.rows[:, COLUMNS.index(name)])

    def total(self, name: str) -> int:
        """Sum of a column over all problems."""
        return int(self.times @ self.column(name))

    def counts(self) -> Counts:
        """Return the totals that p, a and b are estimated from."""
        return Counts(*(np.asarray(self.total(name)) for name in COLUMNS[1:7]))

    def covariance(self, first: tuple[str, str], second: tuple[str, str]) -> float:
        r"""Covariance of two rates :math:`\sum s / \sum n`, each given as (successes, trials), problems being independent.

        By linearisation: :math:`\frac{G}{G-1} \sum_x e_x e'_x / (\sum n \sum n')` with residuals :math:`e_x = s_x - \hat r n_x`,
        and G the number of problems with trials of both kinds of rates taken together.
        """
        parts, used = [], np.zeros(len(self.times), dtype=bool)
        for successes, trials in (first, second):
            s, n = self.column(successes), self.column(trials)
            whole = float(self.times @ n)
            if whole == 0:
                return 0.0
            parts.append((s - (self.times @ s) / whole * n) / whole)
            used |= n > 0
        units = int(self.times[used].sum())
        return float(self.times @ (parts[0] * parts[1])) * units / max(units - 1, 1)

    def resample(self, resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield chunks (B, 11) of bootstrap totals, B summing to ``resamples``: problems drawn with replacement."""
        rows, times = (self.rows, self.times) if len(self.rows) <= _MOST_ROWS else self._blocks(rng)
        units = int(times.sum())
        step = max(_CHUNK // max(len(rows), 1), 1)
        matrix = rows.astype(np.float64)
        for start in range(0, resamples, step):
            size = min(step, resamples - start)
            yield rng.multinomial(units, times / units, size=size) @ matrix

    def _blocks(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Return (sums of problems put together at random, all ones)."""
        of_problem = np.repeat(np.arange(len(self.times)), self.times)
        rng.shuffle(of_problem)
        starts = np.linspace(0, len(of_problem), _BLOCKS, endpoint=False).astype(np.int64)
        return np.add.reduceat(self.rows[of_problem], starts, axis=0), np.ones(_BLOCKS, dtype=np.int64)


def cells(episodes: Episodes, axes: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Ledger]]:
    """Yield (labels, ledger) of every combination of fields that occurs, in the order of the labels.

    Raises:
        RecordError: there is no such field.
    """
    rows = _episode_rows(episodes)
    columns = [episodes.column(name) for name in axes]
    if not columns:
        yield (), _by_problem(rows, episodes.problem)
        return
    shape = tuple(len(column.names) for column in columns)
    code = np.ravel_multi_index(tuple(column.codes for column in columns), shape)
    order = np.argsort(code, kind="stable")
    edges = np.flatnonzero(np.diff(code[order], prepend=-1))
    for chosen in np.split(order, edges[1:]) if len(order) else []:
        place = np.unravel_index(int(code[chosen[0]]), shape)
        labels = tuple(column.names[int(i)] for column, i in zip(columns, place, strict=True))
        yield labels, _by_problem(rows[chosen], episodes.problem[chosen])


def rounds(episodes: Episodes, *, most: int | None = None) -> Iterator[tuple[int, Ledger]]:
    """Yield (round, ledger of that round's attempts alone) from round 0 on, at most ``most`` of them.

    "episodes" are those that reach the round; the columns after "resample_wrong" stay 0.
    """
    longest = int(episodes.attempts.max(initial=0))
    for k in range(longest if most is None else min(longest, most)):
        there = np.flatnonzero(episodes.attempts > k)
        at = episodes.offsets[:-1][there] + k
        right, own, stop = episodes.correct[at], episodes.decided[at], episodes.stopped[at]
        part = np.zeros((len(there), len(COLUMNS)), dtype=np.int32)
        part[:, :2] = 1
        for column, values in zip(range(2, 7), (right, right & own, right & own & stop, ~right & own, ~right & own & ~stop),
                                  strict=True):  # fmt: skip
            part[:, column] = values
        yield k, _by_problem(part, episodes.problem[there])


def _episode_rows(episodes: Episodes) -> Ints:
    """(N, 11) the columns, per episode."""
    rows = np.empty((len(episodes), len(COLUMNS)), dtype=np.int32)
    counts = episodes.counts("episode")
    rows[:, 0] = 1
    for column, name in enumerate(COLUMNS[1:7], start=1):
        rows[:, column] = getattr(counts, name)
    final = episodes.final_correct
    rows[:, 7], rows[:, 8], rows[:, 9] = final, ~episodes.capped, final & episodes.ended_by_stop
    rows[:, 10] = episodes.correct[episodes.offsets[:-1]]
    return rows


def _by_problem(rows: Ints, problem: Ints) -> Ledger:
    """Sum rows of one problem, then keep distinct ones."""
    distinct, place = np.unique(problem, return_inverse=True)
    if len(distinct) < len(problem):
        sums = [np.bincount(place, weights=column, minlength=len(distinct)) for column in rows.T]
        rows = np.stack(sums, axis=1).astype(np.int64)
    first, times = _distinct(rows)
    return Ledger(rows[first].astype(np.int64), times)


def _distinct(rows: Ints) -> tuple[Ints, Ints]:
    """Return (index of one row of each kind, number of rows of that kind).

    Columns are packed into one integer per row, which sorts some twenty times faster than rows do. Before the integer would
    overflow it is replaced by its rank.
    """
    if not len(rows):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    code, size = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T:
        radix = int(column.max()) + 1
        if size * radix >= 2**62:
            ranks, code = np.unique(code, return_inverse=True)
            size = len(ranks)
        code = code * radix + column
        size *= radix
    _, first, times = np.unique(code, return_index=True, return_counts=True)
    return first, times

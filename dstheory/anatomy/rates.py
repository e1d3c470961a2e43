r"""p, a and b of a log, overall, per task, per round, with intervals over problems.

In a cell with :math:`n` attempts, :math:`n_C` of them correct, and :math:`m_C`, :math:`m_W` decisions of the model's own after
correct and wrong answers (censored ones left out), of which :math:`s_C` stop and :math:`r_W` resample,

.. math:: \hat p = n_C / n, \qquad \hat a = s_C / m_C, \qquad \hat b = r_W / m_W .

**Problems are the units.** Attempts of one problem may be correlated, so :class:`ProblemCounts` holds sums per problem, as
*distinct rows with multiplicities*: rows are small whole numbers, so many problems have the same one, and sums over a million
problems are sums over hundreds of rows.

**Wilson's interval** is all r with :math:`|\hat r - r| \le z \sqrt{r(1-r)/n}`, z the normal quantile of the level. With a handful
of successes or failures it covers too seldom (84 % where one in six samples has a success at all), so its end on that side is
moved out to the exact one-sided limit of the same level, a quantile of a Beta distribution. Here n is

- ``"binomial"``: the number of trials. Right if attempts are independent given p, a, b, that is, if all problems are alike.
- ``"problem"`` (the default): an *effective* number of trials. With the jackknife's variance of a ratio over G problems,

  .. math:: V = \frac{G-1}{G} \sum_x \Big(\frac{s_x - \hat r n_x}{N - n_x}\Big)^2, \qquad
            n_{\text{eff}} = \min\{\hat r (1 - \hat r)/V, N\}, \qquad N = \sum n,

  and Student's quantile for the normal one. A problem that has most of the trials draws the rate to itself, and what is left of
  its deviation must be scaled up; and there are then fewer degrees of freedom than problems (:func:`balance`; G - 1 where all
  have as many trials). But problems cannot differ by more than those that are always or never right, which are worth
  :math:`1/\sum (n_x/N)^2` trials. That is no estimate, so it has the normal quantile, and is taken instead where this makes the
  interval shorter (with V, where V is larger still, as where numbers of trials depend on their outcomes).
  Where :math:`\hat r` is 0 or 1, or all problems have the same rate, the correlation cannot be seen, and each problem counts
  once: :math:`n_{\text{eff}} = G`.

**What p means.** The pooled :math:`\hat p` is an average over *attempts*. Where problems differ and resampling helps, hard ones
get more attempts in an episode, and it lies below the accuracy of first answers, but for chance; where it hurts, above. So it
differs between models that sample alike, if their decisions differ (claim G2-pooled). The accuracy of first answers is the
average over problems, if all have as many episodes.

Source: Wilson (1927); its ends at small counts, Brown, Cai and DasGupta (2001), section 4.1.1; the jackknife of clusters and its
degrees of freedom, Bell and McCaffrey (2002); effective sample size in Wilson's interval, Kott and Carr (1997), Franco et al.
(2019). The rule at 0 and 1 and distinct rows are derived here. Coverage is measured in ``tests/anatomy``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from dstheory.anatomy.episodes import Episodes, HoldsEpisodes, episodes_of
from dstheory.checks import Floats, Ints
from dstheory.errors import RecordError
from dstheory.texts import counted

COLUMNS = (
    "episodes", "attempts", "correct", "decided_correct", "stop_correct", "decided_wrong", "resample_wrong",
    "final_correct", "stopped", "stopped_correct", "first_correct", "unseen_correct", "unseen_wrong", "improved", "worsened",
)  # fmt: skip
"""Of each problem: episodes, attempts, correct ones; decisions after a correct answer and stops among them; after a wrong one and
resamples among them; episodes whose last answer is correct, that stopped before their cap, that stopped (at it too) on a correct
answer; episodes whose first answer is correct; those whose last answer is correct, or wrong, and whose decision after it is
not seen; those whose first answer is wrong and last correct, and the other way round."""

RATES = {
    "p": ("correct", "attempts"),
    "a": ("stop_correct", "decided_correct"),
    "b": ("resample_wrong", "decided_wrong"),
}
"""What each parameter is counted from: successes and trials, as columns."""

_UNSEEN = {
    "stop_correct": ("unseen_correct",),
    "resample_wrong": ("unseen_wrong",),
    "stopped": ("unseen_correct", "unseen_wrong"),
}
"""Successes that may be more, by the decisions that are not seen."""

_WHY_NOT = {
    "correct": "there is no attempt",
    "stop_correct": "no correct attempt was followed by a decision, so P(stop | correct) cannot be estimated",
    "resample_wrong": "no wrong attempt was followed by a decision, so P(resample | wrong) cannot be estimated",
}
_ONLY_RESAMPLES = (
    "no stop is seen, and in {episodes} episodes the last decision is not: where only resamples show, neither a nor b can be "
    "estimated"
)


_FEWEST_TOGETHER = 4  # problems that show a correlation: of two it is always 1 or -1, of three mostly near to them
# Where problems differ, intervals of 95 % held the truth in 54 to 93 %; most that did not are told by these.
_FEW_HAVE_MOST = 8  # problems of one size, that all successes, or all failures, are worth
_TOO_FEW = 4  # likewise, of averages over samples: few values show hardly whether problems differ
_DIFFER = 1.5  # the variance over problems, in units of that of as many independent trials
_FEW_DECIDED = 20  # problems with decisions, where few or none have most of one kind
_FEW = "few problems have most of the successes, or of the failures, and problems differ"
_ONE_KIND = "one kind of decision was seen mostly in few problems, or in none: too few to show whether problems differ"

# ---------------------------------------------------------------------- estimates


@dataclass(frozen=True)
class Estimate:
    """One estimated number with its interval, or the reason why there is none; never a silent NaN.

    Attributes:
        value: the point estimate; None if and only if ``reason`` says why there is none.
        low, high: ends of the confidence interval; where nothing can be said, the ends of the range of the quantity.
        level: the coverage that the interval promises.
        method: how the interval was made.
        successes, trials: what a rate was counted from.
        reason: why the value cannot be estimated; empty if it can.
        caution: why the interval may contain the true value less often than its level says; empty if nothing shows that.

    >>> Estimate(0.75, 0.61, 0.86, 0.95, "Wilson", 30, 40).text()
    '0.750 [0.610, 0.860]'
    >>> Estimate.missing("no attempt was correct", level=0.95).text()
    'no attempt was correct'
    """

    value: float | None
    low: float
    high: float
    level: float
    method: str
    successes: int | None = None
    trials: int | None = None
    reason: str = ""
    caution: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError(f"an estimate needs a value or a reason, and not both: got {self.value!r}, {self.reason!r}")
        if self.value is not None and math.isnan(self.value):
            raise ValueError("an estimate must not be NaN: give the reason why there is none")

    @classmethod
    def missing(cls, reason: str, *, level: float, low: float = 0.0, high: float = 1.0) -> Estimate:
        """Return the estimate of what cannot be estimated: the whole range, and why."""
        return cls(None, low, high, level, "none", reason=reason)

    def text(self, digits: int = 3) -> str:
        """Return the value with its interval, and a star where there is a caution; or the reason."""
        if self.value is None:
            return self.reason
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]" + "*" * bool(self.caution)


def normal_quantile(level: float) -> float:
    """Return z such that a standard normal variable lies within z of 0 with probability ``level``.

    Raises:
        RecordError: the level does not lie strictly between 0 and 1.

    >>> round(normal_quantile(0.95), 4)
    1.96
    """
    if not 0 < (1 - level) / 2 < 0.5:  # also not so near to 0 that rounding takes it there
        raise RecordError(f"level is {level!r}: must lie between 0 and 1; 0.95 is usual")
    return -NormalDist().inv_cdf((1 - level) / 2)  # of the lower tail: near level 1 the upper one has no digits


def student_quantile(degrees: float, level: float) -> float:
    """Return the quantile for a standard error of so many degrees of freedom; the normal one where there are none.

    >>> round(student_quantile(20, 0.95), 4)
    2.086
    """
    from scipy.special import stdtrit

    return -float(stdtrit(degrees, (1 - level) / 2)) if degrees > 0 else normal_quantile(level)


def wilson(
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    level: float = 0.95,
    quantile: ArrayLike | None = None,
    most: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Return the ends of Wilson's interval, moved out at small counts as above, elementwise; [0, 1] where there are no trials.

    Args:
        successes, trials: any shapes that broadcast; need not be whole.
        level: coverage.
        quantile: used instead of the normal one of the level, say of Student's t.
        most: successes of the upper end, where not all are seen; by default the same.

    >>> [round(float(x), 4) for x in wilson(0, 10)]
    [0.0, 0.2775]
    """
    z = np.asarray(normal_quantile(level) if quantile is None else quantile, dtype=float)
    counts = (successes, successes if most is None else most, trials)
    s, m, n = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in counts))
    below, above = _below(np.stack([s, n - m]), n, z, level)
    return below, 1 - above


def _below(successes: Floats, trials: Floats, z: Floats, level: float) -> Floats:
    """Return the lower end, by a quantile or, where that is wider, by the exact limit of the level."""
    from scipy.special import betaincinv

    z2 = z * z
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = successes / trials
        middle = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
        half = np.sqrt(z2 * (rate * (1 - rate) / trials + z2 / (4 * trials * trials))) / (1 + z2 / trials)
        exact = betaincinv(successes, trials - successes + 1, 1 - level)
    # At no successes the end is 0 exactly; rounding would leave 1e-17 beside it.
    return np.where((trials > 0) & (successes > 0), np.clip(np.fmin(middle - half, exact), 0.0, 1.0), 0.0)


def balance(trials: Floats | Ints, times: Floats | Ints) -> tuple[float, float]:
    r"""Return the degrees of freedom of the jackknife's variance of a ratio, and of how many problems of one size it is worth.

    At least 1 of either; no degrees of freedom where one problem has all trials.

    With shares :math:`h_x` of the trials, deviations of alike problems are :math:`(I - 1 h^\top) u` with independent u, and the
    variance is their quadratic form with weights :math:`d_x = h_x^2/(1 - h_x)^2`; as many degrees of freedom as a chi-square
    with the same mean and variance has (Satterthwaite). Where every problem is always or never right, the rate varies as that of
    :math:`1/\sum_x h_x^2` trials (Kish).

    Args:
        trials, times: (G,) of kinds of problems, and how many are of each.

    >>> [[round(x, 2) for x in balance(np.array(n), np.array(times))] for n, times in (([3, 0], [21, 5]), ([5, 1], [1, 5]))]
    [[20.0, 21.0], [1.33, 3.33]]
    """
    whole = float(times @ trials)
    h = np.asarray(trials) / whole
    square = float(times @ (h * h))
    if h.max() >= 1:
        return 0.0, 1.0
    d = (h / (1 - h)) ** 2
    # Of the matrix I - 1 h' - h 1' + 1 1' sum(h^2) between the weights: its trace, and the squares of its entries.
    diagonal = 1 - 2 * h + square
    d0, d1, d2 = (float(times @ (d * h**k)) for k in range(3))
    entries = square**2 * d0**2 + 2 * d2 * d0 - 4 * square * d1 * d0 + 2 * d1**2 + float(times @ (d * d * (2 * diagonal - 1)))
    return round(max(float(times @ (d * diagonal)) ** 2 / entries, 1.0), 9), 1 / square


# ---------------------------------------------------------------------- counts per problem


@dataclass(frozen=True, eq=False)
class ProblemCounts:
    """Distinct rows of sums per problem, and how many problems have each.

    Attributes:
        rows: (G, 15) distinct rows, columns as in `COLUMNS`.
        times: (G,) number of problems with that row.

    >>> log = Episodes.record([("x", [(False, "resample"), (True, "stop")]), ("y", [(True, "stop")]), ("z", [(True, "stop")])])
    >>> table = ProblemCounts.of(log)
    >>> table.times.tolist(), table.total("attempts"), table.problems
    ([2, 1], 4, 3)
    """

    rows: Ints
    times: Ints

    @classmethod
    def of(cls, episodes: Episodes) -> ProblemCounts:
        """Return the counts of all episodes."""
        return cls._of_rows(_summed(episodes, episodes.problem)[1])

    @classmethod
    def _of_rows(cls, rows: Ints) -> ProblemCounts:
        first, times = _distinct(rows)
        return cls(rows[first].astype(np.int64), times)

    @property
    def problems(self) -> int:
        """Number of problems."""
        return int(self.times.sum())

    def column(self, name: str) -> Ints:
        """Return (G,) one column of the rows."""
        return np.asarray(self.rows[:, COLUMNS.index(name)])

    def total(self, name: str) -> int:
        """Return the sum of a column over all problems."""
        return int(self._totals[COLUMNS.index(name)])

    @cached_property
    def _totals(self) -> Ints:
        return np.asarray(self.times @ self.rows)

    def covariance(self, first: tuple[str, str], second: tuple[str, str]) -> float:
        r"""Return the covariance of two rates :math:`\sum s / \sum n`, each given as (successes, trials).

        The jackknife's: :math:`\frac{G-1}{G} \sum_x e_x e'_x / ((N - n_x)(N' - n'_x))` with residuals
        :math:`e_x = s_x - \hat r n_x`, N all trials, and G the number of problems, which are independent, with trials of either.
        """
        parts, used = [], np.zeros(len(self.times), dtype=bool)
        for successes, trials in dict.fromkeys((first, second)):  # of one rate, its variance, once
            s, n = self.column(successes), self.column(trials)
            whole = float(self.times @ n)
            if whole == 0:
                return 0.0
            parts.append(left_out(s - (self.times @ s) / whole * n, n, whole))
            used |= n > 0
        units = int(self.times[used].sum())
        return float(self.times @ (parts[0] * parts[-1])) * (units - 1) / units

    def correlation(self, first: tuple[str, str], second: tuple[str, str]) -> float:
        """Return the correlation of two rates; 0 where one does not vary over problems, or these are too few to show it."""
        if int(self.times[(self.column(first[1]) > 0) & (self.column(second[1]) > 0)].sum()) < _FEWEST_TOGETHER:
            return 0.0
        both, one, other = (self.covariance(*pair) for pair in ((first, second), (first, first), (second, second)))
        return float(np.clip(both / math.sqrt(one * other), -1, 1)) if one * other > 0 else 0.0

    @cached_property
    def correlations(self) -> Floats:
        """(3, 3) the correlations of p, a and b."""
        return np.array([[1.0 if i == j else self.correlation(RATES[i], RATES[j]) for j in RATES] for i in RATES])


def cells(episodes: Episodes, axes: Sequence[str]) -> Iterator[tuple[tuple[str, ...], ProblemCounts]]:
    """Yield (labels, counts) of every combination of fields that occurs, in the order of the labels.

    Raises:
        RecordError: there is no such field.
    """
    columns = [episodes.column(name) for name in axes]
    if not columns:
        yield (), ProblemCounts.of(episodes)
        return
    shape, problems = tuple(len(column.names) for column in columns), len(episodes.problem_ids)
    code = np.ravel_multi_index(tuple(column.codes for column in columns), shape)
    codes, combination = _placed(code)  # without gaps, so that pairs are whole numbers of 64 bits
    pairs, rows = _summed(episodes, combination * problems + episodes.problem)
    edges = np.searchsorted(pairs // problems, np.arange(len(codes) + 1))
    for of, (start, end) in zip(codes, pairwise(edges), strict=True):
        place = np.unravel_index(of, shape)
        labels = tuple(column.names[int(i)] for column, i in zip(columns, place, strict=True))
        yield labels, ProblemCounts._of_rows(rows[start:end])


def rounds(episodes: Episodes, *, most: int | None = None) -> Iterator[ProblemCounts]:
    """Yield the counts of round 0, 1, ..., of that round's attempts alone, at most ``most`` of them.

    "episodes" are those that reach the round; of the columns after "resample_wrong" only what is not seen is filled.
    """
    longest = int(episodes.attempts.max(initial=0))
    for k in range(longest if most is None else min(longest, most)):
        there = np.flatnonzero(episodes.attempts > k)
        at = episodes.offsets[:-1][there] + k
        right, own, stop = episodes.correct[at], episodes.decided[at], episodes.stopped[at]
        rows = np.zeros((len(there), len(COLUMNS)), dtype=np.int32)
        rows[:, :2] = 1
        rows[:, 2:7] = np.stack([right, right & own, right & own & stop, ~right & own, ~right & own & ~stop], axis=1)
        unseen = episodes.unseen[there] & (episodes.last[there] == at)
        rows[:, 11], rows[:, 12] = unseen & right, unseen & ~right
        yield ProblemCounts._of_rows(_sums(rows, episodes.problem[there])[1])


def _episode_rows(episodes: Episodes) -> Ints:
    """(N, 15) the columns, per episode."""
    rows = np.empty((len(episodes), len(COLUMNS)), dtype=np.int32)
    counts, final = episodes.counts("episode"), episodes.final_correct
    rows[:, 0] = 1
    for i, name in enumerate(COLUMNS[1:7], start=1):
        rows[:, i] = getattr(counts, name)
    rows[:, 7], rows[:, 8], rows[:, 9] = final, ~episodes.capped, final & episodes.ended_by_stop
    rows[:, 10] = first = episodes.correct[episodes.offsets[:-1]]
    rows[:, 11], rows[:, 12] = episodes.unseen & final, episodes.unseen & ~final
    rows[:, 13], rows[:, 14] = final & ~first, first & ~final
    return rows


def _summed(episodes: Episodes, cell: Ints) -> tuple[Ints, Ints]:
    """Return the cells (N,) that occur, in order, and the sums of the columns in each."""
    if not (episodes.one_shot and episodes.capped.all()):
        return _sums(_episode_rows(episodes), cell)
    # No episode has a decision: the few columns that are filled are counted five times as fast as all are summed.
    present, counts = _occurring(cell)
    rows = np.zeros((len(present), len(COLUMNS)), dtype=np.int32)
    rows[:, :2] = counts[:, None]
    for columns, those in (([2, 7, 10], episodes.correct), ([9], episodes.correct & episodes.stopped)):
        right, counts = _occurring(cell[those])
        rows[np.searchsorted(present, right)[:, None], columns] = counts[:, None]
    return present, rows


def _occurring(codes: Ints) -> tuple[Ints, Ints]:
    """Return the codes that occur, in order, and how often."""
    present, place = _placed(codes)
    return present, np.bincount(place, minlength=len(present))


def _placed(codes: Ints) -> tuple[Ints, Ints]:
    """Return the codes that occur, in order, and the place of each of all codes among them; by counting where that is fast."""
    if codes.max(initial=0) > 2 * len(codes):
        return np.unique(codes, return_inverse=True)
    there = np.bincount(codes) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[codes]


def _sums(rows: Ints, cell: Ints) -> tuple[Ints, Ints]:
    """Return the cells (N,) that occur, in order, and the sums of the rows in each."""
    present, place = _placed(cell)
    sums = np.zeros((len(present), rows.shape[1]), dtype=np.int64)
    for i in np.flatnonzero(rows.any(axis=0)).tolist():
        sums[:, i] = np.bincount(place, weights=rows[:, i], minlength=len(present))
    return present, sums


def _distinct(rows: Ints) -> tuple[Ints, Ints]:
    """Return (index of one row of each kind, number of rows of that kind).

    Columns are packed into one integer per row, which sorts some twenty times faster than rows do. Before the integer would
    overflow it is replaced by its rank.
    """
    code, size = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T:
        radix = int(column.max(initial=0)) + 1
        if radix == 1:
            continue
        if size * radix >= 2**62:
            ranks, code = np.unique(code, return_inverse=True)
            size = len(ranks)
        code = code * radix + column
        size *= radix
    _, first, times = np.unique(code, return_index=True, return_counts=True)
    return first, times


def left_out(rest: Floats, trials: Floats | Ints, whole: float) -> Floats:
    """Return by how much a rate falls without one problem, (G,); 0 without the only one that has trials."""
    others = whole - trials
    return np.divide(rest, others, out=np.zeros(len(rest)), where=others > 1e-12 * whole)


# ---------------------------------------------------------------------- rates


@dataclass(frozen=True)
class Row:
    """p, a and b of one cell.

    Attributes:
        labels: of the cell, one per axis.
        p, a, b: the estimates.
        problems, episodes, attempts: what the cell holds.
    """

    labels: tuple[str, ...]
    p: Estimate
    a: Estimate
    b: Estimate
    problems: int
    episodes: int
    attempts: int


def measure(
    episodes: Episodes | HoldsEpisodes,
    *axes: str,
    level: float = 0.95,
    interval: str = "problem",
    most: int | None = None,
) -> list[Row]:
    """Estimate p, a and b in every cell.

    Args:
        episodes: the log.
        axes: names of fields to cross, such as "task"; "round" alone for rounds (labels "1", "2", ...); nothing for one total.
        level: coverage of each interval.
        interval: "problem" or "binomial", as above.
        most: largest number of rounds.

    Raises:
        RecordError: no such field, a level outside (0, 1), an unknown interval, "round" crossed with something.

    >>> from dstheory.anatomy import simulate_log
    >>> (total,) = measure(simulate_log(300, p=0.4, a=0.9, b=0.7, cap=8))
    >>> total.p.text(), total.a.text(), total.b.text()
    ('0.366 [0.326, 0.407]', '0.946 [0.905, 0.970]', '0.693 [0.642, 0.740]')
    """
    normal_quantile(level)  # refuses a level that is none, also where there is nothing to estimate
    episodes = episodes_of(episodes)
    if "round" in axes:
        if len(axes) > 1:
            raise RecordError(f"'round' cannot be crossed with {axes[0]!r}: select the episodes first, then measure per round")
        tables = rounds(episodes, most=most)
        return [row(table, (str(k),), level=level, interval=interval) for k, table in enumerate(tables, start=1)]
    return [row(table, labels, level=level, interval=interval) for labels, table in cells(episodes, axes)]


def row(table: ProblemCounts, labels: Sequence[str] = (), *, level: float = 0.95, interval: str = "problem") -> Row:
    """Estimate p, a and b of one table."""
    p, a, b = (rate(table, *RATES[name], level=level, interval=interval) for name in "pab")
    return Row(tuple(labels), p, a, b, table.problems, table.total("episodes"), table.total("attempts"))


def rate(table: ProblemCounts, successes: str, trials: str, *, level: float = 0.95, interval: str = "problem") -> Estimate:
    """Estimate one rate, given by its columns, with its interval.

    >>> log = Episodes.record([("x", [(False, "resample"), (False, None)])], cap=2)
    >>> rate(ProblemCounts.of(log), *RATES["a"]).reason
    'no correct attempt was followed by a decision, so P(stop | correct) cannot be estimated'
    """
    if interval not in ("problem", "binomial"):
        raise RecordError(f"interval is {interval!r}: must be 'problem' or 'binomial'")
    s, n = table.total(successes), table.total(trials)
    if n == 0:
        return Estimate.missing(_WHY_NOT.get(successes, "there are no episodes"), level=level)
    stops = table.total("stop_correct") + table.total("decided_wrong") - table.total("resample_wrong")
    if trials.startswith("decided") and not stops:
        ends_unseen = table.total("unseen_correct") + table.total("unseen_wrong")
        if ends_unseen:
            return Estimate.missing(_ONLY_RESAMPLES.format(episodes=ends_unseen), level=level)
    least, most, hidden = _seen(table, successes, trials)
    if interval == "binomial":
        low, high = wilson(least * n, n, level=level, most=most * n)
        found = Estimate(s / n, float(low), float(high), level, "Wilson")
    else:
        variance, decided = table.covariance((successes, trials), (successes, trials)), trials.startswith("decided")
        right, tried = table.column(successes), table.column(trials)
        found = wilson_over(s / n, variance, right, tried, table.times, n, level, ends=(least, most), decided=decided)
    unseen = f"; whatever {counted(hidden, 'unseen decision was', 'unseen decisions were')}" if hidden else ""
    return replace(found, method=found.method + unseen, successes=s, trials=n)


def wilson_over(
    rate: float,
    variance: float,
    s: Floats | Ints,
    n: Floats | Ints,
    times: Ints,
    samples: float,
    level: float,
    *,
    ends: tuple[float, float] | None = None,
    units: int = 0,
    counts: bool = True,
    decided: bool = False,
    rests_on: Floats | Ints | None = None,
) -> Estimate:
    """Return an estimate in [0, 1] with Wilson's interval over problems, and a caution where it may be too narrow.

    It may where its variance rests on what few problems were like.

    Args:
        rate, variance: estimated.
        s, n, times: (G,) successes and trials of kinds of problems, and how many are of each.
        samples: largest effective number of trials.
        level: coverage.
        ends: the least and the most that the rate may be, if not all is seen.
        units: problems that count once each where the variance cannot be seen; by default all that have trials.
        counts: whether successes are whole; averages over samples spread less than their number tells.
        decided: whether trials are decisions.
        rests_on: (G,) the trials that most of the variance is that of, by which problems are weighed; by default all.
    """
    problems, (least, most) = int(times[n > 0].sum()), ends or (rate, rate)
    weighed = balance(n if rests_on is None else rests_on, times)
    effective, quantile, method = effective_trials(rate, variance, units or problems, samples, level, *weighed)
    low, high = wilson(least * effective, effective, level=level, quantile=quantile, most=most * effective)
    differ = variance * samples / (rate * (1 - rate)) if 0 < rate < 1 else 0.0
    worth = min(float(times @ kind) ** 2 / max(float(times @ (1.0 * kind * kind)), 1e-300) for kind in (s, n - s))
    caution = ""
    if samples == problems:  # of one trial each the sum is binomial, alike or not
        pass
    elif worth < _FEW_HAVE_MOST and (differ > _DIFFER or (not counts and 0 < worth < _TOO_FEW)):
        caution = _FEW
    elif decided and problems <= _FEW_DECIDED and worth < _FEWEST_TOGETHER:
        caution = _ONE_KIND  # decisions end by how they come out: problems of the kind that is hardly seen would have had more
    return Estimate(rate, float(low), float(high), level, method, caution=caution)


def _seen(table: ProblemCounts, successes: str, trials: str) -> tuple[float, float, int]:
    """Return a rate if none of the decisions that are not seen were successes, and if all were; and how many these are."""
    hidden = sum(table.total(name) for name in _UNSEEN.get(successes, ()))
    s, n = table.total(successes), table.total(trials) + hidden * trials.startswith("decided")
    return s / n, (s + hidden) / n, hidden


def rate_deviate(table: ProblemCounts, successes: str, trials: str, value: float, level: float) -> float | None:
    """Return how far a rate lies above a value: beyond the normal quantile of the level where its interval leaves the value out.

    None where the value is 0 or 1; 0 where decisions that are not seen may make the rate the value. The interval is meant as it
    is before it is moved out at small counts.

    >>> log = Episodes.record([(str(i), [(i < 5, "stop")]) for i in range(6)])
    >>> round(rate_deviate(ProblemCounts.of(log), "final_correct", "episodes", 0.4, 0.95), 2)
    1.98
    """
    s, n, column = table.total(successes), table.total(trials), table.column(trials)
    variance, units = table.covariance((successes, trials), (successes, trials)), int(table.times[column > 0].sum())
    effective, quantile, _ = effective_trials(s / n, variance, units, n, level, *balance(column, table.times))
    spread = value * (1 - value) / effective
    if spread <= 0:
        return None
    least, most, _ = _seen(table, successes, trials)
    return (min(max(value, least), most) - value) / math.sqrt(spread) * normal_quantile(level) / quantile


def attempts_deviate(table: ProblemCounts, value: float, level: float) -> float | None:
    """Return how far the mean number of attempts lies above a value, as :func:`rate_deviate` does; None of an infinite one."""
    if value == math.inf:
        return None
    more, error, seen = _attempts(table)
    if seen and value > 1:
        quantile = student_quantile(balance(table.column("episodes"), table.times)[0], level)
        return math.log(more / (value - 1)) * more / error * normal_quantile(level) / quantile
    followed = 1 - 1 / value  # of the attempts, the share that is followed by another
    return (more / (1 + more) - followed) / math.sqrt(followed * (1 - followed) / table.problems) if value > 1 else None


def _attempts(table: ProblemCounts) -> tuple[float, float, bool]:
    """Return the attempts of an episode after the first, the standard error of their mean, and whether that can be seen."""
    more = table.total("attempts") / table.total("episodes") - 1
    error = math.sqrt(table.covariance(("attempts", "episodes"), ("attempts", "episodes")))
    return more, error, more > 0 and error > 1e-12 * more


def mean_attempts(table: ProblemCounts, level: float) -> Estimate:
    """Estimate the mean number of attempts of an episode, with an interval over problems.

    It is normal on the scale of the logarithm of the attempts after the first, which are few and skewed. Where problems do not
    differ in it, as where there is one, their spread is not seen: each counts once, in Wilson's interval for the share q of the
    attempts that are followed by another, and the mean is 1/(1 - q). Where nobody could decide there is nothing to estimate.
    """
    problems, (more, error, seen) = table.problems, _attempts(table)
    decided = table.total("decided_correct") + table.total("decided_wrong")
    if not more or (decided and not seen):
        share = more / (1 + more)
        low, high = (float(end) for end in wilson(share * problems, problems, level=level)) if decided else (share, share)
        most = 1 / (1 - high) if high < 1 else math.inf  # few long episodes: to all digits of a float the share may be 1
        return Estimate(1 + more, 1 / (1 - low), most, level, f"Wilson, {counted(problems, 'problem')}")
    degrees, _ = balance(table.column("episodes"), table.times)
    factor = math.exp(student_quantile(degrees, level) * error / more)
    return Estimate(1 + more, 1 + more / factor, 1 + more * factor, level, f"log-normal, {counted(problems, 'problem')}")


def over_problems(values: Floats, problem: Ints, samples: float, level: float, weights: Floats | None = None) -> Estimate:
    """Return the mean of values in [0, 1], one for each group, with an interval over problems.

    Args:
        values: (m,) of the groups.
        problem: (m,) which problem each is about.
        samples: how many independent trials the mean is worth if problems are alike, at most.
        level: coverage.
        weights: (m,) of the groups, where they do not count alike.
    """
    if not len(values):
        return Estimate.missing("there are no groups of that size", level=level)
    _, unit = np.unique(problem, return_inverse=True)
    weight = np.ones(len(values)) if weights is None else weights
    count, sums, total = np.bincount(unit, weights=weight), np.bincount(unit, weights=weight * values), float(weight.sum())
    units, rate = len(count), float(np.clip(sums.sum() / total, 0.0, 1.0))
    moved, whole = left_out(sums - rate * count, count, total), bool((values == values.round()).all())
    variance = (units - 1) / units * float(moved @ moved)
    return wilson_over(rate, variance, sums, count, np.ones(units, dtype=np.int64), samples, level, counts=whole)


def correlation_of(first: Floats | Ints, second: Floats | Ints) -> float:
    """Return the correlation of two estimates, given what each problem moves them by, up to factors; 0 of too few problems."""
    if np.count_nonzero((first != 0) | (second != 0)) < _FEWEST_TOGETHER:
        return 0.0
    size = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / size if size > 1e-12 else 0.0


def effective_trials(
    rate: float, variance: float, units: int, most: float, level: float, degrees: float, worth: float
) -> tuple[float, float, str]:
    """Return the effective number of trials, the quantile of Wilson's interval over problems, and its method.

    Args:
        rate, variance: estimated.
        units: problems that have trials; each counts once where the variance cannot be seen.
        most: largest effective number.
        level: of the interval.
        degrees, worth: as :func:`balance` returns them.
    """
    effective, quantile = float(units), normal_quantile(level)
    if 0.0 < rate < 1.0 and variance > 1e-15 and units > 1:
        seen, student = rate * (1 - rate) / variance, student_quantile(degrees, level)
        choices = ((min(seen, float(most)), student), (min(seen, worth), quantile))
        effective, quantile = max(choices, key=lambda choice: choice[0] / choice[1] ** 2)
    return effective, quantile, f"Wilson, {effective:.4g} effective trials in {counted(units, 'problem')}"

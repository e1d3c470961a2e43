r"""A verifier's or reward model's score as the decision: accept an answer whose score is at least t, else draw another.

On samples of which it is known whether they are right, every threshold t has, with p the share of right ones,

.. math:: a = P(S \ge t \mid \text{right}), \qquad b = P(S < t \mid \text{wrong}),

and accepting multiplies the odds of being right by :math:`a/(1-b)`. Who draws until an answer is accepted ends with accuracy

.. math:: \frac{p\,a}{p\,a + (1-p)(1-b)},

which is the share of right ones among accepted samples. That is for one p, a and b; where problems differ, each problem ends with
its own share, and ``each_problem`` is their mean over the problems of which some sample is accepted.

**ROC curve**: a against 1 - b over all thresholds. Its area is :math:`\theta = P(S_r > S_w) + P(S_r = S_w)/2` for a right and a
wrong sample drawn from all. A score that only knows which problems are easy has an area above 1/2 and cannot choose between two
answers to one problem, so ``area_within`` compares samples of the same problem, each problem counting once.

**Intervals** have problems as units. With m right and n wrong samples, :math:`V_i` the share of wrong samples below right sample
i, and :math:`V_j` that of right samples above wrong sample j (ties one half), the area has residuals per problem
:math:`e_x = \sum_{i \in x} (V_i - \theta)/(m - m_x) + \sum_{j \in x} (V_j - \theta)/(n - n_x)`, with :math:`m_x` and
:math:`n_x` those of the problem, and variance :math:`\frac{G-1}{G}\sum_x e_x^2`, in Wilson's interval as in
:mod:`dstheory.anatomy.rates`. Problems are weighed there by their samples of the kind, right or wrong, that is worth fewer
problems of one size: four right samples show how far the area may be off at four places, whatever the number of wrong ones. The
others are those of :mod:`dstheory.anatomy.answers`.

**The best threshold**, and what it is worth on other problems: it has the largest a + b - 1, the greatest of those that do.
Chosen and judged on the same samples that figure is too good. So the problems are split at random into halves, the threshold is
chosen on each half and judged on the other, and every sample is judged once by a threshold chosen without its problem; the mean
over many splits is the figure for new problems.

Source: likelihood ratio of a test, Bayes' rule; the area's components, DeLong et al. (1988), summed over clusters, Obuchowski
(1997); a + b - 1 is the index of Youden (1950); sample splitting by clusters as in :mod:`dstheory.anatomy.holdout`; the rest is
derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dstheory.anatomy.answers import multiplier, youden
from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, HoldsEpisodes, episodes_of
from dstheory.anatomy.rates import (
    COLUMNS,
    Estimate,
    ProblemCounts,
    Row,
    balance,
    normal_quantile,
    over_problems,
    rate,
    row,
    wilson_over,
)
from dstheory.checks import Bools, Floats, Ints, whole_number
from dstheory.errors import RecordError


@dataclass(frozen=True)
class Best:
    """The threshold with the largest a + b - 1, and what it is worth.

    Attributes:
        threshold: chosen on all problems; None where all samples are right or all are wrong.
        same: a + b - 1 and accuracy on the samples that it was chosen on.
        held_out: likewise on problems that it was not chosen on, means over the splits; None where there was no split.
        held_out_range: a + b - 1 in the middle 90 % of the splits.
        thresholds: chosen on halves: 5 %, 50 % and 95 % of them lie below.
        splits: number of splits, each of two halves.
        reason: why there is no threshold, or no split; empty if there is.
    """

    threshold: float | None = None
    same: tuple[float, float] | None = None
    held_out: tuple[float, float | None] | None = None
    held_out_range: tuple[float, float] | None = None
    thresholds: tuple[float, float, float] | None = None
    splits: int = 0
    reason: str = ""


def best_threshold(right: Bools, code: Ints, values: Floats, problem: Ints, splits: int, rng: np.random.Generator) -> Best:
    """Choose the threshold and judge it on problems that it was not chosen on.

    Args:
        right: (N,) which samples are right.
        code: (N,) index of the score of each among the values.
        values: (K,) the scores, ascending.
        problem: (N,) from 0 without gaps.
        splits: number of splits into halves.
        rng: draws them.

    >>> right, code, problem = np.array([True, False] * 4), np.array([1, 0] * 3 + [0, 1]), np.repeat(np.arange(4), 2)
    >>> found = best_threshold(right, code, np.array([0.1, 0.9]), problem, 20, np.random.default_rng(0))
    >>> found.threshold, found.same, found.held_out
    (0.9, (0.5, 0.75), (0.5, 0.75))
    """
    if right.all() or not right.any():
        return Best(reason=f"all samples are {'right' if right.any() else 'wrong'}: no threshold is better than another")
    size = len(values)
    good, bad = (np.bincount(code[those], minlength=size) for those in (right, ~right))
    chosen = _largest(good, bad)
    same = _judged(int(good[chosen:].sum()), int(bad[chosen:].sum()), int(good.sum()), int(bad.sum()))
    assert same[1] is not None
    found: list[tuple[float, float | None]] = []
    thresholds: list[float] = []
    problems = int(problem.max()) + 1
    for _ in range(splits if problems > 1 else 0):
        half = np.zeros(problems, dtype=bool)
        half[rng.permutation(problems)[: problems // 2]] = True
        inside = half[problem]
        good_in, bad_in = (np.bincount(code[those & inside], minlength=size) for those in (right, ~right))
        sides = ((good_in, bad_in), (good - good_in, bad - bad_in))
        if not all(x.any() for side in sides for x in side):
            continue
        picks = [_largest(*side) for side in sides]
        taken = [sum(int(sides[1 - i][j][k:].sum()) for i, k in enumerate(picks)) for j in (0, 1)]
        found.append(_judged(taken[0], taken[1], int(good.sum()), int(bad.sum())))
        thresholds += [float(values[k]) for k in picks]
    best = Best(float(values[chosen]), (same[0], same[1]), splits=len(found))
    if not found:
        few = "1 problem has" if problems == 1 else f"{problems:,} problems have"
        return replace(best, reason=f"{few} no two halves with right and wrong samples: nothing is held out")
    gains, accuracies = np.array([one[0] for one in found]), [one[1] for one in found if one[1] is not None]
    low, middle, high = (float(x) for x in np.quantile(thresholds, (0.05, 0.5, 0.95), method="inverted_cdf"))
    return replace(
        best,
        held_out=(float(gains.mean()), float(np.mean(accuracies)) if accuracies else None),
        held_out_range=(float(np.quantile(gains, 0.05)), float(np.quantile(gains, 0.95))),
        thresholds=(low, middle, high),
    )


def _largest(good: Ints, bad: Ints) -> int:
    """Return the index of the threshold with the largest a + b - 1; of equal ones the greatest, which some sample has.

    The differences are compared as whole numbers, so that equal ones are equal.
    """
    m, n = int(good.sum()), int(bad.sum())
    gain = np.cumsum(good[::-1]).astype(np.int64) * n - np.cumsum(bad[::-1]).astype(np.int64) * m
    return len(gain) - 1 - int(np.argmax(gain))


def _judged(good: int, bad: int, m: int, n: int) -> tuple[float, float | None]:
    """Return a + b - 1, and the share of right ones among those accepted."""
    return good / m - bad / n, good / (good + bad) if good + bad else None


FIELD = "decision_score"
"""The field of episodes that holds the score."""

_SHOWN = 9  # thresholds with intervals
_POINTS = 200  # of the curve that is kept
_BOOLS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Threshold:
    """What accepting scores of at least a threshold does.

    Attributes:
        threshold: t, one of the scores.
        accepted: P(accept).
        a, b: P(accept | right), P(reject | wrong).
        youden, multiplier: a + b - 1 and a/(1-b).
        accuracy: after unlimited resampling, p a/(p a + (1-p)(1-b)), all samples taken together.
        each_problem: likewise problem by problem, the mean over problems.
        never: number of problems of which no sample is accepted; they are not in ``each_problem``.
    """

    threshold: float
    accepted: Estimate
    a: Estimate
    b: Estimate
    youden: Estimate
    multiplier: Estimate
    accuracy: Estimate
    each_problem: Estimate
    never: int


@dataclass(frozen=True)
class ScoreRule:
    """What a score is worth as a decision.

    Attributes:
        problems, samples, distinct: how many there are; distinct scores.
        p: share of right samples.
        thresholds: some of them, spread over the samples, in ascending order; the best is among them.
        area, area_within: under the ROC curve, of all samples and of samples of one problem.
        curve: points (1 - b, a) from (0, 0) to (1, 1), at most 202; empty where all samples are right or all are wrong.
        best: the best threshold.
    """

    problems: int
    samples: int
    distinct: int
    p: Estimate
    thresholds: tuple[Threshold, ...]
    area: Estimate
    area_within: Estimate
    curve: tuple[tuple[float, float], ...]
    best: Best


def scores_of(episodes: Episodes, field: str = FIELD) -> Floats:
    """Return (N,) the scores of samples; true and false count as 1 and 0.

    Raises:
        RecordError: some sample has none, or one that is not a finite number.

    >>> log = Episodes.record([("x", [(True, None)])] * 2, cap=1, fields={"decision_score": ["0.25", "true"]})
    >>> scores_of(log).tolist()
    [0.25, 1.0]
    """
    if field not in episodes.fields:
        raise RecordError(f"no sample has a {field}: name the key of the score")
    column = episodes.fields[field]
    values = np.array([_number(name) for name in column.names], dtype=float)[column.codes]
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        name = column.names[int(column.codes[bad[0]])]
        what = "missing or no number" if name == NOT_GIVEN else repr(name[:40])
        problem = episodes.problem_ids[int(episodes.problem[bad[0]])]
        raise RecordError(
            f"the {field} of {len(bad):,} of {len(values):,} samples is not a finite number (first: problem {problem}, {what}): "
            "give every sample one, or name another place"
        )
    return values


def _number(text: str) -> float:
    try:
        return _BOOLS[text] if text in _BOOLS else float(text)
    except ValueError:
        return float("nan")


def judge_score(
    episodes: Episodes | HoldsEpisodes,
    *,
    field: str = FIELD,
    level: float = 0.95,
    splits: int = 100,
    rng: np.random.Generator | int = 0,
) -> ScoreRule:
    """Judge a score as a decision on a log in which nobody could resample.

    Args:
        episodes: the log; one sample each.
        field: holds the score.
        level: coverage of intervals.
        splits: number of random splits of the problems into halves.
        rng: generator or seed of the splits.

    Raises:
        RecordError: somebody could resample, or a score is not a finite number.

    >>> rows = [(name, [(right, None)]) for name in "xy" for right in (True, True, False)]
    >>> found = judge_score(Episodes.record(rows, cap=1, fields={"decision_score": ["3", "2", "2", "3", "1", "1"]}))
    >>> found.area.value, [(row.threshold, row.a.value, row.b.value) for row in found.thresholds]
    (0.75, [(2.0, 0.75, 0.5), (3.0, 0.5, 1.0)])
    """
    normal_quantile(level)  # refuses a level that is none
    episodes = episodes_of(episodes)
    splits = whole_number(splits, "splits", low=0)
    if not len(episodes):
        raise RecordError(f"there are no samples: give at least one with a {field}")
    if not episodes.one_shot:
        raise RecordError(
            f"the log has attempts after the first, so decisions of its own: a {field} is judged on samples after which nobody "
            "could resample; leave it out"
        )
    right = np.asarray(episodes.correct, dtype=bool)
    values, code = np.unique(scores_of(episodes, field), return_inverse=True)
    problem = _problems_by_name(episodes)
    best = best_threshold(right, code, values, problem, splits, np.random.default_rng(rng))
    shown, mixed = _shown(code, values, best.threshold), bool(right.any() and not right.all())
    which = "right" if right.any() else "wrong"
    no_area = Estimate.missing(f"all samples are {which}: an area needs right and wrong ones", level=level)
    return ScoreRule(
        problems=int(problem.max()) + 1,
        samples=len(right),
        distinct=len(values),
        p=row(_table(right, np.ones_like(right), problem), level=level).p,
        thresholds=tuple(_threshold(float(values[k]), right, code >= k, problem, level) for k in shown),
        area=_area(right, code, problem, level) if mixed else no_area,
        area_within=_area_within(right, code, problem, level) if mixed else no_area,
        curve=_curve(right, code) if mixed else (),
        best=best,
    )


def _problems_by_name(episodes: Episodes) -> Ints:
    """Return (N,) the rank of each sample's problem among the names, so that the splits do not depend on the order of the log."""
    present, problem = np.unique(episodes.problem, return_inverse=True)
    rank = np.empty(len(present), dtype=np.int64)
    rank[sorted(range(len(present)), key=lambda i: episodes.problem_ids[int(present[i])])] = np.arange(len(present))
    return np.asarray(rank[problem])


# ---------------------------------------------------------------------- one threshold


def _table(right: Bools, accept: Bools, problem: Ints) -> ProblemCounts:
    """Return the sums per problem, accepting counted as stopping."""
    parts = {
        "episodes": np.ones_like(right), "attempts": np.ones_like(right), "correct": right, "decided_correct": right,
        "stop_correct": right & accept, "decided_wrong": ~right, "resample_wrong": ~right & ~accept,
        "stopped": accept, "stopped_correct": right & accept,
    }  # fmt: skip
    rows = np.zeros((int(problem.max()) + 1, len(COLUMNS)), dtype=np.int64)
    for name, those in parts.items():
        rows[:, COLUMNS.index(name)] = np.bincount(problem[those], minlength=len(rows))
    return ProblemCounts(rows, np.ones(len(rows), dtype=np.int64))


def _rates(table: ProblemCounts, level: float) -> Row:
    """Return p, a and b, with reasons in the words of scores."""
    found = row(table, level=level)
    if found.a.value is None:
        found = replace(found, a=Estimate.missing("no sample is right: no P(accept | right)", level=level))
    if found.b.value is None:
        found = replace(found, b=Estimate.missing("no sample is wrong: no P(reject | wrong)", level=level))
    return found


def _threshold(value: float, right: Bools, accept: Bools, problem: Ints, level: float) -> Threshold:
    table = _table(right, accept, problem)
    rates = _rates(table, level)
    taken, good = table.column("stopped"), table.column("stopped_correct")
    some = np.flatnonzero(taken)
    return Threshold(
        threshold=value,
        accepted=rate(table, "stopped", "attempts", level=level),
        a=rates.a,
        b=rates.b,
        youden=youden(table, rates),
        multiplier=multiplier(table, rates),
        accuracy=rate(table, "stopped_correct", "stopped", level=level),
        each_problem=over_problems(good[some] / taken[some], some, len(some) ** 2 / float((1 / taken[some]).sum()), level),
        never=len(taken) - len(some),
    )


def _shown(code: Ints, values: Floats, best: float | None) -> list[int]:
    """Return the indices of thresholds to show: all but the one that accepts everything, or some spread over the samples."""
    if len(values) <= _SHOWN + 1:
        return list(range(1, len(values))) or [0]
    ranked = np.sort(code)
    places = (np.arange(1, _SHOWN + 1) * len(ranked)) // (_SHOWN + 1)
    shown = {max(1, int(k)) for k in ranked[places]}
    return sorted(shown | ({int(np.searchsorted(values, best))} if best is not None else set()))


# ---------------------------------------------------------------------- the curve, of right and wrong samples


def _curve(right: Bools, code: Ints) -> tuple[tuple[float, float], ...]:
    x, y = (np.concatenate([[0.0], np.cumsum(np.bincount(code[those], minlength=code.max() + 1)[::-1]) / those.sum()])
            for those in (~right, right))  # fmt: skip
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _POINTS + 2)).astype(np.int64))
    return tuple(zip(x[kept].tolist(), y[kept].tolist(), strict=True))


def _area(right: Bools, code: Ints, problem: Ints, level: float) -> Estimate:
    good, bad = (np.bincount(code[those], minlength=code.max() + 1) for those in (right, ~right))
    m, n = good.sum(), bad.sum()
    below = (np.cumsum(bad) - bad / 2) / n  # of wrong samples below a right one
    above = (m - np.cumsum(good) + good / 2) / m  # of right samples above a wrong one
    area = float(np.clip(good @ below / m, 0.0, 1.0))
    count, ones = np.bincount(problem), np.ones(int(problem.max()) + 1, dtype=np.int64)
    each = [np.bincount(problem, weights=those, minlength=len(ones)) for those in (right, ~right)]
    units = min(int(np.count_nonzero(one)) for one in each)
    if units < 2:
        return Estimate(area, 0.0, 1.0, level, "no interval: right or wrong samples of one problem only")
    moved = np.zeros(len(ones))  # as for rates, by leaving each problem out, of right samples and of wrong ones
    for those, share, one in ((right, below, each[0]), (~right, above, each[1])):
        moved += np.bincount(problem, weights=np.where(those, share[code] - area, 0.0)) / (one.sum() - one)
    variance = (len(moved) - 1) / len(moved) * float(moved @ moved)
    rarer = min(each, key=lambda one: balance(one, ones)[1])  # a few of these show how far the area may be off, not all samples
    return wilson_over(area, variance, each[0], count, ones, len(right), level, units=units, rests_on=rarer)


def _area_within(right: Bools, code: Ints, problem: Ints, level: float) -> Estimate:
    key, place = np.unique(problem * (int(code.max()) + 1) + code, return_inverse=True)
    owner = key // (int(code.max()) + 1)  # in ascending order, and the scores of a problem too
    good, bad = (np.bincount(place[those], minlength=len(key)) for those in (right, ~right))
    m, n = (np.bincount(owner, weights=x) for x in (good, bad))
    below = np.cumsum(bad) - bad / 2 - (np.cumsum(n) - n)[owner]
    wins = np.bincount(owner, weights=good * below)
    both = np.flatnonzero(m * n)
    if not len(both):
        return Estimate.missing("no problem has both right and wrong samples", level=level)
    if len(both) == 1:
        return Estimate(float(wins[both[0]] / (m * n)[both[0]]), 0.0, 1.0, level, "no interval: one problem has both")
    return over_problems((wins / np.maximum(m * n, 1))[both], both, int((m + n)[both].sum()), level)

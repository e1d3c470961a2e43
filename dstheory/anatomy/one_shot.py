r"""Logs in which nobody could resample: what k samples of a problem give, and which groups of samples teach nothing.

A *group* holds the samples of one problem, at one step of training where the log has steps, in one file. Of n samples c are
right. For every k up to n, averages over all :math:`\binom{n}{k}` subsets are unbiased for the chances with k fresh samples:

.. math:: \text{pass@}k = 1 - \binom{n-c}{k}\Big/\binom{n}{k}, \qquad
          P(\text{all right}) = \binom{c}{k}\Big/\binom{n}{k}, \qquad P(\text{all wrong}) = 1 - \text{pass@}k .

A group of k samples that are all right or all wrong is *dead*: every advantage relative to the group's mean is 0. The majority
of k is that of each block of k samples in the order of the log; a tie counts by the share of tied answers that are right, and a
sample without an answer does not vote.

Every average is over groups. Groups of one problem may be correlated (steps, files), so problems are the units of its interval,
as in :mod:`dstheory.anatomy.rates`: with sums :math:`s_x` over the :math:`m_x` of the M groups that are about problem x, and G
problems, :math:`V = \frac{G-1}{G} \sum_x (s_x - \hat r m_x)^2/(M - m_x)^2`, and Wilson's interval has
:math:`\min\{\hat r (1-\hat r)/V, \hat r (1-\hat r)/V_0\}` trials and Student's quantile, or what is said there where that makes
it shorter. :math:`V_0` is the variance if all
problems are alike, below which it cannot be: V misses what only the few groups of hardly k samples could show. Two subsets of k
among n samples have j in common with the hypergeometric chance :math:`h_j`, and are both all right with chance
:math:`p^{2k-j}`, so for P(all right) = :math:`p^k` a group adds :math:`\sum_{j \ge 1} h_j (p^{2k-j} - p^{2k})`. Where problems
differ, :math:`E\, p_x^{2k-j} \ge (E\, p_x^k)^{(2k-j)/k}` (Jensen). All wrong is the same, and of dead groups either counts; they
have at most as many trials as samples, since :math:`p^k + (1-p)^k` is least at p = 1/2, where it hardly moves with p: V_0 says
nothing there of how much problems differ.

Source: pass@k of Chen et al. (2021), section 2.1; the other two follow alike; variances of such averages, Hoeffding (1948).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np

from dstheory.anatomy.episodes import NOT_GIVEN, Episodes, in_order
from dstheory.anatomy.rates import Estimate, measure, over_problems
from dstheory.anatomy.score_rule import ScoreRule
from dstheory.anatomy.votes import Ballots, Votes, groups_of
from dstheory.checks import Bools, Floats, Ints

_FEWEST = 0.5  # share of the groups that must have k samples for k to be shown


@dataclass(frozen=True)
class Sized:
    """What k samples of a problem give.

    Attributes:
        k: number of samples.
        groups: how many groups have that many.
        passed: P(at least one right), pass@k.
        majority: P(the most frequent answer is right); None where the log has no answers.
        all_right, all_wrong: P(all right), P(all wrong).
        dead: P(either).
    """

    k: int
    groups: int
    passed: Estimate
    majority: Estimate | None
    all_right: Estimate
    all_wrong: Estimate
    dead: Estimate


@dataclass(frozen=True)
class StepRates:
    """One step of training.

    Attributes:
        step: its label.
        groups: number of groups.
        p: P(right).
        dead: share of the groups that are all right or all wrong, whatever their size.
    """

    step: str
    groups: int
    p: Estimate
    dead: Estimate


@dataclass(frozen=True)
class OneShot:
    """What a log says in which nobody could resample.

    Attributes:
        groups: number of groups of samples.
        smallest, largest: of their sizes.
        sizes: k = 1, 2, 4, ..., and the most frequent size, as far as half of the groups have k samples.
        steps: in order; empty where the log has no steps.
        scores: what a score is worth as a decision; None if none was asked for.
        votes: what the agreement of samples is worth as one; None if it was not asked for.
    """

    groups: int
    smallest: int
    largest: int
    sizes: tuple[Sized, ...]
    steps: tuple[StepRates, ...]
    scores: ScoreRule | None = None
    votes: Votes | None = None


def one_shot(episodes: Episodes, *, level: float = 0.95) -> OneShot:
    """Say what k samples of a problem give.

    Args:
        episodes: a log in which nobody could resample.
        level: coverage of intervals.

    >>> log = Episodes.record([("x", [(c, None)]) for c in (True, True, False, False)] + [("y", [(True, None)])] * 4, cap=1)
    >>> found = one_shot(log)
    >>> [(row.k, round(row.passed.value, 3), row.dead.text(2)) for row in found.sizes[1:]]
    [(2, 0.917, '0.67 [0.07, 1.00]*'), (4, 1.0, '0.50 [0.00, 1.00]')]
    """
    group = groups_of(episodes)
    n = np.bincount(group)
    c = np.bincount(group, weights=episodes.correct).astype(np.int64)
    first = np.zeros(len(n), dtype=np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    problem = episodes.problem[first]

    def mean(values: Floats, among: Ints, trials: float) -> Estimate:
        return over_problems(values[among], problem[among], trials, level)

    def sized(k: int) -> Sized:
        among = np.flatnonzero(n >= k)
        wrong, right = _share(n, n - c, k), _share(n, c, k)
        majority = None
        if _given(episodes, "answer"):
            blocks = len(among) ** 2 / float((1 / (n[among] // k)).sum())
            majority = mean(_majorities(episodes, group, k, len(n)), among, blocks)
        all_wrong, all_right = (float(values[among].mean()) for values in (wrong, right))
        ones, others = (_trials(n[among], k, rate ** (1 / k)) for rate in (all_wrong, all_right))
        dead = Estimate.missing("a group of one sample has no advantages", level=level)
        if k > 1:
            p = _of_dead(all_right + all_wrong, k)
            dead = mean(right + wrong, among, min(_trials(n[among], k, p, 1 - p), float(n[among].sum())))
        return Sized(
            k, len(among), mean(1 - wrong, among, ones), majority, mean(right, among, others), mean(wrong, among, ones), dead
        )

    usual = int(np.bincount(n).argmax())
    largest = int(n.max())
    ks = sorted({usual, *(2**i for i in range(largest.bit_length()))})
    return OneShot(
        groups=len(n),
        smallest=int(n.min()),
        largest=largest,
        sizes=tuple(sized(k) for k in ks if np.count_nonzero(n >= k) >= _FEWEST * len(n)),
        steps=tuple(_steps(episodes, group, (c == 0) | (c == n), level, mean)),
    )


def _given(episodes: Episodes, name: str) -> bool:
    """Return whether some of these episodes have a field."""
    return name in episodes.fields and episodes.fields[name].present != (NOT_GIVEN,)


def _share(n: Ints, c: Ints, k: int) -> Floats:
    """Return (m,) the share of the subsets of k among n that lie within c; exact whole numbers, divided once."""
    radix = int(n.max()) + 1
    pairs, place = np.unique(n * radix + c, return_inverse=True)
    shares = [comb(pair % radix, k) / comb(pair // radix, k) if pair // radix >= k else 0.0 for pair in pairs.tolist()]
    return np.asarray(np.array(shares)[place])


def _trials(n: Ints, k: int, *chances: float) -> float:
    """Return how many independent trials the mean over groups is worth if their problems are alike.

    Args:
        n: (m,) sizes of the groups, at least k.
        k: of the subsets that are counted, those of which all are of one kind.
        chances: of a sample to be of such a kind; either one, or both.

    >>> _trials(np.array([1, 2, 4]), 1, 0.3), round(_trials(np.array([2, 2]), 2, 0.4, 0.6), 12)  # 9/(1 + 1/2 + 1/4); pairs
    (5.142857143, 2.0)
    """
    from scipy.special import gammaln

    p, j = np.array(chances), np.arange(1, k + 1)
    rate = float((p**k).sum())
    if not 0 < rate < 1:
        return float(len(n))
    above = (p[:, None] ** (2 * k - j)).sum(axis=0) - rate**2  # of two subsets with j samples in common

    def log_ways(of: int, some: Ints) -> Floats:
        return np.asarray(gammaln(of + 1.0) - gammaln(some + 1.0) - gammaln(of - some + 1.0))

    variance = 0.0
    for size, times in zip(*np.unique(n, return_counts=True), strict=True):
        there = j >= 2 * k - size
        some = j[there]
        chance = np.exp(log_ways(k, some) + log_ways(size - k, k - some) - log_ways(size, np.array(k)))
        variance += times * float(chance @ above[there])
    # Of a thousand samples and more it may be smaller than the smallest number: then each group counts once.
    return float(round(len(n) ** 2 * rate * (1 - rate) / variance, 9)) if variance > 0 else float(len(n))


def _of_dead(rate: float, k: int) -> float:
    """Return the chance of a right answer, or of a wrong one, by which k samples are all alike at this rate; else one half."""
    low, high = 0.5, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if middle**k + (1 - middle) ** k > rate else (middle, high)
    return low


def _majorities(episodes: Episodes, group: Ints, k: int, groups: int) -> Floats:
    """(groups,) the share of blocks of k samples whose most frequent answer is right; 0 for groups without a block."""
    ballots = Ballots.of(episodes, group, k)
    tied, blocks = ballots.tied, len(ballots.owner)
    ties = np.bincount(ballots.block[tied], minlength=blocks)
    credit = np.bincount(ballots.block[tied], weights=ballots.right[tied], minlength=blocks) / np.maximum(ties, 1)
    per_group = np.bincount(ballots.owner, minlength=groups)
    return np.asarray(np.bincount(ballots.owner, weights=credit, minlength=groups) / np.maximum(per_group, 1))


def _steps(
    episodes: Episodes, group: Ints, dead: Bools, level: float, mean: Callable[[Floats, Ints, float], Estimate]
) -> list[StepRates]:
    if not _given(episodes, "step"):
        return []
    column = episodes.fields["step"]
    step = np.zeros(len(dead), dtype=np.int64)
    step[group] = column.codes
    ends = np.cumsum(np.bincount(step, minlength=len(column.names)))
    groups = dict(zip(column.names, np.split(np.argsort(step, kind="stable"), ends[:-1]), strict=True))
    rates, values = {row.labels[0]: row.p for row in measure(episodes, "step", level=level)}, dead.astype(float)
    found = [(name, groups[name], rates[name]) for name in in_order(list(rates))]
    return [StepRates(name, len(those), p, mean(values, those, len(those))) for name, those, p in found]

r"""Checks of the homogeneous chain on one log, in the order in which they should be read.

**Do problems differ?** Trials :math:`y_1, y_2, \ldots` of a problem in order (its attempts, or its decisions of one kind),
residuals :math:`e_j = y_j - r` and what has been gathered before, :math:`Z_{j} = \sum_{i<j} e_i`. The statistic

.. math:: U = \sum_x \sum_j e_j Z_j = \sum_x \sum_{i<j} e_i e_j

is half of :math:`\sum_x (c_x - n_x r)^2 - c_x (1-r)^2 - (n_x - c_x) r^2`, the score of overdispersion in Tarone's test. Books
give it a variance for fixed numbers of trials. Here an episode ends *because of* its trials; but :math:`Z_j` is known before
trial j, so U is a martingale, with variance :math:`r(1-r) \sum Z_j^2` whatever the stopping rule; estimating r takes
:math:`[\sum Z_j]^2 r(1-r) / M` off it, with M trials, and makes the mean of U nearly :math:`-\sum Z_j^2 / (M - 1)`, which z is
counted from. With fixed numbers of trials the mean of the variance with known r is Tarone's.
:math:`U / (r(1-r) \cdot \text{pairs})` estimates the correlation between two trials of one problem. Pearson's statistic
:math:`\sum_x (c_x - n_x r)^2/(n_x r (1-r))`, with degrees of freedom G - 1, is reported beside it as an effect; its chi-square
distribution does not hold under stopping, so no p-value is taken from it. For short logs the p-value comes from a parametric
bootstrap: the same problems, episodes per problem and caps, simulated from the homogeneous chain. For longer ones it is the
normal one, which holds also for two or three problems, since the variance is counted from the same trials as U; where one problem
has nearly all trials it rejects too seldom.

**Within episodes**, whatever problems are like: of an episode all attempts but the last were followed by a resample. Given that,
and given how many of these m = K - 1 attempts were correct, every order of them is equally likely if attempts and decisions are
independent and alike *given the problem*, whatever p_x, a_x, b_x are: each order has the same factors p_x(1-a_x) and (1-p_x) b_x.
(Where a or b changes with the round they are not.) So conditional on c correct ones of m, with ranks 1..m,

- the sum of the ranks of correct ones has mean c(m+1)/2 and variance c(m-c)(m+1)/12 (**trend**: do later attempts get better?),
- the number of runs of equal outcomes has mean 1 + 2c(m-c)/m and variance 2c(m-c)(2c(m-c) - m)/(m^2(m-1)) (**dependence**: does
  an outcome repeat itself, or alternate?),

and p-values of sums over episodes are exact where episodes are few, from a normal distribution where they are many
(:mod:`dstheory.anatomy.orders`). Only episodes that resampled correct *and* wrong answers carry information.

**Decisions** of one kind are independent if each is made afresh: the chance of a stop must not depend on whether the attempt
before was correct. A two-by-two table, chi-square with one degree of freedom, also valid where problems differ in p. Where they
differ in the rate that is tested it rejects too, although that changes at no problem: who went on from a wrong answer is more
often at a problem of large b.

**Over rounds.** Under the homogeneous chain the successes :math:`s_k` of :math:`n_k` trials in round k do not depend on the past,
given :math:`n_k`, so :math:`\sum_k (s_k - n_k r)^2/(n_k r(1-r))` is chi-square with one degree of freedom less than rounds.
Neighbouring late rounds are put together until 5 successes and failures are expected. This test also rejects where problems
merely *differ*: with a + b > 1 the easy ones leave early, so p falls with the round although no problem gets harder (with
a + b < 1 it rises); likewise those of large a and small b.

Source: Tarone (1979) for fixed numbers of trials; the rank sum of Wilcoxon (1945), the runs test of Wald and Wolfowitz (1940);
the martingale variance and conditioning within episodes are derived here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dstheory.anatomy.episodes import Episodes, HoldsEpisodes, episodes_of
from dstheory.anatomy.generate import attempts
from dstheory.anatomy.orders import Sum, changes, rank_sum, sum_of
from dstheory.anatomy.rates import RATES
from dstheory.checks import Bools, Floats, Ints, whole_number
from dstheory.errors import RecordError

ASSUMPTIONS = {
    "p over problems": "p is the same for all problems",
    "a over problems": "a is the same for all problems",
    "b over problems": "b is the same for all problems",
    "trend within episodes": "at one problem, nothing changes with the round",
    "dependence within episodes": "at one problem, attempts and decisions are independent",
    "a and the answer before": "a does not depend on the answer before",
    "b and the answer before": "b does not depend on the answer before",
    "p over rounds": "p is the same in all rounds",
    "a over rounds": "a is the same in all rounds",
    "b over rounds": "b is the same in all rounds",
}
"""Test -> what it asks, in the order in which they should be read."""
_EXPECTED = 5.0  # successes and failures per cell from which a chi-square is trusted
MOST_SIMULATED = 5000  # episodes up to which p-values over problems are simulated
_AT_ONCE = 20_000  # episodes simulated at once
_PIECE = 1 << 20  # trials looked at at once


@dataclass(frozen=True)
class Test:
    """The result of testing one assumption of the chain.

    Attributes:
        name: what is tested, such as "p over problems".
        null: the assumption, in words.
        statistic: the test statistic, by the name that ``method`` gives it; None if ``reason`` says why there is none.
        df: degrees of freedom of the statistic; None where the null distribution has none (a z score, a bootstrap).
        p_value: probability, under the assumption, of a statistic at least as extreme; None if there is none.
        effect: how large the deviation is, in words with numbers: small p-values on large logs may be small deviations.
        n: number of problems, episodes, attempts or decisions that carry information, or that were looked at.
        method: the test.
        reason: why it could not be tested; empty if it could.

    >>> Test("p over rounds", "p does not change", 9.2, 3.0, 0.027, "0.5 to 0.3", 80, "chi2").rejected()
    True
    """

    __test__ = False  # a result, not a test case: pytest collects classes of this name

    name: str
    null: str
    statistic: float | None
    df: float | None
    p_value: float | None
    effect: str
    n: int
    method: str
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.p_value is None) != bool(self.reason):
            raise ValueError(f"a test needs a p-value or a reason, and not both: got {self.p_value!r}, {self.reason!r}")

    @classmethod
    def missing(cls, name: str, null: str, reason: str, *, n: int = 0, method: str = "none") -> Test:
        """Return the test of what cannot be tested, and why."""
        return cls(name, null, None, None, None, "", n, method, reason)

    @classmethod
    def of_sum(cls, name: str, null: str, found: Sum, effect: str, kind: str, why: str = "", *, n: int = 0) -> Test:
        """Return the test of a sum whose distribution is known; where that is one value, and ``why`` says so, there is none."""
        if why and not found.informative:
            return cls.missing(name, null, why, n=n)
        method = f"{kind}, {'exact' if found.exact else 'normal'}"
        return cls(name, null, found.z, None, found.p_value, effect, found.informative, method)

    def rejected(self, level: float = 0.05) -> bool | None:
        """Return whether the assumption is rejected; None if it could not be tested."""
        return None if self.p_value is None else self.p_value < level


def check_model(episodes: Episodes | HoldsEpisodes, *, resamples: int = 499, rng: np.random.Generator | int = 0) -> list[Test]:
    """Test homogeneity over problems and rounds, independence of attempts, independence of decisions.

    Args:
        episodes: the log.
        resamples: simulated logs behind the p-values over problems, the same for p, a and b, for logs of up to 5,000 episodes;
            0 for normal p-values.
        rng: generator or seed.

    >>> from dstheory.anatomy import simulate_log
    >>> for test in check_model(simulate_log(300, p=0.4, a=0.7, b=0.8, cap=8, concentration=1.0), resamples=99):
    ...     print(f"{test.name:28} {test.rejected()}")
    p over problems              True
    a over problems              False
    b over problems              False
    trend within episodes        False
    dependence within episodes   False
    a and the answer before      False
    b and the answer before      False
    p over rounds                True
    a over rounds                False
    b over rounds                False
    """
    episodes = episodes_of(episodes)
    return [
        *check_problems(episodes, "pab", resamples=resamples, rng=rng),
        *order_within_episodes(episodes),
        *(previous_answer(episodes, name) for name in "ab"),
        *(over_rounds(episodes, name) for name in "pab"),
    ]


# ---------------------------------------------------------------------- over problems


@dataclass(frozen=True, eq=False)
class Dispersion:
    """The statistic, for one log or for several at once (arrays).

    Attributes:
        z: U less its mean, over its standard deviation; NaN where no problem has two trials or all trials have one outcome.
        correlation: of two trials of one problem.
        pearson, df: Pearson's statistic, and the number of problems with trials less 1.
        pairs: pairs of trials of one problem.
    """

    z: Floats
    correlation: Floats
    pearson: Floats
    df: Ints
    pairs: Floats

    @property
    def tells(self) -> bool:
        """Whether one log tells anything of differences between its problems."""
        return bool(self.df.item() >= 1 and not np.isnan(self.z.item()))


def trials_of(episodes: Episodes, name: str) -> tuple[Bools, Ints]:
    """Return (outcomes, problem of each) of the trials of "p", "a" or "b", problem by problem, in the order they took place.

    Raises:
        RecordError: another name.
    """
    if name not in RATES:
        raise RecordError(f"there is no rate {name!r}: there are p, a and b")
    outcome, at = _trials(name, episodes.correct, episodes.stopped, episodes.decided)
    problem = np.repeat(episodes.problem, episodes.attempts)
    return _by_problem(outcome, problem if at is None else problem[at])


def _trials(name: str, correct: Bools, stopped: Bools, decided: Bools) -> tuple[Bools, Ints | None]:
    """Return (outcomes, which attempts they are of) of the trials of a rate; None: of all."""
    if name == "p":
        return correct, None
    at = np.flatnonzero(decided & (correct if name == "a" else ~correct))
    return stopped[at] if name == "a" else ~stopped[at], at


def _by_problem(outcome: Bools, problem: Ints) -> tuple[Bools, Ints]:
    if (problem[1:] >= problem[:-1]).all():
        return outcome, problem
    order = np.argsort(problem, kind="stable")
    return outcome[order], problem[order]


def dispersion(outcome: Bools, unit: Ints, ends: Ints | None = None) -> Dispersion:
    """Return the statistic of trials in order.

    Args:
        outcome: (M,) 0 or 1.
        unit: (M,) problem of each trial, problems one after the other; those of different logs differ.
        ends: (logs + 1,) where the trials of each log begin and end; None for one log.

    >>> found = dispersion(np.array([1, 1, 0, 0, 1, 0]), np.array([0, 0, 1, 1, 2, 2]))
    >>> round(found.z.item(), 3), round(found.correlation.item(), 3), found.df.item(), found.pairs.item()
    (0.951, 0.333, 2, 3.0)
    """
    # The trials of one log are looked at in pieces of whole problems, so that ten million of them need little memory.
    cuts = np.unique(np.searchsorted(unit, unit[_PIECE::_PIECE])).tolist() if ends is None else []
    edges = [0, *filter(None, cuts), len(unit)]
    ends = np.array([0, len(outcome)]) if ends is None else ends
    successes, n = outcome.astype(np.int8, copy=False), np.diff(ends)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = _sums_within(successes, ends) / n
        spread = rate * (1 - rate)
        sums = np.zeros((6, len(n)))
        for start, end in pairwise(edges):
            sums += _sums(successes[start:end], unit[start:end], ends.clip(start, end) - start, rate)
        u, squares, gathered, pairs, pearson, units = sums
        variance = spread * (squares - gathered**2 / n)
        # Variances of rounding size, as where each problem has one trial, are none.
        centred = u + squares / (n - 1)
        z = np.where(variance > 1e-9 * n * spread, centred / np.sqrt(np.maximum(variance, 1e-300)), np.nan)
        return Dispersion(z, u / (spread * pairs), pearson / spread, units.astype(np.int64) - 1, pairs)


def _sums_within(values: NDArray[Any], ends: Ints) -> NDArray[Any]:
    """(..., parts) the sums of the values between neighbouring ends; 0 where there are none."""
    kind = np.int64 if values.dtype.kind in "iu" else np.float64
    sums, some = np.zeros((*values.shape[:-1], len(ends) - 1), dtype=kind), np.flatnonzero(ends[1:] != ends[:-1])
    sums[..., some] = np.add.reduceat(values, ends[some], axis=-1, dtype=kind)
    return sums


def _sums(outcome: Ints, unit: Ints, ends: Ints, rate: Floats) -> Floats:
    """(6, logs) sums of e Z, Z^2, Z, pairs, (sum of e of a problem)^2 / trials, and problems."""
    if not len(outcome):
        return np.zeros((6, len(rate)))
    bounds = np.concatenate([[0], np.flatnonzero(unit[1:] != unit[:-1]) + 1, [len(outcome)]])
    first, sizes = bounds[:-1], bounds[1:] - bounds[:-1]
    problems = np.searchsorted(first, ends)
    units = problems[1:] - problems[:-1]
    r = np.repeat(rate, units)
    before = np.concatenate([[0], np.cumsum(outcome)])  # successes before each trial, and in all
    right = before[bounds[1:]] - before[first]
    z = before[:-1] - np.arange(len(outcome)) * np.repeat(rate, ends[1:] - ends[:-1])
    z -= np.repeat(z[first], sizes)
    sums = right - sizes * r
    products = (sums**2 - right * (1 - r) ** 2 - (sizes - right) * r**2) / 2
    u, pairs, pearson = _sums_within(np.array([products, sizes * (sizes - 1) / 2, sums**2 / sizes]), problems)
    return np.array([u, *_sums_within(np.array([z * z, z]), ends), pairs, pearson, units])


def check_problems(episodes: Episodes, names: str, *, resamples: int = 499, rng: np.random.Generator | int = 0) -> list[Test]:
    """Test whether each of p, a, b is the same for all problems; their p-values come from the same simulated logs.

    >>> from dstheory.anatomy import simulate_log
    >>> [test.rejected() for test in check_problems(simulate_log(300, p=0.4, a=0.9, b=0.8, cap=8, concentration=1.0), "pb")]
    [True, False]
    """
    trials = {name: trials_of(episodes, name) for name in names}
    found = {name: dispersion(*trials[name]) for name in names}
    seen = [name for name in names if found[name].tells]
    simulated = simulated_scores(episodes, seen, resamples, rng) if resamples and len(episodes) <= MOST_SIMULATED else {}
    return [_over_problems(name, found[name], *trials[name], simulated.get(name)) for name in names]


def _over_problems(name: str, found: Dispersion, outcome: Bools, unit: Ints, simulated: Floats | None) -> Test:
    what, null = f"{name} over problems", ASSUMPTIONS[f"{name} over problems"]
    z, df, correlation = found.z.item(), int(found.df.item()), found.correlation.item()
    if not found.tells:
        why = "no problem has two trials" if df else "there is one problem"
        why = "all trials had one outcome" if outcome.all() or not outcome.any() else why
        return Test.missing(what, null, f"{why}: differences between problems cannot be seen", n=len(outcome))
    odd = "" if abs(correlation) < 1 + 1e-9 else " (beyond 1: numbers of trials depend on their outcomes)"
    effect = (
        f"correlation within a problem {min(max(correlation, -1.0), 1.0):.3f}{odd}; "
        f"Pearson {found.pearson.item():.4g} on {df:,} df, ratio {found.pearson.item() / df:.2f}"
    )
    p_value, method = beyond(z, None if simulated is None else simulated[~np.isnan(simulated)])
    return Test(what, null, z, None, p_value, effect, df + 1, f"score of overdispersion (Tarone), {method}")


def beyond(z: float, simulated: Floats | None) -> tuple[float, str]:
    """Return the p-value of the sum of the scores of several logs, over the root of their number, and how it was made.

    Args:
        z: that.
        simulated: what it is in simulated logs; None for the normal p-value.

    >>> round(beyond(2.0, None)[0], 3)
    0.023
    """
    if simulated is None:
        return NormalDist().cdf(-z), "martingale variance, normal"
    alike = z - 1e-9 * abs(z)  # logs of the same counts differ by rounding
    p_value = float((1 + np.count_nonzero(simulated >= alike)) / (1 + len(simulated)))
    return p_value, f"p-value from {len(simulated):,} logs simulated from the homogeneous chain"


def simulated_scores(
    episodes: Episodes, names: Sequence[str], resamples: int, rng: np.random.Generator | int
) -> dict[str, Floats]:
    """Return each rate's z in logs from the fitted homogeneous chain; nothing if it practically never stops."""
    p, a, b = (_chance(episodes, name) for name in RATES)
    unlimited = (episodes.cap == 0).any()
    if not names or (unlimited and p * (1 - a) + (1 - p) * b > 0.99):
        return {}
    resamples = whole_number(resamples, "resamples", low=0)
    generator, at_once, n_problems = np.random.default_rng(rng), max(1, _AT_ONCE // len(episodes)), len(episodes.problem_ids)
    values: dict[str, list[Floats]] = {name: [] for name in names}
    for start in range(0, resamples, at_once):
        size = min(resamples - start, at_once)
        offsets, correct, stopped = attempts(np.tile(episodes.cap, size), p, a, b, generator)
        decided = np.ones(len(stopped), dtype=bool)
        decided[offsets[1:] - 1] = stopped[offsets[1:] - 1]  # an episode that ends without a stop is at its cap
        # Problem i of log j has the number j n_problems + i.
        problem = np.repeat((np.arange(size)[:, None] * n_problems + episodes.problem).ravel(), np.diff(offsets))
        ends = offsets[:: len(episodes)]
        for name in names:
            outcome, at = _trials(name, correct, stopped, decided)
            outcome, unit = _by_problem(outcome, problem if at is None else problem[at])
            values[name].append(dispersion(outcome, unit, ends if at is None else np.searchsorted(at, ends)).z)
    return {name: np.concatenate(found) for name, found in values.items()}


def _chance(episodes: Episodes, name: str) -> float:
    """Return what ``measure`` estimates of a rate, and 0.5 where it estimates nothing."""
    outcome, _ = _trials(name, episodes.correct, episodes.stopped, episodes.decided)
    only_resamples = bool(episodes.unseen.any()) and not (episodes.stopped & episodes.decided).any()
    return float(outcome.mean()) if len(outcome) and (name == "p" or not only_resamples) else 0.5


# ---------------------------------------------------------------------- within episodes, decisions, rounds


def over_rounds(episodes: Episodes, name: str) -> Test:
    """Test whether p, a or b is the same in all rounds, under the homogeneous chain.

    >>> from dstheory.anatomy import simulate_log
    >>> over_rounds(simulate_log(400, p=0.4, a=0.9, b=0.8, cap=8), "p").rejected()
    False
    """
    counts = episodes.counts("round")
    successes, trials = (getattr(counts, column) for column in RATES[name])
    return chi_square_over(f"{name} over rounds", ASSUMPTIONS[f"{name} over rounds"], successes, trials, "rounds")


def previous_answer(episodes: Episodes, name: str) -> Test:
    """Test whether decisions, "a" or "b", depend on the correctness of the answer before the one decided on."""
    what = f"{name} and the answer before"
    outcome, at = _trials(name, episodes.correct, episodes.stopped, episodes.decided & (episodes.round > 0))
    assert at is not None
    before = episodes.correct[at - 1].astype(np.int64)
    successes, trials = np.bincount(before, weights=outcome, minlength=2), np.bincount(before, minlength=2)
    return chi_square_over(what, ASSUMPTIONS[what], successes, trials, "wrong, correct before")


def chi_square_over(name: str, null: str, successes: Floats | Ints, trials: Ints, cells: str) -> Test:
    """Test whether the rates of several cells are equal, late cells put together where expected numbers are small.

    >>> test = chi_square_over("r over days", "r is constant", np.array([30, 10, 1]), np.array([60, 40, 4]), "days")
    >>> (test.df, round(test.statistic, 2), test.effect)
    (1.0, 6.64, 'days: 0.50, 0.25')
    """
    method = "Pearson's chi-square"
    total = int(trials.sum())
    if total == 0 or successes.sum() in (0, total):
        why = "there are no trials" if total == 0 else "all trials had one outcome"
        return Test.missing(name, null, f"{why}: nothing can be compared", n=total, method=method)
    rate = float(successes.sum() / total)
    s, n = _put_together(np.asarray(successes, dtype=float), np.asarray(trials, dtype=float), min(rate, 1 - rate))
    if len(n) < 2:
        return Test.missing(name, null, f"fewer than two {cells} have {_EXPECTED:.0f} expected successes and failures", n=total,
                            method=method)  # fmt: skip
    from scipy.special import chdtrc

    statistic = float(((s - n * rate) ** 2 / (n * rate * (1 - rate))).sum())
    effect = f"{cells}: " + ", ".join(f"{x:.2f}" for x in s / n)
    return Test(name, null, statistic, len(n) - 1.0, float(chdtrc(len(n) - 1, statistic)), effect, total, method)


def _put_together(successes: Floats, trials: Floats, smaller_rate: float) -> tuple[Floats, Floats]:
    """Join each cell that expects too little with those after it, and the rest with the last cell that stands."""
    s: list[float] = []
    n: list[float] = []
    short = False
    for a, b in zip(successes, trials, strict=True):
        if short:
            s[-1], n[-1] = s[-1] + a, n[-1] + b
        else:
            s.append(float(a))
            n.append(float(b))
        short = n[-1] * smaller_rate < _EXPECTED
    if short and len(n) > 1:
        a, b = s.pop(), n.pop()
        s[-1], n[-1] = s[-1] + a, n[-1] + b
    return np.array(s), np.array(n)


def order_within_episodes(episodes: Episodes) -> tuple[Test, Test]:
    """Test trend and dependence of the attempts of an episode, given how many of them were correct.

    >>> from dstheory.anatomy import simulate_log
    >>> log = simulate_log(800, p=0.4, a=0.3, b=0.9, cap=12, concentration=1.0)
    >>> [test.rejected() for test in order_within_episodes(log)]
    [False, False]
    """
    m = episodes.attempts - 1
    inner = np.ones(len(episodes.correct), dtype=bool)
    inner[episodes.last] = False
    episode, rank, right = episodes.episode[inner], episodes.round[inner] + 1, episodes.correct[inner]
    c = np.bincount(episode, weights=right, minlength=len(episodes)).astype(np.int64)
    mixed: Bools = (c > 0) & (c < m)
    trend, runs = ((what, ASSUMPTIONS[what]) for what in ("trend within episodes", "dependence within episodes"))
    if not mixed.any():
        why = "no episode resampled both a correct and a wrong answer"
        return Test.missing(*trend, why), Test.missing(*runs, why)
    ranks = np.bincount(episode, weights=rank * right, minlength=len(episodes))[mixed]
    change = np.bincount(episode[1:], weights=(np.diff(episode) == 0) & (right[1:] != right[:-1]), minlength=len(episodes))[mixed]
    m, c = m[mixed], c[mixed]
    kinds: Counter[tuple[int, ...]] = Counter(zip(m.tolist(), c.tolist(), strict=True))
    # Each unit of drift, the mean rank of correct ones less that of wrong ones, in rounds.
    drift = float(((ranks - c * (m + 1) / 2) * m / (c * (m - c))).mean())
    later = f"correct ones come {drift:+.2f} rounds later than wrong ones on average"
    often = f"outcomes change {float(change.sum() / (2 * c * (m - c) / m).sum()):.2f} times as often as independent ones"
    found = sum_of(float(change.sum()), kinds, changes)
    turns = Test.of_sum(*runs, found, often, "runs within episodes", "no episode leaves a choice of order", n=len(m))
    ranked = sum_of(float((ranks - c * (c + 1) / 2).sum()), kinds, rank_sum)
    return Test.of_sum(*trend, ranked, later, "rank sum within episodes"), turns

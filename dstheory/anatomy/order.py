r"""Are attempts of one problem independent and alike? Tests that do not mind how problems differ.

**Over rounds.** Under the homogeneous chain the successes :math:`s_k` of :math:`n_k` trials in round k do not depend on the past,
given :math:`n_k`, so :math:`\sum_k (s_k - n_k r)^2/(n_k r(1-r))` is chi-square with one degree of freedom less than rounds.
Neighbouring late rounds are put together until 5 successes and failures are expected. This test also rejects where problems
merely *differ*: the easy ones leave early, so p falls with the round although no problem gets harder.

**Within episodes.** Of an episode all attempts but the last were followed by a resample. Given that, and given how many of these
m = K - 1 attempts were correct, every order of them is equally likely if the attempts are independent and alike *given the
problem*, whatever p_x, a_x, b_x are: each order has the same factors p_x(1-a_x) and (1-p_x) b_x. So conditional on c correct ones
of m, with ranks 1..m,

- the sum of the ranks of correct ones has mean c(m+1)/2 and variance c(m-c)(m+1)/12 (**trend**: do later attempts get better?),
- the number of runs of equal outcomes has mean 1 + 2c(m-c)/m and variance 2c(m-c)(2c(m-c) - m)/(m^2(m-1)) (**dependence**: does
  an outcome repeat itself, or alternate?),

and sums over episodes are nearly normal. Only episodes that resampled correct *and* wrong answers carry information.

**Decisions.** Decisions of one kind are independent if each is made afresh: the chance of a stop must not depend on whether the
attempt before was correct. A two-by-two table, chi-square with one degree of freedom, also valid where problems differ in p.

Source: the rank sum of Wilcoxon (1945), the runs test of Wald and Wolfowitz (1940); conditioning within episodes is derived here.
"""

from __future__ import annotations

import numpy as np

from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.estimate import Test
from dstheory.checks import Bools, Floats, Ints

__all__ = ["chi_square_over", "order_within_episodes", "over_rounds", "previous_answer"]

_EXPECTED = 5.0  # successes and failures per cell from which a chi-square is trusted
_NULL = {
    "p": "the chance of a correct answer is the same in every round",
    "a": "the chance of accepting a correct answer is the same in every round",
    "b": "the chance of rejecting a wrong answer is the same in every round",
}
_DECISIONS = {
    "a": "whether a correct answer is accepted does not depend on the answer before",
    "b": "whether a wrong answer is rejected does not depend on the answer before",
}


def over_rounds(episodes: Episodes, name: str) -> Test:
    """Test whether p, a or b is the same in all rounds, under the homogeneous chain.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> over_rounds(simulate_log(400, p=0.4, a=0.9, b=0.8, cap=8), "p").rejected()
    False
    """
    counts = episodes.counts("round")
    successes, trials = {
        "p": (counts.correct, counts.attempts),
        "a": (counts.stop_correct, counts.decided_correct),
        "b": (counts.resample_wrong, counts.decided_wrong),
    }[name]
    return chi_square_over(f"{name} over rounds", _NULL[name], successes, trials, "rounds")


def previous_answer(episodes: Episodes, name: str) -> Test:
    """Test whether decisions, "a" or "b", depend on the correctness of the answer before the one decided on."""
    later = episodes.decided & (episodes.round > 0) & (episodes.correct if name == "a" else ~episodes.correct)
    at = np.flatnonzero(later)
    before = episodes.correct[at - 1].astype(np.int64)
    outcome = episodes.stopped[at] if name == "a" else ~episodes.stopped[at]
    successes, trials = np.bincount(before, weights=outcome, minlength=2), np.bincount(before, minlength=2)
    return chi_square_over(f"{name} and the answer before", _DECISIONS[name], successes, trials, "wrong, correct before")


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

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> log = simulate_log(800, p=0.4, a=0.3, b=0.9, cap=12, concentration=1.0)
    >>> [test.rejected() for test in order_within_episodes(log)]
    [False, False]
    """
    m = episodes.attempts - 1
    inner = np.ones(len(episodes.correct), dtype=bool)
    inner[episodes.last] = False
    episode, rank, right = episodes.episode[inner], episodes.round[inner] + 1, episodes.correct[inner]
    c = np.bincount(episode, weights=right, minlength=len(episodes))
    mixed: Bools = (c > 0) & (c < m)
    n = int(mixed.sum())
    trend = ("trend within episodes", "given the problem, later attempts are as good as earlier ones")
    runs = ("dependence within episodes", "given the problem, an attempt does not depend on the one before")
    if n == 0:
        why = "no episode resampled both a correct and a wrong answer"
        return Test.missing(*trend, why), Test.missing(*runs, why)
    m_, c_ = m[mixed].astype(float), c[mixed]
    ranks = np.bincount(episode, weights=rank * right, minlength=len(episodes))[mixed]
    deviation, variance = ranks - c_ * (m_ + 1) / 2, c_ * (m_ - c_) * (m_ + 1) / 12
    # Each unit of drift, the mean rank of correct ones less that of wrong ones, in rounds.
    drift = float((deviation * m_ / (c_ * (m_ - c_))).mean())
    change = np.bincount(episode[1:], weights=(np.diff(episode) == 0) & (right[1:] != right[:-1]), minlength=len(episodes))[mixed]
    pairs = c_ * (m_ - c_)
    excess, spread = change - 2 * pairs / m_, 2 * pairs * (2 * pairs - m_) / (m_**2 * np.maximum(m_ - 1, 1))
    share = float(change.sum() / (2 * pairs / m_).sum())
    return (
        _normal(
            *trend, deviation, variance, f"correct ones come {drift:+.2f} rounds later than wrong ones on average", n, "rank sum"
        ),
        _normal(*runs, excess, spread, f"outcomes change {share:.2f} times as often as independent ones", n, "runs"),
    )


def _normal(name: str, null: str, deviation: Floats, variance: Floats, effect: str, n: int, kind: str) -> Test:
    from math import erfc, sqrt

    total = float(variance.sum())
    if total <= 0:
        return Test.missing(name, null, "no episode leaves a choice of order", n=n)
    z = float(deviation.sum()) / sqrt(total)
    return Test(name, null, z, None, erfc(abs(z) / sqrt(2)), effect, n, f"{kind} within {n} episodes, normal")

"""Intervals of rates: against SciPy, textbook values and exact coverage by enumeration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from dstheory.anatomy import Episodes
from dstheory.anatomy.answers import ratio_interval, sum_interval
from dstheory.anatomy.rates import RATES, ProblemCounts, rate, wilson
from dstheory.errors import RecordError


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_against_scipy(level) -> None:
    """The wider of Wilson's end and the exact one-sided limit: the latter counts only at small numbers of either outcome."""
    moved = []
    for s, n in ((0, 7), (1, 7), (2, 7), (5, 40), (7, 7), (30, 70), (600, 1000), (999, 1000)):
        ends = stats.binomtest(s, n).proportion_ci(level, method="wilson")
        below = stats.binomtest(s, n, alternative="greater").proportion_ci(level, method="exact").low
        above = stats.binomtest(s, n, alternative="less").proportion_ci(level, method="exact").high
        by_scipy = [min(ends.low, below), max(ends.high, above)]
        np.testing.assert_allclose([float(x) for x in wilson(s, n, level=level)], by_scipy, atol=1e-12)
        moved.append(by_scipy != [ends.low, ends.high])
    assert moved[1]
    assert moved[-1]
    assert not moved[5]
    assert not moved[6]


@pytest.mark.parametrize("n", [1, 2, 3, 8, 13, 30, 200])
def test_exact_coverage(n) -> None:
    """Over all outcomes, for rates over all of (0, 1) and just beside the ends of intervals, where Wilson's own falls to 0.84."""
    outcomes = np.arange(n + 1)
    low, high = wilson(outcomes, n)
    near = np.concatenate([low, high])
    rates = np.concatenate([np.geomspace(1e-5, 0.02, 200), np.linspace(0.01, 0.99, 197), near - 1e-9, near + 1e-9])
    rates = np.concatenate([rates, 1 - rates])
    rates = rates[(rates > 0) & (rates < 1)]
    inside = (low <= rates[:, None]) & (rates[:, None] <= high)
    coverage = (stats.binom.pmf(outcomes, n, rates[:, None]) * inside).sum(axis=1)
    assert coverage.min() >= 0.91
    assert coverage[np.minimum(rates, 1 - rates) < 0.5 / n].min() >= 0.949


def test_no_trials_say_nothing_and_certain_ends_are_exact() -> None:
    assert [float(x) for x in wilson(0, 0)] == [0.0, 1.0]
    assert float(wilson(0, 13)[0]) == 0.0
    assert float(wilson(13, 13)[1]) == 1.0


def test_decisions_that_are_not_seen_may_have_been_either() -> None:
    """Of 400 right answers 200 had a stop after them, 100 none: each end is Wilson's for what the other 100 may have had."""
    kinds = [[(True, "stop")]] * 200 + [[(True, "resample"), (False, "stop")]] * 100 + [[(True, None)]] * 100
    log = Episodes.record([(str(i), steps) for i, steps in enumerate(kinds)])
    found = rate(ProblemCounts.of(replace(log, unseen=np.arange(400) >= 300)), *RATES["a"], interval="binomial")
    assert found.value == pytest.approx(2 / 3)
    assert found.low < 1 / 2
    assert found.high > 3 / 4
    for end, share in ((found.low, 1 / 2), (found.high, 3 / 4)):
        assert (share - end) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / 300, rel=1e-6)


def test_sums_and_ratios_contain_the_estimate_and_shrink_with_correlation() -> None:
    first, second = (0.7, 0.9), (0.1, 0.5)
    low, high = sum_interval((0.8, 0.3), first, second)
    assert low == pytest.approx(1.1 - np.hypot(0.1, 0.2))
    assert high == pytest.approx(1.1 + np.hypot(0.1, 0.2))
    narrow = sum_interval((0.8, 0.3), first, second, -0.5)
    assert low < narrow[0] < 1.1 < narrow[1] < high
    low, high = ratio_interval((0.8, 0.3), first, second)
    assert low < 0.8 / 0.3 < high
    assert np.log(0.8 / 0.3 / low) == pytest.approx(np.hypot(np.log(8 / 7), np.log(5 / 3)))


def test_ratios_at_zero_reach_to_zero_or_to_infinity() -> None:
    assert ratio_interval((0.0, 0.3), (0.0, 0.1), (0.2, 0.4)) == (0.0, pytest.approx(0.5))
    assert ratio_interval((0.5, 0.0), (0.4, 0.6), (0.0, 0.2)) == (pytest.approx(2.0), np.inf)
    assert ratio_interval((0.0, 0.0), (0.0, 0.5), (0.0, 0.5)) == (0.0, np.inf)


def test_a_level_that_is_none_is_named() -> None:
    with pytest.raises(RecordError, match=r"^level is 95: must lie between 0 and 1; 0\.95 is usual$"):
        wilson(1, 2, level=95)


def test_correlated_estimates_move_both_ends_of_their_ratio() -> None:
    """By hand: var(log x - log y) = s^2 + t^2 - 2 r s t, with the distance to each interval's end as s and t on its side."""
    first, second, r = (0.7, 0.9), (0.2, 0.5), 0.4
    s, t = np.log(0.8 / 0.7), np.log(0.5 / 0.3)  # down: the first rate falls, the second rises
    u, v = np.log(0.9 / 0.8), np.log(0.3 / 0.2)
    down, up = np.sqrt(s * s + t * t - 2 * r * s * t), np.sqrt(u * u + v * v - 2 * r * u * v)
    by_hand = [0.8 / 0.3 / np.exp(down), 0.8 / 0.3 * np.exp(up)]
    np.testing.assert_allclose(ratio_interval((0.8, 0.3), first, second, r), by_hand, rtol=1e-12)
    turned = ratio_interval((0.3, 0.8), second, first, r)
    np.testing.assert_allclose([1 / turned[1], 1 / turned[0]], by_hand, rtol=1e-12)

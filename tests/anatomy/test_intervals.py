"""Intervals of rates: against SciPy, textbook values and exact coverage by enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dstheory.anatomy.intervals import clopper_pearson, jeffreys, ratio_interval, sum_interval, wilson
from dstheory.errors import RecordError


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("ours", "theirs"), [(wilson, "wilson"), (clopper_pearson, "exact")])
def test_against_scipy(ours, theirs, level) -> None:
    for s, n in ((0, 7), (1, 7), (5, 40), (7, 7), (999, 1000)):
        ends = stats.binomtest(s, n).proportion_ci(level, method=theirs)
        np.testing.assert_allclose([float(x) for x in ours(s, n, level=level)], [ends.low, ends.high], atol=1e-12)


def test_jeffreys_are_quantiles_of_a_beta_distribution() -> None:
    low, high = jeffreys([3, 0, 9], [9, 9, 9], level=0.9)
    np.testing.assert_allclose([low[0], high[0]], stats.beta(3.5, 6.5).ppf([0.05, 0.95]), rtol=1e-10)
    assert (low[1], high[2]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("interval", "least", "mean_low", "mean_high"),
    [(wilson, 0.83, 0.945, 0.96), (jeffreys, 0.83, 0.94, 0.96), (clopper_pearson, 0.95, 0.96, 0.99)],
)
def test_exact_coverage(interval, least, mean_low, mean_high) -> None:
    """Over all outcomes of 30 trials: what the comparison in the literature says of the three, and why Wilson is used.

    The mean is over rates from 0.01 to 0.99; least coverage of Wilson and Jeffreys is 0.84 just beside 0 and 1.
    """
    rates, n = np.linspace(0.01, 0.99, 197), 30
    outcomes = np.arange(n + 1)
    low, high = interval(outcomes, n)
    inside = (low <= rates[:, None]) & (rates[:, None] <= high)
    coverage = (stats.binom.pmf(outcomes, n, rates[:, None]) * inside).sum(axis=1)
    assert coverage.min() >= least
    assert mean_low <= coverage.mean() <= mean_high


def test_no_trials_say_nothing_and_certain_ends_are_exact() -> None:
    for interval in (wilson, clopper_pearson, jeffreys):
        assert [float(x) for x in interval(0, 0)] == [0.0, 1.0]
        assert float(interval(0, 13)[0]) == 0.0
        assert float(interval(13, 13)[1]) == 1.0


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
    for interval in (wilson, clopper_pearson, jeffreys):
        with pytest.raises(RecordError, match=r"^level is 95: must lie between 0 and 1; 0\.95 is usual$"):
            interval(1, 2, level=95)


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

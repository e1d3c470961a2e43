"""Tests of the chain's assumptions: statistics by hand, the size that they promise, and power against what they look for."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from anatomy.logs import many_logs

from dstheory.anatomy import Episodes, orders
from dstheory.anatomy.generate import attempts, simulate_log
from dstheory.anatomy.model_checks import (
    beyond,
    check_model,
    check_problems,
    chi_square_over,
    dispersion,
    order_within_episodes,
    over_rounds,
    previous_answer,
    simulated_scores,
    trials_of,
)
from dstheory.anatomy.rates import measure
from dstheory.errors import RecordError


@pytest.mark.parametrize(
    ("decision", "unseen"), [("stop", False), ("resample", False), ("resample", True), (None, True)], ids=str
)
def test_logs_are_simulated_from_the_rates_that_measure_estimates(
    decision: str | None, unseen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And from 1/2 where it estimates none, as where only decisions to go on are seen, and the last ones are not."""
    steps = [(False, decision), (False, None)] if decision == "resample" else [(False, decision)]
    log = Episodes.record([("x", steps), ("y", [(True, None)])], cap=2)
    log = replace(log, unseen=log.capped & unseen)
    (row,) = measure(log, interval="binomial")
    drawn = []

    def seen(cap, p, a, b, rng):
        drawn.append((p, a, b))
        return attempts(cap, p, a, b, rng)

    monkeypatch.setattr("dstheory.anatomy.model_checks.attempts", seen)
    simulated_scores(log, "b", 1, 0)
    assert drawn == [tuple(0.5 if one.value is None else one.value for one in (row.p, row.a, row.b))]


def test_dispersion_by_hand() -> None:
    """U is the sum over pairs of trials of one problem; its variance r(1-r)(sum Z^2 - (sum Z)^2/M), its mean below 0."""
    outcome, unit = np.array([1, 0, 1, 1, 0, 0, 1], dtype=bool), np.array([0, 0, 0, 2, 2, 5, 7])
    rate = outcome.mean()
    e = outcome - rate
    pairs = [(i, j) for i, j in itertools.combinations(range(7), 2) if unit[i] == unit[j]]
    z = np.array([sum(e[i] for i in range(j) if unit[i] == unit[j]) for j in range(7)])
    u = sum(e[i] * e[j] for i, j in pairs)
    found = dispersion(outcome, unit)
    spread = rate * (1 - rate)
    mean = -(z @ z) / 6
    assert found.z.item() == pytest.approx((u - mean) / np.sqrt(spread * (z @ z - z.sum() ** 2 / 7)))
    assert found.correlation.item() == pytest.approx(u / len(pairs) / spread)
    sums = [e[unit == x].sum() ** 2 / (unit == x).sum() for x in (0, 2, 5, 7)]
    assert found.pearson.item() == pytest.approx(sum(sums) / spread)
    assert found.df.item() == 3


def test_several_logs_at_once_are_those_logs_one_by_one() -> None:
    log = many_logs(4, 30, seed=2, p=0.4, a=0.8, b=0.7, cap=6, concentration=3.0)
    outcome, unit = trials_of(log, "b")
    together = dispersion(outcome, unit, np.searchsorted(unit, 30 * np.arange(5)))
    for i, one in enumerate(log.by("log").values()):
        alone = dispersion(*trials_of(one, "b"))
        assert together.z[i] == pytest.approx(alone.z.item())
        assert together.pearson[i] == pytest.approx(alone.pearson.item())


@pytest.mark.parametrize(
    "chain",
    [
        {"p": 0.4, "a": 0.9, "b": 0.7, "cap": 8},
        {"p": 0.5, "a": 1.0, "b": 1.0, "cap": 20},  # every episode ends with its only success
        {"p": 0.3, "a": 0.8, "b": 0.8, "cap": 8, "episodes_per_problem": 3},
    ],
)
def test_size_over_problems_under_stopping(chain) -> None:
    """1,000 logs of 300 problems from the homogeneous chain: at most 5 % above 1.645, three binomial errors of 0.7 % allowed.

    Somewhat less than 5 % is normal: a sum of skewed terms over its own spread has a negative mean, of order 1/sqrt(300). A test
    that takes the number of trials as given would not even have a mean near 0 for the second chain.
    """
    outcome, unit = trials_of(many_logs(1000, 300, seed=3, **chain), "p")
    z = dispersion(outcome, unit, np.searchsorted(unit, 300 * np.arange(1001))).z
    assert not np.isnan(z).any()
    assert 0.01 <= np.mean(z > 1.645) <= 0.05 + 0.021
    assert -0.3 < z.mean() < 0.1


def test_decisions_are_not_confused_by_problems_of_different_difficulty() -> None:
    log = many_logs(1000, 200, seed=4, p=0.3, a=0.5, b=0.8, cap=8, concentration=1.0)
    for name, power in (("p", 1.0), ("a", 0.05), ("b", 0.05)):
        outcome, unit = trials_of(log, name)
        rejected = np.mean(dispersion(outcome, unit, np.searchsorted(unit, 200 * np.arange(1001))).z > 1.645)
        assert abs(rejected - power) < 0.025, name


def test_simulated_and_normal_p_values_agree() -> None:
    """499 simulated logs give p-values with an error of at most 2.3 %; the normal approximation has one of some 1 %."""
    log = simulate_log(400, p=0.4, a=0.8, b=0.7, cap=6, concentration=60.0, rng=8)
    together = check_model(log, resamples=499, rng=1)
    for i, name in enumerate("pab"):
        (simulated,) = check_problems(log, name, resamples=499, rng=1)
        (normal,) = check_problems(log, name, resamples=0)
        assert together[i] == simulated  # from the same logs
        assert "499 logs simulated" in simulated.method
        assert normal.method.endswith("normal")
        assert simulated.statistic == normal.statistic
        assert simulated.p_value == pytest.approx(normal.p_value, abs=0.06)


@pytest.mark.parametrize("name", list("pab"))
def test_a_simulated_p_value_is_the_share_of_logs_that_differ_more(name) -> None:
    """Each simulated log as a log of its own, measured like the real one."""
    log, n = simulate_log(40, p=0.4, a=0.7, b=0.8, cap=4, concentration=3.0, episodes_per_problem=2, rng=6), 99
    row = measure(log)[0]
    chances = row.p.value, row.a.value, row.b.value
    offsets, correct, stopped = attempts(np.tile(log.cap, n), *chances, np.random.default_rng(2))
    larger, own = 0, dispersion(*trials_of(log, name)).z.item()
    for i in range(n):
        ends = offsets[i * len(log) : (i + 1) * len(log) + 1]
        here = slice(ends[0], ends[-1])
        last = ends[1:] - 1
        one = replace(log, offsets=ends - ends[0], correct=correct[here], stopped=stopped[here], capped=~stopped[last])
        larger += dispersion(*trials_of(one, name)).z.item() >= own
    assert check_problems(log, name, resamples=n, rng=2)[0].p_value == (1 + larger) / (1 + n)


def test_order_statistics_have_the_moments_of_random_orders() -> None:
    """By enumeration of all orders of 2 correct ones among 5 attempts, and one more episode that says nothing."""
    ranks, runs = [], []
    for correct in itertools.combinations(range(5), 2):
        row = [i in correct for i in range(5)]
        ranks.append(sum(i + 1 for i in correct))
        runs.append(sum(x != y for x, y in itertools.pairwise(row)))
    steps = [
        (False, "resample"),
        (True, "resample"),
        (False, "resample"),
        (False, "resample"),
        (True, "resample"),
        (True, "stop"),
    ]
    trend, dependence = order_within_episodes(Episodes.record([("x", steps), ("y", [(True, "stop")])]))
    assert trend.statistic == pytest.approx((2 + 5 - np.mean(ranks)) / np.std(ranks))
    assert dependence.statistic == pytest.approx((3 - np.mean(runs)) / np.std(runs))
    assert trend.n == 1


def test_order_within_few_episodes_is_judged_by_all_orders() -> None:
    """Four episodes that got better once each say little, 2 of 16 cases; the normal distribution would reject at 5 %."""
    steps = [(False, "resample"), (True, "resample"), (True, "stop")]
    trend, dependence = order_within_episodes(Episodes.record([(str(i), steps) for i in range(4)]))
    assert trend.p_value == pytest.approx(2 / 16)
    assert dependence.reason == "no episode leaves a choice of order"
    longer = [(False, "resample"), (False, "resample"), (True, "resample"), (True, "resample"), (True, "stop")]
    trend, dependence = order_within_episodes(Episodes.record([(str(i), longer) for i in range(2)]))
    assert trend.p_value == pytest.approx(2 / 6**2)
    assert dependence.p_value == pytest.approx(2 * (2 / 6) ** 2)


def test_order_within_many_episodes_is_judged_as_well_as_by_all_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    log = simulate_log(300, p=0.4, a=0.3, b=0.8, cap=8, concentration=1.0)
    exact = order_within_episodes(log)
    monkeypatch.setattr(orders, "_MOST", 1)
    for one, other in zip(exact, order_within_episodes(log), strict=True):
        assert (one.method.endswith("exact"), other.method.endswith("normal")) == (True, True)
        assert (one.statistic, one.n) == (other.statistic, other.n)
        assert one.p_value == pytest.approx(other.p_value, abs=0.05)


def test_order_within_episodes_does_not_mind_how_problems_differ() -> None:
    """1,500 logs, problems all different, in p: both tests reject 5 % of the time; 1.7 % allowed is three binomial errors."""
    log = many_logs(1500, 60, seed=6, p=0.4, a=0.3, b=0.8, cap=8, concentration=1.0)
    tests = [order_within_episodes(one) for one in log.by("log").values()]
    for i in range(2):
        assert abs(np.mean([pair[i].rejected() for pair in tests]) - 0.05) < 0.017


def test_order_within_episodes_finds_trends_and_dependence() -> None:
    rng = np.random.default_rng(0)
    episodes_better, episodes_sticky = [], []
    for i in range(150):
        better = [bool(rng.random() < 0.1 + 0.1 * k) for k in range(8)]
        sticky = [bool(rng.random() < 0.5)]
        while len(sticky) < 8:
            sticky.append(sticky[-1] if rng.random() < 0.7 else not sticky[-1])
        for steps, out in ((better, episodes_better), (sticky, episodes_sticky)):
            out.append((str(i), [(c, "resample") for c in steps[:-1]] + [(steps[-1], None)]))
    trend, dependence = order_within_episodes(Episodes.record(episodes_better))
    assert trend.rejected()
    assert "rounds later" in trend.effect
    trend, dependence = order_within_episodes(Episodes.record(episodes_sticky))
    assert (trend.rejected(), dependence.rejected()) == (False, True)


@pytest.mark.parametrize("name", ["p", "a", "b"])
def test_size_over_rounds(name) -> None:
    """800 logs of the homogeneous chain: 5 %, three binomial errors of 0.8 % allowed."""
    logs = many_logs(800, 150, seed=5, p=0.35, a=0.7, b=0.8, cap=6).by("log").values()
    found = [over_rounds(log, name) for log in logs]
    assert abs(np.mean([test.rejected() for test in found]) - 0.05) < 0.024


def test_rounds_and_the_answer_before_find_what_they_look_for() -> None:
    kinds = [
        ([(True, "stop")], 60),
        ([(False, "resample"), (True, "stop")], 20),
        ([(False, "resample")] * 2 + [(False, "stop")], 60),
    ]
    fading = Episodes.record([(f"{k}-{i}", steps) for k, (steps, times) in enumerate(kinds) for i in range(times)])
    found = over_rounds(fading, "p")
    assert found.rejected()
    assert (found.df, found.effect) == (2, "rounds: 0.43, 0.25, 0.00")
    careless = [(str(i), [(i % 2 == 0, "resample"), (False, "stop" if i % 2 == 0 else "resample"), (True, "stop")][: 2 + i % 2])
                for i in range(80)]  # fmt: skip
    found = previous_answer(Episodes.record(careless), "b")
    assert found.rejected()
    assert found.effect == "wrong, correct before: 1.00, 0.00"


def test_cells_are_put_together_until_enough_is_expected() -> None:
    found = chi_square_over("x", "x is constant", np.array([10, 1, 0, 1, 8]), np.array([20, 5, 5, 5, 20]), "cells")
    assert found.df == 2  # 20 | 5 + 5 + 5 | 20
    assert chi_square_over("x", "x", np.array([2]), np.array([3]), "cells").reason.startswith("fewer than two cells have 5")


def test_what_cannot_be_tested_says_why() -> None:
    one_each = simulate_log(40, p=0.5, a=0.5, b=0.5, cap=1)
    reasons = {test.name: test.reason for test in check_model(one_each, resamples=9)}
    assert reasons["p over problems"] == "no problem has two trials: differences between problems cannot be seen"
    assert reasons["a over problems"] == "all trials had one outcome: differences between problems cannot be seen"
    assert reasons["trend within episodes"] == "no episode resampled both a correct and a wrong answer"
    assert reasons["b and the answer before"] == "there are no trials: nothing can be compared"
    assert all(test.p_value is None for test in check_model(one_each, resamples=9))
    with pytest.raises(RecordError, match=r"^there is no rate 'q': there are p, a and b$"):
        trials_of(one_each, "q")


def test_one_problem_says_nothing_about_differences_between_problems() -> None:
    one = Episodes.record([("only", [(i % 3 == 0, "resample"), (i % 2 == 0, "stop")]) for i in range(6)])
    assert check_problems(one, "p")[0].reason == "there is one problem: differences between problems cannot be seen"
    assert all(test.p_value is None or 0 <= test.p_value <= 1 for test in check_model(one, resamples=9))


def test_a_simulated_p_value_counts_the_log_itself() -> None:
    """Of 9 simulated logs none is as uneven: 1/10, the least that so few can say, and never 0."""
    uneven = simulate_log(300, p=0.4, a=0.9, b=0.8, cap=8, concentration=0.3)
    assert check_problems(uneven, "p", resamples=9)[0].p_value == 0.1


def test_the_score_of_fixed_numbers_of_trials_has_no_mean() -> None:
    """All orders of 4 right ones among 9 trials of four problems: counted from its mean, U has a tenth of -r(1-r) pairs/(M-1)."""
    unit = np.array([0, 0, 1, 1, 1, 2, 3, 3, 3])
    numerators = []
    for right in itertools.combinations(range(9), 4):
        found = dispersion(np.isin(np.arange(9), right), unit)
        e = np.isin(np.arange(9), right) - 4 / 9
        before = np.array([sum(e[i] for i in range(j) if unit[i] == unit[j]) for j in range(9)])
        numerators.append(found.z.item() * np.sqrt(4 / 9 * 5 / 9 * (before @ before - before.sum() ** 2 / 9)))
    assert abs(np.mean(numerators)) < 0.1 * 4 / 9 * 5 / 9 * 7 / 8


@pytest.mark.parametrize("trials", [[300] * 3, [2000, 30, 30, 30, 30]])
def test_few_problems_with_many_trials_are_rejected_as_often_as_they_should(trials) -> None:
    """2,000 logs of fixed numbers of trials: at 1 %, over 38 have probability 0.0001; at 5 %, 60 are not too few."""
    rng, logs, n = np.random.default_rng(3), 2000, sum(trials)
    units = np.repeat(np.arange(len(trials)), trials)
    outcome = rng.random(logs * n) < 0.3
    each = (np.arange(logs)[:, None] * len(trials) + units).ravel()
    z = dispersion(outcome, each, np.arange(logs + 1) * n).z
    values = np.array([beyond(one, None)[0] for one in z])
    assert (values < 0.01).sum() <= 38
    assert len(set(trials)) > 1 or (values < 0.05).sum() >= 60


def test_a_correlation_of_minus_1_is_not_beyond_it() -> None:
    """One right and one wrong answer at one problem, one right answer at three others: r = 4/5, and the only pair is opposite."""
    log = Episodes.record([("x", [(True, None)]), ("x", [(False, None)]), *((name, [(True, None)]) for name in "yzw")], cap=2)
    (test,) = check_problems(log, "p", resamples=0)
    assert test.effect.startswith("correlation within a problem -1.000; Pearson")

"""p, a, b of a log: values by hand, zero cells, and intervals that cover the truth as often as they promise."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from anatomy.logs import attempt_weighted_p, many_logs
from scipy.stats import beta

from dstheory.anatomy import Episodes
from dstheory.anatomy.answers import any_correct
from dstheory.anatomy.generate import simulate_log
from dstheory.anatomy.rates import (
    RATES,
    ProblemCounts,
    balance,
    cells,
    effective_trials,
    mean_attempts,
    measure,
    normal_quantile,
    over_problems,
    rate,
    student_quantile,
    wilson,
)
from dstheory.errors import RecordError

HAND = Episodes.record(
    [
        ("x", [(False, "resample"), (True, "resample"), (True, "stop")]),
        ("y", [(False, "stop")]),
        ("z", [(False, "resample"), (False, None)]),
    ],
    cap=[0, 0, 2],
)


def test_values_by_hand() -> None:
    (row,) = measure(HAND)
    assert (row.p.successes, row.p.trials, row.p.value) == (2, 6, pytest.approx(1 / 3))
    assert (row.a.successes, row.a.trials, row.a.value) == (1, 2, 0.5)
    assert (row.b.successes, row.b.trials, row.b.value) == (2, 3, pytest.approx(2 / 3))  # the last answer of z is censored
    assert (row.problems, row.episodes, row.attempts) == (3, 3, 6)
    assert rate(ProblemCounts.of(HAND), "first_correct", "episodes").value == 0.0


def test_rounds_by_hand() -> None:
    rows = measure(HAND, "round")
    assert [row.labels for row in rows] == [("1",), ("2",), ("3",)]
    assert [(row.p.successes, row.p.trials) for row in rows] == [(0, 3), (1, 2), (1, 1)]
    assert [row.a.value for row in rows] == [None, 0.0, 1.0]
    assert [row.b.value for row in rows] == [pytest.approx(2 / 3), None, None]


def test_what_cannot_be_estimated_says_so() -> None:
    """No attempt was ever correct: p is 0 with an interval, a has a reason, b is as usual."""
    (row,) = measure(Episodes.record([("x", [(False, "resample"), (False, "stop")]), ("y", [(False, "stop")])]))
    assert row.p.value == 0.0
    assert 0.0 == row.p.low < row.p.high < 1.0
    assert row.a.value is None
    assert row.a.reason == "no correct attempt was followed by a decision, so P(stop | correct) cannot be estimated"
    assert (row.a.low, row.a.high) == (0.0, 1.0)
    assert row.b.value == pytest.approx(1 / 3)
    (single,) = measure(simulate_log(5, p=1.0, a=1.0, b=0.0, cap=1))
    assert "no wrong attempt was followed by a decision" in single.b.reason


def test_where_nothing_varies_each_problem_counts_once() -> None:
    """Ten wrong attempts of each of five problems may be five facts or fifty: the interval takes five."""
    (row,) = measure(Episodes.record([(str(i), [(False, "resample")] * 9 + [(False, None)]) for i in range(5)], cap=10))
    assert row.p.method == "Wilson, 5 effective trials in 5 problems"
    (binomial,) = measure(Episodes.record([("x", [(False, None)])] * 5, cap=1), interval="binomial")
    assert binomial.p.high == row.p.high  # nothing was estimated, so the quantile is the normal one


@pytest.mark.parametrize(
    ("chain", "problems"),
    [  # The rare one is of problems that are alike, the one of several trials of such as are not: what is hardest of each kind.
        pytest.param({"p": 0.4, "a": 0.9, "b": 0.7, "cap": 8}, 100, marks=pytest.mark.slow),
        ({"p": 0.12, "a": 0.97, "b": 0.9, "cap": 10}, 300),
        pytest.param({"p": 0.4, "a": 0.9, "b": 0.7, "cap": 8, "concentration": 2.0}, 100, marks=pytest.mark.slow),
        ({"p": 0.3, "a": 0.8, "b": 0.8, "cap": 8, "concentration": 1.0, "episodes_per_problem": 3}, 100),
    ],
    ids=["homogeneous", "rare", "heterogeneous", "trials"],
)
def test_coverage_over_a_thousand_logs(chain, problems) -> None:
    """Promised 95 %. Of 1,000 logs the share covered has a standard error of 0.7 %; three of them below are allowed, and four and
    a bit above, since a and b come from few decisions per log, whose discrete counts make Wilson's interval conservative."""
    log = many_logs(1000, problems, seed=11, **chain)
    rows = measure(log, "log")
    assert len(rows) == 1000
    p = attempt_weighted_p(chain["p"], chain["a"], chain["b"], chain["cap"], chain.get("concentration"))
    for name, truth in (("p", p), ("a", chain["a"]), ("b", chain["b"])):
        found = [getattr(row, name) for row in rows]
        covered = np.mean([e.low <= truth <= e.high for e in found])
        assert 0.95 - 0.021 <= covered <= 0.95 + 0.03, (name, covered)


def test_binomial_intervals_cover_where_problems_are_alike_and_fail_where_not() -> None:
    alike = {"p": 0.4, "a": 0.9, "b": 0.7, "cap": 8}
    unlike = {"p": 0.3, "a": 0.8, "b": 0.8, "cap": 8, "concentration": 1.0, "episodes_per_problem": 3}
    shares = []
    for chain in (alike, unlike):
        truth = attempt_weighted_p(chain["p"], chain["a"], chain["b"], chain["cap"], chain.get("concentration"))
        tables = (table for _, table in cells(many_logs(1000, 100, seed=12, **chain), ("log",)))
        found = [rate(table, *RATES["p"], interval="binomial") for table in tables]
        shares.append(np.mean([one.low <= truth <= one.high for one in found]))
    assert abs(shares[0] - 0.95) < 0.021
    assert shares[1] < 0.8


def test_the_pooled_p_is_an_average_over_attempts() -> None:
    """50,000 problems: the standard errors of the pooled p and of the accuracy of first answers are below 0.003."""
    chain = {"p": 0.3, "a": 0.8, "b": 0.8, "cap": 8, "concentration": 1.0}
    log = simulate_log(50_000, **chain, rng=5)
    assert measure(log)[0].p.value == pytest.approx(attempt_weighted_p(0.3, 0.8, 0.8, 8, 1.0), abs=0.008)
    assert rate(ProblemCounts.of(log), "first_correct", "episodes").value == pytest.approx(0.3, abs=0.008)


def test_bad_input_is_named() -> None:
    with pytest.raises(RecordError, match=r"^no record has the field 'difficulty': there are none$"):
        measure(HAND, "difficulty")
    rule = "'round' cannot be crossed with 'task': select the episodes first, then measure per round"
    with pytest.raises(RecordError, match=f"^{rule}$"):
        measure(HAND, "task", "round")
    with pytest.raises(RecordError, match=r"^interval is 'exact': must be 'problem' or 'binomial'$"):
        measure(HAND, interval="exact")
    with pytest.raises(RecordError, match=r"^level is 1: must lie between 0 and 1; 0\.95 is usual$"):
        measure(HAND, level=1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"p": 1.5}, r"^p is 1\.5: must be a probability$"),
        ({"b": 1.0, "p": 0.0}, r"^3 episodes did not stop within 10000 attempts: give a cap$"),
        ({"concentration": 0.0}, r"^concentration is 0\.0: must be > 0; leave it out for one p$"),
    ],
)
def test_chains_that_cannot_be_simulated_are_named(changed, words) -> None:
    with pytest.raises(RecordError, match=words):
        simulate_log(3, **{"p": 0.5, "a": 0.5, "b": 0.5, **changed})


@pytest.mark.parametrize("problems", [1, 5, 400])
def test_a_mean_of_attempts_whose_spread_is_not_seen_has_an_interval(problems: int) -> None:
    """Each episode resampled once, so half of the attempts are followed by another: Wilson's interval around a half, by hand,
    or the exact one-sided limits, where few problems make them wider."""
    steps = [(False, "resample"), (True, "stop")]
    table = ProblemCounts.of(Episodes.record([(str(i), steps) for i in range(problems) for _ in range(9)]))
    half = 0.5 * 1.959964 / np.sqrt(problems + 1.959964**2)
    half = max(half, 0.5 - beta.ppf(0.05, problems / 2, problems / 2 + 1))
    found = mean_attempts(table, 0.95)
    assert (found.value, found.low, found.high) == pytest.approx((2, 1 / (0.5 + half), 1 / (0.5 - half)))


def test_the_attempts_of_one_long_episode_may_be_any_number() -> None:
    """39 of 40 attempts are followed by another, at one problem: the upper end of that share is 1 to all digits of a float."""
    log = Episodes.record([("x", [(False, "resample")] * 39 + [(True, "stop")])])
    found = mean_attempts(ProblemCounts.of(log), 0.95)
    assert found.value == pytest.approx(40)
    assert 1 < found.low < 40 < found.high == np.inf


def test_a_number_of_attempts_that_is_fixed_is_known() -> None:
    turns = [(False, "resample"), (True, None)]
    log = Episodes.record([(str(i), turns) for i in range(9)], cap=2, fields={"decided_by": ["nobody"] * 9})
    found = mean_attempts(ProblemCounts.of(log), 0.95)
    assert (found.low, found.value, found.high) == (2, 2, 2)


def test_the_variance_over_problems_is_that_of_leaving_each_out() -> None:
    """Three problems of 5, 2 and 1 trials, with 1, 2 and 0 successes: rates of the two that are left, counted by hand."""
    right, trials = (1, 2, 0), (5, 2, 1)
    whole = Fraction(sum(right), sum(trials))
    moved = [Fraction(sum(right) - s, sum(trials) - n) - whole for s, n in zip(right, trials, strict=True)]
    expected = Fraction(2, 3) * sum(one**2 for one in moved)
    log = Episodes.record([(f"q{n}", [(i < s, "stop")]) for s, n in zip(right, trials, strict=True) for i in range(n)])
    rate = ("correct", "attempts")
    assert ProblemCounts.of(log).covariance(rate, rate) == pytest.approx(float(expected), rel=1e-12)
    values, problem = log.final_correct.astype(float), log.problem
    found = over_problems(values, problem, 10**9, 0.95)
    effective = effective_trials(float(whole), float(expected), 3, 10**9, 0.95, *balance(np.array(trials), np.ones(3)))
    low, high = wilson(float(whole) * effective[0], effective[0], level=0.95, quantile=effective[1])
    assert (found.low, found.high) == pytest.approx((float(low), float(high)), rel=1e-12)
    first = any_correct(log, 1)
    assert (first.low, first.high) == pytest.approx((low, high), rel=1e-12)


@pytest.mark.parametrize("level", [1e-6, 0.5, 0.95, 1 - 1e-9, 1 - 1e-15])
def test_quantiles_keep_their_digits_at_every_level(level: float) -> None:
    """Against 40 digits; Student's with one and two degrees of freedom in closed form. At 1 - 1e-15 it was off by 16 %."""
    mpmath.mp.dps = 40
    exact = mpmath.mpf(level)
    assert normal_quantile(level) == pytest.approx(float(mpmath.sqrt(2) * mpmath.erfinv(exact)), rel=1e-9)
    assert student_quantile(1, level) == pytest.approx(float(mpmath.tan(mpmath.pi * exact / 2)), rel=1e-9)
    assert student_quantile(2, level) == pytest.approx(float(exact * mpmath.sqrt(2 / (1 - exact**2))), rel=1e-9)

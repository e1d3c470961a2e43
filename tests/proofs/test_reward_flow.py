"""The reward flow, integrated by SciPy: what it conserves, where the share of decisions ends, how fast the error falls (B6-*)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import solve_ivp

Array = np.ndarray
STARTS = [(0.55, 0.8, 0.3), (0.07, 0.35, 0.9), (0.9, 0.6, 0.05)]


def logit(x: Array | float) -> Array:
    return np.log(x) - np.log1p(-np.asarray(x))


def expit(theta: Array) -> Array:
    return 1 / (1 + np.exp(-theta))


def accuracy(theta: Array) -> Array:
    return value(theta, 1.0)


def value(theta: Array, gamma: float) -> Array:
    """The value with reward 1 for a submitted correct answer: over the turns, a geometric series."""
    (p, a, b), (p_not, a_not, b_not) = expit(theta), expit(-theta)
    # 1 - gamma q, written without a difference of numbers near 1.
    return p * a / (p * a + p_not * b_not + (1 - gamma) * (p * a_not + p_not * b))


def by_complex_steps(function: Callable[[Array], Array]) -> Callable[[float, Array], Array]:
    def gradient(_: float, x: Array) -> Array:
        return np.array([function(x + 1e-30j * axis).imag / 1e-30 for axis in np.eye(len(x))])

    return gradient


def path(function: Callable[[Array], Array], start: Array, times: Array, moving: Array | float = 1.0) -> Array:
    gradient = by_complex_steps(function)
    run = solve_ivp(
        lambda t, x: gradient(t, x) * moving, (0, times[-1]), start, method="LSODA", t_eval=times, rtol=1e-10, atol=1e-12
    )
    assert run.success
    return run.y


def by_sampling(start: Array, gamma: float, distances: Array) -> Array:
    """The same path, its points told by how far theta_s has moved: far out, where no time would suffice.

    The gradient of the log-odds of the value has the direction of the value's and is free of differences of numbers near 1.
    """

    def log_odds(x: Array) -> Array:
        (p, a, b), (p_not, a_not, b_not) = expit(x), expit(-x)
        return np.log(p * a) - np.log(p_not * b_not + (1 - gamma) * (p * a_not + p_not * b))

    gradient = by_complex_steps(log_odds)

    def slope(_: float, x: Array) -> Array:
        g = gradient(0.0, x)
        return g / g[0]

    run = solve_ivp(slope, (0, distances[-1]), start, method="LSODA", t_eval=distances, rtol=1e-10, atol=1e-12)
    assert run.success
    return run.y


def share(before: Array, after: Array) -> float:
    """The decisions' Shapley share: the accuracy of four policies, each with the old or the new stages."""
    sampled, decided = np.r_[after[:1], before[1:]], np.r_[before[:1], after[1:]]
    f00, f10, f01, f11 = map(accuracy, (before, sampled, decided, after))
    return float((f01 - f00 + f11 - f10) / 2 / (f11 - f00))


@pytest.mark.parametrize("start", STARTS)
def test_without_discount_two_laws_hold(start):
    s, c, w = path(accuracy, logit(np.array(start)), np.geomspace(0.1, 1e4, 20))
    for law in (c + np.exp(c) - s, w - np.exp(-w) - s):
        np.testing.assert_allclose(law, law[0], rtol=1e-6)
    assert np.ptp(s) > 1


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("gamma", [0.3, 0.9])
def test_with_a_discount_one_of_them_changes_its_form_and_the_other_is_lost(start, gamma):
    s, c, w = path(lambda x: value(x, gamma), logit(np.array(start)), np.geomspace(0.1, 1e4, 20))
    law = (2 - gamma) * w - np.exp(-w) + (1 - gamma) * np.exp(w) - gamma * s
    np.testing.assert_allclose(law, law[0], rtol=1e-6, atol=1e-6)
    lost = c + np.exp(c) - s
    assert (np.diff(lost) > 0).all()
    assert lost[-1] - lost[0] > 0.1


def test_any_number_of_answers_and_any_rewards():
    rewards = np.array([1.0, -0.4, 0.3, 2.5])

    def mean(x: Array) -> Array:
        pi = np.exp(x[:4]) / np.exp(x[:4]).sum()
        stop = expit(x[4:])
        return (pi * stop * rewards).sum() / (pi * stop).sum()

    start = np.array([0.3, 1.1, -0.7, -1.5, 0.4, -1.0, 2.0, 0.1])
    x = path(mean, start, np.linspace(0, 40, 9))
    law = x[4:] + np.exp(x[4:]) - x[:4]
    np.testing.assert_allclose(law, np.repeat(law[:, :1], 9, axis=1), atol=1e-6)
    assert np.ptp(x, axis=1).min() > 0.05


@pytest.mark.parametrize("start", STARTS)
def test_the_share_tends_to_one_half(start):
    before = logit(np.array(start))
    away = [share(before, after) - 0.5 for after in by_sampling(before, 1.0, np.array([0.5, 2, 10, 45.0])).T]
    assert abs(away[0]) > 0.05
    assert abs(away[-1]) < 1e-6


def test_the_share_is_far_from_its_limit_for_long():
    before = logit(np.array(STARTS[0]))
    away = [share(before, after) - 0.5 for after in path(accuracy, before, np.array([10.0, 1e2, 1e3, 1e4])).T]
    assert away[0] < -0.3
    assert away[-1] < -0.03
    # It is half the difference of two corners' errors, and each of them falls like the root of the whole error.
    np.testing.assert_allclose(away[-1] / away[-2], np.sqrt(1e3 / 1e4), rtol=0.1)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("gamma", [0.3, 0.9])
def test_with_a_discount_the_share_goes_there_more_slowly(start, gamma):
    before = logit(np.array(start))
    distances = np.array([80.0, 160, 320, 640])
    run = by_sampling(before, gamma, distances)
    away = np.abs([share(before, after) - 0.5 for after in run.T])
    # The law of theta_W: 1 - b falls like (1 - gamma)/(gamma theta_s) only, and the share's distance from 1/2 with it.
    ratio = expit(-run[2]) * gamma * distances / (1 - gamma)
    assert (np.diff(np.abs(ratio - 1)) < 0).all()
    assert abs(ratio[-1] - 1) < 0.25
    np.testing.assert_allclose(away[-1] / away[-2], 0.5, atol=0.1)


@pytest.mark.parametrize("start", STARTS[:2])
@pytest.mark.parametrize(("moving", "rate"), [([1, 1, 1], 2), ([1, 0, 0], 1), ([0, 1, 1], 1)])
def test_the_error_falls_like_one_over_two_t_and_for_one_stage_one_over_t(start, moving, rate):
    times = np.array([1e5, 1e7])
    run = path(accuracy, logit(np.array(start)), times, np.array(moving, float))
    error = np.array([expit(-logit_of(x)) for x in run.T])
    slope = np.diff(1 / error) / np.diff(times)
    np.testing.assert_allclose(slope, rate, rtol=0.02)


def logit_of(theta: Array) -> float:
    """The log-odds of the accuracy, for errors far below the rounding of 1: those of p, plus log a - log(1 - b)."""
    s, c, w = theta
    return float(s - np.log1p(np.exp(-c)) + np.log1p(np.exp(w)))


@pytest.mark.parametrize("start", STARTS)
def test_the_rate_of_the_inverse_error(start):
    theta = logit(np.array(start))
    gradient = by_complex_steps(accuracy)(0.0, theta)
    acc, (_, a, b) = accuracy(theta), start
    assert (gradient**2).sum() / (1 - acc) ** 2 == pytest.approx(acc**2 * (1 + (1 - a) ** 2 + b**2))
    assert gradient[0] ** 2 / (1 - acc) ** 2 == pytest.approx(acc**2)

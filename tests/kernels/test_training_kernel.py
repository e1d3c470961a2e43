"""train_minimal against its NumPy reference and the closed forms of the minimal chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reference import train_minimal as reference_training
from dstheory.kernels import train_minimal


def random_settings(rng: np.random.Generator, runs: int) -> dict[str, Any]:
    return {
        "learning_rate": 0.05 + 0.2 * rng.random(runs),
        "rewards": rng.normal(size=(runs, 4)),
        "gamma_within": rng.choice([0.0, 0.8, 1.0], size=runs),
        "gamma_between": 0.95 * rng.random(runs),
        "beta": rng.choice([0.0, 0.02, 0.2], size=runs),
        "reference": rng.normal(size=(runs, 3)),
        "sample_weight": 1.0 + 3.0 * rng.random((runs, 2)),
        "decision_weight": rng.random((runs, 2)),
        "demonstrations": rng.choice([0.0, 1.0], size=(runs, 1)) * rng.random((runs, 6)),
    }


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 63, 64, 65, 130]), st.sampled_from([0, 1, 7]))
def test_agrees_with_numpy(seed: int, runs: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    theta, settings = 2.0 * rng.normal(size=(runs, 3)), random_settings(rng, runs)
    schedule = None if seed % 2 else rng.random(steps)
    ours = train_minimal(theta, steps, schedule=schedule, **settings)
    np.testing.assert_allclose(ours, reference_training(theta, steps, schedule=schedule, **settings), rtol=1e-11, atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_one_step_of_terminal_reward_and_imitation_is_the_closed_form(seed: int) -> None:
    rng = np.random.default_rng(seed)
    theta, expert, gamma, weight = rng.normal(size=3), rng.random(3), rng.random(), 1.0 + rng.random(2)
    p, a, b = 1.0 / (1.0 + np.exp(-theta))
    q = p * (1 - a) + (1 - p) * b
    n = 1 / (1 - gamma * q)
    v = p * a * n
    reward = [
        n * p * (1 - p) * (a + (1 - a) * gamma * v - b * gamma * v),
        n * p * a * (1 - a) * (1 - gamma * v),
        n * (1 - p) * b * (1 - b) * gamma * v,
    ]
    moved = train_minimal(theta, 1, learning_rate=1.0, gamma_between=gamma)
    np.testing.assert_allclose(moved[0] - theta, reward, rtol=1e-11, atol=1e-15)

    p_e, a_e, b_e = expert
    n_e = 1.0 / (p_e * a_e + (1 - p_e) * (1 - b_e))
    right, wrong = n_e * p_e, n_e * (1 - p_e)
    counts = [
        weight[0] * right,
        weight[0] * wrong,
        weight[1] * right * a_e,
        weight[1] * right * (1 - a_e),
        weight[1] * wrong * (1 - b_e),
        weight[1] * wrong * b_e,
    ]
    imitation = [
        weight[0] * n_e * (p_e - p),
        weight[1] * n_e * p_e * (a_e - a),
        weight[1] * n_e * (1 - p_e) * (b_e - b),
    ]
    moved = train_minimal(theta, 1, learning_rate=1.0, rewards=(0.0, 0.0, 0.0, 0.0), demonstrations=counts)
    np.testing.assert_allclose(moved[0] - theta, imitation, rtol=1e-11, atol=1e-12)


def test_answers_of_unequal_weight_against_finite_differences() -> None:
    # d/dtheta_s of the frozen-coefficient penalty: sum over both answers of coefficient x probability.
    theta, ref, weight, beta, step = 0.4, -0.3, np.array([5.0, 2.0]), 0.3, 1e-6

    def log_probabilities(x: float) -> np.ndarray:
        return -np.logaddexp(0.0, [-x, x])

    coefficients = -beta * weight * (log_probabilities(theta) - log_probabilities(ref))
    slope = (np.exp(log_probabilities(theta + step)) - np.exp(log_probabilities(theta - step))) @ coefficients / (2 * step)
    settings = {"learning_rate": 1.0, "rewards": (0.0, 0.0, 0.0, 0.0), "beta": beta, "reference": (ref, 40.0, -40.0)}
    moved = train_minimal([theta, 40.0, -40.0], 1, sample_weight=weight, **settings)  # stops at once: one visit
    assert moved[0, 0] - theta == pytest.approx(slope, rel=1e-9)


def test_the_reference_is_a_fixed_point_of_the_penalty() -> None:
    ref = np.array([[0.3, -1.2, 2.0]])
    moved = train_minimal(ref, 100, learning_rate=0.5, rewards=(0.0, 0.0, 0.0, 0.0), beta=0.4, reference=ref)
    assert moved.tolist() == ref.tolist()


def test_segments_are_as_good_as_one_run() -> None:
    rng = np.random.default_rng(1)
    theta, settings, schedule = rng.normal(size=(70, 3)), random_settings(rng, 70), rng.random(50)
    whole = train_minimal(theta, 50, schedule=schedule, **settings)
    part = train_minimal(theta, 20, schedule=schedule[:20], **settings)
    assert train_minimal(part, 30, schedule=schedule[20:], **settings).tobytes() == whole.tobytes()


def test_threads_and_neighbours_change_nothing() -> None:
    rng = np.random.default_rng(2)
    theta, settings = rng.normal(size=(1000, 3)), random_settings(rng, 1000)
    one = train_minimal(theta, 30, threads=1, **settings)
    assert train_minimal(theta, 30, threads=3, **settings).tobytes() == one.tobytes()
    alone = {k: v[77:78] if isinstance(v, np.ndarray) else v for k, v in settings.items()}
    assert train_minimal(theta[77:78], 30, **alone).tobytes() == one[77:78].tobytes()


def test_the_start_is_left_alone() -> None:
    theta = np.zeros((2, 3))
    train_minimal(theta, 5, learning_rate=1.0, gamma_between=0.9)
    assert not theta.any()


@pytest.mark.parametrize("corner", [(1000.0, 1000.0, 1000.0), (-1000.0, 1000.0, -1000.0), (1000.0, -1000.0, -1000.0)])
def test_saturated_logits_stay_where_they_are(corner: tuple[float, float, float]) -> None:
    moved = train_minimal(corner, 10, learning_rate=1.0, gamma_between=0.9)
    assert moved.tolist() == [list(corner)]


def test_infinite_visits_show() -> None:
    never_stops = (0.0, -1000.0, 1000.0)
    assert np.isfinite(train_minimal(never_stops, 1, learning_rate=1.0, gamma_between=0.9)).all()
    assert not np.isfinite(train_minimal(never_stops, 1, learning_rate=1.0)).all()
    assert not np.isfinite(train_minimal(never_stops, 1, learning_rate=1.0, gamma_between=0.9, beta=0.1)).all()


def test_no_settings() -> None:
    assert train_minimal(np.empty((0, 3)), 5, learning_rate=1.0).shape == (0, 3)


@pytest.mark.parametrize(
    ("theta", "steps", "changes"),
    [
        (np.zeros((2, 2)), 1, {}),
        (np.zeros((2, 3)), -1, {}),
        (np.zeros((2, 3)), 1, {"rewards": (1.0, 0.0)}),
        (np.zeros((2, 3)), 2, {"schedule": np.ones(3)}),
        (np.zeros((2, 3)), 1, {"beta": np.ones(3)}),
    ],
)
def test_shapes_that_do_not_fit(theta: np.ndarray, steps: int, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"theta|steps|shape|broadcast"):
        train_minimal(theta, steps, learning_rate=0.1, **changes)

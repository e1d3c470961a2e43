"""Right-first-time SFT with one stop bias for all answers (C3-shared): written out, trained, compared with the formula."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.claims.sources import bundled_files, load_claims


def expit(x: np.ndarray | float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(x, dtype=float)))


def likelihood(parameters: np.ndarray, a_E: float, weight: float) -> float:
    """The log-likelihood of right answers, stopped at with chance a_E: a geometric number of decisions, summed turn by turn."""
    bias, right, _ = parameters
    a = expit(bias + right)
    turns = range(2000)
    return weight * float(sum((1 - a_E) ** k * (a_E * np.log(a) + (1 - a_E) * np.log1p(-a)) for k in turns))


def slope(parameters: np.ndarray, a_E: float, weight: float) -> np.ndarray:
    step = 1e-5 * np.eye(3)
    return np.array([likelihood(parameters + h, a_E, weight) - likelihood(parameters - h, a_E, weight) for h in step]) / 2e-5


@pytest.mark.parametrize(("a_E", "a", "b", "weight"), [(1.0, 0.7, 0.4, 1.0), (0.6, 0.45, 0.8, 0.3), (0.6, 0.9, 0.25, 2.0)])
def test_the_speed_of_b(a_E, a, b, weight):
    logit = np.log(a / (1 - a)), np.log((1 - b) / b)
    start = np.array([0.37, logit[0] - 0.37, logit[1] - 0.37])
    small = 1e-6
    after = start + small * slope(start, a_E, weight)
    speed = (expit(-after[0] - after[2]) - b) / small
    assert speed == pytest.approx(-b * (1 - b) * weight * (a_E - a) / a_E, rel=1e-3)
    assert after[2] == start[2]  # wrong answers are never shown


def test_training_unlearns_resampling_until_right_answers_are_stopped_at():
    x = np.array([0.0, 0.4, -0.8])
    b = [expit(-x[0] - x[2])]
    for _ in range(60):
        x = x + 0.5 * slope(x, 1.0, 1.0)
        b.append(expit(-x[0] - x[2]))
    assert (np.diff(b) < 0).all()
    assert b[-1] < 0.4 * b[0]


def test_the_witness_against_the_loose_reading_of_d2_has_a_penalty():
    """c_s = c_d = -beta L there, L not zero: at the reference both are 0, which would refute any ratio."""
    (path,) = (path for path in bundled_files() if path.stem == "d_kl")
    at = {name: float(value) for name, value in load_claims(path)["D2-loose"].recorded_witness.items()}
    log_ratios = np.log(at["p"] / at["p_ref"]), np.log(at["a"] / at["a_ref"])
    assert at["w_s"] != at["w_d"]
    assert abs(at["beta"] * (at["w_s"] * log_ratios[0] + at["w_d"] * log_ratios[1])) > 0.1

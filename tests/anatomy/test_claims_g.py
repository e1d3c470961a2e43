"""Group G against the numbers of the package: the signs of pooled predictions over many mixtures, and in simulated logs."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.anatomy import chain_formulas as formulas
from dstheory.anatomy.answers import answer
from dstheory.anatomy.generate import simulate_log


@pytest.fixture(scope="module")
def mixtures() -> tuple[np.ndarray, ...]:
    """Three kinds of problems with weights, and a, b: 20,000 of them, many close to the edges."""
    rng = np.random.default_rng(0)
    p, a, b = rng.beta(0.5, 0.5, (3, 20_000)), *rng.beta(0.5, 0.5, (2, 20_000))
    return p, rng.dirichlet([0.5] * 3, 20_000).T, a, b


@pytest.mark.parametrize("cap", [2, 3, 7, 25])
def test_signs_of_pooled_predictions(mixtures, cap) -> None:
    """G4, G4-wrong and G4-sign; 1e-12 is the rounding of sums of 25 terms of order 1."""
    p, weight, a, b = mixtures
    n = formulas.attempts(p, a, b, cap)
    pooled = (weight * p * n).sum(axis=0) / (weight * n).sum(axis=0)
    z = formulas.resampling(pooled, a, b)
    true_rest = (weight * formulas.resampling(p, a, b) ** cap).sum(axis=0)
    assert (z**cap <= true_rest + 1e-12).all()
    assert (formulas.attempts(pooled, a, b, cap) >= (weight * n).sum(axis=0) * (1 - 1e-12)).all()
    bias = formulas.accuracy(pooled, a, b, cap) - (weight * formulas.accuracy(p, a, b, cap)).sum(axis=0)
    assert (bias * np.sign(a + b - 1) >= -1e-12).all()
    wrong = formulas.accuracy(pooled, a, b, cap, unstopped="wrong")
    realised = (weight * formulas.accuracy(p, a, b, cap, unstopped="wrong")).sum(axis=0)
    np.testing.assert_allclose(wrong * (1 - true_rest), realised * (1 - z**cap), atol=1e-12)
    if cap == 2:
        mean, go_on = (weight * p).sum(axis=0), (weight * formulas.resampling(p, a, b)).sum(axis=0)
        variance = (weight * (p - mean) ** 2).sum(axis=0)
        np.testing.assert_allclose(bias, (a + b - 1) * variance * ((1 - a) * (1 - pooled) + b * pooled) / (1 + go_on), atol=1e-12)


@pytest.mark.parametrize("cap", [2, 3, 7, 25, 0])
def test_what_a_split_of_pooled_chains_gives_to_equal_sampling(mixtures, cap) -> None:
    """G2-pooled: its sign, also where a + b passes 1; attempts and covariances come from a recursion over attempts."""
    p, weight, a, b = mixtures
    inside = (p > 0.01).all(axis=0) & (p < 0.99).all(axis=0) & (np.minimum(a, b) > 0.01) & (np.maximum(a, b) < 0.99)
    p, weight, a, b = p[:, inside], weight[:, inside], a[inside], b[inside]
    decisions = (a, b), (np.roll(a, 1), np.roll(b, 1))
    mean = (weight * p).sum(axis=0)
    pooled, tilt, above = [], [], []
    for a, b in decisions:
        q, attempts = p * (1 - a) + (1 - p) * b, np.zeros(p.shape)
        for _ in range(cap or 4000):  # no q here exceeds 0.99
            attempts = 1 + q * attempts
        average = (weight * attempts).sum(axis=0)
        pooled.append((weight * p * attempts).sum(axis=0) / average)
        tilt.append((weight * (p - mean) * (attempts - average)).sum(axis=0) / average)
        above.append(a + b - 1)
    part = sum(formulas.accuracy(pooled[1], *d, cap) - formulas.accuracy(pooled[0], *d, cap) for d in decisions)
    assert (part * np.sign(tilt[1] - tilt[0]) >= -1e-12).all()
    assert (np.sign(part) == np.sign(tilt[1] - tilt[0])).mean() > 0.98  # the others within rounding
    for t, index in zip(tilt, above, strict=True):
        assert (t * np.sign(index) <= 1e-12).all()
    turns = (above[0] <= 0) & (above[1] > 0)
    assert turns.any()
    assert (part[turns] <= 1e-12).all()


def test_the_mean_p_errs_in_the_same_direction_and_the_attempt_weighted_p_not_at_all(mixtures) -> None:
    """G4-mean and G4-fit, without a cap."""
    p, weight, a, b = mixtures
    realised = (weight * formulas.accuracy(p, a, b)).sum(axis=0)
    at_mean = formulas.accuracy((weight * p).sum(axis=0), a, b)
    assert ((at_mean - realised) * np.sign(a + b - 1) >= -1e-12).all()
    n = formulas.attempts(p, a, b)
    pooled = (weight * p * n).sum(axis=0) / (weight * n).sum(axis=0)
    # The number of attempts reaches 1e8 in this sample, and accuracies lose as many digits.
    np.testing.assert_allclose(formulas.accuracy(pooled, a, b), realised, atol=1e-7)


@pytest.mark.parametrize(("a", "b", "sign"), [(0.9, 0.9, 1), (0.3, 0.35, -1)])
def test_in_logs(a, b, sign) -> None:
    """200,000 episodes: standard errors of 0.001; the biases are 0.02 and -0.01."""
    found = answer(simulate_log(200_000, p=0.4, a=a, b=b, cap=5, concentration=0.5))
    assert sign * (found.predicted["accuracy"].value - found.realised["accuracy"].value) > 0.004

"""The vectorised exponential and logarithms against mpmath, in units in the last place."""

from __future__ import annotations

import mpmath
import numba
import numpy as np
import pytest

from dstheory.kernels import jit


@numba.njit(error_model="numpy")
def exp_all(x):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = jit.exp_nonpositive(x[i])
    return out


@numba.njit(error_model="numpy")
def exp_and_expm1_all(x):
    exp, expm1 = np.empty_like(x), np.empty_like(x)
    for i in range(x.size):
        exp[i], expm1[i] = jit.exp_and_expm1(x[i])
    return exp, expm1


@numba.njit(error_model="numpy")
def log1p_all(x):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = jit.log1p_unit(x[i])
    return out


@numba.njit(error_model="numpy")
def log1p_ratio_all(x, y):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = jit.log1p_ratio(x[i], y[i])
    return out


@numba.njit(error_model="numpy")
def largest(x):
    result = -np.inf
    for i in range(x.size):
        result = jit.larger(x[i], result)
    return result


@numba.njit(error_model="numpy")
def total(x):
    result = 0.0
    for i in range(x.size):
        result = jit.accumulate(result, x[i])
    return result


def ulps(values: np.ndarray, exact: list[mpmath.mpf]) -> float:
    """Return the largest error in units in the last place of the exact values."""
    with mpmath.workprec(200):
        return max(
            float(abs(mpmath.mpf(float(v)) - e) / mpmath.mpf(float(np.spacing(abs(float(e)))))) if e else float(v != 0.0)
            for v, e in zip(values, exact, strict=True)
        )


def points(rng: np.random.Generator, scales: tuple[float, ...], each: int = 700) -> np.ndarray:
    return np.concatenate([scale * rng.random(each) for scale in scales])


def test_exp_is_within_two_ulps() -> None:
    x = -np.concatenate(
        [points(np.random.default_rng(1), (1e-9, 1e-3, 0.4, 3.0, 40.0, 708.0)), np.log(2.0) * np.arange(1021) / 2]
    )
    x = x[x >= -708.0]
    with mpmath.workprec(200):
        exact = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
    assert ulps(exp_all(x), exact) <= 2.0


def test_exp_at_the_edges() -> None:
    x = np.array([0.0, -0.0, -5e-324, -708.0, -708.0000001, -745.0, -1000.0, -1e300, -np.inf, np.nan])
    result = exp_all(x)
    assert result[:3].tolist() == [1.0, 1.0, 1.0]
    assert result[3] > 0.0
    assert result[4:9].tolist() == [0.0] * 5
    assert np.isnan(result[9])


def test_exp_and_expm1_of_both_signs_are_within_three_ulps() -> None:
    rng = np.random.default_rng(4)
    x = points(rng, (1e-300, 1e-12, 1e-9, 1e-3, 0.2, 0.4, 1.0, 3.0, 40.0, 700.0)) * rng.choice([-1.0, 1.0], size=7000)
    x = np.concatenate([x, [0.0, 700.0, -700.0], np.log(2.0) * (np.arange(-40, 40) / 2)])
    exp, expm1 = exp_and_expm1_all(x)
    with mpmath.workprec(1200):
        exact = [mpmath.expm1(mpmath.mpf(float(v))) for v in x]
        assert ulps(exp, [e + 1 for e in exact]) <= 2.0
    assert ulps(expm1, exact) <= 3.0


def test_log1p_is_within_two_ulps() -> None:
    x = points(np.random.default_rng(2), (1e-300, 1e-12, 1e-3, 0.5, 1.0))
    x = np.concatenate([x, [0.0, 1.0, 5e-324]])
    with mpmath.workprec(1200):  # 1 + 5e-324 must not round to 1
        exact = [mpmath.log(1 + mpmath.mpf(float(v))) for v in x]
    assert ulps(log1p_all(x), exact) <= 2.0


def test_log1p_ratio_keeps_relative_accuracy_when_its_arguments_are_close() -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.random(1500), rng.random(1500)])
    y = np.concatenate([rng.random(1500), x[1500:] * (1.0 + 1e-9 * rng.random(1500))])
    y = np.minimum(y, 1.0)
    with mpmath.workprec(200):
        exact = [mpmath.log((1 + mpmath.mpf(float(a))) / (1 + mpmath.mpf(float(b)))) for a, b in zip(x, y, strict=True)]
    # Two roundings, of 2 + a + b and of the quotient, precede the two of the polynomial.
    assert ulps(log1p_ratio_all(x, y), exact) <= 3.0
    assert not log1p_ratio_all(x, x.copy()).any()


@pytest.mark.parametrize("size", [1, 3, 4, 5, 64, 67])
def test_reductions(size: int) -> None:
    x = np.random.default_rng(size).normal(size=size)
    assert largest(x) == x.max()
    assert total(x) == pytest.approx(x.sum(), rel=1e-14, abs=1e-15)
    assert largest(np.full(size, -np.inf)) == -np.inf
    x[size // 2] = np.nan
    assert np.isnan(largest(x))

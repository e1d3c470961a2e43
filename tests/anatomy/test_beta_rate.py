"""Rates that differ between problems: likelihoods and expectations against quadrature, fits against another optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from dstheory.anatomy.beta import BetaRate, Tails, derivatives, fit_beta_rate
from dstheory.errors import RecordError

SUCCESSES = np.array([0, 1, 4, 5, 0, 3, 7, 0])
TRIALS = np.array([5, 5, 5, 5, 4, 6, 9, 1])


def by_gamma_functions(mean: float, rho: float, successes: np.ndarray, trials: np.ndarray) -> np.ndarray:
    s = (1 - rho) / rho
    alpha, beta = mean * s, (1 - mean) * s
    return np.asarray(special.betaln(alpha + successes, beta + trials - successes) - special.betaln(alpha, beta))


@pytest.mark.parametrize(("mean", "rho"), [(0.3, 0.4), (0.05, 0.01), (0.9, 0.8)])
def test_likelihood_against_gamma_functions_and_quadrature(mean, rho) -> None:
    rate = BetaRate(mean, rho)
    expected = by_gamma_functions(mean, rho, SUCCESSES, TRIALS)
    np.testing.assert_allclose(rate.sequences(SUCCESSES, TRIALS), expected, rtol=1e-10)
    assert rate.log_likelihood(Tails.of(SUCCESSES, TRIALS)) == pytest.approx(expected.sum(), rel=1e-12)
    density = stats.beta(*rate.shape)
    integral, error = integrate.quad(lambda x: x**4 * (1 - x) * density.pdf(x), 0, 1)
    assert np.exp(rate.sequences(np.array([4]), np.array([5])))[0] == pytest.approx(integral, abs=10 * error + 1e-12)


def test_likelihood_keeps_its_digits_near_the_homogeneous_limit() -> None:
    """To first order in rho the log-likelihood moves by rho times its derivative, here by differences of the definition at 0."""
    tails, c, n = Tails.of(SUCCESSES, TRIALS), SUCCESSES.sum(), TRIALS.sum()
    mean = 0.37
    base = c * np.log(mean) + (n - c) * np.log(1 - mean)
    assert BetaRate(mean).log_likelihood(tails) == pytest.approx(base, rel=1e-14)
    # Score of overdispersion: sum over problems of [(c - n m)^2 - c (1-m)^2 - (n-c) m^2] / (2 m (1-m)), times 1.
    score = ((SUCCESSES - TRIALS * mean) ** 2 - SUCCESSES * (1 - mean) ** 2 - (TRIALS - SUCCESSES) * mean**2).sum()
    score /= 2 * mean * (1 - mean)
    tiny = 1e-9  # second order: 1e-18 times some 1e3; rounding of the logarithms: 1e-14
    assert BetaRate(mean, tiny).log_likelihood(tails) - base == pytest.approx(tiny * score, rel=1e-3, abs=2e-13)


def test_limits_are_those_of_the_definition() -> None:
    pure, mixed = Tails.of([0, 3, 2, 0], [2, 3, 2, 5]), Tails.of([1], [2])
    polar = BetaRate(0.3, 1.0)
    assert polar.log_likelihood(pure) == pytest.approx(2 * np.log(0.3) + 2 * np.log(0.7))
    assert BetaRate(0.3, 1 - 1e-9).log_likelihood(pure) == pytest.approx(polar.log_likelihood(pure), abs=1e-6)
    assert polar.log_likelihood(mixed) == -np.inf
    assert polar.sequences(np.array([0, 2, 1, 0]), np.array([0, 2, 2, 3])).tolist() == [
        0.0, pytest.approx(np.log(0.3)), -np.inf, pytest.approx(np.log(0.7))]  # fmt: skip
    assert BetaRate(0.0).log_likelihood(Tails.of([0], [4])) == 0.0
    assert BetaRate(0.0).log_likelihood(mixed) == -np.inf


@pytest.mark.parametrize(("mean", "rho"), [(0.3, 0.9), (0.3, 0.5), (0.05, 0.2), (0.999, 0.99), (1e-5, 0.3), (0.4, 1 / 3)])
def test_expectations_of_powers_against_beta_functions(mean, rho) -> None:
    """96 nodes integrate powers up to 191 exactly; the sum of 96 positive terms rounds to some 1e-14."""
    rate = BetaRate(mean, rho)
    alpha, beta = rate.shape
    for power in (1, 2, 7, 60, 191):
        exact = np.exp(special.betaln(alpha, beta + power) - special.betaln(alpha, beta))
        x, w = rate.nodes()
        assert float((1 - x) ** power @ w) == pytest.approx(exact, abs=2e-13)


def test_expectations_where_problems_are_alike_or_all_or_nothing() -> None:
    square = [float(x**2 @ w) for x, w in (BetaRate(0.3, rho).nodes() for rho in (0.0, 1e-14, 1.0))]
    assert square[0] == pytest.approx(0.09, abs=1e-16)
    assert square[1] == pytest.approx(0.09, abs=1e-14)
    assert square[2] == pytest.approx(0.3, abs=1e-15)
    assert BetaRate(1.0, 0.5).nodes()[0].tolist() == [1.0]


def test_derivatives_against_the_complex_step_and_differences() -> None:
    tails, h = Tails.of(SUCCESSES, TRIALS, [3, 1, 2, 1, 1, 4, 1, 2]), 1e-30

    def complex_value(m: complex, r: complex) -> complex:
        (successes, failures, trials), i = tails.counts, np.arange(tails.counts.shape[1])
        up = (successes * np.log(m * (1 - r) + i * r)).sum()
        down = (failures * np.log((1 - m) * (1 - r) + i * r)).sum()
        return complex(up + down - (trials * np.log(1 - r + i * r)).sum())

    value, (by_mean, by_rho), hessian = derivatives(tails, 0.31, 0.27)
    assert value == pytest.approx(complex_value(0.31, 0.27).real, rel=1e-13)
    assert value == BetaRate(0.31, 0.27).log_likelihood(tails)
    assert by_mean == pytest.approx(complex_value(0.31 + 1j * h, 0.27).imag / h, rel=1e-12)
    assert by_rho == pytest.approx(complex_value(0.31, 0.27 + 1j * h).imag / h, rel=1e-12)
    step = 1e-5
    ends = [(0.31 + step, 0.27), (0.31 - step, 0.27)], [(0.31, 0.27 + step), (0.31, 0.27 - step)]
    for column, (above, below) in enumerate(ends):
        difference = (derivatives(tails, *above)[1] - derivatives(tails, *below)[1]) / (2 * step)
        assert hessian[:, column] == pytest.approx(difference, rel=1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_the_optimum_is_that_of_another_optimiser(seed) -> None:
    """Nelder-Mead on Gamma functions in other coordinates, from the truth: the same maximum to 1e-7."""
    rng = np.random.default_rng(seed)
    truth = (0.1 + 0.15 * seed, 0.05 + 0.15 * seed)
    s = (1 - truth[1]) / truth[1]
    trials = rng.integers(1, 12, 400)
    successes = rng.binomial(trials, rng.beta(truth[0] * s, (1 - truth[0]) * s, 400))
    fit = fit_beta_rate(Tails.of(successes, trials))

    def loss(point: np.ndarray) -> float:
        return -float(by_gamma_functions(*special.expit(point), successes, trials).sum())

    options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000}
    other = optimize.minimize(loss, special.logit(truth) + 0.1, method="Nelder-Mead", options=options)
    assert other.success
    assert fit.log_likelihood == pytest.approx(-other.fun, abs=1e-7)
    assert [fit.rate.mean, fit.rate.rho] == pytest.approx(list(special.expit(other.x)), abs=2e-5)


@pytest.mark.parametrize("seed", range(8))
def test_at_the_optimum_the_gradient_is_zero_and_no_point_of_a_grid_is_higher(seed) -> None:
    """Gradient by the complex step, grid by Gamma functions; SciPy's quasi-Newton method from the best of the grid agrees."""
    rng = np.random.default_rng(100 + seed)
    trials = rng.integers(1, (3, 30)[seed % 2], (6, 60, 600)[seed % 3])
    mean, rho = rng.uniform(0.02, 0.98), (0.02, 0.3, 0.9)[seed % 3]
    successes = rng.binomial(trials, rng.beta(mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1), len(trials)))
    tails = Tails.of(successes, trials).with_pseudo()
    successes, trials, times = np.append(successes, 1), np.append(trials, 2), np.append(np.ones(len(trials)), 0.5)
    fit = fit_beta_rate(tails)

    def loss(point: np.ndarray) -> float:
        return -float(times @ by_gamma_functions(*special.expit(point), successes, trials))

    grid = special.logit(np.array([(m, r) for m in np.linspace(0.01, 0.99, 40) for r in np.geomspace(1e-3, 0.99, 40)]))
    losses = np.array([loss(point) for point in grid])
    assert fit.log_likelihood >= -losses.min() - 1e-9
    if fit.rate.homogeneous:
        return
    other = optimize.minimize(loss, grid[losses.argmin()], method="BFGS", options={"gtol": 1e-7})
    assert fit.log_likelihood == pytest.approx(-other.fun, abs=1e-8)
    assert [fit.rate.mean, fit.rate.rho] == pytest.approx(list(special.expit(other.x)), abs=1e-5)

    def complex_value(m: complex, r: complex) -> complex:
        factors = np.array([[m], [1 - m], [1.0]]) * (1 - r) + np.arange(tails.counts.shape[1]) * r
        return complex((np.array([[1], [1], [-1]]) * tails.counts * np.log(factors)).sum())

    h = 1e-30j
    gradient = [complex_value(fit.rate.mean + h, fit.rate.rho).imag, complex_value(fit.rate.mean, fit.rate.rho + h).imag]
    assert gradient == pytest.approx([0.0, 0.0], abs=1e-30 * 1e-8 * tails.counts.sum())


def test_limits_of_the_fit() -> None:
    under = fit_beta_rate(Tails.of([1, 1, 1, 1], [2, 2, 2, 2]))
    assert (under.rate, under.p_value) == (BetaRate(0.5), 1.0)
    assert under.log_likelihood == under.log_likelihood_homogeneous
    polar = fit_beta_rate(Tails.of([0, 3, 0, 2, 0], [3, 3, 2, 2, 4]))
    assert polar.rate == BetaRate(0.4, 1.0)
    assert polar.log_likelihood == pytest.approx(2 * np.log(0.4) + 3 * np.log(0.6))
    assert polar.log_likelihood_homogeneous == pytest.approx(5 * np.log(5 / 14) + 9 * np.log(9 / 14))
    assert fit_beta_rate(Tails.of([0, 0], [3, 5])).rate == BetaRate(0.0)
    single = fit_beta_rate(Tails.of([0, 1, 1], [1, 1, 1]))  # one trial each: nothing about correlation
    assert single.rate.mean == pytest.approx(2 / 3)
    assert fit_beta_rate(Tails.of([], [])).rate is None
    assert fit_beta_rate(Tails.of([0], [0])).rate is None


def test_the_test_of_homogeneity_has_its_size() -> None:
    """Under one rate p < 0.05 happens in 5 % of logs of 400 problems: 120 logs, binomial error 2 %, three of them allowed."""
    rng = np.random.default_rng(7)
    trials = rng.integers(1, 8, 400)
    rejected = [fit_beta_rate(Tails.of(rng.binomial(trials, 0.3), trials)).p_value < 0.05 for _ in range(120)]
    assert np.mean(rejected) < 0.05 + 0.06
    assert any(rejected)


def test_the_pseudo_observation_keeps_every_fit_inside() -> None:
    for tails in (Tails.of([0, 0], [3, 5]), Tails.of([0, 3], [3, 3]), Tails.of([], [])):
        rate = fit_beta_rate(tails.with_pseudo()).rate
        assert 0 < rate.mean < 1
        assert rate.rho < 1


def test_bad_input_is_named() -> None:
    with pytest.raises(RecordError, match=r"^mean is 1\.2: must lie in \[0, 1\]$"):
        BetaRate(1.2)
    with pytest.raises(RecordError, match=r"^rho is -0\.1: must lie in \[0, 1\]$"):
        BetaRate(0.2, -0.1)
    with pytest.raises(RecordError, match=r"^successes must be whole numbers from 0 to the trials of the same problem$"):
        Tails.of([3], [2])

"""The optimum to its last digits at any scale: 60 digits of bisection, bounds that enclose, two engines that agree."""

from __future__ import annotations

import importlib

import mpmath as mp
import numpy as np
import pytest
from dynamics.soft_oracles import exact_value
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from strategies import make_case

from dstheory import Policy, TwoStageMDP
from dstheory.dynamics.soft_bellman import SoftTurn, evaluate
from dstheory.dynamics.soft_optimum import optimum

MODULE = importlib.import_module("dstheory.dynamics.soft_optimum")
PATHS = ["readable", "compiled"]


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(MODULE, "SMALLEST", 0 if request.param == "compiled" else 1 << 60)
    return request.param


def extremes() -> list[tuple[int, float, float, float]]:
    strengths, lengths = (1e-4, 1e-2, 1.0, 1e4), (1.0, 1e3, 1e6)
    return [(i, b, w, (0.3, 0.95, 0.9999, 1.0)[i % 4]) for i, (b, w) in enumerate((b, w) for b in strengths for w in lengths)]


@pytest.mark.parametrize("spread", ["equal lengths", "nearly equal lengths", "unequal lengths"])
@pytest.mark.parametrize(("seed", "beta", "longest", "gamma"), extremes())
def test_value_agrees_with_60_digits_of_bisection(seed, beta, longest, gamma, spread, path) -> None:
    rng = np.random.default_rng(seed)
    n = 3
    length = {
        "equal lengths": np.full(n, longest),
        "nearly equal lengths": longest + np.arange(n),
        "unequal lengths": longest ** rng.uniform(size=n),
    }[spread][None]
    if gamma == 1.0 and spread != "equal lengths":
        gamma = 0.99999
    mdp = TwoStageMDP(
        correct=np.zeros((1, n)),
        reward_stop=rng.normal(size=(1, n)),
        reward_resample=-rng.uniform(0, 0.3, size=(1, n)),
        sample_length=length,
        decision_length=rng.choice([1.0, longest], size=(1, n)),
        gamma=gamma,
        discount_per=("turn", "stage")[seed % 2],
    )
    reference = Policy.tabular(3.0 * rng.normal(size=(1, n)), 3.0 * rng.normal(size=(1, n)))
    best = optimum(mdp, reference, beta=beta, length_weight=1.0)
    tau_s, tau_d = beta * length[0], beta * mdp.decision_length[0]
    ref = reference.sample_prob[0, 0]
    rewards = mdp.reward_stop[0], mdp.reward_resample[0]
    exact = exact_value(ref, reference.stop_logits[0, 0], *rewards, tau_s, tau_d, mdp.gamma_within, mdp.gamma_between)
    scale = abs(exact) + np.abs(mdp.reward_stop).max() + ref @ np.abs(tau_s - ref @ tau_s)
    assert best.converged.all()
    assert best.iterations.max() <= 30
    assert abs(mp.mpf(float(best.value[0])) - exact) <= 1e-12 * scale
    np.testing.assert_allclose(best.policy.sample_prob.sum(axis=-1), 1.0, rtol=1e-12)
    # The bracket that is reported is of that size too, or of what rounding hides where f falls slowly: 1 - Gamma P(resample).
    again = float((best.policy.sample_prob[0, 0] * best.policy.resample_prob[0, 0]).sum())
    falls = 1.0 - float(mdp.gamma_within * mdp.gamma_between) * again
    size = scale + np.abs(mdp.reward_resample).max()
    assert 0 < best.error[0, 0] <= 1.001 * size * max(1e-12, 1e-14 / falls)


@pytest.mark.parametrize(("rare", "gamma"), [("stop", 0.9), ("resample", 0.0)])
def test_a_rare_decision_that_is_far_better_keeps_its_digits(rare, gamma, path) -> None:
    """The worse decision, by about 15 tau, has all but 1e-9 of the reference: 1 minus its probability would cancel."""
    logits, better, worse = np.array([20.0, 21.0, 19.5]), np.array([15.0, 15.5, 14.0]), np.zeros(3)
    stop_logits, rewards = (-logits, (better, worse)) if rare == "stop" else (logits, (worse, better))
    mdp = TwoStageMDP(correct=[[1, 0, 1]], reward_stop=rewards[0][None], reward_resample=rewards[1][None], sample_length=3.0,
                      gamma=gamma)  # fmt: skip
    ref = np.array([0.5, 0.2, 0.3])
    best = optimum(mdp, Policy.tabular(np.log(ref)[None], stop_logits[None]), beta=1.0, length_weight=1.0)
    exact = exact_value(ref, stop_logits, *rewards, np.full(3, 3.0), np.ones(3), mdp.gamma_within, mdp.gamma_between)
    assert 0.001 < exact < 0.1
    assert abs(mp.mpf(float(best.value[0])) - exact) <= best.error[0, 0]
    assert best.error[0, 0] < 2e-11


class Uneven:
    """One equation for four answers of different weights, as numbers, and as the `SoftTurn` that says the same."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        n_answers, self.v, self.gamma, self.tau_d = 4, float(rng.normal()), 0.8, 0.7
        self.ref, self.tau = rng.dirichlet(np.ones(n_answers)), np.exp(rng.uniform(-1, 2, n_answers))
        self.stop = rng.uniform(0.1, 0.9, n_answers)
        self.r_stop, self.r_resample = rng.normal(size=n_answers), rng.normal(size=n_answers)
        one, mean = np.ones((1, 1)), np.array([[self.ref @ self.tau]])
        columns = (np.log(self.ref), np.log(self.stop / (1 - self.stop)), np.log(self.stop), np.log1p(-self.stop), self.r_stop,
                   self.r_resample, self.tau)  # fmt: skip
        self.turn = SoftTurn(*(t[:, None] for t in columns), tau_decide=self.tau_d * one, mean_tau=mean, gamma_within=one,
                             gamma_between=self.gamma * one, rest=(1 - self.gamma) * one)  # fmt: skip

    def advantage(self, v: float) -> np.ndarray:
        stopping, resampling = np.exp(self.r_stop / self.tau_d), np.exp((self.r_resample + self.gamma * v) / self.tau_d)
        return self.tau_d * np.log(self.stop * stopping + (1 - self.stop) * resampling) - v

    def total(self, v: float, n: float) -> float:
        return float((self.ref * np.exp((self.advantage(v) - (self.tau - self.ref @ self.tau) - n) / self.tau)).sum())


@pytest.mark.parametrize("seed", range(5))
def test_lower_and_upper_bounds_enclose_the_best_penalised_mean(seed: int) -> None:
    """Answers of different weights, at multipliers that have not settled: payoff <= f <= upper, equal where it has."""
    case = Uneven(seed)
    ref, tau, v, turn, advantage = case.ref, case.tau, case.v, case.turn, case.advantage(case.v)

    def policy(mu: float) -> np.ndarray:
        return ref * np.exp((advantage - mu) / tau - 1)

    best = policy(brentq(lambda mu: policy(mu).sum() - 1, -50, 50, xtol=1e-14))
    f = (best * (advantage - tau * np.log(best / ref))).sum()
    gaps = []
    for n in f + np.linspace(-3, 3, 13):
        point = evaluate(turn, np.array([v]), np.array([n]))
        assert point.payoff[0] <= f + 1e-13 * (1 + abs(f))
        assert point.upper[0] >= f - 1e-13 * (1 + abs(f))
        gaps.append(point.upper[0] - point.payoff[0])
    assert max(gaps) > 0.1
    settled = brentq(lambda n: case.total(v, n) - 1, -50, 50, xtol=1e-14)
    point = evaluate(turn, np.array([v]), np.array([settled]))
    np.testing.assert_allclose([point.payoff[0], point.upper[0]], f, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_steps_of_value_and_multiplier_together_are_newtons(seed: int) -> None:
    """Along both of them the total of the probabilities heads for 1: its logarithm falls, at first, by itself per whole step."""
    case = Uneven(seed)
    v = case.v - 3.0  # below the root of f, so that V is about to rise
    settled = brentq(lambda n: case.total(v, n) - 1, -50, 50, xtol=1e-14)
    for n in settled + np.array([-0.5, 0.0, 0.5]):
        point = evaluate(case.turn, np.array([v]), np.array([n]))
        step, move, h = point.payoff[0] / point.slope[0], point.move[0], 1e-5
        assert step > 0.1
        ahead, back = (np.log(case.total(v + t * step, n + t * move)) for t in (h, -h))
        np.testing.assert_allclose((ahead - back) / (2 * h), -np.log(case.total(v, n)), rtol=1e-6, atol=1e-8)


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 3]), st.sampled_from(["turn", "stage"]), st.sampled_from([0, 0.9, 1]))
def test_the_compiled_loop_says_the_same(seed: int, cap: int | None, per: str, gamma: float) -> None:
    kind = "turn-indexed" if cap and seed % 2 else "tabular"
    case = make_case(seed, cap=cap, kind=kind, per=per, gamma=gamma)
    rng = np.random.default_rng(seed)
    settings = {"beta": 10 ** rng.uniform(-4, 4, size=2), "length_weight": [0.0, float(rng.uniform())], "throw": False}
    before = MODULE.SMALLEST
    try:
        MODULE.SMALLEST = 1 << 60
        a = optimum(case.mdp, case.reference, **settings)
        MODULE.SMALLEST = 0
        b = optimum(case.mdp, case.reference, **settings)
    finally:
        MODULE.SMALLEST = before
    np.testing.assert_array_equal(a.converged, b.converged)
    spread = settings["beta"][:, None, None] * case.mdp.sample_length.max()
    finite = np.isfinite(a.values)
    np.testing.assert_array_equal(a.values[~finite], b.values[~finite])
    off = np.abs(np.where(finite, a.values, 0.0) - np.where(finite, b.values, 0.0))
    assert (off <= 1e-12 * (5.0 + np.abs(np.where(finite, a.values, 0.0)) + spread)).all()
    np.testing.assert_allclose(a.policy.sample_prob, b.policy.sample_prob, atol=1e-8)
    np.testing.assert_allclose(a.policy.stop_prob, b.policy.stop_prob, atol=1e-8)


def test_logits_of_a_hundred_million_are_legal(path) -> None:
    mdp = TwoStageMDP.minimal(reward={"stop_correct": 1e4, "resample_correct": 0, "stop_wrong": -1e4, "resample_wrong": 0})
    best = optimum(mdp, Policy.minimal(p=0.5, a=0.5, b=0.5), beta=1e-4)
    assert best.policy.sample_logits.min() < -5e6
    assert best.policy.stop_logits.min() < -1e8 < 1e6 < best.policy.stop_logits.max()
    np.testing.assert_allclose(best.value, 1e4, rtol=1e-7)

"""Every optimiser against a loop written out by hand on the closed-form gradient of M0, and explicit Fisher systems."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from oracle import Tables, paths
from strategies import Case, cases

from dstheory import Policy, TwoStageMDP, solve, train
from dstheory.dynamics import SCHEDULES, SGD, Adam, Momentum, NaturalGradient, schedule
from dstheory.errors import ChainError, ImproperChainError
from dstheory.objectives import Reinforce

GAMMA = 0.9
MDP = TwoStageMDP.minimal(gamma=GAMMA)
START = [0.2, 1.5, -1.0]


def sigma(t: float) -> float:
    return 1.0 / (1.0 + math.exp(-t))


def gradient(theta: list[float]) -> list[float]:
    """The three closed forms of M0 under terminal accuracy."""
    p, a, b = map(sigma, theta)
    n = 1 / (1 - GAMMA * (p * (1 - a) + (1 - p) * b))
    v = n * p * a
    return [
        n * p * (1 - p) * (a + (1 - a) * GAMMA * v - b * GAMMA * v),
        n * p * a * (1 - a) * (1 - GAMMA * v),
        n * (1 - p) * b * (1 - b) * GAMMA * v,
    ]


def trained(optimizer, steps: int, **settings) -> list[float]:
    result = train(MDP, Policy.minimal(theta=START), Reinforce(), steps=steps, optimizer=optimizer, **settings)
    return result.policy.parameters[0].tolist()


def test_gradient_ascent() -> None:
    theta = list(START)
    for _ in range(50):
        theta = [t + 0.7 * g for t, g in zip(theta, gradient(theta), strict=True)]
    assert trained(SGD(lr=0.7), 50) == pytest.approx(theta, rel=1e-12)


def test_heavy_ball_momentum() -> None:
    theta, velocity = list(START), [0.0] * 3
    for _ in range(50):
        velocity = [0.8 * v + g for v, g in zip(velocity, gradient(theta), strict=True)]
        theta = [t + 0.1 * v for t, v in zip(theta, velocity, strict=True)]
    assert trained(Momentum(lr=0.1, momentum=0.8), 50) == pytest.approx(theta, rel=1e-12)
    assert trained(Momentum(lr=0.7, momentum=0.0), 20) == trained(SGD(lr=0.7), 20)


def test_adam_with_bias_correction() -> None:
    theta, first, second = list(START), [0.0] * 3, [0.0] * 3
    for step in range(1, 51):
        g = gradient(theta)
        first = [0.7 * m + 0.3 * x for m, x in zip(first, g, strict=True)]
        second = [0.95 * v + 0.05 * x * x for v, x in zip(second, g, strict=True)]
        for i in range(3):
            m, v = first[i] / (1 - 0.7**step), second[i] / (1 - 0.95**step)
            theta[i] += 0.05 * m / (math.sqrt(v) + 1e-6)
    assert trained(Adam(lr=0.05, beta1=0.7, beta2=0.95, eps=1e-6), 50) == pytest.approx(theta, rel=1e-12)


def test_adam_defaults_are_those_of_the_paper() -> None:
    assert (Adam().beta1, Adam().beta2, Adam().eps) == (0.9, 0.999, 1e-8)
    assert (SGD().lr, Momentum().momentum, NaturalGradient().damping) == (0.1, 0.9, 1e-8)


def test_global_norm_clipping() -> None:
    theta, clipped = list(START), 0
    for _ in range(50):
        g = gradient(theta)
        size = math.sqrt(sum(x * x for x in g))
        clipped += size > 0.15
        theta = [t + 2.0 * x * min(1.0, 0.15 / size) for t, x in zip(theta, g, strict=True)]
    assert 0 < clipped < 50  # both cases occur
    assert trained(SGD(lr=2.0), 50, clip_norm=0.15) == pytest.approx(theta, rel=1e-12)


def test_clipping_counts_all_blocks_of_a_tabular_policy_and_each_run_alone() -> None:
    rng = np.random.default_rng(0)
    mdp = TwoStageMDP(correct=[[1, 0, 0], [0, 1, 0]])
    z, u = rng.normal(size=(2, 4, 1, 2, 3)) * np.array([0.1, 1.0, 1.0, 3.0])[:, None, None, None]
    result = train(mdp, Policy.tabular(z, u), Reinforce(), steps=1, optimizer=SGD(lr=1.0), clip_norm=0.1)
    for r in range(4):
        g = Reinforce().gradient(solve(mdp, Policy.tabular(z[r], u[r])))
        factor = min(1.0, 0.1 / math.sqrt((g.sample**2).sum() + (g.decide**2).sum()))
        np.testing.assert_allclose(result.policy.parameters[0][r], z[r] + factor * g.sample, rtol=1e-12)
        np.testing.assert_allclose(result.policy.parameters[1][r], u[r] + factor * g.decide, rtol=1e-12)


def test_clipping_comes_before_momentum() -> None:
    theta, velocity = list(START), [0.0] * 3
    for _ in range(20):
        g = gradient(theta)
        factor = min(1.0, 0.1 / math.sqrt(sum(x * x for x in g)))
        velocity = [0.9 * v + factor * x for v, x in zip(velocity, g, strict=True)]
        theta = [t + 0.5 * v for t, v in zip(theta, velocity, strict=True)]
    assert trained(Momentum(lr=0.5), 20, clip_norm=0.1) == pytest.approx(theta, rel=1e-12)


def test_huge_gradients_are_clipped() -> None:
    mdp = TwoStageMDP.minimal(reward={"stop_correct": 1e150, "resample_correct": 0, "stop_wrong": 0, "resample_wrong": 0})
    result = train(mdp, Policy.minimal(theta=START), Reinforce(), steps=1, optimizer=SGD(lr=1.0), clip_norm=0.5)
    assert np.linalg.norm(result.policy.parameters[0] - START) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("constant", lambda k, n: 1.0),
        ("linear", lambda k, n: 1 - k / n),
        ("cosine", lambda k, n: (1 + math.cos(math.pi * k / n)) / 2),
    ],
)
@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_schedules_scale_the_learning_rate(name: str, factor, warmup: int) -> None:
    theta = list(START)
    for k in range(30):
        rate = 0.5 * factor(k, 30) * (min(1.0, (k + 1) / warmup) if warmup else 1.0)
        theta = [t + rate * g for t, g in zip(theta, gradient(theta), strict=True)]
    assert trained(SGD(lr=0.5), 30, schedule=schedule(name, warmup=warmup)) == pytest.approx(theta, rel=1e-12)
    made = schedule(name, warmup=warmup)
    assert all(0.0 <= made(k, 30) <= 1.0 for k in range(30))


def test_a_schedule_of_ones_own() -> None:
    assert trained(SGD(lr=1.0), 3, schedule=lambda k, n: 0.0) == START
    assert set(SCHEDULES) == {"constant", "linear", "cosine"}


# ---------------------------------------------------------------------- natural gradient


def fisher_system(case: Case) -> np.ndarray:
    """E[score score^T] over all parameters of a policy, from the list of all trajectories."""
    policy, t = case.policy, Tables.of(case.mdp, case.policy)
    size = int(np.prod(policy.shape))
    total = np.zeros((2 * size, 2 * size))
    for path in paths(t):
        s, d = np.zeros(policy.shape), np.zeros(policy.shape)
        for k, (y, word) in enumerate(path.steps):
            at = t.at(k), path.prompt
            s[at] -= t.pi[at]
            s[(*at, y)] += 1.0
            if word != "submit":
                d[(*at, y)] += (1.0 if word == "stop" else 0.0) - t.stop[(*at, y)]
        score = np.concatenate([s.ravel(), d.ravel()])
        total += path.weight * np.outer(score, score)
    if policy.features is not None:
        width = policy.features.sample.shape[-1]
        a = np.concatenate([policy.features.sample.reshape(-1, width), policy.features.decide.reshape(-1, width)])
        total = a.T @ total @ a
    return total


@pytest.mark.parametrize("damping", [0.3, 1e-3])
@given(case=cases(capped=True))
def test_the_natural_gradient_solves_the_damped_fisher_system(damping: float, case: Case) -> None:
    solution = solve(case.mdp, case.policy)
    g = Reinforce().gradient(solution).parameters(case.policy)
    direction, _ = NaturalGradient(damping=damping).direction(g, None, solution)
    flat = np.concatenate([block.ravel() for block in g])
    fisher = fisher_system(case)
    expected = np.linalg.solve(fisher + damping * np.eye(len(fisher)), flat)
    found = np.concatenate([block.ravel() for block in direction])
    inside = np.isfinite(np.concatenate([block.ravel() for block in case.policy.parameters]))
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-7, atol=1e-10)
    assert (found[~inside] == 0).all()


@given(case=cases(capped=True))
def test_without_damping_it_is_the_minimum_norm_solution(case: Case) -> None:
    if case.policy.features is not None:
        return
    solution = solve(case.mdp, case.policy)
    g = Reinforce().gradient(solution).parameters(case.policy)
    direction, _ = NaturalGradient(damping=0.0).direction(g, None, solution)
    expected = np.linalg.pinv(fisher_system(case), rcond=1e-10, hermitian=True) @ np.concatenate([b.ravel() for b in g])
    np.testing.assert_allclose(np.concatenate([b.ravel() for b in direction]), expected, rtol=1e-6, atol=1e-8)


def test_natural_gradient_ascent_of_m0() -> None:
    """In M0 the Fisher matrix is diagonal: occupancy x variance of each choice, at the undiscounted visits."""
    theta = list(START)
    for _ in range(30):
        p, a, b = map(sigma, theta)
        n = 1 / (1 - p * (1 - a) - (1 - p) * b)
        fisher = [n * p * (1 - p), n * p * a * (1 - a), n * (1 - p) * b * (1 - b)]
        theta = [t + 0.1 * g / (f + 1e-8) for t, g, f in zip(theta, gradient(theta), fisher, strict=True)]
    assert trained(NaturalGradient(lr=0.1), 30) == pytest.approx(theta, rel=1e-9)


def test_natural_gradient_at_certain_choices_and_weightless_prompts_stays_put() -> None:
    mdp = TwoStageMDP(correct=[[1, 0], [1, 0]], prompt_weight=[1, 0])
    policy = Policy.from_probabilities([[1.0, 0.0], [0.5, 0.5]], [[1.0, 0.5], [0.5, 0.5]])
    for damping in (0.0, 1e-8):
        result = train(mdp, policy, Reinforce(), steps=3, optimizer=NaturalGradient(damping=damping))
        np.testing.assert_array_equal(result.policy.sample_logits, policy.sample_logits)
        np.testing.assert_array_equal(result.policy.stop_logits, policy.stop_logits)


def test_an_endless_chain_has_no_natural_gradient() -> None:
    endless = Policy.minimal(theta=[0.0, -1000.0, 1000.0])
    with pytest.raises(ImproperChainError, match="prompt 0: the resample probability of a turn is 1"):
        train(MDP, endless, Reinforce(), steps=1, optimizer=NaturalGradient())
    assert train(MDP, endless, Reinforce(), steps=1, optimizer=SGD()).policy.parameters[0].tolist() == [0.0, -1000.0, 1000.0]


# ---------------------------------------------------------------------- arguments


@pytest.mark.parametrize("make", [SGD, Momentum, Adam, NaturalGradient])
@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf"), [0.1, -0.1]])
def test_learning_rates_out_of_range_are_refused(make, lr) -> None:
    with pytest.raises(ChainError, match=r"^lr (at run \(1,\) )?is .*: must be finite and > 0; a step of 0 learns nothing$"):
        make(lr=lr)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Momentum(momentum=1.0), "momentum is 1.0: must lie in [0, 1)"),
        (lambda: Momentum(momentum=-0.1), "momentum is -0.1: must lie in [0, 1)"),
        (lambda: Adam(beta1=1.0), "beta1 is 1.0: must lie in [0, 1)"),
        (lambda: Adam(beta2=float("nan")), "beta2 is nan: must lie in [0, 1)"),
        (lambda: Adam(eps=0.0), "eps is 0.0: must be > 0"),
        (lambda: NaturalGradient(damping=-1.0), "damping is -1.0: must be finite and >= 0"),
        (lambda: NaturalGradient(damping=float("inf")), "damping is inf: must be finite and >= 0"),
        (lambda: schedule("lineal"), "there is no schedule 'lineal': known are constant, cosine, linear"),
        (lambda: schedule("linear", warmup=-1), "warmup is -1: must be >= 0"),
    ],
)
def test_other_arguments_out_of_range_are_refused(make, words: str) -> None:
    with pytest.raises(ChainError, match=f"^{re.escape(words)}$"):
        make()

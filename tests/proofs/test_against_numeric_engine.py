"""What the claims say in symbols, seen by the numeric engine, which shares no code with the proofs.

The proofs rest on SymPy and z3; if a definition in a proof file did not mean what the package computes, these would differ.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory import Policy, TwoStageMDP, attribute, solve
from dstheory.objectives import ActorCritic, Reinforce, RewardToGo

unit = st.floats(0.02, 0.98)
discounts = st.floats(0.0, 1.0)
rewards = st.floats(-2, 2)
RIGHT_DECISIONS = {"stop_correct": 1, "resample_correct": 0, "stop_wrong": 0, "resample_wrong": 1}


def chain(p, a, b, **settings):
    return solve(TwoStageMDP.minimal(**settings), Policy.minimal(p=p, a=a, b=b))


def split(p, a, b, **settings):
    return attribute(Reinforce(), chain(p, a, b, **settings), coefficients=False)


def sampling_gradient(p, a, b, **settings):
    return float(Reinforce().gradient(chain(p, a, b, **settings)).parameters(Policy.minimal(p=p, a=a, b=b))[0][0])


@given(unit, unit, unit, st.integers(1, 6), discounts)
def test_a2_cap_the_value_of_a_capped_chain(p, a, b, turns, gamma):
    q = p * (1 - a) + (1 - p) * b
    x = (gamma * q) ** (turns - 1)
    value = float(chain(p, a, b, gamma=gamma, max_turns=turns).mean_value)
    assert value == pytest.approx(p * a * (1 - x) / (1 - gamma * q) + x * p, abs=1e-12)


@given(unit, unit, unit)
def test_a3_and_a5_gain_and_odds(p, a, b):
    q = p * (1 - a) + (1 - p) * b
    accuracy = float(chain(p, a, b, gamma=1.0).mean_accuracy)
    assert accuracy - p == pytest.approx(p * (1 - p) * (a + b - 1) / (1 - q), abs=1e-12)
    assert accuracy / (1 - accuracy) == pytest.approx(p / (1 - p) * a / (1 - b), rel=1e-9)


@given(unit, unit)
def test_b2_equal_norms_on_the_cylinder(p, b):
    a = 1 - np.sqrt(1 - b**2)
    norms = split(p, a, b, gamma=1.0).gradient
    assert float(norms.sample) == pytest.approx(float(norms.decide), rel=1e-9)


@given(unit, unit, unit, discounts)
def test_b2_the_side_of_the_surface(p, a, b, gamma):
    u = (1 - p) * (1 - gamma * b)
    v = (1 - a) * (1 - gamma * (p + (1 - p) * b))
    w = gamma * (1 - p) * b * (1 - b)
    norms = split(p, a, b, gamma=gamma).gradient
    if abs(v**2 + w**2 - u**2) > 1e-9:
        assert (float(norms.decide) > float(norms.sample)) == (v**2 + w**2 > u**2)


@pytest.mark.parametrize(("objective", "balanced"), [(Reinforce(), True), (RewardToGo(), True), (ActorCritic(), False)])
def test_b1_and_b3_which_forms_are_balanced(objective, balanced):
    level = attribute(objective, chain(0.5, 0.5, 0.5, gamma=0.5, max_turns=3)).coefficient
    assert level is not None
    assert level.balanced is balanced


@given(unit, unit, unit, discounts, st.lists(rewards, min_size=4, max_size=4))
def test_b4_stationary_energy_and_variance(p, a, b, gamma, numbers):
    reward = dict(zip(("stop_correct", "resample_correct", "stop_wrong", "resample_wrong"), numbers, strict=True))
    solution = chain(p, a, b, gamma=gamma, reward=reward)
    energy = attribute(Reinforce(), solution, coefficients=False).energy
    q = p * (1 - a) + (1 - p) * b
    ratio = (1 - q) * (1 - gamma**2 * q) / (1 - gamma * q) ** 2
    variance = float(np.squeeze(solution.return_variance))
    assert float(energy.sample + energy.decide) == pytest.approx(variance * ratio, rel=1e-8, abs=1e-10)


@given(st.lists(unit, min_size=9, max_size=9), discounts)
def test_b4_turn_indexed_energy_is_the_variance(numbers, gamma):
    p, a, b = (np.array(numbers[k::3]) for k in range(3))
    sample = np.stack([p, 1 - p], axis=-1)[:, None, :]
    stop = np.stack([a, 1 - b], axis=-1)[:, None, :]
    solution = solve(TwoStageMDP.minimal(gamma=gamma, max_turns=3), Policy.from_probabilities(sample, stop))
    energy = attribute(Reinforce(), solution, coefficients=False).energy
    assert float(energy.sample + energy.decide) == pytest.approx(float(np.squeeze(solution.return_variance)), rel=1e-8)


@given(unit, unit, unit)
def test_b4_bound_total_and_shares_without_discount(p, a, b):
    q = p * (1 - a) + (1 - p) * b
    energy = split(p, a, b, gamma=1.0).energy
    accuracy = p * a / (1 - q)
    assert float(energy.sample + energy.decide) == pytest.approx(accuracy * (1 - accuracy), rel=1e-9)
    assert 1 - float(energy.decision_share) == pytest.approx(a * (1 - b) / (1 - q), rel=1e-9)


@given(unit, unit, unit, discounts)
def test_b6_the_sabotage_region(p, a, b, gamma):
    margin = b * (1 - gamma) + 2 * gamma * a * b - a
    if abs(margin) > 1e-9:
        assert (sampling_gradient(p, a, b, gamma=gamma, reward=RIGHT_DECISIONS) < 0) == (margin > 0)
    assert sampling_gradient(p, a, b, gamma=gamma) > 0


@given(unit, unit, unit, discounts, st.floats(0, 20))
def test_b6_the_price_of_a_resample(p, a, b, gamma, kappa):
    margin = kappa * (1 - a - b) - a * (1 - gamma * b)
    if abs(margin) > 1e-9:
        assert (sampling_gradient(p, a, b, gamma=gamma, resample_cost=kappa) < 0) == (margin > 0)

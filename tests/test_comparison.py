"""The comparison of objectives: angles by hand, zero gradients, and rows that only sampling can fill."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.comparison import angle, compare_objectives, tilt
from dstheory.objectives import DPO, GRPO, DrGRPO, K1Loss, K2Loss, Reinforce, StageGradient, sampled_gradient

HERE = Policy.minimal(p=0.55, a=0.8, b=0.3)


@pytest.mark.parametrize(
    ("one", "other", "degrees"),
    [([1, 0], [0, 1], 90.0), ([1, 0], [-2, 0], 180.0), ([1, 1], [1, 0], 45.0), ([3e-300, 0], [1e300, 1e300], 45.0),
     ([1, 0], [1, 1e-9], 1e-9 * 180 / math.pi), ([0, 0], [1, 0], math.nan)],
)  # fmt: skip
def test_angles(one, other, degrees: float) -> None:
    assert angle(np.array(one, dtype=float), np.array(other, dtype=float)) == pytest.approx(degrees, abs=1e-9, nan_ok=True)


def test_a_wrong_proportion_of_right_directions_tilts_both_together_only() -> None:
    g = StageGradient(np.array([[[3.0, -3.0]]]), np.array([[[1.0, 0.0]]]))
    found = tilt(StageGradient(g.sample, 10.0 * g.decide), g)
    assert (found.sample, found.decide) == (0.0, 0.0)
    assert found.both == pytest.approx(math.degrees(math.atan2(10, math.sqrt(18)) - math.atan2(1, math.sqrt(18))))


def test_one_over_length_turns_the_decision_and_a_constant_does_not() -> None:
    mdp = TwoStageMDP.minimal(gamma=1.0, sample_length=[[32, 96]], max_turns=4)
    grpo, dr = compare_objectives(mdp, HERE, {"grpo": lambda m: GRPO(std=False), "dr": lambda m: DrGRPO()})
    assert grpo.tilt.decide > 10
    assert dr.tilt.both < 1e-6
    assert dr.energy_share == pytest.approx(dr.energy_share_longer, rel=1e-12)
    g, j = GRPO(std=False).gradient(solve(mdp, HERE)).decide.ravel(), Reinforce().gradient(solve(mdp, HERE)).decide.ravel()
    assert grpo.tilt.decide == pytest.approx(math.degrees(math.acos(g @ j / math.sqrt((g @ g) * (j @ j)))), abs=1e-6)


def test_zero_gradients_and_infinite_divergences_are_said() -> None:
    mdp = TwoStageMDP.minimal(gamma=1.0)
    rigid = Policy.from_probabilities([[1.0, 0.0]], [[0.5, 0.5]])
    zero, infinite = compare_objectives(mdp, HERE, {"k1": lambda m: K1Loss(HERE), "k2": lambda m: K2Loss(rigid)})
    assert (zero.balanced, zero.note) == (True, "the expected gradient is zero")
    assert math.isnan(zero.tilt.both)
    assert "the reference gives probability 0 to the answer" in infinite.note
    assert math.isnan(infinite.energy_share)


def test_what_has_no_closed_form_is_sampled_and_says_so() -> None:
    mdp = TwoStageMDP.minimal(gamma=0.8)
    (row,) = compare_objectives(mdp, HERE, {"grpo": lambda m: GRPO(outcome="return")}, rng=3)
    assert row.note.startswith("sampled: |g_s| = ")
    assert "+-" in row.note
    assert row.tilt.sample < 1e-6
    assert 0 < row.energy_share < 1
    # On the three parameters of M0, as the rows of closed forms are: of two logits of sampling that mirror each other one counts.
    solution = solve(mdp, HERE)
    (parameters,) = sampled_gradient(GRPO(outcome="return"), solution, rng=3).gradient.parameters(HERE)
    answer, *decisions = np.abs(parameters)
    assert row.norm_share == pytest.approx(math.hypot(*decisions) / (answer + math.hypot(*decisions)), rel=1e-9)
    assert "in logits" in row.note
    many = TwoStageMDP(correct=np.arange(40)[None] % 2, gamma=1.0)
    policy = Policy.uniform(many)
    (row,) = compare_objectives(many, policy, {"dpo": lambda m: DPO(policy)}, rng=3)
    assert row.note.startswith("sampled: ")

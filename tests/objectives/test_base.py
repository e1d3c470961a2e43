"""What all objectives share, against arithmetic by hand: agreement of engines that use the same part cannot see a slip in it."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.objectives import Reinforce, RewardToGo
from dstheory.objectives.mass import CoefficientMass, StageGradient
from dstheory.objectives.weights import stage_weights

LENGTHS = TwoStageMDP(correct=[[1, 0], [0, 1, 1]], sample_length=[[16, 4], [9, 1, 25]], decision_length=[[1, 4], [9, 4, 1]])


@pytest.mark.parametrize(
    ("lam", "w_s", "w_d"),
    [
        (0.0, [[1, 1], [1, 1, 1]], [[1, 1], [1, 1, 1]]),
        (0.5, [[4, 2], [3, 1, 5]], [[1, 2], [3, 2, 1]]),
        (1.0, [[16, 4], [9, 1, 25]], [[1, 4], [9, 4, 1]]),
    ],
)
def test_stage_weights_by_hand(lam: float, w_s: list[list[int]], w_d: list[list[int]]) -> None:
    of_sums = stage_weights(LENGTHS, lam, "sum")
    of_means = stage_weights(LENGTHS, lam, "mean")
    for x, (sample, decide) in enumerate(zip(w_s, w_d, strict=True)):
        n, s, d = len(sample), np.array(sample), np.array(decide)
        for got, expected in zip(of_sums, (s, d), strict=True):
            np.testing.assert_allclose(np.broadcast_to(got, (1, 2, 3))[0, x, :n], expected, rtol=1e-15)
        for got, expected in zip(of_means, (s / (s + d), d / (s + d)), strict=True):
            np.testing.assert_allclose(np.broadcast_to(got, (1, 2, 3))[0, x, :n], expected, rtol=1e-15)


def test_stage_weights_over_runs_are_those_of_each_run() -> None:
    lam = np.array([0.0, 0.3, 1.0])
    for reduction in ("sum", "mean"):
        together = stage_weights(LENGTHS, lam, reduction)
        for i, one in enumerate(lam):
            for a, b in zip(together, stage_weights(LENGTHS, one, reduction), strict=True):
                np.testing.assert_array_equal(np.broadcast_to(a, (3, 1, 2, 3))[i], np.broadcast_to(b, (1, 2, 3)))


def test_gradients_and_masses_add_and_scale_block_by_block() -> None:
    table = np.array([[[2.0, -3.0]]])
    g = StageGradient(table, 10 * table)
    total = g + StageGradient(5 * table, 7 * table).scaled(0.5)
    np.testing.assert_array_equal(total.sample, 3.5 * table)
    np.testing.assert_array_equal(total.decide, 13.5 * table)
    m = CoefficientMass(table, 10 * table, 100 * table)
    summed = m + CoefficientMass(5 * table, 7 * table, 9 * table).scaled(0.5)
    for got, factor in zip((summed.sample, summed.stop, summed.resample), (3.5, 13.5, 104.5), strict=True):
        np.testing.assert_array_equal(got, factor * table)


def test_without_the_outer_discount_there_is_a_scalar_only_if_nothing_is_discounted() -> None:
    here = Policy.minimal(p=0.4, a=0.7, b=0.6)
    undiscounted, discounted = (solve(TwoStageMDP.minimal(gamma=gamma), here) for gamma in (1.0, 0.9))
    assert RewardToGo(outer_discount=False).value(undiscounted) == Reinforce().value(undiscounted)
    assert RewardToGo(outer_discount=False).value(discounted) is None
    assert RewardToGo().value(discounted) == Reinforce().value(discounted)


def test_a_gradient_leaves_its_mass_as_it_is_and_has_no_minus_zero() -> None:
    policy = Policy.minimal(p=0.55, a=0.8, b=0.3)
    tables = np.array([[[-0.0, -0.0]]]), np.array([[[-0.0, 0.0]]]), np.array([[[0.0, 2.0]]])
    for table in tables:
        table.flags.writeable = False
    mass = CoefficientMass(*tables)
    found = mass.weighted(*(np.ones((1, 1, 1)),) * 3).gradient(policy)
    for block in (found.sample, found.decide):
        assert not np.signbit(block[block == 0.0]).any()
    np.testing.assert_allclose(found.decide, [[[0.0, -1.4]]], rtol=1e-12)
    assert np.signbit(mass.sample).all()

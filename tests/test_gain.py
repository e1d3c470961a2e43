"""The split of an accuracy gain: Shapley's axioms, claim E3's numbers, edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from strategies import Case, cases

from dstheory import Policy, TwoStageMDP, solve, split_gain
from dstheory.errors import ChainError

REFERENCE = (0.55, 0.8, 0.3)
M0 = TwoStageMDP.minimal()


def accuracy(p: float, a: float, b: float) -> float:
    return p * a / (p * a + (1 - p) * (1 - b))


@pytest.mark.parametrize(
    ("optimum", "share"),
    [((0.9154, 0.9247, 0.9997), 0.589), ((0.5613, 0.9645, 0.9993), 0.987), ((0.5507, 0.9654, 0.9993), 0.999)],
)
def test_decision_share_between_reference_and_regularised_optimum(optimum, share: float) -> None:
    """E3: weights w_s = 1, 64, 1024 of the sampling stage; each number by the definition, average over both orders."""
    split = split_gain(M0, Policy.minimal(**dict(zip("pab", REFERENCE, strict=True))),
                       Policy.minimal(**dict(zip("pab", optimum, strict=True))))  # fmt: skip
    (p0, a0, b0), (p1, a1, b1) = REFERENCE, optimum
    first = accuracy(p0, a1, b1) - accuracy(p0, a0, b0)
    second = accuracy(p1, a1, b1) - accuracy(p1, a0, b0)
    assert float(split.decide) == pytest.approx((first + second) / 2, abs=1e-12)
    assert float(split.decision_share) == pytest.approx(share, abs=6e-4)
    assert float(split.before) == pytest.approx(accuracy(*REFERENCE), abs=1e-12)
    assert float(split.after) == pytest.approx(accuracy(*optimum), abs=1e-12)


@given(case=cases())
def test_the_parts_sum_to_the_gain_and_change_sign_with_it(case: Case) -> None:
    there, back = (split_gain(case.mdp, *pair) for pair in itertools.permutations((case.policy, case.reference)))
    gain = float(solve(case.mdp, case.reference).mean_accuracy - solve(case.mdp, case.policy).mean_accuracy)
    assert float(there.gain) == pytest.approx(gain, abs=1e-14)
    assert float(there.sample + there.decide) == pytest.approx(gain, abs=1e-13)
    assert float(back.sample) == pytest.approx(-float(there.sample), abs=1e-14)
    assert float(back.decide) == pytest.approx(-float(there.decide), abs=1e-14)


@given(case=cases())
def test_a_player_who_does_nothing_gets_nothing(case: Case) -> None:
    """Only the decisions change: the gain is theirs; only the sampling changes: none of it is."""
    z, u = np.broadcast_arrays(case.policy.sample_logits, case.policy.stop_logits)
    base = Policy(z, u)
    other_u = np.broadcast_to(case.reference.stop_logits, np.broadcast_shapes(case.reference.shape, base.shape))
    decided = Policy(np.broadcast_to(z, other_u.shape), other_u)
    split = split_gain(case.mdp, base, decided)
    assert float(split.sample) == pytest.approx(0.0, abs=1e-14)
    assert float(split.decide) == pytest.approx(float(split.gain), abs=1e-14)
    other_z = np.broadcast_to(case.reference.sample_logits, other_u.shape)
    split = split_gain(case.mdp, base, Policy(other_z, np.broadcast_to(u, other_z.shape)))
    assert float(split.decide) == pytest.approx(0.0, abs=1e-14)


def test_the_two_stages_play_symmetric_roles() -> None:
    """In M0 with one turn forced by a = 1, swap which stage moves: who moves gets the gain."""
    start = Policy.minimal(p=0.4, a=0.6, b=0.5)
    both = split_gain(M0, start, Policy.minimal(p=0.7, a=0.9, b=0.8))
    s01, s10 = accuracy(0.4, 0.9, 0.8), accuracy(0.7, 0.6, 0.5)
    s00, s11 = accuracy(0.4, 0.6, 0.5), accuracy(0.7, 0.9, 0.8)
    assert float(both.decide) == pytest.approx(((s01 - s00) + (s11 - s10)) / 2, abs=1e-14)
    assert float(both.sample) == pytest.approx(((s10 - s00) + (s11 - s01)) / 2, abs=1e-14)


def test_no_gain_has_no_share() -> None:
    split = split_gain(M0, Policy.minimal(p=0.4, a=0.6, b=0.5), Policy.minimal(p=0.4, a=0.6, b=0.5))
    assert split.gain == split.sample == split.decide == 0.0
    assert np.isnan(split.decision_share)


def test_shares_over_runs_and_of_opposite_signs() -> None:
    start = Policy.minimal(p=0.5, a=0.6, b=0.5)
    split = split_gain(M0, start, Policy.minimal(p=[0.5, 0.9, 0.4], a=0.6, b=[0.5, 0.5, 0.95]))
    assert split.decision_share.shape == (3,)
    assert np.isnan(split.decision_share[0])
    assert split.decision_share[1] == pytest.approx(0.0, abs=1e-12)
    assert split.decision_share[2] > 1.0  # sampling got worse


def test_a_stationary_and_a_turn_indexed_policy_can_be_compared() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 0], [1]], max_turns=3)
    rng = np.random.default_rng(0)
    shape = (3, *mdp.shape)
    turns = Policy.tabular(np.where(mdp.inside, rng.normal(size=shape), -np.inf), rng.normal(size=shape))
    split = split_gain(mdp, Policy.uniform(mdp), turns)
    assert float(split.sample + split.decide) == pytest.approx(float(split.gain), abs=1e-14)


def test_policies_that_do_not_fit_are_named() -> None:
    start = Policy.minimal(p=0.5, a=0.6, b=0.5)
    with pytest.raises(ChainError, match="the policy after has 1 prompt x 3 answers but the chain has 1 x 2"):
        split_gain(M0, start, Policy.tabular(np.zeros((1, 3)), np.zeros((1, 3))))
    with pytest.raises(ChainError, match=r"the policy before has runs \(2,\), the one after \(3,\): they do not fit"):
        split_gain(M0, Policy.minimal(p=[0.1, 0.2], a=0.5, b=0.5), Policy.minimal(p=[0.1, 0.2, 0.3], a=0.5, b=0.5))

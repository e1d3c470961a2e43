"""Numbers that no expected gradient shows: baselines, normalisers of recorded batches, returns of two values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Tables, paths
from strategies import make_case

from dstheory import Policy, Trajectories, TwoStageMDP, solve
from dstheory.chain.trajectories import sample_trajectories
from dstheory.errors import ImproperChainError
from dstheory.objectives import SFT, Recorded, ReinforceBaseline, SCoReSummed, SFTSequenceMean, SFTTokenMean
from dstheory.objectives.expectation.rewards import reward_of


@given(seed=st.integers(0, 10_000), cap=st.sampled_from([1, 2, 3]))
@pytest.mark.parametrize("baseline", ["mean", "opo"])
def test_a_baseline_is_the_mean_reward_of_its_prompt_weighted_by_length_if_asked(baseline: str, seed: int, cap: int) -> None:
    case = make_case(seed, cap=cap, kind="tabular", per="turn", gamma=0.9)
    mdp = case.mdp.replace(decision_length=3.0)
    weight, paid = np.zeros(mdp.shape[0]), np.zeros(mdp.shape[0])
    for path in paths(Tables.of(mdp, case.policy)):
        lengths = sum(float(mdp.sample_length[path.prompt, y]) + (3.0 if word != "submit" else 0.0) for y, word in path.steps)
        counts = path.weight * (lengths if baseline == "opo" else 1.0)
        weight[path.prompt] += counts
        paid[path.prompt] += counts * mdp.correct[path.prompt, path.steps[-1][0]]
    solution = solve(mdp, case.policy)
    for x in range(mdp.shape[0]):
        first = Trajectories.record([(x, [(0, "submit" if cap == 1 else "stop")])], max_turns=cap)
        c_s, _ = ReinforceBaseline(baseline=baseline).coefficients(solution, first)
        assert c_s[0] == pytest.approx(mdp.correct[x, 0] - paid[x] / weight[x], rel=1e-10, abs=1e-12)


def test_an_endless_chain_has_no_sum_over_attempts() -> None:
    never = Policy.from_probabilities([[0.5, 0.5]], [[0.0, 0.0]])
    with pytest.raises(ImproperChainError, match="prompt 0: the resample probability"):
        SCoReSummed().value(solve(TwoStageMDP.minimal(gamma=0.9), never))


def test_a_token_mean_over_recorded_demonstrations_divides_by_all_their_tokens() -> None:
    mdp = TwoStageMDP.minimal(sample_length=[[7.0, 20.0]], decision_length=2.0)
    shown = Trajectories.record([(0, [(0, "stop")]), (0, [(1, "resample"), (0, "stop")])])
    here = solve(mdp, Policy.minimal(p=0.4, a=0.7, b=0.6))
    tokens = ((7 + 2) + (20 + 2 + 7 + 2)) / 2  # two demonstrations, each with weight 1/2
    c_s, c_d = SFTTokenMean(Recorded(shown)).coefficients(here, shown)
    np.testing.assert_allclose([c_s, c_d], 1 / tokens, rtol=1e-14)
    per_response, _ = SFTSequenceMean(Recorded(shown)).coefficients(here, shown)
    np.testing.assert_allclose(per_response, [1 / 9, 1 / 31, 1 / 31], rtol=1e-12)


def test_a_return_of_two_values_is_counted_as_an_indicator_of_the_larger_one() -> None:
    four = {"stop_correct": 3.0, "resample_correct": 0.0, "stop_wrong": -1.0, "resample_wrong": 0.0}
    solution = solve(TwoStageMDP.minimal(gamma=1.0, reward=four), Policy.minimal(p=0.4, a=0.7, b=0.6))
    outcome = reward_of(solution, "return")
    assert outcome.values == (-1.0, 3.0)
    assert outcome.reward.stop.tolist() == [[[1.0, 0.0]]]


def test_recorded_demonstrations_take_length_weights_that_differ_between_runs() -> None:
    mdp, policy = TwoStageMDP.minimal(sample_length=8), Policy.minimal(p=0.4, a=0.7, b=0.6)
    shown = Recorded(sample_trajectories(mdp, Policy.minimal(p=0.6, a=0.9, b=0.8), 20, rng=3))
    both = SFT(shown, length_weight=[0.2, 0.9]).gradient(solve(mdp, policy))
    for run, weight in enumerate((0.2, 0.9)):
        alone = SFT(shown, length_weight=weight).gradient(solve(mdp, policy))
        np.testing.assert_allclose(both.sample[run], alone.sample, rtol=1e-13)
        np.testing.assert_allclose(both.decide[run], alone.decide, rtol=1e-13)

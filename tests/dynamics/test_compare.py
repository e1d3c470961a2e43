"""The main experiment's parts: experts, conditions, scattered starts, and the comparison as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Case, cases

from dstheory import Policy, TwoStageMDP, attribute, solve, split_gain, train
from dstheory.dynamics import compare, expert_policy, four_conditions, scattered
from dstheory.errors import ChainError

M0 = TwoStageMDP.minimal(sample_length=16.0)
START = Policy.minimal(p=0.55, a=0.8, b=0.3)
unit = st.floats(0.0, 1.0)


@given(case=cases(), p=unit, a=unit, b=unit)
def test_the_expert_has_the_success_asked_for_and_the_starts_proportions(case: Case, p: float, a: float, b: float) -> None:
    expert = expert_policy(case.mdp, case.policy, p=p, a=a, b=b)
    expert.check_fits(case.mdp)
    start = np.broadcast_to(case.policy.sample_prob, expert.sample_prob.shape)
    for k, x in np.ndindex(expert.sample_prob.shape[:2]):
        n = int(case.mdp.n_answers[x])
        right = case.mdp.correct[x, :n] == 1
        pi, was = expert.sample_prob[k, x, :n], start[k, x, :n]
        if right.any() and not right.all():
            assert pi[right].sum() == pytest.approx(p, abs=1e-9)
            for group, mass in ((right, p), (~right, 1 - p)):
                np.testing.assert_allclose(pi[group], mass * was[group] / was[group].sum(), atol=1e-9)
        else:
            np.testing.assert_allclose(pi, was, atol=1e-12)
        stop = expert.stop_prob[k, x, :n]
        if right.any():
            np.testing.assert_allclose(stop[right], a, atol=1e-12)
            np.testing.assert_allclose(stop[~right], 1 - b, atol=1e-12)
        else:
            np.testing.assert_allclose(stop, np.broadcast_to(case.policy.stop_prob, expert.stop_prob.shape)[k, x, :n], atol=1e-12)


def test_an_expert_of_a_start_that_never_succeeds_takes_correct_answers_evenly() -> None:
    mdp = TwoStageMDP(correct=[[1, 1, 0, 0]])
    never = Policy.from_probabilities([[0.0, 0.0, 0.25, 0.75]], [[0.5] * 4])
    expert = expert_policy(mdp, never, p=0.8, a=1.0, b=1.0)
    np.testing.assert_allclose(expert.sample_prob, [[[0.4, 0.4, 0.05, 0.15]]])


@pytest.mark.parametrize("which", ["p", "a", "b"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_experts_that_are_no_probabilities_are_refused(which: str, value: float) -> None:
    with pytest.raises(ChainError, match=rf"^expert {which} is .*: must lie in \[0, 1\]; it is a probability$"):
        expert_policy(M0, START, **({"p": 0.5, "a": 0.5, "b": 0.5} | {which: value}))


def test_scattered_starts_are_reproducible_and_keep_the_first() -> None:
    one, two = (scattered(START, 5, spread=0.3, rng=4) for _ in range(2))
    np.testing.assert_array_equal(one.parameters[0], two.parameters[0])
    np.testing.assert_array_equal(one.parameters[0][0], START.parameters[0])
    assert one.runs == (5,)
    assert 0.1 < (one.parameters[0][1:] - START.parameters[0]).std() < 0.6
    assert scattered(START, 1, spread=0.3, rng=4) is START
    padded = Policy.uniform(TwoStageMDP(correct=[[1, 0], [1]]))
    assert (scattered(padded, 3, spread=1.0, rng=0).sample_prob[:, 0, 1, 1] == 0).all()


def test_a_comparison_is_its_trainings_splits_and_attributions() -> None:
    conditions = four_conditions(M0, START, beta=0.2, length_weight=0.5)
    seen: list[int] = []
    out = compare(M0, START, conditions, steps=20, log_every=10, progress=seen.append)
    assert list(out.results) == list(conditions) == out.history.condition.values.tolist()
    assert seen == [20 * i + k for i in range(4) for k in (0, 10, 20)]
    for name, objective in conditions.items():
        alone = train(M0, START, objective, steps=20, log_every=10)
        np.testing.assert_array_equal(out.history.accuracy.sel(condition=name), alone.history.accuracy)
        np.testing.assert_array_equal(
            out.history.energy.sel(condition=name, component=alone.history.component), alone.history.energy
        )
        split = split_gain(M0, START, alone.policy)
        np.testing.assert_array_equal(out.gains[name].decide, split.decide)
        energy = attribute(objective, solve(M0, START)).energy
        np.testing.assert_array_equal(out.at_start[name].energy.sample, energy.sample)
    flawless = out.results["SFT, right first time"].policy
    assert flawless.parameters[0][2] == START.parameters[0][2]
    assert out.gains["reward + KL"].decision_share > out.gains["SFT, right first time"].decision_share


def test_a_comparison_over_runs_of_an_objective() -> None:
    """Strengths per run, one start: level (i) is left out, everything else carries the run axis."""
    out = compare(M0, START, four_conditions(M0, START, beta=[0.1, 0.5]), steps=3)
    assert out.history.accuracy.dims == ("condition", "step", "run")
    assert out.at_start["reward + KL"].coefficient is None
    assert out.gains["reward + KL"].decision_share.shape == (2,)

"""Numbers that other tests only compare with each other, written out by hand or summed over every case."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dstheory import Policy, Trajectories, TwoStageMDP, enumerate_trajectories, solve
from dstheory.errors import ChainError, InfiniteDivergenceError
from dstheory.objectives import (
    DAPO,
    DPO,
    GRPO,
    GSPO,
    SFT,
    EntropyBonus,
    ExpertChain,
    ForwardKL,
    GRPONoStd,
    K1Loss,
    K1Reward,
    K2Loss,
    K3Loss,
    Recorded,
    Reinforce,
    ReinforceBaseline,
    ReinforcePlusPlus,
    ReverseKL,
    ReverseKLDirect,
    SFTSequenceMean,
    SFTSequenceSum,
    SFTTokenMean,
    WeightedSum,
)
from dstheory.objectives.expectation import exponential
from dstheory.objectives.mass import StageGradient
from dstheory.objectives.parts import Positive
from dstheory.objectives.responses import response_lengths
from dstheory.objectives.settings import log_ratio_of_responses
from dstheory.objectives.weights import token_probabilities

LOPSIDED = TwoStageMDP(
    correct=[[1, 0, 1]],
    reward_stop=[[1.0, -0.5, 0.3]],
    reward_resample=[[-0.2, 0.1, 0.0]],
    sample_length=[[3.0, 11.0, 5.0]],
    decision_length=2.0,
    gamma=1.0,
    max_turns=2,
)
HERE = Policy.tabular([[[0.3, -0.4, 0.9]]], [[[1.2, -0.3, 0.4]]])
THERE = Policy.tabular([[[-0.2, 0.5, 0.1]]], [[[0.2, 0.7, -0.9]]])


def test_a_term_that_is_left_out_adds_nothing_even_where_its_scalar_is_infinite() -> None:
    s = solve(TwoStageMDP.minimal(), Policy.from_probabilities([[1.0, 0.0]], [[0.8, 0.7]]))
    impossible = SFT(ExpertChain(Policy.minimal(p=0.5, a=0.5, b=0.5)))
    assert impossible.value(s) == -np.inf
    assert float(WeightedSum((Reinforce(), impossible), (2.0, 0.0)).value(s)) == pytest.approx(2.0 * float(s.mean_value))


def test_whitening_over_the_tokens_of_all_responses() -> None:
    """REINFORCE++: mean and standard deviation of the returns to go, each token of each response counted once."""
    s = solve(LOPSIDED, HERE)
    objective = ReinforcePlusPlus(reference=THERE, beta=0.3)
    t = enumerate_trajectories(LOPSIDED, HERE)
    own, other = t.log_prob(HERE), t.log_prob(THERE)
    answer, decision = (-0.3 * (a - b) for a, b in zip(own, other, strict=True))
    right = np.where(t.stop, LOPSIDED.correct[t.step_prompt, t.answer], 0.0)
    to_go, at_decision = np.zeros(len(t.answer)), np.zeros(len(t.answer))
    for i in reversed(range(len(t.answer))):
        last = i + 1 in t.offsets
        at_decision[i] = decision[i] + right[i] + (0.0 if last else to_go[i + 1])
        to_go[i] = answer[i] + at_decision[i]
    weight = t.weight[t.episode]
    l_s, l_d = LOPSIDED.sample_length[t.step_prompt, t.answer], np.where(t.decided, 2.0, 0.0)
    total = float((weight * (l_s + l_d)).sum())
    mean = float((weight * (l_s * to_go + l_d * at_decision)).sum()) / total
    spread = np.sqrt(float((weight * (l_s * (to_go - mean) ** 2 + l_d * (at_decision - mean) ** 2)).sum()) / total)
    c_s, c_d = objective.coefficients(s, t)
    np.testing.assert_allclose(c_s, (to_go - mean) / (spread * total), rtol=1e-12)
    np.testing.assert_allclose(c_d, np.where(t.decided, (at_decision - mean) / (spread * total), 0.0), rtol=1e-12, atol=1e-15)


def test_k1_in_the_loss_has_no_scalar_but_zero_unless_lengths_divide_it() -> None:
    s = solve(LOPSIDED, HERE)
    assert K1Loss(THERE, beta=0.3).value(s) == K1Loss(THERE, beta=0.0).value(s) == 0.0
    t = enumerate_trajectories(LOPSIDED, HERE)
    expected = -0.3 * float((t.weight / response_lengths(s, t)).sum())
    assert float(K1Loss(THERE, beta=0.3, normaliser="response-tokens").value(s)) == pytest.approx(expected, rel=1e-11)


def test_filtering_keeps_what_exceeds_one_half() -> None:
    assert Positive().of_groups(np.array([[0.5, 0.7, 1.0, 0.2]])).tolist() == [[0.0, 1.0, 1.0, 0.0]]


def test_the_mean_reward_of_two_values_neither_of_which_is_zero() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 1]], reward_stop=[[3.0, -1.0, 3.0]], reward_resample=0.0, gamma=1.0)
    s = solve(mdp, HERE)
    value = ReinforceBaseline(outcome="return").value(s)
    assert float(value) == pytest.approx(float(s.mean_value), rel=1e-13)
    assert float(value) == pytest.approx(4.0 * float(s.mean_accuracy) - 1.0, rel=1e-13)


def test_a_response_without_a_ratio_names_the_policy_that_rules_it_out() -> None:
    s = solve(LOPSIDED, HERE)
    never = Policy.from_probabilities([[0.0, 0.5, 0.5]], [[0.5, 0.5, 0.5]])
    response = Trajectories.record([(0, [(0, "stop")])], max_turns=2)
    with pytest.raises(InfiniteDivergenceError, match="probability 0 under the reference"):
        DPO(never).marks(s, response)
    with pytest.raises(InfiniteDivergenceError, match="probability 0 under the policy"):
        DPO(HERE).marks(solve(LOPSIDED, never), response)


def test_log_ratios_of_a_policy_that_rules_out_what_its_reference_does_not() -> None:
    """Its other answers are likelier than the reference's, and every turn more is one more such log-ratio."""
    policy = Policy.from_probabilities([[0.5, 0.5, 0.0]], [[0.4, 0.7, 0.5]])
    reference = Policy.from_probabilities([[0.3, 0.3, 0.4]], [[0.4, 0.7, 0.5]])
    s = solve(LOPSIDED, policy)
    for steps in ([(0, "stop")], [(1, "resample"), (0, "submit")]):
        response = Trajectories.record([(0, steps)], max_turns=2)
        up = len(steps) * np.log(0.5 / 0.3)
        np.testing.assert_allclose(DPO(reference).marks(s, response)[1], [up], rtol=1e-14)
        c_s, _ = K1Reward(reference, beta=1.0).coefficients(s, response)
        np.testing.assert_allclose(c_s, [-up] * len(steps), rtol=1e-14)
        np.testing.assert_allclose(log_ratio_of_responses(response, policy, reference), [up], rtol=1e-14)


def test_log_ratios_of_responses_under_policies_that_are_nearly_the_same_have_their_digits() -> None:
    """As a sum over turns; as a difference of two sums of logarithms there would be three."""
    logits, stops = np.array([[0.3, -0.4, 0.9]]), np.array([[0.2, 0.1, -0.5]])
    tilt = 1e-13
    here, near = Policy.tabular(logits, stops), Policy.tabular(logits, stops + tilt)
    response = Trajectories.record([(0, [(1, "resample"), (2, "submit")])], max_turns=2)
    moved = float((near.stop_logits - here.stop_logits)[0, 0, 1])
    found = log_ratio_of_responses(response, here, near)
    np.testing.assert_allclose(found, [moved * float(here.stop_prob[0, 0, 1])], rtol=1e-12)


def test_the_probability_of_a_token_of_each_decision() -> None:
    s = solve(TwoStageMDP.minimal(decision_length=2), Policy.minimal(p=0.5, a=0.36, b=0.51))
    weight = token_probabilities(s)
    np.testing.assert_allclose(weight.stop[0, 0], [0.6, 0.7], rtol=1e-12)
    np.testing.assert_allclose(weight.resample[0, 0], [0.8, np.sqrt(0.51)], rtol=1e-12)
    certain = solve(TwoStageMDP.minimal(max_turns=2), Policy.from_probabilities([[0.5, 0.5]], [[0.0, 1.0]]))
    assert token_probabilities(certain).stop[0, 0].tolist() == [0.0, 1.0]
    assert token_probabilities(certain).resample[0, 0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "objective",
    [DAPO(group_size=3, std=False, dynamic_sampling=False, outcome="return"), GRPONoStd(group_size=3, outcome="return")],
)
def test_returns_of_many_values_in_groups_of_three_summed_over_every_group(objective: DAPO | GRPONoStd) -> None:
    s, t = solve(LOPSIDED, HERE), enumerate_trajectories(LOPSIDED, HERE)
    rewards, lengths = t.returns(LOPSIDED), response_lengths(s, t)
    each = np.zeros(len(t))  # the coefficient of a response, averaged over the two others, times the size of the group
    for group in product(range(len(t)), repeat=3):
        members = list(group)
        r, n = rewards[members][None], lengths[members][None]
        coefficient = 3.0 * (objective.credit.of_groups(r) * objective.normaliser.of_groups(n))[0, 0]
        each[group[0]] += t.weight[group[1]] * t.weight[group[2]] * coefficient
    c_s, _ = objective.coefficients(s, t)
    np.testing.assert_allclose(c_s, each[t.episode], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", [SFT, SFTSequenceSum, SFTTokenMean, SFTSequenceMean])
def test_what_was_recorded_is_imitated_whether_it_is_right_or_wrong(kind: type[SFT]) -> None:
    s = solve(LOPSIDED, HERE)
    episodes = Trajectories.record([(0, [(1, "resample"), (0, "submit")]), (0, [(1, "stop")])], max_turns=2)
    c_s, c_d = kind(Recorded(episodes)).coefficients(s, episodes)
    lengths = np.array([11.0 + 2.0 + 3.0, 11.0 + 2.0])  # at the cap no decision is drawn
    divided = {SFTTokenMean: np.full(2, lengths.mean()), SFTSequenceMean: lengths}.get(kind, np.ones(2))
    np.testing.assert_allclose(c_s, 1.0 / divided[[0, 0, 1]], rtol=1e-11)
    np.testing.assert_allclose(c_d, [1.0 / divided[0], 0.0, 1.0 / divided[1]], rtol=1e-11)


def test_tables_worked_through_in_pieces_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    s, objective = solve(LOPSIDED, HERE), GRPONoStd()
    whole = objective.mass(s)
    monkeypatch.setattr(exponential, "_AT_ONCE", 1)
    np.testing.assert_allclose(objective.mass(s).sample, whole.sample, rtol=1e-13)


def test_only_log_ratios_refuse_a_trajectory_that_one_of_the_policies_rules_out() -> None:
    mdp, half = TwoStageMDP.minimal(max_turns=2), Policy.minimal(p=0.5, a=0.5, b=0.5)
    sure = Policy.from_probabilities([[1.0, 0.0]], [[0.8, 0.7]])
    t = Trajectories.record([(0, [(1, "stop")]), (0, [(0, "stop")])], max_turns=2)
    here, there = solve(mdp, half), solve(mdp, sure)
    on_reference, _ = ForwardKL(half, beta=0.1, states="reference").coefficients(there, t)
    assert on_reference.tolist() == [0.1, 0.1]
    for kind in (ForwardKL, K3Loss):  # beta (ref/pi - 1)
        np.testing.assert_allclose(kind(sure, beta=0.1).coefficients(here, t)[0], [-0.1, 0.1], rtol=1e-12)
    assert K1Loss(sure, beta=0.1).coefficients(here, t)[0].tolist() == [-0.1, -0.1]
    for kind in (ReverseKL, ReverseKLDirect, K1Reward, K2Loss):
        for other, solution, who in ((sure, here, "reference"), (half, there, "policy")):
            with pytest.raises(InfiniteDivergenceError, match=rf"trajectory 0, turn 0 .* has probability 0 under the {who}"):
                kind(other).coefficients(solution, t)
    with pytest.raises(InfiniteDivergenceError, match=r"trajectory 0, turn 0 .* has probability 0 under the policy"):
        EntropyBonus().coefficients(there, t)
    with pytest.raises(InfiniteDivergenceError, match="the policy gives probability 0 to the answer"):
        ForwardKL(half).coefficients(there, t)  # as its gradient: the policy never goes where the reference does


@pytest.mark.parametrize("kind", [ReverseKLDirect, K2Loss, K1Loss, EntropyBonus, SFT, SFTSequenceSum])
def test_where_no_length_and_no_reward_enters_visits_are_enough(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the chain is solved once more, for exponentials of a length that nobody asks for")

    monkeypatch.setattr(exponential, "_sweep", refuse)
    made = kind() if kind is EntropyBonus else kind(ExpertChain(THERE)) if issubclass(kind, SFT | SFTSequenceSum) else kind(THERE)
    assert np.isfinite(made.gradient(solve(LOPSIDED, HERE)).sample).all()


def test_lengths_over_runs_have_no_recorded_responses() -> None:
    many = solve(LOPSIDED.replace(sample_length=np.stack([LOPSIDED.sample_length, 2 * LOPSIDED.sample_length])), HERE)
    with pytest.raises(ChainError, match="the lengths have runs, but those of trajectories are those of one run"):
        response_lengths(many, Trajectories.record([(0, [(0, "stop")])]))


@pytest.mark.parametrize("make", [
    lambda ref: K3Loss(ref, beta=0.1, normaliser="response-tokens"),
    lambda ref: GRPO(reference=ref, beta=0.1),
    lambda ref: K3Loss(ref, beta=0.1),
])  # fmt: skip
def test_a_ratio_that_is_no_number_meets_the_probability_of_its_action(make) -> None:
    mdp = TwoStageMDP(correct=[[0, 0]], max_turns=1)  # one answer of one token: beta (ref - pi), with ref/pi = exp(710)
    here, there = (Policy.tabular([logits], [[0.0, 0.0]]) for logits in ([710.0, 0.0], [0.0, 710.0]))
    np.testing.assert_allclose(make(there).gradient(solve(mdp, here)).sample, [[[-0.1, 0.1]]], rtol=1e-12)


def test_sums_over_multisets_keep_a_decision_that_is_rare() -> None:
    """Against every trajectory in order, which the same policy, written out turn by turn, is averaged over."""
    mdp = TwoStageMDP(correct=[[1, 0]], max_turns=3, sample_length=[[2, 5]])
    here, there = Policy.tabular([[0.3, -0.2]], [[41.0, 39.0]]), Policy.tabular([[0.1, 0.4]], [[40.0, 40.0]])
    turns = Policy.tabular(*(np.repeat(logits, 3, axis=0) for logits in (here.sample_logits, here.stop_logits)))
    for objective in (GSPO(group_size=4, sampler=there, clip_low=1.0, clip_high=9.0), DPO(there, beta=0.5)):
        brief, whole = (objective.gradient(solve(mdp, policy)).decide for policy in (here, turns))
        assert 0 < np.abs(brief).max() < 1e-16
        np.testing.assert_allclose(brief, whole.sum(axis=0, keepdims=True), rtol=1e-9)


@pytest.mark.parametrize("kind", [K1Reward, ReverseKL])
def test_an_impossible_answer_takes_no_digits_beside_the_reference(kind: type[K1Reward | ReverseKL]) -> None:
    """An answer that neither policy gives leaves the divergence as it is.

    The decisions are those of the reference: only the divergence of the turns that follow, 1e-18, speaks for one of them.
    """

    def gradient(n: int) -> StageGradient:
        answers, decisions = np.array([0.3, -0.4, 0.9, -np.inf][:n]), np.array([0.2, -0.5, 0.1, 0.4][:n])
        moved = answers + 1e-9 * np.array([1.0, -2.0, 0.7, 0.0][:n])
        mdp = TwoStageMDP(
            correct=[[1, 0, 1, 0][:n]], n_answers=[n], gamma=1.0, max_turns=3,
            sample_length=[[3, 7, 5, 4][:n]], decision_length=2.0,
        )  # fmt: skip
        reference = Policy.tabular(answers[None, None], decisions[None, None])
        return kind(reference, beta=0.5).gradient(solve(mdp, Policy.tabular(moved[None, None], decisions[None, None])))

    without, beside = gradient(3), gradient(4)
    np.testing.assert_allclose(beside.sample[..., :3], without.sample, rtol=1e-11)
    np.testing.assert_allclose(beside.decide[..., :3], without.decide, rtol=1e-11)
    assert beside.sample[..., 3] == beside.decide[..., 3] == 0.0

"""Sums: a penalty in the loss is divided as the reward is, checked against sums over every batch; what cancels is no gradient."""

from __future__ import annotations

import math
import re
from collections import defaultdict

import numpy as np
import pytest
from objectives.test_groups import HERE, MDP, OLD, Response, batches_of, excess, responses

from dstheory import Policy, TwoStageMDP, attribute, solve
from dstheory.chain.policy import Features
from dstheory.errors import ChainError
from dstheory.objectives import (
    CISPO,
    DAPO,
    GRPO,
    RLOO,
    DAPOBatch,
    DrGRPO,
    EntropyBonus,
    K1Loss,
    K1Reward,
    K2Loss,
    K3Loss,
    PPOClip,
    Reinforce,
    ReinforceBaseline,
    ReinforcePlusPlus,
    ReverseKL,
    ReverseKLDirect,
    RewardToGo,
    SCoRePerAttempt,
    WeightedSum,
    build,
)
from dstheory.objectives.mass import CoefficientMass
from dstheory.objectives.parts import PerToken

BETA = 0.3


def log_ratios(x: int, y: int, d: bool | None) -> tuple[float, float]:
    up_s, up_d = (1.0 / (1.0 + e) for e in excess(x, y, d))
    return math.log(up_s), 0.0 if d is None else math.log(up_d)


def surprise(x: int, y: int, d: bool | None) -> tuple[float, float]:
    """Return log-probability plus entropy of the answer and of the decision."""
    pi = [float(v) for v in HERE.sample_prob[0, x] if v > 0]
    s = math.log(float(HERE.sample_prob[0, x, y])) - sum(v * math.log(v) for v in pi)
    if d is None:
        return s, 0.0
    stop = float(HERE.stop_prob[0, x, y])
    h = -stop * math.log(stop) - (1 - stop) * math.log(1 - stop)
    return s, math.log(stop if d else 1 - stop) + h


PENALTIES = {
    "k1-loss": (lambda: K1Loss(OLD, beta=BETA), lambda x, y, d: (-BETA, -BETA)),
    "k2-loss": (lambda: K2Loss(OLD, beta=BETA), lambda x, y, d: tuple(-BETA * v for v in log_ratios(x, y, d))),
    "k3-loss": (lambda: K3Loss(OLD, beta=BETA), lambda x, y, d: tuple(BETA * v for v in excess(x, y, d))),
    "entropy": (lambda: EntropyBonus(alpha=BETA), lambda x, y, d: tuple(-BETA * v for v in surprise(x, y, d))),
}

# reward, groups per batch, group size, what one response is divided by (response, its group, tokens of the batch, groups)
REWARDS = {
    "reinforce": (lambda: Reinforce(), 1, 1, lambda r, g, n, p: 1.0),
    "reward-to-go": (lambda: RewardToGo(), 1, 1, lambda r, g, n, p: 1.0),
    "score-per-attempt": (lambda: SCoRePerAttempt(), 1, 1, lambda r, g, n, p: 1.0),
    "reinforce-baseline": (lambda: ReinforceBaseline(), 1, 1, lambda r, g, n, p: 1.0),
    "rloo": (lambda: RLOO(group_size=3), 1, 1, lambda r, g, n, p: 1.0),
    "grpo": (lambda: GRPO(group_size=3), 1, 1, lambda r, g, n, p: 1 / r.length),
    "dr-grpo": (lambda: DrGRPO(group_size=3, max_tokens=50), 1, 1, lambda r, g, n, p: 1 / 50),
    "dapo": (lambda: DAPO(group_size=2), 1, 2, lambda r, g, n, p: 1 / n),
    "dapo, kept": (lambda: DAPO(group_size=3, dynamic_sampling=False), 1, 3, lambda r, g, n, p: 1 / n),
    "cispo": (lambda: CISPO(group_size=3), 1, 3, lambda r, g, n, p: 1 / n),
    "dapo-batch": (lambda: DAPOBatch(group_size=2, prompts=2), 2, 2, lambda r, g, n, p: 1 / n),
    "dapo-batch, large": (lambda: DAPOBatch(group_size=2), 1, 1, lambda r, g, n, p: 1 / mean_length()),
    "reinforce-pp": (lambda: ReinforcePlusPlus(), 1, 1, lambda r, g, n, p: 1 / mean_length()),
    "ppo-clip": (lambda: PPOClip(prompts=2), 2, 1, lambda r, g, n, p: 1 / n),
}


def mean_length() -> float:
    return sum(float(w) * r.weight * r.length for w, of in zip(MDP.prompt_weight, responses(HERE), strict=True) for r in of)


def by_hand(penalty: str, reward: str) -> np.ndarray:
    """Sum over every batch of what the penalty alone adds to the update: the weight of each response, times its scores."""
    _, groups, size, share = REWARDS[reward]
    per_prompt, kept = responses(HERE), 0.0
    weight: defaultdict[Response, float] = defaultdict(float)
    for batch, chance in batches_of(per_prompt, size, groups):
        if reward == "dapo" and any(len({r.reward for r in g}) == 1 for g in batch):
            continue
        kept += chance
        tokens = sum(r.length for g in batch for r in g)
        for group in batch:
            for r in group:
                weight[r] += chance * share(r, group, tokens, groups)
    return np.sum([w * r.scores(PENALTIES[penalty][1]) for r, w in weight.items()], axis=0) / kept


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_penalty_is_divided_as_the_reward_of_its_sum(penalty: str, reward: str) -> None:
    s, plain, loss = solve(MDP, HERE), REWARDS[reward][0](), PENALTIES[penalty][0]()
    expected, alone = by_hand(penalty, reward), plain.gradient(s)
    for added in (plain + loss, loss + plain, 1.0 * plain + loss):
        together = added.gradient(s)
        scale = np.abs(expected).max() + np.abs(alone.sample).max()
        # One over a length is a sum of exponentials to 2e-13; the rest is rounding.
        np.testing.assert_allclose(together.sample[0] - alone.sample[0], expected[0], rtol=0, atol=3e-12 * scale)
        np.testing.assert_allclose(together.decide[0] - alone.decide[0], expected[1], rtol=0, atol=3e-12 * scale)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("loss", [*(make for make, _ in PENALTIES.values()), lambda: K1Reward(OLD, beta=BETA)])
def test_gradients_of_micro_batches_that_are_added_up_are_so_for_penalties(loss, large: bool, monkeypatch) -> None:
    """Divided by responses, of which there are no fewer in a part, the sum over three parts is three times the mean."""
    monkeypatch.setattr("dstheory.objectives.fused.SMALLEST", 1 if large else 1 << 15)  # compiled loops, or none
    s = solve(MDP.replace(max_turns=None), HERE)
    added, mean = ((RLOO(group_size=3, micro_batches=3, accumulate=how) + loss()).terms[1] for how in ("sum", "mean"))
    for stage in ("sample", "decide"):
        found, expected = (getattr(each.gradient(s), stage) for each in (added, mean))
        np.testing.assert_allclose(found, 3.0 * expected, rtol=1e-12, atol=1e-15)
        assert expected.any() or loss().name == "k1-loss"
    if mean.value(s) is not None:
        np.testing.assert_allclose(added.value(s), 3.0 * mean.value(s), rtol=1e-12)


def test_dapo_batch_with_k3_is_dapo_batch_with_beta() -> None:
    """The penalty of the sum is the row's own: the share of the decision is that of one normaliser, not of two."""
    mdp = TwoStageMDP.minimal(gamma=1.0, sample_length=300, decision_length=5)
    s, reference = solve(mdp, Policy.minimal(p=0.55, a=0.8, b=0.3)), Policy.minimal(p=0.5, a=0.5, b=0.5)
    added = build("dapo-batch + k3-loss", {"reference": reference, "beta": 0.04})  # the strength of the penalty, used once
    own = build("dapo-batch", {"reference": reference, "beta": 0.04})
    np.testing.assert_allclose(added.gradient(s).sample, own.gradient(s).sample, rtol=1e-13)
    np.testing.assert_allclose(added.gradient(s).decide, own.gradient(s).decide, rtol=1e-12)
    plain = attribute(build("dapo-batch", {}), s)
    assert float(plain.gradient.decision_share) == pytest.approx(0.2650, abs=5e-5)
    assert float(attribute(added, s).gradient.decision_share) == pytest.approx(0.2655, abs=5e-5)  # in units of responses 0.862
    assert added.gradient(s).sample[0, 0, 0] > 0


def test_a_given_normaliser_stays_and_an_open_one_is_settled_anew_in_each_sum() -> None:
    loss = K3Loss(OLD, beta=BETA, normaliser="response-tokens")
    assert (DAPOBatch() + loss).terms[1].divided_by[0] == PerToken()
    opened = (Reinforce() + K3Loss(OLD)).terms[1]
    assert (GRPO() + opened).terms[1].divided_by[0] == PerToken()
    assert (EntropyBonus() + K3Loss(OLD)).terms[1].divided_by[0].words == "responses"
    assert ((EntropyBonus() + K3Loss(OLD)) + GRPO()).terms[1].divided_by[0] == PerToken()
    assert (GRPO() + K1Reward(OLD)).terms[1].divided_by[0] == PerToken()


def test_a_sum_says_its_factors() -> None:
    found = Reinforce() + 0.25 * EntropyBonus()
    assert found.title == "REINFORCE, return form + 0.25 x entropy bonus"
    assert found.formula == f"[{Reinforce.formula}] + 0.25 x [{EntropyBonus.formula}]"
    per_run = np.array([1.0, 2.0]) * EntropyBonus() + np.float64(3.0) * Reinforce()
    assert per_run.title == "(per run) x entropy bonus + 3 x REINFORCE, return form"
    for other in (3, [1.0, 2.0], "kl"):
        with pytest.raises(TypeError, match="unsupported operand"):
            Reinforce() + other


def test_two_rewards_that_are_divided_differently_leave_no_normaliser_to_inherit() -> None:
    with pytest.raises(ChainError, match="reinforce and grpo divide their tokens differently: k3-loss cannot inherit both"):
        Reinforce() + GRPO() + K3Loss(OLD)
    with pytest.raises(ChainError, match="grpo and grpo divide their tokens differently: k3-loss cannot inherit both"):
        GRPO() + GRPO(normalise_by="batch-tokens") + K3Loss(OLD)
    assert (Reinforce() + RLOO(group_size=3) + K3Loss(OLD)).terms[2].divided_by[0].words == "responses"
    assert (Reinforce() + GRPO()).terms[0].name == "reinforce"


# ---------------------------------------------------------------------- rounding


def test_what_cancellation_leaves_is_no_gradient() -> None:
    """Shares of terms that cancel were shares of 1e-17; a gradient that is small but exact keeps its share."""
    s = solve(MDP, HERE)
    for nothing in (K1Loss(OLD), Reinforce() + (-1.0) * RewardToGo(), K1Loss(OLD) + 0.0 * Reinforce()):
        split = attribute(nothing, s)
        assert float(split.gradient.sample) == float(split.gradient.decide) == 0.0
        assert math.isnan(float(split.gradient.decision_share))
        assert math.isnan(float(split.energy.decision_share))
    tiny = attribute(1e-30 * Reinforce(), s).gradient
    assert float(tiny.decision_share) == pytest.approx(float(attribute(Reinforce(), s).gradient.decision_share), rel=1e-12)


def test_a_sum_times_a_number_has_that_times_its_gradient() -> None:
    s = solve(MDP, HERE)
    one, three = ((factor * (Reinforce() + 0.5 * GRPO())).gradient(s) for factor in (1.0, 3.0))
    assert np.abs(one.sample).max() > 0.01
    for once, times in ((one.sample, three.sample), (one.decide, three.decide)):
        np.testing.assert_allclose(times, 3.0 * once, rtol=1e-13, atol=1e-16)


def test_rounding_is_judged_run_by_run() -> None:
    many = Policy.minimal(p=np.array([0.3, 0.6]), a=0.7, b=0.4)
    added = K1Loss(Policy.minimal(p=0.5, a=0.5, b=0.5)) + Reinforce().rescaled([0.0, 1.0])
    split = attribute(added, solve(TwoStageMDP.minimal(), many))
    assert split.gradient.decision_share.shape == (2,)
    assert np.isnan(split.gradient.decision_share).tolist() == [True, False]


def test_gradients_that_cancel_in_shared_parameters_are_no_gradient() -> None:
    """One logit shared with opposite signs by two prompts that are alike: the logits have a gradient, the parameter has none."""
    alike = TwoStageMDP(correct=[[1, 0], [1, 0]], gamma=1.0)
    sample, decide = np.zeros((1, 2, 2, 1)), np.zeros((1, 2, 2, 1))
    sample[0, :, 0, 0] = decide[0, :, 0, 0] = 1.0, -1.0
    offset = np.array([[[0.3, 0.1], [0.3, 0.1]]])
    policy = Policy.linear(Features(sample, decide, offset, 1.7 * offset), np.array([0.0]))
    split = attribute(Reinforce(), solve(alike, policy))
    assert float(split.gradient.sample) == float(split.gradient.decide) == 0.0


def test_the_terms_of_a_sum_do_not_cancel() -> None:
    """Where masses cancel, the size of what they are made of stays: it tells how many digits are left."""
    one = CoefficientMass(np.array([[[2.0, -3.0]]]), np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))
    other = CoefficientMass(-one.sample, one.stop, one.resample, sample_size=np.array([[[5.0, 7.0]]]))
    both = one + other
    assert both.sample.tolist() == [[[0.0, 0.0]]]
    assert both.terms.tolist() == [[[7.0, 10.0]]]
    assert (other + one).scaled(-2.0).terms.tolist() == [[[14.0, 20.0]]]


def test_terms_whose_runs_do_not_fit_are_called_by_their_names() -> None:
    """A term named kl after one named kl-direct was called "kl again"."""
    solution, (two, three) = solve(MDP, HERE), (np.full(runs, 0.1) for runs in (2, 3))
    for first, names in ((ReverseKLDirect, "kl-direct (2,), kl (3,)"), (ReverseKL, "kl (2,), kl again (3,)")):
        both = WeightedSum((first(OLD, beta=two), ReverseKL(OLD, beta=three)), (1.0, 1.0))
        with pytest.raises(ChainError, match=re.escape(names) + "$"):
            both.gradient(solution)

"""Whole batches drawn as in training, against the closed forms: another engine, with standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from objectives.test_groups import HERE, MDP, OLD

from dstheory import Policy, TwoStageMDP, enumerate_trajectories, solve
from dstheory.errors import ChainError
from dstheory.objectives import (
    CISPO,
    DAPO,
    DPO,
    GRPO,
    GSPO,
    NFT,
    RLOO,
    DAPOBatch,
    PPOClip,
    Reinforce,
    ReinforceBaseline,
    sampled_gradient,
)
from dstheory.objectives.estimate import estimate_gradient

CASES = [
    RLOO(group_size=3), GRPO(group_size=4, reference=OLD, beta=0.3), DAPO(group_size=3, sampler=OLD, clip_low=0.01,
    clip_high=0.02), DAPOBatch(group_size=3, prompts=4), DAPOBatch(group_size=3, prompts=2, dynamic_sampling=True,
    reference=OLD, beta=0.3), CISPO(group_size=3, prompts=2, sampler=OLD, clip_low=0.02, clip_high=0.05),
    GSPO(group_size=3, sampler=OLD, clip_low=0.01, clip_high=0.02, reference=OLD, beta=0.2), NFT(group_size=4, prompts=3),
    ReinforceBaseline(normalise_by="response-tokens"), ReinforceBaseline(baseline="opo", normalise_by="response-tokens"),
    ReinforceBaseline(baseline=0.3, normalise_by="group-tokens", group_size=2),
    DPO(OLD, beta=0.5), DPO(OLD, beta=0.5, loss="ipo"), DPO(OLD, beta=0.5, loss="nca_pair"),
]  # fmt: skip


@pytest.mark.parametrize("objective", CASES, ids=lambda o: o.name)
def test_sampled_batches_agree_with_the_closed_form(objective) -> None:
    s = solve(MDP, HERE)
    exact, found = objective.gradient(s), sampled_gradient(objective, s, batches=3_000, prompts=2, rng=11)
    for stage in ("sample", "decide"):
        error = np.abs(getattr(found.gradient, stage) - getattr(exact, stage))
        bound = getattr(found.standard_error, stage)
        # Ten entries each: 4.5 standard errors hold for all of them but once in 15,000 seeds.
        assert (error <= 4.5 * bound + 1e-14).all()
        assert (bound[..., np.abs(getattr(exact, stage)[0]) > 0] > 0).all()
        # ... and the estimate is sharp enough to tell the objective from another: its size is many standard errors.
        assert np.abs(getattr(exact, stage)).max() > 5 * bound.max()


def test_rewards_of_many_values_are_refused_by_the_closed_form_and_estimated() -> None:
    s = solve(MDP.replace(gamma=0.7), HERE)
    objective = GRPO(group_size=3, outcome="return")
    with pytest.raises(ChainError, match=r"rewards take more than two values.*group_size=inf.*sampled_gradient"):
        objective.gradient(s)
    one, two = (sampled_gradient(objective, s, batches=2_000, rng=seed) for seed in (1, 2))
    spread = np.hypot(one.standard_error.sample, two.standard_error.sample)
    assert (np.abs(one.gradient.sample - two.gradient.sample) < 4.5 * spread + 1e-14).all()
    again = sampled_gradient(objective, s, batches=2_000, rng=1)
    assert again.gradient.sample.tobytes() == one.gradient.sample.tobytes()


def test_a_coefficient_that_no_number_holds_is_refused() -> None:
    """Its trajectory has the probability 0 once rounded, and infinity times 0 was not a number."""
    sampler = Policy.minimal(theta=[800.0, 0.0, 0.0])
    s = solve(TwoStageMDP.minimal(max_turns=1), Policy.minimal(p=0.5, a=0.5, b=0.5))
    with pytest.raises(ChainError, match=r"coefficient of the answer at step 1 is -inf: must be finite; ask for"):
        estimate_gradient(RLOO(group_size=2, sampler=sampler), s, enumerate_trajectories(s.mdp, sampler))


@pytest.mark.parametrize(
    ("objective", "options", "message"),
    [
        (Reinforce(), {}, "reinforce compares no responses of one prompt: use its gradient, or estimate_gradient"),
        (PPOClip(), {}, "ppo-clip compares no responses of one prompt"),
        (GRPO(group_size=np.inf), {}, "grpo has group_size=inf, which cannot be sampled: its closed form is exact"),
        (NFT(sampler=OLD), {}, "nft off policy is not sampled"),
        (GRPO(), {"batches": 1}, "batches is 1: must be a whole number >= 2, one batch has no standard error"),
        (GRPO(), {"prompts": 0}, "prompts is 0: must be a whole number >= 1"),
    ],
)
def test_what_is_not_sampled_says_so(objective, options: dict, message: str) -> None:
    with pytest.raises(ChainError, match=message):
        sampled_gradient(objective, solve(MDP, HERE), rng=0, **options)


def test_a_draw_without_a_mixed_group_is_followed_by_another() -> None:
    rarely = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.02, a=0.98, b=0.02))
    found = sampled_gradient(DAPO(group_size=2, prompts=1), rarely, batches=2, prompts=1, rng=0)
    assert np.isfinite(found.gradient.sample).all()
    assert found.gradient.sample[0, 0, 0] > 0  # every group that counts has one right response

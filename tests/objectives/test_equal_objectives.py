"""Objectives that have two names are the same where no length and no ratio enters; where one does, they differ."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.objectives import (
    CISPO,
    GRPO,
    GSPO,
    NFT,
    SFT,
    DAPOBatch,
    ExpertChain,
    ForwardKL,
    GroupObjective,
    K1Reward,
    K2Loss,
    K3Loss,
    Objective,
    PPOClip,
    ReverseKL,
    ReverseKLDirect,
    SFTSequenceSum,
    SFTTokenMean,
    build,
)


def chain(max_turns: int | None = None) -> tuple[TwoStageMDP, Policy, Policy]:
    """Two prompts of unequal weight, three answers of which two are right, unequal lengths."""
    mdp = TwoStageMDP(
        correct=[[1, 0, 1], [0, 1, 1]],
        reward_stop=[[1, 0, 1], [0, 1, 1]],
        reward_resample=0.0,
        sample_length=[[3.0, 40.0, 7.0], [11.0, 2.0, 90.0]],
        decision_length=2.0,
        prompt_weight=[0.3, 0.7],
        gamma=1.0,
        max_turns=max_turns,
    )
    rng = np.random.default_rng(5)
    one, two = (
        Policy.tabular(rng.normal(size=(1, 2, 3)), 0.5 + rng.normal(scale=0.7, size=(1, 2, 3)))
        for _ in range(2)
    )
    return mdp, one, two


def distance(one: Objective, two: Objective, max_turns: int | None) -> float:
    mdp, policy, _ = chain(max_turns)
    solution = solve(mdp, policy)
    a, b = one.gradient(solution), two.gradient(solution)
    scale = max(np.abs(a.sample).max(), np.abs(a.decide).max())
    return max(np.abs(a.sample - b.sample).max(), np.abs(a.decide - b.decide).max()) / scale


_, _, OTHER = chain()

SAME = {
    "sft, sft-sequence-sum": (SFT(ExpertChain(OTHER)), SFTSequenceSum(ExpertChain(OTHER))),
    "kl-direct, k2-loss": (ReverseKLDirect(OTHER), K2Loss(OTHER)),
    "kl, k1-reward": (ReverseKL(OTHER), K1Reward(OTHER)),
    "forward-kl, k3-loss": (ForwardKL(OTHER), K3Loss(OTHER)),
    "cispo, dapo-batch": (CISPO(over="batch"), DAPOBatch()),
    "cispo, dapo-batch in small batches": (CISPO(over="batch", prompts=2, group_size=3), DAPOBatch(prompts=2, group_size=3)),
    "grpo, gspo": (GRPO(), GSPO()),
    "nft, dapo-batch with the population's std": (NFT(), DAPOBatch(ddof=0)),
}
DIFFERENT = {
    "a length weight": (ReverseKLDirect(OTHER, length_weight=0.4), K2Loss(OTHER)),
    "its reduction": (ReverseKLDirect(OTHER, length_weight=0.4), ReverseKLDirect(OTHER, length_weight=0.4, reduction="mean")),
    "a length weight of kl": (ReverseKL(OTHER, length_weight=0.4), K1Reward(OTHER)),
    "a length weight of forward-kl": (ForwardKL(OTHER, length_weight=0.4), K3Loss(OTHER)),
    "states": (ForwardKL(OTHER), ForwardKL(OTHER, states="reference")),
    "a normaliser of k2": (ReverseKLDirect(OTHER), K2Loss(OTHER, normaliser="response-tokens")),
    "a normaliser of k1": (ReverseKL(OTHER), K1Reward(OTHER, normaliser="batch-tokens")),
    "a length weight of sft": (SFT(ExpertChain(OTHER), length_weight=0.4), SFTSequenceSum(ExpertChain(OTHER))),
    "a normaliser of sft": (SFT(ExpertChain(OTHER)), SFTTokenMean(ExpertChain(OTHER))),
    "the tokens of the group": (CISPO(), DAPOBatch()),
    "a sampler": (GRPO(sampler=OTHER), GSPO(sampler=OTHER)),
    "the std": (NFT(), DAPOBatch()),
}


@pytest.mark.parametrize("max_turns", [None, 3])
@pytest.mark.parametrize("names", SAME)
def test_two_names_of_one_objective(names: str, max_turns: int | None) -> None:
    assert distance(*SAME[names], max_turns) < 1e-12


@pytest.mark.parametrize("names", DIFFERENT)
def test_what_tells_them_apart(names: str) -> None:
    assert distance(*DIFFERENT[names], 3) > 1e-3


def test_objectives_with_equal_settings_are_equal() -> None:
    _, _, again = chain()
    assert GRPO() == GRPO()
    assert hash(GRPO()) == hash(GRPO())
    assert GRPO() != GRPO(group_size=4)
    assert GRPO() != GSPO()
    assert GRPO() != "grpo"
    assert ReverseKLDirect(OTHER) == ReverseKLDirect(again)
    assert ReverseKLDirect(OTHER, beta=[0.1, 0.2]) == ReverseKLDirect(again, beta=[0.1, 0.2])
    assert ReverseKLDirect(OTHER, beta=np.array([0.1, 0.2])) != ReverseKLDirect(again, beta=np.array([0.1, 0.3]))
    assert ReverseKLDirect(OTHER) != ReverseKLDirect(chain()[1])
    assert SFT(ExpertChain(OTHER)) == SFT(ExpertChain(again))
    assert build("grpo + 0.1*entropy", {}) == build("grpo + 0.1*entropy", {})
    assert build("grpo + 0.1*entropy", {}) != build("grpo + 0.2*entropy", {})


@pytest.mark.parametrize("make", [GRPO, DAPOBatch, PPOClip])
def test_a_strength_is_checked_in_one_place(make: type[GroupObjective]) -> None:
    with pytest.raises(Exception, match=r"beta is -1\.0: must be finite and >= 0; a penalty has no negative strength"):
        make(beta=-1.0)
    with pytest.raises(Exception, match=f"{make.name}: beta is 0.1 but there is no reference: give reference=, or beta=0"):
        make(beta=0.1)

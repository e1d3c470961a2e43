"""No sentence under "What is proved" contradicts the numbers above it."""

from __future__ import annotations

import itertools

import pytest
from cli.conftest import dstheory  # noqa: F401  # the command line, in this process

CHAIN = ("--max-turns", "2", "--p", "0.3", "--a", "0.6", "--b", "0.9", "--answer-length", "5,90")
STRAIGHT = {"O4", "B8", "O7"}  # the update has the direction of the accuracy's gradient, on one prompt
LOSSES, MASKS = ("dr_grpo", "dapo", "grpo", "bnpo"), ("true", "false")
RLOO, DAPO = ("trl:rloo", "beta=0"), "algorithm.filter_groups.enable=true"
GROUPS = "actor_rollout_ref.rollout.n=4"
TRAININGS = [
    *(("trl:grpo", "scale_rewards=none", f"loss_type={loss}", f"mask_truncated_completions={mask}")
      for loss, mask in itertools.product(LOSSES, MASKS)),
    *((*RLOO, f"mask_truncated_completions={mask}") for mask in MASKS),
    ("verl:ppo", "algorithm.adv_estimator=grpo", "algorithm.norm_adv_by_std_in_grpo=false", GROUPS, DAPO),
]  # fmt: skip


@pytest.mark.parametrize("training", TRAININGS, ids=" ".join)
def test_what_is_said_to_have_the_direction_of_accuracy_has_it(dstheory, training: tuple[str, ...]) -> None:  # noqa: F811
    ran = dstheory("explain", *training, *CHAIN, "--json")
    assert ran.code == 0, ran.err
    data = ran.result
    said = {note["claim"] for note in data["notes"]} & STRAIGHT
    (reward,) = [row for row in data["attribution"] if row["name"] in ("whole", "reward")][:1]
    assert not said or reward["tilt"]["both"] == pytest.approx(0.0, abs=1e-4)
    if "mask_truncated_completions=false" in training and "loss_type=dr_grpo" in training:
        assert said


IN_REWARD = ("algorithm.use_kl_in_reward=true", "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-sum")


@pytest.mark.parametrize(
    ("training", "unbiased"),
    [
        (("verl:ppo", "algorithm.adv_estimator=grpo", GROUPS, *IN_REWARD), False),  # over a deviation that the KL is part of
        (("verl:ppo", "algorithm.adv_estimator=grpo", "algorithm.norm_adv_by_std_in_grpo=false", GROUPS, *IN_REWARD), False),
        (("verl:ppo", "algorithm.adv_estimator=rloo", GROUPS, *IN_REWARD), True),
        (("trl:rloo",), True),
    ],
)
def test_a_kl_in_the_reward_is_called_unbiased_where_nothing_scales_it(
    dstheory,  # noqa: F811
    training: tuple[str, ...],
    unbiased: bool,
) -> None:
    ran = dstheory("explain", *training, "--json")
    assert ran.code == 0, ran.err
    assert ("O12" in {note["claim"] for note in ran.result["notes"]}) is unbiased

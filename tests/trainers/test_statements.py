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

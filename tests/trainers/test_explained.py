"""What `dstheory explain` says is about the configuration at hand: no sentence about what it does not use, no word undefined."""

from __future__ import annotations

import pytest
from cli.conftest import dstheory  # noqa: F401  # the command line, in this process


def said(dstheory, *args: str) -> str:  # noqa: F811
    ran = dstheory("explain", *args)
    assert ran.code == 0, ran.err
    return " ".join(ran.out.split())


def test_a_token_mean_divided_by_each_groups_deviation_is_not_said_to_have_no_tilt(dstheory) -> None:  # noqa: F811
    assert "O7:" not in said(dstheory, "trl:grpo")  # one deviation for each group
    assert "O7: Over the standard deviation of the batch" in said(dstheory, "trl:grpo", "scale_rewards=batch")
    assert "O7: The token mean" in said(dstheory, "trl:grpo", "scale_rewards=none")


def test_what_is_not_used_is_not_mentioned(dstheory) -> None:  # noqa: F811
    plain = said(dstheory, "trl:grpo")
    assert "The reference is" not in plain
    assert "Demonstrations" not in plain
    assert "teacher" not in plain
    assert "Demonstrations are the expert's, p, a, b = 0.9, 0.9, 0.95." in said(dstheory, "trl:sft", "--expert", "0.9,0.9,0.95")
    assert "The reference is p, a, b = 0.5, 0.7, 0.4." in said(dstheory, "trl:grpo", "beta=0.04", "--reference", "0.5,0.7,0.4")


@pytest.mark.parametrize("longer", ["2", "8"])
def test_what_does_not_depend_on_length_is_said_once(dstheory, longer: str) -> None:  # noqa: F811
    text = said(dstheory, "trl:grpo", "beta=0.04", "--reference", "0.5,0.7,0.4", "--longer", longer)
    assert text.count(f"None of this changes with answers {longer} times as long.") == 1
    mixed = said(dstheory, "trl:grpo", "loss_type=grpo", "--answer-length", "16,48", "--longer", longer)
    assert "None of this changes" not in mixed


def test_a_penalty_is_measured_by_the_reward(dstheory) -> None:  # noqa: F811
    args = ("trl:grpo", "beta=0.04", "--reference", "0.5,0.7,0.4")
    rows = {row["name"]: row for row in dstheory("explain", *args, "--json").result["attribution"]}
    percent = 100 * rows["KL in the loss"]["norm"] / rows["reward"]["norm"]
    assert f"KL in the loss: its gradient is {percent:.3g} % as long as the reward's" in said(dstheory, *args)


def test_estimators_are_defined_where_they_stand(dstheory) -> None:  # noqa: F811
    assert "beta 0.04, k3 = ref/pi - 1 + log(pi/ref)" in said(dstheory, "trl:grpo", "beta=0.04")
    assert "beta 0.05, k1 = log(pi/ref)" in said(dstheory, "trl:rloo")


SAPO = ["algorithm.adv_estimator=grpo", "actor_rollout_ref.rollout.n=8",
        "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-mean",
        "actor_rollout_ref.actor.policy_loss.loss_mode=sapo"]  # fmt: skip


@pytest.mark.parametrize("trainer", [("trl:grpo", "loss_type=sapo"), ("verl:ppo", *SAPO)], ids=["trl", "verl"])
def test_a_gate_that_differs_by_sign_does_not_log_zero(dstheory, trainer: tuple[str, ...]) -> None:  # noqa: F811
    """4/tau sigma(tau (rho - 1)) is 2/tau on the policy: 2 for positive credits, 2/1.05 for negative ones."""
    logged = dstheory("explain", *trainer, "--json").result["logged"]
    assert logged["loss"] is None
    assert "another for negative ones" in logged["what"]

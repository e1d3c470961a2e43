"""What `dstheory explain` says is about the configuration at hand: no sentence about what it does not use, no word undefined."""

from __future__ import annotations

import dataclasses
import re

import pytest
from cli.conftest import dstheory  # noqa: F401  # the command line, in this process

from dstheory import Policy, TwoStageMDP
from dstheory.errors import DSTheoryError
from dstheory.trainers import StartingPoint, all_trainers, configuration_of, difference
from dstheory.trainers.training import CHOICES, Training


def said(dstheory, *args: str) -> str:  # noqa: F811
    ran = dstheory("explain", *args)
    assert ran.code == 0, ran.err
    return " ".join(ran.out.split())


def test_a_token_mean_divided_by_each_groups_deviation_is_not_said_to_have_the_rewards_direction(dstheory) -> None:  # noqa: F811
    assert "O7:" not in said(dstheory, "trl:grpo")  # one deviation for each group
    assert "O7: Over the standard deviation of the batch" in said(dstheory, "trl:grpo", "scale_rewards=batch")
    assert "O7: The token mean" in said(dstheory, "trl:grpo", "scale_rewards=none")


@pytest.mark.parametrize("loss", ["grpo", "bnpo", "dapo", "dr_grpo"])
@pytest.mark.parametrize("group", [2, 8])
def test_what_is_proved_of_sums_is_not_said_where_lengths_divide(dstheory, loss: str, group: int) -> None:  # noqa: F811
    """The weights of prompts by their groups' deviations, whose claim assumes a normaliser that no length enters."""
    text = said(dstheory, "trl:grpo", f"loss_type={loss}", f"num_generations={group}")
    assert (("O5-small:" if group == 2 else "O5:") in text) == (loss == "dr_grpo")
    assert "O5-options:" in text


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


def test_the_logged_loss_of_later_updates_is_said_to_fall_with_the_batchs_credits(dstheory) -> None:  # noqa: F811
    later = "ratios multiply the credits: the value then falls as the policy follows the credits of this batch"
    assert later not in said(dstheory, "trl:grpo")
    assert f"From the second update on a batch on {later}" in said(dstheory, "trl:grpo", "num_iterations=4")
    assert f"On responses of an earlier policy {later}" in said(dstheory, "trl:grpo", "--sampler", "0.5,0.75,0.35")
    for without in (("verl:ppo", "actor_rollout_ref.actor.policy_loss.loss_mode=gpg"), ("trl:sft",), ("trl:dpo",)):
        assert "ratios multiply" not in said(dstheory, *without)


def test_a_user_of_k3_times_the_ratio_is_not_told_of_k2_alone(dstheory) -> None:  # noqa: F811
    args = ("trl:grpo", "beta=0.04", "loss_type=dr_grpo", "--reference", "0.5,0.7,0.4")
    corrected = said(dstheory, *args)
    assert "O11: k3 times the ratio in the loss leaves out that a resample costs" in corrected
    assert "D4: As a loss on the policy k3 times the ratio has the expected gradient of the reverse KL" in corrected
    assert "of k2 = log(pi/ref)^2/2" in corrected  # where k2 is named it is defined
    squared = said(dstheory, "verl:ppo", "actor_rollout_ref.actor.use_kl_loss=true", "actor_rollout_ref.actor.kl_loss_type=k2")
    assert "O11: k2 in the loss leaves out" in squared


def test_how_many_prompts_a_deviation_spans_is_said(dstheory) -> None:  # noqa: F811
    few = said(dstheory, "trl:grpo", "scale_rewards=batch", "--prompts", "4")
    assert "over the standard deviation of the whole batch (4 prompts) + 0.0001" in few
    assert "over the standard deviation of the whole batch + 0.0001" in said(dstheory, "trl:grpo", "scale_rewards=batch")


def test_a_term_that_is_zero_has_no_size_and_lists_are_written_plainly(dstheory) -> None:  # noqa: F811
    assert "as long as the reward's" not in said(dstheory, "trl:grpo", "beta=0.04")
    text = said(dstheory, "trl:gkd")
    assert "lmbda, seq_kd = 0.5, false: a share of the batches are" in text
    assert "temperature = 0.9: both distributions are tempered" in text


SAPO = ["algorithm.adv_estimator=grpo", "actor_rollout_ref.rollout.n=8",
        "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-mean",
        "actor_rollout_ref.actor.policy_loss.loss_mode=sapo"]  # fmt: skip


@pytest.mark.parametrize("trainer", [("trl:grpo", "loss_type=sapo"), ("verl:ppo", *SAPO)], ids=["trl", "verl"])
def test_a_gate_that_differs_by_sign_does_not_log_zero(dstheory, trainer: tuple[str, ...]) -> None:  # noqa: F811
    """4/tau sigma(tau (rho - 1)) is 2/tau on the policy: 2 for positive credits, 2/1.05 for negative ones."""
    logged = dstheory("explain", *trainer, "--json").result["logged"]
    assert logged["loss"] is None
    assert "another for negative ones" in logged["what"]


VERL = ("algorithm.use_kl_in_reward=true", "algorithm.kl_ctrl.kl_coef=0.5", "actor_rollout_ref.rollout.n=2")


@pytest.mark.parametrize(
    ("settings", "to_go"),
    [
        (("verl:ppo", "algorithm.adv_estimator=gae", *VERL), True),
        (("verl:ppo", "algorithm.adv_estimator=remax", *VERL), True),
        (("verl:ppo", "algorithm.adv_estimator=reinforce_plus_plus", *VERL), True),
        (("verl:ppo", "algorithm.adv_estimator=rloo", *VERL), False),
        (("openrlhf:ppo", "algo.advantage.estimator=rloo", "rollout.n_samples_per_prompt=2", "algo.kl.init_coef=0.5"), True),
        (("trl:rloo", "num_generations=2", "beta=0.5"), False),
    ],
)
@pytest.mark.parametrize(("p", "differs"), [("0.5", True), ("0.55", False)])
def test_a_kl_that_tokens_pay_from_themselves_on_is_not_balanced(dstheory, settings, to_go, p, differs) -> None:  # noqa: F811
    """An answer pays for its own log-ratio, the decision on it does not: one coefficient only where that log-ratio is 0."""
    place = (*settings, "--reference", f"{p},0.7,0.4")
    found, text = dstheory("explain", *place, "--json").result, said(dstheory, *place)
    assert ("every token pays for its own log-ratio and those that follow" in text) == to_go
    assert ("every token pays for the log-ratio of the whole response" in text) != to_go
    alone = "gae" not in settings[1]  # an advantage of each stage is not balanced either
    balanced = {row["name"]: row["balanced"] for row in found["attribution"]}
    assert balanced["whole"] == (alone and not (to_go and differs))
    assert balanced.get("KL in the reward", not to_go or not differs) == (not to_go or not differs)


def test_what_is_said_of_the_other_configuration_is_said_in_the_comparison(dstheory, tmp_path) -> None:  # noqa: F811
    """A misspelt key there changed nothing without a word."""
    other = tmp_path / "run.sh"
    other.write_text(
        "python -m verl.trainer.main_ppo algorithm.adv_estimator=grpo actor_rollout_ref.rollout.n=4 "
        "actor_rollout_ref.actor.entropy_coef=0.01 data.train_batch_size=128\n"
    )
    alone = " ".join(dstheory("explain", other).out.split())
    said = " ".join(dstheory("explain", "trl:grpo", "--against", other).out.split())
    assert "actor_rollout_ref.actor.entropy_coef" in alone
    assert "unknown there, not interpreted: actor_rollout_ref.actor.entropy_coef" in said
    warnings = dstheory("explain", other, "--json").result["warnings"]
    assert warnings
    assert all(f"warning there: {line[:60]}" in said for line in warnings)


@pytest.mark.parametrize("other", ["trl:rloo", "trl:sft", "verl:ppo", "nemo-rl:grpo", "open-instruct:grpo"])
def test_a_comparison_is_in_words_and_not_in_names_of_this_package(dstheory, other: str) -> None:  # noqa: F811
    out = dstheory("explain", "trl:grpo", "--against", other).out
    against = re.split("\n(?:What|Which) |(?:not modelled|warning) there", out.split("\nAgainst ")[1])[0]
    names = {field.name for field in dataclasses.fields(Training) if "_" in field.name}
    names |= {word for words in CHOICES.values() for word in words if "-" in word}
    names -= {"token-mean"}
    assert [name for name in names if name in against] == []
    assert "divided by, here" in against or other in ("trl:sft", "verl:ppo")


def test_a_comparison_leaves_out_what_neither_uses(dstheory) -> None:  # noqa: F811
    """Neither divides by a standard deviation, so that what is added to it is of no use: it was listed."""
    nemo = ("nemo-rl:grpo", "--with", "grpo.normalize_rewards=false")
    for two in (("trl:rloo", "--with", "beta=0"), ("trl:grpo", "scale_rewards=none", "--against", *nemo)):
        fields = {row["field"] for row in dstheory("explain", *two, "--json").result["against"]["fields"]}
        assert fields
        assert not {"std", "ddof", "epsilon", "std_prompts"} & fields


START, REFERENCE, EXPERT = (Policy.minimal(p=p, a=a, b=b) for p, a, b in ((0.55, 0.8, 0.3), (0.5, 0.7, 0.4), (0.9, 0.9, 0.95)))
PLACE = StartingPoint(TwoStageMDP.minimal(gamma=1.0, max_turns=4, sample_length=[[8, 3]]), START, REFERENCE, EXPERT)
OTHERS = {"ddof": (0, 1), "group_size": (4,), "reward_kl_after": (True,), "rewards": ("correct + -0.1*turns",)}


@pytest.mark.parametrize("trainer", sorted(all_trainers()))
def test_a_setting_that_is_left_out_of_a_comparison_has_no_effect(trainer: str) -> None:
    """The gradient tells: every other value of every field, where it is said to make no difference, gives the same one."""
    configuration = configuration_of(trainer, prompts=2, settings=SMALL.get(trainer, ()))
    here, left_out = configuration.training, 0
    for field in dataclasses.fields(Training):
        for value in CHOICES.get(field.name, OTHERS.get(field.name, (0.5, 3.0))):
            try:
                found = difference(here, dataclasses.replace(here, **{field.name: value}), PLACE)
            except DSTheoryError:  # not a configuration
                continue
            if found.fields or found.why_not or (here.method, field.name) == ("distill", "beta"):  # which no key sets
                continue
            left_out += 1
            assert found.factor.both == pytest.approx(1.0, rel=1e-12), field.name
            assert found.turned.both < 1e-4, field.name
    assert left_out > 20


SMALL = {"slime:grpo": ("n_samples_per_prompt=2",), "trl:grpo": ("num_generations=2",)}


@pytest.mark.parametrize("length", [1, 8, 300])
def test_the_brief_form_says_in_one_line_what_another_configuration_changes(dstheory, length: int) -> None:  # noqa: F811
    """An attempt, an answer and a decision of one token, is the last with p a + (1 - p) (1 - b)."""
    tokens = (length + 1) / (0.55 * 0.8 + 0.45 * 0.7)
    args = ("trl:grpo", "scale_rewards=none", "--answer-length", length, "--decision-length", "1", "--max-turns", "none")
    brief = dstheory("explain", *args, "--with", "loss_type=dr_grpo", "max_completion_length=600", "--brief").out
    line = brief.split("\nAgainst ")[1].split("\n")[1]
    factor = tokens / 600
    assert line.strip() == (
        f"On M0 the gradient there is {factor:.4g} times as long as the one here (sampling {factor:.4g}, decisions {factor:.4g}) "
        "and has the same direction. p, a and b go the same way."
    )
    whole = said(dstheory, *args, "--against", "trl:rloo", "--with", "beta=0")
    assert f"with the learning rate divided by {tokens * 8 / 7:.4g}." in whole  # G/(G - 1): the others' mean
    assert (
        f"divided by accounts for a factor of {tokens:.4g}, the other settings for 1.143; a response has {tokens:.4g} tokens"
        in whole
    )


def test_the_tokens_of_a_comparison_are_those_of_the_responses_trained_on(dstheory) -> None:  # noqa: F811
    tokens = (64 + 1) / (0.5 * 0.75 + 0.5 * 0.65)
    text = said(dstheory, "trl:grpo", "--sampler", "0.5,0.75,0.35", "--with", "loss_type=dr_grpo")
    assert f"a response has {tokens:.4g} tokens on average" in text


@pytest.mark.parametrize(("loss", "counted"), [("dr_grpo", False), ("grpo", False), ("dapo", True), ("bnpo", True)])
def test_tokens_are_said_not_to_be_counted_where_the_others_are(dstheory, loss: str, counted: bool) -> None:  # noqa: F811
    """A constant, or each response's own length, divides as before: no other tokens are counted."""
    text = said(dstheory, "trl:grpo", f"loss_type={loss}", "mask_truncated_completions=true", "--max-turns", "3")
    assert "truncated responses coefficient 0" in text
    assert ("their tokens are not counted in what is divided by" in text) == counted
    assert "they are not counted" not in text


@pytest.mark.parametrize("token_mean", ["true", "false"])
def test_responses_that_are_left_out_are_said_not_to_be_counted(dstheory, token_mean: str) -> None:  # noqa: F811
    text = said(dstheory, "nemo-rl:grpo", "grpo.overlong_filtering=true", f"loss_fn.token_level_loss={token_mean}")
    of = "their tokens" if token_mean == "true" else "they"
    assert f"coefficient 0, and {of} are not counted in what is divided by" in text


BATCH = [
    ("trl:grpo",),
    ("trl:grpo", "loss_type=dr_grpo"),
    ("trl:grpo", "loss_type=dr_grpo", "scale_rewards=batch"),
    ("trl:grpo", "loss_type=grpo", "entropy_coef=0.1"),
    ("trl:rloo",),
    ("trl:sft",),
    ("trl:dpo",),
    ("trl:gkd",),
    ("open-instruct:grpo", "num_samples_per_prompt_rollout=2"),
    ("verl:ppo",),
]


@pytest.mark.parametrize("trainer", BATCH, ids=" ".join)
def test_that_many_prompts_are_assumed_is_said_where_their_number_matters(dstheory, trainer: tuple[str, ...]) -> None:  # noqa: F811
    """It matters where two prompts to a batch move p by another amount than the default does, which 100,000 prompts give."""
    assumed = "How many prompts a batch has is not given: many are assumed (--prompts N)."
    place = ("--answer-length", "8,3", "--max-turns", "4")
    one, few, many = (
        dstheory("explain", *trainer, *place, *more, "--json").result["moves"][0]["p"]["change"]
        for more in ((), ("--prompts", "2"), ("--prompts", "100000"))
    )
    shown = assumed in said(dstheory, *trainer, *place, "--brief")
    assert shown == (abs(few / one - 1) > 1e-9 and abs(many / one - 1) < 1e-4)
    assert assumed not in said(dstheory, *trainer, *place, "--brief", "--prompts", "2")

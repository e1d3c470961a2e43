"""A library's name for an objective, and its configuration, are one objective: two tables that share nothing agree."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import UnknownNameError
from dstheory.objectives import ALIASES, LACKING, ExpertChain, build, lookup
from dstheory.trainers import configuration_of, objective_of

TRL, VERL, RLHF, NEMO = "trl:grpo", "verl:ppo", "openrlhf:ppo", "nemo-rl:grpo"
N = "actor_rollout_ref.rollout.n=8"
GRPO = ("algorithm.adv_estimator=grpo", N)
AGG, KL = "actor_rollout_ref.actor.loss_agg_mode", "actor_rollout_ref.actor"
E = "algo.advantage.estimator"
SAMPLES = ("rollout.n_samples_per_prompt=8", "algo.kl.init_coef=0")
OPEN, SLIME = "open-instruct:grpo", "slime:grpo"
# name -> trainer, settings, by what the update of the configuration is longer in large batches ("tokens": shorter by E[L])
SAME = {
    "trl:grpo": (TRL, (), 1.0), "trl:dapo": (TRL, ("loss_type=dapo",), 1.0), "trl:grpo-loss": (TRL, ("loss_type=grpo",), 1.0),
    "trl:dr-grpo": (TRL, ("loss_type=dr_grpo", "max_completion_length=1024"), 1.0),
    "trl:cispo": (TRL, ("loss_type=cispo", "epsilon_high=5"), 1.0), "trl:luspo": (TRL, ("loss_type=luspo",), 1.0),
    "trl:gspo": (TRL, ("loss_type=grpo", "importance_sampling_level=sequence"), 1.0), "trl:sapo": (TRL, ("loss_type=sapo",), 1.0),
    "trl:rloo": ("trl:rloo", ("beta=0", "num_generations=8"), 1.0), "trl:sft": ("trl:sft", (), 1.0),
    "trl:dft": ("trl:sft", ("loss_type=dft",), 1.0), "trl:dpo": ("trl:dpo", (), 1.0),
    "trl:distillation": ("trl:distillation", (), 1.0),
    "verl:grpo": (VERL, GRPO, 1.0), "verl:seq-mean-token-sum": (VERL, (*GRPO, f"{AGG}=seq-mean-token-sum"), 1.0),
    "verl:seq-mean-token-mean": (VERL, (*GRPO, f"{AGG}=seq-mean-token-mean"), 1.0),
    "verl:dapo": (VERL, (*GRPO, f"{KL}.clip_ratio_high=0.28", "algorithm.filter_groups.enable=true"), 1.0),
    "verl:dr-grpo": (VERL, (*GRPO, "algorithm.norm_adv_by_std_in_grpo=false", f"{AGG}=seq-mean-token-sum-norm",
                            "data.max_response_length=1024"), 1.0),
    "verl:rloo": (VERL, ("algorithm.adv_estimator=rloo", N), "tokens"),
    "verl:opo": (VERL, ("algorithm.adv_estimator=opo", N), "tokens"),
    "verl:reinforce-plus-plus": (VERL, ("algorithm.adv_estimator=reinforce_plus_plus",), 1.0), "verl:gae": (VERL, (), 1.0),
    "openrlhf:grpo": (RLHF, (*SAMPLES, f"{E}=group_norm"), 1.0),
    "openrlhf:group-norm": (RLHF, (*SAMPLES, f"{E}=group_norm"), 1.0),
    "openrlhf:dr-grpo": (RLHF, (*SAMPLES, f"{E}=dr_grpo"), 1.0), "openrlhf:rloo": (RLHF, (*SAMPLES, f"{E}=rloo"), "tokens"),
    "openrlhf:reinforce-baseline": (RLHF, (*SAMPLES, f"{E}=reinforce_baseline"), 1.0),
    "openrlhf:gspo": (RLHF, (*SAMPLES, f"{E}=group_norm", "actor.policy_loss_type=gspo"), 1.0),
    "openrlhf:ppo": (RLHF, ("algo.kl.init_coef=0",), 1.0), "openrlhf:reinforce": (RLHF, (*SAMPLES, f"{E}=reinforce"), 1.0),
    "openrlhf:sft": ("openrlhf:sft", (), 1.0), "openrlhf:dpo": ("openrlhf:dpo", (), 1.0),
    "nemo-rl:rloo": (NEMO, ("grpo.normalize_rewards=false", "loss_fn.reference_policy_kl_penalty=0"), "tokens"),
    "open-instruct:grpo": (OPEN, ("num_samples_per_prompt_rollout=8", "beta=0"), 10.0),
    "open-instruct:standard": (OPEN, ("num_samples_per_prompt_rollout=8", "beta=0",
                                      "advantage_normalization_type=standard"), 1.0),
    "slime:grpo": (SLIME, ("n_samples_per_prompt=8",), 1.0),
    "slime:gspo": (SLIME, ("n_samples_per_prompt=8", "advantage_estimator=gspo"), 1.0),
    "slime:cispo": (SLIME, ("n_samples_per_prompt=8", "advantage_estimator=cispo"), 1.0),
    "slime:sft": (SLIME, ("loss_type=sft_loss",), 1.0),
}  # fmt: skip
# Local batches; a mode of the loss that says no normaliser; parts of a sum.
ELSEWHERE = {"trl:bnpo", "verl:gspo", "verl:low-var-kl", "verl:mse", "verl:kl-in-reward"}

START, EXPERT = Policy.minimal(p=0.4, a=0.85, b=0.35), Policy.minimal(p=0.9, a=0.95, b=0.9)
CHAIN = solve(TwoStageMDP.minimal(gamma=1.0, max_turns=3, sample_length=[[30.0, 70.0]], decision_length=2.0), START)


@pytest.mark.parametrize("name", SAME)
def test_the_name_and_the_configuration_are_one_objective(name: str) -> None:
    trainer, settings, factor = SAME[name]
    training = configuration_of(trainer, settings=settings, prompts=float("inf")).training
    configured = objective_of(training, CHAIN, reference=START, expert=EXPERT).gradient(CHAIN)
    teacher = EXPERT if name == "trl:distillation" else START
    named = build(name, {"reference": teacher, "demonstrations": ExpertChain(EXPERT)}).gradient(CHAIN)
    times = 1.0 / float(CHAIN.expected_tokens[0]) if factor == "tokens" else factor
    np.testing.assert_allclose(configured.sample, times * named.sample, rtol=1e-9)
    np.testing.assert_allclose(configured.decide, times * named.decide, rtol=1e-9)


def test_every_name_of_a_library_is_compared() -> None:
    assert {name for name in ALIASES if not name.startswith("paper:")} == SAME.keys() | ELSEWHERE


@pytest.mark.parametrize("name", LACKING)
def test_a_name_that_is_lacking_is_said_to_be(name: str) -> None:
    assert name not in ALIASES
    with pytest.raises(UnknownNameError, match=f"^{name} is not an objective of this package: "):
        lookup(name.replace("-", "_"))

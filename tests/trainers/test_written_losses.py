"""What `explain` computes is the gradient of the loss that a library's source states, batch by batch.

Each loss is written out in written.py by what was read in the sources: TRL 1.16.0, verl 0.9.1, OpenRLHF 0.11.2, NeMo-RL at
7ea279a, open-instruct at e6c3044, slime at 624b824. Batches hold few prompts and few responses, and all are gone through.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from trainers import written
from trainers.written import LATER, LENGTHS, REFERENCE, SAMPLER, WEIGHTS, World

from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import DSTheoryError
from dstheory.objectives import ExpertChain, SFTSequenceMean
from dstheory.trainers import configuration_of
from dstheory.trainers.explanation import StartingPoint, explain
from dstheory.trainers.training import Training
from dstheory.trainers.translation import objective_of, parts
from dstheory.trainers.words import statements

CHAIN = TwoStageMDP(correct=[[1, 0]] * 2, sample_length=[list(map(float, pair)) for pair in LENGTHS], decision_length=2.0,
                    max_turns=2, prompt_weight=WEIGHTS, gamma=1.0)  # fmt: skip
ON, OFF = World(), World(LATER, even=True)
GROUP = {"trl:grpo": "num_generations", "trl:rloo": "num_generations", "verl:ppo": "actor_rollout_ref.rollout.n",
         "openrlhf:ppo": "rollout.n_samples_per_prompt", "nemo-rl:grpo": "grpo.num_generations_per_prompt",
         "open-instruct:grpo": "num_samples_per_prompt_rollout", "slime:grpo": "n_samples_per_prompt"}  # fmt: skip
ACTOR = "actor_rollout_ref.actor."


def policy(logits) -> Policy:
    p, a, b = (1.0 / (1.0 + np.exp(-logits[:, i])) for i in range(3))
    return Policy.from_probabilities(np.stack([p, 1 - p], axis=1), np.stack([a, 1 - b], axis=1))


def shown(training: Training, world: World) -> np.ndarray:
    """The gradient by the logits of p, a and b of each prompt, as explain builds it."""
    here = policy(world.policy)
    sampler = None if world.policy is SAMPLER else policy(SAMPLER)
    s = solve(CHAIN, here)
    g = objective_of(training, s, reference=policy(REFERENCE), expert=here, sampler=sampler).gradient(s)
    return np.stack([g.sample[0, :, 0], g.decide[0, :, 0], -g.decide[0, :, 1]], axis=1)


def assert_same(trainer: str, settings, of, world: World = ON, sizes=((1, 3), (2, 2)), **more) -> None:
    for prompts, size in sizes:
        found = configuration_of(trainer, settings=(f"{GROUP[trainer]}={size}", *settings), prompts=prompts)
        there = world.gradient(partial(of, **more), prompts, size)
        assert shown(found.training, world) == pytest.approx(there, rel=1e-7, abs=1e-7 * np.abs(there).max()), (prompts, size)


@pytest.mark.parametrize("loss", ["dapo", "grpo", "dr_grpo", "luspo", "cispo", "sapo"])
def test_trl(loss: str) -> None:
    kl, masked = ("beta=0.04", f"loss_type={loss}"), ("mask_truncated_completions=true",)
    assert_same("trl:grpo", kl, written.trl, loss=loss, beta=0.04)
    assert_same("trl:grpo", (*kl, "use_bias_correction_kl=false"), written.trl, sizes=((1, 3),), loss=loss, beta=0.04, bias=False)
    if loss != "sapo":
        assert_same("trl:grpo", kl + masked, written.trl, sizes=((1, 3),), loss=loss, beta=0.04, masked=True)
    if loss in ("dapo", "grpo", "luspo"):
        of_response = (f"loss_type={loss}", "importance_sampling_level=sequence")
        assert_same("trl:grpo", of_response, written.trl, sizes=((1, 3),), loss=loss, of_response=True)
    if loss in ("dapo", "grpo", "dr_grpo"):
        for std in ("none", "batch"):
            assert_same("trl:grpo", (f"loss_type={loss}", f"scale_rewards={std}"), written.trl, loss=loss, std=std)


@pytest.mark.parametrize(("settings", "more"), [
    ((), {}), (("mask_truncated_completions=true", "beta=0"), {"masked": True, "beta": 0.0}),
])  # fmt: skip
def test_trls_rloo(settings, more) -> None:
    assert_same("trl:rloo", settings, written.rloo, **more)


AGGREGATIONS = {name: name for name in ("token-mean", "seq-mean-token-mean", "seq-mean-token-sum")}
AGGREGATIONS["seq-mean-token-sum-norm"] = "constant"


@pytest.mark.parametrize("mode", AGGREGATIONS)
def test_verl(mode: str) -> None:
    own, how, once = (f"{ACTOR}loss_agg_mode={mode}",), AGGREGATIONS[mode], ((1, 3),)
    grpo, kl = "algorithm.adv_estimator=grpo", (f"{ACTOR}use_kl_loss=true", f"{ACTOR}kl_loss_coef=0.05")
    paid = ("algorithm.use_kl_in_reward=true", "algorithm.kl_ctrl.kl_coef=0.05")
    assert_same("verl:ppo", (grpo, *own, *kl), written.verl, how=how, kl=0.05)
    for kind, name in (("k1", "kl"), ("k2", "mse"), ("k2", "low_var_kl+"), ("k2", "k1+")):
        settings = (grpo, *own, *kl, f"{ACTOR}kl_loss_type={name}")
        assert_same("verl:ppo", settings, written.verl, sizes=once, how=how, kl=0.05, kind=kind)
    assert_same("verl:ppo", ("algorithm.adv_estimator=rloo", *own, *paid), written.verl, credit="rloo", how=how, paid=0.05)
    plain = (grpo, "algorithm.norm_adv_by_std_in_grpo=false")
    assert_same("verl:ppo", (*plain, *own, *paid), written.verl, sizes=once, std=False, how=how, paid=0.05)
    for loss in ("gspo", "cispo"):
        assert_same(
            "verl:ppo", (grpo, *own, f"{ACTOR}policy_loss.loss_mode={loss}"), written.verl, sizes=once, how=how, loss=loss
        )


@pytest.mark.parametrize("mode", AGGREGATIONS)
def test_verls_sapo_is_averaged_over_each_response_whatever_the_aggregation(mode: str) -> None:
    settings = ("algorithm.adv_estimator=grpo", f"{ACTOR}policy_loss.loss_mode=sapo", f"{ACTOR}loss_agg_mode={mode}")
    assert_same("verl:ppo", settings, written.verl, loss="sapo")
    kl = (*settings, f"{ACTOR}use_kl_loss=true", f"{ACTOR}kl_loss_coef=0.05")
    if mode in ("token-mean", "seq-mean-token-mean"):
        assert_same("verl:ppo", kl, written.verl, loss="sapo", how=mode, kl=0.05, sizes=((1, 3),))
    else:
        found = configuration_of("verl:ppo", settings=kl)
        assert found.training.beta == 0.0
        assert any(lack.what == "the KL in the loss, which is divided as loss_agg_mode says" for lack in found.lacks)
        entropy = configuration_of("verl:ppo", settings=(*settings, f"{ACTOR}entropy_coeff=0.1"))
        assert entropy.training.entropy == 0.0
        assert any(lack.what == "the entropy bonus, which is divided as loss_agg_mode says" for lack in entropy.lacks)


def test_a_kl_in_the_reward_is_divided_by_the_constant_where_the_credit_is_the_reward_itself() -> None:
    settings = ("algorithm.adv_estimator=remax", "algorithm.use_kl_in_reward=true", "algorithm.kl_ctrl.kl_coef=0.05",
                f"{ACTOR}loss_agg_mode=seq-mean-token-sum-norm")  # fmt: skip
    assert_same("verl:ppo", settings, written.verl, sizes=((1, 3),), credit="reward", how="constant", paid=0.05)


@pytest.mark.parametrize("how", ["token-mean", "seq-mean-token-mean"])
def test_openrlhf(how: str) -> None:
    for std, name in ((False, "dr_grpo"), (True, "group_norm")):
        own = (
            f"algo.advantage.estimator={name}",
            f"actor.loss_agg_mode={how}",
            "algo.kl.init_coef=0.05",
            "algo.kl.use_loss=true",
        )
        for kind in ("k1", "k2", "k3"):
            settings = (*own, f"algo.kl.estimator={kind}")
            assert_same("openrlhf:ppo", settings, written.openrlhf, sizes=((1, 3),), std=std, how=how, kl=0.05, kind=kind)
        unbiased = (*own, "algo.kl.estimator=k3", "algo.kl.unbiased_gradient=true")
        assert_same("openrlhf:ppo", unbiased, written.openrlhf, std=std, how=how, kl=0.05, kind="k2")
        gspo = (*own, "algo.kl.estimator=k3", "actor.policy_loss_type=gspo")
        assert_same("openrlhf:ppo", gspo, written.openrlhf, sizes=((1, 3),), std=std, gspo=True, kl=0.05)


NEMO = {
    (): {},
    ("loss_fn.token_level_loss=false",): {"tokens": False},
    ("grpo.overlong_filtering=true",): {"masked": True},
    ("grpo.use_leave_one_out_baseline=false",): {"others": False},
    ("grpo.normalize_rewards=false",): {"scaled": False},
    ("grpo.normalize_rewards=false", "loss_fn.use_cispo=true"): {"scaled": False, "cispo": True},
    ("loss_fn.token_level_loss=false", "loss_fn.sequence_level_importance_ratios=true"): {"tokens": False, "of_response": True},
}


@pytest.mark.parametrize("settings", NEMO, ids=" ".join)
def test_nemo_rl(settings) -> None:
    assert_same("nemo-rl:grpo", settings, written.nemo, **NEMO[settings])


def test_nemo_rl_leaves_truncated_responses_out_of_the_number_of_responses() -> None:
    """Over each response's own tokens: in large batches the mean is over those that are left, of few it is said to be off."""
    settings = ("grpo.overlong_filtering=true", "loss_fn.token_level_loss=false", "grpo.num_generations_per_prompt=3")
    many = configuration_of("nemo-rl:grpo", settings=settings, prompts=float("inf"))
    assert many.lacks == ()
    kept = sum(w * (1 - p * (1 - a) - (1 - p) * b)
               for w, (p, a, b) in zip(WEIGHTS, 1 / (1 + np.exp(-SAMPLER)), strict=True))  # fmt: skip

    def in_the_limit(b: written.Batches):
        """One group of a batch without end: the number of those that are left is no random number."""
        over_all = written.nemo(b, tokens=False, masked=True) * np.maximum(b.whole.sum(axis=(1, 2)), 1.0) / b.whole[0].size
        return over_all / kept

    there = ON.gradient(in_the_limit, 1, 3)
    assert shown(many.training, ON) == pytest.approx(there, rel=1e-7)
    for prompts, size in ((1, 2), (1, 3), (2, 2)):
        few = configuration_of(
            "nemo-rl:grpo", settings=(*settings[:2], f"grpo.num_generations_per_prompt={size}"), prompts=prompts
        )
        (lack,) = few.lacks
        assert lack.what.endswith(f"it may be off by up to about one part in {prompts * size}, the number of responses")
        exact = ON.gradient(partial(written.nemo, tokens=False, masked=True), prompts, size)
        assert np.abs(shown(few.training, ON) - exact).max() < np.abs(exact).max() / (prompts * size)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (("nemo-rl:grpo", "grpo.overlong_filtering=true", "loss_fn.token_level_loss=false",
          "loss_fn.reference_policy_kl_penalty=0"), "the number of responses that are left divides them"),
        (("open-instruct:grpo", "loss_denominator=400", "beta=0"), "a constant divides however many groups are left"),
    ],
)  # fmt: skip
def test_the_noise_of_an_unknown_number_of_responses_is_not_that_of_a_known_one(dstheory, what, why: str) -> None:
    ran = dstheory("signal", *what, "--max-turns", 3)
    assert ran.code == 1
    assert why in " ".join(ran.err.split())


@pytest.mark.parametrize("tokens", [False, True])
def test_slime(tokens: bool) -> None:
    own = (f"calculate_per_token_loss={str(tokens).lower()}",)
    assert_same("slime:grpo", own, written.slime, tokens=tokens)
    assert_same("slime:grpo", (*own, "disable_grpo_std_normalization=true"), written.slime, tokens=tokens, std=False)
    for loss in ("gspo", "cispo"):
        assert_same("slime:grpo", (*own, f"advantage_estimator={loss}"), written.slime, sizes=((1, 3),), tokens=tokens, loss=loss)
    kl = (*own, "use_kl_loss=true", "kl_loss_coef=0.05", "ref_load=here")
    for kind in ("k1", "k2", "k3"):
        settings = (*kl, f"kl_loss_type={kind}")
        assert_same("slime:grpo", settings, written.slime, sizes=((1, 3),), tokens=tokens, kl=0.05, kind=kind)
    settings = (*kl, "kl_loss_type=k3", "use_unbiased_kl=true")
    assert_same("slime:grpo", settings, written.slime, tokens=tokens, kl=0.05, kind="k3", unbiased=True)


@pytest.mark.parametrize("dropped", [True, False])
def test_open_instruct(dropped: bool) -> None:
    own = (f"filter_zero_std_samples={str(dropped).lower()}",)
    assert_same("open-instruct:grpo", own, written.open_instruct, dropped=dropped)
    for kind, number in (("k1", 0), ("k2", 1)):
        settings = (*own, f"kl_estimator={number}")
        assert_same("open-instruct:grpo", settings, written.open_instruct, sizes=((1, 3),), dropped=dropped, kind=kind)
    scaled = (*own, "advantage_normalization_type=standard", "verification_reward=1000000")  # epsilon is not scaled with it
    assert_same("open-instruct:grpo", scaled, written.open_instruct, sizes=((1, 3),), dropped=dropped, std=True)
    assert_same(
        "open-instruct:grpo", (*own, "loss_fn=cispo"), written.open_instruct, sizes=((1, 3),), dropped=dropped, cispo=True
    )


@pytest.mark.parametrize("mini_batches", [1, 2])
@pytest.mark.parametrize("dropped", [True, False])
def test_open_instructs_constant_does_not_ask_how_many_groups_or_responses_are_left(dropped: bool, mini_batches: int) -> None:
    for prompts, size in ((1, 3), (2, 2)):
        own = (f"filter_zero_std_samples={str(dropped).lower()}", f"num_mini_batches={mini_batches}", "loss_denominator=40",
               f"num_unique_prompts_rollout={prompts * mini_batches}", "beta=0")  # fmt: skip
        more = {"dropped": dropped, "constant": 40.0, "beta": 0.0}
        assert_same("open-instruct:grpo", own, written.open_instruct, sizes=((prompts, size),), **more)
        assert_same(
            "open-instruct:grpo",
            (*own[:-1], "beta=0.5"),
            written.open_instruct,
            sizes=((prompts, size),),
            **{**more, "beta": 0.5},
        )
    assert "D4" not in {claim for claim, _ in statements(configuration_of("open-instruct:grpo", settings=own[2:3]).training)}


STALE = {
    ("trl:grpo", "loss_type=dapo"): (written.trl, {}),
    ("trl:grpo", "loss_type=grpo", "importance_sampling_level=sequence"): (written.trl, {"loss": "grpo", "of_response": True}),
    ("trl:grpo", "epsilon_high=0.3", "delta=1.4"): (written.trl, {"high": 0.3, "delta": 1.4}),
    ("trl:grpo", "scale_rewards=batch", "loss_type=dr_grpo"): (written.trl, {"std": "batch", "loss": "dr_grpo"}),
    ("trl:rloo", "beta=0"): (written.rloo, {"beta": 0.0}),
    ("verl:ppo", "algorithm.adv_estimator=grpo", f"{ACTOR}policy_loss.loss_mode=cispo"): (written.verl, {"loss": "cispo"}),
    ("slime:grpo", "advantage_estimator=cispo"): (written.slime, {"loss": "cispo"}),
    ("open-instruct:grpo", "loss_fn=cispo", "beta=0"): (written.open_instruct, {"cispo": True, "beta": 0.0}),
    ("nemo-rl:grpo", "loss_fn.reference_policy_kl_penalty=0"): (written.nemo, {"beta": 0.0}),
}


@pytest.mark.parametrize("what", STALE, ids=" ".join)
def test_on_the_responses_of_an_earlier_policy(what) -> None:
    loss, more = STALE[what]
    assert_same(what[0], what[1:], loss, OFF, **more)


@pytest.mark.parametrize("more", [(), ("loss_type=grpo",), ("mask_truncated_completions=true",)], ids=" ".join)
@pytest.mark.parametrize("bias", [True, False])
def test_the_kl_in_the_loss_on_the_responses_of_an_earlier_policy(bias: bool, more) -> None:
    """A KL is that of the token that decides an answer, and so is its ratio; the reward's, spread evenly, are left out."""
    loss = {"loss": "grpo" if more == ("loss_type=grpo",) else "dapo", "masked": more == ("mask_truncated_completions=true",)}
    settings = ("num_generations=3", "beta=0.4", f"use_bias_correction_kl={str(bias).lower()}", *more)
    with_it = configuration_of("trl:grpo", settings=settings, prompts=1).training
    without = Training(**{**with_it.__dict__, "beta": 0.0})
    world = World(LATER)

    def penalty(b: written.Batches):
        return written.trl(b, beta=0.4, bias=bias, **loss) - written.trl(b, **loss)

    there = world.gradient(penalty, 1, 3)
    assert shown(with_it, world) - shown(without, world) == pytest.approx(there, rel=1e-6, abs=1e-7 * np.abs(there).max())


def test_the_deviation_of_a_large_batch_is_that_of_whoever_generated_it() -> None:
    settings = ("scale_rewards=batch", "loss_type=dr_grpo", "num_generations=3")
    p, a, b = (1.0 / (1.0 + np.exp(-SAMPLER))).T
    accuracy = float(np.dot(WEIGHTS, p * a + (p * (1 - a) + (1 - p) * b) * p))

    def in_the_limit(batch: written.Batches):
        return written.trl(batch, loss="dr_grpo", std="none") / (np.sqrt(accuracy * (1 - accuracy)) + 1e-4)

    found = shown(configuration_of("trl:grpo", settings=settings).training, OFF)
    assert found == pytest.approx(OFF.gradient(in_the_limit, 1, 3), rel=1e-7)


def test_nemo_rls_kl_has_no_ratio_to_the_generating_policy_unless_asked() -> None:
    own = configuration_of("nemo-rl:grpo").training
    asked = configuration_of("nemo-rl:grpo", settings=("loss_fn.use_on_policy_kl_approximation=true",)).training
    assert (own.estimator, asked.estimator) == ("k3-self", "k3-ratio")
    here = policy(LATER)
    place = StartingPoint(CHAIN, here, policy(REFERENCE), here, policy(SAMPLER))
    found = explain(configuration_of("nemo-rl:grpo"), place)
    assert found.formula.endswith("- 0.01 log(pi/ref)]/(sum of batch L)")
    assert found.why_not == "k3 times a ratio that is 1 in the loss, of whole or of stale responses only, is not modelled"


def test_nemo_rls_dynamic_sampling_leaves_single_responses_out() -> None:
    """Whose others all agree: with the leave-one-out baseline the deviation that is asked is a response's own."""
    for more in ((), ("grpo.normalize_rewards=false",)):
        found = configuration_of("nemo-rl:grpo", settings=("grpo.use_dynamic_sampling=true", *more))
        assert found.training.credit == "other"
        assert any("single responses are left out" in lack.what for lack in found.lacks)
    kept = configuration_of("nemo-rl:grpo", settings=("grpo.use_dynamic_sampling=true", "grpo.use_leave_one_out_baseline=false"))
    assert (kept.training.credit, kept.training.dead_groups, kept.lacks) == ("group-mean", "drawn again", ())


@pytest.mark.parametrize(("trainer", "settings", "masked", "far"), [
    ("verl:ppo", (f"{ACTOR}use_kl_loss=true", "algorithm.adv_estimator=grpo", "actor_rollout_ref.rollout.n=8"), 10.0, 0.03),
    ("openrlhf:ppo", ("algo.kl.use_loss=true", "algo.kl.estimator=k2", "algo.advantage.estimator=dr_grpo",
                      "rollout.n_samples_per_prompt=8"), 10.0, 0.005),
    ("nemo-rl:grpo", (), 10.0, 0.03),
    ("nemo-rl:grpo", ("loss_fn.kl_output_clamp_value=2",), 2.0, 0.1),
    ("slime:grpo", ("use_kl_loss=true", "kl_loss_coef=0.1", "kl_loss_type=low_var_kl", "n_samples_per_prompt=8"), 10.0,
     0.03),
])  # fmt: skip
def test_an_estimate_that_is_beyond_the_librarys_bound_is_told(trainer: str, settings, masked: float, far: float) -> None:
    """k3 = 10 where the reference is 13.6 times as likely: beyond, a token has no gradient from the KL."""
    found = configuration_of(trainer, settings=settings)
    assert found.training.kl_bound == masked
    for p, told in ((0.45, False), (far, True)):
        here = Policy.minimal(p=p, a=0.8, b=0.3)
        place = StartingPoint(TwoStageMDP.minimal(gamma=1.0), here, Policy.minimal(p=0.5, a=0.8, b=0.3), here)
        warnings = explain(found, place).configuration.warnings
        assert any("bounds its estimate of the KL" in text for text in warnings) == told, p
    for without in (("slime:grpo", ("use_kl_loss=true", "kl_loss_type=k3", "ref_load=x")), ("trl:grpo", ("beta=0.1",))):
        assert configuration_of(without[0], settings=without[1]).training.kl_bound == float("inf")


SAID = {
    ("verl:ppo", "reward.reward_kwargs.overlong_buffer_cfg.enable=true"): "overlong responses are punished",
    ("verl:ppo", "reward_model.reward_kwargs.overlong_buffer_cfg.enable=true"): "overlong responses are punished",
    ("verl:ppo", "reward_model.overlong_buffer.enable=true"): "overlong responses are punished",
    ("verl:ppo", "trainer.v1.trainer_mode=separate_async"): "generated by earlier policies",
    ("openrlhf:ppo", "reward.clip_range=[-1,1]"): "credits are clipped",
    ("openrlhf:ppo", "algo.dynamic_filtering_range=[0.1,0.9]"): "groups are kept whose mean reward lies in that range",
    ("nemo-rl:grpo", "policy.generation.temperature=0.7"): "at another temperature",
    ("nemo-rl:grpo", "policy.generation.top_p=0.9"): "a truncated distribution",
    ("nemo-rl:grpo", "policy.generation.top_k=20"): "a truncated distribution",
    ("nemo-rl:grpo", "reward_penalties.penalize_malformed_think_tag=true"): "malformed thoughts get the reward 0",
    ("nemo-rl:grpo", "grpo.invalid_tool_call_advantage=-5"): "a credit of their own",
    ("nemo-rl:grpo", "grpo.malformed_thinking_advantage=-5"): "a credit of their own",
    ("nemo-rl:grpo", "grpo.adv_estimator.name=reinforce_plus_plus", "grpo.overlong_filtering=true"): "or not counted",
    ("slime:grpo", "partial_rollout=true"): "begun by an earlier policy",
    ("slime:grpo", "over_sampling_batch_size=64"): "whose responses end first",
    ("open-instruct:grpo", "apply_verifiable_reward=false"): "not that of a correct answer",
    ("open-instruct:grpo", "mask_tool_use=false"): "what tools return",
    ("trl:grpo", "entropy_coef=0.1"): "the tokens of each micro-batch",
    ("verl:ppo", "actor_rollout_ref.rollout.n=8", "algorithm.adv_estimator=gae"): "one part in 2048, the number of responses",
}


@pytest.mark.parametrize("what", SAID, ids=" ".join)
def test_what_changes_the_gradient_and_is_not_modelled_is_said(what) -> None:
    lacks = configuration_of(what[0], settings=what[1:]).lacks
    assert len([lack for lack in lacks if SAID[what] in lack.what]) == 1


def test_a_program_that_trains_on_responses_of_the_policy_before_is_told(tmp_path) -> None:
    for program, stale in (("train_async.py", True), ("train.py", False)):
        file = tmp_path / f"{program}.sh"
        file.write_text(f"python3 {program} --advantage-estimator grpo --n-samples-per-prompt 8 --rollout-batch-size 32\n")
        lacks = configuration_of(file).lacks
        assert [lack.what for lack in lacks] == (
            ["responses are generated by the policy before the last update"] if stale else []
        )


def test_an_entropy_bonus_over_the_tokens_of_the_batch_whatever_divides_the_reward() -> None:
    """In large batches: minus the entropies' derivative over E[L], beside a reward that a constant or 1/L divides."""

    def mean_entropy(b: written.Batches):
        return -0.1 * (b.entropy * b.mask).sum(axis=(1, 2, 3)) / (b.mask[0, ..., 0].size * tokens)

    p, a, b = (1.0 / (1.0 + np.exp(-SAMPLER))).T
    (r, w), d = np.array(LENGTHS, float).T, 2.0
    again = p * (1 - a) + (1 - p) * b
    tokens = float(np.dot(WEIGHTS, (1 + again) * (p * r + (1 - p) * w) + d))
    there = ON.gradient(mean_entropy, 1, 1)
    for trainer, with_it in (
        ("trl:grpo", ("loss_type=dr_grpo", "entropy_coef=0.1")), ("trl:grpo", ("loss_type=grpo", "entropy_coef=0.1")),
        ("trl:grpo", ("loss_type=sapo", "entropy_coef=0.1")), ("trl:grpo", ("loss_type=luspo", "entropy_coef=0.1")),
        ("openrlhf:ppo", ("algo.advantage.estimator=dr_grpo", "actor.loss_agg_mode=seq-mean-token-mean", "actor.entropy_coef=0.1",
                          "algo.kl.init_coef=0", "rollout.n_samples_per_prompt=8")),
        ("openrlhf:ppo", ("algo.advantage.estimator=dr_grpo", "actor.policy_loss_type=gspo", "actor.entropy_coef=0.1",
                          "algo.kl.init_coef=0", "rollout.n_samples_per_prompt=8")),
        ("verl:ppo", ("algorithm.adv_estimator=grpo", f"{ACTOR}policy_loss.loss_mode=sapo", f"{ACTOR}entropy_coeff=0.1",
                      "actor_rollout_ref.rollout.n=8")),
    ):  # fmt: skip
        found = configuration_of(trainer, settings=with_it, prompts=float("inf")).training
        assert found.entropy_normaliser == "batch-tokens"
        without = Training(**{**found.__dict__, "entropy": 0.0})
        assert shown(found, ON) - shown(without, ON) == pytest.approx(there, rel=1e-6), (trainer, with_it)


D4 = {
    "k1": ((f"{ACTOR}kl_loss_type=kl",), lambda x, r: 0.0 * x),
    "k2": ((f"{ACTOR}kl_loss_type=mse",), lambda x, r: x * (1 - x) * (np.log(x / r) - np.log((1 - x) / (1 - r)))),
    "k3": ((f"{ACTOR}kl_loss_type=low_var_kl",), lambda x, r: x - r),
}


@pytest.mark.parametrize(("mode", "below"), [("seq-mean-token-sum", 1.0), ("seq-mean-token-sum-norm", 512.0)])
@pytest.mark.parametrize("kind", D4)
def test_where_a_kl_is_said_to_have_the_gradient_of_an_exact_one_it_has_it(kind: str, mode: str, below: float) -> None:
    """D4 asks that all answers of a prompt weigh the same. They do where it is said, whatever their lengths."""
    settings, slope = D4[kind]
    own = ("algorithm.adv_estimator=grpo", "actor_rollout_ref.rollout.n=3", f"{ACTOR}loss_agg_mode={mode}")
    found = configuration_of("verl:ppo", settings=(*own, *settings, f"{ACTOR}use_kl_loss=true", f"{ACTOR}kl_loss_coef=0.05"))
    (said,) = [text for claim, text in statements(found.training) if claim == "D4"]
    assert said.endswith("here all answers of a prompt weigh the same.")
    without = Training(**{**found.training.__dict__, "beta": 0.0})
    x, r = (1.0 / (1.0 + np.exp(-logits)) for logits in (SAMPLER, REFERENCE))
    p, a, b = x.T
    attempts = 1.0 + p * (1 - a) + (1 - p) * b  # the second one has no decision
    visits = np.array(WEIGHTS)[:, None] * np.stack([attempts, p, 1 - p], axis=1)
    expected = -0.05 * visits * slope(x, r) / below
    penalty = shown(found.training, ON) - shown(without, ON)
    assert penalty == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_d4_is_not_said_where_lengths_divide_or_responses_are_left_out() -> None:
    for more in (
        {"normaliser": "response-tokens"},
        {"normaliser": "batch-tokens"},
        {"masked": "left out"},
        {"dead_groups": "left out"},
    ):
        training = Training(**{"beta": 0.1, "estimator": "k2", "normaliser": "responses", **more})
        assert "D4" not in {claim for claim, _ in statements(training)}, more


@pytest.mark.parametrize("what", [
    ("nemo-rl:grpo", "loss_fn.use_cispo=true", "loss_fn.token_level_loss=false"),
    ("nemo-rl:grpo", "loss_fn.use_cispo=true", "loss_fn.disable_ppo_ratio=true"),
    ("nemo-rl:grpo", "loss_fn.use_cispo=true", "loss_fn.ratio_clip_c=3"),
    ("nemo-rl:grpo", "loss_fn.use_cispo=true", "loss_fn.force_on_policy_ratio=true"),
    ("open-instruct:grpo", "num_samples_per_prompt_rollout=1"),
    ("open-instruct:grpo", "active_sampling=true", "filter_zero_std_samples=false"),
    ("slime:grpo", "advantage_estimator=reinforce_plus_plus_baseline", "n_samples_per_prompt=8"),
], ids=" ".join)  # fmt: skip
def test_what_the_library_does_not_start_with_is_refused(what) -> None:
    with pytest.raises(DSTheoryError, match=f"^the command line: {what[1].split('=')[0]}"):
        configuration_of(what[0], settings=what[1:])


def test_what_the_tokens_of_the_batch_divide_is_taken_on_the_groups_that_are_kept() -> None:
    """OpenRLHF with dynamic filtering: its KL is that of the responses kept, one right and one wrong. By hand."""
    filtered = ("algo.dynamic_filtering_enable=true", "rollout.n_samples_per_prompt=2", "actor.loss_agg_mode=seq-mean-token-mean")
    kl = ("algo.kl.use_loss=true", "algo.kl.estimator=k2", "algo.kl.init_coef=0.1", "algo.advantage.estimator=group_norm")
    training = configuration_of("openrlhf:ppo", settings=(*filtered, *kl), prompts=1).training
    p, at = 0.3, 0.6
    mdp = TwoStageMDP(correct=[[1, 0]], sample_length=[[30.0, 70.0]], max_turns=1, gamma=1.0)
    here, there = (Policy.minimal(p=x, a=0.5, b=0.5) for x in (p, at))
    _, penalty = (
        part.factor * part.objective.gradient(solve(mdp, here)).sample[0, 0, 0]
        for part in parts(training, solve(mdp, here), reference=there, expert=here)
    )
    assert penalty == pytest.approx(-0.1 * ((1 - p) * math.log(p / at) - p * math.log((1 - p) / (1 - at))) / 100, rel=1e-10)


AGAIN = {"verl:ppo": "algorithm.filter_groups.enable=true", "openrlhf:ppo": "algo.dynamic_filtering_enable=true",
         "slime:grpo": "dynamic_sampling_filter_path=mine.py"}  # fmt: skip
ENTROPIES = {
    "trl, truncated masked": ("trl:grpo", ("entropy_coef=0.1", "mask_truncated_completions=true"), "token-mean"),
    "verl, tokens of the batch": ("verl:ppo", (f"{ACTOR}entropy_coeff=0.1", f"{ACTOR}loss_agg_mode=token-mean"), "token-mean"),
    "verl, own tokens": (
        "verl:ppo", (f"{ACTOR}entropy_coeff=0.1", f"{ACTOR}loss_agg_mode=seq-mean-token-mean"), "seq-mean-token-mean"
    ),
    "verl, responses": (
        "verl:ppo", (f"{ACTOR}entropy_coeff=0.1", f"{ACTOR}loss_agg_mode=seq-mean-token-sum"), "seq-mean-token-sum"
    ),
    "slime, own tokens": ("slime:grpo", ("entropy_coef=0.1",), "seq-mean-token-mean"),
    "openrlhf": (
        "openrlhf:ppo", ("actor.entropy_coef=0.1", "algo.kl.init_coef=0", "algo.advantage.estimator=dr_grpo"), "token-mean"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "again"), [(name, again) for name in ENTROPIES for again in (False, True)
                                             if not again or ENTROPIES[name][0] in AGAIN])  # fmt: skip
def test_an_entropy_bonus_is_differentiated_at_the_states_of_responses_that_count(name: str, again: bool) -> None:
    """Over few tokens, or where groups are drawn again, what divides it and whether it counts go with the action taken."""
    trainer, settings, how = ENTROPIES[name]
    settings = (*settings, *([AGAIN[trainer]] if again else []), *(["algorithm.adv_estimator=grpo"] if "verl" in trainer else []))
    for prompts, size in ((1, 3), (2, 2)):
        rates = 1 / (1 + np.exp(-SAMPLER))
        right = [p * a / (p * a + (1 - p) * (1 - b)) for p, a, b in rates]
        again_once = [p * (1 - a) + (1 - p) * b for p, a, b in rates]
        accuracy = [r * (1 - q) + q * p for r, q, (p, _, _) in zip(right, again_once, rates, strict=True)]
        mixed = sum(w * (1 - r**size - (1 - r) ** size) for w, r in zip(WEIGHTS, accuracy, strict=True)) ** prompts

        def bonus(b: written.Batches, mixed=mixed) -> np.ndarray:
            mask = b.mask * b.whole[..., None] if "masked" in name else b.mask
            found = -0.1 * written.reduced(b.entropy, mask, how)
            kept = (b.reward.max(axis=-1) > b.reward.min(axis=-1)).all(axis=-1)
            return np.where(kept, found, 0.0) / mixed if again else found

        training = configuration_of(trainer, settings=(f"{GROUP[trainer]}={size}", *settings), prompts=prompts).training
        found = shown(training, ON) - shown(Training(**{**training.__dict__, "entropy": 0.0}), ON)
        there = ON.gradient(bonus, prompts, size)
        assert found == pytest.approx(there, rel=1e-7, abs=1e-7 * np.abs(there).max()), (prompts, size)


def test_the_demonstrations_of_a_batch_are_counted() -> None:
    """Of a batch of one the mean over tokens is that over the demonstration's own, which the sequence mean is of any."""
    here, expert = policy(SAMPLER), policy(LATER)
    s = solve(CHAIN, here)
    for prompts, same in ((1, True), (2, False), (math.inf, False)):
        training = configuration_of("trl:sft", settings=(), prompts=prompts).training
        g = objective_of(training, s, reference=here, expert=expert).gradient(s)
        alone = SFTSequenceMean(ExpertChain(expert)).gradient(s)
        assert np.allclose(g.sample, alone.sample, rtol=1e-10, atol=0) == same


def test_a_distillation_of_few_responses_says_that_many_are_shown() -> None:
    for prompts, said in ((4, ["one part in 4, the number"]), (math.inf, [])):
        lacks = [lack.what for lack in configuration_of("trl:gkd", settings=(), prompts=prompts).lacks if lack.key == "prompts"]
        assert len(lacks) == len(said)
        assert all(words in what for words, what in zip(said, lacks, strict=True))

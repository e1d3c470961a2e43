"""Configurations of each library: what they say of the objective, by hand; what contradicts itself; what is not there."""

from __future__ import annotations

from math import inf, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import DSTheoryError, UnknownNameError
from dstheory.objectives import DPO, GRPO, DAPOBatch, Distillation
from dstheory.objectives.expectation.rewards import reward_terms
from dstheory.trainers import Configuration, configuration_of
from dstheory.trainers.configuration import with_rewards
from dstheory.trainers.explanation import clipped
from dstheory.trainers.libraries import all_trainers
from dstheory.trainers.logged import logged_loss, why_not
from dstheory.trainers.training import Training
from dstheory.trainers.translation import objective_of
from dstheory.trainers.words import latex, rows, statements

EXAMPLES = Path(__file__).parents[2] / "examples" / "trainers"
GROUP = {"credit": "group-mean", "std": "group", "ddof": 1}
# file -> trainer, fields of the training, number of settings that are not modelled
EXPECTED = {
    "trl_grpo.yaml": ("trl:grpo", {"credit": "group-mean", "std": "batch", "epsilon": 1e-4, "group_size": 8, "prompts": inf,
                                   "normaliser": "batch-tokens", "beta": 0.04, "estimator": "k3-ratio", "clip_high": 0.2}, 0),
    "trl_grpo.py": ("trl:grpo", {"std": "none", "epsilon": 0.0, "normaliser": "constant", "max_tokens": 512, "beta": 0.0}, 0),
    "trl_rloo.yaml": ("trl:rloo", {"credit": "leave-one-out", "std": "none", "group_size": 4, "normaliser": "responses",
                                   "ratio": "response", "reward_beta": 0.05, "reward_kl_after": False, "beta": 0.0}, 0),
    "trl_sft.json": ("trl:sft", {"method": "sft", "normaliser": "batch-tokens"}, 0),
    "verl_grpo.sh": ("verl:ppo", {**GROUP, "epsilon": 1e-6, "group_size": 8, "prompts": 128, "updates": 4.0, "beta": 0.001,
                                  "estimator": "k3", "normaliser": "batch-tokens", "dual_clip": 3.0, "reward_beta": 0.0}, 0),
    "verl_rloo.yaml": ("verl:ppo", {"credit": "leave-one-out", "std": "none", "group_size": 4, "normaliser": "responses",
                                    "reward_beta": 0.005, "beta": 0.0, "updates": 4.0}, 0),
    "openrlhf_grpo.sh": ("openrlhf:ppo", {**GROUP, "epsilon": 1e-9, "group_size": 8, "prompts": 128.0, "updates": 1.0,
                                          "normaliser": "batch-tokens", "beta": 0.001, "estimator": "k3", "reward_beta": 0.0,
                                          "clip_low": 0.2, "clip_high": 0.28}, 0),
    "nemo_rl_grpo.yaml": ("nemo-rl:grpo", {"credit": "leave-one-out", "std": "none", "group_size": 8, "prompts": 64.0,
                                           "updates": 1.0, "normaliser": "batch-tokens", "beta": 0.01, "estimator": "k3-self",
                                           "clip_low": 0.2, "clip_high": 0.28}, 0),
    "open_instruct_grpo.sh": ("open-instruct:grpo", {**GROUP, "ddof": 0, "epsilon": 1e-8, "group_size": 8, "prompts": 32.0,
                                                     "beta": 0.01, "estimator": "k3", "clip_high": 0.272, "factor": 1.0,
                                                     "dead_groups": "left out"}, 2),
    "slime_grpo.sh": ("slime:grpo", {**GROUP, "epsilon": 1e-6, "group_size": 8, "normaliser": "response-tokens", "beta": 0.001,
                                     "estimator": "k3", "clip_high": 0.28}, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_examples_say_what_they_are_written_to_say(name: str) -> None:
    trainer, fields, lacks = EXPECTED[name]
    found = configuration_of(EXAMPLES / name)
    assert found.trainer.id == trainer
    assert {field: getattr(found.training, field) for field in fields} == fields
    assert (found.unknown, found.unread, found.warnings, len(found.lacks)) == ((), (), (), lacks)


def test_every_example_is_tried() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == set(EXPECTED)


def write(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_the_file_says_which_line_sets_what_and_the_version_has_the_rest(tmp_path: Path) -> None:
    found = configuration_of(write(tmp_path, "# mine\nloss_type: grpo\n\nbeta: 1e-3\n"), settings=("num_generations=4",))
    by_key = {s.key: (s.value, s.line, s.given) for s in found.settings}
    assert by_key["loss_type"] == ("grpo", 2, True)
    assert by_key["beta"] == (0.001, 4, True)  # a number, as in YAML 1.2
    assert by_key["num_generations"] == (4, None, True)
    assert by_key["epsilon_high"] == (0.2, None, False)  # none there: epsilon's
    assert found.trainer.version == "1.16.0"


def test_keys_that_are_not_known_are_listed_and_not_guessed(tmp_path: Path) -> None:
    found = configuration_of(write(tmp_path, "loss_type: dapo\nscale_reward: none\nlearning_rate: 1e-6\nmy.own: 3\n"))
    assert [(e.key, e.value, e.line) for e in found.unknown] == [("scale_reward", None, 2), ("my.own", 3, 4)]
    assert found.training.std == "group"
    assert found.beside == 1


def test_settings_that_are_not_modelled_are_named(tmp_path: Path) -> None:
    found = configuration_of(write(tmp_path, "loss_type: dapo\noff_policy_mask_threshold: 0.1\nuse_vllm: true\ntop_k: 20\n"))
    assert [lack.key for lack in found.lacks] == [
        "top_k", "off_policy_mask_threshold", "use_vllm, vllm_importance_sampling_correction",
    ]  # fmt: skip


WHITE = "normalize_advantages=true"
NEMO_WHITENS = ("nemo-rl:grpo", "grpo.adv_estimator.name=reinforce_plus_plus")
CONTRADICTIONS = {
    ("trl:grpo", "generation_batch_size=64", "steps_per_generation=4"): "say the same: TRL refuses both",
    ("trl:rloo", "generation_batch_size=64", "steps_per_generation=4"): "say the same: TRL refuses both",
    ("verl:ppo", "algorithm.adv_estimator=grpo"): "a group of one has nothing to be compared with",
    ("verl:ppo", "algorithm.use_kl_in_reward=true", "actor_rollout_ref.actor.use_kl_loss=true"): "the KL is paid twice",
    ("verl:ppo", "actor_rollout_ref.actor.clip_ratio=0.3"): "clip_ratio does nothing",
    ("verl:ppo", "data.train_batch_size=16", "actor_rollout_ref.rollout.n=8"): "ppo_mini_batch_size is more than data.",
    ("slime:grpo", "kl_coef=0.1", "n_samples_per_prompt=8"): "kl_coef does nothing for this estimator",
    ("slime:grpo", "kl_loss_coef=0.1", "n_samples_per_prompt=8"): "kl_loss_coef does nothing without use_kl_loss",
    ("slime:grpo",): "its credit is always 0, nothing is learned",
    ("verl:ppo", "algorithm.kl_ctrl.kl_coef=0.01"): "kl_coef does nothing: algorithm.use_kl_in_reward",
    ("open-instruct:grpo", "num_samples_per_prompt_rollout=1", "filter_zero_std_samples=false"): "nothing is learned",
    ("openrlhf:ppo", "algo.kl.use_loss=true"): "k1 as a loss",
    ("openrlhf:ppo", "algo.advantage.estimator=dr_grpo", "rollout.n_samples_per_prompt=8"): "changes the credit alone",
    ("trl:grpo", "loss_type=luspo"): "LUSPO is defined for",
    ("trl:dpo", "label_smoothing=0.1"): "label_smoothing does nothing here",
    ("trl:grpo", "sync_ref_model=true"): "with beta 0 there is no reference",
    ("trl:grpo", "delta=0.5"): "delta of 1 or less",
    ("verl:ppo", "algorithm.adv_estimator=rloo"): "there are no others to be compared with; the credit is the reward itself",
    ("verl:ppo", "algorithm.adv_estimator=opo"): "rollout.n = 1: a group of one has nothing to be compared with",
    ("verl:ppo", "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-sum-norm"): "the constant is the padded length",
    ("verl:ppo", "actor_rollout_ref.actor.policy_loss.loss_mode=sapo"): "verl averages SAPO's loss over each response's tokens",
    ("openrlhf:ppo", "algo.kl.estimator=k3"): "OpenRLHF recommends k1 there",
    ("openrlhf:ppo", "algo.kl.use_loss=true", "actor.loss_agg_mode=seq-mean-token-mean"): "OpenRLHF divides the KL in the loss",
    ("nemo-rl:grpo",): "the standard deviation, too, is that of the other responses",
    ("slime:grpo", "use_kl_loss=true", "n_samples_per_prompt=8"): "the reference is missing",
    ("slime:grpo", "advantage_estimator=reinforce_plus_plus_baseline", WHITE): "its credit is always 0, nothing is learned",
    ("slime:grpo", "disable_grpo_std_normalization=true"): "its credit is always 0, nothing is learned",
    ("slime:grpo", "dynamic_sampling_filter_path=mine.py"): "shown as if it kept the groups",
    ("slime:grpo", "advantage_estimator=reinforce_plus_plus_baseline", WHITE, "kl_coef=0.1"): "kl_coef: for this estimator each",
    (*NEMO_WHITENS, "loss_fn.use_kl_in_reward=true", "loss_fn.reference_policy_kl_type=k1"): "use_kl_in_reward: each token",
    ("nemo-rl:grpo", "loss_fn.use_kl_in_reward=true"): "no KL enters anywhere",
}


@pytest.mark.parametrize(("what", "warning"), CONTRADICTIONS.items(), ids=lambda x: " ".join(x) if isinstance(x, tuple) else "")
def test_what_contradicts_itself_is_explained_with_a_warning(what: tuple[str, ...], warning: str) -> None:
    found = configuration_of(what[0], settings=what[1:])
    assert len([text for text in found.warnings if warning in text]) == 1


@pytest.mark.parametrize(("batch", "mini", "prompts", "updates"), [(16, 64, 16, 3), (16, 16, 16, 3), (64, 16, 16, 12)])
def test_a_mini_batch_of_verl_is_no_larger_than_its_batch(batch: int, mini: int, prompts: float, updates: float) -> None:
    """Where it was, the tokens of more prompts than there are divided."""
    given = {"data.train_batch_size": batch, "actor_rollout_ref.rollout.n": 8}
    given |= {"actor_rollout_ref.actor.ppo_mini_batch_size": mini, "actor_rollout_ref.actor.ppo_epochs": 3}
    found = configuration_of("verl:ppo", settings=[f"{key}={value}" for key, value in given.items()])
    assert (found.training.prompts, found.training.updates) == (prompts, updates)
    assert any("ppo_mini_batch_size is more than" in line for line in found.warnings) == (mini > batch)
    assert "data.train_batch_size" in [setting.key for setting in found.settings_of("prompts")] or mini <= batch


def test_every_warning_of_every_library_is_tried() -> None:
    rules = [rule for trainer in all_trainers().values() for rule in trainer.rules]
    assert [r.warn for r in rules if r.warn and not any(said in r.warn for said in CONTRADICTIONS.values())] == []


CLIPPED = {
    ("trl:grpo", "epsilon_high=0.28"): ["epsilon_high = 0.28"],
    ("trl:grpo", "epsilon=0.1", "delta=4"): ["epsilon = 0.1", "delta = 4"],
    ("trl:rloo", "epsilon_high=0.28"): ["epsilon_high = 0.28"],
    ("verl:ppo", "actor_rollout_ref.rollout.n=8", "actor_rollout_ref.actor.clip_ratio_high=0.28", "data.train_batch_size=256"): [
        "actor_rollout_ref.actor.clip_ratio_high = 0.28"
    ],
    ("openrlhf:ppo", "actor.eps_clip_low_high=[0.2,0.3]"): [],  # four updates per batch
    ("verl:ppo", "actor_rollout_ref.rollout.n=8", "actor_rollout_ref.actor.clip_ratio_high=0.28"): [],  # four
    ("trl:grpo",): [],  # not asked for
    ("trl:grpo", "epsilon_high=0.28", "num_iterations=2"): [],
    ("trl:grpo", "epsilon_high=0.28", "steps_per_generation=4"): [],
    ("trl:grpo", "epsilon_high=0.28", "generation_batch_size=64"): [],  # how many is not known
    ("trl:grpo", "epsilon_high=0.28", "gradient_accumulation_steps=4", "steps_per_generation=4"): ["epsilon_high = 0.28"],
    ("trl:grpo", "epsilon_high=0.28", "loss_type=cispo"): [],  # truncates at 0.28 itself, on the policy as well
    ("trl:grpo", "epsilon_high=5", "loss_type=cispo"): ["epsilon_high = 5"],
    ("trl:grpo", "epsilon_high=0.28", "loss_type=sapo"): [],  # has no clip
}


@pytest.mark.parametrize(("what", "idle"), CLIPPED.items(), ids=lambda x: " ".join(x) if isinstance(x, tuple) else "")
def test_a_clip_that_was_set_and_never_acts_is_told(dstheory, what: tuple[str, ...], idle: list[str]) -> None:
    said = dstheory("explain", *what, "--json").result["warnings"]
    assert [text.split(" never acts: with one update")[0] for text in said if "never acts" in text] == idle
    off = dstheory("explain", *what, "--sampler", "0.5,0.75,0.35", "--json").result["warnings"]
    assert not any("never acts" in text for text in off)


@pytest.mark.parametrize(
    ("settings", "updates"),
    [((), 1.0), (("steps_per_generation=8", "gradient_accumulation_steps=2"), 4.0), (("num_iterations=3",), 3.0),
     (("num_iterations=2", "steps_per_generation=4"), 8.0), (("gradient_accumulation_steps=4",), 1.0)],
)  # fmt: skip
def test_trls_updates_per_batch_of_responses(settings: tuple[str, ...], updates: float) -> None:
    for trainer in ("trl:grpo", "trl:rloo"):
        assert configuration_of(trainer, settings=settings).training.updates == updates


def test_the_rule_of_an_adaptive_kl_is_stated() -> None:
    adaptive = {
        "verl:ppo": ("algorithm.use_kl_in_reward=true", "algorithm.kl_ctrl.type=adaptive"),
        "openrlhf:ppo": ("algo.kl.target=0.1",),
    }
    for trainer, settings in adaptive.items():
        (lack,) = [lack for lack in configuration_of(trainer, settings=settings).lacks if "horizon" in lack.what]
        assert "rests only where the measured KL is the target" in lack.what


def test_a_key_that_is_set_twice_is_said_and_the_last_one_holds(tmp_path: Path) -> None:
    found = configuration_of(write(tmp_path, "loss_type: dapo\nbeta: 0.1\nscale_rewards: none\nbeta: 0.2\n"))
    assert found.training.beta == 0.2
    assert found.warnings == ("beta is set twice, to 0.1 in line 2 and to 0.2 in line 4: the last one holds",)


REFUSED = {
    "num_generations: 1\nloss_type: dapo\n": "mine.yaml, line 1: num_generations 1: GRPOTrainer needs at least two generations",
    "loss_type: dapoo\nscale_rewards: none\n": "mine.yaml, line 1: loss_type is 'dapoo': must be one of grpo, bnpo, dr_grpo,",
    "loss_type: dapo\nbeta: -0.1\n": "mine.yaml, line 2: beta is -0.1: must be at least 0 (GRPOTrainer)",
    "loss_type: dapo\nbeta: lots\n": "mine.yaml, line 2: beta is 'lots': must be a number (GRPOTrainer)",
    "loss_type: dapo\nbeta: .nan\n": "mine.yaml, line 2: beta is '.nan': must be a number (GRPOTrainer)",
    "loss_type: dapo\nnum_generations: 2.5\n": "mine.yaml, line 2: num_generations is 2.5: must be a whole number >= 1",
    "loss_type: dapo\nuse_bias_correction_kl: maybe\n": "line 2: use_bias_correction_kl is 'maybe': must be one of true, false",
    "loss_type: dapo\nscale_rewards: none\nnum_generations: " + "9" * 320: "line 3: num_generations is",
    "beta: 0.1\nnum_generations: 8\n": "mine.yaml may be of trl:grpo or trl:rloo: say which with --trainer",
    "colour: red\n": "none of them has the key colour; if it belongs to one of them, say which with --trainer",
    "learning_rate: 1\n": "its keys do not tell; if it belongs to one",
    "{}": "mine.yaml is not the configuration of a known trainer",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_cannot_be_is_refused_with_key_value_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DSTheoryError) as refused:
        configuration_of(write(tmp_path, text))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["trl:grop", "trll:grpo"])
def test_an_unknown_trainer_is_a_mistake_of_usage(name: str) -> None:
    with pytest.raises(UnknownNameError, match="did you mean trl:grpo"):
        configuration_of(name)


def kl(*settings: str) -> Configuration:
    return configuration_of("verl:ppo", settings=("actor_rollout_ref.rollout.n=8", "algorithm.use_kl_in_reward=true", *settings))


def test_a_kl_in_the_reward_that_is_not_modelled_is_named() -> None:
    (lack,) = kl("algorithm.adv_estimator=grpo").lacks
    assert lack.what == "a KL in the reward that is divided by a standard deviation, with the reward"
    (lack,) = kl("algorithm.adv_estimator=rloo", "algorithm.kl_penalty=low_var_kl").lacks
    assert lack.what == "k3 in the reward: only k1, the log-ratio, is modelled there"
    assert kl("algorithm.adv_estimator=rloo").lacks == ()


@pytest.mark.parametrize(("estimator", "formula"), [("k2", "log(pi/ref)^2/2"), ("k3", "(ref/pi - 1 + log(pi/ref))")])
def test_k2_and_k3_in_a_whitened_reward_are_neither_written_nor_computed_as_k1(dstheory, estimator: str, formula: str) -> None:
    settings = ("algo.advantage.estimator=reinforce", f"algo.kl.estimator={estimator}", "algo.kl.init_coef=0.5")
    found = dstheory("explain", "openrlhf:ppo", *settings, "--reference", "0.3,0.9,0.6", "--json").result
    assert f"(G_t - mean_tok)/std_tok with R - 0.5 sum of {formula} for R" in found["objective"]["formula"]
    assert any(lack["what"].startswith(f"{estimator} in the reward") for lack in found["not_modelled"])
    # without that KL: the gradient of the accuracy over its deviation and E[L] = 65/(1 - q), where turns have one length
    p, a, b = 0.55, 0.8, 0.3
    q = p * (1 - a) + (1 - p) * b
    accuracy = p * a / (1 - q)
    slope = a * p * (1 - b) * (1 - p) / (1 - q) ** 2 / (accuracy * (1 - accuracy)) ** 0.5 / (65 / (1 - q))
    assert found["moves"][0]["p"]["change"] == pytest.approx(p * (1 - p) * slope, rel=1e-9)


@pytest.mark.parametrize("settings", [
    ("actor_rollout_ref.actor.use_kl_loss=true", "actor_rollout_ref.actor.kl_loss_type=abs"),
    ("algorithm.use_kl_in_reward=true", "algorithm.kl_penalty=abs"),
])  # fmt: skip
def test_the_absolute_log_ratio_is_left_out_and_not_computed_as_k1(dstheory, settings: tuple[str, ...]) -> None:
    found = dstheory("explain", "verl:ppo", *settings, "--reference", "0.3,0.9,0.6", "--json").result
    assert any("the absolute value of the log-ratio" in lack["what"] for lack in found["not_modelled"])
    assert "KL" not in found["objective"]["parts"]  # there is one: "none" would be wrong
    assert [row["name"] for row in found["moves"]] == ["whole"]


@pytest.mark.parametrize(
    ("batch", "prompts", "normaliser", "lacks"),
    [(8, 1.0, "batch-tokens", 0), (16, 2.0, "batch-tokens", 0), (4, inf, "batch-tokens", 1), (1, inf, "response-tokens", 1)],
)
def test_bnpo_divides_by_the_tokens_of_the_local_batch(batch: int, prompts: float, normaliser: str, lacks: int) -> None:
    found = configuration_of("trl:grpo", settings=("loss_type=bnpo", f"per_device_train_batch_size={batch}"))
    assert (found.training.prompts, found.training.normaliser, len(found.lacks)) == (prompts, normaliser, lacks)


@pytest.mark.parametrize(
    "what",
    [("trl:dpo", "loss_type=aot"), ("trl:grpo", "loss_type=vespo"),
     ("verl:ppo", "algorithm.adv_estimator=gdpo")],
)  # fmt: skip
def test_another_objective_is_not_shown_as_one_that_is_here(dstheory, what: tuple[str, ...]) -> None:
    ran = dstheory("explain", *what)
    assert ran.code == 0
    assert "not attributed: its objective is one that this package does not have" in ran.out
    assert "What is proved" not in ran.out
    assert "% of the energy" not in ran.out


PAIR_LOSSES = [
    ("trl:dpo", ("loss_type=hinge",), "hinge", 1.0), ("trl:dpo", ("loss_type=ipo",), "ipo", 25.0),
    ("trl:dpo", ("loss_type=robust", "label_smoothing=0.1"), "robust", log(2.0)),
    ("trl:dpo", ("loss_type=exo_pair", "label_smoothing=0.5e-3"), "exo_pair", -log(2.0) - log(0.0005 * 0.9995) / 2),
    ("trl:dpo", ("loss_type=sppo_hard",), "sppo_hard", 50.0), ("trl:dpo", ("loss_type=nca_pair",), "nca_pair", 2 * log(2.0)),
    ("trl:dpo", ("loss_type=discopop", "discopop_tau=0.1"), "discopop", 0.5 * log(2.0) + 0.5),
    ("trl:dpo", ("loss_type=apo_down",), "apo_down", 1.0), ("openrlhf:dpo", ("model.ipo_enable=true",), "ipo_sum", 25.0),
    ("openrlhf:dpo", ("model.label_smoothing=0.1",), "sigmoid", log(2.0)),
]  # fmt: skip


@pytest.mark.parametrize(("trainer", "settings", "loss", "logged"), PAIR_LOSSES)
def test_a_loss_of_pairs_is_read_and_its_value_known(trainer: str, settings: tuple[str, ...], loss: str, logged: float) -> None:
    found = configuration_of(trainer, settings=settings)
    t, s = found.training, solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.4, a=0.7, b=0.5))
    assert (t.credit, t.loss, found.lacks, found.warnings) == ("group-mean", loss, (), ())
    assert logged_loss(t, s) == pytest.approx(logged, rel=1e-12)
    whole = objective_of(t, s, reference=s.policy, expert=s.policy)
    assert statements(t) == []
    assert "not known" not in why_not(t)
    assert whole == DPO(s.policy, beta=0.1, loss=loss, smoothing=t.smoothing, tau=t.tau)
    right = float(s.accuracy[0])
    assert float(whole.value(s)) == pytest.approx(-logged * 2 * right * (1 - right), rel=1e-9)  # of pairs of two outcomes


@pytest.mark.parametrize(
    ("trainer", "settings", "own", "lacks"),
    [("trl:gkd", (), 0.5, {"lmbda, seq_kd", "temperature"}), ("trl:gkd", ("lmbda=1", "temperature=1"), 1.0, set()),
     ("trl:gkd", ("lmbda=0", "temperature=1", "seq_kd=true"), 0.0, set()), ("trl:distillation", ("beta=0.5",), 1.0, set())],
)  # fmt: skip
def test_a_divergence_between_both_kl_is_read(trainer: str, settings: tuple[str, ...], own: float, lacks: set[str]) -> None:
    found = configuration_of(trainer, settings=settings)
    assert (found.training.interpolation, found.training.own_share) == (0.5, own)
    assert {lack.key for lack in found.lacks} == lacks
    s, teacher = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.4, a=0.7, b=0.5)), Policy.minimal(p=0.9, a=0.8, b=0.7)
    on, off = (Distillation(teacher, interpolation=0.5, states=states).gradient(s) for states in ("policy", "reference"))
    g = objective_of(found.training, s, reference=s.policy, expert=teacher).gradient(s)
    np.testing.assert_allclose(g.sample, own * on.sample + (1 - own) * off.sample, rtol=1e-12)
    np.testing.assert_allclose(g.decide, own * on.decide + (1 - own) * off.decide, rtol=1e-12)


FUNCTIONS = "correct + 0.5*turns + 0,1,0.25,1"
SEVERAL = ("correct", "turns", (0.0, 1.0, 0.25, 1.0))


@pytest.mark.parametrize(
    ("settings", "combine", "weights", "makes"),
    [
        (("loss_type=grpo",), "before", (1.0, 0.5, 1.0), lambda **k: GRPO(epsilon=1e-4, **k)),
        (("loss_type=grpo", "reward_weights=[2,1,-0.5]"), "before", (2.0, 0.5, -0.5), lambda **k: GRPO(epsilon=1e-4, **k)),
        (("multi_objective_aggregation=normalize_then_sum", "scale_rewards=none"), "after-batch", (1.0, 0.5, 1.0),
         lambda **k: DAPOBatch(epsilon=1e-4, clip_high=0.2, **k)),
    ],
)  # fmt: skip
def test_reward_functions_are_those_of_the_objective(settings, combine: str, weights, makes) -> None:
    found = with_rewards(configuration_of("trl:grpo", settings=settings), FUNCTIONS)
    t = found.training
    assert ((t.combine, found.lacks), "reward_weights" in dict(rows(t))["rewards"]) == ((combine, ()), False)
    s = solve(TwoStageMDP.minimal(gamma=1.0, max_turns=3, sample_length=[[3, 30]]), Policy.minimal(p=0.4, a=0.7, b=0.5))
    whole = objective_of(t, s, reference=s.policy, expert=s.policy)
    assert whole == makes(reward_functions=SEVERAL, reward_weights=weights, combine=combine)
    assert np.isfinite(whole.gradient(s).sample).all()
    assert (statements(t), logged_loss(t, s)) == ([], None)
    assert latex(t).count("{") == latex(t).count("}")
    assert clipped(t, s.mdp, s.policy, Policy.minimal(p=0.5, a=0.5, b=0.5)) is None


def test_one_reward_that_is_normalised_twice_is_divided_by_a_number_more() -> None:
    t = configuration_of("trl:grpo", settings=("multi_objective_aggregation=normalize_then_sum",)).training
    s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.4, a=0.7, b=0.5))
    one, other = (objective_of(each, s, reference=s.policy, expert=s.policy).gradient(s)
                  for each in (t, configuration_of("trl:grpo").training))  # fmt: skip
    x = float(s.accuracy[0])
    mixed = (7 / 8) * (1 - x**8 - (1 - x) ** 8)  # the mean square of a credit, but for epsilon
    np.testing.assert_allclose(one.decide, other.decide / (mixed**0.5 + 1e-4), rtol=1e-3)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("trl:sft", "--reward-functions", "correct+turns"), "SFTTrainer pays no rewards"),
        (("trl:grpo", "reward_weights=[1,2]", "--reward-functions", "turns"), "reward_weights is [1, 2]: must be 1 finite"),
        (("trl:grpo", "--reward-functions", "correct+length"), "reward function is 'length': must be one of correct"),
    ],
)
def test_reward_functions_that_make_no_sense_are_refused(dstheory, args: tuple[str, ...], says: str) -> None:
    ran = dstheory("explain", *args)
    assert ran.code != 0
    assert says in ran.err


@pytest.mark.parametrize("settings", [("scale_rewards=batch",), ("beta=0.1",)])
def test_reward_functions_are_shown_or_said_to_be_left_out(dstheory, settings: tuple[str, ...]) -> None:
    ran = dstheory("explain", "trl:grpo", *settings, "--reward-functions", "correct + -0.1*turns", "--max-turns", 3, "--json")
    assert ran.result["objective"]["parts"]["rewards"] == "correct + -0.1*turns, added before credits are formed"
    missing = "several reward functions with the credit group-mean over the standard deviation of the batch is not modelled"
    assert ran.result["not_attributed"] == (missing if settings == ("scale_rewards=batch",) else "")


def test_smoothing_that_a_loss_of_pairs_does_not_use_is_told() -> None:
    (warning,) = configuration_of("trl:dpo", settings=("label_smoothing=0.1",)).warnings
    assert "label_smoothing does nothing here" in warning
    with pytest.raises(DSTheoryError, match="exo_pair needs label_smoothing above 0"):
        configuration_of("trl:dpo", settings=("loss_type=exo_pair",))


def test_a_script_of_another_version_is_not_taken_for_another_library(tmp_path: Path) -> None:
    """OpenRLHF's flags had other names before, some of which are slime's now: those with plain names of today are read."""
    text = "python3 -m openrlhf.cli.train_ppo_ray --advantage_estimator group_norm --n_samples_per_prompt 8 --use_kl_loss\n"
    for trainer in (None, "openrlhf:ppo"):
        found = configuration_of(write(tmp_path, text, "run.sh"), trainer=trainer)
        assert (found.trainer.id, found.training.group_size, found.training.beta, found.unknown) == ("openrlhf:ppo", 8, 0.01, ())
    text = "python3 -m openrlhf.cli.train_ppo_ray --group 8 --kl_penalty\n"
    with pytest.raises(DSTheoryError, match=r"its keys are not those of OpenRLHF 0\.11\.2, .* is it of another version\?"):
        configuration_of(write(tmp_path, text, "run.sh"))


def test_a_slip_on_the_command_line_is_no_setting_and_one_in_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"GRPOTrainer has no key bta: did you mean beta"):
        configuration_of("trl:grpo", settings=("bta=0.04",))
    path = tmp_path / "slip.yaml"
    path.write_text("num_generations: 8\nscale_rewards: batch\nbta: 0.04\n", encoding="utf-8")
    assert "line 3: bta is not a key of GRPOTrainer: did you mean beta?" in configuration_of(str(path)).warnings


@pytest.mark.parametrize(("delta", "credit", "lacks"), [("0.5", "other", 1), ("1.1", "group-mean", 1), ("4", "group-mean", 0)])
def test_a_delta_that_stops_right_responses_is_told(delta: str, credit: str, lacks: int) -> None:
    found = configuration_of("trl:grpo", settings=(f"delta={delta}",))
    assert (found.training.credit, len([lack for lack in found.lacks if lack.key == "delta"])) == (credit, lacks)
    assert bool(found.warnings) == (credit == "other")


VERL_WHITENS = ("verl:ppo", "algorithm.adv_estimator=reinforce_plus_plus_baseline", "actor_rollout_ref.rollout.n=4")


@pytest.mark.parametrize(
    ("name", "credit"),
    [((*VERL_WHITENS, "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-mean"), "other"),
     ((*VERL_WHITENS, "actor_rollout_ref.actor.loss_agg_mode=token-mean"), "group-mean"),
     ((*NEMO_WHITENS, "loss_fn.token_level_loss=false"), "other"), (NEMO_WHITENS, "group-mean")],
)  # fmt: skip
def test_a_second_whitening_is_not_taken_for_nothing(name: tuple[str, ...], credit: str) -> None:
    training = configuration_of(name[0], settings=name[1:]).training
    assert (training.credit, training.whitening) == (credit, "again")
    s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 30]]), Policy.minimal(p=0.4, a=0.7, b=0.5))
    assert logged_loss(training, s) is None


def test_a_deviation_of_a_batch_that_cannot_be_counted_is_said_to_be_that_of_many() -> None:
    exact = configuration_of("trl:grpo", settings=("scale_rewards=batch", "num_generations=2"), prompts=2.0)
    assert exact.lacks == ()
    found = configuration_of("trl:grpo", settings=("scale_rewards=batch", "num_generations=2"), prompts=1e6)
    assert [lack.key for lack in found.lacks] == ["prompts of a standard deviation"]


@pytest.mark.parametrize("clip", ["ppo", "truncate"])
def test_a_constant_of_tokens_has_all_of_its_digits(clip: str) -> None:
    s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 30]]), Policy.minimal(p=0.4, a=0.7, b=0.5))
    own: dict[str, Any] = {"credit": "leave-one-out", "normaliser": "constant", "clip": clip, "group_size": 4.0}
    one, long = (objective_of(Training(max_tokens=n, **own), s, reference=s.policy, expert=s.policy) for n in (1.0, 1234567.0))
    np.testing.assert_allclose(1234567.0 * long.gradient(s).sample, one.gradient(s).sample, rtol=1e-12)


def test_weights_of_rewards_beyond_floating_point_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(f"c = GRPOConfig(beta=0.1, reward_weights=[0x{'f' * 1000}, 1])\n", encoding="utf-8")
    with pytest.raises(DSTheoryError, match="must be 2 finite numbers, one per reward function"):
        with_rewards(configuration_of(path, trainer="trl:grpo"), "correct + turns")


def test_what_a_reward_function_pays_has_all_of_its_digits() -> None:
    pays = (0.12345678, -1234567.0, 0.0, 1 / 3)
    found = with_rewards(configuration_of("trl:grpo"), ",".join(map(str, pays)))
    assert reward_terms(found.training.rewards) == ((pays,), (1.0,))

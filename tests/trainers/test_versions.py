"""Which library a file is for, at which version: what another program, another package or another file says is not guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dstheory.errors import DSTheoryError
from dstheory.trainers import all_trainers, configuration_of


def write(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


OTHERWISE = {
    ("trl:grpo",): ["loss_type is dapo from 0.22.0", "beta is 0 from 0.19.0", "temperature is 1 from 0.18.0"],
    ("trl:grpo", "loss_type=grpo", "temperature=1", "beta=0.04"): ["use_bias_correction_kl is true in 1.16.0"],
    ("trl:grpo", "loss_type=grpo", "temperature=1", "beta=0"): [],
    ("trl:grpo", "loss_type=dr_grpo", "temperature=1", "beta=0"): ["max_completion_length, which dr_grpo divides by, is 512"],
    ("trl:grpo", "loss_type=dr_grpo", "temperature=1", "beta=0", "max_completion_length=256"): [],
    ("trl:rloo",): ["these keys are of 0.22.0"], ("trl:rloo", "beta=0.1"): [],
    ("nemo-rl:grpo",): ["the KL in the loss is multiplied by a ratio that is differentiated from 0.7.0 on"],
    ("nemo-rl:grpo", "loss_fn.reference_policy_kl_penalty=0"): [],
    ("trl:dpo", "label_smoothing=0.1"): ["before 0.29.0 label_smoothing smoothed"], ("trl:dpo",): [],
    ("openrlhf:ppo",): ["tokens have one mean over the batch, in 0.8.10 already; up to 0.6.1"],
    ("openrlhf:ppo", "actor.loss_agg_mode=token-mean"): [],
    ("open-instruct:grpo",): ["advantage_normalization_type is centered;", "clip_higher is 0.272;", "async_steps is 8; up"],
    ("open-instruct:grpo", "kl_estimator=kl3", "advantage_normalization_type=centered", "clip_higher=0.2", "async_steps=1"): [
        "kl_estimator is 0, 1, 2 or 3; it was called kl1"],
    ("open-instruct:grpo", "kl_estimator=2", "advantage_normalization_type=standard", "clip_higher=0.2", "async_steps=1"): [],
    ("verl:ppo",): ["before 0.4.0 there was no algorithm.use_kl_in_reward", "entropy_coeff is 0 from", "token-mean is over"],
    ("verl:ppo", "actor_rollout_ref.actor.use_kl_loss=true", "actor_rollout_ref.actor.entropy_coeff=0",
     "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-mean"): [],
    ("verl:ppo", "algorithm.use_kl_in_reward=false", "actor_rollout_ref.actor.entropy_coeff=0.1"): ["token-mean is over"],
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERWISE, ids=" ".join)
def test_what_was_otherwise_is_said_where_the_file_leaves_it_to_the_library(what: tuple[str, ...]) -> None:
    found = configuration_of(what[0], settings=what[1:]).versions
    assert len(found) == len(OTHERWISE[what])
    assert all(line.startswith(begin) for line, begin in zip(found, OTHERWISE[what], strict=True))


def test_every_such_sentence_is_tried_and_shown(dstheory) -> None:
    rules = [rule for trainer in all_trainers().values() for rule in trainer.rules if rule.version]
    begins = [begin for every in OTHERWISE.values() for begin in every]
    assert [rule.version for rule in rules if not rule.version.startswith(tuple(begins))] == []
    assert "\nWhat differs in other versions of TRL\n  loss_type is dapo" in dstheory("explain", "trl:grpo").out


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.py", "# pip install -U trl==0.22.2\nc = GRPOConfig(beta=0.1)\n"),
     ("a.sh", "uv pip install 'trl == v0.22.2'\ntrl grpo --beta 0.1\n")],
)  # fmt: skip
def test_a_file_that_asks_for_another_version_is_told(tmp_path: Path, name: str, text: str) -> None:
    (warning,) = configuration_of(write(tmp_path, name, text)).warnings
    assert warning.startswith("the file asks for TRL 0.22.2; keys and defaults are those of TRL 1.16.0: ")
    assert configuration_of(write(tmp_path, name, text.replace("0.22.2", "1.16.0"))).warnings == ()
    assert configuration_of(write(tmp_path, name, text.replace("trl ==", "mytrl ==").replace("trl==", "mytrl=="))).warnings == ()


def test_defaults_that_another_package_changes_hold_where_it_is_imported(tmp_path: Path) -> None:
    found = configuration_of(write(tmp_path, "a.py", "from unsloth import FastModel\nc = GRPOConfig(num_generations=4)\n"))
    assert (found.training.beta, found.value("loss_type")) == (0.001, "bnpo")
    assert any("unsloth (22 August 2026) is imported, which has other defaults" in line for line in found.warnings)
    found = configuration_of(write(tmp_path, "b.py", "import unsloth\nc = GRPOConfig(beta=0.2, loss_type='dr_grpo')\n"))
    assert (found.training.beta, found.training.normaliser) == (0.2, "constant")
    found = configuration_of(write(tmp_path, "c.py", "from mine import unsloth_free\nc = GRPOConfig(num_generations=4)\n"))
    assert (found.training.beta, found.value("loss_type"), found.warnings) == (0.0, "dapo", ())


def test_estimators_of_open_instruct_under_the_names_that_they_had() -> None:
    """``kl3`` was refused."""
    for number in range(4):
        old, new = (configuration_of("open-instruct:grpo", settings=["beta=0.1", f"kl_estimator={name}"])
                    for name in (f"kl{number + 1}", number))  # fmt: skip
        assert (old.training, [lack.what for lack in old.lacks]) == (new.training, [lack.what for lack in new.lacks])


OPENRLHF = "algo.advantage.estimator group_norm,algo.kl.use_loss,algo.kl.estimator k3,algo.kl.init_coef 1e-3"
OPENRLHF += ",actor.eps_clip_low_high 0.2 0.28,rollout.batch_size 128,rollout.n_samples_per_prompt 8,train.batch_size 256"
OPENRLHF += ",train.max_epochs 2,actor.num_nodes 1"
BEFORE = "advantage_estimator group_norm,use_kl_loss,kl_estimator k3,init_kl_coef 1e-3,eps_clip_low_high 0.2 0.28"
BEFORE += ",rollout_batch_size 128,n_samples_per_prompt 8,train_batch_size 256,max_epochs 2,actor_num_nodes 1"


@pytest.mark.parametrize(
    "arguments", ["--train.batch_size 8 --data.dataset x", "--train_batch_size 8 --save_path y --pretrain x"]
)
def test_a_program_of_openrlhf_is_known_by_its_name(tmp_path: Path, arguments: str) -> None:
    """Without a key that enters the objective, or with more keys of before 0.11 than of it, it was refused."""
    found = configuration_of(write(tmp_path, "run.sh", f"deepspeed --module openrlhf.cli.train_sft {arguments}\n"))
    assert (found.trainer.id, found.lacks, found.value("model.pretrain_mode_enable")) == ("openrlhf:sft", (), False)
    arguments += " --beta 0.3 --ipo"
    found = configuration_of(write(tmp_path, "run.sh", f"deepspeed --module openrlhf.cli.train_dpo {arguments}\n"))
    assert (found.trainer.id, found.training.beta, found.training.loss) == ("openrlhf:dpo", 0.3, "ipo_sum")
    arguments = "--pretrain x --pretrain_mode --a_b 3"
    found = configuration_of(write(tmp_path, "run.sh", f"python -m openrlhf.cli.train_sft {arguments}\n"))
    assert (found.value("model.pretrain_mode_enable"), [one.key for one in found.unknown]) == (True, ["pretrain", "a_b"])


def test_keys_of_openrlhf_before_they_had_sections_are_read_or_refused(tmp_path: Path) -> None:
    """They were said to be of another version, and with --trainer all defaults were shown."""
    run = "python3 -m openrlhf.cli.train_ppo_ray --"
    before = run + BEFORE.replace(",", " --")
    found = configuration_of(write(tmp_path, "old.sh", before + " --eval_n_samples_per_prompt 4 --pretrain x\n"))
    assert found.training == configuration_of(write(tmp_path, "new.sh", run + OPENRLHF.replace(",", " --") + "\n")).training
    assert (found.training.group_size, found.training.updates, found.training.clip_high) == (8, 8.0, 0.28)
    (told,) = [line for line in found.warnings if line.startswith("keys without sections, as before OpenRLHF 0.11, are read as")]
    assert "init_kl_coef as algo.kl.init_coef" in told
    assert "actor_num_nodes" not in told
    assert [entry.key for entry in found.unknown] == ["pretrain"]
    for unclear, near in (("entropy_loss_coef", "actor.entropy_coef"), ("use_kl_estimator_k3", "algo.kl."),
                          ("dynamic_filtering_reward_range", "algo.dynamic_filtering_range")):  # fmt: skip
        with pytest.raises(DSTheoryError, match=rf"old\.sh, line 1: {unclear} is not a key of .*, such as {near}"):
            configuration_of(write(tmp_path, "old.sh", f"{before} --{unclear} 0.1\n"))
    found = configuration_of(write(tmp_path, "old.sh", before.replace("1e-3", "$KL") + "\n"))
    assert [entry.key for entry in found.unread] == ["algo.kl.init_coef"]


def test_what_is_done_to_a_whole_section_is_said(tmp_path: Path) -> None:
    """Hydra deletes it, takes it from another file, or gets it as a mapping: the keys below it were shown as if they held."""
    run = "python -m verl.trainer.main_ppo algorithm.adv_estimator=grpo actor_rollout_ref.rollout.n=8 "
    for word in ("~algorithm.kl_ctrl", "algorithm=mine", "'+actor_rollout_ref.rollout={n:5}'", "algorithm.filter_groups=$X"):
        found = configuration_of(write(tmp_path, "a.sh", f"{run}{word}\n"))
        (told,) = [line for line in found.warnings if "keys below it" in line]
        assert told.startswith("line 1: ")
    found = configuration_of(write(tmp_path, "a.sh", f"{run}~actor_rollout_ref.rollout.n\n"))
    assert [entry.value for entry in found.unread] == ["~actor_rollout_ref.rollout.n"]


@pytest.mark.parametrize("module", ["openrlhf.cli.train_rm", "openrlhf.cli.train_kto"])
def test_another_program_of_a_library_is_not_read_as_one_that_is_known(tmp_path: Path, module: str) -> None:
    """Its arguments have the names of PPO's."""
    path = write(tmp_path, "run.sh", f"python -m {module} --train.batch_size 256 --train.max_epochs 1\n")
    with pytest.raises(DSTheoryError, match=rf"run\.sh starts {module}, which is none of the programs that are known \(open"):
        configuration_of(path)
    assert configuration_of(path, trainer="openrlhf:ppo").value("train.batch_size") == 256


def test_a_program_of_ones_own_is_read_by_its_keys_and_named(tmp_path: Path) -> None:
    path = write(tmp_path, "run.sh", "torchrun train_mine.py --loss_type grpo --num_generations 4 --scale_rewards none\n")
    assert configuration_of(path).recognised_by.endswith(", though it starts train_mine.py, which is not known")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("swift rlhf --rlhf_type grpo --beta 0.04 --num_generations 8 --loss_type grpo", "starts swift rlhf, of ms-swift, which"),
        ("accelerate launch open_instruct/dpo.py --beta 0.1", "starts open_instruct/dpo.py, of open-instruct outside of GRPO"),
        ("accelerate launch my_dpo.py --max_seq_length 9 --per_device_train_batch_size 4", "starts my_dpo.py, which is not"),
    ],
)  # fmt: skip
def test_another_library_is_not_taken_for_one_whose_arguments_it_has(tmp_path: Path, command: str, says: str) -> None:
    path = write(tmp_path, "run.sh", f"{command}\n")
    with pytest.raises(DSTheoryError) as refused:
        configuration_of(path)
    assert says in str(refused.value)
    assert configuration_of(path, trainer="trl:dpo").trainer.id == "trl:dpo" if "swift" not in command else True


def test_a_file_that_begins_with_a_librarys_own_file_is_that_librarys(tmp_path: Path) -> None:
    text = "defaults: ../../grpo_math_1B.yaml\npolicy: {model_name: mine}\n"
    found = configuration_of(write(tmp_path, "a.yaml", text))
    assert (found.trainer.id, len(found.warnings)) == ("nemo-rl:grpo", 1)
    assert set(found.recognised_by.split()) == {"recognised", "by", "policy.model_name,", "defaults"}


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.sh", "trl grpo --config base.yaml --beta 0.1\n", "line 1: config names 'base.yaml', whose settings are not read"),
        ("a.yaml", "defaults: ../base.yaml\ngrpo: {num_generations_per_prompt: 8}\n", "line 1: defaults names '../base.yaml'"),
        ("a.yaml", "defaults: ../grpo_math_1B.yaml\ngrpo: {num_generations_per_prompt: 8}\n", ""),
        ("a.sh", "python -m verl.trainer.main_ppo --config-name=mine data.train_batch_size=8\n", "config_name names 'mine'"),
        ("a.sh", "python -m verl.trainer.main_ppo --config-name=ppo_trainer.yaml algorithm.adv_estimator=gae\n", ""),
        ("a.yaml", "defaults: [ppo_trainer, z, _self_]\nalgorithm: {adv_estimator: gae}\n", "line 1: defaults names 'z', whose"),
    ],
)  # fmt: skip
def test_settings_of_another_file_are_not_passed_over(tmp_path: Path, name: str, text: str, named: str) -> None:
    found = [line for line in configuration_of(write(tmp_path, name, text)).warnings if " names " in line]
    assert len(found) == bool(named)
    assert all(named in line for line in found)


def test_a_file_that_begins_with_another_has_its_settings_where_it_says_nothing(tmp_path: Path) -> None:
    """References are followed after both are put together: the base's own normalize_rewards does not hold."""
    own = "adv_estimator: {normalize_rewards: '${grpo.normalize_rewards}'}"
    own += ", async_grpo: {enabled: true}"
    base = f"grpo: {{num_generations_per_prompt: 4, normalize_rewards: true, {own}}}\n"
    write(tmp_path, "base.yaml", base + "loss_fn:\n  reference_policy_kl_penalty: 0.5\n  ratio_clip_min: ${oc.env:LOW}\n")
    (tmp_path / "mine").mkdir()
    middle = write(tmp_path, "mine/middle.yaml", "defaults: ../base.yaml\nloss_fn: {reference_policy_kl_penalty: 0.25}\n")
    text = "defaults: middle.yaml\ngrpo: {normalize_rewards: false, async_grpo: null}\nloss_fn: {}\n"
    found = configuration_of(write(tmp_path, "mine/a.yaml", text))
    assert (found.training.group_size, found.training.beta, found.training.std) == (4, 0.25, "none")
    places = {setting.key: setting.place for setting in found.settings if setting.given}
    assert places["grpo.num_generations_per_prompt"] == "line 1 of base.yaml"
    assert places["loss_fn.reference_policy_kl_penalty"] == "line 2 of middle.yaml"
    assert places["grpo.normalize_rewards"] == "line 2"
    assert "grpo.async_grpo.enabled" not in places  # null takes the place of all keys below
    assert [line for line in found.warnings if "names" in line or "twice" in line] == []
    assert any(line.startswith("line 4 of base.yaml: loss_fn.ratio_clip_min is '${oc.env:LOW}'") for line in found.warnings)
    middle.write_text("defaults: a.yaml\n", encoding="utf-8")
    with pytest.raises(DSTheoryError, match=r"line 1: more than 6 files begin with another: is it a circle\?"):
        configuration_of(tmp_path / "mine" / "a.yaml")


def test_a_file_that_begins_with_several_has_what_the_later_ones_say(tmp_path: Path) -> None:
    """A list was not read, and of a library's own name it was not said."""
    grpo = "grpo: {num_generations_per_prompt: %d, normalize_rewards: %s}\n"
    write(tmp_path, "grpo_math_1B.yaml", grpo % (4, "false") + "loss_fn: {reference_policy_kl_penalty: 0.5, ratio_clip_max: 0.3}")
    write(tmp_path, "more.yaml", "defaults: [grpo_math_1B.yaml]\n" + grpo % (6, "true"))
    write(tmp_path, "over.yaml", "loss_fn: {_override_: true, reference_policy_kl_penalty: 0.25}\n")
    for names, held in (("grpo_math_1B.yaml, more.yaml", (6, 0.5, 0.3)), ("more.yaml, grpo_math_1B.yaml", (4, 0.5, 0.3)),
                        ("more.yaml, over.yaml", (6, 0.25, 0.2)), ("over.yaml, more.yaml", (6, 0.5, 0.3)),
                        ("more.yaml, gone.yaml", (6, 0.5, 0.3))):  # fmt: skip
        found = configuration_of(write(tmp_path, "a.yaml", f"defaults: [{names}]\ngrpo: {{num_prompts_per_step: 8}}\n"))
        t = found.training
        assert (t.group_size, t.beta, t.clip_high) == held
        told = ["line 1: defaults names 'gone.yaml', whose settings are not read"] * ("gone" in names)
        assert [line.partition(":")[0] + ":" + line.partition(":")[2].partition(": give")[0]
                for line in found.warnings if " names " in line] == told  # fmt: skip
    write(tmp_path, "ppo_trainer.yaml", "algorithm: {adv_estimator: rloo}\nactor_rollout_ref: {rollout: {n: 3}}\n")
    found = configuration_of(write(tmp_path, "b.yaml", "defaults: [ppo_trainer, _self_]\nalgorithm: {gamma: 1}\n"))  # Hydra
    assert (found.training.credit, found.training.group_size, [line for line in found.warnings if "names" in line]) == (
        "leave-one-out", 3, [])  # fmt: skip
    write(tmp_path, "over.yaml", "actor_rollout_ref: {rollout: {n: 5}}\nalgorithm: {gamma: 0.9}\n")
    for names, held in (("ppo_trainer, over", (7, 0.8)), ("ppo_trainer, over, _self_", (7, 0.8)),
                        ("_self_, ppo_trainer", (3, 0.8)), ("ppo_trainer, _self_, over", (5, 0.9)),
                        ("_self_, over, ppo_trainer", (3, 0.9))):  # fmt: skip
        text = f"defaults: [{names}]\nalgorithm: {{gamma: 0.8}}\nactor_rollout_ref: {{rollout: {{n: 7}}}}\n"
        found = configuration_of(write(tmp_path, "c.yaml", text))
        settings = {setting.key: setting for setting in found.settings if setting.given}
        assert (found.training.group_size, settings["algorithm.gamma"].value, found.training.credit) == (*held, "leave-one-out")
        assert settings["algorithm.gamma"].place == ("line 2 of over.yaml" if held[1] == 0.9 else "line 2")


def test_another_algorithm_of_nemo_rl_is_not_taken_for_grpo(tmp_path: Path) -> None:
    text = "policy: {train_global_batch_size: 128, model_name: mine}\n"
    assert configuration_of(write(tmp_path, "a.yaml", text)).trainer.id == "nemo-rl:grpo"
    unknown = r"is not the configuration of a known trainer \(.*none of them has the key sft\.val_period"
    with pytest.raises(DSTheoryError, match=unknown):
        configuration_of(write(tmp_path, "a.yaml", text + "sft: {val_period: 10}\n"))


def test_a_script_adds_to_the_file_that_it_names(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "loss_type: grpo\nbeta: 0.1\nnum_generations: 4\nnum_iterations: 1\n")
    found = configuration_of(write(tmp_path, "a.sh", "trl grpo --config base.yaml --beta 0.2 --num_iterations $N\n"))
    assert (found.training.normaliser, found.training.beta, found.training.group_size) == ("response-tokens", 0.2, 4)
    assert [entry.key for entry in found.unread] == ["num_iterations"]


def test_a_switch_that_is_on_is_switched_off_as_on_the_command_line_of_hugging_face(tmp_path: Path) -> None:
    found = configuration_of(write(tmp_path, "a.sh", "trl grpo --beta 0.2 --no_use_bias_correction_kl --no-use_vllm\n"))
    assert (found.training.estimator, found.value("use_vllm")) == ("k3", False)
    assert [entry.key for entry in found.unknown] == ["no_use_vllm"]


def test_the_folder_says_whose_a_file_is_whose_keys_do_not_tell(tmp_path: Path) -> None:
    """Recipes such as ``recipes/grpo/config.yaml`` were refused."""
    group = "num_generations: 4\nmax_completion_length: 100\n"
    texts = {"grpo": group, "rloo": group, "dpo": "max_length: 9\nbeta: 0.5\n"}
    for short, text in texts.items():
        (tmp_path / "x" / short).mkdir(parents=True)
        found = configuration_of(write(tmp_path / "x" / short, "config_a.yaml", text))
        assert found.trainer.id == f"trl:{short}"
        assert f"{short} in its path, without which it may be of" in found.recognised_by
        assert configuration_of(write(tmp_path / "x", f"my-{short}_v1.yaml", text)).trainer.id == f"trl:{short}"
        for name in ("config.yaml", f"my{short}.yaml", "grpo-rloo-dpo-gkd.yaml"):  # no word of it, or several
            with pytest.raises(DSTheoryError, match="may be of trl:"):
                configuration_of(write(tmp_path / "x", name, text))
    with pytest.raises(DSTheoryError, match="may be of trl:grpo or trl:rloo or trl:dpo or"):  # open-instruct's have these, too
        configuration_of(write(tmp_path / "x" / "dpo", "a.yaml", "beta: 0.1\nper_device_train_batch_size: 4\n"))
    other = write(tmp_path / "x" / "dpo", "a.yaml", "loss_type: dr_grpo\nnum_generations: 4\n")  # its keys tell
    assert configuration_of(other).trainer.id == "trl:grpo"


def test_a_file_of_sft_is_told_from_one_of_grpo(tmp_path: Path) -> None:
    """The only keys that enter the objective are those of every trainer of TRL."""
    text = "per_device_train_batch_size: 4\ngradient_accumulation_steps: 2\nlearning_rate: 1e-5\n"
    tmp_path = tmp_path / "runs"  # its name and its folder's say nothing
    tmp_path.mkdir()
    with pytest.raises(DSTheoryError, match="may be of trl:grpo or trl:rloo or trl:sft or"):
        configuration_of(write(tmp_path, "a.yaml", text))
    found = configuration_of(write(tmp_path, "a.yaml", text + "packing: true\nmax_length: 4096\n"))
    assert (found.trainer.id, found.beside) == ("trl:sft", 3)
    assert found.recognised_by.startswith("recognised by packing, max_length")


def test_one_update_of_several_batches_is_one_update() -> None:
    """With steps_per_generation below gradient_accumulation_steps a sixteenth of an update was shown."""
    settings = ("steps_per_generation=1", "gradient_accumulation_steps=16")
    assert configuration_of("trl:grpo", settings=settings).training.updates == 1.0
    assert configuration_of("trl:grpo", settings=("steps_per_generation=16",)).training.updates == 16.0


def test_slime_takes_as_many_steps_as_its_batches_give() -> None:
    """64 prompts of 8 responses in batches of 128: four steps, the later three with ratios."""
    settings = ("rollout_batch_size=64", "n_samples_per_prompt=8", "global_batch_size=128")
    assert configuration_of("slime:grpo", settings=settings).training.updates == 4.0
    assert configuration_of("slime:grpo", settings=(*settings[:2], "num_steps_per_rollout=2")).training.updates == 2
    assert configuration_of("slime:grpo", settings=("n_samples_per_prompt=8", "global_batch_size=128")).training.updates == 1.0


def test_slime_divides_a_single_response_by_nothing() -> None:
    """It switches the standard deviation off for one response per prompt, so that its credit is 0 and not NaN."""
    assert configuration_of("slime:grpo").training.std == "none"
    assert configuration_of("slime:grpo", settings=("loss_type=sft_loss",)).warnings == ()


def test_one_key_has_one_value_after_the_file() -> None:
    with pytest.raises(DSTheoryError, match="beta is set to 1 and 2 after the file: leave one of them out"):
        configuration_of("trl:grpo", settings=("beta=1", "beta=2"))
    assert configuration_of("trl:grpo", settings=("beta=1", "beta=1")).training.beta == 1


def test_a_change_takes_the_place_of_a_setting(dstheory) -> None:
    ran = dstheory("explain", "trl:grpo", "beta=0.1", "--with", "beta=0.2", "--json")
    assert ran.result["against"]["fields"] == [{"field": "beta", "here": 0.1, "there": 0.2}]

"""`dstheory signal`: table, JSON and figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.noise import signal
from dstheory.objectives import GRPO, RLOO, DAPOBatch, K2Loss, K3Loss, Objective


def test_json_holds_what_the_library_finds(dstheory) -> None:
    ran = dstheory("signal", "--objective", "grpo", "--objective", "reinforce", "--group-size", 2, "--prompts", 16, "--json",
                   "--no-figure", "--covariance", "--p", 0.5)  # fmt: skip
    assert ran.code == 0, ran.err
    data = ran.result
    one, two = data["objectives"]
    s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=64), Policy.minimal(p=0.5, a=0.8, b=0.3))
    found = signal(GRPO(group_size=2), s, prompts=16, covariance=True)
    assert one["dead"] == found.dead
    assert one["sample"] == {
        "size": found.sample.size, "noise": found.sample.noise, "ratio": found.sample.ratio, "groups": found.sample.groups,
        "groups_natural": found.sample.groups_natural,
    }  # fmt: skip
    assert one["covariance"] == found.covariance.tolist()
    assert one["expected"]["decide"] == found.expected.decide.tolist()
    assert two["dead"] is None
    assert two["prompts"] == 16  # single responses; the option is used, and no note says otherwise
    assert data["notes"] == ["--group-size 2 is not used by reinforce, which has no group-size"]
    assert (one["group_size"], two["group_size"], one["prompts"]) == (2, 1, 16)


def test_the_table_says_what_is_left_out_and_the_figure_is_written(dstheory, drawn, tmp_path: Path) -> None:
    ran = dstheory("signal", "--no-figure")
    assert ran.code == 0, ran.err
    assert "left out: " in ran.err
    assert "dpo" in ran.err
    ran = dstheory("signal", "--objective", "grpo", "--objective", "reinforce", "--sizes", "2,4", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert f"figure in {tmp_path / 'out'}" in ran.out
    made = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [one["group_size"] for one in made["results"]["grpo"]] == [2, 4]
    assert made["results"]["grpo"][0]["dead"] > made["results"]["grpo"][1]["dead"]
    assert (tmp_path / "out" / "signal.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--objective", "dpo"], "dpo: no exact second moments of its update here"),
        (["--prompts", "inf"], "--prompts is inf: a batch without end has no noise"),
        (["--objective", "grpo", "--group-size", "inf"], "group_size=inf: a batch without end has no noise"),
        (["--sizes", "1,2"], "group sizes must lie between 2 and 4096"),
        (["--group-size", "two"], "group_size is 'two': must be a number, or inf"),
    ],
)
def test_what_cannot_be_computed_is_one_sentence(dstheory, args: list[str], message: str) -> None:
    ran = dstheory("signal", "--no-figure", *args)
    assert ran.code in (1, 2)
    assert message in " ".join(ran.err.split())


def test_a_size_of_the_figure_that_is_too_large_is_told_from_the_table(dstheory) -> None:
    args = ("signal", "--objective", "dr-grpo", "--std", "batch", "--prompts", 600)
    assert dstheory(*args, "--no-figure").code == 0
    ran = dstheory(*args, "--sizes", "2,64")
    assert ran.code == 1
    assert ran.err.startswith("error: the figure of group sizes 2, 64: a batch of 600 groups of 64: ")
    assert "or give --no-figure" in ran.err


def test_more_prompts_and_more_members_are_more_signal(dstheory) -> None:
    def ratio(*args: object) -> float:
        ran = dstheory("signal", "--objective", "dapo-batch", "--json", "--no-figure", *args)
        return ran.result["objectives"][0]["decide"]["ratio"]

    assert ratio("--prompts", 8) < ratio("--prompts", 32) < ratio("--prompts", 32, "--group-size", 16)


PLACE = ("--p", 0.3, "--a", 0.9, "--b", 0.2, "--answer-length", "3,40", "--decision-length", 2, "--reference", "0.5,0.7,0.4")
SAMPLER = Policy.minimal(p=0.4, a=0.8, b=0.3)
OTHER = Policy.minimal(p=0.5, a=0.7, b=0.4)
TRL = """loss_type: dapo
beta: 0.04
num_generations: 4
scale_rewards: group
max_completion_length: 1024
"""
VERL = """algorithm:
  adv_estimator: rloo
actor_rollout_ref:
  actor:
    use_kl_loss: true
    kl_loss_coef: 0.05
    kl_loss_type: mse
    loss_agg_mode: seq-mean-token-sum
    ppo_mini_batch_size: 16
  rollout:
    n: 3
"""
MADE: dict[str, tuple[str, tuple[object, ...], Objective]] = {
    "TRL": (TRL, ("--prompts", 6),
            DAPOBatch(group_size=4, prompts=6, epsilon=1e-4) + K3Loss(OTHER, beta=0.04, corrected_kl=True)),
    "TRL, changed, by default of 32 prompts": (TRL, ("loss_type=grpo", "beta=0"), GRPO(group_size=4, epsilon=1e-4)),
    "TRL, over the deviation of the batch": (
        TRL, ("--prompts", 6, "scale_rewards=batch"),
        DAPOBatch(group_size=4, prompts=6, std="batch", epsilon=1e-4) + K3Loss(OTHER, beta=0.04, corrected_kl=True),
    ),
    "verl, whose batch the file says": (VERL, (), RLOO(group_size=3, prompts=16) + K2Loss(OTHER, beta=0.05)),
    "TRL, another policy's responses": (
        TRL, ("beta=0", "--prompts", 5, "--sampler", "0.4,0.8,0.3"),
        DAPOBatch(group_size=4, prompts=5, epsilon=1e-4, clip_low=0.2, clip_high=0.2, sampler=SAMPLER),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_a_configuration_has_the_signal_of_the_objective_that_its_settings_make(dstheory, tmp_path: Path, name: str) -> None:
    text, options, objective = MADE[name]
    (tmp_path / "run.yaml").write_text(text)
    ran = dstheory("signal", "run.yaml", *options, *PLACE, "--json", "--no-figure")
    assert ran.code == 0, ran.err
    mdp = TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 40]], decision_length=2)
    expected = signal(objective, solve(mdp, Policy.minimal(p=0.3, a=0.9, b=0.2)), prompts=32)
    (one,) = ran.result["objectives"]
    assert (one["group_size"], one["prompts"]) == (expected.group_size, expected.prompts)
    assert one["dead"] == pytest.approx(expected.dead, rel=1e-14)
    for stage in ("sample", "decide"):
        assert [one[stage][key] for key in ("size", "noise", "ratio", "groups")] == pytest.approx(
            [getattr(getattr(expected, stage), key) for key in ("size", "noise", "ratio", "groups")], rel=1e-13
        )
    assert ran.result["configuration"]["file"] == "run.yaml"
    assert ran.result["configuration"]["training"]["group_size"] == expected.group_size


def test_a_configuration_is_named_in_one_line_and_drawn_by_group_size(dstheory, drawn, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(TRL + "colour: blue\nreward_weights: [1.0, 0.5]\n")
    ran = dstheory("signal", "run.yaml", "--sizes", "2,4", "--out", "out")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("run.yaml: GRPOTrainer of TRL 1.16.0 (recognised by ")
    assert "unknown key, not interpreted: colour = blue (line 6)" in ran.out
    assert "not modelled: reward_weights = 1, 0.5: " in ran.out
    made = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [one["group_size"] for one in made["results"]["dapo-batch+k3-loss"]] == [2, 4]
    assert (tmp_path / "out" / "signal.png").stat().st_size > 10_000


@pytest.mark.parametrize("args", [("nowhere.yaml",), ("trl:grpoo",), ("trl:grpo", "loss_typ=grpo"), ("trl:grpo", "beta=-1")])
def test_what_explain_refuses_is_refused_in_its_words(dstheory, args: tuple[str, ...]) -> None:
    here, there = (dstheory(command, *args) for command in ("signal", "explain"))
    assert here.code == there.code != 0
    assert here.err == there.err
    assert here.err.startswith("error: ")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("trl:grpo", "--objective", "grpo"), 2, "trl:grpo and --objective both give an objective: leave one of them out"),
        (("trl:grpo", "--group-size", 4), 2, "--group-size goes with --objective: a configuration has its own"),
        (("trl:grpo", "--reward", "1,0,0,0"), 2, "--reward goes with --objective"),
        (("--trainer", "trl:grpo"), 2, "--trainer says whose configuration FILE is: give the file, too"),
        (("trl:grpo", "entropy_coef=0.01"), 1, "the entropy of a state is differentiated as a whole"),
        (("trl:gkd",), 1, "divergences to a teacher are summed over all tokens of a state"),
        (("verl:ppo", "algorithm.adv_estimator=opo", "actor_rollout_ref.rollout.n=4"), 1,
         "the credit length-baseline is modelled in large batches only"),
        (("openrlhf:ppo", "algo.advantage.estimator=reinforce_baseline", "rollout.n_samples_per_prompt=4"), 1,
         "credits are whitened once more"),
        (("trl:grpo", "loss_type=vespo"), 1, "trl:grpo: its objective is one that this package does not have"),
        (("trl:grpo", "loss_type=bnpo", "per_device_train_batch_size=4"), 1, "the batch of one normaliser holds part of a group"),
        (("trl:rloo",), 1, "k1-reward: no exact second moments"),
    ],
)  # fmt: skip
def test_contradictions_and_updates_of_which_only_the_mean_is_modelled(dstheory, args, code: int, message: str) -> None:
    ran = dstheory("signal", "--no-figure", *args)
    assert ran.code == code
    assert message in " ".join(ran.err.split())

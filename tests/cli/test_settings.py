"""Settings of trainers on the command line: each reaches the objective as in the library, and says where it is not used."""

from __future__ import annotations

import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.dynamics.parameters import PARAMETERS, TABLE, Together
from dstheory.dynamics.problem import PAIRS, POLICIES
from dstheory.objectives import DPO, GRPO, RLOO, DAPOBatch, Distillation, ExpertChain, K1Reward, K3Loss, SFTTokenMean
from dstheory.objectives.mass import StageGradient
from dstheory.objectives.preference import LOSSES

MDP = TwoStageMDP.minimal(gamma=1.0, sample_length=[[3.0, 40.0]], max_turns=3)
HERE = Policy.minimal(p=0.55, a=0.8, b=0.3)
OLD, WRONG = Policy.minimal(p=0.5, a=0.7, b=0.4), Policy.minimal(p=0.4, a=0.6, b=0.5)
CHAIN = ("--answer-length", "3,40", "--max-turns", 3, "--gamma", 1)
EXPERT = ExpertChain(Policy.minimal(p=0.9, a=0.95, b=0.9))

CASES = {
    "--group-size 4 --std leave-one-out --ddof 0 --epsilon 0.1": (
        "grpo", GRPO(group_size=4, std="leave-one-out", ddof=0, epsilon=0.1)),
    "--group-size inf --std batch": ("grpo", GRPO(group_size=float("inf"), std="batch")),
    "--normaliser constant:64": ("grpo", GRPO(normalise_by="constant:64")),
    "--prompts 2 --micro-batches 2 --accumulate sum": ("dapo-batch", DAPOBatch(prompts=2, micro_batches=2, accumulate="sum")),
    "--dynamic-sampling": ("grpo", GRPO(dynamic_sampling=True)),
    "--drop-dead --prompts 3": ("grpo", GRPO(drop_dead=True, prompts=3)),
    "--mask-truncated both": ("dapo-batch", DAPOBatch(prompts=4, mask_truncated="both")),
    "--sampler 0.5,0.7,0.4 --clip-low 0.01 --clip-high 0.02 --dual-clip 1.05": (
        "grpo", GRPO(sampler=OLD, clip_low=0.01, clip_high=0.02, dual_clip=1.05)),
    "--sampler 0.5,0.7,0.4 --ratio-level sequence": ("grpo", GRPO(sampler=OLD, ratio_level="sequence")),
    "--engine 0.4,0.6,0.5 --importance token --importance-rule mask --importance-cap 1.1": (
        "rloo", RLOO(engine=WRONG, importance="token", importance_rule="mask", importance_cap=1.1)),
    "--temperature 1.5": ("rloo", RLOO(temperature=1.5)),
    "--reward-weights 1,0.5 --combine after": ("grpo", GRPO(reward_weights=(1.0, 0.5), combine="after")),
    "--reward-functions correct+-0.1*turns+0.5*0,0,1,0": ("grpo", GRPO(
        reward_functions=("correct", "turns", (0.0, 0.0, 1.0, 0.0)), reward_weights=(1.0, -0.1, 0.5))),
    "--reward-functions correct+0.5*turns --combine after-batch --epsilon 0.1": ("grpo", GRPO(
        reward_functions=("correct", "turns"), reward_weights=(1.0, 0.5), combine="after-batch", epsilon=0.1)),
    "--outcome return": ("grpo", GRPO(outcome="return")),
    "--demonstration-weights 1,-0.5 --responses 4": ("sft-token-mean", SFTTokenMean(EXPERT, weights=(1.0, -0.5), responses=4)),
    "--kl-baseline others --beta 0.2 --reference 0.4,0.6,0.5": (
        "grpo + k1-reward", GRPO() + K1Reward(WRONG, beta=0.2, kl_baseline="others")),
    "--kl-normaliser responses --beta 0.2 --reference 0.4,0.6,0.5": (
        "grpo + k3-loss", GRPO() + K3Loss(WRONG, beta=0.2, normaliser="responses")),
    "--pair-loss robust --label-smoothing 0.1 --sampler 0.5,0.7,0.4 --reference 0.4,0.6,0.5": (
        "dpo", DPO(WRONG, sampler=OLD, loss="robust", smoothing=0.1)),
    "--pair-loss discopop --discopop-tau 0.2 --reference 0.4,0.6,0.5": ("dpo", DPO(WRONG, loss="discopop", tau=0.2)),
    "--interpolation 0.3 --states reference": ("distill", Distillation(
        EXPERT.policy, interpolation=0.3, states="reference")),
    "--corrected-kl --beta 0.2 --reference 0.4,0.6,0.5": (
        "grpo", GRPO(beta=0.2, reference=WRONG, corrected_kl=True)),
}  # fmt: skip


def norms(g: StageGradient) -> list[float]:
    made = StageGradient(g.sample, g.decide).parameters(HERE)[0]
    return sorted(map(abs, made.tolist()))


@pytest.mark.parametrize("line", CASES)
def test_options_are_the_fields(dstheory, line: str) -> None:
    name, objective = CASES[line]
    extra = ("--prompts", 4) if line.startswith("--mask") else ()
    ran = dstheory("attribute", "--objective", name, *CHAIN, *line.split(), *extra, "--json")
    assert ran.code == 0, ran.err
    (found,) = ran.result["objectives"]
    s = solve(MDP, HERE)
    g = objective.gradient(s)
    by_sample, by_decide = HERE.features.pull_back(g.sample, g.decide)
    assert found["gradient"]["sample"] == pytest.approx(float((by_sample**2).sum() ** 0.5), rel=1e-11)
    assert found["gradient"]["decide"] == pytest.approx(float((by_decide**2).sum() ** 0.5), rel=1e-11)


def test_every_setting_has_an_option_and_sets_a_field() -> None:
    fields = {name for name, row in PARAMETERS.items() if row.group == "settings" and row.sets}
    parts = {part for row in TABLE if isinstance(row, Together) and row.group == "settings" for part in row.parts}
    assert {row.name for row in TABLE if row.group == "settings"} == fields | parts | set(PAIRS) | set(POLICIES)
    assert all(PARAMETERS[name].help for name in fields)


def test_losses_of_pairs_are_those_of_the_table() -> None:
    assert PARAMETERS["pair_loss"].choices == tuple(LOSSES)


def test_a_setting_that_nobody_takes_is_said(dstheory) -> None:
    ran = dstheory("attribute", "--objective", "reinforce", "--objective", "rloo", "--std", "none", "--sampler", "0.5,0.5,0.5")
    assert "--std none is not used by reinforce, rloo, which have no std" in ran.out
    assert "--sampler 0.5,0.5,0.5 is not used by reinforce, which has no sampler" in ran.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--normaliser", "tokens"], "normaliser is 'tokens': must be one of responses"),
        (["--std", "median"], "'median' is not one of"),
        (["--baseline", "median"], "baseline is 'median': must be a finite number, mean or opo"),
        (["--baseline", "nan"], "baseline is 'nan': must be a finite number, mean or opo"),
        (["--kl-normaliser", "constant:0"], "tokens is 0.0: must be finite and > 0"),
        (["--reward-functions", "correct + x*turns"], "the factor 'x' of 'turns' is not a number"),
        (["--reward-functions", "length"], "reward function is 'length': must be one of correct"),
        (["--dual-clip", "0.5"], "dual_clip"),
        (["--mdp", "x.json", "--sampler", "0.5,0.5,0.5"], "--sampler describes the minimal chain"),
    ],
)
def test_values_out_of_range_are_errors_of_usage(dstheory, args: list[str], message: str) -> None:
    ran = dstheory("attribute", "--objective", "grpo", *args)
    assert ran.code == 2
    assert message in " ".join(ran.err.split())


def test_an_expression_of_a_configuration_is_an_error_of_input(dstheory, tmp_path) -> None:
    (tmp_path / "c.toml").write_text('objective = ["grpo"]\nnormaliser = "tokens"\n', encoding="utf-8")
    ran = dstheory("attribute", "--config", tmp_path / "c.toml")
    assert ran.code == 1
    assert "sets 'normaliser' to 'tokens': normaliser is 'tokens': must be one of responses" in " ".join(ran.err.split())


def test_a_sweep_varies_them(dstheory, tmp_path) -> None:
    ran = dstheory("sweep", "--of", "simulate", "--objective", "grpo", "--grid", "group_size=2,inf", "--grid", "std=none,group",
                   "--steps", 3, "--out", tmp_path / "out", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.result["settings"] == 4


@pytest.mark.parametrize("command", [("simulate",), ("sweep", "--of", "simulate", "--grid", "beta=0.1,0.2")])
def test_settings_of_no_objective_are_refused(dstheory, command: tuple[str, ...]) -> None:
    ran = dstheory(*command, "--std", "none")
    assert ran.code == 2
    assert "--std is a setting of objectives that are named by --objective: name one" in " ".join(ran.err.split())

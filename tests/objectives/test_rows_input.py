"""Bad input of the rows made of parts: refused with place, value, rule and remedy; edge cases give numbers, never NaN."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import pytest
from objectives.instances import INSTANCES
from strategies import make_case

import dstheory.objectives as room
from dstheory import Policy, Trajectories, TwoStageMDP, solve
from dstheory.errors import ChainError, DSTheoryError, ImproperChainError, InfiniteDivergenceError
from dstheory.objectives import ALIASES, REGISTRY, build, lookup
from dstheory.objectives.parts import GroupMean

HERE = Policy.minimal(p=0.4, a=0.7, b=0.5)
NEVER_WRONG = Policy.from_probabilities([[1.0, 0.0]], [[0.9, 0.5]])
NEVER_AGAIN = Policy.from_probabilities([[0.5, 0.5]], [[1.0, 0.5]])
MDP = TwoStageMDP.minimal(gamma=1.0, sample_length=[[16, 48]])
RECORDED = room.Recorded(Trajectories.record([(0, [(0, "stop")]), (0, [(1, "resample"), (0, "stop")])]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: room.GRPO(group_size=1), r"group_size is 1: \(R - mean\)/std needs groups of at least 2, a single response"),
        (lambda: room.RLOO(group_size=1), "group_size is 1: R - mean of the others needs groups of at least 2"),
        (lambda: room.NFT(group_size=1), "group_size is 1: hits"),
        (lambda: room.GRPO(group_size=2.5), "group_size is 2.5: must be a whole number >= 1, or inf for the limit of large ones"),
        (lambda: room.PPOClip(prompts=1e308), r"prompts is 1e\+308: must be at most 1e\+200, or inf for the limit"),
        (lambda: room.DAPOBatch(prompts=0), "prompts is 0: must be a whole number >= 1, or inf for the limit"),
        (lambda: room.GRPO(epsilon=-1.0), "epsilon is -1.0: must be finite and >= 0"),
        (lambda: room.GRPO(beta=-0.1), r"beta is -0\.1: must be finite and >= 0; a penalty has no negative strength"),
        (lambda: room.GRPO(beta=0.1), r"grpo: beta is 0\.1 but there is no reference: give reference=, or beta=0"),
        (lambda: room.ReinforcePlusPlus(beta=0.1), "reinforce-pp: beta is 0.1 but there is no reference"),
        (lambda: room.ReinforcePlusPlus(HERE, beta=-1), "beta is -1.0: must be finite and >= 0"),
        (lambda: room.GRPO(clip_low=-0.1), r"clip low is -0\.1: must be >= 0"),
        (lambda: room.DrGRPO(max_tokens=0), "tokens is 0: must be finite and > 0"),
        (lambda: room.GRPO(outcome="reward").gradient(solve(MDP, HERE)), "outcome is 'reward': must be 'correct'"),
        (lambda: room.NFT(outcome="return"), "nft: outcome is 'return': must be 'correct', hits and misses"),
        (lambda: room.SFTTokenMean(RECORDED, responses=2).gradient(solve(MDP, HERE)), "responses is 2, but recorded"),
        (lambda: room.SFTTokenMean(RECORDED, micro_batches=2, accumulate="sum").gradient(solve(MDP, HERE)),
         "micro_batches is 2, but recorded demonstrations are one batch: leave it out"),
        (lambda: room.NFT(floor=0.0), r"floor is 0\.0: must lie in \(0, 1\]"),
        (lambda: room.NFT(floor=2.0), r"floor is 2\.0: must lie in \(0, 1\], the least likelihood ratio of a miss, which is 1"),
        (lambda: room.NFT(sampler=HERE, normalise_by="group-tokens"), "a miss and the tokens of its group go together"),
        (lambda: room.NFT(sampler=HERE, prompts=3), "nft: off policy the closed form is that of large batches"),
        (lambda: room.K2Loss(HERE, beta=-1.0), "beta is -1.0: must be finite and >= 0"),
        (lambda: room.K2Loss(HERE, normaliser="tokens"), "normaliser is 'tokens': must be one of responses, response-tokens"),
        (lambda: room.RFT(normaliser="mean"), "normaliser is 'mean': must be one of token-mean, sequence-sum, sequence-mean"),
        (lambda: room.DPO(HERE, beta=0.0), "beta is 0.0: must be finite and > 0, the slope of the preference model"),
        (lambda: room.SCoReSummed(alpha=-1.0), "alpha is -1.0: must be finite and >= 0, how much progress is paid"),
        (lambda: room.ReinforceBaseline(baseline="median"), "baseline is 'median': must be a number, 'mean' or 'opo'"),
        (lambda: room.ReinforceBaseline(sampler=HERE), "reinforce-baseline has no ratio to clip"),
        (lambda: room.SFTTokenMean(room.ExpertChain(HERE), responses=0), "group_size|prompts is 0: must be a whole number"),
    ],
)
def test_parameters_out_of_range(make, message: str) -> None:
    with pytest.raises(ChainError, match=message):
        make()


def demand(name: str, **settings):
    return build(name, {"reference": HERE, "demonstrations": room.ExpertChain(HERE), "beta": 0.1, **settings})


REVERSE = ("kl", "kl-direct", "k1-reward", "k2-loss", "distill", "reinforce-pp")
FORWARD = ("forward-kl", "k3-loss", *(n for n, c in REGISTRY.items() if c.family == "group"), "nft", "ppo-clip")


@pytest.mark.parametrize("name", REVERSE)
def test_a_reference_without_the_policys_mass_is_named(name: str) -> None:
    words = r"the reference gives probability 0 to the answer \(turn 0, prompt 0, answer 1\)"
    with pytest.raises(InfiniteDivergenceError, match=words):
        demand(name, reference=NEVER_WRONG).gradient(solve(MDP, HERE))
    assert np.isfinite(demand(name).gradient(solve(MDP, NEVER_WRONG)).sample).all()


@pytest.mark.parametrize("name", FORWARD)
def test_k3_is_infinite_the_other_way_round(name: str) -> None:
    """It is the forward divergence: infinite where the policy has none of the reference's mass."""
    assert np.isfinite(demand(name, reference=NEVER_WRONG).gradient(solve(MDP, HERE)).sample).all()
    words = r"the policy gives probability 0 to the answer \(turn 0, prompt 0, answer 1\)"
    with pytest.raises(InfiniteDivergenceError, match=words):
        demand(name, dynamic_sampling=False).gradient(solve(MDP, NEVER_WRONG))


@pytest.mark.parametrize("name", ["grpo", "dapo", "cispo", "gspo", "nft", "ppo-clip", "rloo"])
def test_a_sampler_without_the_policys_mass_is_named(name: str) -> None:
    words = r"the behaviour policy gives probability 0 to the answer \(turn 0, prompt 0, answer 1\)"
    with pytest.raises(InfiniteDivergenceError, match=words):
        demand(name, sampler=NEVER_WRONG).gradient(solve(MDP, HERE))
    assert np.isfinite(demand(name, sampler=HERE, beta=0.0).gradient(solve(MDP, NEVER_WRONG)).sample).all()


def test_decisions_that_are_ruled_out_are_named() -> None:
    s = solve(MDP, HERE)
    for make in (room.K2Loss, lambda ref: room.GRPO(sampler=ref), room.DPO, lambda ref: room.ReinforcePlusPlus(ref, beta=0.1)):
        with pytest.raises(InfiniteDivergenceError, match="probability 0 to the resample decision at the answer"):
            make(NEVER_AGAIN).gradient(s)


def test_endless_chains_have_no_length() -> None:
    endless = solve(TwoStageMDP.minimal(gamma=1.0), Policy.from_probabilities([[0.5, 0.5]], [[0.0, 0.0]]))
    for objective in (room.GRPO(), room.DAPO(), room.DAPOBatch(), room.SCoReSummed(), room.ReinforcePlusPlus()):
        with pytest.raises(ImproperChainError, match="the resample probability of a turn is 1"):
            objective.gradient(endless)


@pytest.mark.parametrize("correct", [[[1, 1]], [[0, 0]]])
def test_prompts_that_are_always_right_or_always_wrong_teach_nothing(correct) -> None:
    s = solve(TwoStageMDP(correct=correct, gamma=1.0, sample_length=[[16, 48]]), HERE)
    for objective in (
        room.GRPO(), room.GRPO(group_size=math.inf), room.GRPO(epsilon=1e-6), room.DAPO(dynamic_sampling=False),
        room.DAPOBatch(), room.NFT(),
        room.NFT(sampler=HERE), room.CISPO(), room.GSPO(sampler=HERE), room.RLOO(), room.ReinforcePlusPlus(), room.PPOClip(),
        room.DPO(HERE),
    ):  # fmt: skip
        g = objective.gradient(s)
        assert np.abs(g.sample).max() < 1e-14
        assert np.abs(g.decide).max() < 1e-14


def test_rigid_policies_give_numbers() -> None:
    rigid = solve(MDP, NEVER_WRONG)
    for name, cls in REGISTRY.items():
        settings = {"reference": NEVER_WRONG, "demonstrations": room.ExpertChain(NEVER_WRONG), "dynamic_sampling": False}
        g = build(name, settings).gradient(rigid)
        assert np.isfinite(g.sample).all(), cls
        assert np.isfinite(g.decide).all(), cls


def test_work_does_not_grow_with_the_square_of_the_group() -> None:
    s = solve(MDP.replace(max_turns=6), HERE)

    def seconds(objective: room.Objective) -> float:
        objective.gradient(s)
        taken = []
        for _ in range(5):
            began = time.process_time()
            objective.gradient(s)
            taken.append(time.process_time() - began)
        return min(taken)

    for make in (
        lambda size: room.GRPO(group_size=size), lambda size: room.DAPO(group_size=size),
        lambda size: room.DAPOBatch(group_size=size, prompts=16), lambda size: room.NFT(group_size=size, sampler=HERE),
        lambda size: room.GSPO(group_size=size, sampler=HERE),
    ):  # fmt: skip
        assert seconds(make(128)) < 8 * seconds(make(32)), make(32).name  # a square would be 16; about 2 is measured


# ---------------------------------------------------------------------- names of libraries


def test_aliases_resolve_to_what_is_computed() -> None:
    settings = {"reference": HERE, "demonstrations": room.ExpertChain(HERE), "beta": None}
    for alias, what in ALIASES.items():
        assert alias == alias.strip().lower().replace("_", "-")
        assert lookup(alias) is REGISTRY[what.objective]
        objective = build(alias.replace("-", "_"), settings)
        for field, value in what.settings.items():
            assert getattr(objective, field) == value
        assert what.computed
        assert what.source
    assert build("trl:dr_grpo", {}).credit == GroupMean(std=True, epsilon=1e-4)
    assert build("trl:cispo", {}).over == "batch"
    assert build("paper:cispo", {}).over == "group"
    assert build("paper:dapo", {}).dynamic_sampling
    assert not build("trl:dapo", {}).dynamic_sampling
    assert build("trl:grpo", {"beta": 0.5, "reference": HERE, "epsilon": 0.3}).epsilon == 1e-4  # an alias is what it is
    assert lookup("verl:grpo") is room.DAPOBatch
    with pytest.raises(DSTheoryError, match=r"there is no objective 'trl:gpro': did you mean .*trl:grpo"):
        lookup("trl:gpro")


@pytest.mark.parametrize("name", INSTANCES)
def test_what_is_no_number_is_refused_in_the_place_of_one(name: str) -> None:
    """True would count as 1, and a text would end in a traceback: every setting that is a number by default."""
    case = make_case(1, cap=2, kind="tabular", per="turn", gamma=1.0)
    objective = INSTANCES[name][0](case)
    for field in dataclasses.fields(objective):  # type: ignore[arg-type]
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            for value in (True, np.True_, "1", b"1", 1 + 0j, np.array([True]), None, [], [[1], [2, 3]], {}):
                with pytest.raises(ChainError, match=f"{field.name} is .*: must be a number, not of type"):
                    dataclasses.replace(objective, **{field.name: value})  # type: ignore[type-var]
            with pytest.raises(ChainError, match=rf"{field.name} is 10+\.{{3}}0+: must be at most 1.8e308 in size"):
                dataclasses.replace(objective, **{field.name: 10**400})  # type: ignore[type-var]

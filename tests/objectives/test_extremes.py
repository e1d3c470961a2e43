"""Every objective at the edges of floating point: right to nine digits, or refused in one sentence, without exception.

What is right is computed with hundreds of digits from the objective's definition (:mod:`objectives.extremes`), on chains whose
probabilities reach down to exp(-2000) and whose terms nearly cancel (:mod:`objectives.extreme_chains`).
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import math
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby
from math import inf

import numpy as np
import pytest
from objectives.extreme_chains import extreme_case
from objectives.extremes import Gradient, NoClosedFormError, gradient
from objectives.instances import INSTANCES
from profiles import EXHAUSTIVE
from strategies import Case, make_case

from dstheory import Policy, TwoStageMDP, solve
from dstheory.about import ABOUT
from dstheory.attribution import InfiniteEnergyWarning, attribute
from dstheory.errors import ChainError
from dstheory.objectives import (
    CISPO,
    DAPO,
    DFT,
    DPO,
    GRPO,
    GSPO,
    RLOO,
    SFT,
    DAPOBatch,
    Distillation,
    DrGRPO,
    EntropyBonus,
    ExpertChain,
    GRPONoStd,
    K1Loss,
    K1Reward,
    K2Loss,
    K3Loss,
    Objective,
    PPOClip,
    Reinforce,
    ReinforceBaseline,
    ReverseKLDirect,
    SFTSequenceMean,
    SFTTokenMean,
    WeightedSum,
)
from dstheory.objectives.expectation.rare import raised
from dstheory.objectives.mass import CoefficientMass
from dstheory.objectives.registry import REGISTRY

TOLERANCE = 1e-9
NOTHING = 1e-290  # a row whose true entries are all below this need only be below LITTLE
LITTLE = 1e-280
LARGEST = 1e308

Make = Callable[[Case], Objective]
LABELS: dict[str, Make] = {f"{name}-{i}": make for name, makes in INSTANCES.items() for i, make in enumerate(makes)}


def beside(reward: Objective, penalty: Objective) -> Objective:
    """Return a penalty as a sum with a reward holds it: divided as that is."""
    return (reward + penalty).terms[1]


# What the instances leave at its default: normalisers of a penalty's own and those that a sum hands on, divergences between the
# two KLs, baselines of penalties, the ways in which groups and batches are told apart.
LABELS |= {
    "k1-loss, beside grpo": lambda c: beside(GRPO(group_size=3), K1Loss(c.reference)),
    "k2-loss, beside dapo": lambda c: beside(DAPO(group_size=3, dynamic_sampling=False), K2Loss(c.reference)),
    "k2-loss, beside dapo-batch": lambda c: beside(
        DAPOBatch(group_size=2, prompts=4, micro_batches=2, accumulate="sum"), K2Loss(c.reference)
    ),
    "k3-loss, beside dr-grpo": lambda c: beside(DrGRPO(max_tokens=7), K3Loss(c.reference, beta=0.3)),
    "k3-loss, beside mixed groups": lambda c: beside(DAPO(group_size=3), K3Loss(c.reference, beta=0.3)),
    "k3-loss, beside groups that are left": lambda c: beside(
        DAPOBatch(group_size=2, prompts=2, drop_dead=True), K3Loss(c.reference)
    ),
    "k3-loss, corrected": lambda c: K3Loss(c.reference, beta=0.3, corrected_kl=True),
    "k3-loss, corrected, 1/L": lambda c: K3Loss(c.reference, normaliser="response-tokens", corrected_kl=True),
    "k1-reward, beside grpo": lambda c: beside(GRPO(group_size=3), K1Reward(c.reference)),
    "k1-reward, less the others": lambda c: K1Reward(
        c.reference, normaliser="response-tokens", group_size=3, kl_baseline="others"
    ),
    "k1-reward, less the group": lambda c: K1Reward(
        c.reference, normaliser="batch-tokens", group_size=2, prompts=2, kl_baseline="group"
    ),
    "entropy, beside grpo": lambda c: beside(GRPO(group_size=3), EntropyBonus(alpha=0.2)),
    "entropy, beside dapo": lambda c: beside(DAPO(group_size=2), EntropyBonus(alpha=0.2, length_weight=1.0, reduction="mean")),
    "distill, nearly forward": lambda c: Distillation(c.expert, interpolation=1e-3),
    "distill, between": lambda c: Distillation(c.expert, interpolation=0.5, normaliser="response-tokens"),
    "distill, forward": lambda c: Distillation(c.expert, interpolation=0.0, group_size=2, prompts=2),
    "distill, taught, reverse": lambda c: Distillation(c.expert, states="reference"),
    "distill, taught, between": lambda c: Distillation(c.expert, interpolation=0.3, states="reference"),
    "distill, taught, forward": lambda c: Distillation(c.expert, interpolation=0.0, states="reference", normaliser="responses"),
    "rloo, 1/L": lambda c: RLOO(group_size=3, normalise_by="response-tokens"),
    "reinforce-baseline, per group": lambda c: ReinforceBaseline(baseline=0.3, group_size=2, normalise_by="group-tokens"),
    "reinforce-baseline, 1/L": lambda c: ReinforceBaseline(normalise_by="response-tokens"),
    "reinforce-baseline, opo, constant": lambda c: ReinforceBaseline(
        baseline="opo", prompts=4, normalise_by="constant:7", micro_batches=2, accumulate="sum"
    ),
    "reinforce-baseline, paid, of the batch": lambda c: ReinforceBaseline(
        outcome="return", prompts=2, normalise_by="batch-tokens"
    ),
    "grpo, dual clip": lambda c: GRPO(group_size=3, sampler=c.expert, dual_clip=2.0),
    "grpo, others' deviation": lambda c: GRPO(group_size=4, std="leave-one-out", epsilon=0.01),
    "grpo, left": lambda c: GRPO(group_size=3, prompts=2, drop_dead=True),
    "dapo-batch, left": lambda c: DAPOBatch(group_size=2, prompts=3, drop_dead=True),
    "dapo-batch, left of many": lambda c: DAPOBatch(group_size=2, prompts=16, drop_dead=True),
    "dapo-batch, endless, left": lambda c: DAPOBatch(group_size=3, drop_dead=True, reference=c.reference, beta=0.1),
    "dapo-batch, endless groups of few prompts": lambda c: DAPOBatch(group_size=inf, prompts=2, reference=c.reference, beta=0.1),
    "dapo-batch, endless groups of few prompts, mixed": lambda c: DAPOBatch(
        group_size=inf, prompts=2, std=False, dynamic_sampling=True
    ),
    "dapo-batch, endless groups of few prompts, left": lambda c: DAPOBatch(group_size=inf, prompts=3, std=False, drop_dead=True),
    "k2-loss, endless groups of few prompts": lambda c: K2Loss(c.reference, normaliser="batch-tokens", group_size=inf, prompts=3),
    "dapo-batch, in parts": lambda c: DAPOBatch(group_size=2, prompts=4, micro_batches=2, accumulate="sum"),
    "ppo-clip, dual clip": lambda c: PPOClip(sampler=c.expert, dual_clip=2.0),
}

# Who generates, and what that is corrected by; what the cap cuts off; rewards that are added up; deviations of batches.
SOME: tuple[float, float, float, float] = (2.0, 0.25, -0.5, 0.25)
LABELS |= {
    "grpo, engine": lambda c: GRPO(group_size=3, engine=c.expert, reference=c.reference, beta=0.1),
    "grpo, engine, many": lambda c: GRPO(group_size=inf, engine=c.expert),
    "dapo-batch, engine, importance": lambda c: DAPOBatch(group_size=3, engine=c.expert, importance="token"),
    "grpo, engine off policy": lambda c: GRPO(
        group_size=3, sampler=c.reference, engine=c.expert, importance="token", importance_rule="mask", importance_cap=3.0
    ),
    "cispo, engine off policy": lambda c: CISPO(group_size=3, sampler=c.reference, engine=c.expert, importance="token"),
    "dr-grpo, engine": lambda c: DrGRPO(group_size=4, engine=c.expert, max_tokens=9, reference=c.reference, beta=0.1),
    "rloo, hot": lambda c: RLOO(group_size=3, temperature=2.0),
    "grpo, hot": lambda c: GRPO(group_size=3, temperature=2.0, importance="token", importance_cap=inf),
    "dapo-batch, cool": lambda c: DAPOBatch(group_size=2, temperature=0.5, prompts=2),
    "dapo, warm": lambda c: DAPO(group_size=3, temperature=1.3, sampler=c.expert, dynamic_sampling=False),
    "grpo, cut off": lambda c: GRPO(group_size=3, mask_truncated="numerator"),
    "dapo, cut off": lambda c: DAPO(group_size=3, mask_truncated="numerator", reference=c.reference, beta=0.1),
    "dapo-batch, cut off": lambda c: DAPOBatch(group_size=2, prompts=2, mask_truncated="both", reference=c.reference, beta=0.1),
    "dapo-batch, many, cut off": lambda c: DAPOBatch(group_size=3, mask_truncated="both", sampler=c.expert),
    "rloo, all rewards": lambda c: RLOO(
        group_size=3, reward_functions=("correct", "tokens", SOME), reward_weights=(1.0, -0.125, 0.5)
    ),
    "grpo, several rewards": lambda c: GRPO(group_size=3, reward_functions=("correct", (1.5, 0.0, -0.5, 0.0))),
    "grpo, rewards by turns": lambda c: GRPO(group_size=3, reward_functions=("correct", "turns"), reward_weights=(1.0, -0.25)),
    "dapo-batch, rewards by turns, off policy": lambda c: DAPOBatch(
        group_size=2, reward_functions=("correct", SOME), reward_weights=(1.0, 0.5), sampler=c.expert
    ),
    "grpo, credits of rewards": lambda c: GRPO(group_size=3, reward_functions=("correct", "turns"), combine="after"),
    "grpo, credits of rewards, off policy": lambda c: GRPO(
        group_size=2, reward_functions=("correct", SOME), reward_weights=(1.0, 0.5), combine="after", sampler=c.expert
    ),
    "grpo, credits of rewards, divided twice": lambda c: GRPO(
        group_size=2, reward_functions=("correct", "turns"), combine="after-batch", epsilon=0.01
    ),
    "grpo, deviation of the batch": lambda c: GRPO(group_size=3, std="batch"),
    "grpo, deviation of a small batch": lambda c: GRPO(group_size=2, std="batch", prompts=3, ddof=0),
    "dapo-batch, deviation of a small batch": lambda c: DAPOBatch(group_size=2, std="batch", prompts=2, epsilon=0.01),
    "dr-grpo, deviation of the batch": lambda c: DrGRPO(
        std="batch", max_tokens=5, reward_functions=("correct", (1.5, 0.0, -0.5, 0.0))
    ),
    "dr-grpo, per turn": lambda c: DrGRPO(group_size=3, max_tokens=5, baseline_per="turn"),
    "grpo-no-std, per turn": lambda c: GRPONoStd(group_size=inf, normalise_by="responses", baseline_per="turn"),
    "sft-token-mean, weighted": lambda c: SFTTokenMean(
        ExpertChain(c.expert), responses=4, weights=(1.0, -0.5), micro_batches=2, accumulate="sum"
    ),
    "sft-sequence-mean, weighted": lambda c: SFTSequenceMean(ExpertChain(c.expert), weights=(0.5, 2.0)),
    "dft, weighted": lambda c: DFT(ExpertChain(c.expert), weights=(1.0, -0.5)),
}
BY_RESPONSE: dict[str, Make] = {
    "grpo, whole importance": lambda c: GRPO(group_size=3, engine=c.expert, importance="sequence"),
    "dapo-batch, mean importance": lambda c: DAPOBatch(
        group_size=2, temperature=2.0, importance="sequence-mean", importance_rule="mask"
    ),
    "dapo, whole importance": lambda c: DAPO(
        group_size=2, sampler=c.reference, engine=c.expert, importance="sequence", dynamic_sampling=False
    ),
    "grpo, whole ratio": lambda c: GRPO(group_size=3, sampler=c.expert, ratio_level="sequence-product"),
    "dr-grpo, whole ratio": lambda c: DrGRPO(group_size=3, sampler=c.expert, ratio_level="sequence", std=False, max_tokens=5),
    "gspo, cut off": lambda c: GSPO(group_size=3, sampler=c.expert, clip_low=0.5, clip_high=0.5, mask_truncated="numerator"),
}
LOSSES = ("sigmoid_norm", "hinge", "ipo", "ipo_sum", "robust", "exo_pair", "discopop", "nca_pair", "bco_pair", "sppo_hard",
          "apo_zero", "apo_down")  # fmt: skip
BY_RESPONSE |= {
    f"dpo, {loss}": lambda c, loss=loss: DPO(
        c.reference, beta=0.5, sampler=c.expert, loss=loss, smoothing=0.1 if loss in ("robust", "exo_pair") else 0.0,
        tau=0.25 if loss == "discopop" else 0.05,
    )
    for loss in LOSSES
}  # fmt: skip
BY_RESPONSE["dpo, smoothed"] = lambda c: DPO(c.reference, beta=0.2, smoothing=0.25)
LABELS |= BY_RESPONSE

LABELS["reinforce-baseline, paid, less one"] = lambda c: ReinforceBaseline(baseline=1.0, outcome="return", prompts=2,
                                                                           normalise_by="batch-tokens")  # fmt: skip

LABELS["ppo-clip, near"] = lambda c: PPOClip(sampler=c.reference)

# Sums over whole responses: their chains are smaller.
OVER_RESPONSES = {"gspo-1", "gspo-2", "dpo-0", "dpo-1", *BY_RESPONSE}

# The largest share of random chains that may be refused though there is a gradient, and what the reason says. All others: none.
# Dynamic sampling divides by the probability of a mixed group, groups without end by the root of p (1 - p): none may underflow.
_MIXED, _CHANCE = "probability of a mixed group", "chance of a (success|failure)"
_RETURNS, _ANSWER = "variance of the returns", "chance of an answer"
MAY_REFUSE: dict[str, tuple[float, str]] = {
    "grpo-1": (0.05, f"{_RETURNS}|{_CHANCE}|{_ANSWER}"),
    "rft-0": (0.05, "share of responses that are kept"),
    "rft-1": (0.05, "share of responses that are kept"),
    "rft-2": (0.05, "share of responses that are kept"),
    "reinforce-pp-0": (0.2, _RETURNS),
    "reinforce-pp-1": (0.1, _RETURNS),
    "nft-2": (0.12, f"{_CHANCE}|gradient of nft"),
    "dapo-0": (0.12, f"{_MIXED}|{_ANSWER}"),
    "dapo-2": (0.12, f"{_MIXED}|{_ANSWER}"),
    "dapo-3": (0.12, f"{_MIXED}|{_ANSWER}"),
    "dapo-4": (0.15, f"{_MIXED}|{_CHANCE}|{_ANSWER}"),
    "cispo-1": (0.12, f"{_MIXED}|{_ANSWER}"),
    "dapo, cut off": (0.12, f"{_MIXED}|{_ANSWER}"),
    "k3-loss, beside mixed groups": (0.12, f"{_MIXED}|{_ANSWER}"),
    "k3-loss, beside groups that are left": (0.12, f"{_MIXED}|{_ANSWER}"),
    "entropy, beside dapo": (0.12, f"{_MIXED}|{_ANSWER}"),
    "grpo, left": (0.12, f"{_MIXED}|{_ANSWER}"),
    "dapo-batch, left": (0.12, f"{_MIXED}|{_ANSWER}"),
    "dapo-batch, left of many": (0.12, f"{_MIXED}|{_ANSWER}"),
    "dapo-batch, endless, left": (0.12, f"{_MIXED}|{_ANSWER}"),
    "grpo, engine, many": (0.12, _CHANCE),
    "grpo, whole ratio": (0.03, "gradient of grpo"),
    "dapo-batch, many, cut off": (0.02, "mean tokens of responses that are not truncated"),
    "dapo-batch, endless groups of few prompts": (0.05, f"{_CHANCE}"),
    "dapo-batch, endless groups of few prompts, mixed": (0.12, f"{_MIXED}|{_CHANCE}|{_ANSWER}"),
    "dapo-batch, endless groups of few prompts, left": (0.12, f"{_MIXED}|{_CHANCE}|{_ANSWER}"),
}


# The same for rows of which terms that cancel leave fewer than nine digits: off policy a row may be a sum of such terms (long
# responses; a decision that the policy all but rules out and the sampler draws), recorded demonstrations may balance, and so may
# tokens that are divided by the length of their response, or by a deviation of returns. Where dead groups of a few are left out,
# rows below 1e-150 underflow on up to one chain in thirty, and most of them would be wrong in their first digit.
FEW_DIGITS = "rounding of .* moves it"
_SELDOM = 0.03
MAY_LACK_DIGITS: dict[str, float] = {
    "rloo-2": 0.15, "ppo-clip-1": 0.05, "grpo-1": 0.06, "grpo-no-std-0": 0.05, "grpo-no-std-1": 0.08,
    "dr-grpo-1": 0.06, "dapo-0": 0.05, "dapo-1": 0.08, "dapo-2": 0.05, "dapo-3": 0.06, "dapo-4": 0.05, "dapo-batch-2": 0.05,
    "k1-reward, beside grpo": 0.2, "grpo, dual clip": 0.1, "gspo-1": 0.08, "gspo-2": 0.06,
    "cispo-1": 0.06, "dpo-0": 0.1, "dpo-1": 0.2, "dft-2": 0.05,
    "grpo, engine, many": 0.16, "grpo, engine off policy": 0.2, "dapo-batch, cool": 0.08, "grpo, whole ratio": 0.12,
    "dapo-batch, rewards by turns, off policy": 0.12, "grpo, deviation of the batch": 0.1, "dr-grpo, deviation of the batch": 0.1,
    "dapo-batch, endless, left": 0.05,
    **{f"dpo, {loss}": 0.2 for loss in LOSSES},
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What one objective came to on one chain.

    Attributes:
        kind: right or wrong, refused or needlessly refused, or how it failed.
        error: the relative error of the worst row.
        words: where that row is, or what was said.
    """

    kind: str
    error: float = 0.0
    words: str = ""


def look(make: Make, case: Case) -> Found:
    """Return what the package says of an objective on a chain, against the truth."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", InfiniteEnergyWarning)
        try:
            objective, solution = make(case), solve(case.mdp, case.policy)
            found = objective.gradient(solution)
            said = attribute(objective, solution, limit=100, digits=False)  # which were asked for just now
        except ChainError as error:
            return _refused(make, case, str(error))
        except Warning as warning:
            return Found("warning", words=str(warning))
        except Exception as error:
            return Found("crash", words=f"{type(error).__name__}: {error}")
    norms = [said.gradient.sample, said.gradient.decide]
    if not all(np.isfinite(block).all() for block in (found.sample, found.decide, *norms)):
        return Found("not finite")
    if np.isnan([said.energy.sample, said.energy.decide]).any():
        return Found("not finite", words="energy")

    def worst(truth: Gradient) -> tuple[float, str]:
        return max((*row_errors("sample", found.sample, truth[0]), *row_errors("decide", found.decide, truth[1])))

    try:
        truth = gradient(objective, case, agrees=lambda truth: worst(truth)[0] < TOLERANCE)
    except NoClosedFormError as reason:
        return Found("not refused", words=str(reason))
    if _too_large(truth):
        return Found("not refused", words="the gradient is beyond the largest float")
    error, where = worst(truth)
    return Found("right" if error < TOLERANCE else "wrong", error, where)


def row_errors(stage: str, found: np.ndarray, true: np.ndarray) -> Iterator[tuple[float, str]]:
    """Yield for every turn and prompt the largest error of the row over its largest true entry, and where that is."""
    for at in np.ndindex(found.shape[:-1]):
        top = max(abs(v) for v in true[at])
        where = f"{stage}, turn {at[0]}, prompt {at[1]}: {found[at].tolist()} instead of {[float(v) for v in true[at]]}"
        if top < NOTHING:
            yield (0.0 if np.abs(found[at]).max() < LITTLE else 1.0), where
        else:
            yield float(max(abs(t - float(f)) for t, f in zip(true[at], found[at], strict=True)) / top), where


def _too_large(truth: Iterable[np.ndarray]) -> bool:
    return any(abs(v) > LARGEST for block in truth for v in block.flat)


def _refused(make: Make, case: Case, words: str) -> Found:
    """Return whether there was nothing to say, or only nothing that this package says."""
    if "\n" in words:
        return Found("more than one sentence", words=words)
    if "distinct responses" in words:  # too many for the truth as well
        return Found("needlessly refused", words=words)
    try:
        needless = not _too_large(gradient(make(case), case))
    except NoClosedFormError:
        needless = False
    return Found("needlessly refused" if needless else "refused", words=words)


def check(labels: Iterable[str], seeds: Iterable[int]) -> dict[str, tuple[int, int, list[str]]]:
    """Return for each label on how many chains with a truth there was no answer, on how many too few digits, and what is wrong.

    All objectives meet one chain after the other, so that they share what the truth needs of it.
    """
    refused, lacking, faults = Counter[str](), Counter[str](), defaultdict[str, list[str]](list)
    labels = sorted(labels, key=OVER_RESPONSES.__contains__)
    for seed in seeds:
        for small, each in groupby(labels, OVER_RESPONSES.__contains__):
            case = extreme_case(seed, small=small)
            for label in each:
                found, (_, may) = look(LABELS[label], case), MAY_REFUSE.get(label, (0.0, None))
                if found.kind == "needlessly refused" and may is not None and re.match(may, found.words):
                    refused[label] += 1
                elif found.kind == "needlessly refused" and re.match(FEW_DIGITS, found.words):
                    lacking[label] += 1
                elif found.kind not in ("right", "refused"):
                    faults[label].append(f"{label}, extreme_case({seed}): {found.kind}, {found.error:.1e}, {found.words}")
    return {label: (refused[label], lacking[label], faults[label]) for label in labels}


# A few of a hundred chains for each instance, in turn: at least five for each objective.
_EACH = {label: max(2, -(-5 // len(INSTANCES.get(label.rpartition("-")[0], ".....")))) for label in LABELS}
ORDINARY = {
    label: [(last - i) % 100 for i in range(_EACH[label])] for label, last in zip(_EACH, accumulate(_EACH.values()), strict=True)
}


def test_every_objective_is_met_on_a_hundred_chains() -> None:
    assert set(INSTANCES) == set(ABOUT)
    assert len({seed for seeds in ORDINARY.values() for seed in seeds}) == 100


def choices(kind: type[Objective], name: str) -> set[object]:
    """Return what a setting may be, where its type or its error lists it; nothing for numbers and policies."""
    said = next(vars(base)["__annotations__"][name] for base in kind.__mro__ if name in vars(base).get("__annotations__", {}))
    listed = re.fullmatch(r"Literal\[(.*)\]", said)
    if name in NAMED:
        return set(NAMED[name])
    return set(ast.literal_eval(f"({listed[1]},)")) if listed else {True, False} if said == "bool" else set()


NAMED = {"std": (True, False, "leave-one-out", "batch"), "loss": ("sigmoid", *LOSSES), "baseline": ("mean", "opo")}
NOT_SETTINGS = {"inherited"}  # what a sum hands on


@pytest.mark.parametrize("name", sorted(REGISTRY.keys() & ABOUT.keys()))
def test_every_setting_of_every_objective_is_met_at_extremes(name: str) -> None:
    """By the objective itself, or by another one of the class that the setting belongs to."""
    case = next(case for case in map(extreme_case, range(100)) if (case.mdp.max_turns or 0) > 2)
    made, kind = [make(case) for make in LABELS.values()], REGISTRY[name]
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in NOT_SETTINGS:
            continue
        belongs = next(base for base in reversed(kind.__mro__) if field.name in vars(base).get("__annotations__", {}))
        met = [getattr(one, field.name) for one in made if isinstance(one, belongs)]
        asked = choices(kind, field.name)
        assert asked <= {v for v in met if isinstance(v, str | int)}, (field.name, asked)
        assert asked or any(v is not field.default and not np.array_equal(v, field.default) for v in met), field.name


@pytest.mark.parametrize("label", LABELS)
def test_right_or_refused(label: str) -> None:
    _, _, faults = check([label], ORDINARY[label])[label]
    assert not faults, "\n".join(faults)


# What one of the thousands found: turns that end with different answers; a decision that the next turn's divergence, of second
# order, is all that speaks for; answers that tie beside one that is nearly impossible, or beside none;
# returns that hardly differ; a sampler that is the policy; weights of misses beyond the largest number; responses of five turns
# that alone are not clipped; lengths whose parts cancel but for a thousandth; groups whose credits balance from the next turn on,
# also off policy; chances that are no numbers, times credits that make them some; pairs of which one
# response is nearly certain; rows of decisions of which one is no number, though the row is; weights by a token's own probability
# that are nearly alike, beside an expert who is nearly the policy; batches of which one group is left; ratios and importance
# that are no numbers, both; ratios to a teacher that are no numbers, times logarithms of themselves;
# chances that are no numbers, times ratios and credits that make them some; returns that are the baseline but for the rarest;
# answers that a teacher all but rules out, alike; turns that hardly any response of a group reaches;
# responses whose importance is no number, times ratios that are none either; answers whose advantages hardly differ from what the
# next turn is worth; chains without a cap whose resamples underflow, and are told apart by response; pairs whose losses of both
# and of one are nearly the opposite; pairs of the same answers in another order; turns to come of which credits balance and
# lengths are alike; first turns, unlike the others, with which hardly any response ends; logits that are alike, over 1.3;
# rewards whose chance is no number, though its root is; batches of few prompts whose lengths are so large that what weighs them
# underflows; a sampler that is nearly the policy, and a last turn whose answers are paid alike; returns of which nearly all
# differ by less than a tenth, or by a discount near 1.
@pytest.mark.parametrize(
    ("label", "seed"),
    [
        ("rloo-0", 519),
        ("nft-0", 519),
        ("kl-0", 697),
        ("entropy-0", 1775),
        ("entropy-0", 1870),
        ("entropy-0", 1875),
        ("grpo-1", 912),
        ("grpo-1", 1659),
        ("grpo-no-std-0", 177),
        ("grpo-no-std-0", 266),
        ("nft-1", 651),
        ("nft-1", 692),
        ("nft-2", 595),
        ("nft-2", 974),
        ("nft-2", 1457),
        ("gspo-1", 935),
        ("gspo-1", 1957),
        ("sft-token-mean-1", 623),
        ("cispo-1", 108),
        ("cispo-1", 117),
        ("dr-grpo-1", 1870),
        ("dapo-3", 130),
        ("dapo-3", 200),
        ("dapo-3", 900),
        ("dpo-0", 999),
        ("dft-0", 856),
        ("dft-1", 856),
        ("dapo-batch, left of many", 0),
        ("dapo-batch, endless groups of few prompts, left", 15),
        ("grpo, engine off policy", 0),
        ("distill, taught, reverse", 160),
        ("distill, taught, reverse", 254),
        ("distill, taught, between", 160),
        ("distill, taught, between", 193),
        ("distill, taught, between", 481),
        ("distill, between", 501),
        ("k3-loss, beside mixed groups", 1074),
        ("reinforce-baseline, paid, of the batch", 164),
        ("reinforce-baseline, paid, of the batch", 581),
        ("reinforce-baseline, paid, of the batch", 860),
        ("reinforce-baseline, paid, of the batch", 1623),
        ("reinforce-baseline, paid, of the batch", 1806),
        ("reinforce-baseline, paid, of the batch", 2021),
        ("reinforce-baseline, paid, less one", 893),
        ("dapo, whole importance", 220),
        ("dapo, whole importance", 249),
        ("dapo, whole importance", 269),
        ("dr-grpo, per turn", 311),
        ("dr-grpo, per turn", 442),
        ("grpo, whole importance", 757),
        ("dr-grpo, whole ratio", 781),
        ("dpo, smoothed", 795),
        ("dpo, apo_down", 110),
        ("dpo, apo_down", 154),
        ("dpo, apo_down", 250),
        ("dpo, hinge", 1425),
        ("dapo-batch-2", 1135),
        ("dapo-batch-2", 1196),
        ("grpo, hot", 1142),
        ("grpo, hot", 1154),
        ("grpo, engine", 1124),
        ("dapo, warm", 1656),
        ("dapo, warm", 1759),
        ("dapo, warm", 1795),
        ("dapo, warm", 1922),
        ("dapo, warm", 1923),
        ("dapo, warm", 1979),
        ("ppo-clip, near", 434),
        ("ppo-clip, near", 447),
        ("ppo-clip, near", 824),
        ("dapo-batch, endless groups of few prompts", 137),
        ("dapo-batch, endless groups of few prompts", 190),
        ("dapo-batch, endless groups of few prompts", 245),
        ("dapo-batch, endless groups of few prompts", 253),
        ("grpo, engine, many", 144),
        ("grpo, engine, many", 286),
        ("grpo, engine, many", 1135),
        ("dapo-batch, endless, left", 1688),
        ("dapo-batch, deviation of a small batch", 1336),
        ("dapo-batch, deviation of a small batch", 2069),
        ("dapo-batch, rewards by turns, off policy", 1943),
    ],
)
def test_right(label: str, seed: int) -> None:
    assert check([label], [seed]) == {label: (0, 0, [])}


def test_groups_that_are_left_out_count_beside_long_ones() -> None:
    """All groups are mixed, so that none is left out: a short one is beside a long one, but for one time in a billion."""
    mdp = TwoStageMDP(correct=[[1, 0]] * 3, sample_length=[[1, 1], [10**13] * 2, [10**13] * 2], prompt_weight=[2e-9, 0.7, 0.2])
    solution = solve(mdp, Policy.tabular([[0.5, 0.0], [0.0, 0.3], [0.2, 0.1]], [[1.0, 0.0], [0.5, 0.1], [0.3, -0.2]]))
    left = DAPOBatch(group_size=math.inf, prompts=2, drop_dead=True).gradient(solution)
    summed = DAPOBatch(group_size=math.inf, normalise_by="responses").gradient(solution)
    tokens = solution.expected_tokens
    share = 2.0 * (mdp.prompt_weight / (tokens[:, None] + tokens)).sum(axis=1)
    np.testing.assert_allclose(left.decide / summed.decide, np.broadcast_to(share[:, None], (1, 3, 2)), rtol=1e-12)


# Rows that underflow before a rare chance divides them; returns that differ so rarely that their penalties' rounding hides it;
# ratios that are alike but for their last digits, and rounded alike in all directions; logits that are nearly alike, over 1.3;
# rewards of a batch whose deviation is no number, rare as the one that differs is; credits beside a success whose chance is no
# number, times ratios that make them count; squares of margins that are nearly 1/2, of two terms that cancel but for the
# thirteenth digit.
@pytest.mark.parametrize(
    ("label", "seed"),
    [
        ("dapo-4", 311),
        ("grpo-1", 1457),
        ("reinforce-pp-1", 320),
        ("ppo-clip, dual clip", 2031),
        ("dapo, warm", 605),
        ("dapo, warm", 1316),
        ("dapo, warm", 1410),
        ("grpo, deviation of the batch", 774),
        ("dpo, ipo", 1578),
        ("dpo-1", 473),
    ],
)
def test_not_wrong(label: str, seed: int) -> None:
    assert look(LABELS[label], extreme_case(seed, small=label in OVER_RESPONSES)).kind == "needlessly refused"


@pytest.mark.parametrize("shares", [(1.0,), (0.25, 0.75), (0.3, 0.5, 0.2)])
def test_terms_of_which_little_is_left_are_seen_where_all_are_rounded_alike(
    shares: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terms of given numbers are rounded alike in all directions, on every processor; however many cancel."""
    case = extreme_case(1870)
    objective, solution = LABELS["dr-grpo-1"](case), solve(case.mdp, case.policy)
    term = objective.terms(solution, solution, objective.outcome_of(solution))[0]
    shape = (3, *solution.occupancy.shape, case.mdp.shape[1])
    given = np.arange(1.0, math.prod(shape) + 1).reshape(shape)
    others = [CoefficientMass(*(given * share * (-1.0 - 1e-7 * given / given.max()))) for share in shares]
    masses = itertools.cycle([CoefficientMass(*given), *others])
    monkeypatch.setattr(type(objective), "terms", lambda *of: (term,) * (1 + len(shares)))
    for way in ("mass", "contrast", "beside", "reweighted"):
        monkeypatch.setattr(f"dstheory.objectives.responses.response_{way}", lambda *of: next(masses))
    with pytest.raises(ChainError, match=FEW_DIGITS):
        objective.gradient(solution)
    if len(shares) == 1:  # a difference of two numbers is exact in every direction: nothing else shows what they lost
        monkeypatch.setattr("dstheory.objectives.responses.directed", lambda: False)
        objective.gradient(solution)


def test_answers_too_rare_are_named_where_rounding_does_not_show_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dstheory.objectives.expectation.groups.shows_underflow", lambda: False)
    with pytest.raises(ChainError, match="chance of an answer and stop at turn 0, prompt 1, answer 2"):
        case = extreme_case(1637)
        LABELS["grpo-1"](case).gradient(solve(case.mdp, case.policy))


@pytest.mark.parametrize("label", ["dapo-0", "dapo-batch, endless groups of few prompts", "grpo, engine, many"])
def test_chances_are_raised_alike_where_numbers_hold_them_too(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    met = []

    def seen(*args: object) -> object:
        met.append(raised(*args))  # type: ignore[arg-type]
        return met[-1]

    monkeypatch.setattr("dstheory.objectives.expectation.rare.raised", seen)
    for seed in range(100, 140):
        case = extreme_case(seed)
        objective, solution = LABELS[label](case), solve(case.mdp, case.policy)
        try:
            known = objective.gradient(solution)
        except ChainError:
            continue
        with monkeypatch.context() as nearer:
            nearer.setattr("dstheory.objectives.expectation.rare._LOG_LEAST", -120.0)
            nearer.setattr("dstheory.objectives.expectation.rare._TO", -100.0)
            found = objective.ascent(solution)
        for true, block in ((known.sample, found.sample), (known.decide, found.decide)):
            top = np.abs(true).max(axis=-1)
            assert (np.abs(true - block).max(axis=-1) <= np.where(top < NOTHING, LITTLE, 1e-9 * top)).all(), seed
    assert sum(chain is not None for chain in met) > 2


@pytest.mark.parametrize("size", [3, math.inf])
def test_groups_that_must_be_mixed_know_their_rewards_where_these_hardly_differ(size: float) -> None:
    mdp = TwoStageMDP(correct=[[0, 0, 0]], max_turns=3, resample_cost=0.1, gamma=1.0)
    solution = solve(mdp, Policy.tabular([[0.3, 0.1, -0.2]], [[-19.0, -19.5, -22.0]]))
    drawn, kept = (DAPO(group_size=size, outcome="return", std=False, normalise_by="responses", dynamic_sampling=again)
                   for again in (True, False))  # fmt: skip
    found, all_of = drawn.ascent(solution), kept.ascent(solution)
    share = all_of.decide / found.decide  # of groups that are mixed: only these have credits
    assert 0.0 < share.min() < 1e-6 if size == 3 else share.min() == pytest.approx(1.0)
    np.testing.assert_allclose(share, share[0, 0, 0], rtol=1e-6)


def test_groups_without_end_that_must_be_mixed_know_returns_that_hardly_differ() -> None:
    """All of them are mixed, so that none is drawn again: nothing changes, though nearly every response is paid the same."""
    case = extreme_case(860)
    solution = solve(case.mdp, case.policy)
    drawn, kept = (DAPO(group_size=inf, outcome="return", std=False, normalise_by="response-tokens", dynamic_sampling=again)
                   for again in (True, False))  # fmt: skip
    np.testing.assert_allclose(drawn.gradient(solution).sample, kept.gradient(solution).sample, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_right_or_refused_on_thousands(part: int) -> None:
    found = check(LABELS, range(100 + 500 * part, 600 + 500 * part))
    faults = [fault for _, _, faults in found.values() for fault in faults[:20]]
    for label, (refused, lacking, _) in found.items():
        if refused > 500 * MAY_REFUSE.get(label, (0.0, ""))[0] or lacking > 500 * MAY_LACK_DIGITS.get(label, _SELDOM):
            faults.append(f"{label}: {refused} refused, {lacking} with too few digits")
    assert not faults, "\n".join(faults)


CHAINS = [(1, 2, "tabular"), (7, 3, "turn-indexed"), (3, None, "tabular")]


@pytest.mark.parametrize(("number", "label"), list(enumerate(LABELS)), ids=list(LABELS))
def test_the_truth_agrees_on_ordinary_chains(number: int, label: str) -> None:
    """On one of three, in turn, that the objective has a gradient on; in the exhaustive profile on all of them."""
    for i in range(3):
        seed, cap, kind = CHAINS[(number + i) % 3]
        case = make_case(seed, cap=cap, kind=kind, per="stage", gamma=0.9)
        if cap is None and label in OVER_RESPONSES:
            continue
        objective, solution = LABELS[label](case), solve(case.mdp, case.policy)
        try:
            found = objective.gradient(solution)
        except ChainError:
            continue
        truth = gradient(objective, case, bits=256)
        size = max(1.0, *(float(abs(v)) for block in truth for v in block.flat))
        for block, true in zip((found.sample, found.decide), truth, strict=True):
            np.testing.assert_allclose(block, true.astype(float), rtol=0, atol=1e-12 * size)
        if not EXHAUSTIVE:
            return


# Each term with a normaliser of its own: what is inherited in a sum is no part of a term's truth.
SUMS: dict[str, Callable[[Case], WeightedSum]] = {
    "reinforce + kl-direct": lambda c: Reinforce() + 0.5 * ReverseKLDirect(c.reference, beta=0.3, length_weight=0.5),
    "rloo, off policy + k2-loss": lambda c: RLOO(group_size=3, sampler=c.expert) + K2Loss(c.reference, beta=0.3),
    "grpo + k3-loss": lambda c: GRPO(group_size=3) + K3Loss(c.reference, beta=0.3, normaliser="response-tokens"),
    "k2-loss - k2-loss": lambda c: K2Loss(c.reference) + (-0.5) * K2Loss(c.expert),
    "sft + rloo": lambda c: SFT(ExpertChain(c.expert)) + 1e-3 * RLOO(group_size=3),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_are_right_or_refused(name: str) -> None:
    """To nine digits of the largest term of a row: terms may cancel, and what is added up loses nothing beside that."""
    for seed in range(5):
        case = extreme_case(seed)
        added, solution = SUMS[name](case), solve(case.mdp, case.policy)
        try:
            found = added.gradient(solution)
        except ChainError as error:
            if re.match(FEW_DIGITS, str(error)):
                continue
            raise
        truths = [gradient(term, case) for term in added.terms]
        for i, block in enumerate((found.sample, found.decide)):
            rows = [float(np.asarray(f)) * true[i] for f, true in zip(added.factors, truths, strict=True)]
            top, error = sum(np.abs(row).max(axis=-1) for row in rows), np.abs(sum(rows) - block).max(axis=-1)
            assert (error <= TOLERANCE * top + LITTLE).all(), (seed, i)

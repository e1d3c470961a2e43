"""From a :class:`Training` to the objectives of this package: one part per term of the loss.

On the policy that generated the responses every importance ratio is 1: clipping does nothing there, and ratios of tokens and of
responses are one. What is made here is that first update on a batch.

A group's rewards minus the mean of the *others* are G/(G - 1) times the rewards minus the mean of the group, response by
response, so that leave-one-out under any normaliser is the group-mean credit times that number. The standard deviation of a batch
is, in the limit of many prompts, one number for all responses: that of the reward over prompts and responses.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.errors import ChainError
from dstheory.objectives import (
    CISPO,
    DAPO,
    DFT,
    DPO,
    GRPO,
    GSPO,
    RLOO,
    DAPOBatch,
    Distillation,
    DrGRPO,
    EntropyBonus,
    ExpertChain,
    K1Loss,
    K1Reward,
    K2Loss,
    K3Loss,
    Objective,
    PPOClip,
    ReinforceBaseline,
    ReinforcePlusPlus,
    SFTSequenceMean,
    SFTSequenceSum,
    SFTTokenMean,
    WeightedSum,
)
from dstheory.trainers.training import Training

__all__ = ["Part", "left_out", "objective_of", "parts"]


@dataclass(frozen=True, eq=False)
class Part:
    """One term of the loss.

    Attributes:
        name: ``reward``, ``KL in the loss``, ``KL in the reward``, ``entropy``, ``demonstrations``, ``pairs`` or ``teacher``.
        objective: as it is divided in the loss.
        factor: what it is multiplied by.
    """

    name: str
    objective: Objective
    factor: float = 1.0


def objective_of(training: Training, solution: Solution, *, reference: Policy, expert: Policy) -> Objective:
    """Return the whole objective of a training.

    Raises:
        ChainError: this package has no such objective.

    >>> from dstheory import TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.55, a=0.8, b=0.3))
    >>> objective_of(Training(normaliser="batch-tokens", std="group"), s, reference=s.policy, expert=s.policy).name
    'dapo-batch'
    """
    found = parts(training, solution, reference=reference, expert=expert)
    if len(found) == 1 and found[0].factor == 1.0:
        return found[0].objective
    return WeightedSum(tuple(part.objective for part in found), tuple(part.factor for part in found))


def parts(training: Training, solution: Solution, *, reference: Policy, expert: Policy) -> list[Part]:
    """Return the terms of the loss, each as it is divided there.

    Args:
        training: what the configuration says.
        solution: the chain under the policy: the standard deviation of a batch is taken there.
        reference: what KL terms refer to.
        expert: who demonstrates, or teaches.

    Raises:
        ChainError: this package has no such objective.
    """
    match training.method:
        case "sft":
            if training.normaliser not in _SFT:
                raise ChainError(f"SFT divided by {training.normaliser} is not modelled")
            return [Part("demonstrations", _SFT[training.normaliser](demonstrations=ExpertChain(expert)))]
        case "dft" | "distill" if training.normaliser != "batch-tokens":
            raise ChainError(f"{training.method} divided by {training.normaliser} is not modelled")
        case "dft":
            return [Part("demonstrations", DFT(demonstrations=ExpertChain(expert)))]
        case "dpo":
            return [Part("pairs", DPO(reference=reference, beta=training.beta))]
        case "distill":
            return [Part("teacher", _teacher(training, expert))]
    reward, factor = _reward(training, solution, reference)
    found = [Part("reward", reward, factor)]
    loss: dict[str, Callable[..., Objective]] = {"k1": K1Loss, "k2": K2Loss, "k3": K3Loss, "k3-ratio": K2Loss}
    if training.beta:
        own: dict[str, Any] = {}
        if training.kl_normaliser != "as the reward":
            own = {"normaliser": training.kl_normaliser, "group_size": training.group_size, "prompts": training.prompts}
        found.append(Part("KL in the loss", loss[training.estimator](reference=reference, beta=training.beta, **own)))
    if training.reward_beta and training.credit != "whitened":
        kept = 1.0
        if training.credit == "group-mean" and not training.reward_kl_after:
            kept = 1.0 - 1.0 / training.group_size  # the group's mean takes away its own share of the penalty
        if not left_out(training):
            found.append(Part("KL in the reward", K1Reward(reference=reference, beta=training.reward_beta), kept))
    if training.entropy:
        found.append(Part("entropy", EntropyBonus(alpha=training.entropy)))
    terms = WeightedSum(tuple(part.objective for part in found), tuple(part.factor for part in found)).terms
    return [replace(part, objective=term) for part, term in zip(found, terms, strict=True)]


def left_out(training: Training) -> str:
    """Return why the KL in the reward is left out of the objectives, "" if it is not.

    >>> left_out(Training(reward_beta=0.01, std="group"))
    'a KL in the reward that is divided by a standard deviation, with the reward'
    """
    if not training.reward_beta or training.credit in ("whitened", "other"):
        return ""
    if training.reward_estimator != "k1":
        return f"{training.reward_estimator} in the reward: only k1, the log-ratio, is modelled there"
    if training.reward_kl_after:
        return ""
    if training.std != "none":
        return "a KL in the reward that is divided by a standard deviation, with the reward"
    if training.normaliser in ("response-tokens", "group-tokens") and training.credit in ("group-mean", "leave-one-out"):
        return "a KL in the reward that is centred, where responses are divided by lengths"
    return ""


_SFT: dict[str, Callable[..., Objective]] = {
    "batch-tokens": SFTTokenMean,
    "responses": SFTSequenceSum,
    "response-tokens": SFTSequenceMean,
}


def _teacher(training: Training, teacher: Policy) -> Objective:
    if training.divergence == "reverse":
        return Distillation(teacher, beta=training.beta)
    return K3Loss(teacher, beta=training.beta, normaliser="batch-tokens")


def _reward(training: Training, solution: Solution, reference: Policy) -> tuple[Objective, float]:
    """Return the reward term, and what it is multiplied by."""
    size, prompts, factor = training.group_size, training.prompts, training.factor
    if training.clip == "truncate" and training.truncate_at:
        factor *= min(1.0, training.truncate_at)  # every ratio is 1 on the policy, and truncated there
    credit, std = training.credit, training.std
    if credit == "other":
        raise ChainError("its credit is one that this package does not have")
    if credit in ("whitened", "critic") and training.normaliser != "batch-tokens":
        raise ChainError(f"the credit {credit} divided by {training.normaliser} is not modelled")
    if credit == "whitened":
        beta = training.reward_beta
        return ReinforcePlusPlus(reference=reference if beta else None, beta=beta), factor
    if credit == "critic":
        return PPOClip(clip_low=training.clip_low, clip_high=training.clip_high), factor
    if credit in ("reward", "batch-mean", "length-baseline"):
        baseline: Any = "opo" if credit == "length-baseline" else 0.0
        if training.normaliser in ("responses", "constant"):
            factor /= training.max_tokens if training.normaliser == "constant" else 1.0
            return ReinforceBaseline(baseline=baseline), factor
        if training.normaliser == "batch-tokens":  # in large batches a baseline of the prompt changes nothing
            return DAPOBatch(std=False, group_size=inf, prompts=inf), factor
        raise ChainError(f"{credit} with the normaliser {training.normaliser} is not modelled")
    if credit == "leave-one-out":
        if training.normaliser == "responses" and std == "none":
            return RLOO(group_size=size), factor
        factor *= size / (size - 1.0)
    if std == "others":
        raise ChainError("a standard deviation that leaves the response itself out is not modelled")
    divided = std == "group" or (std == "batch" and training.std_prompts == 1.0)
    if std == "batch" and not divided:
        factor /= _spread(solution) + training.epsilon
    settings: dict[str, Any] = {
        "group_size": size,
        "prompts": prompts,
        "std": divided,
        "ddof": training.ddof,
        "epsilon": training.epsilon if divided else 0.0,
    }
    if training.dynamic_sampling:
        settings["dynamic_sampling"] = True
    return _group(training, settings), factor


def _group(training: Training, settings: dict[str, Any]) -> Objective:
    clip: dict[str, Any] = {"clip_low": min(training.clip_low, 1.0), "clip_high": training.clip_high}
    match training.normaliser:
        case "responses":
            return DrGRPO(max_tokens=1.0, **settings, **clip)
        case "constant":
            return DrGRPO(max_tokens=training.max_tokens, **settings, **clip)
        case "response-tokens":
            return (GSPO if training.ratio == "response-mean" else GRPO)(**settings, **clip)
        case "group-tokens":
            return DAPO(**{"dynamic_sampling": False, **settings}, **clip)
        case _ if training.clip == "truncate":
            return CISPO(over="batch", clip_high=max(training.truncate_at - 1.0, 0.0) or training.clip_high, **settings)
        case _:
            return DAPOBatch(**settings, **clip)


def _spread(solution: Solution) -> float:
    """Return the standard deviation of correctness over prompts and responses."""
    accuracy = float(np.asarray(solution.mean_accuracy))
    return float(np.sqrt(accuracy * (1.0 - accuracy)))

"""Objectives as coefficient rules under a measure; one file each, one registry."""

from dstheory.objectives.base import CoefficientMass, Objective, StageGradient, stage_weights
from dstheory.objectives.demonstrations import Demonstrations, ExpertChain, Recorded
from dstheory.objectives.entropy import EntropyBonus
from dstheory.objectives.estimate import Estimate, estimate_gradient
from dstheory.objectives.kl import ForwardKL, ReverseKL, ReverseKLDirect, log_ratios
from dstheory.objectives.registry import FAMILIES, REGISTRY, build, lookup, register
from dstheory.objectives.reward import ActorCritic, Reinforce, RewardToGo
from dstheory.objectives.sft import SFT
from dstheory.objectives.weighted_sum import WeightedSum

__all__ = [
    "FAMILIES",
    "REGISTRY",
    "SFT",
    "ActorCritic",
    "CoefficientMass",
    "Demonstrations",
    "EntropyBonus",
    "Estimate",
    "ExpertChain",
    "ForwardKL",
    "Objective",
    "Recorded",
    "Reinforce",
    "ReverseKL",
    "ReverseKLDirect",
    "RewardToGo",
    "StageGradient",
    "WeightedSum",
    "build",
    "estimate_gradient",
    "log_ratios",
    "lookup",
    "register",
    "stage_weights",
]

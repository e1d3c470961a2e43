"""Objectives as coefficient rules under a measure; made of parts where they can be; one registry."""

from dstheory.objectives.aliases import ALIASES, Alias
from dstheory.objectives.base import CoefficientMass, Objective, StageGradient, stage_weights
from dstheory.objectives.baselines import RLOO, ReinforceBaseline
from dstheory.objectives.checking import Checked, check
from dstheory.objectives.cispo import CISPO
from dstheory.objectives.dapo import DAPO, DAPOBatch
from dstheory.objectives.demonstrations import Demonstrations, ExpertChain, Recorded
from dstheory.objectives.dpo import DPO
from dstheory.objectives.entropy import EntropyBonus
from dstheory.objectives.estimate import Estimate, estimate_gradient
from dstheory.objectives.group import GroupMeanObjective, GroupObjective
from dstheory.objectives.grpo import GRPO, DrGRPO, GRPONoStd
from dstheory.objectives.gspo import GSPO
from dstheory.objectives.imitation import DFT, SFTSequenceMean, SFTSequenceSum, SFTTokenMean
from dstheory.objectives.kl import ForwardKL, ReverseKL, ReverseKLDirect, log_ratios
from dstheory.objectives.kl_estimators import Distillation, K1Loss, K1Reward, K2Loss, K3Loss
from dstheory.objectives.nft import NFT
from dstheory.objectives.plugins import load_module
from dstheory.objectives.ppo import PPOClip
from dstheory.objectives.registry import FAMILIES, REGISTRY, build, listed, lookup, register
from dstheory.objectives.reinforce_pp import ReinforcePlusPlus
from dstheory.objectives.responses import ResponseObjective, Term
from dstheory.objectives.reward import ActorCritic, Reinforce, RewardToGo
from dstheory.objectives.rft import RFT
from dstheory.objectives.sampled import sampled_gradient
from dstheory.objectives.score import SCoRePerAttempt, SCoReSummed
from dstheory.objectives.sft import SFT
from dstheory.objectives.weighted_sum import WeightedSum

__all__ = [
    "ALIASES",
    "CISPO",
    "DAPO",
    "DFT",
    "DPO",
    "FAMILIES",
    "GRPO",
    "GSPO",
    "NFT",
    "REGISTRY",
    "RFT",
    "RLOO",
    "SFT",
    "ActorCritic",
    "Alias",
    "Checked",
    "CoefficientMass",
    "DAPOBatch",
    "Demonstrations",
    "Distillation",
    "DrGRPO",
    "EntropyBonus",
    "Estimate",
    "ExpertChain",
    "ForwardKL",
    "GRPONoStd",
    "GroupMeanObjective",
    "GroupObjective",
    "K1Loss",
    "K1Reward",
    "K2Loss",
    "K3Loss",
    "Objective",
    "PPOClip",
    "Recorded",
    "Reinforce",
    "ReinforceBaseline",
    "ReinforcePlusPlus",
    "ResponseObjective",
    "ReverseKL",
    "ReverseKLDirect",
    "RewardToGo",
    "SCoRePerAttempt",
    "SCoReSummed",
    "SFTSequenceMean",
    "SFTSequenceSum",
    "SFTTokenMean",
    "StageGradient",
    "Term",
    "WeightedSum",
    "build",
    "check",
    "estimate_gradient",
    "listed",
    "load_module",
    "log_ratios",
    "lookup",
    "register",
    "sampled_gradient",
    "stage_weights",
]

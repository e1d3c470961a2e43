"""Objectives as coefficient rules under a measure; made of parts where they can be; one registry."""

from dstheory.about import FAMILIES
from dstheory.objectives.base import Objective, WeightedSum
from dstheory.objectives.checking import Checked, check
from dstheory.objectives.distillation import Distillation
from dstheory.objectives.estimate import GradientEstimate, estimate_gradient, sampled_gradient
from dstheory.objectives.group import (
    CISPO,
    DAPO,
    GRPO,
    GSPO,
    NFT,
    RLOO,
    DAPOBatch,
    DrGRPO,
    GRPONoStd,
    PPOClip,
    ReinforceBaseline,
)
from dstheory.objectives.group_base import GroupMeanObjective, GroupObjective
from dstheory.objectives.imitation import (
    DFT,
    RFT,
    SFT,
    Demonstrations,
    ExpertChain,
    Recorded,
    SFTSequenceMean,
    SFTSequenceSum,
    SFTTokenMean,
)
from dstheory.objectives.mass import CoefficientMass, StageGradient
from dstheory.objectives.penalties import (
    EntropyBonus,
    ForwardKL,
    K1Loss,
    K1Reward,
    K2Loss,
    K3Loss,
    ReverseKL,
    ReverseKLDirect,
)
from dstheory.objectives.preference import DPO
from dstheory.objectives.registry import ALIASES, LACKING, REGISTRY, Alias, build, listed, load_module, lookup, register
from dstheory.objectives.reinforce_pp import ReinforcePlusPlus
from dstheory.objectives.responses import ResponseObjective, Term
from dstheory.objectives.reward import ActorCritic, Reinforce, RewardToGo, SCoRePerAttempt, SCoReSummed
from dstheory.objectives.weights import log_ratios, stage_weights

__all__ = [
    "ALIASES", "CISPO", "DAPO", "DFT", "DPO", "FAMILIES", "GRPO", "GSPO", "LACKING", "NFT", "REGISTRY", "RFT", "RLOO", "SFT",
    "ActorCritic", "Alias", "Checked", "CoefficientMass", "DAPOBatch", "Demonstrations", "Distillation", "DrGRPO",
    "EntropyBonus", "ExpertChain", "ForwardKL", "GRPONoStd", "GradientEstimate", "GroupMeanObjective", "GroupObjective",
    "K1Loss", "K1Reward", "K2Loss", "K3Loss", "Objective", "PPOClip", "Recorded", "Reinforce", "ReinforceBaseline",
    "ReinforcePlusPlus", "ResponseObjective", "ReverseKL", "ReverseKLDirect", "RewardToGo", "SCoRePerAttempt",
    "SCoReSummed", "SFTSequenceMean", "SFTSequenceSum", "SFTTokenMean", "StageGradient", "Term", "WeightedSum", "build",
    "check", "estimate_gradient", "listed", "load_module", "log_ratios", "lookup", "register", "sampled_gradient",
    "stage_weights",
]  # fmt: skip

"""The objectives of the symbolic engine, and their registry."""

from __future__ import annotations

from difflib import get_close_matches

from dstheory.errors import DSTheoryError
from dstheory.symbolic.objectives.advantage import Advantage
from dstheory.symbolic.objectives.base import Coefficients, Objective, Turn
from dstheory.symbolic.objectives.entropy import Entropy
from dstheory.symbolic.objectives.estimators import Distillation, K1Loss, K1Reward, K2Loss, K3Loss
from dstheory.symbolic.objectives.forward_kl import ForwardKL
from dstheory.symbolic.objectives.group import (
    CISPO,
    DAPO,
    NFT,
    RFT,
    RLOO,
    DAPOBatch,
    DrGRPO,
    ReinforceBaseline,
    ReinforcePlusPlus,
)
from dstheory.symbolic.objectives.imitation import DFT, SFTSequenceSum, SFTTokenMean
from dstheory.symbolic.objectives.kl import KL
from dstheory.symbolic.objectives.kl_direct import KLDirect
from dstheory.symbolic.objectives.ppo_clip import PPOClip
from dstheory.symbolic.objectives.reinforce import Reinforce
from dstheory.symbolic.objectives.response_mean import GRPO, GSPO, GRPONoStd, SFTSequenceMean
from dstheory.symbolic.objectives.reward_to_go import RewardToGo
from dstheory.symbolic.objectives.score import SCoRePerAttempt, SCoReSummed
from dstheory.symbolic.objectives.sft import SFT

__all__ = [
    "KL",
    "REGISTRY",
    "SFT",
    "WITHOUT_DERIVATION",
    "Advantage",
    "Coefficients",
    "Entropy",
    "ForwardKL",
    "KLDirect",
    "Objective",
    "Reinforce",
    "RewardToGo",
    "Turn",
    "UnknownObjectiveError",
    "lookup",
]

REGISTRY: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Reinforce(), RewardToGo(), Advantage(), SFT(), KLDirect(), KL(), ForwardKL(), Entropy(), ReinforceBaseline(),
        RLOO(), ReinforcePlusPlus(), PPOClip(), GRPO(), GRPONoStd(), DrGRPO(), DAPO(), DAPOBatch(), GSPO(), CISPO(),
        NFT(), RFT(), SFTTokenMean(), SFTSequenceSum(), SFTSequenceMean(), DFT(), K1Reward(), K1Loss(), K2Loss(),
        K3Loss(), Distillation(), SCoReSummed(), SCoRePerAttempt(),
    )
}  # fmt: skip
"""Name -> objective with its default options, in the order in which they are taught."""

WITHOUT_DERIVATION = {
    "dpo": "the sigmoid of a whole response's log-ratio does not split over turns: no closed form; see claims O2 and O2-start",
}
"""Objectives of the numeric engine that have no derivation here, and why."""


class UnknownObjectiveError(DSTheoryError):
    """A name that no registered objective has."""


def lookup(name: str) -> Objective:
    """Return the objective of that name; case does not matter and ``_`` counts as ``-``.

    Raises:
        UnknownObjectiveError: no such objective; the nearest names are given.

    >>> lookup("KL_direct").title
    'Reverse KL to a reference, direct term'
    """
    key = name.strip().lower().replace("_", "-")
    if key in WITHOUT_DERIVATION:
        raise UnknownObjectiveError(f"{key!r} has no symbolic derivation: {WITHOUT_DERIVATION[key]}")
    if key not in REGISTRY:
        near = get_close_matches(key, REGISTRY, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(REGISTRY)}."
        raise UnknownObjectiveError(f"there is no objective {name!r}: {hint}")
    return REGISTRY[key]

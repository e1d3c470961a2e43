"""The parts that objectives are built from: credit (what scalar), token weight, normaliser (divided by what)."""

from dstheory.objectives.parts.batch import clip_weight, response_coefficients, truncate_weight
from dstheory.objectives.parts.credit import Credit, GroupMean, LeaveOneOut, Minus, Positive, Raw, SignedMatch
from dstheory.objectives.parts.normaliser import (
    BatchTokens,
    ConstantLength,
    GroupTokens,
    Normaliser,
    PerResponse,
    PerToken,
    normaliser_named,
)
from dstheory.objectives.parts.tokens import Estimator, penalty_weight, token_weights

__all__ = [
    "BatchTokens",
    "ConstantLength",
    "Credit",
    "Estimator",
    "GroupMean",
    "GroupTokens",
    "LeaveOneOut",
    "Minus",
    "Normaliser",
    "PerResponse",
    "PerToken",
    "Positive",
    "Raw",
    "SignedMatch",
    "clip_weight",
    "normaliser_named",
    "penalty_weight",
    "response_coefficients",
    "token_weights",
    "truncate_weight",
]

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
)

__all__ = [
    "BatchTokens",
    "ConstantLength",
    "Credit",
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
    "response_coefficients",
    "truncate_weight",
]

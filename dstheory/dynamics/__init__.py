"""Training dynamics with exact gradients: optimisers, schedules, runs side by side, sweeps over parameters."""

from dstheory.dynamics.compare import Comparison, compare, expert_policy, four_conditions, scattered
from dstheory.dynamics.mechanisms import Mechanism, confidence_trunk, length_weight_mechanisms, settle
from dstheory.dynamics.optimizers import SGD, Adam, Momentum, NaturalGradient, Optimizer
from dstheory.dynamics.schedules import SCHEDULES, Schedule, schedule
from dstheory.dynamics.sweep import sweep
from dstheory.dynamics.train import TrainResult, train

__all__ = [
    "SCHEDULES",
    "SGD",
    "Adam",
    "Comparison",
    "Mechanism",
    "Momentum",
    "NaturalGradient",
    "Optimizer",
    "Schedule",
    "TrainResult",
    "compare",
    "confidence_trunk",
    "expert_policy",
    "four_conditions",
    "length_weight_mechanisms",
    "scattered",
    "schedule",
    "settle",
    "sweep",
    "train",
]

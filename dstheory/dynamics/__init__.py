"""Training dynamics with exact gradients: optimisers, schedules, runs side by side, sweeps over parameters."""

from dstheory.dynamics.compare import Comparison, compare, expert_policy, four_conditions, scattered
from dstheory.dynamics.optimizers import SGD, Adam, Momentum, NaturalGradient, Optimizer
from dstheory.dynamics.schedules import SCHEDULES, Schedule, schedule
from dstheory.dynamics.sweep import sweep
from dstheory.dynamics.train import TrainResult, train

__all__ = [
    "SCHEDULES",
    "SGD",
    "Adam",
    "Comparison",
    "Momentum",
    "NaturalGradient",
    "Optimizer",
    "Schedule",
    "TrainResult",
    "compare",
    "expert_policy",
    "four_conditions",
    "scattered",
    "schedule",
    "sweep",
    "train",
]

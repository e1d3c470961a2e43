"""Training dynamics with exact gradients: optimisers, schedules, runs side by side."""

from dstheory.dynamics.optimizers import SGD, Adam, Momentum, NaturalGradient, Optimizer
from dstheory.dynamics.schedules import SCHEDULES, Schedule, schedule
from dstheory.dynamics.train import TrainResult, train

__all__ = [
    "SCHEDULES",
    "SGD",
    "Adam",
    "Momentum",
    "NaturalGradient",
    "Optimizer",
    "Schedule",
    "TrainResult",
    "schedule",
    "train",
]

"""Training dynamics with exact gradients: optimisers, schedules, runs side by side, sweeps over parameters.

Each name is imported on first use: a command that only shows its help brings no numerics along.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dstheory.dynamics.conditions import Comparison, compare, expert_policy, four_conditions, scattered
    from dstheory.dynamics.optimizers import SCHEDULES, SGD, Adam, Momentum, NaturalGradient, Optimizer, Schedule, schedule
    from dstheory.dynamics.soft_optimum import Optimum, optimum, regularised_value
    from dstheory.dynamics.sweeps.run import sweep
    from dstheory.dynamics.training import TrainResult, train

__all__ = [
    "SCHEDULES", "SGD", "Adam", "Comparison", "Momentum", "NaturalGradient", "Optimizer", "Optimum", "Schedule", "TrainResult",
    "compare", "expert_policy", "four_conditions", "optimum", "regularised_value", "scattered", "schedule", "sweep", "train",
]  # fmt: skip

# Searched in this order: what a later one imports anyway comes first.
_MODULES = ("optimizers", "training", "conditions", "soft_optimum", "sweeps.run")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            room = importlib.import_module(f"dstheory.dynamics.{module}")
            if name in room.__all__:
                return getattr(room, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Training dynamics with exact gradients: optimisers, schedules, runs side by side, sweeps over parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dstheory.dynamics.compare import Comparison, compare, expert_policy, four_conditions, scattered
from dstheory.dynamics.mechanisms import Mechanism, confidence_trunk, length_weight_mechanisms, settle
from dstheory.dynamics.optimizers import SGD, Adam, Momentum, NaturalGradient, Optimizer
from dstheory.dynamics.schedules import SCHEDULES, Schedule, schedule
from dstheory.dynamics.train import TrainResult, train

if TYPE_CHECKING:
    from dstheory.dynamics.sweeps.run import sweep

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


def __getattr__(name: str) -> Any:
    """Import sweeps on first use: they bring files and processes along, which nothing else here needs."""
    if name == "sweep":
        from dstheory.dynamics.sweeps.run import sweep

        return sweep
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

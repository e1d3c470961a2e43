"""The few fused, compiled, parallel loops that large tables need, each beside the plain NumPy that it is tested against.

Kernels take and return arrays; they know nothing of chains and policies. Importing this package costs nothing: numba is
imported when one of the names below is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dstheory.kernels.gradient import reward_kl_gradient
    from dstheory.kernels.result import IMPROPER, INFINITE_DIVERGENCE, PROPER, RewardKLGradient
    from dstheory.kernels.sampling import SampledTrajectories, sample_trajectories
    from dstheory.kernels.tilted import tilted_mass, tilted_moments
    from dstheory.kernels.training import train_minimal
    from dstheory.kernels.warmup import is_compiled, warm_up

__all__ = [
    "IMPROPER",
    "INFINITE_DIVERGENCE",
    "PROPER",
    "RewardKLGradient",
    "SampledTrajectories",
    "is_compiled",
    "reward_kl_gradient",
    "sample_trajectories",
    "tilted_mass",
    "tilted_moments",
    "train_minimal",
    "warm_up",
]

_HOME = {
    "IMPROPER": "result",
    "INFINITE_DIVERGENCE": "result",
    "PROPER": "result",
    "RewardKLGradient": "result",
    "SampledTrajectories": "sampling",
    "is_compiled": "warmup",
    "reward_kl_gradient": "gradient",
    "sample_trajectories": "sampling",
    "tilted_mass": "tilted",
    "tilted_moments": "tilted",
    "train_minimal": "training",
    "warm_up": "warmup",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

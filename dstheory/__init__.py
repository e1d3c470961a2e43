"""dstheory: an instrument that checks the theory of reinforcement learning versus supervised fine-tuning.

The names below are the library; each is imported on first use, so that ``import dstheory`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

from dstheory._version import __version__

# public name -> the room it lives in
_HOME = {
    "Features": "dstheory.policy",
    "Policy": "dstheory.policy",
    "Solution": "dstheory.exact",
    "Trajectories": "dstheory.trajectories",
    "TwoStageMDP": "dstheory.mdp",
    "enumerate_trajectories": "dstheory.trajectories",
    "sample_trajectories": "dstheory.trajectories",
    "split_gain": "dstheory.gain",
    "GainSplit": "dstheory.gain",
    "Attribution": "dstheory.attribution",
    "attribute": "dstheory.attribution",
    "train": "dstheory.dynamics",
    "solve": "dstheory.exact",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'dstheory' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

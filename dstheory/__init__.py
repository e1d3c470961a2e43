"""dstheory: an instrument that checks the theory of reinforcement learning versus supervised fine-tuning.

The names below are the library; each is imported on first use, so that ``import dstheory`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

from dstheory._version import __version__

# public name -> the room it lives in
_HOME = {
    "Features": "dstheory.chain.policy",
    "Policy": "dstheory.chain.policy",
    "Solution": "dstheory.chain.exact",
    "Trajectories": "dstheory.chain.trajectories",
    "TwoStageMDP": "dstheory.chain.mdp",
    "enumerate_trajectories": "dstheory.chain.trajectories",
    "sample_trajectories": "dstheory.chain.trajectories",
    "split_gain": "dstheory.chain.gain",
    "GainSplit": "dstheory.chain.gain",
    "Attribution": "dstheory.attribution",
    "attribute": "dstheory.attribution",
    "train": "dstheory.dynamics",
    "solve": "dstheory.chain.exact",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'dstheory' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

"""The peers, if they are installed: both in float64 and with as many threads as this package uses."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

__all__ = ["HOW_TO_INSTALL", "load_jax", "load_torch"]

HOW_TO_INSTALL = "install it with `pip install -c constraints.txt -e '.[peers]'`"


def load_jax() -> Any:
    """Return jax with 64-bit numbers on the CPU, or None. It runs on all cores that the process may use."""
    if importlib.util.find_spec("jax") is None:
        return None
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    return jax


def load_torch(threads: int) -> Any:
    """Return torch with `threads` threads, or None."""
    if importlib.util.find_spec("torch") is None:
        return None
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    return torch

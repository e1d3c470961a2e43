"""How long and how hard a claim is tried unless the caller says otherwise."""

from __future__ import annotations

__all__ = ["EXAMPLES", "LOAD_LIMIT", "SEED", "TIME_LIMIT"]

TIME_LIMIT = 15.0
"""Seconds of processor time per claim."""
LOAD_LIMIT = 60.0
"""Seconds of processor time for a file of claims to be imported."""
EXAMPLES = 100
"""Examples per search."""
SEED = 0
"""Seed of the solver and of searches."""

"""How long and how hard a claim is tried unless the caller says otherwise."""

from __future__ import annotations

__all__ = ["EXAMPLES", "SEED", "TIME_LIMIT"]

TIME_LIMIT = 15.0
"""Seconds per claim."""
EXAMPLES = 100
"""Examples per search."""
SEED = 0
"""Seed of the solver and of searches."""

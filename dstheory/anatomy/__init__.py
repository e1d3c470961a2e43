"""Anatomy of reflection: from logs of a real model to p, a, b, predictions, and whose gain it is.

    >>> import pandas as pd
    >>> from dstheory.anatomy import from_frame, measure
    >>> rows = {"id": [1, 1, 2], "correct": [False, True, False], "decision": ["resample", "stop", "stop"]}
    >>> (total,) = measure(from_frame(pd.DataFrame(rows)).episodes)
    >>> total.p.successes, total.p.trials, total.b.value
    (1, 3, 0.5)

Each name is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

# public name -> the module it lives in
_HOME = {
    "NOT_GIVEN": "episodes",
    "Counts": "episodes",
    "Episodes": "episodes",
    "Estimate": "rates",
    "Labels": "episodes",
    "Log": "logs",
    "Reading": "logs",
    "Survey": "surveys",
    "Test": "model_checks",
    "advise_cap": "rollout_chain",
    "answer": "answers",
    "check_model": "model_checks",
    "compare": "difference",
    "fit_chain": "rollout_chain",
    "from_frame": "logs",
    "from_records": "logs",
    "generate_log": "generate",
    "hold_out": "holdout",
    "measure": "rates",
    "measured_chain": "export",
    "read_log": "logs",
    "record_schema": "logs",
    "simulate_log": "generate",
    "survey": "surveys",
    "write_log": "export",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"dstheory.anatomy.{_HOME[name]}"), name)
    raise AttributeError(f"module 'dstheory.anatomy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

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

# module -> its public names
_NAMES = {
    "answers": "answer",
    "difference": "compare",
    "first_answers": "compare_first_answers",
    "episodes": "NOT_GIVEN Counts Episodes Labels",
    "export": "measured_chain write_log",
    "generate": "generate_log simulate_log",
    "holdout": "hold_out",
    "logs": "Log Reading from_frame from_records read_log record_schema",
    "model_checks": "Test check_model",
    "rates": "Estimate measure",
    "revisions": "measure_revisions",
    "rollout_chain": "advise_cap fit_chain",
    "score_rule": "judge_score",
    "surveys": "Survey survey",
    "votes": "judge_votes",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"dstheory.anatomy.{_HOME[name]}"), name)
    raise AttributeError(f"module 'dstheory.anatomy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

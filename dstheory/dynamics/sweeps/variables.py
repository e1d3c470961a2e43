"""The variables of a sweep's result: what each is, and when it does not exist.

Source: derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dstheory.dynamics.sweeps.parameters import Of

__all__ = ["HISTORY", "STATUS", "VARIABLES", "Variable", "status_counts"]

STATUS = (
    "found",
    "no_optimum_never_stopping_pays",
    "no_optimum_reference_never_stops",
    "optimum_not_enclosed",
    "training_left_finite_numbers",
    "episodes_never_end",
    "infinite_divergence",
)
"""What the numbers of ``status`` mean, from 0 on."""


@dataclass(frozen=True)
class Variable:
    """A variable of the result: what it is, its unit, and when it is NaN though the setting has a result."""

    long_name: str
    units: str = "1"
    missing: str = ""


_PUSHED = "the gradient pushes an action of probability 0 (the energy is infinite)"
_COMMON = {
    "p_after": Variable("share of correct answers", missing="no answer is drawn"),
    "a_after": Variable("P(stop | correct)", missing="no decision at a correct answer is drawn"),
    "b_after": Variable("P(resample | wrong)", missing="no decision at a wrong answer is drawn"),
    "accuracy": Variable("final accuracy"),
    "turns": Variable("expected number of turns", "turns"),
    "value": Variable("expected discounted reward"),
    "accuracy_before": Variable("final accuracy of the start"),
    "gain": Variable("accuracy gain"),
    "gain_sample": Variable("accuracy gain due to sampling"),
    "gain_decide": Variable("accuracy gain due to decisions"),
    "decision_share": Variable("share of the accuracy gain due to decisions", missing="there is no gain to share"),
}
HISTORY = {
    "p_history": Variable("share of correct answers in training"),
    "a_history": Variable("P(stop | correct) in training", missing="no decision at a correct answer is drawn"),
    "b_history": Variable("P(resample | wrong) in training", missing="no decision at a wrong answer is drawn"),
    "accuracy_history": Variable("final accuracy in training"),
}
"""Variables that also have the dimension ``step``."""
VARIABLES: dict[Of, dict[str, Variable]] = {
    "optimum": {
        **_COMMON,
        "accuracy_before": Variable("final accuracy of the reference"),
        "penalised_value": Variable("expected discounted reward minus penalty"),
    },
    "simulate": {
        **_COMMON,
        "energy_sample_before": Variable("Fisher energy of sampling at the start", missing=_PUSHED),
        "energy_decide_before": Variable("Fisher energy of the decision at the start", missing=_PUSHED),
        "energy_sample": Variable("Fisher energy of sampling at the end", missing=_PUSHED),
        "energy_decide": Variable("Fisher energy of the decision at the end", missing=_PUSHED),
    },
}


def status_counts(status: Any) -> dict[str, int]:
    """Return how many settings have each status other than ``found``."""
    counts = np.bincount(np.asarray(status, dtype=np.int64).ravel(), minlength=len(STATUS))
    return {name: int(count) for name, count in zip(STATUS, counts, strict=True) if name != STATUS[0] and count}

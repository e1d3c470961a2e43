"""What a sweep is, as data: its settings, what is fixed, the chain; and the variables of its result.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dstheory.checks import Ints
from dstheory.dynamics.parameters import Of
from dstheory.dynamics.problem import Chain
from dstheory.dynamics.sweeps.grid import Grid, SettingsBatch

__all__ = ["HISTORY", "STATUS", "VARIABLES", "SweepPlan", "Variable", "status_counts"]

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


_BATCH = {"optimum": 1 << 17, "simulate": 1 << 13}  # (prompt, answer) pairs of one batch: what stays in the caches


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """Everything that determines the result of a sweep.

    Attributes:
        of: ``"optimum"`` or ``"simulate"``.
        grid: the settings.
        fixed: parameters that have one value, by name.
        chain: where settings are tried.
        runs: number of random starts (the first is the start itself).
        log_every: in training, keep p, a, b and accuracy of every so many steps too; 0 for the end only.
    """

    of: Of
    grid: Grid
    fixed: Mapping[str, Any]
    chain: Chain = field(default_factory=Chain)
    runs: int = 1
    log_every: int = 0

    @property
    def variables(self) -> dict[str, Variable]:
        """The variables of the result."""
        return {**VARIABLES[self.of], **(HISTORY if self.log_every else {})}

    @property
    def steps(self) -> Ints:
        """The steps that are kept, the last one included; none without ``log_every``."""
        if not self.log_every:
            return np.arange(0)
        last = int(self.fixed["steps"])
        return np.union1d(np.arange(0, last, self.log_every), [last])

    @property
    def most_steps(self) -> int:
        """The largest number of training steps of a setting."""
        swept = [max(axis.values) for axis in self.grid.axes if axis.name == "steps"]
        return int(swept[0] if swept else self.fixed.get("steps", 0))

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the axes that a variable has beside those of the settings."""
        return (len(self.steps),) if name in HISTORY else ()

    @property
    def bytes(self) -> int:
        """The size of the result."""
        numbers = len(VARIABLES[self.of]) + (len(HISTORY) * len(self.steps) if self.log_every else 0)
        return self.grid.size * (8 * numbers + 1)

    def batches(self) -> list[SettingsBatch]:
        """Return the batches; their length depends on what is swept over and on the chain, on nothing else."""
        return self.grid.batches(max(1, _BATCH[self.of] // self.chain.pairs))

    def settings(self, batch: SettingsBatch) -> dict[str, Any]:
        """Return all parameters of a batch."""
        return {**self.fixed, **self.grid.settings(batch)}

    def place(self, batch: SettingsBatch) -> str:
        """Return how a message calls the settings of a batch."""
        settings = self.grid.settings(batch)
        looped = [f"{axis.name} {settings[axis.name]}" for axis in self.grid.looped]
        ranges = [f"{a.name} {settings[a.name].min():g} to {settings[a.name].max():g}" for a in self.grid.batched]
        return f"among the settings with {', '.join([*looped, *ranges])}"

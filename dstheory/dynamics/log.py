"""The history of a training run, as one labelled Dataset.

Dimensions: ``step`` (logged steps), run axes (``run``, or ``run_0, run_1, ...``), ``component`` (the terms of the objective, and
``total``), ``stage`` (``sample``, ``decide``).

Variables: ``p, a, b`` (shares over all answers and decisions that occur), ``accuracy``, ``turns``, ``value`` (the chain's own
reward), ``objective`` (the scalar ascended, where all terms have one), ``gradient_norm`` and ``energy`` per component and stage
(attribution levels ii and iii), ``cosine`` per component (linear policies), and for level (i) ``coefficient_balanced``,
``coefficient_ratio_low``, ``coefficient_ratio_high`` per component (single runs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dstheory.attribution import Attribution, attribute
from dstheory.chain.exact import Solution
from dstheory.objectives.base import Objective
from dstheory.objectives.weighted_sum import WeightedSum

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Log"]

# Level (i) is looked at on this many trajectories at each logged step: enough to refute, cheap enough to repeat.
_TRAJECTORIES = 400


class Log:
    """Collects what is logged at each step."""

    def __init__(self, objective: Objective, runs: tuple[int, ...]) -> None:
        self.runs = runs
        self.steps: list[int] = []
        self.rows: list[dict[str, np.ndarray]] = []
        self.components = [name for name, _ in _components(objective)]

    def record(self, step: int, solution: Solution, objective: Objective) -> None:
        """Log one step."""
        value = objective.value(solution)
        row = {
            "p": solution.p,
            "a": solution.a,
            "b": solution.b,
            "accuracy": solution.mean_accuracy,
            "turns": solution.mean_turns,
            "value": solution.mean_value,
            "objective": np.asarray(np.nan if value is None else value),
        }
        splits = [attribute(term, solution, limit=_TRAJECTORIES) for _, term in _components(objective)]
        row |= {
            "gradient_norm": self._stack([np.stack(self._both(s.gradient.sample, s.gradient.decide), -1) for s in splits]),
            "energy": self._stack([np.stack(self._both(s.energy.sample, s.energy.decide), -1) for s in splits]),
        }
        if splits[0].cosine is not None:
            row["cosine"] = np.stack([np.broadcast_to(_finite_cosine(s), self.runs) for s in splits], axis=-1)
        if not self.runs:
            levels = [s.coefficient for s in splits]
            row["coefficient_balanced"] = np.array([np.nan if c is None else float(c.balanced) for c in levels])
            row["coefficient_ratio_low"] = np.array([np.nan if c is None else c.ratio_low for c in levels])
            row["coefficient_ratio_high"] = np.array([np.nan if c is None else c.ratio_high for c in levels])
        self.steps.append(step)
        self.rows.append({k: np.broadcast_to(v, self.runs) if v.ndim < len(self.runs) else v for k, v in row.items()})

    def dataset(self) -> xr.Dataset:
        """Return everything logged so far."""
        import xarray as xr

        run_dims = ["run"] if len(self.runs) == 1 else [f"run_{i}" for i in range(len(self.runs))]
        dims = {
            "gradient_norm": ["component", "stage"],
            "energy": ["component", "stage"],
            "cosine": ["component"],
            "coefficient_balanced": ["component"],
            "coefficient_ratio_low": ["component"],
            "coefficient_ratio_high": ["component"],
        }
        variables = {
            name: (
                ["step", *run_dims, *dims.get(name, [])],
                np.stack([row[name] for row in self.rows]),
                _ATTRIBUTES.get(name, {}),
            )
            for name in self.rows[0]
        }
        coords = {"step": self.steps, "component": self.components, "stage": ["sample", "decide"]}
        return xr.Dataset(variables, coords=coords)

    def _both(self, a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
        return [np.broadcast_to(a, self.runs), np.broadcast_to(b, self.runs)]

    def _stack(self, parts: list[np.ndarray]) -> np.ndarray:
        return np.stack(parts, axis=-2)


_ATTRIBUTES = {
    "p": {"long_name": "share of correct answers"},
    "a": {"long_name": "P(stop | correct)"},
    "b": {"long_name": "P(resample | wrong)"},
    "accuracy": {"long_name": "final accuracy"},
    "turns": {"long_name": "expected number of turns"},
    "value": {"long_name": "expected discounted return"},
    "objective": {"long_name": "scalar objective (NaN where a term has none)"},
    "gradient_norm": {"long_name": "norm of the stage's part of the parameter gradient"},
    "energy": {"long_name": "Fisher energy of the stage"},
    "cosine": {"long_name": "cosine between the stages' contributions (NaN where one is zero)"},
}


def _components(objective: Objective) -> list[tuple[str, Objective]]:
    """Return the terms of a sum, scaled, and the total; names made unique."""
    if not isinstance(objective, WeightedSum) or len(objective.terms) == 1:
        return [("total", objective)]
    names: list[str] = []
    for term in objective.terms:
        same = sum(n == term.name or n.startswith(term.name + "#") for n in names)
        names.append(term.name if not same else f"{term.name}#{same + 1}")
    terms = [t.rescaled(f) for t, f in zip(objective.terms, objective.factors, strict=True)]
    return [*zip(names, terms, strict=True), ("total", objective)]


def _finite_cosine(split: Attribution) -> np.ndarray:
    assert split.cosine is not None
    return split.cosine

"""What a sweep computes: for a tile of settings, the same numbers that `simulate` and `optimum` print.

A setting without a result (no optimum exists, training left the finite numbers) has NaN in every variable and says why in
``status``; the others of its tile are not touched by it.

Source: derived here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dstheory.chain.exact import solve
from dstheory.checks import Floats, Ints
from dstheory.dynamics.optimizers import schedule
from dstheory.dynamics.soft_optimum import optimum
from dstheory.dynamics.sweeps.grid import Grid, Tile
from dstheory.dynamics.sweeps.outcome import alone, outcome, value_at
from dstheory.dynamics.sweeps.parameters import Of
from dstheory.dynamics.sweeps.problem import Chain, objective_at, optimizer_at, problem_at
from dstheory.dynamics.sweeps.training import trained
from dstheory.dynamics.sweeps.variables import HISTORY, STATUS, VARIABLES, Variable
from dstheory.errors import DSTheoryError, ImproperChainError, InfiniteDivergenceError

__all__ = ["Plan"]

_BATCH = {"optimum": 1 << 17, "simulate": 1 << 13}  # (prompt, answer) pairs of one tile: what stays in the caches


@dataclass(frozen=True, eq=False)
class Plan:
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

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the axes that a variable has beside those of the settings."""
        return (len(self.steps),) if name in HISTORY else ()

    @property
    def bytes(self) -> int:
        """The size of the result."""
        numbers = len(VARIABLES[self.of]) + (len(HISTORY) * len(self.steps) if self.log_every else 0)
        return self.grid.size * (8 * numbers + 1)

    def tiles(self) -> list[Tile]:
        """Return the tiles; their length depends on what is swept over and on the chain, on nothing else."""
        return self.grid.tiles(max(1, _BATCH[self.of] // self.chain.pairs))

    def settings(self, tile: Tile) -> dict[str, Any]:
        """Return all parameters of a tile."""
        return {**self.fixed, **self.grid.settings(tile)}

    def check(self) -> None:
        """Build the problem of one setting of every combination of looped parameters, so that what cannot work is said now.

        Raises:
            DSTheoryError: what the building parts raise.
        """
        first = [tile for tile in self.tiles() if tile.start == 0][:_CHECKED]
        for tile in first:
            settings = alone(self.settings(Tile(tile.loop, 0, 1)), 0)
            problem = problem_at(self.chain, settings)
            if self.of == "simulate":
                objective = objective_at(str(settings["objective"]), problem, settings, ())
                with contextlib.suppress(ImproperChainError, InfiniteDivergenceError):  # of this setting; others may be fine
                    objective.gradient(solve(problem[0], problem[1]))
                optimizer_at(settings)
                schedule(value_at(settings, "schedule"), warmup=value_at(settings, "warmup"))

    def evaluate(self, tile: Tile) -> dict[str, Any]:
        """Return ``status`` and all variables of a tile, one number per setting.

        Raises:
            DSTheoryError: something that marking a setting does not cover; it says where.
        """
        count = tile.stop - tile.start
        tables = {"status": np.zeros(count, dtype=np.int8)} | {
            name: np.full((count, *self.shape(name)), np.nan) for name in self.variables
        }
        try:
            self._fill(tables, self.settings(tile), np.arange(count))
        except DSTheoryError as error:
            raise DSTheoryError(f"{self._place(tile)}: {error}") from error
        return tables

    def _place(self, tile: Tile) -> str:
        """Return how a message calls the settings of a tile."""
        settings = self.grid.settings(tile)
        looped = [f"{axis.name} {settings[axis.name]}" for axis in self.grid.loops]
        ranges = [f"{a.name} {settings[a.name].min():g} to {settings[a.name].max():g}" for a in self.grid.batch]
        return f"among the settings with {', '.join([*looped, *ranges])}"

    def _fill(self, tables: dict[str, Any], settings: Mapping[str, Any], here: Ints) -> None:
        """Compute some settings of a tile. Those without a result are found and left out, and the others computed again."""
        if here.size == 0:
            return
        work = _optimum if self.of == "optimum" else trained
        try:
            status, numbers = work(self, _rows(settings, here, len(tables["status"])), here.size)
        except (ImproperChainError, InfiniteDivergenceError) as error:
            # Which setting it was is not said: halve until it is alone.
            if here.size == 1:
                tables["status"][here] = STATUS.index(
                    "episodes_never_end" if isinstance(error, ImproperChainError) else "infinite_divergence"
                )
            else:
                for half in np.array_split(here, 2):
                    self._fill(tables, settings, half)
            return
        if status.any():
            tables["status"][here] = status
            self._fill(tables, settings, here[status == 0])
        else:
            for name, numbers_here in numbers.items():
                tables[name][here] = numbers_here


_CHECKED = 100  # combinations that are tried before the work begins


def _rows(settings: Mapping[str, Any], here: Ints, count: int) -> dict[str, Any]:
    """Return some of the settings of a tile; the arrays of all of them as they are."""
    if here.size == count:
        return dict(settings)
    return {name: value[here] if isinstance(value, np.ndarray) else value for name, value in settings.items()}


def _optimum(plan: Plan, settings: Mapping[str, Any], count: int) -> tuple[Ints, dict[str, Floats]]:
    mdp, _, reference = problem_at(plan.chain, settings)
    best = optimum(
        mdp,
        reference,
        beta=np.broadcast_to(value_at(settings, "beta"), count),  # always one run per setting
        length_weight=value_at(settings, "length_weight"),
        reduction=value_at(settings, "reduction"),
        throw=False,
    )
    bad = ~best.converged.all(axis=(-2, -1))
    status = np.zeros(count, dtype=np.int8)
    if bad.any():
        pays, endless = (best.values == np.inf).any(axis=(-2, -1)), (best.values == -np.inf).any(axis=(-2, -1))
        status[bad] = np.where(pays, 1, np.where(endless, 2, 3))[bad]
        return status, {}
    before = solve(mdp, reference)
    return status, {**outcome(mdp, reference, before, best.policy, (count,)), "penalised_value": best.mean_value}

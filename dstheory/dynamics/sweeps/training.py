"""A tile of training: all its settings as one batch of runs, or one after the other where an objective has to have it so.

Source: derived here.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dstheory.attribution import InfiniteEnergyWarning, attribute
from dstheory.chain.exact import solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, Ints
from dstheory.dynamics.conditions import scattered
from dstheory.dynamics.optimizers import schedule
from dstheory.dynamics.sweeps.grid import RUN
from dstheory.dynamics.sweeps.outcome import alone, outcome, value_at
from dstheory.dynamics.sweeps.problem import objective_at, optimizer_at, problem_at
from dstheory.dynamics.sweeps.variables import HISTORY, STATUS
from dstheory.dynamics.training import train
from dstheory.errors import DivergedError, ImproperChainError, InfiniteDivergenceError
from dstheory.objectives.base import Objective

if TYPE_CHECKING:
    from dstheory.dynamics.sweeps.evaluate import Plan

__all__ = ["trained"]


def trained(plan: Plan, settings: Mapping[str, Any], count: int) -> tuple[Ints, dict[str, Floats]]:
    """Return status and variables of some settings, trained side by side.

    An objective whose rule is that of one run at a time (one on recorded responses) is trained setting by setting.
    """
    try:
        return _side_by_side(plan, settings, (count,))
    except (ImproperChainError, InfiniteDivergenceError):
        raise  # the caller finds out whose it is
    except ValueError:
        parts = [_side_by_side(plan, alone(settings, i), ()) for i in range(count)]
    status = np.array([part for part, _ in parts], dtype=np.int8)
    if status.any():
        return status, {}
    return status, {name: np.stack([numbers[name] for _, numbers in parts]) for name in parts[0][1]}


def _side_by_side(plan: Plan, settings: Mapping[str, Any], runs: tuple[int, ...]) -> tuple[Ints, dict[str, Floats]]:
    problem = problem_at(plan.chain, settings)
    mdp = problem[0]
    objective = objective_at(str(settings["objective"]), problem, settings, runs)
    start = _starts(plan, problem[1], settings, runs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfiniteEnergyWarning)  # the result has it as inf, which is counted and reported
        return _trained(plan, mdp, start, objective, settings, runs)


def _trained(
    plan: Plan, mdp: TwoStageMDP, start: Policy, objective: Objective, settings: Mapping[str, Any], runs: tuple[int, ...]
) -> tuple[Ints, dict[str, Floats]]:
    steps = value_at(settings, "steps")
    try:
        result = train(
            mdp,
            start,
            objective,
            steps=steps,
            optimizer=optimizer_at(settings),
            clip_norm=value_at(settings, "clip_norm"),
            schedule=schedule(value_at(settings, "schedule"), warmup=value_at(settings, "warmup")),
            reference_every=value_at(settings, "reference_every"),
            log_every=plan.log_every or steps,
        )
    except DivergedError as error:
        return np.broadcast_to(error.runs, runs) * np.int8(STATUS.index("training_left_finite_numbers")), {}
    at_start = attribute(objective, solve(mdp, start)).energy
    at_end = result.history.energy.isel(step=-1).sel(component="total")
    energies = {
        "energy_sample_before": at_start.sample,
        "energy_decide_before": at_start.decide,
        "energy_sample": at_end.sel(stage="sample").values,
        "energy_decide": at_end.sel(stage="decide").values,
    }
    kept = {name: result.history[name.removesuffix("_history")].values.T for name in HISTORY if plan.log_every}
    ends = outcome(mdp, start, solve(mdp, start), result.policy, runs)
    return np.zeros(runs, dtype=np.int8), {**ends, **energies, **kept}


def _starts(plan: Plan, start: Policy, settings: Mapping[str, Any], runs: tuple[int, ...]) -> Policy:
    """Return the start of every setting: the same noise at the same random start, whatever else varies."""
    blocks = start.parameters
    own = blocks[0].ndim - len(start.runs)
    shapes = [(*runs, *block.shape[block.ndim - own :]) for block in blocks]
    if RUN.name in settings:
        at_zero = start.with_parameters(tuple(np.zeros(shape[len(runs) :]) for shape in shapes))
        noise = scattered(at_zero, plan.runs, spread=value_at(settings, "spread"), rng=value_at(settings, "seed")).parameters
        which = np.asarray(settings[RUN.name], dtype=np.int64)
        blocks = tuple(block + moved[which] for block, moved in zip(blocks, noise, strict=True))
    return start.with_parameters(tuple(np.broadcast_to(block, shape) for block, shape in zip(blocks, shapes, strict=True)))

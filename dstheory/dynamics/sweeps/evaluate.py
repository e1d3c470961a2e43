"""What a sweep computes: for a batch of settings, the same numbers that `simulate` and `optimum` print.

A setting without a result (no optimum exists, training left the finite numbers) has NaN in every variable and says why in
``status``; the others of its batch are not touched by it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dstheory.about import parse
from dstheory.attribution import InfiniteEnergyWarning, attribute
from dstheory.chain.exact import Solution, solve, split_solutions
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, Ints
from dstheory.dynamics.conditions import CONDITIONS, scattered
from dstheory.dynamics.minimal import COMPILED
from dstheory.dynamics.parameters import value_at
from dstheory.dynamics.problem import objective_at, problem_at, training_at
from dstheory.dynamics.soft_optimum import optimum
from dstheory.dynamics.sweeps.plan import HISTORY, RUN, STATUS, SettingsBatch, SweepPlan
from dstheory.dynamics.training import over, train
from dstheory.errors import (
    DivergedError,
    DSTheoryError,
    ImproperChainError,
    InfiniteDivergenceError,
    OneRunError,
    UnknownNameError,
)
from dstheory.objectives.base import Objective
from dstheory.objectives.registry import load_module, lookup

Numbers = dict[str, Floats]


def check(plan: SweepPlan) -> None:
    """Build the problem of every setting, and take the first gradient, so that what cannot work is said before work begins.

    Raises:
        DSTheoryError: what the building parts raise, and the setting.
    """
    for batch in plan.batches():
        _check(plan, batch)


def _check(plan: SweepPlan, batch: SettingsBatch) -> None:
    """Check settings side by side, or one by one where a rule is that of one run; halves, until what is wrong is alone."""
    count = batch.stop - batch.start
    settings, runs = (plan.settings(batch), (count,)) if count > 1 else (_alone(plan.settings(batch), 0), ())
    try:
        mdp, start, reference = problem_at(plan.chain, settings)
        if plan.of == "simulate":
            objective = _objective(plan, (mdp, start, reference), settings, runs)
            first = _starts(plan, start, settings, runs)
            if training_at(settings)["updates_per_batch"] > 1:
                objective = objective.with_sampler(first)
            objective.ascent(solve(mdp, first))
    except UnknownNameError:  # of all settings
        raise
    except ValueError as error:
        if count > 1:
            each = 1 if isinstance(error, OneRunError) else -(-count // 2)
            for begin in range(batch.start, batch.stop, each):
                _check(plan, SettingsBatch(batch.loop, begin, min(begin + each, batch.stop)))
        elif not isinstance(error, (ImproperChainError, InfiniteDivergenceError)):  # which mark a setting, and no other
            raise DSTheoryError(f"{plan.place(batch)}: {error}") from error


def evaluated(plan: SweepPlan, batches: Sequence[SettingsBatch]) -> dict[str, Any]:
    """Return ``status`` and all variables of consecutive batches, end to end."""
    for path in plan.modules:  # this may be another process than that which has read them
        load_module(path)
    parts = [evaluate(plan, batch) for batch in batches]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def evaluate(plan: SweepPlan, batch: SettingsBatch) -> dict[str, Any]:
    """Return ``status`` and all variables of a batch, one number per setting.

    Raises:
        DSTheoryError: something that marking a setting does not cover; it says where.
    """
    count = batch.stop - batch.start
    tables = {"status": np.zeros(count, dtype=np.int8)} | {
        name: np.full((count, *plan.shape(name)), np.nan) for name in plan.variables
    }
    try:
        _fill(plan, tables, plan.settings(batch), np.arange(count))
    except DSTheoryError as error:
        raise DSTheoryError(f"{plan.place(batch)}: {error}") from error
    return tables


def _fill(plan: SweepPlan, tables: dict[str, Any], settings: Mapping[str, Any], here: Ints) -> None:
    """Compute some settings of a batch. Those without a result are found and left out, and the others computed again."""
    if here.size == 0:
        return
    whole = here.size == len(tables["status"])
    some = {name: v if whole or not isinstance(v, np.ndarray) else v[here] for name, v in settings.items()}
    try:
        status, numbers = (_optima if plan.of == "optimum" else _trained)(plan, some, here.size)
    except (ImproperChainError, InfiniteDivergenceError) as error:
        # Which setting it was is not said: halve until it is alone.
        if here.size == 1:
            word = "episodes_never_end" if isinstance(error, ImproperChainError) else "infinite_divergence"
            tables["status"][here] = STATUS.index(word)
        else:
            for half in np.array_split(here, 2):
                _fill(plan, tables, settings, half)
        return
    if status.any():
        tables["status"][here] = status
        _fill(plan, tables, settings, here[status == 0])
    else:
        for name, values in numbers.items():
            tables[name][here] = values


def _optima(plan: SweepPlan, settings: Mapping[str, Any], count: int) -> tuple[Ints, Numbers]:
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
    return status, {**_outcome(before, best.policy, (count,)), "penalised_value": best.mean_value}


def _trained(plan: SweepPlan, settings: Mapping[str, Any], count: int) -> tuple[Ints, Numbers]:
    """Train some settings side by side; one after the other where an objective's rule is that of one run (recorded responses)."""
    try:
        return _side_by_side(plan, settings, (count,))
    except (ImproperChainError, InfiniteDivergenceError):
        raise  # the caller finds out whose it is
    except ValueError as error:
        if not (isinstance(error, OneRunError) or _of_a_user(str(settings["objective"]))):
            raise
        parts = [_side_by_side(plan, _alone(settings, i), ()) for i in range(count)]
    status = np.array([part for part, _ in parts], dtype=np.int8)
    if status.any():
        return status, {}
    return status, {name: np.stack([numbers[name] for _, numbers in parts]) for name in parts[0][1]}


def _of_a_user(expression: str) -> bool:
    """Return whether an objective is a class from elsewhere, which need not know of settings side by side, nor say so."""
    names = [] if expression in CONDITIONS else [name for _, name in parse(expression)]
    return any(not lookup(name).__module__.startswith("dstheory.") for name in names)


def _side_by_side(plan: SweepPlan, settings: Mapping[str, Any], runs: tuple[int, ...]) -> tuple[Ints, Numbers]:
    mdp, start, reference = problem_at(plan.chain, settings)
    objective = _objective(plan, (mdp, start, reference), settings, runs)
    # The whole sweep decides whether to compile, so that bits do not depend on what else a process has computed.
    training = {**training_at(settings), "compiled": plan.grid.size * plan.most_steps >= COMPILED}
    start = _starts(plan, start, settings, runs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfiniteEnergyWarning)  # the result has it as inf, which is counted and reported
        try:
            result = train(mdp, start, objective, **training, log_every=plan.log_every or training["steps"])
        except DivergedError as error:
            return np.broadcast_to(error.runs, runs) * np.int8(STATUS.index("training_left_finite_numbers")), {}
        before = solve(mdp, start)
        at_start = attribute(objective, before, coefficients=False, digits=False).energy
        at_end = result.log["energy"][-1, ..., -1, :]
    return np.zeros(runs, dtype=np.int8), {
        **_outcome(before, result.policy, runs),
        "energy_sample_before": at_start.sample,
        "energy_decide_before": at_start.decide,
        "energy_sample": at_end[..., 0],
        "energy_decide": at_end[..., 1],
        **{name: result.log[name.removesuffix("_history")].T for name in HISTORY if plan.log_every},
    }


def _objective(
    plan: SweepPlan, problem: tuple[TwoStageMDP, Policy, Policy], settings: Mapping[str, Any], runs: tuple[int, ...]
) -> Objective:
    return objective_at(str(settings["objective"]), problem, settings, runs=runs, rewards=plan.own_rewards)


def _starts(plan: SweepPlan, start: Policy, settings: Mapping[str, Any], runs: tuple[int, ...]) -> Policy:
    """Return the start of every setting: the same noise at the same random start, whatever else varies."""
    start = over(start, runs)
    if RUN.name not in settings:
        return start
    at_zero = start.with_parameters(tuple(np.zeros(block.shape[len(runs) :]) for block in start.parameters))
    noise = scattered(at_zero, plan.runs, spread=value_at(settings, "spread"), rng=value_at(settings, "seed")).parameters
    which = np.asarray(settings[RUN.name], dtype=np.int64)
    return start.with_parameters(tuple(block + moved[which] for block, moved in zip(start.parameters, noise, strict=True)))


def _alone(settings: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return one setting of a batch, as numbers."""
    return {name: value[index].item() if isinstance(value, np.ndarray) else value for name, value in settings.items()}


def _outcome(before: Solution, end: Policy, runs: tuple[int, ...]) -> dict[str, Floats]:
    """Return what both kinds of sweep report about a start and an end, one number per run."""
    after = solve(before.mdp, end)
    gain = split_solutions(before, after)
    found = {
        "p_after": after.p,
        "a_after": after.a,
        "b_after": after.b,
        "accuracy": after.mean_accuracy,
        "turns": after.mean_turns,
        "value": after.mean_value,
        "accuracy_before": before.mean_accuracy,
        "gain": gain.gain,
        "gain_sample": gain.sample,
        "gain_decide": gain.decide,
        "decision_share": gain.decision_share,
    }
    return {name: np.broadcast_to(value, runs) for name, value in found.items()}

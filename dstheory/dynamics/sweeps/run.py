r"""Sweeps: the optimum, or training, at every point of a grid of parameters, as one labelled Dataset.

First along batches (one array operation serves thousands of settings), then over processes, then over a Dask cluster. Every
dimension of the result is a swept parameter; the variables are what ``dstheory optimum`` and ``dstheory simulate`` print.

A sweep that is written to disk can be killed at any moment. Started again with the same arguments it reads what was finished,
computes the rest, and gives the same bytes as if it had not been interrupted, with whatever number of processes.

Source: derived here; the maps over length weight and beta are claim E3 of arXiv 2601.01580's decision share.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import whole_number
from dstheory.dynamics.conditions import CONDITIONS
from dstheory.dynamics.parameters import PARAMETERS, Of, lookup_parameter
from dstheory.dynamics.problem import Chain
from dstheory.dynamics.sweeps.evaluate import check, evaluated
from dstheory.dynamics.sweeps.plan import RUN, Axis, Grid, SettingsBatch, SweepPlan, parse_grid
from dstheory.dynamics.sweeps.result import finished, holds, labelled, write_result
from dstheory.dynamics.sweeps.state import State, configuration, state_path
from dstheory.errors import DSTheoryError
from dstheory.objectives.registry import files_of
from dstheory.readers.arrays import LabelledArrays
from dstheory.readers.atomic import refuse_directory
from dstheory.workers import check_workers, computed

if TYPE_CHECKING:
    import xarray as xr

_CHUNK = 1 << 17  # settings saved together: about a second of optima
_BATCHES = 64  # most batches saved together


def sweep(
    grid: Mapping[str, Any] | Iterable[str],
    *,
    of: Of = "optimum",
    mdp: TwoStageMDP | None = None,
    start: Policy | None = None,
    reference: Policy | None = None,
    objectives: Sequence[str] = (),
    runs: int = 1,
    log_every: int = 0,
    workers: int = 1,
    scheduler: str | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    chunk: int | None = None,
    max_size: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    **fixed: Any,
) -> xr.Dataset:
    """Compute the optimum of reward + KL, or training, at every point of a grid.

    Args:
        grid: values by parameter, sequences or texts (``{"beta": "log:1e-3:1:13", "optimizer": ["sgd", "adam"]}``), or texts
            ``"beta=log:1e-3:1:13"``. Names and ranges of all parameters: :data:`dstheory.dynamics.parameters.PARAMETERS`.
        of: ``"optimum"`` (:func:`dstheory.dynamics.optimum`) or ``"simulate"`` (:func:`dstheory.dynamics.compare`).
        mdp, start, reference: a chain of one's own; without it M0 is made of p, a, b, gamma, answer_length, ...
            The start defaults to uniform, the reference to the start.
        objectives: what to train (``of="simulate"``), as expressions; default the four conditions of `simulate`. Those of your
            own come from files read by :func:`dstheory.objectives.load_module`, which workers read too.
        runs: random starts per setting, the first being the start itself; they make a dimension ``run``.
        log_every: keep p, a, b and accuracy of every so many training steps too, as ``p_history`` and so on with a dimension
            ``step``; 0 keeps the end only.
        workers: processes; 1 computes in this one, with all processors' threads.
        scheduler: address of a Dask scheduler that computes instead.
        out: directory for the result; its unfinished state lies beside it. Without it nothing is written.
        overwrite: replace an earlier result in ``out``, and drop the unfinished state of another sweep beside it.
        chunk: settings saved together; has no influence on the numbers.
        max_size: largest result in bytes; default half of the memory that is available.
        progress: called with the number of settings done, and of all; first with what was done before.
        fixed: values of parameters that are not swept (``gamma=0.9``).

    Returns:
        A Dataset with one dimension per swept parameter (and ``objective``, ``run`` for training). ``status`` tells settings
        without a result apart; their variables are NaN.

    Raises:
        DSTheoryError: a grid that is empty, reversed, of an unknown parameter or too large; a result of another sweep in the way;
            a scheduler that cannot be reached.

    >>> data = sweep({"length_weight": "0:1:3", "beta": [0.1, 0.2]}, answer_length=1024)
    >>> dict(data.sizes)
    {'length_weight': 3, 'beta': 2}
    >>> data.decision_share.sel(beta=0.1).values.round(3).tolist()  # what decisions contribute to the gain in accuracy
    [0.589, 0.974, 0.999]
    """
    if mdp is None and not (start is None and reference is None):
        raise DSTheoryError("a start or a reference needs its chain: give mdp too, or describe M0 by p, a, b")
    chain = None if mdp is None else Chain.of(mdp, start, reference)
    plan = plan_sweep(
        grid, of=of, chain=chain, objectives=objectives, runs=runs, log_every=log_every,
        max_size=max_size, fixed=fixed,
    )  # fmt: skip
    try_settings(plan, out, overwrite=overwrite)
    return run_plan(
        plan,
        workers=workers,
        scheduler=scheduler,
        out=out,
        overwrite=overwrite,
        chunk=chunk,
        progress=progress,
        command=["dstheory.dynamics.sweep"],
    )[0].dataset()


def plan_sweep(
    grid: Mapping[str, Any] | Iterable[str],
    *,
    of: Of,
    fixed: Mapping[str, Any],
    chain: Chain | None = None,
    objectives: Sequence[str] = (),
    runs: int = 1,
    log_every: int = 0,
    max_size: float | None = None,
) -> SweepPlan:
    """Return a sweep, every name, value and size checked; :func:`try_settings` tries whether all of it can be computed.

    Settings are tried in the chain, default the minimal one, M0, made of numbers; all other arguments are those of :func:`sweep`.
    """
    if of not in ("optimum", "simulate"):
        raise DSTheoryError(f"of is {of!r}: must be 'optimum' or 'simulate'")
    minimal = chain is None or chain.mdp is None
    modules: tuple[str, ...] = ()
    axes = list(parse_grid(grid, of, minimal=minimal).axes)
    swept = {axis.name for axis in axes}
    values = _fixed(fixed, swept, of, minimal)
    if of == "simulate":
        if "objective" not in swept:
            chosen = tuple(objectives) or ((values.pop("objective"),) if "objective" in values else CONDITIONS)
            if len(set(chosen)) < len(chosen):
                raise DSTheoryError("an objective was given twice: every objective needs its own place")
            axes.append(Axis(PARAMETERS["objective"], tuple(chosen)))
        elif objectives:
            raise DSTheoryError("objectives are both given and swept: do one of the two")
        compared = next(axis.values for axis in axes if axis.name == "objective")
        modules = tuple(sorted({str(file) for name in compared if name not in CONDITIONS for file in files_of(name)}))
        if not set(compared) <= set(CONDITIONS):  # each objective has its own strengths; a reward has no KL unless asked
            given = {lookup_parameter(key, of, minimal=minimal).name for key in fixed}
            values = {name: value for name, value in values.items() if not PARAMETERS[name].own or name in given}
        if whole_number(runs, "runs", low=1) > 1:
            axes.append(Axis(RUN, tuple(range(runs))))
        if whole_number(log_every, "log_every", low=0) and "steps" in swept:
            raise DSTheoryError("log_every needs one number of steps, and steps is swept: leave one of them out")
    elif objectives or runs != 1 or log_every:
        raise DSTheoryError("objectives, runs and log_every belong to training: an optimum has none; use of='simulate'")
    plan = SweepPlan(of, Grid(tuple(axes)), values, chain or Chain(), runs, log_every, modules)
    _refuse_large(plan, max_size)
    return plan


def try_settings(plan: SweepPlan, out: str | os.PathLike[str] | None, *, overwrite: bool) -> None:
    """Raise what :func:`check` does; of a sweep that lies in ``out``, finished or not, all settings were tried before."""
    if overwrite or out is None or holds(Path(os.path.realpath(out))) != configuration(plan):
        check(plan)


def _fixed(fixed: Mapping[str, Any], swept: set[str], of: Of, minimal: bool) -> dict[str, Any]:
    """Return the parameters that have one value, with the defaults of those that are not mentioned."""
    given: dict[str, Any] = {}
    for key, value in fixed.items():
        parameter = lookup_parameter(key, of, minimal=minimal)
        if parameter.name in swept:
            raise DSTheoryError(f"{parameter.name} is both fixed and swept: do one of the two")
        given[parameter.name] = parameter.value(value, of)
    parts = [name for name in ("answer_length_correct", "answer_length_wrong") if name in given]
    if "answer_length" in swept and parts:
        raise DSTheoryError(f"answer_length is swept and {parts[0]} is fixed: sweep the lengths of both kinds of answers, or one")
    known = [row for row in PARAMETERS.values() if of in row.of and (minimal or row.group != "model")]
    defaults = {row.name: row.default for row in known if row.default is not None or row.optional}
    return given | {name: default for name, default in defaults.items() if name not in swept and name not in given}


def _refuse_large(plan: SweepPlan, max_size: float | None) -> None:
    limit = _half_of_memory() if max_size is None else float(max_size)
    if plan.bytes > limit:
        product = " x ".join(f"{len(axis.values):,} {axis.name}" for axis in plan.grid.axes)
        what = "half of the memory that is free" if max_size is None else "the largest size allowed"
        raise DSTheoryError(
            f"the sweep has {plan.grid.size:,} settings ({product}): its result would take {size_text(plan.bytes)}, more than "
            f"{size_text(limit)}, {what}; use fewer values, or allow more with max_size (--max-size)"
        )


def _half_of_memory() -> float:
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return 512.0 * float(line.split()[1])
    return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def size_text(size: float) -> str:
    """Return a number of bytes for people.

    >>> size_text(97_000_000)
    '97 MB'
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}" if size / factor < 1000 else f"{size / factor:,.0f} {unit}"
    return f"{size:.0f} bytes"


def run_plan(
    plan: SweepPlan,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    chunk: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    command: Sequence[str] = (),
    timeout: float = 10.0,
) -> tuple[LabelledArrays, dict[str, int]]:
    """Run a planned sweep; return its result, and how many chunks there were and how many were computed now.

    Args:
        plan: from :func:`plan_sweep`.
        workers, scheduler, out, overwrite, chunk, progress: as in :func:`sweep`.
        command: what ``run.json`` names as the command.
        timeout: seconds to wait for the scheduler.
    """
    check_workers(workers, scheduler)
    batches = plan.batches()
    longest = max(batch.stop - batch.start for batch in batches)
    per_chunk = max(1, min(_BATCHES, (1 if plan.of == "simulate" else _CHUNK // longest)))
    if chunk is not None:
        per_chunk = max(1, round(whole_number(chunk, "chunk", low=1) / longest))
    how = {"workers": workers, "scheduler": scheduler, "timeout": timeout, "kept": True}
    if out is None:
        tables, counts = _gather(plan, batches, per_chunk, None, how, progress)
        return labelled(plan, tables), counts
    began, target, ours = time.monotonic(), Path(os.path.realpath(out)), configuration(plan)
    if not overwrite and (done := finished(plan, target, ours)) is not None:
        if state_path(target).exists():  # killed between the last two steps
            with State.opened(target, ours, per_chunk, overwrite=False) as state:
                state.remove()
        return done, {"chunks": 0, "computed": 0}
    refuse_directory(out, overwrite)
    with State.opened(target, ours, per_chunk, overwrite=overwrite) as state:
        tables, counts = _gather(plan, batches, state.batches_per_chunk, state, how, progress)
        data = labelled(plan, tables)
        write_result(plan, data, target, ours, counts, command, time.monotonic() - began, overwrite)
        state.remove()
    return data, counts


def _gather(
    plan: SweepPlan,
    batches: Sequence[SettingsBatch],
    per_chunk: int,
    state: State | None,
    how: Mapping[str, Any],
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the tables of all settings: chunks that are there are read, the others computed and kept."""
    work, places, size = {}, [], 0
    for number, first in enumerate(range(0, len(batches), per_chunk)):
        work[number] = batches[first : first + per_chunk]
        count = sum(batch.stop - batch.start for batch in work[number])
        places.append((size, size + count))
        size += count
    tables = {name: np.empty((size, *plan.shape(name))) for name in plan.variables} | {"status": np.empty(size, dtype=np.int8)}
    done = 0

    def keep(number: int, found: Mapping[str, Any]) -> None:
        nonlocal done
        start, stop = places[number]
        for name, table in tables.items():
            table[start:stop] = found[name]
        done += stop - start

    def report() -> None:
        if progress is not None:
            progress(done, size)

    for number, found in [] if state is None else _stored(state, places, {name: plan.shape(name) for name in tables}):
        keep(number, found)
        del work[number]
    report()  # where this process begins: the remaining time is about what follows
    counts = {"chunks": len(places), "computed": len(work)}
    for number, found in computed(evaluated, plan, work, **how):
        if state is not None:
            state.write(number, found)
        keep(number, found)
        report()
    return tables, counts


def _stored(
    state: State, places: Sequence[tuple[int, int]], shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what an earlier process finished; a file that is damaged is named and dropped, to be computed again."""
    for number, (start, stop) in enumerate(places):
        try:
            found = state.read(number, stop - start, shapes)
        except DSTheoryError as error:
            warnings.warn(f"{error}: its settings are computed again", RuntimeWarning, stacklevel=2)
            state.drop(number)
            continue
        if found is not None:
            yield number, found

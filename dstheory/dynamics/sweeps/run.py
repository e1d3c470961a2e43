r"""Sweeps: the optimum, or training, at every point of a grid of parameters, as one labelled Dataset.

First along batches (one array operation serves thousands of settings), then over processes, then over a Dask cluster. Every
dimension of the result is a swept parameter; the variables are what ``dstheory optimum`` and ``dstheory simulate`` print.

A sweep that is written to disk can be killed at any moment. Started again with the same arguments it reads what was finished,
computes the rest, and gives the same bytes as if it had not been interrupted, with whatever number of processes.

Source: derived here; the maps over length weight and beta are claim E3 of arXiv 2601.01580's decision share.
"""

from __future__ import annotations

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
from dstheory.dynamics.sweeps.evaluate import Plan
from dstheory.dynamics.sweeps.grid import Tile
from dstheory.dynamics.sweeps.parameters import Of
from dstheory.dynamics.sweeps.plan import plan_sweep
from dstheory.dynamics.sweeps.pools import computed
from dstheory.dynamics.sweeps.result import dataset_of, finished, write_result
from dstheory.dynamics.sweeps.state import State, configuration, state_path
from dstheory.errors import DSTheoryError
from dstheory.readers.atomic import refuse_directory

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["run_plan", "sweep"]

_CHUNK = 1 << 17  # settings saved together: about a second of optima
_TILES = 64  # most tiles saved together


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
            ``"beta=log:1e-3:1:13"``. Names and ranges of all parameters: :data:`dstheory.dynamics.sweeps.parameters.PARAMETERS`.
        of: ``"optimum"`` (:func:`dstheory.dynamics.optimum`) or ``"simulate"`` (:func:`dstheory.dynamics.compare`).
        mdp, start, reference: a chain of one's own; without it M0 is made of p, a, b, gamma, answer_length, ...
            The start defaults to uniform, the reference to the start.
        objectives: what to train (``of="simulate"``), as expressions; default the four conditions of `simulate`.
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
    plan = plan_sweep(
        grid, of=of, mdp=mdp, start=start, reference=reference, objectives=objectives, runs=runs, log_every=log_every,
        max_size=max_size, fixed=fixed,
    )  # fmt: skip
    return run_plan(
        plan,
        workers=workers,
        scheduler=scheduler,
        out=out,
        overwrite=overwrite,
        chunk=chunk,
        progress=progress,
        command=["dstheory.dynamics.sweep"],
    )[0]


def run_plan(
    plan: Plan,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    chunk: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    command: Sequence[str] = (),
    timeout: float = 10.0,
) -> tuple[xr.Dataset, dict[str, int]]:
    """Run a planned sweep; return its result, and how many chunks there were and how many were computed now.

    Args:
        plan: from :func:`plan_sweep`.
        workers, scheduler, out, overwrite, chunk, progress: as in :func:`sweep`.
        command: what ``run.json`` names as the command.
        timeout: seconds to wait for the scheduler.
    """
    whole_number(workers, "workers", low=1)
    if scheduler is not None and workers != 1:
        raise DSTheoryError("workers and a scheduler were both given: processes here, or a cluster, not both")
    tiles = plan.tiles()
    longest = max(tile.stop - tile.start for tile in tiles)
    per_chunk = max(1, min(_TILES, (1 if plan.of == "simulate" else _CHUNK // longest)))
    if chunk is not None:
        per_chunk = max(1, round(whole_number(chunk, "chunk", low=1) / longest))
    how = {"workers": workers, "scheduler": scheduler, "timeout": timeout}
    if out is None:
        tables, counts = _gather(plan, tiles, per_chunk, None, how, progress)
        return dataset_of(plan, tables), counts
    began, target, ours = time.monotonic(), Path(os.path.realpath(out)), configuration(plan)
    if not overwrite and (done := finished(plan, target, ours)) is not None:
        if state_path(target).exists():  # killed between the last two steps
            with State.opened(target, ours, per_chunk, overwrite=False) as state:
                state.remove()
        return done, {"chunks": 0, "computed": 0}
    refuse_directory(out, overwrite)
    with State.opened(target, ours, per_chunk, overwrite=overwrite) as state:
        tables, counts = _gather(plan, tiles, state.tiles_per_chunk, state, how, progress)
        data = dataset_of(plan, tables)
        write_result(plan, data, target, ours, counts, command, time.monotonic() - began, overwrite)
        state.remove()
    return data, counts


def _gather(
    plan: Plan,
    tiles: Sequence[Tile],
    per_chunk: int,
    state: State | None,
    how: Mapping[str, Any],
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the tables of all settings: chunks that are there are read, the others computed and kept."""
    work, places, size = {}, [], 0
    for number, first in enumerate(range(0, len(tiles), per_chunk)):
        work[number] = tiles[first : first + per_chunk]
        count = sum(tile.stop - tile.start for tile in work[number])
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

    for number, found in _stored(state, places, {name: plan.shape(name) for name in tables}):
        keep(number, found)
        del work[number]
    report()  # where this process begins: the remaining time is about what follows
    counts = {"chunks": len(places), "computed": len(work)}
    for number, found in computed(plan, work, **how):
        if state is not None:
            state.write(number, found)
        keep(number, found)
        report()
    return tables, counts


def _stored(
    state: State | None, places: Sequence[tuple[int, int]], shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what an earlier process finished; a file that is damaged is named and dropped, to be computed again."""
    for number, (start, stop) in enumerate(places if state is not None else ()):
        assert state is not None
        try:
            found = state.read(number, stop - start, shapes)
        except DSTheoryError as error:
            warnings.warn(f"{error}: its settings are computed again", RuntimeWarning, stacklevel=2)
            state.drop(number)
            continue
        if found is not None:
            yield number, found

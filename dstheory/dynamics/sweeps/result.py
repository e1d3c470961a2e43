"""The result of a sweep: labelled arrays with the swept parameters as axes, on disk as netCDF with its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dstheory.dynamics.sweeps.plan import STATUS, Axis, SweepPlan, status_counts
from dstheory.dynamics.sweeps.state import differences, state_path, stored_configuration
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.arrays import LabelledArrays
from dstheory.readers.atomic import RUN_FILE, results_directory
from dstheory.readers.results import HISTORY_FILE, read_manifest, read_run, write_run


def labelled(plan: SweepPlan, tables: dict[str, Any]) -> LabelledArrays:
    """Return the result of a sweep from tables over all settings, in the order in which they were worked through.

    The tables are taken out of the dict one by one: putting axes in order copies, and no more than one table is there twice.
    """
    dims = tuple(axis.name for axis in plan.grid.axes)
    found: dict[str, Any] = {}
    for name, variable in plan.variables.items():
        missing = "there is no result (see status)" + (f", or {variable.missing}" if variable.missing else "")
        attributes = {"long_name": variable.long_name, "units": variable.units, "comment": f"NaN where {missing}"}
        found[name] = ((*dims, "step") if plan.shape(name) else dims), plan.grid.unfold(tables.pop(name)), attributes
    said: dict[str, Any] = {"long_name": "whether the setting has a result"}
    said |= {"flag_values": np.arange(len(STATUS), dtype=np.int8), "flag_meanings": " ".join(STATUS)}
    found["status"] = dims, plan.grid.unfold(tables.pop("status")), said
    coords: dict[str, Any] = {axis.name: ((axis.name,), axis.labels(), _attributes(axis)) for axis in plan.grid.axes}
    if plan.log_every:
        coords["step"] = (("step",), plan.steps, {"long_name": "training steps done", "units": "steps"})
    attrs = {name: _attribute(value) for name, value in plan.fixed.items()}
    return LabelledArrays(found, coords, {"sweep_of": plan.of, "chain": plan.chain.name, **attrs})


def _attributes(axis: Axis) -> dict[str, str]:
    found = {"long_name": axis.parameter.long_name}
    if axis.parameter.kind in ("number", "whole"):
        found["units"] = axis.parameter.units
    if None in axis.values:
        found["comment"] = "inf stands for none"
    return found


def _attribute(value: Any) -> Any:
    """Return a fixed value as an attribute of a netCDF file, which knows no None and no booleans."""
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else value


def write_result(
    plan: SweepPlan,
    data: LabelledArrays,
    out: Path,
    ours: Mapping[str, Any],
    counts: Mapping[str, int],
    command: Sequence[str],
    seconds: float,
    overwrite: bool,
) -> None:
    """Write netCDF and manifest; the directory is complete or absent."""
    manifest = {
        "command": list(command),
        "parameters": {"of": plan.of, **plan.fixed},
        "seed": plan.fixed.get("seed"),
        "wall_seconds": round(seconds, 3),
        "sweep": ours,
        "settings": plan.grid.size,
        "chunks_computed_by_this_process": counts["computed"],
        "chunks": counts["chunks"],
        **gaps(data),
    }
    with results_directory(out, overwrite=overwrite) as directory:
        write_run(directory, data, manifest)


def gaps(data: LabelledArrays) -> dict[str, dict[str, int]]:
    """Return what is missing: settings without a result by status, and numbers that are NaN or infinite although there is one."""
    status = data["status"]
    odd = {}
    for name in data.variables:
        missing = ~np.isfinite(data[name])
        missing = missing.any(axis=-1) if missing.ndim > status.ndim else missing
        if name != "status" and (count := int(np.count_nonzero((status == 0) & missing))):
            odd[name] = count
    return {"without_result": status_counts(status), "not_finite": odd}


def finished(plan: SweepPlan, out: Path, ours: Mapping[str, Any]) -> LabelledArrays | None:
    """Return the complete result of this very sweep, if it lies in ``out`` already; None if nothing of a sweep is there.

    Raises:
        DSTheoryError: the result of another sweep is there (the difference is named), or it is damaged.
    """
    if not (out / RUN_FILE).is_file():
        return None
    try:
        run = read_run(out)
    except FileFormatError as error:
        raise FileFormatError(f"{error}, with overwrite (--overwrite) to replace it, or with another out") from None
    theirs = run.manifest.get("sweep")
    if not isinstance(theirs, dict):
        return None
    found = differences(theirs, ours)
    if found:
        raise DSTheoryError(
            f"{out} holds the result of another sweep: {'; '.join(found)}. Nothing was computed: give another out, or replace it "
            "with overwrite"
        )
    data = None if run.history is None else LabelledArrays.of(run.history)
    if data is None or set(data.variables) != {*plan.variables, "status"} or data["status"].size != plan.grid.size:
        raise FileFormatError(f"{out / HISTORY_FILE} is not what {out / RUN_FILE} describes: compute it again with overwrite")
    return data


def holds(out: Path) -> Any:
    """Return the configuration of the sweep in ``out``, finished or not; None if it is free, False if it holds other things."""
    if out.exists():
        try:
            there = read_manifest(out).get("sweep") if out.is_dir() and any(out.iterdir()) else None
        except FileFormatError:
            return False
        return there or False
    state = state_path(out)
    return (stored_configuration(state) or False) if state.exists() else None

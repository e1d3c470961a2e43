"""Running one experiment: whatever happens in it becomes an outcome, and its results are complete or absent."""

from __future__ import annotations

import importlib
import inspect
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from dstheory.errors import DSTheoryError, SkippedExperiment
from dstheory.experiments.catalogue import Experiment
from dstheory.experiments.findings import Findings
from dstheory.experiments.tables import Table, write_table

__all__ = ["CAPTION_FILE", "Outcome", "run_experiment"]

CAPTION_FILE = "caption.txt"


@dataclass(frozen=True)
class Outcome:
    """What became of one experiment.

    Attributes:
        name: of the experiment.
        status: ``done``, ``skipped`` (it said that something it needs is not there) or ``failed``.
        seconds: wall time.
        reason: why it was skipped or failed; empty if done.
        out: where the results are; empty unless done.
        caption: the text under its figures.
        tables: its tables by file stem.
    """

    name: str
    status: Literal["done", "skipped", "failed"]
    seconds: float
    reason: str = ""
    out: str = ""
    caption: str = ""
    tables: Mapping[str, Table] = field(default_factory=dict)


def run_experiment(
    experiment: Experiment,
    out: Path,
    *,
    quick: bool = False,
    overwrite: bool = False,
    data: Path | None = None,
    command: list[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Outcome:
    """Run an experiment and write its figures, data, tables, caption and manifest; never raises but for an interruption.

    Args:
        experiment: which.
        out: directory for its results, made here; an earlier one is kept unless ``overwrite``.
        quick: the small version.
        data: folder with what the experiment reads, handed on to those whose ``run`` has an argument of that name.
        command: what the manifest gives as the command line.
        progress: called with the part that is done, from 0 to 1.
    """
    began = time.monotonic()

    def ended(status: Literal["skipped", "failed"], reason: str) -> Outcome:
        return Outcome(experiment.name, status, round(time.monotonic() - began, 3), reason)

    if experiment.fault:
        return ended("failed", experiment.fault)
    try:
        return _run(experiment, out, quick, overwrite, data, command or [], progress, began)
    except SkippedExperiment as skip:
        return ended("skipped", str(skip))
    except DSTheoryError as error:
        return ended("failed", str(error))
    except (Exception, SystemExit) as error:
        return ended("failed", _described(error, experiment.path))


def _run(
    experiment: Experiment,
    out: Path,
    quick: bool,
    overwrite: bool,
    data: Path | None,
    command: list[str],
    progress: Callable[[float], None] | None,
    began: float,
) -> Outcome:
    from dstheory.plots import save_figure
    from dstheory.readers import results_directory, write_run

    with results_directory(out, overwrite=overwrite) as directory:
        run = load(experiment.path).run
        extra = {"data": data} if "data" in inspect.signature(run).parameters else {}
        report = None if progress is None else lambda done, total: progress(done / total)
        found = Findings(*run(quick=quick, progress=report, **extra))
        for stem, figure in found.figures.items():
            save_figure(figure, directory / stem)
        for stem, table in found.tables.items():
            write_table(table, directory / stem)
        caption = (found.caption or experiment.text).strip()
        (directory / CAPTION_FILE).write_text(caption + "\n", encoding="utf-8")
        seconds = round(time.monotonic() - began, 3)
        parameters: dict[str, Any] = {"experiment": experiment.name, "quick": quick, "claims": list(experiment.claims)}
        if extra:
            parameters["data"] = None if data is None else str(data)
        manifest = {"command": command, "parameters": parameters, "seed": found.data.attrs.get("seed", 0)}
        write_run(directory, found.data, {**manifest, "wall_seconds": seconds, "caption": caption})
    return Outcome(experiment.name, "done", seconds, "", str(out), caption, dict(found.tables))


def load(path: Path) -> ModuleType:
    """Import an experiment by its path, as part of a package that has its folder's name to itself.

    So ``from . import _shared`` finds a neighbour, and nothing named "sims" has to be importable.
    """
    folder = path.resolve().parent
    package = f"_dstheory_sims_{abs(hash(str(folder))):x}"
    if package not in sys.modules:
        parent = ModuleType(package)
        parent.__path__ = [str(folder)]
        sys.modules[package] = parent
    name = f"{package}.{path.stem}"
    sys.modules.pop(name, None)  # the file may have changed since an earlier run in this process
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _described(error: BaseException, path: Path) -> str:
    """Return what a crash was and at which line of the experiment."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == path.name]
    where = f" ({path.name}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"

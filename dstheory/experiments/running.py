"""Running experiments: whatever happens in one becomes its result, its files are complete or absent, and the others still run.

Several run in a process each. A process that dies is the failure of its own experiment and of no other, which a pool of
processes (joblib's too) cannot promise: there every task is lost with one worker.
"""

from __future__ import annotations

import importlib
import inspect
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from dstheory.errors import DSTheoryError, SkippedExperiment, system_sentence
from dstheory.experiments.catalogue import Experiment, Findings, Table, write_table
from dstheory.interrupts import deferred_interrupts, end_with_parent, handled, sheltered_start, unshelter

_PATIENCE = 0.5  # seconds that interrupted processes have for removing their unfinished files, part of what this one has


@dataclass(frozen=True)
class ExperimentResult:
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
    width: str = "text",
    formats: Sequence[str] = (),
    command: Sequence[str] = (),
    progress: Callable[[float], None] | None = None,
) -> ExperimentResult:
    """Run an experiment and write its figures, data, tables, caption and manifest; never raises but for an interruption.

    Args:
        experiment: which.
        out: directory for its results, made here; an earlier one is kept unless ``overwrite``.
        quick: the small version.
        overwrite: whether earlier results may be replaced.
        data: folder with what the experiment reads, handed on to those whose ``run`` has an argument of that name.
        width: that figures are drawn for, "text" or "column" of a paper.
        formats: of the figures: "png", "svg", "pdf"; none for png and svg.
        command: what the manifest gives as the command line.
        progress: called with the part that is done, from 0 to 1.

    Returns:
        What became of it.
    """
    from dstheory.plots import save_figure
    from dstheory.plots.style import drawn_for
    from dstheory.readers import results_directory, write_run

    began = time.monotonic()
    status: Literal["skipped", "failed"] = "failed"
    try:
        if experiment.fault:
            raise DSTheoryError(experiment.fault)
        with results_directory(out, overwrite=overwrite) as directory:
            run = load(experiment.path).run
            extra = {"data": data} if "data" in inspect.signature(run).parameters else {}
            report = None if progress is None else lambda done, total: progress(done / total)
            with drawn_for(width, tuple(formats)):
                found = Findings(*run(quick=quick, progress=report, **extra))
                for stem, figure in found.figures.items():
                    save_figure(figure, directory / stem)
            for stem, table in found.tables.items():
                write_table(table, directory / stem)
            caption = (found.caption or experiment.text).strip()
            (directory / "caption.txt").write_text(caption + "\n", encoding="utf-8")
            seconds = round(time.monotonic() - began, 3)
            parameters: dict[str, Any] = {"experiment": experiment.name, "quick": quick, "claims": list(experiment.claims)}
            if extra:
                parameters["data"] = None if data is None else str(data)
            manifest = {"command": list(command), "parameters": parameters, "seed": found.data.attrs.get("seed", 0)}
            write_run(directory, found.data, {**manifest, "wall_seconds": seconds, "caption": caption})
        return ExperimentResult(experiment.name, "done", seconds, "", str(out), caption, dict(found.tables))
    except SkippedExperiment as skip:
        status, reason = "skipped", str(skip)
    except DSTheoryError as error:
        reason = str(error)
    except OSError as error:
        reason = system_sentence(error)
    except (Exception, SystemExit) as error:
        # What a crash was, and at which line of the experiment.
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename).name == experiment.path.name]
        where = f" ({experiment.path.name}, line {lines[-1]})" if lines else ""
        reason = f"{type(error).__name__}: {error}{where}"
    return ExperimentResult(experiment.name, status, round(time.monotonic() - began, 3), reason)


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


def run_experiments(
    experiments: Sequence[Experiment],
    out: Path,
    *,
    jobs: int = 1,
    progress: Callable[[str, float], None] | None = None,
    finished: Callable[[ExperimentResult], None] | None = None,
    **settings: Any,
) -> list[ExperimentResult]:
    """Run experiments, ``jobs`` at a time; one that fails is reported in its result and the others still run.

    Args:
        experiments: which, in this order.
        out: each gets its own directory below this one.
        jobs: how many processes; with 1 all run here.
        progress: called with a name and the part done.
        finished: called with each result as it comes.
        settings: as of :func:`run_experiment`: quick, overwrite, data, width, formats, command.

    Returns:
        The results, in the order of ``experiments``.
    """
    from dstheory.readers.atomic import shared_directory

    results: dict[str, ExperimentResult] = {}

    def report(name: str, message: float | ExperimentResult) -> None:
        if isinstance(message, ExperimentResult):
            results[name], part = message, 1.0  # also of one that failed half-way, or never said how far it was
        else:
            part = message
        if progress is not None:
            progress(name, part)
        if finished is not None and isinstance(message, ExperimentResult):
            finished(message)

    if jobs <= 1 or len(experiments) <= 1:
        for each in experiments:
            said = None if progress is None else lambda part, name=each.name: progress(name, part)
            report(each.name, run_experiment(each, out / each.name, progress=said, **settings))
    else:
        with shared_directory(out):
            _in_processes(experiments, out, jobs, report, settings)
    return [results[experiment.name] for experiment in experiments]


def _in_processes(
    experiments: Sequence[Experiment],
    out: Path,
    jobs: int,
    report: Callable[[str, float | ExperimentResult], None],
    settings: dict[str, Any],
) -> None:
    from dstheory.readers.atomic import remove_left_behind

    spawn = multiprocessing.get_context("spawn")
    running: dict[Connection, tuple[str, SpawnProcess]] = {}
    waiting = list(reversed(experiments))
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                experiment = waiting.pop()
                receive, send = spawn.Pipe(duplex=False)
                process = spawn.Process(
                    target=_child, args=(os.getpid(), send, experiment, out / experiment.name, jobs, settings)
                )
                with deferred_interrupts(), sheltered_start():
                    process.start()
                    running[receive] = experiment.name, process
                send.close()  # the child has the only other end: its death closes the pipe
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                name, process = running[ready]
                try:
                    message = ready.recv()
                except EOFError:
                    process.join()
                    message = ExperimentResult(name, "failed", 0.0, f"its process ended with code {process.exitcode}")
                report(name, message)
                if isinstance(message, ExperimentResult):
                    process.join()
                    del running[ready]
    finally:
        # Interrupt what still runs, so that it removes its unfinished files; kill what does not listen.
        for _, process in running.values():
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, signal.SIGTERM)
        patience = time.monotonic() + _PATIENCE
        for name, process in running.values():
            process.join(max(0.0, patience - time.monotonic()))
            process.kill()
            process.join()
            remove_left_behind(out / name)


def _child(
    parent: int, send: Connection, experiment: Experiment, out: Path, jobs: int, settings: dict[str, Any]
) -> None:
    """Run one experiment in this process and send what comes of it."""
    # Before the compiled loops are loaded: cores are shared.
    os.environ.setdefault("NUMBA_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    end_with_parent(parent)
    with handled(impatient=False) as told:  # Ctrl-C reaches this process, and the parent passes it on as well
        try:
            unshelter()
            send.send(run_experiment(experiment, out, progress=send.send, **settings))
        except (KeyboardInterrupt, BrokenPipeError):
            raise SystemExit(told.exit_code) from None  # unfinished files are gone; the parent says so
        finally:
            send.close()

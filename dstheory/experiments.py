"""Experiments: what the files of ``sims/`` are, how one is found, run and written down, several of them side by side.

An experiment is a Python file with a docstring (what it shows and why), ``NAME``, ``CLAIMS`` and ``run``; ``sims/README.md`` says
what each must hold. Nothing here knows any particular one. Files are read, not run, to say which there are: listing costs no
numerics, and a broken file hides no other.

Whatever happens in one that runs becomes its result, its files are complete or absent, and the others still run. Several run in a
process each. A process that dies is the failure of its own experiment and of no other, which a pool of processes (joblib's too)
cannot promise: there every task is lost with one worker.
"""

from __future__ import annotations

import ast
import csv
import importlib
import inspect
import io
import math
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from dstheory import plots, readers
from dstheory.errors import DSTheoryError, SkippedExperiment, UnknownNameError, system_sentence
from dstheory.interrupts import deferred_interrupts, end_with_parent, handled, sheltered_start, unshelter
from dstheory.texts import markdown_cell
from dstheory.user_files import shipped

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Table = str | Sequence[Mapping[str, Any]]
"""Rows that all have the same keys, or a text."""


class Findings(NamedTuple):
    """What ``run`` of an experiment returns; a plain tuple (data, figures) with the rest left out will do.

    Attributes:
        data: everything measured; ``data.attrs["seed"]`` where chance was involved.
        figures: matplotlib figures by file stem; written as PNG and SVG.
        tables: by file stem, rows (mappings with the same keys; written as CSV and Markdown) or a text (written as it is).
        caption: the text under the figures, with the numbers measured; default the docstring of the experiment's file.
    """

    data: xr.Dataset
    figures: Mapping[str, Figure]
    tables: Mapping[str, Table] = {}
    caption: str = ""


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns of a table.

    Raises:
        ValueError: no rows, or a row whose keys are not those of the first.

    Example:
        >>> columns([{"p": 1, "b": 2}, {"p": 3, "b": 4}])
        ['p', 'b']
    """
    if not rows:
        raise ValueError("a table has no rows: give at least one")
    names = list(rows[0])
    for i, row in enumerate(rows):
        if set(row) != set(names):
            raise ValueError(f"row {i} of a table has the columns {list(row)}: must be those of row 0, {names}")
    return names


def cells(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the rows as people read them: few digits, a dash for what does not exist.

    Example:
        >>> cells([{"effect": "none", "b": 0.123456, "steps": 12345}, {"effect": "clipped", "b": 8.1e-7, "steps": None}])
        [['none', '0.1235', '12345'], ['clipped', '8.1e-07', '-']]
    """
    names = columns(rows)
    return [[_shown(row[name]) for name in names] for row in rows]


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as CSV; numbers with every digit, an empty field for what does not exist.

    Example:
        >>> print(csv_text([{"effect": "clipped, at 1", "b": 0.1, "steps": None}]), end="")
        effect,b,steps
        "clipped, at 1",0.1,
    """
    names = columns(rows)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if _missing(row[name]) else _plain(row[name]) for name in names])
    return stream.getvalue()


def markdown_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as Markdown, its numbers rounded.

    Example:
        >>> print(markdown_text([{"effect": "none", "b": 0.9}]), end="")
        | effect | b |
        | --- | ---: |
        | none | 0.9 |
    """
    names = columns(rows)
    right = [all(_missing(row[name]) or not isinstance(row[name], str) for row in rows) for name in names]
    lines = [names, ["---:" if r else "---" for r in right], *cells(rows)]
    return "".join("| " + " | ".join(map(markdown_cell, line)) + " |\n" for line in lines)


def write_table(table: Table, stem: Path) -> list[Path]:
    """Write ``stem.csv`` and ``stem.md``, or ``stem.txt`` for a text; return the paths."""
    texts = {".txt": table} if isinstance(table, str) else {".csv": csv_text(table), ".md": markdown_text(table)}
    paths = []
    for ending, text in texts.items():
        path = stem.with_name(stem.name + ending)
        path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value


def _shown(value: Any) -> str:
    if _missing(value):
        return "-"
    value = _plain(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its file describes it.

    Attributes:
        name: ``NAME``; the file's stem where there is none.
        claims: ``CLAIMS``, ids of claims that it bears on.
        text: the docstring of the file.
        needs: ``NEEDS``, what has to be given with ``--data``; empty for most.
        path: the file.
        fault: why it cannot run; empty for all that are as they should be.
    """

    name: str
    claims: tuple[str, ...]
    text: str
    needs: str
    path: Path
    fault: str = ""

    @property
    def shows(self) -> str:
        """The first line of the docstring."""
        return self.text.splitlines()[0] if self.text else ""


def read_experiment(path: Path) -> Experiment:
    """Read what a file says about itself, without running it.

    Raises:
        DSTheoryError: there is no such file.
    """
    from dstheory.readers.streams import read_whole

    try:
        source = read_whole(path).decode("utf-8")
        tree = ast.parse(source, path.name)
    except OSError as error:
        raise DSTheoryError(f"cannot read {path}: {error.strerror}; give the path of an experiment's file") from error
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        return Experiment(path.stem, (), "", "", path, f"is not Python: {getattr(error, 'msg', error)} ({path.name}{line})")
    known: dict[str, object] = {}
    defined = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            defined.add(node.name)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _CONSTANTS:
            try:
                known[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                known[node.targets[0].id] = None
    text = ast.get_docstring(tree) or ""
    name, claims, needs = known.get("NAME"), known.get("CLAIMS"), known.get("NEEDS", "")
    rules = {
        "a docstring that says what it shows": text,
        'NAME = "..."': isinstance(name, str),
        'CLAIMS = ("...", ) with ids of claims': isinstance(claims, tuple) and claims,
        "NEEDS as a text in quotes": isinstance(needs, str),
        "a function run(*, quick, progress)": "run" in defined,
    }
    faults = [rule for rule, kept in rules.items() if not kept]
    return Experiment(
        name if isinstance(name, str) else path.stem,
        tuple(map(str, claims)) if isinstance(claims, tuple) else (),
        text,
        needs if isinstance(needs, str) else "",
        path,
        f"{path.name} lacks {', '.join(faults)}" if faults else "",
    )


_CONSTANTS = ("NAME", "CLAIMS", "NEEDS")


def experiment_names() -> dict[str, Experiment]:
    """Return all experiments of this package by name; files whose names start with ``_`` are parts of others."""
    found = [read_experiment(path) for path in sorted(shipped("sims").glob("[!_]*.py"))]
    return {experiment.name: experiment for experiment in found}


def find_experiments(names: tuple[str, ...]) -> list[Experiment]:
    """Return the experiments with these names; a name that ends in ``.py`` is the path of a file.

    Raises:
        DSTheoryError: an unknown name; the nearest known ones are given.
    """
    known = experiment_names()
    found: dict[str, Experiment] = {}
    for name in names:
        if name not in known and not name.endswith(".py"):
            near = get_close_matches(name, known, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "no name is similar."
            raise UnknownNameError(f"there is no experiment {name!r}: {hint} Known are {', '.join(known)}")
        experiment = known[name] if name in known else read_experiment(Path(name))
        found[experiment.name] = experiment
    return list(found.values())


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
    began = time.monotonic()
    status: Literal["skipped", "failed"] = "failed"
    try:
        if experiment.fault:
            raise DSTheoryError(experiment.fault)
        with readers.results_directory(out, overwrite=overwrite) as directory:
            run = load(experiment.path).run
            extra = {"data": data} if "data" in inspect.signature(run).parameters else {}
            report = None if progress is None else lambda done, total: progress(done / total)
            with plots.drawn_for(width, tuple(formats)):
                found = Findings(*run(quick=quick, progress=report, **extra))
                for stem, figure in found.figures.items():
                    plots.save_figure(figure, directory / stem)
            for stem, table in found.tables.items():
                write_table(table, directory / stem)
            caption = (found.caption or experiment.text).strip()
            (directory / "caption.txt").write_text(caption + "\n", encoding="utf-8")
            seconds = round(time.monotonic() - began, 3)
            parameters: dict[str, Any] = {"experiment": experiment.name, "quick": quick, "claims": list(experiment.claims)}
            if extra:
                parameters["data"] = None if data is None else str(data)
            manifest = {"command": list(command), "parameters": parameters, "seed": found.data.attrs.get("seed", 0)}
            readers.write_run(directory, found.data, {**manifest, "wall_seconds": seconds, "caption": caption})
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


def _child(parent: int, send: Connection, experiment: Experiment, out: Path, jobs: int, settings: dict[str, Any]) -> None:
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

"""Several experiments at once, each in a process of its own: one that crashes, or takes its process down, stops no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from dstheory.experiments.catalogue import Experiment
from dstheory.experiments.running import Outcome, run_experiment

__all__ = ["run_experiments"]

_PATIENCE = 10.0  # seconds that an interrupted process has for removing its unfinished files


@dataclass(frozen=True)
class _Running:
    experiment: Experiment
    process: SpawnProcess


def run_experiments(
    experiments: Sequence[Experiment],
    out: Path,
    *,
    jobs: int = 1,
    progress: Callable[[str, float], None] | None = None,
    finished: Callable[[Outcome], None] | None = None,
    **settings: Any,
) -> list[Outcome]:
    """Run experiments, ``jobs`` at a time; one that fails is reported in its outcome and the others still run.

    Args:
        experiments: which, in this order.
        out: each gets its own directory below this one.
        jobs: how many processes; with 1 all run here.
        progress: called with a name and the part done.
        finished: called with each outcome as it comes.
        settings: as of :func:`run_experiment`: quick, overwrite, data, command.

    Returns:
        The outcomes, in the order of ``experiments``.
    """
    outcomes: dict[str, Outcome] = {}

    def take(outcome: Outcome) -> None:
        outcomes[outcome.name] = outcome
        if progress is not None:
            progress(outcome.name, 1.0)  # also of one that failed half-way, or never said how far it was
        if finished is not None:
            finished(outcome)

    if jobs <= 1 or len(experiments) <= 1:
        for experiment in experiments:
            report = None if progress is None else lambda part, name=experiment.name: progress(name, part)
            take(run_experiment(experiment, out / experiment.name, progress=report, **settings))
    else:
        from dstheory.readers.atomic import shared_directory

        with shared_directory(out):
            _in_processes(list(experiments), out, jobs, progress, take, settings)
    return [outcomes[experiment.name] for experiment in experiments]


def _in_processes(
    waiting: list[Experiment],
    out: Path,
    jobs: int,
    progress: Callable[[str, float], None] | None,
    take: Callable[[Outcome], None],
    settings: dict[str, Any],
) -> None:
    spawn = multiprocessing.get_context("spawn")
    running: dict[Connection, _Running] = {}
    waiting = waiting[::-1]
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                experiment = waiting.pop()
                receive, send = spawn.Pipe(duplex=False)
                threads = max(1, (os.cpu_count() or 1) // jobs)
                process = spawn.Process(target=_child, args=(send, experiment, out / experiment.name, threads, settings))
                process.start()
                send.close()  # the child has the only other end: its death closes the pipe
                running[receive] = _Running(experiment, process)
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                one = running[ready]
                try:
                    message = ready.recv()
                except EOFError:
                    one.process.join()
                    message = Outcome(one.experiment.name, "failed", 0.0, f"its process ended with code {one.process.exitcode}")
                if isinstance(message, Outcome):
                    take(message)
                    one.process.join()
                    del running[ready]
                elif progress is not None:
                    progress(one.experiment.name, message)
    finally:
        _end([one.process for one in running.values()])


def _child(send: Connection, experiment: Experiment, out: Path, threads: int, settings: dict[str, Any]) -> None:
    """Run one experiment in this process and send what comes of it."""
    os.environ.setdefault("NUMBA_NUM_THREADS", str(threads))  # before the compiled loops are loaded: cores are shared
    try:
        send.send(run_experiment(experiment, out, progress=send.send, **settings))
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # unfinished files are gone; the parent says so
    finally:
        send.close()


def _end(processes: list[SpawnProcess]) -> None:
    """Interrupt what still runs, so that it removes its unfinished files; kill what does not listen."""
    for process in processes:
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGINT)
    for process in processes:
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()

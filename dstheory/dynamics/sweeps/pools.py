"""Who computes: this process, several processes, or a Dask cluster. All of them call the same function on the same tiles.

A worker process reads requests from its standard input and ends when that closes: whatever happens to the process that started
it, `kill -9` included, no worker outlives it by more than the stretch it is working on.

Source: derived here.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dstheory.dynamics.sweeps.evaluate import Plan
from dstheory.dynamics.sweeps.grid import Tile
from dstheory.errors import DSTheoryError

__all__ = ["compute", "computed"]

Tables = dict[str, Any]
_ROOT = str(Path(__file__).resolve().parents[2])
_CODE = (
    "import sys; sys.argv[1] in sys.path or sys.path.insert(0, sys.argv[1])\n"
    "from dstheory.dynamics.sweeps.pools import serve; serve()"
)


def compute(plan: Plan, tiles: Sequence[Tile]) -> Tables:
    """Return ``status`` and all variables of consecutive tiles, end to end."""
    parts = [plan.evaluate(tile) for tile in tiles]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def computed(
    plan: Plan, work: Mapping[int, Sequence[Tile]], *, workers: int = 1, scheduler: str | None = None, timeout: float = 10.0
) -> Iterator[tuple[int, Tables]]:
    """Yield the number and the tables of every stretch of tiles, in the order in which they are done.

    Args:
        plan: the sweep.
        work: tiles by number.
        workers: processes; 1 computes here.
        scheduler: address of a Dask scheduler, instead of processes.
        timeout: seconds to wait for the scheduler.

    Raises:
        DSTheoryError: a setting that does not work, a worker that died, a scheduler that cannot be reached.
    """
    if not work:
        return
    if scheduler is not None:
        from dstheory.dynamics.sweeps.dask import over_dask

        yield from over_dask(plan, work, compute, scheduler, timeout)
    elif workers == 1 or len(work) <= 1:
        for number, tiles in work.items():
            yield number, compute(plan, tiles)
    else:
        yield from _over_processes(plan, work, min(workers, len(work)))


def _over_processes(plan: Plan, work: Mapping[int, Sequence[Tile]], workers: int) -> Iterator[tuple[int, Tables]]:
    todo: queue.SimpleQueue[tuple[int, Sequence[Tile]]] = queue.SimpleQueue()
    for item in work.items():
        todo.put(item)
    done: queue.Queue[tuple[int, Tables] | BaseException] = queue.Queue(maxsize=workers)
    processes = [_start(i, workers) for i in range(workers)]
    stopping = threading.Event()

    def feed(process: subprocess.Popen[bytes]) -> None:
        answer: tuple[int, Tables] | BaseException
        first = True
        while not stopping.is_set():
            try:
                number, tiles = todo.get_nowait()
            except queue.Empty:
                return
            try:
                answer = number, _ask(process, plan if first else None, tiles)
                first = False
            except Exception as error:
                answer = error
            while not stopping.is_set():
                with contextlib.suppress(queue.Full):
                    done.put(answer, timeout=0.1)
                    break

    threads = [threading.Thread(target=feed, args=(process,), daemon=True) for process in processes]
    try:
        for thread in threads:
            thread.start()
        for _ in work:
            answer = done.get()
            if isinstance(answer, BaseException):
                raise answer
            yield answer
    finally:
        stopping.set()
        for process in processes:
            process.kill()
        for thread in threads:
            thread.join()
        for process in processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


def _start(index: int, workers: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _CODE, _ROOT, str(index), str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # an interrupt goes to the parent, which ends its workers in order
    )


def _ask(process: subprocess.Popen[bytes], plan: Plan | None, tiles: Sequence[Tile]) -> Tables:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if plan is not None:
            pickle.dump(plan, process.stdin)
        pickle.dump(tiles, process.stdin)
        process.stdin.flush()
        answer = pickle.load(process.stdout)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
        code = process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise DSTheoryError(
            f"a worker process ended with {how} before it was done (out of memory?): what was finished is kept; "
            "start again, with fewer workers"
        ) from None
    if isinstance(answer, Exception):
        raise answer
    tables: Tables = answer
    return tables


def serve() -> None:
    """Be a worker process: read the plan, then lists of tiles, and answer each, until standard input closes."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever is printed must not mix with the answers
    _share_processors(int(sys.argv[2]), int(sys.argv[3]))
    with contextlib.suppress(EOFError, BrokenPipeError):
        plan: Plan = pickle.load(requests)
        while True:
            tiles = pickle.load(requests)
            try:
                answer: Tables | Exception = compute(plan, tiles)
            except Exception as error:
                answer = error
            pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()


def _share_processors(index: int, workers: int) -> None:
    """Keep to this worker's part of the processors: the threads of all workers together are then as many as processors."""
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, processors[index::workers] or {processors[index % len(processors)]})

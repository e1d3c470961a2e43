"""Fair timing: contenders take turns, so that a slow spell of the machine hits all of them; memory from the kernel's own peak."""

from __future__ import annotations

import gc
import resource
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Row

__all__ = [
    "Clock",
    "Elsewhere",
    "interleaved",
    "median_ratio",
    "parallel_copy",
    "peak_extra_bytes",
    "relative_difference",
    "rows",
]


class Clock:
    """Which time is measured everywhere: that of the wall, or the processors', which a busy machine stretches less."""

    processor = False

    @classmethod
    def now(cls) -> float:
        """Return the seconds so far; of processors: those of this process and of its children that have ended."""
        if not cls.processor:
            return time.perf_counter()
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime


@dataclass(frozen=True)
class Elsewhere:
    """A contender in another process, which takes its own time: wall-clock and processor seconds of a call."""

    timed: Callable[[], tuple[float, float]]


def _seconds(run: Callable[[], Any] | Elsewhere) -> float:
    if isinstance(run, Elsewhere):
        wall, processor = run.timed()
        return processor if Clock.processor else wall
    start = Clock.now()
    result = run()
    spent = Clock.now() - start
    del result
    return spent


def interleaved(contenders: Mapping[str, Callable[[], Any] | Elsewhere], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of every contender, `repeats` times each in turn, after one untimed call."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        _seconds(run)
    for _ in range(repeats):
        for name, run in contenders.items():
            gc.collect()
            times[name].append(_seconds(run))
    return times


def median_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """Return the median over turns of the ratio of two contenders' times."""
    return median(a / b for a, b in zip(numerator, denominator, strict=True))


def rows(times: Mapping[str, Sequence[float]], ours: str, moved: Mapping[str, int] | None = None) -> list[Row]:
    """Return one row per contender; ratios are medians of the ratios of each turn.

    Args:
        times: seconds by contender.
        ours: the contender that the others are compared with.
        moved: the bytes that a contender has to read and write, for its rate.
    """
    found = []
    for name, seconds in times.items():
        rate = None if moved is None or name not in moved else moved[name] / median(seconds) / 1e9
        found.append(Row(name, median(seconds), min(seconds), times_ours=median_ratio(seconds, times[ours]), gb_per_s=rate))
    return found


def parallel_copy(arrays: Sequence[NDArray[Any]], threads: int) -> Callable[[], None]:
    """Return a function that copies all arrays once with `threads` threads, into destinations that are already in memory."""
    pieces = []
    for array in arrays:
        destination = np.empty_like(array)
        destination[...] = 0  # touch every page now
        flat, flat_destination = array.reshape(-1), destination.reshape(-1)
        bounds = np.linspace(0, flat.size, 8 * threads + 1).astype(int)
        pieces += [(flat_destination[a:b], flat[a:b]) for a, b in pairwise(bounds) if b > a]

    def copy() -> None:
        with ThreadPoolExecutor(threads) as pool:
            for future in [pool.submit(np.copyto, destination, source) for destination, source in pieces]:
                future.result()

    return copy


def peak_extra_bytes(run: Callable[[], Any]) -> int | None:
    """Return by how much the resident memory of this process rose at its highest during `run`; None if it cannot be known.

    What `run` returns is counted; subtract its size. Linux only: the kernel's high-water mark is reset before the run.
    """
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not status.exists():
        return None
    gc.collect()
    try:
        clear.write_text("5")
    except OSError:
        return _sampled_peak(run)
    before = _status_bytes("VmRSS")
    result = run()
    peak = _status_bytes("VmHWM")
    del result
    return max(0, peak - before)


def _status_bytes(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {key}")


def _sampled_peak(run: Callable[[], Any]) -> int:
    """Return the peak of the resident memory, sampled every millisecond, above where it was."""
    before = peak = _status_bytes("VmRSS")
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, _status_bytes("VmRSS"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = run()
        peak = max(peak, _status_bytes("VmRSS"))
        del result
    finally:
        done.set()
        watcher.join()
    return max(0, peak - before)


def relative_difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Return max |ours - theirs| / max |theirs|."""
    return float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))

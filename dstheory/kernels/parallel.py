"""Threads: a range of rows is cut into blocks, and compiled loops that hold no interpreter lock work through them.

Results do not depend on the number of threads: a block writes its own rows only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["available_threads", "blocks", "limit_threads", "run_blocks"]

T = TypeVar("T")

_BLOCKS_PER_THREAD = 8  # so that lopsided blocks even out
_limit = 1 << 30


def limit_threads(most: int) -> None:
    """Use at most this many threads in this process from now on: its share of the processors where several processes work."""
    global _limit
    _limit = most


def available_threads() -> int:
    """Return the number of processors that this process may use, or :func:`limit_threads`, if that is less."""
    if hasattr(os, "sched_getaffinity"):
        return min(_limit, len(os.sched_getaffinity(0)))
    return min(_limit, os.cpu_count() or 1)


def blocks(rows: int, smallest: int, largest: int, threads: int) -> list[tuple[int, int]]:
    """Cut range(rows) into contiguous blocks of `smallest` to `largest` rows each (the last may be shorter)."""
    size = max(min(max(-(-rows // (threads * _BLOCKS_PER_THREAD)), smallest), largest), 1)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def run_blocks(work: Callable[[int, int], T], pieces: list[tuple[int, int]], threads: int) -> list[T]:
    """Call work(start, stop) for every piece and return the results in order; an interrupt drops what has not begun."""
    if threads == 1 or len(pieces) <= 1:
        return [work(start, stop) for start, stop in pieces]
    with ThreadPoolExecutor(max_workers=min(threads, len(pieces))) as pool:
        futures = [pool.submit(work, start, stop) for start, stop in pieces]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

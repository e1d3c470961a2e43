"""Cost of the gradient against the number of (prompt, answer) pairs, 10^4 to 10^7: the slope in log-log is 1 if linear."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measure import interleaved, peak_extra_bytes
from benchmarks.report import Report, Row, Target
from benchmarks.w1_gradient import ours
from benchmarks.w1_peers import make_problem
from dstheory.kernels.parallel import available_threads

__all__ = ["run"]

_PAIRS = (10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278, 10_000_000)
_ANSWERS = 64


def run(repeats: int = 7) -> Report:
    """Time tables of growing size; small ones are called many times over so that each measurement lasts."""
    report = Report("scaling", f"gradient of reward + direct KL, {_ANSWERS} answers per prompt, {available_threads()} threads")
    sizes, seconds, extra = [], [], []
    for pairs in _PAIRS:
        problem = make_problem(round(pairs / _ANSWERS), _ANSWERS)
        call, calls = ours(problem), max(1, 1_000_000 // pairs)

        def several(call: Callable[[], Any] = call, calls: int = calls) -> None:
            for _ in range(calls):
                call()

        times = [second / calls for second in interleaved({"ours": several}, repeats)["ours"]]
        sizes.append(problem.z.size)
        seconds.append(min(times))
        report.rows.append(Row(f"{problem.z.size:,} pairs", median(times), min(times)))
        peak = peak_extra_bytes(ours(problem, fresh=True))
        if peak is not None:
            extra.append(max(0.0, (peak - 2 * problem.z.nbytes) / 1e6))
    slope, _ = np.polyfit(np.log(sizes), np.log(seconds), 1)
    report.targets = [
        Target("slope of log time on log pairs", float(slope), 1.05, at_least=False),
        Target("extra memory at any size", max(extra, default=None), 200.0, at_least=False, unit="MB"),
    ]
    per_pair = [1e9 * second / size for second, size in zip(seconds, sizes, strict=True)]
    report.notes.append(f"Nanoseconds per pair: {min(per_pair):.2f} to {max(per_pair):.2f}.")
    return report

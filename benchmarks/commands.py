"""W8 to W13, W15: whole commands, in processor time (user and system, children included), over a floor measured in the same run.

The floor is a fresh interpreter that imports what the command cannot do without and writes as many bytes as the command wrote.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import median_ratio
from benchmarks.report import Report, Row, Target

__all__ = ["WORKLOADS", "run"]

_FIGURES = "numpy, matplotlib.figure, matplotlib.backends.backend_agg, matplotlib.backends.backend_svg, PIL.Image"


@dataclass(frozen=True)
class Workload:
    """A command, what it cannot do without, and the bound on its time over the floor; ``out``: whether it writes a directory."""

    command: tuple[str, ...]
    needs: str
    bound: float | None
    out: bool = True
    episodes: int = 0


WORKLOADS = {
    "W8": Workload(("simulate", "--length-weight", "0.5"), f"click, rich.console, h5py, {_FIGURES}", 1.5),
    "W9": Workload(("attribute", "--all"), f"click, rich.console, {_FIGURES}", 1.5),
    "W10": Workload(("derive", "grpo"), "click, sympy", 2.0, out=False),
    "W11": Workload(("anatomy",), f"click, rich.console, scipy.special, {_FIGURES}", 2.0, episodes=2_400),
    "W12": Workload(("verify",), "click, rich.console, sympy, z3", None, out=False),
    "W13": Workload(("reproduce", "--all"), f"click, rich.console, sympy, {_FIGURES}", None),
    "W15": Workload(("anatomy",), f"click, rich.console, scipy.special, {_FIGURES}", None, episodes=1_000_000),
}


def _seconds(arguments: Sequence[str]) -> float:
    """Return the processor time of a fresh interpreter and all that it starts, with modules compiled as installed ones are."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, env=environment, **quiet)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _log(folder: Path, episodes: int) -> Path:
    from dstheory.anatomy.export import write_log
    from dstheory.anatomy.generate import simulate_log

    path = folder / "log.jsonl"
    write_log(path, simulate_log(episodes // 4, p=0.4, a=0.9, b=0.7, cap=8, episodes_per_problem=4, concentration=2.0))
    return path


def run(key: str, repeats: int = 7) -> Report:
    """Time one command and its floor in turn."""
    workload = WORKLOADS[key]
    report = Report(key, f"dstheory {' '.join(workload.command)}: processor time of the whole command")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = ["-m", "dstheory.cli.main", *workload.command]
        if workload.episodes:
            command.append(str(_log(folder, workload.episodes)))
            report.title += f", {workload.episodes:,} episodes"
        if workload.out:
            command += ["--out", str(folder / "out"), "--overwrite"]
        _seconds(command)  # compiles, if nothing else has
        written = sum(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file()) if workload.out else 0
        writes = f"open({str(folder / 'bytes')!r}, 'wb').write(bytes({written}))"
        floor = ["-c", f"import {workload.needs}; {writes}"]
        times: dict[str, list[float]] = {"command": [], "floor": []}
        for _ in range(repeats if workload.bound else 1):
            times["command"].append(_seconds(command))
            times["floor"].append(_seconds(floor))
    report.rows = [Row(label, median(spent), min(spent)) for label, spent in times.items()]
    ratio = median_ratio(times["command"], times["floor"])
    if workload.bound is not None:
        report.targets.append(Target(f"{key}: processor time over the floor", ratio, workload.bound, at_least=False, unit="x"))
    report.notes.append(f"The floor imports {workload.needs} and writes {written:,} bytes; the command takes {ratio:.2f} x.")
    return report

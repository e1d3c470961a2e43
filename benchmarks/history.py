"""The history of runs: one JSON file per run in ``benchmarks/results``, and the page of their ratios, written from these."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from benchmarks.report import Report, machine
from dstheory._version import __version__

__all__ = ["record", "write_page"]

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_PACKAGES = ("numpy", "numba", "scipy", "sympy", "z3-solver", "matplotlib", "pyarrow", "jax", "torch")
_HEAD = """# Benchmarks over time

Written by `python -m benchmarks --record` from the files of `benchmarks/results/`, one per run, with versions, processor and all
timings; [speed.md](speed.md) says what the workloads are. Ratios are of contenders of the same run, so that they can be compared
between machines; **bold** is what misses its bound. W8 to W13 are whole commands, in processor time over a floor: a fresh
interpreter that imports what the command cannot do without and writes as many bytes.
"""


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "dstheory": __version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def record(reports: Sequence[Report]) -> Path:
    """Keep a run: its time, the processor, the versions, and all rows and ratios."""
    now = datetime.now(UTC)
    run = {"when": now.strftime("%Y-%m-%d %H:%M"), "machine": machine(), "versions": _versions()}
    path = RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps({**run, "reports": [report.as_dict() for report in reports]}, indent=1) + "\n")
    return path


def write_page() -> None:
    """Write the page of the docs: a row per target, a column per run."""
    runs = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    cells: dict[tuple[str, str, str], dict[int, str]] = {}
    for number, run in enumerate(runs):
        for report in run["reports"]:
            for target in report["targets"]:
                sign = ">=" if target["at_least"] else "<="
                key = report["key"], target["name"], f"{sign} {target['bound']:g} {target['unit']}".strip()
                if target["measured"] is not None:
                    shown = f"{target['measured']:.3g}"
                    cells.setdefault(key, {})[number] = shown if target["met"] else f"**{shown}**"
    lines = [_HEAD, "| run | processor | versions |", "|---|---|---|"]
    for number, run in enumerate(runs, 1):
        versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
        lines.append(f"| {number}: {run['when']} | {run['machine']} | {versions} |")
    numbers = " | ".join(map(str, range(1, len(runs) + 1)))
    lines += ["", f"| | target | asked | {numbers} |", f"|---|---|---|{'---:|' * len(runs)}"]
    for (workload, name, asked), found in cells.items():
        lines.append(f"| {workload} | {name} | {asked} | {' | '.join(found.get(n, '') for n in range(len(runs)))} |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")

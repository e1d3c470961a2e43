"""The history of runs: one JSON file per run in ``benchmarks/results``, and the pages of the docs that are written from these."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.measure import Clock
from benchmarks.report import Report, machine, number
from dstheory._version import __version__

__all__ = ["record", "table", "write_pages"]

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"(?<=<!-- recorded -->\n).*?(?=<!-- end -->)", flags=re.DOTALL)
_PACKAGES = ("numpy", "numba", "scipy", "sympy", "z3-solver", "matplotlib", "pyarrow", "jax", "torch")
_HEAD = """# Benchmarks over time

Written by `python -m benchmarks --record` from the files of `benchmarks/results/`, one per run, with versions, processor and all
timings; [speed](speed.md) says what the workloads are, and holds the newest figures. Ratios are of contenders of one run, so that
they can be compared between machines; **bold** is what misses its bound.
"""


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "dstheory": __version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def record(reports: Sequence[Report], began: datetime, load: float) -> Path:
    """Keep a run: its time, the processor, its load before and after, the versions, and all rows and ratios.

    Args:
        reports: of its workloads, or of those that are done: called again, it writes the same file.
        began: when it began.
        load: of the machine then.
    """
    run = {
        "when": began.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "clock": "processor time" if Clock.processor else "wall clock",
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
        "versions": _versions(),
    }
    path = RESULTS / f"{began:%Y%m%d-%H%M%S}.json"
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({**run, "reports": [report.as_dict() for report in reports]}, indent=1, default=float)  # NumPy's numbers
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _runs() -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]


def _measured(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return what was measured of a workload, how it is shown, and what was asked; how far results differ as one entry."""
    for target in report["targets"]:
        if target["measured"] is not None and not target["name"].startswith("difference from"):
            shown = number(target["measured"], target["unit"])
            asked = f"{'at least' if target['at_least'] else 'at most'} {number(target['bound'], target['unit'])}"
            yield target["name"], shown if target["met"] else f"**{shown}**", asked
    differences = {name: d for name, d in report["agreement"].items() if name not in report.get("precision", {})}
    if differences:
        yield "largest relative difference from a contender", f"{max(differences.values()):.0e}", "at most 1e-09"


def table() -> str:
    """Return a table of all targets, each workload from the newest run that has it."""
    runs = _runs()
    owner = {report["key"]: i for i, run in enumerate(runs) for report in run["reports"]}
    lines = []
    for i in sorted(set(owner.values())):
        run, keys = runs[i], ", ".join(key for key, run_of in owner.items() if run_of == i)
        load = " to ".join(f"{load:g}" for load in run["load"])
        lines.append(f"* {keys}: run of {run['when']} UTC, {run['machine']}, {run['clock']}, load {load}.")
    lines += ["", "Medians; **bold** misses what was asked.", "", "| | measured | | asked |", "|---|---|---:|---:|"]
    for key, i in owner.items():
        report = next(report for report in runs[i]["reports"] if report["key"] == key)
        first = f"**{key}** {report['title']}"
        for name, shown, asked in _measured(report):
            lines.append(f"| {first} | {name} | {shown} | {asked} |")
            first = ""
    return "\n".join(lines) + "\n"


def _versions_over(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the versions of the newest run, and which other ones earlier runs had."""
    newest = runs[-1]["versions"]
    others: dict[str, list[int]] = {}
    for i, run in enumerate(runs[:-1], 1):
        for name in {**newest, **run["versions"]}:
            if (version := run["versions"].get(name, "none")) != newest.get(name, "none"):
                others.setdefault(f"{name} {version}", []).append(i)
    known = ", ".join(f"{name} {version}" for name, version in newest.items())
    but = "".join(f"; {what} in run{'s' * (len(those) > 1)} {', '.join(map(str, those))}" for what, those in others.items())
    return f"Versions: {known}{but}."


def write_pages() -> None:
    """Write the page of all runs, a row per target and a column per run, and the newest figures into the page on speed."""
    runs = _runs()
    cells: dict[tuple[str, str, str], dict[int, str]] = {}
    for i, run in enumerate(runs):
        for report in run["reports"]:
            for name, shown, asked in _measured(report):
                cells.setdefault((report["key"], name, asked), {})[i] = shown
    lines = [_HEAD, _versions_over(runs), "", "| run | processor | time | load |", "|---|---|---|---|"]
    for i, run in enumerate(runs, 1):
        load = " to ".join(f"{load:g}" for load in run["load"])
        lines.append(f"| {i}: {run['when']} | {run['machine']} | {run['clock']} | {load} |")
    columns = " | ".join(map(str, range(1, len(runs) + 1)))
    lines += ["", f"| | measured | asked | {columns} |", f"|---|---|---:|{'---:|' * len(runs)}"]
    for (workload, name, asked), found in cells.items():
        lines.append(f"| {workload} | {name} | {asked} | {' | '.join(found.get(i, '') for i in range(len(runs)))} |")
    (DOCS / "benchmarks.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    page = DOCS / "speed.md"
    page.write_text(BLOCK.sub(lambda _: table(), page.read_text(encoding="utf-8")), encoding="utf-8")

"""What a workload reports: timed rows, ratios against targets, agreement, notes; as text, markdown or JSON."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["AGREES", "Report", "Row", "Target", "machine", "number", "to_markdown"]

AGREES = 1e-9  # relative difference


@dataclass(frozen=True)
class Row:
    """One contender: its median and fastest time, or its throughput, in words."""

    name: str
    median: float
    fastest: float
    unit: str = "s"
    times_ours: float | None = None
    gb_per_s: float | None = None


@dataclass(frozen=True)
class Target:
    """A measured number and the bound that was asked for; `at_least` says on which side of the bound it should be."""

    name: str
    measured: float | None
    bound: float
    at_least: bool
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bound holds; None if it was not measured."""
        if self.measured is None:
            return None
        return bool(self.measured >= self.bound if self.at_least else self.measured <= self.bound)


@dataclass
class Report:
    """The outcome of one workload."""

    key: str
    title: str
    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    agreement: dict[str, float] = field(default_factory=dict)  # largest relative difference from each peer
    precision: dict[str, float] = field(default_factory=dict)  # what is asked of a peer where that is not 1e-9
    notes: list[str] = field(default_factory=list)

    def disagreements(self) -> list[str]:
        """Return the peers that differ by more than is asked."""
        return [name for name, value in self.agreement.items() if not value <= self.precision.get(name, AGREES)]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        data = asdict(self)
        for target, plain in zip(self.targets, data["targets"], strict=True):
            plain["met"] = target.met
        return data


def machine() -> str:
    """Return the CPU model and the number of cores in use, and nothing else about the machine."""
    model = "unknown CPU"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores"


def number(value: float, unit: str) -> str:
    """Return a number of three digits with its unit."""
    if unit == "s" and value < 1.0:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} {unit}".rstrip()


def to_markdown(reports: list[Report]) -> str:
    """Return the tables of all workloads, for a README."""
    lines = [f"Measured on {machine()}."]
    for report in reports:
        lines += ["", f"**{report.key}** {report.title}", ""]
        if report.rows:
            rates = any(row.gb_per_s is not None for row in report.rows)
            lines += ["| | median | fastest | x ours |" + " GB/s |" * rates, "|---|---:|---:|---:|" + "---:|" * rates]
            for row in report.rows:
                ratio = "" if row.times_ours is None else f"{row.times_ours:.2f}"
                rate = "" if row.gb_per_s is None else f"{row.gb_per_s:.3g}"
                line = f"| {row.name} | {number(row.median, row.unit)} | {number(row.fastest, row.unit)} | {ratio} |"
                lines.append(line + f" {rate} |" * rates)
        if report.targets:
            lines += ["", "| target | asked | measured | met |", "|---|---:|---:|---|"]
            for target in report.targets:
                sign = ">=" if target.at_least else "<="
                measured = "not measured" if target.measured is None else number(target.measured, target.unit)
                met = {True: "yes", False: "**no**", None: "-"}[target.met]
                lines.append(f"| {target.name} | {sign} {number(target.bound, target.unit)} | {measured} | {met} |")
        if report.agreement:
            worst = "; ".join(f"{name} {difference:.1e}" for name, difference in report.agreement.items())
            lines += ["", f"Largest relative difference: {worst}."]
        lines += ["", *report.notes] if report.notes else []
    return "\n".join(lines)

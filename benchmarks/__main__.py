"""Run the benchmarks: ``python -m benchmarks [--only W1] [--json] [--repeats 7] [--record]``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from datetime import UTC, datetime

from benchmarks import commands
from benchmarks.history import record, write_pages
from benchmarks.measure import Clock
from benchmarks.report import machine, to_markdown

WORKLOADS = {
    "W1": "benchmarks.w1_gradient",
    "W2": "benchmarks.w2_training",
    "W3": "benchmarks.w3_sampling",
    "W4": "benchmarks.w4_startup",
    "W5": "benchmarks.w5_tokens",
    "W6": "benchmarks.w6_optimum",
    "W7": "benchmarks.w7_sweep",
    "W14": "benchmarks.w14_objectives",
    "scaling": "benchmarks.scaling",
    **dict.fromkeys(commands.WORKLOADS, ""),
}


def main() -> None:
    """Run the chosen workloads and print their tables; exit 1 if a contender disagrees with this package."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(WORKLOADS), help="run this workload (may be repeated)")
    parser.add_argument("--repeats", type=int, default=7, help="timed runs of each contender (default 7)")
    parser.add_argument("--record", action="store_true", help="keep the run in benchmarks/results and renew docs/benchmarks.md")
    parser.add_argument("--json", action="store_true", help="print JSON instead of markdown tables")
    parser.add_argument(
        "--processor-time", action="store_true", help="compare processor time instead of the wall's: a busy machine"
    )
    arguments = parser.parse_args()
    Clock.processor = arguments.processor_time
    reports, began, load = [], datetime.now(UTC), os.getloadavg()[0]
    for key in arguments.only or WORKLOADS:
        print(f"running {key} ...", file=sys.stderr, flush=True)
        if key in commands.WORKLOADS:
            reports.append(commands.run(key, repeats=arguments.repeats))
        else:
            reports.append(importlib.import_module(WORKLOADS[key]).run(repeats=arguments.repeats))
        if arguments.record:  # after every workload: what is measured is kept
            record(reports, began, load)
            write_pages()
    if arguments.json:
        print(json.dumps({"machine": machine(), "reports": [report.as_dict() for report in reports]}, indent=2))
    else:
        print(to_markdown(reports))
    disagreements = [f"{report.key} {name}" for report in reports for name in report.disagreements()]
    if disagreements:
        sys.exit(f"results differ by more than is asked: {', '.join(disagreements)}")


if __name__ == "__main__":
    main()

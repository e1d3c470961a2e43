"""W4: start-up. Wall-clock of fresh interpreters, beyond what the interpreter itself takes."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from benchmarks.measure import Clock
from benchmarks.report import Report, Row, Target

__all__ = ["run"]

_HEAVY = ("numba", "numpy", "scipy", "sympy", "matplotlib", "xarray", "z3", "hypothesis", "pyarrow")


def _seconds(arguments: list[str]) -> float:
    start = Clock.now()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return Clock.now() - start


def run(repeats: int = 7) -> Report:
    """Time bare python, `import dstheory` and `dstheory --help` in turn; name heavy modules that an import drags in."""
    report = Report("W4", "start-up")
    commands = {
        "python -c pass": ["-c", "pass"],
        "import dstheory": ["-c", "import dstheory"],
        "dstheory --help": ["-m", "dstheory.cli.main", "--help"],
        "import dstheory.kernels": ["-c", "import dstheory.kernels"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for arguments in commands.values():
        _seconds(arguments)
    for _ in range(max(repeats, 15)):
        for name, arguments in commands.items():
            times[name].append(_seconds(arguments))
    report.rows = [Row(name, median(seconds), min(seconds)) for name, seconds in times.items()]
    beyond = median(a - b for a, b in zip(times["import dstheory"], times["python -c pass"], strict=True))
    probe = "import sys, dstheory, dstheory.kernels, dstheory.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout.split()
    heavy = [name for name in _HEAVY if name in loaded]
    report.targets = [
        Target("dstheory --help", median(times["dstheory --help"]), 0.25, at_least=False, unit="s"),
        Target("import dstheory, beyond the interpreter", beyond, 0.15, at_least=False, unit="s"),
        Target("heavy modules loaded by the imports", float(len(heavy)), 0.0, at_least=False),
    ]
    if heavy:
        report.notes.append(f"Loaded by the imports: {', '.join(heavy)}.")
    return report

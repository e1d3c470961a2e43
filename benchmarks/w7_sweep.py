"""W7: a sweep of 1,000,000 optimum settings of the minimal chain, as a command, from its start to its written result."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import xarray as xr

from benchmarks.measure import Clock
from benchmarks.report import Report, Row, Target
from dstheory import Policy, TwoStageMDP, solve, split_gain
from dstheory.dynamics.soft_optimum import optimum

__all__ = ["run"]

SIDE, ONE_BY_ONE = 1000, 200
GRIDS = ("--grid", f"length_weight=0:1:{SIDE}", "--grid", f"beta=log:1e-3:1:{SIDE}")
TRAINING = ("--of", "simulate", "--objective", "reinforce + kl-direct", "--steps", "10000",
            "--grid", "length_weight=0:1:32", "--grid", "beta=log:1e-3:1:32")  # fmt: skip


def _seconds(folder: Path, name: str, *arguments: str) -> float:
    start = Clock.now()
    command = [sys.executable, "-m", "dstheory.cli.main", "sweep", *arguments, "--json", "--out", str(folder / name)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Clock.now() - start


def _one_by_one(places: list[tuple[float, float]]) -> list[float]:
    """Return the decision share at single settings, as one computes it without a sweep."""
    mdp, reference = TwoStageMDP.minimal(gamma=0.95, sample_length=64), Policy.minimal(p=0.55, a=0.8, b=0.3)
    shares = []
    for length_weight, beta in places:
        best = optimum(mdp, reference, beta=beta, length_weight=length_weight)
        after = solve(mdp, best.policy)
        assert 0.0 < float(after.mean_accuracy) <= 1.0
        shares.append(float(split_gain(mdp, reference, best.policy).decision_share))
    return shares


def run(repeats: int = 7) -> Report:
    """Time the command in fresh processes, and the same settings one after the other."""
    report = Report("W7", f"a sweep of {SIDE * SIDE:,} optimum settings of M0, start of Python and writing included")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _seconds(folder, "first", *TRAINING)  # compiles, if nothing else has
        rows: dict[str, list[float]] = {"sweep": [], "sweep --workers 2": [], "training 1,024 settings, 10,000 steps": []}
        for i in range(max(1, min(repeats, 3))):
            rows["sweep"].append(_seconds(folder, f"one-{i}", *GRIDS))
            rows["sweep --workers 2"].append(_seconds(folder, f"two-{i}", *GRIDS, "--workers", "2"))
            rows["training 1,024 settings, 10,000 steps"].append(_seconds(folder, f"train-{i}", *TRAINING))
        with xr.open_dataset(folder / "one-0/history.nc") as data, xr.open_dataset(folder / "two-0/history.nc") as other:
            same = all(np.array_equal(data[v].values, other[v].values) for v in data.data_vars)
            chosen = np.random.default_rng(0).integers(0, SIDE, size=(ONE_BY_ONE, 2))
            places = [(float(data.length_weight[i]), float(data.beta[j])) for i, j in chosen]
            ours = [float(data.decision_share[i, j]) for i, j in chosen]
        size = json.loads((folder / "one-0/run.json").read_text())["settings"]
    assert size == SIDE * SIDE
    start = Clock.now()
    theirs = _one_by_one(places)
    single = (Clock.now() - start) / ONE_BY_ONE * size
    own = median(rows["sweep"])
    report.rows = [Row(label, median(t), min(t)) for label, t in rows.items()]
    label = f"one setting after the other ({ONE_BY_ONE} timed, scaled up)"
    report.rows.append(Row(label, single, single, times_ours=single / own))
    report.targets = [Target("sweep of 1e6 optimum settings", own, 4.0, at_least=False, unit="s")]
    report.agreement = {"one setting after the other": float(np.max(np.abs(np.array(ours) / np.array(theirs) - 1.0)))}
    report.notes.append(f"Two processes {'give the same bits' if same else 'DIFFER'}.")
    return report

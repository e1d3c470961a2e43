"""The small version of an experiment, run once as `dstheory reproduce` does, and checked for what each of them must write."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from figure_words import word_faults

from dstheory.experiments import Findings, find_experiments, run_experiment


def quick(name: str, parts: list[float] | None = None, *, width: str = "text") -> Findings:
    """Return what the experiment found, drawn for this width; ``parts`` receives what it said of its progress."""
    parts = [] if parts is None else parts
    (experiment,) = find_experiments((name,))
    seen: list[Findings] = []

    def keep(*found: Any) -> Findings:
        seen.append(Findings(*found))
        return seen[-1]

    with tempfile.TemporaryDirectory() as folder, patch("dstheory.experiments.running.Findings", keep):
        result = run_experiment(experiment, Path(folder, name), quick=True, width=width, progress=parts.append)
        assert result.status == "done", result.reason
        assert parts[-1] == 1.0
        check_written(Path(folder, name))
    for stem, figure in seen[0].figures.items():
        faults = word_faults(figure)
        assert not faults, f"{stem} in a {width}: {'; '.join(faults)}"
    return seen[0]


def check_written(folder: Path) -> None:
    """Figures, data, tables, caption and manifest of an experiment are there."""
    assert {".nc", ".json", ".png", ".svg", ".txt"} <= {p.suffix for p in folder.iterdir()}
    caption = (folder / "caption.txt").read_text().strip()
    assert len(caption) > 100
    assert json.loads((folder / "run.json").read_text())["caption"] == caption

"""The small version of an experiment, run once as `dstheory reproduce` does, and checked for what each of them must write."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Set
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from figure_words import word_faults
from matplotlib.figure import Figure

from dstheory.experiments import Findings, find_experiments, load, run_experiment
from dstheory.plots.style import COLUMN, drawn_for


def quick(name: str, parts: list[float] | None = None, *, width: str = "text") -> Findings:
    """Return what the experiment found, drawn for this width; ``parts`` receives what it said of its progress.

    Its figures must be right in a column too: they are drawn again for one, without computing again what they show. They are
    written as SVG alone: the dots of a PNG take as long again, and no test of an experiment looks at them.
    """
    parts = [] if parts is None else parts
    (experiment,) = find_experiments((name,))
    seen: list[Findings] = []
    again: dict[int, Callable[[], Any]] = {}  # by the identity of a figure, all of which stay

    def keep(*found: Any, **named: Any) -> Findings:
        seen.append(Findings(*found, **named))
        return seen[-1]

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(patch("dstheory.experiments.Findings", keep))
        stack.enter_context(patch("dstheory.experiments.load", partial(_load_recording, again, stack)))
        result = run_experiment(experiment, Path(folder, name), quick=True, width=width, formats=("svg",), progress=parts.append)
        assert result.status == "done", result.reason
        assert parts[-1] == 1.0
        check_written(Path(folder, name), {".svg"})
    for stem, figure in seen[0].figures.items():
        _check_words(figure, stem, width)
        if width != "column":
            with drawn_for("column", ()):
                narrow = again[id(figure)]()
            assert narrow.get_figwidth() == COLUMN
            _check_words(narrow, stem, "column")
    return seen[0]


def _load_recording(again: dict[int, Callable[[], Any]], stack: ExitStack, path: Path) -> ModuleType:
    """Load an experiment whose functions named ``..._figure`` leave behind how what they return is drawn again."""

    def recorded(draw: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
        drawn = draw(*arguments, **settings)
        again[id(drawn)] = partial(draw, *arguments, **settings)
        return drawn

    module = load(path)
    # All that experiments share, which some of them load only while they run.
    shared = [import_module(f"{module.__package__}.{other.stem}") for other in sorted(path.parent.glob("_*.py"))]
    for part in (module, *shared):
        for name, draw in [*vars(part).items()]:
            if name.endswith("_figure"):
                stack.enter_context(patch.object(part, name, partial(recorded, draw)))
    return module


def _check_words(figure: Figure, stem: str, width: str) -> None:
    faults = word_faults(figure)
    assert not faults, f"{stem} in a {width}: {'; '.join(faults)}"


def check_written(folder: Path, pictures: Set[str] = frozenset({".png", ".svg"})) -> None:
    """Figures, data, tables, caption and manifest of an experiment are there."""
    assert {".nc", ".json", ".txt"} | pictures <= {p.suffix for p in folder.iterdir()}
    caption = (folder / "caption.txt").read_text().strip()
    assert len(caption) > 100
    assert json.loads((folder / "run.json").read_text())["caption"] == caption

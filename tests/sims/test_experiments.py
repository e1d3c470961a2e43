"""What holds for every experiment: it is complete, the claims it names exist, and it is tested."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path

import pytest
from quick_experiments import quick

from dstheory.errors import SkippedExperiment
from dstheory.experiments import experiment_names, load, read_experiment
from dstheory.plots.style import COLUMN

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = experiment_names()
# Read from the proof files' text: importing them costs seconds.
CLAIMS = {name for path in (ROOT / "proofs").glob("*.py") for name in re.findall(r'\bid="([^"]+)"', path.read_text("utf-8"))}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_is_complete(name: str) -> None:
    experiment = EXPERIMENTS[name]
    assert experiment.fault == ""
    assert set(experiment.claims) <= CLAIMS
    assert len(experiment.text.splitlines()) > 2, "the docstring says what is shown, and not why"
    run = load(experiment.path).run
    parameters = inspect.signature(run).parameters
    assert {"quick", "progress"} <= set(parameters) <= {"quick", "progress", "data"}
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())
    assert ("data" in parameters) == bool(experiment.needs)


@pytest.mark.parametrize("name", [name for name, experiment in EXPERIMENTS.items() if experiment.needs])
def test_those_that_need_data_say_which(name: str) -> None:
    with pytest.raises(SkippedExperiment, match="--data"):
        load(EXPERIMENTS[name].path).run(quick=True, progress=None, data=None)


@pytest.mark.parametrize("name", [name for name, experiment in EXPERIMENTS.items() if not experiment.needs])
def test_each_has_its_own_tests(name: str) -> None:
    """By name or by the name of its file, somewhere in the tests."""
    stem = EXPERIMENTS[name].path.stem
    others = (path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    assert any(re.search(rf"\b({name}|{stem})\b", path.read_text("utf-8")) for path in others)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "sabotage-region" else pytest.mark.slow)
        for name, experiment in EXPERIMENTS.items()
        if not experiment.needs
    ],
)
def test_each_has_figures_for_a_column(name: str) -> None:
    """No wider, and with words that neither its edge nor other words cut, in a whole run of its own.

    That the figures themselves are right in a column is tested of every experiment wherever it is run: see ``quick``.
    """
    assert {figure.get_figwidth() for figure in quick(name, width="column").figures.values()} == {COLUMN}


@pytest.mark.parametrize("path", sorted(EXPERIMENTS["arithmetic"].path.parent.glob("*.py")), ids=lambda path: path.stem)
def test_examples_in_docstrings(path: Path) -> None:
    found = doctest.testmod(load(path), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0


def test_names_are_those_of_the_files() -> None:
    assert {name: e.path.stem.replace("_", "-") for name, e in EXPERIMENTS.items()} == {name: name for name in EXPERIMENTS}


def test_reading_runs_nothing(tmp_path) -> None:
    path = tmp_path / "bomb.py"
    path.write_text('"""Shows nothing."""\nNAME, CLAIMS = "bomb", ("A1",)\nraise SystemExit(3)\n')
    assert read_experiment(path).fault.startswith("bomb.py lacks NAME")
    path.write_text('"""Shows nothing."""\nNAME = "bomb"\nCLAIMS = ("A1",)\ndef run(): pass\nraise SystemExit(3)\n')
    experiment = read_experiment(path)
    assert (experiment.name, experiment.claims, experiment.shows, experiment.fault) == ("bomb", ("A1",), "Shows nothing.", "")

"""Experiments: what the files of ``sims/`` are, how one is found, run and written down, several of them side by side.

An experiment is a Python file with a docstring (what it shows and why), ``NAME``, ``CLAIMS`` and ``run``; ``sims/README.md`` says
what each must hold. Nothing here knows any particular one.
"""

from dstheory.experiments.catalogue import (
    Experiment,
    Findings,
    Table,
    csv_text,
    experiment_names,
    find_experiments,
    markdown_text,
    read_experiment,
)
from dstheory.experiments.running import ExperimentResult, run_experiment, run_experiments

__all__ = [
    "Experiment", "ExperimentResult", "Findings", "Table", "csv_text", "experiment_names", "find_experiments", "markdown_text",
    "read_experiment", "run_experiment", "run_experiments",
]  # fmt: skip

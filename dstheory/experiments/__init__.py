"""Experiments: what the files of ``sims/`` are, how one is found, run and written down, several of them side by side.

An experiment is a Python file with a docstring (what it shows and why), ``NAME``, ``CLAIMS`` and ``run``; ``sims/README.md`` says
what each must hold. Nothing here knows any particular one.
"""

from dstheory.experiments.catalogue import Experiment, experiment_names, find_experiments, read_experiment
from dstheory.experiments.findings import Findings
from dstheory.experiments.running import Outcome, run_experiment
from dstheory.experiments.side_by_side import run_experiments
from dstheory.experiments.tables import Table, csv_text, markdown_text

__all__ = [
    "Experiment",
    "Findings",
    "Outcome",
    "Table",
    "csv_text",
    "experiment_names",
    "find_experiments",
    "markdown_text",
    "read_experiment",
    "run_experiment",
    "run_experiments",
]

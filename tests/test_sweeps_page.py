"""docs/sweeps.md says what is true: its table of parameters, its numbers, its code, its examples."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from dstheory.dynamics.parameters import PARAMETERS
from dstheory.dynamics.sweeps.plan import VARIABLES, parse_axis
from dstheory.dynamics.sweeps.run import plan_sweep

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_table_of_parameters_is_the_package_s() -> None:
    rows = dict(re.findall(r"^\| ([a-z].*?) \| (.*) \|$", section("Parameters"), re.MULTILINE))
    of = {"optimum and training": ("optimum", "simulate"), "training": ("simulate",)}
    for whose, both in of.items():
        for how, batched in (("batched", True), ("looped", False)):
            listed = re.findall(r"`(\w+)`", rows[f"{whose}, {how}"])
            assert listed == [n for n, p in PARAMETERS.items() if p.of == both and p.batched is batched]


def test_the_table_of_variables_is_the_package_s() -> None:
    listed = set(re.findall(r"`(\w+)`", section("The result").split("|---|---|")[1].split("\n\n")[0]))
    logged = plan_sweep({"beta": [0.1]}, of="simulate", fixed={}, log_every=10).variables
    assert listed == {*VARIABLES["optimum"], *VARIABLES["simulate"], *logged, "status"}


def test_the_forms_of_grids_are_understood() -> None:
    assert len(parse_axis("length_weight", "0:1:21", "optimum").values) == 21
    fine, coarse = (parse_axis("beta", f"log:1e-3:1:{count}", "optimum").values for count in (13, 4))
    assert fine[::4] == coarse == (0.001, 0.01, 0.1, 1.0)


def test_the_output_shown_is_what_the_command_prints(tmp_path: Path) -> None:
    command, shown = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)[:2]
    run = [sys.executable, "-c", "from dstheory.cli.main import main; main()", *command.split()[1:]]
    wide = {**os.environ, "COLUMNS": "140"}
    ran = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True, env=wide)
    printed, expected = ([line.rstrip() for line in text.splitlines() if line.strip()] for text in (ran.stdout, shown))
    assert printed[: len(expected)] == expected


def test_its_code_runs() -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "sweeps.md", "exec"), {})


def test_the_example_answers_its_question_and_has_the_form_of_an_experiment() -> None:
    spec = importlib.util.spec_from_file_location("my_sweep", ROOT / "examples" / "my_sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    seen = []
    data, figures, tables = module.run(quick=True, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (18, 18)
    assert figures == {}
    for row in tables["lengths"]:
        share = data.decision_share.sel(beta=row["beta"])
        assert float(share.sel(answer_length=row["length"])) >= 0.9
        assert (share.where(data.answer_length < row["length"], drop=True) < 0.9).all()
    assert np.isfinite(data.decision_share).all()

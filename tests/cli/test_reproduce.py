"""`dstheory reproduce`: the experiments run, from a checkout or an installed wheel, and show what they say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import xarray as xr
from quick_experiments import check_written

from dstheory.experiments import experiment_names


def experiment(path: Path, body: str, *, name: str | None = None, extra: str = "") -> Path:
    """Write an experiment whose ``run`` has this body."""
    path.write_text(
        f'"""Shows {path.stem}.\n\nBecause."""\nNAME = "{name or path.stem}"\nCLAIMS = ("A1",)\n{extra}\n'
        + "def run(*, quick, progress, data=None):\n"
        + textwrap.indent(textwrap.dedent(body), "    ")
    )
    return path


TINY = """
    import xarray as xr
    from matplotlib.figure import Figure
    progress is None or progress(1, 2)
    rows = [{"effect": "none", "b": 0.125, "steps": 3}, {"effect": "a | b", "b": None, "steps": 10}]
    return xr.Dataset({"b": ("x", [1.0])}, attrs={"seed": 7}), {"fig": Figure()}, {"costs": rows, "note": "words"}, "b is 1."
"""


def test_every_experiment_is_listed_with_its_claims(dstheory) -> None:
    listed = dstheory("reproduce", "--list", "--json").result["experiments"]
    assert any(e["name"] == "source-figure" for e in listed)
    for one in listed:
        assert one["claims"]
        assert one["shows"]
    shown = dstheory("reproduce", "--list").out
    assert all(one["name"] in shown for one in listed)


def test_all_are_run_or_say_what_they_need(dstheory, monkeypatch, tmp_path) -> None:
    """Two that run, and all that need data; tests/sims runs each of the others and checks the same."""
    known = experiment_names()
    few = {name: one for name, one in known.items() if one.needs or name in ("reflection-gain", "sabotage-region")}
    monkeypatch.setattr("dstheory.experiments.experiment_names", lambda: few)
    ran = dstheory("reproduce", "--all", "--quick", "--jobs", 1, "--out", "out")
    assert ran.code == 0, ran.err
    for name, one in few.items():
        folder = tmp_path / "out" / name
        if one.needs:
            assert f"{name}: skipped: " in ran.out
            assert not folder.exists()
        else:
            check_written(folder)
    tests = "".join(path.read_text() for path in (Path(__file__).parents[1] / "sims").glob("test_*.py"))
    for name, one in known.items():
        assert one.needs or f'quick("{name}"' in tests or (name == "energy-against-length" and "quick(SIM.NAME" in tests), name


def test_what_an_experiment_returns_is_what_is_written_and_printed(dstheory, tmp_path) -> None:
    ran = dstheory("reproduce", experiment(tmp_path / "tiny.py", TINY), "--out", "out")
    assert ran.code == 0, ran.err
    folder = tmp_path / "out" / "tiny"
    names = ["caption.txt", "costs.csv", "costs.md", "fig.png", "fig.svg", "history.nc", "note.txt", "run.json"]
    assert sorted(p.name for p in folder.iterdir()) == names
    assert (folder / "costs.csv").read_text() == "effect,b,steps\nnone,0.125,3\na | b,,10\n"
    expected = "| effect | b | steps |\n| --- | ---: | ---: |\n| none | 0.125 | 3 |\n| a \\| b | - | 10 |\n"
    assert (folder / "costs.md").read_text() == expected
    assert (folder / "note.txt").read_text() == "words\n"
    assert (folder / "caption.txt").read_text() == "b is 1.\n"
    again = dstheory("reproduce", tmp_path / "tiny.py", "--out", "pdf", "--figure-format", "pdf")
    assert again.code == 0, again.err
    assert [path.name for path in (tmp_path / "pdf" / "tiny").glob("fig.*")] == ["fig.pdf"]
    manifest = json.loads((folder / "run.json").read_text())
    assert (manifest["seed"], manifest["caption"], manifest["files"]) == (7, "b is 1.", names)
    assert manifest["parameters"] == {"experiment": "tiny", "quick": False, "claims": ["A1"], "data": None}
    assert "    b is 1." in ran.out
    assert "a | b" in ran.out
    with xr.open_dataset(folder / "history.nc") as data:
        assert data.b.values.tolist() == [1.0]


FIGURE = """
    import xarray as xr
    from dstheory.plots.style import row_figure
    return xr.Dataset(), {"fig": row_figure(1, 2.0)[0]}
"""


@pytest.mark.parametrize(("width", "points"), [("text", 7.2 * 72), ("column", 3.4 * 72)])
def test_figures_are_drawn_for_the_width_asked(dstheory, drawn, tmp_path, width: str, points: float) -> None:
    files = [experiment(tmp_path / f"{name}.py", FIGURE) for name in ("one", "other")]
    ran = dstheory("reproduce", *files, "--jobs", 1, "--width", width, "--figure-format", "svg", "--out", "out")
    assert ran.code == 0, ran.err
    for name in ("one", "other"):
        assert f'width="{points:g}pt"' in (tmp_path / "out" / name / "fig.svg").read_text()


def test_nothing_is_overwritten_unasked(dstheory, tmp_path) -> None:
    path = experiment(tmp_path / "tiny.py", TINY)
    assert dstheory("reproduce", path, "--out", "out").code == 0
    before = (tmp_path / "out/tiny/run.json").read_bytes()
    again = dstheory("reproduce", path, "--out", "out")
    assert again.code == 1
    assert "tiny: failed: out/tiny holds results already: nothing was written; give another directory, or replace it" in again.err
    assert (tmp_path / "out/tiny/run.json").read_bytes() == before
    assert dstheory("reproduce", path, "--out", "out", "--overwrite").code == 0


def test_what_fails_is_reported_and_the_others_run(dstheory, tmp_path) -> None:
    files = [
        experiment(tmp_path / "crash.py", "a = 1\nreturn a / 0"),
        experiment(tmp_path / "leaves.py", "raise SystemExit(7)"),
        experiment(tmp_path / "refuses.py", "from dstheory import Policy\nPolicy.minimal(p=2.0, a=0.5, b=0.5)"),
        experiment(tmp_path / "rows.py", TINY.replace('"steps": 10', '"turns": 10')),
        tmp_path / "broken.py",
        tmp_path / "empty.py",
        experiment(tmp_path / "tiny.py", TINY),
    ]
    files[4].write_text("def run(:\n")
    files[5].write_text("x = 1\n")
    ran = dstheory("reproduce", *files, "--jobs", 1, "--out", "out")
    assert ran.code == 1
    for line in (
        "crash: failed: ZeroDivisionError: division by zero (crash.py, line 9)",
        "leaves: failed: SystemExit: 7 (leaves.py, line 8)",
        "refuses: failed: p is 2.0: must lie strictly between 0 and 1; use Policy.from_probabilities for a certain choice",
        "rows: failed: ValueError: row 1 of a table has the columns ['effect', 'b', 'turns']: "
        "must be those of row 0, ['effect', 'b', 'steps']",
        "broken: failed: is not Python: invalid syntax (broken.py, line 1)",
        'empty: failed: empty.py lacks a docstring that says what it shows, NAME = "...", CLAIMS = ("...", ) with ids of claims, '
        "a function run(*, quick, progress)",
        "error: 6 of 7 experiments gave no result: crash, leaves, refuses, rows, broken, empty",
    ):
        assert line in ran.err.splitlines()
    assert ran.out.splitlines()[-1] == "1 done, 6 failed"
    assert [p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".partial-")] == ["tiny"]


def test_a_process_that_dies_is_reported_and_the_others_run(dstheory, tmp_path) -> None:
    """What fails in a process of its own comes back as it does here, unless the process itself ends; what is asked goes there."""
    files = [
        experiment(tmp_path / "crash.py", "a = 1\nreturn a / 0"),
        experiment(tmp_path / "leaves.py", "import os\nos._exit(7)"),
        experiment(tmp_path / "drawn.py", FIGURE),
    ]
    ran = dstheory("reproduce", *files, "--jobs", 2, "--width", "column", "--figure-format", "svg", "--out", "out")
    assert ran.code == 1
    for line in (
        "crash: failed: ZeroDivisionError: division by zero (crash.py, line 9)",
        "leaves: failed: its process ended with code 7",
        "error: 2 of 3 experiments gave no result: crash, leaves",
    ):
        assert line in ran.err.splitlines()
    assert ran.out.splitlines()[-1] == "1 done, 2 failed"
    # A process that is torn down cannot tidy up: what it had begun keeps its hidden name.
    assert [p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".partial-")] == ["drawn"]
    assert f'width="{3.4 * 72:g}pt"' in (tmp_path / "out" / "drawn" / "fig.svg").read_text()


def test_what_needs_data_says_so(dstheory, tmp_path) -> None:
    body = """
        from dstheory.errors import SkippedExperiment
        if data is None:
            raise SkippedExperiment("needs rollouts: give their folder with --data DIR")
        import xarray as xr
        return xr.Dataset(attrs={"files": sorted(p.name for p in data.iterdir())}), {}
    """
    path = experiment(tmp_path / "reads.py", body, extra='NEEDS = "a folder with rollouts"')
    ran = dstheory("reproduce", path, "--out", "out")
    assert ran.code == 1
    assert ran.out == "reads: skipped: needs rollouts: give their folder with --data DIR\n"
    assert not (tmp_path / "out").exists()
    (tmp_path / "rollouts").mkdir()
    (tmp_path / "rollouts" / "model.jsonl").touch()
    assert dstheory("reproduce", path, "--out", "out", "--data", "rollouts").code == 0
    assert json.loads((tmp_path / "out/reads/run.json").read_text())["parameters"]["data"] == "rollouts"


def test_an_experiment_may_have_parts(dstheory, tmp_path) -> None:
    (tmp_path / "_part.py").write_text("WORD = 'from its part'\n")
    body = "from . import _part\nimport xarray as xr\nreturn xr.Dataset(), {}, {}, _part.WORD"
    ran = dstheory("reproduce", experiment(tmp_path / "whole.py", body), "--out", "out")
    assert ran.code == 0, ran.err
    assert "    from its part\n" in ran.out


def test_json_is_all_there_is_on_standard_output(dstheory, tmp_path) -> None:
    path = experiment(tmp_path / "tiny.py", TINY)
    other = experiment(tmp_path / "crash.py", "return 1 / 0")
    ran = dstheory("reproduce", path, other, "--jobs", 1, "--out", "out", "--json")
    assert ran.code == 1
    tiny, crash = ran.result["experiments"]
    assert (tiny["status"], tiny["out"], tiny["caption"]) == ("done", "out/tiny", "b is 1.")
    assert tiny["tables"]["costs"][1] == {"effect": "a | b", "b": None, "steps": 10}
    assert (crash["status"], crash["reason"]) == ("failed", "ZeroDivisionError: division by zero (crash.py, line 8)")


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupted_experiments_leave_nothing(tmp_path, jobs: int) -> None:
    slow = "import pathlib, time\npathlib.Path(f'{NAME}.started').touch()\ntime.sleep(60)"
    files = [experiment(tmp_path / f"slow{i}.py", slow) for i in range(jobs)]
    command = [sys.executable, "-m", "dstheory.cli.main", "reproduce", *files, "--jobs", str(jobs), "--out", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while len(list(tmp_path.glob("*.started"))) < jobs:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "interrupted: complete files were kept, unfinished ones removed"
    assert not (tmp_path / "out").exists()


def test_bad_input(dstheory) -> None:
    assert dstheory("reproduce").code == 2
    assert dstheory("reproduce", "source-figure", "--all").code == 2
    assert dstheory("reproduce", "--jobs", 0, "--all").code == 2
    assert dstheory("reproduce", "--all", "--data", "no-such-folder").code == 2
    unknown = dstheory("reproduce", "sauce-figure")
    assert unknown.code == 2
    assert "there is no experiment 'sauce-figure': did you mean source-figure? Known are " in unknown.err
    stranger = dstheory("reproduce", "qqq")
    assert "there is no experiment 'qqq': no name is similar. Known are " in stranger.err
    missing = dstheory("reproduce", "no_such.py")
    assert missing.code == 1
    assert missing.err == "error: cannot read no_such.py: No such file or directory; give the path of an experiment's file\n"

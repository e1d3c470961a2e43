"""Sweeps on disk: killed and started again, damaged, in each other's way. Nothing finished is lost, nothing is done twice."""

from __future__ import annotations

import errno
import fcntl
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from answers import result_of
from click.testing import CliRunner

from dstheory.cli.main import cli
from dstheory.dynamics import sweep
from dstheory.dynamics.problem import Chain
from dstheory.dynamics.sweeps.result import holds
from dstheory.dynamics.sweeps.run import plan_sweep, run_plan
from dstheory.dynamics.sweeps.state import State, _shown, configuration, state_path
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers.arrays import LabelledArrays
from dstheory.readers.results import write_run

# 12 looped combinations, each a chunk of its own.
GRID = {"momentum": [0.0, 0.4, 0.8], "steps": [150, 200], "optimizer": ["momentum", "adam"], "beta": [0.1, 0.2]}
FIXED: dict[str, Any] = {"objective": "reinforce + kl-direct", "clip_norm": 5.0}
COMMAND = [
    "sweep", "--of", "simulate", "--objective", "reinforce + kl-direct", "--clip-norm", "5", "--json",
    *(part for name, values in GRID.items() for part in ("--grid", f"{name}={','.join(map(str, values))}")),
]  # fmt: skip
CHUNKS = 12


@pytest.fixture(scope="module")
def whole() -> xr.Dataset:
    return sweep(GRID, of="simulate", objectives=[FIXED["objective"]], clip_norm=5.0)


def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    code = "from dstheory.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *COMMAND, *more], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def kill_after(process: subprocess.Popen[bytes], state: Path, chunks: int) -> dict[str, tuple[int, int]]:
    """Kill the process (and no other) when so many chunks are there; return which, with their inodes and times."""
    end = time.monotonic() + 120
    while len(list(state.glob("chunk-*.npz"))) < chunks:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in state.glob("chunk-*.npz")}


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    return [pid for pid in children if b"popen_loky" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def here() -> dict[str, Any]:
    """Run the same command in this process."""
    ran = CliRunner().invoke(cli, COMMAND)
    assert ran.exit_code == 0, ran.stderr
    found: dict[str, Any] = result_of(ran.stdout)
    return found


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path, whole: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "results/sweep.unfinished"
    first = kill_after(start(tmp_path), state, 2)
    assert not (tmp_path / "results/sweep").exists()
    (state / ".partial-0123").mkdir()  # what a kill in the middle of writing leaves
    (state / ".partial-0123/new.npz").write_bytes(b"half a chunk")
    second = kill_after(start(tmp_path, "--workers", "2"), state, len(first) + 2)
    assert first.items() <= second.items(), "a finished chunk was written again"
    assert len(second) < CHUNKS
    found = here()
    assert found["chunks"] == CHUNKS
    assert found["computed"] == CHUNKS - len(second)
    assert not state.exists()
    with xr.open_dataset(tmp_path / "results/sweep/history.nc") as data:
        for name in whole.variables:
            assert np.array_equal(data[name].values, whole[name].values, equal_nan=whole[name].dtype.kind == "f"), name
    # Once more: it is complete, and nothing is computed; another sweep without --out goes elsewhere.
    again = here()
    assert again["computed"] == 0
    assert again["summary"] == found["summary"]
    assert again["out"] == "results/sweep"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the processes of a process are listed in /proc")
def test_workers_do_not_outlive_a_killed_sweep(tmp_path: Path) -> None:
    process = start(tmp_path, "--workers", "2")
    state = tmp_path / "results/sweep.unfinished"
    while not list(state.glob("chunk-*.npz")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    workers = workers_of(process)
    assert len(workers) == 2
    kill_after(process, state, 1)
    end = time.monotonic() + 60

    def alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    while any(map(alive, workers)):
        assert time.monotonic() < end, "a worker is still there"
        time.sleep(0.02)


# ---------------------------------------------------------------------- in one process

SMALL = {"beta": "log:0.01:1:40", "length_weight": "0:1:40", "reduction": ["sum", "mean"], "max_turns": [None, 2]}


def interrupted(out: Path, after: int, **more: Any) -> None:
    """Run the small sweep and stop it after some chunks."""
    seen = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == after + 1:  # the first call says where it begins
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(SMALL, out=out, chunk=1, progress=stop, **more)


def resumed(out: Path, **more: Any) -> tuple[xr.Dataset, dict[str, int]]:
    data, counts = run_plan(plan_sweep(SMALL, of="optimum", fixed=more), out=out)
    return data.dataset(), counts


def test_an_interrupt_keeps_what_is_finished_whatever_the_chunks_are_now(tmp_path: Path) -> None:
    interrupted(tmp_path / "out", 2)
    seen: list[tuple[int, int]] = []
    data, counts = run_plan(
        plan_sweep(SMALL, of="optimum", fixed={}), out=tmp_path / "out", chunk=10**9, progress=lambda *now: seen.append(now)
    )
    assert seen == [(3200, 6400), (4800, 6400), (6400, 6400)]
    assert counts == {"chunks": 4, "computed": 2}
    assert data.dataset().identical(sweep(SMALL))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    manifest = json.loads((tmp_path / "out/run.json").read_text())
    assert manifest["chunks_computed_by_this_process"] == 2
    assert manifest["settings"] == 6400


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_chunk_is_named_and_computed_again(tmp_path: Path, damage: str) -> None:
    interrupted(tmp_path / "out", 3)
    chunk = tmp_path / "out.unfinished/chunk-000001.npz"
    content = chunk.read_bytes()
    if damage == "cut":
        chunk.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = len(content) // 2
        chunk.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "empty":
        chunk.write_bytes(b"")
    else:
        np.savez(chunk, p=np.zeros(3))
    with pytest.warns(RuntimeWarning, match=r"chunk-000001\.npz was cut off or changed: its settings are computed again"):
        data, counts = resumed(tmp_path / "out")
    assert counts == {"chunks": 4, "computed": 2}
    assert data.identical(sweep(SMALL))


def test_another_sweeps_unfinished_state_is_refused_with_the_difference(tmp_path: Path) -> None:
    interrupted(tmp_path / "out", 1, gamma=0.9)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out.unfinished").iterdir()}
    with pytest.raises(DSTheoryError) as error:
        resumed(tmp_path / "out", gamma=0.8)
    assert str(error.value) == (
        f"{tmp_path}/out.unfinished holds the unfinished part of another sweep: gamma is 0.9 there, 0.8 here. "
        "Finish that one, give another out, or drop it with overwrite"
    )
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out.unfinished").iterdir()} == before
    with pytest.raises(DSTheoryError, match=r"beta is 40 values from 0.01 to 1.0 there, 2 values from 0.1 to 0.2 here; gamma"):
        sweep({**SMALL, "beta": [0.1, 0.2]}, out=tmp_path / "out")
    with pytest.raises(DSTheoryError, match=r"beta has 40 values from 0.01 to 1.0 on both sides, but other ones between"):
        sweep({**SMALL, "beta": "0.01:1:40"}, out=tmp_path / "out", gamma=0.9)
    with pytest.raises(DSTheoryError, match=r"the order of the grids is beta, length_weight, .* there, max_turns, .* here"):
        sweep(dict(reversed(SMALL.items())), out=tmp_path / "out", gamma=0.9)
    data = sweep(SMALL, out=tmp_path / "out", gamma=0.8, overwrite=True)
    assert data.attrs["gamma"] == 0.8
    assert not state_path(tmp_path / "out").exists()


def test_another_sweeps_result_is_refused_with_the_difference(tmp_path: Path) -> None:
    sweep(SMALL, out=tmp_path / "out")
    before = (tmp_path / "out/history.nc").stat().st_mtime_ns
    with pytest.raises(DSTheoryError) as error:
        resumed(tmp_path / "out", p=0.5, decision_length=2)
    assert str(error.value) == (
        f"{tmp_path}/out holds the result of another sweep: p is 0.55 there, 0.5 here; decision_length is 1.0 there, 2.0 here. "
        "Nothing was computed: give another out, or replace it with overwrite"
    )
    with pytest.raises(DSTheoryError, match="of is optimum there, simulate here"):
        sweep({"beta": [0.1]}, of="simulate", out=tmp_path / "out", steps=5)
    data, counts = resumed(tmp_path / "out")
    assert counts["computed"] == 0
    assert data.equals(sweep(SMALL))
    assert (tmp_path / "out/history.nc").stat().st_mtime_ns == before
    replaced = sweep(SMALL, out=tmp_path / "out", p=0.5, overwrite=True)
    assert json.loads((tmp_path / "out/run.json").read_text())["parameters"]["p"] == 0.5
    assert not replaced.equals(data)


def test_a_chain_that_has_changed_is_another_sweep(tmp_path: Path) -> None:
    from dstheory import TwoStageMDP

    one, two = (TwoStageMDP(correct=[[1, 0, 0], [0, 1]], prompt_weight=[w, 1]) for w in (1, 2))
    sweep({"beta": [0.1, 0.2]}, mdp=one, out=tmp_path / "out")
    with pytest.raises(DSTheoryError, match="the chain given has changed since"):
        sweep({"beta": [0.1, 0.2]}, mdp=two, out=tmp_path / "out")
    plan = plan_sweep({"beta": [0.1, 0.2]}, of="optimum", fixed={}, chain=Chain.of(one, None, None))
    assert run_plan(plan, out=tmp_path / "out")[1]["computed"] == 0


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    sweep(SMALL, out=tmp_path / "out")
    history = tmp_path / "out/history.nc"
    history.write_bytes(history.read_bytes()[:-1000])
    with pytest.raises(FileFormatError, match=r"history\.nc is not what was written: .* with overwrite \(--overwrite\)"):
        sweep(SMALL, out=tmp_path / "out")
    assert sweep(SMALL, out=tmp_path / "out", overwrite=True).equals(sweep(SMALL))
    (tmp_path / "out/run.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"run\.json is not what was written"):
        sweep(SMALL, out=tmp_path / "out")


def test_what_a_directory_holds_is_told_apart(tmp_path: Path) -> None:
    """A sweep without ``out`` takes the first directory that is free or has this very sweep, and leaves all others alone."""
    plan = plan_sweep(SMALL, of="optimum", fixed={})
    mine, other, empty, file = (tmp_path / name for name in ("mine", "other", "empty", "file"))
    run_plan(plan, out=mine)
    other.mkdir()
    write_run(other, LabelledArrays({}, {}), {"command": "demo", "parameters": {}, "seed": 0, "wall_seconds": 0.1})
    empty.mkdir()
    file.write_text("mine")
    assert holds(mine) == configuration(plan)
    assert [holds(path) for path in (tmp_path / "free", other, empty, file)] == [None, False, False, False]
    (mine / "history.nc").write_bytes(b"cut")
    assert holds(mine) is False


def test_results_of_others_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(DSTheoryError, match="was not made by dstheory"):
            sweep(SMALL, out=tmp_path / "out", overwrite=overwrite)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DSTheoryError, match="is a file: results go into a directory"):
        sweep(SMALL, out=tmp_path / "file")
    (tmp_path / "new.unfinished").mkdir()
    (tmp_path / "new.unfinished/notes.txt").write_text("mine")
    with pytest.raises(DSTheoryError, match=r"new\.unfinished holds notes\.txt, which is not part of a sweep"):
        sweep(SMALL, out=tmp_path / "new")
    assert (tmp_path / "new.unfinished/notes.txt").read_text() == "mine"


def test_a_damaged_state_description_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    interrupted(tmp_path / "out", 2)
    file = tmp_path / "out.unfinished/sweep.json"
    content = file.read_text()
    file.write_text(content[:50])
    with pytest.raises(DSTheoryError, match=r"sweep\.json was cut off or changed, .* belong to no known sweep"):
        resumed(tmp_path / "out", gamma=0.5)
    file.write_text(content.replace("length_weight", "length-weight"))
    with pytest.warns(RuntimeWarning, match=r"sweep\.json was cut off or changed: it is written again"):
        assert resumed(tmp_path / "out")[1] == {"chunks": 4, "computed": 2}


@pytest.mark.parametrize("name", ["chunk-000001.npz", "sweep.json"])
def test_a_changed_byte_costs_what_it_touches_and_no_more(tmp_path: Path, name: str) -> None:
    """Wherever it is: the sweep goes on, at worst with the damaged part computed again, and the result is the same."""
    interrupted(tmp_path / "out", 2)
    state = tmp_path / "out.unfinished"
    kept = {path.name: path.read_bytes() for path in state.iterdir()}
    plan = plan_sweep(SMALL, of="optimum", fixed={})
    ours, shapes = configuration(plan), {name: plan.shape(name) for name in (*plan.variables, "status")}
    rng = np.random.default_rng(0)
    places = rng.integers(0, len(kept[name]), 60).tolist() + list(range(40 if name.startswith("chunk") else 0))
    with State.opened(tmp_path / "out", ours, 1, overwrite=False) as opened:
        good = opened.read(1, 1600, shapes)
        assert good is not None
    for place in places:
        changed = bytearray(kept[name])
        changed[place] ^= 1 << int(rng.integers(8))
        (state / name).write_bytes(changed)
        with warnings.catch_warnings(action="ignore"), State.opened(tmp_path / "out", ours, 1, overwrite=False) as opened:
            if name == "sweep.json":
                found = opened.read(1, 1600, shapes)
                assert found is not None
                np.testing.assert_array_equal(found["status"], good["status"])
            else:
                with pytest.raises(DSTheoryError, match="was cut off or changed"):
                    opened.read(1, 1600, shapes)


def test_two_processes_do_not_share_a_state(tmp_path: Path) -> None:
    interrupted(tmp_path / "out", 1)
    lock = os.open(tmp_path / "out.unfinished/lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with pytest.raises(DSTheoryError, match=r"^another process is computing this sweep"):
            resumed(tmp_path / "out")
    finally:
        os.close(lock)
    assert resumed(tmp_path / "out")[1] == {"chunks": 4, "computed": 3}


def test_what_fails_before_its_first_chunk_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed: pip install 'dstheory[dask]'")
    plan = plan_sweep({"beta": [0.1]}, of="optimum", fixed={})
    with pytest.raises(DSTheoryError, match="cannot be reached"):
        run_plan(plan, out=tmp_path / "out", scheduler="tcp://127.0.0.1:1", timeout=0.3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("made", ["new", "parents/of/new"])
def test_a_disk_that_is_full_from_the_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DSTheoryError, match=r"cannot write .*sweep\.json: No space left on device; free some space"):
        sweep(SMALL, out=tmp_path / made)
    assert not list(tmp_path.iterdir())


def test_a_sweep_that_was_killed_before_its_first_chunk_is_in_nobodys_way(tmp_path: Path) -> None:
    interrupted(tmp_path / "out", 1)
    (tmp_path / "out.unfinished/chunk-000000.npz").unlink()
    assert sweep(SMALL, out=tmp_path / "out", gamma=0.8).attrs["gamma"] == 0.8
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_killed_between_result_and_cleaning_up(tmp_path: Path) -> None:
    interrupted(tmp_path / "out", 2)
    state = tmp_path / "out.unfinished"
    kept = {p.name: p.read_bytes() for p in state.iterdir()}
    resumed(tmp_path / "out")
    state.mkdir()
    for name, content in kept.items():
        (state / name).write_bytes(content)
    assert resumed(tmp_path / "out")[1]["computed"] == 0
    assert not state.exists()


def test_a_worker_that_dies_is_a_sentence_and_what_was_finished_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path / "out", 1)
    run = importlib.import_module("dstheory.dynamics.sweeps.run")
    with monkeypatch.context() as patch, warnings.catch_warnings():
        patch.setattr(run, "evaluated", lambda plan, batches: os.kill(os.getpid(), signal.SIGKILL))
        with pytest.raises(DSTheoryError, match=r"a worker process ended with SIGKILL\(-9\) .* fewer workers"):
            run_plan(plan_sweep(SMALL, of="optimum", fixed={}), out=tmp_path / "out", workers=2)
    assert resumed(tmp_path / "out")[1] == {"chunks": 4, "computed": 3}


def test_a_stored_configuration_of_any_shape_is_shown() -> None:
    assert [_shown(value) for value in ([], {}, {"count": 3}, [[1]], [1, 2, 3], None)] == [
        "[]", "{}", "{'count': 3}", "1", "3 values from 1 to 3", "none",
    ]  # fmt: skip

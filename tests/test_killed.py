"""Commands that are killed, terminated and interrupted at random moments, and then given again.

Nothing is lost, nothing that was finished is done twice, the result is that of an undisturbed run, and nothing is left: no hidden
directory, no lock, no process. ``DSTHEORY_KILLS`` says how many moments the slow profile tries, spread over commands and signals.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answers import result_of

ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("DSTHEORY_KILLS", "100"))
SWEEP = (
    "sweep --of simulate --objective reinforce+kl-direct --clip-norm 5 --grid momentum=0,0.4,0.8 --grid steps=400,600 "
    "--grid optimizer=momentum,adam --grid beta=0.1,0.2 --json --out deep/out"
)
OPTIMA = (
    "sweep --grid beta=log:0.01:1:40 --grid length_weight=0:1:40 --grid reduction=sum,mean --grid max_turns=1,2,3,4 --chunk 1 "
    "--json --out deep/out"
)
TRAIN = "arithmetic train --updates 40 --problems 4 --group 4 --json --checkpoint run.npz"
COMMANDS = {
    "sweep": SWEEP,
    "sweep, two processes": f"{SWEEP} --workers 2",
    "arithmetic train": TRAIN,
    "simulate": "simulate --steps 300 --runs 2 --out out --overwrite",
    "anatomy": "anatomy rollouts.jsonl --out out --report report.html --overwrite",
    "reproduce": "reproduce one.py two.py --jobs 2 --out out --overwrite",
}
EXPERIMENT = '''"""Counts to a number, slowly."""
NAME = "{name}"
CLAIMS = ("A1",)
import numpy as np, time, xarray as xr
from matplotlib.figure import Figure
def run(*, quick, progress):
    for step in range(20):
        np.sort(np.ones(10_000))
        time.sleep(0.05)
        if progress is not None:
            progress(step, 20)
    figure = Figure()
    figure.subplots().plot([1, 2], [3, 4])
    return xr.Dataset({{"value": ("step", np.arange(5.0))}}), {{"figure": figure}}, {{"table": [{{"a": 1.0}}]}}
'''
# Keeps the checkpoint after every update, so that most moments have one to go on from.
MAIN = "import dstheory.cli.arithmetic as a; a._CHECKPOINT_SECONDS = 0.1; from dstheory.cli.main import main; main()"
ENDED = "interrupted: complete files were kept, unfinished ones removed"


@dataclass
class Killed:
    """A command in a folder of its own, and what all processes that it starts are recognised by."""

    folder: Path
    command: str
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *self.command.split()], cwd=self.folder, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT), "KILL_TEST": self.token},
        )  # fmt: skip

    def processes(self) -> list[str]:
        """Return the command lines of all processes that are alive."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.token.encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found

    def files(self) -> set[str]:
        return {p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*")} - INPUTS


INPUTS = {"rollouts.jsonl", "one.py", "two.py"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that commands read."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    with open(folder / "rollouts.jsonl", "w", encoding="utf-8") as file:
        for number in range(400):
            attempts: list[dict[str, Any]] = []
            while not attempts or (attempts[-1]["decision"] == "resample" and len(attempts) < 6):
                correct = bool(rng.random() < 0.4)
                stop = bool(rng.random() < (0.8 if correct else 0.3))
                attempts.append({"correct": correct, "decision": "stop" if stop else "resample"})
            file.write(json.dumps({"id": number, "problem": f"q{number % 40}", "attempts": attempts}) + "\n")
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text(EXPERIMENT.format(name=name))
    return folder


def fresh(inputs: Path, folder: Path, command: str) -> Killed:
    folder.mkdir()
    for file in inputs.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return Killed(folder, command)


def content(killed: Killed) -> dict[str, Any]:
    """Return what all files hold, without what differs from run to run: times, and how much of it was computed by which run."""
    found: dict[str, Any] = {}
    for name in killed.files():
        path = killed.folder / name
        if path.is_dir():
            continue
        data = path.read_bytes()
        if path.name == "run.json":
            manifest = json.loads(data)
            for key in ("wall_seconds", "chunks_computed_by_this_process", "checksum"):
                manifest.pop(key, None)
            found[name] = manifest
        elif path.suffix == ".npz":
            with np.load(io.BytesIO(data)) as arrays:
                found[name] = {key: arrays[key].tobytes() for key in arrays.files}
        else:
            found[name] = data
    return found


def undisturbed(inputs: Path, folder: Path, command: str) -> tuple[dict[str, Any], set[str], float]:
    """Run a command to its end; return what it leaves and how long it took."""
    killed = fresh(inputs, folder, command)
    began = time.monotonic()
    process = killed.start()
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return content(killed), killed.files(), time.monotonic() - began


def wait_for_none(killed: Killed) -> None:
    end = time.monotonic() + 60
    while alive := killed.processes():
        assert time.monotonic() < end, alive
        time.sleep(0.05)


def one(killed: Killed, number: signal.Signals, moment: Callable[[], bool], whole: tuple[dict[str, Any], set[str]]) -> str:
    """Send a signal when it is time, give the command again, and compare; return how the first run ended."""
    process = killed.start()
    while process.poll() is None and not moment():
        time.sleep(0.002)
    # Ctrl-C goes to all processes of a terminal; the others are sent to one.
    if process.poll() is None:
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=120)
    wait_for_none(killed)
    # Before the command is loaded, Python itself dies by the signal.
    assert process.returncode in (0, -number, *([] if number == signal.SIGKILL else [128 + number])), err
    early = process.returncode == -number
    assert "Traceback" not in err or (early and number == signal.SIGINT), err
    if process.returncode == 128 + number and ENDED in err:
        left = {name for name in killed.files() if ".partial-" in name or (name.endswith("lock") and not resumable(killed))}
        assert not left
    ended = {0: "finished", -number: "killed"}.get(process.returncode, "cleaned" if ENDED in err else "cut short")
    chunks, done = len(list(killed.folder.glob("deep/out.unfinished/chunk-*.npz"))), updates(killed)
    complete = (killed.folder / "deep/out/run.json").exists()

    again = killed.start()
    out, err = again.communicate(timeout=600)
    assert again.returncode == 0, err
    wait_for_none(killed)
    if killed.command.startswith("sweep"):
        said = result_of(out)
        assert said["computed"] == (0 if complete else said["chunks"] - chunks), "what was finished is not done twice"
    if killed.command.startswith("arithmetic"):
        assert result_of(out)["resumed_after"] == done
    assert killed.files() == whole[1]
    assert content(killed) == whole[0]
    return ended


def resumable(killed: Killed) -> bool:
    return bool(list(killed.folder.glob("deep/out.unfinished/chunk-*.npz")))


def updates(killed: Killed) -> int:
    from dstheory.arithmetic.training import read_checkpoint

    path = killed.folder / "run.npz"
    return read_checkpoint(path).done if path.exists() else 0


pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are told by what is in /proc")


@pytest.mark.parametrize(
    ("command", "number", "seen"),
    [
        (OPTIMA, signal.SIGTERM, "deep/out.unfinished/chunk-*.npz"),
        (TRAIN, signal.SIGINT, "run.npz"),
    ],
    ids=["sweep", "arithmetic"],
)
def test_ended_when_a_part_is_finished(inputs: Path, tmp_path: Path, command: str, number: signal.Signals, seen: str) -> None:
    *whole, _ = undisturbed(inputs, tmp_path / "whole", command)
    killed = fresh(inputs, tmp_path / "killed", command)
    one(killed, number, lambda: any(killed.folder.glob(seen)), (whole[0], whole[1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_ended_at_random_moments(inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    command = COMMANDS[name]
    *whole, seconds = undisturbed(inputs, tmp_path / "whole", command)
    rng = random.Random(f"{name} 0")
    ended: Counter[tuple[str, str]] = Counter()
    for attempt in range(-(-KILLS // len(COMMANDS))):
        number = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[attempt % 4]
        due = time.monotonic() + rng.uniform(0.0, seconds)
        killed = fresh(inputs, tmp_path / f"killed {attempt}", command)
        how = one(killed, number, lambda due=due: time.monotonic() > due, (whole[0], whole[1]))  # type: ignore[misc]
        ended[number.name, how] += 1
    with capsys.disabled():
        sys.stderr.write(f"\n{name}: {', '.join(f'{count} {n} {how}' for (n, how), count in sorted(ended.items()))}\n")

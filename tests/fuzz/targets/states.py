"""What an interrupted run leaves: the state of a sweep and checkpoints of training, damaged, are refused or computed again."""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
import unittest.mock
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.engine import Input, Target, Wrong, outcome, said
from fuzz.mutations import json_mutated, mutated

from dstheory.arithmetic.training import Settings, read_checkpoint, train, write_checkpoint
from dstheory.dynamics.sweeps.run import sweep
from dstheory.dynamics.sweeps.state import State
from dstheory.errors import DSTheoryError

SETTINGS = Settings(method="sft", updates=2, problems=2, group=2, sizes=((4, 4),))


def _sweep(out: Path) -> Any:
    return sweep({"beta": [0.05, 0.1, 0.2, 0.4]}, out=out, chunk=2)


@cache
def left() -> tuple[dict[str, bytes], Any]:
    """Return the files of a sweep whose state was kept, and its result."""
    with tempfile.TemporaryDirectory() as name:
        kept = Path(name, "kept")

        def keep(state: State) -> None:
            shutil.copytree(state.path, kept)
            shutil.rmtree(state.path)

        with unittest.mock.patch.object(State, "remove", keep):
            result = _sweep(Path(name, "out"))
        return {path.name: path.read_bytes() for path in sorted(kept.iterdir())}, result


@cache
def checkpoint() -> bytes:
    """Return the checkpoint of a run of two updates."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "run.ckpt")
        write_checkpoint(path, train(SETTINGS))
        return path.read_bytes()


def check(path: Path) -> str:
    if path.suffix == ".ckpt":
        return _check_checkpoint(path)
    files, whole = left()
    folder = path.with_name("sweeps")
    shutil.rmtree(folder, ignore_errors=True)
    state = folder / "out.unfinished"
    state.mkdir(parents=True)
    for name, data in files.items():
        (state / name).write_bytes(data)
    name = "sweep.json" if path.suffix == ".json" else next(one for one in files if one.endswith(path.suffix))
    (state / name).write_bytes(path.read_bytes())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = outcome(lambda: _sweep(folder / "out"))
    odd = [str(each.message) for each in caught if not str(each.message).endswith(" again")]
    if odd:
        raise Wrong("a warning that is none of the package's", odd[0])
    if isinstance(found, DSTheoryError):
        if any(file not in ("lock", name) and (state / file).read_bytes() != data for file, data in files.items()):
            raise Wrong("a refused state was changed")
        return said(found, "out")
    if state.exists():
        raise Wrong("the state is left behind")
    for variable in whole.data_vars:
        if not np.array_equal(found[variable].values, whole[variable].values, equal_nan=found[variable].dtype.kind == "f"):
            raise Wrong("a damaged state gives another result", str(variable))
    return f"same result, {len(caught)} parts again"


def _check_checkpoint(path: Path) -> str:
    run = outcome(lambda: read_checkpoint(path))
    if isinstance(run, DSTheoryError):
        return said(run, path.name)
    for block in run.policy.blocks:
        if not np.isfinite(block).all():
            raise Wrong("a checkpoint that is not finite is read")
    return f"read {run.done} {run.settings == SETTINGS}"


def made(corpus: Sequence[Input]) -> list[Input]:
    """Return one of each kind of file; and a checkpoint without its checksum."""
    files, _ = left()
    chunk = next(data for name, data in files.items() if name.startswith("chunk"))
    suffix = next(Path(name).suffix for name in files if name.startswith("chunk"))
    return [
        Input(".json", files["sweep.json"]),
        Input(suffix, chunk),
        Input(".ckpt", checkpoint()),
        Input(".ckpt", checkpoint()[:-32]),
    ]


def mutate(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    """Damage a file; one with a checksum sometimes gets the checksum of what it then holds."""
    if one.suffix == ".json" and rng.random() < 0.5:
        return Input(
            one.suffix, json_mutated(rng, one.data, ("configuration", "batches_per_chunk", "beta", "of", "grid", "fixed"))
        )
    if one.suffix == ".ckpt" and len(one.data) > 64 and rng.random() < 0.3:
        content = mutated(rng, one.data[:-32], [])
        return Input(one.suffix, content + hashlib.sha256(content).digest())
    return Input(one.suffix, mutated(rng, one.data, []))


STATE = Target("state", check, mutate, made, seconds=4.0, weight=0.5)

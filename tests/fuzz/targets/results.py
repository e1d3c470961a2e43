"""Results on disk: a damaged manifest or history is refused, or says what it said before; what is written is read back."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import xarray
from fuzz.engine import Input, Target, Wrong, outcome, said
from fuzz.mutations import json_mutated, mutated

from dstheory.errors import DSTheoryError
from dstheory.readers import read_run, write_run
from dstheory.readers.atomic import digest, manifest_bytes

_MANIFEST = {"command": ["dstheory"], "parameters": {"clip": np.inf}, "seed": 0, "wall_seconds": 0.1}


@cache
def saved() -> tuple[bytes, bytes, xarray.Dataset]:
    """Return the manifest and the history of a small run, and what the history holds."""
    history = xarray.Dataset(
        {"accuracy": (("step", "run"), np.array([[0.5, np.nan], [0.625, 1.0]]), {"units": "1"}), "turns": ("step", [1.5, 2.0])},
        coords={"step": [0, 10], "run": ["a", "bé"]},
        attrs={"title": "small"},
    )
    with tempfile.TemporaryDirectory() as name:
        write_run(name, history, _MANIFEST)
        run = read_run(name)
        assert run.history is not None
        assert run.history.equals(history)
        return Path(name, "run.json").read_bytes(), Path(name, "history.nc").read_bytes(), run.history


def check(path: Path) -> str:
    manifest, history, whole = saved()
    data = path.read_bytes()
    words = []
    for fitting in (False, True) if path.suffix == ".json" else (False,):
        folder = path.with_name("run")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "history.nc").write_bytes(data if path.suffix == ".nc" else history)
        if path.suffix == ".nc":
            (folder / "run.json").write_bytes(manifest)
        elif not fitting:
            (folder / "run.json").write_bytes(data)
        elif not _fitted(folder, data):
            break
        run = outcome(lambda folder=folder: read_run(folder))  # type: ignore[misc]
        shutil.rmtree(folder)
        if isinstance(run, DSTheoryError):
            words.append(said(run, "run"))
            continue
        assert run.history is not None
        if path.suffix == ".nc" and data != history and not run.history.identical(whole):
            raise Wrong("a damaged history is accepted with another content", str(run.history))
        words.append(f"read {sorted(map(str, run.manifest))[:12]}")
    return " ".join(words)


def _fitted(folder: Path, data: bytes) -> bool:
    """Write a changed manifest with checksums that fit; return whether it is one that can have any."""
    try:
        content = json.loads(data)
        (folder / "run.json").write_bytes(manifest_bytes(content, {"history.nc": digest(folder / "history.nc")}))
    except (ValueError, AttributeError, RecursionError):
        return False
    return True


def made(corpus: Sequence[Input]) -> list[Input]:
    """Return what a run wrote."""
    return [Input(".json", saved()[0]), Input(".nc", saved()[1])]


def mutate(rng: random.Random, one: Input, pool: Sequence[Input]) -> Input:
    if one.suffix == ".json" and rng.random() < 0.5:
        return Input(one.suffix, json_mutated(rng, one.data, ("format", "files", "version", "seed", "history.nc", "parameters")))
    return Input(one.suffix, mutated(rng, one.data, []))


RESULTS = Target("results", check, mutate, made)

"""Checkpoints: a training run in one file, complete or absent, that continues to the very result it would have had.

Random numbers of an update depend on the seed and the update's number only, so parameters, moments and counters are all there
is to keep. A checkpoint knows its settings; a run with others refuses it and says in what they differ.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from dstheory.arithmetic.policy import BLOCKS, ArithmeticPolicy
from dstheory.arithmetic.settings import Settings
from dstheory.arithmetic.training import LOGGED, Run, initial_policy
from dstheory.errors import ArithmeticTaskError
from dstheory.readers.atomic import atomic_path

__all__ = ["FORMAT", "read_checkpoint", "write_checkpoint"]

FORMAT = "dstheory-arithmetic/1"


def write_checkpoint(path: str | os.PathLike[str], run: Run) -> None:
    """Write a run; an earlier checkpoint of that name is replaced in one step.

    Raises:
        DSTheoryError: it cannot be written.

    >>> import tempfile
    >>> from dstheory.arithmetic.training import train
    >>> settings = Settings(updates=1, problems=2, group=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_checkpoint(Path(folder, "run.npz"), train(settings))
    ...     read_checkpoint(Path(folder, "run.npz"), settings).done
    1
    """
    about = {
        "format": FORMAT, "settings": run.settings.as_dict(), "done": run.done, "tokens": run.tokens, "episodes": run.episodes,
    }  # fmt: skip
    arrays = {f"block_{name}": block for name, block in zip(BLOCKS, run.policy.blocks, strict=True)}
    arrays |= {f"log_{name}": np.array(run.log[name]) for name in LOGGED}
    if run.moments is not None:  # Adam: the step, first and second moments; SGD keeps nothing
        about["step"] = run.moments[0]
        for order, moments in zip(("first", "second"), run.moments[1:], strict=True):
            arrays |= {f"{order}_{name}": moment for name, moment in zip(BLOCKS, moments, strict=True)}
    text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with atomic_path(path, overwrite=True) as temporary, open(temporary, "wb") as file:
        np.savez(file, about=text, **arrays)  # type: ignore[arg-type]


def read_checkpoint(path: str | os.PathLike[str], settings: Settings | None = None) -> Run:
    """Read a run back.

    Args:
        path: the file.
        settings: refuse a checkpoint of other settings.

    Raises:
        ArithmeticTaskError: there is no such file, it is damaged or no checkpoint, or its settings differ.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        remedy = "train first, or name another file"
        raise ArithmeticTaskError(f"cannot read the checkpoint {path}: {error.strerror}; {remedy}") from error
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        about = json.loads(arrays["about"].tobytes())
        if about["format"] != FORMAT:
            raise ArithmeticTaskError(f"{path} has the format {about['format']!r}, not {FORMAT!r}: it is from another version")
        own = Settings.from_dict(about["settings"])
        blocks = tuple(arrays[f"block_{name}"] for name in BLOCKS)
        moments = None
        if "step" in about:
            moments = about["step"], *(tuple(arrays[f"{order}_{name}"] for name in BLOCKS) for order in ("first", "second"))
        log = {name: arrays[f"log_{name}"].tolist() for name in LOGGED}
        counters = int(about["done"]), int(about["tokens"]), int(about["episodes"])
    except (ValueError, KeyError, EOFError, TypeError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, ArithmeticTaskError):
            raise
        raise ArithmeticTaskError(f"{path} is no complete checkpoint: it was cut off or changed; train again") from error
    if settings is not None:
        refuse_other_settings(path, own, settings)
    start = initial_policy(own)
    policy = ArithmeticPolicy(blocks, start.checks, start.trunk, start.origin)
    return Run(own, policy, counters[0], moments, counters[1], counters[2], log)


def refuse_other_settings(path: str | os.PathLike[str], own: Settings, settings: Settings) -> None:
    """Raise ArithmeticTaskError if a checkpoint's settings are not those asked for; the message says in what they differ."""
    difference = settings.difference(own)
    if difference:
        raise ArithmeticTaskError(
            f"the checkpoint {path} is of another run: {difference}; give its settings, or another file name"
        )

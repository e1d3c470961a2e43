"""The state of an unfinished sweep on disk: what is done survives whatever ends the process, and is never done twice.

Beside the result OUT lies the directory ``OUT.unfinished`` with ``sweep.json`` (which sweep it is) and one file per finished
chunk of settings, each written under another name and renamed when complete. It disappears when the result is complete. A lock,
which the operating system releases with the process, keeps two processes from working on one sweep.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dstheory._version import __version__
from dstheory.dynamics.sweeps.plan import Axis, SweepPlan
from dstheory.errors import DSTheoryError, remedy_for
from dstheory.interrupts import owe, settle
from dstheory.readers.arrays import DamagedError, read_arrays, write_arrays
from dstheory.readers.atomic import atomic_path, shared_directory
from dstheory.readers.results import to_jsonable
from dstheory.readers.streams import read_whole

_FILE = "sweep.json"
_BATCHES = "batches_per_chunk"  # in a chunk
_LOCK = "lock"
_LISTED = 1000  # values of a longer axis are told apart by a hash


def configuration(plan: SweepPlan) -> dict[str, Any]:
    """Return what makes two sweeps the same, as JSON: version, kind, chain, users' files, random starts, what is fixed, grid."""
    chain = plan.chain
    found: dict[str, Any] = {
        "version": __version__,
        "of": plan.of,
        "chain": chain.name,
        "runs": plan.runs,
        "log_every": plan.log_every,
        "fixed": dict(plan.fixed),
        "grid": {axis.name: _values(axis) for axis in plan.grid.axes},
        "order": [axis.name for axis in plan.grid.axes],
    }
    if chain.mdp is not None:
        policies = [policy.__reduce__()[1][:2] for policy in (chain.start, chain.reference) if policy is not None]
        found["content"] = _digest([chain.mdp._fields(), *policies])
    if plan.modules:
        found["modules"] = [_digest(read_whole(Path(file))) for file in plan.modules]
    result: dict[str, Any] = json.loads(json.dumps(to_jsonable(found, nonfinite="text")))
    return result


def _values(axis: Axis) -> Any:
    if len(axis.values) <= _LISTED:
        return list(axis.values)
    return {"count": len(axis.values), "first": axis.values[0], "last": axis.values[-1], "hash": _digest(axis.values)}


def _digest(content: Any) -> str:
    from joblib import hash as content_hash

    return str(content_hash(content))


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return in words how two configurations differ, parameter by parameter; empty if they are the same.

    >>> differences({"fixed": {"beta": 0.05}, "grid": {"p": [0.1]}}, {"fixed": {"beta": 0.1}, "grid": {"p": [0.1, 0.2]}})
    ['p is 0.1 there, 2 values from 0.1 to 0.2 here', 'beta is 0.05 there, 0.1 here']
    """
    words = []
    whole = {"version": "the version of dstheory", "of": "of", "chain": "the chain", "runs": "runs", "log_every": "log_every"}
    for key, what in whole.items():
        if theirs.get(key) != ours.get(key):
            words.append(f"{what} is {theirs.get(key)} there, {ours.get(key)} here")
    there, here = _flat(theirs), _flat(ours)
    for name in [*here, *(name for name in there if name not in here)]:
        if there.get(name) != here.get(name):
            a, b = (_shown(side.get(name, _DEFAULT)) for side in (there, here))
            words.append(f"{name} is {a} there, {b} here" if a != b else f"{name} has {a} on both sides, but other ones between")
    if not words and theirs.get("content") != ours.get("content"):
        words.append(f"the chain {ours.get('chain')} has changed since")
    if not words and theirs.get("modules") != ours.get("modules"):
        words.append("a file that registers objectives has changed since")
    if not words and theirs.get("order") != ours.get("order"):
        a, b = (", ".join(side.get("order", [])) for side in (theirs, ours))
        words.append(f"the order of the grids is {a} there, {b} here")
    return words


_DEFAULT = "its default"


def _flat(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {**dict(configuration.get("grid", {})), **dict(configuration.get("fixed", {}))}


def _shown(value: Any) -> str:
    if isinstance(value, Mapping) and {"count", "first", "last"} <= value.keys():
        return f"{value['count']} values from {value['first']} to {value['last']}"
    if isinstance(value, list) and len(value) == 1:
        return _shown(value[0])
    if isinstance(value, list) and value:
        return f"{len(value)} values from {value[0]} to {value[-1]}"
    return "none" if value is None else str(value)


def state_path(out: Path) -> Path:
    """Return where the unfinished state of a result lies."""
    return out.with_name(out.name + ".unfinished")


def stored_configuration(path: Path) -> Any:
    """Return the configuration of the unfinished sweep in a directory; None if it cannot be read."""
    try:
        return json.loads(read_whole(path / _FILE))["configuration"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Make a directory and have it for this process alone; at the end it is removed if there is no part of a sweep in it."""
    import fcntl  # where there is none, everything but sweeps to disk still works

    lock: int | None = None
    alone, key = False, object()

    def clean_up() -> None:
        with suppress(OSError):
            if lock is None:
                path.rmdir()  # if it is empty
            elif alone and {p.name for p in path.iterdir()} <= {_LOCK, _FILE}:
                shutil.rmtree(path)
        if lock is not None:
            os.close(lock)

    try:
        owe(key, clean_up)
        try:
            path.mkdir(exist_ok=True)
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            raise DSTheoryError(f"another process is computing this sweep: {path} is in use; wait for it") from None
        except OSError as error:
            raise DSTheoryError(
                f"cannot keep the state of the sweep in {path}: {error.strerror}; {remedy_for(error)}, or give another out"
            ) from error
        yield
    finally:
        settle(key)


class State:
    """The unfinished state of one sweep, open for this process alone.

    Attributes:
        path: the directory.
        batches_per_chunk: how many batches each file holds, which the first start has decided.
    """

    def __init__(self, path: Path, ours: Mapping[str, Any], batches_per_chunk: int) -> None:
        self.path, self.batches_per_chunk, self._ours = path, batches_per_chunk, ours

    @property
    def _belongs_to(self) -> str:
        """What the checksums of chunks are about: this sweep."""
        return json.dumps(self._ours, sort_keys=True)

    @classmethod
    @contextmanager
    def opened(cls, out: Path, ours: Mapping[str, Any], batches_per_chunk: int, *, overwrite: bool) -> Iterator[State]:
        """Open the state beside ``out``, making it if there is none; a foreign one is refused, or replaced with ``overwrite``.

        Raises:
            DSTheoryError: it belongs to another sweep (the difference is named), another process works on it, or it cannot be
                made.
        """
        path = state_path(out)
        with shared_directory(path.parent, out), _locked(path):
            state = cls(path, ours, batches_per_chunk)
            state._claim(overwrite)
            yield state

    def _claim(self, overwrite: bool) -> None:
        """Check that the state is this sweep's, or make it so; remove what a killed process was writing."""
        for partial in self.path.glob(".partial-*"):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
        file = self.path / _FILE
        there = list(self.path.iterdir())
        foreign = sorted(p.name for p in there if p.name not in (_LOCK, _FILE) and not _is_chunk(p))
        if foreign:
            raise DSTheoryError(f"{self.path} holds {foreign[0]}, which is not part of a sweep: move it, or give another out")
        chunks = [p for p in there if _is_chunk(p)]
        if file.exists() and chunks:
            problem = self._difference()
            batches = next(filter(None, map(self._batches_of, chunks)), None)
            if batches is not None and not (problem and overwrite):
                self.batches_per_chunk = batches
            if not problem:
                return
            if not overwrite:
                if batches is None:
                    raise DSTheoryError(problem)
                # The chunks say themselves that they are of this sweep.
                warnings.warn(f"{file} was cut off or changed: it is written again", RuntimeWarning, stacklevel=2)
                chunks = []
        for chunk in chunks:
            chunk.unlink()
        with atomic_path(file, overwrite=True) as temporary:
            content = json.dumps({"configuration": self._ours}, indent=1, allow_nan=False)
            temporary.write_text(content + "\n", encoding="utf-8")

    def _difference(self) -> str:
        """Return in a sentence how the sweep of a state differs from this one; "" if it does not."""
        try:
            found = differences(stored_configuration(self.path), self._ours)
        except (ValueError, TypeError, AttributeError, RecursionError):
            return (
                f"{self.path / _FILE} was cut off or changed, so that the finished parts beside it belong to no known sweep: "
                "restore it, give another out, or start afresh with overwrite"
            )
        if found:
            return (
                f"{self.path} holds the unfinished part of another sweep: {'; '.join(found)}. Finish that one, give "
                "another out, or drop it with overwrite"
            )
        return ""

    def _batches_of(self, chunk: Path) -> int | None:
        """Return how many batches a file holds; None if it is damaged, or of another sweep."""
        try:
            return int(read_arrays(chunk, belongs_to=self._belongs_to)[_BATCHES])
        except (DamagedError, OSError, KeyError):
            return None

    def write(self, number: int, tables: Mapping[str, Any]) -> None:
        """Keep the tables of one chunk, complete or not at all."""
        with atomic_path(self._file(number)) as temporary:
            write_arrays(temporary, {**tables, _BATCHES: self.batches_per_chunk}, belongs_to=self._belongs_to)

    def read(self, number: int, count: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
        """Return the tables of one chunk; None if it is not there. ``shapes`` has the axes beside the settings', by name.

        Raises:
            DSTheoryError: the file was cut off or changed.
        """
        file = self._file(number)
        if not file.exists():
            return None
        try:
            tables = read_arrays(file, belongs_to=self._belongs_to)
        except (DamagedError, OSError):
            tables = {}
        wanted = {name: (count, *own) for name, own in shapes.items()}
        fits = tables.pop(_BATCHES, None) == self.batches_per_chunk
        if not fits or {name: table.shape for name, table in tables.items()} != wanted:
            raise DSTheoryError(f"{file} was cut off or changed")
        return tables

    def drop(self, number: int) -> None:
        """Remove the file of one chunk."""
        self._file(number).unlink()

    def remove(self) -> None:
        """Remove everything: the result is complete."""
        shutil.rmtree(self.path)

    def _file(self, number: int) -> Path:
        return self.path / f"chunk-{number:06d}.npz"


def _is_chunk(path: Path) -> bool:
    return path.name.startswith("chunk-") and path.suffix == ".npz"

"""Results of a run on disk: ``history.nc`` (netCDF) and ``run.json`` (what was run), and strict JSON for everything else.

Strict JSON has no NaN and no infinity. For the command line's ``--json`` they become ``null``: whoever plots or compares must not
take them for numbers. In ``run.json`` they become the texts ``"NaN"``, ``"Infinity"``, ``"-Infinity"``, so that an unlimited norm
is still told from one that was not set; ``float(...)`` understands all three.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dstheory._version import __version__
from dstheory.errors import FileFormatError
from dstheory.readers.atomic import (
    RUN_FILE,
    RUN_FORMAT,
    atomic_path,
    digest,
    is_unchanged,
    json_dumped,
    manifest_bytes,
    parse_manifest,
)
from dstheory.readers.streams import MOST_PACKED, PACKED_WELL, limit, read_whole

if TYPE_CHECKING:
    import xarray

    from dstheory.readers.arrays import LabelledArrays
HISTORY_FILE = "history.nc"
_NEEDED = ("command", "parameters", "seed", "wall_seconds")


@dataclass(frozen=True, eq=False)
class SavedRun:
    """A run read from disk.

    Attributes:
        history: the Dataset of ``history.nc``, in memory; None if the run wrote none.
        manifest: what ``run.json`` says: format, version, command, parameters, seed, wall_seconds, files, ...
    """

    history: xarray.Dataset | None
    manifest: dict[str, Any]


def to_jsonable(value: Any, *, nonfinite: Literal["null", "text"] = "null") -> Any:
    """Return ``value`` as dicts, lists, texts, numbers, booleans and None, ready for strict JSON.

    Args:
        value: any nesting of mappings, sequences, sets (sorted), arrays, NumPy scalars, dataclasses, enums, paths and fractions
            (as text, ``"1/3"``).
        nonfinite: what NaN and infinity become: ``"null"``, or the ``"text"`` NaN, Infinity, -Infinity.

    Raises:
        TypeError: a value of any other type; its place is named.

    Example:
        >>> to_jsonable({"p": np.array([0.5, np.nan]), "turns": np.int64(3), "clip": np.inf})
        {'p': [0.5, None], 'turns': 3, 'clip': None}
    """
    return _jsonable(value, nonfinite == "text", "value")


def json_text(value: Any) -> str:
    """Return :func:`to_jsonable` as text, indented, without a newline at the end.

    Example:
        >>> json_text({"a": np.float64(0.5)})
        '{\\n  "a": 0.5\\n}'
    """
    return json_dumped(to_jsonable(value))


def write_manifest(directory: str | os.PathLike[str], manifest: Mapping[str, Any]) -> None:
    """Write ``run.json``; format, version and checksums are added.

    Args:
        directory: where; best the one that :func:`dstheory.readers.results_directory` yields.
        manifest: with at least ``command``, ``parameters``, ``seed`` and ``wall_seconds``; NaN and infinity become texts.

    Raises:
        ValueError: one of those is missing.
        DSTheoryError: there is a ``run.json`` already, or it cannot be written.
    """
    missing = [key for key in _NEEDED if key not in manifest]
    if missing:
        raise ValueError(f"the manifest has no {', '.join(missing)}: needs {', '.join(_NEEDED)}")
    content = {"format": RUN_FORMAT, "version": __version__, **to_jsonable(manifest, nonfinite="text")}
    with atomic_path(Path(directory) / RUN_FILE) as path:
        history = Path(directory) / HISTORY_FILE
        path.write_bytes(manifest_bytes(content, {HISTORY_FILE: digest(history)} if history.exists() else {}))


def write_run(directory: str | os.PathLike[str], dataset: xarray.Dataset | LabelledArrays, manifest: Mapping[str, Any]) -> None:
    """Write a run: ``history.nc``, then ``run.json``; neither replaces a file that is there.

    Args:
        directory: where; best the one that :func:`dstheory.readers.results_directory` yields.
        dataset: the history, a Dataset of xarray or labelled arrays.
        manifest: see :func:`write_manifest`.

    Raises:
        DSTheoryError: a file exists already or cannot be written.

    Example:
        >>> import tempfile, xarray
        >>> history = xarray.Dataset({"accuracy": ("step", [0.55, 0.61])})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_run(folder, history, {"command": "demo", "parameters": {"clip": np.inf}, "seed": 0, "wall_seconds": 0.1})
        ...     run = read_run(folder)
        >>> run.history.accuracy.values.tolist(), run.manifest["parameters"]
        ([0.55, 0.61], {'clip': 'Infinity'})
    """
    with atomic_path(Path(directory) / HISTORY_FILE) as path:
        dataset.to_netcdf(path, engine="h5netcdf")
    write_manifest(directory, manifest)


def read_run(directory: str | os.PathLike[str]) -> SavedRun:
    """Read a run back, completely into memory.

    Raises:
        FileFormatError: no such directory, no run in it, or a file of it is truncated or not what its name says.
    """
    manifest, history = read_manifest(directory), Path(directory) / HISTORY_FILE
    return SavedRun(_read_netcdf(history) if history.exists() else None, manifest)


def read_manifest(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Read ``run.json`` of a run, and compare ``history.nc`` with its checksum there, which takes a small part of reading it.

    Raises:
        FileFormatError: as :func:`read_run`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_manifest(folder, {"command": "demo", "parameters": {}, "seed": 0, "wall_seconds": 0.1})
        ...     read_manifest(folder)["command"]
        'demo'
    """
    folder = Path(directory)
    path = folder / RUN_FILE
    try:
        manifest = parse_manifest(read_whole(path))
    except FileNotFoundError as error:
        raise FileFormatError(
            f"{directory} holds no results: there is no {RUN_FILE} in it; give the --out of an earlier run"
        ) from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not what was written: it was cut off or changed; run the command again") from error
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}; give the --out of an earlier run") from error
    if not isinstance(manifest, dict) or manifest.get("format") != RUN_FORMAT:
        raise FileFormatError(
            f"{path} does not say format {RUN_FORMAT!r}: it is not from this package, or from another version of it"
        )
    history = folder / HISTORY_FILE
    try:
        unchanged = is_unchanged(manifest, history)
    except OSError as error:
        raise FileFormatError(f"{history} cannot be read: {error.strerror}; give the --out of an earlier run") from error
    if not unchanged:
        raise FileFormatError(
            f"{history} is not what was written: it does not fit its checksum in {RUN_FILE}, so it was cut off or changed; "
            "run the command again"
        )
    return manifest


def _read_netcdf(path: Path) -> xarray.Dataset:
    import h5py
    import xarray

    try:
        with h5py.File(path, "r") as file:  # where this fails, h5netcdf would fail half open, and complain once more when deleted
            file.attrs.get("_nc3_strict")
        # Nothing is decoded: a wall time in units of "seconds" stays the number it is.
        with xarray.open_dataset(path, engine="h5netcdf", decode_times=False) as dataset:
            if dataset.nbytes > max(limit(PACKED_WELL), limit(MOST_PACKED) * path.stat().st_size):
                raise ValueError("its arrays are larger than any that are written in so few bytes")
            return dataset.load()
    # What h5py and h5netcdf raise on a damaged file depends on where the damage is.
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError, MemoryError) as error:
        raise FileFormatError(
            f"{path} is not a complete netCDF file: it was cut off or changed; run the command again"
        ) from error


def _jsonable(value: Any, text: bool, place: str) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.generic):
        value = float(value) if isinstance(value, np.longdouble) else value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        if not text:
            return None
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biu" or (value.dtype.kind == "f" and bool(np.isfinite(value).all())):
            return value.tolist()
        return _jsonable(value.tolist(), text, place)
    if isinstance(value, (Fraction, os.PathLike)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_key(key, place): _jsonable(item, text, f"{place}[{key!r}]") for key, item in value.items()}
    if isinstance(value, AbstractSet):
        value = sorted(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_jsonable(item, text, f"{place}[{i}]") for i, item in enumerate(value)]
    raise TypeError(f"{place} is of type {type(value).__name__}, which has no form in JSON: convert it first")


def _key(key: Any, place: str) -> str:
    if isinstance(key, (str, int, np.integer)) and not isinstance(key, bool):
        return str(key)
    raise TypeError(f"{place} has the key {key!r}: the keys of a JSON object are texts")

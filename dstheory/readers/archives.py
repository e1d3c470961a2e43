"""Arrays in one file (npz) with a checksum at its end, so that a file of which one byte was changed is never read.

The checksum is also that of what the arrays belong to: a file that was kept for another purpose is not taken for this one.

Source: derived here.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dstheory.readers.limits import LARGEST_TABLE, limit
from dstheory.readers.streams import opened

_DIGEST = 32  # bytes, after the zip file that npz is


class DamagedError(Exception):
    """A file was cut off or changed, or never was one of these."""


def write_arrays(path: Path, arrays: Mapping[str, Any], *, belongs_to: str = "") -> None:
    """Write arrays by name.

    Args:
        path: the file; best the one that :func:`dstheory.readers.atomic_path` yields.
        arrays: by name.
        belongs_to: what must be said again when they are read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.npz")
        ...     write_arrays(path, {"p": np.array([0.5])}, belongs_to="run 1")
        ...     read_arrays(path, belongs_to="run 1")
        {'p': array([0.5])}
    """
    with path.open("wb") as file:
        np.savez(file, **dict(arrays))
    digest = hashlib.sha256(belongs_to.encode())
    with path.open("r+b") as file:
        while data := file.read(1 << 20):
            digest.update(data)
        file.write(digest.digest())


def read_arrays(path: Path, *, belongs_to: str = "") -> dict[str, Any]:
    """Return the arrays of a file.

    Args:
        path: the file.
        belongs_to: as it was written.

    Raises:
        DamagedError: it was cut off or changed, or belongs to something else.
        OSError: it cannot be read.
    """
    content = _content(path, belongs_to)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise DamagedError("it is packed")  # never by this package; a packed file may be of any size
        with np.load(io.BytesIO(content), allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except Exception as error:  # of a file that was made to deceive: even SyntaxError, MemoryError
        raise DamagedError(str(error)) from error


def _content(path: Path, belongs_to: str) -> bytes:
    with opened(path) as file:
        if os.fstat(file.fileno()).st_size > limit(LARGEST_TABLE):
            raise DamagedError("it is too large")
        data = file.read()
    content = data[:-_DIGEST]
    if hashlib.sha256(belongs_to.encode() + content).digest() != data[-_DIGEST:]:
        raise DamagedError("its checksum is not that of its content")
    return content

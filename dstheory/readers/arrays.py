"""Labelled arrays: what a Dataset of xarray holds, written to netCDF without loading xarray and pandas.

Also arrays in one file (npz) with a checksum at its end, so that a file of which one byte was changed is never read.

The checksum is also that of what the arrays belong to: a file that was kept for another purpose is not taken for this one.

Source: derived here.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dstheory.readers.streams import LARGEST_TABLE, limit, opened
from dstheory.texts import is_unicode, printable

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, eq=False)
class LabelledArrays:
    """Arrays with named axes.

    Attributes:
        variables: (names of the axes, array, attributes) by name.
        coords: labels of the axes by name, in the same form.
        attrs: attributes of the whole.
    """

    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]]
    coords: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]]
    attrs: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return (self.variables if name in self.variables else self.coords)[name][1]

    @classmethod
    def of(cls, dataset: xarray.Dataset) -> LabelledArrays:
        """Return what a Dataset of xarray holds."""
        variables, coords = (
            {str(name): (tuple(map(str, array.dims)), array.values, dict(array.attrs)) for name, array in arrays.items()}
            for arrays in (dataset.data_vars, dataset.coords)
        )
        return cls(variables, coords, dict(dataset.attrs))

    def dataset(self) -> xarray.Dataset:
        """Return the same as a Dataset of xarray."""
        import xarray

        return xarray.Dataset(self.variables, coords=self.coords, attrs=self.attrs)

    def to_netcdf(self, path: str | os.PathLike[str], *, engine: str = "h5netcdf") -> None:
        """Write a file that xarray reads back as :meth:`dataset`; numbers that are missing are NaN.

        A netCDF file is one of HDF5 whose axes are dimension scales. It is written without h5netcdf, which looks up every axis
        again for each variable: a tenth of the time.
        """
        import h5py

        assert engine == "h5netcdf"  # xarray's own needs it; the file is the same
        with h5py.File(path, "w", track_order=True) as file:
            for name, (_, values, attributes) in {**self.variables, **self.coords}.items():
                assert values.dtype.kind in "fiuUO", f"{name}: netCDF has no {values.dtype}"
                text, number = values.dtype.kind in "UO", values.dtype.kind == "f"
                data, kind = (values.astype(object), h5py.string_dtype()) if text else (values, values.dtype)
                written = file.create_dataset(name, data=data, dtype=kind, fillvalue=np.nan if number else None)
                written.attrs.update({"_FillValue": np.full(1, np.nan, values.dtype)} if number else {})
                written.attrs.update({key: _storable(value) for key, value in attributes.items()})
            for name, (dims, values, _) in {**self.variables, **self.coords}.items():
                for i, (dim, size) in enumerate(zip(dims, values.shape, strict=True)):
                    scale = file[dim] if dim in file else file.create_dataset(dim, (size,), ">f4")
                    assert scale.shape == (size,), name
                    if not scale.is_scale:
                        no_labels = f"This is a netCDF dimension but not a netCDF variable.{size:10d}"  # words of the format
                        scale.make_scale(dim if dim in self.coords else no_labels)
                    if name != dim:
                        file[name].dims[i].attach_scale(scale)
            file.attrs.update({name: _storable(value) for name, value in self.attrs.items()})


def _storable(value: Any) -> Any:
    """Return an attribute as netCDF holds it: numbers as rows; of a file's name, bytes that are not UTF-8 shown by their code."""
    if isinstance(value, str):
        return value if is_unicode(value) else printable(value)
    return np.atleast_1d(value) if np.isscalar(value) else value


def concatenated(parts: dict[str, LabelledArrays], axis: str) -> LabelledArrays:
    """Return the arrays of several parts along a new first axis.

    A variable or a label that a part does not have is NaN there; along an axis that it does not have its numbers are repeated.

    Args:
        parts: by label.
        axis: name of the new axis.
    """
    whole = list(parts.values())
    coords = {name: one for part in whole for name, one in part.coords.items()}
    for name, (dims, labels, attributes) in coords.items():
        if any(not np.array_equal(part[name], labels) for part in whole):
            coords[name] = dims, np.unique(np.concatenate([part[name] for part in whole])), attributes
    variables: dict[str, Any] = {}
    for name in dict.fromkeys(name for part in whole for name in part.variables):
        having = [part.variables[name] for part in whole if name in part.variables]
        dims, values, attributes = max(having, key=lambda variable: len(variable[0]))
        shape = [len(coords[dim][1]) if dim in coords else size for dim, size in zip(dims, values.shape, strict=True)]
        table = np.full((len(whole), *shape), np.nan)
        for place, part in zip(table, whole, strict=True):
            if name in part.variables:
                own, numbers, _ = part.variables[name]
                places = [
                    np.searchsorted(coords[dim][1], part[dim])
                    if dim in coords and not np.array_equal(part[dim], coords[dim][1])
                    else np.arange(size)
                    for dim, size in zip(dims, shape, strict=True)
                ]
                place[np.ix_(*places)] = numbers[tuple(slice(None) if dim in own else None for dim in dims)]
        variables[name] = (axis, *dims), table, attributes
    coords[axis] = (axis,), np.array(list(parts)), {}
    return LabelledArrays(variables, coords, whole[0].attrs)


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
    with opened(path) as file:
        if os.fstat(file.fileno()).st_size > limit(LARGEST_TABLE):
            raise DamagedError("it is too large")
        stored = file.read()
    content = stored[:-_DIGEST]
    if hashlib.sha256(belongs_to.encode() + content).digest() != stored[-_DIGEST:]:
        raise DamagedError("its checksum is not that of its content")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise DamagedError("it is packed")  # never by this package; a packed file may be of any size
        with np.load(io.BytesIO(content), allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except Exception as error:  # of a file that was made to deceive: even SyntaxError, MemoryError
        raise DamagedError(str(error)) from error

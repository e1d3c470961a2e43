"""Labelled arrays on disk: the files are those of xarray's own writer, as xarray reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray

from dstheory.readers.arrays import LabelledArrays


def test_a_file_is_read_as_the_one_that_xarray_writes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = np.where(rng.random((2, 3, 4)) < 0.3, np.nan, rng.normal(size=(2, 3, 4)))
    data = xarray.Dataset(
        {
            "table": (("run", "unlabelled", "by"), table, {"long_name": "a table", "units": "", "n": 3, "share": 0.5}),
            "counts": (("unlabelled",), np.array([2**40, 0, -1])),
            "single": (("alone", "unlabelled"), rng.normal(size=(5, 3)).astype(np.float32)),
            "names": (("unlabelled",), np.array(["a", "ü", ""], dtype=object)),
            "status": (("by",), np.arange(4, dtype=np.int8)),
            "number": ((), 3.5),
        },
        coords={"run": [1.5, np.inf], "by": ["b", "a", "dd", "c"]},
        attrs={**{f"setting {i}": i for i in range(20)}, "title": "ä", "levels": [0.5, 1.0]},
    )
    data.to_netcdf(tmp_path / "theirs.nc", engine="h5netcdf")
    LabelledArrays.of(data).to_netcdf(tmp_path / "ours.nc")
    theirs, ours = (xarray.load_dataset(tmp_path / name, engine="h5netcdf") for name in ("theirs.nc", "ours.nc"))
    xarray.testing.assert_identical(ours, theirs)
    assert {name: ours[name].dtype for name in ours.variables} == {name: theirs[name].dtype for name in theirs.variables}


def test_axes_of_one_name_have_one_length(tmp_path: Path) -> None:
    arrays = LabelledArrays({"a": (("step",), np.zeros(3), {}), "b": (("step",), np.zeros(4), {})}, {})
    with pytest.raises(AssertionError, match="b"):
        arrays.to_netcdf(tmp_path / "a.nc")

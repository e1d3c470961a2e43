"""Runs on disk and strict JSON."""

from __future__ import annotations

import enum
import gc
import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from dstheory import __version__
from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.readers import json_text, read_run, results_directory, to_jsonable, write_manifest, write_run

MANIFEST = {
    "command": "simulate",
    "parameters": {"beta": 0.1, "clip_norm": np.inf, "runs": np.int64(3)},
    "seed": 7,
    "wall_seconds": 1.5,
}


@pytest.fixture
def history() -> xarray.Dataset:
    rng = np.random.default_rng(0)
    return xarray.Dataset(
        {
            "accuracy": (("run", "step"), rng.random((3, 50))),
            "gradient": (("run", "step"), np.where(rng.random((3, 50)) < 0.1, np.nan, np.inf)),
            "elapsed": ("step", np.arange(50.0), {"units": "seconds"}),
            "stopped": ("run", np.array([True, False, True])),
            "turns": ("run", np.array([1, 2, 3])),
        },
        coords={"step": np.arange(50), "objective": ("run", ["reinforce", "kl", "sft"])},
        attrs={"title": "three runs", "gamma": 0.95},
    )


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        pytest.fail(f"{name} is not strict JSON")

    return json.loads(text, parse_constant=refuse)


def test_round_trip(tmp_path: Path, history: xarray.Dataset) -> None:
    with results_directory(tmp_path / "out") as directory:
        write_run(directory, history, MANIFEST)
    run = read_run(tmp_path / "out")
    assert run.history is not None
    xarray.testing.assert_identical(run.history.drop_attrs(deep=False), history.drop_attrs(deep=False))
    assert run.history.attrs["title"] == "three runs"
    checksums = {name: run.manifest.pop(name) for name in ("sha256", "checksum")}
    assert checksums["sha256"] == {"history.nc": hashlib.sha256((tmp_path / "out/history.nc").read_bytes()).hexdigest()}
    assert run.manifest == {
        "format": "dstheory-run/1",
        "version": __version__,
        "command": "simulate",
        "parameters": {"beta": 0.1, "clip_norm": "Infinity", "runs": 3},
        "seed": 7,
        "wall_seconds": 1.5,
        "files": ["history.nc", "run.json"],
    }
    assert float(run.manifest["parameters"]["clip_norm"]) == np.inf
    assert strict((tmp_path / "out" / "run.json").read_text()) == run.manifest | checksums


def test_manifest_alone(tmp_path: Path) -> None:
    write_manifest(tmp_path, MANIFEST)
    assert read_run(tmp_path).history is None


def test_manifest_needs_its_parts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the manifest has no parameters, wall_seconds: needs command"):
        write_manifest(tmp_path, {"command": "x", "seed": 0})


def test_nothing_is_replaced(tmp_path: Path, history: xarray.Dataset) -> None:
    write_run(tmp_path, history, MANIFEST)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DSTheoryError, match=r"history\.nc exists already"):
        write_run(tmp_path, history, MANIFEST)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def make_checksums_fit(folder: Path) -> None:
    """Make it a result whose checksums are those of the files as they are now."""
    (folder / "run.json").unlink(missing_ok=True)
    write_manifest(folder, MANIFEST)


@pytest.mark.parametrize("name", ["history.nc", "run.json"])
def test_a_changed_byte_is_refused_wherever_it_is(tmp_path: Path, history: xarray.Dataset, name: str) -> None:
    with results_directory(tmp_path / "out") as directory:
        write_run(directory, history, MANIFEST)
    path = tmp_path / "out" / name
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    places = range(len(whole)) if name == "run.json" else sorted(rng.integers(0, len(whole), 300).tolist())
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(FileFormatError, match=rf"{name} (is not what was written|does not say format)") as caught:
            read_run(tmp_path / "out")
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    assert read_run(tmp_path / "out").history is not None
    path.unlink()
    with pytest.raises(FileFormatError, match=rf"{name} is not what was written|holds no results"):
        read_run(tmp_path / "out")


def test_results_without_checksums_are_not_opened(
    tmp_path: Path, history: xarray.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history whose texts are said to be 4 GB long took that much memory, and seconds, before it was refused."""
    write_run(tmp_path, history, MANIFEST)
    manifest = strict((tmp_path / "run.json").read_text())
    monkeypatch.setattr("dstheory.readers.results._read_netcdf", lambda path: pytest.fail("opened"))
    for gone in (("sha256",), ("checksum",), ("sha256", "checksum")):
        plain = {key: value for key, value in manifest.items() if key not in gone}
        (tmp_path / "run.json").write_text(json.dumps(plain, indent=2))
        with pytest.raises(FileFormatError, match=r"run\.json is not what was written"):
            read_run(tmp_path)


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    """A name of a file may hold any bytes; JSON has an escape for them."""
    with results_directory(tmp_path / "out\udcff") as directory:
        write_manifest(directory, MANIFEST | {"command": ["simulate", "--mdp", "a\udcff.json"]})
    assert read_run(tmp_path / "out\udcff").manifest["command"][2] == "a\udcff.json"


def test_a_damaged_history_is_refused_without_a_second_error_when_it_is_deleted(
    tmp_path: Path, history: xarray.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """h5netcdf leaves an object that fails once more, on standard error, where a file breaks while it is being opened."""
    write_run(tmp_path, history, MANIFEST)
    whole, printed = (tmp_path / "history.nc").read_bytes(), []
    monkeypatch.setattr("sys.unraisablehook", printed.append)
    for at in (64, 96):  # the root group, its attributes
        (tmp_path / "history.nc").write_bytes(whole[:at] + bytes([whole[at] ^ 128]) + whole[at + 1 :])
        make_checksums_fit(tmp_path)
        with pytest.raises(FileFormatError, match=r"history\.nc is not a complete netCDF file"):
            read_run(tmp_path)
    gc.collect()
    assert printed == []


def test_truncated_history(tmp_path: Path, history: xarray.Dataset) -> None:
    write_run(tmp_path, history, MANIFEST)
    data = (tmp_path / "history.nc").read_bytes()
    for cut in (0, 4, 100, len(data) // 3, len(data) // 2, len(data) - 1):
        (tmp_path / "history.nc").write_bytes(data[:cut])
        make_checksums_fit(tmp_path)
        with pytest.raises(
            FileFormatError, match=r"^.*history\.nc is not a complete netCDF file: it was cut off or changed; run"
        ) as caught:
            read_run(tmp_path)
        assert "\n" not in str(caught.value)
    (tmp_path / "history.nc").write_text("not netCDF at all, but long enough to be looked at by everybody " * 20)
    make_checksums_fit(tmp_path)
    with pytest.raises(FileFormatError, match="is not a complete netCDF file"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"holds no results: there is no run\.json in it"),
        ('{"format": "dstheory-run/1", ', r"run\.json is not what was written: it was cut off or changed"),
        ("[" * 100_000, r"run\.json is not what was written"),
        ('{"format": "other"}', r"run\.json does not say format 'dstheory-run/1'"),
        ("[]", r"run\.json does not say format"),
    ],
)
def test_no_run(tmp_path: Path, content: str | None, says: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(FileFormatError, match=says):
        read_run(tmp_path)


def test_file_instead_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(FileFormatError, match=r"run\.json cannot be read: Not a directory"):
        read_run(tmp_path / "a.csv")


def test_arrays_that_are_larger_than_their_file(tmp_path: Path) -> None:
    """A file of HDF5 may describe any number of numbers that nobody wrote."""
    import h5netcdf

    with h5netcdf.File(tmp_path / "history.nc", "w") as file:
        file.dimensions["step"] = 10**12
        file.create_variable("accuracy", ("step",), float)
    assert (tmp_path / "history.nc").stat().st_size < 10_000
    make_checksums_fit(tmp_path)
    with pytest.raises(FileFormatError, match="is not a complete netCDF file"):
        read_run(tmp_path)


class Kind(enum.Enum):
    TURN = "turn"


class TextKind(str, enum.Enum):  # noqa: UP042 - the mixed-in form is what is tested
    TURN = "turn"


@dataclass
class Point:
    p: float
    path: Path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int8(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(2.5), 2.5),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.array([1.0, np.nan, -np.inf]), [1.0, None, None]),
        (np.array(["a", "b"]), ["a", "b"]),
        (float("inf"), None),
        ((1, None, True), [1, None, True]),
        ({3: {"b", "a"}}, {"3": ["a", "b"]}),
        (Kind.TURN, "turn"),
        (TextKind.TURN, "turn"),
        (Fraction(1, 3), "1/3"),
        (Point(np.nan, Path("a/b")), {"p": None, "path": "a/b"}),
        (10**30, 10**30),
        ([], []),
    ],
)
def test_to_jsonable(value: Any, expected: Any) -> None:
    found = to_jsonable(value)
    assert found == expected
    assert strict(json_text(value)) == expected
    assert type(found) is type(expected)


def test_non_finite_numbers_as_text() -> None:
    assert to_jsonable([np.nan, np.array([-np.inf, np.inf])], nonfinite="text") == ["NaN", ["-Infinity", "Infinity"]]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": [1, object()]}, r"value\['a'\]\[1\] is of type object, which has no form in JSON"),
        (1j, "value is of type complex"),
        (b"x", "value is of type bytes"),
        ({(1, 2): 3}, r"value has the key \(1, 2\)"),
    ],
)
def test_what_has_no_form_in_json(value: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        to_jsonable(value)

"""Compiled once, found again, and working where nothing can be written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dstheory
from dstheory.kernels import is_compiled, warm_up
from dstheory.kernels.jit import cache_directory, sources
from dstheory.kernels.parallel import available_threads, blocks, run_blocks

SAMPLE = """
import numpy as np
from dstheory.kernels import sample_trajectories
from dstheory.kernels.jit import cache_directory
drawn = sample_trajectories(3, np.random.default_rng(0), answer_probability=[[1.0]], stop_probability=[[1.0]])
print(drawn.stops.all(), cache_directory())
"""


def python(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """Return a directory with a copy of the package in which no kernel cache can be made, as in a read-only install."""
    source = Path(dstheory.__file__).parent
    copy = tmp_path / "site"
    for part in ("__init__.py", "__init__.pyi", "_version.py", "errors.py", "texts.py"):
        (copy / "dstheory").mkdir(parents=True, exist_ok=True)
        shutil.copy(source / part, copy / "dstheory" / part)
    shutil.copytree(source / "kernels", copy / "dstheory" / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "dstheory" / "kernels" / "__pycache__").touch()  # a file: also root cannot make a directory of it
    return copy


def test_import_is_free() -> None:
    loaded = python("import sys, dstheory, dstheory.kernels; print('numba' in sys.modules, 'numpy' in sys.modules)")
    assert loaded == "False False"


def test_every_name_exists() -> None:
    listed = python("import dstheory.kernels as k; print(all(getattr(k, n) is not None for n in k.__all__), dir(k) == k.__all__)")
    assert listed == "True True"
    with pytest.raises(AttributeError, match="attribute nothing"):
        _ = dstheory.kernels.nothing


def test_warm_up_is_remembered() -> None:
    warm_up()
    directory = cache_directory()
    if directory is None:
        pytest.skip("no cache directory can be written here: nothing to be remembered in")
    assert is_compiled()
    assert any(directory.rglob("*.nbc"))


def test_the_cache_is_another_one_when_a_source_of_compiled_loops_changes() -> None:
    """Every file with such loops is hashed, and every file of the package that it takes names from, but for exceptions."""
    room = Path(dstheory.__file__).parent
    hashed = set(sources())
    for file in room.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if re.search(r"^@(kernel|inlined)\b", text, flags=re.MULTILINE):
            taken = re.findall(r"^from (dstheory(?!\.errors)[\w.]*) import", text, flags=re.MULTILINE)
            assert {file, *(room.parent / f"{name.replace('.', '/')}.py" for name in taken)} <= hashed, file
            assert len(taken) > 0 or file.name == "jit.py"


def test_cache_goes_to_the_user_directory_and_is_found_again(install: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(install), "XDG_CACHE_HOME": str(tmp_path / "cache"), "NUMBA_CACHE_DIR": ""}
    kept = tmp_path / "cache" / "dstheory"
    assert python(SAMPLE, **environment).startswith(f"True {kept}")
    compiled = sorted(kept.rglob("*.nbc"))
    assert compiled
    stamps = [path.stat().st_mtime_ns for path in compiled]
    python(SAMPLE, **environment)
    assert [path.stat().st_mtime_ns for path in sorted(kept.rglob("*.nbc"))] == stamps


def test_works_where_nothing_can_be_written(install: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {"PYTHONPATH": str(install), "XDG_CACHE_HOME": str(tmp_path / "file"), "NUMBA_CACHE_DIR": ""}
    assert python(SAMPLE + "from dstheory.kernels import is_compiled\nprint(is_compiled())", **environment) == "True None\nFalse"


@pytest.mark.parametrize(
    ("rows", "smallest", "largest", "threads"), [(0, 1, 9, 2), (1, 5, 9, 2), (1000, 7, 40, 3), (10, 0, 0, 1)]
)
def test_blocks_cover_all_rows_once(rows: int, smallest: int, largest: int, threads: int) -> None:
    pieces = blocks(rows, smallest, largest, threads)
    assert [i for start, stop in pieces for i in range(start, stop)] == list(range(rows))
    assert all(stop - start <= max(largest, 1) for start, stop in pieces)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_run_blocks_keeps_order_and_passes_errors_on(threads: int) -> None:
    assert run_blocks(lambda a, b: (a, b), [(i, i + 1) for i in range(20)], threads) == [(i, i + 1) for i in range(20)]

    def fails(start: int, stop: int) -> None:
        if start == 7:
            raise ArithmeticError("block 7")

    with pytest.raises(ArithmeticError, match="block 7"):
        run_blocks(fails, [(i, i + 1) for i in range(20)], threads)
    assert available_threads() >= 1

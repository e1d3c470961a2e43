"""A mutant stands in place of what was loaded before, and frozen; what is listed about mutants is about some that exist."""

from __future__ import annotations

import gc
from pathlib import Path

from mutation import run

from dstheory.user_files import import_file


def test_what_is_frozen_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "formula.py"
    path.write_text("def twice(x):\n    return x + x\n")
    module, (mutant, *_) = import_file("objectives", path), run.mutants_of(path.read_text())
    assert module.twice(3) == 6
    gc.freeze()
    try:
        run._replace(path, mutant)
    finally:
        gc.freeze()
    assert module.twice(3) == 0


def test_what_is_listed_exists() -> None:
    assert run.missing(run.all_mutants()) == []
    assert [test for tests in run.SUITES.values() for test in tests if not (run.ROOT / test.split("::")[0]).exists()] == []

"""Recorded runs of the benchmarks, and the docs' tables that are written from them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from benchmarks import history
from benchmarks.report import Report, Row, Target


@pytest.mark.skipif(not any(history.RESULTS.glob("*.json")), reason="no run is recorded")
def test_the_page_on_speed_holds_the_newest_figures() -> None:
    block = history.BLOCK.search((history.DOCS / "speed.md").read_text(encoding="utf-8"))
    assert block is not None
    assert block[0] == history.table(), "python -m benchmarks --record writes this table"


def test_a_run_is_kept_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(history, "DOCS", tmp_path)
    (tmp_path / "speed.md").write_text("Before.\n<!-- recorded -->\nold\n<!-- end -->\nAfter.\n")
    targets = [
        Target("ratio", np.float64(3.0), 2.0, at_least=True, unit="x"),
        Target("seconds", np.float64(9.0), 5.0, False, "s"),
    ]
    first = Report("W1", "one", [Row("a", np.float64(1.0), np.float32(2.0))], targets, {"peer": np.float64(1e-12)})
    began = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for reports in ([first], [first, Report("W2", "two", targets=targets)]):  # after every workload, into one file
        history.record(reports, began, 1.0)
        history.write_pages()
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["20260102-030405.json"]
    page = (tmp_path / "speed.md").read_text()
    assert page.startswith("Before.\n<!-- recorded -->\n* W1, W2: run of 2026-01-02 03:04 UTC")
    assert "| **W2** two | ratio | 3 x | at least 2 x |\n|  | seconds | **9 s** | at most 5 s |\n<!-- end -->\nAfter.\n" in page
    all_runs = (tmp_path / "benchmarks.md").read_text()
    assert all_runs.count("python 3.") == all_runs.count("\nVersions: ") == 1
    assert "| W1 | largest relative difference from a contender | at most 1e-09 | 1e-12 |" in all_runs
    of = [
        {"versions": {"python": "3.11", "jax": "1"}},
        {"versions": {"python": "3.11"}},
        {"versions": {"python": "3.12", "jax": "1"}},
    ]
    assert history._versions_over(of) == "Versions: python 3.12, jax 1; python 3.11 in runs 1, 2; jax none in run 2."

"""The docs' tables of benchmarks are those of the recorded runs."""

from __future__ import annotations

import pytest

from benchmarks.history import BLOCK, DOCS, RESULTS, newest, table


@pytest.mark.skipif(not any(RESULTS.glob("*.json")), reason="no run is recorded")
def test_the_page_on_speed_holds_the_newest_run() -> None:
    block = BLOCK.search((DOCS / "speed.md").read_text(encoding="utf-8"))
    assert block is not None
    assert block[0] == table(newest()), "python -m benchmarks --record writes this table"
    assert newest()["when"] in (DOCS / "benchmarks.md").read_text(encoding="utf-8")

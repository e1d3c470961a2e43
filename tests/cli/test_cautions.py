"""What `dstheory anatomy` says of intervals that may hold the truth too seldom."""

from __future__ import annotations

import json
from pathlib import Path


def test_it_is_said_below_the_table_and_in_json(dstheory, tmp_path: Path) -> None:
    lines = []
    for i in range(12):
        for j in range(6):
            steps = [{"correct": False, "decision": "resample"}] * (j % 2 if i > 2 else 0)
            steps.append({"correct": i < 3, "decision": "stop"})
            lines.append(json.dumps({"id": f"{i}-{j}", "problem": i, "cap": 4, "attempts": steps}) + "\n")
    Path("log.jsonl").write_text("".join(lines), encoding="utf-8")
    ran = dstheory("anatomy", "log.jsonl", "--out", "a")
    said = " ".join(ran.out.split())
    star = "* An interval with a star may contain the true value less often than its level says: few problems have most of the"
    assert star in said
    assert "* may contain the true value less often than its level says: few problems show how much they differ" in said
    written = json.loads(Path("a/anatomy.json").read_text(encoding="utf-8"))
    assert written["groups"][0]["total"]["rates"]["p"]["caution"].startswith("few problems have most")

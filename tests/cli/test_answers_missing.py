"""What is missing depends on how it went: no answer is a wrong one, and what is left out gives bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def _file(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def _text(i: int, text: str) -> dict[str, Any]:
    return {"id": i, "gold": "4", "transcript": text}


def _lopsided(path: Path, missing: int = 40) -> Path:
    """Answers that are all right, and texts without any: what is there says nothing about what is not."""
    right = [_text(i, "It is \\boxed{4}") for i in range(100 - missing)]
    return _file(path, *right, *(_text(100 + i, "I do not know") for i in range(missing)))


def test_no_answer_is_a_wrong_one_without_any_option(dstheory, tmp_path: Path) -> None:
    ran = dstheory("anatomy", _lopsided(tmp_path / "a.jsonl"), "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "0.600 [" in ran.out
    assert "40 have no answer and count as wrong ones" in ran.out


def test_what_is_left_out_gives_bounds(dstheory, tmp_path: Path) -> None:
    path = _lopsided(tmp_path / "a.jsonl")
    ran = dstheory("anatomy", path, "--no-answer", "omit", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "1.000 [" in ran.out
    assert "of all records p between 0.600 and 1.000, a between 0.600 and 1.000, " in " ".join(ran.out.split())


@pytest.mark.parametrize("missing", [1, 4])
def test_few_unusable_records_give_bounds_too(dstheory, tmp_path: Path, missing: int) -> None:
    """Episodes whose words are not known are those that went on: without them a would be 1 and b unknown."""
    once = {"attempts": [{"correct": True, "decision": "stop"}]}
    loop = {"attempts": [{"correct": True, "decision": "onwards"}, {"correct": True, "decision": "stop"}]}
    other = {"attempts": [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]}
    records = [once] * (99 - missing) + [other] + [loop] * missing
    path = _file(tmp_path / "a.jsonl", *({"id": i, **record} for i, record in enumerate(records)))
    ran = dstheory("anatomy", path, "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    n, more = 100 - missing, 2 * missing
    said = " ".join(ran.out.split())
    assert f"a between {n / (n + more):.3f} and 1.000, b between {1 / (1 + more):.3f} and 1.000, whatever the {missing}" in said


def test_most_unusable_records_leave_no_rate(dstheory, tmp_path: Path) -> None:
    once = {"attempts": [{"correct": True, "decision": "stop"}]}
    odd = {"attempts": [{"correct": False, "decision": "onwards"}, {"correct": True, "decision": "stop"}]}
    path = _file(tmp_path / "a.jsonl", *({"id": i, **(odd if i % 2 else once)} for i in range(20)))
    ran = dstheory("anatomy", path, "--out", tmp_path / "out")
    assert ran.code == 1
    assert "P(correct)" not in ran.out
    ran = dstheory("anatomy", path, "--max-unusable", 1, "--out", tmp_path / "out")
    assert ran.code == 0
    said = "of all records p between 0.333 and 1.000, a between 0.333 and 1.000, b between 0.000 and 1.000, whatever the 10"
    assert said in " ".join(ran.out.split())


def test_one_record_is_told_of_in_the_singular(dstheory, tmp_path: Path) -> None:
    once = {"attempts": [{"correct": True, "decision": "stop"}], "cap": 2}
    odd = {"attempts": [{"correct": False, "decision": "onwards"}, {"correct": True, "decision": "stop"}], "cap": 2}
    path = _file(tmp_path / "a.jsonl", *({"id": i, "problem": 0, **(odd if i == 0 else once)} for i in range(9)))
    ran = dstheory("anatomy", path, "--out", tmp_path / "out")
    assert "1 of 9 records was unusable because of what happened there" in ran.err
    ran = dstheory("anatomy", path, "--max-unusable", 1, "--details", "--json", "--out", tmp_path / "out")
    notes = " ".join(ran.result["reading"]["notes"])
    assert "1 record is left out because of what happened there, so" in notes
    assert "whatever the 1 record left out because of what happened there may hold" in notes
    assert "Wilson, 1 effective trials in 1 problem" in ran.result["groups"][0]["total"]["rates"]["p"]["method"]


def test_bounds_are_in_the_numbers_for_machines(dstheory, tmp_path: Path) -> None:
    path = _lopsided(tmp_path / "a.jsonl", 2)
    ran = dstheory("anatomy", path, "--no-answer", "omit", "--json", "--out", tmp_path / "out")
    assert any("p between 0.980 and 1.000" in note for note in ran.result["reading"]["notes"])

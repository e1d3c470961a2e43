"""What the commands say about logs of any format: which there are, how one is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dstheory.readers.formats import formats


def _file(path: Path, *records: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def _once(i: int) -> dict[str, object]:
    return {"id": i, "attempts": [{"correct": True, "decision": "stop"}]}


def test_formats_are_listed(dstheory) -> None:
    ran = dstheory("anatomy", "formats")
    assert ran.code == 0
    assert all(format.name in ran.out for format in formats())


def test_a_one_shot_log_is_read_and_measured(dstheory, tmp_path: Path) -> None:
    path = _file(tmp_path / "a.jsonl", *({"prompt": f"p{i // 3}", "completion": "c", "score": i % 3 == 0} for i in range(12)))
    ran = dstheory("anatomy", path)
    assert ran.code == 0, ran.err
    assert (
        "read as rollouts of prompts, as trainers such as TRL log them: one attempt per record, correctness from score" in ran.out
    )
    assert "Each answer stands alone, so the log has no decisions" in " ".join(ran.out.split())
    assert "pass@k" in ran.out
    assert "P(stop | correct)" not in ran.out


def test_samples_in_lists_are_counted_as_samples(dstheory, tmp_path: Path) -> None:
    path = _file(tmp_path / "a.jsonl", *({"idx": i, "gt": "4", "pred": ["4", "5"], "score": [True, False]} for i in range(9)))
    ran = dstheory("anatomy", path)
    assert "a list of attempts per record" in ran.out
    assert "18 samples read, 18 used" in ran.out


def test_a_verifier_is_named_beside_whether_it_helps(dstheory, tmp_path: Path) -> None:
    two = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
    rows = [{"id": i, "cap": 4, "decided_by": "verifier", "attempts": two if i < 3 else two[1:]} for i in range(8)]
    ran = dstheory("anatomy", _file(tmp_path / "a.jsonl", *rows), "--brief")
    assert "Does resampling help? Undecided, verifier decides." in ran.out
    assert "assumption tested is not rejected at 5 %, which does not show that it holds." in " ".join(ran.out.split())


def test_inspect_shows_what_was_understood(dstheory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [{"is_correct": False, "evaluator_signal": "continue"}, {"is_correct": True, "evaluator_signal": "stop"}]
    path = _file(tmp_path / "a.jsonl", *({"problem_id": f"p{i}", "turns": turns[i % 2 :]} for i in range(5)))
    monkeypatch.setenv("COLUMNS", "500")
    ran = dstheory("anatomy", "inspect", path)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    said = "a.jsonl: read as episodes with a list of turns and an evaluator's signals: one episode per record, correctness from"
    assert lines[0].endswith(f"{said} is_correct")
    assert "  decisions: continue=resample, stop=stop" in lines
    assert lines[-4:-1] == ["  problem p0: wrong resample, right stop", "  problem p1: right stop",
                            "  problem p2: wrong resample, right stop"]  # fmt: skip
    assert lines[-1] == f"next: dstheory anatomy {path}"


def test_inspect_says_which_option_decides(dstheory, tmp_path: Path) -> None:
    path = _file(tmp_path / "a.jsonl", {"input": "p", "output": "o", "reward": 0.3})
    ran = dstheory("anatomy", "inspect", path)
    assert ran.code == 1
    assert "reward is 0.3, neither right nor wrong: say what is right, for example --correct 'reward>=NUMBER'" in ran.err
    assert dstheory("anatomy", "inspect", path, "--correct", "reward>=0.2").code == 0


def test_words_that_are_not_known_leave_no_numbers(dstheory, tmp_path: Path) -> None:
    loop = {"attempts": [{"correct": False, "decision": "onwards"}, {"correct": True, "decision": "stop"}]}
    path = _file(tmp_path / "a.jsonl", _once(0), _once(1), *({"id": i, **loop} for i in range(10, 16)))
    ran = dstheory("anatomy", path)
    assert ran.code == 1
    assert "6 of 8 records were unusable because of what happened there" in ran.err
    assert "p of all attempts" not in ran.out
    assert "--decision says what its words mean" in " ".join(ran.out.split())
    ran = dstheory("anatomy", path, "--decision", "onwards=resample")
    assert ran.code == 0, ran.err
    assert "p of all attempts" in ran.out


def test_a_chain_of_one_turn_has_no_decisions(dstheory, tmp_path: Path) -> None:
    path = _file(tmp_path / "a.jsonl", *({"prompt": f"p{i // 3}", "completion": "c", "score": i % 3 == 0} for i in range(12)))
    ran = dstheory("anatomy", "export-chain", path, "--out", tmp_path / "c.json")
    assert ran.code == 0, ran.err
    assert "a - (no decisions), b - (no decisions), accuracy" in ran.out
    assert "nan" not in ran.out


def test_records_told_apart_by_their_id_alone_that_ask_the_same_are_noted(dstheory, tmp_path: Path) -> None:
    """Two puzzles of three episodes each, in blocks, so that the first 20 records do not show it."""
    asked = "some records of different ids ask the same question"
    steps = {"attempts": [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]}
    rows = [{"id": f"{trial}-{x}", "question": f"puzzle {x}", **steps} for trial in range(2) for x in range(30)]
    path = _file(tmp_path / "a.jsonl", *rows)
    whole = dstheory("anatomy", path, "--json", "--out", tmp_path / "a").result
    assert whole["groups"][0]["total"]["rates"]["problems"] == 60
    assert [note for note in whole["reading"]["notes"] if note.startswith(asked)]
    named = dstheory("anatomy", path, "--field", "problem=question", "--json", "--out", tmp_path / "b").result
    assert named["groups"][0]["total"]["rates"]["problems"] == 30
    once = dstheory("anatomy", _file(tmp_path / "b.jsonl", *rows[:30]), "--json", "--out", tmp_path / "c").result
    own = dstheory("anatomy", _file(tmp_path / "c.jsonl", *({**row, "problem": row["id"]} for row in rows)), "--json",
                   "--out", tmp_path / "d").result  # fmt: skip
    for found in (named, once, own):
        assert not [note for note in found["reading"]["notes"] if note.startswith(asked)]

"""`dstheory anatomy --decision-score`: places of scores, tables, figure, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def _lists(path: Path, scores: list[list[object]]) -> Path:
    verdicts = [[True, False, True, False], [False, False, True, True], [True, True, False, True]]
    rows = [
        {"idx": i, "gt": "1", "pred": ["1", "2", "3", "4"], "score": verdict, "pred_score": [[0.5, s] for s in own]}
        for i, (verdict, own) in enumerate(zip(verdicts, scores, strict=True))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


SCORES: list[list[object]] = [[3, 1, 2, 2], [1, 1.5, 4, 0], [2, 2, 2, 5]]


@pytest.mark.parametrize("place", ["pred_score[].1", "pred_score[][1]"])
def test_a_place_within_lists(dstheory, drawn, tmp_path: Path, place: str) -> None:
    path = _lists(tmp_path / "a.jsonl", SCORES)
    ran = dstheory("anatomy", path, "--decision-score", place, "--json", "--out", "o", "--report", "r.html")
    assert ran.code == 0, ran.err
    found = ran.result["groups"][0]["one_shot"]["scores"]
    right = [3, 2, 4, 0, 2, 2, 5]
    wrong = [1, 2, 1, 1.5, 2]
    assert found["area"]["value"] == pytest.approx(sum((r > w) + (r == w) / 2 for r in right for w in wrong) / 35)
    assert (tmp_path / "o" / "roc.png").exists()
    assert "the score as a decision" in (tmp_path / "r.html").read_text()


def test_a_plain_column_of_a_table(dstheory, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("problem,correct,verifier\nx,1,0.9\nx,0,0.2\ny,1,0.4\ny,0,0.5\n")
    ran = dstheory("anatomy", "a.csv", "--reader", "rollouts", "--decision-score", "verifier")
    assert ran.code == 0, ran.err
    assert "area under the ROC curve: 0.750" in ran.out
    assert "resampling until the score accepts" in ran.out


@pytest.mark.parametrize("place", ["pred_scores[].1", "pred_score[].7"])
def test_a_place_that_is_not_there_names_the_keys_that_are(dstheory, tmp_path: Path, place: str) -> None:
    ran = dstheory("anatomy", _lists(tmp_path / "a.jsonl", SCORES), "--decision-score", place)
    assert ran.code == 1
    assert f"no record has {place}, named as its decision_score: they have idx, gt, pred[], score[], pred_score[]" in ran.err


@pytest.mark.parametrize("bad", [None, "high", [1]])
def test_a_score_that_is_no_number(dstheory, tmp_path: Path, bad: object) -> None:
    path = _lists(tmp_path / "a.jsonl", [*SCORES[:2], [1, bad, 2, 3]])
    ran = dstheory("anatomy", path, "--decision-score", "pred_score[].1")
    assert ran.code == 1
    assert "the decision_score of 1 of 12 samples is not a finite number (first: problem 2" in ran.err
    assert not (tmp_path / "results").exists()


def test_a_log_with_decisions_of_its_own(dstheory, tmp_path: Path) -> None:
    attempts = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": 1, "s": 2, "attempts": attempts}) + "\n")
    ran = dstheory("anatomy", "a.jsonl", "--decision-score", "s")
    assert ran.code == 1
    assert "decisions of its own" in ran.err

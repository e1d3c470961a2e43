"""Votes as a decision: against plain loops, and against the exact chances of a chain whose samples are drawn by hand."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dstheory.anatomy import Episodes, judge_votes, read_log, survey
from dstheory.cli.anatomy.document import document
from dstheory.cli.anatomy.page import html_report
from dstheory.cli.main import cli
from dstheory.errors import RecordError

SHARES = np.array([0.45, 0.35, 0.2])  # of the answers "r" (right), "v" and "w"


def samples(rng: np.random.Generator, problems: int, each: int) -> tuple[Episodes, list[list[str]]]:
    drawn = [[str(x) for x in rng.choice(["r", "v", "w", ""], size=each, p=[*(0.9 * SHARES), 0.1])] for _ in range(problems)]
    rows = [(f"q{i}", [(said == "r", None)]) for i, row in enumerate(drawn) for said in row]
    answers = [said or "(not given)" for row in drawn for said in row]
    return Episodes.record(rows, cap=1, fields={"answer": answers}), drawn


@pytest.mark.parametrize("k", [2, 3, 5])
def test_rates_are_those_of_plain_loops(k: int) -> None:
    log, drawn = samples(np.random.default_rng(k), 40, 11)
    votes = []
    for row in drawn:
        for start in range(0, 11 // k * k, k):
            block = [said for said in row[start : start + k] if said]
            most = max(Counter(block).values(), default=0)
            winner = next((said for said in block if block.count(said) == most), None)
            votes.append((winner == "r", most / k))
    found = judge_votes(log, k)
    right = [agreement for good, agreement in votes if good]
    wrong = [agreement for good, agreement in votes if not good]
    assert found.rule.p.value == pytest.approx(len(right) / len(votes))
    assert found.left_out == 40 * (11 % k)
    assert len(found.rule.thresholds) > 1
    for row in found.rule.thresholds:
        assert row.a.value == pytest.approx(np.mean([agreement >= row.threshold for agreement in right]))
        assert row.b.value == pytest.approx(np.mean([agreement < row.threshold for agreement in wrong]))
        assert row.youden.value == pytest.approx(row.a.value + row.b.value - 1)


def test_against_the_exact_chances_of_three_samples() -> None:
    """All 27 outcomes of three samples, ties to the first: p, a and b of agreement >= 2/3 lie within their intervals."""
    chance = {"right": 0.0, "right and agreed": 0.0, "wrong and not": 0.0}
    for outcome in product(range(3), repeat=3):
        weight = float(np.prod(SHARES[list(outcome)]))
        most = max(outcome.count(x) for x in outcome)
        winner = next(x for x in outcome if outcome.count(x) == most)
        chance["right"] += weight * (winner == 0)
        chance["right and agreed"] += weight * (winner == 0 and most >= 2)
        chance["wrong and not"] += weight * (winner != 0 and most < 2)
    rng = np.random.default_rng(0)
    said = rng.choice(list("rvw"), size=(4000, 3), p=SHARES)
    rows = [(f"q{i}", [(bool(x == "r"), None)]) for i, row in enumerate(said) for x in row]
    found = judge_votes(Episodes.record(rows, cap=1, fields={"answer": [str(x) for x in said.ravel()]}), 3, level=0.999)
    (row,) = [one for one in found.rule.thresholds if abs(one.threshold - 2 / 3) < 1e-9]
    for estimate, truth in (
        (found.rule.p, chance["right"]),
        (row.a, chance["right and agreed"] / chance["right"]),
        (row.b, chance["wrong and not"] / (1 - chance["right"])),
    ):
        assert estimate.low <= truth <= estimate.high


def test_what_cannot_vote() -> None:
    once = Episodes.record([("x", [(True, None)])] * 3, cap=1)
    with pytest.raises(RecordError, match="votes need the answers, and no record has one: name its key"):
        judge_votes(once, 2)
    answered = Episodes.record([("x", [(True, None)])] * 3, cap=1, fields={"answer": ["4"] * 3})
    with pytest.raises(RecordError, match="no problem has 5 samples: at most 3 vote together"):
        judge_votes(answered, 5)
    again = Episodes.record([("x", [(False, "resample"), (True, "stop")])], fields={"answer": ["4"]})
    with pytest.raises(RecordError, match="votes are of samples after which nobody could resample"):
        judge_votes(again, 2)
    with pytest.raises(Exception, match="votes is 1: must be a whole number >= 2"):
        judge_votes(answered, 1)


def test_they_are_shown_in_table_json_and_report(tmp_path: Path) -> None:
    _, drawn = samples(np.random.default_rng(1), 30, 9)
    lines = [{"idx": i, "gt": "r", "pred": row, "score": [said == "r" for said in row]} for i, row in enumerate(drawn)]
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = survey(read_log(path), votes=4)
    said = [line for section in document(found) for line in (section.title, *section.lines)]
    assert "the agreement of 4 samples as the decision" in said
    assert "left out, as they make no whole vote of 4: 30 samples" in said
    assert "the agreement of 4 samples as the decision" in html_report(found, ())
    votes = found.to_dict()["groups"][0]["one_shot"]["votes"]
    assert (votes["k"], votes["rule"]["samples"]) == (4, 60)
    ran = CliRunner().invoke(cli, ["anatomy", str(path), "--votes", "1"])
    assert (ran.exit_code, "--votes" in ran.output) == (2, True)

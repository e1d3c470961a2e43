"""What the first records of a file happen to lack decides nothing: the rest is read alike, or refused."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from dstheory.anatomy import read_log
from dstheory.errors import FileFormatError, RecordError
from dstheory.readers.documents import HEAD
from dstheory.readers.formats import Format, recognise
from dstheory.readers.paths import Place

Records = list[dict[str, Any]]


def _file(folder: Path, records: Records) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def _episode(i: int, signal: str, *turns: tuple[bool, str | None]) -> dict[str, Any]:
    said = [{"is_correct": correct} | ({} if word is None else {signal: word}) for correct, word in turns]
    return {"id": i, "problem_id": i % 5, "turns": said}


@pytest.mark.parametrize(("signal", "who"), [("signal", ()), ("evaluator_signal", ("verifier",))])
@pytest.mark.parametrize("alone", [12, HEAD, 3 * HEAD])
def test_signals_count_where_the_first_episodes_have_none(tmp_path: Path, signal: str, who: tuple[str, ...], alone: int) -> None:
    """Most of the first episodes end after one turn, and say nothing of it: nobody was taken to have decided in the others."""
    short = [_episode(i, signal, (i % 3 == 0, None)) for i in range(alone)]
    long = [_episode(alone + i, signal, (False, "continue"), (True, "stop")) for i in range(8)]
    found = read_log(_file(tmp_path, [*short, *long])).episodes
    assert found.deciders == who
    assert found.correct.tolist() == [i % 3 == 0 for i in range(alone)] + [False, True] * 8
    assert found.ended_by_stop.tolist() == [False] * alone + [True] * 8


def _inspect(value: str | None) -> dict[str, Any]:
    output = {"model": "m", "choices": [{"message": {"role": "assistant", "content": "5"}}]}
    scores = {} if value is None else {"match": {"value": value, "answer": "4"}}
    return {"id": 1, "epoch": 1, "target": "4", "scores": scores, "output": output}


def test_scores_count_also_where_most_samples_have_none(tmp_path: Path) -> None:
    """All were compared with their targets, and the scores passed over."""
    log = read_log(_file(tmp_path, [_inspect(None)] * 12 + [_inspect("C")] * 5 + [_inspect("I")] * 3))
    assert log.episodes.correct.tolist() == [True] * 5 + [False] * 3
    assert log.reading.faults == {"correct": 12}
    with pytest.raises(RecordError, match=rf"line {HEAD + 11} has scores\.\*\.value, and the first records, .* not scored, have"):
        read_log(_file(tmp_path, [_inspect(None)] * (HEAD + 10) + [_inspect("C")] * 5))


def _rows(alone: int) -> Records:
    first = [{"id": i, "correct": True, "decision": None} for i in range(alone)]
    return [*first, {"id": "x", "correct": False, "decision": "resample"}, {"id": "x", "correct": True, "decision": "stop"}]


def test_rows_with_few_decisions_are_attempts(tmp_path: Path) -> None:
    """Most rows had no decision, and each was a rollout by itself."""
    found = read_log(_file(tmp_path, _rows(15))).episodes
    assert found.attempts.tolist() == [1] * 15 + [2]


@pytest.mark.parametrize(("later", "key"), [
    (_rows(0), "decision"), ([{"id": 1, "correct": True, "round": 1}], "round"),
    ([{"id": 1, "correct": True, "turn": 1}], "turn"),
    ([{"id": 1, "attempts": [{"correct": True, "decision": "stop"}]}], "attempts"),
])  # fmt: skip
def test_later_records_of_another_kind_are_refused(tmp_path: Path, later: Records, key: str) -> None:
    """Decisions after the first records were passed over without a word."""
    records = [{"id": i, "correct": True} for i in range(HEAD + 5)] + later
    with pytest.raises(RecordError, match=rf"line {HEAD + 6} has {key}, and the first records, .* graded rows, have not"):
        read_log(_file(tmp_path, records))
    good = [record for record in records if "correct" in record]
    assert read_log(_file(tmp_path, good), reader="rollouts").episodes.one_shot


@pytest.mark.parametrize(("first", "later"), [
    ({"id": 1, "correct": True}, {"problem": "p"}), ({"id": 1, "correct": True}, {"passed": False}),
    ({"input": "a", "output": "b", "score": 1.0}, {"acc": False}),
    ({"problem_id": 1, "turn": 1, "correct": True}, {"signal": "stop"}),
])  # fmt: skip
def test_later_keys_that_would_have_been_taken_are_refused(tmp_path: Path, first: dict[str, Any], later: dict[str, Any]) -> None:
    """What named the problem, and what was right, was what the first records had."""
    (key,) = later
    records = [{**first, **({"problem_id": i} if "turn" in first else {})} for i in range(HEAD + 2)] + [{**first, **later}]
    with pytest.raises(RecordError, match=rf"line {HEAD + 3} has {key}, and the first records, .* passes over {key}"):
        read_log(_file(tmp_path, records))
    one = recognise(records[:HEAD])
    assert one is not None
    assert read_log(_file(tmp_path, records), format=one.name).reading.records >= HEAD + 2


@pytest.mark.parametrize("key", ["problem", "decision", "round"])
def test_a_later_empty_text_is_nothing(tmp_path: Path, key: str) -> None:
    """Logs were refused for it, which says nothing."""
    records = [{"id": i, "correct": True} for i in range(HEAD + 5)]
    found = read_log(_file(tmp_path, [*records, {"id": 0, "correct": False, key: ""}])).episodes
    assert (found.n_problems, found.one_shot) == (HEAD + 5, True)


def test_a_later_empty_signal_is_none(tmp_path: Path) -> None:
    """One empty signal made all that had been read without any into episodes of decisions, and its own record unreadable."""
    records = [_episode(i, "signal", (True, None)) for i in range(HEAD + 5)] + [_episode(99, "signal", (False, ""), (True, None))]
    log = read_log(_file(tmp_path, records))
    assert (log.reading.faults, log.episodes.deciders) == ({}, ("nobody",))
    assert log.episodes.attempts.tolist() == [1] * (HEAD + 5) + [2]


def test_a_later_name_of_problems_in_a_file_of_no_format_is_refused(tmp_path: Path) -> None:
    records = [{"id": i, "ok": True} for i in range(HEAD + 5)] + [{"id": 0, "problem_id": "p", "ok": True}]
    with pytest.raises(RecordError, match=rf"line {HEAD + 6} has problem_id, .* passes over problem_id"):
        read_log(_file(tmp_path, records), fields={"correct": "ok"})
    assert read_log(_file(tmp_path, records), fields={"correct": "ok", "problem": "id"}).episodes.n_problems == HEAD + 5


def test_later_decisions_in_a_file_of_no_format_are_refused(tmp_path: Path) -> None:
    records = [{"id": i, "ok": True} for i in range(HEAD + 5)] + [{"id": 0, "ok": True, "decision": "stop"}]
    with pytest.raises(RecordError, match=rf"line {HEAD + 6} has decision, .* taken for one attempt per record"):
        read_log(_file(tmp_path, records), fields={"correct": "ok"})


def test_later_decisions_of_a_table_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "correct", "decision"])
        writer.writeheader()
        writer.writerows(_rows(HEAD + 5))
    with pytest.raises(RecordError, match=rf"line {HEAD + 7} has decision"):
        read_log(path)
    assert read_log(path, reader="table").episodes.attempts.tolist() == [1] * (HEAD + 5) + [2]


def test_places_in_lists_and_patterns_are_looked_for_in_all_first_records() -> None:
    assert not Place.of("turns[].signal").holds({"turns": [{"signal": None}]})
    text = 'name = "n"\ntitle = "t"\nkeys = ["id", "a[].b"]\nwithout = ["c"]\n'
    mine = Format.parse(text, "n.toml")
    one, other = {"id": 1, "a": [{}, {"b": 0}]}, {"id": 2}
    assert mine.fits([one, other, other])
    assert not mine.fits([other, other])
    assert not mine.fits([one, other, other | {"c": 1}])
    found = recognise([{"turns": [{"is_correct": True}]}, {"turns": [{"is_correct": False, "signal": "stop"}]}])
    assert found is not None
    assert found.name == "turn-signals"


def test_a_table_whose_last_line_does_not_end_may_be_cut_off(tmp_path: Path) -> None:
    """A file cut off within its last cell was read without a word: 12 for 123."""
    path, text = tmp_path / "log.csv", "correct,problem\n1,p123\n0,p123"
    for whole, said in ((text, True), (text + "\n", False), (text + "\r\n", False)):
        path.write_bytes(whole.encode())
        log = read_log(path)
        assert any("the last line has no line end" in note for note in log.reading.notes) is said
    path.write_bytes(gzip.compress(text.encode()))
    assert log.reading.notes == read_log(path).reading.notes
    path.write_bytes(b"")
    with pytest.raises(FileFormatError, match="Empty CSV file"):  # an OSError of the look at its last byte
        read_log(path)

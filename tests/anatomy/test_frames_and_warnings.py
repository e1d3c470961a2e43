"""Logs in memory go into every measure as they were read; decisions that are true or false; checkers that refuse everything."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pandas as pd
import pytest

from dstheory.anatomy import (
    answer,
    check_model,
    compare,
    compare_first_answers,
    fit_chain,
    from_frame,
    from_records,
    generate_log,
    hold_out,
    measure,
    measure_revisions,
    measured_chain,
    read_log,
    survey,
    write_log,
)
from dstheory.anatomy.answers import any_correct
from dstheory.anatomy.logs import Log
from dstheory.errors import DSTheoryError, RecordError
from dstheory.readers.reading import Reading


def test_what_was_read_goes_into_every_measure_as_it_is(tmp_path: Path) -> None:
    episodes = generate_log(40)
    log = Log(episodes, Reading(["mine"], records=len(episodes)))
    found = survey(log, compared=("base", "tuned"))
    same = survey(episodes, compared=("base", "tuned"))
    assert found.comparison is not None
    assert found.comparison.gain == same.comparison.gain
    assert found.reading is log.reading
    assert measure(log, "task") == measure(episodes, "task")
    assert answer(log).rates == answer(episodes).rates
    assert any_correct(log, 3) == any_correct(episodes, 3)
    assert check_model(log, resamples=9) == check_model(episodes, resamples=9)
    assert hold_out(log, kinds=["pooled"]).log_likelihood == hold_out(episodes, kinds=["pooled"]).log_likelihood
    assert fit_chain(log) == fit_chain(episodes)
    assert compare(log, episodes).gain == compare(episodes, episodes).gain
    assert (measured_chain(log).mdp.correct == measured_chain(episodes).mdp.correct).all()
    write_log(tmp_path / "log.jsonl", log)
    assert len(read_log(tmp_path / "log.jsonl").episodes) == len(episodes)


def test_what_is_no_log_is_refused() -> None:
    with pytest.raises(RecordError, match=r"^a DataFrame is not a log of episodes: read it with dstheory.anatomy.from_frame"):
        survey(pd.DataFrame({"id": [1]}))
    with pytest.raises(RecordError, match=r"^a list is not a log of episodes: .*from_records"):
        measure([{"id": 1}])


@pytest.mark.parametrize("asked", [answer, measure_revisions, measured_chain, survey, lambda x: compare_first_answers(x, x)])
def test_no_episodes_at_all_are_refused(asked) -> None:
    with pytest.raises(RecordError, match=r"^there are no episodes: give at least one$"):
        asked(generate_log(5).select([]))


@pytest.mark.parametrize("resamples", [-1, 2.5])
def test_a_number_of_simulated_logs_is_a_whole_number(resamples) -> None:
    with pytest.raises(DSTheoryError, match=f"^resamples is {resamples}: must be a whole number >= 0$"):
        check_model(generate_log(5), resamples=resamples)


# ---------------------------------------------------------------------- decisions that are true or false

ROWS = {"id": [1, 1, 2, 3, 3], "correct": [False, True, True, False, False]}
WAITED = [True, False, False, True, False]
WORDS = ["resample", "stop", "stop", "resample", "stop"]


@pytest.mark.parametrize("column", [WAITED, [int(x) for x in WAITED], [float(x) for x in WAITED], [str(x) for x in WAITED]])
def test_decisions_may_be_true_and_false_once_it_is_said_which_is_which(column: list[object]) -> None:
    one, zero = ("true", "false") if column[0] is True else ("True", "False") if column[0] == "True" else ("1", "0")
    frame = pd.DataFrame({**ROWS, "said_wait": column})
    want = from_frame(pd.DataFrame({**ROWS, "decision": WORDS}))
    got = from_frame(frame, fields={"decision": "said_wait"}, decision=f"{one}=resample,{zero}=stop")
    assert (got.episodes.stopped == want.episodes.stopped).all()
    assert measure(got) == measure(want)


def test_true_and_false_are_not_guessed_to_be_decisions() -> None:
    frame = pd.DataFrame({**ROWS, "said_wait": WAITED})
    with pytest.raises(RecordError, match=r"said_wait is (true|false): .*true=resample,false=stop .*or the other way round"):
        from_frame(frame, fields={"decision": "said_wait"})


def test_an_empty_last_decision_stays_none() -> None:
    frame = pd.DataFrame({**ROWS, "said_wait": [True, None, False, True, None]})
    got = from_frame(frame, fields={"decision": "said_wait"}, decision="true=resample,false=stop")
    assert got.episodes.capped.tolist() == [True, False, True]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_true_and_false_are_decisions_in_files_too(tmp_path: Path, suffix: str) -> None:
    frame, path = pd.DataFrame({**ROWS, "said_wait": WAITED}), tmp_path / f"log{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    got = read_log(path, reader="table", fields={"decision": "said_wait"}, decision="true=resample,false=stop")
    assert measure(got) == measure(from_frame(pd.DataFrame({**ROWS, "decision": WORDS})))


def test_true_and_false_are_decisions_in_nested_records_too(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    attempts = [{"correct": False, "waits": True}, {"correct": True, "waits": False}]
    path.write_text(json.dumps({"id": 1, "cap": 4, "attempts": attempts}), encoding="utf-8")
    got = read_log(path, reader="records", fields={"decision": "waits"}, decision="true=resample,false=stop")
    assert got.episodes.stopped.tolist() == [False, True]


# ---------------------------------------------------------------------- checkers that refuse or accept nearly everything


def transcripts(n: int) -> list[dict[str, object]]:
    return [{"id": i, "transcript": f"I try {i} + 1. Wait, no. It is {i} + 2."} for i in range(n)]


def test_a_checker_that_refuses_everything_is_named_with_what_it_was_given() -> None:
    log = from_records(transcripts(10), reader="transcript", segment="markers", checker=lambda answer, record: False)
    (note,) = [note for note in log.reading.notes if "checker" in note]
    assert note.startswith("the checker refused all 20 answers that it was given; the first was '1':")


def test_nearly_all_is_said_likewise_and_the_middle_is_not() -> None:
    def accepts(share: int):
        return lambda answer, record: record["id"] < share

    def notes(share: int) -> list[str]:
        log = from_records(transcripts(100), reader="transcript", segment="markers", checker=accepts(share))
        return [note for note in log.reading.notes if "checker" in note]

    assert notes(1)[0].startswith("the checker refused 198 of 200 answers")
    assert notes(99)[0].startswith("the checker accepted 198 of 200 answers")
    assert notes(100)[0].startswith("the checker accepted all 200 answers")
    assert notes(10) == notes(90) == []


def test_answers_of_many_files_are_counted_together(tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / f"{i}.jsonl").write_text(json.dumps(transcripts(12)[i]), encoding="utf-8")
    check = tmp_path / "mine.py"
    check.write_text("def right(answer, record):\n    return answer.strip() == 'never'\n", encoding="utf-8")
    log = read_log(*sorted(tmp_path.glob("*.jsonl")), reader="transcript", segment="markers", checker=f"{check}:right")
    (note,) = [note for note in log.reading.notes if "checker" in note]
    assert "refused all 24 answers" in note


def test_a_checker_of_single_answers_is_watched_too(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rows = [{"prompt": f"p{i}", "completion": f"so {i}", "answer": "x"} for i in range(12)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    try:
        log = read_log(path, checker="final-answer", fields={"gold": "answer", "transcript": "completion", "id": "prompt"},
                       reader="transcript", pattern=r"so (\d+)")  # fmt: skip
    except RecordError as error:  # pragma: no cover
        pytest.fail(str(error))
    assert any("refused all 12 answers" in note for note in log.reading.notes)


PLAIN_WORDS = [("continue", "stop"), ("retry", "submit"), ("Revise", "Accept"), ("again", "done"), ("resample", "accept")]


@pytest.mark.parametrize(("again", "end"), PLAIN_WORDS)
def test_plain_words_for_decisions_need_no_option(again: str, end: str, tmp_path: Path) -> None:
    """Right at once, or after one wrong answer: a, b and p are the same by files, frames and records, and it is said."""
    rows = [(i, c, d) for i in range(4) for c, d in (((True, end),) if i < 2 else ((False, again), (True, end)))]
    records = [
        {"id": i, "attempts": [{"correct": c, "decision": d} for j, c, d in rows if j == i]} for i in range(4)
    ]
    before = json.dumps(records)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "a.csv").write_text("id,correct,decision\n" + "".join(f"{i},{c},{d}\n" for i, c, d in rows))
    frame = pd.DataFrame(rows, columns=["id", "correct", "decision"])
    for log in (read_log(tmp_path / "a.jsonl"), read_log(tmp_path / "a.csv"), from_frame(frame), from_records(records)):
        assert log.reading.faults == {}
        (row,) = measure(log.episodes)
        assert (row.p.value, row.a.value, row.b.value, row.a.trials, row.b.trials) == (4 / 6, 1.0, 1.0, 4, 2)
        (line,) = [line for line in log.reading.lines() if line.startswith("read as")]
        assert f"{again} taken for resample" in line or again == "resample"
        assert "(--decision says otherwise)" in line
    assert json.dumps(records) == before


ODD_WORDS = [("yes", "no"), ("continue", "no"), ("keep", "stop"), ("continue", "continue?"), ("resample", "halt")]


@pytest.mark.parametrize(("again", "end"), ODD_WORDS)
def test_words_that_could_mean_either_are_not_guessed(again: str, end: str) -> None:
    rows = {"id": [1, 1, 2, 3], "correct": [False, True, True, True], "decision": [again, end, end, "stop"]}
    assert "decision" in from_frame(pd.DataFrame(rows)).reading.faults


def test_records_in_memory_are_read_by_the_rules_of_files() -> None:
    """A name that no record has is refused, not passed over; what was given stays as it was."""
    steps = [{"correct": False, "decision": "continue"}, {"correct": True, "decision": "halt"}]
    records = [{"id": i, "most": 4, "attempts": [dict(step) for step in steps]} for i in range(30)]
    before = deepcopy(records)
    log = from_records(iter(records), fields={"cap": "most"}, labels=["most"])
    assert (log.episodes.cap.tolist(), log.episodes.stopped.sum(), records) == ([4] * 30, 30, before)
    with pytest.raises(RecordError, match=r"^records: no record has mist, named as its cap: they have id, most, "):
        from_records(records, fields={"cap": "mist"})

"""`dstheory anatomy` on answers given in turn; and who decides, which every output says where it is not the model."""

from __future__ import annotations

import json
import random
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dstheory.anatomy import Episodes, answer, from_frame, from_records, read_log, survey
from dstheory.errors import RecordError


def _file(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def _drafts(tmp_path: Path) -> Path:
    """Right to right 3 of 4, wrong to right 2 of 4."""
    drafts = ["77", "67", "66", "77", "76", "67", "77", "66"]
    return _file(tmp_path / "drafts.jsonl", *(
        {"example_id": i, "score": last == "7", "extra": {"gold": "7", "intermediate_steps": [{"draft": first}, {"draft": last}]}}
        for i, (first, last) in enumerate(drafts)
    ))  # fmt: skip


def test_drafts_and_final_answers_in_every_output(dstheory, tmp_path: Path) -> None:
    path = _drafts(tmp_path)
    ran = dstheory("anatomy", path, "--out", tmp_path / "out", "--report", tmp_path / "report.html")
    assert ran.code == 0, ran.err
    page = unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    for text in (ran.out, page):
        assert "nobody decided whether to go on, so the decisions are not the model's" in text
        assert "0.500 [0.175, 0.825]" in text  # first answers
        assert "0.750 [0.182, 0.995]" in text  # right after right
        assert "0.500 [0.062, 0.938]" in text  # right after wrong
        assert "does resampling help" not in text
    found = json.loads((tmp_path / "out" / "anatomy.json").read_text(encoding="utf-8"))
    (group,) = found["groups"]
    assert (group["total"]["decided_by"], group["total"]["helps"]) == ("nobody", "nobody decides")
    assert [group["total"]["rates"][name]["value"] for name in "ab"] == [None, None]
    assert {rate["value"] for rate in group["total"]["predicted"].values()} == {None}
    revised = group["revisions"]
    assert [revised[name]["value"] for name in ("first", "last", "right_to_right", "wrong_to_right")] == [0.5, 0.625, 0.75, 0.5]
    assert (revised["right_to_right"]["successes"], revised["right_to_right"]["trials"]) == (3, 4)
    assert revised["afresh"] == "undecided"


def test_inspect_shows_answers_in_turn(dstheory, tmp_path: Path) -> None:
    ran = dstheory("anatomy", "inspect", _drafts(tmp_path))
    assert "  decided by: nobody\n  problem 0: right, then right\n  problem 1: wrong, then right\n" in ran.out


def test_scores_of_a_first_and_a_revised_answer(dstheory, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("question,before,after\n" + "".join(f"q{i // 4},{int(i % 3 > 0)},{int(i % 5 > 1)}\n" for i in range(40)))
    log = read_log(path, turns="before,after", fields={"problem": "question"})
    assert (log.episodes.n_problems, len(log.episodes), log.episodes.deciders) == (10, 40, ("nobody",))
    ran = dstheory("anatomy", path, "--turns", "before,after", "--field", "problem=question", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "read as answers in turn from before, after" in ran.out
    for wrong, why in {
        "before,afterwards": "no record has afterwards, of the answers in turn: they have question, before, after",
        "question,after": "question is 'q0', neither right nor wrong, of the answers in turn: say what is right, --correct",
    }.items():
        with pytest.raises(RecordError, match=why):
            read_log(path, turns=wrong)


@pytest.mark.parametrize("turns", [2, 4])
def test_a_fixed_number_of_turns_has_no_decisions(tmp_path: Path, turns: int) -> None:
    """As records, as one row per turn in a file and in memory: one log, and neither a nor b in any."""
    outcomes = [[bool((7 * i + 3 * k) % 4) for k in range(turns)] for i in range(12)]
    records = [{"id": i, "problem": i // 3, "attempts": [{"correct": y} for y in row]} for i, row in enumerate(outcomes)]
    rows = pd.DataFrame(
        [{"id": i, "problem": i // 3, "round": k, "correct": y} for i, row in enumerate(outcomes) for k, y in enumerate(row)]
    )
    rows.to_csv(tmp_path / "a.csv", index=False)
    logs = [
        read_log(_file(tmp_path / "a.jsonl", *records)), from_records(records), read_log(tmp_path / "a.csv"), from_frame(rows)
    ]  # fmt: skip
    for log in logs:
        found = answer(log.episodes)
        assert found.decided_by == "nobody"
        assert (found.rates.a.value, found.rates.b.value) == (None, None)
        assert log.episodes.correct.tolist() == [y for row in outcomes for y in row]
        assert log.reading.notes[0].startswith("no record says what was decided after an answer, so it is taken that")
    assert all("decision" not in step for record in records for step in record["attempts"])  # what was given is left alone
    decided = [read_log(tmp_path / "a.jsonl", decided_by="model"), from_records(records, decided_by="model")]
    for model in (*decided, from_frame(rows, decided_by="model")):
        assert int(model.episodes.stopped.sum()) == 12  # the last attempt is taken for a stop


def test_scores_that_are_no_verdicts_need_a_threshold(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,baseline_score,comparison_score\nq1,0.2,0.9\nq2,0.6,0.9\nq3,0.7,0.1\n", encoding="utf-8")
    with pytest.raises(RecordError, match=r"baseline_score is 0\.2, neither right nor wrong, of the answers in turn"):
        read_log(path)
    for rule in (">=0.5", "baseline_score>=0.5"):
        assert read_log(path, correct=rule).episodes.correct.tolist() == [False, True, True, True, True, False]


def test_two_scores_of_one_answer_are_not_guessed_between(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    columns = "question,baseline_score,baseline_score_strict,comparison_score,comparison_score_note"
    path.write_text(f"{columns}\nq1,1,0,1,fine\n", encoding="utf-8")
    with pytest.raises(RecordError, match="baseline_score and baseline_score_strict could each say which of the answers in turn"):
        read_log(path)
    assert read_log(path, turns="baseline_score_strict,comparison_score").episodes.correct.tolist() == [False, True]


def test_one_damaged_record_among_decided_ones_is_still_unusable(tmp_path: Path) -> None:
    decided = {"attempts": [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]}
    damaged = {"attempts": [{"correct": False}, {"correct": True, "decision": "stop"}]}
    log = read_log(_file(tmp_path / "a.jsonl", *({"id": i, **(decided if i != 4 else damaged)} for i in range(9))))
    assert log.reading.faults == {"decision": 1}
    assert log.episodes.deciders == ()


def test_a_checker_that_disagrees_with_the_score_is_noted(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.jsonl", *(
        {"example_id": i, "score": True, "extra": {"gold": "7", "intermediate_steps": [{"draft": "6"}, {"draft": "6"}]}}
        for i in range(3)
    ))  # fmt: skip
    notes = read_log(path).reading.notes
    assert any(note.startswith("of 3 last answers the checker and score disagree about 3") for note in notes)


def _loop(decide: str) -> list[dict[str, Any]]:
    """Twelve records: right at once, or after one or two wrong answers; some go on after a right one unless an oracle decides."""
    wrong, right = {"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}
    again = [{"correct": True, "decision": "resample"}] if decide != "oracle" else []
    return [{"id": i, "attempts": [*[wrong] * (i % 3), *again * (i % 2), right]} for i in range(12)]


def test_who_decides_is_said_in_every_output(dstheory, tmp_path: Path) -> None:
    path = _file(tmp_path / "a.jsonl", *_loop("verifier"))
    ran = dstheory("anatomy", path, "--decided-by", "environment", "--out", tmp_path / "out", "--report", tmp_path / "a.html")
    assert ran.code == 0, ran.err
    for text in (ran.out, (tmp_path / "a.html").read_text(encoding="utf-8")):
        assert "environment decides" in text
        assert "decided by: environment; so a, b and whether they help say nothing about decisions of the model" in text
    group = json.loads((tmp_path / "out" / "anatomy.json").read_text(encoding="utf-8"))["groups"][0]
    assert (group["total"]["decided_by"], group["total"]["helps"]) == ("environment", "yes, environment decides")
    own = answer(from_records(_loop("model"), decided_by="model"))
    assumed = answer(from_records(_loop("model")))
    assert (own.decided_by, assumed.decided_by, own.helps == assumed.helps) == ("model", "model (assumed)", True)
    assert "oracle" not in " ".join(own.notes)


def test_nobody_decides_after_the_only_answer() -> None:
    once = answer(Episodes.record([(str(i), [(i % 3 == 0, None)]) for i in range(9)], cap=1))
    assert (once.decided_by, once.helps) == ("nobody (one answer each)", "cannot be estimated")
    assert not any("decided by" in note for note in once.notes)


def test_an_oracle_and_a_script_are_recognised_by_what_they_do() -> None:
    oracle = answer(from_records(_loop("oracle")))
    assert (oracle.decided_by, oracle.helps) == (
        "unknown: every decision was right, as those of an oracle are", "yes, if these are its own"
    )  # fmt: skip
    assert any(note.startswith("every decision was right (a = b = 1)") for note in oracle.notes)
    chains = [(str(i), [(i % 2 == 0, "resample"), (i % 3 == 0, "stop")]) for i in range(12)]
    script = answer(Episodes.record(chains))
    assert (script.decided_by, script.helps) == (
        "unknown: every episode has 2 attempts, as where their number is fixed", "undecided"
    )  # fmt: skip
    assert any("as where a script fixes their number" in note for note in script.notes)


def test_a_model_that_decided_right_throughout_is_taken_at_its_word() -> None:
    own = answer(from_records(_loop("oracle"), decided_by="model"))
    assert (own.decided_by, own.rates.a.value, own.rates.b.value) == ("model", 1.0, 1.0)
    assert not any("oracle" in note for note in own.notes)


def test_records_and_formats_may_say_who_decides(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.jsonl", *({**record, "decided_by": "oracle"} for record in _loop("oracle")))
    log = read_log(path)
    assert log.episodes.deciders == ("oracle",)
    (group,) = survey(log).groups
    assert (group.total.helps, group.revisions.wrong_to_right.value) == ("yes, oracle decides", 8 / 12)
    with pytest.raises(RecordError, match="decided_by is 'teacher': must be one of model, verifier, oracle"):
        read_log(path, decided_by="teacher")


def test_comparisons_and_chains_say_whose_decisions_they_are(dstheory, tmp_path: Path) -> None:
    rows = [{**record, "model": model, "decided_by": "verifier"} for model in "mn" for record in _loop("verifier")]
    path = _file(tmp_path / "a.jsonl", *rows)
    ran = dstheory("anatomy", path, "--compare", "m", "n", "--json", "--out", tmp_path / "out")
    notes = ran.result["comparison"]["notes"]
    assert "in m, decided by: verifier; what decisions give there is not the model's" in notes
    ran = dstheory("anatomy", "export-chain", path, "--model", "m", "--out", tmp_path / "chain.json")
    assert "note: decided by: verifier; so a and b of this chain are not the model's" in ran.out


@pytest.mark.parametrize("said", [{"decided_by": "model"}, {}])
def test_decisions_that_are_not_all_the_models_come_before_what_decisions_give(dstheory, tmp_path: Path, said: Any) -> None:
    """In half of the episodes of the second model a verifier decides: a gain by decisions is not the model's."""
    rng, rows = random.Random(0), []
    for i in range(400):
        model, helped = ("base", False) if i % 2 else ("tuned", i % 4 == 0)
        steps = [{"correct": rng.random() < 0.4, "decision": "resample"}]
        while rng.random() < (0.05 if steps[-1]["correct"] else 0.9 if helped else 0.3) and len(steps) < 6:
            steps.append({"correct": rng.random() < 0.4, "decision": "resample"})
        steps[-1]["decision"] = "stop"
        rows.append({"id": i, "model": model, "attempts": steps, **({"decided_by": "verifier"} if helped else said)})
    path = _file(tmp_path / "a.jsonl", *rows)
    ran = dstheory("anatomy", path, "--compare", "base", "tuned", "--brief", "--out", tmp_path / "out")
    who = "verifier (100 of 200 episodes)"
    assert f"from base to tuned? Decisions of tuned are not all the model's: {who}; " in " ".join(ran.out.split())
    assert f"tuned: Does resampling help? Yes, {who} decides." in ran.out
    assert "base: Does resampling help? Yes." in ran.out
    base = [{**row, "decided_by": "nobody"} if i % 20 == 0 else row for i, row in enumerate(rows[1::2])]
    found = answer(from_records(base))  # nobody's count for neither a nor b
    assert found.decided_by == ("model" if said else "model (assumed)")


def test_first_answers_are_compared_where_nobody_decided(dstheory, tmp_path: Path) -> None:
    one, two = _drafts(tmp_path), tmp_path / "other.jsonl"
    two.write_text(one.read_text(encoding="utf-8").replace('"draft": "6"', '"draft": "7"', 4), encoding="utf-8")
    ran = dstheory("anatomy", one, two, "--compare", one, two, "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "so first answers are compared" in " ".join(ran.out.split())

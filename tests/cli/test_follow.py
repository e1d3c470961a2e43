"""`dstheory anatomy --follow`: what is shown is what reading anew would give, nothing is read twice, and no test waits."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from answers import result_of

from dstheory.anatomy import Episodes, Log, read_log
from dstheory.anatomy.follow import Follower
from dstheory.cli.anatomy import follow
from dstheory.errors import FileFormatError, RecordError
from dstheory.readers.layouts import Request


def _line(i: int, **more: Any) -> str:
    steps = [{"correct": False, "decision": "resample"}] * (i % 3) + [{"correct": i % 4 > 0, "decision": "stop"}]
    return json.dumps({"id": i, "problem": f"p{i % 5}", "cap": 6, "attempts": steps, **more}) + "\n"


def _same(one: Episodes, other: Episodes) -> None:
    assert one.correct.tolist() == other.correct.tolist()
    assert one.offsets.tolist() == other.offsets.tolist()
    assert one.capped.tolist() == other.capped.tolist()
    assert [one.problem_ids[i] for i in one.problem] == [other.problem_ids[i] for i in other.problem]
    for name, column in other.fields.items():
        assert [one.fields[name].names[i] for i in one.fields[name].codes] == [column.names[i] for i in column.codes]


def _followed(log: Follower, changes: Iterator[Any]) -> list[Log]:
    """What is shown while changes happen, one between two looks."""
    shown: list[Log] = []
    follow.renewals(log, shown.append, lambda: next(changes, None) is not None)
    return shown


def test_what_is_shown_is_what_reading_anew_gives_and_nothing_is_read_twice(tmp_path: Path, capsys) -> None:
    path = tmp_path / "log.jsonl"
    anew: list[Log] = []

    def changes() -> Iterator[bool]:
        yield True  # still not there
        with path.open("a", encoding="utf-8") as file:
            for start, end in ((0, 1), (1, 8), (8, 45), (45, 46)):  # the first twenty decide how it is read
                file.write("".join(_line(i, task="easy" if i % 2 else "hard") for i in range(start, end)))
                file.write(_line(end)[:30])  # and the beginning of a line
                file.flush()
                os.truncate(path, os.path.getsize(path) - 30)
                anew.append(read_log(path))
                with path.open("a", encoding="utf-8") as other:
                    other.write(_line(end, task="easy" if end % 2 else "hard")[:30])
                yield True
                os.truncate(path, os.path.getsize(path) - 30)
                yield True  # nothing new: nothing shown

    log = Follower([path], Request())
    shown = _followed(log, changes())
    assert len(shown) == len(anew) == 4
    for one, other in zip(shown, anew, strict=True):
        _same(one.episodes, other.episodes)
        assert one.reading.records == other.reading.records
    assert log.bytes_read == path.stat().st_size
    assert capsys.readouterr().err == f"waiting for a usable record in {path}\n"


@pytest.mark.parametrize("how", ["shorter", "same length", "another file", "gone"])
def test_a_file_that_is_replaced_is_begun_again(tmp_path: Path, how: str) -> None:
    path, old, new = tmp_path / "log.jsonl", "".join(map(_line, range(30))), "".join(map(_line, range(100, 130)))
    path.write_text(old, encoding="utf-8")

    def changes() -> Iterator[bool]:
        if how == "shorter":
            path.write_text(new[: new.index("\n") + 1], encoding="utf-8")
        elif how == "same length":
            path.write_text(old.replace('"p0"', '"p9"'), encoding="utf-8")
        elif how == "another file":
            (tmp_path / "other").write_text(old + new, encoding="utf-8")
            (tmp_path / "other").replace(path)
        else:
            path.unlink()
            yield True
            path.write_text(old, encoding="utf-8")
        yield True

    shown = _followed(Follower([path]), changes())
    assert len(shown) == 2
    _same(shown[1].episodes, read_log(path).episodes)


def test_of_several_files_only_the_one_that_is_replaced_is_begun_again(tmp_path: Path) -> None:
    """The others are not read again, in whichever order they stand, and the first 10,000 unusable records of one are counted."""
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl")]
    texts = ["".join(map(_line, range(40 * i, 40 * i + 30 + i))) for i in range(3)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    new, bad = "".join(map(_line, range(200, 260))), '{"id": 1, "attempts": []}\n' * 10_001

    def changes() -> Iterator[bool]:
        for at, text in ((0, new), (2, bad)):
            (tmp_path / "other").write_text(text, encoding="utf-8")
            (tmp_path / "other").replace(paths[at])
            yield True

    log = Follower(paths)
    shown = _followed(log, changes())
    assert log.bytes_read == len("".join(texts)) + len(new) + len(bad)
    anew = read_log(*paths)
    assert (len(shown), shown[2].reading.records, shown[2].reading.faults) == (3, anew.reading.records, anew.reading.faults)
    _same(shown[2].episodes, anew.episodes)


def test_trainers_that_write_a_file_for_each_step(tmp_path: Path) -> None:
    def step(i: int) -> Path:
        path = tmp_path / f"completions_{i:05}.parquet"
        rewards = [1.0, 0.0, 0.0, float(i)]
        columns = {"step": [i] * 4, "prompt": list("xxyy"), "completion": list("abcd"), "accuracy_reward": rewards}
        pq.write_table(pa.table(columns), path)
        return path

    def changes() -> Iterator[bool]:
        step(0)
        yield True
        whole = step(1).read_bytes()
        (tmp_path / "completions_00001.parquet").write_bytes(whole[:90])  # being written
        yield True
        (tmp_path / "completions_00001.parquet").write_bytes(whole)
        yield True

    shown = _followed(Follower([tmp_path]), changes())
    assert [len(found.episodes) for found in shown] == [4, 8]
    _same(shown[1].episodes, read_log(tmp_path).episodes)
    (tmp_path / "completions_00002.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(FileFormatError, match="completions_00002"):
        _followed(Follower([tmp_path]), iter([True, True]))


def test_rows_of_one_episode_that_stand_apart(tmp_path: Path) -> None:
    """One row per turn in lines: an episode may go on later, so such a file is read as a whole each time."""
    path = tmp_path / "rows.jsonl"
    made = [{"id": i % 15, "round": i // 15, "correct": i % 2 == 0} for i in range(30)]
    rows = [json.dumps({**row, "decision": "stop" if row["round"] else "resample"}) for row in made]

    def changes() -> Iterator[bool]:
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        yield True

    path.write_text("\n".join(rows[:25]) + "\n", encoding="utf-8")
    shown = _followed(Follower([path]), changes())
    _same(shown[-1].episodes, read_log(path).episodes)
    assert len(shown[-1].episodes.correct) == 30


@pytest.mark.parametrize("kind", ["rows", "another word for a decision from record 23 on"])
def test_the_unfinished_last_line_of_lines_that_are_read_as_a_whole_waits_for_its_end(tmp_path: Path, kind: str) -> None:
    """It was read as it stood: one record more, not JSON, and an error in strict mode."""
    path = tmp_path / "log.jsonl"
    again, last = {"correct": False, "decision": "continue"}, {"correct": True, "decision": "stop"}
    steps = [[again] * (i > 21) + [last] for i in range(30)]
    lines = [json.dumps({"id": i, "problem": f"p{i % 5}", "attempts": steps[i]}) for i in range(30)]
    if kind == "rows":
        lines = [json.dumps({"id": i // 2, "correct": i % 3 == 0, "decision": ["resample", "stop"][i % 2]}) for i in range(30)]
    log = Follower([path], strict=True)
    for end in (10, 24, 27):
        whole = "\n".join(lines[:end]) + "\n"
        path.write_text(whole, encoding="utf-8")
        anew = read_log(path)
        path.write_text(whole + lines[end][:25], encoding="utf-8")
        found = log.renew()
        assert found is not None
        _same(found.episodes, anew.episodes)
        assert found.reading.records == anew.reading.records


def test_a_log_without_numbers_yet_is_waited_for_and_a_wrong_one_refused(tmp_path: Path, capsys) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"id": 1, "attempts": []}\n', encoding="utf-8")
    assert _followed(Follower([path]), iter([True])) == []
    assert "attempts is empty" in capsys.readouterr().err
    path.write_text('{"question": 1}\n', encoding="utf-8")
    with pytest.raises(RecordError, match="is in no known format"):
        Follower([path]).renew()


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterator[Any]], None]:
    def drive(changes: Iterator[Any]) -> None:
        def pause(seconds: float) -> bool:
            if next(changes, None) is None:
                raise KeyboardInterrupt
            return True

        monkeypatch.setattr(follow, "_pause", pause)

    return drive


def _growing(path: Path) -> Iterator[bool]:
    for end in (4, 30):
        path.write_text("".join(_line(i, task="xy"[i % 2]) for i in range(end)), encoding="utf-8")
        yield True
        yield True


def test_ctrl_c_ends_it_with_its_code_and_the_last_table(dstheory, driven, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    driven(_growing(path))
    ran = dstheory("anatomy", path, "--follow", "--interval", 0.5)
    assert ran.code == 130
    blocks = ran.out.split("records read, ")[1:]
    assert [block.split()[0] for block in blocks] == ["4", "30"]
    whole = read_log(path).episodes
    assert f"{whole.correct.mean():.3f} [" in blocks[-1]
    assert "at least one right of k" in blocks[-1]
    assert "waiting for a usable record" in ran.err
    assert not (tmp_path / "results").exists()


def test_one_line_of_json_for_each_renewal(dstheory, driven, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    driven(_growing(path))
    ran = dstheory("anatomy", path, "--follow", "--json", "--by", "task")
    lines = [result_of(line) for line in ran.out.splitlines()]
    assert [line["used"] for line in lines] == [4, 30]
    assert [row["labels"].get("task") for row in lines[1]["rates"]] == ["x", "y", None]
    assert lines[1]["rates"][-1]["p"]["value"] == pytest.approx(read_log(path).episodes.correct.mean())
    assert [one["k"] for one in lines[1]["pass"]] == [1, 2, 3]


def test_no_chance_is_given_from_attempts_that_few_problems_reach(dstheory, driven, tmp_path: Path) -> None:
    """As in the report: two of forty problems got to a third attempt, and both were right there."""
    path = tmp_path / "log.jsonl"
    path.write_text("".join(
        json.dumps({"id": i, "cap": 6, "attempts": [{"correct": False, "decision": "resample"}] * (i % 2 + (i < 4) * (i % 2))
                    + [{"correct": True, "decision": "stop"}]}) + "\n" for i in range(40)
    ), encoding="utf-8")  # fmt: skip
    driven(iter(()))
    one, two, three = dstheory("anatomy", path, "--follow", "--json").result["pass"]
    missing = {"k": 3, "value": None, "low": 0.0, "high": 1.0, "caution": ""}
    assert (one["value"], two["value"], three) == (0.5, 0.95, missing)
    assert "too few to judge it" in dstheory("anatomy", path, "--follow").out


def test_chances_that_take_b_as_the_same_for_all_problems_have_a_star_where_it_differs(dstheory, driven, tmp_path: Path) -> None:
    """Twenty problems whose model always goes on after a wrong answer, and twenty where it does so in one of four episodes.

    A first answer takes nothing of b; the command without --follow has the star at the cap.
    """
    path = tmp_path / "log.jsonl"
    path.write_text("".join(
        json.dumps({"id": i, "problem": i // 4, "cap": 3, "attempts": [
            *[{"correct": False, "decision": "resample"}] * (2 * (i < 80 or i % 4 == 0)),
            {"correct": i % 3 == 0, "decision": None if i < 80 or i % 4 == 0 else "stop"}]}) + "\n" for i in range(160)
    ), encoding="utf-8")  # fmt: skip
    driven(iter(()))
    found = {one["k"]: one["caution"] for one in dstheory("anatomy", path, "--follow", "--json").result["pass"]}
    assert sorted(found) == [1, 2, 3]
    assert not found[1]
    said = dstheory("anatomy", path, "--json", "--out", tmp_path / "out").result["groups"][0]["total"]["perfect"]["caution"]
    assert said.startswith("b differs between problems")
    assert found[2] == found[3] == said
    assert "beyond k = 1 if b is the same for all problems" in dstheory("anatomy", path, "--follow").out


def test_one_shot_logs_by_step_and_turns_without_decisions(dstheory, driven, tmp_path: Path) -> None:
    shots = tmp_path / "shots.jsonl"
    rows = [{"step": i // 8, "prompt": f"q{i // 4}", "completion": "x", "reward": float(i % 3 > 0)} for i in range(40)]
    shots.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    driven(iter(()))
    ran = dstheory("anatomy", shots, "--follow")
    assert (ran.code, "last steps" in ran.out, "pass@k" in ran.out, "b is the same" in ran.out) == (130, True, True, False)
    turns = tmp_path / "turns.jsonl"
    chains = [{"id": i, "attempts": [{"correct": i % 2 > 0}, {"correct": i % 3 > 0}]} for i in range(24)]
    turns.write_text("".join(json.dumps(row) + "\n" for row in chains), encoding="utf-8")
    ran = dstheory("anatomy", turns, "--follow", "--json")
    line = ran.result
    assert (line["decided_by"], line["revisions"]["right_to_right"]["value"]) == ("nobody", 8 / 12)
    assert "decided by: nobody; so a and b say nothing about the model" in dstheory("anatomy", turns, "--follow").out


def test_unknown_decisions_give_a_reason_instead_of_numbers(dstheory, driven, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(_line(i).replace("resample", "onwards") for i in range(9)), encoding="utf-8")
    driven(iter(()))
    ran = dstheory("anatomy", path, "--follow", "--json")
    assert ran.result["reason"].startswith("6 of 9 records were unusable because of what happened there")


@pytest.mark.parametrize(("options", "why"), [
    (["--compare", "a", "b"], "leave out --compare"),
    (["--workers", "2", "--scheduler", "tcp://x:1"], "leave out --scheduler and --workers"),
    (["--report", "r.html"], "leave out --report"),
    (["--interval", "0"], "interval"),
])  # fmt: skip
def test_options_that_do_not_go_together(dstheory, tmp_path: Path, options: list[str], why: str) -> None:
    ran = dstheory("anatomy", tmp_path / "log.jsonl", "--follow", *options)
    assert (ran.code, why in ran.err) == (2, True)


def test_texts_may_begin_without_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    texts = ["I do not know"] * 30 + ["It is \\boxed{4}"]
    log = Follower([path])
    for end in (25, 31):
        lines = (json.dumps({"id": i, "gold": "4", "transcript": text}) for i, text in enumerate(texts[:end]))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        found = log.renew()
        assert found is not None
        assert (len(found.episodes), int(found.episodes.correct.sum())) == (end, end // 31)


def _told(path: Path, lines: list[str], at: list[int]) -> None:
    """What is told of files that grow piece by piece is what is told of them when they are read at once."""

    def changes() -> Iterator[bool]:
        for start, end in zip([0, *at], [*at, len(lines)], strict=True):
            for file in ("a.jsonl", "b.jsonl"):
                with (path / file).open("a", encoding="utf-8") as out:
                    out.write("".join(lines[start:end]))
            yield True

    path.mkdir()
    (*_, last) = _followed(Follower([path]), changes())
    anew = read_log(path)
    assert last.episodes.n_problems == anew.episodes.n_problems
    assert last.episodes.correct.sum() == anew.episodes.correct.sum()
    assert last.reading.notes == anew.reading.notes
    assert last.reading.read_as == anew.reading.read_as


def test_every_file_is_told_of_once_however_often_it_grew(tmp_path: Path) -> None:
    said = [f"I try 4. Wait, so \\boxed{{{i % 3}}}." for i in range(60)]
    texts = [json.dumps({"id": i, "gold": str(i % 2), "transcript": text}) + "\n" for i, text in enumerate(said)]
    _told(tmp_path / "texts", texts, [5, 25, 40, 41])
    scored = [json.dumps({"prompt": f"{i // 4}?", "completion": "x", "score": float(i < 40)}) + "\n" for i in range(60)]
    _told(tmp_path / "scored", scored, [24, 40, 48])  # no piece has both a right and a wrong answer
    turns = [json.dumps({"id": i, "attempts": [{"correct": False}, {"correct": i % 2 == 0}]}) + "\n" for i in range(40)]
    _told(tmp_path / "undecided", turns, [30])


def test_problems_of_one_name_in_files_that_grow_are_told_apart(tmp_path: Path) -> None:
    for file, question in (("a", "2 + 2?"), ("b", "Capital of France?")):
        rows = [json.dumps({"id": i, "question": f"{i}: {question}", "attempts": [{"correct": True}]}) + "\n" for i in range(30)]
        (tmp_path / f"{file}.jsonl").write_text("".join(rows), encoding="utf-8")
    (last,) = _followed(Follower([tmp_path]), iter([]))
    assert last.episodes.n_problems == read_log(tmp_path).episodes.n_problems == 60


_LATER = {
    "decisions": ({"attempts": [{"correct": False}, {"correct": True}]}, {"attempts": [
        {"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]}),
    "decisions, one new": ({"attempts": [{"correct": False}, {"correct": True}]}, {"attempts": [
        {"correct": True, "decision": "stop"}]}),
    "several attempts": ({"attempts": [{"correct": True}]}, {"attempts": [{"correct": False}, {"correct": True}]}),
    "records": (7, {"attempts": [{"correct": False}, {"correct": True}]}),
}  # fmt: skip


@pytest.mark.parametrize("first", [20, 25])
@pytest.mark.parametrize(("early", "late"), _LATER.values(), ids=list(_LATER))
def test_later_records_that_show_what_the_first_do_not_change_how_all_are_read(
    tmp_path: Path, early: Any, late: Any, first: int
) -> None:
    """Twenty drafts without a decision, then records with decisions: what these say was dropped."""
    rows = [early] * first + [late] * 10 + [early] * 5
    lines = [json.dumps({"id": i, **row} if isinstance(row, dict) else row) + "\n" for i, row in enumerate(rows)]
    (tmp_path / "b.jsonl").write_text("".join(map(_line, range(30))), encoding="utf-8")
    log = Follower([tmp_path])
    for end in (0, 3, first, first + 1, first + 10, len(lines)):
        (tmp_path / "a.jsonl").write_text("\n" * (end > 0) + "".join(lines[:end]), encoding="utf-8")
        found = log.renew()
    assert found is not None
    anew = read_log(tmp_path)
    _same(found.episodes, anew.episodes)
    assert found.reading.faults == anew.reading.faults
    assert found.reading.notes == anew.reading.notes
    assert log.renew() is None

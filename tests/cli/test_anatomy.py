"""`dstheory anatomy`: what it prints, writes and refuses; every example of its help runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dstheory.anatomy import read_log, record_schema, survey
from dstheory.readers import json_text

GOOD = '{"id": "%s", "attempts": [{"correct": true, "decision": "stop"}]}'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    from dstheory.anatomy.export import write_log
    from dstheory.anatomy.generate import generate_log

    write_log(tmp_path / "rollouts.jsonl", generate_log(40))
    return tmp_path / "rollouts.jsonl"


def test_the_whole_way(dstheory, drawn, tmp_path: Path) -> None:
    """Generate, measure, compare, export, and train further."""
    made = dstheory("anatomy", "generate", "rollouts.jsonl", "--problems", 60)
    assert made.code == 0, made.err
    assert "rollouts.jsonl: 360 episodes" in made.out
    found = dstheory(
        "anatomy", "rollouts.jsonl", "--compare", "base", "tuned", "--report", "r.html", "--details"
    )
    assert found.code == 0, found.err
    for words in ("360 records read, 360 used", "base: sampling and decisions", "tuned: final accuracy", "from base to tuned",
                  "mean over task", "figures, numbers and manifest: results/anatomy; report: r.html"):  # fmt: skip
        assert words in found.out, words
    folder = tmp_path / "results" / "anatomy"
    assert sorted(p.name for p in folder.iterdir()) == [
        "anatomy.json", "anatomy.png", "anatomy.svg", "rounds.png", "rounds.svg", "run.json",
    ]  # fmt: skip
    numbers = json.loads((folder / "anatomy.json").read_text())
    assert numbers["reading"]["used"] == 360
    page = (tmp_path / "r.html").read_text()
    assert page.count("<svg") == 8
    assert not re.search(r"(src|href)=\"?(https?:)?//", page)
    assert "<script" not in page
    exported = dstheory("anatomy", "export-chain", "rollouts.jsonl", "--model", "tuned", "--out", "chain.json")
    assert exported.code == 0, exported.err
    assert "next: dstheory simulate --mdp chain.json" in exported.out
    trained = dstheory("simulate", "--mdp", "chain.json", "--steps", 5, "--lr", 1, "--figure-format", "svg")
    assert trained.code == 0, trained.err


def test_json_holds_everything_and_nothing_else_is_on_stdout(dstheory, log: Path) -> None:
    found = dstheory("anatomy", log, "--json", "--out", "o")
    assert found.code == 0, found.err
    data = found.result
    assert [group["name"] for group in data["groups"]] == ["base", "tuned"]
    base = data["groups"][0]
    assert set(base["parts"]) == {"easy", "medium", "hard"}
    p = base["parts"]["easy"]["rates"]["p"]
    assert p["low"] < p["value"] < p["high"]
    again = survey(read_log(log).episodes)  # reproducible by seed, and the same from Python
    assert json.loads(json_text(again.to_dict()))["groups"] == data["groups"]


def test_p_over_all_attempts_and_over_first_ones_are_told_apart(dstheory, log: Path) -> None:
    records = [json.loads(line) for line in log.read_text().splitlines()]
    ran = dstheory("anatomy", log, "--out", "told")
    said = " ".join(ran.out.split())
    assert "p of all attempts" in said
    for model in {record.get("model") for record in records}:
        attempts = [[a["correct"] for a in record["attempts"]] for record in records if record.get("model") == model]
        over_all, first = sum(map(sum, attempts)) / sum(map(len, attempts)), sum(one[0] for one in attempts) / len(attempts)
        assert f"{over_all:.3f}" != f"{first:.3f}"
        assert f"p over all attempts, {over_all:.3f}. Over first attempts, one for each episode, p is {first:.3f} (the" in said


def test_schema(dstheory) -> None:
    assert json.loads(dstheory("anatomy", "schema").out) == record_schema()


def test_unusable_records_decide_the_exit_code(dstheory, tmp_path: Path) -> None:
    lines = [GOOD % i for i in range(30)] + ["not json", '{"id": 1}']
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    found = dstheory("anatomy", "log.jsonl")
    assert found.code == 1
    assert "30 used" in found.out
    assert (
        "1 not JSON; first: log.jsonl: line 31: is not JSON (expecting value, column 1): write one object per line" in found.out
    )
    assert found.err == (
        "error: 2 of 32 records were unusable (6.2 %), more than --max-unusable 0.05: correct the log, or allow more; "
        "nothing was written\n"
    )
    told = dstheory("anatomy", "log.jsonl", "--report", "page.html", "--out", "out", "--json")
    assert told.code == 1
    assert json.loads(told.out)["result"]["out"] is json.loads(told.out)["result"]["report"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    chain = dstheory("anatomy", "export-chain", "log.jsonl", "--out", "chain.json")
    assert (chain.code, chain.err) == (1, found.err)
    assert "1 not JSON; first: log.jsonl: line 31" in chain.out
    assert "chain.json" not in chain.out
    told = dstheory("anatomy", "export-chain", "log.jsonl", "--out", "chain.json", "--json")
    assert (told.code, json.loads(told.out)["result"]["out"]) == (1, None)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    kept = tmp_path / "kept.json"
    kept.write_text("mine")
    assert dstheory("anatomy", "export-chain", "log.jsonl", "--out", kept, "--overwrite").code == 1
    assert kept.read_text() == "mine"
    kept.unlink()
    allowed = dstheory("anatomy", "log.jsonl", "--max-unusable", 0.1)
    assert allowed.code == 0, allowed.err
    strict = dstheory("anatomy", "log.jsonl", "--strict")
    assert strict.code == 1
    assert strict.err == "error: log.jsonl: line 31: is not JSON (expecting value, column 1): write one object per line\n"


def test_few_episodes_are_said_to_be_too_few(dstheory, tmp_path: Path) -> None:
    """In one line, where there would be ten of intervals; the numbers are there for who asks."""
    models = {i: "base" if i < 4 else "tuned" for i in range(9)}
    lines = [(GOOD % i).replace('"id"', f'"model": "{name}", "cap": 4, "id"') for i, name in models.items()]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    ran = dstheory("anatomy", "log.jsonl")
    assert ran.code == 0
    assert "base: What does the log say? Too few episodes for answers: 4 where 5 are needed." in ran.out
    assert "tuned: Does resampling help?" in ran.out
    assert "base: sampling and decisions" not in ran.out
    assert "tuned: sampling and decisions" in ran.out
    assert "base: sampling and decisions" in dstheory("anatomy", "log.jsonl", "--details").out
    whose = dstheory("anatomy", "log.jsonl", "--compare", "base", "tuned").out
    assert "Whose gain is it, from base to tuned? Too few episodes to say: base has 4 where 5 are needed." in whose
    assert "from base to tuned\n" not in whose


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["none.jsonl"], 1, "error: none.jsonl cannot be read: No such file or directory"),
        (["rollouts.jsonl", "--by", "level"], 1, "error: no record has the field 'level': there are task, model, log"),
        (["rollouts.jsonl", "--compare", "base", "tunde"], 1, "error: no record has the model 'tunde': there are base, tuned"),
        (["rollouts.jsonl", "--compare", "base", "base"], 1, "error: 'base' is compared with itself"),
        (["rollouts.jsonl", "--field", "cap"], 2, "'cap' is not PART=KEY: for example cap=max_attempts"),
        (["rollouts.jsonl", "--field", "capp=x"], 2, "error: a record has no part 'capp': did you mean cap?"),
        (["rollouts.jsonl", "--reader", "transcript"], 1, "error: rollouts.jsonl: no record has transcript, which"),
        (["rollouts.jsonl", "rollouts.jsonl"], 1, "error: rollouts.jsonl is given twice"),
        (["export-chain", "rollouts.jsonl", "--out", "c.json"], 2, "the log has several models (base, tuned): choose one"),
        (["generate", "rollouts.jsonl"], 1, "error: rollouts.jsonl exists already"),
        (["generate", "x.jsonl", "--cell", "m,t,2,0,0"], 2, "Error: 'm,t,2,0,0' is not a cell"),
        ([], 2, "Error: Missing argument 'LOG...'."),
    ],
)  # fmt: skip
def test_what_is_refused(dstheory, log: Path, args: list[str], code: int, words: str) -> None:
    found = dstheory("anatomy", *args)
    assert (found.code, words in found.err + found.out) == (code, True), found.err


def test_help_names_the_other_commands(dstheory) -> None:
    for args in (["--help"], ["-h"], ["report", "--help"]):
        found = dstheory("anatomy", *args)
        assert found.code == 0
        for word in ("export-chain", "generate", "schema", "--compare", "--max-unusable", "Exit codes"):
            assert word in found.out
    assert "--concentration" in dstheory("anatomy", "generate", "--help").out


def test_logs_are_compared_by_file(dstheory, tmp_path: Path) -> None:
    from dstheory.anatomy.export import write_log
    from dstheory.anatomy.generate import simulate_log

    for name, b, seed in (("before.jsonl", 0.3, 1), ("after.jsonl.gz", 0.9, 2)):
        write_log(tmp_path / name, simulate_log(80, p=0.4, a=0.9, b=b, cap=6, rng=seed))
    found = dstheory(
        "anatomy", "before.jsonl", "after.jsonl.gz", "--compare", "before.jsonl", "after.jsonl.gz"
    )
    assert found.code == 0, found.err
    assert "from before.jsonl to after.jsonl.gz" in found.out


def test_transcripts_say_how_they_were_segmented(dstheory, tmp_path: Path) -> None:
    game = {"numbers": [1, 2, 3], "target": 6}
    lines = [json.dumps({"id": i, "transcript": "1 + 2 - 3, no: 1 + 2 + 3", **game}) for i in range(30)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    found = dstheory("anatomy", "t.jsonl", "--checker", "countdown")
    assert found.code == 0, found.err
    assert "attempts found by expressions in 30 records" in found.out
    assert "note: expressions as attempts: " in found.out
    (tmp_path / "mine.py").write_text("def check(answer, record):\n    return answer == '6'\n")
    found = dstheory("anatomy", "t.jsonl", "--checker", "mine.py:check", "--pattern", r"\d")
    assert found.code == 0, found.err
    assert "attempts found by pattern in 30 records" in found.out


def test_the_api_takes_what_the_command_read(log: Path) -> None:
    found = survey(read_log(log).episodes, compared=("base", "tuned"))
    assert found.comparison is not None
    parts = found.comparison_mean
    assert parts.sample.value + parts.decide.value == pytest.approx(parts.gain.value, abs=1e-12)
    weights = [p.rates_before.problems + p.rates_after.problems for p in found.comparison_parts.values()]
    gains = [p.gain.value for p in found.comparison_parts.values()]
    assert parts.gain.value == pytest.approx(sum(w * g for w, g in zip(weights, gains, strict=True)) / sum(weights))


def test_two_logs_without_models_are_compared_by_their_names(dstheory, tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(GOOD % i for i in range(9)) + "\n")
    ran = dstheory("anatomy", "before.jsonl", "after.jsonl", "--compare", "before", "after", "--out", "a")
    assert ran.code == 1
    assert ran.err == (
        "error: no record has the model 'after': there are (not given); two logs are compared by their names, which are "
        "before.jsonl, after.jsonl\n"
    )
    assert dstheory("anatomy", "before.jsonl", "after.jsonl", "--compare", "before.jsonl", "after.jsonl", "--out", "a").code == 0


def test_records_are_chosen_by_what_is_empty_and_by_spaces_and_signs(dstheory) -> None:
    """A value is all that follows the first sign of equality, as it is written; nothing is held by what is empty or absent."""
    rows = [("a", "1", None), ("b", "0", ""), ("c", "1", "x=y, z"), ("d", "1", " x"), ("e", "1", "007"), ("f", "0", "7")]
    lines = [
        {"problem": problem, "correct": int(correct)} | ({} if split is None else {"split": split})
        for problem, correct, split in rows
    ]
    Path("log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    table = "".join(f'{problem},{correct},"{split or ""}"\n' for problem, correct, split in rows)
    Path("log.csv").write_text("problem,correct,split\n" + table, encoding="utf-8")
    for file in ("log.jsonl", "log.csv"):
        for asked, used in (("", 2), ("x=y, z", 1), (" x", 1), ("007", 1), ("7", 1)):
            where = ["--reader", "rollouts", "--where", f"split={asked}"]
            ran = dstheory("anatomy", file, *where, "--json", "--out", "out", "--overwrite")
            assert ran.code == 0, ran.err
            assert json.loads(ran.out)["result"]["reading"]["used"] == used, (file, asked)
    assert "there are split=(nothing)" in dstheory("anatomy", "log.csv", "--where", "split=none").err
    assert "'split' is not KEY=VALUE" in dstheory("anatomy", "log.csv", "--where", "split").err

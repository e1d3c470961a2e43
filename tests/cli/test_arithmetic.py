"""`dstheory arithmetic`: train, evaluate, show; a killed run goes on; rollouts are what the anatomy reads."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import pytest

SMALL = ("--updates", 3, "--problems", 4, "--group", 4)


def test_train_evaluate_show(dstheory, tmp_path) -> None:
    trained = dstheory("arithmetic", "train", *SMALL, "--checkpoint", "r.npz", "--json")
    assert trained.code == 0, trained.err
    result = trained.result
    assert (result["updates"], result["problems"], result["episodes"]) == (3, 12, 48)
    assert set(result["results"]) == {"sizes trained on", "other sizes"}
    table = dstheory("arithmetic", "train", *SMALL, "--checkpoint", "s.npz", "--method", "sft").out
    assert "sft: 3 updates, 12 problems, 48 episodes" in table

    evaluated = dstheory("arithmetic", "evaluate", "r.npz", "s.npz", "--sizes", "4x4,4x9", "--per-size", 5, "--episodes", 20,
                         "--out", "rollouts.jsonl", "--json")  # fmt: skip
    assert evaluated.code == 0, evaluated.err
    models = evaluated.result["models"]
    assert list(models) == ["r", "s"]
    assert [row["size"] for row in models["r"]] == ["4x4", "4x9"]
    lines = [json.loads(line) for line in (tmp_path / "rollouts.jsonl").read_text().splitlines()]
    assert len(lines) == 2 * 2 * 5 * 20
    assert len({(line["model"], line["id"]) for line in lines}) == len(lines)
    for line in lines:
        assert [a["decision"] for a in line["attempts"][:-1]] == ["resample"] * (len(line["attempts"]) - 1)
        assert line["attempts"][-1]["decision"] == ("submit" if len(line["attempts"]) == 4 else "stop")
    shown = dstheory("arithmetic", "evaluate", "r.npz", "--sizes", "4x4", "--per-size", 3, "--episodes", 2).out
    assert re.search(r"4x4\s+48\s+0\.\d+ \| 0\.\d\d \[", shown)
    again = dstheory("arithmetic", "evaluate", "r.npz", "--sizes", "4x4", "--out", "rollouts.jsonl")
    assert again.code == 1
    assert "rollouts.jsonl exists already" in again.err

    episode = dstheory("arithmetic", "show", "r.npz", "--problem", "1234x5678", "--seed", 1).out
    assert episode.startswith("1234 x 5678 = 7006652\nattempt 1: 48 tokens\n")
    assert re.search(r"  4 x 8 = \d \(0\.\d{4}\) \d \(0\.\d{4}\)   total -?\d+ \(0\.\d{4}\)", episode)
    assert re.search(r"nines (pass|fail), elevens (pass|fail), last-digit (pass|fail): (stop|resample) \(0\.\d{4}\)", episode)
    start = dstheory("arithmetic", "show", "--size", "4x5", "--json").result
    assert start["problem"].startswith("4x5:")


def test_figures_are_drawn_where_a_format_asks_for_them(dstheory, drawn, tmp_path) -> None:
    asked = ("--figure-format", "svg", "--width", "column")
    tiny = ("--updates", 1, "--problems", 2, "--group", 2, "--sizes", "4x4,4x5", "--checkpoint")
    assert dstheory("arithmetic", "train", *tiny, "plain.npz").code == 0
    ran = dstheory("arithmetic", "train", *tiny, "c.npz", *asked)
    assert (ran.out.splitlines()[-1], ran.err) == ("figure in c.svg", "")
    few = ("--sizes", "4x4,4x9", "--per-size", 2, "--episodes", 2)
    ran = dstheory("arithmetic", "evaluate", "c.npz", "plain.npz", *few, *asked)
    assert (ran.out.splitlines()[-1], ran.err) == ("figure in evaluation.svg", "")
    assert sorted(path.name for path in tmp_path.glob("*.[ps][nvd][gf]")) == ["c.svg", "evaluation.svg"]
    trained, evaluated = ((tmp_path / name).read_text() for name in ("c.svg", "evaluation.svg"))
    assert all(f"<!-- {text} -->" in trained for text in ("sizes trained on", "other sizes", "probability"))
    assert all(f"<!-- {text} -->" in evaluated for text in ("c", "plain", "4x4", "4x9"))
    said = dstheory("arithmetic", "evaluate", "c.npz", *few, *asked, "--overwrite", "--json")
    assert said.result["figures"] == ["evaluation.svg"]


def test_figures_of_others_are_not_replaced(dstheory, drawn, tmp_path, monkeypatch) -> None:
    from dstheory import arithmetic

    asked = ("--figure-format", "svg")
    train = ("arithmetic", "train", "--updates", 1, "--problems", 2, "--group", 2, *asked, "--checkpoint", "c.npz")
    evaluate = ("arithmetic", "evaluate", "c.npz", "--sizes", "4x4", "--per-size", 2, "--episodes", 2, *asked)
    figures = {"c.svg": train, "evaluation.svg": evaluate}
    for name, command in figures.items():
        (tmp_path / name).write_text("mine")
        with monkeypatch.context() as patch:
            patch.setattr(arithmetic, "train", lambda *_, **__: pytest.fail("trained"))
            patch.setattr(arithmetic, "evaluate", lambda *_, **__: pytest.fail("evaluated"))
            refused = dstheory(*command)
        assert (refused.code, (tmp_path / name).read_text()) == (1, "mine")
        assert f"error: {name} exists already: nothing was written; give another name" in refused.err
        assert dstheory(*command, "--overwrite").code == 0
        assert (tmp_path / name).read_text().startswith("<?xml")
    (tmp_path / "c.svg").write_text("of the same run")
    assert dstheory(*train).code == 0  # which was finished: its figure is drawn again
    assert (tmp_path / "c.svg").read_text().startswith("<?xml")
    itself = dstheory(*train[:-1], "c.svg", "--overwrite")
    assert (itself.code, "c.svg is what the result is computed from" in itself.err) == (1, True)


def test_rollouts_are_read_by_the_anatomy_room(dstheory, tmp_path) -> None:
    from dstheory.anatomy.logs import read_log
    from dstheory.anatomy.rates import measure

    dstheory("arithmetic", "train", *SMALL, "--checkpoint", "r.npz")
    dstheory("arithmetic", "evaluate", "r.npz", "--sizes", "4x4,6x6", "--per-size", 10, "--episodes", 50, "--out", "o.jsonl")
    log = read_log(tmp_path / "o.jsonl", strict=True).episodes
    evaluated = dstheory(
        "arithmetic", "evaluate", "r.npz", "--sizes", "4x4,6x6", "--per-size", 10, "--episodes", 50, "--json"
    ).result
    assert len(log) == 1000
    for row, reported in zip(measure(log, "task"), evaluated["models"]["r"], strict=True):
        assert row.labels == (reported["size"],)
        for name in "pab":
            assert getattr(row, name).text(2) == reported[name]["rollouts"]


def test_a_killed_run_goes_on_to_the_same_result(dstheory, tmp_path) -> None:
    options = ["--updates", "25", "--problems", "4", "--group", "4", "--seed", "2"]
    # Keep a checkpoint after every update, so that the kill hits a run that has one.
    code = "import dstheory.cli.arithmetic as a; a._CHECKPOINT_SECONDS = 0.0; from dstheory.cli.main import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code, "arithmetic", "train", *options, "--checkpoint", "killed.npz"],
                               cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    while not (tmp_path / "killed.npz").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    from dstheory.arithmetic.training import read_checkpoint

    assert 0 < read_checkpoint(tmp_path / "killed.npz").done <= 25
    resumed = dstheory("arithmetic", "train", *options, "--checkpoint", "killed.npz", "--json")
    whole = dstheory("arithmetic", "train", *options, "--checkpoint", "whole.npz", "--json")
    one, two = resumed.result, whole.result
    assert one["resumed_after"] > 0
    assert one["results"] == two["results"]
    assert (one["tokens"], one["episodes"]) == (two["tokens"], two["episodes"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--sizes", "3x4"], "size 3x4: must be n x m with 4 <= n <= m <= 9, for example 4x6"),
        (["train", "--sizes", ""], "the set of sizes to train on is empty: name at least one"),
        (["train", "--cap", "0"], "cap T on the number of attempts is 0: must be a whole number >= 1"),
        (["train", "--problems", "0"], "Invalid value for '--problems': 0 is not in the range x>=1"),
        (["train", "--checks", "sevens"], "there is no check 'sevens'"),
        (["evaluate", *["a.npz"] * 3], "a.npz has the name of another checkpoint: give each once, under a name of its own"),
        (["evaluate", "gone.npz"], "cannot read the checkpoint gone.npz: No such file or directory"),
        (["show", "--problem", "12"], "--problem is '12': must be two factors such as 1234x5678"),
        (["show", "--problem", f"1234x{10**20}"], "a factor has more than 18 digits: must have 4 to 9 digits"),
        (["show", "--problem", "1234x" + "9" * 5000], f"--problem is '1234x{'9' * 35}...': must be two factors such as"),
        (["show", "--problem", f"{10**11}x{10**12}"], "100000000000 x 1000000000000 has 12 and 13 digits: must be 4 to 9"),
        (["show", "--size", "10x10"], "size 10x10: must be n x m"),
    ],
)
def test_bad_input(dstheory, arguments, message) -> None:
    ran = dstheory("arithmetic", *arguments)
    assert ran.code == (1 if "gone.npz" in arguments else 2)
    assert f"rror: {message}" in ran.err


def test_a_damaged_checkpoint_is_trained_again(dstheory, tmp_path) -> None:
    whole = dstheory("arithmetic", "train", *SMALL, "--checkpoint", "r.npz")
    content = (tmp_path / "r.npz").read_bytes()
    changed = content[:3000] + bytes([content[3000] ^ 1]) + content[3001:]
    (tmp_path / "r.npz").write_bytes(changed)
    again = dstheory("arithmetic", "train", *SMALL, "--checkpoint", "r.npz")
    assert (again.code, again.out.split("checkpoint:")[0]) == (0, whole.out.split("checkpoint:")[0])
    assert "r.npz is not a complete checkpoint" in again.err
    assert (tmp_path / "r.npz").read_bytes() == content
    assert (tmp_path / "r.npz.damaged").read_bytes() == changed
    (tmp_path / "thesis.npz").write_bytes(b"mine")
    refused = dstheory("arithmetic", "train", *SMALL, "--checkpoint", "thesis.npz")
    assert (refused.code, (tmp_path / "thesis.npz").read_bytes()) == (1, b"mine")


@pytest.mark.parametrize(
    ("path", "says"),
    [("gone/r.npz", "cannot write gone/r.npz: there is no directory"), (".", ". is a directory: give the name of a file")],
)
def test_where_no_checkpoint_can_be_kept_nothing_is_trained(dstheory, monkeypatch, path, says) -> None:
    from dstheory import arithmetic

    monkeypatch.setattr(arithmetic, "train", lambda *_, **__: pytest.fail("trained"))
    ran = dstheory("arithmetic", "train", *SMALL, "--checkpoint", path)
    assert ran.code == 1
    assert says in ran.err


def test_a_run_interrupted_before_its_first_checkpoint_leaves_nothing(dstheory, tmp_path, monkeypatch) -> None:
    from dstheory import arithmetic

    def interrupted(*_, **__) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(arithmetic, "train", interrupted)
    assert dstheory("arithmetic", "train", *SMALL).code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_cap_that_no_episode_reaches_costs_nothing(dstheory) -> None:
    assert dstheory("arithmetic", "train", *SMALL, "--cap", 10**12, "--checkpoint", "r.npz").code == 0


def test_a_checkpoint_of_other_settings_is_refused_and_named(dstheory) -> None:
    assert dstheory("arithmetic", "train", *SMALL, "--checkpoint", "r.npz").code == 0
    refused = dstheory("arithmetic", "train", *SMALL, "--checkpoint", "r.npz", "--lr", 0.5)
    assert refused.code == 1
    assert "r.npz is of another run: lr is 0.01 there, 0.5 here; give its settings, or another file name" in refused.err
    assert dstheory("arithmetic", "train", *SMALL, "--checkpoint", "r.npz", "--lr", 0.5, "--overwrite").code == 0


def test_policies_whose_law_is_not_known_are_measured(dstheory) -> None:
    checks = ("--checks", "nines,magnitude,disagreement")
    assert "measure with evaluate" in dstheory("arithmetic", "train", *SMALL, *checks, "--checkpoint", "m.npz").out
    ran = dstheory("arithmetic", "evaluate", "m.npz", "--sizes", "4x4", "--per-size", 5, "--episodes", 5)
    assert ran.code == 0, ran.err
    assert re.search(r"4x4\s+48\s+- \| 0\.", ran.out)


def test_with_one_attempt_the_captions_say_that_nothing_is_decided(dstheory) -> None:
    small = ("--updates", 1, "--problems", 2, "--group", 2, "--sizes", "4x4")
    words = "with T = 1 nothing is decided, a and b are of decisions that would be taken"
    for cap, said in ((1, True), (2, False)):
        trained = dstheory("arithmetic", "train", *small, "--cap", cap, "--checkpoint", f"{cap}.npz").out
        shown = dstheory("arithmetic", "evaluate", f"{cap}.npz", "--sizes", "4x4", "--per-size", 1, "--episodes", 1).out
        for out in (trained, shown):
            assert (words in " ".join(out.split())) is said
        assert "attempts: the rollouts' mean" in " ".join(shown.split())

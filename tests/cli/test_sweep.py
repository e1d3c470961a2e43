"""`dstheory sweep`: what it prints and writes, progress, and bad input in one sentence."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dstheory.cli.sweep import EPILOG, _duration, _Lines
from dstheory.dynamics import sweep

GRIDS = ("--grid", "length_weight=0:1:5", "--grid", "beta=log:1e-2:1:3")


def test_a_sweep_of_the_optimum_prints_writes_and_is_the_librarys(dstheory, tmp_path) -> None:
    ran = dstheory("sweep", *GRIDS, "--answer-length", 1024, "--out", "out")
    assert ran.code == 0, ran.err
    assert ran.err == "15 settings, a result of 1.46 kB, into out\n"
    assert "M0: optimum over 5 length_weight x 3 beta" in ran.out
    assert re.search(r"^ +0 +0\.1 +0\.915 +0\.925 +1\.000 .* 0\.589 *$", ran.out, re.MULTILINE)
    assert re.search(r"^ +1 +0\.1 +0\.551 +0\.965 +0\.999 .* 0\.999 *$", ran.out, re.MULTILINE)
    assert re.search(r"data and manifest: out \(\d+\.\d s\)\n$", ran.out)
    with xr.open_dataset(tmp_path / "out/history.nc") as data:
        assert data.equals(sweep({"length_weight": "0:1:5", "beta": "log:1e-2:1:3"}, answer_length=1024))
    manifest = json.loads((tmp_path / "out/run.json").read_text())
    assert manifest["command"][:2] == ["dstheory", "sweep"]
    assert manifest["parameters"]["answer_length"] == 1024
    assert manifest["sweep"]["grid"]["beta"] == [0.01, 0.1, 1.0]
    assert manifest["without_result"] == {}


def test_a_large_sweep_is_summed_up(dstheory) -> None:
    ran = dstheory("sweep", "--grid", "beta=log:0.01:1:41", "--answer-length", 1024, "--length-weight", 1, "--out", "out")
    assert re.search(r"decision_share +share of the accuracy gain due to decisions +0\.\d+ +0\.\d+ +0\.999", ran.out)


def test_a_figure_is_drawn_where_a_format_asks_for_it(dstheory, drawn, tmp_path) -> None:
    """Also of a sweep that was complete already; over numbers and over names, in the formats asked for and in no other."""
    for grids in (GRIDS, ("--of", "simulate", "--objective", "sft", "--steps", 3, "--grid", "optimizer=sgd,adam")):
        out = f"of-{len(grids)}"
        assert dstheory("sweep", *grids, "--out", out).code == 0
        assert not list((tmp_path / out).glob("sweep.*"))
        ran = dstheory("sweep", *grids, "--out", out, "--figure-format", "svg", "--figure-format", "pdf", "--width", "column")
        assert ran.code == 0, ran.err
        assert sorted(path.name for path in (tmp_path / out).glob("sweep.*")) == ["sweep.pdf", "sweep.svg"]
        assert dstheory("sweep", *grids, "--out", out, "--figure-format", "svg", "--overwrite").code == 0  # one of its results
        assert json.loads((tmp_path / out / "run.json").read_text())["files"] == ["history.nc", "run.json", "sweep.svg"]
        picture = (tmp_path / out / "sweep.svg").read_text()
        assert all(f"<!-- {text} -->" in picture for text in ("p = P(correct)", "final accuracy", "probability, or share"))
        assert ("<!-- adam -->" in picture) == (grids is not GRIDS)
        assert ("length weight" in picture) == (grids is GRIDS)


def test_a_figure_of_somebody_else_is_kept(dstheory, tmp_path) -> None:
    assert dstheory("sweep", *GRIDS, "--out", "out").code == 0
    before = (tmp_path / "out/run.json").read_bytes()
    (tmp_path / "out/sweep.svg").write_text("mine")
    ran = dstheory("sweep", *GRIDS, "--out", "out", "--figure-format", "svg")
    assert (ran.code, (tmp_path / "out/sweep.svg").read_text()) == (1, "mine")
    assert "out holds sweep.svg, not written by dstheory: move it elsewhere" in ran.err
    assert (tmp_path / "out/run.json").read_bytes() == before


def test_json_and_the_same_command_again(dstheory) -> None:
    first = dstheory("sweep", *GRIDS, "--json")
    found = first.result
    assert found["dimensions"] == {"length_weight": [0, 0.25, 0.5, 0.75, 1], "beta": [0.01, 0.1, 1]}
    assert (found["settings"], found["chunks"], found["computed"]) == (15, 1, 1)
    assert found["out"] == "results/sweep"
    assert found["summary"]["decision_share"]["highest"] <= 1
    again = dstheory("sweep", *GRIDS, "--json").result
    assert (again["computed"], again["out"]) == (0, "results/sweep")
    assert again["summary"] == found["summary"]
    assert "this sweep was complete already, nothing was computed: results/sweep" in dstheory("sweep", *GRIDS).out
    other = dstheory("sweep", *GRIDS, "--gamma", 0.9, "--json").result
    assert (other["computed"], other["out"]) == (1, "results/sweep-2")


def test_a_seed_that_is_swept_is_not_one_seed(dstheory) -> None:
    """JSON and manifest said seed 0 of seeds 1 and 2."""
    command = ("sweep", "--of", "simulate", "--objective", "reinforce", "--steps", 2, "--runs", 2, "--out", "out", "--json")
    found = dstheory(*command, "--grid", "seed=1,2").result
    assert (found["seed"], found["dimensions"]["seed"]) == (None, [1, 2])
    assert json.loads(Path("out/run.json").read_text())["seed"] is None
    assert dstheory(*command, "--grid", "beta=0.1,0.2", "--seed", 3, "--overwrite").result["seed"] == 3


@pytest.mark.parametrize("finished", [True, False])
def test_settings_of_a_sweep_that_is_there_are_not_tried_again(dstheory, monkeypatch, finished: bool) -> None:
    """That each setting can be trained was found out before the first one was: 14 seconds for 10,000 of DPO."""
    from dstheory.dynamics.sweeps import run

    tried: list[object] = []
    monkeypatch.setattr(run, "check", tried.append)
    write = run.write_result
    if not finished:
        monkeypatch.setattr(run, "write_result", lambda *_: (_ for _ in ()).throw(MemoryError))
    command = ("sweep", "--of", "simulate", "--objective", "dpo", "--steps", 2, "--json", "--grid", "lr=0.1,0.2")
    ran = dstheory(*command)
    assert (ran.code, len(tried)) == (0 if finished else 1, 1)
    monkeypatch.setattr(run, "write_result", write)
    again = dstheory(*command)
    assert (again.code, again.result["computed"], len(tried)) == (0, 0, 1)
    assert dstheory(*command, "--out", "results/sweep", "--overwrite").code == 0
    assert len(tried) == 2


def test_training_with_fixed_options_of_simulate(dstheory, tmp_path) -> None:
    ran = dstheory(
        "sweep", "--of", "simulate", "--grid", "length_weight=0,1", "--steps", 40, "--expert", "0.8,0.9,0.7",
        "--reward", "1,0,0,0.1", "--answer-length", "4,9", "--reference", "0.5,0.5,0.5", "--runs", 2, "--seed", 3, "--out", "out",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    mine = sweep(
        {"length_weight": [0, 1]}, of="simulate", steps=40, expert_p=0.8, expert_a=0.9, expert_b=0.7, reward_stop_correct=1,
        reward_resample_correct=0, reward_stop_wrong=0, reward_resample_wrong=0.1, answer_length_correct=4,
        answer_length_wrong=9, reference_p=0.5, reference_a=0.5, reference_b=0.5, runs=2, seed=3,
    )  # fmt: skip
    with xr.open_dataset(tmp_path / "out/history.nc") as data:
        assert dict(data.sizes) == {"length_weight": 2, "objective": 4, "run": 2}
        assert data.equals(mine)


def test_a_sweep_is_what_simulate_and_optimum_say(dstheory) -> None:
    options = ("--steps", 60, "--lr", 0.2, "--optimizer", "adam", "--b", 0.4, "--answer-length", 16)
    said = dstheory("simulate", *options, "--length-weight", 0.3, "--json").result["conditions"]
    dstheory("sweep", "--of", "simulate", *options, "--grid", "length_weight=0.3,0.9", "--out", "out")
    with xr.open_dataset("out/history.nc") as data:
        for row in said:
            here = data.sel(length_weight=0.3, objective=row["condition"])
            for mine, theirs in (("accuracy", row["after"]["accuracy"]), ("b_after", row["after"]["b"]), ("gain", row["gain"]),
                                 ("energy_sample", row["energy_at_end"]["sample"])):  # fmt: skip
                assert float(here[mine]) == pytest.approx(theirs, rel=1e-9), (mine, row["condition"])
    best = dstheory("optimum", "--beta", 0.2, "--gamma", 0.8, "--json").result
    dstheory("sweep", "--grid", "beta=0.2,0.4", "--gamma", 0.8, "--out", "best")
    with xr.open_dataset("best/history.nc") as data:
        here = data.sel(beta=0.2)
        assert float(here.accuracy) == pytest.approx(best["optimum"]["accuracy"], rel=1e-12)
        assert float(here.decision_share) == pytest.approx(best["decision_share_of_gain"], rel=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        ("--objective", "rloo", "--reward", "1,-0.2,-0.3,0.1", "--max-turns", 2),  # groups compare the chain's returns
        ("--objective", "distill", "--expert", "0.7,0.9,0.6"),  # the expert is the teacher
    ],
)
def test_a_sweep_builds_objectives_as_simulate_does(dstheory, options) -> None:
    more = ("--steps", 5, "--lr", 0.3, *options)
    (said,) = dstheory("simulate", *more, "--length-weight", 0.3, "--out", "one", "--json").result["conditions"]
    dstheory("sweep", "--of", "simulate", *more, "--grid", "length_weight=0.3,0.9", "--out", "out")
    with xr.open_dataset("out/history.nc") as data:
        assert float(data.accuracy.sel(length_weight=0.3)[0]) == pytest.approx(said["after"]["accuracy"], rel=1e-9)


def test_conditions_stand_beside_objectives_in_both_commands(dstheory) -> None:
    """They were refused by `simulate` where an option of objectives was given, since their names are not sums."""
    names = ("reward", "reward + KL", "SFT, covers mistakes", "grpo")
    more = ("--steps", 5, "--beta", 0.3, "--std", "none", *(part for name in names for part in ("--objective", name)))
    ran = dstheory("simulate", *more, "--length-weight", 0.3, "--out", "one", "--json")
    assert ran.code == 0, ran.err
    said = " ".join(ran.err.split())
    assert "--beta 0.3 is not used by reward, SFT, covers mistakes, which have no beta" in said
    assert "--std none is not used by reward, reward + KL, SFT, covers mistakes, which have no std" in said
    assert "--length-weight 0.3 is not used by reward, grpo, which have no length-weight" in said
    dstheory("sweep", "--of", "simulate", *more, "--grid", "length_weight=0.3,0.9", "--out", "out")
    with xr.open_dataset("out/history.nc") as data:
        for row in ran.result["conditions"]:
            mine = data.accuracy.sel(length_weight=0.3, objective=row["condition"])
            assert float(mine) == pytest.approx(row["after"]["accuracy"], rel=1e-12)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--objective", "reinforce", "--grid", "beta=0.01,0.1"), "--grid beta is not used by reinforce, which has no beta"),
        (("--grid", "alpha=0,1"), "--grid alpha is not used by reward, reward + KL, SFT, covers mistakes, SFT"),
        (("--objective", "sft", "--grid", "reference_p=0.3,0.4", "--grid", "beta=0,0.1"),
         "--grid reference_p is not used by sft, which has no reference"),
        (("--objective", "rloo", "--grid", "reward_resample_wrong=0,0.1", "--objective", "sft", "--max-turns", 2),
         "--grid reward_resample_wrong is not read by sft: no reward"),
        (("--objective", "sft", "--grid", "beta=0,0.1", "--std", "none"), "--std none is not used by sft, which has no std"),
        (("--objective", "grpo", "--grid", "gamma=0.9,1"), "R = 1 for a correct answer, without discount, whatever"),
    ],
)  # fmt: skip
def test_what_has_no_effect_on_an_objective_is_said(dstheory, options, said) -> None:
    ran = dstheory("sweep", "--of", "simulate", "--steps", 2, *options, "--json")
    assert ran.code == 0, ran.err
    assert said in " ".join(ran.err.split())
    assert any(said in line for line in ran.result["notes"])


def test_nothing_is_said_of_what_some_condition_uses(dstheory) -> None:
    for grid in ("beta=0,0.1", "expert_b=0.5,0.6", "reduction=sum,mean", "reference_a=0.2,0.3", "gamma=0.5,0.6"):
        assert dstheory("sweep", "--of", "simulate", "--steps", 2, "--grid", grid, "--json").result["notes"] == []


def test_an_outcome_that_was_asked_for_is_compared_whatever_is_paid(dstheory) -> None:
    """Returns took its place where a price or rewards were given, so that a sweep over it was constant."""
    more = ("--objective", "grpo", "--group-size", "inf", "--max-turns", 2, "--steps", 10, "--lr", 2)
    dstheory("sweep", "--of", "simulate", *more, "--resample-cost", 0.3, "--grid", "outcome=correct,return", "--out", "out")
    unpaid, paid = (
        dstheory("simulate", *more, *price, "--out", f"one-{len(price)}", "--json").result["conditions"][0]["after"]["accuracy"]
        for price in ((), ("--resample-cost", 0.3))
    )
    with xr.open_dataset("out/history.nc") as data:
        assert float(data.accuracy.sel(outcome="correct")[0]) == pytest.approx(unpaid, rel=1e-12)
        assert float(data.accuracy.sel(outcome="return")[0]) == pytest.approx(paid, rel=1e-12)
    assert abs(paid - unpaid) > 1e-4, (paid, unpaid)


def test_objectives_of_ones_own_are_trained_in_every_process(dstheory, own_objectives, tmp_path) -> None:
    example = (Path(__file__).resolve().parents[2] / "examples" / "my_objective.py").read_text()
    mine = tmp_path / "swept.py"
    mine.write_text(example.replace("priced-attempts", "swept-attempts"))
    more = ("--module", mine, "--objective", "2*swept-attempts + entropy", "--steps", 8)
    said = dstheory("simulate", *more, "--optimizer", "adam", "--out", "one", "--json").result["conditions"]
    options = ("sweep", "--of", "simulate", *more, "--grid", "optimizer=sgd,adam", "--chunk", 1)
    ran = dstheory(*options, "--workers", 2, "--out", "two")
    assert ran.code == 0, ran.err
    with xr.open_dataset("two/history.nc") as data:
        assert float(data.accuracy.sel(optimizer="adam")[0]) == pytest.approx(said[0]["after"]["accuracy"], rel=1e-12)
    assert "nothing was computed" in dstheory(*options, "--out", "two").out
    mine.write_text(mine.read_text() + "\n")
    assert "a file that registers objectives has changed since. Nothing was computed" in dstheory(*options, "--out", "two").err


def test_a_chain_from_a_file(dstheory) -> None:
    chain = Path(__file__).resolve().parents[2] / "examples" / "three_prompts.json"
    example = dstheory("optimum", "--mdp", chain, "--beta", "0.3", "--gamma", 0.7, "--json")
    ran = dstheory("sweep", "--mdp", chain, "--gamma", 0.7, "--grid", "beta=0.1,0.3", "--out", "out", "--json")
    assert ran.code == 0, ran.err
    assert ran.result["chain"] == "three_prompts.json"
    with xr.open_dataset("out/history.nc") as data:
        assert float(data.accuracy.sel(beta=0.3)) == pytest.approx(example.result["optimum"]["accuracy"], rel=1e-12)
    refused = dstheory("sweep", "--mdp", chain, "--grid", "p=0.1,0.3")
    assert refused.code == 2
    assert (
        refused.err.splitlines()[-1]
        == "Error: p describes the minimal chain M0; a chain from a file has its policy and lengths in the file"
    )


def test_settings_without_a_result_are_counted_and_said(dstheory, tmp_path) -> None:
    options = ("--grid", "gamma=0.9,1", "--grid", "reward_resample_wrong=0,0.9", "--beta", 0.1)
    ran = dstheory("sweep", *options, "--out", "out")
    assert ran.code == 0
    assert "1 of 4 settings have no result (no optimum: never stopping pays): NaN, marked in `status`" in ran.out
    assert json.loads((tmp_path / "out/run.json").read_text())["without_result"] == {"no_optimum_never_stopping_pays": 1}
    found = dstheory("sweep", *options, "--json").result
    assert found["without_result"] == {"no_optimum_never_stopping_pays": 1}


def test_numbers_that_do_not_exist_are_counted_and_explained(dstheory) -> None:
    ran = dstheory("sweep", "--grid", "max_turns=1,2", "--out", "out")
    assert "a_after is NaN or infinite in 1 setting that has a result: no decision at a correct answer is drawn" in ran.out


BAD = [
    ((), 2, "there is nothing to sweep: give at least one grid"),
    (("--grid", "beta"), 2, "the grid 'beta' has no parameter: write NAME=VALUES"),
    (("--grid", "beta="), 2, "the grid of beta is empty"),
    (("--grid", "beta=1:0.1:3"), 2, "the grid beta=1:0.1:3 runs downwards: write beta=0.1:1:3"),
    (("--grid", "beta=log:0:1:3"), 2, "a logarithmic grid needs both ends > 0"),
    (("--grid", "lenght_weight=0:1:3"), 2,
     "there is no parameter 'lenght_weight' of optimum to sweep: did you mean length_weight"),
    (("--grid", "beta=0.1", "--grid", "beta=0.2"), 2, "beta is swept twice"),
    (("--grid", "beta=0.1", "--beta", "0.2"), 2, "beta is both fixed and swept"),
    (("--grid", "beta=0.1,0.2", "--steps", "5"), 2, "--steps has no effect on an optimum: leave it out, or give --of simulate"),
    (("--grid", "beta=0.1,0.2", "--reference", "0.5,0.5,0.5"), 2, "--reference has no effect on an optimum"),
    (("--grid", "beta=0.1:1:5000", "--grid", "p=0.1:0.9:5000", "--max-size", "1GB"), 2,
     "the sweep has 25,000,000 settings (5,000 beta x 5,000 p): its result would take 2.42 GB, more than 1 GB"),
    (("--grid", "beta=0.1", "--max-size", "plenty"), 2, "'plenty' is not a size: write for example 500MB or 8GB"),
    (("--grid", "beta=0.1", "--workers", "0"), 2, "0 is not in the range x>=1"),
    (("--grid", "beta=0.1", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"), 1, "workers and a scheduler were both given"),
    (("--grid", "p=0.5,1", "--gamma", "0.9"), 2, "the grid of p does not work: p is 1: must be > 0 and < 1"),
    (("--of", "simulate", "--objective", "dpo", "--grid", "beta=0.1,0"), 2,
     "Error: in the setting with beta 0, objective dpo: beta is 0.0: must be finite and > 0"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "words"), BAD)
def test_bad_input_is_one_sentence_and_writes_nothing(dstheory, tmp_path, arguments, code, words) -> None:
    ran = dstheory("sweep", *arguments)
    assert ran.code == code
    assert words in ran.err
    assert ran.out == ""
    assert not list(tmp_path.iterdir())


def test_a_damaged_chunk_is_a_note(dstheory, tmp_path, monkeypatch) -> None:
    module = importlib.import_module("dstheory.dynamics.sweeps.run")
    real = module.write_result
    monkeypatch.setattr(module, "write_result", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert dstheory("sweep", *GRIDS, "--out", "out").code == 130
    assert not (tmp_path / "out").exists()
    (tmp_path / "out.unfinished/chunk-000000.npz").write_bytes(b"PK")
    monkeypatch.setattr(module, "write_result", real)
    ran = dstheory("sweep", *GRIDS, "--out", "out", "--json")
    assert ran.code == 0
    note = r".*chunk-000000\.npz was cut off or changed: its settings are computed again"
    assert re.search(f"note: {note}", " ".join(ran.err.split()))
    assert [re.fullmatch(note, line) is not None for line in ran.result["notes"]] == [True]


def test_killed_while_the_result_was_written(dstheory, monkeypatch) -> None:
    module = importlib.import_module("dstheory.dynamics.sweeps.run")
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_result", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert dstheory("sweep", *GRIDS, "--out", "out").code == 130
    ran = dstheory("sweep", *GRIDS, "--out", "out")
    assert re.search(r"^data and manifest: out \(\d+\.\d s, 1 of 1 part was there already\)$", ran.out, re.MULTILINE)


def test_options_from_a_file(dstheory, tmp_path) -> None:
    (tmp_path / "c.toml").write_text('of = "simulate"\ngrid = ["length_weight=0,1"]\nsteps = 5\nobjective = ["sft"]\n')
    found = dstheory("sweep", "--config", "c.toml", "--grid", "beta=0.1,0.2,0.3", "--json").result
    assert found["dimensions"] == {"beta": [0.1, 0.2, 0.3], "objective": ["sft"]}  # the command line wins
    found = dstheory("sweep", "--config", "c.toml", "--json").result
    assert found["dimensions"] == {"length_weight": [0, 1], "objective": ["sft"]}


def test_progress_lines_count_only_what_this_process_does(monkeypatch, capsys) -> None:
    import dstheory.cli.sweep as module

    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    lines = _Lines()
    for seconds, done in ((0.0, 500), (10.0, 510), (40.0, 540), (50.0, 550), (100.0, 600), (500.0, 1000)):
        now[0] = seconds
        lines(done, 1000)
    # 500 were there at the start: 40 in 40 s leave 460 s for the other 460, and so on.
    assert capsys.readouterr().err == "540 of 1,000 settings, 8 min left\n600 of 1,000 settings, 7 min left\n"
    assert [_duration(s) for s in (0.4, 99, 100, 3600)] == ["0 s", "99 s", "2 min", "1 h 0 min"]


def test_help_shows_examples_that_work(dstheory) -> None:
    shown = dstheory("sweep", "--help").out
    for line in re.findall(r"dstheory sweep (.*)", EPILOG):
        assert line in shown
    assert "length_weight" in shown
    assert np.isfinite(sweep({"beta": [0.1]}).accuracy).all()

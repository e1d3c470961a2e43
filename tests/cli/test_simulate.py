"""`dstheory simulate`: results on disk and on screen, every option, every way to get it wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dstheory import Policy, TwoStageMDP, optimum, solve
from dstheory.readers import read_chain

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_default_run_writes_figure_data_and_manifest(dstheory, drawn, tmp_path) -> None:
    ran = dstheory("simulate", "--length-weight", 0.5, "--steps", 60)
    assert ran.code == 0
    for word in ("reward + KL", "SFT, covers mistakes", "SFT, right first time", "decision share"):
        assert word in ran.out
    out = tmp_path / "results" / "simulate"
    assert {p.name for p in out.iterdir()} == {"history.nc", "run.json", "simulate.png", "simulate.svg"}
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["parameters"]["length_weight"] == 0.5
    assert manifest["seed"] == 0
    assert manifest["version"]
    with xr.open_dataset(out / "history.nc") as history:
        assert list(history.condition.values) == ["reward", "reward + KL", "SFT, covers mistakes", "SFT, right first time"]
        start = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3))
        np.testing.assert_allclose(history.accuracy.isel(step=0), start.mean_accuracy, rtol=1e-12)
        assert float(history.accuracy.isel(step=-1).min()) > float(start.mean_accuracy)


def test_a_second_run_does_not_touch_the_first(dstheory, tmp_path) -> None:
    first = dstheory("simulate", "--steps", 5)
    stamp = (tmp_path / "results/simulate/run.json").read_bytes()
    second = dstheory("simulate", "--steps", 6)
    assert first.code == second.code == 0
    assert "results/simulate-2" in second.out
    assert (tmp_path / "results/simulate/run.json").read_bytes() == stamp


def test_a_named_directory_is_overwritten_only_when_asked(dstheory, tmp_path) -> None:
    assert dstheory("simulate", "--steps", 5, "--out", "here").code == 0
    refused = dstheory("simulate", "--steps", 6, "--out", "here")
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert json.loads((tmp_path / "here/run.json").read_text())["parameters"]["steps"] == 5
    assert dstheory("simulate", "--steps", 6, "--out", "here", "--overwrite").code == 0
    assert json.loads((tmp_path / "here/run.json").read_text())["parameters"]["steps"] == 6


def test_json_is_all_there_is_on_stdout(dstheory, drawn) -> None:
    ran = dstheory("simulate", "--steps", 40, "--runs", 3, "--seed", 5, "--json")
    data = ran.result
    assert data["seed"] == 5
    assert data["runs"] == 3
    reward = data["conditions"][0]
    assert reward["condition"] == "reward"
    assert reward["gain_sample"] + reward["gain_decide"] == pytest.approx(reward["gain"], abs=0.02)  # medians, not one run


def test_the_same_seed_gives_the_same_numbers(dstheory) -> None:
    options = ("simulate", "--steps", 20, "--runs", 4, "--json")
    one, two, other = (dstheory(*options, "--seed", s).result["conditions"] for s in (1, 1, 2))
    assert one == two
    assert one != other


def test_coverage_decides_whether_b_moves(dstheory) -> None:
    """Claim C3: demonstrations that are right first time leave P(resample | wrong) exactly where it was."""
    rows = dstheory("simulate", "--steps", 300, "--json").result["conditions"]
    by_name = {row["condition"]: row for row in rows}
    assert by_name["SFT, right first time"]["after"]["b"] == pytest.approx(0.3, abs=1e-12)
    assert by_name["SFT, covers mistakes"]["after"]["b"] > 0.4


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "natural"])
def test_every_optimiser_and_training_option(dstheory, optimizer: str) -> None:
    ran = dstheory(
        "simulate", "--steps", 20, "--lr", 0.02, "--optimizer", optimizer, "--clip-norm", 0.5, "--schedule", "cosine",
        "--warmup", 3,
        "--reference-every", 7, "--reduction", "mean", "--answer-length", "30,90", "--decision-length", 2, "--max-turns", 4,
        "--discount-per", "stage", "--reward", "1,-0.1,0,0.2", "--beta", 0.2, "--gamma", 0.9, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.result


def test_own_objectives_are_compared(dstheory, drawn) -> None:
    ran = dstheory("simulate", "--steps", 20, "--objective", "reinforce", "--objective", "reinforce + 0.5*kl + entropy", "--json")
    assert [row["condition"] for row in ran.result["conditions"]] == ["reinforce", "reinforce + 0.5*kl + entropy"]


@pytest.mark.parametrize("price", [0, 0.1])
def test_a_price_that_is_asked_for_has_returns_compared_whatever_it_is(dstheory, price) -> None:
    """As in a sweep over prices, whose setting of price 0 compared returns, where this command compared correctness."""
    asked = ("--objective", "rloo", "--steps", 5, "--json")
    plain, said = (dstheory("simulate", *asked, *more) for more in ((), ("--resample-cost", price)))
    grid = ("--grid", "resample_cost=0,0.1", "--out", "out")
    swept = dstheory("sweep", "--of", "simulate", *asked, *grid)
    found = said.result["conditions"][0]["after"]["accuracy"]
    with xr.open_dataset("out/history.nc") as data:
        assert float(data.accuracy.sel(resample_cost=price)[0]) == pytest.approx(found, rel=1e-12)
    assert abs(found - plain.result["conditions"][0]["after"]["accuracy"]) > 1e-5
    rule = "returns of the chain are compared, not correctness, as {} asks: rloo"
    assert rule.format("--resample-cost") in said.result["notes"]
    assert rule.format("--grid resample_cost") in swept.result["notes"]
    assert not any("returns" in note for note in plain.result["notes"])
    refused = dstheory("simulate", "--objective", "nft", "--resample-cost", price)
    assert (refused.code, "nft pays 1 for a correct answer and cannot read --resample-cost" in refused.err) == (1, True)


def test_random_starts_of_dpo_are_those_of_a_sweep(dstheory) -> None:
    """They were refused: trajectories are those of one policy."""
    more = ("--objective", "dpo", "--objective", "dpo + entropy", "--runs", 2, "--steps", 3, "--reference-every", 2, "--json")
    ran = dstheory("simulate", *more, "--lr", 0.5)
    assert ran.code == 0, ran.err
    dstheory("sweep", "--of", "simulate", *more, "--grid", "lr=0.5,0.1", "--out", "out")
    with xr.open_dataset("out/history.nc") as data:
        for row in ran.result["conditions"]:
            mine = data.sel(lr=0.5, objective=row["condition"]).median("run")
            assert float(mine.accuracy) == pytest.approx(row["after"]["accuracy"], rel=1e-12)
            assert float(mine.gain_decide) == pytest.approx(row["gain_decide"], rel=1e-9)
            assert float(mine.energy_sample_before) == pytest.approx(row["energy_at_start"]["sample"], rel=1e-12)


def test_no_cap_is_a_value_that_replaces_the_cap_of_a_file(dstheory, tmp_path) -> None:
    """`--max-turns none` was passed over: numbers were those of the file's four turns, here and in every other command."""
    more = ("--mdp", EXAMPLES / "three_prompts.json", "--objective", "reinforce", "--steps", 2)
    found = dstheory("simulate", *more, "--max-turns", "none", "--out", "one", "--json").result["conditions"][0]
    dstheory("sweep", "--of", "simulate", *more, "--grid", "max_turns=none,4", "--out", "out")
    with xr.open_dataset("out/history.nc") as data:
        free, capped = (float(data.accuracy.sel(max_turns=turns)[0]) for turns in (np.inf, 4))
    assert found["after"]["accuracy"] == pytest.approx(free, rel=1e-12)
    assert abs(free - capped) > 1e-3
    fixed = ("sweep", *more[:2], "--grid", "beta=0.1,0.2", "--max-turns", "none", "--json")
    best = dstheory("optimum", *more[:2], "--max-turns", "none", "--json").result["optimum"]
    chain = read_chain(EXAMPLES / "three_prompts.json")
    alone = optimum(chain.mdp.replace(max_turns=None), chain.reference, beta=0.1, length_weight=0.5)
    assert best["penalised_value"] == pytest.approx(float(alone.mean_value), rel=1e-12)
    low = solve(chain.mdp.replace(max_turns=None), alone.policy).mean_accuracy
    assert dstheory(*fixed).result["summary"]["accuracy"]["highest"] == pytest.approx(float(low), rel=1e-9)


def test_what_is_said_beside_the_table_is_in_the_json(dstheory) -> None:
    """It was on standard error alone, where a program that reads the JSON does not look."""
    ran = dstheory("simulate", "--steps", 2, "--objective", "grpo", "--expert", "0.5,0.5,0.5", "--json")
    note = "--expert 0.5,0.5,0.5 is not used by grpo, which has no expert"
    assert note in ran.result["notes"]
    assert note in " ".join(ran.err.split())
    assert dstheory("simulate", "--steps", 2, "--json").result["notes"] == []


@pytest.mark.parametrize("name", ["minimal.toml", "three_prompts.json", "several_hundred_prompts.csv"])
def test_example_chains_run(dstheory, name: str) -> None:
    ran = dstheory("simulate", "--mdp", EXAMPLES / name, "--steps", 30, "--lr", 0.5, "--json")
    assert ran.code == 0, ran.err
    for row in ran.result["conditions"]:
        assert 0.0 <= row["after"]["accuracy"] <= 1.0


def test_a_chain_from_real_rollouts_runs(dstheory, tmp_path) -> None:
    from readers.game24 import MISSING, RECORDS, write_game24_table

    if not RECORDS.is_file():
        pytest.skip(MISSING)
    write_game24_table(RECORDS, tmp_path / "game24.csv")
    ran = dstheory("simulate", "--mdp", "game24.csv", "--steps", 50, "--lr", 1, "--json")
    assert ran.code == 0, ran.err
    rows = {row["condition"]: row for row in ran.result["conditions"]}
    assert rows["reward"]["after"]["accuracy"] > rows["reward"]["before"]["accuracy"]


def test_configuration_file_gives_defaults_and_the_command_line_wins(dstheory, tmp_path) -> None:
    text = 'length-weight = 0.25\nsteps = 12\nanswer_length = [30, 60]\nobjective = ["reinforce", "sft"]\n'
    (tmp_path / "c.toml").write_text(text)
    assert dstheory("simulate", "--config", "c.toml", "--steps", 9, "--out", "o").code == 0
    parameters = json.loads((tmp_path / "o/run.json").read_text())["parameters"]
    assert parameters["length_weight"] == 0.25
    assert parameters["steps"] == 9
    assert parameters["answer_length"] == [30.0, 60.0]
    assert parameters["objectives"] == ["reinforce", "sft"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--length-weight", "1.5"], 2, ["length_weight is 1.5", "must be >= 0 and <= 1"]),
        (["--length-weight", "nan"], 2, ["length_weight is nan", "must be finite"]),
        (["--gamma", "-0.1"], 2, ["gamma is -0.1", "must be >= 0 and <= 1"]),
        (["--answer-length", "0.5"], 2, ["--answer-length", "0.5", ">= 1"]),
        (["--answer-length", "1,2,3"], 2, ["3 numbers", "CORRECT,WRONG"]),
        (["--p", "1"], 2, ["p is 1:", "must be > 0 and < 1"]),
        (["--beta", "-1"], 2, ["beta is -1:", ">= 0"]),
        (["--steps", "0"], 2, ["--steps", "steps is 0"]),
        (["--runs", "0"], 2, ["--runs", "0 is not in the range x>=1"]),
        (["--lr", "0"], 2, ["lr is 0:", "> 0"]),
        (["--clip-norm", "-1"], 2, ["clip_norm is -1:", "> 0"]),
        (["--max-turns", "0"], 2, ["max_turns is 0", ">= 1"]),
        (["--expert", "0.9,2,0.5"], 2, ["--expert", "number 2 of P,A,B, a, is 2", ">= 0 and <= 1"]),
        (["--objective", "reinforse"], 2, ["reinforse", "reinforce"]),
        (["--objective", "__import__('os').system('true')*sft"], 2, ["is not a number"]),
        (["--optimizer", "lion"], 2, ["lion", "sgd"]),
        (["--mdp", "absent.csv"], 1, ["absent.csv"]),
        (["--mdp", "x.csv", "--p", "0.5"], 2, ["--p", "minimal chain"]),
        (["--config", "absent.toml"], 1, ["absent.toml"]),
        (["--lenght-weight", "0.5"], 2, ["--lenght-weight", "--length-weight"]),
        (["--reward", "1,0,0"], 2, ["3 numbers"]),
    ],
)
def test_bad_input_is_one_clear_sentence_and_leaves_nothing(dstheory, tmp_path, args, code, words) -> None:
    ran = dstheory("simulate", "--steps", "5", *args)
    assert ran.code == code, ran.err
    for word in words:
        assert word in ran.err
    assert ran.out == ""
    assert not (tmp_path / "results").exists() or not any((tmp_path / "results").iterdir())


def test_a_wrong_key_in_the_configuration_is_named(dstheory, tmp_path) -> None:
    (tmp_path / "c.toml").write_text("lenght_weight = 0.5\n")
    ran = dstheory("simulate", "--config", "c.toml")
    assert ran.code == 1
    assert "lenght_weight" in ran.err
    assert "length_weight" in ran.err


def test_a_run_that_diverges_says_so_and_leaves_nothing(dstheory, tmp_path) -> None:
    ran = dstheory("simulate", "--lr", "1e308", "--length-weight", 1, "--steps", 50, "--out", "gone")
    assert ran.code == 1
    assert "left the finite numbers" in ran.err
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupting_a_run_leaves_no_half_result(tmp_path, sent: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dstheory.cli.main", "simulate", "--steps", "1000000", "--runs", "2", "--optimizer", "adam",
         "--out", "half"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        end = time.monotonic() + 300
        while not list(tmp_path.iterdir()):  # training has begun when its directory, still hidden, is there
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(sent)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()  # it would go on for hours
    assert process.returncode == code
    assert "interrupted" in err
    assert "Traceback" not in err
    assert not (tmp_path / "half").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_warning_is_one_sentence(dstheory) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        ran = dstheory("simulate", "--lr", 1e6, "--steps", 50, "--objective", "reinforce", "--objective", "sft")
    assert ran.code == 0
    assert [line for line in ran.err.splitlines() if "compiling" not in line] == [
        "warning: the gradient pushes an action that the policy takes with probability 0, or all but 0: its Fisher energy is "
        "infinite there, or beyond the largest number"
    ]


def test_energies_hundreds_of_decades_apart_are_drawn(dstheory, drawn) -> None:
    ran = dstheory("simulate", "--p", 0.9999999999999999, "--a", 1e-300, "--b", 0.9999999999999999, "--gamma", 1, "--steps", 5)
    assert ran.code == 0, ran.err

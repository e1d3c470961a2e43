"""`dstheory signal`: table, JSON and figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.noise import signal
from dstheory.objectives import GRPO


def test_json_holds_what_the_library_finds(dstheory) -> None:
    ran = dstheory("signal", "--objective", "grpo", "--objective", "reinforce", "--group-size", 2, "--prompts", 16, "--json",
                   "--no-figure", "--covariance", "--p", 0.5)  # fmt: skip
    assert ran.code == 0, ran.err
    data = ran.result
    one, two = data["objectives"]
    s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=64), Policy.minimal(p=0.5, a=0.8, b=0.3))
    found = signal(GRPO(group_size=2), s, prompts=16, covariance=True)
    assert one["dead"] == found.dead
    assert one["sample"] == {
        "size": found.sample.size, "noise": found.sample.noise, "ratio": found.sample.ratio, "groups": found.sample.groups,
        "groups_natural": found.sample.groups_natural,
    }  # fmt: skip
    assert one["covariance"] == found.covariance.tolist()
    assert one["expected"]["decide"] == found.expected.decide.tolist()
    assert two["dead"] is None
    assert (one["group_size"], two["group_size"], one["prompts"]) == (2, 1, 16)


def test_the_table_says_what_is_left_out_and_the_figure_is_written(dstheory, tmp_path: Path) -> None:
    ran = dstheory("signal", "--no-figure")
    assert ran.code == 0, ran.err
    assert "left out: " in ran.err
    assert "dpo" in ran.err
    ran = dstheory("signal", "--objective", "grpo", "--objective", "reinforce", "--sizes", "2,4", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert f"figure in {tmp_path / 'out'}" in ran.out
    made = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [one["group_size"] for one in made["results"]["grpo"]] == [2, 4]
    assert made["results"]["grpo"][0]["dead"] > made["results"]["grpo"][1]["dead"]
    assert (tmp_path / "out" / "signal.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--objective", "dpo"], "dpo: no exact second moments of its update here"),
        (["--prompts", "inf"], "--prompts is inf: a batch without end has no noise"),
        (["--objective", "grpo", "--group-size", "inf"], "group_size=inf: a batch without end has no noise"),
        (["--sizes", "1,2"], "group sizes must lie between 2 and 4096"),
        (["--group-size", "two"], "'two' is not a whole number, nor inf"),
    ],
)
def test_what_cannot_be_computed_is_one_sentence(dstheory, args: list[str], message: str) -> None:
    ran = dstheory("signal", "--no-figure", *args)
    assert ran.code in (1, 2)
    assert message in " ".join(ran.err.split())


def test_more_prompts_and_more_members_are_more_signal(dstheory) -> None:
    def ratio(*args: object) -> float:
        ran = dstheory("signal", "--objective", "dapo-batch", "--json", "--no-figure", *args)
        return ran.result["objectives"][0]["decide"]["ratio"]

    assert ratio("--prompts", 8) < ratio("--prompts", 32) < ratio("--prompts", 32, "--group-size", 16)

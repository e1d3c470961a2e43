"""`dstheory attribute` and `dstheory objectives`."""

from __future__ import annotations

from pathlib import Path

import pytest

from dstheory.objectives import REGISTRY


def test_the_table_shows_every_objective_and_a_witness(dstheory) -> None:
    ran = dstheory("attribute")
    assert ran.code == 0
    for name in REGISTRY:
        assert name in ran.out
    assert "sft: not balanced, e.g. prompt 0: answer 0 stop; at turn 0 c_s = 8, c_d = 1" in ran.out


def test_json_has_the_three_levels(dstheory) -> None:
    data = dstheory("attribute", "--objective", "sft", "--length-weight", 1, "--json").result
    (entry,) = data["objectives"]
    assert entry["coefficient"]["balanced"] is False
    assert entry["coefficient"]["ratio"] == [64.0, 64.0]
    assert set(entry) == {"objective", "coefficient", "gradient", "fisher"}


def test_sums_of_different_measures_have_no_coefficient_level(dstheory) -> None:
    data = dstheory("attribute", "--objective", "reinforce + sft", "--json").result
    assert data["objectives"][0]["coefficient"] is None


@pytest.mark.parametrize(("weight", "balanced"), [(0, True), (0.5, False), (1, False)])
def test_sft_is_balanced_iff_the_length_weight_is_zero(dstheory, weight, balanced) -> None:
    data = dstheory("attribute", "--objective", "sft", "--length-weight", weight, "--json").result
    assert data["objectives"][0]["coefficient"]["balanced"] is balanced


def test_unknown_objective(dstheory) -> None:
    ran = dstheory("attribute", "--objective", "stf")
    assert ran.code == 2
    assert "sft" in ran.err


def test_objectives_are_listed_and_shown(dstheory) -> None:
    listed = dstheory("objectives")
    assert listed.code == 0
    entries = dstheory("objectives", "--json").result["objectives"]
    assert {e["name"] for e in entries} == set(REGISTRY)
    for entry in entries:
        assert entry["name"] in listed.out
        assert entry["balance"]
        assert entry["measure"]
    one = dstheory("objectives", "KL_direct")
    assert "balanced when" in one.out


@pytest.mark.parametrize("args", [["objectives", "kldirect"], ["simulat"], ["attribute", "--mdp", "no.csv"]])
def test_near_names_are_offered(dstheory, args) -> None:
    ran = dstheory(*args)
    assert ran.code in (1, 2)
    assert any(near in ran.err for near in ("kl-direct", "simulate", "no.csv"))


@pytest.mark.parametrize("command", ["simulate", "attribute", "objectives", "derive", "verify"])
def test_help_has_examples(dstheory, command) -> None:
    ran = dstheory(command, "--help")
    assert ran.code == 0
    assert "Examples:" in ran.out
    assert f"dstheory {command}" in ran.out


@pytest.mark.parametrize(
    "option", [["--format", "markdown"], ["--longer", 4], ["--no-figure"], ["--overwrite"]], ids=lambda o: o[0]
)
def test_options_of_the_comparison_need_it(dstheory, option) -> None:
    ran = dstheory("attribute", *option)
    assert ran.code == 2
    assert f"{option[0]} is for the comparison of --all: add --all, or leave it out" in ran.err


def test_few_objectives_have_a_figure_where_one_is_asked_for(dstheory, drawn, tmp_path: Path) -> None:
    out = tmp_path / "d"
    ran = dstheory("attribute", "--objective", "grpo", "--out", out, "--figure-format", "pdf", "--width", "column")
    assert ran.code == 0
    assert sorted(path.name for path in out.iterdir()) == ["attribution.pdf", "run.json"]
    assert (ran.out.splitlines()[-1], ran.err) == (f"figure in {out}", "")
    ran = dstheory("optimum", "--out", tmp_path / "o", "--figure-format", "svg", "--policy")
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["optimum.svg", "run.json"]
    assert (ran.out.splitlines()[-1], ran.err) == (f"figure in {tmp_path / 'o'}", "")
    assert dstheory("optimum", "--out", tmp_path / "o").code == 1


@pytest.mark.parametrize("command", [["attribute", "--objective", "grpo"], ["optimum"]], ids=lambda c: c[0])
def test_json_says_where_the_figure_is(dstheory, tmp_path: Path, command: list[str]) -> None:
    ran = dstheory(*command, "--out", tmp_path / "d", "--json")
    assert (ran.result["figure"], ran.err) == (str(tmp_path / "d"), "")
    assert dstheory(*command, "--json").result["figure"] is None


def test_what_is_too_large_to_be_exact_is_left_out_by_name(dstheory) -> None:
    chain = Path(__file__).resolve().parents[2] / "examples" / "several_hundred_prompts.csv"
    ran = dstheory("attribute", "--mdp", chain, "--json")
    assert ran.code == 0
    data = ran.result
    left_out = [entry["objective"] for entry in data["left_out"]]
    assert left_out == ["dpo"]
    assert {entry["objective"] for entry in data["objectives"]} == set(REGISTRY) - {"dpo"}
    assert "left out: dpo (more than 1,000,000 steps" in dstheory("attribute", "--mdp", chain).err
    named = dstheory("attribute", "--mdp", chain, "--objective", "dpo")  # asked for: an error
    assert named.code == 1


def test_a_name_that_is_missing_in_a_sum(dstheory) -> None:
    ran = dstheory("attribute", "--objective", "reinforce +")
    assert ran.code == 2
    assert ran.err == "error: there is no objective '': a name is missing in 'reinforce +'; write e.g. reinforce + 0.1*kl\n"

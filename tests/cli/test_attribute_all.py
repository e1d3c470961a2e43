"""`dstheory attribute --all`: table, Markdown, JSON, figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from dstheory.about import ABOUT
from dstheory.objectives import ALIASES, REGISTRY


def test_every_objective_with_its_claims_and_a_figure(dstheory, drawn, tmp_path) -> None:
    ran = dstheory("attribute", "--all", "--out", "map")
    assert ran.code == 0
    for name in REGISTRY:
        assert name in ran.out
        assert f"\n  {name}: {' '.join(ABOUT[name].claims)}\n" in ran.out
    assert "k1-loss: the expected gradient is zero" in ran.err
    assert {p.name for p in (tmp_path / "map").iterdir()} == {"comparison.png", "comparison.svg", "run.json"}
    again = dstheory("attribute", "--all", "--out", "map")
    assert again.code == 1
    assert "--overwrite" in again.err


def test_json_is_complete_and_each_at_its_own_defaults(dstheory) -> None:
    data = dstheory("attribute", "--all", "--json", "--no-figure").result
    rows = {row["name"]: row for row in data["objectives"]}
    assert set(rows) == set(REGISTRY)
    assert data["figure"] is None
    for name, row in rows.items():
        assert row["claims"] == list(ABOUT[name].claims)
        assert set(row["tilt"]) == {"sample", "decide", "both"}
    assert rows["grpo"]["balanced"] is True  # beta is 0 unless --beta is given
    assert rows["reinforce"]["tilt"]["both"] == 0.0
    strict = dstheory("attribute", "--all", "--json", "--no-figure", "--beta", 0.5, "--objective", "grpo",
                                 "--reference", "0.5,0.5,0.5").result  # fmt: skip
    assert strict["objectives"][0]["balanced"] is False


def test_on_a_chain_from_a_file(dstheory) -> None:
    chain = Path(__file__).resolve().parents[2] / "examples" / "three_prompts.json"
    ran = dstheory("attribute", "--all", "--mdp", chain, "--format", "markdown", "--no-figure")
    assert ran.code == 0, ran.err
    assert ran.out.count("\n| `") == len(REGISTRY)


@pytest.mark.parametrize("alias", ["trl:grpo", "verl:grpo", "paper:dapo", "trl:dr_grpo"])
def test_a_librarys_name_is_attributed_and_explained(dstheory, alias: str) -> None:
    (row,) = dstheory("attribute", "--all", "--json", "--no-figure", "--objective", alias).result["objectives"]
    assert row["name"] == alias
    shown = " ".join(dstheory("objectives", alias).out.split())
    what = ALIASES[alias.replace("_", "-")]
    for text in (what.objective, what.computed, what.source):
        assert text in shown


def test_objectives_are_listed_by_family_with_aliases(dstheory) -> None:
    out = dstheory("objectives").out
    for word in ("reward: ", "group: ", "imitation: ", "preference: ", "penalty: ", "tokens of the batch", "trl:grpo"):
        assert word in out
    data = dstheory("objectives", "--json").result
    assert {a["alias"] for a in data["aliases"]} == set(ALIASES)
    assert {e["family"] for e in data["objectives"]} == {"reward", "group", "imitation", "preference", "penalty"}

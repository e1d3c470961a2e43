"""The example files are what their documentation says, and the table is what its script makes."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dstheory
from dstheory import Policy, TwoStageMDP
from dstheory.readers import read_chain
from dstheory.readers.chain_table import COLUMNS, Column

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CHAINS = ["minimal.toml", "three_prompts.json", "several_hundred_prompts.csv"]


@pytest.mark.parametrize("name", CHAINS)
def test_every_chain_can_be_solved(name: str) -> None:
    chain = read_chain(EXAMPLES / name)
    assert chain.policy is not None
    for policy in filter(None, (chain.policy, chain.reference)):
        solution = dstheory.solve(chain.mdp, policy)
        assert np.isfinite(solution.value).all()
        assert np.isfinite(solution.accuracy).all()


def test_no_chain_is_left_out() -> None:
    found = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".json", ".toml", ".csv", ".jsonl", ".parquet")}
    logs = {"long_texts.jsonl"}
    assert found == set(CHAINS) | logs
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in found)


def test_minimal_is_m0() -> None:
    chain = read_chain(EXAMPLES / "minimal.toml")
    m0 = dstheory.solve(TwoStageMDP.minimal(gamma=0.95), Policy.minimal(p=0.55, a=0.8, b=0.3))
    np.testing.assert_allclose(dstheory.solve(chain.mdp, chain.policy).value, m0.value, rtol=1e-14)


def test_three_prompts_are_lopsided() -> None:
    mdp = read_chain(EXAMPLES / "three_prompts.json").mdp
    assert mdp.n_answers.tolist() == [2, 4, 3]
    assert len(np.unique(mdp.sample_length[mdp.inside])) > 3
    assert len(np.unique(mdp.prompt_weight)) == 3
    assert (mdp.reward_stop != mdp.correct).any()


def test_the_table_is_what_its_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_table", EXAMPLES / "make_table.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.table().encode() == (EXAMPLES / "several_hundred_prompts.csv").read_bytes()


def test_the_table_is_realistic() -> None:
    path = EXAMPLES / "several_hundred_prompts.csv"
    assert path.stat().st_size < 300_000
    chain = read_chain(path)
    mdp, policy = chain.mdp, chain.policy
    assert policy is not None
    assert mdp.shape == (400, 9)
    assert set(mdp.n_answers.tolist()) == set(range(2, 10))
    solved = (policy.sample_prob[0] * mdp.correct).sum(axis=-1)
    assert np.count_nonzero(solved == 0) > 5  # tasks that are never solved
    assert np.quantile(solved, 0.1) < 0.1 < 0.7 < np.quantile(solved, 0.9)
    right, wrong = (mdp.inside & (mdp.correct == value) for value in (1, 0))
    assert policy.stop_prob[0][right].mean() > policy.stop_prob[0][wrong].mean() + 0.2
    assert mdp.sample_length[wrong].mean() > mdp.sample_length[right].mean()
    assert mdp.prompt_weight.max() > 20 * mdp.prompt_weight.min()


class TestDocumentation:
    README = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    def block(self, language: str) -> str:
        (text,) = re.findall(rf"```{language}\n(.*?)```", self.README, flags=re.DOTALL)
        return str(text)

    def test_its_chain_can_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "chain.toml").write_text(self.block("toml"))
        chain = read_chain(tmp_path / "chain.toml")
        assert chain.policy is not None
        assert chain.policy.shape == (2, 1, 2)
        assert chain.mdp.reward_resample.tolist() == [[-0.1, -0.1]]
        assert chain.answers == (("51", "41"),)

    def test_its_program_runs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "examples").symlink_to(EXAMPLES)
        names: dict[str, Any] = {}
        exec(self.block("python"), names)
        assert read_chain("copy.parquet").answers == names["chain"].answers

    @pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
    def test_every_column_is_there(self, column: Column) -> None:
        assert documented(column) in self.README.splitlines()

    def test_no_other_column_is_there(self) -> None:
        assert len(re.findall(r"\| (?:prompt|answer|chain) \|", self.README)) == len(COLUMNS)


def documented(column: Column) -> str:
    """Return the row of a column in the documentation's table."""
    values = {"prompt": "text, not empty", "answer": "text", "discount_per": "`turn` or `stage`"}.get(
        column.name, column.rule.text
    )
    values = values.removeprefix("must be ").removeprefix("must lie ") + ("; required" if column.required else "")
    return f"| `{column.name}` | {column.per} | {values} | {column.meaning} |"

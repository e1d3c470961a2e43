"""Chains in blocks against the same chain in one piece, and data sets that are not what they should be."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dstheory import DSTheoryError, attribute, optimum, read_chain, solve, solve_dataset
from dstheory.dynamics import datasets
from dstheory.objectives import Reinforce, ReverseKLDirect

KL = {"beta": 0.07, "length_weight": 0.5}


def rows(first, prompts, seed):
    """Uneven prompts, lopsided in everything."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 6, prompts)
    n = int(counts.sum())
    columns = {
        "prompt": np.repeat([f"x{first + i}" for i in range(prompts)], counts),
        "answer": np.concatenate([np.arange(c) for c in counts]).astype(str),
        "correct": rng.integers(0, 2, n),
        "sample_length": rng.uniform(1, 30, n),
        "gamma": np.full(n, 0.93),
    }
    for whose in ("", "reference_"):
        columns |= {f"{whose}{name}": rng.normal(size=n) for name in ("sample_logit", "stop_logit")}
    return pa.table(columns)


@pytest.fixture
def data(tmp_path):
    """A data set of three files, and all of it in one."""
    tables = [rows(0, 4, 1), rows(4, 9, 2), rows(13, 2, 3)]
    (tmp_path / "set").mkdir()
    for number, table in enumerate(tables):
        parquet.write_table(table, tmp_path / "set" / f"part-{number}.parquet")
    parquet.write_table(pa.concat_tables(tables), tmp_path / "whole.parquet")
    return tmp_path / "set", read_chain(tmp_path / "whole.parquet")


def test_blocks_come_to_what_the_whole_comes_to(data, tmp_path):
    folder, whole = data
    found = solve_dataset(folder, objective="reinforce + kl-direct", optimal=True, out=tmp_path / "gradient", **KL)
    s = solve(whole.mdp, whole.policy)
    objective = Reinforce() + ReverseKLDirect(whole.reference, **KL)
    split, gradient = attribute(objective, s, coefficients=False), objective.gradient(s)
    assert (found.blocks, found.prompts, found.pairs) == (3, 15, int(whole.mdp.n_answers.sum()))
    best = optimum(whole.mdp, whole.reference, **KL)
    for mine, theirs in (
        (found.value, s.mean_value),
        (found.accuracy, s.mean_accuracy),
        (found.turns, s.mean_turns),
        (found.energy.sample, split.energy.sample),
        (found.energy.decide, split.energy.decide),
        (found.gradient.sample, split.gradient.sample),
        (found.gradient.decide, split.gradient.decide),
        (found.optimum, best.mean_value),
    ):
        assert float(mine) == pytest.approx(float(theirs), rel=1e-12)
    written = pa.concat_tables([parquet.read_table(tmp_path / "gradient" / f"part-{n}.parquet") for n in range(3)])
    inside = np.arange(whole.mdp.shape[1]) < whole.mdp.n_answers[:, None]
    for stage in ("sample", "decide"):
        assert written[f"{stage}_gradient"].to_numpy() / 15 == pytest.approx(getattr(gradient, stage)[0][inside], rel=1e-12)
    assert written["prompt"].to_pylist() == parquet.read_table(folder.parent / "whole.parquet")["prompt"].to_pylist()


def test_the_result_does_not_depend_on_the_number_of_workers(data):
    folder, _ = data
    one, two = (solve_dataset(folder, objective="reinforce + kl-direct", workers=n, **KL) for n in (1, 2))
    assert str(one.__dict__["value"]) == str(two.__dict__["value"])
    assert repr(one) == repr(two)
    assert float(one.energy.sample) == float(two.energy.sample)
    assert float(one.gradient.decide) == float(two.gradient.decide)


def test_files_of_another_schema_are_refused_before_anything_is_computed(data, monkeypatch):
    folder, _ = data
    table = parquet.read_table(folder / "part-1.parquet").drop_columns(["sample_length"])
    parquet.write_table(table, folder / "part-1.parquet")
    monkeypatch.setattr(datasets, "computed", None)
    with pytest.raises(DSTheoryError, match=r"part-1\.parquet: the column sample_length is not there, but double in part-0"):
        solve_dataset(folder)


def test_a_file_that_changes_meanwhile_ends_it_and_leaves_nothing(data, tmp_path, monkeypatch):
    folder, _ = data

    def read(path, **settings):
        found = read_chain(path, **settings)
        if path.endswith("part-1.parquet"):
            os.utime(path, ns=(1, 1))
        return found

    monkeypatch.setattr(datasets, "read_chain", read)
    with pytest.raises(DSTheoryError, match=r"part-1\.parquet was changed while the data set was read"):
        solve_dataset(folder, out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == ["set", "whole.parquet"]


def test_a_file_that_appears_meanwhile_ends_it(data):
    folder, _ = data

    def progress(done, total):
        if done == total:
            parquet.write_table(rows(99, 2, 9), folder / "part-9.parquet")

    with pytest.raises(DSTheoryError, match="has other files than when it was begun"):
        solve_dataset(folder, progress=progress)


def test_a_prompt_in_two_files_is_refused(data):
    folder, _ = data
    parquet.write_table(rows(12, 2, 4), folder / "part-2.parquet")  # x12 is the last of part-1
    with pytest.raises(DSTheoryError, match=r"part-2\.parquet goes on with the prompt 'x12'"):
        solve_dataset(folder)


@pytest.mark.parametrize("objective", ["reinforce-pp", "grpo", "sft", "reinforce + kl"])
def test_objectives_in_which_prompts_may_meet_are_refused(data, objective):
    with pytest.raises(DSTheoryError, match="a data set takes sums of reinforce and kl-direct"):
        solve_dataset(data[0], objective=objective)


def dies(number):
    os._exit(3)


def test_a_worker_that_dies_is_said_in_one_sentence():
    with pytest.raises(DSTheoryError, match="a worker process ended with"):
        solve_dataset(dies, blocks=2, workers=2)


def test_blocks_and_functions_go_together(data):
    with pytest.raises(DSTheoryError, match="blocks says how many"):
        solve_dataset(data[0], blocks=2)
    with pytest.raises(DSTheoryError, match="is no directory"):
        solve_dataset(data[0] / "part-0.parquet")

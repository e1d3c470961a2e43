"""Chains in blocks against the same chain in one piece, and data sets that are not what they should be."""

from __future__ import annotations

import inspect
import json
import os

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dstheory import DSTheoryError, Policy, TwoStageMDP, attribute, optimum, read_chain, solve, solve_dataset
from dstheory.attribution import stage_energy
from dstheory.dynamics import datasets
from dstheory.dynamics.conditions import scattered
from dstheory.errors import WorkerDiedError
from dstheory.objectives import Reinforce, ReverseKLDirect

KL = {"beta": 0.07, "length_weight": 0.5}


def rows(first, prompts, seed, most=5):
    """Uneven prompts, lopsided in everything."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, most + 1, prompts)
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


def test_the_optimum_is_that_of_the_penalty_asked_for(data):
    """Settings that are not given have the defaults that the objective has: lambda is 1/2."""
    folder, whole = data
    for settings in ({}, {"reduction": "mean"}, {"beta": 0.3, "length_weight": 0.0}):
        found = solve_dataset(folder, objective="reinforce + kl-direct", optimal=True, **settings)
        best = optimum(whole.mdp, whole.reference, **{"beta": 0.1, "length_weight": 0.5, **settings})
        assert found.optimum == pytest.approx(float(best.mean_value), rel=1e-12)
    halves = solve_dataset(folder, objective="0.5*reinforce + kl-direct + 0.5*reward-to-go", optimal=True)
    assert halves.optimum == solve_dataset(folder, objective="reinforce + kl-direct", optimal=True).optimum
    for objective, said in (
        ("reinforce + 2*kl-direct", "2 times the penalty"),
        ("reinforce + kl-direct + KL_direct", "2 times the penalty"),
        ("reinforce + 0*kl-direct", "0 times the penalty"),
        ("reinforce + reward-to-go + kl-direct", "2 times the reward"),
    ):
        with pytest.raises(DSTheoryError, match=rf"has {said}, and the optimum is of the reward minus beta .*: write each once"):
            solve_dataset(folder, objective=objective, optimal=True)


def test_a_term_that_stands_twice_counts_twice(data):
    folder, _ = data
    thrice = solve_dataset(folder, objective="reinforce + 3*kl-direct", **KL)
    for objective in ("reinforce + kl-direct + 2*kl-direct", "2*kl-direct + 0.5*reinforce + kl-direct + 0.5*reinforce"):
        found = solve_dataset(folder, objective=objective, **KL)
        assert found.gradient.sample == pytest.approx(float(thrice.gradient.sample), rel=1e-12)
        assert found.gradient.decide == pytest.approx(float(thrice.gradient.decide), rel=1e-12)


@pytest.mark.parametrize("paid", [False, True])
def test_large_blocks_are_read_once_and_come_to_the_same(tmp_path, monkeypatch, paid):
    monkeypatch.setattr(datasets, "_sums", None)  # what small blocks take
    for number in range(2):
        table = rows(700 * number, 700, number, most=60)
        if paid:
            table = table.append_column("reward_stop", pa.array(np.random.default_rng(number).normal(size=len(table))))
        parquet.write_table(table, tmp_path / f"part-{number}.parquet")
    found = solve_dataset(tmp_path, objective="reinforce + kl-direct", **KL)
    means = dict.fromkeys(("value", "accuracy", "turns", "sample", "decide"), 0.0)
    squares = {"sample": 0.0, "decide": 0.0}
    for number in range(2):
        file = read_chain(tmp_path / f"part-{number}.parquet")
        s = solve(file.mdp, file.policy)
        gradient = (Reinforce() + ReverseKLDirect(file.reference, **KL)).mass(s).gradient(s.policy)
        energy = stage_energy(gradient, s)
        for name, value in (
            ("value", s.mean_value),
            ("accuracy", s.mean_accuracy),
            ("turns", s.mean_turns),
            ("sample", energy.sample),
            ("decide", energy.decide),
        ):
            means[name] += float(value) / 2
        for stage in squares:
            squares[stage] += float((getattr(gradient, stage) ** 2).sum()) / 4
    for name in ("value", "accuracy", "turns"):
        assert getattr(found, name) == pytest.approx(means[name], rel=1e-12)
    for stage in squares:
        assert float(getattr(found.energy, stage)) == pytest.approx(means[stage], rel=1e-11)
        assert float(getattr(found.gradient, stage)) == pytest.approx(squares[stage] ** 0.5, rel=1e-11)


def test_the_result_does_not_depend_on_the_number_of_workers(data):
    folder, _ = data
    one, two = (solve_dataset(folder, objective="reinforce + kl-direct", workers=n, **KL) for n in (1, 2))
    assert str(one.__dict__["value"]) == str(two.__dict__["value"])
    assert repr(one) == repr(two)
    assert float(one.energy.sample) == float(two.energy.sample)
    assert float(one.gradient.decide) == float(two.gradient.decide)


def test_the_manifest_has_every_argument(data, tmp_path):
    """With what it says, the same numbers are computed again."""
    folder, _ = data
    chosen = {"objective": "reinforce + kl-direct", "optimal": True, "chain": {"gamma": 0.5, "max_turns": 3}, **KL}
    found = solve_dataset(folder, out=tmp_path / "out", **chosen)
    said = json.loads((tmp_path / "out" / "run.json").read_text())["parameters"]
    arguments = set(inspect.signature(solve_dataset).parameters)
    assert said.keys() == (arguments | KL.keys()) - {"settings", "blocks", "out", "overwrite", "progress"}
    assert repr(solve_dataset(**said)) == repr(found) != repr(solve_dataset(folder, **{**chosen, "chain": None}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lenght_weight": 0.0}, "kl-direct has no lenght_weight: its settings are beta, length_weight, reduction; what a chain"),
        ({"gamma": 0.5}, "kl-direct has no gamma: .*, and gamma, discount_per and max_turns may be given by chain"),
        ({"alpha": 0.5}, "kl-direct has no alpha"),
        ({"objective": "reinforce", "beta": 0.1}, "reinforce has no beta: its settings are none"),
    ],
)
def test_settings_that_would_change_nothing_are_refused(data, settings, message):
    """They were passed over, with the numbers of the defaults."""
    with pytest.raises(DSTheoryError, match=message):
        solve_dataset(data[0], **{"objective": "reinforce + kl-direct", **settings})
    assert solve_dataset(data[0], objective="reinforce", optimal=True, beta=0.2).optimum is not None


def test_a_chain_in_place_of_what_a_function_makes_is_refused():
    with pytest.raises(DSTheoryError, match="a function makes its own chains"):
        solve_dataset(lambda _: None, blocks=1, chain={"gamma": 0.5})


def test_a_made_block_with_weights_of_prompts_or_with_runs_is_refused():
    """With weights the value was a mean over prompts and the accuracy beside it a weighted one."""
    even = TwoStageMDP(correct=[[1, 0], [0, 1], [1, 1]], prompt_weight=[0.1, 0.1, 0.1])
    policy = Policy.from_probabilities([[0.3, 0.7], [0.8, 0.2], [0.4, 0.6]], [[0.6, 0.2], [0.1, 0.9], [0.5, 0.7]])
    many = scattered(policy, 2, spread=0.1, rng=0)
    found = solve_dataset(lambda _: (even, policy, policy), blocks=2)
    assert found.value == pytest.approx(float(solve(even, policy).mean_value), rel=1e-12)
    with pytest.raises(DSTheoryError, match="block 0 has prompts of unequal prompt_weight"):
        solve_dataset(lambda _: (even.replace(prompt_weight=[3, 1, 1]), policy, policy), blocks=1)
    for block in ((even.replace(gamma=[0.9, 0.5]), policy, policy), (even, many, policy), (even, policy, many)):
        with pytest.raises(DSTheoryError, match="block 0 has several runs"):
            solve_dataset(lambda _, block=block: block, blocks=1, objective="kl-direct")


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


@pytest.mark.parametrize("first", [12, 2])
def test_a_prompt_in_two_files_is_refused_with_both_and_its_name(data, tmp_path, first):
    folder, _ = data
    parquet.write_table(rows(first, 2, 4), folder / "part-2.parquet")  # x12 is the last of part-1, x3 stands in part-0
    other, name = ("part-1", "x12") if first == 12 else ("part-0", "x2")
    with pytest.raises(DSTheoryError, match=rf"part-2\.parquet has rows of the prompt '{name}', as {other}\.parquet has"):
        solve_dataset(folder, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_that_only_look_alike_are_no_prompts_in_two_files(data, monkeypatch):
    folder, _ = data
    monkeypatch.setattr(datasets, "_bits", lambda names: np.zeros(len(names), dtype=np.uint64))
    assert solve_dataset(folder).prompts == 15


def test_names_on_disk_are_found_in_each_other():
    bits = np.random.default_rng(0).integers(0, 2**64, 3000, dtype=np.uint64)
    with datasets._NamesOnDisk() as names:
        for block, chosen in ((2, bits[:900]), (0, bits[900:2000]), (3, bits[[1500, 70, 71]]), (1, bits[1999:])):
            names.add(block, chosen)
        assert list(names.repeated()) == [(0, 1), (0, 3), (2, 3)]
    with datasets._NamesOnDisk() as names:
        names.add(0, bits[[5, 6, 5]])  # within a block there are no names twice, but bits may agree
        names.add(1, bits[7:])
        names.add(2, bits[:0])
        assert list(names.repeated()) == []


def test_bits_of_names_tell_them_apart():
    names = [f"{prefix}{number}" for prefix in ("", "q", "\1") for number in range(20_000)]
    names += ["x" * length for length in range(1, 5000, 7)]
    bits = datasets._bits(names)
    assert len(np.unique(bits)) == len(names)
    assert datasets._bits(names[7:9]).tolist() == bits[7:9].tolist()


@pytest.mark.parametrize("objective", ["reinforce-pp", "grpo", "sft", "reinforce + kl"])
def test_objectives_in_which_prompts_may_meet_are_refused(data, objective):
    with pytest.raises(DSTheoryError, match="a data set takes sums of reinforce and kl-direct"):
        solve_dataset(data[0], objective=objective)


def dies(number):
    os._exit(3)


def test_workers_that_always_die_are_said_in_one_sentence():
    with pytest.raises(WorkerDiedError, match="a worker process ended with"):
        solve_dataset(dies, blocks=2, workers=2)


def test_where_a_worker_dies_the_blocks_that_are_left_are_computed_again(data, monkeypatch):
    folder, _ = data
    whole, asked = solve_dataset(folder), []

    def computed(function, shared, parts, **settings):
        asked.append(list(parts))
        for number, part in parts.items():
            if len(asked) == 1 and number == 1:
                raise WorkerDiedError("a worker process ended")
            yield number, function(shared, part)

    monkeypatch.setattr(datasets, "computed", computed)
    assert repr(solve_dataset(folder)) == repr(whole)
    assert asked == [[0, 1, 2], [1, 2]]


def test_a_cluster_that_loses_a_worker_comes_to_the_same(data, tmp_path):
    distributed = pytest.importorskip("distributed")
    folder, _ = data
    local = {"dashboard_address": None, "processes": False, "threads_per_worker": 1}
    with distributed.LocalCluster(n_workers=2, **local) as cluster, distributed.Client(cluster) as client:
        first, *_ = client.scheduler_info()["workers"]
        lost = []

        def progress(done, total):
            if done == 1:
                lost.append(client.retire_workers([first], close_workers=True))

        found = solve_dataset(folder, scheduler=cluster.scheduler_address, progress=progress, out=tmp_path / "out")
    assert lost
    assert repr(found) == repr(solve_dataset(folder))
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 3


def test_blocks_and_functions_go_together(data):
    with pytest.raises(DSTheoryError, match="blocks says how many"):
        solve_dataset(data[0], blocks=2)
    with pytest.raises(DSTheoryError, match="is not a directory"):
        solve_dataset(data[0] / "part-0.parquet")

"""Sweeps against one setting at a time, through the functions that a reader would call; bits against bits over processes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from dstheory import Policy, TwoStageMDP, attribute, solve, split_gain
from dstheory.dynamics import (
    SGD,
    Adam,
    Momentum,
    NaturalGradient,
    compare,
    expert_policy,
    four_conditions,
    scattered,
    schedule,
    sweep,
    train,
)
from dstheory.dynamics.soft_optimum import optimum
from dstheory.dynamics.sweeps import plan as plans
from dstheory.dynamics.sweeps.plan import STATUS
from dstheory.errors import ChainError, DSTheoryError, ImproperChainError, OneRunError
from dstheory.objectives import REGISTRY, RLOO, ExpertChain, Reinforce, build

# Batches of settings and single ones differ in the order of sums at most: a few units in the last place of numbers near 1, and
# what logarithms and long training make of these.
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-12}


def points(data: xr.Dataset):
    """Yield every setting's coordinates, and its variables."""
    names = [str(d) for d in data.dims]
    for values in itertools.product(*(data[name].values for name in names)):
        at = dict(zip(names, values, strict=True))
        yield at, data.sel(at)


def same(a: xr.Dataset, b: xr.Dataset) -> None:
    assert list(a.data_vars) == list(b.data_vars)
    for name in a.variables:
        assert a[name].values.tobytes() == b[name].values.tobytes(), name


# ---------------------------------------------------------------------- the optimum


def test_every_parameter_of_the_optimum_reaches_its_place() -> None:
    fixed = {"p": 0.4, "a": 0.7, "b": 0.45, "gamma": 0.8, "answer_length_correct": 9.0, "answer_length_wrong": 30.0,
             "decision_length": 2.0, "beta": 0.3, "length_weight": 0.6, "reward_stop_correct": 2.0, "reward_stop_wrong": -0.5,
             "reward_resample_wrong": -0.1, "reward_resample_correct": -0.2, "reduction": "sum", "max_turns": None,
             "discount_per": "turn"}  # fmt: skip
    other = {"p": 0.2, "a": 0.3, "b": 0.9, "gamma": 0.5, "answer_length_correct": 2.0, "answer_length_wrong": 4.0,
             "decision_length": 5.0, "beta": 1.3, "length_weight": 0.1, "reward_stop_correct": 1.5, "reward_stop_wrong": 0.25,
             "reward_resample_wrong": 0.02, "reward_resample_correct": -0.9, "reduction": "mean", "max_turns": 3,
             "discount_per": "stage"}  # fmt: skip
    for name, value in other.items():
        rest = {key: v for key, v in fixed.items() if key != name}
        data = sweep({name: [fixed[name], value]}, **rest)
        for i, s in enumerate(({**fixed}, {**fixed, name: value})):
            mdp = TwoStageMDP.minimal(
                gamma=s["gamma"], discount_per=s["discount_per"], max_turns=s["max_turns"],
                reward={key: s[f"reward_{key}"] for key in ("stop_correct", "resample_correct", "stop_wrong", "resample_wrong")},
                sample_length=[[s["answer_length_correct"], s["answer_length_wrong"]]], decision_length=s["decision_length"],
            )  # fmt: skip
            ref = Policy.minimal(p=s["p"], a=s["a"], b=s["b"])
            best = optimum(mdp, ref, beta=s["beta"], length_weight=s["length_weight"], reduction=s["reduction"])
            at, gain = data.isel({name: i}), split_gain(mdp, ref, best.policy)
            after = solve(mdp, best.policy)
            np.testing.assert_allclose(at.penalised_value, best.mean_value, **CLOSE)
            for key in ("p", "a", "b"):
                np.testing.assert_allclose(at[f"{key}_after"], getattr(after, key), **CLOSE)
            for key in ("gain", "decision_share"):
                np.testing.assert_allclose(at[key], getattr(gain, key), rtol=1e-8)
            np.testing.assert_allclose(at.accuracy_before, solve(mdp, ref).mean_accuracy, **CLOSE)
            np.testing.assert_allclose(at.turns, after.mean_turns, **CLOSE)
            np.testing.assert_allclose(at.value, after.mean_value, **CLOSE)
        assert float(np.ptp(data.penalised_value.values)) > 1e-3, f"{name} has no effect"


def test_the_price_of_a_resample_and_common_lengths() -> None:
    data = sweep({"resample_cost": [0.0, 0.2], "answer_length": [4.0, 100.0]}, beta=0.2, length_weight=1.0)
    for at, found in points(data):
        mdp = TwoStageMDP.minimal(gamma=0.95, resample_cost=at["resample_cost"], sample_length=at["answer_length"])
        best = optimum(mdp, Policy.minimal(p=0.55, a=0.8, b=0.3), beta=0.2, length_weight=1.0)
        np.testing.assert_allclose(found.penalised_value, best.mean_value, **CLOSE)


def test_the_numbers_of_claim_e3() -> None:
    data = sweep({"answer_length": [1, 64, 1024]}, length_weight=1.0)
    assert data.decision_share.values.round(3).tolist() == [0.589, 0.987, 0.999]
    assert data.p_after.values.round(4).tolist() == [0.9154, 0.5613, 0.5507]


def test_a_chain_of_ones_own() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 0], [0, 1]], sample_length=[[3, 50, 7], [20, 9]], prompt_weight=[2, 1], gamma=0.9)
    start = Policy.from_probabilities([[0.2, 0.5, 0.3], [0.6, 0.4]], [[0.5, 0.5, 0.7], [0.1, 0.8]])
    data = sweep({"beta": "log:0.1:10:3", "gamma": [0.5, 0.95], "max_turns": [None, 2]}, mdp=mdp, start=start, length_weight=0.5)
    assert data.attrs["chain"] == "given"
    for at, found in points(data):
        cap = None if np.isinf(at["max_turns"]) else int(at["max_turns"])
        best = optimum(mdp.replace(gamma=at["gamma"], max_turns=cap), start, beta=at["beta"], length_weight=0.5)
        np.testing.assert_allclose(found.penalised_value, best.mean_value, **CLOSE)


# ---------------------------------------------------------------------- training


KINDS = {"sgd": SGD, "adam": Adam, "momentum": Momentum, "natural": NaturalGradient}


@pytest.mark.parametrize(
    "grid",
    [
        {"optimizer": list(KINDS), "length_weight": [0.0, 0.7]},
        {"optimizer": ["sgd"], "p": [0.3, 0.6], "expert_b": [0.5, 0.9], "length_weight": [0.7]},
    ],
)
def test_training_is_compare_setting_by_setting(grid) -> None:
    data = sweep(
        grid, of="simulate", steps=12, lr=0.1, answer_length=9, gamma=0.8, clip_norm=2.0, schedule="cosine", warmup=3,
        reference_every=5,
    )  # fmt: skip
    for values in itertools.product(*grid.values()):
        at = {"p": 0.55, "expert_b": 0.9, **dict(zip(grid, values, strict=True))}
        mdp, start = TwoStageMDP.minimal(gamma=0.8, sample_length=9), Policy.minimal(p=at["p"], a=0.8, b=0.3)
        four = four_conditions(mdp, start, beta=0.1, length_weight=at["length_weight"], expert=(0.9, 0.95, at["expert_b"]))
        made = compare(
            mdp, start, four, steps=12, optimizer=KINDS[at["optimizer"]](lr=0.1), clip_norm=2.0,
            schedule=schedule("cosine", warmup=3), reference_every=5,
        )  # fmt: skip
        for name, result in made.results.items():
            here = data.sel(dict(zip(grid, values, strict=True)) | {"objective": name})
            last = result.history.isel(step=-1)
            for key in ("p", "a", "b", "accuracy", "turns", "value"):
                mine = here[f"{key}_after" if key in "pab" else key]
                np.testing.assert_allclose(mine, last[key], rtol=1e-8, err_msg=f"{key} at {at}, {name}")
            np.testing.assert_allclose(here.gain_decide, made.gains[name].decide, rtol=1e-7, atol=1e-12)
            np.testing.assert_allclose(here.energy_sample_before, made.at_start[name].energy.sample, rtol=1e-8)
            at_end = last.energy.sel(component="total", stage="decide")
            np.testing.assert_allclose(here.energy_decide, at_end, rtol=1e-6, atol=1e-20)


def test_expressions_random_starts_and_a_chain_of_ones_own() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 0], [0, 1]], sample_length=[[3, 50, 7], [20, 9]], gamma=0.9)
    expressions = ["reinforce + kl-direct", "sft"]
    data = sweep(
        {"beta": [0.01, 1.0], "lr": [0.1, 0.2]}, of="simulate", mdp=mdp, objectives=expressions, steps=20, runs=3, seed=5,
        spread=0.3,
    )  # fmt: skip
    assert dict(data.sizes) == {"beta": 2, "lr": 2, "objective": 2, "run": 3}
    uniform = Policy.uniform(mdp)
    starts = scattered(uniform, 3, spread=0.3, rng=5)
    expert = ExpertChain(expert_policy(mdp, uniform, p=0.9, a=0.95, b=0.9))
    for beta, lr, expression in itertools.product([0.01, 1.0], [0.1, 0.2], expressions):
        objective = build(
            expression, {"reference": uniform, "demonstrations": expert, "beta": beta, "length_weight": 0.5, "reduction": "sum"}
        )
        end = train(mdp, starts, objective, steps=20, optimizer=SGD(lr=lr)).policy
        here = data.sel(beta=beta, lr=lr, objective=expression)
        np.testing.assert_allclose(here.accuracy, solve(mdp, end).mean_accuracy, rtol=1e-9)
        np.testing.assert_allclose(here.energy_sample, attribute(objective, solve(mdp, end)).energy.sample, rtol=1e-7)


def test_the_course_of_training_is_the_history_of_train(tmp_path: Path) -> None:
    grid = {"optimizer": ["sgd", "adam"], "length_weight": [0.0, 1.0]}
    more: dict[str, Any] = {"of": "simulate", "steps": 25, "objectives": ["reinforce + kl-direct"], "answer_length": 9, "runs": 2}
    data = sweep(grid, log_every=10, out=tmp_path / "out", **more)
    assert data.step.values.tolist() == [0, 10, 20, 25]
    assert data.b_history.dims == ("optimizer", "length_weight", "objective", "run", "step")
    mdp, start = TwoStageMDP.minimal(sample_length=9), Policy.minimal(p=0.55, a=0.8, b=0.3)
    starts = scattered(start, 2, spread=0.5, rng=0)
    for optimizer, weight in itertools.product(*grid.values()):
        objective = build("reinforce + kl-direct", {"reference": start, "beta": 0.1, "length_weight": weight, "reduction": "sum"})
        history = train(mdp, starts, objective, steps=25, optimizer=KINDS[optimizer](lr=0.05), log_every=10).history
        here = data.sel(optimizer=optimizer, length_weight=weight, objective="reinforce + kl-direct")
        for name in ("p", "a", "b", "accuracy"):
            np.testing.assert_allclose(here[f"{name}_history"].transpose("step", "run"), history[name], rtol=1e-9)
    without = sweep(grid, **more)
    for name in without.data_vars:
        np.testing.assert_array_equal(without[name].values, data[name].values)
    same(sweep(grid, log_every=10, workers=2, **more), data)
    with pytest.raises(DSTheoryError, match="log_every is 10 there, 5 here"):
        sweep(grid, log_every=5, out=tmp_path / "out", **more)


def test_the_compiled_loop_for_many_settings_is_the_readable_one() -> None:
    few = sweep({"length_weight": [0.25], "beta": [0.3]}, of="simulate", steps=40)  # too little work for the compiled loop
    many = sweep({"length_weight": "0:1:41", "beta": [0.1, 0.3]}, of="simulate", steps=40)
    here = many.sel(length_weight=[0.25], beta=[0.3])
    for name in few.data_vars:
        np.testing.assert_allclose(few[name], here[name], rtol=1e-9, atol=1e-13, err_msg=name)


# ---------------------------------------------------------------------- the same bits, whoever computes

MANY = {"beta": "log:1e-3:1:300", "length_weight": "0:1:300", "reduction": ["sum", "mean"]}
TRAINED: dict[str, Any] = {"of": "simulate", "steps": 30, "runs": 2, "objectives": ["reinforce + kl-direct", "sft"]}
TRAINED_GRID = {"optimizer": ["sgd", "adam"], "length_weight": "0:1:21", "gamma": [0.9, 1.0], "momentum": [0.1, 0.2, 0.3]}


@pytest.fixture(scope="module")
def alone() -> tuple[xr.Dataset, xr.Dataset]:
    return sweep(MANY), sweep(TRAINED_GRID, **TRAINED)


def test_two_processes_give_the_same_bits(alone) -> None:
    same(sweep(MANY, workers=2, chunk=1), alone[0])
    same(sweep(TRAINED_GRID, workers=2, **TRAINED), alone[1])


def test_chunks_give_the_same_bits(alone, tmp_path: Path) -> None:
    same(sweep(MANY, chunk=1), alone[0])
    written = sweep(MANY, chunk=10**9, out=tmp_path / "many")
    same(written, alone[0])
    same(sweep(TRAINED_GRID, chunk=10**9, **TRAINED), alone[1])


def test_settings_do_not_depend_on_their_neighbours(alone) -> None:
    part = sweep({"beta": alone[0].beta.values[7:11], "length_weight": alone[0].length_weight.values[100:103],
                  "reduction": ["mean"]})  # fmt: skip
    here = alone[0].isel(beta=slice(7, 11), length_weight=slice(100, 103), reduction=slice(1, 2))
    for name in part.data_vars:
        np.testing.assert_array_equal(part[name].values, here[name].values)


def test_a_dask_cluster_gives_the_same_bits(alone) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed: pip install 'dstheory[dask]'")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None)
    with cluster:
        same(sweep(MANY, scheduler=cluster.scheduler_address, chunk=1), alone[0])
        same(sweep(TRAINED_GRID, scheduler=cluster.scheduler_address, **TRAINED), alone[1])


def test_a_scheduler_that_cannot_be_reached_is_a_sentence() -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed: pip install 'dstheory[dask]'")
    from dstheory.dynamics.sweeps.run import plan_sweep, run_plan

    plan = plan_sweep({"beta": [0.1]}, of="optimum", fixed={})
    with pytest.raises(DSTheoryError, match=r"^the scheduler tcp://127\.0\.0\.1:1 cannot be reached within 0\.5 s \(Timed out"):
        run_plan(plan, scheduler="tcp://127.0.0.1:1", timeout=0.5)
    for address in ("not an address", "localhost", "http://localhost:1", "tcp://localhost", ""):
        with pytest.raises(DSTheoryError, match=f"^the scheduler '{address}' is not an address: write tcp://HOST:PORT"):
            run_plan(plan, scheduler=address)
    with pytest.raises(DSTheoryError, match="workers and a scheduler were both given"):
        run_plan(plan, scheduler="tcp://127.0.0.1:1", workers=2)


# ---------------------------------------------------------------------- labels, and what is missing


def test_the_dataset_labels_itself(tmp_path: Path) -> None:
    data = sweep({"length_weight": [0, 1], "max_turns": ["none", 2]}, out=tmp_path / "out", beta=0.2)
    with xr.open_dataset(tmp_path / "out/history.nc") as stored:
        assert stored.equals(data)
        for name, variable in stored.variables.items():
            assert variable.attrs["long_name"], name
            assert variable.attrs.get("units") or name == "status"
        assert stored.max_turns.attrs["comment"] == "inf stands for none"
        assert stored.attrs["beta"] == 0.2
        assert stored.attrs["gamma"] == 0.95
        assert stored.status.attrs["flag_meanings"].split() == list(STATUS)


def test_settings_without_an_optimum_are_marked_and_the_others_keep_their_bits() -> None:
    grid = {"gamma": [0.9, 1.0], "reward_resample_wrong": [0.0, 0.3, 0.9], "beta": [0.1, 0.2]}
    data = sweep(grid)
    bad = data.status.values != 0
    # Without discount, resampling wrong answers for a bonus pays for ever.
    assert {STATUS[s] for s in data.status.values[bad]} == {"no_optimum_never_stopping_pays"}
    assert bad[1, 1:].any()
    assert not bad[0].any()
    assert not bad[:, 0].any()
    for name in set(data.data_vars) - {"status"}:
        assert np.array_equal(np.isnan(data[name].values), bad), name
    good = sweep({**grid, "gamma": [0.9]})
    for name in data.data_vars:
        np.testing.assert_array_equal(data[name].values[:1], good[name].values)
    reward = {"stop_correct": 1.0, "resample_correct": 0.0, "stop_wrong": 0.0, "resample_wrong": 0.9}
    with pytest.raises(ImproperChainError):
        mdp = TwoStageMDP.minimal(gamma=1.0, reward=reward)
        optimum(mdp, Policy.minimal(p=0.55, a=0.8, b=0.3), beta=0.1)


def test_training_that_diverges_is_marked_and_the_others_keep_their_bits() -> None:
    grid = {"lr": [0.1, 1e308, 0.2], "optimizer": ["sgd", "adam"]}
    data = sweep(grid, of="simulate", objectives=["sft"], steps=50, answer_length=1e6, length_weight=1.0)
    bad = data.status.values != 0
    assert bad[1].all()
    assert not bad[[0, 2]].any()
    assert STATUS[int(data.status.values[bad][0])] == "training_left_finite_numbers"
    assert np.isnan(data.accuracy.values[bad]).all()
    good = sweep({**grid, "lr": [0.1, 0.2]}, of="simulate", objectives=["sft"], steps=50, answer_length=1e6, length_weight=1.0)
    np.testing.assert_array_equal(data.p_after.values[[0, 2]], good.p_after.values)


def test_training_that_ends_in_an_endless_chain_is_marked_and_the_others_keep_their_bits() -> None:
    """A natural gradient step of lr 0.05 times the weight 64 overshoots: it ends where nothing ever stops."""
    grid = {"length_weight": [0.0, 1.0, 0.75], "gamma": [0.9, 1.0]}
    data = sweep(grid, of="simulate", steps=100, optimizer="natural")
    bad = data.status.values != 0
    assert bad.sum() == 2
    assert (data.status.sel(length_weight=1.0, objective="SFT, covers mistakes") == STATUS.index("episodes_never_end")).all()
    good = sweep({**grid, "length_weight": [0.0, 0.75]}, of="simulate", steps=100, optimizer="natural")
    for name in data.data_vars:
        np.testing.assert_array_equal(data[name].values[[0, 2]], good[name].values, err_msg=name)


def test_an_objective_of_one_run_at_a_time_is_trained_setting_by_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules on recorded responses refuse run axes: here one that refuses them and is REINFORCE otherwise."""
    grid = {"gamma": [0.5, 1.0], "length_weight": [0.0, 1.0], "expert_p": [0.6, 0.9]}
    more: dict[str, Any] = {"of": "simulate", "objectives": ["reinforce + sft"], "steps": 8, "runs": 2, "log_every": 3}
    batched = sweep(grid, **more)
    real = Reinforce.mass

    def single(self: Reinforce, solution: Any) -> Any:
        if solution.policy.runs or solution.mdp.runs:
            raise OneRunError(f"responses are those of one run, but the policy has runs {solution.policy.runs}: pick one")
        return real(self, solution)

    monkeypatch.setattr(Reinforce, "mass", single)
    one_by_one = sweep(grid, **more)
    for name in batched.data_vars:
        np.testing.assert_allclose(one_by_one[name], batched[name], rtol=1e-9, err_msg=name)


OF_ONE_RUN = [
    ("dpo", {"beta": [0.01, 0.3], "p": [0.4, 0.7]}, {}),
    ("score-per-attempt", {"alpha": [0.0, 1.5], "gamma": [0.9, 1.0]}, {}),
    ("dpo + k3-loss", {"answer_length": [3.0, 40.0], "decision_length": [1.0, 2.0]}, {"runs": 2, "max_turns": 3}),  # of both
    ("cispo", {"reward_resample_wrong": [-0.4, 0.8, 0.9]}, {"max_turns": 1}),  # each pays two values, together they pay four
    ("dapo", {"reward_stop_wrong": [-0.125 * i for i in range(20)]}, {"gamma": 1.0}),
]


@pytest.mark.parametrize(("objective", "grid", "more"), OF_ONE_RUN)
def test_what_is_refused_side_by_side_is_computed_alone(objective: str, grid: Any, more: dict[str, Any]) -> None:
    more = {"of": "simulate", "objectives": [objective], "steps": 2, **more}
    data = sweep(grid, **more)
    assert not data.status.values.any()
    last = {name: values[-1] for name, values in grid.items()}
    alone = sweep({name: [value] for name, value in last.items()}, **more)
    for name in alone.data_vars:
        np.testing.assert_allclose(data.sel(last)[name].values.ravel(), alone[name].values.ravel(), rtol=1e-12, err_msg=name)


def test_a_fault_of_settings_side_by_side_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were computed one by one instead, slowly and without a word, whatever the fault."""
    real = Reinforce.centred

    def faulty(self: Reinforce, solution: Any) -> Any:
        if solution.policy.runs:
            raise ValueError("operands could not be broadcast together")
        return real(self, solution)

    monkeypatch.setattr(Reinforce, "centred", faulty)
    with pytest.raises(ValueError, match="operands could not be broadcast together"):
        sweep({"p": [0.2, 0.3]}, of="simulate", objectives=["reinforce"], steps=1)


def test_an_objective_of_ones_own_need_not_know_of_settings_side_by_side() -> None:
    @dataclass(frozen=True, eq=False)
    class Branching(Reinforce):
        beta: float = 0.1
        name = "branching"

        def mass(self, solution: Any) -> Any:
            return super().mass(solution).scaled(2.0 if self.beta > 0.2 else 1.0)

    REGISTRY["branching"] = Branching
    try:
        data = sweep({"beta": [0.1, 0.3]}, of="simulate", objectives=["branching"], steps=1, lr=0.1)
    finally:
        del REGISTRY["branching"]
    for lr, found in zip((0.1, 0.2), data.p_after.values.ravel(), strict=True):
        twice = sweep({"lr": [lr]}, of="simulate", objectives=["reinforce"], steps=1)
        np.testing.assert_allclose(found, twice.p_after.values.ravel(), rtol=1e-12)


def test_settings_of_an_objective_of_one_run_are_tried_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were tried by halves, as if one of them were wrong: eight settings fifteen times."""
    from dstheory.dynamics.sweeps import evaluate
    from dstheory.dynamics.sweeps.run import plan_sweep

    plan = plan_sweep({"lr": "0.01:0.1:8"}, of="simulate", objectives=["dpo"], fixed={"max_turns": 2})
    tried: list[int] = []
    check = evaluate._check
    monkeypatch.setattr(evaluate, "_check", lambda plan, batch: (tried.append(batch.stop - batch.start), check(plan, batch)))
    evaluate.check(plan)
    assert tried == [8] + 8 * [1]


def test_an_error_that_no_status_covers_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ChainError("the curvature is not positive")

    monkeypatch.setattr("dstheory.dynamics.sweeps.evaluate.train", fail)
    with pytest.raises(DSTheoryError) as error:
        sweep({"optimizer": ["adam"], "beta": [0.1, 0.2]}, of="simulate", objectives=["sft"])
    assert str(error.value) == (
        "among the settings with optimizer adam, objective sft, beta 0.1 to 0.2: the curvature is not positive"
    )


# ---------------------------------------------------------------------- bad input

REFUSED = [
    ({}, {}, "there is nothing to sweep: give at least one grid"),
    ({"beta": "0.1,0.2"}, {"beta": 0.3}, "beta is both fixed and swept: do one of the two"),
    ({"answer_length": "1,2"}, {"answer_length_wrong": 3}, "answer_length is swept and answer_length_wrong is fixed"),
    ({"beta": "0.1,0.2"}, {"gama": 0.3}, "there is no parameter 'gama' of optimum to sweep: did you mean gamma"),
    ({"beta": "0.1,0.2"}, {"gamma": 2.0}, "gamma is 2: must be >= 0 and <= 1"),
    ({"beta": "0.1,0.2"}, {"steps": 2}, "steps is a parameter of simulate, not of optimum"),
    ({"beta": "0.1,0.2"}, {"runs": 2}, "objectives, runs and log_every belong to training"),
    ({"beta": "0.1,0.2"}, {"log_every": 2}, "objectives, runs and log_every belong to training"),
    ({"steps": "10,20"}, {"of": "simulate", "log_every": 2}, "log_every needs one number of steps, and steps is swept"),
    ({"beta": "0.1,0.2"}, {"of": "both"}, "of is 'both': must be 'optimum' or 'simulate'"),
    ({"beta": "0.1,0.2"}, {"workers": 0}, "workers is 0: must be a whole number >= 1"),
    ({"beta": "0.1,0.2"}, {"chunk": 0}, "chunk is 0: must be a whole number >= 1"),
    ({"beta": "0.1,0.2"}, {"start": Policy.minimal(p=0.5, a=0.5, b=0.5)}, "a start or a reference needs its chain"),
    ({"beta": "0.1"}, {"of": "simulate", "runs": 0}, "runs is 0: must be a whole number >= 1"),
    ({"objective": "reinforse"}, {"of": "simulate"}, "there is no objective 'reinforse': did you mean reinforce"),
    ({"beta": "0.1"}, {"of": "simulate", "objectives": ["sft", "sft"]}, "an objective was given twice"),
    ({"objective": "sft"}, {"of": "simulate", "objectives": ["sft"]}, "objectives are both given and swept"),
    ({"reward_stop_wrong": "0,1"}, {"resample_cost": 0.5},
     r"in the setting with reward_stop_wrong 0: reward= and resample_cost= were both given: put the cost into reward"),
    # The last of a batch, after a hundred combinations of looped values, beside settings that only mark themselves:
    ({"beta": "0.5,0.1,0"}, {"of": "simulate", "objectives": ["dpo"], "steps": 1},
     r"in the setting with beta 0, objective dpo: beta is 0\.0: must be finite and > 0"),
    ({"group_size": "4,2,1", "epsilon": [0.1 + i for i in range(60)]}, {"of": "simulate", "objectives": ["grpo"], "steps": 1},
     r"in the setting with group_size 1, epsilon 0\.1, objective grpo: group_size is 1: .* needs groups of at least 2"),
    ({"schedule": "constant,linear", "max_turns": [1, *range(3, 60)]},
     {"of": "simulate", "objectives": ["grpo"], "steps": 1, "gamma": 1.0, "resample_cost": 0.1},
     r"in the setting with schedule constant, max_turns 9, objective grpo: rewards take more than two values"),
    ({"updates_per_batch": "1,2"}, {"of": "simulate", "objectives": ["reinforce-baseline"], "steps": 1},
     r"in the setting with updates_per_batch 2, objective reinforce-baseline: reinforce-baseline has no ratio to clip"),
    ({"expert_p": "0.5,1", "gamma": "1,0.9"},
     {"of": "simulate", "objectives": ["grpo", "sft"], "steps": 1, "resample_cost": 0.1, "max_turns": 2},
     r"in the setting with expert_p 0\.5, gamma 0\.9, objective grpo: rewards take more than two values"),
]  # fmt: skip


@pytest.mark.parametrize(("grid", "more", "message"), REFUSED)
def test_refused(grid, more, message, tmp_path: Path) -> None:
    with pytest.raises(DSTheoryError, match=f"^{message}"):
        sweep(grid, **more, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_sweep_too_large_says_its_size_and_computes_nothing(tmp_path: Path) -> None:
    grid = {"beta": "log:1e-3:1:100000", "gamma": "0:1:100000", "p": [0.2, 0.3]}
    with pytest.raises(DSTheoryError) as error:
        sweep(grid, max_size=8e9, out=tmp_path / "out")
    assert str(error.value) == (
        "the sweep has 20,000,000,000 settings (100,000 beta x 100,000 gamma x 2 p): its result would take 1.94 TB, more than "
        "8 GB, the largest size allowed; use fewer values, or allow more with max_size (--max-size)"
    )
    with pytest.raises(DSTheoryError, match="half of the memory that is free; use fewer values"):
        sweep(grid)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [{"reward_functions": "correct"}, {"reward_correct": 1.0, "reward_return": 0.0}])
def test_what_responses_are_paid_for_is_no_reward_of_the_chain(how: dict[str, Any]) -> None:
    """A setting of group objectives: others beside them still pay for correctness, and are not refused for it."""
    there = {"of": "simulate", "objectives": ["0*grpo + rft", "0*grpo + reinforce-pp"], "steps": 2, "gamma": 0.9}
    plain, with_setting = (sweep({"lr": [0.1, 0.2]}, **there, **more) for more in ({}, how))
    same(plain, with_setting)


def test_an_objective_beside_a_condition_keeps_its_own_strengths() -> None:
    """Conditions have a KL of beta 0.1; grpo has none of its own, and SCoRe's alpha is not that of an entropy bonus."""
    there = {"of": "simulate", "steps": 20}
    names = ("grpo", "score-summed", "entropy")
    beside = sweep({"lr": [0.1, 0.2]}, objectives=["reward + KL", *names], **there)
    alone = {name: sweep({"lr": [0.1, 0.2]}, objectives=[name], **there) for name in ("reward + KL", *names)}
    for name, data in alone.items():
        xr.testing.assert_allclose(beside.sel(objective=[name]), data, **CLOSE)
    penalised = [sweep({"lr": [0.1]}, objectives=["grpo"], **there, **{beta: 0.5}) for beta in ("beta", "Beta")]
    xr.testing.assert_equal(*penalised)


def test_what_the_chain_pays_does_not_depend_on_which_settings_share_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where resamples cost something in some settings, rloo compares returns in all of them, those without a price too."""
    asked = {"of": "simulate", "objectives": ["rloo"], "steps": 5}
    grid = {"resample_cost": [0.0, 0.1], "p": [0.3, 0.6]}
    together = sweep(grid, **asked)
    monkeypatch.setitem(plans._BATCH, "simulate", 1)
    apart = sweep(grid, **asked)
    xr.testing.assert_allclose(apart, together, **CLOSE)
    mdp, start = TwoStageMDP.minimal(), Policy.minimal(p=0.3, a=0.8, b=0.3)
    by_hand = train(mdp, start, RLOO(outcome="return"), steps=5, optimizer=SGD(lr=0.05)).policy
    np.testing.assert_allclose(apart.p_after.values[0, 0, 0], solve(mdp, by_hand).p, **CLOSE)

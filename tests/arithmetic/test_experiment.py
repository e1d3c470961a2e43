"""The experiment: conditions, intervals over seeds, splits that add up, outcomes of hypotheses, the page's numbers."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dstheory.arithmetic.task import ALL_SIZES
from dstheory.experiments import experiment_names, load

EXPERIMENT = load(experiment_names()["arithmetic"].path)
RUNS, FOUND = (
    importlib.import_module(f"{EXPERIMENT.__package__}.{part}") for part in ("_arithmetic_runs", "_arithmetic_hypotheses")
)
CONDITIONS, PARTS, PAIRS, SIZES, Plan = RUNS.CONDITIONS, RUNS.PARTS, RUNS.PAIRS, RUNS.SIZES, RUNS.Plan
parts_of, run_conditions, start_of, collect, realised = (
    RUNS.parts_of, RUNS.run_conditions, RUNS.start_of, RUNS.collect, RUNS.realised,
)  # fmt: skip
HYPOTHESES, IN, OUT, decide = FOUND.HYPOTHESES, FOUND.IN, FOUND.OUT, FOUND.decide
Mean, mean_over_seeds, ratio_over_seeds = FOUND.Mean, FOUND.mean_over_seeds, FOUND.ratio_over_seeds
rate_over_seeds, size_rows = FOUND.rate_over_seeds, FOUND.size_rows
answer_in_words, condition_rows, gain_rows, hypothesis_rows = (
    FOUND.answer_in_words, FOUND.condition_rows, FOUND.gain_rows, FOUND.hypothesis_rows,
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
TINY = Plan(
    seeds=(0, 1), conditions=("reward", "sft-mistakes", "sft-first"), per_size=2,
    shrink=(("updates", 3), ("problems", 4), ("group", 4), ("lr", 0.05)),
)  # fmt: skip


@pytest.fixture(scope="module")
def found():
    return run_conditions(TINY, jobs=1)


@pytest.fixture(scope="module")
def data(found):
    return collect(TINY, found).merge(realised(TINY, found, episodes=2), combine_attrs="override")


def test_conditions_are_as_the_page_says() -> None:
    plan = Plan()
    settings = {name: plan.settings(name, 0) for name in CONDITIONS}
    assert len(plan.seeds) >= 5
    assert 1000 not in plan.seeds  # the pilots' seed
    assert len(set(settings.values())) == len(settings)
    ordinary = {name: s for name, s in settings.items() if not name.startswith("long-")}
    assert {s.updates * s.problems * s.group for s in ordinary.values()} == {25_600}
    assert {s.lr for s in settings.values() if s.optimizer == "adam"} == {0.01}
    assert set(np.ravel(PAIRS)) <= set(CONDITIONS)
    assert all(set(needs) <= {*CONDITIONS, "start"} for _, needs, _ in HYPOTHESES)
    assert sorted(SIZES) == sorted(ALL_SIZES)
    assert {len(sizes) for sizes in PARTS.values()} == {6, 15}


def test_runs_do_not_depend_on_processes(found) -> None:
    alone = run_conditions(Plan(**{**vars(TINY), "conditions": ("sft-first",)}), jobs=2)
    for seed in TINY.seeds:
        one, two = found["sft-first", seed], alone["sft-first", seed]
        assert all((a == b).all() for a, b in zip(one.policy.blocks, two.policy.blocks, strict=True))
        assert (one.law.right == two.law.right).all()


def test_every_figure_and_every_split_adds_up(data, found) -> None:
    np.testing.assert_allclose(data["sample"] + data["decide"], data["gain"], atol=1e-14)
    over_start = data.gain.sel(comparison="reward over start", part=OUT)
    accuracy = data.part_accuracy.sel(part=OUT)
    np.testing.assert_allclose(over_start, accuracy.sel(condition="reward") - accuracy.sel(condition="start"), atol=1e-14)
    pair = data.gain.sel(comparison="reward over sft-first") - data.gain.sel(comparison="reward over start")
    np.testing.assert_allclose(pair, -data.gain.sel(comparison="sft-first over start"), atol=1e-14)
    # A part's accuracy is the mean over its sizes, which have equally many problems.
    by_size = data.accuracy.sel(size=[f"{n}x{m}" for n, m in PARTS[OUT]]).mean("size")
    np.testing.assert_allclose(by_size, accuracy, atol=1e-14)
    start = start_of(TINY, 1).achieved.pooled(parts_of(TINY.problems)[IN])
    assert float(data.part_p.sel(condition="start", seed=1, part=IN)) == start.p
    assert float(data.tokens.sel(condition="reward", seed=0)) == found["reward", 0].tokens > 0
    assert ((data.realised >= 0) & (data.realised <= 1)).all()


def test_intervals_over_seeds() -> None:
    x = np.array([0.2, 0.5, 0.3, 0.9])
    mean = mean_over_seeds(x)
    # t quantile with 3 degrees of freedom, from a table: 3.182.
    assert mean.high - mean.value == pytest.approx(3.182 * x.std(ddof=1) / 2, rel=1e-3)
    assert mean_over_seeds([0.3]) == Mean(0.3, -np.inf, np.inf)
    assert Mean(1.0, 0.5, 1.5).above_zero
    assert Mean(-1.0, -1.5, -0.5).below_zero
    proportional = ratio_over_seeds(0.3 * (5 + x), 5 + x)
    assert (proportional.low, proportional.value, proportional.high) == pytest.approx((0.3, 0.3, 0.3))
    assert np.isnan(ratio_over_seeds([1.0, -1.0], [0.5, -0.4]).value)
    # Coverage: a ratio of means of dependent normals, by simulation; 5 seeds, 2,000 repetitions.
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        whole = rng.normal(1.0, 0.1, size=5)
        ratio = ratio_over_seeds(0.4 * whole + rng.normal(0.0, 0.05, size=5), whole)
        hits += ratio.low < 0.4 < ratio.high
    assert hits / 2000 == pytest.approx(0.95, abs=0.02)  # 4 standard errors are 0.02


@pytest.mark.parametrize("values", [[0.6, 0.776], [0.99, 1.0], [0.0, 0.0, 0.01], [1.0, 1.0], [0.3]])
def test_intervals_of_rates_over_seeds_are_rates(values: list[float]) -> None:
    mean = rate_over_seeds(values)
    assert mean.value == pytest.approx(np.mean(values))
    assert 0 <= mean.low <= mean.value <= mean.high <= 1
    assert mean.low < mean.high  # two seeds that agree are no proof


def test_the_interval_of_a_rate_is_students_where_it_is_narrow_and_covers_where_it_is_not() -> None:
    narrow = 0.5 + 0.001 * np.array([-1.0, 0.3, 0.2, 0.5])
    rate, mean = rate_over_seeds(narrow), mean_over_seeds(narrow)
    assert (rate.low, rate.high) == pytest.approx((mean.low, mean.high), abs=1e-5)
    # Rates of seeds near one end, Beta(9, 1) with mean 0.9; 4 seeds, 2,000 repetitions.
    rng = np.random.default_rng(1)
    hits = np.mean([(m := rate_over_seeds(x)).low < 0.9 < m.high for x in rng.beta(9, 1, size=(2000, 4))])
    assert hits > 0.93


def test_every_rate_of_the_tables_has_an_interval_of_rates(data) -> None:
    rows = size_rows(data)
    found = [re.findall(r"-?\d+\.\d+|inf", str(row[name])) for row in rows for name in ("p", "a", "b", "accuracy", "realised")]
    assert all(len(three) == 3 and 0 <= float(three[1]) <= float(three[2]) <= 1 for three in found)


def test_bands_of_figures_are_those_intervals() -> None:
    figures = importlib.import_module(f"{EXPERIMENT.__package__}._arithmetic_figures")
    table = xr.DataArray([[0.6, 0.9], [0.776, 1.0]], dims=("seed", "size"))
    low, high = figures._extent(table)
    want = [rate_over_seeds(column) for column in table.values.T]
    assert (low.tolist(), high.tolist()) == ([m.low for m in want], [m.high for m in want])


def made_up(**changes: dict[str, float]) -> xr.Dataset:
    """Return findings in which every figure of a condition is a given number, a little different for each seed."""
    seeds, parts = [0, 1, 2], list(PARTS)
    conditions = ["start", *CONDITIONS]
    noise = np.array([-1e-3, 0.0, 1e-3])[:, None]
    tables = {}
    for name in ("p", "a", "b", "first", "accuracy", "predicted"):
        rows = [np.full((3, 2), changes.get(c, {}).get(name, 0.5)) + noise for c in conditions]
        tables[f"part_{name}"] = (("condition", "seed", "part"), np.array(rows))
        tables[name] = (("condition", "seed", "size"), np.repeat(np.array(rows)[..., :1], 21, axis=-1))
    for name in ("predicted", "accuracy"):
        tables[f"pooled_{name}"] = (("condition", "seed"), np.full((len(conditions), 3), 0.5 + 0.01 * (name == "predicted")))
    comparisons = [f"{c} over start" for c in CONDITIONS] + [f"{a} over {b}" for a, b in PAIRS]
    for name in ("gain", "sample", "decide"):
        rows = [np.full((3, 2), changes.get(c, {}).get(name, 0.0)) + noise for c in comparisons]
        tables[name] = (("comparison", "seed", "part"), np.array(rows))
    return xr.Dataset(tables, coords={"condition": conditions, "seed": seeds, "part": parts, "comparison": comparisons})


def outcome(number: int, **changes: dict[str, float]) -> str:
    return decide(made_up(**changes))[number - 1].outcome


def test_hypotheses_can_turn_out_either_way() -> None:
    claim = "reward over sft-mistakes"
    assert outcome(1, **{claim: {"gain": 0.2, "decide": 0.15, "sample": 0.05}}) == "as expected"
    assert outcome(1, **{claim: {"gain": 0.2, "decide": 0.05, "sample": 0.15}}) == "contradicted"
    assert outcome(1, **{claim: {"gain": -0.2, "decide": -0.15}}) == "contradicted"
    assert outcome(1, **{claim: {"gain": 0.0, "decide": 0.0}}) == "undecided"
    assert outcome(2, **{"sft-first": {"p": 0.8}}) == "as expected"
    assert outcome(2, reward={"p": 0.8}) == "contradicted"
    assert outcome(3, **{"sft-first": {"b": 0.1}}) == "as expected"
    assert outcome(3, **{"sft-first": {"b": 0.6}}) == "contradicted"
    rising = {
        "sft-first": {"b": 0.1, "p": 0.9},
        "sft-coverage-0.1": {"b": 0.4, "p": 0.8},
        "sft-mistakes": {"b": 0.5, "p": 0.6},
        "sft-coverage-1": {"b": 0.6, "p": 0.5},
    }
    masked = {name: {"p": 0.9} for name in ("sft-masked-0.1", "sft-masked-0.5", "sft-masked-1")}
    assert outcome(4, **rising, **masked) == "as expected"
    assert outcome(4, **rising) == "contradicted"  # p falls although masked
    stages = {"sgd-sft-stages": {"b": 0.9}}
    assert outcome(5, **stages) == "as expected"
    assert outcome(5, **stages, **{"sft-stages": {"b": 0.9}}) == "contradicted"
    assert outcome(5, **{"sgd-sft-stages": {"b": 0.2}}) == "contradicted"
    like = ("reward", "kl-0.01", "kl-0.1", "grpo", "dr-grpo", "dapo")
    gains = {f"{name} over start": {"gain": 0.4, "decide": 0.1} for name in like}
    assert outcome(6, **gains, **{"kl-1 over start": {"gain": 0.4, "decide": 0.3}}) == "as expected"
    assert outcome(6, **gains, **{"kl-1 over start": {"gain": 0.4, "decide": 0.01}}) == "contradicted"
    assert outcome(6, **gains, **{"kl-1 over start": {"gain": 0.0, "decide": 0.0}}) == "undecided"
    assert outcome(7, **{"trunk-sft-mistakes": {"b": 0.2}}) == "as expected"
    assert outcome(7, **{"trunk-reward": {"b": 0.2}}) == "contradicted"
    assert outcome(8) == "as expected"
    assert outcome(8, reward={"predicted": 0.6}) == "contradicted"
    then = {f"sft-mistakes-then-reward over {other}": {"gain": 0.1} for other in ("reward", "sft-mistakes")}
    assert outcome(9, **then) == "as expected"
    assert outcome(9, **{**then, "sft-mistakes-then-reward over reward": {"gain": -0.1}}) == "contradicted"
    assert outcome(10, **gains) == "as expected"
    assert outcome(10, **{**gains, "grpo over start": {"gain": 0.4, "decide": 0.2}}) == "contradicted"
    assert outcome(10, **{**gains, "grpo over start": {"gain": 0.0, "decide": 0.0}}) == "undecided"  # no gain, no share


def test_where_there_is_no_gain_no_share_is_spoken_of() -> None:
    words = answer_in_words(made_up())
    assert "a gain of 0.000 [-0.002, 0.002], which may be 0, so that decisions have no share of it (3 seeds, 95 % in" in words
    (surrogates,) = [o for o in decide(made_up().isel(seed=[0])) if o.number == 10]  # one seed tells no gain from 0
    assert surrogates.measured == "RLOO -; grpo -, dr-grpo -, dapo - (- where the gain may be 0)"
    assert surrogates.outcome == "undecided"


def test_tables_and_words(data) -> None:
    rows = condition_rows(data)
    assert [row["condition"] for row in rows] == ["start", *TINY.conditions]
    assert len(gain_rows(data)) == 2 * data.sizes["comparison"]
    outcomes = decide(data)
    assert [o.number for o in outcomes] == [1, 2, 3, 8]
    assert hypothesis_rows(outcomes)[0]["hypothesis"] == "1. claim 5"
    words = answer_in_words(data)
    assert words.count(". ") == 1  # two sentences
    assert words.startswith("On the fifteen larger sizes reward ends at accuracy 0.")


# ---------------------------------------------------------------------- the page


def page_tools():
    spec = importlib.util.spec_from_file_location("fill_arithmetic", ROOT / "docs" / "fill_arithmetic.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_numbers_of_the_page_are_those_stored_beside_it() -> None:
    tools = page_tools()
    page = (ROOT / "docs" / "arithmetic.md").read_text(encoding="utf-8")
    assert tools.fill(page, tools.blocks(ROOT / "docs" / "arithmetic")) == page
    for figure in tools.FIGURES:
        assert (ROOT / "docs" / "arithmetic" / figure).exists()
        assert f"(arithmetic/{figure})" in page


def test_the_page_says_what_each_condition_is() -> None:
    page = (ROOT / "docs" / "arithmetic.md").read_text(encoding="utf-8")
    rows = page.split("## The conditions")[1].split("## Results")[0]
    named = re.findall(r"`([^`]+)`", "\n".join(line.split(" | ")[0] for line in rows.splitlines() if line.startswith("| `")))
    assert sorted(named) == sorted(["start", *CONDITIONS])


@pytest.mark.parametrize("condition", ["sft-first", "reward"])
def test_a_run_made_afresh_gives_the_stored_numbers(condition) -> None:
    plan = Plan(seeds=(0,), conditions=(condition,))
    fresh = run_conditions(plan, jobs=1)[condition, 0].achieved
    stored = {
        row["part"]: row
        for row in page_tools().rows_of(ROOT / "docs" / "arithmetic" / "runs.csv")
        if row["condition"] == condition and row["seed"] == 0
    }
    for part, which in parts_of(plan.problems).items():
        pooled = fresh.pooled(which)
        for name in ("p", "a", "b", "first", "accuracy"):
            # Stored with 12 digits. Rounding may differ between machines, and grows over 100 updates, but flips no draw.
            assert getattr(pooled, name) == pytest.approx(stored[part][name], rel=1e-8)

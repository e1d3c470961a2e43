"""What length weight costs, by mechanism: the signs that the figure and its text claim, and the numbers of the full run."""

from __future__ import annotations

import re

import numpy as np
import pytest
import quick_experiments

from dstheory.experiments import Findings, find_experiments, load


def findings(quick: bool) -> Findings:
    (experiment,) = find_experiments(("length-weight-mechanisms",))
    return load(experiment.path).run(quick=quick, progress=None)


@pytest.fixture(scope="module")
def quick() -> Findings:
    return quick_experiments.quick("length-weight-mechanisms")


def test_only_the_mechanisms_cost_the_decision(quick) -> None:
    cost = {row["mechanism"]: row for row in quick.tables["costs"]}
    for name in ("control", "missing coverage"):
        assert cost[name]["lost"] == 0.0
    for name in ("finite training", "clipping", "clipping, sampled", "shared trunk", "finite training, natural"):
        assert cost[name]["lost"] > 0
    assert cost["clipping"]["lost"] < 0.1 * cost["clipping, sampled"]["lost"] < cost["finite training"]["lost"]
    # epsilon = 1e-8 takes a part of 1e-8/(w g) from steps of Adam: nothing in four digits.
    assert cost["finite training, Adam"]["lost"] == 0.0
    assert all(cost[name]["lost at end"] > 0.3 for name in ("shared trunk",))


def test_the_control_does_not_see_the_weight(quick) -> None:
    control = quick.data.sel(mechanism="control")
    for chance in (control.a, control.b):  # shares over visits, which do contain p: equal but for their rounding
        np.testing.assert_allclose(chance.sel(length_weight=0.0), chance.sel(length_weight=1.0), rtol=1e-15 * 8)


def test_without_coverage_b_stays_where_it_was_at_every_weight(quick) -> None:
    np.testing.assert_allclose(quick.data.b.sel(mechanism="missing coverage"), 0.3, rtol=1e-15 * 8)


def test_the_trunk_makes_decisions_worse_than_at_the_start(quick) -> None:
    trunk = quick.data.b.sel(mechanism="shared trunk").isel(step=-1)
    assert float(trunk.sel(length_weight=0.0)) > 0.3 > float(trunk.sel(length_weight=0.5)) > float(trunk.sel(length_weight=1.0))


def test_the_figure_shows_the_data_and_the_table(quick) -> None:
    (figure,) = quick.figures.values()
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    names = quick.data.mechanism.values.tolist()
    assert len(panels) == len(names) == 8
    late = quick.data.b.where(quick.data.step > 0, drop=True)
    for axes, name, row in zip(panels, names, quick.tables["costs"], strict=True):
        for i, weight in enumerate(quick.data.length_weight.values):
            drawn = axes.get_lines()[i].get_ydata()
            np.testing.assert_array_equal(drawn, late.sel(mechanism=name, length_weight=weight))
        (text,) = [t.get_text() for t in axes.texts]
        assert f"step 250: {row['lost']:.2f}\nafter long training: " in text


def test_the_caption_names_every_claim_and_its_numbers(quick) -> None:
    for claim in ("C5", "C2", "C5-time", "F1", "F1-delay", "F2", "F3", "F4", "C5-moves", "C3"):
        assert claim in quick.caption
    cost = {row["mechanism"]: row for row in quick.tables["costs"]}
    assert f"Lost {cost['finite training']['lost']:.3f}" in " ".join(quick.caption.split())


def test_what_the_caption_says_of_the_end_is_what_was_measured(quick) -> None:
    """The reduced version stops before finite training and sampled clipping have caught up, and does not say that they have."""
    words = " ".join(quick.caption.split())
    left = {row["mechanism"]: row["lost at end"] for row in quick.tables["costs"]}
    assert left["finite training"] > 0.01
    assert f"{left['finite training']:.3f} after long training" in words
    said = ", ".join(f"{cost:.3f} ({name})" for name, cost in left.items() if abs(cost) > 0.005)
    assert "(clipping, sampled)" in said
    assert f"After long training weight 1 costs the decision {said}." in words
    assert "biases sampling" not in words  # p ends at 0.75, as the demonstrator's
    assert not re.search(r"\w- \w", words)  # no word is broken


def test_where_a_chance_first_reaches_a_target() -> None:
    (experiment,) = find_experiments(("length-weight-mechanisms",))
    arrival = load(experiment.path).arrival
    curves = np.array([[0.1, 0.5, 0.1], [0.3, 0.4, 0.2], [0.7, 0.8, 0.3]])  # reaches it, is there at the start, never gets there
    np.testing.assert_array_equal(arrival(np.array([0.0, 10.0, 20.0]), curves, 0.5), [15.0, 0.0, np.nan])


@pytest.mark.slow
def test_the_full_run() -> None:
    full = findings(quick=False)
    cost = {row["mechanism"]: row for row in full.tables["costs"]}
    end = full.data.end
    for name in ("control", "finite training", "clipping", "finite training, Adam", "finite training, natural"):
        # Long training reaches the demonstrator at every length weight (C5).
        np.testing.assert_allclose(end.sel(mechanism=name), 0.95, rtol=0, atol=1e-7)
    np.testing.assert_allclose(end.sel(mechanism="control"), 0.95, rtol=0, atol=1e-10)
    steps = full.data.steps_to_target
    slower = steps.sel(length_weight=1.0) / steps.sel(length_weight=0.0)
    # C5-time: (32 + 1)/2; steps of size 0.1 are near enough to the flow for three digits.
    assert float(slower.sel(mechanism="finite training")) == pytest.approx(16.5, rel=5e-3)
    assert float(slower.sel(mechanism="finite training, Adam")) == pytest.approx(1.0, abs=1e-3)
    assert float(slower.sel(mechanism="clipping, sampled")) > 2
    # F1-delay: at most the way of the three logits (0.898 + 0.811 + 3.044), over the threshold 1 and the rate 0.1.
    late = steps.sel(mechanism="clipping") - steps.sel(mechanism="control")
    assert (late >= 0).all()  # at weight 0 the norm never exceeds the threshold
    assert float(late.sel(length_weight=1.0)) > 1
    assert (late < (0.898 + 0.811 + 3.044) / 0.1).all()
    assert cost["shared trunk"]["lost at end"] == pytest.approx(0.3438, abs=2e-4)
    assert cost["shared trunk"]["steps λ=1"] is None

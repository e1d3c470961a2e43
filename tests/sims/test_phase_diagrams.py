"""The phase diagrams against closed forms that they do not use, and what their captions say of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from quick_experiments import quick

from dstheory import Policy, TwoStageMDP, solve
from dstheory.experiments import Findings, load
from dstheory.objectives import Reinforce
from dstheory.plots.style import RC, drawn_for


@pytest.fixture(scope="module")
def share() -> Findings:
    return quick("decision-share")


@pytest.fixture(scope="module")
def sabotage() -> Findings:
    return quick("sabotage-region")


@pytest.fixture(scope="module")
def speed() -> Findings:
    return quick("decision-speed")


def texts(figure: Figure) -> list[str]:
    """All that is written inside the panels once the figure is laid out."""
    figure.draw_without_rendering()
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_each_level_of_the_share_is_labelled_once_and_no_labels_collide(share: Findings) -> None:
    figure = share.figures["decision-share"]
    assert sorted(texts(figure)) == sorted(["0.5", "0.75", "0.9", "0.99"] * 2 + ["0.25"] + ["gain 0.1"] * 2)
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("width", ["text", "column"])
def test_no_label_of_a_level_is_cut_by_the_edge_of_its_panel(width: str) -> None:
    file = Path(__file__).parents[2] / "sims" / "decision_share.py"
    with drawn_for(width, ()), matplotlib.rc_context(RC):
        figure = load(file).run(quick=False)[1]["decision-share"]
        figure.draw_without_rendering()
    for axes in figure.axes:
        (left, bottom), (right, top) = axes.get_window_extent().get_points()
        for text in axes.texts:
            box = text.get_window_extent()
            assert left < box.x0 < box.x1 < right, text.get_text()
            assert bottom < box.y0 < box.y1 < top, text.get_text()


def test_the_axis_of_steps_spans_whole_decades(speed: Findings) -> None:
    low, high = np.log10(speed.figures["decision-speed"].axes[0].get_ylim())
    assert low == round(low) < high == round(high)


# ------------------------------------------------------------------ decision share


def test_the_share_has_the_numbers_of_the_claim_and_tends_to_one(share: Findings) -> None:
    first = share.data.share.isel(reference=0)
    at = first.sel(beta=0.1, method="nearest").sel(weighted_length=[1, 64, 1024], method="nearest")
    np.testing.assert_allclose(at, [0.589, 0.987, 0.999], atol=5e-4)
    assert (first.sel(weighted_length=2**14, method="nearest").sel(beta=slice(0.09, None)) > 0.995).all()


def test_the_share_falls_in_the_second_panel(share: Findings) -> None:
    row = share.data.share.isel(reference=1).sel(beta=0.02, method="nearest").values
    lowest = int(row.argmin())
    assert row[:lowest].max() > 0.7
    assert row[lowest] < 0.1
    assert row[-1] > row[lowest] + 0.5


def test_the_share_is_that_of_an_optimum_found_by_bisection(share: Findings) -> None:
    """One point of each panel, from the soft Bellman equation and the odds law written out."""
    for index, (p, a, b, gamma) in enumerate([(0.55, 0.8, 0.3, 0.95), (0.01, 0.99, 0.02, 0.99)]):
        point = share.data.isel(reference=index).sel(beta=0.1, weighted_length=8, method="nearest")
        t, tau = float(point.beta), float(point.beta * point.weighted_length)

        def values(v: float, a=a, b=b, gamma=gamma, t=t) -> tuple[float, float]:
            later = np.exp(gamma * v / t)
            return t * np.log(a * np.exp(1 / t) + (1 - a) * later), t * np.log(1 - b + b * later)

        low, high = 0.0, 1.0
        for _ in range(60):
            v = (low + high) / 2
            correct, wrong = values(v)
            above = tau * np.log(p * np.exp(correct / tau) + (1 - p) * np.exp(wrong / tau)) > v
            low, high = (v, high) if above else (low, v)
        correct, wrong = values(v)
        by_sampling = np.exp((correct - wrong) / tau)  # the factor of the odds p/(1-p)
        by_decisions = np.exp((1 - correct + wrong) / t)  # that of a/(1-b)

        def accuracy(factor: float, start=p / (1 - p) * a / (1 - b)) -> float:
            return start * factor / (1 + start * factor)

        both = accuracy(by_sampling * by_decisions)
        decided = accuracy(by_decisions) - accuracy(1) + both - accuracy(by_sampling)
        np.testing.assert_allclose(point.gain, both - accuracy(1), rtol=1e-9)
        np.testing.assert_allclose(point.share, decided / 2 / (both - accuracy(1)), rtol=1e-9)


# ------------------------------------------------------------------ what reflection adds


def test_reflection_gain_is_the_closed_form_and_its_lines_are_labelled() -> None:
    found = quick("reflection-gain")
    data = found.data
    a, b, p = data.a, data.b, data.p
    q = p * (1 - a) + (1 - p) * b
    expected = p * (1 - p) * (a + b - 1) / (1 - q)
    np.testing.assert_allclose(data.gain, expected.transpose(*data.gain.dims), rtol=1e-12, atol=1e-15)
    assert ((data.gain > 1e-12) == (a + b > 1 + 1e-12)).all()
    written = texts(found.figures["reflection-gain"])
    assert written.count("$a+b=1$") == len(p)
    # A gain of 0.2 is out of reach at p = 0.9, one of 0.1 just so; a loss of 0.2 at p = 0.2.
    assert written.count("+0.2") == 2
    assert written.count("-0.2") == 2


# ------------------------------------------------------------------ where it pays to be wrong


def test_the_gradient_changes_sign_at_the_boundary_for_every_p(sabotage: Findings) -> None:
    data = sabotage.data
    assert data.attrs["signs_agreeing"] == data.attrs["signs_compared"] == 5 * data.slope.size
    assert f"{data.slope.size * 5:,} of {data.slope.size * 5:,}" in sabotage.caption
    a, b, g, p = data.a, data.b, data.attrs["shown_gamma"], data.attrs["p"]
    visits = 1 / (1 - g * (p * (1 - a) + (1 - p) * b))
    expected = visits**2 * p * (1 - p) * (a * (1 - g * b) - b * (1 - g * (1 - a)))
    np.testing.assert_allclose(data.slope, expected.transpose("b", "a"), rtol=1e-11, atol=1e-14)


def test_the_gradient_vanishes_on_every_drawn_boundary(sabotage: Findings) -> None:
    for g in sabotage.data.gamma.values:
        line = sabotage.data.boundary.sel(gamma=g)
        for a in (0.05, 0.3, 0.9):
            b = float(line.sel(edge=a, method="nearest"))
            decisions = {"stop_correct": 1, "resample_correct": 0, "stop_wrong": 0, "resample_wrong": 1}
            mdp = TwoStageMDP.minimal(gamma=g, reward=decisions)
            policy = Policy.minimal(p=0.3, a=a, b=b)
            assert abs(Reinforce().gradient(solve(mdp, policy)).parameters(policy)[0][0]) < 1e-13


def test_the_drawn_bonus_is_the_least_that_suffices(sabotage: Findings) -> None:
    data = sabotage.data
    for a, b in ((0.2, 0.7), (0.9, 0.4)):
        at = data.threshold.sel(a=a, b=b, method="nearest")
        policy = Policy.minimal(p=0.7, a=float(at.a), b=float(at.b))
        for factor, sign in ((0.999, 1), (1.001, -1)):
            bonus = {"stop_correct": 1, "resample_correct": 0, "stop_wrong": 0, "resample_wrong": factor * float(at)}
            mdp = TwoStageMDP.minimal(gamma=data.attrs["shown_gamma"], reward=bonus)
            assert np.sign(Reinforce().gradient(solve(mdp, policy)).parameters(policy)[0][0]) == sign
    written = texts(sabotage.figures["sabotage-region"])
    assert [text for text in written if "eta" in text] == [rf"$\eta={eta}$" for eta in ("0.2", "0.5", "1", "2", "5")]


# ------------------------------------------------------------------ how long it takes


def steps_by_hand(step: float) -> float:
    """Ascend the decision's own logit, whose gradient is n_E (1 - p_E)(b_E - b) times its weight, and interpolate its arrival."""
    p, a, b = 0.9, 0.95, 0.95
    rate = (1 - p) / (1 - p * (1 - a) - (1 - p) * b)
    theta, chance, before, taken = np.log(0.3 / 0.7), 0.3, 0.3, 0
    while chance < 0.9:
        theta += step * rate * (b - chance)
        before, chance, taken = chance, 1 / (1 + np.exp(-theta)), taken + 1
    return taken - 1 + (0.9 - before) / (chance - before)


def test_the_decision_takes_as_long_as_its_own_equation_says(speed: Findings) -> None:
    data = speed.data
    weight = data.attrs["answer_length"] ** data.length_weight.values
    turns = 1 / (1 - 0.9 * 0.05 - 0.1 * 0.95)
    own, clipped, adam = data.optimizer.values
    summed = [steps_by_hand(min(1.0, 4 / (w * turns))) for w in weight]
    np.testing.assert_allclose(data.steps.sel(reduction="stage sum", optimizer=own), summed, rtol=1e-3)
    diluted = [steps_by_hand(1 / (1 + w)) for w in weight]
    for name in (own, clipped):
        np.testing.assert_allclose(data.steps.sel(reduction="stage mean", optimizer=name), diluted, rtol=1e-3)
    steps = data.steps.sel(optimizer=adam)
    # Adam's epsilon, 1e-8, against gradients of about 1e-2.
    np.testing.assert_allclose(steps, float(steps[0, 0]), rtol=1e-5)
    assert [row["optimizer"] for row in speed.tables["steps"]] == list(data.optimizer.values) * 2

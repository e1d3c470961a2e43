"""The source's figure under both kinds of reward: the signs that claim B6 gives, what is drawn, and where the full run ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
import quick_experiments

from dstheory.experiments import Findings, find_experiments, load


def findings(quick: bool) -> Findings:
    (experiment,) = find_experiments(("source-figure",))
    return load(experiment.path).run(quick=quick, progress=None)


@pytest.fixture(scope="module")
def quick() -> Findings:
    return quick_experiments.quick("source-figure")


def test_the_figure_has_the_signs_that_claim_b6_says(quick) -> None:
    on_sampling = quick.data.reward_gradient.sel(logit="theta_s")
    assert (on_sampling.sel(reward="final answer rewarded") > 0).all()
    assert np.isfinite(quick.data.p).all()
    assert float(quick.data.p.isel(step=0).max()) == pytest.approx(1 / (1 + np.exp(-0.2)), abs=1e-12)
    assert all(row["answer: lowest gradient"] > 0 for row in quick.tables["settings"])


def test_the_gradients_drawn_are_the_closed_forms(quick) -> None:
    """Reward: the general gradient of M0. Penalty: -beta w N (visits) (logistic derivative) (logit - reference's logit)."""
    gamma, beta, moves = 0.1, 0.5, 20
    weights = {"theta_s": 4.0, "theta_C": 1.0, "theta_W": 1.0}
    for kind, r_wrong in (("final answer rewarded", 0.0), ("right decisions rewarded", 1.0)):
        data = quick.data.sel(reward=kind)
        for step in (0, 16, 40, 72, 192):
            p, a, b = (float(data[k].sel(step=step)) for k in "pab")
            q = p * (1 - a) + (1 - p) * b
            n = 1 / (1 - gamma * q)
            v = n * (p * a + (1 - p) * b * r_wrong)
            right, wrong = a + (1 - a) * gamma * v, b * (r_wrong + gamma * v)
            reward = [
                n * p * (1 - p) * (right - wrong),
                n * p * a * (1 - a) * (1 - gamma * v),
                n * (1 - p) * b * (1 - b) * (r_wrong + gamma * v),
            ]
            assert data.reward_gradient.sel(step=step).values == pytest.approx(reward, rel=1e-9)
            before = data.sel(step=step // moves * moves)
            visits = 1 / (1 - q)  # of the penalty: undiscounted
            for logit, x, share, name in (("theta_s", p, 1.0, "p"), ("theta_C", a, p, "a"), ("theta_W", b, 1 - p, "b")):
                ref = float(before[name])
                away = math.log(x / (1 - x)) - math.log(ref / (1 - ref))
                expected = -beta * weights[logit] * visits * share * x * (1 - x) * away
                assert float(data.penalty_gradient.sel(step=step, logit=logit)) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_six_panels_for_each_reward(quick) -> None:
    (figure,) = quick.figures.values()
    blocks = figure.subfigs
    assert [len(block.axes) for block in blocks] == [6, 6]
    assert len({axes.get_ylim() for block in blocks for axes in block.axes[:3]}) == 1
    for block, kind in zip(blocks, quick.data.reward.values, strict=True):
        data = quick.data.sel(reward=kind)
        for axes, logit in zip(block.axes[:3], data.logit.values, strict=True):
            drawn = [line.get_ydata() for line in axes.get_lines()[1:]]
            np.testing.assert_array_equal(drawn[0], data.reward_gradient.sel(logit=logit))
            np.testing.assert_array_equal(drawn[1], data.penalty_gradient.sel(logit=logit))
        for axes, name in zip(block.axes[3:], "pab", strict=True):
            np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), data[name])


def test_the_text_says_what_was_fitted(quick) -> None:
    words = " ".join(quick.caption.split())
    assert "Fitted: gamma 0.1, beta 0.5, answer length 16, length weight 0.5, learning rate 0.01, reference moves every" in words
    assert quick.data.attrs["fitted gamma"] == 0.1


def test_no_word_of_the_text_is_broken_and_a_gradient_is_negative_from_a_step_on_only_if_it_stays_so(quick) -> None:
    assert "length-weighted KL penalty" in " ".join(quick.caption.split())
    (experiment,) = find_experiments(("source-figure",))
    module, data, rows = load(experiment.path), quick.data.copy(deep=True), quick.tables["settings"]
    assert "has not turned negative yet" in " ".join(quick.caption.split())
    steps, on_sampling = data.step.values, {"reward": "right decisions rewarded", "logit": "theta_s"}
    data.reward_gradient.loc[on_sampling] = np.where(np.isin(steps, steps[[3, -1]]), -1.0, 1.0)
    assert f"From step {steps[-1]} on the gradient" in " ".join(module._caption(data, rows, 200).split())
    risen = [{**row, "decisions: p": 0.9} for row in rows]
    assert "does depend on it: it falls in none." in " ".join(module._caption(quick.data, risen, 200).split())


@pytest.mark.slow
def test_the_full_run_ends_where_the_sources_figure_does() -> None:
    full = findings(quick=False)
    end = full.data.sel(reward="right decisions rewarded").isel(step=-1)
    assert float(end.p) == pytest.approx(0.50, abs=0.01)
    assert float(end.a) == pytest.approx(0.98, abs=0.01)
    assert float(end.b) == pytest.approx(0.98, abs=0.01)
    assert float(full.data.p.sel(reward="final answer rewarded").isel(step=-1)) > 0.9
    assert all(row["decisions: last gradient"] < 0 < row["answer: lowest gradient"] for row in full.tables["settings"])

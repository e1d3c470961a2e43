"""Energy against length: the experiment says what its claims say, and its figure shows the data without overlaps."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from quick_experiments import quick

from dstheory.experiments import experiment_names, load

SIM = load(experiment_names()["energy-against-length"].path)


@pytest.fixture(scope="module")
def ran():
    parts: list[float] = []
    found = quick(SIM.NAME, parts)
    assert len(parts) == len(found.data.length)
    return found.data, found.figures[SIM.NAME]


def slope(data, objective: str, stage: str) -> float:
    part = data.energy.sel(objective=objective, stage=stage).sel(length=slice(64, None))
    return SIM.fitted_slope(part.length, part)


def test_reward_is_flat_and_log_likelihoods_are_linear(ran) -> None:
    data, _ = ran
    reward = data.energy.sel(objective="reward")
    np.testing.assert_allclose(reward, reward.isel(length=0).values[None].repeat(len(data.length), axis=0), rtol=1e-13)
    for objective in ("SFT", "KL, direct term"):
        assert slope(data, objective, "sample") == pytest.approx(1.0, abs=0.01)
        assert slope(data, objective, "decide") == pytest.approx(0.0, abs=1e-9)
    assert slope(data, "KL, full gradient", "decide") == pytest.approx(2.0, abs=0.05)


def test_curves_are_the_data_and_legends_name_their_slopes(ran) -> None:
    data, figure = ran
    for axes, stage in zip(figure.axes, ("sample", "decide"), strict=True):
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        for line, objective, label in zip(axes.get_lines(), data.objective.values, labels, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), data.energy.sel(objective=objective, stage=stage))
            assert label == f"{objective}: {abs(slope(data, objective, stage)):.2f}"


def test_no_curve_runs_through_a_legend(ran) -> None:
    _, figure = ran
    figure.draw_without_rendering()
    for axes in figure.axes:
        box = axes.get_legend().get_window_extent()
        for line in axes.get_lines():
            corners = axes.transData.transform(np.column_stack(line.get_data()))
            along = np.linspace(0, len(corners) - 1, 500)
            x, y = (np.interp(along, np.arange(len(corners)), corners[:, k]) for k in (0, 1))
            assert not ((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)).any()
    assert "matplotlib.pyplot" not in sys.modules


def test_what_has_no_slope() -> None:
    with pytest.raises(ValueError, match="two or more lengths"):
        SIM.fitted_slope([4], [1.0])
    with pytest.raises(ValueError, match="positive, finite energies"):
        SIM.fitted_slope([1, 2], [0.0, 1.0])


def test_the_experiment_names_its_claims() -> None:
    for claim in SIM.CLAIMS:
        assert claim in SIM.__doc__

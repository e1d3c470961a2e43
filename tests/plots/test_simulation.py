"""The figure: drawn from the data, the same bytes every time, nothing of pyplot's global state touched."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from figure_words import word_faults

from dstheory import Policy, TwoStageMDP
from dstheory.dynamics import compare, four_conditions, scattered
from dstheory.objectives import Reinforce
from dstheory.plots import save_figure, simulation_figure
from dstheory.plots.style import drawn_for


def figure_of(runs: int):
    mdp, start = TwoStageMDP.minimal(sample_length=16), Policy.minimal(p=0.55, a=0.8, b=0.3)
    out = compare(mdp, scattered(start, runs, spread=0.4, rng=1), four_conditions(mdp, start), steps=30)
    return simulation_figure(out), out


def test_curves_are_the_history() -> None:
    figure, out = figure_of(1)
    for axes, variable in zip(figure.axes[:3], "pab", strict=True):
        for line, name in zip(axes.get_lines(), out.history.condition.values, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), out.history[variable].sel(condition=name))


def test_probabilities_have_one_scale() -> None:
    figure, _ = figure_of(1)
    assert len({axes.get_ylim() for axes in figure.axes[:4]}) == 1


@pytest.mark.parametrize("p", [0.3, 1e-300, 1e-306, 1e-308])
@pytest.mark.filterwarnings("error", "ignore:the gradient pushes")
def test_energies_up_to_the_largest_number_have_their_place(p: float, tmp_path) -> None:
    mdp, start = TwoStageMDP.minimal(sample_length=16), Policy.minimal(p=p, a=0.8, b=0.3)
    out = compare(mdp, start, four_conditions(mdp, start), steps=1)
    figure = simulation_figure(out)
    save_figure(figure, tmp_path / "drawn")
    axes = figure.axes[4]
    heights = [line.get_ydata()[0] for line in axes.get_lines() if line.get_marker() in ("o", "D") and len(line.get_xdata())]
    energies = np.array([result.log["energy"][0, -1, :] for result in out.results.values()]).ravel()
    exact = np.array([math.log10(energy) if energy > 0 else -math.inf for energy in energies.tolist()])
    inside = np.isfinite(exact) & (exact >= exact[np.isfinite(exact)].max() - 15)  # what is infinite is written, too
    assert heights == pytest.approx(exact[inside].tolist(), abs=1e-12)
    assert sum("sampling: " in text.get_text() for text in axes.texts) == (~inside)[::2].sum()


def test_an_energy_of_zero_is_written_and_has_no_height(tmp_path) -> None:
    """With one turn no decision is drawn: its energy is 0, which a logarithmic scale does not have."""
    mdp, start = TwoStageMDP.minimal(sample_length=16, max_turns=1), Policy.minimal(p=0.3, a=0.8, b=0.3)
    figure = simulation_figure(compare(mdp, start, four_conditions(mdp, start), steps=1))
    save_figure(figure, tmp_path / "drawn")
    axes = figure.axes[4]
    drawn = [line.get_marker() for line in axes.get_lines() if len(line.get_xdata()) == 1]
    assert [marker for marker in drawn if marker in "oD"] == ["o"] * 4
    assert [text.get_text() for text in axes.texts] == ["decisions: 0"] * 4
    assert {each.get_xlim() for each in figure.axes[:4]} == {(0.0, 1.0)}  # steps, where nothing is decided as well


def test_nothing_is_cut_where_few_steps_ask_for_many_decimals() -> None:
    mdp, start = TwoStageMDP.minimal(sample_length=16), Policy.minimal(p=0.551, a=0.552, b=0.553)
    figure = simulation_figure(compare(mdp, start, {"reward": Reinforce()}, steps=1))
    figure.draw_without_rendering()
    assert any(len(label.get_text()) >= 5 for axes in figure.axes[:4] for label in axes.get_yticklabels())
    assert all(figure.bbox.x0 <= axes.get_tightbbox().x0 for axes in figure.axes)


def test_nothing_is_cut_in_a_column() -> None:
    with drawn_for("column", ()):
        figure, _ = figure_of(1)
        figure.draw_without_rendering()
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert figure.bbox.x0 <= box.x0, axes.get_title()
        assert box.x1 <= figure.bbox.x1, axes.get_title()


def test_a_title_of_two_lines_stands_above_the_panels_of_a_column() -> None:
    mdp, start = TwoStageMDP.minimal(sample_length=16), Policy.minimal(p=0.55, a=0.8, b=0.3)
    out = compare(mdp, scattered(start, 3, spread=0.4, rng=1), four_conditions(mdp, start), steps=3)
    with drawn_for("column", ()):
        figure = simulation_figure(out, title="M0: length weight 0.5")
        figure.draw_without_rendering()
    title = figure._suptitle
    assert "\n" in title.get_text()
    highest = max(axes.title.get_window_extent().y1 for axes in figure.axes)
    assert highest < title.get_window_extent().y0


HOSTILE = ("$x_1$ & 100% <b>", "a" * 100, "b" * 60 + "c", "two\nlines", "_u", "reinforce + kl-direct + entropy", "7", "8", "9")


@pytest.mark.parametrize("width", ["text", "column"])
@pytest.mark.parametrize("start", [(0.55, 0.8, 0.3), (1e-9, 0.999999, 1e-9)])
def test_words_are_whole_and_apart(width: str, start: tuple[float, float, float]) -> None:
    """Also long names, many objectives, energies that no axis holds beside others, and gains that share a power of ten."""
    mdp, policy = TwoStageMDP.minimal(sample_length=16), Policy.minimal(p=start[0], a=start[1], b=start[2])
    with drawn_for(width, ()):
        for objectives in (four_conditions(mdp, policy), dict.fromkeys(HOSTILE, Reinforce())):
            out = compare(mdp, policy, objectives, steps=2)
            figure = simulation_figure(out, title="a name of a file that is long " * 5)
            assert word_faults(figure) == []
            written = "".join(text.get_text() for text in figure.legends[0].get_texts()).replace("\n", "")
            assert all(f"{i}: " in written for i in range(1, 1 + len(objectives)))


def test_equal_energies_are_both_seen_and_their_scale_has_two_powers_of_ten() -> None:
    mdp, start = TwoStageMDP.minimal(sample_length=16), Policy.minimal(p=0.55, a=0.8, b=0.3)
    figure = simulation_figure(compare(mdp, start, {"reward": Reinforce()}, steps=1))
    figure.draw_without_rendering()
    dot, diamond = (next(line for line in figure.axes[4].get_lines() if line.get_marker() == look) for look in "oD")
    assert dot.get_zorder() > diamond.get_zorder()
    assert dot.get_markersize() < diamond.get_markersize()
    low, high = figure.axes[4].get_ylim()
    assert sum(low <= tick <= high for tick in figure.axes[4].get_yticks()) >= 2
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["0", "1"]


def test_bars_add_up_to_the_gain() -> None:
    figure, out = figure_of(1)
    bars = [p for p in figure.axes[5].patches if p.get_height() != 0]
    heights = [p.get_height() for p in bars]
    gains = [float(g.gain) for g in out.gains.values()]
    np.testing.assert_allclose(np.add.reduceat(heights, np.arange(0, len(heights), 2)), gains, rtol=1e-12)


def test_files_are_reproducible(tmp_path) -> None:
    first = save_figure(figure_of(3)[0], tmp_path / "a")
    second = save_figure(figure_of(3)[0], tmp_path / "b")
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert "matplotlib.pyplot" not in sys.modules


def test_a_chain_without_wrong_answers_has_a_figure(tmp_path) -> None:
    """Its b does not exist: that panel has no curve, and says so."""
    mdp = TwoStageMDP(correct=[[1, 1]], gamma=0.9)
    start = Policy.from_probabilities([[0.5, 0.5]], [[0.8, 0.7]])
    for runs in (1, 3):
        out = compare(mdp, scattered(start, runs, spread=0.4, rng=1), four_conditions(mdp, start), steps=3)
        assert np.isnan(out.history.b).all()
        figure = simulation_figure(out)
        save_figure(figure, tmp_path / f"a{runs}")
        assert figure.axes[2].get_ylim() == (0.0, 1.01)
        assert [[text.get_text() for text in axes.texts] for axes in figure.axes[:4]] == [[], [], ["no such decision"], []]

"""The figure of `dstheory attribute --all`: every number that it shows is a row's."""

from __future__ import annotations

import numpy as np
import pytest
from figure_words import word_faults

from dstheory import Policy, TwoStageMDP
from dstheory.comparison import compare_objectives
from dstheory.objectives import GRPO, SFT, ExpertChain, K1Loss, Reinforce
from dstheory.plots import save_figure
from dstheory.plots.comparison import comparison_figure
from dstheory.plots.style import drawn_for

EXPERT = Policy.minimal(p=0.9, a=0.95, b=0.9)


def test_rows_are_drawn_as_they_are(tmp_path) -> None:
    mdp = TwoStageMDP.minimal(gamma=1.0, sample_length=[[4, 20]], max_turns=3)
    rows = compare_objectives(
        mdp,
        Policy.minimal(p=0.55, a=0.8, b=0.3),
        {
            "reinforce": lambda m: Reinforce(),
            "grpo": lambda m: GRPO(),
            "sft": lambda m: SFT(ExpertChain(EXPERT), length_weight=1.0),
            "k1": lambda m: K1Loss(EXPERT),
        },
        longer=8.0,
    )
    figure = comparison_figure(rows, longer=8.0, title="chain")
    left, right = figure.axes
    drawn = {line.get_label(): np.asarray(line.get_xdata()) for axes in (left, right) for line in axes.lines}
    np.testing.assert_array_equal(drawn["decision's share of the energy"], [r.energy_share for r in rows])
    np.testing.assert_array_equal(drawn["share, answers 8 times as long"], [r.energy_share_longer for r in rows])
    for label, name in (("both stages", "both"), ("decisions", "decide"), ("sampling", "sample")):
        np.testing.assert_array_equal(drawn[f"angle, {label}"], [getattr(r.tilt, name) for r in rows])
    note, *names = left.texts
    heights = next(line for line in left.lines if line.get_label() == "decision's share of the energy").get_ydata()
    assert [text.get_text() for text in names] == ["reinforce", "grpo", "sft", "k1"]
    np.testing.assert_array_equal([text.get_position()[1] for text in names], heights)
    looks = [(text.get_weight(), text.get_style()) for text in names]  # no colour, which grey print loses
    assert looks[0] == looks[1] != looks[2]
    assert {text.get_color() for text in names} == {"black"}
    assert rows[2].energy_share_longer < rows[2].energy_share
    assert rows[3].note == "the expected gradient is zero"
    assert note.get_text() == rows[3].note  # no row is empty without a reason
    paths = save_figure(figure, tmp_path / "a")
    again = save_figure(comparison_figure(rows, longer=8.0, title="chain"), tmp_path / "b")
    assert paths[0].read_bytes() == again[0].read_bytes()
    with drawn_for("column", ()):
        narrow = comparison_figure(rows, longer=8.0, title="chain")
        narrow.draw_without_rendering()
    for axes in narrow.axes:
        assert axes.xaxis.label.get_window_extent().x1 <= narrow.bbox.x1, axes.get_xlabel()


@pytest.mark.parametrize("width", ["text", "column"])
def test_long_names_leave_room_for_the_panels(width: str) -> None:
    """Names of eighty letters left none, and the names of the axes lay on each other. What has no number has no legend."""
    names = ("$x_1$ & 100% <b>", "a" * 100, "two\nlines", "_u")
    mdp = TwoStageMDP.minimal(gamma=1.0, max_turns=1)
    rows = compare_objectives(mdp, Policy.minimal(p=0.55, a=0.8, b=0.3), dict.fromkeys(names, lambda m: Reinforce()))
    with drawn_for(width, ()):
        figure = comparison_figure(rows, longer=8.0, title="a long title " * 8)
        assert word_faults(figure) == []
    assert all(axes.get_position().width > 0.3 for axes in figure.axes)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "angle, decisions" not in legend  # none is taken in one turn
    assert "beyond 90°: against accuracy" in legend

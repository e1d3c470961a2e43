"""The figures of `dstheory anatomy`: every number that a panel shows is in it, and what does not exist is left out."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from figure_words import word_faults
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from dstheory.anatomy import Episodes, generate_log, survey
from dstheory.anatomy.generate import Cell
from dstheory.plots import save_figure
from dstheory.plots.anatomy import anatomy_figure, anatomy_panels, rounds_figure
from dstheory.plots.style import drawn_for, panel_figure

PREDICTED = {"pooled": "predicted: one p (pooled)", "heterogeneous": "predicted: p varies (heterogeneous)"}


def heights(figure: Figure, panel: int, label: str) -> list[float]:
    axes = figure.axes[panel]
    (bars,) = [c for c in axes.containers if c.get_label() == label and hasattr(c, "patches")]
    return [patch.get_height() for patch in bars.patches]


def drawn(figure: Figure, panel: int, label: str) -> np.ndarray:
    (line,) = [c for c in figure.axes[panel].containers if c.get_label() == label and hasattr(c, "lines")]
    return np.asarray(line.lines[0].get_ydata())


def test_one_group() -> None:
    found = survey(generate_log(40, cells=[Cell("m", "easy", 0.7, 0.9, 0.5), Cell("m", "hard", 0.2, 0.8, 0.7)]))
    figure = anatomy_figure(found, title="log")
    (group,) = found.groups
    parts = list(group.parts.values())
    for label, name in (("$p$ = P(correct)", "p"), ("$a$ = P(stop | correct)", "a"), ("$b$ = P(resample | wrong)", "b")):
        np.testing.assert_allclose(drawn(figure, 0, label), [getattr(part.rates, name).value for part in parts])
    realised = [answers.realised["accuracy"].value for answers in (*parts, group.total)]
    np.testing.assert_allclose(heights(figure, 1, "realised"), realised)
    held = [*group.held_out_parts.values(), group.held_out]
    for kind, label in PREDICTED.items():
        np.testing.assert_allclose(heights(figure, 1, label), [h.calibration[0].predicted[kind] for h in held])
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["easy", "hard", "(all)"]


def test_two_groups_and_their_difference(tmp_path) -> None:
    found = survey(generate_log(40), compared=("base", "tuned"))
    figure = anatomy_figure(found)
    assert [axes.get_title() for axes in figure.axes][3:] == [
        "final accuracy: base", "final accuracy: tuned", "gain of tuned over base",
    ]  # fmt: skip
    for panel, name in enumerate("pab"):
        for group in found.groups:
            np.testing.assert_allclose(
                drawn(figure, panel, group.name), [getattr(part.rates, name).value for part in group.parts.values()]
            )
    splits = [*found.comparison_parts.values(), found.comparison_mean]
    np.testing.assert_allclose(heights(figure, 5, "sampling"), [split.sample.value for split in splits])
    np.testing.assert_allclose(heights(figure, 5, "decisions"), [split.decide.value for split in splits])
    with drawn_for("text", ("png",)):
        (first,), (second,) = save_figure(figure, tmp_path / "a"), save_figure(anatomy_figure(found), tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_what_cannot_be_estimated_is_a_gap() -> None:
    log = Episodes.record(
        [("x", [(False, "stop")]), ("y", [(True, "stop")]), ("z", [(False, "resample"), (True, "stop")])],
        fields={"task": ["never", "once", "once"], "model": ["m"] * 3},
    )
    found = survey(log)
    figure = anatomy_figure(found)
    a = drawn(figure, 0, "$a$ = P(stop | correct)")
    assert np.isnan(a[0])
    assert a[1] == 1.0
    # No answer to "never" was right, so none was stopped at: the empty place says so.
    assert [text.get_text() for text in figure.axes[0].texts] == ["none"]
    # There are too few problems to keep some out of the fit, and so the legend names no bar of a prediction.
    assert not {text.get_text() for text in figure.legends[0].get_texts()} & set(PREDICTED.values())
    assert len(rounds_figure(found).axes) == 1


@pytest.mark.parametrize("count", [1, 9, 30])
def test_many_labels_are_thinned_and_the_last_one_is_kept(count: int) -> None:
    cells = [Cell("m", f"{i}x{i} digits", 0.5, 0.9, 0.5) for i in range(1, count + 1)]
    figure = anatomy_figure(survey(generate_log(3, cells=cells)))
    names = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert 1 <= len(names) <= 14
    assert names[-1] == ("1x1 digits" if count == 1 else "(all)")


def test_rounds_show_the_share_of_those_that_reach_them() -> None:
    found = survey(generate_log(60, cells=[Cell("m", "t", 0.3, 0.9, 0.9)], cap=4))
    figure = rounds_figure(found)
    calibration = found.groups[0].held_out.calibration[3:]
    np.testing.assert_allclose(drawn(figure, 0, "realised"), [row.realised.value for row in calibration])
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines[PREDICTED["pooled"]], [row.predicted["pooled"] for row in calibration])


def test_rounds_of_all_groups_have_one_scale() -> None:
    found = survey(generate_log(60))
    assert len(found.groups) == 2
    assert len({axes.get_ylim() for axes in rounds_figure(found).axes}) == 1


def test_rounds_show_how_many_episodes_reach_them() -> None:
    found = survey(generate_log(60, cells=[Cell("m", "t", 0.3, 0.9, 0.9)], cap=4))
    ticks = [tick.get_text() for tick in rounds_figure(found).axes[0].get_xticklabels()]
    assert ticks == [f"{row.labels[0]}\n{row.attempts}" for row in found.groups[0].rounds]


def test_a_colour_means_one_thing_and_bars_differ_in_more_than_colour() -> None:
    figure = anatomy_figure(survey(generate_log(40), compared=("base", "tuned")))
    models = {to_hex(c.lines[0].get_color()) for c in figure.axes[0].containers}
    assert len(models) == 2
    hatches = set()
    for axes in figure.axes[3:]:
        for bars in (c for c in axes.containers if hasattr(c, "patches")):
            face = to_hex(bars.patches[0].get_facecolor())
            assert face not in models
            hatches.add((bars.get_label(), bars.patches[0].get_hatch()))
    assert dict(hatches) == {
        "realised": None, "sampling": None, "decisions": "\\\\\\\\",
        PREDICTED["pooled"]: "....", PREDICTED["heterogeneous"]: "////",
    }  # fmt: skip


def test_categories_are_not_joined_and_quantities_are() -> None:
    def styles(figure: Figure) -> set[str]:
        return {c.lines[0].get_linestyle() for axes in figure.axes for c in axes.containers if hasattr(c, "lines")}

    assert styles(anatomy_figure(survey(generate_log(40), compared=("base", "tuned")))) == {"None"}
    log = Episodes.record(
        [(f"{i % 6}", [(i % 4 == 0, None)]) for i in range(48)],
        cap=1,
        fields={"task": ["t"] * 48, "step": [str(i // 24) for i in range(48)]},
    )
    steps = anatomy_figure(survey(log))
    assert [axes.get_title() for axes in steps.axes] == ["k samples of a problem", "by step"]
    assert "None" not in styles(steps)


def test_one_sample_of_a_problem_has_no_panel_of_k() -> None:
    log = Episodes.record([(str(i), [(i % 4 == 0, None)]) for i in range(12)], cap=1, fields={"task": ["t"] * 12})
    assert [axes.get_title() for axes in anatomy_figure(survey(log)).axes] == ["sampling"]


def test_a_panel_says_its_numbers() -> None:
    found = survey(generate_log(40), compared=("base", "tuned"))
    said = {panel.title: panel.says for panel in anatomy_panels(found)}
    assert f"hard {found.groups[1].parts['hard'].rates.b.text()}" in said["b = P(resample | wrong)"]
    assert f"(mean) {found.comparison_mean.decide.text()}" in said["gain of tuned over base"]
    held = found.groups[0].held_out
    assert f"(all) {held.calibration[0].predicted['pooled']:.3f}" in said["final accuracy: base"]
    assert f"round 1 (n=120) {held.calibration[3].realised.text()}" in said["correct answers per round: base"]


def test_text_of_a_panel_is_large_enough_for_a_telephone() -> None:
    """A panel is shown at its own size, 346 pixels of 96 to the inch: 8.5 points are 11 pixels."""
    for panel in anatomy_panels(survey(generate_log(40), compared=("base", "tuned"))):
        figure = panel_figure(panel)
        figure.draw_without_rendering()
        assert figure.get_figwidth() * 96 <= 346
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) * 96 / 72 >= 11


def test_labels_are_texts_in_any_script(tmp_path) -> None:
    """No formula, no name that legends leave out; what the font does not have is said once."""
    labels = ["$x^{$", "_a", "\x1b[31m", "算术", "x" * 5000]
    log = generate_log(20, cells=[Cell(model, label, 0.4, 0.9, 0.8) for label in labels for model in ("_m", "$n")])
    figure = anatomy_figure(survey(log), title="a$_{$.jsonl")
    with pytest.warns(UserWarning, match="^the font of the figures does not have 算术: boxes replace them$") as caught:
        save_figure(figure, tmp_path / "anatomy")
    assert len(caught) == 1
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == [" _m", r"\$n"]
    ElementTree.parse(tmp_path / "anatomy.svg")


def test_many_models_have_looks_and_room_of_their_own() -> None:
    """The eighth model had the look of the first, and twelve panels of a row had words on each other."""
    found = survey(generate_log(12, cells=[Cell(f"model {i}", t, 0.5, 0.8, 0.5) for i in range(9) for t in ("easy", "hard")]))
    figure, rounds = anatomy_figure(found), rounds_figure(found)
    points = [c.lines[0] for c in figure.axes[0].containers if c.get_label().startswith("model")]
    assert len({(line.get_color(), line.get_marker()) for line in points}) == 9
    for drawn_one in (figure, rounds):
        assert drawn_one.get_figwidth() <= 7.2
        assert word_faults(drawn_one) == []


def test_long_names_keep_their_ends_and_are_not_cut() -> None:
    """Two checkpoints that differ in the last letters were one entry of the legend."""
    names = [f"{'organisation/a-model-with-a-long-name-' * 3}step-{i}000" for i in (1, 2)]
    cells = [Cell(name, task, 0.5, 0.8, 0.5) for name in names for task in ("easy", "a hard & <b> task")]
    found = survey(generate_log(30, cells=cells), compared=(names[0], names[1]))
    figure = anatomy_figure(found)
    legend = [text.get_text().replace("\n", "") for text in figure.legends[0].get_texts()]
    assert [sum(label.endswith(f"step-{i}000") for label in legend) for i in (1, 2)] == [1, 1]
    assert word_faults(figure) == []
    with drawn_for("column", ()):
        assert word_faults(anatomy_figure(found)) == []


def test_intervals_are_named_and_what_does_not_exist_has_no_bar() -> None:
    found = survey(generate_log(40, cells=[Cell("m", "t", 0.5, 0.9, 0.5)]), level=0.9)
    for figure in (anatomy_figure(found, title="log"), rounds_figure(found, title="log")):
        assert figure.get_suptitle() == "log (error bars: 90 % intervals)"
    log = Episodes.record([(m, [(True, "stop")]) for m in "ab"], fields={"task": ["x", "y"], "model": ["a", "b"]})
    bars = [c for axes in anatomy_figure(survey(log)).axes for c in axes.containers if c.get_label() == "realised"
            and hasattr(c, "patches")]  # fmt: skip
    assert [[patch.get_height() for patch in one.patches] for one in bars] == [
        [1.0, pytest.approx(np.nan, nan_ok=True), 1.0], [pytest.approx(np.nan, nan_ok=True), 1.0, 1.0],
    ]  # fmt: skip


def test_a_prediction_for_one_round_is_seen_and_points_at_the_ends_are_whole() -> None:
    found = survey(Episodes.record([(str(i), [(i < 10, "stop")]) for i in range(20)], fields={"task": ["t"] * 20}))
    lines = [line for line in rounds_figure(found).axes[0].lines if line.get_label() in PREDICTED.values()]
    assert [(len(line.get_xdata()), line.get_marker()) for line in lines] == [(1, "_"), (1, "_")]
    low, high = anatomy_figure(found).axes[0].get_ylim()
    assert low < 0
    assert high > 1


def test_many_labels_have_the_width_of_a_page() -> None:
    """Thirty labels with three points each lay on each other in half of it."""
    found = survey(generate_log(2, cells=[Cell("m", f"task {i}", 0.5, 0.8, 0.5) for i in range(14)]))
    figure = anatomy_figure(found)
    figure.draw_without_rendering()
    assert figure.get_figwidth() == 7.2
    assert all(axes.get_position().width > 0.8 for axes in figure.axes)
    assert [panel.wide for panel in anatomy_panels(found)][:2] == [True, True]
    assert panel_figure(anatomy_panels(found)[0]).get_figwidth() == 7.2
    assert word_faults(figure) == []

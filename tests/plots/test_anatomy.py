"""The figures of `dstheory anatomy`: every number that a panel shows is in it, and what does not exist is left out."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from dstheory.anatomy import Episodes, generate_log, survey
from dstheory.anatomy.generate import Cell
from dstheory.plots import save_figure
from dstheory.plots.anatomy import anatomy_figure, rounds_figure


def heights(figure: Figure, panel: int, label: str) -> list[float]:
    axes = figure.axes[panel]
    (bars,) = [c for c in axes.containers if c.get_label() == label and hasattr(c, "patches")]
    return [patch.get_height() for patch in bars.patches]


def drawn(figure: Figure, panel: int, label: str) -> np.ndarray:
    (line,) = [c for c in figure.axes[panel].containers if c.get_label() == label and hasattr(c, "lines")]
    return np.asarray(line.lines[0].get_ydata())


def test_one_group() -> None:
    found = survey(generate_log(40, cells=[Cell("m", "easy", 0.7, 0.9, 0.5), Cell("m", "hard", 0.2, 0.8, 0.7)]), resamples=20)
    figure = anatomy_figure(found, title="log")
    (group,) = found.groups
    parts = list(group.parts.values())
    for label, name in (("$p$ = P(correct)", "p"), ("$a$ = P(stop | correct)", "a"), ("$b$ = P(resample | wrong)", "b")):
        np.testing.assert_allclose(drawn(figure, 0, label), [getattr(part.rates, name).value for part in parts])
    realised = [answers.realised["accuracy"].value for answers in (*parts, group.total)]
    np.testing.assert_allclose(heights(figure, 1, "realised"), realised)
    held = [*group.held_out_parts.values(), group.held_out]
    for kind in ("pooled", "heterogeneous"):
        np.testing.assert_allclose(heights(figure, 1, f"predicted, {kind}"), [h.calibration[0].predicted[kind] for h in held])
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["easy", "hard", "(all)"]


def test_two_groups_and_their_difference(tmp_path) -> None:
    found = survey(generate_log(40), compared=("base", "tuned"), resamples=20)
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
    first, second = save_figure(figure, tmp_path / "a"), save_figure(anatomy_figure(found), tmp_path / "b")
    assert first[0].read_bytes() == second[0].read_bytes()


def test_what_cannot_be_estimated_is_a_gap() -> None:
    log = Episodes.record(
        [("x", [(False, "stop")]), ("y", [(True, "stop")]), ("z", [(False, "resample"), (True, "stop")])],
        fields={"task": ["never", "once", "once"], "model": ["m"] * 3},
    )
    found = survey(log, resamples=20)
    figure = anatomy_figure(found)
    a = drawn(figure, 0, "$a$ = P(stop | correct)")
    assert np.isnan(a[0])
    assert a[1] == 1.0
    assert heights(figure, 1, "predicted, pooled") == []  # too few problems to keep some out of the fit
    assert len(rounds_figure(found).axes) == 1


@pytest.mark.parametrize("count", [1, 9, 30])
def test_many_labels_are_thinned(count: int) -> None:
    cells = [Cell("m", f"{i}x{i} digits", 0.5, 0.9, 0.5) for i in range(1, count + 1)]
    figure = anatomy_figure(survey(generate_log(3, cells=cells), resamples=5))
    assert 1 <= len(figure.axes[0].get_xticks()) <= 14


def test_rounds_show_the_share_of_those_that_reach_them() -> None:
    found = survey(generate_log(60, cells=[Cell("m", "t", 0.3, 0.9, 0.9)], cap=4), resamples=20)
    figure = rounds_figure(found)
    calibration = found.groups[0].held_out.calibration[3:]
    np.testing.assert_allclose(drawn(figure, 0, "realised"), [row.realised.value for row in calibration])
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines["predicted, pooled"], [row.predicted["pooled"] for row in calibration])


def test_labels_are_texts_in_any_script(tmp_path) -> None:
    """No formula, no name that legends leave out; what the font does not have is said once."""
    labels = ["$x^{$", "_a", "\x1b[31m", "算术", "x" * 5000]
    log = generate_log(20, cells=[Cell(model, label, 0.4, 0.9, 0.8) for label in labels for model in ("_m", "$n")])
    figure = anatomy_figure(survey(log, resamples=9), title="a$_{$.jsonl")
    with pytest.warns(UserWarning, match="^the font of the figures does not have 算术: boxes stand in their place$") as caught:
        save_figure(figure, tmp_path / "anatomy")
    assert len(caught) == 1
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == [" _m", r"\$n"]
    ElementTree.parse(tmp_path / "anatomy.svg")

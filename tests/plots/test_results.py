"""Results in notebooks: one mechanism for tables with mathematics, frames of numbers and pictures."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from figure_words import word_faults
from matplotlib.figure import Figure
from matplotlib.text import Text

from dstheory import Claim, Policy, Reinforce, TwoStageMDP, attribute, optimum, solve, sweep, train, verify
from dstheory.errors import DSTheoryError
from dstheory.noise import signal
from dstheory.objectives import GRPO
from dstheory.plots import save_figure
from dstheory.plots.comparison import signal_figure
from dstheory.plots.results import attribution_figure, picture, rates_figure, sweep_figure
from dstheory.plots.style import COLUMN, Panel, drawn_for, grid_figure
from dstheory.readers.arrays import LabelledArrays

MDP, START = TwoStageMDP.minimal(gamma=0.9), Policy.minimal(p=0.3, a=0.7, b=0.4)


@pytest.fixture(scope="module")
def results() -> dict[str, object]:
    solution = solve(MDP, START)
    return {
        "chain": MDP, "policy": START, "solution": solution, "attribution": attribute(Reinforce(), solution),
        "training": train(MDP, START, Reinforce(), steps=4, log_every=1), "optimum": optimum(MDP, START, beta=0.2),
        "verdict": verify("A3", workers=1).entries[0].verdict,
    }  # fmt: skip


def test_everything_shows_mathematics_and_gives_numbers(results: dict[str, object]) -> None:
    for name, result in results.items():
        html = result._repr_html_()
        assert html.count("$") >= 2, name
        assert html.count("$") % 2 == 0, name
        assert "<table>" in html
        assert len(result.to_dataframe()) > 0, name


def test_frames_hold_the_numbers_that_were_computed(results: dict[str, object]) -> None:
    frame = results["training"].to_dataframe()
    assert frame["p"].tolist() == results["training"].log["p"].tolist()
    assert frame["step"].tolist() == [0, 1, 2, 3, 4]
    split = results["attribution"]
    assert split.to_dataframe()["sample"].tolist() == [float(split.gradient.sample), float(split.energy.sample)]
    assert results["policy"].to_dataframe()["P(answer)"].tolist() == pytest.approx([0.3, 0.7])
    many = train(MDP, Policy.minimal(p=[0.2, 0.4], a=0.7, b=0.4), Reinforce(), steps=2, log_every=1)
    assert many.to_dataframe().groupby("run")["p"].first().tolist() == pytest.approx([0.2, 0.4])


def test_steps_of_training_are_whole_numbers() -> None:
    figure = train(MDP, START, Reinforce(), steps=1).plot()
    figure.draw_without_rendering()
    assert [tick for tick in figure.axes[0].get_xticks() if 0 <= tick <= 1] == [0, 1]


def test_pictures_come_from_one_place_and_others_have_none(results: dict[str, object]) -> None:
    for name in ("training", "attribution", "optimum"):
        assert isinstance(results[name].plot(title="one"), Figure)
    with pytest.raises(DSTheoryError, match="there is no picture of a Solution"):
        picture(results["solution"])
    assert not hasattr(results["verdict"], "plot")


def test_pandas_is_asked_for_in_one_sentence(results: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DSTheoryError, match="needs pandas, which is not installed: pip install pandas"):
        results["policy"].to_dataframe()


def test_a_claim_shows_its_statement() -> None:
    claim = Claim(id="X1", statement="p < 1.", latex=r"p < 1", proof=list)
    assert "p &lt; 1" in claim._repr_html_()


def test_figures_for_a_column_and_in_every_format(results: dict[str, object], tmp_path: Path) -> None:
    with drawn_for("column", ("pdf", "svg")):
        figure = results["attribution"].plot()
        assert figure.get_figwidth() == COLUMN
        paths = save_figure(figure, tmp_path / "one")
        again = save_figure(results["attribution"].plot(), tmp_path / "two")
    assert [path.name for path in paths] == ["one.pdf", "one.svg"]
    assert [one.read_bytes() == other.read_bytes() for one, other in zip(paths, again, strict=True)] == [True, True]
    assert [path.suffix for path in save_figure(results["attribution"].plot(), tmp_path / "one")] == [".png", ".svg"]


@pytest.mark.parametrize("where", [np.array([0.01, 0.1, 1.0]), np.array(["sum", "mean"])])
def test_a_sweep_joins_numbers_and_no_categories(where: np.ndarray) -> None:
    n = len(where)
    tables = {name: (("by",), np.linspace(0.2, 0.8, n), {}) for name in ("p_after", "a_after", "b_after", "accuracy")}
    data = LabelledArrays({**tables, "status": (("by",), np.zeros(n, dtype=np.int8), {})}, {"by": (("by",), where, {})}, {})
    (axes,) = sweep_figure(data).axes
    joined = {line.get_linestyle() for line in axes.get_lines()} - {"None"}
    assert bool(joined) is (where.dtype.kind == "f")
    assert axes.get_xscale() == ("log" if where.dtype.kind == "f" else "linear")


def test_group_sizes_are_written_as_counts() -> None:
    sample, decide = SimpleNamespace(groups=1.0), SimpleNamespace(groups=0.25)
    one = SimpleNamespace(group_size=4, prompts=1, dead=0.5, sample=sample, decide=decide)
    figure = signal_figure({"grpo": [one, SimpleNamespace(**vars(one) | {"group_size": 16})]})  # type: ignore[list-item]
    figure.draw_without_rendering()
    written = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert {"4", "16"} <= set(written)
    assert not any("^" in text for text in written)


def test_the_responses_that_a_batch_needs_are_the_groups_of_the_table() -> None:
    """Also where a batch is divided by its own tokens, whose ratio does not grow like the root of its size."""
    chain = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3.0, 60.0]]), Policy.minimal(p=0.1, a=0.7, b=0.4))
    several = [signal(GRPO(group_size=size, normalise_by="batch-tokens"), chain, prompts=4) for size in (2, 4)]
    for axes, stage in zip(signal_figure({"grpo": several}).axes, ("sample", "decide"), strict=False):
        (line,) = axes.get_lines()
        needed = [getattr(one, stage).groups * one.group_size for one in several]
        np.testing.assert_allclose(line.get_ydata(), needed)
        assert all(count == round(count) for count in needed)


def test_a_sweep_says_what_it_does_not_draw() -> None:
    def words(where: np.ndarray) -> str:
        shape = (len(where), 2)
        tables = {name: (("by", "p"), np.full(shape, 0.5), {}) for name in ("p_after", "a_after", "b_after", "accuracy")}
        tables["status"] = ("by", "p"), np.zeros(shape, dtype=np.int8), {}
        data = LabelledArrays(tables, {"by": (("by",), where, {}), "p": (("p",), np.array([0.1, 0.2]), {})}, {})
        return sweep_figure(data).axes[0].get_xlabel()

    assert words(np.array([1.0, 2.0, 3.0])) == "by\nmedians over p;\nshaded: the middle 80 %"
    assert words(np.array(["sgd", "adam", "natural"])) == "p"  # a panel for each
    assert words(np.array([np.inf, 1.0, 2.0])).endswith("\n(none has no place here)")


def test_objectives_with_equal_numbers_do_not_hide_each_other() -> None:
    sample, decide = SimpleNamespace(groups=1.0), SimpleNamespace(groups=0.25)
    one = SimpleNamespace(group_size=4, prompts=1, dead=0.5, sample=sample, decide=decide)
    several = [one, SimpleNamespace(**vars(one) | {"group_size": 16})]
    for axes in signal_figure({"grpo": several, "rloo": several}).axes:  # type: ignore[dict-item]
        first, second = (line.get_xdata() for line in axes.get_lines())
        assert (first < second).all()
        np.testing.assert_allclose(np.sqrt(first * second), [4, 16])


@pytest.mark.parametrize("width", ["text", "column"])
def test_long_titles_of_panels_and_figures_are_broken_and_not_cut(width: str) -> None:
    panel = Panel("correct answers per round: a-model-with-a-long-name-2024-07-18", "", lambda axes: None)
    with drawn_for(width, ()):
        figure = grid_figure([[panel, panel]], title="one_log_with_a_long_name.jsonl, another_log_with_a_long_name.jsonl, ...")
    assert word_faults(figure) == []


def test_in_a_column_no_text_is_cut_and_no_ticks_touch(results: dict[str, object]) -> None:
    rates = ("p_after", "a_after", "b_after", "accuracy")
    tables = {name: (("beta", "by"), np.linspace(0.2, 0.8, 6).reshape(3, 2), {}) for name in rates}
    dims = {"beta": (("beta",), np.array([1e-3, 0.1, 1.0]), {}), "by": (("by",), np.array([0.0, 1.0]), {})}
    swept = LabelledArrays({**tables, "status": (("beta", "by"), np.zeros((3, 2), dtype=np.int8), {})}, dims, {})
    one = results["attribution"]
    part = SimpleNamespace(gradient=SimpleNamespace(sample=0.02, decide=9.0), energy=SimpleNamespace(sample=0.03, decide=60.0))
    sizes = {f"{n}x{m}": 0.5 for n in range(4, 10) for m in range(n, 10)}
    with drawn_for("column", ()):
        figures = [sweep_figure(swept, title="M0: optimum"), rates_figure({"one": sizes, "two": sizes}),
                   attribution_figure({"reinforce": one, "sft": part})]  # type: ignore[dict-item] # fmt: skip
    for figure in figures:
        figure.draw_without_rendering()
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text():
                box = text.get_window_extent()
                if text in (*figure.texts, *(axes.xaxis.label for axes in figure.axes)):
                    assert box.x0 >= 0, text
                    assert box.x1 <= figure.bbox.x1, text
        for axes in figure.axes:
            low, high = sorted(axes.get_xlim())
            shown = [tick.label1.get_window_extent() for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
            assert all(left.x1 <= right.x0 for left, right in pairwise(sorted(shown, key=lambda box: box.x0)))


def test_parts_of_the_gradient_that_have_no_place_on_the_axis_are_written_as_they_are() -> None:
    """An infinite energy was written as 0, and of objectives with two zeros one text lay on the next."""
    pairs = [(0.1, 9.0), (0.0, 0.0), (0.0, 0.0), (0.2, 0.0), (np.inf, 3.0), (np.nan, np.nan)]
    parts = {f"objective {i}": SimpleNamespace(sample=one, decide=two) for i, (one, two) in enumerate(pairs)}
    figure = attribution_figure({n: SimpleNamespace(gradient=p, energy=p) for n, p in parts.items()})  # type: ignore[misc]
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written == ["", "both: 0", "both: 0", "decisions: 0", "sampling: inf", "both: nan"]
    assert word_faults(figure) == []


def test_a_gap_of_a_sweep_is_shaded_nowhere_and_named() -> None:
    """Nothing is decided in one turn, so a and b have no value there; the shade went across."""
    table = np.full((3, 2), 0.5)
    table[1] = np.nan
    tables = {name: (("by", "p"), table, {}) for name in ("p_after", "a_after", "b_after", "accuracy")}
    tables["status"] = ("by", "p"), np.zeros((3, 2), dtype=np.int8), {}
    data = LabelledArrays(tables, {"by": (("by",), np.arange(3.0), {}), "p": (("p",), np.array([0.1, 0.2]), {})}, {})
    (axes,) = sweep_figure(data).axes
    assert axes.get_xlabel().endswith("\n(gaps: no value there)")
    for shade in axes.collections:
        assert not any(path.contains_point((1.0, 0.5)) or path.contains_point((0.5, 0.5)) for path in shade.get_paths())


def test_what_sweep_returns_can_be_drawn() -> None:
    """Its figure took what a file of the command holds alone."""
    data = sweep({"beta": [0.1, 0.4], "p": [0.3, 0.4, 0.7], "reduction": ["sum", "mean"]})
    figure = sweep_figure(data, title="M0")
    assert figure.get_suptitle() == "M0, medians over beta; shaded: the middle 80 %"
    assert [axes.get_title() for axes in figure.axes] == ["sum", "mean"]
    for axes in figure.axes:
        one = data.sel(reduction=axes.get_title()).median("beta")
        assert axes.get_xlabel() == "p"
        for line, name in zip(axes.get_lines(), ("p_after", "a_after", "b_after", "accuracy", "decision_share"), strict=True):
            np.testing.assert_allclose(line.get_ydata(), one[name])


def words_swept(by: int, kinds: int, share: float) -> Figure:
    """Return the figure of a sweep over numbers, optimizers and objectives, in which p is known by its place."""
    shape = (kinds, by, 2)
    p = np.arange(np.prod(shape), dtype=float).reshape(shape) / np.prod(shape)
    tables = {name: (("optimizer", "lr", "objective"), p, {}) for name in ("p_after", "a_after", "b_after", "accuracy")}
    tables["decision_share"] = ("optimizer", "lr", "objective"), np.where(p > 0.5, share, 0.5), {}
    tables["status"] = ("optimizer", "lr", "objective"), np.zeros(shape, dtype=np.int8), {}
    axes = {
        "optimizer": np.array([f"o{i}" for i in range(kinds)]),
        "lr": np.arange(1.0, by + 1),
        "objective": np.array(["x", "y"]),
    }
    return sweep_figure(LabelledArrays(tables, {name: ((name,), one, {}) for name, one in axes.items()}, {}))


@pytest.mark.parametrize("width", ["text", "column"])
@pytest.mark.parametrize("kinds", [1, 2, 3, 5])
def test_a_sweep_has_a_panel_for_each_objective_and_optimizer(kinds: int, width: str) -> None:
    """Medians over them were drawn, of numbers that no training had; there are more of them than numbers here."""
    with drawn_for(width, ()):
        figure = words_swept(2, kinds, 0.5)
    assert len(figure.axes) == 2 * kinds
    for i, axes in enumerate(figure.axes):
        optimizer, objective = divmod(i, 2)
        assert axes.get_title() == ("" if kinds == 1 else f"o{optimizer}, ") + "xy"[objective]
        line = axes.get_lines()[0]
        assert line.get_xdata().tolist() == [1.0, 2.0]
        np.testing.assert_allclose(line.get_ydata(), [(4 * optimizer + 2 * j + objective) / (4 * kinds) for j in (0, 1)])
        assert [one.get_label() for one in axes.get_lines()][-1] == "decisions' share of the gain"
        assert not axes.collections
    assert word_faults(figure) == []


def test_a_sweep_says_which_shares_and_combinations_it_does_not_draw() -> None:
    assert "cut off" not in words_swept(3, 2, 1.0).get_suptitle()
    assert words_swept(3, 2, 1.2).get_suptitle() == "(shares below 0 or above 1 are cut off)"
    many = words_swept(2, 13, 0.5)
    assert len(many.axes) == 24
    assert many.get_suptitle() == "(the first 24 of 26 combinations)"


def one_signal(size: int, sample: float, decide: float) -> SimpleNamespace:
    parts = {"sample": SimpleNamespace(groups=sample), "decide": SimpleNamespace(groups=decide)}
    return SimpleNamespace(group_size=size, prompts=1, dead=0.5 if size > 1 else np.nan, **parts)


@pytest.mark.filterwarnings("error")
def test_what_has_no_signal_or_no_noise_is_said_in_the_legend() -> None:
    """A curve was missing without a word, and with one turn, where no decision has a signal, matplotlib warned."""
    several = [one_signal(2, 1e-17, np.inf), one_signal(8, 3.0, np.inf)]
    figure = signal_figure({"dapo": several, "kl": [one_signal(1, np.nan, np.inf)]})  # type: ignore[list-item]
    written = [text.get_text() for text in figure.legends[0].get_texts()]
    assert written == ["dapo (sampling 0 at 2; decisions never)", "kl (sampling never; decisions never)"]
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [[], ["no signal"], []]
    np.testing.assert_array_equal(figure.axes[0].get_lines()[0].get_ydata(), [np.nan, 24.0])
    assert len({axes.get_ylim() for axes in figure.axes[:2]}) == 1
    alone = signal_figure({"reinforce": [one_signal(1, 3.0, 9.0)]})  # type: ignore[list-item]
    assert [text.get_text() for text in alone.axes[2].texts] == ["no groups"]


@pytest.mark.parametrize("low", [1e-9, 0.3, 3.0, 2.2e6])
@pytest.mark.parametrize("spread", [1.0, 5.0, 300.0, 1e12])
def test_an_axis_of_counts_has_labels_to_read_it_by(low: float, spread: float) -> None:
    figure = signal_figure({"grpo": [one_signal(2, low / 2, low * spread / 2), one_signal(4, low / 4, low / 4)]})  # type: ignore[list-item]
    assert word_faults(figure) == []
    axis = figure.axes[0].yaxis
    low, high = axis.get_view_interval()
    said = [text.get_text() for at, text in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True) if low <= at <= high]
    assert 2 <= len(said) <= 12
    assert not any("e" in text for text in said)


def test_rates_that_do_not_exist_are_none_and_many_policies_differ() -> None:
    """With one turn nothing is decided. The ninth policy had no marker: an IndexError."""
    found = {f"policy {i}": {"p": 0.1 * i, "a": np.nan, "accuracy": 0.5} for i in range(10)}
    (axes,) = rates_figure(found).axes
    assert [text.get_text() for text in axes.texts] == ["none"] * 10
    looks = {(line.get_color(), line.get_marker()) for line in axes.get_lines()}
    assert len(looks) == 10
    assert max(x for line in axes.get_lines() for x in np.abs(line.get_xdata() - np.arange(3))) < 0.5


@pytest.mark.parametrize("width", ["text", "column"])
def test_attributions_have_room_in_a_column_and_words_lie_on_no_point(width: str, results: dict[str, object]) -> None:
    pairs = [(1e-4, 0.0), (9.0, 0.0), (0.0, 1e-4), (0.3, 0.3), (1e-3, 1e2)]
    names = [f"objective {i} + kl-direct + entropy" for i in range(len(pairs))]
    parts = {name: SimpleNamespace(sample=one, decide=two) for name, (one, two) in zip(names, pairs, strict=True)}
    with drawn_for(width, ()):
        figure = attribution_figure({n: SimpleNamespace(gradient=p, energy=p) for n, p in parts.items()}, title="M0")  # type: ignore[misc]
        assert word_faults(figure) == []
    for axes in figure.axes:
        dots, diamonds = axes.get_lines()
        assert dots.get_zorder() > diamonds.get_zorder()
        for line, stage in ((dots, 0), (diamonds, 1)):
            np.testing.assert_allclose(10 ** line.get_xdata(), [pair[stage] for pair in pairs if pair[stage] > 0])
        points = [axes.transData.transform(point) for line in (dots, diamonds) for point in line.get_xydata()]
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
        assert len(boxes) == 3
        assert not any(box.contains(*point) for box in boxes for point in points)


def test_pictures_of_several_runs_say_that_they_are_medians() -> None:
    many = Policy.minimal(p=[0.2, 0.4, 0.5], a=0.7, b=0.4)
    drawn = {
        "training": train(MDP, many, Reinforce(), steps=2).plot(title="M0"),
        "attribution": attribute(Reinforce(), solve(MDP, many)).plot(title="M0"),
        "optimum": optimum(MDP, many, beta=0.2).plot(title="M0"),
    }
    said = {name: figure.get_suptitle().replace("\n", " ") for name, figure in drawn.items()}
    assert said == {
        "training": "M0 (median; shaded: middle 80 % of the runs)",
        "attribution": "M0 (median of 3 runs)", "optimum": "M0 (median of 3 runs)",
    }  # fmt: skip
    assert all(word_faults(figure) == [] for figure in drawn.values())


@pytest.mark.parametrize("count", [7, 30])
def test_many_categories_of_a_sweep_have_room(count: int) -> None:
    """Slanted names of thirty objectives lay on each other."""
    where = np.array([f"objective number {i} of many" for i in range(count)])
    tables = {name: (("by",), np.linspace(0.2, 0.8, count), {}) for name in ("p_after", "a_after", "b_after", "accuracy")}
    data = LabelledArrays({**tables, "status": (("by",), np.zeros(count), {})}, {"by": (("by",), where, {})}, {})
    figure = sweep_figure(data)
    assert word_faults(figure) == []
    assert {label.get_rotation() for label in figure.axes[0].get_xticklabels()} == {90.0}

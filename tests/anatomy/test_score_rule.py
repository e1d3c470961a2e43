"""A score as the decision: against brute force over all pairs, known normal laws, and coverage in simulated logs."""

from __future__ import annotations

import itertools
from statistics import NormalDist

import numpy as np
import pytest

from dstheory.anatomy import Episodes, score_rule, survey
from dstheory.anatomy.score_rule import FIELD, ScoreRule, judge_score
from dstheory.cli.anatomy.document import document
from dstheory.errors import RecordError
from dstheory.plots.anatomy import roc_panel
from dstheory.plots.style import grid_figure

PHI = NormalDist().cdf


def _log(problem: np.ndarray, right: np.ndarray, score: np.ndarray) -> Episodes:
    rows = [(f"x{x}", [(bool(c), None)]) for x, c in zip(problem.tolist(), right.tolist(), strict=True)]
    return Episodes.record(rows, cap=1, fields={FIELD: [repr(s) for s in score.tolist()], "task": ["t"] * len(rows)})


def _drawn(problems: int, seed: int, *, gap: float = 1.0, spread: float = 0.5, digits: int | None = None) -> Episodes:
    """Lopsided: 1 to 6 samples of a problem, p of 1/5 or 4/5 (more of the former), scores shifted by problem."""
    rng = np.random.default_rng(seed)
    problem = np.repeat(np.arange(problems), rng.integers(1, 7, problems))
    p = rng.choice([0.2, 0.8], problems, p=[0.7, 0.3])
    right = rng.random(len(problem)) < p[problem]
    score = rng.normal(gap * right + spread * rng.normal(size=problems)[problem])
    return _log(problem, right, score if digits is None else score.round(digits))


def _parts(log: Episodes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    column = log.fields[FIELD]
    return log.problem, log.correct, np.array([float(column.names[c]) for c in column.codes])


def _pairs(right: np.ndarray, score: np.ndarray) -> list[float]:
    return [float(s > t) + (s == t) / 2 for s, t in itertools.product(score[right], score[~right])]


@pytest.mark.parametrize("digits", [None, 0])
def test_areas_are_the_share_of_pairs_in_order(digits: int | None) -> None:
    log = _drawn(40, 1, digits=digits)
    problem, right, score = _parts(log)
    found = judge_score(log, splits=1)
    assert found.area.value == pytest.approx(np.mean(_pairs(right, score)), abs=1e-13)
    each = [_pairs(right[problem == x], score[problem == x]) for x in range(40)]
    assert found.area_within.value == pytest.approx(np.mean([np.mean(one) for one in each if one]), abs=1e-13)
    x, y = np.array(found.curve).T  # the trapezoids under the curve are the area, ties included
    if len(x) == found.distinct + 1:
        assert np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) == pytest.approx(found.area.value, abs=1e-13)
    assert found.curve[0] == (0.0, 0.0)
    assert found.curve[-1] == (1.0, 1.0)


def test_every_threshold_by_counting() -> None:
    log = _drawn(60, 2, digits=1)
    problem, right, score = _parts(log)
    found = judge_score(log, splits=1)
    assert 9 <= len(found.thresholds) <= 10
    for row in found.thresholds:
        accept = score >= row.threshold
        p, a, b = right.mean(), accept[right].mean(), (~accept)[~right].mean()
        assert (found.p.value, row.a.value, row.b.value) == pytest.approx((p, a, b))
        assert row.youden.value == pytest.approx(a + b - 1)
        assert row.multiplier.value == pytest.approx(a / (1 - b) if b < 1 else np.inf)
        assert row.accuracy.value == pytest.approx(p * a / (p * a + (1 - p) * (1 - b)))
        shares = [right[accept & (problem == x)].mean() for x in range(60) if (accept & (problem == x)).any()]
        assert row.each_problem.value == pytest.approx(np.mean(shares))
        assert row.never == 60 - len(shares)
        assert row.accepted.value == pytest.approx(accept.mean())
    values = sorted(set(score.tolist()))
    gains = {t: (score >= t)[right].mean() - (score >= t)[~right].mean() for t in values}
    assert found.best.same is not None
    assert found.best.same[0] == pytest.approx(max(gains.values()))
    assert found.best.threshold in [row.threshold for row in found.thresholds]


def test_known_normal_laws() -> None:
    """Right N(1, 1), wrong N(0, 1): area Phi(1/sqrt 2), the best threshold 1/2 with a + b - 1 = 2 Phi(1/2) - 1."""
    found = judge_score(_drawn(6000, 3, spread=0.0))
    assert found.area.low < PHI(0.5**0.5) < found.area.high
    assert found.area.high - found.area.low < 0.02
    for row in found.thresholds:
        for estimate, truth in ((row.a, 1 - PHI(row.threshold - 1)), (row.b, PHI(row.threshold))):
            assert estimate.value == pytest.approx(truth, abs=0.02)
    best = found.best
    assert best.threshold == pytest.approx(0.5, abs=0.15)
    assert best.held_out is not None
    assert best.same is not None
    assert best.held_out[0] == pytest.approx(2 * PHI(0.5) - 1, abs=0.02)
    assert best.held_out[0] <= best.same[0]


@pytest.fixture
def only_one_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge the fifth of the thresholds that are shown alone: all others are not part of any interval, and most of the time."""
    shown = score_rule._shown
    monkeypatch.setattr(score_rule, "_shown", lambda *of: shown(*of)[4:5])


@pytest.mark.usefixtures("only_one_threshold")
def test_intervals_cover() -> None:
    """200 logs of 50 problems; a problem shifts all its scores, so that samples alone would be too sure of themselves."""
    truths = {"area": PHI(1 / 2.5**0.5), "area_within": PHI(0.5**0.5)}
    held = dict.fromkeys([*truths, "a"], 0)
    for seed in range(200):
        found = judge_score(_drawn(50, 1000 + seed), splits=0)
        for name, truth in truths.items():
            estimate = getattr(found, name)
            held[name] += estimate.low <= truth <= estimate.high
        (row,) = found.thresholds
        held["a"] += row.a.low <= 1 - PHI((row.threshold - 1) / 1.25**0.5) <= row.a.high
    assert all(182 <= count <= 199 for count in held.values()), held


@pytest.mark.usefixtures("only_one_threshold")
def test_the_area_rests_on_the_right_samples_where_these_are_few() -> None:
    """25 problems of 6 samples, 7 or so right, N(1, 1) against N(0, 1): weighed by all samples 153 intervals of 200 covered."""
    rng, held, logs = np.random.default_rng(3), 0, 200
    x = np.repeat(np.arange(25), 6)
    for _ in range(logs):
        right = np.zeros(150, dtype=bool)
        while not 0 < right.sum() < 150:
            right = rng.random(150) < rng.beta(0.3, 6.0, 25)[x]
        area = judge_score(_log(x, right, right + rng.normal(size=150)), splits=0).area
        held += area.low <= PHI(0.5**0.5) <= area.high
    assert held >= 0.95 * logs


def test_a_score_that_says_nothing_gains_nothing_on_other_problems() -> None:
    found = [judge_score(_drawn(20, 500 + seed, gap=0.0), splits=20).best for seed in range(60)]
    assert np.mean([best.same[0] for best in found if best.same]) > 0.1
    assert abs(np.mean([best.held_out[0] for best in found if best.held_out])) < 0.05


def test_held_out_by_loops() -> None:
    log = _drawn(11, 7, digits=1)
    problem, right, score = _parts(log)
    rng, gains = np.random.default_rng(5), []
    rank = np.argsort(np.argsort([f"x{x}" for x in range(11)]))  # problems are drawn by their names
    for _ in range(8):
        half = np.isin(rank[problem], rng.permutation(11)[:5])
        accept = np.zeros(len(right), dtype=bool)
        for fit, judge in ((half, ~half), (~half, half)):

            def gain(t: float, fit: np.ndarray = fit) -> float:
                return (score >= t)[fit & right].mean() - (score >= t)[fit & ~right].mean()

            values = sorted(set(score[fit].tolist()))
            best = max(map(gain, values))
            accept[judge] = (score >= max(t for t in values if gain(t) > best - 1e-12))[judge]
        gains.append(accept[right].mean() - accept[~right].mean())
    found = judge_score(log, splits=8, rng=5).best
    assert found.splits == 8
    assert found.held_out is not None
    assert found.held_out[0] == pytest.approx(np.mean(gains), abs=1e-12)


def _numbers(found: ScoreRule) -> list[float | None]:
    rows = [(row.a, row.b, row.youden, row.accuracy, row.each_problem) for row in found.thresholds]
    flat = [found.p, found.area, found.area_within, *itertools.chain.from_iterable(rows)]
    return [x for estimate in flat for x in (estimate.value, estimate.low, estimate.high)]


def test_order_of_lines_and_monotone_maps_change_nothing() -> None:
    log = _drawn(30, 4, digits=1)
    problem, right, score = _parts(log)
    want = judge_score(log)
    order = np.random.default_rng(0).permutation(len(right))
    shuffled = judge_score(_log(problem[order], right[order], score[order]))
    assert _numbers(shuffled) == pytest.approx(_numbers(want), abs=1e-12)
    assert shuffled.best == want.best
    for mapped in (np.exp(score), 1e9 + 3 * score, np.arctan(score)):
        found = judge_score(_log(problem, right, mapped))
        assert _numbers(found) == pytest.approx(_numbers(want), abs=1e-12)
        assert found.best.held_out == pytest.approx(want.best.held_out)
        assert found.best.same == want.best.same


def test_what_cannot_be_said() -> None:
    x, scores = np.array([0, 0, 1, 1]), np.array([1.0, 2.0, 3.0, 4.0])
    for verdict, rate in ((True, "b"), (False, "a")):
        found = judge_score(_log(x, np.full(4, verdict), scores))
        assert found.area.value is None
        assert found.area_within.value is None
        assert not found.curve
        assert found.best.threshold is None
        assert "no threshold is better" in found.best.reason
        assert getattr(found.thresholds[0], rate).value is None
    right = np.array([True, False, True, False])
    alone = judge_score(_log(np.zeros(4, dtype=int), right, scores))
    assert alone.best.held_out is None
    assert "1 problem has no two halves" in alone.best.reason
    assert (alone.area.low, alone.area.high) == (0.0, 1.0)
    tied = judge_score(_log(x, right, np.ones(4)))
    assert (tied.area.value, tied.distinct, len(tied.thresholds)) == (0.5, 1, 1)
    split = judge_score(_log(x, np.array([True, True, False, False]), scores))
    assert split.area_within.value is None
    assert split.best.held_out is None
    for log in (alone, tied, split):
        assert np.isfinite([n for n in _numbers(log) if n is not None]).all()


@pytest.mark.parametrize("bad", ["nan", "inf", "high", "(not given)", "1e999"])
def test_scores_that_are_no_finite_numbers(bad: str) -> None:
    log = Episodes.record([("x", [(True, None)]), ("y", [(False, None)])], cap=1, fields={FIELD: ["1", bad]})
    with pytest.raises(RecordError, match="of 1 of 2 samples is not a finite number"):
        judge_score(log)


def test_a_log_with_decisions_and_one_without_scores() -> None:
    log = Episodes.record([("x", [(False, "resample"), (True, "stop")])], cap=3, fields={FIELD: ["1"]})
    with pytest.raises(RecordError, match="decisions of its own"):
        judge_score(log)
    with pytest.raises(RecordError, match="no sample has a decision_score"):
        judge_score(Episodes.record([("x", [(True, None)])], cap=1))
    with pytest.raises(RecordError, match="there are no samples"):
        judge_score(Episodes.record([], cap=1))
    with pytest.raises(RecordError, match="level is 1"):
        judge_score(_drawn(5, 0), level=1)


def test_tables_fit_eighty_columns_and_the_figure_has_a_curve(capsys: pytest.CaptureFixture[str]) -> None:
    from dstheory.cli.show import print_table

    found = survey(_drawn(60, 9), decision_score=FIELD)
    sections = [section for section in document(found) if "score" in section.title]
    assert len(sections) == 2
    for section in sections:
        print_table(section.title, section.columns, section.rows, words=section.words)
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
        assert max(map(len, section.lines)) <= 80
    (axes,) = grid_figure([[roc_panel(found)]]).axes
    assert len(axes.lines) == 2
    assert found.to_dict()["groups"][0]["one_shot"]["scores"]["area"]["value"] > 0.5

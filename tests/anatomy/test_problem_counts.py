"""Counts per problem: sums per problem against a loop, and variances against leaving out one problem after the other."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from dstheory.anatomy import Episodes, rates
from dstheory.anatomy.episodes import Labels
from dstheory.anatomy.generate import simulate_log
from dstheory.anatomy.rates import COLUMNS, ProblemCounts, cells, rounds
from dstheory.errors import RecordError


def lopsided() -> Episodes:
    """Two trials of most problems, several caps, a third field."""
    log = simulate_log(60, p=0.35, a=0.85, b=0.6, cap=5, concentration=1.5, episodes_per_problem=3, rng=3)
    log = log.select(np.flatnonzero(np.arange(len(log)) % 7 != 2))
    return replace(log, unseen=log.capped & (np.arange(len(log)) % 3 == 0))


def by_loop(log: Episodes) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    for i in range(len(log)):
        here = slice(log.offsets[i], log.offsets[i + 1])
        right, stop, own = log.correct[here].tolist(), log.stopped[here].tolist(), log.decided[here].tolist()
        steps = list(zip(right, stop, own, strict=True))
        row = [
            1,
            len(steps),
            sum(c for c, _, _ in steps),
            sum(c and o for c, _, o in steps),
            sum(c and s and o for c, s, o in steps),
            sum(not c and o for c, _, o in steps),
            sum(not c and not s and o for c, s, o in steps),
            right[-1],
            not log.capped[i],
            right[-1] and stop[-1],
            right[0],
            log.unseen[i] and right[-1],
            log.unseen[i] and not right[-1],
            right[-1] and not right[0],
            right[0] and not right[-1],
        ]
        old = rows.setdefault(int(log.problem[i]), [0] * len(row))
        rows[int(log.problem[i])] = [x + y for x, y in zip(old, row, strict=True)]
    return rows


def test_rows_are_sums_over_the_episodes_of_a_problem() -> None:
    log = lopsided()
    table = ProblemCounts.of(log)
    expanded = np.repeat(table.rows, table.times, axis=0)
    assert sorted(map(tuple, expanded.tolist())) == sorted(map(tuple, by_loop(log).values()))
    assert len({tuple(row) for row in table.rows.tolist()}) == len(table.rows)
    assert table.problems == log.n_problems
    assert table.total("resample_wrong") == log.counts().resample_wrong


def test_cells_without_decisions_are_counted_without_rows_for_episodes() -> None:
    """By step as one step after the other; and in memory that does not hold all columns of every episode."""
    n = 40_000
    problem, step = np.arange(n) // 4 % 900, np.arange(n) // 4 % 7  # problems that stand in several steps
    log = Episodes(
        offsets=np.arange(n + 1),
        correct=np.random.default_rng(1).random(n) < 0.3,
        stopped=np.arange(n) % 3 == 0,
        capped=np.ones(n, dtype=bool),
        problem=problem,
        problem_ids=[f"x{i}" for i in range(1000)],
        cap=np.ones(n, dtype=np.int64),
        fields={"step": Labels(step.astype(np.int32), tuple(map(str, range(8))))},
    )
    tracemalloc.start()
    found = dict(cells(log, ["step"]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120 * n
    assert list(found) == [(str(k),) for k in range(7)]
    for (label,), table in found.items():
        one = ProblemCounts.of(log.select(step == int(label)))
        assert table.rows.tolist() == one.rows.tolist()
        assert table.times.tolist() == one.times.tolist()


@pytest.mark.parametrize("stop", ["stop", None])
def test_one_attempt_each_is_counted_without_rows_for_episodes(stop: str | None) -> None:
    rows = [(name, [(one == "R", stop)]) for name, text in {"x": "RWWR", "y": "W", "z": "RR", "u": "W"}.items() for one in text]
    log = Episodes.record(rows, cap=1).select(np.arange(7))  # of the last problem nothing is left
    table = ProblemCounts.of(log)
    expanded = np.repeat(table.rows, table.times, axis=0)
    assert sorted(map(tuple, expanded.tolist())) == sorted(map(tuple, by_loop(log).values()))
    assert len({tuple(row) for row in table.rows.tolist()}) == len(table.rows)


def test_cells_cut_a_log_by_its_fields() -> None:
    easy = simulate_log(20, p=0.7, a=0.9, b=0.5, cap=4, rng=0, task="easy", model="m")
    hard = simulate_log(30, p=0.2, a=0.9, b=0.5, cap=4, rng=1, task="hard", model="m")
    log = Episodes.concatenate([hard, easy, easy.with_field("model", easy.column("model"))])
    found = dict(cells(log, ("task", "model")))
    assert list(found) == [("hard", "m"), ("easy", "m")]
    assert found[("easy", "m")].total("attempts") == 2 * len(easy.correct)
    assert found[("easy", "m")].problems == 20
    with pytest.raises(RecordError, match=r"^no record has the field 'difficulty': there are task, model$"):
        list(cells(log, ("difficulty",)))


def test_rounds_add_up_to_the_whole() -> None:
    log = lopsided()
    counts = log.counts("round")
    for k, table in enumerate(rounds(log)):
        for name in COLUMNS[1:7]:
            assert table.total(name) == getattr(counts, name)[k], (k, name)
    assert k == log.attempts.max() - 1


def test_rows_too_many_for_one_integer_are_still_told_apart() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, (500, 11)) * 10**7
    first, times = rates._distinct(np.concatenate([rows, rows[:100]]))
    assert times.sum() == 600
    assert len(first) == len(np.unique(rows, axis=0))


def test_covariance_is_that_of_the_jackknife() -> None:
    """Rates of each log without one problem, made anew from its episodes; one problem has a third of the trials."""
    log = lopsided()
    many = Episodes.concatenate([log, *[log.select(log.problem == 5)] * 30])
    table, present = ProblemCounts.of(many), np.unique(many.problem)
    both = [("correct", "attempts"), ("final_correct", "episodes"), ("stop_correct", "decided_correct")]
    without = [ProblemCounts.of(many.select(many.problem != x)) for x in present]
    left = np.array([[one.total(s) / one.total(n) for one in without] for s, n in both])
    whole = np.array([table.total(s) / table.total(n) for s, n in both])[:, None]
    for i, one in enumerate(both):
        for j, other in enumerate(both):
            tells = table.times[(table.column(one[1]) > 0) | (table.column(other[1]) > 0)].sum()
            by_hand = (tells - 1) / tells * float((left[i] - whole[i]) @ (left[j] - whole[j]))
            assert table.covariance(one, other) == pytest.approx(by_hand, rel=1e-9)


def test_the_variance_of_a_lopsided_rate_is_that_of_simulated_ones() -> None:
    """Problems that are always or never right, one with half of the trials: mean and spread of the variance over 40,000 draws."""
    trials, rng = np.array([9, 2, 2, 1, 1, 1, 1, 1]), np.random.default_rng(4)
    degrees, worth = rates.balance(trials, np.ones(8))
    share = trials / trials.sum()
    assert worth == pytest.approx(1 / (share**2).sum())
    alike = rng.normal(size=(40_000, 8))
    rest = trials * (alike - (alike @ share)[:, None])
    variance = 7 / 8 * ((rest / (trials.sum() - trials)) ** 2).sum(axis=1)
    assert variance.mean() == pytest.approx((share**2).sum(), rel=0.05)
    assert degrees == pytest.approx(2 * variance.mean() ** 2 / variance.var(), rel=0.06)

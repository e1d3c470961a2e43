"""Intervals over problems that hold the truth too seldom say so."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.anatomy import Episodes, compare
from dstheory.anatomy.answers import answer
from dstheory.anatomy.episodes import Labels
from dstheory.anatomy.rates import COLUMNS, RATES, ProblemCounts, over_problems, rate
from dstheory.anatomy.surveys import survey
from dstheory.cli.anatomy.conclusions import conclusions
from dstheory.cli.anatomy.document import Section
from dstheory.cli.anatomy.page import section_csv


def _of(name: str, successes: np.ndarray, trials: np.ndarray) -> tuple[float, float, str]:
    """The ends of the interval of p or b from sums over problems, and its caution."""
    rows = np.zeros((len(trials), len(COLUMNS)), dtype=np.int64)
    rows[:, COLUMNS.index(RATES[name][0])], rows[:, COLUMNS.index(RATES[name][1])] = successes, trials
    found = rate(ProblemCounts(rows, np.ones(len(rows), dtype=np.int64)), *RATES[name])
    assert found.text().endswith("]*" if found.caution else "]")
    return found.low, found.high, found.caution


def _attempts(rng: np.random.Generator, p: np.ndarray, equal: bool) -> tuple[np.ndarray, np.ndarray]:
    """Right answers and attempts of problems: eight of each, or from 1 to 2,048."""
    trials = np.full(len(p), 8) if equal else np.floor(2.0 ** rng.uniform(0, 11, len(p))).astype(int)
    return rng.binomial(trials, p), trials


def _decisions(rng: np.random.Generator, b: np.ndarray, episodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Resamples and decisions after wrong answers alone, caps of ten."""
    before_stop = rng.geometric(1 - np.minimum(b, 1 - 1e-12)[:, None], (len(b), episodes)) - 1
    return np.minimum(before_stop, 9).sum(axis=1), np.minimum(before_stop + 1, 9).sum(axis=1)


@pytest.mark.parametrize(
    ("mean", "concentration", "problems", "equal"), [(0.03, 0.3, 60, False), (0.03, 1.0, 60, False), (0.1, 1.0, 20, False)]
)
def test_a_small_p_that_differs_widely(mean: float, concentration: float, problems: int, equal: bool) -> None:
    rng, missed, silent = np.random.default_rng(5), 0, 0
    for _ in range(400):
        p = rng.beta(mean * concentration, (1 - mean) * concentration, problems)
        right, tried = _attempts(rng, p, equal)
        low, high, caution = _of("p", right, tried)
        assert _of("p", tried - right, tried)[2] == caution  # likewise of wrong answers
        missed += not low <= mean <= high
        silent += not low <= mean <= high and not caution
    assert missed > 0.07 * 400  # else this tests nothing
    assert silent < 0.05 * 400  # as rare as an interval of 95 % promises


@pytest.mark.parametrize(("mean", "concentration", "episodes"), [(0.3, 1.0, 12), (0.3, 0.3, 12)])
def test_a_b_of_which_few_problems_have_most_decisions(mean: float, concentration: float, episodes: int) -> None:
    drawn = np.random.default_rng(0).beta(mean * concentration, (1 - mean) * concentration, 400_000)
    decisions = sum(drawn**k for k in range(9))  # of an episode, expected
    truth = float((drawn * decisions).mean() / decisions.mean())
    rng, missed, silent = np.random.default_rng(6), 0, 0
    for _ in range(400):
        b = rng.beta(mean * concentration, (1 - mean) * concentration, 8)
        low, high, caution = _of("b", *_decisions(rng, b, episodes))
        missed += not low <= truth <= high
        silent += not low <= truth <= high and not caution
    assert missed > 0.07 * 400
    assert silent < 0.05 * 400


@pytest.mark.parametrize(("p", "problems", "most"), [(0.03, 60, 0.02), (0.1, 60, 0.0), (0.4, 20, 0.02), (0.4, 60, 0.0)])
def test_alike_problems_hardly_ever_have_a_caution(p: float, problems: int, most: float) -> None:
    rng = np.random.default_rng(7)
    told = [_of("p", *_attempts(rng, np.full(problems, p), True))[2] for _ in range(300)]
    assert np.mean(np.array(told) != "") <= most


def test_decisions_that_were_all_alike_show_no_difference_between_problems() -> None:
    ones = np.ones(20, dtype=int)
    assert _of("b", 0 * ones, 2 * ones)[2]
    assert not _of("b", 0 * ones, ones)[2]  # one of each problem: nothing to be alike
    assert not _of("b", np.zeros(21, dtype=int), np.full(21, 2))[2]
    assert not _of("p", 0 * ones, 2 * ones)[2]  # how often an answer is tried does not depend on it here


def test_decisions_of_both_kinds_in_few_problems_are_not_called_alike() -> None:
    caution = _of("b", np.array([20, 25, 1, 1, 1, 1, 1, 1]), np.array([40, 50, 2, 2, 2, 2, 2, 2]))[2]
    assert caution.startswith("one kind of decision was seen mostly in few problems, or in none")


def _all_right(rng: np.random.Generator, p: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether four samples of a problem are all right, in each of its groups of four; and the problem of each group."""
    problem = np.repeat(np.arange(len(p)), groups)
    return (rng.binomial(4, p[problem]) == 4).astype(float), problem


@pytest.mark.parametrize(("mean", "concentration", "problems"), [(0.03, 1.0, 200), (0.1, 1.0, 60), (0.1, 0.3, 20)])
def test_groups_of_few_problems_that_are_ever_all_right(mean: float, concentration: float, problems: int) -> None:
    a = mean * concentration
    truth = np.prod([(a + i) / (concentration + i) for i in range(4)])  # the fourth moment of the Beta distribution
    rng, missed, silent = np.random.default_rng(8), 0, 0
    for _ in range(200):
        p = rng.beta(a, concentration - a, problems)
        groups = np.floor(2.0 ** rng.uniform(0, 6, problems)).astype(int)
        values, problem = _all_right(rng, p, groups)
        found = over_problems(values, problem, 4 * len(values), 0.95)
        out = not found.low <= truth <= found.high
        missed, silent = missed + out, silent + (out and not found.caution)
    assert missed > 0.09 * 200
    assert silent < 0.05 * 200


def test_pass_at_k_of_alike_problems_hardly_ever_has_a_caution() -> None:
    rng = np.random.default_rng(9)
    told = [over_problems(rng.binomial(8, 0.4, 60) / 8, np.arange(60), 480, 0.95).caution for _ in range(200)]
    assert np.mean(np.array(told) != "") <= 0.02


def test_one_problem_with_all_that_several_samples_show_has_a_caution() -> None:
    values = np.zeros(60)
    values[0] = 0.3  # the share of the sets of four that are all right, of problems that mostly have none
    assert over_problems(values, np.arange(60), 480, 0.95).caution
    assert not over_problems(np.ceil(values), np.arange(60), 60, 0.95).caution  # one draw of each: what is drawn is binomial


def test_answers_in_turn_and_groups_say_what_a_star_means() -> None:
    turns = [(str(i), [(i < 2, None), (i < 2, None)]) for i in range(12) for _ in range(6)]
    task = ["t"] * len(turns)
    revised = Episodes.record(turns, cap=2, fields={"decided_by": ["nobody"] * len(turns), "task": task})
    shots = Episodes.record([(name, rights[:1]) for name, rights in turns], cap=1, fields={"task": task})
    for log in (revised, shots):
        said = [sentence for one in conclusions(survey(log)) for sentence in one.sentences]
        assert any("]*" in sentence for sentence in said)
        assert any(sentence.startswith("* An interval with a star") for sentence in said)


def _log(problems: int, right: int) -> Episodes:
    """Problems with six episodes; in ``right`` of them every answer is right, in the others none, and half of those go on."""
    rows = []
    for i in range(problems):
        for j in range(6):
            again = [(False, "resample")] * (j % 2) if i >= right else []
            rows.append((str(i), [*again, (i < right, "stop")]))
    return Episodes.record(rows, cap=4)


def test_what_rests_on_it_has_it_too() -> None:
    found = answer(_log(12, 3))
    assert found.rates.p.caution.startswith("few problems have most of the successes")
    assert found.youden.caution == found.multiplier.caution == found.rates.a.caution != ""
    assert found.predicted["accuracy"].caution == found.rates.p.caution == found.none.caution


def test_two_logs_without_a_difference_do_not_show_how_far_others_may_differ() -> None:
    again = [(str(i), [(True, "resample"), (True, "stop")]) for i in range(6)]  # else a = 1, which may be less
    log = Episodes.concatenate([_log(30, 12), Episodes.record(again, cap=4)])
    one, two = (log.with_field("model", Labels.constant(name, len(log))) for name in "xy")
    same, other = compare(one, two), compare(one, _log(30, 14))
    for part in (same.sample, same.decide):
        assert part.text() == "0.000 [-0.000, 0.000]*"
        assert part.caution.startswith("no problem came out differently")
    assert not any(part.caution.startswith("no problem") for part in (other.sample, other.decide))


def test_a_table_as_csv_has_it_in_a_column_of_its_own() -> None:
    rows = [["x", "0.5 [0.4, 0.6]*", "0.1 [0.0, 0.2]"], ["y", "0.5 [0.4, 0.6]", "-"]]
    section = Section("t", ["task", "p", "a"], rows)
    assert section_csv(section).splitlines() == [
        "task,p,p low,p high,p caution,a,a low,a high",
        "x,0.5,0.4,0.6,*,0.1,0.0,0.2",
        "y,0.5,0.4,0.6,,,,",
    ]
    assert len(section.below) == 1
    assert Section("t", ["task", "p"], [["x", "0.5 [0.4, 0.6]"]]).below == []

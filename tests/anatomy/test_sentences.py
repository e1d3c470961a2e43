"""What is said in words is true of simulated logs whose truth is known; the logs are drawn here, without the package."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from dstheory.anatomy import Episodes
from dstheory.anatomy.answers import answer, within_problems
from dstheory.anatomy.episodes import Labels
from dstheory.anatomy.model_checks import Test, over_rounds, previous_answer
from dstheory.anatomy.rates import ProblemCounts
from dstheory.anatomy.score_rule import judge_score
from dstheory.anatomy.surveys import survey
from dstheory.cli.anatomy.conclusions import _helps, _may_hide, _Terms, conclusions
from dstheory.cli.anatomy.document import _holds, _scores

Rates = Callable[[np.ndarray], np.ndarray]


def _log(rng: np.random.Generator, a: Rates, b: Rates, *, problems: int, episodes: int, cap: int = 6) -> Episodes:
    """p is Beta(0.4, 0.6); a and b may depend on the p of a problem."""
    rows = []
    for i, p in enumerate(rng.beta(0.4, 0.6, problems)):
        for _ in range(episodes):
            attempts: list[tuple[bool, str | None]] = []
            while not attempts or (attempts[-1][1] == "resample" and len(attempts) < cap):
                right = bool(rng.random() < p)
                stops = rng.random() < (a(p) if right else 1 - b(p))
                attempts.append((right, None if len(attempts) == cap - 1 else "stop" if stops else "resample"))
            rows.append((str(i), attempts))
    return Episodes.record(rows, cap=cap, fields={"task": ["t"] * len(rows)})


@pytest.mark.parametrize(("problems", "episodes"), [(20, 1), (40, 3)])
@pytest.mark.parametrize("side", [1, -1])
def test_decisions_that_know_the_problem_and_not_the_answer_are_not_said_to_help(problems: int, episodes: int, side: int) -> None:
    """a + b = 1 in each problem, and a is larger at easy or at hard ones: over all attempts a + b is not 1; nothing is gained."""

    def a(p: np.ndarray) -> np.ndarray:
        return 0.55 + side * 0.7 * (p - 0.5)

    rng, signs, said = np.random.default_rng(4), 0, 0
    for _ in range(60):
        found = answer(_log(rng, a, lambda p: 1 - a(p), problems=problems, episodes=episodes))
        signs += found.youden.low > 0 if side > 0 else found.youden.high < 0
        said += found.helps in ("yes", "no")
    assert signs > 0.15 * 60  # else this tests nothing
    assert said <= 0.05 * 60


def test_where_decisions_differ_between_problems_it_is_said_what_tests_of_rounds_and_answers_before_reject() -> None:
    """a and b are 0.2 at half of the problems and 0.8 at the others, and change at none; with one a and b few are rejected."""
    rng, logs, rejected = np.random.default_rng(5), 20, np.zeros(2)
    for unlike in (0, 1):

        def chance(p: np.ndarray, unlike: int = unlike) -> np.ndarray:
            return 0.5 + 0.3 * unlike * np.sign(np.sin(1e6 * p))

        for _ in range(logs):
            log = _log(rng, chance, chance, problems=40, episodes=4)
            tests = [test(log, name) for test in (over_rounds, previous_answer) for name in "ab"]
            rejected[unlike] += sum(test.rejected() is True for test in tests)
    assert rejected[0] <= 0.12 * 4 * logs
    assert rejected[1] >= 0.3 * 4 * logs
    (section,) = [_holds("", [Test(t.name, t.null, 9.0, None, 0.001, "", 9, "") for t in tests])]
    for row, name in zip(section.rows, "abab", strict=True):
        assert row[2].endswith(f"; problems that differ in {name} do this by themselves")


def test_that_a_test_rejects_one_b_is_said_where_one_does() -> None:
    """One b, and few problems that are ever right: such logs have a star for that, and it was said that a test rejects one b."""
    rng, starred = np.random.default_rng(2), 0
    for _ in range(8):
        chances = np.where(np.arange(20) < 4, rng.random(20), 0.0)
        rows: list[tuple[str, list[tuple[bool, str | None]]]] = []
        for i, p in enumerate(chances.tolist()):
            for _ in range(1 + i % 8):
                right = (rng.random(3) < p).tolist()
                on = (rng.random(2) < np.where(right[:2], 0.1, 0.8)).tolist()
                last = 0 if not on[0] else 1 if not on[1] else 2
                steps: list[tuple[bool, str | None]] = [(one, "resample") for one in right[:last]]
                rows.append((f"q{i}", [*steps, (right[last], "stop" if last < 2 else None)]))
        found = survey(Episodes.record(rows, cap=3, fields={"task": ["t"] * len(rows)}))
        (group,) = found.groups
        perfect, said = group.total.perfect, " ".join(conclusions(found)[1].sentences)
        rejected = any(test.rejected() for test in group.checks if test.name == "b over problems")
        assert ("which a test rejects" in said) == (rejected or "b differs" in perfect.caution)
        if perfect.caution and not rejected:
            assert perfect.caution in said
            starred += 1
    assert starred >= 4


def test_decisions_that_help_are_mostly_said_to() -> None:
    """By the answers to each problem; the difference from first answers alone is sure in two of three such logs."""
    rng = np.random.default_rng(8)
    logs = [_log(rng, lambda p: 0.0 * p + 0.85, lambda p: 0.0 * p + 0.6, problems=40, episodes=3) for _ in range(40)]
    assert sum(answer(log).helps == "yes" for log in logs) >= 36


def test_the_excess_of_right_stops_within_problems_is_that_of_all_ways_to_spread_them() -> None:
    """Two problems of unlike shares, a third one twice, and one whose answers are all right."""
    decided = {"x": "RRRW", "y": "RWWWW", "z": "RW", "u": "RW", "v": "RR"}  # its answers
    stops = {"x": (0, 3), "y": (0, 2), "z": (0,), "u": (0,), "v": (1,)}  # those that are stopped at, one episode each
    moments, rows = np.zeros(3), list[tuple[str, list[tuple[bool, str | None]]]]()
    for name, text in decided.items():
        right = np.array([mark == "R" for mark in text])
        for i, r in enumerate(right.tolist()):
            rows.append((name, [(r, "stop")] if i in stops[name] else [(r, "resample"), (True, None)]))
        ways = np.array([right[list(way)].sum() for way in combinations(range(len(right)), len(stops[name]))])
        moments += right[list(stops[name])].sum(), ways.mean(), ways.var()
    found = within_problems(ProblemCounts.of(Episodes.record(rows, cap=2)))
    assert found == pytest.approx((moments[0] - moments[1]) / np.sqrt(moments[2]), rel=1e-12)
    assert within_problems(ProblemCounts.of(Episodes.record([("v", [(True, "stop")])] * 3))) == 0


def test_what_an_index_without_a_gain_shows_is_said() -> None:
    log = _log(np.random.default_rng(5), lambda p: 0.2 + 0.7 * p, lambda p: 0.8 - 0.7 * p, problems=40, episodes=3)
    one = conclusions(survey(log))[0]
    assert one.short == "undecided"
    text = " ".join(one.sentences)
    assert "above 0: right answers are stopped at more often than wrong ones. That need not hold for any one problem" in text


def test_rejections_that_chance_may_give_do_not_say_that_problems_or_rounds_differ() -> None:
    log = _log(np.random.default_rng(6), lambda p: 0.0 * p + 0.9, lambda p: 0.0 * p + 0.7, problems=60, episodes=1)
    found = survey(log).groups[0]

    def said(least: float) -> str:
        checks = [Test(f"{name} over rounds", "", 9.0, 1.0, p, "", 9, "") for name, p in (("p", least), ("a", 0.6), ("b", 0.7))]
        group = SimpleNamespace(total=found.total, checks=checks)
        return " ".join(_helps("", group, _Terms()).sentences)  # type: ignore[arg-type]

    assert "The smallest of 3 p-values is 0.04, as chance alone gives in up to 12 % of logs." in said(0.04)
    assert "holds on average" not in said(0.04)
    assert "holds on average over what differs" in said(0.01)


def test_few_problems_hide_departures_whatever_their_episodes() -> None:
    def said(problems: int, episodes: int) -> str:
        rates = SimpleNamespace(problems=problems, episodes=problems * episodes)
        group = SimpleNamespace(total=SimpleNamespace(rates=rates))
        return _may_hide(SimpleNamespace(comparison_checks={}, groups=[group]))  # type: ignore[arg-type]

    assert "with 8.0 episodes of each of 10 problems" in said(10, 8)
    assert "with 1 episode of each of 400 problems" in said(400, 1)
    assert said(200, 4) == ""


def test_a_score_is_reversed_for_what_it_does_within_problems() -> None:
    """Hard problems have the higher scores, and within each the right samples: over all samples the area is below 1/2."""
    rng, rows, scores = np.random.default_rng(7), [], []
    for i in range(60):
        hard = i % 2
        for right in rng.random(12) < (0.2 if hard else 0.8):
            rows.append((str(i), [(bool(right), None)]))
            scores.append(f"{3 * hard + right + 0.5 * rng.normal():.6f}")
    log = Episodes.record(rows, cap=1, fields={"decision_score": scores})
    found = judge_score(log, splits=0)
    assert found.area.high < 0.5 < found.area_within.low
    assert not any("reverse" in line for section in _scores("", found) for line in section.lines)
    turned = Labels.of([str(-float(score)) for score in scores])
    said = [
        line for section in _scores("", judge_score(log.with_field("decision_score", turned), splits=0)) for line in section.lines
    ]
    assert "within problems right samples have lower scores than wrong ones: reverse the score" in said


@pytest.mark.parametrize(("kind", "other"), [("wrong", "easier"), ("right", "harder")])
def test_groups_of_one_kind_are_said_to_be_more_by_intervals_not_by_a_test(kind: str, other: str) -> None:
    answers = [(f"{x}", [((kind == "right") != (x < 10 and k % 2 == 0), None)]) for x in range(40) for k in range(4)]
    log = Episodes.record(answers, cap=1, fields={"task": ["t"] * len(answers)})
    said = " ".join(s for one in conclusions(survey(log)) for s in one.sentences)
    assert f"By two intervals that do not overlap, not by a test, more of them are all {kind}: {other} problems" in said


def test_a_score_of_two_values_that_accepts_no_answer_to_some_problems_is_no_verdict() -> None:
    """Within problems that have both, the value says what is right; all answers to the others are right, and have the lower."""

    def said(of_others: str) -> list[str]:
        answers = [(f"{kind}{i}", [(right, None)]) for kind in "mr" for i in range(12) for right in (True, kind == "r")]
        scores = ["1", "0"] * 12 + [of_others] * 24
        log = Episodes.record(answers, cap=1, fields={"decision_score": scores, "task": ["t"] * len(answers)})
        return [one.short for one in conclusions(survey(log, decision_score="decision_score")) if "score" in one.question]

    assert said("0") == ["yes"]
    assert said("1") == ["it looks like the verdict itself"]


def test_the_area_of_a_log_that_one_problem_dominates() -> None:
    """Half of the samples are of one problem, each problem shifts its scores: P(right above wrong) is that of N(1, 4) above 0."""
    from statistics import NormalDist

    truth, rng, held = NormalDist(0.0, 2.0).cdf(1.0), np.random.default_rng(8), 0
    for _ in range(60):
        problem = np.concatenate([np.zeros(160, dtype=int), np.repeat(np.arange(1, 20), 8)])
        right = rng.random(len(problem)) < rng.beta(1.5, 1.5, 20)[problem]
        scores = right + rng.normal(size=len(problem)) + rng.normal(size=20)[problem]
        rows = [(str(i), [(bool(one), None)]) for i, one in zip(problem, right, strict=True)]
        area = judge_score(Episodes.record(rows, cap=1, fields={"decision_score": [f"{x:.6f}" for x in scores]}), splits=0).area
        held += area.low <= truth <= area.high
    assert held >= 0.9 * 60

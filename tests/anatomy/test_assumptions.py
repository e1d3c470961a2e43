"""What a split would be without an assumption: right where that fails, the same where it holds, silent where nothing shows.

Logs are simulated and true parts computed here, without the package: accuracies by recursion over attempts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, binom, norm

from dstheory.anatomy import Episodes, Labels, generate_log, survey, surveys
from dstheory.anatomy.assumptions import LEFT_OUT, alike_within, moved
from dstheory.anatomy.difference import Compared
from dstheory.anatomy.generate import Cell
from dstheory.anatomy.model_checks import Test, check_model
from dstheory.anatomy.rates import Estimate
from dstheory.anatomy.surveys import MeanSplit, Shift
from dstheory.cli.anatomy.conclusions import _by_chance, _stands, conclusions

Chance = Callable[[int, np.ndarray, np.ndarray], np.ndarray]  # of round, whether this answer and the one before are right


def rollouts(p: Chance, on: Chance, cap: int, problems: np.ndarray, rng: np.random.Generator, name: str = "x") -> Episodes:
    """Episodes of which answer k is right with p(k, before, chances) and that go on with on(k, right, before)."""
    n = len(problems)
    right, stop = np.zeros((n, cap), dtype=bool), np.zeros((n, cap), dtype=bool)
    length, going, before = np.full(n, cap), np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    for k in range(cap):
        right[:, k] = rng.random(n) < p(k, before, problems)
        stop[:, k] = (rng.random(n) >= on(k, right[:, k], before)) & (k < cap - 1)
        length[going & stop[:, k]] = k + 1
        going &= ~stop[:, k]
        before = right[:, k]
    there = np.arange(cap) < length[:, None]
    stopped = np.take_along_axis(stop, length[:, None] - 1, axis=1)[:, 0]
    return Episodes(
        offsets=np.concatenate([[0], np.cumsum(length)]), correct=right[there], stopped=stop[there], capped=~stopped,
        problem=np.arange(n), problem_ids=[f"{name}-{i}" for i in range(n)], cap=np.full(n, cap), fields={},
    )  # fmt: skip


def accuracy(p: Chance, on: Chance, cap: int, problems: np.ndarray) -> float:
    """The chance that the last answer is right, followed answer by answer over both outcomes."""
    none = np.zeros(len(problems), dtype=bool)
    reached = {0: np.ones(len(problems))}  # whether the answer before was right -> chance to get here so
    total = np.zeros(len(problems))
    for k in range(cap):
        following = {0: np.zeros(len(problems)), 1: np.zeros(len(problems))}
        for was, chance in reached.items():
            for is_right in (0, 1):
                now = p(k, none | bool(was), problems)
                here = chance * (now if is_right else 1 - now)
                goes = on(k, none | bool(is_right), none | bool(was)) if k < cap - 1 else 0.0
                total += here * (1 - goes) * is_right
                following[is_right] += here * goes
        reached = following
    return float(total.mean())


def true_part(sampling: list[Chance], deciding: list[Chance], cap: int, problems: np.ndarray) -> float:
    corners = [[accuracy(p, on, cap, problems) for on in deciding] for p in sampling]
    return (corners[0][1] - corners[0][0] + corners[1][1] - corners[1][0]) / 2


def alike(k: int, before: np.ndarray, problems: np.ndarray) -> np.ndarray:
    return problems


def better_later(k: int, before: np.ndarray, problems: np.ndarray) -> np.ndarray:
    return problems + (1 - problems) * (0.0 if k == 0 else 0.5)


def right_after_right(k: int, before: np.ndarray, problems: np.ndarray) -> np.ndarray:
    return np.where(before, 0.9, problems) if k else problems


def plain(a: float, b: float) -> Chance:
    return lambda k, right, before: np.where(right, 1 - a, b)


def by_round(k: int, right: np.ndarray, before: np.ndarray) -> np.ndarray:
    return np.where(right, 0.1, 0.9 if k == 0 else 0.3)


def by_answer_before(k: int, right: np.ndarray, before: np.ndarray) -> np.ndarray:
    return np.where(right, 0.1, np.where(before, 0.2, 0.9))


@pytest.mark.parametrize(
    ("test", "sampling", "later"),
    [
        ("trend within episodes", better_later, plain(0.9, 0.8)),
        ("dependence within episodes", right_after_right, plain(0.5, 0.8)),
        ("b over rounds", alike, by_round),
        ("b and the answer before", right_after_right, by_answer_before),
    ],
)
def test_without_the_assumption_that_fails_the_split_is_right(test: str, sampling: Chance, later: Chance) -> None:
    problems = np.tile([0.1, 0.3, 0.6], 4000)
    deciding = [plain(0.7, 0.6), later]
    rng = np.random.default_rng(1)
    logs = [rollouts(sampling, on, 4, problems, rng) for on in deciding]
    compared = Compared.of(*logs)
    truth = true_part([sampling, sampling], deciding, 4, problems)
    found = moved(compared, test).estimate(0.95)
    assert found.value is not None
    error = truth - compared.decide.value
    assert found.low <= error <= found.high
    assert found.high - found.low < 0.03
    if test != "b and the answer before":  # what the split misses is seen, not only allowed for
        assert abs(error) > 0.01
        assert found.low > 0 or found.high < 0


def test_reweighting_is_the_sum_over_episodes_written_out() -> None:
    """Two logs of four problems with several episodes, weights by hand, one product for each attempt."""
    rng = np.random.default_rng(4)
    problems = np.repeat([0.2, 0.4, 0.5, 0.7], 100)
    logs = []
    for on in (plain(0.7, 0.6), plain(0.8, 0.7)):
        log = rollouts(alike, on, 3, problems, rng)
        place = np.repeat(np.arange(4), 100)
        logs.append(Episodes(log.offsets, log.correct, log.stopped, log.capped, place, list("wxyz"), log.cap, {}))
    compared = Compared.of(*logs)
    listed = []
    for log in logs:
        steps = list(zip(log.correct.tolist(), log.stopped.tolist(), log.decided.tolist(), strict=True))
        ends = zip(log.offsets[:-1], log.offsets[1:], log.problem.tolist(), strict=True)
        listed.append([(steps[i:j], x) for i, j, x in ends])

    def chances(episodes) -> dict[bool, float]:
        seen: dict[bool, list[bool]] = {True: [], False: []}
        for steps, _ in episodes:
            for right, stopped, decided in steps:
                if decided:
                    seen[right].append(not stopped)
        return {right: sum(on) / len(on) for right, on in seen.items()}

    rates = [chances(episodes) for episodes in listed]

    def under(s: int, t: int) -> float:
        sums: dict[int, list[float]] = {}
        for steps, problem in listed[s]:
            weight, value, last = 1.0, float(steps[0][0]), steps[0][0]
            for right, _, _ in steps[1:]:
                weight *= rates[t][last] / rates[s][last]
                value += weight * (right - last)
                last = right
            sums.setdefault(problem, []).append(value)
        return sum(sum(values) / len(values) for values in sums.values()) / len(sums)

    by_hand = (under(0, 1) - under(0, 0) + under(1, 1) - under(1, 0)) / 2
    found = moved(compared, "trend within episodes").estimate(0.95).value
    assert found == pytest.approx(by_hand - compared.decide.value, abs=1e-12)


def test_where_nothing_is_wrong_nothing_is_shown_to_move() -> None:
    """120 pairs of logs of 250 problems: intervals that cover with 0.95 hold 0 as often as such do with probability 0.99."""
    rng = np.random.default_rng(3)
    asked, held = (dict.fromkeys(("trend within episodes", "a over rounds", "b over rounds"), 0) for _ in range(2))
    for _ in range(120):
        problems = rng.beta(0.5, 0.5, 250)
        compared = Compared.of(*(rollouts(alike, on, 3, problems, rng) for on in (plain(0.6, 0.5), plain(0.8, 0.8))))
        for test in asked:
            found = moved(compared, test).estimate(0.95)
            asked[test] += found.value is not None
            held[test] += found.low <= 0 <= found.high
    for test, times in asked.items():
        assert times > 100, test
        assert held[test] >= binom.ppf(0.005, times, 0.95), test


def test_rounds_that_hardly_an_episode_shows_are_allowed_for() -> None:
    """A model that rarely goes on does not show that its fourth answers would all be right; the interval allows for it."""

    def late(k: int, before: np.ndarray, problems: np.ndarray) -> np.ndarray:
        return np.where(k < 3, 0.2, 1.0) + 0 * problems

    problems, deciding = np.full(600, 0.2), [plain(0.9, 0.1), plain(0.9, 0.9)]
    rng = np.random.default_rng(5)
    compared = Compared.of(*(rollouts(late, on, 5, problems, rng) for on in deciding))
    found = moved(compared, "trend within episodes").estimate(0.95)
    error = true_part([late, late], deciding, 5, problems) - compared.decide.value
    assert error > 0.1
    assert found.low <= error <= found.high
    assert found.high - found.low > 0.2


def accuracy_of(p: np.ndarray, a: np.ndarray, b: np.ndarray, cap: int) -> float:
    value = p
    for _ in range(cap - 1):
        value = p * a + (p * (1 - a) + (1 - p) * b) * value
    return float(value.mean())


def test_problems_with_a_and_b_of_their_own_are_off_by_hundredths_and_nothing_is_said_of_it() -> None:
    """What docs/anatomy.md says: a and b that are larger where p is take 0.035 from the part of decisions."""
    n, cap = 40_000, 5
    u = (np.arange(n) + 0.5) / n
    p = beta.ppf(u, 1.0, 1.5)
    decisions = [(beta.ppf(u, 4, 1), beta.ppf(u, 2, 3)), (beta.ppf(u, 9, 1), beta.ppf(u, 6, 2))]
    rng = np.random.default_rng(6)
    logs = [rollouts(lambda k, before, x: x, lambda k, right, before, a=a, b=b: np.where(right, 1 - a, b), cap, p, rng)
            for a, b in decisions]  # fmt: skip
    compared = Compared.of(*logs)
    values = []
    for a, b in decisions:
        value = p
        for _ in range(cap - 1):
            value = p * a + (p * (1 - a) + (1 - p) * b) * value
        values.append(float(value.mean()))
    # One p for both models: all that changes is the decisions'.
    assert values[1] - values[0] - compared.decide.value == pytest.approx(-0.035, abs=0.004)
    assert moved(compared, "b over problems").reason == "no log tells which problems have the larger b"


def test_rates_that_differ_between_labels_alone_are_alike_within() -> None:
    """Stouffer's sum against normal scores that are computed here, trial by trial."""
    rng = np.random.default_rng(7)
    problems = np.tile([0.2, 0.6], 100)
    parts = [rollouts(alike, plain(a, 0.7), 6, problems, rng, name=str(a)) for a in (0.3, 0.9)]
    scores = []
    for part in parts:
        trials: dict[int, list[bool]] = {}
        for i, j, x in zip(part.offsets[:-1], part.offsets[1:], part.problem.tolist(), strict=True):
            for at in range(i, j):
                if part.correct[at] and part.decided[at]:
                    trials.setdefault(x, []).append(bool(part.stopped[at]))
        every = [y for of in trials.values() for y in of]
        rate = sum(every) / len(every)
        u = squares = gathered = 0.0
        for of in trials.values():
            before = 0.0
            for y in of:
                u, squares, gathered = u + (y - rate) * before, squares + before**2, gathered + before
                before += y - rate
        u += squares / (len(every) - 1)
        scores.append(u / np.sqrt(rate * (1 - rate) * (squares - gathered**2 / len(every))))
    (found,), z = alike_within(parts, "a", resamples=0), sum(scores) / np.sqrt(2)
    assert found.statistic == pytest.approx(z, rel=1e-9)
    assert found.p_value == pytest.approx(norm.sf(z), rel=1e-9)
    assert alike_within(parts, "a")[0].p_value == pytest.approx(found.p_value, abs=0.07)


def test_labels_of_few_problems_are_rejected_as_often_as_they_should() -> None:
    """200 logs of 30 labels with six problems each, p unlike: 2 to 22 at 5 %, and no pile of p-values near 1."""
    rng, values = np.random.default_rng(11), []
    for _ in range(200):
        parts = [rollouts(alike, plain(0.7, 0.5), 4, np.repeat(rng.beta(1, 1, 3), 2), rng, name=str(i)) for i in range(30)]
        found = alike_within(parts, "b", resamples=99, rng=rng)[0]
        values.append([norm.sf(found.statistic), found.p_value])
    for of_logs in zip(*values, strict=True):  # the normal ones, and those of simulated logs
        assert 2 <= sum(value < 0.05 for value in of_logs) <= 22
        assert sum(value > 0.95 for value in of_logs) <= 25


def test_what_cannot_be_seen_is_said() -> None:
    rng = np.random.default_rng(8)
    problems = np.full(60, 0.4)
    logs = [rollouts(alike, on, 4, problems, rng) for on in (plain(0.97, 0.6), plain(0.7, 0.8))]
    compared = Compared.of(*logs, names=("base", "tuned"))
    assert moved(compared, "trend within episodes").reason.startswith("for that each model must go on after right ")
    beyond = Compared.of(*logs, cap=9)
    assert moved(beyond, "trend within episodes").reason == "the logs do not show their accuracies at this cap"
    assert all(moved(beyond, test).estimate(0.95).value is None for test in LEFT_OUT)


def test_the_share_of_the_mean_over_tasks_has_the_interval_of_a_bootstrap() -> None:
    log = generate_log(120)
    found = survey(log, compared=("base", "tuned")).comparison_mean
    assert found is not None
    rng, shares = np.random.default_rng(9), []
    parts = [[part.by("model")[name] for name in ("base", "tuned")] for part in log.by("task").values()]
    for _ in range(120):
        gain = decide = 0.0
        for logs in parts:  # both logs are about the same problems, one episode of each
            ids = [np.array([log.problem_ids[i] for i in log.problem]) for log in logs]
            chosen = rng.choice(np.unique(ids[0]), size=len(ids[0]))
            drawn = []
            for log_of, names in zip(logs, ids, strict=True):
                where = {name: i for i, name in enumerate(names.tolist())}
                log_drawn = _taken(log_of, np.array([where[name] for name in chosen.tolist()]))
                drawn.append(log_drawn)
            split = Compared.of(*drawn)
            gain, decide = gain + split.gain.value, decide + split.decide.value
        shares.append(decide / gain)
    share = found.decision_share
    assert share.value == pytest.approx(found.decide.value / found.gain.value)
    assert (share.high - share.low) / 2 == pytest.approx(1.96 * np.std(shares), rel=0.25)


def _taken(log: Episodes, which: np.ndarray, name: str = "") -> Episodes:
    """Episodes in this order, repeated ones too, each about a problem of its own."""
    lengths = np.diff(log.offsets)[which]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    at = np.arange(offsets[-1]) + np.repeat(log.offsets[which] - offsets[:-1], lengths)
    return Episodes(offsets, log.correct[at], log.stopped[at], log.capped[which], np.arange(len(which)),
                    [f"{name}{i}" for i in range(len(which))], log.cap[which], {})  # fmt: skip


def test_the_answer_says_whether_it_stands() -> None:
    """Answers that get better with the round: tests reject it, and the answer says by how much that moves the share."""
    rng = np.random.default_rng(10)
    problems = np.tile([0.1, 0.3, 0.6], 700)
    logs = []
    for name, on in (("base", plain(0.7, 0.6)), ("tuned", plain(0.9, 0.8))):
        log = rollouts(better_later, on, 4, problems, rng)
        fields = {key: type(generate_log(2).fields["task"]).constant(value, len(log)) for key, value in
                  (("model", name), ("task", "t"))}  # fmt: skip
        logs.append(Episodes(log.offsets, log.correct, log.stopped, log.capped, log.problem, log.problem_ids, log.cap, fields))
    found = survey(Episodes.concatenate(logs), compared=("base", "tuned"))
    assert "trend within episodes" in found.comparison_without
    assert "p over problems" not in found.comparison_without
    assert "p over rounds" not in found.comparison_without  # tests within episodes tell
    (stands,) = [line for line in conclusions(found)[0].sentences if "Does this answer stand?" in line]
    shift = found.comparison_without["trend within episodes"]
    assert shift.decision_share.value == pytest.approx(shift.decide.value / found.comparison.gain.value)
    assert "In part. Tests reject at 5 % that at one problem, nothing changes with the round, which the split assumes; " in stands
    assert f"{max(max(-s.decision_share.low, s.decision_share.high) for s in found.comparison_without.values()):.2f}" in stands


@pytest.mark.parametrize(
    ("rejected", "what"),
    [
        (["p over problems", "p over rounds"], "One p for all problems and all rounds"),
        (["p over problems"], "That p is the same for all problems"),
    ],
)
def test_what_the_split_does_not_assume_may_be_rejected(rejected: list[str], what: str) -> None:
    checks = {"base": [Test(name, "", 9.0, 1.0, 0.001, "", 9, "") for name in rejected], "tuned": []}
    found = SimpleNamespace(comparison_checks=checks, comparison_without={}, groups=[])
    yes = "Does this answer stand? Yes: no test rejects at 5 % what the split assumes."
    assert _stands(found, None) == f"{yes} {what} is rejected, but not assumed."  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("p_value", "said"),
    [
        (0.04, " The smallest of 5 p-values is 0.04, as chance alone gives in up to 20 % of logs."),
        (0.012, " The smallest of 5 p-values is 0.012, as chance alone gives in up to 6 % of logs."),
        (0.009, ""),
    ],
)
def test_a_rejection_that_chance_may_give_is_called_so(p_value: float, said: str) -> None:
    """Five tests of what the split assumes can be made, three of base and two of tuned; p over problems it does not assume."""
    values = {"base": {"p over problems": 1e-9, "trend within episodes": 0.3, "p over rounds": 1e-9, "a over problems": p_value,
                       "b over problems": 0.4, "a over rounds": None},
              "tuned": {"p over problems": 1e-9, "p over rounds": 0.2, "b over rounds": 0.05}}  # fmt: skip
    checks = {log: [Test(name, "", 9.0, 1.0, value, "", 9, "", "" if value else "none") for name, value in tests.items()]
              for log, tests in values.items()}  # fmt: skip
    assert _by_chance(surveys.tests_of_split(checks)) == said


@pytest.mark.parametrize(
    ("trials", "said"), [(1, "with 1 episode of"), (3, "with 3.0 episodes of"), (4, "of each of 60 problems")]
)
def test_a_yes_says_that_departures_may_hide_each_other(trials: int, said: str) -> None:
    """Where problems have too few episodes to tell b that falls with each attempt from problems with another b."""
    cells = [Cell("base", "t", 0.4, 0.85, 0.5), Cell("tuned", "t", 0.5, 0.9, 0.8)]
    log = generate_log(60, cells=cells, episodes_per_problem=trials)
    (stands,) = [line for line in conclusions(survey(log, compared=("base", "tuned")))[0].sentences
                 if "Does this answer stand?" in line]  # fmt: skip
    assert "In part" not in stands
    assert "Not known" not in stands
    assert "hide each other" in stands
    assert said in stands


def test_a_yes_says_what_could_not_be_tested() -> None:
    """With two attempts and one episode of each problem there is one decision of a problem."""
    cells = [Cell("base", "t", 0.4, 0.85, 0.5), Cell("tuned", "t", 0.5, 0.9, 0.8)]
    said = conclusions(survey(generate_log(200, cells=cells, cap=2), compared=("base", "tuned")))[0].sentences
    (stands,) = [line for line in said if "Does this answer stand?" in line]
    assert stands.endswith(
        "That a is the same for all problems and that b is the same for all problems could not be tested in both logs, and the "
        "split assumes it."
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (0.01, -0.02, 0.03, "Does this answer stand? Yes. Tests reject at 5 % that b is the same in all rounds, which"),
        (0.01, -0.02, 0.09, "\u2717 Does this answer stand? In part. Tests reject at 5 % that b is the same in all rounds, "),
        (
            None,
            -np.inf,
            np.inf,
            "\u2717 Does this answer stand? Not known. Tests reject at 5 % that b is the same in all rounds; what that",
        ),
    ],
)
def test_an_answer_stands_as_far_as_what_moves_it_leaves_its_parts(value, low, high, said: str) -> None:
    """Parts of 0.2 [0.15, 0.25] and 0.1 [0.05, 0.15]: what moves them by 0.09 may leave the second none."""

    def number(value: float | None, low: float, high: float) -> Estimate:
        return Estimate(value, low, high, 0.95, "", reason="" if value is not None else "too few")

    split = MeanSplit(number(0.3, 0.2, 0.4), number(0.1, 0.05, 0.15), number(0.2, 0.15, 0.25), number(0.67, 0.5, 0.8))
    shift = Shift(number(value, low, high), number(None if value is None else value / 0.3, low / 0.3, high / 0.3))
    test = Test("b over rounds", "", 9.0, 1.0, 0.001, "", 9, "")
    found = SimpleNamespace(comparison_checks={"base": [test]}, comparison_without={"b over rounds": shift}, groups=[])
    stands = _stands(found, split)  # type: ignore[arg-type]
    assert stands.startswith(said)
    if value is not None:
        assert f"decisions' share by at most {high / 0.3:.2f}" in stands
    assert ("the part of sampling may then be zero" in stands) == (value is not None and high > 0.05)


def test_the_pages_list_every_answer_to_whether_an_answer_stands() -> None:
    """Four, where tests reject nothing, what is not assumed, or what is, by as much as that may move a part of 0.05."""

    def number(value: float | None, low: float = 0.05, high: float = 0.15) -> Estimate:
        return Estimate(value, low, high, 0.95, "", reason="too few" if value is None else "")

    def answer(rejected: str, shift: Estimate | None) -> str:
        checks = {"base": [Test(rejected, "", 9.0, 1.0, 0.001, "", 9, "")] if rejected else []}
        without = {} if shift is None else {rejected: Shift(shift, number(None))}
        found = SimpleNamespace(comparison_checks=checks, comparison_without=without, groups=[])
        stands = _stands(found, MeanSplit(number(0.2), number(0.1), number(0.1), number(0.5)))  # type: ignore[arg-type]
        return re.split(r" at 5 %|[.:]", stands.split("stand? ")[1])[0]

    given = {answer("", None), answer("p over problems", None)}
    given |= {answer("b over rounds", number(*shift)) for shift in ((0.0, -0.01, 0.01), (0.0, -0.1, 0.1), (None,))}
    root = Path(__file__).parents[2]
    readme, page = (" ".join((root / name).read_text(encoding="utf-8").split()) for name in ("README.md", "docs/anatomy.md"))
    in_readme = readme.split("stand?` has four answers: ")[1].split(": then")[0]
    in_page = page.split("There are four answers: ")[1].split(". *Yes* is")[0]
    for text in (in_readme, in_page):
        assert {words.capitalize() for words in re.findall(r"\*(.+?)\*", text)} == given


def test_the_interval_is_as_wide_as_a_bootstrap_says() -> None:
    """Problems drawn with replacement, chances to go on counted anew in each draw, which takes much noise of weights away."""
    rng, tests = np.random.default_rng(11), ("trend within episodes", "b over rounds")
    logs = [rollouts(alike, on, 3, np.tile([0.2, 0.6], 400), rng, name) for name, on in
            (("x", plain(0.6, 0.35)), ("y", plain(0.7, 0.8)))]  # fmt: skip
    compared = Compared.of(*logs)
    drawn: dict[str, list[float | None]] = {test: [] for test in tests}
    for _ in range(150):
        pair = [_taken(log, rng.integers(800, size=800), name) for log, name in zip(logs, "xy", strict=True)]
        again = Compared.of(*pair)
        for test in tests:
            drawn[test].append(moved(again, test).estimate(0.95).value)
    for test in tests:
        found = moved(compared, test)
        assert found.mean is not None
        assert found.mean.spread(found.units).error == pytest.approx(np.std(drawn[test]), rel=0.2), test


@pytest.mark.parametrize(("fall", "shows"), [(1.0, True), (0.8, False)])
def test_two_departures_can_hide_each_other_as_the_page_says(fall: float, shows: bool) -> None:
    """b of 0.25 and 0.75, once the same at every attempt, once 0.8 of the one before: who goes on is surer, and tires."""
    rng, hidden = np.random.default_rng(5), 0
    for _ in range(8):
        b = np.where(np.arange(1200) % 2, 0.25, 0.75)
        log = rollouts(
            lambda k, before, problems: np.full(1200, 0.4),
            lambda k, right, before, b=b: np.where(right, 0.15, b * fall**k),
            6, b, rng,
        )  # fmt: skip
        tests = {test.name: test for test in check_model(log, resamples=99, rng=1)}
        hidden += not (tests["b over problems"].rejected() or tests["b over rounds"].rejected())
    assert hidden <= 1 if shows else hidden >= 5


def test_every_interval_of_a_survey_has_the_level_that_was_asked_for() -> None:
    """Those of problems kept out of the fit too, and the one that the sentence about rejected assumptions speaks of."""
    rng, problems = np.random.default_rng(10), np.tile([0.1, 0.3, 0.6], 700)
    parts = {name: rollouts(better_later, plain(0.8, b), 4, problems, rng) for name, b in (("base", 0.6), ("tuned", 0.8))}
    fields = {name: {"model": Labels.constant(name, len(log)), "task": Labels.constant("t", len(log))}
              for name, log in parts.items()}  # fmt: skip
    logs = [replace(log, fields=fields[name]) for name, log in parts.items()]
    found = survey(Episodes.concatenate(logs), compared=("base", "tuned"), level=0.8)
    levels: list[float] = []

    def walk(value: Any) -> None:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            levels.extend([inner] if key == "level" else [])
            walk(inner)

    walk(found.to_dict())
    assert len(levels) > 100
    assert set(levels) == {0.8}
    said = " ".join(conclusions(found)[0].sentences)
    assert "with 80 % confidence (the far end of an interval)" in said
    assert "95 %" not in said

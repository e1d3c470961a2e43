"""What a log says: accounting identities, intervals that cover, counterfactuals against their definition."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from anatomy.logs import many_logs

from dstheory.anatomy import Episodes, answers, chain_formulas
from dstheory.anatomy.answers import (
    _by_chain,
    _gained,
    _more_at_easy,
    _recovered,
    answer,
    any_correct,
    multiplier,
    perfect,
    youden,
)
from dstheory.anatomy.beta import BetaFit
from dstheory.anatomy.generate import simulate_log
from dstheory.anatomy.rates import RATES, Estimate, ProblemCounts, cells, mean_attempts, row
from dstheory.anatomy.revisions import measure_revisions
from dstheory.anatomy.rollout_chain import fit_rate

ALIKE = {"p": 0.4, "a": 0.9, "b": 0.7, "cap": 8}
UNLIKE = {"p": 0.4, "a": 0.85, "b": 0.75, "cap": 6, "concentration": 1.5}


def predicted_accuracy(log: Episodes) -> Estimate:
    """What ``answer`` predicts of a log with one cap, without all else that it says."""
    table, cap = ProblemCounts.of(log), int(log.cap[0])
    return _recovered(lambda p, a, b: _by_chain("accuracy", p, a, b, cap, False), table, row(table), 0.0, 1.0)


def gain_and_attempts(log: Episodes) -> tuple[Estimate, Estimate]:
    """What was realised, as ``answer`` says it."""
    table = ProblemCounts.of(log)
    return _gained(table, 0.95), mean_attempts(table, 0.95)


def test_parts_of_an_answer_are_what_it_says() -> None:
    """Tests of coverage make many logs, and of each but the part that they are about."""
    for chain, problems in ((ALIKE, 40), (UNLIKE, 200), (UNLIKE, 3)):
        for log in many_logs(4, problems, seed=5, **chain).by("log").values():
            found = answer(log)
            assert found.predicted["accuracy"] == predicted_accuracy(log)
            assert (found.realised["gain over the first answer"], found.realised["attempts"]) == gain_and_attempts(log)
            assert found.perfect == perfect(log, chain["cap"], ProblemCounts.of(log))


def test_if_every_episode_stops_the_predicted_accuracy_is_the_realised_one_whatever_the_data() -> None:
    """G4, the accounting identity, on data from no chain at all."""
    rng = np.random.default_rng(0)
    odd = [(str(i), [(bool(rng.random() < 0.9 / (1 + i % 5)), "resample") for _ in range(i % 4)] + [(i % 3 == 0, "stop")])
           for i in range(97)]  # fmt: skip
    found = answer(Episodes.record(odd))
    assert found.predicted["accuracy"].value == pytest.approx(found.realised["accuracy"].value, abs=1e-14)
    assert found.predicted["attempts"].value == pytest.approx(found.realised["attempts"].value, abs=1e-12)
    assert "equals the realised one whatever the data" in found.notes[0]


def test_a_log_of_the_chain_itself() -> None:
    """30,000 episodes: every realised share is within four standard errors of 0.003 of the formula."""
    found = answer(simulate_log(30_000, **ALIKE, rng=1))
    p, a, b, cap = ALIKE.values()
    truth = {
        "accuracy": float(chain_formulas.accuracy(p, a, b, cap)),
        "accuracy, unstopped wrong": float(chain_formulas.accuracy(p, a, b, cap - 1, unstopped="wrong")),
        "stopped": float(chain_formulas.stopping(p, a, b, cap)),
        "attempts": float(chain_formulas.attempts(p, a, b, cap)),
    }
    for what, value in truth.items():
        allowed = 0.03 if what == "attempts" else 0.012
        assert found.realised[what].value == pytest.approx(value, abs=allowed), what
        assert found.predicted[what].value == pytest.approx(value, abs=allowed), what
    assert found.none.value == pytest.approx(p, abs=0.012)
    assert found.perfect.value == pytest.approx(1 - (1 - p) ** cap, abs=0.012)
    assert found.realised["gain over the first answer"].value == pytest.approx(truth["accuracy"] - p, abs=0.017)
    assert found.predicted["accuracy, no cap"].value == pytest.approx(float(chain_formulas.accuracy(p, a, b)), abs=0.012)
    assert found.helps == "yes"


def test_logs_that_show_stops_at_the_cap_are_predicted_with_a_decision_there() -> None:
    steps = [(False, "resample"), (True, "stop")]
    log = Episodes.record([("x", steps), ("y", [(True, "stop")]), ("z", [(False, "resample"), (False, "resample")])], cap=2)
    found = answer(log)
    assert found.realised["accuracy, unstopped wrong"].value == pytest.approx(2 / 3)
    assert found.realised["stopped"].value == pytest.approx(1 / 3)  # before the cap
    p, a, b = 2 / 5, 1.0, 1.0
    assert found.predicted["accuracy, unstopped wrong"].value == pytest.approx(
        float(chain_formulas.accuracy(p, a, b, 2, unstopped="wrong"))
    )
    assert any("shows stops at the cap" in note for note in found.notes)


@pytest.mark.parametrize(
    "chain",
    [pytest.param(ALIKE, marks=pytest.mark.slow), UNLIKE, {"p": 0.1, "a": 0.95, "b": 0.9, "cap": 10}],
    ids=["alike", "unlike", "rare"],
)
def test_coverage_of_youden_and_multiplier_over_a_thousand_logs(chain) -> None:
    """Promised 95 %; standard error 0.7 %. A little above is expected: recovered intervals inherit the parts' conservatism."""
    log = many_logs(1000, 150, seed=21, **chain)
    truth = (chain["a"] + chain["b"] - 1, chain["a"] / (1 - chain["b"]))
    inside: list[list[bool]] = [[], []]
    for _, table in cells(log, ("log",)):
        rates = row(table)
        for k, estimate in enumerate((youden(table, rates), multiplier(table, rates))):
            inside[k].append(estimate.low <= truth[k] <= estimate.high)
    for name, flags in zip(("youden", "multiplier"), inside, strict=True):
        assert 0.95 - 0.021 <= np.mean(flags) <= 0.98, (name, np.mean(flags))


@pytest.mark.parametrize(("chain", "attempts"), [(ALIKE, 3), (UNLIKE, 4)], ids=["alike", "unlike"])
def test_coverage_of_a_perfect_decision(chain, attempts) -> None:
    """400 logs of 150 problems, standard error 1.1 %; the truth is 1 - E[(1 - p_x)^T], a ratio of Gamma functions."""
    c = chain.get("concentration")
    i = np.arange(attempts)
    truth = 1 - (1 - chain["p"]) ** attempts if c is None else 1 - np.prod(((1 - chain["p"]) * c + i) / (c + i))
    found = [any_correct(log, attempts) for log in many_logs(400, 150, seed=22, **chain).by("log").values()]
    assert abs(np.mean([e.low <= truth <= e.high for e in found]) - 0.95) < 0.034
    assert np.mean([e.value for e in found]) == pytest.approx(truth, abs=0.01)


@pytest.mark.parametrize(("problems", "b"), [(100, 0.7), (300, 0.8)])
def test_a_perfect_decision_is_judged_where_enough_problems_get_so_far(
    problems: int, b: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where few problems have an eighth attempt, it is chance that one has."""
    truth = 1 - np.prod((2.4 + np.arange(8)) / (4 + np.arange(8)))
    chain = {"p": 0.4, "a": 0.8, "b": b, "cap": 8, "concentration": 4.0}
    left_out, kept, raws = 0, [], []
    monkeypatch.setattr(answers, "any_correct", lambda *of, **how: raws.append(any_correct(*of, **how)) or raws[-1])
    for log in many_logs(300, problems, seed=24, **chain).by("log").values():
        found = perfect(log, 8, ProblemCounts.of(log))
        raw = raws[-1]
        if found.value is not None:
            assert (found.value, found.low, found.high) == (raw.value, raw.low, raw.high)
            kept.append(raw.low <= truth <= raw.high)
        elif raw.value is not None:
            assert "at fewer than 5 problems" in found.reason
            left_out += 1
    if problems == 100:
        assert left_out > 200
        assert not kept
    else:
        assert len(kept) > 260
        assert abs(np.mean(kept) - 0.95) < 0.03


def _unlike(
    rng: np.random.Generator, sizes: np.ndarray, shapes: tuple[float, float], a: float, b: float, cap: int, tilt: float = 0.0
) -> Episodes:
    """A log of problems with so many episodes, drawn without the package: p_x is Beta, caps end what has not stopped.

    At problem x the model resamples wrong answers with probability b + tilt (p_x - 1/2).
    """
    x, p = np.repeat(np.arange(len(sizes)), sizes), rng.beta(*shapes, len(sizes))
    right = rng.random((len(x), cap)) < p[x][:, None]
    going = rng.random((len(x), cap)) < np.where(right, 1 - a, b + tilt * (p[x][:, None] - 0.5))
    going[:, -1] = False
    length = np.argmin(going, axis=1) + 1
    there = np.arange(cap) < length[:, None]
    return Episodes(
        offsets=np.concatenate([[0], np.cumsum(length)]), correct=right[there], capped=length == cap,
        stopped=(~going & (np.arange(cap) < cap - 1))[there], problem=x, problem_ids=[f"q{i}" for i in range(len(sizes))],
        cap=np.full(len(x), cap), fields={},
    )  # fmt: skip


@pytest.fixture
def no_cautions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what tells whether going on depends on the problem: half of the time, and no part of any interval."""
    monkeypatch.setattr(answers, "fit_rate", lambda table, name: BetaFit(None, 0.0, 0.0))
    monkeypatch.setattr(answers, "_more_at_easy", lambda episodes, attempts: 0.0)


@pytest.mark.usefixtures("no_cautions")
@pytest.mark.parametrize(
    ("sizes", "shapes", "b", "cap"),
    [
        ([1] * 100, (2.0, 3.0), 0.35, 3),
        pytest.param([1] * 120, (1.0, 2.0), 0.1, 2, marks=pytest.mark.slow),
        pytest.param([1] * 150, (0.3, 4.0), 0.3, 3, marks=pytest.mark.slow),
        ([5] * 30, (0.05, 0.9), 0.5, 4),
        ([20, *[1, 3, 5, 7] * 10], (1.6, 2.4), 0.3, 3),
    ],
    ids=["short", "two attempts", "hard", "mostly never right", "one large"],
)
def test_coverage_of_a_perfect_decision_where_few_resample(sizes, shapes, b, cap) -> None:
    """300 logs of each that are judged: of a coverage of 95 % fewer than 273 have probability 0.001. Five to 20 problems get to
    the last attempt; the variance, 0 where none of them is right there, held the truth in 88 to 92 % of all but the last."""
    rng, steps = np.random.default_rng(31), np.arange(cap)
    truth, held, judged = 1 - np.prod((shapes[1] + steps) / (sum(shapes) + steps)), 0, 0
    while judged < 300:
        log = _unlike(rng, np.array(sizes), shapes, 0.9, b, cap)
        found = perfect(log, cap, ProblemCounts.of(log))
        if found.value is not None:
            judged += 1
            held += found.low <= truth <= found.high
    assert held >= 273


@pytest.mark.parametrize(("tilt", "least", "most"), [(0.4, 0.6, 1.0), (-0.4, 0.6, 1.0), (0.0, 0.0, 0.2)])
def test_a_perfect_decision_has_a_star_where_b_goes_with_p(tilt: float, least: float, most: float) -> None:
    """b from 0.3 to 0.7 with p, or against it, in 100 problems of unlike sizes: few of these logs show the spread of b itself."""
    rng, stars, spread, logs = np.random.default_rng(8), 0, 0, 40
    for _ in range(logs):
        log = _unlike(rng, np.minimum(rng.geometric(0.2, 100), 16), (0.4, 1.6), 0.9, 0.5, 4, tilt)
        table = ProblemCounts.of(log)
        found = perfect(log, 4, table)
        assert found.value is not None
        stars += bool(found.caution)
        spread += fit_rate(table, "b").p_value < 0.05
    assert least <= stars / logs <= most
    assert spread < 0.3 * logs


def test_how_going_on_goes_with_p_by_hand() -> None:
    """Of x two episodes are right at once, one is at the third answer; of y two stop at a wrong one, one goes on and is cut off.

    Ease is (2 + 1/3)/4 = 7/12 and (0 + 1/3)/4 = 1/12. After a wrong first answer one of x and one of three of y go on: the score
    is 9/24 - 3/24, its variance 1/4 (81 + 27)/24^2 4/3 = 1/16. After two that of x goes on, that of y does not: 1/4, and 1/16.
    """
    wrong, last = (False, "resample"), (True, "stop")
    x = [("x", steps) for steps in ([last], [last], [wrong, wrong, last])]
    y = [("y", steps) for steps in ([(False, "stop")], [(False, "stop")], [wrong, (False, None)])]
    log = Episodes.record(x + y, cap=[3, 3, 3, 3, 3, 2])
    assert _more_at_easy(log, 3) == pytest.approx(2**0.5)
    assert _more_at_easy(log, 2) == pytest.approx(1.0)
    assert _more_at_easy(log, 1) == 0.0


def test_a_perfect_decision_has_a_star_where_caps_go_with_p() -> None:
    """One b, but hard problems end at two attempts, so that who gets to the fourth is easy: intervals mostly miss the truth."""
    rng, stars, held, steps = np.random.default_rng(3), 0, 0, np.arange(4)
    truth = 1 - (np.prod((7 + steps) / (10 + steps)) + np.prod((19 + steps) / (20 + steps))) / 2
    for _ in range(20):
        parts = [_unlike(rng, np.full(100, 4), shapes, 0.9, 0.7, cap) for shapes, cap in (((1.0, 19.0), 2), ((3.0, 7.0), 4))]
        log = Episodes.concatenate([
            replace(part, problem_ids=[f"{i} {name}" for name in part.problem_ids]) for i, part in enumerate(parts)
        ])  # fmt: skip
        found = perfect(log, 4, ProblemCounts.of(log))
        stars += bool(found.caution)
        held += found.low <= truth <= found.high
    assert stars >= 18
    assert held <= 5


def test_the_interval_of_a_perfect_decision_by_hand() -> None:
    """Ten problems of one episode: four right at once, six reach a second attempt, where nobody is right.

    Wilson's interval of 4 in 10 on the logarithm of what is left, and the exact upper limit of 0 in 6, in a right triangle.
    """
    z2, wrong = 1.959964**2, [(False, "resample"), (False, "stop")]
    log = Episodes.record([(str(i), [(True, "stop")] if i < 4 else wrong) for i in range(10)])
    found, root = any_correct(log, 2), np.sqrt(10 * 0.4 * 0.6 + z2 / 4) * z2**0.5
    low, high = (4 + z2 / 2 - root) / (10 + z2), (4 + z2 / 2 + root) / (10 + z2)
    assert found.value == pytest.approx(0.4)
    assert found.low <= low + 1e-6  # moved out at small counts
    assert found.low > low - 0.05
    second = np.log(6 + z2) - np.log(6)  # Wilson's upper end of 0 in 6 is z^2/(6 + z^2)
    assert found.high >= 1 - 0.6 * np.exp(-np.hypot(np.log(0.6 / (1 - high)), second)) - 1e-6


def test_coverage_of_the_predicted_accuracy() -> None:
    """300 logs of 150 problems: standard error 1.3 %."""
    truth = float(chain_formulas.accuracy(0.4, 0.9, 0.7, 8))
    logs = many_logs(300, 150, seed=23, **ALIKE).by("log").values()
    found = [predicted_accuracy(log) for log in logs]
    assert abs(np.mean([e.low <= truth <= e.high for e in found]) - 0.95) < 0.045


@pytest.mark.parametrize(("p", "problems"), [(0.97, 8), (0.03, 8), pytest.param(0.97, 40, marks=pytest.mark.slow), (0.4, 3)])
def test_coverage_of_the_predicted_accuracy_of_short_logs(p: float, problems: int) -> None:
    """500 logs each: of a coverage of 93 % fewer than 443 have probability 0.0003. Percentiles of a bootstrap: 10 to 70 %."""
    truth = float(chain_formulas.accuracy(p, 0.9, 0.7, 6))
    logs = many_logs(500, problems, seed=29, p=p, a=0.9, b=0.7, cap=6).by("log").values()
    found = [e for e in map(predicted_accuracy, logs) if e.value is not None]
    assert len(found) > 300
    assert np.mean([e.low <= truth <= e.high for e in found]) > 443 / 500


def test_the_predicted_accuracy_moves_as_far_as_p_a_and_b_do() -> None:
    """By hand: the sum of squares of what each moves it by, and what their correlations add."""
    log = simulate_log(60, p=0.5, a=0.8, b=0.7, cap=5, rng=4)
    found, table = answer(log), ProblemCounts.of(log)
    rates = found.rates.p, found.rates.a, found.rates.b
    middle = [one.value for one in rates]
    value = float(chain_formulas.accuracy(*middle, 5))
    pairs = [RATES[name] for name in "pab"]
    for end in ("low", "high"):
        moves = []
        for i, one in enumerate(rates):
            moves.append(float(chain_formulas.accuracy(*middle[:i], getattr(one, end), *middle[i + 1 :], 5)) - value)
        cross = [2 * table.correlation(pairs[i], pairs[j]) * moves[i] * moves[j] for i, j in ((0, 1), (0, 2), (1, 2))]
        half = np.sqrt(sum(move**2 for move in moves) + sum(cross))
        by_hand = value - half if end == "low" else value + half
        assert getattr(found.predicted["accuracy"], end) == pytest.approx(by_hand)


def test_predicted_attempts_fall_where_p_and_a_rise() -> None:
    """By hand: what each moves them by, with its sign, so that a correlation of a and b counts the other way round."""
    log = simulate_log(60, p=0.5, a=0.8, b=0.7, cap=5, rng=4)
    found, table = answer(log), ProblemCounts.of(log)
    rates = found.rates.p, found.rates.a, found.rates.b
    middle = [one.value for one in rates]
    value = float(chain_formulas.attempts(*middle, 5))
    for end, ends in (("low", ("high", "high", "low")), ("high", ("low", "low", "high"))):
        moved = [getattr(one, which) for one, which in zip(rates, ends, strict=True)]
        changed = ([*middle[:i], moved[i], *middle[i + 1 :]] for i in range(3))
        p, a, b = (abs(float(chain_formulas.attempts(*at, 5)) - value) for at in changed)
        pa, pb, ab = (table.correlation(RATES[x], RATES[y]) for x, y in ("pa", "pb", "ab"))
        half = np.sqrt(p**2 + a**2 + b**2 + 2 * (pa * p * a - pb * p * b - ab * a * b))
        assert getattr(found.predicted["attempts"], end) == pytest.approx(value - half if end == "low" else value + half)


@pytest.mark.parametrize("share", [0.08, 0.02])
def test_coverage_of_rare_gains_and_attempts(share: float) -> None:
    """800 logs of 60 problems, most of which are always right: normal intervals hold the gain in 64 and 23 % of them only.

    Of a coverage of 95 % fewer than 737 have probability 0.0001. Truths are those of a problem with p = 1/2, times its share.
    """
    a, b, cap, p = 0.95, 0.6, 4, 0.5
    q = p * (1 - a) + (1 - p) * b
    attempts = 1 + share * (q + q**2 + q**3)
    gain = share * (p * a * (1 + q + q**2) + p * q**3 - p)
    rng, held = np.random.default_rng(25), np.zeros(2)
    for _ in range(800):
        chance = np.where(rng.random(60) < share, p, 1.0)
        right = rng.random((60, cap)) < chance[:, None]
        going = (rng.random((60, cap)) < np.where(right, 1 - a, b)) & (chance < 1)[:, None]
        last = np.where(going[:, :-1].all(axis=1), cap - 1, np.argmin(going[:, :-1], axis=1))
        there = np.arange(cap) <= last[:, None]
        log = Episodes(
            offsets=np.concatenate([[0], np.cumsum(last + 1)]), correct=right[there],
            stopped=(np.arange(cap) == np.where(last < cap - 1, last, -1)[:, None])[there], capped=last == cap - 1,
            problem=np.arange(60), problem_ids=[str(i) for i in range(60)], cap=np.full(60, cap), fields={},
        )  # fmt: skip
        found = gain_and_attempts(log)
        held += [one.low <= truth <= one.high for one, truth in zip(found, (gain, attempts), strict=True)]
    assert (held >= 737).all(), held


@pytest.mark.parametrize("problems", [1, 12])
def test_the_accuracy_of_perfect_decisions_is_not_certain_where_problems_are_not_seen_to_differ(problems: int) -> None:
    """Of each problem, one episode is right at once and one never: two attempts give 1/2, whose interval is at least Wilson's."""
    kinds = ([(True, "stop")], [(False, "resample"), (False, "stop")])
    found = any_correct(Episodes.record([(str(i), kind) for i in range(problems) for kind in kinds]), 2)
    half = 0.5 / np.sqrt(1 + problems / 1.959964**2)
    assert found.value == 0.5
    assert 0 < found.low <= 0.5 - half + 1e-7
    assert 0.5 + half - 1e-7 <= found.high < 1


def _gains(episodes: Episodes) -> list[Estimate]:
    return [gain_and_attempts(episodes)[0], measure_revisions(episodes).gain]


@pytest.mark.parametrize("problems", [2, 3, 4, 5])
@pytest.mark.parametrize(("better", "worse"), [(0.5, 0.5), (0.5, 0.4), (0.3, 0.3), (0.2, 0.8), (0.1, 0.02)])
def test_exact_coverage_of_the_gain_over_first_answers_of_few_problems(problems: int, better: float, worse: float) -> None:
    """All logs of one episode per problem, by their probabilities; shares taken as independent hold the gain in 75 %."""
    right, wrong = (True, "stop"), (False, "stop")
    moves = ([(False, "resample"), right], [(True, "resample"), wrong], [(True, "resample"), right])
    held = np.zeros(2)
    for i in range(problems + 1):
        for w in range(problems + 1 - i):
            kinds = [0] * i + [1] * w + [2] * (problems - i - w)
            chance = comb(problems, i) * comb(problems - i, w) * better**i * worse**w * (1 - better - worse) ** kinds.count(2)
            found = _gains(Episodes.record([(str(k), moves[kind]) for k, kind in enumerate(kinds)]))
            held += [chance * (one.low <= better - worse <= one.high) for one in found]
    assert (held > 0.93).all(), held


@pytest.mark.parametrize(("better", "worse"), [(300, 150), (40, 90)])
def test_the_gain_over_first_answers_by_hand(better: int, worse: int) -> None:
    """2,000 problems of one episode, so that both shares are those of one draw: their correlation is -sqrt(xy/((1 - x)(1 - y))).

    By counting, and by Wilson's formula on its own; with a correlation of 1, or better and worse exchanged, ends are elsewhere.
    """
    n, z2, right, wrong = 2000, 1.959964**2, (True, "stop"), (False, "stop")
    moves = [[(False, "resample"), right]] * better + [[(True, "resample"), wrong]] * worse + [[right]] * 700
    log = Episodes.record([(str(i), move) for i, move in enumerate(moves + [[wrong]] * (n - len(moves)))])
    x, y = better / n, worse / n
    (below_x, above_x), (below_y, above_y) = (
        [(sign * z2 * (0.5 - r) + np.sqrt(z2 * (n * r * (1 - r) + z2 / 4))) / (n + z2) for sign in (-1, 1)] for r in (x, y)
    )
    cross = 2 * np.sqrt(x * y / ((1 - x) * (1 - y)))
    low, high = (x - y + sign * np.sqrt(one**2 + other**2 + cross * one * other)
                 for sign, one, other in ((-1, below_x, above_y), (1, above_x, below_y)))  # fmt: skip
    for found in _gains(log):
        assert found.value == pytest.approx(x - y, abs=1e-12)
        assert (found.low, found.high) == pytest.approx((low, high), abs=2e-4)


def test_nothing_is_gained_and_nobody_went_on_where_nobody_could() -> None:
    found = answer(Episodes.record([(str(i), [(i % 3 == 0, None)]) for i in range(9)], cap=1)).realised
    assert found["gain over the first answer"].text() == "0.000 [0.000, 0.000]"
    assert found["attempts"].text() == "1.000 [1.000, 1.000]"
    could = answer(Episodes.record([(str(i), [(i % 3 == 0, "stop")]) for i in range(9)], cap=4)).realised
    assert could["attempts"].low == 1.0
    assert could["attempts"].high == pytest.approx(1 / (1 - 1.959964**2 / (9 + 1.959964**2)))


def test_a_perfect_decision_by_hand() -> None:
    """Four episodes: right at once; wrong, then right; stopped on a wrong one (censored); wrong twice."""
    log = Episodes.record(
        [
            ("w", [(True, "resample"), (False, "stop")]),
            ("x", [(False, "resample"), (True, "stop")]),
            ("y", [(False, "stop")]),
            ("z", [(False, "resample"), (False, "resample"), (False, None)]),
        ]
    )
    assert any_correct(log, 1).value == pytest.approx(1 / 4)
    assert any_correct(log, 2).value == pytest.approx(1 - 3 / 4 * 1 / 2)
    assert any_correct(log, 3).value == pytest.approx(1 - 3 / 4 * 1 / 2)
    beyond = any_correct(log, 4)
    assert beyond.value is None
    assert beyond.reason == "no episode reached attempt 4 with only wrong answers before: at most 3 attempts can be judged"
    surely = any_correct(simulate_log(50, p=1.0, a=1.0, b=0.5, cap=3), 2)
    assert (surely.value, surely.high) == (1.0, 1.0)
    assert surely.low == pytest.approx(50 / (50 + 1.959964**2), rel=1e-6)
    never = any_correct(simulate_log(50, p=0.0, a=1.0, b=0.5, cap=3), 2)
    assert (never.value, never.low) == (0.0, 0.0)


def test_one_attempt_each_and_all_of_them_wrong() -> None:
    found = answer(Episodes.record([("x", [(False, None)]), ("y", [(False, None)])], cap=1))
    assert (found.predicted["accuracy"].value, found.predicted["attempts"].value, found.perfect.value) == (0.0, 1.0, 0.0)
    assert found.rates.a.reason
    assert found.rates.b.reason


def test_what_cannot_be_answered_says_why() -> None:
    found = answer(simulate_log(60, p=0.0, a=1.0, b=0.5, cap=4))
    assert found.helps == "cannot be estimated"
    assert found.youden.reason == found.multiplier.reason == found.rates.a.reason
    assert found.predicted["accuracy"].value == 0.0  # nothing was correct, whatever a is
    assert found.rates.a.reason in found.notes
    certain = answer(simulate_log(60, p=0.5, a=1.0, b=1.0, cap=40))
    assert certain.multiplier.value == np.inf
    assert 1 < certain.multiplier.low < certain.multiplier.high == np.inf


def test_the_realised_accuracy_is_the_pooled_one_without_a_cap_alone() -> None:
    """Half of the episodes are right at once, half at the second of three attempts: p = 2/3 and q = 1/3, counted by hand."""
    steps = [(True, "stop")], [(False, "resample"), (True, "stop")]
    found = answer(Episodes.record([(f"q{i}", steps[i % 2]) for i in range(6)], cap=3))
    assert found.predicted["accuracy, no cap"].value == pytest.approx(found.realised["accuracy"].value) == 1
    assert found.predicted["accuracy"].value == pytest.approx(2 / 3 * (1 + 1 / 3) + 1 / 9 * 2 / 3)
    assert any("without a cap equals the realised one" in note for note in found.notes)


def test_ends_beyond_floating_point_are_infinite_without_a_warning() -> None:
    """One episode of 3,000 right answers: the chance of a stop may be so small that the square of its inverse overflows."""
    found = answer(Episodes.record([("q", [(True, "resample")] * 2999 + [(True, "stop")])]))
    assert found.predicted["attempts, no cap"].value == pytest.approx(3000)
    assert found.predicted["attempts, no cap"].high == np.inf

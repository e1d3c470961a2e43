"""Logs in which nobody could resample: pass@k, majority and dead groups against enumeration, and no word of a and b."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from dstheory.anatomy import Episodes, read_log, survey
from dstheory.anatomy.answers import answer
from dstheory.anatomy.model_checks import check_problems
from dstheory.anatomy.one_shot import _of_dead, _trials, one_shot
from dstheory.anatomy.rates import over_problems
from dstheory.cli.anatomy.conclusions import conclusions
from dstheory.cli.anatomy.document import document
from dstheory.plots.anatomy import anatomy_figure

# Lopsided: groups of unlike sizes and shares, one all right, one all wrong.
SAMPLES = {"x": "RWWRWWW", "y": "RRRR", "z": "WWWWW", "u": "WRWRRRRR"}
ANSWERS = {"x": "4553673", "y": "4444", "z": "12-23", "u": "54744474"}


def _log(samples: dict[str, str], **fields: list[str]) -> Episodes:
    rows = [(name, [(one == "R", None)]) for name, text in samples.items() for one in text]
    return Episodes.record(rows, cap=1, fields=fields)


def _shares(size: int, k: int, dead: bool) -> np.ndarray:
    """The share of subsets of k that are all right (or all wrong, too), for every number of right samples."""
    right = np.array([math.comb(c, k) / math.comb(size, k) for c in range(size + 1)])
    return right + right[::-1] if dead else right


def _chances(size: int, p: float) -> np.ndarray:
    return np.array([math.comb(size, c) * p**c * (1 - p) ** (size - c) for c in range(size + 1)])


@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_no_mean_over_groups_is_worth_more_trials_than_that_of_alike_problems(k: int, dead: bool) -> None:
    """The variance of an average over subsets, from the binomial distribution; where problems differ it is larger."""
    sizes, p = np.array([k, k, 7, 8, 16, 16, 16, 16]), 0.3
    chances = [p, 1 - p] if dead else [p]
    rate = sum(x**k for x in chances)
    variance = sum(_chances(n, p) @ (_shares(n, k, dead) - rate) ** 2 for n in sizes.tolist()) / len(sizes) ** 2
    assert _trials(sizes, k, *chances) == pytest.approx(rate * (1 - rate) / variance)
    rng = np.random.default_rng(k)
    for size in range(k, 14):
        mixture, shares = rng.beta(0.5, 1.0, 3), _shares(size, k, dead)
        of = np.mean([_chances(size, x) for x in mixture], axis=0)
        mean = float(of @ shares)
        alike = _of_dead(mean, k) if dead else mean ** (1 / k)
        trials = _trials(np.array([size]), k, *([alike, 1 - alike] if dead else [alike]))
        assert of @ shares**2 - mean**2 >= mean * (1 - mean) / trials * (1 - 1e-9)


def test_coverage_of_groups_of_unlike_sizes() -> None:
    """200 logs of 60 alike problems with 4 to 256 samples each: only groups of few samples show how seldom four are all wrong.

    Of a coverage of 95 % fewer than 181 have probability 0.004; with as many trials as there are samples it was 88 %.
    """
    rng, held, truth = np.random.default_rng(12), 0, 1 - 0.6**4
    for _ in range(200):
        n = np.exp(rng.uniform(np.log(4), np.log(257), 60)).astype(int)
        pairs = zip(n.tolist(), rng.binomial(n, 0.6).tolist(), strict=True)
        wrong = np.array([math.comb(c, 4) / math.comb(size, 4) for size, c in pairs])
        found = over_problems(1 - wrong, np.arange(60), _trials(n, 4, float(wrong.mean()) ** 0.25), 0.95)
        held += found.low <= truth <= found.high
    assert held >= 181


def test_coverage_of_dead_groups_where_p_is_about_one_half() -> None:
    """200 logs of 12 problems with 100 samples and p from Beta(5, 5): p^2 + (1 - p)^2 is 6/11 in the mean.

    Of a coverage of 95 % fewer than 181 have probability 0.004; counted by the variance of alike problems alone it was 85 %.
    """
    rng, held = np.random.default_rng(4), 0
    for _ in range(200):
        right = [rng.permutation(100) < c for c in rng.binomial(100, rng.beta(5, 5, 12))]
        rows = [(str(i), [(bool(one), None)]) for i, those in enumerate(right) for one in those]
        (dead,) = [row.dead for row in one_shot(Episodes.record(rows, cap=1)).sizes if row.k == 2]
        held += dead.low <= 6 / 11 <= dead.high
    assert held >= 181


def test_groups_of_which_each_is_one_trial_have_no_star() -> None:
    """Two of 20 groups of a step are dead, whatever their sizes: that is binomial, alike or not."""
    rows = [(f"q{i}", [(i < 2 or j > 0, None)]) for i in range(20) for j in range(2 + i % 7)]
    found = one_shot(Episodes.record([*rows, ("z", [(True, None)])], cap=1, fields={"step": [*"1" * len(rows), "2"]}))
    assert found.steps[0].dead.value == 0.1
    assert not found.steps[0].dead.caution


def test_every_size_is_the_mean_over_all_subsets() -> None:
    found = {row.k: row for row in one_shot(_log(SAMPLES)).sizes}
    assert list(found) == [1, 2, 4]  # of 8 samples there is one group, fewer than half
    for k, row in found.items():
        each = {name: [set(subset) for subset in itertools.combinations(text, k)] for name, text in SAMPLES.items()}
        for what, event in (
            ("passed", lambda s: "R" in s),
            ("all_right", lambda s: s == {"R"}),
            ("all_wrong", lambda s: s == {"W"}),
        ):
            want = np.mean([np.mean([event(s) for s in subsets]) for subsets in each.values()])
            assert getattr(row, what).value == pytest.approx(want, abs=1e-14)
        assert row.groups == 4
    assert found[2].dead.value == pytest.approx(found[2].all_right.value + found[2].all_wrong.value)
    assert found[1].dead.value is None


def test_majorities_of_blocks() -> None:
    answers = [one if one != "-" else "(not given)" for text in ANSWERS.values() for one in text]
    found = {row.k: row for row in one_shot(_log(SAMPLES, answer=answers)).sizes}
    for k, row in found.items():
        groups = []
        for name, text in SAMPLES.items():
            credits = []
            for start in range(0, len(text) - k + 1, k):
                pairs = [p for p in zip(text[start : start + k], ANSWERS[name][start : start + k], strict=True) if p[1] != "-"]
                votes = {a: sum(b == a for _, b in pairs) for _, a in pairs}
                best = [a for a, n in votes.items() if n == max(votes.values())]
                credits.append(np.mean([np.mean([c == "R" for c, a in pairs if a == b]) for b in best]) if best else 0.0)
            groups.append(np.mean(credits))
        assert row.majority is not None
        assert row.majority.value == pytest.approx(np.mean(groups), abs=1e-14)


def test_fields_that_these_episodes_do_not_have_are_left_out() -> None:
    log = _log(
        {"x": "RW", "y": "WW"}, answer=["4", "5", "(not given)", "(not given)"], step=["1", "2", "(not given)", "(not given)"]
    )
    found = one_shot(log.select(np.array([2, 3])))
    assert found.steps == ()
    assert all(row.majority is None for row in found.sizes)


def test_groups_are_those_of_a_step() -> None:
    steps = ["10", "10", "2", "2", "2", "2", "2", "10"]
    log = _log({"x": "RWRRR", "y": "WWR"}, step=steps)
    found = one_shot(log)
    assert (found.groups, found.smallest, found.largest) == (4, 1, 3)
    rows = [(row.step, row.groups, round(row.p.value, 3), row.dead.value) for row in found.steps]
    assert rows == [("2", 2, 0.6, 1.0), ("10", 2, 0.667, 0.5)]


def test_intervals_hold_what_they_promise() -> None:
    rng = np.random.default_rng(7)
    problems, n, logs = 40, 8, 200
    # p ~ Beta(1, 3/2), so that pass@k is 1 - E (1 - p)^k
    truth = {k: 1 - np.prod([(1.5 + i) / (2.5 + i) for i in range(k)]) for k in (1, 4)}
    held = dict.fromkeys(truth, 0)
    for _ in range(logs):
        right = rng.random((problems, n)) < rng.beta(1.0, 1.5, size=problems)[:, None]
        zeros = np.zeros(problems * n, dtype=bool)
        log = Episodes(
            offsets=np.arange(problems * n + 1),
            correct=right.ravel(),
            stopped=zeros,
            capped=~zeros,
            problem=np.repeat(np.arange(problems), n),
            problem_ids=[str(i) for i in range(problems)],
            cap=np.ones(problems * n, dtype=int),
        )
        for row in one_shot(log).sizes:
            if row.k in truth:
                held[row.k] += row.passed.low <= truth[row.k] <= row.passed.high
    # 190 are expected; 178 are four standard deviations fewer, and 200 would be intervals that say nothing
    assert all(178 <= times <= 199 for times in held.values())


def test_means_at_the_ends_count_each_problem_once() -> None:
    one = over_problems(np.ones(6), np.array([0, 0, 1, 1, 2, 2]), 48, 0.95)
    assert one.value == 1.0
    assert one.method == "Wilson, 3 effective trials in 3 problems"
    assert over_problems(np.zeros(0), np.zeros(0, dtype=int), 0, 0.95).value is None


def test_a_survey_says_p_and_that_there_are_no_decisions() -> None:
    found = survey(_log(SAMPLES, task=["t"] * 24))
    sections = document(found)
    assert [section.title for section in sections] == ["sampling", "k samples of a problem"]
    assert "Each answer stands alone, so the log has no decisions" in " ".join(conclusions(found)[0].sentences)
    assert found.groups[0].total.rates.a.value is None
    assert found.groups[0].cap is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_figure_shows_samples_instead_of_decisions() -> None:
    figure = anatomy_figure(survey(_log(SAMPLES, task=["t"] * 24)))
    assert [axes.get_title() for axes in figure.axes] == ["k samples of a problem"]  # pass@1 is p
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["pass@k", "dead groups"]
    two = anatomy_figure(survey(_log(SAMPLES, task=["t", "u"] * 12)))
    assert [axes.get_title() for axes in two.axes] == ["sampling", "k samples of a problem"]


def _file(tmp_path: Path, *records: dict[str, object]) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def _once(i: int, **more: object) -> dict[str, object]:
    return {"id": i, "attempts": [{"correct": i % 3 == 0, "decision": "stop"}], **more}


def test_where_nobody_tried_again_and_nobody_says_one_could_there_is_no_a(tmp_path: Path) -> None:
    log = read_log(_file(tmp_path, *map(_once, range(9))))
    assert log.episodes.one_shot
    assert any("nobody could resample" in note for note in log.reading.notes)
    assert answer(log.episodes).rates.b.value is None
    assert answer(read_log(_file(tmp_path, *map(_once, range(9))), cap=4).episodes).rates.b.value == 0.0
    capped = [_once(i, cap=3) for i in range(9)]
    assert answer(read_log(_file(tmp_path, *capped)).episodes).rates.b.value == 0.0


def test_a_record_that_is_left_out_with_one_attempt_shows_no_decisions(tmp_path: Path) -> None:
    """One record whose correctness was null made nine others stop after every answer: a was 1 and b 0."""
    unclear = {"id": 9, "attempts": [{"correct": None, "decision": "stop"}]}
    log = read_log(_file(tmp_path, *map(_once, range(60)), unclear))
    assert log.episodes.one_shot
    assert log.reading.bounds.startswith("of all records p between 0.328 and 0.344, whatever")  # 20/61 and 21/61
    again = {"id": 9, "attempts": [{"correct": None, "decision": "resample"}, {"correct": 1, "decision": "stop"}]}
    assert not read_log(_file(tmp_path, *map(_once, range(60)), again)).episodes.one_shot
    unknown = {"id": 9, "attempts": [{"correct": 1, "decision": "retry?"}]}
    assert not read_log(_file(tmp_path, *map(_once, range(60)), unknown)).episodes.one_shot


def test_bounds_are_of_p_alone_where_nobody_decided(tmp_path: Path) -> None:
    """They said that a and b lie between 0 and 1, beside the sentence that there is neither."""
    rows = [{"id": i, "first": i % 2, "second": 1} for i in range(60)] + [{"id": 60, "first": None, "second": 1}]
    bounds = read_log(_file(tmp_path, *rows), turns="first,second").reading.bounds
    assert bounds.startswith("of all records p between 0.738 and 0.754, whatever")  # 90/122 and 92/122


def test_another_model_may_have_tried_again(tmp_path: Path) -> None:
    again = {
        "id": 9,
        "model": "m",
        "attempts": [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}],
    }
    log = read_log(_file(tmp_path, *(_once(i, model="m" if i < 4 else "n") for i in range(8)), again)).episodes
    assert log.cap.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 0]


def test_decisions_that_are_all_right_are_not_taken_for_the_models() -> None:
    episodes = [("x", [(True, "stop")]), ("y", [(False, "resample"), (True, "stop")]), ("z", [(True, "stop")])]
    found = answer(Episodes.record(episodes))
    assert (found.rates.a.value, found.rates.b.value, found.helps) == (1.0, 1.0, "undecided")
    assert any("if one did, decisions are not the model's" in note for note in found.notes)


def test_endless_attempts_have_an_interval() -> None:
    found = answer(Episodes.record([("x", [(False, "resample"), (False, None)])]))  # warnings are errors
    assert found.predicted["attempts"].text() == "inf [1.053, inf]"


def test_a_correlation_beyond_one_is_said_to_be_so() -> None:
    once, twice = [(True, "stop")], [(False, "resample"), (False, "resample"), (False, None)]
    log = Episodes.record([*((str(i), once) for i in range(10)), *((f"w{i}", twice) for i in range(3))], cap=3)
    effect = check_problems(log, "p", resamples=20)[0].effect
    assert effect.startswith("correlation within a problem 1.000 (beyond 1: numbers of trials depend on their outcomes)")

"""The columns: what they refuse, and their counts against a loop over records."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.anatomy import NOT_GIVEN, Episodes, Labels
from dstheory.errors import RecordError

LOG = [
    ("x", [(False, "resample"), (True, "resample"), (True, "stop")]),
    ("y", [(False, "stop")]),
    ("x", [(False, "resample"), (False, "resample"), (False, "resample"), (True, "stop")]),  # at its cap: the stop is censored
    ("z", [(True, "resample"), (False, None)]),  # ends without a stop
]


def lopsided() -> Episodes:
    return Episodes.record(LOG, cap=[0, 4, 4, 9], fields={"task": ["easy", "hard", "easy", "hard"]})


def test_columns() -> None:
    log = lopsided()
    assert log.attempts.tolist() == [3, 1, 4, 2]
    assert log.round.tolist() == [0, 1, 2, 0, 0, 1, 2, 3, 0, 1]
    assert log.episode.tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 3, 3]
    assert log.capped.tolist() == [False, False, True, True]
    assert log.decided.tolist() == [True] * 7 + [False, True, False]
    assert log.final_correct.tolist() == [True, False, True, False]
    assert log.ended_by_stop.tolist() == [True, True, True, False]
    assert (log.n_problems, log.problem_ids, log.problem.tolist()) == (3, ("x", "y", "z"), [0, 1, 0, 2])


@pytest.mark.parametrize("axes", [(), ("problem",), ("round",), ("episode",), ("task", "round"), ("round", "problem", "task")])
def test_counts_are_a_loop(axes: tuple[str, ...]) -> None:
    log = lopsided()
    tasks, names = ["easy", "hard", "easy", "hard"], {"problem": 3, "round": 4, "episode": 4, "task": 2}
    kinds = ("attempts", "correct", "decided_correct", "stop_correct", "decided_wrong", "resample_wrong")
    want = {kind: np.zeros([names[a] for a in axes], dtype=int) for kind in kinds}
    for i, (problem, steps) in enumerate(LOG):
        for k, (correct, decision) in enumerate(steps):
            where = {"problem": "xyz".index(problem), "round": k, "episode": i, "task": int(tasks[i] == "hard")}
            cell = tuple(where[a] for a in axes)
            last_and_capped = k == len(steps) - 1 and i in (2, 3)
            want["attempts"][cell] += 1
            want["correct"][cell] += correct
            want["decided_correct"][cell] += correct and not last_and_capped
            want["stop_correct"][cell] += correct and not last_and_capped and decision == "stop"
            want["decided_wrong"][cell] += not correct and not last_and_capped
            want["resample_wrong"][cell] += not correct and not last_and_capped and decision == "resample"
    got = log.counts(*axes)
    for kind in kinds:
        np.testing.assert_array_equal(getattr(got, kind), want[kind], err_msg=kind)


def test_selections_and_fields() -> None:
    log = lopsided()
    parts = log.by("task")
    assert list(parts) == ["easy", "hard"]
    assert parts["hard"].correct.tolist() == [False, True, False]
    assert parts["hard"].problem_ids == log.problem_ids
    assert parts["easy"].n_problems == 1
    again = log.select([2, 2, 1])
    assert again.attempts.tolist() == [4, 4, 1]
    assert again.correct.tolist() == [False, False, False, True] * 2 + [False]
    assert len(log.select(np.zeros(4, dtype=bool))) == 0
    renamed = log.with_field("model", Labels.constant("m", 4))
    assert renamed.column("model").codes.tolist() == [0] * 4
    with pytest.raises(RecordError, match=r"^no record has the field 'modle': there are task, model$"):
        renamed.column("modle")
    with pytest.raises(RecordError, match=r"^no record has the task 'odd': there are easy, hard$"):
        renamed.column("task").code("odd", "task")


def test_tables_are_put_together() -> None:
    log = lopsided()
    more = Episodes.record([("y", [(True, "stop")]), ("w", [(False, None)])], fields={"model": ["m", "n"]})
    both = Episodes.concatenate([log, more])
    assert both.problem_ids == ("x", "y", "z", "w")
    assert both.problem.tolist() == [0, 1, 0, 2, 1, 3]
    assert both.offsets.tolist() == [0, 3, 4, 8, 10, 11, 12]
    assert both.column("model").names == (NOT_GIVEN, "m", "n")
    assert both.column("task").codes.tolist() == [0, 1, 0, 1, 2, 2]
    assert Episodes.concatenate([log]) is log
    with pytest.raises(RecordError, match="there are no episodes to put together"):
        Episodes.concatenate([])


def test_nobody_can_change_them() -> None:
    given = np.array([True])
    log = Episodes(np.array([0, 1]), given, np.array([True]), np.array([False]), np.array([0]), ["x"], np.array([0]))
    given[0] = False
    assert log.correct.tolist() == [True]
    with pytest.raises(ValueError, match="read-only"):
        log.correct[0] = False
    with pytest.raises(TypeError):
        log.fields["task"] = Labels.constant("t", 1)


BASE = {
    "offsets": [0, 2, 3], "correct": [True, False, True], "stopped": [False, False, True], "capped": [True, False],
    "problem": [0, 1], "problem_ids": ["x", "y"], "cap": [2, 0],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": [0, 2]}, "offsets has 2 entries for 2 episodes: must be 3, from 0 to 3"),
        ({"offsets": [0, 3, 3]}, "episode 1 has the attempts 0: must be at least one"),
        ({"stopped": [True, False, True]}, "episode 0 goes on after a stop: only its last attempt may stop"),
        ({"stopped": [False, True]}, "stopped has 2 entries: needs 3"),
        ({"capped": [False, False]}, "episode 0 has the capped False: must be true for an episode that ends without a stop"),
        ({"cap": [1, 0]}, "episode 0 has the cap 1: must be 0 (none) or at least the number of attempts"),
        ({"cap": [2, -1]}, "episode 1 has the cap -1: must be 0 (none) or at least the number of attempts"),
        ({"problem": [0, 2]}, "episode 1 has the problem 2: must be an index of the 2 problem ids"),
        ({"correct": [1, 0, 1]}, "correct is an array of int64 with 1 dimensions: must be one row of booleans"),
        ({"problem": [0.0, 1.0]}, "problem is an array of float64 with 1 dimensions: must be one row of whole numbers"),
        ({"fields": {"task": Labels.constant("t", 3)}}, "field task has 3 entries: needs 2"),
        ({"fields": {"task": Labels(np.arange(2), ("t",))}}, "episode 1 has the code of task 1: must be an index of its 1 names"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_named(change, message: str) -> None:
    as_arrays = {k: np.array(v) if isinstance(v, list) and k != "problem_ids" else v for k, v in (BASE | change).items()}
    with pytest.raises(RecordError) as caught:
        Episodes(**as_arrays)
    assert str(caught.value) == message


def test_unknown_decisions_by_hand() -> None:
    with pytest.raises(RecordError, match="decision 'halt' is unknown: must be 'stop', 'resample' or None"):
        Episodes.record([("x", [(True, "halt")])])

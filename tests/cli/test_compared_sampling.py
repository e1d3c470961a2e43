"""Where a difference cannot be split, first answers are compared, and the rest is said to be absent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dstheory.anatomy import Episodes, Labels, compare, simulate_log, survey
from dstheory.anatomy.difference import compare_first_answers
from dstheory.errors import RecordError


def one_shot(right: list[list[bool]], *, name: str = "x", log: str = "a", cap: int = 1) -> Episodes:
    rolls = [(f"{name}{i}", [(c, None)]) for i, row in enumerate(right) for c in row]
    found = Episodes.record(rolls, cap=cap)
    n = len(found)
    return found.with_field("task", Labels.constant("any", n)).with_field("model", Labels.constant(log, n))


def drawn(p: np.ndarray, samples: int, rng: np.random.Generator, **names: str) -> Episodes:
    return one_shot((rng.random((len(p), samples)) < p[:, None]).tolist(), **names)


def test_first_answers_of_two_logs_with_an_interval_of_their_difference() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 1, size=200)
    before, after = drawn(p, 4, rng), drawn(np.sqrt(p), 4, rng)
    paired = compare_first_answers(before, after)
    assert (paired.before.value, paired.after.value) == (before.correct.mean(), after.correct.mean())
    assert paired.gain.value == pytest.approx(after.correct.mean() - before.correct.mean())
    assert (paired.shared, paired.gain.low > 0) == (200, True)
    apart = compare_first_answers(before, drawn(np.sqrt(p), 4, rng, name="y"))
    assert apart.shared == 0
    assert apart.gain.high - apart.gain.low > 1.5 * (paired.gain.high - paired.gain.low)  # problems in common cancel


@pytest.mark.parametrize("shared", [True, False])
def test_the_interval_of_the_difference_covers(shared: bool) -> None:
    rng, hits, times = np.random.default_rng(1), 0, 400
    for _ in range(times):
        p = rng.beta(2, 2, size=40)
        q = p if shared else rng.beta(2, 2, size=40)
        found = compare_first_answers(drawn(p, 3, rng), drawn(q**2, 3, rng, name="x" if shared else "y"))
        hits += found.gain.low < 0.3 - 0.5 < found.gain.high  # E[p^2] = 2 * 3 / (4 * 5)
    assert hits / times > 0.95 - 4 * np.sqrt(0.95 * 0.05 / times)


@pytest.mark.parametrize(("one", "other"), [(True, True), (False, False), (True, False), (False, True)])
def test_at_the_ends_the_interval_is_neither_empty_nor_beyond_one(one: bool, other: bool) -> None:
    found = compare_first_answers(one_shot([[one]] * 12), one_shot([[other]] * 12))
    assert found.gain.value == int(other) - int(one)
    assert -1 <= found.gain.low <= found.gain.value <= found.gain.high <= 1
    assert found.gain.low < found.gain.high


@pytest.mark.parametrize("other", ["one shot", "cap 3", "never right"])
def test_a_survey_compares_what_can_be_compared_and_says_what_is_absent(other: str) -> None:
    rng = np.random.default_rng(2)
    first = drawn(rng.random(30), 4, rng, log="base")
    if other == "one shot":
        second = drawn(rng.random(30), 4, rng, log="tuned")
    else:
        p = 0.4 if other == "cap 3" else 0.0
        second = simulate_log(40, p=p, a=0.9, b=0.8, cap=3, rng=3)
        n = len(second)
        second = second.with_field("task", Labels.constant("any", n)).with_field("model", Labels.constant("tuned", n))
    if other == "never right":
        first = simulate_log(40, p=0.4, a=0.9, b=0.8, cap=3, rng=4)
        n = len(first)
        first = first.with_field("task", Labels.constant("any", n)).with_field("model", Labels.constant("base", n))
    found = survey(Episodes.concatenate([first, second]), compared=("base", "tuned"))
    assert found.comparison is None
    assert found.first_answers is not None
    assert found.first_answers_parts["any"].gain.value == found.first_answers.gain.value
    (why,) = [note for note in found.first_answers.notes if "cannot be split" in note]
    assert "before" not in why.replace("answers before", "")
    assert ("base" in why) == (other != "never right")
    assert found.to_dict()["first_answers"]["gain"]["value"] == found.first_answers.gain.value


def test_the_command_compares_two_logs_of_single_answers(tmp_path: Path, dstheory) -> None:
    for name, right in (("old.jsonl", 1), ("new.jsonl", 3)):
        rows = [
            {"prompt": f"task {i}", "completion": f"answer {j}", "score": float(j < right), "step": 1, "acc": int(j < right)}
            for i in range(25) for j in range(4)
        ]  # fmt: skip
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    said = dstheory("anatomy", "old.jsonl", "new.jsonl", "--compare", "old.jsonl", "new.jsonl", "--report", "r.html")
    assert said.code == 0, said.err
    assert "from old.jsonl to new.jsonl" in said.out
    assert "0.250" in said.out
    assert "0.500 [" in said.out
    assert "cannot be split into sampling and decisions" in said.out
    assert "before" not in said.out
    assert "from old.jsonl to new.jsonl" in (tmp_path / "r.html").read_text(encoding="utf-8")
    kept = json.loads((tmp_path / "results" / "anatomy" / "anatomy.json").read_text(encoding="utf-8"))
    assert kept["first_answers"]["gain"]["value"] == 0.5


def test_names_in_messages_are_those_that_the_user_gave() -> None:
    log = simulate_log(40, p=0.4, a=0.8, b=0.6, cap=4)
    never = simulate_log(40, p=0.0, a=0.8, b=0.6, cap=4)
    with pytest.raises(RecordError, match=r"^tuned cannot be split: no correct attempt"):
        compare(log, never, names=("base", "tuned"))

"""Simulated logs in the forms of trainers and harnesses are recognised, and what is read is what was simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dstheory.anatomy import read_log, survey
from dstheory.anatomy.generate import FORMS, made_log, write_made_log
from dstheory.errors import UnknownNameError


def read(tmp_path: Path, form: str, problems: int, **options):
    made = {name: value for name, value in options.items() if name != "where"}
    write_made_log(tmp_path / f"{form}.jsonl", form, problems, **made)
    return read_log(tmp_path / f"{form}.jsonl", where=options.get("where", {}))


def truth(shift: float) -> float:
    """The mean of the chance over levels, by a sum over a fine grid."""
    u = np.linspace(-12, 12, 4001)
    weight = np.exp(-0.5 * (u / 1.5) ** 2)
    return float((weight / (1 + np.exp(-u - shift))).sum() / weight.sum())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shift", [-800.0, 800.0])
def test_a_shift_may_be_large(form: str, shift: float) -> None:
    assert list(made_log(form, 3, samples=2, shift=shift))  # without a warning


@pytest.mark.parametrize(
    ("form", "words"), [("trainer", "verl rollouts"), ("inspect", "Inspect samples"), ("turns", "list of turns")]
)
def test_forms_are_recognised(tmp_path: Path, form: str, words: str) -> None:
    log = read(tmp_path, form, 20, samples=3)
    assert words in " ".join(log.reading.lines())
    assert len(log.episodes) == 60
    assert log.episodes.n_problems == 20


def test_the_chances_are_those_that_were_asked_for(tmp_path: Path) -> None:
    p = survey(read(tmp_path, "inspect", 500, samples=4, shift=0.5)).groups[0].total.rates.p
    assert p.low < truth(0.5) < p.high
    strict = read(tmp_path, "lm-eval", 2000, where={"filter": "strict-match"}).episodes.correct.mean()
    assert strict == pytest.approx(0.9 * truth(0.0), abs=0.035)  # three standard errors


def test_later_steps_are_better_and_second_turns_are_not(tmp_path: Path) -> None:
    group = survey(read(tmp_path, "trainer", 320)).groups[0]
    assert group.one_shot is not None
    assert [step.groups for step in group.one_shot.steps] == [16] * 20
    assert group.one_shot.steps[0].p.high < group.one_shot.steps[-1].p.low
    turns = survey(read(tmp_path, "turns", 300, samples=4)).groups[0].revisions
    assert turns is not None
    assert turns.gain.low < 0 < turns.gain.high
    assert turns.within.low < 0.5 < turns.within.high
    assert turns.afresh == "rejected"


def test_the_same_problems_have_the_same_levels_and_other_answers() -> None:
    one, two = (np.array([row["scores"]["match"]["value"] == "C" for row in made_log("inspect", 400, samples=8, shift=shift)])
                for shift in (0.0, 0.01))  # fmt: skip
    assert (one != two).any()
    means = one.reshape(400, 8).mean(axis=1), two.reshape(400, 8).mean(axis=1)
    assert np.corrcoef(*means)[0, 1] > 0.6
    assert list(made_log("turns", 5, seed=4)) == list(made_log("turns", 5, seed=4))


def test_a_form_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="there are trainer, lm-eval, inspect, turns"):
        next(made_log("nope", 3))
    assert list(FORMS) == ["trainer", "lm-eval", "inspect", "turns"]

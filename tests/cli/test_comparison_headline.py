"""The headline of a comparison says which way a part goes, also where accuracy falls."""

import itertools
import json
import random
import re
from types import SimpleNamespace

import pytest

from dstheory.anatomy.rates import Estimate
from dstheory.cli.anatomy import conclusions


@pytest.mark.parametrize(
    ("gain", "decide", "words"),
    [
        (0.1, 0.2, "sampling takes away"),
        (0.1, -0.1, "decisions take away"),
        (-0.1, -0.2, "sampling adds"),
        (-0.1, 0.1, "decisions add"),
    ],
)
def test_the_part_that_goes_the_other_way_is_told_with_its_sign(monkeypatch, gain, decide, words):
    monkeypatch.setattr(conclusions, "_sign", lambda part: (part.value > 0) - (part.value < 0))
    share = Estimate(decide / gain, decide / gain - 0.1, decide / gain + 0.1, 0.95, "")
    assert conclusions._share(SimpleNamespace(gain=SimpleNamespace(value=gain), decision_share=share)).endswith(f"{words})")
    wide = Estimate(share.value, share.low - 2, share.high + 2, 0.95, "")  # holds all of it, and nothing
    said = conclusions._share(SimpleNamespace(gain=SimpleNamespace(value=gain), decision_share=wide))
    assert said.endswith(f"(whether that is {'more than all of it' if share.value > 1 else 'below nothing'} is not shown)")


def test_a_part_that_goes_the_other_way_does_not_contribute(dstheory) -> None:
    """Sampling is worse by far and decisions are better by more, and the same seen from the end."""
    cells = ("--cell", "base,t,0.7,0.8,0.2", "--cell", "tuned,t,0.4,0.98,0.95")
    assert dstheory("anatomy", "generate", "log.jsonl", *cells).code == 0
    there = dstheory("anatomy", "log.jsonl", "--compare", "base", "tuned", "--out", "a", "--brief").out
    back = dstheory("anatomy", "log.jsonl", "--compare", "tuned", "base", "--out", "b", "--brief").out
    for said, what in ((there, "gain is it, from base to tuned"), (back, "loss is it, from tuned to base")):
        assert f"Whose {what}? Decisions contribute, sampling works against it;" in " ".join(said.split())


def test_a_headline_says_that_its_interval_may_be_too_narrow() -> None:
    near = Estimate(0.2, 0.1, 0.3, 0.95, "", caution="few problems show how much they differ")
    assert conclusions._narrow(near, "the difference") == "; the interval of the difference may be too narrow"
    first = SimpleNamespace(before=near, after=near, gain=near, notes=())
    assert conclusions._first_answers("Better?", first, ("a", "b")).short.endswith(conclusions._narrow(near, "the difference"))


def test_the_row_of_the_mean_has_the_share_of_the_headline(dstheory) -> None:
    dstheory("anatomy", "generate", "log.jsonl", "--problems", 60)
    said = dstheory("anatomy", "log.jsonl", "--compare", "base", "tuned", "--out", "a").out
    (headline,) = re.findall(r"decisions' share\s+of\s+the\s+change\s+is\s+(-?\d\.\d\d \[\S+\s+\S+\]\*?)", said)
    (row,) = re.findall(r"^ +mean over task .*?(-?\d\.\d\d \[\S+ \S+\]\*?)$", said, flags=re.MULTILINE)
    assert row == headline


def test_the_brief_form_is_the_answers_alone(dstheory, tmp_path) -> None:
    assert dstheory("anatomy", "generate", "log.jsonl", "--problems", 60).code == 0
    whole = dstheory("anatomy", "log.jsonl", "--compare", "base", "tuned", "--out", "one").out.split("\n\n")
    brief = dstheory("anatomy", "log.jsonl", "--compare", "base", "tuned", "--out", "two", "--brief").out.split("\n\n")
    assert whole[0] == brief[0]
    assert "By decisions" in brief[0]
    assert " ".join(whole[1].split()) == (
        "Next: what was read, and the tables behind these answers; --brief leaves the tables out."
    )
    assert brief[1:] == [whole[2], "figures, numbers and manifest: two\n"]
    assert "360 records read, 360 used" in whole[2]
    assert len(whole) > 5
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"id": 7, "model": "base", "attempts": 3}\n')
    cut = dstheory("anatomy", "log.jsonl", "--out", "three", "--brief").out.split("\n\n")
    assert "line 361" in cut[1]
    assert "361 records read, 360 used" in cut[1]
    both = dstheory("anatomy", "log.jsonl", "--brief", "--details")
    assert (both.code, "give one of them" in both.err) == (2, True)


def test_that_b_differs_between_problems_is_said_once(dstheory, tmp_path) -> None:
    """Problems with b of 0.95 and of 0.3, two episodes of each."""
    rng = random.Random(2)
    lines = []
    for problem, model, once in itertools.product(range(300), ("base", "tuned"), range(2)):
        again = 0.5 if model == "base" else 0.95 if problem % 2 else 0.3
        right = [rng.random() < 0.5 for _ in range(5)]
        ends = next((i for i, one in enumerate(right) if one or rng.random() >= again), 4)
        attempts = [{"correct": one, "decision": "resample"} for one in right[: ends + 1]]
        attempts[-1]["decision"] = "stop"
        record = {"id": f"{model}{problem}.{once}", "problem": problem, "model": model, "cap": 5, "attempts": attempts}
        lines.append(json.dumps(record))
    (tmp_path / "unlike.jsonl").write_text("\n".join(lines))
    said = " ".join(dstheory("anatomy", "unlike.jsonl", "--compare", "base", "tuned", "--brief").out.split())
    assert said.count("that b is the same for all problems; what that does to it is not known: no log tells which") == 1
    assert "b differs between problems" not in said.lower()


def test_more_resampling_is_not_said_to_go_to_hard_problems_where_it_goes_to_easy_ones(dstheory) -> None:
    """The second model resamples nine of ten right answers, so that p over all attempts rises, although its p is lower."""
    cells = ("--cell", "base,t,0.5,0.9,0.1", "--cell", "tuned,t,0.44,0.1,0.1", "--problems", 600)
    assert dstheory("anatomy", "generate", "log.jsonl", *cells).code == 0
    said = " ".join(dstheory("anatomy", "log.jsonl", "--compare", "base", "tuned", "--out", "a", "--brief").out.split())
    assert "p over all attempts rose" in said
    assert "decisions also say how many attempts go to easy and to hard ones" in said


def test_how_far_parts_may_be_off_is_said_of_every_row_of_the_table(dstheory) -> None:
    """It was said of the split of all problems alone, and of the mean and of labels in JSON only."""
    cells = [("base", "easy", "0.7,0.9,0.3"), ("base", "hard", "0.3,0.9,0.5"),
             ("tuned", "easy", "0.8,0.95,0.9"), ("tuned", "hard", "0.4,0.95,0.9")]  # fmt: skip
    args = [word for model, task, rates in cells for word in ("--cell", f"{model},{task},{rates}")]
    assert dstheory("anatomy", "generate", "log.jsonl", "--problems", 60, "--seed", 1, *args).code == 0
    found = dstheory("anatomy", "log.jsonl", "--compare", "base", "tuned", "--out", "a", "--json").result
    off = {label: part["spreads"]["decide"]["bias"] for label, part in found["comparison_parts"].items()}
    noted = [label for label, part in found["comparison_parts"].items() if any("too short" in note for note in part["notes"])]
    assert noted == ["easy"]
    assert not any("too short" in note for note in found["comparison"]["notes"])
    mean = (60 * off["easy"] + 60 * off["hard"]) / 120  # as many problems in both
    assert found["comparison_mean"]["unseen"] == pytest.approx(mean, rel=1e-9)
    said = " ".join(dstheory("anatomy", "log.jsonl", "--compare", "base", "tuned", "--out", "b", "--brief").out.split())
    assert (
        f"Episodes are too short to show how problems differ: the parts may be off by {mean:.2g} in the mean and "
        f"{off['easy']:.2g} in easy beside chance, which their intervals allow for."
    ) in said

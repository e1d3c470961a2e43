"""What is written is read back; the synthetic log is reproducible; a measured chain predicts what the fitted rates say."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory import solve
from dstheory.anatomy import Episodes, read_log, record_schema
from dstheory.anatomy.export import measured_chain, write_log
from dstheory.anatomy.generate import BUNDLED, Cell, generate_log, parse_cell, simulate_log
from dstheory.anatomy.rollout_chain import fit_chain
from dstheory.errors import RecordError
from dstheory.readers import read_chain, write_chain

STEPS = st.lists(st.booleans(), min_size=1, max_size=4)
EPISODE = st.tuples(st.sampled_from(["x", "y", 'quo"te', "ü"]), STEPS, st.sampled_from(["stop", None]))


@given(
    st.lists(EPISODE, min_size=1, max_size=6), st.sampled_from([0, 4, 9]), st.sampled_from([".jsonl", ".jsonl.gz", ".jsonl.zst"])
)
def test_round_trip(tmp_path_factory, listed, cap: int, suffix: str) -> None:
    listed = [("0", [False, True], "stop"), *listed]  # where nobody tries again, a log without a cap is read as one with cap 1
    episodes = [(name, [(c, "resample") for c in steps[:-1]] + [(steps[-1], last)]) for name, steps, last in listed]
    labels = [name * 2 for name, *_ in listed]
    log = Episodes.record(episodes, cap=cap, fields={"task": labels, "model": ["m"] * len(labels), "seed": ["1"] * len(labels)})
    path = tmp_path_factory.mktemp("log") / f"a{suffix}"
    write_log(path, log)
    back = read_log(path, labels=["seed"]).episodes
    for name in ("offsets", "correct", "stopped", "capped", "cap"):
        np.testing.assert_array_equal(getattr(back, name), getattr(log, name), err_msg=name)
    assert [back.problem_ids[i] for i in back.problem] == [log.problem_ids[i] for i in log.problem]
    for name in ("task", "model", "seed"):
        one, two = back.column(name), log.column(name)
        assert [one.names[c] for c in one.codes] == [two.names[c] for c in two.codes]


def test_what_is_written_validates(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    write_log(path, generate_log(20))
    validator = jsonschema.Draft202012Validator(record_schema())
    for line in path.read_text().splitlines():
        validator.validate(json.loads(line))


def test_the_synthetic_log_is_what_it_says(tmp_path) -> None:
    log = generate_log(3000, concentration=None, seed=3)
    assert log.column("model").names == ("base", "tuned")
    for cell in BUNDLED:
        part = log.by("model")[cell.model].by("task")[cell.task]
        counts = part.counts()
        for rate, (successes, trials) in zip((cell.p, cell.a, cell.b), (
            (counts.correct, counts.attempts), (counts.stop_correct, counts.decided_correct),
            (counts.resample_wrong, counts.decided_wrong)), strict=True):  # fmt: skip
            # Five standard errors of a binomial share: 18 comparisons, about one failure in 100,000 seeds.
            assert abs(successes / trials - rate) < 5 * np.sqrt(rate * (1 - rate) / trials)
    again, other = generate_log(50, seed=3), generate_log(50, seed=4)
    np.testing.assert_array_equal(again.correct, generate_log(50, seed=3).correct)
    assert len(again.correct) != len(other.correct) or (again.correct != other.correct).any()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("m,t,0.5,0.5", "is not a cell: write MODEL,TASK,P,A,B"),
        ("m,t,0.5,0.5,high", "is not a cell: write MODEL,TASK,P,A,B"),
        ("m,t,0.5,0.5,1.5", "is not a cell: needs names of model and task, and three probabilities"),
        (",t,0.5,0.5,0.5", "is not a cell: needs names of model and task, and three probabilities"),
    ],
)
def test_cells_that_are_none(text: str, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        parse_cell(text)


def test_the_same_cell_twice_is_refused() -> None:
    with pytest.raises(RecordError, match="the same model and task are given twice"):
        generate_log(5, cells=[Cell("m", "t", 0.5, 0.5, 0.5)] * 2)
    with pytest.raises(RecordError, match="there are no cells"):
        generate_log(5, cells=[])


# ---------------------------------------------------------------------- chains


def test_a_measured_chain_has_the_accuracy_of_the_fitted_one(tmp_path) -> None:
    log = generate_log(300, cells=[Cell("m", "easy", 0.7, 0.9, 0.5), Cell("m", "hard", 0.2, 0.8, 0.7)], cap=5)
    made = measured_chain(log)
    assert made.mdp.prompts == ("easy", "hard")
    assert made.mdp.max_turns == 5
    solution = solve(made.mdp, made.policy)
    for i, part in enumerate(log.by("task").values()):
        assert float(solution.accuracy[i]) == pytest.approx(fit_chain(part).accuracy(5), rel=1e-12)
    write_chain(tmp_path / "c.json", made.mdp, made.policy, answers=made.answers)
    back = read_chain(tmp_path / "c.json")
    np.testing.assert_allclose(back.policy.sample_prob, made.policy.sample_prob, rtol=1e-12)
    assert back.mdp.max_turns == 5
    assert back.answers == (("right", "wrong"),) * 2


def test_a_prompt_per_problem_shrinks_to_the_mean() -> None:
    log = simulate_log(400, p=0.4, a=0.9, b=0.8, cap=6, concentration=1.5, episodes_per_problem=4)
    made = measured_chain(log, by="problem")
    counts = log.counts("problem")
    raw, p = counts.correct / counts.attempts, made.policy.sample_prob[0, :, 0]
    mean = fit_chain(log, "heterogeneous").p.mean
    assert ((p - mean) * (raw - mean) >= -1e-12).all()
    assert (np.abs(p - mean) <= np.abs(raw - mean) + 1e-12).all()
    assert (p > 0).all()
    assert (p < 1).all()
    # Averaged over problems the chain predicts the realised accuracy, which one pooled p does not.
    realised = log.final_correct.mean()
    assert abs(float(solve(made.mdp, made.policy).mean_accuracy) - realised) < 0.03


def test_chains_that_cannot_be_made() -> None:
    mixed = Episodes.record([("x", [(True, "stop")]), ("y", [(True, "stop")])], cap=[2, 0], fields={"task": ["t", "t"]})
    with pytest.raises(
        RecordError, match=r"the episodes have different caps \(none, 2\): choose the chain's with --cap, 0 for none"
    ):
        measured_chain(mixed)
    assert measured_chain(mixed, cap=0).mdp.max_turns is None
    with pytest.raises(RecordError, match="no record has the field 'level'"):
        measured_chain(mixed, by="level", cap=0)

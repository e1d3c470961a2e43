"""Why one model is better: Shapley's axioms, exact sums, pairing, intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
from anatomy.logs import many_logs
from hypothesis import given
from hypothesis import strategies as st

from dstheory import Policy, TwoStageMDP, split_gain
from dstheory.anatomy import Episodes, chain_formulas
from dstheory.anatomy.difference import compare, split
from dstheory.anatomy.simulate import simulate_log
from dstheory.errors import RecordError

INSIDE = st.floats(0.01, 0.99)
CHAIN = st.tuples(INSIDE, INSIDE, INSIDE)


@given(before=CHAIN, after=CHAIN, cap=st.integers(0, 6), unstopped=st.sampled_from(["submit", "wrong"]))
def test_the_parts_sum_to_the_gain_and_idle_stages_get_nothing(before, after, cap, unstopped) -> None:
    found = split(before, after, cap, unstopped=unstopped)
    gain = chain_formulas.accuracy(*after, cap, unstopped=unstopped) - chain_formulas.accuracy(*before, cap, unstopped=unstopped)
    assert float(found.sample + found.decide) == pytest.approx(float(gain), abs=1e-14)
    back = split(after, before, cap, unstopped=unstopped)
    assert float(back.decide) == pytest.approx(-float(found.decide), abs=1e-14)
    decided = split(before, (before[0], *after[1:]), cap, unstopped=unstopped)
    assert float(decided.sample) == 0.0
    sampled = split(before, (after[0], *before[1:]), cap, unstopped=unstopped)
    assert float(sampled.decide) == 0.0


@pytest.mark.parametrize("cap", [0, 3])
def test_against_the_split_of_policies(cap) -> None:
    before, after = (0.4, 0.8, 0.3), (0.55, 0.95, 0.7)
    policies = [Policy.minimal(**dict(zip("pab", chain, strict=True))) for chain in (before, after)]
    want = split_gain(TwoStageMDP.minimal(max_turns=cap or None), *policies)
    found = split(before, after, cap)
    assert float(found.sample) == pytest.approx(float(want.sample), abs=1e-12)
    assert float(found.decide) == pytest.approx(float(want.decide), abs=1e-12)


def test_values_and_sums_of_two_logs() -> None:
    base = simulate_log(200, p=0.3, a=0.8, b=0.4, cap=5, rng=1, name="x")
    tuned = simulate_log(150, p=0.35, a=0.95, b=0.8, cap=5, rng=2, name="y")
    found = compare(base, tuned, resamples=200)
    assert found.sample.value + found.decide.value == pytest.approx(found.gain.value, abs=1e-14)
    assert found.after.value - found.before.value == pytest.approx(found.gain.value, abs=1e-14)
    rates = [[e.value for e in (r.p, r.a, r.b)] for r in (found.rates_before, found.rates_after)]
    want = split(*rates, 5)
    assert found.decide.value == pytest.approx(float(want.decide), abs=1e-14)
    assert found.decision_share.value == pytest.approx(float(want.decide / want.gain))
    assert found.realised_gain.value == pytest.approx(tuned.final_correct.mean() - base.final_correct.mean())
    assert (found.cap, found.shared) == (5, 0)
    assert found.notes[0] == "the logs share no problem (200 and 150 problems)"


def test_coverage_of_the_parts() -> None:
    """400 pairs of logs of 150 problems, 199 resamples each: standard error 1.1 %, and 0.7 % for so few resamples."""
    chains = [{"p": 0.3, "a": 0.8, "b": 0.4, "cap": 5}, {"p": 0.35, "a": 0.95, "b": 0.8, "cap": 5}]
    truth = split(*[tuple(c[x] for x in "pab") for c in chains], 5)
    pairs = zip(
        *(many_logs(400, 150, seed=30 + i, name="xy"[i], **c).by("log").values() for i, c in enumerate(chains)), strict=True
    )
    inside = []
    for i, (before, after) in enumerate(pairs):
        found = compare(before, after, resamples=199, rng=i)
        inside.append([e.low <= t <= e.high for e, t in ((found.sample, truth.sample), (found.decide, truth.decide),
                                                         (found.gain, truth.gain))])  # fmt: skip
    for covered in np.mean(inside, axis=0):
        assert abs(covered - 0.95) < 0.04


def test_logs_about_the_same_problems_are_resampled_together() -> None:
    """The same problems, hard ones hard for both: pairing takes the problems' spread out of the difference.

    Trial 1 against trial 2 of the same problems and chain; nearly all are hopeless or trivial, so both logs nearly agree.
    """
    log = simulate_log(300, p=0.5, a=0.9, b=0.6, cap=4, concentration=0.05, episodes_per_problem=2, rng=3)
    odd = np.arange(len(log)) % 2 == 1
    paired = compare(log.select(~odd), log.select(odd), resamples=400)
    assert paired.shared == 300
    other = log.select(odd)
    renamed = Episodes(other.offsets, other.correct, other.stopped, other.capped, other.problem,
                       [f"other {name}" for name in other.problem_ids], other.cap, other.fields)  # fmt: skip
    alone = compare(log.select(~odd), renamed, resamples=400)
    assert alone.shared == 0
    assert paired.gain.value == alone.gain.value
    width = [e.high - e.low for e in (paired.realised_gain, alone.realised_gain)]
    assert width[0] < 0.7 * width[1]


def test_no_gain_has_no_share() -> None:
    log = simulate_log(100, p=0.4, a=0.8, b=0.6, cap=4)
    found = compare(log, log, resamples=50)
    assert (found.gain.value, found.gain.low, found.gain.high) == (0.0, 0.0, 0.0)
    assert found.decision_share.reason == "the gain may be zero, and a share of nothing has no meaning"


def test_bad_input_is_named() -> None:
    log = simulate_log(40, p=0.4, a=0.8, b=0.6, cap=4)
    other = simulate_log(40, p=0.4, a=0.8, b=0.6)
    with pytest.raises(
        RecordError, match=r"^the logs have no cap in common \(there are none, 4\): say at which cap to compare, 0 fo"
    ):
        compare(log, other)
    assert compare(log, other, cap=0, resamples=20).cap == 0
    never = simulate_log(40, p=0.0, a=0.8, b=0.6, cap=4)
    with pytest.raises(RecordError, match=r"^the log after cannot be split: no correct attempt was followed by a decision"):
        compare(log, never)


@pytest.mark.parametrize("shared", [False, True])
def test_intervals_lie_around_their_estimates(shared: bool) -> None:
    """Shared problems are drawn together, yet each log's episodes stay its own; outcomes here are independent either way."""
    base = simulate_log(400, p=0.3, a=0.8, b=0.4, cap=5, rng=1)
    tuned = simulate_log(400, p=0.45, a=0.95, b=0.8, cap=5, rng=2, **({} if shared else {"name": "y"}))
    found = compare(base, tuned, resamples=999)
    assert found.shared == 400 * shared
    parts = (found.before, found.after, found.gain, found.sample, found.decide, found.decision_share, found.realised_gain)
    for part in parts:
        assert part.low < part.value < part.high
    rates = [log.final_correct.mean() for log in (base, tuned)]
    half = 1.96 * np.sqrt(sum(rate * (1 - rate) for rate in rates) / 400)
    # A quantile at 2.5 % of 999 resamples has a relative error of about 5 %.
    assert (found.realised_gain.high - found.realised_gain.low) / 2 == pytest.approx(half, rel=0.15)

"""What the claims of group O say, seen by the numeric engine, which shares no code with the proofs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory import Policy, TwoStageMDP, solve
from dstheory.objectives import ExpertChain, build

unit = st.floats(0.02, 0.98)
lengths = st.integers(1, 60)


def chain(p, a, b, **settings):
    return solve(TwoStageMDP.minimal(**settings), Policy.minimal(p=p, a=a, b=b))


def gradient(name, solution, **choices):
    """The gradient on theta_s, theta_C and theta_W."""
    g = build(name, choices).gradient(solution)
    return np.array([g.sample[0, 0, 0], g.decide[0, 0, 0], -g.decide[0, 0, 1]])


@given(unit, unit, unit, st.integers(2, 64))
def test_o4_rloo_and_dr_grpo(p, a, b, size):
    s = chain(p, a, b, gamma=1.0)
    plain = gradient("reinforce", s)
    assert gradient("rloo", s, group_size=size) == pytest.approx(plain, rel=1e-9)
    assert gradient("dr-grpo", s, group_size=size, max_tokens=7) == pytest.approx(plain * (size - 1) / size / 7, rel=1e-9)


@pytest.mark.parametrize(("size", "success", "weight"), [(8, 0.5, 1.74), (8, 0.05, 2.31)])
def test_o5_the_numbers(size, success, weight):
    s = chain(success, 0.5, 0.5, gamma=1.0, max_turns=1)
    ratio = gradient("dapo-batch", s, group_size=size)[0] / gradient("reinforce", s)[0]
    assert ratio == pytest.approx(weight, abs=0.005)  # one answer of one token: E[L] = 1


@given(unit, unit, unit, st.integers(2, 40))
def test_o5_below_its_bound_and_small_groups(p, a, b, size):
    s = chain(p, a, b, gamma=1.0)
    accuracy, tokens = float(s.mean_accuracy), float(s.expected_tokens[0])
    ratio = gradient("dapo-batch", s, group_size=size) * tokens / gradient("reinforce", s)
    assert ratio == pytest.approx(ratio[0], rel=1e-8)  # one number for both stages
    assert ratio[0] <= (size - 1) / size / math.sqrt(accuracy * (1 - accuracy)) * (1 + 1e-9)
    if size in (2, 3):
        assert ratio[0] == pytest.approx({2: math.sqrt(0.5), 3: 2 / math.sqrt(3)}[size], rel=1e-8)
    limit = gradient("dapo-batch", s, group_size=math.inf) * tokens / gradient("reinforce", s)
    assert limit[0] == pytest.approx(1 / math.sqrt(accuracy * (1 - accuracy)), rel=1e-8)


@given(unit, unit, unit, lengths, lengths)
def test_o6_k1_with_one_over_length_rewards_length(p, a, b, l_c, l_w):
    reference = Policy.minimal(p=0.4, a=0.7, b=0.2)
    s = chain(p, a, b, sample_length=[l_c, l_w])
    over_length = gradient("k1-loss", s, reference=reference, beta=1.0, normaliser="response-tokens")
    assert over_length[2] > 0  # resampling a wrong answer is pushed up
    assert gradient("k1-loss", s, reference=reference, beta=1.0) == pytest.approx(np.zeros(3), abs=1e-12)


@given(unit, unit, unit, lengths, lengths)
def test_o7_a_large_batch_does_not_tilt(p, a, b, l_c, l_w):
    s = chain(p, a, b, gamma=1.0, sample_length=[l_c, l_w])
    tokens = float(s.expected_tokens[0])
    found = gradient("dapo-batch", s, std=False, group_size=math.inf, prompts=math.inf)
    assert found * tokens == pytest.approx(gradient("reinforce", s), rel=1e-8, abs=1e-12)


@given(unit, unit, unit)
def test_o10_dft_follows_the_majority(b, a_e, b_e):
    expert = ExpertChain(Policy.minimal(p=0.5, a=a_e, b=b_e))
    slope = gradient("dft", chain(0.5, 0.5, b), demonstrations=expert)[2]
    if abs(b_e - 0.5) > 1e-6:
        assert (slope > 0) == (b_e > 0.5)


@given(st.lists(unit, min_size=6, max_size=6))
def test_o11_the_gap_between_full_and_frozen(numbers):
    p, a, b, p_r, a_r, b_r = numbers
    s, reference = chain(p, a, b), Policy.minimal(p=p_r, a=a_r, b=b_r)

    def kl(x, r):
        return x * math.log(x / r) + (1 - x) * math.log((1 - x) / (1 - r))

    q = p * (1 - a) + (1 - p) * b
    cost = (kl(p, p_r) + p * kl(a, a_r) + (1 - p) * kl(b, b_r)) / (1 - q)
    after = kl(a, a_r) + (1 - a) * cost - kl(b, b_r) - b * cost
    expected = np.array([-p * (1 - p) * after, p * a * (1 - a) * cost, -(1 - p) * b * (1 - b) * cost]) / (1 - q)
    found = gradient("k1-reward", s, reference=reference, beta=1.0) - gradient("k2-loss", s, reference=reference, beta=1.0)
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-9)


@given(unit, unit, unit, st.floats(0, 20))
def test_o13_credit_per_attempt_never_sabotages(p, a, b, alpha):
    two = solve(TwoStageMDP.minimal(max_turns=2), turn_indexed(p, a, b))
    first = build("score-per-attempt", {"alpha": alpha}).gradient(two).sample[0, 0, 0]
    assert first == pytest.approx(p * (1 - p), rel=1e-9)


def turn_indexed(p, a, b):
    sample, stop = np.tile([[[p, 1 - p]]], (2, 1, 1)), np.tile([[[a, 1 - b]]], (2, 1, 1))
    return Policy.from_probabilities(sample, stop)


def test_o13_the_summed_reading_can():
    two = solve(TwoStageMDP.minimal(max_turns=2), turn_indexed(0.5, 0.01, 0.99))
    build_at = [build("score-summed", {"alpha": alpha}).gradient(two).sample[0, 0, 0] for alpha in (0.5, 10.0)]
    assert build_at[0] > 0 > build_at[1]


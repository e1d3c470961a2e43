"""Claims H1 to H9 seen by the numeric engine: its gradients and solutions are what the claims' formulas say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory import Policy, TwoStageMDP, solve
from dstheory.chain.trajectories import enumerate_trajectories
from dstheory.extensions import (
    FirstSuccess,
    answer_duels,
    confidence_gradient,
    decision_duels,
    early_rejection,
    evidence_chain,
    evidence_gradient,
    evidence_policy,
    noisy_verifier,
    pessimistic,
    verifier_effect,
)
from dstheory.objectives import Reinforce, ReverseKL

unit = st.floats(0.03, 0.97)
ONE = TwoStageMDP.minimal(gamma=1.0, max_turns=1)  # one choice: the decision is never drawn
M0 = TwoStageMDP.minimal(gamma=1.0)


def grads(objective, mdp, p, a, b):
    policy = Policy.minimal(p=p, a=a, b=b)
    return np.asarray(objective.gradient(solve(mdp, policy)).parameters(policy)[0])


@given(unit, unit, unit, st.integers(1, 9))
def test_h1_one_factor_for_all_logits(p, a, b, budget):
    x = float(solve(M0, Policy.minimal(p=p, a=a, b=b)).mean_accuracy)
    factor = (1 - (1 - x) ** budget) / x
    assert grads(FirstSuccess(budget), M0, p, a, b) == pytest.approx(factor * grads(Reinforce(), M0, p, a, b), rel=1e-9)


@given(unit, unit, st.floats(0.1, 2))
def test_h2_the_distance_to_the_optimum(p, p_ref, beta):
    def penalised(x):
        s = solve(ONE, Policy.minimal(p=x, a=0.5, b=0.5))
        objective = Reinforce() + ReverseKL(Policy.minimal(p=p_ref, a=0.5, b=0.5), beta=beta, length_weight=0.0)
        return float(objective.value(s))

    best = p_ref * np.exp(1 / beta) / (p_ref * np.exp(1 / beta) + 1 - p_ref)
    gap = p * np.log(p / best) + (1 - p) * (np.log1p(-p) - np.log1p(-best))
    assert penalised(best) - penalised(p) == pytest.approx(beta * gap, abs=1e-11)


def test_h2_flow_by_integration():
    """Runge-Kutta of order four along gradient / Fisher information, started away from the reference."""
    beta, ref, theta, h = 0.7, Policy.minimal(p=0.3, a=0.5, b=0.5), 1.1, 0.02
    objective = Reinforce() + ReverseKL(ref, beta=beta, length_weight=0.0)

    def velocity(t):
        p = 1 / (1 + np.exp(-t))
        return grads(objective, ONE, p, 0.5, 0.5)[0] / (p * (1 - p))

    start, theta_ref = theta, np.log(0.3 / 0.7)
    for _ in range(100):
        k1 = velocity(theta)
        k2 = velocity(theta + h / 2 * k1)
        k3 = velocity(theta + h / 2 * k2)
        theta += h / 6 * (k1 + 2 * k2 + 2 * k3 + velocity(theta + h * k3))
    exact = theta_ref + 1 / beta + (start - theta_ref - 1 / beta) * np.exp(-beta * 2.0)
    assert theta == pytest.approx(exact, abs=1e-8)  # error h^4 (beta)^5/120 per unit of time: 1e-10


@given(unit, unit, unit, unit)
def test_h3_the_scaled_update_does_not_see_the_confidences(q, pi, one, two):
    low, high = sorted((one, two))
    if high - low > 1e-3:
        policy = Policy.from_probabilities([[1 - pi, pi]], [[1.0, 1.0]])
        scaled = confidence_gradient(policy, [low, high], q, scaled=True)[1]
        assert scaled == pytest.approx((2 * q - 1) * np.sqrt(pi * (1 - pi)), abs=1e-9)
        unscaled = confidence_gradient(policy, [low, high], q, scaled=False)[1]
        score = [q * np.log(c) + (1 - q) * np.log1p(-c) for c in (low, high)]
        assert unscaled == pytest.approx(pi * (1 - pi) * (score[1] - score[0]), abs=1e-12)


@given(unit, unit, st.integers(1, 60))
def test_h4_the_bound(one, two, tau):
    worse, better = sorted((one, two))
    if better - worse > 1e-6:
        r = early_rejection(tau, better=better, worse=worse, length=60)
        assert r.not_ahead <= r.bound + 1e-12
        assert r.bound <= r.plain_bound + 1e-12


@given(unit, unit, st.integers(1, 4))
def test_h5_the_most_likely_trajectory(a, b, n):
    mdp = TwoStageMDP(correct=[[1] * n + [0]], gamma=1.0, max_turns=3)
    policy = Policy.from_probabilities([[1 / (n + 1)] * (n + 1)], [[a] * n + [1 - b]])
    free = mdp.replace(max_turns=None)
    # the last turn of a capped chain submits for certain; without a cap that trajectory does not exist
    t = enumerate_trajectories(mdp, policy)
    weight = np.where(t.decided[t.offsets[1:] - 1], t.weight, 0.0)
    best = t.answer[t.offsets[1:] - 1][int(weight.argmax())]
    if abs(a - (1 - b)) > 1e-9:
        assert (best == n) == (1 - b > a)
    accuracy = float(solve(free, policy).mean_accuracy)
    assert accuracy == pytest.approx(n * a / (n * a + 1 - b))


@given(unit, unit, unit, st.floats(0.55, 1.0))
def test_h6_the_better_decision_wins(p, a, b, link):
    s = solve(M0, Policy.minimal(p=p, a=a, b=b))
    value = p * a / (1 - p * (1 - a) - (1 - p) * b)
    win = decision_duels(s, 1, link=link).win[0, 0]
    assert win == pytest.approx([0.5 + (link - 0.5) * (1 - value), 0.5 - (link - 0.5) * value])
    gap = a * (1 - b) / (1 - p * (1 - a) - (1 - p) * b)
    assert answer_duels(s, 1, link=link).win[0, 0, 0, 1] == pytest.approx(0.5 + (link - 0.5) * gap)


def test_h6_answers_are_equally_good_once_wrong_ones_are_always_resampled():
    s = solve(M0, Policy.from_probabilities([[0.3, 0.7]], [[0.6, 0.0]]))
    assert answer_duels(s, 1).win == pytest.approx(0.5)
    capped = solve(M0.replace(max_turns=2), s.policy)
    assert answer_duels(capped, 1).win[0, 0, 0, 1] > 0.5


@given(unit, unit, unit, st.floats(0, 3), st.floats(0, 3), st.floats(0, 2))
def test_h7_one_factor_for_all_logits(p, a, b, n_right, n_wrong, eps):
    paid = pessimistic(M0, [[[n_right], [n_wrong]]], [[1.0]], eps)
    factor = 1 - eps * (n_right - n_wrong)
    clean = grads(Reinforce(), M0, p, a, b)
    assert grads(Reinforce(), paid, p, a, b) == pytest.approx(factor * clean, rel=1e-8, abs=1e-10)


@given(unit, unit, unit, unit, unit, st.floats(0, 1))
def test_h8_the_slope_of_evidence(e, p_e, p_g, a, b, eta):
    policy = evidence_policy(e=e, p_e=p_e, p_g=p_g, a=a, b=b)
    p = e * p_e + (1 - e) * p_g
    slope = e * (1 - e) * a * (1 - b) * (p_e - p_g) / (p * a + (1 - p) * (1 - b)) ** 2
    assert float(evidence_gradient(evidence_chain(), policy)) == pytest.approx(slope, rel=1e-8, abs=1e-10)
    one_turn = float(evidence_gradient(evidence_chain(eta, max_turns=1), policy))
    assert one_turn == pytest.approx(e * (1 - e) * (p_e - p_g + eta), rel=1e-8, abs=1e-10)


@given(unit, unit, unit, st.floats(0, 1), st.floats(0, 1))
def test_h9_the_factor_and_the_decision(p, a, b, r0, r1):
    noisy = grads(Reinforce(), noisy_verifier(M0, false_reject=r0, false_accept=r1), p, a, b)
    assert noisy == pytest.approx((1 - r0 - r1) * grads(Reinforce(), M0, p, a, b), rel=1e-8, abs=1e-12)
    s, f = 1 - r1, float(verifier_effect(false_reject=r0, false_accept=r1, n=3).factor)
    assert f == pytest.approx((s - r0) * (3 * (s + r0) - 2 * (s * s + s * r0 + r0 * r0)), abs=1e-12)
    if 0.01 < r0 < 0.99 and 0.01 < r1 < 0.99:
        q = p * r0 + (1 - p) * (1 - r1)
        accuracy = float(solve(M0, Policy.minimal(p=p, a=1 - r0, b=1 - r1)).mean_accuracy)
        assert accuracy - p == pytest.approx(p * (1 - p) * (1 - r0 - r1) / (1 - q), abs=1e-10)

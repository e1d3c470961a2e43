"""B6, B8, C1-balanced with the numeric engine: several answers, several prompts, and demonstrations that vary."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, attribute, solve
from dstheory.objectives import Reinforce, lookup


def chain(correct, pi, stop, gamma):
    mdp = TwoStageMDP(correct=[correct], gamma=gamma)
    return mdp, Policy.from_probabilities([list(pi)], [list(stop)])


def flow_of_p(correct, pi, stop, gamma):
    """dP(correct)/dt along the gradient flow, from the engine's gradient."""
    mdp, policy = chain(correct, pi, stop, gamma)
    slope = Reinforce().gradient(solve(mdp, policy)).sample.reshape(-1)
    pi, right = np.array(pi), np.array(correct, dtype=float)
    return float(np.sum(pi * (right - pi @ right) * slope))


def value(correct, pi, stop, gamma):
    """The value by summing over turns, apart from the engine."""
    pi, stop, right = (np.array(x, dtype=float) for x in (pi, stop, correct))
    again, paid, total = pi @ (1 - stop), pi @ (stop * right), 0.0
    for k in range(4000):
        total += (gamma * again) ** k * paid
    return total


@pytest.mark.parametrize(
    ("gamma", "pi", "stop", "expected"),
    [
        (0.2, (0.2, 0.75, 0.05), (0.5, 0.2, 0.2), None),
        (0.9, (0.8, 0.1, 0.1), (0.01, 0.99, 0.01), -0.01096),
        (0.5, (7 / 40, 7 / 10, 1 / 8), (3 / 4, 1 / 8, 1 / 8), None),
    ],
)
def test_two_right_answers_can_push_p_down(gamma, pi, stop, expected):
    correct = (1, 1, 0)
    found = flow_of_p(correct, pi, stop, gamma)
    assert found < 0
    if expected is not None:
        assert found == pytest.approx(expected, abs=5e-6)
    step = 1e-6  # of the logits, by finite differences of the sum over turns
    logits, slopes = np.log(pi), []
    for i in range(3):
        ends = []
        for sign in (1, -1):
            moved = np.exp(logits + sign * step * np.eye(3)[i])
            ends.append(value(correct, moved / moved.sum(), stop, gamma))
        slopes.append((ends[0] - ends[1]) / (2 * step))
    right = np.array(correct)
    assert found == pytest.approx(np.sum(pi * (right - np.dot(pi, right)) * np.array(slopes)), rel=1e-5)


def test_without_discount_and_by_the_natural_gradient_p_never_falls():
    rng = np.random.default_rng(5)
    lowest = []
    for _ in range(300):
        n = int(rng.integers(2, 7))
        correct = np.zeros(n)
        correct[: rng.integers(1, n)] = 1
        pi = rng.dirichlet(np.full(n, 0.5)) * 0.999 + 0.001 / n
        stop = rng.uniform(0.01, 0.99, n)
        assert flow_of_p(correct, pi, stop, 1.0) > 0
        gamma = rng.uniform(0, 1)
        mdp, policy = chain(correct, pi, stop, gamma)
        slope = Reinforce().gradient(solve(mdp, policy)).sample.reshape(-1)
        fisher = np.diag(pi) - np.outer(pi, pi)
        step = np.linalg.pinv(fisher) @ slope
        assert np.sum(pi * (correct - pi @ correct) * step) > 0
        lowest.append(flow_of_p(correct, pi, stop, gamma))
    assert min(lowest) < 0  # the draws reach the region that the claims are about


NAMES = ("rloo", "dr-grpo", "nft", "dapo-batch")


def test_group_objectives_split_each_prompt_alike_and_several_prompts_differently():
    shares = {}
    both = TwoStageMDP(correct=[[1, 0, 0], [0, 1]], prompt_weight=[2, 3])
    policy = Policy.from_probabilities([[0.2, 0.5, 0.3], [0.1, 0.9]], [[0.2, 0.05, 0.1], [0.95, 0.9]])
    for name in NAMES:
        solution = solve(both, policy)
        split = attribute(lookup(name)(), solution)
        shares[name] = float(split.gradient.decision_share)
        gradient = lookup(name)().gradient(solution)
        sides = [np.linalg.norm(side.reshape(2, -1), axis=1) for side in (gradient.decide, gradient.sample)]
        shares[name, "each"] = sides[0] / sides[1]
    for name in NAMES[1:]:
        np.testing.assert_allclose(shares[name, "each"], shares["rloo", "each"], rtol=1e-9)
    assert shares["dr-grpo"] == pytest.approx(shares["rloo"], rel=1e-12)
    assert abs(shares["nft"] - shares["rloo"]) > 0.005
    assert abs(shares["dapo-batch"] - shares["rloo"]) > 0.005

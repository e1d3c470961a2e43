"""A Newton step of the optimum costs a few evaluations of the gradient: time on the processors, of both in turns.

What the full sizes cost is measured by ``python -m benchmarks --only W6``.
"""

from __future__ import annotations

import time

import numpy as np

from dstheory import Policy, TwoStageMDP, solve
from dstheory.dynamics.soft_optimum import SMALLEST, optimum
from dstheory.objectives import Reinforce, ReverseKLDirect


def test_a_step_costs_a_few_gradients() -> None:
    rng = np.random.default_rng(0)
    shape = (10_000, 64)
    assert np.prod(shape) > SMALLEST
    mdp = TwoStageMDP(correct=rng.random(shape) < 0.2, sample_length=rng.integers(1, 400, size=shape), gamma=0.95)
    policy, reference = (Policy.tabular(rng.normal(size=shape), rng.normal(size=shape)) for _ in range(2))
    objective = Reinforce() + ReverseKLDirect(reference, beta=0.05, length_weight=0.5)
    gradient, steps = [], []
    for _ in range(6):
        begin = time.process_time()
        objective.gradient(solve(mdp, policy))
        middle = time.process_time()
        best = optimum(mdp, reference, beta=0.05, length_weight=0.5)
        gradient.append(middle - begin)
        steps.append((time.process_time() - middle) / best.iterations.mean())
    # The first round compiles. Asked for are 3; twice that leaves room for neighbours on the same processor.
    assert min(steps[1:]) < 6 * min(gradient[1:])


def test_many_settings_of_the_minimal_chain_are_solved_as_one_table() -> None:
    """A loop over settings would take minutes: each call alone costs half a millisecond."""
    rng = np.random.default_rng(1)
    n = 100_000
    mdp = TwoStageMDP.minimal(sample_length=1024.0, gamma=rng.random(n))
    reference = Policy.minimal(p=rng.random(n), a=rng.random(n), b=rng.random(n))
    settings = {"beta": 10.0 ** rng.uniform(-4, 4, n), "length_weight": rng.random(n)}
    begin = time.process_time()
    best = optimum(mdp, reference, **settings)
    assert time.process_time() - begin < 5.0  # a million in ten seconds, and as much again for starting
    assert best.converged.all()

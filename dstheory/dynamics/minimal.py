"""The fast path for M0: plain gradient ascent on three logits, thousands of settings side by side; compiled where that pays.

Used by :func:`dstheory.dynamics.train` where it applies (M0 without a cap, its own parametrisation, SGD without clipping; a sum
of rewards, SFT and at most one direct reverse KL); the readable path serves everything else and is what this one is tested
against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dstheory.chain.exact import solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Features, Policy
from dstheory.checks import Floats
from dstheory.dynamics.optimizers import SGD, Optimizer
from dstheory.objectives.base import Objective, WeightedSum
from dstheory.objectives.imitation import SFT
from dstheory.objectives.mass import over_runs
from dstheory.objectives.penalties import ReverseKLDirect
from dstheory.objectives.reward import ActorCritic, Reinforce, RewardToGo
from dstheory.objectives.weights import stage_weights

SMALLEST = 1000
"""The least number of steps, over all runs, for which this path is prepared."""
COMPILED = 10_000
"""From this many steps on, over all runs, they are compiled: loading the compiled loop takes as long as 300,000 plain steps, but
serves all later calls."""

Ascent = Callable[[Floats, Floats], Floats]
"""(theta of shape (*runs, 3), learning-rate factors of the coming steps) -> theta after them."""


def minimal_ascent(
    mdp: TwoStageMDP,
    policy: Policy,
    objective: Objective,
    optimizer: Optimizer,
    *,
    steps: int,
    compiled: bool | None = None,
) -> Ascent | None:
    """Return a function that takes many exact-gradient steps of M0 at once, or None where this path does not apply.

    Args:
        mdp, policy, objective, optimizer: as in training; the policy has the full run axes.
        steps: number of steps that training will take.
        compiled: whether steps are compiled; default where there are many.
    """
    runs = policy.runs
    work = steps * max(1, int(np.prod(runs)))
    if work < SMALLEST or type(optimizer) is not SGD or not _is_minimal(mdp, policy):  # a class of one's own steps as it says
        return None
    settings = _settings(mdp, objective, runs)
    if settings is None:
        return None
    fast = work >= COMPILED if compiled is None else compiled
    rate = np.broadcast_to(np.asarray(optimizer.lr, dtype=np.float64), runs).reshape(-1)

    def ascend(theta: Floats, factors: Floats) -> Floats:
        from dstheory.kernels import train_minimal

        moved = train_minimal(theta.reshape(-1, 3), len(factors), learning_rate=rate, schedule=factors, compiled=fast, **settings)
        return moved.reshape(theta.shape)

    return ascend


def _is_minimal(mdp: TwoStageMDP, policy: Policy) -> bool:
    if mdp.max_turns is not None or mdp.shape != (1, 2) or mdp.n_answers[0] != 2 or mdp.correct.tolist() != [[1.0, 0.0]]:
        return False
    f, own = policy.features, Features.minimal()
    return (
        f is not None
        and np.array_equal(f.sample, own.sample)
        and np.array_equal(f.decide, own.decide)
        and not f.sample_offset.any()
        and not f.decide_offset.any()
    )


def _settings(mdp: TwoStageMDP, objective: Objective, runs: tuple[int, ...]) -> dict[str, Any] | None:
    """Return the compiled loop's arguments, one row per run, or None if a term is not among those it knows."""
    sums = objective if isinstance(objective, WeightedSum) else WeightedSum((objective,), (1.0,))
    if not all(term.as_compiled for term in (sums, *sums.terms)):
        return None
    reward: Floats = np.zeros(())
    counts: Floats = np.zeros((*runs, 6))
    penalty: dict[str, Any] = {}
    for raw, term in zip(sums.factors, sums.terms, strict=True):
        factor = np.asarray(raw, dtype=np.float64)
        if isinstance(term, (Reinforce, ActorCritic)) or (isinstance(term, RewardToGo) and term.outer_discount):
            reward = reward + factor
        elif isinstance(term, ReverseKLDirect) and not penalty and term.reference.shape == (1, 1, 2):
            term.reference.check_fits(mdp, "reference")
            z, u = term.reference.sample_logits[..., 0, 0, :], term.reference.stop_logits[..., 0, 0, :]
            logits = np.stack([z[..., 0] - z[..., 1], u[..., 0], -u[..., 1]], axis=-1)
            if not np.isfinite(logits).all():
                return None
            w_s, w_d = stage_weights(mdp, term.length_weight, term.reduction)
            penalty = {
                "beta": _per_run(factor * np.asarray(term.beta, dtype=np.float64), runs, 0),
                "reference": _per_run(logits, runs, 1),
                "sample_weight": _per_run(w_s[..., 0, 0, :], runs, 1),
                "decision_weight": _per_run(w_d[..., 0, 0, :], runs, 1),
            }
        elif isinstance(term, SFT):
            m = term.mass(solve(mdp, Policy.uniform(mdp)))  # the demonstrations' mass does not depend on the policy
            columns = (m.sample[..., 0], m.sample[..., 1], m.stop[..., 0], m.resample[..., 0], m.stop[..., 1], m.resample[..., 1])
            counts = counts + over_runs(factor, 1) * np.stack([c.sum(axis=(-2, -1)) for c in columns], axis=-1)
        else:
            return None
    four = (table[..., 0, answer] for answer in (0, 1) for table in (mdp.reward_stop, mdp.reward_resample))
    rewards = np.stack([reward * r for r in np.broadcast_arrays(*four)], axis=-1)
    return {
        "rewards": _per_run(rewards, runs, 1),
        "gamma_within": _per_run(mdp.gamma_within, runs, 0),
        "gamma_between": _per_run(mdp.gamma_between, runs, 0),
        "demonstrations": _per_run(counts, runs, 1),
        **penalty,
    }


def _per_run(value: Floats, runs: tuple[int, ...], axes: int) -> Floats:
    tail = value.shape[value.ndim - axes :]
    return np.broadcast_to(value, (*runs, *tail)).reshape(-1, *tail)

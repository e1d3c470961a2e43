"""Chains at the edges of floating point: nearly certain answers, rare stops, near-cancellation, logits of up to 1000."""

from __future__ import annotations

from math import log

import numpy as np
from strategies import Case

from dstheory import Policy, TwoStageMDP

MOST_TURNS = 2e12  # expected turns of a chain without a cap, of any of its policies

Logits = tuple[np.ndarray, np.ndarray]


def extreme_case(seed: int, *, small: bool = False) -> Case:
    """Return a chain with a policy, a reference and an expert.

    Args:
        seed: of everything.
        small: few answers and turns, or none but rare resamples: for objectives that are sums over whole responses.
    """
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, 4 if small else 5, size=int(rng.integers(1, 3 if small else 4)))
    cap = None if rng.random() < 0.5 else int(rng.integers(2, 4 if small else 7))
    if small and cap is None:
        counts = np.full(len(counts), 2)
    shape = (len(counts), int(counts.max()))
    inside = np.arange(shape[1]) < counts[:, None]
    mdp = TwoStageMDP(
        correct=np.where(inside, [_right(rng, shape[1], int(n)) for n in counts], 0),
        n_answers=counts,
        sample_length=rng.choice([1.0, 2.0, 3.0, 7.0, 40.0], size=shape) if rng.random() < 0.8 else 5.0,
        decision_length=rng.choice([1.0, 2.0]),
        prompt_weight=rng.choice([1.0, 0.3, 1e-3, 1e-9], size=shape[0]),
        gamma=rng.choice([1.0, 1.0, 0.999999, 0.9, 0.0]),
        discount_per=str(rng.choice(["turn", "stage"])),
        max_turns=cap,
        **_rewards(rng, shape),
    )
    turns = cap if cap is not None and rng.random() < 0.25 else 1
    own = _ending(rng, mdp, _logits(rng, mdp, turns), rarely=small)
    others = [_ending(rng, mdp, _beside(rng, mdp, own), rarely=small) for _ in range(2)]
    return Case(mdp, *(Policy.tabular(np.where(mdp.inside, z, -np.inf), u) for z, u in (own, *others)), seed)


def _right(rng: np.random.Generator, width: int, n: int) -> np.ndarray:
    """Return which answers are right: any, now and then all or none."""
    kind = rng.random()
    marks = np.ones(width, dtype=int) if kind < 0.08 else np.zeros(width, dtype=int) if kind < 0.16 else rng.integers(0, 2, width)
    if kind >= 0.16:
        marks[rng.choice(n, size=2, replace=False)] = 1, 0
    return marks


def _rewards(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, object]:
    """Return terminal accuracy, mostly; or a price of resampling, or any rewards."""
    kind = rng.random()
    if kind < 0.65:
        return {}
    if kind < 0.85:
        return {"resample_cost": float(rng.choice([1e-3, 0.1]))}
    return {"reward_stop": rng.normal(size=shape), "reward_resample": rng.normal(scale=0.3, size=shape)}


def _logits(rng: np.random.Generator, mdp: TwoStageMDP, turns: int) -> Logits:
    """Return sampling and stop logits of one of the families."""
    size = (turns, *mdp.shape)
    family, scale = rng.integers(0, 8), float(rng.choice([1.0, 10.0, 30.0, 100.0, 1000.0]))
    any_ = lambda most: rng.uniform(-most, most, size=size)  # noqa: E731
    right = np.broadcast_to(mdp.correct == 1, size)
    k = float(rng.choice([20.0, 40.0, 60.0, 100.0, 300.0, 1000.0]))
    if family <= 1:  # anywhere
        return any_(scale), any_(scale if rng.random() < 0.5 else 1000.0)
    if family == 2:  # what is likely is what stops least
        z = np.where(right, k / 2, 0.0) if rng.random() < 0.5 else k / 2 * rng.integers(0, 3, size=size) / 2
        return z, -k * (z > 0) - k / 2 * (z <= 0)
    if family == 3:  # stops are rare everywhere, and nearly alike
        rare = log(10.0) * float(rng.choice([4.0, 8.0, 12.0]))
        return any_(min(scale, 30.0)), -rare + any_(float(rng.choice([0.0, 1e-12, 1e-6, 1.0])))
    if family == 4:  # resampling is rare everywhere
        return any_(min(scale, 30.0)), k / 2 + any_(float(rng.choice([0.0, 1e-10, 1.0])))
    if family == 5:  # nearly always right, or nearly always wrong
        sign = 1.0 if rng.random() < 0.7 else -1.0
        return np.where(right, sign, 0.0) * log(1e12) + any_(1.0), any_(min(scale, 10.0))
    if family == 6:  # one answer is nearly certain
        z = any_(1.0)
        z[..., int(rng.integers(0, 2))] += k
        return z.clip(-1000, 1000), any_(min(scale, 100.0))
    # the checker is nearly perfect, or nearly always wrong
    sign = float(rng.choice([-1.0, 1.0]))
    return any_(3.0), (np.where(right, sign, -sign) * k / 2 + any_(1.0)).clip(-1000, 1000)


def _beside(rng: np.random.Generator, mdp: TwoStageMDP, own: Logits) -> Logits:
    """Return logits of their own, of the same kind or near; sometimes the very same."""
    kind = rng.random()
    if kind < 0.45:
        return _logits(rng, mdp, 1)
    away = float(rng.choice([1e-12, 1e-8, 1e-4, 0.1, 3.0])) if kind < 0.92 else 0.0
    z, u = ((v + away * rng.normal(size=v.shape)).clip(-1000, 1000) for v in own)
    return z, u


def _ending(rng: np.random.Generator, mdp: TwoStageMDP, logits: Logits, *, rarely: bool) -> Logits:
    """Return logits under which a chain without a cap ends, at some answer that is likely enough.

    Args:
        rng: of the choice.
        mdp: the chain.
        logits: as they were drawn.
        rarely: whether resampling is to be rare, so that responses of many turns need not be looked at.
    """
    z, u = logits[0], logits[1].copy()
    if mdp.max_turns is not None:
        return z, u
    if rarely and u.min() < 7.0:
        u = (np.abs(u) + 7.0).clip(max=1000.0)
    shortest = -log(MOST_TURNS)
    for x, n in enumerate(mdp.n_answers):
        log_pi = z[0, x, :n] - np.logaddexp.reduce(z[0, x, :n])
        if np.logaddexp.reduce(log_pi - np.logaddexp(0.0, -u[0, x, :n])) < shortest:
            y = int(rng.choice(np.flatnonzero(log_pi > shortest + 2.0)))
            u[0, x, y] = shortest + 0.5 - log_pi[y] + rng.uniform(0.0, 3.0)
    return z, u

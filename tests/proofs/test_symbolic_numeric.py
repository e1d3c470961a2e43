"""Turn-indexed chains: symbolic and numeric gradients of every registered objective, at random rational points.

Stationary chains, with and without a cap, are compared in tests/symbolic; here every turn has parameters, a reference and
an expert of its own.
"""

from __future__ import annotations

import random
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from profiles import in_turn
from symbolic.families import LENGTH_WEIGHTED

from dstheory import Policy, TwoStageMDP, solve
from dstheory.objectives import ExpertChain, build
from dstheory.symbolic import Derivation, derive
from dstheory.symbolic.objectives import REGISTRY, lookup

VARIANTS = {
    **{name: REGISTRY[name] for name in LENGTH_WEIGHTED},
    "reward-to-go, outer discount dropped": lookup("reward-to-go", outer_discount=False),
    "forward-kl, reference's states": lookup("forward-kl", states="reference"),
}
SETTINGS: list[dict] = [
    {"turns": 2, "rewards": "general", "per_answer_lengths": True},
    {"turns": 2, "rewards": "general", "per_answer_lengths": True, "discount_per": "stage", "reduction": "mean"},
    {"turns": 3, "rewards": "general", "discount_per": "stage"},
]
POINTS = 5
OFFSETS = {"theta_s": ("sample", 0, 1), "theta_C": ("decide", 0, 1), "theta_W": ("decide", 1, -1)}
"""Logit -> the block of the numeric gradient, the answer, and the sign: theta_W is the logit of resampling."""


@cache
def derived(name: str, index: int) -> Derivation:
    return derive(VARIANTS[name], turn_indexed=True, **SETTINGS[index])


def random_point(rng: random.Random, turns: int) -> dict[str, Fraction]:
    def between(low: int, high: int, denominator: int) -> Fraction:
        return Fraction(rng.randint(low * denominator, high * denominator), denominator)

    names = [f"{x}{of}_t{k}" for x in "pab" for of in ("", "_ref", "_E") for k in range(turns)]
    point = {name: Fraction(rng.randint(1, 49), 50) for name in (*names, "gamma", "lambda")}
    point |= {name: Fraction(rng.randint(1, 200)) for name in ("l_s", "l_C", "l_W", "l_d")}
    point |= {name: between(0, 3, 20) for name in ("alpha", "beta")}
    return point | {f"R_{x}": between(-2, 2, 20) for x in ("SC", "RC", "SW", "RW")}


def policy(at: dict[str, float], of: str, turns: int) -> Policy:
    p, a, b = (np.array([at[f"{x}{of}_t{k}"] for k in range(turns)]) for x in "pab")
    return Policy.from_probabilities(np.stack([p, 1 - p], axis=-1)[:, None, :], np.stack([a, 1 - b], axis=-1)[:, None, :])


def numeric_gradient(name: str, options: dict, point: dict[str, Fraction]) -> dict[str, float]:
    at, turns = {key: float(value) for key, value in point.items()}, options["turns"]
    pairs = {"SC": "stop_correct", "RC": "resample_correct", "SW": "stop_wrong", "RW": "resample_wrong"}
    mdp = TwoStageMDP.minimal(
        gamma=at["gamma"],
        discount_per=options.get("discount_per", "turn"),
        max_turns=turns,
        sample_length=[at["l_C"], at["l_W"]] if options.get("per_answer_lengths") else at["l_s"],
        decision_length=at["l_d"],
        reward={name: at[f"R_{key}"] for key, name in pairs.items()},
    )
    choices = {
        "reference": policy(at, "_ref", turns),
        "demonstrations": ExpertChain(policy(at, "_E", turns)),
        "beta": at["beta"],
        "alpha": at["alpha"],
        "length_weight": at["lambda"],
        "reduction": options.get("reduction", "sum"),
        "states": "reference" if "reference's" in name else "policy",
        "outer_discount": "dropped" not in name,
    }
    g = build(name.split(",")[0], choices).gradient(solve(mdp, policy(at, "", turns)))
    return {
        f"{logit}_t{k}": sign * float(getattr(g, block)[k, 0, answer])
        for logit, (block, answer, sign) in OFFSETS.items()
        for k in range(turns)
    }


@pytest.mark.parametrize(("name", "index"), in_turn([*VARIANTS], range(len(SETTINGS)), 2))
def test_turn_indexed_gradients_agree(name: str, index: int) -> None:
    rng, derivation, turns = random.Random(f"{name} {index}"), derived(name, index), SETTINGS[index]["turns"]
    for _ in range(POINTS):
        point = random_point(rng, turns)
        symbolic = derivation.evaluate({key: value for key, value in point.items() if key in derivation.symbols}).floats()
        numeric = numeric_gradient(name, SETTINGS[index], point)
        assert len(symbolic) == 3 * turns
        scale = max(1.0, *(abs(value) for value in symbolic.values()))
        for logit, value in symbolic.items():
            assert numeric[logit] == pytest.approx(value, rel=1e-12, abs=1e-12 * scale), (logit, point)

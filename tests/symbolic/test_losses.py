"""Coefficients differentiated by SymPy against central differences of the same surrogates written in plain Python."""

from __future__ import annotations

import math
import random

import pytest
import sympy as sp

from dstheory.symbolic.losses import SURROGATES, batch, coefficients, on_policy

LENGTHS = (1, 3, 2)
BETA, STD, LONGEST, BASELINE, RATE, OMEGA = 0.7, 0.45, 11.0, 0.2, 0.4, 1.3
R = (1.0, 0.0, 1.0)
N, T = len(LENGTHS), sum(LENGTHS)
MEAN = sum(R) / N


def rows(seed: str) -> list[list[tuple[float, float, float]]]:
    """(log pi, log pi_old, log ref) of every token, ratios between 0.8 and 1.25."""
    rng = random.Random(seed)
    return [
        [(x := -rng.uniform(0.2, 2.0), x + rng.uniform(-0.2, 0.2), x + rng.uniform(-0.5, 0.5)) for _ in range(n)] for n in LENGTHS
    ]


def surrogate(name: str, x: list[list[float]], given: list[list[tuple[float, float, float]]]) -> float:
    """The surrogate, from its definition; ``given`` holds what is not differentiated (the starting log pi among it)."""
    old, ref = ([[t[k] for t in row] for row in given] for k in (1, 2))
    start = [[t[0] for t in row] for row in given]
    others = [(sum(R) - r) / (N - 1) for r in R]

    def tokens(term) -> float:
        return sum(term(i, t) for i in range(N) for t in range(LENGTHS[i]))

    def rho(i, t):
        return math.exp(x[i][t] - old[i][t])

    def ell(i, t):
        return x[i][t] - ref[i][t]

    def k3(i, t):
        return math.exp(-ell(i, t)) - 1 + ell(i, t)

    adv = [(r - MEAN) / STD for r in R]
    cen = [r - MEAN for r in R]
    whole = [sum(start[i][t] - ref[i][t] for t in range(LENGTHS[i])) for i in range(N)]
    return {
        "reinforce": lambda: tokens(lambda i, t: R[i] * x[i][t]) / N,
        "reinforce with baseline": lambda: tokens(lambda i, t: (R[i] - BASELINE) * x[i][t]) / N,
        "rloo": lambda: tokens(lambda i, t: (R[i] - others[i]) * x[i][t]) / N,
        "grpo": lambda: tokens(lambda i, t: adv[i] * rho(i, t) / LENGTHS[i]) / N,
        "grpo with k3": lambda: tokens(lambda i, t: (adv[i] * rho(i, t) - BETA * k3(i, t)) / LENGTHS[i]) / N,
        "grpo with weighted k3": lambda: tokens(
            lambda i, t: (adv[i] - BETA * k3(i, t)) * rho(i, t) / LENGTHS[i]
        ) / N,
        "grpo without std": lambda: tokens(lambda i, t: cen[i] * rho(i, t) / LENGTHS[i]) / N,
        "constant length": lambda: tokens(lambda i, t: cen[i] * rho(i, t)) / (N * LONGEST),
        "token mean": lambda: tokens(lambda i, t: adv[i] * rho(i, t)) / T,
        "gspo": lambda: sum(
            adv[i] * math.prod(rho(i, t) for t in range(LENGTHS[i])) ** (1 / LENGTHS[i]) for i in range(N)
        ) / N,
        "cispo": lambda: tokens(lambda i, t: adv[i] * math.exp(start[i][t] - old[i][t]) * x[i][t]) / T,
        "sft, token mean": lambda: tokens(lambda i, t: x[i][t]) / T,
        "sft, sequence sum": lambda: tokens(lambda i, t: x[i][t]) / N,
        "sft, sequence mean": lambda: tokens(lambda i, t: x[i][t] / LENGTHS[i]) / N,
        "filtered sft": lambda: tokens(lambda i, t: R[i] * x[i][t]) / T,
        "nft": lambda: tokens(
            lambda i, t: OMEGA * (math.log(rho(i, t)) if R[i] else math.log((1 - RATE * rho(i, t)) / (1 - RATE)))
        ) / T,
        "dft": lambda: tokens(lambda i, t: math.exp(start[i][t]) * x[i][t]) / T,
        "k1 in the reward": lambda: tokens(lambda i, t: -BETA * whole[i] * x[i][t]) / N,
        "k1 in the loss": lambda: tokens(lambda i, t: -BETA * ell(i, t) / LENGTHS[i]) / N,
        "k2 in the loss": lambda: tokens(lambda i, t: -BETA * ell(i, t) ** 2 / 2 / LENGTHS[i]) / N,
        "k3 in the loss": lambda: tokens(lambda i, t: -BETA * k3(i, t) / LENGTHS[i]) / N,
        "on-policy distillation": lambda: tokens(lambda i, t: -(start[i][t] - ref[i][t]) * x[i][t]) / T,
        "dpo": lambda: -math.log1p(
            math.exp(-BETA * (sum(ell(0, t) for t in range(LENGTHS[0])) - sum(ell(1, t) for t in range(LENGTHS[1]))))
        ),
    }[name]()  # fmt: skip


NUMBERS = {"beta": BETA, "std": STD, "L_max": LONGEST, "baseline": BASELINE, "r": RATE, "omega": OMEGA}


@pytest.mark.parametrize("name", SURROGATES)
def test_coefficients_are_the_slopes_of_the_surrogate(name: str) -> None:
    b, given = batch(*LENGTHS), rows(name)
    at = dict(NUMBERS) | {f"R_{i + 1}": R[i] for i in range(N)}
    for i in range(N):
        for t in range(LENGTHS[i]):
            at |= dict(zip((f"{kind}_{i + 1}_{t + 1}" for kind in ("lp", "old", "ref")), given[i][t], strict=True))
    found = [
        [float(c.subs({s: at[s.name] for s in c.free_symbols})) for c in row] for row in coefficients(SURROGATES[name](b), b)
    ]
    h = 1e-5  # central differences: error h^2/6 times a third derivative of order 1, about 1e-10; rounding 1e-16/h = 1e-11
    for i in range(N):
        for t in range(LENGTHS[i]):
            moved = [[[x for x, _, _ in row] for row in given] for _ in range(2)]
            moved[0][i][t] += h
            moved[1][i][t] -= h
            up, down = (surrogate(name, x, given) for x in moved)
            assert found[i][t] == pytest.approx((up - down) / (2 * h), abs=2e-9), (i, t)


# they give all tokens of a response one coefficient only where every ratio is 1
@pytest.mark.parametrize("name", ["grpo", "grpo without std", "constant length", "token mean", "cispo", "nft"])
def test_some_collapse_on_the_policy_only(name: str) -> None:
    b = batch(1, 2)
    c = coefficients(SURROGATES[name](b), b)[1]
    at = {b.responses[0].reward: 0, b.responses[1].reward: sp.Rational(1, 2)}
    assert sp.simplify(on_policy(c[0] - c[1], b)) == 0
    assert sp.simplify((c[0] - c[1]).xreplace(at)) != 0

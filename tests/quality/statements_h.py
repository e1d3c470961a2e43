"""Plausible false statements about related works (H1 to H9), each with the smallest point that refutes it.

What a quick reading of these papers might make of them: a factor squared, a sum taken for a product, a condition on both where
one on the sum is meant, a quantity that drops out only under one more assumption.
"""

from __future__ import annotations

import sympy as sp
from quality.statements_ab import FalseStatement
from sympy import And, Eq, Equivalent, Implies

from dstheory.claims import CLOSED_UNIT, NONNEGATIVE, POSITIVE, UNIT, at_least, between

x, pi, beta, delta, t, r, a, b, p, k, P_1, P_2 = sp.symbols("x pi beta delta t r a b p k P_1 P_2")
n_C, n_W, eps, e, p_e, p_g, r_0, r_1 = sp.symbols("n_C n_W eps e p_e p_g r_0 r_1")
half = sp.Rational(1, 2)

mixed = e * p_e + (1 - e) * p_g
evidence = e * (1 - e) * a * (1 - b) * (p_e - p_g) / (mixed * a + (1 - mixed) * (1 - b)) ** 2
factor = 1 - r_0 - r_1
paid = r_1 + factor * x
three = 1 - r_0**2 * (3 - 2 * r_0) - r_1**2 * (3 - 2 * r_1)
gain = p * (1 - p) * factor / (p * (1 - r_0) + (1 - p) * r_1)

STATEMENTS = [
    # --- filtered EM: H1
    FalseStatement("EM: two samples double the update", Eq((1 - (1 - x) ** 2) / x, 2), {"x": UNIT}, "x=1/2"),
    FalseStatement("EM: what is missing after two samples is x^2", Eq((1 - x) ** 2, x**2), {"x": UNIT}, "x=1/3"),
    FalseStatement(
        "EM: two samples leave at most a third missing, whatever the success rate",
        (1 - x) ** 2 <= sp.Rational(1, 3),
        {"x": UNIT},
        "x=1/3",
    ),
    # --- energy-based models: H2
    FalseStatement("energy: a stronger penalty moves the logit further", 1 / beta >= beta, {"beta": POSITIVE}, "beta=2"),
    # --- calibration: H3
    FalseStatement(
        "calibration: the variance of a group is linear in the gap",
        Eq(pi * delta**2 - (pi * delta) ** 2, pi * (1 - pi) * delta),
        {"pi": UNIT, "delta": at_least(1)},
        "pi=1/2 delta=2",
    ),
    # --- early rejection: H4
    FalseStatement(
        "rejection: the bound needs no factor 1/2",
        Implies(r**2 + t**2 < 1, (t - r) ** 2 >= (t**2 - r**2) ** 2),
        {"r t": UNIT},
        "r=1/2 t=2/3",
    ),
    # --- search after imitation: H5
    FalseStatement(
        "search: ends right once wrong answers are mostly resampled",
        Implies(b >= half, a >= 1 - b),
        {"a b": UNIT},
        "a=1/3 b=1/2",
    ),
    # --- duels: H6
    FalseStatement(
        "duels: are won in proportion to success",
        Eq(half + k * (P_1 - P_2), P_1 / (P_1 + P_2)),
        {"P_1 P_2": UNIT, "k": between(0, half)},
        "P_1=1/2 P_2=1/3 k=1/3",
    ),
    # --- feature penalties: H7
    FalseStatement(
        "penalty: only the norm of right answers counts",
        Eq(1 - eps * (n_C - n_W), 1 - eps * n_C),
        {"n_C n_W eps": NONNEGATIVE},
        "n_C=0 n_W=1 eps=1",
    ),
    # --- evidence: H8
    FalseStatement(
        "evidence: decisions drop out of its gradient",
        Eq(evidence, e * (1 - e) * (p_e - p_g)),
        {"e p_e p_g a b": UNIT},
        "e=1/2 p_e=1/2 p_g=1/3 a=1/2 b=1/3",
    ),
    # --- verifiers: H9
    FalseStatement("verifier: errors multiply", Eq(factor, (1 - r_0) * (1 - r_1)), {"r_0 r_1": UNIT}, "r_0=1/2 r_1=1/2"),
    FalseStatement(
        "verifier: a prompt weighs less under group-std, with or without errors",
        factor**2 * x * (1 - x) < paid * (1 - paid),
        {"x": UNIT, "r_0 r_1": CLOSED_UNIT},
        "x=1/2 r_0=0 r_1=0",
    ),
    FalseStatement(
        "verifier: errors of one kind leave the weights as they are",
        Eq((1 - r_0) ** 2 * x * (1 - x), (1 - r_0) * x * (1 - (1 - r_0) * x)),
        {"x r_0": UNIT},
        "x=1/2 r_0=1/2",
    ),
    FalseStatement(
        "verifier: errors of answers scale the gradient by their mean rate",
        Eq(P_1 * (r - (P_1 * r + P_2 * t)), P_1 * (P_1 * r + P_2 * t) / (P_1 + P_2) * (1 - P_1 - P_2)),
        {"P_1 P_2": between(0, half), "r t": UNIT},
        "P_1=1/3 P_2=1/3 r=1/2 t=1/3",
    ),
    FalseStatement("verifier: more votes err less often", k * r * (1 - r) * (2 * r - 1) < 0, {"k r": UNIT}, "k=1/2 r=1/2"),
    FalseStatement("verifier: three votes cube the factor", Eq(three, factor**3), {"r_0 r_1": UNIT}, "r_0=1/2 r_1=1/3"),
    FalseStatement(
        "verifier: decides well only if both rates are below 1/2",
        Equivalent(gain > 0, And(r_0 < half, r_1 < half)),
        {"p r_0 r_1": UNIT},
        "p=1/2 r_0=1/2 r_1=1/3",
    ),
]

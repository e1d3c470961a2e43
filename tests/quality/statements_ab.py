"""Plausible false statements about the chain and about rewards, each with the smallest point that refutes it.

A sign, a factor gamma, a missing N, a and b swapped, a boundary included that must not be: the mistakes that a paper's
algebra makes. Every formula here was written down wrong on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import And, Eq, Equivalent, Implies

from dstheory.claims import CLOSED_UNIT, NONNEGATIVE, POSITIVE, REAL, UNIT, Domain
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain, discount, reward
from dstheory.symbolic.policy import differentiate, minimal_policy


@dataclass(frozen=True)
class FalseStatement:
    """A formula that is not valid on its domain, and its smallest counterexample, coordinates in the domain's order."""

    name: str
    formula: Any
    domain: dict[str, Domain]
    witness: str

    @property
    def point(self) -> dict[str, str]:
        """The witness as symbol name -> value."""
        return dict(item.split("=") for item in self.witness.split())


p, a, b, gamma, kappa = map(symbol, ["p", "a", "b", "gamma", "kappa"])
q = p * (1 - a) + (1 - p) * b
Acc = p * a / (1 - q)
N = 1 / (1 - gamma * q)
V = p * a * N
FLOW = [differentiate(Acc, logit) for logit in minimal_policy().logits]
Q_C, Q_W = a + (1 - a) * gamma * V, b * gamma * V
chain = SymbolicChain(minimal_policy())


def gradient(table: Any, *, undiscounted: bool = False) -> list[Any]:
    """dV/d(theta_s, theta_C, theta_W) of a reward table."""
    value = chain.value(table) if undiscounted else chain.value(table, discount())
    return [differentiate(value, logit) for logit in chain.policy.logits]


TERMINAL, DECISIONS = reward((1, 0), (0, 0)), reward((1, 0), (0, 1))
g_s, g_C, g_W = gradient(TERMINAL)
h_s, h_C, h_W = gradient(TERMINAL, undiscounted=True)
rates = [p * (1 - p), a * (1 - a), b * (1 - b)]
visits = [1 / (1 - q), p / (1 - q), (1 - p) / (1 - q)]
e_s, e_C, e_W = (slope**2 / (rate * seen) for slope, rate, seen in zip((g_s, g_C, g_W), rates, visits, strict=True))
f_s, f_C, f_W = (slope**2 / (rate * seen) for slope, rate, seen in zip((h_s, h_C, h_W), rates, visits, strict=True))
variance = p * a / (1 - gamma**2 * q) - V**2


def capped(turns: int) -> Any:
    """Accuracy with a cap on turns."""
    return SymbolicChain(chain.policy, turns).accuracy((True, False))


CUBE = {"p a b": UNIT}
DISCOUNTED = {**CUBE, "gamma": UNIT}
PRICED = {**DISCOUNTED, "kappa": NONNEGATIVE}
more, u, v, K = sp.symbols("b_more u v K")
Q11, Q10, Q01, x, y = sp.symbols("Q_11 Q_10 Q_01 x y")

STATEMENTS = [
    # --- the chain: A
    FalseStatement("gain: wrong sign", Eq(Acc - p, p * (1 - p) * (1 - a - b) / (1 - q)), CUBE, "p=1/2 a=1/2 b=1/3"),
    FalseStatement("gain: factor 1 - p missing", Eq(Acc - p, p * (a + b - 1) / (1 - q)), CUBE, "p=1/2 a=1/2 b=1/3"),
    FalseStatement("gain: 1 - q missing", Eq(Acc - p, p * (1 - p) * (a + b - 1)), CUBE, "p=1/2 a=1/2 b=1/3"),
    FalseStatement("reflection helps iff a > b", Equivalent(Acc > p, a > b), CUBE, "p=1/2 a=1/2 b=1/3"),
    FalseStatement(
        "reflection helps iff a + b >= 1, boundary included",
        Equivalent(Acc > p, a + b >= 1),
        CUBE,
        "p=1/2 a=1/2 b=1/2",
    ),
    FalseStatement("reflection helps if a > 1/2", Implies(a > sp.Rational(1, 2), Acc > p), CUBE, "p=1/2 a=2/3 b=1/3"),
    FalseStatement("reward flow: theta_W at 1 - b", Eq(FLOW[2], (1 - b) * FLOW[0]), CUBE, "p=1/2 a=1/2 b=1/3"),
    FalseStatement("reward flow: theta_C at a", Eq(FLOW[1], a * FLOW[0]), CUBE, "p=1/2 a=1/3 b=1/2"),
    FalseStatement(
        "reward flow: decisions never learn faster than sampling",
        Implies(a + b > 1, FLOW[1] ** 2 + FLOW[2] ** 2 <= FLOW[0] ** 2),
        CUBE,
        "p=1/2 a=1/3 b=3/4",
    ),
    FalseStatement(
        "odds law: a and b swapped",
        Eq(Acc / (1 - Acc), p / (1 - p) * b / (1 - a)),
        CUBE,
        "p=1/2 a=1/2 b=1/3",
    ),
    FalseStatement("odds law: b for 1 - b", Eq(Acc / (1 - Acc), p / (1 - p) * a / b), CUBE, "p=1/2 a=1/2 b=1/3"),
    FalseStatement("accuracy is concave in p", sp.diff(Acc, p, 2) <= 0, CUBE, "p=1/2 a=1/2 b=1/3"),
    FalseStatement("accuracy rises with the cap on turns", capped(3) >= capped(2), CUBE, "p=1/2 a=1/2 b=1/3"),
    FalseStatement(
        "informative decisions halve the error",
        Implies(a + b > 1, 1 - Acc <= (1 - p) / 2),
        CUBE,
        "p=1/2 a=1/2 b=2/3",
    ),
    FalseStatement(
        "informative decisions need at most two turns",
        Implies(a + b > 1, 1 / (1 - q) <= 2),
        CUBE,
        "p=1/2 a=1/2 b=2/3",
    ),
    FalseStatement("value: gamma missing", Eq(V, Acc), DISCOUNTED, "p=1/2 a=1/2 b=1/2 gamma=1/2"),
    FalseStatement(
        "value: gamma squared",
        Eq(V, p * a / (1 - gamma**2 * q)),
        DISCOUNTED,
        "p=1/2 a=1/2 b=1/2 gamma=1/2",
    ),
    FalseStatement(
        "capped value: one power of gamma q too many",
        Eq(
            SymbolicChain(chain.policy, 2).value(TERMINAL, discount()), p * a * (1 - x**2) / (1 - x) + x**2 * p
        ).subs(x, gamma * q),
        DISCOUNTED,
        "p=1/2 a=1/2 b=1/2 gamma=1/2",
    ),
    FalseStatement(
        "the value with a price still increases in b",
        Implies(b < more, (p * a - kappa * q) / (1 - gamma * q) < ((p * a - kappa * q) / (1 - gamma * q)).subs(b, more)),
        {**PRICED, "b_more": UNIT},
        "p=1/2 a=1/2 b=1/2 gamma=1/2 kappa=1 b_more=2/3",
    ),
    FalseStatement(
        "the self-correction chain has the same limit",
        Eq(b * p / ((1 - a) * (1 - p) + b * p), Acc),
        CUBE,
        "p=1/2 a=1/2 b=1/3",
    ),
    # --- rewards: B
    FalseStatement(
        "sampling gradient: N missing",
        Eq(g_s, p * (1 - p) * (Q_C - Q_W)),
        DISCOUNTED,
        "p=1/2 a=1/2 b=1/2 gamma=1/2",
    ),
    FalseStatement(
        "sampling gradient: Q_W added",
        Eq(g_s, N * p * (1 - p) * (Q_C + Q_W)),
        DISCOUNTED,
        "p=1/2 a=1/2 b=1/2 gamma=1/2",
    ),
    FalseStatement(
        "stop gradient: gamma missing",
        Eq(g_C, N * p * a * (1 - a) * (1 - V)),
        DISCOUNTED,
        "p=1/2 a=1/2 b=1/2 gamma=1/2",
    ),
    FalseStatement(
        "resample gradient: gamma missing",
        Eq(g_W, N * (1 - p) * b * (1 - b) * V),
        DISCOUNTED,
        "p=1/2 a=1/2 b=1/2 gamma=1/2",
    ),
    FalseStatement(
        "resample gradient: p for 1 - p",
        Eq(g_W, N * p * b * (1 - b) * gamma * V),
        DISCOUNTED,
        "p=1/3 a=1/2 b=1/2 gamma=1/2",
    ),
    FalseStatement("balanced in norm", Eq(g_s**2, g_C**2 + g_W**2), DISCOUNTED, "p=1/2 a=1/2 b=1/2 gamma=1/2"),
    FalseStatement("balanced in norm without discount", Eq(h_s**2, h_C**2 + h_W**2), CUBE, "p=1/2 a=1/2 b=1/2"),
    FalseStatement(
        "sampling always has the larger gradient",
        g_s**2 > g_C**2 + g_W**2,
        DISCOUNTED,
        "p=1/2 a=1/3 b=1/2 gamma=1/2",
    ),
    FalseStatement(
        "equal norms inside the circle",
        Equivalent(h_C**2 + h_W**2 > h_s**2, a**2 + (1 - b) ** 2 > 1),
        CUBE,
        "p=1/2 a=1/3 b=3/4",
    ),
    FalseStatement("balanced in energy", Eq(f_s, f_C + f_W), CUBE, "p=1/2 a=1/2 b=1/3"),
    FalseStatement(
        "energy law for a stationary policy with discount",
        Eq(e_s + e_C + e_W, variance),
        DISCOUNTED,
        "p=1/2 a=1/2 b=1/2 gamma=1/2",
    ),
    FalseStatement("energy at most 1/5", f_s + f_C + f_W <= sp.Rational(1, 5), CUBE, "p=1/2 a=1/2 b=1/2"),
    FalseStatement("sampling has at least half of the energy", f_s >= f_C + f_W, CUBE, "p=1/2 a=1/2 b=2/3"),
    FalseStatement(
        "reward on decisions: sabotage iff b > 1/2 at any discount",
        Equivalent(gradient(DECISIONS)[0] < 0, b > sp.Rational(1, 2)),
        DISCOUNTED,
        "p=1/2 a=1/3 b=1/2 gamma=1/2",
    ),
    FalseStatement(
        "reward on decisions: no sabotage while a > b",
        Implies(a > b, gradient(DECISIONS)[0] > 0),
        DISCOUNTED,
        "p=1/2 a=3/4 b=2/3 gamma=1/2",
    ),
    FalseStatement(
        "accuracy with any price lifts sampling",
        gradient(reward((1, 0), (-kappa, -kappa)))[0] > 0,
        PRICED,
        "p=1/2 a=1/3 b=1/2 gamma=1/2 kappa=2",
    ),
    FalseStatement(
        "gradient gap: factor 1 - Acc missing",
        Eq(x * u, x * (u + x * u / (1 - x))),
        {"x": UNIT, "u": REAL},
        "x=1/2 u=1",
    ),
    FalseStatement(
        "the covariance of a cap has the sign of 1 - a - b",
        Equivalent((p * a + q * p / 2) - (p * a + q * p) * (1 - q / 2) > 0, a + b < 1),
        CUBE,
        "p=1/2 a=1/2 b=1/3",
    ),
    FalseStatement(
        "independent tokens lose no energy",
        Eq(
            (x * (1 - x) * sp.diff(x**2 * Q11 + x * (1 - x) * (Q10 + Q01), x)) ** 2 / (2 * x * (1 - x)),
            x**2 * Q11**2 + x * (1 - x) * (Q10**2 + Q01**2) - (x**2 * Q11 + x * (1 - x) * (Q10 + Q01)) ** 2,
        ),
        {"x": UNIT, "Q_11 Q_10 Q_01": REAL},
        "x=1/2 Q_11=0 Q_10=0 Q_01=1",
    ),
    FalseStatement(
        "both energies shrink as decisions improve",
        Implies(b < more, f_s > f_s.subs(b, more)),
        {**CUBE, "b_more": UNIT},
        "p=1/3 a=1/2 b=1/3 b_more=1/2",
    ),
    FalseStatement(
        "accuracy strictly increases on the closed cube",
        sp.diff(p * a / (1 - q), a).subs({s: sp.Symbol(s.name) for s in (p, a, b)}) > 0,
        {"p": CLOSED_UNIT, "a b": UNIT},
        "p=0 a=1/2 b=1/2",
    ),
    FalseStatement(
        "group std: the factor never exceeds 2",
        K / (x * (1 - x)) <= 2 * K * 4,
        {"x": UNIT, "K": POSITIVE},
        "x=1/7 K=1",
    ),
    FalseStatement(
        "both gradients positive for decision rewards",
        And(*[g > 0 for g in gradient(DECISIONS)]),
        DISCOUNTED,
        "p=1/2 a=1/2 b=1/2 gamma=1/2",
    ),
]

"""Plausible false statements about tokens and about the optimum of reward + KL, each with the smallest point that refutes it.

Energies and gradients come from the symbolic engine or from sums over all answers; what is claimed of them was written down
wrong on purpose. ``f`` stands for exp(Q/T), ``D`` and ``S`` for the factors by which decisions and sampling multiply the odds.
"""

from __future__ import annotations

import sympy as sp
from quality.statements_ab import FalseStatement
from sympy import Eq

from dstheory.claims import POSITIVE, UNIT, at_least
from dstheory.symbolic.chain import SymbolicChain
from dstheory.symbolic.policy import differentiate, minimal_policy

x, y, x_E, y_E, z, D, S, f, K, ref = sp.symbols("x y x_E y_E z D S f K ref")

# Two binary tokens, correct iff both are 1: answers 11, 10, 01, 00.
chances = [x * y, x * (1 - y), (1 - x) * y, (1 - x) * (1 - y)]
shown = [c.subs({x: x_E, y: y_E}, simultaneous=True) for c in chances]
both = chances[0]
independent = sp.Add(*[t * (1 - t) * sp.diff(both, t) ** 2 for t in (x, y)])
whole = sp.Add(*[e**2 / c for e, c in zip(shown, chances, strict=True)]) - 1
by_token = sp.Add(*[(e - t) ** 2 / (t * (1 - t)) for e, t in ((x_E, x), (y_E, y))])

# The minimal chain under the full gradient of a KL penalty on tokens, K the mean log-ratio of an answer's.
M0 = minimal_policy()
visits = SymbolicChain(M0).visits()
pushes = [differentiate(-visits * K, logit) for logit in M0.logits]


def accuracy(odds: sp.Expr) -> sp.Expr:
    """A probability from its odds."""
    return odds / (1 + odds)


def softmax(factor: sp.Expr) -> sp.Expr:
    """The optimal probability of a binary choice."""
    return ref * factor / (ref * factor + 1 - ref)


decided = (accuracy(z * D) - accuracy(z) + accuracy(z * D * S) - accuracy(z * S)) / 2
sampled = (accuracy(z * S) - accuracy(z) + accuracy(z * D * S) - accuracy(z * D)) / 2

TWO, EXPERT = {"x y": UNIT}, {"x_E y_E": UNIT}
FACTORS = {"z": POSITIVE, "D S": at_least(1)}
CHAIN = {"p a b": UNIT, "K": POSITIVE}

STATEMENTS = [
    # --- tokens: B5, C4, D3
    FalseStatement("tokens: independent rows lose no energy", Eq(independent, both * (1 - both)), TWO, "x=1/2 y=1/2"),
    FalseStatement(
        "tokens: SFT's energy of an answer is the sum over its tokens",
        Eq(whole, by_token),
        TWO | EXPERT,
        "x=1/2 y=1/2 x_E=1/3 y_E=1/3",
    ),
    FalseStatement(
        "tokens: SFT's energy of the answers never exceeds the sum over tokens",
        whole <= by_token,
        TWO | EXPERT,
        "x=1/2 y=1/2 x_E=1/3 y_E=1/3",
    ),
    FalseStatement("tokens: the KL penalty on tokens leaves a alone", Eq(pushes[1], 0), CHAIN, "p=1/2 a=1/2 b=1/2 K=1"),
    FalseStatement("tokens: the KL penalty on tokens pushes b up", pushes[2] > 0, CHAIN, "p=1/2 a=1/2 b=1/2 K=1"),
    FalseStatement("tokens: the KL penalty on tokens never lowers p", pushes[0] >= 0, CHAIN, "p=1/2 a=1/2 b=1/3 K=1"),
    # --- the optimum: E1
    FalseStatement("optimum: the reference drops out", Eq(softmax(f), f / (1 + f)), {"ref": UNIT, "f": POSITIVE}, "ref=1/3 f=1"),
    FalseStatement(
        "optimum: half the temperature, twice the shift",
        Eq(softmax(f**2) - ref, 2 * (softmax(f) - ref)),
        {"ref": UNIT, "f": at_least(1)},
        "ref=1/2 f=2",
    ),
    FalseStatement(
        "optimum: the soft value does not depend on the temperature",
        Eq(ref * f**2 + 1 - ref, (ref * f + 1 - ref) ** 2),
        {"ref": UNIT, "f": at_least(1)},
        "ref=1/2 f=2",
    ),
    FalseStatement("optimum: exists whatever resampling wrong answers earns", (1 + f) / 4 < 1, {"f": POSITIVE}, "f=3"),
    FalseStatement(
        "optimum: answers of different weights keep a softmax of their own temperatures",
        Eq(D * (z - 1), S * (z - 1)),
        {"D S": at_least(1), "z": POSITIVE},
        "D=1 S=2 z=1/2",
    ),
    FalseStatement(
        "optimum: a prefix is worth its best continuation",
        Eq(ref * f + 1 - ref, f),
        {"ref": UNIT, "f": at_least(1)},
        "ref=1/2 f=2",
    ),
    # --- whose gain it is: E3
    FalseStatement("share: decisions never gain less than sampling", decided >= sampled, FACTORS, "z=1 D=1 S=2"),
    FalseStatement("share: sampling multiplies the accuracy", Eq(accuracy(z * S), S * accuracy(z)), FACTORS, "z=1 S=2"),
    FalseStatement(
        "share: the gains of the two stages add up",
        Eq(accuracy(z * D * S) - accuracy(z), accuracy(z * D) + accuracy(z * S) - 2 * accuracy(z)),
        FACTORS,
        "z=1 D=2 S=2",
    ),
    FalseStatement(
        "share: decisions have the share D/(D + S)", Eq(decided * (D + S), D * (decided + sampled)), FACTORS, "z=1 D=1 S=2"
    ),
]

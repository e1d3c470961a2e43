"""Plausible false statements about measured rates (group G), each with the smallest point that refutes it.

Problems have their own p; the pooled p is that of all attempts. With at most two attempts, mean m and variance v of p over
problems, it is m - (a + b - 1) v/(1 + E q), E q = m (1 - a) + (1 - m) b.
"""

from __future__ import annotations

import sympy as sp
from quality.statements_ab import FalseStatement
from sympy import Eq

from dstheory.claims import UNIT

m, v, a, b, a_new, b_new = sp.symbols("m v a b a_new b_new")


def pooled(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return m - (a + b - 1) * v / (1 + m * (1 - a) + (1 - m) * b)


STATEMENTS = [
    FalseStatement("pooling: the pooled p is at most the mean", pooled(a, b) <= m, {"m v a b": UNIT}, "m=1/2 v=1/2 a=1/2 b=1/3"),
    FalseStatement(
        "pooling: equal sampling has equal pooled p",
        Eq(pooled(a_new, b_new), pooled(a, b)),
        {"m v a b a_new b_new": UNIT},
        "m=1/2 v=1/2 a=1/2 b=1/2 a_new=1/2 b_new=1/3",
    ),
]

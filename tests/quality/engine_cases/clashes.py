"""Claims in which two things have one name, or one thing two."""

from __future__ import annotations

import sympy as sp
from quality.engine_cases.stating import ERROR, FAILS, HALF, HOLDS, V, case, k, p, q, x, y
from sympy import Abs, Max, Sum, exp, log, sqrt

from dstheory.claims import POSITIVE, REAL, UNIT, at_least, decide, identity

CLASHES = [
    case(
        "log p = L for a symbol called log(p)",
        FAILS,
        "",
        lambda: {p: UNIT, sp.Symbol("log(p)"): REAL},
        lambda: identity("", log(p), sp.Symbol("log(p)")),
    ),
    case(
        "the same as a decision",
        FAILS,
        "",
        lambda: {p: UNIT, sp.Symbol("log(p)"): REAL},
        lambda: decide("", log(p) <= sp.Symbol("log(p)")),
    ),
    case(
        "exp(x*y) of one symbol x*y and of two",
        FAILS,
        "",
        lambda: {"x y": REAL, sp.Symbol("x*y"): REAL},
        lambda: identity("", exp(x * y), exp(sp.Symbol("x*y"))),
    ),
    case(
        "a symbol called like a root",
        FAILS,
        "",
        lambda: {p: UNIT, sp.Symbol("sqrt(p)"): UNIT},
        lambda: decide("", sqrt(p) >= sp.Symbol("sqrt(p)")),
    ),
    case(
        "a symbol called like an absolute value",
        FAILS,
        "",
        lambda: {p: REAL, sp.Symbol("Abs(p)"): REAL},
        lambda: decide("", Abs(p) >= sp.Symbol("Abs(p)")),
    ),
    case(
        "a symbol called like a maximum",
        FAILS,
        "",
        lambda: {"p q": REAL, sp.Symbol("Max(p, q)"): REAL},
        lambda: decide("", Max(p, q) >= sp.Symbol("Max(p, q)")),
    ),
    case(
        "a symbol called exp",
        HOLDS,
        "",
        lambda: {x: POSITIVE, sp.Symbol("exp"): POSITIVE},
        lambda: decide("", exp(x) * sp.Symbol("exp") > sp.Symbol("exp")),
    ),
    case(
        "a symbol called lambda",
        FAILS,
        "",
        lambda: {sp.Symbol("lambda"): UNIT},
        lambda: decide("", log(sp.Symbol("lambda")) > -1),
    ),
    case("two dummies of one name", ERROR, "dummy", {p: UNIT}, lambda: identity("", sp.Dummy("p"), sp.Dummy("p"))),
    case(
        "a step that redefines what the claim defines",
        ERROR,
        "defined twice",
        {p: UNIT},
        lambda: identity("", V, 1 + p - p * 1, using={V: sp.Integer(1)}),
        definitions={V: p},
    ),
    case(
        "a step that gives a defined name a domain",
        ERROR,
        "the claim defines it",
        {p: UNIT},
        lambda: decide("", V > 5, where={V: at_least(6)}),
        definitions={V: p},
    ),
    case("a step with another domain", ERROR, "use one of them", {p: UNIT}, lambda: decide("", p > 5, where={p: at_least(6)})),
    case(
        "symbols that do not commute",
        ERROR,
        "commute",
        lambda: {"x y": REAL},
        lambda: identity("", sp.Symbol("x", commutative=False) * sp.Symbol("y", commutative=False), y * x),
    ),
    case(
        "SymPy told more than the domain says",
        ERROR,
        "SymPy was told",
        {x: REAL},
        lambda: decide("", sp.Symbol("x", positive=True) > HALF),
    ),
    case(
        "an index named like a symbol", ERROR, "rename the index", {k: REAL}, lambda: identity("", Sum(k, (k, 1, 3)) + k, 6 + k)
    ),
]

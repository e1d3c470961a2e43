"""Claims of which a part is hidden: behind one that holds, or dropped before the engine sees it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy as sp
from quality.engine_cases.stating import ERROR, FAILS, HALF, HOLDS, PART, UNDECIDED, V, W, case, k, n, p, x, y
from sympy import Abs, And, Eq, Equivalent, Implies, Ne, Rational, Sum, log, sqrt

from dstheory.claims import (
    CLOSED_UNIT,
    COUNT,
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
    at_least,
    between,
    decide,
    derivative,
    enclose,
    identity,
)


def told(name: str, **words: bool) -> Any:
    """A symbol of which SymPy was told something."""
    return sp.Symbol(name, **words)


OPEN = Abs(log(1 + p)) <= p - p**2 / 2 + p**3 / 3
"""True on (0, 1), and beyond what the solver knows of logarithms; absolute values have no derivative that it could look at."""

HIDDEN = [
    case("an open question behind one that is settled", UNDECIDED, "", {p: UNIT}, lambda: decide("", And(p < 2, OPEN))),
    case("an open half of an equivalence", UNDECIDED, "", {p: UNIT}, lambda: decide("", Equivalent(OPEN, p < 2))),
    case("the other half", UNDECIDED, "", {p: UNIT}, lambda: decide("", Equivalent(p < 2, OPEN))),
    case("an open part of a conclusion", UNDECIDED, "", {p: UNIT}, lambda: decide("", Implies(p < HALF, And(p < 2, OPEN)))),
    case(
        "an equation behind one that holds under the assumptions",
        FAILS,
        "",
        {x: POSITIVE},
        lambda: identity("", [Abs(x), x], [x, x + 1]),
    ),
    case(
        "the same under an equality", FAILS, "", {"x y": REAL}, lambda: identity("", [x, x], [y, y + 1]), assumptions=[Eq(x, y)]
    ),
    case(
        "a positive defined symbol that SymPy drops",
        ERROR,
        "SymPy was told",
        {x: REAL},
        lambda: decide("", And(told("V", positive=True) > 0, x**2 + 1 > 0)),
        definitions={told("V", positive=True): x},
    ),
    case(
        "a positive symbol of the domain that SymPy drops",
        ERROR,
        "SymPy was told",
        lambda: {told("x", positive=True): REAL, y: REAL},
        lambda: decide("", y**2 + 1 > 0),
    ),
    case(
        "extended assumptions",
        ERROR,
        "SymPy was told",
        {x: REAL},
        lambda: identity("", sqrt(told("V", extended_nonnegative=True) ** 2) * (x + 1), x**2 + x),
        definitions={V: x},
    ),
    case(
        "a symbol told not to be zero",
        ERROR,
        "SymPy was told",
        {x: REAL},
        lambda: decide("", And(Ne(told("V", zero=False), 0), x + told("V", zero=False) > 2 * x - 1)),
        definitions={V: x},
    ),
    case(
        "a symbol told not to be zero, defined as zero in two ways",
        ERROR,
        "SymPy was told that V is nonzero",
        {x: POSITIVE},
        lambda: decide("", And(told("V", nonzero=True) ** 2 > 0, told("V", nonzero=True) < 1)),
        definitions={V: sqrt(x**2 + 2 * x + 1) - x - 1},
    ),
    case(
        "a derivative that SymPy takes of a name",
        ERROR,
        "no step mentions it",
        {p: UNIT},
        lambda: decide("", V.diff(p) < p),
        definitions={V: p**2},
    ),
    case(
        "a definition that only a definition mentions",
        ERROR,
        "defines V, but no step mentions it",
        {p: UNIT},
        lambda: decide("", p < 2),
        definitions={V: p**2, W: V + 1},
    ),
    case(
        "a definition behind another that a step mentions",
        HOLDS,
        "",
        {p: UNIT},
        lambda: decide("", W > 1),
        definitions={V: p**2, W: V + 1},
    ),
    case(
        "the derivative of an integral that diverges",
        ERROR,
        "Integral(k**(-2), (k, -1, p)) is not understood",
        {"p k": POSITIVE},
        lambda: identity("", derivative(sp.Integral(1 / k**2, (k, -1, p)), p) * p**2 * k, k),
    ),
    case(
        "an entry of a matrix",
        ERROR,
        "is not understood",
        {"p x": UNIT},
        lambda: decide("", sp.MatrixSymbol("p", 2, 2)[0, 1] + x > -1),
    ),
    case(
        "a count told not to be an integer",
        ERROR,
        "SymPy was told",
        {n: COUNT},
        lambda: decide("", And(Ne(told("n", integer=False), 1), told("n", integer=False) > 0)),
    ),
    case(
        "a number told not to be rational",
        ERROR,
        "SymPy was told",
        {x: POSITIVE},
        lambda: decide("", And(Ne(told("x", rational=False), 2), told("x", rational=False) + 1 > HALF)),
    ),
    case(
        "an index told to be positive",
        ERROR,
        "the index",
        {x: REAL},
        lambda: identity("", Sum(Abs(told("k", positive=True)) * x, (told("k", positive=True), -2, -1)), -3 * x),
    ),
    case(
        "premises that two steps share by name only",
        ERROR,
        "contradict",
        {p: UNIT},
        lambda: decide("", p + y < 2, given=[y < HALF], where={y: UNIT}, lemma=True),
        lambda: decide("", p > 5, given=[y < HALF], where={y: at_least(6)}),
        lambda: decide("", p < 2),
    ),
    case(
        "the derivative of a root where it is zero",
        ERROR,
        "is not positive",
        {x: NONNEGATIVE},
        lambda: identity("", derivative(sqrt(x), x) * sqrt(x) * (x + 1), (x + 1) / 2),
    ),
    case(
        "the same behind a definition",
        ERROR,
        "is not positive",
        {x: NONNEGATIVE},
        lambda: identity("", derivative(V, x) * V * (x + 1), (x + 1) / 2),
        definitions={V: sqrt(x)},
    ),
    case(
        "a kink hidden in a root",
        ERROR,
        "is not positive",
        {x: REAL},
        lambda: identity("", derivative(sqrt(x**2), x) ** 2 * (x + 1), x + 1),
    ),
    case(
        "a derivative of symbolic order",
        ERROR,
        "whole number",
        {x: REAL, n: COUNT},
        lambda: identity("", sp.Derivative(x**3, (x, n)) + (x + n) ** 2, x**2 + 2 * x * n + n**2),
    ),
    case(
        "a derivative over the integers",
        ERROR,
        "no derivative",
        {n: COUNT},
        lambda: identity("", derivative(n**2 + n, n), 2 * n + 1),
    ),
    case(
        "a derivative at a single point",
        ERROR,
        "no derivative",
        {x: between(1, 1, "[]")},
        lambda: identity("", derivative(x**2 + x, x), 2 * x + 1),
    ),
    case(
        "a premise about what has no value",
        ERROR,
        "x = 1",
        {x: CLOSED_UNIT},
        lambda: decide("", V * (1 - x) > 0),
        definitions={V: 1 / (1 - x)},
        assumptions=[Ne(V, HALF)],
    ),
    case(
        "the same by a square",
        ERROR,
        "x = 0",
        {x: REAL},
        lambda: decide("", V**2 > 0),
        definitions={V: 1 / x},
        assumptions=[V**2 > 0],
    ),
    case(
        "the same in a step",
        ERROR,
        "x = 0",
        {x: REAL},
        lambda: decide("", x * W >= 1, given=[Ne(W, -7)], using={W: 1 / x}),
        lambda: decide("", x**2 + 1 > 0),
    ),
    case(
        "a definition by one that has a value",
        HOLDS,
        "",
        {p: UNIT},
        lambda: decide("", W > 0),
        definitions={V: p - HALF, W: 1 / V},
        assumptions=[V > 0],
    ),
    case(
        "a partial step beside a whole one is named",
        HOLDS,
        "step 1 where p > 1/2",
        {p: UNIT},
        lambda: decide("", p > Rational(1, 3), given=[p > HALF]),
        lambda: decide("", p < 2),
    ),
    case(
        "cases of one formula whose name stands for two things",
        PART,
        "step 1 only where p > 1/2; step 2 only where p <= 1/2",
        {p: UNIT},
        lambda: decide("", 3 * V > 1, given=[p > HALF], using={V: p}),
        lambda: decide("", 3 * V > 1, given=[p <= HALF], using={V: 1 - p}),
    ),
    case(
        "cases of two different formulas",
        PART,
        "step 1 only where p > 1/2; step 2 only where p <= 1/2",
        {p: UNIT},
        lambda: decide("", p > Rational(1, 3), given=[p > HALF]),
        lambda: decide("", p < 2, given=[p <= HALF]),
    ),
    case(
        "cases over two ranges of one name",
        PART,
        "only where",
        {p: UNIT},
        lambda: decide("", p + y > HALF, given=[y > HALF], where={y: UNIT}),
        lambda: decide("", p + y > HALF, given=[y <= HALF], where={y: between(Fraction(1, 2), Fraction(1, 2), "[]")}),
    ),
    case(
        "a range that only a step declares is in the scope",
        HOLDS,
        "p in (1/2, 1)",
        {},
        lambda: decide("", p > Rational(1, 3), where={p: between(Fraction(1, 2), 1)}),
    ),
    case(
        "an implication within one that leaves nothing",
        ERROR,
        "contradict",
        {p: UNIT},
        lambda: decide("", Implies(p > HALF, Implies(p < HALF, p > 5))),
    ),
    case("an equivalence of two that never hold", ERROR, "contradict", {p: UNIT}, lambda: decide("", Equivalent(p > 1, p > 5))),
    case("an enclosure without a box", ERROR, "needs a box", {}, lambda: enclose("", log(6) <= log(2) + log(4), {})),
    case("a number beyond floating point", HOLDS, "", {x: UNIT}, lambda: decide("", x * 10**400 > -1)),
    case("premises without their brackets", ERROR, "a list", {p: UNIT}, lambda: decide("", p > 0, given=p > HALF)),
    case("assumptions without their brackets", ERROR, "a list", {p: UNIT}, lambda: decide("", p > 0), assumptions=p > HALF),
]

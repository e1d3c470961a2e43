"""Claims about nothing: domains without a point, premises that contradict each other."""

from __future__ import annotations

from fractions import Fraction

from quality.engine_cases.stating import ERROR, HALF, PART, UNDECIDED, case, n, p, q, x, y, z
from sympy import And, Eq, Implies, Rational, exp, log

from dstheory.claims import COUNT, POSITIVE, REAL, UNIT, Domain, between, decide, enclose, identity

EMPTY = [
    case(
        "an enclosure whose premise its box excludes",
        ERROR,
        "contradict",
        {x: UNIT},
        lambda: enclose("", x > 5, {x: ("1/10", "9/10")}, given=[x < 0]),
    ),
    case(
        "an enclosure whose premise holds outside its box only",
        ERROR,
        "contradict",
        {x: UNIT},
        lambda: enclose("", x > 5, {x: ("1/10", "9/10")}, given=[x > Rational(19, 20)]),
    ),
    case(
        "log(x^2) = 2 log x given x > 1 and x < 0",
        ERROR,
        "contradict",
        {x: REAL},
        lambda: identity("", log(x**2), 2 * log(x), given=[x > 1, x < 0]),
    ),
    case(
        "an identity under premises without a point",
        ERROR,
        "contradict",
        {x: REAL},
        lambda: identity("", x, x + 1, given=[x > 1, x < 1]),
    ),
    case(
        "a true identity under premises without a point",
        ERROR,
        "contradict",
        {x: REAL},
        lambda: identity("", (x + 1) ** 2, x**2 + 2 * x + 1, given=[x > 1, x < 1]),
    ),
    case("a premise against the domain", ERROR, "contradict", {p: UNIT}, lambda: decide("", p > 5, given=[p > 1])),
    case("an assumption against the domain", ERROR, "contradict", {p: UNIT}, lambda: decide("", p > 5), assumptions=[p >= 1]),
    case(
        "a step against the claim",
        ERROR,
        "contradict",
        {"p q": UNIT},
        lambda: decide("", p > 5, given=[p > q]),
        assumptions=[p < q],
    ),
    case(
        "three premises, no two of which clash",
        ERROR,
        "contradict",
        {"x y z": REAL},
        lambda: decide("", x > 5, given=[x > y, y > z, z > x]),
    ),
    case("a sum of squares below zero", ERROR, "contradict", {"x y": REAL}, lambda: decide("", x > 5, given=[x**2 + y**2 < 0])),
    case(
        "premises that only a logarithm sets against each other",
        ERROR,
        "contradict",
        {x: POSITIVE},
        lambda: decide("", x > 5, given=[log(x) > x - 1]),
    ),
    case(
        "premises that no bound on exp can tell from possible",
        UNDECIDED,
        "could not tell",
        {x: UNIT},
        lambda: decide("", x > 5, given=[exp(x) < 1 + x + x**2 / 2]),
    ),
    case(
        "premises only between the integers",
        ERROR,
        "contradict",
        {n: COUNT},
        lambda: decide("", n > 5, given=[2 * n > 3, 2 * n < 4 - HALF]),
    ),
    case("premises that only irrational points satisfy", PART, "", {x: POSITIVE}, lambda: decide("", x > 1, given=[Eq(x**2, 2)])),
    case("an implication whose condition never holds", ERROR, "contradict", {p: UNIT}, lambda: decide("", Implies(p > 1, p > 5))),
    case(
        "one of several implications",
        ERROR,
        "contradict",
        {p: UNIT},
        lambda: decide("", And(Implies(p > HALF, p > Rational(1, 3)), Implies(And(p < HALF, p > HALF), p > 5))),
    ),
    case(
        "no integer between 1/3 and 2/3",
        ERROR,
        "no integer",
        lambda: {n: Domain(Fraction(1, 3), Fraction(2, 3), integer=True)},
        lambda: decide("", n > 5),
    ),
    case(
        "no integer between 1 and 2, both left out",
        ERROR,
        "no integer",
        lambda: {n: Domain(Fraction(1), Fraction(2), integer=True)},
        lambda: decide("", n > 5),
    ),
    case("an interval turned round", ERROR, "empty", lambda: {x: between(1, 0)}, lambda: decide("", x > 5)),
    case("a point left out", ERROR, "empty", lambda: {x: between(1, 1, "[)")}, lambda: decide("", x > 5)),
    case(
        "a domain of the step's own without a point",
        ERROR,
        "empty",
        {x: UNIT},
        lambda: decide("", x > 5, where={y: between(1, 1)}),
    ),
    case("a box turned round", ERROR, "lower end", {x: UNIT}, lambda: enclose("", x > 5, {x: ("9/10", "1/10")})),
    case(
        "an end point that is a float",
        ERROR,
        "0.3333",
        lambda: {x: Domain(0.3333333333333333, 1)},
        lambda: decide("", x > Rational(1, 3)),
    ),  # type: ignore[arg-type]
]

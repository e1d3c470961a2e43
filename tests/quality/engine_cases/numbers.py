"""Claims that are true over some numbers and false over others."""

from __future__ import annotations

from fractions import Fraction

from quality.engine_cases.stating import ERROR, FAILS, HALF, HOLDS, UNDECIDED, case, m, n, p, x, y
from sympy import Abs, And, Eq, Equivalent, Implies, Max, Min, Ne, Or, Rational, exp, log, sqrt

from dstheory.claims import COUNT, POSITIVE, REAL, UNIT, Domain, between, decide, enclose, identity

TINY, TINIER = Fraction(1, 2**22), Fraction(1, 2**52)

NUMBERS = [
    case("n^2 >= n over the integers", HOLDS, "", {n: Domain(integer=True)}, lambda: decide("", n**2 >= n)),
    case("n^2 >= n over the reals", FAILS, "", {n: REAL}, lambda: decide("", n**2 >= n)),
    case("2 n != 1 over the integers", HOLDS, "", {n: Domain(integer=True)}, lambda: decide("", Ne(2 * n, 1))),
    case("2 n != 2 over the integers", FAILS, "", {n: Domain(integer=True)}, lambda: decide("", Ne(2 * n, 2))),
    case(
        "a square of an integer that is twice a square",
        FAILS,
        "",
        {"n m": Domain(integer=True)},
        lambda: decide("", Ne(n**2, 2 * m**2)),
    ),
    case("an integer next to a real", FAILS, "", {n: COUNT, x: UNIT}, lambda: decide("", Ne(n * x, HALF))),
    case("a real shift of an integer", FAILS, "", {n: COUNT, x: REAL}, lambda: decide("", (n + x) ** 2 >= n + x)),
    case("a square that is zero at one irrational point", FAILS, "", {x: UNIT}, lambda: decide("", (x**2 - HALF) ** 2 > 0)),
    case(
        "a condition that holds at one irrational point only",
        FAILS,
        "",
        {"x y": UNIT},
        lambda: decide("", Implies((x**2 - HALF) ** 2 * (y - 2) >= 0, x > Rational(3, 4))),
    ),
    case(
        "an equivalence that fails at a root of 3, one way",
        FAILS,
        "",
        {x: REAL},
        lambda: decide("", Equivalent(Eq(x**2, 2), Or(Eq(x**2, 2), Eq(x**2, 3)))),
    ),
    case(
        "the other way",
        FAILS,
        "",
        {x: REAL},
        lambda: decide("", Equivalent(Eq(x**2, 2), And(Eq(x**2, 2), x > 0))),
    ),
    case("|x| = x where x is a root of 2", FAILS, "", {x: REAL}, lambda: decide("", Implies(Eq(x**2, 2), Abs(x) <= x))),
    case("the lesser of x and 1 at a root of 2", FAILS, "", {x: REAL}, lambda: decide("", Implies(Eq(x**2, 2), Min(x, 1) >= x))),
    case("the greater of x and 1 there", FAILS, "", {x: REAL}, lambda: decide("", Implies(Eq(x**2, 2), Max(x, 1) <= x))),
    case("n (n + 1) is not 1", HOLDS, "", {n: COUNT}, lambda: decide("", Ne(n * (n + 1), 1))),
    case("x^2 = 2 has no solution", FAILS, "", {x: POSITIVE}, lambda: decide("", Ne(x**2, 2))),
    case("sqrt(x^2) = x on the positive numbers", HOLDS, "", {x: POSITIVE}, lambda: identity("", sqrt(x**2), x)),
    case("|x| = x", FAILS, "", {x: REAL}, lambda: identity("", Abs(x), x)),
    case("(-1)^(1/3)", ERROR, "", {x: UNIT}, lambda: identity("", x * (-1) ** Rational(1, 3), -x)),
    case(
        "log(x y) splits for negative numbers too",
        ERROR,
        "is not positive",
        {"x y": REAL},
        lambda: identity("", log(x * y), log(x) + log(y), given=[x * y > 0]),
    ),
    case("a float", ERROR, "float", {x: UNIT}, lambda: identity("", x * 0.1, x / 10)),
    case(
        "log 2 against a rational close to it", FAILS, "", {x: UNIT}, lambda: decide("", x * log(2) < x * Rational(6931, 10000))
    ),
    case(
        "exp at 2^-22 is the rational number next to it",
        FAILS,
        "",
        {x: between(TINY, TINY, "[]")},
        lambda: enclose("", Eq(exp(x), Rational(1 + TINY + TINY**2 / 2)), {x: (TINY, TINY)}),
    ),
    case(
        "log(1 + t) below t - t^2/2 at t = 2^-52",
        FAILS,
        "",
        {x: between(1 + TINIER, 1 + TINIER, "[]")},
        lambda: enclose("", log(x) <= Rational(TINIER - TINIER**2 / 2), {x: (1 + TINIER, 1 + TINIER)}),
    ),
    case("a strict bound that only touches", FAILS, "", {x: POSITIVE}, lambda: decide("", log(x) < x - 1)),
    case("the bound itself", HOLDS, "", {x: POSITIVE}, lambda: decide("", log(x) <= x - 1)),
    case(
        "equivalence with the boundary wrong",
        FAILS,
        "",
        {"x y": REAL},
        lambda: decide("", Equivalent(x**2 > y**2, Or(x > y, x < -y))),
    ),
    case(
        "a false lemma does not refute",
        UNDECIDED,
        "lemma",
        {p: UNIT},
        lambda: decide("", p > HALF, lemma=True),
        lambda: decide("", p > 0),
    ),
    case("decided before Python handed it over", ERROR, "already become", {p: UNIT}, lambda: decide("", p == p)),
]

"""Claims with sums, derivatives, matrices and functions that an engine may misread."""

from __future__ import annotations

import sympy as sp
from quality.engine_cases.stating import DEFINED, ERROR, FAILS, V, W, case, k, n, p, x, y
from sympy import Eq, Rational, Sum, log

from dstheory.claims import COUNT, POSITIVE, REAL, UNIT, decide, derivative, identity

FORMULAS = [
    case(
        "a decision of an expression against itself",
        DEFINED,
        "",
        {p: UNIT},
        lambda: decide("", Eq(V, W)),
        definitions={V: p**2, W: p**2},
    ),
    case(
        "an index that would capture a definition's symbol",
        ERROR,
        "rename the index",
        {k: REAL},
        lambda: identity("", Sum(V, (k, 1, 3)), 6),
        definitions={V: k},
    ),
    case(
        "a sum over a definition that does not show its index",
        FAILS,
        "",
        {x: REAL},
        lambda: identity("", Sum(V, (k, 1, 3)), 6),
        definitions={V: x},
    ),
    case(
        "matrices of two shapes", ERROR, "one shape", {"x y": REAL}, lambda: identity("", sp.Matrix([[x, y]]), sp.Matrix([x, y]))
    ),
    case("the derivative of a constant", FAILS, "", {"x y": REAL}, lambda: identity("", derivative(V, x), 1), definitions={V: y}),
    case(
        "a derivative with respect to what is defined",
        ERROR,
        "is defined",
        {x: REAL},
        lambda: identity("", derivative(x**2, V), x),
        definitions={V: 2 * x},
    ),
    case(
        "a second derivative",
        FAILS,
        "",
        {x: POSITIVE},
        lambda: identity("", derivative(derivative(V, x), x), 1 / x**2),
        definitions={V: log(x)},
    ),
    case("a power with a huge exponent", FAILS, "", {x: UNIT}, lambda: decide("", x**60 > Rational(1, 2**50))),
]

FUNCTIONS = [
    case(
        f"a function that no engine knows: {function}",
        ERROR,
        "not understood in a formula",
        {n: COUNT},
        lambda function=function: decide("", function(n) > -2),
    )
    for function in (sp.factorial, sp.gamma, sp.floor, sp.sin, sp.sign, sp.Function("f"))
]

"""Claims that an engine may wave through: undefined, empty, contradictory, clashing, unrelated, or only true over other numbers.

Each has the outcome that it must get and words that the explanation must contain. Those marked "holds" are true and close to a
false one: a checker that refuses everything is of no use either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp
from sympy import Abs, And, Eq, Equivalent, Implies, Max, Ne, Or, Product, Rational, Sum, exp, log, sqrt

from dstheory.claims import (
    CLOSED_UNIT,
    COUNT,
    NONNEGATIVE,
    POSITIVE,
    REAL,
    UNIT,
    Claim,
    Domain,
    at_least,
    between,
    counterexample,
    decide,
    derivative,
    enclose,
    example,
    identity,
)

p, q, x, y, z, n, m, k, t = sp.symbols("p q x y z n m k t")
V, W, L = sp.symbols("V W L")
HALF = Rational(1, 2)
ERROR, UNDECIDED, FAILS = "error", "undecided", "fails"
HOLDS, PART, POINT, DEFINED = "holds", "holds under condition", "holds at an example", "true by definition"


@dataclass(frozen=True)
class Case:
    """A claim, what it must come to, and what must be said."""

    name: str
    outcome: str
    words: str
    build: Callable[[], Claim]


def case(
    name: str, outcome: str, words: str, domain: Any, *proof: Callable[[], Any], definitions: Any = None, assumptions: Any = ()
) -> Case:
    """A case whose domain and steps are built only when it is checked: a part that is refused where it is written counts too."""

    def build() -> Claim:
        given = assumptions() if callable(assumptions) else assumptions
        return Claim(
            id="case",
            statement=name,
            domain=domain() if callable(domain) else domain,
            definitions=definitions or {},
            assumptions=given,
            proof=[step() for step in proof],
        )

    return Case(name, outcome, words, build)


UNDEFINED = [
    case(
        "V (1 - x) = 1, V = 1/(1 - x), at x = 1",
        ERROR,
        "x = 1",
        {x: CLOSED_UNIT},
        lambda: identity("", V * (1 - x), 1),
        definitions={V: 1 / (1 - x)},
    ),
    case(
        "V (1 - x) > 0 on all reals", ERROR, "x = 1", {x: REAL}, lambda: decide("", V * (1 - x) > 0), definitions={V: 1 / (1 - x)}
    ),
    case(
        "the same where x = 1 is left out",
        HOLDS,
        "",
        {x: UNIT},
        lambda: decide("", V * (1 - x) > 0),
        definitions={V: 1 / (1 - x)},
    ),
    case(
        "behind two definitions",
        ERROR,
        "x = 1",
        {x: CLOSED_UNIT},
        lambda: identity("", W * (1 - x) ** 2, 1),
        definitions={V: 1 / (1 - x), W: V**2},
    ),
    case("a definition that no step uses", ERROR, "x = 0", {x: REAL}, lambda: decide("", x**2 + 1 > 0), definitions={V: 1 / x}),
    case(
        "a definition of the step's own",
        ERROR,
        "x = 1",
        {x: CLOSED_UNIT},
        lambda: identity("", V * (1 - x) + x, 1 + x, using={V: 1 / (1 - x)}),
    ),
    case(
        "a denominator that is zero by definition",
        ERROR,
        "zero",
        {x: UNIT},
        lambda: decide("", 1 / V > 0),
        definitions={V: x - x + 0},
    ),
    case(
        "a denominator that vanishes once substituted",
        ERROR,
        "divides by zero",
        {x: UNIT},
        lambda: decide("", x / (V - x) > 0),
        definitions={V: x},
    ),
    case(
        "zero times what has no value",
        ERROR,
        "x = 0",
        {x: REAL},
        lambda: identity("", V * W, 0),
        definitions={V: 1 / x, W: x - x},
    ),
    case(
        "at an interior point of a square",
        ERROR,
        "p = 1/2",
        {p: UNIT},
        lambda: identity("", (p - HALF) ** 2 * V, 1),
        definitions={V: 1 / (2 * p - 1) ** 2 * 4},
    ),
    case(
        "at an irrational point",
        ERROR,
        "x**2 - 2 is zero",
        {x: POSITIVE},
        lambda: identity("", V * (x**2 - 2), 1),
        definitions={V: 1 / (x**2 - 2)},
    ),
    case("on a curve", ERROR, "is zero", {"p q": UNIT}, lambda: identity("", V * (p - q), 1), definitions={V: 1 / (p - q)}),
    case(
        "on the boundary of a discount",
        ERROR,
        "p = 1",
        {p: between(0, 1, "(]"), q: CLOSED_UNIT},
        lambda: decide("", V * (1 - p * q) >= 1),
        definitions={V: 1 / (1 - p * q)},
    ),
    case(
        "the boundary excluded",
        HOLDS,
        "",
        {p: UNIT, q: CLOSED_UNIT},
        lambda: decide("", V * (1 - p * q) >= 1),
        definitions={V: 1 / (1 - p * q)},
    ),
    case(
        "between the integers only",
        HOLDS,
        "",
        {n: COUNT},
        lambda: decide("", V * (2 * n - 3) >= 1),
        definitions={V: 1 / (2 * n - 3)},
    ),
    case("at an integer", ERROR, "n = 3", {n: COUNT}, lambda: decide("", V * (2 * n - 6) >= 1), definitions={V: 1 / (2 * n - 6)}),
    case("a logarithm of zero", ERROR, "x = 0", {x: NONNEGATIVE}, lambda: identity("", V - V + x, x), definitions={V: log(x)}),
    case("a logarithm that cancels", ERROR, "x = ", {x: REAL}, lambda: identity("", exp(V), x), definitions={V: log(x)}),
    case(
        "a root of what may be zero",
        UNDECIDED,
        "x - y in sqrt(x - y) could not be shown to be positive",
        {"x y": UNIT},
        lambda: decide("", sqrt(x - y) >= 0, given=[x >= y]),
    ),
    case("a root of a negative number", ERROR, "is negative", {x: REAL}, lambda: identity("", V**2, x), definitions={V: sqrt(x)}),
    case(
        "a cube root of a negative number",
        ERROR,
        "is negative",
        {x: REAL},
        lambda: identity("", V**3, x),
        definitions={V: x ** Rational(1, 3)},
    ),
    case(
        "the root of a square",
        ERROR,
        "SymPy was told",
        {x: REAL},
        lambda: identity("", sqrt(sp.Symbol("V", positive=True) ** 2), x),
        definitions={V: x},
    ),
    case(
        "a real power of zero", ERROR, "is not positive", {x: NONNEGATIVE, t: REAL}, lambda: identity("", x**t * x, x ** (t + 1))
    ),
    case(
        "an implication does not excuse its conclusion",
        ERROR,
        "x = 1",
        {x: CLOSED_UNIT},
        lambda: decide("", Implies(x < 1, 1 / (1 - x) > 0)),
    ),
    case("a premise without a value", ERROR, "x = 0", {x: REAL}, lambda: decide("", x**2 >= 0, given=[1 / x > 0])),
    case("a premise given a value by another", PART, "", {x: REAL}, lambda: decide("", x >= 1, given=[x > 0, 1 / x < 1])),
    case(
        "an assumption of the claim without a value",
        ERROR,
        "x = 0",
        {x: REAL},
        lambda: decide("", x**2 >= 0),
        assumptions=[log(x**2) > 1],
    ),
    case(
        "an example where a definition has no value",
        ERROR,
        "has no value",
        {x: REAL},
        lambda: example("", Eq(V * (1 - x), 1), at={x: 1}, using={V: 1 / (1 - x)}),
    ),
    case(
        "an enclosure over a pole that cancels",
        ERROR,
        "x = 1/2",
        {x: UNIT},
        lambda: enclose("", exp(V * (x - HALF)) > 2, {x: ("1/10", "9/10")}, using={V: 1 / (x - HALF)}),
    ),
    case("infinity", ERROR, "oo", {x: UNIT}, lambda: decide("", sp.oo > x)),
    case("the imaginary unit", ERROR, "I", {x: UNIT}, lambda: identity("", x * sp.I, x)),
    case(
        "a derivative at a kink",
        ERROR,
        "kink",
        {x: REAL},
        lambda: identity("", derivative(V, x) ** 2, 1),
        definitions={V: Abs(x)},
    ),
]

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

UNRELATED = [
    case("for all p: p > 1/3, by one example", POINT, "", {p: UNIT}, lambda: example("", p > Rational(1, 3), at={p: "1/2"})),
    case(
        "by two examples",
        POINT,
        "",
        {p: UNIT},
        lambda: example("", p > Rational(1, 3), at={p: "1/2"}),
        lambda: example("", p > Rational(1, 3), at={p: "2/3"}),
    ),
    case(
        "by an example with a domain of the step's own",
        POINT,
        "",
        {},
        lambda: example("", p > Rational(1, 3), at={p: "1/2"}, where={p: UNIT}),
    ),
    case(
        "by a lemma and an example",
        POINT,
        "",
        {p: UNIT},
        lambda: decide("", p < 2, lemma=True),
        lambda: example("", p > Rational(1, 3), at={p: "1/2"}),
    ),
    case("by a sum of numbers", POINT, "mentions p", {p: UNIT}, lambda: identity("", Sum(k, (k, 1, 4)), 10)),
    case("by a step about another symbol", POINT, "mentions p", {p: UNIT}, lambda: decide("", q < 2, where={q: UNIT})),
    case("not for all: by a counterexample", POINT, "", {p: UNIT}, lambda: counterexample("", p > HALF, at={p: "1/3"})),
    case("by an expression equal to itself", DEFINED, "", {p: UNIT}, lambda: identity("", p * (1 - p), p * (1 - p))),
    case(
        "by a definition equal to itself",
        DEFINED,
        "",
        {p: UNIT},
        lambda: identity("", V, p / (1 + p)),
        definitions={V: p / (1 + p)},
    ),
    case(
        "by two definitions of one thing",
        DEFINED,
        "",
        {p: UNIT},
        lambda: identity("", V, W),
        definitions={V: p / (1 + p), W: p / (1 + p)},
    ),
    case(
        "a definition beside an example",
        POINT,
        "",
        {p: UNIT},
        lambda: identity("", V, p),
        lambda: example("", p > Rational(1, 3), at={p: "1/2"}),
        definitions={V: p},
    ),
    case(
        "a derivative taken by the engine",
        HOLDS,
        "",
        {x: UNIT},
        lambda: identity("", derivative(V, x), 2 * x),
        definitions={V: x**2},
    ),
    case("a wrong derivative", FAILS, "", {x: UNIT}, lambda: identity("", derivative(V, x), x), definitions={V: x**2}),
    case("an enumerated sum", HOLDS, "", {x: UNIT}, lambda: identity("", Sum(x**k, (k, 0, 3)) * (1 - x), 1 - x**4)),
    case("a wrong sum", FAILS, "", {x: UNIT}, lambda: identity("", Sum(x**k, (k, 0, 3)) * (1 - x), 1 - x**3)),
    case("a product with a wrong end", FAILS, "", {x: POSITIVE}, lambda: decide("", Product(x + k, (k, 1, 3)) > 24)),
    case(
        "on a box inside its domain",
        PART,
        "only where",
        {x: UNIT},
        lambda: enclose("", x < Rational(19, 20), {x: ("1/10", "9/10")}),
    ),
    case("on the whole closed box", HOLDS, "", {x: between(0, 1, "[]")}, lambda: enclose("", exp(x) < 3, {x: (0, 1)})),
    case("on a box that is a point", PART, "only where", {x: UNIT}, lambda: enclose("", x > Rational(1, 3), {x: ("1/2", "1/2")})),
    case(
        "under an assumption of the step's own",
        PART,
        "only where",
        {p: UNIT},
        lambda: decide("", p > Rational(1, 3), given=[p > HALF]),
    ),
    case(
        "at a point given as a premise",
        PART,
        "only where",
        {p: UNIT},
        lambda: decide("", p > Rational(1, 3), given=[Eq(p, HALF)]),
    ),
    case(
        "two cases that leave one out",
        PART,
        "only where",
        {p: UNIT},
        lambda: decide("", p**2 < p, given=[p > HALF]),
        lambda: decide("", p**2 < p, given=[p < HALF]),
    ),
    case(
        "two cases that cover the domain",
        HOLDS,
        "",
        {p: UNIT},
        lambda: decide("", p**2 < p, given=[p > HALF]),
        lambda: decide("", p**2 < p, given=[p <= HALF]),
    ),
    case(
        "two cases that overlap",
        HOLDS,
        "",
        {p: UNIT},
        lambda: decide("", p**2 < p, given=[p > Rational(1, 3)]),
        lambda: decide("", p**2 < p, given=[p < HALF]),
    ),
    case(
        "two cases with a gap between them",
        PART,
        "only where p > 1/2 or p < 1/3",
        {p: UNIT},
        lambda: decide("", p**2 < p, given=[p > HALF]),
        lambda: decide("", p**2 < p, given=[p < Rational(1, 3)]),
    ),
    case(
        "two cases that meet between two integers",
        HOLDS,
        "",
        {n: COUNT},
        lambda: decide("", n**2 >= n, given=[n <= 6]),
        lambda: decide("", n**2 >= n, given=[n >= 7]),
    ),
    case(
        "the same two cases over the reals",
        PART,
        "only where n <= 6 or n >= 7",
        {n: between(1, 10)},
        lambda: decide("", n**2 >= n, given=[n <= 6]),
        lambda: decide("", n**2 >= n, given=[n >= 7]),
    ),
    case(
        "two cases of integers that leave one out",
        PART,
        "only where n <= 6 or n >= 8",
        {n: COUNT},
        lambda: decide("", n**2 >= n, given=[n <= 6]),
        lambda: decide("", n**2 >= n, given=[n >= 8]),
    ),
    case(
        "cases of two formulas, of which one has all its cases",
        HOLDS,
        "step 3 where n > 6",
        {n: COUNT},
        lambda: decide("", n**2 >= n, given=[n <= 6]),
        lambda: decide("", n**2 >= n, given=[n > 6]),
        lambda: decide("", n > 5, given=[n > 6]),
    ),
    case(
        "integers in cases of two formulas",
        PART,
        "step 1 only where n <= 6; step 2 only where n > 6",
        {n: COUNT},
        lambda: decide("", n < 7, given=[n <= 6]),
        lambda: decide("", n > 5, given=[n > 6]),
    ),
]

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

MORE = [
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


def told(name: str, **words: bool) -> Any:
    """A symbol of which SymPy was told something."""
    return sp.Symbol(name, **words)


HIDDEN = [
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

CASES = [*HIDDEN, *FUNCTIONS, *MORE, *UNDEFINED, *EMPTY, *CLASHES, *UNRELATED, *NUMBERS]

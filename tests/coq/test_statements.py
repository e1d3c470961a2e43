"""What a theorem says, against the same claim written in Coq by hand: a weaker statement would be confirmed all the same."""

from __future__ import annotations

from fractions import Fraction

from sympy import And, Implies, Ne, exp, symbols

from dstheory.claims import (
    CLOSED_UNIT,
    POSITIVE,
    REAL,
    Claim,
    at_least,
    between,
    counterexample,
    decide,
    early,
    enclose,
    example,
    identity,
)
from dstheory.coq.export import part_of

u, v, w, x, y, z, V = symbols("u v w x y z V")

ENDS = {
    u: between(0, Fraction(1, 2), "[)"),
    v: between(-1, 2, "(]"),
    w: between(1, 3, "[]"),
    x: at_least(2),
    y: POSITIVE,
    z: REAL,
}
RANGES = ["0 <= u < 1 / 2", "(- 1) < v <= 2", "1 <= w <= 3", "2 <= x", "0 < y", "(u < x)", "(y <> z)"]
FOR_ALL = "  forall u v w x y z : R,\n" + "".join(f"  {item} ->\n" for item in RANGES)
THERE_IS = "  exists u v w x y z : R,\n  " + "\n  /\\ ".join(RANGES)
DEFINED = "  forall V : R, V = u * w - v ->\n"
POINT = {v: 0, x: 2, y: 1, z: 0}

with early.watched(""):
    CLAIM = Claim(
        id="c",
        statement="Every kind of end, premise, definition and step.",
        domain=ENDS,
        definitions={V: u * w - v},
        assumptions=[u < x, Ne(y, z)],
        proof=[
            identity("Two equations.", [V + v, w * z], [u * w, z * w]),
            decide("Under a premise of its own.", Implies(V > 0, And(u * w >= v, z**2 >= 0)), given=[y <= 2 * x]),
            decide("A lemma.", u + x > 1, lemma=True),
            example("There is.", u < V, at={u: "1/4", w: 3, **POINT}),
            counterexample("Not always.", u * w >= 1 - v, at={u: 0, w: 1, **POINT}),
        ],
    )
STEPS = [
    f"{FOR_ALL}{DEFINED}  V + v = u * w\n  /\\ w * z = w * z",
    f"{FOR_ALL}  (y <= 2 * x) ->\n{DEFINED}  (V > 0 -> (z ^ 2 >= 0 /\\ u * w >= v))",
    "  forall u x y z : R,\n  0 <= u < 1 / 2 ->\n  2 <= x ->\n  0 < y ->\n  (u < x) ->\n  (y <> z) ->\n  u + x > 1",
    f"{THERE_IS}\n  /\\ (u < u * w - v)",
    f"{THERE_IS}\n  /\\ (~ (u * w >= 1 - v))",
]


def test_a_theorem_says_what_its_step_says() -> None:
    *steps, whole = part_of(CLAIM).theorems
    assert [item.statement for item in steps] == STEPS
    assert whole.statement == "  " + "\n  /\\ ".join(f"({STEPS[k].strip()})" for k in (0, 1, 3, 4))


def test_the_theorem_of_a_claim_that_fails_says_where() -> None:
    proof = [decide("Another thing.", x < 2, lemma=True), decide("Always?", u * x < 1)]
    claim = Claim(
        id="c", statement="S.", domain={u: CLOSED_UNIT, x: POSITIVE}, assumptions=[u < x], proof=proof, recorded="fails",
        witness={u: "1/2", x: 3},
    )  # fmt: skip
    (found,) = part_of(claim).theorems
    assert found.statement == "  exists u x : R,\n  0 <= u <= 1\n  /\\ 0 < x\n  /\\ (u < x)\n  /\\ (~ (u * x < 1))"


def test_an_enclosure_says_no_more_than_its_box() -> None:
    claim = Claim(id="c", statement="S.", domain={u: CLOSED_UNIT}, proof=[enclose("In.", exp(u) < 3, {u: ("1/4", "3/4")})])
    assert part_of(claim).theorems[0].statement == "  forall u : R,\n  1 / 4 <= u <= 3 / 4 ->\n  (exp u) < 3"

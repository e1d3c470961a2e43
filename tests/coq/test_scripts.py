"""Scripts of proofs are those that Coq has accepted: accepted.v has one of each kind; the slow profile gives it to Coq again.

After a change that is meant: DSTHEORY_GOLDEN=write pytest -n 0 tests/coq/test_scripts.py, and then -m slow, with Coq.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from sympy import And, Eq, Equivalent, Implies, Max, Ne, Not, Or, exp, log, sqrt, symbols

from dstheory.claims import (
    CLOSED_UNIT,
    POSITIVE,
    REAL,
    UNIT,
    Claim,
    at_least,
    counterexample,
    decide,
    early,
    enclose,
    example,
    identity,
)
from dstheory.coq import check as checking
from dstheory.coq.export import HEAD, ExportedClaim, export, part_of

ACCEPTED = Path(__file__).parent / "accepted.v"
p, a, b, g, x, y, z, V = symbols("p a b g x y z V")
Q = p * (1 - a) + (1 - p) * b
DOMAIN = {p: UNIT, a: UNIT, b: UNIT, g: CLOSED_UNIT, x: at_least(2), y: POSITIVE, z: REAL}
PROOF = [
    identity("Fractions.", V * (1 - g * Q), p * a, using={V: p * a / (1 - g * Q)}),
    identity("Roots.", [(sqrt(p) + 1) * (sqrt(p) - 1), exp(2 * z) / exp(z)], [p - 1, exp(z)]),
    identity("A denominator of either sign.", z / (z - 3) - 1, 3 / (z - 3), given=[Ne(z, 3)]),
    decide("Positive at closed ends.", 1 + g**2 - g > 0),
    decide("A bound from below.", x**2 - x - 1 > 0),
    decide("Equivalent.", Equivalent(p * a / (1 - Q) > p, a + b > 1)),
    decide("A case each.", Implies(Or(z > 1, z < -1), z**2 > 1)),
    decide("Both.", Implies(p > a, And(p + y > a, p * y >= a * y))),
    decide("By products of premises.", 1 - p**2 - a > 0, given=[p + a < 1]),
    decide("By an equation.", p**2 + a * b >= a, given=[Eq(b, 1 - p), p >= a]),
    decide("By what is not zero.", (z - 1) ** 2 * y > 0, given=[Ne(z, 1)]),
    decide("By a premise with a denominator.", p < a * y, given=[p / y < a]),
    decide("By one with a negative denominator.", p * y < 2 * a, given=[p / (a - 2) > -a / y]),
    decide("By what else fails.", Or(p * y > a * y, p <= a)),
    decide("Not.", Not(And(p > a, a > p), evaluate=False)),
    decide("Logarithms.", log(y * x**2) > log(y) + log(x), given=[x > 2]),
    decide("Powers.", (p * y) ** z * exp(y) > p**z * y**z),
    decide("Exponentials.", exp(y) > 1 + y / 2),
    decide("The larger one.", Max(p, a) >= p),
    example("At a point.", p * a < b, at={p: "1/2", a: "1/3", b: "1/4"}),
    counterexample("Not at another.", log(y) > 1, at={y: 2}),
    enclose("On a box.", exp(p) < 3, {p: ("1/4", "3/4")}),
]


def exported() -> list[ExportedClaim]:
    with early.watched(""):
        holds = Claim(id="kinds", statement="S.", domain=DOMAIN, proof=PROOF)
        witness = {p: "1/2", a: "1/3", y: 2}
        proof = [decide("Always?", p * y < a)]
        fails = Claim(id="wrong", statement="S.", domain=DOMAIN, proof=proof, recorded="fails", witness=witness)
    return [part_of(holds), part_of(fails)]


def test_scripts_of_every_kind_are_those_that_coq_has_accepted() -> None:
    parts = exported()
    text = HEAD + "\n".join(part.text() for part in parts)
    if os.environ.get("DSTHEORY_GOLDEN") == "write":
        ACCEPTED.write_text(text)
    assert [part.missing for part in parts] == [{}, {}]
    assert text == ACCEPTED.read_text()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("coqc") is None, reason="no coqc: install the Debian packages coq libcoq-interval")
def test_coq_accepts_them(tmp_path: Path) -> None:
    parts = export([part.claim for part in exported()], tmp_path)
    (tmp_path / "claims_user.v").write_text(ACCEPTED.read_text())
    answers = checking.check(parts, tmp_path, checking.find_coqc())
    assert [answer.confirmed for answer in answers] == [True, True], answers

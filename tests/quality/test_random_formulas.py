"""Many random formulas: what the engine says holds is tried at points, what it says fails is checked at its witness."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from fractions import Fraction

import mpmath
import pytest
from quality.random_formulas import Formula, make

from dstheory.claims import ClaimError, Domain, check

SEEDS = 20_000 if os.environ.get("DSTHEORY_PROFILE") == "exhaustive" else 1_200
PARTS = 12


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(60):
        yield


def values(domain: Domain, rng: random.Random) -> list[Fraction]:
    """Corners, small numbers and random ones of a domain."""
    corners = [Fraction(n, d) for d in (1, 2, 3) for n in range(-3 * d, 3 * d + 1)]
    drawn = [Fraction(rng.randint(-400, 400), rng.randint(1, 300)) for _ in range(12)]
    whole = [Fraction(rng.randint(1, 50)) for _ in range(4)]
    return [value for value in dict.fromkeys([*corners, *drawn, *whole]) if domain.contains(value)]


def refutation(formula: Formula, rng: random.Random) -> dict[str, Fraction] | None:
    """A point at which the formula is false or has no value."""
    for numbers in itertools.product(*[values(domain, rng) for domain in formula.domain.values()]):
        point = dict(zip(formula.domain, numbers, strict=True))
        try:
            if not formula.truth(point):
                return point
        except ZeroDivisionError:
            return point
    return None


@pytest.mark.parametrize("part", range(PARTS))
def test_what_holds_holds_at_every_point_tried_and_what_fails_fails_at_its_witness(part):
    seen: Counter[str] = Counter()
    for seed in range(part, SEEDS, PARTS):
        try:
            formula = make(seed)
        except ClaimError:
            seen["refused"] += 1
            continue
        if formula is None:
            continue
        verdict = check(formula.claim, time_limit=1.0)
        outcome = str(verdict.outcome)
        seen[outcome] += 1
        assert verdict.method != "crash", (seed, verdict.message)
        if outcome in ("holds", "holds under condition", "true by definition"):
            point = refutation(formula, random.Random(seed))
            assert point is None, (seed, formula.claim.statement, formula.claim.definitions, outcome, point)
        elif outcome == "fails":
            assert verdict.witness is not None
            try:
                point = {name: Fraction(value) for name, value in verdict.witness.items()}
            except ValueError:  # an algebraic number: the engine's own field arithmetic is tested elsewhere
                continue
            full = {name: point.get(name, values(domain, random.Random(0))[0]) for name, domain in formula.domain.items()}
            assert all(formula.domain[name].contains(value) for name, value in full.items()), seed
            assert not formula.truth(full), (seed, formula.claim.statement, formula.claim.definitions, full)
    assert seen["holds"] > SEEDS / PARTS / 25, seen
    assert seen["fails"] > SEEDS / PARTS / 10, seen

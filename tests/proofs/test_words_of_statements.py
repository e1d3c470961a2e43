"""What statements and notes say in words beside their formulas: numbers, and conditions without which they are false."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import log

import pytest

from dstheory.claims.sources import bundled_files, load_claims

P, A, B = 0.2, 0.7, 0.6


@pytest.fixture(scope="module")
def words():
    """Statement and note of each claim."""
    files = [path for path in bundled_files() if path.stem in ("a2_reflection", "b4_estimators", "b5_prompts", "g2_pooled")]
    return {name: f"{claim.statement} {claim.notes}" for path in files for name, claim in load_claims(path).items()}


def test_the_pooled_p_of_the_note_is_that_of_all_attempts(words):
    """Episodes of at most two attempts, one by one: of problems with p 4/5 and 1/5, half each, with a = b = 1/2, then 9/10."""
    pooled = []
    for sure in (Fraction(1, 2), Fraction(9, 10)):
        right = tried = Fraction(0)
        for p, first, again, second in product((Fraction(4, 5), Fraction(1, 5)), (0, 1), (0, 1), (0, 1)):
            chance = (p if first else 1 - p) * (sure if again != first else 1 - sure) * (p if second else 1 - p)
            right += chance * (first + again * second)
            tried += chance * (1 + again)
        pooled.append(right / tried)
    note = " ".join(words["G2-pooled-loose"].split())
    assert f"falls from {float(pooled[0])} to {float(pooled[1])} though" in note


def per_turn(p: float, a: float, b: float) -> tuple[float, float]:
    """E[R/K] and E[1/K] without a cap, as sums over the number of attempts."""
    q = p * (1 - a) + (1 - p) * b
    terms = [q ** (k - 1) / k for k in range(1, 400)]
    return p * a * sum(terms), (1 - q) * sum(terms)


def slopes(function) -> list[float]:
    """In p, a and b."""
    at, h = (P, A, B), 1e-6
    ends = [[[x + s * h * (i == j) for j, x in enumerate(at)] for s in (1, -1)] for i in range(3)]
    return [(function(*up) - function(*down)) / (2 * h) for up, down in ends]


def test_the_normaliser_rescales_the_gradient_of_rewards_that_are_centred_and_of_no_others(words):
    accuracy = P * A / (1 - P * (1 - A) - (1 - P) * B)
    inverse = per_turn(P, A, B)[1]
    gradient = slopes(lambda p, a, b: p * a / (1 - p * (1 - a) - (1 - p) * b))
    plain, counts = slopes(lambda *at: per_turn(*at)[0]), slopes(lambda *at: per_turn(*at)[1])
    q = P * (1 - A) + (1 - P) * B
    assert inverse == pytest.approx(-(1 - q) * log(1 - q) / q)
    for whole, count, slope in zip(plain, counts, gradient, strict=True):
        assert whole - accuracy * count == pytest.approx(inverse * slope, rel=1e-6)
    ratios = [whole / slope for whole, slope in zip(plain, gradient, strict=True)]
    assert max(ratios) > 1.1 * min(ratios)
    for name in ("B7", "B7-cap", "B7-prompts"):
        assert "centred" in words[name]


def test_resampling_helps_under_a_cap_exactly_if_a_b_exceed_1_where_the_last_answer_is_submitted(words):
    """Two attempts of p = 1/2, a = b = 3/5: not where an episode without a stop counts as wrong."""
    p, a, q = 0.5, 0.6, 0.5
    assert p * a + q * p > p > p * a * (1 + q)
    assert "with the last answer submitted" in " ".join(words["A3-cap"].split())

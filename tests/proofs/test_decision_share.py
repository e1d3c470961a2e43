"""The share of decisions in the gain of the regularised optimum: the recorded counterexample to monotonicity is the smallest."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise, product

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, split_gain
from dstheory.claims.sources import bundled_files, load_claims
from dstheory.dynamics.soft_optimum import optimum

SETTING = ("p_ref", "a_ref", "b_ref", "gamma", "beta")
Point = dict[str, Fraction]


def height(value: Fraction) -> int:
    return max(value.numerator, value.denominator)


def rationals(most: int, low: float, high: float) -> list[Fraction]:
    """All rationals of at most this height in a closed interval."""
    return sorted({Fraction(n, d) for n in range(most + 1) for d in range(1, most + 1) if low <= n / d <= high})


def shares(points: list[tuple[Fraction, ...]], weights: list[Fraction]) -> np.ndarray:
    """(weights, points) decision shares, from the exact optimum of every setting."""
    p, a, b, gamma, beta = np.array([[float(value) for value in point] for point in points]).T
    reference = Policy.minimal(p=p, a=a, b=b)
    out = []
    for weight in weights:
        mdp = TwoStageMDP.minimal(sample_length=float(weight), gamma=gamma)
        best = optimum(mdp, reference, beta=beta, length_weight=1.0)
        out.append(split_gain(mdp, reference, best.policy).decision_share)
    return np.array(out)


def falling(most: int) -> list[tuple[int, Point]]:
    """All settings and pairs of weights of at most this height at which the share falls, with the sum of their heights."""
    inside = [value for value in rationals(most, 0, 1) if 0 < value < 1]
    strengths = [value for value in rationals(most, 0, most) if value > 0]
    points = list(product(inside, inside, inside, rationals(most, 0, 1), strengths))
    weights = rationals(most, 1, most)
    found = shares(points, weights)
    assert np.isfinite(found).all()
    out = []
    for i, j in combinations(range(len(weights)), 2):
        # Shares are differences of accuracies: 1e-10 is rounding where the gain is no less than 1e-5, as it is here.
        for k in np.flatnonzero(found[i] - found[j] > 1e-10):
            point = dict(zip((*SETTING, "w_1", "w_2"), (*points[k], weights[i], weights[j]), strict=True))
            out.append((sum(map(height, point.values())), point))
    return sorted(out, key=lambda item: item[0])


@pytest.fixture(scope="module")
def recorded() -> Point:
    (path,) = (path for path in bundled_files() if path.stem == "e3_numbers")
    witness = load_claims(path)["E3-monotone"].recorded_witness
    assert witness is not None
    return witness


def test_the_share_falls_at_the_recorded_witness(recorded: Point) -> None:
    low, high = shares([tuple(recorded[name] for name in SETTING)], [recorded["w_1"], recorded["w_2"]])[:, 0]
    np.testing.assert_allclose(low - high, 0.00030087, atol=1e-8)


def test_no_smaller_setting_has_a_falling_share() -> None:
    assert falling(4) == []


@pytest.mark.slow
def test_the_recorded_witness_is_the_smallest(recorded: Point) -> None:
    found = falling(5)
    (smallest, first), (following, second) = found
    assert smallest < following
    assert first == {name: recorded[name] for name in first}
    assert second == {**first, "gamma": Fraction(1, 5)}


def test_a_striking_fall() -> None:
    point = tuple(Fraction(text) for text in ("1/100", "99/100", "1/50", "99/100", "1/50"))
    found = shares([point], [Fraction(2**k) for k in range(21)])[:, 0]
    np.testing.assert_allclose(found[[3, 5]], [0.80, 0.04], atol=0.005)
    assert any(one > two for one, two in pairwise(found))
    assert found[-1] > 0.99  # and yet it tends to 1

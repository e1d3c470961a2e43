"""Statements for any group, length or number of votes (O5, O7, O10, H1, H4, H6, H9, G4), by brute force; no package code."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest

RATES = [Fraction(1, 50), Fraction(1, 3), Fraction(1, 2), Fraction(4, 5), Fraction(97, 100)]


def group_outcomes(size: int, x: Fraction):
    """Number of successes and chance of every outcome of a group."""
    for outcome in product((0, 1), repeat=size):
        k = sum(outcome)
        yield k, x**k * (1 - x) ** (size - k)


@pytest.mark.parametrize("size", range(1, 13))
@pytest.mark.parametrize("x", [Fraction(1, 7), Fraction(3, 5)])
def test_o5_moments_of_successes_times_failures(size, x):
    outcomes = list(group_outcomes(size, x))
    y = x * (1 - x)

    def falling(n, k):
        return math.prod(n - j for j in range(k))

    first, second = (sum(chance * (k * (size - k)) ** e for k, chance in outcomes) for e in (1, 2))
    assert first == falling(size, 2) * y
    assert second == falling(size, 4) * y**2 + (falling(size, 3) + falling(size, 2)) * y


@pytest.mark.parametrize("size", [2, 3, 4, 7, 16, 50, 120, 400])
@pytest.mark.parametrize("x", RATES)
def test_o5_lies_strictly_between_its_bounds(size, x):
    """W = w_G sqrt(x(1-x)): below 1 - 1/G, by at least the share of groups that agree; above 1 - (1 + 1/(2y))/G."""
    p = float(x)
    y = p * (1 - p)
    chances = [math.comb(size, k) * float(x**k * (1 - x) ** (size - k)) for k in range(size + 1)]
    root = math.fsum(c * math.sqrt(k * (size - k)) for k, c in enumerate(chances))
    weight = math.sqrt((size - 1) / size) * root / size / math.sqrt(y)
    assert weight < 1 - 1 / size
    assert weight <= (1 - 1 / size) * (1 - (p**size + (1 - p) ** size) / 2) + 1e-12
    assert weight >= 1 - (1 + 1 / (2 * y)) / size - 1e-12


def wrong_majority(votes: int, rate: Fraction) -> Fraction:
    """The chance that more than half of the votes are wrong, by adding up the binomial law."""
    return sum(
        (math.comb(votes, k) * rate**k * (1 - rate) ** (votes - k) for k in range(votes // 2 + 1, votes + 1)), Fraction(0)
    )


@pytest.mark.parametrize("votes", [1, 3, 5, 7, 11, 21])
def test_h9_a_majority_keeps_the_sign(votes):
    grid = [Fraction(i, 13) for i in range(1, 13)]
    for r_0, r_1 in product(grid, repeat=2):
        factor = 1 - wrong_majority(votes, r_0) - wrong_majority(votes, r_1)
        assert np.sign(float(factor)) == np.sign(float(1 - r_0 - r_1))
    for rate in grid:
        change = wrong_majority(votes + 2, rate) - wrong_majority(votes, rate)
        assert (change < 0) == (rate < Fraction(1, 2))


@pytest.mark.parametrize("votes", [1, 3, 7, 15])
def test_h9_the_slope_of_a_wrong_majority(votes):
    """Against a central difference: error h^2 f'''/6, and f''' is below votes^3."""
    m, h, rate = votes // 2, Fraction(1, 10**6), Fraction(2, 7)
    slope = float((wrong_majority(votes, rate + h) - wrong_majority(votes, rate - h)) / (2 * h))
    expected = votes * math.comb(2 * m, m) * float(rate * (1 - rate)) ** m
    assert slope == pytest.approx(expected, abs=1e-12 * votes**3)


@pytest.mark.parametrize(("r_0", "r_1"), [(0, Fraction(1, 10)), (Fraction(1, 10), 0), (Fraction(2, 5), Fraction(1, 2))])
def test_h9_std_one_error_rate_is_enough_to_lower_every_weight(r_0, r_1):
    for x in RATES:
        paid = x * (1 - r_0) + (1 - x) * r_1
        assert (1 - r_0 - r_1) ** 2 / (paid * (1 - paid)) < 1 / (x * (1 - x))
    assert (1 - 0) ** 2 / (x * (1 - x)) == 1 / (x * (1 - x))  # without errors it is equal, not less


def paid_by(logits: np.ndarray, accepted: np.ndarray) -> float:
    """What a chain of three answers earns without a cap: softmax of three logits, three stop logits."""
    chance = np.exp(logits[:3]) / np.exp(logits[:3]).sum()
    stop = 1 / (1 + np.exp(-logits[3:]))
    return float((chance * stop * accepted).sum() / (chance * stop).sum())


def slopes(logits: np.ndarray, accepted: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Central differences; error of order h^2 = 1e-10."""
    steps = h * np.eye(len(logits))
    return np.array([(paid_by(logits + e, accepted) - paid_by(logits - e, accepted)) / (2 * h) for e in steps])


def degrees(u: np.ndarray, v: np.ndarray) -> float:
    cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
    return math.degrees(math.acos(min(1.0, float(cosine))))


def test_h9_errors_of_answers_turn_the_gradient_errors_of_draws_do_not():
    logits = np.array([0.3, 0.9, -0.4, 1.2, 0.1, -0.7])
    clean = slopes(logits, np.array([1.0, 1.0, 0.0]))
    draws = slopes(logits, np.array([0.7, 0.7, 0.2]))
    answers = slopes(logits, np.array([1.0, 0.4, 0.2]))
    for stage in (slice(0, 3), slice(3, 6)):
        assert degrees(draws[stage], clean[stage]) < 1e-3
        assert degrees(answers[stage], clean[stage]) > 5
        h, g = answers[stage], clean[stage]
        accuracy = paid_by(logits, np.array([1.0, 1.0, 0.0]))
        assert h[0] * g[1] - h[1] * g[0] == pytest.approx(g[0] * g[1] * (1.0 - 0.4) / (1 - accuracy), rel=1e-5)


def test_o7_how_far_a_small_batch_is_from_its_limit():
    """All batches of one to five responses of a lopsided law; the chance to be off by more than allowed, against Chebyshev."""
    chance, gain, tokens, score = np.array([[0.5, 0.2, 0.3], [1.0, 0.0, 1.0], [1, 4, 2], [0.7, -2.0, 1 / 6]])
    assert chance @ score == pytest.approx(0)
    for baseline in (0.0, 0.8, -3.0):
        credit = (gain - baseline) * score
        mean, length = chance @ credit, chance @ tokens
        assert mean == pytest.approx(chance @ (gain * score))  # grad J: the baseline drops out
        spread = chance @ (credit - mean) ** 2 + chance @ (tokens - length) ** 2
        limit = mean / length
        for n in range(1, 6):
            for delta in (0.5, 1.0, 2.0):
                off = 0.0
                for batch in product(range(3), repeat=n):
                    rows = list(batch)
                    update = credit[rows].sum() / tokens[rows].sum()
                    if abs(update - limit) > delta * (1 + abs(limit)) + 1e-12:
                        off += math.prod(chance[rows])
                assert off <= spread / (n * delta**2) + 1e-12


@pytest.mark.parametrize("x", [Fraction(1, 1000), Fraction(1, 20), Fraction(9, 10)])
def test_o10_an_answers_coefficient_rises_to_one(x):
    coefficients = [float(x) ** (1 / n) for n in range(1, 200)]
    assert all(a < b for a, b in pairwise(coefficients))
    for eps in (0.3, 0.05):
        enough = math.ceil(math.log(1 / x) / eps)
        assert float(x) ** (1 / enough) >= 1 - eps


@pytest.mark.parametrize("budget", range(1, 40))
def test_h1_the_gap_to_exact_em(budget):
    for x in RATES:
        assert (1 - x) ** budget <= 1 / (1 + budget * x)
        kept = sum((1 - x) ** (j - 1) * x for j in range(1, budget + 1))
        assert kept == 1 - (1 - x) ** budget


def binomial_tail(n: int, rate: Fraction, most: Fraction) -> Fraction:
    """P(X <= most) for X successes among n."""
    return sum((math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1) if k <= most), Fraction(0))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 25, 60])
@pytest.mark.parametrize("lead", [Fraction(1, 50), Fraction(1, 5), Fraction(49, 100)])
def test_h4_and_h6_at_most_half_of_the_votes(n, lead):
    rate = Fraction(1, 2) + lead
    error = float(binomial_tail(n, rate, Fraction(n, 2)))
    assert error <= float(4 * rate * (1 - rate)) ** (n / 2) * (1 + 1e-12)
    assert float(1 - 4 * lead**2) ** (n / 2) <= math.exp(-2 * n * float(lead) ** 2) * (1 + 1e-12)


KINDS = [(Fraction(1, 10), Fraction(9, 10), Fraction(3, 10)), (Fraction(1, 2), Fraction(1, 3), Fraction(3, 4)),
         (Fraction(97, 100), Fraction(1, 2), Fraction(1, 5))]  # fmt: skip
"""Problems' p, a, b."""
SHARES = [Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)]


@pytest.mark.parametrize("most", range(1, 9))
def test_g4_the_pooled_chain_stops_too_often_and_is_too_accurate_if_unstopped_is_wrong(most):
    """At most this many decisions per episode, all of them counted; three kinds of problems."""
    again = [p * (1 - a) + (1 - p) * b for p, a, b in KINDS]
    attempts = [sum((q**k for k in range(most)), Fraction(0)) for q in again]
    tried = sum(w * n for w, n in zip(SHARES, attempts, strict=True))
    right = sum(w * n * p for w, n, (p, _, _) in zip(SHARES, attempts, KINDS, strict=True))
    kept = sum(w * n * p * a for w, n, (p, a, _) in zip(SHARES, attempts, KINDS, strict=True))
    resampled = sum(w * n * q for w, n, q in zip(SHARES, attempts, again, strict=True))
    z = resampled / tried
    stopped = 1 - sum(w * q**most for w, q in zip(SHARES, again, strict=True))
    assert 1 - z**most >= stopped
    assert (1 - z**most) / (1 - z) >= tried
    p, a = right / tried, kept / right
    assert p * a * (1 - z**most) / (1 - z) == kept * (1 - z**most) / stopped >= kept

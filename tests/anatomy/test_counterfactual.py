"""Scores of outcomes against sums over all sequences of answers and decisions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dstheory.anatomy.counterfactual import GRID, Design, allowing_for_bias, outcome_chances, outcomes

OUTCOMES = list(zip(*(x.tolist() for x in outcomes(4)), strict=True))


def sequences(longest: int, p: float, a: float, b: float) -> dict[tuple[int, int], float]:
    """Chance of each (answers, correct answers): all sequences of answers and decisions, one by one."""
    found: dict[tuple[int, int], float] = {}
    for n in range(1, longest + 1):
        for answers in itertools.product([True, False], repeat=n):
            chance = np.prod([p if right else 1 - p for right in answers])
            for i, right in enumerate(answers):
                if i < n - 1:
                    chance *= 1 - a if right else b
                elif n < longest:
                    chance *= a if right else 1 - b
            found[n, sum(answers)] = found.get((n, sum(answers)), 0.0) + chance
    return found


@pytest.mark.parametrize(("a", "b"), [(0.85, 0.35), (1.0, 0.6), (0.7, 1.0), (0.0, 0.0)])
def test_chances_of_outcomes(a: float, b: float) -> None:
    want = sequences(4, 0.3, a, b)
    found = dict(zip(OUTCOMES, outcome_chances(4, a, b, np.array([0.3]))[0], strict=True))
    assert found.keys() == want.keys()
    for outcome, chance in want.items():
        assert found[outcome] == pytest.approx(chance, abs=1e-15)


@pytest.mark.parametrize("p", [0.0, 0.137, 0.5, 0.923, 1.0])
@pytest.mark.parametrize("episodes", [50, 10**9])
def test_the_mean_of_a_score_is_the_function_up_to_its_bias(p: float, episodes: int) -> None:
    """Also at values of p between those it was fitted at; with many episodes there is next to no bias left."""
    a, b = 0.8, 0.45
    score = Design(4, a, b).fit(GRID * (1 - GRID) ** 3, episodes=episodes, level=0.95)
    values = dict(zip(OUTCOMES, score.values, strict=True))
    mean = sum(chance * values[outcome] for outcome, chance in sequences(4, p, a, b).items())
    assert abs(mean - p * (1 - p) ** 3) <= 1.02 * score.bias + 1e-9
    assert (score.bias < 1e-5) == (episodes == 10**9)


def test_what_one_answer_cannot_show_is_a_bias() -> None:
    """With one answer only the mean of p is seen: the best line to p^2 is off by 1/8 (Chebyshev)."""
    score = Design(1, 0.8, 0.4).fit(GRID**2, episodes=10**9, level=0.95)
    assert score.bias == pytest.approx(1 / 8, rel=0.35)
    assert score.bias >= 1 / 8 - 1e-3


def test_the_interval_covers_at_every_bias_it_allows_for() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=200_000)
    for largest in (0.3, 2.0):
        half = allowing_for_bias(0.0, 1.0, largest, level=0.9, units=10**9).high
        for share in (-1.0, 0.0, 0.5, 1.0):
            assert np.mean(np.abs(noise + share * largest) <= half) > 0.897
        assert np.mean(np.abs(noise + largest) <= half) == pytest.approx(0.9, abs=0.003)

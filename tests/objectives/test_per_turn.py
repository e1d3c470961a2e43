"""Weights of turns under a baseline per turn, against sums over all members of a group that are written out with many digits."""

from __future__ import annotations

from math import inf

import gmpy2
import numpy as np
import pytest
from gmpy2 import comb, mpfr

from dstheory.objectives.per_turn import turn_weights, weighted_visits


@pytest.mark.parametrize("size", [2, 3, 40, 1000])
def test_weights_of_turns_keep_their_digits_however_few_reach_them(size: int) -> None:
    reached = np.array([1.0, 0.999999, 0.5, 3.1 / size, 1.01 / size, 0.99 / size, 1e-3 / size, 1e-9, 1e-80, 1e-300]).clip(max=1.0)
    with gmpy2.context(precision=2000):
        exact = [
            float(sum(comb(size - 1, m) * r**m * (1 - r) ** (size - 1 - m) * mpfr(m) / (m + 1) for m in range(size)))
            for r in map(mpfr, reached)
        ]
    np.testing.assert_allclose(turn_weights(reached, size), exact, rtol=1e-15)


@pytest.mark.parametrize("size", [2, 3, 8, 40, 41, 300])
def test_visits_without_a_cap_are_weighted_however_long_responses_are(size: int) -> None:
    """The powers of 1 - q^k, multiplied out and each summed over all turns k: terms of both signs, hence the digits."""
    visits = np.array([1.0, 1.0 + 1e-10, 1.2, 2.0, 5.4, 5.6, 50.0, 1e5, 1e12])
    with gmpy2.context(precision=2000):
        again = [1 - 1 / mpfr(v) for v in visits]
        exact = [float(sum((-1) ** j * comb(size, j) / (1 - q**j) for j in range(2, size + 1)) / size) for q in again]
    np.testing.assert_allclose(weighted_visits(visits, size), exact, rtol=3e-15)


def test_a_chain_that_rounding_leaves_less_than_one_turn_has_one() -> None:
    assert weighted_visits(np.array([1.0 - 1e-16]), 4).item() == pytest.approx(0.75, rel=1e-15)
    assert turn_weights(np.array([0.5]), inf).tolist() == [1.0]

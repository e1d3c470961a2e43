"""A1 without a cap: over all trajectories, as far as they have any weight, the stages' scores have mean product zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

PI, STOP = np.array([0.5, 0.3, 0.2]), np.array([0.97, 0.8, 0.9])
Trajectory = tuple[float, np.ndarray, np.ndarray]


def trajectories(
    turns: int, chance: float = 1.0, sampled: np.ndarray | float = 0.0, decided: np.ndarray | float = 0.0
) -> Iterator[Trajectory]:
    """Probability, sampling scores and decision scores of every trajectory that stops within so many turns."""
    if not turns:
        return
    for y in range(3):
        here = np.eye(3)[y]
        s = sampled + here - PI
        yield chance * PI[y] * STOP[y], s, decided + here * (1 - STOP[y])
        yield from trajectories(turns - 1, chance * PI[y] * (1 - STOP[y]), s, decided - here * STOP[y])


def moments(turns: int) -> tuple[float, np.ndarray, np.ndarray]:
    mass, product, square = 0.0, np.zeros((3, 3)), np.zeros((3, 3))
    for chance, s, d in trajectories(turns):
        mass += chance
        product += chance * np.outer(s, d)
        square += chance * np.outer(s, s)
    return mass, product, square


def test_the_mean_product_vanishes_as_the_turns_run_out():
    q = float(PI @ (1 - STOP))
    sizes = []
    for turns in (2, 4, 8):
        mass, product, square = moments(turns)
        assert mass == pytest.approx(1 - q**turns)
        sizes.append(np.abs(product).max())
        assert np.abs(square).max() > 0.1
    assert sizes[0] > 1e-4
    assert sizes[2] < 8**2 * q**8  # what is left has chance q^8 and scores of up to eight turns

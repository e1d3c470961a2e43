"""grouped_gradient with credits that make it the gradient of the accuracy, which is known in closed form."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from dstheory.kernels.grouped import grouped_gradient

L = [0.4, -1.0, 2.0]


def gradient(z: list[float], correct: list[float], credits: list[list[float]]) -> tuple[list[float], list[float]]:
    """Return the two rows of the compiled loop."""
    found = grouped_gradient(
        (np.array([z]), np.array([L])), None, np.array([correct]), np.ones((1, 1)), t=np.zeros(1), weights=np.ones(1),
        tilts=False, credits=np.array(credits), beta=0.0, prompt_weight=np.ones(1), n_answers=np.array([3]),
    )  # fmt: skip
    return found.sample[0].tolist(), found.decide[0].tolist()


def accuracy_gradient(z: list[float], correct: list[float]) -> tuple[list[float], list[float]]:
    """Return d A/d z and d A/d l, A = sum pi s c / sum pi s."""
    with mpmath.workdps(400):
        e, s = [mpmath.exp(v) for v in z], [1 / (1 + mpmath.exp(-v)) for v in L]
        pi = [v / mpmath.fsum(e) for v in e]
        stop = mpmath.fsum(p * q for p, q in zip(pi, s, strict=True))
        accuracy = mpmath.fsum(p * q * c for p, q, c in zip(pi, s, correct, strict=True)) / stop
        by_z = [p * q * (c - accuracy) / stop for p, q, c in zip(pi, s, correct, strict=True)]
        return [float(v) for v in by_z], [float(v * (1 - q)) for v, q in zip(by_z, s, strict=True)]


@pytest.mark.parametrize("best", [0, 1, 2])
@pytest.mark.parametrize("above", [0.5, 20.0, 41.0, 300.0])
def test_where_one_answer_is_nearly_certain_its_entry_has_the_digits_of_the_others(above: float, best: int) -> None:
    # The reward itself is no credit that vanishes with the others: of 1 - pi nothing would be left for the likeliest answer.
    z, correct = [0.3, -1.1, 0.0], [0.0, 0.0, 0.0]
    z[best], correct[best] = z[best] + above, 1.0
    found, _ = gradient(z, correct, [[0.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(found, accuracy_gradient(z, correct)[0], rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("best", [0, 1, 2])
@pytest.mark.parametrize("above", [0.5, 20.0, 41.0, 300.0])
@pytest.mark.parametrize("correct", [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
def test_the_reward_less_that_of_one_other_has_its_digits_in_both_stages(correct: list[float], above: float, best: int) -> None:
    z = [0.3, -1.1, 0.0]
    z[best] += above
    found = gradient(z, correct, [[0.0, -1.0], [1.0, 0.0]])
    for mine, theirs in zip(found, accuracy_gradient(z, correct), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=0.0)

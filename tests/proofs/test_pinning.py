"""The bounds of E2, E2-limit and E3 on many optima: they hold, and the rates are the stated ones."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, split_gain
from dstheory.dynamics.soft_optimum import optimum

LONGEST = 2.0**40
RUNS = 300


class Optima:
    """Random references, discounts and strengths (axis 0) at growing weights of sampling (axis 1), decisions of weight 1."""

    def __init__(self, gamma: float | None) -> None:
        rng = np.random.default_rng(0)
        self.p, self.a, self.b = rng.uniform(0.02, 0.98, size=(3, RUNS, 1))
        self.gamma = rng.uniform(0, 0.99, size=(RUNS, 1)) if gamma is None else np.full((RUNS, 1), gamma)
        self.beta = 10.0 ** rng.uniform(-1, 1, size=(RUNS, 1))
        self.weight = 2.0 ** np.arange(0, 30, 2)
        self.tau = self.beta * self.weight
        mdp = TwoStageMDP.minimal(sample_length=LONGEST, gamma=self.gamma)
        self.mdp, self.reference = mdp, Policy.minimal(p=self.p, a=self.a, b=self.b)
        self.best = optimum(mdp, self.reference, beta=self.beta, length_weight=np.log(self.weight) / np.log(LONGEST))
        self.value = self.best.value[..., 0]

    def soft_values(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Q_s of a correct and of a wrong answer if the next turn is worth v."""
        t, later = self.beta, self.gamma * v / self.beta
        correct = t * np.logaddexp(np.log(self.a) + 1 / t, np.log1p(-self.a) + later)
        return correct, t * np.logaddexp(np.log1p(-self.b), np.log(self.b) + later)

    def frozen(self) -> np.ndarray:
        """The value if sampling is the reference's own, by bisection: V = p Q_C + (1 - p) Q_W."""
        low, high = np.zeros((RUNS, 1)), np.ones((RUNS, 1))
        for _ in range(60):
            middle = (low + high) / 2
            correct, wrong = self.soft_values(middle)
            rises = self.p * correct + (1 - self.p) * wrong > middle
            low, high = np.where(rises, middle, low), np.where(rises, high, middle)
        return low


@pytest.fixture(scope="module", params=[None, 0.0, 1.0], ids=["any discount", "no future", "no discount"])
def optima(request: pytest.FixtureRequest) -> Optima:
    return Optima(request.param)


def test_sampling_is_pinned_with_the_stated_term_and_remainder(optima: Optima) -> None:
    moved = optima.best.policy.sample_prob[..., 0, 0, 0] - optima.p
    correct, _ = optima.soft_values(optima.value)
    leading = optima.p * (correct - optima.value) / optima.tau
    rounding = 1e-12  # of V, and 1e-16 of probabilities
    far = optima.tau >= 2
    assert (moved - leading >= -rounding)[far].all()
    assert (moved - leading <= 2 * optima.p / optima.tau**2 + rounding)[far].all()


def test_decisions_are_not_pinned_and_converge_at_the_stated_rate(optima: Optima) -> None:
    frozen, far = optima.frozen(), optima.tau >= 2
    gap = optima.value - frozen
    assert (gap >= -1e-12)[far].all()
    if optima.gamma.max() < 1:
        assert (gap <= 2 / (optima.tau * (1 - optima.gamma)) + 1e-12)[far].all()
        # Four times the weight, a quarter of the gap; the next term is smaller by 1/tau, V is known to 1e-12.
        wide = gap[:, 7] > 1e-9
        assert wide.sum() > RUNS / 2
        np.testing.assert_allclose(gap[wide, 8] / gap[wide, 7], 0.25, rtol=0.01)
    least = optima.b * np.exp(optima.gamma * optima.p * optima.a / (1 - optima.gamma * (optima.p * (1 - optima.a)
            + (1 - optima.p) * optima.b)) / optima.beta)  # fmt: skip
    resample = optima.best.policy.resample_prob[..., 0, 0, 1]
    assert (resample >= least / (1 - optima.b + least) - 1e-12).all()
    assert (optima.best.policy.stop_prob[..., 0, 0, 0] > optima.a).all()


def test_the_share_keeps_its_bound(optima: Optima) -> None:
    """1 - share <= 2/(g tau), g the gain of the least factor D_ref by decisions alone; D is taken as its least value found."""
    start = optima.p / (1 - optima.p) * optima.a / (1 - optima.b)
    stop, resample = optima.best.policy.stop_prob[..., 0, 0, 0], optima.best.policy.resample_prob[..., 0, 0, 1]
    factor = (stop / optima.a * (1 - optima.b) / (1 - resample)).min(axis=1, keepdims=True)
    g = start * factor / (1 + start * factor) - start / (1 + start)
    share = split_gain(optima.mdp, optima.reference, optima.best.policy).decision_share
    assert (factor > 1).all()
    assert (1 - share <= 2 / (g * optima.tau) + 1e-9).all()
    assert (share[:, -1] > 0.999)[(g * optima.tau)[:, -1] > 1e4].all()

"""Weights of single tokens, against the stage weights of whole answers and against differentiated losses."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import ChainError
from dstheory.objectives.expectation.exponential import with_rare_decisions
from dstheory.objectives.mass import CoefficientMass
from dstheory.objectives.token_parts import penalty_weight, token_weights
from dstheory.objectives.weights import stage_weights, token_probabilities


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_the_tokens_of_a_stage_share_its_weight(lam, reduction) -> None:
    lengths = np.array([48.0, 7.0])
    answer, decision = token_weights(lengths, 3.0, length_weight=lam, reduction=reduction)
    w_s, w_d = stage_weights(TwoStageMDP.minimal(sample_length=[lengths], decision_length=3.0), lam, reduction)
    np.testing.assert_allclose(answer * lengths, w_s[0, 0], rtol=1e-14)
    np.testing.assert_allclose(np.broadcast_to(decision * 3.0, 2), np.broadcast_to(w_d[0, 0], 2), rtol=1e-14)


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_penalties_are_the_derivative_of_their_loss(estimator) -> None:
    loss = {"k1": lambda t: t, "k2": lambda t: t * t / 2, "k3": lambda t: np.exp(-t) - 1 + t}[estimator]
    ell = np.array([-2.0, 0.0, 0.7])
    # Complex step: exact to rounding. The score multiplies minus the derivative of the loss with respect to log pi.
    np.testing.assert_allclose(penalty_weight(ell, estimator), -np.imag(loss(ell + 1e-20j)) / 1e-20, atol=1e-14)


def test_probabilities_of_tokens_that_are_nearly_alike_differ_in_all_digits() -> None:
    z, u, lengths, decision = [0.3, 0.3 + 1e-13, 0.3 - 1e-9, -500.0, 0.25], [1e-14, -2e-13, 3.0, 900.0, -40.0], [5, 5, 5, 2, 7], 3
    mdp = TwoStageMDP(correct=[[1, 0, 0, 0, 1]], sample_length=[lengths], decision_length=decision)
    answer, stop = token_probabilities(solve(mdp, Policy.tabular([z], [u]))).apart()
    with mpmath.workdps(60):
        z, u = [mpmath.mpf(v) for v in z], [mpmath.mpf(v) for v in u]
        total = mpmath.log(sum(map(mpmath.exp, z)))
        each = [mpmath.exp((v - total) / n) for v, n in zip(z, lengths, strict=True)]
        true_answer = [float(v - each[1]) for v in each]
        true_stop = [float((1 + mpmath.exp(-v)) ** mpmath.mpf(-1 / mpmath.mpf(decision))
                           - (1 + mpmath.exp(v)) ** mpmath.mpf(-1 / mpmath.mpf(decision))) for v in u]  # fmt: skip
    np.testing.assert_allclose(answer[0, 0], true_answer, rtol=1e-13)
    np.testing.assert_allclose(stop[0, 0], true_stop, rtol=1e-13)


@pytest.mark.parametrize(("u", "stop", "resample"), [(-760.0, 2e-271, -1e60), (800.0, 2e70, 5e-278)])
def test_decisions_that_are_no_numbers_count_beside_masses_that_make_them_some(u, stop, resample) -> None:
    logits, ends, goes_on = [u, 0.7, -3.0], [stop, 0.3, 4.0], [resample, -0.2, 7.0]
    policy = Policy.tabular([[0.3, 0.0, -0.4]], [logits])
    mass = CoefficientMass(*(np.array([[table]]) for table in (np.zeros(3), ends, goes_on)))
    with mpmath.workdps(400):
        each = zip(*([mpmath.mpf(v) for v in table] for table in (logits, ends, goes_on)), strict=True)
        true = [float(s / (1 + mpmath.exp(v)) - r / (1 + mpmath.exp(-v))) for v, s, r in each]
    np.testing.assert_allclose(with_rare_decisions(policy, mass).gradient(policy).decide[0, 0], true, rtol=1e-11)
    assert abs(mass.gradient(policy).decide[0, 0, 0] / true[0] - 1) > 0.1  # as it is, it loses them


def test_bad_weights_are_refused() -> None:
    with pytest.raises(ChainError, match=r"^length_weight is 1.5: must lie in \[0, 1\]; 0 counts stages, 1 counts tokens$"):
        token_weights(4, length_weight=1.5)
    with pytest.raises(ChainError, match=r"^reduction is 'max': must be 'sum' or 'mean'$"):
        token_weights(4, length_weight=1, reduction="max")
    with pytest.raises(ChainError, match=r"^number of tokens at turn 1 is 0.0: must be finite and > 0; a stage has tokens$"):
        token_weights([4, 0], length_weight=1)
    with pytest.raises(ChainError, match=r"^estimator is 'k4': must be 'k1', 'k2' or 'k3'$"):
        penalty_weight(0.0, "k4")

"""The extensions against methods that share no code with them: enumeration, exact fractions, mpmath, quadrature, simulation."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import comb

import mpmath
import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.chain.trajectories import enumerate_trajectories
from dstheory.errors import ChainError
from dstheory.extensions import (
    FirstSuccess,
    SelfCorrection,
    budget_factor,
    confidence_gradient,
    decision_duels,
    duel_win,
    early_rejection,
    evidence_chain,
    evidence_gradient,
    evidence_policy,
    majority_error,
    noisy_verifier,
    pessimistic,
    posterior_policy,
    rejection_policy,
    verifier_effect,
)
from dstheory.extensions.verdicts import log_majority_error
from dstheory.objectives import SFT, ExpertChain, Reinforce
from dstheory.objectives.checking import check

# Lopsided: two prompts with unequal numbers of answers, unequal weights, a discount and a price that success must not see.
MDP = TwoStageMDP(correct=[[1, 0, 0], [0, 1]], prompt_weight=[3, 1], gamma=0.8, resample_cost=0.1, max_turns=3)
POLICY = Policy.from_probabilities([[0.2, 0.5, 0.3], [0.9, 0.1]], [[0.7, 0.4, 0.15], [0.35, 0.6]])
FREE = MDP.replace(resample_cost=0.0, gamma=1.0)


def fraction_error(rate: Fraction, n: int) -> Fraction:
    terms = [comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1)]
    return sum(t for k, t in enumerate(terms) if 2 * k > n) + (terms[n // 2] / 2 if n % 2 == 0 else 0)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 999, 1000])
@pytest.mark.parametrize("rate", [Fraction(1, 1000), Fraction(1, 4), Fraction(1, 2), Fraction(7, 8)])
def test_majorities_are_exact_to_a_thousand(rate: Fraction, n: int) -> None:
    exact = fraction_error(rate, n)
    log = float(mpmath.log(mpmath.mpf(exact.numerator) / exact.denominator))
    # lgamma of numbers up to 1000 is some 6e3 and carries an error of some 1e-12
    assert float(log_majority_error(float(rate), n)) == pytest.approx(log, abs=2e-11)


def test_majorities_at_the_ends() -> None:
    assert majority_error([0.0, 1.0], 1000).tolist() == [0.0, 1.0]
    assert majority_error(0.5, 1000) == pytest.approx(0.5, abs=1e-11)  # by symmetry
    with pytest.raises(ChainError, match=r"^n is 0: must be a whole number >= 1$"):
        majority_error(0.5, 0)


def test_a_majority_of_three_by_enumeration_of_the_votes() -> None:
    r0, r1 = 0.35, 0.1
    by_hand = [
        sum(np.prod([r if err else 1 - r for err in votes]) for votes in itertools.product([0, 1], repeat=3) if sum(votes) >= 2)
        for r in (r0, r1)
    ]
    effect = verifier_effect(false_reject=r0, false_accept=r1, n=3)
    assert np.allclose((effect.false_reject, effect.false_accept), by_hand, rtol=1e-13)


def test_a_noisy_verifier_scales_both_stages() -> None:
    rates = [(0.1, 0.2), (0.5, 0.5), (0.9, 0.4)]
    r0, r1 = np.array(rates).T
    clean = Reinforce().gradient(solve(FREE, POLICY))
    noisy = Reinforce().gradient(solve(noisy_verifier(FREE, false_reject=r0, false_accept=r1), POLICY))
    for i, (x, y) in enumerate(rates):
        assert np.allclose(noisy.sample[i], (1 - x - y) * clean.sample, atol=1e-15)
        assert np.allclose(noisy.decide[i], (1 - x - y) * clean.decide, atol=1e-15)
    assert verifier_effect(false_reject=r0, false_accept=r1).sign.tolist() == [1.0, 0.0, -1.0]


def test_what_a_noisy_verifier_pays_is_a_coin() -> None:
    s = solve(noisy_verifier(FREE, false_reject=0.1, false_accept=0.2), POLICY)
    assert np.allclose(s.return_variance, s.value * (1 - s.value))  # of a 0/1 payment
    weight = verifier_effect(false_reject=0.1, false_accept=0.2).weight(s.accuracy)
    assert np.allclose(weight, 0.7 / np.sqrt(s.return_variance))


def test_the_sign_of_the_gradient_is_said() -> None:
    assert "reversed" in str(verifier_effect(false_reject=0.8, false_accept=0.3))
    assert "vanishes" in str(verifier_effect(false_reject=0.7, false_accept=0.3))  # 1 - 0.7 - 0.3 is no zero in binary
    assert "keeps" in str(verifier_effect(false_reject=0.1, false_accept=0.3, n=1000))
    assert str(verifier_effect(false_reject=[0.0, 0.5], false_accept=0.0)) == "gradient factors 0.5 to 1"
    perfect = verifier_effect(false_reject=0.0, false_accept=0.0)
    with pytest.raises(ChainError, match="no spread"):
        perfect.weight(1.0)


@pytest.mark.parametrize(
    ("r0", "r1", "what", "value"), [(1.5, 0.1, "false_reject", "1.5"), (0.1, -0.25, "false_accept", "-0.25")]
)
def test_rates_outside_the_unit_interval_are_refused(r0: float, r1: float, what: str, value: str) -> None:
    said = f"^{what} is {value}: must lie in \\[0, 1\\]; it is the share of answers that the verifier judges wrongly$"
    for call in (verifier_effect, lambda **k: noisy_verifier(MDP, **k)):
        with pytest.raises(ChainError, match=said):
            call(false_reject=r0, false_accept=r1)


# ---------------------------------------------------------------------- H1


def test_the_budget_by_enumeration_of_groups() -> None:
    """All ways in which M = 3 samples of one prompt can come out, the first success kept."""
    mdp = FREE.replace(prompt_weight=[0, 1], max_turns=2)
    s = solve(mdp, POLICY)
    t = enumerate_trajectories(mdp, POLICY)
    right = t.returns(mdp) == 1.0
    weight = t.weight / t.weight.sum()
    kept = np.zeros(len(weight))
    for group in itertools.product(range(len(weight)), repeat=3):
        first = next((i for i in group if right[i]), None)
        if first is not None:
            kept[first] += np.prod(weight[list(group)])
    c_s, _ = FirstSuccess(samples=3).coefficients(s, t)
    assert np.allclose((weight * c_s[t.offsets[:-1]]), kept, atol=1e-14)


@pytest.mark.parametrize("samples", [1, 4])
def test_the_budget_agrees_with_everything_else(samples: int) -> None:
    checked = check(FirstSuccess(samples=samples), chains=1)
    assert checked.differences > 0
    assert checked.enumeration > 0


def test_the_budgets_ends() -> None:
    x = np.array([0.0, 1e-12, 0.3])
    assert budget_factor(x, 1).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert budget_factor(x, 10**6)[1:] == pytest.approx([1e6, 1 / 0.3], rel=1e-6)  # M at small x, 1/x at large M
    with pytest.raises(ChainError, match=r"^samples is 0: must be a whole number >= 1$"):
        FirstSuccess(samples=0)


@pytest.mark.parametrize("mdp", [FREE, FREE.replace(max_turns=None), MDP])
def test_the_posterior_is_the_policy_given_success(mdp: TwoStageMDP) -> None:
    plus = posterior_policy(solve(mdp, POLICY))
    assert np.allclose(solve(FREE.replace(max_turns=mdp.max_turns), plus).accuracy, 1.0)
    if mdp.max_turns:
        before, after = enumerate_trajectories(mdp, POLICY), enumerate_trajectories(mdp, plus)
        right = before.returns(FREE) == 1.0
        total = np.bincount(before.prompt, before.weight * right)
        wanted = {
            key: w / total[key[0]] * FREE.prompt_weight[key[0]] for i, (key, w) in enumerate(_keyed(before)) if w > 0 and right[i]
        }
        found = {key: w for key, w in _keyed(after) if w > 1e-15}
        assert found == pytest.approx(wanted)


def _keyed(t):
    parts = zip(t.offsets[:-1], t.offsets[1:], strict=True)
    for i, (m, n) in enumerate(parts):
        yield (int(t.prompt[i]), tuple(t.answer[m:n].tolist()), tuple(t.stop[m:n].tolist())), float(t.weight[i])


def test_imitating_the_posterior_follows_log_success() -> None:
    mdp = FREE.replace(max_turns=None)
    s = solve(mdp, POLICY)
    em = SFT(ExpertChain(posterior_policy(s)), length_weight=0.0).gradient(s)
    reward = Reinforce().gradient(s)
    x = s.accuracy[None, :, None]
    assert np.allclose(em.sample, reward.sample / x, atol=1e-14)
    assert np.allclose(em.decide, reward.decide / x, atol=1e-14)


# ---------------------------------------------------------------------- H3


def test_confidences_against_a_simulated_group() -> None:
    rng, q, stated = np.random.default_rng(5), 0.7, np.array([0.4, 0.75, 0.9])
    probs = np.array([0.2, 0.5, 0.3])
    policy = Policy.from_probabilities([probs], [[1.0] * 3])
    total = {False: np.zeros(3), True: np.zeros(3)}
    groups, size = 2000, 400
    for _ in range(groups):
        yes = rng.random() < q
        chosen = rng.choice(3, size, p=probs)
        reward = np.log(stated if yes else 1 - stated)[chosen]
        for scaled in total:
            advantage = (reward - reward.mean()) / (reward.std() if scaled else 1.0)
            total[scaled] += np.bincount(chosen, advantage, 3) / size - probs * advantage.mean()
    for scaled, sum_ in total.items():
        exact = confidence_gradient(policy, stated, q, scaled=scaled)
        # the outcome dominates the error: each component is off by at most sqrt(q(1-q)/groups) x |g_yes - g_no| <= 0.011 x 1
        assert np.abs(sum_ / groups - exact).max() < 4 * 0.011


def test_no_rest_for_the_scaled_update() -> None:
    for low, high in [(0.7, 0.9), (0.1, 0.2), (0.7, 0.999)]:
        both = Policy.from_probabilities([[0.3, 0.7]], [[1.0, 1.0]])
        scaled = confidence_gradient(both, [low, high], 0.7, scaled=True)
        assert scaled[1] == pytest.approx(0.4 * np.sqrt(0.3 * 0.7))
    assert confidence_gradient(both, [0.7, 0.999], 0.7, scaled=False)[1] < 0
    with pytest.raises(ChainError, match="no standard deviation"):
        confidence_gradient(Policy.from_probabilities([[1.0, 0.0]], [[1.0, 1.0]]), [0.5, 0.6], 0.7, scaled=True)
    with pytest.raises(ChainError, match=r"^confidences at answer 1 is 1.0: must lie strictly between 0 and 1; "):
        confidence_gradient(both, [0.5, 1.0], 0.7, scaled=True)


# ---------------------------------------------------------------------- H4


@pytest.mark.parametrize("tau", [1, 2, 7])
def test_rejection_by_enumeration_of_scores(tau: int) -> None:
    p1, p2 = Fraction(7, 10), Fraction(2, 5)
    law = [[comb(tau, k) * p**k * (1 - p) ** (tau - k) for k in range(tau + 1)] for p in (p1, p2)]
    pairs = list(itertools.product(range(tau + 1), repeat=2))
    r = early_rejection(tau, better=0.7, worse=0.4, length=9)
    for log, holds in ((r.not_ahead, lambda i, j: i <= j), (r.behind, lambda i, j: i < j)):
        assert np.exp(log) == pytest.approx(float(sum(law[0][i] * law[1][j] for i, j in pairs if holds(i, j))), rel=1e-12)


def test_the_bound_holds_and_is_the_rate() -> None:
    logs = [early_rejection(tau, better=0.95, worse=0.1, length=1000) for tau in (1, 10, 100, 999, 1000)]
    assert all(r.behind <= r.not_ahead <= r.bound <= r.plain_bound for r in logs)
    assert logs[-1].not_ahead < -745  # below the smallest float: only the logarithm is there
    # with a prefactor of order tau^(-1/2) the slope in tau tends to log M
    assert logs[4].not_ahead - logs[3].not_ahead == pytest.approx(logs[-1].bound / 1000, rel=2e-3)


def test_rejection_is_a_decision() -> None:
    policy = rejection_policy(9, p=0.3, score=0.6, length=9)
    votes = [np.prod([0.6 if v else 0.4 for v in row]) for row in itertools.product([0, 1], repeat=9) if sum(row) > 4]
    assert policy.stop_prob[0, 0] == pytest.approx([sum(votes), 1 - sum(votes)])
    for tau in (1, 2, 10, 500):
        exact = 1.0 - rejection_policy(tau, p=0.3, score=0.6, length=tau).stop_prob[0, 0, 0]
        assert exact <= (4 * 0.6 * 0.4) ** (tau / 2)  # claim H4-stages


def test_rejection_refuses_what_does_not_exist() -> None:
    with pytest.raises(ChainError, match=r"^tau is 9: must be at most the answer's length, 8 tokens; "):
        early_rejection(9, better=0.7, worse=0.4, length=8)
    with pytest.raises(ChainError, match=r"^tau is 9: must be at most"):
        rejection_policy(9, p=0.5, score=0.7, length=8)
    with pytest.raises(ChainError, match=r"^better is 0\.4 and worse is 0\.7"):
        early_rejection(3, better=0.4, worse=0.7, length=8)
    with pytest.raises(ChainError, match=r"^score is 0\.5"):
        rejection_policy(3, p=0.5, score=0.5, length=8)


# ---------------------------------------------------------------------- H6


def test_duels_by_enumeration_of_outcomes() -> None:
    x, y, link = 0.8, 0.3, 0.9
    ways = [(x * y, 0.5), (x * (1 - y), link), ((1 - x) * y, 1 - link), ((1 - x) * (1 - y), 0.5)]
    assert float(duel_win(x, y, link=link)) == pytest.approx(sum(w * v for w, v in ways))
    with pytest.raises(ChainError, match=r"^link is 0\.5: must exceed 1/2; a link of 1/2 prefers nothing$"):
        duel_win(x, y, link=0.5)


def test_duels_find_the_right_decisions_and_their_errors_fall() -> None:
    s = solve(MDP, POLICY)
    few, many = (decision_duels(s, n, link=0.8) for n in (1, 999))
    inside = MDP.inside & (solve(FREE, POLICY).unrolled.decided > 0)[0]
    right = (few.win > 0.5) == (MDP.correct == 1)
    assert right[:-1][:, MDP.inside].all()  # the last turn draws no decision
    assert (many.log_error < few.log_error)[:-1][:, MDP.inside].all()
    gap = np.abs(few.win - 0.5)
    assert (many.log_error <= 999 / 2 * np.log1p(-4 * gap**2))[:-1][:, MDP.inside].all()  # claim H6-error
    assert inside.shape == MDP.shape


# ---------------------------------------------------------------------- H7, H8


def test_the_worst_case_by_search_over_the_ellipsoid() -> None:
    rng = np.random.default_rng(2)
    root = rng.normal(size=(3, 3))
    sigma, phi, eps = root @ root.T, rng.normal(size=(2, 3, 3)), 0.3
    paid = pessimistic(MDP, phi, sigma, eps).reward_stop
    on_ball = rng.normal(size=(20000, 3))
    deltas = eps * on_ball / np.linalg.norm(on_ball, axis=1, keepdims=True) @ root.T  # (w - w_hat) = root u, |u| = eps
    least = np.where(MDP.inside, MDP.correct + (phi @ deltas.T).min(axis=-1), 0.0)
    assert (paid <= least + 1e-12).all()
    assert np.abs(paid - least).max() < 0.01 * eps * 4  # 20,000 directions on a sphere leave angles of some 0.02: 1 - cos < 1e-3


def test_the_penalty_scales_both_stages_alike() -> None:
    m0 = TwoStageMDP.minimal(gamma=1.0)
    policy = Policy.minimal(p=0.3, a=0.7, b=0.6)
    clean = Reinforce().gradient(solve(m0, policy))
    for n_right, n_wrong in ((1.0, 3.0), (2.0, 2.0), (9.0, 1.0)):
        paid = pessimistic(m0, [[[n_right], [n_wrong]]], [[1.0]], 0.2)
        g = Reinforce().gradient(solve(paid, policy))
        assert np.allclose(g.sample, (1 - 0.2 * (n_right - n_wrong)) * clean.sample)
        assert np.allclose(g.decide, (1 - 0.2 * (n_right - n_wrong)) * clean.decide)


@pytest.mark.parametrize(
    ("features", "covariance", "eps", "said"),
    [
        (np.ones((1, 2, 1)), [[1.0]], 0.1, "^features have shape"),
        (np.ones((2, 3, 2)), [[1.0, 0.5], [0.0, 1.0]], 0.1, "must be a symmetric matrix"),
        (np.ones((2, 3, 1)), [[-1.0]], 0.1, "^covariance has the eigenvalue -1: must be positive semidefinite"),
        (np.ones((2, 3, 1)), [[1.0]], -0.1, "^eps is -0.1: must be finite and >= 0, the radius of the ellipsoid$"),
    ],
)
def test_bad_penalties_are_refused(features, covariance, eps, said) -> None:
    with pytest.raises(ChainError, match=said):
        pessimistic(MDP, features, covariance, eps)


def test_evidence_by_differences() -> None:
    setting = {"p_e": 0.7, "p_g": 0.4, "a": 0.8, "b": 0.6}

    def accuracy(logit: float) -> float:
        e = 1 / (1 + np.exp(-logit))
        return float(solve(evidence_chain(), evidence_policy(e=e, **setting)).mean_accuracy)

    h = 1e-5  # error h^2 of a function with derivatives of order 1, and rounding 1e-16/h: both below 1e-10
    slope = float(evidence_gradient(evidence_chain(), evidence_policy(e=1 / (1 + np.exp(-0.3)), **setting)))
    assert slope == pytest.approx((accuracy(0.3 + h) - accuracy(0.3 - h)) / (2 * h), abs=1e-9)


# ---------------------------------------------------------------------- A6


def test_self_correction_by_its_recursion() -> None:
    chain = SelfCorrection.induced(p=0.35, a=0.8, b=0.45)
    x = 0.35
    for t in range(8):
        assert float(chain.accuracy(t)) == pytest.approx(x)
        x = chain.keep * x + chain.repair * (1 - x)
    assert SelfCorrection(0.3, 1.0, 0.0).limit == 0.3
    with pytest.raises(ChainError, match=r"^keep is 1\.2: must lie in"):
        SelfCorrection(0.3, 1.2, 0.0)

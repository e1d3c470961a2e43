"""Losses of pairs: values and slopes against mpmath, expectations against every pair of responses of a small chain."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpmath import mp, mpf

from dstheory import Policy, TwoStageMDP, enumerate_trajectories, solve
from dstheory.errors import ChainError
from dstheory.objectives import DPO
from dstheory.objectives.preference import LOSSES, mean_over, pair_loss
from dstheory.objectives.responses import response_lengths

BETA, SMOOTHING, TAU = 0.7, 0.15, 0.3
OPTIONS = {"robust": {"smoothing": SMOOTHING}, "exo_pair": {"smoothing": SMOOTHING}, "discopop": {"tau": TAU}}
PER_TOKEN = {"sigmoid_norm", "ipo"}


def _s(x):
    return 1 / (1 + mp.exp(-x))


def _ls(x):
    return -mp.log1p(mp.exp(-x))


def by_hand(name: str, w, l):
    """The loss of a pair of log-ratios, chosen and rejected, as the papers write it."""
    beta, e, tau = mpf(BETA), mpf(SMOOTHING), mpf(TAU)
    h = beta * (w - l)
    match name:
        case "sigmoid" | "sigmoid_norm":
            return -_ls(h)
        case "hinge":
            return max(mpf(0), 1 - h)
        case "ipo" | "ipo_sum":
            return (w - l - 1 / (2 * beta)) ** 2
        case "robust":
            return (-(1 - e) * _ls(h) + e * _ls(-h)) / (1 - 2 * e)
        case "exo_pair":
            return _s(h) * (_ls(h) - mp.log(1 - e)) + _s(-h) * (_ls(-h) - mp.log(e))
        case "discopop":
            m = _s(h / tau)
            return -_ls(h) * (1 - m) + mp.exp(-h) * m
        case "nca_pair":
            return -_ls(beta * w) - _ls(-beta * w) / 2 - _ls(-beta * l) / 2
        case "bco_pair":
            return -_ls(beta * w) - _ls(-beta * l)
        case "sppo_hard":
            return (w - 1 / (2 * beta)) ** 2 + (l + 1 / (2 * beta)) ** 2
        case "apo_zero":
            return 1 - _s(beta * w) + _s(beta * l)
        case "apo_down":
            return _s(beta * w) + 1 - _s(h)
    raise AssertionError(name)


def slopes(name: str, w, l):
    """Its derivatives by both log-ratios."""
    with mp.workdps(40):
        return mp.diff(lambda x: by_hand(name, x, l), w), mp.diff(lambda x: by_hand(name, w, x), l)


POINTS = [(0.3, -1.1), (-2.0, 0.5), (4.0, 3.9), (-30.0, 25.0), (35.0, -20.0), (0.0, 0.0)]


@pytest.mark.parametrize("name", LOSSES)
def test_values_and_slopes_are_those_of_the_papers(name: str) -> None:
    loss = pair_loss(name, beta=BETA, **OPTIONS.get(name, {}))
    assert loss.per_token == (name in PER_TOKEN)
    for w, l in POINTS:
        h, zero = np.array(BETA * (w - l)), np.zeros(())
        parts = [(loss.margin, h), (loss.chosen, np.array(BETA * w)), (loss.rejected, np.array(BETA * l))]
        value = sum((curve.value(at) for curve, at in parts if curve), zero)
        m, c, r = (zero if curve is None else -BETA * curve.fall(at) for curve, at in parts)
        expected = [by_hand(name, mpf(w), mpf(l)), *slopes(name, mpf(w), mpf(l))]
        np.testing.assert_allclose(np.array([value, m + c, r - m]), np.array(expected, dtype=float), rtol=1e-11, atol=1e-13)
        falls = np.concatenate(loss.falls(np.array([BETA * w]), np.array([BETA * l])))
        np.testing.assert_allclose(-BETA * falls, np.array(expected[1:], dtype=float), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_a_mean_over_partners_is_interpolated_to_rounding(name: str) -> None:
    loss, rng = pair_loss(name, beta=BETA, **OPTIONS.get(name, {})), np.random.default_rng(5)
    own, other, weight = rng.normal(0, 6, 4000), rng.normal(1, 4, 90), rng.uniform(0, 1, 90)
    if loss.margin is None:
        return
    found = loss.margin.mean_fall(own, other, weight)
    direct = loss.margin.fall(own[:, None] - other) @ weight
    # A polynomial of degree N = 30 has slopes of N^2: a rounding of its variable becomes 1e-13.
    np.testing.assert_allclose(found, direct, rtol=0, atol=1e-13 * np.abs(direct).max())


def test_a_mean_over_partners_keeps_its_digits_where_it_is_small() -> None:
    """At one end it is e^60 times what it is at the other: one polynomial for all of it was as exact as the largest is."""
    own, other, weight = np.linspace(-30.0, 30.0, 5000), np.linspace(-2.0, 1.0, 40), np.linspace(0.2, 1.0, 40)
    fall = pair_loss("sigmoid", beta=BETA).margin.fall
    found = pair_loss("sigmoid", beta=BETA).margin.mean_fall(own, other, weight)
    np.testing.assert_allclose(found, fall(own[:, None] - other) @ weight, rtol=1e-12)
    clusters = np.concatenate([own[:900], own[:900] + 1e6])
    np.testing.assert_allclose(
        pair_loss("sigmoid", beta=BETA).margin.mean_fall(clusters, other, weight),
        fall(clusters[:, None] - other) @ weight,
        rtol=1e-12,
    )
    square = pair_loss("ipo_sum", beta=BETA).margin  # 0 at a distance of 1/2 from the one partner
    at = np.append(own, 0.75 + np.array([1e-12, -3e-9, 1e-6]))
    np.testing.assert_allclose(
        square.mean_fall(at, other[:1] * 0.0 + 0.25, weight[:1]), square.fall(at - 0.25) * weight[0], rtol=1e-11
    )


NEAR = [(1e-9, 3e-9), (-2e-8, 1e-200), (5.0, 1e-14), (-40.0, -41.0), (2e3, 1e3), (-2e3, 1e-3), (700.0, 1400.0), (0.0, 1.0)]


def test_slopes_of_apo_down_that_cancel_keep_their_digits() -> None:
    loss = pair_loss("apo_down", beta=BETA)
    for w, l in NEAR:
        with mp.workdps(2000):
            h, a = BETA * (mpf(w) - mpf(l)), BETA * mpf(w)
            bell = [1 / (2 + mp.exp(x) + mp.exp(-x)) for x in (h, a)]
            expected = float(bell[0] - bell[1])
        found = loss.falls(np.array([BETA * w]), np.array([BETA * l]))[0]
        np.testing.assert_allclose(found, [expected], rtol=1e-12, atol=1e-300)
    own, other, weight = np.linspace(-20.0, 20.0, 4000), np.linspace(-9.0, 7.0, 90), np.linspace(0.0, 1.0, 90)
    assert loss.together is not None
    direct = loss.together(own[:, None], other) @ weight
    found = mean_over(loss.together, own, other, weight)
    np.testing.assert_allclose(found, direct, rtol=0, atol=1e-13 * np.abs(direct).max())


MDP = TwoStageMDP(
    correct=[[1, 0, 0], [1, 1, 0]], n_answers=[3, 3], gamma=1.0, max_turns=2, prompt_weight=[0.3, 0.7],
    sample_length=[[3, 11, 5], [2, 7, 20]], decision_length=2.0,
)  # fmt: skip


def policy(seed: int) -> Policy:
    rng = np.random.default_rng(seed)
    return Policy.tabular(rng.normal(0, 1, (1, 2, 3)), rng.normal(0, 1, (1, 2, 3)))


HERE, REFERENCE, SAMPLER = policy(1), policy(2), policy(3)


@pytest.mark.parametrize("sampler", [None, SAMPLER], ids=["reference", "sampler"])
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_are_sums_over_every_pair(name: str, sampler: Policy | None) -> None:
    o = DPO(REFERENCE, beta=BETA, sampler=sampler, loss=name, **OPTIONS.get(name, {}))
    s = solve(MDP, HERE)
    t = enumerate_trajectories(MDP, sampler or REFERENCE)
    up = sum((a - b for a, b in zip(t.log_prob(HERE), t.log_prob(REFERENCE), strict=True)), np.zeros(len(t.answer)))
    length = response_lengths(s, t)
    u = [mpf(float(x)) for x in t.sum(up) / (length if name in PER_TOKEN else 1.0)]
    right = [float(MDP.correct[t.prompt[i], t.answer[t.offsets[i + 1] - 1]]) for i in range(len(t))]
    f, value = np.zeros(len(t)), mpf(0)
    for i in range(len(t)):
        for j in range(len(t)):
            if t.prompt[i] != t.prompt[j] or not right[i] > right[j]:
                continue
            chance = 2.0 * t.weight[j] / MDP.prompt_weight[t.prompt[i]]  # of two orders, given the response i
            value -= mpf(chance * t.weight[i]) * by_hand(name, u[i], u[j])
            won, lost = slopes(name, u[i], u[j])
            f[i] -= chance * float(won)
            f[j] -= 2.0 * t.weight[i] / MDP.prompt_weight[t.prompt[j]] * float(lost)
    f = f / (length if name in PER_TOKEN else 1.0)
    c_s, c_d = o.coefficients(s, t)
    np.testing.assert_allclose(c_s, f[t.episode], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(c_d, np.where(t.decided, f[t.episode], 0.0), rtol=1e-11, atol=1e-13)
    assert float(o.value(s)) == pytest.approx(float(value), rel=1e-12)
    sample, decide = np.zeros((1, 2, 3)), np.zeros((1, 2, 3))
    for i in range(len(t)):
        x = t.prompt[i]
        for k in range(t.offsets[i], t.offsets[i + 1]):
            share = t.weight[i] * f[i]
            sample[0, x] -= share * HERE.sample_prob[0, x]
            sample[0, x, t.answer[k]] += share
            if t.decided[k]:
                decide[0, x, t.answer[k]] += share * (float(t.stop[k]) - HERE.stop_prob[0, x, t.answer[k]])
    g = o.gradient(s)
    np.testing.assert_allclose(g.sample, sample, rtol=0, atol=1e-12 * np.abs(sample).max())
    np.testing.assert_allclose(g.decide, decide, rtol=0, atol=1e-12 * np.abs(sample).max())


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_the_value_without_a_cap(name: str) -> None:
    mdp, reference = TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 9]]), Policy.minimal(p=0.5, a=0.7, b=0.4)
    o = DPO(reference, beta=BETA, loss=name, **OPTIONS.get(name, {}))

    def at(shift: float) -> Policy:
        return Policy.tabular([[[0.3 + shift, -0.2]]], [[[0.8 + shift, 0.1 - 2 * shift]]])

    g, step = o.gradient(solve(mdp, at(0.0))), 1e-5
    along = float(g.sample[0, 0, 0] + g.decide[0, 0, 0] - 2.0 * g.decide[0, 0, 1])
    up, down = (float(o.value(solve(mdp, at(e)))) for e in (step, -step))
    # Of a central difference: step^2 times a third derivative, and rounding over step; hinge has a kink between some pairs.
    assert along == pytest.approx((up - down) / (2 * step), rel=1e-7 if name != "hinge" else 1e-4, abs=1e-9)


def test_the_first_step_on_own_samples_is_that_of_reinforce_whatever_the_margin() -> None:
    """At the reference every margin is 0: all losses of the margin alone give one direction."""
    mdp = TwoStageMDP.minimal(gamma=1.0)
    s = solve(mdp, Policy.minimal(p=0.4, a=0.7, b=0.3))
    plain = DPO(s.policy, beta=BETA).gradient(s)
    factors = {"hinge": 2.0, "robust": 1 / (1 - 2 * SMOOTHING), "sppo_hard": 2.0 / BETA**2, "bco_pair": 1.0, "apo_zero": 0.5}
    for name, factor in factors.items():
        g = DPO(s.policy, beta=BETA, loss=name, **OPTIONS.get(name, {})).gradient(s)
        np.testing.assert_allclose(g.sample, factor * plain.sample, rtol=1e-12)
        np.testing.assert_allclose(g.decide, factor * plain.decide, rtol=1e-12)


def test_a_smoothed_sigmoid_mixes_both_orders_of_a_pair() -> None:
    s, parts = solve(MDP, HERE), ("sigmoid", "robust")
    smooth = DPO(REFERENCE, beta=BETA, smoothing=SMOOTHING)
    h = np.array([-30.0, -1.0, 0.0, 2.5])
    curve, won = smooth.of_pairs.margin, pair_loss("sigmoid", beta=BETA).margin
    np.testing.assert_allclose(curve.fall(h), (1 - SMOOTHING) * won.fall(h) - SMOOTHING * won.fall(-h), rtol=1e-12)
    np.testing.assert_allclose(curve.value(h), (1 - SMOOTHING) * won.value(h) + SMOOTHING * won.value(-h), rtol=1e-12)
    at_start = [DPO(HERE, beta=BETA, loss=name, smoothing=SMOOTHING).gradient(s).sample for name in parts]
    np.testing.assert_allclose(at_start[0], (1 - 2 * SMOOTHING) ** 2 * at_start[1], rtol=1e-11)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"loss": "aot"}, "loss is 'aot': must be one of sigmoid, sigmoid_norm, hinge"),
        ({"loss": "hinge", "smoothing": 0.1}, "smoothing is 0.1: only sigmoid, robust and exo_pair have it"),
        ({"loss": "robust", "smoothing": 0.5}, "smoothing is 0.5: must be >= 0 and < 0.5 for robust"),
        ({"loss": "exo_pair"}, "smoothing is 0.0: must be > 0 and < 0.5 for exo_pair"),
        ({"loss": "discopop", "tau": 0.0}, "tau is 0.0: must be finite and > 0"),
        ({"loss": "ipo", "beta": math.nan}, "beta is nan: must be finite and > 0"),
    ],
)
def test_impossible_losses_are_refused(settings: dict, says: str) -> None:
    with pytest.raises(ChainError) as refused:
        DPO(HERE, **settings)
    assert says in str(refused.value)

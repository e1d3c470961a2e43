"""Optima and worst cases for any number of answers, tokens, features (E1-lengths, E1-tokens, H7); Wald's identities (G3)."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest


def penalised(pi: np.ndarray, ref: np.ndarray, values: np.ndarray, heat: np.ndarray) -> float:
    return float((pi * (values - heat * np.log(pi / ref))).sum())


@pytest.mark.parametrize("answers", [2, 3, 5, 9])
def test_e1_lengths_one_multiplier_and_not_a_softmax(answers):
    rng = np.random.default_rng(answers)
    ref, values, heat = rng.dirichlet(np.ones(answers)), rng.normal(size=answers), rng.uniform(0.2, 3, answers)

    def tilted(mu: float) -> np.ndarray:
        return ref * np.exp((values - mu) / heat - 1)

    low, high = float(min(values + heat * (np.log(ref) - 1))), float(max(values - heat))
    assert tilted(low).sum() > 1 >= tilted(high).sum()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if tilted(middle).sum() > 1 else (low, middle)
    best = tilted(low)
    best /= best.sum()
    top = penalised(best, ref, values, heat)
    assert top == pytest.approx(low + (heat * best).sum(), abs=1e-9)
    softmax = ref * np.exp(values / heat)
    softmax /= softmax.sum()
    others = [softmax, ref, *rng.dirichlet(np.ones(answers), 300), *[best * (1 - s) + s * softmax for s in (1e-3, 0.1)]]
    assert all(penalised(pi, ref, values, heat) < top for pi in others)


def test_e1_lengths_without_reward_the_reference_is_no_optimum():
    ref, heat = np.array([0.5, 0.3, 0.2]), np.array([2.0, 1.0, 0.5])
    towards_short = np.array([0.45, 0.33, 0.22])
    towards_long = np.array([0.4, 0.3, 0.3])
    gains = [penalised(pi, ref, np.zeros(3), heat) for pi in (towards_short, towards_long)]
    assert penalised(ref, ref, np.zeros(3), heat) == 0
    assert max(gains) > 0


def grown(rng: np.random.Generator, depth: int) -> dict:
    """A tree of prefixes with two to four next tokens each; a branch ends at random, so answers differ in length."""
    if depth == 0 or (depth < 3 and rng.random() < 0.3):
        return {"value": float(rng.normal())}
    width = int(rng.integers(2, 5))
    return {"ref": rng.dirichlet(np.ones(width)), "next": [grown(rng, depth - 1) for _ in range(width)]}


def answers_of(tree: dict, chance: float = 1.0) -> list[tuple[float, float]]:
    """Reference probability and value of every whole answer."""
    if "value" in tree:
        return [(chance, tree["value"])]
    return [leaf for r, child in zip(tree["ref"], tree["next"], strict=True) for leaf in answers_of(child, chance * r)]


def soft(tree: dict, beta: float) -> float:
    """The soft value, token by token."""
    if "value" in tree:
        return tree["value"]
    weights = [r * np.exp(soft(child, beta) / beta) for r, child in zip(tree["ref"], tree["next"], strict=True)]
    return beta * float(np.log(sum(weights)))


def chosen(tree: dict, beta: float, chance: float = 1.0) -> list[float]:
    """The probability of every whole answer if each token is drawn from its own softmax."""
    if "value" in tree:
        return [chance]
    weights = np.array([r * np.exp(soft(child, beta) / beta) for r, child in zip(tree["ref"], tree["next"], strict=True)])
    weights /= weights.sum()
    return [p for w, child in zip(weights, tree["next"], strict=True) for p in chosen(child, beta, chance * w)]


@pytest.mark.parametrize("seed", range(8))
def test_e1_tokens_token_by_token_is_answer_by_answer(seed):
    rng = np.random.default_rng(seed)
    tree, beta = grown(rng, 4), float(rng.uniform(0.2, 2))
    ref, value = map(np.array, zip(*answers_of(tree), strict=True))
    weights = ref * np.exp(value / beta)
    assert soft(tree, beta) == pytest.approx(beta * np.log(weights.sum()))
    assert chosen(tree, beta) == pytest.approx(weights / weights.sum())


@pytest.mark.parametrize("features", [1, 2, 3, 6, 11])
def test_h7_the_worst_weight_of_an_ellipsoid(features):
    rng = np.random.default_rng(features)
    half = rng.normal(size=(features, features)) + 2 * np.eye(features)
    covariance, phi, eps = half @ half.T, rng.normal(size=features), 0.7
    norm = np.sqrt(phi @ covariance @ phi)
    inverse = np.linalg.inv(covariance)
    lowest = -eps * covariance @ phi / norm
    assert lowest @ inverse @ lowest == pytest.approx(eps**2)
    assert lowest @ phi == pytest.approx(-eps * norm)
    for direction in rng.normal(size=(500, features)):
        inside = eps * rng.random() * direction / np.sqrt(direction @ inverse @ direction)
        assert inside @ phi >= -eps * norm - 1e-12


@pytest.mark.parametrize("cap", [1, 2, 4, 6])
def test_g3_stopping_leaves_mean_and_variance_alone(cap):
    """Every episode of a capped chain, exactly; at the cap the last answer is submitted."""
    p, a, b = Fraction(2, 7), Fraction(5, 6), Fraction(3, 4)
    again = {1: 1 - a, 0: b}
    mean = square = attempts = total = Fraction(0)
    for length in range(1, cap + 1):
        for answers in product((0, 1), repeat=length):
            chance = Fraction(1)
            for k, right in enumerate(answers, 1):
                chance *= p if right else 1 - p
                if k < length:
                    chance *= again[right]
                elif length < cap:
                    chance *= 1 - again[right]
            off = sum(answers) - p * length
            mean, square = mean + chance * off, square + chance * off**2
            attempts, total = attempts + chance * length, total + chance
    assert (total, mean) == (1, 0)
    assert square == p * (1 - p) * attempts


def test_g2_no_other_linear_split_has_its_properties():
    """Sampling's part s.A with A = (A_00, A_01, A_10, A_11); decisions' part is (gain - s).A with gain = (-1, 0, 0, 1)."""
    idle_sampling = [[1, 0, 1, 0], [0, 1, 0, 1]]  # A_10 = A_00 and A_11 = A_01 must give s.A = 0
    idle_decisions = [[1, 1, 0, 0], [0, 0, 1, 1]]  # A_01 = A_00 and A_11 = A_10 must give s.A = gain.A
    exchange = [[1, 0, 0, 1], [0, 1, 1, 0]]
    left = np.array([*idle_sampling, *idle_decisions, *exchange])
    right = np.array([0, 0, -1, 1, 0, 0])
    found, _, rank, _ = np.linalg.lstsq(left, right, rcond=None)
    assert rank == 4
    assert left @ found == pytest.approx(right)
    assert found == pytest.approx([-0.5, -0.5, 0.5, 0.5])


@pytest.mark.parametrize(("kinds", "rises"), [((0.99, 0.5), True), ((0.5, 0.001), False)])
def test_g1_the_worth_of_a_further_attempt_can_rise_or_fall_where_problems_differ(kinds, rises):
    """Capped accuracies and attempts of two kinds of problems by recursion over the cap, a = 0.9 and b = 0.8."""
    a, b = 0.9, 0.8
    worth = []
    for cap in range(1, 7):
        gained = used = 0.0
        for p in kinds:
            again = p * (1 - a) + (1 - p) * b
            accuracy, attempts = p, 1.0
            for _ in range(cap - 1):
                accuracy, attempts = p * a + again * accuracy, 1 + again * attempts
            gained += p * a + again * accuracy - accuracy
            used += 1 + again * attempts - attempts
        worth.append(gained / used)
    assert (np.diff(worth) > 0).all() == rises
    assert (np.diff(worth) < 0).all() != rises


@pytest.mark.parametrize(("a_e", "eta"), [(0.8, 0.3), (0.6, 0.7), (0.3, 0.2)])
def test_h5_where_a_value_loss_comes_to_rest(a_e, eta):
    """Ascent on both logits, slopes by central differences; no formula of the claim but the one that is tested."""

    def objective(logits: np.ndarray) -> float:
        top = np.logaddexp(*logits)
        return float(a_e * (logits[0] - top) + (1 - a_e) * (logits[1] - top) + eta * top)

    logits, h = np.array([0.4, -0.3]), 1e-5
    for _ in range(4000):
        logits = logits + 0.1 * np.array([(objective(logits + e) - objective(logits - e)) / (2 * h) for e in h * np.eye(2)])
    a = 1 / (1 + np.exp(logits[1] - logits[0]))
    assert a == pytest.approx((2 * a_e - eta) / (2 - 2 * eta), abs=1e-6)
    assert abs(a - 0.5) > abs(a_e - 0.5)


def test_h5_beyond_twice_the_demonstrations_own_rate_it_does_not():
    a = np.linspace(0.001, 0.999, 999)
    assert (2 * (0.2 - a) + 0.6 * (2 * a - 1) < 0).all()  # a_E = 0.2, eta = 0.6: the push is down everywhere

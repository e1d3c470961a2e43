"""What statements and notes say in words beside their formulas: numbers, and conditions without which they are false."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import exp, log, sqrt

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dstheory.claims.sources import bundled_files, load_claims

P, A, B = 0.2, 0.7, 0.6


@pytest.fixture(scope="module")
def words():
    """Statement, scope and note of each claim."""
    claims = [claim for path in bundled_files() for claim in load_claims(path).values()]
    return {claim.id: " ".join(f"{claim.statement} {claim.scope} {claim.notes}".split()) for claim in claims}


def test_the_pooled_p_of_the_note_is_that_of_all_attempts(words):
    """Episodes of at most two attempts, one by one: of problems with p 4/5 and 1/5, half each, with a = b = 1/2, then 9/10."""
    pooled = []
    for sure in (Fraction(1, 2), Fraction(9, 10)):
        right = tried = Fraction(0)
        for p, first, again, second in product((Fraction(4, 5), Fraction(1, 5)), (0, 1), (0, 1), (0, 1)):
            chance = (p if first else 1 - p) * (sure if again != first else 1 - sure) * (p if second else 1 - p)
            right += chance * (first + again * second)
            tried += chance * (1 + again)
        pooled.append(right / tried)
    note = words["G2-pooled-loose"]
    assert f"falls from {float(pooled[0])} to {float(pooled[1])} though" in note


def per_turn(p: float, a: float, b: float) -> tuple[float, float]:
    """E[R/K] and E[1/K] without a cap, as sums over the number of attempts."""
    q = p * (1 - a) + (1 - p) * b
    terms = [q ** (k - 1) / k for k in range(1, 400)]
    return p * a * sum(terms), (1 - q) * sum(terms)


def slopes(function) -> list[float]:
    """In p, a and b."""
    at, h = (P, A, B), 1e-6
    ends = [[[x + s * h * (i == j) for j, x in enumerate(at)] for s in (1, -1)] for i in range(3)]
    return [(function(*up) - function(*down)) / (2 * h) for up, down in ends]


def test_the_normaliser_rescales_the_gradient_of_rewards_that_are_centred_and_of_no_others(words):
    accuracy = P * A / (1 - P * (1 - A) - (1 - P) * B)
    inverse = per_turn(P, A, B)[1]
    gradient = slopes(lambda p, a, b: p * a / (1 - p * (1 - a) - (1 - p) * b))
    plain, counts = slopes(lambda *at: per_turn(*at)[0]), slopes(lambda *at: per_turn(*at)[1])
    q = P * (1 - A) + (1 - P) * B
    assert inverse == pytest.approx(-(1 - q) * log(1 - q) / q)
    for whole, count, slope in zip(plain, counts, gradient, strict=True):
        assert whole - accuracy * count == pytest.approx(inverse * slope, rel=1e-6)
    ratios = [whole / slope for whole, slope in zip(plain, gradient, strict=True)]
    assert max(ratios) > 1.1 * min(ratios)
    for name in ("B7", "B7-cap", "B7-prompts"):
        assert "centred" in words[name]


def test_resampling_helps_under_a_cap_exactly_if_a_b_exceed_1_where_the_last_answer_is_submitted(words):
    """Two attempts of p = 1/2, a = b = 3/5: not where an episode without a stop counts as wrong."""
    p, a, q = 0.5, 0.6, 0.5
    assert p * a + q * p > p > p * a * (1 + q)
    assert "with the last answer submitted" in words["A3-cap"]


CONDITIONS = {
    "B4-bound": "whose logits are differentiable in its parameters", "B4-tokens": "a token by what it and its prefix determine",
    "B6-conserved-discount": "is conserved but a constant", "C4-tree": "if they are alike and not the policy's",
    "D1": "At equal log-ratios other than 0", "D3-resample": "that differ from the reference (`K` not 0)",
    "E1": "at `Gamma = 0` in the first turn", "F2": "from its first gradient other than 0 on", "H5": "SFT of a table",
    "H6": "any symmetric link with link(1) > 1/2", "O9-sequence": "unless its advantage is 0",
    "O5": "no length dividing", "O6-constant": "vanishes nowhere unless `b_0 = 0`", "O7-parts": "whatever the tokens' gradients",
}  # fmt: skip


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_without_which_a_statement_is_false_is_said(words, name):
    assert CONDITIONS[name] in words[name]


def test_padding_that_the_decision_reads_changes_the_value(words):
    """Right with chance 1/5; then a token that correctness does not read; the decision stops by both, and else draws again."""
    stop, again = {(1, 1): 0.9, (1, 0): 0.4, (0, 1): 0.3, (0, 0): 0.8}, 0.5

    def value(token: int) -> float:
        return sum(x * (stop[c, token] * c + (1 - stop[c, token]) * again) for c, x in ((1, P), (0, 1 - P)))

    assert abs(value(1) - value(0)) > 0.1
    assert "neither correctness nor later tokens nor the decision depend on them" in words["B5"]


def test_tokens_enter_the_energy_of_decisions_by_how_often_its_answers_are_visited(words):
    """L tokens make an answer right, each with chance 1/2, the demonstrator's 9/10; one turn, E^2/P (a_E - a)^2/(a(1-a))."""
    energies = [0.81**length / 0.5**length * (0.9 - A) ** 2 / (A * (1 - A)) for length in (1, 4)]
    assert energies[1] > 4 * energies[0]
    assert "tokens enter it only through how often its answers are visited" in words["C4"]


def test_without_a_discount_above_0_a_reward_for_accuracy_says_nothing_of_wrong_answers(words):
    for gamma in (0.0, 0.9):
        slope = slopes(lambda p, a, b, gamma=gamma: p * a / (1 - gamma * (p * (1 - a) + (1 - p) * b)))[2]
        assert (slope > 1e-3) == (gamma > 0)
    assert "with a discount above 0" in words["C3"]


def test_a_demonstrator_who_never_resamples_a_right_answer_is_no_stationary_point(words):
    assert min(1 - 1 / (1 + exp(-theta)) for theta in (-5, 0, 5, 30)) > 0  # a_E - a at a_E = 1, for logits of any size
    assert "both stop and resample at each" in words["C5"]


def test_where_a_stage_rests_a_clipped_step_does_not_fall_with_the_weight_of_sampling(words):
    """The norm of the decision's step, threshold 1: as clipped, and within a trust region."""

    def step(w_s: float, h_s: float, h_d: float) -> float:
        return h_d / sqrt((w_s * h_s) ** 2 + h_d**2)

    assert step(2, 1, 1) < step(1, 1, 1)
    assert step(2, 0, 1) == step(1, 0, 1) == 1
    assert step(2, 1, 0) == step(1, 1, 0) == 0
    assert "As long as neither stage rests (`h_s` and `h_d` are not 0), it is strictly decreasing" in words["F1"]
    assert "as long as neither stage rests" in words["F3"]
    assert "both stages still move" in words["C5-moves"]


def test_a_negative_constant_turns_the_step_of_adam(words):
    """Moving averages from 0, epsilon = 0: the third step, whose bias corrections do not contain the gradients."""

    def step(factor: float) -> float:
        m = v = 0.0
        for gradient in (0.3, -0.2, 0.7):
            m, v = 0.9 * m + 0.1 * factor * gradient, 0.99 * v + 0.01 * (factor * gradient) ** 2
        return m / sqrt(v)

    assert step(5) == pytest.approx(step(1))
    assert step(-5) == pytest.approx(-step(1))
    assert "multiplied by a positive constant" in words["F2"]


def test_how_often_one_response_differs_from_all_others(words):
    """All lists of rewards of G responses with success probability 3/10; in a group of two both differ from the other."""
    for size in (2, 3, 5):
        chance = 0.0
        for rewards in product((0, 1), repeat=size):
            others = [rewards[:i] + rewards[i + 1 :] for i in range(size)]
            if any(len(set(rest)) == 1 and rest[0] != own for own, rest in zip(rewards, others, strict=True)):
                chance += 0.3 ** sum(rewards) * 0.7 ** (size - sum(rewards))
        formula = size * 0.3 * 0.7 ** (size - 1) + size * 0.7 * 0.3 ** (size - 1)
        assert (chance == pytest.approx(formula)) == (size >= 3)
    assert "G >= 3" in words["O5-others"]


def test_truncated_tokens_are_those_per_response_of_the_batch(words):
    """Three responses of two tokens are whole, one of ten is truncated."""
    whole, cut, responses = 6, 10, 4
    assert (whole + cut) / whole == pytest.approx(1 + (cut / responses) / (whole / responses))
    assert (whole + cut) / whole != pytest.approx(1 + (cut / 1) / (whole / 3))
    assert "`L_cut = E[(1 - M) L]` and `L_whole = E[M L]`" in words["O7-masked"]


def test_a_first_attempt_is_not_pushed_up_where_the_condition_is_met_with_equality(words):
    """alpha = 3 and gain 1/2: the mean of ((1 - alpha) r1 + (1 + alpha) r2) times the score of the first answer."""
    p, a, b, later, alpha = 0.3, 0.6, 0.8, 0.25, 3
    total = 0.0
    for first, resample, second in product((1, 0), repeat=3):
        again = (1 - a) if first else b
        chance = (p if first else 1 - p) * (again if resample else 1 - again) * (later if second else 1 - later)
        last = second if resample else first
        total += chance * ((1 - alpha) * first + (1 + alpha) * last) * ((1 - p) if first else -p)
    assert total == pytest.approx(0, abs=1e-15)
    assert "is pushed down exactly if `(1 + alpha) gain < alpha - 1`" in words["O13"]


def share_at(gamma: float, times: list[float]) -> list[float]:
    """The decisions' share along the reward flow from p, a, b = 0.55, 0.8, 0.3: by errors, and in the logarithm of time."""

    def sides(theta):
        return 1 / (1 + np.exp(-theta)), 1 / (1 + np.exp(theta))

    def flow(log_time, theta):
        (p, a, b), (p_not, a_not, b_not) = sides(theta)
        stay = (1 - gamma) + gamma * (p * a + p_not * b_not)
        rates = [
            p * p_not * a * (1 - gamma + gamma * b_not), p * a * a_not * (1 - gamma + gamma * p_not * b_not),
            gamma * p * p_not * a * b * b_not,
        ]  # fmt: skip
        return np.exp(log_time) * np.array(rates) / stay**2

    def error(sampling, decisions):
        p, p_not = sides(sampling[0])
        a, b_not = sides(decisions[1])[0], sides(decisions[2])[1]
        return p_not * b_not / (p * a + p_not * b_not)

    start = np.log([0.55 / 0.45, 4, 3 / 7])
    run = solve_ivp(flow, (-14, np.log(times[-1])), start, method="LSODA", t_eval=np.log(times), rtol=1e-9, atol=1e-11)
    return [
        (error(start, start) - error(start, now) + error(now, start) - error(now, now))
        / (2 * (error(start, start) - error(now, now)))
        for now in run.y.T
    ]


def test_how_far_away_the_limit_of_the_share_is(words):
    early, late, last = share_at(0.5, [1e4, 1e9, 1e20])
    assert f"is {early:.2f} at `t = 10^4`, {late:.2f} at `10^9` and {last:.2f} at `10^20`" in words["B6-share"]
    early, late = share_at(1.0, [1e4, 1e9])
    assert f"it is {early:.3f} at `10^4` and {late:.4f} at `10^9`" in words["B6-share"]

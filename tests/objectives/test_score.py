"""SCoRe makes two attempts: one definition for both engines and for claim O13, against sums over trajectories written here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.objectives import build
from dstheory.rational.symbols import symbol
from dstheory.symbolic.objectives import lookup
from dstheory.symbolic.setting import setting
from dstheory.symbolic.updates import expected_update

P, A, B, AGAIN = 0.3, 0.8, 0.6, 0.7
"""P(first answer right), P(keep | right), P(replace | wrong), P(second answer right)."""


def responses() -> Iterator[tuple[float, int, int, dict[str, float]]]:
    """Probability, r1, r2 and the score of every logit, (1 - x) or -x of the action drawn."""
    for right in (1, 0):
        chance, first = (P, 1 - P) if right else (1 - P, -P)
        keep = A if right else 1 - B
        logit, sign = ("theta_C_t0", 1) if right else ("theta_W_t0", -1)  # theta_W is the logit of replacing
        yield chance * keep, right, right, {"theta_s_t0": first, logit: sign * (1 - keep)}
        for again in (1, 0):
            second, score = (AGAIN, 1 - AGAIN) if again else (1 - AGAIN, -AGAIN)
            yield chance * (1 - keep) * second, right, again, {"theta_s_t0": first, logit: -sign * keep, "theta_s_t1": score}


def by_hand(name: str, alpha: float) -> dict[str, float]:
    found = dict.fromkeys(("theta_s_t0", "theta_C_t0", "theta_W_t0", "theta_s_t1"), 0.0)
    for chance, r1, r2, scores in responses():
        for logit, score in scores.items():
            c = r1 + r2 + alpha * (r2 - r1)
            if name == "score-per-attempt":
                c = r1 if logit == "theta_s_t0" else r2 + alpha * (r2 - r1)
            found[logit] += chance * c * score
    return found


@pytest.mark.parametrize("alpha", [0.0, 0.5, 2.0, 10.0])
@pytest.mark.parametrize("name", ["score-summed", "score-per-attempt"])
def test_both_engines_are_the_sum_over_two_attempts(name: str, alpha: float) -> None:
    expected = by_hand(name, alpha)
    policy = Policy.from_probabilities([[[P, 1 - P]], [[AGAIN, 1 - AGAIN]]], [[[A, 1 - B]]] * 2)
    g = build(name, {"alpha": alpha}).gradient(solve(TwoStageMDP.minimal(max_turns=2), policy))
    numeric = {
        "theta_s_t0": g.sample[0, 0, 0], "theta_s_t1": g.sample[1, 0, 0],
        "theta_C_t0": g.decide[0, 0, 0], "theta_W_t0": -g.decide[0, 0, 1],
    }  # fmt: skip
    at = {"p_t0": P, "a_t0": A, "b_t0": B, "p_t1": AGAIN, "alpha": alpha}
    update = expected_update(setting(turns=2, turn_indexed=True), lookup(name))
    for logit, value in expected.items():
        assert numeric[logit] == pytest.approx(value, rel=1e-12, abs=1e-15)
        assert float(update[symbol(logit)].subs({symbol(x): v for x, v in at.items()})) == pytest.approx(value, abs=1e-14)


def test_a_kept_answer_is_the_second_attempt() -> None:
    """Claim O13's gradient at alpha = 2; at alpha = 0 keeping a right answer is pushed up, not punished."""
    assert by_hand("score-summed", 2.0)["theta_s_t0"] == pytest.approx(0.1176, abs=1e-15)
    policy = Policy.from_probabilities([[[P, 1 - P]], [[AGAIN, 1 - AGAIN]]], [[[A, 1 - B]]] * 2)
    s = solve(TwoStageMDP.minimal(max_turns=2), policy)
    assert build("paper:score", {}).alpha == 10.0
    for name in ("score-summed", "score-per-attempt"):
        assert build(name, {"alpha": 0.0}).gradient(s).decide[0, 0, 0] > 0


@pytest.mark.parametrize("name", ["score-summed", "score-per-attempt"])
def test_on_longer_chains_what_is_submitted_is_the_second_attempt(name: str) -> None:
    """Four turns, three answers, rewards that are not 0 or 1 in the chain: the gradient by differences of E[r1], E[r2]."""
    mdp = TwoStageMDP(correct=[[1, 0, 0]], sample_length=[[3, 9, 4]], gamma=0.5, max_turns=4, resample_cost=0.3)
    logits = np.array([[0.4, -0.3, 0.1]]), np.array([[0.9, -0.6, 0.2]])
    alpha, h = 2.5, 1e-6

    def submitted(z: np.ndarray, u: np.ndarray, first: np.ndarray) -> float:
        pi, stop = np.exp(z[0]) / np.exp(z[0]).sum(), 1 / (1 + np.exp(-u[0]))
        ahead = pi[0]
        for _ in range(2):
            ahead = pi[0] * stop[0] + (pi * (1 - stop)).sum() * ahead
        return float((first * (np.array([1.0, 0, 0]) * stop + (1 - stop) * ahead)).sum())

    start = np.exp(logits[0][0]) / np.exp(logits[0][0]).sum()

    def scalar(z: np.ndarray, u: np.ndarray) -> float:
        moved = np.exp(z[0]) / np.exp(z[0]).sum()
        if name == "score-summed":
            return (1 - alpha) * moved[0] + (1 + alpha) * submitted(z, u, moved)
        return moved[0] + (1 + alpha) * submitted(z, u, start)  # the first answer's draw is frozen in the second attempt

    g = build(name, {"alpha": alpha}).gradient(solve(mdp, Policy.tabular(*logits)))
    for i in range(3):
        step = h * np.eye(3)[i][None]
        for block, slope in (
            (g.sample, scalar(logits[0] + step, logits[1]) - scalar(logits[0] - step, logits[1])),
            (g.decide, scalar(logits[0], logits[1] + step) - scalar(logits[0], logits[1] - step)),
        ):
            assert block[0, 0, i] == pytest.approx(slope / (2 * h), rel=1e-7, abs=1e-8)

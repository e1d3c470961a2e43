"""What a chain with known p, a, b does: against enumeration of its episodes, and against the numeric engine."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.anatomy import chain_formulas as formulas
from dstheory.errors import ChainError, RecordError

CHAINS = [
    (0.4, 0.9, 0.7),
    (0.12, 0.35, 0.95),
    (0.8, 1.0, 0.2),
    (0.5, 0.5, 0.5),
    (0.3, 0.0, 1.0),
    (0.0, 0.4, 0.6),
    (0.4, 1.0, 0.0),
]


def enumerated(p: float, a: float, b: float, cap: int, unstopped: str) -> dict[str, float]:
    """Sum over all sequences of (correct, stop) of at most cap attempts: probability times outcome."""
    total = {"accuracy": 0.0, "stopped": 0.0, "attempts": 0.0}
    last_decides = unstopped == "wrong"
    for length in range(1, cap + 1):
        for answers in itertools.product([True, False], repeat=length):
            chance = 1.0
            for right in answers[:-1]:
                chance *= p * (1 - a) if right else (1 - p) * b
            chance *= p if answers[-1] else 1 - p
            stop = a if answers[-1] else 1 - b
            ends = [(stop, True)] if length < cap else [(stop, True), (1 - stop, False)] if last_decides else [(1.0, False)]
            for share, stopped in ends:
                total["attempts"] += chance * share * length
                total["stopped"] += chance * share * stopped
                total["accuracy"] += chance * share * (answers[-1] and (stopped or not last_decides))
    return total


@pytest.mark.parametrize("unstopped", ["submit", "wrong"])
@pytest.mark.parametrize("chain", CHAINS)
def test_capped_chains_against_enumeration(chain, unstopped) -> None:
    for cap in (1, 2, 5):
        by_hand = enumerated(*chain, cap, unstopped)
        assert float(formulas.accuracy(*chain, cap, unstopped=unstopped)) == pytest.approx(by_hand["accuracy"], abs=1e-14)
        assert float(formulas.stopping(*chain, cap, unstopped=unstopped)) == pytest.approx(by_hand["stopped"], abs=1e-14)
        assert float(formulas.attempts(*chain, cap)) == pytest.approx(by_hand["attempts"], abs=1e-13)


@pytest.mark.parametrize("chain", [CHAINS[0], CHAINS[1], CHAINS[3]])
def test_uncapped_and_submitting_chains_are_those_of_the_numeric_engine(chain) -> None:
    policy = Policy.minimal(**dict(zip("pab", chain, strict=True)))
    for cap in (0, 1, 4):
        mdp = TwoStageMDP.minimal(max_turns=cap or None)
        assert float(formulas.accuracy(*chain, cap)) == pytest.approx(float(solve(mdp, policy).mean_accuracy), abs=1e-12)


def test_a_chain_that_never_stops_submits_nothing() -> None:
    assert float(formulas.accuracy(0.3, 0.0, 1.0)) == 0.0
    assert float(formulas.stopping(0.3, 0.0, 1.0)) == 0.0
    assert float(formulas.attempts(0.3, 0.0, 1.0)) == np.inf
    assert float(formulas.attempts(0.3, 0.0, 1.0, 7)) == 7.0


def test_sums_keep_their_digits_close_to_one() -> None:
    """1 - q^T by subtraction would lose all digits at q = 1 - 1e-13; the sum is T minus T(T-1)/2 times that."""
    assert float(formulas.geometric_sum(1e-13, 50)) == pytest.approx(50 - 1225e-13, rel=2e-16)
    assert formulas.geometric_sum(np.array([1.0, 0.75]), 2).tolist() == [1.0, 1.25]


@pytest.mark.parametrize("chain", [(0.5, 1e-15, 1 - 2**-49), (0.25, 1e-12, 1.0), (0.7, 0.0, 1 - 2**-52), (1e-17, 0.9, 1.0)])
@pytest.mark.parametrize("cap", [0, 3, 10**6])
def test_chains_that_hardly_ever_stop_keep_their_digits(chain, cap) -> None:
    """1 - q of a rounded q gave an accuracy of 0.5004 for 0.53 at the first of them; here with 60 digits."""
    with mpmath.workdps(60):
        p, a, b = map(mpmath.mpf, chain)
        stop = p * a + (1 - p) * (1 - b)
        series = (1 - (1 - stop) ** cap) / stop if cap else 1 / stop
        shorter = (1 - (1 - stop) ** (cap - 1)) / stop if cap else 1 / stop
        right = p * a * shorter + ((1 - stop) ** (cap - 1) * p if cap else 0)
        stopped = stop * shorter
    assert float(formulas.attempts(*chain, cap)) == pytest.approx(float(series), rel=1e-14)
    assert float(formulas.accuracy(*chain, cap)) == pytest.approx(float(right), rel=1e-9 if cap > 3 else 1e-14)
    assert float(formulas.stopping(*chain, cap)) == pytest.approx(float(stopped), rel=1e-14)


def test_arrays_broadcast() -> None:
    p = np.array([[0.2], [0.6]])
    a = np.array([0.5, 0.9, 1.0])
    table = formulas.accuracy(p, a, 0.7, 3)
    assert table.shape == (2, 3)
    assert table[1, 2] == formulas.accuracy(0.6, 1.0, 0.7, 3)
    reached = formulas.reaching(p, a, 0.7, 4)
    assert reached.shape == (4, 2, 3)
    assert reached[:, 1, 1].tolist() == pytest.approx([1.0, 0.34, 0.34**2, 0.34**3])  # q = 0.6 x 0.1 + 0.4 x 0.7
    assert formulas.stopping(p, a, 0.7).tolist() == [[1.0] * 3] * 2


def test_bad_input_is_named() -> None:
    with pytest.raises(RecordError, match=r"^unstopped is 'right': must be 'submit' \(the last answer counts\) or 'wrong'$"):
        formulas.accuracy(0.5, 0.5, 0.5, 3, unstopped="right")
    with pytest.raises(ChainError, match=r"^cap is -1: must be a whole number >= 0; 0 is none$"):
        formulas.accuracy(0.5, 0.5, 0.5, -1)

"""The scalars that objectives state, against sums over all trajectories: no gradient shows a slip by a constant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from oracle import Tables, paths
from strategies import Case, cases

from dstheory import Policy, solve
from dstheory.objectives import SFT, ExpertChain, ForwardKL, Objective, ReverseKL


def expected(case: Case, whose: Policy, lam: float, numerator: Policy, denominator: Policy | None) -> float:
    """Mean over ``whose`` trajectories of the weighted log-probability of one policy, or log-ratio of two."""
    top = Tables.of(case.mdp, numerator)
    bottom = None if denominator is None else Tables.of(case.mdp, denominator)

    def log(table: Callable[[Tables], float]) -> float:
        return np.log(table(top)) - (np.log(table(bottom)) if bottom is not None else 0.0)

    total = 0.0
    for path in paths(Tables.of(case.mdp, whose)):
        for k, (y, word) in enumerate(path.steps):
            x = path.prompt
            w_s, w_d = case.mdp.sample_length[x, y] ** lam, case.mdp.decision_length[x, y] ** lam
            total += path.weight * w_s * log(lambda t, k=k, x=x, y=y: t.pi[t.at(k), x, y])
            if word == "stop":
                total += path.weight * w_d * log(lambda t, k=k, x=x, y=y: t.stop[t.at(k), x, y])
            elif word == "resample":
                total += path.weight * w_d * log(lambda t, k=k, x=x, y=y: 1.0 - t.stop[t.at(k), x, y])
    return total


# name -> (the objective, its scalar by enumeration)
SCALARS: dict[str, tuple[Callable[[Case], Objective], Callable[[Case], float]]] = {
    "sft": (
        lambda c: SFT(ExpertChain(c.expert), length_weight=0.7),
        lambda c: expected(c, c.expert, 0.7, c.policy, None),
    ),
    "kl": (
        lambda c: ReverseKL(c.reference, beta=0.3, length_weight=0.5),
        lambda c: -0.3 * expected(c, c.policy, 0.5, c.policy, c.reference),
    ),
    "forward-kl": (
        lambda c: ForwardKL(c.reference, beta=0.7, length_weight=0.5, states="reference"),
        lambda c: -0.7 * expected(c, c.reference, 0.5, c.reference, c.policy),
    ),
}


@pytest.mark.parametrize("name", SCALARS)
@given(case=cases(capped=True))
def test_scalars_are_means_over_all_trajectories(name: str, case: Case) -> None:
    make, by_hand = SCALARS[name]
    value = make(case).value(solve(case.mdp, case.policy))
    # A few dozen terms of size up to w log(1/p): rounding of 1e-12 relative to the largest weight (40) suffices by far.
    assert float(value) == pytest.approx(by_hand(case), rel=1e-11, abs=1e-11)

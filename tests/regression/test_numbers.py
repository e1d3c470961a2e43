"""Numbers that once came out wrong without a word, each as it was found; thousands of others: objectives/test_extremes.py."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP, solve
from dstheory.attribution import attribute
from dstheory.objectives import CISPO, DAPO, GRPO, NFT, Objective, Reinforce, RewardToGo
from dstheory.objectives.registry import REGISTRY

M0 = TwoStageMDP.minimal(gamma=1.0)


@pytest.fixture(autouse=True)
def no_warnings() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("k", [20.0, 40.0, 60.0, 100.0])
@pytest.mark.parametrize("make", [Reinforce, RewardToGo, REGISTRY["advantage"]], ids=lambda kind: kind.name)
def test_a_chain_of_ever_more_turns_keeps_its_gradient(make: Callable[[], Objective], k: float) -> None:
    """Visits times a difference of nearly equal values: 8, -4e9 and 0 for larger and larger k."""
    gradient = make().gradient(solve(M0, Policy.tabular([[[k / 2, 0.0]]], [[[-k, -k / 2]]])))
    np.testing.assert_allclose(gradient.sample, [[[0.25, -0.25]]], rtol=1e-9)


def test_what_is_done_at_an_answer_that_is_hardly_ever_given() -> None:
    s = solve(M0, Policy.tabular([[[math.log(1e-12), 0.0]]], [[[0.3, -1.0]]]))
    assert float(s.a) == pytest.approx(1 / (1 + math.exp(-0.3)), rel=1e-14)


@pytest.mark.parametrize("kind", [NFT, GRPO, CISPO, DAPO], ids=lambda kind: kind.name)
def test_a_sampler_that_is_far_away(kind: Callable[..., Objective]) -> None:
    """800 nats: NaN with a warning for every member of the group, or warnings of an overflow."""
    here, far = (Policy.tabular([[[sign * 400.0, -sign * 400.0]]], [[[0.0, 0.0]]]) for sign in (1.0, -1.0))
    drawn = {"dynamic_sampling": False} if kind is DAPO else {}  # no group is mixed
    said = attribute(kind(group_size=4, sampler=far, **drawn), solve(M0, here), limit=100)
    assert np.isfinite([*said.gradient.sample.flat, *said.gradient.decide.flat]).all()

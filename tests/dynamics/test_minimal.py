"""The compiled ascent of M0 against the readable loop."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dstheory import Policy, Trajectories, TwoStageMDP, train
from dstheory.dynamics import SGD, Adam, schedule
from dstheory.dynamics import minimal as room
from dstheory.objectives import SFT, EntropyBonus, ExpertChain, Recorded, Reinforce, ReverseKLDirect

REFERENCE = Policy.minimal(p=0.4, a=0.7, b=0.2)
EXPERT = ExpertChain(Policy.from_probabilities([[0.9, 0.1]], [[1.0, 0.25]]))
SHOWN = Recorded(Trajectories.record([(0, [(1, "resample"), (0, "stop")]), (0, [(0, "stop")])]))
START = Policy.minimal(p=[0.55, 0.2, 0.9], a=[0.8, 0.5, 0.3], b=[0.3, 0.6, 0.5])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Reinforce(),
        lambda: 0.5 * Reinforce() + 2.0 * ReverseKLDirect(REFERENCE, beta=[0.1, 0.0, 0.3], length_weight=[0.0, 0.5, 1.0]),
        lambda: SFT(EXPERT, length_weight=0.5) + 0.1 * SFT(SHOWN, length_weight=1.0, reduction="mean"),
        lambda: Reinforce() + ReverseKLDirect(START, beta=0.2, length_weight=0.5, reduction="mean") + 0.2 * SFT(SHOWN),
    ],
)
@pytest.mark.parametrize("every", [None, 7])
def test_both_paths_agree(make, every, monkeypatch: pytest.MonkeyPatch) -> None:
    mdp = TwoStageMDP.minimal(
        gamma=[0.9, 0.5, 1.0],
        discount_per="stage",
        sample_length=[[5.0, 20.0]],
        decision_length=2.0,
        reward={"stop_correct": 1.0, "resample_correct": -0.1, "stop_wrong": [0.0, 0.2, -0.3], "resample_wrong": 0.05},
    )

    def run() -> object:
        return train(
            mdp, START, make(), steps=40, optimizer=SGD(lr=[0.05, 0.1, 0.02]), schedule=schedule("cosine", warmup=5),
            reference_every=every, log_every=9,
        )  # fmt: skip

    training = sys.modules["dstheory.dynamics.training"]
    monkeypatch.setattr(room, "SMALLEST", 1)
    assert room.minimal_ascent(mdp, START, make(), SGD(), steps=40) is not None
    fast = run()
    monkeypatch.setattr(training, "minimal_ascent", lambda *a, **k: None)
    slow = run()
    np.testing.assert_allclose(fast.policy.parameters[0], slow.policy.parameters[0], rtol=1e-11, atol=1e-12)
    assert list(fast.history.step) == list(slow.history.step)
    np.testing.assert_allclose(fast.history.accuracy, slow.history.accuracy, rtol=1e-11)


def test_it_steps_aside_where_it_does_not_apply() -> None:
    mdp, start = TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5)
    ask = {"steps": room.SMALLEST}
    assert room.minimal_ascent(mdp, start, Reinforce(), SGD(), **ask) is not None
    assert room.minimal_ascent(mdp, start, Reinforce(), Adam(), **ask) is None
    assert room.minimal_ascent(mdp, start, Reinforce() + EntropyBonus(), SGD(), **ask) is None
    assert room.minimal_ascent(mdp.replace(max_turns=3), start, Reinforce(), SGD(), **ask) is None
    assert room.minimal_ascent(TwoStageMDP(correct=[[0, 1]]), start, Reinforce(), SGD(), **ask) is None
    assert room.minimal_ascent(mdp, Policy.tabular([[0.0, 0.0]], [[0.0, 0.0]]), Reinforce(), SGD(), **ask) is None
    assert room.minimal_ascent(mdp, start, Reinforce(), SGD(), steps=room.SMALLEST - 1) is None

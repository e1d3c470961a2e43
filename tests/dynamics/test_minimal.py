"""The compiled ascent of M0 against the readable loop."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dstheory import Policy, Trajectories, TwoStageMDP, train
from dstheory.dynamics import SGD, Adam, schedule
from dstheory.dynamics import minimal as room
from dstheory.errors import DivergedError, ImproperChainError
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


def test_an_optimizer_of_ones_own_that_extends_sgd_takes_its_own_steps() -> None:
    """At however many steps: the fast path is that of SGD itself."""

    class Halved(SGD):
        def direction(self, gradient, state, solution):
            return tuple(0.5 * g for g in gradient), state

    mdp, start, steps = TwoStageMDP.minimal(gamma=0.9), Policy.minimal(p=0.55, a=0.8, b=0.3), room.SMALLEST
    own, plain = (train(mdp, start, Reinforce(), steps=steps, optimizer=how).policy for how in (Halved(lr=0.1), SGD(lr=0.05)))
    np.testing.assert_allclose(own.parameters[0], plain.parameters[0], rtol=1e-9)


@pytest.mark.parametrize("steps", [room.SMALLEST // 2, room.SMALLEST])
@pytest.mark.parametrize("compiled", [False, True])
def test_where_episodes_no_longer_end_both_paths_say_so(steps: int, compiled: bool) -> None:
    # Reward for resampling: no learning rate is small enough.
    reward = {"stop_correct": 0.0, "resample_correct": 1.0, "stop_wrong": 0.0, "resample_wrong": 1.0}
    mdp = TwoStageMDP.minimal(gamma=1.0, reward=reward)
    with pytest.raises(ImproperChainError, match=r"^prompt 0: the resample probability of a turn is 1"):
        start = Policy.minimal(p=0.55, a=0.8, b=0.3)
        train(mdp, start, Reinforce(), steps=steps, optimizer=SGD(lr=1e3), compiled=compiled)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_step_from_which_on_numbers_are_infinite_is_that_of_single_steps(compiled: bool) -> None:
    """And all runs that do not get to the next record are named."""
    mdp = TwoStageMDP.minimal(gamma=1.0, sample_length=64)
    pull = ReverseKLDirect(Policy.minimal(p=0.5, a=0.01, b=0.99), beta=1.0)
    start = Policy.minimal(p=0.55, a=0.8, b=[0.3, 0.31, 0.29, 0.3])
    rates = SGD(lr=[0.1, 2.9, 5000.0, 3.0])
    with pytest.raises(DivergedError, match=r"from step (\d+) on in run \(2,\): use a smaller") as first:
        train(mdp, start, pull, steps=room.SMALLEST, optimizer=rates, log_every=room.SMALLEST, compiled=compiled)
    step = int(str(first.value).split("from step ")[1].split()[0])
    alone = Policy.minimal(p=0.55, a=0.8, b=0.29)
    train(mdp, alone, pull, steps=step - 1, optimizer=SGD(lr=5000.0))
    with pytest.raises(ImproperChainError):  # of the policy after these steps, from which no step is possible
        train(mdp, alone, pull, steps=step, optimizer=SGD(lr=5000.0))
    assert first.value.runs[2]
    assert not first.value.runs[0]

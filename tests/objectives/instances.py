"""Instances of every registered objective; a meta-test fails if one is missing here."""

from __future__ import annotations

from collections.abc import Callable

from strategies import Case

from dstheory import Trajectories
from dstheory.objectives import (
    SFT,
    ActorCritic,
    EntropyBonus,
    ExpertChain,
    ForwardKL,
    Objective,
    Recorded,
    Reinforce,
    ReverseKL,
    ReverseKLDirect,
    RewardToGo,
    WeightedSum,
)


def _recorded(case: Case) -> Recorded:
    last = int(case.mdp.n_answers[-1]) - 1
    end = "submit" if case.mdp.max_turns == 1 else "stop"
    episodes = [(0, [(0, end)]), (case.mdp.shape[0] - 1, [(last, end)])]
    if case.mdp.max_turns is None or case.mdp.max_turns > 2:
        episodes.append((0, [(0, "resample"), (0, "stop")]))
    return Recorded(Trajectories.record(episodes, max_turns=case.mdp.max_turns))


INSTANCES: dict[str, list[Callable[[Case], Objective]]] = {
    "reinforce": [lambda c: Reinforce()],
    "reward-to-go": [lambda c: RewardToGo(), lambda c: RewardToGo(outer_discount=False)],
    "advantage": [lambda c: ActorCritic()],
    "sft": [
        lambda c: SFT(ExpertChain(c.expert), length_weight=0.7),
        lambda c: SFT(ExpertChain(c.expert), length_weight=1.0, reduction="mean"),
        lambda c: SFT(_recorded(c), length_weight=0.5),
    ],
    "kl-direct": [
        lambda c: ReverseKLDirect(c.reference, beta=0.3, length_weight=0.5),
        lambda c: ReverseKLDirect(c.reference, beta=2.0, length_weight=1.0, reduction="mean"),
    ],
    "kl": [
        lambda c: ReverseKL(c.reference, beta=0.3, length_weight=0.5),
        lambda c: ReverseKL(c.reference, beta=2.0, length_weight=1.0, reduction="mean"),
    ],
    "forward-kl": [
        lambda c: ForwardKL(c.reference, beta=0.3, length_weight=0.5, states="reference"),
        lambda c: ForwardKL(c.reference, beta=0.7, length_weight=1.0, reduction="mean"),
    ],
    "entropy": [lambda c: EntropyBonus(alpha=0.2, length_weight=0.5)],
}

SUMS: list[Callable[[Case], Objective]] = [
    lambda c: Reinforce() + 0.5 * ReverseKLDirect(c.reference, beta=0.3, length_weight=0.5),
    lambda c: WeightedSum.of(Reinforce() + ReverseKL(c.reference), EntropyBonus().rescaled(-2.0)),
]

ALL = [(f"{name}-{i}", make) for name, makes in INSTANCES.items() for i, make in enumerate(makes)]
ALL += [(f"sum-{i}", make) for i, make in enumerate(SUMS)]

"""Instances of every registered objective; a meta-test fails if one is missing here."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from strategies import Case

from dstheory import Trajectories
from dstheory.objectives import (
    CISPO,
    DAPO,
    DFT,
    DPO,
    GRPO,
    GSPO,
    NFT,
    RFT,
    RLOO,
    SFT,
    ActorCritic,
    DAPOBatch,
    Distillation,
    DrGRPO,
    EntropyBonus,
    ExpertChain,
    ForwardKL,
    GRPONoStd,
    K1Loss,
    K1Reward,
    K2Loss,
    K3Loss,
    Objective,
    PPOClip,
    Recorded,
    Reinforce,
    ReinforceBaseline,
    ReinforcePlusPlus,
    ReverseKL,
    ReverseKLDirect,
    RewardToGo,
    SCoRePerAttempt,
    SCoReSummed,
    SFTSequenceMean,
    SFTSequenceSum,
    SFTTokenMean,
    WeightedSum,
)
from dstheory.objectives.parts import ConstantLength


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
    "reinforce-baseline": [
        lambda c: ReinforceBaseline(baseline="opo"),
        lambda c: ReinforceBaseline(baseline=0.3, outcome="return"),
        lambda c: ReinforceBaseline(reference=c.reference, beta=0.3),
    ],
    "rloo": [
        lambda c: RLOO(group_size=3),
        lambda c: RLOO(group_size=4, outcome="return"),
        lambda c: RLOO(group_size=3, sampler=c.expert),
    ],
    "reinforce-pp": [lambda c: ReinforcePlusPlus(), lambda c: ReinforcePlusPlus(c.reference, beta=0.2)],
    "ppo-clip": [
        lambda c: PPOClip(outcome="return"),
        lambda c: PPOClip(sampler=c.expert, prompts=3),
        lambda c: PPOClip(sampler=c.reference, reference=c.expert, beta=0.1, clip_high=0.28),
    ],
    "grpo": [
        lambda c: GRPO(group_size=4, epsilon=0.1),
        lambda c: GRPO(group_size=inf, outcome="return", reference=c.reference, beta=0.2),
        lambda c: GRPO(group_size=3, ddof=0, sampler=c.expert, reference=c.reference, beta=0.04),
    ],
    "grpo-no-std": [lambda c: GRPONoStd(group_size=5, outcome="return"), lambda c: GRPONoStd(sampler=c.reference)],
    "dr-grpo": [
        lambda c: DrGRPO(group_size=5, outcome="return", max_tokens=7),
        lambda c: DrGRPO(std=True, max_tokens=64, sampler=c.expert),
    ],
    "dapo": [
        lambda c: DAPO(group_size=4),
        lambda c: DAPO(group_size=3, std=False, outcome="return", reference=c.reference, beta=0.2, dynamic_sampling=False),
        lambda c: DAPO(group_size=3, reference=c.reference, beta=0.2),
        lambda c: DAPO(group_size=3, sampler=c.expert),
        lambda c: DAPO(group_size=inf),
    ],
    "dapo-batch": [
        lambda c: DAPOBatch(group_size=4),
        lambda c: DAPOBatch(group_size=3, prompts=2, sampler=c.expert, reference=c.reference, beta=0.2),
        lambda c: DAPOBatch(group_size=3, sampler=c.expert, reference=c.reference, beta=0.2, corrected_kl=True),
    ],
    "gspo": [
        lambda c: GSPO(group_size=4),
        lambda c: GSPO(group_size=4, sampler=c.expert, clip_low=0.1, clip_high=0.05),
        lambda c: GSPO(group_size=3, sampler=c.expert, clip_high=0.3, reference=c.reference, beta=0.2),
    ],
    "cispo": [
        lambda c: CISPO(group_size=4),
        lambda c: CISPO(group_size=3, prompts=3, sampler=c.expert, clip_low=0.5, over="batch", dynamic_sampling=True),
    ],
    "sft-token-mean": [
        lambda c: SFTTokenMean(ExpertChain(c.expert)),
        lambda c: SFTTokenMean(ExpertChain(c.expert), responses=4),
        lambda c: SFTTokenMean(_recorded(c)),
    ],
    "sft-sequence-sum": [lambda c: SFTSequenceSum(ExpertChain(c.expert)), lambda c: SFTSequenceSum(_recorded(c))],
    "sft-sequence-mean": [lambda c: SFTSequenceMean(ExpertChain(c.expert)), lambda c: SFTSequenceMean(_recorded(c))],
    "rft": [
        lambda c: RFT(),
        lambda c: RFT(c.expert, normaliser="sequence-mean"),
        lambda c: RFT(c.expert, normaliser="sequence-sum"),
    ],
    "nft": [
        lambda c: NFT(group_size=4),
        lambda c: NFT(group_size=4, sampler=c.expert, floor=0.7),
        lambda c: NFT(group_size=inf, sampler=c.expert),
    ],
    "dft": [
        lambda c: DFT(ExpertChain(c.expert)),
        lambda c: DFT(ExpertChain(c.expert), responses=3),
        lambda c: DFT(_recorded(c)),
    ],
    "k1-loss": [lambda c: K1Loss(c.reference, beta=0.3, normaliser="response-tokens"), lambda c: K1Loss(c.reference)],
    "k2-loss": [
        lambda c: K2Loss(c.reference, beta=0.3, normaliser="response-tokens"),
        lambda c: K2Loss(c.reference, normaliser="group-tokens", group_size=3),
    ],
    "k3-loss": [lambda c: K3Loss(c.reference, beta=0.3), lambda c: K3Loss(c.reference, normaliser=ConstantLength(20))],
    "k1-reward": [
        lambda c: K1Reward(c.reference, beta=0.3),
        lambda c: K1Reward(c.reference, beta=0.3, normaliser="group-tokens", group_size=3),
    ],
    "distill": [lambda c: Distillation(c.expert), lambda c: Distillation(c.expert, group_size=2, prompts=3)],
    "dpo": [lambda c: DPO(c.reference, beta=0.5), lambda c: DPO(c.reference, beta=0.2, sampler=c.expert)],
    "score-summed": [lambda c: SCoReSummed(), lambda c: SCoReSummed(alpha=0.5)],
    "score-per-attempt": [lambda c: SCoRePerAttempt(), lambda c: SCoRePerAttempt(alpha=0.5)],
}

SUMS: list[Callable[[Case], Objective]] = [
    lambda c: GRPO(group_size=3) + K3Loss(c.reference, beta=0.3) + EntropyBonus(alpha=0.2),
    lambda c: Reinforce() + 0.5 * ReverseKLDirect(c.reference, beta=0.3, length_weight=0.5),
    lambda c: WeightedSum.of(Reinforce() + ReverseKL(c.reference), EntropyBonus().rescaled(-2.0)),
]

_OLDEST = {"reinforce", "reward-to-go", "advantage", "sft", "kl-direct", "kl", "forward-kl", "entropy"}

CLASSIC = [(f"{name}-{i}", make) for name, makes in INSTANCES.items() if name in _OLDEST for i, make in enumerate(makes)]
CLASSIC += [(f"sum-{i}", make) for i, make in enumerate(SUMS)]
ROWS = [(f"{name}-{i}", make) for name, makes in INSTANCES.items() if name not in _OLDEST for i, make in enumerate(makes)]
ALL = CLASSIC + ROWS

"""Settings of trainers in random combinations, against a trainer written out over every batch.

One setting at a time is tested elsewhere; here they meet each other, and penalties with a normaliser of their own.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from objectives.test_groups import HERE, OLD, WRONG
from objectives.test_settings import PAID, batches, excess, trainer

from dstheory import solve
from dstheory.errors import ChainError
from dstheory.objectives import CISPO, DAPO, GRPO, GSPO, RLOO, DAPOBatch, DrGRPO, GroupMeanObjective, GroupObjective, K3Loss

NORMALISERS = ["responses", "response-tokens", "group-tokens", "batch-tokens", "constant:7"]
CLIPPED = {"clip_low": [0.01, 0.2], "clip_high": [0.02, 0.3], "dual_clip": [np.inf, 1.02]}
SETTINGS: dict[str, list[Any]] = {
    "normalise_by": [None, *NORMALISERS],
    "sampler": [None, None, OLD],
    "engine": [None, None, None, WRONG],
    "temperature": [1.0, 1.0, 1.0, 1.7],
    "ratio_level": ["token", "token", "sequence", "sequence-product"],
    "importance": ["none", "none", "token", "sequence", "sequence-mean"],
    "importance_rule": ["truncate", "mask"],
    "importance_cap": [1.0, 1.1, 2.0],
    "mask_truncated": ["none", "none", "numerator", "both"],
    "outcome": ["correct", "correct", "return"],
    "reward_weights": [None, None, None, (1.0, 0.5)],
    "combine": ["before", "before", "after"],
} | CLIPPED
OF_MEANS: dict[str, list[Any]] = {
    "std": ["none", "group", "group", "leave-one-out"],
    "ddof": [0, 1],
    "epsilon": [0.0, 0.1],
    "dynamic_sampling": [False, False, True],
    "drop_dead": [False, False, True],
}
KINDS: list[type[GroupObjective]] = [GRPO, RLOO, DrGRPO, DAPO, DAPOBatch, CISPO, GSPO]


def drawn(seed: int) -> tuple[GroupObjective, K3Loss | None]:
    """Return a row with random settings that do not contradict each other, and perhaps a penalty to add to it."""
    choice = random.Random(seed)
    prompts = 2 if seed % 10 == 9 else 1
    while True:
        kind = choice.choice(KINDS)
        of = {**SETTINGS, **(OF_MEANS if issubclass(kind, GroupMeanObjective) else {})}
        settings = {name: choice.choice(values) for name, values in of.items()}
        if prompts == 2:
            settings |= {"micro_batches": choice.choice([1, 2]), "accumulate": choice.choice(["mean", "sum"])}
        own = choice.choice([None, *NORMALISERS])
        alone = settings["sampler"] is settings["engine"] is None and settings["temperature"] == 1.0
        beside = alone and settings["mask_truncated"] == "none" and choice.random() < 0.5
        try:
            o = kind(group_size=2, prompts=prompts, **settings)
            penalty = K3Loss(WRONG, beta=0.3, normaliser=own, group_size=2, prompts=prompts) if beside else None
            (o if penalty is None else o + penalty).gradient(solve(PAID, HERE))
        except ChainError:  # said in one sentence; what is not refused must be right
            continue
        return o, penalty


@pytest.mark.parametrize("seed", [pytest.param(i, marks=[] if i < 40 else pytest.mark.slow) for i in range(300)])
def test_any_combination_of_settings_is_what_a_trainer_computes(seed: int) -> None:
    o, penalty = drawn(seed)
    own = None if penalty is None or penalty.normaliser is None else str(penalty.normaliser)
    total, chances = np.zeros((2, 2, 3)), 0.0
    for chance, batch, who in batches(o):
        if o.grouping.mixed and not o.grouping.dropped and any(len({r.reward for r in g}) == 1 for g in batch):
            continue  # drawn again
        chances += chance
        total += chance * trainer(batch, o, who, None if penalty is None else excess(0.3), own)
    g, by_hand = (o if penalty is None else o + penalty).gradient(solve(PAID, HERE)), total / chances
    for found, expected in zip((g.sample[0], g.decide[0]), by_hand, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(by_hand).max())

"""What a configuration says of its objective, in this package's words: one record, whatever the library."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import Any

from dstheory.objectives.preference import LOSSES

CHOICES: dict[str, tuple[str, ...]] = {
    "method": ("policy-gradient", "sft", "dft", "dpo", "distill"),
    "credit": ("group-mean", "leave-one-out", "reward", "length-baseline", "batch-mean", "whitened", "critic", "other"),
    "std": ("none", "group", "batch", "others"),
    "normaliser": ("responses", "response-tokens", "group-tokens", "batch-tokens", "constant"),
    "kl_normaliser": ("as the reward", "batch-tokens"),
    "entropy_normaliser": ("as the reward", "batch-tokens"),
    "ratio": ("token", "response", "response-mean", "none"),
    "clip": ("ppo", "truncate", "soft", "none"),
    "estimator": ("k1", "k2", "k3", "k3-ratio", "k3-self"),
    "reward_estimator": ("k1", "k2", "k3"),
    "dead_groups": ("kept", "drawn again", "left out"),
    "masked": ("none", "numerator", "both", "left out"),
    "whitening": ("none", "again"),
    "loss": tuple(LOSSES),
    "combine": ("before", "after-batch"),
}
"""Fields that are words, and the words."""


@dataclass(frozen=True)
class Training:
    """One training objective.

    Attributes:
        method: policy gradient, SFT, DFT, DPO, or distillation from a teacher.
        credit: what scalar a response is worth; ``batch-mean`` is minus the mean of the batch, ``length-baseline`` OPO's,
            ``whitened`` REINFORCE++'s, ``critic`` PPO's, ``other`` one that this package does not have.
        std: what the credit is divided by the standard deviation of; ``others`` leaves the response
            itself out, and divides only where the others differ.
        ddof: 1 for that of a sample, 0 for that of a population.
        epsilon: added to that standard deviation.
        group_size: responses per prompt.
        prompts: prompts whose tokens one normaliser spans; inf for many.
        std_prompts: prompts whose rewards one standard deviation of a batch spans; inf for many.
        normaliser: what sums over tokens are divided by.
        max_tokens: the constant, where it is one.
        ratio: whose importance ratio: of the token, of the response, of the response to the power 1/L; or none.
        clip: PPO's clipped surrogate, a truncated and detached ratio, a smooth gate that is 1 on the policy, or none.
        clip_low, clip_high: how far the ratio may go below and above 1.
        dual_clip: the ratio at which negative credits lose their gradient as well; inf for none.
        truncate_at: the bound of a truncated ratio itself; 0 for 1 + clip_high.
        updates: optimiser steps on one batch of responses: from the second one on ratios differ from 1.
        beta: strength of the KL in the loss (of DPO: its beta).
        estimator: of the KL in the loss; ``k3-ratio`` is k3 times the importance ratio, both differentiated, ``k3-self`` k3 times
            the policy's ratio to itself, which is 1 and differentiated as well.
        kl_bound: an estimate of the KL in the loss beyond which a token has no gradient from it; inf for none.
        kl_normaliser: what the KL in the loss is divided by.
        reward_beta: strength of the KL in the reward.
        reward_estimator: of the KL in the reward.
        reward_kl_after: whether it is subtracted after the baseline, not before.
        entropy: strength of the entropy bonus.
        entropy_normaliser: what the entropy bonus is divided by.
        dead_groups: what happens to groups whose rewards are all equal.
        masked: of responses that the length limit cut off, whether coefficients are 0 (``numerator``), whether their tokens are
            left out of the normaliser as well (``both``), and whether they are not counted as responses either (``left out``).
        whitening: whether credits are, after that (``again``), centred and divided once more over the tokens of the batch.
        interpolation: of distillation: 1 for the reverse KL, 0 for the forward KL, between them Jensen-Shannon's.
        own_share: of distillation: the share of batches whose responses are the policy's own; the others are the teacher's.
        rewards: reward functions with their weights, as :func:`~dstheory.objectives.expectation.rewards.reward_terms` reads them;
            "" for correctness alone.
        combine: whether rewards are added ``before`` credits are formed, or have credits of their own, whose sum is divided again
            by its standard deviation over the batch (``after-batch``).
        loss: of a pair of responses (DPO).
        smoothing: share of preferences that are taken to be wrong.
        tau: temperature of the loss ``discopop``.
        factor: a number that the whole reward term is multiplied by.

    >>> Training(group_size=2).std
    'none'
    """

    method: str = "policy-gradient"
    credit: str = "group-mean"
    std: str = "none"
    ddof: int = 1
    epsilon: float = 0.0
    group_size: float = 8.0
    prompts: float = inf
    std_prompts: float = inf
    normaliser: str = "responses"
    max_tokens: float = 1.0
    ratio: str = "token"
    clip: str = "ppo"
    clip_low: float = 0.2
    clip_high: float = 0.2
    dual_clip: float = inf
    truncate_at: float = 0.0
    updates: float = 1.0
    beta: float = 0.0
    estimator: str = "k3"
    kl_bound: float = inf
    kl_normaliser: str = "as the reward"
    reward_beta: float = 0.0
    reward_estimator: str = "k1"
    reward_kl_after: bool = False
    entropy: float = 0.0
    entropy_normaliser: str = "as the reward"
    dead_groups: str = "kept"
    masked: str = "none"
    whitening: str = "none"
    interpolation: float = 1.0
    own_share: float = 1.0
    rewards: str = ""
    combine: str = "before"
    loss: str = "sigmoid"
    smoothing: float = 0.0
    tau: float = 0.05
    factor: float = 1.0

    @property
    def paid_to_go(self) -> bool:
        """Whether a token pays for the KL in the reward from itself on, and not for what the response paid before it.

        >>> Training(reward_beta=0.1, credit="critic").paid_to_go, Training(reward_beta=0.1, credit="leave-one-out").paid_to_go
        (True, False)
        """
        return bool(self.reward_beta) and (self.reward_kl_after or self.credit in ("critic", "whitened"))

    @staticmethod
    def rule(name: str, value: Any) -> str:
        """Return what is wrong with a value of a field, "" if nothing is.

        >>> Training.rule("group_size", 2.5)
        'must be a whole number >= 1'
        """
        if name in CHOICES:
            return "" if value in CHOICES[name] else f"must be one of {', '.join(CHOICES[name])}"
        if name == "rewards":
            return "" if isinstance(value, str) else "must be a text"
        if name == "reward_kl_after":
            return "" if isinstance(value, bool) else "must be true or false"
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            return "must be a number"
        if name == "ddof":
            return "" if value in (0, 1) else "must be 0 or 1"
        if name == "group_size":
            return "" if value >= 1 and isfinite(value) and value == int(value) else "must be a whole number >= 1"
        if name in ("interpolation", "own_share"):
            return "" if 0 <= value <= 1 else "must lie in [0, 1]"
        if name in ("prompts", "std_prompts", "updates", "max_tokens"):
            return "" if value > 0 else "must be > 0"
        return "" if value >= 0 and (isfinite(value) or "clip" in name or name == "kl_bound") else "must be finite and >= 0"


FIELDS = frozenset(field.name for field in fields(Training))
"""Names of the fields."""

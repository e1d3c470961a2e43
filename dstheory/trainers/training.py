"""What a configuration says of its objective, in this package's words: one record, whatever the library."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import Any

__all__ = ["CHOICES", "Training"]

CHOICES: dict[str, tuple[str, ...]] = {
    "method": ("policy-gradient", "sft", "dft", "dpo", "distill"),
    "credit": ("group-mean", "leave-one-out", "reward", "length-baseline", "whitened", "critic"),
    "std": ("none", "group", "batch"),
    "normaliser": ("responses", "response-tokens", "group-tokens", "batch-tokens", "constant"),
    "ratio": ("token", "response", "response-mean", "none"),
    "clip": ("ppo", "truncate", "soft", "none"),
    "estimator": ("k1", "k2", "k3", "k3-ratio"),
    "reward_estimator": ("k1", "k2", "k3"),
    "divergence": ("reverse", "forward"),
}
"""Fields that are words, and the words."""


@dataclass(frozen=True)
class Training:
    """One training objective.

    Attributes:
        method: policy gradient, SFT, DFT, DPO, or distillation from a teacher.
        credit: what scalar a response is worth; ``length-baseline`` is OPO's, ``whitened`` REINFORCE++'s, ``critic`` PPO's.
        std: what the credit is divided by the standard deviation of.
        epsilon: added to that standard deviation.
        group_size: responses per prompt.
        prompts: prompts whose tokens one normaliser spans, and whose rewards one standard deviation of a batch; inf for many.
        normaliser: what sums over tokens are divided by.
        max_tokens: the constant, where it is one.
        ratio: whose importance ratio: of the token, of the response, of the response to the power 1/L; or none.
        clip: PPO's clipped surrogate, a truncated and detached ratio, a smooth gate that is 1 on the policy, or none.
        clip_low, clip_high: how far the ratio may go below and above 1.
        truncate_at: the bound of a truncated ratio itself; 0 for 1 + clip_high.
        updates: optimiser steps on one batch of responses: from the second one on ratios differ from 1.
        beta: strength of the KL in the loss (of DPO: its beta).
        estimator: of the KL in the loss; ``k3-ratio`` is k3 times the importance ratio, both differentiated.
        reward_beta: strength of the KL in the reward.
        reward_estimator: of the KL in the reward.
        entropy: strength of the entropy bonus.
        dynamic_sampling: whether groups without variance are drawn again.
        divergence: of distillation.
        factor: a number that the whole reward term is multiplied by.

    >>> Training(group_size=2).std
    'none'
    """

    method: str = "policy-gradient"
    credit: str = "group-mean"
    std: str = "none"
    epsilon: float = 0.0
    group_size: float = 8.0
    prompts: float = inf
    normaliser: str = "responses"
    max_tokens: float = 1.0
    ratio: str = "token"
    clip: str = "ppo"
    clip_low: float = 0.2
    clip_high: float = 0.2
    truncate_at: float = 0.0
    updates: float = 1.0
    beta: float = 0.0
    estimator: str = "k3"
    reward_beta: float = 0.0
    reward_estimator: str = "k1"
    entropy: float = 0.0
    dynamic_sampling: bool = False
    divergence: str = "reverse"
    factor: float = 1.0

    @staticmethod
    def rule(name: str, value: Any) -> str:
        """Return what is wrong with a value of a field, "" if nothing is.

        >>> Training.rule("group_size", 2.5)
        'must be a whole number >= 1'
        """
        if name in CHOICES:
            return "" if value in CHOICES[name] else f"must be one of {', '.join(CHOICES[name])}"
        if name == "dynamic_sampling":
            return "" if isinstance(value, bool) else "must be true or false"
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            return "must be a number"
        if name == "group_size":
            return "" if value >= 1 and isfinite(value) and value == int(value) else "must be a whole number >= 1"
        if name in ("prompts", "updates", "max_tokens"):
            return "" if value > 0 else "must be > 0"
        return "" if value >= 0 and (isfinite(value) or name.startswith("clip")) else "must be finite and >= 0"


FIELDS = frozenset(field.name for field in fields(Training))
"""Names of the fields."""

"""The registered objectives by what tests can ask of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from dstheory.symbolic import Derivation, Rule, derive, lookup
from dstheory.symbolic.objectives import REGISTRY

LENGTH_WEIGHTED = ("reinforce", "reward-to-go", "advantage", "sft", "kl-direct", "kl", "forward-kl", "entropy")
"""What the source's length weight applies to, or the chain's own rewards."""
OVER_LENGTH = ("grpo", "grpo-no-std", "gspo", "sft-sequence-mean")
"""Divided by the tokens of each response."""
TRAINING = tuple(name for name in REGISTRY if name not in LENGTH_WEIGHTED)
"""What training libraries compute."""
KINDS = ("dapo-batch", "grpo", "sft-sequence-mean", "dft", "reinforce-pp", "score-summed", "score-per-attempt", "k1-loss")
"""One of each kind among them, where running all would take long."""
SHOWN = (*LENGTH_WEIGHTED, *KINDS)
"""What is shown in every format."""


def accepted(name: str, options: dict) -> dict:
    """The options as an objective takes them: with 1/L a length per answer needs a cap, and a low one to be short."""
    return {**options, "turns": 2} if name in OVER_LENGTH and options.get("per_answer_lengths") else options


def derived(objective: str | Rule, **options: Any) -> Derivation:
    """What `derive` returns, derived once in a session."""
    rule = lookup(objective) if isinstance(objective, str) else objective
    numbers = options.pop("numbers", None) or {}
    return _derived(rule, tuple(sorted(options.items())), tuple(numbers.items()))


@cache
def _derived(rule: Rule, options: tuple, numbers: tuple) -> Derivation:
    return derive(rule, **dict(options), numbers=dict(numbers))

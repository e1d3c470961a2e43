"""Which claims speak about which objective: ids that `dstheory verify --show` explains. A test checks that they exist."""

from __future__ import annotations

__all__ = ["CLAIM_IDS"]

CLAIM_IDS: dict[str, tuple[str, ...]] = {
    "reinforce": ("B1", "B3", "B6", "B8", "O1"),
    "reward-to-go": ("B1", "B3", "B8"),
    "advantage": ("B1", "B3", "B8"),
    "reinforce-baseline": ("O1", "O6-baseline", "O6-constant", "B3"),
    "rloo": ("O1", "O4", "B8"),
    "reinforce-pp": ("O8", "O1-tokens"),
    "ppo-clip": ("O1-tokens", "O9"),
    "grpo": ("O1", "O1-loose", "O5", "O6", "O6-favours", "B7", "B7-cap", "B7-lengths", "B7-prompts"),
    "grpo-no-std": ("O1", "O4", "O6", "O6-constant", "O6-favours", "B7", "B7-prompts"),
    "dr-grpo": ("O1", "O4", "B8"),
    "dapo": ("O1", "O5", "O5-dynamic", "O7-groups", "O9"),
    "dapo-batch": ("O1", "O5", "O7", "O9"),
    "gspo": ("O1", "O1-ratio", "O6", "O9-sequence"),
    "cispo": ("O1", "O1-tokens", "O9-sequence"),
    "sft": ("C1", "C2", "C3", "C5", "O1-sft"),
    "sft-token-mean": ("O1", "O1-sft", "C1", "C3", "C4"),
    "sft-sequence-sum": ("O1", "O1-sft", "C1", "C3", "C4"),
    "sft-sequence-mean": ("O1", "O1-sft", "C1", "C3", "C4"),
    "rft": ("O1", "C6", "B8"),
    "nft": ("O3", "B8"),
    "dft": ("O10", "O10-extreme", "O1-tokens"),
    "kl": ("D2", "D3", "O11", "O12"),
    "kl-direct": ("D1", "D4", "O11", "O1-tokens"),
    "k1-reward": ("O1", "O12"),
    "k1-loss": ("D4", "O6-k1"),
    "k2-loss": ("D1", "D4", "O11", "O1-tokens"),
    "k3-loss": ("D4", "O11-forward", "O11-weighted", "O1-tokens"),
    "forward-kl": ("D4", "D5", "O11-forward"),
    "entropy": ("O1-tokens",),
    "distill": ("O11", "O1-tokens"),
    "dpo": ("O2", "O2-start"),
    "score-summed": ("O13", "B6-region"),
    "score-per-attempt": ("O13-attempt", "B6"),
}
"""Registry name -> claim ids."""

"""What libraries and papers call an objective, and what they then compute: names of theirs as aliases of ours.

A library's name says where its default comes from, not what it computes; an alias is one of our objectives with settings, named
by what is computed. Versions: TRL 1.16.0 (compared token by token, docs/checked_against_trl.md), verl and OpenRLHF as of August
2026. Prompts per batch and group sizes are the user's own.

Source: the libraries' documentation and observed behaviour; papers by arXiv number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ALIASES", "Alias"]


@dataclass(frozen=True)
class Alias:
    """One name of a library or a paper.

    Attributes:
        objective: our name.
        source: library and version, or paper.
        computed: what is computed under that name.
        settings: what differs from our defaults; a setting that is given beside the name does not change it.
        refused: settings that mean something else under this name, and what to write instead.
    """

    objective: str
    source: str
    computed: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


_TRL, _VERL, _RLHF = "TRL 1.16.0", "verl, Aug 2026", "OpenRLHF, Aug 2026"
_TRL_KL: dict[str, Any] = {"epsilon": 1e-4, "corrected_kl": True}
_TRL_STD: dict[str, Any] = {**_TRL_KL, "clip_high": 0.2}
_VERL_STD: dict[str, Any] = {"epsilon": 1e-6, "clip_high": 0.2}

ALIASES: dict[str, Alias] = {
    "trl:grpo": Alias("dapo-batch", _TRL, "GRPOTrainer's defaults: group std, tokens of the batch, beta 0; not GRPO as published."
                      " With beta > 0 k3 times the ratio, differentiated: k2's coefficient", _TRL_STD),
    "trl:dapo": Alias("dapo-batch", _TRL, "loss_type='dapo', the default: group std, tokens of the batch", _TRL_STD),
    "trl:bnpo": Alias("dapo-batch", _TRL, "loss_type='bnpo': group std, tokens of the local batch", _TRL_STD),
    "trl:grpo-loss": Alias("grpo", _TRL, "loss_type='grpo': group std, 1/L_i; with beta > 0 its penalty is k2-loss on the policy",
                           _TRL_KL),
    "trl:dr-grpo": Alias("dr-grpo", _TRL, "loss_type='dr_grpo': a constant length, but the group std is kept",
                         {**_TRL_KL, "std": True}),
    "trl:cispo": Alias("cispo", _TRL, "loss_type='cispo' with epsilon_high=5: the ratio is truncated at 5, not at 1 + 5; "
                       "tokens of the batch", {**_TRL_KL, "clip_high": 4.0, "over": "batch"}),
    "trl:gspo": Alias("gspo", _TRL, "importance_sampling_level='sequence' with loss_type='grpo'",
                      {**_TRL_KL, "clip_low": 0.2, "clip_high": 0.2}),
    "trl:rloo": Alias("rloo", _TRL, "RLOOTrainer on policy without its KL; its default adds k1-reward with beta 0.05",
                      refused={"beta": "RLOOTrainer's KL is in the reward: write 'trl:rloo + k1-reward'"}),
    "trl:sft": Alias("sft-token-mean", _TRL, "SFTTrainer's default: mean over the tokens of the batch"),
    "trl:dft": Alias("dft", _TRL, "SFTTrainer, loss_type='dft'"),
    "trl:dpo": Alias("dpo", _TRL, "DPOTrainer: sigmoid loss over pairs", {"beta": 0.1}),
    "verl:grpo": Alias("dapo-batch", _VERL, "adv_estimator=grpo with the default token-mean: group std, tokens of the batch",
                       _VERL_STD),
    "verl:dr-grpo": Alias("dr-grpo", _VERL, "norm_adv_by_std_in_grpo=False with seq-mean-token-sum-norm"),
    "verl:rloo": Alias("rloo", _VERL, "adv_estimator=rloo; the default token-mean divides by E[L] in large batches"),
    "verl:reinforce-plus-plus": Alias("reinforce-pp", _VERL, "adv_estimator=reinforce_plus_plus, whitened over tokens"),
    "verl:gae": Alias("ppo-clip", _VERL, "adv_estimator=gae: PPO with a critic, token-mean", {"clip_high": 0.2}),
    "verl:gspo": Alias("gspo", _VERL, "loss_mode=gspo"),
    "openrlhf:ppo": Alias("ppo-clip", _RLHF, "PPO with a critic"),
    "openrlhf:reinforce": Alias("reinforce-pp", _RLHF, "advantage_estimator=reinforce: REINFORCE++, k1 in the reward"),
    "openrlhf:dpo": Alias("dpo", _RLHF, "sigmoid loss over pairs", {"beta": 0.1}),
    "paper:grpo": Alias("grpo", "arXiv 2402.03300", "group std, 1/L_i, k3 in the loss", {"group_size": 64, "beta": 0.04}),
    "paper:dr-grpo": Alias("dr-grpo", "arXiv 2503.20783", "no std, a constant length"),
    "paper:dapo": Alias("dapo", "arXiv 2503.14476", "group std, tokens of the group, groups without variance drawn again, "
                        "clip 0.2/0.28, no KL; without its punishment of overlong responses", {"group_size": 16, "beta": 0.0}),
    "paper:cispo": Alias("cispo", "arXiv 2506.13585", "group std, clipped and detached ratio, tokens of the group, no KL",
                         {"beta": 0.0}),
    "paper:gspo": Alias("gspo", "arXiv 2507.18071", "ratio of the response to the power 1/L"),
    "paper:score": Alias("score-per-attempt", "arXiv 2409.12917", "two attempts, progress between them paid with alpha 10, "
                         "credit per attempt; without its KL", {"alpha": 10.0}),
}  # fmt: skip

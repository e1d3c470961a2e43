"""The rules of the symbolic engine in one table by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches

from dstheory.errors import DSTheoryError
from dstheory.symbolic.objectives import group, imitation, penalties, reward
from dstheory.symbolic.rule import Coefficients, Rule, Turn

__all__ = [
    "REGISTRY",
    "WITHOUT_DERIVATION",
    "Coefficients",
    "Rule",
    "Turn",
    "UnknownObjectiveError",
    "lookup",
]

_ABOUT = {  # name -> title and source, in the order in which the objectives are taught
    "reinforce": ("REINFORCE, return form", "Williams 1992; arXiv 2601.01580, surrogate rewards"),
    "reward-to-go": ("REINFORCE, reward-to-go form", "Williams 1992; Sutton et al. 2000"),
    "advantage": ("Actor-critic, advantage form", "Sutton et al. 2000"),
    "sft": ("Supervised fine-tuning on demonstrations", "arXiv 2601.01580, SFT"),
    "kl-direct": ("Reverse KL to a reference, direct term", "arXiv 2601.01580, KL penalty; the k2 estimator as a loss"),
    "kl": ("Reverse KL to a reference, full gradient, return form", "derived here; REINFORCE with the penalty as reward"),
    "forward-kl": ("Forward KL from a reference (k3 as a loss)", "arXiv 2601.01580, KL penalty; k3 after Schulman 2020"),
    "entropy": ("Entropy bonus", "Williams and Peng 1991; Mnih et al. 2016"),
    "reinforce-baseline": ("REINFORCE with a baseline of the prompt", "Williams 1992"),
    "rloo": ("RLOO: R minus the mean of the others, summed over tokens", "arXiv 2402.14740; claim O4"),
    "reinforce-pp": ("REINFORCE++ without KL: whitened over the batch's tokens", "arXiv 2501.03262; claim O8"),
    "ppo-clip": ("PPO on the policy, exact critic, mean over the batch's tokens", "arXiv 1707.06347, 1506.02438"),
    "grpo": ("GRPO as published, without KL: group std, mean over each response's tokens", "arXiv 2402.03300; claims O5, O6"),
    "grpo-no-std": ("GRPO without std: mean over each response's tokens", "arXiv 2402.03300; claim O6"),
    "dr-grpo": ("Dr. GRPO: R minus the group's mean, over a constant length", "arXiv 2503.20783; claim O4"),
    "dapo": (
        "DAPO as published: group std, mean over the group's tokens; limit of large groups, all of them mixed",
        "arXiv 2503.14476; claims O5, O7-groups",
    ),
    "dapo-batch": ("group std, mean over the batch's tokens", "arXiv 2503.14476; claims O5, O7"),
    "gspo": ("GSPO on the policy: group std, mean over each response's tokens", "arXiv 2507.18071; claim O1"),
    "cispo": (
        "CISPO on the policy: group std, mean over the group's tokens; limit of large groups",
        "arXiv 2506.13585; claim O1",
    ),
    "nft": (
        "NFT on the policy: hits and misses by implied likelihoods, mean over the batch's tokens",
        "arXiv 2505.18116; claim O3",
    ),
    "rft": (
        "filtered fine-tuning on one's own correct responses, token mean",
        "arXiv 2203.14465, 2308.01825, 2312.06585; claim C6",
    ),
    "sft-token-mean": ("SFT, mean over the batch's tokens", "the default of training libraries; claim O1-sft"),
    "sft-sequence-sum": ("SFT, sum over tokens, mean over demonstrations", "claim O1-sft"),
    "sft-sequence-mean": ("SFT, mean over each demonstration's tokens", "claim O1-sft"),
    "dft": ("DFT: SFT with each token times its probability, mean over the batch's tokens", "arXiv 2508.05629; claim O10"),
    "k1-reward": ("k1 estimator in the reward", "placement as in arXiv 2501.03262; claim O12"),
    "k1-loss": ("k1 estimator in the loss", "k1 after Schulman 2020; claim D4"),
    "k2-loss": ("k2 estimator in the loss", "k2 after Schulman 2020; claim D4"),
    "k3-loss": ("k3 estimator in the loss", "k3 after Schulman 2020; claim D4"),
    "distill": ("on-policy distillation from a teacher, the reference, over the batch's tokens", "arXiv 2306.13649"),
    "score-summed": ("SCoRe, two attempts, summed shaped return", "arXiv 2409.12917; claim O13"),
    "score-per-attempt": ("SCoRe, two attempts, credit per attempt", "arXiv 2409.12917; claim O13-attempt"),
}

_RULES = {rule.name: rule for family in (reward, group, imitation, penalties) for rule in family.RULES}

_WITH_OPTIONS: dict[str, Callable[..., Rule]] = {"reward-to-go": reward.reward_to_go, "forward-kl": penalties.forward_kl}


def _described(rule: Rule) -> Rule:
    title, source = _ABOUT[rule.name]
    return replace(rule, title=title, source=source)


REGISTRY: dict[str, Rule] = {name: _described(_RULES[name]) for name in _ABOUT}
"""Name -> rule with its default options, in the order in which they are taught."""

WITHOUT_DERIVATION = {
    "dpo": "the sigmoid of a whole response's log-ratio does not split over turns: no closed form; see claims O2 and O2-start",
}
"""Objectives of the numeric engine that have no derivation here, and why."""


class UnknownObjectiveError(DSTheoryError):
    """A name that no registered objective has."""


def lookup(name: str, **options: object) -> Rule:
    """Return the rule of that name; case does not matter and ``_`` counts as ``-``.

    Args:
        name: the objective's name.
        options: ``outer_discount`` (True or False) for reward-to-go, ``states`` ("policy" or "reference") for forward-kl.

    Raises:
        UnknownObjectiveError: no such objective; the nearest names are given.
        KeyError: options for an objective that has none.

    >>> lookup("KL_direct").title
    'Reverse KL to a reference, direct term'
    >>> lookup("forward-kl", states="reference").coefficients is lookup("forward-kl").coefficients
    False
    """
    key = name.strip().lower().replace("_", "-")
    if key in WITHOUT_DERIVATION:
        raise UnknownObjectiveError(f"{key!r} has no symbolic derivation: {WITHOUT_DERIVATION[key]}")
    if key not in REGISTRY:
        near = get_close_matches(key, REGISTRY, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(REGISTRY)}."
        raise UnknownObjectiveError(f"there is no objective {name!r}: {hint}")
    return _described(_WITH_OPTIONS[key](**options)) if options else REGISTRY[key]

"""From a :class:`Training` to the objectives of this package: one part per term of the loss.

On the policy that generated the responses every importance ratio is 1: clipping does nothing there, and ratios of tokens and of
responses are one. What is made here is that first update on a batch, or with a ``sampler`` a later one: the responses are the
sampler's, and ratios are those of the policy to it.

The standard deviation of a batch is, in the limit of many prompts, one number for all responses: that of the reward over prompts
and responses; of few prompts it is a function of all of their rewards. A group's rewards minus
the mean of the *others* are G/(G - 1) times the rewards minus the mean of the group.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives import (
    CISPO,
    DAPO,
    DFT,
    DPO,
    GRPO,
    GSPO,
    RLOO,
    DAPOBatch,
    Distillation,
    DrGRPO,
    ExpertChain,
    GroupObjective,
    K1Loss,
    K1Reward,
    K2Loss,
    K3Loss,
    Objective,
    PPOClip,
    ReinforceBaseline,
    ReinforcePlusPlus,
    SFTSequenceMean,
    SFTSequenceSum,
    SFTTokenMean,
    WeightedSum,
)
from dstheory.objectives.expectation.grouping import Grouping, kept_share, mixed_probability
from dstheory.objectives.expectation.rewards import reward_terms
from dstheory.objectives.parts import Credit, normaliser_named
from dstheory.objectives.settings import LARGEST_BATCH
from dstheory.trainers.entropy import EntropyItself
from dstheory.trainers.training import Training


@dataclass(frozen=True, eq=False)
class Part:
    """One term of the loss.

    Attributes:
        name: ``reward``, ``KL in the loss``, ``KL in the reward``, ``entropy``, ``demonstrations``, ``pairs``,
            ``teacher`` or ``teacher's responses``.
        objective: as it is divided in the loss.
        factor: what it is multiplied by.

    >>> from dstheory.objectives import Reinforce
    >>> Part("reward", Reinforce()).factor
    1.0
    """

    name: str
    objective: Objective
    factor: float = 1.0


@dataclass(frozen=True)
class AgainstOthers(Credit):
    r"""NeMo-RL's default: the reward less the mean of the others, over their standard deviation only where they differ.

    .. math::
        A_i = \frac{R_i - \bar R_{-i}}{s_{-i} + \epsilon} \text{ if } s_{-i} > 0, \quad A_i = R_i - \bar R_{-i} \text{ else},

    s the standard deviation of a sample. A single other response has none. Source: NeMo-RL, advantage_estimator.py.

    Args:
        epsilon: added to the standard deviation where it is not 0.

    >>> AgainstOthers(0.0).of_groups(np.array([[1.0, 0.0, 0.0, 1.0]])).round(3).tolist()
    [[1.155, -1.155, -1.155, 1.155]]
    >>> AgainstOthers(0.0).of_groups(np.array([[1.0, 0.0, 0.0]])).round(3).tolist()  # to the first the others are alike
    [[1.0, -0.707, -0.707]]
    """

    epsilon: float = 1e-6

    words = "(R - mean of the others)/(their std), undivided where they agree"
    least_group = 2

    def of_groups(self, rewards: Floats) -> Floats:
        """Return the credits."""
        size = rewards.shape[1]
        others = np.stack([np.delete(rewards, i, axis=1) for i in range(size)], axis=1)  # (groups, G, G - 1)
        differ = (others != others[..., :1]).any(axis=-1)
        deviation = others.std(axis=-1, ddof=1) if size > 2 else np.zeros(rewards.shape)
        return np.asarray((rewards - others.mean(axis=-1)) / np.where(differ, deviation + self.epsilon, 1.0))

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the rewards centred and scaled by their own law."""
        return np.asarray((rewards - mean) / np.where(deviation > 0, deviation + self.epsilon, 1.0))


@dataclass(frozen=True, eq=False)
class AgainstOthersRow(GRPO):
    """A row with that credit, under any normaliser (``normalise_by``)."""

    @property
    def credit(self) -> Credit:
        """The credit."""
        return AgainstOthers(self.epsilon)


def objective_of(
    training: Training, solution: Solution, *, reference: Policy, expert: Policy, sampler: Policy | None = None
) -> Objective:
    """Return the whole objective of a training.

    Raises:
        ChainError: this package has no such objective.

    >>> from dstheory import TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.55, a=0.8, b=0.3))
    >>> objective_of(Training(normaliser="batch-tokens", std="group"), s, reference=s.policy, expert=s.policy).name
    'dapo-batch'
    """
    found = parts(training, solution, reference=reference, expert=expert, sampler=sampler)
    if len(found) == 1 and found[0].factor == 1.0:
        return found[0].objective
    return WeightedSum(tuple(part.objective for part in found), tuple(part.factor for part in found))


def parts(
    training: Training, solution: Solution, *, reference: Policy, expert: Policy, sampler: Policy | None = None
) -> list[Part]:
    """Return the terms of the loss, each as it is divided there.

    Args:
        training: what the configuration says.
        solution: the chain under the policy.
        reference: what KL terms refer to.
        expert: who demonstrates, or teaches.
        sampler: the policy that generated the responses; None for the policy itself.

    Raises:
        ChainError: this package has no such objective.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.trainers import configuration_of
    >>> start, reference, expert = (Policy.minimal(p=p, a=0.8, b=0.3) for p in (0.55, 0.5, 0.8))
    >>> training = configuration_of("trl:grpo", settings=["beta=0.04"]).training
    >>> terms = parts(training, solve(TwoStageMDP.minimal(), start), reference=reference, expert=expert)
    >>> [(term.name, term.factor) for term in terms]
    [('reward', 1.0), ('KL in the loss', 1.0)]
    """
    if sampler is not None and training.method != "policy-gradient":
        raise ChainError(f"{training.method} trains on responses that are given, or on the policy's own: it has no sampler")
    if training.credit == "other":
        raise ChainError("its objective is one that this package does not have")
    match training.method:
        case "sft":
            if training.normaliser not in _SFT:
                raise ChainError(f"SFT divided by {training.normaliser} is not modelled")
            demonstrated = _SFT[training.normaliser](demonstrations=ExpertChain(expert), responses=training.prompts)
            return [Part("demonstrations", demonstrated)]
        case "dft" | "distill" if training.normaliser != "batch-tokens":
            raise ChainError(f"{training.method} divided by {training.normaliser} is not modelled")
        case "dft":
            return [Part("demonstrations", DFT(demonstrations=ExpertChain(expert), responses=training.prompts))]
        case "dpo":
            t = training
            return [Part("pairs", DPO(reference=reference, beta=t.beta, loss=t.loss, smoothing=t.smoothing, tau=t.tau))]
        case "distill":
            return _taught(training, expert)
    masked = training.masked if solution.mdp.max_turns else "none"  # without a cap no response is cut off
    generated = solution if sampler is None else solve(solution.mdp, sampler)
    reward, factor = reward_row(training, generated, reference, "both" if masked == "left out" else masked)
    left = 1.0
    if masked == "left out" and training.normaliser not in ("group-tokens", "batch-tokens"):
        left /= 1.0 - float((generated.finite_visits[-1] * generated.mdp.prompt_weight).sum())  # those that end before the cap
    if training.dead_groups == "left out" and training.normaliser == "constant":
        left *= _left_of_groups(reward, generated)
    if training.rewards or training.combine != "before":
        reward = _several(training, reward)
    if sampler is not None:
        reward = _off_policy(training, reward, sampler)
    found = [Part("reward", reward, factor * left)]
    if training.beta and masked == "none" and sampler is None:
        own: dict[str, Any] = {}
        if training.kl_normaliser != "as the reward":
            own = {"normaliser": training.kl_normaliser, "group_size": training.group_size, "prompts": training.prompts}
        found.append(Part("KL in the loss", _KL[training.estimator](reference=reference, beta=training.beta, **own), left))
    elif training.beta:
        found.append(Part("KL in the loss", _masked_penalty(training, reward, reference, stale=sampler is not None), left))
    if training.reward_beta and training.credit != "whitened" and not left_out(training):
        before = "none" if training.reward_kl_after else _BASELINES.get(training.credit, "none")
        penalty = K1Reward(reference=reference, beta=training.reward_beta, kl_baseline=before)  # type: ignore[arg-type]
        found.append(Part("KL in the reward", penalty))
    if training.entropy:
        found.append(Part("entropy", _entropy(training, "both" if masked == "left out" else masked), left))
    terms = WeightedSum(tuple(part.objective for part in found), tuple(part.factor for part in found)).terms
    return [replace(part, objective=term) for part, term in zip(found, terms, strict=True)]


def _entropy(training: Training, masked: str) -> EntropyItself:
    by = _named(training) if training.entropy_normaliser == "as the reward" else training.entropy_normaliser
    kept = training.dead_groups == "kept"
    grouping = Grouping(
        training.group_size, training.prompts, mixed=not kept, dropped=training.dead_groups == "left out",
        correctness=not training.rewards, uncounted=masked == "both",
    )  # fmt: skip
    if not kept and training.rewards:
        raise ChainError("an entropy bonus of groups that are drawn again by several rewards is not modelled")
    return EntropyItself(training.entropy, inherited=(normaliser_named(by), grouping), masked=masked)


def _left_of_groups(reward: Objective, solution: Solution) -> float:
    """Return the share of groups that are not left out, which a constant number of tokens does not ask for."""
    assert isinstance(reward, GroupObjective)
    chance = mixed_probability(solution, reward.grouping, None, reward.outcome_of(solution))
    return float(kept_share(reward.normaliser, reward.grouping, chance)[0])


def _several(training: Training, reward: Objective) -> Objective:
    """Return the reward term of several reward functions."""
    if type(reward) not in (CISPO, DAPO, DAPOBatch, DrGRPO, GRPO, GSPO, RLOO) or training.std == "batch":
        std = f" over the standard deviation of the {training.std}" if training.std in ("batch", "others") else ""
        raise ChainError(f"several reward functions with the credit {training.credit}{std} is not modelled")
    assert isinstance(reward, GroupObjective)
    functions, weights = reward_terms(training.rewards or "correct")
    combine: Any = training.combine
    return replace(reward, reward_functions=functions, reward_weights=weights, combine=combine)


_BASELINES = {"group-mean": "group", "leave-one-out": "others"}
_KL: dict[str, Callable[..., Objective]] = {
    "k1": K1Loss,
    "k2": K2Loss,
    "k3": K3Loss,
    "k3-ratio": partial(K3Loss, corrected_kl=True),
    "k3-self": partial(K3Loss, corrected_kl=True),
}


def _off_policy(training: Training, reward: Objective, sampler: Policy) -> Objective:
    """Return the reward term on another policy's responses, with its ratios clipped or truncated."""
    t = training
    if t.reward_beta or t.entropy:
        raise ChainError(f"{'a KL in the reward' if t.reward_beta else 'an entropy bonus'} off the policy is not modelled")
    if t.clip not in ("ppo", "truncate") or not isinstance(reward, GroupObjective) or isinstance(reward, ReinforceBaseline):
        raise ChainError("off the policy PPO's clip and truncated ratios are modelled, on credits of a group or of a critic")
    if t.clip == "truncate" and not isinstance(reward, CISPO):
        raise ChainError("a truncated ratio beside this credit is not modelled off the policy")
    if t.clip == "truncate" and 0 < t.truncate_at < 1:
        raise ChainError(f"a ratio that is truncated at {t.truncate_at:g}, below 1, is not modelled off the policy")
    level: Any = {"token": "token", "response-mean": "sequence", "response": "sequence-product"}.get(t.ratio)
    if level is None:
        raise ChainError("without a ratio, responses of another policy are trained on as if they were the policy's own")
    if t.clip == "truncate":
        low, high = (inf, t.truncate_at - 1.0) if t.truncate_at else (t.clip_low, t.clip_high)
        return replace(reward, sampler=sampler, clip_low=low, clip_high=high, ratio_level=level)
    return replace(reward, sampler=sampler, clip_low=t.clip_low, clip_high=t.clip_high, dual_clip=t.dual_clip, ratio_level=level)


def _masked_penalty(training: Training, reward: Objective, reference: Policy, *, stale: bool) -> Objective:
    """Return the KL in the loss of truncated responses, or another policy's: the row with its penalty less that without it."""
    known = ("k3", "k3-ratio") if stale else ("k2", "k3", "k3-ratio", "k3-self")
    if training.estimator not in known or training.kl_normaliser != "as the reward":
        name = {"k3-self": "k3 times a ratio that is 1"}.get(training.estimator, training.estimator)
        raise ChainError(f"{name} in the loss, of whole or of stale responses only, is not modelled")
    if not isinstance(reward, GroupObjective):
        raise ChainError("a KL in the loss of whole or of stale responses only, beside this credit, is not modelled")
    corrected = training.estimator != "k3"  # on the policy k3 times the ratio has the coefficient of k2
    # The credit drops out of the difference: one without a deviation leaves no rounding of large numbers behind.
    row = replace(reward, reference=reference, beta=training.beta, corrected_kl=corrected)
    return WeightedSum((row, replace(reward, beta=0.0)), (1.0, -1.0))


def left_out(training: Training) -> str:
    """Return why the KL in the reward is left out of the objectives, "" if it is not.

    >>> left_out(Training(reward_beta=0.01, std="group"))
    'a KL in the reward that is divided by a standard deviation, with the reward'
    """
    if not training.reward_beta or training.credit == "other":
        return ""
    if training.reward_estimator != "k1":
        return f"{training.reward_estimator} in the reward: only k1, the log-ratio, is modelled there"
    if training.credit == "whitened":
        return ""
    if training.std != "none" and not training.reward_kl_after:
        return "a KL in the reward that is divided by a standard deviation, with the reward"
    if training.reward_kl_after and training.normaliser == "response-tokens":  # what is past does not drop out over 1/L
        return "a KL in the reward that each token pays from itself on, divided by the response's own tokens"
    return ""


_SFT: dict[str, Callable[..., Objective]] = {
    "batch-tokens": SFTTokenMean,
    "responses": SFTSequenceSum,
    "response-tokens": SFTSequenceMean,
}


def _taught(training: Training, teacher: Policy) -> list[Part]:
    """Return the divergence at the states of the policy's own responses, and at those of the teacher's."""
    own, one = training.own_share, Distillation(teacher, beta=training.beta, interpolation=training.interpolation)
    each = [Part("teacher", one, own), Part("teacher's responses", replace(one, states="reference"), 1.0 - own)]
    return [part for part in each if part.factor]


def _named(training: Training) -> str:
    """Return the normaliser by a name that holds its constant."""
    return f"constant:{training.max_tokens:.17g}" if training.normaliser == "constant" else training.normaliser


def reward_row(training: Training, solution: Solution, reference: Policy, masked: str) -> tuple[Objective, float]:
    """Return the reward term, and what it is multiplied by; ``solution`` is the chain under the policy that generates."""
    size, factor, credit, std = training.group_size, training.factor, training.credit, training.std
    if training.clip == "truncate" and training.truncate_at:
        factor *= min(1.0, training.truncate_at)  # every ratio is 1 on the policy, and truncated there
    if credit in ("whitened", "critic") and (training.normaliser != "batch-tokens" or masked != "none"):
        raise ChainError(f"the credit {credit}, divided by {training.normaliser}, truncated {masked}, is not modelled")
    if credit == "whitened":
        beta = 0.0 if left_out(training) else training.reward_beta
        return ReinforcePlusPlus(reference=reference if beta else None, beta=beta), factor
    if credit == "critic":
        return PPOClip(clip_low=training.clip_low, clip_high=training.clip_high), factor
    more: dict[str, Any] = {} if masked == "none" else {"mask_truncated": masked}
    if credit in ("reward", "batch-mean", "length-baseline"):
        baseline: Any = "opo" if credit == "length-baseline" else 0.0
        if training.normaliser in ("responses", "constant"):
            return ReinforceBaseline(baseline=baseline, normalise_by=_named(training), **more), factor
        if training.normaliser == "batch-tokens":  # in large batches a baseline of the prompt changes nothing
            return DAPOBatch(std=False, group_size=inf, prompts=inf, **more), factor
        raise ChainError(f"{credit} with the normaliser {training.normaliser} is not modelled")
    more |= {"group_size": size, "prompts": training.prompts}
    by = _named(training)
    if credit == "leave-one-out" and std == "none" and training.dead_groups == "kept":
        more |= {} if by == "responses" else {"normalise_by": by}
        return RLOO(**more), factor
    if std == "others":
        if training.dead_groups != "kept" or credit != "leave-one-out":
            raise ChainError("a standard deviation of the others with groups that are drawn again is not modelled")
        return AgainstOthersRow(**more, epsilon=training.epsilon, normalise_by=by), factor
    if credit == "leave-one-out":
        factor *= size / (size - 1.0)
    few = few_prompts(training)
    if std == "batch" and not few and training.std_prompts != 1.0:  # one number; of one prompt it is that of its group
        accuracy = float(np.asarray(solution.mean_accuracy))
        std, factor = "none", factor / (float(np.sqrt(accuracy * (1.0 - accuracy))) + training.epsilon)
    more |= {"std": "batch" if few else std != "none", "ddof": training.ddof}
    more |= {"epsilon": training.epsilon} if std != "none" else {}
    more |= {"prompts": training.std_prompts} if few else {}
    more |= {"kept": {}, "drawn again": {"dynamic_sampling": True}, "left out": {"drop_dead": True}}[training.dead_groups]
    return _group(training, more, by), factor


def few_prompts(training: Training) -> bool:
    """Return whether credits are divided by the deviation of a finite batch, and its successes can be counted.

    >>> from dstheory.trainers import configuration_of
    >>> [few_prompts(configuration_of("trl:grpo", settings=["scale_rewards=batch"], prompts=n).training) for n in (None, 4)]
    [False, True]
    """
    t = training
    counted = 1 < t.std_prompts < inf and t.group_size * t.std_prompts <= LARGEST_BATCH
    same = t.normaliser != "batch-tokens" or t.prompts == t.std_prompts
    return t.std == "batch" and counted and same and t.dead_groups == "kept"


def _group(training: Training, settings: dict[str, Any], by: str) -> Objective:
    clip: dict[str, Any] = {"clip_low": min(training.clip_low, 1.0), "clip_high": training.clip_high}
    if training.clip == "truncate":
        return CISPO(normalise_by=by, clip_high=max(training.truncate_at - 1.0, 0.0) or training.clip_high, **settings)
    match training.normaliser:
        case "responses" | "constant":
            return DrGRPO(max_tokens=training.max_tokens if training.normaliser == "constant" else 1.0, **settings, **clip)
        case "response-tokens":
            return (GSPO if training.ratio == "response-mean" else GRPO)(**settings, **clip)
        case "group-tokens":
            return DAPO(**{"dynamic_sampling": False, **settings}, **clip)
        case _:
            return DAPOBatch(**settings, **clip)

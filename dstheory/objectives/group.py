r"""Objectives that compare the responses of a prompt with each other. One base; a row is a credit, a normaliser and defaults.

On policy (no sampler, or the policy itself) every token of a response gets one coefficient: its credit times its normaliser, both
in :mod:`dstheory.objectives.parts`. With a sampler the responses are the sampler's, and each token carries the gradient of PPO's
clipped surrogate: its ratio, or 0 where it is clipped. Advantages of both signs are clipped on different sides, so they are two
terms. A KL penalty is the k3 estimator in the loss, on the same tokens, and inherits the normaliser; where a library multiplies
it by the ratio and differentiates both, ``corrected_kl`` does.

Derived here: RLOO ascends E[R] at any G. With 1/L_i and without std GRPO's expectation is
:math:`\frac{G-1}{G} (\nabla E[R/L] - E[R] \nabla E[1/L])`; with a constant length :math:`\frac{G-1}{G} \nabla J / L_{max}`. Over
a large batch the token mean divides by E[L], one constant, and does not tilt the gradient; over a group it reweights prompts by
about 1/E[L given x]. DAPO as published draws groups without variance again, which divides the expected update by the probability
that a group is mixed; libraries keep such groups unless asked. Its punishment of overlong responses is a reward, not part of it.

Source: Williams (1992); RLOO arXiv 2402.14740; the length-weighted baseline :math:`E[L R]/E[L]` is OPO's, 2505.23585; GRPO
2402.03300; Dr. GRPO 2503.20783; DAPO 2503.14476; exact expectations over groups are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.expectation.denominators import mean_of_lengths_and_rewards
from dstheory.objectives.expectation.exponential import EffectiveCredit, moments
from dstheory.objectives.expectation.grouping import group_moments
from dstheory.objectives.expectation.groups import effective_credit
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.group_base import GroupMeanObjective, GroupObjective
from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    GroupTokens,
    LeaveOneOut,
    Minus,
    Normaliser,
    PerResponse,
    PerToken,
    Raw,
    normaliser_named,
    spread_named,
)
from dstheory.objectives.registry import register
from dstheory.objectives.responses import Term
from dstheory.objectives.settings import own_settings

__all__ = [
    "DAPO",
    "GRPO",
    "RLOO",
    "DAPOBatch",
    "DrGRPO",
    "GRPONoStd",
    "GroupMeanObjective",
    "GroupObjective",
    "ReinforceBaseline",
    "mean_reward",
]

class _MeanReward(GroupObjective):
    """What they share: on policy and without a penalty the gradient is that of the mean reward."""

    normaliser = PerResponse()

    def value(self, solution: Solution) -> Floats | None:
        """Return E[R], (*runs,), on policy and without a penalty; else None."""
        plain = self.on_policy and not own_settings(self) and self.normalise_by is None
        return mean_reward(solution, self.outcome_of(solution)) if plain and not np.any(self.beta) else None


def mean_reward(solution: Solution, outcome: ResponseReward) -> Floats:
    """Return E[R] over prompts, (*runs,)."""
    _, paid = moments(solution, outcome.reward, np.zeros(1))
    low, high = outcome.values or (0.0, 1.0)
    return np.asarray(((low + (high - low) * paid[0]) * solution.mdp.prompt_weight).sum(axis=-1))


@register
@dataclass(frozen=True, eq=False)
class RLOO(_MeanReward):
    """RLOO: each response against the mean of the other ones. Its expectation is the gradient of the mean reward, at any G >= 2.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> difference = RLOO(group_size=4).gradient(s).decide - Reinforce().gradient(s).decide
    >>> bool(abs(difference).max() < 1e-15)
    True
    """

    credit = LeaveOneOut()
    name = "rloo"


@register
@dataclass(frozen=True, eq=False)
class ReinforceBaseline(_MeanReward):
    """REINFORCE with a baseline that depends on the prompt only; the baseline leaves the expectation alone.

    Args:
        baseline: a number, ``"mean"`` (of the prompt's rewards) or ``"opo"`` (their mean weighted by length).

    >>> from dstheory import Policy, Trajectories, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> c_s, _ = ReinforceBaseline().coefficients(s, Trajectories.record([(0, [(0, "stop")])]))
    >>> c_s.tolist()  # right, where half of the responses are
    [0.5]
    """

    group_size: float = 1
    baseline: float | Literal["mean", "opo"] = "mean"

    credit = Raw()
    plain_on_policy = True
    name = "reinforce-baseline"

    def __post_init__(self) -> None:
        if self.baseline not in ("mean", "opo"):
            if isinstance(self.baseline, str):
                raise ChainError(f"baseline is {self.baseline!r}: must be a number, 'mean' or 'opo'")
            Minus(self.baseline)
        if self.sampler is not None:
            raise ChainError("reinforce-baseline has no ratio to clip: leave sampler out, or use ppo-clip")
        super().__post_init__()

    def reward_terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return R - b over the normaliser."""
        paid, usual = outcome.reward, np.zeros(())
        if outcome.values is None:
            paid, usual = paid.beyond_usual(under)
        credit = self.less_baseline(under, replace(outcome, reward=paid), usual)
        once = effective_credit(None, self.normaliser, self.grouping, under, outcome)
        f = once.constant  # (J, *runs, X)
        otherwise = None if credit.otherwise is None else f * credit.otherwise
        each = EffectiveCredit(once.t, f * credit.constant, f * credit.slope, otherwise)
        return (Term(each, None, None if paid is outcome.reward else paid),)

    def less_baseline(self, under: Solution, outcome: ResponseReward, usual: ArrayLike = 0.0) -> EffectiveCredit:
        """Return R - b, as a credit of one node without length, of the outcome's reward, which is what exceeds the usual one."""
        low, high = outcome.values or (0.0, 1.0)
        none, scale = np.zeros(1), high - low
        group = group_moments(under, outcome, none, self.grouping)
        share = group.right
        if self.baseline == "opo":
            share = mean_of_lengths_and_rewards(under, outcome) / under.expected_tokens
        if not isinstance(self.baseline, str):
            away = np.asarray(usual) - self.baseline
            failure, success = (np.full_like(share, value + away) for value in (low, high))
        elif outcome.values is None:
            failure = -share
        else:
            rest = group.wrong
            if self.baseline == "opo":
                rest = mean_of_lengths_and_rewards(under, outcome, "failures") / under.expected_tokens
            failure, success = -scale * share, scale * rest
        if outcome.values is None:
            return EffectiveCredit(none, failure, np.ones_like(failure))
        return EffectiveCredit.of_two(none, failure, success)


@register
@dataclass(frozen=True, eq=False)
class GRPO(GroupMeanObjective):
    """GRPO as published: group mean and standard deviation, tokens averaged within each response, then responses.

    Resampling makes a response longer, so its credit shrinks: short correct and long wrong responses are favoured.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=16), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> g = GRPO(group_size=8).gradient(s)
    >>> bool(g.sample[0, 0, 0] > 0)
    True
    """

    normaliser = PerToken()
    name = "grpo"


@register
@dataclass(frozen=True, eq=False)
class GRPONoStd(GroupMeanObjective):
    """GRPO without the standard deviation: group mean only, tokens averaged within each response.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=16), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> two, many = (GRPONoStd(group_size=g).gradient(s).sample for g in (2, float("inf")))
    >>> bool(abs(two - many / 2).max() < 1e-15)  # the factor (G - 1)/G
    True
    """

    std: bool = False

    normaliser = PerToken()
    name = "grpo-no-std"


@register
@dataclass(frozen=True, eq=False)
class DrGRPO(GroupMeanObjective):
    """Dr. GRPO: group mean only, divided by a constant number of tokens. Its expectation is (G - 1)/G grad E[R] / Lmax.

    Args:
        max_tokens: Lmax, the constant.
        std: False as published; TRL's ``dr_grpo`` keeps the standard deviation unless told otherwise.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> DrGRPO(max_tokens=1, group_size=2).gradient(s).decide.round(12).tolist()  # half of REINFORCE's
    [[[0.0625, -0.0625]]]
    """

    std: bool = False
    max_tokens: float = 1024

    name = "dr-grpo"

    @property
    def normaliser(self) -> Normaliser:
        """The constant, unless another normaliser is given."""
        return ConstantLength(self.max_tokens) if self.normalise_by is None else normaliser_named(self.normalise_by)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normaliser  # checks the constant  # noqa: B018

    def value(self, solution: Solution) -> Floats | None:
        """Return (G - 1)/G E[R]/Lmax, (*runs,), or None off policy, with std, with a penalty or with dynamic sampling."""
        plain = self.on_policy and not own_settings(self) and self.normalise_by is None and spread_named(self.std) == "none"
        if not plain or np.any(self.beta) or self.dynamic_sampling:
            return None
        return (1.0 - 1.0 / self.group_size) / self.max_tokens * mean_reward(solution, self.outcome_of(solution))


@register
@dataclass(frozen=True, eq=False)
class DAPO(GroupMeanObjective):
    """DAPO as published: group mean and standard deviation, divided by the tokens of the group, all groups mixed.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 40]]), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> small, large = (DAPO(group_size=g).gradient(s).sample[0, 0, 0] for g in (64, float("inf")))
    >>> bool(abs(small / large - 1) < 0.05)
    True
    >>> kept, redrawn = (DAPO(group_size=2, dynamic_sampling=d).gradient(s).sample[0, 0, 0] for d in (False, True))
    >>> round(float(kept / redrawn), 9), round(float(2 * s.accuracy[0] * (1 - s.accuracy[0])), 9)  # P(a group of two is mixed)
    (0.48, 0.48)
    """

    clip_high: float = 0.28
    dynamic_sampling: bool = True

    normaliser = GroupTokens()
    name = "dapo"


@register
@dataclass(frozen=True, eq=False)
class DAPOBatch(GroupMeanObjective):
    """Group mean and standard deviation, divided by the tokens of the whole batch: the token mean of training libraries.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=[[3, 40]]), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> small, large = (DAPOBatch(group_size=8, prompts=n).gradient(s).sample[0, 0, 0] for n in (64, float("inf")))
    >>> bool(abs(small / large - 1) < 0.01)
    True
    """

    clip_high: float = 0.28

    normaliser = BatchTokens()
    name = "dapo-batch"

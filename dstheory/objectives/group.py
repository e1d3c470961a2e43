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

from abc import abstractmethod
from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.base import Measure
from dstheory.objectives.expectation.exponential import EffectiveCredit, Tilted, moments
from dstheory.objectives.expectation.groups import (
    Grouping,
    Part,
    credits_of_levels,
    effective_credit,
    everything,
    group_moments,
    mean_of_lengths_and_rewards,
    negative,
    positive,
)
from dstheory.objectives.expectation.rewards import OutcomeKind, ResponseReward, reward_of
from dstheory.objectives.fused import applies, outcome_gradient
from dstheory.objectives.mass import StageGradient, check_penalty, check_runs, over_runs
from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    Credit,
    GroupMean,
    GroupTokens,
    LeaveOneOut,
    Minus,
    Normaliser,
    PerResponse,
    PerToken,
    Raw,
    clip_weight,
)
from dstheory.objectives.registry import register
from dstheory.objectives.responses import ResponseObjective, Term
from dstheory.objectives.weights import TokenWeight, log_ratios, reference_excess, token_ratios

ALWAYS_ON_POLICY = "on policy and with beta = 0: all tokens of a response get one coefficient"


@dataclass(frozen=True, eq=False)
class GroupObjective(ResponseObjective):
    """What the group objectives share. A subclass sets ``credit`` and ``normaliser``.

    Args:
        group_size: G responses per prompt; inf for the limit.
        prompts: prompts per batch, for normalisers that span the batch; inf for the limit.
        outcome: ``"correct"`` (R = 1 if the submitted answer is) or ``"return"`` (of the chain).
        sampler: the policy that generated the responses; None for the policy itself.
        clip_low, clip_high: how far the ratio of a token may go below and above 1 (off policy only).
        reference, beta: k3 penalty in the loss; beta > 0 needs a reference.
        corrected_kl: multiply k3 by the ratio to the policy that generated, and differentiate the product (TRL since 1.16): the
            coefficient is -beta rho log(pi/ref), that of k2 on the policy, instead of -beta (1 - ref/pi).
    """

    group_size: float = 8
    prompts: float = inf
    outcome: OutcomeKind = "correct"
    sampler: Policy | None = None
    clip_low: float = 0.2
    clip_high: float = 0.2
    reference: Policy | None = None
    beta: ArrayLike = 0.0
    corrected_kl: bool = False

    @property
    @abstractmethod
    def credit(self) -> Credit:
        """What scalar."""

    @property
    @abstractmethod
    def normaliser(self) -> Normaliser:
        """Divided by what."""

    plain_on_policy: ClassVar[bool] = False
    """For subclasses with terms of their own: whether on policy they have the expectation of the base's (baselines drop out)."""

    def __post_init__(self) -> None:
        self.credit.check_group(self.group_size)
        clip_weight(1.0, 0.0, low=self.clip_low, high=self.clip_high)
        check_penalty(self.name, self.beta, self.reference)
        self.grouping  # checks the sizes  # noqa: B018

    @property
    def grouping(self) -> Grouping:
        """Sizes of groups and batches."""
        return Grouping(self.group_size, self.prompts)

    @property
    def measure(self) -> Measure:
        """The policy."""
        return "policy" if self.sampler is None else "sampler"

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        """Return the normaliser and its sizes."""
        return self.normaliser, self.grouping

    def with_reference(self, reference: Policy) -> Self:
        """Return the same objective with its penalty to another reference."""
        return self if self.reference is None else replace(self, reference=reference)

    def generated(self, solution: Solution) -> Solution:
        """Return the chain under the sampler, or under the policy."""
        return solution if self.sampler is None else solve(solution.mdp, self.sampler)

    def outcome_of(self, under: Solution) -> ResponseReward:
        """Return correctness, or the chain's return."""
        return reward_of(under, self.outcome)

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the credit (twice, once per sign, where ratios are clipped) and the penalty."""
        return (*self.reward_terms(solution, under, outcome), *self.penalty_terms(solution, under, outcome))

    def credit_parts(self, solution: Solution) -> tuple[tuple[Part, TokenWeight | None], ...]:
        """Return the parts of a credit whose tokens are weighted alike (positive, negative), each with the weight; None for 1."""
        if self.sampler is None:
            return ((everything, None),)
        ratio = token_ratios(solution.policy, self.sampler, solution)
        return (
            (positive, ratio.map(lambda rho: self.weight_of_ratio(rho, np.ones(())))),
            (negative, ratio.map(lambda rho: self.weight_of_ratio(rho, -np.ones(())))),
        )

    def reward_terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the terms of the reward."""
        parts = self.credit, self.normaliser, self.grouping, under, outcome
        found = self.credit_parts(solution)
        if found[0][0] is everything:
            return self.credited(under, outcome, found[0][1])
        return tuple(Term(effective_credit(*parts, part), weight) for part, weight in found)

    def credited(self, under: Solution, outcome: ResponseReward, weight: TokenWeight | None = None) -> tuple[Term, ...]:
        """Return the credit times a weight of tokens: one term, or one per value of the reward where these are summed."""
        credit, grouping = self.credit, self.grouping
        if outcome.levels is None or not isinstance(credit, GroupMean) or credit.linear or grouping.group_size == inf:
            return (Term(effective_credit(credit, self.normaliser, grouping, under, outcome), weight),)
        found = credits_of_levels(credit, self.normaliser, grouping, under, outcome)
        return tuple(Term(each, weight, table) for table, each in found)

    def ascent(self, solution: Solution) -> StageGradient:
        """Return the gradient unchecked; on large tables, where it is grad E[R] prompt by prompt, from the compiled loop."""
        fast = self._large(solution)
        return super().ascent(solution) if fast is None else fast

    def _large(self, solution: Solution) -> StageGradient | None:
        """Return w(x) grad E[R given x] where no length and no ratio enters, for tables that are worth loading compiled code."""
        on_lengths = isinstance(self.normaliser, PerToken | GroupTokens) or (
            isinstance(self.normaliser, BatchTokens) and inf not in (self.group_size, self.prompts)
        )
        plain = self.sampler is None and not np.any(self.beta) and self.outcome == "correct"
        known_terms = self.plain_on_policy or type(self).reward_terms is GroupObjective.reward_terms
        if on_lengths or not plain or not known_terms or not applies(solution):
            return None
        found = outcome_gradient(solution)
        if found is None:
            return None
        accuracy, gradient = found
        known = Tilted(np.zeros((1, len(accuracy))), accuracy[None], 1.0 - accuracy[None])
        nodes = effective_credit(self.credit, self.normaliser, self.grouping, solution, self.outcome_of(solution), known=known)
        assert nodes.otherwise is not None
        weight = (nodes.slope[0] - nodes.otherwise[0])[:, None]
        gradient.sample[0] *= weight
        gradient.decide[0] *= weight
        return gradient

    def penalty_terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the term of the k3 penalty, if there is one."""
        if self.reference is None or not np.any(self.beta):
            return ()
        self.reference.check_fits(solution.mdp, "reference")
        check_runs(solution, reference=self.reference.runs, beta=np.shape(self.beta))
        excess = self._corrected if self.corrected_kl else reference_excess
        weight = excess(solution.policy, self.reference, under).scaled(over_runs(self.beta, 3))
        return (Term(effective_credit(None, self.normaliser, self.grouping, under, outcome), weight),)

    def _corrected(self, policy: Policy, reference: Policy, under: Solution) -> TokenWeight:
        """Return minus the derivative of rho k3 by log pi, -rho log(pi/ref), of every answer, of stop and of resample."""
        minus = TokenWeight(*log_ratios(policy, reference, under)).scaled(np.asarray(-1.0))
        if self.sampler is None:
            return minus
        ratios = TokenWeight.exponential(log_ratios(policy, self.sampler, under, called="behaviour policy"), self.sampler)
        return ratios.times(minus)

    def step_weights(self, solution: Solution, t: Trajectories, credit: Floats) -> tuple[Floats, Floats]:
        """Return the weight of the answer and of the decision of every step of sampled responses, (m,) each.

        Args:
            solution: the chain under the policy.
            t: responses of the sampler.
            credit: (n,) of each response.
        """
        if self.sampler is None:
            return np.ones(len(t.answer)), np.ones(len(t.answer))
        rho_s, rho_d = token_ratios(solution.policy, self.sampler, solution).of_steps(solution, t)
        signs = credit[t.episode]
        return self.weight_of_ratio(rho_s, signs), self.weight_of_ratio(rho_d, signs)

    def weight_of_ratio(self, ratio: Floats, sign: Floats) -> Floats:
        """Return the weight of tokens with these ratios, given the sign of their credit."""
        return clip_weight(ratio, sign, low=self.clip_low, high=self.clip_high)


@dataclass(frozen=True, eq=False)
class GroupMeanObjective(GroupObjective):
    """Group objectives whose credit is the reward minus the group's mean.

    Args:
        std: divide by the group's standard deviation.
        ddof: 1 for the sample's, 0 for the population's.
        epsilon: added to the standard deviation, >= 0; with 0 a group without variance gets credit 0.
        dynamic_sampling: draw groups whose rewards are all equal again, so that all groups of a batch are mixed (DAPO).
    """

    std: bool = True
    ddof: Literal[0, 1] = 1
    epsilon: float = 0.0
    dynamic_sampling: bool = False

    @property
    def grouping(self) -> Grouping:
        """Sizes of groups and batches, and whether all groups are mixed."""
        return Grouping(self.group_size, self.prompts, self.dynamic_sampling)

    @property
    def credit(self) -> Credit:
        """(R - mean), divided by the standard deviation if asked."""
        return GroupMean(self.std, self.ddof, self.epsilon)


class _MeanReward(GroupObjective):
    """What they share: on policy and without a penalty the gradient is that of the mean reward."""

    normaliser = PerResponse()

    def value(self, solution: Solution) -> Floats | None:
        """Return E[R], (*runs,), on policy and without a penalty; else None."""
        return None if self.sampler is not None or np.any(self.beta) else mean_reward(solution, self.outcome_of(solution))


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
        """Return R - b."""
        low, high = outcome.values or (0.0, 1.0)
        none, scale = np.zeros(1), high - low
        group = group_moments(under, outcome, none, self.grouping)
        share = group.right
        if self.baseline == "opo":
            share = mean_of_lengths_and_rewards(under, outcome) / under.expected_tokens
        if not isinstance(self.baseline, str):
            failure, success = (np.full_like(share, value - self.baseline) for value in (low, high))
        elif outcome.values is None:
            return (Term(EffectiveCredit(none, -scale * share, np.full_like(share, scale))),)
        else:
            rest = group.wrong
            if self.baseline == "opo":
                rest = mean_of_lengths_and_rewards(under, outcome, "failures") / under.expected_tokens
            failure, success = -scale * share, scale * rest
        if outcome.values is None:
            return (Term(EffectiveCredit(none, failure, success - failure)),)
        return (Term(EffectiveCredit.of_two(none, failure, success)),)


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
        """The constant."""
        return ConstantLength(self.max_tokens)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.normaliser  # checks the constant  # noqa: B018

    def value(self, solution: Solution) -> Floats | None:
        """Return (G - 1)/G E[R]/Lmax, (*runs,), or None off policy, with std, with a penalty or with dynamic sampling."""
        if self.std or self.sampler is not None or np.any(self.beta) or self.dynamic_sampling:
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

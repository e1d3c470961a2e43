r"""Objectives that compare the responses of a prompt with each other. One base; a row is a credit, a normaliser and defaults.

On policy (no sampler, or the policy itself) every token of a response gets one coefficient: its credit times its normaliser, both
in :mod:`dstheory.objectives.parts`. With a sampler the responses are the sampler's, and each token carries the gradient of PPO's
clipped surrogate: its ratio, or 0 where it is clipped. Advantages of both signs are clipped on different sides, so they are two
terms. A KL penalty is the k3 estimator in the loss, on the same tokens, and inherits the normaliser; where a library multiplies
it by the ratio and differentiates both, ``corrected_kl`` does.

Derived here, on policy and without a penalty: RLOO ascends E[R] at any G. With 1/L_i and without std GRPO's expectation is, on
each prompt, :math:`\frac{G-1}{G} (\nabla E[R/L] - E[R] \nabla E[1/L])`; with a constant length, without std,
:math:`\frac{G-1}{G} \nabla J / L_{max}`. Over a large batch the token mean divides by E[L], one constant, and does not tilt the
gradient; over a group it reweights prompts by about 1/E[L given x]. DAPO as published draws groups without variance again, which
divides the expected update by the probability that a group is mixed; libraries keep such groups unless asked. Its punishment of
overlong responses is a reward, not part of it.

Four rows have a weight of their own off policy; on policy their ratios are 1.

* **CISPO**: the ratio itself is clipped and detached, so that no token is ever dropped. Its paper divides by the tokens of the
  group, TRL by those of the batch.
* **GSPO**: the ratio of a whole response, :math:`s_i = (\pi(\tau_i)/\mu(\tau_i))^{1/L_i}`, clipped as a whole:
  :math:`c = s_i A_i/(G L_i)`, 0 where clipped. Off policy it depends on sums over the response, so the expectation runs over
  multisets of resampled answers.
* **PPO-clip** with a critic that is exact for the policy that generated the data, and advantages of GAE with lambda = 0,
  :math:`A_s = Q_s - V` and :math:`A_d = Q_d - V_d`; every token of a stage carries its stage's advantage. On policy every
  lambda with that critic, and every critic with lambda = 1, gives the same expectation, in large batches the gradient of E[R]
  over E[L].
* **NFT** learns from failures by the likelihood that they imply. With :math:`\hat r` the share of hits in the group,
  :math:`\omega = \sqrt{(1 - \hat r)/\hat r}` and rho a token's ratio to the sampler, hits get :math:`\omega` and misses
  :math:`-\omega\, \frac{\hat r \rho / (1 - \hat r)}{\max\{(1 - \hat r \rho)/(1 - \hat r),\ \epsilon\}}` over the tokens of the
  batch; groups all right or all wrong are left out. At the sampler this is the group-relative credit with the population's std.

Source: Williams (1992); RLOO arXiv 2402.14740; the length-weighted baseline :math:`E[L R]/E[L]` is OPO's, 2505.23585; GRPO
2402.03300; Dr. GRPO 2503.20783; DAPO 2503.14476; CISPO 2506.13585; GSPO 2507.18071; PPO 1707.06347; GAE 1506.02438; NFT
2505.18116; exact expectations over groups are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.checks import Floats, compact
from dstheory.errors import ChainError
from dstheory.objectives.expectation.counts import windows
from dstheory.objectives.expectation.denominators import mean_of_lengths_and_rewards
from dstheory.objectives.expectation.exponential import EffectiveCredit, moments
from dstheory.objectives.expectation.grouping import group_moments
from dstheory.objectives.expectation.groups import effective_credit, positive
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
    SignedMatch,
    normaliser_named,
    spread_named,
)
from dstheory.objectives.registry import register
from dstheory.objectives.responses import Term
from dstheory.objectives.rounding import unlike
from dstheory.objectives.settings import own_settings
from dstheory.objectives.token_parts import clip_weight, truncate_weight
from dstheory.objectives.weights import TokenWeight, log_token_ratios, token_ratios

_AT_ONCE = 1 << 18  # numbers in one table
_LARGE = 40.0  # logarithm of a weight up to which any probability times it has all its digits


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
    """RLOO: each response against the mean of the other ones. On policy it ascends the mean reward, at any G >= 2.

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
            share = mean_of_lengths_and_rewards(under, outcome.reward) / under.expected_tokens
        if not isinstance(self.baseline, str):
            away = np.asarray(usual) - self.baseline
            failure, success = (np.full_like(share, value + away) for value in (low, high))
        elif outcome.values is None:
            failure = -share
        else:
            rest = group.wrong
            if self.baseline == "opo":
                rest = mean_of_lengths_and_rewards(under, outcome.indicators[0]) / under.expected_tokens
            failure, success = -scale * share, scale * rest
        if outcome.values is None:
            return EffectiveCredit(none, failure, np.ones_like(failure))
        return EffectiveCredit.of_two(none, failure, success)


@register
@dataclass(frozen=True, eq=False)
class GRPO(GroupMeanObjective):
    """GRPO as published: group mean and standard deviation, tokens averaged within each response, then responses.

    Resampling makes a response longer, so its credit shrinks: among correct responses short ones are favoured, among wrong ones
    long ones.

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
    """Dr. GRPO: group mean only, divided by a constant number of tokens. On policy it ascends (G - 1)/G E[R] / Lmax.

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


@register
@dataclass(frozen=True, eq=False)
class CISPO(GroupMeanObjective):
    """CISPO: group mean and standard deviation times the clipped, detached ratio of each token, over the tokens of the group.

    Args:
        over: divided by the tokens of the ``"group"``, as published, or of the ``"batch"``, as in TRL.

    >>> from dstheory import Policy, Trajectories, TwoStageMDP, solve
    >>> here, old = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.125, a=0.5, b=0.5)
    >>> s = solve(TwoStageMDP.minimal(sample_length=2), here)
    >>> c_s, c_d = CISPO(sampler=old, clip_high=0.5).coefficients(s, Trajectories.record([(0, [(0, "stop")])]))
    >>> round(float(c_s[0] / c_d[0]), 12)  # the answer's tokens have ratio 2, clipped to 1.5; the decision's is 1
    1.5
    """

    clip_low: float = inf
    over: Literal["group", "batch"] = "group"

    plain_on_policy = True
    signed = False
    name = "cispo"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.over not in ("group", "batch"):
            raise ChainError(f"over is {self.over!r}: must be 'group' (as published) or 'batch' (as in TRL)")

    @property
    def normaliser(self) -> Normaliser:
        """The tokens of the group, or of the batch, unless another normaliser is given."""
        own = GroupTokens() if self.over == "group" else BatchTokens()
        return own if self.normalise_by is None else normaliser_named(self.normalise_by)

    def weight_of_ratio(self, ratio: Floats, sign: Floats) -> Floats:
        """Return the clipped ratio, whatever the sign."""
        return truncate_weight(ratio, low=self.clip_low, high=self.clip_high)


@register
@dataclass(frozen=True, eq=False)
class GSPO(GroupMeanObjective):
    """GSPO: group mean and standard deviation times the response's ratio, tokens averaged within each response.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import GRPO
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=16), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> bool((GSPO().gradient(s).sample == GRPO().gradient(s).sample).all())  # on policy
    True
    """

    clip_low: float = 3e-4
    clip_high: float = 4e-4
    ratio_level: Literal["token", "sequence", "sequence-product"] = field(default="sequence", kw_only=True)

    normaliser = PerToken()
    name = "gspo"


@register
@dataclass(frozen=True, eq=False)
class PPOClip(GroupObjective):
    """PPO-clip with an exact critic, over the tokens of the batch (``prompts`` responses; inf for the limit).

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> ratio = Reinforce().gradient(s).decide / PPOClip().gradient(s).decide
    >>> ratio.round(12).tolist()  # E[L]: two turns of two tokens
    [[[4.0, 4.0]]]
    """

    group_size: float = 1

    credit = Raw()
    credit_of_critic = True
    normaliser = BatchTokens()
    plain_on_policy = True
    name = "ppo-clip"

    def reward_terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the advantages times the clipped ratio, over the tokens of the batch."""
        low, high = outcome.values or (0.0, 1.0)
        advantage = TokenWeight(*_advantages(under, outcome)).scaled(np.asarray(high - low))
        weight = advantage
        if self.sampler is not None:  # ratios may be alike to their last digit, and weighted by unlike chances
            ratio = token_ratios(solution.policy, self.sampler, solution)
            bounds = {"low": self.clip_low, "high": self.clip_high, "dual": self.dual_clip}
            pairs = enumerate(zip(ratio.each, advantage.each, strict=True), start=1)
            sample, stop, resample = (a * unlike(clip_weight(rho, a, **bounds), i) for i, (rho, a) in pairs)
            weight = TokenWeight(sample, stop, resample, ratio.beyond)  # a ratio that is kept is kept whole
        return (Term(effective_credit(None, self.normaliser, self.grouping, under, outcome), weight),)


def _advantages(under: Solution, outcome: ResponseReward) -> tuple[Floats, Floats, Floats]:
    r"""Return Q_s - V of answers, and Q_d - V_d of stop and of resample, (*runs, T', X, Y) each.

    Answers are compared with one another and with Z, the value of the next turn. Of a reward R paid at the end and a policy that
    is the same at every turn, with s and u = 1 - s the chances of both decisions,

    .. math:: Q_s - V = s\, (R - Z) - (V - Z), \qquad V_k - Z_k = \Big(\sum \pi u\Big) (V_{k+1} - Z_{k+1}), \qquad
        V_{T-2} - Z_{T-2} = -\sum \pi u\, (R - Z_{T-2}),

    and V = Z without a cap. The form that has the smaller terms is taken: V is no difference from Z there.
    """
    found, pol = outcome.reward.contrast(under), under.unrolled
    answers, stop, resample = found.advantages(pol)
    if outcome.values is None or under.policy.shape[0] > 1:
        return answers, stop, resample
    gain = found.stop - found.resample
    own, beyond = pol.stop * gain, np.zeros((*gain.shape[:-1], 1))
    if under.capped:
        again = (pol.sample * pol.resample).sum(axis=-1, keepdims=True)
        beyond[..., -1:, :, :] = (pol.sample * gain)[..., -1:, :, :].sum(axis=-1, keepdims=True)
        for k in reversed(range(gain.shape[-3] - 1)):
            last = k == gain.shape[-3] - 2
            missed = -(pol.sample * pol.resample * gain)[..., k, :, :].sum(axis=-1, keepdims=True)
            beyond[..., k, :, :] = missed if last else again[..., k, :, :] * beyond[..., k + 1, :, :]
    size = found.sample_size + (pol.sample * found.sample_size).sum(axis=-1, keepdims=True)
    return np.where(np.abs(own) + np.abs(beyond) < size, own - beyond, answers), stop, resample


@register
@dataclass(frozen=True, eq=False)
class NFT(GroupObjective):
    """NFT over the tokens of the batch.

    Args:
        floor: epsilon in (0, 1], below which the likelihood ratio of a miss does not fall; at the sampler that ratio is 1.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import DAPOBatch
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0, sample_length=16), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> difference = NFT().gradient(s).sample - DAPOBatch(ddof=0).gradient(s).sample
    >>> bool(abs(difference).max() < 1e-15)
    True
    """

    floor: float = 1.0

    credit = SignedMatch()
    plain_on_policy = True
    normaliser = BatchTokens()
    name = "nft"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.floor <= 1:
            raise ChainError(
                f"floor is {self.floor}: must lie in (0, 1], the least likelihood ratio of a miss, which is 1 at the sampler"
            )
        if self.outcome != "correct":
            raise ChainError(f"nft: outcome is {self.outcome!r}: must be 'correct', hits and misses")
        if self.sampler is not None and self.prompts != inf:
            raise ChainError("nft: off policy the closed form is that of large batches: use prompts=inf")
        if self.sampler is not None and self.group_size != inf and isinstance(self.normaliser, GroupTokens):
            raise ChainError(
                "nft: off policy the weight of a miss and the tokens of its group go together, which is not computed: use "
                "group_size=inf, or divide by the batch's tokens"
            )

    def reward_terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return hits, and misses times their weight averaged over the group."""
        if self.sampler is None:
            return super().reward_terms(solution, under, outcome)
        hits = effective_credit(self.credit, self.normaliser, self.grouping, under, outcome, positive)
        group = group_moments(under, outcome, np.zeros(1), self.grouping)
        right, wrong = group.right[0], group.wrong[0]
        if self.group_size == inf:
            shares, rest, chances = right[..., None], wrong[..., None], np.ones((*right.shape, 1))
        else:  # of a group that has at least this one miss
            others, chances = windows(int(self.group_size) - 1, right, wrong)
            shares, rest = others / self.group_size, (self.group_size - others) / self.group_size

        mdp = solution.mdp
        lengths = [compact(n)[..., None, :, :] for n in (mdp.sample_length, mdp.decision_length, mdp.decision_length)]
        logs = log_token_ratios(solution.policy, self.sampler, solution)
        found = [self._miss(log, n, chances, shares, rest) for log, n in zip(logs, lengths, strict=True)]
        direct, log_of, own, apart = zip(*found, strict=True)
        if max(log.max() for log in log_of) <= _LARGE and all(np.isfinite(w).all() for w in direct):
            misses = TokenWeight(direct[0], direct[1], direct[2], own=(own, apart))
        else:
            large = TokenWeight.exponential(log_of, self.sampler).scaled(np.asarray(-1.0))
            misses = replace(large, beyond=large.beyond or (np.zeros(()),) * 3, own=(own, apart))
        once = effective_credit(None, self.normaliser, self.grouping, under, outcome)
        missed = np.broadcast_to(once.constant, np.broadcast_shapes(once.constant.shape, (len(once.t), *group.right.shape[1:])))
        return Term(hits), Term(EffectiveCredit.of_two(once.t, missed, 0.0 * missed), misses)

    def _miss(
        self, log: Floats, tokens: Floats, chances: Floats, shares: Floats, rest: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the coefficient of a miss, (*runs, T', X, Y), averaged over the shares of hits in its group, in four forms.

        Itself; the logarithm of minus it; times the sampler's probability of the action over the policy's; and the same less
        what it is at ratio 1.
        """
        met = np.where(log > -inf, log, 0.0)  # elsewhere the policy does not go
        total, own, apart, log_of = np.zeros(log.shape), np.zeros(log.shape), np.zeros(log.shape), np.full(log.shape, -inf)
        each = max(1, _AT_ONCE // max(1, log.size))
        for i in range(0, chances.shape[-1], each):
            r, q, chance = (table[..., None, :, None, i : i + each] for table in (shares, rest, chances))
            mixed = (r > 0) & (q > 0)
            odds = np.divide(r, q, out=np.zeros(r.shape), where=mixed)
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # minus infinity is below the floor
                rho, less = np.exp(log)[..., None], -np.expm1(log)[..., None]
                # (1 - r rho)/(1 - r), without the differences; and less what it is at ratio 1
                implied = np.maximum(1.0 + odds * less, self.floor)
                more = np.maximum(odds * less, self.floor - 1.0)
                total = total - (chance * np.where(mixed, rho * np.sqrt(odds) / implied, 0.0)).sum(axis=-1)
                part = np.log(chance) + 0.5 * np.log(odds) + log[..., None] - np.log(implied)
                log_of = np.logaddexp(log_of, np.logaddexp.reduce(np.where(mixed, part, -inf), axis=-1))
                turned = ((1.0 - tokens) * met)[..., None]
                scale = chance * np.sqrt(odds) / implied
                own = own - np.where(mixed, scale * np.exp(turned), 0.0).sum(axis=-1)
                apart = apart - np.where(mixed, scale * (np.expm1(turned) - more), 0.0).sum(axis=-1)
        return total, log_of, own, apart

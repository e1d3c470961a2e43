r"""Objectives with a weight of their own off policy: CISPO, GSPO, PPO-clip, NFT. On policy their ratios are 1.

* **CISPO**: the ratio itself is clipped and detached, so that no token is ever dropped. Its paper divides by the tokens of the
  group, TRL by those of the batch.
* **GSPO**: the ratio of a whole response, :math:`s_i = (\pi(\tau_i)/\mu(\tau_i))^{1/L_i}`, clipped as a whole:
  :math:`c = s_i A_i/(G L_i)`, 0 where clipped. Off policy it depends on sums over the response, so the expectation runs over
  multisets of resampled answers.
* **PPO-clip** with a critic that is exact for the policy that generated the data, and advantages of GAE with lambda = 0,
  :math:`A_s = Q_s - V` and :math:`A_d = Q_d - V_d`; every token of a stage carries its stage's advantage. On policy every
  lambda, and every critic, gives the same expectation: the gradient of E[R] over E[L].
* **NFT** learns from failures by the likelihood that they imply. With :math:`\hat r` the share of hits in the group,
  :math:`\omega = \sqrt{(1 - \hat r)/\hat r}` and rho a token's ratio to the sampler, hits get :math:`\omega` and misses
  :math:`-\omega\, \frac{\hat r \rho / (1 - \hat r)}{\max\{(1 - \hat r \rho)/(1 - \hat r),\ \epsilon\}}` over the tokens of the
  batch; groups all right or all wrong are left out. At the sampler this is the group-relative credit with the population's std.

Source: arXiv 2506.13585 (CISPO), 2507.18071 (GSPO), 1707.06347 (PPO), 1506.02438 (GAE), 2505.18116 (NFT); expectations over
groups are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats, compact
from dstheory.errors import ChainError
from dstheory.objectives.expectation.counts import windows
from dstheory.objectives.expectation.exponential import EffectiveCredit
from dstheory.objectives.expectation.grouping import group_moments
from dstheory.objectives.expectation.groups import effective_credit, positive
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.group_base import GroupMeanObjective, GroupObjective
from dstheory.objectives.parts import BatchTokens, GroupTokens, Normaliser, PerToken, Raw, SignedMatch, normaliser_named
from dstheory.objectives.registry import register
from dstheory.objectives.responses import Term
from dstheory.objectives.rounding import unlike
from dstheory.objectives.token_parts import clip_weight, truncate_weight
from dstheory.objectives.weights import TokenWeight, log_token_ratios, token_ratios

_AT_ONCE = 1 << 18  # numbers in one table
_LARGE = 40.0  # logarithm of a weight up to which any probability times it has all its digits


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

r"""Reverse KL of whole trajectories: the log-ratio of a response, taken from its reward and credited to all of its tokens.

With :math:`\ell = \log(\pi/ref)` of an action that the policy drew, the coefficient is minus beta times the sum of :math:`\ell`
over the response: ``kl`` weighs its stages and adds the derivative of the penalty itself, ``k1-reward`` divides by a normaliser.
What they share with penalties at single states is in :mod:`dstheory.objectives.penalties`.

Source: arXiv 2601.01580, section 4.3 (KL penalties); placement in the reward arXiv 2510.01555; expectations are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from dstheory.chain.contrast import Contrast
from dstheory.chain.exact import Solution
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.expectation.groups import effective_credit
from dstheory.objectives.expectation.rewards import ResponseReward, RewardTable
from dstheory.objectives.fused import MOST_TURNS, one_pass
from dstheory.objectives.mass import CoefficientMass, StageGradient, contrast_mass, over_runs
from dstheory.objectives.parts import Credit, GroupMean, LeaveOneOut, Raw
from dstheory.objectives.penalties import OfStages, OfTokens, _ReverseAtStates
from dstheory.objectives.registry import register
from dstheory.objectives.responses import Term
from dstheory.objectives.weights import TokenWeight, log_pairs, log_ratios

_ONE = np.ones((1, 1, 1))
_NEAR = 1e-3  # a log-ratio, below which its mean has few digits
_LEFT = 2e-3  # of the terms that a gradient is a difference of: rounding is then less than 1e-12 of it


def _excess(up: Floats) -> Floats:
    """Return x + exp(-x) - 1 of a small x, with all its digits."""
    x = np.where(np.abs(up) <= _NEAR, up, 0.0)
    return np.asarray(x * x / 2.0 * (1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0))))


class _ReverseOfTrajectories(_ReverseAtStates):
    r"""k1 in the reward: minus the weighted log-ratio of the whole response, credited to all of its tokens.

    Beside its reference a policy's divergence is of second order, and the log-ratios :math:`\ell` that it is the mean of are of
    first. There a turn is paid :math:`\ell + e^{-\ell} - 1 \ge 0`, which has the same mean, since that of :math:`e^{-\ell}` is 1,
    and each action gets the rest for itself.
    """

    @property
    def credit(self) -> Credit:
        return Raw()

    def outcome_of(self, under: Solution) -> ResponseReward:
        """Return minus beta times the weighted log-ratio of the whole response, as a reward."""
        self.check(under)
        c = self.weighted(self.per_token(under), under)
        decided = under.unrolled.decided
        return ResponseReward(RewardTable(c.sample + c.stop * decided, c.sample + c.resample * decided), None)

    def _second_order(self, solution: Solution) -> tuple[TokenWeight, TokenWeight]:
        """Return what is paid per token, and what each action gets for itself alone; nothing where the policy is not near."""
        ups = log_ratios(solution.policy, self.reference, solution)
        pairs, inside = log_pairs(solution.policy, self.reference), solution.mdp.inside
        alike = [(np.abs(up) <= _NEAR) & ((p == -np.inf) == (q == -np.inf)) for up, (_, p, q) in zip(ups, pairs, strict=True)]
        weight = np.atleast_1d(self.weighted(TokenWeight(_ONE, _ONE, _ONE), solution).sample)
        of_answers = ((alike[0] & (weight == weight[..., :1])) | ~inside).all(axis=-1, keepdims=True)
        near = of_answers, alike[1] & alike[2], alike[1] & alike[2]
        sample, stop, resample = (np.where(n, -_excess(up), -up) for up, n in zip(ups, near, strict=True))
        own = [np.where(n, np.expm1(-np.where(n, up, 0.0)), 0.0) for up, n in zip(ups, near, strict=True)]
        return TokenWeight(sample, stop, resample), TokenWeight(own[0], own[1], own[2])

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        return (Term(effective_credit(self.credit, *self.divided_by, under, outcome)),)

    def _known_mass(self, solution: Solution) -> CoefficientMass | None:
        """Return that of plain sums, with action values as coefficients, which leave out what came before the action."""
        if not (self.plain and self.as_compiled):  # a subclass may change the terms
            return None
        solution.finite_visits  # raises for a chain that never ends: its penalty is infinite  # noqa: B018
        self.check(solution)
        paid, alone = (self.weighted(each, solution) for each in self._second_order(solution))
        decided = solution.unrolled.decided
        found = solution.contrast_of(paid.stop * decided, paid.resample * decided, answer=paid.sample)
        own = self._own(solution) + alone.sample
        found = Contrast(
            found.sample + own, found.sample_size + np.abs(own), found.stop + alone.stop, found.resample + alone.resample
        )
        return contrast_mass(solution, solution.finite_visits, found).scaled(self.divided_by[1].scale)

    def _in_one_pass(self, solution: Solution) -> StageGradient | None:
        """Return the gradient of plain sums, unless stages are weighted, or terms cancel."""
        if not self.plain or self.weighs_stages:
            return None
        self.check(solution)
        none, one, beta = np.zeros((1, 1)), np.ones((1, 1)), self.divided_by[1].scale * np.asarray(self.beta)
        from dstheory.kernels.whitened import whitened_gradient

        found = one_pass(whitened_gradient, solution, self.reference, beta, none, (one, one), shift=0.0)
        if found is None or not (found.turns.max() <= MOST_TURNS and found.left.min() >= _LEFT):
            return None
        return StageGradient(found.sample[None], found.decide[None])

    def _own(self, solution: Solution) -> Floats:
        """Return the derivative of the penalty itself at each answer, centred: 0 where all answers weigh the same."""
        return 0.0 * _ONE

    def value(self, solution: Solution) -> Floats | None:
        """Return -beta E[weighted sum of log-ratios], (*runs,), for plain sums; else None."""
        if not self.plain:
            return None
        v = self.outcome_of(solution).reward.values(solution)
        return np.asarray(self.divided_by[1].scale * (v.value[..., 0, :] * solution.mdp.prompt_weight).sum(axis=-1))


@register
@dataclass(frozen=True, eq=False)
class ReverseKL(_ReverseOfTrajectories, OfStages):
    r"""The full gradient of the weighted reverse KL of whole trajectories, :math:`J = -\beta E_\pi[L(\tau)]`.

    :math:`L(\tau) = \sum_k w_s(y_k) \log \frac{\pi_s}{ref_s} + w_d \log \frac{\pi_d}{ref_d}`. Its gradient is that of a reward
    -beta L, plus the derivative of L itself, :math:`-\beta E[w_s(y) \nabla \log \pi_s(y)]`, which vanishes when all answers of a
    prompt have one weight (the decision's own term always does: w_d is known before the decision). Balanced at level (i) exactly
    then.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> kl = ReverseKL(Policy.minimal(p=0.25, a=0.5, b=0.5), beta=1.0)
    >>> float(kl.value(s).round(6))  # minus two expected turns x KL(1/2 || 1/4)
    -0.287682
    """

    name = "kl"

    def _own(self, solution: Solution) -> Floats:
        """Return -beta (w_s - E_pi w_s) at each answer."""
        w_s = self.stage_weight.of(solution.mdp).sample
        # Beyond the first answer's: equal weights then leave 0, and not what rounding leaves of 1 - sum of pi.
        beyond = w_s - w_s[..., :1]
        centred = beyond - (solution.policy.sample_prob * beyond).sum(axis=-1, keepdims=True)
        return np.asarray(-over_runs(self.beta, 3) * centred)

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the penalty as the credit, and the derivative of L itself."""
        once = effective_credit(None, *self.divided_by, under, outcome)
        own = TokenWeight(self._own(solution), 0.0 * _ONE, 0.0 * _ONE)
        return (*super().terms(solution, under, outcome), Term(once, own))


@register
@dataclass(frozen=True, eq=False)
class K1Reward(_ReverseOfTrajectories, OfTokens):
    """k1 = log(pi/ref) subtracted from the reward: the whole response's log-ratio is credited to all of its tokens.

    Args:
        kl_baseline: the penalty is added after the baseline of the reward (``"none"``), or before it, so that the mean of the
            penalties of the ``"others"`` (RLOO) or of the whole ``"group"`` is subtracted as well: c = K_i - mean K, divided as
            usual. Both have the gradient of ``"none"`` where responses divide, times (G - 1)/G for the group's mean.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> from dstheory.objectives import ReverseKL
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> reference = Policy.minimal(p=0.25, a=0.5, b=0.75)
    >>> bool((abs(K1Reward(reference).gradient(s).decide - ReverseKL(reference).gradient(s).decide) < 1e-15).all())
    True
    """

    kl_baseline: Literal["none", "others", "group"] = field(default="none", kw_only=True)

    name = "k1-reward"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kl_baseline not in ("none", "others", "group"):
            raise ChainError(f"kl_baseline is {self.kl_baseline!r}: must be 'none', 'others' or 'group'")

    @property
    def credit(self) -> Credit:
        """The penalty, less the mean of those of the group if asked."""
        return {"none": Raw(), "others": LeaveOneOut(), "group": GroupMean(std=False)}[self.kl_baseline]

    @property
    def plain(self) -> bool:
        """Whether it is a plain sum without a baseline."""
        return super().plain and self.kl_baseline == "none"

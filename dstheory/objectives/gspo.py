r"""GSPO: the ratio of a whole response, to the power of one over its length; clipped as a whole.

.. math:: s_i = \Big(\frac{\pi(\tau_i)}{\mu(\tau_i)}\Big)^{1/L_i}, \qquad c = \frac{s_i A_i}{G L_i} \text{ (0 where clipped)}.

Every token of a response still gets one coefficient. On policy s = 1 and this is GRPO's average over each response. Off policy
the ratio does not factor over turns; it depends on sums over the response, so the expectation runs over multisets of resampled
answers.

Source: arXiv 2507.18071.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError, InfiniteDivergenceError
from dstheory.objectives.base import CoefficientMass
from dstheory.objectives.group import GroupMeanObjective
from dstheory.objectives.parts.batch import clip_weight
from dstheory.objectives.parts.groups import effective_credit, negative, positive
from dstheory.objectives.parts.normaliser import PerResponse, PerToken
from dstheory.objectives.parts.representatives import mass_of_steps, representatives
from dstheory.objectives.registry import register
from dstheory.objectives.responses import response_lengths
from dstheory.objectives.weights import token_ratios

__all__ = ["GSPO"]


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

    normaliser = PerToken()
    name = "gspo"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.corrected_kl and np.any(self.beta):
            raise ChainError(
                "gspo: with corrected_kl TRL multiplies every token's k3 by the ratio of the whole response, which is not "
                "computed here: use beta=0, or corrected_kl=False"
            )

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the credit over the length, times the response's ratio or 0, plus the penalty.

        Raises:
            InfiniteDivergenceError: the sampler gives a response probability 0.
        """
        if self.sampler is None:
            return super().coefficients(solution, trajectories)
        t, under = trajectories, self.generated(solution)
        outcome = self.outcome_of(under)
        reward, length = outcome.reward.total(under, t), response_lengths(solution, t)
        ratio = self._ratio(solution, t)
        f = np.zeros(len(t))
        for part, sign in ((positive, 1.0), (negative, -1.0)):
            credit = effective_credit(self.credit, PerResponse(), self.grouping, under, outcome, part)
            weight = clip_weight(ratio, sign, low=self.clip_low, high=self.clip_high)
            f += credit.at(t.prompt, reward, length) * weight / length
        c_s = f[t.episode]
        c_d = np.where(t.decided, c_s, 0.0)
        for term in self.penalty_terms(solution, under, outcome):
            s, d = self.of_term(term, solution, t, reward, length)
            c_s, c_d = c_s + s, c_d + d
        return c_s, c_d

    def step_weights(self, solution: Solution, t: Trajectories, credit: Floats) -> tuple[Floats, Floats]:
        """Return the ratio of the whole response at each of its steps, or 0 where it is clipped."""
        if self.sampler is None:
            return super().step_weights(solution, t, credit)
        weight = clip_weight(self._ratio(solution, t), credit, low=self.clip_low, high=self.clip_high)[t.episode]
        return weight, weight

    def _ratio(self, solution: Solution, t: Trajectories) -> Floats:
        assert self.sampler is not None
        own, theirs = (t.sum(np.add(*t.log_prob(policy))) for policy in (solution.policy, self.sampler))
        bad = np.flatnonzero(theirs == -np.inf)
        if len(bad):
            raise InfiniteDivergenceError(
                f"trajectory {int(bad[0])} has probability 0 under the behaviour policy: it has no ratio; give it some mass there"
            )
        return np.asarray(np.exp((own - theirs) / response_lengths(solution, t)))

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the closed form on policy, else the sum over multisets.

        Raises:
            InfiniteDivergenceError: the sampler rules out what the policy does.
            ChainError: too many multisets.
        """
        if self.sampler is None:
            return super().mass(solution)
        token_ratios(solution.policy, self.sampler, solution)  # names what the sampler rules out
        drawn = representatives(self.generated(solution), ordered=solution.policy.shape[0] > 1)
        return mass_of_steps(solution, drawn, *self.coefficients(solution, drawn))

"""Accuracy minus a price per attempt. Source: an example."""

from dataclasses import dataclass

import numpy as np

from dstheory.objectives import Objective, register
from dstheory.objectives.expectation.rewards import RewardTable
from dstheory.objectives.mass import on_policy_mass


@register
@dataclass(frozen=True, eq=False)
class PricedAttempts(Objective):
    """Every token of a response gets 1[correct] minus the price of its attempts."""

    price: float = 0.1

    name = "priced-attempts"
    family = "reward"
    title = "accuracy minus a price per attempt"
    formula = "c_s = c_d = 1[correct] - price x attempts"
    balance, balanced_when = "balanced", "always"
    ascends = "J = E[correct] - price x E[attempts]"

    def coefficients(self, solution, trajectories):
        total = self._reward(solution).total(solution, trajectories)[trajectories.episode]
        return total, np.where(trajectories.decided, total, 0.0)

    def mass(self, solution):
        v = self._reward(solution).values(solution)
        return on_policy_mass(solution, solution.finite_visits, sample=v.q_sample, stop=v.q_stop, resample=v.q_resample)

    def value(self, solution):
        return (self._reward(solution).values(solution).value[..., 0, :] * solution.mdp.prompt_weight).sum(axis=-1)

    def _reward(self, solution):
        one, attempt = np.ones(()), np.full((1, 1, 1), -self.price)
        return RewardTable(solution.mdp.correct[None] + attempt, attempt, one, one)

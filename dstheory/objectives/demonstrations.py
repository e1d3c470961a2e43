r"""Demonstrations: the measure of imitation. An expert chain (exact), or recorded trajectories (counts).

Either way what matters is how often, per episode, each answer is given and each decision taken at each turn.

Source: arXiv 2601.01580, section 4.2 (SFT); coverage is derived here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.objectives.mass import CoefficientMass, mass_of_steps

__all__ = ["Demonstrations", "ExpertChain", "Recorded"]


class Demonstrations(ABC):
    """Where demonstrations come from."""

    @abstractmethod
    def visits(self, mdp: TwoStageMDP) -> CoefficientMass:
        """Return the expected number of times per episode that each answer and each decision occurs, (*runs, T', X, Y)."""

    @abstractmethod
    def trajectories(self, solution: Solution) -> Policy | Trajectories:
        """Return the policy that generates them, or the recorded ones."""


@dataclass(frozen=True, eq=False)
class ExpertChain(Demonstrations):
    """Demonstrations drawn from an expert policy on the same chain; probabilities of 0 and 1 are allowed.

    >>> from dstheory import TwoStageMDP
    >>> expert = ExpertChain(Policy.from_probabilities([[0.5, 0.5]], [[1.0, 0.0]]))
    >>> expert.visits(TwoStageMDP.minimal()).sample.tolist()  # two answers per episode, one of them wrong
    [[[1.0, 1.0]]]
    """

    policy: Policy

    def visits(self, mdp: TwoStageMDP) -> CoefficientMass:
        """Return the expert's expected visits, exactly.

        Raises:
            ImproperChainError: the expert never stops.
        """
        self.policy.check_fits(mdp, "expert")
        s = solve(mdp, self.policy)
        rho = mdp.prompt_weight[:, None]
        return CoefficientMass(rho * s.answer_visits, rho * s.stop_visits, rho * s.resample_visits)

    def trajectories(self, solution: Solution) -> Policy | Trajectories:
        """Return the expert's policy."""
        return self.policy


@dataclass(frozen=True, eq=False)
class Recorded(Demonstrations):
    """Demonstrations that were written down; their prompts are distributed as recorded, not by the chain's prompt weights.

    >>> from dstheory import TwoStageMDP
    >>> right_first_time = Recorded(Trajectories.record([(0, [(0, "stop")])]))
    >>> right_first_time.visits(TwoStageMDP.minimal()).sample.tolist()  # the wrong answer is never visited
    [[[1.0, 0.0]]]
    """

    episodes: Trajectories

    def visits(self, mdp: TwoStageMDP) -> CoefficientMass:
        """Return the weighted counts.

        Raises:
            ChainError: a recorded prompt, answer or length does not exist in the chain.
        """
        self.episodes.check_fits(mdp)
        once = np.ones(len(self.episodes.stop))
        return mass_of_steps(mdp, self.episodes, once, once)

    def trajectories(self, solution: Solution) -> Policy | Trajectories:
        """Return the recorded trajectories."""
        return self.episodes

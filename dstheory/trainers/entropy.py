"""The entropy bonus of trainers, where lengths divide it, or not all responses count."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.objectives import EntropyBonus
from dstheory.objectives.expectation.exponential import EffectiveCredit, response_mass
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.groups import effective_credit
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.parts import Normaliser
from dstheory.objectives.responses import Term
from dstheory.objectives.settings import whole_responses
from dstheory.objectives.weights import TokenWeight


@dataclass(frozen=True, eq=False)
class EntropyItself(EntropyBonus):
    r"""An entropy bonus as libraries differentiate it: the entropy of each state that is visited, not a score.

    At a state the gradient is :math:`E[u] \nabla H`, where u is one over what divides the response's tokens, 0 where it does not
    count: a mean over all that may be done there, so that u does not go with the action taken.

    Args:
        masked: ``"numerator"`` or ``"both"`` where responses that the cap cuts off are masked, as in group objectives.

    Source: derived here.
    """

    masked: str = "none"

    def inheriting(self, normaliser: tuple[Normaliser, Grouping] | None) -> EntropyItself:
        """Return itself: what divides it was given."""
        return self

    def outcome_of(self, under: Solution) -> ResponseReward:
        """Return correctness, and whether the tokens of truncated responses are counted."""
        return replace(super().outcome_of(under), uncounted=self.masked == "both")

    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the bonus of single responses, each state's times the mean of what divides the responses that reach it."""
        found = [Term(effective_credit(None, *self.divided_by, under, outcome))]
        if self.masked != "none":
            found = whole_responses(found, under, outcome)
        masses = [response_mass(under, term.reward or outcome.reward, term.credit) for term in found]
        mass = sum(masses[1:], start=masses[0])
        reached = (under.finite_visits * under.mdp.prompt_weight)[..., None]
        asked = reached * under.unrolled.sample * under.unrolled.decided
        here, there = (
            np.divide(of, below, out=np.zeros_like(of), where=below > 0)
            for of, below in ((mass.sample.sum(axis=-1, keepdims=True), reached), (mass.stop + mass.resample, asked))
        )
        of_state = TokenWeight(here, there, there)
        one = EffectiveCredit(np.zeros(1), np.ones((1, under.mdp.shape[0])), np.zeros((1, under.mdp.shape[0])))
        return (Term(one, self.weighted(self.per_token(solution), solution).times(of_state)),)

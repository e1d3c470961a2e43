r"""Objectives made of parts: credit x token weight x normaliser, under the measure of whoever generates the responses.

The coefficient of an action is a sum of terms, each the product of

* an *effective credit* f(R, L), the same for all tokens of a response (:mod:`dstheory.objectives.expectation.groups`), and
* a *token weight* that depends on the action alone (:mod:`dstheory.objectives.weights`), 1 if left out.

From that follow both things that an objective states: its rule on trajectories, and its mass, which is the mass of f on the
generating chain (:mod:`dstheory.objectives.expectation.exponential`) times the token weight.

Source: derived here.
"""

from __future__ import annotations

import functools
import operator
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, reject
from dstheory.errors import OneRunError
from dstheory.objectives.base import Objective
from dstheory.objectives.expectation.exponential import (
    EffectiveCredit,
    response_beside,
    response_contrast,
    response_mass,
    response_reweighted,
    with_rare_decisions,
)
from dstheory.objectives.expectation.rewards import ResponseReward, RewardTable, reward_of
from dstheory.objectives.mass import CoefficientMass
from dstheory.objectives.rounding import directed
from dstheory.objectives.weights import TokenWeight

_ONE = np.ones((1, 1, 1))

__all__ = ["ResponseObjective", "Term", "response_lengths"]


@dataclass(frozen=True, eq=False)
class Term:
    """One product: an effective credit, and a token weight or None for 1; of the objective's reward, unless it has its own.

    Its mass may be known of another chain alone, with another credit: of rewards that are too rare for numbers.

    >>> term = Term(EffectiveCredit(t=np.zeros(1), constant=np.array([[-0.5]]), slope=np.array([[1.0]])))  # R - 1/2
    >>> term.scaled(0.1).credit.slope.tolist(), term.weight is None
    ([[0.1]], True)
    """

    credit: EffectiveCredit
    weight: TokenWeight | None = None
    reward: RewardTable | None = None
    raised: tuple[Solution, EffectiveCredit] | None = None

    def scaled(self, factor: float | Floats) -> Term:
        """Return the product times a number, or times one per run and prompt."""
        raised = None if self.raised is None else (self.raised[0], self.raised[1].scaled(factor))
        return replace(self, credit=self.credit.scaled(factor), raised=raised)


def response_lengths(solution: Solution, trajectories: Trajectories) -> Floats:
    """Return the tokens L of each response, (n,): its answers and its decisions.

    Raises:
        ChainError: the lengths differ between runs.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(sample_length=[[5, 9]]), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> response_lengths(s, Trajectories.record([(0, [(1, "resample"), (0, "stop")])])).tolist()
    [16.0]
    """
    t, mdp = trajectories, solution.mdp
    if mdp.sample_length.ndim > 2 or mdp.decision_length.ndim > 2:
        raise OneRunError("the lengths have runs, but those of trajectories are those of one run: pick one")
    at = t.step_prompt, t.answer
    return t.sum(mdp.sample_length[at] + np.where(t.decided, mdp.decision_length[at], 0.0))


class ResponseObjective(Objective):
    """An objective whose coefficients are effective credits of whole responses times token weights.

    >>> from dstheory.objectives import DPO, GRPO
    >>> issubclass(GRPO, ResponseObjective), issubclass(DPO, ResponseObjective)
    (True, False)
    """

    @abstractmethod
    def generated(self, solution: Solution) -> Solution:
        """Return the chain under the policy that generates the responses."""

    def outcome_of(self, under: Solution) -> ResponseReward:
        """Return the reward R of a response on the generating chain: correctness, unless a subclass pays for something else."""
        return reward_of(under, "correct")

    @abstractmethod
    def terms(self, solution: Solution, under: Solution, outcome: ResponseReward) -> tuple[Term, ...]:
        """Return the terms, given the chain under the policy, the one that generates, and the reward."""

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        """Return the policy that generates the responses."""
        return self.generated(solution).policy

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the sum over terms of f(R, L) times the token weight of each action.

        Raises:
            ChainError: infinite terms of both signs meet.
        """
        under = self.generated(solution)
        outcome, none = self.outcome_of(under), np.zeros(len(trajectories.answer))
        return self._added(none, none, self.terms(solution, under, outcome), solution, trajectories, under, outcome)

    def _added(
        self,
        c_s: Floats,
        c_d: Floats,
        terms: Iterable[Term],
        solution: Solution,
        t: Trajectories,
        under: Solution,
        outcome: ResponseReward,
    ) -> tuple[Floats, Floats]:
        """Return coefficients of every step, (m,) each, plus those of terms.

        Raises:
            ChainError: infinite terms of both signs meet.
        """
        reward, length = outcome.reward.total(under, t), response_lengths(solution, t)
        for term in terms:
            own = reward if term.reward is None else term.reward.total(under, t)
            s, d = self.of_term(term, solution, t, own, length)
            with np.errstate(invalid="ignore"):
                c_s, c_d = c_s + s, c_d + d
        for c in (c_s, c_d):
            reject(np.isnan(c), c, "coefficient", "must be a number", "the two policies are too far apart there", axes=("step",))
        return c_s, c_d

    def coefficients_of_runs(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats] | None:
        """Return the same where credits are one number per prompt; None where they depend on a response."""
        t, under = trajectories, self.generated(solution)
        c_s = c_d = np.zeros(len(t.answer))
        for term in self.terms(solution, under, self.outcome_of(under)):
            if not term.credit.same or term.credit.t.any():
                return None
            f = term.credit.constant.sum(axis=0)[..., t.step_prompt]
            w_s, w_d = (1.0, 1.0) if term.weight is None else term.weight.of_runs(solution, t)
            c_s, c_d = c_s + f * w_s, c_d + np.where(t.decided, f * w_d, 0.0)
        return c_s, c_d

    @staticmethod
    def of_term(term: Term, solution: Solution, t: Trajectories, reward: Floats, length: Floats) -> tuple[Floats, Floats]:
        """Return what one term gives to the answer and to the decision of every step, (m,) each."""
        f = term.credit.at(t.prompt, reward, length)[t.episode]
        if term.weight is None:
            return f, np.where(t.decided, f, 0.0)
        w_s, w_d = term.weight.of_steps(solution, t)
        with np.errstate(over="ignore", invalid="ignore"):  # ratios may be infinite here
            return np.where(f == 0.0, 0.0, f * w_s), np.where(t.decided & (f != 0.0), f * w_d, 0.0)

    def _known_mass(self, solution: Solution) -> CoefficientMass | None:
        """Return the mass, with its digits, where it is found otherwise than from the terms; None where it is not."""
        return None

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the sum over terms of the mass of f on the generating chain times the token weight, unless it is known."""
        if (known := self._known_mass(solution)) is not None:
            return known
        under = self.generated(solution)
        outcome = self.outcome_of(under)
        terms = self.terms(solution, under, outcome)
        found = ((term, *(term.raised or (under, term.credit))) for term in terms)
        return _sum(response_mass(chain, term.reward or outcome.reward, credit, term.weight) for term, chain, credit in found)

    def centred(self, solution: Solution) -> CoefficientMass:
        """Return the same up to a number that actions share, on policy and beside a policy that demonstrates."""
        if (known := self._known_mass(solution)) is not None:
            return known
        under = self.generated(solution)
        outcome = self.outcome_of(under)

        def of(term: Term) -> CoefficientMass:
            reward, shared = term.reward or outcome.reward, np.ones(()) if term.weight is None else term.weight.common
            chain, credit = term.raised or (under, term.credit)
            if under is solution and shared is not None:
                return response_contrast(chain, reward, credit).weighted(shared, shared, shared)
            weight = term.weight or TokenWeight(_ONE, _ONE, _ONE)
            if weight.own is not None:
                return response_reweighted(solution.policy, chain, reward, credit, weight)
            known = weight.apart is not None or np.array_equal(weight.stop, weight.resample)
            if under is not solution and weight.beyond is None and known:
                return response_beside(solution.policy, chain, reward, credit, weight)
            mass = response_mass(chain, reward, credit, term.weight)
            return mass if weight.beyond is None else with_rare_decisions(solution.policy, mass)

        return _sum(of(term) for term in self.terms(solution, under, outcome))


def _sum(masses: Iterable[CoefficientMass]) -> CoefficientMass:
    each = list(masses)
    found = functools.reduce(operator.add, each)
    return found.rounded(functools.reduce(operator.add, map(abs, each))) if directed() and len(each) > 1 else found

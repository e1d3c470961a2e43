r"""Surrogate rewards: REINFORCE in its three classical forms. One gradient, three coefficient rules.

.. math:: \nabla J = E_\pi \Big[ \sum_k G(\tau) (\nabla \log \pi_s + \nabla \log \pi_d) \Big], \qquad J = E_x[V(x)].

Replacing the return G by the return to go, or by the advantage, changes the coefficients and leaves the expectation (policy
gradient theorem): the three differ by baselines, functions of what is known before the action is drawn.

Source: arXiv 2601.01580, section 4.1 (surrogate rewards); Williams (1992); Sutton et al. (2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.objectives.base import CoefficientMass, Objective, on_policy_mass, one_number
from dstheory.objectives.fused import FusedTerms
from dstheory.objectives.parts.groups import Grouping
from dstheory.objectives.parts.normaliser import Normaliser, PerResponse
from dstheory.objectives.registry import register

__all__ = ["ActorCritic", "Reinforce", "RewardToGo"]


class _ExpectedReturn(Objective):
    """What the three forms share: the scalar they ascend and its exact gradient."""


    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        """Return the number of responses: tokens are summed."""
        return PerResponse(), Grouping()

    def value(self, solution: Solution) -> Floats:
        """Return E_x[V(x)], (*runs,)."""
        return solution.mean_value

    def fused_terms(self, solution: Solution) -> FusedTerms | None:
        """Return the reward alone."""
        return FusedTerms(reward=1.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass with action values as coefficients: what came before the action has mean zero against its score."""
        v = solution.values
        gw = solution.mdp.gamma_within[..., None, None, None]
        return on_policy_mass(
            solution, solution.discounted_visits, sample=v.q_sample, stop=gw * v.q_stop, resample=gw * v.q_resample
        )


@register
@dataclass(frozen=True, eq=False)
class Reinforce(_ExpectedReturn):
    """REINFORCE with the whole return of the trajectory at every stage of every turn.

    >>> from dstheory import TwoStageMDP, Policy, solve
    >>> g = Reinforce().gradient(solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5)))
    >>> g.decide.round(6).tolist()  # stop is pushed up at the correct answer, down at the wrong one
    [[[0.125, -0.125]]]
    """

    name = "reinforce"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return G(tau) at both stages."""
        g = trajectories.returns(solution.mdp)[trajectories.episode]
        return g, np.where(trajectories.decided, g, 0.0)


@register
@dataclass(frozen=True, eq=False)
class RewardToGo(_ExpectedReturn):
    """REINFORCE with the return from the action on.

    Args:
        outer_discount: keep the factor gamma^t in front of the return to go. Training code drops it; the result is then not
            the gradient of the discounted return, and with a discount per stage the two coefficients differ by a factor gamma.

    >>> from dstheory import Policy, Trajectories, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=0.5, discount_per="stage"), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> c_s, c_d = RewardToGo(outer_discount=False).coefficients(s, Trajectories.record([(0, [(0, "stop")])]))
    >>> c_s.tolist(), c_d.tolist()
    ([0.5], [1.0])
    """

    outer_discount: bool = True

    name = "reward-to-go"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the return to go at each stage, with or without the outer discount."""
        mdp = solution.mdp
        gw, gb = one_number(mdp.gamma_within, "gamma"), one_number(mdp.gamma_between, "gamma")
        to_go = trajectories.returns_to_go(mdp)
        if self.outer_discount:
            c_s = (gw * gb) ** trajectories.turn * to_go
            return c_s, np.where(trajectories.decided, c_s, 0.0)
        # Seen from the decision, one stage later, the return to go is G_k / gamma_w: sum it afresh, gamma_w may be 0.
        at_decision = trajectories.rewards(mdp) + gb * _next_step(trajectories, to_go)
        return to_go, np.where(trajectories.decided, at_decision, 0.0)

    def fused_terms(self, solution: Solution) -> FusedTerms | None:
        """Return the reward alone; without the outer discount it is another gradient."""
        return super().fused_terms(solution) if self.outer_discount else None

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass; without the outer discount every turn counts as often as it is reached."""
        if self.outer_discount:
            return super().mass(solution)
        v = solution.values
        return on_policy_mass(solution, solution.finite_visits, sample=v.q_sample, stop=v.q_stop, resample=v.q_resample)

    def value(self, solution: Solution) -> Floats | None:  # type: ignore[override]
        """Return E_x[V(x)], or None when the outer discount is dropped: no simple scalar has that gradient."""
        if self.outer_discount or bool((solution.mdp.gamma == 1.0).all()):
            return solution.mean_value
        return None


@register
@dataclass(frozen=True, eq=False)
class ActorCritic(_ExpectedReturn):
    """The advantage form: baselines V(x) at the sampling stage and V_d(x, y) at the decision stage are subtracted.

    >>> from dstheory import Policy, Trajectories, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> c_s, c_d = ActorCritic().coefficients(s, Trajectories.record([(0, [(0, "stop")])]))
    >>> c_s.round(12).tolist(), c_d.round(12).tolist()  # right instead of average; accepted instead of average
    ([0.3], [0.1])
    """

    name = "advantage"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the discounted advantages of the action taken at each stage."""
        mdp, t = solution.mdp, trajectories
        gw = one_number(mdp.gamma_within, "gamma")
        discount = (gw * one_number(mdp.gamma_between, "gamma")) ** t.turn
        k = t.turn if solution.capped else np.zeros_like(t.turn)
        at = k, t.step_prompt, t.answer
        chosen = np.where(t.stop, solution.advantage_stop[at], solution.advantage_resample[at])
        return discount * solution.advantage_sample[at], np.where(t.decided, discount * gw * chosen, 0.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of the advantages."""
        gw = solution.mdp.gamma_within[..., None, None, None]
        return on_policy_mass(
            solution,
            solution.discounted_visits,
            sample=solution.advantage_sample,
            stop=gw * solution.advantage_stop,
            resample=gw * solution.advantage_resample,
        )


def _next_step(trajectories: Trajectories, per_step: Floats) -> Floats:
    """Return the quantity one step later, 0 at the end of each trajectory."""
    after = np.append(per_step[1:], 0.0)
    after[trajectories.offsets[1:] - 1] = 0.0
    return after

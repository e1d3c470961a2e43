r"""Surrogate rewards: REINFORCE in its three classical forms (one gradient, three coefficient rules), and SCoRe's shaped reward.

.. math:: \nabla J = E_\pi \Big[ \sum_k G(\tau) (\nabla \log \pi_s + \nabla \log \pi_d) \Big], \qquad J = E_x[V(x)].

Replacing the return G by the return to go, or by the advantage, changes the coefficients and leaves the expectation (policy
gradient theorem): the three differ by baselines, functions of what is known before the action is drawn.

**SCoRe** pays progress from a first to a second attempt. The first attempt is the first answer, the second is what is submitted:
a policy that stops at its first answer keeps it. With r = 1 for a correct answer, the first attempt pays :math:`r_1`, the second
:math:`r_2 + \alpha (r_2 - r_1)`, in two readings that differ:

* *summed*: every token gets :math:`(1 - \alpha) r_1 + (1 + \alpha) r_2`: for alpha > 1 a wrong first answer pays *more*
  than a right one, if a right one follows;
* *per attempt*: the tokens of the first answer get :math:`r_1`, all later ones, the decision to keep or to replace it included,
  what the second attempt pays. The first answer is then paid for being right, whatever alpha.

On a chain of two turns this is SCoRe with a policy that may also repeat its answer by stopping; on longer chains all that comes
after the first answer belongs to the second attempt.

Source: arXiv 2601.01580, section 4.1 (surrogate rewards); Williams (1992); Sutton et al. (2000); SCoRe arXiv 2409.12917 (two
attempts, alpha = 10); the difference between the readings is derived here.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, numbers_only
from dstheory.errors import ChainError, OneRunError
from dstheory.objectives.base import Objective
from dstheory.objectives.expectation.exponential import EffectiveCredit, moments, response_contrast
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.rewards import reward_of
from dstheory.objectives.fused import FusedTerms
from dstheory.objectives.large_groups import gradient_of_accuracy
from dstheory.objectives.mass import CoefficientMass, StageGradient, contrast_mass, one_number
from dstheory.objectives.parts import Normaliser, PerResponse
from dstheory.objectives.registry import register

_BLOCK_PAIRS = 1 << 15  # (prompt, answer) pairs that are finished while they are in the cache


class _ExpectedReturn(Objective):
    """What the three forms share: the scalar they ascend and its exact gradient."""

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        return PerResponse(), Grouping()

    def value(self, solution: Solution) -> Floats:
        return solution.mean_value

    def fused_terms(self, solution: Solution) -> FusedTerms | None:
        return FusedTerms(reward=1.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass with action values as coefficients: what came before the action has mean zero against its score."""
        found, gw = solution.contrast, solution.mdp.gamma_within[..., None, None, None]
        found = replace(found, stop=gw * found.stop, resample=gw * found.resample)  # a decision comes one stage later
        return contrast_mass(solution, solution.discounted_visits, found)


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

    def coefficients_of_runs(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the same: the policy does not enter."""
        return Reinforce.coefficients(self, solution, trajectories)


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
        return contrast_mass(solution, solution.finite_visits, solution.contrast)

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
        at = t.index(by_turn=solution.capped)
        chosen = np.where(t.stop, solution.advantage_stop[at], solution.advantage_resample[at])
        return discount * solution.advantage_sample[at], np.where(t.decided, discount * gw * chosen, 0.0)


def _next_step(trajectories: Trajectories, per_step: Floats) -> Floats:
    """Return the quantity one step later, 0 at the end of each trajectory."""
    after = np.append(per_step[1:], 0.0)
    after[trajectories.offsets[1:] - 1] = 0.0
    return after


@dataclass(frozen=True, eq=False)
class _SCoRe(Objective):
    """What the readings share.

    Args:
        alpha: how much progress is paid, >= 0.
    """

    alpha: float = 10.0

    def __post_init__(self) -> None:
        numbers_only(self)
        if np.ndim(self.alpha):
            raise OneRunError("alpha has runs, but that of an attempt is one number: pick one run")
        if not (np.isfinite(self.alpha) and self.alpha >= 0):
            raise ChainError(f"alpha is {self.alpha}: must be finite and >= 0, how much progress is paid; 0 pays attempts alone")

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        return PerResponse(), Grouping()

    @property
    @abstractmethod
    def at_first(self) -> float:
        """What a right first answer pays, beside what the second attempt does."""

    def _share(self, solution: Solution) -> Floats:
        """Return the share of visits whose answers get what the second attempt pays, broadcastable to (*runs, T', X, Y)."""
        return np.ones(())

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of what the submitted answer pays, and of what the first one does, known once it is drawn."""
        one = np.ones(())
        return self._second(solution).weighted(self._share(solution), one, one) + self._first(solution).scaled(self.at_first)

    def _in_one_pass(self, solution: Solution) -> StageGradient | None:
        """Return the gradient: what the second attempt pays from a compiled loop, what the first one does added to it."""
        found = gradient_of_accuracy(solution)
        if found is None:
            return None
        from dstheory.kernels.parallel import over_rows

        (_, gradient), mdp, policy = found, solution.mdp, solution.policy
        share = np.broadcast_to(self._share(solution), (1, len(mdp.prompt_weight), 1))

        def finish(start: int, stop: int) -> None:
            rows = slice(start, stop)
            pi, right = policy.sample_prob[0, rows], mdp.correct[rows] > 0
            chances = (np.where(of, pi, 0.0).sum(axis=-1, keepdims=True) for of in (right, ~right))
            at_right, at_wrong = (self.at_first * mdp.prompt_weight[rows, None] * chance for chance in chances)
            gradient.decide[0, rows] *= 1.0 + self.alpha
            gradient.sample[0, rows] *= (1.0 + self.alpha) * share[0, rows]
            gradient.sample[0, rows] += pi * np.where(right, at_wrong, -at_right)

        over_rows(finish, len(mdp.prompt_weight), 1, max(1, _BLOCK_PAIRS // mdp.shape[1]))
        return gradient

    @staticmethod
    def _attempts(solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        """Return r1 and r2 of each trajectory, (n,): whether its first answer and its submitted one are correct."""
        right = solution.mdp.correct[t.step_prompt, t.answer]
        return right[t.offsets[:-1]], right[t.offsets[1:] - 1]

    def _second(self, solution: Solution) -> CoefficientMass:
        """Return the mass of (1 + alpha) r2 at every token."""
        outcome = reward_of(solution, "correct")
        one = np.zeros((1, *np.broadcast_shapes(solution.value.shape, solution.mdp.prompt_weight.shape)))
        return response_contrast(solution, outcome.reward, EffectiveCredit(np.zeros(1), one, one + 1.0 + self.alpha))

    @staticmethod
    def _first(solution: Solution) -> CoefficientMass:
        """Return the mass of r1 at the first answer, beyond that of the likeliest answer."""
        pi, right = solution.unrolled.sample, np.broadcast_to(solution.mdp.correct, solution.unrolled.sample.shape)
        beyond = right - np.take_along_axis(right, np.argmax(pi, axis=-1)[..., None], axis=-1)
        turn = (np.arange(pi.shape[-3]) == 0).astype(np.float64)[:, None, None]
        none = np.zeros((1, 1, 1))
        return CoefficientMass(turn * solution.mdp.prompt_weight[:, None] * pi * beyond, none, none)


@register
@dataclass(frozen=True, eq=False)
class SCoReSummed(_SCoRe):
    """SCoRe with the summed shaped return at every token.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(max_turns=2), Policy.minimal(p=0.5, a=0.01, b=0.99))
    >>> bool(SCoReSummed(alpha=10.0).gradient(s).sample[0, 0, 0] > 0), float(SCoReSummed(alpha=0.0).value(s).round(3))
    (True, 1.0)
    """

    name = "score-summed"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return what both attempts pay."""
        t = trajectories
        first, second = self._attempts(solution, t)
        total = (self.at_first * first + (1.0 + self.alpha) * second)[t.episode]
        return total, np.where(t.decided, total, 0.0)

    @property
    def at_first(self) -> float:
        """What it pays by both attempts, less what the second gets for the answer."""
        return 1.0 - self.alpha

    def value(self, solution: Solution) -> Floats:
        """Return the expected shaped return, (*runs,)."""
        _, paid = moments(solution, reward_of(solution, "correct").reward, np.zeros(1))
        second = (paid[0] * solution.mdp.prompt_weight).sum(axis=-1)
        at_once = (solution.unrolled.sample[..., 0, :, :] * solution.mdp.correct).sum(axis=-1)
        return np.asarray((1.0 + self.alpha) * second + (1.0 - self.alpha) * (at_once * solution.mdp.prompt_weight).sum(axis=-1))


@register
@dataclass(frozen=True, eq=False)
class SCoRePerAttempt(_SCoRe):
    """SCoRe with credit per attempt: the first answer gets r1, all tokens after it what the second attempt pays.

    >>> from dstheory import Policy, Trajectories, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(max_turns=2), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> kept, corrected = [(0, [(0, "stop")])], [(0, [(1, "resample"), (0, "submit")])]
    >>> for episodes in kept, corrected:
    ...     c_s, c_d = SCoRePerAttempt(alpha=10.0).coefficients(s, Trajectories.record(episodes, max_turns=2))
    ...     c_s.tolist(), c_d.tolist()
    ([1.0], [1.0])
    ([0.0, 11.0], [11.0, 0.0])
    """

    name = "score-per-attempt"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return r1 at the first answer, and what the second attempt pays everywhere after it."""
        t = trajectories
        first, second = self._attempts(solution, t)
        later = (second + self.alpha * (second - first))[t.episode]
        return np.where(t.turn == 0, self.at_first * first[t.episode], later), np.where(t.decided, later, 0.0)

    @property
    def at_first(self) -> float:
        """One."""
        return 1.0

    def _share(self, solution: Solution) -> Floats:
        """Return the share of visits that are not the first.

        r1 is known before any token of the second attempt is drawn: a baseline there, and left out.
        """
        pol = solution.unrolled
        if solution.capped:
            return (np.arange(pol.sample.shape[-3]) > 0)[:, None, None].astype(np.float64)
        return np.asarray((pol.sample * pol.resample).sum(axis=-1, keepdims=True))

r"""SCoRe's shaped reward for two attempts: progress from the first to the second is paid, in two readings that differ.

The first attempt is the first answer, the second is what is submitted: a policy that stops at its first answer keeps it, so its
second attempt is the first one again. With r = 1 for a correct answer, the first attempt pays :math:`r_1`, the second
:math:`r_2 + \alpha (r_2 - r_1)`.

* **Summed**: every token gets :math:`(1 - \alpha) r_1 + (1 + \alpha) r_2`: for alpha > 1 a wrong first answer is *rewarded*, if a
  right one follows.
* **Per attempt**: the tokens of the first answer get :math:`r_1`, all later ones, the decision to keep or to replace it included,
  what the second attempt pays. The first answer is then paid for being right, whatever alpha.

On a chain of two turns this is SCoRe with a policy that may also repeat its answer by stopping. On longer chains all that comes
after the first answer belongs to the second attempt.

Source: arXiv 2409.12917 (two attempts, alpha = 10); the difference between the readings is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.objectives.base import CoefficientMass, Objective
from dstheory.objectives.parts.groups import Grouping
from dstheory.objectives.parts.normaliser import Normaliser, PerResponse
from dstheory.objectives.parts.outcome import reward_of
from dstheory.objectives.parts.tilted import Nodes, moments, response_mass
from dstheory.objectives.registry import register

__all__ = ["SCoRePerAttempt", "SCoReSummed"]


@dataclass(frozen=True, eq=False)
class _SCoRe(Objective):
    """What the readings share.

    Args:
        alpha: how much progress is paid, >= 0.
    """

    alpha: float = 10.0


    def __post_init__(self) -> None:
        if not (np.isfinite(self.alpha) and self.alpha >= 0):
            raise ChainError(f"alpha is {self.alpha}: must be finite and >= 0, how much progress is paid; 0 pays attempts alone")

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        """Return the number of responses: tokens are summed."""
        return PerResponse(), Grouping()

    @staticmethod
    def attempts(solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        """Return r1 and r2 of each trajectory, (n,): whether its first answer and its submitted one are correct."""
        right = solution.mdp.correct[t.step_prompt, t.answer]
        return right[t.offsets[:-1]], right[t.offsets[1:] - 1]

    def _second(self, solution: Solution) -> CoefficientMass:
        """Return the mass of (1 + alpha) r2 at every token."""
        outcome = reward_of(solution, "correct")
        one = np.zeros((1, *np.broadcast_shapes(solution.value.shape, solution.mdp.prompt_weight.shape)))
        return response_mass(solution, outcome.reward, Nodes(np.zeros(1), one, one + 1.0 + self.alpha))

    @staticmethod
    def _first(solution: Solution) -> Floats:
        """Return the mass of r1 at the first answer, (*runs, T', X, Y)."""
        pi = solution.unrolled.sample
        turn = (np.arange(pi.shape[-3]) == 0).astype(np.float64)[:, None, None]
        return np.asarray(turn * solution.mdp.prompt_weight[:, None] * pi * solution.mdp.correct)


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
        first, second = self.attempts(solution, t)
        total = ((1.0 - self.alpha) * first + (1.0 + self.alpha) * second)[t.episode]
        return total, np.where(t.decided, total, 0.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of what the submitted answer pays, and of what the first one does, known once it is drawn."""
        mass = self._second(solution)
        return CoefficientMass(mass.sample + (1.0 - self.alpha) * self._first(solution), mass.stop, mass.resample)

    def value(self, solution: Solution) -> Floats:
        """Return the expected shaped return, (*runs,)."""
        _, paid = moments(solution, reward_of(solution, "correct").reward, np.zeros(1))
        second = (paid[0] * solution.mdp.prompt_weight).sum(axis=-1)
        return np.asarray((1.0 + self.alpha) * second + (1.0 - self.alpha) * self._first(solution).sum(axis=(-3, -2, -1)))


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
        first, second = self.attempts(solution, t)
        later = (second + self.alpha * (second - first))[t.episode]
        return np.where(t.turn == 0, first[t.episode], later), np.where(t.decided, later, 0.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of r1 at the first answer and of (1 + alpha) r2 after it.

        r1 is known before any token of the second attempt is drawn: a baseline there, and left out.
        """
        mass, visits = self._second(solution), solution.finite_visits
        if solution.capped:
            after = (np.arange(visits.shape[-2]) > 0)[:, None].astype(np.float64)
        else:
            after = 1.0 - 1.0 / visits  # the share of visits that are not the first
        return CoefficientMass(mass.sample * after[..., None] + self._first(solution), mass.stop, mass.resample)

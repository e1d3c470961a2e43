r"""SCoRe's shaped reward: progress between attempts is paid, in two readings that differ.

Attempt 0 pays :math:`r_0`, a later one :math:`r_k + \alpha (r_k - r_{k-1})`, with r = 1 for a correct answer.

* **Summed**: every token gets the sum. With two attempts that is :math:`(1 - \alpha) r_0 + (1 + \alpha) r_1`: for alpha > 1 a
wrong first answer is *rewarded*, if a right one follows.
* **Per attempt**: an answer's tokens get what its own attempt pays, a decision what the attempt that it opens pays (stop opens
  none). The first answer is then paid for being right, whatever alpha.

The sum telescopes: every answer pays :math:`(1 + \alpha) c`, every resampled one :math:`-\alpha c` more, the first
:math:`-\alpha c`.

Source: arXiv 2409.12917 (two attempts, alpha = 10); the difference between the readings is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.exact import Solution, Values, evaluate
from dstheory.objectives.base import CoefficientMass, Objective, on_policy_mass
from dstheory.objectives.registry import register
from dstheory.trajectories import Trajectories

__all__ = ["SCoRePerAttempt", "SCoReSummed"]


@dataclass(frozen=True, eq=False)
class _SCoRe(Objective):
    """What the readings share.

    Args:
        alpha: how much progress is paid, >= 0.
    """

    alpha: float = 10.0

    family = "reward"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.alpha) and self.alpha >= 0):
            raise ChainError(f"alpha is {self.alpha}: must be finite and >= 0, how much progress is paid; 0 pays attempts alone")

    def _payments(self, solution: Solution, t: Trajectories) -> Floats:
        """Return what each attempt pays, (m,)."""
        right = solution.mdp.correct[t.step_prompt, t.answer]
        before = np.concatenate([[0.0], right[:-1]])
        return np.where(t.turn == 0, right, right + self.alpha * (right - before))


@register
@dataclass(frozen=True, eq=False)
class SCoReSummed(_SCoRe):
    """SCoRe with the summed shaped return at every token.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(max_turns=2), Policy.minimal(p=0.5, a=0.01, b=0.99))
    >>> bool(SCoReSummed(alpha=10.0).gradient(s).sample[0, 0, 0] > 0), float(SCoReSummed(alpha=0.0).value(s).round(3))
    (True, 0.995)
    """

    name = "score-summed"
    title = "SCoRe, summed shaped return"
    formula = "c_s = c_d = sum over attempts of r_k + alpha (r_k - r_(k-1))"
    balance = "balanced"
    balanced_when = "always: all tokens of a response get one coefficient"
    ascends = "J = E[sum over attempts of r_k + alpha (r_k - r_(k-1))]"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the sum over attempts."""
        t = trajectories
        total = t.sum(self._payments(solution, t))[t.episode]
        return total, np.where(t.decided, total, 0.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of what is still to be paid, and of what the first answer costs."""
        v, first = self._values(solution), self._first(solution)
        mass = on_policy_mass(solution, solution.finite_visits, sample=v.q_sample, stop=v.q_stop, resample=v.q_resample)
        return CoefficientMass(mass.sample + first, mass.stop, mass.resample)

    def value(self, solution: Solution) -> Floats:
        """Return the expected sum over attempts, (*runs,)."""
        paid = (self._values(solution).value[..., 0, :] * solution.mdp.prompt_weight).sum(axis=-1)
        return np.asarray(paid + self._first(solution).sum(axis=(-3, -2, -1)))

    def _values(self, solution: Solution) -> Values:
        """Return values of the chain in which every answer pays (1 + alpha) c and a resampled one -alpha c more."""
        solution.finite_visits  # an endless chain pays without end: refuse it here, by name  # noqa: B018
        right = solution.mdp.correct[None]
        return evaluate(
            solution.unrolled,
            (1.0 + self.alpha) * right,
            right,
            gamma_within=np.ones(()),
            gamma_between=np.ones(()),
            capped=solution.capped,
            name_prompt=solution.mdp.prompt_name,
        )

    def _first(self, solution: Solution) -> Floats:
        """Return the mass of -alpha c at the first answer, (*runs, T', X, Y)."""
        pi = solution.unrolled.sample
        turn = (np.arange(pi.shape[-3]) == 0).astype(np.float64)[:, None, None]
        return np.asarray(-self.alpha * turn * solution.mdp.prompt_weight[:, None] * pi * solution.mdp.correct)


@register
@dataclass(frozen=True, eq=False)
class SCoRePerAttempt(_SCoRe):
    """SCoRe with credit per attempt: an answer gets what its own attempt pays, a decision what the attempt it opens pays.

    >>> from dstheory import Policy, Trajectories, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(max_turns=2), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> wrong_then_right = Trajectories.record([(0, [(1, "resample"), (0, "submit")])], max_turns=2)
    >>> c_s, c_d = SCoRePerAttempt(alpha=10.0).coefficients(s, wrong_then_right)
    >>> c_s.tolist(), c_d.tolist()
    ([0.0, 11.0], [11.0, 0.0])
    """

    name = "score-per-attempt"
    title = "SCoRe, credit per attempt"
    formula = "c_s = r_k + alpha (r_k - r_(k-1)) of its own attempt, c_d of the attempt it opens"
    balance = "unbalanced"
    balanced_when = "never in general: an answer and its decision belong to different attempts"
    ascends = "no scalar: what an answer does to later attempts is not credited"

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return what each answer's attempt pays, and what the next one pays."""
        t = trajectories
        paid = self._payments(solution, t)
        opened = np.append(paid[1:], 0.0)
        return paid, np.where(t.stop, 0.0, opened)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of each attempt's mean payment.

        Whether the attempt before was right does not depend on this answer: r_(k-1) is a baseline of it, and left out.
        """
        right = solution.mdp.correct
        chance = (solution.unrolled.sample * right).sum(axis=-1)  # (*runs, T', X) that an answer is correct
        if solution.capped:
            first = (np.arange(chance.shape[-2]) == 0)[:, None]
            ahead = np.concatenate([chance[..., 1:, :], np.zeros_like(chance[..., :1, :])], axis=-2)
            share = np.broadcast_to(first, chance.shape).astype(np.float64)
        else:
            ahead, share = chance, 1.0 / solution.finite_visits  # the share of visits that are first ones
        later = (1.0 - share)[..., None]
        own = (1.0 + later * self.alpha) * right
        opened = (1.0 + self.alpha) * ahead[..., None] - self.alpha * right
        return on_policy_mass(solution, solution.finite_visits, sample=own, stop=np.zeros((1, 1, 1)), resample=opened)

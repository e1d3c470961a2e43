r"""Learning from successes: filtered EM with a budget, and the policy given that it will succeed.

*Filtered EM.* Up to M samples per prompt, the first success is kept and imitated. With success probability x the expected update
is :math:`\frac{1 - (1-x)^M}{x} \nabla x`, the gradient of :math:`h_M(x) = \sum_{j \le M} (1 - (1-x)^j)/j` (claim H1): M = 1 is
REINFORCE, M without end the exact EM gradient :math:`\nabla \log x`. The factor is one number per prompt: both stages get it.

*The policy given success* is again a policy of the chain. With :math:`Q` the success probabilities from each state and action on,

.. math::
    \pi_s^+(y) = \pi_s(y) \frac{Q_s(y)}{V}, \qquad \pi_d^+(stop \mid y) = \pi_d(stop \mid y) \frac{Q_d(y, stop)}{Q_s(y)} .

Its trajectories are those of the policy that end correctly, in their proportions: imitating them is an exact EM step, and SFT on
them has the gradient :math:`\nabla \log Acc` (Fisher's identity).

*The self-correction chain* of the literature, next to the chain of decisions and samples: after round t an answer is correct
with probability :math:`Acc_t`. A correct one stays so with probability CL, a wrong one becomes correct with CS:

.. math:: Acc_t = U - \alpha^t (U - Acc_0), \qquad U = \frac{CS}{1 - CL + CS}, \quad \alpha = CL - CS .

A round of the chain with decisions has CL = a + (1-a) p and CS = b p. Both agree after one round; from the second on the
self-correction chain looks again at answers on which the other has stopped, and they differ (claim A6).

Source: arXiv 2512.20169 (filtered EM, proposals conditioned on the answer); h_M, and the form for the chain, a Doob transform,
are derived here; arXiv 2412.19513, 2508.16456 (the chain and its formula); the induced rates are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Bools, Floats, probability, reject, whole_number
from dstheory.objectives.base import Objective
from dstheory.objectives.mass import CoefficientMass
from dstheory.objectives.reward import Reinforce


def rewarding_success(solution: Solution) -> Solution:
    """Return the chain that pays 1 for a correct submission, without discount, under the same policy."""
    return solve(solution.mdp.replace(resample_cost=0.0, gamma=1.0), solution.policy)


def budget_factor(success: ArrayLike, samples: int) -> Floats:
    """Return (1 - (1-x)^M)/x, M at x = 0.

    Raises:
        ChainError: a success probability outside [0, 1], or a budget that is not a whole number >= 1.

    Example:
        >>> budget_factor([0.0, 0.5, 1.0], 3).tolist()
        [3.0, 1.75, 1.0]
    """
    x = probability(success, "success", "it is the success probability of a prompt")
    m = whole_number(samples, "samples", low=1)
    with np.errstate(divide="ignore"):
        kept = -np.expm1(m * np.log1p(-x))  # keeps its digits where x is small
    return np.asarray(np.divide(kept, x, out=np.full(x.shape, float(m)), where=x > 0))


@dataclass(frozen=True, eq=False)
class FirstSuccess(Objective):
    """Keep the first success within M samples, imitate it. Success is correctness, whatever the chain pays.

    A trajectory counts with the expected number of times that it is kept, 1[correct] (1 - (1-x)^M)/x.

    Args:
        samples: M >= 1.

    Example:
        >>> from dstheory import Policy, TwoStageMDP, solve
        >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
        >>> one, two = (FirstSuccess(samples=m).gradient(s).decide for m in (1, 2))
        >>> (two / one).round(12).tolist()  # 2 - Acc
        [[[1.5, 1.5]]]
    """

    samples: int = 1

    name = "first-success"
    family = "imitation"
    title = "the first success within M samples, imitated (filtered EM)"
    formula = "c_s = c_d = 1[correct] (1 - (1-x)^M)/x"
    balance = "balanced"
    balanced_when = "always"
    ascends = "J = E_x[h_M(Acc(x))], h_M(x) = sum over j <= M of (1 - (1-x)^j)/j"

    def __post_init__(self) -> None:
        whole_number(self.samples, "samples", low=1)

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return how often the trajectory is kept, at both stages."""
        t = trajectories
        kept = (self._factor(solution)[t.prompt] * t.returns(rewarding_success(solution).mdp))[t.episode]
        return kept, np.where(t.decided, kept, 0.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the mass of the accuracy's gradient, prompt by prompt times the factor."""
        plain = Reinforce().mass(rewarding_success(solution))
        factor = self._factor(solution)[..., None, :, None]
        return CoefficientMass(plain.sample * factor, plain.stop * factor, plain.resample * factor)

    def value(self, solution: Solution) -> Floats:
        """Return E_x[h_M(Acc(x))], (*runs,)."""
        x = np.clip(solution.accuracy, 0.0, 1.0)[..., None]  # rounding may leave the unit interval
        j = np.arange(1, self.samples + 1)
        with np.errstate(divide="ignore"):
            h = (-np.expm1(j * np.log1p(-x)) / j).sum(axis=-1)
        return np.asarray((h * solution.mdp.prompt_weight).sum(axis=-1))

    def _factor(self, solution: Solution) -> Floats:
        return budget_factor(np.clip(solution.accuracy, 0.0, 1.0), self.samples)


def posterior_policy(solution: Solution) -> Policy:
    """Return the policy conditioned on a correct submission.

    At answers from which no success is possible it stops: it never gives them.

    Raises:
        ChainError: a prompt that is never answered correctly.

    Example:
        >>> from dstheory import TwoStageMDP, solve
        >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.5))
        >>> plus = posterior_policy(s)
        >>> plus.sample_prob.round(6).tolist(), plus.stop_prob.round(6).tolist()
        ([[[0.75, 0.25]]], [[[0.666667, 0.0]]])
    """
    paid = rewarding_success(solution)
    never = paid.value <= 0.0
    reject(never, paid.value, "success probability", "must be positive", "leave out prompts that are never answered correctly",
           axes=("prompt",), prompts=solution.mdp.prompts)  # fmt: skip
    pol, v = paid.unrolled, paid.values
    hope = v.q_sample > 0.0
    alive = (v.value > 0.0)[..., None]  # later turns of a capped chain may be hopeless and are then never reached
    sample = np.where(alive, pol.sample * v.q_sample / np.where(alive, v.value[..., None], 1.0), pol.sample)
    stopped = np.where(pol.decided > 0, pol.stop * v.q_stop, v.q_stop)
    stop = np.where(hope, stopped / np.where(hope, v.q_sample, 1.0), 1.0)
    total = sample.sum(axis=-1, keepdims=True)  # 1 up to rounding
    return Policy.from_probabilities(sample / total, np.clip(stop, 0.0, 1.0))


@dataclass(frozen=True)
class SelfCorrection:
    """Rates of the self-correction chain.

    Args:
        start: Acc_0, accuracy of the first answer.
        keep: CL, probability that a correct answer stays correct in a round.
        repair: CS, probability that a wrong answer becomes correct in a round.

    Raises:
        ChainError: a rate outside [0, 1].

    Example:
        >>> chain = SelfCorrection.induced(p=0.5, a=0.8, b=0.5)
        >>> round(chain.limit, 6), chain.accuracy([0, 1, 2]).round(6).tolist()  # 5/7; the chain with decisions ends at 8/13
        (0.714286, [0.5, 0.575, 0.62375])
    """

    start: float
    keep: float
    repair: float

    def __post_init__(self) -> None:
        for name in ("start", "keep", "repair"):
            probability(getattr(self, name), name, "it is a probability of the self-correction chain")

    @classmethod
    def induced(cls, *, p: float, a: float, b: float) -> SelfCorrection:
        """Return the rates that one round of a chain with decisions has: CL = a + (1-a) p, CS = b p."""
        return cls(p, a + (1 - a) * p, b * p)

    @classmethod
    def counted(cls, held: Bools, decided: Bools) -> SelfCorrection:
        """Return the rates counted on episodes.

        Args:
            held: (n, R) whether the answer held after each round is correct; after a stop the answer stays.
            decided: (n, R - 1) whether the episode was still going before that transition.

        A rate without a single trial is taken to keep what is there: CL = 1, CS = 0.

        Example:
            >>> SelfCorrection.counted(np.array([[0, 1, 1], [1, 1, 1]], bool), np.array([[1, 1], [1, 0]], bool))
            SelfCorrection(start=0.5, keep=1.0, repair=1.0)
        """
        now, then = held[:, :-1], held[:, 1:]
        right, wrong = decided & now, decided & ~now
        keep = (right & then).sum() / right.sum() if right.any() else 1.0
        repair = (wrong & then).sum() / wrong.sum() if wrong.any() else 0.0
        return cls(float(held[:, 0].mean()), float(keep), float(repair))

    @property
    def limit(self) -> float:
        """U, the accuracy after many rounds; the first one's if no answer ever changes."""
        moving = 1.0 - self.keep + self.repair
        return self.repair / moving if moving > 0 else self.start

    def accuracy(self, rounds: ArrayLike) -> Floats:
        """Return Acc_t after t rounds of correction, elementwise."""
        t = np.asarray(rounds, dtype=np.float64)
        return np.asarray(self.limit - (self.keep - self.repair) ** t * (self.limit - self.start))

r"""What an objective is: a coefficient rule under a measure.

.. math::
    g = E_{\tau \sim \mu} \Big[ \sum_k c_s(k, \tau) \nabla \log \pi_s(y_k \mid x)
        + c_d(k, \tau) \nabla \log \pi_d(d_k \mid x, y_k) \Big],

with :math:`\mu = \pi` (on-policy), the reference, or demonstrations, and coefficients that are not differentiated: this is how
training code is written (loss = minus the sum of coefficient x log-probability). Every objective is written for **ascent**.

Only the expected coefficient of each state and action matters for g. Collecting it gives a signed measure, the *coefficient mass*
:math:`m_s(k, x, y) = E_\mu[c_s(k, \tau) 1\{x, y_k = y\}]` and likewise :math:`m_d`; for softmax and logistic policies

.. math:: g_s(k, x, y) = m_s(y) - \pi_s(y) \sum_{y'} m_s(y'), \qquad g_d(k, x, y) = m_d(stop)\,\pi_d(res) - m_d(res)\,\pi_d(stop).

An objective therefore states two things that are checked against each other: its rule on trajectories (``coefficients``) and
its mass in closed form (``mass``).

Source: derived here; the coefficient view is that of arXiv 2601.01580, section 4.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, compact, float_array, readonly, reject
from dstheory.errors import ChainError
from dstheory.objectives.fused import FusedResult, FusedTerms, applies, fused_gradient

if TYPE_CHECKING:
    from dstheory.objectives.parts.groups import Grouping
    from dstheory.objectives.parts.normaliser import Normaliser

__all__ = [
    "CoefficientMass",
    "Measure",
    "Objective",
    "Reduction",
    "StageGradient",
    "check_runs",
    "on_policy_mass",
    "one_number",
    "over_runs",
    "stage_weights",
]

Measure = Literal["policy", "sampler", "reference", "demonstrations", "mixed"]
Reduction = Literal["sum", "mean"]


@dataclass(frozen=True, eq=False)
class StageGradient:
    """The gradient with respect to the logits of both stages, each (*runs, K, X, Y); ``decide`` is that of the logit of stop."""

    sample: Floats
    decide: Floats

    def __add__(self, other: StageGradient) -> StageGradient:
        return StageGradient(self.sample + other.sample, self.decide + other.decide)

    def scaled(self, factor: ArrayLike) -> StageGradient:
        """Return the gradient times a number, or times one number per run."""
        f = over_runs(factor, 3)
        return StageGradient(self.sample * f, self.decide * f)

    def parameters(self, policy: Policy) -> tuple[Floats, ...]:
        """Return the gradient with respect to the policy's parameter blocks."""
        if policy.features is None:
            return self.sample, self.decide
        by_sample, by_decide = policy.features.pull_back(self.sample, self.decide)
        return (by_sample + by_decide,)


@dataclass(frozen=True, eq=False)
class CoefficientMass:
    """Expected coefficient of every action at every state, (*runs, T', X, Y) each, prompt distribution included."""

    sample: Floats
    stop: Floats
    resample: Floats

    def __add__(self, other: CoefficientMass) -> CoefficientMass:
        return CoefficientMass(self.sample + other.sample, self.stop + other.stop, self.resample + other.resample)

    def scaled(self, factor: ArrayLike) -> CoefficientMass:
        """Return the mass times a number, or times one number per run."""
        f = over_runs(factor, 3)
        return CoefficientMass(self.sample * f, self.stop * f, self.resample * f)

    def gradient(self, policy: Policy) -> StageGradient:
        """Return the gradient that this mass has under a policy: the score function of each action times its mass."""
        if policy.shape[0] == 1:  # one set of logits serves every turn, so their masses add up
            m_s, stop, res = (m.sum(axis=-3, keepdims=True) for m in (self.sample, self.stop, self.resample))
        else:
            m_s, stop, res = self.sample, self.stop, self.resample
        total = m_s.sum(axis=-1, keepdims=True)
        return StageGradient(m_s - policy.sample_prob * total, stop * policy.resample_prob - res * policy.stop_prob)


def on_policy_mass(solution: Solution, visits: Floats, *, sample: Floats, stop: Floats, resample: Floats) -> CoefficientMass:
    """Return the mass of coefficients that depend only on turn, state and action, met on the policy's own trajectories.

    Args:
        solution: the chain under the policy.
        visits: (*runs, T', X) weight of each turn, :attr:`Solution.finite_visits` or :attr:`Solution.discounted_visits`.
        sample, stop, resample: coefficients, broadcastable to (*runs, T', X, Y).
    """
    pol = solution.unrolled
    answers = (visits * solution.mdp.prompt_weight)[..., None] * pol.sample
    decisions = answers * pol.decided
    return CoefficientMass(answers * sample, decisions * pol.stop * stop, decisions * pol.resample * resample)


class Objective(ABC):
    """One objective: its rule on trajectories, its coefficient mass in closed form, and what it declares about itself.

    A subclass is a frozen dataclass in a file of its own, decorated with ``@register``. What it declares is tested.
    """

    # What these say is explained at dstheory.about.About; those of this package's objectives come from its table.
    name: ClassVar[str]
    family: ClassVar[str]
    title: ClassVar[str]
    formula: ClassVar[str]
    balance: ClassVar[str]
    balanced_when: ClassVar[str]
    ascends: ClassVar[str]
    source: ClassVar[str] = ""
    claims: ClassVar[tuple[str, ...]] = ()
    measured_on: ClassVar[str] = "policy"
    normalised_by: ClassVar[str] = "responses"
    credits: ClassVar[str | None] = None
    token_model: ClassVar[str] = "any"
    expectation: ClassVar[str] = "closed form"

    @property
    def measure(self) -> Measure:
        """Whose trajectories the expectation is over."""
        return "policy"

    @abstractmethod
    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return c_s and c_d of every step, (m,) each; c_d is 0 where no decision was drawn."""

    @abstractmethod
    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the expected coefficient of every action, in closed form."""

    def fused_terms(self, solution: Solution) -> FusedTerms | None:
        """Return the objective as terms of the compiled loop, or None if it is made of anything else."""
        return None

    def gradient(self, solution: Solution) -> StageGradient:
        """Return the exact (pseudo-)gradient with respect to the logits; large tables take a compiled path where there is one."""
        fast = self._fused(solution)
        return self.mass(solution).gradient(solution.policy) if fast is None else StageGradient(fast.sample, fast.decide)

    def value_and_gradient(self, solution: Solution) -> tuple[Floats, StageGradient]:
        """Return V(x) of the chain's own reward, (*runs, X), and the gradient, in one pass where there is a compiled path."""
        fast = self._fused(solution)
        if fast is None:
            return solution.value, self.mass(solution).gradient(solution.policy)
        return fast.value, StageGradient(fast.sample, fast.decide)

    def _fused(self, solution: Solution) -> FusedResult | None:
        terms = self.fused_terms(solution) if applies(solution) else None
        return None if terms is None else fused_gradient(terms, solution)

    def value(self, solution: Solution) -> Floats | None:
        """Return the scalar J, (*runs,), whose gradient this is, or None if there is no simple one."""
        return None

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        """Return whose trajectories the rule is averaged over: a policy, or recorded trajectories."""
        return solution.policy

    def with_reference(self, reference: Policy) -> Self:
        """Return the same objective with another reference policy; objectives without one return themselves."""
        return self

    def shared_normaliser(self) -> tuple[Normaliser, Grouping] | None:
        """Return by what a loss that adds this reward divides its tokens, for penalties in the same sum; None for no reward."""
        return None

    def inheriting(self, normaliser: tuple[Normaliser, Grouping] | None) -> Self:
        """Return the same objective divided as the reward in its sum is; only penalties that leave it open change."""
        return self

    def magnitude(self, solution: Solution) -> tuple[Floats, Floats]:
        """Return the size of the terms that the gradient of each stage is a difference of, (*runs,) each.

        What is smaller than this times a few units of rounding is what cancellation left, not a gradient.
        """
        mass, pol = self.mass(solution), solution.unrolled
        axes = (-3, -2, -1)
        decide = np.abs(mass.stop) * pol.resample + np.abs(mass.resample) * pol.stop
        return np.asarray(np.abs(mass.sample).sum(axis=axes)), np.asarray(decide.sum(axis=axes))

    def rescaled(self, factor: ArrayLike) -> Objective:
        """Return the objective times a number (or one number per run)."""
        from dstheory.objectives.weighted_sum import WeightedSum

        return WeightedSum((self,), (factor,))

    def __add__(self, other: Objective) -> Objective:
        from dstheory.objectives.weighted_sum import WeightedSum

        return WeightedSum.of(self, other)

    def __mul__(self, factor: ArrayLike) -> Objective:
        return self.rescaled(factor)

    __rmul__ = __mul__


def over_runs(value: ArrayLike, axes: int) -> Floats:
    """Return a number, or an array over runs, with ``axes`` axes of length 1 appended, ready to broadcast.

    >>> over_runs([1.0, 2.0], 2).shape
    (2, 1, 1)
    """
    array = np.asarray(value, dtype=np.float64)
    return array.reshape(array.shape + (1,) * axes)


def check_runs(solution: Solution, **parts: tuple[int, ...]) -> None:
    """Raise ChainError unless the run axes of the chain, the policy and an objective's parts broadcast."""
    shapes = {"policy": solution.policy.runs, "chain": solution.mdp.runs} | parts
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError as error:
        raise ChainError(f"run axes do not fit together: {', '.join(f'{k} {v}' for k, v in shapes.items() if v)}") from error


def one_number(value: ArrayLike, what: str) -> float:
    """Return a number for a rule on trajectories, which are those of one run.

    Raises:
        ChainError: there is one number per run.
    """
    array = float_array(value, what)
    if array.ndim:
        raise ChainError(f"{what} has runs {array.shape}, but coefficients on trajectories are those of one run: pick one")
    return float(array)


def stage_weights(mdp: TwoStageMDP, length_weight: ArrayLike, reduction: Reduction) -> tuple[Floats, Floats]:
    r"""Return the stage weights w_s, w_d, each broadcastable to (*runs, 1, X, Y).

    :math:`w_s = l_s^\lambda, w_d = l_d^\lambda`: lambda = 0 counts each stage once per turn, 1 as often as it has tokens. With
    reduction ``"mean"``, the stage mean, both are divided by :math:`w_s + w_d`, which keeps the total weight of a turn at 1.

    Args:
        length_weight: lambda in [0, 1], a number or an array over runs.
        reduction: ``"sum"`` or ``"mean"``.

    Raises:
        ChainError: lambda outside [0, 1], or an unknown reduction.

    Source: arXiv 2601.01580 (length-weighting); the exponent form is derived here.

    >>> w_s, w_d = stage_weights(TwoStageMDP.minimal(sample_length=16), 0.5, "mean")
    >>> float(w_s[0, 0, 0]), float(w_d[0, 0, 0])
    (0.8, 0.2)
    """
    lam = float_array(length_weight, "length_weight")
    reject(~((lam >= 0) & (lam <= 1)), lam, "length_weight", "must lie in [0, 1]", "0 counts stages, 1 counts tokens", axes=())
    if reduction not in ("sum", "mean"):
        raise ChainError(f"reduction is {reduction!r}: must be 'sum' or 'mean'")
    if lam.ndim:
        return _weights(mdp, lam, reduction)
    # A chain is immutable and training asks for the same weights at every step: powers of a large table are computed once.
    known = mdp.__dict__.setdefault("_stage_weights", {})
    key = float(lam), reduction
    if key not in known:
        known.clear()
        known[key] = _weights(mdp, lam, reduction)
    weights: tuple[Floats, Floats] = known[key]
    return weights


def _weights(mdp: TwoStageMDP, lam: Floats, reduction: Reduction) -> tuple[Floats, Floats]:
    w_s, w_d = (compact(length)[..., None, :, :] ** over_runs(lam, 3) for length in (mdp.sample_length, mdp.decision_length))
    if reduction == "mean":
        total = w_s + w_d
        w_s, w_d = w_s / total, w_d / total
    return readonly(w_s), readonly(w_d)

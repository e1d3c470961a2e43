"""Coefficient masses, the gradients that they have, and checks of strengths and run axes: what every objective stands on.

What a mass is, and why it is enough for a gradient, is at :mod:`dstheory.objectives.base`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.contrast import Contrast
from dstheory.chain.exact import Solution
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, float_array, reject
from dstheory.errors import ChainError, OneRunError
from dstheory.objectives.rounding import directed, rounding_of


@dataclass(frozen=True, eq=False)
class StageGradient:
    """The gradient with respect to the logits of both stages, each (*runs, K, X, Y); ``decide`` is that of the logit of stop.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> g = Reinforce().gradient(solve(TwoStageMDP.minimal(max_turns=1), Policy.minimal(p=0.5, a=0.5, b=0.5)))
    >>> g.sample.tolist(), g.decide.tolist()  # with one turn there is nothing to decide
    ([[[0.25, -0.25]]], [[[0.0, 0.0]]])
    """

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
    """Expected coefficient of every action at every state, (*runs, T', X, Y) each, prompt distribution included.

    On the policy's own trajectories a number added to the coefficients of all actions of a state leaves the gradient as it is;
    masses there may leave such a number out.

    Attributes:
        sample, stop, resample: of answers, and of the two decisions at each.
        sample_size: the size of the terms that ``sample`` is a sum of; None for its own.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import SFT, ExpertChain
    >>> expert = ExpertChain(Policy.minimal(p=0.75, a=0.75, b=0.75))
    >>> mass = SFT(expert).mass(solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5)))
    >>> mass.sample.round(12).tolist(), mass.stop.round(12).tolist()  # what the expert does: 1.6 turns, one stop
    ([[[1.2, 0.4]]], [[[0.9, 0.1]]])
    """

    sample: Floats
    stop: Floats
    resample: Floats
    sample_size: Floats | None = None

    def __add__(self, other: CoefficientMass) -> CoefficientMass:
        size = None if self.sample_size is None and other.sample_size is None else self.terms + other.terms
        return CoefficientMass(self.sample + other.sample, self.stop + other.stop, self.resample + other.resample, size)

    def __abs__(self) -> CoefficientMass:
        return CoefficientMass(np.abs(self.sample), np.abs(self.stop), np.abs(self.resample))

    @property
    def terms(self) -> Floats:
        """The size of the terms that the mass of each answer is a sum of, (*runs, T', X, Y)."""
        return np.abs(self.sample) if self.sample_size is None else self.sample_size

    def scaled(self, factor: ArrayLike) -> CoefficientMass:
        """Return the mass times a number, or times one number per run."""
        f = over_runs(factor, 3)
        return self.weighted(f, f, f)

    def weighted(self, sample: Floats, stop: Floats, resample: Floats) -> CoefficientMass:
        """Return the mass with every action's share weighted."""
        size = None if self.sample_size is None else self.sample_size * np.abs(sample)
        return CoefficientMass(_times(self.sample, sample), _times(self.stop, stop), _times(self.resample, resample), size)

    def rounded(self, size: CoefficientMass) -> CoefficientMass:
        """Return the mass itself; in a direction of rounding, moved by what the rounding of terms of this size may come to."""
        if not directed():
            return self
        moved = (rounding_of(size.sample, answers=True), rounding_of(size.stop), rounding_of(size.resample, minus=True))
        return self + CoefficientMass(*moved)

    def gradient(self, policy: Policy) -> StageGradient:
        """Return the gradient that this mass has under a policy: the score function of each action times its mass."""
        m_s, stop, res = self.sample, self.stop, self.resample
        if policy.shape[0] == 1:  # one set of logits serves every turn, so their masses add up
            m_s, stop, res = (m if m.shape[-3] == 1 else m.sum(axis=-3, keepdims=True) for m in (m_s, stop, res))
        # In place: of large tables, asking for new memory takes most of the time, and now and then several times as long.
        sample = np.asarray(policy.sample_prob * m_s.sum(axis=-1, keepdims=True))
        np.subtract(m_s, sample, out=sample)
        # A row sums to 0. The likeliest answer's entry, of which 1 - pi may leave no digit, is minus the sum of the others.
        np.copyto(sample, 0.0, where=policy.likeliest)
        np.copyto(sample, -sample.sum(axis=-1, keepdims=True), where=policy.likeliest)
        stopping, resampling = np.asarray(stop * policy.resample_prob), np.asarray(res * policy.stop_prob)
        alike = stopping.shape == resampling.shape  # otherwise one of them alone has runs
        decide = np.subtract(stopping, resampling, out=stopping if alike else None)
        for block in (sample, decide):
            block += 0.0  # no -0.0
        return StageGradient(sample, decide)


def _times(table: Floats, weight: Floats) -> Floats:
    """Return a table times a weight; the table itself, not a copy, where the weight is 1."""
    alone = weight.size == 1 and weight.ndim <= table.ndim and weight.item() == 1.0
    return table if alone else table * weight


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


def contrast_mass(solution: Solution, visits: Floats, found: Contrast) -> CoefficientMass:
    """Return the mass of differences between coefficients, from :attr:`Solution.contrast`: of the same gradient, with its digits.

    Args:
        solution: the chain under the policy.
        visits: as in :func:`on_policy_mass`.
        found: coefficients, each up to a number that the actions of its state share.
    """
    mass = on_policy_mass(solution, visits, sample=found.sample, stop=found.stop, resample=found.resample)
    size = (visits * solution.mdp.prompt_weight)[..., None] * solution.unrolled.sample * found.sample_size
    return replace(mass, sample_size=size)


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
        raise OneRunError(f"{what} has runs {array.shape}, but coefficients on trajectories are those of one run: pick one")
    return float(array)


def mass_of_steps(mdp: TwoStageMDP, trajectories: Trajectories, c_s: Floats, c_d: Floats) -> CoefficientMass:
    """Return the mass of coefficients of weighted trajectories, (T', X, Y) each: a weighted count."""
    t = trajectories
    shape = (mdp.max_turns or 1, *mdp.shape)
    flat = np.ravel_multi_index(t.index(by_turn=mdp.max_turns is not None), shape)
    weight = t.weight[t.episode]

    chosen = np.where(t.decided, c_d, 0.0)
    terms = CoefficientMass(*(weight * of for of in (c_s, np.where(t.stop, chosen, 0.0), np.where(t.stop, 0.0, chosen))))

    def sums(of: CoefficientMass) -> CoefficientMass:
        tables = (np.bincount(flat, weights=each, minlength=int(np.prod(shape))) for each in (of.sample, of.stop, of.resample))
        return CoefficientMass(*(np.asarray(table, dtype=np.float64).reshape(shape) for table in tables))

    return sums(terms).rounded(sums(abs(terms))) if directed() else sums(terms)


def log_likelihood(visits: CoefficientMass, policy: Policy) -> Floats:
    """Return the sum of visits x log-probability, (*runs,); what is never visited counts nothing, not NaN.

    >>> v = CoefficientMass(*(np.full((1, 1, 2), n) for n in (1.0, 0.5, 0.5)))
    >>> float(log_likelihood(v, Policy.minimal(p=0.5, a=0.5, b=0.5)).round(6))
    -2.772589
    """
    total: Floats = np.zeros(())
    logs = (policy.log_sample, policy.log_stop, policy.log_resample)
    for mass, log_p in zip((visits.sample, visits.stop, visits.resample), logs, strict=True):
        met = mass != 0
        with np.errstate(invalid="ignore"):
            total = total + np.where(met, mass * np.where(met, log_p, 0.0), 0.0).sum(axis=(-3, -2, -1))
    return total


def check_strength(value: ArrayLike, name: str, otherwise: str) -> None:
    """Raise ChainError unless a strength, or each of an array over runs, is finite and >= 0."""
    array = float_array(value, name)
    reject(~((array >= 0) & np.isfinite(array)), array, name, "must be finite and >= 0", otherwise, axes=())


def check_penalty(name: str, beta: ArrayLike, reference: Policy | None) -> None:
    """Raise ChainError unless beta is a strength, and comes with a reference where it is not 0."""
    check_strength(beta, "beta", "a penalty has no negative strength")
    if np.any(beta) and reference is None:
        raise ChainError(f"{name}: beta is {beta!r} but there is no reference: give reference=, or beta=0")

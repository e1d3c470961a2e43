r"""What a pair of policies achieves, exactly: p, a, b, accuracy and attempts per problem, and per group of problems.

Given the problem, attempts are independent and the decision sees nothing but the current one, so each problem is a minimal
chain M0 with :math:`q = p(1 - a) + (1 - p) b`; with at most T attempts, the last of which is submitted whatever it is,

.. math::
    Acc_T = p a \frac{1 - q^{T-1}}{1 - q} + q^{T-1} p, \qquad E[K] = \frac{1 - q^T}{1 - q}.

A group of problems has pooled p, a, b as one measures them on its rollouts: ratios of expected counts, in which a problem
weighs as often as it is attempted. Sampling of one policy and decisions of another combine freely, which is what the Shapley
split needs.

Source: the two-stage chain of arXiv 2601.01580, section 3; the capped sums are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.anatomy import chain_formulas
from dstheory.arithmetic.exact import AnswerLaw, seen_law
from dstheory.arithmetic.policy import ArithmeticPolicy, length_index
from dstheory.arithmetic.rollouts import checked_cap
from dstheory.chain.gain import GainSplit
from dstheory.checks import Floats, Ints

__all__ = ["Outcomes", "Pooled", "Split", "outcomes", "shapley_split"]


@dataclass(frozen=True)
class Pooled:
    """One group of problems: what its rollouts estimate, and what its episodes achieve. All exact expectations."""

    p: float
    a: float
    b: float
    first: float
    """P(correct) averaged over problems: the accuracy of first answers; p is averaged over attempts."""
    accuracy: float
    attempts: float
    predicted: float
    """Accuracy that the minimal chain with these p, a, b has under the same cap: exact only if all problems are alike."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """N problems under one pair of policies, (N,) each.

    Attributes:
        p, a, b: P(correct), P(stop | correct), P(resample | wrong) of an attempt.
        cap: T.
    """

    p: Floats
    a: Floats
    b: Floats
    cap: int

    @property
    def accuracy(self) -> Floats:
        """P(the answer submitted is correct)."""
        return chain_formulas.accuracy(self.p, self.a, self.b, self.cap)

    @property
    def attempts(self) -> Floats:
        """Expected number of attempts."""
        return chain_formulas.attempts(self.p, self.a, self.b, self.cap)

    def pooled(self, which: Ints | slice = slice(None)) -> Pooled:
        """Return the pooled figures of some of the problems, each met equally often."""
        p, a, b = self.p[which], self.a[which], self.b[which]
        q = chain_formulas.resampling(p, a, b)
        visits, decided = (chain_formulas.geometric_sum(q, turns) for turns in (self.cap, self.cap - 1))
        pooled_p = float((visits * p).sum() / visits.sum())
        # With T = 1 nothing is ever decided; the rates are then those of the decisions that would have been.
        weight = decided if decided.sum() > 0 else visits
        pooled_a = float((weight * p * a).sum() / (weight * p).sum())
        pooled_b = float((weight * (1 - p) * b).sum() / (weight * (1 - p)).sum())
        return Pooled(
            pooled_p, pooled_a, pooled_b,
            first=float(p.mean()),
            accuracy=float(self.accuracy[which].mean()),
            attempts=float(visits.mean()),
            predicted=float(chain_formulas.accuracy(pooled_p, pooled_a, pooled_b, self.cap)),
        )  # fmt: skip


@dataclass(frozen=True)
class Split:
    """An accuracy gain and its two parts; ``sample + decide == gain`` up to rounding."""

    gain: float
    sample: float
    decide: float

    @property
    def decision_share(self) -> float:
        """Share of the gain due to decisions; leaves [0, 1] when the parts have opposite signs; NaN where there is no gain."""
        return self.decide / self.gain if abs(self.gain) > 1e-12 else float("nan")


def outcomes(sampling: AnswerLaw, decision: ArithmeticPolicy, *, cap: int) -> Outcomes:
    """Return what the sampling of one policy (its answer law) and the decisions of another achieve together.

    Raises:
        ArithmeticTaskError: a cap below 1, or a check whose law is not known exactly.

    >>> from dstheory.arithmetic import Problems, start_policy
    >>> from dstheory.arithmetic.exact import answer_law
    >>> policy = start_policy(rng=0)
    >>> o = outcomes(answer_law(policy, Problems.of([(1234, 5678)])), policy, cap=6)
    >>> [float(v[0].round(3)) for v in (o.p, o.a, o.b, o.accuracy)]
    [0.764, 0.781, 0.303, 0.783]
    """
    cap = checked_cap(cap)
    right, wrong = seen_law(sampling, decision.checks)
    stop = decision.stop_prob[:, length_index(sampling.problems.size.sum(axis=1))].T
    p, mass = sampling.right, wrong.sum(axis=1)
    a = (right * stop).sum(axis=1) / p
    b = np.divide((wrong * (1.0 - stop)).sum(axis=1), mass, out=np.ones_like(mass), where=mass > 0)
    return Outcomes(p, a, b, cap)


def shapley_split(
    before: tuple[AnswerLaw, ArithmeticPolicy],
    after: tuple[AnswerLaw, ArithmeticPolicy],
    *,
    cap: int,
    which: Ints | slice = slice(None),
) -> Split:
    """Split the accuracy gain between two pairs of policies on the same problems (the rule of :mod:`dstheory.chain.gain`).

    Args:
        before, after: answer law and policy of each; the decisions are the policy's.
        cap: T.
        which: of the problems.
    """
    def accuracy(sampling: AnswerLaw, decision: ArithmeticPolicy) -> Floats:
        return np.asarray(outcomes(sampling, decision, cap=cap).accuracy[which].mean())

    parts = GainSplit.of_corners(
        s0d0=accuracy(before[0], before[1]),
        s0d1=accuracy(before[0], after[1]),
        s1d0=accuracy(after[0], before[1]),
        s1d1=accuracy(after[0], after[1]),
    )
    return Split(float(parts.gain), float(parts.sample), float(parts.decide))

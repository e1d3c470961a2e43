r"""KL penalties as training code writes them: an estimator, in the loss or in the reward, with the normaliser of the rest.

With :math:`\ell = \log(\pi/ref)` of an action that the policy drew, the coefficients per unit of the normaliser are

=====================  =========================  ======================================================
estimator              coefficient                expected gradient (sum over tokens)
=====================  =========================  ======================================================
k1 in the loss         -beta                      zero; with 1/L_i it is -beta grad E[1/L]
k2 in the loss         -beta l                    reverse KL of every visited state, states frozen
k3 in the loss         -beta (1 - exp(-l))        forward KL of every visited state, states frozen
k1 in the reward       -beta sum of l             reverse KL of whole trajectories, states credited
=====================  =========================  ======================================================

A stage counts as one action; where the tokens of an answer are independent that is exact for all four.
On-policy distillation is the second with a teacher as reference and beta = 1, over tokens.

Source: estimators after Schulman (2020), http://joschu.net/blog/kl-approx.html; placement arXiv 2510.01555 and the code of TRL
and verl; on-policy distillation arXiv 2306.13649; the expectations under each normaliser are derived here.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from math import inf
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, float_array, reject
from dstheory.objectives.base import check_runs, over_runs
from dstheory.objectives.kl import log_ratios, reference_excess
from dstheory.objectives.parts.credit import Raw
from dstheory.objectives.parts.groups import Grouping, effective_credit
from dstheory.objectives.parts.normaliser import Normaliser, PerResponse, PerToken, normaliser_named
from dstheory.objectives.parts.outcome import Outcome, Reward, reward_of
from dstheory.objectives.parts.tilted import moments
from dstheory.objectives.registry import register
from dstheory.objectives.responses import ResponseObjective, Term
from dstheory.objectives.weights import TokenWeight

__all__ = ["Distillation", "K1Loss", "K1Reward", "K2Loss", "K3Loss"]


@dataclass(frozen=True, eq=False)
class _Estimator(ResponseObjective):
    """What the estimators share.

    Args:
        reference: the policy that is stayed close to.
        beta: strength >= 0, a number or an array over runs.
        normaliser: by name or as a part: ``"responses"``, ``"response-tokens"``, ``"group-tokens"``, ``"batch-tokens"``; None to
            inherit that of the reward in the same sum, and responses where there is none.
        group_size, prompts: of the normaliser, where it is given; inf for the limit.
        inherited: the normaliser and the sizes of that reward; sums set it.
    """

    reference: Policy
    beta: ArrayLike = 0.1
    normaliser: str | Normaliser | None = None
    group_size: float = 8
    prompts: float = inf
    inherited: tuple[Normaliser, Grouping] | None = None


    def __post_init__(self) -> None:
        beta = float_array(self.beta, "beta")
        reject(~((beta >= 0) & np.isfinite(beta)), beta, "beta", "must be finite and >= 0",
               "a penalty has no negative strength", axes=())  # fmt: skip
        self.divided_by  # checks the normaliser and its sizes  # noqa: B018

    @property
    def divided_by(self) -> tuple[Normaliser, Grouping]:
        """The normaliser in force and its sizes: the given one, else the inherited one, else responses."""
        if self.normaliser is None and self.inherited is not None:
            return self.inherited
        return normaliser_named(self.normaliser or "responses"), Grouping(self.group_size, self.prompts)

    def inheriting(self, normaliser: tuple[Normaliser, Grouping] | None) -> Self:
        """Return the penalty divided as the reward in its sum is, unless its own normaliser is given."""
        return replace(self, inherited=normaliser) if self.normaliser is None else self

    def with_reference(self, reference: Policy) -> Self:
        """Return the penalty to another reference."""
        return replace(self, reference=reference)

    def generated(self, solution: Solution) -> Solution:
        """Return the chain under the policy."""
        return solution

    def outcome_of(self, under: Solution) -> Outcome:
        """Return correctness, which no coefficient looks at."""
        return reward_of(under, "correct")

    def terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return beta times the estimator's coefficient, over the normaliser."""
        self._check(solution)
        strength = over_runs(self.beta, 3)
        credit = effective_credit(None, *self.divided_by, under, outcome)
        return (Term(credit, self.per_token(solution).map(lambda c: strength * c)),)

    def _check(self, solution: Solution) -> None:
        self.reference.check_fits(solution.mdp, "reference")
        check_runs(solution, reference=self.reference.runs, beta=np.shape(self.beta))

    @abstractmethod
    def per_token(self, solution: Solution) -> TokenWeight:
        """Return the coefficient of each action per unit of beta."""


@register
@dataclass(frozen=True, eq=False)
class K1Loss(_Estimator):
    """k1 = log(pi/ref) added to the loss: its expected gradient is zero, unless responses are averaged over their own tokens.

    >>> from dstheory import TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> zero = K1Loss(Policy.minimal(p=0.25, a=0.5, b=0.5), beta=1.0).gradient(s)
    >>> shorter = K1Loss(Policy.minimal(p=0.25, a=0.5, b=0.5), beta=1.0, normaliser="response-tokens").gradient(s)
    >>> zero.decide.round(12).tolist(), bool((shorter.decide < 0).all())  # stopping is pushed down: length is rewarded
    ([[[0.0, 0.0]]], True)
    """

    name = "k1-loss"

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return -1."""
        minus = np.full((1, 1, 1), -1.0)
        return TokenWeight(minus, minus, minus)

    def value(self, solution: Solution) -> Floats | None:
        """Return -beta E[1/L], (*runs,), for averages over each response's own tokens; zero for plain sums; else None."""
        normaliser, grouping = self.divided_by
        if grouping.mixed or not isinstance(normaliser, PerResponse | PerToken):
            return None
        if isinstance(normaliser, PerResponse):
            return np.asarray(0.0 * float_array(self.beta, "beta"))
        self._check(solution)
        (term,) = self.terms(solution, solution, self.outcome_of(solution))
        plain, _ = moments(solution, self.outcome_of(solution).reward, term.credit.t)
        expected = (term.credit.constant * plain).sum(axis=0)
        return np.asarray(-np.asarray(self.beta) * (expected * solution.mdp.prompt_weight).sum(axis=-1))


@register
@dataclass(frozen=True, eq=False)
class K2Loss(_Estimator):
    """k2 = log(pi/ref)^2 / 2 added to the loss: the reverse KL of every visited state, visits frozen.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ReverseKLDirect
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> reference = Policy.minimal(p=0.25, a=0.5, b=0.75)
    >>> bool((abs(K2Loss(reference).gradient(s).decide - ReverseKLDirect(reference).gradient(s).decide) < 1e-15).all())
    True
    """

    name = "k2-loss"

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return minus the log-ratio."""
        return TokenWeight(*log_ratios(solution.policy, self.reference, solution)).map(np.negative)


@register
@dataclass(frozen=True, eq=False)
class K3Loss(_Estimator):
    """k3 = ref/pi - 1 - log(ref/pi) added to the loss: the forward KL of every visited state, visits frozen.

    >>> from dstheory import TwoStageMDP, solve
    >>> pi, ref = Policy.minimal(p=0.5, a=0.5, b=0.5), Policy.minimal(p=0.25, a=0.5, b=0.5)
    >>> g = K3Loss(ref, beta=1.0).gradient(solve(TwoStageMDP.minimal(gamma=1.0), pi))
    >>> g.sample.round(12).tolist()  # two turns x (ref - pi)
    [[[-0.5, 0.5]]]
    """

    name = "k3-loss"

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return ref/pi - 1."""
        return TokenWeight(*reference_excess(solution.policy, self.reference, solution))


@register
@dataclass(frozen=True, eq=False)
class Distillation(K2Loss):
    """On-policy distillation: minus the log-ratio to a teacher at each token the policy drew, over the tokens of the batch.

    No reward to go: how a decision changes which states come later is not credited.

    >>> from dstheory import TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> g = Distillation(Policy.minimal(p=0.9, a=0.9, b=0.9)).gradient(s)
    >>> bool(g.sample[0, 0, 0] > 0), bool(g.decide[0, 0, 1] < 0)  # towards the teacher
    (True, True)
    """

    beta: ArrayLike = 1.0
    normaliser: str | Normaliser | None = "batch-tokens"

    name = "distill"


@register
@dataclass(frozen=True, eq=False)
class K1Reward(_Estimator):
    """k1 = log(pi/ref) subtracted from the reward: the whole response's log-ratio is credited to all of its tokens.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import ReverseKL
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> reference = Policy.minimal(p=0.25, a=0.5, b=0.75)
    >>> bool((abs(K1Reward(reference).gradient(s).decide - ReverseKL(reference).gradient(s).decide) < 1e-15).all())
    True
    """

    name = "k1-reward"

    def outcome_of(self, under: Solution) -> Outcome:
        """Return minus beta times the log-ratio of the whole response, as a reward."""
        self._check(under)
        one, strength = np.ones(()), over_runs(self.beta, 3)
        c = self.per_token(under)
        decided = under.unrolled.decided
        return Outcome(
            Reward(strength * (c.sample + c.stop * decided), strength * (c.sample + c.resample * decided), one, one), None
        )

    def terms(self, solution: Solution, under: Solution, outcome: Outcome) -> tuple[Term, ...]:
        """Return that reward as the credit, over the normaliser."""
        return (Term(effective_credit(Raw(), *self.divided_by, under, outcome)),)

    def per_token(self, solution: Solution) -> TokenWeight:
        """Return minus the log-ratio."""
        return TokenWeight(*log_ratios(solution.policy, self.reference, solution)).map(np.negative)

    def value(self, solution: Solution) -> Floats | None:
        """Return -beta E[sum of log-ratios], (*runs,), for plain sums; else None."""
        normaliser, grouping = self.divided_by
        if grouping.mixed or not isinstance(normaliser, PerResponse):
            return None
        _, paid = moments(solution, self.outcome_of(solution).reward, np.zeros(1))
        return np.asarray((paid[0] * solution.mdp.prompt_weight).sum(axis=-1))

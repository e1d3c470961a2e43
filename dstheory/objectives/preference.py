r"""DPO on pairs of one's responses: the correct one is preferred to the wrong one.

Two responses are drawn per prompt; if exactly one is correct it is the chosen one. With :math:`\Delta` the difference of their
log-ratios to the reference, chosen minus rejected, every token of the chosen response gets :math:`+\beta \sigma(-\beta \Delta)`,
every token of the rejected one the same with a minus. Averaged over the partner, a response of log-ratio u is worth

.. math:: f(R = 1, u) = 2 \beta\, E[1\{R' = 0\} \sigma(\beta (u' - u))], \qquad
    f(R = 0, u) = - 2 \beta\, E[1\{R' = 1\} \sigma(\beta (u - u'))].

Where the policy is the reference, :math:`f = \beta (R - E[R])`: the first step of DPO on one's own samples is REINFORCE.

The log-ratio is a sum over the response, so the expectation runs over pairs of multisets of resampled answers.

Source: arXiv 2305.18290; pairs by correctness as in iterative DPO, arXiv 2404.19733; the expectation is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy, sigmoid
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, Ints
from dstheory.errors import ChainError, InfiniteDivergenceError
from dstheory.objectives.base import Measure, Objective
from dstheory.objectives.expectation.compositions import representatives
from dstheory.objectives.expectation.rewards import reward_of
from dstheory.objectives.mass import CoefficientMass, mass_of_steps
from dstheory.objectives.registry import register
from dstheory.objectives.weights import log_ratios

_AT_ONCE = 1 << 22


@register
@dataclass(frozen=True, eq=False)
class DPO(Objective):
    """DPO on pairs of responses of a sampler.

    Args:
        reference: of the log-ratios.
        beta: > 0.
        sampler: whose responses are paired; None for the reference.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import Reinforce
    >>> here = Policy.minimal(p=0.5, a=0.75, b=0.5)
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), here)
    >>> (DPO(here, beta=0.1).gradient(s).decide / Reinforce().gradient(s).decide).round(9).tolist()
    [[[0.1, 0.1]]]
    """

    reference: Policy
    beta: float = 0.1
    sampler: Policy | None = None

    name = "dpo"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.beta) and self.beta > 0):
            raise ChainError(f"beta is {self.beta}: must be finite and > 0, the slope of the preference model")

    @property
    def measure(self) -> Measure:
        """The reference, or the sampler."""
        return "reference" if self.sampler is None else "sampler"

    def with_reference(self, reference: Policy) -> Self:
        """Return the same objective with another reference."""
        return replace(self, reference=reference)

    def behaviour(self, solution: Solution) -> Policy | Trajectories:
        """Return the policy whose responses are paired."""
        return self.reference if self.sampler is None else self.sampler

    def coefficients(self, solution: Solution, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return what a response is worth on average over its partners.

        Raises:
            InfiniteDivergenceError: a response has probability 0 under the policy or the reference.
        """
        t, partners = trajectories, self._partners(solution)
        right, up = self.marks(solution, t)
        right_2, up_2 = self.marks(solution, partners)
        f, of_prompt = np.zeros(len(t)), _by_prompt(partners.prompt)
        for x, mine in _by_prompt(t.prompt).items():
            theirs = of_prompt.get(x, np.arange(0))
            for label in (0.0, 1.0):
                own, other = mine[right[mine] == label], theirs[right_2[theirs] != label]
                weight = partners.weight[other] / solution.mdp.prompt_weight[x]
                sign = 1.0 if label else -1.0
                surprise = _mean_surprise(sign * self.beta * up[own], sign * self.beta * up_2[other], weight)
                f[own] = sign * 2.0 * self.beta * surprise
        c_s = f[t.episode]
        return c_s, np.where(t.decided, c_s, 0.0)

    def mass(self, solution: Solution) -> CoefficientMass:
        """Return the sum over pairs of multisets.

        Raises:
            InfiniteDivergenceError: the reference, or the sampler, rules out what the policy does.
            ChainError: too many multisets.
        """
        self.reference.check_fits(solution.mdp, "reference")
        log_ratios(solution.policy, self.reference, solution)  # names what the reference rules out
        drawn = self._partners(solution)
        return mass_of_steps(solution.mdp, drawn, *self.coefficients(solution, drawn))

    def value(self, solution: Solution) -> Floats:
        """Return E[log sigma(beta Delta)] over two responses per prompt, pairs of equal outcome counting 0."""
        drawn = self._partners(solution)
        right, up = self.marks(solution, drawn)
        total = 0.0
        for x, here in _by_prompt(drawn.prompt).items():
            won, lost = (here[right[here] == label] for label in (1.0, 0.0))
            log = -np.logaddexp(0.0, -self.beta * (up[won][:, None] - up[lost]))
            total += 2.0 * float(drawn.weight[won] @ log @ drawn.weight[lost]) / float(solution.mdp.prompt_weight[x])
        return np.asarray(total)

    def _partners(self, solution: Solution) -> Trajectories:
        sampler = self.behaviour(solution)
        assert isinstance(sampler, Policy)
        ordered = max(solution.policy.shape[0], self.reference.shape[0]) > 1
        return representatives(solve(solution.mdp, sampler), ordered=ordered)

    def marks(self, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        """Return correctness and the log-ratio of each response, (n,) each."""
        own, theirs = (t.sum(np.add(*t.log_prob(policy))) for policy in (solution.policy, self.reference))
        bad = np.flatnonzero(~(np.isfinite(own) & np.isfinite(theirs)))
        if len(bad):
            i = int(bad[0])
            who = "reference" if theirs[i] == -np.inf else "policy"
            raise InfiniteDivergenceError(
                f"a response of {solution.mdp.prompt_name(int(t.prompt[i]))} with answers "
                f"{t.answer[t.offsets[i] : t.offsets[i + 1]].tolist()} has probability 0 under the {who}: "
                f"its log-ratio is infinite; give the {who} some mass there"
            )
        return reward_of(solution, "correct").reward.total(solution, t), own - theirs


def _by_prompt(prompt: Ints) -> dict[int, Ints]:
    """Return which responses belong to each prompt: sorted once, where a search per prompt would grow with their square."""
    order = np.argsort(prompt, kind="stable")
    names, first = np.unique(prompt[order], return_index=True)
    return {int(x): order[a:b] for x, a, b in zip(names, first, [*first[1:], len(order)], strict=True)}


def _mean_surprise(own: Floats, other: Floats, weight: Floats) -> Floats:
    """Return sum of weight x sigma(other - own) at each own margin, (n,).

    A function of one variable, analytic up to the poles of sigma at distance pi: for many responses it is computed at N Chebyshev
    points of their range and interpolated, with an error of exp(-N asinh(2 pi/range)), below 1e-15.
    """

    def direct(at: Floats) -> Floats:
        parts = np.array_split(at, max(1, len(at) * len(other) // _AT_ONCE))
        return np.concatenate([sigmoid(other - part[:, None]) @ weight for part in parts])

    if not len(own) or not len(other):
        return np.zeros(len(own))
    low, high = float(own.min()), float(own.max())
    degree = int(np.ceil(36.0 / np.arcsinh(2.0 * np.pi / (high - low)))) if high > low else 0
    if degree == 0 or len(own) <= 2 * degree:
        return direct(own)
    middle, half = 0.5 * (high + low), 0.5 * (high - low)
    points = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    orders = np.cos(np.outer(np.arange(degree + 1), np.arccos(points)))
    series = 2.0 / (degree + 1) * (orders @ direct(middle + half * points))
    series[0] /= 2.0
    return np.asarray(np.polynomial.chebyshev.chebval((own - middle) / half, series), dtype=np.float64)

r"""DPO on pairs of one's responses: the correct one is preferred to the wrong one.

Two responses are drawn per prompt; if exactly one is correct it is the chosen one. With :math:`\Delta` the difference of their
log-ratios to the reference, chosen minus rejected, every token of the chosen response gets :math:`+\beta \sigma(-\beta \Delta)`,
every token of the rejected one the same with a minus. Averaged over the partner, a response of log-ratio u is worth

.. math:: f(R = 1, u) = 2 \beta\, E[1\{R' = 0\} \sigma(\beta (u' - u))], \qquad
    f(R = 0, u) = - 2 \beta\, E[1\{R' = 1\} \sigma(\beta (u - u'))].

Where the policy is the reference, :math:`f = \beta (R - E[R])`: the first step of DPO on one's own samples is REINFORCE.
Other losses of the pair put another function in the place of sigma (:mod:`dstheory.objectives.margins`).

The log-ratio is a sum over the response, so the expectation runs over pairs of multisets of resampled answers.

Source: arXiv 2305.18290; pairs by correctness as in iterative DPO, arXiv 2404.19733; the expectation is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, Ints, numbers_only
from dstheory.errors import InfiniteDivergenceError
from dstheory.objectives.base import Measure, Objective
from dstheory.objectives.expectation.compositions import representatives
from dstheory.objectives.expectation.rewards import reward_of
from dstheory.objectives.margins import PairLoss, mean_over, pair_loss
from dstheory.objectives.mass import CoefficientMass, mass_of_steps
from dstheory.objectives.registry import register
from dstheory.objectives.responses import response_lengths
from dstheory.objectives.rounding import directed
from dstheory.objectives.settings import log_ratio_of_responses
from dstheory.objectives.weights import log_ratios

_MOST_COUNTS = 10_000_000


@register
@dataclass(frozen=True, eq=False)
class DPO(Objective):
    """DPO on pairs of responses of a sampler.

    Args:
        reference: of the log-ratios.
        beta: > 0.
        sampler: whose responses are paired; None for the reference.
        loss: of the pair, by a name of :mod:`dstheory.objectives.margins`; what ascends is minus its mean.
        smoothing: share of preferences that are taken to be wrong, in [0, 0.5), of the losses ``sigmoid``, ``robust`` and
            ``exo_pair``.
        tau: temperature > 0 of the loss ``discopop``.

    Raises:
        ChainError: beta, smoothing or tau out of range, or no such loss.

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
    loss: str = field(default="sigmoid", kw_only=True)
    smoothing: float = field(default=0.0, kw_only=True)
    tau: float = field(default=0.05, kw_only=True)

    name = "dpo"

    def __post_init__(self) -> None:
        numbers_only(self)
        self.of_pairs  # checks the settings  # noqa: B018

    @property
    def of_pairs(self) -> PairLoss:
        """The loss of a pair."""
        return pair_loss(self.loss, beta=self.beta, smoothing=self.smoothing, tau=self.tau)

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
        t, partners, loss = trajectories, self._partners(solution), self.of_pairs
        right, up = self.marks(solution, t)
        right_2, up_2 = self.marks(solution, partners)
        f, of_prompt = np.zeros(len(t)), _by_prompt(partners.prompt)
        for x, mine in _by_prompt(t.prompt).items():
            theirs = of_prompt.get(x, np.arange(0))
            for label in (0.0, 1.0):
                own, other = mine[right[mine] == label], theirs[right_2[theirs] != label]
                weight = partners.weight[other] / solution.mdp.prompt_weight[x]
                if label and loss.together is not None:
                    f[own] = 2.0 * self.beta * mean_over(loss.together, self.beta * up[own], self.beta * up_2[other], weight)
                    continue
                sign, alone = (1.0, loss.chosen) if label else (-1.0, loss.rejected)
                if loss.margin is not None:
                    fall = loss.margin.mean_fall(sign * self.beta * up[own], sign * self.beta * up_2[other], weight)
                    f[own] = sign * 2.0 * self.beta * fall
                if alone is not None:
                    f[own] += 2.0 * self.beta * weight.sum() * alone.fall(self.beta * up[own])
        c_s = (f / response_lengths(solution, t) if loss.per_token else f)[t.episode]
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
        c_s, c_d = DPO.coefficients(self, solution, drawn)  # not what a child makes of them: its mass has its factor
        if self.of_pairs.chosen is None and self.of_pairs.rejected is None:
            found = self._of_pairs(solution, drawn, c_s[drawn.offsets[:-1]])
            if found is not None:
                return found
        return mass_of_steps(solution.mdp, drawn, c_s, c_d)

    def _of_pairs(self, solution: Solution, t: Trajectories, f: Floats) -> CoefficientMass | None:
        """Return the mass, of how often an action comes up beyond what is usual in a prompt's responses; None for large tables.

        What the two responses of a pair share drops out of their difference. Coefficients of a prompt add up to 0, so that any
        number may be taken from how often an action comes up: beyond the median, weighted by size, terms are smallest. A policy
        that is the same at every turn has all of the mass at the first: an action that both responses of a pair have, at
        different turns, drops out as well.
        """
        mdp = solution.mdp
        shape = (mdp.max_turns or 1, mdp.shape[1])
        turn, _, answer = t.index(by_turn=solution.policy.shape[0] > 1)
        kind = np.where(t.decided, np.where(t.stop, 1, 2), 0)
        steps, length = _by_prompt(t.step_prompt), response_lengths(solution, t)
        found, sizes = np.zeros((2, 3, shape[0], *mdp.shape))
        for x, mine in _by_prompt(t.prompt).items():
            if 3 * len(mine) * shape[0] * shape[1] > _MOST_COUNTS:
                return None
            at, number = steps[x], np.zeros(len(t), dtype=np.int64)
            number[mine] = np.arange(len(mine))
            counts = np.zeros((3, len(mine), *shape))
            np.add.at(counts, (kind[at], number[t.episode[at]], turn[at], answer[at]), 1.0)
            counts[0] += counts[1] + counts[2]
            per = length[mine] if self.of_pairs.per_token else np.ones(len(mine))
            counts /= per[:, None, None]
            weight = t.weight[mine] * f[mine] * per
            order = np.argsort(counts, axis=1)
            size = np.cumsum(np.abs(weight)[order], axis=1)
            middle = (size < 0.5 * size[:, -1:]).sum(axis=1, keepdims=True).clip(max=len(mine) - 1)
            usual = np.take_along_axis(counts, np.take_along_axis(order, middle, axis=1), axis=1)
            terms = (counts - usual) * weight[:, None, None]
            found[:, :, x] = terms.sum(axis=1)
            if directed():
                sizes[:, :, x] = np.abs(terms).sum(axis=1)
        return CoefficientMass(*found).rounded(CoefficientMass(*sizes))

    def value(self, solution: Solution) -> Floats:
        """Return minus the mean loss, E[log sigma(beta Delta)], over two responses per prompt; pairs of equal outcome count 0."""
        drawn, loss = self._partners(solution), self.of_pairs
        right, up = self.marks(solution, drawn)
        total = 0.0
        for x, here in _by_prompt(drawn.prompt).items():
            won, lost = (here[right[here] == label] for label in (1.0, 0.0))
            each = np.zeros((len(won), len(lost)))
            if loss.margin is not None:
                each = -loss.margin.value(self.beta * (up[won][:, None] - up[lost]))
            if loss.chosen is not None:
                each = each - loss.chosen.value(self.beta * up[won])[:, None]
            if loss.rejected is not None:
                each = each - loss.rejected.value(self.beta * up[lost])
            total += 2.0 * float(drawn.weight[won] @ each @ drawn.weight[lost]) / float(solution.mdp.prompt_weight[x])
        return np.asarray(total)

    def _partners(self, solution: Solution) -> Trajectories:
        sampler = self.behaviour(solution)
        assert isinstance(sampler, Policy)
        ordered = max(solution.policy.shape[0], self.reference.shape[0]) > 1
        return representatives(solve(solution.mdp, sampler), ordered=ordered)

    def marks(self, solution: Solution, t: Trajectories) -> tuple[Floats, Floats]:
        """Return correctness and the log-ratio of each response, per token where the loss takes it so, (n,) each."""
        ratio = log_ratio_of_responses(t, solution.policy, self.reference, called="reference")
        bad = np.flatnonzero(ratio == -np.inf)
        if len(bad):
            i = int(bad[0])
            raise InfiniteDivergenceError(
                f"a response of {solution.mdp.prompt_name(int(t.prompt[i]))} with answers "
                f"{t.answer[t.offsets[i] : t.offsets[i + 1]].tolist()} has probability 0 under the policy: "
                "its log-ratio is infinite; give the policy some mass there"
            )
        up = ratio / response_lengths(solution, t) if self.of_pairs.per_token else ratio
        return reward_of(solution, "correct").reward.total(solution, t), up


def _by_prompt(prompt: Ints) -> dict[int, Ints]:
    """Return which responses belong to each prompt: sorted once, where a search per prompt would grow with their square."""
    order = np.argsort(prompt, kind="stable")
    names, first = np.unique(prompt[order], return_index=True)
    return {int(x): order[a:b] for x, a, b in zip(names, first, [*first[1:], len(order)], strict=True)}

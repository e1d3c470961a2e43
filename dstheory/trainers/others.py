r"""Credits of trainers that objectives do not have: NeMo-RL's default, and TRL's deviation of a batch of few prompts.

NeMo-RL compares the reward with the other responses, and divides by their standard deviation only where they differ,

.. math:: A_i = \frac{R_i - \bar R_{-i}}{s_{-i} + \epsilon} \text{ if } s_{-i} > 0, \quad A_i = R_i - \bar R_{-i} \text{ else,}

s the standard deviation of a sample. A single other response has none. Source: NeMo-RL 0.6.0, advantage_estimator.py.

TRL's ``scale_rewards: batch`` divides by the standard deviation of all n = P G rewards of a batch, which depends on how many of
them are successes. A response knows its group, the others are independent of it: with k successes in its group, and M among the
other P - 1 groups, whose prompts are drawn as its own was,

.. math:: E[A \mid R, k] = (R - k/G) \sum_M P(M) \frac{1}{s(k + M) + \epsilon}, \qquad s(K)^2 = \frac{K (n - K)}{n (n - 1)}.

Where all tokens of the batch are counted, P(M) is weighted by :math:`E[e^{-t L}]` at each node t of one over their sum, as in
:mod:`dstheory.objectives.expectation.groups`. P(M) is a power of the law of one group, taken by Fourier transform: to 1e-11 of
its largest entry for batches of a hundred thousand responses. Source: TRL 1.16, grpo_trainer.py; the expectation is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats
from dstheory.objectives import GRPO
from dstheory.objectives.expectation.exponential import EffectiveCredit, Tilted, reciprocal
from dstheory.objectives.expectation.groups import Part, everything, group_moments, range_of_lengths
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.parts import BatchTokens, ConstantLength, Credit, GroupMean, GroupTokens, Normaliser, PerToken
from dstheory.objectives.responses import Term
from dstheory.objectives.settings import one_over_deviations, over_others, successes, whole_responses
from dstheory.objectives.weights import TokenWeight

__all__ = ["LARGEST_BATCH", "AgainstOthers", "AgainstOthersRow", "OverBatchRow"]

LARGEST_BATCH = 100_000
"""Responses of a batch whose successes are counted one by one."""


@dataclass(frozen=True)
class AgainstOthers(Credit):
    """The credit.

    Args:
        epsilon: added to the standard deviation where it is not 0.

    >>> AgainstOthers(0.0).of_groups(np.array([[1.0, 0.0, 0.0, 1.0]])).round(3).tolist()
    [[1.155, -1.155, -1.155, 1.155]]
    >>> AgainstOthers(0.0).of_groups(np.array([[1.0, 0.0, 0.0]])).round(3).tolist()  # to the first the others are alike
    [[1.0, -0.707, -0.707]]
    """

    epsilon: float = 1e-6

    words = "(R - mean of the others)/(their std), undivided where they agree"
    least_group = 2

    def of_groups(self, rewards: Floats) -> Floats:
        """Return the credits."""
        size = rewards.shape[1]
        others = np.stack([np.delete(rewards, i, axis=1) for i in range(size)], axis=1)  # (groups, G, G - 1)
        differ = (others != others[..., :1]).any(axis=-1)
        deviation = others.std(axis=-1, ddof=1) if size > 2 else np.zeros(rewards.shape)
        return np.asarray((rewards - others.mean(axis=-1)) / np.where(differ, deviation + self.epsilon, 1.0))

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the rewards centred and scaled by their own law."""
        return np.asarray((rewards - mean) / np.where(deviation > 0, deviation + self.epsilon, 1.0))


@dataclass(frozen=True, eq=False)
class AgainstOthersRow(GRPO):
    """A row with that credit, under any normaliser (``normalise_by``)."""

    @property
    def credit(self) -> Credit:
        """The credit."""
        return AgainstOthers(self.epsilon)


@dataclass(frozen=True, eq=False)
class OverBatchRow(GRPO):
    """Rewards of 0 or 1 less the group's mean, over the deviation of a batch of ``prompts`` groups, under any ``normalise_by``.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> two, three = (OverBatchRow(group_size=2, prompts=n, normalise_by="responses").gradient(s).sample[0, 0, 0] for n in (2, 3))
    >>> round(float(two), 4), round(float(three), 4)
    (0.2246, 0.2373)
    """

    std: bool | str = "batch"

    def credited(
        self,
        under: Solution,
        outcome: ResponseReward,
        weight: TokenWeight | None = None,
        part: Part = everything,
        normaliser: Normaliser | None = None,
    ) -> tuple[Term, ...]:
        """Return the expected credit, times a weight of tokens."""
        terms = [Term(self.expected(under, outcome, normaliser or self.normaliser, part), weight)]
        return tuple(terms if self.mask_truncated == "none" else whole_responses(terms, under, outcome))

    def expected(
        self, under: Solution, outcome: ResponseReward, normaliser: Normaliser, part: Part = everything
    ) -> EffectiveCredit:
        """Return the credit of a failure and of a success over the normaliser, averaged over all others of the batch."""
        size, prompts, rho = int(self.group_size), int(self.prompts), under.mdp.prompt_weight
        members = {PerToken: 1, GroupTokens: size, BatchTokens: size * prompts}.get(type(normaliser), 0)
        none = np.zeros(1)
        t, w = reciprocal(*(members * length for length in range_of_lengths(under))) if members else (none, np.ones(1))
        w = w * (members or 1.0 / (normaliser.tokens if isinstance(normaliser, ConstantLength) else 1.0))
        plain = group_moments(under, outcome, none, self.grouping)
        own = group_moments(under, outcome, t, self.grouping) if members > 1 else plain
        others = own if isinstance(normaliser, BatchTokens) else plain

        def law(of: Tilted, n: int) -> Floats:
            """Return the chance of each number of successes among n members, times what weighs their tokens, (J, X, n + 1)."""
            return successes(of.right, of.wrong, n, of.log_plain)

        assert isinstance(self.credit, GroupMean)
        group, below = np.einsum("jxk,x->jk", law(others, size), rho), one_over_deviations(self.credit, size * prompts)
        scale = over_others(group, prompts - 1, size, below[None])[0].T[:, None]
        k, with_others = np.arange(size), law(own, size - 1)
        failure = (with_others * scale[..., :-1] * (-k / size)).sum(axis=-1)
        success = (with_others * scale[..., 1:] * (1.0 - (k + 1) / size)).sum(axis=-1)
        return EffectiveCredit.of_two(t, w[:, None] * part(failure), w[:, None] * part(success))

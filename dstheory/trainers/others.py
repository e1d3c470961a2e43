r"""NeMo-RL's default credit, which objectives do not have.

It compares the reward with the other responses, and divides by their standard deviation only where they differ,

.. math:: A_i = \frac{R_i - \bar R_{-i}}{s_{-i} + \epsilon} \text{ if } s_{-i} > 0, \quad A_i = R_i - \bar R_{-i} \text{ else,}

s the standard deviation of a sample. A single other response has none. Source: NeMo-RL 0.6.0, advantage_estimator.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dstheory.checks import Floats
from dstheory.objectives import GRPO
from dstheory.objectives.parts import Credit


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

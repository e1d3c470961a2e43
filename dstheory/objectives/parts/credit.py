r"""Credit: what scalar multiplies the score of a response, given the rewards of its group.

A credit is one function on arrays of rewards ``(groups, G)``, the way training code computes it, and its limit for groups without
end. Nothing else is needed: exact expectations over finite groups apply the same function to every possible group.

===================  =========================================  ==========================
credit               response i of a group of G                 limit of large groups
===================  =========================================  ==========================
:class:`Raw`         R_i                                        R
:class:`Minus`       R_i - b                                    R - b
:class:`LeaveOneOut` R_i - mean of the others                   R - E[R given x]
:class:`GroupMean`   (R_i - mean), if asked / (std + epsilon)   (R - E[R]) / (sd(R) + eps)
:class:`Positive`    1 if R_i > threshold, else 0               the same
:class:`SignedMatch` NFT's weights of hits and misses           (R - E[R]) / sd(R)
===================  =========================================  ==========================

A group whose rewards are all equal teaches nothing: its centred credits are 0, with epsilon = 0 as well (0/0 is read as 0).

Source: REINFORCE, Williams (1992); RLOO arXiv 2402.14740; GRPO arXiv 2402.03300; without std arXiv 2503.20783; NFT arXiv
2505.18116. Standard deviations are those of a sample (ddof = 1) unless asked otherwise, as in TRL 1.10 and verl.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from dstheory.checks import Floats
from dstheory.errors import ChainError

__all__ = ["Credit", "GroupMean", "LeaveOneOut", "Minus", "Positive", "Raw", "SignedMatch"]


class Credit(ABC):
    """One function of a group's rewards: exchanging two members exchanges their credits."""

    words: ClassVar[str]
    least_group: ClassVar[int] = 1
    """The smallest group for which it means something."""
    linear: bool = False
    """Whether a member's credit is an affine function of its own reward and of the group's mean, with fixed factors."""

    @abstractmethod
    def of_groups(self, rewards: Floats) -> Floats:
        """Return the credit of every response, (groups, G), from finite rewards (groups, G)."""

    @abstractmethod
    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the credit of rewards in groups without end, given the mean and the standard deviation of their prompt."""

    def check_group(self, size: float) -> None:
        """Raise ChainError for a group too small to compare anybody with anybody."""
        if size < self.least_group:
            raise ChainError(
                f"group_size is {size:g}: {self.words} needs groups of at least {self.least_group}, "
                "a response alone has nobody to be compared with"
            )


@dataclass(frozen=True)
class Raw(Credit):
    """The reward itself.

    >>> Raw().of_groups(np.array([[1.0, 0.0]])).tolist()
    [[1.0, 0.0]]
    """

    words = "R"
    linear = True

    def of_groups(self, rewards: Floats) -> Floats:
        """Return the rewards."""
        return rewards

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the rewards."""
        return rewards + 0.0 * mean


@dataclass(frozen=True)
class Minus(Credit):
    """The reward minus a baseline that depends on the prompt only.

    Args:
        baseline: a number, the same for all groups.

    >>> Minus(0.5).of_groups(np.array([[1.0, 0.0]])).tolist()
    [[0.5, -0.5]]
    """

    baseline: float = 0.0

    words = "R - b"
    linear = True

    def __post_init__(self) -> None:
        if not np.isfinite(self.baseline):
            raise ChainError(f"baseline is {self.baseline}: must be finite; 0 subtracts nothing")

    def of_groups(self, rewards: Floats) -> Floats:
        """Return the rewards minus the baseline."""
        return rewards - self.baseline

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the rewards minus the baseline."""
        return rewards - self.baseline + 0.0 * mean


@dataclass(frozen=True)
class LeaveOneOut(Credit):
    """The reward minus the mean of the *other* members: a baseline that does not know the response (RLOO).

    >>> LeaveOneOut().of_groups(np.array([[1.0, 0.0, 0.5]])).tolist()
    [[0.75, -0.75, 0.0]]
    """

    words = "R - mean of the others"
    least_group = 2
    linear = True

    def of_groups(self, rewards: Floats) -> Floats:
        """Return R_i - (sum - R_i)/(G - 1)."""
        self.check_group(rewards.shape[1])
        n = rewards.shape[1]
        return np.asarray((rewards - rewards.mean(axis=1, keepdims=True)) * (n / (n - 1)))

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the rewards minus their mean."""
        return rewards - mean


@dataclass(frozen=True)
class GroupMean(Credit):
    """The reward minus the group's mean, divided by the group's standard deviation if asked (GRPO and relatives).

    Args:
        std: divide by the standard deviation of the group.
        ddof: 1 for the sample's, 0 for the population's.
        epsilon: added to the standard deviation, >= 0; TRL adds 1e-4, verl 1e-6, the paper nothing.

    Raises:
        ChainError: epsilon negative or not finite, or ddof neither 0 nor 1.

    >>> GroupMean(std=False).of_groups(np.array([[1.0, 0.0, 0.0, 0.0]])).tolist()
    [[0.75, -0.25, -0.25, -0.25]]
    >>> GroupMean().of_groups(np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])).tolist()
    [[1.5, -0.5, -0.5, -0.5], [0.0, 0.0, 0.0, 0.0]]
    """

    std: bool = True
    ddof: Literal[0, 1] = 1
    epsilon: float = 0.0

    least_group = 2

    def __post_init__(self) -> None:
        if not (np.isfinite(self.epsilon) and self.epsilon >= 0):
            raise ChainError(f"epsilon is {self.epsilon}: must be finite and >= 0; 0 reads 0/0 as 0")
        if self.ddof not in (0, 1):
            raise ChainError(f"ddof is {self.ddof!r}: must be 1 (sample) or 0 (population)")

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is computed."""
        tail = f" + {self.epsilon:g}" if self.epsilon else ""
        return f"(R - mean)/(std{tail})" if tail else "(R - mean)/std" if self.std else "R - mean"

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Affine unless divided by a standard deviation."""
        return not self.std

    def of_groups(self, rewards: Floats) -> Floats:
        """Return the centred, and possibly scaled, rewards."""
        self.check_group(rewards.shape[1])
        centred = rewards - rewards.mean(axis=1, keepdims=True)
        if not self.std:
            return np.asarray(centred)
        # A group of equal rewards has variance 0, not the rounding of its mean: centred credits are 0 there.
        same = (rewards == rewards[:, :1]).all(axis=1, keepdims=True)
        deviation = np.where(same, 0.0, rewards.std(axis=1, ddof=self.ddof, keepdims=True))
        return _ratio(np.where(same, 0.0, centred), deviation + self.epsilon)

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the rewards centred and scaled by their own law."""
        return _ratio(rewards - mean, deviation + self.epsilon) if self.std else rewards - mean


@dataclass(frozen=True)
class Positive(Credit):
    """1 for a response whose reward exceeds a threshold, 0 for the others: they are filtered out (RFT, STaR, ReST-EM).

    >>> Positive().of_groups(np.array([[1.0, 0.0, 0.4]])).tolist()
    [[1.0, 0.0, 0.0]]
    """

    threshold: float = 0.5

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is computed."""
        return f"1[R > {self.threshold:g}]"

    def of_groups(self, rewards: Floats) -> Floats:
        """Return the indicator."""
        return (rewards > self.threshold).astype(np.float64)

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the indicator."""
        return (rewards > self.threshold) + 0.0 * mean


@dataclass(frozen=True)
class SignedMatch(Credit):
    r"""NFT's weights at the sampling policy: hits count :math:`\omega`, misses :math:`-\omega \hat r/(1 - \hat r)`.

    r is the share of hits in the group, :math:`\omega = \sqrt{(1 - \hat r)/\hat r}`. Groups all right or all wrong are left out
    (credit 0). Equal to the population-std form of :class:`GroupMean` at the sampling policy.

    Args:
        threshold: a reward above it is a hit.

    >>> SignedMatch().of_groups(np.array([[1.0, 0.0, 0.0, 0.0, 0.0]])).tolist()
    [[2.0, -0.5, -0.5, -0.5, -0.5]]
    """

    threshold: float = 0.5

    words = "hits sqrt((1-r)/r), misses -sqrt(r/(1-r)), r the group's share of hits"
    least_group = 2

    def of_groups(self, rewards: Floats) -> Floats:
        """Return the signed weights."""
        self.check_group(rewards.shape[1])
        hit = rewards > self.threshold
        share = np.broadcast_to(hit.mean(axis=1, keepdims=True), rewards.shape)
        return _signed(hit, share)

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the signed weights with the success probability for r; rewards are 0 or 1."""
        shape = np.broadcast_shapes(np.shape(rewards), np.shape(mean))
        return _signed(np.broadcast_to(rewards > self.threshold, shape), np.broadcast_to(mean, shape))


def _signed(hit: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], share: Floats) -> Floats:
    mixed = (share > 0) & (share < 1)
    odds = np.divide(1.0 - share, share, out=np.zeros(share.shape), where=mixed)
    inverse = np.divide(share, 1.0 - share, out=np.zeros(share.shape), where=mixed)
    return np.where(hit, np.sqrt(odds), -np.sqrt(inverse))


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return above/below, with 0 where below is 0: a group without spread has nothing to say."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.zeros(above.shape), where=below != 0)

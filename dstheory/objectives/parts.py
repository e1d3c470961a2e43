r"""The parts that a response's coefficient is built from, on arrays: credit (what scalar) and normaliser (divided by what).

Rewards and token counts of a batch go in, one coefficient per response comes out (:func:`response_coefficients`): what multiplies
:math:`\nabla \log \pi` of **every** token of response i (ascent sign; for an on-policy batch). Off policy, and where stages or
penalties are weighted, each token's coefficient is multiplied by a weight of its own (:mod:`dstheory.objectives.token_parts`).

**Credit.** One function on rewards ``(groups, G)``, the way training code computes it, and its limit for large groups. Exact
expectations over finite groups apply the same function to every possible group.

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

Of a group whose rewards are all equal centred credits are 0, with epsilon = 0 as well (0/0 is read as 0).

**Normaliser.** With N = P x G responses (P prompts, groups of G) and L_i tokens in response i, the coefficient is the credit
times

========================  ======================  =============================  ==============================================
normaliser                factor                  in large groups and batches    libraries
========================  ======================  =============================  ==============================================
:class:`PerResponse`      1/N                     1                              sums over tokens, means over responses
:class:`PerToken`         1/(N L_i)               1/L                            original GRPO ("sequence mean")
:class:`ConstantLength`   1/(N Lmax)              1/Lmax                         Dr. GRPO
:class:`GroupTokens`      1/(P sum of group L)    1/E[L given x]                 DAPO as published
:class:`BatchTokens`      1/(sum of batch L)      1/E[L]                         token mean: DAPO in TRL and verl, SFT everywhere
========================  ======================  =============================  ==============================================

Source: REINFORCE, Williams (1992); RLOO arXiv 2402.14740; GRPO 2402.03300; without std 2503.20783; NFT 2505.18116; DAPO
2503.14476; the limits are derived here. Standard deviations are those of a sample (ddof = 1) unless asked otherwise, as in TRL
1.10 and verl.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, float_array, numbers_only, reject
from dstheory.errors import ChainError

_LEAST_EPSILON = 1e-100
_MOST_WRITTEN_OUT, _WRITTEN_AT_ONCE = 10_000_000, 1 << 18  # rewards, in all and in one table


def nearest(kind: type, *names: str) -> str:
    """Return which of some names a class, or the nearest of those it is made of, defines; of several there the first."""
    return next(name for each in kind.__mro__ for name in names if name in vars(each))


class Credit(ABC):
    """One function of a group's rewards: exchanging two members exchanges their credits."""

    words: ClassVar[str]
    least_group: ClassVar[int] = 1
    """The smallest group for which it means something."""
    linear: bool = False
    """Whether a member's credit is an affine function of its own reward and of the group's mean, with fixed factors."""

    def __init_subclass__(cls, **rest: Any) -> None:
        """Take formulas away from a class that overrides what they stand for, unless it states its own."""
        super().__init_subclass__(**rest)
        said = nearest(cls, "of_shares", "of_groups", "limit")
        if nearest(cls, "linear", "of_groups", "of_reward") != "linear":
            cls.linear = False
        if nearest(cls, "limit", "of_groups") != "limit" and not getattr(cls.limit, "__isabstractmethod__", False):
            cls.limit = _no_limit  # type: ignore[assignment, method-assign]
        if said != "of_shares":
            cls.of_shares = _of_whole_groups(cls)  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        numbers_only(self)

    @abstractmethod
    def of_groups(self, rewards: Floats) -> Floats:
        """Return the credit of every response, (groups, G), from finite rewards (groups, G)."""

    @abstractmethod
    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the credit of rewards in groups without end, given the mean and the standard deviation of their prompt."""

    def of_shares(self, values: tuple[float, float], right: Floats, wrong: Floats, size: float) -> tuple[Floats, Floats]:
        """Return the credit of a failure and of a success in groups of two rewards; where a group has none, any finite number.

        Here groups are written out and given to :meth:`of_groups`. A credit that is a formula in the shares overrides this:
        groups of any size then cost nothing.

        Args:
            values: the reward of a failure and of a success.
            right, wrong: shares of successes and of failures in the group, one shape; their sum is 1.
            size: G, or inf for the limit.

        Raises:
            ChainError: groups that are too large, or too many, to be written out.
        """
        return _written_out(self, type(self), values, right, wrong, size)

    def check_group(self, size: float) -> None:
        """Raise ChainError for a group that is too small for it."""
        if size < self.least_group:
            raise ChainError(
                f"group_size is {size:g}: {self.words} needs groups of at least {self.least_group}, "
                "a single response has no others to be compared with"
            )


def _of_whole_groups(kind: type[Credit]) -> Callable[..., tuple[Floats, Floats]]:
    """Return the method ``of_shares`` of a class that states ``of_groups`` or ``limit``: by its own, not by what a child states.

    A child may then change all through ``super()``, each once. What is put into a child later counts unless it has its own.
    """

    def of_shares(self: Credit, values: tuple[float, float], right: Floats, wrong: Floats, size: float) -> tuple[Floats, Floats]:
        """Return what whole groups get."""
        states = type(self) if type(self).of_shares is of_shares else kind
        return _written_out(self, states, values, right, wrong, size)

    return of_shares


def _written_out(
    credit: Credit, kind: type[Credit], values: tuple[float, float], right: Floats, wrong: Floats, size: float
) -> tuple[Floats, Floats]:
    """Return the credit of a failure and of a success by a class's own ``of_groups``, or in groups without end its ``limit``."""
    low, high = values
    if size == np.inf:
        mean, deviation = low + (high - low) * right, (high - low) * np.sqrt(right) * np.sqrt(wrong)
        failure, success = (kind.limit(credit, np.asarray(value), mean, deviation) for value in values)
        return failure, success
    members = int(size)
    successes, where = np.unique(np.rint(right * size).astype(np.int64), return_inverse=True)
    if len(successes) * members > _MOST_WRITTEN_OUT:
        raise ChainError(
            f"group_size is {members:,}: {credit.words} is a function of all rewards of a group, and {len(successes):,} groups "
            "are needed: use group_size <= 3,000 or inf, or give the credit a method of_shares"
        )
    failure, success = np.empty(len(successes)), np.empty(len(successes))
    each = max(1, _WRITTEN_AT_ONCE // members)
    for begin in range(0, len(successes), each):
        rows = slice(begin, begin + each)
        found = kind.of_groups(credit, np.where(np.arange(members) < successes[rows, None], high, low))
        success[rows], failure[rows] = found[:, 0], found[:, -1]
    return failure[where].reshape(right.shape), success[where].reshape(right.shape)


def _no_limit(credit: Credit, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
    raise ChainError(f"group_size is inf: {credit.words} overrides of_groups; give it a method limit as well, or a finite group")


class _OfItself(Credit):
    """A function of a response's own reward, whatever the others get."""

    @abstractmethod
    def of_reward(self, rewards: Floats) -> Floats:
        """Return the credit of each reward."""

    def of_groups(self, rewards: Floats) -> Floats:
        return self.of_reward(rewards)

    def of_shares(self, values: tuple[float, float], right: Floats, wrong: Floats, size: float) -> tuple[Floats, Floats]:
        failure, success = (self.of_reward(np.asarray(value)) + 0.0 * right for value in values)
        return failure, success

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        return self.of_reward(rewards) + 0.0 * mean


@dataclass(frozen=True)
class Raw(_OfItself):
    """The reward itself.

    >>> Raw().of_groups(np.array([[1.0, 0.0]])).tolist()
    [[1.0, 0.0]]
    """

    words = "R"
    linear = True

    def of_reward(self, rewards: Floats) -> Floats:
        """Return the rewards."""
        return rewards


@dataclass(frozen=True)
class Minus(_OfItself):
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
        super().__post_init__()
        if not np.isfinite(self.baseline):
            raise ChainError(f"baseline is {self.baseline}: must be finite; 0 subtracts nothing")

    def of_reward(self, rewards: Floats) -> Floats:
        """Return the rewards minus the baseline."""
        return np.asarray(rewards - self.baseline)


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

    def of_shares(self, values: tuple[float, float], right: Floats, wrong: Floats, size: float) -> tuple[Floats, Floats]:
        """Return the rewards minus the mean of the others, as products: no digits are lost where one of the shares is small."""
        low, high = values
        scale = (high - low) * (1.0 if size == np.inf else size / (size - 1.0))
        return -scale * right, scale * wrong

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the rewards minus their mean."""
        return rewards - mean


Spread = Literal["none", "group", "leave-one-out", "batch"]
"""Whose standard deviation a credit is divided by."""


def spread_named(std: bool | str) -> Spread:
    """Return whose standard deviation is meant; True is the group's, False none.

    Raises:
        ChainError: no such name.

    >>> spread_named(True), spread_named("batch")
    ('group', 'batch')
    """
    names: dict[bool | str, Spread] = {True: "group", False: "none", "none": "none", "group": "group", "batch": "batch",
                                       "leave-one-out": "leave-one-out"}  # fmt: skip
    if std not in names:
        raise ChainError(f"std is {std!r}: must be 'none', 'group', 'leave-one-out' or 'batch' (True is 'group', False 'none')")
    return names[std]


@dataclass(frozen=True)
class GroupMean(Credit):
    r"""The reward minus the group's mean, divided by a standard deviation if asked (GRPO and relatives).

    With ``"leave-one-out"`` mean and standard deviation are those of the *other* members. Where these have no spread a response
    that differs from them gets (R - mean)/epsilon; with epsilon = 0 it gets 0. With ``"batch"`` the deviation is that of all
    rewards of the batch.

    Args:
        std: ``"group"`` or True, ``"none"`` or False, ``"leave-one-out"``, ``"batch"``.
        ddof: 1 for the sample's, 0 for the population's.
        epsilon: added to the standard deviation, >= 0; TRL adds 1e-4, verl 1e-6, the paper nothing.

    Raises:
        ChainError: epsilon negative or not finite, ddof neither 0 nor 1, or an unknown deviation.

    >>> GroupMean(std=False).of_groups(np.array([[1.0, 0.0, 0.0, 0.0]])).tolist()
    [[0.75, -0.25, -0.25, -0.25]]
    >>> GroupMean().of_groups(np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])).tolist()
    [[1.5, -0.5, -0.5, -0.5], [0.0, 0.0, 0.0, 0.0]]
    >>> GroupMean("leave-one-out", ddof=0, epsilon=0.01).of_groups(np.array([[1.0, 0.0, 0.0]])).round(2).tolist()
    [[100.0, -0.98, -0.98]]
    """

    std: bool | str = True
    ddof: Literal[0, 1] = 1
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        spread_named(self.std)
        if not (np.isfinite(self.epsilon) and self.epsilon >= 0):
            raise ChainError(f"epsilon is {self.epsilon}: must be finite and >= 0; 0 reads 0/0 as 0")
        if 0 < self.epsilon < _LEAST_EPSILON:
            raise ChainError(f"epsilon is {self.epsilon:g}: must be 0 or at least {_LEAST_EPSILON:g}; one over it is a credit")
        if self.ddof not in (0, 1):
            raise ChainError(f"ddof is {self.ddof!r}: must be 1 (sample) or 0 (population)")

    @property
    def spread(self) -> Spread:
        """Whose standard deviation."""
        return spread_named(self.std)

    @property
    def least_group(self) -> int:  # type: ignore[override]
        """Two, or three where the others have a sample's deviation."""
        return 3 if self.spread == "leave-one-out" and self.ddof else 2

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is computed."""
        if self.spread == "none":
            return "R - mean"
        tail = f" + {self.epsilon:g}" if self.epsilon else ""
        whose = {"group": "", "leave-one-out": " of the others", "batch": " of the batch"}[self.spread]
        below = f"std{whose}{tail}"
        return f"(R - mean{whose if self.spread == 'leave-one-out' else ''})/{f'({below})' if ' ' in below else below}"

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Affine unless divided by a standard deviation."""
        return self.spread == "none"

    def of_groups(self, rewards: Floats) -> Floats:
        """Return the centred, and possibly scaled, rewards; all groups given are the batch."""
        self.check_group(rewards.shape[1])
        if self.spread == "leave-one-out":
            return self._against_others(rewards)
        centred = rewards - rewards.mean(axis=1, keepdims=True)
        if self.spread == "none":
            return np.asarray(centred)
        # A group of equal rewards has variance 0, not the rounding of its mean: centred credits are 0 there.
        same = (rewards == rewards[:, :1]).all(axis=1, keepdims=True)
        if self.spread == "batch":
            equal = bool((rewards == rewards[0, 0]).all())
            deviation = np.full(same.shape, 0.0 if equal else rewards.std(ddof=self.ddof))
        else:
            deviation = np.where(same, 0.0, rewards.std(axis=1, ddof=self.ddof, keepdims=True))
        return _ratio(np.where(same, 0.0, centred), deviation + self.epsilon)

    def _against_others(self, rewards: Floats) -> Floats:
        size = rewards.shape[1]
        others = rewards[:, np.array([[j for j in range(size) if j != i] for i in range(size)])]  # (groups, G, G - 1)
        same = (others == others[..., :1]).all(axis=-1)
        mean = np.where(same, others[..., 0], others.mean(axis=-1))
        deviation = np.where(same, 0.0, others.std(axis=-1, ddof=self.ddof if size > 2 else 0))
        return _ratio(rewards - mean, deviation + self.epsilon)

    def of_shares(self, values: tuple[float, float], right: Floats, wrong: Floats, size: float) -> tuple[Floats, Floats]:
        """Return the centred, and possibly scaled, rewards, as products."""
        if self.spread == "leave-one-out" and size < np.inf:
            others, k, m = size - 1.0, np.rint(right * size), np.rint(wrong * size)
            groups = (k, np.maximum(m - 1.0, 0.0)), (np.maximum(k - 1.0, 0.0), m)  # without a failure, without a success
            (up, down), (less, rest) = (tuple(count / others for count in pair) for pair in groups)
            failure, _ = self._scaled(values, up, down, others)
            _, success = self._scaled(values, less, rest, others)
            return failure, success
        return self._scaled(values, right, wrong, size)

    def _scaled(self, values: tuple[float, float], right: Floats, wrong: Floats, size: float) -> tuple[Floats, Floats]:
        gap = values[1] - values[0]
        failure, success = -gap * right, gap * wrong
        if self.spread == "none":
            return failure, success
        if self.spread == "batch":
            raise ChainError("the standard deviation of a batch is no function of one group: give the credit to an objective")
        sample = 1.0 if size == np.inf else np.sqrt(size / (size - self.ddof))
        deviation = gap * sample * np.sqrt(right) * np.sqrt(wrong) + self.epsilon
        return _ratio(failure, deviation), _ratio(success, deviation)

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the rewards centred and scaled by their own law."""
        return rewards - mean if self.spread == "none" else _ratio(rewards - mean, deviation + self.epsilon)


@dataclass(frozen=True)
class Positive(_OfItself):
    """1 for a response whose reward exceeds a threshold, 0 for the others: they are filtered out (RFT, STaR, ReST-EM).

    >>> Positive().of_groups(np.array([[1.0, 0.0, 0.4]])).tolist()
    [[1.0, 0.0, 0.0]]
    """

    threshold: float = 0.5

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is computed."""
        return f"1[R > {self.threshold:g}]"

    def of_reward(self, rewards: Floats) -> Floats:
        """Return the indicator."""
        return (rewards > self.threshold).astype(np.float64)


@dataclass(frozen=True)
class ByOutcome(_OfItself):
    """One number for a response that pays, another for one that does not: weighted demonstrations, negative ones too.

    Args:
        right, wrong: the numbers, finite.
        threshold: a reward above it pays.

    >>> ByOutcome(1.0, -0.5).of_groups(np.array([[1.0, 0.0]])).tolist()
    [[1.0, -0.5]]
    """

    right: float = 1.0
    wrong: float = 1.0
    threshold: float = 0.5

    words = "a weight of right and one of wrong responses"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not np.isfinite([self.right, self.wrong]).all():
            raise ChainError(f"weights are {self.right}, {self.wrong}: must be finite; 0 leaves a demonstration out")

    def of_reward(self, rewards: Floats) -> Floats:
        """Return the weights."""
        return np.where(rewards > self.threshold, self.right, self.wrong)


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
        share = hit.mean(axis=1, keepdims=True)
        return np.where(hit, *_signed(share, 1.0 - share))

    def of_shares(self, values: tuple[float, float], right: Floats, wrong: Floats, size: float) -> tuple[Floats, Floats]:
        """Return the signed weights; 0 where both rewards are hits, or both misses."""
        low, high = (value > self.threshold for value in values)
        if low or not high:
            return 0.0 * right, 0.0 * right
        return _signed(right, wrong)[::-1]

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Return the signed weights with the success probability for r; rewards are 0 or 1."""
        return np.where(rewards > self.threshold, *_signed(mean, 1.0 - mean))


@dataclass(frozen=True)
class Combined(Credit):
    """The weighted sum of one credit of each of several rewards, as a function of the number of their joint value.

    Args:
        credit: of each reward by itself.
        weights: one per reward.
        values: the rewards of each joint value, 0, 1, ...

    >>> credit = Combined(GroupMean(std=False), (1.0, 0.5), ((0.0, 0.0), (1.0, 4.0)))
    >>> credit.of_groups(np.array([[0.0, 1.0]])).tolist()
    [[-1.5, 1.5]]
    """

    credit: Credit
    weights: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is computed."""
        return f"sum of {self.credit.words}"

    @property
    def least_group(self) -> int:  # type: ignore[override]
        """That of each."""
        return self.credit.least_group

    def of_groups(self, rewards: Floats) -> Floats:
        """Return the sum."""
        table = np.array(self.values)[rewards.astype(int)]
        return np.asarray(sum(w * self.credit.of_groups(table[..., i]) for i, w in enumerate(self.weights)))

    def limit(self, rewards: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Raise ChainError: mean and deviation of a number say nothing of the rewards."""
        raise ChainError("credits of several rewards, combined before the sign or the square of their sum is looked at, have a "
                         "closed form in finite groups: give group_size a number")  # fmt: skip


def _signed(right: Floats, wrong: Floats) -> tuple[Floats, Floats]:
    """Return the weights of a hit and of a miss in groups of these shares, 0 where one of them is 0."""
    root_right, root_wrong = np.sqrt(right), np.sqrt(wrong)
    mixed = (right > 0) & (wrong > 0)
    zero = np.zeros(mixed.shape)
    hit = np.divide(root_wrong, root_right, out=zero.copy(), where=mixed)
    return hit, -np.divide(root_right, root_wrong, out=zero, where=mixed)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return above/below, with 0 where below is 0: a group without spread has nothing to say."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.zeros(above.shape), where=below != 0)


class Normaliser(ABC):
    """What a response's credit is divided by.

    Raises:
        ChainError: a class derives from one that exact expectations know, and divides by something else.
    """

    words: ClassVar[str]

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        known = next(kind for kind in cls.__mro__[1:] if issubclass(kind, Normaliser))
        if known is not Normaliser and cls.of_groups is not known.of_groups:  # a mixin's counts as its own
            whose = f"of_groups of {known.__name__}, whose exact expectations would be taken"
            raise ChainError(f"{cls.__name__} overrides {whose}: derive it from Normaliser")

    def __post_init__(self) -> None:
        numbers_only(self)

    @abstractmethod
    def of_groups(self, lengths: Floats) -> Floats:
        """Return the factor of every response, (groups, G), from its tokens (groups, G); positive."""


@dataclass(frozen=True)
class PerResponse(Normaliser):
    """The number of responses: tokens are summed.

    >>> PerResponse().of_groups(np.array([[2.0, 8.0]])).tolist()
    [[0.5, 0.5]]
    """

    words = "responses"

    def of_groups(self, lengths: Floats) -> Floats:
        """Return 1/N."""
        return np.full(lengths.shape, 1.0 / lengths.size)


@dataclass(frozen=True)
class PerToken(Normaliser):
    """The tokens of each response by itself: its tokens are averaged, then the responses.

    >>> PerToken().of_groups(np.array([[2.0, 8.0]])).tolist()
    [[0.25, 0.0625]]
    """

    words = "1/L_i, then responses"

    def of_groups(self, lengths: Floats) -> Floats:
        """Return 1/(N L_i)."""
        return np.asarray(1.0 / (lengths.size * lengths))


@dataclass(frozen=True)
class ConstantLength(Normaliser):
    """A constant number of tokens, such as the longest that generation allows.

    Args:
        tokens: Lmax > 0.

    >>> ConstantLength(10).of_groups(np.array([[2.0, 8.0]])).tolist()
    [[0.05, 0.05]]
    """

    tokens: float = 1.0

    words = "a constant Lmax"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (np.isfinite(self.tokens) and self.tokens > 0):
            raise ChainError(f"tokens is {self.tokens}: must be finite and > 0, the constant that sums of tokens are divided by")

    def of_groups(self, lengths: Floats) -> Floats:
        """Return 1/(N Lmax)."""
        return np.full(lengths.shape, 1.0 / (lengths.size * self.tokens))


@dataclass(frozen=True)
class GroupTokens(Normaliser):
    """The tokens of the group, then the groups: every token of a group counts the same.

    >>> GroupTokens().of_groups(np.array([[2.0, 8.0], [1.0, 1.0]])).tolist()
    [[0.05, 0.05], [0.25, 0.25]]
    """

    words = "tokens of the group"

    def of_groups(self, lengths: Floats) -> Floats:
        """Return 1/(P x tokens of the group)."""
        return np.broadcast_to(1.0 / (len(lengths) * lengths.sum(axis=1, keepdims=True)), lengths.shape)


@dataclass(frozen=True)
class BatchTokens(Normaliser):
    """The tokens of the batch: every token counts the same.

    >>> BatchTokens().of_groups(np.array([[2.0, 8.0]])).tolist()
    [[0.1, 0.1]]
    """

    words = "tokens of the batch"

    def of_groups(self, lengths: Floats) -> Floats:
        """Return 1/(tokens of the batch)."""
        return np.full(lengths.shape, 1.0 / lengths.sum())


_NAMED: dict[str, Normaliser] = {
    "responses": PerResponse(),
    "response-tokens": PerToken(),
    "group-tokens": GroupTokens(),
    "batch-tokens": BatchTokens(),
}


def normaliser_named(name: str | Normaliser) -> Normaliser:
    """Return a normaliser by its name; a normaliser is returned as it is.

    Raises:
        ChainError: no such name.

    >>> normaliser_named("response-tokens").words
    '1/L_i, then responses'
    """
    if isinstance(name, Normaliser):
        return name
    kind, _, tokens = name.partition(":")
    if kind == "constant" and tokens.replace(".", "", 1).isdigit():
        return ConstantLength(float(tokens))
    if name not in _NAMED:
        raise ChainError(
            f"normaliser is {name!r}: must be one of {', '.join(_NAMED)}, constant:TOKENS (such as constant:1024), or "
            "ConstantLength(tokens)"
        )
    return _NAMED[name]


def response_coefficients(rewards: ArrayLike, lengths: ArrayLike, *, credit: Credit, normaliser: Normaliser) -> Floats:
    """Return the coefficient that every token of each response gets, (groups, G).

    Args:
        rewards: (groups, G), finite; one row per prompt.
        lengths: (groups, G) tokens of each response, > 0: answers and decisions of all turns.
        credit: what scalar.
        normaliser: divided by what.

    Raises:
        ChainError: shapes differ, a reward is not finite, a length is not positive, or the groups are too small for the credit.


    >>> response_coefficients([[1, 0]], [[2, 8]], credit=GroupMean(std=False), normaliser=PerToken()).tolist()
    [[0.125, -0.03125]]
    """
    r, n = float_array(rewards, "rewards"), float_array(lengths, "lengths")
    if r.ndim != 2 or r.size == 0:
        raise ChainError(f"rewards have shape {r.shape}: need (groups, G), one row per prompt, at least one response")
    if n.shape != r.shape:
        raise ChainError(f"lengths have shape {n.shape}, rewards {r.shape}: give one length per response")
    axes = ("group", "response")
    reject(~np.isfinite(r), r, "reward", "must be finite", "drop that response, or give it a reward", axes=axes)
    reject(~(np.isfinite(n) & (n > 0)), n, "length", "must be finite and > 0", "a response has at least one token", axes=axes)
    credit.check_group(r.shape[1])
    return np.asarray(credit.of_groups(r) * normaliser.of_groups(n))

r"""Normalisers: by what the sum over tokens is divided. Names say over which unit the mean is taken.

With N = P x G responses (P prompts, groups of G) and L_i tokens in response i, the coefficient of every token of response i is
its credit times

========================  ======================  =============================  ==============================================
normaliser                factor                  expectation of large batches   libraries
========================  ======================  =============================  ==============================================
:class:`PerResponse`      1/N                     1                              sums over tokens, means over responses
:class:`PerToken`         1/(N L_i)               1/L                            original GRPO ("sequence mean")
:class:`ConstantLength`   1/(N Lmax)              1/Lmax                         Dr. GRPO
:class:`GroupTokens`      1/(P sum of group L)    1/E[L given x]                 DAPO as published
:class:`BatchTokens`      1/(sum of batch L)      1/E[L]                         token mean: DAPO in TRL and verl, SFT everywhere
========================  ======================  =============================  ==============================================

Source: arXiv 2402.03300, 2503.20783, 2503.14476; the large-batch limits are derived here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dstheory.checks import Floats
from dstheory.errors import ChainError

__all__ = ["BatchTokens", "ConstantLength", "GroupTokens", "Normaliser", "PerResponse", "PerToken", "normaliser_named"]


class Normaliser(ABC):
    """What a response's credit is divided by."""

    words: ClassVar[str]

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
        return np.full(lengths.shape, 1.0 / float(lengths.sum()))


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
    if name not in _NAMED:
        raise ChainError(f"normaliser is {name!r}: must be one of {', '.join(_NAMED)}, or ConstantLength(tokens)")
    return _NAMED[name]

r"""The parts applied to a batch of real rollouts: rewards and token counts in, one coefficient per response out.

The coefficient is what multiplies :math:`\nabla \log \pi` of **every** token of response i (ascent sign; for an on-policy batch).
The update of the batch is :math:`\sum_i c_i \sum_t \nabla \log \pi(token_{i,t})`.

Off policy, each token's coefficient is multiplied by its weight: :func:`clip_weight` (PPO, GRPO, DAPO), or the clipped ratio
itself, :func:`truncate_weight` (CISPO).

Source: as in :mod:`dstheory.objectives.parts.credit`; PPO arXiv 1707.06347; CISPO arXiv 2506.13585.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, float_array, reject
from dstheory.errors import ChainError
from dstheory.objectives.parts.credit import Credit
from dstheory.objectives.parts.normaliser import Normaliser

__all__ = ["clip_weight", "response_coefficients", "truncate_weight"]


def response_coefficients(rewards: ArrayLike, lengths: ArrayLike, *, credit: Credit, normaliser: Normaliser) -> Floats:
    """Return the coefficient that every token of each response gets, (groups, G).

    Args:
        rewards: (groups, G), finite; one row per prompt.
        lengths: (groups, G) tokens of each response, > 0: answers and decisions of all turns.
        credit: what scalar.
        normaliser: divided by what.

    Raises:
        ChainError: shapes differ, a reward is not finite, a length is not positive, or the groups are too small for the credit.

    >>> from dstheory.objectives.parts import GroupMean, PerToken
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


def clip_weight(ratio: ArrayLike, advantage: ArrayLike, *, low: float = 0.2, high: float = 0.2) -> Floats:
    r"""Return the factor of an advantage in the gradient of PPO's clipped surrogate: the ratio, or 0 where it is clipped.

    The gradient of :math:`\min(\rho A, \mathrm{clip}(\rho, 1 - low, 1 + high) A)` is :math:`\rho A \nabla \log \pi`, except where
    the ratio has already gone too far in the direction that A asks for. At the very edge the gradient is kept.

    Args:
        ratio: rho = pi/behaviour >= 0 of each token.
        advantage: of each token, broadcast against the ratio; only its sign matters.
        low, high: how far the ratio may go below and above 1; high may be inf.

    Raises:
        ChainError: a ratio is negative or not finite, or a bound is not in range.

    >>> clip_weight([0.5, 0.5, 1.5, 1.5], [1.0, -1.0, 1.0, -1.0]).tolist()
    [0.5, 0.0, 0.0, 1.5]
    """
    rho, a = _ratios(ratio, low, high), float_array(advantage, "advantage")
    gone_too_far = ((a > 0) & (rho > 1.0 + high)) | ((a < 0) & (rho < 1.0 - low))
    return np.where(gone_too_far, 0.0, rho)


def truncate_weight(ratio: ArrayLike, *, low: float = np.inf, high: float = 0.2) -> Floats:
    """Return the ratio clipped to [1 - low, 1 + high]: a weight that is not differentiated, so no token is ever dropped (CISPO).

    >>> truncate_weight([0.5, 1.5]).tolist()
    [0.5, 1.2]
    """
    return np.clip(_ratios(ratio, low, high), max(0.0, 1.0 - low), 1.0 + high)


def _ratios(ratio: ArrayLike, low: float, high: float) -> Floats:
    rho = float_array(ratio, "ratio")
    reject(~(np.isfinite(rho) & (rho >= 0)), rho, "ratio", "must be finite and >= 0", "give pi/behaviour", axes=("token",))
    for what, bound in (("low", low), ("high", high)):
        if not bound >= 0:
            raise ChainError(f"clip {what} is {bound}: must be >= 0, how far the ratio may leave 1 on that side")
    return rho

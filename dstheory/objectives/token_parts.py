r"""The parts that weigh single tokens, on arrays: ratios off policy, lengths of stages, penalties in the loss.

What every token of a response gets alike is in :mod:`dstheory.objectives.parts`. Off policy, each token's coefficient is
multiplied by its weight: :func:`clip_weight` (PPO, GRPO, DAPO), or the clipped ratio itself, :func:`truncate_weight` (CISPO).

**Length weight.** A stage of l tokens weighs :math:`w = l^\lambda`, shared equally by its tokens: each gets
:math:`l^{\lambda - 1}`. With lambda = 1 every token counts 1, with lambda = 0 every stage does.

**Penalties in the loss.** With :math:`\ell = \log(\pi/ref)` of a token drawn on policy, the loss :math:`\beta k(\ell)` adds to
its coefficient

=========  =====================================  ======================================================
estimator  loss k                                 coefficient, ascent, per unit of beta
=========  =====================================  ======================================================
k1         :math:`\ell`                           :math:`-1`: zero in expectation
k2         :math:`\ell^2 / 2`                     :math:`-\ell`: reverse KL, states frozen
k3         :math:`e^{-\ell} - 1 + \ell`           :math:`-(1 - e^{-\ell})`: forward KL, states frozen
=========  =====================================  ======================================================

Source: PPO arXiv 1707.06347; CISPO 2506.13585; Schulman, "Approximating KL divergence" (2020); lengths 2601.01580.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, float_array, reject
from dstheory.errors import ChainError

_LARGEST_LOG = 709.0  # of a floating-point number


def clip_weight(ratio: ArrayLike, advantage: ArrayLike, *, low: float = 0.2, high: float = 0.2, dual: float = np.inf) -> Floats:
    r"""Return the factor of an advantage in the gradient of PPO's clipped surrogate: the ratio, or 0 where it is clipped.

    The gradient of :math:`\min(\rho A, \mathrm{clip}(\rho, 1 - low, 1 + high) A)` is :math:`\rho A \nabla \log \pi`, except where
    the ratio has already gone too far in the direction that A asks for. At the very edge the gradient is kept.

    Args:
        ratio: rho = pi/behaviour >= 0 of each token.
        advantage: of each token, broadcast against the ratio; only its sign matters.
        low, high: how far the ratio may go below and above 1; high may be inf.
        dual: dual clip, > 1: above it negative advantages have no gradient either (the surrogate is at least dual x A).

    Raises:
        ChainError: a ratio is negative or not finite, or a bound is not in range.

    Source: PPO arXiv 1707.06347; dual clip 1912.09729.

    >>> clip_weight([0.5, 0.5, 1.5, 1.5], [1.0, -1.0, 1.0, -1.0]).tolist()
    [0.5, 0.0, 0.0, 1.5]
    >>> clip_weight([2.5, 3.5], -1.0, dual=3.0).tolist()
    [2.5, 0.0]
    """
    rho, a = _ratios(ratio, low, high), float_array(advantage, "advantage")
    if not dual > 1:
        raise ChainError(f"dual_clip is {dual}: must be > 1, the ratio above which negative advantages are clipped; inf for none")
    gone_too_far = ((a > 0) & (rho > 1.0 + high)) | ((a < 0) & ((rho < 1.0 - low) | (rho > dual)))
    return np.where(gone_too_far, 0.0, rho)


def truncate_weight(ratio: ArrayLike, *, low: float = np.inf, high: float = 0.2) -> Floats:
    """Return the ratio clipped to [1 - low, 1 + high]: a weight that is not differentiated, so no token is ever dropped (CISPO).

    >>> truncate_weight([0.5, 1.5]).tolist()
    [0.5, 1.2]
    """
    return np.clip(_ratios(ratio, low, high), max(0.0, 1.0 - low), 1.0 + high)


def importance_weight(ratio: ArrayLike, *, rule: str, cap: float) -> Floats:
    """Return the weight of what another policy generated: the ratio truncated at a cap, or dropped above it (mask).

    Args:
        ratio: old policy over the one that generated, >= 0.
        rule: ``"truncate"`` or ``"mask"``.
        cap: > 0; inf for plain importance sampling.

    Raises:
        ChainError: an unknown rule, a cap that is not positive, or a ratio that is negative or not finite.

    Source: truncated importance sampling, Ionides (2008); the code of TRL and verl.

    >>> [importance_weight([0.5, 3.0], rule=rule, cap=2.0).tolist() for rule in ("truncate", "mask")]
    [[0.5, 2.0], [0.5, 0.0]]
    """
    rho = _ratios(ratio, 0.0, 0.0)
    if rule not in ("truncate", "mask"):
        raise ChainError(f"importance_rule is {rule!r}: must be 'truncate' (at the cap) or 'mask' (nothing above it counts)")
    if not cap > 0:
        raise ChainError(f"importance_cap is {cap}: must be > 0, the largest importance ratio that counts; inf for no cap")
    return np.minimum(rho, cap) if rule == "truncate" else np.where(rho > cap, 0.0, rho)


def _ratios(ratio: ArrayLike, low: float, high: float) -> Floats:
    rho = float_array(ratio, "ratio")
    reject(~(np.isfinite(rho) & (rho >= 0)), rho, "ratio", "must be finite and >= 0", "give pi/behaviour", axes=("token",))
    for what, bound in (("low", low), ("high", high)):
        if not bound >= 0:
            raise ChainError(f"clip {what} is {bound}: must be >= 0, how far the ratio may leave 1 on that side")
    return rho


Estimator = Literal["k1", "k2", "k3"]


def token_weights(
    answer_tokens: ArrayLike,
    decision_tokens: ArrayLike = 1.0,
    *,
    length_weight: float,
    reduction: Literal["sum", "mean"] = "sum",
) -> tuple[Floats, Floats]:
    """Return the weight of each token of an answer and of each token of a decision.

    Args:
        answer_tokens, decision_tokens: lengths l_s, l_d of the stages of each turn, > 0; they broadcast.
        length_weight: lambda in [0, 1].
        reduction: ``"sum"``, or ``"mean"`` to divide by the weight of the turn.

    Raises:
        ChainError: lambda outside [0, 1], an unknown reduction, or a length that is not positive.

    >>> [float(w) for w in token_weights(16.0, length_weight=0.5, reduction="mean")]  # 16 x 0.05 + 1 x 0.2 = 1
    [0.05, 0.2]
    """
    if not 0.0 <= length_weight <= 1.0:
        raise ChainError(f"length_weight is {length_weight}: must lie in [0, 1]; 0 counts stages, 1 counts tokens")
    if reduction not in ("sum", "mean"):
        raise ChainError(f"reduction is {reduction!r}: must be 'sum' or 'mean'")
    lengths = [float_array(answer_tokens, "answer_tokens"), float_array(decision_tokens, "decision_tokens")]
    for length in lengths:
        reject(~(np.isfinite(length) & (length > 0)), length, "number of tokens", "must be finite and > 0", "a stage has tokens",
               axes=("turn",) * length.ndim)  # fmt: skip
    stage = [length**length_weight for length in lengths]
    total = stage[0] + stage[1] if reduction == "mean" else 1.0
    answer, decision = (np.asarray(w / length / total) for w, length in zip(stage, lengths, strict=True))
    return answer, decision


def penalty_weight(log_ratio: ArrayLike, estimator: Estimator) -> Floats:
    """Return what a KL estimator in the loss adds to the coefficient of each token, per unit of beta (see the table above).

    Raises:
        ChainError: an unknown estimator.

    >>> penalty_weight([0.0, np.log(2.0)], "k3").tolist()
    [0.0, -0.5]
    """
    ell = float_array(log_ratio, "log_ratio")
    match estimator:
        case "k1":
            return np.full(ell.shape, -1.0)
        case "k2":
            return np.asarray(-ell)
        case "k3":
            reject(ell < -_LARGEST_LOG, ell, "log_ratio", f"must be at least -{_LARGEST_LOG:g}",
                   "the weight exp(-log_ratio) is no floating-point number", axes=("token",))  # fmt: skip
            return np.asarray(np.expm1(-ell) + 0.0)
        case _:
            raise ChainError(f"estimator is {estimator!r}: must be 'k1', 'k2' or 'k3'")

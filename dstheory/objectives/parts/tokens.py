r"""Weights of single tokens: by the length of their stage, and what a KL penalty in the loss adds to their coefficient.

**Length weight.** A stage of l tokens weighs :math:`w = l^\lambda`, shared equally by its tokens: each gets
:math:`l^{\lambda - 1}`. With lambda = 1 every token counts 1, with lambda = 0 every stage does. Reduction ``"mean"`` divides by
:math:`w_s + w_d`, the weight of a whole turn (:func:`dstheory.objectives.base.stage_weights` does the same for answers that are
one action).

**Penalties in the loss.** With :math:`\ell = \log(\pi/ref)` of a token drawn on policy, the loss :math:`\beta k(\ell)` adds to
its coefficient

=========  =====================================  ======================================================
estimator  loss k                                 coefficient, ascent, per unit of beta
=========  =====================================  ======================================================
k1         :math:`\ell`                           :math:`-1`: zero in expectation
k2         :math:`\ell^2 / 2`                     :math:`-\ell`: reverse KL, states frozen
k3         :math:`e^{-\ell} - 1 + \ell`           :math:`-(1 - e^{-\ell})`: forward KL, states frozen
=========  =====================================  ======================================================

Source: Schulman, "Approximating KL divergence" (2020); k3 in the loss: GRPO, arXiv 2402.03300; lengths: arXiv 2601.01580.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dstheory.checks import Floats, float_array, reject
from dstheory.errors import ChainError

__all__ = ["Estimator", "penalty_weight", "token_weights"]

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
            return np.asarray(np.expm1(-ell) + 0.0)
        case _:
            raise ChainError(f"estimator is {estimator!r}: must be 'k1', 'k2' or 'k3'")

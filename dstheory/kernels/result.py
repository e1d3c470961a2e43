"""What the gradient kernel and its NumPy reference return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["IMPROPER", "INFINITE_DIVERGENCE", "PROPER", "RewardKLGradient"]

PROPER: Final = 0
IMPROPER: Final = 1
INFINITE_DIVERGENCE: Final = 2


@dataclass(frozen=True, slots=True)
class RewardKLGradient:
    """Value and gradient of reward - beta x direct reverse KL, per prompt (X prompts, Y answers).

    sample, decide
        (X, Y) gradient with respect to the sampling logits and to the logits of stop, prompt weight included; 0 in padding.
    value
        (X,) discounted value V of the reward alone.
    turns, discounted_turns
        (X,) expected number of turns M (inf if the chain never stops) and its discounted version N.
    stop_reward
        (X,) undiscounted expected reward paid at stop, M sum pi s R_stop: the accuracy, when that reward is 0/1.
    divergence
        (X,) visits x sum pi (w_s log(pi/ref) + w_d KL(d || d_ref)), without beta and prompt weight; 0 without a penalty.
        The objective is sum_x prompt_weight (value - beta divergence).
    status
        (X,) PROPER, IMPROPER (the visits that the gradient needs are infinite) or INFINITE_DIVERGENCE (the policy has mass
        where the reference has none). Rows that are not PROPER hold no usable numbers.
    """

    sample: NDArray[np.float64]
    decide: NDArray[np.float64]
    value: NDArray[np.float64]
    turns: NDArray[np.float64]
    discounted_turns: NDArray[np.float64]
    stop_reward: NDArray[np.float64]
    divergence: NDArray[np.float64]
    status: NDArray[np.int8]

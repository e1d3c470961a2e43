"""Lopsided tables for the kernel tests: ragged, unequal weights, skewed rewards, non-uniform reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

Arguments = dict[str, Any]


def random_arguments(rng: np.random.Generator, prompts: int, width: int, scale: float = 1.0) -> Arguments:
    """Return keyword arguments of reward_kl_gradient; padding is NaN, which must never be read."""
    n = rng.integers(1, width + 1, size=prompts)
    n[rng.integers(prompts)] = width
    padding = np.arange(width) >= n[:, None]

    def table(values: np.ndarray) -> np.ndarray:
        return np.where(padding, np.nan, values)

    shape = (prompts, width)
    return {
        "sample_logits": table(scale * rng.normal(size=shape)),
        "stop_logits": table(scale * rng.normal(size=shape)),
        "reward_stop": table(rng.random(size=shape) ** 4 - 0.1),
        "reward_resample": table(-0.2 * rng.random(size=shape)),
        "ref_sample_logits": table(scale * rng.normal(size=shape)),
        "ref_stop_logits": table(scale * rng.normal(size=shape)),
        "beta": float(rng.choice([0.01, 0.3])),
        "sample_weight": table(rng.integers(1, 300, size=shape) ** 0.5),
        "decision_weight": table(0.2 + rng.random(size=shape)),
        "prompt_weight": rng.dirichlet(np.full(prompts, 0.7)),
        "n_answers": n,
        "gamma_within": float(rng.choice([0.0, 0.7, 1.0])),
        "gamma_between": float(rng.choice([0.0, 0.9, 1.0])),
    }


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    """Draw arguments through a seed: sizes shrink, the numbers need not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random_arguments(rng, draw(st.integers(1, 7)), draw(st.integers(1, 23)), draw(st.sampled_from([0.0, 1.0, 4.0])))

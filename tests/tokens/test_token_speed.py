"""Large passes cost a few times what their arithmetic must: time on the processors, against NumPy doing the same sums.

A loop of Python over positions or prompts, or an engine that is not taken, would cost ten times more. What the full sizes cost is
measured by ``python -m benchmarks --only W5``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dstheory.tokens import Factored, Markov, TokenChain, TokenPolicy, token_kl, token_reward


def processor_time(*calls: Callable[[], Any], repeats: int = 5) -> list[float]:
    """The least time of each on the processors, all of them together, in turns; the first round compiles and is not counted."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(1 + repeats):
        for taken, call in zip(times, calls, strict=True):
            begin = time.process_time()
            call()
            taken.append(time.process_time() - begin)
    return [min(taken[1:]) for taken in times]


def test_independent_tokens() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(100, 256, 64)) for _ in range(2)]
    chain = TokenChain(lengths=[256] * 100, symbols=64, required={0: 1, 17: 3}, gamma=0.9)
    policy, reference = (TokenPolicy(Factored.from_logits(z), stop=[0.8, 0.7]) for z in tables)
    exponential, penalty, reward = processor_time(
        lambda: np.exp(tables[0]),  # the least that a table of logits costs
        lambda: token_kl(chain, policy, reference, gradient=False),
        lambda: token_reward(chain, policy, gradient=False),
    )
    assert penalty < 5 * exponential
    assert reward < exponential  # a reward does not look at the padding


def test_markov_tokens() -> None:
    rng = np.random.default_rng(1)
    prompts, length, symbols = 40, 32, 64
    tables = [rng.normal(size=(prompts, length - 1, symbols, symbols)) for _ in range(2)]
    chain = TokenChain(lengths=[length] * prompts, symbols=symbols, required={0: 1, 17: 3}, gamma=0.9)
    policy, reference = (TokenPolicy(Markov.from_logits(z[:, 0, 0], z), stop=[0.8, 0.7]) for z in tables)
    rows = policy.answers.blocks[1].prob
    state = rng.random((prompts, length - 1, 2, symbols))

    def products() -> None:
        _ = state @ rows, rows @ state.swapaxes(-1, -2), state.swapaxes(-1, -2) @ state

    needed, reward, penalty = processor_time(
        products, lambda: token_reward(chain, policy), lambda: token_kl(chain, policy, reference)
    )
    assert reward < 6 * needed
    assert penalty < 9 * needed

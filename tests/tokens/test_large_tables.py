"""Tables large enough for the compiled loops, several blocks and all threads, against NumPy on the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from dstheory.tokens import Factored, Markov, TokenChain, TokenPolicy, token_kl, token_reward, token_sft
from dstheory.tokens.rows import COMPILED_FROM, Categorical, imitation, penalty

NEVER = 1 << 40
CLOSE = {"rtol": 1e-11, "atol": 1e-14}


def table(rng: np.random.Generator, *shape: int) -> np.ndarray:
    z = rng.normal(scale=1.5, size=shape)
    z[rng.random(shape) < 0.05] = -np.inf  # ruled-out symbols
    z[..., 0] = 0.3
    return z


@pytest.mark.parametrize("keep", [True, False])
def test_rows(keep: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    shape = (70, 63, 64)
    assert np.prod(shape) > COMPILED_FROM
    z, finite = table(rng, *shape), rng.normal(size=shape)
    coefficient = rng.normal(size=shape[:2]) * (rng.random(shape[:2]) > 0.1)
    rho = rng.random(70)
    rho[3] = 0.0
    for f, own, other in ((penalty, z, finite), (imitation, finite, z)):
        results = []
        for compiled_from in (COMPILED_FROM, NEVER):
            monkeypatch.setattr("dstheory.tokens.rows.COMPILED_FROM", compiled_from)
            results.append(f(Categorical(logits=own), Categorical(logits=other), coefficient, rho, keep=keep))
        one, two = results
        for a, b in zip(one[:2], two[:2], strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)
        if keep:
            np.testing.assert_allclose(one[2], two[2], **CLOSE)
        else:
            assert one[2] is None
            assert two[2] is None


@pytest.mark.parametrize("kind", ["factored", "markov"])
def test_whole_objectives(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    prompts, length, symbols = (90, 50, 64) if kind == "factored" else (17, 8, 48)
    lengths = rng.integers(3, length + 1, size=prompts)
    lengths[0] = length
    required = [{int(i): 0 for i in rng.choice(n, size=min(n, 1 + n % 4), replace=False)} for n in lengths]
    chain = TokenChain(lengths=lengths, symbols=symbols, required=required, gamma=0.9, prompt_weight=rng.random(prompts))
    tables = [[table(rng, prompts, length, symbols)] if kind == "factored" else
              [table(rng, prompts, symbols), table(rng, prompts, length - 1, symbols, symbols)] for _ in range(2)]  # fmt: skip
    for block in tables[1]:
        block[np.isneginf(block)] = -1.0
    make = Factored.from_logits if kind == "factored" else Markov.from_logits

    def results() -> list:
        pi, other = (TokenPolicy(make(*t), stop=s) for t, s in zip(tables, ([0.8, 0.7], [0.6, 0.75]), strict=True))
        return [
            token_reward(chain, pi), token_kl(chain, pi, other), token_kl(chain, pi, other, term="direct"),
            token_sft(chain, other, pi), token_kl(chain, pi, other, gradient=False),
        ]  # fmt: skip

    fast = results()
    monkeypatch.setattr("dstheory.tokens.rows.COMPILED_FROM", NEVER)
    for one, two in zip(fast, results(), strict=True):
        np.testing.assert_allclose(one.energy.by_position, two.energy.by_position, **CLOSE)
        np.testing.assert_allclose(one.decide, two.decide, **CLOSE)
        for a, b in zip(one.tokens or (), two.tokens or (), strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)
    assert fast[-1].tokens is None


def test_small_kl_keeps_its_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies that hardly differ: variances of the log-ratio are sums of squares, nothing cancels."""
    z = np.random.default_rng(2).normal(size=(80, 64, 64))
    step = 1e-6 * np.random.default_rng(3).normal(size=z.shape)
    p = Categorical(logits=z).prob
    for compiled_from in (COMPILED_FROM, NEVER):
        monkeypatch.setattr("dstheory.tokens.rows.COMPILED_FROM", compiled_from)
        own, other = Categorical(logits=z), Categorical(logits=z + step)
        _, variance, _ = penalty(own, other, np.ones(z.shape[:2]), np.ones(80), keep=False)
        # To first order the log-ratio is the step; the next order is smaller by 1e-6.
        mean = (p * step).sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(variance, (p * (step - mean) ** 2).sum(axis=-1), rtol=1e-5)

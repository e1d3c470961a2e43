"""Verdicts against brute force, conversions between samplers, extreme numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory.tokens import Factored, FullTree, Markov, TokenChain, TokenPolicy, solve_tokens, token_kl, token_reward, token_sft
from dstheory.tokens.model import Conjunction, PatternTable


@given(
    symbols=st.integers(1, 4), relevant=st.integers(0, 3), gaps=st.lists(st.integers(0, 2), min_size=3, max_size=3),
    by_pattern=st.booleans(), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_any_table_is_read_off_correctly(symbols: int, relevant: int, gaps: list[int], by_pattern: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    positions = np.cumsum([g + 1 for g in gaps])[:relevant] - 1
    table = rng.integers(0, 2, size=(2, *(symbols,) * relevant))
    verdict = PatternTable(positions, table, lengths=np.array([9, 9]), symbols=symbols, by_pattern=by_pattern)
    for x in range(2):
        for number, pattern in enumerate(itertools.product(range(symbols), repeat=relevant)):
            state = 0
            for r, v in enumerate(pattern):
                state = int(verdict.steps(np.array([x]), np.array([r]))[0, state, v])
            group = int(verdict.final[x, state])
            assert verdict.correct[x, group] == table[(x, *pattern)]
            assert not by_pattern or group == number


def test_prefixes_with_the_same_future_share_a_state() -> None:
    parity = np.indices((2,) * 8).sum(axis=0) % 2
    assert PatternTable(np.arange(8), parity, lengths=np.array([8]), symbols=2).states == 2
    both = np.zeros((3, 3, 3))
    both[1, 2, 0] = 1
    assert PatternTable([0, 1, 2], both, lengths=np.array([3]), symbols=3).states == 2  # a conjunction


def test_a_conjunction_and_its_table_agree() -> None:
    rng = np.random.default_rng(0)
    table = np.zeros((3, 3))
    table[2, 0] = 1
    settings = {"lengths": [5, 4], "symbols": 3, "gamma": 0.9, "resample_cost": 0.1}
    chains = TokenChain(required={1: 2, 3: 0}, **settings), TokenChain(positions=[1, 3], table=table, **settings)
    assert isinstance(chains[0].verdict, Conjunction)
    answers = Factored.from_logits(rng.normal(size=(2, 5, 3)))
    ref = TokenPolicy(Factored.from_logits(rng.normal(size=(2, 5, 3))), stop=[0.5, 0.4])
    pi = TokenPolicy(answers, stop=[0.8, 0.7])
    for one, two in zip(
        (token_reward(chains[0], pi), token_kl(chains[0], pi, ref)),
        (token_reward(chains[1], pi), token_kl(chains[1], pi, ref)),
        strict=True,
    ):
        np.testing.assert_allclose(one.tokens[0], two.tokens[0], rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(one.energy.by_position, two.energy.by_position, rtol=1e-12, atol=1e-16)


def test_conversions_keep_the_distribution() -> None:
    rng = np.random.default_rng(1)
    chain = TokenChain(lengths=[4, 2], symbols=2, required=[{0: 1, 3: 0}, {1: 1}], gamma=0.9)
    factored = Factored.from_logits(rng.normal(size=(2, 4, 2)))
    values = [
        token_reward(chain, TokenPolicy(p, stop=[0.8, 0.7])).value for p in (factored, factored.as_markov(), factored.as_tree())
    ]
    np.testing.assert_allclose(values, values[0], rtol=1e-13)


@pytest.mark.parametrize("kind", ["factored", "markov", "tree"])
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_extreme_logits(kind: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits of +-1000 are legal: no overflow, no NaN, and the divergence of a certain token is its exact 2000."""
    if engine == "compiled":
        monkeypatch.setattr("dstheory.tokens.rows.COMPILED_FROM", 0)
    chain = TokenChain(lengths=3, symbols=2, required={0: 0, 2: 1}, max_turns=1)
    sure, opposite = (Factored.from_logits([[[s * 1000.0, -s * 1000.0]] * 3]) for s in (1, -1))

    def policy(answers: Factored) -> TokenPolicy:
        return TokenPolicy({"factored": answers, "markov": answers.as_markov(), "tree": answers.as_tree()}[kind], stop=0.5)

    reward = token_reward(chain, policy(sure))
    assert reward.value == 0.0
    assert not any(block.any() for block in reward.tokens)
    kl = token_kl(chain, policy(sure), policy(opposite))
    assert kl.value == -6000.0
    assert kl.energy.sample == 0.0  # a certain token cannot be moved
    sft = token_sft(chain, policy(sure), policy(opposite))
    assert sft.value == -6000.0
    assert sft.energy.sample == np.inf


def test_a_prompt_of_weight_zero_counts_nothing() -> None:
    chain = TokenChain(lengths=[2, 2], symbols=2, required={0: 1}, prompt_weight=[1, 0], max_turns=1)
    single = TokenChain(lengths=2, symbols=2, required={0: 1}, max_turns=1)
    shown = [[[0.3, 0.7], [0.6, 0.4]], [[0.0, 1.0], [1.0, 0.0]]]
    own = [[[0.5, 0.5], [0.2, 0.8]], [[1.0, 0.0], [0.5, 0.5]]]
    two = token_sft(chain, *(TokenPolicy(Factored.from_probabilities(t), stop=0.5) for t in (own, shown)))
    one = token_sft(single, *(TokenPolicy(Factored.from_probabilities(t[:1]), stop=0.5) for t in (own, shown)))
    assert two.energy.sample == one.energy.sample
    np.testing.assert_array_equal(two.tokens[0][0], one.tokens[0][0])
    assert not two.tokens[0][1].any()


def test_long_answers() -> None:
    """A required symbol in each of 4,096 tokens: probabilities underflow to zero, and nothing else happens."""
    length = 4096
    chain = TokenChain(lengths=length, symbols=2, required=dict.fromkeys(range(length), 0), gamma=0.9)
    result = token_reward(chain, TokenPolicy(Factored.from_probabilities([[[0.5, 0.5]] * length]), stop=[0.8, 0.7]))
    assert result.value == 0.0
    assert np.isfinite(result.tokens[0]).all()
    likely = token_reward(chain, TokenPolicy(Factored.from_probabilities([[[1 - 1e-9, 1e-9]] * length]), stop=[0.8, 0.7]))
    s = solve_tokens(chain, TokenPolicy(Factored.from_probabilities([[[1 - 1e-9, 1e-9]] * length]), stop=[0.8, 0.7]))
    np.testing.assert_allclose(s.class_probability[0, 1], -np.expm1(length * np.log1p(-1e-9)), rtol=1e-9)
    assert likely.energy.sample < 0.25


@pytest.mark.parametrize("kind", ["factored", "markov", "tree"])
def test_answers_of_one_token_and_an_alphabet_of_one_symbol(kind: str) -> None:
    one = Factored.from_probabilities([[[0.25, 0.75]]])
    sure = Factored.from_probabilities([[[1.0]] * 3])
    for answers, chain, accuracy in (
        (one, TokenChain(lengths=1, symbols=2, required={0: 1}, max_turns=1), 0.75),
        (sure, TokenChain(lengths=3, symbols=1, required={2: 0}, max_turns=1), 1.0),
        (sure, TokenChain(lengths=3, symbols=1, required={}, max_turns=1), 1.0),
    ):
        converted = {"factored": answers, "markov": answers.as_markov(), "tree": answers.as_tree()}[kind]
        result = token_reward(chain, TokenPolicy(converted, stop=1.0))
        np.testing.assert_allclose((result.value, result.energy.sample), (accuracy, accuracy * (1 - accuracy)), atol=1e-16)
    first = [[0.25, 0.75]], np.zeros((1, 0, 2, 2))
    for make in (Markov.from_probabilities, Markov.from_logits):
        assert make(*first).size == (1, 1, 2)


def test_decimal_rows_are_normalised() -> None:
    rows = Factored.from_probabilities([[[0.3333333333, 0.6666666667 + 9e-10]]]).blocks[0]
    assert rows.prob.sum() == 1.0


def test_repr() -> None:
    chain = TokenChain(lengths=[3, 5], symbols=4, required={0: 1})
    assert repr(chain) == "TokenChain(2 prompts x 3 to 5 tokens of 4 symbols, 2 classes)"
    policy = TokenPolicy(Markov.from_logits(np.zeros((2, 4)), np.zeros((2, 4, 4, 4))), stop=0.5)
    assert repr(policy) == "TokenPolicy(Markov(2 prompts x up to 5 tokens of 4 symbols))"
    assert repr(FullTree.from_logits([np.zeros((1, 1, 2))])) == "FullTree(1 prompt x up to 1 token of 2 symbols)"

"""Bad input: one clear sentence each, with the place, the value, the rule and the remedy."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dstheory.errors import ChainError, ImproperChainError, InfiniteDivergenceError
from dstheory.tokens import Factored, FullTree, Markov, TokenChain, TokenPolicy, flatten, token_kl, token_reward, token_sft

HALF = [[[0.5, 0.5]] * 3]
CHAIN = TokenChain(lengths=3, symbols=2, required={0: 1})
GOOD = TokenPolicy(Factored.from_probabilities(HALF), stop=0.5)


def chain(**settings: object) -> TokenChain:
    return TokenChain(**({"lengths": [3, 2], "symbols": 2, "required": {0: 1}} | settings))


CASES = [
    (lambda: chain(lengths=[3, 0]), "answer length at prompt 1 is 0.0: must be a whole number from 1 to 1,000,000,000; an"),
    (lambda: chain(lengths=[3, 1e300]), "answer length at prompt 1 is 1e+300: must be a whole number from 1 to 1,000,000,000"),
    (lambda: chain(required=None, positions=[1e30], table=[0, 1]), "relevant position at relevant token 0 is 1e+30: must be"),
    (lambda: chain(required={10**30: 1}), f"relevant position at prompt 0, relevant token 0 is {10**30}; prompt 1, relevant"),
    (lambda: chain(required={0: 10**30}), f"required symbol at prompt 0, relevant token 0 is {10**30}; prompt 1, relevant token"),
    (lambda: chain(required=None, positions=[0], table=[0, 1], symbols=10**400), "the table would have 1000"),
    (lambda: chain(required=5), "required is 5: must map positions to symbols"),
    (lambda: chain(lengths=[3, 0], prompts=["one"]), "answer length at prompt 1 is 0.0: must be a whole number from 1 to"),
    (lambda: chain(required=[1, 0]), "required is [1, 0]: must map positions to symbols"),
    (lambda: TokenPolicy([[0.5]], stop=0.5), "answers is of type list: give a Factored, a Markov or a FullTree"),
    (lambda: chain(lengths=[3, 2.5]), "answer length at prompt 1 is 2.5: must be a whole number"),
    (lambda: chain(lengths=[3, float("nan")]), "answer length at prompt 1 is nan: must be a whole number"),
    (lambda: chain(lengths=[]), "lengths has shape (0,): needs one length"),
    (lambda: chain(symbols=0), "symbols is 0: must be a whole number >= 1"),
    (lambda: chain(required={2: 1}), "relevant position at prompt 1, relevant token 0 is 2: must lie inside the answer"),
    (lambda: chain(required={-1: 1}), "relevant position is -1: must be a whole number >= 0"),
    (
        lambda: chain(required=[{0: 1}, {1: 2}]),
        "required symbol at prompt 1, relevant token 0 is 2: must lie in the alphabet 0..1",
    ),
    (lambda: chain(required={0.5: 1}), "relevant position is 0.5: must be a whole number"),
    (lambda: chain(required=[{0: 1}]), "required names 1 prompts but lengths has 2"),
    (lambda: chain(required=None), "give either required=, or positions= and table="),
    (
        lambda: chain(required=None, positions=[0, 2], table=np.zeros((2, 2))),
        "relevant position at prompt 1, relevant token 1 is 2",
    ),
    (lambda: chain(required=None, positions=[1, 0], table=np.zeros((2, 2))), "must be larger than the one before it"),
    (lambda: chain(required=None, positions=[0, 1], table=np.zeros(2)), "table has shape (2,): needs one axis of 2 symbols per"),
    (lambda: chain(required=None, positions=[0], table=[0.5, 1]), "table at prompt 0, pattern 0 is 0.5: must be 0 or 1"),
    (lambda: chain(lengths=30, required=None, positions=np.arange(30), table=0), "the table would have 2^30 patterns"),
    (lambda: chain(gamma=[0.5, 0.9]), "a token chain is one chain"),
    (lambda: chain(correct=[[1, 0]]), "correct cannot be set"),
    (lambda: chain(by_pattern=True), "by_pattern needs positions= and table="),
    (lambda: CHAIN.token_weight([1.0, -1.0, 1.0]), "token_weight at prompt 0, position 1 is -1.0: must be finite and >= 0"),
    (lambda: CHAIN.token_weight(np.ones(4)), "token_weight has shape (4,): must broadcast to (prompts, positions) = (1, 3)"),
    (
        lambda: Factored.from_probabilities([[[0.5, 0.5], [0.7, 0.4]]]),
        "sum of token probabilities at prompt 0, position 1 is 1.1: must be 1; normalise the row",
    ),
    (
        lambda: Factored.from_probabilities([[[0.5, 0.5], [1.2, -0.2]]]),
        "token probability at prompt 0, position 1, symbol 0 is 1.2; prompt 0, position 1, symbol 1 is -0.2: must lie in [0, 1]",
    ),
    (lambda: Factored.from_probabilities([[[1.5]]]), "token probability at prompt 0, position 0, symbol 0 is 1.5: must lie in"),
    (lambda: Factored.from_probabilities([[[np.nan, 1.0]]]), "token probability at prompt 0, position 0, symbol 0 is nan"),
    (lambda: Factored.from_logits([[[0.0, np.nan]]]), "token logit at prompt 0, position 0, symbol 1 is nan: must be below +inf"),
    (lambda: Factored.from_logits([[[0.0, np.inf]]]), "token logit at prompt 0, position 0, symbol 1 is inf: must be below +inf"),
    (lambda: Factored.from_logits([[[-np.inf, -np.inf]]]), "largest token logit at prompt 0, position 0 is -inf: must be finite"),
    (lambda: Factored.from_logits([[0.0, 1.0]]), "a token table has shape (1, 2): needs the axes (prompt, position, symbol)"),
    (lambda: Markov.from_logits(np.zeros((1, 2)), np.zeros((1, 2, 3, 2))), "transition has shape (1, 2, 3, 2): needs"),
    (lambda: FullTree.from_logits([np.zeros((1, 1, 2)), np.zeros((1, 3, 2))]), "level 1 of the tree has shape (1, 3, 2)"),
    (lambda: FullTree([]), "a tree of tokens has no level"),
    (lambda: TokenPolicy(GOOD.answers), "give either stop= (probabilities) or stop_logits="),
    (lambda: TokenPolicy(GOOD.answers, stop=[0.5, 1.5]), "stop probability at class 1 is 1.5: must lie in [0, 1]"),
    (lambda: TokenPolicy(GOOD.answers, stop_logits=[0.0, np.nan]), "stop logit at class 1 is nan"),
    (lambda: token_reward(chain(), GOOD), "the policy has 1 prompt x 3 tokens of 2 symbols but the chain has 2 x 3 of 2"),
    (
        lambda: token_reward(CHAIN, TokenPolicy(GOOD.answers, stop=np.ones((1, 3)))),
        "must broadcast to (prompts, classes) = (1, 2)",
    ),
    (
        lambda: token_sft(CHAIN, GOOD, TokenPolicy(GOOD.answers.as_markov(), stop=0.5)),
        "the policy is factored but the expert is Markov: rows can only be compared within one kind",
    ),
    (lambda: token_kl(CHAIN, GOOD, GOOD, beta=-1.0), "beta is -1.0: must be finite and >= 0"),
    (lambda: token_kl(CHAIN, GOOD, GOOD, beta=[1.0, 2.0]), "beta has shape (2,): must be one number"),
    (lambda: token_kl(CHAIN, GOOD, GOOD, term="half"), "term is 'half': must be 'full' or 'direct'"),
    (lambda: token_kl(CHAIN, GOOD, GOOD, decision_weight=-1.0), "decision_weight is -1.0: must be finite and >= 0"),
    (lambda: token_kl(CHAIN, GOOD, GOOD, decision_weight=[1.0, 1.0]), "decision_weight has shape (2,)"),
    (lambda: flatten(chain(lengths=40, required={0: 1}), GOOD), "2^40 answers per prompt are too many to write out"),
]


@pytest.mark.parametrize(("run", "message"), CASES, ids=[message[:40] for _, message in CASES])
def test_bad_input(run, message: str) -> None:
    with pytest.raises(ChainError, match=re.escape(message)):
        run()


@pytest.mark.parametrize("kind", ["factored", "markov", "tree"])
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_infinite_divergence(kind: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine == "compiled":
        monkeypatch.setattr("dstheory.tokens.rows.COMPILED_FROM", 0)
    never = Factored.from_probabilities([[[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]]])

    def policy(answers: Factored) -> TokenPolicy:
        return TokenPolicy({"factored": answers, "markov": answers.as_markov(), "tree": answers.as_tree()}[kind], stop=0.5)

    for term in ("full", "direct"):
        with pytest.raises(InfiniteDivergenceError, match="the reference gives probability 0 to a token"):
            token_kl(CHAIN, policy(GOOD.answers), policy(never), term=term)
    # The other way round nothing is ruled out, and a weight of zero does not look.
    assert np.isfinite(token_kl(CHAIN, policy(never), policy(GOOD.answers)).value)
    assert token_kl(CHAIN, policy(GOOD.answers), policy(never), token_weight=[1.0, 0.0, 1.0]).value == 0.0


def test_infinite_divergence_of_decisions() -> None:
    with pytest.raises(InfiniteDivergenceError, match="the reference gives probability 0 to resample"):
        token_kl(CHAIN, GOOD, TokenPolicy(GOOD.answers, stop=1.0))
    assert token_kl(CHAIN, TokenPolicy(GOOD.answers, stop=1.0), GOOD).value == pytest.approx(np.log(0.5))


def test_endless_chains() -> None:
    never = TokenPolicy(GOOD.answers, stop=0.0)
    endless = TokenChain(lengths=3, symbols=2, required={0: 1}, gamma=1.0)
    with pytest.raises(ImproperChainError, match="an undiscounted episode never ends"):
        token_reward(endless, never)
    with pytest.raises(ImproperChainError, match="an undiscounted episode never ends"):
        token_kl(CHAIN, never, GOOD)
    assert token_reward(CHAIN, never).value == 0.0


def test_immutable() -> None:
    table = np.zeros((1, 3, 2))
    kept = Factored.from_logits(table)
    table[0, 0] = 9.0  # the caller's own array stays writable, and the policy what it was
    assert kept.blocks[0].prob[0, 0, 0] == 0.5
    with pytest.raises(AttributeError, match="immutable"):
        CHAIN.symbols = 3
    with pytest.raises(ValueError, match="read-only"):
        GOOD.answers.blocks[0].prob[0, 0, 0] = 1.0

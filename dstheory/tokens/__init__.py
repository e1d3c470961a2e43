r"""Answers as sequences of tokens: where length comes from, by first principles instead of by assumption.

    chain = TokenChain(lengths=[3, 5], symbols=4, required={0: 2})     # correct iff token 0 is symbol 2
    policy = TokenPolicy(Factored.from_logits(logits), stop=[0.8, 0.7])
    token_reward(chain, policy).energy.sample

Three kinds of samplers, from general to large: :class:`FullTree` (a row for every prefix), :class:`Markov` (a row for every
position and previous token), :class:`Factored` (a row for every position). Each is a restriction of the one before it.
"""

from __future__ import annotations

from dstheory.tokens.factored import Factored
from dstheory.tokens.markov import Markov
from dstheory.tokens.model import TokenChain
from dstheory.tokens.objectives import (
    TokenEnergy,
    TokenPolicy,
    TokenResult,
    TokenSolution,
    flatten,
    solve_tokens,
    token_kl,
    token_reward,
    token_sft,
)
from dstheory.tokens.samplers import FullTree

__all__ = [
    "Factored",
    "FullTree",
    "Markov",
    "TokenChain",
    "TokenEnergy",
    "TokenPolicy",
    "TokenResult",
    "TokenSolution",
    "flatten",
    "solve_tokens",
    "token_kl",
    "token_reward",
    "token_sft",
]

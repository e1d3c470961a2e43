r"""A token chain written out: one answer per sequence, as a :class:`TwoStageMDP` that all of the package works on.

Answers are numbered in base S, first token most significant. Decisions of the flat policy are tabular per answer, no longer tied
within a class; for rewards that changes nothing, since advantages of answers in one class are equal.

Source: derived here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats
from dstheory.errors import ChainError
from dstheory.tokens.full_tree import FullTree
from dstheory.tokens.model import TokenChain
from dstheory.tokens.passes import TokenSampler
from dstheory.tokens.solution import TokenPolicy

__all__ = ["flatten"]

_MOST_ANSWERS = 1_000_000


def flatten(chain: TokenChain, policy: TokenPolicy) -> tuple[TwoStageMDP, Policy]:
    """Return the chain with one answer per sequence of tokens, and the policy on it.

    Args:
        chain: a chain with at most a million sequences per prompt.
        policy: a policy of the chain.

    Raises:
        ChainError: too many sequences, or the policy does not fit.

    >>> from dstheory.tokens import Factored
    >>> chain = TokenChain(lengths=2, symbols=2, required={0: 1})
    >>> mdp, flat = flatten(chain, TokenPolicy(Factored.from_probabilities([[[0.5, 0.5], [0.9, 0.1]]]), stop=[0.5, 0.25]))
    >>> mdp.correct.tolist(), flat.sample_prob.round(3).tolist()
    ([[0.0, 0.0, 1.0, 1.0]], [[[0.45, 0.05, 0.45, 0.05]]])
    """
    symbols, width = chain.symbols, chain.max_length
    if width * np.log(symbols) > np.log(_MOST_ANSWERS):
        raise ChainError(f"{symbols}^{width} answers per prompt are too many to write out: at most {_MOST_ANSWERS:,}")
    tree = _as_tree(policy.answers)
    forward = tree.start(chain)
    stop_logits = np.broadcast_to(policy.stop_logits, (chain.n_prompts, chain.verdict.classes))
    counts = symbols**chain.lengths
    shape = (chain.n_prompts, int(counts.max()))
    log_prob, group = np.full(shape, -np.inf), np.zeros(shape, dtype=np.int64)
    total: Floats = np.zeros((chain.n_prompts, 1))
    for i, rows in enumerate(tree.blocks):
        total = (total[..., None] + rows.log_prob).reshape(chain.n_prompts, -1)
        ends = chain.lengths == i + 1
        log_prob[ends, : total.shape[1]] = total[ends]
        group[ends, : total.shape[1]] = np.take_along_axis(chain.verdict.final, forward.states[i + 1], axis=1)[ends]
    seen = chain.classes
    tables: dict[str, Any] = {
        name: np.take_along_axis(getattr(seen, name), group, axis=1)
        for name in ("correct", "reward_stop", "reward_resample", "sample_length", "decision_length",
                     "reward_stop_variance", "reward_resample_variance")
    }  # fmt: skip
    mdp = TwoStageMDP(
        n_answers=counts, prompt_weight=seen.prompt_weight, gamma=seen.gamma, discount_per=seen.discount_per,
        max_turns=seen.max_turns, prompts=seen.prompts, **tables,
    )  # fmt: skip
    return mdp, Policy.tabular(log_prob, np.take_along_axis(stop_logits, group, axis=1))


def _as_tree(sampler: TokenSampler) -> FullTree:
    convert = getattr(sampler, "as_tree", None)
    if convert is None:
        raise ChainError(f"a {sampler.kind} sampler cannot be written out as a tree")
    tree: FullTree = convert()
    return tree

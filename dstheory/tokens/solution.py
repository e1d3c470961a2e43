r"""A token policy of both stages, and the exact solution of a token chain under it.

Seen from the decision stage a token chain is a chain of classes: the forward pass over the tokens gives the class probabilities,
and everything else (values, turns, occupancies) is that of :func:`dstheory.chain.exact.solve` on the classes. Short answers can
also be written out, one answer per sequence, for all of the package to work on: :func:`flatten`.

Source: derived here.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, float_array, frozen, reject
from dstheory.errors import ChainError
from dstheory.tokens.model import TokenChain
from dstheory.tokens.samplers import TokenPass, TokenSampler

_MOST_ANSWERS = 1_000_000  # of a prompt, written out


class TokenPolicy:
    """A stationary policy of a token chain: a sampler of answers, and a logit of stop for every class of answers.

    Args:
        answers: :class:`FullTree`, :class:`Markov` or :class:`Factored`.
        stop: P(stop | class), broadcast to (X, M); zeros and ones are allowed.
        stop_logits: the logits instead.

    Raises:
        ChainError: a probability outside [0, 1], a NaN, or a shape that does not fit.

    Example:
        >>> from dstheory.tokens import Factored
        >>> policy = TokenPolicy(Factored.from_probabilities([[[0.5, 0.5]]]), stop=[0.8, 0.7])
        >>> policy.stop_logits.round(3).tolist()
        [1.386, 0.847]
    """

    def __init__(self, answers: TokenSampler, *, stop: ArrayLike | None = None, stop_logits: ArrayLike | None = None) -> None:
        if (stop is None) == (stop_logits is None):
            raise ChainError("give either stop= (probabilities) or stop_logits=")
        if stop is not None:
            prob = float_array(stop, "stop")
            reject(~((prob >= 0) & (prob <= 1)), prob, "stop probability", "must lie in [0, 1]", "correct that entry",
                   axes=("prompt", "class")[2 - min(prob.ndim, 2) :])  # fmt: skip
            with np.errstate(divide="ignore"):
                logits = np.log(prob) - np.log1p(-prob)
        else:
            assert stop_logits is not None
            logits = float_array(stop_logits, "stop_logits")
            reject(np.isnan(logits), logits, "stop logit", "must not be NaN", "give a number",
                   axes=("prompt", "class")[2 - min(logits.ndim, 2) :])  # fmt: skip
        self.answers = answers
        self.stop_logits = frozen(np.asarray(logits))

    def __repr__(self) -> str:
        return f"TokenPolicy({self.answers!r})"


class TokenSolution:
    """Everything exact about a token chain under a policy. Made by :func:`solve_tokens`.

    Attributes:
        chain, policy: what was solved.
        forward: the forward pass over the tokens.
        stop_logits: (X, M).
    """

    def __init__(self, chain: TokenChain, policy: TokenPolicy, what: str = "policy") -> None:
        policy.answers.check_fits(chain, what)
        shape = (chain.n_prompts, chain.verdict.classes)
        try:
            stop_logits = np.broadcast_to(policy.stop_logits, shape)
        except ValueError as error:
            raise ChainError(
                f"the {what}'s stop probabilities have shape {policy.stop_logits.shape}: must broadcast to "
                f"(prompts, classes) = {shape}"
            ) from error
        self.chain, self.policy, self.stop_logits = chain, policy, stop_logits
        self.forward: TokenPass = policy.answers.start(chain)

    @cached_property
    def classes(self) -> Solution:
        """The solution of the chain of classes: values, occupancies, accuracy, turns; its answers are the classes."""
        with np.errstate(divide="ignore"):
            logits = np.log(self.forward.classes)
        return solve(self.chain.classes, Policy.tabular(logits, self.stop_logits))

    @property
    def class_probability(self) -> Floats:
        """(X, M) probability that an answer falls into each class."""
        return self.forward.classes

    @property
    def value(self) -> float:
        """E_x[V(x)], the expected discounted return."""
        return float(self.classes.mean_value)

    @property
    def accuracy(self) -> float:
        """Probability that the submitted answer is correct, averaged over prompts."""
        return float(self.classes.mean_accuracy)

    @property
    def visits(self) -> Floats:
        """(X,) undiscounted expected number of answers of an episode (inf if endless): the occupancy of the empty prefix."""
        return self.classes.expected_turns

    @property
    def decisions(self) -> Floats:
        """(X,) undiscounted expected number of decisions: a capped chain draws none at its last turn."""
        s = self.classes
        return np.asarray((s.visits * s.unrolled.decided[..., 0]).sum(axis=-2))


def solve_tokens(chain: TokenChain, policy: TokenPolicy) -> TokenSolution:
    """Return the exact solution of a token chain.

    Raises:
        ChainError: the policy does not fit the chain.

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=2, symbols=2, required={0: 1}, gamma=1.0)
        >>> policy = TokenPolicy(Factored.from_probabilities([[[0.5, 0.5], [0.9, 0.1]]]), stop=[0.5, 0.25])
        >>> s = solve_tokens(chain, policy)
        >>> s.class_probability.tolist(), round(s.accuracy, 12)  # odds = 1 x 0.5/0.25
        ([[0.5, 0.5]], 0.666666666667)
    """
    return TokenSolution(chain, policy)


def flatten(chain: TokenChain, policy: TokenPolicy) -> tuple[TwoStageMDP, Policy]:
    """Return the chain with one answer per sequence of tokens, and the policy on it.

    Answers are numbered in base S, first token most significant. Decisions of the flat policy are tabular per answer, no longer
    tied within a class; for rewards that changes nothing, since advantages of answers in one class are equal.

    Args:
        chain: a chain with at most a million sequences per prompt.
        policy: a policy of the chain.

    Raises:
        ChainError: too many sequences, or the policy does not fit.

    Example:
        >>> from dstheory.tokens import Factored
        >>> chain = TokenChain(lengths=2, symbols=2, required={0: 1})
        >>> mdp, flat = flatten(chain, TokenPolicy(Factored.from_probabilities([[[0.5, 0.5], [0.9, 0.1]]]), stop=[0.5, 0.25]))
        >>> mdp.correct.tolist(), flat.sample_prob.round(3).tolist()
        ([[0.0, 0.0, 1.0, 1.0]], [[[0.45, 0.05, 0.45, 0.05]]])
    """
    symbols, width = chain.symbols, chain.max_length
    if width * np.log(symbols) > np.log(_MOST_ANSWERS):
        raise ChainError(f"{symbols}^{width} answers per prompt are too many to write out: at most {_MOST_ANSWERS:,}")
    tree = policy.answers.as_tree()
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

r"""A token policy of both stages, and the exact solution of a token chain under it.

Seen from the decision stage a token chain is a chain of classes: the forward pass over the tokens gives the class probabilities,
and everything else (values, turns, occupancies) is that of :func:`dstheory.chain.exact.solve` on the classes.

Source: derived here.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, float_array, frozen, reject
from dstheory.errors import ChainError
from dstheory.tokens.model import TokenChain
from dstheory.tokens.passes import TokenPass, TokenSampler

__all__ = ["TokenPolicy", "TokenSolution", "solve_tokens"]


class TokenPolicy:
    """A stationary policy of a token chain: a sampler of answers, and a logit of stop for every class of answers.

    Args:
        answers: :class:`FullTree`, :class:`Markov` or :class:`Factored`.
        stop: P(stop | class), broadcast to (X, M); zeros and ones are allowed.
        stop_logits: the logits instead.

    Raises:
        ChainError: a probability outside [0, 1], a NaN, or a shape that does not fit.

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

    >>> from dstheory.tokens import Factored
    >>> chain = TokenChain(lengths=2, symbols=2, required={0: 1}, gamma=1.0)
    >>> policy = TokenPolicy(Factored.from_probabilities([[[0.5, 0.5], [0.9, 0.1]]]), stop=[0.5, 0.25])
    >>> s = solve_tokens(chain, policy)
    >>> s.class_probability.tolist(), round(s.accuracy, 12)  # odds = 1 x 0.5/0.25
    ([[0.5, 0.5]], 0.666666666667)
    """
    return TokenSolution(chain, policy)

r"""Early rejection: partial scores after tau tokens, and how often they reject the better of two answers.

Each token of the better answer scores with probability :math:`p_1`, of the worse with :math:`p_2 < p_1`, independently. After tau
tokens the better one fails to lead with probability :math:`P(S_1 \le S_2)`, a sum over two binomial laws, exactly; at most
:math:`M^\tau \le e^{-\tau (p_1 - p_2)^2/2}`, :math:`M = 1 - (\sqrt{p_1(1-p_2)} - \sqrt{(1-p_1)p_2})^2` (claim H4).

Source: arXiv 2508.01969 (early rejection by partial rewards); M, and rejection as a decision, are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from dstheory.chain.policy import Policy
from dstheory.checks import probability, whole_number
from dstheory.errors import ChainError
from dstheory.extensions.binomial import log_binomial


@dataclass(frozen=True)
class Rejection:
    """Logarithms of the probabilities after tau tokens.

    Attributes:
        not_ahead: the better answer does not lead: it is behind, or both are level.
        behind: the worse answer strictly leads.
        bound: tau log M, the best exponential bound on ``not_ahead``.
        plain_bound: -tau (p1 - p2)^2/2.
    """

    not_ahead: float
    behind: float
    bound: float
    plain_bound: float


def _prefix(tau: int, length: int) -> int:
    tau, length = whole_number(tau, "tau", low=1), whole_number(length, "length", low=1)
    if tau > length:
        raise ChainError(f"tau is {tau}: must be at most the answer's length, {length} tokens; score the whole answer instead")
    return tau


def early_rejection(tau: int, *, better: float, worse: float, length: int) -> Rejection:
    """Return how often tau tokens of two answers mislead, exactly and by the bounds.

    Args:
        tau: number of tokens seen.
        better, worse: probabilities that a token of the answer scores, better > worse.
        length: tokens of the answers.

    Raises:
        ChainError: tau beyond the length, a probability outside [0, 1], or better <= worse.

    Example:
        >>> r = early_rejection(1, better=0.75, worse=0.5, length=8)
        >>> np.exp([r.not_ahead, r.behind]).round(6).tolist()  # ties: both score 3/8, neither 1/8
        [0.625, 0.125]
    """
    tau = _prefix(tau, length)
    p1, p2 = (float(probability(x, name, "it is the chance of a token")) for x, name in ((better, "better"), (worse, "worse")))
    if not p2 < p1:
        raise ChainError(f"better is {p1} and worse is {p2}: the better answer's tokens must score more often")
    one, two = log_binomial(tau, p1), log_binomial(tau, p2)
    at_least = np.logaddexp.accumulate(two[::-1])[::-1]  # log P(S_2 >= s)
    more = np.append(at_least[1:], -np.inf)
    base = 1.0 - (np.sqrt(p1 * (1 - p2)) - np.sqrt((1 - p1) * p2)) ** 2
    with np.errstate(divide="ignore"):
        bound = tau * float(np.log(base))
    return Rejection(float(logsumexp(one + at_least)), float(logsumexp(one + more)), bound, -tau * (p1 - p2) ** 2 / 2)


def rejection_policy(tau: int, *, p: float, score: float, length: int) -> Policy:
    """Return the minimal chain's policy that resamples answers of which at most half of tau tokens scored.

    Args:
        tau: number of tokens seen.
        p: probability of a right answer, strictly between 0 and 1.
        score: probability that a token scores, in a right answer; in a wrong one it is 1 - score. In (1/2, 1).
        length: tokens of the answers.

    Raises:
        ChainError: tau beyond the length, p outside (0, 1), or a score outside (1/2, 1).

    Example:
        >>> rejection_policy(3, p=0.5, score=0.75, length=8).stop_prob.round(6).tolist()  # 1 - a = 10/64
        [[[0.84375, 0.15625]]]
    """
    tau = _prefix(tau, length)
    if not 0.5 < score < 1.0:
        raise ChainError(f"score is {score}: must lie strictly between 1/2 and 1, the chance that a right answer's token scores")
    kept = slice(tau // 2 + 1, None)
    accept_right, accept_wrong = (np.exp(logsumexp(log_binomial(tau, x)[kept])) for x in (score, 1.0 - score))
    return Policy.minimal(p=p, a=accept_right, b=1.0 - accept_wrong)

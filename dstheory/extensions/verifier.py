r"""A verifier that errs: rewards with two error rates, and the majority of n verifiers, exactly.

A right answer is rejected with probability :math:`r_0`, a wrong one accepted with :math:`r_1`, drawn anew for each response
(errors that come back with an answer turn the gradient: claim H9-answers). What is paid at a stop is then 0/1 with mean
:math:`z = r_1 + (1 - r_0 - r_1) c` and variance z(1-z): a chain of this package with other reward means and variances. Its
gradient is :math:`1 - r_0 - r_1` times that of the accuracy (claim H9), at both stages.

The majority of n is again such a verifier, with :math:`r^{(n)} = P(\text{more than half of n err}) + \tfrac12 P(\text{a tie})`.

*Early rejection*: partial scores after tau tokens, and how often they reject the better of two answers. Each token of the
better answer scores with probability :math:`p_1`, of the worse with :math:`p_2 < p_1`, independently. After tau tokens the
better one fails to lead with probability :math:`P(S_1 \le S_2)`, a sum over two binomial laws, exactly; at most :math:`M^\tau
\le e^{-\tau (p_1 - p_2)^2/2}`, :math:`M = 1 - (\sqrt{p_1(1-p_2)} - \sqrt{(1-p_1)p_2})^2` (claim H4).

Source: arXiv 2512.03438 (rewards from an imperfect verifier); the majority is derived here; arXiv 2508.01969 (early rejection by
partial rewards); M, and rejection as a decision, are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, probability, whole_number
from dstheory.errors import ChainError
from dstheory.extensions.duels import log_binomial, majority_error

_RATE = "it is the share of answers that the verifier judges wrongly"


@dataclass(frozen=True, eq=False)
class VerifierEffect:
    """What a verifier does to a gradient.

    Attributes:
        false_reject, false_accept: the error rates, of the majority if there are several verifiers.
        factor: 1 - false_reject - false_accept, by which the gradient of the accuracy is multiplied.
    """

    false_reject: Floats
    false_accept: Floats

    @property
    def factor(self) -> Floats:
        """The multiplier of the gradient."""
        return np.asarray(1.0 - self.false_reject - self.false_accept)

    @property
    def sign(self) -> Floats:
        """1, 0 or -1: the sign that the gradient keeps, loses or reverses; errors of rounding size count as 0."""
        small = np.abs(self.factor) < 4 * np.finfo(np.float64).eps
        return np.asarray(np.where(small, 0.0, np.sign(self.factor)))

    def weight(self, accuracy: ArrayLike) -> Floats:
        """Return the weight of a prompt under group-std scaling in large groups, (1 - r0 - r1)/sqrt(z(1-z)) (H9-std).

        Raises:
            ChainError: an accuracy outside [0, 1], or a payment without spread.

        Example:
            >>> effect = verifier_effect(false_reject=0.1, false_accept=0.2)
            >>> effect.weight([0.01, 0.5]).round(3).tolist()  # a perfect verifier would give 10.05 and 2
            [1.728, 1.407]
        """
        x = probability(accuracy, "accuracy", "give the success probability of a prompt")
        z = self.false_accept + self.factor * x
        if not ((z > 0) & (z < 1)).all():
            raise ChainError("what the verifier pays has no spread at some accuracy: standardised rewards do not exist there")
        return np.asarray(self.factor / np.sqrt(z * (1 - z)))

    def __str__(self) -> str:
        if self.factor.ndim:
            return f"gradient factors {self.factor.min():.6g} to {self.factor.max():.6g}"
        said = {
            1.0: "the gradient keeps its direction",
            0.0: "the gradient vanishes: the verdicts say nothing about the answer",
            -1.0: "the gradient is reversed: the verifier is worse than chance and teaches errors",
        }
        return f"gradient factor {float(self.factor):.6g}: {said[float(self.sign)]}"


def noisy_verifier(mdp: TwoStageMDP, *, false_reject: ArrayLike, false_accept: ArrayLike) -> TwoStageMDP:
    """Return the chain whose answers are paid by a verifier with these error rates; the price of a resample stays.

    Args:
        mdp: a chain; its ``correct`` says which answers are right, its rewards at a stop are replaced.
        false_reject: r0, probability that a right answer is not paid; a number or an array over runs.
        false_accept: r1, probability that a wrong answer is paid.

    Raises:
        ChainError: a rate outside [0, 1].

    Example:
        >>> chain = noisy_verifier(TwoStageMDP.minimal(gamma=1.0), false_reject=0.5, false_accept=0.25)
        >>> chain.reward_stop.tolist(), chain.reward_stop_variance.tolist()
        ([[0.5, 0.25]], [[0.25, 0.1875]])
    """
    r0 = probability(false_reject, "false_reject", _RATE)[..., None, None]
    r1 = probability(false_accept, "false_accept", _RATE)[..., None, None]
    paid = np.where(mdp.correct == 1, 1.0 - r0, r1) * mdp.inside
    return mdp.replace(reward_stop=paid, reward_stop_variance=paid * (1.0 - paid))


def verifier_effect(*, false_reject: ArrayLike, false_accept: ArrayLike, n: int = 1) -> VerifierEffect:
    """Return what the majority of n verifiers does to the gradient.

    Raises:
        ChainError: a rate outside [0, 1], or n no whole number >= 1.

    Example:
        >>> print(verifier_effect(false_reject=0.7, false_accept=0.6))
        gradient factor -0.3: the gradient is reversed: the verifier is worse than chance and teaches errors
        >>> print(verifier_effect(false_reject=0.75, false_accept=0.125, n=3))  # r0 > 1/2: more voters, less gradient
        gradient factor 0.113281: the gradient keeps its direction
    """
    rates = (("false_reject", false_reject), ("false_accept", false_accept))
    return VerifierEffect(*(majority_error(probability(rate, name, _RATE), n) for name, rate in rates))


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
        better: probability that a token of the better answer scores.
        worse: that of the worse one, below it.
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

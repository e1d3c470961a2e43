r"""Verdicts that err, one by one and by majority: duels of trajectories, verifiers, and partial scores.

*Duels*: what comparisons of trajectories without rewards say about a decision, and how many of them it takes. Two trajectories
with 0/1 outcomes are shown; the better one is preferred with probability link(1) > 1/2, a tie by a coin. If the trajectories
succeed with probabilities :math:`P_1, P_2`, the first is preferred with :math:`1/2 + k(P_1 - P_2)`, :math:`k = link(1) - 1/2`
(claim H6). How often the majority of n duels errs is computed by logarithms: exact for a thousand duels, where it is far below
the smallest float. The majority of n, each of which errs with probability r, errs with

.. math:: P(\text{more than } n/2 \text{ err}) + \tfrac12 P(n/2 \text{ err}).

*A verifier*: rewards with two error rates. A right answer is rejected with probability :math:`r_0`, a wrong one accepted with
:math:`r_1`, drawn anew for each response (errors that come back with an answer turn the gradient: claim H9-answers). What is paid
at a stop is then 0/1 with mean :math:`z = r_1 + (1 - r_0 - r_1) c` and variance z(1-z): a chain of this package with other reward
means and variances. Its gradient is :math:`1 - r_0 - r_1` times that of the accuracy (claim H9), at both stages.

The majority of n is again such a verifier, with :math:`r^{(n)} = P(\text{more than half of n err}) + \tfrac12 P(\text{a tie})`.

*Early rejection*: partial scores after tau tokens, and how often they reject the better of two answers. Each token of the
better answer scores with probability :math:`p_1`, of the worse with :math:`p_2 < p_1`, independently. After tau tokens the
better one fails to lead with probability :math:`P(S_1 \le S_2)`, a sum over two binomial laws, exactly; at most :math:`M^\tau
\le e^{-\tau (p_1 - p_2)^2/2}`, :math:`M = 1 - (\sqrt{p_1(1-p_2)} - \sqrt{(1-p_1)p_2})^2` (claim H4).

Source: arXiv 2406.07455 (BSAD: backward identification of the best decision from duels); 2512.03438 (rewards from an imperfect
verifier); 2508.01969 (early rejection by partial rewards); exact values, the majority, M, and rejection as a decision are derived
here; binomial laws, textbook (Feller 1968, chapter VI).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, logsumexp, xlog1py, xlogy

from dstheory.chain.exact import Solution
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, probability, reject, whole_number
from dstheory.errors import ChainError
from dstheory.extensions.success import rewarding_success

_RATE = "it is the share of answers that the verifier judges wrongly"


def log_binomial(n: int, p: ArrayLike) -> Floats:
    """Return (..., n + 1) log P(k of n) for k = 0, ..., n, at each success probability p.

    Example:
        >>> np.exp(log_binomial(2, 0.5)).round(12).tolist()
        [0.25, 0.5, 0.25]
        >>> float(log_binomial(1000, 1e-3)[1000].round(3))  # a probability of 1e-3000
        -6907.755
    """
    n = whole_number(n, "n", low=1)
    p, k = np.asarray(p, dtype=np.float64)[..., None], np.arange(n + 1)
    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(choose + xlogy(k, p) + xlog1py(n - k, -p))


def log_majority_error(rate: ArrayLike, n: int) -> Floats:
    """Return log P(the majority of n errs) if each errs with this rate; a tie is decided by a coin.

    Raises:
        ChainError: a rate outside [0, 1], or n no whole number >= 1.

    Example:
        >>> float(log_majority_error(1e-3, 1000).round(1))
        -2765.6
    """
    r = probability(rate, "rate", "it is the probability that one of them errs")
    n = whole_number(n, "n", low=1)
    logs = log_binomial(n, r)[..., n // 2 + n % 2 :]
    if n % 2 == 0:
        logs = logs + np.where(np.arange(logs.shape[-1]) == 0, np.log(0.5), 0.0)
    return np.minimum(logsumexp(logs, axis=-1), 0.0)  # a sum of probabilities: above 1 by rounding only


def majority_error(rate: ArrayLike, n: int) -> Floats:
    """Return P(the majority of n errs), 0 where it is below the smallest float.

    Example:
        >>> float(majority_error(0.25, 3).round(12))
        0.15625
    """
    return np.exp(log_majority_error(rate, n))


def duel_win(first: ArrayLike, second: ArrayLike, *, link: ArrayLike = 1.0) -> Floats:
    """Return the probability that the first of two trajectories is preferred.

    Args:
        first: success probability of one.
        second: success probability of the other.
        link: probability that the better of two outcomes is preferred, in (1/2, 1].

    Raises:
        ChainError: a probability outside [0, 1], or a link outside (1/2, 1].

    Example:
        >>> float(duel_win(0.75, 0.25, link=0.75))
        0.625
    """
    p1 = probability(first, "first", "it is a success probability")
    p2 = probability(second, "second", "it is a success probability")
    prefer = probability(link, "link", "it is the probability that the better outcome is preferred")
    reject(prefer <= 0.5, prefer, "link", "must exceed 1/2", "a link of 1/2 prefers nothing", axes=())
    return np.asarray(0.5 + (prefer - 0.5) * (p1 - p2))


@dataclass(frozen=True, eq=False)
class Duels:
    """What duels between two actions find.

    Attributes:
        win: probability that the first action is preferred in one duel.
        log_error: log-probability that the majority prefers the worse action; NaN where both are equally good.
    """

    win: Floats
    log_error: Floats


def decision_duels(solution: Solution, n: int, *, link: float = 1.0) -> Duels:
    """Return what n duels between stop and resample find at every state, (*runs, T', X, Y), the policy going on afterwards.

    Outcomes are the correctness of what is submitted at last, whatever the chain pays.

    Example:
        >>> from dstheory import Policy, TwoStageMDP, solve
        >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.75))
        >>> decision_duels(s, 101).win.round(6).tolist()  # V = 2/3: stop wins at the right answer, resample at the wrong one
        [[[0.666667, 0.166667]]]
    """
    v = rewarding_success(solution).values
    return _duels(v.q_stop, v.q_resample, n, link)


def answer_duels(solution: Solution, n: int, *, link: float = 1.0) -> Duels:
    """Return what n duels between every two answers find, (*runs, T', X, Y, Y), the policy deciding and going on afterwards.

    In padding, and of an answer against itself, win is not to be used.

    Example:
        >>> from dstheory import Policy, TwoStageMDP, solve
        >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.5, b=0.75))
        >>> answer_duels(s, 1).win[0, 0].round(6).tolist()  # a(1-b)/(1-q) = 1/3 apart
        [[0.5, 0.666667], [0.333333, 0.5]]
    """
    q = rewarding_success(solution).values.q_sample
    return _duels(q[..., :, None], q[..., None, :], n, link)


def _duels(first: Floats, second: Floats, n: int, link: float) -> Duels:
    win = duel_win(np.clip(first, 0.0, 1.0), np.clip(second, 0.0, 1.0), link=link)
    worse = np.minimum(win, 1.0 - win)
    return Duels(win, np.where(worse < 0.5, log_majority_error(worse, n), np.nan))


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

r"""Surrogates on tokens, as training code writes them, and the coefficient that each token gets from them.

A batch holds responses, a response holds tokens (of answers and decisions alike, over all turns), and a token has the
log-probabilities that the policy, the policy that sampled it and a reference give it. A *surrogate* is an expression in these;
training code differentiates it with respect to the policy's log-probabilities alone, and grad log pi of a token is multiplied by

    c(i, t) = d surrogate / d log pi(token t of response i),

everything under a stop-gradient held fixed. Here SymPy does the same: :func:`detached` marks what is held fixed. All surrogates
are written for ascent. N responses, groups of G, L_i tokens in response i; rho = pi/pi_old.

The answer of a two-stage chain is many tokens, its decision a few. Where all tokens of a response get one coefficient c, the sum
of c grad log pi over an answer's tokens is c grad log pi(answer): the answer is one action, and the decision carries the same c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import sympy as sp


class Token(NamedTuple):
    """One token.

    Attributes:
        log_pi: its log-probability, the only thing that is differentiated.
        log_old: the same under the policy that sampled it.
        log_ref: the same under the reference, or under a teacher.
    """

    log_pi: sp.Symbol
    log_old: sp.Symbol
    log_ref: sp.Symbol

    @property
    def ratio(self) -> sp.Expr:
        """rho = pi/pi_old."""
        return sp.exp(self.log_pi - self.log_old)

    @property
    def log_ratio(self) -> sp.Expr:
        """log(pi/ref)."""
        return self.log_pi - self.log_ref


class Response(NamedTuple):
    """One response: its tokens and its reward."""

    tokens: tuple[Token, ...]
    reward: sp.Symbol

    @property
    def length(self) -> int:
        """L, the number of tokens."""
        return len(self.tokens)

    @property
    def log_ratio(self) -> sp.Expr:
        """log(pi/ref) of the whole response."""
        return sp.Add(*[t.log_ratio for t in self.tokens])


class TokenBatch(NamedTuple):
    """One group of two or more responses to one prompt."""

    responses: tuple[Response, ...]

    @property
    def size(self) -> int:
        """N = G."""
        return len(self.responses)

    @property
    def tokens(self) -> int:
        """The number of tokens of all responses."""
        return sum(r.length for r in self.responses)

    @property
    def mean(self) -> sp.Expr:
        """The mean reward."""
        return sp.Add(*[r.reward for r in self.responses]) / self.size

    def centred(self, r: Response) -> sp.Expr:
        """The reward minus the group's mean."""
        return r.reward - self.mean

    def scaled(self, r: Response) -> sp.Expr:
        """The centred reward over the group's standard deviation, which is left a symbol: it is not differentiated."""
        return self.centred(r) / STD

    def summed(self, term: Callable[[Response, Token], sp.Expr]) -> sp.Expr:
        """The sum of a term over all tokens."""
        return sp.Add(*[term(r, t) for r in self.responses for t in r.tokens])


STD = sp.Symbol("std", positive=True)
BETA, ALPHA = sp.Symbol("beta", positive=True), sp.Symbol("alpha", positive=True)
BASELINE, LONGEST = sp.Symbol("baseline", real=True), sp.Symbol("L_max", positive=True)
SUCCESS, WEIGHT = sp.Symbol("r", positive=True), sp.Symbol("omega", positive=True)


def batch(*lengths: int) -> TokenBatch:
    """Return a group of responses with these numbers of tokens, in symbols.

    >>> batch(1, 2).responses[1].tokens[0].log_pi
    lp_2_1
    """
    def token(name: str) -> Token:
        return Token(*(sp.Symbol(f"{kind}_{name}", real=True) for kind in ("lp", "old", "ref")))

    return TokenBatch(
        tuple(
            Response(tuple(token(f"{i}_{t}") for t in range(1, length + 1)), sp.Symbol(f"R_{i}", real=True))
            for i, length in enumerate(lengths, 1)
        )
    )


def detached(expr: sp.Expr) -> sp.Expr:
    """Return an expression under a stop-gradient: the policy's log-probabilities in it are held fixed.

    >>> x = batch(1).responses[0].tokens[0].log_pi
    >>> sp.diff(detached(sp.exp(x)) * x, x)
    exp(lp_1_1_held)
    """
    return expr.xreplace({x: sp.Symbol(f"{x.name}_held", real=True) for x in expr.free_symbols if x.name.startswith("lp_")})


def coefficients(surrogate: sp.Expr, b: TokenBatch) -> list[list[sp.Expr]]:
    """Return c(i, t), the derivative of a surrogate with respect to each token's log-probability.

    >>> b = batch(1, 2)
    >>> coefficients(SURROGATES["sft, sequence mean"](b), b)
    [[1/2], [1/4, 1/4]]
    """
    held = {sp.Symbol(f"{t.log_pi.name}_held", real=True): t.log_pi for r in b.responses for t in r.tokens}
    return [[sp.diff(surrogate, t.log_pi).xreplace(held) for t in r.tokens] for r in b.responses]


def on_policy(expr: sp.Expr, b: TokenBatch) -> sp.Expr:
    """Return an expression where the policy is the one that sampled: all ratios are 1.

    >>> b = batch(1, 1)
    >>> on_policy(b.responses[0].tokens[0].ratio, b)
    1
    """
    return expr.xreplace({t.log_old: t.log_pi for r in b.responses for t in r.tokens})


def _per_response(b: TokenBatch, r: Response) -> sp.Expr:
    return sp.Rational(1, b.size * r.length)


def _k3(t: Token) -> sp.Expr:
    return sp.exp(-t.log_ratio) - 1 + t.log_ratio


def _of_others(b: TokenBatch, r: Response) -> sp.Expr:
    return (b.mean * b.size - r.reward) / (b.size - 1)


def _geometric(r: Response) -> sp.Expr:
    """(pi/pi_old of the response)^(1/L)."""
    return sp.exp(sp.Add(*[t.log_pi - t.log_old for t in r.tokens]) / r.length)


def _negative_aware(r: Response, t: Token) -> sp.Expr:
    """The implicit policies' log-likelihoods: log rho of a success, log((1 - r rho)/(1 - r)) of a failure."""
    return r.reward * sp.log(t.ratio) + (1 - r.reward) * sp.log((1 - SUCCESS * t.ratio) / (1 - SUCCESS))


def _preference(b: TokenBatch) -> sp.Expr:
    """log sigma(beta Delta), the first response preferred to the second."""
    first, second = b.responses[:2]
    return -sp.log(1 + sp.exp(-BETA * (first.log_ratio - second.log_ratio)))


SURROGATES: dict[str, Callable[[TokenBatch], sp.Expr]] = {
    "reinforce": lambda b: b.summed(lambda r, t: r.reward * t.log_pi) / b.size,
    "reinforce with baseline": lambda b: b.summed(lambda r, t: (r.reward - BASELINE) * t.log_pi) / b.size,
    "rloo": lambda b: b.summed(lambda r, t: (r.reward - _of_others(b, r)) * t.log_pi) / b.size,
    "grpo": lambda b: b.summed(lambda r, t: b.scaled(r) * t.ratio * _per_response(b, r)),
    "grpo with k3": lambda b: b.summed(lambda r, t: (b.scaled(r) * t.ratio - BETA * _k3(t)) * _per_response(b, r)),
    "grpo with weighted k3": lambda b: b.summed(
        lambda r, t: (b.scaled(r) - BETA * _k3(t)) * t.ratio * _per_response(b, r)
    ),
    "grpo without std": lambda b: b.summed(lambda r, t: b.centred(r) * t.ratio * _per_response(b, r)),
    "constant length": lambda b: b.summed(lambda r, t: b.centred(r) * t.ratio) / (b.size * LONGEST),
    "token mean": lambda b: b.summed(lambda r, t: b.scaled(r) * t.ratio) / b.tokens,
    "gspo": lambda b: sp.Add(*[b.scaled(r) * _geometric(r) for r in b.responses]) / b.size,
    "cispo": lambda b: b.summed(lambda r, t: b.scaled(r) * detached(t.ratio) * t.log_pi) / b.tokens,
    "sft, token mean": lambda b: b.summed(lambda r, t: t.log_pi) / b.tokens,
    "sft, sequence sum": lambda b: b.summed(lambda r, t: t.log_pi) / b.size,
    "sft, sequence mean": lambda b: b.summed(lambda r, t: t.log_pi * _per_response(b, r)),
    "filtered sft": lambda b: b.summed(lambda r, t: r.reward * t.log_pi) / b.tokens,
    "nft": lambda b: b.summed(lambda r, t: WEIGHT * _negative_aware(r, t)) / b.tokens,
    "dft": lambda b: b.summed(lambda r, t: detached(sp.exp(t.log_pi)) * t.log_pi) / b.tokens,
    "k1 in the reward": lambda b: b.summed(lambda r, t: -BETA * detached(r.log_ratio) * t.log_pi) / b.size,
    "k1 in the loss": lambda b: b.summed(lambda r, t: -BETA * t.log_ratio * _per_response(b, r)),
    "k2 in the loss": lambda b: b.summed(lambda r, t: -BETA * t.log_ratio**2 / 2 * _per_response(b, r)),
    "k3 in the loss": lambda b: b.summed(lambda r, t: -BETA * _k3(t) * _per_response(b, r)),
    "on-policy distillation": lambda b: b.summed(lambda r, t: -detached(t.log_ratio) * t.log_pi) / b.tokens,
    "dpo": _preference,
}
"""Name -> the surrogate of a batch. Group statistics, baselines and weights are symbols or expressions in rewards."""

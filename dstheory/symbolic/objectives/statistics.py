"""Statistics of a batch that rules take and do not differentiate: mean reward and length, weights of groups, spreads."""

from __future__ import annotations

import sympy as sp

from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import UNDISCOUNTED, Chain, Payoff, reward
from dstheory.symbolic.objectives.base import Statistic
from dstheory.symbolic.setting import Setting

__all__ = [
    "GROUP",
    "centred_weight",
    "correct_payoff",
    "expert_length",
    "mean_length",
    "mean_reward",
    "success_length",
    "success_rate",
    "token_payoff",
    "token_spread",
]

GROUP = 8
"""Responses per prompt where a rule does not say otherwise."""


def correct_payoff(s: Setting) -> Payoff:
    """Return the payoff of the outcome: 1 for submitting a correct answer, whatever the chain's own rewards are.

    >>> from dstheory.symbolic.setting import setting
    >>> correct_payoff(setting(rewards="general")).stop
    (1, 0)
    """
    n = len(s.chain.answers)
    return reward((sp.S.One, *(sp.S.Zero,) * (n - 1)), (sp.S.Zero,) * n)


def token_payoff(s: Setting) -> Payoff:
    """Return the payoff that counts the tokens of answers and decisions; a forced submission has none.

    >>> from dstheory.symbolic.setting import setting
    >>> token_payoff(setting()).resample
    (l_d, l_d)
    """
    answers, decision = s.lengths
    each = (decision,) * len(answers)
    return Payoff(answers, each, each, (sp.S.Zero,) * len(answers))


def success_rate(s: Setting) -> sp.Expr:
    """Return P(the submitted answer is correct), from the chain."""
    return s.chain.value(correct_payoff(s), UNDISCOUNTED)


def mean_reward(s: Setting) -> Statistic:
    """Return the mean of R, which as a baseline drops out."""
    return Statistic(symbol("Rbar"), success_rate(s), "mean reward, the probability that the submitted answer is correct", True)


def mean_length(s: Setting) -> Statistic:
    """Return E[L], the tokens of a response."""
    return Statistic(symbol("Lbar"), s.chain.value(token_payoff(s)), "mean number of tokens of a response")


def expert_length(s: Setting) -> Statistic:
    """Return E[L] of a demonstration."""
    return Statistic(
        symbol("Lbar_E"), s.following(s.expert).value(token_payoff(s)), "mean number of tokens of a demonstration"
    )


def success_length(s: Setting) -> Statistic:
    """Return E[R L], the tokens of correct responses per response."""
    return Statistic(symbol("RLbar"), reward_times_length(s.chain, s), "mean of R L: tokens of correct responses, per response")


def reward_times_length(chain: Chain, s: Setting) -> sp.Expr:
    """Return E[R L] by the recursion of a turn: its tokens count with all the success that is still to come.

    >>> from dstheory.rational import is_zero
    >>> from dstheory.symbolic.setting import setting
    >>> s = setting(turns=1)
    >>> is_zero(reward_times_length(s.chain, s) - symbol("p") * symbol("l_s"))
    True
    """
    (lengths, l_d), success = s.lengths, chain.solve(correct_payoff(s), UNDISCOUNTED)
    total: sp.Expr = sp.S.Zero
    for turn in reversed(range(chain.turns or 1)):
        ahead = success.value[0] if chain.turns is None else (*success.value, sp.S.Zero)[turn + 1]
        here, again = [], []
        rows = zip(chain.policy.sample_at(turn), chain.policy.stop_at(turn), lengths, strict=True)
        for i, (x, stop, length) in enumerate(rows):
            right = sp.Integer(i == 0)
            if chain.last(turn):
                here.append(x * right * length)
                continue
            here.append(x * (stop * right + (1 - stop) * ahead) * (length + l_d))
            again.append(x * (1 - stop))
        if chain.turns is None:
            return sp.Add(*here) / (1 - sp.Add(*again))
        total = sp.Add(*here) + sp.Add(*again) * total
    return total


def centred_weight(name: str, *, std: bool, size: int | None, ddof: int = 1) -> Statistic:
    r"""Return w, with which a group's centred credit averages to w (R - Rbar).

    Without standard deviation it is (G-1)/G. With it, E[sqrt(K(G-K))]/(G Rbar (1-Rbar)) for the population's and sqrt((G-1)/G)
    times that for the sample's, K the successes of the group; 1/sqrt(Rbar (1-Rbar)) in the limit of large groups.

    Args:
        name: its name.
        std: whether credits are divided by the standard deviation of the group.
        size: G; None for the limit.
        ddof: 1 for the sample's, 0 for the population's.

    >>> centred_weight("w_G", std=False, size=8).value
    7/8
    >>> centred_weight("w_G", std=True, size=2).value.subs(symbol("Rbar"), sp.Rational(1, 3))
    sqrt(2)/2
    """
    r = symbol("Rbar")
    if not std:
        return Statistic(symbol(name), sp.S.One if size is None else sp.Rational(size - 1, size), "what centring leaves, (G-1)/G")
    if size is None:
        return Statistic(symbol(name), 1 / sp.sqrt(r * (1 - r)), "weight of the prompt, 1/sqrt(Rbar (1-Rbar))")
    root = sp.Add(*[sp.binomial(size, k) * r**k * (1 - r) ** (size - k) * sp.sqrt(k * (size - k)) for k in range(1, size)])
    scale = sp.sqrt(sp.Rational(size - ddof, size))
    kind = "sample" if ddof else "population"
    return Statistic(
        symbol(name),
        scale * root / (size * r * (1 - r)),
        f"weight of the prompt by the {kind} standard deviation of groups of {size}, claim O5",
    )


def token_spread(s: Setting) -> Statistic:
    """Return the standard deviation of R over tokens, sqrt(m (1-m)) with m = E[R L]/E[L]."""
    share = symbol("RLbar") / symbol("Lbar")
    return Statistic(symbol("s_tok"), sp.sqrt(share * (1 - share)), "standard deviation of R over the tokens of the batch")

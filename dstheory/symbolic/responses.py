r"""Whole responses: what a batch of them counts (mean reward, mean length, weights of groups), and expectations with 1/L.

L is the number of tokens of a response. 1/L couples an action with all that follows and all that went before. Without a cap and
with turns of one length l = l_s + l_d, a response of n turns has n l tokens. Summed over n and over the positions of a turn, with
q the resample probability,

    stop turn:      sum_n q^(n-1)/n               = Lambda/q,                       Lambda = -log(1-q),
    resampled turn: sum_n (n-1) q^(n-2)/n         = 1/(1-q) - (Lambda - q)/q^2,

the latter times the chance that the final turn ends as it does. With a cap the trajectories are enumerated, answers of any
length. Without a cap and with answers of different lengths E[1/L] is an integral of a rational function that has no short closed
form: the numeric engine computes it, here it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import RESAMPLE, STOP, UNDISCOUNTED, Payoff, SymbolicChain, reward
from dstheory.symbolic.policy import Logit, SymbolicPolicy
from dstheory.symbolic.rule import Statistic, Steps, decision_probability
from dstheory.symbolic.setting import SymbolicSetting
from dstheory.symbolic.updates import Update, score, trajectories

GROUP = 8
"""Responses per prompt where a rule does not say otherwise."""

MAX_GROUP = 200
"""Larger groups have no weight that is written out."""

MAX_TRAJECTORIES = 130
"""Capped chains with more trajectories than this are not enumerated."""

Credit = Callable[[int], sp.Expr]
"""The credit of a response by its last answer."""


def correct_payoff(s: SymbolicSetting) -> Payoff:
    """Return the payoff of the outcome: 1 for submitting a correct answer, whatever the chain's own rewards are.

    >>> from dstheory.symbolic.setting import setting
    >>> correct_payoff(setting(rewards="general")).stop
    (1, 0)
    """
    n = len(s.chain.answers)
    return reward((sp.S.One, *(sp.S.Zero,) * (n - 1)), (sp.S.Zero,) * n)


def token_payoff(s: SymbolicSetting) -> Payoff:
    """Return the payoff that counts the tokens of answers and decisions; a forced submission has none.

    >>> from dstheory.symbolic.setting import setting
    >>> token_payoff(setting()).resample
    (l_d, l_d)
    """
    answers, decision = s.lengths
    each = (decision,) * len(answers)
    return Payoff(answers, each, each, (sp.S.Zero,) * len(answers))


def success_rate(s: SymbolicSetting) -> sp.Expr:
    """Return P(the submitted answer is correct), from the chain."""
    return s.chain.value(correct_payoff(s), UNDISCOUNTED)


def mean_reward(s: SymbolicSetting) -> Statistic:
    """Return the mean of R, which as a baseline drops out."""
    return Statistic(symbol("Rbar"), success_rate(s), "mean reward, the probability that the submitted answer is correct", True)


def mean_length(s: SymbolicSetting) -> Statistic:
    """Return E[L], the tokens of a response."""
    return Statistic(symbol("Lbar"), s.chain.value(token_payoff(s)), "mean number of tokens of a response")


def expert_length(s: SymbolicSetting) -> Statistic:
    """Return E[L] of a demonstration."""
    value = s.following(s.expert).value(token_payoff(s))
    return Statistic(symbol("Lbar_E"), value, "mean number of tokens of a demonstration")


def success_length(s: SymbolicSetting) -> Statistic:
    """Return E[R L], the tokens of correct responses per response."""
    return Statistic(symbol("RLbar"), reward_times_length(s.chain, s), "mean of R L: tokens of correct responses, per response")


def reward_times_length(chain: SymbolicChain, s: SymbolicSetting) -> sp.Expr:
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


def centred_weight(*, std: bool, size: int | None, ddof: int = 1) -> Statistic:
    r"""Return w_G, with which a group's centred credit averages to w_G (R - Rbar).

    Without standard deviation it is (G-1)/G. With it, E[sqrt(K(G-K))]/(G Rbar (1-Rbar)) for the population's and sqrt((G-1)/G)
    times that for the sample's, K the successes of the group; 1/sqrt(Rbar (1-Rbar)) in the limit of large groups.

    Args:
        std: whether credits are divided by the standard deviation of the group.
        size: G; None for the limit.
        ddof: 1 for the sample's, 0 for the population's.

    Raises:
        ChainError: with the standard deviation, groups of more than 200: the sum is written out term by term.

    >>> centred_weight(std=False, size=8).value
    7/8
    >>> centred_weight(std=True, size=2).value.subs(symbol("Rbar"), sp.Rational(1, 3))
    sqrt(2)/2
    """
    r, w = symbol("Rbar"), symbol("w_G")
    if not std:
        return Statistic(w, sp.S.One if size is None else sp.Rational(size - 1, size), "what centring leaves, (G-1)/G")
    if size is None:
        return Statistic(w, 1 / sp.sqrt(r * (1 - r)), "weight of the prompt, 1/sqrt(Rbar (1-Rbar))")
    if size > MAX_GROUP:
        raise ChainError(
            f"the weight of groups of {size:,} has {size - 1:,} terms: groups of at most {MAX_GROUP} are written out; use "
            "size=None for the limit, or the numeric engine"
        )
    root = sp.Add(*[sp.binomial(size, k) * r**k * (1 - r) ** (size - k) * sp.sqrt(k * (size - k)) for k in range(1, size)])
    scale = sp.sqrt(sp.Rational(size - ddof, size))
    kind = "sample" if ddof else "population"
    words = f"weight of the prompt by the {kind} standard deviation of groups of {size}, claim O5"
    return Statistic(w, scale * root / (size * r * (1 - r)), words)


def token_spread(s: SymbolicSetting) -> Statistic:
    """Return the standard deviation of R over tokens, sqrt(m (1-m)) with m = E[R L]/E[L]."""
    share = symbol("RLbar") / symbol("Lbar")
    return Statistic(symbol("s_tok"), sp.sqrt(share * (1 - share)), "standard deviation of R over the tokens of the batch")


def turn_length(s: SymbolicSetting) -> sp.Expr:
    """Return the tokens of a turn, the same for every answer.

    Raises:
        ChainError: answers have lengths of their own.
    """
    answers, decision = s.lengths
    if len(set(answers)) > 1:
        raise ChainError(
            "with 1/L, no cap and a length per answer E[1/L] has no short closed form: give the answers one length, cap the "
            "turns, or use the numeric engine"
        )
    return answers[0] + decision


def visits_over_turns(chain: SymbolicChain) -> tuple[sp.Expr, sp.Expr]:
    """Return the sums of 1/(number of turns) over stop turns and over resampled turns, per chance of the turn itself.

    >>> from dstheory.symbolic.policy import minimal_policy
    >>> stop, _ = visits_over_turns(SymbolicChain(minimal_policy()))
    >>> round(float(stop.subs({x: sp.Rational(1, 2) for x in stop.free_symbols})), 6)  # q = 1/2: 2 log 2
    1.386294
    """
    q = chain.policy.resample_probability()
    gap = -sp.log(1 - q)
    return gap / q, 1 / (1 - q) - (gap - q) / q**2


def over_length(
    s: SymbolicSetting, acting: SymbolicPolicy, credit: Credit, term: Callable[[int, int, str | None], sp.Expr]
) -> sp.Expr:
    """Return E[credit/L x the sum of a term over the turns].

    Args:
        s: the setting.
        acting: who generates the responses.
        credit: of a response, by the answer that it submits.
        term: of a turn, an answer and a decision; None is no decision.

    Raises:
        ChainError: see the module's page.
    """
    chain = s.following(acting)
    if chain.turns is not None:
        parts = [
            chance * credit(steps[-1][0]) / length * sp.Add(*[term(k, i, d) for k, (i, d) in enumerate(steps)])
            for steps, chance, length in _enumerated(s, chain)
        ]
        return sp.Add(*parts)
    length, (at_stop, at_resample), final = turn_length(s), visits_over_turns(chain), _final(acting, credit)
    parts = []
    for i, (x, y) in enumerate(zip(acting.sample_at(0), acting.stop_at(0), strict=True)):
        parts += [
            x * y * credit(i) * at_stop / length * term(0, i, STOP),
            x * (1 - y) * final * at_resample / length * term(0, i, RESAMPLE),
        ]
    return sp.Add(*parts)


def update_over_length(s: SymbolicSetting, acting: SymbolicPolicy, credit: Credit) -> Update:
    """Return E[credit/L x score], responses by ``acting``, scores of the learner."""

    def term(logit: Logit, turn: int, answer: int, decision: str | None) -> sp.Expr:
        return sp.Add(*score(s.policy, logit, turn, answer, decision))

    return {logit.symbol: over_length(s, acting, credit, partial(term, logit)) for logit in s.policy.logits}


def likelihood_over_length(s: SymbolicSetting, acting: SymbolicPolicy) -> sp.Expr:
    """Return E[log pi(response)/L], responses by ``acting``, likelihood of the learner."""

    def log_likelihood(turn: int, answer: int, decision: str | None) -> sp.Expr:
        drawn = sp.log(s.policy.sample_at(turn)[answer])
        return drawn + (sp.log(decision_probability(s.policy, turn, answer, decision)) if decision else 0)

    return over_length(s, acting, lambda _: sp.S.One, log_likelihood)


def mean_over_length(s: SymbolicSetting, acting: SymbolicPolicy, credit: Credit) -> sp.Expr:
    """Return E[credit/L]; without a cap the outcome does not depend on the number of turns (claim B7), so it is a product."""
    chain = s.following(acting)
    if chain.turns is not None:
        return sp.Add(*[chance * credit(steps[-1][0]) / length for steps, chance, length in _enumerated(s, chain)])
    return _final(acting, credit) * visits_over_turns(chain)[0] / turn_length(s)


def _final(acting: SymbolicPolicy, credit: Credit) -> sp.Expr:
    """Return E[credit; a turn stops]."""
    return sp.Add(*[x * y * credit(i) for i, (x, y) in enumerate(zip(acting.sample_at(0), acting.stop_at(0), strict=True))])


def _enumerated(s: SymbolicSetting, chain: SymbolicChain) -> Iterator[tuple[Steps, sp.Expr, sp.Expr]]:
    """Yield steps, chance and tokens of every trajectory of a capped chain."""
    n, turns = len(chain.answers), chain.turns or 0
    if sum(n**k for k in range(1, turns + 1)) > MAX_TRAJECTORIES:
        raise ChainError(
            f"with 1/L a capped chain is enumerated: answers = {n} and turns = {turns} make more than {MAX_TRAJECTORIES} "
            "trajectories; give a smaller chain, or use the numeric engine"
        )
    answers, decision = s.lengths
    for t in trajectories(chain):
        yield t.steps, t.probability, sp.Add(*[answers[i] + (decision if d else 0) for i, d in t.steps])

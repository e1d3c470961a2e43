r"""Whole responses: what a batch of them counts (mean reward, mean length, weights of groups), and expectations with 1/L.

L is the number of tokens of a response. 1/L couples an action with all that follows and all that went before. Without a cap and
with turns of one length l = l_s + l_d, a response of n turns has n l tokens. Summed over n and over the positions of a turn, with
q the resample probability,

    stop turn:      sum_n q^(n-1)/n               = Lambda/q,                       Lambda = -log(1-q),
    resampled turn: sum_n (n-1) q^(n-2)/n         = 1/(1-q) - (Lambda - q)/q^2,

the latter times the chance that the final turn ends as it does. Where answers have lengths of their own, turns of l_i tokens,
1/L is the integral of x^(L-1) from 0 to 1, and the sums over trajectories are geometric series under the integral: with
r(x) = sum_i P(i, resample) x^l_i and f(x) = sum_i P(i, stop) credit_i x^l_i,

    stop turn:      S_i = int_0^1 x^(l_i - 1) / (1 - r(x)) dx,
    resampled turn: T_i = int_0^1 x^(l_i - 1) f(x) / (1 - r(x))^2 dx.

With a cap the trajectories are enumerated, answers of any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import sympy as sp

from dstheory.errors import ChainError
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import RESAMPLE, STOP, UNDISCOUNTED, Payoff, SymbolicChain, reward
from dstheory.symbolic.policy import Logit, SymbolicPolicy
from dstheory.symbolic.rule import Statistic, Steps, decision_probability, tokens_of_response
from dstheory.symbolic.setting import SymbolicSetting, X
from dstheory.symbolic.updates import Update, score, trajectories

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
    """Return E[R L], the tokens of correct responses per response: those of a turn count with all success that is still to come.

    >>> from dstheory.symbolic.setting import setting
    >>> success_length(setting(turns=1)).value
    l_s*p
    """
    (lengths, l_d), chain, total = s.lengths, s.chain, []
    for turn, success in enumerate(chain.solve(correct_payoff(s), UNDISCOUNTED).answer):
        rows = zip(chain.policy.sample_at(turn), success, lengths, strict=True)
        own = [x * expected * (length if chain.last(turn) else length + l_d) for x, expected, length in rows]
        total.append(chain.reach(turn) * sp.Add(*own))
    return Statistic(symbol("RLbar"), sp.Add(*total), "mean of `R L`: tokens of correct responses, per response")


def centred_weight(*, std: bool, ddof: int | None = 1) -> Statistic:
    r"""Return w_G, with which the centred credit in a group of G averages to w_G (R - Rbar).

    Without standard deviation it is (G-1)/G. With it, E[sqrt(K(G-K))]/(G Rbar (1-Rbar)) for the population's and sqrt((G-1)/G)
    times that for the sample's, K the successes of the group; 1/sqrt(Rbar (1-Rbar)) in the limit of large groups.

    Args:
        std: whether credits are divided by the standard deviation of the group.
        ddof: 1 for the sample's, 0 for the population's, None for the limit of large groups.

    >>> centred_weight(std=False).value.subs(symbol("G"), 8)
    7/8
    >>> centred_weight(std=True).value.subs({symbol("G"): 2, symbol("Rbar"): sp.Rational(1, 3)}).doit()
    sqrt(2)/2
    """
    r, w, size, k = symbol("Rbar"), symbol("w_G"), symbol("G"), sp.Symbol("k", integer=True)
    if not std:
        return Statistic(w, (size - 1) / size, "what centring on the mean of a group of `G` leaves")
    if ddof is None:
        return Statistic(w, 1 / sp.sqrt(r * (1 - r)), "weight of the prompt")
    root = sp.Sum(sp.binomial(size, k) * r**k * (1 - r) ** (size - k) * sp.sqrt(k * (size - k)), (k, 1, size - 1))
    scale = sp.sqrt(1 - 1 / size) if ddof else sp.S.One
    kind = "sample" if ddof else "population"
    words = f"weight of the prompt, by the {kind} standard deviation of groups of `G`"
    return Statistic(w, scale * root / (size * r * (1 - r)), words)


def token_spread(s: SymbolicSetting) -> Statistic:
    """Return the standard deviation of `R` over tokens, sqrt(m (1-m)) with m = E[R L]/E[L]."""
    share = symbol("RLbar") / symbol("Lbar")
    return Statistic(symbol("s_tok"), sp.sqrt(share * (1 - share)), "standard deviation of `R` over the tokens of the batch")


def turn_sums(s: SymbolicSetting, acting: SymbolicPolicy, credit: Credit) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """Return S_i and T_i without a cap: sums of credit/L over turns that stop, the credit left out, and that are resampled.

    Where the setting takes notes, names are returned and their definitions noted.

    >>> from dstheory.symbolic.setting import setting
    >>> stop, _ = turn_sums(setting(), setting().policy, lambda _: sp.S.One)
    >>> half = {x: sp.Rational(1, 2) if x.name in "pab" else sp.S.One for x in stop[0].free_symbols}
    >>> round(float(stop[0].subs(half)), 6)  # q = 1/2 and two tokens per turn: log 2
    0.693147
    """
    chances, stops = acting.sample_at(0), acting.stop_at(0)
    lengths = [length + s.lengths[1] for length in s.lengths[0]]
    suffix = s.suffix(acting)

    def name(base: str, value: sp.Expr) -> sp.Expr:
        if s.noted is None or not value.free_symbols:
            return value
        s.noted[symbol(f"{base}{suffix}")] = value
        return symbol(f"{base}{suffix}")

    if len(set(lengths)) == 1:
        q = name("q", acting.resample_probability())
        paid = sp.Add(*[x * y * credit(i) for i, (x, y) in enumerate(zip(chances, stops, strict=True))])
        gap = -sp.log(1 - q)
        at_stop, again = name("S", gap / q / lengths[0]), name("T", (1 / (1 - q) + (q + sp.log(1 - q)) / q**2) / lengths[0])
        return [at_stop] * len(lengths), [paid * again] * len(lengths)
    rows = list(zip(chances, stops, lengths, strict=True))
    again = name("r", sp.Add(*[x * (1 - y) * X**n for x, y, n in rows]))
    paid = name("f", sp.Add(*[x * y * credit(i) * X**n for i, (x, y, n) in enumerate(rows)]))
    at_stop, at_resample = [], []
    for answer, n in zip(s.chain.answers, lengths, strict=True):
        at_stop.append(name(f"S_{answer}", sp.Integral(X ** (n - 1) / (1 - again), (X, 0, 1))))
        at_resample.append(name(f"T_{answer}", sp.Integral(X ** (n - 1) * paid / (1 - again) ** 2, (X, 0, 1))))
    return at_stop, at_resample


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
    at_stop, at_resample = turn_sums(s, acting, credit)
    parts = []
    for i, (x, y) in enumerate(zip(acting.sample_at(0), acting.stop_at(0), strict=True)):
        parts += [x * y * credit(i) * at_stop[i] * term(0, i, STOP), x * (1 - y) * at_resample[i] * term(0, i, RESAMPLE)]
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
    """Return E[credit/L]: every response has one turn that does not go on."""
    return over_length(s, acting, credit, lambda turn, answer, decision: sp.Integer(decision != RESAMPLE))


def _enumerated(s: SymbolicSetting, chain: SymbolicChain) -> Iterator[tuple[Steps, sp.Expr, sp.Expr]]:
    """Yield steps, chance and tokens of every trajectory of a capped chain."""
    n, turns = len(chain.answers), chain.turns or 0
    if sum(n**k for k in range(1, turns + 1)) > MAX_TRAJECTORIES:
        raise ChainError(
            f"with 1/L a capped chain is enumerated: answers = {n} and turns = {turns} make more than {MAX_TRAJECTORIES} "
            "trajectories; give a smaller chain, or use the numeric engine"
        )
    for t in trajectories(chain):
        yield t.steps, t.probability, tokens_of_response(s, t.steps, 0)[symbol("L")]

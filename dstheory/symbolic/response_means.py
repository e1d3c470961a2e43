r"""Expectations with 1/L, L the tokens of the response: they couple an action with all that follows and all that went before.

Without a cap and with turns of one length l = l_s + l_d, a response of n turns has n l tokens. Summed over n and over the
positions of a turn, with q the resample probability,

    stop turn:      sum_n q^(n-1)/n               = Lambda/q,                       Lambda = -log(1-q),
    resampled turn: sum_n (n-1) q^(n-2)/n         = 1/(1-q) - (Lambda - q)/q^2,

the latter times the chance that the final turn ends as it does. With a cap the trajectories are enumerated, answers of any
length. Without a cap and with answers of different lengths E[1/L] is an integral of a rational function that has no short closed
form: the numeric engine computes it, here it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy as sp

from dstheory.errors import ChainError
from dstheory.symbolic.chain import RESAMPLE, STOP, Chain
from dstheory.symbolic.objectives.base import decision_probability
from dstheory.symbolic.policy import Policy
from dstheory.symbolic.setting import Setting
from dstheory.symbolic.updates import Update, score, trajectories

__all__ = ["likelihood_over_length", "mean_over_length", "turn_length", "update_over_length"]

Credit = Callable[[int], sp.Expr]
"""The credit of a response by its last answer."""

MAX_TRAJECTORIES = 130
"""Capped chains with more trajectories than this are not enumerated."""


def turn_length(s: Setting) -> sp.Expr:
    """Return the tokens of a turn, the same for every answer.

    Raises:
        ChainError: answers have lengths of their own.
    """
    (answers, decision) = s.lengths
    if len(set(answers)) > 1:
        raise ChainError(
            "with 1/L, no cap and a length per answer E[1/L] has no short closed form: give the answers one length, cap the "
            "turns, or use the numeric engine"
        )
    return answers[0] + decision


def visits_over_turns(chain: Chain) -> tuple[sp.Expr, sp.Expr]:
    """Return the sums of 1/(number of turns) over stop turns and over resampled turns, per chance of the turn itself.

    >>> from dstheory.symbolic.policy import minimal_policy
    >>> stop, _ = visits_over_turns(Chain(minimal_policy()))
    >>> round(float(stop.subs({x: sp.Rational(1, 2) for x in stop.free_symbols})), 6)  # q = 1/2: 2 log 2
    1.386294
    """
    q = chain.policy.resample_probability()
    gap = -sp.log(1 - q)
    return gap / q, 1 / (1 - q) - (gap - q) / q**2


def update_over_length(s: Setting, acting: Policy, credit: Credit) -> Update:
    """Return E[credit/L x score], responses by ``acting``, scores of the learner.

    Args:
        s: the setting.
        acting: who generates the responses.
        credit: of a response, by the answer that it submits.

    Raises:
        ChainError: see the module's page.
    """
    chain, logits = s.following(acting), s.policy.logits
    update: dict[sp.Symbol, list[sp.Expr]] = {logit.symbol: [] for logit in logits}
    if chain.turns is not None:
        for steps, chance, length in _enumerated(s, chain):
            here = chance * credit(steps[-1][0]) / length
            for logit in logits:
                scores = [x for k, step in enumerate(steps) for x in score(s.policy, logit, k, *step)]
                update[logit.symbol].append(here * sp.Add(*scores))
        return {name: sp.Add(*terms) for name, terms in update.items()}
    length, (at_stop, at_resample) = turn_length(s), visits_over_turns(chain)
    row, stop = acting.sample_at(0), acting.stop_at(0)
    final = sp.Add(*[x * y * credit(i) for i, (x, y) in enumerate(zip(row, stop, strict=True))])
    for i, (x, y) in enumerate(zip(row, stop, strict=True)):
        for logit in logits:
            stopping, resampling = (sp.Add(*score(s.policy, logit, 0, i, d)) for d in (STOP, RESAMPLE))
            update[logit.symbol] += [
                x * y * credit(i) * at_stop / length * stopping,
                x * (1 - y) * final * at_resample / length * resampling,
            ]
    return {name: sp.Add(*terms) for name, terms in update.items()}


def mean_over_length(s: Setting, acting: Policy, credit: Credit) -> sp.Expr:
    """Return E[credit/L]; without a cap the outcome does not depend on the number of turns (claim B7), so it is a product."""
    chain = s.following(acting)
    if chain.turns is not None:
        return sp.Add(*[chance * credit(steps[-1][0]) / length for steps, chance, length in _enumerated(s, chain)])
    final = sp.Add(*[x * y * credit(i) for i, (x, y) in enumerate(zip(acting.sample_at(0), acting.stop_at(0), strict=True))])
    return final * visits_over_turns(chain)[0] / turn_length(s)


def likelihood_over_length(s: Setting, acting: Policy) -> sp.Expr:
    """Return E[log pi(response)/L], responses by ``acting``, likelihood of the learner."""
    chain = s.following(acting)

    def log_likelihood(turn: int, answer: int, decision: str | None) -> sp.Expr:
        drawn = sp.log(s.policy.sample_at(turn)[answer])
        return drawn + (sp.log(decision_probability(s.policy, turn, answer, decision)) if decision else 0)

    if chain.turns is not None:
        return sp.Add(
            *[
                chance * sp.Add(*[log_likelihood(k, *step) for k, step in enumerate(steps)]) / length
                for steps, chance, length in _enumerated(s, chain)
            ]
        )
    at_stop, at_resample = visits_over_turns(chain)
    weights = {STOP: at_stop, RESAMPLE: at_resample * (1 - acting.resample_probability())}
    total = [
        x * decision_probability(acting, 0, i, d) * weight * log_likelihood(0, i, d)
        for i, x in enumerate(acting.sample_at(0))
        for d, weight in weights.items()
    ]
    return sp.Add(*total) / turn_length(s)


def _enumerated(s: Setting, chain: Chain) -> Iterator[tuple[tuple[tuple[int, str | None], ...], sp.Expr, sp.Expr]]:
    """Yield steps, chance and tokens of every trajectory of a capped chain."""
    n, turns = len(chain.answers), chain.turns or 0
    if sum(n**k for k in range(1, turns + 1)) > MAX_TRAJECTORIES:
        raise ChainError(
            f"with 1/L a capped chain is enumerated: answers = {n} and turns = {turns} make more than {MAX_TRAJECTORIES} "
            "trajectories; give a smaller chain, or use the numeric engine"
        )
    answers, decision = s.lengths
    for t in trajectories(chain):
        length = sp.Add(*[answers[i] + (decision if d else 0) for i, d in t.steps])
        yield t.steps, t.probability, length

r"""Rewards so rare that no number holds their chance.

**Raised.** Groups without end divide by the root of :math:`p (1 - p)`. Where p is below the smallest number its root is not, nor
is the gradient, which is in proportion to it:

.. math:: E\Big[\frac{R - p}{\sqrt{p (1 - p)}}\, \nabla \log P\Big] = \sqrt{p (1 - p)}\; \nabla \log \frac{p}{1 - p},

and the gradient of the log-odds does not change when each way to the rare reward becomes :math:`e^s` times as likely, as long as
it stays nearly impossible. So it is found on such a chain, of the same answers and lengths, times :math:`e^{-s/2}`: a way becomes
likelier by the decision to stop, or, where that would be rare no more, by its last answer. Of finite groups that must be mixed
everything is in proportion to p, and divided by the chance of a mixed group: there it is times :math:`e^{-s}`.

**Shown.** Credits beside so rare a reward are 0 in every direction of rounding: they are negative, and a negative number rounded
up underflows as a positive one does rounded down. Where ratios make them count again, the directions add what they are at most.

Source: derived here.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from math import inf

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.checks import Bools, Floats
from dstheory.objectives.expectation.exponential import LEAST_CHANCE, EffectiveCredit
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.groups import effective_credit, singular
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.fused import applies
from dstheory.objectives.parts import Credit, GroupMean, LeaveOneOut, Normaliser, SignedMatch
from dstheory.objectives.rounding import directed
from dstheory.objectives.weights import TokenWeight

_LOG_LEAST = float(np.log(LEAST_CHANCE))
_TO = -600.0  # logarithm of the chance that is made of a rarer one
_SEEN = -700.0  # of a credit that still is a number
_RARE = -40.0  # of what is nothing beside 1


def credits_of_rare(
    credit: Credit, normaliser: Normaliser, grouping: Grouping, solution: Solution, outcome: ResponseReward
) -> tuple[EffectiveCredit, tuple[Solution, EffectiveCredit]] | None:
    """Return the effective credit beside rewards too rare for numbers, and the chain, with its credit, that the mass is found on.

    None where none is too rare, or where the credit does not grow without bound as one gets rarer.

    Args:
        credit, normaliser, grouping, solution, outcome: as in :func:`~dstheory.objectives.expectation.groups.effective_credit`.
    """
    if outcome.values is None or applies(solution):
        return None
    divided = type(credit) is SignedMatch or (type(credit) is GroupMean and credit.spread in ("none", "group"))
    if grouping.group_size == inf:
        power, found = 0.5, not grouping.mixed and divided and singular(credit, outcome.values)
    else:
        power, found = 1.0, grouping.mixed and (divided or type(credit) is LeaveOneOut)
    likelier = raised(solution, outcome) if found else None
    if likelier is None:
        return None
    chain, lift, of_success = likelier
    each = effective_credit(credit, normaliser, grouping, chain, outcome, divided_on=solution)
    assert each.otherwise is not None
    with np.errstate(over="ignore"):  # of a response so rare that its credit is no number: infinite
        success, failure = (np.exp(np.where(rare, lift, 0.0) - power * lift) for rare in (of_success, ~of_success))
        here = replace(each, slope=each.slope * success, otherwise=each.otherwise * failure)
    return here, (chain, each.scaled(np.exp(-power * lift)))


def raised(solution: Solution, outcome: ResponseReward) -> tuple[Solution, Floats, Bools] | None:
    """Return a chain whose rare rewards are likelier, by the exponential of what, and whether success is rare, (*runs, X) each.

    None where none is too rare, or where that takes more than rarer answers and stops.

    Args:
        solution: the chain under the policy that generates the responses.
        outcome: a reward of two values.
    """
    policy, decided, success = solution.policy, solution.unrolled.decided > 0, outcome.reward.stop > 0
    right, wrong = (log_chances(solution, of)[..., 0, :] for of in (success, ~success))
    rarer = np.minimum(right, wrong)
    lift = np.where((rarer > -inf) & (rarer < _LOG_LEAST), _TO - rarer, 0.0)
    if not lift.any():
        return None
    each = np.where(np.where((right < wrong)[..., None, :, None], success, ~success), lift[..., None, :, None], 0.0)
    by_stop = np.where(decided, np.clip(_RARE - policy.log_stop, 0.0, each), 0.0)
    by_answer = np.where(policy.log_sample > -inf, each - by_stop, 0.0)
    # A way through an answer goes on after a resample: that must be nothing beside other ways there, and beside stopping.
    again = policy.log_sample + policy.log_resample
    others = np.logaddexp.reduce(np.where(by_answer > 0, -inf, again), axis=-1, keepdims=True)
    rarest = np.where((right < wrong)[..., None, :], log_chances(solution, success), log_chances(solution, ~success))
    later = rarest  # of a policy that is the same at every turn, for ever
    if solution.capped:
        later = np.concatenate([rarest[..., 1:, :], np.full_like(rarest[..., :1, :], -inf)], axis=-2)
    through = decided & ((again + by_answer > others + _RARE) | (later[..., None] + each > policy.log_stop + by_stop + _RARE))
    often = (by_answer > 0) & ((policy.log_sample + by_answer > _RARE) | through)
    lift = np.where(often.any(axis=(-3, -1)), 0.0, lift)
    if not lift.any():
        return None
    kept = (lift > 0)[..., None, :, None]
    answers, stops = (np.where(kept, by, 0.0) for by in (by_answer, by_stop))
    likelier = Policy.tabular(policy.sample_logits + answers, policy.stop_logits + stops)
    return solve(solution.mdp, likelier), lift, right < wrong


def log_chances(solution: Solution, ends: Bools) -> Floats:
    """Return the logarithm of the chance that a response ends with one of some answers, once it is at a turn, (*runs, T', X).

    Args:
        solution: the chain under the policy that generates the responses.
        ends: which answers, broadcastable to (T', X, Y).
    """
    policy, decided = solution.policy, solution.unrolled.decided > 0
    log = np.where(ends, policy.log_sample + np.where(decided, policy.log_stop, 0.0), -inf)
    found = np.logaddexp.reduce(log, axis=-1)
    if not solution.capped:
        return np.asarray(found + np.log(solution.finite_visits))
    again = np.logaddexp.reduce(policy.log_sample + np.where(decided, policy.log_resample, -inf), axis=-1)
    for k in reversed(range(found.shape[-2] - 1)):
        found[..., k, :] = np.logaddexp(found[..., k, :], again[..., k, :] + found[..., k + 1, :])
    return np.asarray(found)


def shown(credit: EffectiveCredit, solution: Solution, outcome: ResponseReward, weight: TokenWeight) -> EffectiveCredit:
    """Return a credit; in a direction of rounding, plus what it may have lost to underflow where a ratio makes that count again.

    Args:
        credit: of each response.
        solution: the chain under the policy that generates the responses.
        outcome: the reward.
        weight: what tokens are weighted by.
    """
    if not directed() or (outcome.values is None and outcome.levels is None):
        return credit
    policy, pays = solution.policy, outcome.reward.stop
    of_rewards = [pays == level for level in outcome.levels] if outcome.levels is not None else [pays > 0, pays <= 0]
    stop, resample = (np.where(solution.unrolled.decided > 0, log, 0.0) for log in (policy.log_stop, policy.log_resample))
    logs = policy.log_sample, policy.log_sample + stop, policy.log_sample + resample
    beyond = weight.beyond or (np.zeros(()),) * 3
    with np.errstate(divide="ignore"):
        counts = (log + np.log(np.abs(w)) + b for log, w, b in zip(logs, weight.each, beyond, strict=True))
        most = functools.reduce(np.maximum, counts).max(axis=(-3, -1)) + np.log(solution.occupancy.max(axis=-2))
    chances = np.stack([log_chances(solution, of)[..., 0, :] for of in of_rewards])
    rarest = np.where(chances > -inf, chances, inf).min(axis=0)
    lost = np.where((rarest < _LOG_LEAST) & (rarest + most > _LOG_LEAST), np.exp(np.maximum(rarest, _SEEN)), 0.0)
    otherwise = None if credit.otherwise is None else credit.otherwise + lost
    return replace(credit, slope=credit.slope + lost, otherwise=otherwise)

r"""Expectations over a group: what a response gets, on average over the others that it is compared with.

The coefficient of response i depends on its own reward and length and on those of the others. Averaging over the others, who are
independent of it given the prompt, leaves an **effective credit** f(R, L), and

.. math:: E[\text{update}] = E_x E_\tau \Big[ f_x(R_\tau, L_\tau) \sum_k (\nabla \log \pi_s + \nabla \log \pi_d) \Big].

With rewards of two values the others are counted: K of G - 1 succeed, K is binomial, the credit a function of (R_i, K). Of the
counts only those that matter are summed, with a relative error below 1e-10 for groups of up to a hundred million
(:mod:`~dstheory.objectives.expectation.counts`). Sums of lengths in a denominator are turned into exponentials first
(:mod:`~dstheory.objectives.expectation.denominators`); each of the others then contributes
:math:`P_r(t) = E[1\{R = r\} e^{-tL}]`, and

.. math:: f(R, L) = \sum_j w_j e^{-t_j L} \sum_K A(R, K) \binom{G-1}{K} P_1(t_j)^K P_0(t_j)^{G-1-K} \times (\text{other groups}).

Successes, failures and what e^{-tL} takes away are each found as sums of positive terms, so that p = 1e-300 and 1 - p = 1e-300
keep their digits, and so does the credit of each, which is never found as a difference.

Rewards of a few more values are summed as well (:mod:`~dstheory.objectives.expectation.counts`). Credits that are affine in the
rewards need no counting: any rewards will do. Groups that must be mixed are those of
:mod:`~dstheory.objectives.expectation.grouping`.

Source: derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats, reject
from dstheory.errors import ChainError, OneRunError
from dstheory.objectives.expectation.compositions import compositions, credits_of, sums_over
from dstheory.objectives.expectation.counts import mean_credits, mean_over_counts
from dstheory.objectives.expectation.denominators import denominator
from dstheory.objectives.expectation.exponential import LEAST_CHANCE, EffectiveCredit, Tilted, tilted
from dstheory.objectives.expectation.grouping import (
    Grouping,
    chance_of,
    check_mixed,
    group_moments,
    kept_share,
    level_shares,
    mixed_given,
    mixed_probability,
    not_all,
)
from dstheory.objectives.expectation.rewards import ResponseReward, RewardTable
from dstheory.objectives.fused import applies
from dstheory.objectives.parts import Credit, GroupMean, LeaveOneOut, Normaliser, SignedMatch
from dstheory.objectives.rounding import shows_underflow

Part = Callable[[Floats], Floats]

_LARGE = np.log(1e15)  # of a factor on chances
_LOG_LEAST = 2.0 * np.log(LEAST_CHANCE)  # of chances whose root is such


def everything(credit: Floats) -> Floats:
    """Return the credit as it is."""
    return credit


def positive(credit: Floats) -> Floats:
    """Return the credit where it is positive, else 0."""
    return np.maximum(credit, 0.0)


def negative(credit: Floats) -> Floats:
    """Return the credit where it is negative, else 0."""
    return np.minimum(credit, 0.0)


def effective_credit(
    credit: Credit | None,
    normaliser: Normaliser,
    grouping: Grouping,
    solution: Solution,
    outcome: ResponseReward,
    part: Part = everything,
    known: Tilted | None = None,
    paid: RewardTable | None = None,
    divided_on: Solution | None = None,
) -> EffectiveCredit:
    """Return the effective credit f(R, L) of a response of each prompt: N times its coefficient, averaged over the others.

    Args:
        credit: what scalar, or None for 1 whatever the rewards.
        normaliser: divided by what.
        grouping: sizes of groups and batches.
        solution: the chain under the policy that generates the responses.
        outcome: the reward.
        part: applied to each credit before it is averaged (its positive or its negative part).
        known: the chances of both rewards, if known already.
        paid: the reward that R is, if it is the outcome's less one number per prompt; which groups are mixed, the outcome tells.
        divided_on: the chain that tells by what is divided, if another.

    Raises:
        ChainError: the group is too small for the credit, or rewards of more than two values meet a credit that is not affine:
            the expectation has no closed form.
    """
    if credit is not None:
        credit.check_group(grouping.group_size)
    t, w, tilts = _nodes(normaliser, grouping, divided_on or solution, outcome, known)
    if credit is None and not tilts and not grouping.mixed:  # 1 for every response: nothing about the others is asked
        constant = w * np.ones((1, *np.broadcast_shapes(solution.policy.runs, solution.mdp.runs), solution.mdp.shape[0]))
        return EffectiveCredit(t, constant, np.zeros_like(constant))
    outcome = outcome if paid is None else replace(outcome, reward=paid)
    # A group that does not tilt is asked for its rewards alone.
    group = known or group_moments(solution, outcome, t if tilts else np.zeros(1), grouping)
    if outcome.values is not None and credit is not None:
        if grouping.group_size == inf and (grouping.mixed or singular(credit, outcome.values)):
            _check_chances(solution, outcome, group)
        if grouping.group_size == inf:
            failure, success = map(part, credit.of_shares(outcome.values, group.right, group.wrong, inf))
        else:
            failure, success = _counted(credit, grouping, outcome.values, group, part)
        alike = tilts or not t.any()  # all members of a group are tilted, or none
        to_mean = type(credit) in (LeaveOneOut, SignedMatch)  # not of what somebody derives from them
        to_mean = to_mean or (type(credit) is GroupMean and credit.spread in ("none", "group"))
        centred = to_mean and part is everything and not outcome.uncounted
        return EffectiveCredit.of_two(t, w * failure, w * success, balanced=alike and centred, centred=centred and not tilts)
    if credit is None and grouping.mixed and grouping.group_size == inf:
        constant = w * mixed_given(solution, grouping, np.zeros(1), known, outcome)
        return EffectiveCredit(t, constant, 0.0 * constant)
    if credit is None:
        assert not grouping.mixed or outcome.values is not None  # of more values what is counted depends on each
        failure, success = _once(grouping, group)
        return (
            EffectiveCredit.of_two(t, w * failure, w * success)
            if grouping.mixed
            else EffectiveCredit(t, w * success, 0.0 * w * success)
        )
    if grouping.group_size == inf:
        constant, slope = _limit(credit, solution, outcome.reward, group.right, part)
    elif credit.linear and part is everything:
        constant, slope = _affine(credit, int(grouping.group_size), group)
    else:
        raise _no_closed_form(credit, solution)
    return EffectiveCredit(t, w * constant, w * slope)


def _nodes(
    normaliser: Normaliser, grouping: Grouping, solution: Solution, outcome: ResponseReward, known: Tilted | None
) -> tuple[Floats, Floats, bool]:
    """Return the nodes of a denominator, with the scale and the share of groups that are kept in their weights."""
    check_mixed(grouping, outcome, solution)
    t, w, tilts = denominator(normaliser, grouping, solution, outcome)
    w = w if grouping.scale == 1.0 else w * grouping.scale
    if grouping.mixed:
        chance = mixed_probability(solution, grouping, known, outcome)
        _refuse_rare(solution, -np.log(chance)[..., None])
        w = w / kept_share(normaliser, grouping, chance)
    return t, w, tilts


def credits_of_levels(
    credit: Credit | None,
    normaliser: Normaliser,
    grouping: Grouping,
    solution: Solution,
    outcome: ResponseReward,
    part: Part = everything,
) -> list[tuple[RewardTable, EffectiveCredit]]:
    """Return, for each value of the reward, the reward that is 1 there, and the effective credit of such a response.

    Args:
        credit, normaliser, grouping, solution, part: as in :func:`effective_credit`; finite groups.
        outcome: a reward of a few values.

    Raises:
        ChainError: sums that would take minutes.
    """
    assert outcome.levels is not None
    t, w, tilts = _nodes(normaliser, grouping, solution, outcome, None)
    size, at = int(grouping.group_size), t if tilts else np.zeros(1)
    tables = outcome.indicators
    if credit is None:  # the chance of the rest of the group, if it must be mixed
        shares, member = level_shares(solution, outcome, at)
        found = np.broadcast_to(member.others(size - 1), shares.shape) * w
        if grouping.mixed:
            rest = [np.delete(shares, v, axis=0).sum(axis=0) for v in range(len(shares))]
            found = found * [not_all(size - 1, *each) for each in zip(shares, rest, strict=True)]
    else:
        credit.check_group(size)  # groups that are not mixed have credits 0
        known = type(credit) is GroupMean and credit.spread == "group" and part is everything
        if known and not (outcome.uncounted and tilts):
            assert isinstance(credit, GroupMean)
            members = [tilted(solution, table, at, binary=True, powers=size) for table in tables]
            shares = np.stack([one.right for one in members])
            flat = mean_credits(
                outcome.levels, shares.reshape(len(tables), -1), size=size, ddof=credit.ddof, epsilon=credit.epsilon
            )
            found = w * (flat.reshape(shares.shape) * members[0].others(size - 1))
        else:  # from every composition of a group
            if solution.policy.runs or solution.mdp.runs:
                raise OneRunError(f"the credit {credit.words} of rewards of several values is that of one run: pick one")
            chances = np.stack([chance_of(solution, table, at, outcome.uncounted) for table in tables])
            counts = compositions(size, len(tables))
            each = part(credits_of(credit, outcome.levels, counts))
            found = w * (sums_over(counts, np.ones(len(counts)), [each], chances)[0][0] / size)
    none = np.zeros(())
    return [(table, EffectiveCredit(t, none * f, f)) for table, f in zip(tables, found, strict=True)]


def _once(grouping: Grouping, group: Tilted) -> tuple[Floats, Floats]:
    """Return the credit of a failure and of a success where it is 1 whatever the rewards: the chance of the rest of the group."""
    size = grouping.group_size
    rest = group.others(size - 1)
    if not grouping.mixed:
        return rest, rest
    return rest * not_all(size - 1, group.wrong, group.right), rest * not_all(size - 1, group.right, group.wrong)


def _counted(credit: Credit, grouping: Grouping, values: tuple[float, float], group: Tilted, part: Part) -> tuple[Floats, Floats]:
    """Return the mean credit of a failure and of a success over the number of successes among the others."""
    size = int(grouping.group_size)

    def of_count(k: Floats) -> tuple[Floats, Floats]:
        return credits_given(k, credit, grouping, values, part)

    failure, success = mean_over_counts(size - 1, group.right, group.wrong, of_count)
    chance = group.others(size - 1)
    return chance * failure, chance * success


def credits_given(
    k: Floats, credit: Credit | None, grouping: Grouping, values: tuple[float, float], part: Part = everything
) -> tuple[Floats, Floats]:
    """Return the credit of a failure and of a success beside k successes of a finite group; 0 where it must be mixed and is not.

    Args:
        k: successes among the others.
        credit, grouping, part: as in :func:`effective_credit`.
        values: the two rewards.
    """
    size = int(grouping.group_size)
    if credit is None:
        failure = success = np.ones_like(k)
    else:
        failure, _ = credit.of_shares(values, k / size, (size - k) / size, size)
        _, success = credit.of_shares(values, (k + 1.0) / size, (size - 1.0 - k) / size, size)
        failure, success = part(failure), part(success)
    if grouping.mixed:
        failure, success = np.where(k == 0, 0.0, failure), np.where(k == size - 1, 0.0, success)
    return failure, success


def singular(credit: Credit, values: tuple[float, float]) -> bool:
    """Return whether a credit grows without bound where one of the rewards is rare, as one over a standard deviation does."""
    rare = np.asarray(LEAST_CHANCE)
    return bool(np.abs(credit.of_shares(values, rare, 1.0 - rare, inf)[1]) > 1e100 * max(1.0, *map(abs, values)))


def _check_chances(solution: Solution, outcome: ResponseReward, group: Tilted) -> None:
    """Raise ChainError where a reward that can occur has a chance that floating-point numbers cannot hold."""
    success = outcome.reward.stop > 0
    for what, chance, of in (("success", group.right[0], success), ("failure", group.wrong[0], ~success)):
        possible = (solution.may_end & of).any(axis=(-3, -1))
        rule = f"must be at least {LEAST_CHANCE:g} where it can occur"
        reject(
            possible & (chance < LEAST_CHANCE), chance, f"chance of a {what}", rule,
            "groups without end divide by its root: use a finite group_size", axes=("prompt",),
        )  # fmt: skip


def _refuse_rare(solution: Solution, log_factor: Floats) -> None:
    """Raise ChainError where a factor, given by its logarithm (*runs, X), makes actions count that are too rare for numbers.

    Where rounding up shows what is lost, rows of gradients are asked for that one by one (:mod:`dstheory.objectives.digits`).
    """
    if not (log_factor > _LARGE).any() or (shows_underflow() and not applies(solution)):
        return
    policy, least = solution.policy, np.log(LEAST_CHANCE)
    for what, log in (("", 0.0), (" and stop", policy.log_stop), (" and resample", policy.log_resample)):
        log_p = policy.log_sample + log
        lost = (log_p < least) & (log_p + log_factor[..., None, :, None] > least) & (solution.mdp.prompt_weight > 0)[:, None]
        reject(lost, np.exp(log_p), f"chance of an answer{what}", f"must be at least {LEAST_CHANCE:g}",
               "it is divided by that of mixed groups, or by a deviation of returns, and those are rare, too",
               axes=("turn", "prompt", "answer"))  # fmt: skip


def _check_variance(solution: Solution, reward: RewardTable, variance: Floats) -> None:
    """Raise ChainError where floating-point numbers do not hold a variance, or chances that count beside its root."""
    with np.errstate(divide="ignore"):
        _refuse_rare(solution, np.where(variance > 0, -0.5 * np.log(variance), 0.0))
    if not (variance < LEAST_CHANCE).any():
        return
    mdp, policy, turns = solution.mdp, solution.policy, solution.unrolled.sample.shape[-3]
    decided = solution.unrolled.decided > 0
    ends = policy.log_sample + np.where(decided, policy.log_stop, 0.0)
    goes_on = policy.log_sample + np.where(decided, policy.log_resample, -inf)
    if not solution.capped:
        ends = ends + np.log(solution.finite_visits)[..., None]
    shape = np.broadcast_shapes(ends.shape, (*reward.stop.shape[:-3], turns, *mdp.shape))
    pays, likely = (
        np.swapaxes(np.broadcast_to(table, shape), -3, -2).reshape(*shape[:-3], shape[-2], -1) for table in (reward.stop, ends)
    )
    usual = np.take_along_axis(pays, likely.argmax(axis=-1)[..., None], axis=-1)
    later = (reward.gamma_between[..., None] < 1.0) & (pays.any(axis=-1)) | reward.resample.any(axis=(-3, -1))
    differ = ((pays != usual) & (likely > _LOG_LEAST)).any(axis=-1) | (later & (goes_on > _LOG_LEAST).any(axis=(-3, -1)))
    differ = differ & (reward.gamma_within[..., None] > 0.0)
    reject(differ & (mdp.prompt_weight > 0) & (variance < LEAST_CHANCE), variance, "variance of the returns",
           f"must be at least {LEAST_CHANCE:g} where they can differ",
           "groups without end divide by its root: use a finite group_size", axes=("prompt",))  # fmt: skip


def _affine(credit: Credit, size: int, group: Tilted) -> tuple[Floats, Floats]:
    """Return the constant and the slope of a credit c + s R_i + r sum of the others' R, of any rewards."""
    values, last = (0.0, 1.0), size - 1.0
    base = credit.of_shares(values, np.zeros(()), np.ones(()), size)[0]
    other, own = credit.of_shares(values, np.asarray(1.0 / size), np.asarray(last / size), size)
    if size == 1:  # a group of one success has no failure
        other = base
    together = group.others(last)
    return (base + (other - base) * last * group.right) * together, (own - base) * together


def _limit(credit: Credit, solution: Solution, reward: RewardTable, mean: Floats, part: Part) -> tuple[Floats, Floats]:
    """Return the constant and the slope in groups without end, of rewards of many values."""
    affine = credit.linear or (isinstance(credit, GroupMean) and type(credit).limit is GroupMean.limit)
    if part is not everything or not affine:
        raise _no_closed_form(credit, solution)
    variance = reward.variance(solution)
    if isinstance(credit, GroupMean) and not credit.linear and credit.epsilon < 1e-100:
        _check_variance(solution, reward, variance)
    deviation = np.sqrt(variance)
    zero, one = np.zeros(()), np.ones(())
    # Beside a mean that is large the slope would have few digits; it is that beside a mean of 0.
    slope = credit.limit(one, 0.0 * mean, deviation) - credit.limit(zero, 0.0 * mean, deviation)
    return credit.limit(zero, mean, deviation), slope


def _no_closed_form(credit: Credit, solution: Solution) -> ChainError:
    """Return the error; of several runs each may pay two values, which together are more."""
    return (OneRunError if solution.mdp.runs else ChainError)(
        f"rewards take more than two values, and the credit {credit.words} of a finite group is no affine function of them: "
        "use outcome='correct', group_size=inf, a chain that pays at most 16 values, at the end only and without discount (for "
        "turns, under a cap on them), or sampled_gradient"
    )

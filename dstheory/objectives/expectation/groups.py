r"""Expectations over a group: what a response gets, on average over the others that it is compared with.

The coefficient of response i depends on its own reward and length and on those of the others. Averaging over the others, who are
independent of it given the prompt, leaves an **effective credit** f(R, L), and

.. math:: E[\text{update}] = E_x E_\tau \Big[ f_x(R_\tau, L_\tau) \sum_k (\nabla \log \pi_s + \nabla \log \pi_d) \Big].

With rewards of two values the others are counted: K of G - 1 succeed, K is binomial, the credit a function of (R_i, K). Of the
counts only those that matter are summed, with a relative error below 1e-10 for groups of up to a hundred million
(:mod:`~dstheory.objectives.expectation.counts`). Sums of lengths in a denominator are turned into exponentials first
(:mod:`~dstheory.objectives.expectation.exponential`), with a relative error of 1e-15; each of the others then contributes
:math:`P_r(t) = E[1\{R = r\} e^{-tL}]`, and

.. math:: f(R, L) = \sum_j w_j e^{-t_j L} \sum_K A(R, K) \binom{G-1}{K} P_1(t_j)^K P_0(t_j)^{G-1-K} \times (\text{other groups}).

Successes, failures and what e^{-tL} takes away are each found as sums of positive terms, so that p = 1e-300 and 1 - p = 1e-300
keep their digits, and so does the credit of each, which is never found as a difference.

Rewards of a few more values are summed as well (:mod:`~dstheory.objectives.expectation.levels`). Credits that are affine in the
rewards need no counting: any rewards will do. Groups or batches without end have the law of large
numbers: one over a sum of lengths becomes one over its mean.

**Dynamic sampling** (DAPO) draws again, prompt and responses, until every group of the batch is mixed: its rewards are not all
equal. Expectations are then those given mixed groups, and the update is the plain one over the probability of a mixed group,
:math:`P = \sum_x \rho(x) (1 - p_x^G - (1 - p_x)^G)`; a mean over the tokens of the batch is one over the tokens of mixed groups.

Source: derived here; dynamic sampling arXiv 2503.14476.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats, reject, whole_number
from dstheory.errors import ChainError
from dstheory.objectives.expectation.compositions import compositions, credits_of, means_over
from dstheory.objectives.expectation.counts import LARGEST_GROUP, mean_over_counts
from dstheory.objectives.expectation.exponential import EffectiveCredit, Tilted, moments, reciprocal, response_mass, tilted
from dstheory.objectives.expectation.levels import mean_credits
from dstheory.objectives.expectation.rewards import ResponseReward, RewardTable, counted_turns, only
from dstheory.objectives.fused import applies
from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    Credit,
    GroupMean,
    GroupTokens,
    LeaveOneOut,
    Normaliser,
    PerResponse,
    PerToken,
    SignedMatch,
)
from dstheory.objectives.rounding import shows_underflow

Part = Callable[[Floats], Floats]


_MOST_MIXED_PROMPTS = 100_000  # a power of a number that is known to a few units of rounding
_LEAST = 1e-290  # smaller chances have lost digits, or are 0 where they should not be
_LARGE = np.log(1e15)  # of a factor on chances
_LOG_LEAST = 2.0 * np.log(_LEAST)  # of chances whose root is such
_TAIL = 1e-18  # an uncapped response longer than the longest is less likely than this


def everything(credit: Floats) -> Floats:
    """Return the credit as it is."""
    return credit


def positive(credit: Floats) -> Floats:
    """Return the credit where it is positive, else 0."""
    return np.maximum(credit, 0.0)


def negative(credit: Floats) -> Floats:
    """Return the credit where it is negative, else 0."""
    return np.minimum(credit, 0.0)


@dataclass(frozen=True)
class Grouping:
    """How responses come: groups of G per prompt, P prompts per batch; inf for the limit.

    Args:
        group_size, prompts: G and P.
        mixed: whether groups whose rewards are all equal are drawn again, prompt included (dynamic sampling).
        dropped: with ``mixed``, whether they are left out instead: the batch is smaller, and may be empty.
        correctness: whether the rewards that are looked at for that are those of correctness.
        scale: what the whole is multiplied by.

    Raises:
        ChainError: a size that is neither a whole number >= 1 nor inf, or groups of more than a hundred million.
    """

    group_size: float = 8
    prompts: float = inf
    mixed: bool = False
    dropped: bool = False
    correctness: bool = True
    scale: float = 1.0

    def __post_init__(self) -> None:
        for what in ("group_size", "prompts"):
            if getattr(self, what) != inf:
                whole_number(getattr(self, what), what, low=1, otherwise=", or inf for the limit of large ones")
        if inf > self.group_size > LARGEST_GROUP:
            raise ChainError(
                f"group_size is {int(self.group_size):,}: must be at most {LARGEST_GROUP:,}, or inf for the limit of large groups"
            )
        if self.mixed and inf > self.prompts > _MOST_MIXED_PROMPTS:
            raise ChainError(
                f"prompts is {int(self.prompts):,}: with dynamic sampling must be at most {_MOST_MIXED_PROMPTS:,}, beyond which "
                "rounding grows, or inf for the limit"
            )


def effective_credit(
    credit: Credit | None,
    normaliser: Normaliser,
    grouping: Grouping,
    solution: Solution,
    outcome: ResponseReward,
    part: Part = everything,
    known: Tilted | None = None,
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

    Raises:
        ChainError: the group is too small for the credit, or rewards of more than two values meet a credit that is not affine:
            the expectation has no closed form.
    """
    if credit is not None:
        credit.check_group(grouping.group_size)
    _check_mixed(grouping, outcome)
    t, w, tilts = denominator(normaliser, grouping, solution, outcome)
    w = w if grouping.scale == 1.0 else w * grouping.scale
    if credit is None and not tilts and not grouping.mixed:  # 1 for every response: nothing about the others is asked
        constant = w * np.ones((1, *np.broadcast_shapes(solution.policy.runs, solution.mdp.runs), solution.mdp.shape[0]))
        return EffectiveCredit(t, constant, np.zeros_like(constant))
    # A group that does not tilt is asked for its rewards alone.
    group = known or group_moments(solution, outcome, t if tilts else np.zeros(1), grouping)
    if grouping.mixed:
        chance = mixed_probability(solution, grouping, group if known else None, outcome)
        _refuse_rare(solution, -np.log(chance)[..., None])
        w = w / kept_share(normaliser, grouping, chance)
    if outcome.values is not None and credit is not None:
        two = _limit_of_two if grouping.group_size == inf else _counted
        if grouping.group_size == inf and (grouping.mixed or _singular(credit, outcome.values)):
            _check_chances(solution, outcome, group)
        failure, success = two(credit, grouping, outcome.values, group, part)
        alike = not outcome.uncounted and (tilts or not t.any())  # all members of a group are tilted, or none
        to_mean = isinstance(credit, LeaveOneOut | SignedMatch)
        to_mean = to_mean or (isinstance(credit, GroupMean) and credit.spread in ("none", "group"))
        balanced = alike and to_mean and part is everything
        return EffectiveCredit.of_two(t, w * failure, w * success, balanced=balanced)
    if credit is None and grouping.mixed and outcome.levels is not None:
        assert grouping.group_size == inf  # what one response has to do with the others' depends on its value otherwise
        constant = w * _mixed_levels(inf, _level_shares(solution, outcome, np.zeros(1))[0])
        return EffectiveCredit(t, constant, 0.0 * constant)
    if credit is None:
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
        raise _no_closed_form(credit)
    return EffectiveCredit(t, w * constant, w * slope)


def kept_share(normaliser: Normaliser, grouping: Grouping, chance: Floats) -> Floats:
    """Return what expectations over mixed groups are divided by, (*runs, 1), given their probability."""
    if not grouping.dropped or grouping.prompts == inf:
        return chance[..., None]
    if isinstance(normaliser, BatchTokens) and grouping.group_size != inf:  # counted as they come
        return np.ones_like(chance[..., None])
    with np.errstate(divide="ignore"):  # at least one group is left
        some = -np.expm1(grouping.prompts * np.log1p(-np.minimum(chance, 1.0)))
    return np.asarray((chance / some)[..., None])


def _check_mixed(grouping: Grouping, outcome: ResponseReward) -> None:
    if grouping.mixed and outcome.uncounted:
        raise ChainError(
            "mask_truncated='both' with groups that are drawn again or left out is not computed: use 'numerator', or keep them"
        )
    if grouping.mixed and outcome.values is None and outcome.levels is None:
        raise ChainError(
            "rewards take more than 16 values, or are not known at the end: the probability that a group is mixed has no closed "
            "form; use dynamic_sampling=False, outcome='correct', or sampled_gradient"
        )


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
    _check_mixed(grouping, outcome)
    t, w, tilts = denominator(normaliser, grouping, solution, outcome)
    w = w if grouping.scale == 1.0 else w * grouping.scale
    size = int(grouping.group_size)
    if grouping.mixed:
        chance = mixed_probability(solution, grouping, None, outcome)
        _refuse_rare(solution, -np.log(chance)[..., None])
        w = w / kept_share(normaliser, grouping, chance)
    if credit is None:
        return _once_of_levels(t, w, tilts, grouping, solution, outcome)
    credit.check_group(size)  # groups that are not mixed have credits 0
    plain = isinstance(credit, GroupMean) and credit.spread == "group" and part is everything
    if not plain or (outcome.uncounted and tilts):
        return _by_composition(credit, t, w, tilts, size, solution, outcome, part)
    assert isinstance(credit, GroupMean)
    tables = [outcome.is_level(level) for level in outcome.levels]
    at = t if tilts else np.zeros(1)
    members = [tilted(solution, table, at, binary=True, powers=grouping.group_size) for table in tables]
    shares = np.stack([one.right for one in members])
    found = mean_credits(
        outcome.levels, shares.reshape(len(tables), -1), size=size, ddof=credit.ddof, epsilon=credit.epsilon
    ).reshape(shares.shape) * members[0].others(size - 1)
    none = np.zeros(())
    return [(table, EffectiveCredit(t, none * (w * f), w * f)) for table, f in zip(tables, found, strict=True)]


def _once_of_levels(
    t: Floats, w: Floats, tilts: bool, grouping: Grouping, solution: Solution, outcome: ResponseReward
) -> list[tuple[RewardTable, EffectiveCredit]]:
    """Return the same of the credit 1: the chance of the rest of the group, if it must be mixed."""
    assert outcome.levels is not None
    shares, members = _level_shares(solution, outcome, t if tilts else np.zeros(1))
    found, n, none = members.others(grouping.group_size - 1), grouping.group_size - 1, np.zeros(())
    each = []
    for v, level in enumerate(outcome.levels):
        rest = np.delete(shares, v, axis=0).sum(axis=0)
        f = w * found * (_not_all(n, shares[v], rest) if grouping.mixed else 1.0)
        each.append((outcome.is_level(level), EffectiveCredit(t, none * f, f)))
    return each


def _level_shares(solution: Solution, outcome: ResponseReward, t: Floats) -> tuple[Floats, Tilted]:
    """Return the share of every value of the reward in E[exp(-tL)], (V, J, *runs, X), and what a group knows of a member."""
    assert outcome.levels is not None
    members = [tilted(solution, outcome.is_level(level), t, binary=True) for level in outcome.levels]
    return np.stack([one.right for one in members]), members[0]


def _mixed_levels(size: float, shares: Floats) -> Floats:
    """Return 1 - sum of p_v^G of shares (V, ...) that add up to 1, from all but the largest, so that it keeps its digits."""
    if size == inf:
        return np.asarray(((shares > 0).sum(axis=0) > 1).astype(np.float64))
    rare = np.sort(shares, axis=0)[:-1]
    return np.asarray(-np.expm1(size * np.log1p(-np.minimum(rare.sum(axis=0), 1.0))) - (rare**size).sum(axis=0))


def _by_composition(
    credit: Credit, t: Floats, w: Floats, tilts: bool, size: int, solution: Solution, outcome: ResponseReward, part: Part
) -> list[tuple[RewardTable, EffectiveCredit]]:
    """Return the same, from every composition of a group."""
    assert outcome.levels is not None
    if solution.policy.runs or solution.mdp.runs:
        raise ChainError(f"the credit {credit.words} of rewards of several values is that of one run: pick one")
    tables = [outcome.is_level(level) for level in outcome.levels]
    at = t if tilts else np.zeros(1)
    chances = np.stack([_chance(solution, table, at, outcome.uncounted) for table in tables])
    counts = compositions(size, len(tables))
    found = means_over(counts, part(credits_of(credit, outcome.levels, counts)), chances) / size
    none = np.zeros(())
    return [(table, EffectiveCredit(t, none * (w * f), w * f)) for table, f in zip(tables, found, strict=True)]


def _chance(solution: Solution, indicator: RewardTable, t: Floats, uncounted: bool) -> Floats:
    """Return E[indicator exp(-t L)], (J, *runs, X); with ``uncounted``, truncated responses have no tokens."""
    if not uncounted:
        return moments(solution, indicator, t)[1]
    whole = counted_turns(solution)
    cut = moments(solution, only(indicator, 1.0 - whole), np.zeros(1))[1]
    return np.asarray(moments(solution, only(indicator, whole), t)[1] + cut)


def group_moments(solution: Solution, outcome: ResponseReward, t: Floats, grouping: Grouping) -> Tilted:
    """Return what a group knows of its members, at each node.

    Args:
        solution: the chain under the policy that generates the responses.
        outcome: the reward.
        t: (J,) exponents.
        grouping: the sizes of groups and batches, which are powers to be taken.
    """
    if outcome.uncounted and t.any():
        if outcome.values is None:
            raise ChainError("mask_truncated='both' with rewards of many values is not computed: use 'numerator'")
        right = _chance(solution, outcome.reward, t, True)
        wrong = _chance(solution, only(outcome.reward, np.ones((1, 1, 1)), otherwise=True), t, True)
        plain = right + wrong
        with np.errstate(divide="ignore"):
            shares = (np.divide(part, plain, out=np.zeros_like(plain), where=plain > 0) for part in (right, wrong))
            return Tilted(np.log(plain), *shares)
    powers = max([1.0, *(n for n in (grouping.group_size, grouping.prompts) if n != inf)])
    return tilted(solution, outcome.reward, t, binary=outcome.values is not None, powers=powers)


def denominator(
    normaliser: Normaliser, grouping: Grouping, solution: Solution, outcome: ResponseReward
) -> tuple[Floats, Floats, bool]:
    """Return nodes (J,), weights broadcastable to (J, *runs, X), and whether the nodes tilt the rest of the group as well."""
    size, prompts = grouping.group_size, grouping.prompts
    none = np.zeros(1)
    if isinstance(normaliser, PerResponse):
        return none, np.ones(1), False
    if isinstance(normaliser, ConstantLength):
        return none, np.full(1, 1.0 / normaliser.tokens), False
    if isinstance(normaliser, GroupTokens) and size == inf:
        tokens = _whole_tokens(solution)[None] if outcome.uncounted else solution.expected_tokens[None]
        return none, np.divide(1.0, tokens, out=np.zeros_like(tokens), where=tokens > 0), False
    if isinstance(normaliser, BatchTokens) and inf in (size, prompts):
        mean = _tokens_of_mixed(solution, grouping, outcome) if grouping.mixed else mean_tokens(solution)
        if outcome.uncounted:
            mean = (_whole_tokens(solution) * solution.mdp.prompt_weight).sum(axis=-1)
            reject(~(mean > 0), mean, "mean tokens of responses that are not truncated", "must be > 0", "all are", axes=())
        return none, 1.0 / mean[None, ..., None], False
    if isinstance(normaliser, PerToken):
        members = 1.0
    elif isinstance(normaliser, GroupTokens):
        members = size
    elif isinstance(normaliser, BatchTokens):
        members = size * prompts
    else:
        raise ChainError(f"the normaliser {normaliser.words!r} has no exact expectation here: estimate it from sampled groups")
    shortest, longest = range_of_lengths(solution)
    t, w = reciprocal((1.0 if outcome.uncounted else members) * shortest, members * longest)  # one alone may be counted
    axes = max(len(solution.policy.runs), len(solution.mdp.runs)) + 1
    weight = members * w.reshape(len(w), *(1,) * axes)
    if isinstance(normaliser, BatchTokens) and prompts > 1:
        weight = weight * _other_groups(solution, grouping, outcome, t)
    return t, weight, members > 1


def on_lengths(normaliser: Normaliser, grouping: Grouping) -> bool:
    """Return whether lengths of single responses are divided by, so that the credit 1 is more than one number per prompt."""
    if isinstance(normaliser, GroupTokens | BatchTokens):
        spans = (grouping.group_size,) if isinstance(normaliser, GroupTokens) else (grouping.group_size, grouping.prompts)
        return inf not in spans
    return not isinstance(normaliser, PerResponse | ConstantLength)


def _other_groups(solution: Solution, grouping: Grouping, outcome: ResponseReward, t: Floats) -> Floats:
    """Return E[exp(-t times the tokens of a group)] to the power of the other groups of a batch, (J, *runs, 1)."""
    size, rho = grouping.group_size, solution.mdp.prompt_weight
    group = group_moments(solution, outcome, t, grouping)
    each = group.others(size)
    if grouping.mixed:
        chance = mixed_probability(solution, grouping, None, outcome)[..., None]
        of = _mixed(size, group.right, group.wrong)
        if outcome.levels is not None:
            of = _mixed_levels(size, _level_shares(solution, outcome, t)[0])
        each = each * of / (1.0 if grouping.dropped else chance)
        each = each + (1.0 - chance) if grouping.dropped else each
        lost = np.ones(())
    else:
        lost = (-np.expm1(size * group.log_plain) * rho).sum(axis=-1, keepdims=True)
    mean = (each * rho).sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):  # 1 - lost has more digits than the mean where little is lost
        log = np.where(lost < 0.5, np.log1p(-np.minimum(lost, 0.5)), np.log(mean))
    return np.exp((grouping.prompts - 1.0) * log)


def mixed_probability(solution: Solution, grouping: Grouping, known: Tilted | None, outcome: ResponseReward) -> Floats:
    """Return the probability that a group of a random prompt is mixed, (*runs,), for rewards of a few values.

    Args:
        solution: the chain under the policy that generates the responses.
        grouping: the size of the groups.
        known: the chances of both rewards, if known already.
        outcome: the reward.

    Raises:
        ChainError: no group is ever mixed, so that dynamic sampling would draw without end.
    """
    if outcome.levels is not None:
        of = _mixed_levels(grouping.group_size, _level_shares(solution, outcome, np.zeros(1))[0])[0]
    else:
        each = known or group_moments(solution, outcome, np.zeros(1), grouping)
        of = _mixed(grouping.group_size, each.right[0], each.wrong[0])
    found = np.asarray((of * solution.mdp.prompt_weight).sum(axis=-1))
    endless = "dynamic sampling would draw without end"
    reject(~(found > 0), found, "probability of a mixed group", "must be > 0", endless, axes=())
    reject(found < _LEAST, found, "probability of a mixed group", f"must be at least {_LEAST:g}", endless, axes=())
    return found


def _mixed(size: float, right: Floats, wrong: Floats) -> Floats:
    """Return 1 - p^G - (1 - p)^G; the two chances add up to 1, or both are 0 where nothing is known."""
    if size == 1:
        return np.zeros_like(right)
    if size == inf:
        return ((right > 0) & (wrong > 0)).astype(np.float64)
    # From the rarer of the two: the difference then keeps its digits, as rare^G is at most a third of what it is taken from.
    rare = np.minimum(right, wrong)
    return np.asarray(-np.expm1(size * np.log1p(-rare)) - rare**size)


def _tokens_of_mixed(solution: Solution, grouping: Grouping, outcome: ResponseReward) -> Floats:
    """Return the mean tokens of a response of a mixed group, (*runs,)."""
    group = group_moments(solution, outcome, np.zeros(1), grouping)
    right, wrong = group.right[0], group.wrong[0]
    if outcome.levels is not None:
        shares, n = _level_shares(solution, outcome, np.zeros(1))[0][:, 0], grouping.group_size - 1
        each = [mean_of_lengths_and_rewards(solution, ResponseReward(outcome.is_level(v), (0.0, 1.0)))[0] for v in outcome.levels]
        rest = [np.delete(shares, v, axis=0).sum(axis=0) for v in range(len(shares))]
        of_mixed = sum(e * (o > 0 if n == inf else _not_all(n, s, o)) for e, s, o in zip(each, shares, rest, strict=True))
    elif grouping.group_size == inf:
        of_mixed = solution.expected_tokens * _mixed(inf, right, wrong)
    else:
        n = grouping.group_size - 1
        of_right, of_wrong = (mean_of_lengths_and_rewards(solution, outcome, of)[0] for of in ("successes", "failures"))
        of_mixed = of_right * _not_all(n, right, wrong) + of_wrong * _not_all(n, wrong, right)
    occurs = solution.mdp.prompt_weight > 0
    total = (of_mixed[..., occurs] * solution.mdp.prompt_weight[occurs]).sum(axis=-1)
    return np.asarray(total / mixed_probability(solution, grouping, group, outcome))


def _not_all(n: float, p: Floats, rest: Floats) -> Floats:
    """Return 1 - p^n, given p and 1 - p."""
    with np.errstate(divide="ignore"):
        log = np.where(rest < 0.5, np.log1p(-np.minimum(rest, 0.5)), np.log(p))
    return np.asarray(-np.expm1(n * log)) if n else np.zeros_like(p)


def _once(grouping: Grouping, group: Tilted) -> tuple[Floats, Floats]:
    """Return the credit of a failure and of a success where it is 1 whatever the rewards: the chance of the rest of the group."""
    size = grouping.group_size
    if size == inf:
        mixed = _mixed(inf, group.right, group.wrong)
        return mixed, mixed
    rest = group.others(size - 1)
    if not grouping.mixed:
        return rest, rest
    return rest * _not_all(size - 1, group.wrong, group.right), rest * _not_all(size - 1, group.right, group.wrong)


def mean_tokens(solution: Solution) -> Floats:
    """Return E[L] over prompts and responses, (*runs,)."""
    occurs = solution.mdp.prompt_weight > 0
    return np.asarray((solution.expected_tokens[..., occurs] * solution.mdp.prompt_weight[occurs]).sum(axis=-1))


def range_of_lengths(solution: Solution) -> tuple[float, float]:
    """Return the tokens of the shortest and of the longest response, rounded outwards to powers of two."""
    visits = solution.finite_visits  # raises for a chain that never ends: no response is the longest
    mdp = solution.mdp
    occurs, each = mdp.inside & (mdp.prompt_weight > 0)[:, None], mdp.sample_length
    if not occurs.all():
        each = np.broadcast_to(each, np.broadcast_shapes(each.shape, occurs.shape))[..., occurs]
    turns = float(mdp.max_turns or 1)
    if mdp.max_turns is None:
        least = 1.0 / float(visits[..., mdp.prompt_weight > 0].max())
        turns = max(1.0, np.ceil(np.log(_TAIL) / np.log1p(-least))) if least < 1.0 else 1.0
    longest = turns * (float(each.max()) + float(mdp.decision_length.max()))
    return float(2.0 ** np.floor(np.log2(each.min()))), float(2.0 ** np.ceil(np.log2(longest)))


def _whole_tokens(solution: Solution) -> Floats:
    """Return the mean tokens of a response of each prompt, (*runs, X), those of truncated ones not counted."""
    one = RewardTable(np.ones((1, 1, 1)), np.zeros((1, 1, 1)), np.ones(()), np.ones(()))
    return np.asarray(mean_of_lengths_and_rewards(solution, ResponseReward(only(one, counted_turns(solution)), (0.0, 1.0)))[0])


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


def _limit_of_two(
    credit: Credit, grouping: Grouping, values: tuple[float, float], group: Tilted, part: Part
) -> tuple[Floats, Floats]:
    """Return the credit of a failure and of a success in groups without end.

    Raises:
        ChainError: a chance is below 1e-290, so that too few of its digits are left for a credit that divides by its root.
    """
    failure, success = credit.of_shares(values, group.right, group.wrong, inf)
    return part(failure), part(success)


def _singular(credit: Credit, values: tuple[float, float]) -> bool:
    """Return whether a credit grows without bound where one of the rewards is rare, as one over a standard deviation does."""
    rare = np.asarray(_LEAST)
    return bool(np.abs(credit.of_shares(values, rare, 1.0 - rare, inf)[1]) > 1e100 * max(1.0, *map(abs, values)))


def _check_chances(solution: Solution, outcome: ResponseReward, group: Tilted) -> None:
    """Raise ChainError where a reward that can occur has a chance that floating-point numbers cannot hold."""
    policy, occurs = solution.policy, solution.mdp.prompt_weight > 0
    drawn = policy.log_sample > -inf
    if not solution.capped:
        drawn = drawn & (policy.log_stop > -inf)
    success = outcome.reward.stop > 0
    for what, chance, of in (("success", group.right[0], success), ("failure", group.wrong[0], ~success)):
        possible = (drawn & of).any(axis=(-3, -1))
        rule = f"must be at least {_LEAST:g} where it can occur"
        reject(
            possible & occurs & (chance < _LEAST), chance, f"chance of a {what}", rule,
            "groups without end divide by its root: use a finite group_size", axes=("prompt",),
        )  # fmt: skip


def _refuse_rare(solution: Solution, log_factor: Floats) -> None:
    """Raise ChainError where a factor, given by its logarithm (*runs, X), makes actions count that are too rare for numbers.

    Where rounding up shows what is lost, rows of gradients are asked for that one by one (:mod:`dstheory.objectives.digits`).
    """
    if not (log_factor > _LARGE).any() or (shows_underflow() and not applies(solution)):
        return
    policy, least = solution.policy, np.log(_LEAST)
    for what, log in (("", 0.0), (" and stop", policy.log_stop), (" and resample", policy.log_resample)):
        log_p = policy.log_sample + log
        lost = (log_p < least) & (log_p + log_factor[..., None, :, None] > least) & (solution.mdp.prompt_weight > 0)[:, None]
        reject(lost, np.exp(log_p), f"chance of an answer{what}", f"must be at least {_LEAST:g}",
               "it is divided by that of mixed groups, or by a deviation of returns, and those are rare, too",
               axes=("turn", "prompt", "answer"))  # fmt: skip


def _check_variance(solution: Solution, reward: RewardTable, variance: Floats) -> None:
    """Raise ChainError where floating-point numbers do not hold a variance, or chances that count beside its root."""
    with np.errstate(divide="ignore"):
        _refuse_rare(solution, np.where(variance > 0, -0.5 * np.log(variance), 0.0))
    if not (variance < _LEAST).any():
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
    reject(differ & (mdp.prompt_weight > 0) & (variance < _LEAST), variance, "variance of the returns",
           f"must be at least {_LEAST:g} where they can differ", "groups without end divide by its root: use a finite group_size",
           axes=("prompt",))  # fmt: skip


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
    if part is not everything or not (credit.linear or isinstance(credit, GroupMean)):
        raise _no_closed_form(credit)
    variance = reward.variance(solution)
    if isinstance(credit, GroupMean) and not credit.linear and credit.epsilon < 1e-100:
        _check_variance(solution, reward, variance)
    deviation = np.sqrt(variance)
    zero, one = np.zeros(()), np.ones(())
    # Beside a mean that is large the slope would have few digits; it is that beside a mean of 0.
    slope = credit.limit(one, 0.0 * mean, deviation) - credit.limit(zero, 0.0 * mean, deviation)
    return credit.limit(zero, mean, deviation), slope


def _no_closed_form(credit: Credit) -> ChainError:
    return ChainError(
        f"rewards take more than two values, and the credit {credit.words} of a finite group is no affine function of them: "
        "use outcome='correct', group_size=inf, a chain that pays at most 16 values, at the end only and without discount (for "
        "turns, under a cap on them), or sampled_gradient"
    )


def mean_of_lengths_and_rewards(
    under: Solution, outcome: ResponseReward, of: Literal["successes", "failures"] = "successes"
) -> Floats:
    """Return E[L R] of each prompt, (1, *runs, X), R as the outcome pays it: every token of a response carries its reward.

    Args:
        under: the chain.
        outcome: the reward.
        of: ``"failures"`` for E[L (1 - R)], where R is 0 or 1.
    """
    one = np.ones((1, *np.broadcast_shapes(under.policy.runs, under.mdp.runs), under.mdp.shape[0]))
    zero = np.zeros_like(one)
    credit = EffectiveCredit(np.zeros(1), zero, one) if of == "successes" else EffectiveCredit.of_two(np.zeros(1), one, zero)
    mass = response_mass(under, outcome.reward, credit)
    mdp = under.mdp
    tokens = mass.sample * mdp.sample_length[..., None, :, :] + (mass.stop + mass.resample) * mdp.decision_length[..., None, :, :]
    occurs = np.where(mdp.prompt_weight > 0, mdp.prompt_weight, 1.0)
    return np.asarray((tokens.sum(axis=(-3, -1)) / occurs)[None])

r"""What credits are divided by, averaged over the other responses of a group and of a batch.

A sum of lengths in a denominator is turned into exponentials (:mod:`~dstheory.objectives.expectation.exponential`), with a
relative error of 1e-15; each of the others then contributes :math:`E[e^{-tL}]`. Groups or batches without end have the law of
large numbers: one over a sum of lengths becomes one over its mean. That of a few groups without end is still random: it is the
sum of :math:`E[L|x]` over their prompts, turned into exponentials likewise. With dynamic sampling, a mean over the tokens of the
batch is one over the tokens of mixed groups.

Source: derived here.
"""

from __future__ import annotations

from math import inf

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats, reject
from dstheory.errors import ChainError
from dstheory.objectives.expectation.exponential import EffectiveCredit, reciprocal, response_mass
from dstheory.objectives.expectation.grouping import (
    Grouping,
    group_moments,
    mixed_chance,
    mixed_given,
    mixed_probability,
    not_all,
    shares_of,
)
from dstheory.objectives.expectation.rewards import ResponseReward, RewardTable, counted_turns
from dstheory.objectives.parts import BatchTokens, ConstantLength, GroupTokens, Normaliser, PerResponse, PerToken

_TAIL = 1e-18  # an uncapped response longer than the longest is less likely than this


def on_lengths(normaliser: Normaliser, grouping: Grouping) -> bool:
    """Return whether lengths of single responses are divided by, so that the credit 1 is more than one number per prompt."""
    return 0.0 < tokens_of(normaliser, grouping) < inf


def tokens_of(normaliser: Normaliser, grouping: Grouping) -> float:
    """Return of how many responses the tokens are added up to divide by; 0 of a normaliser that does not look at them.

    Raises:
        ChainError: a normaliser that is none of these, of which only samples tell.
    """
    if isinstance(normaliser, PerResponse | ConstantLength):
        return 0.0
    if isinstance(normaliser, PerToken):
        return 1.0
    if isinstance(normaliser, GroupTokens):
        return grouping.group_size
    if isinstance(normaliser, BatchTokens):
        return grouping.group_size * grouping.prompts
    raise ChainError(f"the normaliser {normaliser.words!r} has no exact expectation here: estimate it from sampled groups")


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
    if isinstance(normaliser, BatchTokens) and size == inf > prompts:
        return none, _few_prompts(solution, grouping, outcome), False
    if isinstance(normaliser, BatchTokens) and prompts == inf:
        mean = _tokens_of_mixed(solution, grouping, outcome) if grouping.mixed else mean_tokens(solution)
        if outcome.uncounted:
            mean = (_whole_tokens(solution) * solution.mdp.prompt_weight).sum(axis=-1)
            reject(~(mean > 0), mean, "mean tokens of responses that are not truncated", "must be > 0", "all are", axes=())
        return none, 1.0 / mean[None, ..., None], False
    members = tokens_of(normaliser, grouping)
    shortest, longest = range_of_lengths(solution)
    # One response, or one group, may be all that counts.
    least = 1.0 if outcome.uncounted else min(size, members) if grouping.dropped else members
    t, w = reciprocal(least * shortest, members * longest)
    axes = max(len(solution.policy.runs), len(solution.mdp.runs)) + 1
    weight = members * w.reshape(len(w), *(1,) * axes)
    if isinstance(normaliser, BatchTokens) and prompts > 1:
        weight = weight * _other_groups(solution, grouping, outcome, t)
    return t, weight, members > 1


def _few_prompts(solution: Solution, grouping: Grouping, outcome: ResponseReward) -> Floats:
    """Return E[P / sum of E[L given x] over the batch's prompts | one of them], (1, *runs, X), for groups without end."""
    tokens, rho = _whole_tokens(solution) if outcome.uncounted else solution.expected_tokens, solution.mdp.prompt_weight
    reject(~((tokens > 0) | (rho == 0)), tokens, "mean tokens of responses that are not truncated", "must be > 0", "all are",
           axes=("prompt",))  # fmt: skip
    known = tokens[..., rho > 0]
    least = 1.0 if grouping.dropped else grouping.prompts  # of a batch one group may be left
    t, w = reciprocal(least * float(known.min()), grouping.prompts * float(known.max()))
    each = np.exp(-np.multiply.outer(t, tokens))
    chance, of = np.ones(()), np.ones(())
    if grouping.mixed:
        chance = mixed_probability(solution, grouping, None, outcome)[..., None]
        of = mixed_given(solution, grouping, np.zeros(1), None, outcome)
    another = (each * of * rho).sum(axis=-1, keepdims=True)
    another = another + _left_out(solution, grouping, outcome) if grouping.dropped else another / chance
    weight = w.reshape(len(w), *(1,) * tokens.ndim) * each * another ** (grouping.prompts - 1.0)
    return np.asarray(grouping.prompts * weight.sum(axis=0, keepdims=True))


def _other_groups(solution: Solution, grouping: Grouping, outcome: ResponseReward, t: Floats) -> Floats:
    """Return E[exp(-t times the tokens of a group)] to the power of the other groups of a batch, (J, *runs, 1)."""
    size, rho = grouping.group_size, solution.mdp.prompt_weight
    group = group_moments(solution, outcome, t, grouping)
    each = group.others(size)
    if grouping.mixed:
        chance = mixed_probability(solution, grouping, None, outcome)[..., None]
        each = each * mixed_given(solution, grouping, t, group, outcome) / (1.0 if grouping.dropped else chance)
        each = each + _left_out(solution, grouping, outcome) if grouping.dropped else each
        lost = np.ones(())
    else:
        lost = (-np.expm1(size * group.log_plain) * rho).sum(axis=-1, keepdims=True)
    mean = (each * rho).sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):  # 1 - lost has more digits than the mean where little is lost
        log = np.where(lost < 0.5, np.log1p(-np.minimum(lost, 0.5)), np.log(mean))
    return np.exp((grouping.prompts - 1.0) * log)


def _left_out(solution: Solution, grouping: Grouping, outcome: ResponseReward) -> Floats:
    """Return the probability that the group of a random prompt is not mixed, (*runs, 1), as a sum of positive terms.

    Beside groups of many tokens what is left out counts, be it ever so rare: as 1 - P(mixed) it would be rounding.
    """
    size, shares = grouping.group_size, shares_of(solution, grouping, np.zeros(1), None, outcome)[:, 0]
    of = 1.0 - mixed_chance(inf, shares) if size == inf else (shares**size).sum(axis=0)
    return np.asarray((of * solution.mdp.prompt_weight).sum(axis=-1, keepdims=True))


def _tokens_of_mixed(solution: Solution, grouping: Grouping, outcome: ResponseReward) -> Floats:
    """Return the mean tokens of a response of a mixed group, (*runs,)."""
    shares, n = shares_of(solution, grouping, np.zeros(1), None, outcome)[:, 0], grouping.group_size - 1
    if n == inf:
        of_mixed = solution.expected_tokens * mixed_chance(inf, shares)
    else:
        each = [mean_of_lengths_and_rewards(solution, table)[0] for table in outcome.indicators]
        rest = [np.delete(shares, v, axis=0).sum(axis=0) for v in range(len(shares))]
        of_mixed = np.asarray(sum(e * not_all(n, s, o) for e, s, o in zip(each, shares, rest, strict=True)))
    occurs = solution.mdp.prompt_weight > 0
    total = (of_mixed[..., occurs] * solution.mdp.prompt_weight[occurs]).sum(axis=-1)
    return np.asarray(total / mixed_probability(solution, grouping, None, outcome))


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
    whole = RewardTable(counted_turns(solution))
    return np.asarray(mean_of_lengths_and_rewards(solution, whole)[0])


def mean_of_lengths_and_rewards(under: Solution, reward: RewardTable) -> Floats:
    """Return E[L R] of each prompt, (1, *runs, X): every token of a response carries its reward."""
    one = np.ones((1, *np.broadcast_shapes(under.policy.runs, under.mdp.runs), under.mdp.shape[0]))
    mass = response_mass(under, reward, EffectiveCredit(np.zeros(1), np.zeros_like(one), one))
    mdp = under.mdp
    tokens = mass.sample * mdp.sample_length[..., None, :, :] + (mass.stop + mass.resample) * mdp.decision_length[..., None, :, :]
    occurs = np.where(mdp.prompt_weight > 0, mdp.prompt_weight, 1.0)
    return np.asarray((tokens.sum(axis=(-3, -1)) / occurs)[None])

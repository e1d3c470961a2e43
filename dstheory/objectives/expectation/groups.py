r"""Expectations over a group: what a response gets, on average over the others that it is compared with.

The coefficient of response i depends on its own reward and length and on those of the others. Averaging over the others, who are
independent of it given the prompt, leaves an **effective credit** f(R, L), and

.. math:: E[\text{update}] = E_x E_\tau \Big[ f_x(R_\tau, L_\tau) \sum_k (\nabla \log \pi_s + \nabla \log \pi_d) \Big].

With rewards of two values the others are counted: K of G - 1 succeed, K is binomial, the credit a function of (R_i, K). Sums of
lengths in a denominator are turned into exponentials first (:mod:`~dstheory.objectives.expectation.exponential`); each of the
others then contributes :math:`P_r(t) = E[1\{R = r\} e^{-tL}]`, and

.. math:: f(R, L) = \sum_j w_j e^{-t_j L} \sum_K A(R, K) \binom{G-1}{K} P_1(t_j)^K P_0(t_j)^{G-1-K} \times (\text{other groups}).

Credits that are affine in the rewards need no counting: any rewards will do. Groups or batches without end have the law of large
numbers: one over a sum of lengths becomes one over its mean.

**Dynamic sampling** (DAPO) draws again, prompt and responses, until every group of the batch is mixed: its rewards are not all
equal. Expectations are then those given mixed groups, and the update is the plain one over the probability of a mixed group,
:math:`P = \sum_x \rho(x) (1 - p_x^G - (1 - p_x)^G)`; a mean over the tokens of the batch is one over the tokens of mixed groups.

Source: derived here; dynamic sampling arXiv 2503.14476.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb, inf, lgamma

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats, reject, whole_number
from dstheory.errors import ChainError
from dstheory.objectives.expectation.exponential import EffectiveCredit, moments, reciprocal, response_mass
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    Credit,
    GroupMean,
    GroupTokens,
    Normaliser,
    PerResponse,
    PerToken,
)

Part = Callable[[Floats], Floats]


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

    Raises:
        ChainError: a size that is neither a whole number >= 1 nor inf.
    """

    group_size: float = 8
    prompts: float = inf
    mixed: bool = False

    def __post_init__(self) -> None:
        for what in ("group_size", "prompts"):
            if getattr(self, what) != inf:
                whole_number(getattr(self, what), what, low=1, otherwise=", or inf for the limit of large ones")


def binomial(n: int, p: Floats) -> Floats:
    """Return P(K = 0..n), K ~ Bin(n, p), on a new last axis.

    >>> binomial(2, np.array([0.0, 0.25])).tolist()
    [[1.0, 0.0, 0.0], [0.5625, 0.375, 0.0625]]
    """
    k = np.arange(n + 1)
    p = np.asarray(p, dtype=np.float64)[..., None]
    if n <= 60:  # the coefficients are floating-point numbers without rounding, or nearly
        return np.asarray(np.array([float(comb(n, int(i))) for i in k]) * p**k * (1.0 - p) ** (n - k))
    ways = np.array([lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) for i in k])
    with np.errstate(divide="ignore", invalid="ignore"):
        log = ways + np.where(k > 0, k * np.log(p), 0.0) + np.where(n - k > 0, (n - k) * np.log1p(-p), 0.0)
    return np.asarray(np.exp(log))


def effective_credit(
    credit: Credit | None,
    normaliser: Normaliser,
    grouping: Grouping,
    solution: Solution,
    outcome: ResponseReward,
    part: Part = everything,
    known: tuple[Floats, Floats] | None = None,
) -> EffectiveCredit:
    """Return the effective credit f(R, L) of a response of each prompt: N times its coefficient, averaged over the others.

    Args:
        credit: what scalar, or None for 1 whatever the rewards.
        normaliser: divided by what.
        grouping: sizes of groups and batches.
        solution: the chain under the policy that generates the responses.
        outcome: the reward.
        part: applied to each credit before it is averaged (its positive or its negative part).
        known: 1 and E[R], (1, *runs, X) each, if known already.

    Raises:
        ChainError: the group is too small for the credit, or rewards of more than two values meet a credit that is not affine:
            the expectation has no closed form.
    """
    if credit is not None:
        credit.check_group(grouping.group_size)
    if grouping.mixed and outcome.values is None:
        raise ChainError(
            "rewards take more than two values: the probability that a group is mixed has no closed form; use "
            "dynamic_sampling=False, outcome='correct', or sampled_gradient"
        )
    t, w, tilts = _denominator(normaliser, grouping, solution, outcome)
    if credit is None and not tilts and not grouping.mixed:  # 1 for every response: nothing about the others is asked
        constant = w * np.ones((1, *np.broadcast_shapes(solution.policy.runs, solution.mdp.runs), solution.mdp.shape[0]))
        return EffectiveCredit(t, constant, np.zeros_like(constant))
    plain, paid = known or moments(solution, outcome.reward, t if tilts else np.zeros(1))
    if grouping.mixed:
        w = w / mixed_probability(solution, grouping, paid if known else None, outcome)[..., None]
    if credit is None:
        constant, slope = _once(grouping, plain, paid)
    elif grouping.group_size == inf:
        constant, slope = _limit(credit, solution, outcome, paid, part)
    elif outcome.values is not None:
        constant, slope = _counted(credit, grouping, outcome.values, plain, paid, part)
    elif credit.linear and part is everything:
        constant, slope = _affine(credit, int(grouping.group_size), plain, paid)
    else:
        raise _no_closed_form(credit)
    return EffectiveCredit(t, w * constant, w * slope)


def _denominator(
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
        return none, 1.0 / solution.expected_tokens[None], False
    if isinstance(normaliser, BatchTokens) and inf in (size, prompts):
        mean = _tokens_of_mixed(solution, grouping, outcome) if grouping.mixed else mean_tokens(solution)
        return none, 1.0 / mean[None, ..., None], False
    if isinstance(normaliser, PerToken):
        members = 1.0
    elif isinstance(normaliser, GroupTokens):
        members = size
    elif isinstance(normaliser, BatchTokens):
        members = size * prompts
    else:
        raise ChainError(f"the normaliser {normaliser.words!r} has no exact expectation here: estimate it from sampled groups")
    t, w = reciprocal(*(members * length for length in range_of_lengths(solution)))
    axes = max(len(solution.policy.runs), len(solution.mdp.runs)) + 1
    weight = members * w.reshape(len(w), *(1,) * axes)
    if isinstance(normaliser, BatchTokens) and prompts > 1:
        plain, paid = moments(solution, outcome.reward, t)
        group = plain**size
        if grouping.mixed:
            chance = mixed_probability(solution, grouping, None, outcome)
            group = (group - paid**size - (plain - paid) ** size) / chance[..., None]
        weight = weight * (group * solution.mdp.prompt_weight).sum(axis=-1, keepdims=True) ** (prompts - 1)
    return t, weight, members > 1


def mixed_probability(solution: Solution, grouping: Grouping, success: Floats | None, outcome: ResponseReward) -> Floats:
    """Return the probability that a group of a random prompt is mixed, (*runs,), for rewards of two values.

    Args:
        solution: the chain under the policy that generates the responses.
        grouping: the size of the groups.
        success: (1, *runs, X) chance of the higher reward, if known already.
        outcome: the reward.

    Raises:
        ChainError: no group is ever mixed, so that dynamic sampling would draw without end.
    """
    p = moments(solution, outcome.reward, np.zeros(1))[1][0] if success is None else success[0]
    found = np.asarray((_mixed_given_prompt(grouping, p) * solution.mdp.prompt_weight).sum(axis=-1))
    reject(~(found > 0), found, "probability of a mixed group", "must be > 0", "dynamic sampling would draw without end", axes=())
    return found


def _mixed_given_prompt(grouping: Grouping, p: Floats) -> Floats:
    if grouping.group_size == inf:
        return ((p > 0) & (p < 1)).astype(np.float64)
    # 1 - p^G - (1-p)^G as a sum of positive terms, so that it keeps its digits where success or failure is rare.
    return np.asarray(binomial(int(grouping.group_size), p)[..., 1:-1].sum(axis=-1))


def _tokens_of_mixed(solution: Solution, grouping: Grouping, outcome: ResponseReward) -> Floats:
    """Return the mean tokens of a response of a mixed group, (*runs,)."""
    _, paid = moments(solution, outcome.reward, np.zeros(1))
    p, tokens = paid[0], solution.expected_tokens
    if grouping.group_size == inf:
        of_mixed = tokens * _mixed_given_prompt(grouping, p)
    else:
        n = int(grouping.group_size) - 1
        of_right = mean_of_lengths_and_rewards(solution, outcome)[0]
        of_mixed = of_right * (1.0 - p**n) + (tokens - of_right) * (1.0 - (1.0 - p) ** n)
    occurs = solution.mdp.prompt_weight > 0
    total = (of_mixed[..., occurs] * solution.mdp.prompt_weight[occurs]).sum(axis=-1)
    return np.asarray(total / mixed_probability(solution, grouping, None, outcome))


def _once(grouping: Grouping, plain: Floats, paid: Floats) -> tuple[Floats, Floats]:
    """The same for the credit 1 whatever the rewards: the weight of the rest of the group, if there is any."""
    size = grouping.group_size
    if not grouping.mixed:
        constant = plain ** (size - 1)
        return constant, np.zeros_like(constant)
    if size == inf:
        constant = _mixed_given_prompt(grouping, paid)
        return constant, np.zeros_like(constant)
    rest, all_right, all_wrong = (x ** (size - 1) for x in (plain, paid, plain - paid))
    return rest - all_wrong, all_wrong - all_right


def mean_tokens(solution: Solution) -> Floats:
    """Return E[L] over prompts and responses, (*runs,)."""
    occurs = solution.mdp.prompt_weight > 0
    return np.asarray((solution.expected_tokens[..., occurs] * solution.mdp.prompt_weight[occurs]).sum(axis=-1))


def range_of_lengths(solution: Solution) -> tuple[float, float]:
    """Return the tokens of the shortest and of the longest response, rounded outwards to powers of two."""
    solution.finite_visits  # raises for a chain that never ends: no response is the longest  # noqa: B018
    mdp = solution.mdp
    occurs = mdp.inside & (mdp.prompt_weight > 0)[:, None]
    each = np.broadcast_to(mdp.sample_length, np.broadcast_shapes(mdp.sample_length.shape, occurs.shape))[..., occurs]
    turns = float(mdp.max_turns or 1)
    if mdp.max_turns is None:
        least = float((solution.unrolled.sample * solution.unrolled.stop).sum(axis=-1)[..., mdp.prompt_weight > 0].min())
        turns = max(1.0, np.ceil(np.log(_TAIL) / np.log1p(-least))) if least < 1.0 else 1.0
    longest = turns * (float(each.max()) + float(mdp.decision_length.max()))
    return float(2.0 ** np.floor(np.log2(each.min()))), float(2.0 ** np.ceil(np.log2(longest)))


def _counted(
    credit: Credit, grouping: Grouping, values: tuple[float, float], plain: Floats, paid: Floats, part: Part
) -> tuple[Floats, Floats]:
    """Return the mean credit of a failure, and how much more a success gets, over the number of successes among the others."""
    low, high = values
    n = int(grouping.group_size) - 1
    rest = np.where(np.arange(n) < np.arange(n + 1)[:, None], high, low)  # row K: K of the others succeed
    rows = [np.column_stack([np.full(n + 1, own), rest]) for own in (low, high)]
    failure, success = (part(credit.of_groups(r))[:, 0] for r in rows)
    if grouping.mixed:
        failure[0] = success[n] = 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(plain > 0, np.clip(paid / plain, 0.0, 1.0), 0.0)
    chance = plain[..., None] ** n * binomial(n, share)
    return (chance * failure).sum(axis=-1), (chance * (success - failure)).sum(axis=-1)


def _affine(credit: Credit, size: int, plain: Floats, paid: Floats) -> tuple[Floats, Floats]:
    """The same for a credit c + s R_i + r sum of the others' R, of any rewards."""
    probe = np.zeros((3, size))
    probe[1, 0] = 1.0
    if size > 1:
        probe[2, 1] = 1.0
    base, own, other = credit.of_groups(probe)[:, 0]
    together = plain ** (size - 1)
    rest = (size - 1) * paid * plain ** (size - 2) if size > 1 else 0.0
    return base * together + (other - base) * rest, (own - base) * together


def _limit(credit: Credit, solution: Solution, outcome: ResponseReward, paid: Floats, part: Part) -> tuple[Floats, Floats]:
    """The same in groups without end."""
    if outcome.values is not None:
        low, high = outcome.values
        mean, deviation = low + (high - low) * paid, (high - low) * np.sqrt(np.clip(paid * (1.0 - paid), 0.0, None))
        failure, success = (part(credit.limit(np.asarray(own), mean, deviation)) for own in (low, high))
        return failure, success - failure
    if part is not everything or not (credit.linear or isinstance(credit, GroupMean)):
        raise _no_closed_form(credit)
    deviation = np.sqrt(solution.return_variance)
    base = credit.limit(np.zeros(()), paid, deviation)
    return base, credit.limit(np.ones(()), paid, deviation) - base


def _no_closed_form(credit: Credit) -> ChainError:
    return ChainError(
        f"rewards take more than two values, and the credit {credit.words} of a finite group is no affine function of them: "
        "use outcome='correct', group_size=inf, a chain that pays at the end only and without discount, or sampled_gradient"
    )


def mean_of_lengths_and_rewards(under: Solution, outcome: ResponseReward) -> Floats:
    """Return E[L R] of each prompt, (1, *runs, X), R as the outcome pays it: every token of a response carries its reward."""
    one = np.ones_like(moments(under, outcome.reward, np.zeros(1))[0])
    mass = response_mass(under, outcome.reward, EffectiveCredit(np.zeros(1), 0.0 * one, one))
    mdp = under.mdp
    tokens = mass.sample * mdp.sample_length[..., None, :, :] + (mass.stop + mass.resample) * mdp.decision_length[..., None, :, :]
    occurs = np.where(mdp.prompt_weight > 0, mdp.prompt_weight, 1.0)
    return np.asarray((tokens.sum(axis=(-3, -1)) / occurs)[None])

r"""What the settings of group objectives have in common: checks, policies at a temperature, masks, deviations of batches.

Source: derived here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories
from dstheory.checks import Floats, reject, whole_number
from dstheory.errors import ChainError, InfiniteDivergenceError, OneRunError
from dstheory.objectives.expectation.compositions import compositions, credits_of, sums_over
from dstheory.objectives.expectation.denominators import range_of_lengths, tokens_of
from dstheory.objectives.expectation.exponential import LEAST_CHANCE, EffectiveCredit, moments, reciprocal
from dstheory.objectives.expectation.grouping import Grouping, group_moments
from dstheory.objectives.expectation.groups import Part
from dstheory.objectives.expectation.rewards import ResponseReward, RewardTable, check_reward_function, counted_turns, only
from dstheory.objectives.fused import applies
from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    Credit,
    GroupMean,
    Normaliser,
)
from dstheory.objectives.responses import Term
from dstheory.objectives.rounding import directed, unlike

_NOT_BY_ROW = ("engine", "temperature", "importance", "mask_truncated", "reward_weights", "reward_functions", "dual_clip")
_NOT_BY_TABLE = (*_NOT_BY_ROW[:-1], "micro_batches", "drop_dead", "baseline_per")


_COLDEST = 1e-6
_CENTRED = 1e-9  # of the root of their mean square
LARGEST_BATCH = 100_000
"""Responses of a batch whose successes are counted one by one."""


def own_settings(objective: Any, names: Sequence[str] = _NOT_BY_TABLE) -> list[str]:
    """Return those of some settings that differ from their defaults."""
    fields = {f.name: f.default for f in dataclasses.fields(objective)}
    return [name for name in names if name in fields and getattr(objective, name) is not fields[name]
            and getattr(objective, name) != fields[name]]  # fmt: skip


def check_settings(objective: Any, *, own_rule: bool) -> None:
    """Raise ChainError where settings of one objective contradict each other, or its row has no place for them.

    Args:
        objective: a group objective.
        own_rule: whether its row has terms of its own, which know the settings of all rows in part only.
    """
    o = objective
    choices = {
        "ratio_level": ("token", "sequence", "sequence-product"),
        "importance": ("none", "token", "sequence", "sequence-mean"),
        "mask_truncated": ("none", "numerator", "both"),
        "accumulate": ("mean", "sum"),
        "combine": ("before", "after", "after-batch"),
    }
    for name, allowed in choices.items():
        if getattr(o, name) not in allowed:
            raise ChainError(f"{name} is {getattr(o, name)!r}: must be one of {', '.join(allowed)}")
    if not _COLDEST <= o.temperature <= 1.0 / _COLDEST:
        raise ChainError(
            f"temperature is {o.temperature}: must lie in [{_COLDEST:g}, {1.0 / _COLDEST:g}], what logits are divided by"
        )
    if o.engine is not None and o.temperature != 1.0:
        raise ChainError(f"{o.name}: engine and temperature both say who generates: give one of them")
    if o.importance != "none" and o.importance_cap < 1.0 and o.engine is None and o.temperature == 1.0:
        raise ChainError(
            f"importance_cap is {o.importance_cap:g}: without an engine or a temperature every w is 1, and a cap below 1 would "
            "shrink or drop every token; give who generates, or a cap of at least 1"
        )
    whole_number(o.micro_batches, "micro_batches", low=1)
    if o.prompts != inf and o.prompts % o.micro_batches:
        raise ChainError(f"micro_batches is {o.micro_batches}: must divide prompts, {o.prompts:g}, into whole groups")
    if o.micro_batches > 1 and o.prompts != inf and getattr(o.credit, "spread", "none") == "batch":
        raise ChainError(
            f"{o.name}: std='batch' is the deviation of the whole batch, micro_batches={o.micro_batches} divides it into parts "
            "of few prompts, which is not computed: use micro_batches=1, or prompts=inf"
        )
    for function in o.reward_functions:
        check_reward_function(function)
    if o.reward_weights is not None:
        weights = tuple(o.reward_weights)
        if len(weights) != len(o.reward_functions) or not np.isfinite(weights).all():
            raise ChainError(
                f"reward_weights is {o.reward_weights}: must be {len(o.reward_functions)} finite numbers, one for each of "
                f"{', '.join(map(str, o.reward_functions))}"
            )
        if o.combine != "before" and not any(weights):
            raise ChainError(f"reward_weights is {o.reward_weights}: at least one must not be 0, or no credit is left to combine")
    if o.rewards is not None and o.combine != "before" and o.grouping.mixed:
        raise ChainError(f"{o.name}: combine={o.combine!r} has no one reward by which groups are dead: keep all groups")
    if o.rewards is None and o.combine != "before":
        raise ChainError(f"{o.name}: combine={o.combine!r} needs several rewards: give reward_weights, or reward_functions")
    if o.ratio_level != "token" and o.corrected_kl and np.any(o.beta):
        raise ChainError(
            f"{o.name}: with corrected_kl TRL multiplies every token's k3 by the ratio of the whole response, which is not "
            "computed here: use beta=0, or corrected_kl=False"
        )
    if own_rule:
        of_level = ["ratio_level"] if o.ratio_level != "token" else []
        for name in [*own_settings(o, _NOT_BY_ROW), *of_level]:
            if name != "dual_clip" or not hasattr(o, "credit_of_critic"):
                raise ChainError(f"{o.name} has a rule of its own: {name} is not computed for it, leave it at its default")


def tempered(policy: Policy, temperature: float) -> Policy:
    """Return the policy whose logits are divided by a temperature.

    >>> round(float(tempered(Policy.minimal(p=0.8, a=0.5, b=0.5), 2.0).sample_prob[0, 0, 0]), 6)  # odds of 4 become 2
    0.666667
    """
    answers, stops = policy.sample_logits / temperature, policy.stop_logits / temperature
    if np.frexp(temperature)[0] != 0.5:  # no power of two: quotients that are nearly alike are rounded alike in all directions
        answers, stops = (_unlike_values(table, i) for i, table in enumerate((answers, stops)))
    return Policy.tabular(answers, stops)


def _unlike_values(table: Floats, number: int) -> Floats:
    """Return a table with its last digits changed in a direction, equal numbers alike: quotients of equal logits are equal."""
    if not directed():
        return table
    values, which = np.unique(table, return_inverse=True)
    return unlike(values, number)[which].reshape(table.shape)


def log_ratio_of_responses(t: Trajectories, above: Policy, below: Policy, *, called: str = "behaviour policy") -> Floats:
    """Return log(above/below) of each response, (n,), a sum over its turns: a difference of two such sums may have no digits.

    Args:
        t: the responses.
        above, below: the two policies; minus infinity is returned where the first gives a response probability 0.
        called: how an error calls the second policy.

    Raises:
        InfiniteDivergenceError: the second policy gives a response probability 0.
        ChainError: a response is longer than a policy that is indexed by turn.
    """
    turn = np.maximum(*(t.policy_index(policy)[0] for policy in (above, below)))
    answer, stop, resample = (table[turn, t.step_prompt, t.answer] for table in above.log_ratios(below))
    with np.errstate(invalid="ignore"):
        ratio = t.sum(answer + np.where(t.decided, np.where(t.stop, stop, resample), 0.0))
    bad = np.flatnonzero(~(ratio < np.inf))
    if len(bad):
        i = int(bad[0])
        answers = t.answer[t.offsets[i] : t.offsets[i + 1]].tolist()
        raise InfiniteDivergenceError(
            f"trajectory {i}, of prompt {int(t.prompt[i])} with the answers {answers}, has probability 0 under the {called}: "
            "it has no ratio; give it some mass there"
        )
    return ratio


def whole_responses(terms: Sequence[Term], under: Solution, outcome: ResponseReward) -> list[Term]:
    """Return terms of responses that the cap on turns did not cut off: their credits by the reward's value, 0 for the others.

    Raises:
        ChainError: the chain has no cap, or the reward takes many values.
    """
    whole, one = counted_turns(under), RewardTable(np.ones((1, 1, 1)))
    found = []
    for term in terms:
        f = term.credit
        if f.same or term.reward is not None:  # 1 for every response, or for those of one value
            table, slope = (one, f.constant) if f.same else (term.reward, f.slope)
            assert table is not None
            found.append(Term(EffectiveCredit(f.t, np.zeros_like(slope), slope), term.weight, only(table, whole)))
            continue
        if outcome.values is None:
            raise (OneRunError if under.mdp.runs else ChainError)(
                "mask_truncated: rewards of many values have no closed form; use outcome='correct' or gamma=1"
            )
        otherwise = np.zeros_like(f.slope) if f.otherwise is None else f.otherwise
        for right, slope in ((True, f.constant + f.slope), (False, f.constant + otherwise)):
            table = only(outcome.reward, whole, otherwise=not right)
            found.append(Term(EffectiveCredit(f.t, np.zeros_like(slope), slope), term.weight, table))
    return found


def batch_scale(credit: GroupMean, grouping: Grouping, under: Solution, outcome: ResponseReward) -> Floats:
    """Return one over the standard deviation of the rewards of a large batch plus epsilon, (*runs, 1); 0 for 0/0.

    Raises:
        ChainError: groups that are drawn again or left out.
    """
    if grouping.mixed:
        raise ChainError(
            "std='batch' has a closed form in large batches whose groups are all kept: use prompts=inf, or sampled_gradient"
        )
    rho = under.mdp.prompt_weight
    group = group_moments(under, replace(outcome, uncounted=False), np.zeros(1), Grouping())
    if outcome.values is not None:
        low, high = outcome.values
        right, wrong = ((share[0] * rho).sum(axis=-1) for share in (group.right, group.wrong))
        deviation = (high - low) * np.sqrt(right * wrong)
    else:
        of_prompt = group.right[0]
        mean = (of_prompt * rho).sum(axis=-1)
        deviation = np.sqrt(((outcome.reward.variance(under) + (of_prompt - mean[..., None]) ** 2) * rho).sum(axis=-1))
    if not credit.epsilon:
        _refuse_lost(deviation**2, under, outcome)
    below = np.asarray(deviation + credit.epsilon)
    return np.asarray(np.divide(1.0, below, out=np.zeros_like(below), where=below > 0)[..., None])


def _refuse_lost(variance: Floats, under: Solution, outcome: ResponseReward) -> None:
    """Raise ChainError where rewards differ so rarely that floating-point numbers do not hold their variance.

    It is asked where rounding in one direction looks for digits, and of large tables, where it does not.
    """
    if not (directed() or applies(under)):
        return
    drawn, paid = (under.policy.log_sample > -inf) & (under.mdp.prompt_weight > 0)[:, None], outcome.reward.stop
    apart = np.where(drawn, paid, -inf).max() > np.where(drawn, paid, inf).min() or outcome.reward.resample.any()
    rule, remedy = f"must be at least {LEAST_CHANCE:g}", "its root divides credits: use a less extreme policy, or std=False"
    reject(apart & (variance < LEAST_CHANCE), variance, "variance of the rewards of a batch", rule, remedy, axes=())


def over_batch(
    credit: GroupMean, normaliser: Normaliser, grouping: Grouping, under: Solution, outcome: ResponseReward, part: Part
) -> EffectiveCredit:
    r"""Return a part of the credit over the standard deviation of a batch of few prompts, averaged over all others of the batch.

    The deviation of n = P G rewards depends on how many of them are successes. A response knows its group, the others are
    independent of it: with k successes in its group, and M among the other P - 1 groups, whose prompts are drawn as its own was,

    .. math::
        E[A \mid R, k] = (R - k/G) \sum_M P(M) \frac{1}{s(k + M) + \epsilon}, \qquad
        s(K)^2 = \frac{K (n - K)}{n (n - \mathrm{ddof})}.

    Where all tokens of the batch are counted, P(M) is weighted by :math:`E[e^{-t L}]` at each node t of one over their sum.

    Raises:
        ChainError: groups that are drawn again or left out, rewards other than 0 and 1, runs, or more than 100,000 responses.
    """
    prompts, rho = grouping.prompts, under.mdp.prompt_weight
    runs, few = under.policy.runs or under.mdp.runs, grouping.group_size * prompts <= LARGEST_BATCH
    if grouping.mixed or outcome.values != (0.0, 1.0) or runs or not few:
        raise (OneRunError if runs else ChainError)(
            "std='batch' has a closed form in large batches whose groups are all kept, and, of rewards of 0 and 1 of one run, in "
            f"those of at most {LARGEST_BATCH:,} responses: use prompts=inf, or sampled_gradient"
        )
    size, none = int(grouping.group_size), np.zeros(1)
    members = tokens_of(normaliser, grouping)
    shortest, longest = range_of_lengths(under)
    least = 1.0 if outcome.uncounted else members  # one response may be all that counts
    t, w = reciprocal(least * shortest, members * longest) if members else (none, np.ones(1))
    w = w * (members or 1.0 / (normaliser.tokens if isinstance(normaliser, ConstantLength) else 1.0))
    plain = group_moments(under, outcome, none, grouping)
    own = group_moments(under, outcome, t, grouping) if members > 1 else plain
    others = own if isinstance(normaliser, BatchTokens) else plain
    law = np.einsum("jxk,x->jk", successes(others.right, others.wrong, size, others.log_plain), rho)
    scale = over_others(law, prompts - 1, size, one_over_deviations(credit, int(size * prompts))[None])[0].T[:, None]
    k, with_others = np.arange(size), successes(own.right, own.wrong, size - 1, own.log_plain)
    failure = (with_others * scale[..., :-1] * (-k / size)).sum(axis=-1)
    success = (with_others * scale[..., 1:] * (1.0 - (k + 1) / size)).sum(axis=-1)
    factor = grouping.scale * w[:, None]
    return EffectiveCredit.of_two(t, factor * part(failure), factor * part(success))


def second_scale(credit: Credit, grouping: Grouping, under: Solution, outcome: ResponseReward, epsilon: float) -> Floats:
    r"""Return one over the standard deviation of the credits of a large batch plus epsilon, (1,); 0 for 0/0.

    Trainers centre credits before they divide them. Those of a group that add up to 0 are centred, and their variance is
    :math:`E[\sum_i A_i^2]/G`, a sum over compositions.

    Raises:
        ChainError: a finite batch, groups without end, too many compositions, or credits that do not average to 0.
    """
    if grouping.prompts != inf or grouping.group_size == inf:
        raise ChainError(
            "combine='after-batch' has a closed form in large batches of finite groups: use prompts=inf and a finite group_size"
        )
    numbers, size = outcome.levels or outcome.values or (), int(grouping.group_size)
    plain = replace(outcome, uncounted=False)
    chances = np.stack([moments(under, table, np.zeros(1))[1] for table in plain.indicators])
    counts = compositions(size, len(numbers))
    one, same, _ = sums_over(counts, np.ones(len(counts)), [credits_of(credit, numbers, counts)], chances)
    mean, square = (
        float(((chances * moment).sum(axis=(0, 1)) / size * under.mdp.prompt_weight).sum()) for moment in (one[0], same[0, 0])
    )
    if abs(mean) > _CENTRED * np.sqrt(square):
        raise ChainError(
            f"combine='after-batch' centres the credits of a batch, and these average to {mean:.3g}: must be 0; use another std "
            "than that of the other members, or combine='after'"
        )
    below = np.asarray(np.sqrt(square) + epsilon)
    return np.asarray(np.divide(1.0, below, out=np.zeros_like(below), where=below > 0)[None])


def one_over_deviations(credit: GroupMean, responses: int) -> Floats:
    """Return one over the standard deviation of a batch plus epsilon, by its successes, (n + 1,); 0 where all credits are 0.

    >>> one_over_deviations(GroupMean("batch"), 2).round(6).tolist()
    [0.0, 1.414214, 0.0]
    """
    n, k = responses, np.arange(responses + 1)
    below = np.sqrt(k * (n - k) / (n * (n - credit.ddof))) + credit.epsilon
    return np.divide(1.0, below, out=np.zeros(n + 1), where=(k > 0) & (k < n))


def successes(right: Floats, wrong: Floats, size: int, log_plain: Floats | float = 0.0) -> Floats:
    """Return the chance of 0 to n successes among n responses, times what weighs their tokens, (..., n + 1).

    Args:
        right, wrong: (...) chance of a success and of a failure, weight included.
        size: n.
        log_plain: logarithm of a weight of every response that is left out of the two.

    >>> successes(np.array(0.5), np.array(0.5), 2).tolist()
    [0.25, 0.5, 0.25]
    """
    from scipy.special import gammaln, xlogy  # takes longer to import than most commands compute

    right, wrong, log = (np.asarray(x)[..., None] for x in (right, wrong, log_plain))
    k = np.arange(size + 1)
    ways = gammaln(size + 1) - gammaln(k + 1) - gammaln(size - k + 1)
    return np.asarray(np.exp(ways + xlogy(k, right) + xlogy(size - k, wrong) + size * log))


def over_others(law: Floats, groups: float, known: int, functions: Floats) -> Floats:
    """Return the means of functions of a batch's successes, given 0 to ``known`` of them, over those of so many other groups.

    The law of many groups is a power of that of one, by Fourier transform: to 1e-11 of its largest entry for a hundred thousand
    responses.

    Args:
        law: (J, k + 1) of the successes of one group, times what weighs its tokens.
        groups: how many.
        known: successes of the other responses are 0 to this.
        functions: (F, successes of the batch + 1).

    Returns:
        (F, known + 1, J), what weighs tokens of the others included.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    total, count = law.sum(axis=1, keepdims=True), int((law.shape[1] - 1) * groups) + 1
    points = next_fast_len(count, real=True)
    shares = np.divide(law, total, out=np.zeros_like(law), where=total > 0)  # of long responses the total may underflow
    rest = np.maximum(irfft(rfft(shares, points) ** groups, points)[:, :count], 0.0) if count > 1 else np.ones((len(law), 1))
    means = [[rest @ of[k : k + count] for k in range(known + 1)] for of in functions]
    return np.asarray(np.array(means) * total[:, 0] ** groups)

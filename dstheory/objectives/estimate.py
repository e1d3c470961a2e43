r"""Gradients estimated from trajectories, coefficient times score, the way training code does it, with standard errors.

:func:`estimate_gradient` takes trajectories of the objective's measure. On an enumeration of all of them, weighted by their
probabilities, it is exact; on a sample it is unbiased. It shares nothing with the closed forms but the objective's rule.

:func:`sampled_gradient` draws whole batches the way training does: prompts, then G responses of each; credits, normalisers and
token weights are applied to the numbers drawn. It serves what has no closed form, and shares nothing with the closed forms but
the parts on arrays, the coefficients of single tokens, and a baseline that depends on the prompt. Batches are independent of
each other, so their spread gives the standard error.

Source: derived here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from dstheory.chain.exact import Solution, solve
from dstheory.chain.policy import Policy
from dstheory.chain.trajectories import Trajectories, sample_trajectories
from dstheory.checks import Floats, Ints, reject, whole_number
from dstheory.errors import ChainError
from dstheory.objectives.base import OF_THE_EXPECTATION, Objective, refuse_overridden
from dstheory.objectives.expectation.rewards import ResponseReward
from dstheory.objectives.group import NFT, PPOClip, ReinforceBaseline
from dstheory.objectives.group_base import GroupObjective
from dstheory.objectives.mass import StageGradient
from dstheory.objectives.parts import BatchTokens, Credit, GroupTokens
from dstheory.objectives.preference import DPO
from dstheory.objectives.responses import response_lengths

_Sums = Sequence[Floats]
"""Sums over units of coefficient x score and of its square, of the logits of answers and of those of stop."""
OF_GROUPS = OF_THE_EXPECTATION | {"terms", "reward_terms", "penalty_terms", "credited"}
"""What gradients and trajectories ask of an objective of groups, and batches do not."""


@dataclass(frozen=True, eq=False)
class GradientEstimate:
    """An estimated gradient with the standard error of each entry (meaningless for an enumeration, and 0 for one trajectory).

    >>> from dstheory import TwoStageMDP, sample_trajectories, solve
    >>> from dstheory.objectives import Reinforce
    >>> s = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3))
    >>> found = estimate_gradient(Reinforce(), s, sample_trajectories(s.mdp, s.policy, 4000, rng=0))
    >>> away = abs(found.gradient.sample - Reinforce().gradient(s).sample)
    >>> bool((away < 4 * found.standard_error.sample).all())
    True
    """

    gradient: StageGradient
    standard_error: StageGradient


def estimate_gradient(objective: Objective, solution: Solution, trajectories: Trajectories) -> GradientEstimate:
    """Return sum over trajectories of weight x sum_k (c_s grad log pi_s + c_d grad log pi_d), with standard errors.

    Args:
        objective: any objective; its rule is used, not its closed form.
        solution: the chain under one policy (no run axes).
        trajectories: drawn from (or enumerating) the objective's measure.

    Raises:
        ChainError: trajectories that do not exist in the chain, coefficients that no number holds, or an objective whose class
            changes its mass alone.

    >>> from dstheory import TwoStageMDP, enumerate_trajectories, solve
    >>> from dstheory.objectives import Reinforce
    >>> s = solve(TwoStageMDP.minimal(max_turns=2), Policy.minimal(p=0.5, a=0.5, b=0.5))
    >>> estimate_gradient(Reinforce(), s, enumerate_trajectories(s.mdp, s.policy)).gradient.sample.tolist()  # exact
    [[[0.24375, -0.24375]]]
    """
    t = trajectories
    t.check_fits(solution.mdp)
    c_s, c_d = objective.known_coefficients(solution, t)
    for what, c in (("answer", c_s), ("decision", c_d)):
        reject(~np.isfinite(c), c, f"coefficient of the {what}", "must be finite",
               "ask for objective.gradient, which multiplies by rare probabilities first", axes=("step",))  # fmt: skip
    sums = _score_sums(solution, t, c_s, c_d, t.episode, t.weight)
    return _estimate(sums, len(t.weight))


def _score_sums(solution: Solution, t: Trajectories, c_s: Floats, c_d: Floats, unit: Ints, weight: Floats) -> _Sums:
    """Return the weighted sums over units of coefficient x score and of its square, of answers and of decisions."""
    policy = solution.policy
    k, x, y = t.policy_index(policy)
    prob = policy.sample_prob[k, x]  # (m, Y)
    score_s = -prob
    score_s[np.arange(len(y)), y] += 1.0
    score_d = np.where(t.stop, policy.resample_prob[k, x, y], -policy.stop_prob[k, x, y])

    # The rows of logits that each unit meets, in order; as the first of each is asked for, the sort is a stable one, which takes
    # no time where they are in order already.
    turns, prompts, answers = policy.shape
    keys, _, where = np.unique((unit * turns + k) * prompts + x, return_index=True, return_inverse=True)
    entry = (keys % (turns * prompts))[:, None] * answers + np.arange(answers)
    share = weight[keys // (turns * prompts)][:, None]

    def accumulate(place: Ints, per_step: Floats) -> tuple[Floats, Floats]:
        """Sum per unit first, then over units: each logit's entry and its square."""
        per_unit = np.bincount(place.ravel(), weights=per_step.ravel(), minlength=entry.size).reshape(entry.shape)
        mean, second = (
            np.bincount(entry.ravel(), weights=(share * power).ravel(), minlength=turns * prompts * answers)
            for power in (per_unit, per_unit**2)
        )
        return mean.astype(np.float64).reshape(policy.shape), second.astype(np.float64).reshape(policy.shape)

    first = where * answers
    return *accumulate(first[:, None] + np.arange(answers), c_s[:, None] * score_s), *accumulate(first + y, c_d * score_d)


def _estimate(sums: _Sums, units: int) -> GradientEstimate:
    mean_s, second_s, mean_d, second_d = sums
    both = ((mean_s, second_s), (mean_d, second_d))
    error_s, error_d = (np.sqrt(np.maximum(second - mean**2, 0.0) / max(1, units - 1)) for mean, second in both)
    return GradientEstimate(StageGradient(mean_s, mean_d), StageGradient(error_s, error_d))


_AT_ONCE, _MOST_SCORES = 500_000, 100_000_000
"""Scores of answers in one table, some 90 MB, and in all, about a minute."""

_MOST_DRAWN = 1024
"""Groups drawn per group kept before dynamic sampling is given up."""


def sampled_gradient(
    objective: Objective, solution: Solution, *, batches: int = 400, prompts: int = 8, rng: np.random.Generator | int
) -> GradientEstimate:
    """Estimate the expected update of an objective that compares responses, from sampled batches.

    Args:
        objective: a group objective of finite group size, or DPO (whose batch is one pair).
        solution: the chain under one policy.
        batches: how many independent batches, >= 2.
        prompts: prompts per batch, where the objective leaves them open (``prompts=inf``).
        rng: a numpy Generator, or a seed for one.

    Raises:
        ChainError: an objective that is not estimated this way, or overrides what is not asked for, a size out of range, or
            batches that do not fit into memory.

    >>> from dstheory import TwoStageMDP, solve
    >>> from dstheory.objectives import GRPO
    >>> s = solve(TwoStageMDP.minimal(gamma=0.9, sample_length=16), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> found = sampled_gradient(GRPO(outcome="return"), s, rng=0)  # discounted returns take many values: no closed form
    >>> bool(found.gradient.sample[0, 0, 0] > 3 * found.standard_error.sample[0, 0, 0])
    True
    """
    whole_number(batches, "batches", low=2, otherwise=", one batch has no standard error")
    whole_number(prompts, "prompts", low=1)
    generator = np.random.default_rng(rng)
    refuse_overridden(objective, OF_GROUPS, "a sampled batch")
    if isinstance(objective, DPO):
        theirs = objective.behaviour(solution)
        assert isinstance(theirs, Policy)
        pairs = batches * prompts
        return _in_blocks(solution, theirs, pairs, 2, lambda n: _draw_pairs(objective, solution, theirs, n, generator))
    if not isinstance(objective, GroupObjective) or isinstance(objective, PPOClip):
        raise ChainError(f"{objective.name} compares no responses of one prompt: use its gradient, or estimate_gradient")
    if isinstance(objective, NFT) and objective.sampler is not None:
        raise ChainError("nft off policy is not sampled: its closed form holds in large batches, prompts=inf")
    if objective.group_size == inf:
        raise ChainError(f"{objective.name} has group_size=inf, which cannot be sampled: its closed form is exact")
    if getattr(objective, "baseline_per", "response") == "turn":
        raise ChainError(f"{objective.name}: a baseline per turn is not sampled: its closed form is exact")
    each = prompts if objective.grouping.prompts == inf else int(objective.grouping.prompts)
    size, sampler = int(objective.group_size), objective.generating(solution.policy)
    return _in_blocks(
        solution, sampler, batches, each * size, lambda n: _draw_batches(objective, solution, sampler, n, each, generator)
    )


_Drawn = tuple[Trajectories, Floats, Floats, Ints]
"""Responses, coefficients of their answers and of their decisions, and the unit that each step belongs to."""


def _in_blocks(
    solution: Solution, sampler: Policy, units: int, responses: int, draw: Callable[[int], _Drawn]
) -> GradientEstimate:
    """Return the estimate from ``units`` units of so many responses, drawn as many at a time as fit into memory.

    Raises:
        ChainError: one unit does not fit, or all of them take minutes; before anything is drawn.
    """
    mdp = solution.mdp
    turns = float((solve(mdp, sampler).finite_visits.sum(axis=-2) * mdp.prompt_weight).sum())
    one = responses * turns * mdp.shape[1]
    for count, most, what in ((1, 2 * _AT_ONCE, "at once"), (units, _MOST_SCORES, "in all")):
        if count * one > most:
            raise ChainError(
                f"{count:,} x {responses:,} responses of {turns:.3g} turns with {mdp.shape[1]} answers are to be drawn {what}: "
                f"more than {most:,} scores; use smaller groups or fewer batches, or the closed form"
            )
    each = max(1, int(_AT_ONCE / one))
    sizes = (min(each, units - begin) for begin in range(0, units, each))
    parts = (_score_sums(solution, *draw(n), np.full(n, 1.0 / units)) for n in sizes)
    return _estimate(functools.reduce(lambda sums, more: [a + b for a, b in zip(sums, more, strict=True)], parts), units)


def _draw_pairs(objective: DPO, solution: Solution, sampler: Policy, pairs: int, rng: np.random.Generator) -> _Drawn:
    t, group = _groups(solution, sampler, pairs, 2, rng)
    c_s = _of_pairs(objective, solution, t, group)[t.episode]
    return t, c_s, np.where(t.decided, c_s, 0.0), group[t.episode]


def _draw_batches(
    objective: GroupObjective, solution: Solution, sampler: Policy, batches: int, prompts: int, rng: np.random.Generator
) -> _Drawn:
    size = int(objective.group_size)
    if objective.grouping.mixed and not objective.grouping.dropped:
        t, group = _mixed_groups(objective, solution, sampler, batches * prompts, rng)
    else:
        t, group = _groups(solution, sampler, batches * prompts, size, rng)
    c_s, c_d = _of_groups(objective, solution, t, group, batches, prompts, size)
    return t, c_s, c_d, (group // prompts)[t.episode]


def _groups(solution: Solution, sampler: Policy, groups: int, size: int, rng: np.random.Generator) -> tuple[Trajectories, Ints]:
    """Return ``size`` responses for each of ``groups`` prompts, and the group of each response, (n,)."""
    mdp = solution.mdp
    drawn = rng.choice(len(mdp.prompt_weight), size=groups, p=mdp.prompt_weight)
    parts, labels = [], []
    for x in np.unique(drawn):
        alone = mdp.replace(prompt_weight=np.eye(len(mdp.prompt_weight))[x])
        members = np.flatnonzero(drawn == x)
        parts.append(sample_trajectories(alone, sampler, len(members) * size, rng=rng))
        labels.append(np.repeat(members, size))
    return _joined(parts), np.concatenate(labels)


def _joined(parts: list[Trajectories]) -> Trajectories:
    turns = np.concatenate([part.turns for part in parts])
    return Trajectories(
        prompt=np.concatenate([part.prompt for part in parts]),
        offsets=np.concatenate([[0], np.cumsum(turns)]),
        answer=np.concatenate([part.answer for part in parts]),
        stop=np.concatenate([part.stop for part in parts]),
        decided=np.concatenate([part.decided for part in parts]),
        weight=np.full(len(turns), 1.0 / max(len(turns), 1)),
    )


def _mixed_groups(
    objective: GroupObjective, solution: Solution, sampler: Policy, groups: int, rng: np.random.Generator
) -> tuple[Trajectories, Ints]:
    """Return the first ``groups`` groups whose rewards are not all equal, drawn until there are as many (dynamic sampling)."""
    size, outcome = int(objective.group_size), objective.outcome_of(objective.generated(solution))
    parts, labels, found = [], [], 0
    for _ in range(_MOST_DRAWN):
        t, group = _groups(solution, sampler, groups, size, rng)
        reward = outcome.reward.total(solution, t)[np.argsort(group, kind="stable")].reshape(groups, size)
        mixed = np.flatnonzero((reward != reward[:, :1]).any(axis=1))[: groups - found]
        new = np.full(groups, -1)
        new[mixed] = found + np.arange(len(mixed))
        kept = new[group] >= 0
        parts.append(t.only(kept))
        labels.append(new[group][kept])
        found += len(mixed)
        if found == groups:
            return _joined(parts), np.concatenate(labels)
    raise ChainError(f"{objective.name}: fewer than one group in {_MOST_DRAWN} is mixed: dynamic sampling draws on and on")


def _of_groups(
    objective: GroupObjective, solution: Solution, t: Trajectories, group: Ints, batches: int, prompts: int, size: int
) -> tuple[Floats, Floats]:
    """Return the coefficients of every step, computed batch by batch from the numbers drawn."""
    under = objective.generated(solution)
    outcome = objective.outcome_of(under)
    order = np.argsort(group, kind="stable")  # responses by group, groups by batch
    shape = batches, prompts, size
    whole = t.decided[t.offsets[1:] - 1] if objective.mask_truncated != "none" else np.ones(len(t), dtype=bool)
    length = response_lengths(solution, t)
    if objective.mask_truncated == "both" and isinstance(objective.normaliser, GroupTokens | BatchTokens):
        length = length * whole
    factor, c_s, c_d = np.empty(len(t)), np.zeros(len(t.answer)), np.zeros(len(t.answer))
    reward = _paid(outcome, solution, t)[order].reshape(shape)
    factor[order] = np.concatenate([
        _factors(objective, r, n).ravel() for r, n in zip(reward, length[order].reshape(shape), strict=True)
    ])  # fmt: skip
    factor *= objective.grouping.scale * whole
    for share, of, rule in objective.outcomes(under, outcome):
        if isinstance(objective, ReinforceBaseline):  # one number per prompt, whatever the batch
            credit = objective.less_baseline(under, of).at(t.prompt, of.reward.total(under, t), length)
        else:
            credit, paid = np.empty(len(t)), _paid(of, solution, t)[order].reshape(shape)
            credit[order] = np.concatenate([_batch_credits(objective, rule, r).ravel() for r in paid])
        coefficient = share * credit * factor
        w_s, w_d = objective.step_weights(solution, t, credit)
        c_s, c_d = c_s + coefficient[t.episode] * w_s, c_d + coefficient[t.episode] * w_d
    if (weight := objective.penalty_weight(solution, under)) is not None:
        k_s, k_d = weight.of_steps(solution, t)
        c_s, c_d = c_s + factor[t.episode] * k_s, c_d + factor[t.episode] * k_d
    return c_s, np.where(t.decided, c_d, 0.0)


def _batch_credits(objective: GroupObjective, credit: Credit, rewards: Floats) -> Floats:
    """Return the credits of one batch, (groups, G)."""
    found = credit.of_groups(rewards)
    if objective.combine != "after-batch":
        return found
    below = float(found.std(ddof=1)) + getattr(objective, "epsilon", 0.0)
    return (found - found.mean()) / below if below else np.zeros_like(found)


def _paid(outcome: ResponseReward, solution: Solution, t: Trajectories) -> Floats:
    """Return the reward of each response, (n,)."""
    low, high = outcome.values or (0.0, 1.0)
    return low + (high - low) * outcome.reward.total(solution, t)


def _factors(objective: GroupObjective, rewards: Floats, lengths: Floats) -> Floats:
    """Return the normaliser's factor of the responses of one batch, (groups, G); 0 for groups that are left out, or empty."""
    mixed = (rewards != rewards[:, :1]).any(axis=1)
    kept = mixed if objective.grouping.dropped else np.ones(len(rewards), dtype=bool)
    factor = np.zeros(rewards.shape)
    if kept.any():
        with np.errstate(divide="ignore"):  # a group of truncated responses may have no tokens that count
            found = objective.normaliser.of_groups(lengths[kept])
        factor[kept] = np.where(np.isfinite(found), found, 0.0)
    return factor


def _of_pairs(objective: DPO, solution: Solution, t: Trajectories, group: Ints) -> Floats:
    """Return the coefficient of every response of a pair, (n,): zero where both are right or both wrong."""
    right, up = objective.marks(solution, t)
    order = np.argsort(group, kind="stable").reshape(-1, 2)
    first, second = order[:, 0], order[:, 1]
    mixed = right[first] != right[second]
    first, second = first[mixed], second[mixed]
    won, lost = np.where(right[first] > 0, first, second), np.where(right[first] > 0, second, first)
    loss, beta, out = objective.of_pairs, objective.beta, np.zeros(len(t))
    falls = loss.falls(beta * up[won], beta * up[lost])
    out[won], out[lost] = (beta * fall for fall in falls)
    return out / response_lengths(solution, t) if loss.per_token else out

r"""How responses come: in groups, in batches, all kept or only the mixed ones; and what a group knows of its members.

**Dynamic sampling** (DAPO) draws again, prompt and responses, until every group of the batch is mixed: its rewards are not all
equal. Expectations are then those given mixed groups. What rewards of two values add to the update is the plain one over the
probability of a mixed group, :math:`P = \sum_x \rho(x) (1 - p_x^G - (1 - p_x)^G)`, unless the tokens of the batch divide it. A
penalty counts in mixed groups alone.

Source: derived here; dynamic sampling arXiv 2503.14476.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.checks import Floats, reject, whole_number
from dstheory.errors import ChainError, OneRunError
from dstheory.objectives.expectation.counts import LARGEST_GROUP
from dstheory.objectives.expectation.exponential import LEAST_CHANCE, Tilted, moments, tilted
from dstheory.objectives.expectation.rewards import ResponseReward, RewardTable, counted_turns, only
from dstheory.objectives.parts import BatchTokens, Normaliser

_MOST_PROMPTS = 1e200  # beyond it the tokens of a batch leave floating point
_MOST_MIXED_PROMPTS = 100_000  # a power of a number that is known to a few units of rounding


@dataclass(frozen=True)
class Grouping:
    """How responses come: groups of G per prompt, P prompts per batch; inf for the limit.

    Args:
        group_size, prompts: G and P.
        mixed: whether groups whose rewards are all equal are drawn again, prompt included (dynamic sampling).
        dropped: with ``mixed``, whether they are left out instead: the batch is smaller, and may be empty.
        correctness: whether the rewards that are looked at for that are those of correctness.
        scale: what the whole is multiplied by.
        uncounted: whether the tokens of truncated responses are left out of what divides it.
        parts: micro-batches of a batch; ``prompts`` are those of one.

    Raises:
        ChainError: a size that is neither a whole number >= 1 nor inf, groups of more than a hundred million, or batches of
            more than 1e200 prompts.
    """

    group_size: float = 8
    prompts: float = inf
    mixed: bool = False
    dropped: bool = False
    correctness: bool = True
    scale: float = 1.0
    uncounted: bool = False
    parts: int = 1

    def __post_init__(self) -> None:
        for what in ("group_size", "prompts"):
            if getattr(self, what) != inf:
                whole_number(getattr(self, what), what, low=1, otherwise=", or inf for the limit of large ones")
        if inf > self.group_size > LARGEST_GROUP:
            raise ChainError(
                f"group_size is {int(self.group_size):,}: must be at most {LARGEST_GROUP:,}, or inf for the limit of large groups"
            )
        if inf > self.prompts > _MOST_PROMPTS:
            raise ChainError(
                f"prompts is {float(self.prompts):g}: must be at most {_MOST_PROMPTS:g}, or inf for the limit of large batches"
            )
        if self.mixed and inf > self.prompts > _MOST_MIXED_PROMPTS:
            raise ChainError(
                f"prompts is {int(self.prompts):,}: with dynamic sampling must be at most {_MOST_MIXED_PROMPTS:,}, beyond which "
                "rounding grows, or inf for the limit"
            )


def check_mixed(grouping: Grouping, outcome: ResponseReward, solution: Solution) -> None:
    """Raise ChainError for groups that must be mixed by rewards of which nobody can say how likely that is."""
    if grouping.mixed and outcome.uncounted:
        raise ChainError(
            "mask_truncated='both' with groups that are drawn again or left out is not computed: use 'numerator', or keep them"
        )
    if grouping.mixed and outcome.values is None and outcome.levels is None:
        raise (OneRunError if solution.mdp.runs else ChainError)(
            "rewards take more than 16 values, or are not known at the end: the probability that a group is mixed has no closed "
            "form; use dynamic_sampling=False, outcome='correct', or sampled_gradient"
        )


def kept_share(normaliser: Normaliser, grouping: Grouping, chance: Floats) -> Floats:
    """Return what expectations over mixed groups are divided by, (*runs, 1), given their probability."""
    if not grouping.dropped or grouping.prompts == inf:
        return chance[..., None]
    if isinstance(normaliser, BatchTokens):  # counted as they come
        return np.ones_like(chance[..., None])
    with np.errstate(divide="ignore"):  # at least one group is left
        some = -np.expm1(grouping.prompts * np.log1p(-np.minimum(chance, 1.0)))
    return np.asarray((chance / some)[..., None])


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
            raise (OneRunError if solution.mdp.runs else ChainError)(
                "mask_truncated='both' with rewards of many values is not computed: use 'numerator'"
            )
        wrong, right = (chance_of(solution, table, t, True) for table in outcome.indicators)
        plain = right + wrong
        with np.errstate(divide="ignore"):
            shares = (np.divide(part, plain, out=np.zeros_like(plain), where=plain > 0) for part in (right, wrong))
            return Tilted(np.log(plain), *shares)
    powers = max([1.0, *(n for n in (grouping.group_size, grouping.prompts) if n != inf)])
    return tilted(solution, outcome.reward, t, binary=outcome.values is not None, powers=powers)


def chance_of(solution: Solution, indicator: RewardTable, t: Floats, uncounted: bool) -> Floats:
    """Return E[indicator exp(-t L)], (J, *runs, X); with ``uncounted``, truncated responses have no tokens."""
    if not uncounted:
        return moments(solution, indicator, t)[1]
    whole = counted_turns(solution)
    cut = moments(solution, only(indicator, 1.0 - whole), np.zeros(1))[1]
    return np.asarray(moments(solution, only(indicator, whole), t)[1] + cut)


def level_shares(solution: Solution, outcome: ResponseReward, t: Floats) -> tuple[Floats, Tilted]:
    """Return the share of every value of the reward in E[exp(-tL)], (V, J, *runs, X), and what a group knows of a member."""
    members = [tilted(solution, table, t, binary=True) for table in outcome.indicators]
    return np.stack([one.right for one in members]), members[0]


def mixed_probability(solution: Solution, grouping: Grouping, known: Tilted | None, outcome: ResponseReward) -> Floats:
    """Return the probability that a group of a random prompt is mixed, (*runs,), for rewards of a few values.

    Args:
        solution: the chain under the policy that generates the responses.
        grouping: the size of the groups.
        known: the chances of both rewards, if known already.
        outcome: the reward.

    Raises:
        ChainError: no group is ever mixed, so that dynamic sampling would draw without end; or so seldom that no number holds the
            chance. Its logarithm would not help: the chances of answers that are divided by it are no numbers either.
    """
    of = mixed_given(solution, grouping, np.zeros(1), known, outcome)[0]
    found = np.asarray((of * solution.mdp.prompt_weight).sum(axis=-1))
    endless = "dynamic sampling would draw without end"
    reject(~(found > 0), found, "probability of a mixed group", "must be > 0", endless, axes=())
    reject(found < LEAST_CHANCE, found, "probability of a mixed group", f"must be at least {LEAST_CHANCE:g}", endless, axes=())
    return found


def mixed_given(solution: Solution, grouping: Grouping, t: Floats, known: Tilted | None, outcome: ResponseReward) -> Floats:
    """Return the chance that a group is mixed, of each prompt and under the weights exp(-tL) of each node, (J, *runs, X)."""
    return mixed_chance(grouping.group_size, shares_of(solution, grouping, t, known, outcome))


def shares_of(solution: Solution, grouping: Grouping, t: Floats, known: Tilted | None, outcome: ResponseReward) -> Floats:
    """Return the share of every value of the reward, of two or a few, in E[exp(-tL)], (V, J, *runs, X)."""
    if outcome.levels is not None:
        return level_shares(solution, outcome, t)[0]
    each = known or group_moments(solution, outcome, t, grouping)
    return np.stack([each.wrong, each.right])


def mixed_chance(size: float, shares: Floats) -> Floats:
    """Return 1 - sum of p_v^G of shares (V, ...) that add up to 1, or are all 0 where nothing is known.

    It is found from all but the largest: the difference then keeps its digits, as of two rare^G is at most a third of what it is
    taken from.
    """
    if size == inf:
        return np.asarray(((shares > 0).sum(axis=0) > 1).astype(np.float64))
    rare = np.sort(shares, axis=0)[:-1]
    return np.asarray(-np.expm1(size * np.log1p(-np.minimum(rare.sum(axis=0), 1.0))) - (rare**size).sum(axis=0))


def not_all(n: float, p: Floats, rest: Floats) -> Floats:
    """Return 1 - p^n, given p and 1 - p."""
    with np.errstate(divide="ignore"):
        log = np.where(rest < 0.5, np.log1p(-np.minimum(rest, 0.5)), np.log(p))
    return np.asarray(-np.expm1(n * log)) if n else np.zeros_like(p)

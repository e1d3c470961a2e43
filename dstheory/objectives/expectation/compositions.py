r"""Groups by their composition: how many members have which reward. Sums over compositions, never over groups of responses.

With chances :math:`u_v` of a member's values, not necessarily adding up to 1, and :math:`w(n) = \binom{G}{n} \prod_v u_v^{n_v}`,

.. math::
    a_v = \frac{1}{u_v} \sum_n w(n)\, n_v A_v, \quad
    b_v = \frac{1}{u_v} \sum_n w(n)\, n_v A_v A'_v, \quad
    b_{vw} = \frac{1}{u_v u_w} \sum_n w(n)\, n_v (n_w - \delta_{vw}) A_v A'_w

are what one member, the same member twice and two members contribute, A and A' two credits of a member with a given value.

Responses up to the order of their attempts: exact expectations of anything that does not depend on it.

Under policies that are the same at every turn, resampled answers are exchangeable. A rule that looks at sums over a response
(its length, its log-ratio) and at its last answer is therefore averaged over *multisets* of resampled answers: one
representative each, weighted by the probability of all its orders. A prompt of Y answers has C(k + Y - 1, k) of them with k
resamples, instead of :math:`Y^k`. Chains are cut where what is left is less likely than 1e-14 times a resample of the prompt: a
decision that is rare has its digits, too. Since a rare response may be all that matters to a rarer action, nothing is cut within
the cap, or within six turns without one, as long as that is few steps.

Source: derived here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import comb

import numpy as np

from dstheory.chain.exact import Solution
from dstheory.chain.trajectories import Trajectories, enumerate_trajectories
from dstheory.checks import Floats, readonly
from dstheory.errors import ChainError, OneRunError
from dstheory.objectives.parts import Credit
from dstheory.objectives.rounding import directed, kept

MOST_COMPOSITIONS = 100_000
_MOST_WORK = 300_000_000
_LEAST = 1e-300


def ways(values: int, size: int) -> int:
    """Return how many compositions a group has.

    >>> ways(3, 7)
    36
    """
    return comb(size + values - 1, values - 1)


@kept
def compositions(size: int, values: int) -> Floats:
    """Return the compositions of groups, (compositions, values): how many members have each value.

    Raises:
        ChainError: there are more than a hundred thousand.

    >>> compositions(2, 2).tolist()
    [[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]
    """
    if ways(values, size) > MOST_COMPOSITIONS:
        raise ChainError(
            f"group_size is {size:,}: with rewards of {values} values there are {ways(values, size):,} compositions of a group, "
            f"more than {MOST_COMPOSITIONS:,}: use smaller groups or fewer rewards"
        )
    bars = itertools.combinations(range(size + values - 1), values - 1)
    counts = [np.diff([-1, *each, size + values - 1]) - 1 for each in bars]
    return readonly(np.array(counts, dtype=np.float64).reshape(-1, values))


def credits_of(credit: Credit | None, values: Sequence[float], counts: Floats) -> Floats:
    """Return the credit of a member of each value in each composition, (compositions, values); 1 for None.

    >>> from dstheory.objectives.parts import GroupMean
    >>> (credits_of(GroupMean(std=False), (0.0, 1.0), compositions(2, 2)) + 0.0).tolist()
    [[0.0, 0.0], [-0.5, 0.5], [0.0, 0.0]]
    """
    if credit is None:
        return np.ones(counts.shape)
    size = counts[0].sum()
    if len(values) == 2:
        low, high = values
        return np.where(
            counts > 0, np.stack(credit.of_shares((low, high), counts[:, 1] / size, counts[:, 0] / size, size), axis=1), 0.0
        )
    first = np.cumsum(counts, axis=1) - counts
    written = np.array([np.repeat(values, row.astype(int)) for row in counts])
    found = credit.of_groups(written)
    each = np.take_along_axis(found, np.minimum(first, size - 1).astype(int), axis=1)
    return np.where(counts > 0, each, 0.0)


def sums_over(counts: Floats, weight: Floats, tables: Sequence[Floats], chances: Floats) -> tuple[Floats, Floats, Floats]:
    """Return a (C, V, J, X), b of one member (C, C, V, J, X), and b of two (C, C, V, V, J, X).

    Args:
        counts: (compositions, V).
        weight: (compositions,) of each, on top: 0 leaves it out.
        tables: C credits, (compositions, V) each, or (compositions, V, X).
        chances: (V, J, X) u.

    Raises:
        ChainError: sums that would take minutes, or chances that have run axes.
    """
    if chances.ndim > 3:
        raise OneRunError("sums over the compositions of a group are those of one run: pick one")
    number, values = counts.shape
    if number * chances.size * values * len(tables) ** 2 > _MOST_WORK:
        raise ChainError(
            f"{number:,} compositions of a group at {chances[0].size:,} places need more than {_MOST_WORK:,} terms: "
            "use smaller groups, fewer rewards or fewer prompts"
        )
    from scipy.special import gammaln  # takes longer to import than most commands compute, and few need it

    u = np.log(np.maximum(chances, _LEAST))  # a value that never occurs: its share, divided out, is still exact
    log_ways = gammaln(counts.sum(axis=1) + 1.0) - gammaln(counts + 1.0).sum(axis=1)
    with np.errstate(divide="ignore"):
        log_ways = log_ways + np.log(weight)
    of = [table if table.ndim == 3 else table[..., None] for table in tables]
    shape = chances.shape[1:]
    one = np.zeros((len(of), values, *shape))
    same = np.zeros((len(of), len(of), values, *shape))
    two = np.zeros((len(of), len(of), values, values, *shape))
    for j in range(shape[0]):
        log = log_ways[:, None] + counts @ u[:, j]  # (compositions, X)
        for v in range(values):
            alone = _weighted(counts[:, v], log - u[v, j])
            for c, a in enumerate(of):
                one[c, v, j] = (alone * a[:, v]).sum(axis=0)
                for e, other in enumerate(of):
                    same[c, e, v, j] = (alone * a[:, v] * other[:, v]).sum(axis=0)
            for w in range(values):
                both = _weighted(counts[:, v] * (counts[:, w] - float(v == w)), log - u[v, j] - u[w, j])
                for c, a in enumerate(of):
                    for e, other in enumerate(of):
                        two[c, e, v, w, j] = (both * a[:, v] * other[:, w]).sum(axis=0)
    return one, same, two


def _weighted(number: Floats, log: Floats) -> Floats:
    """Return number x exp(log), (compositions, X); 0 where there is no such member, whatever the logarithm."""
    return np.asarray(number[:, None] * np.exp(np.where(number[:, None] > 0, log, -np.inf)))


_LEFT_OUT = 1e-14
_FEW_TURNS, _FEW_STEPS = 6, 20_000
_MOST_STEPS = 1_000_000


def representatives(under: Solution, *, ordered: bool = False) -> Trajectories:
    """Return one trajectory per multiset of resampled answers and last answer, weighted by the probability of all its orders.

    Args:
        under: the chain under the policy that generates the responses.
        ordered: return every trajectory instead, as for turn-indexed policies, where order matters.

    Raises:
        ChainError: there are too many, or the chain or the policy has run axes.

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> t = representatives(solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5)))
    >>> len(t), float(t.weight.sum().round(12)), int(t.turns.max())
    (2352, 1.0, 48)
    """
    mdp, policy = under.mdp, under.policy
    if mdp.runs or policy.runs:
        has = f"the chain has runs {mdp.runs}, the policy {policy.runs}"
        raise OneRunError(f"responses are those of one run, but {has}: pick one")
    if ordered or policy.shape[0] > 1:
        return enumerate_trajectories(mdp, policy)
    under.finite_visits  # raises for a chain that never ends: it cannot be cut  # noqa: B018
    go, end = (policy.sample_prob * policy.resample_prob)[0], (policy.sample_prob * policy.stop_prob)[0]
    # What is too rare to be a number may be weighted by a ratio that makes it one.
    goes, ends = ((policy.log_sample + log)[0] > -np.inf for log in (policy.log_resample, policy.log_stop))
    prompt = np.flatnonzero(mdp.prompt_weight > 0)
    weight, answers = mdp.prompt_weight[prompt], np.zeros((len(prompt), 0), dtype=np.int64)
    run = np.zeros(len(prompt), dtype=np.int64)  # how often the last resampled answer has come up
    finished, steps, k = [], 0, 0
    again = np.zeros(len(mdp.prompt_weight))  # of each prompt, the probability of a first resample
    while len(prompt):
        left = np.asarray(np.bincount(prompt, weights=weight, minlength=len(again)), dtype=np.float64)
        again = left if k == 1 else again
        # What is cut off counts as rounding does: where that is asked for, less is.
        left_out, turns = (1e-6 * _LEFT_OUT, 2 * _FEW_TURNS) if directed() else (_LEFT_OUT, _FEW_TURNS)
        all_ = k < (mdp.max_turns or turns) and steps <= _FEW_STEPS
        keep = (left > np.maximum(left_out * again, _LEAST))[prompt] | all_  # rounded up, what underflows never gets less
        prompt, weight, answers, run = prompt[keep], weight[keep], answers[keep], run[keep]
        forced = mdp.max_turns is not None and k == mdp.max_turns - 1
        last = policy.sample_prob[0, prompt] if forced else end[prompt]
        parent, y = np.nonzero(policy.log_sample[0, prompt] > -np.inf if forced else ends[prompt])
        finished.append((prompt[parent], np.column_stack([answers[parent], y]), weight[parent] * last[parent, y], forced))
        steps += len(parent) * (k + 1)
        if forced:
            break
        # Multisets are written in ascending order: the next answer is no smaller than the last one.
        floor = answers[:, -1] if k else np.zeros(len(prompt), dtype=np.int64)
        parent, y = np.nonzero(goes[prompt] & (np.arange(go.shape[1]) >= floor[:, None]))
        if steps + len(parent) * (k + 1) > _MOST_STEPS:
            raise ChainError(
                f"more than {_MOST_STEPS:,} steps of distinct responses within {k + 1} turns: "
                "use a smaller chain, or sampled_gradient"
            )
        run = np.where((k > 0) & (y == floor[parent]), run[parent] + 1, 1)
        k += 1
        weight = weight[parent] * go[prompt[parent], y] * k / run
        prompt, answers = prompt[parent], np.column_stack([answers[parent], y])
    return Trajectories.joined(finished)


def log_chances(under: Solution, t: Trajectories, *, ordered: bool = False) -> Floats:
    """Return the logarithms of the weights of :func:`representatives`, numbers where the weights themselves are none, (n,).

    >>> from dstheory import Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(max_turns=3), Policy.tabular([[0.0, 0.0]], [[800.0, 400.0]]))
    >>> t = representatives(s)
    >>> float(t.weight[7]), log_chances(s, t)[6:9].round(3).tolist()  # of which one has two orders
    (0.0, [-1602.079, -1602.079, -1201.386])
    """
    if t.weight.min() > _LEAST:
        return np.log(t.weight)
    log = np.log(under.mdp.prompt_weight[t.prompt]) + t.sum(np.add(*t.log_prob(under.policy)))
    if ordered or under.policy.shape[0] > 1:
        return log
    again = np.ones(len(t.answer), dtype=bool)
    again[t.offsets[1:] - 1] = False
    counts = np.zeros((len(t), under.mdp.shape[1]), dtype=np.int64)
    np.add.at(counts, (t.episode[again], t.answer[again]), 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, t.turns.max())))])
    return np.asarray(log + log_factorial[t.turns - 1] - log_factorial[counts].sum(axis=1))

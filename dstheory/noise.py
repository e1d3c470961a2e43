r"""Signal and noise of finite batches: expectation, covariance and signal-to-noise ratio of an update, stage by stage, exactly.

A batch has P groups of G responses to one prompt each. With c_i the coefficient of response i and S_i its score, the update is
:math:`u = \sum_i c_i S_i`, and

.. math::
    E[u u^\top] = \sum_i E[c_i^2 S_i S_i^\top] + \sum_{i \ne j} E[c_i c_j S_i S_j^\top].

Credits depend on the rewards of the group alone, so that both sums run over *compositions* of the group (how many members have
which reward), with the moments of a response's score given its reward beside them; lengths in a denominator are sums of
exponentials, :math:`1/L = \sum_j w_j e^{-t_j L}` and :math:`1/L^2 = \sum_j w_j t_j e^{-t_j L}`. Groups are independent, so
covariances are 1/P times those of one group, except where a batch is divided by its own tokens: there all P groups are summed.
Where the limit on turns masks responses, a composition also counts how many of each reward it cut off. Micro-batches are
independent batches of their own.

Credits over the standard deviation of the batch, of rewards of 0 and 1, depend on the other groups by the number K of successes
in the batch alone. With :math:`h(K)` one over that deviation and :math:`v` a group's update without it, P groups have

.. math::
    E[u] &= P \sum_k E[v; k]\, E[h(k + M_{P-1})], \\
    E[u u^\top] &= P \sum_k E[v v^\top; k]\, E[h^2(k + M_{P-1})]
        + P (P - 1) \sum_{k,l} E[v; k]\, E[v; l]^\top E[h^2(k + l + M_{P-2})],

k and l successes in one group and in another, :math:`M_n` those in n others, the law of one group to the power n.

Per stage, the **signal-to-noise ratio** of a batch is :math:`|E[u]| / \sqrt{\mathrm{tr}\, \mathrm{Cov}(u)}`, in the metric of the
logits, or of the inverse Fisher information (natural gradient). Where covariances are 1/P times those of one group it grows like
:math:`\sqrt P`, and the batch for a ratio of 1 has :math:`\mathrm{tr}\, \mathrm{Cov}_1 / |E[u]|^2` groups. A group is **dead**
if its rewards are all equal.

Source: derived here; the score as a moment of the chain in :mod:`dstheory.objectives.expectation.scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from math import inf

import numpy as np

from dstheory.attribution import fisher_information, natural_coordinates
from dstheory.chain.exact import Solution
from dstheory.chain.policy import Policy
from dstheory.checks import Floats, Ints, whole_number
from dstheory.errors import ChainError
from dstheory.objectives import (
    NFT,
    ActorCritic,
    GroupObjective,
    Objective,
    PPOClip,
    Reinforce,
    ReinforceBaseline,
    RewardToGo,
    WeightedSum,
)
from dstheory.objectives.base import OF_THE_EXPECTATION, refuse_overridden
from dstheory.objectives.estimate import OF_GROUPS
from dstheory.objectives.expectation.compositions import compositions, credits_of, sums_over
from dstheory.objectives.expectation.denominators import range_of_lengths, tokens_of
from dstheory.objectives.expectation.exponential import reciprocal
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.groups import Part, everything
from dstheory.objectives.expectation.rewards import ResponseReward, counted_turns, reward_of
from dstheory.objectives.expectation.scores import ScoreMoments, score_moments
from dstheory.objectives.imitation import RFT
from dstheory.objectives.mass import StageGradient
from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    Credit,
    GroupMean,
    GroupTokens,
    Normaliser,
    PerResponse,
    PerToken,
    Raw,
)
from dstheory.objectives.preference import DPO
from dstheory.objectives.responses import ResponseObjective
from dstheory.objectives.settings import one_over_deviations, over_others, own_settings, successes
from dstheory.objectives.weights import TokenWeight
from dstheory.tables import Table, Tabulated, short

__all__ = ["Signal", "StageSignal", "signal"]

_MOST_COVARIANCE = 2_000
_ROUNDING = 1e-12  # of a variance, relative to the mean square that it is a difference from
_MOST_GROUPS = 1e24  # beyond, an expectation is rounding
_MOST_RESPONSES = 32_768  # of a batch whose successes are counted
_MOST_TERMS = 200_000_000


@dataclass(frozen=True)
class StageSignal:
    """One stage's update.

    Attributes:
        size: the norm of its expectation.
        noise: the root of the trace of its covariance, in a batch.
        ratio: their quotient, the signal-to-noise ratio; NaN where both are 0.
        groups: the groups in a batch whose ratio is 1; inf where there is no signal.
        groups_natural: the same in the metric of the inverse Fisher information.
    """

    size: float
    noise: float
    ratio: float
    groups: float
    groups_natural: float


@dataclass(frozen=True, eq=False, repr=False)
class Signal(Tabulated):
    """Expectation and noise of the update of one batch.

    Attributes:
        objective: its name.
        group_size, prompts: G and P.
        expected: the expectation.
        variance: the variance of every entry, in a batch.
        dead: the share of groups whose rewards are all equal, before any are dropped; NaN for single responses and without
            rewards.
        sample, decide: both stages.
        covariance: the covariance of the batch, logits of answers first, then those of stop, each (K, X, Y) in order; None unless
            asked for.
    """

    objective: str
    group_size: int
    prompts: int
    expected: StageGradient
    variance: StageGradient
    dead: float
    sample: StageSignal
    decide: StageSignal
    covariance: Floats | None = None

    def table(self) -> Table:
        """Return both stages."""
        rows = [
            (stage, *map(short, (one.size, one.noise, one.ratio, one.groups, one.groups_natural)))
            for stage, one in (("sample", self.sample), ("decide", self.decide))
        ]
        title = f"{self.objective}: {self.prompts} groups of {self.group_size}, dead {short(self.dead)}"
        return Table(title, ("stage", "|E|", "noise", "ratio", "groups for 1", "natural"), rows)


def signal(objective: Objective, solution: Solution, *, prompts: int = 32, covariance: bool = False) -> Signal:
    """Return expectation, variances and signal-to-noise of an objective's update of one batch.

    Args:
        objective: a group objective of finite group size, one of single responses (REINFORCE, PPO, imitation of an expert chain,
            a penalty), or a sum of one of these and penalties that inherit its normaliser.
        solution: the chain under one policy; the scores are those of its logits.
        prompts: groups per batch, where the objective leaves them open.
        covariance: the whole covariance, too.

    Raises:
        ChainError: an objective without exact second moments, rewards of many values, tables that do not fit into memory, or more
            than 32,768 responses in a batch whose standard deviation divides the credits.

    >>> from dstheory import GRPO, Policy, TwoStageMDP, solve
    >>> s = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.5, a=0.75, b=0.5))
    >>> found = signal(GRPO(group_size=2), s, prompts=16)
    >>> round(found.dead, 6), bool(found.sample.ratio > found.decide.ratio)  # accuracy 0.6: 0.36 + 0.16 of the groups are dead
    (0.52, True)
    """
    whole_number(prompts, "prompts", low=1)
    batch = _batch_of(objective, solution, prompts)
    mean, variance, matrix = batch.moments(covariance or solution.policy.features is not None)
    rewarded = batch.groups.group_size > 1 and any(kind.paid for kind in batch.kinds)
    dead = batch.dead() if rewarded else float("nan")
    sizes = _sizes(solution, mean, variance, matrix)

    @cache  # stages and metrics look for their batches among the same ones
    def sizes_of(groups: float) -> _Sizes:
        moments = replace(batch, groups=replace(batch.groups, prompts=groups)).moments(solution.policy.features is not None)
        return _sizes(solution, *moments)

    return Signal(
        objective=objective.name,
        group_size=int(batch.groups.group_size),
        prompts=int(batch.groups.prompts * batch.parts),
        expected=_stages(mean, solution.policy),
        variance=_stages(variance, solution.policy),
        dead=dead,
        sample=_stage(batch, sizes_of, sizes, 0),
        decide=_stage(batch, sizes_of, sizes, 1),
        covariance=matrix if covariance else None,
    )


def _stages(table: Floats, policy: Policy) -> StageGradient:
    """Return (X, D) as both stages' (K, X, Y)."""
    layers, prompts, answers = policy.shape
    both = np.moveaxis(table.reshape(prompts, 2, layers, answers), 0, 2)
    return StageGradient(both[0], both[1])


_Sizes = list[tuple[tuple[float, float], tuple[float, float]]]
"""Per stage: squared size of the expectation and trace of the covariance, for parameters and in the natural metric."""


def _sizes(solution: Solution, mean: Floats, variance: Floats, matrix: Floats | None) -> _Sizes:
    """Return what signal-to-noise ratios are quotients of; with features, of each stage's contribution to their parameters."""
    policy, out = solution.policy, []
    expected, spread, information = _stages(mean, policy), _stages(variance, policy), fisher_information(solution)
    for i, name in enumerate(("sample", "decide")):
        e, v, metric = (getattr(table, name) for table in (expected, spread, information))
        if policy.features is None:
            inverse = np.divide(1.0, metric, out=np.zeros_like(metric), where=metric > 0)
            out.append(((float((e**2).sum()), float(v.sum())), (float((inverse * e**2).sum()), float((inverse * v).sum()))))
            continue
        assert matrix is not None
        a = getattr(policy.features, name).reshape(e.size, -1)
        scale, _, coordinates = natural_coordinates(solution)[i]
        block = matrix[i * e.size : (i + 1) * e.size, i * e.size : (i + 1) * e.size]
        plain, natural = ((e.ravel() @ by, by.T @ block @ by) for by in (a, a * scale @ coordinates.T))
        out.append(
            (
                (float(plain[0] @ plain[0]), float(np.trace(plain[1]))),
                (float(natural[0] @ natural[0]), float(np.trace(natural[1]))),
            )
        )
    return [tuple((one, max(other, 0.0)) for one, other in stage) for stage in out]  # type: ignore[misc]


def _stage(batch: _Batch, sizes_of: Callable[[float], _Sizes], sizes: _Sizes, stage: int) -> StageSignal:
    prompts = batch.groups.prompts * batch.parts
    plain, natural = sizes[stage]
    groups = [prompts * noise / size if noise * prompts < _MOST_GROUPS * size else inf for size, noise in (plain, natural)]
    if (batch.by_tokens or batch.deviation) and batch.parts == 1:  # more parts of the same size leave the expectation alone
        groups = [_search(batch, sizes_of, stage, i, n) if np.isfinite(n) else n for i, n in enumerate(groups)]
    size, noise = (float(np.sqrt(value)) for value in plain)
    size = 0.0 if np.isinf(groups[0]) and noise > 0 else size
    ratio = size / noise if noise > 0 else inf if size > 0 else float("nan")
    return StageSignal(size, noise, ratio, *groups)


def _search(batch: _Batch, sizes_of: Callable[[float], _Sizes], stage: int, metric: int, guess: float) -> float:
    """Return how many groups a batch divided by its own tokens or deviation needs for a ratio of 1: the fewest, a whole number.

    The batch that is tried next would do if variances fell as one over the groups, which they nearly do. Every third is halfway
    between one that is too small and one that is large enough, or twice as large as the former.

    NaN if it is more than the batches whose successes are counted.
    """
    most = 2.0 ** int(np.log2(_MOST_RESPONSES / batch.groups.group_size if batch.deviation else _MOST_GROUPS))
    low, high = 0.0, inf
    for tried in count(1):
        middle = float(np.floor((low + high) / 2.0)) if high < inf else max(2.0 * low, 1.0)
        if not low < middle < high:  # beyond 2^53 not every whole number is between
            break
        likely = float(np.clip(np.ceil(guess), low + 1.0, high - 1.0))
        groups = min(likely if tried % 3 and low < likely < high else middle, most)
        size, noise = sizes_of(groups)[stage][metric]
        if size >= noise:
            high = groups
        elif groups == most:
            return float("nan") if batch.deviation else inf
        else:
            low = groups
        guess = groups * noise / size if size > 0 else inf
    return high


@dataclass(frozen=True, eq=False)
class _Kind:
    """One product in a coefficient: a credit (or 1) or part of it, weight of actions, factor.

    ``table`` is a credit by prompt; with ``whole`` it is 0 for responses that were cut off.
    """

    credit: Credit | None = None
    part: Part = everything
    weight: TokenWeight | None = None
    factor: float = 1.0
    table: Floats | None = None
    whole: bool = False
    divided: bool = False
    """Whether it is divided by the standard deviation of the batch."""

    @property
    def paid(self) -> bool:
        """Whether it depends on the reward."""
        return self.credit is not None or self.table is not None


@dataclass(frozen=True, eq=False)
class _Batch:
    """What a batch is made of: micro-batches, ``parts`` of them, of these groups each; ``scale`` multiplies their mean.

    ``values`` are rewards; where responses may be masked they are listed twice, first those of whole ones.
    """

    solution: Solution
    under: Solution
    values: tuple[float, ...]
    ends: Floats  # (V, T', X, Y)
    kinds: tuple[_Kind, ...]
    normaliser: Normaliser
    groups: Grouping
    parts: int = 1
    scale: float = 1.0
    deviation: GroupMean | None = None
    """The credit whose kinds are divided by the standard deviation of the batch."""

    @property
    def _rewards(self) -> Floats:
        """Which value is which reward, (V, rewards): 1 or 0."""
        found, where = np.unique(self.values, return_inverse=True)
        return np.eye(len(found))[where]

    @property
    def by_tokens(self) -> bool:
        """Whether it is divided by its own tokens."""
        return isinstance(self.normaliser, BatchTokens)

    def scores(self, t: Floats, full: bool) -> ScoreMoments:
        return score_moments(self.solution, self.under, self.ends, [kind.weight for kind in self.kinds], t, full=full)

    def dead(self) -> float:
        """Return the share of groups whose rewards are all equal."""
        chances = np.einsum("vx,vr->rx", self.scores(np.zeros(1), False).plain[:, 0], self._rewards)
        return float(((chances**self.groups.group_size).sum(axis=0) * self.under.mdp.prompt_weight).sum())

    def moments(self, full: bool) -> tuple[Floats, Floats, Floats | None]:
        """Return the mean and the variance of every entry, (X, D) each, and the covariance where asked for."""
        mean, variance, matrix = self._of_part(full)
        factor = self.scale**2 / self.parts
        return self.scale * mean, factor * variance, None if matrix is None else factor * matrix

    def _of_part(self, full: bool) -> tuple[Floats, Floats, Floats | None]:
        """Return the same of one micro-batch, unscaled."""
        rho, (size, prompts) = self.under.mdp.prompt_weight, (self.groups.group_size, self.groups.prompts)
        logits = 2 * int(np.prod(self.solution.policy.shape))
        if full and logits > _MOST_COVARIANCE:
            raise ChainError(
                f"covariances, asked for or needed by features, are of at most {_MOST_COVARIANCE:,} logits, not of {logits:,}"
            )
        t, w, counts, weight, chance = *self._nodes(), *self._counts()
        scores, zero = self.scores(t, full), np.zeros(1)
        members = scores.plain if self._tilts else self.scores(zero, False).plain
        order = (w, w * t) if len(t) > 1 else (w, w**2)  # 1/L and 1/L^2
        one_of, two_of = scores.first, scores.second
        if isinstance(self.normaliser, PerToken):  # each member by its own tokens: nodes are summed before members meet
            one_of = np.einsum("j,cvjxd->cvxd", order[0], one_of)[:, :, None]
            two_of = np.einsum("j,cevj...->cev...", order[1], two_of)[:, :, :, None]
            order = np.ones(1), np.ones(1)
        kinds, nodes, entries = len(self.kinds), one_of.shape[2], one_of.shape[3] * one_of.shape[4]
        powers, known, success = self._over(counts, kinds**2 * nodes * entries * (entries if full else 1))
        law = self._law(members if self.by_tokens else self.scores(zero, False).plain, chance)
        divided = np.array([int(kind.divided) for kind in self.kinds])
        together = np.add.outer(divided, divided)  # of a product of two kinds
        # Groups by their successes, where these count: means of a group, (C, k, J, X, D), and squares, (J, X, D...).
        share, tables = rho / chance, [self._credits(kind, counts) for kind in self.kinds]
        others = over_others(law, prompts - 1, known, powers)
        single, double = others[divided], others[together]  # (C, k, J) and (C, C, k, J)
        mean_of, own = np.zeros((kinds, known + 1, *one_of.shape[2:])), np.zeros(two_of.shape[3:])
        more = (1,) * (two_of.ndim - one_of.ndim)
        pair = "cevwjx,cvjxd,ewjxb->jxdb" if full else "cevwjx,cvjxd,ewjxd->jxd"
        factor = 1.0 if self._tilts else 1.0 / size
        for k in range(known + 1):
            chosen = success == k
            if not chosen.any():
                continue
            one, same, two = sums_over(counts[chosen], weight[chosen], [table[chosen] for table in tables], members)
            mean_of[:, k] = factor * share[:, None] * (one[..., None] * one_of).sum(axis=1)
            h = double[:, :, k, :, None]  # (C, C, J, 1)
            same, two = same * h[:, :, None], two * h[:, :, None, None]
            own = own + (same.reshape(*same.shape, *more) * two_of).sum(axis=(0, 1, 2)) + np.einsum(pair, two, one_of, one_of)
        own = factor**2 * share.reshape(-1, *(1,) * (own.ndim - 2)) * own
        # What divides a batch: its tokens, or its groups.
        by, by_two = order if self.by_tokens else (order[0] / prompts, order[1] / prompts**2)
        mean = prompts * np.einsum("j,ckj,ckjxd->xd", by, np.broadcast_to(single, (kinds, known + 1, nodes)), mean_of)
        inside = prompts * np.einsum("j,j...->...", by_two, own)
        # Two groups without anything in common are independent: of the squared mean 1/P is left. Others are summed up.
        common = self.by_tokens or self.deviation is not None
        subtracted = mean if common else mean / prompts
        variance = (np.einsum("xdd->xd", inside) if full else inside) - mean * subtracted
        matrix = _blocks(inside) - np.outer(mean, subtracted) if full else None
        if common and prompts > 1:
            flat = mean_of.reshape(kinds, known + 1, nodes, -1)
            if not self.by_tokens:  # their nodes are apart: each group is summed over its own
                flat, by_two = np.einsum("j,ckja->cka", order[0], flat)[:, :, None], np.full(1, 1.0 / prompts**2)
            index = np.add.outer(np.arange(known + 1), np.arange(known + 1))
            h_two = over_others(law, prompts - 2, 2 * known, powers)[together][:, :, index]  # (C, C, k + 1, k + 1, J)
            right = np.einsum("ceklj,elja->ckja", h_two, flat).reshape(-1, entries)
            left = (flat * (prompts * (prompts - 1.0) * by_two)[:, None]).reshape(-1, entries)
            variance = variance + (left * right).sum(axis=0).reshape(mean.shape)
            matrix = None if matrix is None else matrix + left.T @ right
        variance = np.where(variance <= _ROUNDING * np.abs(mean * subtracted), 0.0, variance)
        return mean, variance, None if matrix is None else self._ordered(matrix)

    def _over(self, counts: Floats, terms: int) -> tuple[Floats, int, Ints]:
        """Return 1, one over the deviation of the batch and its square by the batch's successes, where credits are divided by it.

        With them the most successes that a group may have, and those of each composition: 0 where they do not count.

        Raises:
            ChainError: they are too many.
        """
        if self.deviation is None:
            return np.ones((1, 1)), 0, np.zeros(len(counts), dtype=int)
        size, prompts = int(self.groups.group_size), int(self.groups.prompts)
        if size * prompts > _MOST_RESPONSES:
            raise ChainError(
                f"a batch of {prompts:,} groups of {size:,}: over the standard deviation of the batch second moments are exact "
                f"for at most {_MOST_RESPONSES:,} responses; use fewer prompts or smaller groups"
            )
        if terms * (size + 1) ** 2 > _MOST_TERMS:
            entries = 2 * int(np.prod(self.solution.policy.shape))
            raise ChainError(
                f"over the standard deviation of the batch, {size + 1:,} numbers of successes of each of two groups at "
                f"{entries:,} logits need more than {_MOST_TERMS:,} terms: use smaller groups or fewer prompts"
            )
        h = one_over_deviations(self.deviation, size * prompts)
        success = (counts @ self._rewards)[:, -1].astype(int) if self._rewards.shape[1] == 2 else np.zeros(len(counts), dtype=int)
        return np.stack([np.ones(len(h)), h, h**2]), size, success

    def _law(self, plain: Floats, chance: float) -> Floats:
        """Return the chance of each number of successes of one group, times what weighs its tokens, (J, k + 1); of all: k = 0."""
        rho, size = self.under.mdp.prompt_weight, int(self.groups.group_size)
        if self.deviation is None:
            if not self.by_tokens:
                return np.ones((1, 1))
            equal = (np.einsum("vjx,vr->rjx", plain, self._rewards) ** size).sum(axis=0) if self.groups.mixed else 0.0
            return np.asarray((((plain.sum(axis=0) ** size - equal) / chance) * rho).sum(axis=-1, keepdims=True))
        of = np.einsum("vjx,vr->rjx", plain, self._rewards)
        wrong, right = of if len(of) == 2 else (of[0], np.zeros_like(of[0]))
        return np.asarray(np.einsum("jxk,x->jk", successes(right, wrong, size), rho))

    @property
    def _tilts(self) -> bool:
        """Whether the other members' lengths enter."""
        return isinstance(self.normaliser, GroupTokens | BatchTokens)

    def _counts(self) -> tuple[Floats, Floats, float]:
        """Return the compositions, the weight of each, and the chance that a group is kept."""
        counts = compositions(int(self.groups.group_size), len(self.values))
        if not self.groups.mixed:
            return counts, np.ones(len(counts)), 1.0
        kept = 1.0 - self.dead()
        if not kept > 0:
            raise ChainError("no group is ever mixed: dynamic sampling would draw without end")
        return counts, np.asarray((counts @ self._rewards > 0).sum(axis=1) > 1, dtype=np.float64), kept

    def _credits(self, kind: _Kind, counts: Floats) -> Floats:
        found = credits_of(kind.credit, self.values, counts) if kind.table is None else kind.table
        if kind.whole:
            values = len(self.values)
            found = np.concatenate([found] * (values // found.shape[1]), axis=1)
            found = found * (np.arange(values) < values // 2).reshape(1, -1, *(1,) * (found.ndim - 2))
        return kind.factor * kind.part(np.broadcast_to(found, (*counts.shape, *found.shape[2:])))

    def _nodes(self) -> tuple[Floats, Floats]:
        """Return exponents and weights of one over what sums over tokens are divided by, the number of responses left out."""
        if isinstance(self.normaliser, PerResponse):
            return np.zeros(1), np.ones(1)
        if isinstance(self.normaliser, ConstantLength):
            return np.zeros(1), np.full(1, 1.0 / self.normaliser.tokens)
        members = tokens_of(self.normaliser, self.groups)
        return reciprocal(*(members * length for length in range_of_lengths(self.under)))

    def _ordered(self, matrix: Floats) -> Floats:
        """Return a matrix over (X, stage, K, Y) as one over (stage, K, X, Y)."""
        layers, prompts, answers = self.solution.policy.shape
        places = np.arange(matrix.shape[0]).reshape(prompts, 2, layers, answers).transpose(1, 2, 0, 3).ravel()
        return np.asarray(matrix[np.ix_(places, places)])


def _blocks(of_prompts: Floats) -> Floats:
    """Return (X, D, D) as one block-diagonal matrix."""
    prompts, d, _ = of_prompts.shape
    out = np.zeros((prompts, d, prompts, d))
    every = np.arange(prompts)
    out[every, :, every] = of_prompts
    return out.reshape(prompts * d, prompts * d)


# ---------------------------------------------------------------------- what an objective's batch is made of


def _batch_of(objective: Objective, solution: Solution, prompts: int) -> _Batch:
    """Return the batch of an objective.

    Raises:
        ChainError: it is not made of parts whose second moments are known.
    """
    terms, factors = (objective.terms, objective.factors) if isinstance(objective, WeightedSum) else ((objective,), (1.0,))
    scale = [float(np.asarray(factor)) if np.ndim(factor) == 0 else float("nan") for factor in factors]
    if not np.isfinite(scale).all():
        raise ChainError(f"{objective.name}: the factors have runs, but the noise of an update is that of one run: pick one")
    leading = [i for i, term in enumerate(terms) if term.family != "penalty"] or [0]
    if len(leading) > 1:
        raise ChainError(f"{objective.name}: one reward beside penalties has exact second moments, not a sum of several")
    first = terms[leading[0]]
    under, outcome, kinds, normaliser, grouping = _parts(first, solution)
    kinds = [replace(kind, factor=kind.factor * scale[leading[0]]) for kind in kinds]
    for i, term in enumerate(terms):
        if i == leading[0]:
            continue
        assert isinstance(term, ResponseObjective)
        _, _, own, divided, sizes = _parts(term, solution)
        alike = under is solution and divided == normaliser
        if not alike or (isinstance(divided, GroupTokens | BatchTokens) and sizes != grouping):
            raise ChainError(
                f"{objective.name}: {term.name} is measured or divided otherwise than {first.name}: no exact second moments"
            )
        if sizes.mixed != grouping.mixed:
            raise ChainError(
                f"{objective.name}: {first.name} is taken on groups that are drawn again until rewards differ, {term.name} "
                "on all responses: no exact second moments"
            )
        own_scale = scale[i] * sizes.scale / grouping.scale  # all is multiplied by the first term's
        kinds += [replace(kind, factor=kind.factor * own_scale) for kind in own]
    if grouping.group_size == inf:
        raise ChainError(f"{first.name} has group_size=inf: a batch without end has no noise; give a finite group size")
    parts = getattr(first, "micro_batches", 1)
    if grouping.prompts == inf:
        if prompts % parts:
            raise ChainError(f"prompts is {prompts}: must be a multiple of micro_batches, {parts}, whole groups in each")
        grouping = replace(grouping, prompts=float(prompts // parts))
    rewards = grouping.mixed or grouping.group_size > 1 or any(kind.paid for kind in kinds)
    values, ends = _values(outcome, under, rewards)
    if any(kind.whole for kind in kinds):
        whole = counted_turns(under)
        values, ends = values * 2, np.concatenate([ends * whole, ends * (1.0 - whole)])
    deviation = first.credit if any(kind.divided for kind in kinds) and isinstance(first, GroupObjective) else None
    if deviation is not None and (parts > 1 or grouping.mixed or not set(values) <= {0.0, 1.0}):
        why = "micro-batches" if parts > 1 else "groups that are drawn again" if grouping.mixed else "rewards other than 0 and 1"
        raise ChainError(f"{first.name}: over the standard deviation of the batch {why} have no exact second moments here")
    assert deviation is None or isinstance(deviation, GroupMean)
    return _Batch(solution, under, values, ends, tuple(kinds), normaliser, grouping, parts, grouping.scale, deviation)


def _values(outcome: ResponseReward | None, under: Solution, rewards: bool) -> tuple[tuple[float, ...], Floats]:
    """Return the values of the reward, and where each is paid, (V, T', X, Y)."""
    shape = under.unrolled.sample.shape[-3:]
    if outcome is None or not rewards:
        return (0.0,), np.ones((1, *shape))
    if outcome.values is not None:
        high = np.broadcast_to(outcome.reward.stop, shape)
        return outcome.values, np.stack([1.0 - high, high])
    if outcome.levels is None:
        raise ChainError(
            "rewards take many values: second moments are exact where at most 16 are paid, at the end only, without discount or "
            "noise; use outcome='correct' (gamma 1), or sampled_gradient"
        )
    return outcome.levels, np.stack([np.broadcast_to(outcome.is_level(level).stop, shape) for level in outcome.levels])


_Parts = tuple[Solution, ResponseReward | None, list[_Kind], Normaliser, Grouping]


def _parts(objective: Objective, solution: Solution) -> _Parts:
    """Return the chain that generates, the reward, the kinds of coefficient, the normaliser and the sizes."""
    asked = OF_GROUPS if isinstance(objective, GroupObjective) else OF_THE_EXPECTATION
    refuse_overridden(objective, asked, "the variance of a batch")
    if isinstance(objective, Reinforce | RewardToGo):  # of rewards that are paid at the end, which alone are taken, one rule
        return solution, reward_of(solution, "return"), [_Kind(Raw())], PerResponse(), Grouping(1)
    if isinstance(objective, ActorCritic) and bool((solution.mdp.gamma == 1.0).all()):
        weight = TokenWeight(solution.advantage_sample, solution.advantage_stop, solution.advantage_resample)
        return solution, None, [_Kind(weight=weight)], PerResponse(), Grouping(1)
    if isinstance(objective, GroupObjective):
        if why := _beyond(objective):
            raise ChainError(
                f"{objective.name}: no exact second moments of its update here: {why}; {_estimator(objective)} has standard "
                "errors"
            )
        return _of_group(objective, solution)
    if isinstance(objective, ResponseObjective) and not isinstance(objective, GroupObjective | RFT):
        if not isinstance(objective.behaviour(solution), Policy):
            raise ChainError(
                f"{objective.name}: demonstrations that were recorded come from no policy, and second moments are those of a "
                "policy's responses; give an ExpertChain"
            )
        under = objective.generated(solution)
        terms = objective.terms(solution, under, objective.outcome_of(under))
        normaliser, grouping = _divided_by(objective)
        if normaliser is not None and len(terms) == 1 and terms[0].credit.same:
            return under, None, [_Kind(weight=terms[0].weight)], normaliser, grouping
    raise ChainError(f"{objective.name}: no exact second moments of its update here; {_estimator(objective)} has standard errors")


def _estimator(objective: Objective) -> str:
    """Return the name of the estimate that takes it: of batches, or of single trajectories."""
    alone = isinstance(objective, NFT) or getattr(objective, "baseline_per", "response") == "turn"
    return "sampled_gradient" if isinstance(objective, DPO | GroupObjective) and not alone else "estimate_gradient"


def _beyond(objective: GroupObjective) -> str:
    """Return why the composition of its group does not determine a response's coefficient, "" if it does."""
    settings = own_settings(objective, ("baseline_per", "drop_dead"))
    if objective.by_response or (isinstance(objective, NFT) and objective.sampler is not None):
        return "a weight of the whole response is a function of all of its actions, not of its reward and length alone"
    if isinstance(objective.credit, GroupMean) and objective.credit.spread == "batch" and objective.combine == "after":
        return "several credits are each divided by a standard deviation of the batch"
    if objective.combine == "after-batch":
        return "credits are divided by their standard deviation over the batch"
    if objective.mask_truncated == "both" and isinstance(objective.normaliser, GroupTokens | BatchTokens):
        return "the tokens that are counted depend on which responses were cut off, which may be none"
    if "drop_dead" in settings:
        return "the number of groups that are left, which divides the batch, is random and may be 0"
    return "the baseline of a turn depends on which of the group's responses reach it" if settings else ""


def _divided_by(objective: ResponseObjective) -> tuple[Normaliser | None, Grouping]:
    """Return the normaliser of a penalty or of imitation, and sizes: responses are single unless tokens of others divide them."""
    found, sizes = getattr(objective, "divided_by", (getattr(objective, "normaliser", None), None))
    sizes = sizes or Grouping(1, getattr(objective, "batch", inf), scale=getattr(objective, "scale", 1.0))
    single = not isinstance(found, GroupTokens | BatchTokens) and getattr(objective, "inherited", None) is None
    return (found if isinstance(found, Normaliser) else None), (replace(sizes, group_size=1) if single else sizes)


def _of_group(objective: GroupObjective, solution: Solution) -> _Parts:
    under = objective.generated(solution)
    outcome, credit = objective.outcome_of(under), objective.credit
    if objective.combine == "after":
        outcome, credit = objective.jointly(under, outcome)
    if isinstance(objective, PPOClip):
        kinds = [_Kind(weight=term.weight) for term in objective.reward_terms(solution, under, outcome)]
    elif isinstance(objective, ReinforceBaseline):
        kinds = [_Kind(table=_by_prompt(objective, under, outcome))]
    else:
        divided = isinstance(credit, GroupMean) and credit.spread == "batch"
        credit = GroupMean(std=False) if divided else credit
        kinds = [_Kind(credit, part, weight, divided=divided) for part, weight in objective.credit_parts(solution)]
    if (weight := objective.penalty_weight(solution, under)) is not None:
        kinds.append(_Kind(weight=weight))
    if objective.mask_truncated != "none":
        kinds = [replace(kind, whole=True) for kind in kinds]
    return under, outcome, kinds, objective.normaliser, objective.grouping


def _by_prompt(objective: ReinforceBaseline, under: Solution, outcome: ResponseReward) -> Floats:
    """Return R - b of a response of each value and prompt, (1, V, X): a baseline that depends on the prompt."""
    credit = objective.less_baseline(under, outcome)
    values: Sequence[float] = (0.0, 1.0) if outcome.values is not None else outcome.levels or (0.0,)  # many are refused later
    otherwise = 0.0 if credit.otherwise is None else credit.otherwise[0]
    return np.stack([credit.constant[0] + credit.slope[0] * v + otherwise * (1.0 - v) for v in values])[None]

r"""The settings of group objectives to hundreds of digits: who generates, importance, masks, several rewards, deviations.

A response of a group of G is told by its value v: what it is paid, by each reward. With L the tokens of a response that count,

.. math:: F_v(t) = \sum_{\text{others}} A(v, \text{others}) \prod_{j} E[1\{v_j\} e^{-t L_j}]

is what it gets on average over the others of its group, written out composition by composition, at each node t of one over a sum
of lengths. Weights of whole responses are summed response by response.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from math import comb, factorial, inf, prod
from typing import Any

import gmpy2
import numpy as np
from gmpy2 import exp, mpfr, sqrt
from objectives.extreme_numbers import (
    Batch,
    Chain,
    Mass,
    NoClosedFormError,
    Number,
    Pays,
    Tilt,
    TooFewDigitsError,
    Weight,
    World,
    affine,
    against_others,
    clipped,
    everything,
    excess,
    group_mean,
    leave_one_out,
    log_ratios,
    mapped,
    multiplied,
    negative,
    nodes,
    number,
    of_responses,
    positive,
    ratios,
    responses,
    times,
    tokens_by_reward,
)

Value = tuple[Number, ...]
Credit = Callable[[list[Value]], Number]  # of the first member of a group


class Tempered:
    """A policy whose logits are divided by a temperature, all digits of them."""

    def __init__(self, policy: Any, temperature: float) -> None:
        self.shape = policy.shape
        self.sample_logits, self.stop_logits = (
            np.array([mpfr(float(v)) / mpfr(temperature) for v in z.flat], dtype=object).reshape(z.shape)
            for z in (policy.sample_logits, policy.stop_logits)
        )


def generating(objective: Any, world: World) -> Any:
    """Return the policy that generates the responses."""
    old = objective.sampler or world.policy
    if objective.engine is not None or objective.temperature == 1.0:
        return objective.engine or old
    return world.known(f"tempered {objective.temperature}", lambda: Tempered(old, objective.temperature), old)


# ---------------------------------------------------------------------- rewards


@dataclass
class Levels:
    """The values that rewards take together, and for each of them who of each prompt's responses has it."""

    values: list[Value]
    pays: list[list[Pays]]  # [value][prompt]


def functions(objective: Any) -> list[tuple[Number, Any]]:
    """Return the reward functions with their weights."""
    if objective.reward_weights is None and objective.reward_functions == ("correct", "return"):
        return [(mpfr(1), objective.outcome)]
    weights = objective.reward_weights or (1.0,) * len(objective.reward_functions)
    return [(mpfr(w), f) for w, f in zip(weights, objective.reward_functions, strict=True) if w]


def paid_by(world: World, function: Any, x: int, k: int, y: int) -> tuple[Number, Number]:
    """Return what a reward function pays for stopping at an answer, and for resampling it."""
    right = world.right[x][y]
    if function == "correct":
        return mpfr(right), mpfr(0)
    if function == "turns":
        return mpfr(1), mpfr(1)
    if function == "tokens":
        tokens = mpfr(world.l_s[x][y] + (world.l_d[x][y] if world.decided[k] else 0))
        return tokens, tokens
    assert function != "return", "discounted, unlike the others"
    of_right, of_wrong = function[:2], function[2:]
    stop, resample = of_right if right else of_wrong
    return mpfr(stop), mpfr(resample)


def levels_of(objective: Any, world: World) -> Levels:
    """Return the joint values.

    Raises:
        NoClosedFormError: the last turn and answer do not tell them.
    """
    each, before = functions(objective), objective.combine == "before"

    def value(x: int, k: int, y: int) -> Value:
        found = []
        for _, function in each:
            total = paid_by(world, function, x, k, y)[0]
            for j in range(k):
                known = {paid_by(world, function, x, j, z)[1] for z in range(world.counts[x])}
                if len(known) > 1:
                    raise NoClosedFormError
                total += known.pop()
            found.append(total)
        return (sum(a * v for (a, _), v in zip(each, found, strict=True)),) if before else tuple(found)

    if not world.capped and any(
        paid_by(world, f, x, 0, y)[1] for _, f in each for x in world.prompts for y in range(world.counts[x])
    ):
        raise NoClosedFormError

    def make() -> Levels:
        table = [[[value(x, k, y) for y in range(n)] for k in range(world.turns)] for x, n in enumerate(world.counts)]
        values = sorted({v for of_prompt in table for row in of_prompt for v in row})
        if len(values) > 16:
            raise NoClosedFormError

        def who_has(v: Value, rows: list[list[Value]]) -> Pays:
            marks, none = [[mpfr(int(w == v)) for w in row] for row in rows], [[mpfr(0)] * len(row) for row in rows]
            return Pays(marks, none, mpfr(1), mpfr(1), indicator=True)

        return Levels(values, [[who_has(v, rows) for rows in table] for v in values])

    return world.known(f"levels {[(float(a), f) for a, f in each]} {before}", make)


def credit_of(objective: Any) -> Credit:
    """Return the credit as training code computes it: of the sum of the rewards, or the sum of the credits of each."""
    kind = {True: "group", False: "none"}.get(std := getattr(objective, "std", "none"), std)

    def one(rewards: list[Number]) -> Number:
        if objective.name == "rloo":
            return leave_one_out(rewards)
        if kind == "leave-one-out":
            return against_others(rewards, ddof=objective.ddof, epsilon=objective.epsilon)
        return group_mean(rewards, std=kind == "group", ddof=objective.ddof, epsilon=objective.epsilon)

    if objective.combine == "before":
        return lambda members: one([m[0] for m in members])
    weights = [a for a, _ in functions(objective)]
    return lambda members: sum(a * one([m[i] for m in members]) for i, a in enumerate(weights))


# ---------------------------------------------------------------------- who counts


def whole(chain: Chain) -> Chain:
    """Return the chain of which responses that its cap cuts off have no chance."""
    if not chain.capped:
        raise NoClosedFormError
    return chain.that_ends()


@dataclass
class Seen:
    """What a group knows at one node: the members' chances of each value, [prompt][value], and the chain seen through it."""

    base: Number
    others: list[list[Number]]
    own: list[list[Tilt]]


def seen(
    world: World, policy: Any, levels: Levels, bases: list[tuple[Number, Number]], mask: str
) -> Iterator[tuple[Number, Seen]]:
    """Yield the weights of nodes, and what a group knows there; with a mask, of responses that are not cut off, beside others.

    Sums of different numbers of lengths have most nodes in common, and so do objectives of the same values.
    """
    chains, one = world.chains(policy), mpfr(1)
    mine = [whole(c) for c in chains] if mask != "none" else chains
    found = world.known(f"seen {mask}", dict, policy, levels)

    def at(base: Number) -> Seen:
        own = [[Tilt(c, pays[x], base) for pays in levels.pays] for x, c in enumerate(mine)]
        others = [[t.one for t in row] for row in own]
        if mask == "numerator":
            others = [[Tilt(c, pays[x], base).one for pays in levels.pays] for x, c in enumerate(chains)]
        elif mask == "both":  # what is cut off has no tokens
            others = [
                [t.one + Tilt(c, pays[x], one).one - Tilt(m, pays[x], one).one for t, pays in zip(row, levels.pays, strict=True)]
                for x, (c, m, row) in enumerate(zip(chains, mine, own, strict=True))
            ]
        return Seen(base, others, own)

    for weight, base in bases:
        if base not in found:
            found[base] = at(base)
        yield weight, found[base]


def tokens_that_count(world: World, chains: list[Chain], mask: str) -> list[Number]:
    """Return the mean tokens of a response of each prompt."""
    if mask != "both":
        return [c.expected_tokens() for c in chains]
    every = world.indicator([[1] * n for n in world.counts])
    return [tokens_by_reward(m, Tilt(m, every[c.x], mpfr(1)))[0] for c, m in ((c, whole(c)) for c in chains)]


# ---------------------------------------------------------------------- the rule


def masses(objective: Any, world: World, batch: Batch) -> list[Mass]:
    """Return the masses of a group objective of any settings but groups that are left out."""
    assert not batch.dropped
    policy, old = generating(objective, world), objective.sampler or world.policy
    linear = objective.name == "rloo" or getattr(objective, "std", True) in (False, "none")
    linear = linear and objective.combine != "after-batch"
    signed_ = objective.sampler is not None and objective.name != "cispo"
    parts = [positive, negative] if signed_ else [everything]
    weights = [multiplied(*_of_tokens(objective, world, policy, old, part)) for part in parts]
    found: list[Mass] = []
    if linear and not signed_ and objective.mask_truncated == "none" and not batch.mixed and not _by_response(objective):
        found = [m.times(weights[0]) for m in _linear(objective, world, policy, batch)]
    else:
        levels = levels_of(objective, world)
        each = _by_levels(objective, world, policy, batch, levels, _table(objective, world, policy, levels, parts))
        found = [m.times(w) for m, w in zip(each(_whole_weights(objective, world, policy, old, parts)), weights, strict=True)]
    return found + _penalty(objective, world, policy, batch)


def _by_response(objective: Any) -> bool:
    return objective.importance.startswith("sequence") or (objective.ratio_level != "token" and objective.sampler is not None)


def _of_tokens(objective: Any, world: World, policy: Any, old: Any, part: Any) -> list[Weight]:
    """Return the weights of single tokens."""
    found = [number(1.0)]
    if objective.sampler is not None and objective.ratio_level == "token":
        found.append(mapped(ratios(world, old), _clip(objective, part)))
    if objective.importance == "token" and policy is not old:
        found.append(mapped(ratios(world, policy, old), _importance(objective)))
    return found


def _clip(objective: Any, part: Any) -> Callable[[Number], Number]:
    if objective.name == "cispo":
        least, most = mpfr(max(0.0, 1.0 - objective.clip_low)), mpfr(1.0 + objective.clip_high)
        return lambda r: min(max(r, least), most)
    return clipped(objective.clip_low, objective.clip_high, -1 if part is negative else 1, objective.dual_clip)


def _importance(objective: Any) -> Callable[[Number], Number]:
    cap = mpfr(objective.importance_cap)
    if objective.importance_rule == "truncate":
        return lambda w: min(w, cap)
    return lambda w: mpfr(0) if w > cap else w


def _whole_weights(objective: Any, world: World, policy: Any, old: Any, parts: Sequence[Any]) -> Any:
    """Return the weights of whole responses, one for each part; None where there are none."""
    if not _by_response(objective):
        return None
    tokens: Weight = lambda x, k, y: (mpfr(world.l_s[x][y]), mpfr(world.l_d[x][y]), mpfr(world.l_d[x][y]))  # noqa: E731
    ratio, beside = log_ratios(world, old), log_ratios(world, policy, old)
    of_ratio, of_importance = objective.ratio_level != "token" and objective.sampler is not None, policy is not old

    def of(response: Any) -> tuple[Number, list[Number]]:
        length, each = response.total(tokens, world), [mpfr(1)] * len(parts)
        if of_ratio:
            log = response.total(ratio, world)
            rho = exp(log if objective.ratio_level == "sequence-product" else log / length)
            each = [_clip(objective, part)(rho) for part in parts]
        if objective.importance.startswith("sequence") and of_importance:
            log = response.total(beside, world)
            w = _importance(objective)(exp(log if objective.importance == "sequence" else log / length))
            each = [w * v for v in each]
        return length, each

    return of


def _linear(objective: Any, world: World, policy: Any, batch: Batch) -> list[Mass]:
    """Return the masses of rewards that are added up whatever they are: R_i less the mean, or less that of the others."""
    size, n = objective.group_size, objective.group_size if objective.group_size != inf else 2
    own, other = (mpfr(1), -1 / mpfr(n - 1)) if objective.name == "rloo" else (1 - 1 / mpfr(n), -1 / mpfr(n))
    found = []
    for a, function in functions(objective):
        table = [
            [[paid_by(world, function, x, k, y) for y in range(n)] for k in range(world.turns)]
            for x, n in enumerate(world.counts)
        ]
        one = mpfr(1)
        pays = [Pays([[v[0] for v in row] for row in rows], [[v[1] for v in row] for row in rows], one, one) for rows in table]
        (mass,) = of_responses(world, policy, pays, batch, affine(size, own, other))
        found.append(mass.times(lambda x, k, y, a=a: (a, a, a)))
    return found


Table = Callable[[list[Number], Number], list[list[Number]]]


def _others(count: int, size: int) -> list[tuple[list[int], int]]:
    """Return the values of the others of a group, each composition once, and the number of its orders."""
    return [(list(each), factorial(size - 1) // prod(factorial(each.count(v)) for v in set(each)))
            for each in combinations_with_replacement(range(count), size - 1)]  # fmt: skip


def _table(objective: Any, world: World, policy: Any, levels: Levels, parts: Sequence[Any]) -> Any:
    """Return a function of the chances of values and of the law of other groups that says F of each value, for each part."""
    kind = {True: "group", False: "none"}.get(std := getattr(objective, "std", "none"), std)
    values, size = levels.values, objective.group_size
    chains = world.chains(policy)
    plain = [[Tilt(c, pays[c.x], mpfr(1)).one for pays in levels.pays] for c in chains]
    if size == inf:
        return _without_end(objective, levels, plain, parts)
    scale = mpfr(1)
    if kind == "batch" and objective.prompts == inf:
        law = [sum(r * row[i] for r, row in zip(world.rho, plain, strict=True)) for i in range(len(values))]
        deviation = _deviation(law, [v[0] for v in values]) + mpfr(objective.epsilon)
        scale = 1 / deviation if deviation > 0 else mpfr(0)
    elif kind == "batch":
        return _over_batch(objective, levels, parts)
    credit, compositions = credit_of(objective), _others(len(values), int(size))
    credits_ = [[credit([own] + [values[j] for j in each]) for each, _ in compositions] for own in values]
    if objective.combine == "after-batch":
        first, second = (
            sum(r * row[v] * ways * prod((row[j] for j in each), start=mpfr(1)) * c**n
                for r, row in zip(world.rho, plain, strict=True)
                for v, of_value in enumerate(credits_) for (each, ways), c in zip(compositions, of_value, strict=True))
            for n in (1, 2)
        )  # fmt: skip
        deviation = sqrt(max(world.variance(second, first), mpfr(0))) + mpfr(getattr(objective, "epsilon", 0.0))
        scale = 1 / deviation if deviation > 0 else mpfr(0)
    mixed = getattr(objective, "dynamic_sampling", False)
    table = [[[scale * part(c) for c in of_value] for of_value in credits_] for part in parts]

    def of(chances: list[Number], rest: Any) -> list[list[Number]]:
        each = [ways * prod((chances[j] for j in others), start=mpfr(1)) for others, ways in compositions]
        kept = [[not mixed or set(others) != {v} for others, _ in compositions] for v in range(len(values))]

        def mean(of_value: list[Number], keep: list[bool]) -> Number:
            return sum(p * c for p, c, k in zip(each, of_value, keep, strict=True) if k)

        return [list(map(mean, of_part, kept)) for of_part in table]

    return of


def _deviation(chances: list[Number], values: list[Number]) -> Number:
    """Return the standard deviation, as a sum of positive terms: weights of prompts add up to 1 but for rounding."""
    known = list(zip(chances, values, strict=True))
    return sqrt(sum(p * q * (v - w) ** 2 for p, v in known for q, w in known) / 2) / sum(chances)


def _without_end(objective: Any, levels: Levels, plain: list[list[Number]], parts: Sequence[Any]) -> Any:
    """Return the same for groups without end: (R - E[R])/(sd + epsilon) of each reward."""
    std = getattr(objective, "std", False) not in (False, "none")
    assert len(levels.values[0]) == 1 or objective.combine == "after"
    weights = [mpfr(1)] if len(levels.values[0]) == 1 else [a for a, _ in functions(objective)]
    for row in plain:
        rarer = min((p for p in row if p > 0), default=mpfr(1))
        if rarer < mpfr(2) ** (-gmpy2.get_context().precision // 3):
            raise TooFewDigitsError

    def of(chances: list[Number], rest: Any) -> list[list[Number]]:
        total = [mpfr(0)] * len(levels.values)
        for i, a in enumerate(weights):
            known = [(p, v[i]) for p, v in zip(chances, levels.values, strict=True)]
            beyond = [sum(p * (own - v) for p, v in known) for _, own in known]  # the mean: exactly 0 where there is one value
            below = _deviation(chances, [v for _, v in known]) + mpfr(objective.epsilon) if std else mpfr(1)
            total = [t + (a * b / below if below > 0 else 0) for t, b in zip(total, beyond, strict=True)]
        return [[part(c) for c in total] for part in parts]

    return of


def _over_batch(objective: Any, levels: Levels, parts: Sequence[Any]) -> Any:
    """Return the same for the deviation of all rewards of a batch of few prompts, which are 0 and 1."""
    if not {v[0] for v in levels.values} <= {0, 1}:
        raise NoClosedFormError
    size, all_of = int(objective.group_size), int(objective.group_size * objective.prompts)
    wins = [int(v[0]) for v in levels.values]

    def of(chances: list[Number], law: list[Number]) -> list[list[Number]]:
        right, wrong = (sum((p for p, w in zip(chances, wins, strict=True) if w == won), mpfr(0)) for won in (1, 0))
        found = []
        for won in wins:
            totals = [mpfr(0)] * len(parts)
            for k in range(size):
                near = comb(size - 1, k) * right**k * wrong ** (size - 1 - k)
                for m, far in enumerate(law):
                    hits = k + won + m
                    if hits in (0, all_of):
                        continue
                    deviation = sqrt(mpfr(hits * (all_of - hits)) / (all_of * (all_of - objective.ddof)))
                    c = (won - mpfr(k + won) / size) / (deviation + mpfr(objective.epsilon))
                    totals = [t + near * far * part(c) for t, part in zip(totals, parts, strict=True)]
            found.append(totals)
        return [[totals[i] for totals in found] for i in range(len(parts))]

    return of


def _by_levels(objective: Any, world: World, policy: Any, batch: Batch, levels: Levels, table: Any) -> Any:
    """Return a function that says the masses of the parts, given what whole responses are weighted by."""
    chains, mask = world.chains(policy), objective.mask_truncated
    ((_, unit),) = seen(world, policy, levels, [(mpfr(1), mpfr(1))], "none")
    size, count = batch.size, len(levels.values)
    chance = mpfr(1)
    if batch.mixed:
        groups = [(each, n) for each, n in _others(count, int(size) + 1) if len(set(each)) > 1]
        chance = sum(r * n * prod((row[v] for v in each), start=mpfr(1))
                     for r, row in zip(world.rho, unit.others, strict=True) for each, n in groups)  # fmt: skip
        if not chance > 0:
            raise NoClosedFormError
        if chance < mpfr(2) ** (-gmpy2.get_context().precision // 3):
            raise TooFewDigitsError
    divided = [mpfr(1)] * len(chains)
    if batch.kind == "constant":
        divided = [mpfr(batch.constant)] * len(chains)
    elif batch.kind in ("group-tokens", "batch-tokens") and not batch.members:
        assert not batch.mixed
        if batch.kind == "batch-tokens" and batch.prompts != inf:
            raise AssertionError("few prompts of groups without end")
        divided = tokens_that_count(world, chains, mask)
        if batch.kind == "batch-tokens":
            divided = [sum(map(times, world.rho, divided))] * len(chains)
    spread = _law(objective, batch, levels, world)
    bases = nodes(chains, batch.members) if batch.members else [(mpfr(1), mpfr(1))]

    def of(whole_weights: Any) -> list[Mass]:
        out: list[Mass] = []
        mine = [whole(c) for c in chains] if mask != "none" else chains
        counted: list[list[tuple[Number, list[list[Number]]]]] = [[] for _ in chains]  # per prompt: base, F of part and value
        for weight, at in seen(world, policy, levels, bases, mask):
            rest = mpfr(1)
            if batch.kind == "batch-tokens" and batch.members and batch.prompts > 1 and spread is None:
                groups = [sum(row) ** int(size) - (sum(p ** int(size) for p in row) if batch.mixed else 0) for row in at.others]
                rest = (sum(map(times, world.rho, groups)) / chance) ** int(batch.prompts - 1)
            law = None if spread is None else spread(at.others if batch.kind == "batch-tokens" else unit.others)
            for x in world.prompts:
                members = at.others[x] if batch.members > 1 else unit.others[x]
                factor = batch.scale * weight * max(batch.members, 1) * rest * world.rho[x] / chance / divided[x]
                f = [[factor * v for v in row] for row in table(members, law)]
                while len(out) < len(f):
                    out.append(Mass(world))
                if whole_weights is not None:
                    counted[x].append((at.base, f))
                    continue
                for mass, row in zip(out, f, strict=True):
                    for v in range(count):
                        mass.collect(x, at.own[x][v], mpfr(0), row[v])
        if whole_weights is None:
            for mass in out:
                mass.finish(mine)
            return out
        ordered = world.policy.shape[0] > 1 or policy.shape[0] > 1
        out, known = [Mass(world) for _ in out], dict[tuple[int, int, int], list[Number]]()
        for response in responses(world, policy, ordered=ordered):
            x, (k, y) = response.prompt, response.last
            if mask != "none" and k == world.turns - 1:
                continue
            v = next(i for i, pays in enumerate(levels.pays) if pays[x].stop[k][y])
            length, each = whole_weights(response)
            key = x, v, int(length)
            if key not in known:
                powers = [base ** int(length) for base, _ in counted[x]]
                known[key] = [sum(row[i][v] * p for (_, row), p in zip(counted[x], powers, strict=True)) for i in range(len(out))]
            for mass, f, weight in zip(out, known[key], each, strict=True):
                response.add(mass, response.chance / world.rho[x] * f * weight)
        return out

    return of


def _law(objective: Any, batch: Batch, levels: Levels, world: World) -> Any:
    """Return what says the law of successes in all other groups, given the chances of values; None where it does not count."""
    if getattr(objective, "std", None) != "batch" or batch.prompts == inf:
        return None

    def of(chances: list[list[Number]]) -> list[Number]:
        size, one = int(batch.size), [mpfr(0)] * (int(batch.size) + 1)
        for r, row in zip(world.rho, chances, strict=True):
            right, wrong = (sum((p for p, v in zip(row, levels.values, strict=True) if v[0] == won), mpfr(0)) for won in (1, 0))
            one = [o + r * comb(size, m) * right**m * wrong ** (size - m) for m, o in enumerate(one)]
        law = [mpfr(1)]
        for _ in range(int(objective.prompts) - 1):
            longer = [mpfr(0)] * (len(law) + size)
            for (i, a), (j, b) in product(enumerate(law), enumerate(one)):
                longer[i + j] += a * b
            law = longer
        return law

    return of


def _penalty(objective: Any, world: World, policy: Any, batch: Batch) -> list[Mass]:
    """Return the mass of the k3 penalty in the loss: the credit 1, at tokens that are not masked."""
    if objective.reference is None or not float(objective.beta):
        return []
    if objective.corrected_kl:
        weight = mapped(log_ratios(world, objective.reference), lambda up: -up)
        if objective.sampler is not None:
            weight = multiplied(weight, mapped(log_ratios(world, objective.sampler), exp))
    else:
        weight = excess(world, objective.reference)
    marks = [world.indicator([[int(r == v) for r in row] for row in world.right]) for v in (0, 1)]
    levels = world.known("right or wrong", lambda: Levels([(mpfr(0),), (mpfr(1),)], marks))
    size, mixed = batch.size, batch.mixed

    def once(chances: list[Number], law: Any) -> list[list[Number]]:
        if size == inf:
            return [[mpfr(1)] * 2]
        n = int(size) - 1
        return [[sum(chances) ** n - (p**n if mixed else 0) for p in chances]]

    (mass,) = _by_levels(_Kept(objective), world, policy, batch, levels, once)(None)
    return [mass.times(multiplied(number(objective.beta), weight))]


class _Kept:
    """An objective of which a penalty asks for its mask alone: no deviation divides it."""

    def __init__(self, objective: Any) -> None:
        self.mask_truncated = objective.mask_truncated


def per_turn(objective: Any, world: World, batch: Batch) -> list[Mass]:
    """Return the mass of rewards less the mean of those that reach the turn, given that others do by chance r each.

    Of n that reach it, a response's own share of the mean is 1/n: with m of the others there, E[1 - 1/n] is a sum over m.
    """
    if batch.kind not in ("responses", "constant"):
        raise NoClosedFormError
    mass, pays, size = Mass(world), world.indicator(world.right), objective.group_size
    assert objective.outcome == "correct"
    for x, chain in enumerate(world.chains(world.policy)):
        values = chain.values(pays[x])
        reached = chain.visits()
        if not chain.capped:
            again = sum(chain.go[0])
            if size == inf:
                weighted = [1 / (1 - again)]
            else:
                n, total = int(size) - 1, mpfr(0)
                for m in range(1, n + 1):  # of q^k, the powers of (1 - q^k) written out, summed over k
                    for j in range(n - m + 1):
                        total += mpfr(comb(n, m) * comb(n - m, j) * (-1) ** j * m) / (m + 1) / (1 - again ** (m + j + 1))
                weighted = [total]
        else:
            weighted = [
                r if size == inf else r * sum(
                    comb(int(size) - 1, m) * r**m * (1 - r) ** (int(size) - 1 - m) * mpfr(m) / (m + 1) for m in range(int(size))
                )
                for r in reached
            ]  # fmt: skip
        scale = batch.scale / mpfr(batch.constant)
        for k, w in enumerate(weighted):
            for y in range(chain.n):
                here, go, end = world.rho[x] * w * scale, chain.go[k][y], chain.end[k][y]
                answer, stop, res = values.answer[k][y] - values.v[k], values.stop[k][y], values.res[k][y]
                decided = values.decide[k][y]
                mass.put(x, k, y, here * (go + end) * answer, here * end * (stop - decided), here * go * (res - decided))
    return [mass]

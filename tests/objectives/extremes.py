"""The expected gradient of every objective to far more digits than a float has, from its definition alone.

Nothing is taken from the package but names and settings: what an objective *is* stands in ``docs/objectives.md`` and in its
record in ``dstheory/about.py``. The numbers are those of :mod:`objectives.extreme_numbers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from math import comb, inf
from typing import Any

import gmpy2
import numpy as np
from gmpy2 import exp, expm1, log, log1p, mpfr, sqrt
from objectives import extreme_settings
from objectives.extreme_numbers import (
    Batch,
    Chain,
    Coefficients,
    Mass,
    NoClosedFormError,
    Number,
    Pair,
    Pays,
    Response,
    Tilt,
    TooFewDigitsError,
    Weight,
    World,
    affine,
    against_others,
    at_states,
    clipped,
    counted,
    enough_digits,
    everything,
    excess,
    group_mean,
    in_the_limit,
    leave_one_out,
    log_ratios,
    mapped,
    multiplied,
    negative,
    number,
    of_responses,
    once,
    positive,
    precision,
    ratios,
    responses,
    signed,
    stages,
    times,
    tokens_by_reward,
)
from strategies import Case

_FIRST, _SECOND = 640, 1024  # bits: 1e-193 and 1e-308

Gradient = tuple[np.ndarray, np.ndarray]


def gradient(
    objective: Any, case: Case, *, bits: int | None = None, agrees: Callable[[Gradient], bool] | None = None
) -> Gradient:
    """Return the gradient by sampling logits and by stop logits, arrays (K, X, Y) of numbers of many digits.

    Args:
        objective: of any settings that the package has.
        case: the chain and its policies.
        bits: of all numbers; None for as many as it takes until many more change nothing.
        agrees: whether a gradient agrees with one that was found otherwise: what rounding leaves would not, so that as many bits
            as no row can be lost beside are enough then, and none with more need confirm it.

    Raises:
        NoClosedFormError: nobody can say without sampling.
    """
    most, before = bits or precision(case), None
    bits = bits or (_FIRST if agrees is None else _SECOND)
    while True:
        final = bits >= most  # enough for whatever may cancel; fewer will do if many more change nothing
        with gmpy2.context(gmpy2.get_context(), precision=min(bits, most) if final else bits):
            try:
                world = _world(case, final)
                found = world.scores(_masses(objective, world))
                if final or (agrees is not None and agrees(found)) or (before is not None and _alike(before, found)):
                    return found
            except TooFewDigitsError:
                found, most = None, 2 * bits if final else most
            before, bits = found, int(1.6 * bits)


class _Read:
    """An objective that knows which of its settings were asked for."""

    def __init__(self, objective: Any) -> None:
        self._of, self._asked = objective, set[str]()

    def __getattr__(self, name: str) -> Any:
        self._asked.add(name)
        return getattr(self._of, name)

    def check(self) -> None:
        """Raise AssertionError for a setting that is not the default and that the rule did not ask for: it would not count."""
        for field in fields(self._of):
            value = getattr(self._of, field.name)
            if field.name not in self._asked and not (value is field.default or value == field.default):
                raise AssertionError(f"{self._of.name}: the truth does not know {field.name}={value!r}")


def _masses(objective: Any, world: World) -> list[Mass]:
    asked = _Read(objective)
    found = _RULES[objective.name](asked, world)
    asked.check()
    return found


_last: list[tuple[Case, dict[tuple[int, bool], World]]] = []  # the chain that was asked for last


def _world(case: Case, final: bool) -> World:
    """Return the chain in numbers of the present precision, made once for all objectives on it that follow each other."""
    if not _last or _last[0][0] is not case:
        _last[:] = [(case, {})]
    worlds, key = _last[0][1], (gmpy2.get_context().precision, final)
    if key not in worlds:
        worlds[key] = World(case.mdp, case.policy, final=final)
    return worlds[key]


def _alike(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Return whether two gradients agree in every row to many more digits than a float has, or in that there is nothing."""
    for a, b in zip(one, other, strict=True):
        for at in np.ndindex(a.shape[:-1]):
            top = max(abs(v) for v in b[at])
            if top > 1e-295 and max(abs(v - w) for v, w in zip(a[at], b[at], strict=True)) > 1e-25 * top:
                return False
    return True


# ---------------------------------------------------------------------- objectives: reward


def _outcome(world: World, kind: str) -> tuple[list[Pays], Pair | None]:
    """Return the reward of a response and its two values, as an indicator of the higher one; or any rewards and None."""
    if kind == "correct":
        return world.indicator(world.right), (mpfr(0), mpfr(1))
    pays = world.rewards()
    found = sorted({v for p in pays for v in p.stop[0]})
    at_the_end = (world.turns == 1 and world.capped) or not any(v for p in pays for v in p.res[0])
    if world.gw == 1 and (world.gb == 1 or (world.turns == 1 and world.capped)) and at_the_end and len(found) <= 2:
        marks = [[int(v == found[-1] and len(found) > 1) for v in p.stop[0]] for p in pays]
        return world.indicator(marks), (found[0], found[-1])
    return pays, None


def _reinforce(objective: Any, world: World) -> list[Mass]:
    return of_responses(world, world.policy, world.rewards(), Batch(), lambda t: [(mpfr(0), mpfr(1))])


def _to_go(objective: Any, world: World) -> list[Mass]:
    values = [c.values(p) for c, p in zip(world.chains(world.policy), world.rewards(), strict=True)]
    outer = objective.outer_discount

    def weight(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        within, v = world.gw if outer else 1, values[x]
        return v.answer[k][y], within * v.stop[k][y], within * v.res[k][y]

    return [at_states(world, world.policy, weight, lambda c: c.visits(world.gw * world.gb if outer else 1))]


def _advantage(objective: Any, world: World) -> list[Mass]:
    weight = multiplied(lambda x, k, y: (1, world.gw, world.gw), _advantages(world, world.chains(world.policy), world.rewards()))
    return [at_states(world, world.policy, weight, lambda c: c.visits(world.gw * world.gb))]


def _advantages(world: World, chains: list[Chain], pays: list[Pays]) -> Weight:
    values = [c.values(p) for c, p in zip(chains, pays, strict=True)]

    def of(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        v = values[x]
        return v.answer[k][y] - v.v[k], v.stop[k][y] - v.decide[k][y], v.res[k][y] - v.decide[k][y]

    return of


def _baseline(objective: Any, world: World) -> list[Mass]:
    pays, _ = _outcome(world, "correct") if objective.outcome == "correct" else (world.rewards(), None)

    batch, units = _batch_of(objective), world.units(world.policy, pays)

    def coefficients(tilt: Tilt) -> list[Pair]:
        unit = units[tilt.chain.x]
        if objective.baseline == "mean":
            b = unit.one
        elif objective.baseline == "opo":
            b = tokens_by_reward(unit.chain, unit)[0] / unit.chain.expected_tokens()
        else:
            b = mpfr(objective.baseline)
        rest = tilt.plain ** (int(batch.size) - 1) if batch.members > 1 else mpfr(1)
        return [(-b * rest, rest)]

    return of_responses(world, world.policy, pays, batch, coefficients) + _penalty(objective, world, batch)


def _ppo(objective: Any, world: World) -> list[Mass]:
    batch = _batch_of(objective)
    sampler = objective.sampler or world.policy
    pays = world.rewards() if objective.outcome == "return" else world.indicator(world.right)
    weight = _advantages(world, world.chains(sampler), pays)
    if objective.sampler is not None:
        rho = ratios(world, sampler)
        advantage, bounds = weight, (objective.clip_low, objective.clip_high)

        def weight(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
            pairs = zip(advantage(x, k, y), rho(x, k, y), strict=True)
            a, b, c = (v * clipped(*bounds, 1 if v > 0 else -1, objective.dual_clip)(r) for v, r in pairs)
            return a, b, c

    (mass,) = of_responses(world, sampler, world.indicator(world.right), batch, once(batch))
    return [mass.times(weight), *_penalty(objective, world, batch)]


def _plus_plus(objective: Any, world: World) -> list[Mass]:
    chains = world.chains(world.policy)
    beta = mpfr(float(objective.beta))
    up = log_ratios(world, objective.reference) if objective.reference is not None else number(0.0)

    def paid(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        """What an answer, stop and resample pay."""
        s, stop, res = up(x, k, y)
        d = beta if world.decided[k] else 0
        return -beta * s, -d * stop + world.right[x][y], -d * res

    # Mean and mean square of the return to go, from an answer, from its stop and from its resample on.
    to_go: list[list[list[tuple[Pair, Pair, Pair]]]] = []
    for x, chain in enumerate(chains):
        rows: list[list[tuple[Pair, Pair, Pair]]] = [[] for _ in chain.turns]
        nxt = (mpfr(0), mpfr(0))
        if not chain.capped:
            pay = [paid(x, 0, y) for y in range(chain.n)]
            end, go = chain.end[0], chain.go[0]
            again = sum(go)
            first = sum(e * (p[0] + p[1]) + g * (p[0] + p[2]) for e, g, p in zip(end, go, pay, strict=True)) / (1 - again)
            second = sum(
                e * (p[0] + p[1]) ** 2 + g * ((p[0] + p[2]) ** 2 + 2 * (p[0] + p[2]) * first)
                for e, g, p in zip(end, go, pay, strict=True)
            ) / (1 - again)
            nxt = first, second
        for k in reversed(range(len(chain.turns))):
            here = chain.turns[k]
            for y in range(chain.n):
                a, s, r = paid(x, k, y)
                stop = s, s * s
                res = r + nxt[0], r * r + 2 * r * nxt[0] + nxt[1]
                ps, pr = (here.stop[y], here.res[y]) if chain.decided[k] else (mpfr(1), mpfr(0))
                d1, d2 = ps * stop[0] + pr * res[0], ps * stop[1] + pr * res[1]
                rows[k].append(((a + d1, a * a + 2 * a * d1 + d2), stop, res))
            nxt = sum(map(times, here.pi, (t[0][0] for t in rows[k]))), sum(map(times, here.pi, (t[0][1] for t in rows[k])))
        to_go.append(rows)
    tokens = mean = square = mpfr(0)
    for x, chain in enumerate(chains):
        for k, v in enumerate(chain.visits()):
            for y in range(chain.n):
                of_answer, of_stop, of_res = to_go[x][k][y]
                d = world.l_d[x][y] if chain.decided[k] else 0
                for weight, moments in (
                    (world.l_s[x][y] * (chain.go[k][y] + chain.end[k][y]), of_answer),
                    (d * chain.end[k][y], of_stop),
                    (d * chain.go[k][y], of_res),
                ):
                    w = world.rho[x] * v * weight
                    tokens, mean, square = tokens + w, mean + w * moments[0], square + w * moments[1]
    mean, square = mean / tokens, square / tokens
    variance = world.variance(square, mean)
    scale = 1 / (sqrt(variance) * tokens) if variance > 0 else mpfr(0)

    def weight_of(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        a, b, c = (scale * (m[0] - mean) for m in to_go[x][k][y])
        return a, b, c

    return [at_states(world, world.policy, weight_of)]


def _first_answer(world: World) -> Mass:
    """Return the mass of r1 at the first answer."""
    mass = Mass(world)
    for x, chain in enumerate(world.chains(world.policy)):
        for y in range(chain.n):
            mass.s[x][0][y] += world.rho[x] * chain.turns[0].pi[y] * world.right[x][y]
    return mass


def _after_right(world: World) -> Mass:
    """Return the mass of r1 at the first decision and at all later actions."""
    mass = Mass(world)
    for x, chain in enumerate(world.chains(world.policy)):
        for y in range(chain.n):
            if world.right[x][y]:
                mass.put(x, 0, y, mpfr(0), world.rho[x] * chain.end[0][y], world.rho[x] * chain.go[0][y])
        reach = world.rho[x] * sum(map(times, world.right[x], chain.go[0]))
        if not chain.capped:
            reach = reach / (1 - sum(chain.go[0]))
        for k in range(1 if chain.capped else 0, len(chain.turns)):
            for y in range(chain.n):
                mass.put(x, k, y, reach * (chain.go[k][y] + chain.end[k][y]), reach * chain.end[k][y], reach * chain.go[k][y])
            reach = reach * sum(chain.go[k])
    return mass


def _score_summed(objective: Any, world: World) -> list[Mass]:
    alpha = mpfr(objective.alpha)
    (second,) = of_responses(world, world.policy, world.indicator(world.right), Batch(), lambda t: [(mpfr(0), 1 + alpha)])
    first = (m.times(number(float(1 - alpha))) for m in (_first_answer(world), _after_right(world)))
    return [second, *first]


def _score_per_attempt(objective: Any, world: World) -> list[Mass]:
    alpha = mpfr(objective.alpha)
    pays = world.indicator(world.right)
    (second,) = of_responses(world, world.policy, pays, Batch(), lambda t: [(mpfr(0), 1 + alpha)])
    for x, chain in enumerate(world.chains(world.policy)):  # the first answer is not paid what the second attempt is
        v = chain.values(pays[x])
        for y in range(chain.n):
            second.s[x][0][y] -= world.rho[x] * (1 + alpha) * chain.turns[0].pi[y] * v.answer[0][y]
    return [second, _first_answer(world), _after_right(world).times(number(float(-alpha)))]


# ---------------------------------------------------------------------- objectives: groups


def _penalty(objective: Any, world: World, batch: Batch) -> list[Mass]:
    """Return the mass of the k3 penalty in the loss."""
    if objective.reference is None or not float(objective.beta):
        return []
    sampler = objective.sampler or world.policy
    if objective.corrected_kl:
        weight = mapped(log_ratios(world, objective.reference), lambda up: -up)
        if objective.sampler is not None:
            weight = multiplied(weight, mapped(log_ratios(world, sampler), exp))
    else:
        weight = excess(world, objective.reference)
    (mass,) = of_responses(world, sampler, world.indicator(world.right), batch, once(batch))
    return [mass.times(multiplied(number(objective.beta), weight))]


_KINDS = {
    "rloo": "responses", "reinforce-baseline": "responses", "grpo": "response-tokens", "grpo-no-std": "response-tokens",
    "gspo": "response-tokens", "dr-grpo": "constant", "dapo": "group-tokens", "dapo-batch": "batch-tokens", "nft": "batch-tokens",
    "ppo-clip": "batch-tokens",
}  # fmt: skip


def _batch_of(objective: Any) -> Batch:
    kind, constant = objective.normalise_by, 1.0
    if kind is None:
        kind = f"{objective.over}-tokens" if objective.name == "cispo" else _KINDS[objective.name]
        constant = float(objective.max_tokens) if kind == "constant" else 1.0
    elif kind.startswith("constant:"):
        kind, constant = "constant", float(kind.removeprefix("constant:"))
    dropped = getattr(objective, "drop_dead", False)
    mixed = getattr(objective, "dynamic_sampling", False) or dropped
    parts = objective.micro_batches
    scale = float(parts) if objective.accumulate == "sum" else 1.0
    return Batch(kind, constant, objective.group_size, objective.prompts / parts, mixed, dropped, scale)


def _credits(objective: Any, world: World, parts: Sequence[Any]) -> tuple[list[Pays], Coefficients]:
    """Return the reward and the mean credit of each part."""
    pays, values = _outcome(world, objective.outcome)
    size, name = objective.group_size, objective.name
    std = {"group": True, "none": False}.get(kind := getattr(objective, "std", name == "nft"), kind)
    epsilon = getattr(objective, "epsilon", 0.0)
    if values is not None:
        low, high = values
        if size == inf:
            return pays, in_the_limit(low, high, parts, std=std, epsilon=epsilon)
        if name == "rloo":
            return pays, counted(leave_one_out, int(size), low, high, parts)
        if name == "nft":
            return pays, counted(signed, int(size), low, high, parts)
        if std == "leave-one-out":
            return pays, counted(lambda r: against_others(r, ddof=objective.ddof, epsilon=epsilon), int(size), low, high, parts)
        assert std in (True, False)
        credit = lambda r: group_mean(r, std=std, ddof=objective.ddof, epsilon=epsilon)  # noqa: E731
        return pays, counted(credit, int(size), low, high, parts)
    if list(parts) != [everything] or (std and size != inf) or _batch_of(objective).mixed:
        raise NoClosedFormError
    if std:
        return pays, _whitened(epsilon)
    n = size if size != inf else 2
    own, other = (mpfr(1), -1 / mpfr(n - 1)) if name == "rloo" else (1 - 1 / mpfr(n), -1 / mpfr(n))
    return pays, affine(size, own, other)


def _whitened(epsilon: float) -> Coefficients:
    """Return the credit (R - E[R])/(sd(R) + epsilon) for rewards of any values."""

    def of(tilt: Tilt) -> list[Pair]:
        chain, pays = tilt.chain, tilt.pays
        v = chain.values(pays)
        gw, both = pays.gw, pays.gw * pays.gb
        square = mpfr(0)

        def now(k: int) -> Number:
            return sum(
                e * (gw * s) ** 2 + g * ((gw * r) ** 2 + 2 * gw * r * both * v.v[k + 1])
                for e, s, g, r in zip(chain.end[k], pays.stop[k], chain.go[k], pays.res[k], strict=True)
            )

        if chain.capped:
            for k in reversed(range(len(chain.turns))):
                square = now(k) + both**2 * sum(chain.go[k]) * square
        else:
            square = now(0) / (1 - both**2 * sum(chain.go[0]))
        variance = chain.world.variance(square, v.v[0])
        scale = (sqrt(variance) if variance > 0 else mpfr(0)) + mpfr(epsilon)
        return [(-v.v[0] / scale, 1 / scale)] if scale > 0 else [(mpfr(0), mpfr(0))]

    return of


_OF_ALL_GROUPS = {
    "engine": None, "temperature": 1.0, "importance": "none", "mask_truncated": "none", "reward_weights": None,
    "reward_functions": ("correct", "return"),
}  # fmt: skip


def _settings(objective: Any) -> bool:
    others = any(getattr(objective, name) != usual for name, usual in _OF_ALL_GROUPS.items())
    return others or getattr(objective, "std", True) == "batch"


def _groups(objective: Any, world: World) -> list[Mass]:
    batch = _batch_of(objective)
    if getattr(objective, "baseline_per", "response") == "turn":
        return extreme_settings.per_turn(objective, world, batch)
    if _settings(objective) or (objective.ratio_level != "token" and objective.name != "gspo"):
        return extreme_settings.masses(objective, world, batch)
    if objective.sampler is None:
        pays, coefficients = _credits(objective, world, [everything])
        return of_responses(world, world.policy, pays, batch, coefficients) + _penalty(objective, world, batch)
    rho = ratios(world, objective.sampler)
    if objective.name == "cispo":
        least, most = max(0.0, 1.0 - objective.clip_low), 1.0 + objective.clip_high
        weights = [mapped(rho, lambda r: min(max(r, mpfr(least)), mpfr(most)))]
        parts = [everything]
    else:
        bounds = objective.clip_low, objective.clip_high
        weights = [mapped(rho, clipped(*bounds, sign, objective.dual_clip)) for sign in (1, -1)]
        parts = [positive, negative]
    pays, coefficients = _credits(objective, world, parts)
    masses = of_responses(world, objective.sampler, pays, batch, coefficients)
    return [m.times(w) for m, w in zip(masses, weights, strict=True)] + _penalty(objective, world, batch)


def _nft(objective: Any, world: World) -> list[Mass]:
    if objective.sampler is None:
        return _groups(objective, world)
    batch, size = _batch_of(objective), objective.group_size
    pays, coefficients = _credits(objective, world, [positive])
    hits = of_responses(world, objective.sampler, pays, batch, coefficients)
    (misses,) = of_responses(world, objective.sampler, pays, batch, lambda t: [(mpfr(1), mpfr(-1))])
    units = world.units(objective.sampler, pays)
    floor = mpfr(objective.floor)

    def shares(x: int) -> list[Pair]:
        """The chance of each share r > 0 of hits in the group of a miss."""
        one, zero = units[x].one, units[x].zero
        enough_digits(units[x])
        if size == inf:
            return [(mpfr(1), one)] if one > 0 and zero > 0 else []
        n = int(size) - 1
        return [(comb(n, k) * one**k * zero ** (n - k), mpfr(k) / int(size)) for k in range(1, n + 1)]

    of_prompt = [shares(x) for x in world.prompts]

    def miss(x: int) -> Callable[[Number], Number]:
        def of(rho: Number) -> Number:
            total = mpfr(0)
            for chance, r in of_prompt[x]:
                wrong = units[x].zero if size == inf else 1 - r
                omega = sqrt(wrong / r)
                total -= chance * omega * (r * rho / wrong) / max((1 - r * rho) / wrong, floor)
            return total

        return of

    rho = ratios(world, objective.sampler)
    weight: Weight = lambda x, k, y: mapped(rho, miss(x))(x, k, y)  # noqa: E731
    return [*hits, misses.times(weight), *_penalty(objective, world, batch)]


# ---------------------------------------------------------------------- objectives: sums over whole responses


def _tokens(world: World) -> Weight:
    return lambda x, k, y: (mpfr(world.l_s[x][y]), mpfr(world.l_d[x][y]), mpfr(world.l_d[x][y]))


def _gspo(objective: Any, world: World) -> list[Mass]:
    if objective.sampler is None or _settings(objective):
        return _groups(objective, world)
    pays, coefficients = _credits(objective, world, [positive, negative])
    units = world.units(objective.sampler, pays)
    credits_ = [coefficients(t) for t in units]
    up, tokens, mass = log_ratios(world, objective.sampler), _tokens(world), Mass(world)
    ordered = world.policy.shape[0] > 1 or objective.sampler.shape[0] > 1
    for response in responses(world, objective.sampler, ordered=ordered):
        length = response.total(tokens, world)
        ratio = exp(response.total(up, world) / length)
        x, f = response.prompt, mpfr(0)
        y = response.last[1]
        for (a, b), sign in zip(credits_[x], (1, -1), strict=True):
            f += (a + b * pays[x].stop[0][y]) * clipped(objective.clip_low, objective.clip_high, sign)(ratio)
        response.add(mass, response.chance * f / length)
    return [mass, *_penalty(objective, world, _batch_of(objective))]


@dataclass(frozen=True)
class _One:
    """A response of a pair: a, beta times its log-ratio, and exp(a), of which those of a pair make every sigma of theirs."""

    response: Response
    length: Number
    a: Number
    e: Number

    @property
    def chance(self) -> Number:
        return self.response.chance


def _pairs(objective: Any, world: World) -> list[tuple[list[_One], list[_One]]]:
    """Return the right and the wrong responses of each prompt, made once for all losses of the same beta."""
    sampler, beta = objective.sampler or objective.reference, mpfr(objective.beta)
    per = objective.loss in ("ipo", "sigmoid_norm")

    def make() -> list[tuple[list[_One], list[_One]]]:
        up, tokens = log_ratios(world, objective.reference), _tokens(world)
        ordered = max(p.shape[0] for p in (world.policy, sampler, objective.reference)) > 1
        found: list[tuple[list[_One], list[_One]]] = [([], []) for _ in world.prompts]
        for r in responses(world, sampler, ordered=ordered):
            length = r.total(tokens, world) if per else mpfr(1)
            a = beta * r.total(up, world) / length
            found[r.prompt][0 if r.right else 1].append(_One(r, length, a, exp(a)))
        return found

    return world.known(f"pairs {objective.beta} {per}", make, sampler, objective.reference)


def _of_both(objective: Any) -> Callable[[_One, _One], Number] | None:
    """Return the slope of a loss in h = a - a' of two responses, where sigma(h) is e/(e + e'); None for no such part."""
    s, tau, beta = mpfr(objective.smoothing), mpfr(objective.tau), mpfr(objective.beta)
    odds = log((1 - s) / s) if s else mpfr(0)

    def discovered(won: _One, lost: _One) -> Number:
        down, up = lost.e / won.e, exp((won.a - lost.a) / tau)
        m, less = up / (1 + up), 1 / (1 + up)
        return m * less / tau * (down - log1p(down)) - less * lost.e / (won.e + lost.e) - m * down

    return {
        "sigmoid": lambda won, lost: (s * won.e - (1 - s) * lost.e) / (won.e + lost.e),
        "sigmoid_norm": lambda won, lost: -lost.e / (won.e + lost.e),
        "hinge": lambda won, lost: mpfr(-1 if won.a - lost.a < 1 else 0),
        "ipo_sum": lambda won, lost: 2 * (won.a - lost.a - mpfr(1) / 2) / beta**2,
        "ipo": lambda won, lost: 2 * (won.a - lost.a - mpfr(1) / 2) / beta**2,
        "robust": lambda won, lost: -((1 - s) * lost.e + s * won.e) / ((1 - 2 * s) * (won.e + lost.e)),
        "exo_pair": lambda won, lost: won.e * lost.e / (won.e + lost.e) ** 2 * (won.a - lost.a - odds),
        "discopop": discovered,
        "apo_down": lambda won, lost: -won.e * lost.e / (won.e + lost.e) ** 2,
    }.get(objective.loss)


def _of_each(objective: Any) -> tuple[Callable[[_One], Number], Callable[[_One], Number]]:
    """Return the slopes of a loss of the chosen response alone, and of the rejected one alone."""
    half, beta = mpfr(1) / 2, mpfr(objective.beta)
    none: Callable[[_One], Number] = lambda r: mpfr(0)  # noqa: E731
    bell: Callable[[_One], Number] = lambda r: r.e / (1 + r.e) ** 2  # noqa: E731
    return {
        "nca_pair": (lambda r: (r.e / 2 - 1) / (1 + r.e), lambda r: r.e / (1 + r.e) / 2),
        "bco_pair": (lambda r: -1 / (1 + r.e), lambda r: r.e / (1 + r.e)),
        "sppo_hard": (lambda r: 2 * (r.a - half) / beta**2, lambda r: 2 * (r.a + half) / beta**2),
        "apo_zero": (lambda r: -bell(r), bell),
        "apo_down": (bell, none),
    }.get(objective.loss, (none, none))


def _dpo(objective: Any, world: World) -> list[Mass]:
    """Either of the two may have been drawn first: what a pair's loss makes of each comes twice."""
    mass, beta, both, (of_won, of_lost) = Mass(world), mpfr(objective.beta), _of_both(objective), _of_each(objective)
    for x, (right, wrong) in enumerate(_pairs(objective, world)):
        of_right, of_wrong = (sum((r.chance for r in side), mpfr(0)) for side in (right, wrong))
        gains = [-r.chance * of_wrong * of_won(r) for r in right]
        losses = [-r.chance * of_right * of_lost(r) for r in wrong]
        for i, won in enumerate(right if both else ()):
            for j, lost in enumerate(wrong):
                slope = won.chance * lost.chance * both(won, lost)
                gains[i] -= slope
                losses[j] += slope
        for r, f in zip(right + wrong, gains + losses, strict=True):
            r.response.add(mass, 2 * beta / world.rho[x] * f / r.length)
    return [mass]


# ---------------------------------------------------------------------- objectives: imitation


def _imitation(kind: str, weight: Callable[[Any, World], Weight] | None = None) -> Callable[[Any, World], list[Mass]]:
    def rule(objective: Any, world: World) -> list[Mass]:
        source = objective.demonstrations
        each = weight(objective, world) if weight is not None else number(1.0)
        won, lost = map(mpfr, getattr(objective, "weights", (1.0, 1.0)))
        parts = getattr(objective, "micro_batches", 1)
        scale = parts if getattr(objective, "accumulate", "mean") == "sum" else 1
        if hasattr(source, "policy"):
            batch = Batch(kind, size=1, prompts=getattr(objective, "responses", inf) / parts, scale=scale)
            (mass,) = of_responses(world, source.policy, world.indicator(world.right), batch, lambda t: [(lost, won - lost)])
            return [mass.times(each)]
        t, mass = source.episodes, Mass(world)
        written = []
        for i, x in enumerate(t.prompt.tolist()):
            steps = range(int(t.offsets[i]), int(t.offsets[i + 1]))
            at = [(k if world.capped else 0, int(t.answer[s]), bool(t.stop[s]), bool(t.decided[s])) for k, s in enumerate(steps)]
            length = sum(world.l_s[x][y] + (world.l_d[x][y] if decided else 0) for _, y, _, decided in at)
            written.append((x, at, length, mpfr(float(t.weight[i]))))
        total = sum(w * length for _, _, length, w in written)
        for x, at, length, w in written:
            f = scale * w / {"responses": 1, "response-tokens": length, "batch-tokens": total}[kind]
            f *= won if world.right[x][at[-1][1]] else lost
            for k, y, stop, decided in at:
                mass.put(x, k, y, f, f if stop and decided else mpfr(0), f if not stop else mpfr(0))
        return [mass.times(each)]

    return rule


def _own_probability(objective: Any, world: World) -> Weight:
    """Return the probability of each token: that of its stage, as a geometric mean over its tokens."""

    def of(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        a, l_s, l_d = world.own[x][k], world.l_s[x][y], world.l_d[x][y]
        return exp(a.log_pi[y] / l_s), exp(a.log_stop[y] / l_d), exp(a.log_res[y] / l_d)

    return of


def _rft(objective: Any, world: World) -> list[Mass]:
    sampler = objective.sampler or world.policy
    pays = world.indicator(world.right)
    units = world.units(sampler, pays)
    if objective.normaliser == "token-mean":
        kept = [tokens_by_reward(t.chain, t)[0] for t in units]
    else:
        kept = [t.one for t in units]
    total = sum(map(times, world.rho, kept))
    if not total > 0:
        return []
    batch = Batch("response-tokens" if objective.normaliser == "sequence-mean" else "responses")
    return of_responses(world, sampler, pays, batch, lambda t: [(mpfr(0), 1 / total)])


# ---------------------------------------------------------------------- objectives: penalties


_PARTS = {
    "PerResponse": "responses", "PerToken": "response-tokens", "ConstantLength": "constant", "GroupTokens": "group-tokens",
    "BatchTokens": "batch-tokens",
}  # fmt: skip


def _batch_of_penalty(objective: Any) -> Batch:
    """Return by what a penalty is divided: what it says itself, or what the reward beside it said."""
    own, inherited = getattr(objective, "normaliser", None), objective.inherited
    if own is None and inherited is None:
        return Batch("responses")
    if isinstance(own, str):
        return Batch(own, size=objective.group_size, prompts=objective.prompts)
    part, sizes = (own, None) if own is not None else inherited
    batch = Batch(_PARTS[type(part).__name__], float(getattr(part, "tokens", 1.0)))
    if sizes is None:
        return replace(batch, size=objective.group_size, prompts=objective.prompts)
    return replace(
        batch, size=sizes.group_size, prompts=sizes.prompts, mixed=sizes.mixed, dropped=sizes.dropped, scale=sizes.scale
    )


def _in_the_loss(coefficient: Callable[[Any, World], Weight]) -> Callable[[Any, World], list[Mass]]:
    def rule(objective: Any, world: World) -> list[Mass]:
        batch = _batch_of_penalty(objective)
        (mass,) = of_responses(world, world.policy, world.indicator(world.right), batch, once(batch))
        return [mass.times(multiplied(number(objective.beta), coefficient(objective, world)))]

    return rule


def _minus_log(objective: Any, world: World) -> Weight:
    return mapped(log_ratios(world, objective.reference), lambda up: -up)


def _kl_direct(objective: Any, world: World) -> list[Mass]:
    weight = multiplied(number(objective.beta), stages(world, objective), _minus_log(objective, world))
    return [at_states(world, world.policy, weight)]


def _forward_kl(objective: Any, world: World) -> list[Mass]:
    weight = multiplied(number(objective.beta), stages(world, objective))
    if objective.states == "reference":
        return [at_states(world, objective.reference, weight)]
    return [at_states(world, world.policy, multiplied(weight, excess(world, objective.reference)))]


def _log_ratio_paid(objective: Any, world: World, weight: Weight) -> list[Pays]:
    """Return minus beta times the weighted log-ratio of a response, as a reward."""
    each = multiplied(number(objective.beta), weight, _minus_log(objective, world))
    out = []
    for x, n in enumerate(world.counts):
        rows = [[each(x, k, y) for y in range(n)] for k in range(world.turns)]
        stop = [[s + (d if world.decided[k] else 0) for s, d, _ in row] for k, row in enumerate(rows)]
        res = [[s + r for s, _, r in row] for row in rows]
        out.append(Pays(stop, res, mpfr(1), mpfr(1)))
    return out


def _kl(objective: Any, world: World) -> list[Mass]:
    stage = stages(world, objective)
    whole = of_responses(world, world.policy, _log_ratio_paid(objective, world, stage), Batch(), lambda t: [(mpfr(0), mpfr(1))])
    beta = mpfr(float(objective.beta))

    def own(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        mean = sum(p * stage(x, k, z)[0] for z, p in enumerate(world.own[x][k].pi))
        return -beta * (stage(x, k, y)[0] - mean), mpfr(0), mpfr(0)

    return [*whole, at_states(world, world.policy, own)]


def _k3_loss(objective: Any, world: World) -> Weight:
    return _minus_log(objective, world) if objective.corrected_kl else excess(world, objective.reference)


def _k1_reward(objective: Any, world: World) -> list[Mass]:
    batch = _batch_of_penalty(objective)
    if batch.mixed:
        raise NoClosedFormError("nobody knows which groups are mixed by correctness, given their divergences")
    pays = _log_ratio_paid(objective, world, number(1.0))
    size = int(batch.size) if batch.size != inf else None
    if objective.kl_baseline == "none":

        def coefficients(tilt: Tilt) -> list[Pair]:
            return [(mpfr(0), tilt.plain ** (size - 1) if size and batch.members > 1 else mpfr(1))]

        return of_responses(world, world.policy, pays, batch, coefficients)
    n = size or 2
    own, other = (mpfr(1), -1 / mpfr(n - 1)) if objective.kl_baseline == "others" else (1 - 1 / mpfr(n), -1 / mpfr(n))
    return of_responses(world, world.policy, pays, batch, affine(batch.size, own, other))


def _distill(objective: Any, world: World) -> list[Mass]:
    """Return b KL(q || m) + (1 - b) KL(pi || m) of each visited state, m = b q + (1 - b) pi: of the draws of pi, or of q."""
    up, b = log_ratios(world, objective.reference), mpfr(objective.interpolation)

    def fall(v: Number) -> Number:
        """Return the coefficient of an action that pi draws, of log(pi/q)."""
        if b == 0:
            return expm1(-v)
        return -v if b == 1 else (1 - b) * log(b * exp(-v) + (1 - b))

    weight, drawn = mapped(up, fall), world.policy
    if objective.states == "reference":
        weight = number(1.0) if b == 0 else mapped(up, lambda v: fall(v) * exp(v))
        drawn = objective.reference
    batch = _batch_of_penalty(objective)
    (mass,) = of_responses(world, drawn, world.indicator(world.right), batch, once(batch))
    return [mass.times(multiplied(number(objective.beta), weight))]


def _entropy(objective: Any, world: World) -> list[Mass]:
    def surprise(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        a = world.own[x][k]
        h_s = -sum(map(times, a.pi, a.log_pi))
        h_d = -(a.stop[y] * a.log_stop[y] + a.res[y] * a.log_res[y])
        return -(a.log_pi[y] + h_s), -(a.log_stop[y] + h_d), -(a.log_res[y] + h_d)

    batch = _batch_of_penalty(objective)
    (mass,) = of_responses(world, world.policy, world.indicator(world.right), batch, once(batch))
    return [mass.times(multiplied(number(objective.alpha), stages(world, objective), surprise))]


_RULES: dict[str, Callable[[Any, World], list[Mass]]] = {
    "reinforce": _reinforce,
    "reward-to-go": _to_go,
    "advantage": _advantage,
    "reinforce-baseline": _baseline,
    "reinforce-pp": _plus_plus,
    "ppo-clip": _ppo,
    "score-summed": _score_summed,
    "score-per-attempt": _score_per_attempt,
    "rloo": _groups,
    "grpo": _groups,
    "grpo-no-std": _groups,
    "dr-grpo": _groups,
    "dapo": _groups,
    "dapo-batch": _groups,
    "cispo": _groups,
    "nft": _nft,
    "gspo": _gspo,
    "dpo": _dpo,
    "sft": _imitation("responses", lambda o, w: stages(w, o)),
    "sft-token-mean": _imitation("batch-tokens"),
    "sft-sequence-sum": _imitation("responses"),
    "sft-sequence-mean": _imitation("response-tokens"),
    "dft": _imitation("batch-tokens", _own_probability),
    "rft": _rft,
    "k1-loss": _in_the_loss(lambda o, w: mapped(log_ratios(w, o.reference), lambda up: mpfr(-1))),
    "k2-loss": _in_the_loss(_minus_log),
    "k3-loss": _in_the_loss(_k3_loss),
    "distill": _distill,
    "k1-reward": _k1_reward,
    "kl": _kl,
    "kl-direct": _kl_direct,
    "forward-kl": _forward_kl,
    "entropy": _entropy,
}

r"""Chains, groups and lengths in numbers of hundreds of digits, from the tables of a chain and the logits of its policies alone.

Logits are read as the floats that they are, so that any cancellation after them is harmless. Nothing here calls the package.

All gradients are :math:`E[\sum c \nabla \log \pi]`. With m the expected coefficient of each action, a row of sampling logits gets
:math:`m(y) - \pi(y) \sum m`, a stop logit :math:`m(stop) P(res) - m(res) P(stop)`. One over a length is

.. math:: 1/L = \int e^{-tL} dt = \int e^{u - L e^u} du \approx h \sum_j t_j e^{-t_j L}, \qquad t_j = e^{hj},

with a relative error of :math:`4 \pi h^{-1/2} e^{-\pi^2/h}`, 1e-20 at h = 0.2. What of the sum lies left of 1/L is taken
together by a Gauss rule. It is smooth in log L, so that differences of two
lengths are as good. Each exponential factors over turns, over the members of a group and over the groups of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement, product
from math import ceil, comb, factorial, inf, prod
from typing import Any

import gmpy2
import mpmath
import numpy as np
from gmpy2 import exp, expm1, log, log1p, mpfr, sqrt
from strategies import Case

Number = Any  # mpfr
Weight = Callable[[int, int, int], tuple[Number, Number, Number]]  # of the answer, of stop, of resample at prompt, turn, answer
Pair = tuple[Number, Number]

STEP = 5  # 1/h
_TAIL = 48  # what is left out of a sum is exp(-48) of it
_LEFT = 10  # nodes for all that lies left of 1/L


class NoClosedFormError(Exception):
    """The expectation does not exist, or is over groups of rewards of many values: the package has to refuse it."""


class TooFewDigitsError(Exception):
    """Something that is divided by is so small that what it divides has few digits left."""


def precision(case: Case) -> int:
    """Return bits enough for differences of products of probabilities, and for rounding to leave less than 1e-330 of any."""
    spreads = [0.0]
    for policy in (case.policy, case.reference, case.expert):
        top = policy.sample_logits.max(axis=-1, keepdims=True)
        below = np.where(case.mdp.inside, top - policy.sample_logits, 0.0)
        spreads.append(float(below.max() + np.abs(policy.stop_logits).max()))
    needed = 3.0 * max(spreads) + 1250.0
    return int(2 ** (ceil(2 * np.log2(needed)) / 2))  # few different ones: what depends on them alone is kept


# ---------------------------------------------------------------------- chains


class Actions:
    """One prompt at one turn under a policy: probabilities and logarithms of every answer, of stop and of resample."""

    def __init__(self, z: Sequence[float], u: Sequence[float]) -> None:
        below = [mpfr(v) - mpfr(max(z)) for v in z]
        weights = [exp(v) for v in below]
        total = sum(weights)
        self.pi = [w / total for w in weights]
        self.log_pi = [v - log(total) for v in below]
        self.stop = [1 / (1 + exp(-mpfr(v))) for v in u]
        self.res = [1 / (1 + exp(mpfr(v))) for v in u]
        self.log_stop = [-log1p(exp(-mpfr(v))) for v in u]
        self.log_res = [-log1p(exp(mpfr(v))) for v in u]


class World:
    """A chain and the policy whose gradient is wanted, as plain numbers."""

    def __init__(self, mdp: Any, policy: Any, *, final: bool = True) -> None:
        self.mdp, self.policy = mdp, policy
        self.final = final  # whether there are bits enough for a difference that rounding leaves to be called 0
        self.counts = [int(n) for n in mdp.n_answers]
        self.prompts = range(len(self.counts))
        self.capped = mdp.max_turns is not None
        self.turns = mdp.max_turns or 1  # a chain without a cap keeps one turn that stands for all
        self.rho = [mpfr(float(w)) for w in mdp.prompt_weight]
        self.gb = mpfr(float(mdp.gamma))
        self.gw = self.gb if mdp.discount_per == "stage" else mpfr(1)
        self.decided = [not self.capped or k < self.turns - 1 for k in range(self.turns)]
        self.l_s, self.l_d, self.right = (
            [[int(table[x, y]) for y in range(n)] for x, n in enumerate(self.counts)]
            for table in (mdp.sample_length, mdp.decision_length, mdp.correct)
        )
        self._known: dict[Any, tuple[Any, Any]] = {}
        self.own = self.actions(policy)

    def known(self, what: str, make: Callable[[], Any], *of: Any) -> Any:
        """Return what depends on these objects alone, made when first asked for; they live as long as their identity counts."""
        key = what, *map(id, of)
        if key not in self._known:
            self._known[key] = make(), of
        return self._known[key][0]

    def actions(self, policy: Any) -> list[list[Actions]]:
        """Return the actions of every prompt at every turn."""

        def make() -> list[list[Actions]]:
            table = []
            for x, n in enumerate(self.counts):
                each = [Actions(policy.sample_logits[k, x, :n].tolist(), policy.stop_logits[k, x, :n].tolist())
                        for k in range(policy.shape[0])]  # fmt: skip
                table.append([each[min(k, len(each) - 1)] for k in range(self.turns)])
            return table

        return self.known("actions", make, policy)

    def chains(self, policy: Any) -> list[Chain]:
        """Return the chains of all prompts under the policy that generates the responses."""
        return self.known("chains", lambda: [Chain(self, x, each) for x, each in enumerate(self.actions(policy))], policy)

    def units(self, policy: Any, pays: list[Pays]) -> list[Tilt]:
        """Return the chains of all prompts, not tilted."""

        def make() -> list[Tilt]:
            return [Tilt(c, p, mpfr(1)) for c, p in zip(self.chains(policy), pays, strict=True)]

        return self.known("units", make, policy, pays)

    def rewards(self) -> list[Pays]:
        """Return what the chain itself pays, discounted."""

        def make() -> list[Pays]:
            return [
                Pays([[mpfr(float(self.mdp.reward_stop[x, y])) for y in range(n)]] * self.turns,
                     [[mpfr(float(self.mdp.reward_resample[x, y])) for y in range(n)]] * self.turns, self.gw, self.gb)
                for x, n in enumerate(self.counts)
            ]  # fmt: skip

        return self.known("rewards", make)

    def indicator(self, marks: Sequence[Sequence[int]]) -> list[Pays]:
        """Return 1 for submitting a marked answer, undiscounted."""
        one = mpfr(1)

        def make() -> list[Pays]:
            return [
                Pays([[mpfr(int(v)) for v in row]] * self.turns, [[mpfr(0)] * len(row)] * self.turns, one, one, indicator=True)
                for row in marks
            ]

        return self.known("indicator " + repr([list(map(int, row)) for row in marks]), make)

    def scores(self, masses: Sequence[Mass]) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of a sum of masses: the score of each action times its mass."""
        total = Mass(self)
        for mass in masses:
            total.plus(mass)
        stationary = self.policy.shape[0] == 1
        shape = (1 if stationary else self.turns, *self.mdp.shape)
        sample, decide = np.full(shape, mpfr(0), dtype=object), np.full(shape, mpfr(0), dtype=object)
        for x, n in enumerate(self.counts):
            for k in range(shape[0]):
                over = range(self.turns) if stationary else [k]
                here = self.own[x][k]
                m, stop, res = ([sum(t[x][j][y] for j in over) for y in range(n)] for t in (total.s, total.stop, total.res))
                size = sum(abs(t[x][j][y]) for j in over for y in range(n) for t in (total.s, total.stop, total.res))
                for y in range(n):
                    others = [z for z in range(n) if z != y]  # m(y) - pi(y) sum m, without 1 - pi(y)
                    but = sum(here.pi[z] for z in others), sum(m[z] for z in others)
                    sample[k, x, y] = self.difference(m[y] * but[0], here.pi[y] * but[1], size)
                    decide[k, x, y] = self.difference(stop[y] * here.res[y], res[y] * here.stop[y], size)
        return sample, decide

    def difference(self, a: Number, b: Number, size: Number) -> Number:
        """Return a - b, and 0 for what rounding leaves of numbers that cancel exactly: none that is meant comes as close."""
        return mpfr(0) if self.final and _is_rounding(a - b, size) else a - b

    def variance(self, square: Number, mean: Number) -> Number:
        """Return E[R^2] - E[R]^2, which is divided by, or 0.

        Raises:
            TooFewDigitsError: it may be that of a rare reward.
        """
        value = square - mean * mean
        if not _is_rounding(value, square):
            return value
        if not self.final and square != 0:
            raise TooFewDigitsError
        return mpfr(0)


def _is_rounding(value: Number, size: Number) -> bool:
    return bool(abs(value) <= size * mpfr(2) ** (200 - gmpy2.get_context().precision))


@dataclass
class Pays:
    """What stop and resample pay at each turn and answer, and the discounts within and between turns.

    Attributes:
        indicator: whether every response is paid 0 or 1, by its last answer.
    """

    stop: list[list[Number]]
    res: list[list[Number]]
    gw: Number
    gb: Number
    indicator: bool = False


class Chain:
    """One prompt under the policy that generates the responses."""

    def __init__(self, world: World, x: int, turns: list[Actions]) -> None:
        self.world, self.x, self.turns, self.n = world, x, turns, world.counts[x]
        self.capped, self.decided = world.capped, world.decided
        self.go, self.end = [], []  # at each turn, P(answer and resample) and P(answer and stop)
        for k, (turn, decided) in enumerate(zip(turns, self.decided, strict=True)):
            if k and turn is turns[k - 1] and decided:  # what is the same at every turn is computed once
                self.go.append(self.go[-1])
                self.end.append(self.end[-1])
                continue
            self.go.append([p * r if decided else mpfr(0) for p, r in zip(turn.pi, turn.res, strict=True)])
            self.end.append([p * s if decided else p for p, s in zip(turn.pi, turn.stop, strict=True)])
        l_s, l_d = world.l_s[x], world.l_d[x]
        self.tokens = [[s + d if decided else s for s, d in zip(l_s, l_d, strict=True)] for decided in self.decided]
        self._decayed: dict[Number, Decayed] = {}

    def decayed(self, base: Number) -> Decayed:
        """Return it seen through base^L, made once for all that its responses may be paid."""
        if base not in self._decayed:
            self._decayed[base] = Decayed(self, base)
        return self._decayed[base]

    def that_ends(self) -> Chain:
        """Return the chain of which responses that its cap cuts off have no chance."""
        found = copy(self)
        found.end, found._decayed = [*self.end[:-1], [mpfr(0)] * self.n], {}
        return found

    def visits(self, factor: Number = 1) -> list[Number]:
        """Return the expected number of times that each turn is reached, each later turn times the factor once more."""
        if not self.capped:
            return [1 / (1 - factor * sum(self.go[0]))]
        out = [mpfr(1)]
        for k in range(len(self.turns) - 1):
            out.append(out[-1] * factor * sum(self.go[k]))
        return out

    def expected_turns(self) -> Number:
        return sum(self.visits())

    def expected_tokens(self) -> Number:
        """Return E[L given x]."""
        return sum(v * (self.go[k][y] + self.end[k][y]) * self.tokens[k][y]
                   for k, v in enumerate(self.visits()) for y in range(self.n))  # fmt: skip

    def values(self, pays: Pays) -> Values:
        """Return the action values of what is paid, by the Bellman equations."""
        return Values(self, pays)


class Values:
    """V at each turn, and Q of each answer, of stop and of resample."""

    def __init__(self, chain: Chain, pays: Pays) -> None:
        turns, gw, gb = len(chain.turns), pays.gw, pays.gb

        def now(k: int) -> Number:
            return gw * sum(e * s + g * r for e, s, g, r in
                            zip(chain.end[k], pays.stop[k], chain.go[k], pays.res[k], strict=True))  # fmt: skip

        self.v = [mpfr(0)] * (turns + 1)
        if chain.capped:
            for k in reversed(range(turns)):
                self.v[k] = now(k) + gw * gb * sum(chain.go[k]) * self.v[k + 1]
        else:
            self.v[0] = self.v[1] = now(0) / (1 - gw * gb * sum(chain.go[0]))
        self.stop = pays.stop
        self.res = [[r + gb * self.v[k + 1] for r in pays.res[k]] for k in range(turns)]
        self.decide = [
            [s * q + r * p if d else q for s, q, r, p in zip(t.stop, self.stop[k], t.res, self.res[k], strict=True)]
            for k, (t, d) in enumerate(zip(chain.turns, chain.decided, strict=True))
        ]
        self.answer = [[gw * v for v in row] for row in self.decide]


class Decayed:
    """A prompt's chain seen through exp(-tL), whatever is paid: of each turn, and before and after it."""

    def __init__(self, chain: Chain, base: Number) -> None:
        turns = len(chain.turns)
        powers = {length: base**length for row in chain.tokens for length in set(row)}
        self.decay = [[powers[length] for length in row] for row in chain.tokens]
        self.go, self.end, self.again, self.ends = [], [], [], []  # type: ignore[var-annotated]
        for k, (go, end) in enumerate(zip(chain.go, chain.end, strict=True)):
            if k and go is chain.go[k - 1] and end is chain.end[k - 1]:
                for what in (self.go, self.end, self.again, self.ends):
                    what.append(what[-1])
                continue
            self.go.append(list(map(times, go, self.decay[k])))
            self.end.append(list(map(times, end, self.decay[k])))
            self.again.append(sum(self.go[-1]))
            self.ends.append(sum(self.end[-1]))
        if chain.capped:
            self.reach, self.after, self.plain = [mpfr(1)], [mpfr(0)], mpfr(0)
            for k in range(turns - 1):
                self.reach.append(self.reach[-1] * self.again[k])
            for k in reversed(range(turns)):
                self.plain = self.ends[k] + self.again[k] * self.plain
                self.after.insert(0, self.plain)
            self.after = self.after[1:]
        else:
            self.reach = [1 / (1 - self.again[0])]
            self.plain = self.ends[0] * self.reach[0]
            self.after = [self.plain]


class Tilt:
    """A prompt's chain seen through exp(-tL): expectations of exp(-tL) and R exp(-tL), before and after each turn."""

    def __init__(self, chain: Chain, pays: Pays, base: Number) -> None:
        self.chain, self.pays = chain, pays
        seen, turns, gw, gb = chain.decayed(base), len(chain.turns), pays.gw, pays.gb
        self.decay, again, none = seen.decay, seen.again, mpfr(0)
        zeros, by_stop, by_res = ([none] * turns for _ in range(3))
        for k, (go, end, stop, res) in enumerate(zip(seen.go, seen.end, pays.stop, pays.res, strict=True)):
            if k and go is seen.go[k - 1] and stop is pays.stop[k - 1] and res is pays.res[k - 1]:
                for what in (zeros, by_stop, by_res):
                    what[k] = what[k - 1]
                continue
            if pays.indicator:
                by_stop[k] = sum((e for e, v in zip(end, stop, strict=True) if v), none)
            else:
                by_stop[k] = gw * sum(map(times, end, stop))
                by_res[k] = gw * sum(map(times, go, res))
            # Added up by itself: as a difference it would lose its digits where R = 0 is rare.
            zeros[k] = sum((e for e, v in zip(end, stop, strict=True) if not v), none)
        paid = zero = none
        if chain.capped and pays.indicator:
            after = []
            for k in reversed(range(turns)):
                after.append(paid)
                paid, zero = by_stop[k] + again[k] * paid, zeros[k] + again[k] * zero
            self.after: list[Pair] = list(zip(seen.after, after[::-1], strict=True))
            self.before = [(reach, reach, none) for reach in seen.reach]
        elif chain.capped:
            after = []
            for k in reversed(range(turns)):
                after.append(paid)
                paid = by_stop[k] + by_res[k] * seen.after[k] + gw * gb * again[k] * paid
                zero = zeros[k] + again[k] * zero
            self.after = list(zip(seen.after, after[::-1], strict=True))
            discounted, so_far = mpfr(1), none
            self.before = []
            for k, reach in enumerate(seen.reach):
                self.before.append((reach, discounted, so_far))
                so_far = so_far * again[k] + discounted * by_res[k]
                discounted = discounted * gw * gb * again[k]
        else:
            reach, discounted = seen.reach[0], 1 / (1 - gw * gb * again[0])
            zero = zeros[0] * reach
            paid = (by_stop[0] + by_res[0] * seen.plain) * discounted
            self.after = [(seen.plain, paid)]
            self.before = [(reach, discounted, discounted * by_res[0] * reach)]
        self.plain, self.one = seen.plain, paid  # E[exp(-tL)], E[R exp(-tL)]
        self.zero = zero if pays.indicator else seen.plain - paid  # E[(1 - R) exp(-tL)]

    def credits(self, a: Number, b: Number) -> Iterator[tuple[Number, Number, Number, Number]]:
        """Yield what an action at each turn gets of (a + b R) exp(-tL), but for the tokens and the probability of that turn.

        That is c + d R_stop for stop and e + f R_res for resample; yielded are c, d, e, f.
        """
        for (reach, discounted, so_far), (plain, paid) in zip(self.before, self.after, strict=True):
            known, scale = a * reach + b * so_far, b * discounted * self.pays.gw
            yield known, scale, known * plain + scale * self.pays.gb * paid, scale * plain


def times(a: Number, b: Number) -> Number:
    return a * b


class Mass:
    """The expected coefficient of every answer, of stop and of resample, [prompt][turn][answer]."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.s, self.stop, self.res = ([[[mpfr(0)] * n for _ in range(world.turns)] for n in world.counts] for _ in range(3))

    def collect(self, x: int, tilt: Tilt, a: Number, b: Number) -> None:
        """Add (a + b R) exp(-tL) to both decisions of a prompt; :meth:`finish` multiplies by their probabilities."""
        pays = tilt.pays
        if pays.indicator and not a:  # what the others of a response's value add up to: half of it is 0
            for k, ((reach, _, _), (_, paid), decay) in enumerate(zip(tilt.before, tilt.after, tilt.decay, strict=True)):
                d = b * reach
                e = d * paid
                stop, res = self.stop[x][k], self.res[x][k]
                for y, (own, each) in enumerate(zip(pays.stop[k], decay, strict=True)):
                    if own:
                        stop[y] += d * each
                    if e:
                        res[y] += e * each
            return
        for k, (c, d, e, f) in enumerate(tilt.credits(a, b)):
            stop, res, decay = self.stop[x][k], self.res[x][k], tilt.decay[k]
            if pays.indicator:
                both = c + d
                for y, (paid, each) in enumerate(zip(pays.stop[k], decay, strict=True)):
                    stop[y] += (both if paid else c) * each
                    res[y] += e * each
            else:
                for y, each in enumerate(decay):
                    stop[y] += (c + d * pays.stop[k][y]) * each
                    res[y] += (e + f * pays.res[k][y]) * each

    def finish(self, chains: Sequence[Chain]) -> None:
        """Turn what was collected into masses; an answer's own is the sum of its decisions'."""
        for x, chain in enumerate(chains):
            for k, (go, end) in enumerate(zip(chain.go, chain.end, strict=True)):
                stop, res = list(map(times, self.stop[x][k], end)), list(map(times, self.res[x][k], go))
                self.s[x][k] = list(map(sum, zip(stop, res, strict=True)))
                none = [mpfr(0)] * chain.n
                self.stop[x][k], self.res[x][k] = (stop, res) if chain.decided[k] else (none, list(none))

    def put(self, x: int, k: int, y: int, answer: Number, stop: Number, res: Number) -> None:
        """Add a mass of its own to each."""
        self.s[x][k][y] += answer
        if self.world.decided[k]:
            self.stop[x][k][y] += stop
            self.res[x][k][y] += res

    def plus(self, other: Mass) -> None:
        for mine, theirs in ((self.s, other.s), (self.stop, other.stop), (self.res, other.res)):
            for a, b in zip(mine, theirs, strict=True):
                for c, d in zip(a, b, strict=True):
                    c[:] = [v + w for v, w in zip(c, d, strict=True)]

    def times(self, weight: Weight) -> Mass:
        out = Mass(self.world)
        for x, n in enumerate(self.world.counts):
            for k in range(self.world.turns):
                for y in range(n):
                    w = weight(x, k, y)
                    out.put(x, k, y, w[0] * self.s[x][k][y], w[1] * self.stop[x][k][y], w[2] * self.res[x][k][y])
        return out


def at_states(world: World, policy: Any, weight: Weight, visits: Callable[[Chain], list[Number]] | None = None) -> Mass:
    """Return the mass of coefficients that depend on turn, state and action alone, on the policy's trajectories."""
    mass = Mass(world)
    for x, chain in enumerate(world.chains(policy)):
        reached = chain.visits() if visits is None else visits(chain)
        for k, v in enumerate(reached):
            for y in range(chain.n):
                w = weight(x, k, y)
                here, go, end = world.rho[x] * v, chain.go[k][y], chain.end[k][y]
                mass.put(x, k, y, here * (go + end) * w[0], here * end * w[1], here * go * w[2])
    return mass


# ---------------------------------------------------------------------- groups and lengths


@dataclass
class Batch:
    """How responses come and by what their sums over tokens are divided."""

    kind: str = "responses"
    constant: float = 1.0
    size: float = 1
    prompts: float = inf
    mixed: bool = False
    dropped: bool = False
    scale: float = 1.0

    @property
    def members(self) -> int:
        """Over how many responses lengths are summed; 0 if none or if there is no end to them."""
        if self.kind == "response-tokens":
            return 1
        if self.kind == "group-tokens" and self.size != inf:
            return int(self.size)
        if self.kind == "batch-tokens" and inf not in (self.size, self.prompts):
            return int(self.size * self.prompts)
        return 0

    def left(self, chance: Number) -> Number:
        """Return what the expectation over a mixed group's responses is divided by, given the chance of a mixed group.

        Of a batch of which the others are left out, as many groups as are left are averaged, if any is; or their tokens are.
        """
        if not self.dropped or self.prompts == inf:
            return chance
        if self.kind == "batch-tokens":
            return mpfr(1)
        return chance / (1 - (1 - chance) ** int(self.prompts))


@lru_cache(maxsize=1 << 14)
def _node(j: int, bits: int) -> Pair:
    t = exp(mpfr(j) / STEP)
    return t, exp(-t)


def nodes(chains: Sequence[Chain], members: int) -> list[Pair]:
    """Return weights w and bases b with sum of w b^L = 1/L, for L the tokens of so many responses, or of fewer."""
    least = min(min(chain.world.l_s[chain.x]) for chain in chains)
    most = members * max(max(chain.tokens[0]) for chain in chains)
    if not chains[0].capped:
        most *= _TAIL * float(max(chain.expected_turns() for chain in chains))
    else:
        most *= len(chains[0].turns)
    first, last = int(-np.log(most) * STEP) - 2, int(np.log(_TAIL / least) * STEP) + 1
    bits = gmpy2.get_context().precision
    each = [(t / STEP, base) for t, base in (_node(j, bits) for j in range(first + 1, last + 1))]
    scale, _ = _node(first, bits)
    return [(w * scale, exp(-t * scale)) for t, w in ((mpfr(t), mpfr(w)) for t, w in _left_tail())] + each


@lru_cache(maxsize=1)
def _left_tail() -> list[tuple[str, str]]:
    """Return the Gauss rule of points e^{-hj}, j = 0, 1, ..., with weights h times themselves: 1e-30 for exp(-tL), tL <= 1.

    The nodes are the eigenvalues of the matrix of Lanczos' recursion (Golub and Welsch 1969).
    """
    with mpmath.workdps(120):
        points = [mpmath.exp(-mpmath.mpf(j) / STEP) for j in range(80 * STEP)]
        total = sum(points)
        here, last, beta = [mpmath.sqrt(p / total) for p in points], [mpmath.mpf(0)] * len(points), mpmath.mpf(0)
        matrix = mpmath.zeros(_LEFT)
        for i in range(_LEFT):
            alpha = sum(p * v * v for p, v in zip(points, here, strict=True))
            rest = [(p - alpha) * v - beta * u for p, v, u in zip(points, here, last, strict=True)]
            beta, matrix[i, i] = mpmath.sqrt(sum(v * v for v in rest)), alpha
            if i + 1 < _LEFT:
                matrix[i, i + 1] = matrix[i + 1, i] = beta
            here, last = [v / beta for v in rest], here
        found, vectors = mpmath.eigsy(matrix)
        return [(mpmath.nstr(found[i], 100), mpmath.nstr(total / STEP * vectors[0, i] ** 2, 100)) for i in range(_LEFT)]


Coefficients = Callable[[Tilt], Sequence[Pair]]


def of_responses(world: World, policy: Any, pays: list[Pays], batch: Batch, coefficients: Coefficients) -> list[Mass]:
    """Return the masses of N times the expected coefficient of a response, averaged over the others of its batch.

    Args:
        world: the chain.
        policy: who generates the responses.
        pays: the reward R, an indicator where groups are to be mixed.
        batch: sizes and normaliser, and a factor of the whole.
        coefficients: given E[exp(-tL)] and E[R exp(-tL)] of a prompt's responses, pairs (a, b): a + b R is the mean credit over
            the rest of the group, times exp(-t x their tokens) where their lengths are added up. One mass per pair.
    """
    chains = world.chains(policy)
    unit = world.units(policy, pays)
    mixed = [_mixed(t, batch.size) for t in unit] if batch.mixed else []
    chance = sum(map(times, world.rho, mixed)) if batch.mixed else mpfr(1)
    if not chance > 0:
        raise NoClosedFormError("no group is ever mixed")
    if chance < mpfr(2) ** (-gmpy2.get_context().precision // 3):
        raise TooFewDigitsError
    left, divided = batch.left(chance), [mpfr(1)] * len(chains)
    if batch.kind == "constant":
        divided = [mpfr(batch.constant)] * len(chains)
    elif batch.kind == "group-tokens" and not batch.members:
        divided = [c.expected_tokens() for c in chains]
    elif batch.kind == "batch-tokens" and batch.size == inf > batch.prompts:
        divided = [1 / _few_prompts(world, chains, x, batch, mixed) for x in world.prompts]
    elif batch.kind == "batch-tokens" and not batch.members:
        tokens = [_tokens_of_mixed(world, c, t, batch.size) if batch.mixed else c.expected_tokens()
                  for c, t in zip(chains, unit, strict=True)]  # fmt: skip
        divided = [sum(map(times, world.rho, tokens)) / chance] * len(chains)
    out: list[Mass] = []
    alone = [] if batch.members > 1 else [coefficients(t) for t in unit]
    for w, tilts in _tilts(world, policy, pays, batch.members) if batch.members else [(mpfr(1), unit)]:
        others = mpfr(1)
        if batch.kind == "batch-tokens" and batch.members and batch.prompts > 1:
            size = int(batch.size)
            groups = [t.plain**size - ((t.one**size + t.zero**size) if batch.mixed else 0) for t in tilts]
            another = sum(map(times, world.rho, groups))
            others = ((1 - chance) + another if batch.dropped else another / chance) ** int(batch.prompts - 1)
        for x, tilt in enumerate(tilts):
            factor = batch.scale * w * max(batch.members, 1) * others * world.rho[x] / left / divided[x]
            pairs = coefficients(tilt) if batch.members > 1 else alone[x]
            while len(out) < len(pairs):
                out.append(Mass(world))
            for mass, (a, b) in zip(out, pairs, strict=True):
                mass.collect(x, tilt, factor * a, factor * b)
    for mass in out:
        mass.finish(chains)
    return out


def _few_prompts(world: World, chains: Sequence[Chain], x: int, batch: Batch, mixed: Sequence[Number]) -> Number:
    """Return E[P / sum of E[L given x'] over the prompts of a batch], one of which is x: over all batches, prompt by prompt."""
    chance = [r * m for r, m in zip(world.rho, mixed or [mpfr(1)] * len(chains), strict=True)]
    rest = sum((r * (1 - m) for r, m in zip(world.rho, mixed, strict=True)), mpfr(0)) if batch.dropped else mpfr(0)
    if not batch.dropped:
        chance = [c / sum(chance) for c in chance]
    kinds = [(c, chain.expected_tokens()) for c, chain in zip(chance, chains, strict=True)] + [(rest, mpfr(0))]
    total = mpfr(0)
    for others in product(kinds, repeat=int(batch.prompts) - 1):
        tokens = chains[x].expected_tokens() + sum(length for _, length in others)
        total += prod((c for c, _ in others), start=mpfr(1)) * int(batch.prompts) / tokens
    return total


def _tilts(world: World, policy: Any, pays: list[Pays], members: int) -> list[tuple[Number, list[Tilt]]]:
    """Return the weight of each node and the chains of all prompts seen through it; the same sums share them."""
    each = list(zip(world.chains(policy), pays, strict=True))
    seen = world.known("tilts", dict, policy, pays)  # sums of different numbers of lengths have most nodes in common
    out = []
    for w, base in nodes(world.chains(policy), members):
        if base not in seen:
            seen[base] = [Tilt(c, p, base) for c, p in each]
        out.append((w, seen[base]))
    return out


def _mixed(tilt: Tilt, size: float) -> Number:
    """Return the probability that a group of this prompt is mixed."""
    possible = tilt.one > 0 and tilt.zero > 0
    if size == inf or not possible:
        return mpfr(int(possible))
    n = int(size)
    return sum(comb(n, k) * tilt.one**k * tilt.zero ** (n - k) for k in range(1, n))


def _tokens_of_mixed(world: World, chain: Chain, unit: Tilt, size: float) -> Number:
    """Return E[L 1{its group is mixed}] of a response of this prompt."""
    if size == inf:
        return chain.expected_tokens() * _mixed(unit, size)
    of_one, of_zero = tokens_by_reward(chain, unit)
    n = int(size) - 1
    return of_one * (1 - unit.one**n) + of_zero * (1 - unit.zero**n)


def enough_digits(tilt: Tilt) -> None:
    """Raise TooFewDigitsError where a rare reward's credit may be lost beside that of the other one."""
    rarer = min(tilt.one, tilt.zero)
    if not tilt.chain.world.final and 0 < rarer < tilt.plain * mpfr(2) ** (-gmpy2.get_context().precision // 3):
        raise TooFewDigitsError


def tokens_by_reward(chain: Chain, unit: Tilt) -> Pair:
    """Return E[R L] and E[(1 - R) L]: every token carries the reward of its response."""
    totals = []
    for a, b in ((1, 0), (0, 1)):
        mass = Mass(chain.world)
        mass.collect(chain.x, unit, mpfr(a), mpfr(b))
        stop, res = mass.stop[chain.x], mass.res[chain.x]
        totals.append(sum(
            length * (chain.end[k][y] * stop[k][y] + chain.go[k][y] * res[k][y])
            for k, row in enumerate(chain.tokens) for y, length in enumerate(row)
        ))  # fmt: skip
    all_, one = totals
    return one, all_ - one


# ---------------------------------------------------------------------- credits, as training code writes them


def group_mean(rewards: list[Number], *, std: bool, ddof: int = 1, epsilon: float = 0.0) -> Number:
    """Return the credit of the first member: R - mean, divided by std + epsilon if asked; 0 where all are equal."""
    if all(r == rewards[0] for r in rewards):
        return mpfr(0)
    mean = sum(rewards) / len(rewards)
    if not std:
        return rewards[0] - mean
    variance = sum((r - mean) ** 2 for r in rewards) / (len(rewards) - ddof)
    return (rewards[0] - mean) / (sqrt(variance) + mpfr(epsilon))


def against_others(rewards: list[Number], *, ddof: int, epsilon: float) -> Number:
    """Return R minus the mean of the other members, over their std + epsilon; 0 where that is 0."""
    own, others = rewards[0], rewards[1:]
    same = all(r == others[0] for r in others)
    mean = others[0] if same else sum(others) / len(others)
    variance = mpfr(0) if same else sum((r - mean) ** 2 for r in others) / (len(others) - (ddof if len(others) > 1 else 0))
    scale = sqrt(variance) + mpfr(epsilon)
    return (own - mean) / scale if scale > 0 else mpfr(0)


def leave_one_out(rewards: list[Number]) -> Number:
    """Return R minus the mean of the other members."""
    return rewards[0] - sum(rewards[1:]) / (len(rewards) - 1)


def signed(rewards: list[Number]) -> Number:
    """Return sqrt((1 - r)/r) for a hit, -sqrt(r/(1 - r)) for a miss, r the share of hits; 0 in groups that are not mixed."""
    hits = sum(int(r > 0) for r in rewards)
    if hits in (0, len(rewards)):
        return mpfr(0)
    share = mpfr(hits) / len(rewards)
    return sqrt((1 - share) / share) if rewards[0] > 0 else -sqrt(share / (1 - share))


def positive(v: Number) -> Number:
    return max(v, mpfr(0))


def negative(v: Number) -> Number:
    return min(v, mpfr(0))


def everything(v: Number) -> Number:
    return v


def counted(credit: Callable[[list[Number]], Number], size: int, low: Number, high: Number, parts: Sequence[Any]) -> Coefficients:
    """Return the mean of (parts of) the credit over the number of successes among the others."""
    n = size - 1
    table = [[credit([own] + [high] * k + [low] * (n - k)) for k in range(size)] for own in (low, high)]

    def of(tilt: Tilt) -> list[Pair]:
        chance = [comb(n, k) * tilt.one**k * tilt.zero ** (n - k) for k in range(size)]
        out = []
        for part in parts:
            miss, hit = (sum(c * part(v) for c, v in zip(chance, row, strict=True)) for row in table)
            out.append((miss, hit - miss))
        return out

    return of


def in_the_limit(low: Number, high: Number, parts: Sequence[Any], *, std: bool, epsilon: float = 0.0) -> Coefficients:
    """Return the same in groups without end: (R - E[R])/(sd(R) + epsilon)."""

    def of(tilt: Tilt) -> list[Pair]:
        enough_digits(tilt)
        gap = high - low
        scale = gap * sqrt(max(tilt.one * tilt.zero, mpfr(0))) + mpfr(epsilon) if std else mpfr(1)
        miss, hit = (v / scale if scale != 0 else mpfr(0) for v in (-gap * tilt.one, gap * tilt.zero))
        return [(part(miss), part(hit) - part(miss)) for part in parts]

    return of


def affine(size: float, own: Number, other: Number) -> Coefficients:
    """Return the same for a credit that is own x R_i + other x the sum of the others' R, of any rewards; size inf: R - E[R]."""

    def of(tilt: Tilt) -> list[Pair]:
        if size == inf:
            return [(-tilt.one, mpfr(1))]
        n = int(size)
        return [(other * (n - 1) * tilt.one * tilt.plain ** (n - 2), own * tilt.plain ** (n - 1))]

    return of


def once(batch: Batch) -> Coefficients:
    """Return the same for the credit 1: the rest of the group, mixed with this response if groups are."""

    def of(tilt: Tilt) -> list[Pair]:
        if batch.size == inf:
            return [(_mixed(tilt, inf) if batch.mixed else mpfr(1), mpfr(0))]
        n = int(batch.size) - 1
        rest = tilt.plain**n if batch.members > 1 else mpfr(1)
        if not batch.mixed:
            return [(rest, mpfr(0))]
        return [(rest - tilt.zero**n, tilt.zero**n - tilt.one**n)]

    return of


# ---------------------------------------------------------------------- weights of tokens


def ratios(world: World, other: Any, of_policy: Any = None) -> Weight:
    """Return the ratio of a token to another policy: the geometric mean over the tokens of its stage."""
    own, theirs = world.own if of_policy is None else world.actions(of_policy), world.actions(other)

    def of(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        a, b, l_s, l_d = own[x][k], theirs[x][k], world.l_s[x][y], world.l_d[x][y]
        return (exp((a.log_pi[y] - b.log_pi[y]) / l_s), exp((a.log_stop[y] - b.log_stop[y]) / l_d),
                exp((a.log_res[y] - b.log_res[y]) / l_d))  # fmt: skip

    return of


def log_ratios(world: World, other: Any, of_policy: Any = None) -> Weight:
    """Return log(pi/other) of an answer, of stop and of resample."""
    own, theirs = world.own if of_policy is None else world.actions(of_policy), world.actions(other)

    def of(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        a, b = own[x][k], theirs[x][k]
        return a.log_pi[y] - b.log_pi[y], a.log_stop[y] - b.log_stop[y], a.log_res[y] - b.log_res[y]

    return of


def excess(world: World, other: Any) -> Weight:
    """Return other/pi - 1, minus the coefficient of k3."""
    return mapped(log_ratios(world, other), lambda up: expm1(-up))


def mapped(weight: Weight, function: Callable[[Number], Number]) -> Weight:
    def of(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        s, stop, res = weight(x, k, y)
        return function(s), function(stop), function(res)

    return of


def multiplied(*weights: Weight) -> Weight:
    def of(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        each = [w(x, k, y) for w in weights]
        return prod(e[0] for e in each), prod(e[1] for e in each), prod(e[2] for e in each)

    return of


def stages(world: World, objective: Any) -> Weight:
    """Return l^lambda of both stages, divided by their sum if the reduction is the mean."""
    lam = mpfr(float(objective.length_weight))

    def of(x: int, k: int, y: int) -> tuple[Number, Number, Number]:
        w_s, w_d = mpfr(world.l_s[x][y]) ** lam, mpfr(world.l_d[x][y]) ** lam
        total = w_s + w_d if objective.reduction == "mean" else 1
        return w_s / total, w_d / total, w_d / total

    return of


def number(value: float) -> Weight:
    exact = mpfr(float(value))
    return lambda x, k, y: (exact, exact, exact)


def clipped(low: float, high: float, sign: int, dual: float = inf) -> Callable[[Number], Number]:
    """Return the gradient of PPO's clipped surrogate: the ratio, or 0 beyond the side that the credit pushes to."""

    def of(rho: Number) -> Number:
        gone = (sign > 0 and rho > 1 + high) or (sign < 0 and (rho < 1 - low or rho > dual))
        return mpfr(0) if gone else rho

    return of


# ---------------------------------------------------------------------- whole responses


@dataclass
class Response:
    """All orders of a response: its probability, what it does how often at each turn, its tokens, whether it is right."""

    prompt: int
    chance: Number
    answers: dict[tuple[int, int], int]
    resampled: dict[tuple[int, int], int]
    last: tuple[int, int]
    right: int

    def total(self, weight: Weight, world: World) -> Number:
        """Return a sum over its actions."""
        x, (k, y) = self.prompt, self.last
        out = sum(n * weight(x, *at)[0] for at, n in self.answers.items())
        out += sum(n * weight(x, *at)[2] for at, n in self.resampled.items())
        return out + (weight(x, k, y)[1] if world.decided[k] else 0)

    def add(self, mass: Mass, f: Number) -> None:
        """Add its coefficients to a mass."""
        x, (k, y) = self.prompt, self.last
        for (j, z), n in self.answers.items():
            mass.s[x][j][z] += n * f
        for (j, z), n in self.resampled.items():
            mass.res[x][j][z] += n * f
        if mass.world.decided[k]:
            mass.stop[x][k][y] += f


def responses(world: World, policy: Any, *, ordered: bool) -> Iterator[Response]:
    """Yield the responses of a policy, as multisets of resampled answers unless policies differ between turns."""
    for chain in world.chains(policy):
        x, n = chain.x, chain.n
        go, end = chain.go, chain.end
        k, left = 0, mpfr(1)
        # The first orders count however rare resampling is: a decision's gradient is a difference of the first two, and where
        # a ratio makes up for a chance, or clipping drops the others, a row may be what the fourth order says.
        while k < len(chain.turns) if chain.capped else k < 13 or left * (k + 1) ** 3 > 1e-40:
            at = (lambda j: j) if ordered else (lambda j: 0)
            past = product(range(n), repeat=k) if ordered else combinations_with_replacement(range(n), k)
            here = k if chain.capped else 0
            for before in past:
                orders = 1 if ordered else factorial(k) // prod(factorial(before.count(y)) for y in set(before))
                chance = orders * prod((go[j if chain.capped else 0][y] for j, y in enumerate(before)), start=mpfr(1))
                for y in range(n):
                    last = (here if world.capped else 0, y)
                    answers: dict[tuple[int, int], int] = {}
                    resampled: dict[tuple[int, int], int] = {}
                    for j, z in enumerate(before):
                        answers[at(j), z] = answers.get((at(j), z), 0) + 1
                        resampled[at(j), z] = resampled.get((at(j), z), 0) + 1
                    answers[last] = answers.get(last, 0) + 1
                    yield Response(x, world.rho[x] * chance * end[here][y], answers, resampled, last, world.right[x][y])
            left = left * sum(go[here])
            k += 1

"""The optimum at logits to +-1000, lengths to 1e12 and discounts near none, against hundreds of digits."""

from __future__ import annotations

import importlib
import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from dstheory import Policy, TwoStageMDP
from dstheory.dynamics.soft_bellman import SoftTurn, _rounding, evaluate
from dstheory.dynamics.soft_optimum import Optimum, optimum

MODULE = importlib.import_module("dstheory.dynamics.soft_optimum")
DIGITS = 700  # e^-1000 has 434 zeros


def spread(rng: np.random.Generator, n: int, low: float, high: float) -> np.ndarray:
    """Return numbers of either sign whose sizes differ by orders of magnitude."""
    return np.sign(rng.normal(size=n)) * 10 ** rng.uniform(low, high, size=n)


def extreme(seed: int) -> Optimum:
    """Return the optimum of a lopsided chain, of which any part may be extreme."""
    rng = np.random.default_rng(seed)
    n, longest = int(rng.integers(2, 5)), float(rng.uniform(0, 12))
    alike = np.full(n, 10**longest)
    lengths = (alike, alike + np.arange(n), 10 ** rng.uniform(0, longest, n), 10 ** rng.choice([0, longest], n))[rng.integers(4)]
    scale = 10 ** rng.uniform(-3, 3)
    mdp = TwoStageMDP(
        correct=np.zeros((1, n)),
        reward_stop=scale * spread(rng, n, -2, 0)[None],
        reward_resample=-scale * np.abs(spread(rng, n, -4, 0) * rng.choice([0, 1], n))[None],
        sample_length=lengths[None],
        decision_length=10 ** rng.uniform(0, longest, (1, n)) if rng.random() < 0.5 else 1.0,
        gamma=(1.0, 1.0 - 10 ** -rng.uniform(0, 12), rng.uniform(), 1.0)[rng.integers(4)],
        discount_per=("turn", "stage")[rng.integers(2)],
        max_turns=(None, None, None, 1, 2, 3)[rng.integers(6)],
    )
    reference = Policy.tabular(*(np.clip(spread(rng, n, -1, 3), -1000, 1000)[None] for _ in range(2)))
    weight = (0.0, float(rng.uniform()), 1.0, 1.0)[rng.integers(4)]
    best = optimum(mdp, reference, beta=10 ** rng.uniform(-4, 4), length_weight=weight, throw=False)
    assert_enclosed(best, reference, seed)
    return best


class Exact:
    """One prompt's soft Bellman operator with hundreds of digits."""

    def __init__(self, best: Optimum, reference: Policy) -> None:
        mdp, shape = best.mdp, best.mdp.shape

        def numbers(table: np.ndarray) -> list[mp.mpf]:
            return [mp.mpf(float(v)) for v in np.broadcast_to(table, (1, *shape))[0, 0]]

        z = numbers(reference.sample_logits[0])
        self.ref = [mp.exp(v - max(z)) for v in z]
        self.ref = [w / mp.fsum(self.ref) for w in self.ref]
        self.logit, self.stop, self.again = map(numbers, (reference.stop_logits[0], mdp.reward_stop, mdp.reward_resample))
        self.tau_s, self.tau_d = map(numbers, (best.temperature_sample, best.temperature_decide))
        self.within, self.between = mp.mpf(float(mdp.gamma_within)), mp.mpf(float(mdp.gamma_between))

    def of(self, future: mp.mpf | None) -> mp.mpf:
        """Return the best penalised value of a turn before a future of this value, None after the last decision."""
        if future is None:
            q = [self.within * r for r in self.stop]
        else:
            q = [
                self.within * t * log_sum(r / t - mp.log1p(mp.exp(-u)), (s + self.between * future) / t - mp.log1p(mp.exp(u)))
                for r, s, t, u in zip(self.stop, self.again, self.tau_d, self.logit, strict=True)
            ]
        parts = list(zip(self.ref, q, self.tau_s, strict=True))
        mu = max(a + t * (mp.log(p) - 1) for p, a, t in parts)  # sum p e^((a - mu)/t - 1) = 1, from the left
        while True:
            shares = [p * mp.exp((a - mu) / t - 1) for p, a, t in parts]
            step = mp.log(mp.fsum(shares)) / (mp.fsum(w / t for w, t in zip(shares, self.tau_s, strict=True)) / mp.fsum(shares))
            mu += step
            if abs(step) <= mp.mpf(10) ** (10 - DIGITS) * (1 + abs(mu)):
                return mu + mp.fsum(t * w for t, w in zip(self.tau_s, shares, strict=True))


def log_sum(a: mp.mpf, b: mp.mpf) -> mp.mpf:
    return max(a, b) + mp.log1p(mp.exp(-abs(a - b)))


def assert_enclosed(best: Optimum, reference: Policy, seed: int) -> None:
    """Assert that the value of every turn lies within its error, or that there is no optimum and none is claimed."""
    with mp.workdps(DIGITS):
        exact, turns = Exact(best, reference), best.mdp.max_turns
        values, errors = ([mp.mpf(float(v)) for v in table[:, 0]] for table in (best.values, best.error))
        if turns is None and not best.converged.all():
            assert values[0] == mp.inf, f"seed {seed}: could be solved, V = {values[0]}"
            assert exact.of(mp.mpf(10) ** 400) >= mp.mpf(10) ** 400, f"seed {seed}: has an optimum"
        elif turns is None:
            low, high = values[0] - errors[0], values[0] + errors[0]
            assert exact.of(low) >= low, f"seed {seed}: V is below {values[0]} - {errors[0]}"
            assert exact.of(high) <= high, f"seed {seed}: V is above {values[0]} + {errors[0]}"
        else:
            assert best.converged.all(), f"seed {seed}: could be solved"
            future = None
            for value, error in zip(reversed(values), reversed(errors), strict=True):
                future = exact.of(future)
                assert abs(value - future) <= error, f"seed {seed}: off by {mp.nstr(abs(value - future), 3)}, not {error}"


def check(seeds: list[int], monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(MODULE, "SMALLEST", 0 if path == "compiled" else 1 << 60)
    found = [extreme(seed) for seed in seeds]
    assert np.mean([best.converged.all() for best in found]) > 0.9


# Each was wrong or refused once: f that hardly falls at V, temperatures 1e11 apart, rare decisions that nearly pay. In the last
# two f falls fast at V, and rounding hides more of V than where it does elsewhere.
HARD = [55, 104, 140, 184, 249, 302, 338, 375, 394, 529, 649, 657, 866, 1966, 2892]


@pytest.mark.parametrize("path", ["readable", "compiled"])
def test_extreme_chains_are_solved_within_the_error_that_is_said(path, monkeypatch) -> None:
    check([*range(40), *HARD], monkeypatch, path)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["readable", "compiled"])
def test_a_thousand_extreme_chains(path, monkeypatch) -> None:
    check(list(range(1000)), monkeypatch, path)


def test_a_certain_answer_whose_stop_is_rare_keeps_its_own_value_and_decision() -> None:
    """gamma = 1: never stopping loses e^-104 in a turn, so that V is the reward of the only answer, and nothing has to move."""
    mdp = TwoStageMDP(correct=[[0, 0]], reward_stop=[[0.0, 2e-3]], reward_resample=[[0.0, 0.0]], gamma=1.0)
    best = optimum(mdp, Policy.tabular([[-834.0, 0.0]], [[-0.7, -104.0]]), beta=8e-4)
    np.testing.assert_allclose(best.value, 2e-3, rtol=1e-12)
    np.testing.assert_allclose(best.policy.stop_logits[0, 0, 1], -104.0, rtol=1e-12)


# Each of the three makes up the scale in one of the cases, half of it or more.
SCALES = [
    ({"reward_stop": [[3.0, -7.0, 1.0]]}, 7.0),
    ({"reward_resample": [[-1.0, -9.0, -2.0]]}, 9.0),
    ({"reward_resample": [[-1.0, -9.0, -2.0]], "discount_per": "stage"}, 0.6 * 9.0),
    ({"sample_length": [[40.0, 1.0, 300.0]]}, 1.0),
]


@pytest.mark.parametrize("path", ["readable", "compiled"])
@pytest.mark.parametrize(("tables", "largest"), SCALES)
def test_the_error_that_is_said_is_no_smaller_than_a_part_in_1e12_of_its_scale(tables, largest, path, monkeypatch) -> None:
    """The scale is that of the docstring: V, the largest reward as it counts, and the spread of beta w over answers."""
    monkeypatch.setattr(MODULE, "SMALLEST", 0 if path == "compiled" else 1 << 60)
    chain = {
        "correct": [[1, 0, 0]],
        "reward_stop": [[1.0, 0.0, 0.0]],
        "reward_resample": [[0.0, 0.0, 0.0]],
        "gamma": 0.6,
    } | tables
    mdp, ref = TwoStageMDP(**chain), np.array([0.5, 0.3, 0.2])
    best = optimum(mdp, Policy.from_probabilities(ref[None], [[0.6, 0.3, 0.8]]), beta=0.5, length_weight=1.0)
    tau = 0.5 * np.broadcast_to(mdp.sample_length, (1, 3))[0]
    scale = abs(best.value[0]) + largest + ref @ np.abs(tau - ref @ tau)
    np.testing.assert_allclose(best.error[0, 0], 1e-12 * scale, rtol=1e-9)


@pytest.mark.parametrize("path", ["readable", "compiled"])
def test_where_f_hardly_falls_the_multiplier_is_as_right_as_that_asks_for(path, monkeypatch) -> None:
    """What n leaves open of f, divided by its slope of 1e-12, is open of V: with a step less the error was 4e9 times as large."""
    monkeypatch.setattr(MODULE, "SMALLEST", 0 if path == "compiled" else 1 << 60)
    mdp = TwoStageMDP(
        correct=[[0, 0]], reward_stop=[[-1.0, -2.0]], reward_resample=[[0.0, -1e-3]], sample_length=[[1.0, 1e8]], gamma=1 - 1e-12
    )
    reference = Policy.tabular([[1.0, 0.0]], [[2.0, -1.0]])
    best = optimum(mdp, reference, beta=1.0, length_weight=1.0)
    assert float(best.error[0, 0]) < 2e-12 * float(best.value[0])
    assert_enclosed(best, reference, 0)


def test_the_error_of_a_turn_contains_that_of_the_turns_after_it() -> None:
    mdp = TwoStageMDP.minimal(gamma=0.9, max_turns=4)
    best = optimum(mdp, Policy.minimal(p=0.3, a=0.4, b=0.9), beta=0.2)
    own = 1e-12 * (np.abs(best.values[:, 0]) + np.maximum(1.0, 0.9 * np.append(best.values[1:, 0], 0.0)))
    for k in range(4):
        np.testing.assert_allclose(best.error[k, 0], sum(0.9 ** (j - k) * own[j] for j in range(k, 4)), rtol=1e-9)


@pytest.mark.parametrize("path", ["readable", "compiled"])
def test_where_what_never_stopping_earns_and_costs_cancel_the_error_says_what_is_left(path, monkeypatch) -> None:
    """gamma = 1, and resampling pays on one answer what it costs on the other, but for a part in 1e9 to 1e16."""
    monkeypatch.setattr(MODULE, "SMALLEST", 0 if path == "compiled" else 1 << 60)
    rng, enclosed = np.random.default_rng(0), []
    for seed in range(60):
        beta, p, bonus, rare = 10 ** rng.uniform(-1, 1), rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.15), rng.uniform(5, 60)
        cost = np.log1p(-p * np.expm1(bonus) / (1 - p)) - 10 ** rng.uniform(-16, -9)
        mdp = TwoStageMDP(correct=[[1, 0]], reward_stop=beta * rng.normal(size=(1, 2)), gamma=1.0,
                          reward_resample=beta * np.array([[bonus, cost]]))  # fmt: skip
        reference = Policy.tabular(np.log([[p, 1 - p]]), [[-rare, -rare]])
        best = optimum(mdp, reference, beta=beta, throw=False)
        if best.converged.all():
            assert_enclosed(best, reference, seed)
        enclosed.append(bool(best.converged.all()))
    assert sum(enclosed) >= 20


def test_the_bound_on_rounding_holds_wherever_f_is_evaluated() -> None:
    """Answers of one weight, at the optimum and far from it, where f is as large as what it is made of."""
    checked = 0
    for seed in range(150):
        rng = np.random.default_rng([1, seed])
        mdp = TwoStageMDP(
            correct=np.zeros((1, 3)), reward_stop=spread(rng, 3, -3, 3)[None], reward_resample=spread(rng, 3, -3, 1)[None],
            gamma=1.0 - 10 ** -rng.uniform(0, 12),
        )  # fmt: skip
        reference = Policy.tabular(*(np.clip(spread(rng, 3, -1, 3), -1000, 1000)[None] for _ in range(2)))
        beta = 10 ** rng.uniform(-4, 8)
        best = optimum(mdp, reference, beta=beta, throw=False)
        turn = MODULE._Equations(mdp, reference, np.asarray(beta), 0.0, "sum").turn(0, 0, 1, None)
        for v in float(best.value[0]) * np.array([1.0, 1.0 + 1e-9, 0.7, -1.0]):
            at, n = np.array([v]), np.zeros(1)
            with np.errstate(all="ignore"):
                point = evaluate(turn, at, n)
                bound = float(_rounding(turn, at, n, point)[0])
            with mp.workdps(DIGITS):
                off = abs(mp.mpf(float(point.payoff[0])) - (Exact(best, reference).of(mp.mpf(v)) - mp.mpf(v)))
            assert off <= bound, f"seed {seed}: f({v}) is off by {mp.nstr(off, 3)}, not {bound:.3g}"
            checked += off > bound / 300
    assert checked >= 60  # nor is it much more than what happens


class Terms:
    """The terms that f is made of at one column, each by itself: what rounding leaves of f is a few units of their sizes."""

    def __init__(self, turn: SoftTurn, v: float, n: float, x: int = 0) -> None:
        def numbers(table: np.ndarray) -> list[float]:
            rows = turn.log_ref.shape[0]
            return [float(np.broadcast_to(table, (rows, turn.columns))[y, x]) for y in range(rows)]

        total, warmth, share, log_total = self.sums(turn, numbers, v, n)
        self.bound = 4.0 * np.finfo(float).eps * (total + warmth * (share + abs(log_total)))

    def sums(self, turn: SoftTurn, numbers: Any, v: float, n: float) -> tuple[float, float, float, float]:
        stop, again, tau_s, tau_d = map(numbers, (turn.reward_stop, turn.reward_resample, turn.tau_sample, turn.tau_decide))
        log_ref, logit, log_stop, log_again = map(numbers, (turn.log_ref, turn.stop_logit, turn.log_stop, turn.log_resample))
        (gw, *_), (gb, *_), (rest, *_) = map(numbers, (turn.gamma_within, turn.gamma_between, turn.rest))
        mean = None if turn.mean_tau is None else numbers(turn.mean_tau)[0]
        advantages, sizes = [], []
        for r, q, t, u, ls, lu in zip(stop, again, tau_d, logit, log_stop, log_again, strict=True):
            if not turn.decided:
                advantages.append(gw * r - v)
                sizes.append(abs(gw * r) + abs(v))
                continue
            pays, shift = (gw * r - v, gw * q - rest * v), (r - q - gb * v) / t
            sizes_of = abs(gw * r) + abs(v), abs(gw * q) + rest * abs(v)
            spent = abs(gw * r) + abs(gw * q) + gw * abs(gb * v)  # what the shift is a difference of, as it counts
            if abs(shift) < 1 / 16:  # told from the decision that the reference takes more often
                first, rare = int(u < 0), math.exp(min(ls, lu))
                advantages.append(pays[first] + gw * t * math.log1p(rare * math.expm1(shift if first else -shift)))
                sizes.append(sizes_of[first] + rare * (spent + gw * t * abs(shift) * (1 + abs(u))))
            else:  # told from the decision that is taken more often
                first, rare = int(u + shift < 0), math.exp(-abs(u + shift))
                each = pays[0] + gw * t * ls, pays[1] + gw * t * lu
                advantages.append(max(each) + gw * t * math.log1p(rare))
                sizes.append(sizes_of[first] + gw * t * abs((ls, lu)[first]) + rare * (spent + gw * t * (1 + abs(u))))
        away = [0.0 if mean is None else t - mean for t in tau_s]
        ratio = [(a - e - n * (mean is not None)) / t for a, e, t in zip(advantages, away, tau_s, strict=True)]
        log_total = float(np.logaddexp.reduce(np.add(log_ref, ratio)))
        policy = [math.exp(p + c - log_total) for p, c in zip(log_ref, ratio, strict=True)]
        total = sum(w * (s + abs(t * c) + (abs(e) + abs(n) if mean is not None else 0.0))
                    for w, s, t, c, e in zip(policy, sizes, tau_s, ratio, away, strict=True))  # fmt: skip
        share = 0.0
        for w, p, c in zip(policy, log_ref, ratio, strict=True):
            if p > -math.inf:
                near = math.exp(p) * abs(c) if abs(c) < 1 / 16 else w + math.exp(p)
                share += (near if abs(log_total) < 1 / 16 else w) * (1 + abs(p) + abs(c))
        return total, sum(w * t for w, t in zip(policy, tau_s, strict=True)), share, log_total


def some_turn(seed: int) -> tuple[SoftTurn, float, float]:
    """Return one equation, of which any part may be near the reference or far from it, and a V and n to look at."""
    rng = np.random.default_rng([2, seed])
    rows, padded = 4, rng.random() < 0.5
    log_ref = np.log(rng.dirichlet(np.ones(rows)))
    if padded:
        log_ref = np.append(np.log(rng.dirichlet(np.ones(rows - 1))), -np.inf)
    u = rng.normal(size=rows) * rng.choice([0.3, 3.0])
    several, scale = rng.random() < 0.5, 10.0 ** rng.integers(-2, 2)
    tau = 10.0 ** rng.uniform(-1, 1, size=rows) if several else np.full(rows, 10.0 ** rng.uniform(-1, 1))
    gw, gb = rng.uniform(0.3, 1.0, size=2)
    column = lambda table: np.asarray(table, dtype=float)[:, None]  # noqa: E731
    one = lambda number: np.array([[float(number)]])  # noqa: E731
    turn = SoftTurn(
        column(log_ref), column(u), column(-np.logaddexp(0.0, -u)), column(-np.logaddexp(0.0, u)),
        column(scale * rng.normal(size=rows)), column(scale * rng.normal(size=rows)), column(tau) if several else one(tau[0]),
        column(10.0 ** rng.uniform(-1, 1, size=rows)), one(np.exp(log_ref) @ tau) if several else None, one(gw), one(gb),
        one(1.0 - gw * gb), decided=bool(rng.random() < 0.8),
    )  # fmt: skip
    return turn, float(scale * rng.normal()), float(scale * rng.normal())


def test_the_bound_on_rounding_is_the_size_of_every_term_that_is_added() -> None:
    """A bound has slack, in which an error of a factor is not seen: its terms are written out once more, one by one."""
    for seed in range(200):
        turn, v, n = some_turn(seed)
        at, by = np.array([v]), np.array([n])
        found = _rounding(turn, at, by, evaluate(turn, at, by))
        np.testing.assert_allclose(found, Terms(turn, v, n).bound, rtol=1e-9, err_msg=str(seed))

"""Groups of up to a million and rewards as rare as e^-1000, against sums in rational and in 60-digit arithmetic.

Nothing here is shared with the package: success rates, lengths and their gradients are written out from the logits.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import integrate, stats

from dstheory import Policy, Trajectories, TwoStageMDP, solve
from dstheory.errors import ChainError
from dstheory.objectives import (
    CISPO,
    DAPO,
    GRPO,
    GSPO,
    NFT,
    RLOO,
    DAPOBatch,
    DrGRPO,
    GroupMeanObjective,
    GRPONoStd,
    K3Loss,
    PPOClip,
    ReinforceBaseline,
    sampled_gradient,
)
from dstheory.objectives.expectation.counts import mean_over_counts
from dstheory.objectives.expectation.grouping import Grouping
from dstheory.objectives.expectation.groups import credits_given
from dstheory.objectives.parts import Credit, GroupMean, LeaveOneOut, Minus, PerResponse, Positive, Raw, SignedMatch
from dstheory.objectives.registry import listed

RIGHT = [[1, 0, 0], [0, 1, 1], [1, 1, 0]]
TOKENS = [[3, 40, 7], [11, 2, 5], [4, 9, 30]]
WEIGHT = [3, 1, 2]
DECISION = 2
MDP = TwoStageMDP(correct=RIGHT, sample_length=TOKENS, decision_length=DECISION, prompt_weight=WEIGHT, gamma=1.0)
Z = np.array([[1.0, 0.3, -0.5], [0.2, 1.0, 0.8], [-0.3, 0.9, 0.1]])
U = np.array([[1.0, -0.4, 0.3], [0.2, 0.7, -0.6], [-0.1, 0.5, 1.0]])
RARE = 9 * math.log(10) + math.log(2)  # one answer of the first prompt has probability 1e-9
STARTS = {
    "plain": (Z, U),
    "rare failures": (np.array([[RARE, 0, 0], [-RARE, 0, 1], [RARE, 20, 0]]), U),
    "rare successes": (-np.array([[RARE, 0, 0], [-RARE, 0, 1], [RARE, 20, 0]]), U),
    "hardly ever stops": (2 * Z, -20 * U),
    "e^-300": (300 * Z, U),
    "e^-1000": (1000 * Z, 3 * U),
    "e^-1000, the other way": (-1000 * Z, U),
}
HERE = Policy.tabular(Z[None], U[None])
OLD = Policy.tabular(0.5 * Z[None], -0.5 * U[None])


# ---------------------------------------------------------------------- counts


@pytest.mark.parametrize("n", [0, 1, 2, 3, 60, 200, 201, 500])
@pytest.mark.parametrize(
    "p", [Fraction(0), Fraction(1, 2**20), Fraction(1, 64), Fraction(5, 16), Fraction(1, 2), Fraction(15, 16)]
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_means_over_counts_in_rational_arithmetic(n: int, p: Fraction, mirrored: bool) -> None:
    """Probabilities that are floating-point numbers; functions that are 0 where most of the probability is."""
    p, q = (1 - p, p) if mirrored else (p, 1 - p)
    found = mean_over_counts(n, np.array([float(p)]), np.array([float(q)]), lambda k: (k * k, k * (n - k), k / (n + 1 - k)))
    chance = [math.comb(n, k) * p**k * q ** (n - k) for k in range(n + 1)]
    exact = [
        sum(c * k * k for k, c in enumerate(chance)),
        sum(c * k * (n - k) for k, c in enumerate(chance)),
        sum(c * Fraction(k, n + 1 - k) for k, c in enumerate(chance)),
    ]
    for value, expected in zip(found, exact, strict=True):
        assert abs(Fraction(float(value[0])) - expected) <= Fraction(1, 10**13) * expected


@functools.lru_cache(maxsize=64)
def law(n: int, p: Any, q: Any) -> dict[int, Any]:
    """P(K = k) within 13 standard deviations and 120 of the mode: the first by logarithms of factorials, the others from it."""
    mode = int(min(n, max(0, mp.floor((n + 1) * p))))
    width = int(13 * math.sqrt(float(n * p * q))) + 120
    first, out = max(0, mode - width), {}
    log = mp.loggamma(n + 1) - mp.loggamma(first + 1) - mp.loggamma(n - first + 1)
    log += (first * mp.log(p) if first else 0) + ((n - first) * mp.log(q) if n > first else 0)
    chance = mp.exp(log)
    for k in range(first, min(n, mode + width) + 1):
        out[k] = chance
        chance = chance * (n - k) / (k + 1) * (p / q) if q else mp.mpf(0)
    return out


@pytest.mark.parametrize("n", [9_999, 999_999])
@pytest.mark.parametrize("p", [1e-300, 1e-9, 1e-4, 0.3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_means_over_counts_of_large_groups(n: int, p: float, mirrored: bool) -> None:
    with mp.workdps(60):
        small, large = mp.mpf(p), 1 - mp.mpf(p)
        p_, q_ = (large, small) if mirrored else (small, large)
        (value,) = mean_over_counts(n, np.array([float(p_)]), np.array([float(q_)]), lambda k: (np.sqrt(k / (n + 1 - k)),))
        exact = mp.fsum(c * mp.sqrt(mp.mpf(k) / (n + 1 - k)) for k, c in law(n, p_, q_).items())
        assert abs(value[0] - exact) <= 2e-11 * exact


@pytest.mark.parametrize("mirrored", [False, True])
def test_counts_at_the_edges_count_where_their_credit_is_one_over_epsilon(mirrored: bool) -> None:
    """Beside others that are all alike a credit over their deviation is 1/epsilon: of the mean, nearly all, however rare."""
    size, epsilon = 100_001, 1e-100
    credit, n = GroupMean("leave-one-out", epsilon=epsilon), size - 1
    with mp.workdps(60):
        small, large = mp.mpf(0.0021), 1 - mp.mpf(0.0021)
        p, q = map(np.array, ([float(x)] for x in ((large, small) if mirrored else (small, large))))
        found = mean_over_counts(n, p, q, lambda k: credits_given(k, credit, Grouping(size), (0.0, 1.0)))
        exact = large**n / epsilon  # the others come to 22
        assert abs((-found[0] if mirrored else found[1])[0] - exact) <= 1e-6 * exact


# ---------------------------------------------------------------------- credits


@pytest.mark.parametrize(
    "credit",
    [
        Raw(),
        Minus(0.3),
        LeaveOneOut(),
        GroupMean(),
        GroupMean(ddof=0, epsilon=0.01),
        GroupMean(std=False),
        Positive(),
        SignedMatch(),
    ],
    ids=lambda c: c.words,
)
@pytest.mark.parametrize("values", [(0.0, 1.0), (-2.0, 0.25)])
def test_credits_of_shares_are_those_of_groups(credit: Credit, values: tuple[float, float]) -> None:
    if isinstance(credit, SignedMatch) and values != (0.0, 1.0):
        values = (0.25, 0.75)  # its limit is that of hits and misses
    size = 7
    right = np.arange(size + 1) / size
    failure, success = credit.of_shares(values, right, 1.0 - right, size)
    for hits in range(size + 1):
        row = credit.of_groups(np.array([[values[1]] * hits + [values[0]] * (size - hits)]))[0]
        if hits:
            assert success[hits] == pytest.approx(row[0], rel=1e-13, abs=1e-15)
        if hits < size:
            assert failure[hits] == pytest.approx(row[-1], rel=1e-13, abs=1e-15)
    limit = credit.of_shares(values, np.array(0.2), np.array(0.8), math.inf)
    mean = 0.2 if isinstance(credit, SignedMatch) else values[0] + 0.2 * (values[1] - values[0])
    deviation = np.asarray((values[1] - values[0]) * 0.4)
    for own, found in zip(values, limit, strict=True):
        assert found == pytest.approx(float(credit.limit(np.asarray(own), np.asarray(mean), deviation)), rel=1e-13)


# ---------------------------------------------------------------------- gradients against 60 digits


@dataclass(frozen=True)
class Prompt:
    """P(right), P(wrong), E[L], and the gradient of P(right) by the logits of answers and of stop."""

    p: Any
    q: Any
    length: Any
    sample: list[Any]
    decide: list[Any]
    mixed_length: Callable[[int], Any]


def prompt(x: int, z: np.ndarray, u: np.ndarray) -> Prompt:
    """By hand: with e = sum pi s, P(right) = sum over right answers of pi s / e."""
    weights = [mp.exp(mp.mpf(float(v)) - float(z[x].max())) for v in z[x]]
    pi = [w / mp.fsum(weights) for w in weights]
    stop = [1 / (1 + mp.exp(-mp.mpf(float(v)))) for v in u[x]]
    go = [1 / (1 + mp.exp(mp.mpf(float(v)))) for v in u[x]]
    tokens = [length + DECISION for length in TOKENS[x]]
    rows = list(zip(pi, stop, go, RIGHT[x], tokens, strict=True))
    e = mp.fsum(a * s for a, s, *_ in rows)
    p = mp.fsum(a * s for a, s, _, right, _ in rows if right) / e
    q = mp.fsum(a * s for a, s, _, right, _ in rows if not right) / e
    before = mp.fsum(a * g * n for a, _, g, _, n in rows) / e
    of_right = mp.fsum(a * s * (n + before) for a, s, _, right, n in rows if right) / e
    of_wrong = mp.fsum(a * s * (n + before) for a, s, _, right, n in rows if not right) / e

    def mixed_length(size: int) -> Any:
        """E[L; the group of the response is mixed]."""
        return of_right * -mp.expm1((size - 1) * mp.log1p(-q)) + of_wrong * -mp.expm1((size - 1) * mp.log1p(-p))

    by_sample = [a * s * (q if right else -p) / e for a, s, _, right, _ in rows]
    by_decide = [a * s * g * (q if right else -p) / e for a, s, g, right, _ in rows]
    return Prompt(p, q, of_right + of_wrong, by_sample, by_decide, mixed_length)


def advantage(size: float, one: Prompt, *, std: bool, ddof: int = 1, epsilon: float = 0.0) -> Any:
    """Mean credit of a success minus that of a failure."""
    if size == math.inf:
        return 1 / (mp.sqrt(one.p * one.q) + epsilon) if std else mp.mpf(1)
    failure, success = mean_credits(int(size), one.p, one.q, std=std, ddof=ddof, epsilon=epsilon)
    return success - failure


@functools.lru_cache(maxsize=64)
def mean_credits(size: int, p: Any, q: Any, *, std: bool, ddof: int = 1, epsilon: float = 0.0) -> tuple[Any, Any]:
    """Mean credit of a failure and of a success."""
    failure, success = mp.mpf(0), mp.mpf(0)
    for k, chance in law(size - 1, p, q).items():
        for hits, mine in ((k, 0), (k + 1, 1)):
            if hits in (0, size):
                continue
            share = mp.mpf(hits) / size
            below = mp.sqrt(size * share * (1 - share) / (size - ddof)) + epsilon if std else 1
            if mine:
                success += chance * (1 - share) / below
            else:
                failure -= chance * share / below
    return failure, success


ROWS: dict[str, tuple[Callable[[float], Any], dict[str, Any], str]] = {
    "rloo": (lambda g: RLOO(group_size=g), {"std": False}, "others"),
    "dr-grpo": (lambda g: DrGRPO(group_size=g, max_tokens=50), {"std": False}, "constant"),
    "dr-grpo, std": (lambda g: DrGRPO(group_size=g, max_tokens=50, std=True), {"std": True}, "constant"),
    "dr-grpo, epsilon": (
        lambda g: DrGRPO(group_size=g, max_tokens=50, std=True, epsilon=1e-4), {"std": True, "epsilon": 1e-4}, "constant",
    ),
    "dapo-batch": (lambda g: DAPOBatch(group_size=g), {"std": True}, "batch"),
    "dapo-batch, mixed": (lambda g: DAPOBatch(group_size=g, dynamic_sampling=True), {"std": True}, "mixed"),
    "nft": (lambda g: NFT(group_size=g), {"std": True, "ddof": 0}, "batch"),
}  # fmt: skip


@pytest.mark.parametrize("size", [2, 201, 202, 3_000, pytest.param(1_000_000, marks=pytest.mark.slow), math.inf])
@pytest.mark.parametrize("start", STARTS)
def test_gradients_in_60_digits(start: str, size: float) -> None:
    z, u = STARTS[start]
    solution = solve(MDP, Policy.tabular(z[None], u[None]))
    rho = [mp.mpf(w) / sum(WEIGHT) for w in WEIGHT]
    with mp.workdps(60):
        prompts = [prompt(x, z, u) for x in range(3)]
        for name, (make, settings, kind) in ROWS.items():
            by_hand = [advantage(size, one, **settings) for one in prompts]
            scale = mp.mpf(1)
            if kind == "others" and size != math.inf:
                scale = mp.mpf(size) / (int(size) - 1)
            elif kind == "constant":
                scale = mp.mpf(1) / 50
            elif kind == "batch" or (kind == "mixed" and size == math.inf):
                scale = 1 / mp.fsum(r * one.length for r, one in zip(rho, prompts, strict=True))
            elif kind == "mixed":
                scale = 1 / mp.fsum(r * one.mixed_length(int(size)) for r, one in zip(rho, prompts, strict=True))
            try:
                g = make(size).gradient(solution)
            except ChainError as refusal:
                if not (start.startswith("e^-1000") and "must be at least 1e-290" in str(refusal)):
                    raise
                continue
            assert np.isfinite(g.sample).all()
            assert np.isfinite(g.decide).all()
            for x in range(3):
                for found, exact in ((g.sample[0, x], prompts[x].sample), (g.decide[0, x], prompts[x].decide)):
                    expected = [rho[x] * by_hand[x] * entry * scale for entry in exact]
                    largest = max(abs(v) for v in expected)
                    for one, value in zip(found, expected, strict=True):
                        assert abs(float(one) - value) <= 1e-11 * largest + mp.mpf(10) ** -300, (name, x)


@pytest.mark.parametrize("size", [8, 205, 3_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("start", ["plain", "rare failures", "rare successes"])
def test_averages_over_each_response_in_60_digits(start: str, size: int) -> None:
    """At most two turns, written out: the credits are means over counts, 1/L is that of the response."""
    z, u = STARTS[start]
    solution = solve(MDP.replace(max_turns=2), Policy.tabular(z[None], u[None]))
    with mp.workdps(60):
        for objective, settings in (
            (GRPO(group_size=size), {"std": True}), (GRPONoStd(group_size=size), {"std": False}),
            (GSPO(group_size=size, ddof=0, epsilon=1e-6), {"std": True, "ddof": 0, "epsilon": 1e-6}),
            (GRPO(group_size=size, dynamic_sampling=True), {"std": True}),
        ):  # fmt: skip
            g = objective.gradient(solution)
            rho = [mp.mpf(w) / sum(WEIGHT) for w in WEIGHT]
            laws = [_two_turns(x, z, u) for x in range(3)]
            chance = mp.mpf(1)
            if objective.dynamic_sampling:
                each = [_mixed(size, p, q) for _, p, q in laws]
                chance = mp.fsum(r * c for r, c in zip(rho, each, strict=True))
            for x, (paths, p, q) in enumerate(laws):
                failure, success = mean_credits(size, p, q, **settings)
                sample, decide = [mp.mpf(0)] * 3, [mp.mpf(0)] * 3
                for weight, right, length, by_sample, by_decide in paths:
                    f = rho[x] * weight * (success if right else failure) / length / chance
                    sample = [a + f * b for a, b in zip(sample, by_sample, strict=True)]
                    decide = [a + f * b for a, b in zip(decide, by_decide, strict=True)]
                for found, exact in ((g.sample[0, x], sample), (g.decide[0, x], decide)):
                    largest = max(abs(v) for v in exact)
                    assert max(abs(float(a) - b) for a, b in zip(found, exact, strict=True)) <= 1e-10 * largest, objective.name


def _mixed(size: int, p: Any, q: Any) -> Any:
    rare = min(p, q)
    return -mp.expm1(size * mp.log1p(-rare)) - rare**size


def _two_turns(x: int, z: np.ndarray, u: np.ndarray) -> tuple[list[Any], Any, Any]:
    """Return (probability, right, tokens, score by answers' logits, score by stop logits) of every path, P(right), P(wrong)."""
    weights = [mp.exp(mp.mpf(float(v)) - float(z[x].max())) for v in z[x]]
    pi = [w / mp.fsum(weights) for w in weights]
    stop = [1 / (1 + mp.exp(-mp.mpf(float(v)))) for v in u[x]]

    def score(y: int) -> list[Any]:
        rest = mp.fsum(pi[j] for j in range(3) if j != y)
        return [rest if i == y else -pi[i] for i in range(3)]

    def one(y: int, value: Any) -> list[Any]:
        return [value if i == y else mp.mpf(0) for i in range(3)]

    paths = []
    for y in range(3):
        paths.append((pi[y] * stop[y], RIGHT[x][y], TOKENS[x][y] + DECISION, score(y), one(y, 1 - stop[y])))
        for last in range(3):
            both = [a + b for a, b in zip(score(y), score(last), strict=True)]
            length = TOKENS[x][y] + DECISION + TOKENS[x][last]
            paths.append((pi[y] * (1 - stop[y]) * pi[last], RIGHT[x][last], length, both, one(y, -stop[y])))
    p = mp.fsum(path[0] for path in paths if path[1])
    q = mp.fsum(path[0] for path in paths if not path[1])
    return paths, p, q


@pytest.mark.parametrize("size", [64, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_tokens_of_a_large_group_by_quadrature(size: int) -> None:
    """One turn: 1/(sum of L) as the integral of exp(-t sum of L), by SciPy's quadrature and its binomial probabilities."""
    mdp = MDP.replace(max_turns=1)
    g = DAPO(group_size=size, dynamic_sampling=False).gradient(solve(mdp, HERE)).sample[0]
    k = np.arange(size, dtype=np.float64)
    failure = np.where(k > 0, -np.sqrt(k / np.maximum(size - k, 1)), 0.0) * math.sqrt((size - 1) / size)
    success = np.where(k < size - 1, np.sqrt((size - 1 - k) / (k + 1)), 0.0) * math.sqrt((size - 1) / size)
    for x in range(3):
        pi = HERE.sample_prob[0, x]
        tokens, right = np.array(TOKENS[x], dtype=float), np.array(RIGHT[x], dtype=bool)
        mean = float(pi @ tokens)
        scores = np.eye(3) - pi

        def integrand(v: float, pi=pi, tokens=tokens, right=right, mean=mean, scores=scores) -> np.ndarray:
            t = v / (size * mean)
            lost = float(pi @ -np.expm1(-t * tokens))
            tilted = pi * np.exp(-t * tokens)
            share = float(tilted[right].sum() / tilted.sum())
            near = slice(max(0, int(size * share - 12 * math.sqrt(size) - 100)), int(size * share + 12 * math.sqrt(size) + 100))
            chance = stats.binom.pmf(k[near], size - 1, share) * math.exp((size - 1) * math.log1p(-lost))
            credit = np.where(right, chance @ success[near], chance @ failure[near])
            return np.asarray((tilted * credit) @ scores / mean)

        exact, _ = integrate.quad_vec(integrand, 0.0, 60.0, epsrel=1e-11, epsabs=0.0)
        exact = exact * WEIGHT[x] / sum(WEIGHT)
        np.testing.assert_allclose(g[x], exact, rtol=0, atol=1e-9 * np.abs(exact).max())


# ---------------------------------------------------------------------- memory, and what is refused

LARGE = {
    "grpo": lambda g: GRPO(group_size=g),
    "grpo, clipped": lambda g: GRPO(group_size=g, sampler=OLD),
    "dapo": lambda g: DAPO(group_size=g),
    "dapo, clipped": lambda g: DAPO(group_size=g, sampler=OLD),
    "dapo-batch": lambda g: DAPOBatch(group_size=g, prompts=200_000),
    "rloo": lambda g: RLOO(group_size=g),
    "dr-grpo": lambda g: DrGRPO(group_size=g),
    "grpo-no-std": lambda g: GRPONoStd(group_size=g),
    "gspo": lambda g: GSPO(group_size=g, sampler=OLD),
    "ppo-clip": lambda g: PPOClip(group_size=g, prompts=200_000, sampler=OLD),
    "cispo": lambda g: CISPO(group_size=g, sampler=OLD),
    "nft": lambda g: NFT(group_size=g),
    "nft, off policy": lambda g: NFT(group_size=g, sampler=OLD),
    "opo": lambda g: ReinforceBaseline(group_size=g, baseline="opo"),
    "k3": lambda g: K3Loss(OLD, normaliser="group-tokens", group_size=g),
    "k3 beside grpo": lambda g: DAPO(group_size=g, reference=OLD, beta=0.1),
}


def test_every_row_with_a_group_size_is_among_them() -> None:
    with_size = {cls.name for cls in listed() if "group_size" in {field.name for field in dataclasses.fields(cls)}}
    made = {LARGE[name](8).name for name in LARGE}
    assert with_size - made == {"k1-loss", "k2-loss", "k1-reward", "distill"}  # divided as k3 is, by the same class


@pytest.mark.parametrize("name", LARGE)
def test_a_group_of_a_million_needs_little_memory_and_is_near_the_limit(name: str) -> None:
    solution = solve(MDP.replace(max_turns=3) if name == "gspo" else MDP, HERE)  # off policy a sum over responses
    limit = LARGE[name](math.inf).gradient(solution)
    tracemalloc.start()
    try:
        g = LARGE[name](1_000_000).gradient(solution)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000
    scale = np.abs(limit.sample).max()
    np.testing.assert_allclose(g.sample, limit.sample, rtol=0, atol=1e-4 * scale)
    np.testing.assert_allclose(g.decide, limit.decide, rtol=0, atol=1e-4 * scale)


class Median(Credit):
    """A credit that only knows whole groups."""

    words = "R - median"
    least_group = 2

    def of_groups(self, rewards: np.ndarray) -> np.ndarray:
        return rewards - np.median(rewards, axis=1, keepdims=True)

    def limit(self, rewards: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
        return rewards - np.round(mean)


class MedianObjective(GroupMeanObjective):
    credit = Median()
    normaliser = PerResponse()
    name = "median"


def test_a_credit_of_whole_groups_is_written_out_up_to_a_size() -> None:
    solution = solve(MDP, HERE)
    for size in (3, 301):
        g = MedianObjective(group_size=size).gradient(solution)
        for x in range(3):
            # an odd group's median is the reward of the majority, which takes (size - 1)/2 others of one's own kind
            success = float((solution.policy.sample_prob * solution.policy.stop_prob)[0, x] @ np.array(RIGHT[x]))
            p = success / float((solution.policy.sample_prob * solution.policy.stop_prob)[0, x].sum())
            alone = stats.binom.cdf((size - 3) / 2, size - 1, p), stats.binom.cdf((size - 3) / 2, size - 1, 1 - p)
            one = prompt(x, Z, U)
            expected = [WEIGHT[x] / sum(WEIGHT) * float(v) * (alone[0] + alone[1]) for v in one.sample]
            np.testing.assert_allclose(g.sample[0, x], expected, rtol=1e-10)
    with pytest.raises(ChainError, match=r"group_size is 1,000,000: R - median is a function of all rewards of a group, and"):
        MedianObjective(group_size=1_000_000).gradient(solution)


def test_sizes_are_bounded_before_anything_is_allocated() -> None:
    with pytest.raises(ChainError, match="group_size is 100,000,001: must be at most 100,000,000, or inf for the limit"):
        GRPO(group_size=100_000_001)
    with pytest.raises(ChainError, match="prompts is 100,001: with dynamic sampling must be at most 100,000"):
        DAPO(prompts=100_001)
    with pytest.raises(ChainError, match=r"1 x 8,000,000 responses of .* turns with 3 answers are to be drawn at once: more"):
        sampled_gradient(GRPO(group_size=1_000_000), solve(MDP, HERE), rng=0)
    with pytest.raises(ChainError, match=r"10,000,000 x 64 responses of .* turns with 3 answers are to be drawn in all: more"):
        sampled_gradient(GRPO(group_size=8), solve(MDP, HERE), batches=10_000_000, rng=0)
    many = np.full(200_000, 0.5)
    with pytest.raises(ChainError, match=r"group_size is 1,000,001: 200,000 sums over .* counts each are more than 300,000,000"):
        mean_over_counts(1_000_000, many, many, lambda k: (k,))


def test_a_chance_that_numbers_cannot_hold_is_named() -> None:
    """In groups without end a credit over a standard deviation has the size of 1/sqrt(p): p = e^-1050 is no number.

    A likelier first answer of the first prompt would be what goes on most: the others all but never do.
    """
    far = solve(MDP, Policy.tabular(-700 * Z[None], np.array([[1.0, 700.0, 700.0], *U[1:]])[None]))
    with pytest.raises(
        ChainError, match=r"chance of a success at prompt 0 is 0\.0.*: must be at least 1e-290 where it can occur"
    ):
        GRPO(group_size=math.inf).gradient(far)
    assert np.isfinite(GRPO(group_size=math.inf, epsilon=1e-6).gradient(far).sample).all()
    never = TwoStageMDP(correct=[[1, 1]], sample_length=3, gamma=1.0)  # nothing is wrong, which is no matter of digits
    assert (GRPO(group_size=math.inf).gradient(solve(never, Policy.tabular(Z[:1, :2][None], U[:1, :2][None]))).sample == 0).all()


@pytest.mark.parametrize("rare", ["success", "failure"])
@pytest.mark.parametrize("by", ["answer", "stop"])
def test_groups_without_end_beside_rewards_whose_chance_is_no_number(rare: str, by: str) -> None:
    """The gradient is the root of p (1 - p) times that of the log-odds, z + log P(stop) of one answer less that of the other."""
    sign = 1.0 if rare == "success" else -1.0
    z, u = ([-900.0, 0.0], [0.3, -0.4]) if by == "answer" else ([-20.0, 0.5], [-900.0, -0.4])
    mdp = TwoStageMDP(correct=[[1, 0]] if rare == "success" else [[0, 1]], prompt_weight=[1.0], gamma=1.0)
    solution, objective = solve(mdp, Policy.tabular([z], [u])), GRPO(group_size=math.inf, normalise_by="responses")
    stop = [math.exp(v) / (1.0 + math.exp(v)) for v in u]
    log_odds = z[0] + u[0] - math.log1p(math.exp(u[0])) - z[1] + math.log1p(math.exp(-u[1]))  # log P(stop) by hand
    root = math.exp(0.5 * log_odds)
    found = objective.gradient(solution)
    np.testing.assert_allclose(found.sample[0, 0], [sign * root, -sign * root], rtol=1e-11)
    np.testing.assert_allclose(found.decide[0, 0], [sign * root * (1.0 - stop[0]), -sign * root * (1.0 - stop[1])], rtol=1e-11)
    c_s, _ = objective.coefficients(solution, Trajectories.record([(0, [(0, "stop")]), (0, [(1, "stop")])]))
    np.testing.assert_allclose(c_s, [sign / root, -sign * root], rtol=1e-11)


@pytest.mark.parametrize("divided_by", ["responses", "response-tokens"])
def test_a_success_too_rare_for_any_number_leaves_the_credits_of_others(divided_by: str) -> None:
    solution = solve(TwoStageMDP.minimal(gamma=1.0), Policy.tabular([[-2000.0, 0.0]], [[0.3, -0.4]]))
    objective = GRPO(group_size=math.inf, normalise_by=divided_by)
    c_s, _ = objective.coefficients(solution, Trajectories.record([(0, [(0, "stop")]), (0, [(1, "stop")])]))
    assert c_s[0] == math.inf
    assert 0.0 >= c_s[1] > -1e-300
    found = objective.gradient(solution)
    assert not found.sample.any()
    assert not found.decide.any()


def test_each_run_knows_its_own_rare_rewards() -> None:
    mdp, objective = TwoStageMDP.minimal(gamma=1.0, max_turns=3), GRPO(group_size=math.inf)
    policy = Policy.tabular([[[[z, 0.0]]] for z in (-900.0, -1.0, 800.0)], [[[[0.3, -0.4]]]] * 3)
    found = objective.gradient(solve(mdp, policy))
    for i, one in enumerate(policy.each_run()):
        alone = objective.gradient(solve(mdp, one))
        assert np.abs(alone.sample).max() > 0.0
        np.testing.assert_allclose(found.sample[i], alone.sample, rtol=1e-12)
        np.testing.assert_allclose(found.decide[i], alone.decide, rtol=1e-12)

"""Groups whose rewards take three or more values: against every group, against nested sums over counts, against samples."""

from __future__ import annotations

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from dstheory import Policy, TwoStageMDP, enumerate_trajectories, solve
from dstheory.errors import ChainError
from dstheory.objectives import CISPO, DAPO, GRPO, DAPOBatch, DrGRPO, GroupMeanObjective, sampled_gradient
from dstheory.objectives.expectation import counts as module
from dstheory.objectives.expectation.counts import mean_credits

REWARDS = (-0.5, 0.0, 0.3, 1.0)
SHARES = np.array([[0.1, 0.2, 0.3, 0.4], [1e-9, 1 - 3e-9, 1e-9, 1e-9], [0.6, 1e-6, 0.4 - 2e-6, 1e-6], [0.0, 0.5, 0.5, 0.0]]).T


def by_hand(
    rewards: tuple[float, ...], shares: np.ndarray, size: int, ddof: int, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sum over every group of counts in 40 digits; also of the credits' terms without signs."""
    out, signless = (np.zeros(shares.shape) for _ in range(2))
    with mp.workdps(40):
        r = [mp.mpf(v) for v in rewards]
        for counts in itertools.product(range(size), repeat=len(r)):
            if sum(counts) != size - 1:
                continue
            ways = math.factorial(size - 1) // math.prod(math.factorial(k) for k in counts)
            for i in range(len(r)):
                group = [k + (j == i) for j, k in enumerate(counts)]
                mean = mp.fsum(k * v for k, v in zip(group, r, strict=True)) / size
                variance = mp.fsum(k * (v - mean) ** 2 for k, v in zip(group, r, strict=True)) / (size - ddof)
                if max(group) == size:
                    continue
                below = mp.sqrt(variance) + epsilon
                spread = mp.fsum(k * abs(r[i] - v) for k, v in zip(group, r, strict=True)) / size
                for x in range(shares.shape[1]):
                    chance = ways * mp.fprod(mp.mpf(float(shares[j, x])) ** k for j, k in enumerate(counts))
                    out[i, x] += float(chance * (r[i] - mean) / below)
                    signless[i, x] += float(chance * spread / below)
    return out, signless


def test_rewards_that_are_nearly_the_same_lose_no_more_digits_than_stated() -> None:
    rewards, shares = (0.0, 2e-5, 1.0), np.array([[39 / 80], [39 / 80], [1 / 40]])
    expected, signless = by_hand(rewards, shares, 79, 0, 0.0)
    found = mean_credits(rewards, shares, size=79, ddof=0, epsilon=0.0)
    assert (abs(found - expected) <= 1e-10 * signless).all()


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize(("ddof", "epsilon"), [(1, 0.0), (0, 1e-4), (1, 20.0)])
@pytest.mark.parametrize("written_out", [True, False])
def test_both_ways_are_the_sum_over_every_group(
    size: int, ddof: int, epsilon: float, written_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not written_out:
        monkeypatch.setattr(module, "_MOST_WAYS", 0)
    found = mean_credits(REWARDS, SHARES, size=size, ddof=ddof, epsilon=epsilon)
    exact, signless = by_hand(REWARDS, SHARES, size, ddof, epsilon)
    assert (np.abs(found - exact) <= 1e-12 * signless + 1e-300).all()


def nested(rewards: tuple[float, float, float], w: np.ndarray, size: int, epsilon: float) -> np.ndarray:
    """Three rewards: a sum over two nested binomial counts, by SciPy's probabilities, ten standard deviations wide."""
    n = size - 1

    def near(p: float, of: int) -> np.ndarray:
        wide = 11.0 * math.sqrt(of * p * (1 - p)) + 60
        return np.arange(max(0, math.floor(of * p - wide)), min(of, math.ceil(of * p + wide)) + 1)

    first = near(float(w[0]), n)
    out = np.zeros(3)
    for k in first:
        second = near(float(w[1] / (w[1] + w[2])), int(n - k))
        chance = stats.binom.pmf(k, n, w[0]) * stats.binom.pmf(second, n - k, w[1] / (w[1] + w[2]))
        counts = np.array([np.full(len(second), k), second, n - k - second], dtype=float)
        for i in range(3):
            group = counts.copy()
            group[i] += 1
            mean = np.array(rewards) @ group / size
            variance = sum(c * (v - mean) ** 2 for c, v in zip(group, rewards, strict=True)) / (size - 1)
            below = np.sqrt(np.maximum(variance, 1e-300)) + epsilon
            out[i] += float((chance * np.where(group.max(axis=0) == size, 0.0, (rewards[i] - mean) / below)).sum())
    return out


@pytest.mark.parametrize("size", [76, 77, 78, 500, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("epsilon", [0.0, 0.05])
def test_on_both_sides_of_the_switch_it_is_a_nested_sum_over_counts(size: int, epsilon: float) -> None:
    rewards = (0.0, 0.2, 1.0)
    assert (module.ways(3, size - 1) <= module._MOST_WAYS) == (size <= 76)
    for w in ([0.2, 0.5, 0.3], [0.97, 0.02, 0.01]):
        shares = np.array(w)
        found = mean_credits(rewards, shares[:, None], size=size, ddof=1, epsilon=epsilon)[:, 0]
        exact = nested(rewards, shares, size, epsilon)
        np.testing.assert_allclose(found, exact, rtol=0, atol=2e-11 * np.abs(exact).max())


@pytest.mark.parametrize("size", [10_000, 1_000_000])
def test_a_third_reward_that_hardly_occurs_leaves_two(size: int) -> None:
    """Then it is the sum over counts of rewards 0 and 1, by SciPy; the third gets what a rare reward gets of the others' law."""
    p = 0.3
    k = np.arange(math.floor(size * p - 12 * math.sqrt(size)), math.ceil(size * p + 12 * math.sqrt(size)))
    chance = stats.binom.pmf(k, size - 1, p)
    root = math.sqrt((size - 1) / size)
    exact = [-(chance * np.sqrt(k / (size - k))).sum() * root, (chance * np.sqrt((size - 1 - k) / (k + 1))).sum() * root]
    shares = np.array([[1 - p], [0.0], [p]])
    found = mean_credits((0.0, 0.25, 1.0), shares, size=size, ddof=1, epsilon=0.0)[:, 0]
    np.testing.assert_allclose(found[[0, 2]], exact, rtol=1e-10)
    # large groups: (r - p)/sqrt(p (1 - p)) up to 1/G
    assert found[1] == pytest.approx((0.25 - p) / math.sqrt(p * (1 - p)), rel=20 / size)


# ---------------------------------------------------------------------- gradients

MDP = TwoStageMDP(
    correct=[[1, 0, 0], [0, 1, 1]],
    reward_stop=[[1.0, 0.2, 0.0], [0.2, 0.7, 1.0]],
    sample_length=[[3, 40, 7], [11, 2, 5]],
    decision_length=2,
    prompt_weight=[3, 1],
    gamma=1.0,
    max_turns=2,
)
HERE = Policy.from_probabilities([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]], [[0.8, 0.4, 0.6], [0.3, 0.9, 0.5]])
OLD = Policy.from_probabilities([[0.35, 0.4, 0.25], [0.5, 0.2, 0.3]], [[0.6, 0.5, 0.7], [0.5, 0.7, 0.4]])


def every_batch(objective: GroupMeanObjective, kind: str) -> np.ndarray:
    """Sum over every group of responses of one prompt: (2, 2, 3) for (stage, prompt, answer)."""
    t = enumerate_trajectories(MDP, HERE)
    total = np.zeros((2, 2, 3))
    for x in range(2):
        members = []
        for i in np.flatnonzero(t.prompt == x):
            rows = range(int(t.offsets[i]), int(t.offsets[i + 1]))
            score, length = np.zeros((2, 3)), 0.0
            for j in rows:
                y = int(t.answer[j])
                length += float(MDP.sample_length[x, y]) + (2.0 if t.decided[j] else 0.0)
                score[0] -= HERE.sample_prob[0, x]
                score[0, y] += 1.0
                if t.decided[j]:
                    stop = float(HERE.stop_prob[0, x, y])
                    score[1, y] += (1.0 - stop) if t.stop[j] else -stop
            reward = float(MDP.reward_stop[x, int(t.answer[rows[-1]])])
            members.append((float(t.weight[i] / MDP.prompt_weight[x]), reward, length, score))
        for group in itertools.product(members, repeat=int(objective.group_size)):
            rewards = np.array([m[1] for m in group])
            if (rewards == rewards[0]).all():
                continue
            credit = (rewards - rewards.mean()) / (rewards.std(ddof=objective.ddof) + objective.epsilon)
            chance = float(MDP.prompt_weight[x]) * math.prod(m[0] for m in group)
            tokens = sum(m[2] for m in group)
            for c, (_, _, length, score) in zip(credit, group, strict=True):
                over = {"own": length * len(group), "constant": 50.0 * len(group), "group": tokens}[kind]
                total[:, x] += chance * c / over * score
    return total


@pytest.mark.parametrize(
    ("objective", "kind"),
    [
        (GRPO(group_size=3, outcome="return"), "own"),
        (GRPO(group_size=2, outcome="return", epsilon=0.1, ddof=0), "own"),
        (DrGRPO(group_size=3, outcome="return", std=True, max_tokens=50), "constant"),
        (DAPO(group_size=3, outcome="return", dynamic_sampling=False), "group"),
        (CISPO(group_size=3, outcome="return"), "group"),
    ],
)
@pytest.mark.parametrize("written_out", [True, False])
def test_gradients_are_sums_over_every_group(
    objective: GroupMeanObjective, kind: str, written_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not written_out:
        monkeypatch.setattr(module, "_MOST_WAYS", 0)
    solution = solve(MDP, HERE)
    g, exact = objective.gradient(solution), every_batch(objective, kind)
    np.testing.assert_allclose(g.sample[0], exact[0], rtol=0, atol=3e-12 * np.abs(exact).max())
    np.testing.assert_allclose(g.decide[0], exact[1], rtol=0, atol=3e-12 * np.abs(exact).max())


def test_the_rule_on_trajectories_has_the_same_credits() -> None:
    solution = solve(MDP, HERE)
    t = enumerate_trajectories(MDP, HERE)
    objective = GRPO(group_size=5, outcome="return")
    c_s, _ = objective.coefficients(solution, t)
    by_rule = np.zeros((2, 3))
    for j, x in enumerate(t.step_prompt):
        by_rule[x] -= t.weight[t.episode[j]] * c_s[j] * HERE.sample_prob[0, x]
        by_rule[x, t.answer[j]] += t.weight[t.episode[j]] * c_s[j]
    np.testing.assert_allclose(objective.gradient(solution).sample[0], by_rule, rtol=1e-11, atol=1e-15)


def test_large_groups_approach_their_limit_and_samples_their_mean() -> None:
    solution = solve(MDP.replace(max_turns=None), HERE)
    limit = GRPO(group_size=math.inf, outcome="return").gradient(solution).sample
    for size in (1_000, 1_000_000):
        g = GRPO(group_size=size, outcome="return").gradient(solution).sample
        np.testing.assert_allclose(g, limit, rtol=0, atol=10 / size * np.abs(limit).max())
        off = CISPO(group_size=size, outcome="return", sampler=OLD).gradient(solution).sample
        assert np.isfinite(off).all()
    objective = DAPOBatch(group_size=6, prompts=2, outcome="return", epsilon=0.01)
    found = sampled_gradient(objective, solution, batches=3_000, rng=5)
    exact = objective.gradient(solution)
    assert (np.abs(found.gradient.sample - exact.sample) <= 4.5 * found.standard_error.sample + 1e-12).all()
    assert (np.abs(found.gradient.decide - exact.decide) <= 4.5 * found.standard_error.decide + 1e-12).all()


def test_what_is_not_summed_is_refused_in_a_sentence() -> None:
    with pytest.raises(ChainError, match="the probability that a group is mixed has no closed form"):
        DAPO(outcome="return").gradient(solve(MDP.replace(gamma=0.5), HERE))
    with pytest.raises(ChainError, match="rewards take more than two values, and the credit"):
        GRPO(outcome="return", sampler=OLD).gradient(solve(MDP.replace(gamma=0.5), HERE))
    with pytest.raises(ChainError, match="pays at most 16 values, at the end only and without discount"):
        GRPO(outcome="return").gradient(solve(MDP.replace(gamma=0.5), HERE))
    many = np.repeat([[0.2], [0.3], [0.5]], 100_000, axis=1)
    for size in (70, 1_000_000):
        with pytest.raises(
            ChainError, match=rf"group_size is {size:,}: 100,000 sums over 3 rewards at least 0.25 apart need more"
        ):
            mean_credits((0.0, 0.25, 1.0), many, size=size, ddof=1, epsilon=0.0)


@pytest.mark.parametrize("scale", [1e-5, 1e-7, 1e-300])
def test_rewards_of_one_prompt_are_told_apart_however_large_those_of_another_are(scale: float) -> None:
    """A group's deviation takes the scale out; rewards within 1e-12 of the largest of all prompts were one reward."""
    paid = np.array([[1e6, 3e5, 0.0], [scale, 0.0, 0.3 * scale]])
    logits, stops = np.array([[[0.3, -0.2, 0.1], [0.5, 0.1, -0.4]]]), np.array([[[0.5, -0.5, 0.2], [0.1, 0.8, -0.3]]])

    def gradient(prompts: list[int], unit: float) -> np.ndarray:
        mdp = TwoStageMDP(correct=[[1, 0, 0]] * len(prompts), reward_stop=unit * paid[prompts], max_turns=2, gamma=1.0)
        policy = Policy.tabular(logits[:, prompts], stops[:, prompts])
        return GRPO(group_size=4, outcome="return").gradient(solve(mdp, policy)).sample

    together = gradient([0, 1], 1.0)
    np.testing.assert_allclose(2.0 * together[:, 1:], gradient([1], 1.0 / scale), rtol=1e-9)
    np.testing.assert_allclose(2.0 * together[:, :1], gradient([0], 1e-6), rtol=1e-9)


def test_rewards_that_differ_by_rounding_are_one_beside_another_prompt_s() -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17: of a group whose members all get it, or 0, none is better than another."""
    paid = np.array([[0.1 + 0.2 - 0.3, 0.0, 0.3], [0.1 + 0.2, 0.3, 1e-9]])
    mdp = TwoStageMDP(correct=[[1, 0, 0]] * 2, reward_stop=paid, max_turns=1, gamma=1.0)
    policy = Policy.tabular(np.array([[[0.3, -0.2, -40.0], [0.5, 0.1, -40.0]]]), np.zeros((1, 2, 3)))
    found = GRPO(group_size=4, outcome="return").gradient(solve(mdp, policy)).sample
    assert np.abs(found[..., :2]).max() < 1e-12


@pytest.mark.parametrize("size", [4, 8, 200])
@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e150, 1e300])
def test_a_deviation_takes_the_unit_of_rewards_out_also_where_squares_are_no_numbers(size: int, unit: float) -> None:
    """Credits of rewards of 1e-160 were off by a thousandth, of 1e-300 and 1e300 no numbers."""
    shares = np.array([[0.2], [0.5], [0.3]])
    found, plain = (mean_credits((0.0, 0.3 * u, u), shares, size=size, ddof=1, epsilon=1e-4 * u) for u in (unit, 1.0))
    np.testing.assert_allclose(found, plain, rtol=1e-12)


def test_rewards_of_very_unlike_sizes_in_large_groups_are_refused_by_their_distance() -> None:
    with pytest.raises(ChainError, match=r"^group_size is 200: 1 sums over 3 rewards at least 3e-301 apart need more than"):
        mean_credits((0.0, 3e-301, 1.0), np.array([[0.2], [0.5], [0.3]]), size=200, ddof=1, epsilon=0.0)

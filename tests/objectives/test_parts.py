"""Credits and normalisers on arrays, against plain Python written from their definitions, and what they refuse."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from profiles import in_turn
from strategies import make_case

from dstheory import Policy, TwoStageMDP, solve
from dstheory.errors import ChainError
from dstheory.objectives import GRPO, GroupObjective, K1Loss, Reinforce, SFTTokenMean, checking, fused, parts
from dstheory.objectives.checking import DisagreementError
from dstheory.objectives.expectation.rewards import reward_of
from dstheory.objectives.parts import (
    BatchTokens,
    ConstantLength,
    Credit,
    GroupMean,
    GroupTokens,
    LeaveOneOut,
    Minus,
    PerResponse,
    PerToken,
    Positive,
    Raw,
    SignedMatch,
    response_coefficients,
)
from dstheory.objectives.token_parts import clip_weight, truncate_weight

# Lopsided: three groups of four, one without variance, rewards beyond 0/1.
REWARDS = [[1.0, 0.0, 0.0, 0.25], [3.0, -1.0, 0.5, 0.5], [0.7, 0.7, 0.7, 0.7]]
LENGTHS = [[3.0, 40.0, 7.0, 1.0], [2.0, 2.0, 9.0, 500.0], [1.0, 1.0, 1.0, 2.0]]


def std(group: list[float], ddof: int) -> float:
    mean = math.fsum(group) / len(group)
    return math.sqrt(math.fsum((r - mean) ** 2 for r in group) / (len(group) - ddof))


def mean(group: list[float]) -> float:
    return math.fsum(group) / len(group)


CREDITS = {
    "raw": (Raw(), lambda i, g: g[i]),
    "minus": (Minus(0.3), lambda i, g: g[i] - 0.3),
    "loo": (LeaveOneOut(), lambda i, g: g[i] - mean(g[:i] + g[i + 1 :])),
    "centred": (GroupMean(std=False), lambda i, g: g[i] - mean(g)),
    "sample std": (GroupMean(), lambda i, g: (g[i] - mean(g)) / std(g, 1) if len(set(g)) > 1 else 0.0),
    "population std": (GroupMean(ddof=0), lambda i, g: (g[i] - mean(g)) / std(g, 0) if len(set(g)) > 1 else 0.0),
    "epsilon": (GroupMean(epsilon=0.1), lambda i, g: (g[i] - mean(g)) / (std(g, 1) + 0.1) if len(set(g)) > 1 else 0.0),
    "positive": (Positive(0.4), lambda i, g: float(g[i] > 0.4)),
}
NORMALISERS = {
    "responses": (PerResponse(), lambda i, j, n: 1 / 12),
    "token": (PerToken(), lambda i, j, n: 1 / 12 / n[i][j]),
    "constant": (ConstantLength(64), lambda i, j, n: 1 / 12 / 64),
    "group": (GroupTokens(), lambda i, j, n: 1 / 3 / sum(n[i])),
    "batch": (BatchTokens(), lambda i, j, n: 1 / sum(map(sum, n))),
}


@pytest.mark.parametrize("credit", CREDITS)
@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_coefficients_are_credit_times_normaliser(credit: str, normaliser: str) -> None:
    (c, by_hand), (n, factor) = CREDITS[credit], NORMALISERS[normaliser]
    found = response_coefficients(REWARDS, LENGTHS, credit=c, normaliser=n)
    for i, group in enumerate(REWARDS):
        for j in range(len(group)):
            assert found[i, j] == pytest.approx(by_hand(j, group) * factor(i, j, LENGTHS), rel=1e-13, abs=1e-17)


def test_signed_matches_equal_the_population_form_on_binary_rewards() -> None:
    rng = np.random.default_rng(3)
    rewards = rng.integers(0, 2, size=(50, 7)).astype(float)
    np.testing.assert_allclose(SignedMatch().of_groups(rewards), GroupMean(ddof=0).of_groups(rewards), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "credit", [Raw(), Minus(0.2), LeaveOneOut(), GroupMean(std=False), GroupMean(), GroupMean(epsilon=0.5), Positive()]
)
def test_limits_are_those_of_large_groups(credit) -> None:
    """Groups of 200,000: the sample mean and deviation lie within 5 standard errors (0.5/sqrt(2e5) = 0.0011) of their limits."""
    rng = np.random.default_rng(0)
    rewards = (rng.random((1, 200_000)) < 0.3).astype(float)
    limit = credit.limit(rewards, np.array(0.3), np.array(math.sqrt(0.21)))
    np.testing.assert_allclose(credit.of_groups(rewards), limit, rtol=0.03, atol=0.006)
    assert SignedMatch().limit(np.array(1.0), np.array(0.3), np.array(0.0)) == pytest.approx(math.sqrt(0.7 / 0.3))


def test_a_group_without_variance_has_credit_zero_and_no_nan() -> None:
    # 0.1 + 0.2 style rewards: the mean of equal numbers need not equal them in floating point.
    for value in (0.0, 1.0, 0.1, 1 / 3):
        for credit in (GroupMean(), GroupMean(ddof=0), GroupMean(epsilon=1e-6), SignedMatch()):
            assert (credit.of_groups(np.full((2, 3), value)) == 0).all()
        assert GroupMean().limit(np.array(value), np.array(value), np.array(0.0)) == 0.0
    assert (SignedMatch().limit(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.zeros(2)) == 0).all()


def test_the_clip_is_the_derivative_of_the_clipped_surrogate() -> None:
    """d/d log rho of min(rho A, clip(rho) A) by central differences, away from the edges."""
    rho = np.array([0.1, 0.5, 0.79, 0.81, 1.0, 1.27, 1.29, 3.0])
    for a in (-2.0, 1.5):

        def surrogate(r: np.ndarray, a: float = a) -> np.ndarray:
            return np.minimum(r * a, np.clip(r, 0.8, 1.28) * a)

        h = 1e-6  # in log rho: error h^2 ~ 1e-12 plus rounding 1e-16/h ~ 1e-10
        slope = (surrogate(rho * np.exp(h)) - surrogate(rho * np.exp(-h))) / (2 * h)
        np.testing.assert_allclose(a * clip_weight(rho, a, low=0.2, high=0.28), slope, atol=1e-8)
    np.testing.assert_allclose(truncate_weight(rho, high=0.28), np.minimum(rho, 1.28))
    np.testing.assert_allclose(truncate_weight(rho, low=0.2, high=0.28), np.clip(rho, 0.8, 1.28))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: response_coefficients([1, 0], [1, 1], credit=Raw(), normaliser=PerToken()),
         r"rewards have shape \(2,\): need \(groups, G\), one row per prompt, at least one response"),
        (lambda: response_coefficients([[1, 0]], [[1, 1, 1]], credit=Raw(), normaliser=PerToken()),
         r"lengths have shape \(1, 3\), rewards \(1, 2\): give one length per response"),
        (lambda: response_coefficients([[1, 0]], [[1, 0]], credit=Raw(), normaliser=PerToken()),
         "length at group 0, response 1 is 0.0: must be finite and > 0; a response has at least one token"),
        (lambda: response_coefficients([[1, np.nan]], [[1, 1]], credit=Raw(), normaliser=PerToken()),
         "reward at group 0, response 1 is nan: must be finite; drop that response, or give it a reward"),
        (lambda: response_coefficients([[1], [0]], [[1], [1]], credit=GroupMean(), normaliser=PerToken()),
         r"group_size is 1: \(R - mean\)/std needs groups of at least 2, a single response has no others to be compared with"),
        (lambda: response_coefficients([[1], [0]], [[1], [1]], credit=LeaveOneOut(), normaliser=PerToken()),
         "group_size is 1: R - mean of the others needs groups of at least 2"),
        (lambda: GroupMean(epsilon=-1e-9), r"epsilon is -1e-09: must be finite and >= 0; 0 reads 0/0 as 0"),
        (lambda: GroupMean(ddof=2), r"ddof is 2: must be 1 \(sample\) or 0 \(population\)"),
        (lambda: Minus(float("inf")), "baseline is inf: must be finite; 0 subtracts nothing"),
        (lambda: ConstantLength(0), "tokens is 0: must be finite and > 0, the constant that sums of tokens are divided by"),
        (lambda: clip_weight([-0.1], 1.0), r"ratio at token 0 is -0.1: must be finite and >= 0; give pi/behaviour"),
        (lambda: clip_weight([1.0], 1.0, low=-0.2), "clip low is -0.2: must be >= 0, how far the ratio may leave 1 on that side"),
        (lambda: truncate_weight([1.0], high=float("nan")), "clip high is nan: must be >= 0"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(ChainError, match=message):
        call()


@pytest.mark.parametrize("per", ["turn", "stage"])
@pytest.mark.parametrize("cap", [None, 3])
def test_the_values_of_the_chains_own_reward_are_those_of_the_chain(per: str, cap: int | None) -> None:
    """Both discounts at their place: an indicator would not show it, it is paid without any."""
    case = make_case(11, cap=cap, kind="tabular", per=per, gamma=0.6)
    solution = solve(case.mdp, case.policy)
    reward = reward_of(solution, "return").reward
    for part in ("value", "q_sample", "q_stop", "q_resample"):
        np.testing.assert_allclose(getattr(reward.values(solution), part), getattr(solution.values, part), rtol=1e-14)


def test_what_somebody_derives_from_a_credit_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: E[f(R)] of a credit of one's own reward, and the average over all groups of any other."""

    class Twice(Raw):
        def of_reward(self, rewards):
            return rewards + np.where(rewards > 0.5, 1.0, -3.0)

    class Skewed(LeaveOneOut):
        def of_groups(self, rewards):
            return rewards * (1.0 + rewards.sum(axis=1, keepdims=True))

    class ByReward(GroupObjective):
        name, credit, normaliser = "by-reward", Raw(), PerToken()

    class ByTwice(GroupObjective):
        name, credit, normaliser = "by-twice", Twice(), PerToken()

    class BySkewed(GroupObjective):
        name, credit, normaliser = "by-skewed", Skewed(), PerResponse()

    mdp, small = TwoStageMDP.minimal(sample_length=[[2, 9]]), Policy.minimal(p=0.3, a=0.8, b=0.6)
    policy = Policy.tabular(small.sample_logits, small.stop_logits)
    solution = solve(mdp, policy)
    chance = float(solution.accuracy[0])
    plain = Reinforce().gradient(solve(TwoStageMDP.minimal(gamma=1.0), policy))
    reward = ByReward(group_size=1).gradient(solution)
    once = K1Loss(policy, beta=1.0, normaliser="response-tokens").gradient(solution)
    for smallest in (1, 1 << 60):
        monkeypatch.setattr(fused, "SMALLEST", smallest)
        found = ByTwice(group_size=1).gradient(solve(mdp, policy))  # 2 of a success and -3 of a failure, over L
        np.testing.assert_allclose(found.decide, 5.0 * reward.decide + 3.0 * once.decide, rtol=1e-11)
        made = BySkewed(group_size=3)  # 2 + the successes among two others, of a success; of a failure 0
        for found in (made.gradient(solve(mdp, policy)), made.mass(solve(mdp, policy)).gradient(policy)):
            np.testing.assert_allclose(found.sample, (2.0 + 2.0 * chance) * plain.sample, rtol=1e-11)
            np.testing.assert_allclose(found.decide, (2.0 + 2.0 * chance) * plain.decide, rtol=1e-11)
    assert not Twice().linear
    with pytest.raises(ChainError, match="give it a method limit"):
        BySkewed(group_size=np.inf).gradient(solution)


def test_a_normaliser_that_is_known_by_its_class_is_not_derived_from() -> None:
    with pytest.raises(ChainError, match="derive it from Normaliser"):
        type("Half", (BatchTokens,), {"of_groups": lambda self, lengths: 0.5 / lengths})


NUMBERS = [
    (kind, field.name)
    for kind in vars(parts).values()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    for field in dataclasses.fields(kind)
    if isinstance(field.default, int | float) and not isinstance(field.default, bool)
]


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
@pytest.mark.parametrize("value", [True, np.False_, "1", 1j, None, {}, [], np.datetime64("2020")])
def test_a_switch_or_a_text_is_no_number(kind: type, name: str, value: object) -> None:
    with pytest.raises(ChainError, match=f"^{name} is .*: must be a number, not of type {type(value).__name__}; give"):
        kind(**{name: value})


def test_switches_are_no_numbers_among_others_either() -> None:
    for make in (lambda: GRPO(reward_weights=(True, 0.5), reward_functions=("correct", "turns")),
                 lambda: SFTTokenMean(None, weights=(True, 0.5))):  # fmt: skip
        with pytest.raises(ChainError, match=r"weights is \(True, 0.5\): must hold numbers, not of type bool"):
            make()


class _AcrossGroups(Raw):
    def of_groups(self, rewards):
        return rewards - rewards.mean(axis=0)


class _FirstIsBest(Raw):
    def of_groups(self, rewards):
        return rewards - rewards[:, :1]


class _OtherShares(Raw):
    def of_groups(self, rewards):
        return rewards - rewards.mean(axis=-1, keepdims=True)

    def of_shares(self, values, right, wrong, size):
        return -2.0 * right, 1.0 - right


@pytest.mark.parametrize(
    ("credit", "said"),
    [(_AcrossGroups, "depend on the other groups"), (_FirstIsBest, "depend on their order"), (_OtherShares, "by of_shares")],
)
def test_a_credit_that_is_not_one_of_its_group_is_refused_by_check(credit, said: str) -> None:
    """They agreed with themselves: both sides of the comparison asked the credit itself."""

    @dataclasses.dataclass(frozen=True, eq=False)
    class Wrong(GRPO):
        @property
        def credit(self):
            return credit()

    with pytest.raises(DisagreementError, match=said):
        checking.check(Wrong(group_size=4), chains=1)
    for std in ("group", "leave-one-out", "batch", "none"):
        assert checking.check(GRPO(group_size=4, std=std), chains=1).enumeration > 0


class _ByMean(Credit):
    words, least_group = "R - mean", 2

    def of_groups(self, rewards):
        return rewards - rewards.mean(axis=-1, keepdims=True)

    def limit(self, rewards, mean, deviation):
        return rewards - mean


class _OverRoot(_ByMean):
    def of_groups(self, rewards):  # what larger groups come to is far away, and comes slowly
        size = rewards.shape[-1]
        return _ByMean.of_groups(self, rewards) + rewards.std(axis=-1, keepdims=True) / np.sqrt(size) + 1.0 / size

    limit = _ByMean.limit


class _Trimmed(_ByMean):
    """Less the mean of the middle eight tenths, of so many responses as are whole."""

    def of_groups(self, rewards):
        out = rewards.shape[-1] // 10
        return rewards - np.sort(rewards)[..., out : rewards.shape[-1] - out].mean(axis=-1, keepdims=True)

    def limit(self, rewards, mean, deviation):
        return rewards - np.clip((mean - 0.1) / 0.8, 0.0, 1.0)


class _OverRanks(_ByMean):
    """The rank of a response, in shares, over the deviation of ranks: of equal responses a large number that goes to 0."""

    def of_groups(self, rewards):
        size, right = rewards.shape[-1], rewards.sum(axis=-1, keepdims=True)
        ranks = np.where(rewards == 1.0, size - right + (right + 1.0) / 2.0, (size - right + 1.0) / 2.0) / size - 0.5
        return ranks / (ranks.std(axis=-1, keepdims=True) + 1e-8)

    def limit(self, rewards, mean, deviation):
        return (np.where(rewards == 1.0, 0.5 - mean / 2.0, -mean / 2.0)) / (deviation / 2.0 + 1e-8)


class _Diverges(_ByMean):
    def of_groups(self, rewards):
        return _ByMean.of_groups(self, rewards) * np.sqrt(rewards.shape[-1])

    def limit(self, rewards, mean, deviation):
        return 0.0 * rewards


def _row(of: Credit, **fields: Any) -> GRPO:
    return type("Own", (GRPO,), {"credit": of})(**{"group_size": 4, **fields})


_WRONG_LIMITS = [
    (_ByMean(), lambda r, mean, deviation: r - 0.5 * mean, "limit"),
    (_ByMean(), lambda r, mean, deviation: (r - mean) * (1.0 + 3e-5), "limit"),
    (_OverRoot(), lambda r, mean, deviation: r - mean + 0.01 * deviation, "limit"),
    (LeaveOneOut(), lambda r, mean, deviation: (r - mean) * (1.0 + 3e-5), "limit"),
    (_ByMean(), lambda r, mean, deviation: r - mean + np.where((deviation > 0) & (deviation < 0.3), 0.1, 0.0), "limit"),
    (GroupMean(epsilon=1e-4), lambda r, mean, deviation: (r - mean) / np.maximum(deviation, 1e-300), "limit"),
    (GroupMean("leave-one-out"), lambda r, mean, deviation: r - mean, "limit"),
    (_Diverges(), lambda r, mean, deviation: 0.0 * r, "no number"),
]


# With either reward, groups of rewards 0 and 1 come first, and refuse all of these.
@pytest.mark.parametrize(("row", "outcome"), in_turn(_WRONG_LIMITS, ["correct", "return"], 1))
def test_a_limit_that_large_groups_do_not_come_to_is_refused_by_check(row: tuple, outcome: str) -> None:
    base, limit, said = row
    wrong = object.__new__(type("Own", (type(base),), {"limit": lambda self, *args: limit(*args)}))
    wrong.__dict__.update(vars(base))
    with pytest.raises(DisagreementError, match=rf"^grpo: .*{said}"):
        checking.check(_row(wrong, outcome=outcome), chains=1)


@pytest.mark.parametrize("credit", [_ByMean(), _OverRoot(), _Trimmed(), _OverRanks(), LeaveOneOut(), Minus(0.3), Raw(),
                                    Positive(), SignedMatch(),
                                    *(GroupMean(std, ddof, epsilon) for std in ("none", "group", "leave-one-out")
                                      for ddof in (0, 1) for epsilon in (0.0, 1e-6, 0.1))])  # fmt: skip
def test_a_limit_that_is_right_passes_the_check(credit) -> None:
    checking._credit_of_a_group(_row(credit))


def test_a_mixin_takes_formulas_away_as_a_class_does() -> None:
    class Mixin:
        def of_groups(self, rewards):
            return 2.0 * rewards

    class Own(Mixin, LeaveOneOut):
        pass

    assert not Own.linear
    failure, success = Own().of_shares((0.0, 1.0), np.asarray(0.5), np.asarray(0.5), 4)
    assert (failure, success) == (0.0, 2.0)
    with pytest.raises(ChainError, match="overrides of_groups; give it a method limit"):
        Own().limit(np.ones(1), np.ones(1), np.ones(1))
    with pytest.raises(ChainError, match="Two overrides of_groups of PerToken"):
        type("Two", (type("Mixin", (), {"of_groups": lambda self, lengths: lengths}), PerToken), {})

"""Level (i): whether both stages get one coefficient on every trajectory and turn; witnesses, declared and made-up rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from objectives.extreme_chains import extreme_case
from objectives.instances import ALL, INSTANCES, ROWS
from strategies import Case, make_case

from dstheory import Policy, Trajectories, TwoStageMDP, attribute, enumerate_trajectories, solve
from dstheory.attribution import coefficient_level, coefficient_levels
from dstheory.errors import ChainError, InfiniteDivergenceError
from dstheory.objectives import (
    REGISTRY,
    SFT,
    ActorCritic,
    EntropyBonus,
    ExpertChain,
    ForwardKL,
    Recorded,
    Reinforce,
    ReverseKL,
    ReverseKLDirect,
    RewardToGo,
    build,
)

HERE = Policy.minimal(p=0.4, a=0.7, b=0.6)
THERE = Policy.minimal(p=0.55, a=0.8, b=0.3)


# ---------------------------------------------------------------------- level (i)

# Registry name: how to make it, and whether c_s = c_d (up to one discount) with lambda > 0 on (lopsided, equal) lengths.
LEVEL_I = {
    "reinforce": (lambda c, lam: Reinforce(), True, True),
    "reward-to-go": (lambda c, lam: RewardToGo(outer_discount=False), True, True),
    "advantage": (lambda c, lam: ActorCritic(), False, False),
    "sft": (lambda c, lam: SFT(ExpertChain(c.expert), length_weight=lam), False, True),
    "kl-direct": (lambda c, lam: ReverseKLDirect(c.reference, length_weight=lam), False, False),
    "kl": (lambda c, lam: ReverseKL(c.reference, length_weight=lam), False, True),
    "forward-kl": (lambda c, lam: ForwardKL(c.reference, length_weight=lam, states="reference"), False, True),
    "entropy": (lambda c, lam: EntropyBonus(length_weight=lam), False, False),
}
DECLARED = {
    "reinforce": ("balanced", "always"), "reward-to-go": ("balanced up to gamma", "outer factor"),
    "advantage": ("unbalanced", "never"), "sft": ("unbalanced", "lambda = 0 or l_s = l_d"),
    "kl-direct": ("unbalanced", "never"), "kl": ("balanced", "same weight w_s"),
    "forward-kl": ("unbalanced", "lambda = 0 or l_s = l_d"), "entropy": ("unbalanced", "never"),
}  # fmt: skip


def lopsided(*, equal: bool, per: str = "stage") -> Case:
    """Three answers, cap 3; lengths either equal at both stages, or different for every answer."""
    case = make_case(21, cap=3, kind="turn-indexed", per=per, gamma=0.6)
    while case.mdp.n_answers.min() < 2:
        case = make_case(case.seed + 1, cap=3, kind="turn-indexed", per=per, gamma=0.6)
    lengths = np.full(case.mdp.shape, 5.0) if equal else 1.0 + np.arange(np.prod(case.mdp.shape)).reshape(case.mdp.shape)
    return Case(case.mdp.replace(sample_length=lengths, decision_length=5.0), case.policy, case.reference, case.expert, case.seed)


def test_level_one_covers_the_registry() -> None:
    assert set(LEVEL_I) == set(DECLARED)
    assert set(LEVEL_I) | {name.rpartition("-")[0] for name, _ in ROWS} == set(REGISTRY)


FIRST = [row for row in ROWS if row[0].endswith("-0")]


@pytest.mark.parametrize(("label", "make"), FIRST, ids=[label for label, _ in FIRST])
def test_level_one_verdicts_of_the_rows_are_those_declared(label: str, make) -> None:
    """Their first instances: on policy, without a penalty."""
    for equal in (False, True):
        case = lopsided(equal=equal)
        level = coefficient_level(make(case), solve(case.mdp, case.policy))
        declared = REGISTRY[label.rpartition("-")[0]].balance
        assert declared in ("balanced", "unbalanced")
        assert level.balanced == (declared == "balanced"), level


@pytest.mark.parametrize("name", sorted(LEVEL_I))
def test_level_one_verdicts_are_those_declared(name: str) -> None:
    make, on_lopsided, on_equal = LEVEL_I[name]
    cls = REGISTRY[name]
    verdict, condition = DECLARED[name]
    assert cls.balance == verdict
    assert condition in cls.balanced_when
    for equal, expected in ((False, on_lopsided), (True, on_equal)):
        case = lopsided(equal=equal)
        level = coefficient_level(make(case, 0.7), solve(case.mdp, case.policy))
        assert level.balanced == expected, (name, equal, level)
        assert (level.witness == "") == expected
        assert level.evidence == "all trajectories"
    # With lambda = 0 lengths play no part: the verdict on lopsided lengths is that on equal ones.
    case = lopsided(equal=False)
    assert coefficient_level(make(case, 0.0), solve(case.mdp, case.policy)).balanced == on_equal


@pytest.mark.parametrize("gamma", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("per", ["turn", "stage"])
@pytest.mark.parametrize("cap", [None, 3])
def test_reward_to_go_without_the_outer_discount_is_balanced_up_to_gamma(gamma: float, per: str, cap: int | None) -> None:
    """B1: with a discount per stage c_s/c_d is exactly gamma, 0 included."""
    rewards = {"stop_correct": 2.0, "resample_correct": -0.25, "stop_wrong": -1.0, "resample_wrong": 0.5}
    s = solve(TwoStageMDP.minimal(gamma=gamma, discount_per=per, max_turns=cap, reward=rewards), HERE)
    level = coefficient_level(RewardToGo(outer_discount=False), s)
    assert level.balanced
    expected = gamma if per == "stage" else 1.0
    assert level.factor == expected
    assert (level.ratio_low, level.ratio_high) == (pytest.approx(expected), pytest.approx(expected))
    kept = coefficient_level(RewardToGo(), s)
    assert kept.balanced
    assert kept.factor == 1.0


@pytest.mark.parametrize("scale", [1e-150, 1e-12, 1.0, 1e12, 1e150])
def test_verdicts_do_not_depend_on_the_scale(scale: float) -> None:
    for equal in (False, True):
        case = lopsided(equal=equal)
        s = solve(case.mdp, case.policy)
        for make, balanced in ((ReverseKL, equal), (ReverseKLDirect, False)):
            level = coefficient_level(make(case.reference, beta=scale, length_weight=0.7), s)
            assert level.balanced == balanced
            assert (level.witness == "") == balanced


def test_ratio_and_witness_of_sft_can_be_checked_by_hand() -> None:
    s = solve(TwoStageMDP.minimal(sample_length=[[16.0, 64.0]]), HERE)
    level = coefficient_level(SFT(ExpertChain(THERE), length_weight=0.5), s)
    assert not level.balanced
    assert (level.ratio_low, level.ratio_high) == (4.0, 8.0)
    assert level.witness == "prompt 0: answer 0 stop; at turn 0 c_s = 4, c_d = 1"
    assert level.evidence == "all trajectories of at most 8 turns"
    shown = Trajectories.record([(0, [(1, "resample"), (0, "stop")]), (0, [(1, "stop")])])
    level = coefficient_level(SFT(Recorded(shown), length_weight=0.5), s)
    assert level.witness == "prompt 0: answer 1 stop; at turn 0 c_s = 8, c_d = 1"
    assert level.evidence == "all 2 recorded trajectories"


def test_a_submission_is_no_decision_in_a_witness() -> None:
    s = solve(TwoStageMDP.minimal(sample_length=9.0, max_turns=2), HERE)
    shown = Trajectories.record([(0, [(1, "resample"), (0, "submit")])], max_turns=2)
    level = coefficient_level(SFT(Recorded(shown), length_weight=1.0), s)
    assert level.witness == "prompt 0: answer 1 resample, answer 0 submit; at turn 0 c_s = 9, c_d = 1"
    assert level.ratio_low == level.ratio_high == 9.0


def test_a_chain_without_decisions_is_balanced_for_want_of_any_and_says_so() -> None:
    level = coefficient_level(SFT(ExpertChain(THERE), length_weight=1.0), solve(TwoStageMDP.minimal(max_turns=1), HERE))
    assert level.balanced
    assert np.isnan(level.ratio_low)
    assert level.evidence == "all trajectories, on which no decision is drawn"


def test_too_many_trajectories_are_sampled_reproducibly() -> None:
    rng = np.random.default_rng(0)
    mdp = TwoStageMDP(correct=rng.integers(0, 2, size=(30, 40)), sample_length=4.0)
    policy = Policy.tabular(rng.normal(size=(30, 40)), rng.normal(size=(30, 40)))
    s, objective = solve(mdp, policy), SFT(ExpertChain(policy), length_weight=0.5)
    one, two = (coefficient_level(objective, s, limit=300, rng=5) for _ in range(2))
    assert one == two
    assert one.evidence == "300 sampled trajectories"
    assert not one.balanced
    assert (one.ratio_low, one.ratio_high) == (2.0, 2.0)
    assert coefficient_level(Reinforce(), s, limit=300).balanced
    # Capped, yet with more trajectories than the limit: sampled as well, never a part taken for the whole.
    capped = coefficient_level(Reinforce(), solve(mdp.replace(max_turns=3), policy), limit=5000)
    assert capped.evidence == "5,000 sampled trajectories"


def test_long_episodes_are_sampled_fewer_times() -> None:
    mdp = TwoStageMDP(correct=np.ones((3, 200)), gamma=0.9)
    policy = Policy.tabular(np.zeros((3, 200)), np.full((3, 200), -9.0))
    level = coefficient_level(Reinforce(), solve(mdp, policy))
    assert level.balanced
    n = int(level.evidence.split()[0])
    assert 100 < n < 1000


def test_sums_have_a_level_one_only_where_their_terms_share_trajectories() -> None:
    s = solve(TwoStageMDP.minimal(sample_length=4.0), HERE)
    shared = attribute(Reinforce() + ReverseKLDirect(THERE, length_weight=0.5), s)
    assert shared.coefficient is not None
    assert not shared.coefficient.balanced
    expert = ExpertChain(THERE)
    for mixed in (
        Reinforce() + SFT(expert),
        SFT(expert) + 0.1 * SFT(ExpertChain(HERE)),
        SFT(expert) + ForwardKL(THERE, states="reference"),
    ):
        assert mixed.measure == "mixed"
        split = attribute(mixed, s)
        assert split.coefficient is None
        assert np.isfinite(split.energy.decide)
        with pytest.raises(ChainError, match="averages over different trajectories: look at its terms one by one"):
            coefficient_level(mixed, s)
    assert (2.0 * SFT(expert)).measure == "demonstrations"
    assert attribute(2.0 * SFT(expert), s).coefficient.ratio_high == pytest.approx(1.0)


def test_level_one_is_that_of_one_run() -> None:
    mdp = TwoStageMDP.minimal()
    for objective, s in (
        (Reinforce(), solve(mdp.replace(gamma=[0.5, 0.9]), HERE)),
        (ReverseKLDirect(THERE, beta=[0.1, 0.2]), solve(mdp, HERE)),
        (ReverseKLDirect(THERE, length_weight=[0.0, 1.0]), solve(mdp, HERE)),
        (EntropyBonus(alpha=[0.1, 0.2]), solve(mdp, HERE)),
        (ForwardKL(THERE, beta=[0.1, 0.2]), solve(mdp, HERE)),
        (ReverseKL(THERE, beta=[0.1, 0.2]), solve(mdp, HERE)),
        (RewardToGo().rescaled([1.0, 2.0]), solve(mdp, HERE)),
        (ActorCritic(), solve(mdp, Policy.minimal(p=[0.2, 0.4], a=0.5, b=0.5))),
    ):
        assert attribute(objective, s).coefficient is None
        assert attribute(objective, s).energy.sample.shape == (2,)
        with pytest.raises(ChainError, match="one run"):
            coefficient_level(objective, s)


def test_an_infinite_log_ratio_is_no_balance() -> None:
    ruled_out = Policy.from_probabilities([[1.0, 0.0]], [[0.5, 0.5]])
    for objective in (ReverseKLDirect(ruled_out), ReverseKL(ruled_out)):
        with pytest.raises(InfiniteDivergenceError, match=r"trajectory \d+, turn 0 \(prompt 0, answer 1\)"):
            coefficient_level(objective, solve(TwoStageMDP.minimal(), HERE))


# ---------------------------------------------------------------------- the coefficient level of made-up rules


@dataclass(frozen=True, eq=False)
class Rule(Reinforce):
    """Coefficients from the turn: whatever a level-(i) verdict has to tell apart."""

    sample: Callable[[np.ndarray], np.ndarray]
    decide: Callable[[np.ndarray], np.ndarray]

    def coefficients(self, solution, trajectories):
        return self.sample(trajectories.turn), self.decide(trajectories.turn)


def test_smallness_is_not_balance() -> None:
    rule = Rule(lambda k: 1e-14 * (k + 1.0), lambda k: 1e-14 * (k + 2.0))
    level = coefficient_level(rule, solve(TwoStageMDP.minimal(), HERE))
    assert not level.balanced
    assert level.factor == 1.0


def test_rounding_of_large_coefficients_is_no_imbalance() -> None:
    rule = Rule(lambda k: 1e6 * (k + 1.0), lambda k: 1e6 * (k + 1.0) * (1 + 1e-15))
    assert coefficient_level(rule, solve(TwoStageMDP.minimal(), HERE)).balanced


def test_a_factor_gamma_counts_as_balance_only_where_the_discount_lies_between_the_stages() -> None:
    rule = Rule(lambda k: 0.5 + 0.0 * k, lambda k: 1.0 + 0.0 * k)
    chains = [TwoStageMDP.minimal(gamma=0.5, discount_per=per) for per in ("turn", "stage")]
    per_turn, per_stage = (coefficient_level(rule, solve(mdp, HERE)) for mdp in chains)
    assert not per_turn.balanced
    assert per_stage.balanced
    assert per_stage.factor == 0.5
    sft, lengths = SFT(ExpertChain(THERE), length_weight=1.0), {"sample_length": 1.0, "decision_length": 2.0}  # c_s/c_d = 1/2
    chains = [TwoStageMDP.minimal(gamma=0.5, discount_per=per, **lengths) for per in ("turn", "stage")]
    policies = [HERE, Policy.minimal(p=0.3, a=0.6, b=0.9)]
    assert [coefficient_levels(sft, mdp, policies)[0].tolist() for mdp in chains] == [[0, 0], [1, 1]]


def test_the_witness_is_the_shortest_trajectory_that_differs() -> None:
    """Equal at the first turn (up to rounding of a large number), unequal from the second on."""
    rule = Rule(lambda k: 1e6 + 0.0 * k, lambda k: np.where(k == 0, 1e6 * (1 + 1e-15), 7.0))
    level = coefficient_level(rule, solve(TwoStageMDP.minimal(), HERE))
    assert not level.balanced
    assert "7" in level.witness
    assert "resample" in level.witness


def test_a_penalty_that_is_zero_is_not_unbalanced_by_rounding() -> None:
    """At its own reference, with equal weights, the KL has coefficients 0, also where probabilities add up to 1 - 1e-16."""
    policy = Policy.from_probabilities([[0.3, 0.6, 0.1]], stop=[[0.5, 0.4, 0.3]])
    assert policy.sample_prob.sum() != 1.0
    solution = solve(TwoStageMDP(correct=[[0, 1, 0]], sample_length=[[20, 50, 70]], gamma=0.9), policy)
    level = coefficient_level(ReverseKL(policy), solution)
    assert level.balanced
    assert not coefficient_level(ReverseKL(policy, length_weight=0.5), solution).balanced  # the lengths differ


def test_the_verdict_in_words() -> None:
    s = solve(TwoStageMDP.minimal(gamma=0.6, discount_per="stage"), HERE)
    for objective, words in (
        (Reinforce(), "balanced"),
        (RewardToGo(outer_discount=False), "balanced up to gamma = 0.6"),
        (ReverseKLDirect(THERE), "unbalanced"),
        (ReverseKL(HERE), "all 0"),
    ):
        assert coefficient_level(objective, s).verdict == words
    once = solve(TwoStageMDP.minimal(max_turns=1), HERE)  # the answer is submitted: its coefficient is not 0, and the only one
    level = coefficient_level(Reinforce(), once)
    assert (level.verdict, level.undecided) == ("no decision", True)
    assert level.evidence == "all trajectories, on which no decision is drawn"
    assert str(attribute(Reinforce(), once)).startswith("reinforce: coefficients not compared")


# ---------------------------------------------------------------------- several policies at once


def test_where_there_is_nothing_to_compare_balance_is_no_number() -> None:
    """One turn, of which no decision is part; and a KL to the policy itself, whose coefficients are 0."""
    once, both = TwoStageMDP.minimal(max_turns=1), [HERE, THERE]
    assert np.isnan(coefficient_levels(Reinforce(), once, both)).all()
    balanced = coefficient_levels(ReverseKLDirect(HERE), TwoStageMDP.minimal(), both)[0]
    assert np.isnan(balanced[0])
    assert balanced[1] == 0.0


def several(case: Case) -> list[Policy]:
    """Three policies of one chain."""
    return [case.policy.with_parameters(tuple(factor * block for block in case.policy.parameters)) for factor in (1.0, 0.5, -0.4)]


def stacked(policies: list[Policy]) -> Policy:
    return policies[0].with_parameters(tuple(np.stack(blocks) for blocks in zip(*(p.parameters for p in policies), strict=True)))


@pytest.mark.parametrize(("label", "make"), ALL, ids=[label for label, _ in ALL])
@pytest.mark.parametrize("cap", [3, None])
def test_several_policies_at_once_are_what_each_is(label: str, make, cap: int | None) -> None:
    case = make_case(21, cap=cap, kind="stationary" if cap is None else "turn-indexed", per="turn", gamma=0.9)
    policies, objective = several(case), make(case)
    try:
        levels = [coefficient_level(objective, solve(case.mdp, policy), limit=400) for policy in policies]
    except ChainError:
        with pytest.raises(ChainError):
            coefficient_levels(objective, case.mdp, policies, limit=400)
        return
    expected = [[np.nan if level.zero else level.balanced, level.ratio_low, level.ratio_high] for level in levels]
    np.testing.assert_allclose(coefficient_levels(objective, case.mdp, policies, limit=400).T, expected, rtol=1e-12)


TOGETHER = ("reinforce", "kl-direct", "sft", "k2-loss", "reinforce + kl-direct")


@pytest.mark.parametrize("name", TOGETHER)
def test_coefficients_of_runs_are_those_of_each_run(name: str) -> None:
    case = lopsided(equal=False)
    policies, t = several(case), enumerate_trajectories(case.mdp, case.policy)
    settings = {"reference": case.reference, "demonstrations": ExpertChain(case.expert), "length_weight": 0.7, "beta": 0.3}
    objective = build(name, settings)
    found = objective.coefficients_of_runs(solve(case.mdp, stacked(policies)), t)
    assert found is not None
    for i, policy in enumerate(policies):
        for all_runs, one in zip(found, objective.coefficients(solve(case.mdp, policy), t), strict=True):
            np.testing.assert_allclose(np.broadcast_to(all_runs, (3, len(t.answer)))[i], one, rtol=1e-12)


def test_impossible_actions_and_a_subclass_are_looked_at_one_by_one() -> None:
    case = lopsided(equal=False)
    solution = solve(case.mdp, stacked(several(case)))
    t = enumerate_trajectories(case.mdp, case.policy)

    class Halved(Reinforce):
        def coefficients(self, solution, trajectories):
            c_s, c_d = super().coefficients(solution, trajectories)
            return c_s, 0.5 * c_d

    assert Halved().coefficients_of_runs(solution, t) is None
    halved = coefficient_levels(Halved(), case.mdp, several(case))
    assert halved[0].tolist() == [0, 0, 0]
    certain = Policy.from_probabilities([[0.5, 0.5]], [[1.0, 0.5]])
    mdp, policies = TwoStageMDP.minimal(max_turns=2), [HERE, THERE]
    assert ReverseKLDirect(certain).coefficients_of_runs(solve(mdp, stacked(policies)), enumerate_trajectories(mdp, HERE)) is None
    with pytest.raises(InfiniteDivergenceError, match="under the reference"):
        coefficient_levels(ReverseKLDirect(certain), mdp, policies)
    levels = coefficient_levels(Reinforce(), mdp, [certain, Policy.from_probabilities([[0.5, 0.5]], [[0.5, 0.5]])])
    assert levels[0].tolist() == [1, 1]


def test_trajectories_whose_probability_rounds_to_0_in_one_run_count_there() -> None:
    mdp, even = TwoStageMDP.minimal(max_turns=3), np.zeros((3, 1, 2))
    # Going on after the first turn, and the second answer then, are so unlikely that both together round to 0.
    rare = Policy.tabular(
        np.array([[[0.0, 0.0]], [[400.0, 0.0]], [[0.0, 0.0]]]), np.array([[[400.0, 400.0]], [[1.4, 1.4]], [[0.0, 0.0]]])
    )
    rule, policies = ReverseKLDirect(THERE, beta=0.3), [Policy.tabular(even, even), rare]
    expected = [coefficient_level(rule, solve(mdp, policy)) for policy in policies]
    found = coefficient_levels(rule, mdp, policies)
    assert found[1:].T.tolist() == [[level.ratio_low, level.ratio_high] for level in expected]


@pytest.mark.parametrize("cap", [None, 2])
def test_an_answer_too_rare_to_be_a_number_is_looked_at(cap: int | None) -> None:
    """The one trajectory that is likelier than the smallest float has equal coefficients, -0.1 log(1/0.5); others have not."""
    reference, mdp = Policy.minimal(p=0.5, a=0.5, b=0.5), TwoStageMDP.minimal(max_turns=cap)
    policies, rule = [Policy.minimal(theta=[800.0, 800.0, b]) for b in (0.0, 1.0)], ReverseKLDirect(reference, beta=0.1)
    level = coefficient_level(rule, solve(mdp, policies[0]))
    assert level.verdict == "unbalanced"
    assert level.witness == f"prompt 0: answer 1 stop; at turn 0 c_s = {-0.1 * (-800 - np.log(0.5)):.6g}, c_d = 0"
    assert coefficient_levels(rule, mdp, policies)[0].tolist() == [0, 0]


def test_a_large_reward_elsewhere_hides_no_difference() -> None:
    """A wrong answer is paid nothing, so that its coefficients are the penalty's, whatever right ones are paid."""
    paid = {"stop_correct": 1e12, "resample_correct": 0.0, "stop_wrong": 0.0, "resample_wrong": 0.0}
    solution = solve(TwoStageMDP.minimal(reward=paid), HERE)
    level = coefficient_level(Reinforce() + ReverseKLDirect(THERE, beta=0.1), solution)
    answer, stop = -0.1 * np.log(0.6 / 0.45), -0.1 * np.log(0.4 / 0.7)
    assert level.witness == f"prompt 0: answer 1 stop; at turn 0 c_s = {answer:.6g}, c_d = {stop:.6g}"


def test_recorded_trajectories_of_weight_0_do_not_count() -> None:
    """Lengths are alike at the right answer alone, and the wrong one was recorded without weight."""
    mdp = TwoStageMDP.minimal(sample_length=[[1.0, 5.0]], decision_length=1.0)
    both = Trajectories.record([(0, [(0, "stop")]), (0, [(1, "stop")])])
    one, two = (replace(both, weight=np.array(weight)) for weight in ([1.0, 0.0], [0.5, 0.5]))
    levels = [coefficient_level(SFT(Recorded(t), length_weight=1.0), solve(mdp, HERE)) for t in (one, two)]
    assert [level.balanced for level in levels] == [True, False]


def test_infinite_terms_of_unlike_signs_are_left_out_where_the_probability_rounds_to_0_and_that_is_said() -> None:
    case = extreme_case(1196)
    rule, solution = INSTANCES["dapo-batch"][2](case), solve(case.mdp, case.policy)
    likely = enumerate_trajectories(solution.mdp, rule.behaviour(solution), max_turns=6, limit=40_000)
    with pytest.raises(ChainError, match="coefficient at step 4 is nan"):
        rule.coefficients(solution, likely)
    level = coefficient_level(rule, solution)
    rare = int((likely.weight == 0).sum())
    assert rare > 1000
    assert f"all trajectories of at most 6 turns, but for {rare:,} whose probability rounds to 0" in level.evidence
    assert level.verdict == "unbalanced"

"""Trajectories: the enumeration against recursion, the sampler against the enumeration, sums against loops, and bad records."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Tables, paths
from scipy.stats import chi2
from strategies import Case, cases, make_case

from dstheory import Policy, Trajectories, TwoStageMDP, enumerate_trajectories, sample_trajectories, solve
from dstheory.errors import ChainError
from dstheory.objectives import Recorded

HALF = Policy.minimal(p=0.5, a=0.5, b=0.5)


def key(t: Trajectories, i: int) -> tuple:
    """One trajectory as (prompt, (answer, decision), ...)."""
    words = [
        (int(y), "resample" if not s else "stop" if d else "submit")
        for y, s, d in zip(*(a[t.offsets[i] : t.offsets[i + 1]].tolist() for a in (t.answer, t.stop, t.decided)), strict=True)
    ]
    return int(t.prompt[i]), *words


# ---------------------------------------------------------------------- all of them


@given(case=cases(capped=True))
def test_the_enumeration_is_complete_and_its_weights_are_right(case: Case) -> None:
    t = enumerate_trajectories(case.mdp, case.policy)
    expected = {(path.prompt, *path.steps): path.weight for path in paths(Tables.of(case.mdp, case.policy))}
    found = {key(t, i): w for i, w in enumerate(t.weight.tolist())}
    assert len(found) == len(t) == len(expected)
    assert found == {k: pytest.approx(w, rel=1e-11) for k, w in expected.items()}
    assert t.weight.sum() == pytest.approx(1.0, abs=1e-12)
    turns = case.mdp.max_turns
    # n^k trajectories stop at turn k < T, n^T submit.
    assert len(t) == sum(int(n) ** k for n in case.mdp.n_answers for k in range(1, turns + 1))


@given(case=cases(capped=False), turns=st.sampled_from([1, 2, 3]))
def test_an_uncapped_enumeration_holds_those_that_stop_in_time(case: Case, turns: int) -> None:
    t = enumerate_trajectories(case.mdp, case.policy, max_turns=turns)
    assert t.decided.all()
    ended = solve(case.mdp, case.policy).turn_distribution(turns).sum(axis=-1) @ case.mdp.prompt_weight
    assert t.weight.sum() == pytest.approx(float(ended), abs=1e-12)
    assert int(t.turns.max()) == turns


def test_what_cannot_happen_is_not_enumerated() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 0], [1, 0, 0]], prompt_weight=[1, 0], max_turns=2)
    policy = Policy.from_probabilities([[0.5, 0.5, 0.0]] * 2, [[1.0, 0.0, 0.5]] * 2)
    found = {key(t, i): t.weight[i] for t in [enumerate_trajectories(mdp, policy)] for i in range(len(t))}
    assert found == {
        (0, (0, "stop")): 0.5, (0, (1, "resample"), (0, "submit")): 0.25, (0, (1, "resample"), (1, "submit")): 0.25,
    }  # fmt: skip
    never = Policy.from_probabilities([[1.0, 0.0, 0.0]] * 2, [[0.0] * 3] * 2)
    assert len(enumerate_trajectories(mdp.replace(max_turns=None), never, max_turns=3)) == 0


def test_what_is_too_rare_to_be_a_number_is_enumerated_with_the_probability_0() -> None:
    mdp = TwoStageMDP.minimal(max_turns=2)
    rare = enumerate_trajectories(mdp, Policy.minimal(theta=[800.0, 800.0, -800.0]))
    found, every = ({key(t, i) for i in range(len(t))} for t in (rare, enumerate_trajectories(mdp, HALF)))
    assert found == every
    assert {key(rare, i): w for i, w in enumerate(rare.weight.tolist()) if w} == {(0, (0, "stop")): 1.0}


def test_enumerations_that_cannot_be_made_are_refused() -> None:
    mdp = TwoStageMDP.minimal()
    with pytest.raises(ChainError, match="infinitely many trajectories: give max_turns"):
        enumerate_trajectories(mdp, HALF)
    with pytest.raises(ChainError, match="max_turns is -1: must be a whole number >= 1"):
        enumerate_trajectories(mdp, HALF, max_turns=-1)
    with pytest.raises(ChainError, match=r"more than 1,000 trajectories within \d turns: use a smaller chain, or sample"):
        enumerate_trajectories(mdp.replace(max_turns=12), HALF, limit=1000)
    many = TwoStageMDP(correct=[[1] + [0] * 99_999], max_turns=2)  # refused before a table of 100,000 x 100,000 is made
    with pytest.raises(ChainError, match="more than 2,000,000 trajectories within 2 turns"):
        enumerate_trajectories(many, Policy.uniform(many))
    with pytest.raises(ChainError, match=r"one policy, but this one has runs \(2,\): pick one run"):
        enumerate_trajectories(mdp.replace(max_turns=2), Policy.minimal(p=[0.1, 0.2], a=0.5, b=0.5))
    with pytest.raises(ChainError, match="1 prompt x 2 answers but the chain has 2 x 2"):
        enumerate_trajectories(TwoStageMDP(correct=[[1, 0], [1, 0]], max_turns=2), HALF)


# ---------------------------------------------------------------------- a sample of them


def chi_square_ok(observed: np.ndarray, expected: np.ndarray, *, level: float = 1e-4) -> None:
    """Pool cells that expect less than 5, then the usual test; seeds are fixed, so this either always passes or never."""
    order = np.argsort(expected)
    cells, o, e = [], 0.0, 0.0
    for i in order:
        o, e = o + observed[i], e + expected[i]
        if e >= 5:
            cells.append((o, e))
            o, e = 0.0, 0.0
    cells[-1] = (cells[-1][0] + o, cells[-1][1] + e)
    statistic = sum((o - e) ** 2 / e for o, e in cells)
    assert statistic < chi2.isf(level, max(1, len(cells) - 1)), (statistic, len(cells))


@pytest.mark.parametrize("cap", [1, 2, 3])
@pytest.mark.parametrize("kind", ["tabular", "turn-indexed", "linear"])
@pytest.mark.parametrize("seed", [3, 8])
def test_sampled_frequencies_are_the_probabilities(cap: int, kind: str, seed: int) -> None:
    case = make_case(seed, cap=cap, kind=kind, per="turn", gamma=0.9)
    t, n = enumerate_trajectories(case.mdp, case.policy), 20_000
    place = {key(t, i): i for i in range(len(t))}
    drawn = sample_trajectories(case.mdp, case.policy, n, rng=seed)
    drawn.check_fits(case.mdp)
    observed = np.zeros(len(t))
    for i in range(n):
        observed[place[key(drawn, i)]] += 1  # a KeyError is a trajectory that cannot happen
    chi_square_ok(observed, n * t.weight)
    assert drawn.weight.sum() == pytest.approx(1.0)


def test_uncapped_samples_have_the_exact_moments() -> None:
    case = make_case(4, cap=None, kind="tabular", per="stage", gamma=0.8)
    s, n = solve(case.mdp, case.policy), 200_000
    t = sample_trajectories(case.mdp, case.policy, n, rng=1)
    assert t.decided.all()
    last = t.offsets[1:] - 1
    right = case.mdp.correct[t.prompt, t.answer[last]]
    for sample, exact in ((t.turns, s.mean_turns), (right, s.mean_accuracy), (t.returns(case.mdp), s.mean_value)):
        assert abs(sample.mean() - float(exact)) < 4.5 * sample.std() / np.sqrt(n) + 1e-12
    prompts = np.bincount(t.prompt, minlength=case.mdp.shape[0])
    chi_square_ok(prompts, n * case.mdp.prompt_weight)
    chi_square_ok(np.bincount(t.turns, minlength=40)[1:40], n * case.mdp.prompt_weight @ s.turn_distribution(39))


def test_a_forced_submission_is_never_decided() -> None:
    for cap in (1, 2, 4):
        case = make_case(9, cap=cap, kind="turn-indexed", per="turn", gamma=0.9)
        t = sample_trajectories(case.mdp, case.policy, 5000, rng=0)
        assert (t.decided == (t.turn < cap - 1)).all()
        assert (t.turns <= cap).all()
        last = np.zeros(len(t.answer), dtype=bool)
        last[t.offsets[1:] - 1] = True
        assert (t.stop == last).all()


def test_samples_are_reproduced_by_their_seed_and_continue_a_generator() -> None:
    mdp = TwoStageMDP.minimal()
    one, two = (sample_trajectories(mdp, HALF, 500, rng=7) for _ in range(2))
    three = sample_trajectories(mdp, HALF, 500, rng=8)
    assert one.answer.tolist() == two.answer.tolist()
    assert one.offsets.tolist() == two.offsets.tolist()
    assert one.answer.tolist() != three.answer.tolist()
    rng = np.random.default_rng(7)
    first, second = (sample_trajectories(mdp, HALF, 500, rng=rng) for _ in range(2))
    assert first.answer.tolist() == one.answer.tolist()
    assert second.answer.tolist() != first.answer.tolist()


def test_answers_of_probability_zero_are_never_drawn() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 0, 0], [1]], prompt_weight=[1, 0])
    policy = Policy.from_probabilities([[0.0, 0.5, 0.5, 0.0], [1.0]], [[0.5] * 4, [0.5]])
    t = sample_trajectories(mdp, policy, 20_000, rng=2)
    assert set(t.answer.tolist()) == {1, 2}
    assert set(t.prompt.tolist()) == {0}
    t = sample_trajectories(mdp.replace(prompt_weight=[0, 1]), policy, 100, rng=2)
    assert set(t.answer.tolist()) == {0}


def test_samples_that_cannot_be_drawn_are_refused() -> None:
    mdp = TwoStageMDP.minimal()
    for n in (0, -3, 2.5, "many"):
        with pytest.raises(ChainError, match=r"^n is .*: must be a whole number >= 1, draw at least one trajectory$"):
            sample_trajectories(mdp, HALF, n, rng=0)
    with pytest.raises(ChainError, match="max_turns is 0"):
        sample_trajectories(mdp, HALF, 1, rng=0, max_turns=0)
    with pytest.raises(ChainError, match=r"1,?000"):
        sample_trajectories(mdp, Policy.minimal(theta=[0.0, -1000.0, 1000.0]), 3, rng=0, max_turns=1000)
    with pytest.raises(ChainError, match="pick one run"):
        sample_trajectories(mdp, Policy.minimal(p=[0.1, 0.2], a=0.5, b=0.5), 3, rng=0)


# ---------------------------------------------------------------------- what is computed on them


@given(case=cases(), factor=st.sampled_from([0.0, 0.5, 1.0]))
def test_sums_and_returns_are_those_of_a_loop(case: Case, factor: float) -> None:
    t = sample_trajectories(case.mdp, case.policy, 30, rng=case.seed % 1000, max_turns=10_000)
    x = np.random.default_rng(case.seed).normal(size=len(t.answer))
    gw, gb = Tables.of(case.mdp, case.policy).gammas
    to_go, returns_to_go, returns, sums, rewards = [], [], [], [], []
    for i in range(len(t)):
        steps = range(int(t.offsets[i]), int(t.offsets[i + 1]))
        sums.append(sum(x[j] for j in steps))
        paid = []
        for j in steps:
            table = case.mdp.reward_stop if t.stop[j] else case.mdp.reward_resample
            paid.append(float(table[t.prompt[i], t.answer[j]]))
            assert t.episode[j] == i
            assert t.turn[j] == j - steps[0]
            assert t.step_prompt[j] == t.prompt[i]
        rewards += paid
        for j in steps:
            to_go.append(sum(factor ** (m - j) * x[m] for m in range(j, steps[-1] + 1)))
            returns_to_go.append(sum((gw * gb) ** (m - j) * gw * paid[m - steps[0]] for m in range(j, steps[-1] + 1)))
        returns.append(returns_to_go[-len(paid)])
    np.testing.assert_allclose(t.to_go(x, factor), to_go, atol=1e-12)
    np.testing.assert_allclose(t.sum(x), sums, atol=1e-12)
    np.testing.assert_allclose(t.rewards(case.mdp), rewards)
    np.testing.assert_allclose(t.returns_to_go(case.mdp), returns_to_go, atol=1e-12)
    np.testing.assert_allclose(t.returns(case.mdp), returns, atol=1e-12)


@given(case=cases(capped=True))
def test_log_probabilities_are_those_of_the_weights(case: Case) -> None:
    t = enumerate_trajectories(case.mdp, case.policy)
    log_s, log_d = t.log_prob(case.policy)
    assert (log_d[~t.decided] == 0.0).all()
    np.testing.assert_allclose(case.mdp.prompt_weight[t.prompt] * np.exp(t.sum(log_s + log_d)), t.weight, rtol=1e-10)


def test_a_chain_with_runs_has_no_one_return() -> None:
    t = sample_trajectories(TwoStageMDP.minimal(), HALF, 5, rng=0)
    runs = TwoStageMDP.minimal(gamma=[0.5, 0.9])
    for compute in (t.rewards, t.returns_to_go, t.returns):
        with pytest.raises(ChainError, match=r"one chain, but this one has runs \(2,\): pick one run"):
            compute(runs)


# ---------------------------------------------------------------------- recorded ones


def test_a_record_is_what_was_written_down() -> None:
    t = Trajectories.record([(1, [(0, "resample"), (2, "stop")]), (0, [(1, "submit")])], max_turns=1)
    assert [key(t, i) for i in range(2)] == [(1, (0, "resample"), (2, "stop")), (0, (1, "submit"))]
    assert t.weight.tolist() == [0.5, 0.5]
    assert (len(t), t.turns.tolist(), t.turn.tolist(), t.episode.tolist()) == (2, [2, 1], [0, 1, 0], [0, 0, 1])
    assert Trajectories.record([(np.int64(0), [(1.0, "stop")])]).answer.tolist() == [1]


@pytest.mark.parametrize(
    ("episodes", "words"),
    [
        ([], "no episodes were given: demonstrations need at least one"),
        ([(0, [0, "stop"])], "episode 0 is (0, [0, 'stop']): must be (prompt, [(answer, decision), ...])"),
        ([(0, [])], "episode 0 has the decisions []: must be resample, ..., then one stop or submit at the end"),
        ([(0, [(0, "stop")]), (0, [(0, "stop"), (1, "stop")])], "episode 1 has the decisions ['stop', 'stop']: must be resample"),
        ([(0, [(0, "resample")])], "episode 0 has the decisions ['resample']: must be resample, ..., then one stop"),
        ([(0, [(0, "halt")])], "episode 0 has the decision 'halt': must be 'stop', 'resample' or 'submit'"),
        ([(0, [(0, "submit")])], "episode 0 submits at turn 1: only the last of max_turns=3 turns may"),
        ([(0, [(0, "submit"), (0, "stop")])], "episode 0 has the decisions ['submit', 'stop']"),
        ([(0.5, [(0, "stop")])], "prompt of episode 0 is 0.5: must be a whole number >= 0"),
        ([(0, [(0, "stop")]), (0, [(-1, "stop")])], "answer of episode 1 is -1: must be a whole number >= 0"),
        ([(0, [(float("nan"), "stop")])], "answer of episode 0 is nan: must be a whole number >= 0"),
        ([("x", [(0, "stop")])], "prompt of episode 0 is 'x': must be a whole number >= 0"),
    ],
)
def test_records_that_are_none_are_refused(episodes, words: str) -> None:
    with pytest.raises(ChainError, match=re.escape(words)):
        Trajectories.record(episodes, max_turns=3)


@pytest.mark.parametrize(
    ("episode", "cap", "words"),
    [
        ((2, [(0, "stop")]), None, "trajectory 1 has prompt 2: the chain has prompts 0 to 1"),
        ((1, [(0, "resample"), (1, "stop")]), None, "trajectory 1, turn 1 has answer 1: prompt 'second' has answers 0 to 0"),
        ((0, [(0, "resample")] * 3 + [(0, "stop")]), 3, "trajectory 1 has 4 turns: the chain is capped at 3"),
        ((0, [(0, "resample")] * 2 + [(0, "stop")]), 3, "trajectory 1 decides at turn 2, but the chain is capped at 3 turns: "
         "no decision is drawn there, record 'submit'"),
        ((0, [(0, "resample"), (0, "submit")]), 3, "trajectory 1 submits at turn 1, but the chain is capped at 3 turns: "
         "only the last turn before a cap submits"),
        ((0, [(0, "resample"), (0, "submit")]), None, "trajectory 1 submits at turn 1, but the chain has no cap: only"),
    ],
)  # fmt: skip
def test_records_of_another_chain_are_refused(episode, cap: int | None, words: str) -> None:
    mdp = TwoStageMDP(correct=[[1, 0], [1]], max_turns=cap, prompts=["first", "second"])
    t = Trajectories.record([(0, [(1, "stop")]), episode], max_turns=len(episode[1]))
    with pytest.raises(ChainError, match=re.escape(words)):
        t.check_fits(mdp)
    with pytest.raises(ChainError, match=re.escape(words)):
        Recorded(t).visits(mdp)


def test_a_trajectory_longer_than_a_turn_indexed_policy_is_refused() -> None:
    turns = Policy.tabular(np.zeros((2, 1, 2)), np.zeros((2, 1, 2)))
    t = Trajectories.record([(0, [(0, "resample"), (0, "resample"), (0, "stop")])])
    with pytest.raises(ChainError, match="a trajectory has 3 turns but the policy is indexed by 2"):
        t.policy_index(turns)
    assert t.policy_index(HALF)[0].tolist() == [0, 0, 0]
    with pytest.raises(ChainError, match="pick one run"):
        t.policy_index(Policy.minimal(p=[0.1, 0.2], a=0.5, b=0.5))

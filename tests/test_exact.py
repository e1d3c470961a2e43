"""The exact solution against three things that share no code with it: closed forms, a dense Markov chain, all trajectories."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import AbsorbingChain, Tables, paths
from strategies import Case, cases, make_case

from dstheory import Policy, TwoStageMDP, solve
from dstheory.chain.bellman import evaluate, reach, unroll
from dstheory.errors import ChainError, ImproperChainError
from dstheory.objectives import Reinforce

probability = st.floats(0.01, 0.99)
number = st.floats(-2.0, 2.0)


def close(actual, expected, rel: float = 1e-11, scale: float = 1.0) -> None:
    np.testing.assert_allclose(actual, expected, rtol=rel, atol=1e-13 * scale)


# ---------------------------------------------------------------------- closed forms of M0


@given(p=probability, a=probability, b=probability, gamma=st.floats(0.0, 1.0))
def test_closed_forms_of_m0(p: float, a: float, b: float, gamma: float) -> None:
    s = solve(TwoStageMDP.minimal(gamma=gamma), Policy.minimal(p=p, a=a, b=b))
    q = p * (1 - a) + (1 - p) * b
    value, turns = p * a / (1 - gamma * q), 1 / (1 - gamma * q)
    q_c, q_w = a + (1 - a) * gamma * value, b * gamma * value
    close(s.value, [value])
    close(s.mean_value, value)
    close(s.accuracy, [p * a / (1 - q)])
    close(s.discounted_visits, [[turns]])
    close(s.visits, [[1 / (1 - q)]])
    close(s.expected_turns, [1 / (1 - q)])
    close(s.mean_turns, 1 / (1 - q))
    close(s.values.q_sample, [[[q_c, q_w]]])
    close(s.values.v_decide, [[[q_c, q_w]]])
    close(s.values.q_stop, [[[1.0, 0.0]]])
    close(s.values.q_resample, [[[gamma * value, gamma * value]]])
    close(s.advantage_sample, [[[q_c - value, q_w - value]]])
    close(s.advantage_stop, [[[(1 - a) * (1 - gamma * value), -b * gamma * value]]])
    close(s.advantage_resample, [[[-a * (1 - gamma * value), (1 - b) * gamma * value]]])
    close([s.p, s.a, s.b], [p, a, b])
    (theta,) = Reinforce().gradient(s).parameters(s.policy)
    close(theta, [
        turns * p * (1 - p) * (q_c - q_w), turns * p * a * (1 - a) * (1 - gamma * value),
        turns * (1 - p) * b * (1 - b) * gamma * value,
    ], scale=turns)  # fmt: skip


@given(p=probability, a=probability, b=probability, gamma=st.floats(0.0, 1.0), r=st.tuples(number, number, number, number))
def test_closed_forms_of_m0_with_general_rewards(p, a, b, gamma, r) -> None:
    sc, rc, sw, rw = r
    reward = {"stop_correct": sc, "resample_correct": rc, "stop_wrong": sw, "resample_wrong": rw}
    s = solve(TwoStageMDP.minimal(gamma=gamma, reward=reward), Policy.minimal(p=p, a=a, b=b))
    turns = 1 / (1 - gamma * (p * (1 - a) + (1 - p) * b))
    value = turns * (p * (a * sc + (1 - a) * rc) + (1 - p) * ((1 - b) * sw + b * rw))
    q_c, q_w = a * sc + (1 - a) * (rc + gamma * value), (1 - b) * sw + b * (rw + gamma * value)
    close(s.value, [value], scale=turns)
    (theta,) = Reinforce().gradient(s).parameters(s.policy)
    close(theta, [
        turns * p * (1 - p) * (q_c - q_w),
        turns * p * a * (1 - a) * (sc - rc - gamma * value),
        turns * (1 - p) * b * (1 - b) * (rw + gamma * value - sw),
    ], rel=1e-10, scale=turns**2)  # fmt: skip


@given(p=probability, a=probability, b=probability)
def test_odds_law_and_when_reflection_helps(p: float, a: float, b: float) -> None:
    acc = float(solve(TwoStageMDP.minimal(), Policy.minimal(p=p, a=a, b=b)).mean_accuracy)
    q = p * (1 - a) + (1 - p) * b
    assert acc / (1 - acc) == pytest.approx(p / (1 - p) * a / (1 - b), rel=1e-10)  # A5
    assert acc - p == pytest.approx(p * (1 - p) * (a + b - 1) / (1 - q), abs=1e-12)  # A3


def test_discount_per_stage_of_m0() -> None:
    """With gamma before every decision and before every turn: V = gamma p a / (1 - gamma^2 q)."""
    s = solve(TwoStageMDP.minimal(gamma=0.9, discount_per="stage"), Policy.minimal(p=0.3, a=0.7, b=0.4))
    q = 0.3 * 0.3 + 0.7 * 0.4
    close(s.value, [0.9 * 0.21 / (1 - 0.81 * q)])
    close(s.discounted_visits, [[1 / (1 - 0.81 * q)]])


# ---------------------------------------------------------------------- a dense Markov chain


def against_the_markov_chain(case: Case, policy: Policy) -> None:
    s, t = solve(case.mdp, policy), Tables.of(case.mdp, policy)
    tokens = 0.0
    for x in range(case.mdp.shape[0]):
        m = AbsorbingChain(t, x)
        n, scale = m.n, float(m.visits.max()) * 10
        close(s.values.value[:, x], m.sample_states(m.value), scale=scale)
        v_decide = m.decide_states(m.value)
        gw, gb = t.gammas
        close(s.values.v_decide[:, x, :n], v_decide, scale=scale)
        close(s.values.q_sample[:, x, :n], gw * v_decide, scale=scale)
        close(s.advantage_sample[:, x, :n], gw * v_decide - m.sample_states(m.value)[:, None], scale=scale)
        following = np.append(m.sample_states(m.value)[1:], 0.0) if case.mdp.max_turns else m.sample_states(m.value)
        q_stop, q_res = case.mdp.reward_stop[x, :n], case.mdp.reward_resample[x, :n] + gb * following[:, None]
        close(s.values.q_stop[:, x, :n], np.broadcast_to(q_stop, v_decide.shape), scale=scale)
        close(s.values.q_resample[:, x, :n], q_res, scale=scale)
        drawn = slice(0, -1 if case.mdp.max_turns else None)
        close(s.advantage_stop[drawn, x, :n], (q_stop - v_decide)[drawn], scale=scale)
        close(s.advantage_resample[drawn, x, :n], (q_res - v_decide)[drawn], scale=scale)
        close(s.visits[:, x], m.sample_states(m.visits), scale=scale)
        close(s.discounted_visits[:, x], m.sample_states(m.discounted_visits), scale=scale)
        visits = m.decide_states(m.visits)
        close(s.answer_visits[:, x, :n], visits, scale=scale)
        close(s.accuracy[x], m.ends @ case.mdp.correct[x, :n])
        close(s.expected_turns[x], m.sample_states(m.visits).sum(), scale=scale)
        lengths = (visits * case.mdp.sample_length[x, :n]).sum() + (visits * case.mdp.decision_length[x, :n])[drawn].sum()
        close(s.expected_tokens[x], lengths, scale=scale * 40)
        tokens += lengths
        up_to = (case.mdp.max_turns or 4) + 2
        close(s.turn_distribution(up_to)[x], m.turn_distribution(up_to))
    assert tokens > 0


@given(case=cases())
def test_a_dense_absorbing_markov_chain_says_the_same(case: Case) -> None:
    against_the_markov_chain(case, case.policy)
    against_the_markov_chain(case, case.reference)


@given(case=cases())
def test_decision_visits_are_answers_times_decisions_that_are_drawn(case: Case) -> None:
    s, t = solve(case.mdp, case.policy), Tables.of(case.mdp, case.policy)
    stop = np.stack([t.stop[t.at(k)] for k in range(case.mdp.max_turns or 1)])
    drawn = np.ones((len(stop), 1, 1))
    if case.mdp.max_turns:
        drawn[-1] = 0.0
    close(s.stop_visits, s.answer_visits * stop * drawn)
    close(s.resample_visits, s.answer_visits * (1 - stop) * drawn)
    assert not case.mdp.inside.all() or (s.answer_visits > 0).all()
    assert (s.answer_visits[:, ~case.mdp.inside] == 0).all()


def test_the_default_turn_distribution_reaches_the_999_per_mille_quantile() -> None:
    s = solve(TwoStageMDP(correct=[[1, 0], [0, 1]]), Policy.from_probabilities([[0.5, 0.5]] * 2, [[0.5, 0.5], [0.1, 0.1]]))
    table = s.turn_distribution()
    assert table.shape == (2, 66)  # ceil(log 0.001 / log 0.9)
    assert table[1].sum() >= 0.999 > table[1, :-1].sum()
    capped = solve(TwoStageMDP.minimal(max_turns=4), Policy.minimal(p=0.5, a=0.5, b=0.5)).turn_distribution()
    assert capped.tolist() == [[0.5, 0.25, 0.125, 0.125]]
    certain = solve(TwoStageMDP.minimal(), Policy.from_probabilities([[0.5, 0.5]], [[1.0, 1.0]]))
    assert certain.turn_distribution().tolist() == [[1.0]]


def test_a_turn_distribution_too_long_to_tabulate_is_refused() -> None:
    s = solve(TwoStageMDP.minimal(), Policy.minimal(theta=[0.0, -30.0, 30.0]))
    with pytest.raises(ChainError, match=r"take up to 7\.38e\+13 turns: give up_to"):
        s.turn_distribution()
    assert s.turn_distribution(2).shape == (1, 2)
    for bad in (0, -1, 1.5):
        with pytest.raises(ChainError, match=f"up_to is {bad}: must be a whole number >= 1"):
            s.turn_distribution(bad)


# ---------------------------------------------------------------------- all trajectories


@given(case=cases(capped=True), noise=st.sampled_from([0.0, 1.0]))
def test_return_variance_by_brute_force(case: Case, noise: float) -> None:
    rng = np.random.default_rng(case.seed)
    mdp = case.mdp.replace(
        reward_stop_variance=noise * rng.random(case.mdp.shape), reward_resample_variance=noise * rng.random(case.mdp.shape)
    )
    s = solve(mdp, case.policy)
    every = list(paths(Tables.of(mdp, case.policy)))
    for x in range(mdp.shape[0]):
        mine = [path for path in every if path.prompt == x]
        total = sum(path.weight for path in mine)
        assert total == pytest.approx(float(mdp.prompt_weight[x]))
        mean = sum(path.weight * path.value for path in mine) / total
        variance = sum(path.weight * ((path.value - mean) ** 2 + path.noise) for path in mine) / total
        assert float(s.value[x]) == pytest.approx(mean, abs=1e-12)
        assert float(s.return_variance[x]) == pytest.approx(variance, abs=1e-11)
        right = sum(path.weight for path in mine if mdp.correct[x, path.steps[-1][0]]) / total
        assert float(s.accuracy[x]) == pytest.approx(right, abs=1e-12)
    assert float(s.mean_value) == pytest.approx(sum(path.weight * path.value for path in every), abs=1e-12)
    assert float(s.mean_turns) == pytest.approx(sum(path.weight * len(path.steps) for path in every), abs=1e-12)


@given(case=cases(capped=False))
def test_uncapped_return_variance_is_second_moment_minus_square(case: Case) -> None:
    """The second moment of the return solves a linear equation of its own (E G^2 = E r^2 + 2 ... ), solved here by iteration."""
    t, s = Tables.of(case.mdp, case.policy), solve(case.mdp, case.policy)
    gw, gb = t.gammas
    for x in range(case.mdp.shape[0]):
        pi, stop = t.pi[0, x], t.stop[0, x]
        r_stop, r_res = case.mdp.reward_stop[x], case.mdp.reward_resample[x]
        v = float(s.value[x])
        # E[G^2] = gw^2 (sum pi (stop r_stop^2 + res (r_res^2 + 2 gb r_res V + gb^2 E[G^2])))
        constant = gw**2 * (pi * (stop * r_stop**2 + (1 - stop) * (r_res**2 + 2 * gb * r_res * v))).sum()
        second = constant / (1 - (gw * gb) ** 2 * (pi * (1 - stop)).sum())
        assert float(s.return_variance[x]) == pytest.approx(second - v**2, rel=1e-9, abs=1e-9 * max(1.0, second))


@given(case=cases(capped=True))
def test_p_a_b_are_shares_of_the_answers_and_decisions_that_occur(case: Case) -> None:
    s = solve(case.mdp, case.policy)
    given_answers = {0: 0.0, 1: 0.0}
    decisions = {(c, d): 0.0 for c in (0, 1) for d in ("stop", "resample")}
    for path in paths(Tables.of(case.mdp, case.policy)):
        for y, d in path.steps:
            c = int(case.mdp.correct[path.prompt, y])
            given_answers[c] += path.weight
            if d != "submit":
                decisions[c, d] += path.weight
    assert float(s.p) == pytest.approx(given_answers[1] / sum(given_answers.values()), abs=1e-12)
    for share, c, d in ((s.a, 1, "stop"), (s.b, 0, "resample")):
        total = decisions[c, "stop"] + decisions[c, "resample"]
        if total == 0.0:
            assert np.isnan(share)
        else:
            assert float(share) == pytest.approx(decisions[c, d] / total, abs=1e-12)


# ---------------------------------------------------------------------- many runs, turns, prompts at once


@given(case=cases(), seed=st.integers(0, 99))
def test_runs_are_solved_side_by_side(case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    many = tuple(np.stack([b + 0.3 * rng.normal(size=b.shape) for _ in range(3)]) for b in case.policy.parameters)
    gammas = np.array([0.0, 0.5, 1.0])
    stops = np.stack([case.mdp.reward_stop * f for f in (1.0, -2.0, 0.5)])
    mdp = case.mdp.replace(gamma=gammas, reward_stop=stops)
    together = solve(mdp, case.policy.with_parameters(many))
    assert mdp.runs == (3,)
    for i in range(3):
        one = solve(
            case.mdp.replace(gamma=gammas[i], reward_stop=stops[i]), case.policy.with_parameters(tuple(b[i] for b in many))
        )
        for name in (
            "value", "mean_value", "accuracy", "mean_accuracy", "visits", "discounted_visits", "expected_turns", "mean_turns",
            "expected_tokens", "return_variance", "advantage_sample", "advantage_stop", "advantage_resample", "answer_visits",
            "stop_visits", "resample_visits", "occupancy", "p", "a", "b",
        ):  # fmt: skip
            np.testing.assert_allclose(getattr(together, name)[i], getattr(one, name), rtol=1e-12, atol=1e-13, err_msg=name)
        np.testing.assert_allclose(together.turn_distribution(3)[i], one.turn_distribution(3), rtol=1e-12, atol=1e-14)


def test_two_run_axes_broadcast_between_chain_and_policy() -> None:
    gamma = np.array([[0.3], [0.9]])
    p = np.array([0.2, 0.5, 0.7])
    s = solve(TwoStageMDP.minimal(gamma=gamma), Policy.minimal(p=p, a=0.6, b=0.7))
    q = p * 0.4 + (1 - p) * 0.7
    close(s.mean_value, p * 0.6 / (1 - gamma * q))
    assert s.mean_value.shape == (2, 3)


@pytest.mark.parametrize("cap", [None, 3])
@pytest.mark.parametrize(
    "name",
    ["reward_stop", "reward_resample", "reward_stop_variance", "reward_resample_variance", "sample_length", "decision_length"],
)
def test_any_one_table_alone_may_carry_the_runs(name: str, cap: int | None) -> None:
    case = make_case(21, cap=cap, kind="tabular", per="stage", gamma=0.9)
    tables = 1.0 + np.random.default_rng(0).random((2, *case.mdp.shape))
    together = solve(case.mdp.replace(**{name: tables}), case.policy)
    assert together.mdp.runs == (2,)
    for i in range(2):
        one = solve(case.mdp.replace(**{name: tables[i]}), case.policy)
        for quantity in ("value", "return_variance", "expected_tokens", "advantage_sample", "mean_value"):
            found = np.broadcast_to(getattr(together, quantity), (2, *np.shape(getattr(one, quantity))))
            np.testing.assert_allclose(found[i], getattr(one, quantity), rtol=1e-12, atol=1e-14)


@given(case=cases())
def test_occupancy_is_prompt_weight_times_visits(case: Case) -> None:
    s = solve(case.mdp, case.policy)
    close(s.occupancy, s.visits * case.mdp.prompt_weight)


def test_rewards_that_depend_on_the_turn() -> None:
    """The engine room takes rewards (T, X, Y): a reward paid only at turn 2 is worth P(stop there and right)."""
    policy = Policy.minimal(p=0.3, a=0.6, b=0.8)
    pay = np.zeros((3, 1, 2))
    pay[1, 0, 0] = 1.0
    v = evaluate(unroll(policy, 3), pay, np.zeros((1, 1, 2)), gamma_within=1.0, gamma_between=0.5)
    q = 0.3 * 0.4 + 0.7 * 0.8
    close(v.value[0], [q * 0.5 * 0.3 * 0.6])
    close(reach(unroll(policy, 3), gamma_between=0.5), [[1.0], [q / 2], [q * q / 4]])


# ---------------------------------------------------------------------- extremes


SIGNS = list(itertools.product([-1000.0, 1000.0], repeat=3))


def limit(theta: float) -> float:
    return 1.0 if theta > 0 else 0.0


@pytest.mark.parametrize("theta", SIGNS)
@pytest.mark.parametrize("cap", [None, 1, 3])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("per", ["turn", "stage"])
def test_logits_of_a_thousand(theta: tuple[float, float, float], cap: int | None, gamma: float, per: str) -> None:
    """No overflow, no NaN, gradients that vanish; where an episode never ends that is said."""
    p, a, b = (limit(t) for t in theta)
    q = p * (1 - a) + (1 - p) * b
    mdp = TwoStageMDP.minimal(gamma=gamma, discount_per=per, max_turns=cap)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        s = solve(mdp, Policy.minimal(theta=theta))
        if cap is None and q == 1.0:
            assert np.isinf(s.mean_turns)
            with pytest.raises(ImproperChainError, match=r"prompt 0: the resample probability of a turn is 1.*cap the number"):
                _ = s.finite_visits
            with pytest.raises(ImproperChainError, match="prompt 0"):
                _ = s.expected_tokens
            if gamma == 1.0:
                for what in ("value", "mean_value", "return_variance"):
                    with pytest.raises(ImproperChainError, match="undiscounted episode never ends"):
                        getattr(s, what)
                with pytest.raises(ImproperChainError, match="prompt 0"):
                    Reinforce().gradient(s)
                return
        gw = gamma if per == "stage" else 1.0
        expected, reached = 0.0, 1.0
        if cap is None:
            expected = gw * p * a / (1 - gw * gamma * q)
        else:
            for k in range(cap):
                expected += reached * gw * p * (1.0 if k == cap - 1 else a)
                reached *= gw * gamma * q
        assert float(s.mean_value) == expected
        assert float(s.return_variance[0]) == 0.0
        g = Reinforce().gradient(s)
        assert np.abs(g.sample).max() < 1e-300
        assert np.abs(g.decide).max() < 1e-300
        for name in ("advantage_sample", "advantage_stop", "advantage_resample", "accuracy", "p"):
            assert np.isfinite(getattr(s, name)).all(), name
        assert np.isfinite(s.turn_distribution(3)).all()
        for name in ("a", "b"):  # NaN if and only if there is no such decision
            none = cap == 1 or limit(theta[0]) == (0.0 if name == "a" else 1.0)
            assert np.isnan(getattr(s, name)) == none


@pytest.mark.parametrize("scale", [1000.0, 745.0, 720.0, 600.0, 300.0, 30.0])
@pytest.mark.parametrize("theta", list(itertools.product([-1.0, -0.9995, 1.0], repeat=3)))
def test_accuracy_at_extreme_logits_to_sixty_digits(scale: float, theta: tuple[float, float, float]) -> None:
    """Odds law in 60 digits: also where every stop probability underflows, to zero or to a few digits."""
    logits = [t * scale for t in theta]
    acc = float(solve(TwoStageMDP.minimal(), Policy.minimal(theta=logits)).mean_accuracy)
    with mpmath.workdps(60):
        s, c, w = (mpmath.mpf(t) for t in logits)
        odds = mpmath.e**s * (1 + mpmath.e**w) / (1 + mpmath.e**-c)
        expected = odds / (1 + odds)
        assert acc == pytest.approx(float(expected), rel=1e-11, abs=1e-30)


def test_accuracy_where_stops_underflow_does_not_count_padding_or_answers_that_never_come() -> None:
    mdp = TwoStageMDP(correct=[[1, 0], [1, 0, 1]])
    sample = [[0.3, -0.2, -np.inf], [-np.inf, 0.5, -0.5]]
    s = solve(mdp, Policy.tabular(sample, [[-800.0, -801.0, 0.0], [-800.0, -802.0, -803.0]]))
    odds = [np.exp(0.3 + 0.2 + 1.0), np.exp(-0.5 - 0.5 - 1.0)]  # which stop comes first: ratios of pi times exp(logit of stop)
    np.testing.assert_allclose(s.accuracy, [o / (1 + o) for o in odds], rtol=1e-12)


def test_shares_exist_where_the_number_of_turns_is_beyond_squaring() -> None:
    """e^500 turns: averages over answers are ratios of visits, and no intermediate result may overflow."""
    mdp = TwoStageMDP(correct=[[1, 0], [1, 0]], prompt_weight=[1, 3])
    sample = np.log([[0.25, 0.75], [0.5, 0.5]])
    s = solve(mdp, Policy.tabular(sample, [[-500.0, -500.0], [-500.0, -500.0]]))
    close([s.p, s.a, s.b], [0.25 * 0.25 + 0.75 * 0.5, np.exp(-500.0), 1.0])


def test_accuracy_of_a_chain_that_certainly_never_stops_is_zero() -> None:
    s = solve(TwoStageMDP.minimal(gamma=0.5), Policy.from_probabilities([[0.5, 0.5]], [[0.0, 0.0]]))
    assert s.accuracy.tolist() == [0.0]
    assert s.mean_turns == np.inf
    close([s.p, s.a, s.b], [0.5, 0.0, 1.0])
    assert float(s.mean_value) == 0.0


@pytest.mark.parametrize("per", ["turn", "stage"])
@pytest.mark.parametrize("away", [1e-3, 1e-8, 1e-13])
@pytest.mark.parametrize("discount_away", [0.0, 1e-4, 1e-9, 1e-15])
def test_conditioning_where_resampling_is_nearly_certain(away: float, discount_away: float, per: str) -> None:
    """1 - gamma q is as small as it gets, yet value, turns and variance keep their digits (against 60-digit arithmetic)."""
    gamma = 1.0 - discount_away
    theta = [0.3, np.log(away), -np.log(2 * away)]
    s = solve(TwoStageMDP.minimal(gamma=gamma, discount_per=per), Policy.minimal(theta=theta))
    with mpmath.workdps(60):
        ts, tc, tw = (mpmath.mpf(float(t)) for t in theta)
        p, a, b = (1 / (1 + mpmath.e**-t) for t in (ts, tc, tw))
        gb = mpmath.mpf(gamma)
        gw = gb if per == "stage" else mpmath.mpf(1)
        q = p * (1 - a) + (1 - p) * b
        value = gw * p * a / (1 - gw * gb * q)
        second = gw**2 * p * a / (1 - (gw * gb) ** 2 * q)
        # The logits themselves are rounded to 1e-16 and multiplied by about 30 in the exponent.
        assert float(s.mean_value) == pytest.approx(float(value), rel=2e-14)
        assert float(s.discounted_visits[0, 0]) == pytest.approx(float(1 / (1 - gw * gb * q)), rel=2e-14)
        assert float(s.return_variance[0]) == pytest.approx(float(second - value**2), rel=1e-13)
        assert float(s.mean_turns) == pytest.approx(float(1 / (1 - q)), rel=2e-14)


def test_improper_chains_name_the_prompt_and_count_the_others() -> None:
    u = np.array([[0.0, 0.0], [-1000.0, -1000.0], [-np.inf, -np.inf]])
    policy = Policy.tabular(np.zeros((3, 2)), u)
    mdp = TwoStageMDP(correct=[[1, 0]] * 3, gamma=1.0, prompts=["easy", "hard", "harder"])
    with pytest.raises(ImproperChainError, match=r"^prompt 'hard' \(and 1 more\): the resample probability of a turn is 1"):
        _ = solve(mdp, policy).value
    with pytest.raises(ImproperChainError, match=r"prompt 1 \(and 1 more\)"):
        _ = solve(mdp.replace(prompts=None), policy).answer_visits
    assert np.isfinite(solve(mdp.replace(gamma=0.99), policy).value).all()
    assert np.isfinite(solve(mdp.replace(max_turns=5), policy).value).all()


@pytest.mark.parametrize("log_stop", [-345.8, -360.0, -500.0, -700.0])
def test_a_chain_that_ends_after_more_than_1e150_turns_counts_as_endless(log_stop: float) -> None:
    """Products of two visit counts would overflow: refused by name where visits are needed, fine where they are not."""
    s = solve(TwoStageMDP.minimal(gamma=0.9), Policy.minimal(theta=[0.0, log_stop, -log_stop]))
    with pytest.raises(ImproperChainError, match="prompt 0: the resample probability of a turn is 1"):
        _ = s.finite_visits
    assert float(s.mean_accuracy) == pytest.approx(0.5)
    assert np.isfinite(s.mean_turns)
    close([s.p, s.a], [0.5, 0.0])


def test_an_endless_prompt_of_weight_zero_spoils_no_average() -> None:
    policy = Policy.tabular(np.zeros((2, 2)), [[0.0, 0.0], [-np.inf, -np.inf]])
    s = solve(TwoStageMDP(correct=[[1, 0], [1, 0]], prompt_weight=[1, 0], gamma=0.9), policy)
    close([s.mean_turns, s.mean_accuracy, s.p, s.a, s.b], [2.0, 0.5, 0.5, 0.5, 0.5])
    close(s.occupancy, [[2.0, 0.0]])
    assert s.expected_turns.tolist() == [2.0, np.inf]


def test_endless_prompts_dominate_the_shares_when_they_occur() -> None:
    policy = Policy.tabular([[0.0, 0.0], [np.log(3.0), 0.0]], [[0.0, 0.0], [-np.inf, -np.inf]])
    s = solve(TwoStageMDP(correct=[[1, 0], [1, 0]], gamma=0.9), policy)
    close([s.p, s.a, s.b], [0.75, 0.0, 1.0])


def test_prompts_without_correct_answers_and_single_answers() -> None:
    mdp = TwoStageMDP(correct=[[0, 0], [1]], gamma=1.0)
    policy = Policy.from_probabilities([[0.3, 0.7], [1.0]], [[0.5, 0.5], [0.25]])
    s = solve(mdp, policy)
    assert s.accuracy.tolist() == [0.0, 1.0]
    close(s.value, [0.0, 1.0])
    close(s.expected_turns, [2.0, 4.0])
    close(s.return_variance, [0.0, 0.0])
    close([s.p, s.a, s.b], [4 / 6, 0.25, 0.5])


def test_a_chain_without_decisions_has_no_a_and_no_b() -> None:
    s = solve(TwoStageMDP.minimal(max_turns=1), Policy.minimal(p=0.3, a=0.5, b=0.5))
    assert np.isnan(s.a)
    assert np.isnan(s.b)
    close([s.mean_value, s.mean_accuracy, s.mean_turns, float(s.p)], [0.3, 0.3, 1.0, 0.3])


def test_huge_lengths_and_rewards_stay_finite() -> None:
    case = make_case(7, cap=None, kind="tabular", per="turn", gamma=0.9)
    big = case.mdp.replace(sample_length=1e6, reward_stop=1e100 * case.mdp.reward_stop)
    s, small = solve(big, case.policy), solve(case.mdp.replace(reward_resample=case.mdp.reward_resample * 1e-100), case.policy)
    np.testing.assert_allclose(s.value, 1e100 * small.value, rtol=1e-12)
    np.testing.assert_allclose(s.return_variance, 1e200 * small.return_variance, rtol=1e-12)
    assert (s.expected_tokens >= 1e6).all()


def test_a_policy_before_its_chain_is_refused() -> None:
    with pytest.raises(ChainError, match="got Policy and TwoStageMDP: give a TwoStageMDP first, then its Policy"):
        solve(Policy.minimal(p=0.5, a=0.5, b=0.5), TwoStageMDP.minimal())


def test_a_policy_of_another_chain_is_refused() -> None:
    with pytest.raises(ChainError, match="1 prompt x 2 answers but the chain has 2 x 2"):
        solve(TwoStageMDP(correct=[[1, 0], [0, 1]]), Policy.minimal(p=0.5, a=0.5, b=0.5))

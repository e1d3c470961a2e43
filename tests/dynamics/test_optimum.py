"""The optimum of reward + KL against a scalar written out by hand, scipy's maximiser, and long training runs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import numpy as np
import pytest
from dynamics.soft_oracles import penalised_return
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from strategies import Case, make_case

from dstheory import Policy, TwoStageMDP, solve, split_gain
from dstheory.chain.exact import Solution
from dstheory.dynamics import NaturalGradient, train
from dstheory.dynamics.soft_optimum import Optimum, optimum, regularised_value
from dstheory.errors import ChainError, ImproperChainError
from dstheory.objectives import Reinforce, ReverseKL, ReverseKLDirect
from dstheory.objectives.mass import CoefficientMass, on_policy_mass
from dstheory.objectives.weights import log_ratios, stage_weights

MODULE = importlib.import_module("dstheory.dynamics.soft_optimum")
PATHS = ["readable", "compiled"]


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(MODULE, "SMALLEST", 0 if request.param == "compiled" else 1 << 60)
    return request.param


def weights(mdp: TwoStageMDP, lam: float, reduction: str = "sum") -> tuple[np.ndarray, np.ndarray]:
    w_s, w_d = stage_weights(mdp, lam, reduction)
    return np.broadcast_to(w_s[0], mdp.shape), np.broadcast_to(w_d[0], mdp.shape)


def lopsided(seed: int, *, cap: int | None, per: str, gamma: float) -> Case:
    kind = "turn-indexed" if cap and seed % 2 else "tabular"
    return make_case(seed, cap=cap, kind=kind, per=per, gamma=gamma)


def test_many_settings_of_the_minimal_chain_are_solved_as_a_few_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop over settings would take minutes: each call alone costs half a millisecond."""
    n, sizes, real = 20_000, [], MODULE.solve_columns

    def counted(turn, **settings):
        sizes.append(turn.columns)
        return real(turn, **settings)

    monkeypatch.setattr(MODULE, "solve_columns", counted)
    rng = np.random.default_rng(1)
    mdp = TwoStageMDP.minimal(sample_length=1024.0, gamma=rng.random(n))
    reference = Policy.minimal(p=rng.random(n), a=rng.random(n), b=rng.random(n))
    best = optimum(mdp, reference, beta=10.0 ** rng.uniform(-4, 4, n), length_weight=rng.random(n))
    assert best.converged.all()
    assert sum(sizes) == n
    assert len(sizes) <= 10


# ------------------------------------------------------------------ it is the optimum, of the stated objective

CHAINS = [
    (0, None, "turn", 0.9, "sum"),
    (1, None, "stage", 0.8, "mean"),
    (2, 3, "turn", 1.0, "sum"),
    (5, 2, "stage", 0.9, "mean"),
    (4, None, "turn", 0.0, "sum"),
]


@pytest.mark.parametrize(("seed", "cap", "per", "gamma", "reduction"), CHAINS)
def test_scipy_finds_no_better_policy_and_the_same_one(seed, cap, per, gamma, reduction) -> None:
    case, beta, lam = lopsided(seed, cap=cap, per=per, gamma=gamma), 1.0 if reduction == "sum" else 3.0, 0.5
    mdp, reference = case.mdp, case.reference
    best = optimum(mdp, reference, beta=beta, length_weight=lam, reduction=reduction)
    w_s, w_d = weights(mdp, lam, reduction)

    def scalar(policy: Policy) -> float:
        return penalised_return(mdp, policy, reference, beta, w_s, w_d)

    np.testing.assert_allclose(best.mean_value, scalar(best.policy), rtol=1e-11, atol=1e-11)
    turns = cap or 1
    shape = (turns, *mdp.shape)
    inside = np.broadcast_to(mdp.inside, shape)

    def policy_at(parameters: np.ndarray) -> Policy:
        z, u = np.full(shape, -np.inf), np.zeros(shape)
        z[inside], u[inside] = np.split(parameters, 2)
        return Policy.tabular(z, u)

    where = [np.broadcast_to(t, shape)[inside] for t in (reference.log_sample, reference.stop_logits)]
    start = np.concatenate(where) + 0.3 * np.random.default_rng(seed).normal(size=2 * int(inside.sum()))
    for _ in range(3):  # a fresh start forgets a bad estimate of the curvature
        found = minimize(lambda t: -scalar(policy_at(t)), start, method="BFGS", options={"gtol": 1e-7, "maxiter": 2000})
        start = found.x
    theirs = policy_at(found.x)
    assert -found.fun <= float(best.mean_value) + 1e-12 * (1.0 + abs(found.fun))
    np.testing.assert_allclose(-found.fun, best.mean_value, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(theirs.sample_prob[inside], best.policy.sample_prob[inside], atol=5e-4)
    drawn = np.broadcast_to(np.arange(turns)[:, None, None] < (turns - 1 if cap else turns), shape)
    joint, mine = (p.sample_prob * p.stop_prob * drawn for p in (theirs, best.policy))  # rare answers' decisions matter little
    np.testing.assert_allclose(joint, mine, atol=5e-4)


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 1, 3]), st.sampled_from(["turn", "stage"]), st.sampled_from([0.3, 0.97]))
def test_every_small_move_away_loses_to_second_order(seed: int, cap: int | None, per: str, gamma: float) -> None:
    case = lopsided(seed, cap=cap, per=per, gamma=gamma)
    rng = np.random.default_rng(seed)
    settings = {"beta": float(10 ** rng.uniform(-1, 1)), "length_weight": float(rng.uniform())}
    best = optimum(case.mdp, case.reference, **settings)
    z, u = best.policy.sample_logits, best.policy.stop_logits
    dz, du = rng.normal(size=z.shape), rng.normal(size=u.shape)

    def at(step: float) -> np.ndarray:
        return regularised_value(case.mdp, Policy.tabular(z + step * dz, u + step * du), case.reference, **settings)

    here, scale = best.value, 1.0 + np.abs(best.value)
    far, near = here - 0.5 * (at(1e-2) + at(-1e-2)), here - 0.5 * (at(5e-3) + at(-5e-3))
    slope = (at(1e-4) - at(-1e-4)) / 2e-4
    # Central differences: truncation 1e-8 times a third derivative (of the size of beta w), rounding 1e-16/1e-4 times V.
    size = scale + settings["beta"] * case.mdp.sample_length.max()
    assert (np.abs(slope) <= 3e-7 * size).all()
    assert (far >= -1e-12 * scale).all()
    np.testing.assert_allclose(far, 4.0 * near, rtol=0.05, atol=1e-10 * size.max())


def test_a_history_dependent_policy_does_no_better() -> None:
    """Every policy of two turns and then the optimum, turn-indexed: a stationary optimum must already be best."""
    case = lopsided(3, cap=None, per="turn", gamma=0.9)
    settings = {"beta": 0.4, "length_weight": 0.5}
    best = optimum(case.mdp, case.reference, **settings)
    capped = case.mdp.replace(max_turns=200)
    long_run = optimum(capped, case.reference, **settings)  # optimal over all turn-indexed policies of 200 turns
    np.testing.assert_allclose(long_run.values[0], best.value, rtol=1e-8)
    np.testing.assert_allclose(long_run.policy.sample_prob[0], best.policy.sample_prob[0], atol=1e-8)


# ------------------------------------------------------------------ what training does


def test_training_with_the_full_penalty_ends_at_the_optimum_when_nothing_is_discounted() -> None:
    mdp, start = TwoStageMDP.minimal(sample_length=16, gamma=1.0), Policy.minimal(p=0.55, a=0.8, b=0.3)
    settings = {"beta": 0.1, "length_weight": 0.5}
    best = optimum(mdp, start, **settings)
    objective = Reinforce() + ReverseKL(start, **settings)
    ended = train(mdp, start, objective, steps=250, optimizer=NaturalGradient(lr=1.5), log_every=250)
    np.testing.assert_allclose(ended.policy.sample_prob, best.policy.sample_prob, atol=1e-9)
    np.testing.assert_allclose(ended.policy.stop_prob, best.policy.stop_prob, atol=1e-9)
    np.testing.assert_allclose(ended.history.objective.values[-1], best.mean_value, rtol=1e-12)


def test_training_on_a_capped_lopsided_chain_ends_at_the_optimum() -> None:
    case = lopsided(7, cap=3, per="turn", gamma=1.0)
    settings = {"beta": 2.0, "length_weight": 0.3}
    best = optimum(case.mdp, case.reference, **settings)
    start = Policy.tabular(*(np.broadcast_to(t, best.policy.sample_logits.shape) for t in
                             (case.reference.sample_logits, case.reference.stop_logits)))  # fmt: skip
    objective = Reinforce() + ReverseKL(case.reference, **settings)
    ended = train(case.mdp, start, objective, steps=600, optimizer=NaturalGradient(lr=0.3), log_every=600)
    np.testing.assert_allclose(ended.policy.sample_prob, best.policy.sample_prob, atol=1e-7)
    drawn = case.mdp.inside & (np.arange(3)[:, None, None] < 2)
    np.testing.assert_allclose(ended.policy.stop_prob[drawn], best.policy.stop_prob[drawn], atol=1e-7)


@dataclass(frozen=True, eq=False)
class DiscountedReverseKL(ReverseKL):
    """The penalty with the reward's discount: what the closed form is exactly optimal for."""

    def mass(self, solution: Solution) -> CoefficientMass:
        w_s, w_d = stage_weights(solution.mdp, self.length_weight, self.reduction)
        up, up_stop, up_res = log_ratios(solution.policy, self.reference)
        answer, gw = -self.beta * w_s * up, solution.mdp.gamma_within
        v = solution.values_of(
            answer - gw * self.beta * w_d * up_stop,
            answer - gw * self.beta * w_d * up_res,
            gamma_between=gw * solution.mdp.gamma_between,
        )
        own = -self.beta * w_s
        return on_policy_mass(solution, solution.discounted_visits, sample=v.q_sample + own, stop=v.q_stop, resample=v.q_resample)


@pytest.mark.parametrize("per", ["turn", "stage"])
def test_with_a_discount_the_penalty_has_to_be_discounted_too(per) -> None:
    mdp = TwoStageMDP.minimal(sample_length=[[16.0, 4.0]], gamma=0.9, discount_per=per)
    start = Policy.minimal(p=0.55, a=0.8, b=0.3)
    settings = {"beta": 0.1, "length_weight": 0.5}
    best = optimum(mdp, start, **settings)

    def ends(penalty: ReverseKL) -> np.ndarray:
        ended = train(mdp, start, Reinforce() + penalty, steps=300, optimizer=NaturalGradient(lr=1.5), log_every=300)
        return np.array([ended.policy.sample_prob[0, 0, 0], *ended.policy.stop_prob[0, 0]])

    mine = np.array([best.policy.sample_prob[0, 0, 0], *best.policy.stop_prob[0, 0]])
    np.testing.assert_allclose(ends(DiscountedReverseKL(start, **settings)), mine, atol=1e-8)
    assert np.abs(ends(ReverseKL(start, **settings)) - mine).max() > 1e-3


@pytest.mark.parametrize("gamma", [1.0, 0.95])
def test_the_direct_term_ends_elsewhere_at_the_same_form_with_the_rewards_own_action_values(gamma) -> None:
    mdp, start = TwoStageMDP.minimal(sample_length=16, gamma=gamma), Policy.minimal(p=0.55, a=0.8, b=0.3)
    beta, w_s = 0.1, 4.0
    objective = Reinforce() + ReverseKLDirect(start, beta=beta, length_weight=0.5)
    ended = train(mdp, start, objective, steps=300, optimizer=NaturalGradient(lr=1.5), log_every=300).policy
    s = solve(mdp, ended)
    # Reward counts discounted visits, the penalty undiscounted ones: the reward's weight is their ratio.
    ratio = (s.discounted_visits / s.visits)[0, 0]
    shift = ended.parameters[0] - start.parameters[0]
    q, v = s.values.q_sample[0, 0], s.value[0]
    np.testing.assert_allclose(shift, ratio * np.array([(q[0] - q[1]) / w_s, 1.0 - gamma * v, gamma * v]) / beta, rtol=1e-7)
    best = optimum(mdp, start, beta=beta, length_weight=0.5).policy
    assert abs(best.sample_prob[0, 0, 0] - ended.sample_prob[0, 0, 0]) > 0.1


# ------------------------------------------------------------------ pinning, and whose gain it is


def test_sampling_is_pinned_at_the_stated_rate_and_decisions_are_not() -> None:
    mdp, ref = TwoStageMDP.minimal(sample_length=1e6), Policy.minimal(p=0.55, a=0.8, b=0.3)
    lam = np.log10([1e3, 1e4, 1e5, 1e6]) / 6.0
    best = optimum(mdp, ref, beta=0.1, length_weight=lam)
    tau = 0.1 * np.array([1e3, 1e4, 1e5, 1e6])
    q_correct = best.policy.stop_prob[:, 0, 0, 0]
    assert (q_correct > 0.96).all()
    # Soft action values from the optimum's own logits: Q_s - V = tau log(pi/ref).
    moved = best.policy.sample_prob[:, 0, 0, 0] - 0.55
    lead = moved * tau
    np.testing.assert_allclose(np.diff(lead) / np.diff(1.0 / tau), np.diff(lead)[0] / np.diff(1.0 / tau)[0], rtol=0.02)
    td = 0.1
    v = best.value[:, 0]
    advantage = td * np.log(0.8 * np.exp(1.0 / td) + 0.2 * np.exp(0.95 * v / td)) - v
    np.testing.assert_allclose(moved, 0.55 * advantage / tau, rtol=2.0 / tau[0])


def test_the_share_of_decisions_tends_to_one_with_the_stated_numbers() -> None:
    mdp, ref = TwoStageMDP.minimal(sample_length=1024.0, gamma=0.95), Policy.minimal(p=0.55, a=0.8, b=0.3)
    best = optimum(mdp, ref, beta=0.1, length_weight=np.log([1.0, 64.0, 1024.0]) / np.log(1024.0))
    end = best.policy
    found = np.stack([end.sample_prob[:, 0, 0, 0], end.stop_prob[:, 0, 0, 0], end.resample_prob[:, 0, 0, 1]], axis=-1)
    stated = [[0.9154, 0.9247, 0.9997], [0.5613, 0.9645, 0.9993], [0.5507, 0.9654, 0.9993]]
    np.testing.assert_allclose(found, stated, atol=5e-5)
    np.testing.assert_allclose(split_gain(mdp, ref, best.policy).decision_share, [0.589, 0.987, 0.999], atol=5e-4)


def test_the_share_of_decisions_is_not_monotone() -> None:
    mdp, ref = TwoStageMDP.minimal(sample_length=2.0, gamma=0.5), Policy.minimal(p=1 / 7, a=5 / 6, b=1 / 2)
    best = optimum(mdp, ref, beta=1 / 7, length_weight=[0.0, 1.0])
    share = split_gain(mdp, ref, best.policy).decision_share
    assert share[1] < share[0] - 0.002


def test_one_answer_may_be_written_as_two() -> None:
    """Splitting an answer's probability between copies changes nothing: why tokens alone, each penalised, pin nothing."""
    whole = TwoStageMDP(correct=[[1, 0]], gamma=0.9, sample_length=9.0)
    split = TwoStageMDP(correct=[[1, 1, 0]], gamma=0.9, sample_length=9.0)
    a = optimum(whole, Policy.from_probabilities([[0.4, 0.6]], [[0.8, 0.7]]), beta=0.2, length_weight=0.5)
    b = optimum(split, Policy.from_probabilities([[0.1, 0.3, 0.6]], [[0.8, 0.8, 0.7]]), beta=0.2, length_weight=0.5)
    np.testing.assert_allclose(a.value, b.value, rtol=1e-14)
    np.testing.assert_allclose(b.policy.sample_prob[0, 0, :2], a.policy.sample_prob[0, 0, 0] * np.array([0.25, 0.75]), rtol=1e-13)


def test_unequal_weights_move_even_a_penalty_without_reward_off_its_reference() -> None:
    nothing = dict.fromkeys(("stop_correct", "resample_correct", "stop_wrong", "resample_wrong"), 0.0)
    ref = Policy.minimal(p=0.5, a=0.5, b=0.5)
    even = optimum(TwoStageMDP.minimal(reward=nothing, sample_length=5.0), ref, beta=1.0, length_weight=1.0)
    np.testing.assert_allclose(even.policy.sample_prob, 0.5, rtol=1e-15)
    uneven = optimum(TwoStageMDP.minimal(reward=nothing, sample_length=[[5.0, 1.0]]), ref, beta=1.0, length_weight=1.0)
    assert uneven.policy.sample_prob[0, 0, 0] < 0.4
    assert uneven.value[0] > 0.1


# ------------------------------------------------------------------ without discount: does it exist?


def bonus_chain(bonus: float, **more) -> TwoStageMDP:
    reward = {"stop_correct": 1.0, "resample_correct": 0.0, "stop_wrong": 0.0, "resample_wrong": bonus}
    return TwoStageMDP.minimal(reward=reward, gamma=1.0, **more)


def test_existence_changes_exactly_where_never_stopping_breaks_even() -> None:
    """beta = 1, all weights 1: never stopping earns log((1 + e^bonus)/4) per turn at p = a = b = 1/2, zero at bonus = log 3."""
    ref = Policy.minimal(p=0.5, a=0.5, b=0.5)
    edge = float(np.log(3.0))
    just = optimum(bonus_chain(edge - 1e-6), ref, beta=1.0)
    assert just.converged.all()
    assert just.value[0] > 10.0
    with pytest.raises(ImproperChainError, match=r"prompt 0: without a discount, .* there is no optimum; make"):
        optimum(bonus_chain(edge + 1e-6), ref, beta=1.0)
    lost = optimum(bonus_chain(edge + 1e-6), ref, beta=[0.1, 1.0, 10.0], throw=False)
    assert lost.value[:, 0].tolist()[:2] == [np.inf, np.inf]
    assert lost.converged[:, 0, 0].tolist() == [False, False, True]
    np.testing.assert_allclose(lost.policy.sample_prob[0], ref.sample_prob)
    assert optimum(bonus_chain(edge + 1.0, max_turns=50), ref, beta=1.0).converged.all()


def test_unequal_lengths_alone_can_make_endless_resampling_pay() -> None:
    ref = Policy.minimal(p=0.5, a=0.5, b=0.5)
    with pytest.raises(ImproperChainError, match="there is no optimum"):
        optimum(TwoStageMDP.minimal(gamma=1.0, sample_length=[[100.0, 1.0]]), ref, beta=1.0, length_weight=1.0)
    assert optimum(TwoStageMDP.minimal(gamma=1.0, sample_length=100.0), ref, beta=1.0, length_weight=1.0).converged.all()


def test_a_reference_that_never_stops() -> None:
    never = Policy.from_probabilities([[0.5, 0.5]], [[0.0, 0.0]])
    with pytest.raises(ImproperChainError, match="the reference never stops and nothing is discounted"):
        optimum(TwoStageMDP.minimal(gamma=1.0, resample_cost=0.1), never, beta=1.0)
    free = optimum(TwoStageMDP.minimal(gamma=0.9, resample_cost=0.1), never, beta=1.0)
    np.testing.assert_allclose(free.value, -1.0, rtol=1e-13)


@pytest.mark.parametrize("gamma", [0.7, 1.0])
def test_a_reference_that_always_stops(gamma, path) -> None:
    """One turn is all there is: V = tau log E_ref e^(gamma R/tau), the answer's reward being one stage away."""
    p, reward, tau = np.array([0.2, 0.5, 0.3]), np.array([1.0, -0.5, 2.0]), 0.3 * 4.0
    mdp = TwoStageMDP(correct=[[1, 0, 1]], reward_stop=[reward], reward_resample=[[5.0, -1.0, 0.0]], sample_length=4.0,
                      decision_length=[[1.0, 7.0, 2.0]], gamma=gamma, discount_per="stage")  # fmt: skip
    best = optimum(mdp, Policy.from_probabilities([p], [[1.0, 1.0, 1.0]]), beta=0.3, length_weight=1.0)
    tilted = p * np.exp(gamma * reward / tau)
    np.testing.assert_allclose(best.value, tau * np.log(tilted.sum()), rtol=1e-13)
    np.testing.assert_allclose(best.policy.sample_prob[0, 0], tilted / tilted.sum(), rtol=1e-12)
    assert best.policy.stop_prob[0, 0].tolist() == [1.0, 1.0, 1.0]


# ------------------------------------------------------------------ shapes, edges, refusals


def test_runs_are_the_single_solutions_side_by_side(path) -> None:
    case = lopsided(11, cap=None, per="stage", gamma=0.9)
    gammas, betas, lams = np.array([0.2, 0.9])[:, None], np.array([0.1, 1.0, 7.0]), np.array([0.0, 0.4, 1.0])
    together = optimum(case.mdp.replace(gamma=gammas), case.reference, beta=betas, length_weight=lams)
    assert together.values.shape == (2, 3, 1, case.mdp.shape[0])
    assert together.policy.runs == (2, 3)
    for i in range(2):
        for j in range(3):
            one = optimum(case.mdp.replace(gamma=gammas[i, 0]), case.reference, beta=betas[j], length_weight=lams[j])
            np.testing.assert_allclose(together.values[i, j], one.values, rtol=1e-12)
            np.testing.assert_allclose(together.policy.stop_prob[i, j], one.policy.stop_prob, rtol=1e-9)
    references = Policy.tabular(*(np.stack([t, t + 0.1 * np.arange(t.shape[-1])]) for t in
                                  (case.reference.sample_logits, case.reference.stop_logits)))  # fmt: skip
    pair = optimum(case.mdp, references, beta=0.5)
    np.testing.assert_allclose(pair.values[0], optimum(case.mdp, case.reference, beta=0.5).values, rtol=1e-12)


def test_what_the_reference_rules_out_stays_ruled_out(path) -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 1], [0, 1]], gamma=0.9, sample_length=[[3, 9, 2], [5, 5]])
    ref = Policy.from_probabilities([[0.0, 0.7, 0.3], [0.4, 0.6]], [[0.5, 0.0, 1.0], [0.2, 0.9]])
    best = optimum(mdp, ref, beta=0.3, length_weight=1.0)
    assert best.policy.sample_prob[0, 0, 0] == 0.0
    assert best.policy.stop_prob[0, 0, 1:].tolist() == [0.0, 1.0]
    assert best.policy.sample_prob[0, 1, 2] == 0.0
    assert best.converged.all()
    best.policy.check_fits(mdp)
    value = regularised_value(mdp, best.policy, ref, beta=0.3, length_weight=1.0)
    np.testing.assert_allclose(value, best.value, rtol=1e-13)


def test_a_large_table_is_split_into_blocks_and_threads(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    shape = (5000, 20)
    mdp = TwoStageMDP(correct=rng.random(shape) < 0.2, sample_length=rng.integers(1, 50, size=shape), gamma=0.9)
    ref = Policy.tabular(rng.normal(size=shape), rng.normal(size=shape))
    best = optimum(mdp, ref, beta=0.2, length_weight=0.5)
    some = rng.choice(shape[0], size=5, replace=False)
    part = TwoStageMDP(correct=mdp.correct[some], sample_length=mdp.sample_length[some], gamma=0.9)
    alone = optimum(part, Policy.tabular(ref.sample_logits[0, some], ref.stop_logits[0, some]), beta=0.2, length_weight=0.5)
    np.testing.assert_allclose(best.value[some], alone.value, rtol=1e-13)
    np.testing.assert_allclose(best.policy.sample_prob[:, some], alone.policy.sample_prob, rtol=1e-10)


def test_the_result_says_what_it_is() -> None:
    mdp = TwoStageMDP.minimal(sample_length=[[64, 16]])
    best = optimum(mdp, Policy.minimal(p=0.5, a=0.6, b=0.4), beta=0.5, length_weight=0.5)
    assert isinstance(best, Optimum)
    assert best.temperature_sample.ravel().tolist() == [4.0, 2.0]
    assert best.temperature_decide.ravel().tolist() == [0.5]
    assert best.error.max() < 1e-11
    assert best.policy.features is None
    assert best.policy.parameters[0] is best.policy.sample_logits
    np.testing.assert_allclose(np.exp(best.policy.sample_logits).sum(axis=-1), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": 0.0}, r"beta is 0\.0: must lie in \[1e-100, 1e\+100\]; without a penalty the optimum is deterministic"),
        ({"beta": [0.1, np.nan]}, r"beta at run \(1,\) is nan"),
        ({"beta": -1.0}, r"beta is -1\.0"),
        ({"beta": "much"}, "beta: 'much' is not an array of numbers"),
        ({"beta": []}, r"beta: \[\] is not an array of numbers"),
        ({"beta": [0.1, None]}, r"beta: \[0.1, None\] is not an array of numbers"),
        ({"beta": [0.1, 0.2, 0.3], "length_weight": [0.1, 0.2]}, "run axes do not fit together"),
        ({"beta": 0.1, "length_weight": 1.5}, r"length_weight is 1\.5: must lie in \[0, 1\]"),
        ({"beta": 0.1, "reduction": "max"}, "reduction is 'max'"),
        ({"beta": 0.1, "max_iterations": 0}, "max_iterations is 0: must be a whole number >= 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message) -> None:
    with pytest.raises(ChainError, match=message):
        optimum(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5), **arguments)


def test_a_foreign_reference_is_named() -> None:
    with pytest.raises(ChainError, match="the reference has 1 prompt x 2 answers but the chain has 1 x 3"):
        optimum(TwoStageMDP(correct=[[1, 0, 0]]), Policy.minimal(p=0.5, a=0.5, b=0.5), beta=1.0)


def test_too_few_steps_are_not_passed_off_as_a_solution() -> None:
    mdp, ref = TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3)
    with pytest.raises(ChainError, match=r"V = .* after 1 step could not be enclosed: allow more max_iterations"):
        optimum(mdp, ref, beta=0.01, max_iterations=1)
    assert not optimum(mdp, ref, beta=0.01, max_iterations=1, throw=False).converged.any()


@pytest.mark.parametrize("lengths", [[5.0, 5.0, 5.0], [5.0, 1.0, 3.0]])
def test_the_logits_are_log_probabilities_even_of_a_policy_that_has_not_settled(lengths, path) -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 1]], sample_length=[lengths], gamma=0.9)
    ref = Policy.from_probabilities([[0.2, 0.7, 0.1]], [[0.6, 0.3, 0.9]])
    early = optimum(mdp, ref, beta=0.02, length_weight=1.0, max_iterations=1, throw=False)
    assert not early.converged.any()
    np.testing.assert_allclose(np.exp(early.policy.sample_logits).sum(axis=-1), 1.0, rtol=1e-12)

"""Attribution at three levels against explicit Fisher matrices, the energy law, closed forms, and what objectives declare."""

from __future__ import annotations

import gc
import warnings
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objectives.instances import CLASSIC
from oracle import Tables, paths
from strategies import Case, cases, drawn_case, make_case

from dstheory import Features, Policy, Solution, TwoStageMDP, attribute, attribution, solve
from dstheory.attribution import InfiniteEnergyWarning, StageSplit, fisher_information, norm, stage_energy, without_rounding
from dstheory.errors import ChainError
from dstheory.noise import signal
from dstheory.objectives import GRPO, SFT, ExpertChain, Objective, Reinforce, ReverseKLDirect

HERE = Policy.minimal(p=0.4, a=0.7, b=0.6)
THERE = Policy.minimal(p=0.55, a=0.8, b=0.3)


# ---------------------------------------------------------------------- explicit Fisher matrices


def scores(case: Case, policy: Policy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability of every trajectory, and the score of each stage in that stage's logits or, if linear, in the parameters."""
    t = Tables.of(case.mdp, policy)
    weight, by_sample, by_decide = [], [], []
    for path in paths(t):
        s, d = np.zeros(policy.shape), np.zeros(policy.shape)
        for k, (y, word) in enumerate(path.steps):
            at = t.at(k), path.prompt
            s[at] -= t.pi[at]
            s[(*at, y)] += 1.0
            if word != "submit":
                d[(*at, y)] += (1.0 if word == "stop" else 0.0) - t.stop[(*at, y)]
        weight.append(path.weight)
        by_sample.append(s.ravel())
        by_decide.append(d.ravel())
    w, a, b = np.array(weight), np.array(by_sample), np.array(by_decide)
    if policy.features is not None:
        width = policy.features.sample.shape[-1]
        a, b = a @ policy.features.sample.reshape(-1, width), b @ policy.features.decide.reshape(-1, width)
    return w, a, b


def blocks(objective: Objective, solution) -> tuple[np.ndarray, np.ndarray]:
    g, features = objective.gradient(solution), solution.policy.features
    if features is None:
        return g.sample.ravel(), g.decide.ravel()
    width = features.sample.shape[-1]
    return g.sample.ravel() @ features.sample.reshape(-1, width), g.decide.ravel() @ features.decide.reshape(-1, width)


def inverse(fisher: np.ndarray) -> np.ndarray:
    return np.linalg.pinv(fisher, rcond=1e-11, hermitian=True)


def explicit_energy(g: np.ndarray, fisher: np.ndarray) -> float:
    return float(g @ inverse(fisher) @ g)


@lru_cache(maxsize=128)
def inverses(number: int) -> tuple[np.ndarray, ...]:
    """The inverse Fisher matrices of both stages, once for all objectives that are tried on the case of this number."""
    case = drawn_case(number, capped=True)
    w, *each = scores(case, case.policy)
    return tuple(inverse((score * w[:, None]).T @ score) for score in each)


@pytest.mark.parametrize(("label", "make"), CLASSIC, ids=[label for label, _ in CLASSIC])
def test_energies_are_those_of_explicit_fisher_matrices(label: str, make) -> None:
    for number in range(settings().max_examples):
        check_energies(make, number)


def check_energies(make, number: int) -> None:
    case = drawn_case(number, capped=True)
    solution, objective = case.solution, make(case)
    split = attribute(objective, solution, coefficients=False)
    for g, stage, inverted in zip(blocks(objective, solution), ("sample", "decide"), inverses(number), strict=True):
        assert float(getattr(split.energy, stage)) == pytest.approx(float(g @ inverted @ g), rel=1e-7, abs=1e-12)
        assert float(getattr(split.gradient, stage)) == pytest.approx(np.sqrt((g**2).sum()), rel=1e-12, abs=1e-300)


@given(case=cases(capped=True))
def test_the_stages_blocks_are_orthogonal_and_energies_add_up(case: Case) -> None:
    """A1: E[score_s score_d^T] = 0, so the joint energy of both blocks is the sum of theirs."""
    w, by_sample, by_decide = scores(case, case.policy)
    np.testing.assert_allclose((by_sample * w[:, None]).T @ by_decide, 0.0, atol=1e-12)
    solution = solve(case.mdp, case.policy)
    g_s, g_d = blocks(Reinforce(), solution)
    both = np.concatenate([by_sample, by_decide], axis=1)
    joint = explicit_energy(np.concatenate([g_s, g_d]), (both * w[:, None]).T @ both)
    energy = stage_energy(Reinforce().gradient(solution), solution)
    assert float(energy.sample + energy.decide) == pytest.approx(joint, rel=1e-7, abs=1e-12)


@given(case=cases(capped=True))
def test_fisher_information_of_both_kinds_of_policy(case: Case) -> None:
    w, by_sample, by_decide = scores(case, case.policy)
    info = fisher_information(solve(case.mdp, case.policy))
    explicit = [(score * w[:, None]).T @ score for score in (by_sample, by_decide)]
    if case.policy.features is None:
        np.testing.assert_allclose(np.diag(explicit[1]), info.decide.ravel(), atol=1e-13)
        pi = case.policy.sample_prob.ravel()
        np.testing.assert_allclose(np.diag(explicit[0]), info.sample.ravel() * (1 - pi), atol=1e-12)
    else:
        np.testing.assert_allclose(explicit[0], info.sample, atol=1e-11)
        np.testing.assert_allclose(explicit[1], info.decide, atol=1e-11)


@pytest.mark.parametrize("answers", [[1.0, 0.0], [0.3, 0.7]])
def test_endless_visits_leave_no_nan_in_the_fisher_information(answers: list[float]) -> None:
    """Infinitely many visits to an answer or a decision that is never taken are none."""
    policy = Policy.from_probabilities([answers], [[0.0, 0.5 * (answers[0] == 1.0)]])
    info = fisher_information(solve(TwoStageMDP.minimal(gamma=0.9), policy))
    assert np.array_equal(info.sample, [[[np.inf if p else 0.0 for p in answers]]])
    assert np.array_equal(info.decide, np.zeros((1, 1, 2)))


@given(seed=st.integers(0, 999), factors=st.tuples(*[st.sampled_from([1e-9, 1e-4, 1.0, 1e6])] * 3))
def test_energies_do_not_depend_on_the_units_of_the_parameters(seed: int, factors: tuple[float, ...]) -> None:
    """phi_i measured in other units: features times a factor, parameters divided by it. Level (iii) must not see it."""
    case = make_case(seed, cap=2, kind="linear", per="turn", gamma=0.9)
    f, units = case.policy.features, np.array(factors)
    scaled = Features(f.sample * units, f.decide * units, sample_offset=f.sample_offset, decide_offset=f.decide_offset)
    before = attribute(Reinforce(), solve(case.mdp, case.policy), coefficients=False).energy
    (phi,) = case.policy.parameters
    after = attribute(Reinforce(), solve(case.mdp, Policy.linear(scaled, phi / units)), coefficients=False).energy
    for stage in ("sample", "decide"):
        np.testing.assert_allclose(getattr(after, stage), getattr(before, stage), rtol=1e-6, atol=1e-12)


# ---------------------------------------------------------------------- the energy law


@given(case=cases())
def test_energy_law_of_rewards(case: Case) -> None:
    """B4: the energies of a reward never exceed the variance of the return; turn-indexed tabular policies reach it."""
    s = solve(case.mdp, case.policy)
    energy = stage_energy(Reinforce().gradient(s), s)
    total, variance = float(energy.sample + energy.decide), float(s.return_variance @ case.mdp.prompt_weight)
    assert total <= variance * (1 + 1e-9) + 1e-13
    if case.policy.features is None and case.mdp.max_turns in (1, case.policy.shape[0]):
        assert total == pytest.approx(variance, rel=1e-9, abs=1e-13)


@given(case=cases(), seed=st.integers(0, 999))
def test_energy_of_a_zero_one_reward_is_at_most_a_quarter(case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mdp = case.mdp.replace(reward={"stop_correct": 1, "resample_correct": 0, "stop_wrong": 0, "resample_wrong": 0}, gamma=1.0)
    mdp = mdp.replace(sample_length=rng.integers(1, 1000, size=mdp.shape))
    s = solve(mdp, case.policy)
    energy = stage_energy(Reinforce().gradient(s), s)
    assert 0.0 <= float(energy.sample + energy.decide) <= 0.25 + 1e-12


def test_stationary_policies_can_stay_below_the_variance() -> None:
    s = solve(TwoStageMDP.minimal(max_turns=3, gamma=1.0), HERE)
    energy = stage_energy(Reinforce().gradient(s), s)
    assert float(energy.sample + energy.decide) < 0.97 * float(s.return_variance[0])


def test_reward_noise_adds_variance_but_no_energy() -> None:
    mdp = TwoStageMDP.minimal(max_turns=1, gamma=1.0)
    quiet, noisy = (solve(m, HERE) for m in (mdp, mdp.replace(reward_stop_variance=0.5)))
    assert float(noisy.return_variance[0] - quiet.return_variance[0]) == pytest.approx(0.5)
    assert stage_energy(Reinforce().gradient(noisy), noisy).sample == stage_energy(Reinforce().gradient(quiet), quiet).sample


probability = st.floats(0.02, 0.98)


@given(p=probability, a=probability, b=probability, gamma=st.floats(0.1, 1.0), lam=st.floats(0.0, 1.0))
def test_energy_table_in_m0(p: float, a: float, b: float, gamma: float, lam: float) -> None:
    """Reward: (d_gamma/d)^2 d E[A^2]; SFT: (d_D/d)^2 d w^2 chi^2; direct KL: d w^2 beta^2 Var(log ratio)."""
    mdp = TwoStageMDP.minimal(gamma=gamma, sample_length=9.0, decision_length=2.0)
    s = solve(mdp, Policy.minimal(p=p, a=a, b=b))
    q = p * (1 - a) + (1 - p) * b
    n, n_gamma, value = 1 / (1 - q), 1 / (1 - gamma * q), p * a / (1 - gamma * q)
    w_s, w_d = 9.0**lam, 2.0**lam

    def check(objective: Objective, sample: float, decide: float) -> None:
        energy = stage_energy(objective.gradient(s), s)
        assert float(energy.sample) == pytest.approx(sample, rel=1e-8, abs=1e-12)
        assert float(energy.decide) == pytest.approx(decide, rel=1e-8, abs=1e-12)

    gap = a + (1 - a) * gamma * value - b * gamma * value
    variance_d = p * a * (1 - a) * (1 - gamma * value) ** 2 + (1 - p) * b * (1 - b) * (gamma * value) ** 2
    check(Reinforce(), n_gamma**2 / n * p * (1 - p) * gap**2, n_gamma**2 / n * variance_d)

    p_e, a_e, b_e = 0.8, 0.9, 0.35
    n_e = 1 / (1 - p_e * (1 - a_e) - (1 - p_e) * b_e)
    chi = [(e - x) ** 2 / (x * (1 - x)) for e, x in ((p_e, p), (a_e, a), (b_e, b))]
    check(
        SFT(ExpertChain(Policy.minimal(p=p_e, a=a_e, b=b_e)), length_weight=lam),
        n_e**2 / n * w_s**2 * chi[0],
        w_d**2 * ((n_e * p_e) ** 2 / (n * p) * chi[1] + (n_e * (1 - p_e)) ** 2 / (n * (1 - p)) * chi[2]),
    )

    def logit(x: float) -> float:
        return float(np.log(x / (1 - x)))

    spread = [x * (1 - x) * (logit(x) - logit(r)) ** 2 for x, r in ((p, 0.55), (a, 0.8), (b, 0.3))]
    check(
        ReverseKLDirect(THERE, beta=0.3, length_weight=lam),
        n * 0.09 * w_s**2 * spread[0],
        n * 0.09 * w_d**2 * (p * spread[1] + (1 - p) * spread[2]),
    )


# ---------------------------------------------------------------------- what depends on the parametrisation


@given(seed=st.integers(0, 2**32 - 1), cap=st.sampled_from([None, 2]))
def test_only_the_fisher_level_is_invariant_under_reparametrisation(seed: int, cap: int | None) -> None:
    case = make_case(seed, cap=cap, kind="linear", per="turn", gamma=0.9)
    f, (phi,) = case.policy.features, case.policy.parameters
    rng = np.random.default_rng(seed)
    mix = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ np.diag([0.1, 1.0, 20.0]) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    other = Policy.linear(Features(f.sample @ mix, f.decide @ mix, f.sample_offset, f.decide_offset), np.linalg.solve(mix, phi))
    one, two = (attribute(Reinforce(), solve(case.mdp, policy), coefficients=False) for policy in (case.policy, other))
    np.testing.assert_allclose(two.energy.sample, one.energy.sample, rtol=1e-6, atol=1e-11)
    np.testing.assert_allclose(two.energy.decide, one.energy.decide, rtol=1e-6, atol=1e-11)
    if one.gradient.sample > 1e-3:
        assert abs(float(two.gradient.sample / one.gradient.sample) - 1) > 1e-3


@given(seed=st.integers(0, 2**32 - 1))
def test_units_of_the_parameters_cost_no_digits(seed: int) -> None:
    """Parameters in units of 1e-7, 1 and 1e7: the Fisher matrix spans 28 orders of magnitude, the energies stay."""
    case = make_case(seed, cap=2, kind="linear", per="turn", gamma=0.9)
    f, (phi,) = case.policy.features, case.policy.parameters
    units = np.array([1e-7, 1.0, 1e7])
    other = Policy.linear(Features(f.sample * units, f.decide * units, f.sample_offset, f.decide_offset), phi / units)
    one, two = (stage_energy(Reinforce().gradient(s), s) for s in (solve(case.mdp, case.policy), solve(case.mdp, other)))
    np.testing.assert_allclose(two.sample, one.sample, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(two.decide, one.decide, rtol=1e-6, atol=1e-12)


@given(case=cases(capped=True))
def test_restricting_a_policy_can_only_lower_its_energy(case: Case) -> None:
    if case.policy.features is None:
        return
    free = solve(case.mdp, Policy.tabular(case.policy.sample_logits, case.policy.stop_logits))
    restricted = solve(case.mdp, case.policy)
    above, below = (stage_energy(Reinforce().gradient(s), s) for s in (free, restricted))
    assert float(below.sample) <= float(above.sample) * (1 + 1e-7) + 1e-12
    assert float(below.decide) <= float(above.decide) * (1 + 1e-7) + 1e-12


def test_energies_of_m0_do_not_depend_on_its_logit_parametrisation() -> None:
    """theta_s of M0 and a softmax with two logits are the same policies: same energies, other norms."""
    mdp = TwoStageMDP.minimal(gamma=0.9)
    one = attribute(Reinforce(), solve(mdp, HERE))
    two = attribute(Reinforce(), solve(mdp, Policy.tabular(HERE.sample_logits, HERE.stop_logits)))
    np.testing.assert_allclose(two.energy.sample, one.energy.sample, rtol=1e-12)
    np.testing.assert_allclose(two.energy.decide, one.energy.decide, rtol=1e-12)
    assert float(two.gradient.sample) == pytest.approx(np.sqrt(2) * float(one.gradient.sample))
    assert one.cosine == 0.0
    assert two.cosine is None


def test_cosine_of_a_shared_trunk() -> None:
    case = make_case(12, cap=None, kind="linear", per="turn", gamma=0.9)
    s = solve(case.mdp, case.policy)
    split = attribute(Reinforce(), s)
    g_s, g_d = blocks(Reinforce(), s)
    assert float(split.cosine) == pytest.approx(g_s @ g_d / np.sqrt((g_s @ g_s) * (g_d @ g_d)))
    share = np.sqrt(g_d @ g_d) / (np.sqrt(g_s @ g_s) + np.sqrt(g_d @ g_d))
    assert float(split.gradient.decision_share) == pytest.approx(share)


# ---------------------------------------------------------------------- edges


def test_pushing_an_impossible_action_has_infinite_energy_and_warns() -> None:
    never = Policy.from_probabilities([[1.0, 0.0]], [[0.5, 0.5]])
    s = solve(TwoStageMDP.minimal(), never)
    with pytest.warns(InfiniteEnergyWarning, match="probability 0"):
        split = attribute(SFT(ExpertChain(THERE)), s)
    assert np.isinf(split.energy.sample)
    certain = solve(TwoStageMDP.minimal(), Policy.from_probabilities([[0.5, 0.5]], [[1.0, 0.5]]))
    with pytest.warns(InfiniteEnergyWarning):
        assert np.isinf(attribute(SFT(ExpertChain(THERE)), certain).energy.decide)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert attribute(Reinforce(), s).energy.sample == 0.0  # nothing to push: no warning


def test_pushing_outside_the_range_of_a_linear_policys_fisher_information_is_infinite() -> None:
    """A parameter that acts only where the policy never is, pushed by demonstrations that are there."""
    sample = np.zeros((1, 1, 2, 1))
    decide = np.zeros((1, 1, 2, 1))
    decide[0, 0, 1, 0] = 1.0
    features = Features(sample, decide, sample_offset=np.array([[[0.0, -np.inf]]]))
    s = solve(TwoStageMDP.minimal(), Policy.linear(features, [0.3]))
    with pytest.warns(InfiniteEnergyWarning):
        assert np.isinf(stage_energy(SFT(ExpertChain(THERE)).gradient(s), s).decide)


@pytest.mark.parametrize("apart", [1.0, 1e-3, 1e-5, 3e-7, 1e-8])
def test_energies_and_noise_of_features_that_are_nearly_alike_are_those_of_the_plane_that_they_span(apart: float) -> None:
    """The eigenvalues of F are the squares of what they are apart: of 3e-7 half the energy was lost, of 1e-5 it was infinite."""
    mdp = TwoStageMDP(correct=[[1, 1, 0, 0]], gamma=1.0)

    def of(apart: float) -> Solution:
        sample, decide = np.zeros((2, 1, 1, 4, 4))
        sample[..., 0, :2], sample[..., 1, 1] = 1.0, apart
        decide[..., 2:] = [[1.0, 1.0], [1.0, 1.0], [0.5, 0.5], [-2.0, -2.0]]
        decide[..., 1, 3] += apart
        features = Features(sample, decide, np.array([[[0.3, -0.4, 0.1, 0.0]]]), np.array([[[0.2, 0.9, -0.5, 0.1]]]))
        return solve(mdp, Policy.linear(features, np.zeros(4)))

    rounding = max(1e-10, 1e-14 / apart)
    found, plane = (attribute(Reinforce(), solution).energy for solution in (of(apart), of(1.0)))
    assert (float(found.sample), float(found.decide)) == pytest.approx((float(plane.sample), float(plane.decide)), rel=rounding)
    noisy, plain = (signal(GRPO(group_size=4), solution) for solution in (of(apart), of(1.0)))
    for stage in ("sample", "decide"):
        assert getattr(noisy, stage).groups_natural == pytest.approx(getattr(plain, stage).groups_natural, rel=rounding)


@pytest.mark.parametrize("factor", [1.0, 1e-9, 1e9])
def test_a_direction_that_changes_nothing_the_policy_does_has_infinite_energy(factor: float) -> None:
    """Two parameters that only ever act together where the policy is, pulled apart by demonstrations from where it is not."""
    decide = np.zeros((1, 1, 2, 2))
    decide[0, 0] = [[1.0, 1.0], [1.0, 0.0]]
    features = Features(np.zeros((1, 1, 2, 2)), decide, sample_offset=np.array([[[0.0, -np.inf]]]))
    s = solve(TwoStageMDP.minimal(gamma=0.5), Policy.linear(features, [0.2, -0.1]))
    there = (factor * SFT(ExpertChain(THERE))).gradient(s)
    with pytest.warns(InfiniteEnergyWarning):
        assert np.isinf(stage_energy(there, s).decide)
    here = (factor * Reinforce()).gradient(s)
    assert 0 < stage_energy(here, s).decide < np.inf


def test_a_zero_gradient_has_no_shares() -> None:
    s = solve(TwoStageMDP.minimal(), HERE)
    split = attribute(ReverseKLDirect(HERE), s)
    for quantity in (split.gradient, split.energy):
        assert quantity.sample == quantity.decide == 0.0
        assert np.isnan(quantity.decision_share)
    assert np.isnan(split.cosine)
    assert split.coefficient.balanced  # 0 = 0 on every trajectory
    assert StageSplit(np.array(3.0), np.array(1.0)).decision_share == 0.25


def test_tiny_gradients_keep_their_norms_and_cosines() -> None:
    """At logits of 500 the gradient is 1e-217: its square underflows, its norm and share must not."""
    s = solve(TwoStageMDP.minimal(gamma=0.5), Policy.minimal(theta=[-500.0, 0.0, 0.0]))
    split = attribute(Reinforce(), s, coefficients=False)
    assert 0 < float(split.gradient.sample) < 1e-200
    assert 0 < float(split.gradient.decision_share) < 1
    assert norm(np.array([[3e200, 4e200]]), 1).tolist() == [pytest.approx(5e200)]
    assert norm(np.zeros((2, 3)), 2) == 0.0


@given(case=cases(), seed=st.integers(0, 99))
def test_runs_are_attributed_side_by_side(case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    many = tuple(np.stack([b + 0.3 * rng.normal(size=b.shape) for _ in range(3)]) for b in case.policy.parameters)
    betas = np.array([0.1, 1.0, 3.0])
    s = solve(case.mdp, case.policy.with_parameters(many))
    together = attribute(Reinforce() + ReverseKLDirect(case.reference, beta=betas), s)
    for i in range(3):
        one = solve(case.mdp, case.policy.with_parameters(tuple(b[i] for b in many)))
        alone = attribute(Reinforce() + ReverseKLDirect(case.reference, beta=betas[i]), one, coefficients=False)
        for level in ("gradient", "energy"):
            for stage in ("sample", "decide"):
                a, b = getattr(getattr(together, level), stage)[i], getattr(getattr(alone, level), stage)
                assert float(a) == pytest.approx(float(b), rel=1e-7, abs=1e-12)
        if case.policy.features is not None and alone.gradient.sample > 1e-9 and alone.gradient.decide > 1e-9:
            assert float(together.cosine[i]) == pytest.approx(float(alone.cosine), abs=1e-9)


def test_an_endless_prompt_of_weight_zero_has_no_say() -> None:
    policy = Policy.tabular(np.zeros((2, 2)), [[0.4, -0.2], [-np.inf, -np.inf]])
    mdp = TwoStageMDP(correct=[[1, 0], [1, 0]], prompt_weight=[1, 0], gamma=0.9)
    alone = solve(TwoStageMDP.minimal(gamma=0.9), Policy.tabular(np.zeros((1, 2)), [[0.4, -0.2]]))
    s = solve(mdp, policy)
    energy, expected = stage_energy(Reinforce().gradient(s), s), stage_energy(Reinforce().gradient(alone), alone)
    np.testing.assert_allclose([energy.sample, energy.decide], [expected.sample, expected.decide], rtol=1e-12)


def test_endless_visits_make_a_discounted_reward_cost_no_energy() -> None:
    """Undiscounted occupancy is infinite: the energy of a bounded gradient is 0, without a warning or a NaN."""
    s = solve(TwoStageMDP.minimal(gamma=0.5), Policy.minimal(theta=[0.0, -1000.0, 1000.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split = attribute(Reinforce(), s, coefficients=False)
    assert split.energy.sample == split.energy.decide == 0.0


@pytest.mark.parametrize("name", ["ascent", "magnitude"])
def test_what_a_subclass_says_of_its_gradient_and_of_its_terms_is_believed(name: str) -> None:
    solution = solve(TwoStageMDP.minimal(gamma=1.0), Policy.minimal(p=0.55, a=0.8, b=0.3))

    class Own(Reinforce):
        pass

    def nothing_left(self: Reinforce, solution: Solution) -> object:
        if name == "ascent":
            return Reinforce.ascent(self, solution).scaled(0.0)
        return tuple(1e30 * size for size in Reinforce.magnitude(self, solution))

    setattr(Own, name, nothing_left)
    usual, own = without_rounding(Reinforce(), solution), without_rounding(Own(), solution)
    assert usual.sample.any()
    assert usual.decide.any()
    assert not own.sample.any()
    assert not own.decide.any()


def test_the_inverse_of_the_fisher_information_is_found_once_per_solution_and_goes_with_it(monkeypatch) -> None:
    inverted: list[np.ndarray] = []
    invert = attribution._natural
    monkeypatch.setattr(attribution, "_natural", lambda root: inverted.append(root) or invert(root))
    one, other = (solve(TwoStageMDP.minimal(gamma=1.0), policy) for policy in (HERE, THERE))
    before = len(attribution._known)
    first, second = (attribute(Reinforce(), solution).energy for solution in (one, other))
    again = attribute(Reinforce(), one).energy
    assert len(inverted) == 4  # of two stages each
    assert again.sample == first.sample
    assert second.sample != first.sample
    assert len(attribution._known) == before + 2
    del one, other
    gc.collect()
    assert len(attribution._known) <= before


def test_a_name_is_no_objective() -> None:
    solution = solve(TwoStageMDP.minimal(), Policy.minimal(p=0.5, a=0.5, b=0.5))
    with pytest.raises(ChainError, match=r"got str and Solution: give an Objective, such as Reinforce\(\), then the Solution"):
        attribute("reinforce", solution)

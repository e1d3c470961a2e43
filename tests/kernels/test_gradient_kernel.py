"""reward_kl_gradient against its NumPy reference, enumeration of trajectories, finite differences and exact arithmetic."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from kernels.chains import Arguments, arguments, random_arguments

from benchmarks.reference import reward_kl_gradient as reference_gradient
from dstheory.kernels import IMPROPER, INFINITE_DIVERGENCE, PROPER, RewardKLGradient, reward_kl_gradient

FIELDS = ("sample", "decide", "value", "turns", "discounted_turns", "stop_reward", "divergence")


def assert_same(ours: RewardKLGradient, theirs: RewardKLGradient, rtol: float = 1e-11) -> None:
    for name in FIELDS:
        a, b = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1e-3, np.abs(b).max()), err_msg=name)
    assert ours.status.tolist() == theirs.status.tolist()


@given(arguments())
def test_agrees_with_numpy(args: Arguments) -> None:
    assert_same(reward_kl_gradient(**args), reference_gradient(**args))


@given(arguments())
def test_without_penalty_agrees_with_numpy_and_with_beta_zero(args: Arguments) -> None:
    zero = args | {"beta": 0.0}
    bare = {k: v for k, v in args.items() if k not in ("ref_sample_logits", "ref_stop_logits", "beta")}
    assert_same(reward_kl_gradient(**zero), reference_gradient(**zero))
    for name in FIELDS:
        assert getattr(reward_kl_gradient(**zero), name).tobytes() == getattr(reward_kl_gradient(**bare), name).tobytes()


@given(arguments())
def test_energies_and_squares_are_those_of_the_gradient(args: Arguments) -> None:
    found, theirs = reward_kl_gradient(**args, sums=True), reference_gradient(**args)
    for name in FIELDS:
        assert getattr(found, name).tobytes() == getattr(reward_kl_gradient(**args), name).tobytes()
    assert found.sums is not None
    z, l, rho = args["sample_logits"], args["stop_logits"], args["prompt_weight"]
    for x, n in enumerate(args["n_answers"]):
        if theirs.status[x] != PROPER:
            continue
        pi, s = np.exp(z[x, :n] - np.logaddexp.reduce(z[x, :n])), 1.0 / (1.0 + np.exp(-l[x, :n]))
        visits, g_z, g_l = rho[x] * theirs.turns[x] * pi, theirs.sample[x, :n], theirs.decide[x, :n]
        sums = [(g_z**2 / visits).sum(), (g_l**2 / (visits * s * (1.0 - s))).sum(), (g_z**2).sum(), (g_l**2).sum()]
        np.testing.assert_allclose(found.sums[:, x], sums, rtol=1e-8, atol=1e-24)


def small(seed: int = 0, **changes: Any) -> Arguments:
    """Two prompts of 3 and 2 answers that stop with probability above 0.94, so that nine turns are all but everything."""
    rng = np.random.default_rng(seed)
    args = random_arguments(rng, 2, 3) | {"n_answers": np.array([3, 2]), "beta": 0.3, "gamma_within": 0.8, "gamma_between": 0.9}
    for name in ("sample_logits", "ref_sample_logits", "ref_stop_logits", "reward_stop", "reward_resample"):
        args[name] = rng.normal(size=(2, 3))
    args |= {"sample_weight": 1.0 + 3.0 * rng.random((2, 3)), "decision_weight": 0.5 + rng.random((2, 3))}
    return args | {"stop_logits": 3.0 + rng.random((2, 3))} | changes


def enumerate_gradient(args: Arguments, turns: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return both gradients and the objective from the definition: a sum over all trajectories of at most `turns` turns.

    Reward in return form (return x score), penalty as coefficients -beta w log(pi/ref) x score of its own stage.
    """
    z, l = args["sample_logits"], args["stop_logits"]
    grad_z, grad_l, objective = np.zeros_like(z), np.zeros_like(l), 0.0
    within, between, beta = args["gamma_within"], args["gamma_between"], args["beta"]
    for x, n in enumerate(args["n_answers"]):
        pi = np.exp(z[x, :n]) / np.exp(z[x, :n]).sum()
        ref = np.exp(args["ref_sample_logits"][x, :n]) / np.exp(args["ref_sample_logits"][x, :n]).sum()
        s, s_ref = 1.0 / (1.0 + np.exp(-l[x, :n])), 1.0 / (1.0 + np.exp(-args["ref_stop_logits"][x, :n]))
        for length in range(1, turns + 1):
            for answers in itertools.product(range(n), repeat=length):
                probability, discount, ret = args["prompt_weight"][x], 1.0, 0.0
                score_z, score_l, penalty_z, penalty_l, penalty = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), 0.0
                for k, y in enumerate(answers):
                    stop = k == length - 1
                    decision, decision_ref = (s[y], s_ref[y]) if stop else (1.0 - s[y], 1.0 - s_ref[y])
                    probability *= pi[y] * decision
                    reward = args["reward_stop"][x, y] if stop else args["reward_resample"][x, y]
                    discount *= within
                    ret += discount * reward
                    discount *= between
                    answer_score = -pi.copy()
                    answer_score[y] += 1.0
                    decision_score = np.zeros(n)
                    decision_score[y] = (1.0 - s[y]) if stop else -s[y]
                    c_s = args["sample_weight"][x, y] * np.log(pi[y] / ref[y])
                    c_d = args["decision_weight"][x, y] * np.log(decision / decision_ref)
                    score_z += answer_score
                    score_l += decision_score
                    penalty_z += c_s * answer_score
                    penalty_l += c_d * decision_score
                    penalty += c_s + c_d
                grad_z[x, :n] += probability * (ret * score_z - beta * penalty_z)
                grad_l[x, :n] += probability * (ret * score_l - beta * penalty_l)
                objective += probability * (ret - beta * penalty)
    return grad_z, grad_l, objective


def test_agrees_with_enumeration_of_trajectories() -> None:
    args = small(stop_logits=small()["stop_logits"] + 1.0)
    turns = 8
    left_out = (1.0 / (1.0 + np.exp(4.0))) ** turns  # resample probability to the power of the turns: 1e-14
    result = reward_kl_gradient(**args)
    grad_z, grad_l, objective = enumerate_gradient(args, turns)
    tolerance = 1e4 * left_out  # times returns and log-ratios of at most some tens per turn
    np.testing.assert_allclose(result.sample, grad_z, atol=tolerance)
    np.testing.assert_allclose(result.decide, grad_l, atol=tolerance)
    assert args["prompt_weight"] @ (result.value - args["beta"] * result.divergence) == pytest.approx(objective, abs=tolerance)


@pytest.mark.parametrize(("within", "between"), [(1.0, 0.95), (0.9, 0.9), (1.0, 1.0), (0.5, 0.0)])
def test_reward_gradient_is_the_derivative_of_the_value(within: float, between: float) -> None:
    args = small(beta=0.0, gamma_within=within, gamma_between=between)
    args["stop_logits"] = args["stop_logits"] - 4.0
    result = reward_kl_gradient(**args)
    # Central differences: error h^2 f'''/6 + eps f/h, both near 1e-10 for h = 1e-5 and |f| <= 10.
    step = 1e-5
    for name, gradient in (("sample_logits", result.sample), ("stop_logits", result.decide)):
        for x, n in enumerate(args["n_answers"]):
            for y in range(n):
                values = []
                for sign in (1.0, -1.0):
                    moved = args[name].copy()
                    moved[x, y] += sign * step
                    values.append(args["prompt_weight"] @ reward_kl_gradient(**(args | {name: moved})).value)
                assert gradient[x, y] == pytest.approx((values[0] - values[1]) / (2.0 * step), abs=1e-8)


def test_penalty_of_the_sampling_stage_is_the_derivative_of_kl_when_weights_are_equal() -> None:
    # With visits frozen and one weight for all answers, the direct term is minus the gradient of the per-state KL.
    args = small(reward_stop=0.0, reward_resample=0.0, sample_weight=2.0, decision_weight=0.7)
    result = reward_kl_gradient(**args)
    step, z, l = 1e-5, args["sample_logits"], args["stop_logits"]

    def penalty(z: np.ndarray, l: np.ndarray) -> float:
        total = 0.0
        for x, n in enumerate(args["n_answers"]):
            pi, frozen = (np.exp(v[x, :n]) / np.exp(v[x, :n]).sum() for v in (z, args["sample_logits"]))
            ref = np.exp(args["ref_sample_logits"][x, :n]) / np.exp(args["ref_sample_logits"][x, :n]).sum()
            s, s_ref = (1.0 / (1.0 + np.exp(-v[x, :n])) for v in (l, args["ref_stop_logits"]))
            kl_d = s * np.log(s / s_ref) + (1.0 - s) * np.log((1.0 - s) / (1.0 - s_ref))
            kl = 2.0 * (pi * np.log(pi / ref)).sum() + 0.7 * (frozen * kl_d).sum()
            total += args["prompt_weight"][x] * result.turns[x] * kl
        return -args["beta"] * total

    assert penalty(z, l) == pytest.approx(-args["beta"] * args["prompt_weight"] @ result.divergence, rel=1e-12)
    for x, n in enumerate(args["n_answers"]):
        for y in range(n):
            bump = np.zeros_like(z)
            bump[x, y] = step
            assert result.sample[x, y] == pytest.approx((penalty(z + bump, l) - penalty(z - bump, l)) / (2 * step), abs=1e-8)
            assert result.decide[x, y] == pytest.approx((penalty(z, l + bump) - penalty(z, l - bump)) / (2 * step), abs=1e-8)


def exact_gradient(args: Arguments) -> tuple[list[list[mpmath.mpf]], list[list[mpmath.mpf]]]:
    """Return the gradients in the current precision of mpmath by the textbook formulas; cancellation is no concern there."""
    mp = mpmath.mpf
    within, between, beta = (mp(args[k]) for k in ("gamma_within", "gamma_between", "beta"))
    all_z, all_l = [], []
    for x, n in enumerate(args["n_answers"]):
        row = {k: [mp(float(v)) for v in args[k][x, :n]] for k in args if isinstance(args[k], np.ndarray) and args[k].ndim == 2}
        e = [mpmath.exp(v) for v in row["sample_logits"]]
        e_ref = [mpmath.exp(v) for v in row["ref_sample_logits"]]
        pi, ref = [v / sum(e) for v in e], [v / sum(e_ref) for v in e_ref]
        s = [1 / (1 + mpmath.exp(-v)) for v in row["stop_logits"]]
        rho, r, r_ = mp(float(args["prompt_weight"][x])), row["reward_stop"], row["reward_resample"]
        p_stop = sum(p * t for p, t in zip(pi, s, strict=True))
        n_turns = 1 / (1 - within * between * (1 - p_stop))
        v = within * n_turns * sum(pi[y] * (s[y] * r[y] + (1 - s[y]) * r_[y]) for y in range(n))
        q = [within * (s[y] * r[y] + (1 - s[y]) * (r_[y] + between * v)) for y in range(n)]
        visits = 1 / p_stop
        c = [-beta * row["sample_weight"][y] * mpmath.log(pi[y] / ref[y]) for y in range(n)]
        mean_c = sum(p * k for p, k in zip(pi, c, strict=True))
        all_z.append([rho * pi[y] * (n_turns * (q[y] - v) + visits * (c[y] - mean_c)) for y in range(n)])
        all_l.append(
            [
                rho * pi[y] * s[y] * (1 - s[y])
                * (
                    n_turns * within * (r[y] - r_[y] - between * v)
                    - visits * beta * row["decision_weight"][y] * (row["stop_logits"][y] - row["ref_stop_logits"][y])
                )
                for y in range(n)
            ]
        )  # fmt: skip
    return all_z, all_l


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("gamma", [0.95, 1.0])
def test_logits_of_a_thousand(seed: int, gamma: float) -> None:
    rng = np.random.default_rng(seed)
    args = random_arguments(rng, 3, 5) | {"gamma_within": 1.0, "gamma_between": gamma, "beta": 0.1}
    for name in ("sample_logits", "stop_logits", "ref_sample_logits", "ref_stop_logits"):
        args[name] = rng.choice([-1000.0, -30.0, -1.0, 0.0, 2.0, 1000.0], size=(3, 5))
    result = reward_kl_gradient(**args)
    with mpmath.workprec(6000):  # e^-1000 squared is 2^-2885, and 1 minus it must not round to 1
        exact_z, exact_l = exact_gradient(args)
        for x, n in enumerate(args["n_answers"]):
            # A chain that stops with probability e^-1000 per turn has no visits that a float can hold; it is reported as such.
            improper = result.turns[x] == np.inf
            assert result.status[x] == (IMPROPER if improper else PROPER)
            if result.status[x] != PROPER:
                continue
            scale = max(abs(float(g)) for g in (*exact_z[x], *exact_l[x]))
            scale = max(scale, float(result.discounted_turns[x]), float(min(result.turns[x], 1e300)) * args["beta"])
            for y in range(n):
                assert abs(result.sample[x, y] - float(exact_z[x][y])) <= 1e-12 * scale
                assert abs(result.decide[x, y] - float(exact_l[x][y])) <= 1e-12 * scale


def test_gradients_vanish_at_the_corners() -> None:
    table = {"reward_stop": [[1.0, 0.0]], "reward_resample": -0.1, "gamma_between": 0.9}
    reference = {"ref_sample_logits": [[0.0, 0.0]], "ref_stop_logits": [[0.0, 0.0]], "beta": 0.5}
    for z in ([1000.0, -1000.0], [np.inf, 0.0], [0.0, -np.inf]):
        for l in ([1000.0, -1000.0], [1000.0, 1000.0], [np.inf, -np.inf]):
            logits = [z] if np.inf not in z else [[1000.0, 0.0]]
            result = reward_kl_gradient(logits, [l], **table, **reference)
            assert result.status.tolist() == [PROPER]
            assert not result.sample.any()
            assert not result.decide.any()
            assert result.value.tolist() == [1.0]
            # pi is the first answer, certain to stop, against a fair reference: log 2 for each stage.
            assert result.divergence[0] == pytest.approx(2.0 * np.log(2.0), rel=1e-15)


def test_a_chain_that_never_stops() -> None:
    never = {"sample_logits": [[0.0, 1.0]], "stop_logits": [[-1000.0, -1000.0]], "reward_stop": 1.0, "reward_resample": -0.1}
    reference = {"ref_sample_logits": [[0.0, 0.0]], "ref_stop_logits": [[0.0, 0.0]], "beta": 0.5}
    assert reward_kl_gradient(**never).status.tolist() == [IMPROPER]
    assert reward_kl_gradient(**never, **reference, gamma_between=0.9).status.tolist() == [IMPROPER]
    discounted = reward_kl_gradient(**never, gamma_between=0.9)
    assert discounted.status.tolist() == [PROPER]
    assert discounted.value[0] == pytest.approx(-1.0)
    assert discounted.turns.tolist() == [np.inf]
    assert discounted.stop_reward.tolist() == [0.0]
    assert np.isfinite(discounted.sample).all()


def test_mass_where_the_reference_has_none() -> None:
    args = {"sample_logits": np.zeros((3, 2)), "stop_logits": np.zeros((3, 2)), "reward_stop": 1.0, "reward_resample": 0.0}
    z_ref, l_ref = np.zeros((3, 2)), np.zeros((3, 2))
    z_ref[0, 1], l_ref[1, 0] = -np.inf, np.inf
    result = reward_kl_gradient(**args, ref_sample_logits=z_ref, ref_stop_logits=l_ref, beta=1.0)
    assert result.status.tolist() == [INFINITE_DIVERGENCE, INFINITE_DIVERGENCE, PROPER]
    numpy = reference_gradient(**args, ref_sample_logits=z_ref, ref_stop_logits=l_ref, beta=1.0)
    assert numpy.status.tolist() == result.status.tolist()


def test_an_answer_that_is_never_drawn_may_be_missing_from_the_reference() -> None:
    args = {"stop_logits": [[0.3, 0.1]], "reward_stop": [[1.0, 0.0]], "reward_resample": 0.0, "beta": 0.2}
    reference = {"ref_sample_logits": [[0.0, -np.inf]], "ref_stop_logits": [[0.0, 0.0]]}
    result = reward_kl_gradient([[0.0, -np.inf]], **args, **reference)
    assert result.status.tolist() == [PROPER]
    assert_same(result, reference_gradient([[0.0, -np.inf]], **args, **reference))
    assert result.sample.tolist() == [[0.0, 0.0]]


def test_minimal_chain_closed_forms() -> None:
    p, a, b, gamma = 0.55, 0.8, 0.3, 0.95
    logit = lambda v: np.log(v / (1 - v))  # noqa: E731
    result = reward_kl_gradient([[logit(p), 0.0]], [[logit(a), -logit(b)]], [[1.0, 0.0]], 0.0, gamma_between=gamma)
    q = p * (1 - a) + (1 - p) * b
    v, n = p * a / (1 - gamma * q), 1 / (1 - gamma * q)
    assert result.value[0] == pytest.approx(v, rel=1e-14)
    assert result.stop_reward[0] == pytest.approx(p * a / (1 - q), rel=1e-14)
    assert result.sample[0, 0] == pytest.approx(n * p * (1 - p) * (a + (1 - a) * gamma * v - b * gamma * v), rel=1e-13)
    assert result.decide[0, 0] == pytest.approx(n * p * a * (1 - a) * (1 - gamma * v), rel=1e-13)
    assert -result.decide[0, 1] == pytest.approx(n * (1 - p) * b * (1 - b) * gamma * v, rel=1e-13)


def test_one_answer_has_nothing_to_choose() -> None:
    result = reward_kl_gradient(
        [[3.0]], [[0.4]], [[1.0]], -0.3, ref_sample_logits=[[-7.0]], ref_stop_logits=[[1.0]], beta=0.2, gamma_between=0.9
    )
    assert result.sample.tolist() == [[0.0]]
    assert result.decide[0, 0] != 0.0


@pytest.mark.parametrize("shape", [(5, 7), (5, 1), (1, 7), (1, 1)])
@pytest.mark.parametrize("name", ["reward_stop", "reward_resample", "sample_weight", "decision_weight"])
def test_tables_broadcast(name: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    args = random_arguments(rng, 5, 7) | {name: 0.5 + rng.random(shape)}
    full = args | {name: np.broadcast_to(args[name], (5, 7))}
    for field in FIELDS:
        assert getattr(reward_kl_gradient(**args), field).tobytes() == getattr(reward_kl_gradient(**full), field).tobytes()


def test_threads_blocks_and_layout_change_nothing() -> None:
    rng = np.random.default_rng(5)
    args = random_arguments(rng, 40_000, 13) | {"decision_weight": rng.random((40_000, 1)), "gamma_within": 0.9, "beta": 0.1}
    one, many = reward_kl_gradient(**args, threads=1), reward_kl_gradient(**args, threads=3)
    fortran = {k: np.asfortranarray(v) if isinstance(v, np.ndarray) else v for k, v in args.items()}
    strided = reward_kl_gradient(**fortran)
    some = reward_kl_gradient(**{k: v[17:29] if isinstance(v, np.ndarray) else v for k, v in args.items()})
    for field in FIELDS:
        assert getattr(one, field).tobytes() == getattr(many, field).tobytes()
        assert getattr(one, field).tobytes() == getattr(strided, field).tobytes()
        assert getattr(one, field)[17:29].tobytes() == getattr(some, field).tobytes()
    added = [reward_kl_gradient(**args, sums=True, threads=n).sums for n in (1, 3)]
    assert added[0] is not None
    assert added[1] is not None
    assert added[0].tobytes() == added[1].tobytes()


def test_results_go_where_they_are_told() -> None:
    args = random_arguments(np.random.default_rng(6), 4, 6)
    out = np.full((4, 6), 7.0), np.full((4, 6), 7.0)
    result = reward_kl_gradient(**args, out=out)
    assert result.sample is out[0]
    assert result.decide is out[1]
    assert_same(result, reward_kl_gradient(**args))
    padding = np.arange(6) >= args["n_answers"][:, None]
    assert not result.sample[padding].any()
    assert not result.decide[padding].any()


def test_no_prompts() -> None:
    empty = np.empty((0, 4))
    result = reward_kl_gradient(empty, empty, 1.0, 0.0)
    assert result.sample.shape == (0, 4)
    assert result.value.shape == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stop_logits": np.zeros((2, 4))}, r"stop_logits has shape \(2, 4\)"),
        ({"sample_logits": np.zeros(3)}, "table of prompts by answers"),
        ({"reward_stop": np.zeros((3, 3))}, r"reward_stop has shape \(3, 3\)"),
        ({"ref_stop_logits": None}, "needs both"),
        ({"ref_sample_logits": None, "ref_stop_logits": None}, "needs a reference"),
        ({"prompt_weight": np.ones(3)}, "one entry per prompt"),
        ({"n_answers": np.array([0, 2])}, "between 1 and"),
        ({"n_answers": np.array([4, 2])}, "between 1 and"),
        ({"out": (np.zeros((2, 3)), np.zeros((3, 2)).T)}, "contiguous, writable"),
    ],
)
def test_shapes_that_do_not_fit(changes: Arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reward_kl_gradient(**(small() | changes))

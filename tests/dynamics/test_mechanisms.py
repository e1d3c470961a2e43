"""Runs against the formulas of claims C3, C5, C5-moves, C5-time and F1 to F4, all written out here by hand.

The chain is lopsided: prompts of three and two answers, unequal weights, a decision of two tokens. One answer length per chain,
so that a stage's gradient is its weight times a vector without weights.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from dstheory import Features, Policy, TwoStageMDP, solve, train
from dstheory.dynamics import SGD, Adam, Momentum, NaturalGradient
from dstheory.errors import ChainError
from dstheory.experiments import experiment_names, load
from dstheory.objectives import SFT, ExpertChain

PART = load(experiment_names()["length-weight-mechanisms"].path.parent / "_mechanisms.py")
confidence_trunk, length_weight_mechanisms, settle = PART.confidence_trunk, PART.length_weight_mechanisms, PART.settle

RHO = np.array([0.7, 0.3])
LENGTH, DECISION = 12.0, 2.0
MDP = TwoStageMDP(
    correct=[[0, 1, 0], [1, 0]], sample_length=LENGTH, decision_length=DECISION, prompt_weight=RHO, gamma=0.9
)  # fmt: skip
INSIDE = np.array([[True, True, True], [True, True, False]])
PI_E = np.array([[0.2, 0.5, 0.3], [0.6, 0.4, 0.0]])
STOP_E = np.array([[0.3, 0.9, 0.1], [0.8, 0.25, 0.5]])
EXPERT = ExpertChain(Policy.from_probabilities([[0.2, 0.5, 0.3], [0.6, 0.4]], [[0.3, 0.9, 0.1], [0.8, 0.25]]))
Z = np.where(INSIDE, np.array([[0.3, -0.6, 1.1], [-0.4, 0.2, 0.0]]), -np.inf)
U = np.array([[0.5, -1.0, 1.5], [0.1, 0.9, 0.0]])
START = Policy.tabular(Z, U)
LAMBDAS = (0.0, 0.4, 1.0)


def sigma(t):
    return 1.0 / (1.0 + np.exp(-t))


def weightless(z: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of the demonstrations' log-likelihood at weight 1: visits times (demonstrated - own) probability."""
    turns = RHO / (PI_E * STOP_E).sum(axis=1)
    pi = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return turns[:, None] * (PI_E - pi), turns[:, None] * PI_E * (STOP_E - sigma(u))


def decision_likelihood(u: np.ndarray) -> float:
    turns = RHO / (PI_E * STOP_E).sum(axis=1)
    likely = STOP_E * np.log(sigma(u)) + (1 - STOP_E) * np.log(sigma(-u))
    return float((turns[:, None] * PI_E * likely).sum())


def moved(before: Policy, after: Policy) -> tuple[np.ndarray, np.ndarray]:
    """How far both blocks of a tabular policy moved."""
    z = np.where(INSIDE, after.sample_logits[0], 0.0) - np.where(INSIDE, before.sample_logits[0], 0.0)
    return z, after.stop_logits[0] - before.stop_logits[0]


# ---------------------------------------------------------------------- F1: clipping


@pytest.mark.parametrize("lam", LAMBDAS)
@pytest.mark.parametrize("c", [0.05, 0.6])
def test_f1_every_clipped_decision_step(lam: float, c: float) -> None:
    w_s, w_d, policy = LENGTH**lam, DECISION**lam, START
    clipped = 0
    for _ in range(12):
        h_s, h_d = (float(np.linalg.norm(g)) for g in weightless(policy.sample_logits[0], policy.stop_logits[0]))
        after = train(MDP, policy, SFT(EXPERT, lam), steps=1, optimizer=SGD(lr=0.3), clip_norm=c).policy
        whole = math.sqrt(w_s**2 * h_s**2 + w_d**2 * h_d**2)
        clipped += whole > c
        step = c * w_d * h_d / whole if whole > c else w_d * h_d
        assert float(np.linalg.norm(moved(policy, after)[1])) == pytest.approx(0.3 * step, rel=1e-9)
        policy = after
    assert clipped


def test_f1_delay_lies_between_its_bounds() -> None:
    """Gradient flow is the limit of small steps: the clock may be off by a few of them, of size lr."""
    mdp, c, lr, every = TwoStageMDP.minimal(sample_length=64.0), 0.3, 0.02, 20
    start, goal = (0.55, 0.8, 0.3), 0.8
    expert = ExpertChain(Policy.from_probabilities([[0.75, 0.25]], [[0.9, 0.05]]))
    runs = []
    for clip in (None, c):
        objective = SFT(expert, length_weight=np.array([0.0, 0.5, 1.0]))
        policy = Policy.minimal(p=start[0], a=start[1], b=start[2])
        history = train(mdp, policy, objective, steps=1200, optimizer=SGD(lr=lr), clip_norm=clip, log_every=every).history
        runs.append(history)
    for i in range(3):
        free, slow = (int(np.argmax(h.b.values[:, i] >= goal)) for h in runs)
        assert free > 0
        assert slow > 0
        time, delay = lr * every * free, lr * every * (slow - free)
        logit = {k: math.log(v / (1 - v)) for k, v in zip("pab", start, strict=True)}
        end = {k: float(runs[0][k].values[free, i]) for k in "pab"}
        travel = {k: abs(math.log(v / (1 - v)) - logit[k]) for k, v in end.items()}
        slack = 2 * every * lr  # both crossings are known to one logged step
        assert travel["p"] / c - time - slack <= delay <= sum(travel.values()) / c + slack


# ---------------------------------------------------------------------- F2: Adam


def test_f2_adam_does_not_see_the_weights() -> None:
    # eps is far below every gradient met here (1e-12 of the distance to the expert, weighted): it takes no part in any digit.
    runs = [train(MDP, START, SFT(EXPERT, lam), steps=60, optimizer=Adam(lr=0.05, eps=1e-200)).policy for lam in LAMBDAS]
    for other in runs[1:]:
        for x, y in zip(runs[0].parameters, other.parameters, strict=True):
            np.testing.assert_allclose(x[:, INSIDE], y[:, INSIDE], rtol=1e-10, atol=1e-12)


def test_f2_what_epsilon_takes() -> None:
    """The first step is g/(|g| + eps) times the rate: a fraction eps/(t |g| + eps) of it is lost at weight t."""
    g = weightless(Z, U)[1]
    for lam in LAMBDAS:
        after = train(MDP, START, SFT(EXPERT, lam), steps=1, optimizer=Adam(lr=1.0, eps=0.01)).policy
        t = DECISION**lam
        lost = 0.01 / (t * np.abs(g[INSIDE]) + 0.01)
        np.testing.assert_allclose(moved(START, after)[1][INSIDE], np.sign(g[INSIDE]) * (1 - lost), rtol=1e-9)


# ---------------------------------------------------------------------- F3: natural gradient


@pytest.mark.parametrize("lam", LAMBDAS)
def test_f3_natural_steps_carry_their_own_weight(lam: float) -> None:
    w_s, w_d, policy, lr = LENGTH**lam, DECISION**lam, START, 0.02
    for _ in range(8):
        z, u = policy.sample_logits[0], policy.stop_logits[0]
        g_s, g_d = weightless(z, u)
        pi = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        visits = RHO / (pi * sigma(u)).sum(axis=1)
        after = train(MDP, policy, SFT(EXPERT, lam), steps=1, optimizer=NaturalGradient(lr=lr, damping=0.0)).policy
        step_s, step_d = moved(policy, after)
        expected = w_d * g_d[INSIDE] / (visits[:, None] * pi * sigma(u) * sigma(-u))[INSIDE]
        np.testing.assert_allclose(step_d[INSIDE], lr * expected, rtol=1e-9, atol=1e-13)
        # Sampling: up to a constant per prompt, which changes no probability.
        raw = np.where(INSIDE, w_s * g_s / np.where(INSIDE, visits[:, None] * pi, 1.0), 0.0)
        mean = raw.sum(axis=1, keepdims=True) / INSIDE.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(step_s[INSIDE], lr * (raw - mean)[INSIDE], rtol=1e-9, atol=1e-13)
        policy = after


# ---------------------------------------------------------------------- F4: a shared trunk

A_S = np.random.default_rng(5).normal(size=(1, 2, 3, 4)) * INSIDE[..., None]
A_D = np.random.default_rng(6).normal(size=(1, 2, 3, 4)) * INSIDE[..., None]
TRUNK = Policy.linear(Features(A_S, A_D, Z[None], U[None]), np.zeros(4))


def trunk_gradients() -> tuple[np.ndarray, np.ndarray]:
    g_s, g_d = weightless(Z, U)
    return np.einsum("xyp,xy->p", A_S[0], g_s), np.einsum("xyp,xy->p", A_D[0], g_d)


def trunk_step(ratio: float, lr: float) -> np.ndarray:
    """One step at w_s : w_d = ratio, from answers as long as that takes; decisions weigh 1."""
    mdp = MDP.replace(sample_length=ratio, decision_length=1.0)
    return train(mdp, TRUNK, SFT(EXPERT, 1.0), steps=1, optimizer=SGD(lr=lr)).policy.parameters[0]


@pytest.mark.parametrize("w_s", [1.0, 4.0, 1e3, 1e6])
def test_f4_the_step_turns_towards_sampling(w_s: float) -> None:
    u, v = trunk_gradients()
    s, d, x = u @ u, v @ v, u @ v
    lr = 1e-3 / w_s  # small: the policy that the step leads to is looked at too, and must have no probability of zero
    step = trunk_step(w_s, lr) / lr
    square = w_s**2 * s + 2 * w_s * x + d
    assert step @ step == pytest.approx(square, rel=1e-9)
    sine2 = 1 - (step @ u) ** 2 / (step @ step * s)
    # The difference of two numbers near 1 keeps their absolute rounding.
    assert sine2 == pytest.approx((s * d - x**2) / (square * s), rel=1e-7, abs=1e-14)
    lost = d - (step @ v) ** 2 / (step @ step)
    assert lost == pytest.approx(w_s**2 * (s * d - x**2) / square, rel=1e-9)


def test_f4_decisions_get_worse_beyond_the_stated_weight() -> None:
    u, v = trunk_gradients()
    assert u @ v < 0  # the stages conflict here
    limit = (v @ v) / -(u @ v)
    for w_s, improves in ((0.9 * limit, True), (1.1 * limit, False)):
        phi = trunk_step(max(w_s, 1e-6), 1e-6)
        after = U + np.einsum("xyp,p->xy", A_D[0], phi)
        gain = (decision_likelihood(after) - decision_likelihood(U)) / float(np.linalg.norm(phi))
        assert (gain > 0) is improves
        # Measured on the likelihood itself: first order g.v/|g|, second order of the size of the step.
        g = w_s * u + v
        assert gain == pytest.approx(g @ v / np.linalg.norm(g), abs=1e-4)


# ---------------------------------------------------------------------- C5, C5-moves, C5-time, C3


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_c5_long_training_ends_at_the_expert_at_every_length_weight(reduction: str) -> None:
    sft = SFT(EXPERT, np.array(LAMBDAS), reduction)
    mass = sft.mass(solve(MDP, START))
    lr = 1.0 / (mass.sample + mass.stop + mass.resample).sum(axis=(-3, -2, -1))
    end = train(MDP, START, sft, steps=700, optimizer=Momentum(lr=lr, momentum=0.93), log_every=700).policy
    for i in range(len(LAMBDAS)):
        np.testing.assert_allclose(end.sample_prob[i, 0], PI_E, rtol=0, atol=1e-8)
        np.testing.assert_allclose(end.stop_prob[i, 0][INSIDE], STOP_E[INSIDE], rtol=0, atol=1e-8)


@pytest.mark.parametrize("w_s", [1.0, 3.0, 50.0])
def test_c5_moves_one_shared_parameter(w_s: float) -> None:
    """theta_s = theta_C: the optimum is a weighted mean of p_E and a_E."""
    sample, decide = np.zeros((1, 1, 2, 1)), np.zeros((1, 1, 2, 1))
    sample[0, 0, 0, 0] = decide[0, 0, 0, 0] = 1.0
    policy = Policy.linear(Features(sample, decide), [0.3])
    expert = ExpertChain(Policy.from_probabilities([[0.6, 0.4]], [[0.9, 0.2]]))
    mdp = TwoStageMDP.minimal(sample_length=w_s, decision_length=1.0)
    end = train(mdp, policy, SFT(expert, 1.0), steps=250, optimizer=SGD(lr=1.0 / w_s), log_every=250).policy
    best = (w_s * 0.6 + 0.6 * 0.9) / (w_s + 0.6)
    assert float(sigma(end.parameters[0][0])) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize(("reduction", "factor"), [("sum", 1.0), ("mean", 1.0 / 17.0)])
def test_c5_time_is_what_training_takes(reduction: str, factor: float) -> None:
    """Small steps follow the flow: the number of steps times the rate is the closed form, to the order of the rate."""
    p_E, a_E, b_E, lr = 0.75, 0.9, 0.95, 0.02
    expert = ExpertChain(Policy.from_probabilities([[p_E, 1 - p_E]], [[a_E, 1 - b_E]]))
    mdp, sft = TwoStageMDP.minimal(sample_length=16.0), SFT(expert, 1.0, reduction)
    lr /= factor
    steps = 3000
    history = train(mdp, Policy.minimal(p=0.55, a=0.8, b=0.3), sft, steps=steps, optimizer=SGD(lr=lr), log_every=25).history

    def clock(x: float) -> float:
        return (math.log(x / (1 - x)) - math.log((b_E - x) / (1 - x)) / (1 - b_E)) / b_E

    n_E = 1 / (1 - p_E * (1 - a_E) - (1 - p_E) * b_E)
    time = (clock(0.9) - clock(0.3)) / (factor * n_E * (1 - p_E))
    measured = lr * float(np.interp(0.9, history.b, history.step))
    assert measured == pytest.approx(time, rel=2e-3)


@pytest.mark.parametrize("optimizer", [SGD(lr=0.3), Momentum(lr=0.1), Adam(lr=0.05), NaturalGradient(lr=0.05)])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_c3_without_coverage_nothing_moves_where_it_is_missing(optimizer, clip: float | None) -> None:
    right = ExpertChain(Policy.from_probabilities([[0.0, 1.0, 0.0], [1.0, 0.0]], [[0.5, 0.9, 0.5], [0.8, 0.5]]))
    wrong = ~np.array([[False, True, False], [True, False, False]])
    for lam in LAMBDAS:
        end = train(MDP, START, SFT(right, lam), steps=30, optimizer=optimizer, clip_norm=clip).policy
        np.testing.assert_array_equal(end.stop_logits[0][wrong], START.stop_logits[0][wrong])
        assert (end.stop_logits[0][~wrong] != START.stop_logits[0][~wrong]).all()


# ---------------------------------------------------------------------- the mechanisms together

M0, FIRST = TwoStageMDP.minimal(sample_length=32), Policy.minimal(p=0.55, a=0.8, b=0.3)


def test_the_trunks_optimum_solves_its_own_equation() -> None:
    """share w_s n_E (p_E - p) = w_d n_E (1 - p_E)(b_E - b) along the trunk, found by bisection."""
    weights = np.array([0.0, 0.6, 1.0])
    mdp = TwoStageMDP.minimal(sample_length=8)  # the longer answers are, the more steps it takes to settle
    trunk = length_weight_mechanisms(mdp, FIRST, length_weight=weights)["shared trunk"]
    found = solve(mdp, settle(mdp, trunk, trunk.start, steps=1200))

    def at(phi: float) -> tuple[float, float]:
        return float(sigma(math.log(0.55 / 0.45) + phi / 2)), float(sigma(math.log(0.3 / 0.7) - phi))

    for i, lam in enumerate(weights):
        low, high = -20.0, 20.0
        for _ in range(200):
            middle = (low + high) / 2
            p, b = at(middle)
            low, high = (middle, high) if 8**lam / 2 * (0.75 - p) > 0.25 * (0.95 - b) else (low, middle)
        p, b = at(low)
        assert found.p[i] == pytest.approx(p, abs=1e-8)
        assert found.b[i] == pytest.approx(b, abs=1e-8)
        assert found.a[i] == pytest.approx(0.9, abs=1e-8)


def test_each_mechanism_changes_one_thing() -> None:
    made = length_weight_mechanisms(M0, FIRST, length_weight=[0.0, 1.0])
    control = made["control"]
    for name, one in made.items():
        np.testing.assert_allclose(one.start.sample_prob, FIRST.sample_prob, rtol=1e-14)
        np.testing.assert_allclose(one.start.stop_prob, FIRST.stop_prob, rtol=1e-14)
        assert (one.clip_norm is not None) == name.startswith("clipping"), name
        assert (one.objective_at is not None) == (name == "clipping, sampled"), name
        assert (one.objective.reduction == "mean") == name.startswith("finite training"), name
        assert (one.start.parameters[0].shape == (2,)) == (name == "shared trunk"), name
    same = control.run(M0, steps=50).policy.parameters[0]
    assert same[0, 1:].tolist() == same[1, 1:].tolist()  # decisions do not see the weight, bit by bit


def test_sampled_gradients_are_the_exact_ones_on_average_and_repeatable() -> None:
    made = [length_weight_mechanisms(M0, FIRST, length_weight=1.0, batch=4, seed=3)["clipping, sampled"] for _ in range(2)]
    s = solve(M0, FIRST)
    draws, again = (
        np.array([one.objective_at(k).gradient(s).parameters(FIRST)[0] for k in range(steps)])
        for one, steps in zip(made, (800, 40), strict=True)
    )
    np.testing.assert_array_equal(draws[:40], again)
    exact = made[0].objective.gradient(s).parameters(FIRST)[0]
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(axis=0) - exact) < 4.5 * error).all()


def test_the_trunk_is_the_start() -> None:
    assert confidence_trunk(FIRST, share=0.2).features.names == ("confidence", "care")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            (MDP, START),
            "the chain has (prompts, answers) = (2, 3) and the policy (2, 3): these experiments are about the minimal",
        ),
        ((M0, FIRST, (1.0, 0.9, 0.9)), "the expert is (1.0, 0.9, 0.9): p, a and b must lie strictly between 0 and 1"),
    ],
)
def test_what_is_refused(arguments, words: str) -> None:
    settings = {"expert": arguments[2]} if len(arguments) > 2 else {}
    with pytest.raises(ChainError) as caught:
        length_weight_mechanisms(*arguments[:2], length_weight=0.0, **settings)
    assert str(caught.value).startswith(words)

"""Distillation between the reverse and the forward KL: gradients against those of every state's divergence, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

from dstheory import Policy, TwoStageMDP, enumerate_trajectories, solve
from dstheory.errors import ChainError, InfiniteDivergenceError
from dstheory.objectives import Distillation, K2Loss, K3Loss, SFTTokenMean
from dstheory.objectives.imitation import ExpertChain

MDP = TwoStageMDP(
    correct=[[1, 0, 0], [1, 1, 0]], n_answers=[3, 3], gamma=1.0, max_turns=3, prompt_weight=[0.3, 0.7],
    sample_length=[[3, 11, 5], [2, 7, 20]], decision_length=2.0,
)  # fmt: skip


def policy(seed: int) -> Policy:
    rng = np.random.default_rng(seed)
    return Policy.tabular(rng.normal(0, 1, (1, 2, 3)), rng.normal(0, 1, (1, 2, 3)))


HERE, TEACHER = policy(1), policy(2)


def divergence(logits, q, b):
    """The generalised Jensen-Shannon divergence of a softmax and a teacher, as TRL's documentation defines it."""
    top = [mp.exp(u) for u in logits]
    p = [x / sum(top) for x in top]
    if b == 0:
        return sum(y * mp.log(y / x) for x, y in zip(p, q, strict=True) if y)
    if b == 1:
        return sum(x * mp.log(x / y) for x, y in zip(p, q, strict=True))
    m = [b * y + (1 - b) * x for x, y in zip(p, q, strict=True)]
    from_teacher = sum(y * mp.log(y / z) for y, z in zip(q, m, strict=True) if y)
    return b * from_teacher + (1 - b) * sum(x * mp.log(x / z) for x, z in zip(p, m, strict=True))


def slopes(logits: list[float], q: list[float], b: float) -> list[float]:
    with mp.workdps(40):
        at, teacher = [mpf(u) for u in logits], [mpf(y) for y in q]
        found = []
        for i in range(len(at)):
            found.append(mp.diff(lambda u, i=i: divergence([*at[:i], u, *at[i + 1 :]], teacher, mpf(b)), at[i]))
    return [float(x) for x in found]


@pytest.mark.parametrize("states", ["policy", "reference"])
@pytest.mark.parametrize("b", [0.0, 1e-9, 0.2, 0.5, 0.9, 1.0])
def test_the_gradient_is_that_of_the_divergence_of_every_visited_state(b: float, states: str) -> None:
    who, s = (HERE if states == "policy" else TEACHER), solve(MDP, HERE)
    t = enumerate_trajectories(MDP, who)
    tokens = float((t.weight * t.sum(MDP.sample_length[t.step_prompt, t.answer] + 2.0 * t.decided)).sum())
    sample, decide = np.zeros((1, 2, 3)), np.zeros((1, 2, 3))
    for x in range(2):
        here = t.step_prompt == x
        visits = float(t.weight[t.episode[here]].sum())
        sample[0, x] = -visits * np.array(slopes(HERE.sample_logits[0, x].tolist(), TEACHER.sample_prob[0, x].tolist(), b))
        for y in range(3):
            met = float(t.weight[t.episode[here & (t.answer == y) & t.decided]].sum())
            stop = float(TEACHER.stop_prob[0, x, y])
            decide[0, x, y] = -met * slopes([float(HERE.stop_logits[0, x, y]), 0.0], [stop, 1.0 - stop], b)[0]
    o = Distillation(TEACHER, interpolation=b, states=states)
    g = o.gradient(s)
    size = max(np.abs(sample).max(), np.abs(decide).max()) / tokens
    np.testing.assert_allclose(g.sample, sample / tokens, rtol=0, atol=1e-12 * size)
    np.testing.assert_allclose(g.decide, decide / tokens, rtol=0, atol=1e-12 * size)
    c_s, c_d = o.coefficients(s, t)  # the rule on trajectories averages to it
    found = np.zeros((2, 2, 3))
    for k in range(len(t.answer)):
        x, y, weight = t.step_prompt[k], t.answer[k], t.weight[t.episode[k]]
        found[0, x] -= weight * c_s[k] * HERE.sample_prob[0, x]
        found[0, x, y] += weight * c_s[k]
        found[1, x, y] += weight * c_d[k] * (float(t.stop[k]) - HERE.stop_prob[0, x, y])
    np.testing.assert_allclose(found, np.stack([g.sample[0], g.decide[0]]), rtol=0, atol=1e-12 * size)


def test_the_ends_are_the_losses_that_have_names() -> None:
    s = solve(MDP, HERE)
    pairs = [
        (Distillation(TEACHER), K2Loss(TEACHER, beta=1.0, normaliser="batch-tokens")),
        (Distillation(TEACHER, interpolation=0.0), K3Loss(TEACHER, beta=1.0, normaliser="batch-tokens")),
        (Distillation(TEACHER, interpolation=0.0, states="reference"), SFTTokenMean(ExpertChain(TEACHER))),
    ]
    for one, other in pairs:
        g, h = one.gradient(s), other.gradient(s)
        np.testing.assert_allclose(g.sample, h.sample, rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(g.decide, h.decide, rtol=1e-12, atol=1e-16)


def test_a_teacher_that_rules_an_action_out_leaves_the_divergence_finite() -> None:
    """Between the ends the policy's action counts (1 - b) log(1 - b); at the teacher's states nobody ever takes it."""
    never = Policy.tabular(np.array([[[0.3, -0.2, -np.inf], [0.1, 0.4, -0.3]]]), TEACHER.stop_logits)
    s, o = solve(MDP, HERE), Distillation(never, interpolation=0.25)
    expected = np.array(slopes(HERE.sample_logits[0, 0].tolist(), never.sample_prob[0, 0].tolist(), 0.25))
    g = o.gradient(s).sample[0, 0]
    np.testing.assert_allclose(g / g[0], expected / expected[0], rtol=1e-12)
    for other in (Distillation(never), Distillation(never, interpolation=0.25, states="reference")):
        with pytest.raises(InfiniteDivergenceError, match=r"gives probability 0 to the answer \(turn 0, prompt 0, answer 2\)"):
            other.gradient(s)
    assert np.isfinite(Distillation(TEACHER, interpolation=0.25).gradient(solve(MDP, never)).sample).all()


@pytest.mark.parametrize("gap", [1e-8, 1e-4, -3.0, 5.0, 40.0, 800.0])
def test_coefficients_keep_their_digits_near_the_teacher_and_far_from_it(gap: float) -> None:
    mdp = TwoStageMDP(correct=[[1, 0]], max_turns=1, sample_length=1.0)
    here, teacher = (Policy.tabular([[[u, 0.0]]], [[[0.0, 0.0]]]) for u in (gap, 0.0))
    found = Distillation(teacher, interpolation=0.3).gradient(solve(mdp, here)).sample[0, 0, 0]
    assert found == pytest.approx(-slopes([gap, 0.0], [0.5, 0.5], 0.3)[0], rel=1e-7 if gap == 1e-8 else 1e-11)


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"interpolation": 1.5}, "interpolation is 1.5: must lie in [0, 1]"), ({"states": "teacher"}, "states is 'teacher': must")],
)
def test_impossible_settings_are_refused(settings: dict, says: str) -> None:
    with pytest.raises(ChainError) as refused:
        Distillation(TEACHER, **settings)
    assert says in str(refused.value)

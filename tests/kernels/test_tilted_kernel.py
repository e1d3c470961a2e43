"""The compiled moments and mass against the readable ones, on ragged tables, node by node."""

from __future__ import annotations

import numpy as np
import pytest
from objectives.test_fused import large

from dstheory import Policy, Solution, TwoStageMDP, solve
from dstheory.kernels import tilted_mass, tilted_moments
from dstheory.objectives import DAPO, GRPO, K1Loss, SFTSequenceMean
from dstheory.objectives.expectation import exponential
from dstheory.objectives.expectation.rewards import reward_of
from dstheory.objectives.imitation import ExpertChain


def problem(prompts: int = 1500) -> tuple[Solution, Policy, TwoStageMDP]:
    mdp, policy, reference = large(prompts=prompts)
    return solve(mdp, policy), reference, mdp


def test_moments_and_mass_are_those_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    solution, _, mdp = problem()
    reward = reward_of(solution, "correct").reward
    rng = np.random.default_rng(1)
    t = np.array([0.0, 1e-6, 0.003, 0.2, 30.0])
    nodes = exponential.EffectiveCredit(t, rng.normal(size=(5, 1500)), rng.normal(size=(5, 1500)))
    assert exponential._compiled(solution, reward)
    fast = (*exponential.moments(solution, reward, t), exponential.response_mass(solution, reward, nodes))
    monkeypatch.setattr(exponential, "_compiled", lambda *_: False)
    slow = (*exponential.moments(solution, reward, t), exponential.response_mass(solution, reward, nodes))
    for one, two in zip(fast[:2], slow[:2], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-11, atol=1e-300)
    for part in ("sample", "stop", "resample"):
        one, two = getattr(fast[2], part), getattr(slow[2], part)
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-13 * np.abs(two).max())
        assert (one[0][~mdp.inside] == 0).all()


@pytest.mark.parametrize("name", ["grpo", "dapo", "k1-loss", "sft-sequence-mean"])
def test_rows_with_lengths_take_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    solution, reference, _ = problem()
    objective = {"grpo": GRPO(), "dapo": DAPO(group_size=3), "k1-loss": K1Loss(reference, normaliser="response-tokens"),
                 "sft-sequence-mean": SFTSequenceMean(ExpertChain(reference))}[name]  # fmt: skip
    fast = objective.gradient(solution)
    monkeypatch.setattr(exponential, "_compiled", lambda *_: False)
    slow = objective.gradient(solution)
    scale = max(np.abs(slow.sample).max(), np.abs(slow.decide).max())
    # The sum of some forty exponentials cancels nothing; 1 - exp is a difference, with P(stop) above 1e-4 here.
    np.testing.assert_allclose(fast.sample, slow.sample, rtol=0, atol=1e-10 * scale)
    np.testing.assert_allclose(fast.decide, slow.decide, rtol=0, atol=1e-10 * scale)


def test_threads_do_not_change_a_bit() -> None:
    solution, _, mdp = problem(400)
    policy = solution.policy
    arguments = policy.sample_prob[0], policy.stop_prob[0], mdp.sample_length, mdp.correct
    t = np.array([0.001, 0.1])
    rest = {"t": t, "n_answers": mdp.n_answers}
    moments = [tilted_moments(*arguments, **rest, threads=n) for n in (1, 3)]
    assert moments[0][0].tobytes() == moments[1][0].tobytes()
    half, more = np.full((2, 400), 0.5), (*arguments[:2], policy.resample_prob[0], *arguments[2:])
    mass = [
        tilted_mass(*more, **rest, constant=half, slope=half, prompt_weight=mdp.prompt_weight, threads=n) for n in (1, 3)
    ]
    assert mass[0][0].tobytes() == mass[1][0].tobytes()


@pytest.mark.parametrize("nodes", [1, 3, 5, 40])
def test_a_credit_that_is_the_same_whatever_the_reward_asks_for_no_rewards(nodes: int) -> None:
    solution, _, mdp = problem(400)
    policy = solution.policy
    arguments = policy.sample_prob[0], policy.stop_prob[0], policy.resample_prob[0], mdp.sample_length
    t, _ = exponential.reciprocal(1.0, 1e5)
    constant = np.random.default_rng(2).random((nodes, 400))
    rest = {"t": t[:nodes], "constant": constant, "prompt_weight": mdp.prompt_weight, "n_answers": mdp.n_answers}
    without = tilted_mass(*arguments, np.full((1, 1), np.nan), **rest)
    for one, two in zip(without, tilted_mass(*arguments, mdp.correct, slope=0.0 * constant, **rest), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-14, atol=0)


def test_it_steps_aside() -> None:
    solution, _, mdp = problem()
    reward = reward_of(solution, "correct").reward
    assert not exponential._compiled(solve(mdp.replace(max_turns=2), solution.policy), reward)
    assert not exponential._compiled(solution, reward_of(solution, "return").reward)
    u = solution.policy.stop_logits.copy()
    u[0, 7] = -20.0
    assert not exponential._compiled(solve(mdp, Policy.tabular(solution.policy.sample_logits, u)), reward)

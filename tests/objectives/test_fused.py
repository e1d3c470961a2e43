"""The compiled path against the readable one: same gradients, same values, same refusals."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from profiles import EXHAUSTIVE, in_turn

from dstheory import Policy, Solution, TwoStageMDP, solve
from dstheory.errors import ImproperChainError, InfiniteDivergenceError
from dstheory.kernels.whitened import whitened_gradient
from dstheory.objectives import (
    CISPO,
    DAPO,
    GRPO,
    GSPO,
    NFT,
    RFT,
    RLOO,
    ActorCritic,
    DAPOBatch,
    Distillation,
    DrGRPO,
    EntropyBonus,
    ForwardKL,
    GRPONoStd,
    K1Loss,
    K2Loss,
    K3Loss,
    Objective,
    PPOClip,
    Reinforce,
    ReinforceBaseline,
    ReinforcePlusPlus,
    ReverseKL,
    ReverseKLDirect,
    RewardToGo,
    SCoRePerAttempt,
    SCoReSummed,
)
from dstheory.objectives.expectation import exponential
from dstheory.objectives.fused import applies
from dstheory.objectives.imitation import ExpertChain
from dstheory.objectives.mass import StageGradient
from dstheory.objectives.parts import ConstantLength
from dstheory.objectives.registry import build


def fused(objective: Objective, solution: Solution):
    """The compiled path's answer, or None where it steps aside."""
    return objective._fused(solution)


def one_pass(objective: Objective, solution: Solution) -> StageGradient | None:
    """The gradient that large tables get from a compiled loop, or None where it steps aside."""
    return objective._in_one_pass(solution) if applies(solution) else None


def large(
    seed: int = 0, *, per: str = "turn", gamma: float = 0.9, prompts: int = 1500, width: int = 25
) -> tuple[TwoStageMDP, Policy, Policy]:
    """A ragged table of some 37,000 entries, above the size at which the compiled path is taken."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, width, size=prompts)
    counts[0] = width
    shape = (prompts, width)
    mdp = TwoStageMDP(
        correct=rng.integers(0, 2, size=shape),
        n_answers=counts,
        reward_stop=rng.normal(size=shape),
        reward_resample=rng.normal(scale=0.3, size=shape),
        sample_length=rng.choice([1.0, 3.0, 300.0], size=shape),
        decision_length=2.0,
        prompt_weight=rng.dirichlet(np.ones(prompts)),
        gamma=gamma,
        discount_per=per,
    )
    inside = mdp.inside[None]
    policy = Policy.tabular(np.where(inside, rng.normal(size=(1, *shape)) * 3, -np.inf), rng.normal(size=(1, *shape)) + 0.5)
    reference = Policy.tabular(np.where(inside, rng.normal(size=(1, *shape)), -np.inf), rng.normal(size=(1, *shape)))
    return mdp, policy, reference


@pytest.mark.parametrize(("per", "gamma"), [("turn", 0.9), ("stage", 0.7), ("turn", 1.0), ("stage", 0.0)])
@pytest.mark.parametrize(
    "make",
    [
        lambda ref: Reinforce(),
        lambda ref: 3.0 * ActorCritic(),
        lambda ref: Reinforce() + ReverseKLDirect(ref, beta=0.3, length_weight=0.5),
        lambda ref: 2.0 * RewardToGo() + 0.5 * ReverseKLDirect(ref, beta=0.3, length_weight=1.0, reduction="mean"),
        lambda ref: ReverseKLDirect(ref, beta=0.3) + Reinforce(),
    ],
)
def test_both_paths_agree(make, per: str, gamma: float) -> None:
    mdp, policy, reference = large(per=per, gamma=gamma)
    objective, solution = make(reference), solve(mdp, policy)
    fast = fused(objective, solution)
    assert fast is not None
    slow = objective.mass(solution).gradient(policy)
    scale = max(np.abs(slow.sample).max(), np.abs(slow.decide).max())
    np.testing.assert_allclose(fast.sample, slow.sample, rtol=1e-9, atol=1e-13 * scale)
    np.testing.assert_allclose(fast.decide, slow.decide, rtol=1e-9, atol=1e-13 * scale)
    np.testing.assert_allclose(fast.value, solution.value, rtol=1e-11, atol=1e-14)
    assert objective.gradient(solution).sample.tobytes() == fast.sample.tobytes()  # it is the path that is taken


def test_it_steps_aside_where_it_does_not_apply() -> None:
    mdp, policy, reference = large()
    for objective in (
        ReverseKL(reference),
        Reinforce() + EntropyBonus(),
        ReverseKLDirect(reference),
        RewardToGo(outer_discount=False),
    ):
        assert fused(objective, solve(mdp, policy)) is None
    assert fused(Reinforce(), solve(mdp.replace(max_turns=2), policy)) is None
    assert fused(Reinforce(), solve(mdp.replace(gamma=[0.5, 0.9]), policy)) is None
    small = TwoStageMDP.minimal()
    assert fused(Reinforce(), solve(small, Policy.minimal(p=0.5, a=0.5, b=0.5))) is None


def test_value_and_gradient_is_the_same_on_every_path() -> None:
    mdp, policy, reference = large()
    for objective in (Reinforce() + ReverseKLDirect(reference), Reinforce() + ReverseKL(reference)):
        solution = solve(mdp, policy)
        value, gradient = objective.value_and_gradient(solution)
        np.testing.assert_allclose(value, solution.value, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(gradient.sample, objective.mass(solution).gradient(policy).sample, rtol=1e-9, atol=1e-14)


def test_an_endless_prompt_is_named() -> None:
    mdp, policy, _ = large(gamma=1.0)
    u = policy.stop_logits.copy()
    u[0, 41] = -1000.0
    endless = Policy.tabular(policy.sample_logits, u)
    with pytest.raises(ImproperChainError, match="prompt 41: the resample probability"):
        Reinforce().gradient(solve(mdp, endless))
    discounted = solve(mdp.replace(gamma=0.9), endless)
    assert np.isfinite(Reinforce().gradient(discounted).decide).all()
    with pytest.raises(ImproperChainError, match="prompt 41"):
        (Reinforce() + ReverseKLDirect(policy)).gradient(discounted)


def test_an_infinite_divergence_is_named() -> None:
    mdp, policy, reference = large()
    z = reference.sample_logits.copy()
    z[0, 0, 3] = -np.inf
    with pytest.raises(InfiniteDivergenceError, match="prompt 0, answer 3"):
        (Reinforce() + ReverseKLDirect(Policy.tabular(z, reference.stop_logits))).gradient(solve(mdp, policy))


def assert_same_rows(found: StageGradient, expected: StageGradient, tolerance: float = 1e-12) -> None:
    """Every row is the same, to so much of its largest entry."""
    for one, two in ((found.sample, expected.sample), (found.decide, expected.decide)):
        assert (np.abs(one - two).max(axis=-1) <= tolerance * np.abs(two).max(axis=-1)).all()


@pytest.mark.parametrize(
    "objective",
    [RLOO(), DrGRPO(std=True, group_size=5), DAPOBatch(group_size=4), DAPOBatch(group_size=np.inf, std=False), NFT(), PPOClip(),
     ReinforceBaseline(baseline="opo"), ReinforceBaseline(baseline=0.3)],
    ids=lambda o: o.name,
)  # fmt: skip
def test_rows_without_lengths_take_the_compiled_path(objective) -> None:
    """Baselines and exact critics too: they leave the expectation alone."""
    mdp, policy, _ = large()
    solution = solve(mdp, policy)
    fast, slow = one_pass(objective, solution), objective.mass(solution).gradient(policy)
    assert fast is not None
    found = objective.gradient(solution)
    scale = max(np.abs(slow.sample).max(), np.abs(slow.decide).max())
    np.testing.assert_allclose(found.sample, slow.sample, rtol=1e-9, atol=1e-13 * scale)
    np.testing.assert_allclose(found.decide, slow.decide, rtol=1e-9, atol=1e-13 * scale)


@pytest.mark.parametrize(
    ("made", "penalty"),
    in_turn(
        [(GRPO, 25), (GRPONoStd, 150), (GSPO, 25), (DAPO, 150), (CISPO, 25), (DAPOBatch, 25), (RLOO, 25), (NFT, 25),
         (PPOClip, 25), (ReinforceBaseline, 25), (partial(DAPOBatch, prompts=3), 25),
         (partial(DAPOBatch, dynamic_sampling=True), 25),
         (partial(GRPO, group_size=70, std="leave-one-out", epsilon=0.01), 25), (partial(DAPO, group_size=201), 25)],
        [(0.0, False), (0.0, True), (0.05, True), (0.05, False), (30.0, False), (30.0, True)], each=3,
    ),
)  # fmt: skip
def test_groups_in_one_pass(made, penalty: tuple[float, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """With lengths and penalties: answers of one block and of several, a reference far away and one beside the policy.

    Tables count as large from their first entry on, so that a fourth of the prompts will do.
    """
    (make, width), (beta, near) = made, penalty
    rng = np.random.default_rng(width)
    prompts = 250 if width > 64 else 1400
    if not EXHAUSTIVE:
        monkeypatch.setattr("dstheory.objectives.fused.SMALLEST", 1)
        prompts //= 4
    mdp, policy, reference = large(seed=width, prompts=prompts, width=width)
    z = policy.sample_logits.copy()
    z[0, :50] *= 10.0  # one answer is nearly certain
    policy = Policy.tabular(z, policy.stop_logits)
    if near:
        z, u = ((v + 1e-7 * rng.normal(size=v.shape)) for v in (policy.sample_logits, policy.stop_logits))
        reference = Policy.tabular(z, u)
    objective, solution = make(reference=reference, beta=beta), solve(mdp, policy)
    found = one_pass(objective, solution)
    assert found is not None
    slow = objective._closest(solution).gradient(policy)
    assert slow.sample.tobytes() != found.sample.tobytes()
    assert_same_rows(found, slow)
    assert objective.gradient(solution).decide.tobytes() == found.decide.tobytes()  # it is the path that is taken
    if beta:  # the penalty by itself: it would not show beside the reward
        only = one_pass(objective, solution).sample - one_pass(make(reference=reference, beta=0.0), solution).sample
        k3 = (objective._closest(solution) + make()._closest(solution).scaled(-1.0)).gradient(policy).sample
        np.testing.assert_allclose(only, k3, rtol=0, atol=1e-12 * max(np.abs(found.sample).max(), np.abs(k3).max()))


class OwnTerms(RLOO):
    def reward_terms(self, solution, under, outcome):
        return super().reward_terms(solution, under, outcome)


def test_what_the_pass_over_groups_does_not_know_steps_aside() -> None:
    mdp, policy, reference = large()
    solution = solve(mdp, policy)
    far = Policy.tabular(300.0 * reference.sample_logits, reference.stop_logits)
    never = Policy.tabular(policy.sample_logits, np.full(policy.shape, -np.inf))
    u = policy.stop_logits.copy()
    u[0, 4] = -15.0
    rare = solve(mdp, Policy.tabular(policy.sample_logits, u))
    for objective in (
        RLOO(sampler=reference), RLOO(outcome="return"), OwnTerms(), GRPO(group_size=np.inf), GRPO(group_size=202),
        GRPO(reference=reference, beta=0.1, corrected_kl=True), GRPO(reference=reference, beta=[0.1, 0.2]),
        GRPO(reference=far, beta=0.1), GRPO(reference=never, beta=0.1), GRPO(temperature=2.0),
        ReinforceBaseline(normalise_by="response-tokens"), PPOClip(prompts=3), GRPO(std="batch"),
    ):  # fmt: skip
        assert one_pass(objective, solution) is None, objective
    for objective in (RLOO(), GRPO(), DAPO()):
        assert one_pass(objective, solve(mdp.replace(max_turns=2), policy)) is None
        assert one_pass(objective, rare) is None
    all_but_right = mdp.replace(correct=np.where(np.arange(mdp.shape[0])[:, None] > 0, 0, mdp.correct),
                                prompt_weight=np.where(np.arange(mdp.shape[0]) > 0, 1.0, 1e-20), resample_cost=0.0)  # fmt: skip
    assert one_pass(DAPO(), solve(all_but_right, policy)) is None  # hardly a group is mixed
    u[0, 41] = -1000.0
    with pytest.raises(ImproperChainError, match="prompt 41: the resample probability"):
        RLOO().gradient(solve(mdp, Policy.tabular(policy.sample_logits, u)))
    with pytest.raises(ImproperChainError, match="prompt 41: the resample probability"):
        GRPO().gradient(solve(mdp, Policy.tabular(policy.sample_logits, u)))


@pytest.mark.parametrize("beta", [None, 0.0, 0.05, 3.0])
@pytest.mark.parametrize("extreme", [False, True])
def test_reinforce_pp_in_one_pass(beta: float | None, extreme: bool) -> None:
    mdp, policy, reference = large(seed=3)
    if extreme:  # certain and impossible actions, some of them in the reference too
        z, u = policy.sample_logits.copy(), policy.stop_logits.copy()
        z[0, :50] *= 200.0
        u[0, 50:100] = np.where(np.arange(25) % 3, 30.0, -5.0)
        u[0, 100, :2] = np.inf, -np.inf
        z[0, 101, :2], mixed = [0.0, -np.inf], np.where(mdp.inside[101], 0.0, -np.inf)
        z[0, 101] = np.where(np.arange(25) == 1, -np.inf, mixed)
        policy = Policy.tabular(z, u)
    objective = ReinforcePlusPlus() if beta is None else ReinforcePlusPlus(reference, beta=beta)
    solution = solve(mdp, policy)
    fast = objective._in_one_pass(solution)
    assert fast is not None
    slow = objective.mass(solution).gradient(policy)
    scale = max(np.abs(slow.sample).max(), np.abs(slow.decide).max())
    np.testing.assert_allclose(fast.sample, slow.sample, rtol=1e-9, atol=1e-13 * scale)
    np.testing.assert_allclose(fast.decide, slow.decide, rtol=1e-9, atol=1e-13 * scale)
    assert objective.gradient(solution).sample.tobytes() == fast.sample.tobytes()  # it is the path that is taken


def test_reinforce_pp_steps_aside() -> None:
    mdp, policy, reference = large(seed=4)
    objective = ReinforcePlusPlus(reference, beta=0.1)
    # Every submitted answer is right: what spreads the returns is the penalty alone, and a small one.
    right = mdp.replace(correct=np.ones(mdp.correct.shape), resample_cost=0.0)
    weak = ReinforcePlusPlus(reference, beta=1e-6)
    solution = solve(right, policy)
    assert weak._in_one_pass(solution) is None
    slow = weak.mass(solution).gradient(policy)
    assert weak.gradient(solution).decide.tobytes() == slow.decide.tobytes()
    never = policy.stop_logits.copy()
    never[0, 7] = -np.inf
    with pytest.raises(ImproperChainError, match="prompt 7"):
        objective.gradient(solve(mdp, Policy.tabular(policy.sample_logits, never)))
    missing = reference.stop_logits.copy()
    missing[0, 9, 0] = -np.inf
    with pytest.raises(InfiniteDivergenceError, match="prompt 9, answer 0"):
        ReinforcePlusPlus(Policy.tabular(reference.sample_logits, missing), beta=0.1).gradient(solve(mdp, policy))


@pytest.mark.parametrize("name", ["kl", "k1-reward"])
@pytest.mark.parametrize("away", [0.0, 1e-6, 0.1])
def test_penalties_in_the_reward_in_one_pass(name: str, away: float) -> None:
    """Beside the reference each row is right to as many digits as are left, and the pass is not taken."""
    mdp, policy, _ = large(seed=8, prompts=700, width=60)
    mdp = mdp.replace(n_answers=np.where(np.arange(700) < 20, 1, np.maximum(mdp.n_answers, 30)))
    rng, inside = np.random.default_rng(9), mdp.inside[None]
    draw = lambda: Policy.tabular(np.where(inside, rng.normal(size=inside.shape), -np.inf), rng.normal(size=inside.shape))  # noqa: E731
    policy, reference = draw(), draw()
    if away:  # at one prompt
        z, u = reference.sample_logits.copy(), reference.stop_logits.copy()
        z[0, 99] = policy.sample_logits[0, 99] + away * rng.normal(size=60)
        u[0, 99] = policy.stop_logits[0, 99] + away * rng.normal(size=60)
        reference = Policy.tabular(z, u)
    objective, solution = build(name, {"reference": reference, "beta": 0.3}), solve(mdp, policy)
    slow = objective._closest(solution).gradient(policy)
    fast = objective._in_one_pass(solution)
    taken = objective.gradient(solution)
    if away == 1e-6:
        assert fast is None
        assert taken.sample.tobytes() == slow.sample.tobytes()
    else:
        assert fast is not None
        assert taken.sample.tobytes() == fast.sample.tobytes() != slow.sample.tobytes()
        assert_same_rows(fast, slow)


@pytest.mark.parametrize("away", [None, 0.1, 1e-9])
@pytest.mark.parametrize(
    "make",
    [K3Loss, ForwardKL, K2Loss, ReverseKLDirect, Distillation, partial(K3Loss, corrected_kl=True),
     partial(K3Loss, normaliser="batch-tokens"), partial(K2Loss, normaliser=ConstantLength(20)),
     partial(K2Loss, normaliser="group-tokens", group_size=np.inf), partial(Distillation, interpolation=0.0)],
)  # fmt: skip
def test_penalties_at_states_in_one_pass(make, away: float | None) -> None:
    rng = np.random.default_rng(12)
    mdp, policy, reference = large(seed=12)
    if away is not None:
        z, u = (v + away * rng.normal(size=v.shape) for v in (policy.sample_logits, policy.stop_logits))
        reference = Policy.tabular(z, u)
    objective, solution = make(reference, beta=0.3), solve(mdp, policy)
    fast = objective._in_one_pass(solution)
    assert fast is not None
    slow = objective._closest(solution).gradient(policy)
    assert objective.gradient(solution).sample.tobytes() == fast.sample.tobytes() != slow.sample.tobytes()
    assert_same_rows(fast, slow)


def test_penalties_at_states_step_aside() -> None:
    mdp, policy, reference = large(seed=12)
    solution = solve(mdp, policy)
    for objective in (K3Loss(reference, normaliser="response-tokens"), K2Loss(reference, normaliser="group-tokens"),
                      Distillation(reference, prompts=3), Distillation(reference, interpolation=0.5), K1Loss(reference),
                      Distillation(reference, states="reference"), ReverseKLDirect(reference, length_weight=0.5),
                      K3Loss(reference, beta=[0.1, 0.2]), ForwardKL(reference, length_weight=1.0),
                      ForwardKL(reference, states="reference"), ForwardKL(Policy.tabular(400.0 * policy.sample_logits,
                                                                                         policy.stop_logits))):  # fmt: skip
        assert objective._in_one_pass(solution) is None
    z = policy.sample_logits.copy()
    z[0, 0, 3] = -np.inf
    with pytest.raises(InfiniteDivergenceError, match="prompt 0, answer 3"):
        K3Loss(reference).gradient(solve(mdp, Policy.tabular(z, policy.stop_logits)))
    never = policy.stop_logits.copy()
    never[0, 7] = -np.inf
    for make in (K2Loss, Distillation):
        with pytest.raises(ImproperChainError, match="prompt 7"):
            make(reference).gradient(solve(mdp, Policy.tabular(policy.sample_logits, never)))
        with pytest.raises(InfiniteDivergenceError, match="prompt 0, answer 3"):
            make(Policy.tabular(z, reference.stop_logits)).gradient(solution)


@pytest.mark.parametrize(
    "objective",
    [*(make(alpha=alpha) for make in (SCoReSummed, SCoRePerAttempt) for alpha in (0.0, 0.5, 10.0)), RFT(),
     RFT(normaliser="sequence-sum")],
)  # fmt: skip
def test_accuracy_in_one_pass(objective: Objective, monkeypatch: pytest.MonkeyPatch) -> None:
    mdp, policy, _ = large(seed=13)
    solution = solve(mdp, policy)
    found = objective.gradient(solution)
    monkeypatch.setattr(exponential, "_compiled", lambda *_: False)  # whose sums leave fewer digits than the pass
    slow = objective._closest(solution).gradient(policy)
    assert found.sample.tobytes() != slow.sample.tobytes()
    mixed = np.where(mdp.inside, mdp.correct, 1).min(axis=-1) < np.where(mdp.inside, mdp.correct, 0).max(axis=-1)
    for one, two in ((found.sample[0], slow.sample[0]), (found.decide[0], slow.decide[0])):
        assert not one[~mixed].any()  # exactly: all answers are worth the same
        apart = np.abs(one - two).max(axis=-1)
        assert (apart[mixed] <= 1e-12 * np.abs(two).max(axis=-1)[mixed]).all()


def test_accuracy_steps_aside() -> None:
    mdp, policy, reference = large(seed=13)
    u = policy.stop_logits.copy()
    u[0, 4] = -15.0
    rare = Policy.tabular(policy.sample_logits, u)
    solution = solve(mdp, rare)
    assert one_pass(RFT(reference), solve(mdp, policy)) is None
    assert one_pass(RFT(normaliser="sequence-mean"), solve(mdp, policy)) is None
    for objective in (SCoReSummed(), SCoRePerAttempt(), RFT()):  # stopping is rare
        slow = objective._closest(solution).gradient(rare)
        assert objective.gradient(solution).sample.tobytes() == slow.sample.tobytes()


def test_penalties_in_the_reward_step_aside() -> None:
    mdp, policy, reference = large(seed=4)
    solution = solve(mdp, policy)
    for objective in (ReverseKL(reference, length_weight=0.5), ReverseKL(reference, reduction="mean"),
                      ReverseKL(reference, beta=[0.1, 0.2]), ReverseKL(reference)):  # fmt: skip
        assert objective._in_one_pass(solution) is None  # the last has prompts of nearly certain answers
    never = policy.stop_logits.copy()
    never[0, 7] = -np.inf
    with pytest.raises(ImproperChainError, match="prompt 7"):
        ReverseKL(reference).gradient(solve(mdp, Policy.tabular(policy.sample_logits, never)))
    z = reference.sample_logits.copy()
    z[0, 0, 3] = -np.inf
    with pytest.raises(InfiniteDivergenceError, match="prompt 0, answer 3"):
        ReverseKL(Policy.tabular(z, reference.stop_logits)).gradient(solution)


@pytest.mark.parametrize("away", [1.0, 0.1, 1e-2, 1e-4])
def test_rows_know_how_many_digits_are_left(away: float) -> None:
    mdp, policy, _ = large(seed=10)
    rng, one = np.random.default_rng(11), np.ones((1, 1))
    reference = Policy.tabular(*(v + away * rng.normal(size=policy.shape) for v in (policy.sample_logits, policy.stop_logits)))
    logits = [(p.sample_logits[0], p.stop_logits[0]) for p in (policy, reference)]
    found = whitened_gradient(*logits, 0.0 * one, (one, one), beta=0.3, shift=0.0, prompt_weight=mdp.prompt_weight,
                              n_answers=mdp.n_answers)  # fmt: skip
    slow = ReverseKL(reference, beta=0.3)._closest(solve(mdp, policy)).gradient(policy)
    for block, expected in ((found.sample, slow.sample[0]), (found.decide, slow.decide[0])):
        error = np.abs(block - expected).max(axis=-1)
        assert (error * found.left <= 4e-15 * np.abs(expected).max(axis=-1)).all()
    assert (found.left < 1e-3).any()


@pytest.mark.parametrize("name", ["sft", "sft-token-mean", "sft-sequence-mean", "rft"])
@pytest.mark.parametrize("near", [False, True])
def test_responses_of_a_policy_far_away_take_the_compiled_path(name: str, near: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    mdp, _, _ = large(seed=6)
    several = mdp.replace(n_answers=np.maximum(mdp.n_answers, 5))
    rng, inside = np.random.default_rng(7), several.inside[None]
    policy, other = (
        Policy.tabular(np.where(inside, rng.normal(size=inside.shape), -np.inf), rng.normal(size=inside.shape)) for _ in range(2)
    )
    if near:  # at one prompt: there the gradient is a difference
        z, u = other.sample_logits.copy(), other.stop_logits.copy()
        z[0, 0], u[0, 0] = policy.sample_logits[0, 0] + 1e-3, policy.stop_logits[0, 0] + 1e-4
        other = Policy.tabular(z, u)
    objective = build(name, {"demonstrations": ExpertChain(other), "sampler": other})
    taken = objective.gradient(solve(several, policy))
    monkeypatch.setattr(exponential, "_apart", lambda *_: False)
    careful = objective.gradient(solve(several, policy))
    if near:
        assert (taken.sample.tobytes(), taken.decide.tobytes()) == (careful.sample.tobytes(), careful.decide.tobytes())
    else:
        for found, expected in ((taken.sample, careful.sample), (taken.decide, careful.decide)):
            apart = np.abs(found - expected).max(axis=-1)
            assert apart.any()  # another path
            assert (apart <= 1e-12 * np.abs(expected).max(axis=-1)).all()

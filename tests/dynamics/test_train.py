"""Training: runs against loops, what is logged against fresh solutions, moving references, and the claims about fixed points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import make_case

from dstheory import Policy, TwoStageMDP, attribute, solve, train
from dstheory.chain.exact import Solution
from dstheory.dynamics import SGD, Adam, Momentum, NaturalGradient, schedule
from dstheory.errors import ChainError, DivergedError, OneRunError
from dstheory.objectives import (
    DAPO,
    DPO,
    GSPO,
    SFT,
    DAPOBatch,
    EntropyBonus,
    ExpertChain,
    ForwardKL,
    Reinforce,
    ReverseKL,
    ReverseKLDirect,
)
from dstheory.objectives.mass import CoefficientMass

MDP = TwoStageMDP.minimal(gamma=0.9, sample_length=16.0)
START = Policy.minimal(p=0.55, a=0.8, b=0.3)
REFERENCE = Policy.minimal(p=0.4, a=0.7, b=0.6)
OPTIMIZERS = [
    lambda lr: SGD(lr=lr), lambda lr: Momentum(lr=lr, momentum=0.7), lambda lr: Adam(lr=lr), lambda lr: NaturalGradient(lr=lr),
]  # fmt: skip


# ---------------------------------------------------------------------- many runs at once


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize(("kind", "cap"), [("tabular", None), ("turn-indexed", 3), ("linear", None)])
def test_runs_side_by_side_are_a_loop_over_runs(make, kind: str, cap: int | None) -> None:
    case = make_case(21, cap=cap, kind=kind, per="stage", gamma=0.8)
    rng = np.random.default_rng(0)
    many = tuple(np.stack([b + 0.2 * rng.normal(size=b.shape) for _ in range(3)]) for b in case.policy.parameters)
    lrs, gammas, betas = np.array([0.02, 0.05, 0.1]), np.array([0.3, 0.7, 1.0]), np.array([0.0, 0.1, 0.4])
    settings = {"steps": 6, "clip_norm": 0.7, "schedule": schedule("cosine", warmup=2), "reference_every": 4, "log_every": 2}

    def objective(beta):
        return Reinforce() + ReverseKLDirect(case.reference, beta=beta, length_weight=0.5)

    together = train(
        case.mdp.replace(gamma=gammas), case.policy.with_parameters(many), objective(betas), optimizer=make(lrs), **settings
    )
    for i in range(3):
        start = case.policy.with_parameters(tuple(b[i] for b in many))
        alone = train(case.mdp.replace(gamma=gammas[i]), start, objective(betas[i]), optimizer=make(lrs[i]), **settings)
        for block, own in zip(together.policy.parameters, alone.policy.parameters, strict=True):
            np.testing.assert_allclose(block[i], own, rtol=1e-8, atol=1e-10)
        for name in ("p", "a", "b", "accuracy", "turns", "value", "gradient_norm", "energy"):
            logged = together.history[name].isel(run=i)
            np.testing.assert_allclose(logged, alone.history[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_runs_on_stale_responses_are_a_loop_over_runs() -> None:
    """GSPO's ratios are those of whole responses, of one policy: with several updates on a batch its runs were refused."""
    start, settings = Policy.minimal(p=[0.4, 0.7], a=0.6, b=0.5), {"steps": 5, "updates_per_batch": 2, "optimizer": SGD(lr=0.5)}
    mdp, objective = TwoStageMDP.minimal(gamma=0.9, sample_length=16.0, max_turns=3), GSPO(group_size=3)
    together = train(mdp, start, objective, **settings)
    for i, one in enumerate(start.each_run()):
        alone = train(mdp, one, objective, **settings)
        np.testing.assert_array_equal(together.policy.parameters[0][i], alone.policy.parameters[0])
        assert float(abs(alone.history.p[-1] - alone.history.p[0])) > 1e-4


def test_a_run_that_is_refused_is_named_before_another_is_trained() -> None:
    """One of three starts is so rarely right that dynamic sampling would draw without end: two were trained, and no run named."""
    mdp, start = TwoStageMDP.minimal(gamma=1.0, max_turns=3), Policy.minimal(p=[0.5, 0.4, 1e-307], a=0.5, b=0.5)
    told: list[int] = []
    with pytest.raises(ChainError, match=r"^run \(2,\): probability of a mixed group is"):
        train(mdp, start, DAPO(), steps=3, progress=told.append)
    assert told == []
    with pytest.raises(ChainError, match=r"^run \(2,\): probability of a mixed group is"):
        attribute(DAPO(), solve(mdp, start))


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_runs_of_an_objective_of_one_run_are_a_loop_over_runs(make) -> None:
    """DPO's pairs are responses of one policy: its runs were refused, though a sweep trained them."""
    case = make_case(21, cap=3, kind="turn-indexed", per="stage", gamma=0.8)
    rng = np.random.default_rng(0)
    many = tuple(np.stack([b + 0.2 * rng.normal(size=b.shape) for _ in range(4)]) for b in case.policy.parameters)
    start = case.policy.with_parameters(tuple(block.reshape(2, 2, *block.shape[1:]) for block in many))
    objective, rates = DPO(case.reference, beta=0.3) + 0.4 * EntropyBonus(), np.array([0.02, 0.05])
    settings = {"steps": 3, "clip_norm": 0.2, "schedule": schedule("linear"), "reference_every": 2, "log_every": 2}
    told: list[int] = []
    together = train(case.mdp, start, objective, optimizer=make(rates), progress=told.append, **settings)
    assert (told == sorted(told), told[-1]) == (True, 3)
    first = attribute(objective, solve(case.mdp, start))
    assert first.coefficient is None
    for i, (row, column) in enumerate(np.ndindex(2, 2)):
        one = case.policy.with_parameters(tuple(b[i] for b in many))
        alone = train(case.mdp, one, objective, optimizer=make(rates[column]), **settings)
        for block, own in zip(together.policy.parameters, alone.policy.parameters, strict=True):
            np.testing.assert_array_equal(block[row, column], own)
        for name in together.history:
            np.testing.assert_array_equal(together.history[name].isel(run_0=row, run_1=column), alone.history[name], err_msg=name)
        assert {*alone.history} - {*together.history} == {f"coefficient_{x}" for x in ("balanced", "ratio_low", "ratio_high")}
        energy = attribute(objective, solve(case.mdp, one)).energy
        np.testing.assert_allclose(first.energy.decide[row, column], energy.decide, rtol=1e-12)
        np.testing.assert_allclose(first.energy.sample[row, column], together.history.energy[0, row, column, -1, 0], rtol=1e-12)


@pytest.mark.parametrize("p", [0.5, [0.4, 0.6]], ids=["one start", "two starts"])
def test_rates_of_an_objective_of_one_run_are_a_loop_over_rates(p: Any) -> None:
    """One start and several rates of DPO were refused, though a sweep trained them."""
    start, rates = Policy.minimal(p=p, a=0.6, b=0.5), np.array([[0.1], [0.4], [0.9]]) if np.ndim(p) else np.array([0.1, 0.4, 0.9])
    objective = DPO(Policy.minimal(p=0.4, a=0.97, b=0.05), beta=0.3)  # whose responses end soon: few that count
    together = train(MDP, start, objective, steps=4, optimizer=SGD(lr=rates))
    assert together.policy.runs == ((3, 2) if np.ndim(p) else (3,))
    assert len({tuple(row) for row in together.policy.parameters[0].reshape(-1, 3)}) == together.policy.parameters[0].size // 3
    for place in np.ndindex(*together.policy.runs):
        one = start.each_run()[place[1]] if np.ndim(p) else start
        alone = train(MDP, one, objective, steps=4, optimizer=SGD(lr=float(rates[place[0]].item())))
        np.testing.assert_array_equal(together.policy.parameters[0][place], alone.policy.parameters[0])
        np.testing.assert_array_equal(together.log["energy"][:, *place], alone.log["energy"])


def test_only_an_objective_that_says_so_is_taken_run_by_run() -> None:
    """Whatever an objective refused of several runs and of none of them alone was taken to be a rule of one run."""

    class Faulty(Reinforce):
        def mass(self, solution: Solution) -> CoefficientMass:
            if solution.policy.runs:
                raise ChainError("a fault with runs")
            return super().mass(solution)

    class OfOneRun(Faulty):
        asked = 0

        def mass(self, solution: Solution) -> CoefficientMass:
            OfOneRun.asked += 1
            if solution.policy.runs:
                raise OneRunError("responses are those of one run: pick one")
            return super().mass(solution)

    start = Policy.minimal(p=[0.4, 0.6], a=0.5, b=0.5)
    with pytest.raises(ChainError, match=r"^a fault with runs$"):
        train(MDP, start, Faulty(), steps=1)
    with pytest.raises(ChainError, match=r"^a fault with runs$"):
        attribute(Faulty(), solve(MDP, start))
    train(MDP, start, OfOneRun(), steps=1, objective_at=lambda step: Reinforce())
    without = OfOneRun.asked
    train(MDP, start, OfOneRun(), steps=1)
    assert OfOneRun.asked == 2 * without  # the first step takes the gradient that says that runs can be trained


def test_which_run_of_an_objective_of_one_run_left_the_finite_numbers() -> None:
    start = Policy.minimal(p=[[0.4, 0.6, 0.5]], a=0.5, b=0.5)
    steep = SGD(lr=np.array([0.1, 1e308, 0.1]))
    with pytest.raises(DivergedError, match=r"^run \(0, 1\): training left the finite numbers from step \d+ on") as error:
        train(MDP, start, DPO(REFERENCE, beta=1e3), steps=3, optimizer=steep)
    assert error.value.runs.tolist() == [[False, True, False]]


def test_learning_rates_alone_make_runs() -> None:
    lrs = np.array([[0.1, 0.2, 0.4], [0.3, 0.5, 0.6]])
    together = train(MDP, START, Reinforce(), steps=5, optimizer=SGD(lr=lrs))
    assert together.policy.runs == (2, 3)
    assert together.history.accuracy.dims == ("step", "run_0", "run_1")
    for index in np.ndindex(2, 3):
        alone = train(MDP, START, Reinforce(), steps=5, optimizer=SGD(lr=float(lrs[index])))
        np.testing.assert_allclose(together.policy.parameters[0][index], alone.policy.parameters[0], rtol=1e-12)


@pytest.mark.parametrize("runs", [(2, 2), (3, 2)])
def test_fewer_learning_rate_axes_line_up_with_the_last_run_axis(runs: tuple[int, int]) -> None:
    gamma = np.linspace(0.5, 0.9, runs[0] * runs[1]).reshape(runs)
    lr = np.array([0.1, 0.5])
    together = train(MDP.replace(gamma=gamma), START, Reinforce(), steps=3, optimizer=SGD(lr=lr))
    for i, j in np.ndindex(*runs):
        alone = train(MDP.replace(gamma=gamma[i, j]), START, Reinforce(), steps=3, optimizer=SGD(lr=lr[j]))
        np.testing.assert_allclose(together.policy.parameters[0][i, j], alone.policy.parameters[0], rtol=1e-12)


def test_run_axes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ChainError, match=r"policy \(\), chain \(2,\), objective \(2,\), lr \(3,\)"):
        train(MDP.replace(gamma=[0.1, 0.2]), START, Reinforce(), steps=1, optimizer=SGD(lr=[0.1, 0.2, 0.3]))


# ---------------------------------------------------------------------- what is logged


def test_the_history_holds_what_fresh_solutions_say() -> None:
    case = make_case(21, cap=3, kind="turn-indexed", per="turn", gamma=0.8)
    total = Reinforce() + 0.5 * ReverseKL(case.reference, beta=0.2, length_weight=0.5) + 0.1 * SFT(ExpertChain(case.expert))
    history = train(case.mdp, case.policy, total, steps=7, optimizer=Adam(lr=0.05), log_every=3).history
    assert history.step.values.tolist() == [0, 3, 6, 7]
    assert history.component.values.tolist() == ["reinforce", "kl", "sft", "total"]
    assert history.stage.values.tolist() == ["sample", "decide"]
    assert history.gradient_norm.dims == history.energy.dims == ("step", "component", "stage")
    parts = [t.rescaled(f) for t, f in zip(total.terms, total.factors, strict=True)]
    for i, step in enumerate(history.step.values.tolist()):
        policy = train(case.mdp, case.policy, total, steps=step, optimizer=Adam(lr=0.05)).policy
        s = solve(case.mdp, policy)
        row = history.isel(step=i)
        for name, exact in (("p", s.p), ("a", s.a), ("b", s.b), ("accuracy", s.mean_accuracy), ("turns", s.mean_turns),
                            ("value", s.mean_value), ("objective", total.value(s))):  # fmt: skip
            np.testing.assert_allclose(row[name], exact, rtol=1e-10, err_msg=name)
        for j, part in enumerate([*parts, total]):
            split = attribute(part, s)
            np.testing.assert_allclose(row.gradient_norm[j], [split.gradient.sample, split.gradient.decide], rtol=1e-9)
            np.testing.assert_allclose(row.energy[j], [split.energy.sample, split.energy.decide], rtol=1e-9)
    assert history.coefficient_balanced.values[:, 0].tolist() == [1.0] * 4
    assert history.coefficient_balanced.values[:, 2].tolist() == [1.0] * 4  # lambda = 0
    assert np.isnan(history.coefficient_balanced.values[:, 3]).all()  # no common trajectories
    assert "cosine" not in history
    assert all(v.attrs.get("long_name") for n, v in history.data_vars.items() if not n.startswith("coefficient"))


def test_level_one_and_cosine_of_a_linear_policy_are_logged() -> None:
    history = train(MDP, START, ReverseKLDirect(REFERENCE, length_weight=0.5), steps=2).history
    assert history.component.values.tolist() == ["total"]
    assert history.coefficient_balanced.values.tolist() == [[0.0]] * 3
    assert (history.coefficient_ratio_low < history.coefficient_ratio_high).all()
    assert history.cosine.values.tolist() == [[0.0]] * 3
    assert np.isnan(history.objective).all()  # the direct term has no scalar


def test_terms_of_one_name_are_told_apart() -> None:
    total = ReverseKLDirect(REFERENCE) + ReverseKLDirect(START) + Reinforce() + ReverseKLDirect(REFERENCE, length_weight=1.0)
    names = train(MDP, START, total, steps=0).history.component.values.tolist()
    assert names == ["kl-direct", "kl-direct#2", "reinforce", "kl-direct#3", "total"]


def test_two_imitation_terms_can_be_trained_together() -> None:
    expert, other = ExpertChain(REFERENCE), ExpertChain(Policy.minimal(p=0.9, a=0.9, b=0.9))
    history = train(MDP, START, SFT(expert) + 0.2 * SFT(other), steps=2).history
    assert np.isfinite(history.energy).all()
    assert np.isnan(history.coefficient_balanced.sel(component="total")).all()


@pytest.mark.parametrize(
    ("steps", "every", "logged"),
    [(0, None, [0]), (5, None, [0, 1, 2, 3, 4, 5]), (5, 2, [0, 2, 4, 5]), (6, 100, [0, 6]), (1, 1, [0, 1])],
)
def test_first_and_last_step_are_always_logged(steps: int, every: int | None, logged: list[int]) -> None:
    seen: list[int] = []
    result = train(MDP, START, Reinforce(), steps=steps, log_every=every, progress=seen.append)
    assert result.history.step.values.tolist() == seen == logged
    if steps == 0:
        np.testing.assert_array_equal(result.policy.parameters[0], START.parameters[0])


def test_about_a_hundred_steps_are_logged_by_default() -> None:
    assert len(train(MDP, START, Reinforce(), steps=437, optimizer=Momentum()).history.step) == 111


def test_training_is_deterministic_and_leaves_the_start_alone() -> None:
    before = START.parameters[0].copy()
    one, two = (train(MDP, START, Reinforce() + EntropyBonus(), steps=20) for _ in range(2))
    assert one.history.identical(two.history)
    np.testing.assert_array_equal(START.parameters[0], before)


# ---------------------------------------------------------------------- moving references


@pytest.mark.parametrize("make", [ReverseKLDirect, ReverseKL, ForwardKL])
def test_a_moving_reference_is_a_chain_of_trainings(make) -> None:
    """Renewed every 4 steps: the same as training 4 steps, taking the policy as reference, and so on."""
    penalty = make(REFERENCE, beta=0.5, length_weight=0.5)
    moving = train(MDP, START, Reinforce() + penalty, steps=10, reference_every=4, optimizer=SGD(lr=0.3), log_every=1)
    policy, objective = START, Reinforce() + penalty
    for steps in (4, 4, 2):
        policy = train(MDP, policy, objective, steps=steps, optimizer=SGD(lr=0.3)).policy
        objective = objective.with_reference(policy)
    np.testing.assert_allclose(moving.policy.parameters[0], policy.parameters[0], rtol=1e-12)
    renewed = moving.history.gradient_norm.sel(component=penalty.name).sum("stage").values
    assert (renewed[[4, 8]] < 1e-12).all()  # at the reference itself the penalty pushes nowhere
    assert (renewed[[0, 1, 2, 3, 5, 6, 7, 9, 10]] > 1e-6).all()
    still = train(MDP, START, Reinforce() + penalty, steps=10, optimizer=SGD(lr=0.3)).policy
    assert np.abs(still.parameters[0] - policy.parameters[0]).max() > 1e-4


def test_a_moving_reference_moves_per_run() -> None:
    starts = Policy.minimal(p=[0.3, 0.6], a=0.5, b=0.5)
    objective = Reinforce() + ReverseKLDirect(REFERENCE, beta=0.5)
    together = train(MDP, starts, objective, steps=6, reference_every=2)
    for i, p in enumerate((0.3, 0.6)):
        alone = train(MDP, Policy.minimal(p=p, a=0.5, b=0.5), objective, steps=6, reference_every=2)
        np.testing.assert_allclose(together.policy.parameters[0][i], alone.policy.parameters[0], rtol=1e-12)


# ---------------------------------------------------------------------- where training ends up


def probabilities(policy: Policy) -> list[float]:
    return [float(policy.sample_prob[0, 0, 0]), float(policy.stop_prob[0, 0, 0]), float(policy.resample_prob[0, 0, 1])]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_sft_ends_at_the_expert_whatever_the_length_weight(reduction: str) -> None:
    """C5: with coverage the optimum does not move; only the speed does."""
    expert = Policy.minimal(p=0.8, a=0.9, b=0.7)
    sft = SFT(ExpertChain(expert), length_weight=np.array([0.0, 0.5, 1.0]), reduction=reduction)
    end = train(MDP, START, sft, steps=300, optimizer=Adam(lr=0.1), schedule=schedule("cosine"), log_every=300)
    found = [probabilities(policy) for policy in end.policy.each_run()]
    np.testing.assert_allclose(found, [[0.8, 0.9, 0.7]] * 3, atol=1e-6)


def test_sft_of_a_general_chain_ends_at_its_expert() -> None:
    case = make_case(21, cap=None, kind="tabular", per="turn", gamma=0.9)
    sft = SFT(ExpertChain(case.expert), length_weight=0.0)
    end = train(case.mdp, case.policy, sft, steps=400, optimizer=Adam(lr=0.1), schedule=schedule("cosine"), log_every=400).policy
    np.testing.assert_allclose(end.sample_prob, case.expert.sample_prob, atol=1e-5)
    inside = case.mdp.inside
    np.testing.assert_allclose(end.stop_prob[:, inside], case.expert.stop_prob[:, inside], atol=1e-5)


@pytest.mark.parametrize("optimizer", [SGD(lr=0.5), Adam(lr=0.1), Momentum(lr=0.1)])
@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_without_coverage_the_decision_at_wrong_answers_does_not_move(optimizer, lam: float) -> None:
    """C3: demonstrations that are right first time give exactly zero signal for "resample when wrong"."""
    flawless = Policy.from_probabilities([[1.0, 0.0]], [[1.0, 0.5]])
    end = train(MDP, START, SFT(ExpertChain(flawless), length_weight=lam), steps=50, optimizer=optimizer).policy
    assert end.parameters[0][2] == START.parameters[0][2]
    assert end.parameters[0][0] > START.parameters[0][0] + 0.5


@pytest.mark.parametrize("make", [ReverseKLDirect, ReverseKL, ForwardKL, lambda *a, **k: ForwardKL(*a, **k, states="reference")])
def test_a_penalty_alone_ends_at_its_reference(make) -> None:
    """D5, at every length weight."""
    penalty = make(REFERENCE, beta=1.0, length_weight=np.array([0.0, 0.5, 1.0]))
    end = train(MDP, START, penalty, steps=300, optimizer=Adam(lr=0.1), schedule=schedule("cosine"), log_every=300)
    found = [probabilities(policy) for policy in end.policy.each_run()]
    np.testing.assert_allclose(found, [[0.4, 0.7, 0.6]] * 3, atol=1e-5)


def test_the_reference_is_a_fixed_point_to_the_last_digit() -> None:
    end = train(MDP, REFERENCE, ReverseKLDirect(REFERENCE, beta=1.0, length_weight=1.0), steps=20).policy
    np.testing.assert_array_equal(end.parameters[0], REFERENCE.parameters[0])


def test_reward_never_pushes_sampling_down_in_training() -> None:
    """B6: under terminal accuracy the success of sampling rises along the whole path."""
    history = train(MDP, START, Reinforce(), steps=200, optimizer=SGD(lr=0.5), log_every=1).history
    assert (np.diff(history.p) > 0).all()
    assert (np.diff(history.value) > 0).all()


def test_certain_choices_stay_certain_and_padding_stays_out() -> None:
    mdp = TwoStageMDP(correct=[[1, 0, 0], [1]], gamma=0.9)
    start = Policy.from_probabilities([[0.0, 0.5, 0.5], [1.0]], [[0.5, 1.0, 0.0], [0.5]])
    for optimizer in (SGD(lr=1.0), Momentum(), Adam(), NaturalGradient(damping=1e-3)):
        end = train(mdp, start, Reinforce() + EntropyBonus(), steps=10, optimizer=optimizer).policy
        assert end.sample_prob[0, 0, 0] == 0.0
        assert end.sample_prob[0, 1].tolist() == [1.0, 0.0, 0.0]
        assert end.stop_prob[0, 0, 1:].tolist() == [1.0, 0.0]
        assert np.isfinite(end.stop_logits[0, 0, 0])


# ---------------------------------------------------------------------- chosen steps, changing objectives


def test_chosen_steps_are_logged_and_change_nothing() -> None:
    for steps, every in ((40, 1), (1500, 50)):  # 1500: the compiled path
        chosen = train(MDP, START, Reinforce(), steps=steps, log_at=[7 * every, 3 * every, 7 * every, 0]).history
        every = train(MDP, START, Reinforce(), steps=steps, log_every=every).history
        assert chosen.step.values[[0, -1]].tolist() == [0, steps]
        assert len(chosen.step) == 4
        np.testing.assert_allclose(chosen.p, every.p.sel(step=chosen.step), rtol=1e-13)


def test_an_objective_per_step_is_followed_and_another_described() -> None:
    """Alternating reward and SFT is a loop over single steps; the history logs the objective given."""
    sft = SFT(ExpertChain(Policy.minimal(p=0.9, a=0.9, b=0.9)), length_weight=0.5)
    turns = (Reinforce(), sft)
    seen: list[int] = []
    ran = train(MDP, START, sft, steps=6, objective_at=lambda k: (seen.append(k), turns[k % 2])[1], log_every=1)
    assert seen == list(range(6))
    policy = START
    for k in range(6):
        value = float(sft.value(solve(MDP, policy)))
        assert float(ran.history.objective[k]) == pytest.approx(value, rel=1e-12)
        policy = train(MDP, policy, turns[k % 2], steps=1).policy
    np.testing.assert_allclose(ran.policy.parameters[0], policy.parameters[0], rtol=1e-13)


# ---------------------------------------------------------------------- arguments and accidents


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": -1}, "steps is -1: must be a whole number >= 0"),
        ({"steps": 1.5}, "steps is 1.5: must be a whole number >= 0"),
        ({"steps": float("nan")}, "steps is nan: must be a whole number >= 0"),
        ({"steps": "3"}, "steps is '3': must be a whole number >= 0"),
        ({"log_every": 0}, "log_every is 0: must be a whole number >= 1"),
        ({"log_every": 2.5}, "log_every is 2.5: must be a whole number >= 1"),
        ({"log_every": 2, "log_at": [1]}, "log_every and log_at say which steps to log, both of them: give one"),
        ({"log_at": [0.5]}, "a step of log_at is 0.5: must be a whole number >= 0"),
        ({"log_at": [0, 2]}, "log_at has step 2: must be at most steps = 1"),
        ({"reference_every": 0}, "reference_every is 0: must be a whole number >= 1"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0: must be finite and > 0, or None for no clipping"),
        ({"clip_norm": float("nan")}, "clip_norm is nan: must be finite and > 0, or None for no clipping"),
        ({"clip_norm": float("inf")}, "clip_norm is inf: must be finite and > 0, or None for no clipping"),
    ],
)
def test_arguments_out_of_range_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(ChainError) as caught:
        train(MDP, START, Reinforce(), **({"steps": 1} | settings))
    assert str(caught.value) == words


@pytest.mark.parametrize("optimizer", [SGD(lr=1e308), Momentum(lr=1e308), SGD(lr=[0.1, 1e308])])
def test_training_that_leaves_the_finite_numbers_says_where(optimizer) -> None:
    sft = SFT(ExpertChain(Policy.minimal(p=0.9, a=0.9, b=0.9)), length_weight=1.0)
    run = r" in run \(1,\)" if np.ndim(optimizer.lr) else ""
    with pytest.raises(ChainError, match=rf"^training left the finite numbers from step \d on{run}: use a smaller learning rate"):
        train(MDP.replace(sample_length=1e3), START, sft, steps=9, optimizer=optimizer)


@pytest.mark.parametrize("objective", ["grpo", None, Reinforce])
def test_what_is_no_objective_is_refused(objective) -> None:
    with pytest.raises(ChainError, match=r"^objective is .*: give an Objective, such as Reinforce\(\)$"):
        train(MDP, START, objective, steps=1)


def test_a_policy_that_does_not_fit_is_refused_before_the_first_step() -> None:
    with pytest.raises(ChainError, match="1 prompt x 2 answers but the chain has 2 x 2"):
        train(TwoStageMDP(correct=[[1, 0], [1, 0]]), START, Reinforce(), steps=1)


def test_several_updates_on_one_batch_follow_the_responses_of_its_start() -> None:
    """By hand: a new batch every three steps; ratios are those to the policy that it was drawn from."""
    start, chain, lr = Policy.minimal(p=0.55, a=0.8, b=0.3), TwoStageMDP.minimal(gamma=1.0), 5.0
    found = train(chain, start, DAPOBatch(group_size=4), steps=7, updates_per_batch=3, optimizer=SGD(lr=lr))
    policy = old = start
    for step in range(7):
        old = policy if step % 3 == 0 else old
        blocks = DAPOBatch(group_size=4, sampler=old).gradient(solve(chain, policy)).parameters(policy)
        policy = policy.with_parameters(tuple(b + lr * g for b, g in zip(policy.parameters, blocks, strict=True)))
    np.testing.assert_allclose(found.policy.parameters[0], policy.parameters[0], rtol=1e-12)
    fresh = train(chain, start, DAPOBatch(group_size=4), steps=7, optimizer=SGD(lr=lr))
    assert np.abs(fresh.policy.parameters[0] - policy.parameters[0]).max() > 1e-3
    same = train(chain, start, Reinforce(), steps=7, updates_per_batch=3, optimizer=SGD(lr=lr))
    plain = train(chain, start, Reinforce(), steps=7, optimizer=SGD(lr=lr))
    np.testing.assert_allclose(same.policy.parameters[0], plain.policy.parameters[0], rtol=1e-13)
    with pytest.raises(ChainError, match="updates_per_batch and objective_at both say"):
        train(chain, start, Reinforce(), steps=1, updates_per_batch=2, objective_at=lambda k: Reinforce())
